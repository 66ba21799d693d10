/* tests/hubsim: see stream.h
 *
 *   OPEN ──stream_finish()──▶ FINISHING ──all sent──▶ LINGERING ──peer's end or time-out──▶ CLOSED
 *     └──stream_close(), stream_cut()──▶ CLOSED (the memory goes when libuv lets go of it) */
#include "tests/hubsim/stream.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <openssl/err.h>

#include "server/base/buf.h"

#define LINGER_MAX_MS 1000
#define BACKLOG 4096

enum stream_state { STREAM_OPEN, STREAM_FINISHING, STREAM_LINGERING, STREAM_CLOSED };

struct stream {
	uv_tcp_t tcp;
	uv_timer_t linger;
	unsigned handles_open;
	uv_write_t write;
	bool is_writing; /* sending is at libuv until on_written() */
	struct buf sending;
	struct buf unsent; /* follows sending */
	SSL *ssl;          /* NULL: plain; it owns its memory BIOs */
	enum stream_state state;
	const struct stream_events *events;
	void *arg;
};

/* One thread, and nothing is kept in them between two callbacks. */
static char room_read[64 * 1024], room_plain[16 * 1024];

static void on_closed(uv_handle_t *handle)
{
	struct stream *s = handle->data;

	if (--s->handles_open > 0)
		return;
	SSL_free(s->ssl);
	buf_done(&s->sending);
	buf_done(&s->unsent);
	free(s);
}

void stream_close(struct stream *s)
{
	assert(s->state != STREAM_CLOSED);
	s->state = STREAM_CLOSED;
	uv_close((uv_handle_t *)&s->linger, on_closed);
	if (!uv_is_closing((uv_handle_t *)&s->tcp))
		uv_close((uv_handle_t *)&s->tcp, on_closed);
}

void stream_cut(struct stream *s)
{
	/* fails only where the peer has gone already */
	(void)uv_tcp_close_reset(&s->tcp, on_closed);
	stream_close(s);
}

static void end(struct stream *s)
{
	if (s->state == STREAM_OPEN)
		s->events->on_end(s->arg);
	else if (s->state != STREAM_CLOSED)
		stream_close(s);
}

static void on_linger_over(uv_timer_t *timer)
{
	stream_close(timer->data);
}

static void send_end(struct stream *s)
{
	uv_os_fd_t fd;

	s->state = STREAM_LINGERING;
	uv_timer_start(&s->linger, on_linger_over, LINGER_MAX_MS, 0);
	if (uv_fileno((uv_handle_t *)&s->tcp, &fd) == 0)
		(void)shutdown(fd, SHUT_WR); /* fails only where the peer has gone already */
}

static void on_written(uv_write_t *write, int status);

static void write_unsent(struct stream *s)
{
	uv_buf_t part;

	if (s->is_writing || s->unsent.len == 0)
		return;
	s->sending = s->unsent;
	buf_init(&s->unsent);
	part = uv_buf_init(s->sending.data, (unsigned)s->sending.len);
	if (uv_write(&s->write, (uv_stream_t *)&s->tcp, &part, 1, on_written) == 0)
		s->is_writing = true;
	else
		buf_done(&s->sending); /* broken, which the coming read will tell */
}

static void on_written(uv_write_t *write, int status)
{
	struct stream *s = write->data;

	s->is_writing = false;
	buf_done(&s->sending);
	if (s->state == STREAM_CLOSED)
		return;
	if (status < 0) {
		end(s);
		return;
	}
	write_unsent(s);
	if (s->is_writing)
		return;
	if (s->state == STREAM_FINISHING)
		send_end(s);
	else if (s->state == STREAM_OPEN)
		s->events->on_sent(s->arg);
}

static void write_raw(struct stream *s, const char *data, size_t n)
{
	uv_buf_t part = uv_buf_init((char *)(uintptr_t)data, (unsigned)n);
	int sent = 0;

	if (!s->is_writing)
		sent = uv_try_write((uv_stream_t *)&s->tcp, &part, 1);
	if (sent < 0)
		sent = 0; /* full; or broken, which the coming write or read will tell */
	if ((size_t)sent < n) {
		buf_put(&s->unsent, data + sent, n - (size_t)sent);
		write_unsent(s);
	}
}

/* Sends what OpenSSL has to say. */
static void tls_push(struct stream *s)
{
	BIO *out = SSL_get_wbio(s->ssl);
	char *data;
	long n = BIO_get_mem_data(out, &data);

	if (n <= 0)
		return;
	write_raw(s, data, (size_t)n);
	(void)BIO_reset(out);
}

static void tls_feed(struct stream *s, const char *data, int n)
{
	int got;

	BIO_write(SSL_get_rbio(s->ssl), data, n);
	ERR_clear_error();
	while ((got = SSL_read(s->ssl, room_plain, sizeof room_plain)) > 0) {
		s->events->on_data(s->arg, room_plain, (size_t)got);
		if (s->state != STREAM_OPEN)
			return;
	}
	got = SSL_get_error(s->ssl, got);
	tls_push(s);
	if (got != SSL_ERROR_WANT_READ)
		end(s);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_room)
{
	(void)handle;
	(void)suggested;
	*ret_room = uv_buf_init(room_read, sizeof room_read);
}

static void on_read(uv_stream_t *tcp, ssize_t n, const uv_buf_t *room)
{
	struct stream *s = tcp->data;

	if (n < 0)
		end(s);
	else if (n == 0 || s->state != STREAM_OPEN)
		return;
	else if (s->ssl != NULL)
		tls_feed(s, room->base, (int)n);
	else
		s->events->on_data(s->arg, room->base, (size_t)n);
}

static void tls_start(struct stream *s, SSL_CTX *tls)
{
	s->ssl = SSL_new(tls);
	if (s->ssl == NULL)
		abort();
	SSL_set_bio(s->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	SSL_set_accept_state(s->ssl);
}

int stream_listen(uv_loop_t *loop, uv_tcp_t *tcp, const struct sockaddr *address,
                  uv_connection_cb on_connection, uint16_t *ret_port)
{
	struct sockaddr_storage bound;
	int len = sizeof bound, error;

	uv_tcp_init(loop, tcp);
	error = uv_tcp_bind(tcp, address, 0);
	if (error == 0)
		error = uv_listen((uv_stream_t *)tcp, BACKLOG, on_connection);
	if (error == 0)
		error = uv_tcp_getsockname(tcp, (struct sockaddr *)&bound, &len);
	/* the port stands at the same place for both families */
	if (error == 0)
		*ret_port = ntohs(((struct sockaddr_in *)&bound)->sin_port);
	return error;
}

struct stream *stream_accept(uv_stream_t *listener, SSL_CTX *tls, const struct stream_events *events,
                             void *arg)
{
	struct stream *s = xcalloc(1, sizeof *s);

	uv_tcp_init(listener->loop, &s->tcp);
	uv_timer_init(listener->loop, &s->linger);
	s->handles_open = 2;
	s->tcp.data = s->linger.data = s->write.data = s;
	s->events = events;
	s->arg = arg;
	if (uv_accept(listener, (uv_stream_t *)&s->tcp) != 0 ||
	    uv_read_start((uv_stream_t *)&s->tcp, on_room, on_read) != 0) {
		stream_close(s);
		return NULL;
	}
	uv_tcp_nodelay(&s->tcp, 1);
	if (tls != NULL)
		tls_start(s, tls);
	return s;
}

void stream_write(struct stream *s, const char *data, size_t n)
{
	assert(s->state == STREAM_OPEN);
	if (s->ssl == NULL) {
		write_raw(s, data, n);
	} else if (n > 0) {
		/* fails only on a connection that is broken, which the coming read will tell */
		(void)SSL_write(s->ssl, data, (int)n);
		tls_push(s);
	}
}

bool stream_has_unsent(const struct stream *s)
{
	return s->is_writing;
}

const SSL *stream_tls(const struct stream *s)
{
	return s->ssl;
}

void stream_pause(struct stream *s)
{
	uv_read_stop((uv_stream_t *)&s->tcp);
}

void stream_resume(struct stream *s)
{
	/* UV_EALREADY where it was not paused is as good */
	(void)uv_read_start((uv_stream_t *)&s->tcp, on_room, on_read);
}

void stream_finish(struct stream *s)
{
	assert(s->state == STREAM_OPEN);
	if (s->ssl != NULL) {
		(void)SSL_shutdown(s->ssl);
		tls_push(s);
	}
	s->state = STREAM_FINISHING;
	stream_resume(s);
	if (!s->is_writing)
		send_end(s);
}
