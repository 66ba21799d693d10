/* tests: Jobs v2 of the simulated hub */
#include "tests/world/fixture.h"

#include <stdio.h>
#include <string.h>

static struct fixture f;

#define METHOD(more) \
	"{\"jobId\":\"j1\",\"type\":\"scheduleDeviceMethod\",\"cloudToDeviceMethod\":" \
	"{\"methodName\":\"reboot\",\"payload\":{\"attemptId\":\"a-1\"},\"responseTimeoutInSeconds\":30}" more \
	"}"
#define ALL ",\"queryCondition\":\"*\""

static void setup(enum world_sku sku, uint32_t devices_n)
{
	fixture_init(&f);
	f.options.sku = sku;
	f.options.devices_n = devices_n;
	f.options.answer = (struct world_span){50, 50};
	fixture_open(&f);
}

static struct reply *put(const char *id, const char *body)
{
	char path[128];

	snprintf(path, sizeof path, "/jobs/v2/%s?" API, id);
	return ask(&f, "PUT", path, body);
}

static const json_t *job(const char *id)
{
	char path[128];

	snprintf(path, sizeof path, "/jobs/v2/%s?" API, id);
	return ask(&f, "GET", path, NULL)->json;
}

static struct reply *cancel(const char *id)
{
	char path[128];

	snprintf(path, sizeof path, "/jobs/v2/%s/cancel?" API, id);
	return ask(&f, "POST", path, NULL);
}

static void assert_statistics(const char *id, unsigned all, unsigned succeeded, unsigned failed,
                              unsigned running)
{
	char text[200];

	snprintf(text, sizeof text,
	         "{\"deviceCount\":%u,\"failedCount\":%u,\"succeededCount\":%u,\"runningCount\":%u,"
	         "\"pendingCount\":%u}",
	         all, failed, succeeded, running, all - succeeded - failed - running);
	ck_assert_str_eq(at(job(id), "deviceJobStatistics"), text);
}

START_TEST(test_a_method_job_calls_every_device_and_keeps_what_each_answered)
{
	struct reply *r;

	setup(WORLD_SKU_NONE, 10);
	ck_assert_int_eq(world_connect(f.w, f.now_ms, "dev-000003", false), ERR_OK);
	r = put("j1", METHOD(ALL));
	ck_assert_int_eq(r->status, 200);
	ck_assert_str_eq(at(r->json, "status"), "\"queued\"");
	ck_assert_str_eq(at(r->json, "type"), "\"scheduleDeviceMethod\"");
	ck_assert_str_eq(at(r->json, "maxExecutionTimeInSeconds"), "3600");
	run_to(&f, f.now_ms + 200);
	ck_assert_str_eq(at(job("j1"), "status"), "\"running\"");
	run_to(&f, f.now_ms + 49);
	assert_statistics("j1", 10, 0, 1, 9);
	run_to(&f, f.now_ms + 1);
	ck_assert_str_eq(at(job("j1"), "status"), "\"completed\"");
	ck_assert_str_eq(at(job("j1"), "endTime"), "\"2026-01-01T00:00:00.250Z\"");
	ck_assert_str_eq(at(job("j1"), "cloudToDeviceMethod.methodName"), "\"reboot\"");
	assert_statistics("j1", 10, 9, 1, 0);
	ck_assert_uint_eq(told(&f, " call dev-00000"), 9);
	ck_assert_uint_eq(told(&f, "act dev-000001 reboot a-1"), 1);
	r = ask_query(&f,
	              "SELECT * FROM devices.jobs WHERE devices.jobs.jobId='j1' AND devices.jobs.deviceId = "
	              "'dev-000001'",
	              NULL, NULL);
	ck_assert_str_eq(r->item_type, "DeviceJob");
	ck_assert_str_eq(
	        r->body,
	        "[{\"deviceId\":\"dev-000001\",\"jobId\":\"j1\",\"jobType\":\"scheduleDeviceMethod\","
	        "\"status\":\"completed\",\"startTimeUtc\":\"2026-01-01T00:00:00.200Z\","
	        "\"endTimeUtc\":\"2026-01-01T00:00:00.250Z\","
	        "\"createdDateTimeUtc\":\"2026-01-01T00:00:00.000Z\","
	        "\"lastUpdatedDateTimeUtc\":\"2026-01-01T00:00:00.250Z\","
	        "\"outcome\":{\"deviceMethodResponse\":{\"status\":200,\"payload\":\"Reboot started\"}}}]");
	r = ask_query(&f, "SELECT * FROM devices.jobs WHERE devices.jobs.status='failed'", NULL, NULL);
	ck_assert_uint_eq(json_array_size(r->json), 1);
	ck_assert_str_eq(at(json_array_get(r->json, 0), "deviceId"), "\"dev-000003\"");
	ck_assert_str_eq(at(json_array_get(r->json, 0), "error.code"), "\"DeviceNotOnline\"");
	ck_assert_str_eq(at(json_array_get(r->json, 0), "outcome"), "");
	fixture_done(&f);
}
END_TEST

START_TEST(test_s1_works_at_ten_devices_a_second_and_s3_at_fifty)
{
	static const struct {
		enum world_sku sku;
		unsigned after_a_second;
	} rows[] = {{WORLD_SKU_S1, 10}, {WORLD_SKU_S2, 10}, {WORLD_SKU_S3, 50}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		setup(rows[i].sku, 200);
		put("j1", METHOD(ALL));
		run_to(&f, f.options.start_ms + 200 + 999);
		ck_assert_uint_eq(told(&f, " call "), rows[i].after_a_second);
		run_to(&f, f.options.start_ms + 200 + 60000);
		ck_assert_uint_eq(told(&f, " call "), 200);
		ck_assert_str_eq(at(job("j1"), "status"), "\"completed\"");
		fixture_done(&f);
	}
}
END_TEST

START_TEST(test_a_twin_job_writes_what_its_condition_finds)
{
	setup(WORLD_SKU_NONE, 10);
	ck_assert_int_eq(
	        put("t1", "{\"jobId\":\"t1\",\"type\":\"scheduleUpdateTwin\",\"updateTwin\":{\"etag\":\"*\","
	                  "\"tags\":{\"ring\":1},\"properties\":{\"desired\":{\"x\":2}}},"
	                  "\"queryCondition\":\"tags.line = 'line-a'\",\"maxExecutionTimeInSeconds\":300}")
	                ->status,
	        200);
	run_to(&f, f.now_ms + 200);
	assert_statistics("t1", 3, 3, 0, 0);
	ck_assert_str_eq(at(ask(&f, "GET", "/twins/dev-000004?" API, NULL)->json, "tags.ring"), "1");
	ck_assert_str_eq(at(ask(&f, "GET", "/twins/dev-000004?" API, NULL)->json, "properties.desired.x"),
	                 "2");
	ck_assert_str_eq(at(ask(&f, "GET", "/twins/dev-000005?" API, NULL)->json, "tags.ring"), "");
	fixture_done(&f);
}
END_TEST

START_TEST(test_a_bad_condition_is_taken_and_fails_later)
{
	setup(WORLD_SKU_NONE, 10);
	ck_assert_int_eq(put("j1", METHOD(",\"queryCondition\":\"tags.x ==== 1\""))->status, 200);
	ck_assert_str_eq(at(job("j1"), "status"), "\"queued\"");
	run_to(&f, f.now_ms + 200);
	ck_assert_str_eq(at(job("j1"), "status"), "\"failed\"");
	ck_assert(strncmp(at(job("j1"), "failureReason"), "\"SQL query parse failed", 23) == 0);
	ck_assert_uint_eq(told(&f, " call "), 0);
	ck_assert_int_eq(
	        put("j2", "{\"type\":\"scheduleDeviceMethod\",\"cloudToDeviceMethod\":{\"methodName\":\"m\"},"
	                  "\"queryCondition\":\"FROM devices.modules WHERE a = 1\"}")
	                ->status,
	        200);
	run_to(&f, f.now_ms + 200);
	ck_assert_str_eq(at(job("j2"), "status"), "\"completed\"");
	fixture_done(&f);
}
END_TEST

START_TEST(test_concurrent_jobs_are_limited_by_the_sku_and_a_scheduled_one_counts)
{
	setup(WORLD_SKU_S1, 10);
	ck_assert_int_eq(put("j1", METHOD(ALL ",\"startTime\":\"2026-01-01T01:00:00Z\""))->status, 200);
	ck_assert_str_eq(at(job("j1"), "status"), "\"scheduled\"");
	ck_assert_int_eq(put("j1", METHOD(ALL))->status, 409);
	ck_assert_str_eq(error_of(put("j1", METHOD(ALL))), "409104");
	ck_assert_str_eq(error_of(put("j2", "{\"type\":\"scheduleDeviceMethod\",\"cloudToDeviceMethod\":"
	                                    "{\"methodName\":\"m\"},\"queryCondition\":\"*\"}")),
	                 "429004");
	run_to(&f, f.options.start_ms + 3600000 + 250);
	ck_assert_str_eq(at(job("j1"), "status"), "\"running\"");
	run_to(&f, f.now_ms + 2000);
	ck_assert_str_eq(at(job("j1"), "status"), "\"completed\"");
	ck_assert_int_eq(put("j2", "{\"type\":\"scheduleDeviceMethod\",\"cloudToDeviceMethod\":"
	                           "{\"methodName\":\"m\"},\"queryCondition\":\"*\"}")
	                         ->status,
	                 200);
	fixture_done(&f);
}
END_TEST

START_TEST(test_a_job_can_be_cancelled_until_it_runs)
{
	struct reply *r;

	setup(WORLD_SKU_S1, 10);
	ck_assert_str_eq(error_of(cancel("nobody")), "404002");
	put("j1", METHOD(ALL ",\"startTime\":\"2026-01-01T00:00:00.500Z\""));
	ck_assert_int_eq(cancel("j1")->status, 200);
	ck_assert_str_eq(at(job("j1"), "status"), "\"scheduled\""); /* it shows late (contract 5.3) */
	run_to(&f, f.now_ms + 1000);
	ck_assert_str_eq(at(job("j1"), "status"), "\"cancelled\"");
	put("j2", "{\"type\":\"scheduleDeviceMethod\",\"cloudToDeviceMethod\":{\"methodName\":\"reboot\"},"
	          "\"queryCondition\":\"*\"}");
	run_to(&f, f.now_ms + 300);
	r = cancel("j2");
	ck_assert_int_eq(r->status, 405);
	ck_assert_str_eq(error_of(r), "OperationNotAllowedInCurrentState");
	ck_assert(strstr(r->body, "Job cannot be cancelled in 'Running' status.") != NULL);
	run_to(&f, f.now_ms + 5000);
	ck_assert(strstr(cancel("j2")->body, "in 'Completed' status.") != NULL);
	ck_assert_uint_eq(told(&f, " call "), 10);
	fixture_done(&f);
}
END_TEST

START_TEST(test_a_job_out_of_time_fails_what_it_has_not_ended)
{
	setup(WORLD_SKU_S1, 30);
	ck_assert_int_eq(world_set_temper(f.w, "dev-000000", WORLD_DEAF), ERR_OK);
	put("j1", METHOD(ALL ",\"maxExecutionTimeInSeconds\":2"));
	run_to(&f, f.now_ms + 200 + 2000);
	ck_assert_str_eq(at(job("j1"), "status"), "\"failed\"");
	assert_statistics("j1", 30, 19, 11, 0);
	ck_assert_uint_eq(told(&f, " call "), 20); /* the deaf one was called too */
	run_to(&f, f.now_ms + 60000);
	ck_assert_uint_eq(told(&f, " call "), 20);
	assert_statistics("j1", 30, 19, 11, 0);
	fixture_done(&f);
}
END_TEST

START_TEST(test_what_is_not_a_job_is_refused)
{
	static const struct {
		const char *id, *body;
		int status;
	} rows[] = {
	        {"J1", METHOD(ALL),
	         400}, /* lower case only (contract 5.1), and another id than in the body */
	        {"j2", METHOD(ALL), 400},
	        {"j1", METHOD(""), 400},
	        {"j1", METHOD(ALL ",\"startTime\":null"), 400},
	        {"j1", METHOD(ALL ",\"startTime\":\"soon\""), 400},
	        {"j1", METHOD(ALL ",\"startTime\":\"2026-01-08T00:00:01Z\""), 400}, /* over 168 h ahead */
	        {"j1", METHOD(ALL ",\"maxExecutionTimeInSeconds\":0"), 400},
	        {"j1", "{\"type\":\"rebootDevice\",\"queryCondition\":\"*\"}", 400},
	        {"j1", "{\"type\":\"scheduleDeviceMethod\",\"queryCondition\":\"*\"}", 400},
	        {"j1",
	         "{\"type\":\"scheduleDeviceMethod\",\"queryCondition\":\"*\",\"cloudToDeviceMethod\":"
	         "{\"methodName\":\"m\",\"responseTimeoutInSeconds\":301}}",
	         400},
	        {"j1",
	         "{\"type\":\"scheduleUpdateTwin\",\"queryCondition\":\"*\",\"updateTwin\":{\"tags\":{}}}",
	         400},
	        {"j1", "{", 400},
	};
	struct reply *r;
	char body[9000], condition[8200];

	setup(WORLD_SKU_NONE, 1);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		r = put(rows[i].id, rows[i].body);
		ck_assert_msg(r->status == rows[i].status, "row %zu: %s", i, r->body);
	}
	memset(condition, ' ', sizeof condition);
	condition[8193] = '\0';
	snprintf(
	        body, sizeof body,
	        "{\"type\":\"scheduleUpdateTwin\",\"updateTwin\":{\"etag\":\"*\"},\"queryCondition\":\"%s\"}",
	        condition);
	ck_assert_str_eq(error_of(put("j1", body)), "PreconditionFailed");
	ck_assert_str_eq(at(job("nobody"), "status"), "\"unknown\"");
	ck_assert_str_eq(at(job("nobody"), "type"), "\"unknown\"");
	ck_assert_str_eq(error_of(ask_query(&f, "SELECT * FROM devices.jobs WHERE tags.a = 1", NULL, NULL)),
	                 "ArgumentInvalid");
	fixture_done(&f);
}
END_TEST

START_TEST(test_jobs_are_listed_by_type_and_status_page_by_page)
{
	struct reply *r;
	char path[] = "/jobs/v2/x?" API;

	setup(WORLD_SKU_NONE, 2);
	for (char c = 'a'; c <= 'e'; c++) {
		path[9] = c;
		ck_assert_int_eq(ask(&f, "PUT", path,
		                     "{\"type\":\"scheduleUpdateTwin\",\"updateTwin\":{\"etag\":\"*\"},"
		                     "\"queryCondition\":\"*\"}")
		                         ->status,
		                 200);
	}
	put("j1", METHOD(ALL ",\"startTime\":\"2026-01-01T01:00:00Z\""));
	run_to(&f, f.now_ms + 200);
	r = ask(&f, "GET", "/jobs/v2/query?" API, NULL);
	ck_assert_uint_eq(json_array_size(r->json), 6);
	ck_assert_ptr_null(r->continuation);
	r = ask(&f, "GET", "/jobs/v2/query?jobStatus=scheduled&jobType=scheduleDeviceMethod&" API, NULL);
	ck_assert_uint_eq(json_array_size(r->json), 1);
	r = ask(&f, "GET", "/jobs/v2/query?jobStatus=completed&jobType=scheduleDeviceMethod&" API, NULL);
	ck_assert_uint_eq(json_array_size(r->json), 0);
	r = wait_for(&f, send_request(&f, &(struct world_request){.method = "GET",
	                                                          .path = "/jobs/v2/query?" API,
	                                                          .max_item_count = "4"}));
	ck_assert_uint_eq(json_array_size(r->json), 4);
	r = wait_for(&f, send_request(&f, &(struct world_request){.method = "GET",
	                                                          .path = "/jobs/v2/query?" API,
	                                                          .max_item_count = "4",
	                                                          .continuation = r->continuation}));
	ck_assert_uint_eq(json_array_size(r->json), 2);
	ck_assert_str_eq(at(json_array_get(r->json, 0), "jobId"), "\"e\"");
	ck_assert_ptr_null(r->continuation);
	fixture_done(&f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("world job");

	TESTS(s, "runs", test_a_method_job_calls_every_device_and_keeps_what_each_answered,
	      test_s1_works_at_ten_devices_a_second_and_s3_at_fifty,
	      test_a_twin_job_writes_what_its_condition_finds, test_a_bad_condition_is_taken_and_fails_later,
	      test_a_job_out_of_time_fails_what_it_has_not_ended);
	TESTS(s, "rules", test_concurrent_jobs_are_limited_by_the_sku_and_a_scheduled_one_counts,
	      test_a_job_can_be_cancelled_until_it_runs, test_what_is_not_a_job_is_refused,
	      test_jobs_are_listed_by_type_and_status_page_by_page);
	return suite_run(s);
}
