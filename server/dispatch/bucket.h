/* dispatch/bucket: a token bucket on a given clock. Pure arithmetic, exact to the microsecond. */
#ifndef ROLLCALL_SERVER_DISPATCH_BUCKET_H
#define ROLLCALL_SERVER_DISPATCH_BUCKET_H

#include <stdint.h>

struct bucket {
	int64_t interval_us; /* between two tokens, rounded up; 0: no limit */
	uint32_t burst;      /* tokens that may gather */
	int64_t full_at_us;  /* when it will be full again (generic cell rate algorithm) */
	int64_t seen_at_us;  /* latest time told by bucket_run() */
};

/* per_minute 0: no limit. burst at least 1. */
void bucket_init(struct bucket *b, uint64_t per_minute, uint32_t burst);
/* From now on so many a minute; what is there stays. */
void bucket_pace(struct bucket *b, uint64_t per_minute, int64_t now_ms);
/* Tells the time, once a turn: where the clock has stepped back the tokens stay as they were, and go on
 * growing. */
void bucket_run(struct bucket *b, int64_t now_ms);
/* Whole tokens there are at now_ms, UINT32_MAX without a limit. A clock that steps back gives none extra. */
uint32_t bucket_tokens(const struct bucket *b, int64_t now_ms);
/* Takes n while at least one is there. What is taken beyond that is owed: the next token comes so much later.
 */
void bucket_take(struct bucket *b, uint32_t n, int64_t now_ms);
/* When there will be a token next; now_ms if there is one. */
int64_t bucket_next_at(const struct bucket *b, int64_t now_ms);

#endif
