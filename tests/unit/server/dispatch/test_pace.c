/* tests: server/dispatch: pace */
#include "tests/lib/suite.h"

#include "server/base/clock.h"
#include "server/base/rng.h"
#include "server/dispatch/bucket.h"
#include "server/dispatch/pace.h"

#define NOW 1700000000000
#define STEP_MS 25

/* A hub whose queue is fed by the pace: it admits so many a minute, holds the rest back, and says 429 where
 * that would take more than ten seconds. */
struct hub {
	double admits_per_minute; /* 0: all */
	int64_t base_ms;          /* what an answer takes by itself, at least */
	int64_t slow_devices_ms;  /* and at most */
	double queued;
	uint64_t sent, refused, answered;
};

static struct pace pace;
static struct bucket bucket;
static struct rng rng;
static struct hub hub;
static int64_t now;

static void begin(uint32_t granted)
{
	rng_seed(&rng, 7);
	now = NOW;
	hub = (struct hub){.base_ms = 30, .slow_devices_ms = 3000};
	pace_init(&pace, granted, now);
	bucket_init(&bucket, granted, 40);
}

/* Sends whatever may be sent; an answer counts when it is sent, which is a little early. */
static void run(int64_t for_ms)
{
	for (int64_t end = now + for_ms; now < end; now += STEP_MS) {
		double admitted = hub.admits_per_minute * STEP_MS / 60000;

		if (pace_run(&pace, now))
			bucket_pace(&bucket, pace.per_minute, now);
		bucket_run(&bucket, now);
		hub.queued = hub.queued > admitted ? hub.queued - admitted : 0;
		for (uint32_t n = 0; n < 100 && bucket_tokens(&bucket, now) > 0; n++) {
			int64_t held_ms = 0;

			bucket_take(&bucket, 1, now);
			hub.sent++;
			if (hub.admits_per_minute > 0)
				held_ms = (int64_t)(hub.queued * 60000 / hub.admits_per_minute);
			if (held_ms > 10000) {
				hub.refused++;
				pace_throttled(&pace);
				continue;
			}
			hub.queued += hub.admits_per_minute > 0;
			hub.answered++;
			pace_answered(&pace, hub.base_ms + held_ms +
			                             (int64_t)rng_below(&rng, (uint64_t)hub.slow_devices_ms));
		}
	}
}

START_TEST(test_the_granted_rate_is_used_while_answers_take_as_long_as_ever)
{
	begin(2400);
	run(600000);
	ck_assert_uint_eq(pace.per_minute, 2400);
	ck_assert_uint_ge(hub.sent, 24000);
}
END_TEST

START_TEST(test_a_hub_that_holds_back_is_slowed_for_before_it_says_429)
{
	static const double shares[] = {0.95, 0.9, 0.8, 0.75, 0.6, 0.5};

	for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
		begin(2400);
		hub.slow_devices_ms = 200;
		run(60000);
		hub.answered = 0;
		hub.admits_per_minute = 2400 * shares[i];
		run(600000);
		ck_assert_uint_eq(hub.refused, 0);
		ck_assert_double_ge((double)hub.answered, 0.9 * 10 * hub.admits_per_minute);
		hub.admits_per_minute = hub.queued = 0; /* the others have gone */
		run(120000);
		ck_assert_uint_eq(pace.per_minute, 2400);
	}
}
END_TEST

START_TEST(test_a_hub_that_is_simply_slow_costs_no_throughput)
{
	begin(2400);
	run(60000);
	hub.sent = 0;
	hub.base_ms = 4000;
	run(600000);
	ck_assert_uint_eq(pace.per_minute, 2400);
	ck_assert_uint_ge(hub.sent, 24000 * 98 / 100);
	hub.base_ms = 30; /* and when it is well again that is usual */
	run(60000);
	hub.sent = 0;
	hub.base_ms = 1000;
	run(600000);
	ck_assert_uint_ge(hub.sent, 24000 * 98 / 100);
}
END_TEST

START_TEST(test_429_halves_the_rate_once_in_ten_seconds_and_it_comes_back)
{
	begin(2400);
	for (int i = 0; i < 10; i++) {
		pace_throttled(&pace);
		ck_assert_int_eq(pace_run(&pace, now), i == 0);
		now += 999;
	}
	ck_assert_uint_eq(pace.per_minute, 1200);
	now = NOW + 10000;
	pace_throttled(&pace);
	ck_assert(pace_run(&pace, now));
	ck_assert_uint_eq(pace.per_minute, 600);
	for (int i = 0; i < 10; i++) {
		now += 10000;
		pace_throttled(&pace);
		pace_run(&pace, now);
	}
	ck_assert_uint_eq(pace.per_minute, 240);
	bucket_pace(&bucket, pace.per_minute, now);
	run(5 * 60000);
	ck_assert_uint_eq(pace.per_minute, 2400);
}
END_TEST

START_TEST(test_without_a_granted_rate_429_teaches_one)
{
	begin(0);
	for (int i = 0; i < 1000; i++)
		pace_answered(&pace, 30);
	pace_throttled(&pace);
	now += 1000;
	ck_assert(pace_run(&pace, now));
	ck_assert_uint_eq(pace.per_minute, 30000);
	bucket_pace(&bucket, pace.per_minute, now);
	run(300000);
	ck_assert_uint_eq(pace.per_minute, 0);
}
END_TEST

START_TEST(test_where_time_says_nothing_only_429_slows)
{
	begin(20);
	pace_throttled(&pace);
	ck_assert(pace_run(&pace, now));
	ck_assert_uint_eq(pace.per_minute, 10);
	for (int i = 0; i < 200; i++) {
		now += 3000;
		pace_answered(&pace, TIME_NONE);
		pace_run(&pace, now);
	}
	ck_assert_uint_eq(pace.per_minute, 20);
	ck_assert_int_eq(pace.usual_ms, TIME_NONE);
}
END_TEST

START_TEST(test_few_answers_are_no_verdict)
{
	begin(2400);
	for (int i = 0; i < 9; i++)
		pace_answered(&pace, 30);
	ck_assert(!pace_run(&pace, now + 59999));
	pace_answered(&pace, 30);
	ck_assert_int_eq(pace.usual_ms, TIME_NONE);
	pace_run(&pace, now + 59999);
	ck_assert_int_eq(pace.usual_ms, 30);
	ck_assert(!pace_run(&pace, now - 3600000)); /* the clock steps back */
	ck_assert_int_eq(pace.began_at_ms, now - 3600000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pace");

	TESTS(s, "pace", test_the_granted_rate_is_used_while_answers_take_as_long_as_ever,
	      test_a_hub_that_holds_back_is_slowed_for_before_it_says_429,
	      test_a_hub_that_is_simply_slow_costs_no_throughput,
	      test_429_halves_the_rate_once_in_ten_seconds_and_it_comes_back,
	      test_without_a_granted_rate_429_teaches_one, test_where_time_says_nothing_only_429_slows,
	      test_few_answers_are_no_verdict);
	return suite_run(s);
}
