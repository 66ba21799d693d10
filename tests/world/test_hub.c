/* tests: throttles, quota, faults, luck and size of the hub */
#include "tests/world/fixture.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/hash.h"

static struct fixture f;

/* --- Throttles (contract 7) --- */

static struct reply *send_query(void)
{
	return send_simple(&f, "POST", "/devices/query?" API, "{\"query\":\"SELECT TOP 1 * FROM devices\"}");
}

START_TEST(test_queries_of_s1_are_admitted_delayed_by_3_seconds_each_then_refused)
{
	struct reply *r[26];

	fixture_init(&f);
	f.options.sku = WORLD_SKU_S1;
	fixture_open(&f);
	for (size_t i = 0; i < 26; i++)
		r[i] = send_query();
	run_to(&f, f.now_ms + 60000);
	for (size_t i = 0; i < 26; i++) {
		ck_assert_int_eq(r[i]->status, i < 24 ? 200 : 429);
		ck_assert_int_eq(r[i]->date_ms - f.options.start_ms,
		                 i < 21 || i >= 24 ? 0 : 3000 * ((int64_t)i - 20));
	}
	ck_assert_str_eq(r[25]->error_code, "ThrottlingBacklogTimeout");
	ck_assert(r[25]->closes);
	ck_assert_int_eq(r[25]->retry_after_s, 0);
	ck_assert_str_eq(error_of(r[25]), "ThrottlingBacklogTimeout");
	fixture_done(&f);
}
END_TEST

START_TEST(test_rates_scale_with_units_and_sku)
{
	static const struct {
		enum world_sku sku;
		uint32_t units;
		unsigned admitted; /* of 300 methods at one time, with a burst of a second */
	} cases[] = {{WORLD_SKU_F1, 1, 41},
	             {WORLD_SKU_S1, 2, 81},
	             {WORLD_SKU_S2, 1, 121},
	             {WORLD_SKU_S3, 1, 300},
	             {WORLD_SKU_NONE, 1, 300}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reply *r[300];
		unsigned admitted = 0;

		fixture_init(&f);
		f.options.share[WORLD_OFFLINE] = 1;
		f.options.sku = cases[i].sku;
		f.options.units = cases[i].units;
		f.options.throttle_burst_ms = 1000;
		fixture_open(&f);
		for (size_t k = 0; k < 300; k++)
			r[k] = send_reboot(&f, "dev-000000", NULL, 30, 0);
		run_to(&f, f.now_ms);
		for (size_t k = 0; k < 300; k++)
			admitted += r[k]->is_answered && r[k]->status == 404;
		ck_assert_uint_eq(admitted, cases[i].admitted);
		fixture_done(&f);
	}
}
END_TEST

START_TEST(test_large_payload_takes_a_token_for_each_4_kilobytes)
{
	struct buf body = BUF_INIT;
	struct reply *big, *next;

	fixture_init(&f);
	f.options.sku = WORLD_SKU_S1;
	f.options.throttle_burst_ms = 0;
	f.options.share[WORLD_OFFLINE] = 1;
	fixture_open(&f);
	buf_puts(&body, "{\"methodName\":\"reboot\",\"payload\":\"");
	while (body.len < 4096 * 3)
		buf_putc(&body, 'x');
	buf_puts(&body, "\"}");
	big = send_simple(&f, "POST", "/twins/dev-000000/methods?" API, body.data);
	next = send_reboot(&f, "dev-000000", NULL, 30, 0);
	run_to(&f, f.now_ms + 1000);
	ck_assert_int_eq(big->date_ms - f.options.start_ms, 0);
	ck_assert_int_eq(next->date_ms - f.options.start_ms, 3 * 25);
	buf_done(&body);
	fixture_done(&f);
}
END_TEST

START_TEST(test_devices_cut_by_the_connection_throttle_back_off_and_all_come_back)
{
	struct world_throttle_use use;
	unsigned n = 3000;

	fixture_init(&f);
	f.options.sku = WORLD_SKU_S1; /* 100 connections a second */
	f.options.devices_n = n;
	f.options.throttle_burst_ms = 1000;
	f.options.throttle_backlog_ms = 1000;
	f.options.boot = (struct world_span){2000, 2000};
	fixture_open(&f);
	for (unsigned i = 0; i < n; i++) {
		char id[16];

		snprintf(id, sizeof id, "dev-%06u", i);
		ck_assert_int_eq(world_reboot(f.w, f.now_ms, id), ERR_OK);
	}
	run_to(&f, f.now_ms + 4000);
	ck_assert_uint_le(told(&f, " joined "), 301); /* a burst, and two seconds' worth */
	run_to(&f, f.now_ms + 26000);
	ck_assert_uint_ge(told(&f, " joined "), 1500); /* waiting does not waste half of the rate */
	run_to(&f, f.now_ms + 300000);
	ck_assert_uint_eq(told(&f, " joined "), n);
	for (size_t i = 0; world_throttle_use(f.w, i, &use) && strcmp(use.name, "connects") != 0; i++)
		;
	ck_assert_str_eq(use.name, "connects");
	ck_assert_uint_eq(use.taken, n);
	ck_assert_uint_gt(use.refused, 0);
	ck_assert_int_le(use.delay_max_ms, 1000);
	fixture_done(&f);
}
END_TEST

START_TEST(test_messages_are_counted_by_whose_doing_they_are)
{
	uint64_t of_callers, of_devices;

	fixture_init(&f);
	fixture_open(&f);
	wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 0));
	ask(&f, "GET", "/twins/dev-000000?" API, NULL);
	run_to(&f, f.now_ms + 10000);
	world_messages_by(f.w, &of_callers, &of_devices);
	ck_assert_uint_eq(of_callers, 3); /* call, its answer, read */
	ck_assert_uint_eq(of_devices, 1); /* its report */
	ck_assert_uint_eq(world_messages(f.w), 4);
	fixture_done(&f);
}
END_TEST

START_TEST(test_devices_share_twin_updates_and_connections_with_everybody)
{
	fixture_init(&f);
	f.options.sku = WORLD_SKU_S1;
	f.options.throttle_burst_ms = 0;
	f.options.answer = f.options.report = (struct world_span){0, 0};
	f.options.leave = (struct world_span){1000, 1000};
	f.options.boot = (struct world_span){500, 500};
	fixture_open(&f);
	for (unsigned i = 0; i < 3; i++) {
		char id[] = "dev-000000";

		id[9] = (char)('0' + i);
		send_reboot(&f, id, NULL, 30, 0);
	}
	run_to(&f, f.now_ms + 10000);
	/* methods come 25 ms apart; reports are held back to 20 ms apart at least, joins to 10 */
	ck_assert_uint_eq(told(&f, "0 report dev-000000") + told(&f, "25 report dev-000001") +
	                          told(&f, "50 report dev-000002"),
	                  3);
	ck_assert_uint_eq(told(&f, "1500 joined dev-000000") + told(&f, "1525 joined dev-000001"), 2);
	ck_assert_int_eq(world_reboot(f.w, f.now_ms, "dev-000003"), ERR_OK);
	ck_assert_int_eq(world_reboot(f.w, f.now_ms, "dev-000004"), ERR_OK);
	run_to(&f, f.now_ms + 10000);
	ck_assert_uint_eq(told(&f, "10500 joined dev-000003") + told(&f, "10510 joined dev-000004"), 2);
	fixture_done(&f);
}
END_TEST

START_TEST(test_daily_quota_ends_at_midnight_and_spares_the_registry)
{
	struct reply *r;

	fixture_init(&f);
	f.options.quota_messages = 6;
	f.options.share[WORLD_OFFLINE] = 1;
	f.options.start_ms += 23 * 3600000;
	fixture_open(&f);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 0))->status, 404);
	ck_assert_uint_eq(world_messages(f.w), 6);
	r = wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 0));
	ck_assert_int_eq(r->status, 403);
	ck_assert_str_eq(error_of(r), "IotHubQuotaExceeded");
	ck_assert_int_eq(ask(&f, "GET", "/twins/dev-000000?" API, NULL)->status, 403);
	ck_assert_int_eq(ask(&f, "GET", "/devices/dev-000000?" API, NULL)->status, 200);
	world_quirks(f.w)->quota_envelope = 1;
	ck_assert_str_eq(error_of(ask(&f, "GET", "/twins/dev-000000?" API, NULL)), "403002");
	run_to(&f, f.options.start_ms + 3600000 - 1);
	ck_assert_int_eq(ask(&f, "GET", "/twins/dev-000000?" API, NULL)->status, 403);
	run_to(&f, f.options.start_ms + 3600000);
	ck_assert_int_eq(ask(&f, "GET", "/twins/dev-000000?" API, NULL)->status, 200);
	fixture_done(&f);
}
END_TEST

/* --- Faults --- */

static void add_fault(enum world_fault_kind kind)
{
	world_fault_add(
	        f.w,
	        &(struct world_fault){
	                .kind = kind, .share = 1, .families = WORLD_ALL, .until_ms = TIME_NEVER, .count = 1});
}

START_TEST(test_each_fault_hits_once_and_says_truly_whether_it_was_executed)
{
	static const struct {
		enum world_fault_kind kind;
		const char *error; /* NULL: the connection is cut */
		unsigned acts;
	} cases[] = {
	        {WORLD_FAULT_THROTTLED, "ThrottlingBacklogTimeout", 0},
	        {WORLD_FAULT_UNAUTHORIZED, "IotHubUnauthorizedAccess", 0},
	        {WORLD_FAULT_QUOTA, "IotHubQuotaExceeded", 0},
	        {WORLD_FAULT_LOST_504, "504101", 1},
	        {WORLD_FAULT_LOST_404, "404103", 1},
	        {WORLD_FAULT_OFFLINE_404, "404103", 0},
	        {WORLD_FAULT_CUT_BEFORE, NULL, 0},
	        {WORLD_FAULT_CUT_AFTER, NULL, 1},
	};
	struct reply *r;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		fixture_init(&f);
		fixture_open(&f);
		add_fault(cases[i].kind);
		r = wait_for(&f, send_reboot(&f, "dev-000000", NULL, 5, 0));
		ck_assert_int_eq(r->is_cut, cases[i].error == NULL);
		if (cases[i].error != NULL)
			ck_assert_str_eq(error_of(r), cases[i].error);
		ck_assert_uint_eq(world_acts(f.w, "dev-000000"), cases[i].acts);
		run_to(&f, f.now_ms + 60000);
		ck_assert_int_eq(wait_for(&f, send_reboot(&f, "dev-000000", NULL, 5, 0))->status, 200);
		fixture_done(&f);
	}
}
END_TEST

START_TEST(test_server_errors_come_before_or_after_acting)
{
	struct reply *r;

	for (unsigned acts = 0; acts < 2; acts++) {
		fixture_init(&f);
		fixture_open(&f);
		add_fault(acts ? WORLD_FAULT_ERROR_AFTER : WORLD_FAULT_ERROR_BEFORE);
		r = wait_for(&f, send_reboot(&f, "dev-000000", NULL, 5, 0));
		ck_assert(r->status == 500 || r->status == 502 || r->status == 503);
		ck_assert_uint_eq(world_acts(f.w, "dev-000000"), acts);
		fixture_done(&f);
	}
}
END_TEST

START_TEST(test_silence_lasts_until_the_caller_goes)
{
	struct reply *r[2];

	fixture_init(&f);
	fixture_open(&f);
	add_fault(WORLD_FAULT_SILENT_BEFORE);
	add_fault(WORLD_FAULT_SILENT_AFTER);
	r[0] = send_reboot(&f, "dev-000000", NULL, 5, 0);
	r[1] = send_reboot(&f, "dev-000001", NULL, 5, 0);
	run_to(&f, f.now_ms + 3600000);
	ck_assert(!r[0]->is_answered && !r[1]->is_answered);
	ck_assert_uint_eq(world_boots(f.w, "dev-000000"), 0);
	ck_assert_uint_eq(world_boots(f.w, "dev-000001"), 1);
	world_abandon(f.w, r[0]);
	fixture_done(&f);
}
END_TEST

START_TEST(test_malformed_and_slow_go_along_with_others)
{
	struct reply *r;
	enum world_fault_kind kind;

	fixture_init(&f);
	f.options.hub_slow = (struct world_span){7000, 7000};
	fixture_open(&f);
	ck_assert(world_fault_parse("malformed", &kind));
	add_fault(kind);
	add_fault(WORLD_FAULT_THROTTLED);
	add_fault(WORLD_FAULT_SLOW);
	r = ask(&f, "GET", "/twins/dev-000000?" API, NULL);
	ck_assert_int_eq(r->status, 429);
	ck_assert_ptr_null(r->json);
	ck_assert_ptr_null(r->error_code);
	ck_assert_int_eq(f.now_ms - f.options.start_ms, 7000);
	ck_assert_int_eq(ask(&f, "GET", "/twins/dev-000000?" API, NULL)->status, 200);
	ck_assert(!world_fault_parse("nonsense", &kind));
	fixture_done(&f);
}
END_TEST

START_TEST(test_outage_has_a_span_and_a_family)
{
	fixture_init(&f);
	fixture_open(&f);
	world_fault_add(f.w, &(struct world_fault){.kind = WORLD_FAULT_CUT_BEFORE,
	                                           .share = 1,
	                                           .families = WORLD_TWINS,
	                                           .from_ms = f.options.start_ms + 1000,
	                                           .until_ms = f.options.start_ms + 2000});
	run_to(&f, f.options.start_ms + 999);
	ck_assert(!ask(&f, "GET", "/twins/dev-000000?" API, NULL)->is_cut);
	run_to(&f, f.options.start_ms + 1000);
	ck_assert(ask(&f, "GET", "/twins/dev-000000?" API, NULL)->is_cut);
	ck_assert(!ask(&f, "GET", "/devices/dev-000000?" API, NULL)->is_cut);
	run_to(&f, f.options.start_ms + 2000);
	ck_assert(!ask(&f, "GET", "/twins/dev-000000?" API, NULL)->is_cut);
	fixture_done(&f);
}
END_TEST

/* --- Luck and size --- */

/* Everything at once for ten minutes; gives a hash of all that was told and answered. */
static uint64_t busy_run(uint64_t seed)
{
	struct buf trace = BUF_INIT;
	struct rng rng;
	uint64_t hash;
	struct reply *r;

	fixture_init(&f);
	f.options.seed = seed;
	f.options.devices_n = 200;
	f.options.with_history = true;
	f.options.agents_share = 0.5;
	for (size_t i = 1; i < WORLD_TEMPERS_N; i++)
		f.options.share[i] = 0.06;
	f.options.sku = WORLD_SKU_S1;
	f.options.throttle_burst_ms = 2000;
	f.options.request = (struct world_span){1, 30};
	f.options.query_lag = (struct world_span){100, 20000};
	f.options.ghost_ms = 100000;
	f.options.clock_skew_ms = 60000;
	rng_seed(&rng, seed);
	world_quirks_draw(&f.options.quirks, &rng);
	fixture_open(&f);
	for (unsigned kind = 0; kind <= WORLD_FAULT_EMPTY_PAGE; kind++)
		world_fault_add(f.w, &(struct world_fault){.kind = (enum world_fault_kind)kind,
		                                           .share = 0.03,
		                                           .families = WORLD_ALL,
		                                           .until_ms = TIME_NEVER});
	for (unsigned i = 0; i < 1500; i++) {
		char id[16], path[64];

		snprintf(id, sizeof id, "dev-%06u", (unsigned)rng_below(&rng, 205));
		snprintf(path, sizeof path, "/twins/%s?" API, id);
		if (i % 5 == 0)
			send_query();
		else if (i % 5 == 1)
			send_simple(&f, "GET", path, NULL);
		else if (i % 97 == 2)
			ck_assert_int_ne(world_delete(f.w, f.now_ms, id), ERR_INVALID);
		else if (i % 11 == 3)
			send_simple(&f, "PATCH", path, "{\"tags\":{\"a\":{\"b\":1}}}");
		else
			r = send_reboot(&f, id, i % 2 ? "c1-1-1" : NULL, 30, (int)(i % 3));
		run_to(&f, f.now_ms + (int64_t)rng_below(&rng, 800));
	}
	run_to(&f, f.now_ms + 60000);
	for (r = f.replies; r != NULL; r = r->next)
		if (r->is_answered)
			buf_printf(&trace, "%lld %d %s\n", (long long)r->date_ms, r->status, r->body);
	buf_put(&trace, f.journal.data, f.journal.len);
	hash = hash64(trace.data, trace.len);
	buf_done(&trace);
	fixture_done(&f);
	return hash;
}

START_TEST(test_same_seed_and_calls_give_the_same_trace_and_another_seed_another)
{
	for (uint64_t seed = 1; seed <= 8; seed++) {
		uint64_t first = busy_run(seed);

		ck_assert_msg(busy_run(seed) == first, "seed %llu", (unsigned long long)seed);
		ck_assert_msg(busy_run(seed + 100) != first, "seed %llu", (unsigned long long)seed);
	}
}
END_TEST

START_TEST(test_quirks_are_drawn_in_range_and_set_by_name)
{
	struct world_quirks q, zero = {0};
	struct rng rng;
	unsigned value, seen = 0;
	const char *name;

	rng_seed(&rng, 7);
	for (int i = 0; i < 100; i++) {
		world_quirks_draw(&q, &rng);
		seen |= 1u << q.rewrite;
		for (size_t k = 0; (name = world_quirks_get(&q, k, &value)) != NULL; k++)
			ck_assert(world_quirks_set(&zero, name, value));
		ck_assert_mem_eq(&q, &zero, sizeof q);
	}
	ck_assert_uint_eq(seen, 7);
	ck_assert(!world_quirks_set(&q, "rewrite", 3));
	ck_assert(!world_quirks_set(&q, "nonsense", 0));
}
END_TEST

START_TEST(test_a_device_takes_less_than_1200_bytes_so_a_million_fit_in_2_gib)
{
	struct mallinfo2 before = mallinfo2(), after;
	size_t bytes;

	fixture_init(&f);
	f.options.devices_n = 100000;
	f.options.with_history = true;
	f.options.agents_share = 1;
	fixture_open(&f);
	after = mallinfo2();
	bytes = (after.uordblks + after.hblkhd - before.uordblks - before.hblkhd) / f.options.devices_n;
	ck_assert_uint_lt(bytes, 1200);
	fixture_done(&f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("world hub");

	TESTS(s, "throttles", test_devices_cut_by_the_connection_throttle_back_off_and_all_come_back,
	      test_messages_are_counted_by_whose_doing_they_are,
	      test_queries_of_s1_are_admitted_delayed_by_3_seconds_each_then_refused,
	      test_rates_scale_with_units_and_sku, test_large_payload_takes_a_token_for_each_4_kilobytes,
	      test_devices_share_twin_updates_and_connections_with_everybody,
	      test_daily_quota_ends_at_midnight_and_spares_the_registry);
	TESTS(s, "faults", test_each_fault_hits_once_and_says_truly_whether_it_was_executed,
	      test_server_errors_come_before_or_after_acting, test_silence_lasts_until_the_caller_goes,
	      test_malformed_and_slow_go_along_with_others, test_outage_has_a_span_and_a_family);
	TESTS(s, "luck and size", test_same_seed_and_calls_give_the_same_trace_and_another_seed_another,
	      test_quirks_are_drawn_in_range_and_set_by_name,
	      test_a_device_takes_less_than_1200_bytes_so_a_million_fit_in_2_gib);
	return suite_run(s);
}
