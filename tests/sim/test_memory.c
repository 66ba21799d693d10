/* sim: what the process holds in memory does not grow with the campaigns that are over. */
#include "tests/lib/suite.h"

#include "server/base/log.h"
#include "tests/sim/sim.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)

/* What one campaign may leave behind: less than anything that is kept of one would take. */
#define LEFT_BYTES 32

/* One campaign an hour that meets all sorts of devices. Gives what is held when so many are over. */
static int64_t held_after(int campaigns)
{
	struct sim_options o;
	int64_t bytes;
	struct sim *s;

	sim_options_init(&o);
	o.world.devices_n = 12;
	o.world.site_size = 2; /* two devices in each of the world's six zones */
	o.world.share[WORLD_REFUSING] = o.world.share[WORLD_DEAF] = o.world.share[WORLD_SLOW] = 0.1;
	o.world.share[WORLD_AWAY] = o.world.share[WORLD_LOST_AFTER] = o.world.share[WORLD_LYING] = 0.1;
	o.refuse_share = 0.05;
	o.retention_days = 1;
	s = sim_new(&o);
	sim_schedule(
	        s, "{\"name\":\"hourly\",\"recurrence\":{\"cron\":\"0 * * * *\",\"timeZone\":\"UTC\"},"
	           "\"campaign\":{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true},"
	           "\"rollout\":{\"waves\":[{\"upToCount\":2},{\"upToPercent\":100}],"
	           "\"group\":{\"by\":\"tags.site\",\"maxUnavailable\":1}},"
	           "\"retry\":{\"maxAttempts\":2,\"on\":[\"refused\",\"noProof\"],\"backoffSeconds\":20},"
	           "\"offline\":{\"expireAfterSeconds\":300},\"schedule\":{\"timeZone\":\"device\","
	           "\"windows\":[{\"cron\":\"0 * * * *\",\"durationMinutes\":20}],\"endAfterSeconds\":2400},"
	           "\"verify\":{\"timeoutSeconds\":300,\"settleSeconds\":5,\"relapseWatchSeconds\":600}}}");
	sim_pass(s, campaigns * HOUR_MS + 50 * MINUTE_MS);
	ck_assert_uint_ge(sim_calls(s), (uint32_t)campaigns * o.world.devices_n / 2);
	sim_restart(s, &(struct sim_settings){.track_interval_ms = o.track_interval_ms, .sku = o.sku});
	bytes = sim_held_bytes(s);
	sim_free(s);
	return bytes;
}

START_TEST(test_campaigns_that_are_over_leave_nothing_in_memory)
{
	int64_t after_60 = held_after(60), after_160 = held_after(160);

#ifndef __SANITIZE_ADDRESS__ /* whose heap is not the one that is asked */
	ck_assert_int_gt(after_60, 0);
#endif
	ck_assert_int_lt(after_160 - after_60, 100 * LEFT_BYTES);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim memory");

	log_setup(LOG_OFF, false, 2);
	TESTS(s, "memory", test_campaigns_that_are_over_leave_nothing_in_memory);
	return suite_run(s);
}
