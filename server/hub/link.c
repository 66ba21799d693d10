/* hub: see link.h */
#include "server/base/err.h"

#include "server/hub/link.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "server/hub/dial.h"

#define TEXT_OF(number) #number
#define MAJOR_TEXT(number) "OpenSSL/" TEXT_OF(number) "."

bool link_knows(const char *ssl_version)
{
	static const char ours[] = MAJOR_TEXT(OPENSSL_VERSION_MAJOR);

	return ssl_version != NULL && strncmp(ssl_version, ours, sizeof ours - 1) == 0;
}

/* The first word of the handshake tells which SSL it is: libcurl does not (7.88). */
static void on_message(int is_sent, int version, int type, const void *data, size_t n, SSL *ssl, void *arg)
{
	struct link *l = arg;

	(void)is_sent;
	(void)version;
	(void)type;
	(void)data;
	(void)n;
	l->tls = ssl;
	SSL_set_msg_callback(ssl, NULL);
}

void link_expect(struct link *l, void *context)
{
	SSL_CTX_set_msg_callback(context, on_message);
	SSL_CTX_set_msg_callback_arg(context, l);
	/* All that has come is taken at once, not a record's length first and then its rest. */
	SSL_CTX_set_read_ahead(context, 1);
}

bool link_begin(struct link *l, int fd)
{
	l->fd = fd;
	/* libcurl's own way from TLS to the socket works inside its functions only. */
	return l->tls == NULL || SSL_set_fd(l->tls, fd) == 1;
}

static long heard_of_tls(const struct link *l, int n)
{
	if (n > 0)
		return n;
	switch (SSL_get_error(l->tls, n)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return DIAL_LATER;
	case SSL_ERROR_ZERO_RETURN: /* the peer has said that it is over: not cut short */
		return DIAL_ENDED;
	default:
		return DIAL_FAILED;
	}
}

static long heard(ssize_t n)
{
	if (n >= 0)
		return (long)n;
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? DIAL_LATER : DIAL_FAILED;
}

long link_send(struct link *l, const void *data, size_t n)
{
	if (l->tls == NULL)
		return heard(send(l->fd, data, n, MSG_NOSIGNAL));
	ERR_clear_error();
	return heard_of_tls(l, SSL_write(l->tls, data, n < INT_MAX ? (int)n : INT_MAX));
}

long link_receive(struct link *l, void *data, size_t n)
{
	ssize_t received;

	if (l->tls == NULL) {
		received = recv(l->fd, data, n, 0);
		return received == 0 ? DIAL_ENDED : heard(received);
	}
	ERR_clear_error();
	return heard_of_tls(l, SSL_read(l->tls, data, n < INT_MAX ? (int)n : INT_MAX));
}

bool link_has_more(const struct link *l)
{
	return l->tls != NULL && SSL_has_pending(l->tls) == 1;
}
