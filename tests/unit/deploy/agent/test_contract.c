/* tests: deploy/agent/contract */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/agent/contract.h"

static struct request r;
static char why[WHY_SIZE];

static int call(const char *method, const char *payload)
{
	why[0] = '\0';
	return request_read(method, payload, strlen(payload), &r, why);
}

START_TEST(test_a_call_carries_an_attempt_id_or_none)
{
	static const char *const none[] = {"", "null", "{}", "7", "\"now\"", "[]", "{\"attemptId\":null}"};

	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		ck_assert_int_eq(call("reboot", none[i]), 200);
		ck_assert_str_eq(r.attempt_id, "");
		request_done(&r);
	}
	ck_assert_int_eq(call("factoryReset", " {\"attemptId\" : \"c1-7-1\", \"more\": [1] } "), 200);
	ck_assert_int_eq(r.type, ACT_FACTORY_RESET);
	ck_assert_str_eq(r.attempt_id, "c1-7-1");
	ck_assert_str_eq(r.payload, "{\"attemptId\":\"c1-7-1\",\"more\":[1]}");
	request_done(&r);
}
END_TEST

START_TEST(test_a_package_is_taken_by_the_names_of_each_tutorial)
{
	static const char *const calls[] = {
	        "{\"fwPackageUri\":\"https://h/p\",\"fwVersion\":\"2.0\",\"fwPackageCheckValue\":\"ab\"}",
	        "{\"fwPackageURI\":\"https://h/p\",\"fwVersion\":\"2.0\",\"fwPackageCheckValue\":\"ab\"}",
	        "\"{\\\"fwPackageUri\\\":\\\"https://h/p\\\",\\\"fwVersion\\\":\\\"2.0\\\",\\\"fwPackageCheckValue\\\":\\\"ab\\\"}\"",
	        "\"https://h/p\""};

	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		ck_assert_int_eq(call("firmwareUpdate", calls[i]), 200);
		ck_assert_str_eq(r.package_uri, "https://h/p");
		if (i < 3) {
			ck_assert_str_eq(r.package_version, "2.0");
			ck_assert_str_eq(r.package_check, "ab");
		} else {
			ck_assert(r.package_version == NULL && r.package_check == NULL);
		}
		request_done(&r);
	}
}
END_TEST

START_TEST(test_what_is_kept_of_a_call_reads_as_the_call)
{
	char *payload;

	ck_assert_int_eq(call("firmwareUpdate",
	                      "\"{\\\"fwPackageUri\\\":\\\"https://h/p\\\",\\\"attemptId\\\":\\\"c\\\"}\""),
	                 200);
	payload = r.payload;
	r.payload = NULL;
	request_done(&r);
	ck_assert_int_eq(call("firmwareUpdate", payload), 200);
	ck_assert_str_eq(r.package_uri, "https://h/p");
	ck_assert_str_eq(r.attempt_id, "c");
	request_done(&r);
	free(payload);
}
END_TEST

START_TEST(test_a_call_that_makes_no_sense_is_refused_with_the_reason)
{
	static const struct {
		const char *method, *payload;
		int status;
		const char *why;
	} cases[] = {
	        {"restart", "null", 404, "no such method"},
	        {"Reboot", "null", 404, "no such method"},
	        {"reboot", "{", 400, "payload"},
	        {"reboot", "null null", 400, "payload"},
	        {"reboot", "{\"attemptId\":1}", 400, "attemptId"},
	        {"reboot", "{\"attemptId\":\"\"}", 400, "attemptId"},
	        {"reboot", "{\"attemptId\":\"a b\"}", 400, "attemptId"},
	        {"reboot", "{\"attemptId\":\"a\\u00e5\"}", 400, "attemptId"},
	        {"reboot", "{\"attemptId\":\"a\",\"attemptId\":\"b\"}", 400, "payload"},
	        {"firmwareUpdate", "null", 400, "fwPackageUri"},
	        {"firmwareUpdate", "{\"fwPackageUri\":7}", 400, "fwPackageUri"},
	        {"firmwareUpdate", "{\"fwPackageUri\":\"http://h/p\"}", 400, "https://"},
	        {"firmwareUpdate", "\"--output=/etc/passwd\"", 400, "https://"},
	        {"firmwareUpdate", "{\"fwPackageUri\":\"https://h/p --output x\"}", 400, "fwPackageUri"},
	        {"firmwareUpdate", "{\"fwPackageUri\":\"https://h/p\\n\"}", 400, "fwPackageUri"},
	        {"firmwareUpdate", "{\"fwPackageUri\":\"https://h/p\",\"fwVersion\":\"1 2\"}", 400,
	         "fwVersion"},
	        {"firmwareUpdate", "{\"fwPackageUri\":\"https://h/p\",\"fwPackageCheckValue\":\"\"}", 400,
	         "fwPackageCheckValue"},
	        {"firmwareUpdate", "\"{half\"", 400, "https://"},
	        {"reboot", "{\"attemptId\":\"a\\u007f\"}", 400, "attemptId"},
	};
	char *large = malloc(PAYLOAD_BYTES_MAX + 2), id[200];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ck_assert_msg(call(cases[i].method, cases[i].payload) == cases[i].status, "%s",
		              cases[i].payload);
		ck_assert_msg(strstr(why, cases[i].why) != NULL, "%s: %s", cases[i].payload, why);
	}
	snprintf(id, sizeof id, "{\"attemptId\":\"%0128d\"}", 1);
	ck_assert_int_eq(call("reboot", id), 200);
	request_done(&r);
	snprintf(id, sizeof id, "{\"attemptId\":\"%0129d\"}", 1);
	ck_assert_int_eq(call("reboot", id), 400);
	memset(large, ' ', PAYLOAD_BYTES_MAX + 1);
	large[PAYLOAD_BYTES_MAX + 1] = '\0';
	ck_assert_int_eq(call("reboot", large), 413);
	free(large);
}
END_TEST

static void assert_text(char *text, const char *wanted)
{
	ck_assert_str_eq(text, wanted);
	free(text);
}

START_TEST(test_answers_say_what_became_of_the_attempt)
{
	struct act a = {.attempt_id = "c1", .phase = PHASE_ACCEPTED};

	assert_text(answer_taken(&a, false),
	            "{\"attemptId\":\"c1\",\"state\":\"accepted\",\"repeated\":false}");
	a.phase = PHASE_DONE;
	assert_text(answer_taken(&a, true), "{\"attemptId\":\"c1\",\"state\":\"done\",\"repeated\":true}");
	a.attempt_id[0] = '\0';
	assert_text(answer_taken(&a, false), "{\"attemptId\":null,\"state\":\"done\",\"repeated\":false}");
	assert_text(answer_refused("x: \"y\""), "{\"error\":\"x: \\\"y\\\"\"}");
}
END_TEST

static const struct versions versions = {.agent = "1", .kernel = "6"};

static void assert_report(const struct state *s, const char *wanted)
{
	json_t *report = report_of(s, &versions), *json = json_loads(wanted, 0, NULL);
	char *text = json_dumps(report, JSON_COMPACT);

	ck_assert_ptr_nonnull(json);
	ck_assert_msg(json_equal(report, json), "%s\nis not\n%s", text, wanted);
	free(text);
	json_decref(json);
	json_decref(report);
}

/* The paths are those that the service's profiles watch. */
START_TEST(test_a_report_shows_the_last_attempt_and_the_last_that_was_done)
{
	struct state s = {.boot_id = "b2", .booted_at_ms = 1000, .last_reboot_at_ms = 1000, .n = 2};

	s.acts[0] = (struct act){.attempt_id = "c1",
	                         .type = ACT_REBOOT,
	                         .phase = PHASE_DONE,
	                         .boot_id = "b1",
	                         .accepted_at_ms = 500,
	                         .ended_at_ms = 1100,
	                         .end_boot_id = "b2",
	                         .end_booted_at_ms = 1000,
	                         .end_firmware = "2.0"};
	s.acts[1] = (struct act){
	        .type = ACT_REBOOT, .phase = PHASE_ACCEPTED, .boot_id = "b2", .accepted_at_ms = 2001};
	assert_report(
	        &s,
	        "{\"bootId\":\"b2\",\"bootedAt\":\"1970-01-01T00:00:01.000Z\","
	        "\"versions\":{\"agent\":\"1\",\"kernel\":\"6\",\"firmware\":null},"
	        "\"reboot\":{\"status\":\"started\",\"error\":null,\"lastReboot\":\"1970-01-01T00:00:01.000Z\","
	        "\"accepted\":{\"attemptId\":null,\"at\":\"1970-01-01T00:00:02.001Z\",\"bootId\":\"b2\"},"
	        "\"done\":{\"attemptId\":\"c1\",\"at\":\"1970-01-01T00:00:01.100Z\",\"bootId\":\"b2\","
	        "\"bootedAt\":\"1970-01-01T00:00:01.000Z\",\"firmware\":\"2.0\",\"pretended\":null}}}");
}
END_TEST

START_TEST(test_before_a_restart_was_seen_no_time_of_one_is_reported)
{
	struct state s = {.boot_id = "b1", .booted_at_ms = 1000, .n = 1};

	s.acts[0] =
	        (struct act){.attempt_id = "c1", .type = ACT_REBOOT, .phase = PHASE_BEGUN, .boot_id = "b1"};
	assert_report(&s, "{\"bootId\":\"b1\",\"bootedAt\":\"1970-01-01T00:00:01.000Z\","
	                  "\"versions\":{\"agent\":\"1\",\"kernel\":\"6\",\"firmware\":null},"
	                  "\"reboot\":{\"status\":\"started\",\"error\":null,"
	                  "\"accepted\":{\"attemptId\":\"c1\",\"at\":null,\"bootId\":\"b1\"}}}");
}
END_TEST

START_TEST(test_a_time_that_no_calendar_writes_is_not_reported)
{
	struct state s = {.boot_id = "b1", .booted_at_ms = INT64_MAX};

	assert_report(
	        &s, "{\"bootId\":\"b1\",\"versions\":{\"agent\":\"1\",\"kernel\":\"6\",\"firmware\":null}}");
}
END_TEST

START_TEST(test_a_failure_is_reported_in_words_that_end_in_failed)
{
	static const char *const ends[ACT_TYPES_N] = {"failed", "failed", "applyFailed"};

	for (int t = 0; t < ACT_TYPES_N; t++) {
		struct state s = {.boot_id = "b1", .n = 1};
		json_t *report, *type;

		s.acts[0] = (struct act){
		        .type = (enum act_type)t, .phase = PHASE_FAILED, .error_code = 3, .error = "broken"};
		report = report_of(&s, &versions);
		type = json_object_get(report, act_type_text((enum act_type)t));
		ck_assert_str_eq(json_string_value(json_object_get(type, "status")), ends[t]);
		ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(type, "error"), "code")),
		                 3);
		ck_assert_ptr_null(json_object_get(type, "done"));
		json_decref(report);
	}
}
END_TEST

/* What the hub holds, wanted, and the patch between them; NULL: none. */
START_TEST(test_only_what_the_hub_does_not_hold_is_reported)
{
	static const char *const cases[][3] = {
	        {"{}", "{\"a\":1,\"b\":{\"c\":null}}", "{\"a\":1}"},
	        {"{\"a\":1,\"x\":2}", "{\"a\":1}", NULL},
	        {"{\"a\":1}", "{\"a\":null}", "{\"a\":null}"},
	        {"{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"b\":1,\"c\":3,\"d\":null}}", "{\"a\":{\"c\":3}}"},
	        {"{\"a\":5}", "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1}}"},
	        {"{\"a\":\"1\"}", "{\"a\":1}", "{\"a\":1}"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *has = json_loads(cases[i][0], 0, NULL), *wanted = json_loads(cases[i][1], 0, NULL);
		json_t *patch = report_diff(has, wanted);
		char *text = patch == NULL ? NULL : json_dumps(patch, JSON_COMPACT);

		if (cases[i][2] == NULL) {
			ck_assert_ptr_null(patch);
		} else {
			ck_assert_ptr_nonnull(patch);
			ck_assert_str_eq(text, cases[i][2]);
			report_merge(has, patch);
			ck_assert_ptr_null(report_diff(has, wanted));
		}
		free(text);
		json_decref(patch);
		json_decref(wanted);
		json_decref(has);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("agent-contract");

	TESTS(s, "calls", test_a_call_carries_an_attempt_id_or_none,
	      test_a_package_is_taken_by_the_names_of_each_tutorial,
	      test_what_is_kept_of_a_call_reads_as_the_call,
	      test_a_call_that_makes_no_sense_is_refused_with_the_reason,
	      test_answers_say_what_became_of_the_attempt);
	TESTS(s, "reports", test_a_report_shows_the_last_attempt_and_the_last_that_was_done,
	      test_before_a_restart_was_seen_no_time_of_one_is_reported,
	      test_a_time_that_no_calendar_writes_is_not_reported,
	      test_a_failure_is_reported_in_words_that_end_in_failed,
	      test_only_what_the_hub_does_not_hold_is_reported);
	return suite_run(s);
}
