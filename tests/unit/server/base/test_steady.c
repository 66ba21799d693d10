/* tests/unit: a clock for time-outs, while the one on the wall is set. */
#include "server/base/steady.h"
#include "tests/lib/suite.h"

#define HOUR_MS INT64_C(3600000)
#define WALL INT64_C(1764547200000)

START_TEST(test_it_is_the_clock_on_the_wall_while_nobody_sets_it)
{
	struct steady s = {0};

	for (int64_t t = 0; t < 10 * HOUR_MS; t += 997) /* which drifts by a second each hour */
		ck_assert_int_eq(steady_read(&s, WALL + t + t / 3600, t), WALL + t + t / 3600);
}
END_TEST

START_TEST(test_it_stands_while_the_clock_goes_back_a_little)
{
	struct steady s = {0};

	ck_assert_int_eq(steady_read(&s, WALL, 0), WALL);
	ck_assert_int_eq(steady_read(&s, WALL - 400, 100), WALL);
	ck_assert_int_eq(steady_read(&s, WALL + 1, 500), WALL + 1);
}
END_TEST

/* Set by so much; then hours of readings. */
static void check_step(int64_t by_ms, int64_t every_ms)
{
	struct steady s = {0};
	int64_t last_ms = steady_read(&s, WALL, 0), first_ms = last_ms;

	for (int64_t t = every_ms; t < 8 * HOUR_MS; t += every_ms) {
		int64_t now_ms = steady_read(&s, WALL + t + by_ms, t), off_ms = now_ms - first_ms - t;

		if (by_ms < 0)
			off_ms = -off_ms;
		/* Millions of times, where ck_assert would tell its parent of each. */
		if (now_ms < last_ms || off_ms < 0 || off_ms > t / 100)
			ck_abort_msg("%lld ms off after %lld, %lld since the reading before",
			             (long long)off_ms, (long long)t, (long long)(now_ms - last_ms));
		last_ms = now_ms;
	}
	/* At least half of what a hundredth makes up. */
	ck_assert_int_ge(by_ms > 0 ? last_ms - first_ms - 8 * HOUR_MS : 8 * HOUR_MS - (last_ms - first_ms),
	                 4 * HOUR_MS / 100 - every_ms);
}

START_TEST(test_a_step_is_made_up_by_a_hundredth)
{
	check_step(HOUR_MS, 1000);
	check_step(-HOUR_MS, 1000);
	check_step(HOUR_MS, 7);
	check_step(-HOUR_MS, 7);
	check_step(24 * HOUR_MS, 60000);
}
END_TEST

START_TEST(test_the_last_second_of_a_step_is_made_up_like_the_rest)
{
	for (int64_t by_ms = -3000; by_ms <= 3000; by_ms += 6000) {
		struct steady s = {0};
		int64_t now_ms = steady_read(&s, WALL, 0);

		for (int64_t t = 100; t <= 310000; t += 100) {
			int64_t before_ms = now_ms;

			now_ms = steady_read(&s, WALL + t + by_ms, t);
			ck_assert_int_ge(now_ms - before_ms, 99);
			ck_assert_int_le(now_ms - before_ms, 101);
		}
		ck_assert_int_eq(now_ms, WALL + 310000 + by_ms);
	}
}
END_TEST

START_TEST(test_no_more_is_made_up_than_there_is)
{
	for (int64_t by_ms = -1500; by_ms <= 1500; by_ms += 3000) {
		struct steady s = {0};

		ck_assert_int_eq(steady_read(&s, WALL, 0), WALL);
		ck_assert_int_eq(steady_read(&s, WALL + HOUR_MS + by_ms, HOUR_MS), WALL + HOUR_MS + by_ms);
	}
}
END_TEST

START_TEST(test_it_goes_on_at_once_from_where_it_is_set)
{
	struct steady s = {0};

	ck_assert_int_eq(steady_read(&s, WALL, 0), WALL);
	steady_set(&s, WALL - HOUR_MS, 1000);
	ck_assert_int_eq(steady_read(&s, WALL - HOUR_MS + 5, 1005), WALL - HOUR_MS + 5);
}
END_TEST

START_TEST(test_where_it_was_set_less_than_a_step_away_that_is_made_up_slowly_too)
{
	struct steady s = {0};

	steady_set(&s, WALL - 900, 0);
	ck_assert_int_eq(steady_read(&s, WALL + 50, 50), WALL - 850);
	ck_assert_int_eq(steady_read(&s, WALL + 1000, 1000), WALL + 110);
	for (int64_t t = 2000; t <= 91000; t += 1000)
		(void)steady_read(&s, WALL + t, t);
	ck_assert_int_eq(steady_read(&s, WALL + 91001, 91001), WALL + 91001);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base-steady");

	TESTS(s, "steady", test_it_is_the_clock_on_the_wall_while_nobody_sets_it,
	      test_it_stands_while_the_clock_goes_back_a_little, test_a_step_is_made_up_by_a_hundredth,
	      test_the_last_second_of_a_step_is_made_up_like_the_rest, test_no_more_is_made_up_than_there_is,
	      test_it_goes_on_at_once_from_where_it_is_set,
	      test_where_it_was_set_less_than_a_step_away_that_is_made_up_slowly_too);
	return suite_run(s);
}
