/* track: what the files of this folder share; nobody else includes it. */
#ifndef ROLLCALL_SERVER_TRACK_INTERNAL_H
#define ROLLCALL_SERVER_TRACK_INTERNAL_H

#include <sys/queue.h>
#include <uthash.h>

#include "server/base/clock.h"
#include "server/track/due.h"
#include "server/track/lag.h"
#include "server/track/lane.h"
#include "server/track/scan.h"
#include "server/track/track.h"

/* All that has to do with one watch. */
struct group {
	UT_hash_handle hh;
	TAILQ_ENTRY(group) entry; /* who has had a turn goes to the end */
	const struct watch *watch;
	uint32_t users;      /* targets and requests */
	size_t text_bytes;   /* of a query without its ids */
	int64_t asked_at_ms; /* the last time anybody was who made no full page; TIME_NONE: never */
	int64_t cut_at_ms;   /* when a query by id was asked that did not tell of all; TIME_NONE: never */
	struct due due;
	struct scan scan;
};

struct target {
	UT_hash_handle hh, hh_id;
	struct target *same; /* the next one that is the same device */
	struct due_entry due;
	struct group *group;
	uint64_t key;         /* campaign, no */
	uint32_t serial;      /* of this watching: news of what was asked before is dropped */
	int64_t since_hub_ms; /* TIME_NONE: not known */
	/* When the last query by id, and the one before it, was asked; TIME_NONE: there was none. */
	int64_t queried_at_ms, queried_before_ms;
	int64_t shown_ms;   /* the change that a row has told of; TIME_NONE: none yet */
	bool has_candidate; /* the point read for a row is queued or out */
	char device_id[];
};

enum request_kind {
	REQUEST_READ,      /* point read that was asked for */
	REQUEST_CANDIDATE, /* point read for a row, or instead of a query */
	REQUEST_LOOK,      /* point read for whom it concerns */
	REQUEST_IDS,       /* page of a query after targets by id */
	REQUEST_SCAN,      /* page of a query after what has changed */
	REQUEST_SELECT,    /* page of a selection */
	REQUEST_PROBE,
};

/*  queued ──hub_read(), hub_query()──▶ out ──on_answer()──▶ freed, or queued for the next page
 *                          └─refused─▶ refused ──next run──▶ freed                              */
struct request {
	TAILQ_ENTRY(request) entry;
	struct track *track; /* NULL: forgotten while out */
	enum request_kind kind;
	enum err refusal;
	uint32_t campaign;   /* on whose account; 0: nobody's */
	struct group *group; /* PROBE: NULL */
	struct watch *watch; /* PROBE: its own */
	int64_t asked_at_ms;
	uint64_t key;             /* READ, CANDIDATE */
	uint32_t serial;          /* the newest watching it can be about; CANDIDATE: the one it is about */
	uint32_t pages_n;         /* IDS */
	bool has_again;           /* IDS: of some it is not the first time */
	bool before_call;         /* READ */
	hub_answer_cb *on_answer; /* SELECT, LOOK */
	void *arg;
	char *continuation; /* NULL: the first page */
	char *text;         /* device id or condition; NULL: no condition */
};
TAILQ_HEAD(requests, request);

/* One campaign's point reads to come. */
struct reader {
	TAILQ_ENTRY(reader) link;
	uint32_t campaign;
	struct requests queue;
};

struct track {
	struct hub *hub;
	struct track_options options;
	void *arg;
	struct lane queries, reads;
	int64_t now_ms;        /* of the last run */
	int64_t hub_offset_ms; /* hub's clock less ours, as last heard; TIME_NONE: never */
	struct lag lag;
	bool is_sparing;
	struct group *by_watch;
	TAILQ_HEAD(, group) groups;
	uint32_t groups_n;
	struct target *by_key, *by_id; /* by_id: the first of each device */
	uint32_t serial;
	bool is_selects_turn;
	struct requests probes_queued, pages_queued, selects_queued, out, refused;
	TAILQ_HEAD(, reader) readers; /* none is empty; who has had a turn goes to the end */
	struct track_stats stats;
};

static inline uint64_t track_key(uint32_t campaign, uint32_t no)
{
	return (uint64_t)campaign << 32 | no;
}

/* --- request.c: what waits for its turn --- */

/* Takes text. watch NULL: none. */
struct request *track_request_new(struct track *t, enum request_kind kind, uint32_t campaign,
                                  const struct watch *watch, char *text);
void track_request_end(struct track *t, struct request *r);
/* Frees what has left its group. */
void track_request_free(struct request *r);
/* A point read for a target, unless there is one already. */
void track_request_candidate(struct track *t, struct target *target);
/* The next campaign's first point read, NULL: none. */
struct request *track_request_next_read(struct track *t);

/* --- open.c: the open targets, and how to ask about them --- */

struct group *track_open_join(struct track *t, const struct watch *watch);
void track_open_leave(struct track *t, struct group *g);
struct target *track_open_find(const struct track *t, uint64_t key);
/* The same watching of it; NULL: it is another one, or none. */
struct target *track_open_find_same(const struct track *t, uint64_t key, uint32_t serial);
/* The first that is this device; the others follow by ->same. */
struct target *track_open_first_of_device(const struct track *t, const char *device_id);
/* The next query after open targets, NULL: none is worth it now (point reads may have been queued). */
struct request *track_open_ask(struct track *t, int64_t now_ms);
/* Queues point reads for those who are late. */
void track_open_help(struct track *t, int64_t now_ms);
/* When track_open_ask() or track_open_help() may have something next. */
int64_t track_open_next_at(const struct track *t, int64_t now_ms);
void track_open_step_back(struct track *t, int64_t by_ms);
void track_open_free(struct track *t);

#endif
