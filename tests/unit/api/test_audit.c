/* tests: api/audit.c, and how orders are signed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/batch.h"
#include "tests/unit/api/harness.h"

#define JSON_TYPE "Content-Type: application/json\r\n"
#define ONE "/v1/schedules/plan0001"
#define PLAN "{\"name\":\"nightly\",\"recurrence\":{\"cron\":\"30 2 * * *\"},\"campaign\":" SOUND "}"
#define AS(role) "Authorization: Bearer " role "-token\r\n" JSON_TYPE

static void start(void)
{
	server_start((struct api_options){.tokens_file = tokens_file(TOKENS)});
	fake_store_add_campaign(store, "c1", SOUND);
	fake_store_add_target(store, 1, "d1");
}

START_TEST(test_orders_on_record_are_listed_the_newest_first)
{
	const struct answer *a;
	char next[128];

	start();
	for (uint64_t no = 1; no <= 3; no++)
		fake_store_add_audit(store,
		                     &(struct audit_row){.no = no,
		                                         .at_ms = 1000,
		                                         .text = {"eva", "operator", "::1", "POST",
		                                                  "/v1/campaigns/c1/pause", "r1",
		                                                  no == 2 ? "" : "c1", "running", "paused"},
		                                         .hash = {0xab}});
	a = ask("GET", "/v1/audit?limit=2", AS("admin"), NULL);
	ck_status(a, 200);
	ck_has(a,
	       "{\"value\":[{\"no\":3,\"at\":\"1970-01-01T00:00:01.000Z\",\"actor\":\"eva\",\"role\":\"operator\","
	       "\"address\":\"::1\",\"method\":\"POST\",\"path\":\"/v1/campaigns/c1/pause\",\"requestId\":\"r1\","
	       "\"campaignId\":\"c1\",\"before\":\"running\",\"after\":\"paused\",\"hash\":\"ab00000000");
	ck_has(a, "{\"no\":2,");
	ck_has(a, "\"campaignId\":null");
	ck_lacks(a, "{\"no\":1,");
	snprintf(next, sizeof next, "%.*s", (int)strcspn(strstr(a->body, "/v1/audit"), "\""),
	         strstr(a->body, "/v1/audit"));
	a = ask("GET", next, AS("admin"), NULL);
	ck_has(a, "{\"value\":[{\"no\":1,");
	ck_lacks(a, "nextLink");
	ck_status(ask("GET", "/v1/audit", AS("approver"), NULL), 403);
	server_stop();
}
END_TEST

/* Whether the pages from path on have the numbers in order, one of name each; gives how many pages. */
static int check_pages(const char *path, const char *name, int first, int step, int n)
{
	char next[128], wanted[32];
	int pages = 0;

	snprintf(next, sizeof next, "%s", path);
	while (next[0] != '\0') {
		const struct answer *a = ask("GET", next, AS("admin"), NULL);
		const char *at = a->body, *link;

		ck_status(a, 200);
		for (int here = 0; (at = strstr(at, name)) != NULL; here++, at++) {
			snprintf(wanted, sizeof wanted, "%s%d,", name, first);
			ck_assert_int_eq(strncmp(at, wanted, strlen(wanted)), 0);
			first += step;
			n--;
		}
		pages++;
		link = strstr(a->body, "\"nextLink\":\"");
		snprintf(next, sizeof next, "%.*s", link != NULL ? (int)strcspn(link + 12, "\"") : 0,
		         link != NULL ? link + 12 : "");
	}
	ck_assert_int_eq(n, 0);
	return pages;
}

START_TEST(test_a_page_of_large_rows_ends_early_and_goes_on_where_it_ended)
{
	char *large = malloc(1 << 20);

	ck_assert_ptr_nonnull(large);
	memset(large, 'x', (1 << 20) - 1);
	large[(1 << 20) - 1] = '\0';
	memcpy(large, "\"by\":\"", 6);
	large[(1 << 20) - 2] = '"';
	start();
	for (uint64_t no = 1; no <= 11; no++) {
		fake_store_add_audit(
		        store,
		        &(struct audit_row){.no = no, .text = {"", "", "", "", "", "", "", large, ""}});
		fake_store_add_event(
		        store,
		        &(struct event){.id = no, .type = EVENT_CAMPAIGN, .campaign = 1, .detail = large});
	}
	ck_assert_int_eq(check_pages("/v1/audit?limit=10", "{\"no\":", 11, -1, 11), 3);
	ck_assert_int_eq(check_pages("/v1/events?limit=10", "\"id\":", 1, 1, 11), 3);
	server_stop();
	free(large);
}
END_TEST

START_TEST(test_each_order_is_signed_by_who_gives_it_from_where)
{
	static const struct {
		const char *method, *target, *headers, *body, *expected;
	} cases[] = {
	        {"POST", "/v1/campaigns", AS("operator"), SOUND,
	         "operator operator 127.0.0.1 POST /v1/campaigns n"},
	        {"POST", "/v1/campaigns/c1/pause", AS("operator"), "",
	         "operator operator 127.0.0.1 POST /v1/campaigns/c1/pause -"},
	        {"POST", "/v1/campaigns/c1/resume", AS("operator"), "",
	         "operator operator 127.0.0.1 POST /v1/campaigns/c1/resume -"},
	        {"POST", "/v1/campaigns/c1/cancel", AS("operator"), "",
	         "operator operator 127.0.0.1 POST /v1/campaigns/c1/cancel -"},
	        {"POST", "/v1/campaigns/c1/approve", AS("approver"), "",
	         "approver approver 127.0.0.1 POST /v1/campaigns/c1/approve -"},
	        {"POST", "/v1/campaigns/c1/retry", AS("admin"), "{}",
	         "admin admin 127.0.0.1 POST /v1/campaigns/c1/retry {}"},
	        {"POST", "/v1/campaigns/c1/targets/d1/skip", AS("operator"), "",
	         "operator operator 127.0.0.1 POST /v1/campaigns/c1/targets/d1/skip -"},
	        {"POST", "/v1/campaigns/c1/targets/d1/retry", AS("operator"), "",
	         "operator operator 127.0.0.1 POST /v1/campaigns/c1/targets/d1/retry -"},
	        {"DELETE", "/v1/campaigns/c1", AS("operator"), NULL,
	         "operator operator 127.0.0.1 DELETE /v1/campaigns/c1 -"},
	        {"PUT", "/v1/device-lists/tills",
	         "Authorization: Bearer operator-token\r\nContent-Type: text/plain\r\n", "a\n",
	         "operator operator 127.0.0.1 PUT /v1/device-lists/tills -"},
	        {"DELETE", "/v1/device-lists/tills", AS("operator"), NULL,
	         "operator operator 127.0.0.1 DELETE /v1/device-lists/tills -"},
	        {"POST", "/v1/schedules", AS("operator"), PLAN,
	         "operator operator 127.0.0.1 POST /v1/schedules nightly"},
	        {"PUT", ONE, AS("operator") "If-Match: \"1\"\r\n", PLAN,
	         "operator operator 127.0.0.1 PUT " ONE " nightly"},
	        {"POST", ONE "/pause", AS("operator"), "",
	         "operator operator 127.0.0.1 POST " ONE "/pause -"},
	        {"POST", ONE "/resume", AS("operator"), "",
	         "operator operator 127.0.0.1 POST " ONE "/resume -"},
	        {"POST", ONE "/run", AS("operator"), "", "operator operator 127.0.0.1 POST " ONE "/run -"},
	        {"DELETE", ONE, AS("operator"), NULL, "operator operator 127.0.0.1 DELETE " ONE " -"},
	};

	start();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct answer *a;

		conductor.signed_by[0] = '\0';
		a = ask(cases[i].method, cases[i].target, cases[i].headers, cases[i].body);
		ck_assert_msg(a->status / 100 == 2, "%s: %u %s", cases[i].target, a->status, a->body);
		ck_assert_str_eq(conductor.signed_by, cases[i].expected);
		ck_assert(!conductor.is_signed); /* or the next order would be, that nobody gives */
	}
	server_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api audit");

	TESTS(s, "audit", test_orders_on_record_are_listed_the_newest_first,
	      test_a_page_of_large_rows_ends_early_and_goes_on_where_it_ended,
	      test_each_order_is_signed_by_who_gives_it_from_where);
	return suite_run(s);
}
