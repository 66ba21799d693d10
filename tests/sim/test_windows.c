/* sim: windows in each device's own zone, blackouts and schedules: P5, and each occurrence once, over a year
 * and over crashes; what happens at the edges, to the millisecond. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/base/rng.h"
#include "server/schedule/recurrence.h"
#include "store/backend.h"
#include "tests/sim/sim.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define REBOOT "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true}"

static int64_t at(const char *text)
{
	int64_t ms;

	ck_assert(time_parse(text, strlen(text), false, &ms));
	return ms;
}

static void start(struct sim_options *o, const char *when)
{
	sim_options_init(o);
	o->world.start_ms = at(when);
	o->world.devices_n = 12;
	o->world.site_size = 2; /* two devices in each of the world's six zones */
}

START_TEST(test_each_device_is_called_in_its_own_night)
{
	static const char *const opens[] = {"2026-01-10T01:00:00Z", "2026-01-10T02:00:00Z",
	                                    "2026-01-10T07:00:00Z", "2026-01-10T20:30:00Z",
	                                    "2026-01-10T15:00:00Z", "2026-01-10T02:00:00Z"};
	struct sim_options o;
	struct campaign_row row;
	struct sim *s;
	uint32_t c;

	start(&o, "2026-01-10T00:30:00Z");
	s = sim_new(&o);
	c = sim_create(s,
	               REBOOT ",\"schedule\":{\"timeZone\":\"device\",\"windows\":[{\"cron\":\"0 2 * * *\","
	                      "\"durationMinutes\":30}]},\"verify\":{\"settleSeconds\":5}}");
	ck_assert(sim_run(s, 2 * DAY_MS));
	sim_campaign(s, c, &row);
	ck_assert_uint_eq(row.counts.state[TARGET_SUCCEEDED], 12);
	for (uint32_t i = 0; i < 12; i++) {
		struct target_row t;
		char id[16];

		snprintf(id, sizeof id, "dev-%06u", i);
		ck_assert(sim_target(s, c, 0, id, &t));
		ck_assert_int_ge(t.called_at_ms, at(opens[i / 2]));
		ck_assert_int_lt(t.called_at_ms, at(opens[i / 2]) + MINUTE_MS);
	}
	sim_free(s);
}
END_TEST

START_TEST(test_what_waits_says_why_and_until_when)
{
	struct sim_options o;
	struct campaign_waiting w;
	struct campaign_row row;
	int64_t opens_ms;
	struct sim *s;
	uint32_t c;

	start(&o, "2026-12-23T12:00:00Z");
	s = sim_new(&o);
	c = sim_create(
	        s, REBOOT
	        ",\"schedule\":{\"timeZone\":\"Europe/Stockholm\",\"windows\":[{\"cron\":\"0 2 * * *\","
	        "\"durationMinutes\":30}],\"blackouts\":[{\"from\":\"2026-12-24\",\"to\":\"2026-12-26\"}]}}");
	sim_pass(s, HOUR_MS);
	sim_campaign(s, c, &row);
	conductor_waiting(sim_conductor(s), row.no, &w);
	ck_assert(w.has_shut_windows);
	ck_assert_uint_eq(w.window_by[0][WAIT_NONE], 12);
	ck_assert_int_eq(conductor_window(sim_conductor(s), row.no, 0, &opens_ms), WAIT_WINDOW);
	ck_assert_int_eq(opens_ms, at("2026-12-27T01:00:00Z"));
	sim_pass(s, DAY_MS);
	conductor_waiting(sim_conductor(s), row.no, &w);
	ck_assert_uint_eq(w.window_by[1][WAIT_NONE], 12);
	ck_assert_int_eq(conductor_window(sim_conductor(s), row.no, 0, &opens_ms), WAIT_BLACKOUT);
	ck_assert_int_eq(opens_ms, at("2026-12-27T01:00:00Z"));
	ck_assert(sim_run(s, 5 * DAY_MS));
	sim_free(s);
}
END_TEST

/* One device a minute, and a window of ten minutes: what is left waits for the next night, or for the end. */
START_TEST(test_a_window_shuts_on_those_that_wait_and_the_end_skips_them)
{
	struct sim_options o;
	struct campaign_row row;
	struct sim *s;
	uint32_t c;

	start(&o, "2026-01-10T00:30:00Z");
	s = sim_new(&o);
	c = sim_create(s, REBOOT ",\"rollout\":{\"ratePerMinute\":1},\"schedule\":{\"timeZone\":\"UTC\","
	                         "\"windows\":[{\"cron\":\"0 2 * * *\",\"durationMinutes\":5}],"
	                         "\"endAt\":\"2026-01-11T12:00:00Z\"}}");
	sim_pass(s, 12 * HOUR_MS);
	sim_campaign(s, c, &row);
	ck_assert_uint_eq(row.counts.state[TARGET_SUCCEEDED], 5);
	ck_assert_uint_eq(row.counts.state[TARGET_WAITING], 7);
	ck_assert(sim_run(s, 2 * DAY_MS));
	sim_campaign(s, c, &row);
	ck_assert_uint_eq(row.counts.state[TARGET_SUCCEEDED], 10);
	ck_assert_uint_eq(row.counts.reason[REASON_WINDOW_ENDED], 2);
	sim_free(s);
}
END_TEST

START_TEST(test_a_call_that_must_finish_in_the_window_does_not_start_too_late)
{
	struct sim_options o;
	struct campaign_row row;
	struct sim *s;
	uint32_t c;

	start(&o, "2026-01-10T00:30:00Z");
	s = sim_new(&o);
	c = sim_create(
	        s,
	        "{\"name\":\"t\",\"action\":{\"type\":\"reboot\",\"responseTimeoutSeconds\":150},"
	        "\"targets\":{\"all\":true},\"rollout\":{\"ratePerMinute\":1},\"schedule\":{\"timeZone\":\"UTC\","
	        "\"windows\":[{\"cron\":\"0 2 * * *\",\"durationMinutes\":5}],\"mustFinishInWindow\":true}}");
	sim_pass(s, 12 * HOUR_MS);
	sim_campaign(s, c, &row);
	ck_assert_uint_eq(row.counts.state[TARGET_SUCCEEDED], 3); /* at 0, 1 and 2 minutes of the 2½ */
	sim_free(s);
}
END_TEST

/* Old campaigns are forgotten, so they are counted as they appear: exactly one for each occurrence. */
struct tally {
	int64_t at_ms[400];
	size_t n;
};

static void count_campaigns(struct sim *s, struct tally *t)
{
	struct campaign_filter f = {.state = -1, .limit = STORE_PAGE_MAX};
	struct answer answer;

	answer_init(&answer);
	ck_assert_int_eq(backend_read_campaigns(sim_record(s), &f, &answer), ERR_OK);
	for (size_t i = answer.campaigns_n; i-- > 0;) {
		int64_t at_ms = answer.campaigns[i].occurrence_at_ms;
		size_t j = 0;

		while (j < t->n && t->at_ms[j] != at_ms)
			j++;
		if (j == t->n)
			t->at_ms[t->n++] = at_ms;
		for (size_t k = 0; k < i; k++)
			SIM_CHECK(s, answer.campaigns[k].occurrence_at_ms != at_ms,
			          "an occurrence has two campaigns");
	}
	answer_done(&answer);
}

START_TEST(test_a_clock_set_forward_opens_a_window_and_ends_no_time_out)
{
	struct sim_options o;
	struct campaign_row row;
	struct sim *s;
	uint32_t c;

	start(&o, "2026-01-10T00:30:00Z");
	o.world.share[WORLD_SLOW] = 1;
	o.world.slow_report = (struct world_span){300000, 600000};
	s = sim_new(&o);
	c = sim_create(s, REBOOT
	               ",\"schedule\":{\"timeZone\":\"UTC\",\"windows\":[{\"cron\":\"0 2 * * *\","
	               "\"durationMinutes\":30}]},\"verify\":{\"timeoutSeconds\":900,\"settleSeconds\":0}}");
	sim_pass(s, 30 * MINUTE_MS);
	ck_assert_uint_eq(sim_calls(s), 0);
	sim_set_clock(s, HOUR_MS);
	sim_pass(s, MINUTE_MS);
	ck_assert_uint_eq(sim_calls(s), 12);
	sim_set_clock(s, 5 * HOUR_MS); /* their proof comes in minutes: by this clock, hours too late */
	sim_pass(s, 20 * MINUTE_MS);
	sim_campaign(s, c, &row);
	ck_assert_uint_eq(row.counts.state[TARGET_SUCCEEDED], 12);
	sim_free(s);
}
END_TEST

START_TEST(test_a_clock_set_back_shuts_a_window_and_repeats_no_occurrence)
{
	struct tally t = {.n = 0};
	struct sim_options o;
	struct sim *s;

	start(&o, "2026-01-10T01:30:00Z");
	s = sim_new(&o);
	sim_schedule(s,
	             "{\"name\":\"n\",\"recurrence\":{\"cron\":\"0 2 * * *\"},\"campaign\":" REBOOT
	             ",\"rollout\":{\"ratePerMinute\":1},\"schedule\":{\"windows\":[{\"cron\":\"0 2 * * *\","
	             "\"durationMinutes\":30}]},\"verify\":{\"timeoutSeconds\":60,\"settleSeconds\":0}}}");
	sim_pass(s, 34 * MINUTE_MS + 30000);
	ck_assert_uint_eq(sim_calls(s), 5);
	sim_set_clock(s, -HOUR_MS); /* 01:04:30 */
	sim_pass(s, 50 * MINUTE_MS);
	ck_assert_uint_eq(sim_calls(s), 5);
	sim_pass(s, 20 * MINUTE_MS);
	ck_assert_uint_eq(sim_calls(s), 12);
	sim_pass(s, DAY_MS);
	count_campaigns(s, &t);
	ck_assert_uint_eq(t.n, 2); /* that day's, and the next one's */
	sim_free(s);
}
END_TEST

/* Nightly campaigns in six zones, with crashes. */
START_TEST(test_a_year_of_nights_keeps_every_window_and_every_occurrence)
{
	struct zones *zones = zones_new(NULL);
	char reason[RECURRENCE_REASON_SIZE];
	struct tally t = {.n = 0};
	struct sim_options o;
	struct occurrence occurrence;
	struct recurrence *r;
	struct sim *s;
	size_t n = 0;

	start(&o, "2026-01-01T00:00:00Z");
	o.seed = 5;
	o.retention_days = 4;
	o.crash_share = 0.002;
	o.track_interval_ms = 30000;
	s = sim_new(&o);
	sim_schedule(
	        s,
	        "{\"name\":\"nightly\",\"recurrence\":{\"cron\":\"30 2 * * *\",\"timeZone\":\"Europe/Stockholm\"},"
	        "\"overlap\":\"allow\",\"campaign\":" REBOOT
	        ",\"schedule\":{\"timeZone\":\"device\",\"windows\":["
	        "{\"cron\":\"15 2 * * *\",\"durationMinutes\":45},"
	        "{\"rrule\":\"FREQ=WEEKLY;BYDAY=SA,SU;BYHOUR=12;BYMINUTE=0\",\"durationMinutes\":90}],"
	        "\"blackouts\":[{\"from\":\"2026-03-29\",\"to\":\"2026-03-30\"},{\"from\":\"2026-12-24\","
	        "\"to\":\"2026-12-26\"}],\"endAfterSeconds\":300000},\"verify\":{\"settleSeconds\":5}}}");
	ck_assert_int_eq(recurrence_cron("30 2 * * *", &r, reason), ERR_OK);
	for (int day = 0; day < 365; day++) {
		sim_pass(s, DAY_MS);
		count_campaigns(s, &t);
	}
	occurrence.at_ms = o.world.start_ms;
	while (recurrence_next(r, zones_get(zones, "Europe/Stockholm"), occurrence.at_ms, &occurrence) &&
	       occurrence.at_ms < sim_now(s)) {
		ck_assert_uint_lt(n, t.n);
		ck_assert_int_eq(t.at_ms[n], occurrence.at_ms);
		n++;
	}
	ck_assert_uint_eq(n, t.n);
	ck_assert_uint_eq(n, 365);
	ck_assert_uint_gt(sim_crashes(s), 10);
	ck_assert_uint_gt(sim_calls(s),
	                  365 * 11); /* those of the days before the blackouts are called later */
	recurrence_free(r);
	zones_free(zones);
	sim_free(s);
}
END_TEST

START_TEST(test_a_crash_at_any_commit_starts_each_occurrence_once)
{
	for (uint32_t commit = 1; commit < 40; commit++)
		for (int is_after = 0; is_after < 2; is_after++) {
			struct tally t = {.n = 0};
			struct sim_options o;
			struct sim *s;

			start(&o, "2026-01-01T00:00:00Z");
			o.world.devices_n = 2;
			o.crash_at_commit = commit;
			o.crash_is_after = is_after == 1;
			s = sim_new(&o);
			sim_schedule(
			        s,
			        "{\"name\":\"h\",\"recurrence\":{\"cron\":\"0 * * * *\"},\"campaign\":" REBOOT
			        "}}");
			sim_pass(s, 3 * HOUR_MS + MINUTE_MS);
			count_campaigns(s, &t);
			SIM_CHECK(s,
			          t.n == 3 && t.at_ms[0] == at("2026-01-01T01:00:00Z") &&
			                  t.at_ms[2] == at("2026-01-01T03:00:00Z"),
			          "%zu occurrences", t.n);
			sim_free(s);
		}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim-windows");

	log_setup(getenv("ROLLCALL_SEED") != NULL ? LOG_DEBUG : LOG_OFF, false, 2);
	TESTS(s, "windows", test_each_device_is_called_in_its_own_night,
	      test_what_waits_says_why_and_until_when,
	      test_a_window_shuts_on_those_that_wait_and_the_end_skips_them,
	      test_a_call_that_must_finish_in_the_window_does_not_start_too_late,
	      test_a_clock_set_forward_opens_a_window_and_ends_no_time_out,
	      test_a_clock_set_back_shuts_a_window_and_repeats_no_occurrence,
	      test_a_year_of_nights_keeps_every_window_and_every_occurrence,
	      test_a_crash_at_any_commit_starts_each_occurrence_once);
	return suite_run(s);
}
