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
	ret->baseline = c->baselines[no];
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

bool engine_may_call(const struct engine *e, uint32_t campaign)
{
	const struct campaign *c = find(e, campaign);

	return c != NULL && c->phase == CAMPAIGN_RUNNING && !c->is_paused && !c->has_ended;
}

bool engine_find(const struct engine *e, uint32_t campaign, const char *device_id, int hub, uint32_t *ret_no)
{
	const struct campaign *c = find(e, campaign);

	for (uint32_t no = 0; c != NULL && no < c->n; no++)
		if ((hub < 0 || c->targets[no].lane == hub) && strcmp(device_of(c, no), device_id) == 0) {
			*ret_no = no;
			return true;
		}
	return false;
}

bool engine_is_parked(const struct engine *e, uint32_t campaign, uint32_t no)
{
	const struct campaign *c = find(e, campaign);

	return c != NULL && no < c->n && (c->targets[no].flags & F_PARKED) != 0;
}

/* Why targets without a reason of their own wait: room, then pace. */
static void waiting_for_a_place(const struct campaign *c, const struct hub_state *hub, int64_t now_ms,
                                struct engine_waiting *ret)
{
	int64_t rate_at_ms = rate_next_ms(&c->rate);

	if (c->slots + c->prepared >= limit_of(c->spec->rollout.max_unavailable, c->counts.total)) {
		ret->wait = WAIT_CAPACITY;
		return;
	}
	ret->wait = WAIT_RATE;
	ret->next_at_ms = now_ms;
	if (rate_at_ms > now_ms)
		ret->next_at_ms = rate_at_ms;
	else if (hub->call_credit == 0)
		ret->next_at_ms = hub->credit_at_ms == TIME_NEVER ? TIME_NONE : hub->credit_at_ms;
}

void engine_waiting(const struct engine *e, uint32_t campaign, int64_t now_ms, struct engine_waiting *ret)
{
	const struct campaign *c = find(e, campaign);
	const struct hub_state *hub;

	*ret = (struct engine_waiting){
	        .wait = WAIT_NONE, .next_at_ms = TIME_NONE, .is_all = true, .closed_from = UINT32_MAX};
	if (c == NULL || campaign_state_is_final(c->phase))
		return;
	hub = &e->hubs[c->lanes[0].hub];
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
		ret->is_all = false;
		if (c->waves_n > 0)
			ret->closed_from = c->wave_ends[c->wave];
		for (uint32_t w = c->wave + 1; w < c->waves_n; w++)
			ret->closed_n += c->told_waves[w].state[TARGET_WAITING];
		ret->parked_n = c->parked;
		if (!hub->is_open) {
			ret->is_all = true;
			ret->wait = WAIT_HUB;
			ret->next_at_ms = hub->opens_at_ms;
		} else {
			waiting_for_a_place(c, hub, now_ms, ret);
		}
	}
}
