/* tests: the query language and its pages (contract 4) */
#include "tests/world/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fixture f;

/* Ten devices: five sites of two; dev-000003 carries tags of its own, dev-000004 reports. */
static void setup(void)
{
	fixture_init(&f);
	f.options.site_size = 2;
	fixture_open(&f);
	ck_assert_int_eq(
	        world_tag(f.w, f.now_ms, "dev-000003",
	                  "{\"n\":3,\"half\":1.5,\"on\":true,\"group\":\"g\",\"o'k\":\"it's \\\"x\\\"\","
	                  "\"deep\":{\"er\":[1]},\"time-zone\":\"z\"}"),
	        ERR_OK);
	ck_assert_int_eq(
	        world_report(f.w, f.now_ms + 1000, "dev-000004",
	                     "{\"iothubDM\":{\"reboot\":{\"lastReboot\":\"2026-01-01T00:00:01.000Z\"}},"
	                     "\"battery\":51}"),
	        ERR_OK);
}

/* Gives the numbers of the devices that match, like "034". */
static const char *matches(const char *where)
{
	static char text[64];
	struct buf query = BUF_INIT;
	struct reply *r;
	size_t n;

	buf_printf(&query, "SELECT deviceId AS deviceId FROM devices WHERE %s", where);
	r = ask_query(&f, query.data, NULL, NULL);
	buf_done(&query);
	if (r->status != 200) {
		snprintf(text, sizeof text, "%d", r->status);
		return text;
	}
	n = json_array_size(r->json);
	for (size_t i = 0; i < n; i++) {
		const char *id = json_string_value(json_object_get(json_array_get(r->json, i), "deviceId"));

		text[i] = id[strlen(id) - 1];
	}
	text[n] = '\0';
	return text;
}

START_TEST(test_conditions_match_as_documented)
{
	static const struct {
		const char *where, *wanted;
	} cases[] = {
	        {"tags.site = 'site-001'", "23"},
	        {"TAGS.site = \"site-001\" and NOT deviceId = 'dev-000002'", "3"},
	        {"tags.site IN ['site-000', 'site-004']", "0189"},
	        {"tags.site NIN ['site-000', 'site-004'] AND tags.line = 'line-a'", "4"},
	        {"deviceId IN ['dev-000007', 'nobody', 'dev-000002', 'dev-000007']", "27"},
	        {"deviceId = 'dev-000005' AND tags.line = 'line-b'", "5"},
	        {"deviceId = 'dev-000005' AND tags.line = 'line-c'", ""},
	        {"deviceId = 'dev-000005' OR deviceId = 'dev-000001'", "15"},
	        {"STARTSWITH(deviceId, 'dev-00000') AND ENDSWITH(deviceId, '8')", "8"},
	        {"status = 'enabled' AND connectionState = 'Connected' AND DeviceID > 'dev-000007'", "89"},
	        {"IS_DEFINED(tags.n)", "3"},
	        {"is_defined(tags.deep.er)", "3"},
	        {"NOT IS_DEFINED(properties.reported.iothubDM.reboot.lastReboot) AND tags.site = 'site-002'",
	         "5"},
	        {"tags.on", "3"},
	        {"tags.on = true", "3"},
	        {"tags.n", ""},
	        {"tags.n = '3'", ""},
	        {"tags.n >= 3 AND tags.n < 3.5", "3"},
	        {"tags.n + 2 * tags.half = 6 AND tags.n % 2 = 1 AND tags.n / 2 = 1.5", "3"},
	        {"tags.n = 0x3", "3"},
	        {"tags.n - 5 = -2", "3"},
	        {"(tags.n = 3 OR tags.site = 'site-000') AND tags.line <> 'line-a'", "13"},
	        {"tags.n = 3 OR tags.site = 'site-000' AND tags.line <> 'line-a'", "13"},
	        {"tags.[[group]] = 'g'", "3"},
	        {"tags.[[time-zone]] = 'z' AND tags.[[o'k]] = 'it\\'s \\\"x\\\"'", "3"},
	        {"tags.[[n]] = 3 AND '\\u0061' = 'a'", "3"},
	        {"properties.reported.battery > 50", "4"},
	        {"properties.reported.$version = 2", "4"},
	        {"properties.reported.$version > 1 AND properties.desired.$version = 1", "4"},
	        {"properties.reported.$metadata.$lastUpdated >= '2026-01-01T00:00:01'", "4"},
	        {"properties.reported.$metadata.iothubDM.reboot.lastReboot.$lastUpdated > '2026-01-01T00:00:00Z'",
	         "4"},
	        {"properties.desired.$metadata.$lastUpdatedVersion = 1 AND tags.n = 3", "3"},
	        {"true AND tags.n = 3", "3"},
	        {"undefined", ""},
	        {"null = null AND tags.n = 3", "3"},
	        {"tags.nothing = null", ""},
	        {"capabilities.iotEdge = false AND version = 2", "3"},
	        {"etag = 'AAAAAAAAAAE='", "0"},
	        {"moduleId = 'x' OR bogus = 1", ""},
	};

	setup();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		ck_assert_msg(strcmp(matches(cases[i].where), cases[i].wanted) == 0, "%s: %s, not %s",
		              cases[i].where, matches(cases[i].where), cases[i].wanted);
	fixture_done(&f);
}
END_TEST

START_TEST(test_what_is_not_in_the_grammar_is_400_argument_invalid)
{
	static const char *const bad[] = {
	        "",
	        "SELECT",
	        "SELECT * FROM",
	        "SELECT * FROM things",
	        "SELECT *, deviceId FROM devices",
	        "SELECT * FROM devices WHERE",
	        "SELECT * FROM devices WHERE deviceId =",
	        "SELECT * FROM devices WHERE deviceId = 'x",
	        "SELECT * FROM devices WHERE deviceId = 'x' extra",
	        "SELECT * FROM devices WHERE (deviceId = 'x'",
	        "SELECT * FROM devices WHERE deviceId == 'x'",
	        "SELECT * FROM devices WHERE STARTS_WITH(deviceId, 'x')",
	        "SELECT * FROM devices WHERE CONTAINS(deviceId, 'x')",
	        "SELECT * FROM devices WHERE LOWER(deviceId) = 'x'",
	        "SELECT * FROM devices WHERE deviceId LIKE 'x'",
	        "SELECT * FROM devices WHERE deviceId IN []",
	        "SELECT * FROM devices WHERE deviceId IN ('x')",
	        "SELECT * FROM devices WHERE tags.group = 'g'",
	        "SELECT * FROM devices WHERE tags.[[x = 1",
	        "SELECT * FROM devices WHERE tags. = 1",
	        "SELECT * FROM devices WHERE 'a' = '\\x'",
	        "SELECT * FROM devices ORDER BY deviceId",
	        "SELECT * FROM devices GROUP BY tags.site",
	        "SELECT deviceId, COUNT() AS n FROM devices",
	        "SELECT tags.line, COUNT() AS n FROM devices GROUP BY tags.site",
	        "SELECT TOP 0 * FROM devices",
	        "SELECT TOP x * FROM devices",
	        "SELECT deviceId AS FROM devices",
	        "SELECT deviceId FROM devices.jobs",
	        "UPDATE devices",
	};
	struct buf nested = BUF_INIT;
	struct reply *r;

	setup();
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		r = ask_query(&f, bad[i], NULL, NULL);
		ck_assert_msg(r->status == 400, "%s: %d", bad[i], r->status);
		ck_assert_str_eq(at(r->json, "Message"), "\"ErrorCode:ArgumentInvalid;BadRequest\"");
	}
	buf_puts(&nested, "SELECT * FROM devices WHERE ");
	for (int i = 0; i < 3000; i++)
		buf_puts(&nested, i % 2 != 0 ? "NOT " : "(");
	ck_assert_int_eq(ask_query(&f, nested.data, NULL, NULL)->status, 400);
	buf_reset(&nested);
	buf_puts(&nested, "SELECT * FROM devices WHERE deviceId = '");
	while (nested.len < 8191)
		buf_putc(&nested, 'x');
	buf_putc(&nested, '\'');
	ck_assert_uint_eq(nested.len, 8192);
	ck_assert_int_eq(ask_query(&f, nested.data, NULL, NULL)->status, 200);
	nested.data[100] = '\'';
	buf_putc(&nested, ' ');
	ck_assert_int_eq(ask_query(&f, nested.data, NULL, NULL)->status, 400);
	buf_done(&nested);
	r = ask(&f, "POST", "/devices/query?" API, "{}");
	ck_assert_str_eq(at(r->json, "Message"), "\"ErrorCode:ArgumentNull;BadRequest\"");
	fixture_done(&f);
}
END_TEST

START_TEST(test_open_points_of_the_language_are_switches)
{
	setup();
	ck_assert_str_eq(matches("NOT tags.n = 4"), "3");
	ck_assert_str_eq(matches("tags.n != 4"), "3");
	ck_assert_str_eq(matches("tags.N = 3"), "");
	world_quirks(f.w)->missing_differs = 1;
	ck_assert_str_eq(matches("NOT tags.n = 4"), "0123456789");
	ck_assert_str_eq(matches("tags.n != 3"), "012456789");
	world_quirks(f.w)->names_any_case = 1;
	ck_assert_str_eq(matches("tags.N = 3"), "3");
	world_quirks(f.w)->no_startswith = 1;
	ck_assert_str_eq(matches("STARTSWITH(deviceId, 'd')"), "400");
	fixture_done(&f);
}
END_TEST

START_TEST(test_projections_name_and_leave_out_values)
{
	static const char query[] = "SELECT TOP 2 deviceid, tags.n AS n, tags.deep, "
	                            "properties.reported.iothubDM.reboot.lastReboot AS last FROM devices "
	                            "WHERE deviceId IN ['dev-000003','dev-000004','dev-000005']";
	struct reply *r;

	setup();
	r = ask_query(&f, query, NULL, NULL);
	ck_assert_str_eq(r->body, "[{\"deviceId\":\"dev-000003\",\"n\":3,\"deep\":{\"er\":[1]}},"
	                          "{\"deviceId\":\"dev-000004\",\"last\":\"2026-01-01T00:00:01.000Z\"}]");
	ck_assert_str_eq(r->item_type, "Raw");
	ck_assert_ptr_null(r->continuation);
	world_quirks(f.w)->missing_is_null = 1;
	world_quirks(f.w)->plain_key = 1;
	world_quirks(f.w)->item_type_lower = 1;
	r = ask_query(&f, query, NULL, NULL);
	ck_assert_str_eq(r->body,
	                 "[{\"deviceId\":\"dev-000003\",\"n\":3,\"tags.deep\":{\"er\":[1]},\"last\":null},"
	                 "{\"deviceId\":\"dev-000004\",\"n\":null,\"tags.deep\":null,"
	                 "\"last\":\"2026-01-01T00:00:01.000Z\"}]");
	ck_assert_str_eq(r->item_type, "raw");
	fixture_done(&f);
}
END_TEST

START_TEST(test_groups_and_aggregates_count)
{
	struct reply *r;

	setup();
	r = ask_query(&f, "SELECT tags.line AS line, COUNT() AS n FROM devices GROUP BY tags.line", NULL,
	              NULL);
	ck_assert_str_eq(r->body, "[{\"line\":\"line-a\",\"n\":3},{\"line\":\"line-b\",\"n\":3},"
	                          "{\"line\":\"line-c\",\"n\":2},{\"line\":\"line-d\",\"n\":2}]");
	r = ask_query(
	        &f,
	        "SELECT COUNT() AS n, SUM(tags.n) AS s, AVG(tags.half) AS a, MAX(tags.none) AS m FROM devices",
	        NULL, NULL);
	ck_assert_str_eq(r->body, "[{\"n\":10,\"s\":3,\"a\":1.5}]");
	r = ask_query(&f, "SELECT COUNT() AS n FROM devices WHERE deviceId = 'nobody'", NULL, NULL);
	ck_assert_str_eq(r->body, "[{\"n\":0}]");
	r = ask_query(&f, "SELECT tags.n AS t, COUNT() AS n FROM devices GROUP BY tags.n", NULL, NULL);
	ck_assert_str_eq(r->body, "[{\"n\":9},{\"t\":3,\"n\":1}]");
	fixture_done(&f);
}
END_TEST

START_TEST(test_star_rows_are_whole_twins)
{
	struct reply *r;

	setup();
	r = ask_query(&f, "SELECT * FROM devices WHERE deviceId='dev-000003'", "10", NULL);
	ck_assert_str_eq(r->item_type, "Twin");
	ck_assert_uint_eq(json_array_size(r->json), 1);
	ck_assert(
	        json_equal(json_array_get(r->json, 0), ask(&f, "GET", "/twins/dev-000003?" API, NULL)->json));
	fixture_done(&f);
}
END_TEST

START_TEST(test_pages_follow_their_continuation_and_only_theirs)
{
	static const char query[] = "SELECT deviceId AS d FROM devices";
	struct buf ids = BUF_INIT;
	struct reply *r = NULL;
	unsigned pages = 0;

	fixture_init(&f);
	f.options.devices_n = 250;
	fixture_open(&f);
	do {
		r = ask_query(&f, query, NULL, r != NULL ? r->continuation : NULL);
		ck_assert_int_eq(r->status, 200);
		ck_assert_uint_le(json_array_size(r->json), 100);
		for (size_t i = 0; i < json_array_size(r->json); i++)
			buf_puts(&ids, json_string_value(json_object_get(json_array_get(r->json, i), "d")));
		pages++;
	} while (r->continuation != NULL);
	ck_assert_uint_eq(pages, 3);
	ck_assert_uint_eq(ids.len, 2500);
	ck_assert_str_eq(ids.data + 2490, "dev-000249");
	r = ask_query(&f, query, "7", NULL);
	ck_assert_uint_eq(json_array_size(r->json), 7);
	ck_assert_int_eq(ask_query(&f, query, "8", r->continuation)->status, 400);
	ck_assert_int_eq(ask_query(&f, "SELECT * FROM devices", "7", r->continuation)->status, 400);
	ck_assert_int_eq(ask_query(&f, query, "7", "nonsense")->status, 400);
	ck_assert_int_eq(ask_query(&f, query, "0", NULL)->status, 400);
	ck_assert_uint_eq(json_array_size(ask_query(&f, query, "1000", NULL)->json), 100);
	world_quirks(f.w)->page_max = 1;
	ck_assert_uint_eq(json_array_size(ask_query(&f, query, "1000", NULL)->json), 250);
	buf_done(&ids);
	fixture_done(&f);
}
END_TEST

START_TEST(test_top_holds_over_pages_and_short_and_empty_pages_carry_on)
{
	static const char query[] = "SELECT TOP 25 deviceId AS d FROM devices";
	struct reply *r = NULL;
	size_t rows = 0, empty = 0;

	fixture_init(&f);
	f.options.devices_n = 50;
	fixture_open(&f);
	world_fault_add(f.w, &(struct world_fault){.kind = WORLD_FAULT_EMPTY_PAGE,
	                                           .share = 1,
	                                           .families = WORLD_QUERIES,
	                                           .until_ms = TIME_NEVER,
	                                           .count = 2});
	world_fault_add(f.w, &(struct world_fault){.kind = WORLD_FAULT_SHORT_PAGE,
	                                           .share = 1,
	                                           .families = WORLD_QUERIES,
	                                           .until_ms = TIME_NEVER});
	do {
		r = ask_query(&f, query, "10", r != NULL ? r->continuation : NULL);
		ck_assert_int_eq(r->status, 200);
		rows += json_array_size(r->json);
		empty += json_array_size(r->json) == 0;
	} while (r->continuation != NULL);
	ck_assert_uint_eq(rows, 25);
	ck_assert_uint_eq(empty, 2);
	fixture_done(&f);
}
END_TEST

START_TEST(test_index_is_behind_and_deleted_devices_are_ghosts)
{
	fixture_init(&f);
	f.options.query_lag = (struct world_span){10000, 10000};
	f.options.ghost_ms = 1500000;
	fixture_open(&f);
	ck_assert_int_eq(world_tag(f.w, f.now_ms, "dev-000001", "{\"x\":1}"), ERR_OK);
	ck_assert_int_eq(world_tag(f.w, f.now_ms + 5000, "dev-000001", "{\"x\":2}"), ERR_OK);
	run_to(&f, f.options.start_ms + 9999);
	ck_assert_str_eq(matches("IS_DEFINED(tags.x)"), "");
	ck_assert_str_eq(at(ask(&f, "GET", "/twins/dev-000001?" API, NULL)->json, "tags.x"), "2");
	run_to(&f, f.options.start_ms + 10000);
	ck_assert_str_eq(matches("tags.x = 1"), "1");
	run_to(&f, f.options.start_ms + 15000);
	ck_assert_str_eq(matches("tags.x = 2"), "1");
	ck_assert_int_eq(world_create(f.w, f.now_ms, "x"), ERR_OK);
	ck_assert_int_eq(world_delete(f.w, f.now_ms, "dev-000001"), ERR_OK);
	ck_assert_int_eq(world_delete(f.w, f.now_ms, "dev-000002"), ERR_OK);
	ck_assert_str_eq(matches("tags.x = 2"), "1");
	ck_assert_str_eq(matches("deviceId = 'x'"), "");
	ck_assert_int_eq(ask(&f, "GET", "/twins/dev-000001?" API, NULL)->status, 404);
	ck_assert_int_eq(world_create(f.w, f.now_ms + 1000, "dev-000002"), ERR_OK);
	run_to(&f, f.options.start_ms + 26000);
	ck_assert_str_eq(matches("deviceId = 'x'"), "x");
	ck_assert_str_eq(matches("deviceId = 'dev-000002' AND NOT IS_DEFINED(tags.site)"), "2");
	run_to(&f, f.options.start_ms + 15000 + 1499999);
	ck_assert_str_eq(matches("tags.x = 2"), "1");
	run_to(&f, f.options.start_ms + 15000 + 1500000);
	ck_assert_str_eq(matches("tags.x = 2"), "");
	ck_assert_str_eq(matches("deviceId = 'dev-000002'"), "2");
	fixture_done(&f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("world query");

	TESTS(s, "language", test_conditions_match_as_documented,
	      test_what_is_not_in_the_grammar_is_400_argument_invalid,
	      test_open_points_of_the_language_are_switches, test_projections_name_and_leave_out_values,
	      test_groups_and_aggregates_count, test_star_rows_are_whole_twins);
	TESTS(s, "pages", test_pages_follow_their_continuation_and_only_theirs,
	      test_top_holds_over_pages_and_short_and_empty_pages_carry_on,
	      test_index_is_behind_and_deleted_devices_are_ghosts);
	return suite_run(s);
}
