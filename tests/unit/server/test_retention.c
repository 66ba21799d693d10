/* tests: server/conduct_retention.c: what is older than it need be kept goes, a little in each commit, and
 * nothing younger does. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <string.h>

#include "server/base/log.h"
#include "tests/unit/server/conductor_rig.h"

#define HOUR_MS INT64_C(3600000)

/* So many events at a time; their ids go on from first. */
static void put_events(uint64_t first, uint32_t n, int64_t at_ms)
{
	struct batch *b = batch_new();

	for (uint32_t i = 0; i < n; i++)
		batch_event_add(b, &(struct event){.id = first + i, .at_ms = at_ms, .type = EVENT_HUB});
	rig_put(b);
	rig.head.last_event_id = first + n - 1;
}

/* An order, given so long before now. */
static void put_order(int64_t ago_ms)
{
	struct batch *b = batch_new();
	struct audit_row row = {.at_ms = rig.now_ms - ago_ms};

	for (int i = 0; i < AUDIT_TEXTS_N; i++)
		row.text[i] = i == AUDIT_ACTOR ? "eva" : "";
	batch_audit_add(b, &row);
	rig_put(b);
}

/* A campaign that ended so long before now. */
static void put_campaign(uint32_t no, const char *id, int64_t ago_ms)
{
	static const char *const hubs[] = {"main"};
	struct batch *b = batch_new();
	struct campaign_row row = {.no = no,
	                           .name = "t",
	                           .spec = "{}",
	                           .spec_revision = 1,
	                           .state = CAMPAIGN_COMPLETED,
	                           .phase = CAMPAIGN_COMPLETED,
	                           .state_reason = "",
	                           .created_by = "eva",
	                           .started_at_ms = TIME_NONE,
	                           .finished_at_ms = rig.now_ms - ago_ms,
	                           .occurrence_at_ms = TIME_NONE};

	snprintf(row.id, sizeof row.id, "%s", id);
	batch_campaign_add(b, &row, hubs, 1);
	rig_put(b);
	rig.head.last_campaign = no;
}

static size_t orders(void)
{
	char text[2048];

	return rig_audit(AUDIT_ACTOR, text);
}

START_TEST(test_old_campaigns_events_and_orders_go_and_younger_ones_stay)
{
	struct campaign_row row;
	uint64_t first;

	rig_open();
	rig.options.retention_days = 30;
	put_campaign(1, "old", 31 * RIG_DAY_MS);
	put_campaign(2, "young", 29 * RIG_DAY_MS);
	put_events(1, 10, rig.now_ms - 31 * RIG_DAY_MS);
	put_events(11, 5, rig.now_ms - 29 * RIG_DAY_MS);
	put_order(40 * RIG_DAY_MS);
	put_order(29 * RIG_DAY_MS);
	ck_assert_int_eq(rig_start(), ERR_OK);
	rig_run();
	ck_assert(!rig_campaign("old", &row));
	ck_assert(rig_campaign("young", &row));
	ck_assert_uint_ge(rig_events(&first), 5);
	ck_assert_uint_eq(first, 11);
	ck_assert_uint_eq(orders(), 2); /* and one that says what went */
	rig_pass(3 * RIG_DAY_MS);
	ck_assert(!rig_campaign("young", &row));
	rig_events(&first);
	ck_assert_uint_gt(first, 15);
	rig_close();
}
END_TEST

START_TEST(test_where_days_do_not_count_only_the_number_of_events_does)
{
	struct campaign_row row;
	uint64_t first;

	rig_open();
	rig.options.events_max = 100;
	put_campaign(1, "old", 3000 * RIG_DAY_MS);
	put_order(3000 * RIG_DAY_MS);
	for (uint32_t i = 0; i < 30; i++)
		put_events(1 + i * 10, 10, rig.now_ms - (30 - i) * RIG_DAY_MS);
	ck_assert_int_eq(rig_start(), ERR_OK);
	rig_run();
	ck_assert_uint_le(rig_events(&first), 110); /* those told in one commit go together */
	ck_assert_uint_ge(rig_events(&first), 100);
	ck_assert(rig_campaign("old", &row));
	ck_assert_uint_eq(orders(), 1);
	rig_close();
}
END_TEST

START_TEST(test_no_more_events_than_may_be_are_none_to_drop)
{
	uint64_t first;

	rig_open();
	rig.options.events_max = 100;
	put_events(1, 60, rig.now_ms - 3000 * RIG_DAY_MS);
	ck_assert_int_eq(rig_start(), ERR_OK);
	rig_pass(2 * HOUR_MS);
	rig_events(&first);
	ck_assert_uint_eq(first, 1);
	rig_close();
}
END_TEST

START_TEST(test_too_many_events_of_one_time_stay_until_there_are_younger_ones)
{
	uint64_t first;

	rig_open();
	rig.options.events_max = 10;
	put_events(1, 50, rig.now_ms);
	ck_assert_int_eq(rig_start(), ERR_OK);
	rig_pass(3 * HOUR_MS); /* it comes to rest */
	rig_events(&first);
	ck_assert_uint_eq(first, 1);
	rig_kill();
	put_events(rig.head.last_event_id + 1, 20, rig.now_ms);
	ck_assert_int_eq(rig_start(), ERR_OK);
	rig_run();
	rig_events(&first);
	ck_assert_uint_gt(first, 50);
	rig_close();
}
END_TEST

/* A campaign of so many devices that is cancelled: each makes an event. */
static void cancel_a_campaign(uint32_t n)
{
	rig_list("all", n);
	rig_create("{\"name\":\"t\",\"hubs\":[\"main\"],\"action\":{\"type\":\"reboot\"},"
	           "\"targets\":{\"list\":\"all\"}}");
	conductor_order(rig.conductor, rig.id, ORDER_CANCEL, "eva", rig_on_done, NULL);
	ck_assert_int_eq(rig_answer(), ERR_OK);
	rig_pass(1000);
}

START_TEST(test_many_events_are_looked_after_before_the_hour_is_over)
{
	uint64_t first;

	rig_open();
	rig.options.events_max = 1000;
	ck_assert_int_eq(rig_start(), ERR_OK);
	cancel_a_campaign(2000);
	rig_events(&first);
	ck_assert_uint_eq(first, 1);
	cancel_a_campaign(51000);
	rig_events(&first);
	ck_assert_uint_gt(first, 2000);
	rig_close();
}
END_TEST

START_TEST(test_many_events_that_cannot_be_read_are_left_alone_for_an_hour_as_well)
{
	uint64_t first;

	rig_open();
	rig.options.events_max = 10;
	for (uint32_t i = 0; i < 6; i++)
		put_events(1 + i * 10000, 10000, rig.now_ms + i);
	ck_assert_int_eq(rig_start(), ERR_OK);
	store_sync_fail_asks(rig.store, ERR_IO);
	rig_run();
	store_sync_fail_asks(rig.store, ERR_OK);
	rig_pass(HOUR_MS - 1);
	rig_events(&first);
	ck_assert_uint_eq(first, 1);
	rig_pass(1);
	rig_events(&first);
	ck_assert_uint_eq(first, 50001);
	rig_close();
}
END_TEST

START_TEST(test_a_record_that_cannot_be_read_is_left_alone_for_an_hour)
{
	struct conductor_stats stats;
	struct campaign_row row;
	uint64_t first;

	rig_open();
	rig.options.retention_days = 30;
	rig.options.events_max = 5;
	put_campaign(1, "old", 31 * RIG_DAY_MS);
	put_events(1, 10, rig.now_ms - 2000);
	put_events(11, 10, rig.now_ms - 1000);
	put_order(40 * RIG_DAY_MS);
	ck_assert_int_eq(rig_start(), ERR_OK);
	store_sync_fail_asks(rig.store, ERR_IO);
	rig_run();
	ck_assert(rig_campaign("old", &row));
	store_sync_fail_asks(rig.store, ERR_OK);
	rig_pass(HOUR_MS - 1);
	ck_assert(rig_campaign("old", &row));
	rig_pass(1);
	ck_assert(!rig_campaign("old", &row));
	rig_events(&first);
	ck_assert_uint_gt(first, 10);
	ck_assert_uint_eq(orders(), 1); /* the one that says what went */
	conductor_stats(rig.conductor, &stats);
	ck_assert_uint_eq(stats.events_max, 5);
	rig_close();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("retention");

	log_setup(LOG_OFF, false, 2);
	TESTS(s, "retention", test_old_campaigns_events_and_orders_go_and_younger_ones_stay,
	      test_where_days_do_not_count_only_the_number_of_events_does,
	      test_no_more_events_than_may_be_are_none_to_drop,
	      test_too_many_events_of_one_time_stay_until_there_are_younger_ones,
	      test_many_events_are_looked_after_before_the_hour_is_over,
	      test_many_events_that_cannot_be_read_are_left_alone_for_an_hour_as_well,
	      test_a_record_that_cannot_be_read_is_left_alone_for_an_hour);
	return suite_run(s);
}
