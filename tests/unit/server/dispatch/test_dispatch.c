/* tests: server/dispatch: dispatch, rates */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/dispatch/dispatch.h"
#include "tests/lib/fake_hub.h"

#define NOW 1700000000000

static struct hub *hub;
static struct dispatch *dispatch;
static struct buf told; /* what came back, in order */
static int64_t now_ms;

static const char *text_of(enum hub_outcome o)
{
	static const char *const texts[] = {
#define X(name, text) text,
	        HUB_OUTCOMES(X)
#undef X
	};

	return texts[o];
}

static void on_outcome(void *arg, uint32_t campaign, uint32_t no, uint16_t call,
                       const struct hub_answer *answer)
{
	ck_assert_ptr_eq(arg, &told);
	buf_printf(&told, "%u/%u/%u %s %d;", campaign, no, call, text_of(answer->outcome),
	           answer->http_status);
}

static void on_withdrawn(void *arg, uint32_t campaign, uint32_t no, uint16_t call)
{
	ck_assert_ptr_eq(arg, &told);
	buf_printf(&told, "%u/%u/%u withdrawn;", campaign, no, call);
}

static int64_t now_of(void *arg)
{
	ck_assert_ptr_eq(arg, &told);
	return now_ms;
}

static void start(uint32_t inflight_max, uint32_t calls_per_minute)
{
	struct dispatch_options options = {inflight_max, calls_per_minute, on_outcome, on_withdrawn, now_of};

	buf_init(&told);
	buf_puts(&told, "");
	hub = fake_hub_new();
	dispatch = dispatch_new(&options, hub, &told);
}

static void stop(void)
{
	dispatch_free(dispatch);
	for (size_t i = 0; i < fake_hub_n(hub); i++) {
		struct hub_answer answer = fake_answer(HUB_ANSWERED, 200);

		if (!fake_hub_at(hub, i)->is_answered)
			fake_hub_answer(hub, i, &answer);
	}
	fake_hub_free(hub);
	buf_done(&told);
}

static void submit_payload(uint32_t campaign, uint32_t no, const char *payload)
{
	struct invocation inv = {campaign, no, 1, "d-1", "reboot", payload, 30, 5, TIME_NEVER};

	dispatch_submit(dispatch, &inv);
}

static void submit(uint32_t campaign, uint32_t no)
{
	submit_payload(campaign, no, "null");
}

static void answer(size_t i, enum hub_outcome outcome, int http_status)
{
	struct hub_answer a = fake_answer(outcome, http_status);

	fake_hub_answer(hub, i, &a);
}

static void ck_told(const char *expected)
{
	ck_assert_str_eq(told.data, expected);
	buf_reset(&told);
	buf_puts(&told, "");
}

START_TEST(test_submit_queues_and_run_sends_all_that_was_said)
{
	char device_id[] = "d#1", method[] = "reboot", payload[] = "{\"attemptId\":\"c-1\"}";
	struct invocation inv = {7, 3, 2, device_id, method, payload, 30, 5, TIME_NEVER};
	const struct fake_request *r;

	start(8, 0);
	dispatch_submit(dispatch, &inv);
	memset(device_id, 'x', 3);
	memset(method, 'x', 6);
	memset(payload, 'x', 5);
	ck_assert_uint_eq(fake_hub_n(hub), 0);
	ck_assert_int_eq(dispatch_run(dispatch, NOW), TIME_NEVER);
	ck_assert_uint_eq(fake_hub_n(hub), 1);
	r = fake_hub_at(hub, 0);
	ck_assert_str_eq(r->device_id, "d#1");
	ck_assert_str_eq(r->method_name, "reboot");
	ck_assert_str_eq(r->payload, "{\"attemptId\":\"c-1\"}");
	ck_assert_uint_eq(r->payload_bytes, 19);
	ck_assert_uint_eq(r->response_timeout_s, 30);
	ck_assert_uint_eq(r->connect_timeout_s, 5);
	ck_told("");
	answer(0, HUB_AMBIGUOUS, 504);
	ck_told("7/3/2 ambiguous 504;");
	stop();
}
END_TEST

START_TEST(test_no_more_are_out_than_agreed_and_the_rest_follows_in_order)
{
	start(2, 0);
	for (uint32_t no = 0; no < 5; no++)
		submit(1, no);
	ck_assert_uint_eq(dispatch_credit(dispatch, NOW), 0);
	ck_assert_int_eq(dispatch_run(dispatch, NOW), TIME_NEVER);
	ck_assert_uint_eq(fake_hub_out(hub), 2);
	ck_assert_int_eq(dispatch_credit_at(dispatch, NOW), TIME_NEVER);
	answer(1, HUB_ANSWERED, 200);
	ck_assert_uint_eq(fake_hub_n(hub), 2); /* sent by run only */
	dispatch_run(dispatch, NOW);
	ck_assert_uint_eq(fake_hub_n(hub), 3);
	answer(2, HUB_OFFLINE, 404);
	answer(0, HUB_THROTTLED, 429);
	ck_told("1/1/1 answered 200;1/2/1 offline 404;1/0/1 throttled 429;");
	stop();
}
END_TEST

START_TEST(test_rate_lets_a_second_gather_and_then_one_each_interval)
{
	start(1000, 240); /* 4 a second */
	ck_assert_uint_eq(dispatch_credit(dispatch, NOW), 4);
	for (uint32_t no = 0; no < 6; no++)
		submit(1, no);
	ck_assert_uint_eq(dispatch_credit(dispatch, NOW), 0);
	ck_assert_int_eq(dispatch_run(dispatch, NOW), NOW + 250);
	ck_assert_uint_eq(fake_hub_n(hub), 4);
	ck_assert_int_eq(dispatch_run(dispatch, NOW + 249), NOW + 250);
	ck_assert_uint_eq(fake_hub_n(hub), 4);
	ck_assert_int_eq(dispatch_run(dispatch, NOW + 250), NOW + 500);
	ck_assert_int_eq(dispatch_run(dispatch, NOW + 500), TIME_NEVER);
	ck_assert_uint_eq(fake_hub_n(hub), 6);
	ck_assert_uint_eq(dispatch_credit(dispatch, NOW + 500), 0);
	ck_assert_int_eq(dispatch_credit_at(dispatch, NOW + 500), NOW + 750);
	ck_assert_uint_eq(dispatch_credit(dispatch, NOW + 750), 1);
	ck_assert_int_eq(dispatch_credit_at(dispatch, NOW + 750), NOW + 750);
	stop();
}
END_TEST

START_TEST(test_credit_is_what_would_be_sent_at_once)
{
	start(10, 240);
	for (uint32_t no = 0; no < 3; no++)
		submit(1, no);
	ck_assert_uint_eq(dispatch_credit(dispatch, NOW), 1);
	submit(1, 3);
	ck_assert_uint_eq(dispatch_credit(dispatch, NOW), 0);
	dispatch_run(dispatch, NOW);
	ck_assert_uint_eq(fake_hub_n(hub), 4);
	ck_assert_uint_eq(dispatch_credit(dispatch, NOW + 60000), 4);
	stop();
}
END_TEST

static uint32_t queued(void)
{
	struct dispatch_stats stats;

	dispatch_stats(dispatch, &stats);
	return stats.queued;
}

/* Submits what it would take, and lets it run. */
static void submit_all(uint32_t *no)
{
	for (uint32_t n = dispatch_credit(dispatch, NOW); n > 0; n--)
		submit(1, (*no)++);
	ck_assert_int_eq(dispatch_run(dispatch, NOW), TIME_NEVER);
}

START_TEST(test_twice_as_many_may_wait_as_were_answered_since_the_last_were_handed_over)
{
	uint32_t no = 0;
	size_t answered = 0;

	start(2, 0);
	submit_all(&no);
	ck_assert_uint_eq(no, 2);
	for (; answered < 2; answered++) /* while the intents of the next are made durable */
		answer(answered, HUB_ANSWERED, 200);
	submit_all(&no);
	ck_assert_uint_eq(no, 4);
	submit_all(&no);
	ck_assert_uint_eq(queued(), 4);
	ck_assert_uint_eq(fake_hub_n(hub), 4);
	for (int i = 0; i < 20; i++) { /* one at a time: by and by as few wait */
		answer(answered++, HUB_ANSWERED, 200);
		ck_assert_int_eq(dispatch_run(dispatch, NOW), TIME_NEVER);
		submit_all(&no);
	}
	ck_assert_uint_le(queued(), 3);
	stop();
}
END_TEST

START_TEST(test_is_busy_until_half_of_what_was_handed_over_is_answered_or_places_are_empty)
{
	uint32_t no = 0;
	size_t answered = 0;

	start(4, 0);
	submit_all(&no);
	ck_assert(!dispatch_is_busy(dispatch)); /* nothing waits for a place */
	for (; answered < 4; answered++)
		answer(answered, HUB_ANSWERED, 200);
	submit_all(&no);
	submit_all(&no);
	ck_assert_uint_eq(queued(), 8);
	for (; answered < 4 + 6; answered++) {
		ck_assert(dispatch_is_busy(dispatch));
		answer(answered, HUB_ANSWERED, 200);
		ck_assert_int_eq(dispatch_run(dispatch, NOW), TIME_NEVER);
	}
	ck_assert(!dispatch_is_busy(dispatch));
	dispatch_withdraw(dispatch, 0);
	ck_assert(!dispatch_is_busy(dispatch));
	stop();
}
END_TEST

START_TEST(test_never_more_than_256_wait_for_a_place)
{
	uint32_t no = 0;

	start(2000, 0);
	submit_all(&no);
	for (size_t i = 0; i < 1000; i++)
		answer(i, HUB_ANSWERED, 200);
	submit_all(&no);
	submit_all(&no);
	ck_assert_uint_eq(no, 2000 + 1000 + 256);
	ck_assert_uint_eq(queued(), 256);
	stop();
}
END_TEST

START_TEST(test_payload_takes_a_token_for_each_4_kb)
{
	static char payload[9000];

	start(100, 240);
	memset(payload, '1', sizeof payload - 1);
	submit_payload(1, 0, payload); /* 8999 bytes: 3 tokens */
	ck_assert_uint_eq(dispatch_credit(dispatch, NOW), 1);
	payload[4097] = '\0';
	submit_payload(1, 1, payload); /* 2 tokens, where one is left */
	dispatch_run(dispatch, NOW);
	ck_assert_uint_eq(fake_hub_n(hub), 2);
	ck_assert_uint_eq(fake_hub_at(hub, 1)->payload_bytes, 4097);
	ck_assert_int_eq(dispatch_credit_at(dispatch, NOW), NOW + 500);
	stop();
}
END_TEST

START_TEST(test_withdraw_takes_back_what_is_unsent_of_one_campaign_or_of_all)
{
	struct dispatch_stats stats;

	start(1, 0);
	submit(1, 0);
	dispatch_run(dispatch, NOW);
	submit(1, 1);
	submit(2, 2);
	submit(1, 3);
	submit(3, 4);
	dispatch_withdraw(dispatch, 1);
	ck_told("1/1/1 withdrawn;1/3/1 withdrawn;");
	dispatch_stats(dispatch, &stats);
	ck_assert_uint_eq(stats.queued, 2);
	dispatch_withdraw(dispatch, 0);
	ck_told("2/2/1 withdrawn;3/4/1 withdrawn;");
	answer(0, HUB_ANSWERED, 200);
	ck_told("1/0/1 answered 200;");
	dispatch_run(dispatch, NOW);
	ck_assert_uint_eq(fake_hub_n(hub), 1);
	stop();
}
END_TEST

START_TEST(test_what_is_late_is_taken_back_and_never_sent)
{
	struct invocation inv = {1, 1, 1, "d-1", "reboot", "null", 30, 5, NOW + 100};

	start(1, 0);
	submit(1, 0);
	dispatch_run(dispatch, NOW);
	dispatch_submit(dispatch, &inv);
	submit(1, 2);
	ck_assert_int_eq(dispatch_run(dispatch, NOW), NOW + 100);
	dispatch_withdraw_late(dispatch, NOW + 99);
	ck_told("");
	dispatch_withdraw_late(dispatch, NOW + 100);
	ck_told("1/1/1 withdrawn;");
	ck_assert_int_eq(dispatch_run(dispatch, NOW + 100), TIME_NEVER);
	answer(0, HUB_ANSWERED, 200);
	dispatch_run(dispatch, NOW + 100);
	ck_assert_uint_eq(fake_hub_n(hub), 2);
	stop();
}
END_TEST

static bool may_begin(size_t i, int64_t at_ms)
{
	const struct fake_request *r = fake_hub_at(hub, i);

	now_ms = at_ms;
	return r->may_begin(r->arg);
}

START_TEST(test_what_waits_for_a_connection_is_withdrawn_when_it_gets_one)
{
	start(3, 0);
	submit(1, 0);
	submit(2, 1);
	submit(1, 2);
	dispatch_run(dispatch, NOW);
	ck_assert(may_begin(2, NOW)); /* this one has left */
	dispatch_withdraw(dispatch, 1);
	ck_told("");
	ck_assert(!may_begin(0, NOW + 5));
	ck_assert(may_begin(1, NOW + 5));
	answer(0, HUB_NOT_DELIVERED, 0);
	ck_told("1/0/1 withdrawn;");
	answer(1, HUB_ANSWERED, 200);
	answer(2, HUB_ANSWERED, 200);
	ck_told("2/1/1 answered 200;1/2/1 answered 200;");
	submit(1, 3); /* in a place that was used before */
	dispatch_run(dispatch, NOW);
	ck_assert(may_begin(3, NOW + 5));
	stop();
}
END_TEST

START_TEST(test_what_waits_for_a_connection_for_too_long_is_not_sent)
{
	struct invocation inv = {1, 1, 1, "d-1", "reboot", "null", 30, 5, NOW + 100};

	start(2, 0);
	dispatch_submit(dispatch, &inv);
	dispatch_submit(dispatch, &inv);
	dispatch_run(dispatch, NOW + 10);
	ck_assert(may_begin(0, NOW + 99));
	ck_assert(!may_begin(1, NOW + 100));
	answer(1, HUB_NOT_DELIVERED, 0);
	ck_told("1/1/1 withdrawn;");
	stop();
}
END_TEST

START_TEST(test_refused_call_is_told_undelivered_by_the_next_run_before_more_are_sent)
{
	struct dispatch_stats stats;

	start(8, 240);
	fake_hub_refuse(hub, ERR_NOMEM);
	submit(1, 0);
	submit(1, 1);
	ck_assert_int_eq(dispatch_run(dispatch, NOW), NOW);
	ck_told("");
	fake_hub_refuse(hub, ERR_OK);
	ck_assert_int_eq(dispatch_run(dispatch, NOW), TIME_NEVER);
	ck_told("1/0/1 notDelivered 0;");
	ck_assert_uint_eq(fake_hub_n(hub), 1);
	dispatch_stats(dispatch, &stats);
	ck_assert_uint_eq(stats.sent, 1);
	ck_assert_uint_eq(stats.inflight, 1);
	ck_assert_uint_eq(stats.by_outcome[HUB_NOT_DELIVERED], 1);
	ck_assert_uint_eq(dispatch_credit(dispatch, NOW), 3); /* what was not sent took no token */
	stop();
}
END_TEST

START_TEST(test_after_free_late_answers_are_told_to_nobody)
{
	start(8, 0);
	submit(1, 0);
	dispatch_run(dispatch, NOW);
	submit(1, 1);
	dispatch_free(dispatch);
	dispatch = NULL;
	answer(0, HUB_ANSWERED, 200);
	ck_told("");
	stop();
}
END_TEST

START_TEST(test_each_of_many_is_sent_once_and_told_once)
{
	enum { N = 20000, OUT = 64 };
	static uint8_t sent[N];
	struct dispatch_stats stats;
	uint32_t no = 0;

	start(OUT, 0);
	for (size_t answered = 0; answered < N;) {
		for (uint32_t credit = dispatch_credit(dispatch, NOW); credit > 0 && no < N; credit--) {
			char payload[16];

			snprintf(payload, sizeof payload, "%u", no++);
			submit_payload(1, no - 1, payload);
		}
		dispatch_run(dispatch, NOW);
		ck_assert_uint_le(fake_hub_out(hub), OUT);
		answer(answered++, HUB_ANSWERED, 200);
	}
	for (size_t i = 0; i < N; i++) {
		unsigned payload;

		ck_assert_int_eq(sscanf(fake_hub_at(hub, i)->payload, "%u", &payload), 1);
		ck_assert_uint_eq(payload, i);
		ck_assert_uint_eq(sent[payload]++, 0);
	}
	dispatch_stats(dispatch, &stats);
	ck_assert_uint_eq(stats.sent, N);
	ck_assert_uint_eq(stats.by_outcome[HUB_ANSWERED], N);
	ck_assert_uint_eq(stats.inflight + stats.queued, 0);
	stop();
}
END_TEST

START_TEST(test_rates_are_the_published_ones)
{
	static const struct {
		const char *sku;
		uint32_t units, reserve, calls, queries, reads;
		uint64_t messages;
		uint32_t job_calls;
	} rows[] = {
	        {"F1", 1, 0, 2400, 20, 6000, 8000, 600},
	        {"S1", 1, 0, 2400, 20, 6000, 400000, 600},
	        {"S1", 10, 0, 24000, 200, 6000, 4000000, 600},
	        {"S2", 1, 0, 7200, 20, 6000, 6000000, 600},
	        {"S2", 20, 0, 144000, 400, 12000, 120000000, 1200},
	        {"S3", 1, 0, 368640, 1000, 30000, 300000000, 3000},
	        {"S3", 10, 0, 3686400, 10000, 300000, 3000000000, 30000},
	        {"S1", 1, 30, 1680, 14, 4200, 280000, 600},
	        {"S1", 1, 33, 1608, 13, 4020, 268000, 600},
	        {"S1", 1, 90, 240, 2, 600, 40000, 600},
	        {"none", 0, 50, 0, 0, 0, 0, 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct hub_rates r;

		ck_assert_int_eq(hub_rates_of(rows[i].sku, rows[i].units, rows[i].reserve, &r), ERR_OK);
		ck_assert_msg(r.calls_per_minute == rows[i].calls &&
		                      r.queries_per_minute == rows[i].queries &&
		                      r.reads_per_minute == rows[i].reads &&
		                      r.messages_per_day == rows[i].messages &&
		                      r.job_calls_per_minute == rows[i].job_calls,
		              "row %zu: %u %u %u %llu", i, r.calls_per_minute, r.queries_per_minute,
		              r.reads_per_minute, (unsigned long long)r.messages_per_day);
	}
}
END_TEST

START_TEST(test_a_429_halves_the_pace)
{
	struct dispatch_stats stats;

	start(8, 2400);
	submit(1, 0);
	dispatch_run(dispatch, NOW);
	answer(0, HUB_THROTTLED, 429);
	dispatch_run(dispatch, NOW + 1000);
	dispatch_stats(dispatch, &stats);
	ck_assert_uint_eq(stats.calls_per_minute, 1200);
	stop();
}
END_TEST

START_TEST(test_rates_of_what_is_not_sold_are_refused)
{
	struct hub_rates r;

	ck_assert_int_eq(hub_rates_of("B1", 1, 0, &r), ERR_INVALID);
	ck_assert_int_eq(hub_rates_of("s1", 1, 0, &r), ERR_INVALID);
	ck_assert_int_eq(hub_rates_of("S1", 0, 0, &r), ERR_INVALID);
	ck_assert_int_eq(hub_rates_of("S1", 201, 0, &r), ERR_INVALID);
	ck_assert_int_eq(hub_rates_of("S3", 11, 0, &r), ERR_INVALID);
	ck_assert_int_eq(hub_rates_of("F1", 2, 0, &r), ERR_INVALID);
	ck_assert_int_eq(hub_rates_of("S1", 1, 91, &r), ERR_INVALID);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("dispatch");

	TESTS(s, "dispatch", test_submit_queues_and_run_sends_all_that_was_said,
	      test_no_more_are_out_than_agreed_and_the_rest_follows_in_order,
	      test_rate_lets_a_second_gather_and_then_one_each_interval,
	      test_credit_is_what_would_be_sent_at_once, test_payload_takes_a_token_for_each_4_kb,
	      test_twice_as_many_may_wait_as_were_answered_since_the_last_were_handed_over,
	      test_is_busy_until_half_of_what_was_handed_over_is_answered_or_places_are_empty,
	      test_never_more_than_256_wait_for_a_place, test_a_429_halves_the_pace,
	      test_withdraw_takes_back_what_is_unsent_of_one_campaign_or_of_all,
	      test_what_is_late_is_taken_back_and_never_sent,
	      test_what_waits_for_a_connection_is_withdrawn_when_it_gets_one,
	      test_what_waits_for_a_connection_for_too_long_is_not_sent,
	      test_refused_call_is_told_undelivered_by_the_next_run_before_more_are_sent,
	      test_after_free_late_answers_are_told_to_nobody, test_each_of_many_is_sent_once_and_told_once);
	TESTS(s, "rates", test_rates_are_the_published_ones, test_rates_of_what_is_not_sold_are_refused);
	return suite_run(s);
}
