/* tests: server/track: due */
#include "tests/lib/suite.h"

#include "server/base/clock.h"
#include "server/track/due.h"

#define NOW 1700000000000

static struct due due;
static struct due_entry e[1000];

static void watch_n(size_t from, size_t n, uint32_t campaign, int64_t now)
{
	for (size_t i = from; i < from + n; i++)
		due_add(&due, &e[i], campaign, true, now);
}

static void end(size_t from, size_t n)
{
	for (size_t i = from; i < from + n; i++)
		due_remove(&due, &e[i]);
}

START_TEST(test_campaigns_take_turns_each_in_its_order)
{
	due_init(&due, 10000);
	ck_assert_int_eq(due_at(&due, DUE_ANY), TIME_NEVER);
	ck_assert_ptr_null(due_next(&due, DUE_ANY, NOW));
	watch_n(0, 3, 1, NOW);
	watch_n(3, 1, 2, NOW + 1);
	ck_assert_int_eq(due_at(&due, DUE_ANY), NOW + 5000);
	ck_assert_uint_eq(due_count(&due, DUE_ANY, NOW + 4999, 100), 0);
	ck_assert_uint_eq(due_count(&due, DUE_ANY, NOW + 5000, 100), 3);
	ck_assert_uint_eq(due_count(&due, DUE_ANY, NOW + 5001, 100), 4);
	ck_assert_uint_eq(due_count(&due, DUE_ANY, NOW + 5001, 2), 2);
	for (size_t i = 0; i < 4; i++) {
		static const size_t order[] = {0, 3, 1, 2};

		ck_assert_ptr_eq(due_next(&due, DUE_ANY, NOW + 5001), &e[order[i]]);
		due_asked(&due, &e[order[i]], NOW + 5001);
	}
	ck_assert_ptr_null(due_next(&due, DUE_ANY, NOW + 5001));
	ck_assert_int_eq(due_at(&due, DUE_ANY), NOW + 5001 + 10000);
	ck_assert_int_eq(due_at(&due, DUE_FIRST), TIME_NEVER);
	ck_assert_uint_eq(due_count(&due, DUE_AGAIN, NOW + 15001, 100), 4);
	end(0, 4);
	due_done(&due);
}
END_TEST

START_TEST(test_an_eighth_of_its_time_passes_unseen_at_most_until_a_cap)
{
	int64_t now = NOW + 5000, next = 0;

	due_init(&due, 10000);
	watch_n(0, 1, 1, NOW);
	for (unsigned i = 0; i < 100; i++) {
		due_asked(&due, &e[0], now);
		next = due_at(&due, DUE_AGAIN);
		ck_assert_int_ge(next - now, 10000);
		ck_assert_int_le(next - now, 640000);
		if (now - NOW < 640000 * 8) /* as seldom as that, and no seldomer than double */
			ck_assert_int_ge(next - now, (now - NOW) / 8);
		ck_assert(next - now == 10000 || next - now < (now - NOW) / 4);
		now = next;
	}
	ck_assert_int_eq(due_at(&due, DUE_AGAIN), next);
	end(0, 1);
	due_done(&due);
}
END_TEST

/* Runs waves of targets that are all proven act_ms after they are watched; gives the first time learnt, and
 * how many asks each took. */
static int64_t learn_from(int64_t act_ms, double *ret_asks)
{
	uint64_t asks = 0, proven = 0;
	int64_t first;

	due_init(&due, 5000);
	for (int64_t now = 0; now < 3000 * 1000; now += 100) {
		size_t slot = (size_t)(now / 100 % 1000);

		for (struct due_entry *x; (x = due_next(&due, DUE_ANY, now)) != NULL;) {
			bool is_proven = now - x->watched_at_ms >= act_ms;

			due_asked(&due, x, now);
			asks++;
			if (!is_proven)
				continue;
			proven++;
			due_remove(&due, x);
			x->line = NULL;
		}
		if (e[slot].line == NULL)
			due_add(&due, &e[slot], 1, true, now);
	}
	first = due.first_ms;
	for (size_t i = 0; i < 1000; i++) {
		if (e[i].line != NULL)
			due_remove(&due, &e[i]);
		e[i].line = NULL;
	}
	due_done(&due);
	*ret_asks = (double)asks / (double)proven;
	return first;
}

START_TEST(test_the_first_ask_follows_the_time_that_devices_take)
{
	double asks;

	ck_assert_int_eq(learn_from(50, &asks), 1000); /* not at once, though */
	ck_assert_double_le(asks, 1.01);
	ck_assert_int_ge(learn_from(30000, &asks), 27000);
	ck_assert_double_le(asks, 2);
	ck_assert_int_le(learn_from(30000, &asks), 36000);
}
END_TEST

START_TEST(test_what_many_say_at_once_is_no_surer_than_what_one_says)
{
	due_init(&due, 5000);
	watch_n(0, 1000, 1, NOW);
	for (size_t i = 0; i < 1000; i++)
		due_asked(&due, &e[i], NOW + 2500);
	for (size_t i = 0; i < 1000; i++)
		due_asked(&due, &e[i], NOW + 7500);
	ck_assert_int_eq(due.first_ms, 7500);
	end(0, 1000);
	watch_n(0, 1000, 1, NOW);
	for (size_t i = 0; i < 1000; i++)
		due_asked(&due, &e[i], NOW + 8000);
	end(0, 1000);
	ck_assert_int_eq(due.first_ms, 7000);
	due_done(&due);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("due");

	TESTS(s, "due", test_campaigns_take_turns_each_in_its_order,
	      test_an_eighth_of_its_time_passes_unseen_at_most_until_a_cap,
	      test_the_first_ask_follows_the_time_that_devices_take,
	      test_what_many_say_at_once_is_no_surer_than_what_one_says);
	return suite_run(s);
}
