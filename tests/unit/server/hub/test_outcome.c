/* tests: server/hub/outcome */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/secret.h"
#include "server/hub/outcome.h"

/* Every row of contract 2.4, and what is not in it. Code 0 and name NULL: the answer says nothing. */
static const struct {
	int status;
	int32_t code;
	const char *name;
	enum hub_outcome call, read;
} cases[] = {
        {200, 0, NULL, HUB_ANSWERED, HUB_ANSWERED},
        {201, 0, NULL, HUB_AMBIGUOUS, HUB_TROUBLE},
        {202, 0, NULL, HUB_AMBIGUOUS, HUB_TROUBLE},
        {204, 0, NULL, HUB_AMBIGUOUS, HUB_TROUBLE},
        {101, 0, NULL, HUB_AMBIGUOUS, HUB_TROUBLE},
        {301, 0, NULL, HUB_TROUBLE, HUB_TROUBLE},
        {307, 0, NULL, HUB_TROUBLE, HUB_TROUBLE},
        {400, 400004, "ArgumentInvalid", HUB_OUR_FAULT, HUB_OUR_FAULT},
        {400, 400005, "ArgumentNull", HUB_OUR_FAULT, HUB_OUR_FAULT},
        {400, 400006, "IotHubFormatError", HUB_OUR_FAULT, HUB_OUR_FAULT},
        {400, 400012, "Deserialization", HUB_OUR_FAULT, HUB_OUR_FAULT},
        {400, 400027, "ConnectionForcefullyClosedOnNewConnection", HUB_AMBIGUOUS, HUB_TROUBLE},
        {400, 0, NULL, HUB_OUR_FAULT, HUB_OUR_FAULT},
        {401, 401002, "IotHubUnauthorizedAccess", HUB_TROUBLE, HUB_TROUBLE},
        {401, 401003, "IotHubUnauthorized", HUB_TROUBLE, HUB_TROUBLE},
        {401, 0, NULL, HUB_TROUBLE, HUB_TROUBLE},
        {403, 403002, "IotHubQuotaExceeded", HUB_QUOTA, HUB_QUOTA},
        {403, 403010, "OperationNotAvailableInCurrentTier", HUB_TROUBLE, HUB_TROUBLE},
        {403, 403012, "DeviceDisabled", HUB_GONE, HUB_TROUBLE},
        {403, 403800, "DeviceMaximumInflightMethodExceeded", HUB_NOT_DELIVERED, HUB_TROUBLE},
        {403, 0, NULL, HUB_TROUBLE, HUB_TROUBLE},
        {404, 404001, "DeviceNotFound", HUB_GONE, HUB_GONE},
        {404, 404010, "ModuleNotFound", HUB_GONE, HUB_TROUBLE},
        {404, 404103, "DeviceNotOnline", HUB_OFFLINE, HUB_TROUBLE},
        {404, 404104, "DeviceConnectionClosedRemotely", HUB_AMBIGUOUS, HUB_TROUBLE},
        {404, 404999, "NeverHeardOf", HUB_AMBIGUOUS, HUB_TROUBLE},
        {404, 0, NULL, HUB_AMBIGUOUS, HUB_TROUBLE},
        {405, 0, NULL, HUB_OUR_FAULT, HUB_OUR_FAULT},
        {408, 0, NULL, HUB_AMBIGUOUS, HUB_TROUBLE},
        {409, 409301, "Conflict", HUB_AMBIGUOUS, HUB_TROUBLE},
        {412, 0, NULL, HUB_AMBIGUOUS, HUB_TROUBLE},
        {413, 413001, "RequestEntityTooLarge", HUB_OUR_FAULT, HUB_OUR_FAULT},
        {429, 429000, "GenericTooManyRequests", HUB_THROTTLED, HUB_THROTTLED},
        {429, 429001, "ThrottlingException", HUB_THROTTLED, HUB_THROTTLED},
        {429, 429002, "ThrottleBacklogLimitExceeded", HUB_THROTTLED, HUB_THROTTLED},
        {429, 429003, "ThrottlingBacklogTimeout", HUB_THROTTLED, HUB_THROTTLED},
        {429, 429004, "ThrottlingMaxActiveJobCountExceeded", HUB_THROTTLED, HUB_THROTTLED},
        {429, 429005, "DeviceThrottlingLimitExceeded", HUB_THROTTLED, HUB_THROTTLED},
        {429, 0, NULL, HUB_THROTTLED, HUB_THROTTLED},
        {499, 499000, "ClientClosedRequest", HUB_AMBIGUOUS, HUB_TROUBLE},
        {500, 500001, "ServerError", HUB_AMBIGUOUS, HUB_TROUBLE},
        {500, 500008, "GenericTimeout", HUB_AMBIGUOUS, HUB_TROUBLE},
        {502, 502000, "BadGateway", HUB_AMBIGUOUS, HUB_TROUBLE},
        {503, 503001, "ServiceUnavailable", HUB_AMBIGUOUS, HUB_TROUBLE},
        {503, 503005, "ServerBusy", HUB_AMBIGUOUS, HUB_TROUBLE},
        {503, 503008, "ReceiveLinkOpensThrottled", HUB_AMBIGUOUS, HUB_TROUBLE},
        {503, 503101, "ConnectionUnavailable", HUB_AMBIGUOUS, HUB_TROUBLE},
        {503, 503102, "DeviceUnavailable", HUB_AMBIGUOUS, HUB_TROUBLE},
        {504, 504101, "GatewayTimeout", HUB_AMBIGUOUS, HUB_TROUBLE},
        {504, 0, NULL, HUB_AMBIGUOUS, HUB_TROUBLE},
        {599, 0, NULL, HUB_AMBIGUOUS, HUB_TROUBLE},
        {0, 0, NULL, HUB_AMBIGUOUS, HUB_TROUBLE},
        /* Code and status disagree. */
        {400, 404103, "DeviceNotOnline", HUB_AMBIGUOUS, HUB_TROUBLE},
        {404, 504101, "GatewayTimeout", HUB_AMBIGUOUS, HUB_TROUBLE},
        {429, 503001, "ServiceUnavailable", HUB_AMBIGUOUS, HUB_TROUBLE},
        {500, 404001, "DeviceNotFound", HUB_AMBIGUOUS, HUB_TROUBLE},
};

static struct http_answer answer_of(int status, const char *body, const char *error_code)
{
	return (struct http_answer){.status = status,
	                            .date_ms = TIME_NONE,
	                            .retry_after_ms = TIME_NONE,
	                            .error_code = error_code,
	                            .body = body,
	                            .body_bytes = strlen(body)};
}

static void assert_outcomes(size_t i, const char *how, const char *body, const char *error_code)
{
	struct http_answer answer = answer_of(cases[i].status, body, error_code);
	struct hub_error e;
	enum hub_outcome call, read;

	hub_error_read(&answer, &e);
	call = outcome_of_call(&answer, &e);
	read = outcome_of_read(&answer, &e);
	ck_assert_msg(call == cases[i].call && read == cases[i].read, "%d %d by %s: call %s, read %s",
	              cases[i].status, cases[i].code, how, hub_outcome_text(call), hub_outcome_text(read));
}

#define EACH_CASE(i) (size_t i = 0; i < sizeof cases / sizeof *cases; i++)

START_TEST(test_every_outcome_is_read_from_envelope_a)
{
	char body[512];

	for
		EACH_CASE(i)
	if (cases[i].name != NULL) {
		snprintf(body, sizeof body,
		         "{\"Message\":\"ErrorCode:%s;dev-9\",\"ExceptionMessage\":\"Tracking ID:1-2\"}",
		         cases[i].name);
		/* A name that the table does not know says less than its code would. */
		if (cases[i].code / 1000 == cases[i].status)
			assert_outcomes(i, "envelope A", body, NULL);
	}
}
END_TEST

START_TEST(test_every_outcome_is_read_from_envelope_b)
{
	char body[512];

	for
		EACH_CASE(i)
		{
			snprintf(
			        body, sizeof body,
			        "{\"Message\":\"{\\\"errorCode\\\":%d,\\\"trackingId\\\":\\\"t\\\",\\\"message\\\":\\\"m\\\"}\","
			        "\"ExceptionMessage\":\"\"}",
			        cases[i].code);
			assert_outcomes(i, "envelope B", body, NULL);
			assert_outcomes(i, "envelope B and header", body, cases[i].name);
		}
}
END_TEST

START_TEST(test_every_outcome_is_read_from_envelope_c)
{
	char body[512];

	for
		EACH_CASE(i)
		{
			snprintf(body, sizeof body,
			         "{\"errorCode\":%d,\"trackingId\":\"t\",\"message\":\"m\"}", cases[i].code);
			assert_outcomes(i, "envelope C", body, NULL);
			snprintf(body, sizeof body, "{\"errorCode\":\"%d\"}", cases[i].code);
			assert_outcomes(i, "envelope C with a text", body, NULL);
		}
}
END_TEST

START_TEST(test_every_outcome_is_read_from_the_header_where_the_body_is_unreadable)
{
	static const char *const bodies[] = {
	        "",     "{",        "<html>504</html>",     "[]",
	        "null", "\"{\"",    "{\"Message\":5}",      "{\"Message\":\"{\"}",
	        "{}",   "\xff\xfe", "{\"errorCode\":null}", "{\"errorCode\":1e99}"};

	for
		EACH_CASE(i)
	for (size_t j = 0; j < sizeof bodies / sizeof *bodies; j++)
		if (cases[i].code / 1000 == cases[i].status || cases[i].name == NULL)
			assert_outcomes(i, bodies[j], bodies[j], cases[i].name);
}
END_TEST

START_TEST(test_a_short_code_says_no_more_than_the_status)
{
	struct http_answer answer =
	        answer_of(404, "{\"errorCode\":404,\"message\":\"m\"}", "DeviceNotOnline");
	struct hub_error e;

	hub_error_read(&answer, &e);
	ck_assert_int_eq(e.code, 404103);
	ck_assert_int_eq(outcome_of_call(&answer, &e), HUB_OFFLINE);
	answer.error_code = "IotHubNotFound";
	hub_error_read(&answer, &e);
	ck_assert_int_eq(e.code, 404);
	ck_assert_int_eq(outcome_of_call(&answer, &e), HUB_TROUBLE);
}
END_TEST

START_TEST(test_what_was_not_answered_is_ambiguous_unless_surely_not_sent)
{
	struct http_answer answer = answer_of(0, "", NULL);
	struct hub_error e;

	answer.err = ERR_NOT_SENT;
	hub_error_read(&answer, &e);
	ck_assert_int_eq(outcome_of_call(&answer, &e), HUB_NOT_DELIVERED);
	ck_assert_int_eq(outcome_of_read(&answer, &e), HUB_TROUBLE);
	answer.err = ERR_AMBIGUOUS;
	ck_assert_int_eq(outcome_of_call(&answer, &e), HUB_AMBIGUOUS);
	ck_assert_int_eq(outcome_of_read(&answer, &e), HUB_TROUBLE);
	answer.err = ERR_IO;
	ck_assert_int_eq(outcome_of_call(&answer, &e), HUB_AMBIGUOUS);
}
END_TEST

static void assert_error(const char *body, const char *header, int32_t code, const char *name,
                         const char *message, const char *tracking_id)
{
	struct http_answer answer = answer_of(code > 0 ? code / 1000 : 404, body, header);
	struct hub_error e;

	answer.request_id = "req-1";
	hub_error_read(&answer, &e);
	ck_assert_int_eq(e.code, code);
	ck_assert_str_eq(e.name, name);
	ck_assert_str_eq(e.message, message);
	ck_assert_str_eq(e.tracking_id, tracking_id);
}

START_TEST(test_the_texts_of_each_envelope_are_read)
{
	assert_error("{\"Message\":\"ErrorCode:DeviceNotFound;dev-9\",\"ExceptionMessage\":"
	             "\"Tracking ID:ab-G:5-TimeStamp:05/14/2024 09:12:44\"}",
	             "DeviceNotFound", 404001, "DeviceNotFound", "dev-9",
	             "ab-G:5-TimeStamp:05/14/2024 09:12:44");
	assert_error(
	        "{\"Message\":\"{\\\"errorCode\\\":404103,\\\"trackingId\\\":\\\"cd-G:0\\\",\\\"message\\\":"
	        "\\\"Timed out waiting for device to connect.\\\",\\\"info\\\":{\\\"timeout\\\":\\\"00:00:00\\\"},"
	        "\\\"timestampUtc\\\":\\\"2024-05-14T09:12:44.21Z\\\"}\",\"ExceptionMessage\":\"\"}",
	        "DeviceNotOnline", 404103, "DeviceNotOnline", "Timed out waiting for device to connect.",
	        "cd-G:0");
	assert_error("{\"errorCode\":504101,\"trackingId\":\"\",\"message\":\"Timed out.\"}", NULL, 504101,
	             "", "Timed out.", "req-1");
	assert_error("{\"errorCode\":404103}", NULL, 404103, "DeviceNotOnline", "", "req-1");
	assert_error("{\"Message\":\"The requested resource does not support http method 'POST'.\"}", NULL, 0,
	             "", "The requested resource does not support http method 'POST'.", "req-1");
	assert_error("<html>", "SomeName", 0, "SomeName", "", "req-1");
	assert_error("{\"Message\":\"ErrorCode:;x\"}", NULL, 0, "", "x", "req-1");
}
END_TEST

START_TEST(test_texts_are_one_clean_line_cut_between_characters)
{
	struct buf body = BUF_INIT;
	struct http_answer answer;
	struct hub_error e;

	secret_register("hunter2hunter2");
	buf_puts(&body, "{\"errorCode\":400004,\"message\":\"a\\nb\\u0000 sig=abc& hunter2hunter2 ");
	for (int i = 0; i < 300; i++)
		buf_puts(&body, "\xc3\xa9");
	buf_puts(&body, "\"}");
	answer = answer_of(400, body.data, NULL);
	hub_error_read(&answer, &e);
	ck_assert_int_eq(e.code, 400004);
	ck_assert_str_eq(e.message, "a b");
	buf_reset(&body);
	buf_puts(&body, "{\"errorCode\":400004,\"message\":\"a\\nb sig=abc& hunter2hunter2 ");
	for (int i = 0; i < 300; i++)
		buf_puts(&body, "\xc3\xa9");
	buf_puts(&body, "\"}");
	answer = answer_of(400, body.data, NULL);
	hub_error_read(&answer, &e);
	ck_assert_int_eq(strncmp(e.message, "a b sig=***& *** \xc3\xa9", 19), 0);
	ck_assert_uint_eq(strlen(e.message), 255);
	ck_assert_uint_eq((unsigned char)e.message[254], 0xa9);
	buf_reset(&body);
	buf_puts(&body, "{\"errorCode\":400004,\"message\":\"");
	for (int i = 0; i < 300; i++)
		buf_puts(&body, "\xc3\xa9");
	buf_puts(&body, "\"}");
	answer = answer_of(400, body.data, NULL);
	hub_error_read(&answer, &e);
	ck_assert_uint_eq(strlen(e.message), 254); /* 255 would be half of one */
	for (size_t n = sizeof e.message - 1; n <= sizeof e.message + 1; n++) {
		buf_reset(&body);
		buf_puts(&body, "{\"errorCode\":400004,\"message\":\"");
		for (size_t i = 0; i < n; i++)
			buf_putc(&body, 'a');
		buf_puts(&body, "\"}");
		answer = answer_of(400, body.data, NULL);
		hub_error_read(&answer, &e);
		ck_assert_uint_eq(strlen(e.message), sizeof e.message - 1);
	}
	buf_done(&body);
	secret_forget_all();
}
END_TEST

START_TEST(test_a_header_of_bytes_that_begin_no_character_says_nothing)
{
	struct http_answer answer;
	struct hub_error e;
	char header[100];

	memset(header, 0x80, sizeof header - 1);
	header[sizeof header - 1] = '\0';
	answer = answer_of(404, "{}", header);
	hub_error_read(&answer, &e);
	ck_assert_str_eq(e.name, "");
	ck_assert_int_eq(outcome_of_call(&answer, &e), HUB_AMBIGUOUS);
}
END_TEST

START_TEST(test_deeply_nested_bodies_are_survived)
{
	struct buf body = BUF_INIT;
	struct http_answer answer;
	struct hub_error e;

	for (int i = 0; i < 100000; i++)
		buf_puts(&body, "{\"Message\":");
	answer = answer_of(500, body.data, "ServerError");
	hub_error_read(&answer, &e);
	ck_assert_str_eq(e.name, "ServerError");
	ck_assert_int_eq(outcome_of_call(&answer, &e), HUB_AMBIGUOUS);
	buf_done(&body);
}
END_TEST

START_TEST(test_only_answers_that_refuse_have_an_error)
{
	static const char body[] = "{\"errorCode\":404103,\"message\":\"m\"}";
	struct http_answer answer = answer_of(404, body, NULL);
	struct hub_error e;

	answer.err = ERR_AMBIGUOUS; /* what came of it is not to be believed */
	hub_error_read(&answer, &e);
	ck_assert(e.code == 0 && e.name[0] == '\0' && e.message[0] == '\0' && e.tracking_id[0] == '\0');
	for (int status = 199; status <= 300; status++) {
		answer = answer_of(status, body, NULL);
		hub_error_read(&answer, &e);
		ck_assert_int_eq(e.code, status < 200 || status > 299 ? 404103 : 0);
	}
}
END_TEST

START_TEST(test_codes_and_names_that_are_none)
{
	assert_error("{\"errorCode\":404103}", "X", 404103, "X", "", "req-1"); /* what is said is kept */
	assert_error("{\"errorCode\":-1,\"message\":\"m\"}", NULL, 0, "", "", "req-1");
	assert_error("{\"errorCode\":2147483648}", NULL, 0, "", "", "req-1");
	assert_error("{\"errorCode\":\"0404103\"}", NULL, 404103, "DeviceNotOnline", "", "req-1");
	assert_error("{\"errorCode\":1,\"message\":\"m\"}", NULL, 1, "", "m", "req-1");
	/* What the body says comes before what the headers do, be it ever so short. */
	assert_error("{\"Message\":\"ErrorCode:X;x\"}", "DeviceNotOnline", 0, "X", "x", "req-1");
	assert_error("{\"errorCode\":404103,\"trackingId\":\"t\"}", NULL, 404103, "DeviceNotOnline", "", "t");
	assert_error("{\"errorCode\":\"2147483647\"}", NULL, 2147483647, "", "", "req-1");
	/* A name has room for 47 letters; a longer one is none. */
	assert_error("{\"Message\":\"ErrorCode:AbcdefghijAbcdefghijAbcdefghijAbcdefghijAbcdefg;x\"}", NULL, 0,
	             "AbcdefghijAbcdefghijAbcdefghijAbcdefghijAbcdefg", "x", "req-1");
	assert_error("{\"Message\":\"ErrorCode:AbcdefghijAbcdefghijAbcdefghijAbcdefghijAbcdefgh;x\"}", NULL,
	             0, "", "x", "req-1");
}
END_TEST

START_TEST(test_outcomes_have_texts)
{
	ck_assert_str_eq(hub_outcome_text(HUB_ANSWERED), "answered");
	ck_assert_str_eq(hub_outcome_text(HUB_OUR_FAULT), "rejected");
	ck_assert_str_eq(hub_outcome_text(HUB_OUTCOMES_N), "?");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("outcome");

	TESTS(s, "table", test_every_outcome_is_read_from_envelope_a,
	      test_every_outcome_is_read_from_envelope_b, test_every_outcome_is_read_from_envelope_c,
	      test_every_outcome_is_read_from_the_header_where_the_body_is_unreadable,
	      test_a_short_code_says_no_more_than_the_status,
	      test_what_was_not_answered_is_ambiguous_unless_surely_not_sent, test_outcomes_have_texts);
	TESTS(s, "envelopes", test_the_texts_of_each_envelope_are_read,
	      test_texts_are_one_clean_line_cut_between_characters,
	      test_only_answers_that_refuse_have_an_error, test_codes_and_names_that_are_none,
	      test_a_header_of_bytes_that_begin_no_character_says_nothing,
	      test_deeply_nested_bodies_are_survived);
	return suite_run(s);
}
