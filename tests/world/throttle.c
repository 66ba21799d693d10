/* world: throttles and the daily quota of contract 7. A bucket holds burst_ms worth of the rated speed. It is
 * kept as one number, the time at which it will be full again: each token moves that by one interval, and a
 * request must wait until it lies no more than burst_ms ahead. */
#include "tests/world/internal.h"

enum {
	NS = 1000000, /* in a millisecond */
};

#define DAY_MS INT64_C(86400000)

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static int64_t per_second(uint64_t rate)
{
	return (int64_t)(UINT64_C(1000000000) / rate);
}

static int64_t per_minute(uint64_t rate)
{
	return (int64_t)(UINT64_C(60000000000) / rate);
}

void throttle_init(struct throttle *t, const struct world_options *o)
{
	static const uint64_t quota[] = {[WORLD_SKU_F1] = 8000,
	                                 [WORLD_SKU_S1] = 400000,
	                                 [WORLD_SKU_S2] = 6000000,
	                                 [WORLD_SKU_S3] = 300000000};
	static const char *const names[] = {[THROTTLE_METHODS] = "methods",
	                                    [THROTTLE_QUERIES] = "queries",
	                                    [THROTTLE_TWIN_READS] = "twinReads",
	                                    [THROTTLE_TWIN_UPDATES] = "twinUpdates",
	                                    [THROTTLE_REGISTRY] = "registry",
	                                    [THROTTLE_CONNECTS] = "connects",
	                                    [THROTTLE_JOBS] = "jobs"};
	uint64_t u = o->units > 0 ? o->units : 1;
	bool is_s2 = o->sku == WORLD_SKU_S2, is_s3 = o->sku == WORLD_SKU_S3;

	*t = (struct throttle){.burst_ms = o->throttle_burst_ms, .backlog_ms = o->throttle_backlog_ms};
	t->chunk_bytes = o->sku == WORLD_SKU_F1 ? 512 : 4096;
	for (size_t i = 0; i < THROTTLES_N; i++) {
		t->full_ns[i] = INT64_MIN;
		t->use[i].name = names[i];
	}
	if (o->sku == WORLD_SKU_NONE) {
		t->quota_messages = o->quota_messages;
		return;
	}
	t->quota_messages = o->quota_messages > 0 ? o->quota_messages : quota[o->sku] * u;
	t->interval_ns[THROTTLE_METHODS] =
	        per_second(u * (is_s3 || (is_s2 && o->quirks.s2_methods_fast) ? 6144
	                        : is_s2                                       ? 120
	                                                                      : 40));
	t->interval_ns[THROTTLE_QUERIES] = per_minute(u * (is_s3 ? 1000 : 20));
	t->interval_ns[THROTTLE_TWIN_READS] = per_second(is_s3 ? 500 * u : is_s2 ? most(100, 10 * u) : 100);
	t->interval_ns[THROTTLE_TWIN_UPDATES] = per_second(is_s3 ? 250 * u : is_s2 ? most(50, 5 * u) : 50);
	t->interval_ns[THROTTLE_REGISTRY] = per_minute(u * (is_s3 ? 5000 : 100));
	t->interval_ns[THROTTLE_JOBS] = per_minute(u * (is_s3 ? 5000 : 100));
	t->interval_ns[THROTTLE_CONNECTS] = per_second(is_s3   ? 6000 * u
	                                               : is_s2 ? 120 * u
	                                                       : most(100, 12 * u));
}

static int64_t take(struct throttle *t, enum throttle_kind kind, uint64_t n, int64_t now_ms,
                    int64_t wait_max_ms)
{
	int64_t now_ns = now_ms * NS, full_ns = t->full_ns[kind], wait_ms;
	struct world_throttle_use *use = &t->use[kind];

	if (t->interval_ns[kind] == 0) {
		use->taken += n;
		return 0;
	}
	if (full_ns < now_ns)
		full_ns = now_ns;
	wait_ms = (full_ns - now_ns - t->burst_ms * NS + NS - 1) / NS;
	if (wait_ms > wait_max_ms) {
		use->refused++;
		return -1;
	}
	t->full_ns[kind] = full_ns + (int64_t)n * t->interval_ns[kind];
	wait_ms = wait_ms > 0 ? wait_ms : 0;
	use->taken += n;
	use->delayed += wait_ms > 0;
	use->delay_max_ms = wait_ms > use->delay_max_ms ? wait_ms : use->delay_max_ms;
	return wait_ms;
}

int64_t throttle_take(struct throttle *t, enum throttle_kind kind, uint64_t n, int64_t now_ms)
{
	return take(t, kind, n, now_ms, t->backlog_ms);
}

int64_t throttle_queue(struct throttle *t, enum throttle_kind kind, int64_t now_ms)
{
	return take(t, kind, 1, now_ms, INT64_MAX);
}

static void turn_day(struct throttle *t, int64_t now_ms)
{
	if (now_ms / DAY_MS == t->day)
		return;
	t->day = now_ms / DAY_MS;
	t->messages = 0;
}

static uint64_t meter(struct throttle *t, size_t bytes, int64_t now_ms)
{
	uint64_t n = bytes <= t->chunk_bytes ? 1 : (bytes + t->chunk_bytes - 1) / t->chunk_bytes;

	turn_day(t, now_ms);
	t->messages += n;
	return n;
}

void throttle_meter(struct throttle *t, size_t bytes, int64_t now_ms)
{
	t->of_callers += meter(t, bytes, now_ms);
}

void throttle_meter_device(struct throttle *t, size_t bytes, int64_t now_ms)
{
	t->of_devices += meter(t, bytes, now_ms);
}

bool throttle_quota_is_spent(struct throttle *t, int64_t now_ms)
{
	turn_day(t, now_ms);
	return t->quota_messages > 0 && t->messages >= t->quota_messages;
}
