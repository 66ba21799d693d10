/* track/lane: the pace of one kind of request: a rate (and what pace.h makes of it), places, and a hold after
 * 429. Pure. */
#ifndef ROLLCALL_SERVER_TRACK_LANE_H
#define ROLLCALL_SERVER_TRACK_LANE_H

#include "server/dispatch/bucket.h"
#include "server/dispatch/pace.h"
#include "server/hub/hub.h"

struct lane {
	struct bucket bucket;
	struct pace pace;
	uint32_t out, out_max;
	uint32_t throttled_in_row;
	bool is_throttled;      /* 429 since the last run, to something asked after the last hold */
	int64_t retry_after_ms; /* what it said */
	int64_t held_until_ms;
};

/* per_minute 0: no limit; gather_s seconds' worth may gather. out_max: at once, at least 1. */
void lane_init(struct lane *l, uint32_t per_minute, uint32_t gather_s, uint32_t out_max);
/* Tells the time, once a turn. */
void lane_run(struct lane *l, int64_t now_ms);
/* One goes out. */
void lane_take(struct lane *l, int64_t now_ms);
/* What was asked at asked_at_ms is answered. */
void lane_answered(struct lane *l, int64_t asked_at_ms, const struct hub_answer *answer);
/* How many may go out now, places aside. */
uint32_t lane_tokens(const struct lane *l, int64_t now_ms);
bool lane_is_free(const struct lane *l, int64_t now_ms);
/* When the next token may be used. */
int64_t lane_next_at(const struct lane *l, int64_t now_ms);

#endif
