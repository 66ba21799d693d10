/* tests/unit: what windows and blackouts let the engine call, to the millisecond (P5), and what they leave of
 * the time that offline devices have. The rig checks the rest as it goes. */
#include <stdlib.h>

#include "rig.h"
#include "tests/lib/suite.h"

#define WINDOW \
	"\"schedule\":{\"windows\":[{\"cron\":\"0 2 * * *\",\"durationMinutes\":60}]},\"verify\":{\"by\":\"none\"}"

static struct rig *r;

static void say(uint32_t c, uint32_t zone, bool is_open, bool is_blackout, int64_t until_ms)
{
	struct zone_state z = {is_open, is_blackout, until_ms == TIME_NEVER ? TIME_NEVER : T0 + until_ms};

	engine_zone(r->e, c, zone, r->now_ms, &z);
}

START_TEST(test_nobody_is_called_before_it_is_told_what_the_window_allows)
{
	uint32_t c;

	r = rig_new();
	c = rig_campaign(r, WINDOW, 3);
	rig_at(r, 1000);
	ck_assert_uint_eq(rig_invoked(r, c), 0);
	say(c, 0, true, false, 60000);
	rig_turn(r);
	ck_assert_uint_eq(rig_invoked(r, c), 3);
	rig_free(r);
}
END_TEST

START_TEST(test_a_call_may_start_in_the_last_millisecond_of_a_window_and_not_in_the_next)
{
	struct {
		int64_t at_ms;
		uint32_t calls;
	} edges[] = {{59999, 2}, {60000, 0}, {60001, 0}};

	for (size_t i = 0; i < 3; i++) {
		uint32_t c;
		int64_t until_ms;

		r = rig_new();
		c = rig_campaign(r, WINDOW, 2);
		say(c, 0, true, false, 60000);
		r->hubs[0].is_open = false;
		rig_at(r, 1000);
		ck_assert_uint_eq(rig_invoked(r, c), 0);
		r->hubs[0].is_open = true;
		rig_at(r, edges[i].at_ms); /* nobody has told that it is shut by now */
		ck_assert_uint_eq(rig_invoked(r, c), edges[i].calls);
		ck_assert_int_eq(engine_window(r->e, c, 0, &until_ms),
		                 edges[i].calls > 0 ? WAIT_NONE : WAIT_WINDOW);
		ck_assert_int_eq(until_ms, edges[i].calls > 0 ? T0 + 60000 : TIME_NONE);
		rig_free(r);
	}
}
END_TEST

START_TEST(test_what_is_shut_tells_why_and_until_when)
{
	int64_t until_ms;
	uint32_t c;

	r = rig_new();
	c = rig_campaign(r, WINDOW, 1);
	say(c, 0, false, false, 5000);
	ck_assert_int_eq(engine_window(r->e, c, 0, &until_ms), WAIT_WINDOW);
	ck_assert_int_eq(until_ms, T0 + 5000);
	say(c, 0, false, true, 7000);
	ck_assert_int_eq(engine_window(r->e, c, 0, &until_ms), WAIT_BLACKOUT);
	ck_assert_int_eq(until_ms, T0 + 7000);
	say(c, 0, false, false, TIME_NEVER); /* not foreseen */
	ck_assert_int_eq(engine_window(r->e, c, 0, &until_ms), WAIT_WINDOW);
	ck_assert_int_eq(until_ms, TIME_NONE);
	ck_assert_int_eq(engine_window(r->e, c, 1, &until_ms), WAIT_NONE); /* no such target */
	ck_assert_int_eq(engine_window(r->e, c + 1, 0, &until_ms), WAIT_NONE);
	rig_at(r, 8000);
	ck_assert_uint_eq(rig_invoked(r, c), 0);
	rig_free(r);
}
END_TEST

START_TEST(test_a_device_that_is_offline_expires_by_the_time_in_its_window_alone)
{
	const struct target_row *row;
	uint32_t c;

	r = rig_new();
	c = rig_campaign(r, WINDOW ",\"offline\":{\"expireAfterSeconds\":100}", 1);
	say(c, 0, true, false, 60000);
	rig_at(r, 0);
	ck_assert_int_eq(rig_call(r, c, 0, CALL_OFFLINE), ERR_OK);
	rig_at(r, 60000);
	say(c, 0, false, false, 3600000);
	rig_at(r, 3600000); /* an hour later: no more than 60 s of it count */
	row = rig_row(r, c, 0);
	ck_assert_int_eq(row->state, TARGET_WAITING);
	say(c, 0, true, false, 7200000);
	rig_at(r, 3600001);
	ck_assert_int_eq(rig_row(r, c, 0)->state, TARGET_INVOKING);
	ck_assert_int_eq(rig_call(r, c, 0, CALL_OFFLINE), ERR_OK);
	rig_turn(r);
	ck_assert_int_le(rig_row(r, c, 0)->offline_ms, 60001);
	ck_assert_int_ge(rig_row(r, c, 0)->offline_ms, 60000);
	/* 40 s are left, so that is when its twin is asked whether it expires. */
	ck_assert_int_le(rig_row(r, c, 0)->next_at_ms, T0 + 3600001 + 40000);
	rig_free(r);
}
END_TEST

START_TEST(test_what_waits_when_the_campaign_ends_outside_its_window_ends_by_the_window)
{
	uint32_t c;

	r = rig_new();
	c = rig_campaign(r, WINDOW, 2);
	say(c, 0, false, false, 5000);
	rig_at(r, 24 * HOUR_MS);
	ck_assert_int_eq(rig_row(r, c, 0)->state, TARGET_SKIPPED);
	ck_assert_int_eq(rig_row(r, c, 0)->reason, REASON_WINDOW_ENDED);
	rig_free(r);
	r = rig_new();
	c = rig_campaign(r, WINDOW, 2);
	r->hubs[0].is_open = false;
	say(c, 0, true, false, TIME_NEVER);
	rig_at(r, 24 * HOUR_MS);
	ck_assert_int_eq(rig_row(r, c, 1)->reason, REASON_CAMPAIGN_ENDED);
	rig_free(r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("campaign-zones");

	TESTS(s, "zones", test_nobody_is_called_before_it_is_told_what_the_window_allows,
	      test_a_call_may_start_in_the_last_millisecond_of_a_window_and_not_in_the_next,
	      test_what_is_shut_tells_why_and_until_when,
	      test_a_device_that_is_offline_expires_by_the_time_in_its_window_alone,
	      test_what_waits_when_the_campaign_ends_outside_its_window_ends_by_the_window);
	return suite_run(s);
}
