/* sim: how a campaign finds its targets: page by page over crashes, from lists, and when it is cancelled
 * meanwhile. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <string.h>

#include "server/base/log.h"
#include "tests/sim/sim.h"

#define HOUR_MS INT64_C(3600000)
#define IDS_N 900

static void on_reply(void *arg, enum err err, const char *detail, const char *id)
{
	(void)detail;
	(void)id;
	*(enum err *)arg = err;
}

static uint32_t create(struct sim *s, const char *targets)
{
	char spec[256];

	snprintf(spec, sizeof spec,
	         "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{%s},\"rollout\":{"
	         "\"maxUnavailable\":1}}",
	         targets);
	return sim_create(s, spec);
}

START_TEST(test_after_a_crash_it_goes_on_where_the_record_ends)
{
	for (uint32_t commit = 2; commit < 14; commit++) {
		struct sim_options o;
		struct campaign_row row;
		struct sim *s;
		uint32_t c;

		sim_options_init(&o);
		o.world.devices_n = 900;
		o.world.site_size = 300;
		o.crash_at_commit = commit;
		o.crash_is_after = true;
		s = sim_new(&o);
		c = create(s, "\"all\":true");
		sim_pass(s, 30000);
		sim_wait_up(s);
		sim_pass(s, 30000);
		sim_campaign(s, c, &row);
		ck_assert_uint_eq(row.counts.total, 900);
		ck_assert_int_eq(row.state, CAMPAIGN_RUNNING);
		sim_free(s);
	}
}
END_TEST

START_TEST(test_a_list_is_read_and_whoever_is_not_there_is_left_out)
{
	struct sim_options o;
	struct campaign_row row;
	struct sim *s;
	char ids[IDS_N][16];
	const char *all[IDS_N];
	enum err reply = ERR_BUSY;
	uint32_t c;

	sim_options_init(&o);
	s = sim_new(&o);
	for (int i = 0; i < IDS_N; i++) {
		snprintf(ids[i], sizeof ids[i], "dev-%06d", i);
		all[i] = ids[i];
	}
	ck_assert_int_eq(conductor_list_begin(sim_conductor(s), "l"), ERR_OK);
	ck_assert_int_eq(conductor_list_begin(sim_conductor(s), "l"), ERR_BUSY);
	conductor_list_ids(sim_conductor(s), "l", all, 500);
	conductor_list_ids(sim_conductor(s), "l", all + 500, IDS_N - 500);
	conductor_list_end(sim_conductor(s), "l", IDS_N, "eva", on_reply, &reply);
	sim_pass(s, 1000);
	ck_assert_int_eq(reply, ERR_OK);
	c = create(s, "\"list\":\"l\"");
	sim_pass(s, 10 * 60000);
	sim_campaign(s, c, &row);
	ck_assert_uint_eq(row.counts.total, IDS_N);
	sim_free(s);
}
END_TEST

START_TEST(test_without_its_list_a_campaign_fails)
{
	struct sim_options o;
	struct campaign_row row;
	struct sim *s;
	uint32_t c;

	sim_options_init(&o);
	s = sim_new(&o);
	c = create(s, "\"list\":\"nowhere\"");
	sim_pass(s, 60000);
	sim_campaign(s, c, &row);
	ck_assert_int_eq(row.state, CAMPAIGN_FAILED);
	ck_assert_uint_eq(row.counts.total, 0);
	sim_free(s);
}
END_TEST

START_TEST(test_what_is_found_after_a_cancellation_is_dropped)
{
	struct sim_options o;
	struct campaign_row row;
	struct sim *s;
	uint32_t c;

	sim_options_init(&o);
	o.connect_max_ms = 9000; /* the query is still on its way */
	s = sim_new(&o);
	c = create(s, "\"all\":true");
	ck_assert_int_eq(sim_order(s, c, ORDER_CANCEL), ERR_OK);
	sim_pass(s, HOUR_MS);
	sim_campaign(s, c, &row);
	ck_assert_int_eq(row.state, CAMPAIGN_CANCELLED);
	ck_assert_uint_eq(row.counts.total, 0);
	ck_assert_uint_eq(sim_calls(s), 0);
	sim_free(s);
}
END_TEST

START_TEST(test_a_query_that_does_not_leave_is_asked_again)
{
	struct sim_options o;
	struct campaign_row row;
	struct sim *s;
	uint32_t c;

	sim_options_init(&o);
	o.refuse_share = 0.7;
	s = sim_new(&o);
	c = create(s, "\"all\":true");
	sim_pass(s, HOUR_MS);
	sim_campaign(s, c, &row);
	ck_assert_uint_eq(row.counts.total, 20);
	sim_free(s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim select");

	log_setup(LOG_OFF, false, 2);
	TESTS(s, "select", test_after_a_crash_it_goes_on_where_the_record_ends,
	      test_a_list_is_read_and_whoever_is_not_there_is_left_out,
	      test_without_its_list_a_campaign_fails, test_what_is_found_after_a_cancellation_is_dropped,
	      test_a_query_that_does_not_leave_is_asked_again);
	return suite_run(s);
}
