/* tests: server/campaign/engine on records that are odd, or older than the world: copies put back after calls
 * were made, a device twice, campaigns that are dropped while something about them is still due. The rig
 * checks P2, P3, P4 and P8 as it goes. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"

#define BY_NONE "\"verify\":{\"by\":\"none\",\"settleSeconds\":0}"
#define SITE "\"rollout\":{\"group\":{\"by\":\"tags.site\",\"maxUnavailable\":2}}"
#define WATCHED "\"verify\":{\"settleSeconds\":0,\"relapseWatchSeconds\":600}"
#define QUIET_MS 1000000

static struct rig *r;

static void start(void)
{
	if (r != NULL)
		rig_free(r);
	r = rig_new();
}

/* A campaign that starts now over these devices of hub 0, ids separated by blanks; no turn taken since. */
static uint32_t campaign_over(const char *members, const char *ids)
{
	uint32_t c = rig_add(r, members, r->now_ms - T0, r->now_ms - T0 + 24 * HOUR_MS, 1);
	struct fact selected;
	char id[16];

	rig_turn_once(r);
	while (sscanf(ids, " %15s", id) == 1) {
		rig_target(r, c, id, 0, true, true);
		ids = strstr(ids, id) + strlen(id);
	}
	selected = rig_fact(r, FACT_SELECTED, c, 0);
	ck_assert_int_eq(rig_feed(r, &selected), ERR_OK);
	return c;
}

/* One of a group of two, in hub 0. */
static uint32_t campaign_of_site(const char *id)
{
	uint32_t c = rig_add(r, SITE, r->now_ms - T0, r->now_ms - T0 + 24 * HOUR_MS, 1);
	struct fact selected;

	rig_turn_once(r);
	rig_group(r, c, 0, "gbg", 2);
	rig_target_in(r, c, id, 0, 0, true, true);
	selected = rig_fact(r, FACT_SELECTED, c, 0);
	ck_assert_int_eq(rig_feed(r, &selected), ERR_OK);
	return c;
}

static void expect(uint32_t c, uint32_t no, enum target_state state, enum reason reason, enum wait wait)
{
	const struct target_row *row = rig_row(r, c, no);

	ck_assert_str_eq(target_state_text(row->state), target_state_text(state));
	ck_assert_str_eq(reason_text(row->reason), reason_text(reason));
	ck_assert_str_eq(wait_text(row->wait), wait_text(wait));
}

static void prove(uint32_t c, uint32_t no)
{
	ck_assert_int_eq(rig_call(r, c, no, CALL_ACCEPTED), ERR_OK);
	ck_assert_int_eq(rig_query(r, c, no, SAYS_PROVEN), ERR_OK);
	rig_turn(r);
	expect(c, no, TARGET_SUCCEEDED, REASON_NONE, WAIT_NONE);
}

/* Whether another campaign could call the device now. */
static bool is_free(const char *id)
{
	uint32_t c = campaign_over(BY_NONE, id);

	rig_turn(r);
	return rig_row(r, c, 0)->state == TARGET_INVOKING;
}

/* ---- a device twice in one campaign ---- */

START_TEST(test_a_device_that_is_listed_twice_is_called_one_row_after_the_other)
{
	uint32_t c = campaign_over(WATCHED, "d0 d0");

	rig_turn(r);
	expect(c, 0, TARGET_INVOKING, REASON_NONE, WAIT_NONE);
	expect(c, 1, TARGET_WAITING, REASON_NONE, WAIT_DEVICE);
	rig_crash(r);
	rig_turn(r);
	expect(c, 0, TARGET_DOUBTFUL, REASON_NONE, WAIT_NONE);
	expect(c, 1, TARGET_WAITING, REASON_NONE, WAIT_DEVICE);
	r->now_ms += 1000;
	prove(c, 0);
	rig_at(r, 60000); /* the hub has surely ended the call that was in doubt */
	expect(c, 1, TARGET_INVOKING, REASON_NONE, WAIT_NONE);
}
END_TEST

START_TEST(test_a_second_row_that_is_left_out_does_not_free_the_device_of_the_first)
{
	uint32_t c = campaign_over("", "d0 d0");

	rig_turn(r);
	ck_assert_int_eq(rig_target_order(r, FACT_SKIP, c, 1), ERR_OK);
	rig_turn(r);
	expect(c, 1, TARGET_SKIPPED, REASON_BY_OPERATOR, WAIT_NONE);
	ck_assert(!is_free("d0"));
}
END_TEST

START_TEST(test_of_two_rows_of_a_device_the_watch_is_of_the_last_that_was_proven)
{
	uint32_t c = campaign_over(WATCHED, "d0 d0");

	rig_turn(r);
	prove(c, 0);
	rig_turn(r);
	prove(c, 1);
	ck_assert(r->campaigns[c].targets[0].relapse.is_over);
	ck_assert(!r->campaigns[c].targets[1].relapse.is_over);
	ck_assert_int_eq(rig_query(r, c, 0, SAYS_NOTHING), ERR_CLOSED); /* of the first nothing is asked */
	ck_assert_int_eq(rig_query(r, c, 1, SAYS_NOTHING), ERR_OK);
	/* And where both are open on record, as in no record of ours, it is watched once. */
	r->campaigns[c].targets[0].relapse.is_over = false;
	rig_crash(r);
	rig_turn(r);
	rig_at(r, 1000);
	ck_assert_int_eq(rig_query(r, c, 0, SAYS_NOTHING), ERR_OK);
	ck_assert_int_eq(rig_query(r, c, 1, SAYS_NOTHING), ERR_CLOSED);
}
END_TEST

/* ---- a copy of the record, put back ---- */

/* Makes the record of a target that waits for its hub say that it was called long ago and found offline. */
static void set_unresolved(uint32_t c, uint32_t no)
{
	struct target_row *row = &r->campaigns[c].targets[no].row;

	row->is_unresolved = true;
	row->calls = 1;
	row->attempt_seq = 1;
	row->called_at_ms = T0 - 2 * QUIET_MS;
	row->since_hub_ms = T0 - 2 * QUIET_MS;
}

START_TEST(test_of_two_copies_with_an_unresolved_call_to_one_device_one_has_it_and_the_other_waits)
{
	uint32_t a, b;

	r->hubs[0].is_open = false;
	a = campaign_over("", "d0");
	b = campaign_over("\"retry\":{\"maxAttempts\":3,\"on\":[\"noProof\"],\"backoffSeconds\":60}", "d0");

	rig_turn(r);
	set_unresolved(a, 0);
	set_unresolved(b, 0);
	rig_crash(r);
	r->hubs[0].is_open = true;
	rig_turn(r);
	ck_assert_uint_eq(rig_acts(r, a, 0), ACT_READ); /* before its next call */
	expect(b, 0, TARGET_WAITING, REASON_NONE, WAIT_DEVICE);
	r->now_ms += 1000;
	ck_assert_int_eq(rig_read(r, a, 0, SAYS_FAILED, 1000), ERR_OK);
	rig_turn(r);
	expect(a, 0, TARGET_FAILED, REASON_DEVICE_FAILED, WAIT_NONE);
	ck_assert_uint_eq(rig_acts(r, b, 0), ACT_READ); /* the device is free, and none of its campaign's */
	ck_assert_int_eq(rig_read(r, b, 0, SAYS_MOVED, 1000), ERR_OK);
	rig_turn(r); /* its call of long ago did act, to no end: another attempt */
	expect(b, 0, TARGET_WAITING, REASON_NONE, WAIT_BACKOFF);
	ck_assert_uint_eq(rig_row(r, b, 0)->attempt_seq, 2);
	rig_at(r, 61000);
	expect(b, 0, TARGET_INVOKING, REASON_NONE, WAIT_NONE);
}
END_TEST

START_TEST(test_a_copy_that_waits_for_its_device_with_a_call_unresolved_takes_it_where_it_is_free)
{
	uint32_t c = campaign_over("", "d0");

	r->hubs[0].is_open = false;
	rig_turn(r);
	set_unresolved(c, 0);
	r->campaigns[c].targets[0].row.wait = WAIT_DEVICE;
	rig_crash(r);
	r->hubs[0].is_open = true;
	rig_turn(r);
	expect(c, 0, TARGET_WAITING, REASON_NONE, WAIT_NONE);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	ck_assert(!is_free("d0"));
}
END_TEST

START_TEST(test_a_call_whose_hub_time_is_not_on_record_is_decided_by_our_clock)
{
	uint32_t c = campaign_over("", "d0");

	rig_turn(r);
	rig_crash(r);
	rig_turn(r);
	expect(c, 0, TARGET_DOUBTFUL, REASON_NONE, WAIT_NONE);
	r->campaigns[c].targets[0].row.since_hub_ms = TIME_NONE;
	rig_crash(r);
	rig_turn(r);
	rig_at(r, QUIET_MS);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	ck_assert_int_eq(rig_read(r, c, 0, SAYS_NOTHING, QUIET_MS), ERR_OK);
	rig_turn(r); /* it did not act */
	ck_assert_uint_eq(rig_row(r, c, 0)->redoubts, 1);
	expect(c, 0, TARGET_INVOKING, REASON_NONE, WAIT_NONE);
}
END_TEST

START_TEST(test_a_running_campaign_without_waves_on_record_calls_nobody_and_ends_at_its_end)
{
	uint32_t c;

	r->hubs[0].is_open = false;
	c = campaign_over("", "d0");
	rig_turn(r);
	r->campaigns[c].row.waves_n = 0;
	rig_crash(r);
	r->hubs[0].is_open = true;
	rig_turn(r);
	ck_assert_uint_eq(rig_invoked(r, c), 0);
	rig_at(r, 24 * HOUR_MS);
	expect(c, 0, TARGET_SKIPPED, REASON_CAMPAIGN_ENDED, WAIT_NONE);
	ck_assert_uint_eq(r->campaigns[c].row.state, CAMPAIGN_COMPLETED);
}
END_TEST

/* ---- devices that are kept by campaigns that are over ---- */

static void hold(uint32_t no, const char *id, int64_t until_ms, const char *by, const char *group)
{
	struct target_row row = {.campaign = 9,
	                         .no = no,
	                         .state = TARGET_SUCCEEDED,
	                         .called_at_ms = T0 - 1000,
	                         .hold_until_ms = T0 + until_ms};

	engine_hold_add(r->e, &row, 0, id, by, group);
}

START_TEST(test_hundreds_of_devices_are_kept_each_to_its_time_and_by_the_one_that_ends_last)
{
	char id[16];
	uint32_t c;

	for (uint32_t i = 0; i < 200; i++) {
		snprintf(id, sizeof id, "d%u", i);
		hold(i, id, i < 199 ? 60000 : 0, NULL, NULL); /* the last is over */
	}
	hold(200, "d0", 90000, NULL, NULL);
	engine_recover(r->e, r->now_ms);
	c = rig_campaign(r, "\"rollout\":{\"maxUnavailable\":1000}", 200);
	rig_turn(r);
	ck_assert_uint_eq(rig_invoked(r, c), 1);
	expect(c, 199, TARGET_INVOKING, REASON_NONE, WAIT_NONE);
	ck_assert_int_eq(rig_row(r, c, 0)->next_at_ms, T0 + 90000);
	rig_at(r, 59999);
	ck_assert_uint_eq(rig_invoked(r, c), 0);
	rig_at(r, 60000);
	ck_assert_uint_eq(rig_invoked(r, c), 198);
	rig_at(r, 90000);
	ck_assert_uint_eq(rig_invoked(r, c), 1);
}
END_TEST

START_TEST(test_what_is_kept_counts_in_its_group_where_that_is_on_record)
{
	struct engine_group group;
	uint32_t c;

	hold(0, "d0", 60000, "tags.site", "gbg");
	hold(1, "d1", 60000, "tags.site", NULL);
	hold(2, "d2", 60000, NULL, "gbg");
	engine_recover(r->e, r->now_ms);
	c = campaign_of_site("d3");
	ck_assert(engine_group(r->e, c, 0, &group));
	ck_assert_uint_eq(group.out, 1);
	ck_assert(!is_free("d1"));
	ck_assert(!is_free("d2"));
	rig_at(r, 60000);
	ck_assert(engine_group(r->e, c, 0, &group));
	ck_assert_uint_eq(group.out, 1); /* d3 itself */
	expect(c, 0, TARGET_INVOKING, REASON_NONE, WAIT_NONE);
}
END_TEST

START_TEST(test_an_engine_that_never_recovered_gives_all_back)
{
	hold(0, "d0", 60000, "tags.site", "gbg");
	hold(1, "d1", 60000, NULL, NULL);
	engine_free(NULL);
	start();
}
END_TEST

/* ---- campaigns that are dropped ---- */

static void cancel_and_drop(uint32_t c)
{
	ck_assert_int_eq(rig_order(r, FACT_CANCEL, c), ERR_OK);
	rig_turn(r);
	ck_assert_int_eq(r->campaigns[c].row.state, CAMPAIGN_CANCELLED);
	engine_campaign_drop(r->e, c);
	engine_campaign_drop(r->e, c); /* once more is nothing */
}

START_TEST(test_a_dropped_campaign_is_not_among_those_that_changed)
{
	uint32_t a = rig_campaign(r, "", 0), b = rig_campaign(r, "", 0);

	rig_turn(r);
	ck_assert_uint_eq(engine_dirty(r->e), 0);
	engine_touch(r->e, a);
	engine_touch(r->e, b);
	engine_touch(r->e, b + 1);
	engine_campaign_drop(r->e, a);
	ck_assert_uint_eq(engine_dirty(r->e), b);
	ck_assert_uint_eq(engine_dirty(r->e), 0);
}
END_TEST

/* d0 of a, then d1 of b, offline in one group on a hub that has shut since; b is cancelled and dropped. */
static uint32_t drop_the_second_of_two_offline(void)
{
	uint32_t a = campaign_of_site("d0"), b;

	rig_turn(r);
	ck_assert_int_eq(rig_call(r, a, 0, CALL_OFFLINE), ERR_OK);
	rig_turn(r);
	r->now_ms = T0 + 1000;
	b = campaign_of_site("d1");
	rig_turn(r);
	ck_assert_int_eq(rig_call(r, b, 0, CALL_OFFLINE), ERR_OK);
	r->hubs[0].is_open = false;
	rig_turn(r);
	cancel_and_drop(b);
	return a;
}

static uint32_t offline_of(uint32_t c)
{
	struct engine_group group;

	ck_assert(engine_group(r->e, c, 0, &group));
	return group.offline;
}

START_TEST(test_who_was_offline_in_a_campaign_that_is_dropped_does_not_count_any_more)
{
	uint32_t a = drop_the_second_of_two_offline();

	ck_assert_uint_eq(offline_of(a), 1);
	rig_at(r, 300000);
	ck_assert_uint_eq(offline_of(a), 1);
	rig_at(r, 300001);
	ck_assert_uint_eq(offline_of(a), 0);
	ck_assert_int_eq(r->wake_ms, T0 + 1000 + QUIET_MS); /* of the dropped one only its device is kept */
	start();
	a = drop_the_second_of_two_offline();
	rig_at(r, 400000); /* both at once */
	ck_assert_uint_eq(offline_of(a), 0);
}
END_TEST

/* The twin moved after it had settled: a baseline of its own. */
static enum err settled(uint32_t c)
{
	return rig_read(r, c, 0, SAYS_NOTHING, r->now_ms - T0);
}

START_TEST(test_watches_of_one_campaign_end_with_it_and_those_of_others_go_on)
{
	uint32_t a = campaign_over(WATCHED, "d0"), b;

	rig_turn(r);
	prove(a, 0);
	r->now_ms = T0 + 1000;
	b = campaign_over(WATCHED, "d1");
	rig_turn(r);
	prove(b, 0);
	ck_assert_uint_eq(rig_acts(r, b, 0) & ACT_READ, ACT_READ); /* as its watch begins */
	ck_assert_int_eq(settled(a), ERR_OK);
	ck_assert_int_eq(settled(b), ERR_OK);
	rig_turn(r);
	ck_assert_int_eq(r->wake_ms, T0 + 600000);
	cancel_and_drop(b);
	ck_assert(r->campaigns[b].targets[0].relapse.is_over);
	ck_assert(!r->campaigns[a].targets[0].relapse.is_over);
	ck_assert_uint_eq(r->campaigns[a].row.state, CAMPAIGN_RUNNING);
	rig_at(r, 600000);
	ck_assert_uint_eq(rig_acts(r, a, 0), ACT_READ);
	ck_assert_int_eq(r->wake_ms, T0 + 600000 + HOUR_MS); /* and of the dropped one nothing is due */
	b = campaign_over(WATCHED, "d1");
	rig_turn(r);
	prove(b, 0); /* and is freed beside the other */
	ck_assert(!r->campaigns[b].targets[0].relapse.is_over);
	start();
}
END_TEST

START_TEST(test_what_was_due_of_a_dropped_watch_is_passed_over)
{
	uint32_t a = campaign_over(WATCHED, "d0"), b;

	rig_turn(r);
	prove(a, 0);
	r->now_ms = T0 + 1000;
	b = campaign_over(WATCHED, "d1");
	rig_turn(r);
	prove(b, 0);
	ck_assert_int_eq(settled(a), ERR_OK);
	ck_assert_int_eq(settled(b), ERR_OK);
	rig_turn(r);
	cancel_and_drop(b);
	rig_at(r, 700000); /* both at once */
	ck_assert_uint_eq(rig_acts(r, a, 0), ACT_READ);
	ck_assert_uint_eq(rig_acts(r, b, 0), 0);
}
END_TEST

START_TEST(test_a_watch_on_record_of_what_is_not_there_or_not_proven_is_none)
{
	uint32_t c = campaign_over("", "d0");
	struct relapse_row row = {
	        .campaign = c, .from_ms = T0, .until_ms = T0 + 600000, .relapsed_at_ms = TIME_NONE};

	engine_relapse_add(r->e, &row); /* it is not proven */
	row.no = 1;
	engine_relapse_add(r->e, &row);
	row.campaign++;
	engine_relapse_add(r->e, &row);
	r->hubs[0].is_open = false;
	rig_turn(r);
	ck_assert_int_eq(r->wake_ms, T0 + 24 * HOUR_MS);
}
END_TEST

START_TEST(test_a_second_campaigns_watch_is_not_judged_by_what_is_read_for_the_first)
{
	uint32_t a = campaign_over(WATCHED, "d0"), b;

	rig_turn(r);
	prove(a, 0);
	r->now_ms = T0 + 1000;
	b = campaign_over(WATCHED, "d0");
	rig_turn(r);
	ck_assert(r->campaigns[a].targets[0].relapse.is_over); /* it was called again */
	prove(b, 0);
	ck_assert_int_eq(rig_query(r, a, 0, SAYS_NOTHING), ERR_CLOSED);
	ck_assert_int_eq(rig_query(r, b, 0, SAYS_NOTHING), ERR_OK);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("campaign record");

	suite_add_with(s, "a device twice", start,
	               (const TTest *const[]){
	                       test_a_device_that_is_listed_twice_is_called_one_row_after_the_other,
	                       test_a_second_row_that_is_left_out_does_not_free_the_device_of_the_first,
	                       test_of_two_rows_of_a_device_the_watch_is_of_the_last_that_was_proven, NULL});
	suite_add_with(
	        s, "a copy of the record", start,
	        (const TTest *const[]){
	                test_of_two_copies_with_an_unresolved_call_to_one_device_one_has_it_and_the_other_waits,
	                test_a_copy_that_waits_for_its_device_with_a_call_unresolved_takes_it_where_it_is_free,
	                test_a_call_whose_hub_time_is_not_on_record_is_decided_by_our_clock,
	                test_a_running_campaign_without_waves_on_record_calls_nobody_and_ends_at_its_end,
	                NULL});
	suite_add_with(
	        s, "devices that are kept", start,
	        (const TTest *const[]){
	                test_hundreds_of_devices_are_kept_each_to_its_time_and_by_the_one_that_ends_last,
	                test_what_is_kept_counts_in_its_group_where_that_is_on_record,
	                test_an_engine_that_never_recovered_gives_all_back, NULL});
	suite_add_with(s, "campaigns that are dropped", start,
	               (const TTest *const[]){
	                       test_a_dropped_campaign_is_not_among_those_that_changed,
	                       test_who_was_offline_in_a_campaign_that_is_dropped_does_not_count_any_more,
	                       test_watches_of_one_campaign_end_with_it_and_those_of_others_go_on,
	                       test_what_was_due_of_a_dropped_watch_is_passed_over,
	                       test_a_watch_on_record_of_what_is_not_there_or_not_proven_is_none,
	                       test_a_second_campaigns_watch_is_not_judged_by_what_is_read_for_the_first,
	                       NULL});
	return suite_run(s);
}
