/* conductor: when calls may be made, for forecasts: windows and blackouts in each time zone, see conduct.h.
 * Forecasts are on the clock that does not step, windows on the one on the wall. */
#include "server/conduct.h"

/* So often at most a forecast asks what holds: each takes some microseconds, and what lies further ahead than
 * that is not foreseen. */
#define ASKS_MAX 2000

void calendar_init(struct calendar *cal, const struct conductor *c, const struct campaign_spec *spec,
                   const struct windows *windows, const struct zone *const *zones)
{
	*cal = (struct calendar){.windows = windows,
	                         .zones = zones,
	                         .needed_ms = conduct_windows_needed_ms(spec),
	                         .ahead_ms = conduct_wall(c) - conduct_now(c),
	                         .asks_left = ASKS_MAX};
}

/* Gives whether it is known what holds. */
static bool ask(struct calendar *cal, uint32_t zone, int64_t wall_ms, struct window_state *ret)
{
	if (cal->zones[zone] == NULL || cal->asks_left == 0)
		return false;
	cal->asks_left--;
	windows_at(cal->windows, cal->zones[zone], wall_ms, cal->needed_ms, ret);
	return true;
}

int64_t calendar_after(void *arg, uint32_t zone, int64_t from_ms, int64_t callable_ms)
{
	struct calendar *cal = arg;
	int64_t wall_ms = from_ms + cal->ahead_ms;
	struct window_state w;

	while (ask(cal, zone, wall_ms, &w)) {
		if (w.is_open && (w.changes_at_ms == TIME_NEVER || w.changes_at_ms - wall_ms >= callable_ms))
			return wall_ms + callable_ms - cal->ahead_ms;
		if (w.changes_at_ms == TIME_NEVER)
			break;
		callable_ms -= w.is_open ? w.changes_at_ms - wall_ms : 0;
		wall_ms = w.changes_at_ms;
	}
	return TIME_NEVER;
}

size_t calendar_windows(struct calendar *cal, uint32_t zone, int64_t from_ms, struct preview_span *ret,
                        size_t max)
{
	int64_t wall_ms = from_ms + cal->ahead_ms;
	struct window_state w;
	size_t n = 0;

	while (n < max && ask(cal, zone, wall_ms, &w)) {
		if (w.is_open)
			ret[n++] = (struct preview_span){
			        wall_ms - cal->ahead_ms,
			        w.changes_at_ms == TIME_NEVER ? TIME_NEVER : w.changes_at_ms - cal->ahead_ms};
		if (w.changes_at_ms == TIME_NEVER)
			break;
		wall_ms = w.changes_at_ms;
	}
	return n;
}
