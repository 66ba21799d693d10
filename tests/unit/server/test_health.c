/* tests: server/health.c: what it says of a service that answers, and of one that does not. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/health.h"
#include "tests/unit/server/hub/stub.h"

static const char *status;

static bool on_request(struct stub_conn *c, const struct stub_request *r, void *arg)
{
	(void)arg;
	ck_assert_ptr_eq(strstr(r->head, "GET /readyz "), r->head);
	stub_answer(c, status, "", "{}");
	return true;
}

static uint16_t port_of(const struct stub *s)
{
	return (uint16_t)atoi(strrchr(stub_url(s), ':') + 1);
}

START_TEST(test_one_that_takes_orders_is_healthy_and_one_that_drains_is_not)
{
	struct stub *s = stub_new(&(struct stub_options){.on_request = on_request});
	char *reason = NULL;

	setenv("http_proxy", "http://127.0.0.1:1", 1); /* which is for others */
	status = "200 OK";
	ck_assert_int_eq(health_ask("127.0.0.1", port_of(s), false, &reason), ERR_OK);
	ck_assert_int_eq(health_ask("0.0.0.0", port_of(s), false, &reason), ERR_OK);
	ck_assert_ptr_null(reason);
	status = "503 Service Unavailable";
	ck_assert_int_eq(health_ask("127.0.0.1", port_of(s), false, &reason), ERR_BUSY);
	ck_assert_ptr_nonnull(strstr(reason, "/readyz: answered 503"));
	free(reason);
	stub_free(s);
}
END_TEST

START_TEST(test_who_is_not_asked_for_who_it_is_is_asked_over_tls)
{
	struct stub_identity *identity = stub_identity_new("DNS:elsewhere.example");
	struct stub *s = stub_new(&(struct stub_options){.on_request = on_request, .identity = identity});
	char *reason = NULL;

	status = "200 OK";
	ck_assert_int_eq(health_ask("127.0.0.1", port_of(s), true, &reason), ERR_OK);
	stub_free(s);
	stub_identity_free(identity);
}
END_TEST

START_TEST(test_where_nobody_listens_it_says_where_it_asked)
{
	static const struct {
		const char *address, *asked;
	} table[] = {{"::", "http://[::1]:1/readyz: "},
	             {"::1", "http://[::1]:1/readyz: "},
	             {"0.0.0.0", "http://127.0.0.1:1/readyz: "}};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		char *reason = NULL;

		ck_assert_int_eq(health_ask(table[i].address, 1, false, &reason), ERR_IO);
		ck_assert_ptr_eq(strstr(reason, table[i].asked), reason);
		free(reason);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("health");

	TESTS(s, "health", test_one_that_takes_orders_is_healthy_and_one_that_drains_is_not,
	      test_who_is_not_asked_for_who_it_is_is_asked_over_tls,
	      test_where_nobody_listens_it_says_where_it_asked);
	return suite_run(s);
}
