/* dispatch: what the tiers of IoT Hub allow; see dispatch.h */
#include "server/dispatch/dispatch.h"

#include <string.h>

/* Contract 7.2. */
#define MESSAGE_BYTES 4096
#define MESSAGE_BYTES_F1 512

/* Contract 5.3 (jobs), 7.1 (throttles) and 7.2 (daily messages). A rate is max(whole hub, units x each), as
 * the table has it; all in the unit that the contract uses: calls and reads a second, queries a minute.
 */
struct sku {
	const char *name;
	uint32_t units_max;
	uint32_t calls_each;
	uint32_t queries_each;
	uint32_t reads_hub, reads_each;
	uint64_t messages_each;
	uint32_t jobs_hub, jobs_each; /* devices a second */
};

static const struct sku skus[] = {
        {"F1", 1, 40, 20, 100, 0, 8000, 10, 0},
        {"S1", 200, 40, 20, 100, 0, 400000, 10, 0},
        {"S2", 200, 120, 20, 100, 10, 6000000, 10, 1},
        {"S3", 10, 6144, 1000, 0, 500, 300000000, 0, 50},
};

static uint64_t less_reserve(uint64_t n, uint32_t reserve_percent)
{
	n = n * (100 - reserve_percent) / 100;
	return n > 0 ? n : 1;
}

static const struct sku *sku_of(const char *name)
{
	for (size_t i = 0; i < sizeof skus / sizeof skus[0]; i++)
		if (strcmp(skus[i].name, name) == 0)
			return &skus[i];
	return NULL;
}

enum err hub_rates_of(const char *sku, uint32_t units, uint32_t reserve_percent, struct hub_rates *ret)
{
	const struct sku *s = sku_of(sku);
	uint32_t reads, jobs;

	if (reserve_percent > 90)
		return ERR_INVALID;
	if (strcmp(sku, "none") == 0) {
		*ret = (struct hub_rates){.message_bytes = MESSAGE_BYTES};
		return ERR_OK;
	}
	if (s == NULL || units == 0 || units > s->units_max)
		return ERR_INVALID;
	reads = s->reads_each * units > s->reads_hub ? s->reads_each * units : s->reads_hub;
	ret->calls_per_minute = (uint32_t)less_reserve((uint64_t)s->calls_each * units * 60, reserve_percent);
	ret->queries_per_minute = (uint32_t)less_reserve((uint64_t)s->queries_each * units, reserve_percent);
	ret->reads_per_minute = (uint32_t)less_reserve((uint64_t)reads * 60, reserve_percent);
	ret->message_bytes = strcmp(sku, "F1") == 0 ? MESSAGE_BYTES_F1 : MESSAGE_BYTES;
	jobs = s->jobs_each * units > s->jobs_hub ? s->jobs_each * units : s->jobs_hub;
	ret->job_calls_per_minute = jobs * 60;
	ret->messages_per_day = less_reserve(s->messages_each * units, reserve_percent);
	return ERR_OK;
}
