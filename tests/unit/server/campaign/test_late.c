/* tests: server/campaign/engine: what comes late, or over and over: an answer after its call was given up, a
 * reading that is still out when its target waits again, a device that is offline a thousand times. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>

#include "rig.h"

#define QUIET_MS 1000000
#define BY_NONE "\"verify\":{\"by\":\"none\",\"settleSeconds\":0}"
#define PRECHECKED "\"precheck\":{\"where\":\"tags.a = 1\"}"

static struct rig *r;
static uint32_t c;

static void start(void)
{
	if (r != NULL)
		rig_free(r);
	r = rig_new();
}

static void expect_of(uint32_t campaign, enum target_state state, enum wait wait)
{
	const struct target_row *row = rig_row(r, campaign, 0);

	ck_assert_str_eq(target_state_text(row->state), target_state_text(state));
	ck_assert_str_eq(wait_text(row->wait), wait_text(wait));
}

static void expect(enum target_state state, enum wait wait)
{
	expect_of(c, state, wait);
}

/* d0 was called long ago, nobody heard what of, and its twin is being read for the last word, when the answer
 * comes at last: it never reached the device. So it waits again while that read is out. */
static void begin_with_a_read_out(const char *members)
{
	start();
	c = rig_campaign(r, members, 1);
	rig_turn(r);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ); /* the pre-check */
	ck_assert_int_eq(rig_read(r, c, 0, SAYS_NOTHING, 0), ERR_OK);
	rig_turn(r);
	expect(TARGET_INVOKING, WAIT_NONE);
	rig_at(r, 100000);
	expect(TARGET_DOUBTFUL, WAIT_NONE);
	rig_at(r, QUIET_MS);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	ck_assert_int_eq(rig_call(r, c, 0, CALL_NOT_DELIVERED), ERR_OK);
}

START_TEST(test_a_device_whose_reading_is_out_is_not_asked_again_before_its_call)
{
	begin_with_a_read_out(PRECHECKED);
	r->hubs[0].credit_at_ms = r->now_ms + 1; /* there may be more reads then, which is of no use */
	rig_turn(r);
	ck_assert_int_gt(r->wake_ms, r->now_ms + 1);
	expect(TARGET_WAITING, WAIT_NONE);
	ck_assert_uint_eq(rig_acts(r, c, 0) & ACT_READ, 0);
	ck_assert_int_eq(rig_read(r, c, 0, SAYS_NOTHING, QUIET_MS), ERR_OK);
	rig_turn(r); /* it was asked for after the call, so that it tells of the pre-check, too */
	expect(TARGET_INVOKING, WAIT_NONE);
}
END_TEST

/* It lost its turn by a read that failed, and has got another: its first place in the line does not count. */
static void stand_in_line_twice(void)
{
	r->hubs[0].is_open = false; /* nobody gets a turn */
	rig_turn(r);
	ck_assert_int_eq(rig_read_failed(r, c, 0), ERR_OK);
	rig_turn(r);
	expect(TARGET_WAITING, WAIT_BACKOFF);
	r->now_ms = rig_row(r, c, 0)->next_at_ms;
	rig_turn(r);
	expect(TARGET_WAITING, WAIT_NONE);
	r->hubs[0].is_open = true;
}

START_TEST(test_who_stands_in_line_twice_gets_one_turn)
{
	begin_with_a_read_out(PRECHECKED ",\"rollout\":{\"maxUnavailable\":1}");
	stand_in_line_twice();
	rig_turn(r);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	ck_assert_int_eq(rig_read(r, c, 0, SAYS_NOTHING, r->now_ms - T0), ERR_OK);
	rig_turn(r);
	expect(TARGET_INVOKING, WAIT_NONE);
	ck_assert_int_eq(rig_call(r, c, 0, CALL_OFFLINE), ERR_OK);
	rig_turn(r);
	expect(TARGET_WAITING, WAIT_OFFLINE);
	ck_assert_uint_eq(rig_acts(r, c, 0) & ACT_READ, 0);
}
END_TEST

START_TEST(test_who_backs_off_while_it_stands_in_line_has_no_turn)
{
	begin_with_a_read_out(PRECHECKED);
	rig_turn(r);
	ck_assert_int_eq(rig_read_failed(r, c, 0), ERR_OK);
	rig_turn(r);
	expect(TARGET_WAITING, WAIT_BACKOFF);
	ck_assert_uint_eq(rig_acts(r, c, 0) & ACT_READ, 0);
	r->now_ms = rig_row(r, c, 0)->next_at_ms;
	rig_turn(r);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
}
END_TEST

#define SITE(max) PRECHECKED ",\"rollout\":{\"group\":{\"by\":\"tags.site\",\"maxUnavailable\":" max "}}"

START_TEST(test_who_waits_for_its_group_while_it_stands_in_line_has_no_turn)
{
	struct fact selected;

	c = rig_add(r, SITE("2"), 0, 24 * HOUR_MS, 1);
	rig_turn_once(r);
	rig_group(r, c, 0, "gbg", 2);
	rig_target_in(r, c, "d0", 0, 0, true, true);
	rig_target_in(r, c, "d1", 0, 0, true, true);
	selected = rig_fact(r, FACT_SELECTED, c, 0);
	ck_assert_int_eq(rig_feed(r, &selected), ERR_OK);
	rig_turn(r);
	ck_assert_int_eq(rig_read(r, c, 0, SAYS_NOTHING, 0), ERR_OK);
	ck_assert_int_eq(rig_read(r, c, 1, SAYS_NOTHING, 0), ERR_OK);
	rig_turn(r);
	ck_assert_int_eq(rig_call(r, c, 1, CALL_ACCEPTED), ERR_OK); /* and is out until the end */
	rig_at(r, 100000);
	rig_at(r, 900000);
	rig_at(r, QUIET_MS);
	ck_assert_int_eq(rig_call(r, c, 0, CALL_NOT_DELIVERED), ERR_OK);
	stand_in_line_twice();
	rig_respec(r, c, SITE("1"), 24 * HOUR_MS);
	rig_turn(r);
	ck_assert(engine_is_parked(r->e, c, 0));
	ck_assert_uint_eq(rig_acts(r, c, 0) & ACT_READ, 0);
	ck_assert_int_eq(rig_query(r, c, 1, SAYS_PROVEN), ERR_OK);
	rig_turn(r);
	ck_assert(engine_is_parked(r->e, c, 0));
	r->now_ms += 120000; /* it has settled */
	rig_turn(r);
	ck_assert(!engine_is_parked(r->e, c, 0));
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
}
END_TEST

START_TEST(test_who_backs_off_meanwhile_is_not_woken_when_the_device_becomes_free)
{
	uint32_t other;

	begin_with_a_read_out(PRECHECKED);
	other = rig_campaign(r, BY_NONE, 1); /* over the same device */
	rig_turn(r);
	expect_of(other, TARGET_INVOKING, WAIT_NONE);
	expect(TARGET_WAITING, WAIT_DEVICE);
	ck_assert_int_eq(rig_read_failed(r, c, 0), ERR_OK);
	rig_turn(r);
	expect(TARGET_WAITING, WAIT_BACKOFF);
	ck_assert_int_eq(rig_call(r, other, 0, CALL_ACCEPTED), ERR_OK);
	rig_turn(r);
	expect_of(other, TARGET_SUCCEEDED, WAIT_NONE);
	expect(TARGET_WAITING, WAIT_BACKOFF);
	ck_assert_uint_eq(rig_acts(r, c, 0) & ACT_READ, 0);
}
END_TEST

START_TEST(test_a_read_that_is_out_as_the_watch_begins_is_waited_for)
{
	start();
	c = rig_campaign(r, "\"verify\":{\"settleSeconds\":60,\"relapseWatchSeconds\":600}", 1);
	rig_turn(r);
	ck_assert_int_eq(rig_call(r, c, 0, CALL_ACCEPTED), ERR_OK);
	rig_turn(r);
	rig_at(r, 900000); /* its deadline */
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	ck_assert_int_eq(rig_query(r, c, 0, SAYS_PROVEN), ERR_OK);
	rig_turn(r);
	expect(TARGET_SUCCEEDED, WAIT_NONE);
	rig_at(r, 960000); /* settled */
	ck_assert_uint_eq(rig_acts(r, c, 0), 0);
	ck_assert_int_eq(rig_read(r, c, 0, SAYS_NOTHING, 900000), ERR_OK);
	rig_turn(r); /* asked for before that: it says nothing of what came after */
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
}
END_TEST

/* ---- an earlier call that may have acted, and what resolves it ---- */

/* d0 was said to be offline, and called again. */
static void begin_with_a_second_call(const char *members)
{
	start();
	c = rig_campaign(r, members, 1);
	rig_turn(r);
	ck_assert_int_eq(rig_call(r, c, 0, CALL_OFFLINE), ERR_OK);
	rig_turn(r);
	r->now_ms = rig_row(r, c, 0)->next_at_ms;
	rig_turn(r);
	if (rig_row(r, c, 0)->state == TARGET_WAITING) { /* compared first */
		ck_assert_int_eq(rig_read(r, c, 0, SAYS_NOTHING, r->now_ms - T0), ERR_OK);
		rig_turn(r);
	}
	expect(TARGET_INVOKING, WAIT_NONE);
	ck_assert(rig_row(r, c, 0)->is_unresolved);
}

static void expect_resolved(enum target_state state, enum reason reason)
{
	rig_turn(r);
	expect(state, WAIT_NONE);
	ck_assert_str_eq(reason_text(rig_row(r, c, 0)->reason), reason_text(reason));
	ck_assert(!rig_row(r, c, 0)->is_unresolved);
	ck_assert_int_eq(rig_row(r, c, 0)->hold_until_ms, TIME_NONE); /* others may have the device */
}

START_TEST(test_what_decides_the_second_call_resolves_the_first)
{
	static const struct {
		enum reading_says says;
		bool is_there;
		enum target_state state;
		enum reason reason;
	} rows[] = {
	        {SAYS_FAILED, true, TARGET_FAILED, REASON_DEVICE_FAILED},
	        {SAYS_GONE, true, TARGET_FAILED, REASON_GONE},
	        {SAYS_NOTHING, false, TARGET_FAILED, REASON_GONE},
	        {SAYS_PROVEN, true, TARGET_SUCCEEDED, REASON_NONE},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct fact f;

		begin_with_a_second_call("");
		ck_assert_int_eq(rig_call(r, c, 0, CALL_ACCEPTED), ERR_OK);
		f = rig_fact(r, FACT_READING, c, 0);
		f.says = rows[i].says;
		f.is_there = rows[i].is_there;
		f.is_done_path = true;
		ck_assert_int_eq(rig_feed(r, &f), ERR_OK);
		expect_resolved(rows[i].state, rows[i].reason);
	}
	begin_with_a_second_call("");
	ck_assert_int_eq(rig_call(r, c, 0, CALL_NO_METHOD), ERR_OK);
	expect_resolved(TARGET_FAILED, REASON_NO_METHOD);
	begin_with_a_second_call(BY_NONE);
	ck_assert_int_eq(rig_call(r, c, 0, CALL_ACCEPTED), ERR_OK);
	expect_resolved(TARGET_SUCCEEDED, REASON_NONE);
}
END_TEST

START_TEST(test_a_second_call_that_is_refused_or_shows_nothing_resolves_the_first)
{
	int64_t deadline_ms;

	begin_with_a_second_call("\"retry\":{\"maxAttempts\":2,\"on\":[\"refused\"],\"backoffSeconds\":60}");
	ck_assert_int_eq(rig_call(r, c, 0, CALL_REFUSED), ERR_OK);
	rig_turn(r);
	expect(TARGET_WAITING, WAIT_BACKOFF);
	ck_assert(!rig_row(r, c, 0)->is_unresolved);
	ck_assert_int_eq(rig_row(r, c, 0)->since_hub_ms, TIME_NONE);
	begin_with_a_second_call("");
	ck_assert_int_eq(rig_call(r, c, 0, CALL_ACCEPTED), ERR_OK);
	rig_turn(r);
	deadline_ms = rig_row(r, c, 0)->next_at_ms;
	r->now_ms = deadline_ms;
	rig_turn(r);
	ck_assert_int_eq(rig_read(r, c, 0, SAYS_NOTHING, deadline_ms - T0), ERR_OK);
	expect_resolved(TARGET_FAILED, REASON_NO_PROOF);
}
END_TEST

START_TEST(test_what_is_read_before_the_second_call_resolves_the_first)
{
	static const struct {
		enum reading_says says;
		bool is_there;
		enum target_state state;
		enum reason reason;
	} rows[] = {
	        {SAYS_FAILED, true, TARGET_FAILED, REASON_DEVICE_FAILED},
	        {SAYS_NOTHING, false, TARGET_FAILED, REASON_GONE},
	        {SAYS_PROVEN, true, TARGET_SUCCEEDED, REASON_NONE},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct fact f;

		start();
		c = rig_campaign(r, "", 1);
		rig_turn(r);
		ck_assert_int_eq(rig_call(r, c, 0, CALL_OFFLINE), ERR_OK);
		rig_turn(r);
		r->now_ms = rig_row(r, c, 0)->next_at_ms;
		rig_turn(r);
		f = rig_fact(r, FACT_READING, c, 0);
		f.is_point_read = true;
		f.says = rows[i].says;
		f.is_there = rows[i].is_there;
		f.is_done_path = true;
		ck_assert_int_eq(rig_feed(r, &f), ERR_OK);
		expect_resolved(rows[i].state, rows[i].reason);
	}
}
END_TEST

/* ---- over and over ---- */

START_TEST(test_a_device_may_be_offline_any_number_of_times)
{
	start();
	c = rig_campaign(r, "\"offline\":{\"expireAfterSeconds\":31622400}", 1);
	r->campaigns[c].row.end_at_ms = T0 + 5000 * HOUR_MS;
	rig_respec(r, c, "\"offline\":{\"expireAfterSeconds\":31622400}", 5000 * HOUR_MS);
	rig_turn(r);
	for (unsigned i = 1; i <= 300; i++) {
		int64_t delay_ms;

		expect(TARGET_INVOKING, WAIT_NONE);
		ck_assert_int_eq(rig_call(r, c, 0, CALL_OFFLINE), ERR_OK);
		rig_turn(r);
		expect(TARGET_WAITING, WAIT_OFFLINE);
		ck_assert_uint_eq(rig_row(r, c, 0)->offline_tries, i < 255 ? i : 255);
		delay_ms = rig_row(r, c, 0)->next_at_ms - r->now_ms;
		ck_assert(i < 7 || (delay_ms >= 240000 && delay_ms <= 360000));
		r->now_ms = rig_row(r, c, 0)->next_at_ms;
		rig_turn(r);
		ck_assert_int_eq(rig_read(r, c, 0, SAYS_NOTHING, r->now_ms - T0), ERR_OK);
		rig_turn(r);
	}
	ck_assert_uint_eq(rig_row(r, c, 0)->calls, 301);
	ck_assert_uint_eq(rig_row(r, c, 0)->attempts, 1);
}
END_TEST

START_TEST(test_a_device_that_is_there_may_be_said_not_to_be_any_number_of_times)
{
	start();
	c = rig_campaign(r, "\"retry\":{\"backoffSeconds\":1,\"backoffMaxSeconds\":60}", 1);
	rig_turn(r);
	for (unsigned i = 1; i <= 300; i++) {
		ck_assert_int_eq(rig_call(r, c, 0, CALL_GONE), ERR_OK);
		rig_turn(r);
		ck_assert_uint_eq(rig_acts(r, c, 0) & ACT_READ, ACT_READ);
		ck_assert_int_eq(rig_read(r, c, 0, SAYS_NOTHING, r->now_ms - T0), ERR_OK);
		rig_turn(r);
		expect(TARGET_WAITING, WAIT_BACKOFF);
		if (i >= 7)
			ck_assert_int_eq(rig_row(r, c, 0)->next_at_ms, r->now_ms + 60000);
		r->now_ms = rig_row(r, c, 0)->next_at_ms;
		rig_turn(r);
		expect(TARGET_INVOKING, WAIT_NONE);
	}
}
END_TEST

START_TEST(test_a_device_that_acts_after_all_is_read_again_any_number_of_times)
{
	static const char members[] = "\"verify\":{\"timeoutSeconds\":86400}";
	/* 86,400 s to show itself, a minute on the wire and the margins */
	int64_t quiet_ms = T0 + 86400000 + 100000;
	unsigned n = 0;

	start();
	c = rig_campaign(r, members, 1);
	rig_respec(r, c, members, 100 * HOUR_MS);
	rig_turn(r);
	ck_assert_int_eq(rig_call(r, c, 0, CALL_OFFLINE), ERR_OK);
	rig_turn(r);
	for (;; n++) {
		int64_t delay_ms;

		r->now_ms = rig_row(r, c, 0)->next_at_ms;
		rig_turn(r);
		ck_assert_uint_eq(rig_acts(r, c, 0) & ACT_READ, ACT_READ);
		ck_assert_int_eq(rig_read(r, c, 0, SAYS_MOVED, r->now_ms - T0), ERR_OK);
		rig_turn(r);
		if (rig_row(r, c, 0)->state != TARGET_WAITING)
			break;
		delay_ms = rig_row(r, c, 0)->next_at_ms - r->now_ms;
		ck_assert(n < 7 || delay_ms == 300000 || rig_row(r, c, 0)->next_at_ms == quiet_ms);
		ck_assert_uint_eq(rig_row(r, c, 0)->calls, 1);
	}
	ck_assert_uint_gt(n, 256);
	ck_assert_uint_eq(rig_row(r, c, 0)->reason, REASON_NO_PROOF);
	ck_assert_int_eq(r->now_ms, quiet_ms);
}
END_TEST

START_TEST(test_a_twin_that_cannot_be_read_is_read_again_any_number_of_times)
{
	start();
	c = rig_campaign(r, PRECHECKED, 1);
	rig_respec(r, c, PRECHECKED, 100 * HOUR_MS);
	for (unsigned n = 0; n < 300; n++) {
		rig_turn(r);
		ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
		ck_assert_int_eq(rig_read_failed(r, c, 0), ERR_OK);
		rig_turn(r);
		expect(TARGET_WAITING, WAIT_BACKOFF);
		ck_assert(n < 7 || rig_row(r, c, 0)->next_at_ms == r->now_ms + 300000);
		r->now_ms = rig_row(r, c, 0)->next_at_ms;
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("campaign late");

	suite_add_with(
	        s, "late", start,
	        (const TTest *const[]){test_a_device_whose_reading_is_out_is_not_asked_again_before_its_call,
	                               test_who_stands_in_line_twice_gets_one_turn,
	                               test_who_backs_off_while_it_stands_in_line_has_no_turn,
	                               test_who_waits_for_its_group_while_it_stands_in_line_has_no_turn,
	                               test_who_backs_off_meanwhile_is_not_woken_when_the_device_becomes_free,
	                               test_a_read_that_is_out_as_the_watch_begins_is_waited_for, NULL});
	suite_add_with(
	        s, "an earlier call", start,
	        (const TTest *const[]){test_what_decides_the_second_call_resolves_the_first,
	                               test_a_second_call_that_is_refused_or_shows_nothing_resolves_the_first,
	                               test_what_is_read_before_the_second_call_resolves_the_first, NULL});
	suite_add_with(s, "over and over", start,
	               (const TTest *const[]){
	                       test_a_device_may_be_offline_any_number_of_times,
	                       test_a_device_that_is_there_may_be_said_not_to_be_any_number_of_times,
	                       test_a_device_that_acts_after_all_is_read_again_any_number_of_times,
	                       test_a_twin_that_cannot_be_read_is_read_again_any_number_of_times, NULL});
	return suite_run(s);
}
