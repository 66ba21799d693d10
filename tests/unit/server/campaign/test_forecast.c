/* tests: campaign/forecast and campaign/latency. What is foretold is compared with a plain simulation of the
 * same campaign, call by call. */
#include "tests/lib/suite.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/rng.h"
#include "server/campaign/forecast.h"
#include "server/campaign/latency.h"

#define NOW_MS 1764547200000 /* 2025-12-01 */
#define HOUR_MS 3600000

static struct campaign_spec spec;
static struct forecast f;

/* One wave, one hub without limits, 10 s to act, no settling, all at once. */
static void begin(void)
{
	memset(&spec, 0, sizeof spec);
	spec.rollout.max_unavailable = (struct limit){100, true};
	spec.rollout.waves_n = 1;
	memset(&f, 0, sizeof f);
	f.spec = &spec;
	f.now_ms = NOW_MS;
	f.end_at_ms = TIME_NEVER;
	f.hubs_n = 1;
	f.hubs[0] = (struct forecast_hub){
	        .opens_at_ms = TIME_NONE, .calls_today = UINT32_MAX, .calls_per_day = UINT32_MAX};
	for (unsigned i = 0; i < WAVES_MAX; i++)
		f.waves[i].out_until_ms = f.waves[i].proven_at_ms = TIME_NONE;
	f.act_ms = f.slowest_ms = f.slot_ms = 10000;
}

static void set_calls(uint32_t wave, uint32_t n)
{
	f.waves[wave].calls[0] = n;
	f.total += n;
}

static void ck_ends(int64_t after_ms, enum bound bound)
{
	forecast_run(&f);
	ck_assert_int_eq(f.ends_at_ms - NOW_MS, after_ms);
	ck_assert_str_eq(bound_text(f.waves[spec.rollout.waves_n - 1].bound), bound_text(bound));
}

/* ---- one limit at a time ---- */

START_TEST(test_without_limits_a_wave_takes_the_time_to_act)
{
	begin();
	set_calls(0, 1000000);
	ck_ends(10000, BOUND_ACTION);
	ck_assert_int_eq(f.waves[0].opens_at_ms, NOW_MS);
	ck_assert_int_eq(f.waves[0].calls_end_at_ms, NOW_MS);
}
END_TEST

START_TEST(test_calls_leave_at_the_rate_of_the_campaign)
{
	begin();
	set_calls(0, 601);
	spec.rollout.rate_per_minute = 600;
	ck_ends(60000 + 10000, BOUND_RATE);
	spec.rollout.rate_per_minute = 7; /* an interval of 8571429 us, rounded up */
	ck_ends(600 * INT64_C(8571429) / 1000 + 1 + 10000, BOUND_RATE);
}
END_TEST

START_TEST(test_an_s1_hub_calls_forty_a_second_after_the_first_forty)
{
	begin();
	set_calls(0, 10000);
	f.hubs[0].calls_per_minute = 2400;
	ck_ends((10000 - 40) * 25 + 10000, BOUND_HUB_CALLS);
	f.hubs[0].calls_per_minute = 30; /* less than one a second: one may leave at once */
	ck_ends(9999 * INT64_C(2000) + 10000, BOUND_HUB_CALLS);
}
END_TEST

START_TEST(test_reads_before_calls_and_proofs_after_them_take_their_time)
{
	begin();
	set_calls(0, 7000);
	f.hubs[0].reads_per_minute = 6000;
	ck_ends(6900 * 10 + 10000, BOUND_HUB_READS);
	f.hubs[0].reads_per_minute = 0;
	f.hubs[0].proofs_per_minute = 1200;
	ck_ends(10000 + 6980 * 50, BOUND_HUB_PROOFS);
}
END_TEST

START_TEST(test_no_more_devices_are_sent_away_than_may_come_back)
{
	begin();
	set_calls(0, 10000);
	f.hubs[0].calls_per_minute = 24000;
	f.hubs[0].restarts_per_minute = 7200;
	ck_ends((10000 - 120) * INT64_C(8334) / 1000 + 1 + 10000, BOUND_HUB_CONNECTS);
}
END_TEST

START_TEST(test_slots_are_used_again_after_settling)
{
	begin();
	set_calls(0, 1001);
	spec.rollout.max_unavailable = (struct limit){100, false};
	f.slot_ms = 130000;
	ck_ends(10 * 130000 + 10000, BOUND_CAPACITY);
	set_calls(0, 1000);
	ck_ends(9 * 130000 + 10000, BOUND_CAPACITY);
	spec.rollout.max_unavailable = (struct limit){10, true};
	f.total = 1000;
	ck_ends(9 * 130000 + 10000, BOUND_CAPACITY);
}
END_TEST

START_TEST(test_slots_in_use_come_free_one_by_one)
{
	begin();
	set_calls(0, 10);
	spec.rollout.max_unavailable = (struct limit){10, false};
	f.taken.n = 5;
	f.taken.from_ms = NOW_MS + 1000;
	f.taken.until_ms = NOW_MS + 9000;
	ck_ends(9000 + 10000, BOUND_ACTION);
	f.waves[0].calls[0] = 9;
	ck_ends(7000 + 10000, BOUND_ACTION);
	f.waves[0].calls[0] = 20;
	ck_ends(9000 + 10000 + 10000, BOUND_CAPACITY);
	f.taken.n = 1; /* one comes free at the end of that time */
	f.waves[0].calls[0] = 10;
	ck_ends(9000 + 10000, BOUND_ACTION);
	f.waves[0].calls[0] = 9;
	ck_ends(10000, BOUND_ACTION);
}
END_TEST

START_TEST(test_a_hub_without_calls_in_a_wave_does_not_delay_it)
{
	begin();
	set_calls(0, 10);
	f.hubs_n = 2;
	f.hubs[1] = f.hubs[0];
	f.hubs[1].opens_at_ms = NOW_MS + HOUR_MS;
	ck_ends(10000, BOUND_ACTION);
	f.waves[0].calls[1] = 1;
	f.total = 16;
	ck_ends(HOUR_MS + 10000, BOUND_HUB_SHUT);
	/* Nor does its quota, where that was short in a wave before. */
	f.hubs[1].opens_at_ms = TIME_NONE;
	f.hubs[1].calls_today = 0;
	f.hubs[1].calls_per_day = 0; /* not even one a day: the next day is as good as any */
	ck_ends(24 * HOUR_MS + 10000, BOUND_HUB_MESSAGES);
	spec.rollout.waves_n = 2;
	f.waves[1].calls[0] = 5;
	ck_ends(24 * HOUR_MS + 20000, BOUND_ACTION);
}
END_TEST

START_TEST(test_a_wave_without_calls_ends_with_its_last_proof)
{
	begin();
	spec.rollout.waves_n = 2;
	spec.rollout.waves[0].gate.soak_s = 60;
	f.waves[0].proven_at_ms = NOW_MS - 20000;
	set_calls(1, 1);
	ck_ends(40000 + 10000, BOUND_ACTION);
	ck_assert_int_eq(f.waves[0].ends_at_ms, NOW_MS - 20000);
	ck_assert_int_eq(f.waves[1].opens_at_ms, NOW_MS + 40000);
	f.waves[0].proven_at_ms = TIME_NONE; /* or with those that are out alone */
	f.waves[0].out_until_ms = NOW_MS + 5000;
	ck_ends(65000 + 10000, BOUND_ACTION);
	ck_assert_int_eq(f.waves[1].opens_at_ms, NOW_MS + 65000);
}
END_TEST

START_TEST(test_slots_of_devices_that_are_stuck_are_not_counted_on)
{
	begin();
	set_calls(0, 100);
	spec.rollout.max_unavailable = (struct limit){10, false};
	f.stuck = 5;
	ck_ends(19 * 10000 + 10000, BOUND_CAPACITY);
	f.stuck = 12;
	ck_ends(99 * 10000 + 10000, BOUND_CAPACITY);
}
END_TEST

START_TEST(test_the_slowest_group_decides)
{
	begin();
	set_calls(0, 150);
	f.waves[0].group_rounds = 5;
	f.slot_ms = 25000;
	ck_ends(4 * 25000 + 10000, BOUND_GROUP);
}
END_TEST

START_TEST(test_a_hub_that_is_shut_calls_later)
{
	begin();
	set_calls(0, 80);
	f.hubs[0].calls_per_minute = 2400;
	f.hubs[0].opens_at_ms = NOW_MS + 30000;
	ck_ends(30000 + 1000 + 10000, BOUND_HUB_CALLS);
	f.waves[0].calls[0] = 40;
	ck_ends(30000 + 10000, BOUND_HUB_SHUT);
	begin();
	set_calls(0, 1);
	f.hubs_n = 2;
	f.hubs[1] = f.hubs[0];
	f.hubs[1].opens_at_ms = NOW_MS + 30000;
	f.waves[0].calls[1] = 1;
	spec.rollout.max_unavailable = (struct limit){1, false};
	ck_ends(30000 + 10000 + 10000, BOUND_CAPACITY); /* the first call may be that hub's */
}
END_TEST

START_TEST(test_what_the_daily_quota_does_not_suffice_for_waits_for_midnight)
{
	begin();
	set_calls(0, 101);
	f.now_ms += 20 * HOUR_MS;
	f.hubs[0].calls_today = 100;
	f.hubs[0].calls_per_day = 1000;
	forecast_run(&f);
	ck_assert_int_eq(f.ends_at_ms, NOW_MS + 24 * HOUR_MS + 10000);
	ck_assert_int_eq(f.waves[0].bound, BOUND_HUB_MESSAGES);
	f.waves[0].calls[0] = 1101;
	forecast_run(&f);
	ck_assert_int_eq(f.ends_at_ms, NOW_MS + 48 * HOUR_MS + 10000);
	f.waves[0].calls[0] = 100;
	forecast_run(&f);
	ck_assert_int_eq(f.ends_at_ms, NOW_MS + 20 * HOUR_MS + 10000);
}
END_TEST

START_TEST(test_several_hubs_call_at_the_same_time)
{
	begin();
	set_calls(0, 6040);
	f.hubs_n = 2;
	f.hubs[1] = f.hubs[0];
	f.hubs[0].calls_per_minute = 2400;
	f.hubs[1].calls_per_minute = 2400;
	f.waves[0].calls[0] = 4040;
	f.waves[0].calls[1] = 2000;
	ck_ends(4000 * 25 + 10000, BOUND_HUB_CALLS);
}
END_TEST

START_TEST(test_rivals_share_a_hub_in_turn)
{
	struct forecast_rival rivals[] = {{.calls = 100}, {.calls = 5000, .per_minute = 0}};

	begin();
	set_calls(0, 1000);
	f.hubs[0].calls_per_minute = 2400;
	f.hubs[0].rivals = rivals;
	f.hubs[0].rivals_n = 1;
	ck_ends((1000 + 100 - 40) * 25 + 10000, BOUND_HUB_CALLS);
	f.hubs[0].rivals_n = 2;
	ck_ends((1000 + 100 + 1000 - 40) * 25 + 10000, BOUND_HUB_CALLS);
	/* One that calls 2 a second by itself: 1 in 20 of what the hub does, 55 in 1155. */
	rivals[1].per_minute = 120;
	ck_ends((1000 + 100 + 57 - 40) * 25 + 10000, BOUND_HUB_CALLS);
}
END_TEST

static int64_t nights_only(void *arg, uint32_t zone, int64_t from_ms, int64_t callable_ms)
{
	int64_t day_ms = from_ms % (24 * HOUR_MS), start_ms = from_ms - day_ms;
	int64_t at_ms = day_ms < 2 * HOUR_MS ? from_ms : start_ms + 24 * HOUR_MS; /* from 0 to 2 o'clock */
	int64_t left_ms = 2 * HOUR_MS - at_ms % (24 * HOUR_MS);

	(void)arg;
	if (zone > 0) /* where it is always day */
		return TIME_NEVER;
	for (; callable_ms > left_ms; left_ms = 2 * HOUR_MS) {
		callable_ms -= left_ms;
		at_ms += left_ms + 22 * HOUR_MS;
	}
	return at_ms + callable_ms;
}

START_TEST(test_calls_wait_for_the_calendar_but_proofs_do_not)
{
	uint32_t by_zone[2] = {10800 + 1, 0};

	begin();
	set_calls(0, 10800 + 1);
	f.waves[0].by_zone = by_zone;
	f.calendar = nights_only;
	f.zones_n = 2;
	spec.rollout.rate_per_minute = 60;
	f.slowest_ms = 3 * HOUR_MS;
	forecast_run(&f);
	ck_assert_int_eq(f.waves[0].calls_end_at_ms, NOW_MS + 25 * HOUR_MS);
	ck_assert_int_eq(f.ends_at_ms, NOW_MS + 28 * HOUR_MS);
	ck_assert_int_eq(f.waves[0].bound, BOUND_WINDOW);
	f.now_ms += 3 * HOUR_MS; /* in the day: the first opening is to come */
	f.waves[0].calls[0] = by_zone[0] = 1;
	forecast_run(&f);
	ck_assert_int_eq(f.ends_at_ms, NOW_MS + 27 * HOUR_MS);
}
END_TEST

START_TEST(test_a_zone_that_never_opens_is_far_away_or_ends_with_the_campaign)
{
	uint32_t by_zone[2] = {5, 5};

	begin();
	set_calls(0, 10);
	f.waves[0].by_zone = by_zone;
	f.calendar = nights_only;
	f.zones_n = 2;
	ck_ends(INT64_C(3650) * 24 * HOUR_MS + 10000, BOUND_WINDOW);
	ck_assert_int_eq(forecast_shown(&f, f.waves[0].opens_at_ms), NOW_MS);
	ck_assert_int_eq(forecast_shown(&f, f.waves[0].ends_at_ms), TIME_NONE);
	f.end_at_ms = NOW_MS + 24 * HOUR_MS;
	ck_ends(24 * HOUR_MS + 10000, BOUND_WINDOW);
	ck_assert_int_eq(forecast_shown(&f, f.ends_at_ms), f.ends_at_ms);
	ck_assert_int_eq(forecast_shown(&f, f.ends_at_ms + 1), TIME_NONE);
}
END_TEST

/* ---- waves ---- */

START_TEST(test_the_next_wave_opens_after_the_soak)
{
	begin();
	spec.rollout.waves_n = 3;
	spec.rollout.waves[0].gate.soak_s = 60;
	spec.rollout.waves[1].gate.approval = APPROVAL_EACH;
	spec.rollout.waves[2].gate.soak_s = 60; /* the last one's counts for nothing */
	set_calls(0, 10);
	set_calls(1, 90);
	set_calls(2, 100);
	ck_ends(10000 + 60000 + 10000 + 10000, BOUND_ACTION);
	ck_assert_int_eq(f.waves[1].opens_at_ms - NOW_MS, 70000);
	ck_assert_int_eq(f.waves[1].ends_at_ms - NOW_MS, 80000);
	ck_assert_int_eq(f.waves[2].opens_at_ms - NOW_MS, 80000);
	ck_assert_uint_eq(f.approvals_n, 1);
	f.waves[1].is_approved = true;
	forecast_run(&f);
	ck_assert_uint_eq(f.approvals_n, 0);
}
END_TEST

START_TEST(test_what_settles_keeps_its_slot_in_the_next_wave)
{
	begin();
	spec.rollout.waves_n = 2;
	spec.rollout.max_unavailable = (struct limit){10, false};
	f.slot_ms = 130000;
	set_calls(0, 10);
	set_calls(1, 5);
	ck_ends(130000 + 10000, BOUND_CAPACITY);
	ck_assert_int_eq(f.waves[1].opens_at_ms - NOW_MS, 10000);
	spec.rollout.waves[0].gate.soak_s = 120;
	ck_ends(130000 + 10000, BOUND_ACTION);
	begin();
	spec.rollout.waves_n = 2;
	spec.rollout.max_unavailable = (struct limit){10, false};
	f.slot_ms = 130000;
	set_calls(0, 5);
	set_calls(1, 6); /* for five there are slots that were not taken */
	ck_ends(130000 + 10000, BOUND_CAPACITY);
	/* Called after 0, 1, 130 and 131 s: the first of the last two has settled after 260. */
	begin();
	spec.rollout.waves_n = 2;
	spec.rollout.max_unavailable = (struct limit){2, false};
	spec.rollout.rate_per_minute = 60;
	f.slot_ms = 130000;
	set_calls(0, 4);
	set_calls(1, 1);
	ck_ends(260000 + 10000, BOUND_CAPACITY);
}
END_TEST

START_TEST(test_an_open_wave_ends_with_those_who_are_out)
{
	begin();
	spec.rollout.waves_n = 2;
	spec.rollout.waves[0].gate.soak_s = 60;
	set_calls(0, 10);
	f.waves[0].out_until_ms = NOW_MS + 900000;
	set_calls(1, 10);
	ck_ends(900000 + 60000 + 10000, BOUND_ACTION);
	ck_assert_int_eq(f.waves[0].bound, BOUND_OUT);
}
END_TEST

START_TEST(test_a_soak_goes_on_from_the_last_proof)
{
	begin();
	spec.rollout.waves_n = 2;
	spec.rollout.waves[0].gate.soak_s = 60;
	f.waves[0].proven_at_ms = NOW_MS - 20000;
	set_calls(1, 10);
	ck_ends(40000 + 10000, BOUND_ACTION);
	f.waves[0].proven_at_ms = NOW_MS - 70000;
	ck_ends(10000, BOUND_ACTION);
}
END_TEST

START_TEST(test_a_campaign_ends_at_its_end_and_with_those_that_are_out_then)
{
	begin();
	spec.rollout.rate_per_minute = 60;
	set_calls(0, 101);
	f.end_at_ms = NOW_MS + 60000;
	ck_ends(70000, BOUND_RATE);
	f.end_at_ms = NOW_MS + 100000;
	ck_ends(110000, BOUND_RATE);
	f.end_at_ms = NOW_MS + 100001;
	ck_ends(110000, BOUND_RATE);
	begin();
	f.waves[0].out_until_ms =
	        NOW_MS + 5000; /* what was called until the end, and acts as slowly as may be */
	f.end_at_ms = NOW_MS - 5000;
	ck_ends(5000, BOUND_OUT);
	f.end_at_ms = NOW_MS - 5001; /* nobody can be out any more */
	ck_ends(0, BOUND_OUT);
}
END_TEST

START_TEST(test_a_campaign_goes_on_while_it_watches_for_relapses)
{
	begin();
	f.watch_ms = 300000;
	set_calls(0, 10);
	ck_ends(310000, BOUND_ACTION);
	ck_assert_int_eq(f.waves[0].ends_at_ms - NOW_MS, 10000);
	f.waves[0].calls[0] = 0;
	ck_ends(0, BOUND_NOTHING);
	f.waves[0].proven_at_ms = NOW_MS - 100000;
	ck_ends(200000, BOUND_NOTHING);
	f.waves[0].proven_at_ms = NOW_MS - 400000;
	ck_ends(0, BOUND_NOTHING);
}
END_TEST

START_TEST(test_waves_without_calls_take_no_time)
{
	begin();
	spec.rollout.waves_n = 3;
	spec.rollout.waves[0].gate.soak_s = 60;
	spec.rollout.waves[1].gate.soak_s = 60;
	f.total = 10;
	ck_ends(0, BOUND_NOTHING);
	f.wave = 2;
	set_calls(2, 1);
	ck_ends(10000, BOUND_ACTION);
}
END_TEST

/* ---- against a simulation ---- */

/* Calls n devices one by one as the limits let it, gives the time of the last call in us after the first
 * could leave: a bucket with a second's worth, the campaign's rate, and max slots for slot_us each. */
static int64_t simulate(uint32_t n, uint32_t per_minute, uint32_t rate, uint32_t max, int64_t slot_us)
{
	int64_t interval_us = per_minute > 0 ? (60000000 + per_minute - 1) / per_minute : 0,
	        rate_us = rate > 0 ? (60000000 + rate - 1) / rate : 0, full_at_us = 0, at_us = 0, *calls;
	uint32_t burst = per_minute >= 60 ? per_minute / 60 : 1;

	calls = xcalloc(n, sizeof *calls);
	for (uint32_t i = 0; i < n; i++) {
		int64_t token_us = full_at_us - (burst - 1) * interval_us;

		if (i > 0 && at_us + rate_us > at_us)
			at_us = calls[i - 1] + rate_us;
		at_us = token_us > at_us ? token_us : at_us;
		if (i >= max && calls[i - max] + slot_us > at_us)
			at_us = calls[i - max] + slot_us;
		full_at_us = (full_at_us > at_us ? full_at_us : at_us) + interval_us;
		calls[i] = at_us;
	}
	at_us = calls[n - 1];
	free(calls);
	return at_us;
}

START_TEST(test_campaigns_end_when_a_simulation_of_them_does)
{
	struct rng rng;

	rng_seed(&rng, (uint64_t)_i);
	for (uint32_t i = 0; i < 500; i++) {
		uint32_t n = 1 + (uint32_t)rng_below(&rng, 3000);
		int64_t simulated_ms, foretold_ms;

		begin();
		set_calls(0, n);
		f.hubs[0].calls_per_minute =
		        rng_below(&rng, 2) == 0 ? 0 : 60 * (1 + (uint32_t)rng_below(&rng, 200));
		spec.rollout.rate_per_minute =
		        rng_below(&rng, 2) == 0 ? 0 : 1 + (uint32_t)rng_below(&rng, 6000);
		spec.rollout.max_unavailable = (struct limit){1 + (uint32_t)rng_below(&rng, n), false};
		f.slot_ms = f.act_ms = f.slowest_ms = 1 + (int64_t)rng_below(&rng, 130000);
		simulated_ms = (simulate(n, f.hubs[0].calls_per_minute, spec.rollout.rate_per_minute,
		                         spec.rollout.max_unavailable.value, f.slot_ms * 1000) +
		                999) / 1000 +
		               f.slowest_ms;
		forecast_run(&f);
		foretold_ms = f.ends_at_ms - NOW_MS;
		ck_assert_msg(foretold_ms == simulated_ms,
		              "seed %d, campaign %u: foretold %lld ms, simulated %lld ms", _i, i,
		              (long long)foretold_ms, (long long)simulated_ms);
	}
}
END_TEST

/* ---- groups ---- */

START_TEST(test_groups_take_turns_so_waves_cut_all_of_them)
{
	static const uint32_t sizes[] = {5, 3, 10, 1};
	struct limit one = {1, false}, half = {50, true};

	/* The order is 4 of rank 0, 3 of each of 1 and 2, 2 of 3 and 4, then the rest of the third group. */
	ck_assert_uint_eq(forecast_rounds(sizes, 4, one, 0, 19), 10);
	ck_assert_uint_eq(forecast_rounds(sizes, 4, one, 0, 4), 1);
	ck_assert_uint_eq(forecast_rounds(sizes, 4, one, 0, 5), 2);
	ck_assert_uint_eq(forecast_rounds(sizes, 4, one, 4, 10), 2);
	ck_assert_uint_eq(forecast_rounds(sizes, 4, one, 14, 19), 5);
	ck_assert_uint_eq(forecast_rounds(sizes, 4, half, 0, 19), 3); /* 5 by 2, 3 by 1 */
	ck_assert_uint_eq(forecast_rounds(sizes, 4, one, 7, 7), 0);
	ck_assert_uint_eq(forecast_rounds(sizes, 4, one, 0, 0), 0);
	ck_assert_uint_eq(forecast_rounds(sizes, 1, one, 0, sizes[0]), sizes[0]);
	ck_assert_uint_eq(forecast_rounds(NULL, 0, one, 0, 9), 0);
}
END_TEST

/* ---- latencies ---- */

START_TEST(test_percentiles_are_right_to_an_eighth)
{
	struct latency l = {0};
	struct rng rng;

	ck_assert_int_eq(latency_mean(&l), 0);
	ck_assert_int_eq(latency_percentile(&l, 99), 0);
	latency_add(&l, -5);
	ck_assert_int_eq(latency_percentile(&l, 100), 0);
	memset(&l, 0, sizeof l);
	for (int i = 1; i <= 1000; i++)
		latency_add(&l, i);
	ck_assert_int_eq(latency_mean(&l), 500);
	for (unsigned percent = 1; percent <= 100; percent++) {
		int64_t ms = latency_percentile(&l, percent);

		ck_assert_int_ge(ms, percent * 10);
		ck_assert_int_le(ms, percent * 10 * 9 / 8);
	}
	rng_seed(&rng, 1);
	for (int i = 0; i < 10000; i++) {
		int64_t v = (int64_t)(rng_u64(&rng) >> (24 + rng_below(&rng, 40)));

		memset(&l, 0, sizeof l);
		latency_add(&l, v);
		if (v < INT64_C(1) << 33) {
			ck_assert_int_ge(latency_percentile(&l, 50), v);
			ck_assert_int_le(latency_percentile(&l, 50), v + v / 8);
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("campaign forecast");
	TCase *tc = tcase_create("simulation");

	TESTS(s, "limits", test_without_limits_a_wave_takes_the_time_to_act,
	      test_calls_leave_at_the_rate_of_the_campaign,
	      test_an_s1_hub_calls_forty_a_second_after_the_first_forty,
	      test_reads_before_calls_and_proofs_after_them_take_their_time,
	      test_no_more_devices_are_sent_away_than_may_come_back, test_slots_are_used_again_after_settling,
	      test_a_hub_without_calls_in_a_wave_does_not_delay_it, test_slots_in_use_come_free_one_by_one,
	      test_slots_of_devices_that_are_stuck_are_not_counted_on, test_the_slowest_group_decides,
	      test_a_hub_that_is_shut_calls_later,
	      test_what_the_daily_quota_does_not_suffice_for_waits_for_midnight,
	      test_several_hubs_call_at_the_same_time, test_rivals_share_a_hub_in_turn,
	      test_calls_wait_for_the_calendar_but_proofs_do_not,
	      test_a_zone_that_never_opens_is_far_away_or_ends_with_the_campaign);
	TESTS(s, "waves", test_the_next_wave_opens_after_the_soak,
	      test_a_wave_without_calls_ends_with_its_last_proof,
	      test_what_settles_keeps_its_slot_in_the_next_wave,
	      test_an_open_wave_ends_with_those_who_are_out, test_a_soak_goes_on_from_the_last_proof,
	      test_waves_without_calls_take_no_time, test_a_campaign_goes_on_while_it_watches_for_relapses,
	      test_a_campaign_ends_at_its_end_and_with_those_that_are_out_then);
	tcase_add_loop_test(tc, test_campaigns_end_when_a_simulation_of_them_does, 1, 5);
	suite_add_tcase(s, tc);
	TESTS(s, "groups", test_groups_take_turns_so_waves_cut_all_of_them);
	TESTS(s, "latencies", test_percentiles_are_right_to_an_eighth);
	return suite_run(s);
}
