/* hub: see hub.h. This file: the hub itself and what its REST families share (rest.h). */
#include "server/hub/hub.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/hub/connection.h"
#include "server/hub/entra.h"
#include "server/hub/keyring.h"
#include "server/hub/percent.h"
#include "server/hub/rest.h"
#include "server/hub/token.h"

/* Twin reads and queries go over the same connections as the calls. */
#define CONNECTIONS_EXTRA 16
/* On top of the hub's own waiting: connecting, and the shaping delay that precedes a 429 (contract 7.3). */
#define MARGIN_MS (HTTP_CONNECT_TIMEOUT_MS + 10000)
/* Of a query: 100 twins, or 100 answers of up to 128 KB (contract 2.2). */
#define PAGE_BYTES_MAX (32 * 1024 * 1024)
#define PAGE_TIMEOUT_MS 60000

struct hub {
	char *name;
	struct http *http;
	struct http *authority; /* NULL: no access tokens */
	struct token *token;
	void (*on_freed)(void *arg);
	void *on_freed_arg;
};

enum err hub_check_connection_string(const char *text, const char **ret_reason)
{
	struct keyring keys;
	enum err err = keyring_init(&keys, text, NULL, ret_reason);

	if (err == ERR_OK)
		keyring_done(&keys);
	return err;
}

enum err hub_check_endpoint(const char *url, const char **ret_reason)
{
	return connection_check_endpoint(url, ret_reason);
}

uint32_t hub_call_timeout_ms(uint32_t response_timeout_s, uint32_t connect_timeout_s)
{
	return (response_timeout_s + connect_timeout_s) * 1000 + MARGIN_MS;
}

static enum err client_new(const struct hub_options *options, const char *host, struct http **ret)
{
	struct buf url = BUF_INIT;
	enum err err;

	buf_puts(&url, options->endpoint == NULL ? "https://" : "");
	buf_puts(&url, options->endpoint == NULL ? host : options->endpoint);
	if (url.data[url.len - 1] == '/')
		url.data[--url.len] = '\0';
	err = http_new(&(struct http_options){.loop = options->loop,
	                                      .base_url = url.data,
	                                      .ca_file = options->ca_file,
	                                      .is_wired = true,
	                                      .connections_max = options->inflight_max + CONNECTIONS_EXTRA},
	               ret);
	buf_done(&url);
	return err;
}

static enum err credential_by_key(struct hub *h, const struct hub_options *options)
{
	struct keyring keys;
	const char *reason;
	enum err err =
	        keyring_init(&keys, options->connection_string, options->connection_string_file, &reason);

	if (err != ERR_OK)
		return err;
	err = client_new(options, keyring_current(&keys)->host, &h->http);
	if (err == ERR_OK)
		h->token = token_new(&keys);
	else
		keyring_done(&keys);
	return err;
}

static void on_nothing(void *arg)
{
	(void)arg;
}

static enum err credential_by_entra(struct hub *h, const struct hub_options *options)
{
	struct http_options o = {.loop = options->loop,
	                         .base_url = options->entra->authority,
	                         .ca_file = options->ca_file,
	                         .connections_max = 1};
	enum err err = http_new(&o, &h->authority);

	if (err != ERR_OK)
		return err;
	err = client_new(options, options->host, &h->http);
	if (err == ERR_OK)
		h->token = token_new_entra(options->entra, h->authority, clock_now_ms());
	else
		http_free(h->authority, on_nothing, NULL);
	return err;
}

enum err hub_new(const struct hub_options *options, struct hub **ret)
{
	struct hub *h;
	const char *reason;
	enum err err;

	if (options->endpoint != NULL) {
		err = connection_check_endpoint(options->endpoint, &reason);
		if (err != ERR_OK)
			return err;
	}
	h = xcalloc(1, sizeof *h);
	err = options->entra != NULL ? credential_by_entra(h, options) : credential_by_key(h, options);
	if (err == ERR_OK) {
		h->name = xstrdup(options->name);
		*ret = h;
	} else {
		free(h);
	}
	return err;
}

const char *hub_name(const struct hub *h)
{
	return h->name;
}

const char *hub_credential_error(const struct hub *h)
{
	return token_error(h->token);
}

void hub_renew_credential(struct hub *h)
{
	token_renew(h->token);
}

static void on_http_freed(void *arg)
{
	struct hub *h = arg;
	void (*on_freed)(void *arg) = h->on_freed;
	void *on_freed_arg = h->on_freed_arg;

	token_free(h->token);
	free(h->name);
	free(h);
	on_freed(on_freed_arg);
}

static void on_authority_freed(void *arg)
{
	struct hub *h = arg;

	http_free(h->http, on_http_freed, h);
}

void hub_free(struct hub *h, void (*on_freed)(void *arg), void *arg)
{
	h->on_freed = on_freed;
	h->on_freed_arg = arg;
	if (h->authority != NULL)
		http_free(h->authority, on_authority_freed, h);
	else
		http_free(h->http, on_http_freed, h);
}

/* --- rest.h --- */

struct exchange *rest_exchange(struct hub *h, const char *device_id, const struct watch *watch,
                               hub_answer_cb *on_answer, void *arg)
{
	struct exchange *x = xmalloc(sizeof *x);

	*x = (struct exchange){.hub = h,
	                       .device_id = device_id != NULL ? xstrdup(device_id) : NULL,
	                       .watch = watch,
	                       .on_answer = on_answer,
	                       .arg = arg};
	return x;
}

static void exchange_free(struct exchange *x)
{
	free(x->device_id);
	free(x);
}

enum err rest_put_twin_path(const char *device_id, struct buf *out)
{
	/* Encoded or not, "." and ".." are steps in a path, not names. */
	if (*device_id == '\0' || strcmp(device_id, ".") == 0 || strcmp(device_id, "..") == 0)
		return ERR_INVALID;
	buf_puts(out, "/twins/");
	percent_encode(device_id, out);
	return ERR_OK;
}

enum err rest_send(struct exchange *x, struct http_request *request, http_answer_cb *on_http_answer)
{
	enum err err;

	request->authorization = token_value(x->hub->token, clock_now_ms());
	x->token_no = token_no(x->hub->token);
	if (x->hub->on_freed != NULL)
		err = ERR_CLOSED;
	else
		err = request->authorization != NULL ? http_send(x->hub->http, request, on_http_answer, x)
		                                     : ERR_NO_TOKEN;
	if (err != ERR_OK)
		exchange_free(x);
	return err;
}

enum err rest_send_query(struct exchange *x, const struct buf *query, const char *continuation,
                         http_answer_cb *on_http_answer)
{
	return rest_send(x,
	                 &(struct http_request){.method = "POST",
	                                        .path = "/devices/query" REST_API_VERSION,
	                                        .content_type = "application/json; charset=utf-8",
	                                        .max_item_count = "100",
	                                        .continuation = continuation,
	                                        .body = query->data,
	                                        .body_bytes = query->len,
	                                        .timeout_ms = PAGE_TIMEOUT_MS,
	                                        .answer_max_bytes = PAGE_BYTES_MAX},
	                 on_http_answer);
}

bool rest_may_begin(void *arg)
{
	const struct exchange *x = arg;

	return x->may_begin == NULL || x->may_begin(x->arg);
}

void rest_read(struct exchange *x, const struct http_answer *http, rest_outcome_fn *outcome_of,
               struct hub_answer *ret)
{
	*ret = (struct hub_answer){.http_status = http->status,
	                           .hub_at_ms = http->date_ms,
	                           .retry_after_ms = http->retry_after_ms,
	                           .took_ms = http->took_ms,
	                           .answer_bytes = http->body_bytes};
	hub_error_read(http, &ret->error);
	ret->outcome = outcome_of(http, &ret->error);
	ret->detail = http->err != ERR_OK ? http->err_detail : ret->error.message;
	if (http->err == ERR_OK && http->status == 401)
		token_refused(x->hub->token, x->token_no);
}

void rest_misread(struct hub_answer *a, enum hub_outcome outcome, const char *detail)
{
	a->outcome = outcome;
	a->detail = detail;
}

void rest_finish(struct exchange *x, const struct hub_answer *a)
{
	x->on_answer(x->arg, a);
	exchange_free(x);
}
