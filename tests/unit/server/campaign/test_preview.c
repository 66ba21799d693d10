/* tests: campaign/preview. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "server/campaign/preview.h"

#define NOW_MS 1764547200000 /* 2025-12-01 */

static struct campaign_spec spec;
static struct preview p;
static struct buf text;

/* A preview of count targets on one S1 hub with one unit. */
static void begin(const char *json, uint32_t count)
{
	struct faults faults = FAULTS_INIT;
	char reason[SPEC_REASON_SIZE];
	size_t at;

	spec_done(&spec);
	ck_assert_int_eq(spec_parse(json, strlen(json), false, &spec, &faults, &at, reason), ERR_OK);
	memset(&p, 0, sizeof p);
	p.spec = &spec;
	p.made_at_ms = p.start_at_ms = NOW_MS;
	p.selected_at_ms = NOW_MS + 60000;
	p.has_baselines = p.is_looked_up = p.has_list = true;
	p.hubs[0] = (struct preview_hub){.name = "main",
	                                 .sku = "S1",
	                                 .state = "open",
	                                 .grant = {2400, 20, 6000, 400000, 1000, 5000, 0},
	                                 .targets = count,
	                                 .selected_rows = count};
	p.forecast.now_ms = p.selected_at_ms;
	p.forecast.end_at_ms = TIME_NEVER;
	p.forecast.hubs_n = 1;
	p.forecast.act_ms = 7500;
	p.forecast.slowest_ms = 10000;
	p.forecast.slot_ms = 130000;
}

static const char *run(void)
{
	json_t *json;

	for (uint32_t h = 0; h < p.forecast.hubs_n; h++) {
		struct device_cost cost =
		        device_cost_of(&spec, p.has_baselines, p.forecast.act_ms, &p.hubs[h].grant);

		device_cost_limits(&cost, &p.hubs[h].grant, &p.forecast.hubs[h]);
		p.forecast.hubs[h].opens_at_ms = TIME_NONE;
	}
	free(p.forecast.by_zones);
	p.forecast.by_zones = NULL;
	preview_spread(&p);
	forecast_run(&p.forecast);
	buf_reset(&text);
	preview_render(&p, &text);
	json = json_loads(text.data, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(json != NULL, "no JSON: %s", text.data);
	json_decref(json);
	return text.data;
}

#define ck_says(words) ck_assert_msg(strstr(run(), words) != NULL, "no %s in %.4000s", words, text.data)
#define ck_says_not(words) ck_assert_msg(strstr(run(), words) == NULL, "%s in %.4000s", words, text.data)

#define HEAD "{\"name\":\"n\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true}"
#define ABORT ",\"abort\":[{\"percent\":5,\"minFinished\":20,\"do\":\"pause\"}]"

START_TEST(test_a_preview_tells_waves_times_and_shares)
{
	static const char *const never[] = {"kiosk-7"};
	const char *expected;

	begin(HEAD ABORT
	      ",\"rollout\":{\"ratePerMinute\":600,\"waves\":[{\"name\":\"canary\",\"upToPercent\":1},"
	      "{\"upToPercent\":100}],\"gate\":{\"minSuccessPercent\":95,\"soakSeconds\":600}}}",
	      10000);
	p.never[0] = (struct preview_never){REASON_EXCLUDED, 1, never, 1};
	p.never_n = 1;
	expected =
	        "{\"targets\":{\"total\":10000,\"toCall\":9999,\"countedBy\":\"query\",\"isExact\":false,"
	        "\"neverCalled\":[{\"reason\":\"excluded\",\"count\":1,\"deviceIds\":[\"kiosk-7\"]}]},"
	        "\"groups\":null,\"windows\":null,\"madeAt\":\"2025-12-01T00:00:00.000Z\","
	        "\"startsAt\":\"2025-12-01T00:00:00.000Z\",\"selectedAt\":\"2025-12-01T00:01:00.000Z\","
	        /* 99 calls in 9.8 s, proven 10 s later; 600 s; 9.9 s and 98 turns of 130 s */
	        "\"finishesAt\":\"2025-12-01T03:43:59.700Z\",\"boundedBy\":\"capacity\",\"approvals\":0,"
	        "\"maxUnavailable\":100,\"ratePerMinute\":600,\"times\":{\"from\":\"assumed\","
	        "\"actionSeconds\":7.500,\"slowestSeconds\":10.000,\"settleSeconds\":120},"
	        "\"hubs\":[{\"name\":\"main\",\"sku\":\"S1\",\"state\":\"open\",\"targets\":10000,\"calls\":9999,"
	        "\"selectionPages\":100,\"progressPages\":200,\"pointReads\":0,\"messages\":40297,"
	        "\"callsPerMinute\":2400,\"queriesPerMinute\":20,\"readsPerMinute\":6000,"
	        "\"messagesPerDay\":400000,\"messagesLeftToday\":399000,\"dailyQuotaPercent\":10.1}],"
	        "\"waves\":[{\"index\":0,\"name\":\"canary\",\"size\":100,\"toCall\":99,"
	        "\"opensAt\":\"2025-12-01T00:01:00.000Z\",\"callsEndAt\":\"2025-12-01T00:01:09.800Z\","
	        "\"finishesAt\":\"2025-12-01T00:01:19.800Z\",\"boundedBy\":\"action\",\"waitsForApproval\":false,"
	        "\"gate\":{\"minSuccessPercent\":95,\"soakSeconds\":600,\"approval\":\"none\"}},"
	        "{\"index\":1,\"name\":null,\"size\":9900,\"toCall\":9900,"
	        "\"opensAt\":\"2025-12-01T00:11:19.800Z\",\"callsEndAt\":\"2025-12-01T03:43:49.700Z\","
	        "\"finishesAt\":\"2025-12-01T03:43:59.700Z\",\"boundedBy\":\"capacity\","
	        "\"waitsForApproval\":false,"
	        "\"gate\":{\"minSuccessPercent\":95,\"soakSeconds\":600,\"approval\":\"none\"}}],"
	        "\"warnings\":[]}";
	run();
	for (size_t i = 0; i <= strlen(expected); i++)
		ck_assert_msg(text.data[i] == expected[i], "expected %.60s, is %.60s", expected + i,
		              text.data + i);
}
END_TEST

START_TEST(test_a_page_that_is_begun_counts)
{
	begin(HEAD ABORT "}", 101);
	ck_says("\"selectionPages\":2,");
}
END_TEST

START_TEST(test_groups_are_told_largest_first_and_those_without_the_tag)
{
	static const struct preview_group groups[] = {{0, "", 4}, {0, "a", 10}, {0, "b", 30}, {0, "c", 30}};

	begin(HEAD ABORT ",\"rollout\":{\"group\":{\"by\":\"tags.site\",\"maxUnavailable\":\"10%\"}}}", 74);
	p.groups = groups;
	p.groups_n = 4;
	ck_says("\"groups\":{\"by\":\"tags.site\",\"count\":4,\"withoutTag\":4,\"largest\":["
	        "{\"group\":\"b\",\"hub\":\"main\",\"size\":30,\"maxUnavailable\":3},"
	        "{\"group\":\"c\",\"hub\":\"main\",\"size\":30,\"maxUnavailable\":3},"
	        "{\"group\":\"a\",\"hub\":\"main\",\"size\":10,\"maxUnavailable\":1},"
	        "{\"group\":null,\"hub\":\"main\",\"size\":4,\"maxUnavailable\":1}]}");
	ck_says("\"code\":\"withoutTag\",\"detail\":\"4 devices have no tags.site:");
	/* Ten rounds of the groups of 10 and of 30. */
	ck_says("\"callsEndAt\":\"2025-12-01T00:20:30.000Z\"");
	ck_says("\"boundedBy\":\"group\",\"approvals\"");
}
END_TEST

START_TEST(test_what_was_overlooked_is_said)
{
	begin("{\"name\":\"n\",\"action\":{\"type\":\"method\",\"methodName\":\"m\"},\"targets\":{\"all\":true},"
	      "\"rollout\":{\"waves\":[{\"upToCount\":5},{\"upToPercent\":50},"
	      "{\"upToPercent\":100,\"gate\":{\"minSuccessPercent\":95}}]}}",
	      9);
	ck_says("\"code\":\"noAbortRule\"");
	ck_says("\"code\":\"noGate\""); /* no wave follows the last one's */
	ck_says("\"code\":\"unverified\"");
	ck_says("\"code\":\"mayActTwice\"");
	ck_says("\"code\":\"emptyWave\",\"detail\":\"wave 2 has no device\"");
	ck_says_not("wave 3 has no device");
	ck_says_not("noTargets");
	ck_says_not("\"dailyQuota\"");
	ck_says_not("\"hubShut\"");
	ck_says_not("endsTooEarly");
	p.hubs[0].state = "down";
	p.hubs[0].grant.messages_today = 399999;
	p.forecast.end_at_ms = NOW_MS;
	ck_says("\"code\":\"dailyQuota\",\"detail\":\"about 28 messages are needed of hub main, which has 1 left today\"");
	ck_says("\"code\":\"hubShut\"");
	ck_says("\"code\":\"endsTooEarly\"");
	ck_says("\"callsEndAt\":null,\"finishesAt\":null");
	p.hubs[0].targets = 0;
	ck_says("\"code\":\"noTargets\"");
	ck_says("\"total\":0,\"toCall\":0");
}
END_TEST

START_TEST(test_approvals_are_counted_with_the_start)
{
	static const char *const waits[] = {"true", "fals",
	                                    "true"}; /* for the start, and for the second's gate */
	const char *at;

	begin(HEAD ABORT
	      ",\"rollout\":{\"waves\":[{\"upToCount\":1,\"gate\":{\"approval\":\"start\"}},{\"upToCount\":2},"
	      "{\"upToPercent\":100}],\"gate\":{\"approval\":\"each\"}}}",
	      9);
	ck_says("\"approvals\":2,");
	ck_says("\"index\":0,\"name\":null,\"size\":1,\"toCall\":1,");
	ck_assert_uint_eq(p.forecast.approvals_n, 1);
	at = run();
	for (size_t i = 0; i < 3; i++, at++) {
		at = strstr(at, "\"waitsForApproval\":");
		ck_assert_ptr_nonnull(at);
		ck_assert_int_eq(strncmp(at + strlen("\"waitsForApproval\":"), waits[i], 4), 0);
	}
}
END_TEST

START_TEST(test_what_a_device_costs_follows_from_how_it_is_verified)
{
	struct hub_grant grant = {2400, 20, 6000, 400000, 0, 5000, 5000};
	struct device_cost cost;
	struct forecast_hub hub;

	begin(HEAD "}", 1);
	cost = device_cost_of(&spec, true, 7500, &grant);
	ck_assert_uint_eq(cost.asks, 2);
	ck_assert_uint_eq(cost.messages, 3);
	cost = device_cost_of(&spec, false, 7500, &grant);
	ck_assert_uint_eq(cost.reads_before, 1);
	device_cost_limits(&cost, &grant, &hub);
	ck_assert_uint_eq(hub.calls_per_minute, 2400);
	ck_assert_uint_eq(hub.reads_per_minute, 6000);
	ck_assert_uint_eq(hub.restarts_per_minute, 5000);
	ck_assert_uint_eq(hub.proofs_per_minute, 1000);
	ck_assert_uint_eq(hub.calls_today, 100000);
	grant.messages_today = 399999;
	device_cost_limits(&cost, &grant, &hub);
	ck_assert_uint_eq(hub.calls_today, 0);
	begin(HEAD ",\"verify\":{\"by\":\"none\"}}", 1);
	cost = device_cost_of(&spec, false, 1000, &grant);
	ck_assert_uint_eq(cost.messages, 2);
	device_cost_limits(&cost, &(struct hub_grant){0}, &hub);
	ck_assert_uint_eq(hub.proofs_per_minute, 0);
	ck_assert_uint_eq(hub.calls_today, UINT32_MAX);
	begin(HEAD
	      ",\"verify\":{\"by\":\"where\",\"success\":\"tags.a = 1\"},\"precheck\":{\"where\":\"tags.b = 1\"}}",
	      1);
	cost = device_cost_of(&spec, true, 1000, &grant);
	ck_assert_uint_eq(cost.reads_before, 1);
	ck_assert_uint_eq(cost.reads_after, 1);
	begin(HEAD ",\"verify\":{\"relapseWatchSeconds\":60}}", 1);
	cost = device_cost_of(&spec, true, 1000, &grant);
	ck_assert_uint_eq(cost.reads_after, 2);
	ck_assert_uint_eq(cost.messages, 5);
}
END_TEST

START_TEST(test_who_is_never_called_is_spread_evenly)
{
	begin(HEAD ",\"rollout\":{\"waves\":[{\"upToPercent\":10},{\"upToPercent\":100}]}}", 1000);
	p.never[0] = (struct preview_never){.reason = REASON_DISABLED, .n = 100};
	p.never_n = 1;
	p.forecast.hubs_n = 2;
	p.hubs[1] = p.hubs[0];
	p.hubs[0].targets = 600;
	p.hubs[1].targets = 400;
	run();
	ck_assert_uint_eq(p.forecast.waves[0].calls[0], 54);
	ck_assert_uint_eq(p.forecast.waves[0].calls[1], 36);
	ck_assert_uint_eq(p.forecast.waves[1].calls[0], 486);
	ck_assert_uint_eq(p.forecast.waves[1].calls[1], 324);
}
END_TEST

static int64_t after_an_hour(void *arg, uint32_t zone, int64_t from_ms, int64_t callable_ms)
{
	(void)arg;
	return zone == 0 ? from_ms + 3600000 + callable_ms : TIME_NEVER;
}

START_TEST(test_windows_and_zones_are_told)
{
	static const uint32_t sizes[] = {6, 4};

	begin(HEAD ABORT ",\"schedule\":{\"windows\":[{\"cron\":\"0 2 * * *\",\"durationMinutes\":60}],"
	                 "\"timeZone\":\"device\"}}",
	      10);
	p.forecast.calendar = after_an_hour;
	p.forecast.zones_n = 1;
	p.zone_sizes = sizes;
	ck_says("\"windows\":[],");
	ck_says("\"code\":\"noWindow\"");
	p.windows[0] = (struct preview_span){NOW_MS + 3600000, NOW_MS + 7200000};
	p.windows[1] = (struct preview_span){NOW_MS + 9000000, TIME_NEVER};
	p.windows_n = 2;
	ck_says("\"windows\":[{\"from\":\"2025-12-01T01:00:00.000Z\",\"until\":\"2025-12-01T02:00:00.000Z\"},"
	        "{\"from\":\"2025-12-01T02:30:00.000Z\",\"until\":null}],");
	ck_says_not("unknownZone");
	ck_assert_int_eq(p.forecast.waves[0].calls_end_at_ms, NOW_MS + 60000 + 3600000);
	p.forecast.zones_n = 2;
	p.zoneless_n = 1;
	p.zoneless = "Mars/Base";
	ck_says("\"unknownZone\",\"detail\":\"1 device has no time zone in tags.timeZone (but \\\"Mars/Base\\\"): it is "
	        "taken to be UTC\"");
	p.zoneless = NULL;
	p.zoneless_n = 4;
	ck_says("\"unknownZone\",\"detail\":\"4 devices have no time zone in tags.timeZone: it is taken to be UTC\"");
	ck_says("\"callsEndAt\":null,\"finishesAt\":null");
	ck_assert_uint_eq(p.forecast.waves[0].by_zone[0], 6);
	ck_assert_uint_eq(p.forecast.waves[0].by_zone[1], 4);
}
END_TEST

START_TEST(test_what_no_hub_grants_is_not_counted)
{
	struct hub_grant grant = {0};
	struct device_cost cost;
	struct forecast_hub hub;

	begin(HEAD "}", 1);
	cost = device_cost_of(&spec, true, 10, &grant); /* asked every millisecond, at most */
	ck_assert_uint_eq(cost.asks, 11);
	device_cost_limits(&cost, &grant, &hub);
	ck_assert_uint_eq(hub.proofs_per_minute, 0); /* no limit */
	grant.queries_per_minute = 1;
	device_cost_limits(&cost, &grant, &hub);
	ck_assert_uint_eq(hub.proofs_per_minute, 100 / 11);
	grant.messages_per_day = UINT64_C(1) << 40;
	grant.messages_today = (UINT64_C(1) << 40) - 6;
	device_cost_limits(&cost, &grant, &hub);
	ck_assert_uint_eq(hub.calls_per_day, UINT32_MAX);
	ck_assert_uint_eq(hub.calls_today, 2);
	grant.messages_today = UINT64_C(1) << 41; /* more than there are */
	device_cost_limits(&cost, &grant, &hub);
	ck_assert_uint_eq(hub.calls_today, 0);
	p.hubs[0].grant.messages_per_day = 0;
	ck_says("\"messagesPerDay\":null,\"messagesLeftToday\":null,\"dailyQuotaPercent\":null");
	ck_says_not("\"dailyQuota\",");
	begin(HEAD "}", 1);
	p.hubs[0].grant.messages_today = 400001;
	ck_says("\"messagesLeftToday\":0,");
}
END_TEST

START_TEST(test_who_is_never_called_is_told_reason_by_reason)
{
	static const char *const excluded[] = {"a", "b"};

	begin(HEAD "}", 10);
	p.never[0] = (struct preview_never){REASON_EXCLUDED, 2, excluded, 2};
	p.never[1] = (struct preview_never){.reason = REASON_DISABLED, .n = 3};
	p.never_n = 2;
	p.is_exact = p.is_seen = true;
	ck_says("\"total\":10,\"toCall\":5,\"countedBy\":\"query\",\"isExact\":true,\"neverCalled\":["
	        "{\"reason\":\"excluded\",\"count\":2,\"deviceIds\":[\"a\",\"b\"]},"
	        "{\"reason\":\"disabled\",\"count\":3,\"deviceIds\":[]}]");
	ck_says("\"times\":{\"from\":\"seen\"");
}
END_TEST

START_TEST(test_at_most_a_hundred_groups_are_told_and_none_where_they_are_not_known)
{
	static struct preview_group groups[101];
	static char names[101][8];
	const char *largest;
	unsigned n = 0;

	begin(HEAD ABORT ",\"rollout\":{\"group\":{\"by\":\"tags.site\",\"maxUnavailable\":1}}}", 202);
	ck_says("\"groups\":null,");
	begin(HEAD ABORT "}", 202);
	p.groups = &(struct preview_group){0, "gbg", 202};
	p.groups_n = 1;
	ck_says("\"groups\":null,"); /* nothing is asked of them */
	begin(HEAD ABORT ",\"rollout\":{\"group\":{\"by\":\"tags.site\",\"maxUnavailable\":1}}}", 202);
	p.forecast.hubs_n = 2;
	p.hubs[1] = p.hubs[0];
	p.hubs[1].name = "other";
	for (uint32_t i = 0; i < 101; i++) {
		snprintf(names[i], sizeof names[i], "%s%u", i == 0 ? "" : "g", i);
		groups[i] = (struct preview_group){i == 2, names[i], i == 100 ? 1 : 2};
	}
	names[0][0] = '\0';
	groups[0].size = 1;
	p.groups = groups;
	p.groups_n = 101;
	largest = strstr(run(), "\"largest\":[");
	ck_assert_ptr_nonnull(largest);
	/* By size, hub and name; the last of the smallest is left out. */
	ck_assert_int_eq(strncmp(largest, "\"largest\":[{\"group\":\"g1\",\"hub\":\"main\"", 37), 0);
	for (const char *at = largest; (at = strstr(at, "{\"group\":")) != NULL; at++)
		n++;
	ck_assert_uint_eq(n, 100);
	ck_says("\"g99\",\"hub\":\"main\",\"size\":2,\"maxUnavailable\":1},"
	        "{\"group\":\"g2\",\"hub\":\"other\",\"size\":2,\"maxUnavailable\":1},"
	        "{\"group\":null,\"hub\":\"main\",\"size\":1,\"maxUnavailable\":1}]");
	ck_says("\"count\":101,\"withoutTag\":1,");
	ck_says("\"detail\":\"1 device has no tags.site:");
}
END_TEST

START_TEST(test_a_hub_job_says_what_it_cannot)
{
	begin("{\"name\":\"n\",\"action\":{\"type\":\"method\",\"methodName\":\"m\",\"transport\":\"hubJob\"},"
	      "\"targets\":{\"all\":true},\"offline\":{\"wait\":false}}",
	      9);
	ck_says("\"code\":\"hubJob\"");
	ck_says_not("noAbortRule"); /* it may have none */
	ck_says("\"code\":\"unverified\"");
	ck_says_not("mayActTwice"); /* nobody is called again */
}
END_TEST

START_TEST(test_what_is_not_known_yet_is_said)
{
	begin(HEAD ABORT "}", 9);
	ck_says("\"warnings\":[]");
	p.is_looked_up = false;
	ck_says("\"code\":\"notLookedUp\",\"detail\":\"whether the hub knows each of the devices is found out later");
	p.has_list = false;
	ck_says("\"code\":\"noList\"");
	ck_says_not("notLookedUp");
	begin(HEAD ABORT ",\"rollout\":{\"group\":{\"by\":\"tags.site\",\"maxUnavailable\":1}}}", 9);
	p.is_looked_up = false;
	ck_says("knows each of the devices, and in which group it is, is found out later");
	p.hubs[0].state = "starting";
	ck_says_not("\"code\":\"hubShut\"");
	p.hubs[0].targets = TARGETS_MAX;
	ck_says_not("tooManyTargets");
	p.hubs[0].targets++;
	ck_says("\"code\":\"tooManyTargets\",\"detail\":\"a campaign has at most 1000000 targets\"");
}
END_TEST

START_TEST(test_an_end_that_suffices_is_no_warning)
{
	begin(HEAD ABORT "}", 9);
	p.forecast.end_at_ms = p.selected_at_ms + 1;
	ck_says_not("endsTooEarly");
	p.forecast.end_at_ms = p.selected_at_ms - 1;
	ck_says("\"code\":\"endsTooEarly\",\"detail\":\"not all devices can be called until the campaign's end at "
	        "2025-12-01T00:00:59.999Z");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("campaign preview");

	TESTS(s, "preview", test_a_preview_tells_waves_times_and_shares, test_a_page_that_is_begun_counts,
	      test_groups_are_told_largest_first_and_those_without_the_tag, test_what_was_overlooked_is_said,
	      test_approvals_are_counted_with_the_start,
	      test_what_a_device_costs_follows_from_how_it_is_verified,
	      test_who_is_never_called_is_spread_evenly, test_windows_and_zones_are_told,
	      test_what_no_hub_grants_is_not_counted, test_who_is_never_called_is_told_reason_by_reason,
	      test_at_most_a_hundred_groups_are_told_and_none_where_they_are_not_known,
	      test_a_hub_job_says_what_it_cannot, test_what_is_not_known_yet_is_said,
	      test_an_end_that_suffices_is_no_warning);
	return suite_run(s);
}
