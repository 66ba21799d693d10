/* conductor: what is still heard of targets that have ended, also when their campaign is over; see conduct.h.
 *
 * A call or a point read that is on its way then comes to its end. Where a target ended undecided (noProof,
 * unknown), its twin is followed, until that has decided it, the device is called again, or the time is over.
 * A restart ends all of it: what was on its way is lost, and whether the device has been called since by a
 * campaign that is over would have to be looked up in all of them. */
#include "server/conduct.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* As long again as there was for the proof, but so long at least and at most. */
#define FOLLOW_MIN_MS (15 * 60000)
#define FOLLOW_MAX_MS (24 * 3600000)

struct late {
	UT_hash_handle hh, hh_device;
	uint64_t key; /* campaign << 32 | target */
	char id[ID_SIZE];
	struct evidence_rule rule;
	struct baseline baseline;
	int64_t since_hub_ms;
	int64_t until_ms; /* its twin is followed; TIME_NONE: is not */
	uint16_t attempt_seq;
	uint8_t hub;
	bool has_moved;
	bool is_reading; /* a point read is out */
	unsigned device_bytes;
	char device[]; /* hub, then the device id */
};

/* ---- calls ---- */

void call_begin(struct conductor *c, const struct live *live, const struct target_row *row)
{
	struct call_out *call = xcalloc(1, sizeof *call);

	call->key = (struct call_key){row->campaign, row->no, row->calls};
	call->profile = live->rule.profile;
	call->attempt = row->attempts;
	call->attempt_seq = row->attempt_seq;
	call->called_at_ms = row->called_at_ms;
	call->hub_at_ms = row->since_hub_ms;
	HASH_ADD(hh, c->calls_out, key, sizeof call->key, call);
}

struct call_out *call_end(struct conductor *c, uint32_t campaign, uint32_t no, uint16_t call)
{
	struct call_key key = {campaign, no, call};
	struct call_out *out;

	HASH_FIND(hh, c->calls_out, &key, sizeof key, out);
	if (out != NULL)
		HASH_DELETE(hh, c->calls_out, out);
	return out;
}

void late_answer(struct conductor *c, const struct call_out *call, const struct hub_answer *a,
                 enum call_result result, int64_t now_ms)
{
	bool is_accepted = result == CALL_ACCEPTED;
	struct evidence_row row = {.campaign = call->key.campaign,
	                           .no = call->key.no,
	                           .at_ms = now_ms,
	                           .hub_at_ms = a->hub_at_ms,
	                           .source = SOURCE_REPLY,
	                           .strength = is_accepted ? STRENGTH_ACCEPTED : STRENGTH_NONE,
	                           .is_late = true,
	                           .verdict = is_accepted                ? "accepted"
	                                      : result == CALL_NO_METHOD ? "noMethod"
	                                                                 : "refused",
	                           .value_at_ms = TIME_NONE};

	if (a->outcome == HUB_ANSWERED)
		batch_evidence_add(c->batch, &row);
}

/* ---- twins ---- */

static uint64_t key_of(uint32_t campaign, uint32_t no)
{
	return (uint64_t)campaign << 32 | no;
}

static struct late *late_find(const struct conductor *c, uint32_t campaign, uint32_t no)
{
	uint64_t key = key_of(campaign, no);
	struct late *l;

	HASH_FIND(hh, c->lates, &key, sizeof key, l);
	return l;
}

static void drop(struct conductor *c, struct late *l)
{
	if (l->until_ms != TIME_NONE) {
		track_unwatch(c->ports[l->hub].track, (uint32_t)(l->key >> 32), (uint32_t)l->key);
		c->ports[l->hub].lates_n--;
	}
	HASH_DELETE(hh, c->lates, l);
	HASH_DELETE(hh_device, c->lates_by_device, l);
	free(l);
}

void late_end(struct conductor *c, uint8_t hub, const char *device_id)
{
	char device[1 + DEVICE_ID_MAX];
	size_t n = strlen(device_id);
	struct late *l;

	assert(n <= DEVICE_ID_MAX);
	device[0] = (char)hub;
	memcpy(device + 1, device_id, n);
	HASH_FIND(hh_device, c->lates_by_device, device, n + 1, l);
	if (l != NULL)
		drop(c, l);
}

static struct late *late_of(const struct live *live, const struct target_state_view *t)
{
	size_t n = strlen(t->device_id);
	struct late *l = xcalloc(1, sizeof *l + 1 + n);

	l->key = key_of(t->row.campaign, t->row.no);
	memcpy(l->id, live->id, sizeof l->id);
	l->rule = live->rule;
	l->baseline = t->baseline;
	l->since_hub_ms = t->row.since_hub_ms;
	l->until_ms = TIME_NONE;
	l->attempt_seq = t->row.attempt_seq;
	l->hub = t->hub;
	l->has_moved = t->row.has_moved;
	l->is_reading = t->is_reading;
	l->device_bytes = (unsigned)n + 1;
	l->device[0] = (char)t->hub;
	memcpy(l->device + 1, t->device_id, n);
	return l;
}

static int64_t follow_ms(const struct campaign_spec *s)
{
	int64_t ms = (int64_t)s->verify.timeout_s * 1000;

	return ms < FOLLOW_MIN_MS ? FOLLOW_MIN_MS : ms > FOLLOW_MAX_MS ? FOLLOW_MAX_MS : ms;
}

void late_begin(struct conductor *c, const struct live *live, const struct target_state_view *t,
                enum target_state from)
{
	bool was_watched = from == TARGET_DOUBTFUL || from == TARGET_AWAITING_PROOF;
	bool is_undecided = t->row.reason == REASON_NO_PROOF || t->row.reason == REASON_UNKNOWN;
	struct port *p = &c->ports[t->hub];
	/* Later on a device may well be away and come back of itself. */
	bool is_followed = was_watched && is_undecided && !live->rule.is_reconnect && !day_is_short(&p->day);
	struct late *l;

	if (!t->is_reading && !is_followed)
		return;
	late_end(c, t->hub, t->device_id);
	l = late_of(live, t);
	if (is_followed) {
		l->until_ms = t->row.changed_at_ms + follow_ms(live->spec);
		alarms_add(&c->late_alarms, l->until_ms, l->key);
		p->lates_n++;
	}
	HASH_ADD(hh, c->lates, key, sizeof l->key, l);
	HASH_ADD_KEYPTR(hh_device, c->lates_by_device, l->device, l->device_bytes, l);
}

bool late_is_followed(const struct conductor *c, uint32_t campaign, uint32_t no)
{
	const struct late *l = late_find(c, campaign, no);

	return l != NULL && l->until_ms != TIME_NONE;
}

/* Puts what it says on record; true: more of it would say no more. */
static bool hear(struct conductor *c, struct late *l, const struct track_news *news, int64_t now_ms)
{
	char attempt_id[ATTEMPT_ID_SIZE];
	struct evidence_case ec = {.rule = &l->rule,
	                           .baseline = &l->baseline,
	                           .since_hub_ms = l->since_hub_ms,
	                           .attempt_id = attempt_id,
	                           .has_moved = l->has_moved};
	struct verdict v;

	id_attempt(l->id, news->no, l->attempt_seq, attempt_id);
	v = evidence_judge(&ec, news->reading);
	if (v.kind != VERDICT_NOTHING && (v.kind != VERDICT_MOVED || !l->has_moved))
		conduct_evidence(c, news, &v, verdict_text(v.kind), false, true, now_ms);
	l->has_moved |= v.kind == VERDICT_MOVED;
	return v.kind != VERDICT_NOTHING && v.kind != VERDICT_MOVED;
}

void late_news(struct conductor *c, const struct live *live, const struct target_state_view *t,
               const struct track_news *news, int64_t now_ms)
{
	struct late *l = late_find(c, news->campaign, news->no), *not_told;
	bool is_over = false;

	if (l == NULL && t != NULL && t->row.since_hub_ms != TIME_NONE &&
	    news->reading != NULL) { /* late_begin() follows, with the next steps */
		not_told = late_of(live, t);
		hear(c, not_told, news, now_ms);
		free(not_told);
	}
	if (l == NULL)
		return;
	if (news->reading != NULL)
		is_over = hear(c, l, news, now_ms);
	if (news->reading == NULL || news->reading->is_point_read)
		l->is_reading = false;
	if (!l->is_reading && (is_over || l->until_ms == TIME_NONE))
		drop(c, l);
}

int64_t late_run(struct conductor *c, int64_t now_ms)
{
	uint64_t who;

	while (alarms_pop(&c->late_alarms, now_ms, &who)) {
		struct late *l = late_find(c, (uint32_t)(who >> 32), (uint32_t)who);

		if (l != NULL && l->until_ms <= now_ms)
			drop(c, l);
	}
	return alarms_next_at(&c->late_alarms);
}

void late_forget(struct conductor *c, uint32_t campaign)
{
	struct call_out *call, *next_call;
	struct late *l, *next;

	HASH_ITER (hh, c->calls_out, call, next_call)
		if (call->key.campaign == campaign)
			free(call_end(c, campaign, call->key.no, (uint16_t)call->key.call));
	HASH_ITER (hh, c->lates, l, next)
		if (l->key >> 32 == campaign)
			drop(c, l);
}

void lates_free(struct conductor *c)
{
	struct call_out *call, *next_call;
	struct late *l, *next;

	HASH_ITER (hh, c->calls_out, call, next_call) {
		HASH_DELETE(hh, c->calls_out, call);
		free(call);
	}
	HASH_ITER (hh, c->lates, l, next)
		drop(c, l);
	alarms_done(&c->late_alarms);
}
