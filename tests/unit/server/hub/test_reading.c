/* tests: server/hub/reading */
#include "tests/lib/suite.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "server/base/clock.h"
#include "server/base/hash.h"
#include "server/hub/reading.h"

#define T(second) ((int64_t)1715678000000 + (second)*1000) /* 2024-05-14T09:13:20Z and later */
#define T0 "2024-05-14T09:13:20Z"
#define T1 "2024-05-14T09:13:21.0000000Z"
#define T2 "2024-05-14T09:13:22"

static struct watch *watch_of(const char *value, const char *status, const char *echo, const char *boot)
{
	struct watch_options options = {
	        .value_path = value, .status_path = status, .echo_path = echo, .boot_path = boot};
	struct watch *w = NULL;

	ck_assert_int_eq(watch_new(&options, &w), ERR_OK);
	return w;
}

static json_t *json_of(const char *text)
{
	json_t *json = json_loads(text, JSON_ALLOW_NUL, NULL);

	ck_assert_msg(json != NULL, "%s", text);
	return json;
}

static void assert_seen(const struct seen *s, const char *json, const char *text, int64_t at_ms)
{
	ck_assert(s->is_there);
	ck_assert_str_eq(s->json, json);
	ck_assert_str_eq(s->text, text);
	ck_assert_uint_eq(s->hash, hash64(json, strlen(json)));
	ck_assert_int_eq(s->at_ms, at_ms);
}

static void assert_not_seen(const struct seen *s)
{
	ck_assert(!s->is_there);
	ck_assert_ptr_null(s->json);
	ck_assert_ptr_null(s->text);
	ck_assert_int_eq(s->at_ms, TIME_NONE);
}

START_TEST(test_select_names_every_watched_value_and_its_ancestors_times)
{
	struct watch *w = watch_of("iothubDM.reboot.lastReboot", "[[my status]].value", "echo", "boot");
	struct buf out = BUF_INIT;

	watch_select(w, &out);
	ck_assert_str_eq(out.data,
	                 "deviceId AS deviceId, status AS status, properties.reported.$version AS rv, "
	                 "properties.reported.iothubDM.reboot.lastReboot AS v, "
	                 "properties.reported.[[my status]].[[value]] AS s, "
	                 "properties.reported.echo AS e, "
	                 "properties.reported.boot AS b, "
	                 "properties.reported.$metadata.$lastUpdated AS v0, "
	                 "properties.reported.$metadata.iothubDM.$lastUpdated AS v1, "
	                 "properties.reported.$metadata.iothubDM.reboot.$lastUpdated AS v2, "
	                 "properties.reported.$metadata.iothubDM.reboot.lastReboot.$lastUpdated AS v3, "
	                 "properties.reported.$metadata.$lastUpdated AS b0, "
	                 "properties.reported.$metadata.boot.$lastUpdated AS b1");
	ck_assert(watch_is_in_rows(w));
	buf_done(&out);
	watch_free(w);
}
END_TEST

START_TEST(test_names_that_the_query_language_would_not_read_as_names_are_quoted)
{
	struct watch *w = watch_of("a_b.1st", "a-b", "\xc3\xa5.[[Value]]", NULL);
	struct buf out = BUF_INIT;

	watch_select(w, &out);
	ck_assert_ptr_nonnull(strstr(out.data, ".a_b.[[1st]] AS v"));
	ck_assert_ptr_nonnull(strstr(out.data, ".[[a-b]] AS s"));
	ck_assert_ptr_nonnull(strstr(out.data, ".[[\xc3\xa5]].[[Value]] AS e"));
	buf_done(&out);
	watch_free(w);
}
END_TEST

START_TEST(test_a_watch_of_nothing_selects_the_identity)
{
	struct watch *w = watch_of(NULL, NULL, NULL, NULL);
	struct buf out = BUF_INIT;

	watch_select(w, &out);
	ck_assert_str_eq(out.data,
	                 "deviceId AS deviceId, status AS status, properties.reported.$version AS rv");
	buf_done(&out);
	watch_free(w);
}
END_TEST

START_TEST(test_a_watch_that_counts_reads_rows_of_counts)
{
	static const struct {
		const char *json, *group;
		uint32_t n;
		enum err err;
	} rows[] = {
	        {"{\"n\":12,\"g\":\"A\"}", "A", 12, ERR_OK}, {"{\"n\":0}", NULL, 0, ERR_OK},
	        {"{\"n\":3,\"g\":null}", NULL, 3, ERR_OK},   {"{\"n\":3,\"g\":5.0}", "5", 3, ERR_OK},
	        {"{\"g\":\"A\"}", NULL, 0, ERR_INVALID},     {"{\"n\":-1}", NULL, 0, ERR_INVALID},
	        {"{\"n\":\"3\"}", NULL, 0, ERR_INVALID},     {"{\"deviceId\":\"a\"}", NULL, 0, ERR_INVALID},
	        {"{\"n\":4294967296}", NULL, 0, ERR_INVALID}};
	struct watch_options all = {.counts = true},
	                     by_group = {.counts = true, .group_path = "tags.[[my site]].no"};
	struct buf out = BUF_INIT;
	struct watch *w;

	ck_assert_int_eq(watch_new(&all, &w), ERR_OK);
	watch_select(w, &out);
	watch_group_by(w, &out);
	ck_assert_str_eq(out.data, "COUNT() AS n");
	watch_free(w);
	buf_reset(&out);
	ck_assert_int_eq(watch_new(&by_group, &w), ERR_OK);
	watch_select(w, &out);
	watch_group_by(w, &out);
	ck_assert_str_eq(out.data, "COUNT() AS n, tags.[[my site]].no AS g GROUP BY tags.[[my site]].no");
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		json_t *row = json_of(rows[i].json);
		struct reading r;

		ck_assert_msg(reading_from_row(w, row, &r) == rows[i].err, "%s", rows[i].json);
		if (rows[i].err == ERR_OK) {
			ck_assert_str_eq(r.device_id, "");
			ck_assert_uint_eq(r.n, rows[i].n);
			ck_assert_pstr_eq(r.group.text, rows[i].group);
			reading_done(&r);
		}
		json_decref(row);
	}
	watch_free(w);
	buf_done(&out);
}
END_TEST

START_TEST(test_unsound_paths_and_predicates_are_refused)
{
	static const char *const wrong[] = {"",    ".",    "a.",  ".a",     "a..b",   "a b",
	                                    "[[a", "[[]]", "[a]", "a[[b]]", "[[a]]b", "a'b"};
	struct watch_options options = {.value_path = NULL};
	struct watch *w = NULL;
	char deep[200];

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		options.value_path = wrong[i];
		ck_assert_msg(watch_new(&options, &w) == ERR_INVALID, "%s", wrong[i]);
	}
	for (size_t i = 0; i < sizeof deep; i++)
		deep[i] = i % 2 == 0 ? 'a' : '.';
	deep[199] = '\0';
	options.value_path = deep;
	ck_assert_int_eq(watch_new(&options, &w), ERR_INVALID);
	deep[63] = '\0';
	ck_assert_int_eq(watch_new(&options, &w), ERR_OK);
	watch_free(w);
	options = (struct watch_options){.success = "tags.site ="};
	ck_assert_int_eq(watch_new(&options, &w), ERR_INVALID);
}
END_TEST

START_TEST(test_each_unsound_member_is_refused_by_itself)
{
	static const struct watch_options wrong[] = {{.status_path = "."},   {.echo_path = "."},
	                                             {.boot_path = "."},     {.success = "="},
	                                             {.failure = "="},       {.precheck = "="},
	                                             {.group_path = "site"}, {.group_path = "tags."},
	                                             {.zone_path = "zone"},  {.zone_path = "tags.a b"}};
	struct watch *w = NULL;

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		ck_assert_msg(watch_new(&wrong[i], &w) == ERR_INVALID, "%zu", i);
	watch_free(NULL);
}
END_TEST

START_TEST(test_candidates_are_those_of_which_anything_can_be_told)
{
	static const struct {
		struct watch_options options;
		const char *candidates;
	} cases[] = {
	        {{.watches_link = true}, "connectionState = 'Connected' OR connectionState = 'Disconnected'"},
	        {{.success = "a = 1"}, "(a = 1)"},
	        {{.failure = "b = 1"}, "(b = 1)"},
	        {{.success = "a = 1", .failure = "b = 1"}, "(a = 1) OR (b = 1)"},
	        {{.precheck = "a = 1"}, NULL}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct watch *w;

		ck_assert_int_eq(watch_new(&cases[i].options, &w), ERR_OK);
		ck_assert_pstr_eq(watch_candidates(w), cases[i].candidates);
		ck_assert_int_eq(watch_is_in_rows(w), cases[i].candidates == NULL);
		watch_free(w);
	}
}
END_TEST

static const char twin[] =
        "{\"deviceId\":\"dev-1\",\"status\":\"enabled\",\"version\":4,\"tags\":{\"site\":\"A\"},\"properties\":{"
        "\"desired\":{\"$version\":9},\"reported\":{\"dm\":{\"reboot\":{\"last\":\"r-1\",\"n\":5.0}},"
        "\"my status\":{\"b\":1,\"a\":[true,null]},\"gone\":null,\"boot\":\"b-7\","
        "\"$metadata\":{\"$lastUpdated\":\"" T0 "\",\"dm\":{\"$lastUpdated\":\"" T1 "\","
        "\"reboot\":{\"$lastUpdated\":\"" T2 "\"}},\"boot\":{}},\"$version\":7}}}";

START_TEST(test_a_twin_is_read_with_the_time_of_the_nearest_ancestor)
{
	struct watch *w = watch_of("dm.reboot.last", "[[my status]]", "dm.reboot.n", "boot");
	json_t *json = json_of(twin);
	struct reading r;

	ck_assert_int_eq(reading_from_twin(w, json, &r), ERR_OK);
	ck_assert_str_eq(r.device_id, "dev-1");
	ck_assert(r.is_point_read && r.is_there && r.is_enabled && !r.has_predicates);
	ck_assert_uint_eq(r.version, 7);
	ck_assert_int_eq(r.hub_at_ms, TIME_NONE);
	assert_seen(&r.value, "\"r-1\"", "r-1", T(2));
	assert_seen(&r.status, "{\"a\":[true,null],\"b\":1}", "{\"a\":[true,null],\"b\":1}", T(0));
	assert_seen(&r.echo, "5", "5", T(2));
	assert_seen(&r.boot, "\"b-7\"", "b-7", T(0));
	reading_done(&r);
	json_decref(json);
	watch_free(w);
}
END_TEST

START_TEST(test_null_missing_and_unreachable_values_are_not_there)
{
	struct watch *w = watch_of("gone", "dm.never", "boot.b.c", NULL);
	json_t *json = json_of(twin);
	struct reading r;

	ck_assert_int_eq(reading_from_twin(w, json, &r), ERR_OK);
	assert_not_seen(&r.value);
	assert_not_seen(&r.status);
	assert_not_seen(&r.echo);
	assert_not_seen(&r.boot);
	reading_done(&r);
	json_decref(json);
	watch_free(w);
}
END_TEST

START_TEST(test_predicates_are_decided_in_a_point_read_only)
{
	struct watch_options options = {.success = "tags.site = 'A'",
	                                .failure = "properties.reported.boot = 'b-8'"};
	json_t *json = json_of(twin), *row = json_of("{\"deviceId\":\"dev-1\"}");
	struct watch *w = NULL;
	struct reading r;

	ck_assert_int_eq(watch_new(&options, &w), ERR_OK);
	ck_assert(!watch_is_in_rows(w));
	ck_assert_int_eq(reading_from_twin(w, json, &r), ERR_OK);
	ck_assert(r.has_predicates && r.success && !r.failure);
	reading_done(&r);
	ck_assert_int_eq(reading_from_row(w, row, &r), ERR_OK);
	ck_assert(!r.has_predicates && !r.success && !r.failure);
	reading_done(&r);
	json_decref(row);
	json_decref(json);
	watch_free(w);
}
END_TEST

START_TEST(test_a_precheck_holds_where_there_is_none)
{
	static const struct {
		struct watch_options options;
		bool precheck;
	} cases[] = {{{.value_path = "a"}, true},
	             {{.precheck = "tags.site = 'A'"}, true},
	             {{.precheck = "tags.site = 'B'"}, false}};
	json_t *json = json_of(twin);

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct watch *w;
		struct reading r;

		ck_assert_int_eq(watch_new(&cases[i].options, &w), ERR_OK);
		ck_assert_int_eq(reading_from_twin(w, json, &r), ERR_OK);
		ck_assert_int_eq(r.precheck, cases[i].precheck);
		ck_assert(!r.success && !r.failure);
		reading_done(&r);
		watch_free(w);
	}
	json_decref(json);
}
END_TEST

START_TEST(test_counts_of_no_group_have_none)
{
	struct watch_options all = {.counts = true};
	json_t *row = json_of("{\"n\":3,\"g\":\"A\"}");
	struct reading r;
	struct watch *w;

	ck_assert_int_eq(watch_new(&all, &w), ERR_OK);
	ck_assert_int_eq(reading_from_row(w, row, &r), ERR_OK);
	ck_assert_uint_eq(r.n, 3);
	assert_not_seen(&r.group);
	reading_done(&r);
	watch_free(w);
	json_decref(row);
}
END_TEST

START_TEST(test_a_row_is_read_by_its_aliases)
{
	struct watch *w = watch_of("dm.reboot.last", "s", "e", "boot");
	json_t *row =
	        json_of("{\"deviceId\":\"dev-2\",\"status\":\"disabled\",\"rv\":3,\"v\":\"r-1\",\"s\":null,"
	                "\"v0\":\"" T0 "\",\"v2\":\"" T2 "\",\"v3\":null,\"b\":12,\"b1\":\"" T1 "\"}");
	struct reading r;

	ck_assert_int_eq(reading_from_row(w, row, &r), ERR_OK);
	ck_assert_str_eq(r.device_id, "dev-2");
	ck_assert(!r.is_point_read && r.is_there && !r.is_enabled);
	ck_assert_uint_eq(r.version, 3);
	assert_seen(&r.value, "\"r-1\"", "r-1", T(2));
	assert_not_seen(&r.status);
	assert_not_seen(&r.echo);
	assert_seen(&r.boot, "12", "12", T(1));
	reading_done(&r);
	json_decref(row);
	watch_free(w);
}
END_TEST

START_TEST(test_a_connection_is_told_by_a_twin_only)
{
	static const struct {
		const char *json;
		enum link link;
	} cases[] = {{"{\"deviceId\":\"d\",\"connectionState\":\"Connected\"}", LINK_UP},
	             {"{\"deviceId\":\"d\",\"connectionState\":\"disconnected\"}", LINK_DOWN},
	             {"{\"deviceId\":\"d\",\"connectionState\":null}", LINK_UNKNOWN},
	             {"{\"deviceId\":\"d\",\"connectionState\":\"Elsewhere\"}", LINK_UNKNOWN},
	             {"{\"deviceId\":\"d\"}", LINK_UNKNOWN}};
	struct watch *w = watch_of("a", NULL, NULL, NULL);

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *json = json_of(cases[i].json);
		struct reading r;

		ck_assert_int_eq(reading_from_twin(w, json, &r), ERR_OK);
		ck_assert_int_eq(r.link, cases[i].link);
		reading_done(&r);
		ck_assert_int_eq(reading_from_row(w, json, &r), ERR_OK);
		ck_assert_int_eq(r.link, LINK_UNKNOWN);
		reading_done(&r);
		json_decref(json);
	}
	watch_free(w);
}
END_TEST

START_TEST(test_what_has_no_device_id_is_refused)
{
	static const char *const wrong[] = {
	        "{}", "[]", "5", "{\"deviceId\":5}", "{\"deviceId\":\"\"}", "{\"deviceId\":\"a\\u0000b\"}"};
	struct watch *w = watch_of("v", NULL, NULL, NULL);
	struct reading r;

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		json_t *json = json_loads(wrong[i], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

		ck_assert_int_eq(reading_from_twin(w, json, &r), ERR_INVALID);
		ck_assert_int_eq(reading_from_row(w, json, &r), ERR_INVALID);
		json_decref(json);
	}
	ck_assert_int_eq(reading_from_twin(w, NULL, &r), ERR_INVALID);
	watch_free(w);
}
END_TEST

START_TEST(test_a_bare_twin_is_a_reading_of_nothing)
{
	struct watch *w = watch_of("v", NULL, NULL, "b");
	json_t *json = json_of("{\"deviceId\":\"d\"}");
	struct reading r;

	ck_assert_int_eq(reading_from_twin(w, json, &r), ERR_OK);
	ck_assert(r.is_there && r.is_enabled);
	ck_assert_uint_eq(r.version, 0);
	assert_not_seen(&r.value);
	reading_done(&r);
	reading_of_absence("d", &r);
	ck_assert(r.is_point_read && !r.is_there);
	assert_not_seen(&r.boot);
	json_decref(json);
	watch_free(w);
}
END_TEST

static uint64_t hash_of(struct watch *w, const char *row)
{
	json_t *json = json_of(row);
	struct reading r;
	uint64_t hash;

	ck_assert_int_eq(reading_from_row(w, json, &r), ERR_OK);
	ck_assert(r.value.is_there);
	hash = r.value.hash;
	reading_done(&r);
	json_decref(json);
	return hash;
}

START_TEST(test_equal_values_have_equal_fingerprints_and_others_do_not)
{
	struct watch *w = watch_of("v", NULL, NULL, NULL);

	ck_assert_uint_eq(hash_of(w, "{\"deviceId\":\"d\",\"v\":{\"a\":1,\"b\":\"\\u00e9\"}}"),
	                  hash_of(w, "{\"deviceId\":\"d\",\"v\":{ \"b\":\"\xc3\xa9\", \"a\": 1 }}"));
	ck_assert_uint_eq(hash_of(w, "{\"deviceId\":\"d\",\"v\":5}"),
	                  hash_of(w, "{\"deviceId\":\"d\",\"v\":5.0}"));
	ck_assert_uint_eq(hash_of(w, "{\"deviceId\":\"d\",\"v\":1.5}"),
	                  hash_of(w, "{\"deviceId\":\"d\",\"v\":1.50}"));
	ck_assert_uint_ne(hash_of(w, "{\"deviceId\":\"d\",\"v\":5}"),
	                  hash_of(w, "{\"deviceId\":\"d\",\"v\":\"5\"}"));
	ck_assert_uint_ne(hash_of(w, "{\"deviceId\":\"d\",\"v\":1e300}"),
	                  hash_of(w, "{\"deviceId\":\"d\",\"v\":2e300}"));
	ck_assert_uint_ne(hash_of(w, "{\"deviceId\":\"d\",\"v\":1.5}"),
	                  hash_of(w, "{\"deviceId\":\"d\",\"v\":1.6}"));
	ck_assert_uint_ne(hash_of(w, "{\"deviceId\":\"d\",\"v\":\"a\\u0000b\"}"),
	                  hash_of(w, "{\"deviceId\":\"d\",\"v\":\"a\\u0000c\"}"));
	watch_free(w);
}
END_TEST

START_TEST(test_long_values_are_shown_cut_but_fingerprinted_whole)
{
	struct watch *w = watch_of("v", NULL, NULL, NULL);
	struct buf row = BUF_INIT;
	uint64_t hash[2];

	for (int i = 0; i < 2; i++) {
		json_t *json;
		struct reading r;

		buf_reset(&row);
		buf_puts(&row, "{\"deviceId\":\"d\",\"v\":\"");
		for (int j = 0; j < 1000; j++)
			buf_puts(&row, "\xc3\xa9");
		buf_puts(&row, i == 0 ? "x\"}" : "y\"}");
		json = json_of(row.data);
		ck_assert_int_eq(reading_from_row(w, json, &r), ERR_OK);
		hash[i] = r.value.hash;
		ck_assert_uint_eq(strlen(r.value.json), 1023); /* a quote and 511 whole characters */
		ck_assert_uint_eq(strlen(r.value.text), 1024);
		reading_done(&r);
		json_decref(json);
	}
	ck_assert_uint_ne(hash[0], hash[1]);
	buf_done(&row);
	watch_free(w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("reading");

	TESTS(s, "watch", test_select_names_every_watched_value_and_its_ancestors_times,
	      test_a_watch_of_nothing_selects_the_identity,
	      test_names_that_the_query_language_would_not_read_as_names_are_quoted,
	      test_a_watch_that_counts_reads_rows_of_counts, test_unsound_paths_and_predicates_are_refused,
	      test_each_unsound_member_is_refused_by_itself,
	      test_candidates_are_those_of_which_anything_can_be_told);
	TESTS(s, "reading", test_a_twin_is_read_with_the_time_of_the_nearest_ancestor,
	      test_null_missing_and_unreachable_values_are_not_there,
	      test_predicates_are_decided_in_a_point_read_only, test_a_row_is_read_by_its_aliases,
	      test_a_precheck_holds_where_there_is_none, test_counts_of_no_group_have_none,
	      test_a_connection_is_told_by_a_twin_only, test_what_has_no_device_id_is_refused,
	      test_a_bare_twin_is_a_reading_of_nothing,
	      test_equal_values_have_equal_fingerprints_and_others_do_not,
	      test_long_values_are_shown_cut_but_fingerprinted_whole);
	return suite_run(s);
}
