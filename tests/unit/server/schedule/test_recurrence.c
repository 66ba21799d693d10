/* tests/unit: what recurrences and zones refuse and say; what they find is compared in tests/golden. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/base/civil.h"
#include "server/schedule/recurrence.h"
#include "tests/lib/suite.h"

static struct zones *zones;

static int64_t at(const char *text)
{
	int64_t ms;

	ck_assert_msg(time_parse(text, strlen(text), false, &ms), "%s", text);
	return ms;
}

START_TEST(test_names_are_zones_or_not)
{
	static const char *const no[] = {
	        "",          "Europe/Stockolm",   "europe/stockholm", "../zoneinfo/UTC", "/etc/passwd",
	        "posix/UTC", "right/UTC",         "localtime",        "tzdata.zi",       "zone.tab",
	        "Europe",    "Europe/Stockholm ", "CET-1CEST"};

	for (size_t i = 0; i < sizeof no / sizeof *no; i++)
		ck_assert_msg(zones_get(zones, no[i]) == NULL, "%s", no[i]);
	ck_assert_ptr_nonnull(zones_get(zones, "Europe/Stockholm"));
	ck_assert_ptr_eq(zones_get(zones, "Europe/Stockholm"), zones_get(zones, "Europe/Stockholm"));
	ck_assert_str_ne(zones_version(zones), "");
}
END_TEST

START_TEST(test_a_zone_goes_on_by_its_rule_after_its_list_ends)
{
	const struct zone *z = zones_get(zones, "Europe/Stockholm");

	ck_assert_int_eq(zone_offset_s(z, at("2099-07-01T00:00:00Z") / 1000), 7200);
	ck_assert_int_eq(zone_offset_s(z, at("2099-12-01T00:00:00Z") / 1000), 3600);
}
END_TEST

START_TEST(test_what_cron_refuses_has_a_reason)
{
	static const struct {
		const char *text, *reason;
	} bad[] = {{"", "five fields"},
	           {"* * * *", "five fields"},
	           {"* * * * * *", "five fields"},
	           {"@daily", "five fields"},
	           {"60 * * * *", "minute"},
	           {"* 24 * * *", "hour"},
	           {"0 0 0 * *", "day of month"},
	           {"0 0 * 13 *", "month"},
	           {"0 0 * * 8", "day of week"},
	           {"0 0 L * *", "day of month"},
	           {"0 0 ? * *", "day of month"},
	           {"0 0 * * MON#1", "day of week"},
	           {"5/10 * * * *", "step"},
	           {"*/0 * * * *", "step"},
	           {"30-10 * * * *", "backwards"},
	           {"1,,2 * * * *", "minute"},
	           {"0 0 30 2 *", "never occurs"},
	           {"0 0 31 4,6 *", "never occurs"},
	           {"-1 * * * *", "minute"},
	           {"0x1 * * * *", "minute"}};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char reason[RECURRENCE_REASON_SIZE] = "";
		struct recurrence *r;

		ck_assert_msg(recurrence_cron(bad[i].text, &r, reason) == ERR_INVALID, "%s", bad[i].text);
		ck_assert_msg(strstr(reason, bad[i].reason) != NULL, "%s: %s", bad[i].text, reason);
	}
}
END_TEST

/* The next occurrences after the start of a Thursday, 2026-01-01, in UTC. */
START_TEST(test_the_fields_of_cron_mean_what_crontab_says)
{
	static const struct {
		const char *text, *at[3];
	} good[] = {{"0 2 * * 7", {"2026-01-04", "2026-01-11", "2026-01-18"}},
	            {"0 2 * * 0", {"2026-01-04", "2026-01-11", "2026-01-18"}},
	            {"0 2 * * sun", {"2026-01-04", "2026-01-11", "2026-01-18"}},
	            {"0 2 * * FRI-SUN", {"2026-01-02", "2026-01-03", "2026-01-04"}},
	            {"0 2 * * 6-7", {"2026-01-03", "2026-01-04", "2026-01-10"}},
	            {"0 2 * * */3", {"2026-01-03", "2026-01-04", "2026-01-07"}},
	            /* Where neither is *, one of the two is enough; else both have to fit. */
	            {"0 2 13 * 5", {"2026-01-02", "2026-01-09", "2026-01-13"}},
	            {"0 2 */10 * 5", {"2026-05-01", "2026-07-31", "2026-08-21"}},
	            {"0 2 13 * *", {"2026-01-13", "2026-02-13", "2026-03-13"}},
	            {"0 2 29 2 *", {"2028-02-29", "2032-02-29", "2036-02-29"}},
	            {"0 2 31 JAN,mar *", {"2026-01-31", "2026-03-31", "2027-01-31"}},
	            {"0\t2  1-5/2 * *", {"2026-01-01", "2026-01-03", "2026-01-05"}}};
	const struct zone *z = zones_get(zones, "UTC");

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		char reason[RECURRENCE_REASON_SIZE] = "", expected[32], got[LOCAL_TEXT_SIZE];
		int64_t after_ms = at("2026-01-01T00:00:00Z");
		struct occurrence o;
		struct recurrence *r;

		ck_assert_msg(recurrence_cron(good[i].text, &r, reason) == ERR_OK, "%s: %s", good[i].text,
		              reason);
		for (size_t k = 0; k < 3; k++) {
			ck_assert(recurrence_next(r, z, after_ms, &o));
			snprintf(expected, sizeof expected, "%sT02:00:00+00:00", good[i].at[k]);
			ck_assert_msg(strcmp(occurrence_text(&o, got), expected) == 0, "%s: %s, not %s",
			              good[i].text, got, expected);
			after_ms = o.at_ms;
		}
		recurrence_free(r);
	}
}
END_TEST

START_TEST(test_what_a_rule_refuses_has_a_reason)
{
	static const struct {
		const char *text, *reason;
	} bad[] = {{"", "parts like"},
	           {"FREQ=FORTNIGHTLY", "RFC 5545"},
	           {"FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30", "FREQ must be"},
	           {"FREQ=SECONDLY", "FREQ must be"},
	           {"BYHOUR=2", "FREQ"},
	           {"FREQ=DAILY;BYHOUR=2;BYHOUR=3", "twice"},
	           {"FREQ=DAILY;BYHOUR=24;BYMINUTE=0", "RFC 5545"},
	           {"FREQ=DAILY;BYHOUR=2,;BYMINUTE=0", "empty item"},
	           {"FREQ=DAILY;BYHOUR=2;BYEASTER=1", "no part"},
	           {"FREQ=DAILY;BYHOUR=2;BYSECOND=30", "BYSECOND"},
	           {"FREQ=YEARLY;BYWEEKNO=52;BYDAY=SA;BYHOUR=2;BYMINUTE=0", "BYWEEKNO"},
	           {"FREQ=DAILY;BYHOUR=2;COUNT=3;UNTIL=20270101", "both"},
	           {"FREQ=DAILY;BYHOUR=2;COUNT=3", "DTSTART"},
	           {"FREQ=WEEKLY;BYHOUR=2;BYDAY=MO;INTERVAL=2", "DTSTART"},
	           {"FREQ=WEEKLY;BYHOUR=2", "BYDAY"},
	           {"FREQ=DAILY", "BYHOUR"},
	           {"FREQ=DAILY;BYHOUR=1,2;BYSETPOS=1", "BYSETPOS"},
	           {"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=1", "never occurs"},
	           {"FREQ=YEARLY;BYMONTH=5;BYYEARDAY=1;BYHOUR=1", "never occurs"},
	           {"FREQ=YEARLY;BYMONTH=3;BYYEARDAY=60,61;BYSETPOS=1;BYHOUR=1", "BYSETPOS"},
	           {"FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;BYHOUR=1", "never occurs"},
	           {"DTSTART:20260101T000000Z\nRRULE:FREQ=DAILY", "DTSTART"},
	           {"DTSTART;TZID=Europe/Paris:20260101T000000\nRRULE:FREQ=DAILY", "zone"},
	           {"DTSTART:20260101T000000", "neither RRULE nor RDATE"},
	           {"RRULE:FREQ=DAILY;BYHOUR=1\nEXDATE:20260230", "EXDATE"},
	           {"X:1", "X"}};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char reason[RECURRENCE_REASON_SIZE] = "";
		struct recurrence *r;

		ck_assert_msg(recurrence_rrule(bad[i].text, INT64_MIN, &r, reason) == ERR_INVALID, "%s",
		              bad[i].text);
		ck_assert_msg(strstr(reason, bad[i].reason) != NULL, "%s: %s", bad[i].text, reason);
	}
}
END_TEST

START_TEST(test_dates_are_left_out_and_added)
{
	static const char *const wanted[] = {"2026-01-05T02:00:00Z", "2026-01-06T02:00:00Z",
	                                     "2026-01-09T02:00:00Z", "2026-01-09T15:30:00Z",
	                                     "2026-02-01T12:00:00Z"};
	char reason[RECURRENCE_REASON_SIZE];
	struct occurrence o = {.at_ms = at("2026-01-01T00:00:00Z")};
	struct recurrence *r;

	ck_assert_int_eq(recurrence_rrule("DTSTART:20260105T020000\r\n"
	                                  "RRULE:FREQ=DAILY;UNTIL=20260109T020000Z\r\n"
	                                  "EXDATE;VALUE=DATE:20260107\r\nEXDATE:20260108T020000\r\n"
	                                  "RDATE:20260201T120000,20260109T153000\r\n",
	                                  INT64_MIN, &r, reason),
	                 ERR_OK);
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		ck_assert(recurrence_next(r, zones_get(zones, "UTC"), o.at_ms, &o));
		ck_assert_int_eq(o.at_ms, at(wanted[i]));
	}
	ck_assert(!recurrence_next(r, zones_get(zones, "UTC"), o.at_ms, &o));
	recurrence_free(r);
}
END_TEST

START_TEST(test_days_of_a_year_may_be_kept_to_months)
{
	static const char *const wanted[] = {"2026-03-01T05:00:00Z", "2027-03-01T05:00:00Z",
	                                     "2028-03-01T05:00:00Z"};
	char reason[RECURRENCE_REASON_SIZE];
	struct occurrence o = {.at_ms = at("2026-01-01T00:00:00Z")};
	struct recurrence *r;

	ck_assert_int_eq(recurrence_rrule("DTSTART:20260101T050000\r\n"
	                                  "RRULE:FREQ=YEARLY;COUNT=3;BYMONTH=3;BYYEARDAY=59,-306\r\n",
	                                  INT64_MIN, &r, reason),
	                 ERR_OK);
	for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
		ck_assert(recurrence_next(r, zones_get(zones, "UTC"), o.at_ms, &o));
		ck_assert_int_eq(o.at_ms, at(wanted[i]));
	}
	ck_assert(!recurrence_next(r, zones_get(zones, "UTC"), o.at_ms, &o));
	recurrence_free(r);
}
END_TEST

START_TEST(test_an_occurrence_says_what_the_clocks_did)
{
	char reason[RECURRENCE_REASON_SIZE], text[LOCAL_TEXT_SIZE];
	const struct zone *z = zones_get(zones, "Europe/Stockholm");
	struct occurrence o;
	struct recurrence *r;

	ck_assert_int_eq(recurrence_cron("30 2 * * *", &r, reason), ERR_OK);
	ck_assert(recurrence_next(r, z, at("2026-03-28T12:00:00Z"), &o));
	ck_assert_int_eq(o.at_ms, at("2026-03-29T01:30:00Z"));
	ck_assert_int_eq(o.change, CLOCK_GAP);
	ck_assert_str_eq(occurrence_text(&o, text), "2026-03-29T03:30:00+02:00");
	ck_assert(recurrence_next(r, z, at("2026-10-24T12:00:00Z"), &o));
	ck_assert_int_eq(o.at_ms, at("2026-10-25T00:30:00Z"));
	ck_assert_int_eq(o.change, CLOCK_OVERLAP);
	ck_assert_str_eq(occurrence_text(&o, text), "2026-10-25T02:30:00+02:00");
	ck_assert_int_eq(recurrence_spacing_s(r, 0), DAY_S);
	recurrence_free(r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("schedule-recurrence");
	int status;

	zones = zones_new(NULL);
	TESTS(s, "recurrence", test_names_are_zones_or_not,
	      test_a_zone_goes_on_by_its_rule_after_its_list_ends, test_what_cron_refuses_has_a_reason,
	      test_the_fields_of_cron_mean_what_crontab_says, test_what_a_rule_refuses_has_a_reason,
	      test_dates_are_left_out_and_added, test_days_of_a_year_may_be_kept_to_months,
	      test_an_occurrence_says_what_the_clocks_did);
	status = suite_run(s);
	zones_free(zones);
	return status;
}
