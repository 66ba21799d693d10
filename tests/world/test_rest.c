/* tests: the REST families other than queries, on the wire formats of contract 2, 3 and 6 */
#include "tests/world/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fixture f;

static void setup(void)
{
	fixture_init(&f);
	fixture_open(&f);
}

static struct reply *ask_if(const char *verb, const char *path, const char *if_match, const char *body)
{
	return wait_for(&f, send_request(&f, &(struct world_request){.method = verb,
	                                                             .path = path,
	                                                             .if_match = if_match,
	                                                             .body = body,
	                                                             .body_bytes = body ? strlen(body) : 0}));
}

/* --- Methods --- */

START_TEST(test_method_timeouts_out_of_range_are_400004_and_unknown_keys_are_ignored)
{
	static const struct {
		const char *body;
		int status;
	} cases[] = {
	        {"{\"methodName\":\"reboot\",\"timeoutInSeconds\":30}", 200},
	        {"{\"methodName\":\"reboot\",\"responseTimeoutInSeconds\":4}", 400},
	        {"{\"methodName\":\"reboot\",\"responseTimeoutInSeconds\":301}", 400},
	        {"{\"methodName\":\"reboot\",\"connectTimeoutInSeconds\":-1}", 400},
	        {"{\"methodName\":\"reboot\",\"connectTimeoutInSeconds\":31}", 400},
	        {"{\"methodName\":\"\"}", 400},
	        {"{\"methodName\":\"a b\"}", 400},
	        {"{}", 400},
	        {"[]", 400},
	};

	setup();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reply *r = ask(&f, "POST", "/twins/dev-000000/methods?" API, cases[i].body);

		ck_assert_msg(r->status == cases[i].status, "%s: %d", cases[i].body, r->status);
		if (r->status == 400)
			ck_assert_str_eq(error_of(r), "400004");
	}
	ck_assert_str_eq(error_of(ask(&f, "POST", "/twins/dev-000000/methods?" API, "{")), "400006");
	ck_assert_uint_eq(told(&f, " call "), 1);
	fixture_done(&f);
}
END_TEST

START_TEST(test_method_errors_come_in_each_envelope)
{
	static const char *const wanted[] = {"404103", "404103", "DeviceNotOnline"};

	for (unsigned quirk = 0; quirk < 3; quirk++) {
		struct reply *r;

		fixture_init(&f);
		f.options.quirks.method_envelope = (uint8_t)quirk;
		f.options.share[WORLD_OFFLINE] = 1;
		fixture_open(&f);
		r = wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 0));
		ck_assert_int_eq(r->status, 404);
		ck_assert_str_eq(error_of(r), wanted[quirk]);
		ck_assert_str_eq(r->error_code, "DeviceNotOnline");
		ck_assert_int_eq(json_object_get(r->json, "errorCode") != NULL, quirk == 1);
		fixture_done(&f);
	}
}
END_TEST

START_TEST(test_unregistered_and_disabled_devices_are_404001_for_methods)
{
	setup();
	ck_assert_int_eq(world_enable(f.w, f.now_ms, "dev-000001", false), ERR_OK);
	ck_assert_str_eq(error_of(wait_for(&f, send_reboot(&f, "nobody", NULL, 30, 0))), "404001");
	ck_assert_str_eq(error_of(wait_for(&f, send_reboot(&f, "dev-000001", NULL, 30, 0))), "404001");
	ck_assert_str_eq(error_of(ask(&f, "POST", "/twins/dev-000000/modules/m/methods?" API,
	                              "{\"methodName\":\"reboot\"}")),
	                 "404010");
	fixture_done(&f);
}
END_TEST

START_TEST(test_payload_over_128_kilobytes_is_413)
{
	struct buf body = BUF_INIT;

	setup();
	buf_puts(&body, "{\"methodName\":\"reboot\",\"payload\":\"");
	for (int i = 0; i < 131071; i++)
		buf_putc(&body, 'x');
	buf_puts(&body, "\"}");
	ck_assert_int_eq(ask(&f, "POST", "/twins/dev-000000/methods?" API, body.data)->status, 413);
	buf_done(&body);
	fixture_done(&f);
}
END_TEST

START_TEST(test_path_is_decoded_once_and_wrong_routes_are_refused)
{
	setup();
	ck_assert_int_eq(world_create(f.w, f.now_ms, "d#1 %41"), ERR_OK);
	ck_assert_int_eq(ask(&f, "GET", "/twins/d%231%20%2541?" API, NULL)->status, 200);
	ck_assert_int_eq(ask(&f, "GET", "/twins/dev-000000?api-version=2011-01-01", NULL)->status, 400);
	ck_assert_int_eq(ask(&f, "GET", "/twins/dev-000000", NULL)->status, 400);
	ck_assert_int_eq(ask(&f, "GET", "/nothing?" API, NULL)->status, 404);
	ck_assert_str_eq(ask(&f, "POST", "/twins/dev-000000?" API, "{}")->body,
	                 "{\"Message\":\"The requested resource does not support http method 'POST'.\"}");
	ck_assert_int_eq(ask(&f, "GET", "/devices/?" API, NULL)->status, 200);
	fixture_done(&f);
}
END_TEST

START_TEST(test_abandoned_caller_gets_no_answer_but_its_call_goes_on)
{
	struct reply *r;

	setup();
	r = send_reboot(&f, "dev-000000", NULL, 30, 0);
	world_abandon(f.w, r);
	world_abandon(f.w, r);
	run_to(&f, f.now_ms + 60000);
	ck_assert(!r->is_answered);
	ck_assert_uint_eq(world_boots(f.w, "dev-000000"), 1);
	fixture_done(&f);
}
END_TEST

/* --- Twins --- */

START_TEST(test_twin_document_is_whole)
{
	static const char wanted[] =
	        "{\"deviceId\":\"dev-000000\",\"etag\":\"AAAAAAAAAAE=\",\"deviceEtag\":\"*\",\"version\":1,"
	        "\"status\":\"enabled\",\"statusUpdateTime\":\"0001-01-01T00:00:00Z\",\"connectionState\":\"Connected\","
	        "\"lastActivityTime\":\"2026-01-01T00:00:00.000Z\",\"cloudToDeviceMessageCount\":0,"
	        "\"authenticationType\":\"sas\",\"x509Thumbprint\":{\"primaryThumbprint\":null,"
	        "\"secondaryThumbprint\":null},\"modelId\":\"\",\"capabilities\":{\"iotEdge\":false},"
	        "\"tags\":{\"site\":\"site-000\",\"line\":\"line-a\",\"timeZone\":\"Europe/Stockholm\"},"
	        "\"properties\":{\"desired\":{\"$metadata\":{\"$lastUpdated\":\"2026-01-01T00:00:00.000Z\","
	        "\"$lastUpdatedVersion\":1},\"$version\":1},\"reported\":{\"a\":{\"b\":[1,2.5,true],\"c\":\"x\"},"
	        "\"$metadata\":{\"$lastUpdated\":\"2026-01-01T00:00:01.000Z\",\"a\":{\"$lastUpdated\":"
	        "\"2026-01-01T00:00:01.000Z\",\"b\":{\"$lastUpdated\":\"2026-01-01T00:00:01.000Z\"},\"c\":"
	        "{\"$lastUpdated\":\"2026-01-01T00:00:01.000Z\"}}},\"$version\":2}}}";
	struct reply *r;

	setup();
	ck_assert_int_eq(
	        world_report(f.w, f.now_ms + 1000, "dev-000000", "{\"a\":{\"b\":[1,2.5,true],\"c\":\"x\"}}"),
	        ERR_OK);
	r = ask(&f, "GET", "/twins/dev-000000?" API, NULL);
	ck_assert_int_eq(r->status, 200);
	json_object_set_new(r->json, "deviceEtag", json_string("*"));
	ck_assert_str_eq(at(r->json, ""), wanted);
	ck_assert_str_eq(r->etag, "\"AAAAAAAAAAE=\"");
	ck_assert_int_eq(ask(&f, "GET", "/twins/nobody?" API, NULL)->status, 404);
	fixture_done(&f);
}
END_TEST

START_TEST(test_patch_merges_deletes_and_moves_version_etag_and_metadata)
{
	struct reply *r;

	setup();
	run_to(&f, f.now_ms + 5000);
	r = ask(&f, "PATCH", "/twins/dev-000000?" API,
	        "{\"tags\":{\"line\":null,\"ring\":1},\"properties\":{\"desired\":{\"cfg\":{\"rate\":5}}}}");
	ck_assert_int_eq(r->status, 200);
	ck_assert_str_eq(at(r->json, "tags"),
	                 "{\"site\":\"site-000\",\"timeZone\":\"Europe/Stockholm\",\"ring\":1}");
	ck_assert_str_eq(at(r->json, "properties.desired.$version"), "2");
	ck_assert_str_eq(at(r->json, "properties.desired.$metadata.cfg.rate"),
	                 "{\"$lastUpdated\":\"2026-01-01T00:00:05.000Z\",\"$lastUpdatedVersion\":2}");
	ck_assert_str_eq(at(r->json, "version"), "2");
	ck_assert_str_ne(at(r->json, "etag"), "\"AAAAAAAAAAE=\"");
	r = ask(&f, "PATCH", "/twins/dev-000000?" API,
	        "{\"properties\":{\"desired\":{\"cfg\":{\"rate\":null}}}}");
	ck_assert_str_eq(at(r->json, "properties.desired.cfg"), "{}");
	r = ask(&f, "PUT", "/twins/dev-000000?" API, "{\"tags\":{\"only\":true}}");
	ck_assert_str_eq(at(r->json, "tags"), "{\"only\":true}");
	ck_assert_str_eq(at(r->json, "properties.desired.cfg"), "");
	fixture_done(&f);
}
END_TEST

START_TEST(test_stale_if_match_is_412_and_quoted_or_bare_etags_and_stars_fit)
{
	static const char patch[] = "{\"tags\":{\"a\":1}}";
	struct reply *r;

	setup();
	r = ask_if("PATCH", "/twins/dev-000000?" API, "\"AAAAAAAAAAE=\"", patch);
	ck_assert_int_eq(r->status, 200);
	r = ask_if("PATCH", "/twins/dev-000000?" API, "\"AAAAAAAAAAE=\"", patch);
	ck_assert_int_eq(r->status, 412);
	ck_assert_str_eq(error_of(r), "PreconditionFailed");
	ck_assert_int_eq(ask_if("PATCH", "/twins/dev-000000?" API, "\"*\"", patch)->status, 200);
	r = ask_if("PATCH", "/twins/dev-000000?" API, "*", patch);
	ck_assert_int_eq(r->status, 200);
	ck_assert_int_eq(ask_if("PATCH", "/twins/dev-000000?" API, r->etag, patch)->status, 200);
	fixture_done(&f);
}
END_TEST

START_TEST(test_twin_limits_are_enforced_and_nothing_changes)
{
	struct buf big = BUF_INIT;
	static const char *const bad[] = {
	        "{\"tags\":{\"a.b\":1}}",
	        "{\"tags\":{\"a$\":1}}",
	        "{\"tags\":{\"a b\":1}}",
	        "{\"tags\":{\"a\":[null]}}",
	        "{\"tags\":{\"a\":4503599627370496}}",
	        "{\"tags\":{\"1\":{\"2\":{\"3\":{\"4\":{\"5\":{\"6\":{\"7\":{\"8\":{\"9\":{\"10\":{\"x\":1}}}}}}}}}}}}",
	        "{\"tags\":7}",
	        "7",
	};

	setup();
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(ask(&f, "PATCH", "/twins/dev-000000?" API, bad[i])->status == 400, "%s",
		              bad[i]);
	buf_puts(&big, "{\"tags\":{\"a\":\"");
	for (int i = 0; i < 4096; i++)
		buf_putc(&big, 'x');
	buf_puts(&big, "\"}}");
	ck_assert_int_eq(ask(&f, "PATCH", "/twins/dev-000000?" API, big.data)->status, 200);
	big.data[10] = 'b';
	world_quirks(f.w)->oversize_413 = 1;
	ck_assert_int_eq(ask(&f, "PATCH", "/twins/dev-000000?" API, big.data)->status, 413);
	ck_assert_str_eq(at(ask(&f, "GET", "/twins/dev-000000?" API, NULL)->json, "version"), "2");
	buf_done(&big);
	fixture_done(&f);
}
END_TEST

START_TEST(test_rewriting_a_value_moves_what_the_quirk_says)
{
	static const char *const versions[] = {"3", "3", "2"};
	static const char *const times[] = {"\"2026-01-01T00:00:02.000Z\"", "\"2026-01-01T00:00:01.000Z\"",
	                                    "\"2026-01-01T00:00:01.000Z\""};

	for (unsigned quirk = 0; quirk < 3; quirk++) {
		struct reply *r;

		fixture_init(&f);
		f.options.quirks.rewrite = (uint8_t)quirk;
		fixture_open(&f);
		for (int i = 1; i <= 2; i++)
			ck_assert_int_eq(
			        world_report(f.w, f.options.start_ms + i * 1000, "dev-000000", "{\"a\":1}"),
			        ERR_OK);
		r = ask(&f, "GET", "/twins/dev-000000?" API, NULL);
		ck_assert_str_eq(at(r->json, "properties.reported.$version"), versions[quirk]);
		ck_assert_str_eq(at(r->json, "properties.reported.$metadata.a.$lastUpdated"), times[quirk]);
		ck_assert_str_eq(at(r->json, "properties.reported.$metadata.$lastUpdated"), times[quirk]);
		fixture_done(&f);
	}
}
END_TEST

START_TEST(test_object_in_place_of_a_scalar_has_children_without_metadata)
{
	for (unsigned quirk = 0; quirk < 2; quirk++) {
		struct reply *r;

		fixture_init(&f);
		f.options.quirks.children_without_metadata = (uint8_t)quirk;
		fixture_open(&f);
		ck_assert_int_eq(world_report(f.w, f.now_ms, "dev-000000", "{\"a\":1,\"z\":2}"), ERR_OK);
		ck_assert_int_eq(world_report(f.w, f.now_ms, "dev-000000", "{\"a\":{\"b\":1}}"), ERR_OK);
		r = ask(&f, "GET", "/twins/dev-000000?" API, NULL);
		ck_assert_str_eq(at(r->json, "properties.reported.a"), "{\"b\":1}");
		ck_assert_str_ne(at(r->json, "properties.reported.$metadata.a.$lastUpdated"), "");
		ck_assert_int_eq(at(r->json, "properties.reported.$metadata.a.b")[0] != '\0', quirk == 1);
		fixture_done(&f);
	}
}
END_TEST

/* --- Open points --- */

static struct reply *ask_twin(const char *quirk)
{
	run_to(&f, f.now_ms + 1000);
	ck_assert(world_quirks_set(world_quirks(f.w), quirk, 1));
	return ask(&f, "GET", "/twins/dev-000000?" API, NULL);
}

START_TEST(test_twins_are_written_as_the_quirks_say)
{
	struct reply *r;

	setup();
	ck_assert_int_eq(world_report(f.w, f.now_ms, "dev-000000", "{\"a\":1}"), ERR_OK);
	r = ask_twin("version_counts_reports");
	ck_assert_str_eq(at(r->json, "version"), "1");
	ck_assert_int_eq(world_report(f.w, f.now_ms, "dev-000000", "{\"a\":2}"), ERR_OK);
	r = ask_twin("long_times");
	ck_assert_str_eq(at(r->json, "version"), "2");
	ck_assert_str_eq(at(r->json, "properties.reported.$metadata.a.$lastUpdated"),
	                 "\"2026-01-01T00:00:01.0000000Z\"");
	r = ask_twin("unset_time_bare");
	ck_assert_str_eq(at(r->json, "statusUpdateTime"), "\"0001-01-01T00:00:00\"");
	r = ask_twin("thumbprint_caps");
	ck_assert_str_eq(at(r->json, "x509Thumbprint"),
	                 "{\"PrimaryThumbprint\":null,\"SecondaryThumbprint\":null}");
	ck_assert_int_eq(world_connect(f.w, f.now_ms, "dev-000000", false), ERR_OK);
	r = ask_twin("connection_lags");
	ck_assert_str_eq(at(r->json, "connectionState"), "\"Connected\"");
	run_to(&f, f.now_ms + 300000);
	ck_assert_str_eq(at(ask_twin("connection_lags")->json, "connectionState"), "\"Disconnected\"");
	fixture_done(&f);
}
END_TEST

START_TEST(test_errors_are_written_as_the_quirks_say)
{
	struct reply *r;

	setup();
	world_quirks(f.w)->version_error_empty = 1;
	r = ask(&f, "GET", "/twins/dev-000000", NULL);
	ck_assert_int_eq(r->status, 400);
	ck_assert_str_eq(r->body, "");
	world_quirks(f.w)->retry_after = 1;
	world_quirks(f.w)->throttle_name = 1;
	world_fault_add(f.w, &(struct world_fault){.kind = WORLD_FAULT_THROTTLED,
	                                           .share = 1,
	                                           .families = WORLD_METHODS,
	                                           .until_ms = TIME_NEVER,
	                                           .count = 1});
	r = wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 0));
	ck_assert_int_eq(r->retry_after_s, 10);
	ck_assert_str_eq(r->error_code, "ThrottlingException");
	world_quirks(f.w)->not_found_flat = 1;
	ck_assert_str_eq(error_of(wait_for(&f, send_reboot(&f, "nobody", NULL, 30, 0))), "DeviceNotFound");
	world_quirks(f.w)->method_envelope = 1;
	world_quirks(f.w)->info_timeout = 1;
	ck_assert_int_eq(world_set_temper(f.w, "dev-000000", WORLD_DEAF), ERR_OK);
	r = wait_for(&f, send_reboot(&f, "dev-000000", NULL, 90, 0));
	ck_assert_str_eq(at(r->json, "info"), "{\"timeout\":\"00:01:30\"}");
	world_quirks(f.w)->text_404103 = 1;
	ck_assert_int_eq(world_connect(f.w, f.now_ms, "dev-000000", false), ERR_OK);
	r = wait_for(&f, send_reboot(&f, "dev-000000", NULL, 30, 0));
	ck_assert_str_eq(at(r->json, "message"), "\"Timed out waiting for device to connect.\"");
	ck_assert_str_eq(at(r->json, "info"), "{\"timeout\":\"00:00:00\"}");
	fixture_done(&f);
}
END_TEST

START_TEST(test_limits_are_those_of_the_quirks)
{
	static const char colon[] = "{\"deviceId\":\"a:b\"}";
	struct reply *r[17];

	fixture_init(&f);
	f.options.devices_n = 500;
	f.options.sku = WORLD_SKU_F1;
	f.options.share[WORLD_DEAF] = 1;
	fixture_open(&f);
	world_quirks(f.w)->f1_devices = 1;
	ck_assert_int_eq(ask(&f, "PUT", "/devices/a?" API, "{\"deviceId\":\"a\"}")->status, 403);
	world_quirks(f.w)->f1_devices = 0;
	ck_assert_int_eq(ask(&f, "PUT", "/devices/a:b?" API, colon)->status, 400);
	world_quirks(f.w)->id_colons = 1;
	ck_assert_int_eq(ask(&f, "PUT", "/devices/a:b?" API, colon)->status, 200);
	world_quirks(f.w)->inflight_limit = 1;
	for (size_t i = 0; i < 17; i++)
		r[i] = send_reboot(&f, "dev-000000", NULL, 30, 0);
	ck_assert_str_eq(error_of(wait_for(&f, r[16])), "403800");
	ck_assert(!r[15]->is_answered);
	fixture_done(&f);
}
END_TEST

/* --- Registry --- */

START_TEST(test_registry_creates_updates_reads_and_deletes)
{
	static const char body[] =
	        "{\"deviceId\":\"new\",\"authentication\":{\"type\":\"sas\",\"symmetricKey\":"
	        "{\"primaryKey\":\"\",\"secondaryKey\":\"\"}}}";
	char key[100];
	struct reply *r;

	setup();
	r = ask(&f, "PUT", "/devices/new?" API, body);
	ck_assert_int_eq(r->status, 200);
	snprintf(key, sizeof key, "%s", at(r->json, "authentication.symmetricKey.primaryKey"));
	ck_assert_uint_eq(strlen(key), 46);
	ck_assert_int_eq(ask(&f, "GET", "/twins/new?" API, NULL)->status, 200);
	r = ask(&f, "PUT", "/devices/new?" API, body);
	ck_assert_int_eq(r->status, 409);
	ck_assert_str_eq(at(r->json, "Message"),
	                 "\"ErrorCode:DeviceAlreadyExists;A device with ID 'new' is already registered.\"");
	r = ask_if("PUT", "/devices/new?" API, "\"*\"", "{\"deviceId\":\"new\",\"status\":\"disabled\"}");
	ck_assert_int_eq(r->status, 200);
	ck_assert_str_eq(at(r->json, "status"), "\"disabled\"");
	ck_assert_str_ne(at(r->json, "authentication.symmetricKey.primaryKey"), key);
	ck_assert_str_eq(at(ask(&f, "GET", "/statistics/devices?" API, NULL)->json, ""),
	                 "{\"totalDeviceCount\":11,\"enabledDeviceCount\":10,\"disabledDeviceCount\":1}");
	ck_assert_str_eq(ask(&f, "GET", "/statistics/service?" API, NULL)->body,
	                 "{\"connectedDeviceCount\":10}");
	ck_assert_int_eq(ask(&f, "DELETE", "/devices/new?" API, NULL)->status, 412);
	r = ask_if("DELETE", "/devices/new?" API, "\"*\"", NULL);
	ck_assert_int_eq(r->status, 204);
	ck_assert_str_eq(r->body, "");
	r = ask(&f, "GET", "/devices/new?" API, NULL);
	ck_assert_int_eq(r->status, 404);
	ck_assert_str_eq(at(r->json, "Message"), "\"ErrorCode:DeviceNotFound;new\"");
	ck_assert_int_eq(ask_if("PUT", "/devices/new?" API, "*", body)->status, 404);
	ck_assert_int_eq(ask(&f, "PUT", "/devices/other?" API, body)->status, 400);
	fixture_done(&f);
}
END_TEST

START_TEST(test_recreated_identity_has_another_generation_and_an_empty_twin)
{
	char generation[64];
	struct reply *r;

	setup();
	ck_assert_int_eq(world_tag(f.w, f.now_ms, "dev-000000", "{\"a\":1}"), ERR_OK);
	r = ask(&f, "GET", "/devices/dev-000000?" API, NULL);
	snprintf(generation, sizeof generation, "%s", at(r->json, "generationId"));
	ck_assert_int_eq(world_delete(f.w, f.now_ms, "dev-000000"), ERR_OK);
	ck_assert_int_eq(world_create(f.w, f.now_ms, "dev-000000"), ERR_OK);
	r = ask(&f, "GET", "/devices/dev-000000?" API, NULL);
	ck_assert_str_ne(at(r->json, "generationId"), generation);
	r = ask(&f, "GET", "/twins/dev-000000?" API, NULL);
	ck_assert_str_eq(at(r->json, "tags"), "{}");
	ck_assert_str_eq(at(r->json, "properties.reported.$version"), "1");
	fixture_done(&f);
}
END_TEST

START_TEST(test_bulk_says_what_failed_and_list_stops_at_top)
{
	struct reply *r;

	setup();
	r = ask(&f, "POST", "/devices?" API,
	        "[{\"id\":\"b1\",\"tags\":{\"x\":1}},{\"id\":\"dev-000000\",\"importMode\":\"create\"},"
	        "{\"id\":\"dev-000001\",\"importMode\":\"Delete\"},"
	        "{\"id\":\"dev-000002\",\"importMode\":\"updateTwin\",\"tags\":{\"ring\":2}}]");
	ck_assert_int_eq(r->status, 400);
	ck_assert_str_eq(
	        r->body,
	        "{\"isSuccessful\":false,\"errors\":[{\"deviceId\":\"dev-000000\",\"errorCode\":"
	        "\"DeviceAlreadyExists\",\"errorStatus\":\"DeviceAlreadyExists\"}],\"warnings\":[]}");
	ck_assert_str_eq(at(ask(&f, "GET", "/twins/b1?" API, NULL)->json, "tags"), "{\"x\":1}");
	ck_assert_str_eq(at(ask(&f, "GET", "/twins/dev-000002?" API, NULL)->json, "tags.ring"), "2");
	ck_assert(!world_has_device(f.w, "dev-000001"));
	r = ask(&f, "GET", "/devices?top=3&" API, NULL);
	ck_assert_uint_eq(json_array_size(r->json), 3);
	ck_assert_str_eq(at(r->json, "1.deviceId"), "\"dev-000002\"");
	ck_assert_int_eq(ask(&f, "GET", "/devices?top=1001&" API, NULL)->status, 400);
	fixture_done(&f);
}
END_TEST

#define SHA1 "0123456789abcdef0123456789ABCDEF01234567"
#define SHA256 SHA1 "89abcdef0123456789abcdef"

START_TEST(test_a_device_is_registered_with_thumbprints_or_an_authority_and_then_has_no_keys)
{
	struct reply *r;
	enum world_login login;

	setup();
	r = ask(&f, "PUT", "/devices/thumb?" API,
	        "{\"deviceId\":\"thumb\",\"authentication\":{\"type\":\"selfSigned\",\"x509Thumbprint\":"
	        "{\"primaryThumbprint\":\"" SHA1 "\",\"secondaryThumbprint\":\"" SHA256 "\"}}}");
	ck_assert_int_eq(r->status, 200);
	ck_assert_str_eq(at(r->json, "authentication"),
	                 "{\"symmetricKey\":{\"primaryKey\":null,\"secondaryKey\":null},\"x509Thumbprint\":"
	                 "{\"primaryThumbprint\":\"" SHA1 "\",\"secondaryThumbprint\":\"" SHA256
	                 "\"},\"type\":\"selfSigned\"}");
	r = ask(&f, "GET", "/twins/thumb?" API, NULL);
	ck_assert_str_eq(at(r->json, "authenticationType"), "\"selfSigned\"");
	ck_assert_str_eq(at(r->json, "x509Thumbprint.secondaryThumbprint"), "\"" SHA256 "\"");
	ck_assert_int_eq(world_device_login(f.w, "thumb", &login), ERR_OK);
	ck_assert_int_eq(login, WORLD_LOGIN_THUMBPRINT);
	r = ask(&f, "POST", "/devices?" API,
	        "[{\"id\":\"thumb\",\"importMode\":\"update\","
	        "\"authentication\":{\"type\":\"certificateAuthority\"}}]");
	ck_assert_int_eq(r->status, 200);
	r = ask(&f, "GET", "/devices/thumb?" API, NULL);
	ck_assert_str_eq(at(r->json, "authentication"),
	                 "{\"symmetricKey\":{\"primaryKey\":null,\"secondaryKey\":null},\"x509Thumbprint\":"
	                 "{\"primaryThumbprint\":null,\"secondaryThumbprint\":null},"
	                 "\"type\":\"certificateAuthority\"}");
	r = ask(&f, "POST", "/devices/query?" API,
	        "{\"query\":\"SELECT deviceId AS id FROM devices WHERE "
	        "authenticationType = 'certificateAuthority'\"}");
	ck_assert_str_eq(r->body, "[{\"id\":\"thumb\"}]");
	r = ask_if("PUT", "/devices/thumb?" API, "*", "{\"deviceId\":\"thumb\"}");
	ck_assert_uint_eq(strlen(at(r->json, "authentication.symmetricKey.primaryKey")), 46);
	fixture_done(&f);
}
END_TEST

START_TEST(test_a_thumbprint_that_is_none_is_refused)
{
	static const char *const bad[] = {"", SHA1 "0", "0123",
	                                  "01:23:45:67:89:ab:cd:ef:01:23:45:67:89:AB:CD:EF:01:23:45:67",
	                                  "g123456789abcdef0123456789ABCDEF01234567"};
	char body[300];

	setup();
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(body, sizeof body,
		         "{\"deviceId\":\"thumb\",\"authentication\":{\"type\":\"selfSigned\","
		         "\"x509Thumbprint\":{\"primaryThumbprint\":\"%s\"}}}",
		         bad[i]);
		ck_assert_msg(ask(&f, "PUT", "/devices/thumb?" API, body)->status == 400, "%s", bad[i]);
	}
	ck_assert_int_eq(ask(&f, "PUT", "/devices/thumb?" API,
	                     "{\"deviceId\":\"thumb\",\"authentication\":{\"type\":\"selfsigned\"}}")
	                         ->status,
	                 400);
	ck_assert(!world_has_device(f.w, "thumb"));
	fixture_done(&f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("world rest");

	TESTS(s, "methods", test_method_timeouts_out_of_range_are_400004_and_unknown_keys_are_ignored,
	      test_method_errors_come_in_each_envelope,
	      test_unregistered_and_disabled_devices_are_404001_for_methods,
	      test_payload_over_128_kilobytes_is_413, test_path_is_decoded_once_and_wrong_routes_are_refused,
	      test_abandoned_caller_gets_no_answer_but_its_call_goes_on);
	TESTS(s, "twins", test_twin_document_is_whole,
	      test_patch_merges_deletes_and_moves_version_etag_and_metadata,
	      test_stale_if_match_is_412_and_quoted_or_bare_etags_and_stars_fit,
	      test_twin_limits_are_enforced_and_nothing_changes,
	      test_rewriting_a_value_moves_what_the_quirk_says,
	      test_object_in_place_of_a_scalar_has_children_without_metadata);
	TESTS(s, "open points", test_twins_are_written_as_the_quirks_say,
	      test_errors_are_written_as_the_quirks_say, test_limits_are_those_of_the_quirks);
	TESTS(s, "registry", test_registry_creates_updates_reads_and_deletes,
	      test_recreated_identity_has_another_generation_and_an_empty_twin,
	      test_a_device_is_registered_with_thumbprints_or_an_authority_and_then_has_no_keys,
	      test_a_thumbprint_that_is_none_is_refused, test_bulk_says_what_failed_and_list_stops_at_top);
	return suite_run(s);
}
