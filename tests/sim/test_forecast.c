/* sim: what the service foretells of a campaign, beside when it ends in simulation. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"
#include "tests/sim/sim.h"

#define HOUR_MS 3600000LL

struct scenario {
	const char *name, *spec;
	uint32_t devices_n, waves_n;
};

/* Without waves, of devices that report within seconds. */
#define REBOOT "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true},"
static const struct scenario scenarios[] = {
        {"hub's calls", REBOOT "\"rollout\":{\"maxUnavailable\":\"100%\"}}", 1000, 1},
        {"a rate of its own", REBOOT "\"rollout\":{\"maxUnavailable\":\"100%\",\"ratePerMinute\":240}}", 600,
         1},
        {"capacity", REBOOT "\"rollout\":{\"maxUnavailable\":20}}", 300, 1},
        {"groups", REBOOT "\"rollout\":{\"group\":{\"by\":\"tags.site\",\"maxUnavailable\":5}}}", 300, 1},
        {"waves that soak",
         REBOOT
         "\"rollout\":{\"maxUnavailable\":\"100%\",\"ratePerMinute\":600,\"gate\":{\"minSuccessPercent\":90,"
         "\"soakSeconds\":60},\"waves\":[{\"upToCount\":5},{\"upToPercent\":20},{\"upToPercent\":100}]}}",
         600, 3},
};

/* It may be off by 5 % of the whole time, or by as much as nobody can know of each wave: how slow its last
 * device will be. */
#define LAST_DEVICE_MS 8000

static void ck_off(const struct scenario *sc, const char *when, int64_t foretold_ms,
                   const struct campaign_row *row)
{
	int64_t took_ms = row->finished_at_ms - row->started_at_ms,
	        off_ms = foretold_ms - row->finished_at_ms,
	        may_ms = took_ms / 20 > sc->waves_n * LAST_DEVICE_MS ? took_ms / 20
	                                                             : sc->waves_n * LAST_DEVICE_MS;

	ck_assert_msg(foretold_ms != TIME_NONE, "%s: nothing is foretold %s", sc->name, when);
	ck_assert_msg(off_ms <= may_ms && off_ms >= -may_ms, "%s took %lld ms, foretold %s with %+lld ms",
	              sc->name, (long long)took_ms, when, (long long)off_ms);
}

static uint32_t finals(const struct campaign_row *row)
{
	return row->counts.state[TARGET_SUCCEEDED] + row->counts.state[TARGET_FAILED];
}

START_TEST(test_campaigns_end_when_foretold)
{
	const struct scenario *sc = &scenarios[_i];
	int64_t at_start = TIME_NONE, at_10 = TIME_NONE, at_50 = TIME_NONE;
	struct campaign_row row;
	struct sim_options o;
	struct sim *s;
	uint32_t c;

	sim_options_init(&o);
	o.sku = "S1";
	o.world.devices_n = sc->devices_n;
	o.world.sku = WORLD_SKU_S1;
	o.world.units = 1;
	s = sim_new(&o);
	c = sim_create(s, sc->spec);
	do {
		sim_run(s, 250);
		sim_campaign(s, c, &row);
		if (row.state != CAMPAIGN_RUNNING)
			continue;
		if (at_start == TIME_NONE)
			at_start = sim_predicted(s, c);
		if (at_10 == TIME_NONE && finals(&row) * 10 >= sc->devices_n)
			at_10 = sim_predicted(s, c);
		if (at_50 == TIME_NONE && finals(&row) * 2 >= sc->devices_n)
			at_50 = sim_predicted(s, c);
	} while (!campaign_state_is_final(row.state));
	ck_assert_uint_eq(row.counts.state[TARGET_SUCCEEDED], sc->devices_n);
	ck_off(sc, "at its start", at_start, &row);
	ck_off(sc, "at 10 %", at_10, &row);
	ck_off(sc, "at 50 %", at_50, &row);
	sim_free(s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim forecast");
	TCase *tc = tcase_create("forecast");

	log_setup(LOG_OFF, false, 2);
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, test_campaigns_end_when_foretold, 0, sizeof scenarios / sizeof *scenarios);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
