/* tests/hubsim: see devices.h
 *
 *   FRESH ──CONNECT──▶ JOINING ──world lets it in──▶ JOINED
 *     └── refused, broken ──▶ ENDING ◀── refused ──┴── DISCONNECT, broken, too silent, ended by the hub
 *                               └── devices_turn() ──▶ gone
 *   The peer's end leads to gone from everywhere. */
#include "tests/hubsim/devices.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "server/base/buf.h"
#include "tests/hubsim/mqtt.h"
#include "tests/hubsim/session.h"
#include "tests/hubsim/stream.h"
#include "tests/hubsim/topic.h"
#include "tests/hubsim/x509.h"

#define MESSAGE_BYTES_MAX (256 * 1024) /* contract 8.1 */
#define PACKET_BYTES_MAX (MESSAGE_BYTES_MAX + 64 * 1024 + 16)
#define IDLE_BYTES_MAX 1024 /* of buffers kept by a connection that has nothing to do */
#define KEEP_ALIVE_MAX_S 1177
#define CONNECT_MAX_MS 30000 /* for a CONNECT to come */
#define SWEEP_MS 500

enum device_state { FRESH, JOINING, JOINED, ENDING };

struct connection {
	struct devices *door;
	struct stream *stream;
	enum device_state state;
	struct buf in, out;
	bool is_listed; /* in door->busy */
	TAILQ_ENTRY(connection) all, busy;
	int64_t silent_at_ms; /* when it has been silent for too long */

	/* from CONNECT on */
	char *id; /* client id and device id */
	struct world_link *link;
	struct session *session; /* JOINED */
	bool is_clean;
	int64_t keep_alive_ms;
	int64_t expires_at_s;  /* of its token, if it has one: the hub then cuts it (contract 8.4) */
	char *will_properties; /* NULL: no will */
	size_t will_bytes;
};
TAILQ_HEAD(connections, connection);

struct door {
	uv_tcp_t tcp;
	SSL_CTX *tls;
	struct devices *devices;
	SLIST_ENTRY(door) next;
};

struct devices {
	uv_loop_t *loop;
	struct world *world;
	struct auth *auth;
	const char *host;
	int64_t clock_offset_ms;
	uv_timer_t sweep;
	struct sessions *sessions;
	struct connections all, busy; /* busy: devices_turn() has to look at them */
	SLIST_HEAD(, door) doors;
};

static int64_t now_ms(const struct connection *c)
{
	return (int64_t)uv_now(c->door->loop) + c->door->clock_offset_ms;
}

static void make_busy(struct connection *c)
{
	if (c->is_listed)
		return;
	c->is_listed = true;
	TAILQ_INSERT_TAIL(&c->door->busy, c, busy);
}

/* --- Ends ----------------------------------------------------------------------------------------------- */

static void leave_session(struct connection *c)
{
	if (c->session != NULL && c->is_clean)
		sessions_forget(c->door->sessions, c->id);
	c->session = NULL;
}

/* Contract 8.1. */
static void publish_will(struct connection *c)
{
	if (c->state == JOINED && c->will_properties != NULL)
		world_link_message(c->door->world, now_ms(c), c->link, c->will_properties, c->will_bytes);
	free(c->will_properties);
	c->will_properties = NULL;
}

/* The device is no longer linked: the rest is for devices_turn(). */
static void end(struct connection *c)
{
	if (c->state == ENDING)
		return;
	if (c->link != NULL) {
		publish_will(c);
		world_link_close(c->door->world, now_ms(c), c->link);
		c->link = NULL;
	}
	leave_session(c);
	c->state = ENDING;
	make_busy(c);
}

static void connection_free(struct connection *c)
{
	assert(c->state == ENDING);
	if (c->is_listed)
		TAILQ_REMOVE(&c->door->busy, c, busy);
	TAILQ_REMOVE(&c->door->all, c, all);
	buf_done(&c->in);
	buf_done(&c->out);
	free(c->id);
	free(c->will_properties);
	free(c);
}

/* --- From the world ------------------------------------------------------------------------------------- */

static void refuse(struct connection *c, enum mqtt_connack code)
{
	mqtt_put_connack(&c->out, false, code);
	end(c);
}

static unsigned subscriptions(const struct connection *c)
{
	unsigned bits = 0;

	for (size_t i = 0; i < c->session->n; i++)
		bits |= (unsigned)topic_subscription(c->session->filters[i], c->id);
	return bits;
}

static void subscribe(struct connection *c)
{
	world_link_subscribe(c->door->world, now_ms(c), c->link, subscriptions(c));
}

static void on_opened(void *arg, enum world_link_opening how)
{
	struct connection *c = arg;
	bool is_new;

	if (how == WORLD_LINK_BUSY || how == WORLD_LINK_DENIED) {
		c->link = NULL;
		refuse(c, how == WORLD_LINK_BUSY ? MQTT_UNAVAILABLE : MQTT_NOT_AUTHORIZED);
		return;
	}
	if (c->is_clean || how == WORLD_LINK_OPEN_AFRESH)
		sessions_forget(c->door->sessions, c->id);
	c->session = sessions_get(c->door->sessions, c->id, &is_new);
	c->state = JOINED;
	c->silent_at_ms = now_ms(c) + c->keep_alive_ms;
	mqtt_put_connack(&c->out, !is_new, MQTT_ACCEPTED);
	make_busy(c);
	subscribe(c);
}

static void publish(struct connection *c, const struct buf *topic, const char *body, size_t body_bytes)
{
	if (topic->len > UINT16_MAX || !session_takes(c->session, topic->data))
		return;
	mqtt_put_publish(&c->out, topic->data, body, body_bytes);
	make_busy(c);
}

static void on_method(void *arg, const char *rid, const char *name, const char *payload)
{
	struct buf topic = BUF_INIT;

	buf_printf(&topic, "$iothub/methods/POST/%s/?$rid=%s", name, rid);
	publish(arg, &topic, payload, strlen(payload));
	buf_done(&topic);
}

static void on_desired(void *arg, uint32_t version, const char *patch)
{
	struct buf topic = BUF_INIT;

	buf_printf(&topic, "$iothub/twin/PATCH/properties/desired/?$version=%u", version);
	publish(arg, &topic, patch, strlen(patch));
	buf_done(&topic);
}

static void on_twin(void *arg, const char *rid, int status, uint32_t version, const char *body)
{
	struct buf topic = BUF_INIT;

	buf_printf(&topic, "$iothub/twin/res/%d/?$rid=%s", status, rid);
	if (status == 204)
		buf_printf(&topic, "&$version=%u", version);
	publish(arg, &topic, body, strlen(body));
	buf_done(&topic);
}

static void on_ended(void *arg)
{
	struct connection *c = arg;

	publish_will(c);
	c->link = NULL;
	end(c);
}

/* --- From the device ------------------------------------------------------------------------------------ */

static char *text_of(struct mqtt_part part)
{
	return xstrndup(part.at != NULL ? part.at : "", part.len);
}

/* By the device's key or by a policy's. */
static bool has_token(struct connection *c, struct mqtt_part password)
{
	struct buf keys[2] = {BUF_INIT, BUF_INIT};
	char *token = text_of(password);
	bool ok = true;

	for (size_t i = 0; i < 2; i++)
		ok = ok && world_device_key(c->door->world, c->id, i > 0, &keys[i]) == ERR_OK;
	ok = ok && auth_permits_device(c->door->auth, token, c->id, keys[0].data, keys[1].data, now_ms(c),
	                               &c->expires_at_s);
	buf_done(&keys[0]);
	buf_done(&keys[1]);
	free(token);
	return ok;
}

static bool shows_thumbprint(const struct connection *c)
{
	for (size_t i = 0; i < 2; i++)
		if (x509_has_thumbprint(stream_tls(c->stream),
		                        world_device_thumbprint(c->door->world, c->id, i > 0)))
			return true;
	return false;
}

/* Whether the device may come in, by what it is registered with. */
static bool is_authorized(struct connection *c, struct mqtt_part password)
{
	enum world_login login;

	if (world_device_login(c->door->world, c->id, &login) != ERR_OK)
		return false;
	c->expires_at_s = INT64_MAX;
	switch (login) {
	case WORLD_LOGIN_KEY:
		return has_token(c, password);
	case WORLD_LOGIN_THUMBPRINT:
		return shows_thumbprint(c);
	case WORLD_LOGIN_AUTHORITY:
		return x509_is_vouched_for(stream_tls(c->stream), c->id);
	case WORLD_LOGIN_NONE:
		break;
	}
	return false;
}

/* Notes the will; false where IoT Hub takes no such will. */
static bool note_will(struct connection *c, const struct mqtt_connect *connect)
{
	char *text;
	struct topic topic;
	struct buf properties = BUF_INIT;

	if (connect->will_topic.at == NULL)
		return true;
	text = text_of(connect->will_topic);
	topic_read(text, c->id, &topic);
	if (topic.kind == TOPIC_MESSAGE && connect->will_qos < 2) {
		buf_printf(&properties, "%s%siothub-MessageType=Will", topic.properties,
		           topic.properties[0] != '\0' ? "&" : "");
		c->will_properties = buf_take(&properties);
		c->will_bytes = connect->will.len;
	}
	free(text);
	return c->will_properties != NULL;
}

static void handle_connect(struct connection *c, const struct mqtt_connect *connect)
{
	static const struct world_link_events events = {on_opened, on_method, on_desired, on_twin, on_ended};
	unsigned keep_alive_s = connect->keep_alive_s;
	char *username;
	bool is_sound;

	if (!connect->is_3_1_1) {
		refuse(c, MQTT_BAD_PROTOCOL);
		return;
	}
	c->id = text_of(connect->client_id);
	if (c->id[0] == '\0') {
		refuse(c, MQTT_BAD_CLIENT_ID);
		return;
	}
	username = text_of(connect->username);
	is_sound = topic_login_is_sound(username, c->id, c->door->host);
	free(username);
	if (!is_sound) {
		refuse(c, MQTT_BAD_LOGIN);
	} else if (!is_authorized(c, connect->password)) {
		refuse(c, MQTT_NOT_AUTHORIZED);
	} else if (!note_will(c, connect)) {
		end(c);
	} else {
		if (keep_alive_s == 0 || keep_alive_s > KEEP_ALIVE_MAX_S)
			keep_alive_s = KEEP_ALIVE_MAX_S;
		c->keep_alive_ms = (int64_t)keep_alive_s * 1500;
		c->is_clean = connect->is_clean;
		c->state = JOINING;
		c->link = world_link_open(c->door->world, now_ms(c), c->id, &events, c);
	}
}

static void take_message(struct connection *c, const struct topic *topic, const struct mqtt_publish *p)
{
	struct buf properties = BUF_INIT;

	buf_puts(&properties, topic->properties);
	if (p->is_retained)
		buf_puts(&properties, properties.len > 0 ? "&mqtt-retain=true" : "mqtt-retain=true");
	world_link_message(c->door->world, now_ms(c), c->link, properties.data, p->body.len);
	buf_done(&properties);
}

/* False: the device broke a rule. */
static bool take_publish(struct connection *c, const struct mqtt_publish *p)
{
	struct world *w = c->door->world;
	char *text = text_of(p->topic);
	struct topic topic;
	bool ok = p->qos < 2 && p->body.len <= MESSAGE_BYTES_MAX;

	topic_read(text, c->id, &topic);
	if (ok) {
		switch (topic.kind) {
		case TOPIC_UNKNOWN:
			ok = false;
			break;
		case TOPIC_REPLY:
			ok = world_link_reply(w, now_ms(c), c->link, topic.rid, topic.status, p->body.at,
			                      p->body.len) == ERR_OK;
			break;
		case TOPIC_GET:
			world_link_get(w, now_ms(c), c->link, topic.rid);
			break;
		case TOPIC_REPORT:
			world_link_report(w, now_ms(c), c->link, topic.rid, p->body.at, p->body.len);
			break;
		case TOPIC_MESSAGE:
			take_message(c, &topic, p);
			break;
		}
	}
	free(text);
	return ok;
}

static bool handle_subscribe(struct connection *c, struct mqtt_packet *packet)
{
	struct buf codes = BUF_INIT;
	struct mqtt_part part;
	bool ok = true;
	uint8_t qos;

	while (ok && mqtt_next_filter(packet, &part, &qos)) {
		char *filter = text_of(part);

		ok = topic_subscription(filter, c->id) >= 0;
		if (ok && !session_subscribe(c->session, filter))
			qos = MQTT_REFUSED;
		else if (qos == 2)
			qos = 1; /* contract 8.1 */
		buf_put_u8(&codes, qos);
		free(filter);
	}
	if (ok) {
		mqtt_put_suback(&c->out, packet->id, (const uint8_t *)codes.data, codes.len);
		subscribe(c);
	}
	buf_done(&codes);
	return ok;
}

static bool handle_unsubscribe(struct connection *c, struct mqtt_packet *packet)
{
	struct mqtt_part part;
	uint8_t qos;

	while (mqtt_next_filter(packet, &part, &qos)) {
		char *filter = text_of(part);

		session_unsubscribe(c->session, filter);
		free(filter);
	}
	mqtt_put_unsuback(&c->out, packet->id);
	subscribe(c);
	return true;
}

/* False: the device broke a rule, its connection ends without a reason (contract 8.1). */
static bool handle(struct connection *c, struct mqtt_packet *packet)
{
	if (c->state == FRESH) {
		if (packet->type != MQTT_CONNECT)
			return false;
		handle_connect(c, &packet->connect);
		return true;
	}
	switch (packet->type) {
	case MQTT_PUBLISH:
		if (!take_publish(c, &packet->publish))
			return false;
		if (packet->publish.qos > 0)
			mqtt_put_puback(&c->out, packet->id);
		return true;
	case MQTT_SUBSCRIBE:
		return handle_subscribe(c, packet);
	case MQTT_UNSUBSCRIBE:
		return handle_unsubscribe(c, packet);
	case MQTT_PINGREQ:
		mqtt_put_pingresp(&c->out);
		return true;
	case MQTT_DISCONNECT:
		free(c->will_properties);
		c->will_properties = NULL;
		end(c);
		return true;
	case MQTT_CONNECT: /* a second one */
	case MQTT_PUBACK:  /* for what is sent with QoS 0 only */
	case MQTT_PUBREC:
	case MQTT_PUBREL:
	case MQTT_PUBCOMP:
		break;
	}
	return false;
}

/* Handles the packets that have come whole. Gives whether there was any. */
static bool take_input(struct connection *c)
{
	enum mqtt_reading reading = MQTT_PARTIAL;
	struct mqtt_packet packet;
	size_t at = 0, bytes;

	while ((c->state == FRESH || c->state == JOINED) && at < c->in.len) {
		reading = mqtt_read(c->in.data + at, c->in.len - at, PACKET_BYTES_MAX, &packet, &bytes);
		if (reading != MQTT_WHOLE)
			break;
		at += bytes;
		if (!handle(c, &packet))
			end(c);
		make_busy(c);
	}
	if (reading == MQTT_BROKEN)
		end(c);
	if (at == 0)
		return false;
	c->in.len -= at;
	memmove(c->in.data, c->in.data + at, c->in.len);
	if (c->in.len == 0 && c->in.size > IDLE_BYTES_MAX)
		buf_done(&c->in);
	return true;
}

static void on_data(void *arg, const char *data, size_t n)
{
	struct connection *c = arg;

	if (c->state == ENDING)
		return;
	buf_put(&c->in, data, n);
	if (c->state == JOINED)
		c->silent_at_ms = now_ms(c) + c->keep_alive_ms;
	if (c->state == JOINING && c->in.len > PACKET_BYTES_MAX)
		end(c); /* more than a device has to say before it is let in */
	else
		(void)take_input(c);
}

static void on_sent(void *arg)
{
	(void)arg;
}

static void on_end(void *arg)
{
	struct connection *c = arg;

	end(c);
	stream_close(c->stream);
	connection_free(c);
}

/* --- The server ----------------------------------------------------------------------------------------- */

bool devices_turn(struct devices *d)
{
	struct connection *c;
	bool has_input = false;

	while ((c = TAILQ_FIRST(&d->busy)) != NULL) {
		TAILQ_REMOVE(&d->busy, c, busy);
		c->is_listed = false;
		if (c->out.len > 0)
			stream_write(c->stream, c->out.data, c->out.len);
		if (c->out.size > IDLE_BYTES_MAX)
			buf_done(&c->out);
		buf_reset(&c->out);
		if (c->state == ENDING) {
			stream_finish(c->stream);
			connection_free(c);
		} else if (take_input(c)) { /* came before it was let in */
			has_input = true;
		}
	}
	return has_input;
}

static void on_sweep(uv_timer_t *timer)
{
	struct devices *d = timer->data;
	struct connection *c;

	TAILQ_FOREACH (c, &d->all, all) {
		int64_t now = now_ms(c);

		if (now >= c->silent_at_ms || (c->state == JOINED && now / 1000 >= c->expires_at_s))
			end(c);
	}
}

static void on_connection(uv_stream_t *listener, int status)
{
	static const struct stream_events events = {on_data, on_sent, on_end};
	struct door *door = listener->data;
	struct connection *c;

	if (status < 0)
		return;
	c = xcalloc(1, sizeof *c);
	c->door = door->devices;
	c->silent_at_ms = now_ms(c) + CONNECT_MAX_MS;
	c->stream = stream_accept(listener, door->tls, &events, c);
	if (c->stream == NULL) {
		free(c);
		return;
	}
	TAILQ_INSERT_TAIL(&c->door->all, c, all);
}

struct devices *devices_new(uv_loop_t *loop, struct world *world, struct auth *auth, const char *host,
                            int64_t clock_offset_ms)
{
	struct devices *d = xcalloc(1, sizeof *d);

	d->loop = loop;
	d->world = world;
	d->auth = auth;
	d->host = host;
	d->clock_offset_ms = clock_offset_ms;
	d->sessions = sessions_new();
	TAILQ_INIT(&d->all);
	TAILQ_INIT(&d->busy);
	SLIST_INIT(&d->doors);
	uv_timer_init(loop, &d->sweep);
	d->sweep.data = d;
	return d;
}

static void on_door_closed(uv_handle_t *handle)
{
	free(handle->data);
}

int devices_listen(struct devices *d, const struct sockaddr *address, SSL_CTX *tls, uint16_t *ret_port)
{
	struct door *door = xcalloc(1, sizeof *door);
	int error;

	door->tls = tls;
	door->devices = d;
	door->tcp.data = door;
	error = stream_listen(d->loop, &door->tcp, address, on_connection, ret_port);
	if (error != 0) {
		uv_close((uv_handle_t *)&door->tcp, on_door_closed);
		return error;
	}
	SLIST_INSERT_HEAD(&d->doors, door, next);
	uv_timer_start(&d->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	return 0;
}

void devices_stop(struct devices *d)
{
	struct connection *c;
	struct door *door;

	while ((door = SLIST_FIRST(&d->doors)) != NULL) {
		SLIST_REMOVE_HEAD(&d->doors, next);
		uv_close((uv_handle_t *)&door->tcp, on_door_closed);
	}
	while ((c = TAILQ_FIRST(&d->all)) != NULL) {
		end(c);
		stream_close(c->stream);
		connection_free(c);
	}
	uv_close((uv_handle_t *)&d->sweep, NULL);
}

void devices_free(struct devices *d)
{
	if (d == NULL)
		return;
	sessions_free(d->sessions);
	free(d);
}
