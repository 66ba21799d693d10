/* tests: server/hub/http, against a server on loopback */
#include "tests/lib/suite.h"

#include <netdb.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <openssl/opensslv.h>
#include <uv.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/hub/http.h"
#include "server/hub/link.h"
#include "tests/unit/server/hub/stub.h"

#define BODY "{\"methodName\":\"reboot\"}"
#define DATE "Date: Tue, 14 May 2024 09:13:20 GMT\r\n"
#define DATE_MS 1715678000000

/* What came back for one request. */
struct got {
	unsigned times; /* how often the callback fired */
	enum err err;
	char detail[256];
	int status;
	int64_t date_ms, retry_after_ms, took_ms;
	char error_code[64], continuation[64], request_id[64];
	char *body;
	size_t body_bytes;
};

static uv_loop_t loop;
static struct http *http;
static bool is_wired; /* which of the two clients is tested */
static bool is_sending, has_ended;
static unsigned answers_n;
static uint32_t timeout_ms = 20000;
static int64_t later_s; /* than it is, for libuv and libcurl */

/* Takes the place of libc's. */
int clock_gettime(clockid_t id, struct timespec *ret)
{
	long code = syscall(SYS_clock_gettime, id, ret);

	if (code == 0 && id == CLOCK_MONOTONIC)
		ret->tv_sec += later_s;
	return (int)code;
}

static void copy(char out[64], const char *text)
{
	snprintf(out, 64, "%s", text != NULL ? text : "-");
}

static void on_answer(void *arg, const struct http_answer *a)
{
	struct got *got = arg;

	ck_assert_msg(!is_sending, "called back inside http_send()");
	ck_assert_int_eq(a->body[a->body_bytes], 0);
	ck_assert_uint_eq(got->times, 0);
	got->times++;
	got->err = a->err;
	ck_assert((a->err == ERR_OK) == (a->err_detail == NULL));
	snprintf(got->detail, sizeof got->detail, "%s", a->err_detail != NULL ? a->err_detail : "");
	got->status = a->status;
	got->date_ms = a->date_ms;
	got->took_ms = a->took_ms;
	got->retry_after_ms = a->retry_after_ms;
	copy(got->error_code, a->error_code);
	copy(got->continuation, a->continuation);
	copy(got->request_id, a->request_id);
	free(got->body);
	got->body = xstrndup(a->body, a->body_bytes);
	got->body_bytes = a->body_bytes;
	answers_n++;
	uv_stop(&loop); /* a turn that began with this (a timer's) must not go on to wait for a socket */
}

static void client_start(const char *url, const char *ca_file, uint32_t connections_max)
{
	struct http_options options = {.loop = &loop,
	                               .base_url = url,
	                               .ca_file = ca_file,
	                               .is_wired = is_wired,
	                               .connections_max = connections_max};

	uv_loop_init(&loop);
	ck_assert_int_eq(http_new(&options, &http), ERR_OK);
}

static void on_freed(void *arg)
{
	ck_assert_ptr_eq(arg, &loop);
	has_ended = true;
}

static void client_stop(void)
{
	http_free(http, on_freed, &loop);
	ck_assert(!has_ended);
	while (!has_ended)
		uv_run(&loop, UV_RUN_ONCE);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}

static enum err ask(const char *method, const char *path, const char *body, struct got *got)
{
	struct http_request r = {.method = method,
	                         .path = path,
	                         .authorization = "token",
	                         .content_type = body != NULL ? "application/json" : NULL,
	                         .body = body,
	                         .body_bytes = body != NULL ? strlen(body) : 0,
	                         .timeout_ms = timeout_ms,
	                         .answer_max_bytes = 100000};
	enum err err;

	is_sending = true;
	err = http_send(http, &r, on_answer, got);
	is_sending = false;
	return err;
}

static void wait_for(unsigned n)
{
	while (answers_n < n)
		uv_run(&loop, UV_RUN_ONCE);
	ck_assert_uint_eq(answers_n, n);
}

/* One request, answered. */
static void call(const char *method, const char *path, const char *body, struct got *got)
{
	free(got->body);
	*got = (struct got){.times = 0};
	ck_assert_int_eq(ask(method, path, body, got), ERR_OK);
	wait_for(answers_n + 1);
}

static void assert_ok(const struct got *got, int status, const char *body)
{
	ck_assert_msg(got->err == ERR_OK, "%s", got->detail);
	ck_assert_int_eq(got->status, status);
	ck_assert_str_eq(got->body, body);
}

/* --- what stubs do --- */

/* Answers with the request line and the body. */
static bool echo(struct stub_conn *c, const struct stub_request *r, void *arg)
{
	struct buf b = BUF_INIT;

	(void)arg;
	buf_put(&b, r->head, strcspn(r->head, "\r"));
	buf_putc(&b, ' ');
	buf_put(&b, r->body, r->body_bytes);
	stub_answer(c, "200 OK", "", b.data);
	buf_done(&b);
	return true;
}

static const char *said; /* what the next two say */

static bool say_and_close(struct stub_conn *c, const struct stub_request *r, void *arg)
{
	(void)r;
	(void)arg;
	stub_say(c, said);
	return false;
}

static bool say_byte_by_byte(struct stub_conn *c, const struct stub_request *r, void *arg)
{
	(void)r;
	(void)arg;
	stub_say_byte_by_byte(c, said);
	return true;
}

static bool say_nothing(struct stub_conn *c, const struct stub_request *r, void *arg)
{
	(void)r;
	(void)arg;
	stub_wait_closed(c);
	return false;
}

static bool answer_first_then_cut(struct stub_conn *c, const struct stub_request *r, void *arg)
{
	(void)arg;
	if (r->nth > 1 || r->connection > 1)
		return false;
	stub_answer(c, "200 OK", "", "first");
	return true;
}

static bool answer_then_close(struct stub_conn *c, const struct stub_request *r, void *arg)
{
	(void)arg;
	stub_answer(c, "200 OK", "", r->connection == 1 ? "one" : "two");
	return false;
}

static struct stub *stub_start(stub_cb *on_request, const char *says)
{
	said = says;
	return stub_new(&(struct stub_options){.on_request = on_request});
}

/* --- tests --- */

START_TEST(test_requests_one_after_another_share_a_connection)
{
	struct stub *stub = stub_start(echo, NULL);
	struct got got = {.times = 0};

	client_start(stub_url(stub), NULL, 4);
	call("POST", "/twins/d%231/methods?api-version=2021-04-12", BODY, &got);
	assert_ok(&got, 200, "POST /twins/d%231/methods?api-version=2021-04-12 HTTP/1.1 " BODY);
	call("GET", "/twins/d-2?api-version=2021-04-12", NULL, &got);
	assert_ok(&got, 200, "GET /twins/d-2?api-version=2021-04-12 HTTP/1.1 ");
	call("POST", "/a", "", &got);
	assert_ok(&got, 200, "POST /a HTTP/1.1 ");
	call("POST", "/b?c", BODY BODY, &got);
	assert_ok(&got, 200, "POST /b?c HTTP/1.1 " BODY BODY);
	call("GET", "/twins/..%2f?x=%3f", NULL, &got);
	assert_ok(&got, 200, "GET /twins/..%2f?x=%3f HTTP/1.1 ");
	ck_assert_uint_eq(stub_connections(stub), 1);
	ck_assert_uint_eq(stub_requests(stub), 5);
	free(got.body);
	client_stop();
	stub_free(stub);
}
END_TEST

static bool keep_head(struct stub_conn *c, const struct stub_request *r, void *arg)
{
	(void)arg;
	stub_answer(c, "200 OK", "", r->head);
	return true;
}

START_TEST(test_the_headers_are_what_was_asked_for)
{
	struct stub *stub = stub_start(keep_head, NULL);
	struct got got = {.times = 0};
	struct http_request r = {.method = "POST",
	                         .path = "/",
	                         .authorization = "SharedAccessSignature sr=a&sig=b",
	                         .content_type = "application/json; charset=utf-8",
	                         .max_item_count = "100",
	                         .continuation = "abc=",
	                         .body = "{}",
	                         .body_bytes = 2,
	                         .timeout_ms = 20000,
	                         .answer_max_bytes = 10000};
	char wanted[512];

	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	client_start(stub_url(stub), NULL, 4);
	ck_assert_int_eq(http_send(http, &r, on_answer, &got), ERR_OK);
	wait_for(1);
	snprintf(wanted, sizeof wanted,
	         "POST / HTTP/1.1\r\nHost: %s\r\nUser-Agent: rollcall/" ROLLCALL_VERSION "\r\nAccept: */*\r\n"
	         "Authorization: SharedAccessSignature sr=a&sig=b\r\n"
	         "Content-Type: application/json; charset=utf-8\r\nx-ms-max-item-count: 100\r\n"
	         "x-ms-continuation: abc=\r\nContent-Length: 2\r\n\r\n",
	         stub_url(stub) + strlen("http://"));
	assert_ok(&got, 200, wanted);
	call("GET", "/", NULL, &got);
	ck_assert_ptr_null(strcasestr(got.body, "content-"));
	ck_assert_ptr_null(strcasestr(got.body, "x-ms-"));
	free(got.body);
	client_stop();
	stub_free(stub);
}
END_TEST

static void assert_sent_once_and_ambiguous(const char *method, const char *body, unsigned cut_before,
                                           unsigned copies)
{
	struct stub_options options = {.on_request = answer_first_then_cut, .cut_before = cut_before};
	struct stub *stub = stub_new(&options);
	struct got got = {.times = 0};

	client_start(stub_url(stub), NULL, 4);
	call("POST", "/1", BODY, &got);
	assert_ok(&got, 200, "first");
	call(method, "/2", body, &got);
	ck_assert_int_eq(got.err, ERR_AMBIGUOUS);
	free(got.body);
	client_stop();
	ck_assert_uint_eq(stub_requests(stub), 1 + copies);
	stub_free(stub);
}

START_TEST(test_a_post_that_was_read_before_its_reused_connection_was_cut_is_sent_once)
{
	assert_sent_once_and_ambiguous("POST", BODY, 0, 1);
}
END_TEST

START_TEST(test_a_post_that_was_not_read_before_its_reused_connection_was_cut_is_sent_once)
{
	assert_sent_once_and_ambiguous("POST", BODY, 2, 0);
}
END_TEST

START_TEST(test_a_post_without_a_body_is_sent_once)
{
	assert_sent_once_and_ambiguous("POST", "", 0, 1);
}
END_TEST

START_TEST(test_a_get_is_sent_once)
{
	assert_sent_once_and_ambiguous("GET", NULL, 0, 1);
}
END_TEST

START_TEST(test_a_large_post_is_sent_once)
{
	char *body = xmalloc(131073);

	memset(body, 'x', 131072);
	body[131072] = '\0';
	assert_sent_once_and_ambiguous("POST", body, 0, 1);
	free(body);
}
END_TEST

START_TEST(test_a_post_on_a_new_connection_that_is_cut_is_ambiguous)
{
	struct stub *stub = stub_start(say_and_close, "");
	struct got got = {.times = 0};

	client_start(stub_url(stub), NULL, 4);
	call("POST", "/", BODY, &got);
	ck_assert_int_eq(got.err, ERR_AMBIGUOUS);
	ck_assert_uint_eq(stub_requests(stub), 1);
	free(got.body);
	client_stop();
	stub_free(stub);
}
END_TEST

static void on_tick(uv_timer_t *timer)
{
	(void)timer; /* it is not active any more */
}

START_TEST(test_a_connection_that_was_closed_while_idle_is_replaced_and_costs_no_turns)
{
	struct stub *stub = stub_start(answer_then_close, NULL);
	struct got got = {.times = 0};
	uv_timer_t timer;
	unsigned turns = 0;

	client_start(stub_url(stub), NULL, 4);
	call("POST", "/", BODY, &got);
	assert_ok(&got, 200, "one");
	while (stub_closed(stub) < 1)
		uv_run(&loop, UV_RUN_NOWAIT);
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_tick, 50, 0);
	do {
		uv_run(&loop, UV_RUN_ONCE);
		turns++;
	} while (uv_is_active((uv_handle_t *)&timer));
	ck_assert_uint_lt(turns, 20);
	call("POST", "/", BODY, &got);
	assert_ok(&got, 200, "two");
	ck_assert_uint_eq(stub_requests(stub), 2);
	ck_assert_uint_eq(stub_connections(stub), 2);
	uv_close((uv_handle_t *)&timer, NULL);
	free(got.body);
	client_stop();
	stub_free(stub);
}
END_TEST

START_TEST(test_an_answer_that_takes_too_long_is_ambiguous)
{
	struct stub *stub = stub_start(say_nothing, NULL);
	struct http_request r = {.method = "GET",
	                         .path = "/",
	                         .authorization = "t",
	                         .timeout_ms = 100,
	                         .answer_max_bytes = 10};
	struct got got = {.times = 0};

	client_start(stub_url(stub), NULL, 4);
	ck_assert_int_eq(http_send(http, &r, on_answer, &got), ERR_OK);
	wait_for(1);
	ck_assert_int_eq(got.err, ERR_AMBIGUOUS);
	ck_assert_int_eq(got.status, 0);
	ck_assert_ptr_nonnull(strstr(got.detail, "timed out"));
	free(got.body);
	client_stop();
	stub_free(stub);
}
END_TEST

START_TEST(test_a_refused_connection_is_not_sent)
{
	struct stub *stub = stub_start(echo, NULL);
	char *url = xstrdup(stub_url(stub));
	struct got got = {.times = 0};

	stub_free(stub);
	client_start(url, NULL, 4);
	call("POST", "/", BODY, &got);
	ck_assert_int_eq(got.err, ERR_NOT_SENT);
	call("GET", "/", NULL, &got);
	ck_assert_int_eq(got.err, ERR_NOT_SENT);
	free(got.body);
	client_stop();
	free(url);
}
END_TEST

/* A name that the resolver's thread has to look up, and that needs no network: one of /etc/hosts. */
START_TEST(test_names_are_looked_up)
{
	struct stub *stub = stub_start(echo, NULL);
	struct hostent *host;
	struct got got[8] = {{.times = 0}};
	char url[300];

	sethostent(1);
	while ((host = gethostent()) != NULL && strcmp(host->h_name, "localhost") == 0)
		;
	if (host == NULL)
		snprintf(url, sizeof url, "http://localhost%s", strrchr(stub_url(stub), ':'));
	else
		snprintf(url, sizeof url, "http://%s%s", host->h_name, strrchr(stub_url(stub), ':'));
	stub_free(stub); /* the port refuses from here on */
	client_start(url, NULL, 4);
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(ask("GET", "/", NULL, &got[i]), ERR_OK);
	wait_for(8);
	for (int i = 0; i < 8; i++) {
		ck_assert_int_eq(got[i].err, ERR_NOT_SENT);
		free(got[i].body);
	}
	client_stop();
}
END_TEST

static void assert_tls(const char *names, bool with_ca_file, enum err wanted)
{
	struct stub_identity *identity = stub_identity_new(names);
	struct stub *stub = stub_new(&(struct stub_options){.on_request = echo, .identity = identity});
	struct got got = {.times = 0};

	client_start(stub_url(stub), with_ca_file ? stub_identity_ca_file(identity) : NULL, 4);
	for (int i = 0; i < 3; i++) {
		call("POST", "/t", BODY, &got);
		ck_assert_msg(got.err == wanted, "%s: %s", names, got.detail);
		if (wanted == ERR_OK)
			assert_ok(&got, 200, "POST /t HTTP/1.1 " BODY);
	}
	ck_assert_uint_eq(stub_requests(stub), wanted == ERR_OK ? 3 : 0);
	ck_assert_uint_eq(stub_connections(stub), wanted == ERR_OK ? 1 : 3);
	free(got.body);
	client_stop();
	stub_free(stub);
	stub_identity_free(identity);
}

START_TEST(test_tls_is_accepted_from_the_ca_of_the_file_only_and_under_its_name_only)
{
	assert_tls("IP:127.0.0.1", true, ERR_OK);
	answers_n = 0;
	has_ended = false;
	assert_tls("IP:127.0.0.1", false, ERR_NOT_SENT);
	has_ended = false;
	assert_tls("IP:127.0.0.2,DNS:localhost", true, ERR_NOT_SENT);
}
END_TEST

START_TEST(test_a_post_over_tls_whose_reused_connection_is_cut_is_sent_once)
{
	struct stub_identity *identity = stub_identity_new("IP:127.0.0.1");
	struct stub *stub =
	        stub_new(&(struct stub_options){.on_request = answer_first_then_cut, .identity = identity});
	struct got got = {.times = 0};

	client_start(stub_url(stub), stub_identity_ca_file(identity), 4);
	call("POST", "/1", BODY, &got);
	assert_ok(&got, 200, "first");
	call("POST", "/2", BODY, &got);
	ck_assert_int_eq(got.err, ERR_AMBIGUOUS);
	ck_assert_uint_eq(stub_requests(stub), 2);
	free(got.body);
	client_stop();
	stub_free(stub);
	stub_identity_free(identity);
}
END_TEST

static void assert_answer(const char *says, enum err err, int status, const char *body)
{
	struct stub *stub = stub_start(say_and_close, says);
	struct got got = {.times = 0};

	client_start(stub_url(stub), NULL, 4);
	call("POST", "/", BODY, &got);
	ck_assert_msg(got.err == err, "%s", says);
	ck_assert_msg(got.status == status, "%s", says);
	ck_assert_str_eq(got.body, body);
	ck_assert_uint_eq(stub_requests(stub), 1);
	free(got.body);
	client_stop();
	has_ended = false;
	answers_n = 0;
	stub_free(stub);
}

START_TEST(test_every_framing_of_an_answer_is_read)
{
	assert_answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", ERR_OK, 200, "{}");
	assert_answer("HTTP/1.1 204 No Content\r\n\r\n", ERR_OK, 204, "");
	assert_answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n"
	              "X-Trailer: 1\r\n\r\n",
	              ERR_OK, 200, "abcde");
	assert_answer("HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\nuntil the end", ERR_OK, 503,
	              "until the end");
	assert_answer("HTTP/1.0 500 Old\r\n\r\nold", ERR_OK, 500, "old");
	assert_answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n"
	              "Content-Length: 2\r\n\r\nok",
	              ERR_OK, 200, "ok");
}
END_TEST

START_TEST(test_half_and_broken_answers_are_ambiguous)
{
	assert_answer("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"status\":200}", ERR_AMBIGUOUS, 0, "");
	assert_answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{\"stat", ERR_AMBIGUOUS, 0,
	              "");
	assert_answer("HTTP/1.1 200 O", ERR_AMBIGUOUS, 0, "");
	assert_answer("HTTP/1.1 100 Continue\r\n\r\n", ERR_AMBIGUOUS, 0, "");
	/* A whole status line is an answer to libcurl; that its body is missing is for the reader to see. */
	assert_answer("HTTP/1.1 200 OK\r\nContent-Le", is_wired ? ERR_AMBIGUOUS : ERR_OK, is_wired ? 0 : 200,
	              "");
	assert_answer("SSH-2.0-stub\r\n\r\n", ERR_AMBIGUOUS, 0, "");
}
END_TEST

START_TEST(test_a_redirect_is_an_answer_like_others)
{
	assert_answer("HTTP/1.1 307 Elsewhere\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n", ERR_OK, 307,
	              "");
	assert_answer("HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n",
	              ERR_OK, 401, "");
	assert_answer("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n", ERR_OK, 417, "");
}
END_TEST

START_TEST(test_an_answer_longer_than_allowed_is_ambiguous)
{
	struct buf text = BUF_INIT;

	for (int fits = 0; fits < 2; fits++) {
		buf_reset(&text);
		buf_printf(&text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%0*d", fits ? 100000 : 100001,
		           fits ? 100000 : 100001, 0);
		assert_answer(text.data, fits ? ERR_OK : ERR_AMBIGUOUS, fits ? 200 : 0,
		              fits ? strstr(text.data, "\r\n\r\n") + 4 : "");
	}
	buf_done(&text);
}
END_TEST

START_TEST(test_an_answer_in_single_bytes_is_read_and_the_connection_reused)
{
	struct stub *stub = stub_start(
	        say_byte_by_byte,
	        "HTTP/1.1 100 Continue\r\nx-ms-request-id: no\r\nRetry-After: 5\r\n\r\n"
	        "HTTP/1.1 404 Not Found\r\n" DATE "IOTHUB-ErrorCode:DeviceNotOnline  \r\n"
	        "X-Ms-Continuation:   a b=\r\nx-ms-request-id: r-1\r\nTransfer-Encoding: chunked\r\n\r\n"
	        "2\r\nab\r\n1\r\nc\r\n0\r\niothub-errorcode: trailer\r\n\r\n");
	struct got got = {.times = 0};

	client_start(stub_url(stub), NULL, 4);
	for (int i = 0; i < 2; i++) {
		call("GET", "/", NULL, &got);
		assert_ok(&got, 404, "abc");
		ck_assert_int_eq(got.date_ms, DATE_MS);
		ck_assert_int_eq(got.retry_after_ms, TIME_NONE);
		ck_assert_str_eq(got.error_code, "DeviceNotOnline");
		ck_assert_str_eq(got.continuation, "a b=");
		ck_assert_str_eq(got.request_id, "r-1");
	}
	ck_assert_uint_eq(stub_connections(stub), 1);
	free(got.body);
	client_stop();
	stub_free(stub);
}
END_TEST

static void assert_retry_after(const char *headers, int64_t wanted_ms)
{
	struct buf text = BUF_INIT;
	struct stub *stub;
	struct got got = {.times = 0};

	buf_printf(&text, "HTTP/1.1 429 Slow\r\n%sContent-Length: 0\r\n\r\n", headers);
	stub = stub_start(say_and_close, text.data);
	client_start(stub_url(stub), NULL, 4);
	call("GET", "/", NULL, &got);
	assert_ok(&got, 429, "");
	ck_assert_msg(got.retry_after_ms == wanted_ms, "%s: %lld", headers, (long long)got.retry_after_ms);
	ck_assert_str_eq(got.error_code, "-");
	ck_assert_str_eq(got.continuation, "-");
	free(got.body);
	client_stop();
	has_ended = false;
	answers_n = 0;
	stub_free(stub);
	buf_done(&text);
}

START_TEST(test_retry_after_is_seconds_or_a_date)
{
	assert_retry_after("", TIME_NONE);
	assert_retry_after("Retry-After: 0\r\n", 0);
	assert_retry_after("retry-after: 17\r\nx-ms-continuation:\r\n", 17000);
	assert_retry_after(DATE "Retry-After: Tue, 14 May 2024 09:13:50 GMT\r\n", 30000);
	assert_retry_after(DATE "Retry-After: Tue, 14 May 2024 09:13:10 GMT\r\n", 0);
	assert_retry_after("Retry-After: -1\r\n", TIME_NONE);
	assert_retry_after("Retry-After: 1.5\r\n", TIME_NONE);
	assert_retry_after("Retry-After: 99999999999999999999\r\n", TIME_NONE);
	assert_retry_after("Retry-After: soon\r\n", TIME_NONE);
}
END_TEST

static bool refuse_unread(struct stub_conn *c, const struct stub_request *r, void *arg)
{
	(void)r;
	(void)arg;
	stub_answer(c, "413 Too Large", "Connection: close\r\n", "no");
	stub_wait_closed(c);
	return false;
}

START_TEST(test_an_answer_before_the_body_was_read_counts)
{
	struct stub *stub = stub_new(&(struct stub_options){.on_request = refuse_unread, .is_early = true});
	struct got got = {.times = 0};
	char *body = xmalloc(4000001);

	memset(body, 'x', 4000000);
	body[4000000] = '\0';
	client_start(stub_url(stub), NULL, 4);
	call("POST", "/", body, &got);
	assert_ok(&got, 413, "no");
	free(got.body);
	free(body);
	client_stop();
	stub_free(stub);
}
END_TEST

static void ask_again(void *arg, const struct http_answer *a)
{
	struct got *got = arg;

	ck_assert_int_eq(a->err, ERR_OK);
	ck_assert_int_eq(ask("POST", "/again", BODY, got), ERR_OK);
}

START_TEST(test_a_callback_may_send)
{
	struct stub *stub = stub_start(echo, NULL);
	struct http_request r = {.method = "GET",
	                         .path = "/",
	                         .authorization = "t",
	                         .timeout_ms = 20000,
	                         .answer_max_bytes = 1000};
	struct got got = {.times = 0};

	client_start(stub_url(stub), NULL, 4);
	ck_assert_int_eq(http_send(http, &r, ask_again, &got), ERR_OK);
	wait_for(1);
	assert_ok(&got, 200, "POST /again HTTP/1.1 " BODY);
	ck_assert_uint_eq(stub_connections(stub), 1);
	free(got.body);
	client_stop();
	stub_free(stub);
}
END_TEST

static void ask_when_closed(void *arg, const struct http_answer *a)
{
	struct got *got = arg;

	on_answer(got, a);
	ck_assert_int_eq(ask("GET", "/", NULL, got), ERR_CLOSED);
}

START_TEST(test_what_is_out_when_the_client_ends_is_called_back_once)
{
	struct stub *stub = stub_start(say_nothing, NULL);
	struct http_request r = {.method = "GET",
	                         .path = "/",
	                         .authorization = "t",
	                         .timeout_ms = 20000,
	                         .answer_max_bytes = 1000};
	struct got got[20] = {{.times = 0}};

	client_start(stub_url(stub), NULL, 32);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(http_send(http, &r, ask_when_closed, &got[i]), ERR_OK);
	while (stub_requests(stub) < 10)
		uv_run(&loop, UV_RUN_NOWAIT);
	for (int i = 10; i < 20; i++)
		ck_assert_int_eq(http_send(http, &r, ask_when_closed, &got[i]), ERR_OK);
	http_free(http, on_freed, &loop);
	ck_assert_int_eq(ask("GET", "/", NULL, &got[0]), ERR_CLOSED);
	ck_assert_uint_eq(answers_n, 0);
	while (!has_ended)
		uv_run(&loop, UV_RUN_ONCE);
	ck_assert_uint_eq(answers_n, 20);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(got[i].err, i < 10 ? ERR_AMBIGUOUS : ERR_NOT_SENT);
		ck_assert_str_eq(got[i].detail, "cut short: the service is stopping");
		free(got[i].body);
	}
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	stub_free(stub);
}
END_TEST

static sem_t may_answer;

static bool answer_when_told(struct stub_conn *c, const struct stub_request *r, void *arg)
{
	(void)r;
	(void)arg;
	while (sem_wait(&may_answer) != 0)
		;
	stub_answer(c, "200 OK", "", "at last");
	return true;
}

static void on_time_to_answer(uv_timer_t *timer)
{
	sem_post(&may_answer);
	uv_close((uv_handle_t *)timer, NULL);
}

START_TEST(test_an_answer_says_how_long_it_took)
{
	struct stub *stub;
	struct got got = {.times = 0};
	uv_timer_t timer;

	sem_init(&may_answer, 0, 0);
	stub = stub_start(answer_when_told, NULL);
	client_start(stub_url(stub), NULL, 4);
	ck_assert_int_eq(ask("GET", "/", NULL, &got), ERR_OK);
	while (stub_requests(stub) == 0)
		uv_run(&loop, UV_RUN_NOWAIT);
	uv_update_time(&loop);
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_time_to_answer, 40, 0);
	wait_for(1);
	assert_ok(&got, 200, "at last");
	ck_assert_int_ge(got.took_ms, 39); /* whole ms of two clocks */
	free(got.body);
	client_stop();
	stub_free(stub);
}
END_TEST

static bool answer_the_first_when_told(struct stub_conn *c, const struct stub_request *r, void *arg)
{
	return r->connection == 1 ? answer_when_told(c, r, arg) : echo(c, r, arg);
}

/* As libcurl would do to one that it has not seen in use for 118 s. */
START_TEST(test_a_call_that_takes_minutes_is_not_cut_by_another_connection)
{
	struct stub *stub = stub_start(answer_the_first_when_told, NULL);
	struct got slow = {.times = 0}, got = {.times = 0};

	sem_init(&may_answer, 0, 0);
	timeout_ms = 600000;
	client_start(stub_url(stub), NULL, 4);
	ck_assert_int_eq(ask("POST", "/slow", BODY, &slow), ERR_OK);
	while (stub_requests(stub) == 0)
		uv_run(&loop, UV_RUN_NOWAIT);
	later_s = 300;
	uv_update_time(&loop);
	call("POST", "/b", BODY, &got);
	assert_ok(&got, 200, "POST /b HTTP/1.1 " BODY);
	ck_assert_uint_eq(stub_connections(stub), 2);
	sem_post(&may_answer);
	wait_for(2);
	assert_ok(&slow, 200, "at last");
	free(got.body);
	free(slow.body);
	client_stop();
	stub_free(stub);
}
END_TEST

static bool was_asked; /* may_not_begin() */

static bool may_not_begin(void *arg)
{
	const struct got *got = arg;

	ck_assert_uint_eq(got->times, 0);
	was_asked = true;
	return false;
}

START_TEST(test_what_may_not_begin_once_there_is_a_connection_never_leaves)
{
	struct stub *stub = stub_start(echo, NULL);
	struct http_request r = {.method = "POST",
	                         .path = "/held",
	                         .authorization = "t",
	                         .content_type = "application/json",
	                         .body = "{}",
	                         .body_bytes = 2,
	                         .timeout_ms = 20000,
	                         .answer_max_bytes = 1000,
	                         .may_begin = may_not_begin};
	struct got held = {.times = 0}, got = {.times = 0};

	was_asked = false;
	client_start(stub_url(stub), NULL, 4);
	ck_assert_int_eq(http_send(http, &r, on_answer, &held), ERR_OK);
	wait_for(1);
	ck_assert_int_eq(held.err, ERR_NOT_SENT);
	ck_assert(was_asked);
	call("GET", "/next", NULL, &got);
	assert_ok(&got, 200, "GET /next HTTP/1.1 ");
	ck_assert_uint_eq(stub_requests(stub), 1);
	client_stop();
	free(held.body);
	free(got.body);
	stub_free(stub);
}
END_TEST

static void free_client(void *arg, const struct http_answer *a)
{
	on_answer(arg, a);
	http_free(http, on_freed, &loop);
}

START_TEST(test_a_callback_may_end_the_client)
{
	struct stub *stub = stub_start(echo, NULL);
	struct http_request r = {.method = "GET",
	                         .path = "/",
	                         .authorization = "t",
	                         .timeout_ms = 20000,
	                         .answer_max_bytes = 1000};
	struct got got = {.times = 0};

	client_start(stub_url(stub), NULL, 4);
	ck_assert_int_eq(http_send(http, &r, free_client, &got), ERR_OK);
	while (!has_ended)
		uv_run(&loop, UV_RUN_ONCE);
	assert_ok(&got, 200, "GET / HTTP/1.1 ");
	free(got.body);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	stub_free(stub);
}
END_TEST

/* Holds every request until as many as arg says are there, so that they are in flight at the same time. */
struct gate {
	atomic_uint n;
	unsigned wanted;
};

static bool wait_for_all(struct stub_conn *c, const struct stub_request *r, void *arg)
{
	struct gate *gate = arg;

	atomic_fetch_add(&gate->n, 1);
	while (atomic_load(&gate->n) < gate->wanted)
		uv_sleep(1);
	return echo(c, r, NULL);
}

START_TEST(test_400_requests_are_in_flight_at_once_and_their_connections_are_kept)
{
	struct gate gate = {.wanted = 400};
	struct stub *stub = stub_new(&(struct stub_options){.on_request = wait_for_all, .arg = &gate});
	struct got *got = xcalloc(400, sizeof *got);

	client_start(stub_url(stub), NULL, 400);
	for (int round = 1; round <= 3; round++) {
		for (int i = 0; i < 400; i++) {
			char path[32], body[32], wanted[100];

			snprintf(path, sizeof path, "/%d/%d", round, i);
			snprintf(body, sizeof body, "[%d]", i);
			snprintf(wanted, sizeof wanted, "POST %s HTTP/1.1 %s", path, body);
			free(got[i].body);
			got[i] = (struct got){.times = 0};
			ck_assert_int_eq(ask("POST", path, body, &got[i]), ERR_OK);
		}
		wait_for((unsigned)round * 400);
		for (int i = 0; i < 400; i++) {
			char wanted[100];

			snprintf(wanted, sizeof wanted, "POST /%d/%d HTTP/1.1 [%d]", round, i, i);
			assert_ok(&got[i], 200, wanted);
		}
		ck_assert_uint_eq(stub_connections(stub), 400);
		atomic_store(&gate.n, 0);
	}
	for (int i = 0; i < 400; i++)
		free(got[i].body);
	free(got);
	client_stop();
	stub_free(stub);
}
END_TEST

START_TEST(test_nothing_that_could_end_a_line_is_sent)
{
	struct http_request sound = {.method = "GET",
	                             .path = "/",
	                             .authorization = "t",
	                             .timeout_ms = 20000,
	                             .answer_max_bytes = 1000};
	struct http_request r;
	struct got got = {.times = 0};

	client_start("http://127.0.0.1:1", NULL, 4);
	r = sound;
	r.path = "/a b";
	ck_assert_int_eq(http_send(http, &r, on_answer, &got), ERR_INVALID);
	r.path = "a";
	ck_assert_int_eq(http_send(http, &r, on_answer, &got), ERR_INVALID);
	r.path = "/a\r\nX: y";
	ck_assert_int_eq(http_send(http, &r, on_answer, &got), ERR_INVALID);
	r = sound;
	r.continuation = "a\nb";
	ck_assert_int_eq(http_send(http, &r, on_answer, &got), ERR_INVALID);
	r = sound;
	r.authorization = "a\rb";
	ck_assert_int_eq(http_send(http, &r, on_answer, &got), ERR_INVALID);
	r.authorization = "SharedAccessSignature\x7f";
	ck_assert_int_eq(http_send(http, &r, on_answer, &got), ERR_INVALID);
	r = sound;
	r.path = "/a#b";
	ck_assert_int_eq(http_send(http, &r, on_answer, &got), ERR_INVALID);
	r = sound;
	r.content_type = "text/plain; x=\ny";
	ck_assert_int_eq(http_send(http, &r, on_answer, &got), ERR_INVALID);
	r = sound;
	r.max_item_count = "1\x7f";
	ck_assert_int_eq(http_send(http, &r, on_answer, &got), ERR_INVALID);
	r = sound;
	r.headers = &(struct http_header){"X-Own", "a\r\nX: y"};
	r.headers_n = 1;
	ck_assert_int_eq(http_send(http, &r, on_answer, &got), ERR_INVALID);
	client_stop();
	ck_assert_uint_eq(answers_n, 0);
}
END_TEST

static bool echo_own_headers(struct stub_conn *c, const struct stub_request *r, void *arg)
{
	(void)arg;
	stub_answer(c, "200 OK", "",
	            strstr(r->head, "\r\nX-One: 1\r\nX-Two: zwei\r\n") != NULL ? "both" : "");
	return true;
}

START_TEST(test_headers_of_the_callers_own_are_sent)
{
	static const struct http_header own[] = {{"X-One", "1"}, {"X-Two", "zwei"}};
	struct stub *stub = stub_start(echo_own_headers, NULL);
	struct http_request r = {.method = "GET",
	                         .path = "/",
	                         .headers = own,
	                         .headers_n = 2,
	                         .timeout_ms = 20000,
	                         .answer_max_bytes = 1000};
	struct got got = {.times = 0};

	client_start(stub_url(stub), NULL, 4);
	ck_assert_int_eq(http_send(http, &r, on_answer, &got), ERR_OK);
	wait_for(1);
	assert_ok(&got, 200, "both");
	free(got.body);
	client_stop();
	stub_free(stub);
}
END_TEST

START_TEST(test_only_the_tls_that_this_was_built_with_is_looked_into)
{
	char name[32];

	snprintf(name, sizeof name, "OpenSSL/%d.0.1", OPENSSL_VERSION_MAJOR);
	ck_assert(link_knows(name));
	snprintf(name, sizeof name, "OpenSSL/%d.0.1", OPENSSL_VERSION_MAJOR + 1);
	ck_assert(!link_knows(name));
	ck_assert(!link_knows("GnuTLS/3.7.9"));
	ck_assert(!link_knows(NULL)); /* without TLS */
}
END_TEST

START_TEST(test_a_client_of_nothing_is_refused)
{
	struct http_options options = {.loop = &loop, .base_url = "nonsense://", .connections_max = 1};
	struct http *h = NULL;

	uv_loop_init(&loop);
	ck_assert_int_eq(http_new(&options, &h), ERR_INVALID);
	options = (struct http_options){.loop = &loop,
	                                .base_url = "https://h",
	                                .ca_file = "/nonexistent/ca.pem",
	                                .connections_max = 1};
	ck_assert_int_eq(http_new(&options, &h), ERR_NOT_FOUND);
	options = (struct http_options){
	        .loop = &loop, .base_url = "file:///tmp", .is_wired = true, .connections_max = 1};
	ck_assert_int_eq(http_new(&options, &h), ERR_INVALID); /* it has no host */
	ck_assert_ptr_null(h);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

#define ASKED_FOR "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nasked for"
#define NOT_ASKED_FOR "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nnot asked for"

/* Says more than was asked for, arg: as another record; on the second request of a connection it says so. At
 * once: what comes late enough nobody could tell from the answer to the next request. */
static bool say_too_much(struct stub_conn *c, const struct stub_request *r, void *arg)
{
	if (r->nth > 1)
		stub_answer(c, "200 OK", "", "reused");
	else if (arg != NULL)
		stub_say_as_two(c, ASKED_FOR, arg);
	else
		stub_say(c, ASKED_FOR NOT_ASKED_FOR);
	return true;
}

static void assert_used_once(struct stub *stub, const char *ca_file)
{
	struct got got = {.times = 0};

	client_start(stub_url(stub), ca_file, 4);
	for (unsigned i = 1; i <= 20; i++) {
		call("POST", "/", BODY, &got);
		assert_ok(&got, 200, "asked for");
		ck_assert_uint_eq(stub_connections(stub), i);
	}
	free(got.body);
	client_stop();
	stub_free(stub);
}

START_TEST(test_a_connection_that_says_more_than_was_asked_for_is_not_used_again)
{
	assert_used_once(stub_start(say_too_much, NULL), NULL);
}
END_TEST

/* What has come behind the answer is in TLS's own buffer then, where no poll sees it. */
static void assert_tls_used_once(char *more)
{
	struct stub_identity *identity = stub_identity_new("IP:127.0.0.1");

	assert_used_once(stub_new(&(struct stub_options){
	                         .on_request = say_too_much, .arg = more, .identity = identity}),
	                 stub_identity_ca_file(identity));
	stub_identity_free(identity);
}

START_TEST(test_another_record_behind_the_answer_ends_a_connection)
{
	char more[] = NOT_ASKED_FOR;

	assert_tls_used_once(more);
}
END_TEST

START_TEST(test_requests_one_after_another_share_a_connection_over_tls)
{
	struct stub_identity *identity = stub_identity_new("IP:127.0.0.1");
	struct stub *stub = stub_new(&(struct stub_options){.on_request = echo, .identity = identity});
	struct got got = {.times = 0};

	client_start(stub_url(stub), stub_identity_ca_file(identity), 4);
	for (int i = 0; i < 20; i++) {
		call("POST", "/a", BODY, &got);
		assert_ok(&got, 200, "POST /a HTTP/1.1 " BODY);
	}
	ck_assert_uint_eq(stub_connections(stub), 1);
	free(got.body);
	client_stop();
	stub_free(stub);
	stub_identity_free(identity);
}
END_TEST

static void wired(void)
{
	is_wired = true;
}

/* Every test runs with both clients. */
#define CLIENT_TESTS(name, ...) \
	do { \
		const TTest *const tests[] = {__VA_ARGS__, NULL}; \
\
		suite_add(s, name ", by libcurl", tests); \
		suite_add_with(s, name ", wired", wired, tests); \
	} while (0)

int main(void)
{
	const TTest *const records[] = {test_another_record_behind_the_answer_ends_a_connection, NULL};
	const TTest *const own[] = {test_headers_of_the_callers_own_are_sent,
	                            test_only_the_tls_that_this_was_built_with_is_looked_into, NULL};
	Suite *s = suite_create("http");

	suite_add(s, "headers, by libcurl", own);
	suite_add_with(s, "records, wired", wired, records); /* libcurl (7.88) takes it for the next answer */
	CLIENT_TESTS("once", test_a_post_that_was_read_before_its_reused_connection_was_cut_is_sent_once,
	             test_a_post_that_was_not_read_before_its_reused_connection_was_cut_is_sent_once,
	             test_a_post_without_a_body_is_sent_once, test_a_get_is_sent_once,
	             test_a_large_post_is_sent_once, test_a_post_on_a_new_connection_that_is_cut_is_ambiguous,
	             test_a_post_over_tls_whose_reused_connection_is_cut_is_sent_once);
	CLIENT_TESTS("connections", test_requests_one_after_another_share_a_connection,
	             test_requests_one_after_another_share_a_connection_over_tls,
	             test_a_connection_that_says_more_than_was_asked_for_is_not_used_again,
	             test_a_connection_that_was_closed_while_idle_is_replaced_and_costs_no_turns,
	             test_400_requests_are_in_flight_at_once_and_their_connections_are_kept,
	             test_a_refused_connection_is_not_sent, test_names_are_looked_up,
	             test_tls_is_accepted_from_the_ca_of_the_file_only_and_under_its_name_only);
	CLIENT_TESTS("requests", test_the_headers_are_what_was_asked_for,
	             test_nothing_that_could_end_a_line_is_sent, test_a_callback_may_send);
	CLIENT_TESTS("answers", test_every_framing_of_an_answer_is_read,
	             test_half_and_broken_answers_are_ambiguous, test_a_redirect_is_an_answer_like_others,
	             test_an_answer_longer_than_allowed_is_ambiguous,
	             test_an_answer_in_single_bytes_is_read_and_the_connection_reused,
	             test_an_answer_that_takes_too_long_is_ambiguous, test_retry_after_is_seconds_or_a_date,
	             test_an_answer_before_the_body_was_read_counts);
	CLIENT_TESTS("time", test_a_call_that_takes_minutes_is_not_cut_by_another_connection);
	CLIENT_TESTS("end", test_an_answer_says_how_long_it_took,
	             test_what_may_not_begin_once_there_is_a_connection_never_leaves,
	             test_what_is_out_when_the_client_ends_is_called_back_once,
	             test_a_callback_may_end_the_client, test_a_client_of_nothing_is_refused);
	return suite_run(s);
}
