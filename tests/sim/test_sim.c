/* sim: scenarios, a crash at every commit and every call, and many seeds. ROLLCALL_SEEDS says how many of
 * these (default 300), ROLLCALL_SEED runs one alone. */
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

/* ---- many seeds ---- */

static double share(struct rng *rng, double most)
{
	return rng_below(rng, 3) == 0 ? rng_unit(rng) * most : 0;
}

static void draw_world(struct world_options *w, struct rng *rng)
{
	w->seed = rng_u64(rng);
	w->site_size = 1 + (uint32_t)rng_below(rng, 6);
	w->devices_n = 3 + (uint32_t)rng_below(rng, 25);
	w->with_history = rng_below(rng, 4) != 0;
	for (unsigned t = 1; t < WORLD_TEMPERS_N; t++)
		w->share[t] = share(rng, 0.3);
	w->agents_share = share(rng, 1);
	/* Sooner than the first look after a 404103: later, a call that did act would be made again (product:
	 * the point read before a further call is all that is promised there). */
	w->slow_report = (struct world_span){1000, 6000};
	w->trouble_calls = (uint32_t)rng_below(rng, 3);
	w->clock_skew_ms = (int64_t)rng_below(rng, 2) * 86400000;
	w->query_lag = (struct world_span){0, rng_below(rng, 2) == 0 ? 0 : (int64_t)rng_below(rng, 1800000)};
	w->ghost_ms = w->query_lag.max_ms;
	world_quirks_draw(&w->quirks, rng);
}

static void draw_faults(struct sim *s, uint32_t hub, struct rng *rng)
{
	uint32_t n = (uint32_t)rng_below(rng, 5);

	while (n-- > 0) {
		struct world_fault f = {
		        .kind = (enum world_fault_kind)rng_below(rng, WORLD_FAULT_EMPTY_PAGE + 1),
		        .share = rng_unit(rng),
		        .families = (unsigned)rng_below(rng, 16)};

		f.from_ms = sim_now(s) + (int64_t)rng_below(rng, 600000);
		f.until_ms = f.from_ms + (int64_t)rng_below(rng, 1200000);
		world_fault_add(sim_world(s, hub), &f);
	}
}

/* What a 404103 of a call that did act (contract 11.3) looks like afterwards: without verification, by
 * reconnect, or with a predicate over a time that the device's wrong clock wrote, it cannot be told from a
 * device that is away, and is called again. */
enum proof { UNVERIFIED = 1, BY_DEVICE_CLOCK = 2, VERIFIED = 4 };

static void draw_waves(struct rng *rng, struct buf *out)
{
	static const char *const approvals[] = {"none", "start", "afterFirst", "each"};

	buf_printf(out, ",\"waves\":[{\"upToCount\":%u},{\"upToPercent\":%u},{\"upToPercent\":100}]",
	           1 + (unsigned)rng_below(rng, 4), 10 + (unsigned)rng_below(rng, 80));
	buf_printf(out, ",\"gate\":{\"minSuccessPercent\":%u,\"soakSeconds\":%u,\"approval\":\"%s\"}",
	           (unsigned)rng_below(rng, 101), (unsigned)rng_below(rng, 200),
	           approvals[rng_below(rng, 4)]);
}

static void draw_schedule(struct rng *rng, struct buf *out)
{
	static const char *const zones[] = {"UTC", "device", "Australia/Lord_Howe"};

	buf_printf(out, ",\"schedule\":{\"endAfterSeconds\":%u", 600 + (unsigned)rng_below(rng, 20000));
	if (rng_below(rng, 3) == 0)
		buf_printf(
		        out,
		        ",\"windows\":[{\"cron\":\"*/20 * * * *\",\"durationMinutes\":%u}],\"timeZone\":\"%s\","
		        "\"mustFinishInWindow\":%s",
		        3 + (unsigned)rng_below(rng, 17), zones[rng_below(rng, 3)],
		        rng_below(rng, 3) == 0 ? "true" : "false");
	if (rng_below(rng, 6) == 0)
		buf_puts(out, ",\"blackouts\":[{\"from\":\"2025-12-02\",\"to\":\"2025-12-02\"}]");
	buf_putc(out, '}');
}

static enum proof draw_spec(struct rng *rng, uint32_t hubs_n, struct buf *out)
{
	static const char *const verifies[] = {
	        "{\"by\":\"none\"}",
	        "{\"settleSeconds\":20,\"relapseWatchSeconds\":300}",
	        "{\"settleSeconds\":0}",
	        "{\"by\":\"where\",\"success\":\"properties.reported.iothubDM.reboot.lastReboot > '2025-12'\"}",
	        "{\"by\":\"reconnect\",\"settleSeconds\":0}",
	};

	bool is_job = rng->state % 5 == 0; /* without a draw of its own */
	uint64_t verify = rng_below(rng, 5);
	unsigned n;

	buf_printf(out, "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"%s}",
	           is_job ? ",\"transport\":\"hubJob\"" : "");
	if (hubs_n > 1 && rng_below(rng, 3) == 0)
		buf_puts(out,
		         rng_below(rng, 2) == 0 ? ",\"hubs\":[\"hub1\"]" : ",\"hubs\":[\"hub1\",\"main\"]");
	buf_puts(out, ",\"targets\":");
	if (rng_below(rng, 3) == 0) {
		buf_puts(out, "{\"deviceIds\":[\"ghost\"");
		for (uint32_t i = 0; i < 10; i++)
			if (rng_below(rng, 2) == 0)
				buf_printf(out, ",\"dev-%06u\"", i);
		buf_puts(out, "]}");
	} else {
		buf_puts(out, rng_below(rng, 2) == 0 ? "{\"all\":true}"
		                                     : "{\"where\":\"tags.line IN ['line-a','line-b']\"}");
	}
	buf_printf(out, ",\"rollout\":{\"maxUnavailable\":%u", 1 + (unsigned)rng_below(rng, 10));
	if (rng_below(rng, 3) == 0) {
		n = 1 + (unsigned)rng_below(rng, 100);
		if (!is_job)
			buf_printf(out, ",\"ratePerMinute\":%u", n);
	}
	if (rng_below(rng, 2) == 0)
		draw_waves(rng, out);
	if (rng_below(rng, 3) == 0) {
		n = 1 + (unsigned)rng_below(rng, 3);
		if (!is_job)
			buf_printf(out, ",\"group\":{\"by\":\"tags.site\",\"maxUnavailable\":%u}", n);
	}
	buf_puts(out, "}");
	if (rng_below(rng, 3) == 0) {
		const char *cause = rng_below(rng, 2) == 0 ? "any" : "noProof";

		n = 1 + (unsigned)rng_below(rng, 4);
		if (rng_below(rng, 2) == 0 && !is_job)
			buf_printf(out, ",\"abort\":[{\"cause\":\"%s\",\"count\":%u,\"do\":\"pause\"}]",
			           cause, n);
		else if (!is_job)
			buf_printf(out, ",\"abort\":[{\"cause\":\"%s\",\"count\":%u,\"do\":\"cancel\"}]",
			           cause, n);
	}
	if (rng_below(rng, 5) == 0)
		buf_printf(out, ",\"precheck\":{\"where\":\"tags.line != 'line-b'\",\"onFail\":\"%s\"}",
		           rng_below(rng, 2) == 0 ? "skip" : "wait");
	if (is_job)
		buf_printf(out, ",\"schedule\":{\"endAfterSeconds\":%u}",
		           600 + (unsigned)rng_below(rng, 20000));
	else
		draw_schedule(rng, out);
	buf_printf(out, ",\"retry\":{\"doubtful\":\"%s\"}",
	           rng_below(rng, 4) == 0 ? "never" : "afterEvidence");
	buf_printf(out, ",\"offline\":{\"wait\":%s,\"expireAfterSeconds\":%u}",
	           rng_below(rng, 4) == 0 ? "false" : "true", 60 + (unsigned)rng_below(rng, 5000));
	buf_printf(out, ",\"verify\":%s}", verifies[verify]);
	return verify == 0 || verify == 4 ? UNVERIFIED : verify == 3 ? BY_DEVICE_CLOCK : VERIFIED;
}

/* P2: no retry policy here asks for a second action. */
static void check_acts(struct sim *s, uint32_t hub, uint32_t devices_n, uint32_t campaigns)
{
	for (uint32_t i = 0; i < devices_n; i++) {
		uint32_t acts, calling = 0;
		char id[16];

		device_id(i, id);
		acts = world_acts(sim_world(s, hub), id);
		for (uint32_t c = 1; c <= campaigns; c++) {
			struct target_row t;

			calling += sim_target(s, c, hub, id, &t) && t.calls > 0;
		}
		SIM_CHECK(s, acts <= calling, "P2: %s of hub %u acted %u times for %u campaigns", id, hub,
		          acts, calling);
	}
}

static uint64_t campaigns_run;

static void run_seed(uint64_t seed)
{
	struct sim_options o;
	struct rng rng;
	struct sim *s;
	uint32_t campaigns, orders;
	unsigned proofs = 0;

	rng_seed(&rng, seed);
	sim_options_init(&o);
	o.seed = seed;
	draw_world(&o.world, &rng);
	o.track_interval_ms = 1000 + (uint32_t)rng_below(&rng, 30000);
	o.sku = rng_below(&rng, 3) == 0 ? "S1" : "none";
	o.world.sku = rng_below(&rng, 3) == 0 ? WORLD_SKU_S1 : WORLD_SKU_NONE;
	o.world.units = 1;
	o.refuse_share = share(&rng, 0.2);
	o.crash_share = share(&rng, 0.05);
	o.hubs_n = rng_below(&rng, 3) == 0 ? 1 + (uint32_t)rng_below(&rng, SIM_HUBS_MAX) : 1;
	o.connect_max_ms = seed % 3 == 0 ? (int64_t)(seed * 37 % 10000) : 0;
	s = sim_new(&o);
	for (uint32_t h = 0; h < o.hubs_n; h++)
		draw_faults(s, h, &rng);
	campaigns = 1 + (uint32_t)rng_below(&rng, 3);
	campaigns_run += campaigns;
	for (uint32_t c = 0; c < campaigns; c++) {
		struct buf spec = BUF_INIT;

		proofs |= draw_spec(&rng, o.hubs_n, &spec);
		log_debug("spec", LS("json", spec.data));
		sim_create(s, spec.data);
		buf_done(&spec);
		sim_run(s, (int64_t)rng_below(&rng, 120000));
	}
	for (orders = (uint32_t)rng_below(&rng, 6); orders > 0; orders--) {
		enum err err = sim_order(s, 1 + (uint32_t)rng_below(&rng, campaigns),
		                         (enum order)rng_below(&rng, 5));

		SIM_CHECK(s, err == ERR_OK || err == ERR_CONFLICT, "an order is answered %s", err_text(err));
		sim_run(s, (int64_t)rng_below(&rng, 300000));
	}
	for (uint32_t round = 0; round < 20 && !sim_run(s, HOUR_MS);
	     round++) { /* somebody looks after them, hourly */
		uint32_t c = 1 + (uint32_t)rng_below(&rng, campaigns);

		(void)sim_order(s, c, rng_below(&rng, 2) == 0 ? ORDER_RESUME : ORDER_OVERRIDE);
	}
	SIM_CHECK(s, sim_run(s, 72 * HOUR_MS), "P10: not final in time");
	/* A looping device may restart before it reports what it did: nothing in its twin then tells. */
	if (!(proofs & UNVERIFIED) && (o.world.clock_skew_ms == 0 || !(proofs & BY_DEVICE_CLOCK)) &&
	    o.world.share[WORLD_LOOPING] <= 0)
		for (uint32_t h = 0; h < o.hubs_n; h++)
			check_acts(s, h, o.world.devices_n, campaigns);
	sim_free(s);
}

START_TEST(test_the_promises_hold_for_many_seeds)
{
	const char *one = getenv("ROLLCALL_SEED"), *many = getenv("ROLLCALL_SEEDS");
	uint64_t n = many != NULL ? strtoull(many, NULL, 10) : 300;

	if (one != NULL)
		run_seed(strtoull(one, NULL, 10));
	else
		for (uint64_t seed = 1; seed <= n; seed++)
			run_seed(seed);
	printf("%llu campaigns\n", (unsigned long long)campaigns_run);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim");
	TCase *many = tcase_create("seeds");

	if (getenv("ROLLCALL_SEED") == NULL) {
		TESTS(s, "hub jobs", test_a_hub_job_calls_each_device_once_and_every_one_is_proven,
		      test_a_crash_while_a_hub_job_runs_leaves_no_device_called_twice);
		TESTS(s, "scenarios", test_a_healthy_fleet_is_rebooted_once_each_and_proven,
		      test_what_ended_so_many_days_ago_is_forgotten_and_nothing_younger,
		      test_a_crash_at_any_commit_loses_nothing_and_acts_once,
		      test_a_crash_at_any_call_loses_nothing_and_acts_once,
		      test_the_power_failing_at_any_operation_of_the_drive_loses_nothing_and_acts_once,
		      test_without_an_earlier_value_what_is_in_doubt_ends_unknown,
		      test_one_hub_that_is_down_delays_its_own_share_only,
		      test_given_ids_are_found_on_whichever_hub_has_them,
		      test_who_restarts_or_drops_after_its_proof_has_relapsed,
		      test_by_reconnect_who_was_away_and_came_back_is_proven_and_nobody_else,
		      test_each_temperament_ends_with_its_verdict);
	}
	log_setup(getenv("ROLLCALL_SEED") != NULL ? LOG_DEBUG : LOG_OFF, false, 2);
	tcase_set_timeout(many, 3600);
	tcase_add_test(many, test_the_promises_hold_for_many_seeds);
	suite_add_tcase(s, many);
	return suite_run(s);
}
