/* campaign: see engine.h. Reading order: what is kept, changing a target, facts, time passing, admission,
 * steps. */
#include "server/campaign/engine.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/hash.h"
#include "server/campaign/engine_parts.h"
#include "server/campaign/target.h"
#include "server/campaign/wave.h"

/* A point read made before a call is good for so long. */
#define CHECKED_FOR_MS 60000
/* A device whose pre-check fails is asked again after so long. */
#define UNHEALTHY_FOR_MS 60000

/* ---- what is kept ---- */

struct engine *engine_new(void)
{
	struct engine *e = xcalloc(1, sizeof *e);

	TAILQ_INIT(&e->all);
	TAILQ_INIT(&e->dirty);
	e->holds = holds_new();
	e->groups = groups_new();
	e->now_ms = e->passed_ms = TIME_NONE;
	return e;
}

void engine_campaign_drop(struct engine *e, uint32_t no)
{
	struct campaign *c = find(e, no);

	if (c == NULL)
		return;
	engine_relapse_forget(e, c);
	HASH_DEL(e->by_no, c);
	TAILQ_REMOVE(&e->all, c, link);
	if (c->is_dirty)
		TAILQ_REMOVE(&e->dirty, c, dirty_link);
	for (uint32_t i = 0; i < c->n; i++)
		free(c->targets[i].active);
	for (uint32_t i = 0; i < c->lanes_n; i++) {
		numbers_done(&c->lanes[i].prepared);
		numbers_done(&c->lanes[i].ready);
	}
	free(c->lanes);
	for (uint32_t i = 0; i < c->groups_n; i++) {
		group_leave(c->groups[i].shared, c->no);
		alarms_done(&c->groups[i].parked);
		free(c->groups[i].lost);
	}
	free(c->groups);
	free(c->targets);
	free(c->baselines);
	buf_done(&c->ids);
	spec_done(c->spec);
	free(c->spec);
	free(c);
}

static void kept_done(struct kept *k)
{
	free(k->device_id);
	free(k->group_by);
	free(k->group);
}

void engine_free(struct engine *e)
{
	if (e == NULL)
		return;
	while (!TAILQ_EMPTY(&e->all))
		engine_campaign_drop(e, TAILQ_FIRST(&e->all)->no);
	holds_free(e->holds);
	groups_free(e->groups);
	alarms_done(&e->alarms);
	alarms_done(&e->forgets);
	alarms_done(&e->relapse_alarms);
	for (size_t i = 0; i < e->kept_n; i++)
		kept_done(&e->kept[i]);
	free(e->kept);
	free(e->ring);
	free(e);
}

void engine_wall(struct engine *e, int64_t less_now_ms)
{
	e->wall_less_now_ms = less_now_ms;
}

void engine_hub(struct engine *e, uint8_t hub, const struct hub_state *state)
{
	assert(hub < HUBS_MAX);
	e->hubs[hub] = *state;
}

void engine_campaign_add(struct engine *e, const struct campaign_row *row, struct campaign_spec *spec,
                         const uint8_t *hubs, uint32_t hubs_n)
{
	struct campaign *c = xcalloc(1, sizeof *c);

	assert(hubs_n > 0 && hubs_n <= HUBS_MAX && find(e, row->no) == NULL);
	c->no = row->no;
	memcpy(c->id, row->id, sizeof c->id);
	c->spec = spec;
	c->start_at_ms = row->start_at_ms;
	c->end_at_ms = row->end_at_ms;
	rate_init(&c->rate, spec->rollout.rate_per_minute);
	c->phase = c->told_phase = row->phase;
	c->is_paused = row->state == CAMPAIGN_PAUSED;
	c->told_state = row->state;
	c->started_at_ms = c->told_started_at_ms = row->started_at_ms;
	c->finished_at_ms = c->told_finished_at_ms = row->finished_at_ms;
	snprintf(c->reason, sizeof c->reason, "%s", row->state_reason);
	memcpy(c->told_reason, c->reason, sizeof c->told_reason);
	c->waves_n = row->waves_n;
	memcpy(c->waves, row->waves, sizeof c->waves);
	memcpy(c->aborts, row->aborts, sizeof c->aborts);
	engine_lanes_init(c, hubs, hubs_n);
	HASH_ADD(hh, e->by_no, no, sizeof c->no, c);
	TAILQ_INSERT_TAIL(&e->all, c, link);
}

struct target_row engine_blank_row(const struct campaign *c, uint32_t no)
{
	const struct target *t = &c->targets[no];

	return (struct target_row){.campaign = c->no,
	                           .no = no,
	                           .state = t->state,
	                           .reason = t->reason,
	                           .wait = t->wait,
	                           .hub = hub_index(c, no),
	                           .zone = (uint16_t)(t->lane / c->hubs_n),
	                           .group = t->group,
	                           .changed_at_ms = TIME_NONE,
	                           .next_at_ms = TIME_NONE,
	                           .called_at_ms = TIME_NONE,
	                           .since_hub_ms = TIME_NONE,
	                           .hold_until_ms = TIME_NONE};
}

static struct active *activate(struct campaign *c, uint32_t no)
{
	struct target *t = &c->targets[no];

	if (t->active == NULL) {
		t->active = xcalloc(1, sizeof *t->active);
		t->active->row = engine_blank_row(c, no);
		t->active->alarm_at_ms = TIME_NEVER;
		t->active->checked_at_ms = TIME_NONE;
	}
	return t->active;
}

static void alarm_set(struct engine *e, struct active *a, int64_t at_ms)
{
	a->alarm_at_ms = at_ms;
	alarms_add(&e->alarms, at_ms, (uint64_t)a->row.campaign << 32 | a->row.no);
}

static void counts_add(struct counts *n, const struct target_row *row)
{
	n->total++;
	n->state[row->state]++;
	n->reason[row->reason]++;
	if (row->state == TARGET_WAITING)
		n->wait[row->wait]++;
}

static void counts_move(struct counts *n, uint8_t from, uint8_t from_reason, uint8_t from_wait,
                        const struct target_row *row)
{
	n->state[from]--;
	n->reason[from_reason]--;
	if (from == TARGET_WAITING)
		n->wait[from_wait]--;
	n->total--;
	counts_add(n, row);
}

static void mark_dirty(struct engine *e, struct campaign *c)
{
	if (!c->is_dirty)
		TAILQ_INSERT_TAIL(&e->dirty, c, dirty_link);
	c->is_dirty = true;
}

static void waves_move(const struct campaign *c, struct wave_row *waves, uint8_t from,
                       const struct target_row *row)
{
	struct wave_row *w = &waves[wave_at(c, row->no)];

	if (c->waves_n == 0)
		return;
	w->state[from]--;
	w->state[row->state]++;
	if (row->state == TARGET_SUCCEEDED && row->changed_at_ms > w->proven_at_ms)
		w->proven_at_ms = row->changed_at_ms;
}

/* Where each wave ends and what its targets are, once all are there. */
static void count_waves(struct campaign *c)
{
	uint32_t first = 0;

	for (uint32_t w = 0; w < c->waves_n; w++) {
		memset(c->waves[w].state, 0, sizeof c->waves[w].state);
		c->waves[w].relapsed = 0;
		c->wave_ends[w] = wave_end(c->spec, w, c->n);
		for (uint32_t no = first; no < c->wave_ends[w]; no++) {
			c->waves[w].state[c->targets[no].state]++;
			c->waves[w].relapsed += (c->targets[no].flags & F_RELAPSED) != 0;
		}
		first = c->wave_ends[w];
		if (c->waves[w].stage != WAVE_PENDING)
			c->wave = w;
	}
	memcpy(c->told_waves, c->waves, sizeof c->told_waves);
}

static bool has_expired(const struct campaign *c, int64_t offline_ms)
{
	return !c->spec->offline.wait || offline_ms >= (int64_t)c->spec->offline.expire_after_s * 1000;
}

static struct kept *keep(struct engine *e, const struct target_row *row, uint8_t hub, const char *device_id)
{
	struct kept *k;

	if (e->kept_n == e->kept_size) {
		e->kept_size = e->kept_size > 0 ? e->kept_size * 2 : 64;
		e->kept = xrealloc(e->kept, e->kept_size * sizeof *e->kept);
	}
	k = &e->kept[e->kept_n++];
	*k = (struct kept){.campaign = row->campaign,
	                   .no = row->no,
	                   .hub = hub,
	                   .is_slot = row->state == TARGET_SUCCEEDED,
	                   .until_ms = row->hold_until_ms,
	                   .since_ms = row->called_at_ms,
	                   .device_id = xstrdup(device_id)};
	return k;
}

/* Takes up a target on record in the middle of its life. */
static void resume_target(struct engine *e, struct campaign *c, const struct target_row *row,
                          const char *device_id)
{
	struct lane *lane = &c->lanes[c->targets[row->no].lane];
	struct active *a;
	bool is_out = row->state == TARGET_INVOKING || row->state == TARGET_DOUBTFUL ||
	              row->state == TARGET_AWAITING_PROOF;

	if (target_state_is_final(row->state)) {
		if (row->hold_until_ms != TIME_NONE)
			keep(e, row, lane->hub, device_id);
		return;
	}
	if (is_out)
		engine_take_slot(c, row->no, hold_take(e->holds, lane->hub, device_id, c->no, row->no),
		                 row->called_at_ms);
	c->targets[row->no].flags |= F_TOUCHED;
	a = activate(c, row->no);
	a->row = *row;
	engine_count_offline(e, c, row);
	a->offline_mark_ms = lane->callable_ms - row->offline_ms;
	if (row->offline_tries > 0 && row->wait == WAIT_NONE && has_expired(c, row->offline_ms))
		a->is_expiring = a->must_read = true;
	if (row->next_at_ms != TIME_NONE && row->wait != WAIT_DEVICE)
		alarm_set(e, a, row->next_at_ms);
	else if (row->wait != WAIT_DEVICE) /* else see engine_recover() */
		numbers_push(&lane->ready, row->no);
}

void engine_group_add(struct engine *e, uint32_t campaign, uint8_t hub, const char *name, uint32_t size)
{
	struct campaign *c = find(e, campaign);
	struct campaign_group *g;

	assert(c != NULL && c->spec->rollout.group_by != NULL);
	c->groups = xrealloc(c->groups, (c->groups_n + 1) * sizeof *c->groups);
	g = &c->groups[c->groups_n];
	*g = (struct campaign_group){
	        .shared = groups_get(e->groups, c->lanes[hub].hub, c->spec->rollout.group_by, name),
	        .size = size};
	group_join(g->shared, c->no, c->groups_n++);
}

void engine_target_add(struct engine *e, const struct target_row *row, const char *device_id,
                       const struct baseline *baseline)
{
	struct campaign *c = find(e, row->campaign);
	struct target *t;

	assert(c != NULL && row->no == c->n && row->hub < c->hubs_n && row->zone * c->hubs_n < c->lanes_n);
	if (c->n == c->size) {
		c->size = c->size > 0 ? c->size * 2 : 256;
		c->targets = xrealloc(c->targets, c->size * sizeof *c->targets);
		c->baselines = xrealloc(c->baselines, c->size * sizeof *c->baselines);
	}
	t = &c->targets[c->n];
	*t = (struct target){.id_at = (uint32_t)c->ids.len,
	                     .state = row->state,
	                     .reason = row->reason,
	                     .wait = row->wait,
	                     .lane = (uint16_t)(row->zone * c->hubs_n + row->hub),
	                     .group = row->group};
	assert(row->group == GROUP_NONE || row->group < c->groups_n);
	buf_put(&c->ids, device_id, strlen(device_id) + 1);
	baseline_pack(baseline, &c->baselines[c->n++]);
	counts_add(&c->counts, row);
	counts_add(&c->told, row);
	mark_dirty(e, c);
	if (row->group != GROUP_NONE && row->state == TARGET_FAILED)
		group_lose(&c->groups[row->group], row->no, row->changed_at_ms);
	if (row->state != TARGET_WAITING || row->calls > 0 || row->wait != WAIT_NONE) {
		resume_target(e, c, row, device_id);
	} else if (row->is_unresolved) { /* in a copy of the record; its turn comes with its wave */
		struct active *a = activate(c, row->no);

		a->row = *row;
		a->offline_mark_ms = c->lanes[t->lane].callable_ms;
	}
}

void engine_hold_add(struct engine *e, const struct target_row *row, uint8_t hub, const char *device_id,
                     const char *group_by, const char *group)
{
	struct kept *k = keep(e, row, hub, device_id);

	if (group_by == NULL || group == NULL)
		return;
	k->group_by = xstrdup(group_by);
	k->group = xstrdup(group);
}

/* ---- steps waiting to be handed out ---- */

struct step *engine_push(struct engine *e, enum step_kind kind, uint32_t campaign)
{
	struct step *s;

	if (e->ring_n == e->ring_size) {
		size_t size = e->ring_size > 0 ? e->ring_size * 2 : 64;
		struct step *ring = xmalloc(size * sizeof *ring);

		for (size_t i = 0; i < e->ring_n; i++)
			ring[i] = e->ring[(e->ring_head + i) & (e->ring_size - 1)];
		free(e->ring);
		e->ring = ring;
		e->ring_size = size;
		e->ring_head = 0;
	}
	s = &e->ring[(e->ring_head + e->ring_n++) & (e->ring_size - 1)];
	memset(s, 0, sizeof *s);
	s->kind = kind;
	s->campaign = campaign;
	return s;
}

/* Moves a campaign to a phase, paused or not, and lets it be told. reason NULL: the one it has. */
struct step *engine_move(struct engine *e, struct campaign *c, enum campaign_state phase, bool is_paused,
                         const char *reason)
{
	enum campaign_state from = shown(c), to;
	struct step *s;

	assert(!is_paused || (phase != CAMPAIGN_CANCELLING && !campaign_state_is_final(phase)));
	c->phase = phase;
	c->is_paused = is_paused;
	to = shown(c);
	if (to != from)
		sm_move(&campaign_machine, from, to);
	s = engine_push(e, STEP_CAMPAIGN, c->no);
	s->campaign_from = from;
	s->campaign_to = to;
	s->phase = phase;
	if (reason != NULL)
		snprintf(c->reason, sizeof c->reason, "%s", reason);
	memcpy(s->reason, c->reason, sizeof s->reason);
	return s;
}

/* ---- changing one target: begin, change row, end ---- */

struct change {
	struct engine *e;
	struct campaign *c;
	struct target *t;
	struct active *a;
	struct target_row *row;
	int64_t now_ms;
	int64_t heard_at_ms; /* when the end of its call was heard; TIME_NONE: this is not about that */
	int64_t from_next_at_ms;
	uint8_t from, from_reason, from_wait;
	unsigned acts;
};

static struct change begin(struct engine *e, struct campaign *c, uint32_t no, int64_t now_ms)
{
	struct active *a = activate(c, no);

	return (struct change){.e = e,
	                       .c = c,
	                       .t = &c->targets[no],
	                       .a = a,
	                       .row = &a->row,
	                       .now_ms = now_ms,
	                       .heard_at_ms = TIME_NONE,
	                       .from_next_at_ms = a->row.next_at_ms,
	                       .from = a->row.state,
	                       .from_reason = a->row.reason,
	                       .from_wait = a->row.wait};
}

static void after_change(struct engine *e, struct campaign *c, uint8_t from, uint8_t from_wait,
                         const struct target_row *row);

static void end(struct change *ch)
{
	struct step *s = engine_push(ch->e, STEP_TARGET, ch->c->no);
	struct target_row row;

	counts_move(&ch->c->counts, ch->from, ch->from_reason, ch->from_wait, ch->row);
	waves_move(ch->c, ch->c->waves, ch->from, ch->row);
	ch->t->state = ch->row->state;
	ch->t->reason = ch->row->reason;
	ch->t->wait = ch->row->wait;
	ch->t->flags |= F_TOUCHED;
	s->acts = ch->acts;
	s->is_stored = true;
	s->is_moved = ch->from != ch->row->state;
	s->from = ch->from;
	s->from_reason = ch->from_reason;
	s->from_wait = ch->from_wait;
	s->row = *ch->row;
	baseline_unpack(&ch->c->baselines[ch->row->no], &s->baseline);
	row = *ch->row;
	if (target_state_is_final(row.state)) {
		ch->e->ends++;
		engine_unpark(ch->c, row.no);
	}
	after_change(ch->e, ch->c, ch->from, ch->from_wait, &row);
}

/* Lets something be done about a target whose row does not change. */
static void act_only(struct engine *e, struct campaign *c, uint32_t no, unsigned acts)
{
	struct step *s = engine_push(e, STEP_TARGET, c->no);

	s->acts = acts;
	s->row = activate(c, no)->row;
	s->from = s->row.state;
}

static struct lane *lane_of(const struct change *ch)
{
	return &ch->c->lanes[ch->t->lane];
}

static struct holder *own_hold(struct engine *e, const struct campaign *c, uint32_t no)
{
	struct holder *h = hold_find(e->holds, hub_of(c, no), device_of(c, no));

	return h != NULL && h->campaign == c->no && h->no == no ? h : NULL;
}

/* A device has become free: whoever waited for it is looked at again. */
static void on_freed(void *arg, uint32_t campaign, uint32_t no)
{
	struct engine *e = arg;
	struct campaign *c = find(e, campaign);
	struct change ch;

	if (c == NULL || c->targets[no].state != TARGET_WAITING || c->targets[no].wait != WAIT_DEVICE)
		return;
	ch = begin(e, c, no, e->now_ms);
	ch.row->wait = WAIT_NONE;
	ch.row->next_at_ms = TIME_NONE;
	numbers_push_front(&lane_of(&ch)->ready, no);
	end(&ch);
}

static void leave_slot(struct change *ch, struct holder *h)
{
	if (h->is_slot)
		engine_give_slot(ch->e, ch->c, h);
}

/* Lets go of the target's device, at once. */
static void release(struct change *ch)
{
	struct holder *h = own_hold(ch->e, ch->c, ch->row->no);

	if (h == NULL)
		return;
	leave_slot(ch, h);
	hold_release(ch->e->holds, hub_of(ch->c, ch->row->no), device_of(ch->c, ch->row->no), on_freed,
	             ch->e);
}

/* Keeps the device until at_ms (in the past: lets go), with or without its slot. */
static void release_at(struct change *ch, int64_t at_ms, bool keeps_slot)
{
	struct holder *h = own_hold(ch->e, ch->c, ch->row->no);

	if (h == NULL)
		return;
	if (at_ms <= ch->now_ms) {
		release(ch);
		return;
	}
	if (!keeps_slot) {
		leave_slot(ch, h);
	} else if (!h->is_slot) { /* a call thought not to have reached it did */
		engine_take_slot(ch->c, ch->row->no, h, ch->row->called_at_ms);
	}
	hold_until(ch->e->holds, hub_of(ch->c, ch->row->no), device_of(ch->c, ch->row->no), at_ms);
	ch->row->hold_until_ms = at_ms;
}

static void unprepare(struct change *ch)
{
	if (ch->t->flags & F_PREPARED)
		ch->c->lanes[ch->t->lane].preparing--;
	ch->t->flags &= (uint8_t)~F_PREPARED;
}

/* What an unresolved call may still do has had its time then. */
static int64_t quiet_at(const struct change *ch)
{
	int64_t at_ms = ch->row->called_at_ms + policy_quiet_ms(ch->c->spec);
	int64_t heard_ms = ch->heard_at_ms + policy_heard_quiet_ms(ch->c->spec);

	if (ch->from == TARGET_DOUBTFUL)
		return ch->from_next_at_ms; /* its deadline is just that */
	return ch->heard_at_ms != TIME_NONE && heard_ms < at_ms ? heard_ms : at_ms;
}

static bool is_watched(uint8_t state)
{
	return state == TARGET_DOUBTFUL || state == TARGET_AWAITING_PROOF;
}

static void move(struct change *ch, enum target_state to, enum reason reason)
{
	if (is_watched(ch->from) && !is_watched((uint8_t)to))
		ch->acts |= ACT_UNWATCH;
	if (ch->from == TARGET_WAITING)
		unprepare(ch);
	ch->a->alarm_at_ms = TIME_NEVER;
	target_move(ch->row, to, reason, ch->now_ms);
}

/* The hub has surely ended the call then, also one whose answer was never heard. */
static int64_t call_over_at(const struct change *ch)
{
	return ch->from == TARGET_DOUBTFUL ? ch->row->called_at_ms + policy_wire_ms(ch->c->spec) : TIME_NONE;
}

static void finish(struct change *ch, enum target_state to, enum reason reason)
{
	move(ch, to, reason);
	if (reason == REASON_UNKNOWN || ch->row->is_unresolved)
		release_at(ch, quiet_at(ch), false);
	else
		release_at(ch, call_over_at(ch), false);
	end(ch);
}

static void succeed(struct change *ch, int64_t settle_ms)
{
	int64_t until_ms = ch->now_ms + settle_ms;

	move(ch, TARGET_SUCCEEDED, REASON_NONE);
	if (call_over_at(ch) > until_ms)
		until_ms = call_over_at(ch);
	release_at(ch, until_ms, true);
	engine_relapse_begin(ch->e, ch->c, ch->row->no, until_ms);
	end(ch);
}

/* What a target's change means for its group and its campaign. */
static void after_change(struct engine *e, struct campaign *c, uint8_t from, uint8_t from_wait,
                         const struct target_row *row)
{
	struct campaign_group *g = group_of(c, row->no);
	bool was_candidate = from == TARGET_WAITING && from_wait == WAIT_NONE;
	bool is_candidate = row->state == TARGET_WAITING && row->wait == WAIT_NONE;
	bool has_finished =
	        from != row->state && (row->state == TARGET_FAILED || row->state == TARGET_SUCCEEDED);

	engine_count_offline(e, c, row);
	if (g != NULL && has_finished && row->state == TARGET_FAILED)
		group_lose(g, row->no, row->changed_at_ms);
	if (g != NULL && (has_finished || /* or does not use the room that there was for it: */
	                  (was_candidate && !is_candidate && row->state != TARGET_INVOKING)))
		group_touch(e->groups, g->shared);
	if (has_finished) {
		struct counts before = c->counts;

		before.state[row->state]--;
		before.reason[row->reason]--;
		engine_check_aborts(e, c, &before, row->changed_at_ms);
	}
}

/* Ends a waiting target of a campaign that calls nobody any more. */
static void close_waiting(struct engine *e, struct campaign *c, uint32_t no, int64_t now_ms)
{
	struct change ch = begin(e, c, no, now_ms);

	if (c->phase == CAMPAIGN_CANCELLING)
		finish(&ch, TARGET_CANCELLED, REASON_NONE);
	else
		finish(&ch, TARGET_SKIPPED,
		       engine_is_in_window(lane_of(&ch), now_ms) ? REASON_CAMPAIGN_ENDED
		                                                 : REASON_WINDOW_ENDED);
}

/* Back to waiting: until at_ms under wait, or (TIME_NONE) to be looked at as soon as may be. */
static void wait_again(struct change *ch, enum wait wait, int64_t at_ms)
{
	uint32_t no = ch->row->no;

	if (ch->from != TARGET_WAITING)
		move(ch, TARGET_WAITING, REASON_NONE);
	else
		unprepare(ch);
	engine_unpark(ch->c, no);
	ch->row->wait = (uint8_t)wait;
	ch->row->next_at_ms = at_ms;
	ch->a->alarm_at_ms = TIME_NEVER;
	if (at_ms == TIME_NONE)
		numbers_push_front(&lane_of(ch)->ready, no);
	else
		alarm_set(ch->e, ch->a, at_ms);
	end(ch);
	if (is_closing(ch->c))
		close_waiting(ch->e, ch->c, no, ch->now_ms);
}

/* Nothing is left open by earlier calls: the next one is a new attempt, or the same unharmed. */
static void resolve(struct change *ch)
{
	ch->row->is_unresolved = false;
	ch->row->since_hub_ms = TIME_NONE;
	ch->row->has_moved = false;
}

/* The call did not count: it surely did not reach the device, or is shown not to have acted. */
static void uncount(struct change *ch)
{
	ch->row->attempts--;
	if (!ch->row->is_unresolved)
		resolve(ch);
}

/* Lets the device go, unless an earlier call to it may still act. */
static void let_go(struct change *ch)
{
	struct holder *h = own_hold(ch->e, ch->c, ch->row->no);

	assert(h != NULL); /* whoever is called has it */
	if (!ch->row->is_unresolved)
		release(ch);
	else
		leave_slot(ch, h);
}

static void doubt(struct change *ch)
{
	if (ch->c->spec->verify.by == VERIFY_NONE) {
		finish(ch, TARGET_FAILED, REASON_UNKNOWN);
		return;
	}
	move(ch, TARGET_DOUBTFUL, REASON_NONE);
	ch->row->next_at_ms = quiet_at(ch);
	alarm_set(ch->e, ch->a, ch->row->next_at_ms);
	ch->acts |= ACT_WATCH;
	end(ch);
}

static void await_proof(struct change *ch)
{
	bool was_watched = is_watched(ch->from);

	move(ch, TARGET_AWAITING_PROOF, REASON_NONE);
	ch->row->next_at_ms = ch->now_ms + (int64_t)ch->c->spec->verify.timeout_s * 1000;
	alarm_set(ch->e, ch->a, ch->row->next_at_ms);
	if (!was_watched)
		ch->acts |= ACT_WATCH;
	end(ch);
}

/* Counts the time until now_ms as callable where it was: before whatever makes it so, or not so. */
void engine_count_time(struct engine *e, int64_t now_ms)
{
	struct campaign *c;

	if (e->passed_ms == TIME_NONE || now_ms <= e->passed_ms)
		return;
	TAILQ_FOREACH (c, &e->all, link)
		for (uint32_t i = 0; i < c->lanes_n; i++)
			if (c->phase == CAMPAIGN_RUNNING && !c->is_paused && e->was_open[c->lanes[i].hub])
				c->lanes[i].callable_ms +=
				        engine_window_ms(&c->lanes[i], e->passed_ms, now_ms);
	e->passed_ms = now_ms;
}

/* ---- facts: a call's outcome ---- */

static void refused(struct change *ch)
{
	const struct campaign_spec *s = ch->c->spec;

	if (!s->retry.on_refused || ch->row->attempts >= s->retry.max_attempts || is_closing(ch->c)) {
		finish(ch, TARGET_FAILED, REASON_REFUSED);
		return;
	}
	ch->row->attempt_seq++;
	resolve(ch);
	release(ch);
	wait_again(ch, WAIT_BACKOFF, ch->now_ms + policy_backoff_ms(s, ch->row->attempts));
}

static int64_t offline_ms(const struct change *ch)
{
	return lane_of(ch)->callable_ms - ch->a->offline_mark_ms;
}

/* 404103: no proof of absence, so the device stays taken until a point read has been compared. */
static void offline(struct change *ch)
{
	const struct campaign_spec *s = ch->c->spec;
	int64_t left_ms;

	engine_count_time(ch->e, ch->now_ms);
	ch->row->attempts--;
	ch->row->is_unresolved = true;
	let_go(ch);
	if (ch->row->offline_tries == 0)
		ch->a->offline_mark_ms = lane_of(ch)->callable_ms;
	if (ch->row->offline_tries < UINT8_MAX)
		ch->row->offline_tries++;
	ch->row->offline_ms = offline_ms(ch);
	left_ms = s->offline.wait ? (int64_t)s->offline.expire_after_s * 1000 - ch->row->offline_ms : 0;
	if (left_ms <= 0) {
		ch->a->is_expiring = ch->a->must_read = true;
		wait_again(ch, WAIT_NONE, TIME_NONE);
	} else {
		const char *id = device_of(ch->c, ch->row->no);
		int64_t delay_ms = policy_offline_ms(ch->row->offline_tries,
		                                     hash64(id, strlen(id)) + ch->row->offline_tries);

		wait_again(ch, WAIT_OFFLINE, ch->now_ms + (delay_ms < left_ms ? delay_ms : left_ms));
	}
}

static void on_line_again(struct change *ch)
{
	ch->row->offline_tries = 0;
	ch->row->offline_ms = 0;
	ch->a->is_expiring = false;
}

static enum err feed_call(struct engine *e, struct campaign *c, const struct fact *f)
{
	struct target *t = &c->targets[f->no];
	struct change ch;

	if ((t->state != TARGET_INVOKING && t->state != TARGET_DOUBTFUL) || t->active->row.calls != f->call)
		return ERR_CLOSED;
	ch = begin(e, c, f->no, f->at_ms);
	ch.heard_at_ms = f->at_ms;
	if (f->method_status != 0)
		ch.row->method_status = f->method_status;
	switch (f->result) {
	case CALL_ACCEPTED:
		on_line_again(&ch);
		if (c->spec->verify.by == VERIFY_NONE) {
			ch.row->is_unresolved = false;
			succeed(&ch, (int64_t)c->spec->verify.settle_s * 1000);
		} else {
			await_proof(&ch);
		}
		break;
	case CALL_REFUSED:
		on_line_again(&ch);
		refused(&ch);
		break;
	case CALL_NO_METHOD:
		ch.row->is_unresolved = false;
		finish(&ch, TARGET_FAILED, REASON_NO_METHOD);
		break;
	case CALL_NOT_DELIVERED:
		uncount(&ch);
		let_go(&ch);
		wait_again(&ch, WAIT_NONE, TIME_NONE);
		break;
	case CALL_BUSY:
		uncount(&ch);
		let_go(&ch);
		wait_again(&ch, WAIT_BACKOFF, f->at_ms + policy_backoff_ms(c->spec, 1));
		break;
	case CALL_OFFLINE:
		offline(&ch);
		break;
	case CALL_GONE:
		uncount(&ch);
		let_go(&ch);
		ch.a->must_read = ch.a->must_back_off = true;
		if (ch.a->gones < UINT8_MAX)
			ch.a->gones++;
		wait_again(&ch, WAIT_NONE, TIME_NONE);
		break;
	case CALL_AMBIGUOUS:
		if (t->state == TARGET_INVOKING) {
			on_line_again(&ch);
			doubt(&ch);
		}
		break;
	case CALL_REJECTED:
	default:
		uncount(&ch);
		finish(&ch, TARGET_FAILED, REASON_HUB_REJECTED);
		break;
	}
	return ERR_OK;
}

static enum err feed_withdrawn(struct engine *e, struct campaign *c, const struct fact *f)
{
	struct target *t = &c->targets[f->no];
	struct change ch;

	if ((t->state != TARGET_INVOKING && t->state != TARGET_DOUBTFUL) || t->active->row.calls != f->call)
		return ERR_CLOSED;
	ch = begin(e, c, f->no, f->at_ms);
	ch.row->calls--;
	uncount(&ch);
	let_go(&ch);
	wait_again(&ch, WAIT_NONE, TIME_NONE);
	return ERR_OK;
}

/* ---- facts: what a twin said ---- */

static int64_t settle_ms(const struct campaign *c, const struct fact *f)
{
	return f->is_done_path ? 0 : (int64_t)c->spec->verify.settle_s * 1000;
}

static void no_proof(struct change *ch)
{
	const struct campaign_spec *s = ch->c->spec;

	ch->row->is_unresolved = false;
	if (!s->retry.on_no_proof || ch->row->attempts >= s->retry.max_attempts || is_closing(ch->c)) {
		finish(ch, TARGET_FAILED, REASON_NO_PROOF);
		return;
	}
	ch->row->attempt_seq++;
	resolve(ch);
	release(ch);
	wait_again(ch, WAIT_BACKOFF, ch->now_ms + policy_backoff_ms(s, ch->row->attempts));
}

/* A 404103 that did reach the device, which is not done yet: no further call; its twin is read again until
 * the call has had its time. */
static void acting_after_all(struct change *ch, const struct fact *f)
{
	int64_t again_at_ms = ch->now_ms;

	if (f->asked_at_ms >= quiet_at(ch)) {
		no_proof(ch);
		return;
	}
	ch->row->has_moved = true;
	if (ch->a->rereads < UINT8_MAX)
		ch->a->rereads++;
	again_at_ms += policy_reread_ms(ch->a->rereads);
	wait_again(ch, WAIT_BACKOFF, again_at_ms < quiet_at(ch) ? again_at_ms : quiet_at(ch));
}

/* Before a call: is it there, has an earlier call acted after all, what is the baseline? */
static void read_before_call(struct change *ch, const struct fact *f)
{
	struct campaign *c = ch->c;
	struct small_baseline *kept = &c->baselines[ch->row->no];
	struct baseline baseline;
	bool has_been_called = ch->row->attempts > 0 || ch->row->is_unresolved;

	if (!f->is_there || !f->is_enabled) {
		ch->row->is_unresolved = ch->row->is_unresolved && f->is_there;
		if (has_been_called)
			finish(ch, TARGET_FAILED, REASON_GONE);
		else
			finish(ch, TARGET_SKIPPED, f->is_there ? REASON_DISABLED : REASON_NOT_FOUND);
		return;
	}
	if (f->says == SAYS_GONE) {
		finish(ch, TARGET_FAILED, REASON_GONE);
		return;
	}
	if (f->says == SAYS_PROVEN && ch->row->is_unresolved) {
		ch->row->is_unresolved = false;
		succeed(ch, settle_ms(c, f));
		return;
	}
	if (f->says == SAYS_FAILED && ch->row->is_unresolved) {
		ch->row->is_unresolved = false;
		finish(ch, TARGET_FAILED, REASON_DEVICE_FAILED);
		return;
	}
	if ((f->says == SAYS_MOVED || ch->row->has_moved) && ch->row->is_unresolved) {
		acting_after_all(ch, f);
		return;
	}
	if (ch->a->is_expiring) {
		finish(ch, TARGET_FAILED, REASON_OFFLINE_EXPIRED);
		return;
	}
	if (baseline_source(kept) == SOURCE_NONE) {
		baseline_pack(&f->baseline, kept);
		ch->acts |= ACT_BASELINE;
	}
	baseline_unpack(kept, &baseline);
	if (c->spec->verify.by == VERIFY_WHERE && baseline.success_held) {
		finish(ch, TARGET_SKIPPED, REASON_ALREADY_DONE);
		return;
	}
	if (c->spec->precheck.where != NULL && !f->precheck_holds) {
		if (c->spec->precheck.skips && !has_been_called)
			finish(ch, TARGET_SKIPPED, REASON_PRECHECK);
		else
			wait_again(ch, WAIT_HEALTH, ch->now_ms + UNHEALTHY_FOR_MS);
		return;
	}
	ch->a->must_read = false;
	ch->a->rereads = 0;
	ch->a->checked_at_ms = f->asked_at_ms;
	if (ch->a->must_back_off) {
		ch->a->must_back_off = false;
		wait_again(ch, WAIT_BACKOFF, ch->now_ms + policy_backoff_ms(c->spec, ch->a->gones));
		return;
	}
	numbers_push(&lane_of(ch)->prepared, ch->row->no);
	if (ch->acts != 0)
		end(ch);
}

/* A point read late enough shows nothing: did the call in doubt not act, or can nobody tell? */
static void absent(struct change *ch)
{
	const struct campaign_spec *s = ch->c->spec;

	if (s->retry.doubtful_never || !baseline_has_value(&ch->c->baselines[ch->row->no]) ||
	    ch->row->redoubts >= REDOUBTS_MAX) {
		finish(ch, TARGET_FAILED, REASON_UNKNOWN);
		return;
	}
	ch->row->redoubts++;
	ch->row->attempts--;
	resolve(ch);
	release(ch);
	wait_again(ch, WAIT_NONE, TIME_NONE);
}

static void read_after_call(struct change *ch, const struct fact *f)
{
	bool is_decisive = f->is_point_read && f->asked_at_ms >= ch->row->next_at_ms;

	if (!f->is_there || f->says == SAYS_GONE) {
		ch->row->is_unresolved = false;
		finish(ch, TARGET_FAILED, REASON_GONE);
	} else if (f->says == SAYS_PROVEN) {
		ch->row->is_unresolved = false;
		succeed(ch, settle_ms(ch->c, f));
	} else if (f->says == SAYS_FAILED) {
		ch->row->is_unresolved = false;
		finish(ch, TARGET_FAILED, REASON_DEVICE_FAILED);
	} else if (f->says == SAYS_MOVED && !ch->row->has_moved) {
		ch->row->has_moved = true;
		if (is_decisive)
			no_proof(ch);
		else
			end(ch);
	} else if (is_decisive && ch->from == TARGET_DOUBTFUL && !ch->row->has_moved) {
		absent(ch);
	} else if (is_decisive) {
		no_proof(ch);
	} else if (f->is_point_read && ch->now_ms >= ch->row->next_at_ms) {
		act_only(ch->e, ch->c, ch->row->no, ACT_READ); /* asked for too early: once more */
		ch->t->flags |= F_READING;
	}
}

static enum err feed_reading(struct engine *e, struct campaign *c, const struct fact *f)
{
	struct target *t = &c->targets[f->no];
	struct change ch;
	bool was_asked = f->is_point_read && (t->flags & F_READING) != 0;

	if (f->is_point_read)
		t->flags &= (uint8_t)~F_READING;
	if (target_state_is_final(t->state))
		return engine_relapse_reading(e, c, f) ? ERR_OK : ERR_CLOSED;
	ch = begin(e, c, f->no, f->at_ms);
	if (t->state == TARGET_WAITING && was_asked)
		read_before_call(&ch, f);
	else if (is_watched(t->state))
		read_after_call(&ch, f);
	return ERR_OK;
}

static enum err feed_read_failed(struct engine *e, struct campaign *c, const struct fact *f)
{
	struct target *t = &c->targets[f->no];
	struct change ch;
	int64_t again_at_ms;

	if (!(t->flags & F_READING))
		return ERR_CLOSED;
	t->flags &= (uint8_t)~F_READING;
	if (target_state_is_final(t->state)) {
		engine_relapse_read_failed(e, c, f->no);
		return ERR_CLOSED;
	}
	ch = begin(e, c, f->no, f->at_ms);
	if (ch.a->rereads < UINT8_MAX)
		ch.a->rereads++;
	again_at_ms = f->at_ms + policy_reread_ms(ch.a->rereads);
	if (t->state == TARGET_WAITING)
		wait_again(&ch, WAIT_BACKOFF, again_at_ms);
	else if (is_watched(t->state)) /* its deadline may have moved since it was asked for */
		alarm_set(e, ch.a, again_at_ms > ch.row->next_at_ms ? again_at_ms : ch.row->next_at_ms);
	return ERR_OK;
}

/* ---- facts: orders and selection ---- */

static enum err feed_order(struct engine *e, struct campaign *c, const struct fact *f)
{
	char reason[128];
	bool is_live = c->phase != CAMPAIGN_CANCELLING && !campaign_state_is_final(c->phase);

	if (f->kind == FACT_CANCEL && (c->phase == CAMPAIGN_CANCELLING || c->phase == CAMPAIGN_CANCELLED))
		return ERR_OK;
	if (!is_live)
		return ERR_CONFLICT;
	engine_count_time(e, f->at_ms);
	if (f->kind == FACT_APPROVE)
		return engine_approve(e, c, f);
	if (f->kind == FACT_CANCEL) {
		bool is_over = c->counts.total == 0 && c->phase != CAMPAIGN_RUNNING;

		snprintf(reason, sizeof reason, "cancelled by %.96s", f->by);
		if (is_over)
			c->finished_at_ms = f->at_ms;
		engine_move(e, c, is_over ? CAMPAIGN_CANCELLED : CAMPAIGN_CANCELLING, false, reason);
		c->sweep = 0;
	} else if (f->kind == FACT_PAUSE && !c->is_paused) {
		snprintf(reason, sizeof reason, "paused by %.96s", f->by);
		engine_move(e, c, c->phase, true, reason);
	} else if (f->kind == FACT_RESUME && c->is_paused) {
		snprintf(reason, sizeof reason, "resumed by %.96s", f->by);
		engine_end_pause(e, c, reason);
	}
	return ERR_OK;
}

static enum err feed_selection(struct engine *e, struct campaign *c, const struct fact *f)
{
	if (c->phase != CAMPAIGN_SELECTING)
		return ERR_CLOSED;
	engine_count_time(e, f->at_ms);
	if (f->kind == FACT_SELECTION_FAILED) {
		c->finished_at_ms = f->at_ms;
		engine_move(e, c, CAMPAIGN_FAILED, false, f->detail);
	} else {
		bool waits = wave_needs_approval(c->spec, -1) && c->n > 0;

		c->started_at_ms = f->at_ms;
		c->waves_n = c->spec->rollout.waves_n;
		for (uint32_t w = 0; w < c->waves_n; w++)
			c->waves[w] = (struct wave_row){.opened_at_ms = TIME_NONE, .proven_at_ms = TIME_NONE};
		count_waves(c);
		engine_move(e, c, waits ? CAMPAIGN_AWAITING_APPROVAL : CAMPAIGN_RUNNING, c->is_paused,
		            c->is_paused ? NULL
		            : waits      ? "waits for approval to start"
		                         : "");
	}
	return ERR_OK;
}

/* An operator's word about one waiting target. */
static enum err feed_target_order(struct engine *e, struct campaign *c, const struct fact *f)
{
	struct target *t = &c->targets[f->no];
	struct change ch;

	if (t->state != TARGET_WAITING || c->phase == CAMPAIGN_SELECTING ||
	    (f->kind == FACT_RETRY && t->wait != WAIT_BACKOFF && t->wait != WAIT_OFFLINE &&
	     t->wait != WAIT_HEALTH))
		return ERR_CONFLICT;
	ch = begin(e, c, f->no, f->at_ms);
	if (f->kind == FACT_SKIP)
		finish(&ch, TARGET_SKIPPED, REASON_BY_OPERATOR);
	else
		wait_again(&ch, WAIT_NONE, TIME_NONE);
	return ERR_OK;
}

enum err engine_feed(struct engine *e, const struct fact *f)
{
	struct campaign *c = find(e, f->campaign);

	if (c == NULL)
		return ERR_NOT_FOUND;
	if (e->now_ms < f->at_ms)
		e->now_ms = f->at_ms;
	switch (f->kind) {
	case FACT_PAUSE:
	case FACT_RESUME:
	case FACT_CANCEL:
	case FACT_APPROVE:
		return feed_order(e, c, f);
	case FACT_SELECTED:
	case FACT_SELECTION_FAILED:
		return feed_selection(e, c, f);
	case FACT_SKIP:
	case FACT_RETRY:
	case FACT_CALL:
	case FACT_WITHDRAWN:
	case FACT_READING:
	case FACT_READ_FAILED:
	default:
		break;
	}
	if (f->no >= c->n)
		return ERR_NOT_FOUND;
	if (f->kind == FACT_SKIP || f->kind == FACT_RETRY)
		return feed_target_order(e, c, f);
	if (f->kind == FACT_CALL)
		return feed_call(e, c, f);
	if (f->kind == FACT_WITHDRAWN)
		return feed_withdrawn(e, c, f);
	return f->kind == FACT_READING ? feed_reading(e, c, f) : feed_read_failed(e, c, f);
}

/* ---- time passing ---- */

static void deadline_passed(struct change *ch)
{
	int64_t last_ms = ch->row->next_at_ms + UNREADABLE_MAX_MS;
	bool was_asked = ch->a->rereads > 0 || (ch->t->flags & F_READING) != 0;

	if (ch->now_ms >= last_ms && was_asked) {
		finish(ch, TARGET_FAILED, REASON_UNKNOWN);
		return;
	}
	if (!(ch->t->flags & F_READING)) {
		ch->t->flags |= F_READING;
		act_only(ch->e, ch->c, ch->row->no, ACT_READ);
	}
	if (last_ms <= ch->now_ms) /* we were away for days: time for one answer */
		last_ms = ch->now_ms + policy_reread_ms(UINT8_MAX);
	alarm_set(ch->e, ch->a, last_ms);
}

static void on_alarm(struct engine *e, struct campaign *c, uint32_t no, int64_t now_ms)
{
	struct active *a = c->targets[no].active;
	struct change ch;

	if (a == NULL || a->alarm_at_ms > now_ms)
		return; /* overtaken */
	a->alarm_at_ms = TIME_NEVER;
	ch = begin(e, c, no, now_ms);
	assert(!target_state_is_final(a->row.state)); /* these have no alarm */
	switch ((enum target_state)a->row.state) {
	case TARGET_WAITING:
		if (a->row.wait == WAIT_OFFLINE) {
			a->row.offline_ms = offline_ms(&ch);
			a->is_expiring = a->must_read = has_expired(c, a->row.offline_ms);
		}
		wait_again(&ch, WAIT_NONE, TIME_NONE);
		break;
	case TARGET_INVOKING: /* its outcome should have come: whatever became of it, we do not know */
		doubt(&ch);
		break;
	case TARGET_DOUBTFUL:
	case TARGET_AWAITING_PROOF:
	case TARGET_SUCCEEDED:
	case TARGET_FAILED:
	case TARGET_SKIPPED:
	case TARGET_CANCELLED:
	case TARGET_STATES_N:
	default:
		deadline_passed(&ch);
		break;
	}
}

static void pass_time(struct engine *e, int64_t now_ms)
{
	struct holder holder;
	struct campaign *c;
	uint64_t who;

	engine_count_time(e, now_ms);
	for (unsigned h = 0; h < HUBS_MAX; h++)
		e->was_open[h] = e->hubs[h].is_open;
	e->now_ms = e->passed_ms = now_ms;
	while (hold_expire(e->holds, now_ms, &holder, on_freed, e)) {
		if (holder.is_slot)
			engine_give_slot(e, find(e, holder.campaign), &holder);
	}
	while (alarms_pop(&e->alarms, now_ms, &who)) {
		c = find(e, (uint32_t)(who >> 32));
		if (c != NULL)
			on_alarm(e, c, (uint32_t)who, now_ms);
	}
	engine_relapse_pass_time(e);
	while (alarms_pop(&e->forgets, now_ms, &who)) {
		c = find(e, (uint32_t)(who >> 32));
		if (c != NULL && (c->targets[(uint32_t)who].flags & F_OFFLINE))
			engine_count_offline(e, c, &c->targets[(uint32_t)who].active->row);
	}
	TAILQ_FOREACH (c, &e->all, link) {
		if (c->phase == CAMPAIGN_SCHEDULED && c->start_at_ms <= now_ms + e->wall_less_now_ms) {
			engine_move(e, c, CAMPAIGN_SELECTING, c->is_paused, c->is_paused ? NULL : "");
			engine_push(e, STEP_SELECT, c->no);
		}
		if (!c->has_ended && c->end_at_ms <= now_ms + e->wall_less_now_ms) {
			c->has_ended = true;
			c->sweep = 0;
		}
	}
}

/* Closes what waits, as far as room goes. */
static void sweep(struct engine *e, struct campaign *c, int64_t now_ms, size_t room)
{
	for (; c->sweep < c->n && e->ring_n < room; c->sweep++)
		if (c->targets[c->sweep].state == TARGET_WAITING)
			close_waiting(e, c, c->sweep, now_ms);
}

static void complete(struct engine *e, struct campaign *c, int64_t now_ms)
{
	uint32_t final = 0;

	for (unsigned s = TARGET_SUCCEEDED; s < TARGET_STATES_N; s++)
		final += c->counts.state[s];
	if (final < c->counts.total ||
	    (c->phase != CAMPAIGN_RUNNING && c->phase != CAMPAIGN_AWAITING_APPROVAL &&
	     c->phase != CAMPAIGN_CANCELLING))
		return;
	if (c->phase == CAMPAIGN_CANCELLING)
		engine_relapse_end_all(e, c);
	if (c->relapse_watches > 0)
		return;
	c->finished_at_ms = now_ms;
	if (c->phase == CAMPAIGN_CANCELLING) {
		engine_move(e, c, CAMPAIGN_CANCELLED, false, NULL);
		return;
	}
	engine_end_wave(e, c);
	engine_move(e, c, CAMPAIGN_COMPLETED, false, c->counts.total == 0 ? "no device matched" : "");
}

/* ---- admission ---- */

static bool must_be_read(const struct campaign *c, uint32_t no, int64_t now_ms)
{
	const struct active *a = c->targets[no].active;
	bool is_checked = a != NULL &&
	                  a->checked_at_ms > a->row.called_at_ms && /* before it says nothing about it */
	                  now_ms - a->checked_at_ms < CHECKED_FOR_MS;

	if (a != NULL && a->must_read)
		return true;
	if (c->spec->precheck.where != NULL && !is_checked)
		return true;
	if (c->spec->verify.by == VERIFY_NONE)
		return false;
	return baseline_source(&c->baselines[no]) == SOURCE_NONE ||
	       (a != NULL && a->row.is_unresolved && !is_checked);
}

/* The intent's hub time: our clock corrected by the hub's, rounded down, less a second (product: Evidence).
 */
static int64_t hub_time(const struct hub_state *hub, int64_t now_ms)
{
	int64_t at_ms = now_ms + hub->clock_offset_ms;

	return at_ms - (at_ms % 1000 + 1000) % 1000 - 1000;
}

static void claim(struct engine *e, struct campaign *c, uint32_t no, int64_t now_ms)
{
	struct change ch = begin(e, c, no, now_ms);
	struct hub_state *hub = &e->hubs[hub_of(c, no)];
	struct holder *h = own_hold(e, c, no);

	if (h == NULL)
		h = hold_take(e->holds, hub_of(c, no), device_of(c, no), c->no, no);
	engine_take_slot(c, no, h, now_ms);
	engine_relapse_end(e, hub_of(c, no), device_of(c, no));
	move(&ch, TARGET_INVOKING, REASON_NONE);
	ch.row->attempts++;
	ch.row->calls++;
	if (ch.row->attempt_seq == 0)
		ch.row->attempt_seq = 1;
	ch.a->rereads = 0;
	ch.row->called_at_ms = now_ms;
	if (ch.row->since_hub_ms == TIME_NONE)
		ch.row->since_hub_ms = hub_time(hub, now_ms);
	ch.row->next_at_ms = now_ms + policy_call_ms(c->spec);
	alarm_set(e, ch.a, ch.row->next_at_ms);
	ch.acts |= ACT_INVOKE;
	end(&ch);
	rate_take(&c->rate, now_ms);
	if (c->spec->action.transport == TRANSPORT_HUB_JOB)
		hub->job_credit--;
	else
		hub->call_credit--;
	if (profile_of(c->spec->action.type)->restarts)
		hub->restart_credit--;
	e->claims_left--;
}

/* The next waiting target of a lane, to be looked at; false: none. */
static bool next_candidate(struct campaign *c, struct lane *lane, uint32_t *ret_no)
{
	while (lane->ready.n > 0) {
		*ret_no = numbers_pop(&lane->ready);
		if (c->targets[*ret_no].state == TARGET_WAITING && c->targets[*ret_no].wait == WAIT_NONE &&
		    !(c->targets[*ret_no].flags & F_PARKED))
			return true;
	}
	for (; lane->cursor < c->wave_ends[c->wave]; lane->cursor++) {
		const struct target *t = &c->targets[lane->cursor];

		if (t->state == TARGET_WAITING && !(t->flags & F_TOUCHED) && &c->lanes[t->lane] == lane) {
			*ret_no = lane->cursor++;
			return true;
		}
	}
	return false;
}

/* Lets a candidate wait for room in its group, or closes it where there never will be; false: there is room.
 */
static bool park_in_group(struct engine *e, struct campaign *c, uint32_t no, int64_t now_ms)
{
	struct campaign_group *g = group_of(c, no);
	struct target *t = &c->targets[no];

	if (g == NULL || engine_has_room(c, no, g))
		return false;
	if (group_is_blocked(g, engine_group_max(c, g))) {
		struct change ch = begin(e, c, no, now_ms);

		finish(&ch, TARGET_SKIPPED, REASON_GROUP_BLOCKED);
		return true;
	}
	if (t->flags & F_PREPARED)
		c->lanes[t->lane].preparing--;
	t->flags = (uint8_t)((t->flags & ~F_PREPARED) | F_TOUCHED | F_PARKED);
	c->parked++;
	engine_queue_parked(c, g, no);
	return true;
}

/* Only failed devices stand in the way of those that wait for room in the group: they will never be called.
 */
static void close_parked(struct engine *e, struct campaign *c, struct campaign_group *g, int64_t now_ms,
                         size_t room)
{
	uint32_t no;

	while (e->ring_n < room && engine_next_parked(c, g, &no)) {
		struct change ch = begin(e, c, no, now_ms);

		finish(&ch, TARGET_SKIPPED, REASON_GROUP_BLOCKED);
	}
	if (g->parked.n > 0)
		group_touch(e->groups, g->shared); /* go on there next time */
}

/* Looks at the groups that were touched, in all campaigns that have them, as far as room goes. */
static void look_at_groups(struct engine *e, int64_t now_ms, size_t room)
{
	struct shared_group *shared;

	while (e->ring_n < room && (shared = groups_next_touched(e->groups)) != NULL) {
		for (uint32_t i = 0; i < shared->members_n; i++) {
			struct campaign *c = must_find(e, shared->members[i].campaign);
			struct campaign_group *g = &c->groups[shared->members[i].group];

			if (is_closing(c))
				continue; /* all that wait are being closed */
			if (group_is_blocked(g, engine_group_max(c, g)))
				close_parked(e, c, g, now_ms, room);
			else
				engine_wake_parked(c, g);
		}
	}
}

static void park(struct engine *e, struct campaign *c, uint32_t no, const struct holder *h, int64_t now_ms)
{
	struct change ch = begin(e, c, no, now_ms);

	unprepare(&ch);
	ch.row->wait = WAIT_DEVICE;
	ch.row->next_at_ms = h->until_ms == TIME_NEVER ? TIME_NONE : h->until_ms;
	hold_wait(e->holds, hub_of(c, no), device_of(c, no), c->no, no);
	end(&ch);
}

/* Whether a call may be made now; else *wake_ms is lowered to when it may be. */
static bool may_claim(struct engine *e, const struct campaign *c, const struct lane *lane, int64_t now_ms,
                      int64_t *wake_ms)
{
	const struct hub_state *hub = &e->hubs[lane->hub];

	if (rate_next_ms(&c->rate) > now_ms) {
		if (rate_next_ms(&c->rate) < *wake_ms)
			*wake_ms = rate_next_ms(&c->rate);
		return false;
	}
	if (credit_of(c, hub) == 0) {
		if (credit_at_of(c, hub) < *wake_ms)
			*wake_ms = credit_at_of(c, hub);
		return false;
	}
	if (profile_of(c->spec->action.type)->restarts && hub->restart_credit == 0) {
		if (hub->restart_at_ms < *wake_ms)
			*wake_ms = hub->restart_at_ms;
		return false;
	}
	if (e->claims_left == 0)
		*wake_ms = now_ms; /* enough for this turn */
	return e->claims_left > 0;
}

/* Gives the front of the prepared if it still waits; drops what does not. */
static bool first_prepared(struct campaign *c, struct lane *lane, uint32_t *ret_no)
{
	while (lane->prepared.n > 0) {
		*ret_no = lane->prepared.ring[lane->prepared.head];
		if (c->targets[*ret_no].state == TARGET_WAITING && (c->targets[*ret_no].flags & F_PREPARED))
			return true;
		numbers_pop(&lane->prepared);
	}
	return false;
}

/* Lets a candidate wait at the front of those to be looked at. */
static void put_back(struct campaign *c, struct lane *lane, uint32_t no)
{
	struct target *t = &c->targets[no];

	if (t->flags & F_PREPARED)
		lane->preparing--;
	t->flags = (uint8_t)((t->flags & ~F_PREPARED) | F_TOUCHED);
	numbers_push_front(&lane->ready, no);
}

enum admitted {
	ADMIT_NONE,   /* nothing more can be done now */
	ADMIT_PASSED, /* a candidate was looked at, and waits for something else or has ended */
	ADMIT_TAKEN,  /* one is called, or read */
};

/* Looks at one candidate of a lane: calls it, has it read, or parks it. */
static enum admitted admit_one(struct engine *e, struct campaign *c, struct lane *lane, int64_t now_ms,
                               int64_t *wake_ms)
{
	uint32_t max = limit_of(c->spec->rollout.max_unavailable, c->counts.total), no;
	struct hub_state *hub = &e->hubs[lane->hub];
	const struct holder *h;
	bool was_prepared;

	if (!engine_is_callable(e, lane))
		return ADMIT_NONE;
	was_prepared = first_prepared(c, lane, &no);
	if (was_prepared) {
		if (c->slots >= max || !may_claim(e, c, lane, now_ms, wake_ms))
			return ADMIT_NONE;
		numbers_pop(&lane->prepared);
	} else if (!engine_may_prepare(e, c) || !next_candidate(c, lane, &no)) {
		return ADMIT_NONE;
	}
	h = hold_find(e->holds, lane->hub, device_of(c, no));
	if (h != NULL && (h->campaign != c->no || h->no != no)) {
		park(e, c, no, h, now_ms);
		return ADMIT_PASSED;
	}
	assert(c->targets[no].wait != WAIT_DEVICE); /* on_freed() has ended that */
	if (park_in_group(e, c, no, now_ms))
		return ADMIT_PASSED;
	if (must_be_read(c, no, now_ms)) {
		if (hub->read_credit == 0 || (c->targets[no].flags & F_READING)) {
			if (hub->read_credit == 0 && hub->credit_at_ms < *wake_ms)
				*wake_ms = hub->credit_at_ms;
			put_back(c, lane, no);
			return was_prepared ? ADMIT_PASSED : ADMIT_NONE; /* the next may be called */
		}
		hub->read_credit--;
		if (!(c->targets[no].flags & F_PREPARED))
			lane->preparing++;
		c->targets[no].flags |= F_TOUCHED | F_READING | F_PREPARED;
		act_only(e, c, no, ACT_READ);
		return ADMIT_TAKEN;
	}
	if (!may_claim(e, c, lane, now_ms, wake_ms)) {
		put_back(c, lane, no);
		return ADMIT_NONE;
	}
	claim(e, c, no, now_ms);
	return ADMIT_TAKEN;
}

/* Admits waiting targets, one of each campaign in turn, as far as room goes. */
static void admit(struct engine *e, int64_t now_ms, size_t room, int64_t *wake_ms)
{
	struct campaign *last = NULL;
	bool is_going = true;

	while (is_going && e->ring_n < room) {
		struct campaign *c;

		is_going = false;
		look_at_groups(e, now_ms, room);
		TAILQ_FOREACH (c, &e->all, link) {
			if (c->phase != CAMPAIGN_RUNNING || c->is_paused || c->has_ended || c->waves_n == 0)
				continue;
			for (uint32_t i = 0; i < c->lanes_n && e->ring_n < room; i++) {
				enum admitted admitted = admit_one(e, c, &c->lanes[i], now_ms, wake_ms);

				is_going = is_going || admitted != ADMIT_NONE;
				last = admitted == ADMIT_TAKEN ? c : last;
			}
		}
	}
	while (last != NULL &&
	       TAILQ_LAST(&e->all, campaigns) != last) { /* who follows it comes first next time */
		struct campaign *first = TAILQ_FIRST(&e->all);

		TAILQ_REMOVE(&e->all, first, link); /* GCOVR_EXCL_BR_LINE: last comes after it */
		TAILQ_INSERT_TAIL(&e->all, first, link);
	}
}

/* ---- handing out ---- */

static void tell(struct engine *e, const struct step *s)
{
	struct campaign *c = find(e, s->campaign);

	if (s->kind == STEP_TARGET && s->is_stored) {
		counts_move(&c->told, s->from, s->from_reason, s->from_wait, &s->row);
		waves_move(c, c->told_waves, s->from, &s->row);
		mark_dirty(e, c);
		if (target_state_is_final(s->row.state)) { /* until now it could be asked for */
			free(c->targets[s->row.no].active);
			c->targets[s->row.no].active = NULL;
		}
	} else if (s->kind == STEP_RELAPSE) {
		c->told_waves[wave_at(c, s->row.no)].relapsed += s->relapse.relapse != RELAPSE_NONE;
		if (s->is_stored)
			mark_dirty(e, c);
	} else if (s->kind == STEP_WAVE) {
		struct wave_row *wave = &c->told_waves[s->wave];

		wave->stage = (uint8_t)s->wave_to;
		wave->opened_at_ms = c->waves[s->wave].opened_at_ms;
		wave->is_approved = c->waves[s->wave].is_approved;
		wave->is_overridden = c->waves[s->wave].is_overridden;
		mark_dirty(e, c);
	} else if (s->kind == STEP_CAMPAIGN) {
		c->told_state = s->campaign_to;
		c->told_phase = s->phase;
		c->told_started_at_ms = c->started_at_ms;
		c->told_finished_at_ms =
		        campaign_state_is_final(s->campaign_to) ? c->finished_at_ms : TIME_NONE;
		memcpy(c->told_reason, s->reason, sizeof c->told_reason);
		for (uint32_t w = 0; w < c->waves_n; w++)
			c->told_waves[w].is_approved = c->waves[w].is_approved;
		mark_dirty(e, c);
	}
}

static size_t hand_out(struct engine *e, struct step *steps, size_t n, size_t steps_max)
{
	for (; n < steps_max && e->ring_n > 0; n++) {
		steps[n] = e->ring[e->ring_head];
		e->ring_head = (e->ring_head + 1) & (e->ring_size - 1);
		e->ring_n--;
		tell(e, &steps[n]);
	}
	return n;
}

static bool is_forgotten(const struct engine *e, const struct alarm *forget)
{
	const struct campaign *c = find(e, (uint32_t)(forget->who >> 32));
	const struct target *t = c != NULL ? &c->targets[(uint32_t)forget->who] : NULL;

	return t == NULL || !(t->flags & F_OFFLINE) ||
	       t->active->row.changed_at_ms + OFFLINE_FOR_MS != forget->at_ms;
}

static bool is_overtaken(const struct engine *e, const struct alarm *alarm)
{
	const struct campaign *c = find(e, (uint32_t)(alarm->who >> 32));
	const struct active *a = c != NULL ? c->targets[(uint32_t)alarm->who].active : NULL;

	return a == NULL || a->alarm_at_ms != alarm->at_ms;
}

static int64_t earliest(struct engine *e, int64_t wake_ms)
{
	const struct campaign *c;
	uint64_t who;
	int64_t at_ms;

	while (e->alarms.n > 0 && is_overtaken(e, &e->alarms.heap[0]))
		alarms_pop(&e->alarms, TIME_NEVER, &who);
	at_ms = alarms_next_at(&e->alarms);
	if (at_ms < wake_ms)
		wake_ms = at_ms;
	while (e->forgets.n > 0 && is_forgotten(e, &e->forgets.heap[0]))
		alarms_pop(&e->forgets, TIME_NEVER, &who);
	at_ms = alarms_next_at(&e->forgets);
	if (at_ms < wake_ms)
		wake_ms = at_ms;
	at_ms = engine_relapse_next_at(e);
	if (at_ms < wake_ms)
		wake_ms = at_ms;
	at_ms = holds_next_at(e->holds);
	if (at_ms < wake_ms)
		wake_ms = at_ms;
	TAILQ_FOREACH (c, &e->all, link) {
		if (c->phase == CAMPAIGN_SCHEDULED && c->start_at_ms - e->wall_less_now_ms < wake_ms)
			wake_ms = c->start_at_ms - e->wall_less_now_ms;
		if (!c->has_ended && c->end_at_ms - e->wall_less_now_ms < wake_ms)
			wake_ms = c->end_at_ms - e->wall_less_now_ms;
	}
	return wake_ms;
}

size_t engine_next(struct engine *e, int64_t now_ms, struct step *steps, size_t steps_max,
                   int64_t *ret_wake_ms)
{
	int64_t wake_ms = TIME_NEVER;
	struct campaign *c;
	uint64_t ends;
	size_t n;

	e->claims_left = CLAIMS_MAX;
	pass_time(e, now_ms);
	n = hand_out(e, steps, 0, steps_max);
	TAILQ_FOREACH (c, &e->all, link)
		if (is_closing(c))
			sweep(e, c, now_ms, steps_max - n);
	do {
		ends = e->ends;
		TAILQ_FOREACH (c, &e->all, link)
			engine_advance(e, c, now_ms, &wake_ms);
		if (n < steps_max)
			admit(e, now_ms, steps_max - n, &wake_ms);
	} while (e->ends != ends && e->ring_n < steps_max - n);
	TAILQ_FOREACH (c, &e->all, link)
		complete(e, c, now_ms);
	n = hand_out(e, steps, n, steps_max);
	*ret_wake_ms = n == steps_max ? now_ms : earliest(e, wake_ms);
	return n;
}

uint32_t engine_dirty(struct engine *e)
{
	struct campaign *c = TAILQ_FIRST(&e->dirty);

	if (c == NULL)
		return 0;
	TAILQ_REMOVE(&e->dirty, c, dirty_link);
	c->is_dirty = false;
	return c->no;
}

void engine_touch(struct engine *e, uint32_t campaign)
{
	struct campaign *c = find(e, campaign);

	if (c != NULL)
		mark_dirty(e, c);
}

enum err engine_campaign_row(struct engine *e, uint32_t campaign, struct campaign_row *ret)
{
	const struct campaign *c = find(e, campaign);

	if (c == NULL)
		return ERR_NOT_FOUND;
	ret->no = c->no;
	memcpy(ret->id, c->id, sizeof ret->id);
	ret->state = c->told_state;
	ret->phase = c->told_phase;
	ret->state_reason = c->told_reason;
	ret->started_at_ms = c->told_started_at_ms;
	ret->finished_at_ms = c->told_finished_at_ms;
	ret->start_at_ms = c->start_at_ms;
	ret->end_at_ms = c->end_at_ms;
	ret->counts = c->told;
	ret->waves_n = c->waves_n;
	memcpy(ret->waves, c->told_waves, sizeof ret->waves);
	ret->aborts_n = c->spec->aborts_n;
	memcpy(ret->aborts, c->aborts, sizeof ret->aborts);
	return ERR_OK;
}

static int later_first(const void *a, const void *b)
{
	int64_t a_ms = ((const struct kept *)a)->until_ms, b_ms = ((const struct kept *)b)->until_ms;

	return a_ms < b_ms ? 1 : a_ms > b_ms ? -1 : 0;
}

/* What is over is left: its device may have been called since. Where the clock has gone back a device may be
 * in several that are not over: the last call made it the one that ends last. */
static void take_kept(struct engine *e, int64_t now_ms)
{
	if (e->kept_n > 1)
		qsort(e->kept, e->kept_n, sizeof *e->kept, later_first);
	for (size_t i = 0; i < e->kept_n; i++) {
		struct kept *k = &e->kept[i];
		struct campaign *c = find(e, k->campaign);

		if (k->until_ms > now_ms && hold_find(e->holds, k->hub, k->device_id) == NULL) {
			struct holder *h = hold_take(e->holds, k->hub, k->device_id, k->campaign, k->no);

			if (k->is_slot && c != NULL) {
				engine_take_slot(c, k->no, h, k->since_ms);
			} else if (k->is_slot && k->group != NULL) { /* its group goes on counting */
				h->is_slot = true;
				h->since_ms = k->since_ms;
				h->group = groups_get(e->groups, k->hub, k->group_by, k->group);
				h->group->out++;
			}
			hold_until(e->holds, k->hub, k->device_id, k->until_ms);
		}
		kept_done(k);
	}
	free(e->kept);
	e->kept = NULL;
	e->kept_n = e->kept_size = 0;
}

/* Who waits with a call that may have acted keeps its device, unless another has it: in a copy of the record
 * each waiting target may have been called since, and several may wait for one device. */
static void take_unresolved(struct engine *e)
{
	struct campaign *c;

	TAILQ_FOREACH (c, &e->all, link)
		for (uint32_t no = 0; no < c->n; no++) {
			const struct active *a = c->targets[no].active;

			if (a != NULL && a->row.is_unresolved && c->targets[no].state == TARGET_WAITING &&
			    hold_find(e->holds, hub_of(c, no), device_of(c, no)) == NULL)
				hold_take(e->holds, hub_of(c, no), device_of(c, no), c->no, no);
		}
}

/* Whoever it waited for may be gone, or hold its device for longer. */
static void recover_parked(struct engine *e, struct campaign *c, uint32_t no, int64_t now_ms)
{
	const struct holder *h = hold_find(e->holds, hub_of(c, no), device_of(c, no));
	struct change ch;

	if (h != NULL && (h->campaign != c->no || h->no != no)) {
		park(e, c, no, h, now_ms);
		return;
	}
	ch = begin(e, c, no, now_ms);
	ch.row->wait = WAIT_NONE;
	ch.row->next_at_ms = TIME_NONE;
	numbers_push(&lane_of(&ch)->ready, no);
	end(&ch);
}

void engine_recover(struct engine *e, int64_t now_ms)
{
	struct campaign *c;

	e->now_ms = e->passed_ms = now_ms;
	take_kept(e, now_ms);
	take_unresolved(e);
	engine_relapse_recover(e);
	TAILQ_FOREACH (c, &e->all, link) {
		count_waves(c);
		engine_check_aborts(e, c, &c->counts,
		                    now_ms); /* a rule may have been put on record but not acted on */
		for (uint32_t no = 0; no < c->n; no++) {
			if (c->targets[no].state == TARGET_INVOKING) {
				struct change ch = begin(e, c, no, now_ms);

				doubt(&ch);
			} else if (is_watched(c->targets[no].state)) {
				act_only(e, c, no, ACT_WATCH);
			} else if (c->targets[no].state == TARGET_WAITING &&
			           c->targets[no].wait == WAIT_DEVICE) {
				recover_parked(e, c, no, now_ms);
			}
		}
	}
}

/* ---- another spec ---- */

static bool is_same_rule(const struct abort_rule *a, const struct abort_rule *b)
{
	return a->cause == b->cause && a->count == b->count && a->percent == b->percent &&
	       a->min_finished == b->min_finished && a->cancels == b->cancels;
}

void engine_campaign_respec(struct engine *e, uint32_t campaign, struct campaign_spec *spec,
                            int64_t end_at_ms)
{
	struct campaign *c = find(e, campaign);
	struct rate was;

	assert(c != NULL);
	for (uint32_t i = 0; i < spec->aborts_n;
	     i++) /* a rule that was not there counts from the beginning */
		if (i >= c->spec->aborts_n || !is_same_rule(&c->spec->aborts[i], &spec->aborts[i]))
			c->aborts[i] = (struct abort_base){0, 0};
	spec_done(c->spec);
	free(c->spec);
	c->spec = spec;
	was = c->rate;
	rate_init(&c->rate, spec->rollout.rate_per_minute);
	if (was.next_us != INT64_MIN) /* the next call comes an interval after the last one */
		c->rate.next_us = was.next_us - was.interval_us + c->rate.interval_us;
	c->end_at_ms = end_at_ms;
	for (uint32_t i = 0; i < c->groups_n; i++)
		group_touch(e->groups, c->groups[i].shared);
	engine_check_aborts(e, c, &c->counts, e->now_ms);
	mark_dirty(e, c);
}
