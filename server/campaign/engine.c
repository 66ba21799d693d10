/* campaign: see engine.h: what is kept of campaigns, time passing, and handing out steps. What facts mean is
 * in engine_facts.c, whom to call next in engine_admit.c, how a target changes in engine_change.c. */
#include "server/campaign/engine.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/campaign/engine_change.h"
#include "server/campaign/target.h"
#include "server/campaign/wave.h"

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
		engine_kept_done(&e->kept[i]);
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

void engine_counts_add(struct counts *n, const struct target_row *row)
{
	n->total++;
	n->state[row->state]++;
	n->reason[row->reason]++;
	if (row->state == TARGET_WAITING)
		n->wait[row->wait]++;
}

void engine_counts_move(struct counts *n, uint8_t from, uint8_t from_reason, uint8_t from_wait,
                        const struct target_row *row)
{
	n->state[from]--;
	n->reason[from_reason]--;
	if (from == TARGET_WAITING)
		n->wait[from_wait]--;
	n->total--;
	engine_counts_add(n, row);
}

void engine_mark_dirty(struct engine *e, struct campaign *c)
{
	if (!c->is_dirty)
		TAILQ_INSERT_TAIL(&e->dirty, c, dirty_link);
	c->is_dirty = true;
}

void engine_waves_move(const struct campaign *c, struct wave_row *waves, uint8_t from,
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
void engine_count_waves(struct campaign *c)
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

/* ---- time passing ---- */

static void pass_time(struct engine *e, int64_t now_ms)
{
	struct holder holder;
	struct campaign *c;
	uint64_t who;

	engine_count_time(e, now_ms);
	for (unsigned h = 0; h < HUBS_MAX; h++)
		e->was_open[h] = e->hubs[h].is_open;
	e->now_ms = e->passed_ms = now_ms;
	while (hold_expire(e->holds, now_ms, &holder, engine_on_freed, e)) {
		if (holder.is_slot)
			engine_give_slot(e, find(e, holder.campaign), &holder);
	}
	while (alarms_pop(&e->alarms, now_ms, &who)) {
		c = find(e, (uint32_t)(who >> 32));
		if (c != NULL)
			engine_on_alarm(e, c, (uint32_t)who, now_ms);
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
			change_close_waiting(e, c, c->sweep, now_ms);
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

/* ---- handing out ---- */

static void tell(struct engine *e, const struct step *s)
{
	struct campaign *c = find(e, s->campaign);

	if (s->kind == STEP_TARGET && s->is_stored) {
		engine_counts_move(&c->told, s->from, s->from_reason, s->from_wait, &s->row);
		engine_waves_move(c, c->told_waves, s->from, &s->row);
		engine_mark_dirty(e, c);
		if (target_state_is_final(s->row.state)) { /* until now it could be asked for */
			free(c->targets[s->row.no].active);
			c->targets[s->row.no].active = NULL;
		}
	} else if (s->kind == STEP_RELAPSE) {
		c->told_waves[wave_at(c, s->row.no)].relapsed += s->relapse.relapse != RELAPSE_NONE;
		if (s->is_stored)
			engine_mark_dirty(e, c);
	} else if (s->kind == STEP_WAVE) {
		struct wave_row *wave = &c->told_waves[s->wave];

		wave->stage = (uint8_t)s->wave_to;
		wave->opened_at_ms = c->waves[s->wave].opened_at_ms;
		wave->is_approved = c->waves[s->wave].is_approved;
		wave->is_overridden = c->waves[s->wave].is_overridden;
		engine_mark_dirty(e, c);
	} else if (s->kind == STEP_CAMPAIGN) {
		c->told_state = s->campaign_to;
		c->told_phase = s->phase;
		c->told_started_at_ms = c->started_at_ms;
		c->told_finished_at_ms =
		        campaign_state_is_final(s->campaign_to) ? c->finished_at_ms : TIME_NONE;
		memcpy(c->told_reason, s->reason, sizeof c->told_reason);
		for (uint32_t w = 0; w < c->waves_n; w++)
			c->told_waves[w].is_approved = c->waves[w].is_approved;
		engine_mark_dirty(e, c);
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
			engine_admit(e, now_ms, steps_max - n, &wake_ms);
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
		engine_mark_dirty(e, c);
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
	engine_mark_dirty(e, c);
}
