/* api: see api.h */
#include "api/api.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "api/auth.h"
#include "api/httpd.h"
#include "api/logins.h"
#include "api/request.h"
#include "api/routes.h"
#include "api/sse.h"
#include "api/tls.h"
#include "server/base/buf.h"
#include "server/base/rng.h"

#define BODY_MAX_BYTES ((size_t)8 << 20)
#define LISTS_MAX_BYTES ((size_t)160 << 20)

struct api {
	struct tls *tls; /* NULL: plain HTTP */
	struct context context;
	void (*on_stopped)(void *arg);
	void *stopped_arg;
};

static uint32_t or_default(uint32_t given, uint32_t otherwise)
{
	return given > 0 ? given : otherwise;
}

enum err api_start(const struct api_options *options, struct api **ret, char **ret_reason)
{
	struct api *api = xcalloc(1, sizeof *api);
	struct httpd_options o = {
	        .loop = options->loop,
	        .address = options->address,
	        .port = options->port,
	        .listen_fd = options->listen_fd,
	        .loopback_only = options->tokens_file == NULL && options->oidc == NULL,
	        .connections_max = or_default(options->connections_max, 1536),
	        .body_max_bytes = BODY_MAX_BYTES,
	        .bodies_max_bytes =
	                options->bodies_max_bytes > 0 ? options->bodies_max_bytes : 8 * BODY_MAX_BYTES,
	        .head_timeout_ms = or_default(options->head_timeout_ms, 30 * 1000),
	        .body_timeout_ms = or_default(options->body_timeout_ms, 120 * 1000),
	        .send_timeout_ms = or_default(options->send_timeout_ms, 120 * 1000),
	        .events = &routes_events,
	        .arg = &api->context,
	};
	uint32_t streams_max = or_default(options->streams_max, 1024);
	uint64_t seed;
	enum err err;

	rng_system(&seed, sizeof seed);
	rng_seed(&api->context.luck, seed);
	api->context.conductor = options->conductor;
	api->context.store = options->store;
	api->context.loop_lag = options->loop_lag;
	api->context.feed = options->feed;
	api->context.webhooks = options->webhooks;
	api->context.lists_max_bytes =
	        options->lists_max_bytes > 0 ? options->lists_max_bytes : LISTS_MAX_BYTES;
	api->context.connections_max = o.connections_max;
	api->context.streams_max = streams_max;
	LIST_INIT(&api->context.creating);
	api->context.logins = logins_new();
	err = auth_load(options->tokens_file, &api->context.auth, ret_reason);
	if (err == ERR_OK && options->oidc != NULL)
		auth_take_oidc(api->context.auth, options->oidc);
	if (err == ERR_OK && options->tls_cert_file != NULL)
		err = tls_load(options->tls_cert_file, options->tls_key_file, &api->tls, ret_reason);
	o.tls = api->tls;
	api->context.is_tls = api->tls != NULL;
	if (err == ERR_OK)
		err = httpd_start(&o, &api->context.httpd, ret_reason);
	if (err != ERR_OK) {
		tls_free(api->tls);
		auth_free(api->context.auth);
		logins_free(api->context.logins);
		free(api);
		return err;
	}
	api->context.sse = sse_new(&api->context, streams_max, or_default(options->heartbeat_ms, 15 * 1000));
	*ret = api;
	return ERR_OK;
}

uint16_t api_port(const struct api *api)
{
	return httpd_port(api->context.httpd);
}

enum err api_reload_tokens(struct api *api, char **ret_reason)
{
	enum err err = auth_reload(api->context.auth, ret_reason);

	if (err == ERR_OK)
		sse_recheck(api->context.sse);
	return err;
}

enum err api_reload_certificate(struct api *api, char **ret_reason)
{
	assert(api->tls != NULL);
	return tls_reload(api->tls, ret_reason);
}

/* No request and no read of the store is left. */
static void on_settled(struct context *context)
{
	struct api *api = (struct api *)((char *)context - offsetof(struct api, context));

	assert(LIST_EMPTY(&api->context.creating));
	sse_free(api->context.sse);
	auth_free(api->context.auth);
	logins_free(api->context.logins);
	tls_free(api->tls);
	api->on_stopped(api->stopped_arg);
	free(api);
}

static void on_httpd_stopped(void *arg)
{
	struct api *api = arg;

	api->context.on_settled = on_settled;
	if (api->context.exports_n == 0)
		on_settled(&api->context);
}

void api_stop(struct api *api, void (*on_stopped)(void *arg), void *arg)
{
	api->on_stopped = on_stopped;
	api->stopped_arg = arg;
	sse_stop(api->context.sse);
	httpd_stop(api->context.httpd, on_httpd_stopped, api);
}
