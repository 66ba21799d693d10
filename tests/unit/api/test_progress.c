/* tests: api/progress.c and api/plan.c. */
#include "tests/unit/api/harness.h"

#include <string.h>

#include "server/base/clock.h"

#define SPEC "{\"name\":\"n\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true}}"
#define CREATED_MS INT64_C(1764547200345) /* 2025-12-01T00:00:00.345Z */

static struct campaign_row *start(void)
{
	struct campaign_row *row;

	server_start((struct api_options){0});
	row = fake_store_add_campaign(store, "c1", SPEC);
	row->created_at_ms = CREATED_MS;
	row->state = CAMPAIGN_COMPLETED;
	return row;
}

static void add(uint32_t slot_s, uint32_t waiting, uint64_t revision)
{
	fake_store_add_progress(store, &(struct progress_row){.campaign = 1,
	                                                      .slot_s = slot_s,
	                                                      .at_ms = CREATED_MS + slot_s * INT64_C(1000),
	                                                      .revision = revision,
	                                                      .total = 9,
	                                                      .state = {waiting}});
}

static unsigned count(const struct answer *a, const char *text)
{
	unsigned n = 0;

	for (const char *at = a->body; (at = strstr(at, text)) != NULL; at++)
		n++;
	return n;
}

START_TEST(test_buckets_have_no_gaps_and_end_with_the_counts_of_a_commit)
{
	const struct answer *a;

	start();
	add(0, 9, 3);
	add(1, 8, 4);
	add(7, 2, 9);
	a = get("/v1/campaigns/c1/progress?bucketSeconds=2");
	ck_status(a, 200);
	ck_has(a,
	       "{\"campaignId\":\"c1\",\"bucketSeconds\":2,\"value\":["
	       "{\"from\":\"2025-12-01T00:00:00.000Z\",\"until\":\"2025-12-01T00:00:02.000Z\","
	       "\"at\":\"2025-12-01T00:00:01.345Z\",\"revision\":4,\"counts\":{\"total\":9,\"waiting\":8,");
	ck_has(a, "},{\"from\":\"2025-12-01T00:00:02.000Z\",\"until\":\"2025-12-01T00:00:04.000Z\","
	          "\"at\":\"2025-12-01T00:00:01.345Z\",\"revision\":4,");
	ck_has(a, "},{\"from\":\"2025-12-01T00:00:06.000Z\",\"until\":\"2025-12-01T00:00:08.000Z\","
	          "\"at\":\"2025-12-01T00:00:07.345Z\",\"revision\":9,");
	ck_assert_uint_eq(count(a, "\"from\":"), 4);
	ck_has(a, "}],\"revision\":1}");
	a = get("/v1/campaigns/c1/progress?bucketSeconds=7"); /* what is at the very end is the next one's */
	ck_has(a,
	       "\"until\":\"2025-12-01T00:00:07.000Z\",\"at\":\"2025-12-01T00:00:01.345Z\",\"revision\":4,");
	ck_has(a, "\"from\":\"2025-12-01T00:00:07.000Z\",\"until\":\"2025-12-01T00:00:14.000Z\","
	          "\"at\":\"2025-12-01T00:00:07.345Z\",\"revision\":9,");
	server_stop();
}
END_TEST

START_TEST(test_a_live_campaigns_buckets_go_on_until_now)
{
	struct campaign_row *row = start();
	const struct answer *a;

	row->state = CAMPAIGN_RUNNING;
	row->created_at_ms = clock_now_ms() - 30000;
	add(2, 9, 3);
	a = get("/v1/campaigns/c1/progress?bucketSeconds=10");
	ck_assert_uint_ge(count(a, "\"revision\":3"), 4);
	server_stop();
}
END_TEST

START_TEST(test_buckets_are_as_long_as_what_is_on_record_at_least)
{
	start();
	add(0, 9, 3);
	add(8, 8, 4);
	add(24, 7, 5);
	ck_has(get("/v1/campaigns/c1/progress?bucketSeconds=1"), "\"bucketSeconds\":8,");
	ck_has(get("/v1/campaigns/c1/progress?bucketSeconds=9"), "\"bucketSeconds\":16,");
	ck_has(get("/v1/campaigns/c1/progress?bucketSeconds=60"), "\"bucketSeconds\":64,");
	ck_assert_uint_eq(count(get("/v1/campaigns/c1/progress?bucketSeconds=8"), "\"from\":"), 4);
	server_stop();
}
END_TEST

START_TEST(test_bucket_lengths_that_cannot_be_are_refused)
{
	static const char *const bad[] = {"0", "86401", "-1", "x", "", "1.5"};
	char target[128];

	start();
	add(0, 9, 3);
	add(1, 9, 4);
	add(2000, 8, 5);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(target, sizeof target, "/v1/campaigns/c1/progress?bucketSeconds=%s", bad[i]);
		ck_status(get(target), 400);
	}
	ck_has(get("/v1/campaigns/c1/progress?bucketSeconds=2"), "more than 1000 buckets: at least 3 here");
	ck_assert_uint_eq(count(get("/v1/campaigns/c1/progress?bucketSeconds=3"), "\"from\":"), 667);
	ck_assert_uint_eq(count(get("/v1/campaigns/c1/progress"), "\"from\":"), 96); /* of 21 seconds */
	ck_status(get("/v1/campaigns/c1/progress?limit=3"), 400);
	ck_status(get("/v1/campaigns/c2/progress"), 404);
	server_stop();
}
END_TEST

START_TEST(test_a_campaign_older_than_its_progress_has_none)
{
	start();
	ck_has(get("/v1/campaigns/c1/progress"), "\"bucketSeconds\":1,\"value\":[],");
	server_stop();
}
END_TEST

START_TEST(test_a_plan_stands_beside_what_is_and_what_is_expected)
{
	struct campaign_row *row = start();
	struct plan_row plan = {
	        .campaign = 1,
	        .text = "{\"finishesAt\":\"2026-01-01T00:00:00.000Z\",\"waves\":["
	                "{\"opensAt\":\"2026-01-01T00:00:01.000Z\",\"finishesAt\":\"2026-01-01T00:00:02.000Z\"},"
	                "{\"opensAt\":\"2026-01-01T00:00:03.000Z\",\"finishesAt\":null}]}"};
	const struct answer *a;

	ck_has(get("/v1/campaigns/c1/plan"),
	       "{\"campaignId\":\"c1\",\"plan\":null,\"planned\":{\"finishesAt\":null},");
	row->state = CAMPAIGN_RUNNING;
	row->started_at_ms = CREATED_MS;
	row->finished_at_ms = TIME_NONE;
	row->waves_n = 2;
	row->waves[0].opened_at_ms = CREATED_MS + 1000;
	row->waves[1].opened_at_ms = TIME_NONE;
	plan.ended_at_ms[0] = CREATED_MS + 2000;
	plan.ended_at_ms[1] = TIME_NONE;
	fake_store_set_plan(store, &plan);
	conductor.is_foretold = true;
	conductor.forecast =
	        (struct campaign_forecast){.ends_at_ms = CREATED_MS + 9000, .wave = 0, .waves_n = 2};
	conductor.forecast.opens_at_ms[1] = CREATED_MS + 3000;
	conductor.forecast.wave_ends_at_ms[1] = CREATED_MS + 9000;
	a = get("/v1/campaigns/c1/plan");
	ck_has(a, "\"plan\":{\"finishesAt\":\"2026-01-01T00:00:00.000Z\",\"waves\":[{\"opensAt\":");
	ck_has(a,
	       "\"planned\":{\"finishesAt\":\"2026-01-01T00:00:00.000Z\"},"
	       "\"actual\":{\"startedAt\":\"2025-12-01T00:00:00.345Z\",\"finishedAt\":null},"
	       "\"predictedFinishAt\":\"2025-12-01T00:00:09.345Z\",\"waves\":[{\"index\":0,"
	       "\"planned\":{\"opensAt\":\"2026-01-01T00:00:01.000Z\",\"finishesAt\":\"2026-01-01T00:00:02.000Z\"},"
	       "\"actual\":{\"openedAt\":\"2025-12-01T00:00:01.345Z\",\"finishedAt\":\"2025-12-01T00:00:02.345Z\"},"
	       "\"predicted\":null},{\"index\":1,"
	       "\"planned\":{\"opensAt\":\"2026-01-01T00:00:03.000Z\",\"finishesAt\":null},"
	       "\"actual\":{\"openedAt\":null,\"finishedAt\":null},"
	       "\"predicted\":{\"opensAt\":\"2025-12-01T00:00:03.345Z\",\"finishesAt\":\"2025-12-01T00:00:09.345Z\"}}],"
	       "\"revision\":1}");
	row->state = CAMPAIGN_COMPLETED;
	ck_has(get("/v1/campaigns/c1/plan"), "\"predictedFinishAt\":null,");
	ck_status(get("/v1/campaigns/c2/plan"), 404);
	server_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api progress");

	TESTS(s, "buckets", test_buckets_have_no_gaps_and_end_with_the_counts_of_a_commit,
	      test_a_live_campaigns_buckets_go_on_until_now,
	      test_buckets_are_as_long_as_what_is_on_record_at_least,
	      test_bucket_lengths_that_cannot_be_are_refused,
	      test_a_campaign_older_than_its_progress_has_none);
	TESTS(s, "plan", test_a_plan_stands_beside_what_is_and_what_is_expected);
	return suite_run(s);
}
