/* tests: server/dispatch: jobs */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/dispatch/jobs.h"
#include "tests/lib/fake_hub.h"

#define NOW 1700000000000

static struct hub *hub;
static struct jobs *jobs;
static struct buf told; /* what came back, in order */
static unsigned heard_n;
static int64_t now_ms;

static void on_outcome(void *arg, uint32_t campaign, uint32_t no, uint16_t call,
                       const struct hub_answer *answer)
{
	ck_assert_ptr_eq(arg, &told);
	buf_printf(&told, "%u/%u/%u %s %d;", campaign, no, call, hub_outcome_text(answer->outcome),
	           answer->method_status);
}

static void on_withdrawn(void *arg, uint32_t campaign, uint32_t no, uint16_t call)
{
	ck_assert_ptr_eq(arg, &told);
	buf_printf(&told, "%u/%u/%u withdrawn;", campaign, no, call);
}

static void on_heard(void *arg, const struct hub_answer *answer)
{
	ck_assert_ptr_eq(arg, &told);
	ck_assert_int_lt(answer->outcome, HUB_OUTCOMES_N);
	heard_n++;
}

const char *hub_outcome_text(enum hub_outcome o)
{
	static const char *const texts[] = {
#define X(name, text) text,
	        HUB_OUTCOMES(X)
#undef X
	};

	return texts[o];
}

static void start(void)
{
	struct jobs_options options = {
	        .seed = 1, .on_outcome = on_outcome, .on_withdrawn = on_withdrawn, .on_heard = on_heard};

	buf_init(&told);
	buf_puts(&told, "");
	heard_n = 0;
	now_ms = NOW;
	hub = fake_hub_new();
	jobs = jobs_new(&options, hub, &told);
}

static void stop(void)
{
	jobs_free(jobs);
	for (size_t i = 0; i < fake_hub_n(hub); i++) {
		struct hub_answer answer = fake_answer(HUB_AMBIGUOUS, 0);

		if (!fake_hub_at(hub, i)->is_answered)
			fake_hub_answer(hub, i, &answer);
	}
	fake_hub_free(hub);
	buf_done(&told);
}

static void submit(uint32_t campaign, uint32_t no)
{
	char id[16];
	struct invocation inv = {campaign, no, 1, id, "reboot", "null", 30, 5, TIME_NEVER};

	snprintf(id, sizeof id, "d-%u", no);
	jobs_submit(jobs, &inv, now_ms);
}

static int64_t run_after(int64_t ms)
{
	now_ms += ms;
	return jobs_run(jobs, now_ms);
}

static const struct fake_request *last(void)
{
	return fake_hub_at(hub, fake_hub_n(hub) - 1);
}

static void answer(const struct hub_answer *a)
{
	fake_hub_answer(hub, fake_hub_n(hub) - 1, a);
}

static void answer_stage(enum hub_job_stage stage, size_t devices_n)
{
	struct hub_answer a = fake_answer(HUB_ANSWERED, 200);

	a.job_stage = stage;
	a.job_devices_n = devices_n;
	answer(&a);
}

static void answer_outcome(enum hub_outcome outcome, int status)
{
	struct hub_answer a = fake_answer(outcome, status);

	answer(&a);
}

/* A page with a row for each device of "d-1:200 d-2:offline"; continuation NULL: the last. */
static void answer_rows(const char *rows, const char *continuation)
{
	struct hub_answer a = fake_answer(HUB_ANSWERED, 200);
	struct hub_job_row row[8];
	char ids[8][16], what[16];
	int n;

	a.continuation = continuation;
	for (; sscanf(rows, " %15[^:]:%15s%n", ids[a.job_rows_n], what, &n) == 2; rows += n) {
		struct hub_job_row *r = &row[a.job_rows_n];

		*r = (struct hub_job_row){.device_id = ids[a.job_rows_n], .is_final = true};
		r->answer = fake_answer(HUB_ANSWERED, 200);
		if (strcmp(what, "offline") == 0)
			r->answer.outcome = HUB_OFFLINE;
		else if (strcmp(what, "running") == 0)
			r->is_final = false;
		else
			r->answer.method_status = (int32_t)strtol(what, NULL, 10);
		a.job_rows_n++;
	}
	a.job_rows = row;
	answer(&a);
}

/* Lets a job of devices d-1 … d-n go as far as its rows are asked for. */
static void run_to_rows(uint32_t n)
{
	for (uint32_t no = 1; no <= n; no++)
		submit(7, no);
	run_after(2000);
	answer_stage(HUB_JOB_GOING, SIZE_MAX);
	run_after(2000);
	answer_stage(HUB_JOB_ENDED, n);
	run_after(0);
	ck_assert_int_eq(last()->kind, FAKE_JOB_ROWS);
}

START_TEST(test_what_comes_within_a_moment_goes_as_one_job)
{
	start();
	ck_assert_uint_eq(jobs_credit(jobs, now_ms), JOBS_DEVICES_MAX);
	submit(7, 1);
	ck_assert_int_eq(run_after(0), NOW + 2000);
	now_ms += 1000;
	submit(7, 2);
	ck_assert_int_eq(run_after(999), NOW + 2000);
	ck_assert_uint_eq(fake_hub_n(hub), 0);
	ck_assert_uint_eq(jobs_credit(jobs, now_ms), JOBS_DEVICES_MAX - 2);
	ck_assert_int_eq(run_after(1), TIME_NEVER);
	ck_assert_uint_eq(fake_hub_n(hub), 1);
	ck_assert_int_eq(last()->kind, FAKE_JOB_START);
	ck_assert_str_eq(last()->condition, "d-1 d-2");
	ck_assert_str_eq(last()->method_name, "reboot");
	ck_assert_uint_eq(last()->response_timeout_s, 30);
	ck_assert(strncmp(last()->device_id, "rollcall-", 9) == 0);
	ck_assert_uint_eq(strspn(last()->device_id, "abcdefghijklmnopqrstuvwxyz0123456789-"),
	                  strlen(last()->device_id));
	ck_assert_uint_eq(jobs_credit(jobs, now_ms), 0);
	ck_assert_int_eq(jobs_credit_at(jobs, now_ms), TIME_NEVER);
	stop();
}
END_TEST

START_TEST(test_a_full_job_starts_at_once)
{
	start();
	for (uint32_t no = 0; no < JOBS_DEVICES_MAX; no++)
		submit(7, no);
	run_after(0);
	ck_assert_uint_eq(fake_hub_n(hub), 1);
	stop();
}
END_TEST

START_TEST(test_rows_become_outcomes)
{
	start();
	run_to_rows(3);
	answer_rows("d-1:200 d-2:offline", "more");
	ck_assert_str_eq(told.data, "7/1/1 answered 200;7/2/1 offline 0;");
	run_after(0);
	ck_assert_str_eq(last()->continuation, "more");
	answer_rows("d-3:501", NULL);
	ck_assert_str_eq(told.data, "7/1/1 answered 200;7/2/1 offline 0;7/3/1 answered 501;");
	ck_assert_uint_eq(jobs_credit(jobs, now_ms), JOBS_DEVICES_MAX);
	ck_assert_uint_eq(heard_n, 4);
	ck_assert_int_eq(run_after(10000), TIME_NEVER);
	stop();
}
END_TEST

START_TEST(test_rows_that_are_not_there_yet_are_asked_for_again_then_doubted)
{
	start();
	run_to_rows(2);
	answer_rows("d-1:200 d-2:running", NULL);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(run_after(0), now_ms + 5000);
		run_after(5000);
		answer_rows("d-1:200", NULL);
	}
	ck_assert_str_eq(told.data, "7/1/1 answered 200;");
	run_after(5000);
	answer_rows("d-1:200", NULL);
	ck_assert_str_eq(told.data, "7/1/1 answered 200;7/2/1 ambiguous 0;");
	stop();
}
END_TEST

START_TEST(test_a_device_that_the_hub_did_not_find_for_its_job_was_not_called)
{
	start();
	submit(7, 1);
	submit(7, 2);
	run_after(2000);
	answer_stage(HUB_JOB_GOING, SIZE_MAX);
	run_after(2000);
	answer_stage(HUB_JOB_ENDED, 1); /* of two */
	run_after(0);
	answer_rows("d-2:200", NULL);
	ck_assert_str_eq(told.data, "7/2/1 answered 200;7/1/1 gone 0;");
	stop();
}
END_TEST

START_TEST(test_a_refused_start_is_every_devices_outcome_and_a_throttled_one_waits)
{
	start();
	submit(7, 1);
	submit(7, 2);
	run_after(2000);
	answer_outcome(HUB_THROTTLED, 429);
	ck_assert_str_eq(told.data, "7/1/1 throttled 0;7/2/1 throttled 0;");
	ck_assert_uint_eq(jobs_credit(jobs, now_ms), 0);
	ck_assert_int_eq(jobs_credit_at(jobs, now_ms), now_ms + 10000);
	ck_assert_uint_eq(jobs_credit(jobs, now_ms + 10000), JOBS_DEVICES_MAX);
	now_ms += 10000;
	submit(7, 3);
	run_after(2000);
	answer_outcome(HUB_THROTTLED, 429);
	ck_assert_int_eq(jobs_credit_at(jobs, now_ms), now_ms + 20000);
	stop();
}
END_TEST

START_TEST(test_what_could_not_be_sent_is_told_as_not_delivered)
{
	start();
	fake_hub_refuse(hub, ERR_NO_TOKEN);
	submit(7, 1);
	run_after(2000);
	ck_assert_str_eq(told.data, "7/1/1 notDelivered 0;");
	ck_assert_uint_eq(heard_n, 1);
	stop();
}
END_TEST

START_TEST(test_a_start_in_doubt_is_looked_for_and_doubted_only_where_it_never_shows)
{
	start();
	submit(7, 1);
	run_after(2000);
	answer_outcome(HUB_AMBIGUOUS, 0);
	ck_assert_str_eq(told.data, "");
	run_after(0);
	ck_assert_int_eq(last()->kind, FAKE_JOB_READ);
	answer_stage(HUB_JOB_UNKNOWN, SIZE_MAX);
	run_after(2000);
	answer_stage(HUB_JOB_ENDED, 1); /* it had started */
	run_after(0);
	answer_rows("d-1:200", NULL);
	ck_assert_str_eq(told.data, "7/1/1 answered 200;");
	submit(7, 2);
	run_after(2000);
	answer_outcome(HUB_AMBIGUOUS, 503);
	for (int i = 0; i < 15; i++) {
		run_after(2000);
		ck_assert_str_eq(told.data, "7/1/1 answered 200;");
		answer_stage(HUB_JOB_UNKNOWN, SIZE_MAX);
	}
	ck_assert_str_eq(told.data, "7/1/1 answered 200;7/2/1 ambiguous 0;");
	stop();
}
END_TEST

START_TEST(test_a_job_of_that_id_that_exists_already_is_not_believed)
{
	start();
	submit(7, 1);
	run_after(2000);
	answer_outcome(HUB_AMBIGUOUS, 409);
	ck_assert_str_eq(told.data, "7/1/1 ambiguous 0;");
	stop();
}
END_TEST

START_TEST(test_a_hub_that_tells_nothing_leaves_doubt_once_the_jobs_time_is_over)
{
	int64_t since_ms;

	start();
	submit(7, 1);
	run_after(2000);
	since_ms = now_ms;
	answer_stage(HUB_JOB_GOING, SIZE_MAX);
	while (told.len == 0) {
		if (run_after(5000) == TIME_NEVER && told.len == 0)
			answer_outcome(HUB_TROUBLE, 500);
		ck_assert_int_lt(now_ms - since_ms, 300000);
	}
	ck_assert_str_eq(told.data, "7/1/1 ambiguous 0;");
	ck_assert_int_ge(now_ms - since_ms, (30 + 5 + 120 + 60) * 1000);
	stop();
}
END_TEST

START_TEST(test_a_job_that_waits_for_a_connection_is_withdrawn_when_it_gets_one)
{
	const struct fake_request *r;
	struct hub_answer unsent = fake_answer(HUB_NOT_DELIVERED, 0);

	start();
	submit(7, 1);
	submit(7, 2);
	run_after(2000);
	r = last();
	ck_assert(r->may_begin(r->arg));
	jobs_withdraw(jobs, 8);
	ck_assert(r->may_begin(r->arg));
	jobs_withdraw(jobs, 7);
	ck_assert(!r->may_begin(r->arg));
	answer(&unsent);
	ck_assert_str_eq(told.data, "7/1/1 withdrawn;7/2/1 withdrawn;");
	ck_assert_uint_eq(heard_n, 0);
	submit(7, 3);
	run_after(2000);
	r = last();
	ck_assert_str_eq(r->condition, "d-3");
	ck_assert(r->may_begin(r->arg));
	stop();
}
END_TEST

START_TEST(test_what_is_in_no_job_can_be_withdrawn_and_what_is_in_one_cannot)
{
	uint32_t out, queued;

	start();
	submit(7, 1);
	submit(8, 2);
	jobs_withdraw(jobs, 7);
	ck_assert_str_eq(told.data, "7/1/1 withdrawn;");
	run_after(2000);
	ck_assert_str_eq(last()->condition, "d-2");
	jobs_withdraw(jobs, 0);
	ck_assert_str_eq(told.data, "7/1/1 withdrawn;");
	jobs_stats(jobs, &out, &queued);
	ck_assert_uint_eq(out, 1);
	ck_assert_uint_eq(queued, 0);
	stop();
}
END_TEST

START_TEST(test_another_campaigns_devices_come_again_for_the_next_job)
{
	start();
	submit(7, 1);
	submit(8, 2);
	submit(7, 3);
	run_after(2000);
	ck_assert_str_eq(last()->condition, "d-1 d-3");
	ck_assert_str_eq(told.data, "8/2/1 withdrawn;");
	stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("jobs");

	TESTS(s, "gathering", test_what_comes_within_a_moment_goes_as_one_job, test_a_full_job_starts_at_once,
	      test_a_job_that_waits_for_a_connection_is_withdrawn_when_it_gets_one,
	      test_what_is_in_no_job_can_be_withdrawn_and_what_is_in_one_cannot,
	      test_another_campaigns_devices_come_again_for_the_next_job);
	TESTS(s, "outcomes", test_rows_become_outcomes,
	      test_rows_that_are_not_there_yet_are_asked_for_again_then_doubted,
	      test_a_device_that_the_hub_did_not_find_for_its_job_was_not_called,
	      test_a_refused_start_is_every_devices_outcome_and_a_throttled_one_waits,
	      test_what_could_not_be_sent_is_told_as_not_delivered,
	      test_a_start_in_doubt_is_looked_for_and_doubted_only_where_it_never_shows,
	      test_a_job_of_that_id_that_exists_already_is_not_believed,
	      test_a_hub_that_tells_nothing_leaves_doubt_once_the_jobs_time_is_over);
	return suite_run(s);
}
