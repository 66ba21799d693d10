/* tests: server/campaign/hold */
#include "tests/lib/suite.h"

#include "server/base/clock.h"
#include "server/campaign/hold.h"

static uint32_t freed[8], freed_n;

static void on_freed(void *arg, uint32_t campaign, uint32_t no)
{
	ck_assert_ptr_eq(arg, freed);
	freed[freed_n++] = campaign * 100 + no;
}

START_TEST(test_a_device_is_its_hub_and_its_id)
{
	struct holds *h = holds_new();

	ck_assert(!holds_any(h));
	ck_assert_ptr_null(hold_find(h, 0, "a"));
	ck_assert_uint_eq(hold_take(h, 0, "a", 7, 3)->campaign, 7);
	ck_assert(holds_any(h));
	ck_assert_ptr_null(hold_find(h, 1, "a"));
	ck_assert_ptr_null(hold_find(h, 0, "A"));
	ck_assert_ptr_null(hold_find(h, 0, ""));
	ck_assert_ptr_null(hold_find(h, 0, "aa"));
	ck_assert_uint_eq(hold_find(h, 0, "a")->no, 3);
	ck_assert_int_eq(hold_find(h, 0, "a")->until_ms, TIME_NEVER);
	ck_assert_int_eq(holds_next_at(h), TIME_NEVER);
	holds_free(h);
	holds_free(NULL);
}
END_TEST

START_TEST(test_a_release_tells_who_waited_in_order)
{
	struct holds *h = holds_new();

	hold_take(h, 0, "a", 1, 0);
	hold_wait(h, 0, "a", 2, 5);
	hold_wait(h, 0, "a", 3, 6);
	hold_release(h, 0, "a", on_freed, freed);
	ck_assert_uint_eq(freed_n, 2);
	ck_assert_uint_eq(freed[0], 205);
	ck_assert_uint_eq(freed[1], 306);
	ck_assert_ptr_null(hold_find(h, 0, "a"));
	hold_release(h, 0, "a", on_freed, freed);
	ck_assert_uint_eq(freed_n, 2);
	holds_free(h);
}
END_TEST

START_TEST(test_timed_holds_end_each_at_its_time)
{
	static const char *const ids[] = {"a", "b", "c"};
	static const int64_t until_ms[] = {300, 100, 200};
	struct holds *h = holds_new();
	struct holder holder;

	for (uint32_t i = 0; i < 3; i++) {
		hold_take(h, 0, ids[i], 1, i);
		hold_until(h, 0, ids[i], until_ms[i]);
	}
	hold_wait(h, 0, "b", 2, 9);
	ck_assert_int_eq(holds_next_at(h), 100);
	ck_assert(!hold_expire(h, 99, &holder, on_freed, freed));
	ck_assert(hold_expire(h, 100, &holder, on_freed, freed));
	ck_assert_uint_eq(holder.no, 1);
	ck_assert_uint_eq(freed_n, 1);
	ck_assert_uint_eq(freed[0], 209);
	ck_assert(!hold_expire(h, 199, &holder, on_freed, freed));
	ck_assert(hold_expire(h, 1000, &holder, on_freed, freed));
	ck_assert_uint_eq(holder.no, 2);
	ck_assert_int_eq(hold_find(h, 0, "a")->until_ms, 300);
	holds_free(h); /* with one still held */
}
END_TEST

int main(void)
{
	Suite *s = suite_create("campaign-hold");

	TESTS(s, "hold", test_a_device_is_its_hub_and_its_id, test_a_release_tells_who_waited_in_order,
	      test_timed_holds_end_each_at_its_time);
	return suite_run(s);
}
