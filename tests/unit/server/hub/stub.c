/* tests: see stub.h */
#include "tests/unit/server/hub/stub.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "server/base/buf.h"

#define CONNECTIONS_MAX 1024

struct stub_conn {
	struct stub *stub;
	pthread_t thread;
	int fd;
	SSL *ssl;
	unsigned no;
};

struct stub {
	struct stub_options options;
	int listener;
	char url[64];
	pthread_t acceptor;
	pthread_mutex_t lock; /* of a connection's fd against its closing */
	struct stub_conn conns[CONNECTIONS_MAX];
	atomic_uint connections, closed, requests;
};

struct stub_identity {
	SSL_CTX *ctx;
	char ca_file[64];
};

/* --- bytes --- */

static ssize_t take(struct stub_conn *c, char *out, size_t n)
{
	return c->ssl != NULL ? SSL_read(c->ssl, out, (int)n) : recv(c->fd, out, n, 0);
}

static void put(struct stub_conn *c, const char *data, size_t n)
{
	while (n > 0) {
		ssize_t sent =
		        c->ssl != NULL ? SSL_write(c->ssl, data, (int)n) : send(c->fd, data, n, MSG_NOSIGNAL);

		if (sent <= 0)
			return;
		data += sent;
		n -= (size_t)sent;
	}
}

void stub_say(struct stub_conn *c, const char *text)
{
	put(c, text, strlen(text));
}

void stub_say_as_two(struct stub_conn *c, const char *first, const char *second)
{
	int is_held = 1;

	setsockopt(c->fd, IPPROTO_TCP, TCP_CORK, &is_held, sizeof is_held);
	stub_say(c, first);
	stub_say(c, second);
	is_held = 0;
	setsockopt(c->fd, IPPROTO_TCP, TCP_CORK, &is_held, sizeof is_held);
}

void stub_say_byte_by_byte(struct stub_conn *c, const char *text)
{
	while (*text != '\0')
		put(c, text++, 1);
}

void stub_answer(struct stub_conn *c, const char *status, const char *headers, const char *body)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(body), body);
	put(c, b.data, b.len);
	buf_done(&b);
}

void stub_wait_closed(struct stub_conn *c)
{
	char rest[4096];

	while (take(c, rest, sizeof rest) > 0)
		;
}

/* --- connections --- */

static size_t body_length(const char *head)
{
	const char *at = strcasestr(head, "\r\nContent-Length:");

	return at != NULL ? strtoul(at + strlen("\r\nContent-Length:"), NULL, 10) : 0;
}

/* Reads until in holds n bytes; false at the end. */
static bool fill(struct stub_conn *c, struct buf *in, size_t n)
{
	while (in->len < n) {
		ssize_t got = take(c, buf_reserve(in, 65536), 65536);

		if (got <= 0)
			return false;
		in->len += (size_t)got;
		in->data[in->len] = '\0';
	}
	return true;
}

/* Gives whether the connection stays open. */
static bool serve_one(struct stub_conn *c, struct buf *in, unsigned nth)
{
	const struct stub_options *o = &c->stub->options;
	struct stub_request r = {.connection = c->no, .nth = nth};
	struct pollfd readable = {c->fd, POLLIN, 0};
	char *end, *head;
	size_t head_bytes;
	bool stays;

	if (nth == o->cut_before) {
		poll(&readable, 1, -1);
		return false;
	}
	while ((end = in->data != NULL ? strstr(in->data, "\r\n\r\n") : NULL) == NULL)
		if (!fill(c, in, in->len + 1))
			return false;
	head_bytes = (size_t)(end + 4 - in->data);
	atomic_fetch_add(&c->stub->requests, 1);
	head = strndup(in->data, head_bytes);
	r.body_bytes = o->is_early ? 0 : body_length(head);
	stays = fill(c, in, head_bytes + r.body_bytes);
	if (stays) {
		r.head = head;
		r.body = in->data + head_bytes;
		stays = o->on_request(c, &r, o->arg);
		memmove(in->data, in->data + head_bytes + r.body_bytes,
		        in->len - head_bytes - r.body_bytes + 1);
		in->len -= head_bytes + r.body_bytes;
	}
	free(head);
	return stays;
}

static void *serve(void *arg)
{
	struct stub_conn *c = arg;
	struct buf in = BUF_INIT;
	bool stays = c->ssl == NULL || SSL_accept(c->ssl) == 1;

	for (unsigned nth = 1; stays; nth++)
		stays = serve_one(c, &in, nth);
	buf_done(&in);
	if (c->ssl != NULL) {
		SSL_shutdown(c->ssl);
		SSL_free(c->ssl);
	}
	pthread_mutex_lock(&c->stub->lock);
	close(c->fd);
	c->fd = -1;
	pthread_mutex_unlock(&c->stub->lock);
	atomic_fetch_add(&c->stub->closed, 1);
	return NULL;
}

static void *accept_all(void *arg)
{
	struct stub *s = arg;
	int fd, yes = 1;

	while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
		unsigned no = atomic_load(&s->connections);
		struct stub_conn *c = &s->conns[no];

		assert(no < CONNECTIONS_MAX);
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
		*c = (struct stub_conn){.stub = s, .fd = fd, .no = no + 1};
		if (s->options.identity != NULL) {
			c->ssl = SSL_new(s->options.identity->ctx);
			SSL_set_fd(c->ssl, fd);
		}
		atomic_fetch_add(&s->connections, 1);
		pthread_create(&c->thread, NULL, serve, c);
	}
	return NULL;
}

struct stub *stub_new(const struct stub_options *options)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof address;
	struct stub *s = xcalloc(1, sizeof *s);

	s->options = *options;
	pthread_mutex_init(&s->lock, NULL);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(s->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
	    listen(s->listener, 1024) != 0 || getsockname(s->listener, (struct sockaddr *)&address, &n) != 0)
		abort();
	snprintf(s->url, sizeof s->url, "%s://127.0.0.1:%u", options->identity != NULL ? "https" : "http",
	         ntohs(address.sin_port));
	pthread_create(&s->acceptor, NULL, accept_all, s);
	return s;
}

void stub_free(struct stub *s)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->acceptor, NULL);
	close(s->listener);
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < atomic_load(&s->connections); i++)
		if (s->conns[i].fd >= 0)
			shutdown(s->conns[i].fd, SHUT_RDWR);
	pthread_mutex_unlock(&s->lock);
	for (unsigned i = 0; i < atomic_load(&s->connections); i++)
		pthread_join(s->conns[i].thread, NULL);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

const char *stub_url(const struct stub *s)
{
	return s->url;
}

unsigned stub_connections(struct stub *s)
{
	return atomic_load(&s->connections);
}

unsigned stub_closed(struct stub *s)
{
	return atomic_load(&s->closed);
}

unsigned stub_requests(struct stub *s)
{
	return atomic_load(&s->requests);
}

/* --- certificates --- */

static void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *extension;
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (extension == NULL || X509_add_ext(cert, extension, -1) != 1)
		abort();
	X509_EXTENSION_free(extension);
}

/* Not signed yet. */
static X509 *cert_new(const char *common_name, long serial, EVP_PKEY *key, X509 *issuer)
{
	X509 *cert = X509_new();

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
	                           (const unsigned char *)common_name, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(issuer != NULL ? issuer : cert));
	X509_set_pubkey(cert, key);
	return cert;
}

struct stub_identity *stub_identity_new(const char *names)
{
	struct stub_identity *i = xcalloc(1, sizeof *i);
	EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
	X509 *ca = cert_new("stub ca", 1, ca_key, NULL), *cert = cert_new("stub", 2, key, ca);
	FILE *out;
	int fd;

	extend(ca, ca, NID_basic_constraints, "critical,CA:TRUE");
	extend(cert, ca, NID_subject_alt_name, names);
	if (X509_sign(ca, ca_key, EVP_sha256()) <= 0 || X509_sign(cert, ca_key, EVP_sha256()) <= 0)
		abort();
	i->ctx = SSL_CTX_new(TLS_server_method());
	if (SSL_CTX_use_certificate(i->ctx, cert) != 1 || SSL_CTX_use_PrivateKey(i->ctx, key) != 1)
		abort();
	strcpy(i->ca_file, "/tmp/stub-ca-XXXXXX");
	fd = mkstemp(i->ca_file);
	out = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (out == NULL || PEM_write_X509(out, ca) != 1 || fclose(out) != 0)
		abort();
	X509_free(cert);
	X509_free(ca);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
	return i;
}

const char *stub_identity_ca_file(const struct stub_identity *i)
{
	return i->ca_file;
}

void stub_identity_free(struct stub_identity *i)
{
	unlink(i->ca_file);
	SSL_CTX_free(i->ctx);
	free(i);
}
