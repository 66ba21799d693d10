/* api: the HTTP API (product: HTTP API) over libmicrohttpd, inside the loop. Reading order: routes.c (the
 * table), request.h (what a handler sees), campaigns.c and the other handlers, json.c, problem.h, auth.h,
 * httpd.h. Loop thread only. */
#ifndef ROLLCALL_API_API_H
#define ROLLCALL_API_API_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/err.h"

struct api;
struct conductor;
struct feed;
struct histogram;
struct oidc;
struct store;
struct uv_loop_s;
struct webhooks;

struct api_options {
	struct uv_loop_s *loop; /* keeps */
	const char
	        *address; /* to listen on, name or number; borrows. Loopback only where there are no tokens */
	uint16_t port;    /* 0: any free one, see api_port() */
	int listen_fd; /* a socket that listens there, of the service manager; takes. 0: none; -1: a wrong one
	                */
	const char *tokens_file;                  /* NULL: none; no oidc either: everyone is admin */
	struct oidc *oidc;                        /* whose tokens are taken, too; NULL: nobody's; keeps */
	const char *tls_cert_file, *tls_key_file; /* NULL: plain HTTP */
	struct conductor *conductor;              /* keeps */
	struct store *store;                      /* keeps */
	const struct histogram *loop_lag;         /* keeps */
	struct feed *feed;                        /* keeps */
	struct webhooks *webhooks;                /* keeps; NULL: there are none */
	/* 0: the default */
	uint32_t connections_max; /* 1536; beyond 7/8 of it, idle ones are cut for new ones */
	uint32_t streams_max;     /* 1024 of them: event streams at once */
	uint32_t heartbeat_ms;    /* 15 s: how long a stream is silent at most */
	size_t bodies_max_bytes;  /* 64 MiB: request bodies in memory at once */
	size_t lists_max_bytes;   /* 160 MiB: device lists being received, at once; the largest takes 144 */
	uint32_t head_timeout_ms; /* 30 s: from the last answer to the end of the next head */
	uint32_t body_timeout_ms; /* 120 s: for all of a body */
	uint32_t send_timeout_ms; /* 120 s: for taking all of an answer */
};

/* Reads tokens and certificate, and listens. On failure *ret_reason says why in plain English, all that is
 * wrong with the tokens file, and is yours to free(). */
MUST_CHECK enum err api_start(const struct api_options *options, struct api **ret, char **ret_reason);
uint16_t api_port(const struct api *api);
/* Reads the tokens file again; on failure the tokens stay what they were. */
MUST_CHECK enum err api_reload_tokens(struct api *api, char **ret_reason);
/* The same for the certificate and its key, for connections from now on. */
MUST_CHECK enum err api_reload_certificate(struct api *api, char **ret_reason);
/* Stops accepting, cuts idle connections, lets requests under way end (conductor and store must still answer
 * them), then frees api and calls on_stopped from the loop. */
void api_stop(struct api *api, void (*on_stopped)(void *arg), void *arg);

#endif
