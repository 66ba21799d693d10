/* tests: api/logins.c, and what it makes of wrong tokens at the door. */
#include "tests/unit/api/harness.h"

#include <stdio.h>
#include <string.h>

#include "api/logins.h"

#define T0 ((int64_t)1000000)

static struct logins *l;

/* Uses up what the address may at now. */
static void exhaust(const char *address, int64_t now_mono_ms)
{
	for (unsigned i = 0; i < LOGINS_BURST; i++)
		ck_assert_uint_eq(logins_failed(l, address, now_mono_ms), 0);
	ck_assert_uint_gt(logins_failed(l, address, now_mono_ms), 0);
}

START_TEST(test_after_fifty_failures_one_each_two_seconds_is_left)
{
	l = logins_new();
	exhaust("192.0.2.1", T0);
	ck_assert_uint_eq(logins_failed(l, "192.0.2.1", T0), 2);
	ck_assert_uint_eq(logins_failed(l, "192.0.2.1", T0 + 1999), 1);
	ck_assert_uint_eq(logins_failed(l, "192.0.2.1", T0 + 2000), 0);
	ck_assert_uint_eq(logins_failed(l, "192.0.2.1", T0 + 2001), 2);
	exhaust("192.0.2.1", T0 + 202000); /* all of it is back */
	logins_free(l);
}
END_TEST

START_TEST(test_each_address_has_its_own_of_ipv6_each_network)
{
	l = logins_new();
	exhaust("192.0.2.1", T0);
	exhaust("192.0.2.2", T0);
	exhaust("2001:db8::1", T0);
	ck_assert_uint_gt(logins_failed(l, "2001:db8::ffff:2", T0), 0);
	ck_assert_uint_eq(logins_failed(l, "2001:db8:0:1::1", T0), 0);
	ck_assert_uint_gt(logins_failed(l, "::ffff:192.0.2.1", T0), 0);
	exhaust("", T0);
	logins_free(l);
}
END_TEST

START_TEST(test_many_addresses_forget_the_least_guilty_not_the_worst)
{
	char address[32];
	unsigned limited_n = 0;

	l = logins_new();
	exhaust("192.0.2.1", T0);
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(address, sizeof address, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		limited_n += logins_failed(l, address, T0) > 0;
	}
	ck_assert_uint_eq(limited_n, 0);
	ck_assert_uint_gt(logins_failed(l, "192.0.2.1", T0), 0);
	logins_free(l);
}
END_TEST

START_TEST(test_wrong_tokens_are_answered_429_and_a_good_one_is_not)
{
	const char *wrong = "Authorization: Bearer wrong\r\n",
	           *good = "Authorization: Bearer viewer-token\r\n";

	server_start((struct api_options){.tokens_file = tokens_file(TOKENS)});
	for (unsigned i = 0; i < 3 * LOGINS_BURST; i++)
		ck_status(ask("GET", "/v1/campaigns", "", NULL), 401); /* no token: not a guess */
	for (unsigned i = 0; i < LOGINS_BURST; i++)
		ck_status(ask("GET", "/v1/campaigns", wrong, NULL), 401);
	ck_status(ask("GET", "/v1/campaigns", wrong, NULL), 429);
	ck_has(ask("POST", "/v1/campaigns", wrong, SOUND), "\"code\":\"tooManyFailedLogins\"");
	ck_assert_ptr_nonnull(strstr(ask("GET", "/metrics", wrong, NULL)->head, "\r\nRetry-After: "));
	ck_status(ask("GET", "/v1/campaigns", good, NULL), 200);
	ck_status(ask("GET", "/v1/audit", good, NULL), 403);
	ck_status(ask("GET", "/livez", wrong, NULL), 200);
	ck_status(ask("GET", "/v1/campaigns", wrong, NULL), 429);
	server_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api logins");

	TESTS(s, "logins", test_after_fifty_failures_one_each_two_seconds_is_left,
	      test_each_address_has_its_own_of_ipv6_each_network,
	      test_many_addresses_forget_the_least_guilty_not_the_worst,
	      test_wrong_tokens_are_answered_429_and_a_good_one_is_not);
	return suite_run(s);
}
