/* hub: see wire.h
 *
 * A connection:   DIALLING ──there──▶ IDLE ──a request──▶ BUSY ──answered──▶ IDLE …   and from each to closed
 * A request:      on a connection at once, or waiting for the first that is dialled or becomes idle; there is
 * always at least one being dialled for each that waits. */
#include "server/hub/wire.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <uv.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/hub/dial.h"
#include "server/hub/framing.h"

#define RECEIVE_BYTES 16384 /* a whole TLS record: so nothing of it is left behind unseen */
/* Sockets looked at in one turn of the loop: a fifth of a millisecond's work, after which the API and others
 * have their turn. */
#define EVENTS_A_TURN 16
/* Deadlines are seen so late at most. */
#define SWEEP_MS 100
/* An idle connection is not trusted for longer: what stands between may have forgotten it. */
#define IDLE_MAX_MS 110000
/* Buffers larger than this are not kept for the next request: in time each of a thousand would have held a
 * page of a query. */
#define KEPT_BYTES_MAX 1024

static const char died[] = "the connection died before an answer came";

/* One request. */
struct ask {
	TAILQ_ENTRY(ask) link; /* waiting or busy, or among those that are free */
	struct conn *conn;     /* NULL: waits for one */
	struct buf out;
	size_t out_at;
	size_t answer_max_bytes;
	uint64_t asked_ms, deadline_ms; /* by the loop's clock */
	bool has_begun;                 /* some of it may have left */
	struct framing in;
	bool (*may_begin)(void *arg);
	http_answer_cb *on_answer;
	void *arg;
};
TAILQ_HEAD(asks, ask);

struct conn {
	TAILQ_ENTRY(conn) link; /* dialling, idle, busy or gone */
	struct wire *wire;
	struct dial *dial; /* NULL: gone */
	bool is_failing;   /* could not be written to: looked at by on_soon() */
	uint32_t watched;  /* EPOLLIN, EPOLLOUT; 0: it is not there yet */
	struct ask *ask;   /* NULL: idle */
	uint64_t idle_since_ms;
};
TAILQ_HEAD(conns, conn);

struct wire {
	uv_loop_t *loop;
	struct http *http;
	char *common; /* headers that every request has */
	uint32_t kept_max, there_n, idle_n, dialling_n, waiting_n;
	struct conns dialling, idle, busy;
	struct conns gone; /* closed while on_events() may still come to them */
	int epoll_fd;      /* of all connections that are there */
	uv_poll_t poll;    /* that */
	bool is_acting;
	struct asks waiting, out, free_asks;
	uv_timer_t sweep; /* while requests are out */
	uv_timer_t soon;  /* what must not happen inside wire_send() */
	size_t handles_n;
	bool is_closing;
	void (*on_closed)(void *arg);
	void *closed_arg;
};

/* ---- connections ---- */

static void on_handle_closed(struct wire *w)
{
	struct ask *a;

	if (--w->handles_n > 0)
		return;
	while ((a = TAILQ_FIRST(&w->free_asks)) != NULL) {
		TAILQ_REMOVE(&w->free_asks, a, link);
		buf_done(&a->out);
		framing_free(&a->in);
		free(a);
	}
	close(w->epoll_fd);
	w->on_closed(w->closed_arg);
	free(w->common);
	free(w);
}

static void on_events(uv_poll_t *poll, int status, int events);
static void on_soon(uv_timer_t *timer);

/* False: it cannot be watched. */
static bool watch(struct conn *c, uint32_t events)
{
	struct wire *w = c->wire;
	struct epoll_event event = {.events = events, .data.ptr = c};

	if (c->watched == events)
		return true;
	if (epoll_ctl(w->epoll_fd, c->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, dial_fd(c->dial),
	              &event) != 0)
		return false;
	if (c->watched == 0 && w->there_n++ == 0)
		uv_poll_start(&w->poll, UV_READABLE, on_events);
	c->watched = events;
	return true;
}

/* c is in no list any more. */
static void conn_close(struct conn *c)
{
	struct wire *w = c->wire;

	if (c->watched != 0) {
		epoll_ctl(w->epoll_fd, EPOLL_CTL_DEL, dial_fd(c->dial), NULL);
		if (--w->there_n == 0)
			uv_poll_stop(&w->poll);
	}
	dial_free(c->dial);
	c->dial = NULL;
	if (w->is_acting)
		TAILQ_INSERT_TAIL(&w->gone, c, link);
	else
		free(c);
}

static void drop_idle(struct conn *c)
{
	TAILQ_REMOVE(&c->wire->idle, c, link);
	c->wire->idle_n--;
	conn_close(c);
}

/* Whether nothing but what TLS sends for itself (session tickets), and all of that, has come. */
static bool has_nothing(struct conn *c)
{
	char byte;

	return dial_receive(c->dial, &byte, 1) == DIAL_LATER && !dial_has_more(c->dial);
}

/* Whether a connection between two requests is silent, as it has to be. */
static bool is_silent(struct conn *c)
{
	char byte;

	if (recv(dial_fd(c->dial), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
	    (errno == EAGAIN || errno == EWOULDBLOCK))
		return true; /* answered() has left nothing elsewhere */
	return has_nothing(c);
}

/* ---- the end of a request ---- */

static void drop_large(struct buf *b)
{
	if (b->size > KEPT_BYTES_MAX)
		buf_done(b);
}

static void ask_free(struct wire *w, struct ask *a)
{
	drop_large(&a->out);
	drop_large(&a->in.line);
	drop_large(&a->in.body);
	TAILQ_INSERT_HEAD(&w->free_asks, a, link);
}

/* Calls back; a is in no list any more, and has no connection. */
static void ask_end(struct wire *w, struct ask *a, const struct http_answer *answer)
{
	if (TAILQ_EMPTY(&w->waiting) && TAILQ_EMPTY(&w->out))
		uv_timer_stop(&w->sweep);
	a->on_answer(a->arg, answer);
	ask_free(w, a);
}

static void ask_fail(struct wire *w, struct ask *a, const char *wrong)
{
	struct http_answer answer = {.err = a->has_begun ? ERR_AMBIGUOUS : ERR_NOT_SENT,
	                             .err_detail = wrong,
	                             .date_ms = TIME_NONE,
	                             .retry_after_ms = TIME_NONE,
	                             .body = ""};

	ask_end(w, a, &answer);
}

static struct ask *first_waiting(struct wire *w)
{
	struct ask *a = TAILQ_FIRST(&w->waiting);

	if (a != NULL) {
		TAILQ_REMOVE(&w->waiting, a, link);
		w->waiting_n--;
	}
	return a;
}

/* Parts a busy connection and its request; both are in no list then. */
static struct ask *part(struct conn *c)
{
	struct ask *a = c->ask;

	TAILQ_REMOVE(&c->wire->busy, c, link);
	TAILQ_REMOVE(&c->wire->out, a, link);
	c->ask = NULL;
	a->conn = NULL;
	return a;
}

/* Closes a busy connection whose request did not come to an answer. */
static void conn_fail(struct conn *c, const char *wrong)
{
	struct wire *w = c->wire;
	struct ask *a = part(c);

	conn_close(c);
	ask_fail(w, a, wrong);
}

/* ---- sending ---- */

/* False: the connection is dead. */
static bool send_some(struct conn *c)
{
	struct ask *a = c->ask;

	while (a->out_at < a->out.len) {
		long n;

		a->has_begun = true;
		n = dial_send(c->dial, a->out.data + a->out_at, a->out.len - a->out_at);
		if (n < 0)
			return false;
		if (n == DIAL_LATER)
			break;
		a->out_at += (size_t)n;
	}
	return watch(c, a->out_at < a->out.len ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* Gives a, which is in no list, to c, which is in none either. */
static void begin(struct conn *c, struct ask *a)
{
	struct wire *w = c->wire;

	a->conn = c;
	c->ask = a;
	TAILQ_INSERT_TAIL(&w->busy, c, link);
	TAILQ_INSERT_TAIL(&w->out, a, link);
	framing_begin(&a->in, a->answer_max_bytes);
	if (!send_some(c)) {
		c->is_failing = true;
		uv_timer_start(&w->soon, on_soon, 0, 0);
	}
}

static bool may_begin(const struct ask *a)
{
	return a->may_begin == NULL || a->may_begin(a->arg);
}

/* c, which is in no list, has nothing to do: the first that waits, and still may begin, gets it. */
static void conn_rest(struct conn *c)
{
	struct wire *w = c->wire;
	struct ask *a;

	while ((a = first_waiting(w)) != NULL && !may_begin(a))
		ask_fail(w, a, "taken back before any of it left");
	if (a != NULL) {
		begin(c, a);
	} else if (w->is_closing || w->idle_n >= w->kept_max) {
		conn_close(c);
	} else {
		c->idle_since_ms = uv_now(w->loop);
		TAILQ_INSERT_HEAD(&w->idle, c, link);
		w->idle_n++;
	}
}

/* ---- receiving ---- */

/* All of the answer is there; is_whole: and nothing more came. The connection is free before the callback,
 * which may send. */
static void answered(struct conn *c, bool is_whole)
{
	struct wire *w = c->wire;
	struct ask *a = part(c);
	struct http_answer answer = {
	        .status = a->in.status, .body = "", .took_ms = (int64_t)(uv_now(w->loop) - a->asked_ms)};

	captured_read(&a->in.captured, &answer);
	if (a->in.body.len > 0) {
		answer.body = a->in.body.data;
		answer.body_bytes = a->in.body.len;
	}
	if (is_whole && a->in.may_go_on && a->out_at == a->out.len &&
	    (!dial_has_more(c->dial) || has_nothing(c)))
		conn_rest(c);
	else
		conn_close(c);
	ask_end(w, a, &answer);
}

/* Whether c still waits for its answer; else it is not to be touched any more. */
static bool receive(struct conn *c)
{
	static char data[RECEIVE_BYTES];
	struct framing *in = &c->ask->in;
	size_t taken = 0;
	long n;

	do {
		n = dial_receive(c->dial, data, sizeof data);
		if (n == DIAL_LATER)
			return true;
		if (n > 0)
			taken = framing_take(in, data, (size_t)n);
		else if (n == DIAL_ENDED)
			framing_end(in);
		else
			break;
	} while (in->state < FRAMING_DONE);
	if (in->state == FRAMING_DONE)
		answered(c, n > 0 && taken == (size_t)n);
	else
		conn_fail(c, in->state == FRAMING_BROKEN ? in->wrong : died);
	return false;
}

/* The connection is dead; what came before that is still read: an early answer says why the rest was not
 * wanted. */
static void last_words(struct conn *c)
{
	if (receive(c))
		conn_fail(c, died);
}

static void act(struct conn *c, uint32_t events)
{
	bool is_dead = (events & EPOLLERR) != 0;

	if (c->ask == NULL) {
		if (is_dead || !is_silent(c))
			drop_idle(c);
	} else if (is_dead || ((events & EPOLLOUT) != 0 && !send_some(c))) {
		last_words(c);
	} else if ((events & (EPOLLIN | EPOLLHUP)) != 0) {
		receive(c);
	}
}

/* What is left is told again in the next turn. */
static void on_events(uv_poll_t *poll, int status, int events)
{
	struct wire *w = poll->data;
	struct epoll_event all[EVENTS_A_TURN];
	int n = epoll_wait(w->epoll_fd, all, EVENTS_A_TURN, 0);
	struct conn *c;

	(void)status;
	(void)events;
	w->is_acting = true;
	for (int i = 0; i < n; i++) {
		c = all[i].data.ptr;
		if (c->dial != NULL)
			act(c, all[i].events);
	}
	w->is_acting = false;
	while ((c = TAILQ_FIRST(&w->gone)) != NULL) {
		TAILQ_REMOVE(&w->gone, c, link);
		free(c);
	}
}

static void on_soon(uv_timer_t *timer)
{
	struct wire *w = timer->data;
	struct conn *c;

	for (;;) {
		TAILQ_FOREACH (c, &w->busy, link)
			if (c->is_failing)
				break;
		if (c == NULL)
			return;
		last_words(c);
	}
}

/* ---- dialling ---- */

static void on_dialled(void *arg, const char *wrong)
{
	struct conn *c = arg;
	struct wire *w = c->wire;

	TAILQ_REMOVE(&w->dialling, c, link);
	w->dialling_n--;
	if (wrong == NULL && watch(c, EPOLLIN)) {
		conn_rest(c);
		return;
	}
	if (w->waiting_n > w->dialling_n)
		ask_fail(w, first_waiting(w), wrong != NULL ? wrong : "the socket cannot be watched");
	conn_close(c);
}

static bool dial(struct wire *w)
{
	struct conn *c = xcalloc(1, sizeof *c);

	c->wire = w;
	c->dial = dial_new(w->http, on_dialled, c);
	if (c->dial == NULL) {
		free(c);
		return false;
	}
	TAILQ_INSERT_TAIL(&w->dialling, c, link);
	w->dialling_n++;
	return true;
}

/* ---- requests ---- */

static void put_header(struct buf *out, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_puts(out, name);
	buf_puts(out, ": ");
	buf_puts(out, value);
	buf_put(out, "\r\n", 2);
}

static void render(const struct wire *w, const struct http_request *r, struct buf *out)
{
	buf_reset(out);
	buf_puts(out, r->method);
	buf_putc(out, ' ');
	buf_puts(out, r->path);
	buf_puts(out, w->common);
	put_header(out, "Authorization", r->authorization);
	put_header(out, "Content-Type", r->content_type);
	put_header(out, "x-ms-max-item-count", r->max_item_count);
	put_header(out, "x-ms-continuation", r->continuation);
	put_header(out, "Metadata", r->wants_metadata ? "true" : NULL);
	if (strcmp(r->method, "GET") != 0) {
		buf_puts(out, "Content-Length: ");
		buf_dec(out, r->body_bytes);
		buf_put(out, "\r\n", 2);
	}
	buf_put(out, "\r\n", 2);
	if (r->body != NULL)
		buf_put(out, r->body, r->body_bytes);
}

static struct ask *ask_take(struct wire *w)
{
	struct ask *a = TAILQ_FIRST(&w->free_asks);

	if (a == NULL)
		return xcalloc(1, sizeof *a);
	TAILQ_REMOVE(&w->free_asks, a, link);
	return a;
}

/* Gives an idle connection that can be relied on, in no list any more; NULL: there is none. */
static struct conn *take_idle(struct wire *w)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&w->idle)) != NULL) {
		if (uv_now(w->loop) - c->idle_since_ms < IDLE_MAX_MS && is_silent(c)) {
			TAILQ_REMOVE(&w->idle, c, link);
			w->idle_n--;
			return c;
		}
		drop_idle(c);
	}
	return NULL;
}

static struct ask *find_late(const struct asks *asks, uint64_t now_ms)
{
	struct ask *a;

	TAILQ_FOREACH (a, asks, link)
		if (a->deadline_ms <= now_ms)
			break;
	return a;
}

static void on_sweep(uv_timer_t *timer)
{
	struct wire *w = timer->data;
	struct ask *a;

	while ((a = find_late(&w->waiting, uv_now(w->loop))) != NULL) {
		TAILQ_REMOVE(&w->waiting, a, link);
		w->waiting_n--;
		ask_fail(w, a, "timed out before there was a connection");
	}
	while ((a = find_late(&w->out, uv_now(w->loop))) != NULL)
		conn_fail(a->conn, "timed out before all of an answer came");
}

enum err wire_send(struct wire *w, const struct http_request *request, http_answer_cb *on_answer, void *arg)
{
	struct conn *c = take_idle(w);
	struct ask *a;

	if (c == NULL && w->dialling_n <= w->waiting_n && !dial(w))
		return ERR_NOMEM;
	a = ask_take(w);
	a->conn = NULL;
	a->out_at = 0;
	a->has_begun = false;
	a->answer_max_bytes = request->answer_max_bytes;
	a->asked_ms = uv_now(w->loop);
	a->deadline_ms = a->asked_ms + request->timeout_ms;
	a->may_begin = request->may_begin;
	a->on_answer = on_answer;
	a->arg = arg;
	render(w, request, &a->out);
	if (TAILQ_EMPTY(&w->waiting) && TAILQ_EMPTY(&w->out))
		uv_timer_start(&w->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	if (c != NULL) {
		begin(c, a);
	} else {
		TAILQ_INSERT_TAIL(&w->waiting, a, link);
		w->waiting_n++;
	}
	return ERR_OK;
}

/* ---- life ---- */

static void on_uv_closed(uv_handle_t *handle)
{
	on_handle_closed(handle->data);
}

static void timer_init(struct wire *w, uv_timer_t *timer)
{
	uv_timer_init(w->loop, timer);
	timer->data = w;
	w->handles_n++;
}

struct wire *wire_new(uv_loop_t *loop, struct http *h, const char *host, uint32_t kept_max)
{
	struct wire *w = xcalloc(1, sizeof *w);
	struct buf common = BUF_INIT;

	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll_fd < 0 || uv_poll_init(loop, &w->poll, w->epoll_fd) != 0)
		abort(); /* out of descriptors at start */
	w->poll.data = w;
	w->handles_n++;
	w->loop = loop;
	w->http = h;
	w->kept_max = kept_max;
	buf_printf(&common,
	           " HTTP/1.1\r\nHost: %s\r\nUser-Agent: rollcall/" ROLLCALL_VERSION "\r\nAccept: */*\r\n",
	           host);
	w->common = buf_take(&common);
	TAILQ_INIT(&w->dialling);
	TAILQ_INIT(&w->idle);
	TAILQ_INIT(&w->busy);
	TAILQ_INIT(&w->gone);
	TAILQ_INIT(&w->waiting);
	TAILQ_INIT(&w->out);
	TAILQ_INIT(&w->free_asks);
	timer_init(w, &w->sweep);
	timer_init(w, &w->soon);
	return w;
}

void wire_close(struct wire *w, void (*on_closed)(void *arg), void *arg)
{
	static const char cut[] = "cut short: the service is stopping";
	struct conn *c;
	struct ask *a;

	w->is_closing = true;
	w->on_closed = on_closed;
	w->closed_arg = arg;
	while ((a = first_waiting(w)) != NULL)
		ask_fail(w, a, cut);
	while ((c = TAILQ_FIRST(&w->busy)) != NULL)
		conn_fail(c, cut);
	while ((c = TAILQ_FIRST(&w->idle)) != NULL)
		drop_idle(c);
	while ((c = TAILQ_FIRST(&w->dialling)) != NULL) {
		TAILQ_REMOVE(&w->dialling, c, link);
		conn_close(c);
	}
	uv_close((uv_handle_t *)&w->sweep, on_uv_closed);
	uv_close((uv_handle_t *)&w->soon, on_uv_closed);
	uv_close((uv_handle_t *)&w->poll, on_uv_closed);
}
