/* tests: server/hub/hub, method, twins: through the real client, against a server on loopback */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/secret.h"
#include "server/hub/entra.h"
#include "server/hub/hub.h"
#include "tests/unit/server/hub/stub.h"

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define CONNECTION "HostName=myhub.azure-devices.net;SharedAccessKeyName=service;SharedAccessKey=" KEY
#define DATE "Date: Tue, 14 May 2024 09:13:20 GMT\r\n"
#define DATE_MS 1715678000000

/* What the next requests are answered with, and the last one that came. */
static struct {
	const char *status, *headers, *body;
	char head[4096], got[20000];
} script;

static uv_loop_t loop;
static struct stub *stub;
static struct hub *hub;
static struct watch *watch;
static bool has_ended;

/* A copy of what counts of the last answer. */
static struct {
	unsigned times;
	enum hub_outcome outcome;
	int http_status;
	struct hub_error error;
	int64_t hub_at_ms, retry_after_ms;
	char detail[256], payload[256], continuation[64];
	bool has_payload, has_reading, is_there;
	int32_t method_status;
	char rows[256]; /* "id=value@hub_at_ms;" each; of a job "id=outcome status payload;", id? where not
	                   final */
	enum hub_job_stage job_stage;
	size_t job_devices_n;
	size_t rows_n, bad_rows_n;
} got;

static bool on_request(struct stub_conn *c, const struct stub_request *r, void *arg)
{
	(void)arg;
	snprintf(script.head, sizeof script.head, "%s", r->head);
	snprintf(script.got, sizeof script.got, "%.*s", (int)r->body_bytes, r->body);
	stub_answer(c, script.status, script.headers, script.body);
	return true;
}

static void put_row(const struct reading *r)
{
	size_t n = strlen(got.rows);

	snprintf(got.rows + n, sizeof got.rows - n, "%s=%s@%lld;", r->device_id,
	         r->value.is_there ? r->value.text : "-", (long long)r->hub_at_ms);
}

static void put_job_row(const struct hub_job_row *row)
{
	size_t n = strlen(got.rows);

	snprintf(got.rows + n, sizeof got.rows - n, "%s%s=%s %d %s;", row->device_id,
	         row->is_final ? "" : "?", hub_outcome_text(row->answer.outcome), row->answer.method_status,
	         row->answer.payload != NULL ? row->answer.payload : "-");
}

static void on_answer(void *arg, const struct hub_answer *a)
{
	ck_assert_ptr_eq(arg, &got);
	got.job_stage = a->job_stage;
	got.job_devices_n = a->job_devices_n;
	for (size_t i = 0; i < a->job_rows_n; i++)
		put_job_row(&a->job_rows[i]);
	got.times++;
	got.outcome = a->outcome;
	got.http_status = a->http_status;
	got.error = a->error;
	got.hub_at_ms = a->hub_at_ms;
	got.retry_after_ms = a->retry_after_ms;
	snprintf(got.detail, sizeof got.detail, "%s", a->detail);
	got.has_payload = a->payload != NULL;
	snprintf(got.payload, sizeof got.payload, "%s", a->payload != NULL ? a->payload : "");
	snprintf(got.continuation, sizeof got.continuation, "%s",
	         a->continuation != NULL ? a->continuation : "");
	got.method_status = a->method_status;
	got.has_reading = a->reading != NULL;
	if (a->reading != NULL) {
		got.is_there = a->reading->is_there;
		put_row(a->reading);
	}
	for (size_t i = 0; i < a->rows_n; i++)
		put_row(&a->rows[i]);
	got.rows_n = a->rows_n;
	got.bad_rows_n = a->bad_rows_n;
	uv_stop(&loop); /* a turn that began with this (a timer's) must not go on to wait for a socket */
}

static void wait_for_answer(enum err sent)
{
	ck_assert_int_eq(sent, ERR_OK);
	ck_assert_uint_eq(got.times, 0);
	while (got.times == 0)
		uv_run(&loop, UV_RUN_ONCE);
	ck_assert_uint_eq(got.times, 1);
}

static void expect(const char *status, const char *headers, const char *body)
{
	memset(&got, 0, sizeof got);
	script.status = status;
	script.headers = headers;
	script.body = body;
}

static void invoke(const char *device_id, const char *payload)
{
	struct hub_call call = {.device_id = device_id,
	                        .method_name = "reboot",
	                        .payload = payload,
	                        .payload_bytes = strlen(payload),
	                        .response_timeout_s = 30,
	                        .connect_timeout_s = 5};

	wait_for_answer(hub_invoke(hub, &call, on_answer, &got));
}

static void assert_starts(const char *text, const char *start)
{
	ck_assert_msg(strncmp(text, start, strlen(start)) == 0, "%s", text);
}

static void start_hub(const char *endpoint, const char *ca_file)
{
	struct hub_options options = {.loop = &loop,
	                              .name = "main",
	                              .connection_string = CONNECTION,
	                              .endpoint = endpoint,
	                              .ca_file = ca_file,
	                              .inflight_max = 8};

	uv_loop_init(&loop);
	ck_assert_int_eq(hub_new(&options, &hub), ERR_OK);
	ck_assert_str_eq(hub_name(hub), "main");
}

static void start(void)
{
	struct watch_options watched = {.value_path = "dm.last", .boot_path = "boot"};

	stub = stub_new(&(struct stub_options){.on_request = on_request});
	ck_assert_int_eq(watch_new(&watched, &watch), ERR_OK);
	start_hub(stub_url(stub), NULL);
}

static void on_freed(void *arg)
{
	ck_assert_ptr_eq(arg, &loop);
	has_ended = true;
}

static void stop(void)
{
	hub_free(hub, on_freed, &loop);
	while (!has_ended)
		uv_run(&loop, UV_RUN_ONCE);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	watch_free(watch);
	stub_free(stub);
	secret_forget_all();
}

START_TEST(test_a_method_call_is_sent_as_documented_and_its_answer_read)
{
	start();
	expect("200 OK", DATE, "{\"status\":202,\"payload\":{\"b\": [1, 2.5],\"a\":\"\xc3\xa9\"}}");
	invoke("d#1 +%", "{\"attemptId\":\"c-1-1\"}");
	assert_starts(script.head, "POST /twins/d%231%20%2B%25/methods?api-version=2021-04-12 HTTP/1.1\r\n");
	ck_assert_ptr_nonnull(strstr(script.head, "\r\nContent-Type: application/json; charset=utf-8\r\n"));
	ck_assert_ptr_nonnull(strstr(script.head, "\r\nAuthorization: SharedAccessSignature "
	                                          "sr=myhub.azure-devices.net&sig="));
	ck_assert_str_eq(script.got, "{\"methodName\":\"reboot\",\"responseTimeoutInSeconds\":30,"
	                             "\"connectTimeoutInSeconds\":5,\"payload\":{\"attemptId\":\"c-1-1\"}}");
	ck_assert_int_eq(got.outcome, HUB_ANSWERED);
	ck_assert_int_eq(got.http_status, 200);
	ck_assert_int_eq(got.method_status, 202);
	ck_assert_str_eq(got.payload, "{\"b\":[1,2.5],\"a\":\"\xc3\xa9\"}");
	ck_assert_int_eq(got.hub_at_ms, DATE_MS);
	ck_assert_str_eq(got.detail, "");
	stop();
}
END_TEST

START_TEST(test_an_answer_without_a_payload_is_an_answer)
{
	start();
	expect("200 OK", "", "{\"status\":-1,\"payload\":null}");
	invoke("d", "null");
	ck_assert_int_eq(got.outcome, HUB_ANSWERED);
	ck_assert_int_eq(got.method_status, -1);
	ck_assert(!got.has_payload);
	ck_assert_int_eq(got.hub_at_ms, TIME_NONE);
	expect("200 OK", "", "{\"status\":0}");
	invoke("d", "null");
	ck_assert_int_eq(got.outcome, HUB_ANSWERED);
	ck_assert(!got.has_payload);
	expect("200 OK", "", "{\"status\":200,\"payload\":\"Reboot started\"}");
	invoke("d", "null");
	ck_assert_str_eq(got.payload, "\"Reboot started\"");
	expect("200 OK", "", "{\"st\\u0061tus\":7}");
	invoke("d", "null");
	ck_assert_int_eq(got.method_status, 7);
	ck_assert(!got.has_payload);
	expect("200 OK", "", "{\"st\\u0061tus\":8,\"payload\":null}");
	invoke("d", "null");
	ck_assert_int_eq(got.method_status, 8);
	ck_assert(!got.has_payload);
	expect("200 OK", "", "{\"st\\u0061tus\":9,\"payload\":[1.50]}");
	invoke("d", "null");
	ck_assert_str_eq(got.payload, "[1.5]");
	stop();
}
END_TEST

START_TEST(test_a_200_that_is_no_devices_answer_is_ambiguous)
{
	static const char *const bodies[] = {"",
	                                     "{",
	                                     "[]",
	                                     "null",
	                                     "{}",
	                                     "{\"status\":\"200\"}",
	                                     "{\"status\":2.5}",
	                                     "{\"status\":99999999999}",
	                                     "<html>",
	                                     "{\"status\":200}x",
	                                     "{\"status\":-99999999999}",
	                                     "{\"st\\u0061tus\":\"200\"}",
	                                     "{\"st\\u0061tus\":99999999999}",
	                                     "{\"st\\u0061tus\":-99999999999}"};

	start();
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		expect("200 OK", "", bodies[i]);
		invoke("d", "null");
		ck_assert_msg(got.outcome == HUB_AMBIGUOUS, "%s", bodies[i]);
		ck_assert_int_eq(got.http_status, 200);
		ck_assert_str_ne(got.detail, "");
	}
	stop();
}
END_TEST

START_TEST(test_an_error_of_a_call_is_told_with_its_texts)
{
	start();
	expect("404 Not Found", "iothub-errorcode: DeviceNotOnline\r\n" DATE,
	       "{\"Message\":\"{\\\"errorCode\\\":404103,\\\"trackingId\\\":\\\"t-1\\\",\\\"message\\\":\\\"Not "
	       "online.\\\"}\"}");
	invoke("d", "null");
	ck_assert_int_eq(got.outcome, HUB_OFFLINE);
	ck_assert_int_eq(got.http_status, 404);
	ck_assert_int_eq(got.error.code, 404103);
	ck_assert_str_eq(got.error.tracking_id, "t-1");
	ck_assert_str_eq(got.detail, "Not online.");
	ck_assert_int_eq(got.hub_at_ms, DATE_MS);
	expect("429 Slow", "Retry-After: 12\r\n", "");
	invoke("d", "null");
	ck_assert_int_eq(got.outcome, HUB_THROTTLED);
	ck_assert_int_eq(got.retry_after_ms, 12000);
	stop();
}
END_TEST

/* A token that is made again within the same second is the same one, so this asks until the second is over.
 */
START_TEST(test_a_refused_token_is_replaced_for_the_next_request)
{
	char first[4096];

	start();
	expect("401 Unauthorized", "iothub-errorcode: IotHubUnauthorizedAccess\r\n", "");
	invoke("d", "null");
	ck_assert_int_eq(got.outcome, HUB_TROUBLE);
	strcpy(first, script.head);
	while (strcmp(first, script.head) == 0) {
		expect("401 Unauthorized", "", "");
		invoke("d", "null");
	}
	ck_assert_int_eq(got.outcome, HUB_TROUBLE);
	stop();
}
END_TEST

START_TEST(test_a_twin_is_read)
{
	start();
	expect("200 OK", DATE,
	       "{\"deviceId\":\"dev-1\",\"status\":\"enabled\",\"properties\":{\"reported\":"
	       "{\"dm\":{\"last\":\"x\"},\"$version\":3}}}");
	wait_for_answer(hub_read(hub, "dev-1", watch, on_answer, &got));
	assert_starts(script.head, "GET /twins/dev-1?api-version=2021-04-12 HTTP/1.1\r\n");
	ck_assert_int_eq(got.outcome, HUB_ANSWERED);
	ck_assert(got.has_reading && got.is_there);
	ck_assert_str_eq(got.rows, "dev-1=x@1715678000000;");
	stop();
}
END_TEST

START_TEST(test_a_twin_that_is_not_there_is_a_reading_of_absence)
{
	start();
	expect("404 Not Found", DATE, "{\"Message\":\"ErrorCode:DeviceNotFound;dev-1\"}");
	wait_for_answer(hub_read(hub, "dev-1", watch, on_answer, &got));
	ck_assert_int_eq(got.outcome, HUB_GONE);
	ck_assert(got.has_reading && !got.is_there);
	ck_assert_str_eq(got.rows, "dev-1=-@1715678000000;");
	stop();
}
END_TEST

START_TEST(test_what_is_not_the_asked_twin_is_trouble)
{
	static const struct {
		const char *status, *body;
	} wrong[] = {{"200 OK", ""},
	             {"200 OK", "{\"deviceId\":\"dev-2\"}"},
	             {"200 OK", "{}"},
	             {"404 Not Found", "<html>"},
	             {"404 Not Found", "{\"errorCode\":404103}"},
	             {"500 Error", ""},
	             {"504 Late", "{\"errorCode\":504101}"},
	             {"401 Who", ""},
	             {"307 There", ""}};

	start();
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		expect(wrong[i].status, "", wrong[i].body);
		wait_for_answer(hub_read(hub, "dev-1", watch, on_answer, &got));
		ck_assert_msg(got.outcome == HUB_TROUBLE, "%s %s", wrong[i].status, wrong[i].body);
		ck_assert(!got.has_reading);
	}
	stop();
}
END_TEST

START_TEST(test_a_query_is_read_page_by_page)
{
	start();
	expect("200 OK", DATE "x-ms-item-type: Raw\r\nx-ms-continuation: next=\r\n",
	       "[{\"deviceId\":\"a\",\"v\":\"1\"},{\"v\":\"?\"},{\"deviceId\":\"b\"},5]");
	wait_for_answer(hub_query(hub, "tags.site = 'A\"'", NULL, watch, on_answer, &got));
	assert_starts(script.head, "POST /devices/query?api-version=2021-04-12 HTTP/1.1\r\n");
	ck_assert_ptr_nonnull(strstr(script.head, "\r\nx-ms-max-item-count: 100\r\n"));
	ck_assert_ptr_null(strstr(script.head, "x-ms-continuation"));
	assert_starts(script.got, "{\"query\":\"SELECT deviceId AS deviceId, status AS status, ");
	ck_assert_ptr_nonnull(strstr(script.got, " FROM devices WHERE tags.site = 'A\\\"'\"}"));
	ck_assert_int_eq(got.outcome, HUB_ANSWERED);
	ck_assert_str_eq(got.rows, "a=1@1715678000000;b=-@1715678000000;");
	ck_assert_uint_eq(got.bad_rows_n, 2);
	ck_assert_str_eq(got.continuation, "next=");

	expect("200 OK", "x-ms-continuation: \r\n", "[]");
	wait_for_answer(hub_query(hub, NULL, "next=", watch, on_answer, &got));
	ck_assert_ptr_nonnull(strstr(script.head, "\r\nx-ms-continuation: next=\r\n"));
	ck_assert_ptr_nonnull(strstr(script.got, " FROM devices\"}"));
	ck_assert_int_eq(got.outcome, HUB_ANSWERED);
	ck_assert_str_eq(got.rows, "");
	ck_assert_str_eq(got.continuation, "");
	stop();
}
END_TEST

START_TEST(test_rows_of_a_page_may_be_written_in_any_way)
{
	static const struct {
		const char *page, *rows;
		size_t bad_n;
	} pages[] = {
	        {" [ {\"deviceId\":\"a\",\"v\":1} , {\"deviceId\":\"\\u0062\",\"v\":2}, {\"deviceId\":\"c\",\"v\":3} ] ",
	         "a=1@1715678000000;b=2@1715678000000;c=3@1715678000000;", 0},
	        {"[{\"deviceId\":\"a\",\"v\":{\"x\":[1,2.50]}},{\"deviceId\":\"b\",\"v\":1.0}]",
	         "a={\"x\":[1,2.5]}@1715678000000;b=1@1715678000000;", 0},
	        {"[{\"deviceId\":\"a\",\"deviceId\":\"b\"},{\"deviceId\":\"\\u00e5\"}]",
	         "b=-@1715678000000;\u00e5=-@1715678000000;", 0},
	        {"[{\"deviceId\":\"a\\u0000b\"},{\"deviceId\":\"c\"},[],null]", "c=-@1715678000000;", 3}};

	start();
	for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
		expect("200 OK", DATE, pages[i].page);
		wait_for_answer(hub_query(hub, NULL, NULL, watch, on_answer, &got));
		ck_assert_int_eq(got.outcome, HUB_ANSWERED);
		ck_assert_str_eq(got.rows, pages[i].rows);
		ck_assert_uint_eq(got.bad_rows_n, pages[i].bad_n);
	}
	stop();
}
END_TEST

START_TEST(test_a_page_may_have_more_rows_than_were_asked_for)
{
	struct buf page = BUF_INIT, rows = BUF_INIT;

	start();
	for (int i = 0; i < 300; i++) {
		buf_printf(&page, "%s{\"deviceId\":\"d%d\"}", i > 0 ? "," : "[", i);
		if (i < 10)
			buf_printf(&rows, "d%d=-@1715678000000;", i);
	}
	buf_putc(&page, ']');
	expect("200 OK", DATE, page.data);
	wait_for_answer(hub_query(hub, NULL, NULL, watch, on_answer, &got));
	ck_assert_int_eq(got.outcome, HUB_ANSWERED);
	ck_assert_uint_eq(got.rows_n, 300);
	assert_starts(got.rows, rows.data);
	buf_done(&page);
	buf_done(&rows);
	stop();
}
END_TEST

START_TEST(test_a_query_that_fails_tells_how)
{
	static const struct {
		const char *status, *body;
		enum hub_outcome outcome;
	} wrong[] = {{"400 Bad", "{\"Message\":\"ErrorCode:ArgumentInvalid;BadRequest\"}", HUB_OUR_FAULT},
	             {"404 Not Found", "{\"Message\":\"ErrorCode:DeviceNotFound;x\"}", HUB_TROUBLE},
	             {"429 Slow", "", HUB_THROTTLED},
	             {"403 No", "{\"Message\":\"ErrorCode:IotHubQuotaExceeded;x\"}", HUB_QUOTA},
	             {"200 OK", "{}", HUB_TROUBLE},
	             {"200 OK", "[{\"deviceId\":", HUB_TROUBLE},
	             {"200 OK", "[{\"deviceId\":\"a\"}", HUB_TROUBLE},
	             {"200 OK", "[{\"deviceId\":\"a\"},]", HUB_TROUBLE},
	             {"200 OK", "[{\"deviceId\":\"a\"} {\"deviceId\":\"b\"}]", HUB_TROUBLE},
	             {"200 OK", "[{\"deviceId\":\"a\"}]x", HUB_TROUBLE}};

	start();
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		expect(wrong[i].status, "x-ms-continuation: more\r\n", wrong[i].body);
		wait_for_answer(hub_query(hub, NULL, NULL, watch, on_answer, &got));
		ck_assert_msg(got.outcome == wrong[i].outcome, "%s %s", wrong[i].status, wrong[i].body);
		ck_assert_str_eq(got.continuation, "");
		ck_assert_str_eq(got.rows, "");
	}
	stop();
}
END_TEST

START_TEST(test_a_query_of_more_than_8192_characters_is_refused)
{
	struct buf select = BUF_INIT, condition = BUF_INIT;

	start();
	watch_select(watch, &select);
	for (size_t n = strlen("SELECT  FROM devices WHERE ") + select.len; n < 8192; n++)
		buf_putc(&condition, '"');
	expect("200 OK", "", "[]");
	wait_for_answer(hub_query(hub, condition.data, NULL, watch, on_answer, &got));
	ck_assert_int_eq(got.outcome, HUB_ANSWERED);
	buf_putc(&condition, 'x');
	ck_assert_int_eq(hub_query(hub, condition.data, NULL, watch, on_answer, &got), ERR_INVALID);
	buf_done(&condition);
	buf_done(&select);
	stop();
}
END_TEST

START_TEST(test_ids_that_no_path_can_name_are_refused)
{
	static const char *const ids[] = {"", ".", ".."};

	start();
	for (size_t i = 0; i < 3; i++) {
		struct hub_call call = {
		        .device_id = ids[i], .method_name = "m", .payload = "null", .payload_bytes = 4};

		ck_assert_int_eq(hub_invoke(hub, &call, on_answer, &got), ERR_INVALID);
		ck_assert_int_eq(hub_read(hub, ids[i], watch, on_answer, &got), ERR_INVALID);
	}
	expect("200 OK", "", "{\"deviceId\":\"...\"}");
	wait_for_answer(hub_read(hub, "...", watch, on_answer, &got));
	ck_assert_int_eq(got.outcome, HUB_ANSWERED);
	stop();
}
END_TEST

START_TEST(test_a_call_that_is_out_when_the_hub_ends_is_not_delivered_or_ambiguous)
{
	struct hub_call call = {.device_id = "d", .method_name = "m", .payload = "null", .payload_bytes = 4};

	start();
	memset(&got, 0, sizeof got);
	ck_assert_int_eq(hub_invoke(hub, &call, on_answer, &got), ERR_OK);
	stop();
	ck_assert_uint_eq(got.times, 1);
	ck_assert_int_eq(got.outcome, HUB_NOT_DELIVERED);
	ck_assert_str_ne(got.detail, "");
}
END_TEST

START_TEST(test_a_hub_is_reached_over_tls_that_its_ca_file_vouches_for)
{
	struct stub_identity *identity = stub_identity_new("IP:127.0.0.1");

	stub = stub_new(&(struct stub_options){.on_request = on_request, .identity = identity});
	start_hub(stub_url(stub), stub_identity_ca_file(identity));
	expect("200 OK", "", "{\"status\":200}");
	invoke("d", "null");
	ck_assert_int_eq(got.outcome, HUB_ANSWERED);
	stop();
	stub_identity_free(identity);
}
END_TEST

START_TEST(test_unsound_options_are_refused)
{
	struct hub_options options = {.loop = &loop, .name = "main", .inflight_max = 8};
	const char *reason = NULL;

	uv_loop_init(&loop);
	options.connection_string = "HostName=h";
	ck_assert_int_eq(hub_new(&options, &hub), ERR_INVALID);
	ck_assert_int_eq(hub_check_connection_string("HostName=h", &reason), ERR_INVALID);
	ck_assert_ptr_nonnull(reason);
	ck_assert_int_eq(hub_check_connection_string(CONNECTION, &reason), ERR_OK);
	options.connection_string = CONNECTION;
	options.endpoint = "http://hub.example";
	ck_assert_int_eq(hub_new(&options, &hub), ERR_INVALID);
	ck_assert_int_eq(hub_check_endpoint("http://hub.example", &reason), ERR_INVALID);
	options.endpoint = NULL;
	options.ca_file = "/nonexistent/ca.pem";
	ck_assert_int_eq(hub_new(&options, &hub), ERR_NOT_FOUND);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

START_TEST(test_the_time_out_of_a_call_covers_the_hubs_waiting_and_connecting)
{
	ck_assert_uint_eq(hub_call_timeout_ms(30, 0), 50000);
	ck_assert_uint_eq(hub_call_timeout_ms(300, 300), 620000);
}
END_TEST

/* ---- access tokens ---- */

static bool on_authority_request(struct stub_conn *c, const struct stub_request *r, void *arg)
{
	(void)arg;
	ck_assert(strncmp(r->head, "POST /t-1/oauth2/v2.0/token HTTP/1.1\r\n", 38) == 0);
	ck_assert_ptr_null(strstr(r->head, "\r\nAuthorization:"));
	stub_answer(c, "200 OK", "Content-Type: application/json\r\n",
	            "{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"eyJ0\"}");
	return true;
}

START_TEST(test_calls_carry_an_access_token_once_the_authority_has_given_it)
{
	struct stub *authority = stub_new(&(struct stub_options){.on_request = on_authority_request});
	char file[] = "/tmp/rollcall-secret-XXXXXX", url[64];
	int fd = mkstemp(file);
	struct entra entra = {ENTRA_CLIENT_SECRET, url, (char[]){"t-1"}, (char[]){"c"}, file};
	struct hub_options options = {.loop = &loop,
	                              .name = "main",
	                              .host = "myhub.azure-devices.net",
	                              .entra = &entra,
	                              .inflight_max = 8};
	struct hub_call call = {
	        .device_id = "d", .method_name = "reboot", .payload = "null", .payload_bytes = 4};

	ck_assert_int_eq(write(fd, "secret", 6), 6);
	close(fd);
	snprintf(url, sizeof url, "%s", stub_url(authority));
	stub = stub_new(&(struct stub_options){.on_request = on_request});
	options.endpoint = stub_url(stub);
	ck_assert_int_eq(watch_new(&(struct watch_options){.value_path = "a"}, &watch), ERR_OK);
	uv_loop_init(&loop);
	ck_assert_int_eq(hub_new(&options, &hub), ERR_OK);
	expect("200 OK", DATE, "{\"status\":200}");
	while (hub_invoke(hub, &call, on_answer, &got) == ERR_NO_TOKEN)
		uv_run(&loop, UV_RUN_ONCE);
	wait_for_answer(ERR_OK);
	ck_assert_ptr_nonnull(strstr(script.head, "\r\nAuthorization: Bearer eyJ0\r\n"));
	ck_assert_int_eq(got.outcome, HUB_ANSWERED);
	ck_assert_uint_eq(stub_requests(authority), 1);
	stop();
	stub_free(authority);
	unlink(file);
}
END_TEST

/* --- jobs --- */

static void start_job(void)
{
	const char *const ids[] = {"d-1", "d'2", "d\\3"};
	struct hub_job job = {.id = "j-1",
	                      .device_ids = ids,
	                      .devices_n = 3,
	                      .method_name = "reboot",
	                      .payload = "{\"a\":1}",
	                      .response_timeout_s = 30,
	                      .connect_timeout_s = 5,
	                      .time_max_s = 155};

	wait_for_answer(hub_job_start(hub, &job, on_answer, &got));
}

START_TEST(test_a_job_is_started_as_documented)
{
	start();
	expect("200 OK", DATE, "{\"jobId\":\"j-1\",\"type\":\"scheduleDeviceMethod\",\"status\":\"queued\"}");
	start_job();
	assert_starts(script.head, "PUT /jobs/v2/j-1?api-version=2021-04-12 HTTP/1.1\r\n");
	ck_assert_ptr_nonnull(strstr(script.head, "\r\nContent-Type: application/json; charset=utf-8\r\n"));
	ck_assert_str_eq(
	        script.got,
	        "{\"jobId\":\"j-1\",\"type\":\"scheduleDeviceMethod\",\"cloudToDeviceMethod\":{"
	        "\"methodName\":\"reboot\",\"responseTimeoutInSeconds\":30,\"connectTimeoutInSeconds\":5,"
	        "\"payload\":{\"a\":1}},\"queryCondition\":\"deviceId IN ['d-1','d\\\\'2','d\\\\\\\\3']\","
	        "\"maxExecutionTimeInSeconds\":155}");
	ck_assert_int_eq(got.outcome, HUB_ANSWERED);
	ck_assert_int_eq(got.job_stage, HUB_JOB_GOING);
	ck_assert_uint_eq(got.job_devices_n, SIZE_MAX);
	ck_assert_uint_eq(hub_job_bytes("d'2"), strlen("'d\\'2',"));
	ck_assert_uint_eq(hub_job_bytes("d\\3"), strlen("'d\\\\3',"));
	expect("200 OK", "", "{\"status\":200}"); /* and a call after it is a POST again */
	invoke("d", "null");
	assert_starts(script.head, "POST /twins/d/methods");
	stop();
}
END_TEST

START_TEST(test_a_job_whose_start_got_no_job_back_is_in_doubt)
{
	start();
	expect("200 OK", "", "<html>");
	start_job();
	ck_assert_int_eq(got.outcome, HUB_AMBIGUOUS);
	expect("503 Service Unavailable", "", "");
	start_job();
	ck_assert_int_eq(got.outcome, HUB_AMBIGUOUS);
	expect("429 Too Many Requests", "", "{\"errorCode\":429004,\"message\":\"too many jobs\"}");
	start_job();
	ck_assert_int_eq(got.outcome, HUB_THROTTLED);
	stop();
}
END_TEST

START_TEST(test_how_far_a_job_is_can_be_read)
{
	static const struct {
		const char *status;
		enum hub_job_stage stage;
	} rows[] = {{"queued", HUB_JOB_GOING},    {"scheduled", HUB_JOB_GOING}, {"running", HUB_JOB_GOING},
	            {"whatever", HUB_JOB_GOING},  {"completed", HUB_JOB_ENDED}, {"failed", HUB_JOB_ENDED},
	            {"cancelled", HUB_JOB_ENDED}, {"unknown", HUB_JOB_UNKNOWN}};
	char body[200];

	start();
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		snprintf(body, sizeof body, "{\"status\":\"%s\",\"deviceJobStatistics\":{\"deviceCount\":7}}",
		         rows[i].status);
		expect("200 OK", "", body);
		wait_for_answer(hub_job_read(hub, "j-1", on_answer, &got));
		ck_assert_int_eq(got.outcome, HUB_ANSWERED);
		ck_assert_int_eq(got.job_stage, rows[i].stage);
		ck_assert_uint_eq(got.job_devices_n, 7);
	}
	assert_starts(script.head, "GET /jobs/v2/j-1?api-version=2021-04-12 HTTP/1.1\r\n");
	for (size_t i = 0; i < 2; i++) {
		snprintf(body, sizeof body,
		         "{\"status\":\"running\",\"deviceJobStatistics\":{\"deviceCount\":%s}}",
		         i == 0 ? "-1" : "\"7\"");
		expect("200 OK", "", body);
		wait_for_answer(hub_job_read(hub, "j-1", on_answer, &got));
		ck_assert_uint_eq(got.job_devices_n, SIZE_MAX); /* not known */
	}
	expect("503 Busy", "", "");
	wait_for_answer(hub_job_read(hub, "j-1", on_answer, &got));
	ck_assert_int_eq(got.outcome, HUB_TROUBLE);
	expect("200 OK", "", "[]");
	wait_for_answer(hub_job_read(hub, "j-1", on_answer, &got));
	ck_assert_int_eq(got.outcome, HUB_TROUBLE);
	stop();
}
END_TEST

START_TEST(test_a_jobs_rows_are_outcomes_of_its_devices)
{
	start();
	expect("200 OK", "x-ms-continuation: more\r\n",
	       "[{\"deviceId\":\"a\",\"status\":\"completed\",\"outcome\":{\"deviceMethodResponse\":{\"status\":200,"
	       "\"payload\":[ 1 ]}}},"
	       "{\"deviceId\":\"b\",\"status\":\"failed\",\"error\":{\"code\":\"DeviceNotOnline\"}},"
	       "{\"deviceId\":\"c\",\"status\":\"failed\",\"error\":{\"code\":\"GatewayTimeout\",\"description\":\"x\"}},"
	       "{\"deviceId\":\"d\",\"status\":\"failed\",\"error\":{\"code\":\"DeviceNotFound\"}},"
	       "{\"deviceId\":\"e\",\"status\":\"running\"},"
	       "{\"deviceId\":\"f\",\"status\":\"completed\",\"outcome\":{}},"
	       "{\"status\":\"completed\"},7]");
	wait_for_answer(hub_job_rows(hub, "j-1", "before", on_answer, &got));
	ck_assert_str_eq(script.got,
	                 "{\"query\":\"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'j-1'\"}");
	ck_assert_ptr_nonnull(strstr(script.head, "\r\nx-ms-continuation: before\r\n"));
	ck_assert_str_eq(got.rows,
	                 "a=answered 200 [1];b=offline 0 -;c=ambiguous 0 -;d=gone 0 -;e?=ambiguous 0 -;"
	                 "f=ambiguous 0 -;");
	ck_assert_uint_eq(got.bad_rows_n, 2);
	ck_assert_str_eq(got.continuation, "more");
	expect("200 OK", "",
	       "[{\"deviceId\":\"a\",\"status\":\"completed\",\"outcome\":{\"deviceMethodResponse\":{\"status\":1,"
	       "\"payload\":null}}},"
	       "{\"deviceId\":\"b\",\"status\":\"completed\",\"outcome\":{\"deviceMethodResponse\":{\"status\":2}}},"
	       "{\"deviceId\":\"c\",\"status\":\"completed\",\"outcome\":{\"deviceMethodResponse\":{"
	       "\"status\":9999999999}}},"
	       "{\"deviceId\":\"d\",\"status\":\"completed\",\"outcome\":{\"deviceMethodResponse\":{"
	       "\"status\":-9999999999}}},"
	       "{\"deviceId\":\"e\",\"status\":\"failed\"},"
	       "{\"deviceId\":\"f\",\"status\":\"failed\",\"error\":{\"code\":\"Unheard\"}},{\"deviceId\":\"g\"}]");
	wait_for_answer(hub_job_rows(hub, "j-1", NULL, on_answer, &got));
	ck_assert_str_eq(got.rows, "a=answered 1 -;b=answered 2 -;c=ambiguous 0 -;d=ambiguous 0 -;"
	                           "e=ambiguous 0 -;f=ambiguous 0 -;");
	ck_assert_uint_eq(got.bad_rows_n, 1);
	stop();
}
END_TEST

START_TEST(test_rows_of_a_job_that_cannot_be_had_are_trouble)
{
	static const char *const bodies[] = {"", "{}", "[{\"deviceId\":"};

	start();
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		expect("200 OK", "x-ms-continuation: more\r\n", bodies[i]);
		wait_for_answer(hub_job_rows(hub, "j-1", NULL, on_answer, &got));
		ck_assert_int_eq(got.outcome, HUB_TROUBLE);
		ck_assert_str_eq(got.rows, "");
		ck_assert_str_eq(got.continuation, "");
	}
	expect("429 Too Many Requests", "", "");
	wait_for_answer(hub_job_rows(hub, "j-1", NULL, on_answer, &got));
	ck_assert_int_eq(got.outcome, HUB_THROTTLED);
	stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hub");

	TESTS(s, "method", test_a_method_call_is_sent_as_documented_and_its_answer_read,
	      test_an_answer_without_a_payload_is_an_answer,
	      test_a_200_that_is_no_devices_answer_is_ambiguous,
	      test_an_error_of_a_call_is_told_with_its_texts,
	      test_a_refused_token_is_replaced_for_the_next_request,
	      test_the_time_out_of_a_call_covers_the_hubs_waiting_and_connecting);
	TESTS(s, "twins", test_a_twin_is_read, test_a_twin_that_is_not_there_is_a_reading_of_absence,
	      test_what_is_not_the_asked_twin_is_trouble, test_a_query_is_read_page_by_page,
	      test_rows_of_a_page_may_be_written_in_any_way,
	      test_a_page_may_have_more_rows_than_were_asked_for, test_a_query_that_fails_tells_how,
	      test_a_query_of_more_than_8192_characters_is_refused);
	TESTS(s, "jobs", test_a_job_is_started_as_documented,
	      test_a_job_whose_start_got_no_job_back_is_in_doubt, test_how_far_a_job_is_can_be_read,
	      test_a_jobs_rows_are_outcomes_of_its_devices,
	      test_rows_of_a_job_that_cannot_be_had_are_trouble);
	TESTS(s, "access token", test_calls_carry_an_access_token_once_the_authority_has_given_it);
	TESTS(s, "hub", test_ids_that_no_path_can_name_are_refused,
	      test_a_call_that_is_out_when_the_hub_ends_is_not_delivered_or_ambiguous,
	      test_a_hub_is_reached_over_tls_that_its_ca_file_vouches_for, test_unsound_options_are_refused);
	return suite_run(s);
}
