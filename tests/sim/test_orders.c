/* sim: a pause at the worst time: what a hub job gathers, and what is on its way to the disk, does not leave.
 * The checker (P6) breaks where a call leaves that has been paused. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <string.h>

#include "server/base/log.h"
#include "server/campaign/spec.h"
#include "tests/sim/sim.h"

#define HOUR_MS 3600000LL
#define A_JOB 200 /* fewer than a job takes: it waits for more to come */

static struct sim *start(uint32_t devices_n, double lying_share)
{
	struct sim_options o;

	sim_options_init(&o);
	o.world.devices_n = devices_n;
	o.world.share[WORLD_LYING] = lying_share;
	o.world.sku = WORLD_SKU_S1;
	o.world.units = 1;
	o.commit_max_ms = 700; /* so that an order finds intents that are not on record yet */
	return sim_new(&o);
}

static uint32_t create(struct sim *s, const char *action, const char *members)
{
	char spec[512];

	snprintf(spec, sizeof spec,
	         "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"%s},\"targets\":{\"all\":true},"
	         "\"rollout\":{\"maxUnavailable\":300%s}}",
	         action, members);
	return sim_create(s, spec);
}

static uint32_t acted(struct sim *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < A_JOB; i++) {
		char id[16];

		snprintf(id, sizeof id, "dev-%06u", i);
		n += world_acts(sim_world(s, 0), id);
	}
	return n;
}

static void pause_at(const char *action, const char *members, int64_t at_ms)
{
	struct sim *s = start(A_JOB, 0);
	uint32_t c = create(s, action, members), calls;
	struct campaign_row row;

	sim_pass(s, at_ms);
	calls = sim_calls(s); /* none leaves any more, not even until the pause is on record and answered */
	ck_assert_int_eq(sim_order(s, c, ORDER_PAUSE), ERR_OK);
	sim_pass(s, HOUR_MS);
	ck_assert_uint_eq(sim_calls(s), calls);
	sim_campaign(s, c, &row);
	if (row.state == CAMPAIGN_PAUSED) /* else all had been called before */
		ck_assert_int_eq(sim_order(s, c, ORDER_RESUME), ERR_OK);
	ck_assert(sim_run(s, 4 * HOUR_MS));
	sim_campaign(s, c, &row);
	ck_assert_uint_eq(row.counts.state[TARGET_SUCCEEDED], A_JOB);
	ck_assert_uint_eq(acted(s), A_JOB);
	sim_free(s);
}

START_TEST(test_a_pause_takes_back_what_a_job_gathers_and_what_is_on_its_way_to_the_disk)
{
	for (int64_t at_ms = 0; at_ms < 6000; at_ms += 210)
		pause_at(",\"transport\":\"hubJob\"", "", at_ms);
}
END_TEST

START_TEST(test_a_pause_between_intent_and_call_lets_none_leave)
{
	for (int64_t at_ms = 0; at_ms < 4000; at_ms += 210)
		pause_at("", ",\"ratePerMinute\":3000", at_ms);
}
END_TEST

/* 256 devices are called by the first job, and some are not proven within a second; the rest of the wave is
 * being gathered by then. */
START_TEST(test_a_gate_that_fails_takes_back_what_a_job_gathers)
{
	struct sim *s = start(300, 0.1);
	uint32_t c = create(s, ",\"transport\":\"hubJob\"",
	                    ",\"waves\":[{\"upToCount\":290},{\"upToPercent\":100}],"
	                    "\"gate\":{\"minSuccessPercent\":100}},\"verify\":{\"timeoutSeconds\":1");
	struct campaign_row row;

	do {
		sim_pass(s, 100);
		sim_campaign(s, c, &row);
	} while (row.state != CAMPAIGN_PAUSED);
	ck_assert_uint_eq(sim_calls(s), 1);
	ck_assert_uint_gt(row.counts.reason[REASON_NO_PROOF], 0);
	ck_assert_uint_gt(row.counts.state[TARGET_INVOKING], 0); /* being gathered at that commit */
	sim_pass(s, HOUR_MS);
	ck_assert_uint_eq(sim_calls(s), 1);
	sim_campaign(s, c, &row);
	ck_assert_uint_eq(row.counts.state[TARGET_INVOKING] + row.counts.state[TARGET_DOUBTFUL], 0);
	sim_free(s);
}
END_TEST

START_TEST(test_an_abort_rule_that_is_met_takes_back_what_waits_for_a_connection)
{
	struct sim_options o;
	struct campaign_row row;
	struct sim *s;
	uint32_t c, calls;

	sim_options_init(&o);
	o.world.devices_n = A_JOB;
	o.world.share[WORLD_REFUSING] = 1;
	o.connect_max_ms = 9000;
	s = sim_new(&o);
	c = create(
	        s, "",
	        "},\"abort\":[{\"cause\":\"any\",\"count\":1,\"do\":\"pause\"}],\"retry\":{\"maxAttempts\":1");
	do {
		sim_pass(s, 1);
		sim_campaign(s, c, &row);
	} while (row.state != CAMPAIGN_PAUSED);
	calls = sim_calls(s);
	ck_assert_uint_gt(row.counts.state[TARGET_INVOKING], 10);
	sim_pass(s, HOUR_MS);
	ck_assert_uint_eq(sim_calls(s), calls);
	sim_free(s);
}
END_TEST

static void on_answer(void *arg, enum err err, const char *detail, const char *id)
{
	(void)detail;
	(void)id;
	*(enum err *)arg = err;
}

START_TEST(test_a_change_of_a_spec_that_has_changed_since_is_refused)
{
	struct sim *s = start(1, 0);
	uint32_t c = create(s, "", ""), revision;
	const char *patch = "{\"rollout\":{\"maxUnavailable\":5}}";
	struct campaign_spec spec;
	struct faults faults = FAULTS_INIT;
	const struct campaign_spec *old;
	char reason[SPEC_REASON_SIZE];
	enum err answer = ERR_OK;
	struct campaign_row row;
	size_t at;

	ck_assert_int_eq(sim_order(s, c, ORDER_PAUSE), ERR_OK);
	ck_assert_int_eq(sim_respec(s, c, "{\"rollout\":{\"maxUnavailable\":3}}"), ERR_OK);
	sim_campaign(s, c, &row);
	old = conductor_spec(sim_conductor(s), row.id, &revision);
	ck_assert_uint_eq(revision, 2);
	ck_assert_int_eq(spec_patch(old, patch, strlen(patch), &spec, &faults, &at, reason), ERR_OK);
	conductor_respec(sim_conductor(s), row.id, revision - 1, &spec, "sim", on_answer, &answer);
	spec_done(&spec);
	sim_pass(s, 1000);
	ck_assert_int_eq(answer, ERR_CONFLICT);
	(void)conductor_spec(sim_conductor(s), row.id, &revision);
	ck_assert_uint_eq(revision, 2);
	sim_free(s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim orders");

	log_setup(LOG_OFF, false, 2);
	TESTS(s, "orders", test_a_pause_takes_back_what_a_job_gathers_and_what_is_on_its_way_to_the_disk,
	      test_a_pause_between_intent_and_call_lets_none_leave,
	      test_a_gate_that_fails_takes_back_what_a_job_gathers,
	      test_an_abort_rule_that_is_met_takes_back_what_waits_for_a_connection,
	      test_a_change_of_a_spec_that_has_changed_since_is_refused);
	return suite_run(s);
}
