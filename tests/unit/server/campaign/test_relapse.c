/* tests: server/campaign/relapse: what one reading after a proof means. */
#include "tests/lib/suite.h"

#include "server/base/clock.h"
#include "server/campaign/relapse.h"

#define FROM_MS 1000000
#define UNTIL_MS 2000000
#define TAKEN_MS 1100000 /* what it was when it had settled */

static struct relapse_row row;
static struct relapse_seen seen;
static int64_t down_at_ms;

/* A watch in its midst, over a device with a value and a boot id; and a point read that says the same again.
 */
static void begin(void)
{
	struct baseline after = {.source = SOURCE_READ,
	                         .has_value = true,
	                         .value_hash = 1,
	                         .value_at_ms = 900000,
	                         .has_boot = true,
	                         .boot_hash = 1,
	                         .taken_at_ms = TAKEN_MS};

	row = (struct relapse_row){
	        .from_ms = FROM_MS, .until_ms = UNTIL_MS, .after = after, .relapsed_at_ms = TIME_NONE};
	seen = (struct relapse_seen){.is_point_read = true,
	                             .asked_at_ms = 1500000,
	                             .is_there = true,
	                             .now = after,
	                             .boot_at_ms = TIME_NONE};
	down_at_ms = TIME_NONE;
}

static void expect(bool changes, enum relapse relapse, bool is_over)
{
	ck_assert(relapse_judge(&row, &down_at_ms, &seen) == changes);
	ck_assert_str_eq(relapse_text(row.relapse), relapse_text(relapse));
	ck_assert(row.is_over == is_over);
}

START_TEST(test_what_says_the_same_again_changes_nothing_until_the_end)
{
	begin();
	expect(false, RELAPSE_NONE, false);
	seen.asked_at_ms = UNTIL_MS - 1;
	expect(false, RELAPSE_NONE, false);
	seen.is_point_read = false;
	seen.asked_at_ms = UNTIL_MS;
	expect(false, RELAPSE_NONE, false);
	seen.is_point_read = true;
	expect(true, RELAPSE_NONE, true);
	expect(false, RELAPSE_NONE, true); /* it is over */
}
END_TEST

START_TEST(test_the_first_point_read_after_settling_says_what_it_was)
{
	begin();
	row.after = (struct baseline){.source = SOURCE_NONE};
	ck_assert_int_eq(relapse_next_ms(&row, TIME_NONE), FROM_MS);
	seen.is_point_read = false;
	expect(false, RELAPSE_NONE, false);
	seen.is_point_read = true;
	seen.asked_at_ms = FROM_MS - 1;
	expect(false, RELAPSE_NONE, false);
	seen.asked_at_ms = FROM_MS;
	expect(true, RELAPSE_NONE, false);
	ck_assert_uint_eq(row.after.value_hash, 1);
	ck_assert_int_eq(relapse_next_ms(&row, TIME_NONE), UNTIL_MS);
}
END_TEST

START_TEST(test_another_value_is_a_restart_if_it_was_written_since)
{
	static const struct {
		bool had_value, has_value, differs;
		int64_t at_ms;
		enum relapse relapse;
	} rows[] = {
	        {true, true, true, TAKEN_MS, RELAPSE_RESTARTED},
	        {true, true, true, TAKEN_MS - 1, RELAPSE_NONE}, /* before it had settled */
	        {true, true, true, 900000, RELAPSE_NONE},
	        {true, true, true, TIME_NONE, RELAPSE_NONE}, /* nobody knows when */
	        {true, true, false, TAKEN_MS, RELAPSE_NONE},
	        {true, false, true, TAKEN_MS, RELAPSE_NONE},
	        {false, true, false, TAKEN_MS, RELAPSE_RESTARTED}, /* it had none */
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		begin();
		row.after.has_value = rows[i].had_value;
		seen.now.has_value = rows[i].has_value;
		seen.now.value_hash += rows[i].differs;
		seen.now.value_at_ms = rows[i].at_ms;
		expect(rows[i].relapse != RELAPSE_NONE, rows[i].relapse, rows[i].relapse != RELAPSE_NONE);
	}
	begin(); /* as old as the one it is compared with: the same clock says so */
	row.after.value_at_ms = seen.now.value_at_ms = TAKEN_MS;
	seen.now.value_hash = 2;
	expect(false, RELAPSE_NONE, false);
}
END_TEST

START_TEST(test_another_boot_id_is_a_restart_if_it_is_not_an_older_one)
{
	static const struct {
		bool had_boot, has_boot, differs, is_point_read;
		int64_t at_ms;
		enum relapse relapse;
	} rows[] = {
	        {true, true, true, true, TIME_NONE, RELAPSE_RESTARTED},
	        {true, true, true, false, TIME_NONE, RELAPSE_NONE}, /* a row may be old */
	        {true, true, true, false, TAKEN_MS, RELAPSE_RESTARTED},
	        {true, true, true, true, TAKEN_MS - 1, RELAPSE_NONE},
	        {true, true, false, true, TIME_NONE, RELAPSE_NONE},
	        {true, false, true, true, TIME_NONE, RELAPSE_NONE},
	        {false, true, true, true, TIME_NONE, RELAPSE_NONE},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		begin();
		row.after.has_boot = rows[i].had_boot;
		seen.now.has_boot = rows[i].has_boot;
		seen.now.boot_hash += rows[i].differs;
		seen.is_point_read = rows[i].is_point_read;
		seen.boot_at_ms = rows[i].at_ms;
		expect(rows[i].relapse != RELAPSE_NONE, rows[i].relapse, rows[i].relapse != RELAPSE_NONE);
	}
}
END_TEST

START_TEST(test_a_predicate_that_holds_no_more_counts_in_a_point_read)
{
	begin();
	seen.is_undone = true;
	seen.is_point_read = false;
	expect(false, RELAPSE_NONE, false);
	seen.is_point_read = true;
	expect(true, RELAPSE_UNDONE, true);
}
END_TEST

START_TEST(test_who_is_down_for_long_enough_has_dropped)
{
	begin();
	seen.is_down = true;
	seen.is_point_read = false; /* a row says nothing of that */
	expect(false, RELAPSE_NONE, false);
	ck_assert_int_eq(down_at_ms, TIME_NONE);
	seen.is_point_read = true;
	expect(false, RELAPSE_NONE, false);
	ck_assert_int_eq(down_at_ms, 1500000);
	ck_assert_int_eq(relapse_next_ms(&row, down_at_ms), 1500000 + RELAPSE_DOWN_FOR_MS);
	seen.asked_at_ms = 1500000 + RELAPSE_DOWN_FOR_MS - 1;
	expect(false, RELAPSE_NONE, false);
	ck_assert_int_eq(down_at_ms, 1500000);
	seen.asked_at_ms++;
	expect(true, RELAPSE_DROPPED, true);
	begin();
	seen.is_down = true;
	expect(false, RELAPSE_NONE, false);
	seen.is_down = false;
	seen.is_up = true; /* it is back in time */
	seen.asked_at_ms = 1500000 + RELAPSE_DOWN_FOR_MS;
	expect(false, RELAPSE_NONE, false);
	ck_assert_int_eq(down_at_ms, TIME_NONE);
}
END_TEST

START_TEST(test_the_end_waits_for_who_is_down)
{
	begin();
	seen.is_down = true;
	seen.asked_at_ms = UNTIL_MS;
	expect(false, RELAPSE_NONE, false);
	seen.is_down = false; /* not said */
	seen.asked_at_ms++;
	expect(false, RELAPSE_NONE, false);
	seen.is_up = true;
	expect(true, RELAPSE_NONE, true);
}
END_TEST

START_TEST(test_of_who_is_deleted_nothing_is_left_to_watch)
{
	begin();
	seen.is_there = seen.is_point_read = false; /* an index may not have it yet */
	expect(false, RELAPSE_NONE, false);
	seen.is_point_read = true;
	expect(true, RELAPSE_NONE, true);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("campaign relapse");

	TESTS(s, "relapse", test_what_says_the_same_again_changes_nothing_until_the_end,
	      test_the_first_point_read_after_settling_says_what_it_was,
	      test_another_value_is_a_restart_if_it_was_written_since,
	      test_another_boot_id_is_a_restart_if_it_is_not_an_older_one,
	      test_a_predicate_that_holds_no_more_counts_in_a_point_read,
	      test_who_is_down_for_long_enough_has_dropped, test_the_end_waits_for_who_is_down,
	      test_of_who_is_deleted_nothing_is_left_to_watch);
	return suite_run(s);
}
