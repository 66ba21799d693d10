/* sim: what the service foretells of a campaign, beside when it ends in simulation. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/log.h"
#include "store/store.h"
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
        {"relapse watch",
         REBOOT "\"rollout\":{\"maxUnavailable\":50},\"verify\":{\"relapseWatchSeconds\":300}}", 200, 1},
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

START_TEST(test_a_cancelled_campaign_is_over_when_who_is_out_is)
{
	struct sim_options o;
	struct campaign_row row;
	int64_t foretold_ms;
	struct sim *s;
	uint32_t c;

	sim_options_init(&o);
	o.world.devices_n = 100;
	s = sim_new(&o);
	c = sim_create(
	        s, REBOOT
	        "\"rollout\":{\"ratePerMinute\":60,\"waves\":[{\"upToPercent\":50},{\"upToPercent\":100}],"
	        "\"gate\":{\"soakSeconds\":600}},\"verify\":{\"relapseWatchSeconds\":600}}");
	sim_run(s, 20000);
	ck_assert_int_gt(sim_predicted(s, c), sim_now(s) + 700000);
	ck_assert_int_eq(sim_order(s, c, ORDER_CANCEL), ERR_OK);
	foretold_ms = sim_predicted(s, c);
	ck_assert(sim_run(s, HOUR_MS));
	sim_campaign(s, c, &row);
	ck_assert_int_eq(row.state, CAMPAIGN_CANCELLED);
	ck_assert_int_lt(llabs(foretold_ms - row.finished_at_ms), LAST_DEVICE_MS);
	sim_free(s);
}
END_TEST

/* ---- progress ---- */

/* What is kept is checked at every commit by sim.c. */
START_TEST(test_slots_of_progress_grow_when_there_are_too_many_also_after_a_restart)
{
	struct sim_options o;
	uint32_t c, slot_s, was_s;
	struct sim *s;
	size_t n;

	sim_options_init(&o);
	o.world.devices_n = 600;
	o.commit_max_ms = 1;
	s = sim_new(&o);
	c = sim_create(s, REBOOT "\"rollout\":{\"ratePerMinute\":12},\"verify\":{\"settleSeconds\":0}}");
	for (;;) {
		n = sim_progress(s, c, &slot_s);
		if (slot_s != 1)
			break;
		ck_assert(!sim_run(s, 1000));
	}
	ck_assert_uint_lt(n, PROGRESS_ROWS_MAX);
	was_s = slot_s;
	sim_crash(s);
	ck_assert(sim_run(s, 10 * HOUR_MS));
	ck_assert_uint_gt(sim_progress(s, c, &slot_s), n);
	ck_assert_uint_eq(slot_s, was_s);
	sim_free(s);
}
END_TEST

/* ---- previews ---- */

#define ck_says(text, words) \
	ck_assert_msg(strstr((text)->data, words) != NULL, "no %s in %.3000s", words, (text)->data)

static struct sim *begin(uint32_t devices_n)
{
	struct sim_options o;

	sim_options_init(&o);
	o.sku = "S1";
	o.world.devices_n = devices_n;
	o.world.site_size = 20;
	o.world.sku = WORLD_SKU_S1;
	o.world.units = 1;
	return sim_new(&o);
}

START_TEST(test_a_preview_counts_by_the_hub_and_stores_nothing)
{
	struct sim *s = begin(1000);
	struct buf text = BUF_INIT;
	uint32_t commits = sim_commits(s), calls = sim_calls(s);

	ck_assert_int_eq(world_enable(sim_world(s, 0), sim_now(s), "dev-000003", false), ERR_OK);
	ck_assert_int_eq(
	        sim_preview(
	                s,
	                "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"where\":"
	                "\"tags.line = 'line-a' OR deviceId = 'dev-000003'\",\"exclude\":[\"dev-000000\","
	                "\"dev-999999\"]},\"rollout\":{\"waves\":[{\"upToPercent\":10},{\"upToPercent\":100}],"
	                "\"group\":{\"by\":\"tags.site\",\"maxUnavailable\":1}}}",
	                &text),
	        ERR_OK);
	ck_says(&text, "{\"reason\":\"disabled\",\"count\":1,\"deviceIds\":[]}");
	ck_says(&text, "{\"reason\":\"excluded\",\"count\":1,\"deviceIds\":[]}");
	ck_says(&text, "\"countedBy\":\"query\",\"isExact\":false");
	ck_says(&text,
	        "\"groups\":{\"by\":\"tags.site\",\"count\":50,\"withoutTag\":0,\"largest\":[{\"group\":\"site-");
	ck_assert_uint_eq(sim_commits(s), commits);
	ck_assert_uint_eq(sim_calls(s), calls);
	buf_done(&text);
	sim_free(s);
}
END_TEST

START_TEST(test_a_preview_looks_up_the_ids_it_is_given)
{
	struct sim *s = begin(30);
	struct buf text = BUF_INIT;

	ck_assert_int_eq(world_enable(sim_world(s, 0), sim_now(s), "dev-000002", false), ERR_OK);
	ck_assert_int_eq(
	        sim_preview(
	                s,
	                "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"deviceIds\":["
	                "\"dev-000001\",\"dev-000002\",\"dev-000025\",\"till-1\",\"till'2\"],"
	                "\"exclude\":[\"dev-000025\",\"x\"]},\"rollout\":{\"group\":{\"by\":\"tags.site\"}}}",
	                &text),
	        ERR_OK);
	ck_says(&text,
	        "{\"targets\":{\"total\":5,\"toCall\":1,\"countedBy\":\"deviceIds\",\"isExact\":false,\"neverCalled\":["
	        "{\"reason\":\"notFound\",\"count\":2,\"deviceIds\":[\"till'2\",\"till-1\"]},"
	        "{\"reason\":\"disabled\",\"count\":1,\"deviceIds\":[\"dev-000002\"]},"
	        "{\"reason\":\"excluded\",\"count\":1,\"deviceIds\":[\"dev-000025\"]}]}");
	ck_says(&text,
	        "\"count\":2,\"withoutTag\":0,\"largest\":[{\"group\":\"site-000\",\"hub\":\"main\",\"size\":2,");
	buf_done(&text);
	sim_free(s);
}
END_TEST

START_TEST(test_a_hub_that_cannot_be_asked_is_named)
{
	struct sim *s = begin(30);
	struct world_fault f = {.kind = WORLD_FAULT_ERROR_BEFORE,
	                        .share = 1,
	                        .families = WORLD_QUERIES,
	                        .from_ms = sim_now(s),
	                        .until_ms = sim_now(s) + HOUR_MS,
	                        .count = 3};
	struct buf text = BUF_INIT;

	world_fault_add(sim_world(s, 0), &f); /* a probe and two tries */
	ck_assert_int_eq(
	        sim_preview(s, "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true}}",
	                    &text),
	        ERR_OK);
	ck_says(&text, "\"total\":30,");
	f.count = 0;
	f.from_ms = sim_now(s);
	world_fault_add(sim_world(s, 0), &f);
	buf_reset(&text);
	ck_assert_int_eq(
	        sim_preview(s, "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true}}",
	                    &text),
	        ERR_BUSY);
	ck_says(&text, "hub main could not count the devices: ");
	world_faults_clear(sim_world(s, 0));
	buf_reset(&text);
	ck_assert_int_eq(
	        sim_preview(s,
	                    "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"where\":"
	                    "\"tags.site = 'site-000'\"}}",
	                    &text),
	        ERR_OK);
	ck_says(&text, "\"total\":20,");
	buf_done(&text);
	sim_free(s);
}
END_TEST

START_TEST(test_many_ids_are_counted_here_and_not_looked_up)
{
	struct sim *s = begin(30);
	struct buf spec = BUF_INIT, text = BUF_INIT;

	buf_puts(&spec, "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"deviceIds\":[\"a\"");
	for (int i = 0; i < 600; i++)
		buf_printf(&spec, ",\"dev-%06d\"", i);
	buf_puts(&spec,
	         "],\"exclude\":[\"dev-000001\",\"x\"]},\"rollout\":{\"group\":{\"by\":\"tags.site\"}}}");
	ck_assert_int_eq(sim_preview(s, spec.data, &text), ERR_OK);
	ck_says(&text,
	        "{\"targets\":{\"total\":601,\"toCall\":600,\"countedBy\":\"deviceIds\",\"isExact\":false,\"neverCalled\":["
	        "{\"reason\":\"excluded\",\"count\":1,\"deviceIds\":[\"dev-000001\"]}]},\"groups\":null,");
	ck_says(&text,
	        "\"notLookedUp\",\"detail\":\"whether the hub knows each of the devices, and in which group it is,");
	buf_done(&spec);
	buf_done(&text);
	sim_free(s);
}
END_TEST

START_TEST(test_a_condition_that_leaves_no_room_is_asked_for_alone)
{
	struct sim *s = begin(30);
	struct buf spec = BUF_INIT, text = BUF_INIT;

	buf_printf(
	        &spec,
	        "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"where\":\"tags.site = %6980s\","
	        "\"exclude\":[\"dev-000001\"]}}",
	        "'site-000'");
	ck_assert_int_eq(sim_preview(s, spec.data, &text), ERR_OK);
	ck_says(&text, "\"total\":20,\"toCall\":20,");
	buf_done(&spec);
	buf_done(&text);
	sim_free(s);
}
END_TEST

/* The finish that a preview tells. */
static int64_t finish_of(const struct buf *text)
{
	const char *at = strstr(text->data, "\"finishesAt\":\"");
	int64_t at_ms = TIME_NONE;

	ck_assert_ptr_nonnull(at);
	at += strlen("\"finishesAt\":\"");
	ck_assert(time_parse(at, strcspn(at, "\""), true, &at_ms));
	return at_ms;
}

/* Nights of an hour, from 01:00Z: 180 devices in the first, the rest in the second; or in each device's own
 * zone. */
START_TEST(test_campaigns_with_windows_end_when_foretold)
{
	static const char *const zones[] = {"\"Europe/Stockholm\"", "\"device\""};
	struct sim *s = begin(300);
	struct buf spec = BUF_INIT, text = BUF_INIT;
	struct campaign_row row;
	int64_t by_preview_ms, at_start_ms;
	uint32_t c;

	buf_printf(
	        &spec,
	        "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true},\"rollout\":"
	        "{\"ratePerMinute\":3},\"schedule\":{\"windows\":[{\"cron\":\"0 2 * * *\",\"durationMinutes\":60}],"
	        "\"timeZone\":%s}}",
	        zones[_i]);
	ck_assert_int_eq(sim_preview(s, spec.data, &text), ERR_OK);
	by_preview_ms = finish_of(&text);
	if (_i == 0)
		ck_says(&text,
		        "\"windows\":[{\"from\":\"2025-12-01T01:00:00.000Z\",\"until\":\"2025-12-01T02:00:00.000Z\"},"
		        "{\"from\":\"2025-12-02T01:00:00.000Z\",\"until\":\"2025-12-02T02:00:00.000Z\"},");
	ck_says(&text, "\"boundedBy\":\"window\"");
	c = sim_create(s, spec.data);
	do {
		sim_run(s, 1000);
		sim_campaign(s, c, &row);
	} while (row.state == CAMPAIGN_SELECTING);
	at_start_ms = sim_predicted(s, c);
	ck_assert(sim_run(s, 100 * HOUR_MS));
	sim_campaign(s, c, &row);
	ck_assert_uint_eq(row.counts.state[TARGET_SUCCEEDED], 300);
	ck_assert_msg(llabs(by_preview_ms - row.finished_at_ms) <= 120000,
	              "by preview off by %+lld ms of %lld", (long long)(by_preview_ms - row.finished_at_ms),
	              (long long)(row.finished_at_ms - row.started_at_ms));
	ck_assert_msg(llabs(at_start_ms - row.finished_at_ms) <= 120000, "at start off by %+lld ms of %lld",
	              (long long)(at_start_ms - row.finished_at_ms),
	              (long long)(row.finished_at_ms - row.started_at_ms));
	buf_done(&spec);
	buf_done(&text);
	sim_free(s);
}
END_TEST

START_TEST(test_tags_that_are_no_time_zones_are_counted)
{
	struct sim *s = begin(30);
	struct buf text = BUF_INIT;

	ck_assert_int_eq(
	        world_tag(sim_world(s, 0), sim_now(s), "dev-000002", "{\"timeZone\":\"Mars/Olympus\"}"),
	        ERR_OK);
	ck_assert_int_eq(world_tag(sim_world(s, 0), sim_now(s), "dev-000003", "{\"timeZone\":null}"), ERR_OK);
	for (int i = 0; i < 2; i++) {
		buf_reset(&text);
		ck_assert_int_eq(
		        sim_preview(
		                s,
		                i == 0 ? "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true},"
		                         "\"schedule\":{\"windows\":[{\"cron\":\"0 2 * * *\",\"durationMinutes\":60}],"
		                         "\"timeZone\":\"device\",\"deviceTimeZone\":{\"fallback\":\"Europe/Paris\"}}}"
		                       : "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"deviceIds\":["
		                         "\"dev-000001\",\"dev-000002\",\"dev-000003\"]},"
		                         "\"schedule\":{\"windows\":[{\"cron\":\"0 2 * * *\",\"durationMinutes\":60}],"
		                         "\"timeZone\":\"device\",\"deviceTimeZone\":{\"fallback\":\"Europe/Paris\"}}}",
		                &text),
		        ERR_OK);
		ck_says(&text,
		        "\"unknownZone\",\"detail\":\"2 devices have no time zone in tags.timeZone (but "
		        "\\\"Mars/Olympus\\\"): it is taken to be Europe/Paris\"");
	}
	buf_done(&text);
	sim_free(s);
}
END_TEST

START_TEST(test_a_list_that_is_not_there_is_said)
{
	struct sim *s = begin(3);
	struct buf text = BUF_INIT;

	ck_assert_int_eq(
	        sim_preview(
	                s,
	                "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"list\":\"tills\"}}",
	                &text),
	        ERR_OK);
	ck_says(&text, "\"total\":0,");
	ck_says(&text, "\"code\":\"noList\"");
	buf_done(&text);
	sim_free(s);
}
END_TEST

START_TEST(test_a_campaign_ends_when_its_preview_said)
{
	struct sim *s = begin(300);
	const char *spec =
	        "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true},\"rollout\":"
	        "{\"maxUnavailable\":25,\"waves\":[{\"upToPercent\":10},{\"upToPercent\":100}],"
	        "\"gate\":{\"soakSeconds\":60}}}";
	struct buf text = BUF_INIT;
	struct campaign_row row;
	int64_t foretold_ms, took_ms;
	uint32_t c;

	ck_assert_int_eq(sim_preview(s, spec, &text), ERR_OK);
	foretold_ms = finish_of(&text);
	c = sim_create(s, spec);
	ck_assert(sim_run(s, 10 * HOUR_MS));
	sim_campaign(s, c, &row);
	took_ms = row.finished_at_ms - row.created_at_ms;
	ck_assert_msg(llabs(foretold_ms - row.finished_at_ms) <= took_ms / 20,
	              "took %lld ms, foretold with %+lld ms", (long long)took_ms,
	              (long long)(foretold_ms - row.finished_at_ms));
	buf_done(&text);
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
	tcase_add_loop_test(tc, test_campaigns_with_windows_end_when_foretold, 0, 2);
	suite_add_tcase(s, tc);
	TESTS(s, "cancelled", test_a_cancelled_campaign_is_over_when_who_is_out_is);
	TESTS(s, "progress", test_slots_of_progress_grow_when_there_are_too_many_also_after_a_restart);
	TESTS(s, "previews", test_a_preview_counts_by_the_hub_and_stores_nothing,
	      test_a_preview_looks_up_the_ids_it_is_given, test_a_list_that_is_not_there_is_said,
	      test_tags_that_are_no_time_zones_are_counted, test_many_ids_are_counted_here_and_not_looked_up,
	      test_a_condition_that_leaves_no_room_is_asked_for_alone,
	      test_a_hub_that_cannot_be_asked_is_named, test_a_campaign_ends_when_its_preview_said);
	return suite_run(s);
}
