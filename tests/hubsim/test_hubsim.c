/* tests: the program hubsim, from outside */
#include "tests/lib/suite.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>
#include <jansson.h>

#include "server/base/clock.h"
#include "tests/hubsim/auth.h"
#include "tests/hubsim/peer.h"

#define API "?api-version=2021-04-12"
#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define REBOOT \
	"{\"methodName\":\"reboot\",\"responseTimeoutInSeconds\":30,\"payload\":{\"attemptId\":\"a-1\"}}"

/* A temperament: how long requests and devices take, in JSON, and further members. */
#define FLEET(request, answer, more) \
	"{\"requestMs\":" request ",\"answerMs\":" answer \
	",\"reportMs\":0,\"leaveMs\":0,\"bootMs\":5,\"subscribeMs\":0" more "}"
#define QUICK FLEET("0", "0", "")

/* Appends an Authorization header with a token of policy, good for the default host and secret. */
static void put_token(struct buf *b, const char *policy, int64_t lives_s)
{
	struct auth *a = auth_new("localhost", "hubsim");

	buf_puts(b, "Authorization: ");
	auth_token(a, policy, false, clock_now_ms() / 1000 + lives_s, b);
	buf_puts(b, "\r\n");
	auth_free(a);
}

/* Appends a request as iothubowner. headers: whole lines; body: NULL for none. */
static void put_request(struct buf *b, const char *method, const char *target, const char *headers,
                        const char *body)
{
	buf_printf(b, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s", method, target, headers);
	put_token(b, "iothubowner", 3600);
	if (body != NULL)
		buf_printf(b, "Content-Type: application/json; charset=utf-8\r\nContent-Length: %zu\r\n",
		           strlen(body));
	buf_printf(b, "\r\n%s", body != NULL ? body : "");
}

static void say(int fd, const char *method, const char *target, const char *headers, const char *body)
{
	struct buf b = BUF_INIT;

	put_request(&b, method, target, headers, body);
	peer_say(fd, b.data, b.len);
	buf_done(&b);
}

/* One request, one answer, of which the status is given; ret_reply is to be done. */
static int ask(int fd, const char *method, const char *target, const char *headers, const char *body,
               struct reply *ret_reply)
{
	say(fd, method, target, headers, body);
	peer_hear(fd, ret_reply);
	return ret_reply->status;
}

/* The same, where only the status counts. */
static int status_of(int fd, const char *method, const char *target, const char *headers, const char *body)
{
	struct reply r;
	int status = ask(fd, method, target, headers, body, &r);

	reply_done(&r);
	return status;
}

/* Says text on a connection of its own; gives the status and asserts that the connection then ends. */
static int status_of_text(const struct peer *p, const char *text)
{
	int fd = peer_dial(p->port);
	struct reply r;

	peer_say(fd, text, strlen(text));
	peer_hear(fd, &r);
	ck_assert_str_eq(reply_header(&r, "Connection"), "close");
	ck_assert_int_eq(peer_hear_end(fd), 0);
	close(fd);
	reply_done(&r);
	return r.status;
}

static void start(struct peer *p, const char *devices, const char *temperament)
{
	memset(p, 0, sizeof *p);
	peer_file_put(p, "temperament.json", temperament);
	peer_start(p, ARGS("--listen", "127.0.0.1:0", "--devices", devices, "--temperament",
	                   "temperament.json", "--journal", "journal.jsonl"));
}

static void assert_has(const struct buf *b, const char *part)
{
	ck_assert_msg(strstr(b->data, part) != NULL, "%s\nlacks %s", b->data, part);
}

/* --- The hub -------------------------------------------------------------------------------------------- */

START_TEST(test_a_method_call_is_answered_and_already_in_the_journal)
{
	struct buf journal = BUF_INIT;
	struct reply r;
	struct peer p;
	int fd;

	start(&p, "3", QUICK);
	fd = peer_dial(p.port);
	ck_assert_int_eq(ask(fd, "POST", "/twins/dev-000001/methods" API, "Request-Id: 1\r\n", REBOOT, &r),
	                 200);
	assert_has(&r.body, "\"status\":200");
	ck_assert_str_eq(reply_header(&r, "Content-Type"), "application/json; charset=utf-8");
	ck_assert_str_eq(reply_header(&r, "Server"), "Microsoft-HTTPAPI/2.0");
	ck_assert_ptr_nonnull(reply_header(&r, "Date"));
	ck_assert_ptr_nonnull(reply_header(&r, "x-ms-request-id"));
	ck_assert_ptr_null(reply_header(&r, "iothub-errorcode"));
	peer_file_get(&p, "journal.jsonl", &journal);
	assert_has(
	        &journal,
	        "\"kind\":\"call\",\"deviceId\":\"dev-000001\",\"call\":1,\"method\":\"reboot\",\"attemptId\":\"a-1\"");
	assert_has(&journal, "\"kind\":\"act\"");
	buf_done(&journal);
	reply_done(&r);
	close(fd);
	peer_stop(&p);
}
END_TEST

START_TEST(test_an_error_carries_its_name_in_the_header)
{
	struct reply r;
	struct peer p;
	int fd;

	start(&p, "3", QUICK);
	fd = peer_dial(p.port);
	ck_assert_int_eq(ask(fd, "GET", "/twins/nobody" API, "", NULL, &r), 404);
	ck_assert_str_eq(reply_header(&r, "iothub-errorcode"), "DeviceNotFound");
	assert_has(&r.body, "ErrorCode:DeviceNotFound;");
	reply_done(&r);
	ck_assert_int_eq(ask(fd, "POST", "/twins/dev-000000/methods" API, "",
	                     "{\"methodName\":\"m\",\"responseTimeoutInSeconds\":4}", &r),
	                 400);
	ck_assert_ptr_nonnull(reply_header(&r, "iothub-errorcode"));
	reply_done(&r);
	close(fd);
	peer_stop(&p);
}
END_TEST

START_TEST(test_a_twin_is_read_and_changed_under_its_etag)
{
	json_t *twin;
	char if_match[128];
	struct reply r;
	struct peer p;
	int fd;

	start(&p, "3", QUICK);
	fd = peer_dial(p.port);
	ck_assert_int_eq(ask(fd, "GET", "/twins/dev-000002" API, "", NULL, &r), 200);
	twin = json_loads(r.body.data, 0, NULL);
	ck_assert_str_eq(json_string_value(json_object_get(twin, "deviceId")), "dev-000002");
	snprintf(if_match, sizeof if_match, "If-Match: \"%s\"\r\n",
	         json_string_value(json_object_get(twin, "etag")));
	json_decref(twin);
	reply_done(&r);
	ck_assert_int_eq(status_of(fd, "PATCH", "/twins/dev-000002" API, if_match, "{\"tags\":{\"x\":1}}"),
	                 200);
	ck_assert_int_eq(status_of(fd, "PATCH", "/twins/dev-000002" API, if_match, "{\"tags\":{\"x\":2}}"),
	                 412);
	ck_assert_int_eq(status_of(fd, "PATCH", "/twins/dev-000002" API, "If-Match: \"*\"\r\n",
	                           "{\"tags\":{\"x\":3}}"),
	                 200);
	close(fd);
	peer_stop(&p);
}
END_TEST

START_TEST(test_a_query_goes_on_by_its_continuation_until_the_header_is_missing)
{
	char headers[512] = "x-ms-max-item-count: 100\r\n";
	const char *continuation;
	size_t rows = 0, pages = 0;
	json_t *page;
	struct reply r;
	struct peer p;
	int fd;

	start(&p, "250", QUICK);
	fd = peer_dial(p.port);
	for (;;) {
		ck_assert_int_eq(ask(fd, "POST", "/devices/query" API, headers,
		                     "{\"query\":\"SELECT deviceId AS id FROM devices\"}", &r),
		                 200);
		ck_assert_str_eq(reply_header(&r, "x-ms-item-type"), "Raw");
		page = json_loads(r.body.data, 0, NULL);
		rows += json_array_size(page);
		pages++;
		json_decref(page);
		continuation = reply_header(&r, "x-ms-continuation");
		if (continuation != NULL)
			snprintf(headers, sizeof headers,
			         "x-ms-max-item-count: 100\r\nX-MS-Continuation: %s\r\n", continuation);
		reply_done(&r);
		if (continuation == NULL)
			break;
	}
	ck_assert_uint_eq(rows, 250);
	ck_assert_uint_eq(pages, 3);
	close(fd);
	peer_stop(&p);
}
END_TEST

START_TEST(test_identities_are_created_listed_and_deleted)
{
	struct reply r;
	struct peer p;
	int fd;

	start(&p, "2", QUICK);
	fd = peer_dial(p.port);
	ck_assert_int_eq(ask(fd, "PUT", "/devices/new%2D1" API, "", "{\"deviceId\":\"new-1\"}", &r), 200);
	assert_has(&r.body, "\"deviceId\":\"new-1\"");
	reply_done(&r);
	ck_assert_int_eq(status_of(fd, "PUT", "/devices/new-1" API, "", "{\"deviceId\":\"new-1\"}"), 409);
	ck_assert_int_eq(ask(fd, "GET", "/devices/" API, "", NULL, &r), 200);
	assert_has(&r.body, "\"deviceId\":\"dev-000001\"");
	assert_has(&r.body, "\"deviceId\":\"new-1\"");
	reply_done(&r);
	ck_assert_int_eq(status_of(fd, "DELETE", "/devices/new-1" API, "", NULL), 412);
	ck_assert_int_eq(ask(fd, "DELETE", "/devices/new-1" API, "If-Match: \"*\"\r\n", NULL, &r), 204);
	ck_assert_ptr_null(reply_header(&r, "Content-Length"));
	reply_done(&r);
	ck_assert_int_eq(status_of(fd, "GET", "/devices/new-1" API, "", NULL), 404);
	close(fd);
	peer_stop(&p);
}
END_TEST

START_TEST(test_a_job_runs_under_the_service_policy)
{
	struct buf b = BUF_INIT;
	struct reply r;
	struct peer p;
	int fd;

	start(&p, "3", QUICK);
	fd = peer_dial(p.port);
	buf_puts(&b, "PUT /jobs/v2/j1" API " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 98\r\n");
	put_token(&b, "service", 60);
	buf_puts(&b, "\r\n{\"type\":\"scheduleDeviceMethod\",\"queryCondition\":\"*\","
	             "\"cloudToDeviceMethod\":{\"methodName\":\"reboot\"}}");
	peer_say(fd, b.data, b.len);
	peer_hear(fd, &r);
	ck_assert_msg(r.status == 200, "%s", r.body.data);
	assert_has(&r.body, "\"status\":\"queued\"");
	do {
		reply_done(&r);
		ck_assert_int_eq(ask(fd, "GET", "/jobs/v2/j1" API, "", NULL, &r), 200);
	} while (strstr(r.body.data, "\"status\":\"completed\"") == NULL);
	assert_has(&r.body, "\"succeededCount\":3");
	reply_done(&r);
	ck_assert_int_eq(status_of(fd, "POST", "/jobs/v2/j1/cancel" API, "", NULL), 405);
	buf_done(&b);
	close(fd);
	peer_stop(&p);
}
END_TEST

START_TEST(test_a_cut_connection_is_a_reset_without_an_answer)
{
	struct buf journal = BUF_INIT;
	struct peer p;
	int fd;

	start(&p, "1",
	      FLEET("0", "0",
	            ",\"faults\":[{\"kind\":\"cutAfter\",\"families\":[\"methods\"],\"count\":1}]"));
	fd = peer_dial(p.port);
	say(fd, "POST", "/twins/dev-000000/methods" API, "", REBOOT);
	ck_assert_int_eq(peer_hear_end(fd), ECONNRESET);
	close(fd);
	peer_file_get(&p, "journal.jsonl", &journal);
	assert_has(&journal, "\"kind\":\"act\"");
	buf_done(&journal);
	fd = peer_dial(p.port);
	ck_assert_int_eq(status_of(fd, "GET", "/twins/dev-000000" API, "", NULL), 200);
	close(fd);
	peer_stop(&p);
}
END_TEST

START_TEST(test_throttling_of_a_sku_shows_as_429_and_in_the_usage)
{
	char usage_file[] = "/tmp/hubsim-usage-XXXXXX", text[1024];
	int fd, status = 200, usage = mkstemp(usage_file);
	struct peer p;
	ssize_t n;

	ck_assert_int_ge(usage, 0);
	memset(&p, 0, sizeof p);
	peer_file_put(&p, "t.json", FLEET("0", "0", ",\"throttleBurstMs\":1000,\"throttleBacklogMs\":0"));
	peer_start(&p, ARGS("--listen", "127.0.0.1:0", "--devices", "1", "--sku", "S1", "--temperament",
	                    "t.json", "--usage", usage_file));
	for (int i = 0; i < 1000 && status == 200; i++) {
		fd = peer_dial(p.port);
		status = status_of(fd, "POST", "/devices/query" API, "",
		                   "{\"query\":\"SELECT * FROM devices\"}");
		close(fd);
	}
	ck_assert_int_eq(status, 429);
	peer_stop(&p);
	n = read(usage, text, sizeof text - 1);
	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	ck_assert_ptr_nonnull(strstr(text, "\"queries\":{\"taken\":"));
	ck_assert_ptr_nonnull(strstr(text, "\"refused\":1,\"delayMaxMs\":"));
	close(usage);
	unlink(usage_file);
}
END_TEST

/* --- Who may -------------------------------------------------------------------------------------------- */

/* A GET with the given Authorization line. */
static int status_with(int fd, const char *target, const char *authorization, struct reply *ret_reply)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", target, authorization);
	peer_say(fd, b.data, b.len);
	peer_hear(fd, ret_reply);
	buf_done(&b);
	return ret_reply->status;
}

START_TEST(test_a_missing_bad_or_expired_token_gets_401_and_the_connection_stays)
{
	struct buf b = BUF_INIT;
	struct reply r;
	struct peer p;
	int fd;

	start(&p, "1", QUICK);
	fd = peer_dial(p.port);
	ck_assert_int_eq(status_with(fd, "/twins/dev-000000" API, "", &r), 401);
	ck_assert_str_eq(reply_header(&r, "iothub-errorcode"), "IotHubUnauthorizedAccess");
	ck_assert_uint_eq(strlen(reply_header(&r, "x-ms-request-id")), 36);
	assert_has(
	        &r.body,
	        "{\"Message\":\"ErrorCode:IotHubUnauthorizedAccess;Unauthorized\",\"ExceptionMessage\":\"Tracking ID:");
	reply_done(&r);
	ck_assert_int_eq(status_with(fd, "/twins/dev-000000" API, "Authorization: Bearer x\r\n", &r), 401);
	reply_done(&r);
	put_token(&b, "service", -1);
	ck_assert_int_eq(status_with(fd, "/twins/dev-000000" API, b.data, &r), 401);
	reply_done(&r);
	buf_reset(&b);
	put_token(&b, "service", 60);
	ck_assert_int_eq(status_with(fd, "/twins/dev-000000" API, b.data, &r), 200);
	reply_done(&r);
	buf_done(&b);
	close(fd);
	peer_stop(&p);
}
END_TEST

START_TEST(test_a_policy_without_the_right_gets_401)
{
	struct buf b = BUF_INIT;
	struct reply r;
	struct peer p;
	int fd;

	start(&p, "1", QUICK);
	fd = peer_dial(p.port);
	put_token(&b, "registryReadWrite", 60);
	ck_assert_int_eq(status_with(fd, "/twins/dev-000000" API, b.data, &r), 401);
	reply_done(&r);
	ck_assert_int_eq(status_with(fd, "/devices/dev-000000" API, b.data, &r), 200);
	reply_done(&r);
	buf_done(&b);
	close(fd);
	peer_stop(&p);
}
END_TEST

/* --- HTTP ----------------------------------------------------------------------------------------------- */

START_TEST(test_pipelined_requests_are_answered_in_order)
{
	struct buf b = BUF_INIT;
	char target[64], id[64];
	struct reply r;
	struct peer p;
	int fd;

	start(&p, "50", FLEET("[0,3]", "0", ""));
	fd = peer_dial(p.port);
	for (int i = 0; i < 50; i++) {
		snprintf(target, sizeof target, "/twins/dev-%06d" API, i);
		put_request(&b, "GET", target, "", NULL);
	}
	peer_say(fd, b.data, b.len);
	for (int i = 0; i < 50; i++) {
		peer_hear(fd, &r);
		snprintf(id, sizeof id, "\"deviceId\":\"dev-%06d\"", i);
		assert_has(&r.body, id);
		reply_done(&r);
	}
	buf_done(&b);
	close(fd);
	peer_stop(&p);
}
END_TEST

START_TEST(test_a_request_may_come_byte_by_byte)
{
	struct buf b = BUF_INIT;
	struct reply r;
	struct peer p;
	int fd, on = 1;

	start(&p, "1", QUICK);
	fd = peer_dial(p.port);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	buf_puts(&b, "\r\n"); /* an empty line before it is passed over (RFC 9112 2.2) */
	put_request(&b, "POST", "/twins/dev-000000/methods" API, "", REBOOT);
	for (size_t i = 0; i < b.len; i++)
		peer_say(fd, b.data + i, 1);
	peer_hear(fd, &r);
	ck_assert_int_eq(r.status, 200);
	reply_done(&r);
	buf_done(&b);
	close(fd);
	peer_stop(&p);
}
END_TEST

START_TEST(test_what_is_not_http_is_refused_and_ends_the_connection)
{
	static const struct {
		int status;
		const char *text;
	} rows[] = {
	        {400, "hello\r\n\r\n"},
	        {400, "GET /\r\n\r\n"},
	        {400, "GET / HTTP/1.1\n\n\r\n\r\n"},
	        {400, "GET / HTTP/1.1\r\n\r\n"}, /* no Host */
	        {400, "GET x HTTP/1.1\r\nHost: h\r\n\r\n"},
	        {400, "GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"},
	        {400, "GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n"},
	        {400, "GET / HTTP/1.1\r\nHost : h\r\n\r\n"},
	        {400, "GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n"},
	        {400, "GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n"},
	        {400, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"},
	        {400, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n"},
	        {400, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n"},
	        {413, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 8388609\r\n\r\n"},
	        {501, "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"},
	        {505, "GET / HTTP/2.0\r\nHost: h\r\n\r\n"},
	        {401, "GET / HTTP/1.0\r\n\r\n"}, /* is HTTP, but has one answer only */
	        {401, "GET / HTTP/1.1\r\nHost: h\r\nConnection: Close\r\n\r\n"},
	};
	struct buf big = BUF_INIT;
	struct peer p;

	start(&p, "1", QUICK);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		ck_assert_msg(status_of_text(&p, rows[i].text) == rows[i].status, "%s", rows[i].text);
	buf_puts(&big, "GET / HTTP/1.1\r\nHost: h\r\nX: ");
	for (int i = 0; i < 17000; i++)
		buf_putc(&big, 'x');
	ck_assert_int_eq(status_of_text(&p, big.data), 431);
	buf_puts(&big, "\r\n\r\n");
	ck_assert_int_eq(status_of_text(&p, big.data), 431);
	buf_done(&big);
	peer_stop(&p);
}
END_TEST

START_TEST(test_a_large_body_is_taken_after_100_continue)
{
	struct buf body = BUF_INIT, b = BUF_INIT;
	struct reply r;
	struct peer p;
	int fd;

	start(&p, "1", QUICK);
	buf_puts(&body, "{\"methodName\":\"reboot\",\"payload\":\"");
	while (body.len < 100000)
		buf_puts(&body, "0123456789");
	buf_puts(&body, "\"}");
	put_request(&b, "POST", "/twins/dev-000000/methods" API, "Expect: 100-continue\r\n", body.data);
	fd = peer_dial(p.port);
	peer_say(fd, b.data, b.len - body.len);
	peer_hear(fd, &r);
	ck_assert_int_eq(r.status, 100);
	reply_done(&r);
	peer_say(fd, body.data, body.len);
	peer_hear(fd, &r);
	ck_assert_int_eq(r.status, 200);
	reply_done(&r);
	buf_done(&body);
	buf_done(&b);
	close(fd);
	peer_stop(&p);
}
END_TEST

/* Answers of some 20 MB, to a client who has not begun to read: more than a connection holds. */
START_TEST(test_a_client_who_is_slow_to_read_gets_all_in_the_end)
{
	struct buf b = BUF_INIT;
	int fd, room = 64 * 1024;
	struct reply r;
	struct peer p;

	start(&p, "100", QUICK);
	fd = peer_dial(p.port);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	for (int i = 0; i < 400; i++)
		put_request(&b, "POST", "/devices/query" API, "x-ms-max-item-count: 100\r\n",
		            "{\"query\":\"SELECT * FROM devices\"}");
	peer_say(fd, b.data, b.len);
	for (int i = 0; i < 400; i++) {
		peer_hear(fd, &r);
		ck_assert_int_eq(r.status, 200);
		ck_assert_uint_gt(r.body.len, 50000);
		reply_done(&r);
	}
	buf_done(&b);
	close(fd);
	peer_stop(&p);
}
END_TEST

START_TEST(test_many_calls_in_flight_and_callers_who_leave_disturb_nobody)
{
	enum { CALLS = 400 };
	struct reply r;
	int fds[CALLS];
	char target[64];
	struct peer p;

	start(&p, "400", FLEET("0", "[100,300]", ""));
	for (int i = 0; i < CALLS; i++) {
		fds[i] = peer_dial(p.port);
		snprintf(target, sizeof target, "/twins/dev-%06d/methods" API, i);
		say(fds[i], "POST", target, "", REBOOT);
	}
	for (int i = 0; i < CALLS; i += 2)
		close(fds[i]);
	for (int i = 1; i < CALLS; i += 2) {
		peer_hear(fds[i], &r);
		ck_assert_int_eq(r.status, 200);
		reply_done(&r);
		close(fds[i]);
	}
	peer_stop(&p);
}
END_TEST

/* --- The program ---------------------------------------------------------------------------------------- */

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	buf_put(arg, data, size * n);
	return size * n;
}

/* A GET by a client who checks the certificate against the file in the peer's folder. */
static long status_by_tls(const struct peer *p, const char *host, struct buf *ret_body)
{
	struct buf ca = BUF_INIT, url = BUF_INIT, token = BUF_INIT;
	struct curl_slist *headers;
	CURL *easy = curl_easy_init();
	long status = 0;

	buf_printf(&ca, "%s/hubsim-cert.pem", p->folder);
	buf_printf(&url, "https://%s:%u/twins/dev-000000" API, host, p->tls_port);
	put_token(&token, "service", 60);
	headers = curl_slist_append(NULL, strtok(token.data, "\r"));
	headers = curl_slist_append(headers, "Connection: close");
	curl_easy_setopt(easy, CURLOPT_URL, url.data);
	curl_easy_setopt(easy, CURLOPT_CAINFO, ca.data);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT, 20L);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, ret_body);
	ck_assert_str_eq(curl_easy_strerror(curl_easy_perform(easy)), curl_easy_strerror(CURLE_OK));
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(easy);
	curl_slist_free_all(headers);
	buf_done(&ca);
	buf_done(&url);
	buf_done(&token);
	return status;
}

START_TEST(test_the_certificate_it_makes_is_what_clients_take_as_ca_file)
{
	struct buf body = BUF_INIT;
	struct peer p;

	memset(&p, 0, sizeof p);
	peer_start(&p, ARGS("--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0", "--devices", "1"));
	ck_assert_int_eq(status_by_tls(&p, "localhost", &body), 200);
	assert_has(&body, "\"deviceId\":\"dev-000000\"");
	buf_reset(&body);
	ck_assert_int_eq(status_by_tls(&p, "127.0.0.1", &body), 200);
	buf_done(&body);
	peer_stop(&p);
}
END_TEST

START_TEST(test_a_bearer_token_of_a_file_opens_the_service_door)
{
	struct buf said = BUF_INIT;
	struct reply r;
	struct peer p;
	int fd;

	memset(&p, 0, sizeof p);
	peer_file_put(&p, "bearer", "some-token\n");
	peer_start(&p, ARGS("--listen", "127.0.0.1:0", "--devices", "1", "--bearer-file", "bearer"));
	fd = peer_dial(p.port);
	ck_assert_int_eq(status_with(fd, "/twins/dev-000000" API, "Authorization: Bearer some-token\r\n", &r),
	                 200);
	reply_done(&r);
	ck_assert_int_eq(status_with(fd, "/twins/dev-000000" API, "Authorization: Bearer some\r\n", &r), 401);
	reply_done(&r);
	close(fd);
	peer_stop(&p);
	ck_assert_int_eq(peer_run(ARGS("--bearer-file", "/dev/null"), &said), 1);
	assert_has(&said, "/dev/null: its first line is empty");
	buf_done(&said);
}
END_TEST

START_TEST(test_the_connection_string_is_printed_without_a_door)
{
	struct buf once = BUF_INIT, ready = BUF_INIT;
	json_t *json;
	struct peer p;

	ck_assert_int_eq(peer_run(ARGS("--print-connection-string"), &once), 0);
	ck_assert(strncmp(once.data, "HostName=localhost;SharedAccessKeyName=service;SharedAccessKey=", 63) ==
	          0);
	memset(&p, 0, sizeof p);
	peer_start(&p, ARGS("--listen", "127.0.0.1:0", "--print-connection-string", "--ready-file",
	                    "ready.json"));
	ck_assert(strncmp(p.printed.data, once.data, once.len) == 0);
	ck_assert_uint_gt(p.port, 0);
	peer_file_get(&p, "ready.json", &ready);
	json = json_loads(ready.data, 0, NULL);
	ck_assert_int_eq(json_integer_value(json_object_get(json, "pid")), p.pid);
	ck_assert_uint_eq(
	        strtoul(strrchr(json_string_value(json_object_get(json, "http")), ':') + 1, NULL, 10),
	        p.port);
	ck_assert(strncmp(json_string_value(json_object_get(json, "connectionString")), once.data,
	                  once.len - 1) == 0);
	json_decref(json);
	buf_reset(&ready);
	ck_assert_int_eq(peer_run(ARGS("--print-connection-string", "--secondary-key"), &ready), 0);
	ck_assert_uint_eq(ready.len, once.len);
	ck_assert_str_ne(ready.data, once.data);
	buf_done(&once);
	buf_done(&ready);
	peer_stop(&p);
}
END_TEST

START_TEST(test_a_wrong_command_line_is_refused_with_the_reason)
{
	static const struct {
		int status;
		const char *args[5], *reason;
	} rows[] = {
	        {2, {"--mqtt-listen", "0.0.0.0:0"}, "--allow-remote"},
	        {2,
	         {"--mqtt-plain-listen", "0.0.0.0:0", "--allow-remote"},
	         "--mqtt-plain-listen: must be an address of this machine only"},
	        {1, {"--print-device-connection-string", "dev-000100"}, "no such device"},
	        {2, {"--listen", "0.0.0.0:0"}, "--allow-remote"},
	        {2, {"--tls-listen", "[::]:0"}, "--allow-remote"},
	        {2, {"--listen", "example.org:80"}, "--listen: must be"},
	        {2, {"--devices", "1000001"}, "from 0 to 1000000"},
	        {2, {"--devices", "-1"}, "from 0 to 1000000"},
	        {2, {"--units", "0"}, "from 1 to 200"},
	        {2, {"--sku", "B1"}, "--sku: must be"},
	        {2, {"--boot-seconds", "4-2"}, "--boot-seconds: must be"},
	        {2, {"--policy", "admin"}, "--policy: must be one of iothubowner"},
	        {2, {"--host-name", "a,b"}, "--host-name: must be"},
	        {2, {"--nonsense"}, "--nonsense: there is no such option"},
	        {2, {"--seed"}, "--seed: needs a value"},
	        {2, {"now"}, "now: what is this?"},
	        {1, {"--temperament", "none.json"}, "none.json: No such file"},
	        {1, {"--journal", "none/j", "--listen", "127.0.0.1:0"}, "none/j: No such file"},
	};
	struct buf printed = BUF_INIT;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		buf_reset(&printed);
		ck_assert_msg(peer_run(rows[i].args, &printed) == rows[i].status, "%s", printed.data);
		assert_has(&printed, rows[i].reason);
	}
	buf_reset(&printed);
	ck_assert_int_eq(peer_run(ARGS("--help"), &printed), 0);
	assert_has(&printed, "--boot-seconds");
	buf_done(&printed);
}
END_TEST

START_TEST(test_a_door_that_is_taken_is_said_so)
{
	struct buf printed = BUF_INIT;
	char address[32];
	struct peer p;

	start(&p, "1", QUICK);
	snprintf(address, sizeof address, "127.0.0.1:%u", p.port);
	ck_assert_int_eq(peer_run(ARGS("--listen", address), &printed), 1);
	assert_has(&printed, "cannot listen: address already in use");
	buf_done(&printed);
	peer_stop(&p);
}
END_TEST

START_TEST(test_it_stops_at_sigterm_with_calls_in_flight)
{
	struct peer p;
	int fd, idle, refused;

	start(&p, "1", FLEET("0", "20000", ""));
	refused = peer_dial(p.port); /* and then does not close its end */
	peer_say(refused, "?\r\n\r\n", 5);
	fd = peer_dial(p.port);
	idle = peer_dial(p.port);
	say(fd, "POST", "/twins/dev-000000/methods" API, "", REBOOT);
	ck_assert_int_eq(status_of(idle, "GET", "/twins/dev-000000" API, "", NULL), 200);
	peer_stop(&p);
	ck_assert_int_eq(peer_hear_end(fd), 0);
	ck_assert_int_eq(peer_hear_end(idle), 0);
	ck_assert_int_eq(peer_hear_end(refused), 0);
	close(refused);
	close(fd);
	close(idle);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hubsim");
	int status;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	TESTS(s, "hub", test_a_method_call_is_answered_and_already_in_the_journal,
	      test_an_error_carries_its_name_in_the_header, test_a_twin_is_read_and_changed_under_its_etag,
	      test_a_query_goes_on_by_its_continuation_until_the_header_is_missing,
	      test_identities_are_created_listed_and_deleted, test_a_job_runs_under_the_service_policy,
	      test_a_cut_connection_is_a_reset_without_an_answer,
	      test_throttling_of_a_sku_shows_as_429_and_in_the_usage);
	TESTS(s, "who may", test_a_missing_bad_or_expired_token_gets_401_and_the_connection_stays,
	      test_a_policy_without_the_right_gets_401, test_a_bearer_token_of_a_file_opens_the_service_door);
	TESTS(s, "http", test_pipelined_requests_are_answered_in_order, test_a_request_may_come_byte_by_byte,
	      test_what_is_not_http_is_refused_and_ends_the_connection,
	      test_a_large_body_is_taken_after_100_continue,
	      test_a_client_who_is_slow_to_read_gets_all_in_the_end,
	      test_many_calls_in_flight_and_callers_who_leave_disturb_nobody);
	TESTS(s, "program", test_the_certificate_it_makes_is_what_clients_take_as_ca_file,
	      test_the_connection_string_is_printed_without_a_door,
	      test_a_wrong_command_line_is_refused_with_the_reason, test_a_door_that_is_taken_is_said_so,
	      test_it_stops_at_sigterm_with_calls_in_flight);
	status = suite_run(s);
	curl_global_cleanup();
	return status;
}
