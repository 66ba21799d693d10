/* http: a small strict HTTP/1.1 server: keep-alive, pipelining, bodies by Content-Length, plain or in TLS.
 * Answers may come at any later time; a caller who leaves before that is noticed, and a connection can be
 * cut, which is why this is not libmicrohttpd. Loop thread only.
 *
 * Requests are handed over as they come in; answers leave with http_turn(), so that what must happen first
 * (the journal) can happen in between. */
#ifndef ROLLCALL_TESTS_HUBSIM_HTTP_H
#define ROLLCALL_TESTS_HUBSIM_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>
#include <uv.h>

/* The headers that matter here; all others are passed over. */
#define HTTP_HEADERS(X) \
	X(AUTHORIZATION, "Authorization") \
	X(CONNECTION, "Connection") \
	X(CONTENT_LENGTH, "Content-Length") \
	X(EXPECT, "Expect") \
	X(HOST, "Host") \
	X(IF_MATCH, "If-Match") \
	X(TRANSFER_ENCODING, "Transfer-Encoding") \
	X(CONTINUATION, "x-ms-continuation") \
	X(MAX_ITEM_COUNT, "x-ms-max-item-count")

enum http_header {
#define X(name, text) HTTP_##name,
	HTTP_HEADERS(X)
#undef X
	        HTTP_HEADERS_N
};

struct http_request {
	const char *method, *target;        /* target: path and query as sent */
	const char *header[HTTP_HEADERS_N]; /* NULL: not sent */
	const char *body;                   /* NULL: none */
	size_t body_bytes;
};

struct http;
struct http_exchange; /* one request that waits for its answer */

struct http_events {
	/* Borrows r until return. x is to be answered or cut, now or later, unless on_gone names it first. */
	void (*on_request)(void *arg, struct http_exchange *x, const struct http_request *r);
	/* The caller went away: x is no more. */
	void (*on_gone)(void *arg, struct http_exchange *x);
};

/* Keeps loop, events and arg. Bodies larger than body_bytes_max get 413. */
struct http *http_new(uv_loop_t *loop, size_t body_bytes_max, const struct http_events *events, void *arg);
/* Opens one more door. Keeps tls (NULL: plain). Gives 0 and the real port, or a libuv error. */
int http_listen(struct http *h, const struct sockaddr *address, SSL_CTX *tls, uint16_t *ret_port);
/* Takes x. headers: whole lines, each ended by CRLF, without Content-Length and Connection; status 204 has no
 * body. closes: the connection ends with this answer. */
void http_answer(struct http_exchange *x, int status, const char *headers, const char *body,
                 size_t body_bytes, bool closes);
/* Takes x: its connection ends by a TCP reset, without an answer. */
void http_cut(struct http_exchange *x);
/* Sends all answers and hands over the requests that waited behind them: gives whether there were any. */
bool http_turn(struct http *h);
/* Shuts the doors; ends all connections once what was answered is sent. No callback comes any more. The loop
 * runs empty when all are gone; only then comes http_free(). */
void http_stop(struct http *h);
void http_free(struct http *h);

#endif
