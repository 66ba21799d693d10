/* agent: see backoff.h */
#include "deploy/agent/backoff.h"

#include <assert.h>

int64_t backoff_ms(unsigned failures, int64_t first_ms, int64_t max_ms, uint64_t luck)
{
	int64_t whole_ms = first_ms, half_ms;

	assert(failures > 0 && first_ms > 0 && max_ms >= first_ms);
	while (--failures > 0 && whole_ms < max_ms)
		whole_ms = whole_ms > max_ms / 2 ? max_ms : 2 * whole_ms;
	half_ms = whole_ms / 2;
	return whole_ms - half_ms + (int64_t)(luck % (uint64_t)(half_ms + 1));
}
