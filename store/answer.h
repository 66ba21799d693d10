/* store/answer: what a read found. Made by a back end on the reading thread, told on the loop, then freed
 * whole. */
#ifndef ROLLCALL_STORE_ANSWER_H
#define ROLLCALL_STORE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

/* Memory that is freed all at once. */
struct arena {
	struct arena_block *blocks;
	size_t left; /* bytes unused in the first block */
};

#define ARENA_INIT \
	{ \
		NULL, 0 \
	}

/* Gives n bytes, aligned for anything; aborts when out of memory. */
void *arena_take(struct arena *a, size_t n);
/* Gives a copy of the n bytes at text, ended by a NUL. */
char *arena_text(struct arena *a, const char *text, size_t n);
/* Forgets all that was taken; keeps one block for what comes next. */
void arena_reset(struct arena *a);
void arena_done(struct arena *a);

/* Only what the question asked for is set. */
struct answer {
	uint64_t revision;
	bool has_more;
	struct campaign_row *campaigns;
	size_t campaigns_n;
	struct target_view *targets;
	size_t targets_n;
	struct attempt_row *attempts;
	size_t attempts_n;
	struct evidence_row *evidence;
	size_t evidence_n;
	struct event *events;
	const char **campaign_ids; /* one for each event, or each target of a history */
	size_t events_n;
	uint64_t first_kept_id, last_id;
	struct audit_row *audit;
	size_t audit_n;
	struct idempotency_row idempotency;
	bool has_idempotency;
	struct group_view *groups;
	size_t groups_n;
	struct progress_row *progress;
	size_t progress_n;
	struct plan_row plan;
	bool has_plan;
	struct {
		const char **ids, *by;
		size_t ids_n;
		uint32_t n_all;
		int64_t at_ms;
	} list;
	struct schedule_row *schedules;
	size_t schedules_n;
	struct arena arena; /* holds the strings of all */
};

void answer_init(struct answer *a);
void answer_done(struct answer *a);
/* Gives rows with room for one more than n of row_bytes each; n has grown by one each time. */
void *answer_room(void *rows, size_t n, size_t row_bytes);

#endif
