/* tests: server/hub/wire, over connections of this file's own, which fail where and when a test says */
#include "tests/lib/suite.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <uv.h>

#include "server/base/buf.h"
#include "server/hub/dial.h"
#include "server/hub/wire.h"

static int64_t later_s; /* than it is, for libuv */

/* Takes the place of libc's. */
int clock_gettime(clockid_t id, struct timespec *ret)
{
	long code = syscall(SYS_clock_gettime, id, ret);

	if (code == 0 && id == CLOCK_MONOTONIC)
		ret->tv_sec += later_s;
	return (int)code;
}

/* --- connections --- */

#define DIALS_MAX 8

struct dial {
	int fd, peer; /* two ends of one socket: the peer's is the test's */
	dial_cb *on_dialled;
	void *arg;
	size_t send_max; /* at once; 0: nothing now */
	bool is_dead;    /* for sending */
	bool has_more;   /* TLS holds some */
	bool is_freed;
} dials[DIALS_MAX];
static size_t dials_n;
static bool is_memory_out;

struct dial *dial_new(struct http *h, dial_cb *on_dialled, void *arg)
{
	struct dial *d = &dials[dials_n];
	int fds[2];

	ck_assert_ptr_null(h);
	if (is_memory_out)
		return NULL;
	ck_assert_uint_lt(dials_n++, DIALS_MAX);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
	*d = (struct dial){fds[0], fds[1], on_dialled, arg, .send_max = SIZE_MAX};
	return d;
}

int dial_fd(const struct dial *d)
{
	return d->fd;
}

long dial_send(struct dial *d, const void *data, size_t n)
{
	if (d->is_dead)
		return DIAL_FAILED;
	if (d->send_max == 0)
		return DIAL_LATER;
	return send(d->fd, data, n < d->send_max ? n : d->send_max, MSG_NOSIGNAL);
}

long dial_receive(struct dial *d, void *data, size_t n)
{
	ssize_t received = recv(d->fd, data, n, 0);

	return received > 0 ? received : received == 0 ? DIAL_ENDED : d->is_dead ? DIAL_FAILED : DIAL_LATER;
}

bool dial_has_more(const struct dial *d)
{
	return d->has_more;
}

void dial_free(struct dial *d)
{
	ck_assert(!d->is_freed);
	d->is_freed = true;
	close(d->fd);
}

static void hub_says(size_t i, const char *text)
{
	ck_assert_int_eq(send(dials[i].peer, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* What has come to the hub since it was last looked at. */
static const char *hub_heard(size_t i)
{
	static char text[1000];
	ssize_t n = recv(dials[i].peer, text, sizeof text - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

#define ANSWER(body) "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" body
#define BUSY "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"

/* --- requests --- */

struct got {
	unsigned times;
	enum err err;
	int status;
	char detail[100], body[20];
	bool may_begin;
	struct got *next; /* is asked for by the callback */
};

static uv_loop_t loop;
static struct wire *wire;
static bool is_sending, has_closed;
static uint32_t timeout_ms = 20000;
static size_t answer_max_bytes = 100;

static enum err ask(struct got *got);

static void on_answer(void *arg, const struct http_answer *a)
{
	struct got *got = arg;

	ck_assert_msg(!is_sending, "called back inside wire_send()");
	got->times++;
	got->err = a->err;
	got->status = a->status;
	snprintf(got->detail, sizeof got->detail, "%s", a->err_detail != NULL ? a->err_detail : "");
	snprintf(got->body, sizeof got->body, "%.*s", (int)a->body_bytes, a->body);
	if (got->next != NULL)
		ck_assert_int_eq(ask(got->next), ERR_OK);
	uv_stop(&loop);
}

static bool may_begin(void *arg)
{
	const struct got *got = arg;

	return got->may_begin;
}

static enum err ask_for(struct got *got, bool (*begins)(void *arg))
{
	enum err err;

	is_sending = true;
	err = wire_send(wire,
	                &(struct http_request){.method = "POST",
	                                       .path = "/x",
	                                       .content_type = "text/plain",
	                                       .body = "{}",
	                                       .body_bytes = 2,
	                                       .timeout_ms = timeout_ms,
	                                       .answer_max_bytes = answer_max_bytes,
	                                       .may_begin = begins},
	                on_answer, got);
	is_sending = false;
	return err;
}

static enum err ask(struct got *got)
{
	return ask_for(got, NULL);
}

static void wait_for(const struct got *got)
{
	while (got->times == 0)
		uv_run(&loop, UV_RUN_ONCE);
	ck_assert_uint_eq(got->times, 1);
}

static void assert_failed(const struct got *got, enum err err, const char *detail)
{
	wait_for(got);
	ck_assert_int_eq(got->err, err);
	ck_assert_str_eq(got->detail, detail);
}

static void assert_answered(const struct got *got, int status, const char *body)
{
	wait_for(got);
	ck_assert_msg(got->err == ERR_OK, "%s", got->detail);
	ck_assert_int_eq(got->status, status);
	ck_assert_str_eq(got->body, body);
}

static void dialled(size_t i, const char *wrong)
{
	dials[i].on_dialled(dials[i].arg, wrong);
}

/* A request that is answered: leaves connection i, the next one, idle. */
static void leave_idle(size_t i)
{
	struct got got = {.times = 0};

	ck_assert_int_eq(ask(&got), ERR_OK);
	ck_assert_uint_eq(dials_n, i + 1);
	dialled(i, NULL);
	hub_heard(i);
	hub_says(i, ANSWER("i"));
	assert_answered(&got, 200, "i");
	ck_assert(!dials[i].is_freed);
}

static void set_up(void)
{
	uv_loop_init(&loop);
	wire = wire_new(&loop, NULL, "hub:81", 2);
}

static void on_closed(void *arg)
{
	ck_assert_ptr_eq(arg, &loop);
	has_closed = true;
}

static void stop(void)
{
	wire_close(wire, on_closed, &loop);
	while (!has_closed)
		uv_run(&loop, UV_RUN_ONCE);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	for (size_t i = 0; i < dials_n; i++) {
		ck_assert(dials[i].is_freed);
		close(dials[i].peer);
	}
}

/* --- tests --- */

START_TEST(test_what_has_no_connection_in_time_was_not_sent)
{
	struct got got = {.times = 0}, late = {.times = 0};

	timeout_ms = 0;
	ck_assert_int_eq(ask(&got), ERR_OK);
	timeout_ms = 20000;
	ck_assert_int_eq(ask(&late), ERR_OK);
	assert_failed(&got, ERR_NOT_SENT, "timed out before there was a connection");
	dialled(0, NULL); /* for the one that still waits */
	ck_assert_str_ne(hub_heard(0), "");
	later_s = 30;
	assert_failed(&late, ERR_AMBIGUOUS, "timed out before all of an answer came");
	stop();
}
END_TEST

START_TEST(test_a_connection_that_cannot_be_had_fails_one_request_where_no_other_is_on_its_way)
{
	struct got got[3] = {{.times = 0}};

	ck_assert_int_eq(ask(&got[0]), ERR_OK);
	ck_assert_int_eq(ask(&got[1]), ERR_OK);
	ck_assert_int_eq(ask(&got[2]), ERR_OK);
	ck_assert_uint_eq(dials_n, 3);
	dialled(0, "no route");
	assert_failed(&got[0], ERR_NOT_SENT, "no route");
	dialled(1, NULL);
	hub_heard(1);
	hub_says(1, ANSWER("b"));
	assert_answered(&got[1], 200, "b"); /* and takes the third on */
	ck_assert_str_ne(hub_heard(1), "");
	dialled(2, "no route"); /* nobody waits for it */
	hub_says(1, ANSWER("c"));
	assert_answered(&got[2], 200, "c");
	stop();
}
END_TEST

START_TEST(test_without_memory_or_a_watch_there_is_no_connection)
{
	struct got got = {.times = 0};

	is_memory_out = true;
	ck_assert_int_eq(ask(&got), ERR_NOMEM);
	is_memory_out = false;
	ck_assert_int_eq(ask(&got), ERR_OK);
	close(dials[0].fd); /* epoll refuses it */
	dialled(0, NULL);
	assert_failed(&got, ERR_NOT_SENT, "the socket cannot be watched");
	stop();
}
END_TEST

START_TEST(test_what_could_not_be_sent_is_told_later_and_may_have_been)
{
	struct got got = {.times = 0};

	leave_idle(0);
	dials[0].is_dead = true;
	ck_assert_int_eq(ask(&got), ERR_OK);
	assert_failed(&got, ERR_AMBIGUOUS, "the connection died before an answer came");
	ck_assert(dials[0].is_freed);
	stop();
}
END_TEST

START_TEST(test_an_answer_that_came_before_the_connection_died_counts)
{
	struct got got[2] = {{.times = 0}};

	ck_assert_int_eq(ask(&got[0]), ERR_OK);
	ck_assert_int_eq(ask(&got[1]), ERR_OK);
	for (size_t i = 0; i < 2; i++) {
		hub_says(i, BUSY);
		dials[i].is_dead = true;
		dialled(i, NULL);
	}
	assert_answered(&got[0], 503, "");
	assert_answered(&got[1], 503, "");
	ck_assert(dials[0].is_freed && dials[1].is_freed);
	stop();
}
END_TEST

START_TEST(test_what_does_not_fit_at_once_is_sent_bit_by_bit)
{
	struct got got = {.times = 0};
	char heard[1000] = "";

	ck_assert_int_eq(ask(&got), ERR_OK);
	dials[0].send_max = 0;
	dialled(0, NULL);
	ck_assert_str_eq(hub_heard(0), "");
	dials[0].send_max = 7;
	while (strstr(heard, "\r\n\r\n{}") == NULL) {
		uv_run(&loop, UV_RUN_ONCE);
		strcat(heard, hub_heard(0));
	}
	ck_assert_str_eq(heard, "POST /x HTTP/1.1\r\nHost: hub:81\r\nUser-Agent: rollcall/" ROLLCALL_VERSION
	                        "\r\nAccept: */*\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}");
	hub_says(0, ANSWER("x"));
	assert_answered(&got, 200, "x");
	ck_assert(!dials[0].is_freed);
	stop();
}
END_TEST

START_TEST(test_a_connection_that_dies_half_way_through_a_request_is_left)
{
	struct got got[2] = {{.times = 0}};

	for (size_t i = 0; i < 2; i++) {
		ck_assert_int_eq(ask(&got[i]), ERR_OK);
		dials[i].send_max = 0;
		dialled(i, NULL);
		dials[i].is_dead = true;
	}
	hub_says(1, BUSY);
	assert_failed(&got[0], ERR_AMBIGUOUS, "the connection died before an answer came");
	assert_answered(&got[1], 503, "");
	ck_assert(dials[0].is_freed && dials[1].is_freed);
	stop();
}
END_TEST

START_TEST(test_an_answer_before_the_request_was_sent_ends_the_connection)
{
	struct got got = {.times = 0};

	ck_assert_int_eq(ask(&got), ERR_OK);
	dials[0].send_max = 0;
	dialled(0, NULL);
	hub_says(0, BUSY);
	assert_answered(&got, 503, "");
	ck_assert(dials[0].is_freed);
	stop();
}
END_TEST

START_TEST(test_what_tls_holds_of_more_than_was_asked_for_ends_the_connection)
{
	struct got got = {.times = 0};

	leave_idle(0);
	dials[0].has_more = true;
	ck_assert_int_eq(ask(&got), ERR_OK);
	hub_says(0, ANSWER("x"));
	assert_answered(&got, 200, "x");
	ck_assert(dials[0].is_freed);
	stop();
}
END_TEST

START_TEST(test_who_may_not_begin_lets_the_next_one_have_the_connection)
{
	struct got held = {.times = 0}, next = {.times = 0, .may_begin = true};

	ck_assert_int_eq(ask_for(&held, may_begin), ERR_OK);
	ck_assert_int_eq(ask_for(&next, may_begin), ERR_OK);
	dialled(0, NULL);
	assert_failed(&held, ERR_NOT_SENT, "taken back before any of it left");
	hub_says(0, ANSWER("n"));
	assert_answered(&next, 200, "n");
	dialled(1, NULL);
	stop();
}
END_TEST

START_TEST(test_no_more_connections_are_kept_than_were_asked_for)
{
	struct got got[3] = {{.times = 0}};

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(ask(&got[i]), ERR_OK);
	for (size_t i = 0; i < 3; i++)
		dialled(i, NULL);
	for (size_t i = 0; i < 3; i++) {
		hub_says(i, ANSWER("k"));
		assert_answered(&got[i], 200, "k");
	}
	ck_assert(!dials[0].is_freed && !dials[1].is_freed && dials[2].is_freed);
	stop();
}
END_TEST

/* Two at a time, each on a connection of its own. */
static void get_two(size_t bytes)
{
	struct got got[2] = {{.times = 0}};
	char *answer = xmalloc(bytes + 100);

	snprintf(answer, bytes + 100, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%0*d", bytes, (int)bytes,
	         0);
	answer_max_bytes = bytes;
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(ask(&got[i]), ERR_OK);
	for (size_t i = 0; i < 2; i++) {
		if (dials[i].on_dialled != NULL)
			dialled(i, NULL);
		dials[i].on_dialled = NULL;
		hub_says(i, answer);
	}
	for (int i = 0; i < 2; i++) {
		wait_for(&got[i]);
		ck_assert_int_eq(got[i].err, ERR_OK);
	}
	free(answer);
}

START_TEST(test_what_was_large_once_is_not_kept)
{
	struct mallinfo2 before, after;

	get_two(10);
	before = mallinfo2();
	get_two(60000);
	get_two(10);
	after = mallinfo2();
	ck_assert_uint_lt(after.uordblks + after.hblkhd, before.uordblks + before.hblkhd + 10000);
	stop();
}
END_TEST

START_TEST(test_an_idle_connection_that_speaks_ends_or_is_old_is_not_used)
{
	struct got got = {.times = 0};

	leave_idle(0);
	hub_says(0, "x");
	while (!dials[0].is_freed)
		uv_run(&loop, UV_RUN_ONCE);
	leave_idle(1);
	close(dials[1].peer);
	dials[1].peer = -1;
	while (!dials[1].is_freed)
		uv_run(&loop, UV_RUN_ONCE);
	leave_idle(2);
	later_s = 109;
	uv_update_time(&loop);
	ck_assert_int_eq(ask(&got), ERR_OK); /* not yet */
	ck_assert_uint_eq(dials_n, 3);
	hub_says(2, ANSWER("y"));
	assert_answered(&got, 200, "y");
	later_s += 111;
	uv_update_time(&loop);
	got.times = 0;
	ck_assert_int_eq(ask(&got), ERR_OK);
	ck_assert(dials[2].is_freed);
	ck_assert_uint_eq(dials_n, 4);
	stop();
}
END_TEST

/* The callback of the first looks for a connection, and leaves the two of which the same turn still has to
 * tell. */
START_TEST(test_connections_may_be_left_in_the_turn_that_tells_of_them)
{
	struct got got[3] = {{.times = 0}}, more = {.times = 0};

	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(ask(&got[i]), ERR_OK);
	for (size_t i = 0; i < 3; i++)
		dialled(i, NULL);
	for (size_t i = 1; i < 3; i++) {
		hub_says(i, ANSWER("i"));
		assert_answered(&got[i], 200, "i");
	}
	got[0].next = &more;
	hub_says(0, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nz");
	hub_says(1, "x");
	hub_says(2, "x");
	assert_answered(&got[0], 200, "z");
	while (!dials[1].is_freed || !dials[2].is_freed)
		uv_run(&loop, UV_RUN_ONCE);
	ck_assert_uint_eq(dials_n, 4);
	dialled(3, NULL);
	hub_says(3, ANSWER("m"));
	assert_answered(&more, 200, "m");
	stop();
}
END_TEST

START_TEST(test_what_is_out_at_the_end_is_told_once_whether_it_may_have_been_sent)
{
	struct got waiting = {.times = 0}, busy = {.times = 0};

	leave_idle(0);
	ck_assert_int_eq(ask(&busy), ERR_OK);
	ck_assert_int_eq(ask(&waiting), ERR_OK);
	wire_close(wire, on_closed, &loop);
	assert_failed(&busy, ERR_AMBIGUOUS, "cut short: the service is stopping");
	assert_failed(&waiting, ERR_NOT_SENT, "cut short: the service is stopping");
	ck_assert(dials[0].is_freed && dials[1].is_freed);
	while (!has_closed)
		uv_run(&loop, UV_RUN_ONCE);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("wire");

	suite_add_with(
	        s, "connecting", set_up,
	        (const TTest *const[]){
	                test_what_has_no_connection_in_time_was_not_sent,
	                test_a_connection_that_cannot_be_had_fails_one_request_where_no_other_is_on_its_way,
	                test_without_memory_or_a_watch_there_is_no_connection,
	                test_who_may_not_begin_lets_the_next_one_have_the_connection, NULL});
	suite_add_with(s, "sending", set_up,
	               (const TTest *const[]){test_what_could_not_be_sent_is_told_later_and_may_have_been,
	                                      test_an_answer_that_came_before_the_connection_died_counts,
	                                      test_what_does_not_fit_at_once_is_sent_bit_by_bit,
	                                      test_a_connection_that_dies_half_way_through_a_request_is_left,
	                                      test_an_answer_before_the_request_was_sent_ends_the_connection,
	                                      NULL});
	suite_add_with(s, "keeping", set_up,
	               (const TTest *const[]){
	                       test_what_tls_holds_of_more_than_was_asked_for_ends_the_connection,
	                       test_no_more_connections_are_kept_than_were_asked_for,
	                       test_what_was_large_once_is_not_kept,
	                       test_an_idle_connection_that_speaks_ends_or_is_old_is_not_used,
	                       test_connections_may_be_left_in_the_turn_that_tells_of_them,
	                       test_what_is_out_at_the_end_is_told_once_whether_it_may_have_been_sent, NULL});
	return suite_run(s);
}
