/* dispatch/pace: how much of the granted rate to use just now. Pure.
 *
 * A hub that is asked for more than it has left (others use it, too) first holds requests back, the longer
 * the more, and says 429 only when that has become too long (contract 7.3). So windows of a few seconds are
 * compared by the time that their quicker answers took (slow devices do not show there). Where that is
 *
 *   as usual                      a twentieth faster, up to what is granted
 *   much longer, and growing      slower: by a fifth at least, or as the growth tells
 *   much longer, but falling      as it is: being slower helps
 *   much longer, neither          a fifth slower once more. Where that does not help, either, it is not
 *                                 us whom the hub waits for. It is simply slow: that is usual from now on,
 *                                 and the whole rate is used again
 *
 * 429: half as fast, at most once in ten seconds. Where no rate is granted (tier "none"), the rate at which
 * the 429 came takes its place, until it has been passed twice over. */
#ifndef ROLLCALL_SERVER_DISPATCH_PACE_H
#define ROLLCALL_SERVER_DISPATCH_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_SAMPLES_MAX 128

struct pace {
	uint32_t granted_per_minute; /* 0: no limit */
	uint32_t per_minute;         /* to be used now; 0: no limit */
	uint32_t base_per_minute;    /* what steps are parts of: granted, or where that is no limit, learnt */
	int64_t usual_ms, last_ms;   /* TIME_NONE: not known */
	bool is_slowed, is_tried;    /* since it took much longer; once more, to see whether it helps */
	bool is_throttled;           /* 429 since the last run */
	int64_t throttled_at_ms;     /* when it was slowed for that, TIME_NONE: never */
	/* the window that is open */
	int64_t began_at_ms;
	uint32_t answers, samples_n;
	int32_t samples_ms[PACE_SAMPLES_MAX];
};

void pace_init(struct pace *p, uint32_t granted_per_minute, int64_t now_ms);
/* An answer came that the hub did work for. took_ms TIME_NONE: how long that takes depends on what was asked.
 */
void pace_answered(struct pace *p, int64_t took_ms);
/* A 429 came. */
void pace_throttled(struct pace *p);
/* Lets time pass; true where per_minute has changed. */
bool pace_run(struct pace *p, int64_t now_ms);

#endif
