/* server: see issuer.h. Each document is asked for by a client of its own, since the two may be on different
 * hosts.
 *
 *   IDLE ──due──▶ DISCOVERING ──its document──▶ READING ──its keys──▶ IDLE
 *     ▲──did not come: again soon──┘ └──────did not come───────────────┘      */
#include "server/issuer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "api/oidc.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/hub/http.h"
#include "server/hub/hub.h"

#define REFRESH_MS ((int64_t)60 * 60 * 1000)
#define KEEP_MS ((int64_t)24 * 60 * 60 * 1000)
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 60000
#define TIMEOUT_MS 10000
#define DOCUMENT_MAX_BYTES ((size_t)256 << 10)
#define DISCOVERY "/.well-known/openid-configuration"

enum state { IDLE, DISCOVERING, READING };

struct issuer {
	struct issuer_options o;
	char *url, *ca_file;
	enum state state;
	struct http *http;     /* NULL: none is open */
	struct buf keys_url;   /* READING: where they are */
	int64_t asked_mono_ms; /* when it was last begun */
	int64_t due_mono_ms;
	int64_t keys_mono_ms;        /* when they came; TIME_NONE: there are none */
	unsigned failures;           /* in a row */
	bool is_closing;             /* http is */
	void (*on_freed)(void *arg); /* not NULL: ending */
	void *freed_arg;
};

static void failed(struct issuer *i, const char *what, const char *reason)
{
	int64_t wait_ms = RETRY_FIRST_MS << (i->failures < 6 ? i->failures : 6);

	if (i->on_freed != NULL)
		return;
	if (i->failures++ == 0)
		log_warn("the keys of the issuer cannot be had", LS("issuer", i->url), LS("of", what),
		         LS("reason", reason));
	i->state = IDLE;
	i->due_mono_ms = clock_mono_ms() + (wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS);
}

static void on_closed(void *arg);

static void close_http(struct issuer *i)
{
	if (i->is_closing)
		return;
	i->is_closing = true;
	http_free(i->http, on_closed, i);
}

/* The set of keys is there. */
static void take_keys(struct issuer *i, const struct http_answer *answer)
{
	char reason[OIDC_REASON_SIZE];

	if (oidc_set_keys(i->o.oidc, answer->body, answer->body_bytes, reason) != ERR_OK) {
		failed(i, i->keys_url.data, reason);
		return;
	}
	if (i->keys_mono_ms == TIME_NONE || i->failures > 0)
		log_info("the keys of the issuer are there", LS("issuer", i->url));
	i->failures = 0;
	i->keys_mono_ms = clock_mono_ms();
	i->due_mono_ms = i->keys_mono_ms + REFRESH_MS;
	i->state = IDLE;
}

static void on_answer(void *arg, const struct http_answer *answer)
{
	struct issuer *i = arg;
	const char *what = i->state == READING ? i->keys_url.data : DISCOVERY;
	char reason[OIDC_REASON_SIZE] = "status is not 200";

	if (answer->err != ERR_OK) {
		failed(i, what, answer->err_detail);
	} else if (answer->status != 200) {
		failed(i, what, reason);
	} else if (i->state == READING) {
		take_keys(i, answer);
	} else {
		buf_reset(&i->keys_url);
		if (oidc_read_discovery(i->o.oidc, answer->body, answer->body_bytes, &i->keys_url, reason) ==
		    ERR_OK)
			i->state = READING;
		else
			failed(i, what, reason);
	}
	close_http(i);
}

/* Asks for a document; what is wrong with its address is told. */
static void ask(struct issuer *i, const char *url, const char *more)
{
	const char *scheme = strstr(url, "://"), *path = scheme != NULL ? strchr(scheme + 3, '/') : NULL;
	struct buf target = BUF_INIT;
	char *origin = path != NULL ? xstrndup(url, (size_t)(path - url)) : xstrdup(url);
	struct http_options o = {
	        .loop = i->o.loop, .base_url = origin, .ca_file = i->ca_file, .connections_max = 1};
	struct http_request request = {
	        .method = "GET", .timeout_ms = TIMEOUT_MS, .answer_max_bytes = DOCUMENT_MAX_BYTES};
	const char *reason = "";
	enum err err = hub_check_endpoint(origin, &reason);

	buf_printf(&target, "%s%s", path != NULL ? path : more[0] == '\0' ? "/" : "", more);
	request.path = target.data;
	if (err == ERR_OK && (err = http_new(&o, &i->http)) != ERR_OK)
		reason = err == ERR_NOT_FOUND ? "the file of certificates cannot be read" : err_text(err);
	if (err == ERR_OK && (err = http_send(i->http, &request, on_answer, i)) != ERR_OK)
		reason = err_text(err);
	if (err != ERR_OK) {
		failed(i, url, reason);
		if (i->http != NULL)
			close_http(i);
		else
			i->o.on_wake(i->o.arg);
	}
	buf_done(&target);
	free(origin);
}

static void finish(struct issuer *i)
{
	i->on_freed(i->freed_arg);
	buf_done(&i->keys_url);
	free(i->url);
	free(i->ca_file);
	free(i);
}

static void on_closed(void *arg)
{
	struct issuer *i = arg;

	i->http = NULL;
	i->is_closing = false;
	if (i->on_freed != NULL)
		finish(i);
	else if (i->state == READING)
		ask(i, i->keys_url.data, "");
	else
		i->o.on_wake(i->o.arg);
}

/* Told by a token: true where the answer is on its way, or worth asking for. */
static bool on_unknown_key(void *arg)
{
	struct issuer *i = arg;
	int64_t now_mono_ms = clock_mono_ms();

	if (i->state != IDLE || i->keys_mono_ms == TIME_NONE)
		return true;
	if (now_mono_ms - i->asked_mono_ms < ISSUER_FLOOR_MS || i->failures > 0)
		return false;
	i->due_mono_ms = now_mono_ms;
	i->o.on_wake(i->o.arg);
	return true;
}

struct issuer *issuer_new(const struct issuer_options *options)
{
	struct issuer *i = xcalloc(1, sizeof *i);
	size_t len = strlen(options->url);

	i->o = *options;
	/* OpenID Connect Discovery 1.0, 4: a slash at its end goes */
	i->url = xstrndup(options->url, len > 0 && options->url[len - 1] == '/' ? len - 1 : len);
	i->ca_file = options->ca_file != NULL ? xstrdup(options->ca_file) : NULL;
	i->keys_mono_ms = TIME_NONE;
	i->due_mono_ms = clock_mono_ms();
	oidc_on_unknown_key(options->oidc, on_unknown_key, i);
	return i;
}

int64_t issuer_run(struct issuer *i, int64_t now_mono_ms)
{
	if (i->keys_mono_ms != TIME_NONE && now_mono_ms - i->keys_mono_ms >= KEEP_MS) {
		log_error("the keys of the issuer are a day old, and not believed any more",
		          LS("issuer", i->url));
		oidc_forget_keys(i->o.oidc);
		i->keys_mono_ms = TIME_NONE;
	}
	if (i->state != IDLE || i->http != NULL || i->on_freed != NULL)
		return KEEP_MS; /* on_closed() wakes */
	if (now_mono_ms < i->due_mono_ms)
		return i->due_mono_ms - now_mono_ms;
	i->asked_mono_ms = now_mono_ms;
	i->state = DISCOVERING;
	ask(i, i->url, DISCOVERY);
	return KEEP_MS; /* on_closed() wakes */
}

void issuer_free(struct issuer *i, void (*on_freed)(void *arg), void *arg)
{
	i->on_freed = on_freed;
	i->freed_arg = arg;
	oidc_on_unknown_key(i->o.oidc, NULL, NULL);
	if (i->http != NULL)
		close_http(i);
	else
		finish(i);
}
