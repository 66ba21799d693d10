/* tests: server/campaign/target and the texts of server/campaign/model: states, moves, names */
#include "tests/lib/suite.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "server/campaign/target.h"

/* The contract's moves, read from "A target's life" and written down once more. */
static const char *const target_moves[] = {
        "waiting invoking",      "waiting succeeded",      "waiting failed",     "waiting skipped",
        "waiting cancelled",     "invoking awaitingProof", "invoking succeeded", "invoking doubtful",
        "invoking waiting",      "invoking failed",        "invoking skipped",   "doubtful awaitingProof",
        "doubtful succeeded",    "doubtful waiting",       "doubtful failed",    "awaitingProof succeeded",
        "awaitingProof waiting", "awaitingProof failed"};

static bool is_in_contract(unsigned from, unsigned to)
{
	char move[64];

	snprintf(move, sizeof move, "%s %s", target_state_text((enum target_state)from),
	         target_state_text((enum target_state)to));
	for (size_t i = 0; i < sizeof target_moves / sizeof *target_moves; i++)
		if (strcmp(target_moves[i], move) == 0)
			return true;
	return false;
}

START_TEST(test_a_target_moves_as_the_contract_says_and_no_other_way)
{
	for (unsigned from = 0; from < TARGET_STATES_N; from++) {
		ck_assert_str_eq(target_machine.states[from].name,
		                 target_state_text((enum target_state)from));
		ck_assert(sm_is_final(&target_machine, from) ==
		          target_state_is_final((enum target_state)from));
		for (unsigned to = 0; to < TARGET_STATES_N; to++)
			ck_assert_msg(sm_permits(&target_machine, from, to) == is_in_contract(from, to),
			              "%u to %u", from, to);
	}
}
END_TEST

START_TEST(test_a_move_leaves_what_belonged_to_the_old_state)
{
	struct target_row row = {
	        .state = TARGET_WAITING, .wait = WAIT_OFFLINE, .next_at_ms = 99, .attempts = 2};

	target_move(&row, TARGET_FAILED, REASON_OFFLINE_EXPIRED, 1234);
	ck_assert_uint_eq(row.state, TARGET_FAILED);
	ck_assert_uint_eq(row.reason, REASON_OFFLINE_EXPIRED);
	ck_assert_uint_eq(row.wait, WAIT_NONE);
	ck_assert_int_eq(row.next_at_ms, TIME_NONE);
	ck_assert_int_eq(row.changed_at_ms, 1234);
	ck_assert_uint_eq(row.attempts, 2);
}
END_TEST

START_TEST(test_a_row_from_the_future_changed_now_and_keeps_its_spans)
{
	struct target_row row = {.changed_at_ms = 5000,
	                         .next_at_ms = 9000,
	                         .called_at_ms = 4000,
	                         .hold_until_ms = TIME_NONE,
	                         .since_hub_ms = 77};

	target_row_rebase(&row, 5000);
	target_row_rebase(&row, 6000);
	ck_assert_int_eq(row.changed_at_ms, 5000);
	ck_assert_int_eq(row.next_at_ms, 9000);
	target_row_rebase(&row, 2000);
	ck_assert_int_eq(row.changed_at_ms, 2000);
	ck_assert_int_eq(row.next_at_ms, 6000);
	ck_assert_int_eq(row.called_at_ms, 1000);
	ck_assert_int_eq(row.hold_until_ms, TIME_NONE);
	ck_assert_int_eq(row.since_hub_ms, 77);
	row.hold_until_ms = 7000;
	row.next_at_ms = TIME_NONE;
	target_row_rebase(&row, 1000);
	ck_assert_int_eq(row.hold_until_ms, 6000);
	ck_assert_int_eq(row.next_at_ms, TIME_NONE);
	row.changed_at_ms = TIME_NONE; /* never */
	target_row_rebase(&row, 0);
	ck_assert_int_eq(row.hold_until_ms, 6000);
}
END_TEST

/* One refused move for each run of the test. */
START_TEST(test_a_move_that_is_not_permitted_ends_the_process)
{
	unsigned from = (unsigned)_i / TARGET_STATES_N, to = (unsigned)_i % TARGET_STATES_N;
	struct target_row row = {.state = (uint8_t)from};

	if (sm_permits(&target_machine, from, to))
		raise(SIGABRT);
	target_move(&row, (enum target_state)to,
	            to == TARGET_FAILED || to == TARGET_SKIPPED ? REASON_GONE : REASON_NONE, 0);
}
END_TEST

START_TEST(test_failing_without_a_reason_ends_the_process)
{
	struct target_row row = {.state = TARGET_WAITING};

	target_move(&row, TARGET_FAILED, REASON_NONE, 0);
}
END_TEST

START_TEST(test_a_reason_without_failing_ends_the_process)
{
	struct target_row row = {.state = TARGET_WAITING};

	target_move(&row, TARGET_CANCELLED, REASON_GONE, 0);
}
END_TEST

START_TEST(test_a_campaign_is_final_in_three_states)
{
	for (unsigned s = 0; s < CAMPAIGN_STATES_N; s++) {
		ck_assert_str_eq(campaign_machine.states[s].name,
		                 campaign_state_text((enum campaign_state)s));
		ck_assert(sm_is_final(&campaign_machine, s) == (s >= CAMPAIGN_COMPLETED));
		ck_assert(campaign_state_is_final((enum campaign_state)s) == (s >= CAMPAIGN_COMPLETED));
	}
	ck_assert(!sm_permits(&campaign_machine, CAMPAIGN_CANCELLING, CAMPAIGN_PAUSED));
	ck_assert(!sm_permits(&campaign_machine, CAMPAIGN_CANCELLING, CAMPAIGN_COMPLETED));
	ck_assert(sm_permits(&campaign_machine, CAMPAIGN_PAUSED, CAMPAIGN_COMPLETED));
}
END_TEST

/* What is stored and told never changes: numbers and texts. */
START_TEST(test_texts_are_read_back_as_they_are_written)
{
	enum campaign_state campaign = CAMPAIGN_RUNNING;
	enum target_state target = TARGET_WAITING;
	enum reason reason = REASON_GONE;
	enum wait wait = WAIT_RATE;

	for (unsigned i = 0; i < CAMPAIGN_STATES_N; i++)
		ck_assert(campaign_state_parse(campaign_state_text((enum campaign_state)i), &campaign) &&
		          campaign == i);
	for (unsigned i = 0; i < TARGET_STATES_N; i++)
		ck_assert(target_state_parse(target_state_text((enum target_state)i), &target) &&
		          target == i);
	for (unsigned i = 1; i < REASONS_N; i++)
		if (strcmp(reason_text((enum reason)i), "?") != 0)
			ck_assert(reason_parse(reason_text((enum reason)i), &reason) && reason == i);
	for (unsigned i = 1; i < WAITS_N; i++)
		ck_assert(wait_parse(wait_text((enum wait)i), &wait) && wait == i);
	ck_assert_str_eq(reason_text((enum reason)12), "?"); /* a number in the gap */
	ck_assert_str_eq(target_state_text((enum target_state)99), "?");
	target = TARGET_FAILED;
	ck_assert(!target_state_parse("Waiting", &target) && !target_state_parse("", &target));
	ck_assert(!reason_parse("", &reason) && !reason_parse("?", &reason) && !wait_parse("", &wait));
	ck_assert_uint_eq(target, TARGET_FAILED);
	ck_assert_uint_eq(REASON_GONE, 8);
	ck_assert_uint_eq(REASON_BY_OPERATOR, 24);
	ck_assert_uint_eq(WAIT_RATE, 15);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("campaign-target");
	TCase *tc = tcase_create("ends the process");

	TESTS(s, "target", test_a_target_moves_as_the_contract_says_and_no_other_way,
	      test_a_move_leaves_what_belonged_to_the_old_state,
	      test_a_row_from_the_future_changed_now_and_keeps_its_spans,
	      test_a_campaign_is_final_in_three_states, test_texts_are_read_back_as_they_are_written);
	tcase_add_loop_test_raise_signal(tc, test_a_move_that_is_not_permitted_ends_the_process, SIGABRT, 0,
	                                 TARGET_STATES_N * TARGET_STATES_N);
	tcase_add_test_raise_signal(tc, test_failing_without_a_reason_ends_the_process, SIGABRT);
	tcase_add_test_raise_signal(tc, test_a_reason_without_failing_ends_the_process, SIGABRT);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
