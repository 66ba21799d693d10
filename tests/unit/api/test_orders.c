/* tests: api/create.c, campaigns.c and targets.c: approvals, retries, another spec, deletion, orders about
 * one target. */
#include "tests/unit/api/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON_HEADER "Content-Type: application/json\r\n"
#define PATCH_HEADER "Content-Type: application/merge-patch+json\r\n"
#define SPEC \
	"{\"name\":\"n\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true}," \
	"\"rollout\":{\"ratePerMinute\":60}}"

static struct campaign_row *campaign;

static void start(void)
{
	server_start((struct api_options){0});
	campaign = fake_store_add_campaign(store, "c1", SPEC);
	fake_store_add_target(store, 1, "d-0");
	fake_store_add_target(store, 1, "d-1");
	fake_conductor_set_live(&conductor, campaign);
}

/* ---- previews ---- */

START_TEST(test_a_preview_is_told_and_nothing_is_made)
{
	const struct answer *a;

	start();
	conductor.preview_json = "{\"targets\":{\"total\":3}}";
	a = post("/v1/campaigns/preview", SOUND);
	ck_status(a, 200);
	ck_assert_str_eq(a->body, "{\"targets\":{\"total\":3}}");
	ck_assert_uint_eq(conductor.creates_n, 0);
	a = post("/v1/campaigns/preview",
	         "{\"name\":\"n\",\"action\":{\"type\":\"rebot\"},\"hubs\":[\"x\"]}");
	ck_status(a, 422);
	ck_has(a, "/action/type");
	ck_has(a, "/targets");
	ck_status(post("/v1/campaigns/preview", "{"), 400);
	ck_status(ask("POST", "/v1/campaigns/preview", "", NULL), 411);
	server_stop();
}
END_TEST

START_TEST(test_a_preview_that_the_hub_cannot_count_says_why)
{
	const struct answer *a;

	start();
	conductor.order_err = ERR_BUSY;
	conductor.order_detail = "hub main could not count the devices: down";
	a = post("/v1/campaigns/preview", SOUND);
	ck_status(a, 503);
	ck_has(a, "hub main could not count the devices: down");
	ck_assert(has_header(a, "Retry-After", "1"));
	conductor.order_err = ERR_INVALID;
	conductor.order_detail = "hub main could not count the devices: it refused the query";
	a = post("/v1/campaigns/preview", SOUND);
	ck_status(a, 422);
	ck_has(a, "\"errors\":[{\"pointer\":\"/targets/where\",\"detail\":\"hub main could not");
	server_stop();
}
END_TEST

/* ---- approve ---- */

START_TEST(test_an_approval_opens_and_an_override_is_asked_for_by_name)
{
	static const struct {
		const char *body;
		enum order order;
	} cases[] = {{"", ORDER_APPROVE},
	             {"{}", ORDER_APPROVE},
	             {"{\"override\":false}", ORDER_APPROVE},
	             {"{\"override\":true}", ORDER_OVERRIDE}};

	start();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct answer *a;

		conductor.last_order = ORDER_PAUSE;
		a = post("/v1/campaigns/c1/approve", cases[i].body);
		ck_status(a, 200);
		ck_has(a, "{\"id\":\"c1\"");
		ck_assert_int_eq(conductor.last_order, cases[i].order);
	}
	ck_assert_uint_eq(conductor.orders_n, 4);
	server_stop();
}
END_TEST

START_TEST(test_an_unsound_approval_gives_no_order)
{
	const struct answer *a;

	start();
	a = post("/v1/campaigns/c1/approve", "{\"override\":1,\"force\":true}");
	ck_status(a, 422);
	ck_has(a, "{\"pointer\":\"\",\"detail\":\"unknown member force\"},"
	          "{\"pointer\":\"/override\",\"detail\":\"must be true or false\"}");
	ck_status(post("/v1/campaigns/c1/approve", "[]"), 422);
	ck_status(post("/v1/campaigns/c1/approve", "{\"override\":true,\"override\":false}"), 400);
	ck_status(ask("POST", "/v1/campaigns/c1/approve", "Content-Type: text/plain\r\n", "{}"), 415);
	a = post("/v1/campaigns/c1/approve", "{");
	ck_status(a, 400);
	ck_has(a, "\"code\":\"notJson\"");
	ck_assert_uint_eq(conductor.orders_n, 0);
	server_stop();
}
END_TEST

START_TEST(test_an_approval_that_nothing_waits_for_is_409)
{
	const struct answer *a;

	start();
	conductor.order_err = ERR_CONFLICT;
	conductor.order_detail = "no gate waits for approval";
	a = post("/v1/campaigns/c1/approve", "");
	ck_status(a, 409);
	ck_has(a, "\"detail\":\"no gate waits for approval\",\"code\":\"wrongState\"");
	server_stop();
}
END_TEST

/* ---- retry ---- */

START_TEST(test_a_retry_makes_a_campaign_of_the_failed)
{
	const struct answer *a;

	start();
	a = post("/v1/campaigns/c1/retry", "");
	ck_status(a, 201);
	ck_assert(has_header(a, "Location", "/v1/campaigns/again0001"));
	ck_assert(has_header(a, "ETag", "\"1\""));
	ck_has(a, "{\"id\":\"again0001\"");
	ck_has(a, "\"retryOf\":\"c1\"");
	server_stop();
}
END_TEST

START_TEST(test_a_retry_is_of_all_reasons_but_unknown_or_of_those_named)
{
#define BIT(reason) (UINT32_C(1) << (reason))
	const uint32_t known = BIT(REASON_REFUSED) | BIT(REASON_NO_METHOD) | BIT(REASON_DEVICE_FAILED) |
	                       BIT(REASON_NO_PROOF) | BIT(REASON_OFFLINE_EXPIRED) | BIT(REASON_HUB_REJECTED) |
	                       BIT(REASON_GONE);
	const struct {
		const char *body;
		uint32_t reasons;
	} cases[] = {
	        {"", known},
	        {"{}", known},
	        {"{\"reasons\":[\"unknown\"]}", BIT(REASON_UNKNOWN)},
	        {"{\"reasons\":[\"noProof\",\"gone\",\"gone\"]}", BIT(REASON_NO_PROOF) | BIT(REASON_GONE)}};

	start();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ck_status(post("/v1/campaigns/c1/retry", cases[i].body), 201);
		ck_assert_uint_eq(conductor.last_reasons, cases[i].reasons);
	}
	server_stop();
}
END_TEST

START_TEST(test_reasons_that_are_none_of_failed_targets_are_refused)
{
	const struct answer *a;

	start();
	a = post("/v1/campaigns/c1/retry", "{\"reasons\":[\"noProof\",\"excluded\",7,\"\"],\"x\":1}");
	ck_status(a, 422);
	ck_has(a, "unknown member x");
	ck_has(a, "{\"pointer\":\"/reasons/1\",\"detail\":\"must be one of refused, noMethod, deviceFailed, "
	          "noProof, unknown, offlineExpired, hubRejected, gone\"}");
	ck_has(a, "{\"pointer\":\"/reasons/2\"");
	ck_has(a, "{\"pointer\":\"/reasons/3\"");
	ck_lacks(a, "/reasons/0");
	a = post("/v1/campaigns/c1/retry", "{\"reasons\":[]}");
	ck_status(a, 422);
	ck_has(a, "{\"pointer\":\"/reasons\",\"detail\":\"must be an array of at least one reason\"}");
	ck_status(post("/v1/campaigns/c1/retry", "{\"reasons\":null}"), 422);
	ck_status(post("/v1/campaigns/c1/retry", "{\"reasons\":\"noProof\"}"), 422);
	ck_status(post("/v1/campaigns/c1/retry", "nope"), 400);
	ck_assert_uint_eq(conductor.creates_n, 0);
	server_stop();
}
END_TEST

static const struct answer *retry_keyed(const char *id, const char *body)
{
	char path[80];

	snprintf(path, sizeof path, "/v1/campaigns/%s/retry", id);
	return ask("POST", path, JSON_HEADER "Idempotency-Key: k\r\n", body);
}

START_TEST(test_a_retry_under_the_same_key_is_made_once)
{
	const struct answer *a;

	start();
	a = retry_keyed("c1", "{}");
	ck_status(a, 201);
	ck_assert_ptr_null(strstr(a->head, "Idempotent-Replayed"));
	a = retry_keyed("c1", "{}");
	ck_status(a, 201);
	ck_assert(has_header(a, "Idempotent-Replayed", "true"));
	ck_assert(has_header(a, "Location", "/v1/campaigns/again0001"));
	ck_has(a, "\"retryOf\":\"c1\"");
	ck_assert_uint_eq(conductor.creates_n, 1);
	server_stop();
}
END_TEST

START_TEST(test_a_retrys_key_is_good_for_this_campaign_and_body_only)
{
	start();
	fake_store_add_campaign(store, "c2", SPEC);
	ck_status(retry_keyed("c1", "{}"), 201);
	ck_has(retry_keyed("c1", "{\"reasons\":[\"gone\"]}"), "\"code\":\"idempotencyKeyReused\"");
	ck_has(retry_keyed("c2", "{}"), "\"code\":\"idempotencyKeyReused\"");
	ck_has(ask("POST", "/v1/campaigns", JSON_HEADER "Idempotency-Key: k\r\n", SPEC),
	       "\"code\":\"idempotencyKeyReused\"");
	ck_assert_uint_eq(conductor.creates_n, 1);
	server_stop();
}
END_TEST

START_TEST(test_two_retries_at_once_with_one_key_make_one_campaign)
{
	static const char request[] = "POST /v1/campaigns/c1/retry HTTP/1.1\r\nHost: localhost\r\n"
	                              "Idempotency-Key: k\r\n\r\n";
	struct client first, second;
	struct answer a;

	start();
	later_hold(true);
	client_open(&first);
	ck_assert(client_send(&first, request));
	while (later_n() == 0)
		server_turn(-1);
	client_open(&second);
	ck_assert(client_send(&second, request));
	client_answer(&second, false, &a);
	ck_status(&a, 409);
	ck_has(&a, "\"code\":\"idempotencyKeyInFlight\"");
	answer_done(&a);
	later_hold(false);
	client_answer(&first, false, &a);
	ck_status(&a, 201);
	answer_done(&a);
	ck_assert_uint_eq(conductor.creates_n, 1);
	client_close(&first);
	client_close(&second);
	server_stop();
}
END_TEST

START_TEST(test_a_retrys_key_is_free_again_after_a_refusal)
{
	start();
	ck_status(retry_keyed("c1", "{\"reasons\":[]}"), 422);
	ck_status(retry_keyed("c1", "{}"), 201);
	server_stop();
}
END_TEST

START_TEST(test_a_retry_of_nothing_is_409)
{
	const struct answer *a;

	start();
	conductor.order_err = ERR_CONFLICT;
	conductor.order_detail = "no target has failed";
	a = post("/v1/campaigns/c1/retry", "");
	ck_status(a, 409);
	ck_has(a, "\"detail\":\"no target has failed\"");
	conductor.order_err = ERR_NOT_FOUND;
	ck_status(post("/v1/campaigns/c2/retry", ""), 404);
	server_stop();
}
END_TEST

/* ---- another spec ---- */

static const struct answer *patch(const char *if_match, const char *body)
{
	char headers[160];

	snprintf(headers, sizeof headers, PATCH_HEADER "If-Match: %s\r\n", if_match);
	return ask("PATCH", "/v1/campaigns/c1", headers, body);
}

START_TEST(test_a_patch_changes_the_spec_and_its_etag)
{
	const struct answer *a;

	start();
	a = patch("\"1\"", "{\"rollout\":{\"ratePerMinute\":600}}");
	ck_status(a, 200);
	ck_assert(has_header(a, "ETag", "\"2\""));
	ck_has(a, "\"etag\":\"\\\"2\\\"\"");
	ck_has(a, "\"ratePerMinute\":600");
	ck_assert_str_eq(conductor.last_by, "local");
	ck_has(get("/v1/campaigns/c1"), "\"ratePerMinute\":600");
	a = ask("PATCH", "/v1/campaigns/c1", JSON_HEADER "If-Match: \"2\"\r\n",
	        "{\"rollout\":{\"ratePerMinute\":null}}");
	ck_status(a, 200);
	ck_lacks(a, "ratePerMinute");
	server_stop();
}
END_TEST

START_TEST(test_a_patch_needs_the_etag_that_is_current)
{
	static const struct {
		const char *if_match;
		unsigned status;
	} cases[] = {{"\"1\"", 200},        {"*", 200},      {"\"7\", \"1\"", 200},
	             {"\"7\",,\"1\"", 200}, {"\"2\"", 412},  {"1", 412},
	             {"W/\"1\"", 412},      {"\"11\"", 412}, {"", 412}};
	const struct answer *a;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		start();
		a = patch(cases[i].if_match, "{}");
		ck_assert_msg(a->status == cases[i].status, "%s: %u", cases[i].if_match, a->status);
		ck_assert_uint_eq(conductor.orders_n, cases[i].status == 200);
		server_stop();
	}
	start();
	a = patch("\"2\"", "{}");
	ck_has(a, "\"detail\":\"the ETag is now \\\"1\\\"\",\"code\":\"preconditionFailed\"");
	a = ask("PATCH", "/v1/campaigns/c1", PATCH_HEADER, "{}");
	ck_status(a, 428);
	ck_has(a, "\"code\":\"preconditionRequired\"");
	ck_assert_uint_eq(conductor.orders_n, 0);
	server_stop();
}
END_TEST

START_TEST(test_all_that_a_patch_may_not_change_is_told_and_nothing_changes)
{
	const struct answer *a;

	start();
	a = patch("*",
	          "{\"name\":\"other\",\"rollout\":{\"ratePerMinute\":-1},\"hubs\":[\"moon\"],\"colour\":1}");
	ck_status(a, 422);
	ck_has(a, "\"pointer\":\"/name\"");
	ck_has(a, "\"pointer\":\"/rollout/ratePerMinute\"");
	ck_has(a, "\"pointer\":\"/hubs\"");
	ck_has(a, "\"pointer\":\"/colour\"");
	ck_status(patch("*", "[]"), 422);
	a = patch("*", "{\"rollout\":");
	ck_status(a, 400);
	ck_has(a, "\"code\":\"notJson\",\"offset\":");
	ck_assert_uint_eq(conductor.orders_n, 0);
	ck_assert(has_header(get("/v1/campaigns/c1"), "ETag", "\"1\""));
	server_stop();
}
END_TEST

START_TEST(test_what_the_conductor_finds_in_a_patched_spec_is_told)
{
	const struct answer *a;

	server_start((struct api_options){0});
	campaign = fake_store_add_campaign(
	        store, "c1",
	        "{\"name\":\"n\",\"hubs\":[\"moon\"],\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true}}");
	fake_conductor_set_live(&conductor, campaign);
	a = patch("*", "{\"rollout\":{\"ratePerMinute\":1}}");
	ck_status(a, 422);
	ck_has(a, "{\"pointer\":\"/hubs/0\",\"detail\":\"no such hub is configured\"}");
	ck_assert_uint_eq(conductor.orders_n, 0);
	server_stop();
}
END_TEST

START_TEST(test_only_a_live_campaign_takes_a_patch)
{
	const struct answer *a;

	start();
	fake_store_add_campaign(store, "c2", SPEC)->state = CAMPAIGN_COMPLETED;
	a = ask("PATCH", "/v1/campaigns/c2", PATCH_HEADER "If-Match: *\r\n", "{}");
	ck_status(a, 409);
	ck_has(a, "\"detail\":\"only a live campaign can be changed: it is completed\"");
	ck_status(ask("PATCH", "/v1/campaigns/c3", PATCH_HEADER "If-Match: *\r\n", "{}"), 404);
	ck_status(ask("PATCH", "/v1/campaigns/c3", PATCH_HEADER, "{}"), 428);
	conductor.order_err = ERR_CONFLICT;
	conductor.order_detail = "it is ending";
	ck_status(patch("*", "{}"), 409);
	server_stop();
}
END_TEST

START_TEST(test_a_patch_has_a_media_type_and_a_length)
{
	const struct answer *a;

	start();
	a = ask("PATCH", "/v1/campaigns/c1", "Content-Type: application/json-patch+json\r\nIf-Match: *\r\n",
	        "[]");
	ck_status(a, 415);
	ck_assert(has_header(a, "Accept-Patch", "application/merge-patch+json, application/json"));
	ck_status(ask("PATCH", "/v1/campaigns/c1", PATCH_HEADER "If-Match: *\r\n", NULL), 411);
	a = ask("POST", "/v1/campaigns", PATCH_HEADER, SOUND);
	ck_status(a, 415);
	ck_assert_ptr_null(strstr(a->head, "Accept-Patch"));
	server_stop();
}
END_TEST

/* ---- forgotten ---- */

START_TEST(test_a_deleted_campaign_is_answered_with_nothing)
{
	const struct answer *a;

	start();
	a = ask("DELETE", "/v1/campaigns/c1", "", NULL);
	ck_status(a, 204);
	ck_assert_uint_eq(a->len, 0);
	ck_assert_ptr_null(strstr(a->head, "\r\nContent-Type"));
	ck_assert_ptr_null(strstr(a->head, "Content-Length"));
	ck_assert(has_header(a, "Cache-Control", "no-store"));
	ck_assert_uint_eq(conductor.orders_n, 1);
	server_stop();
}
END_TEST

START_TEST(test_only_a_final_campaign_can_be_deleted)
{
	const struct answer *a;

	start();
	conductor.order_err = ERR_CONFLICT;
	conductor.order_detail = "it is running";
	a = ask("DELETE", "/v1/campaigns/c1", "", NULL);
	ck_status(a, 409);
	ck_has(a, "\"detail\":\"it is running\",\"code\":\"wrongState\"");
	conductor.order_err = ERR_NOT_FOUND;
	ck_status(ask("DELETE", "/v1/campaigns/c9", "", NULL), 404);
	conductor.is_draining = true;
	ck_status(ask("DELETE", "/v1/campaigns/c1", "", NULL), 503);
	server_stop();
}
END_TEST

/* ---- one target ---- */

START_TEST(test_one_target_is_skipped_or_tried_again)
{
	const struct answer *a;

	start();
	a = post("/v1/campaigns/c1/targets/d-1/skip", "");
	ck_status(a, 200);
	ck_has(a, "{\"deviceId\":\"d-1\",");
	ck_has(a, "\"attempts\":[],\"evidence\":[],\"revision\":1}");
	ck_assert_int_eq(conductor.last_target_order, TARGET_ORDER_SKIP);
	ck_assert_str_eq(conductor.last_device, "d-1");
	ck_status(post("/v1/campaigns/c1/targets/d-0/retry", "{}"), 200);
	ck_assert_int_eq(conductor.last_target_order, TARGET_ORDER_RETRY);
	ck_assert_str_eq(conductor.last_device, "d-0");
	ck_assert_str_eq(conductor.last_by, "local");
	ck_assert_uint_eq(conductor.orders_n, 2);
	ck_status(post("/v1/campaigns/c1/targets/d-0/retry", "{\"x\":1}"), 422);
	ck_assert_uint_eq(conductor.orders_n, 2);
	server_stop();
}
END_TEST

START_TEST(test_an_order_about_a_target_goes_to_its_hub)
{
	struct campaign_row *two;
	const struct answer *a;

	start();
	two = fake_store_add_campaign(
	        store, "c2",
	        "{\"name\":\"n\",\"hubs\":[\"north\",\"south\"],\"action\":{\"type\":\"reboot\"},"
	        "\"targets\":{\"all\":true}}");
	fake_store_add_target(store, two->no, "d");
	fake_store_add_target(store, two->no, "d")->hub = 1;
	fake_store_add_target(store, two->no, "e")->hub = 1;
	a = post("/v1/campaigns/c2/targets/d/skip", "");
	ck_status(a, 409);
	ck_has(a, "\"code\":\"ambiguousDevice\"");
	ck_assert_uint_eq(conductor.orders_n, 0);
	ck_has(post("/v1/campaigns/c2/targets/d/skip?hub=north", ""), "\"hub\":\"north\"");
	ck_assert_int_eq(conductor.last_hub, 0);
	ck_has(post("/v1/campaigns/c2/targets/e/skip", ""), "\"hub\":\"south\"");
	ck_assert_int_eq(conductor.last_hub, 1);
	server_stop();
}
END_TEST

START_TEST(test_a_target_that_does_not_wait_takes_no_order)
{
	const struct answer *a;

	start();
	conductor.order_err = ERR_CONFLICT;
	conductor.order_detail = "the device does not wait";
	a = post("/v1/campaigns/c1/targets/d-0/skip", "");
	ck_status(a, 409);
	ck_has(a, "\"detail\":\"the device does not wait\",\"code\":\"wrongState\"");
	conductor.order_err = ERR_OK;
	ck_status(post("/v1/campaigns/c1/targets/d-9/skip", ""), 404);
	ck_status(post("/v1/campaigns/c9/targets/d-0/retry", ""), 404);
	ck_status(post("/v1/campaigns/c1/targets/d-0/skip?hub=moon", ""), 404);
	ck_assert_uint_eq(conductor.orders_n, 1);
	server_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api orders");

	TESTS(s, "preview", test_a_preview_is_told_and_nothing_is_made,
	      test_a_preview_that_the_hub_cannot_count_says_why);
	TESTS(s, "approve", test_an_approval_opens_and_an_override_is_asked_for_by_name,
	      test_an_unsound_approval_gives_no_order, test_an_approval_that_nothing_waits_for_is_409);
	TESTS(s, "retry", test_a_retry_makes_a_campaign_of_the_failed,
	      test_a_retry_is_of_all_reasons_but_unknown_or_of_those_named,
	      test_reasons_that_are_none_of_failed_targets_are_refused,
	      test_a_retry_under_the_same_key_is_made_once,
	      test_a_retrys_key_is_good_for_this_campaign_and_body_only,
	      test_two_retries_at_once_with_one_key_make_one_campaign,
	      test_a_retrys_key_is_free_again_after_a_refusal, test_a_retry_of_nothing_is_409);
	TESTS(s, "patch", test_a_patch_changes_the_spec_and_its_etag,
	      test_a_patch_needs_the_etag_that_is_current,
	      test_all_that_a_patch_may_not_change_is_told_and_nothing_changes,
	      test_what_the_conductor_finds_in_a_patched_spec_is_told,
	      test_only_a_live_campaign_takes_a_patch, test_a_patch_has_a_media_type_and_a_length);
	TESTS(s, "delete", test_a_deleted_campaign_is_answered_with_nothing,
	      test_only_a_final_campaign_can_be_deleted);
	TESTS(s, "targets", test_one_target_is_skipped_or_tried_again,
	      test_an_order_about_a_target_goes_to_its_hub, test_a_target_that_does_not_wait_takes_no_order);
	return suite_run(s);
}
