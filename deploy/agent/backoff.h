/* agent/backoff: how long to wait before the next try. Pure; the caller brings luck. */
#ifndef ROLLCALL_DEPLOY_AGENT_BACKOFF_H
#define ROLLCALL_DEPLOY_AGENT_BACKOFF_H

#include <stdint.h>

/* The wait before try number failures + 1 (failures >= 1): an even draw between half and the whole of
 * first_ms, doubled with every failure, but for max_ms at most. A fleet that lost its hub at one moment so
 * comes back spread, and never faster than half of first_ms. */
int64_t backoff_ms(unsigned failures, int64_t first_ms, int64_t max_ms, uint64_t luck);

#endif
