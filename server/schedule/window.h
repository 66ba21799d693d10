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
	bool is_open;          /* a call may start */
	bool is_blackout;      /* shut by a blackout, whatever the windows say */
	int64_t changes_at_ms; /* open: from then on none may; shut: when it opens. TIME_NEVER: not in the
	                          next years */
	int64_t again_at_ms; /* when to ask again: something of this, or the reason, may be different then */
};

/* What holds at now_ms in the zone for calls that take up to needed_ms of an open time (0: that only have to
 * start in it). Without windows it is open but for blackouts. Windows that follow one another without a pause
 * are one. */
void windows_at(const struct windows *w, const struct zone *z, int64_t now_ms, int64_t needed_ms,
                struct window_state *ret);

#endif
