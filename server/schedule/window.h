/* schedule/window: when calls may be made: in the windows of a campaign (each a recurring start and a length
 * in real minutes), and not in its blackouts (local dates). The same plan holds in any zone. */
#ifndef ROLLCALL_SERVER_SCHEDULE_WINDOW_H
#define ROLLCALL_SERVER_SCHEDULE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "server/schedule/recurrence.h"

struct windows;

struct windows *windows_new(void);
/* NULL is fine. */
void windows_free(struct windows *w);
/* Adds a window. Takes when. */
void windows_add(struct windows *w, struct recurrence *when, uint32_t duration_min);
/* Adds a blackout: local dates, days since 1970-01-01, both included. */
void windows_add_blackout(struct windows *w, int64_t from_day, int64_t to_day);

struct window_state {
	bool is_open;
	bool is_blackout; /* shut by a blackout, whatever the windows say */
	/* Open: when it shuts at the latest known (it may then be open still: ask again), or TIME_NEVER.
	 * Shut: when it opens; TIME_NEVER: not in the next years. */
	int64_t changes_at_ms;
};

/* What holds at now_ms in the zone. Without windows it is open but for blackouts. open_for_ms: where it is
 * open, changes_at_ms is when it truly shuts if that is within so much from now, and else later than that. */
void windows_at(const struct windows *w, const struct zone *z, int64_t now_ms, int64_t open_for_ms,
                struct window_state *ret);

#endif
