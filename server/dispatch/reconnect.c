/* dispatch: see reconnect.h */
#include "server/dispatch/reconnect.h"

#include <stddef.h>
#include <string.h>

/* Connections a second: max(whole hub, units x each). F1 is not in the table; S1 has its other rates, too. */
static const struct {
	const char *sku;
	uint32_t hub, each;
} rates[] = {{"F1", 100, 0}, {"S1", 100, 12}, {"S2", 0, 120}, {"S3", 0, 6000}};

void reconnects_init(struct reconnects *r, const char *sku, uint32_t units, uint32_t reserve_percent)
{
	uint64_t per_s = 0;

	for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
		if (strcmp(sku, rates[i].sku) == 0)
			per_s = (uint64_t)rates[i].each * units > rates[i].hub
			                ? (uint64_t)rates[i].each * units
			                : rates[i].hub;
	per_s = per_s * (100 - reserve_percent);
	bucket_init(&r->away, per_s * 60 / 100,
	            per_s > 100 ? (uint32_t)(per_s / 100) : 1); /* a second's worth */
}

uint32_t reconnects_per_minute(const struct reconnects *r)
{
	return r->away.interval_us > 0 ? (uint32_t)(60000000 / r->away.interval_us) : 0;
}

void reconnects_run(struct reconnects *r, int64_t now_ms)
{
	bucket_run(&r->away, now_ms);
}

uint32_t reconnects_credit(const struct reconnects *r, int64_t now_ms)
{
	return bucket_tokens(&r->away, now_ms);
}

int64_t reconnects_next_at(const struct reconnects *r, int64_t now_ms)
{
	return bucket_next_at(&r->away, now_ms);
}

void reconnects_take(struct reconnects *r, int64_t now_ms)
{
	bucket_take(&r->away, 1, now_ms);
}
