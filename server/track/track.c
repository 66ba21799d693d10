/* track: answers and sending; see track.h */
#include "server/track/track.h"

#include <stdlib.h>
#include <string.h>

#include "server/dispatch/meter.h"
#include "server/track/internal.h"

#define PAGES_MAX 100 /* of a query by id; more: the hub goes in circles */
#define QUERIES_OUT_MAX 4
/* Campaigns that watch one device; by P3 it is one. */
#define SAME_MAX 16

/* --- answers --- */

static void tell(struct track *t, uint64_t key, const struct reading *reading,
                 const struct hub_answer *answer, int64_t asked_at_ms)
{
	struct track_news news = {(uint32_t)(key >> 32), (uint32_t)key, reading, answer, asked_at_ms};

	t->options.on_news(t->arg, &news);
}

static void charge(struct track *t, uint32_t campaign, uint32_t pages, uint32_t reads, uint32_t messages)
{
	struct track_cost cost = {pages, reads, messages};

	t->options.on_cost(t->arg, campaign, &cost);
}

/* Of each row of a page. */
static uint32_t row_messages(const struct track *t, const struct hub_answer *answer)
{
	return answer->rows_n == 0
	               ? 0
	               : meter_messages(answer->answer_bytes / answer->rows_n, t->options.message_bytes);
}

static void candidate_answered(struct track *t, const struct request *r, const struct hub_answer *answer)
{
	struct target *target = track_open_find_same(t, r->key, r->serial);

	if (target == NULL)
		return;
	target->has_candidate = false;
	if (answer->reading != NULL)
		tell(t, r->key, answer->reading, answer, r->asked_at_ms);
}

/* What a row tells about the age of answers: the last query by id that was asked before this one, and that
 * told of all it was asked for, did not have it. */
static void hear_lag(struct track *t, const struct request *r, struct target *target,
                     const struct reading *row)
{
	int64_t changed_ms = lag_changed_at(row, target->since_hub_ms), cut_ms = target->group->cut_at_ms;
	int64_t asked_ms = r->kind == REQUEST_IDS && target->queried_at_ms == r->asked_at_ms
	                           ? target->queried_before_ms
	                           : target->queried_at_ms;
	bool is_missed = asked_ms != TIME_NONE && asked_ms < r->asked_at_ms && asked_ms > cut_ms;

	if (changed_ms == TIME_NONE || changed_ms <= target->shown_ms || target->since_hub_ms == TIME_NONE ||
	    t->hub_offset_ms == TIME_NONE)
		return;
	target->shown_ms = changed_ms;
	lag_saw(&t->lag, t->now_ms, changed_ms, is_missed ? asked_ms + t->hub_offset_ms : TIME_NONE);
}

/* Tells all that watch the row's device. Gives whose row it was, 0: nobody's. Whoever is told may unwatch
 * others: each but the first is looked up anew. */
static uint32_t row_answered(struct track *t, const struct request *r, const struct reading *row,
                             const struct hub_answer *answer)
{
	struct target *first = NULL, *target = track_open_first_of_device(t, row->device_id);
	uint64_t keys[SAME_MAX];
	uint32_t n = 0;

	for (; target != NULL && n < SAME_MAX; target = target->same)
		if (target->group == r->group && target->serial <= r->serial) {
			first = n == 0 ? target : first;
			keys[n++] = target->key;
		}
	for (uint32_t i = 0; i < n; i++) {
		target = i == 0 ? first : track_open_find(t, keys[i]);
		if (target == NULL || target->serial > r->serial)
			continue;
		if (watch_is_in_rows(target->group->watch)) {
			hear_lag(t, r, target, row);
			tell(t, target->key, row, answer, r->asked_at_ms);
		} else {
			track_request_candidate(t, target);
		}
	}
	return n > 0 ? (uint32_t)(keys[0] >> 32) : 0;
}

/* Those who were due when the scan began have been asked about. */
static void scan_done(struct group *g)
{
	struct due_entry *e;

	while ((e = due_next(&g->due, DUE_AGAIN, g->scan.began_at_ms)) != NULL)
		due_asked(&g->due, e, g->scan.began_at_ms);
}

static bool goes_on(struct track *t, struct request *r, const struct hub_answer *answer)
{
	bool has_failed = answer->outcome != HUB_ANSWERED, has_more = answer->continuation != NULL;
	enum scan_end end;

	if (r->kind == REQUEST_IDS) {
		if (has_failed || has_more)
			r->group->cut_at_ms = r->asked_at_ms;
		if (!has_failed)
			scan_by_id(&r->group->scan, r->has_again, answer->hub_at_ms);
		return !has_failed && has_more && ++r->pages_n < PAGES_MAX;
	}
	end = scan_page(&r->group->scan, answer->rows_n, has_more, has_failed, t->now_ms, answer->hub_at_ms);
	if (end == SCAN_DONE)
		scan_done(r->group);
	return end == SCAN_GOES_ON;
}

/* True where another page of it has been queued. */
static bool page_answered(struct track *t, struct request *r, const struct hub_answer *answer)
{
	uint32_t others = 0, each = row_messages(t, answer);

	for (size_t i = 0; i < answer->rows_n; i++) {
		uint32_t whose = row_answered(t, r, &answer->rows[i], answer);

		if (whose != 0 && whose != r->campaign)
			charge(t, whose, 0, 0, each);
		else
			others += each;
	}
	charge(t, r->campaign, 1, 0, (answer->outcome == HUB_ANSWERED) + others);
	if (!goes_on(t, r, answer))
		return false;
	free(r->continuation);
	r->continuation = xstrdup(answer->continuation);
	TAILQ_INSERT_TAIL(&t->pages_queued, r, entry);
	return true;
}

/* Takes r, which is in no list. */
static void answered(struct track *t, struct request *r, const struct hub_answer *answer)
{
	bool was_asked =
	        answer->http_status != 0 && answer->outcome != HUB_THROTTLED && answer->outcome != HUB_QUOTA;
	uint32_t messages = was_asked ? meter_messages(answer->answer_bytes, t->options.message_bytes) : 0;

	t->options.on_outcome(t->arg, answer);
	switch (r->kind) {
	case REQUEST_READ:
		charge(t, r->campaign, 0, 1, messages);
		tell(t, r->key, answer->reading, answer, r->asked_at_ms);
		break;
	case REQUEST_CANDIDATE:
		charge(t, r->campaign, 0, 1, messages);
		candidate_answered(t, r, answer);
		break;
	case REQUEST_IDS:
	case REQUEST_SCAN:
		if (page_answered(t, r, answer))
			return;
		break;
	case REQUEST_LOOK:
		charge(t, r->campaign, 0, 1, messages);
		r->on_answer(r->arg, answer);
		break;
	case REQUEST_SELECT:
		charge(t, r->campaign, 1, 0, was_asked + (uint32_t)answer->rows_n * row_messages(t, answer));
		r->on_answer(r->arg, answer);
		break;
	case REQUEST_PROBE:
		charge(t, 0, 1, 0, was_asked);
		break;
	}
	track_request_end(t, r);
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
		track_request_free(r);
		return;
	}
	TAILQ_REMOVE(&t->out, r, entry);
	t->stats.inflight--;
	if (answer->hub_at_ms != TIME_NONE)
		t->hub_offset_ms = answer->hub_at_ms - t->now_ms;
	lane_answered(is_read(r) ? &t->reads : &t->queries, r->asked_at_ms, answer);
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
	lane_take(l, now_ms);
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
static struct request *query_next(struct track *t, int64_t now_ms)
{
	struct request *r = take_first(&t->pages_queued);
	bool is_select = t->is_selects_turn && !TAILQ_EMPTY(&t->selects_queued);

	if (r == NULL && !is_select && (r = track_open_ask(t, now_ms)) != NULL)
		t->is_selects_turn = true;
	if (r == NULL && (r = take_first(&t->selects_queued)) != NULL)
		t->is_selects_turn = false;
	return r;
}

/* Reads for rows of targets that are no longer watched are left out. */
static struct request *read_next(struct track *t)
{
	struct request *r;

	while ((r = track_request_next_read(t)) != NULL) {
		if (r->kind != REQUEST_CANDIDATE || track_open_find_same(t, r->key, r->serial) != NULL)
			return r;
		track_request_end(t, r);
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

	while (lane_is_free(&t->queries, now_ms) && (r = query_next(t, now_ms)) != NULL)
		if (!send_request(t, r, now_ms))
			return false;
	track_open_help(t, now_ms);
	while (lane_is_free(&t->reads, now_ms) && (r = read_next(t)) != NULL)
		if (!send_request(t, r, now_ms))
			return false;
	return true;
}

static int64_t next_at(const struct track *t, int64_t now_ms, bool is_open)
{
	bool has_queries = !TAILQ_EMPTY(&t->pages_queued) || !TAILQ_EMPTY(&t->selects_queued);
	int64_t at_ms = TIME_NEVER, then_ms;

	if (!TAILQ_EMPTY(&t->probes_queued) ||
	    (is_open && has_queries && t->queries.out < t->queries.out_max))
		at_ms = lane_next_at(&t->queries, now_ms);
	if (is_open && !TAILQ_EMPTY(&t->readers) && t->reads.out < t->reads.out_max) {
		then_ms = lane_next_at(&t->reads, now_ms);
		at_ms = then_ms < at_ms ? then_ms : at_ms;
	}
	then_ms = is_open ? track_open_next_at(t, now_ms) : TIME_NEVER;
	return then_ms < at_ms ? then_ms : at_ms;
}

/* Waits go on where the clock has stepped back. */
static void heed_clock(struct track *t, int64_t now_ms)
{
	if (now_ms < t->now_ms)
		track_open_step_back(t, t->now_ms - now_ms);
	t->now_ms = now_ms;
}

int64_t track_run(struct track *t, int64_t now_ms, bool is_open)
{
	heed_clock(t, now_ms);
	lane_run(&t->queries, now_ms);
	lane_run(&t->reads, now_ms);
	tell_refused(t);
	if (!send_probes(t, now_ms) || (is_open && !send_all(t, now_ms)))
		return now_ms; /* a refusal is to be told */
	return next_at(t, now_ms, is_open);
}

/* --- the whole --- */

void track_spare(struct track *t, bool is_sparing)
{
	t->is_sparing = is_sparing;
}

struct track *track_new(const struct track_options *options, struct hub *hub, int64_t now_ms, void *arg)
{
	struct track *t = xcalloc(1, sizeof *t);

	t->hub = hub;
	t->options = *options;
	t->arg = arg;
	t->now_ms = now_ms;
	t->hub_offset_ms = TIME_NONE;
	lag_init(&t->lag, now_ms);
	t->is_selects_turn = true;
	lane_init(&t->queries, options->queries_per_minute, 30, QUERIES_OUT_MAX);
	lane_init(&t->reads, options->reads_per_minute, 1, options->reads_inflight_max);
	TAILQ_INIT(&t->groups);
	TAILQ_INIT(&t->probes_queued);
	TAILQ_INIT(&t->pages_queued);
	TAILQ_INIT(&t->selects_queued);
	TAILQ_INIT(&t->readers);
	TAILQ_INIT(&t->out);
	TAILQ_INIT(&t->refused);
	return t;
}

void track_clock_moved(struct track *t, int64_t by_ms)
{
	if (t->hub_offset_ms != TIME_NONE)
		t->hub_offset_ms -= by_ms;
}

void track_stats(const struct track *t, struct track_stats *ret)
{
	*ret = t->stats;
	ret->query_lag_ms = lag_seen_ms(&t->lag, t->now_ms);
}

static void requests_end(struct track *t, struct requests *queue)
{
	struct request *r;

	while ((r = take_first(queue)) != NULL)
		track_request_end(t, r);
}

void track_free(struct track *t)
{
	struct request *r;

	if (t == NULL)
		return;
	track_open_free(t);
	requests_end(t, &t->probes_queued);
	requests_end(t, &t->pages_queued);
	requests_end(t, &t->selects_queued);
	while ((r = track_request_next_read(t)) != NULL)
		track_request_end(t, r);
	requests_end(t, &t->refused);
	while ((r = take_first(&t->out)) != NULL) {
		r->track = NULL; /* freed when the hub answers */
		if (r->group != NULL)
			track_open_leave(t, r->group);
	}
	free(t);
}
