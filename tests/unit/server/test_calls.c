/* tests: server/conduct_hub.c: what each answer of a hub to a call comes to, and what is said of the hub. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"
#include "tests/unit/server/conductor_rig.h"

#define SPEC(more) \
	"{\"name\":\"t\",\"hubs\":[\"main\"],\"action\":{\"type\":\"reboot\"" more \
	"},\"targets\":{\"deviceIds\":[" \
	"\"d-1\"]}}"

#define HOUR_MS INT64_C(3600000)

static char id[ID_SIZE];

#define NOTHING SIZE_MAX

/* What is wanted of the hub and has not been answered, of that kind, NOTHING after so long; answers all else
 * that is wanted: d-1 is there, as it was. */
static size_t want_for(enum fake_kind kind, int64_t ms)
{
	size_t wanted = NOTHING;

	for (; ms > 0 && wanted == NOTHING; ms -= 100) {
		rig_pass(100);
		for (size_t i = 0; i < fake_hub_n(rig.hubs[0]); i++) {
			const struct fake_request *r = fake_hub_at(rig.hubs[0], i);
			struct hub_answer a = fake_answer(HUB_ANSWERED, 200);
			struct reading reading;

			if (r->is_answered)
				continue;
			if (r->kind == kind) {
				wanted = i;
				continue;
			}
			if (r->kind == FAKE_READ) {
				reading_of_absence("d-1", &reading);
				reading.is_there = reading.is_enabled = true;
				reading.hub_at_ms = rig.now_ms;
				a.reading = &reading;
			}
			fake_hub_answer(rig.hubs[0], i, &a);
		}
	}
	return wanted;
}

static size_t start(enum fake_kind kind, const char *spec)
{
	size_t wanted;

	rig_open();
	ck_assert_int_eq(rig_start(), ERR_OK);
	rig_create(spec);
	memcpy(id, rig.id, sizeof id);
	wanted = want_for(kind, 100000);
	ck_assert_uint_ne(wanted, NOTHING);
	return wanted;
}

static void check_attempt(const char *outcome, const char *payload, const char *tracking_id)
{
	struct answer page;
	struct backend *record = store_sync_record(rig.store);

	answer_init(&page);
	ck_assert_int_eq(backend_read_target(record, 1, "d-1", -1, &page), ERR_OK);
	ck_assert_uint_eq(page.attempts_n, 1);
	ck_assert_str_eq(page.attempts[0].outcome, outcome);
	if (payload != NULL)
		ck_assert_str_eq(page.attempts[0].payload, payload);
	else
		ck_assert_ptr_null(page.attempts[0].payload);
	if (tracking_id != NULL)
		ck_assert_str_eq(page.attempts[0].tracking_id, tracking_id);
	answer_done(&page);
	backend_close(record);
}

START_TEST(test_each_answer_to_a_call_has_its_meaning_and_is_on_record)
{
	static const struct {
		enum hub_outcome outcome;
		int http_status;
		int32_t method_status;
		enum target_state state;
		enum reason reason;
		enum wait wait;
	} table[] = {
	        {HUB_ANSWERED, 200, 200, TARGET_AWAITING_PROOF, REASON_NONE, WAIT_NONE},
	        {HUB_ANSWERED, 200, 404, TARGET_FAILED, REASON_NO_METHOD, WAIT_NONE},
	        {HUB_ANSWERED, 200, 501, TARGET_FAILED, REASON_NO_METHOD, WAIT_NONE},
	        {HUB_ANSWERED, 200, 500, TARGET_FAILED, REASON_REFUSED, WAIT_NONE},
	        {HUB_ANSWERED, 200, 100, TARGET_FAILED, REASON_REFUSED, WAIT_NONE},
	        {HUB_NOT_DELIVERED, 0, 0, TARGET_WAITING, REASON_NONE, WAIT_NONE},
	        {HUB_NOT_DELIVERED, 429, 0, TARGET_WAITING, REASON_NONE, WAIT_BACKOFF},
	        {HUB_THROTTLED, 429, 0, TARGET_WAITING, REASON_NONE, WAIT_NONE},
	        {HUB_QUOTA, 403, 0, TARGET_WAITING, REASON_NONE, WAIT_NONE},
	        {HUB_TROUBLE, 401, 0, TARGET_WAITING, REASON_NONE, WAIT_NONE},
	        {HUB_OFFLINE, 404, 0, TARGET_WAITING, REASON_NONE, WAIT_OFFLINE},
	        {HUB_AMBIGUOUS, 504, 0, TARGET_DOUBTFUL, REASON_NONE, WAIT_NONE},
	        {HUB_OUR_FAULT, 400, 0, TARGET_FAILED, REASON_HUB_REJECTED, WAIT_NONE},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		size_t call = start(FAKE_CALL, SPEC(""));
		struct hub_answer a = fake_answer(table[i].outcome, table[i].http_status);
		struct target_row row;
		char group[16];

		a.method_status = table[i].method_status;
		fake_hub_answer(rig.hubs[0], call, &a);
		rig_run();
		ck_assert(rig_target(id, "d-1", -1, &row, group));
		ck_assert_msg(row.state == table[i].state && row.reason == table[i].reason &&
		                      row.wait == table[i].wait,
		              "row %zu: %u %u %u", i, row.state, row.reason, row.wait);
		check_attempt(hub_outcome_text(table[i].outcome), NULL, NULL);
		rig_close();
	}
}
END_TEST

START_TEST(test_a_devices_answer_is_kept_up_to_a_length_and_the_hubs_number_of_it)
{
	size_t call = start(FAKE_CALL, SPEC(""));
	struct hub_answer a = fake_answer(HUB_ANSWERED, 200);
	char payload[5001];

	memset(payload, 'x', sizeof payload - 1);
	payload[sizeof payload - 1] = '\0';
	a.method_status = 200;
	a.payload = payload;
	snprintf(a.error.tracking_id, sizeof a.error.tracking_id, "t-1");
	fake_hub_answer(rig.hubs[0], call, &a);
	rig_run();
	payload[4096] = '\0';
	check_attempt("answered", payload, "t-1");
	rig_close();
}
END_TEST

START_TEST(test_why_a_hub_does_not_answer_is_told_with_it)
{
	size_t call = start(FAKE_CALL, SPEC(""));
	struct hub_answer a = fake_answer(HUB_NOT_DELIVERED, 0);
	struct hub_view view;

	a.detail = "no route";
	fake_hub_answer(rig.hubs[0], call, &a);
	rig_run();
	conductor_hub(rig.conductor, 0, &view);
	ck_assert_str_eq(view.state, "down");
	ck_assert_str_eq(view.last_error, "notDelivered: no route");
	rig_close();
}
END_TEST

/* Answers what is wanted but calls, for so long. */
static void serve(int64_t ms)
{
	for (int64_t until_ms = rig.now_ms + ms; rig.now_ms < until_ms;)
		(void)want_for(FAKE_CALL, 100);
}

START_TEST(test_an_answer_that_comes_after_its_target_has_ended_is_on_its_history)
{
	static const struct {
		enum hub_outcome outcome;
		int32_t method_status;
		const char *verdict; /* NULL: nothing is said */
	} table[] = {{HUB_ANSWERED, 200, "accepted"},
	             {HUB_ANSWERED, 404, "noMethod"},
	             {HUB_ANSWERED, 500, "refused"},
	             {HUB_AMBIGUOUS, 0, NULL}};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		size_t call =
		        start(FAKE_CALL,
		              SPEC("},\"verify\":{\"timeoutSeconds\":1},\"retry\":{\"doubtful\":\"never\""));
		struct hub_answer a = fake_answer(table[i].outcome, 200);
		struct backend *record;
		struct target_row row;
		struct answer page;
		char group[16];

		serve(HOUR_MS);
		ck_assert(rig_target(id, "d-1", -1, &row, group));
		ck_assert_int_eq(row.state, TARGET_FAILED);
		ck_assert_int_eq(row.reason, REASON_UNKNOWN);
		a.method_status = table[i].method_status;
		fake_hub_answer(rig.hubs[0], call, &a);
		rig_run();
		record = store_sync_record(rig.store);
		answer_init(&page);
		ck_assert_int_eq(backend_read_target(record, 1, "d-1", -1, &page), ERR_OK);
		ck_assert_int_eq(page.targets[0].row.state, TARGET_FAILED); /* final is final */
		ck_assert_uint_gt(page.evidence_n, 0);
		if (table[i].verdict != NULL) {
			ck_assert_str_eq(page.evidence[page.evidence_n - 1].verdict, table[i].verdict);
			ck_assert(page.evidence[page.evidence_n - 1].is_late);
		} else {
			ck_assert(!page.evidence[page.evidence_n - 1].is_late);
		}
		answer_done(&page);
		backend_close(record);
		rig_close();
	}
}
END_TEST

/* That a hub is gone, or its day spent, stands in the way of calls whatever it was heard by. */
START_TEST(test_what_a_job_hears_of_a_hub_shuts_it)
{
	static const struct {
		enum hub_outcome outcome;
		int http_status;
		const char *state;
	} table[] = {{HUB_NOT_DELIVERED, 0, "down"},
	             {HUB_TROUBLE, 401, "unauthorised"},
	             {HUB_QUOTA, 403, "quota"},
	             {HUB_THROTTLED, 429, "open"}};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		size_t job = start(FAKE_JOB_START, SPEC(",\"transport\":\"hubJob\""));
		struct hub_answer a = fake_answer(table[i].outcome, table[i].http_status);
		struct hub_view view;

		fake_hub_answer(rig.hubs[0], job, &a);
		rig_run();
		conductor_hub(rig.conductor, 0, &view);
		ck_assert_str_eq(view.state, table[i].state);
		rig_close();
	}
}
END_TEST

START_TEST(test_a_stop_waits_for_calls_that_are_out)
{
	size_t call = start(FAKE_CALL, SPEC(""));
	struct hub_answer a = fake_answer(HUB_AMBIGUOUS, 504);

	conductor_drain(rig.conductor);
	rig_run();
	ck_assert(!conductor_is_settled(rig.conductor));
	fake_hub_answer(rig.hubs[0], call, &a);
	ck_assert(!conductor_is_settled(rig.conductor)); /* what came of it is not on record yet */
	rig_run();
	ck_assert(conductor_is_settled(rig.conductor));
	rig_close();
}
END_TEST

START_TEST(test_a_stop_waits_for_a_job_that_runs)
{
	const struct hub_job_row row = {
	        .device_id = "d-1",
	        .is_final = true,
	        .answer = {.outcome = HUB_ANSWERED, .method_status = 200, .detail = ""}};
	size_t job = start(FAKE_JOB_START, SPEC(",\"transport\":\"hubJob\""));
	struct hub_answer a = fake_answer(HUB_ANSWERED, 200);
	struct target_row target;
	char group[16];

	a.job_stage = HUB_JOB_GOING;
	a.job_devices_n = 1;
	fake_hub_answer(rig.hubs[0], job, &a);
	conductor_drain(rig.conductor);
	rig_pass(1000);
	ck_assert(!conductor_is_settled(rig.conductor));
	a.job_stage = HUB_JOB_ENDED;
	fake_hub_answer(rig.hubs[0], want_for(FAKE_JOB_READ, HOUR_MS), &a);
	a.job_rows = &row;
	a.job_rows_n = 1;
	fake_hub_answer(rig.hubs[0], want_for(FAKE_JOB_ROWS, HOUR_MS), &a);
	rig_run();
	ck_assert(conductor_is_settled(rig.conductor));
	ck_assert(rig_target(id, "d-1", -1, &target, group));
	ck_assert_int_eq(target.state, TARGET_AWAITING_PROOF);
	rig_close();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("calls");

	log_setup(LOG_OFF, false, 2);
	TESTS(s, "calls", test_each_answer_to_a_call_has_its_meaning_and_is_on_record,
	      test_a_devices_answer_is_kept_up_to_a_length_and_the_hubs_number_of_it,
	      test_why_a_hub_does_not_answer_is_told_with_it, test_what_a_job_hears_of_a_hub_shuts_it,
	      test_an_answer_that_comes_after_its_target_has_ended_is_on_its_history,
	      test_a_stop_waits_for_calls_that_are_out, test_a_stop_waits_for_a_job_that_runs);
	return suite_run(s);
}
