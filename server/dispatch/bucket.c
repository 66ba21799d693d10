/* dispatch: see bucket.h */
#include "server/dispatch/bucket.h"

#include <assert.h>

#define MINUTE_US 60000000

static int64_t interval_us(uint64_t per_minute)
{
	if (per_minute > MINUTE_US)
		per_minute = MINUTE_US;
	return per_minute == 0 ? 0 : (int64_t)((MINUTE_US + per_minute - 1) / per_minute);
}

void bucket_init(struct bucket *b, uint64_t per_minute, uint32_t burst)
{
	assert(burst > 0);
	b->interval_us = interval_us(per_minute);
	b->burst = burst;
	b->full_at_us = INT64_MIN;
	b->seen_at_us = INT64_MIN;
}

void bucket_pace(struct bucket *b, uint64_t per_minute, int64_t now_ms)
{
	int64_t now_us = now_ms * 1000, us = interval_us(per_minute);

	if (b->full_at_us > now_us)
		b->full_at_us = b->interval_us == 0 ? now_us
		                                    : now_us + (b->full_at_us - now_us) / b->interval_us * us;
	b->interval_us = us;
}

void bucket_run(struct bucket *b, int64_t now_ms)
{
	int64_t now_us = now_ms * 1000;

	if (now_us < b->seen_at_us && b->full_at_us > now_us)
		b->full_at_us -= b->seen_at_us - now_us;
	b->seen_at_us = now_us;
}

uint32_t bucket_tokens(const struct bucket *b, int64_t now_ms)
{
	int64_t now_us = now_ms * 1000, missing;

	if (b->interval_us == 0)
		return UINT32_MAX;
	if (b->full_at_us <= now_us)
		return b->burst;
	missing = (b->full_at_us - now_us + b->interval_us - 1) / b->interval_us;
	return missing >= b->burst ? 0 : b->burst - (uint32_t)missing;
}

void bucket_take(struct bucket *b, uint32_t n, int64_t now_ms)
{
	assert(bucket_tokens(b, now_ms) > 0);
	if (b->full_at_us < now_ms * 1000)
		b->full_at_us = now_ms * 1000;
	b->full_at_us += n * b->interval_us;
}

int64_t bucket_next_at(const struct bucket *b, int64_t now_ms)
{
	if (bucket_tokens(b, now_ms) > 0)
		return now_ms;
	/* Rounded up: a millisecond too early would find none. (Here full_at is later than now: no overflow.)
	 */
	return (b->full_at_us - (b->burst - 1) * b->interval_us + 999) / 1000;
}
