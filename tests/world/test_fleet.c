/* tests: what devices of each temper do, as the journal and the twin tell */
#include "tests/world/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fixture f;

static void setup(enum world_temper temper)
{
	fixture_init(&f);
	f.options.share[temper] = 1;
	f.options.answer = (struct world_span){50, 50};
	f.options.report = (struct world_span){20, 20};
	f.options.leave = (struct world_span){100, 100};
	f.options.boot = (struct world_span){3000, 3000};
	fixture_open(&f);
}

static void assert_reported(const char *path, const char *json)
{
	char *text = world_reported(f.w, "dev-000000", path);

	ck_assert_str_eq(text != NULL ? text : "none", json);
	free(text);
}

START_TEST(test_ok_device_answers_reports_restarts_and_returns_at_exact_times)
{
	struct reply *r;

	setup(WORLD_OK);
	r = wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 0));
	ck_assert_int_eq(r->status, 200);
	ck_assert_str_eq(r->body, "{\"status\":200,\"payload\":\"Reboot started\"}");
	ck_assert_int_eq(f.now_ms - f.options.start_ms, 50);
	assert_reported("iothubDM.reboot.lastReboot", "none");
	run_to(&f, f.options.start_ms + 10000);
	ck_assert_str_eq(f.journal.data,
	                 "0 call dev-000000 reboot - 0 null\n"
	                 "0 act dev-000000 reboot - 0 null\n"
	                 "50 end dev-000000 reboot - 200 -\n"
	                 "70 report dev-000000 - - 0 "
	                 "{\"iothubDM\":{\"reboot\":{\"lastReboot\":\"2026-01-01T00:00:00.070Z\"}}}\n"
	                 "170 boot dev-000000 reboot - 0 -\n"
	                 "170 left dev-000000 - - 0 -\n"
	                 "3170 joined dev-000000 - - 0 -\n");
	assert_reported("iothubDM.reboot.lastReboot", "\"2026-01-01T00:00:00.070Z\"");
	ck_assert_uint_eq(world_boots(f.w, "dev-000000"), 1);
	ck_assert_uint_eq(world_acts(f.w, "dev-000000"), 1);
	ck_assert_int_eq(world_next_at(f.w), TIME_NEVER);
	fixture_done(&f);
}
END_TEST

START_TEST(test_device_that_restarts_is_offline_and_connect_timeout_waits_for_it)
{
	struct reply *now, *later;

	setup(WORLD_OK);
	wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 0));
	run_to(&f, f.options.start_ms + 1000);
	now = wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 0));
	ck_assert_int_eq(now->status, 404);
	ck_assert_str_eq(error_of(now), "404103");
	ck_assert_str_eq(now->error_code, "DeviceNotOnline");
	ck_assert_int_eq(f.now_ms - f.options.start_ms, 1000);
	now = wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 1));
	ck_assert_str_eq(error_of(now), "404103");
	ck_assert_int_eq(f.now_ms - f.options.start_ms, 2000);
	later = wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 5));
	ck_assert_int_eq(later->status, 200);
	ck_assert_int_eq(f.now_ms - f.options.start_ms, 3170 + 50);
	ck_assert_uint_eq(told(&f, " call "), 2);
	fixture_done(&f);
}
END_TEST

START_TEST(test_subscription_race_gives_404103_right_after_connect)
{
	fixture_init(&f);
	f.options.subscribe_ms = 500;
	fixture_open(&f);
	ck_assert_int_eq(world_connect(f.w, f.now_ms, "dev-000000", false), ERR_OK);
	ck_assert_int_eq(world_connect(f.w, f.now_ms, "dev-000000", true), ERR_OK);
	ck_assert_int_eq(wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 0))->status, 404);
	ck_assert_int_eq(wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 1))->status, 200);
	ck_assert_int_ge(f.now_ms - f.options.start_ms, 500);
	fixture_done(&f);
}
END_TEST

START_TEST(test_agent_acts_once_for_an_attempt_id_and_reports_accepted_and_done)
{
	char *boot, *before;

	fixture_init(&f);
	f.options.agents_share = 1;
	fixture_open(&f);
	before = world_reported(f.w, "dev-000000", "iothubDM.bootId");
	ck_assert_ptr_nonnull(before);
	ck_assert_int_eq(wait_for(&f, send_reboot(&f, "dev-000000", "c1-0-1", 30, 0))->status, 200);
	run_to(&f, f.now_ms + 10000);
	assert_reported("iothubDM.reboot.accepted.attemptId", "\"c1-0-1\"");
	assert_reported("iothubDM.reboot.done.attemptId", "\"c1-0-1\"");
	boot = world_reported(f.w, "dev-000000", "iothubDM.bootId");
	ck_assert_str_ne(before, boot);
	assert_reported("iothubDM.reboot.done.bootId", boot);
	free(boot);
	free(before);
	ck_assert_int_eq(wait_for(&f, send_reboot(&f, "dev-000000", "c1-0-1", 30, 0))->status, 200);
	run_to(&f, f.now_ms + 10000);
	ck_assert_uint_eq(world_acts(f.w, "dev-000000"), 1);
	ck_assert_uint_eq(world_boots(f.w, "dev-000000"), 1);
	ck_assert_int_eq(wait_for(&f, send_reboot(&f, "dev-000000", "c1-0-2", 30, 0))->status, 200);
	ck_assert_uint_eq(world_acts(f.w, "dev-000000"), 2);
	ck_assert_uint_eq(told(&f, " call "), 3);
	fixture_done(&f);
}
END_TEST

START_TEST(test_slow_device_answers_and_reports_late)
{
	setup(WORLD_SLOW);
	ck_assert_int_eq(wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 0))->status, 200);
	ck_assert_int_ge(f.now_ms, f.options.start_ms + 4000);
	assert_reported("iothubDM", "none");
	run_to(&f, f.now_ms + 60000);
	ck_assert_uint_eq(told(&f, " report "), 1);
	fixture_done(&f);
}
END_TEST

START_TEST(test_slow_device_may_answer_after_the_timeout_though_it_acts)
{
	struct reply *r;

	fixture_init(&f);
	f.options.share[WORLD_SLOW] = 1;
	f.options.slow_answer = (struct world_span){6000, 6000};
	fixture_open(&f);
	r = wait_for(&f, send_reboot(&f, "dev-000000", NULL, 5, 0));
	ck_assert_str_eq(error_of(r), "504101");
	ck_assert_int_eq(f.now_ms - f.options.start_ms, 5000);
	run_to(&f, f.now_ms + 120000);
	ck_assert_uint_eq(world_boots(f.w, "dev-000000"), 1);
	fixture_done(&f);
}
END_TEST

START_TEST(test_away_device_comes_once_and_offline_one_never)
{
	fixture_init(&f);
	f.options.share[WORLD_AWAY] = 1;
	f.options.away = (struct world_span){60000, 60000};
	fixture_open(&f);
	ck_assert_str_eq(error_of(wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 0))), "404103");
	run_to(&f, f.options.start_ms + 60000);
	ck_assert_int_eq(wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 0))->status, 200);
	fixture_done(&f);
	setup(WORLD_OFFLINE);
	run_to(&f, f.now_ms + 3600000);
	ck_assert_str_eq(error_of(wait_for(&f, send_reboot(&f, "dev-000000", NULL, 300, 300))), "404103");
	ck_assert_int_eq(f.now_ms - f.options.start_ms, 3600000 + 300000);
	ck_assert_uint_eq(f.journal.len, 0);
	fixture_done(&f);
}
END_TEST

static void assert_untouched(void)
{
	run_to(&f, f.now_ms + 600000);
	ck_assert_uint_eq(told(&f, " call "), 1);
	ck_assert_uint_eq(told(&f, " act ") + told(&f, " boot ") + told(&f, " report "), 0);
}

START_TEST(test_refusing_noMethod_and_lying_devices_answer_and_do_nothing)
{
	struct reply *r;

	setup(WORLD_REFUSING);
	r = wait_for(&f, send_reboot(&f, "dev-000003", NULL, 30, 0));
	ck_assert_int_eq(r->status, 200);
	ck_assert_str_eq(at(r->json, "status"), "429");
	assert_untouched();
	fixture_done(&f);
	setup(WORLD_NO_METHOD);
	r = wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 0));
	ck_assert_str_eq(at(r->json, "status"), "404");
	assert_untouched();
	fixture_done(&f);
	setup(WORLD_LYING);
	r = wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 0));
	ck_assert_str_eq(at(r->json, "status"), "200");
	assert_untouched();
	fixture_done(&f);
}
END_TEST

START_TEST(test_deaf_device_is_504101_after_exactly_the_response_timeout)
{
	setup(WORLD_DEAF);
	ck_assert_str_eq(error_of(wait_for(&f, send_reboot(&f, "dev-000000", NULL, 17, 0))), "504101");
	ck_assert_int_eq(f.now_ms - f.options.start_ms, 17000);
	assert_untouched();
	fixture_done(&f);
}
END_TEST

START_TEST(test_lost_answers_are_504_or_cut_and_differ_in_whether_it_acted)
{
	unsigned cut = 0, timed_out = 0;

	setup(WORLD_LOST_AFTER);
	for (unsigned i = 0; i < 10; i++) {
		char id[] = "dev-000000";
		struct reply *r;

		id[9] = (char)('0' + i);
		r = wait_for(&f, send_reboot(&f, id, NULL, 5, 0));
		cut += r->is_cut;
		timed_out += !r->is_cut && strcmp(error_of(r), "504101") == 0;
	}
	run_to(&f, f.now_ms + 10000);
	ck_assert_uint_eq(cut + timed_out, 10);
	ck_assert_uint_gt(cut, 0);
	ck_assert_uint_gt(timed_out, 0);
	ck_assert_uint_eq(told(&f, " boot "), 10);
	ck_assert_uint_eq(told(&f, " report "), 10);
	fixture_done(&f);
	setup(WORLD_LOST_BEFORE);
	ck_assert_int_ne(wait_for(&f, send_reboot(&f, "dev-000000", NULL, 5, 0))->status, 200);
	assert_untouched();
	fixture_done(&f);
}
END_TEST

START_TEST(test_never_back_device_acts_and_stays_away_and_every_second_reported)
{
	setup(WORLD_NEVER_BACK);
	wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 0));
	wait_for(&f, send_reboot(&f, "dev-000001", NULL, 30, 0));
	run_to(&f, f.now_ms + 86400000);
	ck_assert(!world_is_connected(f.w, "dev-000000"));
	ck_assert(!world_is_connected(f.w, "dev-000001"));
	ck_assert_uint_eq(told(&f, " boot "), 2);
	ck_assert_uint_eq(told(&f, " report dev-000000"), 0);
	ck_assert_uint_eq(told(&f, " report dev-000001"), 1);
	fixture_done(&f);
}
END_TEST

START_TEST(test_looping_device_restarts_again_and_again)
{
	setup(WORLD_LOOPING);
	wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 0));
	run_to(&f, f.now_ms + 300000);
	ck_assert_uint_eq(world_acts(f.w, "dev-000000"), 1);
	ck_assert_uint_gt(world_boots(f.w, "dev-000000"), 5);
	fixture_done(&f);
}
END_TEST

START_TEST(test_temper_of_some_calls_wears_off)
{
	fixture_init(&f);
	f.options.share[WORLD_REFUSING] = 1;
	f.options.trouble_calls = 2;
	fixture_open(&f);
	for (int i = 0; i < 2; i++)
		ck_assert_str_ne(at(wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 0))->json, "status"),
		                 "200");
	ck_assert_str_eq(at(wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 0))->json, "status"), "200");
	fixture_done(&f);
}
END_TEST

START_TEST(test_unknown_method_is_met_with_silence)
{
	setup(WORLD_OK);
	ck_assert_str_eq(error_of(ask(&f, "POST", "/twins/dev-000000/methods?" API,
	                              "{\"methodName\":\"dance\",\"responseTimeoutInSeconds\":5}")),
	                 "504101");
	assert_untouched();
	fixture_done(&f);
}
END_TEST

START_TEST(test_firmware_update_goes_through_the_steps_of_the_tutorial)
{
	setup(WORLD_OK);
	ask(&f, "POST", "/twins/dev-000000/methods?" API,
	    "{\"methodName\":\"firmwareUpdate\",\"payload\":\"{\\\"fwPackageUri\\\":\\\"https://x/y\\\"}\"}");
	run_to(&f, f.now_ms + 60000);
	ck_assert_uint_eq(told(&f, " report "), 5);
	ck_assert_uint_eq(told(&f, "\"waiting\"") + told(&f, "\"downloading\"") +
	                          told(&f, "\"downloadComplete\"") + told(&f, "\"applying\"") +
	                          told(&f, "\"applyComplete\""),
	                  5);
	assert_reported("iothubDM.firmwareUpdate.status", "\"applyComplete\"");
	ck_assert_uint_eq(world_boots(f.w, "dev-000000"), 0);
	fixture_done(&f);
	fixture_init(&f);
	f.options.update_fails_share = 1;
	fixture_open(&f);
	ask(&f, "POST", "/twins/dev-000000/methods?" API, "{\"methodName\":\"firmwareUpdate\"}");
	run_to(&f, f.now_ms + 60000);
	ck_assert_uint_eq(told(&f, "\"downloadfailed\"") + told(&f, "\"applyFailed\""), 1);
	assert_reported("iothubDM.firmwareUpdate.error.code", "7");
	fixture_done(&f);
}
END_TEST

START_TEST(test_factory_reset_reports_start_and_completion)
{
	setup(WORLD_OK);
	ask(&f, "POST", "/twins/dev-000000/methods?" API, "{\"methodName\":\"factoryReset\"}");
	run_to(&f, f.options.start_ms + 100);
	assert_reported("iothubDM.factoryReset.status", "\"started\"");
	assert_reported("iothubDM.factoryReset.lastFactoryReset", "\"2026-01-01T00:00:00.070Z\"");
	run_to(&f, f.now_ms + 10000);
	assert_reported("iothubDM.factoryReset.status", "\"complete\"");
	ck_assert_uint_eq(world_boots(f.w, "dev-000000"), 1);
	fixture_done(&f);
}
END_TEST

START_TEST(test_link_that_drops_during_a_call_is_404103_or_504101_by_quirk)
{
	for (unsigned quirk = 0; quirk < 2; quirk++) {
		struct reply *r;

		fixture_init(&f);
		f.options.quirks.drop_is_504 = (uint8_t)quirk;
		f.options.share[WORLD_DEAF] = 1;
		fixture_open(&f);
		r = send_reboot(&f, "dev-000000", NULL, 30, 0);
		run_to(&f, f.now_ms + 1000);
		ck_assert_int_eq(world_connect(f.w, f.now_ms, "dev-000000", false), ERR_OK);
		wait_for(&f, r);
		ck_assert_str_eq(error_of(r), quirk ? "504101" : "404103");
		ck_assert_int_eq(f.now_ms - f.options.start_ms, quirk ? 30000 : 1000);
		fixture_done(&f);
	}
}
END_TEST

START_TEST(test_report_waits_for_the_link)
{
	setup(WORLD_OK);
	wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 0));
	ck_assert_int_eq(world_connect(f.w, f.now_ms, "dev-000000", false), ERR_OK);
	run_to(&f, f.now_ms + 60000);
	assert_reported("iothubDM", "none");
	ck_assert_int_eq(world_connect(f.w, f.now_ms, "dev-000000", true), ERR_OK);
	run_to(&f, f.now_ms + 60000);
	assert_reported("iothubDM.reboot.lastReboot", "\"2026-01-01T00:01:00.050Z\"");
	ck_assert_uint_eq(world_boots(f.w, "dev-000000"), 1);
	fixture_done(&f);
}
END_TEST

START_TEST(test_history_lies_before_the_start_and_shares_are_drawn_from_the_seed)
{
	unsigned offline = 0;

	fixture_init(&f);
	f.options.devices_n = 1000;
	f.options.with_history = true;
	f.options.share[WORLD_OFFLINE] = 0.25;
	fixture_open(&f);
	assert_reported("iothubDM.firmwareUpdate.status", "\"applyComplete\"");
	for (unsigned i = 0; i < 1000; i++) {
		char id[16];
		enum world_temper temper;

		snprintf(id, sizeof id, "dev-%06u", i);
		ck_assert_int_eq(world_get_temper(f.w, id, &temper), ERR_OK);
		offline += temper == WORLD_OFFLINE;
		ck_assert_int_eq(world_is_connected(f.w, id), temper != WORLD_OFFLINE);
	}
	ck_assert_uint_gt(offline, 200);
	ck_assert_uint_lt(offline, 300);
	fixture_done(&f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("world fleet");

	TESTS(s, "calls", test_ok_device_answers_reports_restarts_and_returns_at_exact_times,
	      test_device_that_restarts_is_offline_and_connect_timeout_waits_for_it,
	      test_subscription_race_gives_404103_right_after_connect,
	      test_agent_acts_once_for_an_attempt_id_and_reports_accepted_and_done,
	      test_unknown_method_is_met_with_silence,
	      test_firmware_update_goes_through_the_steps_of_the_tutorial,
	      test_factory_reset_reports_start_and_completion,
	      test_link_that_drops_during_a_call_is_404103_or_504101_by_quirk,
	      test_report_waits_for_the_link);
	TESTS(s, "tempers", test_slow_device_answers_and_reports_late,
	      test_slow_device_may_answer_after_the_timeout_though_it_acts,
	      test_away_device_comes_once_and_offline_one_never,
	      test_refusing_noMethod_and_lying_devices_answer_and_do_nothing,
	      test_deaf_device_is_504101_after_exactly_the_response_timeout,
	      test_lost_answers_are_504_or_cut_and_differ_in_whether_it_acted,
	      test_never_back_device_acts_and_stays_away_and_every_second_reported,
	      test_looping_device_restarts_again_and_again, test_temper_of_some_calls_wears_off,
	      test_history_lies_before_the_start_and_shares_are_drawn_from_the_seed);
	return suite_run(s);
}
