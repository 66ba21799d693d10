/* track: see track.h */
#include "server/track/track.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <uthash.h>

#include "server/base/clock.h"
#include "server/base/hash.h"
#include "server/dispatch/backoff.h"
#include "server/dispatch/bucket.h"

#define QUERY_TEXT_MAX 8192 /* characters, counted in bytes (contract 4.2) */
#define IDS_MAX 100         /* a query: as many as rows a page (contract 4.1) */
#define PAGES_MAX 100       /* of one such query; more: the hub goes in circles */
#define QUERIES_OUT_MAX 4
/* A round that the query rate would make longer than this is helped by point reads. */
#define ROUND_MAX_MS 10000
/* … and where none has been at it for long enough, that is asked again after so long. */
#define HELP_PAUSE_MS 500

/* All that has to do with one watch. */
struct group {
	UT_hash_handle hh;
	TAILQ_ENTRY(group) entry;     /* who has had a turn goes to the end */
	TAILQ_HEAD(, target) targets; /* those still to be asked for in this round stand first */
	const struct watch *watch;
	uint32_t users;    /* targets and requests */
	size_t text_bytes; /* of a query without its ids */
};

struct target {
	UT_hash_handle hh;
	TAILQ_ENTRY(target) entry;
	struct group *group;
	uint64_t key;       /* campaign, no */
	uint32_t serial;    /* of this watching: news for an earlier one is dropped */
	uint32_t round;     /* the last it was asked for in */
	bool has_candidate; /* the point read for a row is queued or out */
	int64_t watched_at_ms;
	char device_id[];
};

enum request_kind {
	REQUEST_READ,      /* point read that was asked for */
	REQUEST_CANDIDATE, /* point read for a row */
	REQUEST_LOOK,      /* point read for whom it concerns */
	REQUEST_PAGE,      /* page of a progress query */
	REQUEST_SELECT,    /* page of a selection */
	REQUEST_PROBE,
};

/* Whom a progress query asked for. */
struct asked {
	uint64_t key, id_hash;
	uint32_t serial;
};

/*  queued ──hub_read(), hub_query()──▶ out ──on_answer()──▶ freed, or queued for the next page
 *                          └─refused─▶ refused ──next run──▶ freed                              */
struct request {
	TAILQ_ENTRY(request) entry;
	struct track *track; /* NULL: forgotten while out */
	enum request_kind kind;
	enum err refusal;
	struct group *group; /* PROBE: NULL */
	struct watch *watch; /* PROBE: its own */
	int64_t asked_at_ms;
	uint64_t key;              /* READ, CANDIDATE */
	uint32_t serial;           /* CANDIDATE */
	uint32_t pages_n, asked_n; /* PAGE */
	struct asked *asked;
	hub_answer_cb *on_answer; /* SELECT, LOOK */
	void *arg;
	char *continuation; /* NULL: the first page */
	char *text;         /* device id or condition; NULL: no condition */
};
TAILQ_HEAD(requests, request);

/* The pace of one kind of request. */
struct lane {
	struct bucket bucket;
	uint32_t out, out_max;
	uint32_t throttled_in_row;
	bool is_throttled;      /* 429 since the last run, to something asked after the last hold */
	int64_t retry_after_ms; /* what it said */
	int64_t held_until_ms;
};

struct track {
	struct hub *hub;
	track_news_cb *on_news;
	track_outcome_cb *on_outcome;
	void *arg;
	uint32_t interval_ms;
	struct lane queries, reads;
	uint32_t in_time;   /* targets that queries can ask for in ROUND_MAX_MS; UINT32_MAX: all */
	int64_t now_ms;     /* of the last run */
	int64_t typical_ms; /* how long targets have been watched, lately */
	struct group *by_watch;
	TAILQ_HEAD(, group) groups;
	struct target *by_key;
	uint32_t serial;
	uint32_t round, round_left, pages_open; /* targets to be asked for; queries not at their last page */
	int64_t next_round_at_ms;
	bool is_selects_turn;
	struct requests probes_queued, pages_queued, selects_queued, reads_queued, out, refused;
	struct track_stats stats;
};

/* --- lanes --- */

static void lane_init(struct lane *l, uint32_t per_minute, uint32_t gather_s, uint32_t out_max)
{
	uint64_t burst = (uint64_t)per_minute * gather_s / 60;

	assert(out_max > 0);
	*l = (struct lane){.out_max = out_max, .retry_after_ms = TIME_NONE, .held_until_ms = TIME_NONE};
	bucket_init(&l->bucket, per_minute, burst > 0 ? (uint32_t)burst : 1);
}

static void lane_run(struct lane *l, int64_t now_ms)
{
	int64_t wait_ms;

	bucket_run(&l->bucket, now_ms);
	if (!l->is_throttled)
		return;
	wait_ms = backoff_ms(THROTTLED_FIRST_MS, THROTTLED_MAX_MS, l->throttled_in_row++);
	l->held_until_ms = now_ms + backoff_heed(wait_ms, l->retry_after_ms);
	l->is_throttled = false;
	l->retry_after_ms = TIME_NONE;
}

/* Answers to what was asked before the last hold say nothing about the pace since. */
static void lane_answered(struct lane *l, const struct request *r, const struct hub_answer *answer)
{
	l->out--;
	if (r->asked_at_ms < l->held_until_ms)
		return;
	if (answer->outcome == HUB_THROTTLED) {
		l->is_throttled = true;
		if (answer->retry_after_ms > l->retry_after_ms)
			l->retry_after_ms = answer->retry_after_ms;
	} else if (answer->outcome == HUB_ANSWERED || answer->outcome == HUB_GONE) {
		l->throttled_in_row = 0;
	}
}

static uint32_t lane_tokens(const struct lane *l, int64_t now_ms)
{
	return l->is_throttled || now_ms < l->held_until_ms ? 0 : bucket_tokens(&l->bucket, now_ms);
}

static bool lane_is_free(const struct lane *l, int64_t now_ms)
{
	return l->out < l->out_max && lane_tokens(l, now_ms) > 0;
}

/* When the next token may be used. */
static int64_t lane_next_at(const struct lane *l, int64_t now_ms)
{
	int64_t at_ms = bucket_next_at(&l->bucket, now_ms);

	return at_ms > l->held_until_ms ? at_ms : l->held_until_ms;
}

/* --- groups --- */

static size_t text_bytes(const struct watch *watch)
{
	const char *candidates = watch_candidates(watch);
	struct buf select = BUF_INIT;
	size_t n;

	watch_select(watch, &select);
	n = select.len + strlen("SELECT  FROM devices WHERE deviceId IN []");
	if (candidates != NULL)
		n += strlen(" AND ()") + strlen(candidates);
	buf_done(&select);
	return n;
}

static struct group *group_join(struct track *t, const struct watch *watch)
{
	struct group *g;

	HASH_FIND_PTR(t->by_watch, &watch, g);
	if (g == NULL) {
		g = xcalloc(1, sizeof *g);
		g->watch = watch;
		g->text_bytes = text_bytes(watch);
		TAILQ_INIT(&g->targets);
		HASH_ADD_PTR(t->by_watch, watch, g);
		TAILQ_INSERT_TAIL(&t->groups, g, entry);
	}
	g->users++;
	return g;
}

static void group_leave(struct track *t, struct group *g)
{
	if (--g->users > 0)
		return;
	HASH_DELETE(hh, t->by_watch, g);
	TAILQ_REMOVE(&t->groups, g, entry);
	free(g);
}

bool track_uses(const struct track *t, const struct watch *watch)
{
	struct group *g;

	HASH_FIND_PTR(t->by_watch, &watch, g);
	return g != NULL;
}

/* --- targets --- */

static uint64_t key_of(uint32_t campaign, uint32_t no)
{
	return (uint64_t)campaign << 32 | no;
}

static struct target *target_find(const struct track *t, uint64_t key)
{
	struct target *target;

	HASH_FIND(hh, t->by_key, &key, sizeof key, target);
	return target;
}

static struct target *target_find_same(const struct track *t, uint64_t key, uint32_t serial)
{
	struct target *target = target_find(t, key);

	return target != NULL && target->serial == serial ? target : NULL;
}

static void target_free(struct track *t, struct target *target)
{
	HASH_DELETE(hh, t->by_key, target);
	TAILQ_REMOVE(&target->group->targets, target, entry);
	group_leave(t, target->group);
	free(target);
	t->stats.watched--;
}

void track_watch(struct track *t, uint32_t campaign, uint32_t no, const char *device_id,
                 const struct watch *watch)
{
	size_t id_bytes = strlen(device_id) + 1;
	struct target *target = xcalloc(1, sizeof *target + id_bytes);

	track_unwatch(t, campaign, no);
	target->key = key_of(campaign, no);
	target->serial = ++t->serial;
	target->round = t->round;
	target->watched_at_ms = t->now_ms;
	target->group = group_join(t, watch);
	memcpy(target->device_id, device_id, id_bytes);
	HASH_ADD(hh, t->by_key, key, sizeof target->key, target);
	TAILQ_INSERT_TAIL(&target->group->targets, target, entry);
	t->stats.watched++;
}

void track_unwatch(struct track *t, uint32_t campaign, uint32_t no)
{
	struct target *target = target_find(t, key_of(campaign, no));

	if (target == NULL)
		return;
	if (target->round != t->round)
		t->round_left--;
	t->typical_ms += (t->now_ms - target->watched_at_ms - t->typical_ms) / 16;
	target_free(t, target);
}

/* --- requests --- */

/* Takes text. */
static struct request *request_new(struct track *t, enum request_kind kind, const struct watch *watch,
                                   char *text)
{
	struct request *r = xcalloc(1, sizeof *r);

	r->track = t;
	r->kind = kind;
	r->group = watch != NULL ? group_join(t, watch) : NULL;
	r->text = text;
	return r;
}

/* r has left its group, or the group is gone. */
static void request_free(struct request *r)
{
	watch_free(r->watch);
	free(r->asked);
	free(r->continuation);
	free(r->text);
	free(r);
}

static void request_end(struct track *t, struct request *r)
{
	if (r->group != NULL)
		group_leave(t, r->group);
	request_free(r);
}

static void read_queue(struct track *t, struct request *r)
{
	TAILQ_INSERT_TAIL(&t->reads_queued, r, entry);
	t->stats.reads_queued++;
}

void track_read(struct track *t, uint32_t campaign, uint32_t no, const char *device_id,
                const struct watch *watch)
{
	struct request *r = request_new(t, REQUEST_READ, watch, xstrdup(device_id));

	r->key = key_of(campaign, no);
	read_queue(t, r);
}

void track_look(struct track *t, const char *device_id, const struct watch *watch, hub_answer_cb *on_answer,
                void *arg)
{
	struct request *r = request_new(t, REQUEST_LOOK, watch, xstrdup(device_id));

	r->on_answer = on_answer;
	r->arg = arg;
	read_queue(t, r);
}

static void candidate_read(struct track *t, struct target *target)
{
	struct request *r;

	if (target->has_candidate)
		return;
	target->has_candidate = true;
	r = request_new(t, REQUEST_CANDIDATE, target->group->watch, xstrdup(target->device_id));
	r->key = target->key;
	r->serial = target->serial;
	read_queue(t, r);
}

void track_probe(struct track *t)
{
	struct request *r = request_new(t, REQUEST_PROBE, NULL, xstrdup("deviceId = ''"));
	enum err err = watch_new(&(struct watch_options){.value_path = NULL}, &r->watch);

	assert(err == ERR_OK);
	(void)err;
	TAILQ_INSERT_TAIL(&t->probes_queued, r, entry);
}

void track_select(struct track *t, const char *condition, const char *continuation, const struct watch *watch,
                  hub_answer_cb *on_answer, void *arg)
{
	struct request *r =
	        request_new(t, REQUEST_SELECT, watch, condition != NULL ? xstrdup(condition) : NULL);

	r->continuation = continuation != NULL ? xstrdup(continuation) : NULL;
	r->on_answer = on_answer;
	r->arg = arg;
	TAILQ_INSERT_TAIL(&t->selects_queued, r, entry);
}

/* --- rounds --- */

static bool is_round_open(const struct track *t)
{
	return t->round_left > 0 || t->pages_open > 0;
}

static void round_start(struct track *t, int64_t now_ms)
{
	if (t->next_round_at_ms > now_ms + t->interval_ms)
		t->next_round_at_ms = now_ms; /* the clock stepped back */
	if (is_round_open(t) || t->stats.watched == 0 || now_ms < t->next_round_at_ms)
		return;
	t->round++;
	t->round_left = t->stats.watched;
	t->next_round_at_ms = now_ms + t->interval_ms;
}

/* The group whose turn it is; there is one while round_left > 0. */
static struct group *group_next(struct track *t)
{
	for (;;) {
		struct group *g = TAILQ_FIRST(&t->groups);
		struct target *first = TAILQ_FIRST(&g->targets);

		TAILQ_REMOVE(&t->groups, g, entry);
		TAILQ_INSERT_TAIL(&t->groups, g, entry);
		if (first != NULL && first->round != t->round)
			return g;
	}
}

static void target_asked(struct track *t, struct target *target)
{
	target->round = t->round;
	t->round_left--;
	TAILQ_REMOVE(&target->group->targets, target, entry);
	TAILQ_INSERT_TAIL(&target->group->targets, target, entry);
}

static size_t quoted_bytes(const char *id)
{
	size_t n = 2;

	for (; *id != '\0'; id++)
		n += *id == '\'' || *id == '\\' ? 2 : 1;
	return n;
}

static void put_quoted(struct buf *out, const char *id)
{
	buf_putc(out, '\'');
	for (; *id != '\0'; id++) {
		if (*id == '\'' || *id == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *id);
	}
	buf_putc(out, '\'');
}

/* A query for the next targets of g; NULL where not even one fits: then it has been queued for a point read.
 */
static struct request *page_of(struct track *t, struct group *g)
{
	const char *candidates = watch_candidates(g->watch);
	struct request *r = request_new(t, REQUEST_PAGE, g->watch, NULL);
	struct buf condition = BUF_INIT;
	size_t left = g->text_bytes < QUERY_TEXT_MAX ? QUERY_TEXT_MAX - g->text_bytes : 0;
	struct target *target;

	r->asked = xmalloc(IDS_MAX * sizeof *r->asked);
	buf_puts(&condition, "deviceId IN [");
	while (r->asked_n < IDS_MAX && (target = TAILQ_FIRST(&g->targets)) != NULL &&
	       target->round != t->round) {
		size_t bytes = quoted_bytes(target->device_id) + (r->asked_n > 0 ? 1 : 0);

		if (bytes > left)
			break;
		left -= bytes;
		if (r->asked_n > 0)
			buf_putc(&condition, ',');
		put_quoted(&condition, target->device_id);
		r->asked[r->asked_n++] = (struct asked){
		        target->key, hash64(target->device_id, strlen(target->device_id)), target->serial};
		target_asked(t, target);
	}
	buf_putc(&condition, ']');
	if (candidates != NULL)
		buf_printf(&condition, " AND (%s)", candidates);
	r->text = buf_take(&condition);
	if (r->asked_n > 0)
		return r;
	request_end(t, r);
	target = TAILQ_FIRST(&g->targets);
	target_asked(t, target);
	candidate_read(t, target);
	return NULL;
}

static struct request *page_next(struct track *t)
{
	struct request *r = NULL;

	while (t->round_left > 0 && r == NULL)
		r = page_of(t, group_next(t));
	if (r != NULL)
		t->pages_open++;
	return r;
}

/* More are watched than queries come round to in time: those who have been at it for a while are read one by
 * one, as far as reads are to spare (contract 7.1: 20 pages a minute, but 100 reads a second). */
static void help_round(struct track *t, int64_t now_ms)
{
	uint32_t n = TAILQ_EMPTY(&t->reads_queued) ? lane_tokens(&t->reads, now_ms) : 0;

	for (; n > 0 && t->round_left > t->in_time; n--) {
		struct target *target = TAILQ_FIRST(&group_next(t)->targets);

		if (now_ms - target->watched_at_ms < t->typical_ms / 2)
			return;
		target_asked(t, target);
		candidate_read(t, target);
	}
}

/* --- answers --- */

static void tell(struct track *t, uint64_t key, const struct reading *reading,
                 const struct hub_answer *answer, int64_t asked_at_ms)
{
	struct track_news news = {(uint32_t)(key >> 32), (uint32_t)key, reading, answer, asked_at_ms};

	t->on_news(t->arg, &news);
}

static void candidate_answered(struct track *t, const struct request *r, const struct hub_answer *answer)
{
	struct target *target = target_find_same(t, r->key, r->serial);

	if (target == NULL)
		return;
	target->has_candidate = false;
	if (answer->reading != NULL)
		tell(t, r->key, answer->reading, answer, r->asked_at_ms);
}

/* Whoever is told may unwatch others: each is looked up anew. */
static void row_answered(struct track *t, const struct request *r, const struct reading *row,
                         const struct hub_answer *answer)
{
	uint64_t id_hash = hash64(row->device_id, strlen(row->device_id));

	for (uint32_t i = 0; i < r->asked_n; i++) {
		struct target *target;

		if (r->asked[i].id_hash != id_hash)
			continue;
		target = target_find_same(t, r->asked[i].key, r->asked[i].serial);
		if (target == NULL || strcmp(target->device_id, row->device_id) != 0)
			continue;
		if (watch_is_in_rows(target->group->watch))
			tell(t, target->key, row, answer, r->asked_at_ms);
		else
			candidate_read(t, target);
	}
}

/* True where another page of it has been queued. */
static bool page_answered(struct track *t, struct request *r, const struct hub_answer *answer)
{
	for (size_t i = 0; i < answer->rows_n; i++)
		row_answered(t, r, &answer->rows[i], answer);
	if (answer->outcome != HUB_ANSWERED || answer->continuation == NULL || ++r->pages_n >= PAGES_MAX) {
		t->pages_open--;
		return false;
	}
	free(r->continuation);
	r->continuation = xstrdup(answer->continuation);
	TAILQ_INSERT_TAIL(&t->pages_queued, r, entry);
	return true;
}

/* Takes r, which is in no list. */
static void answered(struct track *t, struct request *r, const struct hub_answer *answer)
{
	t->on_outcome(t->arg, answer);
	switch (r->kind) {
	case REQUEST_READ:
		tell(t, r->key, answer->reading, answer, r->asked_at_ms);
		break;
	case REQUEST_CANDIDATE:
		candidate_answered(t, r, answer);
		break;
	case REQUEST_PAGE:
		if (page_answered(t, r, answer))
			return;
		break;
	case REQUEST_SELECT:
	case REQUEST_LOOK:
		r->on_answer(r->arg, answer);
		break;
	case REQUEST_PROBE:
		break;
	}
	request_end(t, r);
}

static bool is_read(const struct request *r)
{
	return r->kind == REQUEST_READ || r->kind == REQUEST_CANDIDATE || r->kind == REQUEST_LOOK;
}

static void on_answer(void *arg, const struct hub_answer *answer)
{
	struct request *r = arg;
	struct track *t = r->track;

	if (t == NULL) {
		request_free(r);
		return;
	}
	TAILQ_REMOVE(&t->out, r, entry);
	t->stats.inflight--;
	lane_answered(is_read(r) ? &t->reads : &t->queries, r, answer);
	if (is_read(r)) {
		t->stats.reads++;
	} else {
		t->stats.pages++;
		t->stats.rows += answer->rows_n;
	}
	answered(t, r, answer);
}

static void tell_refused(struct track *t)
{
	struct request *r;

	while ((r = TAILQ_FIRST(&t->refused)) != NULL) {
		struct hub_answer answer = {
		        .outcome = HUB_NOT_DELIVERED,
		        .hub_at_ms = TIME_NONE,
		        .retry_after_ms = TIME_NONE,
		        .detail = err_text(r->refusal),
		};

		TAILQ_REMOVE(&t->refused, r, entry);
		answered(t, r, &answer);
	}
}

/* --- sending --- */

/* Sends r, which is in no list. False where the hub would not take it. */
static bool send_request(struct track *t, struct request *r, int64_t now_ms)
{
	struct lane *l = is_read(r) ? &t->reads : &t->queries;
	const struct watch *watch = r->group != NULL ? r->group->watch : r->watch;

	r->asked_at_ms = now_ms;
	r->refusal = is_read(r) ? hub_read(t->hub, r->text, watch, on_answer, r)
	                        : hub_query(t->hub, r->text, r->continuation, watch, on_answer, r);
	if (r->refusal != ERR_OK) {
		TAILQ_INSERT_TAIL(&t->refused, r, entry);
		return false;
	}
	bucket_take(&l->bucket, 1, now_ms);
	l->out++;
	TAILQ_INSERT_TAIL(&t->out, r, entry);
	t->stats.inflight++;
	return true;
}

static struct request *take_first(struct requests *queue)
{
	struct request *r = TAILQ_FIRST(queue);

	if (r != NULL)
		TAILQ_REMOVE(queue, r, entry);
	return r;
}

/* Pages begun come first; selections and new progress queries take turns. */
static struct request *query_next(struct track *t)
{
	bool is_select = !TAILQ_EMPTY(&t->selects_queued) && (t->is_selects_turn || t->round_left == 0);
	struct request *r = take_first(&t->pages_queued);

	if (r != NULL)
		return r;
	r = is_select ? take_first(&t->selects_queued) : page_next(t);
	if (r != NULL)
		t->is_selects_turn = !is_select;
	return r;
}

/* Reads for rows of targets that are no longer watched are left out. */
static struct request *read_next(struct track *t)
{
	struct request *r;

	while ((r = take_first(&t->reads_queued)) != NULL) {
		t->stats.reads_queued--;
		if (r->kind != REQUEST_CANDIDATE || target_find_same(t, r->key, r->serial) != NULL)
			return r;
		request_end(t, r);
	}
	return NULL;
}

/* Probes need a token but no place: what hangs must not keep us from learning that the hub is back. */
static bool send_probes(struct track *t, int64_t now_ms)
{
	struct request *r;

	while (lane_tokens(&t->queries, now_ms) > 0 && (r = take_first(&t->probes_queued)) != NULL)
		if (!send_request(t, r, now_ms))
			return false;
	return true;
}

static bool send_all(struct track *t, int64_t now_ms)
{
	struct request *r;

	round_start(t, now_ms);
	while (lane_is_free(&t->queries, now_ms) && (r = query_next(t)) != NULL)
		if (!send_request(t, r, now_ms))
			return false;
	help_round(t, now_ms);
	while (lane_is_free(&t->reads, now_ms) && (r = read_next(t)) != NULL)
		if (!send_request(t, r, now_ms))
			return false;
	return true;
}

static int64_t next_at(const struct track *t, int64_t now_ms, bool is_open)
{
	bool has_queries =
	        !TAILQ_EMPTY(&t->pages_queued) || !TAILQ_EMPTY(&t->selects_queued) || t->round_left > 0;
	int64_t at_ms = TIME_NEVER, then_ms;

	if (!TAILQ_EMPTY(&t->probes_queued) ||
	    (is_open && has_queries && t->queries.out < t->queries.out_max))
		at_ms = lane_next_at(&t->queries, now_ms);
	if (is_open && !TAILQ_EMPTY(&t->reads_queued) && t->reads.out < t->reads.out_max) {
		then_ms = lane_next_at(&t->reads, now_ms);
		at_ms = then_ms < at_ms ? then_ms : at_ms;
	}
	if (is_open && t->round_left > t->in_time && TAILQ_EMPTY(&t->reads_queued)) {
		then_ms = lane_next_at(&t->reads, now_ms);
		then_ms = then_ms > now_ms ? then_ms : now_ms + HELP_PAUSE_MS;
		at_ms = then_ms < at_ms ? then_ms : at_ms;
	}
	if (is_open && t->stats.watched > 0 && !is_round_open(t) && t->next_round_at_ms < at_ms)
		at_ms = t->next_round_at_ms;
	return at_ms;
}

int64_t track_run(struct track *t, int64_t now_ms, bool is_open)
{
	t->now_ms = now_ms;
	lane_run(&t->queries, now_ms);
	lane_run(&t->reads, now_ms);
	tell_refused(t);
	if (!send_probes(t, now_ms) || (is_open && !send_all(t, now_ms)))
		return now_ms; /* a refusal is to be told */
	return next_at(t, now_ms, is_open);
}

uint32_t track_read_credit(const struct track *t, int64_t now_ms)
{
	uint32_t tokens = lane_tokens(&t->reads, now_ms), places = t->reads.out_max - t->reads.out;
	uint32_t credit = places < tokens ? places : tokens;

	return credit > t->stats.reads_queued ? credit - t->stats.reads_queued : 0;
}

/* --- the whole --- */

struct track *track_new(const struct track_options *options, struct hub *hub, track_news_cb *on_news,
                        track_outcome_cb *on_outcome, void *arg)
{
	struct track *t = xcalloc(1, sizeof *t);

	t->hub = hub;
	t->on_news = on_news;
	t->on_outcome = on_outcome;
	t->arg = arg;
	t->interval_ms = options->interval_ms;
	t->next_round_at_ms = TIME_NONE;
	t->is_selects_turn = true;
	t->in_time = UINT32_MAX;
	if (options->queries_per_minute > 0 && options->reads_per_minute > 0)
		t->in_time =
		        (uint32_t)((uint64_t)options->queries_per_minute * IDS_MAX * ROUND_MAX_MS / 60000);
	lane_init(&t->queries, options->queries_per_minute, 30, QUERIES_OUT_MAX);
	lane_init(&t->reads, options->reads_per_minute, 1, options->reads_inflight_max);
	TAILQ_INIT(&t->groups);
	TAILQ_INIT(&t->probes_queued);
	TAILQ_INIT(&t->pages_queued);
	TAILQ_INIT(&t->selects_queued);
	TAILQ_INIT(&t->reads_queued);
	TAILQ_INIT(&t->out);
	TAILQ_INIT(&t->refused);
	return t;
}

void track_stats(const struct track *t, struct track_stats *ret)
{
	*ret = t->stats;
}

static void requests_end(struct track *t, struct requests *queue)
{
	struct request *r;

	while ((r = take_first(queue)) != NULL)
		request_end(t, r);
}

void track_free(struct track *t)
{
	struct target *target, *next;
	struct request *r;

	if (t == NULL)
		return;
	HASH_ITER (hh, t->by_key, target, next)
		target_free(t, target);
	requests_end(t, &t->probes_queued);
	requests_end(t, &t->pages_queued);
	requests_end(t, &t->selects_queued);
	requests_end(t, &t->reads_queued);
	requests_end(t, &t->refused);
	while ((r = take_first(&t->out)) != NULL) {
		r->track = NULL; /* freed when the hub answers */
		if (r->group != NULL)
			group_leave(t, r->group);
	}
	free(t);
}
