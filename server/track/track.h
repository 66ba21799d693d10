/* track: follows one hub's twins for those who await proof, of all campaigns, at the least cost: queries find
 * candidates, point reads decide (contract 4.3). Says what twins say; what that means is evidence.h's and the
 * engine's. Loop thread only.
 *
 * Cost is counted in messages of the daily quota (contract 7.2); the rates of queries and reads (7.1) are
 * what it has to do with. Who is due, and when, is due.h's. Those who are due are asked about
 *
 *   by id     up to 100 a query, all campaigns that watch the same together, as soon as a page is full;
 *             else when one has waited a fifth of the interval, and an interval has passed since the last
 *             query. A message a page, and one for each target that has reported since its call: rows of
 *             the others are not asked for.
 *   by scan   "what has changed since", where that takes fewer pages for those who are due again: scan.h
 *   by read   a message each: where one is due alone; and where queries are so scarce that who is due for
 *             the first time would wait for half of the interval, as far as reads are to spare
 *
 * That a query shows nothing is never news. A query that fails is not repeated: its targets are due again
 * later. After a 429 its kind (query or point read) is held for 10 s, doubled up to 60 s, or as long as
 * Retry-After says if that is longer. Campaigns take turns with reads and in queries, selections with
 * progress.
 *
 * News comes from the hub's callbacks: on_outcome first, then what was learnt and what it cost. What the hub
 * would not take is told by the next track_run() (NOT_DELIVERED without a status). No other function calls
 * back. Callbacks may use the tracker, but not free it. */
#ifndef ROLLCALL_SERVER_TRACK_TRACK_H
#define ROLLCALL_SERVER_TRACK_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/hub/hub.h"

struct track;

/* One thing learnt about one target. */
struct track_news {
	uint32_t campaign, no;
	const struct reading *reading; /* NULL: a point read that failed; answer tells how */
	const struct hub_answer *answer;
	int64_t asked_at_ms; /* our clock when the request was made: a point read is no older */
};
typedef void track_news_cb(void *arg, const struct track_news *news);
/* What any read, query or probe came to: for the gate and the hub's clock. */
typedef void track_outcome_cb(void *arg, const struct hub_answer *answer);
/* What was spent for a campaign (0: for none, a probe). A page that serves several is on the account of one
 * of them, in turn; each of its rows on that of whose it is. messages: an estimate, as contract 7.2 can be
 * read: a page counts one, each row and each twin read what their bytes make. */
struct track_cost {
	uint32_t pages, reads, messages;
};
typedef void track_cost_cb(void *arg, uint32_t campaign, const struct track_cost *cost);

struct track_options {
	uint32_t interval_ms; /* least time between two asks about one target, and between two queries with
	                         the same watch whose pages are not full */
	uint32_t queries_per_minute; /* 0: no limit; half a minute's worth may gather */
	uint32_t reads_per_minute;   /* 0: no limit; a second's worth may gather */
	uint32_t reads_inflight_max; /* at least 1 */
	uint32_t message_bytes;      /* of the daily quota: dispatch/meter.h */
	track_news_cb *on_news;
	track_outcome_cb *on_outcome;
	track_cost_cb *on_cost;
};

/* Borrows options; keeps hub and arg until track_free(). */
struct track *track_new(const struct track_options *options, struct hub *hub, int64_t now_ms, void *arg);
/* Starts to follow a target. It is told of each row about it until unwatched; where the watch has candidates
 * (verify by where), of a point read for each row instead, if that read works. Again for the same target: as
 * if unwatched before. expects_proof false: it is watched in case something happens, and so is never urgent.
 * since_hub_ms: changes before are of no interest (hub time), TIME_NONE: not known. Copies device_id; keeps
 * watch while track_uses() it. */
void track_watch(struct track *t, uint32_t campaign, uint32_t no, const char *device_id, bool expects_proof,
                 int64_t since_hub_ms, const struct watch *watch);
/* Not watched is fine. Rows (and their point reads) that are on the way are not told any more; a point read
 * asked for by track_read() is. */
void track_unwatch(struct track *t, uint32_t campaign, uint32_t no);
/* Asks for one point read as soon as the rates allow, first come, first served within a campaign; exactly one
 * piece of news follows, from a read of its own: two asks are two reads. before_call: counted apart in the
 * stats. */
void track_read(struct track *t, uint32_t campaign, uint32_t no, const char *device_id, bool before_call,
                const struct watch *watch);
/* Reads one twin for whom it concerns, in turn with the point reads; answered like hub_read(), or
 * NOT_DELIVERED where the hub would not take it. Copies device_id. */
void track_look(struct track *t, uint32_t campaign, const char *device_id, const struct watch *watch,
                hub_answer_cb *on_answer, void *arg);
/* Asks for one cheap read, to learn whether the hub works and what time it has; told by on_outcome only. */
void track_probe(struct track *t);
/* One page of a selection, paced like the other queries and in turn with them; answered like hub_query().
 * Copies condition (NULL: all devices) and continuation (NULL: the first page). */
void track_select(struct track *t, uint32_t campaign, const char *condition, const char *continuation,
                  const struct watch *watch, hub_answer_cb *on_answer, void *arg);
/* Whether watch is still needed: for what is watched, queued or out. */
bool track_uses(const struct track *t, const struct watch *watch);
/* While the day's quota is short: reads are not spent where a query will do. */
void track_spare(struct track *t, bool is_sparing);
/* Sends what may be sent. While the hub is shut (is_open false) only probes go out, all else waits. Gives
 * when it wants to run next (TIME_NEVER: not before news, or before the hub opens). */
int64_t track_run(struct track *t, int64_t now_ms, bool is_open);

/* now_ms has been put forward by so much. */
void track_clock_moved(struct track *t, int64_t by_ms);

struct track_stats {
	uint32_t watched, reads_queued, before_calls_queued, inflight;
	uint64_t pages, reads, rows; /* answered so far; rows in those pages */
	int64_t query_lag_ms;        /* lag.h; TIME_NONE: no row came of late */
};
void track_stats(const struct track *t, struct track_stats *ret);
/* NULL is fine. What is out is forgotten; free the hub after that. */
void track_free(struct track *t);

#endif
