/* tests: server/campaign/policy */
#include "tests/lib/suite.h"

#include "server/campaign/policy.h"

static struct campaign_spec spec(uint32_t connect_s, uint32_t response_s)
{
	struct campaign_spec s = {0};

	s.action.connect_timeout_s = connect_s;
	s.action.response_timeout_s = response_s;
	s.verify.timeout_s = 900;
	s.retry.backoff_s = 60;
	s.retry.backoff_max_s = 3600;
	return s;
}

START_TEST(test_a_call_may_take_its_time_outs_and_a_minute)
{
	struct campaign_spec s = spec(0, 30), t = spec(15, 300);

	ck_assert_int_eq(policy_wire_ms(&s), 50000);
	ck_assert_int_eq(policy_call_ms(&s), 100000);
	ck_assert_int_eq(policy_quiet_ms(&s), 1000000);
	ck_assert_int_eq(policy_wire_ms(&t), 325000);
	ck_assert_int_eq(policy_call_ms(&t), 375000);
	ck_assert_int_eq(policy_quiet_ms(&t), 1275000);
	ck_assert_int_eq(policy_heard_quiet_ms(&s), 950000); /* without the minute less 10 s to hear of it */
	ck_assert_int_eq(policy_heard_quiet_ms(&t), 1225000);
}
END_TEST

START_TEST(test_delays_double_up_to_their_cap)
{
	static const int64_t expected_s[] = {60, 60, 120, 240, 480, 960, 1920, 3600, 3600};
	struct campaign_spec s = spec(0, 30);

	for (uint32_t i = 0; i < sizeof expected_s / sizeof *expected_s; i++)
		ck_assert_int_eq(policy_backoff_ms(&s, i), expected_s[i] * 1000);
	ck_assert_int_eq(policy_backoff_ms(&s, UINT32_MAX), 3600000);
	s.retry.backoff_s = 0;
	ck_assert_int_eq(policy_backoff_ms(&s, 5), 0);
	ck_assert_int_eq(policy_reread_ms(0), 5000);
	ck_assert_int_eq(policy_reread_ms(1), 5000);
	ck_assert_int_eq(policy_reread_ms(2), 10000);
	ck_assert_int_eq(policy_reread_ms(7), 300000);
	ck_assert_int_eq(policy_reread_ms(255), 300000);
}
END_TEST

START_TEST(test_delays_of_the_offline_are_spread_by_a_fifth_either_way)
{
	ck_assert_int_eq(policy_offline_ms(0, 0), 8000);
	ck_assert_int_eq(policy_offline_ms(1, 0), 8000);
	ck_assert_int_eq(policy_offline_ms(1, 2000), 10000);
	ck_assert_int_eq(policy_offline_ms(1, 4000), 12000);
	ck_assert_int_eq(policy_offline_ms(1, 4001), 8000);
	ck_assert_int_eq(policy_offline_ms(2, 0), 16000);
	ck_assert_int_eq(policy_offline_ms(255, 0), 240000);
	for (uint64_t luck = 0; luck < 1000000; luck += 97) {
		ck_assert_int_ge(policy_offline_ms(9, luck), 240000);
		ck_assert_int_le(policy_offline_ms(9, luck), 360000);
	}
}
END_TEST

START_TEST(test_after_offline_the_hub_is_given_time_to_connect)
{
	static const struct {
		uint32_t connect_s, response_s, tries, expected_s;
	} cases[] = {{0, 30, 0, 0},   {0, 30, 1, 10}, {15, 30, 1, 15},
	             {15, 30, 0, 15}, {0, 5, 1, 5},   {5, 5, 0, 5}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct campaign_spec s = spec(cases[i].connect_s, cases[i].response_s);

		ck_assert_uint_eq(policy_connect_s(&s, cases[i].tries), cases[i].expected_s);
	}
}
END_TEST

/* Counts the calls of rate per minute in span_ms, for a clock that is looked at each millisecond. */
static uint32_t taken(uint32_t per_minute, int64_t span_ms)
{
	struct rate r;
	uint32_t n = 0;

	rate_init(&r, per_minute);
	for (int64_t now_ms = 1000; now_ms < 1000 + span_ms; now_ms++)
		while (rate_next_ms(&r) <= now_ms) {
			rate_take(&r, now_ms);
			n++;
		}
	return n;
}

START_TEST(test_a_rate_is_met_and_never_exceeded)
{
	static const uint32_t rates[] = {1, 7, 59, 60, 61, 600, 6001, 100000};

	for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
		uint32_t n = taken(rates[i], 60000);

		ck_assert_uint_le(n, rates[i]);
		ck_assert_uint_ge(n, rates[i] - rates[i] / 1000);
	}
}
END_TEST

START_TEST(test_no_rate_is_no_limit)
{
	struct rate r;

	rate_init(&r, 0);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_le(rate_next_ms(&r), 5);
		rate_take(&r, 5);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("campaign-policy");

	TESTS(s, "delays", test_a_call_may_take_its_time_outs_and_a_minute,
	      test_delays_double_up_to_their_cap, test_delays_of_the_offline_are_spread_by_a_fifth_either_way,
	      test_after_offline_the_hub_is_given_time_to_connect);
	TESTS(s, "rate", test_a_rate_is_met_and_never_exceeded, test_no_rate_is_no_limit);
	return suite_run(s);
}
