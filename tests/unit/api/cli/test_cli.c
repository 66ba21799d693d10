/* tests: api/cli: how numbers, times and campaigns are shown, event streams taken apart, ends told. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/cli/event.h"
#include "api/cli/field.h"
#include "api/cli/text.h"
#include "api/cli/view.h"
#include "server/base/clock.h"
#include "tests/lib/suite.h"

/* Whatever put appends to out has to be expected. */
#define ck_puts(expected, put) \
	do { \
		struct buf out = BUF_INIT; \
		put; \
		ck_assert_str_eq(out.len > 0 ? out.data : "", expected); \
		buf_done(&out); \
	} while (0)

/* ---- text ---- */

START_TEST(test_counts_have_commas)
{
	ck_puts("0", text_count(&out, 0));
	ck_puts("999", text_count(&out, 999));
	ck_puts("1,000", text_count(&out, 1000));
	ck_puts("1,234,567", text_count(&out, 1234567));
	ck_puts("-1,000", text_count(&out, -1000));
	ck_puts("-100", text_count(&out, -100));
}
END_TEST

START_TEST(test_spans_have_one_or_two_units)
{
	ck_puts("0 s", text_span(&out, -5));
	ck_puts("119 s", text_span(&out, 119999));
	ck_puts("2 min", text_span(&out, 120000));
	ck_puts("59 min", text_span(&out, 3599999));
	ck_puts("1 h", text_span(&out, 3600000));
	ck_puts("3 h 20 min", text_span(&out, 12000000));
	ck_puts("2 d 4 h", text_span(&out, 187200000));
}
END_TEST

START_TEST(test_times_are_local_and_short_on_the_same_day)
{
	int64_t now_ms = INT64_C(1796090400000); /* 2026-12-01T02:00:00Z */

	setenv("TZ", "Europe/Stockholm", 1);
	tzset();
	ck_puts("03:00:00", text_time(&out, now_ms, now_ms));
	ck_puts("2026-11-30 23:59", text_time(&out, now_ms - (3 * 3600 + 1) * 1000, now_ms));
	ck_puts("-", text_time(&out, TIME_NONE, now_ms));
}
END_TEST

START_TEST(test_what_a_terminal_would_obey_is_blanked)
{
	ck_puts("a?[31mb?", text_plain(&out, "a\033[31mb\n"));
	ck_puts("Malmö ?", text_plain(&out, "Malmö \xc2\x9b"));
	ck_puts("x?", text_plain(&out, "x\x7f"));
	ck_puts("\xc2\xa0", text_plain(&out, "\xc2\xa0"));
	ck_puts("\xc2z", text_plain(&out, "\xc2z"));
}
END_TEST

START_TEST(test_bars_fill_from_the_left)
{
	ck_puts("....", text_bar(&out, 4, 0, 10, true));
	ck_puts("##..", text_bar(&out, 4, 5, 10, true));
	ck_puts("####", text_bar(&out, 4, 10, 10, true));
	ck_puts("#...", text_bar(&out, 4, 4, 10, true));
	ck_puts("█▌░░", text_bar(&out, 4, 3, 8, false));
	ck_puts("░░░░", text_bar(&out, 4, 5, 0, false));
	ck_puts("████████████████████", text_bar(&out, 20, 1000000, 1000000, false));
}
END_TEST

START_TEST(test_lines_are_cut_by_columns_and_keep_their_colors)
{
	ck_assert_uint_eq(text_columns("a\033[31mö█\033[0m", strlen("a\033[31mö█\033[0m")), 3);
	ck_puts("a\033[31mö\033[0m", (buf_puts(&out, "a\033[31mö█x\033[0m"), text_cut(&out, 0, 2)));
	ck_puts("xxab", (buf_puts(&out, "xxabcd"), text_cut(&out, 2, 2)));
	ck_puts("ab", (buf_puts(&out, "ab"), text_cut(&out, 0, 9)));
	ck_puts("", text_cut(&out, 0, 9));
	ck_assert_uint_eq(text_columns("\033x", 2), 2);   /* no sequence */
	ck_assert_uint_eq(text_columns("a\033[3", 4), 1); /* half of one */
	ck_assert_uint_eq(text_columns("a\033[\xc3\xb6m", 6), 1);
}
END_TEST

/* ---- events ---- */

static void on_event(void *arg, const char *type, const char *data)
{
	buf_printf(arg, "%s<%s> ", type, data);
}

START_TEST(test_a_stream_is_taken_apart_however_it_is_cut)
{
	static const char stream[] =
	        ": hello\nretry: 1500\n\nid: 7\nevent: target\ndata: {\"a\":1}\n\nid:8\r\ndata:x\r\ndata: y\r\n"
	        "\r\nid: 9\n\ndata: z\nunknown: 1\n\nid: 10\ndata: half\n";

	for (size_t step = 1; step < sizeof stream; step++) {
		struct buf out = BUF_INIT;
		struct event_reader r;

		event_reader_init(&r, 3, on_event, &out);
		for (size_t at = 0; at < sizeof stream - 1; at += step)
			event_reader_put(&r, stream + at,
			                 step < sizeof stream - 1 - at ? step : sizeof stream - 1 - at);
		ck_assert_str_eq(out.data, "target<{\"a\":1}> message<x\ny> message<z> ");
		ck_assert_uint_eq(r.last_id, 9); /* what is not whole does not count */
		ck_assert_uint_eq(r.retry_ms, 1500);
		event_reader_begin(&r);
		event_reader_put(&r, "data: w\n\n", 9);
		ck_assert_ptr_nonnull(strstr(out.data, "message<w> "));
		ck_assert_uint_eq(r.last_id, 9);
		event_reader_done(&r);
		buf_done(&out);
	}
}
END_TEST

START_TEST(test_fields_that_mean_nothing_are_passed_over)
{
	static const char odd[] = "id: x\nid: 5x\nid\nretry: 700000\nevent: a\ndata\ndata: b\0c\n\n";
	struct buf out = BUF_INIT, line = BUF_INIT;
	struct event_reader r;

	event_reader_init(&r, 3, on_event, &out);
	event_reader_put(&r, odd, sizeof odd - 1);
	ck_assert_str_eq(out.data, "a<\nb c> ");
	ck_assert_uint_eq(r.last_id, 3);
	ck_assert_uint_eq(r.retry_ms, 2000);
	buf_puts(&line, "data: ");
	for (size_t i = 0; i < (size_t)1 << 20; i++)
		buf_putc(&line, 'x');
	buf_puts(&line, "\n\n");
	buf_reset(&out);
	event_reader_put(&r, line.data, line.len);
	ck_assert_uint_eq(out.len,
	                  strlen("message<> ") + ((size_t)1 << 20) - strlen("data: ")); /* cut, not kept */
	event_reader_done(&r);
	buf_done(&out);
	buf_done(&line);
}
END_TEST

/* ---- campaigns ---- */

#define WAVES \
	"\"waves\":[{\"index\":0,\"name\":\"canary\",\"state\":\"passed\",\"size\":10,\"counts\":{\"total\":10," \
	"\"succeeded\":10},\"gate\":{\"soaksUntil\":null}},{\"index\":1,\"name\":null,\"state\":\"soaking\",\"size\":1990," \
	"\"counts\":{\"total\":1990,\"succeeded\":1190,\"failed\":34,\"invoking\":5,\"doubtful\":1,\"awaitingProof\":10," \
	"\"waiting\":750},\"gate\":{\"soaksUntil\":\"2026-12-01T02:05:00.000Z\"}}]"
#define CAMPAIGN \
	"{\"id\":\"c1\",\"name\":\"Kiosks\",\"state\":\"running\",\"stateReason\":null,\"finishedAt\":null," \
	"\"predictedFinishAt\":\"2026-12-01T02:04:00.000Z\",\"counts\":{\"total\":2000,\"succeeded\":1200,\"failed\":34," \
	"\"invoking\":5,\"doubtful\":1,\"awaitingProof\":10,\"waiting\":750},\"waitingBy\":{\"rate\":700,\"group\":50}," WAVES \
	"}"

static json_t *load(const char *text)
{
	json_error_t error;
	json_t *o = json_loads(text, 0, &error);

	ck_assert_msg(o != NULL, "%s: %s", error.text, text);
	return o;
}

START_TEST(test_a_campaign_is_shown_by_wave_with_rate_and_end)
{
	static const struct view_failure failures[] = {{"d-1", "refused"}, {"d-2", "noProof"}};
	struct view_options o = {.columns = 100,
	                         .is_ascii = true,
	                         .now_ms = INT64_C(1796090400000),
	                         .per_second = 12.34,
	                         .failures = failures,
	                         .failures_n = 2,
	                         .failures_all = 34,
	                         .trouble = "no answer, trying on"};
	json_t *c = load(CAMPAIGN);
	struct buf out = BUF_INIT;

	setenv("TZ", "UTC", 1);
	tzset();
	ck_assert_uint_eq(view_lines(c, &o, &out), 7);
	ck_assert_str_eq(
	        out.data,
	        "Kiosks  c1  running\n"
	        "canary #################### 100%  10 proven\n"
	        "2      ############........  61%  1,190 proven, 34 failed, 15 acting, 1 in doubt, 750 waiting; soak\n"
	        "all    ############........  61%  1,200 proven, 34 failed, 15 acting, 1 in doubt, 750 waiting\n"
	        "12.3 devices/s, finish about 02:04:00 (in 4 min); waiting: 700 for rate, 50 for group\n"
	        "failed last: d-2 noProof, d-1 refused and 32 before\n"
	        "no answer, trying on\n");
	buf_reset(&out);
	view_line(c, &o, &out);
	ck_assert_str_eq(out.data,
	                 "running 61%: 1,200 proven, 34 failed, 15 acting, 1 in doubt, 750 waiting; "
	                 "12.3 devices/s, finish about 02:04:00 (in 4 min)");
	buf_done(&out);
	json_decref(c);
}
END_TEST

START_TEST(test_what_is_not_known_is_not_shown)
{
	static const struct view_failure failure = {"d-1", "refused"};
	struct view_options o = {.columns = 100,
	                         .is_ascii = true,
	                         .now_ms = INT64_C(1796090400000),
	                         .per_second = -1,
	                         .failures = &failure,
	                         .failures_n = 1,
	                         .failures_all = 1};
	json_t *c = load(
	        "{\"id\":\"c1\",\"name\":\"n\",\"state\":\"completed\",\"finishedAt\":\"2026-12-01T01:00:00Z\","
	        "\"predictedFinishAt\":\"2026-12-01T01:00:00Z\",\"counts\":{\"total\":2},\"waitingBy\":{\"rate\":2},"
	        "\"waves\":[{\"name\":\"a wave with a name of many words\",\"state\":\"soaking\"},"
	        "{\"index\":1,\"state\":\"failed\"}]}");
	struct buf lines = BUF_INIT;

	view_lines(c, &o, &lines);
	ck_assert_str_eq(lines.data,
	                 "n  c1  completed\n"
	                 "a wave with a name o ....................   0%  no devices; soaking\n"
	                 "2                    ....................   0%  no devices; gate failed\n"
	                 "all                  ....................   0%  no devices\n"
	                 "waiting: 2 for rate\n"
	                 "failed last: d-1 refused\n");
	buf_done(&lines);
	json_decref(c);
	c = load(
	        "{\"state\":\"completed\",\"counts\":{\"total\":5,\"failed\":3,\"skipped\":2},\"failedBy\":{\"refused\":1,"
	        "\"noProof\":2},\"skippedBy\":{\"excluded\":2},\"id\":\"c1\"}");
	ck_puts("completed: 0 of 5 devices proven, failed: 1 refused, 2 noProof, skipped: 2 excluded\n"
	        "look: rollcall targets --state failed c1; again: rollcall retry c1\n",
	        view_end(c, &out));
	json_decref(c);
}
END_TEST

START_TEST(test_no_line_is_wider_than_the_terminal)
{
	json_t *c = load(CAMPAIGN);

	for (uint32_t columns = 10; columns < 140; columns++) {
		struct view_options o = {.columns = columns, .has_colors = true, .per_second = -1};
		struct buf out = BUF_INIT;
		const char *end;

		view_lines(c, &o, &out);
		for (const char *at = out.data; (end = strchr(at, '\n')) != NULL; at = end + 1)
			ck_assert_uint_lt(text_columns(at, (size_t)(end - at)), columns);
		buf_done(&out);
	}
	json_decref(c);
}
END_TEST

START_TEST(test_each_end_has_its_status)
{
	static const struct {
		const char *text;
		int status; /* -1: goes on */
		bool until_approval;
	} cases[] = {
	        {"{\"state\":\"completed\",\"counts\":{\"succeeded\":5}}", STATUS_OK, false},
	        {"{\"state\":\"completed\",\"counts\":{\"succeeded\":5,\"failed\":1,\"skipped\":2}}",
	         STATUS_FAILURES, false},
	        {"{\"state\":\"completed\",\"counts\":{\"skipped\":3},\"skippedBy\":{\"excluded\":2,\"alreadyDone\":1}}",
	         STATUS_OK, false},
	        {"{\"state\":\"completed\",\"counts\":{\"skipped\":3},\"skippedBy\":{\"excluded\":2,\"notFound\":1}}",
	         STATUS_SKIPPED, false},
	        {"{\"state\":\"cancelled\"}", STATUS_CANCELLED, false},
	        {"{\"state\":\"failed\"}", STATUS_CANCELLED, false},
	        {"{\"state\":\"paused\",\"stateReason\":\"paused by eva\"}", -1, true},
	        {"{\"state\":\"paused\",\"stateReason\":\"abort rule: 3 failed by noProof\"}", STATUS_PAUSED,
	         false},
	        {"{\"state\":\"awaitingApproval\"}", -1, false},
	        {"{\"state\":\"awaitingApproval\"}", STATUS_APPROVAL, true},
	        {"{\"state\":\"running\"}", -1, true},
	        {"{\"state\":\"cancelling\"}", -1, false},
	        {"{\"state\":\"selecting\"}", -1, false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *c = load(cases[i].text);
		enum status status = STATUS_USAGE;
		bool is_over = view_is_over(c, cases[i].until_approval, &status);

		ck_assert_msg((is_over ? (int)status : -1) == cases[i].status, "%s: %d", cases[i].text,
		              (int)status);
		json_decref(c);
	}
}
END_TEST

START_TEST(test_the_end_says_what_can_be_done)
{
	json_t *c = load(
	        "{\"id\":\"c1\",\"state\":\"paused\",\"stateReason\":\"the gate of wave canary failed\",\"counts\":"
	        "{\"total\":10,\"succeeded\":3,\"failed\":2},\"failedBy\":{\"refused\":2},"
	        "\"waves\":[{\"state\":\"failed\"}]}");

	ck_puts("paused (the gate of wave canary failed): 3 of 10 devices proven, failed: 2 refused\n"
	        "go on: rollcall resume c1; past the gate: rollcall approve --override c1; or: rollcall cancel c1\n",
	        view_end(c, &out));
	json_decref(c);
	c = load(
	        "{\"id\":\"c1\",\"state\":\"completed\",\"counts\":{\"total\":1200,\"succeeded\":1199,\"failed\":1},"
	        "\"failedBy\":{\"noProof\":1}}");
	ck_puts("completed: 1,199 of 1,200 devices proven, failed: 1 noProof\n"
	        "look: rollcall targets --state failed c1; again: rollcall retry c1\n",
	        view_end(c, &out));
	json_decref(c);
}
END_TEST

START_TEST(test_members_that_are_not_there_are_nothing_special)
{
	json_t *o = load("{\"a\":{\"b\":\"2026-12-01T02:00:00.000Z\",\"n\":7,\"x\":null}}");

	ck_assert_int_eq(field_time(o, "a.b"), INT64_C(1796090400000));
	ck_assert_int_eq(field_int(o, "a.n"), 7);
	ck_assert_int_eq(field_time(o, "a.x"), TIME_NONE);
	ck_assert_str_eq(field_text(o, "a.n"), "");
	ck_assert_str_eq(field_text(o, "a.b.c.d"), "");
	ck_assert_ptr_null(field(o, "z.a"));
	ck_assert_ptr_null(field(NULL, "z"));
	json_decref(o);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api cli");

	TESTS(s, "text", test_counts_have_commas, test_spans_have_one_or_two_units,
	      test_times_are_local_and_short_on_the_same_day, test_what_a_terminal_would_obey_is_blanked,
	      test_bars_fill_from_the_left, test_lines_are_cut_by_columns_and_keep_their_colors);
	TESTS(s, "events", test_a_stream_is_taken_apart_however_it_is_cut,
	      test_fields_that_mean_nothing_are_passed_over);
	TESTS(s, "campaigns", test_a_campaign_is_shown_by_wave_with_rate_and_end,
	      test_what_is_not_known_is_not_shown, test_no_line_is_wider_than_the_terminal,
	      test_each_end_has_its_status, test_the_end_says_what_can_be_done,
	      test_members_that_are_not_there_are_nothing_special);
	return suite_run(s);
}
