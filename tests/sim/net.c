/* sim: see net.h */
#include "tests/sim/net.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "server/base/buf.h"
#include "server/base/rng.h"
#include "server/hub/http.h"

struct exchange {
	TAILQ_ENTRY(exchange) link;
	struct http *http;
	http_answer_cb *on_answer;
	void *arg;
	struct http_request request;
	char *path, *continuation, *body;  /* its texts that are needed when it begins */
	int64_t asked_at_ms, begins_at_ms; /* begins_at_ms: TIME_NEVER once it has */
	int64_t deadline_ms;
	bool is_refused, is_out;
};

struct http {
	struct net *net;
};

struct net {
	struct net_options options;
	struct rng rng;
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
	rng_seed(&n->rng, options->seed);
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
	free(x->path);
	free(x->continuation);
	free(x->body);
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

	TAILQ_FOREACH (x, &n->out, link) {
		if (x->deadline_ms < at_ms)
			at_ms = x->deadline_ms;
		if (x->begins_at_ms < at_ms)
			at_ms = x->begins_at_ms;
	}
	return at_ms;
}

/* There is a connection: the request leaves, if it still may. */
static void begin(struct net *n, struct exchange *x)
{
	const struct http_request *from = &x->request;
	struct world_request r = {.method = from->method,
	                          .path = from->path,
	                          .continuation = from->continuation,
	                          .max_item_count = from->max_item_count,
	                          .body = from->body,
	                          .body_bytes = from->body_bytes};
	bool has_waited = n->now_ms > x->asked_at_ms;

	x->begins_at_ms = TIME_NEVER;
	x->is_refused = (has_waited && from->may_begin != NULL && !from->may_begin(x->arg)) ||
	                !n->options.on_request(n->options.arg, from);
	if (x->is_refused) {
		x->deadline_ms = n->now_ms + 1;
		return;
	}
	x->is_out = true;
	world_request(n->options.world, n->now_ms, &r, x);
}

void net_run(struct net *n, int64_t now_ms)
{
	struct exchange *x, *next;

	n->now_ms = now_ms;
	world_run(n->options.world, now_ms, on_answer, n);
	TAILQ_FOREACH (x, &n->out, link)
		if (x->begins_at_ms <= now_ms)
			begin(n, x);
	for (x = TAILQ_FIRST(&n->out); x != NULL; x = next) {
		next = TAILQ_NEXT(x, link);
		if (x->deadline_ms > now_ms)
			continue;
		if (x->is_out)
			world_abandon(n->options.world, x);
		finish(n, x, x->is_out ? &late : &refused);
	}
}

void net_crash(struct net *n)
{
	struct exchange *x;

	while ((x = TAILQ_FIRST(&n->out)) != NULL) {
		if (x->is_out)
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

static char *copy(const char *text)
{
	return text != NULL ? xstrdup(text) : NULL;
}

enum err http_send(struct http *h, const struct http_request *request, http_answer_cb *on_done, void *arg)
{
	struct net *n = h->net;
	struct exchange *x = xcalloc(1, sizeof *x);
	int64_t max_ms = n->options.connect_max_ms;

	x->http = h;
	x->request = *request;
	x->request.path = x->path = xstrdup(request->path);
	x->request.continuation = x->continuation = copy(request->continuation);
	x->request.body = x->body =
	        request->body != NULL ? xstrndup(request->body, request->body_bytes) : NULL;
	x->on_answer = on_done;
	x->arg = arg;
	x->asked_at_ms = n->now_ms;
	x->begins_at_ms = n->now_ms + (max_ms > 0 ? (int64_t)rng_below(&n->rng, (uint64_t)max_ms + 1) : 0);
	x->deadline_ms = n->now_ms + request->timeout_ms;
	TAILQ_INSERT_TAIL(&n->out, x, link);
	if (x->begins_at_ms == n->now_ms)
		begin(n, x);
	return ERR_OK;
}

void http_free(struct http *h, void (*on_freed)(void *arg), void *arg)
{
	free(h);
	on_freed(arg);
}
