/* dispatch: see backoff.h */
#include "server/dispatch/backoff.h"

int64_t backoff_ms(int64_t first_ms, int64_t max_ms, uint32_t doublings)
{
	int64_t ms = first_ms;

	for (; doublings > 0 && ms < max_ms; doublings--)
		ms *= 2;
	return ms < max_ms ? ms : max_ms;
}

int64_t backoff_heed(int64_t wait_ms, int64_t retry_after_ms)
{
	if (retry_after_ms > RETRY_AFTER_MAX_MS)
		retry_after_ms = RETRY_AFTER_MAX_MS;
	return wait_ms > retry_after_ms ? wait_ms : retry_after_ms;
}
