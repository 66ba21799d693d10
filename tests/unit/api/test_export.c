/* tests: api/export.c and api/csv.c: targets as CSV. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/csv.h"
#include "api/ids.h"
#include "server/campaign/fault.h"
#include "tests/unit/api/harness.h"
#include "tests/unit/api/stream.h"

#define CSV "Accept: text/csv\r\n"
#define TARGETS "/v1/campaigns/c1/targets"
#define HEADER "deviceId,hub,wave,group,state,reason,waitingFor,nextAt,attempt,methodStatus,changedAt\r\n"
#define SPEC \
	"{\"name\":\"n\",\"hubs\":[\"north\",\"south\"],\"action\":{\"type\":\"reboot\"}," \
	"\"targets\":{\"all\":true},\"rollout\":{\"waves\":[{\"upToCount\":1},{\"upToPercent\":100}]}}"

static void start(void)
{
	server_start((struct api_options){0});
	fake_store_add_campaign(store, "c1", SPEC);
	fake_store_add_group(store, 1, "Store \"7\", north", 3);
}

/* Gives the whole text of an export. */
static void fetch(struct stream *s, const char *path)
{
	stream_begin(s, path, CSV);
	stream_wait_end(s);
	ck_assert(s->has_ended);
	ck_assert_uint_eq(fake_store_views_n(store), 0);
}

START_TEST(test_each_target_is_a_record_as_the_list_shows_it)
{
	struct target_row *t;
	struct stream s;

	start();
	fake_store_add_target(store, 1, "d-0");
	t = fake_store_add_target(store, 1, "d-1");
	t->group = 0;
	t->hub = 1;
	t->state = TARGET_FAILED;
	t->reason = REASON_REFUSED;
	t->attempts = 2;
	t->method_status = -5;
	t = fake_store_add_target(store, 1, "d-2");
	t->wait = WAIT_BACKOFF;
	t->next_at_ms = 5000;
	fake_store_set_revision(store, 77);
	fetch(&s, TARGETS);
	ck_assert_str_eq(
	        s.text.data, HEADER
	        "d-0,north,0,,waiting,,capacity,,0,,1970-01-01T00:00:01.000Z\r\n"
	        "d-1,south,1,\"Store \"\"7\"\", north\",failed,refused,,,2,-5,1970-01-01T00:00:01.000Z\r\n"
	        "d-2,north,1,,waiting,,backoff,1970-01-01T00:00:05.000Z,0,,1970-01-01T00:00:01.000Z\r\n");
	ck_assert_ptr_nonnull(
	        strstr(s.client.in.data, "\r\nContent-Type: text/csv; charset=utf-8; header=present\r\n"));
	ck_assert_ptr_nonnull(strstr(s.client.in.data, "\r\nX-Revision: 77\r\n"));
	ck_assert_ptr_nonnull(strstr(s.client.in.data,
	                             "\r\nContent-Disposition: attachment; filename=\"targets-c1.csv\"\r\n"));
	stream_done(&s);
	server_stop();
}
END_TEST

START_TEST(test_filters_choose_as_in_the_list)
{
	struct stream s;

	start();
	for (int i = 0; i < 4; i++) {
		struct target_row *t = fake_store_add_target(store, 1, i == 2 ? "two" : "other");

		t->state = i == 3 ? TARGET_FAILED : TARGET_WAITING;
		t->reason = i == 3 ? REASON_GONE : REASON_NONE;
	}
	fetch(&s, TARGETS "?deviceId=two");
	ck_assert_str_eq(s.text.data,
	                 HEADER "two,north,1,,waiting,,capacity,,0,,1970-01-01T00:00:01.000Z\r\n");
	stream_done(&s);
	fetch(&s, TARGETS "?reason=gone&hub=north");
	ck_assert_str_eq(s.text.data, HEADER "other,north,1,,failed,gone,,,0,,1970-01-01T00:00:01.000Z\r\n");
	stream_done(&s);
	fetch(&s, TARGETS "?hub=nowhere");
	ck_assert_str_eq(s.text.data, HEADER);
	stream_done(&s);
	fetch(&s, TARGETS "?waitingFor=offline");
	ck_assert_str_eq(s.text.data, HEADER);
	stream_done(&s);
	ck_has(ask("GET", TARGETS "?state=lost", CSV, NULL), "\"parameter\":\"state\"");
	ck_has(ask("GET", TARGETS "?limit=5", CSV, NULL), "\"parameter\":\"limit\"");
	ck_status(ask("GET", "/v1/campaigns/none/targets", CSV, NULL), 404);
	ck_status(ask("HEAD", TARGETS, CSV, NULL), 200);
	ck_has(get(TARGETS), "{\"value\":[");
	ck_assert_uint_eq(fake_store_views_n(store), 0);
	server_stop();
}
END_TEST

START_TEST(test_a_long_list_is_whole_and_in_order)
{
	enum { TARGETS_N = 3000 };
	struct target_row *t = NULL;
	struct stream s;
	const char *at;
	unsigned n = 0;

	start();
	for (int i = 0; i < TARGETS_N; i++) {
		char id[16];

		snprintf(id, sizeof id, "d-%04d", i);
		t = fake_store_add_target(store, 1, id);
		t->wait = WAIT_BACKOFF;
	}
	t->hub = 1;
	fetch(&s, TARGETS);
	for (at = s.text.data; (at = strstr(at, "\r\nd-")) != NULL; at++)
		ck_assert_uint_eq(strtoul(at + 4, NULL, 10), n++);
	ck_assert_uint_eq(n, TARGETS_N);
	stream_done(&s);
	fetch(&s, TARGETS "?wave=0"); /* most pages have nothing of it */
	ck_assert_ptr_nonnull(strstr(s.text.data, "\r\nd-0000,"));
	ck_assert_uint_lt(s.text.len, 400);
	stream_done(&s);
	conductor.waiting.shut_hubs = 2;
	fetch(&s, TARGETS "?waitingFor=hub"); /* whole pages have nobody who does, and the last is the one */
	ck_assert_ptr_nonnull(strstr(s.text.data, "\r\nd-2999,"));
	ck_assert_uint_lt(s.text.len, 400);
	stream_done(&s);
	ck_assert_uint_eq(fake_store_unviewed_n(store), 0); /* all are of one commit */
	server_stop();
}
END_TEST

START_TEST(test_few_exports_at_once_and_each_gives_its_place_back)
{
	struct stream s[4];
	const struct answer *a;

	start();
	fake_store_add_target(store, 1, "d-0");
	later_hold(true);
	for (int i = 0; i < 4; i++)
		stream_begin(&s[i], TARGETS, CSV);
	for (int i = 0; i < 50 && later_n() < 4; i++)
		server_turn(-1);
	a = ask("GET", TARGETS, CSV, NULL);
	ck_status(a, 429);
	ck_has(a, "\"code\":\"tooManyStreams\"");
	later_hold(false);
	for (int i = 0; i < 4; i++) {
		stream_wait_end(&s[i]);
		ck_assert(stream_has(&s[i], "\r\nd-0,"));
		stream_done(&s[i]);
	}
	ck_status(ask("HEAD", TARGETS, CSV, NULL), 200);
	server_stop();
}
END_TEST

START_TEST(test_the_client_may_go_and_the_service_may_stop_in_the_middle)
{
	struct stream s[2];

	start();
	for (int i = 0; i < 2000; i++)
		fake_store_add_target(store, 1, "device");
	for (int i = 0; i < 2; i++) {
		stream_begin(&s[i], TARGETS, CSV);
		stream_wait(&s[i], "\r\ndevice,");
	}
	later_hold(true);
	for (int i = 0; i < 5; i++)
		server_turn(-1);
	stream_done(&s[0]);
	server_turn(-1);
	server_stop_begin();
	for (int i = 0; i < 50; i++)
		server_turn(-1);
	ck_assert(!server_is_stopped()); /* a read is still out */
	later_hold(false);
	while (!server_is_stopped())
		server_turn(-1);
	ck_assert_uint_eq(fake_store_views_n(store), 0);
	stream_wait_end(&s[1]);
	ck_assert(!s[1].has_ended);
	stream_done(&s[1]);
	server_stop();
}
END_TEST

START_TEST(test_a_store_that_fails_is_told_before_and_cut_short_after_the_head)
{
	struct stream s;

	start();
	for (int i = 0; i < 2000; i++)
		fake_store_add_target(store, 1, "device");
	fake_store_fail(store, ERR_IO);
	ck_status(ask("GET", TARGETS, CSV, NULL), 500);
	fake_store_fail(store, ERR_OK);
	stream_begin(&s, TARGETS, CSV);
	stream_wait(&s, "deviceId,");
	fake_store_fail(store, ERR_IO);
	stream_wait_end(&s);
	ck_assert(!s.has_ended);
	stream_done(&s);
	ck_assert_uint_eq(fake_store_views_n(store), 0);
	server_stop();
}
END_TEST

/* ---- cells ---- */

static const char *cell(const char *text, char out[64])
{
	struct buf b = BUF_INIT;

	csv_text(&b, text);
	csv_end(&b);
	ck_assert_str_eq(b.data + b.len - 2, "\r\n");
	snprintf(out, 64, "%.*s", (int)b.len - 2, b.data);
	buf_done(&b);
	return out;
}

START_TEST(test_cells_are_quoted_and_never_formulas)
{
	static const char *const cases[][2] = {{"plain", "plain"},
	                                       {"a b", "a b"},
	                                       {" a", "\" a\""},
	                                       {"a ", "\"a \""},
	                                       {"'", "''"},
	                                       {"a,b", "\"a,b\""},
	                                       {"a\"b", "\"a\"\"b\""},
	                                       {"a\r\nb", "\"a\r\nb\""},
	                                       {"a;=1", "\"a;=1\""},
	                                       {"=1+1", "'=1+1"},
	                                       {"+1", "'+1"},
	                                       {"-1", "'-1"},
	                                       {"@SUM(A1)", "'@SUM(A1)"},
	                                       {"\t=1", "\"'\t=1\""},
	                                       {"\r=1", "\"'\r=1\""},
	                                       {"'=1", "''=1"},
	                                       {"=\"a\",b", "\"'=\"\"a\"\",b\""},
	                                       {"", ""}};
	char out[64];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		ck_assert_str_eq(cell(cases[i][0], out), cases[i][1]);
	ck_assert_str_eq(cell(NULL, out), "");
	ck_assert(csv_is_guarded("'=1") && csv_is_guarded("''"));
	ck_assert(!csv_is_guarded("'") && !csv_is_guarded("'a") && !csv_is_guarded("=1"));
}
END_TEST

START_TEST(test_an_export_is_taken_back_as_a_device_list)
{
	static const char *const devices[] = {"plain", "-1", "=x", "'y",  "'=z",
	                                      "@a",    "+b", "''", "a,b", "(c)"};
	enum { N = sizeof devices / sizeof *devices };
	struct ids *ids = ids_new(true, 1);
	struct buf text = BUF_INIT;

	csv_text(&text, "deviceId");
	csv_end(&text);
	for (size_t i = 0; i < N; i++) {
		csv_text(&text, devices[i]);
		csv_end(&text);
	}
	ids_put(ids, text.data, text.len);
	ck_assert_uint_eq(ids_end(ids)->n, 0);
	ck_assert_uint_eq(ids_n(ids), N);
	for (uint32_t i = 0; i < N; i++)
		ck_assert_str_eq(ids_at(ids, i), devices[i]);
	ids_free(ids);
	buf_done(&text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api export");

	TESTS(s, "exports", test_each_target_is_a_record_as_the_list_shows_it,
	      test_filters_choose_as_in_the_list, test_a_long_list_is_whole_and_in_order,
	      test_few_exports_at_once_and_each_gives_its_place_back,
	      test_the_client_may_go_and_the_service_may_stop_in_the_middle,
	      test_a_store_that_fails_is_told_before_and_cut_short_after_the_head);
	TESTS(s, "cells", test_cells_are_quoted_and_never_formulas,
	      test_an_export_is_taken_back_as_a_device_list);
	return suite_run(s);
}
