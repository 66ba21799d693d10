/* tests: api/schedules.c and what create.c makes of them. */
#include "tests/unit/api/harness.h"

#include <stdio.h>
#include <string.h>

#define PLAN(recurrence) \
	"{\"name\":\"nightly\",\"recurrence\":" recurrence ",\"overlap\":\"queue\",\"campaign\":" SOUND "}"
#define NIGHTLY PLAN("{\"cron\":\"30 2 * * *\",\"timeZone\":\"Europe/Stockholm\"}")
#define ONE "/v1/schedules/plan0001"
#define JSON "Content-Type: application/json\r\n"

START_TEST(test_a_schedule_is_made_read_replaced_and_forgotten)
{
	const struct answer *a;

	server_start((struct api_options){0});
	ck_status(get(ONE), 404);
	a = post("/v1/schedules", NIGHTLY);
	ck_status(a, 201);
	ck_assert(has_header(a, "Location", ONE));
	ck_assert(has_header(a, "ETag", "\"1\""));
	ck_has(a, "{\"id\":\"plan0001\",\"state\":\"active\",\"etag\":\"\\\"1\\\"\",\"name\":\"nightly\","
	          "\"recurrence\":{\"cron\":\"30 2 * * *\",\"timeZone\":\"Europe/Stockholm\"},"
	          "\"overlap\":\"queue\",\"catchUpSeconds\":3600,\"campaign\":{\"name\":\"n\",");
	ck_has(get("/v1/schedules"), "{\"value\":[{\"id\":\"plan0001\"");
	ck_status(ask("PUT", ONE, JSON, NIGHTLY), 428);
	ck_status(ask("PUT", ONE, JSON "If-Match: \"7\"\r\n", NIGHTLY), 412);
	a = ask("PUT", ONE, JSON "If-Match: \"1\"\r\n", PLAN("{\"rrule\":\"FREQ=DAILY;BYHOUR=3\"}"));
	ck_status(a, 200);
	ck_assert(has_header(a, "ETag", "\"2\""));
	ck_has(a, "\"recurrence\":{\"rrule\":\"FREQ=DAILY;BYHOUR=3\",\"timeZone\":\"UTC\"}");
	ck_has(post(ONE "/pause", ""), "\"state\":\"paused\"");
	ck_has(post(ONE "/resume", ""), "\"state\":\"active\"");
	ck_status(ask("DELETE", ONE, "", NULL), 204);
	ck_status(get(ONE), 404);
	ck_status(ask("DELETE", ONE, "", NULL), 404);
	ck_status(ask("PUT", ONE, JSON "If-Match: *\r\n", NIGHTLY), 404);
	ck_status(get(ONE "/occurrences"), 404);
	server_stop();
}
END_TEST

START_TEST(test_all_that_is_wrong_with_a_schedule_is_told)
{
	const struct answer *a;

	server_start((struct api_options){0});
	a = post("/v1/schedules",
	         "{\"recurrence\":{\"cron\":\"* * * * *\",\"rrule\":\"FREQ=DAILY\",\"timeZone\":\"device\","
	         "\"from\":\"2026-02-01T00:00:00Z\",\"until\":\"2026-01-01T00:00:00Z\"},\"overlap\":\"wait\","
	         "\"catchUp\":3,\"campaign\":{\"name\":\"n\",\"action\":{\"type\":\"rebot\"},"
	         "\"targets\":{\"all\":true}}}");
	ck_status(a, 422);
	ck_has(a, "\"pointer\":\"/name\"");
	ck_has(a, "\"pointer\":\"/catchUp\"");
	ck_has(a, "\"pointer\":\"/overlap\"");
	ck_has(a, "\"pointer\":\"/recurrence\"");
	ck_has(a, "\"pointer\":\"/recurrence/timeZone\"");
	ck_has(a, "\"pointer\":\"/recurrence/until\"");
	ck_has(a, "\"pointer\":\"/campaign/action/type\"");
	a = post("/v1/schedules", PLAN("{\"cron\":\"0 2 * * *\",\"timeZone\":\"Europe/Stockolm\"}"));
	ck_status(a, 422);
	ck_has(a, "\"pointer\":\"/recurrence/timeZone\"");
	a = post("/v1/schedules",
	         "{\"name\":\"x\",\"recurrence\":{\"cron\":\"0 2 * * *\"},\"campaign\":{\"name\":\"n\","
	         "\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true},"
	         "\"schedule\":{\"startAt\":\"2027-01-01T00:00:00Z\",\"endAt\":\"2027-01-02T00:00:00Z\"}}}");
	ck_status(a, 422);
	ck_has(a, "\"pointer\":\"/campaign/schedule/startAt\"");
	ck_has(a, "\"pointer\":\"/campaign/schedule/endAt\"");
	ck_has(post("/v1/schedules", "[]"), "a schedule must be an object");
	ck_status(post("/v1/schedules", "{"), 400);
	server_stop();
}
END_TEST

START_TEST(test_run_starts_a_campaign_once_for_a_key)
{
	const struct answer *a;

	server_start((struct api_options){0});
	post("/v1/schedules", NIGHTLY);
	a = ask("POST", ONE "/run", "Idempotency-Key: now-1\r\n", NULL);
	ck_status(a, 201);
	ck_assert(has_header(a, "Location", "/v1/campaigns/made0001"));
	a = ask("POST", ONE "/run", "Idempotency-Key: now-1\r\n", NULL);
	ck_status(a, 201);
	ck_assert(has_header(a, "Idempotent-Replayed", "true"));
	ck_assert_uint_eq(conductor.creates_n, 1);
	ck_status(post("/v1/schedules/none/run", ""), 404);
	server_stop();
}
END_TEST

START_TEST(test_a_schedule_is_made_once_for_a_key)
{
	server_start((struct api_options){0});
	ck_status(ask("POST", "/v1/schedules", JSON "Idempotency-Key: k\r\n", NIGHTLY), 201);
	ck_assert(has_header(ask("POST", "/v1/schedules", JSON "Idempotency-Key: k\r\n", NIGHTLY), "Location",
	                     ONE));
	ck_assert_uint_eq(conductor.schedules_n, 1);
	server_stop();
}
END_TEST

START_TEST(test_occurrences_are_shown_as_many_as_asked_for)
{
	const struct answer *a;

	server_start((struct api_options){0});
	post("/v1/schedules", NIGHTLY);
	a = get(ONE "/occurrences?count=2&after=2026-01-01T00:00:00%2B01:00");
	ck_status(a, 200);
	ck_assert_str_eq(a->body, "{\"value\":[{\"at\":\"2025-12-31T23:00:01.000Z\","
	                          "\"local\":\"2026-03-29T03:30:00+02:00\",\"clockChange\":\"gap\"},"
	                          "{\"at\":\"2025-12-31T23:00:01.001Z\","
	                          "\"local\":\"2026-03-29T03:30:00+02:00\",\"clockChange\":null}]}");
	ck_status(get(ONE "/occurrences?count=0"), 400);
	ck_status(get(ONE "/occurrences?count=1001"), 400);
	ck_has(get(ONE "/occurrences?after=tomorrow"), "\"parameter\":\"after\"");
	server_stop();
}
END_TEST

START_TEST(test_the_system_tells_its_time_zone_data)
{
	server_start((struct api_options){0});
	ck_has(get("/v1/system"), "\"tzdata\":\"2026a\"");
	server_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api_schedules");

	TESTS(s, "schedules", test_a_schedule_is_made_read_replaced_and_forgotten,
	      test_all_that_is_wrong_with_a_schedule_is_told, test_run_starts_a_campaign_once_for_a_key,
	      test_a_schedule_is_made_once_for_a_key, test_occurrences_are_shown_as_many_as_asked_for,
	      test_the_system_tells_its_time_zone_data);
	return suite_run(s);
}
