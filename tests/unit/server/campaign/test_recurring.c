/* tests: server/campaign/spec_recurring: what a schedule says, and what is wrong with it. */
#include "tests/lib/suite.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/campaign/spec_recurring.h"

static struct schedule_spec s;
static struct campaign_spec campaign;
static struct faults faults;
static size_t at;
static char reason[SPEC_REASON_SIZE];

static void done(void)
{
	schedule_spec_done(&s);
	spec_done(&campaign);
	faults_done(&faults);
	faults = (struct faults)FAULTS_INIT;
}

/* Schedules are written here with ' for ". */
static enum err parse(const char *text)
{
	char *json = xstrdup(text);
	enum err err;

	for (char *c = json; *c != '\0'; c++)
		*c = *c == '\'' ? '"' : *c;
	faults = (struct faults)FAULTS_INIT;
	err = schedule_spec_parse(json, strlen(json), &s, &campaign, &faults, &at, reason);
	free(json);
	return err;
}

#define CAMPAIGN "'campaign':{'name':'n','action':{'type':'reboot'},'targets':{'all':true}}"
#define WITH(recurrence) "{'name':'s','recurrence':{" recurrence "}," CAMPAIGN "}"

static const char *rendered(void)
{
	static struct buf out = BUF_INIT;

	buf_reset(&out);
	schedule_spec_render(&s, &out);
	return out.data;
}

START_TEST(test_a_silent_schedule_has_its_defaults)
{
	ck_assert_int_eq(parse(WITH("'cron':'0 2 * * 1-5'")), ERR_OK);
	ck_assert_str_eq(
	        rendered(),
	        "{\"name\":\"s\",\"recurrence\":{\"cron\":\"0 2 * * 1-5\",\"timeZone\":\"UTC\"},"
	        "\"overlap\":\"skip\",\"catchUpSeconds\":3600,"
	        "\"campaign\":{\"name\":\"n\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true}}}");
	ck_assert_int_eq(s.from_ms, TIME_NONE);
	ck_assert_int_eq(s.until_ms, TIME_NONE);
	ck_assert_str_eq(campaign.name, "n");
	done();
}
END_TEST

START_TEST(test_all_that_a_schedule_says_is_rendered_and_reads_back)
{
	char *first;

	ck_assert_int_eq(parse("{'name':'s','recurrence':{'rrule':'FREQ=DAILY','timeZone':'Europe/Stockholm',"
	                       "'from':'2026-01-01T00:00:00Z','until':'2026-02-01T00:00:00.000Z'},"
	                       "'overlap':'queue','catchUpSeconds':0," CAMPAIGN "}"),
	                 ERR_OK);
	ck_assert_uint_eq(s.overlap, OVERLAP_QUEUE);
	first = xstrdup(rendered());
	ck_assert_ptr_nonnull(strstr(first, "{\"rrule\":\"FREQ=DAILY\",\"timeZone\":\"Europe/Stockholm\","
	                                    "\"from\":\"2026-01-01T00:00:00.000Z\","
	                                    "\"until\":\"2026-02-01T00:00:00.000Z\"},"
	                                    "\"overlap\":\"queue\",\"catchUpSeconds\":0,"));
	done();
	ck_assert_int_eq(parse(first), ERR_OK);
	ck_assert_str_eq(rendered(), first);
	free(first);
	done();
}
END_TEST

START_TEST(test_an_end_needs_no_beginning)
{
	ck_assert_int_eq(parse(WITH("'cron':'0 2 * * *','until':'2026-02-01T00:00:00Z'")), ERR_OK);
	ck_assert_int_eq(s.from_ms, TIME_NONE);
	ck_assert_int_ne(s.until_ms, TIME_NONE);
	done();
}
END_TEST

/* What it must be, but 200 characters of four bytes each are a name, and one more byte is not. */
START_TEST(test_names_and_rules_may_be_so_long)
{
	static char text[8192];
	static const struct {
		const char *head, *tail;
		size_t max;
		const char *pointer;
	} rows[] = {
	        {"{'name':'", "','recurrence':{'cron':'* * * * *'}," CAMPAIGN "}", 800, "/name"},
	        {"{'name':'s','recurrence':{'cron':'", "'}," CAMPAIGN "}", 4096, "/recurrence/cron"},
	        {"{'name':'s','recurrence':{'cron':'1','timeZone':'", "'}," CAMPAIGN "}", 64,
	         "/recurrence/timeZone"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		for (size_t more = 0; more < 2; more++) {
			size_t head = strlen(rows[i].head), n = rows[i].max + more;

			memcpy(text, rows[i].head, head);
			memset(text + head, 'x', n);
			strcpy(text + head + n, rows[i].tail);
			ck_assert_int_eq(parse(text), more > 0 ? ERR_INVALID : ERR_OK);
			ck_assert_uint_eq(faults.n, more);
			if (more > 0)
				ck_assert_str_eq(faults.all[0].pointer, rows[i].pointer);
			done();
		}
}
END_TEST

START_TEST(test_all_that_is_wrong_is_told_at_its_place)
{
	static const struct {
		const char *text, *faults[2 * 5]; /* pointer and how the detail begins, in order */
	} rows[] = {
	        {"{}",
	         {"/name", "name is required", "/recurrence", "recurrence is required", "/campaign",
	          "campaign is required"}},
	        {"[]", {"", "a schedule must be an object, not a list"}},
	        {"{'name':'','recurrence':1,'campaign':1,'what':1}",
	         {"/what", "unknown member \"what\"", "/name", "name must have 1 to 800 bytes, not 0",
	          "/recurrence", "recurrence must be an object, not 1", "/campaign",
	          "a campaign must be an object, not 1"}},
	        {"{'name':1,'recurrence':{'cron':'','what':1}," CAMPAIGN "}",
	         {"/name", "name must be a text, not 1", "/recurrence/what", "unknown member",
	          "/recurrence/cron", "cron must have 1 to 4096 bytes, not 0"}},
	        {"{'name':'a\\nb','recurrence':{'cron':'1'}," CAMPAIGN "}",
	         {"/name", "name must not hold control characters"}},
	        {"{'name':'a\x7f','recurrence':{'cron':'1'}," CAMPAIGN "}",
	         {"/name", "name must not hold control characters"}},
	        {WITH(""), {"/recurrence", "recurrence must have exactly one of cron or rrule"}},
	        {WITH("'cron':'1','rrule':'1'"),
	         {"/recurrence", "recurrence must have exactly one of cron or rrule"}},
	        {WITH("'cron':'1','timeZone':'device'"),
	         {"/recurrence/timeZone", "timeZone must be one zone"}},
	        {WITH("'cron':'1','from':'2026-01-01T00:00:00Z','until':'2026-01-01T00:00:00Z'"),
	         {"/recurrence/until", "until must be later than from"}},
	        {WITH("'cron':'1','from':'2026-01-01','until':5"),
	         {"/recurrence/from", "from must be a time like", "/recurrence/until",
	          "until must be a time like"}},
	        {"{'name':'s','recurrence':{'cron':'1'},'overlap':'what','catchUpSeconds':31622401," CAMPAIGN
	         "}",
	         {"/overlap", "overlap must be \"skip\", \"queue\" or \"allow\", not \"what\"",
	          "/catchUpSeconds", "catchUpSeconds must be a whole number from 0 to 31622400"}},
	        {"{'name':'s','recurrence':{'cron':'1'},'campaign':{'name':'n','action':{'type':'reboot'},"
	         "'targets':{'all':true},'schedule':{'startAt':'2026-01-01T00:00:00Z',"
	         "'endAt':'2026-01-02T00:00:00Z'}}}",
	         {"/campaign/schedule/startAt", "startAt must be left out", "/campaign/schedule/endAt",
	          "endAt must be left out"}},
	        {"{'name':'s','recurrence':{'cron':'1'},'campaign':{'name':'n','action':{'type':'reboot'},"
	         "'targets':{'all':false}}}",
	         {"/campaign/targets/all", "all must be true"}},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t n = 0;

		ck_assert_int_eq(parse(rows[i].text), ERR_INVALID);
		for (; n < 5 && rows[i].faults[2 * n] != NULL; n++) {
			ck_assert_msg(n < faults.n, "%s: only %zu faults", rows[i].text, faults.n);
			ck_assert_str_eq(faults.all[n].pointer, rows[i].faults[2 * n]);
			ck_assert_msg(strncmp(faults.all[n].detail, rows[i].faults[2 * n + 1],
			                      strlen(rows[i].faults[2 * n + 1])) == 0,
			              "%s: %s", rows[i].text, faults.all[n].detail);
		}
		ck_assert_msg(faults.n == n, "%s: %s", rows[i].text,
		              faults.n > n ? faults.all[n].detail : "");
		done();
	}
}
END_TEST

START_TEST(test_what_is_no_json_has_a_place_and_a_reason)
{
	ck_assert_int_eq(parse("{'name':"), ERR_INVALID);
	ck_assert_uint_eq(faults.n, 0);
	ck_assert_uint_eq(at, 8);
	ck_assert_str_ne(reason, "");
	done();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("campaign recurring");

	TESTS(suite, "schedules", test_a_silent_schedule_has_its_defaults,
	      test_all_that_a_schedule_says_is_rendered_and_reads_back, test_an_end_needs_no_beginning,
	      test_names_and_rules_may_be_so_long, test_all_that_is_wrong_is_told_at_its_place,
	      test_what_is_no_json_has_a_place_and_a_reason);
	return suite_run(suite);
}
