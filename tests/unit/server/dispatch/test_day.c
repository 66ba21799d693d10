/* tests: server/dispatch: day */
#include "tests/lib/suite.h"

#include "server/dispatch/day.h"

#define DAY_MS INT64_C(86400000)
#define NOON (20000 * DAY_MS + DAY_MS / 2)

static struct day day;

START_TEST(test_calls_stop_while_there_is_enough_to_follow_those_made)
{
	day_init(&day, 100, NOON);
	day_spend(&day, 90);
	ck_assert(!day_is_spent(&day, 3)); /* 90, 6 for the three, 4 for one more and its end */
	day_spend(&day, 1);
	ck_assert(day_is_spent(&day, 3));
	ck_assert(day_is_spent(&day, 0)); /* no back and forth */
	day_run(&day, NOON + DAY_MS / 2 - 1);
	ck_assert(day_is_spent(&day, 0));
	ck_assert_int_eq(day_left_ms(NOON + DAY_MS / 2 - 1), 1);
	day_run(&day, NOON + DAY_MS / 2);
	ck_assert(!day_is_spent(&day, 3));
	ck_assert_uint_eq(day.messages, 0);
}
END_TEST

START_TEST(test_a_day_is_short_from_four_fifths_on)
{
	day_init(&day, 400000, NOON);
	day_spend(&day, 319999);
	ck_assert(!day_is_short(&day));
	day_spend(&day, 1);
	ck_assert(day_is_short(&day));
	ck_assert(!day_is_spent(&day, 1000));
}
END_TEST

START_TEST(test_without_a_limit_it_only_counts)
{
	day_init(&day, 0, NOON);
	day_spend(&day, UINT32_MAX);
	ck_assert(!day_is_short(&day));
	ck_assert(!day_is_spent(&day, 1000000));
	ck_assert_uint_eq(day.messages, UINT32_MAX);
}
END_TEST

START_TEST(test_what_was_spent_before_a_restart_counts_on_that_day_only)
{
	day_init(&day, 100, NOON);
	day_resume(&day, 19999, 100);
	ck_assert(!day_is_spent(&day, 0));
	day_resume(&day, 20000, 97);
	ck_assert(day_is_spent(&day, 0));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("day");

	TESTS(s, "day", test_calls_stop_while_there_is_enough_to_follow_those_made,
	      test_a_day_is_short_from_four_fifths_on, test_without_a_limit_it_only_counts,
	      test_what_was_spent_before_a_restart_counts_on_that_day_only);
	return suite_run(s);
}
