/* campaign: questions about what the engine knows; see engine.h and engine_parts.h. */
#include "server/campaign/engine_parts.h"

#include <string.h>

bool engine_target(const struct engine *e, uint32_t campaign, uint32_t no, struct target_state_view *ret)
{
	struct campaign *c = find(e, campaign);

	if (c == NULL || no >= c->n)
		return false;
	ret->device_id = device_of(c, no);
	ret->hub = hub_of(c, no);
	baseline_unpack(&c->baselines[no], &ret->baseline);
	ret->is_reading = (c->targets[no].flags & F_READING) != 0;
	ret->row = c->targets[no].active != NULL ? c->targets[no].active->row : engine_blank_row(c, no);
	return true;
}

const struct campaign_spec *engine_spec(const struct engine *e, uint32_t campaign)
{
	const struct campaign *c = find(e, campaign);

	return c != NULL ? c->spec : NULL;
}

const char *engine_campaign_id(const struct engine *e, uint32_t campaign)
{
	const struct campaign *c = find(e, campaign);

	return c != NULL ? c->id : NULL;
}

bool engine_holds(const struct engine *e)
{
	return holds_any(e->holds);
}

bool engine_may_call(const struct engine *e, uint32_t campaign)
{
	const struct campaign *c = find(e, campaign);

	return c != NULL && c->phase == CAMPAIGN_RUNNING && !c->is_paused && !c->has_ended;
}

bool engine_find(const struct engine *e, uint32_t campaign, const char *device_id, int hub, uint32_t *ret_no)
{
	const struct campaign *c = find(e, campaign);

	for (uint32_t no = 0; c != NULL && no < c->n; no++)
		if ((hub < 0 || hub_index(c, no) == hub) && strcmp(device_of(c, no), device_id) == 0) {
			*ret_no = no;
			return true;
		}
	return false;
}

bool engine_group(const struct engine *e, uint32_t campaign, uint32_t group, struct engine_group *ret)
{
	const struct campaign *c = find(e, campaign);

	if (c == NULL || group >= c->groups_n)
		return false;
	*ret = (struct engine_group){.out = c->groups[group].shared->out,
	                             .offline = c->groups[group].shared->offline,
	                             .failed = c->groups[group].failed,
	                             .max = engine_group_max(c, &c->groups[group])};
	return true;
}

struct asked_down {
	const struct engine *e;
	const struct shared_group *group;
	engine_down_cb *down;
	void *arg;
};

static void on_held(void *arg, const char *device_id, const struct holder *h)
{
	const struct asked_down *asked = arg;
	const struct campaign *c = find(asked->e, h->campaign);
	bool is_out = c != NULL && !target_state_is_final(c->targets[h->no].state);

	if (h->is_slot && h->group == asked->group)
		asked->down(asked->arg, device_id, h->campaign,
		            is_out ? target_state_text(c->targets[h->no].state) : "settling", h->since_ms);
}

void engine_group_down(const struct engine *e, uint32_t campaign, uint32_t group, engine_down_cb *down,
                       void *arg)
{
	const struct campaign *c = find(e, campaign);
	struct asked_down asked = {e, NULL, down, arg};
	const struct campaign_group *g;

	if (c == NULL || group >= c->groups_n)
		return;
	g = &c->groups[group];
	asked.group = g->shared;
	for (uint32_t i = 0; i < g->failed; i++)
		down(arg, device_of(c, g->lost[i].no), campaign, "failed", g->lost[i].at_ms);
	for (size_t i = 0; i < e->forgets.n; i++) { /* each that counts as offline has an alarm there */
		const struct campaign *other = find(e, (uint32_t)(e->forgets.heap[i].who >> 32));
		uint32_t no = (uint32_t)e->forgets.heap[i].who;
		const struct campaign_group *its = other != NULL ? group_of(other, no) : NULL;

		if (its == NULL || its->shared != g->shared || !(other->targets[no].flags & F_OFFLINE))
			continue;
		if (other->targets[no].active->row.changed_at_ms + OFFLINE_FOR_MS == e->forgets.heap[i].at_ms)
			down(arg, device_of(other, no), other->no, "offline",
			     other->targets[no].active->row.changed_at_ms);
	}
	holds_each(e->holds, on_held, &asked);
}

bool engine_has_relapsed(const struct engine *e, uint32_t campaign, uint32_t no)
{
	const struct campaign *c = find(e, campaign);

	return c != NULL && no < c->n && (c->targets[no].flags & F_RELAPSED) != 0;
}

bool engine_is_parked(const struct engine *e, uint32_t campaign, uint32_t no)
{
	const struct campaign *c = find(e, campaign);

	return c != NULL && no < c->n && (c->targets[no].flags & F_PARKED) != 0;
}

/* When the hub's pace lets the next call leave. */
static int64_t pace_at(const struct campaign *c, const struct hub_state *hub, int64_t now_ms)
{
	int64_t rate_at_ms = rate_next_ms(&c->rate);

	if (rate_at_ms > now_ms)
		return rate_at_ms;
	if (credit_of(c, hub) > 0 && profile_of(c->spec->action.type)->restarts && hub->restart_credit == 0)
		return hub->restart_at_ms;
	if (credit_of(c, hub) > 0)
		return now_ms;
	return credit_at_of(c, hub) == TIME_NEVER ? TIME_NONE : credit_at_of(c, hub);
}

/* The earlier of two times, either of which may not be known. */
static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
	if (a_ms == TIME_NONE || b_ms == TIME_NONE)
		return a_ms == TIME_NONE ? b_ms : a_ms;
	return a_ms < b_ms ? a_ms : b_ms;
}

/* Why targets without a reason of their own wait: room, then pace. */
static void waiting_for_a_place(const struct engine *e, const struct campaign *c, int64_t now_ms,
                                struct engine_waiting *ret)
{
	if (!engine_may_prepare(e, c)) {
		ret->wait = WAIT_CAPACITY;
		return;
	}
	ret->wait = WAIT_RATE;
	for (uint32_t i = 0; i < c->hubs_n; i++)
		if (e->hubs[c->lanes[i].hub].is_open)
			ret->next_at_ms =
			        earlier(ret->next_at_ms, pace_at(c, &e->hubs[c->lanes[i].hub], now_ms));
	for (uint32_t i = 0; i < c->lanes_n; i++)
		if (c->lanes[i].preparing > 0 && ret->next_at_ms < now_ms)
			ret->next_at_ms = TIME_NONE; /* its turn has come; it is read first */
}

static bool has_shut_window(const struct engine *e, const struct campaign *c)
{
	for (uint32_t i = 0; i < c->lanes_n; i++)
		if (!engine_is_in_window(&c->lanes[i], e->now_ms))
			return true;
	return false;
}

/* Counts those that wait for their window, or for a hub that is shut while others are open. */
static void count_shut(const struct engine *e, const struct campaign *c, struct engine_waiting *ret)
{
	for (uint32_t no = 0; no < c->n && no < ret->closed_from; no++) {
		const struct target *t = &c->targets[no];

		const struct lane *lane = &c->lanes[t->lane];
		uint8_t own = t->flags & F_PARKED ? (uint8_t)WAIT_GROUP : t->wait;

		if (t->state != TARGET_WAITING)
			continue;
		if (!engine_is_in_window(lane, e->now_ms))
			ret->window_by[lane->zone.is_blackout][own]++;
		else if (ret->shut_hubs >> hub_index(c, no) & 1)
			ret->shut_by[own]++;
	}
}

static void waiting_while_running(const struct engine *e, const struct campaign *c, int64_t now_ms,
                                  struct engine_waiting *ret)
{
	uint32_t shut_n = 0;
	int64_t opens_at_ms = TIME_NONE;

	ret->is_all = false;
	if (c->waves_n > 0)
		ret->closed_from = c->wave_ends[c->wave];
	for (uint32_t w = c->wave + 1; w < c->waves_n; w++)
		ret->closed_n += c->told_waves[w].state[TARGET_WAITING];
	ret->parked_n = c->parked;
	ret->has_shut_windows = has_shut_window(e, c);
	for (uint32_t i = 0; i < c->hubs_n; i++) {
		const struct hub_state *hub = &e->hubs[c->lanes[i].hub];

		if (hub->is_open)
			continue;
		shut_n++;
		ret->shut_hubs |= UINT64_C(1) << i;
		ret->shut_until_ms[i] = hub->opens_at_ms;
		opens_at_ms = earlier(opens_at_ms, hub->opens_at_ms);
	}
	if (shut_n == c->hubs_n && !ret->has_shut_windows) {
		ret->is_all = true;
		ret->wait = WAIT_HUB;
		ret->next_at_ms = opens_at_ms;
		return;
	}
	waiting_for_a_place(e, c, now_ms, ret);
	if (shut_n > 0 || ret->has_shut_windows)
		count_shut(e, c, ret);
}

void engine_waiting(const struct engine *e, uint32_t campaign, int64_t now_ms, struct engine_waiting *ret)
{
	const struct campaign *c = find(e, campaign);

	*ret = (struct engine_waiting){
	        .wait = WAIT_NONE, .next_at_ms = TIME_NONE, .is_all = true, .closed_from = UINT32_MAX};
	if (c == NULL || campaign_state_is_final(c->phase))
		return;
	if (c->is_paused) {
		ret->wait = WAIT_PAUSED;
	} else if (c->phase == CAMPAIGN_SELECTING) {
		ret->wait = WAIT_SELECTION;
	} else if (c->phase == CAMPAIGN_SCHEDULED) {
		ret->wait = WAIT_START;
		ret->next_at_ms = c->start_at_ms;
	} else if (c->phase == CAMPAIGN_AWAITING_APPROVAL) {
		ret->wait = WAIT_APPROVAL;
	} else {
		waiting_while_running(e, c, now_ms, ret);
	}
}
