/* api/httpd: HTTP/1.1 by libmicrohttpd, its epoll descriptor inside the libuv loop (the only user of both in
 * api). Knows neither routes nor JSON. Every state of a connection but "the handler works" has a deadline, so
 * slow and half-open clients are cut; the memory of bodies is limited, each and all together. Loop thread
 * only. */
#ifndef ROLLCALL_API_HTTPD_H
#define ROLLCALL_API_HTTPD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/err.h"

struct tls;
struct uv_loop_s;
struct httpd;
struct exchange; /* one request and its answer */

/* How the body ended: complete; larger than body_max_bytes or what httpd_want_parts() said; more than
 * bodies_max_bytes at once over all requests. */
enum httpd_body { HTTPD_BODY_WHOLE, HTTPD_BODY_TOO_LARGE, HTTPD_BODY_NO_ROOM };

struct httpd_events {
	/* The head is in. Gives what the request is called from now on. May reply at once: then what comes of
	 * the body is dropped. */
	void *(*on_head)(void *arg, struct exchange *x);
	/* Some more of a body that httpd_want_parts() was called for; borrowed. May reply: then what comes of
	 * the rest is dropped. */
	void (*on_part)(void *request, const char *data, size_t n);
	/* Nothing more will come of a request that has no reply yet. WHOLE: leads to exactly one
	 * httpd_reply(), now or later; else replies at once. */
	void (*on_body)(void *request, enum httpd_body how);
	/* Of an answer by httpd_stream(): all that was put is on its way. May put more or end it, now or
	 * later.
	 */
	void (*on_room)(void *request);
	/* The exchange is over, answered or not; nothing of it may be touched any more. */
	void (*on_end)(void *request);
	/* What httpd_call_in() asked for. */
	void (*on_time)(void *arg);
};

struct httpd_options {
	struct uv_loop_s *loop; /* keeps */
	const char *address;    /* name or number; borrows */
	uint16_t port;          /* 0: any free one */
	int listen_fd;      /* a socket that listens there; takes. 0: none, one is made; -1: a wrong one */
	bool loopback_only; /* refuse to listen where others could reach us */
	struct tls *tls;    /* NULL: plain HTTP; keeps */
	uint32_t connections_max;
	size_t body_max_bytes, bodies_max_bytes;
	uint32_t head_timeout_ms;          /* from the connection or the last answer to the end of the head */
	uint32_t body_timeout_ms;          /* from there to the end of the body */
	uint32_t send_timeout_ms;          /* for taking the answer; of a stream, some KiB of it */
	const struct httpd_events *events; /* keeps */
	void *arg;                         /* of on_head and on_time */
};

/* Listens. ERR_LOCKED (address in use), ERR_DENIED, ERR_INVALID or ERR_IO with a plain English *ret_reason,
 * yours to free(). */
MUST_CHECK enum err httpd_start(const struct httpd_options *options, struct httpd **ret, char **ret_reason);
uint16_t httpd_port(const struct httpd *h);
/* Connections that are open. */
uint32_t httpd_connections_n(const struct httpd *h);
/* Stops accepting, cuts idle connections, lets requests under way end, then frees h and calls on_stopped from
 * the loop. */
void httpd_stop(struct httpd *h, void (*on_stopped)(void *arg), void *arg);

/* What came; borrowed until on_end. */
const char *httpd_method(const struct exchange *x);
const char *httpd_target(const struct exchange *x); /* as sent: path and query, nothing decoded */
/* Where it came from, a number; "" where the system does not tell. */
#define HTTPD_ADDRESS_SIZE 64
const char *httpd_address(const struct exchange *x, char out[HTTPD_ADDRESS_SIZE]);
bool httpd_is_http_1_0(const struct exchange *x);
/* NULL where absent; the first where repeated. */
const char *httpd_header(const struct exchange *x, const char *name);
unsigned httpd_header_n(const struct exchange *x, const char *name);
/* In on_head(): the body, up to max_bytes, is not kept but given to on_part() as it comes. */
void httpd_want_parts(struct exchange *x, size_t max_bytes);
/* Borrowed until httpd_body_drop(), which gives its memory back early. */
const char *httpd_body(const struct exchange *x, size_t *ret_len);
void httpd_body_drop(struct exchange *x);

struct httpd_header {
	const char *name;
	char *value;
};
/* Answers. Takes body, borrows headers. Once per exchange, inside an event or later. */
void httpd_reply(struct exchange *x, unsigned status, const struct httpd_header *headers, size_t headers_n,
                 struct buf *body);

/* ---- answers that come piece by piece, of no known length ---- */

/* Begins one; as httpd_reply(). on_room() asks for the first piece. The client is told the end by
 * httpd_stream_end(), and by httpd_stream_break() that it is not whole. A client that takes nothing for
 * send_timeout_ms is cut off; one that closes is noticed at once, one that vanishes some time after something
 * was put. */
void httpd_stream(struct exchange *x, unsigned status, const struct httpd_header *headers, size_t headers_n);
/* Inside on_room() or later, but not in an event of another exchange. Copies. */
void httpd_stream_put(struct exchange *x, const char *data, size_t n);
void httpd_stream_end(struct exchange *x);
void httpd_stream_break(struct exchange *x);
/* In on_end(): the connection was cut by a deadline. */
bool httpd_was_cut(const struct exchange *x);
/* Calls on_time() once in so many ms, instead of when it was last asked for. */
void httpd_call_in(struct httpd *h, uint32_t ms);

#endif
