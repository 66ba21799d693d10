/* tests: server/campaign/baseline */
#include "tests/lib/suite.h"

#include <string.h>

#include "server/campaign/baseline.h"

static void assert_kept(const struct baseline *b, const struct baseline *expected)
{
	struct small_baseline small;
	struct baseline back;

	baseline_pack(b, &small);
	ck_assert_uint_eq(baseline_source(&small), b->source);
	ck_assert_int_eq(baseline_has_value(&small), b->has_value);
	baseline_unpack(&small, &back);
	ck_assert_uint_eq(back.value_hash, expected->value_hash);
	ck_assert_uint_eq(back.boot_hash, expected->boot_hash);
	ck_assert_uint_eq(back.version, expected->version);
	ck_assert_int_eq(back.value_at_ms, expected->value_at_ms);
	ck_assert_int_eq(back.taken_at_ms, expected->taken_at_ms);
	ck_assert_uint_eq(back.source, expected->source);
	ck_assert_int_eq(back.has_value, expected->has_value);
	ck_assert_int_eq(back.has_boot, expected->has_boot);
	ck_assert_int_eq(back.success_held, expected->success_held);
	ck_assert_int_eq(back.was_up, expected->was_up);
}

START_TEST(test_all_of_a_baseline_comes_back)
{
	static const int64_t times[] = {TIME_NONE, 0, -1, -62135596800000, 1715678000123, 218000000000000};
	static const uint64_t versions[] = {0, 1, 255, 256, (UINT64_C(1) << 48) - 1};

	for (unsigned flags = 0; flags < 16; flags++)
		for (size_t i = 0; i < sizeof times / sizeof *times; i++)
			for (size_t j = 0; j < sizeof versions / sizeof *versions; j++) {
				struct baseline b = {.value_hash = 0x123456789abcdef0,
				                     .boot_hash = 0xfedcba9876543210,
				                     .version = versions[j],
				                     .value_at_ms = times[i],
				                     .taken_at_ms =
				                             times[(i + 1) % (sizeof times / sizeof *times)],
				                     .source = (uint8_t)(flags % 4),
				                     .has_value = (flags & 1) != 0,
				                     .has_boot = (flags & 2) != 0,
				                     .success_held = (flags & 4) != 0,
				                     .was_up = (flags & 8) != 0};

				assert_kept(&b, &b);
			}
}
END_TEST

START_TEST(test_what_no_twin_has_is_kept_as_the_nearest)
{
	struct baseline b = {.version = UINT64_MAX, .value_at_ms = INT64_MAX, .taken_at_ms = -62135596800001},
	                nearest = {.version = (UINT64_C(1) << 48) - 1,
	                           .value_at_ms = -62135596800000 + ((INT64_C(1) << 48) - 2),
	                           .taken_at_ms = -62135596800000};

	assert_kept(&b, &nearest);
	b.value_at_ms = nearest.value_at_ms + 1; /* what stands for no time */
	assert_kept(&b, &nearest);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("baseline");

	TESTS(s, "baseline", test_all_of_a_baseline_comes_back, test_what_no_twin_has_is_kept_as_the_nearest);
	return suite_run(s);
}
