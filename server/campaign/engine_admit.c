/* campaign: whom to call or to read next, of those that wait; see engine_parts.h */
#include <assert.h>

#include "server/campaign/engine_change.h"

/* A point read made before a call is good for so long. */
#define CHECKED_FOR_MS 60000

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
	struct change ch = change_begin(e, c, no, now_ms);
	struct hub_state *hub = &e->hubs[hub_of(c, no)];
	struct holder *h = engine_own_hold(e, c, no);

	if (h == NULL)
		h = hold_take(e->holds, hub_of(c, no), device_of(c, no), c->no, no);
	engine_take_slot(c, no, h, now_ms);
	engine_relapse_end(e, hub_of(c, no), device_of(c, no));
	change_move(&ch, TARGET_INVOKING, REASON_NONE);
	ch.row->attempts++;
	ch.row->calls++;
	if (ch.row->attempt_seq == 0)
		ch.row->attempt_seq = 1;
	ch.a->rereads = 0;
	ch.row->called_at_ms = now_ms;
	if (ch.row->since_hub_ms == TIME_NONE)
		ch.row->since_hub_ms = hub_time(hub, now_ms);
	ch.row->next_at_ms = now_ms + policy_call_ms(c->spec);
	engine_alarm_set(e, ch.a, ch.row->next_at_ms);
	ch.acts |= ACT_INVOKE;
	change_end(&ch);
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
		struct change ch = change_begin(e, c, no, now_ms);

		change_finish(&ch, TARGET_SKIPPED, REASON_GROUP_BLOCKED);
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
		struct change ch = change_begin(e, c, no, now_ms);

		change_finish(&ch, TARGET_SKIPPED, REASON_GROUP_BLOCKED);
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

void engine_park(struct engine *e, struct campaign *c, uint32_t no, const struct holder *h, int64_t now_ms)
{
	struct change ch = change_begin(e, c, no, now_ms);

	change_unprepare(&ch);
	ch.row->wait = WAIT_DEVICE;
	ch.row->next_at_ms = h->until_ms == TIME_NEVER ? TIME_NONE : h->until_ms;
	hold_wait(e->holds, hub_of(c, no), device_of(c, no), c->no, no);
	change_end(&ch);
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
		engine_park(e, c, no, h, now_ms);
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
		engine_act_only(e, c, no, ACT_READ);
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
void engine_admit(struct engine *e, int64_t now_ms, size_t room, int64_t *wake_ms)
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
