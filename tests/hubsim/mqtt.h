/* mqtt: MQTT 3.1.1 as a server reads and writes it (OASIS standard, 29 October 2014; "[MQTT-…]" are its
 * statements). Pure and incremental. Strict: what the standard forbids a client is broken, and the connection
 * is to be closed. Knows nothing of IoT Hub. Any thread. */
#ifndef ROLLCALL_TESTS_HUBSIM_MQTT_H
#define ROLLCALL_TESTS_HUBSIM_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"

/* What clients send. */
enum mqtt_type {
	MQTT_CONNECT = 1,
	MQTT_PUBLISH = 3,
	MQTT_PUBACK = 4,
	MQTT_PUBREC = 5,
	MQTT_PUBREL = 6,
	MQTT_PUBCOMP = 7,
	MQTT_SUBSCRIBE = 8,
	MQTT_UNSUBSCRIBE = 10,
	MQTT_PINGREQ = 12,
	MQTT_DISCONNECT = 14
};

/* Bytes of the input, not ended by a NUL. As text: well-formed UTF-8 without U+0000. */
struct mqtt_part {
	const char *at; /* NULL: not there */
	size_t len;
};

struct mqtt_connect {
	bool is_3_1_1; /* false: another protocol, and nothing below is set */
	bool is_clean;
	bool retains_will;
	uint8_t will_qos;
	uint16_t keep_alive_s; /* 0: none */
	struct mqtt_part client_id, will_topic, username;
	struct mqtt_part will, password; /* any bytes */
};

struct mqtt_publish {
	bool is_again, is_retained; /* DUP, RETAIN */
	uint8_t qos;                /* 0 … 2 */
	struct mqtt_part topic;     /* at least one byte, no wildcards */
	struct mqtt_part body;      /* any bytes, at is never NULL */
};

struct mqtt_packet {
	enum mqtt_type type;
	uint16_t id; /* not 0; 0 where the type has none */
	struct mqtt_connect connect;
	struct mqtt_publish publish;
	struct mqtt_part filters; /* SUBSCRIBE, UNSUBSCRIBE: at least one, for mqtt_next_filter() */
};

enum mqtt_reading { MQTT_WHOLE, MQTT_PARTIAL, MQTT_BROKEN };

/* Reads the packet at the start of data. MQTT_WHOLE: *ret_packet points into data, *ret_bytes is its size.
 * MQTT_PARTIAL: more has to come. MQTT_BROKEN: it is no packet that a client may send, or larger than
 * bytes_max. */
enum mqtt_reading mqtt_read(const char *data, size_t n, size_t bytes_max, struct mqtt_packet *ret_packet,
                            size_t *ret_bytes);
/* Takes the next topic filter off packet->filters; false after the last. *ret_qos: 0 for UNSUBSCRIBE. */
bool mqtt_next_filter(struct mqtt_packet *packet, struct mqtt_part *ret_filter, uint8_t *ret_qos);
/* Whether topic fits filter, both sound; $-topics are not hidden from wildcards at the start, as no filter
 * that starts with one gets this far here. */
bool mqtt_fits(const char *filter, const char *topic);

enum mqtt_connack {
	MQTT_ACCEPTED = 0,
	MQTT_BAD_PROTOCOL = 1,
	MQTT_BAD_CLIENT_ID = 2,
	MQTT_UNAVAILABLE = 3,
	MQTT_BAD_LOGIN = 4,
	MQTT_NOT_AUTHORIZED = 5
};

enum { MQTT_REFUSED = 0x80 }; /* a subscription, in SUBACK */

/* Append a packet. */
void mqtt_put_connack(struct buf *out, bool has_session, enum mqtt_connack code);
/* QoS 0. topic must be shorter than 65536 bytes. */
void mqtt_put_publish(struct buf *out, const char *topic, const char *body, size_t body_bytes);
void mqtt_put_puback(struct buf *out, uint16_t id);
void mqtt_put_suback(struct buf *out, uint16_t id, const uint8_t *codes, size_t n);
void mqtt_put_unsuback(struct buf *out, uint16_t id);
void mqtt_put_pingresp(struct buf *out);

#endif
