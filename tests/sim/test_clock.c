/* sim: the clock on the wall set while the process is away, at each call of a short life of a fleet. The
 * checkers go by time itself: no two calls at once reach a device (P3), none is called while it settles (P3,
 * P4), and each campaign ends (P10). */
#include "tests/lib/suite.h"

#include <stdio.h>

#include "server/base/log.h"
#include "tests/sim/sim.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define CALLS 12

static struct sim *start(uint64_t seed)
{
	struct sim_options o;

	sim_options_init(&o);
	o.seed = seed;
	o.world.devices_n = 6;
	o.world.seed = seed;
	o.world.share[WORLD_DEAF] = 0.3;
	o.world.share[WORLD_SLOW] = 0.2;
	o.world.share[WORLD_AWAY] = 0.2;
	o.world.trouble_calls = 2;
	return sim_new(&o);
}

/* Three campaigns over the same devices: a device that one leaves is the next one's. */
static void create(struct sim *s)
{
	static const char *const rests[] = {
	        "\"verify\":{\"timeoutSeconds\":60}", "\"verify\":{\"by\":\"none\"}",
	        "\"retry\":{\"doubtful\":\"never\"},\"verify\":{\"timeoutSeconds\":30}"};
	char spec[256];

	for (size_t i = 0; i < sizeof rests / sizeof *rests; i++) {
		snprintf(spec, sizeof spec,
		         "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true},%s}",
		         rests[i]);
		sim_create(s, spec);
	}
}

/* The process dies as the nth call leaves, is away while the clock is set, and again as the one after it
 * does. */
static void step_at(uint64_t seed, uint32_t nth, int64_t first_ms, int64_t second_ms)
{
	struct sim *s = start(seed);

	create(s);
	for (uint32_t i = 0; i < nth; i++)
		(void)sim_run_to_call(s, HOUR_MS);
	sim_set_clock(s, first_ms);
	sim_crash(s);
	(void)sim_run_to_call(s, HOUR_MS);
	sim_set_clock(s, second_ms);
	sim_crash(s);
	/* The ends are by the clock on the wall: as the last resort of who waits for a device. */
	ck_assert(sim_run(s, 31 * 24 * HOUR_MS + 2 * HOUR_MS));
	sim_free(s);
}

START_TEST(test_a_clock_set_while_the_process_is_away_lets_no_call_out_too_early)
{
	static const int64_t steps_ms[][2] = {{2 * HOUR_MS, 0},
	                                      {5 * MINUTE_MS, 5 * MINUTE_MS},
	                                      {-HOUR_MS, 2 * HOUR_MS},
	                                      {2 * HOUR_MS, -2 * HOUR_MS},
	                                      {-3 * MINUTE_MS, -HOUR_MS}};

	for (uint64_t seed = 1; seed <= 4; seed++)
		for (uint32_t nth = 1; nth <= CALLS; nth++)
			step_at(seed, nth, steps_ms[_i][0], steps_ms[_i][1]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim clock");
	TCase *steps = tcase_create("steps");

	log_setup(LOG_OFF, false, 2);
	tcase_set_timeout(steps, 600);
	tcase_add_loop_test(steps, test_a_clock_set_while_the_process_is_away_lets_no_call_out_too_early, 0,
	                    5);
	suite_add_tcase(s, steps);
	return suite_run(s);
}
