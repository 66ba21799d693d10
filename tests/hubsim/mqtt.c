/* tests/hubsim: see mqtt.h */
#include "tests/hubsim/mqtt.h"

#include <assert.h>
#include <string.h>

/* The part of a packet that is still to be read. Past its end every reader gives nothing and sets failed. */
struct reader {
	const unsigned char *at, *end;
	bool failed;
};

static size_t rest(const struct reader *r)
{
	return (size_t)(r->end - r->at);
}

static uint8_t read_byte(struct reader *r)
{
	if (rest(r) < 1) {
		r->failed = true;
		return 0;
	}
	return *r->at++;
}

static uint16_t read_number(struct reader *r)
{
	unsigned high = read_byte(r);

	return (uint16_t)(high << 8 | read_byte(r));
}

static struct mqtt_part read_bytes(struct reader *r)
{
	size_t len = read_number(r);
	struct mqtt_part part = {(const char *)r->at, len};

	if (r->failed || rest(r) < len) {
		r->failed = true;
		return (struct mqtt_part){NULL, 0};
	}
	r->at += len;
	return part;
}

/* How many bytes the character at s takes, of n; 0: it is no UTF-8 that a text may hold [MQTT-1.5.3]. */
static size_t char_bytes(const unsigned char *s, size_t n)
{
	size_t len = s[0] < 0x80   ? 1
	             : s[0] < 0xc2 ? 0
	             : s[0] < 0xe0 ? 2
	             : s[0] < 0xf0 ? 3
	             : s[0] < 0xf5 ? 4
	                           : 0;

	if (len > n || s[0] == 0)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f) ||
	    (s[0] == 0xed && s[1] > 0x9f))
		return 0; /* too long a form, past U+10FFFF, or half of a surrogate pair */
	return len;
}

static struct mqtt_part read_text(struct reader *r)
{
	struct mqtt_part text = read_bytes(r);
	size_t len;

	for (size_t i = 0; i < text.len; i += len) {
		len = char_bytes((const unsigned char *)text.at + i, text.len - i);
		if (len == 0) {
			r->failed = true;
			return (struct mqtt_part){NULL, 0};
		}
	}
	return text;
}

static bool part_is(struct mqtt_part part, const char *text)
{
	return part.len == strlen(text) && memcmp(part.at, text, part.len) == 0;
}

/* "+" and "#" stand for whole levels, "#" at the end only [MQTT-4.7.1]. */
static bool filter_is_sound(struct mqtt_part filter)
{
	for (size_t i = 0; i < filter.len; i++) {
		bool starts = i == 0 || filter.at[i - 1] == '/', ends = i + 1 == filter.len;

		if (filter.at[i] == '#' && (!starts || !ends))
			return false;
		if (filter.at[i] == '+' && (!starts || (!ends && filter.at[i + 1] != '/')))
			return false;
	}
	return filter.len > 0;
}

static bool topic_is_sound(struct mqtt_part topic)
{
	return topic.len > 0 && memchr(topic.at, '+', topic.len) == NULL &&
	       memchr(topic.at, '#', topic.len) == NULL;
}

static bool read_connect(struct reader *r, struct mqtt_packet *packet)
{
	struct mqtt_connect *c = &packet->connect;
	struct mqtt_part name = read_text(r);
	uint8_t level = read_byte(r), flags;

	if (r->failed)
		return false;
	c->is_3_1_1 = part_is(name, "MQTT") && level == 4;
	if (!c->is_3_1_1)
		return true; /* whose rules the rest follows is not known */
	flags = read_byte(r);
	c->is_clean = (flags & 0x02) != 0;
	c->will_qos = flags >> 3 & 3;
	c->retains_will = (flags & 0x20) != 0;
	if ((flags & 0x01) != 0 || c->will_qos == 3)
		return false;
	if ((flags & 0x04) == 0 && (flags & 0x38) != 0)
		return false; /* qualities of a will that is not there */
	if ((flags & 0x40) != 0 && (flags & 0x80) == 0)
		return false; /* a password without a user name */
	c->keep_alive_s = read_number(r);
	c->client_id = read_text(r);
	if ((flags & 0x04) != 0) {
		c->will_topic = read_text(r);
		c->will = read_bytes(r);
		if (r->failed || !topic_is_sound(c->will_topic))
			return false;
	}
	if ((flags & 0x80) != 0)
		c->username = read_text(r);
	if ((flags & 0x40) != 0)
		c->password = read_bytes(r);
	return !r->failed && rest(r) == 0;
}

static bool read_publish(struct reader *r, uint8_t flags, struct mqtt_packet *packet)
{
	struct mqtt_publish *p = &packet->publish;

	p->is_again = (flags & 0x08) != 0;
	p->qos = flags >> 1 & 3;
	p->is_retained = (flags & 0x01) != 0;
	if (p->qos == 3 || (p->is_again && p->qos == 0))
		return false;
	p->topic = read_text(r);
	if (p->qos > 0)
		packet->id = read_number(r);
	if (r->failed || !topic_is_sound(p->topic) || (p->qos > 0 && packet->id == 0))
		return false;
	p->body = (struct mqtt_part){(const char *)r->at, rest(r)};
	return true;
}

bool mqtt_next_filter(struct mqtt_packet *packet, struct mqtt_part *ret_filter, uint8_t *ret_qos)
{
	const unsigned char *from = (const unsigned char *)packet->filters.at;
	struct reader r = {from, from + packet->filters.len, false};

	if (packet->filters.len == 0)
		return false;
	*ret_filter = read_text(&r);
	*ret_qos = packet->type == MQTT_SUBSCRIBE ? read_byte(&r) : 0;
	if (r.failed || !filter_is_sound(*ret_filter) || *ret_qos > 2)
		return false;
	packet->filters = (struct mqtt_part){(const char *)r.at, rest(&r)};
	return true;
}

static bool read_filters(struct reader *r, struct mqtt_packet *packet)
{
	struct mqtt_packet copy;
	struct mqtt_part filter;
	uint8_t qos;

	packet->id = read_number(r);
	if (r->failed || packet->id == 0 || rest(r) == 0)
		return false;
	packet->filters = (struct mqtt_part){(const char *)r->at, rest(r)};
	copy = *packet;
	while (mqtt_next_filter(&copy, &filter, &qos))
		;
	return copy.filters.len == 0; /* else one of them is not sound */
}

static bool read_id(struct reader *r, struct mqtt_packet *packet)
{
	packet->id = read_number(r);
	return !r->failed && packet->id != 0 && rest(r) == 0;
}

static bool read_packet(struct reader *r, uint8_t first, struct mqtt_packet *packet)
{
	uint8_t flags = first & 15;

	packet->type = (enum mqtt_type)(first >> 4);
	switch (first >> 4) {
	case MQTT_CONNECT:
		return flags == 0 && read_connect(r, packet);
	case MQTT_PUBLISH:
		return read_publish(r, flags, packet);
	case MQTT_PUBACK:
	case MQTT_PUBREC:
	case MQTT_PUBCOMP:
		return flags == 0 && read_id(r, packet);
	case MQTT_PUBREL:
		return flags == 2 && read_id(r, packet);
	case MQTT_SUBSCRIBE:
	case MQTT_UNSUBSCRIBE:
		return flags == 2 && read_filters(r, packet);
	case MQTT_PINGREQ:
	case MQTT_DISCONNECT:
		return flags == 0 && rest(r) == 0;
	default:
		return false;
	}
}

enum mqtt_reading mqtt_read(const char *data, size_t n, size_t bytes_max, struct mqtt_packet *ret_packet,
                            size_t *ret_bytes)
{
	const unsigned char *at = (const unsigned char *)data;
	struct mqtt_packet packet;
	struct reader r;
	size_t length = 0, i = 1;

	do {
		if (i >= n)
			return MQTT_PARTIAL;
		if (i > 4)
			return MQTT_BROKEN; /* the length takes four bytes at most */
		length |= (size_t)(at[i] & 0x7f) << 7 * (i - 1);
	} while ((at[i++] & 0x80) != 0);
	if (i + length > bytes_max)
		return MQTT_BROKEN;
	if (n - i < length)
		return MQTT_PARTIAL;
	memset(&packet, 0, sizeof packet);
	r = (struct reader){at + i, at + i + length, false};
	if (!read_packet(&r, at[0], &packet))
		return MQTT_BROKEN;
	*ret_packet = packet;
	*ret_bytes = i + length;
	return MQTT_WHOLE;
}

bool mqtt_fits(const char *filter, const char *topic)
{
	while (*filter != '\0') {
		size_t filter_len = strcspn(filter, "/"), topic_len = strcspn(topic, "/");

		if (*filter == '#')
			return true;
		if (*filter != '+' && (filter_len != topic_len || memcmp(filter, topic, filter_len) != 0))
			return false;
		filter += filter_len;
		topic += topic_len;
		if (*topic == '\0')
			return *filter == '\0' || strcmp(filter, "/#") == 0; /* "a/#" is good for "a" too */
		if (*filter == '\0')
			return false;
		filter++;
		topic++;
	}
	return *topic == '\0';
}

/* --- Writing -------------------------------------------------------------------------------------------- */

static void put_number(struct buf *out, size_t number)
{
	buf_putc(out, (char)(number >> 8));
	buf_putc(out, (char)number);
}

static void put_length(struct buf *out, size_t length)
{
	assert(length < 1u << 28);
	for (; length >= 128; length >>= 7)
		buf_putc(out, (char)(length | 0x80));
	buf_putc(out, (char)length);
}

void mqtt_put_connack(struct buf *out, bool has_session, enum mqtt_connack code)
{
	const char packet[] = {0x20, 2, has_session && code == MQTT_ACCEPTED, (char)code};

	buf_put(out, packet, sizeof packet);
}

void mqtt_put_publish(struct buf *out, const char *topic, const char *body, size_t body_bytes)
{
	size_t len = strlen(topic);

	assert(len < 65536);
	buf_putc(out, 0x30);
	put_length(out, 2 + len + body_bytes);
	put_number(out, len);
	buf_put(out, topic, len);
	buf_put(out, body, body_bytes);
}

static void put_with_id(struct buf *out, unsigned first, uint16_t id)
{
	buf_putc(out, (char)first);
	buf_putc(out, 2);
	put_number(out, id);
}

void mqtt_put_puback(struct buf *out, uint16_t id)
{
	put_with_id(out, 0x40, id);
}

void mqtt_put_suback(struct buf *out, uint16_t id, const uint8_t *codes, size_t n)
{
	buf_putc(out, (char)0x90);
	put_length(out, 2 + n);
	put_number(out, id);
	buf_put(out, codes, n);
}

void mqtt_put_unsuback(struct buf *out, uint16_t id)
{
	put_with_id(out, 0xb0, id);
}

void mqtt_put_pingresp(struct buf *out)
{
	buf_putc(out, (char)0xd0);
	buf_putc(out, 0);
}
