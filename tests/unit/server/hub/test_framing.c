/* tests: server/hub/framing: whatever way an answer is cut into pieces, it is read the same; what leaves a
 * doubt is broken. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/hub/framing.h"

#define BODY_MAX 100

/* Reads text in pieces of piece bytes (0: as one), and then the end of the connection if it is not over by
 * itself. Gives how many bytes belonged to the answer. */
static size_t read_in(struct framing *f, const char *text, size_t n, size_t piece)
{
	size_t at = 0;

	framing_begin(f, BODY_MAX);
	while (at < n && f->state < FRAMING_DONE) {
		size_t some = piece == 0 || piece > n - at ? n - at : piece,
		       taken = framing_take(f, text + at, some);

		ck_assert(taken == some || f->state >= FRAMING_DONE);
		at += taken;
	}
	if (f->state < FRAMING_DONE)
		framing_end(f);
	return at;
}

static void assert_read(const char *text, int status, const char *body, bool may_go_on, const char *rest)
{
	struct framing f = {0};
	size_t n = strlen(text);

	for (size_t piece = 0; piece <= n; piece++) {
		size_t taken = read_in(&f, text, n, piece);

		ck_assert_msg(f.state == FRAMING_DONE, "%s: %s", text, f.wrong);
		ck_assert_int_eq(f.status, status);
		ck_assert_uint_eq(f.body.len, strlen(body));
		ck_assert_int_eq(memcmp(f.body.data != NULL ? f.body.data : "", body, f.body.len), 0);
		ck_assert_msg(f.may_go_on == may_go_on, "%s", text);
		ck_assert_str_eq(text + taken, rest);
	}
	framing_free(&f);
}

static void assert_broken(const char *text, size_t n, const char *wrong)
{
	struct framing f = {0};

	for (size_t piece = 0; piece <= n; piece++) {
		read_in(&f, text, n, piece);
		ck_assert_msg(f.state == FRAMING_BROKEN, "%s is not broken", strchr(text, 10) + 1);
		ck_assert_msg(strstr(f.wrong, wrong) != NULL, "%s: %s", text, f.wrong);
	}
	framing_free(&f);
}

#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

START_TEST(test_answers_are_read_however_they_are_cut)
{
	assert_read(OK "Content-Length: 2\r\n\r\n{}", 200, "{}", true, "");
	assert_read("HTTP/1.1 200\r\ncontent-length:0\r\n\r\n", 200, "", true, "");
	assert_read("HTTP/1.1 200 \r\nContent-Length: 000\r\nContent-Length: 0\r\n\r\n", 200, "", true, "");
	assert_read("HTTP/1.1 204 No Content\r\n\r\n", 204, "", true, "");
	assert_read("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, "", true, "");
	assert_read(CHUNKED "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", 200, "abcde", true, "");
	assert_read(CHUNKED "0a \r\n0123456789\r\n00\r\nX: 1\r\nContent-Length: 3\r\n\r\n", 200, "0123456789",
	            true, "");
	assert_read(CHUNKED "A\t;x\r\n0123456789\r\n0\r\n\r\n", 200, "0123456789", true, "");
	assert_read(OK "Connection:\t \r\nContent-Length: 0\r\n\r\n", 200, "", true, "");
	assert_read(OK "Connection: , \t,TE ,\tclose\t, x\r\nContent-Length: 1\r\n\r\nx", 200, "x", false,
	            "");
	assert_read(OK "Connection: keep-alive, Close\r\nContent-Length: 1\r\n\r\nx", 200, "x", false, "");
	assert_read("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, "x", false, "");
	assert_read("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx", 200, "x", true,
	            "");
	assert_read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nDate: x\r\n\r\n" OK
	            "Content-Length: 2\r\n\r\nok",
	            200, "ok", true, "");
}
END_TEST

START_TEST(test_an_answer_without_a_length_goes_to_the_end_of_the_connection)
{
	assert_read("HTTP/1.1 503 Busy\r\n\r\nuntil the end", 503, "until the end", false, "");
	assert_read("HTTP/1.1 503 Busy\r\n\r\n", 503, "", false, "");
	assert_read("HTTP/1.1 503 Busy\r\nA: b\r\n\r\n\rX", 503, "\rX", false, "");
}
END_TEST

START_TEST(test_what_follows_an_answer_is_left)
{
	assert_read(OK "Content-Length: 2\r\n\r\n{}" OK, 200, "{}", true, OK);
	assert_read(CHUNKED "1\r\nx\r\n0\r\n\r\n\r\n", 200, "x", true, "\r\n");
	assert_read("HTTP/1.1 204 No Content\r\n\r\nx", 204, "", true, "x");
}
END_TEST

START_TEST(test_headers_are_captured_from_the_head_of_the_answer_only)
{
	static const char text[] =
	        "HTTP/1.1 100 Continue\r\nx-ms-request-id: no\r\n\r\n"
	        "HTTP/1.1 404 Not Found\r\nIOTHUB-ErrorCode:DeviceNotOnline \t\r\n"
	        "X-Ms-Continuation:   a b=\r\nRetry-After: 3\r\nTransfer-Encoding: Chunked\r\n\r\n"
	        "0\r\niothub-errorcode: trailer\r\n\r\n";
	struct http_answer a = {0};
	struct framing f = {0};

	read_in(&f, text, sizeof text - 1, 1);
	captured_read(&f.captured, &a);
	ck_assert_str_eq(a.error_code, "DeviceNotOnline");
	ck_assert_str_eq(a.continuation, "a b=");
	ck_assert_int_eq(a.retry_after_ms, 3000);
	ck_assert_ptr_null(a.request_id);
	framing_end(&f); /* the end of the connection comes after that of the answer */
	ck_assert_int_eq(f.state, FRAMING_DONE);
	framing_free(&f);
}
END_TEST

static int64_t retry_after(const char *value)
{
	struct buf text = BUF_INIT;
	struct http_answer a = {0};
	struct framing f = {0};

	buf_printf(&text, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: %s\r\n\r\n", value);
	read_in(&f, text.data, text.len, 0);
	captured_read(&f.captured, &a);
	framing_free(&f);
	buf_done(&text);
	return a.retry_after_ms;
}

START_TEST(test_a_date_to_come_back_at_counts_from_now_where_the_answer_has_none)
{
	ck_assert_int_gt(retry_after("Fri, 31 Dec 2249 23:59:59 GMT"), INT64_C(86400000) * 365 * 100);
	ck_assert_int_eq(retry_after("Tue, 14 May 2024 09:13:20 GMT"), 0);
	ck_assert_int_eq(retry_after("9999999999"), TIME_NONE);
	ck_assert_int_eq(retry_after("soon"), TIME_NONE);
}
END_TEST

START_TEST(test_what_leaves_a_doubt_is_broken)
{
	static const struct {
		const char *text, *wrong;
	} table[] = {
	        {"", "ended before"},
	        {"HTTP/1.1 200 O", "ended before"},
	        {OK, "ended before"},
	        {OK "Content-Length: 3\r\n\r\n{}", "ended before"},
	        {CHUNKED "3\r\nab", "ended before"},
	        {CHUNKED "3\r\nabc\r\n", "ended before"},
	        {CHUNKED "0\r\n", "ended before"},
	        {"HTTP/1.1 100 Continue\r\n\r\n", "ended before"},
	        {"HTTP/2 200 OK\r\n\r\n", "not HTTP/1.1"},
	        {"HTTP/1.2 200 OK\r\n\r\n", "not HTTP/1.1"},
	        {"HTTP/1.1  200 OK\r\n\r\n", "not HTTP/1.1"},
	        {"HTTP/1.1 20 OK\r\n\r\n", "not HTTP/1.1"},
	        {"HTTP/1.1 2000 OK\r\n\r\n", "not HTTP/1.1"},
	        {"HTTP/1.1 099 OK\r\n\r\n", "not HTTP/1.1"},
	        {"HTTP/1.1 x00 OK\r\n\r\n", "not HTTP/1.1"},
	        {"HTTP/1.1 2x0 OK\r\n\r\n", "not HTTP/1.1"},
	        {"HTTP/1.1 20x OK\r\n\r\n", "not HTTP/1.1"},
	        {"HTTP/1.1 200OK\r\n\r\n", "not HTTP/1.1"},
	        {"HTTP/1.1 20\r\n\r\n", "not HTTP/1.1"},
	        {"HTTP/1.1 \r\n\r\n", "not HTTP/1.1"},
	        {"SSH-2.0-stub\r\n\r\n", "not HTTP/1.1"},
	        {"\nHTTP/1.1 200 OK\r\n\r\n", "does not end"},
	        {"HTTP/1.1 101 Switching\r\n\r\n", "no answer to this"},
	        {"HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r\n", "no answer to this"},
	        {"HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n", "no answer to this"},
	        {OK "Content-Length: 1\n\r\n\r\nx", "does not end"},
	        {OK "A: b\nContent-Length: 1\r\n\r\nx", "does not end"},
	        {OK " folded: 1\r\n\r\n", "malformed"},
	        {OK "A: b\r\n c\r\n\r\n", "malformed"},
	        {OK "no colon\r\n\r\n", "malformed"},
	        {OK "name\r\n\r\n", "malformed"},
	        {OK "X\xc3\xa5: 1\r\n\r\n", "malformed"},
	        {OK ": no name\r\n\r\n", "malformed"},
	        {OK "A : b\r\n\r\n", "malformed"},
	        {OK "A: b\rc\r\n\r\n", "malformed"},
	        {OK "Content-Length: \r\n\r\n", "malformed"},
	        {OK "Content-Length: -1\r\n\r\n", "malformed"},
	        {OK "Content-Length: +1\r\n\r\nx", "malformed"},
	        {OK "Content-Length: 1, 1\r\n\r\nx", "malformed"},
	        {OK "Content-Length: 0x1\r\n\r\nx", "malformed"},
	        {OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxy", "malformed"},
	        {OK "Content-Length: 1234567890123456789\r\n\r\n", "malformed"},
	        {OK "Content-Length: 101\r\n\r\n", "longer than allowed"},
	        {OK "Transfer-Encoding: gzip\r\n\r\n", "malformed"},
	        {OK "Transfer-Encoding: gzip, chunked\r\n\r\n", "malformed"},
	        {OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "malformed"},
	        {OK "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", "length twice"},
	        {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "length twice"},
	        {CHUNKED "\r\n", "has no size"},
	        {CHUNKED "g\r\n", "has no size"},
	        {CHUNKED "-1\r\n", "has no size"},
	        {CHUNKED "`\r\n", "has no size"},
	        {CHUNKED "@\r\n", "has no size"},
	        {CHUNKED "G\r\n", "has no size"},
	        {CHUNKED "1;a\rb\r\nx\r\n", "has no size"},
	        {CHUNKED "000000001\r\nx\r\n", "has no size"},
	        {CHUNKED "\n", "does not end as"},
	        {CHUNKED "1x\r\n", "has no size"},
	        {CHUNKED "100000000\r\n", "has no size"},
	        {CHUNKED "1\nx\r\n", "does not end"},
	        {CHUNKED "1\r\nxy\r\n", "does not end where"},
	        {CHUNKED "65\r\n", "longer than allowed"},
	        {CHUNKED
	         "60\r\n012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345"
	         "\r\n5\r\n",
	         "longer than allowed"},
	        {CHUNKED "0\r\nbad trailer\r\n\r\n", "trailer"},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		assert_broken(table[i].text, strlen(table[i].text), table[i].wrong);
	assert_broken(CHUNKED "1;\0\r\nx", sizeof CHUNKED - 1 + 6, "has no size");
	assert_broken(OK "A: \0b\r\n\r\n", sizeof OK - 1 + 9, "malformed");
}
END_TEST

START_TEST(test_heads_trailers_and_chunk_lines_have_a_limit)
{
	struct buf text = BUF_INIT;
	struct framing f = {0};

	for (unsigned fits = 0; fits < 2; fits++) {
		buf_reset(&text);
		buf_puts(&text, OK "Content-Length: 0\r\nA: ");
		buf_printf(&text, "%0*d\r\n\r\n", (int)(FRAMING_HEAD_MAX + 1 - fits - 4 - text.len), 0);
		for (size_t piece = 0; piece < 40000; piece += 9999) {
			read_in(&f, text.data, text.len, piece);
			ck_assert_int_eq(f.state, fits ? FRAMING_DONE : FRAMING_BROKEN);
		}
		buf_reset(&text);
		buf_printf(&text, CHUNKED "0;%0*d\r\n\r\n", fits ? 252 : 253, 0);
		read_in(&f, text.data, text.len, 0);
		ck_assert_int_eq(f.state, fits ? FRAMING_DONE : FRAMING_BROKEN);
	}
	buf_reset(&text);
	buf_puts(&text, CHUNKED "0\r\n");
	for (int i = 0; i < FRAMING_HEAD_MAX / 8 + 1; i++)
		buf_puts(&text, "A: bcd\r\n");
	buf_puts(&text, "\r\n");
	read_in(&f, text.data, text.len, 0);
	ck_assert_int_eq(f.state, FRAMING_BROKEN);
	buf_done(&text);
	framing_free(&f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("framing");

	TESTS(s, "framing", test_answers_are_read_however_they_are_cut,
	      test_an_answer_without_a_length_goes_to_the_end_of_the_connection,
	      test_what_follows_an_answer_is_left, test_headers_are_captured_from_the_head_of_the_answer_only,
	      test_a_date_to_come_back_at_counts_from_now_where_the_answer_has_none,
	      test_what_leaves_a_doubt_is_broken, test_heads_trailers_and_chunk_lines_have_a_limit);
	return suite_run(s);
}
