/* sim: what becomes of each occurrence of a schedule, and the orders that are given to it. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/campaign/spec.h"
#include "store/answer.h"
#include "store/backend.h"
#include "tests/sim/sim.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
/* From 5:00 to 5:30; a campaign of the hours before is live until then. */
#define AT_FIVE \
	"{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true},\"schedule\":{" \
	"\"windows\":[{\"cron\":\"0 5 * * *\",\"durationMinutes\":30}]},\"verify\":{\"settleSeconds\":5}}"
#define HOURLY "{\"name\":\"s\",\"recurrence\":{\"cron\":\"0 * * * *\"}"

static int64_t at(const char *text)
{
	int64_t ms;

	ck_assert(time_parse(text, strlen(text), false, &ms));
	return ms;
}

/* At half past midnight. */
static struct sim *start(void)
{
	struct sim_options o;

	sim_options_init(&o);
	o.world.start_ms = at("2026-01-10T00:30:00Z");
	o.world.devices_n = 2;
	return sim_new(&o);
}

/* The schedule on record; its texts are not set. */
static bool find(struct sim *s, struct schedule_row *ret)
{
	struct schedule_filter f = {.limit = 1};
	struct answer answer;
	bool is_there;

	answer_init(&answer);
	ck_assert_int_eq(backend_read_schedules(sim_record(s), &f, &answer), ERR_OK);
	is_there = answer.schedules_n > 0;
	if (is_there)
		*ret = answer.schedules[0];
	ret->name = ret->spec = ret->created_by = NULL;
	answer_done(&answer);
	return is_there;
}

static struct schedule_row row_of(struct sim *s)
{
	struct schedule_row row = {0};

	ck_assert(find(s, &row));
	return row;
}

/* What was told of schedules: "created started skipped". */
static const char *told(struct sim *s)
{
	static const char mark[] = "\"change\":\"";
	static struct buf all;
	struct answer answer;

	buf_done(&all);
	buf_init(&all);
	buf_puts(&all, "");
	answer_init(&answer);
	ck_assert_int_eq(backend_read_events(sim_record(s), 0, 0, STORE_PAGE_MAX, &answer), ERR_OK);
	for (size_t i = 0; i < answer.events_n; i++) {
		const char *change = answer.events[i].detail;

		if (answer.events[i].type != EVENT_SCHEDULE)
			continue;
		change = strstr(change, mark) + strlen(mark);
		buf_printf(&all, "%s%.*s", all.len > 0 ? " " : "", (int)strcspn(change, "\""), change);
	}
	answer_done(&answer);
	return all.data;
}

struct reply {
	bool is_there;
	enum err err;
	char detail[128];
};

static void on_reply(void *arg, enum err err, const char *detail, const char *id)
{
	struct reply *reply = arg;

	(void)id;
	reply->is_there = true;
	reply->err = err;
	snprintf(reply->detail, sizeof reply->detail, "%s", detail != NULL ? detail : "");
}

static enum err await(struct sim *s, struct reply *reply)
{
	sim_pass(s, 1000);
	ck_assert(reply->is_there);
	return reply->err;
}

static enum err order(struct sim *s, const char *id, enum schedule_order what)
{
	struct reply reply = {0};

	conductor_schedule_order(sim_conductor(s), id, what, "eva", on_reply, &reply);
	return await(s, &reply);
}

static enum err run_now(struct sim *s, const char *id)
{
	struct conductor_request request = {.by = "eva"};
	struct reply reply = {0};

	conductor_schedule_run(sim_conductor(s), id, &request, on_reply, &reply);
	return await(s, &reply);
}

static void parse(const char *json, struct schedule_spec *ret, struct campaign_spec *ret_campaign)
{
	struct faults faults = FAULTS_INIT;
	char reason[SPEC_REASON_SIZE];
	size_t at_byte;

	ck_assert_msg(schedule_spec_parse(json, strlen(json), ret, ret_campaign, &faults, &at_byte, reason) ==
	                      ERR_OK,
	              "%s: %s", json, faults.n > 0 ? faults.all[0].detail : reason);
	faults_done(&faults);
}

static enum err replace(struct sim *s, const char *id, uint32_t revision, const char *json)
{
	struct schedule_spec spec;
	struct campaign_spec campaign;
	struct reply reply = {0};

	parse(json, &spec, &campaign);
	spec_done(&campaign);
	conductor_schedule_replace(sim_conductor(s), id, revision, &spec, "eva", on_reply, &reply);
	return await(s, &reply);
}

START_TEST(test_while_a_campaign_is_live_the_next_are_skipped)
{
	struct sim *s = start();

	sim_schedule(s, HOURLY ",\"campaign\":" AT_FIVE "}");
	sim_pass(s, 3 * HOUR_MS + 31 * MINUTE_MS);
	ck_assert_str_eq(told(s), "created started skipped skipped skipped");
	ck_assert_uint_eq(row_of(s).started, 1);
	ck_assert_uint_eq(row_of(s).skipped, 3);
	sim_pass(s, 2 * HOUR_MS); /* it has ended after 5:00 */
	ck_assert_uint_eq(row_of(s).started, 2);
	ck_assert_int_eq(row_of(s).next_at_ms, at("2026-01-10T07:00:00Z"));
	sim_free(s);
}
END_TEST

START_TEST(test_one_occurrence_waits_for_the_campaign_before_over_a_crash)
{
	struct sim *s = start();

	sim_schedule(s, HOURLY ",\"overlap\":\"queue\",\"campaign\":" AT_FIVE "}");
	sim_pass(s, 2 * HOUR_MS + 31 * MINUTE_MS);
	ck_assert_str_eq(told(s), "created started queued skipped");
	ck_assert_int_eq(row_of(s).queued_at_ms, at("2026-01-10T02:00:00Z"));
	sim_crash(s);
	sim_wait_up(s);
	sim_pass(s, 2 * HOUR_MS + 45 * MINUTE_MS);
	ck_assert_uint_eq(row_of(s).started, 2);
	ck_assert_int_eq(row_of(s).queued_at_ms, TIME_NONE);
	sim_free(s);
}
END_TEST

START_TEST(test_what_waits_stays_while_the_schedule_is_paused)
{
	struct sim *s = start();
	struct schedule_row row;

	sim_schedule(s, HOURLY ",\"overlap\":\"queue\",\"campaign\":" AT_FIVE "}");
	sim_pass(s, HOUR_MS + 31 * MINUTE_MS);
	row = row_of(s);
	ck_assert_int_eq(order(s, row.id, SCHEDULE_PAUSE), ERR_OK);
	ck_assert_int_eq(order(s, row.id, SCHEDULE_PAUSE), ERR_OK);
	sim_pass(s, 4 * HOUR_MS); /* the first has ended */
	ck_assert_str_eq(told(s), "created started queued paused skipped skipped skipped skipped");
	sim_crash(s);
	sim_wait_up(s);
	sim_pass(s, MINUTE_MS);
	ck_assert_uint_eq(row_of(s).started, 1);
	ck_assert_int_eq(order(s, row.id, SCHEDULE_RESUME), ERR_OK);
	sim_pass(s, MINUTE_MS);
	ck_assert_uint_eq(row_of(s).started, 2);
	ck_assert_int_eq(order(s, row.id, SCHEDULE_PAUSE), ERR_OK);
	ck_assert_int_eq(order(s, row.id, SCHEDULE_RESUME), ERR_OK);
	ck_assert_str_eq(
	        told(s),
	        "created started queued paused skipped skipped skipped skipped resumed started paused resumed");
	sim_free(s);
}
END_TEST

START_TEST(test_where_overlap_is_allowed_each_starts)
{
	struct sim *s = start();

	sim_schedule(s, HOURLY ",\"overlap\":\"allow\",\"campaign\":" AT_FIVE "}");
	sim_pass(s, 2 * HOUR_MS + 31 * MINUTE_MS);
	ck_assert_str_eq(told(s), "created started started started");
	sim_free(s);
}
END_TEST

START_TEST(test_occurrences_that_passed_by_are_caught_up_or_missed_as_one)
{
	struct sim *s = start();

	sim_schedule(s, HOURLY ",\"catchUpSeconds\":7200,\"campaign\":" AT_FIVE "}");
	sim_set_clock(s, 5 * HOUR_MS + 40 * MINUTE_MS); /* ten past six */
	sim_pass(s, MINUTE_MS);
	ck_assert_str_eq(told(s), "created missed started skipped");
	ck_assert_uint_eq(row_of(s).missed, 4);
	sim_free(s);
}
END_TEST

START_TEST(test_what_passed_by_while_paused_was_skipped)
{
	struct sim *s = start();

	sim_schedule(s, HOURLY ",\"catchUpSeconds\":0,\"campaign\":" AT_FIVE "}");
	ck_assert_int_eq(order(s, row_of(s).id, SCHEDULE_PAUSE), ERR_OK);
	sim_set_clock(s, 5 * HOUR_MS + 40 * MINUTE_MS);
	sim_pass(s, MINUTE_MS);
	ck_assert_str_eq(told(s), "created paused skipped");
	ck_assert_uint_eq(row_of(s).skipped, 6);
	ck_assert_uint_eq(row_of(s).missed, 0);
	sim_free(s);
}
END_TEST

START_TEST(test_ten_thousand_missed_are_counted_and_the_rest_passed_over)
{
	struct sim *s = start();

	sim_schedule(s, "{\"name\":\"s\",\"recurrence\":{\"cron\":\"* * * * *\"},\"catchUpSeconds\":0,"
	                "\"campaign\":" AT_FIVE "}");
	sim_set_clock(s, 10 * DAY_MS);
	sim_pass(s, 30000);
	ck_assert_uint_eq(row_of(s).missed, 10000);
	ck_assert_int_gt(row_of(s).next_at_ms, at("2026-01-20T00:30:00Z"));
	ck_assert_int_le(row_of(s).next_at_ms, at("2026-01-20T00:32:00Z"));
	sim_free(s);
}
END_TEST

START_TEST(test_more_than_one_commit_holds_are_started_all_the_same)
{
	struct sim *s = start();

	sim_schedule(s, "{\"name\":\"s\",\"recurrence\":{\"cron\":\"* * * * *\"},\"catchUpSeconds\":86400,"
	                "\"overlap\":\"allow\",\"campaign\":" AT_FIVE "}");
	sim_set_clock(s, 100 * MINUTE_MS);
	sim_pass(s, 30000);
	ck_assert_uint_ge(row_of(s).started, 100);
	ck_assert_uint_le(row_of(s).started, 101);
	ck_assert_uint_eq(row_of(s).missed, 0);
	sim_free(s);
}
END_TEST

START_TEST(test_a_rule_occurs_from_and_until_where_it_says)
{
	struct occurrence_view seen[4];
	struct sim *s = start();
	char id[ID_SIZE];
	size_t n;

	sim_schedule(s, "{\"name\":\"s\",\"recurrence\":{\"rrule\":\"FREQ=DAILY;BYHOUR=1,2,3,4;BYMINUTE=0\","
	                "\"from\":\"2026-01-10T02:00:00Z\",\"until\":\"2026-01-10T03:00:00Z\"},"
	                "\"overlap\":\"allow\",\"campaign\":" AT_FIVE "}");
	memcpy(id, row_of(s).id, sizeof id);
	ck_assert_int_eq(conductor_occurrences(sim_conductor(s), id, TIME_NONE, 4, seen, &n), ERR_OK);
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(seen[0].local, "2026-01-10T02:00:00+00:00");
	ck_assert_str_eq(seen[1].local, "2026-01-10T03:00:00+00:00");
	ck_assert_int_eq(conductor_occurrences(sim_conductor(s), id, at("2026-01-10T02:00:00Z"), 1, seen, &n),
	                 ERR_OK);
	ck_assert_int_eq(seen[0].at_ms, at("2026-01-10T03:00:00Z"));
	ck_assert_int_eq(conductor_occurrences(sim_conductor(s), "no", 0, 4, seen, &n), ERR_NOT_FOUND);
	sim_pass(s, 4 * HOUR_MS);
	ck_assert_str_eq(told(s), "created started started");
	ck_assert_int_eq(row_of(s).next_at_ms, TIME_NONE);
	sim_crash(s);
	sim_wait_up(s);
	sim_pass(s, MINUTE_MS);
	ck_assert_int_eq(row_of(s).next_at_ms, TIME_NONE);
	sim_free(s);
}
END_TEST

START_TEST(test_what_has_changed_meanwhile_is_not_replaced)
{
	struct sim *s = start();
	uint32_t revision;
	char id[ID_SIZE];

	sim_schedule(s, HOURLY ",\"campaign\":" AT_FIVE "}");
	memcpy(id, row_of(s).id, sizeof id);
	ck_assert(conductor_schedule_revision(sim_conductor(s), id, &revision));
	ck_assert(!conductor_schedule_revision(sim_conductor(s), "no", &revision));
	ck_assert_int_eq(replace(s, id, revision + 1, HOURLY ",\"campaign\":" AT_FIVE "}"), ERR_CONFLICT);
	ck_assert_int_eq(replace(s, "no", revision, HOURLY ",\"campaign\":" AT_FIVE "}"), ERR_NOT_FOUND);
	ck_assert_int_eq(
	        replace(s, id, revision,
	                "{\"name\":\"s\",\"recurrence\":{\"cron\":\"15 * * * *\"},\"campaign\":" AT_FIVE "}"),
	        ERR_OK);
	ck_assert_int_eq(row_of(s).next_at_ms, at("2026-01-10T01:15:00Z"));
	ck_assert_uint_eq(row_of(s).revision, revision + 1);
	ck_assert_int_eq(replace(s, id, revision, HOURLY ",\"campaign\":" AT_FIVE "}"), ERR_CONFLICT);
	sim_pass(s, HOUR_MS);
	ck_assert_str_eq(told(s), "created changed started");
	ck_assert_int_eq(row_of(s).done_at_ms, at("2026-01-10T01:15:00Z"));
	sim_free(s);
}
END_TEST

START_TEST(test_what_a_changed_schedule_says_counts_from_the_change_on)
{
	struct sim *s = start();

	sim_schedule(s, HOURLY ",\"catchUpSeconds\":86400,\"campaign\":" AT_FIVE "}");
	sim_pass(s, 50 * MINUTE_MS); /* twenty past one */
	ck_assert_int_eq(
	        replace(s, row_of(s).id, 1,
	                "{\"name\":\"s\",\"recurrence\":{\"cron\":\"10 * * * *\"},\"catchUpSeconds\":86400,"
	                "\"overlap\":\"allow\",\"campaign\":" AT_FIVE "}"),
	        ERR_OK);
	sim_pass(s, MINUTE_MS);
	ck_assert_str_eq(told(s), "created started changed");
	ck_assert_int_eq(row_of(s).next_at_ms, at("2026-01-10T02:10:00Z"));
	sim_free(s);
}
END_TEST

START_TEST(test_a_schedule_that_is_deleted_leaves_its_campaigns)
{
	struct schedule_row row;
	struct sim *s = start();
	char id[ID_SIZE];

	sim_schedule(s, HOURLY ",\"campaign\":" AT_FIVE "}");
	memcpy(id, row_of(s).id, sizeof id);
	ck_assert_int_eq(run_now(s, id), ERR_OK);
	ck_assert_uint_eq(row_of(s).started, 1);
	ck_assert_int_eq(order(s, id, SCHEDULE_DELETE), ERR_OK);
	ck_assert(!find(s, &row));
	ck_assert_uint_eq(conductor_schedules_n(sim_conductor(s)), 0);
	ck_assert_int_eq(order(s, id, SCHEDULE_PAUSE), ERR_NOT_FOUND);
	ck_assert_int_eq(run_now(s, id), ERR_NOT_FOUND);
	sim_pass(s, 6 * HOUR_MS); /* its campaign runs and ends */
	ck_assert_str_eq(told(s), "created started deleted");
	ck_assert_uint_eq(sim_calls(s), 2);
	sim_free(s);
}
END_TEST

static void check(struct sim *s, const char *json, const char *pointer)
{
	struct faults faults = FAULTS_INIT;
	struct schedule_spec spec;
	struct campaign_spec campaign;

	parse(json, &spec, &campaign);
	conductor_schedule_check(sim_conductor(s), &spec, &campaign, &faults);
	ck_assert_msg(faults.n == 1 && strcmp(faults.all[0].pointer, pointer) == 0, "%s: %s, not %s", json,
	              faults.n > 0 ? faults.all[0].pointer : "nothing", pointer);
	faults_done(&faults);
	schedule_spec_done(&spec);
	spec_done(&campaign);
}

#define WITH(recurrence) "{\"name\":\"s\",\"recurrence\":{" recurrence "},\"campaign\":" AT_FIVE "}"
#define IN(members) \
	HOURLY ",\"campaign\":{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true}," members \
	       "}}"

START_TEST(test_what_cannot_be_is_refused_where_it_stands)
{
	struct sim *s = start();

	check(s, WITH("\"cron\":\"61 * * * *\""), "/recurrence/cron");
	check(s, WITH("\"rrule\":\"FREQ=SECONDLY\""), "/recurrence/rrule");
	check(s, WITH("\"cron\":\"0 * * * *\",\"timeZone\":\"Mars/Base\""), "/recurrence/timeZone");
	check(s, WITH("\"cron\":\"0 * * * *\",\"until\":\"2025-01-01T00:00:00Z\""), "/recurrence");
	check(s, WITH("\"rrule\":\"FREQ=DAILY;COUNT=1\",\"from\":\"2025-01-01T00:00:00Z\""), "/recurrence");
	check(s, IN("\"hubs\":[\"hub9\"]"), "/campaign/hubs/0");
	check(s,
	      IN("\"schedule\":{\"timeZone\":\"Mars/Base\",\"windows\":[{\"cron\":\"0 5 * * *\","
	         "\"durationMinutes\":30}]}"),
	      "/campaign/schedule/timeZone");
	check(s,
	      IN("\"schedule\":{\"timeZone\":\"device\",\"deviceTimeZone\":{\"from\":\"tags.timeZone\","
	         "\"fallback\":\"Mars/Base\"},\"windows\":[{\"cron\":\"0 5 * * *\",\"durationMinutes\":30}]}"),
	      "/campaign/schedule/deviceTimeZone/fallback");
	check(s, IN("\"schedule\":{\"windows\":[{\"cron\":\"0 25 * * *\",\"durationMinutes\":30}]}"),
	      "/campaign/schedule/windows/0/cron");
	check(s, IN("\"schedule\":{\"windows\":[{\"rrule\":\"FREQ=SECONDLY\",\"durationMinutes\":30}]}"),
	      "/campaign/schedule/windows/0/rrule");
	check(s, IN("\"schedule\":{\"windows\":[{\"cron\":\"0 * * * *\",\"durationMinutes\":90}]}"),
	      "/campaign/schedule/windows/0/durationMinutes");
	sim_free(s);
}
END_TEST

START_TEST(test_a_service_that_stops_takes_no_orders)
{
	struct sim_settings settings = {5000, 0, "none"};
	struct conductor_request request = {.by = "eva"};
	struct schedule_spec spec;
	struct campaign_spec campaign;
	struct reply reply = {0};
	struct sim *s = start();
	char id[ID_SIZE];

	sim_schedule(s, HOURLY ",\"campaign\":" AT_FIVE "}");
	memcpy(id, row_of(s).id, sizeof id);
	conductor_drain(sim_conductor(s));
	ck_assert_int_eq(order(s, id, SCHEDULE_PAUSE), ERR_CLOSED);
	ck_assert_int_eq(run_now(s, id), ERR_CLOSED);
	ck_assert_int_eq(replace(s, id, 1, HOURLY ",\"campaign\":" AT_FIVE "}"), ERR_CLOSED);
	parse(HOURLY ",\"campaign\":" AT_FIVE "}", &spec, &campaign);
	conductor_schedule_create(sim_conductor(s), &spec, &request, on_reply, &reply);
	ck_assert_int_eq(await(s, &reply), ERR_CLOSED);
	reply.is_there = false;
	conductor_create(sim_conductor(s), &campaign, &request, on_reply, &reply);
	ck_assert_int_eq(await(s, &reply), ERR_CLOSED);
	reply.is_there = false;
	conductor_retry(sim_conductor(s), "no", UINT32_MAX, &request, on_reply, &reply);
	ck_assert_int_eq(await(s, &reply), ERR_CLOSED);
	reply.is_there = false;
	conductor_order(sim_conductor(s), "no", ORDER_PAUSE, "eva", on_reply, &reply);
	ck_assert_int_eq(await(s, &reply), ERR_CLOSED);
	reply.is_there = false;
	conductor_delete(sim_conductor(s), "no", "eva", on_reply, &reply);
	ck_assert_int_eq(await(s, &reply), ERR_CLOSED);
	reply.is_there = false;
	conductor_forget_dead_letters(sim_conductor(s), "ops", "1", on_reply, &reply);
	ck_assert_int_eq(await(s, &reply), ERR_CLOSED);
	ck_assert_int_eq(conductor_list_begin(sim_conductor(s), "l"), ERR_CLOSED);
	sim_pass(s, HOUR_MS);
	ck_assert_str_eq(told(s), "created"); /* nor does it start anything */
	sim_restart(s, &settings);
	sim_wait_up(s);
	sim_pass(s, MINUTE_MS);
	ck_assert_str_eq(told(s), "created started"); /* half an hour late: it is caught up */
	sim_free(s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim schedules");

	log_setup(LOG_OFF, false, 2);
	TESTS(s, "schedules", test_while_a_campaign_is_live_the_next_are_skipped,
	      test_one_occurrence_waits_for_the_campaign_before_over_a_crash,
	      test_what_waits_stays_while_the_schedule_is_paused, test_where_overlap_is_allowed_each_starts,
	      test_occurrences_that_passed_by_are_caught_up_or_missed_as_one,
	      test_what_passed_by_while_paused_was_skipped,
	      test_ten_thousand_missed_are_counted_and_the_rest_passed_over,
	      test_more_than_one_commit_holds_are_started_all_the_same,
	      test_a_rule_occurs_from_and_until_where_it_says,
	      test_what_has_changed_meanwhile_is_not_replaced,
	      test_what_a_changed_schedule_says_counts_from_the_change_on,
	      test_a_schedule_that_is_deleted_leaves_its_campaigns,
	      test_what_cannot_be_is_refused_where_it_stands, test_a_service_that_stops_takes_no_orders);
	return suite_run(s);
}
