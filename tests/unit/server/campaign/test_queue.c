/* tests: server/campaign/queue */
#include "tests/lib/suite.h"

#include <stdlib.h>

#include "server/base/clock.h"
#include "server/base/rng.h"
#include "server/campaign/queue.h"

START_TEST(test_numbers_come_out_as_they_went_in_but_for_who_jumps_the_queue)
{
	struct numbers q = {0};

	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < 100; i++)
			numbers_push(&q, i);
		numbers_push_front(&q, 1000);
		numbers_push_front(&q, 1001);
		ck_assert_uint_eq(numbers_pop(&q), 1001);
		ck_assert_uint_eq(numbers_pop(&q), 1000);
		for (uint32_t i = 0; i < 100; i++)
			ck_assert_uint_eq(numbers_pop(&q), i);
		ck_assert_uint_eq(q.n, 0);
	}
	numbers_push_front(&q, 5); /* at the very start of the ring */
	ck_assert_uint_eq(numbers_pop(&q), 5);
	numbers_done(&q);
	numbers_push_front(&q, 6);
	ck_assert_uint_eq(numbers_pop(&q), 6);
	numbers_done(&q);
}
END_TEST

START_TEST(test_alarms_ring_in_order_of_time)
{
	struct alarms a = {0};
	struct rng rng;
	int64_t last_ms = 0, at_ms[500];
	uint64_t who;
	bool has_rung[500] = {false};

	ck_assert_int_eq(alarms_next_at(&a), TIME_NEVER);
	ck_assert(!alarms_pop(&a, TIME_NEVER, &who));
	rng_seed(&rng, 4711);
	for (uint64_t i = 0; i < 500; i++) {
		at_ms[i] = (int64_t)rng_below(&rng, 200);
		alarms_add(&a, at_ms[i], i);
	}
	while (alarms_next_at(&a) != TIME_NEVER) {
		int64_t next_ms = alarms_next_at(&a);

		ck_assert(!alarms_pop(&a, next_ms - 1, &who));
		ck_assert(alarms_pop(&a, next_ms, &who));
		ck_assert_int_eq(at_ms[who], next_ms);
		ck_assert_int_ge(next_ms, last_ms);
		ck_assert(!has_rung[who]);
		has_rung[who] = true;
		last_ms = next_ms;
	}
	for (unsigned i = 0; i < 500; i++)
		ck_assert(has_rung[i]);
	alarms_done(&a);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("campaign-queue");

	TESTS(s, "queue", test_numbers_come_out_as_they_went_in_but_for_who_jumps_the_queue,
	      test_alarms_ring_in_order_of_time);
	return suite_run(s);
}
