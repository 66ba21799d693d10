/* campaign: see latency.h */
#include "server/campaign/latency.h"

#include <assert.h>

/* Up to 8 each value has a step of its own; then each doubling has eight: of v with its highest bit at b, the
 * three bits below it say which. */
static unsigned step_of(uint64_t v)
{
	unsigned bit = 63 - (unsigned)__builtin_clzll(v | 1), step;

	if (v < 8)
		return (unsigned)v;
	step = (bit - 2) * 8 + (unsigned)(v >> (bit - 3) & 7);
	return step < LATENCY_STEPS ? step : LATENCY_STEPS - 1;
}

/* The greatest value of a step. */
static int64_t end_of(unsigned step)
{
	unsigned bit = step / 8 + 2;

	if (step < 8)
		return step;
	return (INT64_C(1) << bit) + ((int64_t)(step % 8 + 1) << (bit - 3)) - 1;
}

void latency_add(struct latency *l, int64_t ms)
{
	uint64_t v = ms > 0 ? (uint64_t)ms : 0;

	l->sum_ms += v;
	l->n++;
	l->steps[step_of(v)]++;
}

int64_t latency_mean(const struct latency *l)
{
	return l->n > 0 ? (int64_t)(l->sum_ms / l->n) : 0;
}

int64_t latency_percentile(const struct latency *l, unsigned percent)
{
	uint64_t wanted = ((uint64_t)l->n * percent + 99) / 100, n = l->steps[0];
	unsigned step = 0;

	assert(percent >= 1 && percent <= 100);
	if (l->n == 0)
		return 0;
	while (n < wanted)
		n += l->steps[++step];
	return end_of(step);
}
