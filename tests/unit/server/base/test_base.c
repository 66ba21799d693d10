/* tests: server/base */
#include "tests/lib/suite.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/civil.h"
#include "server/base/clock.h"
#include "server/base/err.h"
#include "server/base/hash.h"
#include "server/base/id.h"
#include "server/base/log.h"
#include "server/base/metrics.h"
#include "server/base/rng.h"
#include "server/base/secret.h"
#include "server/base/sm.h"

START_TEST(test_buf_dec_appends_any_number)
{
	struct buf b = BUF_INIT;

	buf_puts(&b, "n=");
	buf_dec(&b, 0);
	buf_putc(&b, ' ');
	buf_dec(&b, 10);
	buf_putc(&b, ' ');
	buf_dec(&b, UINT64_MAX);
	ck_assert_str_eq(b.data, "n=0 10 18446744073709551615");
	buf_done(&b);
}
END_TEST

START_TEST(test_buf_json_escapes_and_replaces_bad_utf8)
{
	struct buf b = BUF_INIT;

	buf_json_n(&b, "a\"\\\n\x01\xc3\xa9\xc0\xed\xa0\x80\xf0\x9f\x98\x80", 15);
	ck_assert_str_eq(b.data,
	                 "\"a\\\"\\\\\\n\\u0001\xc3\xa9\\ufffd\\ufffd\\ufffd\\ufffd\xf0\x9f\x98\x80\"");
	buf_done(&b);
}
END_TEST

START_TEST(test_packed_records_read_back_and_short_ones_fail)
{
	struct buf b = BUF_INIT;
	struct cursor c;
	char *s;

	buf_put_u8(&b, 7);
	buf_put_u32(&b, 0xdeadbeef);
	buf_put_u64(&b, 0x0123456789abcdef);
	buf_put_str(&b, "d-17");
	buf_put_str(&b, NULL);
	c = (struct cursor){b.data, b.data + b.len, 0};
	ck_assert_uint_eq(cursor_u8(&c), 7);
	ck_assert_uint_eq(cursor_u32(&c), 0xdeadbeef);
	ck_assert_uint_eq(cursor_u64(&c), 0x0123456789abcdef);
	s = cursor_strdup(&c);
	ck_assert_str_eq(s, "d-17");
	free(s);
	ck_assert_ptr_null(cursor_strdup(&c));
	ck_assert_int_eq(c.failed, 0);
	ck_assert_uint_eq(cursor_u8(&c), 0);
	ck_assert_int_eq(c.failed, 1);
	c = (struct cursor){b.data, b.data + b.len - 6, 0};
	cursor_u8(&c);
	cursor_u32(&c);
	cursor_u64(&c);
	ck_assert_ptr_null(cursor_strdup(&c));
	ck_assert_int_eq(c.failed, 1);
	buf_done(&b);
}
END_TEST

static int64_t parsed(const char *text, bool lax)
{
	int64_t at = TIME_NONE;

	return time_parse(text, strlen(text), lax, &at) ? at : TIME_NONE;
}

START_TEST(test_time_text_and_parse_agree)
{
	char text[TIME_TEXT_SIZE];

	ck_assert_str_eq(time_text(0, text), "1970-01-01T00:00:00.000Z");
	ck_assert_str_eq(time_text(-1, text), "1969-12-31T23:59:59.999Z");
	for (int64_t at = -86400000LL * 800; at < 86400000LL * 40000; at += 86400000LL * 17 + 12345677)
		ck_assert_int_eq(parsed(time_text(at, text), false), at);
	ck_assert_int_eq(parsed("2026-12-01T02:00:00+01:30", false),
	                 parsed("2026-12-01T00:30:00.000Z", false));
	ck_assert_int_eq(parsed("2024-05-14T09:12:44.2104Z", false),
	                 parsed("2024-05-14T09:12:44.210Z", false));
	ck_assert_int_eq(parsed("2024-02-29T00:00:00Z", false), 1709164800000);
}
END_TEST

START_TEST(test_time_parse_refuses_what_is_no_instant)
{
	static const char *const bad[] = {"",
	                                  "2026-12-01",
	                                  "2026-12-01T02:00:00",
	                                  "2026-02-30T02:00:00Z",
	                                  "2023-02-29T02:00:00Z",
	                                  "2026-13-01T02:00:00Z",
	                                  "2026-12-01T24:00:00Z",
	                                  "2026-12-01T02:60:00Z",
	                                  "2026-12-01T02:00:00.Z",
	                                  "2026-12-01T02:00:00Zx",
	                                  "2026-12-01T02:00:00+1:00"};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_int_eq(parsed(bad[i], false), TIME_NONE);
	ck_assert_int_eq(parsed("0001-01-01T00:00:00", true), parsed("0001-01-01T00:00:00Z", false));
}
END_TEST

START_TEST(test_http_date_is_read)
{
	int64_t at = 0;

	ck_assert(time_parse_http("Sun, 06 Nov 1994 08:49:37 GMT", &at));
	ck_assert_int_eq(at, 784111777000);
	ck_assert(!time_parse_http("Sunday, 06-Nov-94 08:49:37 GMT", &at));
	ck_assert(!time_parse_http("Sun, 06 Nov 1994 08:49:37 CET", &at));
	ck_assert(!time_parse_http("", &at));
}
END_TEST

/* Each character in turn, and each end, made one that cannot stand there. */
START_TEST(test_no_part_of_a_time_may_be_another)
{
	static const char instant[] = "2026-12-01T02:03:04.567+01:30",
	                  http[] = "Sun, 06 Nov 1994 08:49:37 GMT", date[] = "2026-12-24";
	char text[64];
	int64_t at;

	ck_assert_int_ne(parsed(instant, false), TIME_NONE);
	ck_assert(time_parse_http(http, &at));
	ck_assert(civil_parse(date, &at));
	for (const char *bad = "/x"; *bad != '\0'; bad++) {
		for (size_t i = 0; i < strlen(instant); i++) {
			snprintf(text, sizeof text, "%s", instant);
			text[i] = *bad;
			ck_assert_msg(parsed(text, false) == TIME_NONE, "%s", text);
		}
		for (size_t i = strlen("Sun,"); i < strlen(http); i++) {
			snprintf(text, sizeof text, "%s", http);
			text[i] = *bad;
			ck_assert_msg(!time_parse_http(text, &at), "%s", text);
		}
		for (size_t i = 0; i < strlen(date); i++) {
			snprintf(text, sizeof text, "%s", date);
			text[i] = *bad;
			ck_assert_msg(!civil_parse(text, &at), "%s", text);
		}
	}
	for (size_t n = 0; n < strlen(instant); n++) {
		snprintf(text, sizeof text, "%.*s", (int)n, instant);
		ck_assert_msg(parsed(text, false) == TIME_NONE, "%s", text);
	}
	for (size_t n = 0; n < strlen(http); n++) {
		snprintf(text, sizeof text, "%.*s", (int)n, http);
		ck_assert_msg(!time_parse_http(text, &at), "%s", text);
	}
	for (size_t n = 0; n < strlen(date); n++) {
		snprintf(text, sizeof text, "%.*s", (int)n, date);
		ck_assert_msg(!civil_parse(text, &at), "%s", text);
	}
}
END_TEST

START_TEST(test_dates_that_are_none_are_refused_by_each_reader)
{
	static const char *const instants[] = {"2026-00-01T02:00:00Z",      "2026-01-00T02:00:00Z",
	                                       "2026-01-01T02:00:61Z",      "2026-01-01T02:00:00+24:00",
	                                       "2026-01-01T02:00:00+01:60", "2026-01-01T02:00:00-01"};
	static const char *const https[] = {"Sun, 31 Jun 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT",
	                                    "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
	                                    "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nev 1994 08:49:37 GMT"};
	static const char *const dates[] = {"2026-00-01", "2026-13-01", "2026-01-00", "2026-02-29",
	                                    "2026-01-01x"};
	char text[TIME_TEXT_SIZE];
	int64_t at;

	for (size_t i = 0; i < sizeof instants / sizeof *instants; i++)
		ck_assert_msg(parsed(instants[i], false) == TIME_NONE, "%s", instants[i]);
	for (size_t i = 0; i < sizeof https / sizeof *https; i++)
		ck_assert_msg(!time_parse_http(https[i], &at), "%s", https[i]);
	for (size_t i = 0; i < sizeof dates / sizeof *dates; i++)
		ck_assert_msg(!civil_parse(dates[i], &at), "%s", dates[i]);
	ck_assert_int_eq(parsed("2026-01-01T02:00:00-01:30", false), parsed("2026-01-01T03:30:00Z", false));
	ck_assert_int_eq(parsed("2016-12-31t23:59:60z", false),
	                 parsed("2017-01-01 00:00:00Z", false)); /* leap second */
	ck_assert_str_eq(time_text(INT64_MAX, text), "9999-12-31T23:59:59.999Z");
	ck_assert_str_eq(time_text(INT64_C(-99999999999999), text), "9999-12-31T23:59:59.999Z");
}
END_TEST

/* The calendar repeats every 400 years, of 146097 days, which are whole weeks. */
START_TEST(test_days_and_dates_agree_before_and_after_1970)
{
	ck_assert_int_eq(civil_days(1970, 1, 1), 0);
	ck_assert_int_eq(civil_weekday(0), 4);
	for (int64_t day = -146097 * 6; day < 146097; day += 13) {
		struct civil date = civil_date(day), later = civil_date(day + 146097);

		ck_assert_int_eq(civil_days(date.year, date.month, date.day), day);
		ck_assert_int_eq(later.year, date.year + 400);
		ck_assert(later.month == date.month && later.day == date.day);
		ck_assert_int_eq(civil_weekday(day + 146097), civil_weekday(day));
		ck_assert_int_eq(civil_weekday(day + 1), (civil_weekday(day) + 1) % 7);
	}
	ck_assert_int_eq(civil_month_days(2000, 2), 29);
	ck_assert_int_eq(civil_month_days(1900, 2), 28);
}
END_TEST

/* RFC 3629, 4: what is longer than it need be, a surrogate, beyond U+10FFFF or cut short is no character. */
START_TEST(test_each_bad_byte_becomes_one_sign_and_each_good_character_stays)
{
	static const char *const good[] = {"\xc2\x80",         "\xdf\xbf",        "\xe0\xa0\x80",
	                                   "\xed\x9f\xbf",     "\xef\xbf\xbf",    "\xf0\x90\x80\x80",
	                                   "\xf1\x80\x80\x80", "\xf4\x8f\xbf\xbf"};
	static const char *const bad[] = {"\x80",
	                                  "\xc1\x80",
	                                  "\xc2",
	                                  "\xc2\x7f",
	                                  "\xc2\xc0",
	                                  "\xe0\x9f\xbf",
	                                  "\xed\xa0\x80",
	                                  "\xe1\x80",
	                                  "\xe1\x80\x7f",
	                                  "\xe1\x80\xc0",
	                                  "\xf0\x8f\xbf\xbf",
	                                  "\xf4\x90\x80\x80",
	                                  "\xf5\x80\x80\x80",
	                                  "\xf1\x80\x80\x7f"};
	struct buf b = BUF_INIT, wanted = BUF_INIT;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		buf_reset(&b);
		buf_reset(&wanted);
		buf_printf(&wanted, "\"%s\"", good[i]);
		buf_json(&b, good[i]);
		ck_assert_str_eq(b.data, wanted.data);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		buf_reset(&b);
		buf_json(&b, bad[i]);
		ck_assert_msg(strstr(b.data, "\\ufffd") == b.data + 1, "row %zu: %s", i, b.data);
	}
	buf_reset(&b);
	buf_json(&b, "\t\x7f");
	ck_assert_str_eq(b.data, "\"\\t\x7f\"");
	buf_reset(&b);
	buf_printf(&b, "%s", "");
	ck_assert_uint_eq(b.len, 0);
	buf_done(&b);
	buf_done(&wanted);
}
END_TEST

START_TEST(test_hash_and_rng_never_change)
{
	struct rng r;

	/* Stored fingerprints and committed seeds rely on these numbers. */
	ck_assert_uint_eq(hash64("", 0), 0xf52a15e9a9b5e89bu);
	ck_assert_uint_ne(hash64("a", 1), hash64("b", 1));
	rng_seed(&r, 1);
	ck_assert_uint_eq(rng_u64(&r), 0x910a2dec89025cc1u);
	for (int i = 0; i < 1000; i++) {
		ck_assert_uint_lt(rng_below(&r, 7), 7);
		ck_assert(rng_unit(&r) < 1.0);
		/* Nearly every second number is passed over. */
		ck_assert_uint_le(rng_below(&r, (UINT64_C(1) << 63) + 1), UINT64_C(1) << 63);
	}
}
END_TEST

START_TEST(test_ids_sort_by_time)
{
	char a[ID_SIZE], b[ID_SIZE], attempt[ATTEMPT_ID_SIZE];

	id_new(1000, UINT64_MAX, a);
	id_new(1001, 0, b);
	ck_assert_uint_eq(strlen(a), ID_SIZE - 1);
	ck_assert_int_lt(strcmp(a, b), 0);
	id_attempt(a, UINT32_MAX, UINT32_MAX, attempt);
	ck_assert_int_eq(strncmp(attempt, a, strlen(a)), 0);
	ck_assert(strstr(attempt, "-4294967295-4294967295") != NULL);
}
END_TEST

START_TEST(test_what_is_secret_by_its_place_is_blanked_and_nothing_beside_it)
{
	static const struct {
		const char *text, *redacted;
	} texts[] = {{"HostName=h;SharedAccessKey=abc=;x", "HostName=h;SharedAccessKey=***;x"},
	             {"SharedAccessSignature sr=h&sig=a%2Fb%3D&se=17&skn=p",
	              "SharedAccessSignature sr=h&sig=***&se=17&skn=p"},
	             {"sig=a sig=b", "sig=*** sig=***"},
	             {"Authorization: Bearer abc.def\r\nX: y", "Authorization: Bearer ***\r\nX: y"},
	             {"{\"token\":\"Bearer abc\"}", "{\"token\":\"Bearer ***\"}"},
	             {"sig=", "sig="},
	             {"sig=***", "sig=***"},
	             {"the signature of Bearers", "the signature of Bearers"},
	             {"hush-hush, hush-hush", "***, ***"}};

	secret_register("hush-hush");
	secret_register("abc"); /* too short to be told from what is none */
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct buf b = BUF_INIT;

		buf_puts(&b, texts[i].text);
		secret_redact(&b);
		ck_assert_str_eq(b.data, texts[i].redacted);
		buf_done(&b);
	}
	secret_forget_all();
}
END_TEST

START_TEST(test_secrets_never_reach_a_log_line)
{
	char path[] = "/tmp/rollcall-log-XXXXXX", line[1024] = {0};
	int fd = mkstemp(path);

	secret_register("hunter2hunter2");
	log_setup(LOG_INFO, true, fd);
	log_debug("not written");
	log_info("key read", LS("key", "hunter2hunter2"), LI("n", -3),
	         LS("cs", "HostName=h;SharedAccessKey=AAAA=;x=1"), LS("auth", "Bearer abc.def"));
	log_setup(LOG_INFO, false, STDERR_FILENO);
	secret_forget_all();
	ck_assert_int_gt(pread(fd, line, sizeof line - 1, 0), 0);
	close(fd);
	unlink(path);
	ck_assert_ptr_null(strstr(line, "hunter2"));
	ck_assert_ptr_null(strstr(line, "AAAA"));
	ck_assert_ptr_null(strstr(line, "abc.def"));
	ck_assert_ptr_null(strstr(line, "not written"));
	ck_assert_ptr_nonnull(
	        strstr(line, "\"key\":\"***\",\"n\":-3,\"cs\":\"HostName=h;SharedAccessKey=***;x=1\""));
}
END_TEST

START_TEST(test_machine_permits_only_its_table)
{
	static const struct sm_state states[] = {{"open", 1u << 1}, {"shut", 0}};
	static const struct sm sm = {"door", states, 2};

	ck_assert_uint_eq(sm_move(&sm, 0, 1), 1);
	ck_assert(!sm_permits(&sm, 1, 0));
	ck_assert(!sm_permits(&sm, 0, 9));
	ck_assert(!sm_permits(&sm, 9, 0));
	ck_assert(!sm_is_final(&sm, 9));
	ck_assert(sm_is_final(&sm, 1));
	ck_assert(!sm_is_final(&sm, 0));
}
END_TEST

START_TEST(test_a_move_that_is_not_permitted_ends_the_process)
{
	static const struct sm_state states[] = {{"open", 1u << 1}, {"shut", 0}};
	static const struct sm sm = {"door", states, 2};

	(void)sm_move(&sm, _i == 1 ? 9 : 1, _i == 2 ? 9 : 0);
}
END_TEST

START_TEST(test_every_error_has_a_text)
{
	ck_assert_str_eq(err_text(ERR_OK), "ok");
	ck_assert_str_eq(err_text(ERR_AMBIGUOUS), "may or may not have happened");
	ck_assert_str_eq(err_text((enum err)999), "unknown error");
}
END_TEST

START_TEST(test_histogram_is_told_cumulative)
{
	static const double bounds[] = {0.5, 1};
	struct histogram h;
	struct buf b = BUF_INIT;

	histogram_init(&h, bounds, 2);
	histogram_add(&h, 0.5);
	histogram_add(&h, 0.75);
	histogram_add(&h, 0.75);
	histogram_add(&h, 8);
	metrics_histogram(&b, "a_seconds", "How long.", &h);
	ck_assert_str_eq(b.data, "# HELP a_seconds How long.\n"
	                         "# TYPE a_seconds histogram\n"
	                         "a_seconds_bucket{le=\"0.5\"} 1\n"
	                         "a_seconds_bucket{le=\"1\"} 3\n"
	                         "a_seconds_bucket{le=\"+Inf\"} 4\n"
	                         "a_seconds_sum 10\n"
	                         "a_seconds_count 4\n");
	buf_done(&b);
}
END_TEST

START_TEST(test_metric_labels_are_escaped)
{
	struct buf b = BUF_INIT;

	metrics_sample(&b, "a", (const char *[]){"x", "a\"b\\c\nd", "y", "", NULL}, 12345678901234);
	ck_assert_str_eq(b.data, "a{x=\"a\\\"b\\\\c\\nd\",y=\"\"} 12345678901234\n");
	buf_done(&b);
}
END_TEST

START_TEST(test_what_a_process_cannot_see_of_itself_is_left_out)
{
	struct buf seen = BUF_INIT, blind = BUF_INIT;
	struct rlimit was, none;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){0, was.rlim_max};
	metrics_process(&seen);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	metrics_process(&blind);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	ck_assert_ptr_nonnull(strstr(seen.data, "\nprocess_start_time_seconds "));
	ck_assert_ptr_nonnull(strstr(seen.data, "\nprocess_resident_memory_bytes "));
	ck_assert_ptr_nonnull(strstr(seen.data, "\nprocess_open_fds "));
	ck_assert_ptr_nonnull(strstr(blind.data, "\nprocess_cpu_seconds_total "));
	ck_assert_ptr_nonnull(strstr(blind.data, "\nprocess_max_fds 0\n"));
	ck_assert_ptr_null(strstr(blind.data, "process_start_time_seconds"));
	ck_assert_ptr_null(strstr(blind.data, "process_resident_memory_bytes"));
	ck_assert_ptr_null(strstr(blind.data, "process_open_fds"));
	buf_done(&seen);
	buf_done(&blind);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base");
	TCase *mistakes = tcase_create("mistakes");

	TESTS(s, "buf", test_buf_dec_appends_any_number, test_buf_json_escapes_and_replaces_bad_utf8,
	      test_packed_records_read_back_and_short_ones_fail);
	TESTS(s, "clock", test_time_text_and_parse_agree, test_time_parse_refuses_what_is_no_instant,
	      test_http_date_is_read, test_no_part_of_a_time_may_be_another,
	      test_dates_that_are_none_are_refused_by_each_reader,
	      test_days_and_dates_agree_before_and_after_1970,
	      test_each_bad_byte_becomes_one_sign_and_each_good_character_stays);
	TESTS(s, "luck", test_hash_and_rng_never_change, test_ids_sort_by_time);
	TESTS(s, "log", test_what_is_secret_by_its_place_is_blanked_and_nothing_beside_it,
	      test_secrets_never_reach_a_log_line);
	TESTS(s, "metrics", test_histogram_is_told_cumulative, test_metric_labels_are_escaped,
	      test_what_a_process_cannot_see_of_itself_is_left_out);
	TESTS(s, "sm", test_machine_permits_only_its_table, test_every_error_has_a_text);
	tcase_add_loop_test_raise_signal(mistakes, test_a_move_that_is_not_permitted_ends_the_process,
	                                 SIGABRT, 0, 3);
	suite_add_tcase(s, mistakes);
	return suite_run(s);
}
