/* sim: scenarios, and a crash at every commit, every call and every operation of the drive. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/base/rng.h"
#include "tests/sim/drive.h"
#include "tests/sim/sim.h"

#define HOUR_MS 3600000LL

#define REBOOT "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true}"

static void device_id(uint32_t i, char out[16])
{
	snprintf(out, 16, "dev-%06u", i % 1000000);
}

START_TEST(test_a_healthy_fleet_is_rebooted_once_each_and_proven)
{
	struct sim_options o;
	struct campaign_row row;
	struct sim *s;
	uint32_t c;

	sim_options_init(&o);
	o.world.devices_n = 50;
	s = sim_new(&o);
	c = sim_create(s, REBOOT ",\"verify\":{\"settleSeconds\":10}}");
	ck_assert(sim_run(s, HOUR_MS));
	sim_campaign(s, c, &row);
	ck_assert_int_eq(row.state, CAMPAIGN_COMPLETED);
	ck_assert_uint_eq(row.counts.state[TARGET_SUCCEEDED], 50);
	for (uint32_t i = 0; i < 50; i++) {
		char id[16];

		device_id(i, id);
		ck_assert_uint_eq(world_acts(sim_world(s, 0), id), 1);
	}
	sim_free(s);
}
END_TEST

START_TEST(test_what_ended_so_many_days_ago_is_forgotten_and_nothing_younger)
{
	static const char later[] =
	        REBOOT ",\"verify\":{\"settleSeconds\":10},\"schedule\":{\"startAt\":\"%s\"}}";
	char spec[256], at[TIME_TEXT_SIZE];
	struct sim_options o;
	uint32_t old, young, last;
	struct sim *s;

	sim_options_init(&o);
	o.world.devices_n = 300;
	o.retention_days = 7;
	s = sim_new(&o);
	old = sim_create(s, REBOOT ",\"verify\":{\"settleSeconds\":10}}");
	ck_assert(sim_run(s, HOUR_MS));
	ck_assert_uint_eq(sim_first_event(s), 1);
	snprintf(spec, sizeof spec, later, time_text(sim_now(s) + 5 * 24 * HOUR_MS, at));
	young = sim_create(s, spec);
	ck_assert(sim_run(s, 6 * 24 * HOUR_MS));
	ck_assert(!sim_is_forgotten(s, old));
	snprintf(spec, sizeof spec, later, time_text(sim_now(s) + 3 * 24 * HOUR_MS, at));
	last = sim_create(s, spec);
	ck_assert(sim_run(s, 4 * 24 * HOUR_MS));
	ck_assert(sim_is_forgotten(s, old));
	ck_assert_uint_gt(sim_first_event(s), 900); /* three of each device, and some more */
	ck_assert(!sim_is_forgotten(s, young));
	ck_assert(!sim_is_forgotten(s, last));
	sim_free(s);
}
END_TEST

static uint32_t operations_seen; /* of the drive, in the last run */

static bool is_long(void)
{
	const char *text = getenv("ROLLCALL_TEST_LONG");

	return text != NULL && strcmp(text, "true") == 0;
}

/* Runs one campaign of 12 devices with a crash; every device ends proven and has acted once. */
static void crash_once(const struct sim_options *o, uint32_t *ret_commits, uint32_t *ret_calls)
{
	struct sim *s = sim_new(o);
	uint32_t c =
	        sim_create(s, REBOOT ",\"rollout\":{\"maxUnavailable\":5},\"verify\":{\"settleSeconds\":5}}");
	struct campaign_row row;

	SIM_CHECK(s, sim_run(s, 24 * HOUR_MS), "not final");
	sim_campaign(s, c, &row);
	SIM_CHECK(s, row.counts.state[TARGET_SUCCEEDED] == 12, "%u of 12 are proven",
	          row.counts.state[TARGET_SUCCEEDED]);
	for (uint32_t i = 0; i < 12; i++) {
		char id[16];

		device_id(i, id);
		SIM_CHECK(s, world_acts(sim_world(s, 0), id) == 1, "%s acted %u times", id,
		          world_acts(sim_world(s, 0), id));
	}
	*ret_commits = sim_commits(s);
	*ret_calls = sim_calls(s);
	operations_seen = (uint32_t)drive_operations(sim_drive(s));
	sim_free(s);
}

START_TEST(test_a_crash_at_any_commit_loses_nothing_and_acts_once)
{
	struct sim_options o;
	uint32_t commits = 1, calls;

	sim_options_init(&o);
	o.world.devices_n = 12;
	for (uint32_t at = 0; at <= commits; at++) {
		o.crash_at_commit = at;
		o.crash_is_after = false;
		crash_once(&o, &commits, &calls);
		o.crash_is_after = true;
		crash_once(&o, &commits, &calls);
	}
}
END_TEST

START_TEST(test_a_crash_at_any_call_loses_nothing_and_acts_once)
{
	struct sim_options o;
	uint32_t commits, calls = 1;

	sim_options_init(&o);
	o.world.devices_n = 12;
	for (uint32_t at = 1; at <= calls; at++) {
		o.crash_at_call = at;
		crash_once(&o, &commits, &calls);
	}
}
END_TEST

START_TEST(test_the_power_failing_at_any_operation_of_the_drive_loses_nothing_and_acts_once)
{
	struct sim_options o;
	uint32_t commits, calls, operations = 0, step = is_long() ? 1 : 23;

	sim_options_init(&o);
	o.world.devices_n = 12;
	for (uint32_t at = 0; at <= operations; at += step) {
		o.crash_at_operation = at;
		crash_once(&o, &commits, &calls);
		operations = at == 0 ? operations_seen : operations;
	}
}
END_TEST

START_TEST(test_without_an_earlier_value_what_is_in_doubt_ends_unknown)
{
	struct sim_options o;
	struct campaign_row row;
	struct sim *s;
	uint32_t c;

	sim_options_init(&o);
	o.world.devices_n = 12;
	o.world.with_history = false;
	o.world.share[WORLD_LOST_BEFORE] = 0.5;
	s = sim_new(&o);
	c = sim_create(s, REBOOT "}");
	ck_assert(sim_run(s, 24 * HOUR_MS));
	sim_campaign(s, c, &row);
	ck_assert_uint_gt(row.counts.reason[REASON_UNKNOWN], 0);
	ck_assert_uint_eq(row.counts.state[TARGET_SUCCEEDED] + row.counts.reason[REASON_UNKNOWN], 12);
	for (uint32_t i = 0; i < 12; i++) {
		struct target_row t;
		char id[16];

		device_id(i, id);
		ck_assert(sim_target(s, c, 0, id, &t));
		ck_assert_uint_eq(world_acts(sim_world(s, 0), id), t.state == TARGET_SUCCEEDED ? 1 : 0);
	}
	sim_free(s);
}
END_TEST

/* ---- several hubs ---- */

/* The states of a campaign's targets on one hub. */
static uint32_t count_on(struct sim *s, uint32_t campaign, uint32_t hub, enum target_state state)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < 20; i++) {
		struct target_row t;
		char id[16];

		device_id(i, id);
		n += sim_target(s, campaign, hub, id, &t) && t.state == state;
	}
	return n;
}

/* Every request of every family to that hub fails. */
static void shut_hub(struct sim *s, uint32_t hub, int64_t for_ms)
{
	struct world_fault f = {.kind = WORLD_FAULT_ERROR_BEFORE, .share = 1, .families = WORLD_ALL};

	f.from_ms = sim_now(s);
	f.until_ms = sim_now(s) + for_ms;
	world_fault_add(sim_world(s, hub), &f);
}

START_TEST(test_one_hub_that_is_down_delays_its_own_share_only)
{
	struct sim_options o;
	struct campaign_row row;
	struct sim *s;
	uint32_t c;

	sim_options_init(&o);
	o.hubs_n = 3;
	s = sim_new(&o);
	c = sim_create(s, REBOOT ",\"rollout\":{\"ratePerMinute\":120},\"verify\":{\"settleSeconds\":0}}");
	sim_run(s, 10000);
	shut_hub(s, 1, HOUR_MS);
	ck_assert(!sim_run(s, 60000));
	ck_assert_uint_eq(count_on(s, c, 0, TARGET_SUCCEEDED),
	                  20); /* 60 calls at 2 a second, and 10 s to act */
	ck_assert_uint_eq(count_on(s, c, 2, TARGET_SUCCEEDED), 20);
	ck_assert_uint_gt(count_on(s, c, 1, TARGET_WAITING), 0);
	ck_assert(sim_run(s, 3 * HOUR_MS));
	sim_campaign(s, c, &row);
	ck_assert_uint_eq(row.counts.total, 60);
	ck_assert_uint_eq(row.counts.state[TARGET_SUCCEEDED], 60);
	for (uint32_t h = 0; h < 3; h++)
		for (uint32_t i = 0; i < 20; i++) {
			char id[16];

			device_id(i, id);
			ck_assert_uint_eq(world_acts(sim_world(s, h), id), 1);
		}
	sim_free(s);
}
END_TEST

START_TEST(test_a_campaign_whose_devices_are_not_found_by_its_end_has_failed_then)
{
	struct campaign_row row;
	struct sim_options o;
	struct sim *s;
	uint32_t c;

	sim_options_init(&o);
	o.hubs_n = 2;
	s = sim_new(&o);
	shut_hub(s, 1, 10 * HOUR_MS);
	c = sim_create(s, REBOOT ",\"schedule\":{\"endAfterSeconds\":3600}}");
	ck_assert(!sim_run(s, HOUR_MS - 60000));
	sim_campaign(s, c, &row);
	ck_assert_int_eq(row.state, CAMPAIGN_SELECTING);
	ck_assert(sim_run(s, 120000));
	sim_campaign(s, c, &row);
	ck_assert_int_eq(row.state, CAMPAIGN_FAILED);
	ck_assert_int_ge(row.finished_at_ms, row.end_at_ms);
	ck_assert_uint_eq(row.counts.total, 0);
	ck_assert_uint_eq(sim_calls(s), 0);
	sim_free(s);
}
END_TEST

/* ---- hub jobs ---- */

/* A campaign over all of 300 devices, whose calls the hub makes. */
static const char job_spec[] = "{\"name\":\"t\",\"action\":{\"type\":\"reboot\",\"transport\":\"hubJob\"},"
                               "\"targets\":{\"all\":true},\"rollout\":{\"maxUnavailable\":300,"
                               "\"waves\":[{\"upToCount\":10},{\"upToPercent\":100}]}}";

static struct sim *job_sim(enum world_sku sku)
{
	struct sim_options o;

	sim_options_init(&o);
	o.world.devices_n = 300;
	o.world.sku = sku;
	o.world.units = 1;
	return sim_new(&o);
}

START_TEST(test_a_hub_job_calls_each_device_once_and_every_one_is_proven)
{
	struct sim *s = job_sim(WORLD_SKU_S1);
	uint32_t c = sim_create(s, job_spec);
	struct campaign_row row;
	char id[16];

	ck_assert(sim_run(s, HOUR_MS));
	sim_campaign(s, c, &row);
	ck_assert_uint_eq(row.counts.state[TARGET_SUCCEEDED], 300);
	for (uint32_t i = 0; i < 300; i++) {
		device_id(i, id);
		ck_assert_uint_eq(world_acts(sim_world(s, 0), id), 1);
	}
	ck_assert_uint_ge(sim_calls(s), 3); /* a job for the first wave, and at most 256 devices in each */
	ck_assert_uint_le(sim_calls(s), 8);
	sim_free(s);
}
END_TEST

START_TEST(test_a_crash_while_a_hub_job_runs_leaves_no_device_called_twice)
{
	char id[16];

	for (int64_t at_ms = 2000; at_ms < 40000; at_ms += 3700) {
		struct sim *s = job_sim(WORLD_SKU_S1);
		uint32_t c = sim_create(s, job_spec);
		struct campaign_row row;

		(void)sim_run(s, at_ms);
		sim_crash(s);
		ck_assert(sim_run(s, 4 * HOUR_MS));
		sim_campaign(s, c, &row);
		ck_assert_uint_eq(row.counts.state[TARGET_SUCCEEDED], 300);
		for (uint32_t i = 0; i < 300; i++) {
			device_id(i, id);
			ck_assert_uint_eq(world_acts(sim_world(s, 0), id), 1);
		}
		sim_free(s);
	}
}
END_TEST

START_TEST(test_given_ids_are_found_on_whichever_hub_has_them)
{
	static const char spec[] =
	        "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"deviceIds\":["
	        "\"dev-000003\",\"ghost\",\"only\"]},\"rollout\":{\"group\":{\"by\":"
	        "\"tags.site\",\"maxUnavailable\":1}},\"verify\":{\"settleSeconds\":0}}";
	struct sim_options o;
	struct campaign_row row;
	struct target_row t;
	struct sim *s;
	uint32_t c;

	sim_options_init(&o);
	o.hubs_n = 2;
	s = sim_new(&o);
	ck_assert_int_eq(world_create(sim_world(s, 1), sim_now(s), "only"), ERR_OK);
	c = sim_create(s, spec);
	ck_assert(sim_run(s, HOUR_MS));
	sim_campaign(s, c, &row);
	ck_assert_uint_eq(row.counts.total, 4);
	ck_assert(sim_target(s, c, 0, "dev-000003", &t) && t.state == TARGET_SUCCEEDED);
	ck_assert(sim_target(s, c, 1, "dev-000003", &t) && t.state == TARGET_SUCCEEDED);
	ck_assert(!sim_target(s, c, 0, "only", &t));
	ck_assert(sim_target(s, c, 1, "only", &t) && t.state == TARGET_SUCCEEDED);
	ck_assert(sim_target(s, c, 0, "ghost", &t) && t.reason == REASON_NOT_FOUND);
	ck_assert(!sim_target(s, c, 1, "ghost", &t));
	sim_free(s);
}
END_TEST

/* ---- after the proof ---- */

START_TEST(test_who_restarts_or_drops_after_its_proof_has_relapsed)
{
	struct sim_options o;
	struct campaign_row row;
	struct sim *s;
	uint32_t c;
	char id[16];

	sim_options_init(&o);
	o.world.devices_n = 6;
	o.world.agents_share = 1;
	s = sim_new(&o);
	device_id(2, id);
	ck_assert_int_eq(world_set_temper(sim_world(s, 0), id, WORLD_LOOPING), ERR_OK);
	c = sim_create(s, REBOOT ",\"verify\":{\"settleSeconds\":1,\"relapseWatchSeconds\":600},\"rollout\":{"
	                         "\"waves\":[{\"upToPercent\":100}]}}");
	ck_assert(!sim_run(s, 120000));
	device_id(4, id);
	ck_assert_int_eq(world_connect(sim_world(s, 0), sim_now(s), id, false), ERR_OK);
	sim_crash(s);
	ck_assert(sim_run(s, HOUR_MS));
	sim_campaign(s, c, &row);
	ck_assert_int_eq(row.state, CAMPAIGN_COMPLETED);
	ck_assert_uint_eq(row.counts.state[TARGET_SUCCEEDED], 6); /* final is final */
	ck_assert_uint_eq(row.waves[0].relapsed, 2);
	ck_assert_int_gt(row.finished_at_ms, row.started_at_ms + 600000);
	sim_free(s);
}
END_TEST

/* Devices that report nothing at all: only that they were away and came back tells that they acted. */
START_TEST(test_by_reconnect_who_was_away_and_came_back_is_proven_and_nobody_else)
{
	struct sim_options o;
	struct target_row t;
	struct sim *s;
	uint32_t c;
	char id[16];

	sim_options_init(&o);
	o.world.devices_n = 6;
	o.world.boot = (struct world_span){60000, 90000};
	o.track_interval_ms = 5000;
	s = sim_new(&o);
	device_id(1, id);
	ck_assert_int_eq(world_set_temper(sim_world(s, 0), id, WORLD_LYING), ERR_OK);
	device_id(2, id);
	ck_assert_int_eq(world_set_temper(sim_world(s, 0), id, WORLD_NEVER_BACK), ERR_OK);
	c = sim_create(s, REBOOT ",\"verify\":{\"by\":\"reconnect\"}}");
	ck_assert(sim_run(s, 4 * HOUR_MS));
	for (uint32_t i = 0; i < 6; i++) {
		device_id(i, id);
		ck_assert(sim_target(s, c, 0, id, &t));
		ck_assert_int_eq(t.state, i == 1 || i == 2 ? TARGET_FAILED : TARGET_SUCCEEDED);
		ck_assert_int_eq(t.reason, i == 1 || i == 2 ? REASON_NO_PROOF : REASON_NONE);
	}
	sim_free(s);
}
END_TEST

/* ---- each temperament ends with its own verdict ---- */

static const struct {
	enum world_temper temper;
	enum target_state state;
	enum reason reason;
	uint32_t acts;
} verdicts[] = {
        {WORLD_OK, TARGET_SUCCEEDED, REASON_NONE, 1},
        {WORLD_SLOW, TARGET_SUCCEEDED, REASON_NONE, 1},
        {WORLD_OFFLINE, TARGET_FAILED, REASON_OFFLINE_EXPIRED, 0},
        {WORLD_REFUSING, TARGET_FAILED, REASON_REFUSED, 0},
        {WORLD_NO_METHOD, TARGET_FAILED, REASON_NO_METHOD, 0},
        {WORLD_LOST_AFTER, TARGET_SUCCEEDED, REASON_NONE, 1},
        {WORLD_LYING, TARGET_FAILED, REASON_NO_PROOF, 0},
        {WORLD_LOOPING, TARGET_SUCCEEDED, REASON_NONE, 1},
};

START_TEST(test_each_temperament_ends_with_its_verdict)
{
	struct sim_options o;
	struct sim *s;
	uint32_t c, n = sizeof verdicts / sizeof *verdicts;

	sim_options_init(&o);
	o.world.devices_n = n;
	s = sim_new(&o);
	for (uint32_t i = 0; i < n; i++) {
		char id[16];

		device_id(i, id);
		ck_assert_int_eq(world_set_temper(sim_world(s, 0), id, verdicts[i].temper), ERR_OK);
		if (verdicts[i].temper == WORLD_OFFLINE)
			ck_assert_int_eq(world_connect(sim_world(s, 0), sim_now(s), id, false), ERR_OK);
	}
	c = sim_create(s, REBOOT ",\"offline\":{\"wait\":true,\"expireAfterSeconds\":7200}}");
	ck_assert(sim_run(s, 24 * HOUR_MS));
	for (uint32_t i = 0; i < n; i++) {
		struct target_row t;
		char id[16];

		device_id(i, id);
		ck_assert(sim_target(s, c, 0, id, &t));
		ck_assert_msg(t.state == verdicts[i].state && t.reason == verdicts[i].reason, "%s: %s/%s",
		              world_temper_text(verdicts[i].temper), target_state_text(t.state),
		              reason_text(t.reason));
		ck_assert_msg(world_acts(sim_world(s, 0), id) == verdicts[i].acts, "%s acted %u times",
		              world_temper_text(verdicts[i].temper), world_acts(sim_world(s, 0), id));
	}
	sim_free(s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim");

	TESTS(s, "hub jobs", test_a_hub_job_calls_each_device_once_and_every_one_is_proven,
	      test_a_crash_while_a_hub_job_runs_leaves_no_device_called_twice);
	TESTS(s, "scenarios", test_a_healthy_fleet_is_rebooted_once_each_and_proven,
	      test_what_ended_so_many_days_ago_is_forgotten_and_nothing_younger,
	      test_a_crash_at_any_commit_loses_nothing_and_acts_once,
	      test_a_crash_at_any_call_loses_nothing_and_acts_once,
	      test_the_power_failing_at_any_operation_of_the_drive_loses_nothing_and_acts_once,
	      test_without_an_earlier_value_what_is_in_doubt_ends_unknown,
	      test_one_hub_that_is_down_delays_its_own_share_only,
	      test_a_campaign_whose_devices_are_not_found_by_its_end_has_failed_then,
	      test_given_ids_are_found_on_whichever_hub_has_them,
	      test_who_restarts_or_drops_after_its_proof_has_relapsed,
	      test_by_reconnect_who_was_away_and_came_back_is_proven_and_nobody_else,
	      test_each_temperament_ends_with_its_verdict);
	log_setup(LOG_OFF, false, 2);
	return suite_run(s);
}
