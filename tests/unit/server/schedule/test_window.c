/* tests/unit: windows and blackouts, minute by minute against their definition, and at their edges. */
#include <stdlib.h>
#include <string.h>

#include "server/base/civil.h"
#include "server/schedule/window.h"
#include "tests/lib/suite.h"

#define MINUTE_MS INT64_C(60000)
#define DAYS_MS(n) ((int64_t)(n)*DAY_S * 1000)

static struct zones *zones;

static int64_t at(const char *text)
{
	int64_t ms;

	ck_assert_msg(time_parse(text, strlen(text), false, &ms), "%s", text);
	return ms;
}

static int64_t day(const char *text)
{
	int64_t days;

	ck_assert(civil_parse(text, &days));
	return days;
}

static void add(struct windows *w, const char *cron, uint32_t minutes)
{
	char reason[RECURRENCE_REASON_SIZE];
	struct recurrence *r;

	ck_assert_int_eq(recurrence_cron(cron, &r, reason), ERR_OK);
	windows_add(w, r, minutes);
}

static void expect(const struct windows *w, const char *zone, const char *now, bool is_open, bool is_blackout,
                   const char *changes)
{
	struct window_state s;

	windows_at(w, zones_get(zones, zone), at(now), 0, &s);
	ck_assert_msg(s.is_open == is_open && s.is_blackout == is_blackout, "%s: open %d, blackout %d", now,
	              s.is_open, s.is_blackout);
	ck_assert_msg(s.changes_at_ms == (changes != NULL ? at(changes) : TIME_NEVER), "%s: changes at %lld",
	              now, (long long)s.changes_at_ms);
}

START_TEST(test_a_window_opens_and_shuts_across_midnight_and_month)
{
	struct windows *w = windows_new();

	add(w, "0 23 31 * *", 180);
	expect(w, "UTC", "2026-01-31T22:59:59.999Z", false, false, "2026-01-31T23:00:00Z");
	expect(w, "UTC", "2026-01-31T23:00:00Z", true, false, "2026-02-01T02:00:00Z");
	expect(w, "UTC", "2026-02-01T01:59:59.999Z", true, false, "2026-02-01T02:00:00Z");
	expect(w, "UTC", "2026-02-01T02:00:00Z", false, false, "2026-03-31T23:00:00Z");
	windows_free(w);
}
END_TEST

START_TEST(test_a_window_has_its_real_minutes_on_the_days_clocks_change)
{
	struct windows *w = windows_new();

	add(w, "0 1 * * *", 120);
	expect(w, "Europe/Stockholm", "2026-03-29T00:00:00Z", true, false,
	       "2026-03-29T02:00:00Z"); /* 04:00 summer time */
	expect(w, "Europe/Stockholm", "2026-10-24T23:00:00Z", true, false,
	       "2026-10-25T01:00:00Z"); /* 02:00 again */
	windows_free(w);
}
END_TEST

START_TEST(test_a_blackout_has_both_its_dates_and_moves_the_opening)
{
	struct windows *w = windows_new();

	add(w, "0 22 * * *", 240);
	windows_add_blackout(w, day("2026-12-24"), day("2026-12-26"));
	windows_add_blackout(w, day("2026-12-27"), day("2026-12-27"));
	expect(w, "Europe/Stockholm", "2026-12-23T22:00:00Z", true, false,
	       "2026-12-23T23:00:00Z"); /* to midnight */
	expect(w, "Europe/Stockholm", "2026-12-23T23:00:00Z", false, true,
	       "2026-12-27T23:00:00Z"); /* still in one */
	expect(w, "Europe/Stockholm", "2026-12-27T22:59:59Z", false, true, "2026-12-27T23:00:00Z");
	expect(w, "Europe/Stockholm", "2026-12-27T23:00:00Z", true, false, "2026-12-28T01:00:00Z");
	windows_free(w);
}
END_TEST

/* Havana, 2026-11-01: at 01:00 clocks go back to 00:00. */
START_TEST(test_a_blackout_begins_with_the_first_of_two_midnights_and_ends_with_the_last)
{
	struct windows *w = windows_new();

	windows_add_blackout(w, day("2026-11-01"), day("2026-11-01"));
	expect(w, "America/Havana", "2026-11-01T03:59:59.999Z", true, false, "2026-11-01T04:00:00Z");
	expect(w, "America/Havana", "2026-11-01T04:00:00Z", false, true, "2026-11-02T05:00:00Z");
	windows_free(w);
	w = windows_new();
	windows_add_blackout(w, day("2026-10-31"), day("2026-10-31"));
	expect(w, "America/Havana", "2026-11-01T04:59:59.999Z", false, true, "2026-11-01T05:00:00Z");
	windows_free(w);
}
END_TEST

START_TEST(test_a_window_is_open_for_so_long_as_is_needed_and_not_a_millisecond_less)
{
	struct windows *w = windows_new();
	struct window_state s;

	add(w, "0 1 * * *", 60);
	windows_at(w, zones_get(zones, "UTC"), at("2026-01-01T01:29:59.999Z"), 30 * MINUTE_MS, &s);
	ck_assert(s.is_open);
	ck_assert_int_eq(s.changes_at_ms, at("2026-01-01T01:30:00Z"));
	windows_at(w, zones_get(zones, "UTC"), at("2026-01-01T01:30:00Z"), 30 * MINUTE_MS, &s);
	ck_assert(!s.is_open);
	ck_assert_int_eq(s.changes_at_ms, at("2026-01-02T01:00:00Z"));
	windows_free(w);
}
END_TEST

START_TEST(test_of_windows_that_are_open_the_last_to_shut_counts)
{
	struct windows *w = windows_new();

	add(w, "0 1 * * *", 120);
	add(w, "0 1 * * *", 60);
	add(w, "30 1 * * *", 15);
	expect(w, "UTC", "2026-01-01T01:30:00Z", true, false, "2026-01-01T03:00:00Z");
	expect(w, "UTC", "2026-01-01T03:00:00Z", false, false, "2026-01-02T01:00:00Z");
	windows_free(w);
	windows_free(NULL);
}
END_TEST

START_TEST(test_windows_without_a_pause_are_followed_so_far_and_no_further)
{
	struct windows *w = windows_new();
	struct window_state s;

	add(w, "* * * * *", 1);
	windows_at(w, zones_get(zones, "UTC"), at("2026-01-01T00:00:00Z"), 1000 * MINUTE_MS, &s);
	ck_assert(s.is_open);
	windows_at(w, zones_get(zones, "UTC"), at("2026-01-01T00:00:00Z"), 1001 * MINUTE_MS, &s);
	ck_assert(!s.is_open);
	ck_assert_int_eq(s.changes_at_ms, TIME_NEVER);
	windows_free(w);
}
END_TEST

START_TEST(test_blackouts_alone_leave_the_rest_open)
{
	struct windows *w = windows_new();

	windows_add_blackout(w, day("2026-12-24"), day("2026-12-24"));
	expect(w, "UTC", "2026-12-23T12:00:00Z", true, false, "2026-12-24T00:00:00Z");
	expect(w, "UTC", "2026-12-24T12:00:00Z", false, true, "2026-12-25T00:00:00Z");
	expect(w, "UTC", "2026-12-25T00:00:00Z", true, false, NULL);
	windows_free(w);
}
END_TEST

START_TEST(test_windows_that_follow_one_another_are_one_where_it_is_asked_for)
{
	struct windows *w = windows_new();
	struct window_state s;

	add(w, "0 1 * * *", 60);
	add(w, "0 2 * * *", 60);
	windows_at(w, zones_get(zones, "UTC"), at("2026-01-01T01:30:00Z"), 0, &s);
	ck_assert_int_ge(s.changes_at_ms, at("2026-01-01T02:00:00Z"));
	windows_at(w, zones_get(zones, "UTC"), at("2026-01-01T01:30:00Z"), 60 * MINUTE_MS, &s);
	ck_assert(s.is_open);
	ck_assert_int_eq(s.changes_at_ms, at("2026-01-01T02:00:00Z")); /* later, an hour would not do */
	windows_at(w, zones_get(zones, "UTC"), at("2026-01-01T02:00:00Z"), 60 * MINUTE_MS, &s);
	ck_assert(!s.is_open);
	ck_assert_int_eq(s.changes_at_ms, at("2026-01-02T01:00:00Z"));
	windows_at(w, zones_get(zones, "UTC"), at("2026-01-01T00:30:00Z"), 121 * MINUTE_MS, &s);
	ck_assert(!s.is_open && s.changes_at_ms == TIME_NEVER);
	windows_free(w);
}
END_TEST

START_TEST(test_what_never_opens_says_so)
{
	char reason[RECURRENCE_REASON_SIZE];
	struct windows *w = windows_new();
	struct recurrence *r;

	ck_assert_int_eq(
	        recurrence_rrule("DTSTART:20260101T020000\nRRULE:FREQ=DAILY;COUNT=2", INT64_MIN, &r, reason),
	        ERR_OK);
	windows_add(w, r, 60);
	expect(w, "UTC", "2026-01-01T12:00:00Z", false, false, "2026-01-02T02:00:00Z");
	expect(w, "UTC", "2026-01-02T03:00:00Z", false, false, NULL);
	windows_free(w);
}
END_TEST

/* Each minute of the weeks around the changes, beside the definition: some start lies within the last
 * duration, and the local date is in no blackout. */
START_TEST(test_each_minute_is_open_as_the_definition_has_it)
{
	static const char *const names[] = {"Europe/Stockholm", "Australia/Lord_Howe", "America/Havana",
	                                    "America/Scoresbysund"};
	static const char *const from[] = {"2026-03-25T00:00:00Z", "2026-10-22T00:00:00Z",
	                                   "2026-04-03T00:00:00Z"};
	char reason[RECURRENCE_REASON_SIZE];
	struct windows *w = windows_new();
	struct recurrence *starts;

	add(w, "30 2,23 * * *", 100);
	ck_assert_int_eq(recurrence_cron("30 2,23 * * *", &starts, reason), ERR_OK);
	windows_add_blackout(w, day("2026-03-28"), day("2026-03-28"));
	windows_add_blackout(w, day("2026-10-24"), day("2026-10-25"));
	for (size_t i = 0; i < 12; i++) {
		const struct zone *z = zones_get(zones, names[i % 4]);
		int64_t begin_ms = at(from[i / 4]), told_ms = 0;
		bool told = false;

		for (int64_t t = begin_ms; t < begin_ms + DAYS_MS(7); t += 5 * MINUTE_MS) {
			int64_t local_day = (t / 1000 + zone_offset_s(z, t / 1000)) / DAY_S;
			bool is_dark = local_day == day("2026-03-28") || local_day == day("2026-10-24") ||
			               local_day == day("2026-10-25");
			struct occurrence o;
			struct window_state s;
			bool has_start = recurrence_next(starts, z, t - 100 * MINUTE_MS, &o) && o.at_ms <= t;

			windows_at(w, z, t, 0, &s);
			ck_assert_msg(s.is_open == (has_start && !is_dark), "%s at %lld", names[i % 4],
			              (long long)t);
			ck_assert(s.changes_at_ms > t);
			/* What was told last holds until the change that it told. */
			ck_assert(t >= told_ms || s.is_open == told);
			told = s.is_open;
			told_ms = s.changes_at_ms;
		}
	}
	recurrence_free(starts);
	windows_free(w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("schedule-window");
	int status;

	zones = zones_new(NULL);
	TESTS(s, "window", test_a_window_opens_and_shuts_across_midnight_and_month,
	      test_a_window_has_its_real_minutes_on_the_days_clocks_change,
	      test_a_blackout_has_both_its_dates_and_moves_the_opening,
	      test_a_blackout_begins_with_the_first_of_two_midnights_and_ends_with_the_last,
	      test_a_window_is_open_for_so_long_as_is_needed_and_not_a_millisecond_less,
	      test_of_windows_that_are_open_the_last_to_shut_counts,
	      test_windows_without_a_pause_are_followed_so_far_and_no_further,
	      test_blackouts_alone_leave_the_rest_open,
	      test_windows_that_follow_one_another_are_one_where_it_is_asked_for,
	      test_what_never_opens_says_so, test_each_minute_is_open_as_the_definition_has_it);
	status = suite_run(s);
	zones_free(zones);
	return status;
}
