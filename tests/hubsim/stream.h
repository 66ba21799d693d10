/* stream: bytes to and from one peer over TCP, plain or in TLS. What is written is sent at once as far as the
 * peer takes it, the rest when it can. Loop thread only; callbacks come from the loop only, and none once the
 * stream has been ended, which may be done inside any of them. */
#ifndef ROLLCALL_TESTS_HUBSIM_STREAM_H
#define ROLLCALL_TESTS_HUBSIM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>
#include <uv.h>

struct stream;

struct stream_events {
	void (*on_data)(void *arg, const char *data, size_t n);
	/* What stream_has_unsent() told of has been sent. */
	void (*on_sent)(void *arg);
	/* The peer closed or the connection broke. The receiver calls stream_close(). */
	void (*on_end)(void *arg);
};

/* Opens a door at address; tcp is uninitialised but for its data. Gives 0 and the real port, or a libuv
 * error: then too tcp is to be closed. */
int stream_listen(uv_loop_t *loop, uv_tcp_t *tcp, const struct sockaddr *address,
                  uv_connection_cb on_connection, uint16_t *ret_port);
/* Takes the connection that waits at listener; NULL where that fails. Borrows tls (NULL: plain), keeps events
 * and arg. */
struct stream *stream_accept(uv_stream_t *listener, SSL_CTX *tls, const struct stream_events *events,
                             void *arg);
void stream_write(struct stream *s, const char *data, size_t n);
bool stream_has_unsent(const struct stream *s);
/* The peer's side of TLS, lent; NULL: plain. */
const SSL *stream_tls(const struct stream *s);
/* Stops reading, so that the peer has to wait; what has been read already still comes. While paused nobody
 * notices the peer's end. */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);

/* Three ends; each takes s. */
/* Sends what is unsent, then an end of stream, and for a while takes in and forgets what the peer still
 * sends: an answer to a request that was not read whole arrives. */
void stream_finish(struct stream *s);
/* Closes now; what is unsent may be lost. */
void stream_close(struct stream *s);
/* Closes by a TCP reset. */
void stream_cut(struct stream *s);

#endif
