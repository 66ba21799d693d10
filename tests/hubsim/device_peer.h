/* device_peer: for tests: a device that speaks MQTT to hubsim byte by byte, with an encoder of its own. What
 * goes wrong fails the test; every wait ends after 20 s. */
#ifndef ROLLCALL_TESTS_HUBSIM_DEVICE_PEER_H
#define ROLLCALL_TESTS_HUBSIM_DEVICE_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "server/base/buf.h"

struct device_peer {
	int fd;
	SSL *ssl; /* NULL: plain */
	const char *id;
	uint16_t packet_id; /* the last one used */
};

/* What a device says of itself. Zeroed: whatever suits id on the default host, for an hour. */
struct login {
	const char *username, *password; /* NULL: as they should be */
	bool is_clean;
	uint16_t keep_alive_s;
	const char *will_topic, *will; /* NULL: none */
};

/* Opens a connection to a door. Keeps id. ca_file NULL: plain; else trusts that certificate only. */
void device_dial(struct device_peer *d, const char *id, uint16_t port, const char *ca_file);
/* The same by TLS, and shows a certificate, which is borrowed. */
void device_dial_with(struct device_peer *d, const char *id, uint16_t port, const char *ca_file, X509 *cert,
                      EVP_PKEY *key);
/* Gives a certificate of that common name for key, good from from_s to to_s seconds from now; signed by the
 * issuer, NULL: by itself, and then it may sign others. Yours to X509_free(). */
X509 *device_cert(EVP_PKEY *key, const char *common_name, X509 *issuer, EVP_PKEY *issuer_key, long from_s,
                  long to_s);
void device_close(struct device_peer *d); /* without DISCONNECT */
/* Sends CONNECT, gives the CONNACK's code, negative where a stored session was found: -1 for code 0 with one.
 */
int device_login(struct device_peer *d, const struct login *login);
/* Both at once, plain, accepted; asserts whether a stored session is found. */
void device_join(struct device_peer *d, const char *id, uint16_t port, bool has_session);
/* A device's key, as a fleet of that seed and size has it by default; base64. */
void device_key(const char *id, struct buf *out);
/* Appends a token as device clients make it, with the device's own key or another. */
void device_sign(const char *id, const char *key, int64_t lives_s, struct buf *out);
void device_token(const char *id, int64_t lives_s, struct buf *out);

/* first: the packet's first byte; rest: what follows its length. */
void device_say(struct device_peer *d, unsigned first, const void *rest, size_t n);
/* flags: of the first byte: 1 retained, 2 QoS 1 with a packet id of its own, whose answer is not waited for,
 * 4 QoS 2. */
void device_publish(struct device_peer *d, const char *topic, const char *body, unsigned flags);
/* Waits for the SUBACK, gives its code. */
int device_subscribe(struct device_peer *d, const char *filter, unsigned qos);
/* Reads one packet: gives its first byte. rest is set anew. */
unsigned device_hear(struct device_peer *d, struct buf *rest);
/* Reads one packet, which must be a PUBLISH of QoS 0. Both are set anew. */
void device_hear_publish(struct device_peer *d, struct buf *topic, struct buf *body);
/* The same, of this topic and body. */
void device_expect(struct device_peer *d, const char *topic, const char *body);
/* Asks PINGREQ and asserts that PINGRESP is the next that comes: nothing else was on its way. */
void device_expect_nothing(struct device_peer *d);
/* Asserts that the hub ends the connection, with nothing before it. */
void device_expect_end(struct device_peer *d);

#endif
