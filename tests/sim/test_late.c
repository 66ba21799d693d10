/* sim: what is heard of targets after their end is put on their history, marked late, and changes nothing. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <string.h>

#include "server/base/log.h"
#include "store/backend.h"
#include "tests/sim/sim.h"

#define MINUTE_MS 60000LL
#define DEVICE "dev-000000"
#define TIMEOUT ",\"verify\":{\"timeoutSeconds\":10,\"settleSeconds\":0}"

/* Devices answer at once, and report so long after that. */
static struct sim *start(uint32_t devices_n, int64_t report_min_ms, int64_t report_max_ms)
{
	struct sim_options o;

	sim_options_init(&o);
	o.world.devices_n = devices_n;
	o.world.share[WORLD_SLOW] = 1;
	o.world.slow_answer = o.world.answer;
	o.world.slow_report = (struct world_span){report_min_ms, report_max_ms};
	return sim_new(&o);
}

static uint32_t create(struct sim *s, const char *members)
{
	char spec[512];

	snprintf(spec, sizeof spec,
	         "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true}%s}", members);
	return sim_create(s, spec);
}

static void read_target(struct sim *s, uint32_t campaign, const char *device_id, struct answer *ret)
{
	answer_init(ret);
	ck_assert_int_eq(backend_read_target(sim_record(s), campaign, device_id, -1, ret), ERR_OK);
	ck_assert_uint_eq(ret->targets_n, 1);
}

static size_t count_late(const struct answer *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->evidence_n; i++)
		n += a->evidence[i].is_late;
	return n;
}

static void expect(struct sim *s, uint32_t campaign, enum reason reason, size_t late_n)
{
	struct answer a;

	read_target(s, campaign, DEVICE, &a);
	ck_assert_int_eq(a.targets[0].row.state, TARGET_FAILED);
	ck_assert_int_eq(a.targets[0].row.reason, reason);
	ck_assert_uint_eq(count_late(&a), late_n);
	answer_done(&a);
}

static uint32_t watched(struct sim *s)
{
	struct hub_view v;

	conductor_hub(sim_conductor(s), 0, &v);
	return v.watched;
}

static void expect_completed(struct sim *s, uint32_t campaign)
{
	struct campaign_row row;

	sim_campaign(s, campaign, &row);
	ck_assert_int_eq(row.state, CAMPAIGN_COMPLETED);
}

START_TEST(test_what_a_device_reports_after_its_time_is_on_its_history_and_changes_nothing)
{
	struct sim *s = start(1, 5 * MINUTE_MS, 5 * MINUTE_MS);
	uint32_t c = create(s, TIMEOUT);
	const struct evidence_row *last;
	struct answer a;

	sim_pass(s, MINUTE_MS);
	expect_completed(s, c);
	expect(s, c, REASON_NO_PROOF, 0);
	sim_pass(s, 6 * MINUTE_MS);
	expect_completed(s, c);
	expect(s, c, REASON_NO_PROOF, 1);
	read_target(s, c, DEVICE, &a);
	last = &a.evidence[a.evidence_n - 1];
	ck_assert(last->is_late);
	ck_assert_str_eq(last->verdict, "proven");
	ck_assert_int_eq(last->strength, STRENGTH_VALUE);
	ck_assert_int_gt(last->at_ms, a.targets[0].row.changed_at_ms);
	answer_done(&a);
	ck_assert_uint_eq(watched(s), 0); /* more would say no more */
	sim_free(s);
}
END_TEST

START_TEST(test_a_device_is_followed_after_its_end_for_as_long_again_and_no_longer)
{
	struct sim *s = start(1, 30 * MINUTE_MS, 30 * MINUTE_MS);
	uint32_t c = create(s, TIMEOUT);

	sim_pass(s, 14 * MINUTE_MS);
	expect(s, c, REASON_NO_PROOF, 0);
	ck_assert_uint_eq(watched(s), 1);
	sim_pass(s, 2 * MINUTE_MS);
	ck_assert_uint_eq(watched(s), 0);
	sim_pass(s, 30 * MINUTE_MS);
	expect(s, c, REASON_NO_PROOF, 0);
	sim_free(s);
}
END_TEST

START_TEST(test_what_a_device_reports_after_its_next_call_is_not_about_the_last_one)
{
	struct sim *s = start(1, 5 * MINUTE_MS, 5 * MINUTE_MS);
	uint32_t first = create(s, TIMEOUT), second;
	struct target_row t;

	sim_pass(s, MINUTE_MS);
	second = create(s, ",\"verify\":{\"timeoutSeconds\":900,\"settleSeconds\":0}");
	sim_pass(s, 10 * MINUTE_MS);
	ck_assert(sim_target(s, second, 0, DEVICE, &t));
	ck_assert_int_eq(t.state, TARGET_SUCCEEDED);
	expect(s, first, REASON_NO_PROOF, 0);
	ck_assert_uint_eq(watched(s), 0);
	sim_free(s);
}
END_TEST

START_TEST(test_a_campaign_that_is_forgotten_is_followed_no_longer)
{
	struct sim *s = start(1, 5 * MINUTE_MS, 5 * MINUTE_MS);
	uint32_t c = create(s, TIMEOUT);

	sim_pass(s, MINUTE_MS);
	ck_assert_uint_eq(watched(s), 1);
	ck_assert_int_eq(sim_delete(s, c), ERR_OK);
	ck_assert_uint_eq(watched(s), 0);
	sim_pass(s, 10 * MINUTE_MS);
	sim_free(s);
}
END_TEST

/* Reads wait for connections: of devices that report about their deadline, some are proven by a query while
 * the read that was to decide is on its way. */
START_TEST(test_a_point_read_that_comes_after_the_proof_is_on_the_history)
{
	struct sim_options o;
	struct sim *s;
	uint32_t c, n = 0;

	sim_options_init(&o);
	o.world.devices_n = 100;
	o.world.share[WORLD_SLOW] = 1;
	o.world.slow_answer = o.world.answer;
	o.world.slow_report = (struct world_span){5000, 15000};
	o.connect_max_ms = 9000;
	s = sim_new(&o);
	c = create(s, TIMEOUT);
	sim_pass(s, 20 * MINUTE_MS);
	expect_completed(s, c);
	for (uint32_t i = 0; i < 100; i++) {
		struct answer a;
		char id[16];

		snprintf(id, sizeof id, "dev-%06u", i);
		read_target(s, c, id, &a);
		if (a.targets[0].row.state == TARGET_SUCCEEDED && count_late(&a) > 0) {
			ck_assert_int_eq(a.evidence[a.evidence_n - 1].source, SOURCE_READ);
			n++;
		}
		answer_done(&a);
	}
	ck_assert_uint_gt(n, 0);
	sim_free(s);
}
END_TEST

/* The process stands still from the call on, and then gives it up before it hears the answer. */
START_TEST(test_an_answer_that_comes_after_the_end_is_on_the_history)
{
	struct sim *s = start(1, 1000, 1000);
	uint32_t c = create(s, ",\"verify\":{\"by\":\"none\"}");
	const struct evidence_row *last;
	const struct attempt_row *attempt;
	struct answer a;

	ck_assert(sim_run_to_call(s, MINUTE_MS));
	sim_stall(s, 10 * MINUTE_MS);
	sim_pass(s, MINUTE_MS);
	expect_completed(s, c);
	expect(s, c, REASON_UNKNOWN, 1);
	read_target(s, c, DEVICE, &a);
	last = &a.evidence[a.evidence_n - 1];
	ck_assert_int_eq(last->source, SOURCE_REPLY);
	ck_assert_int_eq(last->strength, STRENGTH_ACCEPTED);
	ck_assert_str_eq(last->verdict, "accepted");
	ck_assert_uint_eq(a.attempts_n, 1);
	attempt = &a.attempts[0];
	ck_assert_uint_eq(attempt->attempt, 1);
	ck_assert_uint_eq(attempt->attempt_seq, 1);
	ck_assert_int_eq(attempt->called_at_ms, a.targets[0].row.called_at_ms);
	ck_assert_int_eq(attempt->method_status, 200);
	answer_done(&a);
	sim_free(s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim late");

	log_setup(LOG_OFF, false, 2);
	TESTS(s, "late", test_what_a_device_reports_after_its_time_is_on_its_history_and_changes_nothing,
	      test_a_device_is_followed_after_its_end_for_as_long_again_and_no_longer,
	      test_what_a_device_reports_after_its_next_call_is_not_about_the_last_one,
	      test_a_campaign_that_is_forgotten_is_followed_no_longer,
	      test_a_point_read_that_comes_after_the_proof_is_on_the_history,
	      test_an_answer_that_comes_after_the_end_is_on_the_history);
	return suite_run(s);
}
