/* world: the agenda, a binary heap of events that know their place, so that they can be taken off */
#include "tests/world/internal.h"

#include <assert.h>
#include <stdlib.h>

static bool is_before(const struct event *a, const struct event *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->seq < b->seq;
}

static void place(struct agenda *a, struct event *e, size_t at)
{
	a->heap[at] = e;
	e->place = at;
}

static void rise(struct agenda *a, struct event *e, size_t at)
{
	for (; at > 1 && is_before(e, a->heap[at / 2]); at /= 2)
		place(a, a->heap[at / 2], at);
	place(a, e, at);
}

static void sink(struct agenda *a, struct event *e, size_t at)
{
	size_t child;

	while ((child = at * 2) <= a->n) {
		if (child < a->n && is_before(a->heap[child + 1], a->heap[child]))
			child++;
		if (is_before(e, a->heap[child]))
			break;
		place(a, a->heap[child], at);
		at = child;
	}
	place(a, e, at);
}

void agenda_put(struct agenda *a, struct event *e, const struct event_kind *kind, int64_t at_ms)
{
	assert(e->place == 0);
	e->kind = kind;
	e->at_ms = at_ms;
	e->seq = a->seq++;
	if (a->n + 2 > a->size) {
		a->size = a->size > 0 ? a->size * 2 : 1024;
		a->heap = xrealloc(a->heap, a->size * sizeof(struct event *));
	}
	a->n++;
	rise(a, e, a->n);
}

void agenda_remove(struct agenda *a, struct event *e)
{
	size_t at = e->place;
	struct event *last;

	if (at == 0)
		return;
	e->place = 0;
	last = a->heap[a->n--];
	if (last == e)
		return;
	if (at > 1 && is_before(last, a->heap[at / 2]))
		rise(a, last, at);
	else
		sink(a, last, at);
}

void agenda_keep(struct world *w, struct event *e)
{
	(void)w;
	(void)e;
}

struct event *agenda_first(const struct agenda *a)
{
	return a->n > 0 ? a->heap[1] : NULL;
}

void agenda_done(struct agenda *a)
{
	assert(a->n == 0);
	free(a->heap);
}
