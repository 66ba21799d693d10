/* tests: server/track: lag */
#include "tests/lib/suite.h"

#include "server/base/clock.h"
#include "server/hub/reading.h"
#include "server/track/lag.h"

#define NOW 1700000000000

static struct lag lag;

START_TEST(test_an_answer_without_a_change_is_as_old_as_the_change_at_least)
{
	lag_init(&lag, NOW);
	ck_assert_int_eq(lag_seen_ms(&lag, NOW), TIME_NONE);
	lag_saw(&lag, NOW, NOW - 5000, TIME_NONE);
	ck_assert_int_eq(lag_seen_ms(&lag, NOW), 0);
	lag_saw(&lag, NOW, NOW - 5000, NOW - 2000);
	ck_assert_int_eq(lag_seen_ms(&lag, NOW), 3000);
	lag_saw(&lag, NOW, NOW - 1000, NOW - 2000); /* asked before the change */
	ck_assert_int_eq(lag_seen_ms(&lag, NOW), 3000);
}
END_TEST

START_TEST(test_an_old_answer_is_told_for_half_an_hour_to_an_hour)
{
	lag_init(&lag, NOW);
	lag_saw(&lag, NOW, NOW - 5000, NOW - 2000);
	lag_saw(&lag, NOW + LAG_KEPT_MS, NOW, TIME_NONE);
	ck_assert_int_eq(lag_seen_ms(&lag, NOW + LAG_KEPT_MS), 3000);
	ck_assert_int_eq(lag_seen_ms(&lag, NOW + 2 * LAG_KEPT_MS - 1), 3000);
	ck_assert_int_eq(lag_seen_ms(&lag, NOW + 2 * LAG_KEPT_MS), 0);
	ck_assert_int_eq(lag_seen_ms(&lag, NOW + 3 * LAG_KEPT_MS), TIME_NONE);
	lag_saw(&lag, NOW + 10 * LAG_KEPT_MS, NOW, TIME_NONE);
	ck_assert_int_eq(lag_seen_ms(&lag, NOW + 10 * LAG_KEPT_MS), 0);
}
END_TEST

START_TEST(test_a_row_changed_when_the_first_of_its_values_after_the_call_did)
{
	struct reading row = {.value.at_ms = NOW + 10, .boot.at_ms = NOW + 5};

	ck_assert_int_eq(lag_changed_at(&row, NOW), NOW + 5);
	ck_assert_int_eq(lag_changed_at(&row, NOW + 6), NOW + 10);
	ck_assert_int_eq(lag_changed_at(&row, NOW + 11), TIME_NONE);
	row.value.at_ms = row.boot.at_ms = TIME_NONE;
	ck_assert_int_eq(lag_changed_at(&row, NOW), TIME_NONE);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lag");

	TESTS(s, "lag", test_an_answer_without_a_change_is_as_old_as_the_change_at_least,
	      test_an_old_answer_is_told_for_half_an_hour_to_an_hour,
	      test_a_row_changed_when_the_first_of_its_values_after_the_call_did);
	return suite_run(s);
}
