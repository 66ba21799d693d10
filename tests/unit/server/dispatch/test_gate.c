/* tests: server/dispatch: gate */
#include "tests/lib/suite.h"

#include "server/base/clock.h"
#include "server/dispatch/gate.h"
#include "tests/lib/fake_hub.h"

#define DAY 86400000LL
#define NOW (19700 * DAY + 10 * 3600000LL) /* 10:00 UTC */

static struct gate gate;

static void call_at(enum hub_outcome o, int http_status, int64_t at)
{
	struct hub_answer a = fake_answer(o, http_status);

	gate_on_call(&gate, &a, at, at);
}

static void read_at(enum hub_outcome o, int http_status, int64_t at)
{
	struct hub_answer a = fake_answer(o, http_status);

	gate_on_read(&gate, &a, at, at);
}

/* A probe that is due, and what it comes to. */
static void probe_at(enum hub_outcome o, int http_status, int64_t at)
{
	ck_assert(gate_wants_probe(&gate, at));
	gate_probing(&gate);
	ck_assert(!gate_wants_probe(&gate, at));
	ck_assert_int_eq(gate_next_at(&gate), TIME_NEVER);
	read_at(o, http_status, at);
}

static void open_gate(void)
{
	gate_init(&gate, 5, 1, NOW);
	read_at(HUB_ANSWERED, 200, NOW);
	ck_assert(gate_is_open(&gate));
}

static void throttle(int64_t at, int64_t retry_after_ms)
{
	struct hub_answer a = fake_answer(HUB_THROTTLED, 429);

	a.retry_after_ms = retry_after_ms;
	gate_on_call(&gate, &a, at, at);
}

#define ck_reason(r) ck_assert_str_eq(gate_reason_text(gate.reason), gate_reason_text(GATE_##r))

START_TEST(test_at_start_a_probe_is_due_at_once_and_opens)
{
	gate_init(&gate, 5, 1, NOW);
	ck_reason(STARTING);
	ck_assert(!gate_is_open(&gate));
	ck_assert_int_eq(gate_next_at(&gate), NOW);
	probe_at(HUB_ANSWERED, 200, NOW);
	ck_reason(OPEN);
	ck_assert(gate_is_open(&gate));
	ck_assert_int_eq(gate_next_at(&gate), TIME_NEVER);
}
END_TEST

START_TEST(test_answered_gone_and_refused_reads_open)
{
	static const enum hub_outcome opens[] = {HUB_ANSWERED, HUB_GONE, HUB_OUR_FAULT};

	for (size_t i = 0; i < sizeof opens / sizeof *opens; i++) {
		gate_init(&gate, 5, 1, NOW);
		read_at(opens[i], 200, NOW);
		ck_assert(gate_is_open(&gate));
	}
}
END_TEST

START_TEST(test_failing_probes_wait_1_2_4_to_30_seconds_and_the_third_says_down)
{
	static const int64_t waits[] = {1000, 2000, 1000, 2000, 4000, 8000, 16000, 30000, 30000};
	int64_t at = NOW;

	gate_init(&gate, 5, 1, NOW);
	for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
		probe_at(HUB_TROUBLE, 503, at);
		ck_assert_str_eq(gate_reason_text(gate.reason), i < 2 ? "starting" : "down");
		ck_assert_int_eq(gate_next_at(&gate), at + waits[i]);
		at = gate_next_at(&gate);
		ck_assert(!gate_wants_probe(&gate, at - 1));
	}
	probe_at(HUB_ANSWERED, 200, at);
	ck_reason(OPEN);
}
END_TEST

START_TEST(test_ambiguous_answers_in_a_row_shut_until_a_read_works)
{
	open_gate();
	for (int i = 0; i < 4; i++)
		call_at(HUB_AMBIGUOUS, 504, NOW);
	call_at(HUB_OFFLINE, 404, NOW); /* an answer: the row begins anew */
	for (int i = 0; i < 4; i++)
		call_at(HUB_AMBIGUOUS, 504, NOW);
	ck_reason(OPEN);
	call_at(HUB_AMBIGUOUS, 0, NOW + 7);
	ck_reason(AMBIGUOUS);
	ck_assert_int_eq(gate.since_ms, NOW + 7);
	probe_at(HUB_ANSWERED, 200, NOW + 9);
	ck_reason(OPEN);
	for (int i = 0; i < 4; i++)
		call_at(HUB_AMBIGUOUS, 504, NOW + 10);
	ck_reason(OPEN);
}
END_TEST

START_TEST(test_call_that_could_not_be_sent_shuts_and_403800_does_not)
{
	open_gate();
	call_at(HUB_NOT_DELIVERED, 403, NOW);
	ck_reason(OPEN);
	call_at(HUB_NOT_DELIVERED, 0, NOW);
	ck_reason(DOWN);
	ck_assert_int_eq(gate_next_at(&gate), NOW + 1000);
	call_at(HUB_ANSWERED, 200, NOW + 5); /* out already: a call does not open */
	ck_reason(DOWN);
	ck_assert(!gate_wants_probe(&gate, NOW + 999));
	probe_at(HUB_NOT_DELIVERED, 0, NOW + 1000);
	ck_assert_int_eq(gate_next_at(&gate), NOW + 3000);
}
END_TEST

START_TEST(test_one_failing_read_does_not_shut_and_three_in_a_row_do)
{
	open_gate();
	read_at(HUB_TROUBLE, 0, NOW);
	read_at(HUB_TROUBLE, 500, NOW);
	read_at(HUB_GONE, 404, NOW);
	read_at(HUB_TROUBLE, 500, NOW);
	read_at(HUB_NOT_DELIVERED, 0, NOW);
	ck_reason(OPEN);
	read_at(HUB_TROUBLE, 503, NOW);
	ck_reason(DOWN);
}
END_TEST

START_TEST(test_401_and_403_shut_at_once_with_probes_from_10_seconds)
{
	static const int64_t waits[] = {20000, 40000, 80000, 160000, 300000, 300000};
	int64_t at;

	open_gate();
	read_at(HUB_TROUBLE, 401, NOW);
	ck_reason(UNAUTHORISED);
	open_gate();
	read_at(HUB_TROUBLE, 403, NOW);
	ck_reason(UNAUTHORISED);
	open_gate();
	call_at(HUB_TROUBLE, 401, NOW);
	ck_reason(UNAUTHORISED);
	ck_assert_int_eq(gate_next_at(&gate), NOW + 10000);
	at = NOW + 10000;
	for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
		probe_at(HUB_TROUBLE, 401, at);
		ck_assert_int_eq(gate_next_at(&gate), at + waits[i]);
		at += waits[i];
	}
}
END_TEST

START_TEST(test_credential_that_reads_but_may_not_call_is_tried_ever_more_rarely)
{
	static const int64_t waits[] = {10000, 20000, 40000, 80000, 160000, 300000, 300000};
	int64_t at = NOW;

	open_gate();
	for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
		call_at(HUB_TROUBLE, 401, at);
		call_at(HUB_TROUBLE, 401, at); /* out already */
		ck_assert_int_eq(gate_next_at(&gate), at + waits[i]);
		at += waits[i];
		probe_at(HUB_ANSWERED, 200, at);
		ck_reason(OPEN);
	}
	call_at(HUB_ANSWERED, 200, at);
	call_at(HUB_TROUBLE, 401, at);
	ck_assert_int_eq(gate_next_at(&gate), at + 10000);
}
END_TEST

START_TEST(test_throttled_waits_10_20_40_60_seconds_give_or_take_a_quarter)
{
	static const int64_t waits[] = {10000, 20000, 40000, 60000, 60000};
	int64_t at = NOW, first = 0;

	open_gate();
	for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
		int64_t wait;

		throttle(at, TIME_NONE);
		ck_reason(THROTTLED);
		wait = gate_next_at(&gate) - at;
		ck_assert_int_ge(wait, waits[i] * 3 / 4);
		ck_assert_int_le(wait, waits[i] * 5 / 4);
		first = i == 0 ? wait : first;
		throttle(at + 1, TIME_NONE); /* out already: nothing new */
		call_at(HUB_ANSWERED, 200, at + 2);
		read_at(HUB_ANSWERED, 200, at + 2); /* a read does not open it */
		ck_assert_int_eq(gate_next_at(&gate), at + wait);
		ck_assert(!gate_wants_probe(&gate, at + wait));
		gate_run(&gate, at + wait - 1);
		ck_reason(THROTTLED);
		at += wait;
		gate_run(&gate, at);
		ck_reason(OPEN);
	}
	call_at(HUB_ANSWERED, 200, at); /* success: from the beginning */
	throttle(at, TIME_NONE);
	ck_assert_int_le(gate_next_at(&gate) - at, 12500);
	open_gate(); /* same seed, same luck */
	throttle(NOW, TIME_NONE);
	ck_assert_int_eq(gate_next_at(&gate) - NOW, first);
}
END_TEST

START_TEST(test_longer_retry_after_is_heeded)
{
	open_gate();
	throttle(NOW, 45000);
	ck_assert_int_eq(gate_next_at(&gate), NOW + 45000);
	throttle(NOW + 1000, 60000);
	ck_assert_int_eq(gate_next_at(&gate), NOW + 61000);
	throttle(NOW + 2000, 1000);
	ck_assert_int_eq(gate_next_at(&gate), NOW + 61000);
	throttle(NOW + 2000, 100 * DAY);
	ck_assert_int_eq(gate_next_at(&gate), NOW + 2000 + 3600000);
}
END_TEST

START_TEST(test_429_to_a_read_leaves_the_gate_open_and_to_a_probe_shut)
{
	open_gate();
	read_at(HUB_THROTTLED, 429, NOW);
	ck_reason(OPEN);
	gate_init(&gate, 5, 1, NOW);
	probe_at(HUB_THROTTLED, 429, NOW);
	ck_reason(STARTING);
	ck_assert_int_eq(gate_next_at(&gate), NOW + 1000);
}
END_TEST

START_TEST(test_quota_waits_for_midnight_by_the_hubs_clock)
{
	struct hub_answer a = fake_answer(HUB_QUOTA, 403);
	int64_t until;

	open_gate();
	gate_on_call(&gate, &a, NOW, NOW + 1800000); /* the hub says 10:30 */
	ck_reason(QUOTA);
	until = gate_next_at(&gate);
	ck_assert_int_ge(until, NOW + 13 * 3600000LL + 1800000);
	ck_assert_int_le(until, NOW + 13 * 3600000LL + 1800000 + 60000);
	gate_on_call(&gate, &a, NOW + 5, NOW + 5);
	ck_assert_int_eq(gate_next_at(&gate), until);
	gate_run(&gate, until - 1);
	ck_reason(QUOTA);
	gate_run(&gate, until);
	ck_reason(OPEN);
}
END_TEST

START_TEST(test_quota_refused_just_after_midnight_does_not_cost_the_day)
{
	int64_t midnight = 19700 * DAY;

	gate_init(&gate, 5, 1, midnight);
	read_at(HUB_QUOTA, 403, midnight + 30000);
	ck_reason(QUOTA);
	ck_assert_int_ge(gate_next_at(&gate), midnight + 600000);
	ck_assert_int_le(gate_next_at(&gate), midnight + 660000);
}
END_TEST

START_TEST(test_only_stronger_reasons_replace)
{
	static const enum gate_reason ranks[] = {GATE_OPEN, GATE_THROTTLED,    GATE_STARTING, GATE_AMBIGUOUS,
	                                         GATE_DOWN, GATE_UNAUTHORISED, GATE_QUOTA};
	enum { N = sizeof ranks / sizeof *ranks };

	for (size_t first = 0; first < N; first++)
		for (size_t then = 1; then < N; then++) {
			if (ranks[then] == GATE_STARTING)
				continue; /* only ever at the start */
			if (ranks[first] == GATE_STARTING)
				gate_init(&gate, 1, 1, NOW);
			else
				open_gate();
			gate.ambiguous_max = 1;
			for (int i = 0; i < 2; i++) {
				enum gate_reason r = ranks[i == 0 ? first : then];

				if (r == GATE_THROTTLED)
					throttle(NOW, TIME_NONE);
				else if (r == GATE_AMBIGUOUS)
					call_at(HUB_AMBIGUOUS, 504, NOW);
				else if (r == GATE_DOWN)
					call_at(HUB_NOT_DELIVERED, 0, NOW);
				else if (r == GATE_UNAUTHORISED)
					call_at(HUB_TROUBLE, 401, NOW);
				else if (r == GATE_QUOTA)
					call_at(HUB_QUOTA, 403, NOW);
			}
			ck_assert_msg(gate.reason == ranks[first > then ? first : then],
			              "%s then %s gives %s", gate_reason_text(ranks[first]),
			              gate_reason_text(ranks[then]), gate_reason_text(gate.reason));
		}
}
END_TEST

START_TEST(test_clock_that_steps_back_does_not_lengthen_the_wait)
{
	int64_t wait;

	open_gate();
	throttle(NOW, 20000);
	gate_run(&gate, NOW - DAY);
	wait = gate_next_at(&gate) - (NOW - DAY);
	ck_assert_int_eq(wait, 20000);
	gate_run(&gate, NOW - DAY + wait);
	ck_reason(OPEN);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("gate");

	TESTS(s, "gate", test_at_start_a_probe_is_due_at_once_and_opens,
	      test_answered_gone_and_refused_reads_open,
	      test_failing_probes_wait_1_2_4_to_30_seconds_and_the_third_says_down,
	      test_ambiguous_answers_in_a_row_shut_until_a_read_works,
	      test_call_that_could_not_be_sent_shuts_and_403800_does_not,
	      test_one_failing_read_does_not_shut_and_three_in_a_row_do,
	      test_401_and_403_shut_at_once_with_probes_from_10_seconds,
	      test_credential_that_reads_but_may_not_call_is_tried_ever_more_rarely,
	      test_throttled_waits_10_20_40_60_seconds_give_or_take_a_quarter,
	      test_longer_retry_after_is_heeded, test_429_to_a_read_leaves_the_gate_open_and_to_a_probe_shut,
	      test_quota_waits_for_midnight_by_the_hubs_clock,
	      test_quota_refused_just_after_midnight_does_not_cost_the_day,
	      test_only_stronger_reasons_replace, test_clock_that_steps_back_does_not_lengthen_the_wait);
	return suite_run(s);
}
