/* track/due: who of those that await proof is to be asked about, and when. Pure.
 *
 * A target is asked about first after first_ms, which is learnt: it follows the time in which about half are
 * proven, so that most asks find something. Then after each interval, and the longer it has been watched the
 * seldomer: so that at most an eighth of its time passes unseen, but at least every 64 intervals. Campaigns
 * take turns: a small one is not behind a large one. */
#ifndef ROLLCALL_SERVER_TRACK_DUE_H
#define ROLLCALL_SERVER_TRACK_DUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* 0: not asked about yet; n: asked about each interval, doubled n - 1 times. */
#define DUE_TIERS 8

/* Lies inside a target. */
struct due_entry {
	TAILQ_ENTRY(due_entry) link;
	struct due_line *line;
	int64_t watched_at_ms, from_ms; /* from: when it was asked about last, or watched */
	uint32_t asks;
	uint8_t tier;
};
TAILQ_HEAD(due_entries, due_entry);

/* One campaign's. */
struct due_line {
	TAILQ_ENTRY(due_line) link;
	uint32_t campaign, n;
	struct due_entries tiers[DUE_TIERS]; /* each: who is due first stands first */
};

struct due {
	uint32_t interval_ms, first_min_ms;
	int64_t first_ms;
	TAILQ_HEAD(, due_line) lines; /* who has had a turn goes to the end */
};

void due_init(struct due *d, uint32_t interval_ms);
/* Nobody is left in it. */
void due_done(struct due *d);
/* Where no proof is expected (a device is watched in case something happens) it is as one that has been asked
 * about before, and teaches nothing. */
void due_add(struct due *d, struct due_entry *e, uint32_t campaign, bool expects_proof, int64_t now_ms);
/* Its proof (or what else ended the wait) has come; the first time is learnt from that. */
void due_remove(struct due *d, struct due_entry *e);
/* The clock has stepped back. */
void due_step_back(struct due *d, int64_t by_ms);
/* It has been asked about. */
void due_asked(struct due *d, struct due_entry *e, int64_t now_ms);

enum due_kind { DUE_FIRST = 1, DUE_AGAIN = 2, DUE_ANY = 3 };
/* How many are due at now_ms, counted up to max. */
size_t due_count(const struct due *d, enum due_kind kind, int64_t now_ms, size_t max);
/* Since when (or from when on) somebody is due; TIME_NEVER: nobody is watched. */
int64_t due_at(const struct due *d, enum due_kind kind);
/* Who is due at now_ms, the next campaign's longest waiting; NULL: nobody. Say due_asked() or due_remove()
 * before the next call, or it may be the same again. */
struct due_entry *due_next(struct due *d, enum due_kind kind, int64_t now_ms);

#endif
