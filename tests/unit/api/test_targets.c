/* tests: api/targets.c and api/events.c. */
#include "tests/unit/api/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"

/* Of eight targets: the first; the next three; four; none. */
#define SPEC \
	"{\"name\":\"n\",\"hubs\":[\"north\",\"south\"],\"action\":{\"type\":\"reboot\"}," \
	"\"targets\":{\"all\":true},\"rollout\":{\"waves\":[{\"upToCount\":1},{\"upToPercent\":50}," \
	"{\"upToCount\":1000},{\"upToPercent\":100}]}}"

/* Five waiting (two offline, one in back-off), one proven, two failed; odd ones on the second hub,
 * 1 to 3 in group gbg, 4 and 5 in a group without a name. */
static void start(void)
{
	static const struct {
		enum target_state state;
		enum reason reason;
		enum wait wait;
	} kinds[] = {{TARGET_WAITING, REASON_NONE, WAIT_NONE},    {TARGET_WAITING, REASON_NONE, WAIT_OFFLINE},
	             {TARGET_WAITING, REASON_NONE, WAIT_BACKOFF}, {TARGET_SUCCEEDED, REASON_NONE, WAIT_NONE},
	             {TARGET_FAILED, REASON_NO_PROOF, WAIT_NONE}, {TARGET_WAITING, REASON_NONE, WAIT_OFFLINE},
	             {TARGET_FAILED, REASON_GONE, WAIT_NONE},     {TARGET_WAITING, REASON_NONE, WAIT_NONE}};
	struct campaign_row *row;

	server_start((struct api_options){0});
	row = fake_store_add_campaign(store, "c1", SPEC);
	row->waves_n = 4;
	fake_store_add_group(store, 1, "gbg", 3);
	fake_store_add_group(store, 1, "", 2);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		char id[16];
		struct target_row *t;

		snprintf(id, sizeof id, "d-%zu", i);
		t = fake_store_add_target(store, 1, id);
		t->state = (uint8_t)kinds[i].state;
		t->reason = (uint8_t)kinds[i].reason;
		t->wait = (uint8_t)kinds[i].wait;
		t->hub = i % 2;
		if (i > 0 && i < 6)
			t->group = i > 3;
		row->counts.state[kinds[i].state]++;
		row->counts.reason[kinds[i].reason]++;
		if (kinds[i].state == TARGET_WAITING)
			row->counts.wait[kinds[i].wait]++;
	}
}

/* Gives the numbers of the targets listed, as text: "0 7". */
static const char *listed(const char *query, char out[64])
{
	char target[256];
	const struct answer *a;
	const char *at;

	snprintf(target, sizeof target, "/v1/campaigns/c1/targets%s", query);
	a = get(target);
	ck_status(a, 200);
	out[0] = '\0';
	for (at = a->body; (at = strstr(at, "\"deviceId\":\"d-")) != NULL; at++)
		snprintf(out + strlen(out), 64 - strlen(out), "%s%c", out[0] != '\0' ? " " : "", at[14]);
	return out;
}

START_TEST(test_filters_choose_targets)
{
	static const struct {
		const char *query, *expected;
	} cases[] = {{"", "0 1 2 3 4 5 6 7"},
	             {"?state=failed", "4 6"},
	             {"?reason=gone", "6"},
	             {"?state=succeeded&reason=gone", ""},
	             {"?wave=0", "0"},
	             {"?wave=1", "1 2 3"},
	             {"?wave=1&limit=2", "1 2"},
	             {"?wave=2&state=waiting", "5 7"},
	             {"?wave=3", ""},
	             {"?wave=4", ""},
	             {"?group=gbg", "1 2 3"},
	             {"?group=gbg&wave=0", ""},
	             {"?group=", "4 5"},
	             {"?group=x", ""},
	             {"?hub=north", "0 2 4 6"},
	             {"?hub=south&state=waiting", "1 5 7"},
	             {"?hub=main", ""},
	             {"?deviceId=d-3", "3"},
	             {"?deviceId=d%2D3", "3"},
	             {"?deviceId=none", ""},
	             {"?limit=2", "0 1"}};
	char out[64];

	start();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		ck_assert_str_eq(listed(cases[i].query, out), cases[i].expected);
	server_stop();
}
END_TEST

/* Checks that each list filtered by waitingFor has as many as waitingBy says, and shows that. */
static void check_waiting(const struct campaign_waiting *waiting)
{
	unsigned total = 0;

	conductor.waiting = *waiting;
	for (int w = WAIT_NONE + 1; w < WAITS_N; w++) {
		const struct answer *a;
		char target[64], count[32], shown[32], out[64];
		unsigned n, shown_n = 0;

		snprintf(target, sizeof target, "?waitingFor=%s", wait_text((enum wait)w));
		n = (unsigned)(strlen(listed(target, out)) + 1) / 2;
		total += n;
		snprintf(count, sizeof count, "\"%s\":%u", wait_text((enum wait)w), n);
		snprintf(shown, sizeof shown, "\"waitingFor\":\"%s\"", wait_text((enum wait)w));
		a = get("/v1/campaigns/c1/targets?state=waiting");
		for (const char *at = a->body; (at = strstr(at, shown)) != NULL; at++)
			shown_n++;
		ck_assert_uint_eq(shown_n, n);
		if (n > 0)
			ck_has(get("/v1/campaigns/c1"), count);
	}
	ck_assert_uint_eq(total, 5);
}

/* For each reason why the campaign waits, all waves open or the later ones not, some parked or none. */
START_TEST(test_waiting_for_lists_agree_with_waiting_by)
{
	static const enum wait reasons[] = {WAIT_NONE, WAIT_PAUSED, WAIT_HUB, WAIT_CAPACITY, WAIT_RATE};

	start();
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
		bool overrides = reasons[i] != WAIT_NONE && reasons[i] < WAIT_DEVICE;
		struct campaign_waiting w = {.wait = reasons[i],
		                             .next_at_ms = TIME_NONE,
		                             .overrides_own = overrides,
		                             .closed_from = UINT32_MAX};

		conductor.parked = 0;
		check_waiting(&w);
		if (reasons[i] < WAIT_HUB)
			continue;
		w.closed_from = 7;
		w.closed_n = 1;
		check_waiting(&w);
		w.parked_n = 1;
		conductor.parked = 1 << 0;
		check_waiting(&w);
		w.closed_from = UINT32_MAX;
		w.closed_n = 0;
		check_waiting(&w);
		if (overrides)
			continue;
		w.shut_hubs = 2; /* of targets 1, 5 and 7 */
		w.shut_by[WAIT_OFFLINE] = 2;
		w.shut_by[WAIT_NONE] = 1;
		check_waiting(&w);
		w.shut_hubs = 1; /* of targets 0 and 2 */
		w.shut_by[WAIT_OFFLINE] = w.shut_by[WAIT_NONE] = 0;
		w.shut_by[WAIT_BACKOFF] = w.shut_by[WAIT_GROUP] = 1;
		check_waiting(&w);
	}
	server_stop();
}
END_TEST

START_TEST(test_what_does_not_wait_waits_for_nothing)
{
	start();
	ck_has(get("/v1/campaigns/c1/targets?waitingFor=capacity&state=failed"), "{\"value\":[],");
	conductor.waiting.closed_from = 4;
	ck_has(get("/v1/campaigns/c1/targets?waitingFor=wave&state=failed"), "{\"value\":[],");
	ck_has(get("/v1/campaigns/c1/targets?deviceId=d-6"), "\"waitingFor\":null,\"nextAt\":null");
	server_stop();
}
END_TEST

/* A list that is sifted here has short pages, but walking it meets each once. */
START_TEST(test_walking_a_sifted_list_meets_each_once_in_order)
{
	char target[512] = "/v1/campaigns/big/targets?waitingFor=group&limit=2";
	static const int parked[] = {0, 5, 6, 63};
	size_t met = 0, pages = 0;

	server_start((struct api_options){0});
	fake_store_add_campaign(store, "big", SPEC);
	for (int i = 0; i < 1500; i++) {
		char id[16];

		snprintf(id, sizeof id, "d-%d", i);
		fake_store_add_target(store, 1, id);
	}
	for (size_t i = 0; i < 4; i++)
		conductor.parked |= UINT64_C(1) << parked[i];
	conductor.waiting.parked_n = 4;
	for (; target[0] != '\0'; pages++) {
		const struct answer *a = get(target);
		const char *at;

		ck_status(a, 200);
		for (at = a->body; (at = strstr(at, "\"deviceId\":\"d-")) != NULL; at++) {
			ck_assert_uint_lt(met, 4);
			ck_assert_int_eq(atoi(at + 14), parked[met++]);
		}
		at = strstr(a->body, "\"nextLink\":\"");
		target[0] = '\0';
		if (at != NULL)
			snprintf(target, sizeof target, "%.*s", (int)strcspn(at + 12, "\""), at + 12);
	}
	ck_assert_uint_eq(met, 4);
	ck_assert_uint_eq(pages, 4); /* two of two, the rest of a thousand and of what is behind */
	server_stop();
}
END_TEST

START_TEST(test_the_last_page_of_a_wave_has_no_next)
{
	const struct answer *a;

	start();
	a = get("/v1/campaigns/c1/targets?wave=1&limit=2");
	ck_has(a, "\"nextLink\":\"/v1/campaigns/c1/targets?wave=1&limit=2&cursor=");
	a = get("/v1/campaigns/c1/targets?wave=1&limit=3");
	ck_has(a, "\"deviceId\":\"d-3\"");
	ck_lacks(a, "nextLink");
	conductor.waiting.closed_from = 4;
	ck_lacks(get("/v1/campaigns/c1/targets?waitingFor=backoff&limit=1"), "nextLink");
	server_stop();
}
END_TEST

START_TEST(test_filters_that_are_no_choice_name_the_choices)
{
	const struct answer *a;

	start();
	a = get("/v1/campaigns/c1/targets?state=x&reason=y&waitingFor=&wave=-1&limit=x&cursor=1");
	ck_status(a, 400);
	ck_has(a,
	       "{\"parameter\":\"state\",\"detail\":\"must be one of waiting, invoking, doubtful, awaitingProof, "
	       "succeeded, failed, skipped, cancelled\"}");
	ck_has(a,
	       "{\"parameter\":\"reason\",\"detail\":\"must be one of refused, noMethod, deviceFailed, noProof, "
	       "unknown, offlineExpired, hubRejected, gone, notFound, disabled,");
	ck_has(a, "{\"parameter\":\"waitingFor\",\"detail\":\"must be one of paused, selection, start,");
	ck_has(a, "{\"parameter\":\"wave\"");
	ck_has(a, "{\"parameter\":\"limit\"");
	ck_has(a, "{\"parameter\":\"cursor\"");
	server_stop();
}
END_TEST

START_TEST(test_a_listed_target_says_what_it_waits_for_and_until_when)
{
	start();
	conductor.waiting = (struct campaign_waiting){
	        .wait = WAIT_RATE, .next_at_ms = 7000, .closed_from = 7, .closed_n = 1};
	ck_assert_str_eq(get("/v1/campaigns/c1/targets?deviceId=d-0")->body,
	                 "{\"value\":[{\"deviceId\":\"d-0\",\"hub\":\"north\",\"wave\":0,\"group\":null,"
	                 "\"state\":\"waiting\",\"reason\":null,\"waitingFor\":\"rate\","
	                 "\"nextAt\":\"1970-01-01T00:00:07.000Z\",\"attempt\":0,\"methodStatus\":null,"
	                 "\"changedAt\":\"1970-01-01T00:00:01.000Z\"}],\"revision\":1}");
	ck_has(get("/v1/campaigns/c1/targets?deviceId=d-1"), "\"waitingFor\":\"offline\",\"nextAt\":null");
	ck_has(get("/v1/campaigns/c1/targets?deviceId=d-1"), "\"wave\":1,\"group\":\"gbg\"");
	ck_has(get("/v1/campaigns/c1/targets?deviceId=d-5"), "\"wave\":2,\"group\":null");
	ck_has(get("/v1/campaigns/c1/targets?deviceId=d-7"), "\"waitingFor\":\"wave\",\"nextAt\":null");
	conductor.waiting.shut_hubs = 2;
	conductor.waiting.shut_until_ms[1] = 9000;
	ck_has(get("/v1/campaigns/c1/targets?deviceId=d-1"),
	       "\"waitingFor\":\"hub\",\"nextAt\":\"1970-01-01T00:00:09.000Z\"");
	ck_has(get("/v1/campaigns/c1/targets?deviceId=d-0"), "\"waitingFor\":\"rate\"");
	ck_has(get("/v1/campaigns/c1/targets?deviceId=d-7"), "\"waitingFor\":\"wave\",\"nextAt\":null");
	conductor.waiting.shut_hubs = 0;
	conductor.parked = 1;
	ck_has(get("/v1/campaigns/c1/targets?deviceId=d-0"), "\"waitingFor\":\"group\",\"nextAt\":null");
	ck_has(get("/v1/campaigns/c1/targets/d-0"), "\"waitingFor\":\"group\",\"nextAt\":null");
	ck_has(get("/v1/campaigns/c1/targets?deviceId=d-4"),
	       "\"state\":\"failed\",\"reason\":\"noProof\",\"waitingFor\":null,\"nextAt\":null");
	server_stop();
}
END_TEST

START_TEST(test_walking_the_targets_meets_each_once_in_order)
{
	char target[512] = "/v1/campaigns/big/targets?limit=1000";
	int expected = 0;

	server_start((struct api_options){0});
	fake_store_add_campaign(store, "big", SPEC);
	for (int i = 0; i < 2345; i++) {
		char id[16];

		snprintf(id, sizeof id, "d-%d", i);
		fake_store_add_target(store, 1, id);
	}
	while (target[0] != '\0') {
		const struct answer *a = get(target);
		const char *at;

		ck_status(a, 200);
		for (at = a->body; (at = strstr(at, "\"deviceId\":\"d-")) != NULL; at++)
			ck_assert_int_eq(atoi(at + 14), expected++);
		at = strstr(a->body, "\"nextLink\":\"");
		target[0] = '\0';
		if (at != NULL)
			snprintf(target, sizeof target, "%.*s", (int)strcspn(at + 12, "\""), at + 12);
	}
	ck_assert_int_eq(expected, 2345);
	server_stop();
}
END_TEST

START_TEST(test_a_campaign_without_hubs_has_the_configured_ones)
{
	server_start((struct api_options){0});
	fake_store_add_campaign(
	        store, "c1", "{\"name\":\"n\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true}}");
	fake_store_add_target(store, 1, "d");
	ck_has(get("/v1/campaigns/c1/targets?hub=main"), "\"hub\":\"main\"");
	server_stop();
}
END_TEST

START_TEST(test_one_target_has_its_attempts_and_evidence)
{
	const struct attempt_row attempt = {.campaign = 1,
	                                    .no = 2,
	                                    .call = 3,
	                                    .attempt = 1,
	                                    .attempt_seq = 1,
	                                    .called_at_ms = 1000,
	                                    .ended_at_ms = 2000,
	                                    .hub_at_ms = 0,
	                                    .outcome = "answered",
	                                    .http_status = 200,
	                                    .method_status = 202,
	                                    .payload = "{\"ok\":true}"};
	const struct attempt_row cut = {.no = 2,
	                                .call = 4,
	                                .called_at_ms = TIME_NONE,
	                                .ended_at_ms = TIME_NONE,
	                                .hub_at_ms = TIME_NONE,
	                                .outcome = "offline",
	                                .http_status = 404,
	                                .hub_code = 404103,
	                                .payload = "{\"cut",
	                                .tracking_id = "t1"};
	const struct evidence_row evidence = {.at_ms = clock_now_ms() - 90500,
	                                      .hub_at_ms = 3000,
	                                      .source = SOURCE_READ,
	                                      .strength = STRENGTH_VALUE,
	                                      .is_late = true,
	                                      .verdict = "proven",
	                                      .value = "\"2026\"",
	                                      .value_at_ms = 4000};
	const struct answer *a;

	start();
	fake_store_add_attempt(store, &attempt);
	fake_store_add_attempt(store, &cut);
	fake_store_add_evidence(store, &evidence);
	a = get("/v1/campaigns/c1/targets/d-2");
	ck_status(a, 200);
	ck_has(a, "{\"deviceId\":\"d-2\",\"hub\":\"north\",");
	ck_has(a,
	       "\"attempts\":[{\"call\":3,\"number\":1,\"attemptId\":\"c1-2-1\","
	       "\"calledAt\":\"1970-01-01T00:00:01.000Z\",\"endedAt\":\"1970-01-01T00:00:02.000Z\","
	       "\"hubAt\":\"1970-01-01T00:00:00.000Z\",\"outcome\":\"answered\",\"httpStatus\":200,\"hubCode\":null,"
	       "\"methodStatus\":202,\"payload\":{\"ok\":true},\"trackingId\":null},"
	       "{\"call\":4,\"number\":null,\"attemptId\":\"c1-2-0\",\"calledAt\":null,\"endedAt\":null,"
	       "\"hubAt\":null,\"outcome\":\"offline\",\"httpStatus\":404,\"hubCode\":404103,\"methodStatus\":null,"
	       "\"payload\":\"{\\\"cut\",\"trackingId\":\"t1\"}]");
	ck_has(a,
	       "\"hubAt\":\"1970-01-01T00:00:03.000Z\",\"ageSeconds\":90,\"source\":\"read\",\"strength\":\"value\","
	       "\"verdict\":\"proven\",\"value\":\"2026\",\"lastUpdated\":\"1970-01-01T00:00:04.000Z\","
	       "\"isBaseline\":false,\"isLate\":true}],\"revision\":1}");
	server_stop();
}
END_TEST

START_TEST(test_a_baseline_from_the_selection_is_the_first_evidence)
{
	const struct baseline baseline = {.taken_at_ms = clock_now_ms() - 3600500,
	                                  .value_at_ms = 4000,
	                                  .source = SOURCE_QUERY,
	                                  .has_value = true};
	const struct evidence_row proof = {
	        .at_ms = 5000, .hub_at_ms = 5000, .source = SOURCE_QUERY, .verdict = "proven"};
	const struct answer *a;

	start();
	fake_store_set_baseline(store, 1, 2, &baseline);
	a = get("/v1/campaigns/c1/targets/d-2");
	ck_has(a, "\"evidence\":[{\"at\":\"");
	ck_has(a, "\"ageSeconds\":3600,\"source\":\"query\",\"strength\":\"none\",\"verdict\":\"baseline\","
	          "\"value\":null,\"lastUpdated\":\"1970-01-01T00:00:04.000Z\",\"isBaseline\":true,"
	          "\"isLate\":false}],\"revision\":1}");
	ck_has(get("/v1/campaigns/c1/targets/d-1"), "\"evidence\":[],");
	fake_store_add_evidence(store, &proof);
	a = get("/v1/campaigns/c1/targets/d-2");
	ck_has(a, "\"isBaseline\":true,\"isLate\":false},{\"at\":\"1970-01-01T00:00:05.000Z\"");
	server_stop();
}
END_TEST

START_TEST(test_a_baseline_that_is_evidence_already_is_shown_once)
{
	const struct baseline baseline = {
	        .taken_at_ms = 4000, .value_at_ms = TIME_NONE, .source = SOURCE_READ};
	const struct evidence_row row = {.at_ms = 5000,
	                                 .hub_at_ms = 4000,
	                                 .source = SOURCE_READ,
	                                 .is_baseline = true,
	                                 .verdict = "baseline"};
	const struct answer *a;

	start();
	fake_store_set_baseline(store, 1, 2, &baseline);
	fake_store_add_evidence(store, &row);
	a = get("/v1/campaigns/c1/targets/d-2");
	ck_has(a, "\"evidence\":[{\"at\":\"1970-01-01T00:00:05.000Z\"");
	ck_lacks(a, "},{\"at\":");
	server_stop();
}
END_TEST

START_TEST(test_a_device_of_two_hubs_needs_the_hub)
{
	struct target_row *t;
	const struct answer *a;

	start();
	t = fake_store_add_target(store, 1, "d-0");
	t->hub = 1;
	a = get("/v1/campaigns/c1/targets/d-0");
	ck_status(a, 409);
	ck_has(a, "\"code\":\"ambiguousDevice\"");
	ck_has(get("/v1/campaigns/c1/targets/d-0?hub=south"), "\"hub\":\"south\"");
	ck_status(get("/v1/campaigns/c1/targets/d-0?hub=moon"), 404);
	server_stop();
}
END_TEST

START_TEST(test_what_is_not_there_is_404)
{
	start();
	ck_status(get("/v1/campaigns/c2"), 404);
	ck_status(get("/v1/campaigns/c2/targets"), 404);
	ck_status(get("/v1/campaigns/c2/targets/d-0"), 404);
	ck_status(get("/v1/campaigns/c2/events"), 404);
	ck_status(get("/v1/campaigns/c2/groups"), 404);
	ck_status(get("/v1/campaigns/c1/targets/d-99"), 404);
	server_stop();
}
END_TEST

START_TEST(test_device_ids_with_any_allowed_character_are_found)
{
	start();
	fake_store_add_target(store, 1, "a-:.+%_#*?!(),=@;$'z");
	ck_status(get("/v1/campaigns/c1/targets/a-:.+%25_%23*%3F!(),=@;$'z"), 200);
	ck_status(get("/v1/campaigns/c1/targets/a%2D%3A%2e%2B%25_%23*%3f!(),=@;$%27z"), 200);
	ck_has(get("/v1/campaigns/c1/targets?deviceId=a-:.%2B%25_%23*?!(),=@;$'z"), "\"deviceId\":\"a-");
	server_stop();
}
END_TEST

/* ---- groups ---- */

START_TEST(test_groups_have_their_counts_and_come_in_pages)
{
	const struct answer *a;
	char link[256];

	start();
	a = get("/v1/campaigns/c1/groups?limit=1");
	ck_has(a,
	       "{\"value\":[{\"group\":\"gbg\",\"hub\":\"north\",\"size\":3,\"counts\":{\"total\":3,\"waiting\":2,\"invoking\":0,"
	       "\"doubtful\":0,\"awaitingProof\":0,\"succeeded\":1,\"failed\":0,\"skipped\":0,\"cancelled\":0},"
	       "\"unavailable\":0,\"waiting\":2,\"blockedBy\":[]}],\"nextLink\":\"/v1/campaigns/c1/groups?limit=1&cursor=");
	snprintf(link, sizeof link, "%.*s", (int)strcspn(strstr(a->body, "/v1/"), "\""),
	         strstr(a->body, "/v1/"));
	a = get(link);
	ck_has(a, "{\"value\":[{\"group\":null,\"hub\":\"north\",\"size\":2,");
	ck_has(a, "\"unavailable\":1,\"waiting\":1,\"blockedBy\":[]}],\"revision\":1}");
	ck_has(get("/v1/campaigns/c1/groups"), "},{\"group\":null,");
	ck_status(get("/v1/campaigns/c1/groups?limit=0"), 400);
	server_stop();
}
END_TEST

START_TEST(test_a_live_group_says_who_is_in_the_way_and_since_when)
{
	start();
	conductor.has_groups = true;
	conductor.group_unavailable = 3;
	conductor.group_max = 4;
	ck_has(get("/v1/campaigns/c1/groups?limit=1"), "\"unavailable\":3,\"waiting\":2,\"blockedBy\":[]}");
	conductor.group_max = 3;
	ck_has(get("/v1/campaigns/c1/groups?limit=1"),
	       "\"unavailable\":3,\"waiting\":2,\"blockedBy\":[{\"deviceId\":\"d-1\",\"campaignId\":\"c1\","
	       "\"state\":\"awaitingProof\",\"since\":\"1970-01-01T00:00:01.000Z\"},{\"deviceId\":\"d-9\","
	       "\"campaignId\":null,\"state\":\"settling\",\"since\":null}]}");
	server_stop();
}
END_TEST

/* ---- one device over all campaigns ---- */

START_TEST(test_a_devices_history_is_newest_first_in_pages)
{
	const struct answer *a;
	struct target_row *t;
	char link[256];

	start();
	fake_store_add_campaign(store, "c2", SPEC);
	fake_store_add_campaign(store, "c3", SPEC);
	t = fake_store_add_target(store, 3, "d-4");
	t->state = TARGET_SUCCEEDED;
	t->attempts = 2;
	t->calls = 3;
	t->called_at_ms = 5000;
	t->method_status = 200;
	a = get("/v1/devices/d-4/history?limit=1");
	ck_has(a, "{\"value\":[{\"campaignId\":\"c3\",\"group\":null,\"state\":\"succeeded\",\"reason\":null,"
	          "\"attempt\":2,\"methodStatus\":200,\"changedAt\":\"1970-01-01T00:00:01.000Z\",\"calls\":3,"
	          "\"calledAt\":\"1970-01-01T00:00:05.000Z\"}],"
	          "\"nextLink\":\"/v1/devices/d-4/history?limit=1&cursor=");
	snprintf(link, sizeof link, "%.*s", (int)strcspn(strstr(a->body, "/v1/"), "\""),
	         strstr(a->body, "/v1/"));
	a = get(link);
	ck_has(a, "{\"value\":[{\"campaignId\":\"c1\",");
	ck_has(a, "\"state\":\"failed\",\"reason\":\"noProof\",");
	ck_has(a, "\"calls\":0,\"calledAt\":null}],\"revision\":1}");
	ck_assert_str_eq(get("/v1/devices/none/history")->body, "{\"value\":[],\"revision\":1}");
	ck_status(get("/v1/devices/d-4/history?limit=x"), 400);
	server_stop();
}
END_TEST

/* ---- events ---- */

static void start_with_events(void)
{
	start();
	fake_store_add_campaign(store, "c2", SPEC);
	for (unsigned i = 10; i < 20; i++)
		fake_store_add_event(store, &(struct event){.id = i,
		                                            .at_ms = (int64_t)i * 1000,
		                                            .type = i == 10 ? EVENT_HUB : EVENT_TARGET,
		                                            .campaign = i == 10 ? 0 : 1 + i % 2,
		                                            .device_id = i == 10 ? NULL : "d-1",
		                                            .from = TARGET_AWAITING_PROOF,
		                                            .to = TARGET_FAILED,
		                                            .reason = i == 10 ? REASON_NONE : REASON_NO_PROOF,
		                                            .attempt = i == 10 ? 0 : 2,
		                                            .detail = i == 10 ? "\"hub\":\"main\"" : NULL});
}

START_TEST(test_events_come_in_pages_oldest_first)
{
	const struct answer *a;

	start_with_events();
	a = get("/v1/events?limit=2");
	ck_assert_str_eq(
	        a->body,
	        "{\"value\":[{\"id\":10,\"at\":\"1970-01-01T00:00:10.000Z\",\"type\":\"hub\",\"campaignId\":null,"
	        "\"deviceId\":null,\"hub\":\"main\"},"
	        "{\"id\":11,\"at\":\"1970-01-01T00:00:11.000Z\",\"type\":\"target\",\"campaignId\":\"c2\","
	        "\"deviceId\":\"d-1\",\"from\":\"awaitingProof\",\"to\":\"failed\",\"reason\":\"noProof\","
	        "\"attempt\":2}],\"nextLink\":\"/v1/events?limit=2&after=11\",\"firstKeptId\":10,"
	        "\"lastId\":19,\"revision\":1}");
	ck_has(get("/v1/events?limit=2&after=11"), "{\"value\":[{\"id\":12,");
	a = get("/v1/events?after=18");
	ck_has(a, "{\"value\":[{\"id\":19,");
	ck_lacks(a, "nextLink");
	ck_has(get("/v1/events?after=19"), "{\"value\":[],\"firstKeptId\":10,\"lastId\":19,");
	ck_status(get("/v1/events?after=-1"), 400);
	ck_status(get("/v1/events?limit=0&after=x"), 400);
	server_stop();
}
END_TEST

START_TEST(test_an_event_of_something_new_has_no_from)
{
	start();
	fake_store_add_event(store, &(struct event){.id = 1,
	                                            .type = EVENT_CAMPAIGN,
	                                            .campaign = 1,
	                                            .from = CAMPAIGN_SELECTING,
	                                            .to = CAMPAIGN_SELECTING});
	ck_has(get("/v1/events"), "\"campaignId\":\"c1\",\"deviceId\":null,\"to\":\"selecting\"}");
	server_stop();
}
END_TEST

START_TEST(test_a_campaigns_events_skip_the_others)
{
	const struct answer *a;

	start_with_events();
	a = get("/v1/campaigns/c2/events?after=12&limit=2");
	ck_has(a, "{\"id\":13,");
	ck_has(a, "{\"id\":15,");
	ck_lacks(a, "{\"id\":14,");
	ck_has(a, "\"nextLink\":\"/v1/campaigns/c2/events?limit=2&after=15\"");
	ck_status(get("/v1/campaigns/c2/events?after=x"), 400);
	server_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api targets");

	TESTS(s, "list", test_filters_choose_targets, test_waiting_for_lists_agree_with_waiting_by,
	      test_what_does_not_wait_waits_for_nothing, test_walking_a_sifted_list_meets_each_once_in_order,
	      test_the_last_page_of_a_wave_has_no_next, test_filters_that_are_no_choice_name_the_choices,
	      test_a_listed_target_says_what_it_waits_for_and_until_when,
	      test_walking_the_targets_meets_each_once_in_order,
	      test_a_campaign_without_hubs_has_the_configured_ones);
	TESTS(s, "one", test_one_target_has_its_attempts_and_evidence,
	      test_a_baseline_from_the_selection_is_the_first_evidence,
	      test_a_baseline_that_is_evidence_already_is_shown_once, test_a_device_of_two_hubs_needs_the_hub,
	      test_what_is_not_there_is_404, test_device_ids_with_any_allowed_character_are_found);
	TESTS(s, "groups", test_groups_have_their_counts_and_come_in_pages,
	      test_a_live_group_says_who_is_in_the_way_and_since_when);
	TESTS(s, "history", test_a_devices_history_is_newest_first_in_pages);
	TESTS(s, "events", test_events_come_in_pages_oldest_first, test_an_event_of_something_new_has_no_from,
	      test_a_campaigns_events_skip_the_others);
	return suite_run(s);
}
