/* sim: how near the service comes to what a hub's tier allows, and that it stays within it. */
#include "tests/lib/suite.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"
#include "tests/sim/sim.h"

#define HOUR_MS 3600000LL
#define ALL(n) \
	"{\"name\":\"all\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true},\"rollout\":{\"maxUnavailable\":" #n \
	"},\"verify\":{\"settleSeconds\":0}}"

static struct world_throttle_use use_of(struct sim *s, const char *name)
{
	struct world_throttle_use use = {0};

	for (size_t i = 0; world_throttle_use(sim_world(s, 0), i, &use); i++)
		if (strcmp(use.name, name) == 0)
			return use;
	ck_abort_msg("there is no throttle %s", name);
	return use;
}

static uint64_t refused(struct sim *s)
{
	struct world_throttle_use use;
	uint64_t n = 0;

	for (size_t i = 0; world_throttle_use(sim_world(s, 0), i, &use); i++)
		n += use.refused;
	return n;
}

static struct sim *start(const char *sku, enum world_sku world_sku, uint32_t devices_n,
                         uint32_t reserve_percent, uint64_t quota)
{
	struct sim_options o;

	sim_options_init(&o);
	o.seed = 5;
	o.sku = sku;
	o.reserve_percent = reserve_percent;
	o.world.sku = world_sku;
	o.world.devices_n = devices_n;
	o.world.quota_messages = quota;
	return sim_new(&o);
}

static int64_t took_ms(const struct campaign_row *row)
{
	return row->finished_at_ms - row->started_at_ms;
}

START_TEST(test_a_reboot_on_s1_takes_little_longer_than_its_calls_and_four_messages_a_device)
{
	enum { N = 1000 };
	struct sim *s = start("S1", WORLD_SKU_S1, N, 0, 0);
	uint32_t all = sim_create(s, ALL(1000));
	struct campaign_row row;
	uint64_t of_callers, of_devices;

	ck_assert(sim_run(s, HOUR_MS));
	sim_campaign(s, all, &row);
	ck_assert_uint_eq(row.counts.state[TARGET_SUCCEEDED], N);
	/* 25 ms a call (the first second's worth goes at once), and what it takes until the last is looked
	 * at. */
	ck_assert_int_ge(took_ms(&row), 25 * N - 1000);
	ck_assert_int_le(took_ms(&row), 25 * N + 3500);
	ck_assert_uint_eq(refused(s), 0);
	ck_assert_uint_eq(use_of(s, "methods").delayed, 0);
	world_messages_by(sim_world(s, 0), &of_callers, &of_devices);
	ck_assert_uint_le(of_callers, N * 41 / 10);
	/* The campaign's account is the hub's, but for the probe at the start. */
	ck_assert_uint_eq(row.cost.messages + 1, of_callers);
	ck_assert_uint_eq(row.cost.calls, N);
	ck_assert_uint_eq(row.cost.query_pages + 1, use_of(s, "queries").taken);
	ck_assert_uint_eq(row.cost.point_reads, use_of(s, "twinReads").taken);
	sim_free(s);
}
END_TEST

START_TEST(test_a_small_campaign_is_done_in_seconds_beside_a_large_one)
{
	struct sim *s = start("S1", WORLD_SKU_S1, 1000, 0, 0);
	uint32_t all, small;
	struct campaign_row row;

	all = sim_create(s, "{\"name\":\"large\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"where\":"
	                    "\"tags.site != 'site-000'\"},\"rollout\":{\"maxUnavailable\":1000},\"verify\":"
	                    "{\"settleSeconds\":0}}");
	ck_assert(!sim_run(s, 5000));
	sim_campaign(s, all, &row);
	ck_assert_int_eq(row.state, CAMPAIGN_RUNNING); /* its 10 pages went at once */
	small = sim_create(
	        s,
	        "{\"name\":\"small\",\"action\":{\"type\":\"method\",\"methodName\":\"reboot\"},\"targets\":"
	        "{\"where\":\"tags.site = 'site-000'\"},\"verify\":{\"by\":\"reportedProperty\",\"path\":"
	        "\"iothubDM.reboot.lastReboot\",\"settleSeconds\":0}}");
	ck_assert(sim_run(s, HOUR_MS));
	sim_campaign(s, small, &row);
	ck_assert_uint_eq(row.counts.state[TARGET_SUCCEEDED], 50);
	ck_assert_int_le(row.finished_at_ms - row.created_at_ms, 10000);
	sim_campaign(s, all, &row);
	ck_assert_uint_eq(row.counts.state[TARGET_SUCCEEDED], 950);
	ck_assert_int_ge(took_ms(&row), 25 * 950 - 1000);
	sim_free(s);
}
END_TEST

START_TEST(test_the_days_messages_are_planned_for_also_through_a_crash)
{
	enum { N = 1000, DAY = 8000 * 40 / 100 }; /* F1, and 60 % for others */
	/* The devices' own messages are others', here: the hub itself would say 403002 much later. */
	struct sim *s = start("F1", WORLD_SKU_F1, N, 60, 3 * DAY);
	uint32_t all = sim_create(s, ALL(1000));
	struct campaign_row row;
	uint64_t of_callers, of_devices;

	ck_assert(!sim_run(s, 12 * HOUR_MS));
	sim_crash(s);
	ck_assert(!sim_run(s, 11 * HOUR_MS));
	sim_campaign(s, all, &row);
	world_messages_by(sim_world(s, 0), &of_callers, &of_devices);
	ck_assert_uint_le(of_callers, DAY);
	ck_assert_uint_ge(of_callers, DAY * 95 / 100);
	ck_assert_uint_gt(row.counts.state[TARGET_WAITING], 0);
	ck_assert_uint_eq(row.counts.state[TARGET_WAITING] + row.counts.state[TARGET_SUCCEEDED], N);
	ck_assert(sim_run(s, 2 * HOUR_MS)); /* past midnight */
	sim_campaign(s, all, &row);
	ck_assert_uint_eq(row.counts.state[TARGET_SUCCEEDED], N);
	sim_free(s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("quota");

	log_setup(LOG_OFF, false, 2);
	TESTS(s, "quota", test_a_reboot_on_s1_takes_little_longer_than_its_calls_and_four_messages_a_device,
	      test_a_small_campaign_is_done_in_seconds_beside_a_large_one,
	      test_the_days_messages_are_planned_for_also_through_a_crash);
	return suite_run(s);
}
