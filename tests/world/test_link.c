/* tests: devices from outside, on the world's own clock */
#include "tests/world/fixture.h"

#include <stdio.h>
#include <string.h>

static struct fixture f;

/* One device outside, and what it was told, a line each. */
struct outside {
	struct world_link *link;
	struct buf heard;
	char rid[32]; /* of the last call */
};

static void on_opened(void *arg, enum world_link_opening how)
{
	struct outside *o = arg;

	buf_printf(&o->heard, "%lld opened %d\n", (long long)(world_now(f.w) - f.options.start_ms), (int)how);
	if (how == WORLD_LINK_BUSY || how == WORLD_LINK_DENIED)
		o->link = NULL;
}

static void on_method(void *arg, const char *rid, const char *name, const char *payload)
{
	struct outside *o = arg;

	snprintf(o->rid, sizeof o->rid, "%s", rid);
	buf_printf(&o->heard, "%s %s\n", name, payload);
}

static void on_desired(void *arg, uint32_t version, const char *patch)
{
	struct outside *o = arg;

	buf_printf(&o->heard, "desired %u %s\n", version, patch);
}

static void on_twin(void *arg, const char *rid, int status, uint32_t version, const char *body)
{
	struct outside *o = arg;

	buf_printf(&o->heard, "%lld twin %s %d %u %.20s\n", (long long)(world_now(f.w) - f.options.start_ms),
	           rid, status, version, body);
}

static void on_ended(void *arg)
{
	struct outside *o = arg;

	buf_puts(&o->heard, "ended\n");
	o->link = NULL;
}

static const struct world_link_events events = {on_opened, on_method, on_desired, on_twin, on_ended};

static void open_link(struct outside *o, const char *id)
{
	o->link = world_link_open(f.w, f.now_ms, id, &events, o);
	run_to(&f, f.now_ms);
}

static void subscribe_all(struct outside *o)
{
	world_link_subscribe(f.w, f.now_ms, o->link,
	                     WORLD_LINK_METHODS | WORLD_LINK_TWIN | WORLD_LINK_DESIRED);
}

START_TEST(test_a_link_takes_the_simulated_devices_place_for_good)
{
	struct outside o = {.link = NULL};
	struct reply *r;

	fixture_init(&f);
	fixture_open(&f);
	r = send_reboot(&f, "dev-000001", NULL, 30, 0); /* is answered by nobody any more */
	run_to(&f, f.now_ms);
	open_link(&o, "dev-000001");
	ck_assert_int_eq(wait_for(&f, r)->status, 404);
	subscribe_all(&o);
	run_to(&f, f.now_ms + 60000);
	ck_assert_str_eq(o.heard.data, "0 opened 0\n");
	ck_assert_uint_eq(told(&f, " report dev-000001"), 0);
	ck_assert_uint_eq(told(&f, " boot dev-000001"), 0);
	world_link_close(f.w, f.now_ms, o.link);
	ck_assert_int_eq(world_reboot(f.w, f.now_ms, "dev-000001"), ERR_OK);
	run_to(&f, f.now_ms + 60000);
	ck_assert(!world_is_connected(f.w, "dev-000001"));
	ck_assert_uint_eq(told(&f, " joined dev-000001"), 1);
	ck_assert_uint_eq(told(&f, " left dev-000001"), 2);
	buf_done(&o.heard);
	fixture_done(&f);
}
END_TEST

START_TEST(test_an_answer_before_the_end_of_the_link_counts)
{
	struct outside o = {.link = NULL};
	struct reply *r;

	fixture_init(&f);
	fixture_open(&f);
	open_link(&o, "dev-000001");
	subscribe_all(&o);
	r = send_reboot(&f, "dev-000001", NULL, 30, 0);
	run_to(&f, f.now_ms);
	ck_assert_int_eq(world_link_reply(f.w, f.now_ms, o.link, o.rid, 200, "1", 1), ERR_OK);
	world_link_close(f.w, f.now_ms, o.link);
	ck_assert_int_eq(wait_for(&f, r)->status, 200);
	ck_assert_str_eq(r->body, "{\"status\":200,\"payload\":1}");
	buf_done(&o.heard);
	fixture_done(&f);
}
END_TEST

START_TEST(test_devices_share_the_connection_throttle_and_are_refused_beyond_it)
{
	struct outside o[8] = {{.link = NULL}};
	char id[16];

	fixture_init(&f);
	f.options.sku = WORLD_SKU_S1; /* 100 connections a second */
	f.options.throttle_burst_ms = 10;
	f.options.throttle_backlog_ms = 40;
	fixture_open(&f);
	for (unsigned i = 0; i < 8; i++) {
		snprintf(id, sizeof id, "dev-%06u", i);
		o[i].link = world_link_open(f.w, f.now_ms, id, &events, &o[i]);
	}
	run_to(&f, f.now_ms + 1000);
	ck_assert_str_eq(o[0].heard.data, "0 opened 0\n");
	ck_assert_str_eq(o[1].heard.data, "0 opened 0\n");
	ck_assert_str_eq(o[2].heard.data, "10 opened 0\n");
	ck_assert_str_eq(o[5].heard.data, "40 opened 0\n");
	ck_assert_str_eq(o[6].heard.data, "0 opened 2\n");
	for (unsigned i = 0; i < 8; i++)
		buf_done(&o[i].heard);
	fixture_done(&f);
}
END_TEST

START_TEST(test_twin_updates_of_devices_are_delayed_then_refused)
{
	struct outside o = {.link = NULL};
	const char *line;
	char rid[8];

	fixture_init(&f);
	f.options.sku = WORLD_SKU_S1; /* 50 updates a second */
	f.options.throttle_burst_ms = 20;
	f.options.throttle_backlog_ms = 40;
	fixture_open(&f);
	open_link(&o, "dev-000001");
	subscribe_all(&o);
	for (unsigned i = 0; i < 6; i++) {
		snprintf(rid, sizeof rid, "%u", i);
		world_link_report(f.w, f.now_ms, o.link, rid, "{\"a\":1}", 7);
	}
	run_to(&f, f.now_ms + 1000);
	line = "0 twin 0 204 2 \n0 twin 1 204 3 \n0 twin 4 429 0 {\"errorCode\":429001,\n"
	       "0 twin 5 429 0 {\"errorCode\":429001,\n20 twin 2 204 4 \n40 twin 3 204 5 \n";
	ck_assert_str_eq(o.heard.data + strlen("0 opened 0\n"), line);
	ck_assert_uint_eq(told(&f, " report dev-000001"), 4);
	buf_done(&o.heard);
	fixture_done(&f);
}
END_TEST

START_TEST(test_a_report_on_its_way_arrives_though_the_link_has_gone)
{
	struct outside o = {.link = NULL};

	fixture_init(&f);
	f.options.sku = WORLD_SKU_S1;
	f.options.throttle_burst_ms = 0;
	fixture_open(&f);
	open_link(&o, "dev-000001");
	subscribe_all(&o);
	world_link_report(f.w, f.now_ms, o.link, "1", "{\"a\":1}", 7);
	world_link_report(f.w, f.now_ms, o.link, "2", "{\"a\":2}", 7);
	world_link_get(f.w, f.now_ms, o.link, "3");
	world_link_close(f.w, f.now_ms, o.link);
	run_to(&f, f.now_ms + 1000);
	ck_assert_str_eq(o.heard.data, "0 opened 0\n");
	ck_assert_uint_eq(told(&f, " report dev-000001"), 2);
	buf_done(&o.heard);
	fixture_done(&f);
}
END_TEST

START_TEST(test_the_hub_ends_the_link_of_a_deleted_or_disabled_device)
{
	struct outside o = {.link = NULL};

	fixture_init(&f);
	fixture_open(&f);
	open_link(&o, "dev-000001");
	ck_assert_int_eq(world_enable(f.w, f.now_ms, "dev-000001", false), ERR_OK);
	ck_assert_ptr_null(o.link);
	ck_assert_int_eq(world_enable(f.w, f.now_ms, "dev-000001", true), ERR_OK);
	open_link(&o, "dev-000001");
	o.link = world_link_open(f.w, f.now_ms, "dev-000001", &events, &o); /* and one on its way */
	ck_assert_int_eq(world_delete(f.w, f.now_ms, "dev-000001"), ERR_OK);
	run_to(&f, f.now_ms);
	ck_assert_str_eq(o.heard.data, "0 opened 0\nended\n0 opened 0\nended\n0 opened 3\n");
	buf_done(&o.heard);
	fixture_done(&f);
}
END_TEST

START_TEST(test_the_subscription_race_holds_for_links_too)
{
	struct outside o = {.link = NULL};

	fixture_init(&f);
	f.options.subscribe_ms = 300;
	fixture_open(&f);
	open_link(&o, "dev-000001");
	subscribe_all(&o);
	ck_assert_int_eq(wait_for(&f, send_reboot(&f, "dev-000001", NULL, 30, 0))->status, 404);
	run_to(&f, f.now_ms + 300);
	(void)send_reboot(&f, "dev-000001", NULL, 30, 0);
	run_to(&f, f.now_ms);
	ck_assert_str_eq(o.heard.data, "0 opened 0\nreboot null\n");
	buf_done(&o.heard);
	fixture_done(&f);
}
END_TEST

START_TEST(test_a_world_that_ends_drops_links_and_what_is_on_its_way)
{
	struct outside o = {.link = NULL}, other = {.link = NULL};

	fixture_init(&f);
	f.options.sku = WORLD_SKU_S1;
	f.options.throttle_burst_ms = 0;
	fixture_open(&f);
	open_link(&o, "dev-000001");
	world_link_report(f.w, f.now_ms, o.link, "1", "{\"a\":1}", 7);
	world_link_report(f.w, f.now_ms, o.link, "2", "{\"a\":1}", 7);
	world_link_get(f.w, f.now_ms, o.link, "3");
	other.link = world_link_open(f.w, f.now_ms, "dev-000002", &events, &other);
	fixture_done(&f); /* the documents' pool asserts that all is freed */
	buf_done(&o.heard);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("world link");

	TESTS(s, "links", test_a_link_takes_the_simulated_devices_place_for_good,
	      test_an_answer_before_the_end_of_the_link_counts,
	      test_devices_share_the_connection_throttle_and_are_refused_beyond_it,
	      test_twin_updates_of_devices_are_delayed_then_refused,
	      test_a_report_on_its_way_arrives_though_the_link_has_gone,
	      test_the_hub_ends_the_link_of_a_deleted_or_disabled_device,
	      test_the_subscription_race_holds_for_links_too,
	      test_a_world_that_ends_drops_links_and_what_is_on_its_way);
	return suite_run(s);
}
