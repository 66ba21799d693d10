/* tests: deploy/agent/link: one MQTT connection, against a peer of this file's own that speaks as much of
 * MQTT 3.1.1 as each test needs, byte by byte. */
#include "tests/lib/suite.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deploy/agent/link.h"

/* --- what the agent is told --- */

static char told[512]; /* since it was last looked at */

static void on_up(void *arg, bool is_known)
{
	(void)arg;
	snprintf(told, sizeof told, "up %s", is_known ? "known" : "new");
}

static void on_down(void *arg, const char *why)
{
	(void)arg;
	snprintf(told, sizeof told, "down: %s", why);
}

static void on_method(void *arg, const char *name, const char *rid, const char *body, size_t n)
{
	(void)arg;
	snprintf(told, sizeof told, "method %s %s %.*s", name, rid, (int)n, body);
}

static void on_twin(void *arg, int status, const char *rid, const char *body, size_t n)
{
	(void)arg;
	snprintf(told, sizeof told, "twin %d %s %.*s", status, rid, (int)n, body);
}

static const struct link_handlers handlers = {on_up, on_down, on_method, on_twin};

/* --- the peer --- */

static struct link_options o;
static struct link *l;
static int listening, peer;

static void set_up(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof at;

	listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listening, (struct sockaddr *)&at, sizeof at), 0);
	ck_assert_int_eq(listen(listening, 1), 0);
	ck_assert_int_eq(getsockname(listening, (struct sockaddr *)&at, &len), 0);
	o = (struct link_options){.address = "127.0.0.1",
	                          .port = ntohs(at.sin_port),
	                          .is_plain = true,
	                          .device_id = "d-1",
	                          .user_name = "h/d-1/?api-version=x",
	                          .keepalive_s = 60};
	peer = -1;
	told[0] = '\0';
	l = link_new(&o, &handlers, NULL);
	ck_assert_ptr_nonnull(l);
}

static void tear_down(void)
{
	link_free(l);
	if (peer >= 0)
		close(peer);
	if (listening >= 0)
		close(listening);
}

/* Lets the link work until it has told something, or sent something to the peer. */
static void work(bool until_sent)
{
	for (bool is_over = false; !is_over;) {
		struct pollfd fds[2] = {{.fd = link_fd(l), .events = POLLIN},
		                        {.fd = until_sent ? peer : -1, .events = POLLIN}};

		if (fds[0].fd >= 0)
			fds[0].events = link_events(l);
		ck_assert_int_gt(poll(fds, 2, 20000), 0);
		link_run(l, fds[0].revents);
		is_over = until_sent ? (fds[1].revents & POLLIN) != 0 : told[0] != '\0';
	}
}

/* What is told next. */
static const char *turn(void)
{
	static char was[sizeof told];

	work(false);
	memcpy(was, told, sizeof was);
	told[0] = '\0';
	return was;
}

static void say(const char *bytes, size_t n)
{
	ck_assert_int_eq(send(peer, bytes, n, MSG_NOSIGNAL), (ssize_t)n);
}
#define SAY(bytes) say(bytes, sizeof(bytes) - 1)

/* Whether what the link sends comes to hold text, which may have zeros. */
static void hears(const char *text, size_t n)
{
	char got[1024];
	size_t got_n = 0;
	ssize_t more;

	do {
		work(true);
		more = recv(peer, got + got_n, sizeof got - got_n, 0);
		ck_assert_int_gt(more, 0);
		got_n += (size_t)more;
	} while (memmem(got, got_n, text, n) == NULL);
}
#define HEARS(text) hears(text, sizeof(text) - 1)

static void connect_it(void)
{
	const char *why = NULL;

	ck_assert_msg(link_connect(l, "token", &why), "%s", why);
	peer = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(peer, 0);
}

static void be_up(void)
{
	connect_it();
	HEARS("\0\3d-1\0\24h/d-1/?api-version=x\0\5token");
	SAY("\x20\2\0\0");
	ck_assert_str_eq(turn(), "up new");
	HEARS("$iothub/twin/res/#");
}

/* --- tests --- */

START_TEST(test_an_accepted_link_asks_for_calls_and_answers_and_says_goodbye)
{
	char rest[64];

	connect_it();
	HEARS("\0\4MQTT\4\xc0\0\x3c"); /* 3.1.1, user and password, not a clean session, 60 s */
	SAY("\x20\2\1\0");
	ck_assert_str_eq(turn(), "up known");
	HEARS("$iothub/methods/POST/#");
	link_close(l);
	ck_assert_int_eq(link_fd(l), -1);
	do
		ck_assert_int_gt(recv(peer, rest, 1, 0), 0);
	while (rest[0] != '\xe0'); /* DISCONNECT, at which nothing is told */
	ck_assert_int_eq(told[0], '\0');
	link_close(l);
}
END_TEST

START_TEST(test_messages_are_told_by_their_topic)
{
	be_up();
	SAY("\x30\x2d\0\x24$iothub/methods/POST/reboot/?$rid=a1{\"a\":1}");
	ck_assert_str_eq(turn(), "method reboot a1 {\"a\":1}");
	SAY("\x30\x21\0\x1d$iothub/twin/res/200/?$rid=12{}");
	ck_assert_str_eq(turn(), "twin 200 12 {}");
	SAY("\x30\x05\0\3x/y"
	    "\x30\x1f\0\x1d$iothub/twin/res/204/?$rid=13");
	ck_assert_str_eq(turn(), "twin 204 13 "); /* the other was nobody's */
}
END_TEST

START_TEST(test_answers_and_reports_go_out_by_their_topic)
{
	link_answer(l, "a0", 200, "{}"); /* while down: lost */
	be_up();
	link_answer(l, "a1", 409, "{\"error\":\"busy\"}");
	HEARS("$iothub/methods/res/409/?$rid=a1{\"error\":\"busy\"}");
	link_get_twin(l, "7");
	HEARS("\0\x18$iothub/twin/GET/?$rid=7");
	link_report(l, "8", "{\"x\":null}");
	HEARS("$iothub/twin/PATCH/properties/reported/?$rid=8{\"x\":null}");
}
END_TEST

START_TEST(test_a_link_that_ends_says_why_and_can_be_made_anew)
{
	const char *why = NULL;

	connect_it();
	SAY("\x20\2\0\5");
	ck_assert_str_eq(turn(), "down: Connection Refused: not authorised.");
	ck_assert_int_eq(link_fd(l), -1);
	link_run(l, 0); /* nothing is there, nothing happens */
	ck_assert_int_eq(told[0], '\0');
	close(peer);
	be_up();
	close(peer);
	peer = -1;
	ck_assert_int_eq(strncmp(turn(), "down: ", 6), 0);
	close(listening);
	listening = -1;
	ck_assert_str_eq(link_connect(l, "token", &why) ? turn() + 6 : why, "Connection refused");
}
END_TEST

START_TEST(test_a_peer_that_speaks_no_mqtt_or_no_tls_is_left)
{
	connect_it();
	SAY("\xf0\0"); /* a packet that there is not */
	ck_assert_int_eq(strncmp(turn(), "down: ", 6), 0);
	close(peer);
	o.is_plain = false;
	connect_it();
	SAY("HTTP/1.1 400 Bad Request\r\n\r\n");
	close(peer);
	peer = -1;
	ck_assert_int_eq(strncmp(turn(), "down: ", 6), 0);
}
END_TEST

START_TEST(test_a_link_that_cannot_even_start_says_why)
{
	const char *why = NULL;

	o.is_plain = false;
	o.ca_file = "/nowhere/ca.pem";
	ck_assert(!link_connect(l, NULL, &why));
	ck_assert_ptr_nonnull(why);
	ck_assert_int_eq(link_fd(l), -1);
	ck_assert_int_eq(told[0], '\0');
	link_free(NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("agent-link");
	TCase *c = tcase_create("link");

	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, set_up, tear_down);
	tcase_add_test(c, test_an_accepted_link_asks_for_calls_and_answers_and_says_goodbye);
	tcase_add_test(c, test_messages_are_told_by_their_topic);
	tcase_add_test(c, test_answers_and_reports_go_out_by_their_topic);
	tcase_add_test(c, test_a_link_that_ends_says_why_and_can_be_made_anew);
	tcase_add_test(c, test_a_peer_that_speaks_no_mqtt_or_no_tls_is_left);
	tcase_add_test(c, test_a_link_that_cannot_even_start_says_why);
	suite_add_tcase(s, c);
	return suite_run(s);
}
