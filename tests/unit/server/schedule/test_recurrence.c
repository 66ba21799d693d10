/* tests/unit: what recurrences and zones refuse and say; what they find is compared in tests/golden. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/base/buf.h"
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
	static const char *const no[] = {"",
	                                 "Europe/Stockolm",
	                                 "europe/stockholm",
	                                 "../zoneinfo/UTC",
	                                 "/etc/passwd",
	                                 "posix/UTC",
	                                 "right/UTC",
	                                 "localtime",
	                                 "tzdata.zi",
	                                 "zone.tab",
	                                 "Europe",
	                                 "Europe/Stockholm ",
	                                 "CET-1CEST",
	                                 "posixrules",
	                                 "AbcdefghijAbcdefghijAbcdefghijAbcdefghijAbcdefghijAbcdefghijAbcde"};

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
	           {"0005 * * * *", "minute"},
	           {"5- * * * *", "range"},
	           {"5-60 * * * *", "range"},
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
	           {"RRULE:FREQ=DAILY;BYHOUR=1\nRDATE:soon,20260101T000000", "not \"soon\""},
	           {"RRULE:FREQ=DAILY;BYHOUR=1\nRDATE:123456789012345678901234567890123456789012",
	            "not \"1234567890123456789012345678901234567890\""},
	           {"X:1", "X"},
	           {"FREQ;BYHOUR=2", "no part"},
	           {"FREQ=;BYHOUR=2", "no part"},
	           {"FREQ=DAILY;BYHOUR=,2", "empty item"},
	           {"FREQ=DAILY;BYHOUR=2,,3", "empty item"},
	           {"FREQ=DAILY;BYHOUR=2;UNTIL=2027", "UNTIL"},
	           {"FREQ=DAILY;BYHOUR=2;BYSECOND=0,30", "BYSECOND"},
	           {"FREQ=DAILY;BYHOUR=2;BYDAY=1MO", "BYDAY with numbers"},
	           {"FREQ=MONTHLY;BYHOUR=2;BYYEARDAY=1", "BYYEARDAY"},
	           {"FREQ=WEEKLY;BYHOUR=2;BYMONTHDAY=1", "BYMONTHDAY"},
	           {"FREQ=MONTHLY;BYDAY=MO;BYSETPOS=1;BYHOUR=1,2", "BYSETPOS"},
	           {"FREQ=MONTHLY;BYDAY=MO;BYSETPOS=1;BYHOUR=1;BYMINUTE=1,2", "BYSETPOS"},
	           {"FREQ=DAILY;BYMINUTE=5", "BYHOUR"},
	           {"DTSTART:20260101T000000\nRRULE:FREQ=DAILY;COUNT=10001", "COUNT"},
	           {"DTSTART:20260101T000000\nRRULE:FREQ=HOURLY;INTERVAL=5", "divide 24"},
	           {"DTSTART:20260101T000000\nRRULE:FREQ=HOURLY;INTERVAL=2;BYHOUR=1,3", "no hour"},
	           {"DTSTART:20260101T000000\nRRULE:FREQ=DAILY;INTERVAL=2;BYMONTHDAY=-1", "negative"},
	           {"DTSTART:20260101T000000\nRRULE", "must begin with"},
	           {"RRULE:FREQ=DAILY;BYHOUR=1\nRRULE:FREQ=DAILY;BYHOUR=2", "twice"},
	           {"RRULE:FREQ=DAILY;BYHOUR=1\nRDATE:20260101", "RDATE"},
	           {"RRULE:FREQ=DAILY;BYHOUR=1\nEXDATE:"
	            "20260101T000000,20260102T000000 and whatever else somebody may have written",
	            "EXDATE"}};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char reason[RECURRENCE_REASON_SIZE] = "";
		struct recurrence *r;

		ck_assert_msg(recurrence_rrule(bad[i].text, INT64_MIN, &r, reason) == ERR_INVALID, "%s",
		              bad[i].text);
		ck_assert_msg(strstr(reason, bad[i].reason) != NULL, "%s: %s", bad[i].text, reason);
	}
}
END_TEST

START_TEST(test_what_is_no_time_is_refused_wherever_it_stands)
{
	static const char *const bad[] = {
	        "2026010",         "20260101T00000",  "x0260101",        "20260x01",        "202601-1",
	        "20261301",        "20260001",        "20260100",        "20260132",        "20260230",
	        "20260101X000000", "20260101Tx00000", "20260101T0a0000", "20260101T00x000", "20260101T0000x0",
	        "20260101T240000", "20260101T006000", "20260101T000060", "20260101T000000X"};
	char text[128], reason[RECURRENCE_REASON_SIZE];
	struct recurrence *r;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(text, sizeof text, "DTSTART:%s\nRRULE:FREQ=DAILY", bad[i]);
		ck_assert_msg(recurrence_rrule(text, INT64_MIN, &r, reason) == ERR_INVALID, "%s", text);
		ck_assert_msg(strstr(reason, "DTSTART") != NULL, "%s: %s", text, reason);
		snprintf(text, sizeof text, "FREQ=DAILY;BYHOUR=1;UNTIL=%s", bad[i]);
		ck_assert_msg(recurrence_rrule(text, INT64_MIN, &r, reason) == ERR_INVALID, "%s", text);
		ck_assert_msg(strstr(reason, "UNTIL") != NULL, "%s: %s", text, reason);
	}
}
END_TEST

/* A thousand dates are taken of either, one more is refused. */
START_TEST(test_lists_of_dates_have_an_end)
{
	static const char *const names[] = {"EXDATE", "RDATE"};
	char reason[RECURRENCE_REASON_SIZE];
	struct recurrence *r;

	for (size_t i = 0; i < 2; i++) {
		struct buf text = BUF_INIT;

		buf_printf(&text, "RRULE:FREQ=DAILY;BYHOUR=1\n%s:20260101T010000", names[i]);
		for (int n = 1; n < 1000; n++)
			buf_puts(&text, ",20260101T010000");
		ck_assert_int_eq(recurrence_rrule(text.data, INT64_MIN, &r, reason), ERR_OK);
		recurrence_free(r);
		buf_puts(&text, ",20260101T010000");
		ck_assert_int_eq(recurrence_rrule(text.data, INT64_MIN, &r, reason), ERR_INVALID);
		ck_assert_ptr_nonnull(strstr(reason, names[i]));
		ck_assert_ptr_nonnull(strstr(reason, "1000"));
		buf_done(&text);
	}
}
END_TEST

START_TEST(test_a_part_that_is_too_long_is_refused)
{
	char text[400] = "FREQ=DAILY;BYHOUR=1", reason[RECURRENCE_REASON_SIZE];
	struct recurrence *r;

	for (size_t n = strlen(text); n < sizeof text - 2; n += 2)
		memcpy(text + n, ",1", 3);
	ck_assert_int_eq(recurrence_rrule(text, INT64_MIN, &r, reason), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(reason, "parts like"));
}
END_TEST

/* Those after from, in UTC; and no more where the list has fewer than four. */
START_TEST(test_rules_name_these_times)
{
	static const struct {
		const char *text;
		int64_t from_s; /* 0: no start but the rule's own */
		const char *from, *at[4];
	} rows[] = {
	        /* only dates; whatever their order, each once */
	        {"RDATE:20260201T120000,20260109T153000,20260109T153000",
	         0,
	         "2026-01-01T00:00:00Z",
	         {"2026-01-09T15:30:00Z", "2026-02-01T12:00:00Z"}},
	        {"DTSTART;VALUE=DATE-TIME:20260101T020000\nRRULE:FREQ=DAILY;COUNT=2\nRDATE:20260102T020000,"
	         "20260103T020000",
	         0,
	         "2026-01-01T00:00:00Z",
	         {"2026-01-01T02:00:00Z", "2026-01-02T02:00:00Z", "2026-01-03T02:00:00Z"}},
	        /* UNTIL is included, as a time or a day */
	        {"FREQ=DAILY;BYHOUR=2;UNTIL=20260103T020000",
	         0,
	         "2026-01-01T03:00:00Z",
	         {"2026-01-02T02:00:00Z", "2026-01-03T02:00:00Z"}},
	        {"FREQ=DAILY;BYHOUR=2;UNTIL=20260103T015959",
	         0,
	         "2026-01-01T03:00:00Z",
	         {"2026-01-02T02:00:00Z"}},
	        {"FREQ=DAILY;BYHOUR=2;UNTIL=20260103T020000Z",
	         0,
	         "2026-01-01T03:00:00Z",
	         {"2026-01-02T02:00:00Z", "2026-01-03T02:00:00Z"}},
	        {"FREQ=DAILY;BYHOUR=23;BYMINUTE=59;UNTIL=20260103",
	         0,
	         "2026-01-02T00:00:00Z",
	         {"2026-01-02T23:59:00Z", "2026-01-03T23:59:00Z"}},
	        {"FREQ=DAILY;BYHOUR=0;BYMINUTE=0;UNTIL=20260103",
	         0,
	         "2026-01-02T00:00:00Z",
	         {"2026-01-03T00:00:00Z"}},
	        /* each once, in order, however they are listed */
	        {"FREQ=DAILY;BYHOUR=9,2,2;BYMINUTE=0,0;BYSECOND=0;UNTIL=20260101",
	         0,
	         "2026-01-01T00:00:00Z",
	         {"2026-01-01T02:00:00Z", "2026-01-01T09:00:00Z"}},
	        /* hours of a day, those that are said, from the start's on */
	        {"DTSTART:20260101T010000\nRRULE:FREQ=HOURLY;INTERVAL=6;BYHOUR=1,7,8,19;COUNT=4",
	         0,
	         "2026-01-01T00:00:00Z",
	         {"2026-01-01T01:00:00Z", "2026-01-01T07:00:00Z", "2026-01-01T19:00:00Z",
	          "2026-01-02T01:00:00Z"}},
	        {"FREQ=YEARLY;BYYEARDAY=1,2,-1;BYSETPOS=2;BYHOUR=1;UNTIL=20270601",
	         0,
	         "2026-01-01T00:00:00Z",
	         {"2026-01-02T01:00:00Z", "2027-01-02T01:00:00Z"}},
	        /* weeks from the start's own, which begin as WKST says */
	        {"DTSTART:20260106T020000\nRRULE:FREQ=WEEKLY;INTERVAL=2;COUNT=3",
	         0,
	         "2026-01-01T00:00:00Z",
	         {"2026-01-06T02:00:00Z", "2026-01-20T02:00:00Z", "2026-02-03T02:00:00Z"}},
	        {"DTSTART:20260106T020000\nRRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=SU;COUNT=4",
	         0,
	         "2026-01-01T00:00:00Z",
	         {"2026-01-18T02:00:00Z", "2026-01-19T02:00:00Z", "2026-02-01T02:00:00Z",
	          "2026-02-02T02:00:00Z"}},
	        {"DTSTART:20260106T020000\nRRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=MO;COUNT=4",
	         0,
	         "2026-01-01T00:00:00Z",
	         {"2026-01-11T02:00:00Z", "2026-01-19T02:00:00Z", "2026-01-25T02:00:00Z",
	          "2026-02-02T02:00:00Z"}},
	        {"DTSTART:20260106T020000\nRRULE:FREQ=WEEKLY;INTERVAL=2;UNTIL=20260301",
	         0,
	         "2026-02-10T00:00:00Z",
	         {"2026-02-17T02:00:00Z"}},
	        /* months and years that have the day, of all months or of some */
	        {"DTSTART:20260131T010000\nRRULE:FREQ=MONTHLY;COUNT=3",
	         0,
	         "2026-01-01T00:00:00Z",
	         {"2026-01-31T01:00:00Z", "2026-03-31T01:00:00Z", "2026-05-31T01:00:00Z"}},
	        {"DTSTART:20251031T010000\nRRULE:FREQ=MONTHLY;INTERVAL=3;UNTIL=20270201",
	         0,
	         "2026-02-01T00:00:00Z",
	         {"2026-07-31T01:00:00Z", "2026-10-31T01:00:00Z", "2027-01-31T01:00:00Z"}},
	        {"DTSTART:20240229T010000\nRRULE:FREQ=YEARLY;COUNT=3",
	         0,
	         "2024-01-01T00:00:00Z",
	         {"2024-02-29T01:00:00Z", "2028-02-29T01:00:00Z", "2032-02-29T01:00:00Z"}},
	        {"DTSTART:20200110T010000\nRRULE:FREQ=YEARLY;INTERVAL=3;BYMONTH=3,4;UNTIL=20290331",
	         0,
	         "2026-01-01T00:00:00Z",
	         {"2026-03-10T01:00:00Z", "2026-04-10T01:00:00Z", "2029-03-10T01:00:00Z"}},
	        {"FREQ=YEARLY;BYMONTHDAY=31;BYHOUR=1;UNTIL=20260801",
	         0,
	         "2026-01-01T00:00:00Z",
	         {"2026-01-31T01:00:00Z", "2026-03-31T01:00:00Z", "2026-05-31T01:00:00Z",
	          "2026-07-31T01:00:00Z"}},
	        {"DTSTART:20260101T010000\nRRULE:FREQ=DAILY;INTERVAL=2;BYMONTHDAY=1,2,3;UNTIL=20260131",
	         0,
	         "2026-01-01T00:00:00Z",
	         {"2026-01-01T01:00:00Z", "2026-01-03T01:00:00Z"}},
	        {"FREQ=DAILY;BYMONTHDAY=-1;BYHOUR=1;UNTIL=20260301",
	         0,
	         "2026-01-01T00:00:00Z",
	         {"2026-01-31T01:00:00Z", "2026-02-28T01:00:00Z"}},
	        {"FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=1;UNTIL=20260301",
	         0,
	         "2026-01-01T00:00:00Z",
	         {"2026-01-30T01:00:00Z", "2026-02-27T01:00:00Z"}},
	        {"FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;BYHOUR=1;UNTIL=20260601",
	         0,
	         "2026-04-01T00:00:00Z",
	         {"2026-04-30T01:00:00Z", "2026-05-29T01:00:00Z"}},
	        {"FREQ=HOURLY;BYMINUTE=30;UNTIL=20260101T020000",
	         0,
	         "2025-12-31T23:00:00Z",
	         {"2025-12-31T23:30:00Z", "2026-01-01T00:30:00Z", "2026-01-01T01:30:00Z"}},
	        /* nothing in the next 50 years is nothing */
	        {"DTSTART:20260101T010000\nRRULE:FREQ=YEARLY;INTERVAL=60",
	         0,
	         "2026-01-01T00:00:00Z",
	         {"2026-01-01T01:00:00Z"}},
	        /* What it leaves open comes from the start that is given, to the minute; its own goes first.
	         */
	        {"FREQ=DAILY;COUNT=2",
	         INT64_C(1767323107), /* 2026-01-02T03:05:07 */
	         "2026-01-01T00:00:00Z",
	         {"2026-01-02T03:05:00Z", "2026-01-03T03:05:00Z"}},
	        {"DTSTART:20260105T040000\nRRULE:FREQ=DAILY;COUNT=2",
	         INT64_C(1767323107),
	         "2026-01-01T00:00:00Z",
	         {"2026-01-05T04:00:00Z", "2026-01-06T04:00:00Z"}},
	        {"FREQ=DAILY;COUNT=2",
	         INT64_C(-3593), /* 1969-12-31T23:00:07 */
	         "1969-12-31T00:00:00Z",
	         {"1969-12-31T23:00:00Z", "1970-01-01T23:00:00Z"}},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct occurrence o = {.at_ms = at(rows[i].from)};
		char reason[RECURRENCE_REASON_SIZE] = "";
		struct recurrence *r;

		ck_assert_msg(recurrence_rrule(rows[i].text, rows[i].from_s != 0 ? rows[i].from_s : INT64_MIN,
		                               &r, reason) == ERR_OK,
		              "%s: %s", rows[i].text, reason);
		for (size_t k = 0; k < 4 && rows[i].at[k] != NULL; k++) {
			ck_assert_msg(recurrence_next(r, zones_get(zones, "UTC"), o.at_ms, &o), "%s: %s",
			              rows[i].text, rows[i].at[k]);
			ck_assert_msg(o.at_ms == at(rows[i].at[k]), "%s: %lld, not %s", rows[i].text,
			              (long long)o.at_ms, rows[i].at[k]);
		}
		ck_assert_msg(!recurrence_next(r, zones_get(zones, "UTC"), o.at_ms, &o), "%s: %lld too",
		              rows[i].text, (long long)o.at_ms);
		recurrence_free(r);
	}
}
END_TEST

START_TEST(test_the_least_time_between_two_is_told_where_there_are_two)
{
	static const struct {
		const char *text;
		int64_t spacing_s;
	} rows[] = {{"DTSTART:20260101T010000\nRRULE:FREQ=DAILY;BYHOUR=1,5,6;COUNT=9", 3600},
	            {"DTSTART:20260101T010000\nRRULE:FREQ=DAILY;BYHOUR=1,2,6;COUNT=9", 3600},
	            {"DTSTART:20260101T010000\nRRULE:FREQ=DAILY;COUNT=1", 0},
	            {"DTSTART:20260101T010000\nRRULE:FREQ=YEARLY;INTERVAL=3", 0}};
	char reason[RECURRENCE_REASON_SIZE];
	struct recurrence *r;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		ck_assert_int_eq(recurrence_rrule(rows[i].text, INT64_MIN, &r, reason), ERR_OK);
		ck_assert_int_eq(recurrence_spacing_s(r, at("2026-01-01T00:00:00Z") / 1000),
		                 rows[i].spacing_s);
		recurrence_free(r);
	}
	ck_assert_int_eq(recurrence_cron("* * * * *", &r, reason), ERR_OK); /* more than are looked at */
	ck_assert_int_eq(recurrence_spacing_s(r, 0), 60);
	recurrence_free(r);
	recurrence_free(NULL);
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

START_TEST(test_what_is_fifty_years_away_is_not_looked_for)
{
	const struct zone *z = zones_get(zones, "UTC");
	int64_t first_ms = at("2026-01-01T00:00:00Z");
	char reason[RECURRENCE_REASON_SIZE];
	struct recurrence *r;
	struct occurrence o;

	ck_assert_int_eq(recurrence_rrule("DTSTART:20250101T000000\nRDATE:20250102T000000,20760208T000000",
	                                  INT64_MIN, &r, reason),
	                 ERR_OK);
	ck_assert(!recurrence_next(r, z, first_ms, &o)); /* 50 years of 366 days */
	ck_assert(recurrence_next(r, z, first_ms + 1000, &o));
	ck_assert_int_eq(o.at_ms, at("2076-02-08T00:00:00Z"));
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
	ck_assert(recurrence_next(r, zones_get(zones, "America/St_Johns"), at("2026-01-01T00:00:00Z"), &o));
	ck_assert_str_eq(occurrence_text(&o, text), "2026-01-01T02:30:00-03:30");
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
	      test_what_is_no_time_is_refused_wherever_it_stands, test_lists_of_dates_have_an_end,
	      test_a_part_that_is_too_long_is_refused, test_rules_name_these_times,
	      test_the_least_time_between_two_is_told_where_there_are_two, test_dates_are_left_out_and_added,
	      test_what_is_fifty_years_away_is_not_looked_for, test_days_of_a_year_may_be_kept_to_months,
	      test_an_occurrence_says_what_the_clocks_did);
	status = suite_run(s);
	zones_free(zones);
	return status;
}
