/* tests: server/campaign/engine_outlook: what is left of a campaign, as a forecast wants to know it. A
 * default reboot: proof has 900 s after the answer, a call in doubt 1,000 s after the intent; it settles for
 * 120 s. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/campaign/forecast.h"
#include "rig.h"

#define SLOWEST_MS 10000
#define SLOT_MS 130000
#define SETTLE_MS 120000

static struct rig *r;
static uint32_t c;
static struct forecast f;

/* Before each test, and anew in its midst. */
static void start(void)
{
	free(f.by_zones);
	f = (struct forecast){0};
	if (r != NULL)
		rig_free(r);
	r = NULL;
}

static void begin(const char *members, uint32_t n)
{
	start();
	r = rig_new();
	c = rig_campaign(r, members, n);
	rig_at(r, 0);
}

static bool look_with(forecast_calendar_cb *calendar)
{
	free(f.by_zones);
	f = (struct forecast){.now_ms = r->now_ms,
	                      .slowest_ms = SLOWEST_MS,
	                      .slot_ms = SLOT_MS,
	                      .watch_ms = 5000,
	                      .calendar = calendar};
	return engine_outlook(r->e, c, &f);
}

static void look(void)
{
	ck_assert(look_with(NULL));
}

static void expect_out(uint32_t wave, int64_t ms)
{
	ck_assert_int_eq(f.waves[wave].out_until_ms, ms == TIME_NONE ? TIME_NONE : T0 + ms);
}

static void expect_taken(uint32_t n, int64_t from_ms, int64_t until_ms)
{
	ck_assert_uint_eq(f.taken.n, n);
	ck_assert_int_eq(f.taken.from_ms, T0 + from_ms);
	ck_assert_int_eq(f.taken.until_ms, T0 + until_ms);
}

START_TEST(test_there_is_none_before_the_targets_are_known)
{
	r = rig_new();
	c = rig_add(r, "", 5000, HOUR_MS, 1);
	ck_assert(!look_with(NULL));
	rig_at(r, 5000);
	ck_assert(!look_with(NULL));
	c++;
	ck_assert(!look_with(NULL));
}
END_TEST

START_TEST(test_calls_to_come_are_counted_by_wave_hub_and_zone)
{
	static const struct baseline baseline = {.source = SOURCE_QUERY, .has_value = true};
	static const struct {
		uint8_t hub;
		uint16_t zone;
	} rows[] = {{0, 0}, {1, 0}, {0, 1}, {1, 1}, {1, 1}};
	struct target_state_view view;
	struct fact selected;

	r = rig_new();
	c = rig_add(r, "\"rollout\":{\"waves\":[{\"upToCount\":2},{\"upToPercent\":100}]}", 0, HOUR_MS, 2);
	rig_turn_once(r);
	engine_zones(r->e, c, 2);
	for (uint32_t i = 0; i < 5; i++) {
		struct target_row row = {.campaign = c,
		                         .no = i,
		                         .hub = rows[i].hub,
		                         .zone = rows[i].zone,
		                         .group = GROUP_NONE,
		                         .changed_at_ms = TIME_NONE,
		                         .next_at_ms = TIME_NONE,
		                         .called_at_ms = TIME_NONE,
		                         .since_hub_ms = TIME_NONE,
		                         .hold_until_ms = TIME_NONE};
		char id[] = {'d', (char)('0' + i), '\0'};

		engine_target_add(r->e, &row, id, &baseline);
	}
	selected = rig_fact(r, FACT_SELECTED, c, 0);
	ck_assert_int_eq(engine_feed(r->e, &selected), ERR_OK);
	for (uint32_t i = 0; i < 5; i++) {
		ck_assert(engine_target(r->e, c, i, &view));
		ck_assert_uint_eq(view.hub, rows[i].hub);
		ck_assert_uint_eq(view.row.zone, rows[i].zone);
		ck_assert_int_eq(engine_window(r->e, c, i, &(int64_t){0}), WAIT_NONE);
	}
	look();
	ck_assert_uint_eq(f.total, 5);
	ck_assert_uint_eq(f.hubs_n, 2);
	ck_assert_uint_eq(f.zones_n, 2);
	ck_assert_uint_eq(f.wave, 0);
	ck_assert_int_eq(f.end_at_ms, T0 + HOUR_MS);
	ck_assert_int_eq(f.watch_ms, 5000);
	ck_assert_ptr_eq(f.spec, engine_spec(r->e, c));
	ck_assert_uint_eq(f.waves[0].calls[0], 1);
	ck_assert_uint_eq(f.waves[0].calls[1], 1);
	ck_assert_uint_eq(f.waves[0].by_zone[0], 2);
	ck_assert_uint_eq(f.waves[0].by_zone[1], 0);
	ck_assert_uint_eq(f.waves[1].calls[0], 1);
	ck_assert_uint_eq(f.waves[1].calls[1], 2);
	ck_assert_uint_eq(f.waves[1].by_zone[0], 0);
	ck_assert_uint_eq(f.waves[1].by_zone[1], 3);
	for (uint32_t w = 0; w < 2; w++) {
		expect_out(w, TIME_NONE);
		ck_assert_int_eq(f.waves[w].proven_at_ms, TIME_NONE);
		ck_assert_uint_eq(f.waves[w].group_rounds, 0);
		ck_assert(!f.waves[w].is_approved);
	}
	ck_assert_uint_eq(f.taken.n, 0);
	ck_assert_uint_eq(f.stuck, 0);
}
END_TEST

START_TEST(test_who_was_called_is_expected_as_fast_as_the_slowest_and_then_as_long_again)
{
	begin("", 1);
	r->now_ms = T0 + 4000;
	look();
	expect_out(0, SLOWEST_MS);
	expect_taken(1, SLOT_MS, SLOT_MS);
	r->now_ms = T0 + 8000;
	look();
	expect_out(0, 16000);
	r->now_ms = T0 + SLOWEST_MS; /* the last moment in which it is none of the stuck */
	look();
	expect_taken(1, SLOT_MS, SLOT_MS);
	ck_assert_uint_eq(f.stuck, 0);
	r->now_ms = T0 + SLOWEST_MS + 1;
	look();
	expect_out(0, 2 * (SLOWEST_MS + 1));
	ck_assert_uint_eq(f.taken.n, 0);
	ck_assert_uint_eq(f.stuck, 1);
}
END_TEST

START_TEST(test_nobody_is_expected_later_than_its_deadline_nor_in_the_past)
{
	begin("", 1);
	ck_assert_int_eq(rig_call(r, c, 0, CALL_ACCEPTED), ERR_OK);
	rig_at(r, 449999);
	look();
	expect_out(0, 899998);
	rig_at(r, 460000);
	look();
	expect_out(0, 900000);
	rig_at(r, 901000); /* its deadline has passed, and the read that decides is not back */
	look();
	expect_out(0, 901000);
	/* A call on the wire has as long as it would have in doubt. */
	begin("", 1);
	r->now_ms = T0 + 500001;
	look();
	expect_out(0, 1000000);
}
END_TEST

START_TEST(test_places_come_free_between_the_first_and_the_last)
{
	begin("", 3);
	rig_at(r, 1000);
	ck_assert_int_eq(rig_call(r, c, 0, CALL_NOT_DELIVERED), ERR_OK);
	rig_at(r, 1000); /* called again: the others' places come free earlier */
	look();
	expect_taken(3, SLOT_MS, SLOT_MS + 1000);
	ck_assert_int_eq(rig_call(r, c, 1, CALL_NOT_DELIVERED), ERR_OK);
	rig_at(r, 2000); /* d2 first, then d0, then d1 */
	look();
	expect_taken(3, SLOT_MS, SLOT_MS + 2000);
	r->now_ms = T0 + SLOT_MS + 500;
	free(f.by_zones);
	f.by_zones = NULL;
	f.now_ms = r->now_ms;
	f.slowest_ms = HOUR_MS; /* so slow may they be: none is stuck, but d2 should be back by now */
	ck_assert(engine_outlook(r->e, c, &f));
	expect_taken(3, SLOT_MS + 500, SLOT_MS + 2000);
}
END_TEST

START_TEST(test_who_settles_keeps_its_place_for_a_part_of_that_time)
{
	begin("", 3);
	r->now_ms = T0 + 1000;
	ck_assert_int_eq(rig_call(r, c, 0, CALL_ACCEPTED), ERR_OK);
	ck_assert_int_eq(rig_query(r, c, 0, SAYS_PROVEN), ERR_OK);
	rig_turn(r);
	look();
	expect_taken(3, 1000, SLOT_MS); /* d1 and d2 are back last */
	ck_assert_int_eq(f.waves[0].proven_at_ms, T0 + 1000);
	rig_at(r, 20000); /* these are stuck by now */
	look();
	ck_assert_uint_eq(f.stuck, 2);
	expect_taken(1, 20000, 20000 + SETTLE_MS);
}
END_TEST

START_TEST(test_who_backs_off_or_waits_for_its_device_is_called_once_after_that)
{
	uint32_t first;

	begin("\"retry\":{\"maxAttempts\":2,\"on\":[\"refused\"],\"backoffSeconds\":60}", 1);
	ck_assert_int_eq(rig_call(r, c, 0, CALL_REFUSED), ERR_OK);
	rig_at(r, 0);
	look();
	expect_out(0, 60000 + SLOWEST_MS);
	ck_assert_uint_eq(f.waves[0].calls[0], 0);
	ck_assert_uint_eq(f.taken.n, 0);
	begin("", 1);
	first = c;
	c = rig_campaign(r, "", 1); /* over the same device, which nobody knows how long it is taken */
	rig_at(r, 3000);
	ck_assert_uint_eq(rig_row(r, c, 0)->wait, WAIT_DEVICE);
	look();
	expect_out(0, 3000 + SLOWEST_MS);
	ck_assert_uint_eq(rig_row(r, first, 0)->state, TARGET_INVOKING);
}
END_TEST

static int64_t twice_as_long(void *arg, uint32_t zone, int64_t from_ms, int64_t callable_ms)
{
	(void)arg;
	ck_assert_uint_eq(zone, 0);
	return from_ms + 2 * callable_ms;
}

START_TEST(test_who_is_offline_is_expected_to_stay_so_until_it_expires)
{
	begin("\"offline\":{\"expireAfterSeconds\":100}", 2);
	ck_assert_int_eq(rig_call(r, c, 0, CALL_OFFLINE), ERR_OK);
	r->now_ms = T0 + 4000;
	ck_assert_int_eq(rig_call(r, c, 1, CALL_OFFLINE), ERR_OK);
	rig_turn(r);
	ck_assert_uint_eq(rig_row(r, c, 0)->wait, WAIT_OFFLINE);
	look();
	expect_out(0, 104000);
	ck_assert(look_with(twice_as_long)); /* 100 s more in which the last one could be called */
	expect_out(0, 204000);
	rig_respec(r, c, "\"offline\":{\"expireAfterSeconds\":100}", 50000);
	look(); /* by then it is skipped */
	expect_out(0, 50000);
	rig_respec(r, c, "\"offline\":{\"expireAfterSeconds\":1}", HOUR_MS);
	rig_at(r, 6000);
	look(); /* it has had that time already */
	expect_out(0, 6000);
}
END_TEST

#define BY_SITE(max) "\"rollout\":{\"group\":{\"by\":\"tags.site\",\"maxUnavailable\":" max "}}"

/* A campaign over two groups, of n0 and n1 devices in turn. */
static void begin_groups(const char *members, uint32_t n0, uint32_t n1)
{
	struct fact selected;
	char id[16];

	start();
	r = rig_new();
	c = rig_add(r, members, 0, 24 * HOUR_MS, 1);
	rig_turn_once(r);
	rig_group(r, c, 0, "a", n0);
	rig_group(r, c, 0, "b", n1);
	for (uint32_t i = 0; i < n0 || i < n1; i++)
		for (uint32_t g = 0; g < 2; g++) {
			if (i >= (g == 0 ? n0 : n1))
				continue;
			snprintf(id, sizeof id, "%c%u", 'a' + (int)g, i);
			rig_target_in(r, c, id, 0, g, true, true);
		}
	selected = rig_fact(r, FACT_SELECTED, c, 0);
	ck_assert_int_eq(rig_feed(r, &selected), ERR_OK);
}

START_TEST(test_the_slowest_group_says_how_often_its_places_are_filled)
{
	begin_groups(BY_SITE("2"), 5, 2);
	look(); /* 5 by two */
	ck_assert_uint_eq(f.waves[0].group_rounds, 3);
	rig_at(r, 0);
	look(); /* two of each are out: 3 by two, and the places come free first; none is left of b */
	ck_assert_uint_eq(f.waves[0].group_rounds, 3);
	ck_assert_uint_eq(f.waves[0].calls[0], 3);
	ck_assert_int_eq(rig_call(r, c, 0, CALL_NO_METHOD), ERR_OK);
	look(); /* one place for good less */
	ck_assert_uint_eq(f.waves[0].group_rounds, 4);
	ck_assert_int_eq(rig_call(r, c, 2, CALL_NO_METHOD), ERR_OK);
	look(); /* no place is left: who waits will be skipped */
	ck_assert_uint_eq(f.waves[0].group_rounds, 0);
	begin_groups(BY_SITE("2"), 2, 7);
	look();
	ck_assert_uint_eq(f.waves[0].group_rounds, 4);
}
END_TEST

START_TEST(test_of_a_campaign_that_is_cancelled_only_what_is_out_is_left)
{
	begin("\"rollout\":{\"waves\":[{\"upToCount\":2},{\"upToPercent\":100}]}", 4);
	r->now_ms = T0 + 1000;
	ck_assert_int_eq(rig_order(r, FACT_CANCEL, c), ERR_OK);
	look();
	ck_assert_uint_eq(f.wave, 1);
	ck_assert_int_eq(f.end_at_ms, TIME_NEVER);
	ck_assert_int_eq(f.watch_ms, 0);
	expect_out(0, SLOWEST_MS);
	expect_out(1, SLOWEST_MS);
	ck_assert_uint_eq(f.waves[1].calls[0], 0);
	ck_assert_uint_eq(f.taken.n, 2);
	begin("\"rollout\":{\"waves\":[{\"upToCount\":1},{\"upToCount\":2},{\"upToPercent\":100}]}", 3);
	ck_assert_int_eq(rig_call(r, c, 0, CALL_REFUSED), ERR_OK);
	rig_turn(r);
	ck_assert_int_eq(rig_order(r, FACT_CANCEL, c), ERR_OK);
	look();
	ck_assert_uint_eq(f.wave, 2);
	expect_out(2, SLOWEST_MS); /* those of the wave before it */
}
END_TEST

START_TEST(test_of_a_campaign_that_has_ended_its_watches_are_left_too)
{
	begin("\"rollout\":{\"maxUnavailable\":1,\"waves\":[{\"upToCount\":2},{\"upToPercent\":100}]}", 4);
	rig_respec(r, c,
	           "\"rollout\":{\"maxUnavailable\":1,\"waves\":[{\"upToCount\":2},{\"upToPercent\":100}]}",
	           2000);
	rig_at(r, 2000);
	ck_assert_uint_eq(rig_row(r, c, 3)->reason, REASON_CAMPAIGN_ENDED);
	look();
	ck_assert_uint_eq(f.wave, 1);
	ck_assert_int_eq(f.end_at_ms, TIME_NEVER);
	ck_assert_int_eq(f.watch_ms, 5000);
	expect_out(1, SLOWEST_MS);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("campaign outlook");

	suite_add_with(s, "outlook", start,
	               (const TTest *const[]){
	                       test_there_is_none_before_the_targets_are_known,
	                       test_calls_to_come_are_counted_by_wave_hub_and_zone,
	                       test_who_was_called_is_expected_as_fast_as_the_slowest_and_then_as_long_again,
	                       test_nobody_is_expected_later_than_its_deadline_nor_in_the_past,
	                       test_places_come_free_between_the_first_and_the_last,
	                       test_who_settles_keeps_its_place_for_a_part_of_that_time,
	                       test_who_backs_off_or_waits_for_its_device_is_called_once_after_that,
	                       test_who_is_offline_is_expected_to_stay_so_until_it_expires,
	                       test_the_slowest_group_says_how_often_its_places_are_filled,
	                       test_of_a_campaign_that_is_cancelled_only_what_is_out_is_left,
	                       test_of_a_campaign_that_has_ended_its_watches_are_left_too, NULL});
	return suite_run(s);
}
