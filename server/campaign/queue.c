/* campaign: see queue.h */
#include "server/campaign/queue.h"

#include <assert.h>
#include <stdlib.h>

#include "server/base/buf.h"
#include "server/base/clock.h"

static void numbers_grow(struct numbers *q)
{
	uint32_t size = q->size > 0 ? q->size * 2 : 16;
	uint32_t *ring;

	if (q->n < q->size)
		return;
	ring = xmalloc(size * sizeof *ring);
	for (uint32_t i = 0; i < q->n; i++)
		ring[i] = q->ring[(q->head + i) & (q->size - 1)];
	free(q->ring);
	*q = (struct numbers){ring, size, 0, q->n};
}

void numbers_push(struct numbers *q, uint32_t number)
{
	numbers_grow(q);
	q->ring[(q->head + q->n++) & (q->size - 1)] = number;
}

void numbers_push_front(struct numbers *q, uint32_t number)
{
	numbers_grow(q);
	q->head = (q->head - 1) & (q->size - 1);
	q->ring[q->head] = number;
	q->n++;
}

uint32_t numbers_pop(struct numbers *q)
{
	uint32_t number;

	assert(q->n > 0);
	number = q->ring[q->head];
	q->head = (q->head + 1) & (q->size - 1);
	q->n--;
	return number;
}

void numbers_done(struct numbers *q)
{
	free(q->ring);
	*q = (struct numbers){NULL, 0, 0, 0};
}

void alarms_add(struct alarms *a, int64_t at_ms, uint64_t who)
{
	size_t i = a->n++;

	if (a->n > a->size) {
		a->size = a->size > 0 ? a->size * 2 : 64;
		a->heap = xrealloc(a->heap, a->size * sizeof *a->heap);
	}
	for (; i > 0 && a->heap[(i - 1) / 2].at_ms > at_ms; i = (i - 1) / 2)
		a->heap[i] = a->heap[(i - 1) / 2];
	a->heap[i] = (struct alarm){at_ms, who};
}

bool alarms_pop(struct alarms *a, int64_t now_ms, uint64_t *ret_who)
{
	struct alarm last;
	size_t i = 0;

	if (a->n == 0 || a->heap[0].at_ms > now_ms)
		return false;
	*ret_who = a->heap[0].who;
	last = a->heap[--a->n];
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= a->n)
			break;
		if (child + 1 < a->n && a->heap[child + 1].at_ms < a->heap[child].at_ms)
			child++;
		if (a->heap[child].at_ms >= last.at_ms)
			break;
		a->heap[i] = a->heap[child];
		i = child;
	}
	if (a->n > 0)
		a->heap[i] = last;
	return true;
}

int64_t alarms_next_at(const struct alarms *a)
{
	return a->n > 0 ? a->heap[0].at_ms : TIME_NEVER;
}

void alarms_done(struct alarms *a)
{
	free(a->heap);
	*a = (struct alarms){NULL, 0, 0};
}
