/* tests: server/track: scan */
#include "tests/lib/suite.h"

#include "server/base/clock.h"
#include "server/track/scan.h"

#define NOW 1700000000000
#define HUB (NOW - 5000) /* the hub's clock is behind */

static struct scan scan;

START_TEST(test_nothing_is_scanned_before_somebody_was_asked_about_by_id)
{
	scan_init(&scan);
	ck_assert(!scan_pays(&scan, 10000, NOW, HUB));
	scan_by_id(&scan, false, TIME_NONE);
	ck_assert(!scan_pays(&scan, 10000, NOW, HUB));
	scan_by_id(&scan, false, HUB);
	ck_assert(scan_pays(&scan, 10000, NOW, HUB));
	ck_assert(!scan_pays(&scan, 10000, NOW, TIME_NONE));
	ck_assert(!scan_pays(&scan, 100, NOW, HUB)); /* a page is a page */
	ck_assert(scan_pays(&scan, 101, NOW, HUB));
}
END_TEST

START_TEST(test_windows_overlap_and_their_rows_tell_what_the_next_will_cost)
{
	scan_init(&scan);
	scan_by_id(&scan, false, HUB);
	ck_assert_int_eq(scan_begin(&scan, 1000, NOW), HUB - SCAN_OVERLAP_MS);
	ck_assert(!scan_pays(&scan, 10000, NOW, HUB));
	ck_assert_int_eq(scan_page(&scan, 100, true, false, NOW, HUB + 10000), SCAN_GOES_ON);
	ck_assert_int_eq(scan_page(&scan, 20, false, false, NOW, HUB + 11000), SCAN_DONE);
	/* 120 in 40 s: 4 pages' worth, and a bit, in 130 s and the overlap */
	ck_assert(!scan_pays(&scan, 400, NOW, HUB + 10000 + 130000));
	ck_assert(scan_pays(&scan, 600, NOW, HUB + 10000 + 130000));
	ck_assert_int_eq(scan_begin(&scan, 1000, NOW), HUB + 10000 - SCAN_OVERLAP_MS);
}
END_TEST

START_TEST(test_a_scan_longer_than_by_ids_is_given_up_for_ten_minutes)
{
	scan_init(&scan);
	scan_by_id(&scan, false, HUB);
	scan_begin(&scan, 200, NOW);
	ck_assert_int_eq(scan_page(&scan, 1, true, false, NOW, HUB), SCAN_GOES_ON);
	ck_assert_int_eq(scan_page(&scan, 1, true, false, NOW, HUB), SCAN_GIVEN_UP);
	ck_assert(!scan_pays(&scan, 10000, NOW + 599999, HUB + 599999));
	ck_assert(scan_pays(&scan, 10000, NOW + 600000, HUB + 600000));
}
END_TEST

START_TEST(test_a_scan_that_fails_changes_nothing)
{
	scan_init(&scan);
	scan_by_id(&scan, false, HUB);
	scan_begin(&scan, 200, NOW);
	ck_assert_int_eq(scan_page(&scan, 0, false, true, NOW, TIME_NONE), SCAN_GIVEN_UP);
	ck_assert(scan_pays(&scan, 200, NOW, HUB));
	ck_assert_int_eq(scan_begin(&scan, 200, NOW), HUB - SCAN_OVERLAP_MS);
}
END_TEST

START_TEST(test_after_ten_scans_ids_have_a_turn)
{
	scan_init(&scan);
	scan_by_id(&scan, false, HUB);
	for (unsigned i = 0; i < SCANS_IN_ROW_MAX; i++) {
		ck_assert(scan_pays(&scan, 1000, NOW, HUB));
		scan_begin(&scan, 1000, NOW);
		ck_assert_int_eq(scan_page(&scan, 0, false, false, NOW, HUB), SCAN_DONE);
	}
	ck_assert(!scan_pays(&scan, 1000, NOW, HUB));
	scan_by_id(&scan, false, HUB);
	ck_assert(!scan_pays(&scan, 1000, NOW, HUB));
	scan_by_id(&scan, true, HUB);
	ck_assert(scan_pays(&scan, 1000, NOW, HUB));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("scan");

	TESTS(s, "scan", test_nothing_is_scanned_before_somebody_was_asked_about_by_id,
	      test_windows_overlap_and_their_rows_tell_what_the_next_will_cost,
	      test_a_scan_longer_than_by_ids_is_given_up_for_ten_minutes,
	      test_a_scan_that_fails_changes_nothing, test_after_ten_scans_ids_have_a_turn);
	return suite_run(s);
}
