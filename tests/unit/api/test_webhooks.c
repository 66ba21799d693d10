/* tests: api/webhooks.c. */
#include "tests/unit/api/harness.h"

#include <stdio.h>
#include <string.h>

#include "server/base/clock.h"
#include "tests/lib/fake_webhooks.h"

#define AS(role) "Authorization: Bearer " role "-token\r\n"

static const struct dead_letter dead[] = {
        {"ops", 7, 1000, 3, "c_7_900", "answered 400", "{\"type\":\"campaign.paused\"}"},
        {"ops", 9, 2000, 1, "c_9_1900", "answered 410", "{\"type\":\"campaign.running\"}"}};
static struct webhooks hooks;

static void start(void)
{
	hooks = (struct webhooks){.view = {.name = "ops",
	                                   .host = "https://hooks.example",
	                                   .state = "waiting",
	                                   .queued = 2,
	                                   .oldest_at_ms = 0,
	                                   .next_at_ms = 5000,
	                                   .delivered = 3,
	                                   .failed = 4,
	                                   .delivered_at_ms = TIME_NONE,
	                                   .last_error = "answered 500",
	                                   .last_error_at_ms = 1000},
	                          .dead = dead,
	                          .dead_n = 2};
	server_start((struct api_options){.tokens_file = tokens_file(TOKENS), .webhooks = &hooks});
}

START_TEST(test_webhooks_are_told_to_admins)
{
	const struct answer *a;

	start();
	ck_status(ask("GET", "/v1/webhooks", AS("approver"), NULL), 403);
	a = ask("GET", "/v1/webhooks", AS("admin"), NULL);
	ck_status(a, 200);
	ck_has(a, "{\"name\":\"ops\",\"host\":\"https://hooks.example\",\"state\":\"waiting\",\"queued\":2,"
	          "\"oldestAt\":\"1970-01-01T00:00:00.000Z\",\"nextAt\":\"1970-01-01T00:00:05.000Z\"");
	ck_has(a, "\"lastError\":\"answered 500\"");
	ck_has(a, "\"deadLetters\":2}");
	a = ask("GET", "/metrics", AS("metrics"), NULL);
	ck_has(a, "\nrollcall_webhook_queued{webhook=\"ops\"} 2\n");
	ck_has(a, "\nrollcall_webhook_dead_letters{webhook=\"ops\"} 2\n");
	ck_has(a, "\nrollcall_webhook_attempts_total{webhook=\"ops\",outcome=\"failed\"} 4\n");
	server_stop();
}
END_TEST

START_TEST(test_dead_letters_are_listed_page_by_page_and_forgotten)
{
	const struct answer *a;
	char next[128];

	start();
	ck_status(ask("GET", "/v1/webhooks/other/dead-letters", AS("admin"), NULL), 404);
	a = ask("GET", "/v1/webhooks/ops/dead-letters?limit=1", AS("admin"), NULL);
	ck_status(a, 200);
	ck_has(a, "{\"eventId\":7,\"webhookId\":\"c_7_900\",\"givenUpAt\":\"1970-01-01T00:00:01.000Z\","
	          "\"attempts\":3,\"error\":\"answered 400\",\"body\":{\"type\":\"campaign.paused\"}}]");
	ck_assert_ptr_nonnull(strstr(a->body, "/v1/webhooks/ops"));
	snprintf(next, sizeof next, "%.*s", (int)strcspn(strstr(a->body, "/v1/webhooks/ops"), "\""),
	         strstr(a->body, "/v1/webhooks/ops"));
	a = ask("GET", next, AS("admin"), NULL);
	ck_has(a, "\"eventId\":9");
	ck_lacks(a, "nextLink");
	ck_status(ask("DELETE", "/v1/webhooks/ops/dead-letters", AS("approver"), NULL), 403);
	ck_status(ask("DELETE", "/v1/webhooks/ops/dead-letters", AS("admin"), NULL), 204);
	ck_assert_str_eq(conductor.forgotten, "2 dead letters of ops");
	ck_has(ask("GET", "/v1/webhooks/ops/dead-letters", AS("admin"), NULL), "{\"value\":[]}");
	server_stop();
}
END_TEST

START_TEST(test_without_webhooks_the_list_is_empty)
{
	server_start((struct api_options){0});
	ck_has(get("/v1/webhooks"), "{\"value\":[]}");
	ck_status(get("/v1/webhooks/ops/dead-letters"), 404);
	ck_lacks(get("/metrics"), "rollcall_webhook_");
	server_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api webhooks");

	TESTS(s, "webhooks", test_webhooks_are_told_to_admins,
	      test_dead_letters_are_listed_page_by_page_and_forgotten,
	      test_without_webhooks_the_list_is_empty);
	return suite_run(s);
}
