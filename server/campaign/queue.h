/* campaign/queue: a queue of target numbers and a heap of times, for the engine. */
#ifndef ROLLCALL_SERVER_CAMPAIGN_QUEUE_H
#define ROLLCALL_SERVER_CAMPAIGN_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers, first in first out, with a way to jump the queue. */
struct numbers {
	uint32_t *ring;
	uint32_t size, head, n; /* size is 0 or a power of two */
};
void numbers_push(struct numbers *q, uint32_t number);
void numbers_push_front(struct numbers *q, uint32_t number);
uint32_t numbers_pop(struct numbers *q); /* n > 0 */
void numbers_done(struct numbers *q);

/* Who is due when. An entry is not taken back: whoever pops it asks whether it still holds. */
struct alarm {
	int64_t at_ms;
	uint64_t who;
};
struct alarms {
	struct alarm *heap;
	size_t n, size;
};
void alarms_add(struct alarms *a, int64_t at_ms, uint64_t who);
/* Gives the earliest if it is due. */
bool alarms_pop(struct alarms *a, int64_t now_ms, uint64_t *ret_who);
int64_t alarms_next_at(const struct alarms *a); /* TIME_NEVER: none */
void alarms_done(struct alarms *a);

#endif
