/* tests: server/campaign/wave: when a gate holds, soaks or cannot hold any more; when an abort rule is met.
 * And where waves end, which spec tells. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <string.h>

#include "server/campaign/wave.h"

#define T0 1790000000000LL

static struct wave_row wave(uint32_t waiting, uint32_t out, uint32_t succeeded, uint32_t failed)
{
	return (struct wave_row){.stage = WAVE_OPEN,
	                         .opened_at_ms = T0,
	                         .proven_at_ms = succeeded > 0 ? T0 + 5000 : TIME_NONE,
	                         .state = {[TARGET_WAITING] = waiting,
	                                   [TARGET_AWAITING_PROOF] = out,
	                                   [TARGET_SUCCEEDED] = succeeded,
	                                   [TARGET_FAILED] = failed}};
}

static enum wave_verdict judge(uint32_t percent, uint32_t waiting, uint32_t out, uint32_t succeeded,
                               uint32_t failed)
{
	const struct gate_spec gate = {.min_success_percent = percent};
	const struct wave_row w = wave(waiting, out, succeeded, failed);
	int64_t until_ms = TIME_NONE;

	return wave_judge(&gate, &w, T0 + 9000, &until_ms);
}

START_TEST(test_a_wave_goes_on_until_all_of_it_is_final)
{
	static const uint8_t open[] = {TARGET_WAITING, TARGET_INVOKING, TARGET_DOUBTFUL,
	                               TARGET_AWAITING_PROOF};

	for (size_t i = 0; i < sizeof open; i++) {
		const struct gate_spec gate = {0};
		struct wave_row w = wave(0, 0, 7, 0);
		int64_t until_ms = TIME_NONE;

		ck_assert(wave_is_finished(&w));
		ck_assert_int_eq(wave_judge(&gate, &w, T0, &until_ms), WAVE_HOLDS);
		w.state[open[i]] = 1;
		ck_assert(!wave_is_finished(&w));
		ck_assert_int_eq(wave_judge(&gate, &w, T0, &until_ms), WAVE_GOES_ON);
	}
}
END_TEST

START_TEST(test_a_gate_cannot_hold_as_soon_as_the_rest_would_not_make_up_for_it)
{
	ck_assert_int_eq(judge(95, 0, 0, 19, 1), WAVE_HOLDS); /* 95 % exactly */
	ck_assert_int_eq(judge(95, 0, 0, 18, 1), WAVE_CANNOT);
	ck_assert_int_eq(judge(95, 19, 0, 0, 1), WAVE_GOES_ON);
	ck_assert_int_eq(judge(95, 18, 0, 0, 1), WAVE_CANNOT);
	ck_assert_int_eq(judge(95, 10, 8, 0, 1), WAVE_CANNOT);
	ck_assert_int_eq(judge(95, 10, 8, 1, 1), WAVE_GOES_ON);
	ck_assert_int_eq(judge(100, 999999, 0, 0, 1), WAVE_CANNOT);
	ck_assert_int_eq(judge(1, 0, 0, 0, 1), WAVE_CANNOT);
	ck_assert_int_eq(judge(1, 0, 0, 10000, 990000), WAVE_HOLDS);
	ck_assert_int_eq(judge(1, 0, 0, 9999, 990001), WAVE_CANNOT);
	ck_assert_int_eq(judge(0, 0, 0, 0, 50), WAVE_HOLDS); /* no share asked for */
	ck_assert_int_eq(judge(0, 1, 0, 0, 50), WAVE_GOES_ON);
}
END_TEST

START_TEST(test_a_gate_holds_where_nobody_succeeded_or_failed)
{
	const struct gate_spec gate = {.min_success_percent = 100, .soak_s = 600};
	struct wave_row w = wave(0, 0, 0, 0);
	int64_t until_ms = TIME_NONE;

	ck_assert_int_eq(wave_judge(&gate, &w, T0, &until_ms), WAVE_HOLDS); /* an empty wave */
	w.state[TARGET_SKIPPED] = 3;
	w.state[TARGET_CANCELLED] = 4;
	ck_assert_int_eq(wave_judge(&gate, &w, T0, &until_ms), WAVE_HOLDS);
	w.state[TARGET_FAILED] = 1;
	ck_assert_int_eq(wave_judge(&gate, &w, T0, &until_ms), WAVE_CANNOT);
	ck_assert_int_eq(until_ms, TIME_NONE);
}
END_TEST

START_TEST(test_the_soak_ends_exactly_its_span_after_the_last_proof)
{
	const struct gate_spec gate = {.min_success_percent = 50, .soak_s = 600};
	struct wave_row w = wave(0, 0, 2, 2);
	int64_t until_ms = TIME_NONE;

	ck_assert_int_eq(wave_judge(&gate, &w, T0 + 5000, &until_ms), WAVE_SOAKS);
	ck_assert_int_eq(until_ms, T0 + 605000);
	ck_assert_int_eq(wave_judge(&gate, &w, T0 + 604999, &until_ms), WAVE_SOAKS);
	ck_assert_int_eq(wave_judge(&gate, &w, T0 + 605000, &until_ms), WAVE_HOLDS);
	w.state[TARGET_WAITING] = 1;
	ck_assert_int_eq(wave_judge(&gate, &w, T0 + 605000, &until_ms), WAVE_GOES_ON);
	w = wave(0, 0, 2, 3);
	ck_assert_int_eq(wave_judge(&gate, &w, T0 + 5000, &until_ms), WAVE_CANNOT); /* no use in waiting */
}
END_TEST

START_TEST(test_who_must_approve_what)
{
	static const struct {
		enum approval rollout, first, later;
		bool start, after_first, after_second;
	} cases[] = {
	        {APPROVAL_NONE, APPROVAL_NONE, APPROVAL_NONE, false, false, false},
	        {APPROVAL_START, APPROVAL_START, APPROVAL_START, true, false, false},
	        {APPROVAL_AFTER_FIRST, APPROVAL_AFTER_FIRST, APPROVAL_AFTER_FIRST, false, true, false},
	        {APPROVAL_EACH, APPROVAL_EACH, APPROVAL_EACH, false, true, true},
	        {APPROVAL_EACH, APPROVAL_NONE, APPROVAL_EACH, false, false, true},
	        {APPROVAL_NONE, APPROVAL_EACH, APPROVAL_NONE, false, true, false},
	        {APPROVAL_NONE, APPROVAL_NONE, APPROVAL_EACH, false, false, true},
	        {APPROVAL_NONE, APPROVAL_START, APPROVAL_NONE, true, false, false},
	        {APPROVAL_START, APPROVAL_EACH, APPROVAL_START, false, true, false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct campaign_spec s = {0};

		s.rollout.waves_n = 3;
		s.rollout.gate.approval = cases[i].rollout;
		s.rollout.waves[0].gate.approval = cases[i].first;
		s.rollout.waves[1].gate.approval = s.rollout.waves[2].gate.approval = cases[i].later;
		ck_assert_msg(wave_needs_approval(&s, -1) == cases[i].start, "start, case %zu", i);
		ck_assert_msg(wave_needs_approval(&s, 0) == cases[i].after_first, "first, case %zu", i);
		ck_assert_msg(wave_needs_approval(&s, 1) == cases[i].after_second, "second, case %zu", i);
		ck_assert_msg(!wave_needs_approval(&s, 2), "nothing follows the last, case %zu", i);
	}
}
END_TEST

static struct counts counted(uint32_t succeeded, uint32_t refused, uint32_t no_proof)
{
	return (struct counts){.state = {[TARGET_SUCCEEDED] = succeeded,
	                                 [TARGET_FAILED] = refused + no_proof,
	                                 [TARGET_SKIPPED] = 1000},
	                       .reason = {[REASON_REFUSED] = refused, [REASON_NO_PROOF] = no_proof}};
}

START_TEST(test_a_percentage_counts_once_enough_have_finished)
{
	const struct abort_rule any = {.percent = 5, .min_finished = 20};
	const struct abort_rule refused = {.cause = REASON_REFUSED, .percent = 5, .min_finished = 20};
	const struct abort_base none = {0, 0};
	struct counts n = counted(18, 1, 0);

	ck_assert(!abort_is_met(&any, &n, &none)); /* 19 finished */
	n = counted(19, 1, 0);
	ck_assert(abort_is_met(&any, &n, &none)); /* 5 % of 20 exactly */
	ck_assert(abort_is_met(&refused, &n, &none));
	n = counted(20, 1, 0);
	ck_assert(!abort_is_met(&any, &n, &none)); /* 1 of 21 */
	n = counted(19, 0, 1);
	ck_assert(abort_is_met(&any, &n, &none));
	ck_assert(!abort_is_met(&refused, &n, &none)); /* another cause */
	n = counted(1000, 0, 0);
	ck_assert(!abort_is_met(&any, &n, &none)); /* nobody failed */
}
END_TEST

START_TEST(test_a_count_counts_failures_of_its_cause)
{
	const struct abort_rule any = {.count = 3}, no_proof = {.cause = REASON_NO_PROOF, .count = 3};
	const struct abort_base none = {0, 0};
	struct counts n = counted(0, 1, 1);

	ck_assert(!abort_is_met(&any, &n, &none));
	n = counted(0, 1, 2);
	ck_assert(abort_is_met(&any, &n, &none));
	ck_assert(!abort_is_met(&no_proof, &n, &none));
	n = counted(0, 0, 3);
	ck_assert(abort_is_met(&no_proof, &n, &none));
}
END_TEST

START_TEST(test_a_rule_counts_afresh_from_its_base)
{
	const struct abort_rule count = {.count = 3}, percent = {.percent = 50, .min_finished = 4};
	struct counts n = counted(7, 3, 0);
	struct abort_base base = abort_base_of(&count, &n);

	ck_assert_uint_eq(base.finished, 10);
	ck_assert_uint_eq(base.failed, 3);
	ck_assert(!abort_is_met(&count, &n, &base));
	n = counted(9, 5, 0);
	ck_assert(!abort_is_met(&count, &n, &base));
	ck_assert(abort_is_met(&percent, &n, &base)); /* 2 of 4 since */
	n = counted(9, 6, 0);
	ck_assert(abort_is_met(&count, &n, &base));
	ck_assert_uint_eq(abort_since(&count, &n, &base).finished, 5);
	ck_assert_uint_eq(abort_since(&count, &n, &base).failed, 3);
}
END_TEST

START_TEST(test_a_base_that_is_ahead_of_the_counts_means_none_since)
{
	const struct abort_rule count = {.count = 1}, percent = {.percent = 1, .min_finished = 1};
	const struct abort_base base = {5, 2};
	struct counts n = counted(2, 1, 0);

	ck_assert(!abort_is_met(&count, &n, &base));
	ck_assert(!abort_is_met(&percent, &n, &base));
	n = counted(4, 3, 0);
	ck_assert(abort_is_met(&count, &n, &base));
	ck_assert(abort_is_met(&percent, &n, &base));
}
END_TEST

/* Waves that end at these percentages (or, negative, counts) of so many. */
static void expect_ends(uint32_t total, const int *up_to, const uint32_t *ends, uint32_t n)
{
	struct campaign_spec s = {0};

	s.rollout.waves_n = n;
	for (uint32_t w = 0; w < n; w++) {
		s.rollout.waves[w].is_percent = up_to[w] > 0;
		s.rollout.waves[w].up_to = (uint32_t)(up_to[w] > 0 ? up_to[w] : -up_to[w]);
	}
	for (uint32_t w = 0, no = 0; w < n; w++) {
		ck_assert_msg(wave_end(&s, w, total) == ends[w], "wave %u of %u ends at %u, not %u", w, total,
		              wave_end(&s, w, total), ends[w]);
		for (; no < ends[w]; no++)
			ck_assert_uint_eq(wave_of(&s, no, total), w);
	}
}

#define UP_TO(...) \
	(const int[]) \
	{ \
		__VA_ARGS__ \
	}
#define END_AT(...) \
	(const uint32_t[]) \
	{ \
		__VA_ARGS__ \
	}

START_TEST(test_waves_end_at_whole_devices_and_the_last_at_all)
{
	expect_ends(7, UP_TO(1, 50, 100), END_AT(1, 3, 7), 3);
	expect_ends(1000, UP_TO(1, 10, 100), END_AT(10, 100, 1000), 3);
	expect_ends(1001, UP_TO(1, 10, 100), END_AT(10, 100, 1001), 3);
	expect_ends(999, UP_TO(1, 10, 100), END_AT(9, 99, 999), 3);
	expect_ends(1, UP_TO(1, 10, 100), END_AT(1, 1, 1), 3); /* the canary is all there is */
	expect_ends(0, UP_TO(1, 10, 100), END_AT(0, 0, 0), 3);
	expect_ends(2, UP_TO(1, 10, 100), END_AT(1, 1, 2), 3); /* an empty one between */
	expect_ends(20, UP_TO(-5, 10, -15, 100), END_AT(5, 5, 15, 20), 4);
	expect_ends(10, UP_TO(-50, 60, 100), END_AT(10, 10, 10), 3);
	expect_ends(1000000, UP_TO(99, 100), END_AT(990000, 1000000), 2);
	expect_ends(5, UP_TO(100), END_AT(5), 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("campaign-wave");

	TESTS(s, "gates", test_a_wave_goes_on_until_all_of_it_is_final,
	      test_a_gate_cannot_hold_as_soon_as_the_rest_would_not_make_up_for_it,
	      test_a_gate_holds_where_nobody_succeeded_or_failed,
	      test_the_soak_ends_exactly_its_span_after_the_last_proof, test_who_must_approve_what);
	TESTS(s, "abort rules", test_a_percentage_counts_once_enough_have_finished,
	      test_a_count_counts_failures_of_its_cause, test_a_rule_counts_afresh_from_its_base,
	      test_a_base_that_is_ahead_of_the_counts_means_none_since);
	TESTS(s, "bounds", test_waves_end_at_whole_devices_and_the_last_at_all);
	return suite_run(s);
}
