/* stub: an HTTP server on loopback that says, byte by byte, what a test wants it to say. One thread a
 * connection. */
#ifndef ROLLCALL_TESTS_UNIT_SERVER_HUB_STUB_H
#define ROLLCALL_TESTS_UNIT_SERVER_HUB_STUB_H

#include <stdbool.h>
#include <stddef.h>

struct stub;
struct stub_conn;
struct stub_identity;

struct stub_request {
	const char *head; /* request line and headers */
	const char *body;
	size_t body_bytes;
	unsigned connection, nth; /* the nth request of which connection, both from 1 */
};

/* Runs on the connection's thread. Gives whether the connection stays open. */
typedef bool stub_cb(struct stub_conn *c, const struct stub_request *r, void *arg);

struct stub_options {
	stub_cb *on_request;
	void *arg;
	const struct stub_identity *identity; /* NULL: no TLS; keeps */
	unsigned cut_before;                  /* resets a connection once its nth request is there, unread */
	bool is_early;                        /* calls on_request before it reads the body */
};

struct stub *stub_new(const struct stub_options *options);
void stub_free(struct stub *s);
/* "http://127.0.0.1:port" or "https://…"; borrowed. */
const char *stub_url(const struct stub *s);
unsigned stub_connections(struct stub *s); /* accepted so far */
unsigned stub_closed(struct stub *s);      /* of these, closed by the stub or its peer */
unsigned stub_requests(struct stub *s);    /* heads read, counted before on_request */

void stub_say(struct stub_conn *c, const char *text);
/* Two records of TLS in one segment. */
void stub_say_as_two(struct stub_conn *c, const char *first, const char *second);
void stub_say_byte_by_byte(struct stub_conn *c, const char *text);
/* "HTTP/1.1 <status>", headers (each with its CRLF), Content-Length, body. */
void stub_answer(struct stub_conn *c, const char *status, const char *headers, const char *body);
/* Returns when the peer has closed the connection. */
void stub_wait_closed(struct stub_conn *c);

/* A certificate for names ("IP:127.0.0.1"), by a CA of its own whose certificate is in a file. */
struct stub_identity *stub_identity_new(const char *names);
const char *stub_identity_ca_file(const struct stub_identity *i);
void stub_identity_free(struct stub_identity *i);

#endif
