/* tests: api/assets.c: the dashboard as browsers get it. */
#include "tests/unit/api/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/assets.h"

static void start(void)
{
	server_start((struct api_options){0});
}

/* The path of a file; valid until the next call. */
static const char *file(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "/dashboard/%s/%s", assets_version(), name);
	return path;
}

/* Copies the value of the answer's ETag. */
static const char *etag_of(const struct answer *a, char out[64])
{
	const char *at = strstr(a->head, "\r\nETag: ");

	ck_assert_ptr_nonnull(at);
	ck_assert_int_eq(sscanf(at, " ETag: %63s", out), 1);
	ck_assert_msg(out[0] == '"', "weak: %s", out);
	return out;
}

START_TEST(test_the_page_is_asked_for_anew_and_what_it_names_is_kept_for_ever)
{
	const struct answer *a;

	start();
	a = ask("GET", "/", "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n", NULL);
	ck_status(a, 200);
	ck_assert(has_header(a, "Content-Type", "text/html; charset=utf-8"));
	ck_assert(has_header(a, "Cache-Control", "no-cache"));
	ck_has(a, file("style.css"));
	ck_has(a, file("app.js"));
	ck_lacks(a, "{version}");
	ck_lacks(a, "{modules}");
	a = ask("GET", file("style.css"), "Accept: text/css,*/*;q=0.1\r\n", NULL);
	ck_status(a, 200);
	ck_assert(has_header(a, "Content-Type", "text/css; charset=utf-8"));
	ck_assert(has_header(a, "Cache-Control", "public, max-age=31536000, immutable"));
	a = get(file("app.js"));
	ck_assert(has_header(a, "Content-Type", "text/javascript; charset=utf-8"));
	a = get(file("icon.svg"));
	ck_assert(has_header(a, "Content-Type", "image/svg+xml"));
	server_stop();
}
END_TEST

START_TEST(test_every_file_that_the_page_names_is_there)
{
	char *page, path[128];
	int files_n = 0;

	start();
	page = strdup(get("/")->body);
	for (const char *at = page; (at = strstr(at, "\"/dashboard/")) != NULL; at++) {
		ck_assert_int_eq(sscanf(at, "\"%127[^\"]", path), 1);
		ck_status(get(path), 200);
		files_n++;
	}
	ck_assert_int_gt(files_n, 10);
	free(page);
	server_stop();
}
END_TEST

START_TEST(test_other_versions_and_files_are_404_as_problems)
{
	static const char *const others[] = {"/dashboard", "/dashboard/", "/dashboard/0/app.js",
	                                     "/index.html", "/favicon.ico"};
	const struct answer *a;

	start();
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		a = get(others[i]);
		ck_status(a, 404);
		ck_assert(has_header(a, "Content-Type", "application/problem+json"));
	}
	a = get(file("index.html")); /* the page has one address only */
	ck_status(a, 404);
	ck_assert(has_header(a, "Cache-Control", "no-store"));
	ck_status(get(file("app.jsx")), 404);
	ck_status(ask("POST", "/", "", NULL), 405);
	ck_status(get("/?x=1"), 400);
	server_stop();
}
END_TEST

START_TEST(test_what_is_sent_is_compressed_where_that_is_taken)
{
	static const char *const takes[] = {"gzip", "deflate, GZIP;q=0.5, br", "*", "identity;q=0, *"},
	                         *const takes_not[] = {"", "gzip;q=0", "br, identity", "*;q=0",
	                                               "gzip;q=0, *"};
	char header[80], plain_tag[64], tag[64];
	const struct answer *a;
	size_t plain_len;

	start();
	a = get(file("app.js"));
	plain_len = a->len;
	etag_of(a, plain_tag);
	for (size_t i = 0; i < sizeof takes / sizeof *takes; i++) {
		snprintf(header, sizeof header, "Accept-Encoding: %s\r\n", takes[i]);
		a = ask("GET", file("app.js"), header, NULL);
		ck_status(a, 200);
		ck_assert(has_header(a, "Content-Encoding", "gzip"));
		ck_assert(has_header(a, "Vary", "Accept-Encoding"));
		ck_assert_uint_lt(a->len, plain_len);
		ck_assert_int_eq(memcmp(a->body, "\x1f\x8b", 2), 0);
		ck_assert_str_ne(etag_of(a, tag), plain_tag);
	}
	a = ask("GET", "/openapi.yaml", "Accept-Encoding: gzip\r\n", NULL);
	ck_assert(has_header(a, "Content-Encoding", "gzip"));
	ck_assert(has_header(a, "Vary", "Accept-Encoding"));
	ck_assert_int_eq(memcmp(a->body, "\x1f\x8b", 2), 0);
	for (size_t i = 0; i < sizeof takes_not / sizeof *takes_not; i++) {
		snprintf(header, sizeof header, "Accept-Encoding: %s\r\n", takes_not[i]);
		a = ask("GET", file("app.js"), header, NULL);
		ck_assert_ptr_null(strstr(a->head, "Content-Encoding"));
		ck_assert_uint_eq(a->len, plain_len);
	}
	server_stop();
}
END_TEST

START_TEST(test_what_the_browser_has_is_304_without_a_body)
{
	char tag[64], header[160];
	const struct answer *a;

	start();
	etag_of(get("/"), tag);
	snprintf(header, sizeof header, "If-None-Match: \"other\", W/%s\r\n", tag);
	a = ask("GET", "/", header, NULL);
	ck_status(a, 304);
	ck_assert_uint_eq(a->len, 0);
	ck_assert(has_header(a, "ETag", tag));
	ck_assert(has_header(a, "Cache-Control", "no-cache"));
	snprintf(header, sizeof header, "If-None-Match: %s\r\nAccept-Encoding: gzip\r\n", tag);
	ck_status(ask("GET", "/", header, NULL), 200); /* it has the plain one */
	ck_status(ask("GET", "/", "If-None-Match: \"other\"\r\n", NULL), 200);
	server_stop();
}
END_TEST

START_TEST(test_nothing_but_our_own_files_is_run_shown_or_asked)
{
	const struct answer *a;
	const char *policy;
	char *line;

	start();
	a = get("/");
	policy = strstr(a->head, "\r\nContent-Security-Policy: ");
	ck_assert_ptr_nonnull(policy);
	line = strndup(policy + 2, strcspn(policy + 2, "\r"));
	ck_assert_ptr_nonnull(strstr(line, "default-src 'none'; script-src 'self'; style-src 'self';"));
	ck_assert_ptr_nonnull(strstr(line, "connect-src 'self';"));
	ck_assert_ptr_nonnull(strstr(line, "require-trusted-types-for 'script'"));
	ck_assert_ptr_null(strstr(line, "unsafe"));
	ck_assert_ptr_null(strstr(line, "http"));
	ck_assert_ptr_null(strstr(policy + 2, "\r\nContent-Security-Policy: ")); /* once */
	free(line);
	ck_assert(has_header(a, "X-Content-Type-Options", "nosniff"));
	ck_assert(has_header(a, "Referrer-Policy", "no-referrer"));
	ck_assert(has_header(a, "Cross-Origin-Opener-Policy", "same-origin"));
	ck_assert(has_header(a, "Cross-Origin-Resource-Policy", "same-origin"));
	ck_lacks(a, "http:");
	ck_lacks(a, "https:");
	ck_lacks(a, "<style");
	ck_lacks(a, " style=");
	ck_lacks(a, " onload=");
	server_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api assets");

	TESTS(s, "files", test_the_page_is_asked_for_anew_and_what_it_names_is_kept_for_ever,
	      test_every_file_that_the_page_names_is_there, test_other_versions_and_files_are_404_as_problems,
	      test_what_is_sent_is_compressed_where_that_is_taken,
	      test_what_the_browser_has_is_304_without_a_body);
	TESTS(s, "safety", test_nothing_but_our_own_files_is_run_shown_or_asked);
	return suite_run(s);
}
