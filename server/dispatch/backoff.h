/* dispatch/backoff: how long to wait the next time. Pure. */
#ifndef ROLLCALL_SERVER_DISPATCH_BACKOFF_H
#define ROLLCALL_SERVER_DISPATCH_BACKOFF_H

#include <stdint.h>

/* What a hub may ask for by Retry-After at most; longer is taken for a mistake. */
#define RETRY_AFTER_MAX_MS 3600000
/* After 429 (contract 7.3). */
#define THROTTLED_FIRST_MS 10000
#define THROTTLED_MAX_MS 60000

/* first_ms doubled so many times, at most max_ms. */
int64_t backoff_ms(int64_t first_ms, int64_t max_ms, uint32_t doublings);
/* wait_ms, or what Retry-After says (TIME_NONE: nothing) where that is longer. */
int64_t backoff_heed(int64_t wait_ms, int64_t retry_after_ms);

#endif
