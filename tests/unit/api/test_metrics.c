/* tests: api/metrics.c. */
#include "tests/unit/api/harness.h"

#include <stdio.h>
#include <string.h>

#include "server/base/clock.h"

/* One running campaign, one that ended just now, one that ended long ago. */
static void add_campaigns(void)
{
	struct campaign_row *row = fake_store_add_campaign(store, "live", SOUND);

	row->name = "a \"b\"";
	row->state = CAMPAIGN_RUNNING;
	row->counts.state[TARGET_WAITING] = 4;
	row->counts.state[TARGET_FAILED] = 2;
	row->counts.reason[REASON_NO_PROOF] = 2;
	row = fake_store_add_campaign(store, "ended", SOUND);
	row->state = CAMPAIGN_COMPLETED;
	row->finished_at_ms = clock_now_ms() - 1000;
	row = fake_store_add_campaign(store, "old", SOUND);
	row->state = CAMPAIGN_COMPLETED;
	row->finished_at_ms = clock_now_ms() - 2 * 3600 * 1000;
}

START_TEST(test_metrics_tell_counts_of_live_and_lately_ended_campaigns)
{
	const struct answer *a;

	server_start((struct api_options){0});
	add_campaigns();
	a = get("/metrics");
	ck_status(a, 200);
	ck_assert(has_header(a, "Content-Type", "text/plain; version=0.0.4; charset=utf-8"));
	ck_has(a, "\nrollcall_campaign_targets{campaign=\"live\",state=\"waiting\"} 4\n");
	ck_has(a, "\nrollcall_campaign_targets{campaign=\"live\",state=\"failed\"} 2\n");
	ck_has(a, "\nrollcall_campaign_failed_targets{campaign=\"live\",reason=\"noProof\"} 2\n");
	ck_has(a, "{campaign=\"live\",name=\"a \\\"b\\\"\",state=\"running\"} 1\n");
	ck_has(a, "campaign=\"ended\"");
	ck_lacks(a, "campaign=\"old\"");
	server_stop();
}
END_TEST

START_TEST(test_metrics_tell_the_commit_that_they_show)
{
	const struct answer *a;
	char line[64];

	server_start((struct api_options){0});
	add_campaigns();
	a = get("/v1/campaigns/live");
	snprintf(line, sizeof line, "\nrollcall_revision %s", strstr(a->body, "\"revision\":") + 11);
	line[strcspn(line + 1, ",}") + 1] = '\n';
	line[strcspn(line + 1, "\n") + 2] = '\0';
	a = get("/metrics");
	ck_assert_msg(strstr(a->body, line + 1) != NULL, "no %s in %s", line, a->body);
	server_stop();
}
END_TEST

START_TEST(test_metrics_tell_of_each_hub)
{
	const struct answer *a;

	server_start((struct api_options){0});
	conductor.hub.state = "throttled";
	conductor.hub.calls_per_minute = 2400;
	conductor.hub.outcomes[0].text = "answered";
	conductor.hub.outcomes[0].n = 17;
	a = get("/metrics");
	ck_has(a, "\nrollcall_hub_up{hub=\"main\"} 0\n");
	ck_has(a, "\nrollcall_hub_calls_total{hub=\"main\",outcome=\"answered\"} 17\n");
	ck_has(a, "\nrollcall_hub_calls_per_second_limit{hub=\"main\"} 40\n");
	ck_lacks(a, "rollcall_hub_messages_per_day_limit{"); /* it has none */
	server_stop();
}
END_TEST

START_TEST(test_metrics_tell_each_limit_beside_what_is_taken_of_it)
{
	const struct answer *a;

	server_start((struct api_options){.connections_max = 99, .streams_max = 9});
	conductor.stats.live = 7;
	conductor.stats.campaigns_max = 8;
	a = get("/metrics");
	ck_has(a, "\nrollcall_limit_used{limit=\"campaigns\"} 7\n");
	ck_has(a, "\nrollcall_limit_max{limit=\"campaigns\"} 8\n");
	ck_has(a, "\nrollcall_limit_used{limit=\"connections\"} 1\n");
	ck_has(a, "\nrollcall_limit_max{limit=\"connections\"} 99\n");
	ck_has(a, "\nrollcall_limit_used{limit=\"event_streams\"} 0\n");
	ck_has(a, "\nrollcall_limit_max{limit=\"event_streams\"} 9\n");
	server_stop();
}
END_TEST

START_TEST(test_metrics_count_answers_by_status)
{
	const struct answer *a;

	server_start((struct api_options){0});
	a = get("/metrics");
	ck_has(a, "\nrollcall_http_requests_total{code=\"200\"} 0\n");
	ck_has(a, "\nrollcall_http_requests_total{code=\"429\"} 0\n");
	ck_lacks(a, "code=\"404\"");
	ck_status(get("/nothing"), 404);
	a = get("/metrics");
	ck_has(a, "\nrollcall_http_requests_total{code=\"200\"} 1\n");
	ck_has(a, "\nrollcall_http_requests_total{code=\"404\"} 1\n");
	server_stop();
}
END_TEST

START_TEST(test_metrics_tell_what_alerts_ask_for_from_the_start)
{
	const struct answer *a;

	server_start((struct api_options){0});
	add_campaigns();
	conductor.hub.query_lag_seen_ms = 1500;
	conductor.hub.pacer_tokens = 12;
	conductor.stats.occurrences.missed = 3;
	a = get("/metrics");
	ck_has(a, "\nrollcall_campaigns{state=\"running\"} 1\n");
	ck_has(a, "\nrollcall_live_targets{state=\"waiting\"} 4\n");
	ck_has(a, "\nrollcall_live_targets{state=\"doubtful\"} 0\n");
	ck_has(a, "\nrollcall_live_targets{state=\"succeeded\"} 0\n");
	ck_has(a, "\nrollcall_live_targets{state=\"failed\"} 2\n");
	ck_has(a, "\nrollcall_campaigns_stopped_total{by=\"abortRule\"} 0\n");
	ck_has(a, "\nrollcall_campaigns_stopped_total{by=\"gate\"} 0\n");
	ck_has(a, "\nrollcall_schedule_occurrences_total{outcome=\"missed\"} 3\n");
	ck_has(a, "\nrollcall_hub_query_lag_seconds{hub=\"main\"} 1.5\n");
	ck_has(a, "\nrollcall_hub_pacer_tokens{hub=\"main\"} 12\n");
	ck_has(a, "\nrollcall_hub_info{hub=\"main\",sku=\"S1\",state=\"open\"} 1\n");
	ck_has(a, "\nprocess_start_time_seconds ");
	server_stop();
}
END_TEST

START_TEST(test_metrics_need_a_token_and_a_metrics_token_gives_nothing_else)
{
	static const char as_metrics[] = "Authorization: Bearer metrics-token\r\n";

	server_start((struct api_options){.tokens_file = tokens_file(TOKENS)});
	ck_status(get("/metrics"), 401);
	ck_status(ask("GET", "/metrics", as_metrics, NULL), 200);
	ck_status(ask("GET", "/v1/campaigns", as_metrics, NULL), 403);
	ck_status(ask("GET", "/v1/hubs", as_metrics, NULL), 403);
	server_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api metrics");

	TESTS(s, "metrics", test_metrics_tell_counts_of_live_and_lately_ended_campaigns,
	      test_metrics_tell_the_commit_that_they_show, test_metrics_tell_of_each_hub,
	      test_metrics_tell_each_limit_beside_what_is_taken_of_it, test_metrics_count_answers_by_status,
	      test_metrics_tell_what_alerts_ask_for_from_the_start,
	      test_metrics_need_a_token_and_a_metrics_token_gives_nothing_else);
	return suite_run(s);
}
