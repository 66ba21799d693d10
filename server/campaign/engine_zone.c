/* campaign: time zones: what windows and blackouts let be called now; see engine.h and engine_parts.h.
 * Targets of one hub and one zone share a lane, so that a shut window costs nothing for those who wait behind
 * it. */
#include "server/campaign/engine_parts.h"

#include <assert.h>
#include <string.h>

static bool has_windows(const struct campaign_spec *s)
{
	return s->schedule.windows_n > 0 || s->schedule.blackouts_n > 0;
}

void engine_lanes_init(struct campaign *c, const uint8_t *hubs, uint32_t hubs_n)
{
	c->hubs_n = c->lanes_n = hubs_n;
	c->lanes = xcalloc(hubs_n, sizeof *c->lanes);
	for (uint32_t i = 0; i < hubs_n; i++) {
		c->lanes[i].hub = hubs[i];
		/* Where there are windows, shut until it is told what holds. */
		c->lanes[i].zone =
		        (struct zone_state){.is_open = !has_windows(c->spec), .until_ms = TIME_NEVER};
	}
}

void engine_zones(struct engine *e, uint32_t campaign, uint32_t n)
{
	struct campaign *c = find(e, campaign);

	assert(c != NULL && c->n == 0 && n >= 1 && n <= ZONES_MAX);
	if (n * c->hubs_n <= c->lanes_n)
		return;
	c->lanes = xrealloc(c->lanes, (size_t)n * c->hubs_n * sizeof *c->lanes);
	for (uint32_t i = c->lanes_n; i < n * c->hubs_n; i++)
		c->lanes[i] = (struct lane){.hub = c->lanes[i % c->hubs_n].hub, .zone = c->lanes[0].zone};
	c->lanes_n = n * c->hubs_n;
}

void engine_zone(struct engine *e, uint32_t campaign, uint32_t zone, int64_t now_ms,
                 const struct zone_state *state)
{
	struct campaign *c = find(e, campaign);

	assert(c != NULL);
	if (zone * c->hubs_n >= c->lanes_n)
		return; /* its targets are not there yet */
	engine_count_time(e, now_ms);
	for (uint32_t h = 0; h < c->hubs_n; h++)
		c->lanes[zone * c->hubs_n + h].zone = *state;
}

bool engine_is_in_window(const struct lane *lane, int64_t now_ms)
{
	return lane->zone.is_open && now_ms < lane->zone.until_ms;
}

bool engine_is_callable(const struct engine *e, const struct lane *lane)
{
	return e->hubs[lane->hub].is_open && engine_is_in_window(lane, e->now_ms);
}

int64_t engine_window_ms(const struct lane *lane, int64_t from_ms, int64_t until_ms)
{
	if (!lane->zone.is_open)
		return 0;
	if (lane->zone.until_ms < until_ms)
		until_ms = lane->zone.until_ms;
	return until_ms > from_ms ? until_ms - from_ms : 0;
}

static const struct lane *lane_of(const struct campaign *c, uint32_t no)
{
	return &c->lanes[c->targets[no].lane];
}

enum wait engine_window(const struct engine *e, uint32_t campaign, uint32_t no, int64_t *ret_until_ms)
{
	const struct campaign *c = find(e, campaign);
	const struct zone_state *z;

	*ret_until_ms = TIME_NONE;
	if (c == NULL || no >= c->n)
		return WAIT_NONE;
	z = &lane_of(c, no)->zone;
	if (engine_is_in_window(lane_of(c, no), e->now_ms)) {
		*ret_until_ms = z->until_ms;
		return WAIT_NONE;
	}
	*ret_until_ms = z->is_open || z->until_ms == TIME_NEVER ? TIME_NONE : z->until_ms;
	return z->is_blackout ? WAIT_BLACKOUT : WAIT_WINDOW;
}
