/* sim: see net.h */
#include "tests/sim/net.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "server/base/buf.h"
#include "server/hub/http.h"

struct exchange {
	TAILQ_ENTRY(exchange) link;
	struct http *http;
	http_answer_cb *on_answer;
	void *arg;
	int64_t asked_at_ms, deadline_ms;
	bool is_refused;
};

struct http {
	struct net *net;
};

struct net {
	struct net_options options;
	int64_t now_ms;
	TAILQ_HEAD(, exchange) out;
};

static const struct http_answer refused = {.err = ERR_NOT_SENT,
                                           .err_detail = "connection refused",
                                           .date_ms = TIME_NONE,
                                           .retry_after_ms = TIME_NONE};
static const struct http_answer late = {.err = ERR_AMBIGUOUS,
                                        .err_detail = "no answer in time",
                                        .date_ms = TIME_NONE,
                                        .retry_after_ms = TIME_NONE};

struct net *net_new(const struct net_options *options)
{
	struct net *n = xcalloc(1, sizeof *n);

	n->options = *options;
	TAILQ_INIT(&n->out);
	return n;
}

void net_free(struct net *n)
{
	if (n == NULL)
		return;
	net_crash(n);
	free(n);
}

static void finish(struct net *n, struct exchange *x, const struct http_answer *answer)
{
	TAILQ_REMOVE(&n->out, x, link);
	x->on_answer(x->arg, answer);
	free(x);
}

static void on_answer(void *arg, void *ticket, const struct world_answer *a)
{
	struct net *n = arg;
	struct exchange *x = ticket;
	struct http_answer answer = {.err = a->is_cut ? ERR_AMBIGUOUS : ERR_OK,
	                             .err_detail = a->is_cut ? "the connection was cut" : NULL,
	                             .date_ms = TIME_NONE,
	                             .retry_after_ms = TIME_NONE};

	if (!a->is_cut) {
		answer.status = a->status;
		answer.date_ms = a->date_ms - a->date_ms % 1000; /* a Date header has whole seconds */
		answer.retry_after_ms = a->retry_after_s > 0 ? a->retry_after_s * 1000LL : TIME_NONE;
		answer.error_code = a->error_code;
		answer.continuation = a->continuation;
		answer.request_id = a->tracking_id;
		answer.body = a->body;
		answer.body_bytes = a->body_bytes;
		answer.took_ms = n->now_ms - x->asked_at_ms;
	}
	finish(n, x, &answer);
}

int64_t net_next_at(const struct net *n)
{
	int64_t at_ms = world_next_at(n->options.world);
	const struct exchange *x;

	TAILQ_FOREACH (x, &n->out, link)
		if (x->deadline_ms < at_ms)
			at_ms = x->deadline_ms;
	return at_ms;
}

void net_run(struct net *n, int64_t now_ms)
{
	struct exchange *x, *next;

	n->now_ms = now_ms;
	world_run(n->options.world, now_ms, on_answer, n);
	for (x = TAILQ_FIRST(&n->out); x != NULL; x = next) {
		next = TAILQ_NEXT(x, link);
		if (x->deadline_ms > now_ms)
			continue;
		if (!x->is_refused)
			world_abandon(n->options.world, x);
		finish(n, x, x->is_refused ? &refused : &late);
	}
}

void net_crash(struct net *n)
{
	struct exchange *x;

	while ((x = TAILQ_FIRST(&n->out)) != NULL) {
		if (!x->is_refused)
			world_abandon(n->options.world, x);
		finish(n, x, &late);
	}
}

/* ---- http.h ---- */

enum err http_new(const struct http_options *options, struct http **ret)
{
	struct http *h = xcalloc(1, sizeof *h);

	h->net = (struct net *)(void *)options->loop;
	*ret = h;
	return ERR_OK;
}

enum err http_send(struct http *h, const struct http_request *request, http_answer_cb *on_done, void *arg)
{
	struct net *n = h->net;
	struct exchange *x = xcalloc(1, sizeof *x);
	struct world_request r = {.method = request->method,
	                          .path = request->path,
	                          .continuation = request->continuation,
	                          .max_item_count = request->max_item_count,
	                          .body = request->body,
	                          .body_bytes = request->body_bytes};

	x->http = h;
	x->on_answer = on_done;
	x->arg = arg;
	x->is_refused = !n->options.on_request(n->options.arg, request);
	x->asked_at_ms = n->now_ms;
	x->deadline_ms = n->now_ms + (x->is_refused ? 1 : request->timeout_ms);
	TAILQ_INSERT_TAIL(&n->out, x, link);
	if (!x->is_refused)
		world_request(n->options.world, n->now_ms, &r, x);
	return ERR_OK;
}

void http_free(struct http *h, void (*on_freed)(void *arg), void *arg)
{
	free(h);
	on_freed(arg);
}
