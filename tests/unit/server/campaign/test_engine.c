/* tests: server/campaign/engine, one promise of the contract at a time. The rig checks P1 P2 P3 P4 P6 P8 P10
 * in all of them. A default reboot: a call may be out for 100 s, is given 900 s to show that it acted,
 * settles for 120 s. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/campaign/policy.h"
#include "server/campaign/target.h"
#include "chaos.h"
#include "rig.h"

#define CALL_MS 100000
#define QUIET_MS 1000000 /* from an intent */
#define HEARD_MS 950000  /* from the end of a call that was heard */
#define WIRE_MS 50000
#define SETTLE_MS 120000
#define RETRY \
	"\"retry\":{\"maxAttempts\":3,\"on\":[\"refused\",\"noProof\"],\"backoffSeconds\":60,\"backoffMaxSeconds\":90}"
#define BY_NONE "\"verify\":{\"by\":\"none\",\"settleSeconds\":0}"
#define BY_WHERE "\"verify\":{\"by\":\"where\",\"success\":\"properties.reported.v = 2\"}"
#define DAY_MS (24 * HOUR_MS)

/* The rig and the campaign of the test that runs. */
static struct rig *r;
static uint32_t c;

static void tear_down(void)
{
	if (r != NULL)
		rig_free(r);
	r = NULL;
}

static void begin(const char *members, uint32_t n)
{
	r = rig_new();
	c = rig_campaign(r, members, n);
	rig_at(r, 0);
}

static void expect(uint32_t no, enum target_state state, enum reason reason)
{
	const struct target_row *row = rig_row(r, c, no);

	ck_assert_str_eq(target_state_text(row->state), target_state_text(state));
	ck_assert_str_eq(reason_text(row->reason), reason_text(reason));
}

static void expect_wait(uint32_t no, enum wait wait, int64_t next_ms)
{
	expect(no, TARGET_WAITING, REASON_NONE);
	ck_assert_str_eq(wait_text(rig_row(r, c, no)->wait), wait_text(wait));
	ck_assert_int_eq(rig_row(r, c, no)->next_at_ms, T0 + next_ms);
}

static void expect_counts(uint32_t no, unsigned attempts, unsigned calls, unsigned seq)
{
	ck_assert_uint_eq(rig_row(r, c, no)->attempts, attempts);
	ck_assert_uint_eq(rig_row(r, c, no)->calls, calls);
	ck_assert_uint_eq(rig_row(r, c, no)->attempt_seq, seq);
}

static void expect_wake(int64_t ms)
{
	ck_assert_int_eq(r->wake_ms, T0 + ms);
}

static void expect_campaign(enum campaign_state state, const char *reason)
{
	ck_assert_str_eq(campaign_state_text(r->campaigns[c].row.state), campaign_state_text(state));
	ck_assert_str_eq(r->campaigns[c].reason, reason);
}

/* Whether somebody else could call device d<no> now: a campaign over it alone, where nothing has to be read.
 */
static bool is_free(uint32_t no)
{
	uint32_t other = rig_add(r, BY_NONE, r->now_ms - T0, r->now_ms - T0 + DAY_MS, 1);
	char id[16];
	struct fact f;

	snprintf(id, sizeof id, "d%u", no);
	rig_turn(r);
	rig_target(r, other, id, 0, true, true);
	f = rig_fact(r, FACT_SELECTED, other, 0);
	ck_assert_int_eq(rig_feed(r, &f), ERR_OK);
	rig_turn(r);
	return rig_row(r, other, 0)->state == TARGET_INVOKING;
}

/* ---- a campaign's beginning ---- */

START_TEST(test_a_campaign_starts_selects_and_runs_at_its_times)
{
	struct fact f;

	r = rig_new();
	c = rig_add(r, "", 5000, 60000, 1);
	rig_at(r, 0);
	expect_campaign(CAMPAIGN_SCHEDULED, "");
	expect_wake(5000);
	rig_at(r, 4999);
	ck_assert_uint_eq(r->selects, 0);
	rig_at(r, 5000);
	ck_assert_uint_eq(r->selects, 1);
	expect_campaign(CAMPAIGN_SELECTING, "");
	expect_wake(60000);
	ck_assert_uint_eq(engine_dirty(r->e), 0);
	rig_target(r, c, "d0", 0, true, true);
	ck_assert_uint_eq(engine_dirty(r->e), c); /* it is counted in the commit that stores it */
	r->now_ms = T0 + 7000;
	f = rig_fact(r, FACT_SELECTED, c, 0);
	ck_assert_int_eq(rig_feed(r, &f), ERR_OK);
	rig_at(r, 7000);
	expect_campaign(CAMPAIGN_RUNNING, "");
	ck_assert_int_eq(r->campaigns[c].row.started_at_ms, T0 + 7000);
	ck_assert_uint_eq(rig_invoked(r, c), 1);
	ck_assert_int_eq(rig_feed(r, &f), ERR_CLOSED);
}
END_TEST

/* Windows, starts and ends are people's, who look at the clock on the wall. */
START_TEST(test_a_campaign_starts_and_ends_by_the_clock_on_the_wall)
{
	struct fact f;

	r = rig_new();
	c = rig_add(r, "", 5000, 60000, 1);
	engine_wall(r->e, 4000); /* it is ahead of ours */
	rig_at(r, 0);
	expect_wake(1000);
	rig_at(r, 999);
	ck_assert_uint_eq(r->selects, 0);
	rig_at(r, 1000);
	ck_assert_uint_eq(r->selects, 1);
	expect_wake(56000);
	rig_target(r, c, "d0", 0, true, true);
	f = rig_fact(r, FACT_SELECTED, c, 0);
	ck_assert_int_eq(rig_feed(r, &f), ERR_OK);
	r->hubs[0].is_open = false;
	rig_at(r, 55999);
	expect(0, TARGET_WAITING, REASON_NONE);
	rig_at(r, 56000);
	expect(0, TARGET_SKIPPED, REASON_CAMPAIGN_ENDED);
}
END_TEST

START_TEST(test_a_campaign_that_matches_nothing_completes_at_once)
{
	begin("", 0);
	expect_campaign(CAMPAIGN_COMPLETED, "no device matched");
	ck_assert_int_eq(r->campaigns[c].row.finished_at_ms, T0);
}
END_TEST

START_TEST(test_a_selection_that_fails_fails_the_campaign)
{
	r = rig_new();
	c = rig_add(r, "", 0, 60000, 1);
	rig_at(r, 0);
	ck_assert_int_eq(rig_order(r, FACT_SELECTION_FAILED, c), ERR_OK);
	rig_at(r, 1);
	expect_campaign(CAMPAIGN_FAILED, "why");
	ck_assert_int_eq(rig_order(r, FACT_PAUSE, c), ERR_CONFLICT);
	ck_assert_int_eq(rig_order(r, FACT_CANCEL, c), ERR_CONFLICT);
	ck_assert_int_eq(rig_order(r, FACT_PAUSE, 3), ERR_NOT_FOUND);
	engine_campaign_drop(r->e, c);
	ck_assert_int_eq(rig_order(r, FACT_PAUSE, c), ERR_NOT_FOUND);
}
END_TEST

START_TEST(test_an_excluded_target_is_counted_and_never_called)
{
	struct target_row row = {.no = 1,
	                         .state = TARGET_SKIPPED,
	                         .reason = REASON_EXCLUDED,
	                         .group = GROUP_NONE,
	                         .changed_at_ms = T0,
	                         .next_at_ms = TIME_NONE,
	                         .hold_until_ms = TIME_NONE};
	struct baseline none = {0};
	struct campaign_row told;
	struct fact f;

	r = rig_new();
	c = rig_add(r, "", 0, DAY_MS, 1);
	rig_at(r, 0);
	rig_target(r, c, "d0", 0, true, true);
	row.campaign = c;
	engine_target_add(r->e, &row, "d1", &none);
	ck_assert_int_eq(engine_campaign_row(r->e, c, &told), ERR_OK);
	ck_assert_uint_eq(told.counts.total, 2);
	ck_assert_uint_eq(told.counts.reason[REASON_EXCLUDED], 1);
	f = rig_fact(r, FACT_CALL, c, 1);
	ck_assert_int_eq(engine_feed(r->e, &f), ERR_CLOSED);
	f.no = 2;
	ck_assert_int_eq(engine_feed(r->e, &f), ERR_NOT_FOUND);
}
END_TEST

/* ---- what a call comes to ---- */

START_TEST(test_a_target_is_called_proven_and_settles)
{
	begin("", 1);
	expect(0, TARGET_INVOKING, REASON_NONE);
	expect_counts(0, 1, 1, 1);
	ck_assert_int_eq(rig_row(r, c, 0)->called_at_ms, T0);
	ck_assert_int_eq(rig_row(r, c, 0)->since_hub_ms, T0 - 1000);
	expect_wake(CALL_MS);
	r->now_ms = T0 + 2000;
	ck_assert_int_eq(rig_call(r, c, 0, CALL_ACCEPTED), ERR_OK);
	rig_turn(r);
	expect(0, TARGET_AWAITING_PROOF, REASON_NONE);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_WATCH);
	ck_assert_int_eq(rig_row(r, c, 0)->next_at_ms, T0 + 902000);
	r->now_ms = T0 + 5000;
	ck_assert_int_eq(rig_query(r, c, 0, SAYS_PROVEN), ERR_OK);
	rig_turn(r);
	expect(0, TARGET_SUCCEEDED, REASON_NONE);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_UNWATCH);
	ck_assert_int_eq(rig_row(r, c, 0)->hold_until_ms, T0 + 5000 + SETTLE_MS);
	expect_campaign(CAMPAIGN_COMPLETED, "");
	ck_assert_int_eq(r->campaigns[c].row.finished_at_ms, T0 + 5000);
}
END_TEST

START_TEST(test_steps_are_handed_out_in_the_order_in_which_they_came_about)
{
	begin("\"rollout\":{\"maxUnavailable\":250}", 250);
	for (uint32_t no = 0; no < 250; no++)
		rig_call(r, c, no, CALL_ACCEPTED);
	rig_turn(r);
	ck_assert_uint_eq(r->steps_n, 250);
	for (uint32_t no = 0; no < 250; no++)
		ck_assert_uint_eq(r->steps[no].row.no, no);
}
END_TEST

START_TEST(test_the_intents_hub_time_is_rounded_down_less_a_second)
{
	r = rig_new();
	r->hubs[0].clock_offset_ms = -1501;
	c = rig_campaign(r, "", 1);
	rig_at(r, 1400);
	ck_assert_int_eq(rig_row(r, c, 0)->since_hub_ms, T0 - 2000);
}
END_TEST

START_TEST(test_a_refused_target_fails_unless_its_policy_retries_it)
{
	begin("", 1);
	ck_assert_int_eq(rig_call(r, c, 0, CALL_REFUSED), ERR_OK);
	rig_at(r, 10);
	expect(0, TARGET_FAILED, REASON_REFUSED);
	ck_assert(is_free(0));
}
END_TEST

START_TEST(test_refusals_are_retried_with_new_attempt_ids_and_growing_delays)
{
	struct fact f;

	begin(RETRY, 1);
	f = rig_fact(r, FACT_CALL, c, 0);
	f.result = CALL_REFUSED;
	f.method_status = 503;
	ck_assert_int_eq(rig_feed(r, &f), ERR_OK);
	rig_turn(r);
	expect_wait(0, WAIT_BACKOFF, 60000);
	expect_wake(60000);
	ck_assert_int_eq(rig_row(r, c, 0)->method_status, 503);
	rig_at(r, 59999);
	ck_assert_uint_eq(r->steps_n, 0);
	rig_at(r, 60000);
	expect_counts(0, 2, 2, 2);
	ck_assert_int_eq(rig_row(r, c, 0)->since_hub_ms, T0 + 59000);
	rig_call(r, c, 0, CALL_REFUSED);
	rig_turn(r);
	expect_wait(0, WAIT_BACKOFF, 150000);
	rig_at(r, 150000);
	expect_counts(0, 3, 3, 3);
	rig_call(r, c, 0, CALL_REFUSED);
	rig_turn(r);
	expect(0, TARGET_FAILED, REASON_REFUSED);
	expect_counts(0, 3, 3, 3);
}
END_TEST

START_TEST(test_an_unknown_method_and_an_unsound_request_are_final)
{
	begin(RETRY, 2);
	rig_call(r, c, 0, CALL_NO_METHOD);
	rig_call(r, c, 1, CALL_REJECTED);
	rig_at(r, 5);
	expect(0, TARGET_FAILED, REASON_NO_METHOD);
	expect(1, TARGET_FAILED, REASON_HUB_REJECTED);
	expect_counts(0, 1, 1, 1);
	expect_counts(1, 0, 1, 1); /* it never reached the device */
	expect_campaign(CAMPAIGN_COMPLETED, "");
}
END_TEST

START_TEST(test_what_surely_did_not_arrive_waits_and_is_no_attempt)
{
	begin("", 1);
	r->hubs[0].is_open = false;
	rig_call(r, c, 0, CALL_NOT_DELIVERED);
	rig_turn(r);
	expect(0, TARGET_WAITING, REASON_NONE);
	expect_counts(0, 0, 1, 1);
	ck_assert_int_eq(rig_row(r, c, 0)->since_hub_ms, TIME_NONE);
	expect_wake(DAY_MS);
	r->hubs[0].is_open = true;
	rig_at(r, 7000);
	expect(0, TARGET_INVOKING, REASON_NONE);
	expect_counts(0, 1, 2, 1);
	ck_assert_int_eq(rig_row(r, c, 0)->since_hub_ms, T0 + 6000);
}
END_TEST

START_TEST(test_a_busy_device_is_called_again_after_the_back_off)
{
	begin("", 1);
	rig_call(r, c, 0, CALL_BUSY);
	rig_turn(r);
	expect_wait(0, WAIT_BACKOFF, 60000);
	expect_counts(0, 0, 1, 1);
	rig_at(r, 60000);
	expect_counts(0, 1, 2, 1);
}
END_TEST

START_TEST(test_a_withdrawn_call_was_none)
{
	struct fact f;

	begin("", 1);
	f = rig_fact(r, FACT_WITHDRAWN, c, 0);
	rig_order(r, FACT_PAUSE, c);
	ck_assert_int_eq(rig_feed(r, &f), ERR_OK);
	rig_turn(r);
	expect(0, TARGET_WAITING, REASON_NONE);
	expect_counts(0, 0, 0, 1);
	ck_assert_int_eq(rig_feed(r, &f), ERR_CLOSED);
	ck_assert(is_free(0));
}
END_TEST

START_TEST(test_a_call_withdrawn_after_its_time_was_none_either)
{
	struct fact f;

	begin("", 1);
	rig_at(r, CALL_MS);
	expect(0, TARGET_DOUBTFUL, REASON_NONE);
	rig_order(r, FACT_PAUSE, c);
	f = rig_fact(r, FACT_WITHDRAWN, c, 0);
	ck_assert_int_eq(rig_feed(r, &f), ERR_OK);
	rig_turn(r);
	expect(0, TARGET_WAITING, REASON_NONE);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_UNWATCH);
}
END_TEST

START_TEST(test_a_device_that_is_gone_is_looked_for_before_it_is_judged)
{
	struct fact f;

	begin("", 4);
	for (uint32_t no = 0; no < 4; no++)
		rig_call(r, c, no, CALL_GONE);
	rig_turn(r);
	for (uint32_t no = 0; no < 4; no++) {
		ck_assert_uint_eq(rig_acts(r, c, no), ACT_READ);
		expect_counts(no, 0, 1, 1);
	}
	f = rig_fact(r, FACT_READING, c, 0);
	f.is_point_read = true;
	f.is_there = f.is_enabled = false;
	rig_feed(r, &f);
	f.no = 1;
	f.is_there = true;
	rig_feed(r, &f);
	rig_read(r, c, 2, SAYS_GONE, 0);
	rig_read(r, c, 3, SAYS_NOTHING, 0);
	rig_turn(r);
	expect(0, TARGET_SKIPPED, REASON_NOT_FOUND);
	expect(1, TARGET_SKIPPED, REASON_DISABLED);
	expect(2, TARGET_FAILED, REASON_GONE);
	expect_wait(3, WAIT_BACKOFF, 60000); /* the hub said that it is not there, and it is: not at once */
	rig_at(r, 60000);
	expect(3, TARGET_INVOKING, REASON_NONE);
}
END_TEST

START_TEST(test_a_device_gone_after_an_offline_call_backs_off_once_and_is_called)
{
	int64_t next;

	begin("\"retry\":{\"backoffSeconds\":120}", 1);
	rig_call(r, c, 0, CALL_OFFLINE);
	rig_turn(r);
	next = rig_row(r, c, 0)->next_at_ms - T0;
	rig_at(r, next);
	rig_read(r, c, 0, SAYS_NOTHING, next);
	rig_turn(r);
	ck_assert_uint_eq(rig_invoked(r, c), 1);
	rig_call(r, c, 0, CALL_GONE);
	rig_turn(r);
	rig_read(r, c, 0, SAYS_NOTHING, next);
	rig_turn(r);
	expect_wait(0, WAIT_BACKOFF, next + 120000);
	rig_at(r, next + 120000);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ); /* still unresolved: compared again */
	rig_read(r, c, 0, SAYS_NOTHING, next + 120000);
	rig_turn(r);
	ck_assert_uint_eq(rig_invoked(r, c), 1);
}
END_TEST

START_TEST(test_an_accepted_call_is_proof_enough_where_verify_is_none)
{
	begin("\"verify\":{\"by\":\"none\",\"settleSeconds\":7}", 1);
	rig_call(r, c, 0, CALL_ACCEPTED);
	rig_at(r, 1000);
	expect(0, TARGET_SUCCEEDED, REASON_NONE);
	ck_assert_int_eq(rig_row(r, c, 0)->hold_until_ms, T0 + 7000);
	ck_assert_uint_eq(rig_acts(r, c, 0), 0);
}
END_TEST

START_TEST(test_a_lost_answer_without_verify_is_unknown_and_holds_the_device)
{
	begin(BY_NONE, 1);
	rig_call(r, c, 0, CALL_AMBIGUOUS);
	rig_at(r, 1000);
	expect(0, TARGET_FAILED, REASON_UNKNOWN);
	ck_assert_int_eq(rig_row(r, c, 0)->hold_until_ms, T0 + HEARD_MS);
	rig_at(r, HEARD_MS - 1);
	ck_assert(!is_free(0));
	rig_at(r, HEARD_MS);
	ck_assert_uint_eq(rig_invoked(r, 0), 1);
}
END_TEST

START_TEST(test_a_call_without_outcome_is_in_doubt_after_its_time)
{
	begin("", 1);
	rig_at(r, CALL_MS - 1);
	expect(0, TARGET_INVOKING, REASON_NONE);
	rig_at(r, CALL_MS);
	expect(0, TARGET_DOUBTFUL, REASON_NONE);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_WATCH);
	expect_wake(QUIET_MS);
}
END_TEST

START_TEST(test_every_outcome_may_come_late_and_end_a_doubt)
{
	begin(RETRY, 9);
	for (uint32_t no = 0; no < 9; no++)
		rig_call(r, c, no, CALL_AMBIGUOUS);
	rig_at(r, 2000);
	for (uint32_t no = 0; no < 9; no++) {
		expect(no, TARGET_DOUBTFUL, REASON_NONE);
		ck_assert_uint_eq(rig_acts(r, c, no), ACT_WATCH);
	}
	r->hubs[0].is_open = false;
	for (int result = CALL_ACCEPTED; result <= CALL_REJECTED; result++)
		ck_assert_int_eq(rig_call(r, c, (uint32_t)result, (enum call_result)result), ERR_OK);
	rig_turn(r);
	expect(CALL_ACCEPTED, TARGET_AWAITING_PROOF, REASON_NONE);
	ck_assert_int_eq(rig_row(r, c, CALL_ACCEPTED)->next_at_ms, T0 + 902000);
	ck_assert_uint_eq(rig_acts(r, c, CALL_ACCEPTED), 0);
	expect_wait(CALL_REFUSED, WAIT_BACKOFF, 62000);
	expect(CALL_NO_METHOD, TARGET_FAILED, REASON_NO_METHOD);
	expect(CALL_NOT_DELIVERED, TARGET_WAITING, REASON_NONE);
	expect_counts(CALL_NOT_DELIVERED, 0, 1, 1);
	expect_wait(CALL_BUSY, WAIT_BACKOFF, 62000);
	expect(CALL_OFFLINE, TARGET_WAITING, REASON_NONE);
	ck_assert(rig_row(r, c, CALL_OFFLINE)->is_unresolved);
	expect(CALL_GONE, TARGET_WAITING, REASON_NONE);
	expect(CALL_AMBIGUOUS, TARGET_DOUBTFUL, REASON_NONE);
	expect(CALL_REJECTED, TARGET_FAILED, REASON_HUB_REJECTED);
}
END_TEST

START_TEST(test_late_facts_are_closed_and_change_nothing)
{
	struct fact old, f;

	begin(RETRY, 2);
	old = rig_fact(r, FACT_CALL, c, 0);
	old.result = CALL_REFUSED;
	rig_feed(r, &old);
	rig_at(r, 60000);
	expect_counts(0, 2, 2, 2);
	old.result = CALL_ACCEPTED;
	ck_assert_int_eq(rig_feed(r, &old), ERR_CLOSED); /* of an earlier call */
	rig_call(r, c, 0, CALL_NO_METHOD);
	rig_call(r, c, 1, CALL_NO_METHOD);
	rig_turn(r);
	for (int result = CALL_ACCEPTED; result <= CALL_REJECTED; result++)
		ck_assert_int_eq(rig_call(r, c, 0, (enum call_result)result), ERR_CLOSED);
	for (int says = SAYS_NOTHING; says <= SAYS_GONE; says++) {
		ck_assert_int_eq(rig_query(r, c, 0, (enum reading_says)says), ERR_CLOSED);
		ck_assert_int_eq(rig_read(r, c, 0, (enum reading_says)says, 0), ERR_CLOSED);
	}
	ck_assert_int_eq(rig_read_failed(r, c, 0), ERR_CLOSED);
	f = rig_fact(r, FACT_WITHDRAWN, c, 0);
	ck_assert_int_eq(rig_feed(r, &f), ERR_CLOSED);
	rig_at(r, 61000);
	ck_assert_uint_eq(r->steps_n, 0);
}
END_TEST

/* ---- evidence ---- */

START_TEST(test_a_missing_baseline_is_read_before_the_first_call)
{
	struct fact f;

	r = rig_new();
	c = rig_add(r, "", 0, DAY_MS, 1);
	rig_at(r, 0);
	rig_target(r, c, "d0", 0, false, false);
	f = rig_fact(r, FACT_SELECTED, c, 0);
	rig_feed(r, &f);
	rig_turn(r);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	rig_at(r, 3000);
	ck_assert_uint_eq(r->steps_n, 0);
	f = rig_fact(r, FACT_READING, c, 0);
	f.is_point_read = true;
	f.baseline = (struct baseline){.source = SOURCE_READ, .has_value = true, .value_hash = 77};
	ck_assert_int_eq(rig_feed(r, &f), ERR_OK);
	f.baseline.value_hash = 88;
	ck_assert_int_eq(rig_feed(r, &f), ERR_OK); /* twice */
	rig_turn(r);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_BASELINE | ACT_INVOKE);
	ck_assert_uint_eq(r->campaigns[c].targets[0].baseline.value_hash, 77);
}
END_TEST

START_TEST(test_what_nobody_asked_for_changes_nothing_before_a_call)
{
	struct fact f;

	r = rig_new();
	c = rig_add(r, "", 0, DAY_MS, 1);
	r->hubs[0].call_credit = r->hubs[0].read_credit = 0;
	rig_at(r, 0);
	rig_target(r, c, "d0", 0, true, true);
	rig_target(r, c, "d1", 0, false, false);
	f = rig_fact(r, FACT_SELECTED, c, 0);
	rig_feed(r, &f);
	rig_turn(r);
	f = rig_fact(r, FACT_READING, c, 0);
	f.is_point_read = true;
	f.is_there = false;
	rig_feed(r, &f);
	ck_assert_int_eq(rig_read_failed(r, c, 0), ERR_CLOSED);
	rig_query(r, c, 0, SAYS_PROVEN);
	rig_turn(r);
	ck_assert_uint_eq(r->steps_n, 0);
	r->hubs[0].call_credit = r->hubs[0].read_credit = 2;
	rig_turn(r);
	expect(0, TARGET_INVOKING, REASON_NONE);
	ck_assert_uint_eq(rig_acts(r, c, 1), ACT_READ);
	rig_read(r, c, 1, SAYS_PROVEN, 0); /* what no call of ours brought about */
	rig_turn(r);
	expect(1, TARGET_INVOKING, REASON_NONE);
}
END_TEST

START_TEST(test_nothing_is_read_before_a_call_that_nothing_verifies)
{
	struct fact f;

	r = rig_new();
	c = rig_add(r, BY_NONE, 0, DAY_MS, 1);
	rig_at(r, 0);
	rig_target(r, c, "d0", 0, false, false);
	f = rig_fact(r, FACT_SELECTED, c, 0);
	rig_feed(r, &f);
	rig_turn(r);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_INVOKE);
}
END_TEST

START_TEST(test_a_failed_read_before_a_call_is_asked_again_later)
{
	struct fact f;

	r = rig_new();
	c = rig_add(r, "", 0, DAY_MS, 1);
	rig_at(r, 0);
	rig_target(r, c, "d0", 0, false, false);
	f = rig_fact(r, FACT_SELECTED, c, 0);
	rig_feed(r, &f);
	rig_turn(r);
	rig_read_failed(r, c, 0);
	rig_turn(r);
	expect_wait(0, WAIT_BACKOFF, 5000);
	rig_at(r, 5000);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	rig_read_failed(r, c, 0);
	rig_turn(r);
	expect_wait(0, WAIT_BACKOFF, 15000);
	expect_counts(0, 0, 0, 0);
}
END_TEST

START_TEST(test_a_predicate_that_holds_already_is_already_done)
{
	struct fact f;

	r = rig_new();
	c = rig_add(r, BY_WHERE, 0, DAY_MS, 1);
	rig_at(r, 0);
	rig_target(r, c, "d0", 0, false, false);
	f = rig_fact(r, FACT_SELECTED, c, 0);
	rig_feed(r, &f);
	rig_turn(r);
	f = rig_fact(r, FACT_READING, c, 0);
	f.is_point_read = true;
	f.baseline = (struct baseline){.source = SOURCE_READ, .success_held = true};
	rig_feed(r, &f);
	rig_turn(r);
	expect(0, TARGET_SKIPPED, REASON_ALREADY_DONE);
	ck_assert(r->campaigns[c].targets[0].baseline.success_held);
	expect_campaign(CAMPAIGN_COMPLETED, "");
}
END_TEST

START_TEST(test_proof_in_the_done_path_needs_no_settling)
{
	struct fact f;

	begin("", 1);
	rig_call(r, c, 0, CALL_ACCEPTED);
	f = rig_fact(r, FACT_READING, c, 0);
	f.says = SAYS_PROVEN;
	f.is_done_path = true;
	rig_feed(r, &f);
	rig_turn(r);
	expect(0, TARGET_SUCCEEDED, REASON_NONE);
	ck_assert_int_eq(rig_row(r, c, 0)->hold_until_ms, TIME_NONE);
	ck_assert(is_free(0));
}
END_TEST

START_TEST(test_a_settling_device_keeps_slot_and_device_exactly_so_long)
{
	begin("\"rollout\":{\"maxUnavailable\":1}", 2);
	ck_assert_uint_eq(rig_invoked(r, c), 1);
	rig_call(r, c, 0, CALL_ACCEPTED);
	rig_query(r, c, 0, SAYS_PROVEN);
	rig_at(r, 0);
	expect_wake(SETTLE_MS);
	rig_at(r, SETTLE_MS - 1);
	ck_assert_uint_eq(r->steps_n, 0);
	ck_assert(!is_free(0));
	rig_at(r, SETTLE_MS);
	ck_assert_uint_eq(rig_invoked(r, c), 1);
	ck_assert_uint_eq(rig_invoked(r, 0), 2); /* the other campaign takes the device */
}
END_TEST

START_TEST(test_a_device_that_says_it_failed_has_failed)
{
	begin("", 3);
	rig_call(r, c, 0, CALL_ACCEPTED);
	rig_call(r, c, 1, CALL_AMBIGUOUS);
	rig_call(r, c, 2, CALL_ACCEPTED);
	rig_query(r, c, 0, SAYS_FAILED);
	rig_query(r, c, 1, SAYS_FAILED);
	rig_query(r, c, 2, SAYS_GONE);
	rig_turn(r);
	expect(0, TARGET_FAILED, REASON_DEVICE_FAILED);
	expect(1, TARGET_FAILED, REASON_DEVICE_FAILED);
	expect(2, TARGET_FAILED, REASON_GONE);
	ck_assert(is_free(0) && is_free(2));
	ck_assert_int_eq(rig_row(r, c, 1)->hold_until_ms,
	                 T0 + WIRE_MS); /* the hub may still be busy with it */
}
END_TEST

START_TEST(test_no_proof_needs_a_point_read_after_the_deadline)
{
	begin("", 1);
	rig_call(r, c, 0, CALL_ACCEPTED);
	rig_at(r, 0);
	rig_at(r, 899999);
	rig_read(r, c, 0, SAYS_NOTHING, 899999); /* too early */
	rig_query(r, c, 0, SAYS_NOTHING);
	rig_turn(r);
	ck_assert_uint_eq(r->steps_n, 0);
	rig_at(r, 900000);
	expect(0, TARGET_AWAITING_PROOF, REASON_NONE);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	r->now_ms = T0 + 900500;
	rig_query(r, c, 0, SAYS_NOTHING); /* may be old */
	rig_read(r, c, 0, SAYS_NOTHING, 899999);
	rig_turn(r);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ); /* asked for too early: once more */
	rig_read(r, c, 0, SAYS_NOTHING, 900500);
	rig_turn(r);
	expect(0, TARGET_FAILED, REASON_NO_PROOF);
	ck_assert_int_eq(rig_row(r, c, 0)->hold_until_ms, TIME_NONE);
}
END_TEST

START_TEST(test_what_had_no_proof_is_tried_again_as_a_new_attempt)
{
	begin(RETRY, 1);
	rig_call(r, c, 0, CALL_ACCEPTED);
	rig_at(r, 0);
	rig_at(r, 900000);
	rig_read(r, c, 0, SAYS_NOTHING, 900000);
	rig_turn(r);
	expect_wait(0, WAIT_BACKOFF, 960000);
	rig_at(r, 960000);
	expect_counts(0, 2, 2, 2);
}
END_TEST

START_TEST(test_a_hub_that_cannot_be_read_puts_off_the_verdict_by_a_day_at_most)
{
	int64_t ms = 900000, delay_ms = 5000;

	begin("", 1);
	rig_call(r, c, 0, CALL_ACCEPTED);
	rig_at(r, 0);
	rig_at(r, ms);
	for (;;) {
		ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
		rig_read_failed(r, c, 0);
		ms += delay_ms;
		if (ms >= 900000 + DAY_MS)
			break;
		rig_at(r, ms - 1);
		ck_assert_uint_eq(r->steps_n, 0);
		rig_at(r, ms);
		delay_ms = delay_ms * 2 < 300000 ? delay_ms * 2 : 300000;
	}
	rig_at(r, ms);
	expect(0, TARGET_FAILED, REASON_UNKNOWN);
	ck_assert_int_eq(rig_row(r, c, 0)->changed_at_ms, T0 + ms);
}
END_TEST

START_TEST(test_a_read_that_is_never_answered_ends_after_a_day)
{
	begin("", 1);
	rig_call(r, c, 0, CALL_AMBIGUOUS);
	rig_at(r, 0);
	rig_at(r, HEARD_MS);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	expect_wake(DAY_MS); /* the campaign's end */
	rig_at(r, HEARD_MS + DAY_MS - 1);
	expect(0, TARGET_DOUBTFUL, REASON_NONE);
	rig_at(r, HEARD_MS + DAY_MS);
	expect(0, TARGET_FAILED, REASON_UNKNOWN);
	expect_campaign(CAMPAIGN_COMPLETED, "");
}
END_TEST

START_TEST(test_a_failed_read_does_not_shorten_a_new_deadline)
{
	begin("", 1);
	rig_call(r, c, 0, CALL_AMBIGUOUS);
	rig_at(r, 0);
	rig_at(r, HEARD_MS);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	rig_call(r, c, 0, CALL_ACCEPTED); /* late */
	rig_read_failed(r, c, 0);
	rig_turn(r);
	expect(0, TARGET_AWAITING_PROOF, REASON_NONE);
	expect_wake(HEARD_MS + 900000);
	rig_at(r, HEARD_MS + 5000);
	ck_assert_uint_eq(r->steps_n, 0);
	rig_at(r, HEARD_MS + 900000);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
}
END_TEST

START_TEST(test_what_was_seen_to_move_has_acted_and_is_no_absence)
{
	begin("", 2);
	rig_call(r, c, 0, CALL_AMBIGUOUS);
	rig_call(r, c, 1, CALL_ACCEPTED);
	rig_at(r, 0);
	for (uint32_t no = 0; no < 2; no++) {
		rig_query(r, c, no, SAYS_MOVED);
		rig_query(r, c, no, SAYS_MOVED); /* told once */
	}
	rig_at(r, 50000);
	ck_assert_uint_eq(r->steps_n, 2);
	expect(0, TARGET_DOUBTFUL, REASON_NONE);
	expect(1, TARGET_AWAITING_PROOF, REASON_NONE);
	ck_assert(rig_row(r, c, 0)->has_moved && rig_row(r, c, 1)->has_moved);
	ck_assert_int_eq(rig_row(r, c, 0)->next_at_ms, T0 + HEARD_MS);
	ck_assert_int_eq(rig_row(r, c, 1)->next_at_ms, T0 + 900000);
	rig_at(r, 900000);
	rig_read(r, c, 1, SAYS_MOVED, 900000);
	rig_turn(r);
	expect(1, TARGET_FAILED, REASON_NO_PROOF);
	rig_at(r, HEARD_MS);
	rig_read(r, c, 0, SAYS_NOTHING, HEARD_MS);
	rig_turn(r);
	expect(0, TARGET_FAILED, REASON_NO_PROOF);
	tear_down();
	begin("", 1); /* or is seen first by the read that decides */
	rig_call(r, c, 0, CALL_ACCEPTED);
	rig_at(r, 900000);
	rig_read(r, c, 0, SAYS_MOVED, 900000);
	rig_turn(r);
	expect(0, TARGET_FAILED, REASON_NO_PROOF);
}
END_TEST

START_TEST(test_a_doubt_that_ends_early_keeps_the_device_as_long_as_the_hub_may_be_busy)
{
	struct fact f;

	begin("\"verify\":{\"settleSeconds\":20}", 2);
	rig_call(r, c, 0, CALL_AMBIGUOUS);
	rig_call(r, c, 1, CALL_AMBIGUOUS);
	f = rig_fact(r, FACT_READING, c, 0);
	f.says = SAYS_PROVEN;
	f.is_done_path = true;
	rig_feed(r, &f);
	rig_at(r, 0);
	ck_assert_int_eq(rig_row(r, c, 0)->hold_until_ms, T0 + WIRE_MS);
	r->now_ms = T0 + WIRE_MS - 10000;
	rig_query(r, c, 1, SAYS_PROVEN);
	rig_turn(r);
	ck_assert_int_eq(rig_row(r, c, 1)->hold_until_ms, T0 + WIRE_MS + 10000);
}
END_TEST

START_TEST(test_doubt_ends_by_proof_at_any_time)
{
	begin("", 1);
	rig_call(r, c, 0, CALL_AMBIGUOUS);
	rig_at(r, 0);
	rig_at(r, HEARD_MS);
	rig_query(r, c, 0, SAYS_PROVEN);
	rig_turn(r);
	expect(0, TARGET_SUCCEEDED, REASON_NONE);
	expect_counts(0, 1, 1, 1);
}
END_TEST

START_TEST(test_absence_needs_a_point_read_asked_for_after_the_quiet_time)
{
	begin("", 1);
	rig_call(r, c, 0, CALL_AMBIGUOUS);
	rig_at(r, 0);
	rig_at(r, HEARD_MS - 1);
	rig_read(r, c, 0, SAYS_NOTHING, HEARD_MS - 1);
	rig_turn(r);
	expect(0, TARGET_DOUBTFUL, REASON_NONE);
	rig_at(r, HEARD_MS);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	rig_query(r, c, 0, SAYS_NOTHING);
	rig_turn(r);
	expect(0, TARGET_DOUBTFUL, REASON_NONE);
	rig_read(r, c, 0, SAYS_NOTHING, HEARD_MS);
	rig_turn(r);
	expect(0, TARGET_INVOKING, REASON_NONE);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_UNWATCH | ACT_INVOKE);
	expect_counts(0, 1, 2, 1); /* the same attempt, under the same id */
	ck_assert_uint_eq(rig_row(r, c, 0)->redoubts, 1);
	ck_assert_int_eq(rig_row(r, c, 0)->since_hub_ms, T0 + HEARD_MS - 1000);
}
END_TEST

START_TEST(test_ten_doubts_may_end_by_absence_and_no_more)
{
	begin("", 1);
	for (unsigned i = 0; i <= REDOUBTS_MAX; i++) {
		int64_t ms = r->now_ms - T0;

		expect_counts(0, 1, i + 1, 1);
		rig_call(r, c, 0, CALL_AMBIGUOUS);
		rig_turn(r);
		rig_at(r, ms + HEARD_MS);
		rig_read(r, c, 0, SAYS_NOTHING, ms + HEARD_MS);
		rig_turn(r);
	}
	expect(0, TARGET_FAILED, REASON_UNKNOWN);
	ck_assert_uint_eq(rig_row(r, c, 0)->redoubts, REDOUBTS_MAX);
	expect_counts(0, 1, 11, 1);
	ck_assert(is_free(0));
}
END_TEST

START_TEST(test_absence_cannot_be_told_where_the_baseline_held_no_value)
{
	struct fact f;

	r = rig_new();
	c = rig_add(r, "", 0, DAY_MS, 1);
	rig_at(r, 0);
	rig_target(r, c, "d0", 0, true, false);
	f = rig_fact(r, FACT_SELECTED, c, 0);
	rig_feed(r, &f);
	rig_turn(r);
	rig_call(r, c, 0, CALL_AMBIGUOUS);
	rig_turn(r);
	rig_at(r, QUIET_MS);
	rig_read(r, c, 0, SAYS_NOTHING, QUIET_MS);
	rig_turn(r);
	expect(0, TARGET_FAILED, REASON_UNKNOWN);
}
END_TEST

START_TEST(test_doubtful_never_does_not_call_again)
{
	begin("\"retry\":{\"maxAttempts\":3,\"doubtful\":\"never\"}", 1);
	rig_call(r, c, 0, CALL_AMBIGUOUS);
	rig_turn(r);
	rig_at(r, QUIET_MS);
	rig_read(r, c, 0, SAYS_NOTHING, QUIET_MS);
	rig_turn(r);
	expect(0, TARGET_FAILED, REASON_UNKNOWN);
	expect_counts(0, 1, 1, 1);
}
END_TEST

START_TEST(test_a_doubtful_device_holds_its_slot)
{
	begin("\"rollout\":{\"maxUnavailable\":1}", 2);
	rig_call(r, c, 0, CALL_AMBIGUOUS);
	rig_at(r, 0);
	ck_assert_uint_eq(rig_invoked(r, c), 0);
	rig_query(r, c, 0, SAYS_FAILED);
	rig_turn(r);
	ck_assert_uint_eq(rig_invoked(r, c), 1);
	expect(1, TARGET_INVOKING, REASON_NONE);
}
END_TEST

/* ---- 404103 ---- */

START_TEST(test_an_offline_device_is_compared_before_each_further_call)
{
	int64_t ms = 0;

	begin("", 1);
	for (uint32_t tries = 1; tries <= 4; tries++) {
		int64_t base_ms = 10000 << (tries - 1);

		rig_call(r, c, 0, CALL_OFFLINE);
		rig_turn(r);
		expect(0, TARGET_WAITING, REASON_NONE);
		ck_assert_uint_eq(rig_row(r, c, 0)->wait, WAIT_OFFLINE);
		expect_counts(0, 0, tries, 1);
		ck_assert(rig_row(r, c, 0)->is_unresolved);
		ck_assert_uint_eq(rig_row(r, c, 0)->offline_tries, tries);
		ck_assert_int_ge(rig_row(r, c, 0)->next_at_ms - T0 - ms, base_ms * 8 / 10);
		ck_assert_int_le(rig_row(r, c, 0)->next_at_ms - T0 - ms, base_ms * 12 / 10);
		ck_assert_int_eq(r->wake_ms, rig_row(r, c, 0)->next_at_ms);
		ms = r->wake_ms - T0;
		rig_at(r, ms);
		ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
		rig_read(r, c, 0, SAYS_NOTHING, ms);
		rig_turn(r);
		ck_assert_uint_eq(rig_acts(r, c, 0), ACT_INVOKE);
		ck_assert_int_eq(rig_row(r, c, 0)->since_hub_ms, T0 - 1000); /* of the first call */
	}
	rig_call(r, c, 0, CALL_ACCEPTED);
	rig_turn(r);
	expect(0, TARGET_AWAITING_PROOF, REASON_NONE);
	expect_counts(0, 1, 5, 1);
	ck_assert_uint_eq(rig_row(r, c, 0)->offline_tries, 0);
}
END_TEST

START_TEST(test_whatever_a_device_answers_it_is_no_longer_offline)
{
	begin("\"retry\":{\"maxAttempts\":3,\"on\":[\"refused\"]}", 2);
	for (uint32_t no = 0; no < 2; no++)
		rig_call(r, c, no, CALL_OFFLINE);
	rig_turn(r);
	rig_at(r, 12000);
	for (uint32_t no = 0; no < 2; no++) {
		ck_assert_uint_eq(rig_row(r, c, no)->offline_tries, 1);
		rig_read(r, c, no, SAYS_NOTHING, 12000);
	}
	rig_turn(r);
	rig_call(r, c, 0, CALL_REFUSED);
	rig_call(r, c, 1, CALL_AMBIGUOUS);
	rig_turn(r);
	for (uint32_t no = 0; no < 2; no++) {
		ck_assert_uint_eq(rig_row(r, c, no)->offline_tries, 0);
		ck_assert_int_eq(rig_row(r, c, no)->offline_ms, 0);
	}
}
END_TEST

START_TEST(test_a_read_from_before_the_offline_call_does_not_count_as_comparing)
{
	struct fact f;

	r = rig_new();
	c = rig_add(r, "", 0, DAY_MS, 1);
	rig_at(r, 0);
	rig_target(r, c, "d0", 0, false, false);
	f = rig_fact(r, FACT_SELECTED, c, 0);
	rig_feed(r, &f);
	rig_turn(r);
	rig_read(r, c, 0, SAYS_NOTHING, 0);
	rig_turn(r);
	ck_assert_uint_eq(rig_invoked(r, c), 1);
	rig_call(r, c, 0, CALL_OFFLINE);
	rig_turn(r);
	rig_at(r, r->wake_ms - T0); /* some 10 s later */
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
}
END_TEST

START_TEST(test_an_offline_device_stays_taken_without_a_slot)
{
	begin("\"rollout\":{\"maxUnavailable\":1}", 2);
	rig_call(r, c, 0, CALL_OFFLINE);
	rig_turn(r);
	expect(1, TARGET_INVOKING, REASON_NONE); /* its slot is free */
	ck_assert(!is_free(0));
}
END_TEST

START_TEST(test_in_a_copy_of_the_record_who_waits_is_compared_before_its_call_in_its_wave)
{
	r = rig_new();
	c = rig_campaign(r, "\"rollout\":{\"waves\":[{\"upToCount\":2},{\"upToPercent\":100}]}", 3);
	r->hubs[0].call_credit = 0;
	rig_turn(r);
	for (uint32_t no = 0; no < 3; no++) {
		struct target_row *row = &r->campaigns[c].targets[no].row;

		row->is_unresolved = true;
		row->attempt_seq = 1;
		row->since_hub_ms = T0 - 60000;
	}
	rig_crash(r);
	r->hubs[0].call_credit = 10;
	rig_turn(r);
	ck_assert_uint_eq(rig_invoked(r, c), 0);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	ck_assert_uint_eq(rig_acts(r, c, 1), ACT_READ);
	ck_assert_uint_eq(rig_acts(r, c, 2), 0);
	rig_read(r, c, 0, SAYS_PROVEN, 0);
	rig_read(r, c, 1, SAYS_NOTHING, 0);
	rig_turn(r);
	expect(0, TARGET_SUCCEEDED, REASON_NONE);
	expect_counts(0, 0, 0, 1);
	expect(1, TARGET_INVOKING, REASON_NONE);
	ck_assert_uint_eq(rig_row(r, c, 1)->attempt_seq,
	                  1); /* a device that has acted under it does not again */
	rig_call(r, c, 1, CALL_ACCEPTED);
	rig_turn(r);
	rig_read(r, c, 1, SAYS_PROVEN, 0);
	rig_turn(r);
	ck_assert_uint_eq(rig_acts(r, c, 2), ACT_READ);
}
END_TEST

START_TEST(test_an_offline_call_that_acted_settles_without_another_and_takes_its_slot)
{
	int64_t ms;

	begin("\"rollout\":{\"maxUnavailable\":1}", 3);
	rig_call(r, c, 0, CALL_OFFLINE);
	rig_turn(r);
	rig_call(r, c, 1, CALL_NO_METHOD);
	ms = rig_row(r, c, 0)->next_at_ms - T0;
	r->hubs[0].call_credit = 0; /* d2 is not called meanwhile */
	rig_at(r, ms);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	rig_read(r, c, 0, SAYS_PROVEN, ms);
	rig_turn(r);
	expect(0, TARGET_SUCCEEDED, REASON_NONE);
	expect_counts(0, 0, 1, 1);
	ck_assert_int_eq(rig_row(r, c, 0)->hold_until_ms, T0 + ms + SETTLE_MS);
	r->hubs[0].call_credit = 10;
	rig_at(r, ms + SETTLE_MS - 1);
	ck_assert_uint_eq(rig_invoked(r, c), 0);
	rig_at(r, ms + SETTLE_MS);
	ck_assert_uint_eq(rig_invoked(r, c), 1);
}
END_TEST

START_TEST(test_an_offline_call_that_is_seen_to_act_is_not_repeated)
{
	int64_t ms;

	begin("\"action\":{\"type\":\"firmwareUpdate\"},\"verify\":{\"timeoutSeconds\":60}", 1);
	rig_call(r, c, 0, CALL_OFFLINE);
	rig_turn(r);
	for (ms = r->wake_ms - T0; ms < CALL_MS + 60000; ms = r->wake_ms - T0) {
		rig_at(r, ms);
		ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
		rig_read(r, c, 0, ms < CALL_MS / 2 ? SAYS_MOVED : SAYS_NOTHING, ms);
		rig_turn(r);
		ck_assert_uint_eq(rig_invoked(r, c), 0);
		expect(0, TARGET_WAITING, REASON_NONE);
	}
	ck_assert_int_eq(ms, CALL_MS + 60000); /* then it has had its time */
	rig_at(r, ms);
	rig_read(r, c, 0, SAYS_MOVED, ms);
	rig_turn(r);
	expect(0, TARGET_FAILED, REASON_NO_PROOF);
}
END_TEST

START_TEST(test_an_offline_device_that_failed_the_action_has_failed)
{
	int64_t ms;

	begin("", 1);
	rig_call(r, c, 0, CALL_OFFLINE);
	rig_turn(r);
	ms = r->wake_ms - T0;
	rig_at(r, ms);
	rig_read(r, c, 0, SAYS_FAILED, ms);
	rig_turn(r);
	expect(0, TARGET_FAILED, REASON_DEVICE_FAILED);
}
END_TEST

/* Lets d0 be offline for good from now on; gives when it was given up, in ms. */
static int64_t stay_offline(void)
{
	for (unsigned turns = 0; turns < 1000 && rig_row(r, c, 0)->state == TARGET_WAITING; turns++) {
		rig_at(r, r->wake_ms - T0);
		if (rig_acts(r, c, 0) & ACT_READ)
			rig_read(r, c, 0, SAYS_NOTHING, r->now_ms - T0);
		rig_turn(r);
		if (rig_acts(r, c, 0) & ACT_INVOKE)
			rig_call(r, c, 0, CALL_OFFLINE);
		rig_turn(r);
	}
	return r->now_ms - T0;
}

START_TEST(test_a_device_offline_for_too_long_expires)
{
	begin("\"offline\":{\"expireAfterSeconds\":1000}", 1);
	r->now_ms = T0 + 30000; /* the hub waited for it */
	rig_call(r, c, 0, CALL_OFFLINE);
	rig_turn(r);
	ck_assert_int_eq(stay_offline(), 1030000);
	expect(0, TARGET_FAILED, REASON_OFFLINE_EXPIRED);
	ck_assert_uint_eq(rig_row(r, c, 0)->attempts, 0);
	ck_assert_int_eq(rig_row(r, c, 0)->hold_until_ms, rig_row(r, c, 0)->called_at_ms + QUIET_MS);
}
END_TEST

START_TEST(test_time_offline_is_on_record_as_of_each_call_that_found_it_so)
{
	begin("", 1);
	rig_call(r, c, 0, CALL_OFFLINE);
	rig_turn(r);
	ck_assert_int_eq(rig_row(r, c, 0)->offline_ms, 0);
	r->now_ms = rig_row(r, c, 0)->next_at_ms;
	rig_turn(r);
	rig_read(r, c, 0, SAYS_NOTHING, r->now_ms - T0);
	rig_turn(r);
	expect(0, TARGET_INVOKING, REASON_NONE);
	r->now_ms += 30000; /* the hub waited for it */
	rig_call(r, c, 0, CALL_OFFLINE);
	rig_turn(r);
	ck_assert_int_eq(rig_row(r, c, 0)->offline_ms, r->now_ms - T0);
}
END_TEST

START_TEST(test_a_device_that_need_not_be_waited_for_expires_after_one_look)
{
	struct target_state_view t;

	begin("\"offline\":{\"wait\":false}", 2);
	rig_call(r, c, 0, CALL_OFFLINE);
	ck_assert(engine_target(r->e, c, 0, &t));
	ck_assert_uint_eq(t.row.wait, WAIT_NONE);
	rig_call(r, c, 1, CALL_OFFLINE);
	rig_turn(r);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	rig_read(r, c, 0, SAYS_NOTHING, 0);
	rig_read(r, c, 1, SAYS_PROVEN, 0);
	rig_turn(r);
	expect(0, TARGET_FAILED, REASON_OFFLINE_EXPIRED);
	expect(1, TARGET_SUCCEEDED, REASON_NONE);
	ck_assert(!is_free(0));
}
END_TEST

START_TEST(test_a_pause_does_not_count_as_offline_and_what_was_before_it_does)
{
	for (int by_rule = 0; by_rule < 2; by_rule++) {
		begin("\"offline\":{\"expireAfterSeconds\":1000},\"abort\":[{\"count\":1,\"do\":\"pause\"}]",
		      2);
		rig_call(r, c, 0, CALL_OFFLINE);
		rig_turn(r);
		r->now_ms = T0 + 2000;
		if (by_rule)
			rig_call(r, c, 1, CALL_REFUSED);
		else
			rig_order(r, FACT_PAUSE, c);
		rig_turn(r);
		ck_assert_uint_eq(r->campaigns[c].row.state, CAMPAIGN_PAUSED);
		r->now_ms = T0 + 5002000;
		rig_order(r, FACT_RESUME, c);
		rig_turn(r);
		ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
		rig_read(r, c, 0, SAYS_NOTHING, 5002000);
		rig_turn(r);
		rig_call(r, c, 0, CALL_OFFLINE);
		rig_turn(r);
		ck_assert_int_eq(stay_offline(), 6000000);
		expect(0, TARGET_FAILED, REASON_OFFLINE_EXPIRED);
		tear_down();
	}
}
END_TEST

START_TEST(test_a_shut_hub_does_not_count_as_offline)
{
	begin("\"offline\":{\"expireAfterSeconds\":1000}", 1);
	rig_call(r, c, 0, CALL_OFFLINE);
	rig_turn(r);
	r->hubs[0].is_open = false;
	rig_at(r, 2000);
	r->hubs[0].is_open = true;
	rig_at(r, 3002000);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	rig_read(r, c, 0, SAYS_NOTHING, 3002000);
	rig_turn(r);
	rig_call(r, c, 0, CALL_OFFLINE);
	rig_turn(r);
	ck_assert_int_eq(stay_offline(), 4000000);
	expect(0, TARGET_FAILED, REASON_OFFLINE_EXPIRED);
}
END_TEST

/* ---- limits ---- */

START_TEST(test_no_more_than_max_unavailable_are_called)
{
	static const struct {
		const char *members;
		uint32_t n, max;
	} cases[] = {
	        {"\"rollout\":{\"maxUnavailable\":3}", 10, 3},
	        {"\"rollout\":{\"maxUnavailable\":\"10%\"}", 39, 3},
	        {"\"rollout\":{\"maxUnavailable\":\"10%\"}", 9, 1},
	        {"", 120, 100},
	};
	struct engine_waiting told;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		r = rig_new();
		c = rig_campaign(r, cases[i].members, cases[i].n);
		rig_at(r, 0);
		ck_assert_uint_eq(rig_invoked(r, c), cases[i].max);
		engine_waiting(r->e, c, r->now_ms, &told);
		ck_assert_str_eq(wait_text(told.wait), "capacity");
		ck_assert_int_eq(told.next_at_ms, TIME_NONE);
		rig_call(r, c, 0, CALL_NO_METHOD);
		rig_turn(r);
		ck_assert_uint_eq(rig_invoked(r, c), 1);
		if (i + 1 < sizeof cases / sizeof *cases)
			rig_free(r);
	}
}
END_TEST

START_TEST(test_targets_that_are_read_first_count_before_their_call)
{
	struct fact f;
	char id[16];
	uint32_t reads = 0;

	r = rig_new();
	c = rig_add(r, "\"rollout\":{\"maxUnavailable\":2}", 0, DAY_MS, 1);
	rig_at(r, 0);
	for (int i = 0; i < 5; i++) {
		snprintf(id, sizeof id, "d%d", i);
		rig_target(r, c, id, 0, false, false);
	}
	f = rig_fact(r, FACT_SELECTED, c, 0);
	rig_feed(r, &f);
	rig_turn(r);
	for (uint32_t no = 0; no < 5; no++)
		reads += rig_acts(r, c, no) == ACT_READ ? 1 : 0;
	ck_assert_uint_eq(reads, 2);
	rig_read(r, c, 1, SAYS_NOTHING, 0);
	rig_turn(r);
	ck_assert_uint_eq(rig_invoked(r, c), 1);
	expect(1, TARGET_INVOKING, REASON_NONE);
}
END_TEST

START_TEST(test_a_rate_spaces_calls_evenly)
{
	begin("\"rollout\":{\"ratePerMinute\":600}", 5);
	for (int64_t i = 0; i < 5; i++) {
		ck_assert_uint_eq(rig_invoked(r, c), 1);
		if (i == 4)
			break;
		expect_wake(100 * (i + 1));
		rig_at(r, 100 * i + 99);
		ck_assert_uint_eq(rig_invoked(r, c), 0);
		rig_at(r, 100 * (i + 1));
	}
	expect_wake(CALL_MS);
}
END_TEST

START_TEST(test_a_rate_does_not_save_up_what_it_did_not_use)
{
	begin("\"rollout\":{\"ratePerMinute\":60}", 5);
	rig_at(r, 10000);
	ck_assert_uint_eq(rig_invoked(r, c), 1);
	expect_wake(11000);
}
END_TEST

START_TEST(test_call_credit_bounds_calls_and_says_when_to_ask_again)
{
	r = rig_new();
	c = rig_campaign(r, "", 5);
	r->hubs[0].call_credit = 2;
	r->hubs[0].credit_at_ms = T0 + 333;
	rig_at(r, 0);
	ck_assert_uint_eq(rig_invoked(r, c), 2);
	expect_wake(333);
	r->hubs[0].call_credit = 0;
	r->hubs[0].credit_at_ms = TIME_NEVER;
	rig_at(r, 400);
	ck_assert_uint_eq(rig_invoked(r, c), 0);
	expect_wake(CALL_MS);
}
END_TEST

START_TEST(test_a_hub_jobs_calls_are_bounded_by_the_jobs_credit_and_have_longer)
{
	int64_t job_ms = 300000 + 30000 + 50000; /* the job, its devices' time-out, margin */

	r = rig_new();
	c = rig_campaign(r, "\"action\":{\"type\":\"reboot\",\"transport\":\"hubJob\"}", 5);
	r->hubs[0].job_credit = 2;
	r->hubs[0].job_credit_at_ms = T0 + 333;
	rig_at(r, 0);
	ck_assert_uint_eq(rig_invoked(r, c), 2);
	expect_wake(333);
	r->hubs[0].job_credit = 0;
	r->hubs[0].job_credit_at_ms = TIME_NEVER;
	rig_at(r, 400);
	ck_assert_uint_eq(rig_invoked(r, c), 0);
	expect_wake(job_ms);
}
END_TEST

START_TEST(test_read_credit_bounds_reads_and_says_when_to_ask_again)
{
	struct fact f;

	r = rig_new();
	c = rig_add(r, "\"rollout\":{\"maxUnavailable\":1}", 0, DAY_MS, 1);
	r->hubs[0].read_credit = 0;
	r->hubs[0].credit_at_ms = T0 + 500;
	rig_at(r, 0);
	rig_target(r, c, "d0", 0, false, false);
	f = rig_fact(r, FACT_SELECTED, c, 0);
	rig_feed(r, &f);
	rig_turn(r);
	ck_assert_uint_eq(rig_acts(r, c, 0), 0);
	expect_wake(500);
	r->hubs[0].read_credit = 1;
	rig_at(r, 500);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
}
END_TEST

/* It was read, then its campaign paused for so long that the read is stale, then no credit was left for
 * another. */
START_TEST(test_a_stale_read_gives_back_its_place)
{
	int64_t ms;

	begin("\"rollout\":{\"maxUnavailable\":1}", 1);
	rig_call(r, c, 0, CALL_OFFLINE);
	rig_turn(r);
	ms = r->wake_ms - T0;
	rig_at(r, ms);
	rig_order(r, FACT_PAUSE, c);
	rig_read(r, c, 0, SAYS_NOTHING, ms);
	rig_turn(r);
	ms += 60000;
	r->now_ms = T0 + ms;
	rig_order(r, FACT_RESUME, c);
	r->hubs[0].read_credit = 0;
	r->hubs[0].credit_at_ms = T0 + ms + 1;
	rig_turn(r);
	ck_assert_uint_eq(rig_acts(r, c, 0), 0);
	expect_wake(ms + 1);
	r->hubs[0].read_credit = 1;
	rig_at(r, ms + 1);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	rig_read(r, c, 0, SAYS_NOTHING, ms + 1);
	rig_turn(r);
	ck_assert_uint_eq(rig_invoked(r, c), 1);
}
END_TEST

START_TEST(test_a_turn_claims_no_more_than_claims_max_and_asks_to_go_on)
{
	r = rig_new();
	r->steps_max = 1024;
	c = rig_campaign(r, "\"rollout\":{\"maxUnavailable\":1000}", 600);
	rig_turn_once(r);
	ck_assert_uint_eq(rig_invoked(r, c), CLAIMS_MAX);
	ck_assert_int_le(r->wake_ms, r->now_ms);
	rig_turn_once(r);
	ck_assert_uint_eq(rig_invoked(r, c), CLAIMS_MAX);
	rig_turn_once(r);
	ck_assert_uint_eq(rig_invoked(r, c), 600 - 2 * CLAIMS_MAX);
	expect_wake(CALL_MS);
}
END_TEST

/* ---- several campaigns ---- */

START_TEST(test_a_device_taken_by_another_campaign_is_waited_for)
{
	uint32_t other;

	begin("", 1);
	other = rig_campaign(r, "", 1);
	rig_turn(r);
	ck_assert_uint_eq(rig_invoked(r, 0), 0);
	ck_assert_uint_eq(rig_row(r, other, 0)->wait, WAIT_DEVICE);
	ck_assert_int_eq(rig_row(r, other, 0)->next_at_ms, TIME_NONE);
	rig_call(r, c, 0, CALL_REFUSED);
	rig_turn(r);
	expect(0, TARGET_FAILED, REASON_REFUSED);
	ck_assert_uint_eq(rig_invoked(r, other), 1);
	ck_assert_uint_eq(rig_row(r, other, 0)->wait, WAIT_NONE);
}
END_TEST

START_TEST(test_a_device_that_settles_elsewhere_is_waited_for_until_then)
{
	uint32_t other;

	begin("", 1);
	rig_call(r, c, 0, CALL_ACCEPTED);
	rig_query(r, c, 0, SAYS_PROVEN);
	rig_turn(r);
	expect_campaign(CAMPAIGN_COMPLETED, "");
	engine_campaign_drop(r->e, c); /* its hold stays */
	other = rig_campaign(r, "", 1);
	rig_turn(r);
	ck_assert_uint_eq(rig_row(r, other, 0)->wait, WAIT_DEVICE);
	ck_assert_int_eq(rig_row(r, other, 0)->next_at_ms, T0 + SETTLE_MS);
	expect_wake(SETTLE_MS);
	rig_at(r, SETTLE_MS);
	ck_assert_uint_eq(rig_invoked(r, other), 1);
}
END_TEST

/* After a clock was set back, both of two campaigns seem to keep a device that only the later one does. */
START_TEST(test_of_holds_of_one_device_on_record_the_one_that_ends_last_counts)
{
	uint32_t other;

	begin("", 1);
	rig_call(r, c, 0, CALL_ACCEPTED);
	rig_query(r, c, 0, SAYS_PROVEN);
	rig_turn(r);
	other = rig_campaign(r, "", 1);
	rig_at(r, SETTLE_MS);
	rig_call(r, other, 0, CALL_ACCEPTED);
	rig_query(r, other, 0, SAYS_PROVEN);
	rig_turn(r);
	r->now_ms = T0; /* both are still to come */
	rig_crash(r);
	rig_turn(r);
	other = rig_campaign(r, "", 1);
	rig_turn(r);
	ck_assert_uint_eq(rig_row(r, other, 0)->wait, WAIT_DEVICE);
	ck_assert_int_eq(rig_row(r, other, 0)->next_at_ms, T0 + 2 * SETTLE_MS);
}
END_TEST

START_TEST(test_after_a_crash_a_device_that_is_free_by_then_is_not_waited_for)
{
	uint32_t other;

	begin("", 1);
	rig_call(r, c, 0, CALL_ACCEPTED);
	rig_query(r, c, 0, SAYS_PROVEN);
	rig_turn(r);
	other = rig_campaign(r, "\"rollout\":{\"maxUnavailable\":1}", 2);
	rig_turn(r);
	ck_assert_uint_eq(rig_row(r, other, 0)->wait, WAIT_DEVICE);
	ck_assert_uint_eq(rig_row(r, other, 1)->state, TARGET_INVOKING);
	r->now_ms = T0 + SETTLE_MS;
	rig_crash(r);
	rig_turn(r);
	ck_assert_uint_eq(rig_row(r, other, 1)->state, TARGET_DOUBTFUL); /* there is no room for another */
	ck_assert_uint_eq(rig_row(r, other, 0)->wait, WAIT_NONE);
	ck_assert_int_eq(rig_row(r, other, 0)->next_at_ms, TIME_NONE);
}
END_TEST

START_TEST(test_the_same_id_on_two_hubs_is_two_devices)
{
	struct fact f;

	r = rig_new();
	c = rig_add(r, "", 0, DAY_MS, 2);
	rig_at(r, 0);
	rig_target(r, c, "d0", 0, true, true);
	rig_target(r, c, "d0", 1, true, true);
	f = rig_fact(r, FACT_SELECTED, c, 0);
	rig_feed(r, &f);
	r->hubs[0].is_open = false; /* and a shut hub does not stop the other */
	rig_turn(r);
	expect(0, TARGET_WAITING, REASON_NONE);
	expect(1, TARGET_INVOKING, REASON_NONE);
	r->hubs[0].is_open = true;
	rig_turn(r);
	expect(0, TARGET_INVOKING, REASON_NONE);
}
END_TEST

START_TEST(test_campaigns_share_credit_fairly)
{
	uint32_t n[3] = {0, 0, 0};

	r = rig_new();
	r->hubs[0].call_credit = 0;
	for (uint32_t i = 1; i <= 2; i++) {
		struct fact f;

		ck_assert_uint_eq(rig_add(r, "", 0, DAY_MS, 1), i);
		rig_turn_once(r);
		for (uint32_t k = 0; k < 60; k++) {
			char id[16];

			snprintf(id, sizeof id, "c%u-%u", i, k);
			rig_target(r, i, id, 0, true, true);
		}
		f = rig_fact(r, FACT_SELECTED, i, 0);
		rig_feed(r, &f);
		c = i;
	}
	r->hubs[0].call_credit = 1;
	for (int turn = 0; turn < 20; turn++) {
		rig_at(r, turn);
		n[1] += rig_invoked(r, 1);
		n[2] += rig_invoked(r, 2);
	}
	ck_assert_uint_eq(n[1], 10);
	ck_assert_uint_eq(n[2], 10);
	r->hubs[0].call_credit = 20;
	rig_at(r, 20);
	ck_assert_uint_eq(rig_invoked(r, 1), 10);
	ck_assert_uint_eq(rig_invoked(r, 2), 10);
}
END_TEST

/* ---- orders and the end ---- */

START_TEST(test_pause_stops_calls_and_retries_and_resume_goes_on)
{
	begin(RETRY ",\"rollout\":{\"maxUnavailable\":1}", 2);
	ck_assert_int_eq(rig_order(r, FACT_PAUSE, c), ERR_OK);
	ck_assert_int_eq(rig_order(r, FACT_PAUSE, c), ERR_OK);
	rig_call(r, c, 0, CALL_REFUSED);
	ck_assert(!engine_may_call(r->e, c));
	rig_at(r, 1000);
	expect_campaign(CAMPAIGN_PAUSED, "paused by eva");
	ck_assert_uint_eq(rig_invoked(r, c), 0);
	rig_at(r, 60000);
	ck_assert_uint_eq(rig_invoked(r, c), 0);
	ck_assert_int_eq(rig_order(r, FACT_RESUME, c), ERR_OK);
	ck_assert_int_eq(rig_order(r, FACT_RESUME, c), ERR_OK);
	rig_at(r, 70000);
	expect_campaign(CAMPAIGN_RUNNING, "resumed by eva");
	ck_assert(engine_may_call(r->e, c));
	ck_assert_uint_eq(rig_invoked(r, c), 1);
}
END_TEST

START_TEST(test_a_pause_over_every_phase_ends_in_the_phase_reached_meanwhile)
{
	struct fact f;

	r = rig_new();
	c = rig_add(r, "", 1000, DAY_MS, 1);
	ck_assert_int_eq(rig_order(r, FACT_PAUSE, c), ERR_OK);
	rig_at(r, 0);
	expect_campaign(CAMPAIGN_PAUSED, "paused by eva");
	ck_assert_int_eq(r->campaigns[c].row.phase, CAMPAIGN_SCHEDULED);
	rig_at(r, 1000);
	ck_assert_uint_eq(r->selects, 1);
	expect_campaign(CAMPAIGN_PAUSED, "paused by eva");
	ck_assert_int_eq(r->campaigns[c].row.phase, CAMPAIGN_SELECTING);
	rig_target(r, c, "d0", 0, true, true);
	f = rig_fact(r, FACT_SELECTED, c, 0);
	rig_feed(r, &f);
	rig_turn(r);
	expect_campaign(CAMPAIGN_PAUSED, "paused by eva");
	ck_assert_uint_eq(rig_invoked(r, c), 0);
	rig_order(r, FACT_RESUME, c);
	rig_turn(r);
	expect_campaign(CAMPAIGN_RUNNING, "resumed by eva");
	ck_assert_uint_eq(rig_invoked(r, c), 1);
}
END_TEST

START_TEST(test_what_is_out_settles_during_a_pause)
{
	begin("", 2);
	rig_call(r, c, 0, CALL_ACCEPTED);
	rig_call(r, c, 1, CALL_AMBIGUOUS);
	rig_order(r, FACT_PAUSE, c);
	rig_turn(r);
	rig_query(r, c, 0, SAYS_PROVEN);
	rig_turn(r);
	expect(0, TARGET_SUCCEEDED, REASON_NONE);
	rig_at(r, QUIET_MS);
	ck_assert_uint_eq(rig_acts(r, c, 1), ACT_READ);
	rig_read(r, c, 1, SAYS_PROVEN, QUIET_MS);
	rig_turn(r);
	expect_campaign(CAMPAIGN_COMPLETED, "");
}
END_TEST

START_TEST(test_cancel_before_there_are_targets_is_final_at_once)
{
	for (int64_t start_ms = 0; start_ms <= 1000; start_ms += 1000) { /* selecting, scheduled */
		r = rig_new();
		c = rig_add(r, "", start_ms, DAY_MS, 1);
		rig_at(r, 0);
		ck_assert_int_eq(rig_order(r, FACT_CANCEL, c), ERR_OK);
		ck_assert_int_eq(rig_order(r, FACT_CANCEL, c), ERR_OK);
		rig_at(r, 10);
		expect_campaign(CAMPAIGN_CANCELLED, "cancelled by eva");
		ck_assert_int_eq(rig_order(r, FACT_CANCEL, c), ERR_OK);
		ck_assert_int_eq(rig_order(r, FACT_RESUME, c), ERR_CONFLICT);
		if (start_ms == 0)
			rig_free(r);
	}
}
END_TEST

START_TEST(test_a_campaign_found_empty_can_be_cancelled_before_it_completes)
{
	r = rig_new();
	c = rig_campaign(r, "", 0);
	ck_assert_int_eq(rig_order(r, FACT_CANCEL, c), ERR_OK);
	rig_at(r, 10);
	expect_campaign(CAMPAIGN_CANCELLED, "cancelled by eva");
	ck_assert_int_eq(r->campaigns[c].row.finished_at_ms, T0 + 10);
}
END_TEST

START_TEST(test_cancel_closes_what_waits_in_bounded_turns_and_completes_when_the_rest_settles)
{
	unsigned turns = 0;

	begin("\"rollout\":{\"maxUnavailable\":3}", 500);
	rig_call(r, c, 0, CALL_ACCEPTED);
	rig_call(r, c, 1, CALL_AMBIGUOUS);
	rig_turn(r);
	ck_assert_int_eq(rig_order(r, FACT_PAUSE, c), ERR_OK);
	ck_assert_int_eq(rig_order(r, FACT_CANCEL, c), ERR_OK);
	ck_assert_int_eq(rig_order(r, FACT_CANCEL, c), ERR_OK);
	ck_assert_int_eq(rig_order(r, FACT_PAUSE, c), ERR_CONFLICT);
	ck_assert_int_eq(rig_order(r, FACT_RESUME, c), ERR_CONFLICT);
	r->now_ms = T0 + 500;
	do {
		rig_turn_once(r);
		ck_assert_uint_le(r->steps_n, r->steps_max);
		turns++;
	} while (r->wake_ms <= r->now_ms);
	ck_assert_uint_eq(turns, 8); /* 2 orders and 497 rows, 64 a turn */
	expect_campaign(CAMPAIGN_CANCELLING, "cancelled by eva");
	expect(499, TARGET_CANCELLED, REASON_NONE);
	rig_call(r, c, 2, CALL_NOT_DELIVERED); /* back to waiting means cancelled */
	rig_turn(r);
	expect(2, TARGET_CANCELLED, REASON_NONE);
	rig_query(r, c, 0, SAYS_PROVEN);
	rig_query(r, c, 1, SAYS_FAILED);
	rig_turn(r);
	expect_campaign(CAMPAIGN_CANCELLED, "cancelled by eva");
	ck_assert_int_eq(r->campaigns[c].row.finished_at_ms, T0 + 500);
}
END_TEST

START_TEST(test_what_is_out_when_cancelled_settles_under_its_own_reason)
{
	begin(RETRY, 5);
	rig_call(r, c, 1, CALL_ACCEPTED);
	rig_call(r, c, 2, CALL_AMBIGUOUS);
	rig_order(r, FACT_CANCEL, c);
	rig_call(r, c, 0, CALL_REFUSED);
	rig_call(r, c, 3, CALL_OFFLINE);
	rig_call(r, c, 4, CALL_BUSY);
	rig_turn(r);
	expect(0, TARGET_FAILED, REASON_REFUSED);
	expect(3, TARGET_CANCELLED, REASON_NONE);
	expect(4, TARGET_CANCELLED, REASON_NONE);
	ck_assert_int_eq(rig_row(r, c, 3)->hold_until_ms, T0 + QUIET_MS); /* it may have acted */
	rig_at(r, 900000);
	rig_read(r, c, 1, SAYS_NOTHING, 900000);
	rig_turn(r);
	expect(1, TARGET_FAILED, REASON_NO_PROOF);
	rig_at(r, QUIET_MS);
	rig_read(r, c, 2, SAYS_NOTHING, QUIET_MS);
	rig_turn(r);
	expect(2, TARGET_CANCELLED, REASON_NONE); /* shown not to have acted: it waited again */
	expect_campaign(CAMPAIGN_CANCELLED, "cancelled by eva");
}
END_TEST

START_TEST(test_the_end_skips_what_waits_also_during_a_pause)
{
	for (int is_paused = 0; is_paused <= 1; is_paused++) {
		begin("\"rollout\":{\"maxUnavailable\":1}", 100);
		if (is_paused)
			rig_order(r, FACT_PAUSE, c);
		r->now_ms = T0 + DAY_MS - 1000;
		rig_call(r, c, 0, CALL_ACCEPTED);
		rig_turn(r);
		expect_wake(DAY_MS);
		rig_at(r, DAY_MS - 1);
		expect(1, TARGET_WAITING, REASON_NONE);
		rig_at(r, DAY_MS);
		for (uint32_t no = 1; no < 100; no++)
			expect(no, TARGET_SKIPPED, REASON_CAMPAIGN_ENDED);
		expect_campaign(is_paused ? CAMPAIGN_PAUSED : CAMPAIGN_RUNNING,
		                is_paused ? "paused by eva" : "");
		ck_assert(!engine_may_call(r->e, c));
		rig_query(r, c, 0, SAYS_PROVEN);
		rig_turn(r);
		expect_campaign(CAMPAIGN_COMPLETED, "");
		if (is_paused == 0)
			rig_free(r);
	}
}
END_TEST

START_TEST(test_a_campaign_that_ends_before_it_runs_skips_all)
{
	struct fact f;

	r = rig_new();
	c = rig_add(r, "", 0, 1000, 1);
	rig_at(r, 0);
	rig_at(r, 2000);
	rig_target(r, c, "d0", 0, true, true);
	f = rig_fact(r, FACT_SELECTED, c, 0);
	rig_feed(r, &f);
	rig_turn(r);
	expect(0, TARGET_SKIPPED, REASON_CAMPAIGN_ENDED);
	expect_campaign(CAMPAIGN_COMPLETED, "");
}
END_TEST

START_TEST(test_a_read_that_comes_after_the_cancel_is_late)
{
	struct fact f;

	r = rig_new();
	c = rig_add(r, "", 0, DAY_MS, 1);
	rig_at(r, 0);
	rig_target(r, c, "d0", 0, false, false);
	f = rig_fact(r, FACT_SELECTED, c, 0);
	rig_feed(r, &f);
	rig_turn(r);
	rig_order(r, FACT_CANCEL, c);
	rig_turn(r);
	ck_assert_int_eq(rig_read(r, c, 0, SAYS_NOTHING, 0), ERR_CLOSED);
	expect_campaign(CAMPAIGN_CANCELLED, "cancelled by eva");
}
END_TEST

/* ---- why they wait (P12) ---- */

static void expect_waiting(enum wait wait, int64_t next_ms, bool is_all)
{
	struct engine_waiting told;

	engine_waiting(r->e, c, r->now_ms, &told);
	ck_assert_str_eq(wait_text(told.wait), wait_text(wait));
	ck_assert_int_eq(told.next_at_ms, next_ms == TIME_NONE ? TIME_NONE : T0 + next_ms);
	ck_assert(told.is_all == is_all);
}

START_TEST(test_a_waiting_campaign_says_why)
{
	struct fact f;
	char id[16];

	r = rig_new();
	c = rig_add(r, "\"rollout\":{\"ratePerMinute\":60,\"maxUnavailable\":2}", 1000, DAY_MS, 1);
	rig_at(r, 0);
	expect_waiting(WAIT_START, 1000, true);
	rig_order(r, FACT_PAUSE, c);
	expect_waiting(WAIT_PAUSED, TIME_NONE, true);
	rig_order(r, FACT_RESUME, c);
	rig_at(r, 1000);
	expect_waiting(WAIT_SELECTION, TIME_NONE, true);
	for (int i = 0; i < 4; i++) {
		snprintf(id, sizeof id, "d%d", i);
		rig_target(r, c, id, 0, true, true);
	}
	f = rig_fact(r, FACT_SELECTED, c, 0);
	rig_feed(r, &f);
	rig_turn(r);
	expect_waiting(WAIT_RATE, 2000, false);
	r->hubs[0].is_open = false;
	r->hubs[0].opens_at_ms = T0 + 5000;
	rig_at(r, 1500);
	expect_waiting(WAIT_HUB, 5000, true);
	r->hubs[0].is_open = true;
	r->hubs[0].call_credit = 0;
	r->hubs[0].credit_at_ms = T0 + 9000;
	rig_at(r, 5000);
	expect_waiting(WAIT_RATE, 9000, false);
	r->hubs[0].call_credit = 5;
	rig_at(r, 9000);
	expect_waiting(WAIT_CAPACITY, TIME_NONE, false);
	rig_order(r, FACT_CANCEL, c);
	rig_call(r, c, 0, CALL_NO_METHOD);
	rig_call(r, c, 1, CALL_NO_METHOD);
	rig_turn(r);
	expect_campaign(CAMPAIGN_CANCELLED, "cancelled by eva");
	expect_waiting(WAIT_NONE, TIME_NONE, true);
}
END_TEST

START_TEST(test_a_target_is_shown_as_it_is_now)
{
	struct target_state_view v;

	begin("\"rollout\":{\"maxUnavailable\":1}", 2);
	ck_assert(engine_target(r->e, c, 0, &v));
	ck_assert_str_eq(v.device_id, "d0");
	ck_assert_uint_eq(v.row.state, TARGET_INVOKING);
	ck_assert_uint_eq(v.baseline.source, SOURCE_QUERY);
	rig_call(r, c, 0, CALL_ACCEPTED);
	ck_assert(engine_target(r->e, c, 0, &v));
	ck_assert_uint_eq(v.row.state, TARGET_AWAITING_PROOF); /* not handed out yet */
	rig_turn(r);
	rig_query(r, c, 0, SAYS_FAILED);
	ck_assert(engine_target(r->e, c, 0, &v));
	ck_assert_uint_eq(v.row.state, TARGET_FAILED);
	ck_assert_int_eq(v.row.called_at_ms,
	                 T0); /* all of it, until it is handed out: then no more is kept */
	r->hubs[0].is_open = false;
	rig_turn(r);
	ck_assert(engine_target(r->e, c, 0, &v));
	ck_assert_uint_eq(v.row.reason, REASON_DEVICE_FAILED);
	ck_assert_int_eq(v.row.called_at_ms, TIME_NONE);
	ck_assert(engine_target(r->e, c, 1, &v));
	ck_assert_uint_eq(v.row.state, TARGET_WAITING);
	ck_assert_int_eq(v.row.next_at_ms, TIME_NONE);
	ck_assert_int_eq(v.row.hold_until_ms, TIME_NONE);
	ck_assert_int_eq(v.row.called_at_ms, TIME_NONE);
	ck_assert(!engine_target(r->e, c, 2, &v));
	ck_assert(!engine_target(r->e, c + 1, 0, &v));
	ck_assert_str_eq(engine_campaign_id(r->e, c), "campaign1");
	ck_assert_ptr_null(engine_campaign_id(r->e, c + 1));
	ck_assert_ptr_null(engine_spec(r->e, c + 1));
}
END_TEST

/* ---- a crash ---- */

START_TEST(test_a_call_cut_short_by_a_crash_is_in_doubt_and_never_blindly_repeated)
{
	begin("", 1);
	r->now_ms = T0 + 40000;
	rig_crash(r);
	rig_turn(r);
	expect(0, TARGET_DOUBTFUL, REASON_NONE);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_WATCH);
	expect_counts(0, 1, 1, 1);
	expect_wake(QUIET_MS); /* counted from the intent */
	rig_at(r, QUIET_MS);
	rig_read(r, c, 0, SAYS_NOTHING, QUIET_MS);
	rig_turn(r);
	expect_counts(0, 1, 2, 1);
}
END_TEST

START_TEST(test_after_a_crash_who_waits_for_its_turn_is_not_written_again_and_has_it)
{
	begin("\"offline\":{\"wait\":false}", 1);
	rig_call(r, c, 0, CALL_NOT_DELIVERED);
	r->hubs[0].is_open = false;
	rig_turn(r);
	expect(0, TARGET_WAITING, REASON_NONE);
	rig_crash(r);
	rig_turn(r);
	ck_assert_uint_eq(r->steps_n, 0);
	r->hubs[0].is_open = true;
	rig_turn(r);
	expect(0, TARGET_INVOKING, REASON_NONE);
}
END_TEST

START_TEST(test_a_call_cut_short_by_a_crash_is_unknown_where_nothing_verifies)
{
	begin(BY_NONE, 1);
	rig_crash(r);
	rig_turn(r);
	expect(0, TARGET_FAILED, REASON_UNKNOWN);
	ck_assert(!is_free(0));
}
END_TEST

START_TEST(test_after_days_out_of_service_the_twin_is_asked_before_a_verdict)
{
	begin("", 2);
	rig_call(r, c, 1, CALL_ACCEPTED);
	rig_turn(r);
	r->now_ms = T0 + 3 * DAY_MS;
	rig_crash(r);
	rig_turn(r);
	for (uint32_t no = 0; no < 2; no++) {
		ck_assert_uint_eq(rig_acts(r, c, no), ACT_WATCH | ACT_READ);
		rig_read(r, c, no, SAYS_PROVEN, 3 * DAY_MS);
	}
	rig_turn(r);
	expect(0, TARGET_SUCCEEDED, REASON_NONE);
	expect(1, TARGET_SUCCEEDED, REASON_NONE);
}
END_TEST

START_TEST(test_after_days_out_of_service_an_unreadable_hub_means_unknown)
{
	begin("", 1);
	r->now_ms = T0 + 3 * DAY_MS;
	rig_crash(r);
	rig_turn(r);
	rig_read_failed(r, c, 0);
	rig_turn(r);
	rig_at(r, 3 * DAY_MS + 5000);
	expect(0, TARGET_FAILED, REASON_UNKNOWN);
}
END_TEST

START_TEST(test_a_hold_that_is_over_does_not_hide_a_call_that_is_out)
{
	uint32_t other, third;

	begin("\"rollout\":{\"maxUnavailable\":1}", 2); /* stays live: d1 */
	rig_call(r, c, 0, CALL_ACCEPTED);
	rig_query(r, c, 0, SAYS_PROVEN);
	rig_at(r, 0);
	rig_at(r, SETTLE_MS);
	other = rig_campaign(r, "", 1); /* d0 once more */
	rig_turn(r);
	ck_assert_uint_eq(rig_invoked(r, other), 1);
	rig_crash(r);
	rig_turn(r);
	ck_assert_uint_eq(rig_row(r, other, 0)->state, TARGET_DOUBTFUL);
	third = rig_campaign(r, "", 1);
	rig_turn(r); /* the rig checks that it is not called */
	ck_assert_uint_eq(rig_row(r, third, 0)->wait, WAIT_DEVICE);
}
END_TEST

START_TEST(test_a_final_target_holds_nothing_for_ever_after_a_crash)
{
	int64_t ms;

	begin("\"offline\":{\"expireAfterSeconds\":2000},\"rollout\":{\"maxUnavailable\":1}", 2);
	rig_call(r, c, 0, CALL_OFFLINE);
	rig_turn(r);
	rig_call(r, c, 1, CALL_ACCEPTED); /* keeps the campaign live, and the slot */
	rig_turn(r);
	rig_at(r, 890000);
	rig_order(r, FACT_PAUSE, c);
	rig_turn(r);
	ms = 2 * QUIET_MS;
	r->now_ms = T0 + ms;
	rig_order(r, FACT_CANCEL, c);
	rig_turn(r);
	expect(0, TARGET_CANCELLED, REASON_NONE);
	ck_assert(rig_row(r, c, 0)->is_unresolved);
	expect_campaign(CAMPAIGN_CANCELLING, "cancelled by eva");
	rig_crash(r);
	rig_turn(r);
	ck_assert(is_free(0));
}
END_TEST

START_TEST(test_time_spent_offline_survives_a_crash)
{
	begin("\"offline\":{\"expireAfterSeconds\":1000}", 1);
	for (int i = 0; i < 5; i++) {
		rig_call(r, c, 0, CALL_OFFLINE);
		rig_turn(r);
		rig_at(r, r->wake_ms - T0);
		rig_crash(r);
		rig_turn(r);
		rig_read(r, c, 0, SAYS_NOTHING, r->now_ms - T0);
		rig_turn(r);
		ck_assert_uint_eq(rig_invoked(r, c), 1);
	}
	ck_assert_int_gt(r->now_ms, T0 + 200000);
	rig_call(r, c, 0, CALL_OFFLINE);
	rig_turn(r);
	ck_assert_int_eq(stay_offline(), 1000000);
	expect(0, TARGET_FAILED, REASON_OFFLINE_EXPIRED);
}
END_TEST

/* What happens in a life, step by step; each is taken as soon as the engine is ready for it. */
enum op { OP_END, OP_CALL, OP_READ, OP_QUERY, OP_WAKE, OP_PAUSE, OP_RESUME, OP_CANCEL, OP_PASS };
struct life {
	enum op op;
	int what;
};

/* Lives through all of life, with a crash after crash_at things (none: SIZE_MAX). Appends the row and
 * the campaign at the end to out. */
static void live(const char *members, const struct life *life, size_t crash_at, struct buf *out)
{
	const struct target_row *row;

	begin(members, 1);
	for (size_t i = 0; life[i].op != OP_END; i++) {
		r->now_ms += 1000;
		switch (life[i].op) {
		case OP_END:
			break;
		case OP_CALL:
			ck_assert_int_eq(rig_call(r, c, 0, (enum call_result)life[i].what), ERR_OK);
			break;
		case OP_READ:
			ck_assert_int_eq(rig_read(r, c, 0, (enum reading_says)life[i].what, r->now_ms - T0),
			                 ERR_OK);
			break;
		case OP_QUERY:
			ck_assert_int_eq(rig_query(r, c, 0, (enum reading_says)life[i].what), ERR_OK);
			break;
		case OP_PAUSE:
			ck_assert_int_eq(rig_order(r, FACT_PAUSE, c), ERR_OK);
			break;
		case OP_RESUME:
			ck_assert_int_eq(rig_order(r, FACT_RESUME, c), ERR_OK);
			break;
		case OP_CANCEL:
			ck_assert_int_eq(rig_order(r, FACT_CANCEL, c), ERR_OK);
			break;
		case OP_WAKE:
			r->now_ms = r->wake_ms;
			break;
		case OP_PASS:
			r->now_ms += life[i].what;
			break;
		}
		rig_turn(r);
		if (i == crash_at && rig_row(r, c, 0)->state != TARGET_INVOKING) {
			rig_crash(r);
			rig_turn(r);
		}
	}
	row = rig_row(r, c, 0);
	buf_printf(
	        out,
	        "%s %s wait %u attempts %u calls %u seq %u redoubts %u tries %u unresolved %d at %lld next %lld "
	        "called %lld since %lld hold %lld; %s %s %lld\n",
	        target_state_text(row->state), reason_text(row->reason), row->wait, row->attempts, row->calls,
	        row->attempt_seq, row->redoubts, row->offline_tries, row->is_unresolved,
	        (long long)(row->changed_at_ms - T0), (long long)row->next_at_ms,
	        (long long)(row->called_at_ms - T0), (long long)row->since_hub_ms,
	        (long long)row->hold_until_ms, campaign_state_text(r->campaigns[c].row.state),
	        r->campaigns[c].reason, (long long)r->campaigns[c].row.finished_at_ms);
	tear_down();
}

START_TEST(test_after_a_crash_every_life_goes_on_as_without)
{
	static const struct {
		const char *members;
		struct life life[16];
	} lives[] = {
	        {"", {{OP_CALL, CALL_ACCEPTED}, {OP_WAKE, 0}, {OP_READ, SAYS_PROVEN}, {OP_WAKE, 0}}},
	        {RETRY,
	         {{OP_CALL, CALL_REFUSED},
	          {OP_WAKE, 0},
	          {OP_CALL, CALL_ACCEPTED},
	          {OP_WAKE, 0},
	          {OP_READ, SAYS_NOTHING},
	          {OP_WAKE, 0},
	          {OP_CALL, CALL_AMBIGUOUS},
	          {OP_QUERY, SAYS_MOVED},
	          {OP_WAKE, 0},
	          {OP_READ, SAYS_NOTHING}}},
	        {"",
	         {{OP_CALL, CALL_AMBIGUOUS},
	          {OP_WAKE, 0},
	          {OP_READ, SAYS_NOTHING},
	          {OP_CALL, CALL_BUSY},
	          {OP_WAKE, 0},
	          {OP_CALL, CALL_AMBIGUOUS},
	          {OP_QUERY, SAYS_FAILED}}},
	        {"",
	         {{OP_CALL, CALL_OFFLINE},
	          {OP_WAKE, 0},
	          {OP_READ, SAYS_NOTHING},
	          {OP_CALL, CALL_OFFLINE},
	          {OP_WAKE, 0},
	          {OP_READ, SAYS_PROVEN},
	          {OP_WAKE, 0}}},
	        {"\"offline\":{\"wait\":false}",
	         {{OP_CALL, CALL_OFFLINE}, {OP_READ, SAYS_NOTHING}, {OP_PASS, 5000}}},
	        {"\"offline\":{\"expireAfterSeconds\":3}",
	         {{OP_CALL, CALL_OFFLINE}, {OP_WAKE, 0}, {OP_READ, SAYS_NOTHING}, {OP_PASS, 5000}}},
	        {RETRY,
	         {{OP_CALL, CALL_REFUSED},
	          {OP_PAUSE, 0},
	          {OP_WAKE, 0},
	          {OP_RESUME, 0},
	          {OP_CALL, CALL_REFUSED},
	          {OP_CANCEL, 0},
	          {OP_PASS, 5000}}},
	        {"", {{OP_CALL, CALL_AMBIGUOUS}, {OP_CANCEL, 0}, {OP_WAKE, 0}, {OP_READ, SAYS_NOTHING}}},
	        {BY_NONE, {{OP_CALL, CALL_AMBIGUOUS}, {OP_WAKE, 0}}},
	};

	for (size_t i = 0; i < sizeof lives / sizeof *lives; i++) {
		struct buf without = BUF_INIT;

		live(lives[i].members, lives[i].life, SIZE_MAX, &without);
		for (size_t at = 0; lives[i].life[at + 1].op != OP_END; at++) {
			struct buf with = BUF_INIT;

			live(lives[i].members, lives[i].life, at, &with);
			ck_assert_msg(strcmp(with.data, without.data) == 0,
			              "life %zu, crash after %zu:\n%s%s", i, at, without.data, with.data);
			buf_done(&with);
		}
		buf_done(&without);
	}
}
END_TEST

/* ---- luck ---- */

static const struct chaos_members lucky[] = {
        {"", "\"rollout\":{\"maxUnavailable\":2}"},
        {RETRY, "\"rollout\":{\"ratePerMinute\":20}," RETRY},
        {BY_NONE, NULL},
        {BY_WHERE, NULL},
        {RETRY ",\"offline\":{\"expireAfterSeconds\":600}", NULL},
        {"\"rollout\":{\"maxUnavailable\":1}", ""},
        {"\"rollout\":{\"maxUnavailable\":\"30%\",\"ratePerMinute\":20}", ""},
        {"\"offline\":{\"wait\":false},\"retry\":{\"doubtful\":\"never\"}", NULL},
        {"\"verify\":{\"timeoutSeconds\":60},\"rollout\":{\"maxUnavailable\":2}", NULL},
};

START_TEST(test_promises_hold_whatever_happens)
{
	chaos_runs(2000, lucky, sizeof lucky / sizeof *lucky);
}
END_TEST

START_TEST(test_the_same_facts_give_the_same_steps)
{
	chaos_repeats(20, lucky, sizeof lucky / sizeof *lucky);
}
END_TEST

#define CASE(name, ...) add(s, name, (const TTest *const[]){__VA_ARGS__, NULL})

static void add(Suite *s, const char *name, const TTest *const *tests)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, NULL, tear_down);
	for (; *tests != NULL; tests++)
		tcase_add_test(tc, *tests);
	suite_add_tcase(s, tc);
}

int main(void)
{
	Suite *s = suite_create("campaign-engine");

	CASE("a campaign's beginning", test_a_campaign_starts_selects_and_runs_at_its_times,
	     test_a_campaign_starts_and_ends_by_the_clock_on_the_wall,
	     test_a_campaign_that_matches_nothing_completes_at_once,
	     test_a_selection_that_fails_fails_the_campaign,
	     test_an_excluded_target_is_counted_and_never_called);
	CASE("what a call comes to", test_a_target_is_called_proven_and_settles,
	     test_steps_are_handed_out_in_the_order_in_which_they_came_about,
	     test_the_intents_hub_time_is_rounded_down_less_a_second,
	     test_a_refused_target_fails_unless_its_policy_retries_it,
	     test_refusals_are_retried_with_new_attempt_ids_and_growing_delays,
	     test_an_unknown_method_and_an_unsound_request_are_final,
	     test_what_surely_did_not_arrive_waits_and_is_no_attempt,
	     test_a_busy_device_is_called_again_after_the_back_off, test_a_withdrawn_call_was_none,
	     test_a_call_withdrawn_after_its_time_was_none_either,
	     test_a_device_that_is_gone_is_looked_for_before_it_is_judged,
	     test_a_device_gone_after_an_offline_call_backs_off_once_and_is_called,
	     test_an_accepted_call_is_proof_enough_where_verify_is_none,
	     test_a_lost_answer_without_verify_is_unknown_and_holds_the_device,
	     test_a_call_without_outcome_is_in_doubt_after_its_time,
	     test_every_outcome_may_come_late_and_end_a_doubt, test_late_facts_are_closed_and_change_nothing);
	CASE("evidence", test_a_missing_baseline_is_read_before_the_first_call,
	     test_what_nobody_asked_for_changes_nothing_before_a_call,
	     test_nothing_is_read_before_a_call_that_nothing_verifies,
	     test_a_failed_read_before_a_call_is_asked_again_later,
	     test_a_predicate_that_holds_already_is_already_done,
	     test_proof_in_the_done_path_needs_no_settling,
	     test_a_settling_device_keeps_slot_and_device_exactly_so_long,
	     test_a_device_that_says_it_failed_has_failed,
	     test_no_proof_needs_a_point_read_after_the_deadline,
	     test_what_had_no_proof_is_tried_again_as_a_new_attempt,
	     test_a_hub_that_cannot_be_read_puts_off_the_verdict_by_a_day_at_most,
	     test_a_read_that_is_never_answered_ends_after_a_day,
	     test_a_failed_read_does_not_shorten_a_new_deadline,
	     test_what_was_seen_to_move_has_acted_and_is_no_absence,
	     test_a_doubt_that_ends_early_keeps_the_device_as_long_as_the_hub_may_be_busy,
	     test_doubt_ends_by_proof_at_any_time,
	     test_absence_needs_a_point_read_asked_for_after_the_quiet_time,
	     test_ten_doubts_may_end_by_absence_and_no_more,
	     test_absence_cannot_be_told_where_the_baseline_held_no_value,
	     test_doubtful_never_does_not_call_again, test_a_doubtful_device_holds_its_slot);
	CASE("404103", test_an_offline_device_is_compared_before_each_further_call,
	     test_whatever_a_device_answers_it_is_no_longer_offline,
	     test_a_read_from_before_the_offline_call_does_not_count_as_comparing,
	     test_in_a_copy_of_the_record_who_waits_is_compared_before_its_call_in_its_wave,
	     test_an_offline_device_stays_taken_without_a_slot,
	     test_an_offline_call_that_acted_settles_without_another_and_takes_its_slot,
	     test_an_offline_call_that_is_seen_to_act_is_not_repeated,
	     test_an_offline_device_that_failed_the_action_has_failed,
	     test_a_device_offline_for_too_long_expires,
	     test_time_offline_is_on_record_as_of_each_call_that_found_it_so,
	     test_a_device_that_need_not_be_waited_for_expires_after_one_look,
	     test_a_pause_does_not_count_as_offline_and_what_was_before_it_does,
	     test_a_shut_hub_does_not_count_as_offline);
	CASE("limits", test_no_more_than_max_unavailable_are_called,
	     test_targets_that_are_read_first_count_before_their_call, test_a_rate_spaces_calls_evenly,
	     test_a_rate_does_not_save_up_what_it_did_not_use,
	     test_call_credit_bounds_calls_and_says_when_to_ask_again,
	     test_a_hub_jobs_calls_are_bounded_by_the_jobs_credit_and_have_longer,
	     test_read_credit_bounds_reads_and_says_when_to_ask_again, test_a_stale_read_gives_back_its_place,
	     test_a_turn_claims_no_more_than_claims_max_and_asks_to_go_on);
	CASE("several campaigns", test_a_device_taken_by_another_campaign_is_waited_for,
	     test_a_device_that_settles_elsewhere_is_waited_for_until_then,
	     test_of_holds_of_one_device_on_record_the_one_that_ends_last_counts,
	     test_after_a_crash_a_device_that_is_free_by_then_is_not_waited_for,
	     test_the_same_id_on_two_hubs_is_two_devices, test_campaigns_share_credit_fairly);
	CASE("orders and the end", test_pause_stops_calls_and_retries_and_resume_goes_on,
	     test_a_pause_over_every_phase_ends_in_the_phase_reached_meanwhile,
	     test_what_is_out_settles_during_a_pause,
	     test_a_campaign_found_empty_can_be_cancelled_before_it_completes,
	     test_cancel_before_there_are_targets_is_final_at_once,
	     test_cancel_closes_what_waits_in_bounded_turns_and_completes_when_the_rest_settles,
	     test_what_is_out_when_cancelled_settles_under_its_own_reason,
	     test_the_end_skips_what_waits_also_during_a_pause,
	     test_a_campaign_that_ends_before_it_runs_skips_all,
	     test_a_read_that_comes_after_the_cancel_is_late);
	CASE("why they wait (P12)", test_a_waiting_campaign_says_why, test_a_target_is_shown_as_it_is_now);
	CASE("a crash", test_a_call_cut_short_by_a_crash_is_in_doubt_and_never_blindly_repeated,
	     test_after_a_crash_who_waits_for_its_turn_is_not_written_again_and_has_it,
	     test_a_call_cut_short_by_a_crash_is_unknown_where_nothing_verifies,
	     test_after_days_out_of_service_the_twin_is_asked_before_a_verdict,
	     test_after_days_out_of_service_an_unreadable_hub_means_unknown,
	     test_a_hold_that_is_over_does_not_hide_a_call_that_is_out,
	     test_a_final_target_holds_nothing_for_ever_after_a_crash,
	     test_time_spent_offline_survives_a_crash, test_after_a_crash_every_life_goes_on_as_without);
	CASE("luck: whatever happens, in whatever order", test_promises_hold_whatever_happens,
	     test_the_same_facts_give_the_same_steps);
	return suite_run(s);
}
