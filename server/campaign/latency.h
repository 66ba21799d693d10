/* campaign/latency: how long things took, so far: counted in steps of an eighth of each doubling, so that it
 * takes the same memory for ten as for a million. */
#ifndef ROLLCALL_SERVER_CAMPAIGN_LATENCY_H
#define ROLLCALL_SERVER_CAMPAIGN_LATENCY_H

#include <stdint.h>

#define LATENCY_STEPS 256

struct latency {
	uint64_t sum_ms;
	uint32_t n, steps[LATENCY_STEPS];
};

/* Less than nothing counts as nothing. */
void latency_add(struct latency *l, int64_t ms);
/* 0 where nothing has been counted. */
int64_t latency_mean(const struct latency *l);
/* What so many percent (1 … 100) of them took at most, rounded up by an eighth at most; 0 where nothing has
 * been counted. */
int64_t latency_percentile(const struct latency *l, unsigned percent);

#endif
