/* tests: api/campaigns.c: making campaigns, once and again; orders; lists. */
#include "tests/unit/api/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/hash.h"

#define JSON_HEADER "Content-Type: application/json\r\n"
#define DAY_MS ((int64_t)24 * 3600 * 1000)

static void start(void)
{
	server_start((struct api_options){0});
}

static const struct answer *post_keyed(const char *key, const char *body)
{
	char headers[512];

	snprintf(headers, sizeof headers, JSON_HEADER "Idempotency-Key: %s\r\n", key);
	return ask("POST", "/v1/campaigns", headers, body);
}

/* ---- making one ---- */

START_TEST(test_a_sound_campaign_is_made_and_answered_with_its_place)
{
	const struct answer *a;

	start();
	a = post("/v1/campaigns", SOUND);
	ck_status(a, 201);
	ck_assert(has_header(a, "Location", "/v1/campaigns/made0001"));
	ck_assert(has_header(a, "ETag", "\"1\""));
	ck_assert(has_header(a, "Content-Type", "application/json"));
	ck_has(a, "{\"id\":\"made0001\",\"state\":\"selecting\"");
	ck_has(a, "\"maxAttempts\":1");
	ck_has(a, "\"selected\":0");
	ck_assert_str_eq(conductor.last_by, "local");
	ck_status(get("/v1/campaigns/made0001"), 200);
	server_stop();
}
END_TEST

START_TEST(test_the_maker_is_the_tokens_name)
{
	server_start((struct api_options){.tokens_file = tokens_file(TOKENS)});
	ck_status(ask("POST", "/v1/campaigns", JSON_HEADER "Authorization: Bearer approver-token\r\n", SOUND),
	          201);
	ck_assert_str_eq(conductor.last_by, "approver");
	server_stop();
}
END_TEST

START_TEST(test_all_that_is_wrong_is_told_at_once)
{
	const struct answer *a;

	start();
	a = post("/v1/campaigns", "{\"name\":7,\"action\":{\"type\":\"explode\"},\"targets\":{},\"colour\":1,"
	                          "\"rollout\":{\"ratePerMinute\":-1},\"precheck\":{}}");
	ck_status(a, 422);
	ck_has(a, "\"code\":\"unsound\"");
	ck_has(a, "\"pointer\":\"/name\"");
	ck_has(a, "\"pointer\":\"/action/type\"");
	ck_has(a, "\"pointer\":\"/targets\"");
	ck_has(a, "\"pointer\":\"/colour\"");
	ck_has(a, "\"pointer\":\"/rollout/ratePerMinute\"");
	ck_has(a, "\"pointer\":\"/precheck/where\"");
	a = post("/v1/campaigns",
	         "{\"name\":\"n\",\"hubs\":[\"main\",\"moon\"],\"action\":{\"type\":\"reboot\"},"
	         "\"targets\":{\"all\":true}}");
	ck_status(a, 422);
	ck_has(a, "\"errors\":[{\"pointer\":\"/hubs/1\",\"detail\":\"no such hub is configured\"}]");
	ck_assert_uint_eq(conductor.creates_n, 0);
	server_stop();
}
END_TEST

START_TEST(test_what_is_not_json_is_told_with_its_place)
{
	const struct answer *a;

	start();
	a = post("/v1/campaigns", "{\"name\": nope}");
	ck_status(a, 400);
	ck_has(a, "\"code\":\"notJson\",\"offset\":13}");
	ck_status(post("/v1/campaigns", ""), 400);
	ck_status(post("/v1/campaigns", "{\"name\":\"n\"} x"), 400);
	ck_status(post("/v1/campaigns", "[]"), 422);
	ck_status(post("/v1/campaigns", "7"), 422);
	server_stop();
}
END_TEST

START_TEST(test_a_failed_creation_tells_why)
{
	const struct answer *a;

	start();
	conductor.order_err = ERR_CLOSED;
	conductor.order_detail = "the service is stopping";
	a = post("/v1/campaigns", SOUND);
	ck_status(a, 503);
	ck_has(a, "\"detail\":\"the service is stopping\"");
	conductor.order_err = ERR_FULL;
	conductor.order_detail = NULL;
	a = post("/v1/campaigns", SOUND);
	ck_status(a, 500);
	ck_has(a, "\"detail\":\"no space left\"");
	server_stop();
}
END_TEST

START_TEST(test_a_hundred_thousand_device_ids_fit)
{
	struct buf body = BUF_INIT;

	start();
	buf_puts(&body, "{\"name\":\"n\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"deviceIds\":[");
	for (int i = 0; i < 100000; i++)
		buf_printf(&body, "%s\"kiosk-with-a-rather-long-name-%06d\"", i > 0 ? "," : "", i);
	buf_puts(&body, "]}}");
	ck_status(post("/v1/campaigns", body.data), 201);
	ck_assert_uint_eq(conductor.last_ids_n, 100000);
	buf_done(&body);
	server_stop();
}
END_TEST

/* ---- once and again ---- */

START_TEST(test_the_same_key_and_body_give_the_same_campaign_as_it_is_now)
{
	const struct answer *a;

	start();
	a = post_keyed("k 1", SOUND);
	ck_status(a, 201);
	ck_assert_ptr_null(strstr(a->head, "Idempotent-Replayed"));
	fake_store_set_revision(store, 9);
	a = post_keyed("k 1", SOUND);
	ck_status(a, 201);
	ck_assert(has_header(a, "Idempotent-Replayed", "true"));
	ck_assert(has_header(a, "Location", "/v1/campaigns/made0001"));
	ck_has(a, "\"revision\":9}");
	ck_assert_uint_eq(conductor.creates_n, 1);
	ck_status(post_keyed("k 2", SOUND), 201);
	ck_assert_uint_eq(conductor.creates_n, 2);
	server_stop();
}
END_TEST

START_TEST(test_the_same_key_with_another_body_is_refused)
{
	const struct answer *a;

	start();
	ck_status(post_keyed("k", SOUND), 201);
	a = post_keyed("k", SOUND " ");
	ck_status(a, 422);
	ck_has(a, "\"code\":\"idempotencyKeyReused\"");
	ck_assert_uint_eq(conductor.creates_n, 1);
	server_stop();
}
END_TEST

/* What is kept with a key: the fingerprint of path and body. */
#define HASHED "/v1/campaigns\n" SOUND

START_TEST(test_a_key_is_forgotten_after_a_day)
{
	start();
	fake_store_add_campaign(store, "old", "{\"name\":\"n\"}");
	fake_store_add_key(store, &(struct idempotency_row){"local:young", hash64(HASHED, strlen(HASHED)),
	                                                    clock_now_ms() - DAY_MS + 60000, "old"});
	fake_store_add_key(store, &(struct idempotency_row){"local:aged", hash64(HASHED, strlen(HASHED)),
	                                                    clock_now_ms() - DAY_MS - 1, "old"});
	ck_has(post_keyed("young", SOUND), "\"id\":\"old\"");
	ck_has(post_keyed("aged", SOUND), "\"id\":\"made0001\"");
	server_stop();
}
END_TEST

START_TEST(test_callers_keys_do_not_meet)
{
	server_start((struct api_options){.tokens_file = tokens_file(TOKENS)});
	ck_status(ask("POST", "/v1/campaigns",
	              JSON_HEADER "Idempotency-Key: k\r\nAuthorization: Bearer admin-token\r\n", SOUND),
	          201);
	ck_status(ask("POST", "/v1/campaigns",
	              JSON_HEADER "Idempotency-Key: k\r\nAuthorization: Bearer operator-token\r\n", SOUND),
	          201);
	ck_assert_uint_eq(conductor.creates_n, 2);
	server_stop();
}
END_TEST

START_TEST(test_a_key_must_be_printable_and_short)
{
	char key[300];

	start();
	memset(key, 'k', sizeof key);
	key[256] = '\0';
	ck_status(post_keyed(key, SOUND), 400);
	key[255] = '\0';
	ck_status(post_keyed(key, SOUND), 201);
	ck_status(post_keyed("", SOUND), 400);
	ck_status(post_keyed("a\xc3\xa9", SOUND), 400);
	ck_assert_uint_eq(conductor.creates_n, 1);
	server_stop();
}
END_TEST

static void send_keyed(struct client *c, const char *key, const char *body)
{
	struct buf b = BUF_INIT;

	client_open(c);
	buf_printf(&b,
	           "POST /v1/campaigns HTTP/1.1\r\nHost: localhost\r\n" JSON_HEADER
	           "Idempotency-Key: %s\r\nContent-Length: %zu\r\n\r\n%s",
	           key, strlen(body), body);
	ck_assert(client_send_n(c, b.data, b.len));
	buf_done(&b);
}

/* Stops the first of two requests with one key at step no. n of its way (0: before its key has been looked
 * up) and checks that the second makes no other campaign. */
START_TEST(test_two_requests_at_once_with_one_key_make_one_campaign)
{
	struct client first, same, other;
	struct answer a;

	start();
	later_hold(true);
	send_keyed(&first, "k", SOUND);
	while (later_n() == 0)
		server_turn(-1);
	later_hold(false);
	for (int i = 0; i < _i; i++)
		later_run(); /* what comes up meanwhile waits for the next */
	later_hold(true);
	ck_assert_uint_eq(later_n(), 1);
	send_keyed(&same, "k", SOUND);
	client_answer(&same, false, &a);
	ck_status(&a, 409);
	ck_has(&a, "\"code\":\"idempotencyKeyInFlight\"");
	ck_assert(has_header(&a, "Retry-After", "1"));
	answer_done(&a);
	send_keyed(&other, "k", SOUND " ");
	client_answer(&other, false, &a);
	ck_status(&a, 422);
	answer_done(&a);
	later_hold(false);
	client_answer(&first, false, &a);
	ck_status(&a, 201);
	answer_done(&a);
	ck_assert(has_header(post_keyed("k", SOUND), "Idempotent-Replayed", "true"));
	ck_assert_uint_eq(conductor.creates_n, 1);
	client_close(&first);
	client_close(&same);
	client_close(&other);
	server_stop();
}
END_TEST

START_TEST(test_a_key_is_free_again_after_a_refusal)
{
	start();
	ck_status(post_keyed("k", "{"), 400);
	ck_status(post_keyed("k", "{}"), 422);
	ck_status(post_keyed("k", SOUND), 201);
	server_stop();
}
END_TEST

START_TEST(test_a_client_that_leaves_meanwhile_still_gets_its_campaign)
{
	struct client c;

	start();
	later_hold(true);
	send_keyed(&c, "k", SOUND);
	while (later_n() == 0)
		server_turn(-1);
	client_close(&c);
	later_hold(false);
	while (later_n() > 0)
		server_turn(-1);
	ck_assert_uint_eq(conductor.creates_n, 1);
	ck_assert(has_header(post_keyed("k", SOUND), "Idempotent-Replayed", "true"));
	server_stop();
}
END_TEST

/* ---- orders ---- */

START_TEST(test_orders_go_to_the_conductor_and_give_the_campaign)
{
	static const struct {
		const char *path;
		enum order order;
	} orders[] = {{"/v1/campaigns/c1/pause", ORDER_PAUSE},
	              {"/v1/campaigns/c1/resume", ORDER_RESUME},
	              {"/v1/campaigns/c1/cancel", ORDER_CANCEL}};

	server_start((struct api_options){.tokens_file = tokens_file(TOKENS)});
	fake_store_add_campaign(store, "c1", "{\"name\":\"n\"}");
	for (size_t i = 0; i < 3; i++) {
		const struct answer *a =
		        ask("POST", orders[i].path, "Authorization: Bearer operator-token\r\n", "");

		ck_status(a, 200);
		ck_has(a, "{\"id\":\"c1\"");
		ck_assert(has_header(a, "ETag", "\"1\""));
		ck_assert_int_eq(conductor.last_order, orders[i].order);
		ck_assert_str_eq(conductor.last_by, "operator");
	}
	server_stop();
}
END_TEST

START_TEST(test_orders_in_the_wrong_state_are_409_with_the_reason)
{
	const struct answer *a;

	start();
	conductor.order_err = ERR_CONFLICT;
	conductor.order_detail = "it is completed";
	a = post("/v1/campaigns/c1/pause", "");
	ck_status(a, 409);
	ck_has(a, "\"detail\":\"it is completed\",\"code\":\"wrongState\"");
	conductor.order_err = ERR_NOT_FOUND;
	conductor.order_detail = NULL;
	ck_status(post("/v1/campaigns/c1/pause", ""), 404);
	conductor.order_err = ERR_CLOSED;
	ck_status(post("/v1/campaigns/c1/pause", ""), 503);
	server_stop();
}
END_TEST

/* ---- shown ---- */

START_TEST(test_a_campaign_is_its_spec_and_how_it_goes)
{
	struct campaign_row *row;
	struct counts *c;

	start();
	fake_store_set_revision(store, 42);
#define WAVY \
	"\"name\":\"n\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true},\"rollout\":{\"waves\":[" \
	"{\"name\":\"canary\",\"upToCount\":6,\"gate\":{\"approval\":\"each\"}},{\"upToPercent\":100}]," \
	"\"gate\":{\"minSuccessPercent\":95,\"soakSeconds\":600}}"
	row = fake_store_add_campaign(store, "c1", "{" WAVY "}");
	row->state_reason = "resumed by eva";
	row->created_by = "eva";
	row->started_at_ms = 2000;
	row->spec_revision = 3;
	snprintf(row->retry_of, sizeof row->retry_of, "c0");
	row->cost = (struct campaign_cost){.calls = 9, .query_pages = 2, .point_reads = 7, .messages = 45};
	snprintf(row->schedule_id, sizeof row->schedule_id, "plan1");
	row->occurrence_at_ms = 7000;
	row->waves_n = 2;
	row->waves[0] = (struct wave_row){
	        WAVE_SOAKING, false, true, 2000, 9000, {[TARGET_SUCCEEDED] = 5, [TARGET_SKIPPED] = 1}, 2};
	row->waves[1] = (struct wave_row){
	        .opened_at_ms = TIME_NONE, .proven_at_ms = TIME_NONE, .state = {[TARGET_WAITING] = 12}};
	c = &row->counts;
	c->total = 18;
	c->state[TARGET_WAITING] = 6;
	c->state[TARGET_INVOKING] = 1;
	c->state[TARGET_SUCCEEDED] = 5;
	c->state[TARGET_FAILED] = 4;
	c->state[TARGET_SKIPPED] = 2;
	c->reason[REASON_NO_PROOF] = 3;
	c->reason[REASON_GONE] = 1;
	c->reason[REASON_EXCLUDED] = 2;
	c->wait[WAIT_OFFLINE] = 2;
	c->wait[WAIT_NONE] = 4;
	conductor.predicted_ms = 60000;
#define COUNTS \
	"{\"total\":18,\"waiting\":6,\"invoking\":1,\"doubtful\":0,\"awaitingProof\":0,\"succeeded\":5," \
	"\"failed\":4,\"skipped\":2,\"cancelled\":0}"
	ck_assert_str_eq(
	        get("/v1/campaigns/c1")->body,
	        "{\"id\":\"c1\",\"state\":\"running\",\"stateReason\":\"resumed by eva\","
	        "\"createdAt\":\"1970-01-01T00:00:01.000Z\",\"createdBy\":\"eva\","
	        "\"startedAt\":\"1970-01-01T00:00:02.000Z\",\"finishedAt\":null,\"scheduleId\":\"plan1\","
	        "\"occurrenceAt\":\"1970-01-01T00:00:07.000Z\",\"retryOf\":\"c0\","
	        "\"etag\":\"\\\"3\\\"\"," WAVY ",\"counts\":" COUNTS
	        ",\"failedBy\":{\"noProof\":3,\"gone\":1},\"skippedBy\":{\"excluded\":2},"
	        "\"waitingBy\":{\"offline\":2,\"capacity\":4},"
	        "\"relapsed\":2,\"waves\":[{\"index\":0,\"name\":\"canary\",\"state\":\"soaking\",\"size\":6,"
	        "\"counts\":{\"total\":6,\"waiting\":0,\"invoking\":0,\"doubtful\":0,\"awaitingProof\":0,"
	        "\"succeeded\":5,\"failed\":0,\"skipped\":1,\"cancelled\":0},"
	        "\"relapsed\":2,\"openedAt\":\"1970-01-01T00:00:02.000Z\",\"gate\":{\"minSuccessPercent\":95,\"soakSeconds\":600,"
	        "\"approval\":\"each\",\"isApproved\":false,\"isOverridden\":true,"
	        "\"soaksUntil\":\"1970-01-01T00:10:09.000Z\"}},"
	        "{\"index\":1,\"name\":null,\"state\":\"pending\",\"size\":12,"
	        "\"counts\":{\"total\":12,\"waiting\":12,\"invoking\":0,\"doubtful\":0,\"awaitingProof\":0,"
	        "\"succeeded\":0,\"failed\":0,\"skipped\":0,\"cancelled\":0},\"relapsed\":0,\"openedAt\":null,"
	        "\"gate\":{\"minSuccessPercent\":95,\"soakSeconds\":600,\"approval\":\"none\",\"isApproved\":false,"
	        "\"isOverridden\":false,\"soaksUntil\":null}}],\"cost\":{\"calls\":9,"
	        "\"queryPages\":2,\"pointReads\":7,\"messages\":45,\"messagesPerDevice\":2.50},\"progressPercent\":61.1,"
	        "\"predictedFinishAt\":\"1970-01-01T00:01:00.000Z\",\"revision\":42}");
	conductor.waiting = (struct campaign_waiting){
	        .wait = WAIT_HUB, .next_at_ms = 5000, .overrides_own = true, .closed_from = UINT32_MAX};
	ck_has(get("/v1/campaigns/c1"), "\"waitingBy\":{\"hub\":6}");
	server_stop();
}
END_TEST

START_TEST(test_waves_have_no_size_before_the_targets_are_selected)
{
	const struct answer *a;

	start();
	fake_store_add_campaign(store, "c1", "{" WAVY "}");
	a = get("/v1/campaigns/c1");
	ck_has(a,
	       "{\"index\":0,\"name\":\"canary\",\"state\":\"pending\",\"size\":null,\"counts\":{\"total\":0,");
	ck_has(a, "{\"index\":1,\"name\":null,\"state\":\"pending\",\"size\":null,");
	server_stop();
}
END_TEST

/* The conductor is a commit ahead of the row, so its numbers may be more than the row has waiting. */
START_TEST(test_waiting_by_is_in_order_and_sums_to_waiting_whatever_the_conductor_says)
{
	static const struct {
		struct campaign_waiting waiting;
		const char *expected;
	} cases[] = {
	        {{.wait = WAIT_CAPACITY, .closed_n = 1, .parked_n = 2},
	         "{\"wave\":1,\"offline\":2,\"group\":2,\"capacity\":1}"},
	        {{.wait = WAIT_RATE, .parked_n = 4}, "{\"offline\":2,\"group\":4}"},
	        {{.wait = WAIT_RATE, .closed_n = 5, .parked_n = 4}, "{\"wave\":5,\"offline\":1}"},
	        {{.wait = WAIT_RATE, .closed_n = 50, .parked_n = 4}, "{\"wave\":6}"},
	        {{.wait = WAIT_HUB, .overrides_own = true, .closed_n = 2, .parked_n = 4},
	         "{\"wave\":2,\"hub\":4}"},
	        {{.wait = WAIT_HUB, .overrides_own = true, .closed_n = 7, .parked_n = 4}, "{\"wave\":6}"},
	        {{.wait = WAIT_PAUSED, .overrides_own = true}, "{\"paused\":6}"},
	        /* one of its hubs is shut: one of the two offline is there, one parked, one with nothing of
	           its own */
	        {{.wait = WAIT_RATE,
	          .parked_n = 2,
	          .shut_hubs = 2,
	          .shut_by = {[WAIT_NONE] = 1, [WAIT_OFFLINE] = 1, [WAIT_GROUP] = 1}},
	         "{\"hub\":3,\"offline\":1,\"group\":1,\"rate\":1}"},
	        {{.wait = WAIT_RATE, .shut_hubs = 2, .shut_by = {[WAIT_NONE] = 9, [WAIT_OFFLINE] = 5}},
	         "{\"hub\":6}"},
	};
	struct campaign_row *row;
	char expected[128];

	start();
	row = fake_store_add_campaign(store, "c1", "{\"name\":\"n\"}");
	row->counts.total = row->counts.state[TARGET_WAITING] = 6;
	row->counts.wait[WAIT_OFFLINE] = 2;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		conductor.waiting = cases[i].waiting;
		snprintf(expected, sizeof expected, "\"waitingBy\":%s,", cases[i].expected);
		ck_has(get("/v1/campaigns/c1"), expected);
	}
	server_stop();
}
END_TEST

START_TEST(test_waiting_by_sums_to_waiting_also_where_the_conductor_knows_nothing)
{
	static const struct {
		enum campaign_state state;
		const char *expected;
	} cases[] = {{CAMPAIGN_SCHEDULED, "\"waitingBy\":{\"start\":6}"},
	             {CAMPAIGN_PAUSED, "\"waitingBy\":{\"paused\":6}"},
	             {CAMPAIGN_RUNNING, "\"waitingBy\":{\"backoff\":2,\"capacity\":4}"},
	             {CAMPAIGN_SELECTING, "\"waitingBy\":{\"selection\":6}"}};
	struct campaign_row *row;

	start();
	row = fake_store_add_campaign(store, "c1", "{\"name\":\"n\"}");
	row->counts.total = row->counts.state[TARGET_WAITING] = 6;
	row->counts.wait[WAIT_BACKOFF] = 2;
	conductor.waiting = (struct campaign_waiting){
	        .wait = WAIT_NONE, .next_at_ms = TIME_NONE, .overrides_own = true, .closed_from = UINT32_MAX};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		row->state = cases[i].state;
		ck_has(get("/v1/campaigns/c1"), cases[i].expected);
	}
	server_stop();
}
END_TEST

START_TEST(test_progress_is_100_only_when_all_are_final)
{
	struct campaign_row *row;

	start();
	row = fake_store_add_campaign(store, "c1", "{\"name\":\"n\"}");
	ck_has(get("/v1/campaigns/c1"), "\"progressPercent\":0.0,");
	row->counts.total = 1000000;
	row->counts.state[TARGET_SUCCEEDED] = 999999;
	ck_has(get("/v1/campaigns/c1"), "\"progressPercent\":99.9,");
	row->counts.state[TARGET_CANCELLED] = 1;
	ck_has(get("/v1/campaigns/c1"), "\"progressPercent\":100.0,");
	row->counts = (struct counts){0};
	row->state = CAMPAIGN_COMPLETED;
	ck_has(get("/v1/campaigns/c1"), "\"progressPercent\":100.0,");
	server_stop();
}
END_TEST

/* ---- the list ---- */

/* Gives the nextLink of the last answer, "" where it has none. */
static void next_link(const struct answer *a, char out[512])
{
	const char *at = strstr(a->body, "\"nextLink\":\"");

	out[0] = '\0';
	if (at != NULL)
		snprintf(out, 512, "%.*s", (int)strcspn(at + 12, "\""), at + 12);
}

START_TEST(test_walking_the_list_meets_each_campaign_once_newest_first)
{
	char link[512] = "/v1/campaigns?limit=7&state=paused&name=a+b%26", id[ID_SIZE];
	int expected = 49, pages = 0;

	start();
	for (int i = 0; i < 50; i++) {
		struct campaign_row *row;

		snprintf(id, sizeof id, "c%02d", i);
		row = fake_store_add_campaign(store, id, "{\"name\":\"n\"}");
		row->name = "a b&";
		row->state = i % 2 == 1 ? CAMPAIGN_PAUSED : CAMPAIGN_RUNNING;
	}
	for (; link[0] != '\0'; pages++) {
		const struct answer *a = get(link);
		const char *at = a->body;

		ck_status(a, 200);
		while ((at = strstr(at, "{\"id\":\"c")) != NULL) {
			ck_assert_int_eq(atoi(at + 8), expected);
			expected -= 2;
			at++;
		}
		next_link(a, link);
		ck_assert(link[0] == '\0' ||
		          strstr(link, "?limit=7&state=paused&name=a%20b%26&cursor=") != NULL);
	}
	ck_assert_int_eq(expected, -1);
	ck_assert_int_eq(pages, 4);
	ck_assert_str_eq(get("/v1/campaigns?schedule=s")->body, "{\"value\":[],\"revision\":1}");
	server_stop();
}
END_TEST

START_TEST(test_a_page_of_large_campaigns_ends_early_and_goes_on)
{
	char link[512] = "/v1/campaigns?limit=9";
	struct buf spec = BUF_INIT;
	int seen = 0, pages = 0;

	start();
	buf_puts(&spec, "{\"name\":\"");
	while (spec.len < (size_t)2 << 20)
		buf_puts(&spec, "large");
	buf_puts(&spec, "\"}");
	for (int i = 0; i < 5; i++)
		fake_store_add_campaign(store, "c", spec.data);
	for (; link[0] != '\0'; pages++) {
		const struct answer *a = get(link);

		for (const char *at = a->body; (at = strstr(at, "{\"id\":\"c\"")) != NULL; at++)
			seen++;
		next_link(a, link);
	}
	ck_assert_int_eq(seen, 5);
	ck_assert_int_eq(pages, 3);
	buf_done(&spec);
	server_stop();
}
END_TEST

START_TEST(test_a_foreign_or_broken_cursor_is_refused)
{
	static const char *const broken[] = {
	        "", "1", "1.5", "1.5.", "1.5.0000000000000000", "zzzz", "2.5.0000000000000000"};
	char link[512], target[600], *cursor;

	start();
	for (int i = 0; i < 5; i++)
		fake_store_add_campaign(store, "c", "{\"name\":\"n\"}");
	next_link(get("/v1/campaigns?limit=2"), link);
	cursor = strstr(link, "cursor=");
	ck_assert_ptr_nonnull(cursor);
	snprintf(target, sizeof target, "/v1/campaigns?limit=1&%s", cursor);
	ck_status(get(target), 200);
	snprintf(target, sizeof target, "/v1/campaigns?state=running&%s", cursor);
	ck_status(get(target), 400);
	snprintf(target, sizeof target, "/v1/campaigns/c/targets?%s", cursor);
	ck_status(get(target), 400);
	next_link(get("/v1/campaigns?limit=2&name="), link);
	cursor = strstr(link, "cursor=");
	ck_assert_ptr_nonnull(cursor);
	snprintf(target, sizeof target, "/v1/campaigns?name=x&%s", cursor);
	ck_status(get(target), 400);
	cursor[strlen("cursor=1.")]++;
	snprintf(target, sizeof target, "/v1/campaigns?%s", cursor);
	ck_status(get(target), 400);
	for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
		const struct answer *a;

		snprintf(target, sizeof target, "/v1/campaigns?cursor=%s", broken[i]);
		a = get(target);
		ck_status(a, 400);
		ck_has(a, "\"parameter\":\"cursor\"");
	}
	server_stop();
}
END_TEST

START_TEST(test_parameters_that_are_not_valid_are_told_all_at_once)
{
	const struct answer *a;

	start();
	a = get("/v1/campaigns?limit=0&state=Running");
	ck_status(a, 400);
	ck_has(a,
	       "{\"parameter\":\"state\",\"detail\":\"must be one of scheduled, selecting, awaitingApproval, running, "
	       "paused, cancelling, completed, cancelled, failed\"}");
	ck_has(a, "{\"parameter\":\"limit\",\"detail\":\"must be a whole number from 1 to 1000\"}");
	ck_status(get("/v1/campaigns?limit=1001"), 400);
	ck_status(get("/v1/campaigns?limit="), 400);
	ck_status(get("/v1/campaigns?limit=1x"), 400);
	ck_status(get("/v1/campaigns?limit=99999999999999999999999"), 400);
	ck_status(get("/v1/campaigns?limit=18446744073709551617"), 400);
	ck_status(get("/v1/campaigns?limit=1000"), 200);
	server_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api campaigns");
	TCase *races = tcase_create("races");

	TESTS(s, "making", test_a_sound_campaign_is_made_and_answered_with_its_place,
	      test_the_maker_is_the_tokens_name, test_all_that_is_wrong_is_told_at_once,
	      test_what_is_not_json_is_told_with_its_place, test_a_failed_creation_tells_why,
	      test_a_hundred_thousand_device_ids_fit);
	TESTS(s, "again", test_the_same_key_and_body_give_the_same_campaign_as_it_is_now,
	      test_the_same_key_with_another_body_is_refused, test_a_key_is_forgotten_after_a_day,
	      test_callers_keys_do_not_meet, test_a_key_must_be_printable_and_short,
	      test_a_key_is_free_again_after_a_refusal,
	      test_a_client_that_leaves_meanwhile_still_gets_its_campaign);
	tcase_add_loop_test(races, test_two_requests_at_once_with_one_key_make_one_campaign, 0, 3);
	suite_add_tcase(s, races);
	TESTS(s, "orders", test_orders_go_to_the_conductor_and_give_the_campaign,
	      test_orders_in_the_wrong_state_are_409_with_the_reason);
	TESTS(s, "shown", test_a_campaign_is_its_spec_and_how_it_goes,
	      test_waves_have_no_size_before_the_targets_are_selected,
	      test_waiting_by_is_in_order_and_sums_to_waiting_whatever_the_conductor_says,
	      test_waiting_by_sums_to_waiting_also_where_the_conductor_knows_nothing,
	      test_progress_is_100_only_when_all_are_final);
	TESTS(s, "list", test_walking_the_list_meets_each_campaign_once_newest_first,
	      test_a_page_of_large_campaigns_ends_early_and_goes_on,
	      test_a_foreign_or_broken_cursor_is_refused,
	      test_parameters_that_are_not_valid_are_told_all_at_once);
	return suite_run(s);
}
