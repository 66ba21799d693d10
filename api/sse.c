/* api: see sse.h. The life of a stream:
 *
 *             ┌──── more in the store ───┐
 *             ▼                          │
 *   new ──▶ BEHIND ──a slot is free──▶ READING ──caught up──▶ LIVE
 *             ▲                                                │
 *             └────────── so slow that the window moved past it┘
 *
 * A reader is hungry when all that it was given is on its way. Only hungry readers are given something, and
 * only they are BEHIND or READING, so that each has at most one page of text in memory. What is given starts
 * behind the reader's place, wherever it comes from, and moves the place: there is no seam at which an event
 * could be lost or told twice. */
#include "api/sse.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "api/handlers.h"
#include "api/json.h"
#include "api/request.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/feed.h"
#include "store/store.h"

#define WINDOW_EVENTS 4096 /* kept as text; a power of 2 */
#define PIECE_BYTES 20480  /* what a reader is given at a time, and an event more: one chunk of httpd.c */
#define PAGE_EVENTS 200    /* likewise, from the store */
#define READS_MAX 2        /* of the store at once, so that other requests find their turn */
/* News wait so long, and longer with many readers, so that each wake-up carries what came meanwhile: a
 * thousand readers are woken four times a second. */
#define GATHER_MS 20
#define READERS_PER_GATHER_MS 5
/* So many are woken in one go; then the loop turns to other things first. */
#define WAKE_MAX 100
#define WAKE_PAUSE_MS 1
/* How soon a client should come back, told to each with some luck, so that they do not all come at once. */
#define RETRY_MS 1000
#define RETRY_LUCK_MS 2000

struct told {
	char *text; /* as sent */
	size_t len;
	uint32_t campaign;
};

enum reader_state { READER_LIVE, READER_BEHIND, READER_READING };

struct reader {
	TAILQ_ENTRY(reader) link; /* of all, or of those that are gone while READING */
	STAILQ_ENTRY(reader) turn;
	struct sse *sse;         /* NULL: gone too */
	struct request *request; /* NULL: gone */
	uint32_t campaign;       /* 0: all */
	uint64_t at;             /* its place */
	bool is_known;           /* the place is one that the store has given, or within the window */
	bool is_hungry;
	enum reader_state state;
	int64_t put_mono_ms;
};
TAILQ_HEAD(readers, reader);

struct sse {
	struct context *context;
	uint32_t readers_max, heartbeat_ms;
	struct feed_subscriber subscriber;
	struct readers readers, gone;
	STAILQ_HEAD(, reader) behind;
	uint32_t readers_n, reading_n;
	bool is_stopping;
	int64_t run_mono_ms; /* TIME_NEVER: not asked for */
	uint32_t pass_left;  /* readers still to be looked at in this pass over them */
	uint64_t pass_id;    /* the last event when it began */
	/* the events after window_after, up to last_id */
	uint64_t window_after, last_id;
	struct told window[WINDOW_EVENTS]; /* by id */
	struct buf text;                   /* scratch */
};

/* ---- the window ---- */

static struct told *told(struct sse *s, uint64_t id)
{
	return &s->window[id & (WINDOW_EVENTS - 1)];
}

static void forget_oldest(struct sse *s)
{
	struct told *t = told(s, ++s->window_after);

	free(t->text);
	*t = (struct told){0};
}

static void forget_all(struct sse *s)
{
	while (s->window_after < s->last_id)
		forget_oldest(s);
}

static void put_event(struct buf *out, const struct event *event, const char *campaign_id)
{
	buf_printf(out, "id: %" PRIu64 "\nevent: %s\ndata: ", event->id, event_type_text(event->type));
	json_event(out, event, campaign_id);
	buf_puts(out, "\n\n");
}

/* ---- when to run ---- */

static int64_t gather_ms(const struct sse *s)
{
	return GATHER_MS + s->readers_n / READERS_PER_GATHER_MS;
}

static void want_run(struct sse *s, int64_t in_ms)
{
	int64_t at_mono_ms = clock_mono_ms() + in_ms;

	if (at_mono_ms >= s->run_mono_ms)
		return;
	s->run_mono_ms = at_mono_ms;
	httpd_call_in(s->context->httpd, (uint32_t)in_ms);
}

static void on_event(void *arg, const struct event *event, const char *campaign_id)
{
	struct sse *s = arg;
	struct told *t;

	if (s->readers_n == 0) {
		forget_all(s);
		s->window_after = s->last_id = event->id;
		return;
	}
	if (s->last_id - s->window_after == WINDOW_EVENTS)
		forget_oldest(s);
	assert(event->id == s->last_id + 1);
	s->last_id = event->id;
	t = told(s, event->id);
	buf_reset(&s->text);
	put_event(&s->text, event, campaign_id);
	*t = (struct told){xstrndup(s->text.data, s->text.len), s->text.len, event->campaign};
	want_run(s, gather_ms(s));
}

/* ---- readers ---- */

static void put(struct reader *r, const char *text, size_t len)
{
	r->put_mono_ms = clock_mono_ms();
	r->is_hungry = false;
	httpd_stream_put(r->request->exchange, text, len);
}

/* Gives what the window has for r; false: nothing. */
static bool put_from_window(struct reader *r)
{
	struct sse *s = r->sse;

	buf_reset(&s->text);
	while (r->at < s->last_id && s->text.len < PIECE_BYTES) {
		const struct told *t = told(s, ++r->at);

		if (r->campaign == 0 || r->campaign == t->campaign)
			buf_put(&s->text, t->text, t->len);
	}
	if (s->text.len == 0)
		return false;
	put(r, s->text.data, s->text.len);
	return true;
}

static void read_next(struct sse *s);

/* Gives r, which is hungry, what there is; false: nothing at once. */
static bool serve(struct reader *r)
{
	struct sse *s = r->sse;

	if (r->state != READER_LIVE)
		return false;
	if (r->is_known && r->at >= s->window_after)
		return put_from_window(r);
	r->state = READER_BEHIND;
	STAILQ_INSERT_TAIL(&s->behind, r, turn);
	read_next(s);
	return false;
}

/* What is missing before id cannot be told any more, or (the place is one that we never had) is not known:
 * the reader has to read afresh what it wants to know. */
static void put_reset(struct buf *out, uint64_t after, uint64_t at, uint64_t first_kept_id, uint64_t last_id)
{
	buf_printf(out,
	           "id: %" PRIu64 "\nevent: reset\ndata: {\"type\":\"reset\",\"after\":%" PRIu64
	           ",\"firstKeptId\":%" PRIu64 ",\"lastId\":%" PRIu64 "}\n\n",
	           at, after, first_kept_id, last_id);
}

static void take_page(struct reader *r, const struct event *rows, const char *const *campaign_ids, size_t n,
                      bool has_more, uint64_t first_kept_id, uint64_t last_id)
{
	struct buf *out = &r->sse->text;
	uint64_t after = r->at;

	buf_reset(out);
	if (after > last_id || after + 1 < first_kept_id) {
		r->at = after > last_id ? last_id : first_kept_id - 1;
		put_reset(out, after, r->at, first_kept_id, last_id);
	}
	for (size_t i = 0; i < n; i++)
		put_event(out, &rows[i], campaign_ids[i]);
	if (has_more)
		r->at = rows[n - 1].id;
	else if (r->at < last_id)
		r->at = last_id;
	r->is_known = !has_more;
	if (out->len > 0)
		put(r, out->data, out->len);
}

static void on_page(void *arg, enum err err, uint64_t revision, const struct event *rows,
                    const char *const *campaign_ids, size_t n, bool has_more, uint64_t first_kept_id,
                    uint64_t last_id)
{
	struct reader *r = arg;
	struct sse *s = r->sse;

	(void)revision;
	if (s != NULL)
		s->reading_n--;
	if (r->request == NULL) {
		if (s != NULL)
			TAILQ_REMOVE(&s->gone, r, link);
		free(r);
	} else {
		r->state = READER_LIVE;
		if (err != ERR_OK)
			httpd_stream_break(r->request->exchange); /* whoever failed has logged it */
		else
			take_page(r, rows, campaign_ids, n, has_more, first_kept_id, last_id);
		if (err == ERR_OK && r->is_hungry)
			serve(r);
	}
	if (s != NULL)
		read_next(s);
}

static void read_next(struct sse *s)
{
	struct reader *r;

	while (s->reading_n < READS_MAX && (r = STAILQ_FIRST(&s->behind)) != NULL) {
		STAILQ_REMOVE_HEAD(&s->behind, turn);
		r->state = READER_READING;
		s->reading_n++;
		store_read_events(s->context->store, r->campaign, r->at, PAGE_EVENTS, on_page, r);
	}
}

static void on_room(struct request *request)
{
	struct reader *r = request->stream;

	r->is_hungry = true;
	serve(r);
}

static void on_end(struct request *request)
{
	struct reader *r = request->stream;
	struct sse *s = r->sse;

	if (httpd_was_cut(request->exchange))
		log_info("slow reader of events cut off", LS("request", request->id),
		         LS("by", request->who.name), LI("lastId", r->at));
	TAILQ_REMOVE(&s->readers, r, link);
	s->readers_n--;
	r->request = NULL;
	if (r->state == READER_BEHIND)
		STAILQ_REMOVE(&s->behind, r, reader, turn);
	if (r->state == READER_READING)
		TAILQ_INSERT_TAIL(&s->gone, r, link); /* on_page() frees it */
	else
		free(r);
}

static const struct streamer streamer = {on_room, on_end};

/* ---- the run: wakes those that have news, or have heard nothing for too long ---- */

void sse_run(struct sse *s)
{
	static const char heartbeat[] = ": heartbeat\n\n";
	int64_t now_mono_ms = clock_mono_ms(), now_ms = clock_now_ms();
	struct reader *r;
	uint32_t woken = 0;

	s->run_mono_ms = TIME_NEVER;
	if (s->pass_left == 0) {
		s->pass_left = s->readers_n;
		s->pass_id = s->last_id;
	}
	for (; s->pass_left > 0 && woken < WAKE_MAX; s->pass_left--) {
		r = TAILQ_FIRST(&s->readers);
		if (r == NULL)
			break;
		TAILQ_REMOVE(&s->readers, r, link);
		TAILQ_INSERT_TAIL(&s->readers, r, link);
		if (r->request->who.until_ms <= now_ms)
			httpd_stream_end(r->request->exchange); /* its token has ended */
		if (!r->is_hungry || r->request->who.until_ms <= now_ms)
			continue;
		if (serve(r)) {
			woken++;
		} else if (now_mono_ms - r->put_mono_ms >= s->heartbeat_ms) {
			put(r, heartbeat, sizeof heartbeat - 1);
			woken++;
		}
	}
	if (s->readers_n == 0)
		s->pass_left = 0;
	else if (s->pass_left > 0)
		want_run(s, WAKE_PAUSE_MS);
	else
		want_run(s, s->last_id > s->pass_id ? gather_ms(s) : s->heartbeat_ms / 4);
}

/* ---- requests ---- */

/* Gives whether the place to start from is sound; else it has replied. The header wins: a browser that comes
 * back sends it along with the URL that it had. */
static bool read_place(struct request *r, uint64_t *ret_after)
{
	const char *given = httpd_header(r->exchange, "Last-Event-ID");
	struct faults faults = FAULTS_INIT;
	char *end;

	*ret_after = 0;
	request_param_u64(r, "after", 0, INT64_MAX, ret_after, &faults);
	if (given != NULL && given[0] != '\0') {
		errno = 0;
		*ret_after = strtoull(given, &end, 10);
		if (given[strspn(given, "0123456789")] != '\0' || errno != 0 || *ret_after > INT64_MAX)
			faults_add(&faults, "Last-Event-ID", "must be the id of an event");
	}
	if (faults.n == 0)
		return true;
	reply_faults(r, PROBLEM_PARAMETER, &faults);
	return false;
}

static void begin(struct request *request, uint32_t campaign)
{
	struct sse *s = request->context->sse;
	struct reader *r;
	uint64_t after;
	char retry[32];

	if (!read_place(request, &after))
		return;
	if (s->is_stopping) {
		reply_problem(request, PROBLEM_DRAINING, "no new streams are opened");
		return;
	}
	if (s->readers_n >= s->readers_max) {
		reply_problem(request, PROBLEM_TOO_MANY_STREAMS, "%u event streams are open", s->readers_n);
		return;
	}
	r = xcalloc(1, sizeof *r);
	r->sse = s;
	r->request = request;
	r->campaign = campaign;
	r->at = after;
	r->is_known = after >= s->window_after && after <= s->last_id;
	r->put_mono_ms = clock_mono_ms();
	TAILQ_INSERT_TAIL(&s->readers, r, link);
	s->readers_n++;
	want_run(s, s->heartbeat_ms / 4);
	reply_header(request, "X-Accel-Buffering", "no"); /* nginx would keep it until it is long enough */
	reply_stream(request, "text/event-stream", &streamer, r);
	snprintf(retry, sizeof retry, "retry: %u\n\n",
	         RETRY_MS + (unsigned)(rng_u64(&request->context->luck) % RETRY_LUCK_MS));
	httpd_stream_put(request->exchange, retry, strlen(retry));
}

void sse_of_all(struct request *r)
{
	begin(r, 0);
}

static void on_campaign(void *arg, enum err err, uint64_t revision, const struct campaign_row *rows, size_t n,
                        bool has_more)
{
	(void)revision;
	(void)has_more;
	if (campaigns_found(arg, err, n))
		begin(arg, rows->no);
}

void sse_of_campaign(struct request *r)
{
	store_read_campaign(r->context->store, r->parts[0], on_campaign, r);
}

/* ---- life ---- */

struct sse *sse_new(struct context *context, uint32_t readers_max, uint32_t heartbeat_ms)
{
	struct sse *s = xcalloc(1, sizeof *s);

	s->context = context;
	s->readers_max = readers_max;
	s->heartbeat_ms = heartbeat_ms;
	s->run_mono_ms = TIME_NEVER;
	TAILQ_INIT(&s->readers);
	TAILQ_INIT(&s->gone);
	STAILQ_INIT(&s->behind);
	s->window_after = s->last_id = feed_last_id(context->feed);
	feed_subscribe(context->feed, &s->subscriber, on_event, s);
	return s;
}

uint32_t sse_readers_n(const struct sse *s)
{
	return s->readers_n;
}

void sse_recheck(struct sse *s)
{
	int64_t now_ms = clock_now_ms();
	char reason[AUTH_REASON_SIZE];
	struct identity who;
	struct reader *r;

	TAILQ_FOREACH (r, &s->readers, link)
		if (auth_login(s->context->auth, httpd_header(r->request->exchange, "Authorization"), now_ms,
		               &who, reason) == LOGIN_BAD)
			httpd_stream_end(r->request->exchange);
}

void sse_stop(struct sse *s)
{
	struct reader *r;

	s->is_stopping = true;
	TAILQ_FOREACH (r, &s->readers, link) {
		if (r->is_hungry)
			serve(r); /* what waits to be gathered */
		httpd_stream_end(r->request->exchange);
	}
}

void sse_free(struct sse *s)
{
	struct reader *r;

	if (s == NULL)
		return;
	assert(s->readers_n == 0);
	TAILQ_FOREACH (r, &s->gone, link)
		r->sse = NULL;
	feed_unsubscribe(s->context->feed, &s->subscriber);
	forget_all(s);
	buf_done(&s->text);
	free(s);
}
