/* dispatch: see pace.h */
#include "server/dispatch/pace.h"

#include <stdlib.h>

#include "server/base/clock.h"
#include "server/dispatch/backoff.h"

#define WINDOW_MS 5000
/* A window with fewer answers goes on, but not for ever. */
#define ANSWERS_MIN 10
#define WINDOW_MAX_MS 60000
/* The time of a window is that which a fourth of its answers stayed below. */
#define QUICK_PARTS 4
/* "Much longer than usual": twice, and so much more. */
#define LONGER_MS 250
#define SLOWER_PARTS 5
#define FASTER_PARTS 20
/* At least this share is always used. */
#define LEAST_PARTS 10

void pace_init(struct pace *p, uint32_t granted_per_minute, int64_t now_ms)
{
	*p = (struct pace){.granted_per_minute = granted_per_minute,
	                   .per_minute = granted_per_minute,
	                   .base_per_minute = granted_per_minute,
	                   .usual_ms = TIME_NONE,
	                   .last_ms = TIME_NONE,
	                   .throttled_at_ms = TIME_NONE,
	                   .began_at_ms = now_ms};
}

void pace_answered(struct pace *p, int64_t took_ms)
{
	p->answers++;
	if (took_ms != TIME_NONE && p->samples_n < PACE_SAMPLES_MAX)
		p->samples_ms[p->samples_n++] = (int32_t)(took_ms < INT32_MAX ? took_ms : INT32_MAX);
}

void pace_throttled(struct pace *p)
{
	p->is_throttled = true;
}

static void window_begin(struct pace *p, int64_t now_ms)
{
	p->began_at_ms = now_ms;
	p->answers = p->samples_n = 0;
}

static int by_size(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

static int64_t quick_ms(struct pace *p)
{
	qsort(p->samples_ms, p->samples_n, sizeof *p->samples_ms, by_size);
	return p->samples_ms[p->samples_n / QUICK_PARTS];
}

static void slow_to(struct pace *p, uint32_t per_minute)
{
	uint32_t least = p->base_per_minute / LEAST_PARTS;

	p->per_minute = per_minute > least ? per_minute : least;
	if (p->per_minute == 0)
		p->per_minute = 1;
}

/* What is asked for beyond what the hub takes queues up: in a window of W answers have come to take G longer,
 * so it takes W / (W + G) of that. A fifth slower than the rate so far, or so much slower where that is more.
 */
static void go_slower(struct pace *p, int64_t window_ms, int64_t grown_ms)
{
	int64_t slower = p->per_minute - p->per_minute / SLOWER_PARTS;
	int64_t taken = p->per_minute * window_ms / (window_ms + grown_ms);

	if (p->per_minute > 0)
		slow_to(p, (uint32_t)(slower < taken ? slower : taken));
}

static void heed_throttle(struct pace *p, int64_t now_ms)
{
	int64_t span_ms = now_ms - p->began_at_ms;

	p->is_throttled = false;
	if (p->throttled_at_ms != TIME_NONE && now_ms >= p->throttled_at_ms &&
	    now_ms < p->throttled_at_ms + THROTTLED_FIRST_MS)
		return; /* it was out already */
	p->throttled_at_ms = now_ms;
	if (p->granted_per_minute == 0 && p->per_minute == 0) {
		int64_t rate = span_ms > 0 ? p->answers * INT64_C(60000) / span_ms : 0;

		if (p->answers < ANSWERS_MIN || rate > UINT32_MAX / 4)
			return; /* nobody can tell from these what was too fast */
		p->base_per_minute = p->per_minute = (uint32_t)rate;
	}
	slow_to(p, p->per_minute / 2);
	window_begin(p, now_ms);
	p->last_ms = TIME_NONE;
}

static void go_faster(struct pace *p)
{
	uint32_t step = p->base_per_minute / FASTER_PARTS;

	if (p->per_minute == p->granted_per_minute)
		return;
	p->per_minute += step > 0 ? step : 1;
	if (p->granted_per_minute > 0 && p->per_minute > p->granted_per_minute)
		p->per_minute = p->granted_per_minute;
	if (p->granted_per_minute == 0 && p->per_minute > 2 * p->base_per_minute)
		p->per_minute = p->base_per_minute = 0;
}

static void judge(struct pace *p, int64_t window_ms)
{
	int64_t now_quick_ms = quick_ms(p), before_ms = p->last_ms != TIME_NONE ? p->last_ms : now_quick_ms;
	bool is_long, is_growing, is_falling;

	if (p->usual_ms == TIME_NONE || now_quick_ms < p->usual_ms)
		p->usual_ms = now_quick_ms;
	is_long = now_quick_ms > 2 * p->usual_ms && now_quick_ms > p->usual_ms + LONGER_MS;
	is_growing = now_quick_ms > before_ms + before_ms / 8;
	is_falling = now_quick_ms < before_ms - before_ms / 8;
	p->last_ms = now_quick_ms;
	if (!is_long) {
		p->is_slowed = p->is_tried = false;
		go_faster(p);
	} else if (is_growing) {
		p->is_slowed = true;
		go_slower(p, window_ms, now_quick_ms - before_ms);
	} else if (!is_falling && p->is_slowed && !p->is_tried) {
		p->is_tried = true;
		go_slower(p, window_ms, 0);
	} else if (!is_falling) {
		p->usual_ms = now_quick_ms;
		if (p->is_slowed)
			p->per_minute = p->granted_per_minute;
		p->is_slowed = p->is_tried = false;
	}
}

bool pace_run(struct pace *p, int64_t now_ms)
{
	uint32_t before = p->per_minute;

	if (now_ms < p->began_at_ms)
		window_begin(p, now_ms);
	if (p->is_throttled)
		heed_throttle(p, now_ms);
	if (now_ms - p->began_at_ms >= WINDOW_MS) {
		if (p->samples_n >= ANSWERS_MIN)
			judge(p, now_ms - p->began_at_ms);
		else if (p->answers >= ANSWERS_MIN)
			go_faster(p);
		if (p->answers >= ANSWERS_MIN || now_ms - p->began_at_ms >= WINDOW_MAX_MS)
			window_begin(p, now_ms);
	}
	return p->per_minute != before;
}
