/* track: see lane.h */
#include "server/track/lane.h"

#include <assert.h>

#include "server/base/clock.h"
#include "server/dispatch/backoff.h"

void lane_init(struct lane *l, uint32_t per_minute, uint32_t gather_s, uint32_t out_max)
{
	uint64_t burst = (uint64_t)per_minute * gather_s / 60;

	assert(out_max > 0);
	*l = (struct lane){.out_max = out_max, .retry_after_ms = TIME_NONE, .held_until_ms = TIME_NONE};
	bucket_init(&l->bucket, per_minute, burst > 0 ? (uint32_t)burst : 1);
	pace_init(&l->pace, per_minute, 0);
}

void lane_run(struct lane *l, int64_t now_ms)
{
	int64_t wait_ms;

	if (pace_run(&l->pace, now_ms))
		bucket_pace(&l->bucket, l->pace.per_minute, now_ms);
	bucket_run(&l->bucket, now_ms);
	if (!l->is_throttled)
		return;
	wait_ms = backoff_ms(THROTTLED_FIRST_MS, THROTTLED_MAX_MS, l->throttled_in_row++);
	l->held_until_ms = now_ms + backoff_heed(wait_ms, l->retry_after_ms);
	l->is_throttled = false;
	l->retry_after_ms = TIME_NONE;
}

void lane_take(struct lane *l, int64_t now_ms)
{
	bucket_take(&l->bucket, 1, now_ms);
	l->out++;
}

/* Answers to what was asked before the last hold say nothing about the pace since. */
void lane_answered(struct lane *l, int64_t asked_at_ms, const struct hub_answer *answer)
{
	l->out--;
	if (asked_at_ms < l->held_until_ms)
		return;
	if (answer->outcome == HUB_THROTTLED) {
		l->is_throttled = true;
		pace_throttled(&l->pace);
		if (answer->retry_after_ms > l->retry_after_ms)
			l->retry_after_ms = answer->retry_after_ms;
	} else if (answer->outcome == HUB_ANSWERED || answer->outcome == HUB_GONE) {
		l->throttled_in_row = 0;
		/* A page takes as long as what is on it. */
		pace_answered(&l->pace, answer->reading != NULL ? answer->took_ms : TIME_NONE);
	}
}

uint32_t lane_tokens(const struct lane *l, int64_t now_ms)
{
	return l->is_throttled || now_ms < l->held_until_ms ? 0 : bucket_tokens(&l->bucket, now_ms);
}

bool lane_is_free(const struct lane *l, int64_t now_ms)
{
	return l->out < l->out_max && lane_tokens(l, now_ms) > 0;
}

int64_t lane_next_at(const struct lane *l, int64_t now_ms)
{
	int64_t at_ms = bucket_next_at(&l->bucket, now_ms);

	return at_ms > l->held_until_ms ? at_ms : l->held_until_ms;
}
