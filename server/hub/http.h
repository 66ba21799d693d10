/* hub/http: HTTPS requests to a hub, many at once, on the loop. The only user of libcurl.
 * Sends every request, with or without a body, at most once (http.c says how libcurl is kept from sending
 * again). There are two clients behind it: libcurl's own HTTP, and wire.h's over connections that libcurl
 * makes. Redirects are not followed, TLS is verified, no proxy is used, whatever the environment names. Loop
 * thread only. A callback never fires inside the call that asked for it, but may itself ask, and free.
 * tests/sim links a double of this header that asks tests/world instead. */
#ifndef ROLLCALL_SERVER_HUB_HTTP_H
#define ROLLCALL_SERVER_HUB_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/err.h"

/* The longest time for name, connection and TLS; counts as a part of a request's own time-out. */
#define HTTP_CONNECT_TIMEOUT_MS 10000

struct http;
struct uv_loop_s;

struct http_options {
	struct uv_loop_s *loop; /* keeps */
	const char *base_url;   /* "https://host" or "http://127.0.0.1:8081", no slash at the end; borrows */
	const char *ca_file;    /* trusted instead of the system's; NULL: the system's; borrows */
	bool is_wired;          /* by wire.h; else by libcurl's own HTTP */
	uint32_t connections_max; /* kept alive; at least the calls in flight, or every call reconnects (perf
	                             B) */
};

#define HTTP_HEADERS_MAX 4
struct http_header {
	const char *name, *value;
};

struct http_request {
	const char *method;                        /* "GET", "POST" or "PUT" */
	const char *path;                          /* "/twins/d-1?api-version=…", percent-encoded already */
	const char *authorization;                 /* value of that header, NULL: none */
	const char *content_type;                  /* never NULL with a body; else NULL: none */
	const char *max_item_count, *continuation; /* x-ms-… headers, NULL: none */
	bool wants_metadata;                       /* "Metadata: true", which IMDS asks for (contract 1.4) */
	const struct http_header *headers;         /* more of them, headers_n */
	size_t headers_n;                          /* up to HTTP_HEADERS_MAX; only where it is not wired */
	const char *body;                          /* NULL: none */
	size_t body_bytes;
	uint32_t timeout_ms;     /* from start to last byte */
	size_t answer_max_bytes; /* a longer answer is cut: ERR_AMBIGUOUS */
	/* Asked with http_send()'s arg when a connection has been had, and no byte has left; where it says
	 * no, none will: NOT_SENT. Not asked where there was a connection at once. NULL: yes. Must not use
	 * the client. */
	bool (*may_begin)(void *arg);
};

struct http_answer {
	/* OK: status and body count. NOT_SENT: no byte of the request left (name, connect, TLS trouble).
	 * AMBIGUOUS: it may have reached the hub. */
	enum err err;
	const char *err_detail; /* plain English, NULL when OK */
	int status;
	int64_t date_ms;          /* the Date header, TIME_NONE: none */
	int64_t retry_after_ms;   /* how long, from the Retry-After header, TIME_NONE: none */
	const char *error_code;   /* iothub-errorcode, NULL: none or empty, as the next two */
	const char *continuation; /* x-ms-continuation */
	const char *request_id;   /* x-ms-request-id */
	const char *body;         /* body_bytes bytes and a NUL */
	size_t body_bytes;
	int64_t took_ms; /* from asking to here, waiting for a connection included */
};

/* answer and all in it are borrowed until the callback returns. */
typedef void http_answer_cb(void *arg, const struct http_answer *answer);

/* Gives a client; ret untouched on failure. ERR_NOT_FOUND: ca_file cannot be read; ERR_INVALID: base_url is
 * not one. */
MUST_CHECK enum err http_new(const struct http_options *options, struct http **ret);
/* Borrows all of request; keeps arg until the callback has been called, which happens exactly once, also for
 * what http_free() cuts short (AMBIGUOUS or NOT_SENT). On failure there is no callback. ERR_CLOSED:
 * http_free() has begun; ERR_INVALID: a control character in path or header. */
MUST_CHECK enum err http_send(struct http *h, const struct http_request *request, http_answer_cb *on_answer,
                              void *arg);
/* Ends what is out, then calls on_freed from the loop; h is gone by then. */
void http_free(struct http *h, void (*on_freed)(void *arg), void *arg);

#endif
