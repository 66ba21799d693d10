/* tests: hubsim's MQTT decoder under libFuzzer: what is whole lies inside its own bytes, is not whole without
 * the last of them, and means the same when written again; topics, sessions and filters take whatever it lets
 * through. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/hubsim/mqtt.h"
#include "tests/hubsim/session.h"
#include "tests/hubsim/topic.h"

#define BYTES_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void assert_inside(struct mqtt_part part, const char *from, size_t n)
{
	assert(part.at == NULL ? part.len == 0 : part.at >= from && part.at + part.len <= from + n);
}

static char *text_of(struct mqtt_part part)
{
	char *text = xstrndup(part.at != NULL ? part.at : "", part.len);

	assert(strlen(text) == part.len); /* a text holds no NUL */
	return text;
}

static void try_publish(const struct mqtt_publish *p)
{
	struct mqtt_packet again;
	struct buf out = BUF_INIT;
	char *text = text_of(p->topic);
	struct topic topic;
	size_t bytes;

	topic_read(text, "d1", &topic);
	assert(topic.kind != TOPIC_MESSAGE ||
	       (topic.properties >= text && topic.properties <= text + strlen(text)));
	mqtt_put_publish(&out, text, p->body.at, p->body.len);
	assert(mqtt_read(out.data, out.len, SIZE_MAX, &again, &bytes) == MQTT_WHOLE && bytes == out.len);
	assert(again.publish.topic.len == p->topic.len && again.publish.body.len == p->body.len);
	assert(memcmp(again.publish.body.at, p->body.at, p->body.len) == 0);
	buf_done(&out);
	free(text);
}

static void try_filters(struct mqtt_packet *packet, struct session *session)
{
	struct mqtt_part part;
	uint8_t qos;
	size_t n = 0;

	for (; mqtt_next_filter(packet, &part, &qos); n++) {
		char *filter = text_of(part);

		assert(part.len > 0 && qos <= 2);
		if (topic_subscription(filter, "d1") >= 0 && packet->type == MQTT_SUBSCRIBE)
			assert(session_subscribe(session, filter) || session->n == SESSION_FILTERS_MAX);
		if (packet->type == MQTT_UNSUBSCRIBE)
			session_unsubscribe(session, filter);
		if (strpbrk(filter, "+#") == NULL)
			assert(mqtt_fits(filter, filter));
		free(filter);
	}
	assert(n > 0 && packet->filters.len == 0);
	(void)session_takes(session, "$iothub/methods/POST/reboot/?$rid=1");
}

static void try_connect(const struct mqtt_connect *c)
{
	char *id = text_of(c->client_id), *username = text_of(c->username), *topic = text_of(c->will_topic);

	(void)topic_login_is_sound(username, id, "hub.example");
	assert(c->will_topic.at != NULL || (c->will_qos == 0 && !c->retains_will));
	free(id);
	free(username);
	free(topic);
}

static void try_packet(struct mqtt_packet *p, const char *at, size_t bytes, struct session *session)
{
	const struct mqtt_part parts[] = {
	        p->connect.client_id, p->connect.will_topic, p->connect.username, p->connect.will,
	        p->connect.password,  p->publish.topic,      p->publish.body,     p->filters};

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		assert_inside(parts[i], at, bytes);
	if (p->type == MQTT_CONNECT && p->connect.is_3_1_1)
		try_connect(&p->connect);
	else if (p->type == MQTT_PUBLISH)
		try_publish(&p->publish);
	else if (p->type == MQTT_SUBSCRIBE || p->type == MQTT_UNSUBSCRIBE)
		try_filters(p, session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct sessions *sessions = sessions_new();
	bool is_new;
	struct session *session = sessions_get(sessions, "d1", &is_new);
	char *copy = xmalloc(n); /* of this very size, so that a step beyond it is seen */
	struct mqtt_packet packet;
	size_t at = 0, bytes, less;

	if (n > 0)
		memcpy(copy, data, n);
	while (at < n && mqtt_read(copy + at, n - at, BYTES_MAX, &packet, &bytes) == MQTT_WHOLE) {
		assert(bytes >= 2 && bytes <= n - at && bytes <= BYTES_MAX);
		try_packet(&packet, copy + at, bytes, session);
		assert(mqtt_read(copy + at, bytes - 1, BYTES_MAX, &packet, &less) == MQTT_PARTIAL);
		assert(mqtt_read(copy + at, bytes, bytes - 1, &packet, &less) == MQTT_BROKEN);
		at += bytes;
	}
	free(copy);
	sessions_free(sessions);
	return 0;
}
