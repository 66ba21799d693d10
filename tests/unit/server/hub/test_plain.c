/* tests: server/hub/plain, beside jansson: what is plain means the same to both, and what is not is left
 * alone. */
#include "tests/lib/suite.h"

#include <string.h>

#include <jansson.h>

#include "server/base/buf.h"
#include "server/hub/plain.h"
#include "server/hub/reading.h"

static bool compact(const char *text, struct buf *out)
{
	const char *at = text, *end = text + strlen(text);
	struct plain value;

	if (!plain_value(&at, end, &value) || !plain_is_over(at, end))
		return false;
	plain_put(&value, out);
	return true;
}

START_TEST(test_what_is_plain_is_put_as_jansson_puts_it)
{
	static const char *const texts[] = {
	        "{}",
	        "[]",
	        "null",
	        "true",
	        "false",
	        "0",
	        "-1",
	        "999999999999999999",
	        "\"\"",
	        "\"a b ~!/\"",
	        " { \"a\" : [ 1 , 2, { } ,[ ] ] , \"b c\" :\t\"d  e\" , \"f\":\r\nnull } ",
	        "{\"status\":200,\"payload\":{\"response\":\"rebooting\",\"at\":-12}}",
	        "[[[[[[[[1]]]]]]]]"};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		json_t *json = json_loads(texts[i], JSON_DECODE_ANY, NULL);
		char *expected = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
		struct buf out = BUF_INIT;

		ck_assert_msg(compact(texts[i], &out), "%s", texts[i]);
		ck_assert_str_eq(out.data, expected);
		buf_done(&out);
		free(expected);
		json_decref(json);
	}
}
END_TEST

START_TEST(test_what_is_not_plain_is_left_to_jansson)
{
	static const char *const texts[] = {
	        /* JSON, but not plain */
	        "1.5", "1e3", "-0", "1000000000000000000", "\"\\n\"", "\"\xc3\xa9\"", "{\"a\":1,\"a\":2}",
	        "{\"a\":{\"b\":1,\"b\":2}}", "{\"\\u0061\":1}", "[[[[[[[[[1]]]]]]]]]",
	        /* not JSON */
	        "", " ", "01", "-", "--1", "+1", "1 2", "nul", "truee", "\"", "\"a", "\"\x7f\"", "\"\t\"",
	        "{", "[", "[1", "[1,", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}",
	        "{\"a\":1 \"b\":2}", "{}}", "]", "{1:2}"};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct buf out = BUF_INIT;

		ck_assert_msg(!compact(texts[i], &out), "%s", texts[i]);
		buf_done(&out);
	}
}
END_TEST

START_TEST(test_more_members_than_there_is_room_for_are_not_plain)
{
	struct buf text = BUF_INIT, out = BUF_INIT;

	for (int i = 0; i < PLAIN_MEMBERS_MAX; i++)
		buf_printf(&text, "%s\"m%d\":%d", i == 0 ? "{" : ",", i, i);
	buf_putc(&text, '}');
	ck_assert(compact(text.data, &out));
	text.data[text.len - 1] = ',';
	buf_puts(&text, "\"more\":1}");
	ck_assert(!compact(text.data, &out));
	buf_done(&out);
	buf_done(&text);
}
END_TEST

START_TEST(test_members_are_found_in_any_order_and_any_number_of_times)
{
	const char *text = "{\"a\":1,\"b\":2,\"ab\":3}", *at = text;
	struct plain_object o;

	ck_assert(plain_object(&at, text + strlen(text), &o));
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(plain_get(&o, "ab")->integer, 3);
		ck_assert_int_eq(plain_get(&o, "b")->integer, 2);
		ck_assert_int_eq(plain_get(&o, "a")->integer, 1);
		ck_assert_ptr_null(plain_get(&o, "c"));
		ck_assert_ptr_null(plain_get(&o, ""));
	}
}
END_TEST

static void assert_same_seen(const struct seen *a, const struct seen *b)
{
	ck_assert_int_eq(a->is_there, b->is_there);
	ck_assert_uint_eq(a->hash, b->hash);
	ck_assert_int_eq(a->at_ms, b->at_ms);
	ck_assert_pstr_eq(a->json, b->json);
	ck_assert_pstr_eq(a->text, b->text);
}

static void assert_read_the_same(const struct watch *w, const char *text)
{
	json_t *json = json_loads(text, 0, NULL);
	struct reading a, b;
	struct plain_object row;
	const char *at = text;

	ck_assert(plain_object(&at, text + strlen(text), &row));
	ck_assert_msg(reading_from_plain_row(w, &row, &a), "%s", text);
	ck_assert_int_eq(reading_from_row(w, json, &b), ERR_OK);
	ck_assert_int_eq(a.is_point_read, b.is_point_read);
	ck_assert_int_eq(a.is_there, b.is_there);
	ck_assert_int_eq(a.is_enabled, b.is_enabled);
	ck_assert_uint_eq(a.version, b.version);
	ck_assert_int_eq(a.hub_at_ms, b.hub_at_ms);
	ck_assert_int_eq(a.link, b.link);
	assert_same_seen(&a.value, &b.value);
	assert_same_seen(&a.status, &b.status);
	assert_same_seen(&a.echo, &b.echo);
	assert_same_seen(&a.boot, &b.boot);
	assert_same_seen(&a.group, &b.group);
	assert_same_seen(&a.zone, &b.zone);
	reading_done(&a);
	reading_done(&b);
	json_decref(json);
}

static const struct watch_options options = {.value_path = "a.b",
                                             .status_path = "s",
                                             .echo_path = "e",
                                             .boot_path = "boot",
                                             .group_path = "tags.site",
                                             .zone_path = "tags.zone"};

START_TEST(test_plain_rows_are_read_as_jansson_reads_them)
{
	static const char *const rows[] = {
	        "{\"deviceId\":\"d\"}",
	        "{\"deviceId\":\"d\",\"status\":\"disabled\",\"rv\":7,\"v\":\"x\",\"v0\":\"2024-05-14T09:13:20Z\"}",
	        "{\"deviceId\":\"d\",\"status\":\"enabling\",\"v\":1,\"v0\":\"2024-05-14T09:13:20Z\",\"v1\":\"2024-05-14T09:13:20Z\"}",
	        "{\"deviceId\":\"d\",\"status\":\"DisAbled\",\"rv\":-7,\"v\":12,\"v0\":\"2024-05-14T09:13:20Z\","
	        "\"v1\":\"2024-05-14T09:13:21.5Z\",\"v2\":\"not a time\",\"b\":\"boot 1\",\"b1\":\"2024-05-14T09:13:22\"}",
	        "{\"g\":\"site-1\",\"z\":\"Europe/Stockholm\",\"e\":true,\"s\":false,\"v\":null,\"deviceId\":\"d\","
	        "\"v0\":\"2024-05-14T09:13:20Z\",\"status\":7,\"rv\":\"8\",\"b\":-3,\"b0\":5}"};
	struct watch *w = NULL;

	ck_assert_int_eq(watch_new(&options, &w), ERR_OK);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_read_the_same(w, rows[i]);
	watch_free(w);
}
END_TEST

START_TEST(test_rows_of_which_plain_text_does_not_say_all_are_left_to_jansson)
{
	struct buf longer = BUF_INIT; /* than what is shown whole */
	static const char *const rows[] = {"{}",
	                                   "{\"deviceId\":\"\"}",
	                                   "{\"deviceId\":7}",
	                                   NULL, /* longer */
	                                   "{\"deviceId\":{}}",
	                                   "{\"deviceId\":\"d\",\"v\":{\"b\":1}}",
	                                   "{\"deviceId\":\"d\",\"b\":[]}",
	                                   "{\"deviceId\":\"d\",\"s\":{}}",
	                                   "{\"deviceId\":\"d\",\"v\":1,\"e\":[]}",
	                                   "{\"deviceId\":\"d\",\"v\":1,\"g\":{}}",
	                                   "{\"deviceId\":\"d\",\"v\":1,\"z\":{}}"};
	struct watch *w = NULL;

	ck_assert_int_eq(watch_new(&options, &w), ERR_OK);
	buf_printf(&longer, "{\"deviceId\":\"d\",\"v\":\"%01100d\"}", 0);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *text = rows[i] != NULL ? rows[i] : longer.data, *at = text;
		struct plain_object row;
		struct reading r;

		ck_assert(plain_object(&at, at + strlen(at), &row));
		ck_assert_msg(!reading_from_plain_row(w, &row, &r), "%s", text);
	}
	watch_free(w);
	buf_done(&longer);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("plain");

	TESTS(s, "values", test_what_is_plain_is_put_as_jansson_puts_it,
	      test_what_is_not_plain_is_left_to_jansson,
	      test_more_members_than_there_is_room_for_are_not_plain,
	      test_members_are_found_in_any_order_and_any_number_of_times);
	TESTS(s, "rows", test_plain_rows_are_read_as_jansson_reads_them,
	      test_rows_of_which_plain_text_does_not_say_all_are_left_to_jansson);
	return suite_run(s);
}
