/* tests: server/dispatch: bucket, backoff */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/rng.h"
#include "server/dispatch/backoff.h"
#include "server/dispatch/bucket.h"
#include "server/dispatch/meter.h"

#define NOW 1700000000000

START_TEST(test_bucket_without_limit_always_has_tokens)
{
	struct bucket b;

	bucket_init(&b, 0, 1);
	for (int i = 0; i < 1000; i++) {
		ck_assert_uint_eq(bucket_tokens(&b, NOW), UINT32_MAX);
		bucket_take(&b, 1, NOW);
	}
	ck_assert_int_eq(bucket_next_at(&b, NOW), NOW);
}
END_TEST

START_TEST(test_a_new_bucket_is_full_whatever_its_memory_held)
{
	struct bucket b;

	memset(&b, 0x55, sizeof b);
	bucket_init(&b, 60, 5);
	ck_assert_uint_eq(bucket_tokens(&b, NOW), 5);
	bucket_take(&b, 2, NOW);
	bucket_run(&b, NOW);
	ck_assert_uint_eq(bucket_tokens(&b, NOW), 3);
}
END_TEST

START_TEST(test_tokens_come_back_one_by_one_to_the_millisecond)
{
	struct bucket b;

	bucket_init(&b, 2400, 40); /* S1: 40 a second, one each 25 ms */
	ck_assert_uint_eq(bucket_tokens(&b, NOW), 40);
	bucket_take(&b, 40, NOW);
	ck_assert_uint_eq(bucket_tokens(&b, NOW), 0);
	ck_assert_int_eq(bucket_next_at(&b, NOW), NOW + 25);
	ck_assert_uint_eq(bucket_tokens(&b, NOW + 24), 0);
	ck_assert_uint_eq(bucket_tokens(&b, NOW + 25), 1);
	ck_assert_int_eq(bucket_next_at(&b, NOW + 26), NOW + 26);
	ck_assert_uint_eq(bucket_tokens(&b, NOW + 999), 39);
	ck_assert_uint_eq(bucket_tokens(&b, NOW + 1000), 40);
	ck_assert_uint_eq(bucket_tokens(&b, NOW + 100000), 40);
}
END_TEST

START_TEST(test_interval_that_is_no_whole_number_is_rounded_up)
{
	struct bucket b;

	bucket_init(&b, 7, 1); /* 8571428.57 µs */
	ck_assert_int_eq(b.interval_us, 8571429);
	bucket_take(&b, 1, NOW);
	ck_assert_int_eq(bucket_next_at(&b, NOW), NOW + 8572);
	ck_assert_uint_eq(bucket_tokens(&b, NOW + 8571), 0);
	ck_assert_uint_eq(bucket_tokens(&b, NOW + 8572), 1);
}
END_TEST

START_TEST(test_an_interval_is_the_shortest_that_keeps_the_rate)
{
	struct bucket b;

	for (uint64_t per_minute = 1; per_minute <= 10000; per_minute++) {
		bucket_init(&b, per_minute, 1);
		ck_assert_uint_ge((uint64_t)b.interval_us * per_minute, 60000000);
		ck_assert_uint_lt((uint64_t)(b.interval_us - 1) * per_minute, 60000000);
	}
	bucket_init(&b, 60000000, 1);
	ck_assert_int_eq(b.interval_us, 1);
	bucket_init(&b, UINT64_MAX, 1); /* no finer than a microsecond */
	ck_assert_int_eq(b.interval_us, 1);
}
END_TEST

START_TEST(test_a_limit_that_comes_over_a_bucket_without_finds_it_full)
{
	struct bucket b;

	bucket_init(&b, 0, 2);
	bucket_take(&b, 1, NOW);
	bucket_pace(&b, 60, NOW - 5000); /* the clock has stepped back since */
	ck_assert_uint_eq(bucket_tokens(&b, NOW - 5000), 2);
}
END_TEST

START_TEST(test_what_is_taken_beyond_the_tokens_is_owed)
{
	struct bucket b;

	bucket_init(&b, 60, 2);
	bucket_take(&b, 5, NOW);
	ck_assert_uint_eq(bucket_tokens(&b, NOW + 3999), 0);
	ck_assert_int_eq(bucket_next_at(&b, NOW), NOW + 4000);
	ck_assert_uint_eq(bucket_tokens(&b, NOW + 4000), 1);
}
END_TEST

START_TEST(test_clock_that_steps_back_neither_gives_nor_keeps_tokens)
{
	struct bucket b;

	bucket_init(&b, 60, 10);
	bucket_run(&b, NOW);
	bucket_take(&b, 8, NOW);
	ck_assert_uint_eq(bucket_tokens(&b, NOW - 3600000), 0);
	bucket_run(&b, NOW - 3600000);
	ck_assert_uint_eq(bucket_tokens(&b, NOW - 3600000), 2);
	ck_assert_uint_eq(bucket_tokens(&b, NOW - 3600000 + 8000), 10);
}
END_TEST

START_TEST(test_a_bucket_that_is_full_stays_so_when_the_clock_steps_back)
{
	struct bucket b;

	bucket_init(&b, 60, 10);
	bucket_run(&b, NOW);
	bucket_run(&b, NOW - 3600000);
	ck_assert_uint_eq(bucket_tokens(&b, NOW - 3600000), 10);
	bucket_take(&b, 1, NOW - 3600000);
	ck_assert_uint_eq(bucket_tokens(&b, NOW - 3600000), 9);
}
END_TEST

START_TEST(test_time_that_passes_gives_tokens_back_and_no_more_than_there_is_room_for)
{
	struct bucket b;

	bucket_init(&b, 60, 10);
	bucket_run(&b, NOW);
	bucket_take(&b, 8, NOW);
	bucket_run(&b, NOW + 8000);
	ck_assert_uint_eq(bucket_tokens(&b, NOW + 8000), 10);
	bucket_take(&b, 10, NOW + 3600000); /* an idle hour later */
	ck_assert_uint_eq(bucket_tokens(&b, NOW + 3600000), 0);
}
END_TEST

START_TEST(test_no_span_of_time_sees_more_than_burst_and_rate)
{
	uint64_t seed = 20240514;
	struct rng rng;

	rng_seed(&rng, seed);
	for (int run = 0; run < 200; run++) {
		uint64_t per_minute = 1 + rng_below(&rng, 100000);
		uint32_t burst = 1 + (uint32_t)rng_below(&rng, 50);
		int64_t at = NOW;
		uint64_t taken = 0;
		struct bucket b;

		bucket_init(&b, per_minute, burst);
		for (int i = 0; i < 300; i++) {
			uint32_t there = bucket_tokens(&b, at);

			if (there > 0) {
				uint32_t n = 1 + (uint32_t)rng_below(&rng, there);

				bucket_take(&b, n, at);
				taken += n;
			}
			ck_assert_msg(taken <= burst + per_minute * (uint64_t)(at - NOW) / 60000,
			              "seed %llu run %d: %llu of %llu/min, burst %u, in %lld ms",
			              (unsigned long long)seed, run, (unsigned long long)taken,
			              (unsigned long long)per_minute, burst, (long long)(at - NOW));
			if (rng_below(&rng, 2) == 0) {
				int64_t next = bucket_next_at(&b, at);

				ck_assert(next == at || bucket_tokens(&b, next - 1) == 0);
				ck_assert_uint_ge(bucket_tokens(&b, next), 1);
				at = next;
			} else {
				at += (int64_t)rng_below(&rng, 100);
			}
		}
	}
}
END_TEST

START_TEST(test_another_pace_keeps_the_tokens_there_are)
{
	struct bucket b;

	bucket_init(&b, 600, 10); /* one each 100 ms */
	bucket_take(&b, 8, NOW);
	bucket_pace(&b, 60, NOW);
	ck_assert_uint_eq(bucket_tokens(&b, NOW), 2);
	ck_assert_uint_eq(bucket_tokens(&b, NOW + 999), 2);
	ck_assert_uint_eq(bucket_tokens(&b, NOW + 1000), 3);
	bucket_pace(&b, 0, NOW + 1000);
	ck_assert_uint_eq(bucket_tokens(&b, NOW + 1000), UINT32_MAX);
	bucket_take(&b, 1000, NOW + 1000);
	bucket_pace(&b, 60, NOW + 2000);
	ck_assert_uint_eq(bucket_tokens(&b, NOW + 2000), 10);
}
END_TEST

START_TEST(test_messages_are_counted_in_chunks_begun)
{
	ck_assert_uint_eq(meter_messages(0, 4096), 1);
	ck_assert_uint_eq(meter_messages(4096, 4096), 1);
	ck_assert_uint_eq(meter_messages(4097, 4096), 2);
	ck_assert_uint_eq(meter_messages(4097, 512), 9);
}
END_TEST

START_TEST(test_backoff_doubles_up_to_its_end_and_heeds_longer_wishes)
{
	ck_assert_int_eq(backoff_ms(10000, 60000, 0), 10000);
	ck_assert_int_eq(backoff_ms(10000, 60000, 2), 40000);
	ck_assert_int_eq(backoff_ms(10000, 60000, 3), 60000);
	ck_assert_int_eq(backoff_ms(1000, 30000, UINT32_MAX), 30000);
	ck_assert_int_eq(backoff_heed(10000, TIME_NONE), 10000);
	ck_assert_int_eq(backoff_heed(10000, 9999), 10000);
	ck_assert_int_eq(backoff_heed(10000, 120000), 120000);
	ck_assert_int_eq(backoff_heed(10000, INT64_MAX), 3600000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("bucket");

	TESTS(s, "bucket", test_bucket_without_limit_always_has_tokens,
	      test_tokens_come_back_one_by_one_to_the_millisecond,
	      test_a_new_bucket_is_full_whatever_its_memory_held,
	      test_interval_that_is_no_whole_number_is_rounded_up,
	      test_an_interval_is_the_shortest_that_keeps_the_rate,
	      test_a_limit_that_comes_over_a_bucket_without_finds_it_full,
	      test_what_is_taken_beyond_the_tokens_is_owed,
	      test_clock_that_steps_back_neither_gives_nor_keeps_tokens,
	      test_time_that_passes_gives_tokens_back_and_no_more_than_there_is_room_for,
	      test_a_bucket_that_is_full_stays_so_when_the_clock_steps_back,
	      test_no_span_of_time_sees_more_than_burst_and_rate,
	      test_another_pace_keeps_the_tokens_there_are, test_messages_are_counted_in_chunks_begun,
	      test_backoff_doubles_up_to_its_end_and_heeds_longer_wishes);
	return suite_run(s);
}
