/* tests: the MQTT codec, sessions, and what topics and user names mean */
#include "tests/lib/suite.h"

#include <stdlib.h>
#include <string.h>

#include "tests/hubsim/mqtt.h"
#include "tests/hubsim/session.h"
#include "tests/hubsim/topic.h"
#include "tests/world/world.h"

/* Bytes of a literal, NULs included. */
#define BYTES(text) (text), sizeof(text) - 1

static enum mqtt_reading read_all(const char *data, size_t n, struct mqtt_packet *packet)
{
	size_t bytes = 0;
	enum mqtt_reading reading = mqtt_read(data, n, 1 << 20, packet, &bytes);

	if (reading == MQTT_WHOLE)
		ck_assert_uint_eq(bytes, n);
	return reading;
}

static void assert_part(struct mqtt_part part, const char *text)
{
	ck_assert_uint_eq(part.len, strlen(text));
	ck_assert(memcmp(part.at, text, part.len) == 0);
}

START_TEST(test_a_connect_is_read_whole)
{
	struct mqtt_packet p;

	ck_assert_int_eq(
	        read_all(BYTES("\x10\x22\0\4MQTT\4\xee\0\x3c\0\2d1\0\3w/x\0\2hi\0\4user\0\3\1\0\2"), &p),
	        MQTT_WHOLE);
	ck_assert_int_eq(p.type, MQTT_CONNECT);
	ck_assert(p.connect.is_3_1_1 && p.connect.is_clean && p.connect.retains_will);
	ck_assert_uint_eq(p.connect.will_qos, 1);
	ck_assert_uint_eq(p.connect.keep_alive_s, 60);
	assert_part(p.connect.client_id, "d1");
	assert_part(p.connect.will_topic, "w/x");
	assert_part(p.connect.will, "hi");
	assert_part(p.connect.username, "user");
	ck_assert_uint_eq(p.connect.password.len, 3);
	ck_assert_int_eq(read_all(BYTES("\x10\x0e\0\4MQTT\4\2\0\0\0\2d1"), &p), MQTT_WHOLE);
	ck_assert_ptr_null(p.connect.username.at);
	ck_assert_ptr_null(p.connect.will_topic.at);
}
END_TEST

START_TEST(test_another_protocol_is_known_as_such_whatever_follows)
{
	struct mqtt_packet p;

	ck_assert_int_eq(read_all(BYTES("\x10\x10\0\6MQIsdp\3\2\0\0\0\2d1"), &p), MQTT_WHOLE);
	ck_assert(!p.connect.is_3_1_1);
	ck_assert_int_eq(read_all(BYTES("\x10\x0f\0\4MQTT\5\2\0\0\0\0\2d1"), &p), MQTT_WHOLE);
	ck_assert(!p.connect.is_3_1_1);
}
END_TEST

START_TEST(test_a_packet_that_comes_byte_by_byte_is_partial_until_its_last)
{
	static const char packet[] = "\x32\x0c\0\3a/b\0\7{\"x\":1}";
	struct mqtt_packet p;
	size_t bytes;

	for (size_t n = 0; n < 14; n++)
		ck_assert_int_eq(mqtt_read(packet, n, 100, &p, &bytes), MQTT_PARTIAL);
	ck_assert_int_eq(mqtt_read(packet, 14, 100, &p, &bytes), MQTT_WHOLE);
	ck_assert_uint_eq(bytes, 14);
	ck_assert_uint_eq(p.id, 7);
	ck_assert_uint_eq(p.publish.qos, 1);
	assert_part(p.publish.topic, "a/b");
	assert_part(p.publish.body, "{\"x\":");
}
END_TEST

START_TEST(test_a_packet_too_large_is_broken_before_it_has_come)
{
	struct mqtt_packet p;
	size_t bytes;

	ck_assert_int_eq(mqtt_read(BYTES("\x30\x80\x80\x80\x01"), 1000, &p, &bytes), MQTT_BROKEN);
	ck_assert_int_eq(mqtt_read(BYTES("\x30\x80\x80\x80\x80\x01"), SIZE_MAX, &p, &bytes), MQTT_BROKEN);
	ck_assert_int_eq(mqtt_read(BYTES("\x30\xff\xff\xff"), SIZE_MAX, &p, &bytes), MQTT_PARTIAL);
}
END_TEST

START_TEST(test_what_the_standard_forbids_is_broken)
{
	static const struct {
		const char *packet;
		size_t n;
	} rows[] = {
	        {BYTES("\x00\0")},                                     /* no type */
	        {BYTES("\xf0\0")},                                     /* no type of this version */
	        {BYTES("\x20\2\0\0")},                                 /* CONNACK is the server's */
	        {BYTES("\x11\x0e\0\4MQTT\4\2\0\0\0\2d1")},             /* CONNECT has no flags */
	        {BYTES("\x10\x0e\0\4MQTT\4\3\0\0\0\2d1")},             /* reserved connect flag */
	        {BYTES("\x10\x0e\0\4MQTT\4\x0a\0\0\0\2d1")},           /* QoS of no will */
	        {BYTES("\x10\x0e\0\4MQTT\4\x22\0\0\0\2d1")},           /* retained no will */
	        {BYTES("\x10\x14\0\4MQTT\4\x1e\0\0\0\2d1\0\1w\0\1w")}, /* will QoS 3 */
	        {BYTES("\x10\x11\0\4MQTT\4\x42\0\0\0\2d1\0\1p")},      /* password without user name */
	        {BYTES("\x10\x0f\0\4MQTT\4\2\0\0\0\2d1x")},            /* bytes too many */
	        {BYTES("\x10\x0e\0\4MQTT\4\2\0\0\0\3d1")},             /* bytes too few */
	        {BYTES("\x10\x0e\0\4MQTT\4\2\0\0\0\2d\0")},            /* U+0000 */
	        {BYTES("\x10\x0e\0\4MQTT\4\2\0\0\0\2\xc3\x28")},       /* no UTF-8 */
	        {BYTES("\x10\x0f\0\4MQTT\4\2\0\0\0\3\xed\xa0\x80")},   /* half a pair */
	        {BYTES("\x10\x0e\0\4MQTT\4\2\0\0\0\2\xc0\x80")},       /* a longer form than needed */
	        {BYTES("\x30\2\0\0")},                                 /* no topic */
	        {BYTES("\x30\5\0\3a/#")},                              /* a wildcard to publish to */
	        {BYTES("\x30\5\0\3a/+")},
	        {BYTES("\x38\3\0\1a")},               /* again, with QoS 0 */
	        {BYTES("\x36\5\0\1a\0\1")},           /* QoS 3 */
	        {BYTES("\x32\5\0\1a\0\0")},           /* packet id 0 */
	        {BYTES("\x32\3\0\1a")},               /* no packet id */
	        {BYTES("\x80\6\0\1\0\1a\0")},         /* SUBSCRIBE without its flags */
	        {BYTES("\x82\2\0\1")},                /* no filter */
	        {BYTES("\x82\6\0\0\0\1a\0")},         /* packet id 0 */
	        {BYTES("\x82\6\0\1\0\1a\3")},         /* QoS 3 */
	        {BYTES("\x82\5\0\1\0\1a")},           /* no QoS */
	        {BYTES("\x82\x0a\0\1\0\1a\0\0\1#x")}, /* the second filter has none */
	        {BYTES("\x82\7\0\1\0\2a#\0")},        /* "#" is no whole level */
	        {BYTES("\x82\x08\0\1\0\3#/a\0")},     /* "#" is not the last */
	        {BYTES("\x82\7\0\1\0\2+a\0")},        /* "+" is no whole level */
	        {BYTES("\x82\5\0\1\0\0\0")},          /* an empty filter */
	        {BYTES("\xa2\2\0\1")},                /* UNSUBSCRIBE of nothing */
	        {BYTES("\x60\2\0\1")},                /* PUBREL without its flags */
	        {BYTES("\x40\3\0\1x")},               /* a longer PUBACK */
	        {BYTES("\xc0\1x")},                   /* a longer PINGREQ */
	        {BYTES("\xe1\0")},                    /* DISCONNECT with flags */
	};
	struct mqtt_packet p;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		ck_assert_msg(read_all(rows[i].packet, rows[i].n, &p) == MQTT_BROKEN, "row %zu is taken", i);
}
END_TEST

START_TEST(test_filters_come_one_by_one)
{
	struct mqtt_packet p;
	struct mqtt_part filter;
	uint8_t qos;

	ck_assert_int_eq(read_all(BYTES("\x82\x0d\0\1\0\3a/#\1\0\2+/\2"), &p), MQTT_WHOLE);
	ck_assert_uint_eq(p.id, 1);
	ck_assert(mqtt_next_filter(&p, &filter, &qos));
	assert_part(filter, "a/#");
	ck_assert_uint_eq(qos, 1);
	ck_assert(mqtt_next_filter(&p, &filter, &qos));
	assert_part(filter, "+/");
	ck_assert_uint_eq(qos, 2);
	ck_assert(!mqtt_next_filter(&p, &filter, &qos));
	ck_assert_int_eq(read_all(BYTES("\xa2\x05\0\2\0\1#"), &p), MQTT_WHOLE);
	ck_assert(mqtt_next_filter(&p, &filter, &qos));
	assert_part(filter, "#");
	ck_assert_uint_eq(qos, 0);
	ck_assert(!mqtt_next_filter(&p, &filter, &qos));
}
END_TEST

START_TEST(test_answers_are_written_as_the_standard_says)
{
	struct buf out = BUF_INIT;
	char body[200];

	mqtt_put_connack(&out, true, MQTT_ACCEPTED);
	mqtt_put_connack(&out, true, MQTT_NOT_AUTHORIZED); /* which has no session */
	mqtt_put_puback(&out, 0x0102);
	mqtt_put_suback(&out, 3, (const uint8_t *)"\0\1\x80", 3);
	mqtt_put_unsuback(&out, 4);
	mqtt_put_pingresp(&out);
	mqtt_put_publish(&out, "t", "null", 4);
	ck_assert_uint_eq(out.len, 4 + 4 + 4 + 7 + 4 + 2 + 9);
	ck_assert(memcmp(out.data,
	                 "\x20\2\1\0\x20\2\0\5\x40\2\1\2\x90\5\0\3\0\1\x80\xb0\2\0\4\xd0\0\x30\7\0\1tnull",
	                 out.len) == 0);
	buf_reset(&out);
	memset(body, 'x', sizeof body);
	mqtt_put_publish(&out, "t", body, sizeof body);
	ck_assert(memcmp(out.data, "\x30\xcb\1\0\1t", 6) == 0);
	buf_done(&out);
}
END_TEST

START_TEST(test_a_filter_fits_by_levels)
{
	static const struct {
		const char *filter, *topic;
		bool fits;
	} rows[] = {
	        {"a/#", "a/b/c", true},
	        {"a/#", "a", true},
	        {"a/#", "ab", false},
	        {"a/+", "a/b", true},
	        {"a/+", "a/", true},
	        {"a/+", "a", false},
	        {"a/+", "a/b/c", false},
	        {"a/+/c", "a/b/c", true},
	        {"a/+/c", "a//c", true},
	        {"a/b", "a/b", true},
	        {"a/b", "a/bc", false},
	        {"a/b/", "a/b", false},
	        {"a/b", "a/b/", false},
	        {"+/b", "a/b", true},
	        {"#", "a/b", true},
	        {"$iothub/methods/POST/#", "$iothub/methods/POST/reboot/?$rid=1", true},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		ck_assert_msg(mqtt_fits(rows[i].filter, rows[i].topic) == rows[i].fits, "%s %s",
		              rows[i].filter, rows[i].topic);
}
END_TEST

START_TEST(test_a_session_keeps_five_filters_each_once)
{
	static const char *const filters[] = {"a/#", "b/#", "c/#", "d/#", "e/#"};
	struct sessions *s = sessions_new();
	struct session *session;
	bool is_new;

	session = sessions_get(s, "d1", &is_new);
	ck_assert(is_new);
	for (size_t i = 0; i < 5; i++)
		ck_assert(session_subscribe(session, filters[i]));
	ck_assert(session_subscribe(session, "c/#"));
	ck_assert_uint_eq(session->n, 5);
	ck_assert(!session_subscribe(session, "f/#"));
	session_unsubscribe(session, "f/#");
	session_unsubscribe(session, "a/#");
	ck_assert(session_subscribe(session, "f/#"));
	ck_assert(session_takes(session, "f/x") && !session_takes(session, "a/x"));
	ck_assert_ptr_eq(sessions_get(s, "d1", &is_new), session);
	ck_assert(!is_new);
	sessions_forget(s, "d2");
	sessions_forget(s, "d1");
	ck_assert_uint_eq(sessions_get(s, "d1", &is_new)->n, 0);
	ck_assert(is_new);
	sessions_free(s);
}
END_TEST

START_TEST(test_topics_of_a_device_are_told_apart)
{
	static const struct {
		const char *text;
		enum topic_kind kind;
		int status;
		const char *rid, *properties;
	} rows[] = {
	        {"$iothub/methods/res/200/?$rid=1f", TOPIC_REPLY, 200, "1f", NULL},
	        {"$iothub/methods/res/-7/?x=1&$rid=a-b&y", TOPIC_REPLY, -7, "a-b", NULL},
	        {"$iothub/methods/res/200/?$rid=", TOPIC_UNKNOWN, 0, NULL, NULL},
	        {"$iothub/methods/res/200", TOPIC_UNKNOWN, 0, NULL, NULL},
	        {"$iothub/methods/res/ok/?$rid=1", TOPIC_UNKNOWN, 0, NULL, NULL},
	        {"$iothub/methods/res/9999999999/?$rid=1", TOPIC_UNKNOWN, 0, NULL, NULL},
	        {"$iothub/twin/GET/?$rid=u-1", TOPIC_GET, 0, "u-1", NULL},
	        {"$iothub/twin/GET", TOPIC_UNKNOWN, 0, NULL, NULL},
	        {"$iothub/twin/PATCH/properties/reported/?$rid=2", TOPIC_REPORT, 0, "2", NULL},
	        {"$iothub/twin/PATCH/properties/desired/?$rid=2", TOPIC_UNKNOWN, 0, NULL, NULL},
	        {"devices/d1/messages/events/", TOPIC_MESSAGE, 0, "", ""},
	        {"devices/d1/messages/events", TOPIC_MESSAGE, 0, "", ""},
	        {"devices/d1/messages/events/%24.mid=1&k=v", TOPIC_MESSAGE, 0, "", "%24.mid=1&k=v"},
	        {"devices/d1/messages/eventsx", TOPIC_UNKNOWN, 0, NULL, NULL},
	        {"devices/d2/messages/events/", TOPIC_UNKNOWN, 0, NULL, NULL},
	        {"devices/d1/messages/devicebound/", TOPIC_UNKNOWN, 0, NULL, NULL},
	        {"a", TOPIC_UNKNOWN, 0, NULL, NULL},
	};
	struct topic t;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		topic_read(rows[i].text, "d1", &t);
		ck_assert_msg(t.kind == rows[i].kind, "%s", rows[i].text);
		if (t.kind == TOPIC_UNKNOWN)
			continue;
		ck_assert_int_eq(t.status, rows[i].status);
		ck_assert_str_eq(t.rid, rows[i].rid);
		if (rows[i].properties != NULL)
			ck_assert_str_eq(t.properties, rows[i].properties);
	}
}
END_TEST

START_TEST(test_only_documented_filters_may_be_subscribed)
{
	ck_assert_int_eq(topic_subscription("$iothub/methods/POST/#", "d1"), WORLD_LINK_METHODS);
	ck_assert_int_eq(topic_subscription("$iothub/twin/res/#", "d1"), WORLD_LINK_TWIN);
	ck_assert_int_eq(topic_subscription("$iothub/twin/PATCH/properties/desired/#", "d1"),
	                 WORLD_LINK_DESIRED);
	ck_assert_int_eq(topic_subscription("devices/d1/messages/devicebound/#", "d1"), 0);
	ck_assert_int_eq(topic_subscription("devices/d2/messages/devicebound/#", "d1"), -1);
	ck_assert_int_eq(topic_subscription("devices/d1/messages/events/#", "d1"), -1);
	ck_assert_int_eq(topic_subscription("$iothub/#", "d1"), -1);
	ck_assert_int_eq(topic_subscription("$iothub/methods/POST/", "d1"), -1);
	ck_assert_int_eq(topic_subscription("#", "d1"), -1);
}
END_TEST

START_TEST(test_a_user_name_names_the_hub_the_client_and_a_version)
{
	ck_assert(topic_login_is_sound("hub.example/d1/?api-version=2021-04-12", "d1", "hub.example"));
	ck_assert(
	        topic_login_is_sound("HUB.example:8884/d1/?DeviceClientType=x&api-version=2020-05-31-preview",
	                             "d1", "hub.example"));
	ck_assert(!topic_login_is_sound("hub.example/d1/?api-version=", "d1", "hub.example"));
	ck_assert(!topic_login_is_sound("hub.example/d1/?api-version=new", "d1", "hub.example"));
	ck_assert(!topic_login_is_sound("hub.example/d1", "d1", "hub.example"));
	ck_assert(!topic_login_is_sound("hub.example/d2/?api-version=2021-04-12", "d1", "hub.example"));
	ck_assert(!topic_login_is_sound("hub.example.org/d1/?api-version=2021-04-12", "d1", "hub.example"));
	ck_assert(!topic_login_is_sound("", "d1", "hub.example"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hubsim-mqtt");

	TESTS(s, "codec", test_a_connect_is_read_whole,
	      test_another_protocol_is_known_as_such_whatever_follows,
	      test_a_packet_that_comes_byte_by_byte_is_partial_until_its_last,
	      test_a_packet_too_large_is_broken_before_it_has_come, test_what_the_standard_forbids_is_broken,
	      test_filters_come_one_by_one, test_answers_are_written_as_the_standard_says,
	      test_a_filter_fits_by_levels);
	TESTS(s, "session", test_a_session_keeps_five_filters_each_once);
	TESTS(s, "topic", test_topics_of_a_device_are_told_apart,
	      test_only_documented_filters_may_be_subscribed,
	      test_a_user_name_names_the_hub_the_client_and_a_version);
	return suite_run(s);
}
