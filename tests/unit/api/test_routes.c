/* tests: api/routes.c and what all requests share: status codes, roles, headers, the description. */
#include "tests/unit/api/harness.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/assets.h"
#include "api/problem.h"
#include "api/routes.h"

#define JSON_HEADER "Content-Type: application/json\r\n"

static void start(void)
{
	server_start((struct api_options){0});
	fake_store_add_campaign(store, "c1", "{\"name\":\"n\"}");
	fake_store_add_target(store, 1, "d1");
}

static void start_with_tokens(void)
{
	server_start((struct api_options){.tokens_file = tokens_file(TOKENS)});
	fake_store_add_campaign(store, "c1", "{\"name\":\"n\"}");
	fake_store_add_target(store, 1, "d1");
}

/* What stands for a part that a pattern leaves open. */
static const char *part_of(const char *pattern)
{
	if (strncmp(pattern, "{id}", 4) == 0)
		return "c1";
	if (strncmp(pattern, "{version}", 9) == 0)
		return assets_version();
	return strncmp(pattern, "{file}", 6) == 0 ? "app.js" : "d1";
}

/* Writes pattern with its parts filled in. */
static const char *path_of(const char *pattern, char out[128])
{
	size_t n = 0;

	while (*pattern != '\0') {
		if (*pattern == '{') {
			n += (size_t)snprintf(out + n, 128 - n, "%s", part_of(pattern));
			pattern += strcspn(pattern, "}") + 1;
		} else {
			out[n++] = *pattern++;
		}
	}
	out[n] = '\0';
	return out;
}

static const struct answer *ask_route(const struct route *route, const char *token)
{
	char path[128], headers[160] = JSON_HEADER;
	bool has_body = route->body != BODY_IGNORED;

	if (token != NULL)
		snprintf(headers, sizeof headers, JSON_HEADER "Authorization: Bearer %s\r\n", token);
	return ask(route->method, path_of(route->pattern, path), headers, has_body ? "{}" : NULL);
}

START_TEST(test_each_role_may_do_what_its_routes_and_lesser_ones_say)
{
	size_t n;
	const struct route *routes = routes_all(&n);

	start_with_tokens();
	for (size_t i = 0; i < n; i++) {
		for (enum role role = ROLE_METRICS; role <= ROLE_ADMIN; role++) {
			const struct answer *a;
			char token[32];

			snprintf(token, sizeof token, "%s-token", role_text(role));
			a = ask_route(&routes[i], token);
			if (role < routes[i].role)
				ck_status(a, 403);
			else
				ck_assert_msg(a->status != 401 && a->status != 403 && a->status < 500,
				              "%s %s as %s: %u", routes[i].method, routes[i].pattern,
				              role_text(role), a->status);
		}
	}
	server_stop();
}
END_TEST

START_TEST(test_without_a_known_token_only_public_routes_answer)
{
	size_t n;
	const struct route *routes = routes_all(&n);

	start_with_tokens();
	for (size_t i = 0; i < n; i++) {
		const struct answer *a = ask_route(&routes[i], NULL);

		ck_status(a, routes[i].role == ROLE_NONE ? 200 : 401);
		if (a->status != 401)
			continue;
		ck_assert(has_header(a, "WWW-Authenticate", "Bearer realm=\"rollcall\""));
		a = ask_route(&routes[i], "viewer-tokeN");
		ck_status(a, 401);
		ck_assert(has_header(a, "WWW-Authenticate",
		                     "Bearer realm=\"rollcall\", error=\"invalid_token\""));
		ck_has(a, "\"code\":\"unauthenticated\"");
	}
	ck_status(ask("GET", "/v1/hubs", "Authorization: Basic dmlld2VyOnZpZXdlcg==\r\n", NULL), 401);
	ck_status(ask("GET", "/v1/hubs", "Authorization: Bearer\r\n", NULL), 401);
	ck_status(ask("GET", "/v1/hubs", "Authorization: bearer viewer-token\r\n", NULL), 200);
	server_stop();
}
END_TEST

START_TEST(test_reloaded_tokens_count_at_once_and_a_broken_file_changes_nothing)
{
	char *reason = NULL;

	start_with_tokens();
	tokens_file("[{\"name\":\"x\"");
	ck_assert_int_eq(api_reload_tokens(api, &reason), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(reason, "line 1"));
	free(reason);
	ck_status(ask("GET", "/v1/hubs", "Authorization: Bearer viewer-token\r\n", NULL), 200);
	tokens_file("[{\"name\":\"boss\",\"role\":\"admin\",\"sha256\":"
	            "\"10A4C7C9FC5206D6F36DC6944A81BB6F4A3CB0E25014AE3B12E6C3E52712292A\"}]");
	ck_assert_int_eq(api_reload_tokens(api, &reason), ERR_OK);
	ck_status(ask("GET", "/v1/hubs", "Authorization: Bearer viewer-token\r\n", NULL), 401);
	ck_status(ask("GET", "/v1/hubs", "Authorization: Bearer admin-token\r\n", NULL), 200);
	server_stop();
}
END_TEST

START_TEST(test_without_tokens_a_foreign_host_is_refused)
{
	static const char *const ours[] = {"localhost", "LOCALHOST:80", "127.0.0.1:9",
	                                   "127.8.9.1", "[::1]:8080",   "[::1]"};
	static const char *const foreign[] = {
	        "evil.example",
	        "localhost.evil.example",
	        "127.0.0.1.evil.example",
	        "10.0.0.1:8080",
	        "[::2]",
	        "",
	        "0.0.0.0",
	        "[::1",
	        "::1x",
	        "[::1]x",
	        "[::1]:8x",
	        "[localhost]",
	        "localhost:80x",
	        "127.0.0.1x",
	        "localhost.of.a.name.that.is.longer.than.what.is.looked.at.here"};
	struct answer old;
	struct client c;
	char header[80];

	start();
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
		snprintf(header, sizeof header, "Host: %s\r\n", ours[i]);
		ck_status(ask("GET", "/v1/hubs", header, NULL), 200);
	}
	for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
		const struct answer *a;

		snprintf(header, sizeof header, "Host: %s\r\n", foreign[i]);
		a = ask("GET", "/livez", header, NULL);
		ck_assert_msg(a->status == 403 || (foreign[i][0] == '\0' && a->status == 400), "%s: %u",
		              foreign[i], a->status);
		ck_has(a, a->status == 403 ? "\"code\":\"foreignHost\"" : "\"code\":\"malformedRequest\"");
	}
	ck_status(ask("GET", "/v1/hubs", "Host: localhost\r\nHost: localhost\r\n", NULL), 400);
	client_open(&c); /* which may leave it out, */
	ck_assert(client_send(&c, "GET /livez HTTP/1.0\r\n\r\n"));
	client_answer(&c, false, &old);
	ck_status(&old, 403); /* but who does so here is no browser of ours */
	ck_has(&old, "\"code\":\"foreignHost\"");
	answer_done(&old);
	client_close(&c);
	server_stop();
}
END_TEST

START_TEST(test_without_tokens_another_site_gives_no_orders)
{
	const struct answer *a;

	start();
	a = ask("POST", "/v1/campaigns/c1/pause", "Host: localhost:1\r\nOrigin: http://evil.example\r\n", "");
	ck_status(a, 403);
	ck_has(a, "\"code\":\"foreignOrigin\"");
	ck_status(ask("POST", "/v1/campaigns/c1/pause", "Host: localhost:1\r\nOrigin: null\r\n", ""), 403);
	ck_assert_uint_eq(conductor.orders_n, 0);
	ck_status(ask("POST", "/v1/campaigns/c1/pause", "Host: localhost:1\r\nOrigin: http://localhost:1\r\n",
	              ""),
	          200);
	server_stop();
}
END_TEST

START_TEST(test_with_tokens_any_host_is_served)
{
	start_with_tokens();
	ck_status(ask("GET", "/v1/hubs", "Host: rollcall.example\r\nAuthorization: Bearer viewer-token\r\n",
	              NULL),
	          200);
	server_stop();
}
END_TEST

START_TEST(test_unknown_paths_are_404_and_other_methods_405_with_allow)
{
	static const char *const unknown[] = {"/v1",
	                                      "/v1/",
	                                      "/v1/campaigns/",
	                                      "/v1//campaigns",
	                                      "//v1/campaigns",
	                                      "/v1/campaigns/c1/",
	                                      "/v1/campaigns/../hubs",
	                                      "/v1/campaigns/%2e%2e/events",
	                                      "/v1/campaigns/./events",
	                                      "/v1/campaigns//events",
	                                      "/v1/campaigns/c1/targets/d1/x",
	                                      "/V1/campaigns",
	                                      "/v1/campaigns/preview/x",

	                                      "/v1/schedules/s1/campaigns",
	                                      "/v1/devices/d1",
	                                      "/v1/campaigns/c1/plans"};
	const struct answer *a;

	start();
	for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
		ck_status(get(unknown[i]), 404);
	a = ask("DELETE", "/v1/campaigns", "", NULL);
	ck_status(a, 405);
	ck_assert(has_header(a, "Allow", "POST, GET, HEAD"));
	a = ask("OPTIONS", "/v1/campaigns/c1", "", NULL);
	ck_status(a, 405);
	ck_assert(has_header(a, "Allow", "GET, HEAD, PATCH, DELETE"));
	a = get("/v1/campaigns/c1/pause");
	ck_status(a, 405);
	ck_assert(has_header(a, "Allow", "POST"));
	ck_status(ask("BREW", "/v1/hubs", "", NULL), 405);
	server_stop();
}
END_TEST

#define MANY_PARAMS \
	"/v1/campaigns?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q&r&s&t&u&v&w&x&y&z&A&B&C&D&E&F&G&H&I&J&K&L&M&N&O&P"

START_TEST(test_broken_targets_are_400)
{
	static const char *const broken[] = {"/v1/campaigns/%",
	                                     "/v1/campaigns/%4",
	                                     "/v1/campaigns/%zz",
	                                     "/v1/campaigns/a%2Fb",
	                                     "/v1/campaigns/%00",
	                                     "/v1/campaigns/c#x",
	                                     "v1/campaigns",
	                                     "*",
	                                     "/v1/campaigns?name=%",
	                                     "/v1/campaigns?a=1&a=2",
	                                     "/v1/campaigns/%g0",
	                                     "/v1/campaigns/%0g",
	                                     "/v1/campaigns/%:0",
	                                     "/v1/campaigns/%0`",
	                                     "/v1/campaigns?%=1",
	                                     "/v1/campaigns?a=%00",
	                                     "/v1/campaigns/\x7f",
	                                     MANY_PARAMS,
	                                     "/v1/campaigns?cursor=1",
	                                     "/v1/campaigns?cursor=1.2.3",
	                                     "/v1/campaigns?cursor=1.x.y",
	                                     "/v1/campaigns/\xc3\xa9"};

	start();
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
		const struct answer *a = get(broken[i]);

		ck_assert_msg(a->status == 400, "%s: %u", broken[i], a->status);
	}
	server_stop();
}
END_TEST

START_TEST(test_unknown_parameters_are_refused_all_by_name)
{
	const struct answer *a;

	start();
	a = get("/v1/campaigns?foo=1&state=running&b%61r");
	ck_status(a, 400);
	ck_has(a, "\"code\":\"invalidParameter\"");
	ck_has(a, "\"errors\":[{\"parameter\":\"foo\",\"detail\":\"is not known here\"},"
	          "{\"parameter\":\"bar\",\"detail\":\"is not known here\"}]");
	ck_has(get("/v1/hubs?=1"), "\"errors\":[{\"parameter\":\"\",\"detail\":\"is not known here\"}]");
	ck_status(get("/v1/hubs?limit=1"), 400);
	ck_status(get("/livez?x"), 400);
	ck_status(get("/v1/campaigns?&limit=1&&state=running&"), 200);
	server_stop();
}
END_TEST

START_TEST(test_what_is_not_accepted_is_406)
{
	const struct answer *a;

	start();
	a = ask("GET", "/v1/hubs", "Accept: text/event-stream\r\n", NULL);
	ck_status(a, 406);
	ck_has(a, "\"detail\":\"only application/json is served here\",\"code\":\"notAcceptable\"");
	ck_status(ask("GET", "/v1/campaigns/c1/groups", "Accept: text/csv\r\n", NULL), 406);
	ck_status(ask("GET", "/v1/hubs", "Accept: text/html\r\n", NULL), 406);
	ck_status(ask("GET", "/v1/hubs", "Accept: application/json;q=0, */*\r\n", NULL), 406);
	ck_status(ask("GET", "/v1/hubs", "Accept: application/jsonx\r\n", NULL), 406);
	ck_status(ask("GET", "/v1/hubs", "Accept: text/html, application/*;q=0.5\r\n", NULL), 200);
	ck_status(ask("GET", "/v1/hubs", "Accept: Application/JSON; charset=utf-8\r\n", NULL), 200);
	ck_status(ask("GET", "/v1/hubs", "Accept: text/event-stream, application/json\r\n", NULL), 200);
	ck_status(ask("GET", "/v1/hubs", "Accept: *\r\n", NULL), 406);
	ck_status(ask("GET", "/v1/hubs", "Accept: */*\r\n", NULL), 200);
	ck_status(ask("GET", "/v1/hubs", "Accept: \r\n", NULL), 200);
	ck_status(ask("GET", "/v1/hubs", "Accept: application/json;q=9\r\n", NULL), 200);
	ck_status(ask("GET", "/v1/hubs", "Accept: application/json;q=-1\r\n", NULL), 406);
	ck_status(ask("GET", "/v1/hubs", "Accept: application/jsom, applicatiom/*, applications/*, a*b\r\n",
	              NULL),
	          406);
	a = ask("GET", "/v1/campaigns", "Accept: text/html\r\n", NULL); /* POST is served there, too */
	ck_status(a, 406);
	ck_has(a, "\"detail\":\"only application/json is served here\"");
	server_stop();
}
END_TEST

START_TEST(test_bodies_need_length_and_json_type)
{
	const struct answer *a;

	start();
	a = ask("POST", "/v1/campaigns", JSON_HEADER, NULL);
	ck_status(a, 411);
	ck_has(a, "\"code\":\"lengthRequired\"");
	a = ask("POST", "/v1/campaigns", "Content-Type: text/plain\r\n", SOUND);
	ck_status(a, 415);
	ck_has(a, "\"code\":\"unsupportedMediaType\"");
	ck_status(ask("POST", "/v1/campaigns", "", SOUND), 415);
	ck_status(ask("POST", "/v1/campaigns", "Content-Type: application/json; charset=latin1\r\n", SOUND),
	          415);
	ck_status(ask("POST", "/v1/campaigns", "Content-Type: application/jsonp\r\n", SOUND), 415);
	ck_status(ask("POST", "/v1/campaigns", "Content-Type: application/JSON; charset=UTF-8\r\n", SOUND),
	          201);
	ck_status(ask("POST", "/v1/campaigns", "Content-Type: application/json;charset=\"utf-8\"\r\n", SOUND),
	          201);
	server_stop();
}
END_TEST

START_TEST(test_a_body_whose_end_is_said_twice_is_refused_with_the_connection)
{
	static const char *const twice[] = {"Content-Length: 2\r\nContent-Length: 2\r\n",
	                                    "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
	                                    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"};
	struct buf request = BUF_INIT;
	struct answer a;
	struct client c;

	start();
	for (size_t i = 0; i < sizeof twice / sizeof *twice; i++) {
		buf_reset(&request);
		buf_printf(
		        &request,
		        "POST /v1/campaigns/c1/pause HTTP/1.1\r\nHost: localhost\r\n" JSON_HEADER
		        "%s\r\n2\r\n{}\r\n0\r\n\r\nPOST /v1/campaigns/c1/cancel HTTP/1.1\r\nHost: localhost\r\n\r\n",
		        twice[i]);
		client_open(&c);
		ck_assert(client_send_n(&c, request.data, request.len));
		client_answer(&c, false, &a);
		ck_status(&a, 400);
		client_wait_closed(&c);
		ck_assert_uint_eq(c.in.len, 0);
		answer_done(&a);
		client_close(&c);
	}
	ck_assert_uint_eq(conductor.orders_n, 0);
	buf_done(&request);
	server_stop();
}
END_TEST

START_TEST(test_orders_take_no_body_or_an_empty_object)
{
	const struct answer *a;

	start();
	ck_status(ask("POST", "/v1/campaigns/c1/pause", "", NULL), 200);
	ck_status(ask("POST", "/v1/campaigns/c1/pause", "", ""), 200);
	ck_status(post("/v1/campaigns/c1/pause", " { } "), 200);
	ck_assert_uint_eq(conductor.orders_n, 3);
	a = post("/v1/campaigns/c1/pause", "{\"force\":true,\"x\":1}");
	ck_status(a, 422);
	ck_has(a, "unknown member force");
	ck_has(a, "unknown member x");
	ck_status(post("/v1/campaigns/c1/pause", "[]"), 422);
	a = post("/v1/campaigns/c1/pause", "{,}");
	ck_status(a, 400);
	ck_has(a, "\"code\":\"notJson\"");
	ck_status(ask("POST", "/v1/campaigns/c1/pause", "Content-Type: text/plain\r\n", "{}"), 415);
	ck_assert_uint_eq(conductor.orders_n, 3);
	server_stop();
}
END_TEST

START_TEST(test_every_answer_has_the_security_headers_and_no_server_header)
{
	const struct answer *a;

	start();
	for (int i = 0; i < 4; i++) {
		a = i == 0   ? get("/v1/hubs")
		    : i == 1 ? get("/nothing")
		    : i == 2 ? post("/v1/campaigns", "{")
		             : get("/openapi.yaml");
		ck_assert(has_header(a, "X-Content-Type-Options", "nosniff"));
		ck_assert(has_header(a, "Referrer-Policy", "no-referrer"));
		ck_assert(has_header(a, "Cross-Origin-Resource-Policy", "same-origin"));
		ck_assert(has_header(a, "Cache-Control", "no-store"));
		ck_assert(has_header(a, "Content-Security-Policy",
		                     "default-src 'none'; frame-ancestors 'none'"));
		ck_assert_ptr_nonnull(strstr(a->head, "\r\nX-Request-Id: "));
		ck_assert_ptr_null(strcasestr(a->head, "\r\nServer:"));
	}
	server_stop();
}
END_TEST

#define LONG_ID \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

START_TEST(test_a_plain_request_id_comes_back_and_any_other_is_replaced)
{
	const struct answer *a;

	start();
	ck_assert(has_header(ask("GET", "/livez", "X-Request-Id: abc-1.2_Z\r\n", NULL), "X-Request-Id",
	                     "abc-1.2_Z"));
	a = ask("GET", "/livez", "X-Request-Id: a b\r\n", NULL);
	ck_assert_ptr_nonnull(strstr(a->head, "\r\nX-Request-Id: "));
	ck_assert(!has_header(a, "X-Request-Id", "a b"));
	a = ask("GET", "/livez", "X-Request-Id: \r\n", NULL);
	ck_assert(!has_header(a, "X-Request-Id", ""));
	a = ask("GET", "/livez", "X-Request-Id: " LONG_ID "\r\n", NULL);
	ck_assert_ptr_nonnull(strstr(a->head, "\r\nX-Request-Id: "));
	ck_assert(!has_header(a, "X-Request-Id", LONG_ID));
	server_stop();
}
END_TEST

START_TEST(test_head_is_get_without_its_body)
{
	const struct answer *a;
	char length[32];

	start();
	a = get("/v1/campaigns/c1");
	snprintf(length, sizeof length, "%zu", a->len);
	a = ask("HEAD", "/v1/campaigns/c1", "", NULL);
	ck_status(a, 200);
	ck_assert(has_header(a, "Content-Length", length));
	ck_assert(has_header(a, "ETag", "\"1\""));
	ck_status(ask("HEAD", "/v1/campaigns/none", "", NULL), 404);
	ck_status(ask("HEAD", "/v1/campaigns/c1/pause", "", NULL), 405);
	server_stop();
}
END_TEST

START_TEST(test_draining_refuses_orders_and_readiness_but_not_reads)
{
	const struct answer *a;

	start();
	ck_has(get("/readyz"), "{\"status\":\"ready\"}");
	conductor.is_draining = true;
	a = post("/v1/campaigns", SOUND);
	ck_status(a, 503);
	ck_assert(has_header(a, "Retry-After", "10"));
	ck_has(a, "\"code\":\"draining\"");
	ck_status(post("/v1/campaigns/c1/cancel", ""), 503);
	a = get("/readyz");
	ck_status(a, 503);
	ck_assert(has_header(a, "Retry-After", "10"));
	ck_has(get("/livez"), "{\"status\":\"live\"}");
	ck_status(get("/v1/campaigns/c1"), 200);
	server_stop();
}
END_TEST

START_TEST(test_a_failing_store_is_500_and_a_busy_one_503)
{
	static const char *const paths[] = {"/v1/campaigns",
	                                    "/v1/campaigns/c1",
	                                    "/v1/campaigns/c1/targets",
	                                    "/v1/campaigns/c1/targets/d1",
	                                    "/v1/campaigns/c1/groups",
	                                    "/v1/campaigns/c1/plan",
	                                    "/v1/campaigns/c1/progress",
	                                    "/v1/devices/d1/history",
	                                    "/v1/events",
	                                    "/v1/campaigns/c1/events",
	                                    "/v1/schedules",
	                                    "/v1/schedules/s1",
	                                    "/v1/device-lists/tills",
	                                    "/v1/audit"};
	const struct answer *a;

	start();
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		fake_store_fail(store, ERR_IO);
		a = get(paths[i]);
		ck_status(a, 500);
		ck_has(a, "\"detail\":\"input or output failed\",\"code\":\"internal\"");
		fake_store_fail(store, ERR_BUSY);
		a = get(paths[i]);
		ck_status(a, 503);
		ck_assert(has_header(a, "Retry-After", "1"));
	}
	server_stop();
}
END_TEST

START_TEST(test_a_page_of_no_size_or_from_nowhere_is_refused_by_every_list)
{
	static const char *const lists[] = {"/v1/campaigns",
	                                    "/v1/campaigns/c1/targets",
	                                    "/v1/campaigns/c1/groups",
	                                    "/v1/devices/d1/history",
	                                    "/v1/schedules",
	                                    "/v1/device-lists/tills",
	                                    "/v1/audit",
	                                    "/v1/webhooks/w/dead-letters"};
	char path[96];

	start();
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
		snprintf(path, sizeof path, "%s?limit=0&cursor=x", lists[i]);
		ck_status(get(path), 400);
		ck_has(get(path), "{\"parameter\":\"limit\",");
		ck_has(get(path), "{\"parameter\":\"cursor\",");
	}
	server_stop();
}
END_TEST

START_TEST(test_a_problem_is_a_whole_document)
{
	const struct answer *a;

	start();
	a = get("/v1/campaigns/none");
	ck_status(a, 404);
	ck_assert(has_header(a, "Content-Type", "application/problem+json"));
	ck_assert_str_eq(a->body,
	                 "{\"type\":\"urn:rollcall:problem:notFound\",\"title\":\"There is no such thing\","
	                 "\"status\":404,\"detail\":\"there is no such campaign\",\"code\":\"notFound\"}\n");
	server_stop();
}
END_TEST

START_TEST(test_hubs_are_shown_with_quota_use_and_trouble)
{
	start();
	conductor.hub.calls_per_minute = 120;
	conductor.hub.pace_per_minute = 96;
	conductor.hub.state = "throttled";
	conductor.hub.throttled_at_ms = 1500;
	conductor.hub.last_error = "429";
	conductor.hub.query_lag_seen_ms = 0;
	ck_assert_str_eq(
	        get("/v1/hubs")->body,
	        "{\"value\":[{\"name\":\"main\",\"sku\":\"S1\",\"units\":2,\"reservePercent\":10,\"state\":\"throttled\","
	        "\"stateSince\":\"1970-01-01T00:00:01.000Z\",\"stateUntil\":null,"
	        "\"quota\":{\"callsPerMinute\":120,\"messagesPerDay\":null,\"messagesToday\":0},"
	        "\"inUse\":{\"inFlight\":0,\"queued\":0,\"watched\":0,\"callsPerMinute\":96},"
	        "\"sinceStart\":{\"calls\":0,\"throttled\":0,\"pages\":0,\"reads\":0},"
	        "\"throttledSince\":\"1970-01-01T00:00:01.000Z\",\"throttledAt\":\"1970-01-01T00:00:01.500Z\","
	        "\"lastError\":\"429\",\"lastErrorAt\":null,\"clockOffsetMs\":0,\"queryLagMs\":0}]}");
	server_stop();
}
END_TEST

/* ---- the description ---- */

/* Appends "method path role\n" for each operation in the description, whose indentation is fixed. */
static void put_described(const char *yaml, struct buf *out)
{
	char path[128] = "", method[16] = "", role[16];

	for (; *yaml != '\0' && strncmp(yaml, "components:", 11) != 0; yaml += strcspn(yaml, "\n") + 1) {
		if (strncmp(yaml, "  /", 3) == 0)
			sscanf(yaml, " %127[^: ]", path);
		else if (strncmp(yaml, "    ", 4) == 0 && yaml[4] != ' ')
			sscanf(yaml, " %15[a-z]", method);
		else if (sscanf(yaml, " x-role: %15s", role) == 1)
			buf_printf(out, "%s %s %s\n", method, path, role);
	}
}

static bool is_line_of(const char *line, const char *text)
{
	const char *at = strstr(text, line);

	return at != NULL && (at == text || at[-1] == '\n');
}

START_TEST(test_openapi_describes_exactly_the_routes_and_their_roles)
{
	size_t n, described_n = 0, routes_n = 0; /* representations of one are rows one behind the other */
	const struct route *routes = routes_all(&n);
	struct buf described = BUF_INIT;
	const struct answer *a;
	char line[160];

	start();
	a = get("/openapi.yaml");
	ck_status(a, 200);
	ck_assert(has_header(a, "Content-Type", "application/yaml"));
	put_described(strstr(a->body, "\npaths:\n") + 1, &described);
	for (size_t i = 0; i < n; i++) {
		snprintf(line, sizeof line, "%s %s %s\n", routes[i].method, routes[i].pattern,
		         role_text(routes[i].role));
		for (char *c = line; *c != ' '; c++)
			*c = (char)tolower((unsigned char)*c);
		ck_assert_msg(is_line_of(line, described.data), "not described: %s", line);
		routes_n += i == 0 || strcmp(routes[i - 1].pattern, routes[i].pattern) != 0 ||
		            strcmp(routes[i - 1].method, routes[i].method) != 0;
		if (routes[i].type != NULL)
			ck_has(a, routes[i].type);
	}
	for (const char *c = described.data; *c != '\0'; c++)
		described_n += *c == '\n';
	ck_assert_uint_eq(described_n, routes_n);
	buf_done(&described);
	server_stop();
}
END_TEST

START_TEST(test_openapi_names_every_problem_code_and_query_parameter)
{
	static const char *const codes[] = {
#define X(name, status, code, title) code,
	        PROBLEMS(X)
#undef X
	};
	size_t n;
	const struct route *routes = routes_all(&n);
	const struct answer *a;
	char text[64];

	start();
	a = get("/openapi.yaml");
	for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
		ck_has(a, codes[i]);
	for (size_t i = 0; i < n; i++) {
		for (const char *p = routes[i].params; *p != '\0'; p += strcspn(p, " ") + 1) {
			snprintf(text, sizeof text, "name: %.*s\n", (int)strcspn(p, " "), p);
			ck_has(a, text);
		}
	}
	server_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api routes");

	TESTS(s, "who", test_each_role_may_do_what_its_routes_and_lesser_ones_say,
	      test_without_a_known_token_only_public_routes_answer,
	      test_reloaded_tokens_count_at_once_and_a_broken_file_changes_nothing,
	      test_without_tokens_a_foreign_host_is_refused, test_without_tokens_another_site_gives_no_orders,
	      test_with_tokens_any_host_is_served);
	TESTS(s, "what", test_unknown_paths_are_404_and_other_methods_405_with_allow,
	      test_broken_targets_are_400, test_unknown_parameters_are_refused_all_by_name,
	      test_what_is_not_accepted_is_406, test_bodies_need_length_and_json_type,
	      test_a_body_whose_end_is_said_twice_is_refused_with_the_connection,
	      test_orders_take_no_body_or_an_empty_object,
	      test_every_answer_has_the_security_headers_and_no_server_header,
	      test_a_plain_request_id_comes_back_and_any_other_is_replaced, test_head_is_get_without_its_body,
	      test_draining_refuses_orders_and_readiness_but_not_reads,
	      test_a_failing_store_is_500_and_a_busy_one_503,
	      test_a_page_of_no_size_or_from_nowhere_is_refused_by_every_list,
	      test_a_problem_is_a_whole_document, test_hubs_are_shown_with_quota_use_and_trouble);
	TESTS(s, "description", test_openapi_describes_exactly_the_routes_and_their_roles,
	      test_openapi_names_every_problem_code_and_query_parameter);
	return suite_run(s);
}
