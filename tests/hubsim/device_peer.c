/* tests/hubsim: see device_peer.h */
#include "tests/hubsim/device_peer.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/x509v3.h>

#include "server/base/clock.h"
#include "tests/hubsim/peer.h"
#include "tests/hubsim/sas.h"
#include "tests/world/world.h"

static void put_u16(struct buf *b, size_t number)
{
	buf_putc(b, (char)(number >> 8));
	buf_putc(b, (char)number);
}

static void put_text(struct buf *b, const char *text)
{
	put_u16(b, strlen(text));
	buf_puts(b, text);
}

static SSL *tls_new(const char *ca_file)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL *ssl;

	ck_assert_int_eq(SSL_CTX_load_verify_locations(context, ca_file, NULL), 1);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	ssl = SSL_new(context);
	SSL_CTX_free(context);
	ck_assert_int_eq(SSL_set1_host(ssl, "localhost"), 1);
	return ssl;
}

static void tls_connect(struct device_peer *d)
{
	ck_assert_int_eq(SSL_set_fd(d->ssl, d->fd), 1);
	ck_assert_int_eq(SSL_connect(d->ssl), 1);
}

void device_dial(struct device_peer *d, const char *id, uint16_t port, const char *ca_file)
{
	*d = (struct device_peer){.fd = peer_dial(port), .id = id};
	if (ca_file == NULL)
		return;
	d->ssl = tls_new(ca_file);
	tls_connect(d);
}

void device_dial_with(struct device_peer *d, const char *id, uint16_t port, const char *ca_file, X509 *cert,
                      EVP_PKEY *key)
{
	*d = (struct device_peer){.fd = peer_dial(port), .id = id, .ssl = tls_new(ca_file)};
	ck_assert_int_eq(SSL_use_certificate(d->ssl, cert), 1);
	ck_assert_int_eq(SSL_use_PrivateKey(d->ssl, key), 1);
	tls_connect(d);
}

static void cert_add(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	ck_assert_ptr_nonnull(extension);
	ck_assert_int_eq(X509_add_ext(cert, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

X509 *device_cert(EVP_PKEY *key, const char *common_name, X509 *issuer, EVP_PKEY *issuer_key, long from_s,
                  long to_s)
{
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);

	ck_assert_int_eq(X509_set_version(cert, X509_VERSION_3), 1);
	ck_assert_int_eq(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1), 1);
	ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notBefore(cert), from_s));
	ck_assert_ptr_nonnull(X509_gmtime_adj(X509_getm_notAfter(cert), to_s));
	ck_assert_int_eq(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
	                                            (const unsigned char *)common_name, -1, -1, 0),
	                 1);
	ck_assert_int_eq(X509_set_issuer_name(cert, issuer != NULL ? X509_get_subject_name(issuer) : name),
	                 1);
	ck_assert_int_eq(X509_set_pubkey(cert, key), 1);
	cert_add(cert, NID_basic_constraints, issuer != NULL ? "critical,CA:FALSE" : "critical,CA:TRUE");
	ck_assert_int_gt(X509_sign(cert, issuer != NULL ? issuer_key : key, EVP_sha256()), 0);
	return cert;
}

void device_close(struct device_peer *d)
{
	SSL_free(d->ssl);
	close(d->fd);
}

void device_say(struct device_peer *d, unsigned first, const void *rest, size_t n)
{
	struct buf b = BUF_INIT;
	size_t length = n;

	buf_putc(&b, (char)first);
	for (; length >= 128; length /= 128)
		buf_putc(&b, (char)(length % 128 + 128));
	buf_putc(&b, (char)length);
	buf_put(&b, rest, n);
	if (d->ssl != NULL)
		ck_assert_int_eq(SSL_write(d->ssl, b.data, (int)b.len), (int)b.len);
	else
		peer_say(d->fd, b.data, b.len);
	buf_done(&b);
}

/* Gives 0 at the end of the connection. */
static size_t hear_bytes(struct device_peer *d, char *at, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t m = d->ssl != NULL ? SSL_read(d->ssl, at + got, (int)(n - got))
		                           : read(d->fd, at + got, n - got);

		if (m == 0 && got == 0)
			return 0;
		ck_assert_msg(m > 0, "nothing came");
		got += (size_t)m;
	}
	return n;
}

unsigned device_hear(struct device_peer *d, struct buf *rest)
{
	char first, byte;
	size_t length = 0, shift = 0;

	ck_assert_msg(hear_bytes(d, &first, 1) == 1, "the hub ended the connection");
	do {
		ck_assert_uint_eq(hear_bytes(d, &byte, 1), 1);
		length |= (size_t)(byte & 127) << shift;
		shift += 7;
	} while ((byte & 128) != 0);
	buf_reset(rest);
	buf_reserve(rest, length);
	if (length > 0)
		ck_assert_uint_eq(hear_bytes(d, rest->data, length), length);
	rest->len = length;
	buf_puts(rest, "");
	return (unsigned char)first;
}

void device_key(const char *id, struct buf *out)
{
	struct world_options options;
	struct world *w;

	world_options_init(&options);
	options.devices_n = 100;
	w = world_new(&options);
	ck_assert_int_eq(world_device_key(w, id, false, out), ERR_OK);
	world_free(w);
}

void device_sign(const char *id, const char *key, int64_t lives_s, struct buf *out)
{
	struct buf resource = BUF_INIT;
	struct sas_key bytes;

	ck_assert(sas_key_read(key, &bytes));
	buf_printf(&resource, "localhost/devices/%s", id);
	sas_write(resource.data, NULL, &bytes, clock_now_ms() / 1000 + lives_s, out);
	buf_done(&resource);
}

void device_token(const char *id, int64_t lives_s, struct buf *out)
{
	struct buf key = BUF_INIT;

	device_key(id, &key);
	device_sign(id, key.data, lives_s, out);
	buf_done(&key);
}

int device_login(struct device_peer *d, const struct login *login)
{
	struct buf b = BUF_INIT, text = BUF_INIT, ack = BUF_INIT;
	int code;

	put_text(&b, "MQTT");
	buf_putc(&b, 4);
	buf_putc(&b, (char)(0xc0 | (login->is_clean ? 2 : 0) | (login->will_topic != NULL ? 0x0c : 0)));
	put_u16(&b, login->keep_alive_s);
	put_text(&b, d->id);
	if (login->will_topic != NULL) {
		put_text(&b, login->will_topic);
		put_text(&b, login->will);
	}
	buf_printf(&text, "localhost/%s/?api-version=2021-04-12&DeviceClientType=test%%2F1", d->id);
	put_text(&b, login->username != NULL ? login->username : text.data);
	buf_reset(&text);
	if (login->password == NULL)
		device_token(d->id, 3600, &text);
	put_text(&b, login->password != NULL ? login->password : text.data);
	device_say(d, 0x10, b.data, b.len);
	ck_assert_uint_eq(device_hear(d, &ack), 0x20);
	ck_assert_uint_eq(ack.len, 2);
	code = ack.data[0] == 1 ? -1 - ack.data[1] : ack.data[1];
	buf_done(&b);
	buf_done(&text);
	buf_done(&ack);
	return code;
}

void device_join(struct device_peer *d, const char *id, uint16_t port, bool has_session)
{
	device_dial(d, id, port, NULL);
	ck_assert_int_eq(device_login(d, &(struct login){.keep_alive_s = 60}), has_session ? -1 : 0);
}

void device_publish(struct device_peer *d, const char *topic, const char *body, unsigned flags)
{
	struct buf b = BUF_INIT;

	put_text(&b, topic);
	if ((flags & 6) != 0)
		put_u16(&b, ++d->packet_id);
	buf_puts(&b, body);
	device_say(d, 0x30 | flags, b.data, b.len);
	buf_done(&b);
}

int device_subscribe(struct device_peer *d, const char *filter, unsigned qos)
{
	struct buf b = BUF_INIT;
	int code;

	put_u16(&b, ++d->packet_id);
	put_text(&b, filter);
	buf_putc(&b, (char)qos);
	device_say(d, 0x82, b.data, b.len);
	ck_assert_uint_eq(device_hear(d, &b), 0x90);
	ck_assert_uint_eq(b.len, 3);
	ck_assert_int_eq(b.data[1], (char)d->packet_id);
	code = (unsigned char)b.data[2];
	buf_done(&b);
	return code;
}

void device_hear_publish(struct device_peer *d, struct buf *topic, struct buf *body)
{
	struct buf rest = BUF_INIT;
	unsigned first = device_hear(d, &rest);
	size_t len;

	ck_assert_msg(first == 0x30, "0x%02x came instead of a PUBLISH", first);
	len = (size_t)(unsigned char)rest.data[0] << 8 | (unsigned char)rest.data[1];
	buf_reset(topic);
	buf_reset(body);
	buf_put(topic, rest.data + 2, len);
	buf_put(body, rest.data + 2 + len, rest.len - 2 - len);
	buf_puts(topic, "");
	buf_puts(body, "");
	buf_done(&rest);
}

void device_expect(struct device_peer *d, const char *topic, const char *body)
{
	struct buf heard_topic = BUF_INIT, heard_body = BUF_INIT;

	device_hear_publish(d, &heard_topic, &heard_body);
	ck_assert_str_eq(heard_topic.data, topic);
	ck_assert_str_eq(heard_body.data, body);
	buf_done(&heard_topic);
	buf_done(&heard_body);
}

void device_expect_nothing(struct device_peer *d)
{
	struct buf rest = BUF_INIT;

	device_say(d, 0xc0, NULL, 0);
	ck_assert_uint_eq(device_hear(d, &rest), 0xd0);
	buf_done(&rest);
}

void device_expect_end(struct device_peer *d)
{
	char byte;

	ck_assert_msg(hear_bytes(d, &byte, 1) == 0, "0x%02x came instead of the end", (unsigned char)byte);
}
