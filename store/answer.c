/* store/answer: see answer.h */
#include "store/answer.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"

#define BLOCK_BYTES 32768

struct arena_block {
	struct arena_block *next;
	size_t bytes;
	_Alignas(max_align_t) char data[];
};

void *arena_take(struct arena *a, size_t n)
{
	struct arena_block *block = a->blocks;

	n = (n + _Alignof(max_align_t) - 1) / _Alignof(max_align_t) * _Alignof(max_align_t);
	if (block == NULL || n > a->left) {
		size_t bytes = n > BLOCK_BYTES ? n : BLOCK_BYTES;

		block = xmalloc(sizeof *block + bytes);
		*block = (struct arena_block){.next = a->blocks, .bytes = bytes};
		a->blocks = block;
		a->left = bytes;
	}
	a->left -= n;
	return block->data + (block->bytes - a->left - n);
}

char *arena_text(struct arena *a, const char *text, size_t n)
{
	char *copy = arena_take(a, n + 1);

	memcpy(copy, text, n);
	copy[n] = '\0';
	return copy;
}

void arena_reset(struct arena *a)
{
	while (a->blocks != NULL && a->blocks->next != NULL) {
		struct arena_block *next = a->blocks->next;

		free(a->blocks);
		a->blocks = next;
	}
	a->left = a->blocks != NULL ? a->blocks->bytes : 0;
}

void arena_done(struct arena *a)
{
	arena_reset(a);
	free(a->blocks);
	*a = (struct arena)ARENA_INIT;
}

void answer_init(struct answer *a)
{
	*a = (struct answer){.arena = ARENA_INIT};
}

void answer_done(struct answer *a)
{
	free(a->campaigns);
	free(a->targets);
	free(a->attempts);
	free(a->evidence);
	free(a->events);
	free(a->campaign_ids);
	free(a->groups);
	free(a->schedules);
	free(a->audit);
	free(a->progress);
	free(a->list.ids);
	arena_done(&a->arena);
}

void *answer_room(void *rows, size_t n, size_t row_bytes)
{
	bool is_full = (n & (n - 1)) == 0; /* grown to each power of two */

	return is_full ? xrealloc(rows, (n > 0 ? 2 * n : 1) * row_bytes) : rows;
}
