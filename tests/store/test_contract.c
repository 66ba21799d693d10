/* tests/store: the contract of store.h, the same for every back end and for both ways to drive it. */
#include "tests/lib/suite.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/hash.h"
#include "tests/store/rig.h"

#define DAY_MS (24LL * 3600 * 1000)

static struct rig rig;
static struct seen seen;

static void open_rig(void)
{
	rig_open(&rig);
}

static void close_rig(void)
{
	rig_close(&rig);
}

static void assert_same_campaign(const struct campaign_row *a, const struct campaign_row *b)
{
	ck_assert_uint_eq(a->no, b->no);
	ck_assert_str_eq(a->id, b->id);
	ck_assert_str_eq(a->name, b->name);
	ck_assert_str_eq(a->spec, b->spec);
	ck_assert_uint_eq(a->spec_revision, b->spec_revision);
	ck_assert_int_eq(a->state, b->state);
	ck_assert_int_eq(a->phase, b->phase);
	ck_assert_str_eq(a->state_reason, b->state_reason);
	ck_assert_str_eq(a->created_by, b->created_by);
	ck_assert_str_eq(a->retry_of, b->retry_of);
	ck_assert_int_eq(a->created_at_ms, b->created_at_ms);
	ck_assert_int_eq(a->started_at_ms, b->started_at_ms);
	ck_assert_int_eq(a->finished_at_ms, b->finished_at_ms);
	ck_assert_int_eq(a->start_at_ms, b->start_at_ms);
	ck_assert_int_eq(a->end_at_ms, b->end_at_ms);
	ck_assert_mem_eq(&a->counts, &b->counts, sizeof a->counts);
	ck_assert_uint_eq(a->selected, b->selected);
	ck_assert_mem_eq(&a->cost, &b->cost, sizeof a->cost);
	ck_assert_uint_eq(a->waves_n, b->waves_n);
	ck_assert_uint_eq(a->aborts_n, b->aborts_n);
	for (uint32_t i = 0; i < a->waves_n; i++) {
		ck_assert_uint_eq(a->waves[i].stage, b->waves[i].stage);
		ck_assert_int_eq(a->waves[i].is_approved, b->waves[i].is_approved);
		ck_assert_int_eq(a->waves[i].is_overridden, b->waves[i].is_overridden);
		ck_assert_int_eq(a->waves[i].opened_at_ms, b->waves[i].opened_at_ms);
		ck_assert_int_eq(a->waves[i].proven_at_ms, b->waves[i].proven_at_ms);
		ck_assert_mem_eq(a->waves[i].state, b->waves[i].state, sizeof a->waves[i].state);
		ck_assert_uint_eq(a->waves[i].relapsed, b->waves[i].relapsed);
	}
	ck_assert_mem_eq(a->aborts, b->aborts, sizeof a->aborts);
}

static void assert_same_target(const struct target_row *a, const struct target_row *b)
{
	ck_assert_uint_eq(a->campaign, b->campaign);
	ck_assert_uint_eq(a->no, b->no);
	ck_assert_uint_eq(a->state, b->state);
	ck_assert_uint_eq(a->reason, b->reason);
	ck_assert_uint_eq(a->wait, b->wait);
	ck_assert_uint_eq(a->hub, b->hub);
	ck_assert_uint_eq(a->group, b->group);
	ck_assert_uint_eq(a->attempts, b->attempts);
	ck_assert_uint_eq(a->calls, b->calls);
	ck_assert_uint_eq(a->attempt_seq, b->attempt_seq);
	ck_assert_uint_eq(a->redoubts, b->redoubts);
	ck_assert_uint_eq(a->offline_tries, b->offline_tries);
	ck_assert_int_eq(a->is_unresolved, b->is_unresolved);
	ck_assert_int_eq(a->has_moved, b->has_moved);
	ck_assert_int_eq(a->method_status, b->method_status);
	ck_assert_int_eq(a->changed_at_ms, b->changed_at_ms);
	ck_assert_int_eq(a->next_at_ms, b->next_at_ms);
	ck_assert_int_eq(a->called_at_ms, b->called_at_ms);
	ck_assert_int_eq(a->since_hub_ms, b->since_hub_ms);
	ck_assert_int_eq(a->hold_until_ms, b->hold_until_ms);
	ck_assert_int_eq(a->offline_ms, b->offline_ms);
}

static void assert_same_baseline(const struct baseline *a, const struct baseline *b)
{
	ck_assert_uint_eq(a->value_hash, b->value_hash);
	ck_assert_uint_eq(a->boot_hash, b->boot_hash);
	ck_assert_uint_eq(a->version, b->version);
	ck_assert_int_eq(a->value_at_ms, b->value_at_ms);
	ck_assert_int_eq(a->taken_at_ms, b->taken_at_ms);
	ck_assert_uint_eq(a->source, b->source);
	ck_assert_int_eq(a->has_value, b->has_value);
	ck_assert_int_eq(a->has_boot, b->has_boot);
	ck_assert_int_eq(a->success_held, b->success_held);
}

static const struct target_row full_target = {.campaign = 1,
                                              .no = TARGETS_MAX - 1,
                                              .state = TARGET_FAILED,
                                              .reason = REASON_UNKNOWN,
                                              .wait = WAIT_BACKOFF,
                                              .hub = HUBS_MAX - 1,
                                              .group = GROUP_NONE - 1,
                                              .attempts = 65535,
                                              .calls = 65534,
                                              .attempt_seq = 65533,
                                              .redoubts = 255,
                                              .offline_tries = 254,
                                              .is_unresolved = true,
                                              .has_moved = true,
                                              .method_status = INT32_MIN,
                                              .changed_at_ms = NOW_MS,
                                              .next_at_ms = TIME_NONE,
                                              .called_at_ms = TIME_NEVER,
                                              .since_hub_ms = -1,
                                              .hold_until_ms = NOW_MS + 3,
                                              .offline_ms = NOW_MS + 4};

static const struct baseline full_baseline = {.value_hash = UINT64_MAX,
                                              .boot_hash = 0x8000000000000001,
                                              .version = 12,
                                              .value_at_ms = TIME_NONE,
                                              .taken_at_ms = NOW_MS,
                                              .source = SOURCE_QUERY,
                                              .has_value = true,
                                              .has_boot = true,
                                              .success_held = true};

/* ---- campaigns ---- */

START_TEST(test_new_store_is_empty_and_says_so)
{
	struct campaign_filter f = {.state = -1, .limit = 10};

	ck_assert(rig.head.is_new);
	ck_assert_uint_eq(rig.head.revision, 0);
	ck_assert_uint_eq(rig.head.last_event_id, 0);
	ck_assert_uint_eq(rig.head.last_campaign, 0);
	ck_assert_int_eq(rig.head.schema_version, 10);
	rig_campaigns(&rig, &f, &seen);
	ck_assert_int_eq(seen.err, ERR_OK);
	ck_assert_uint_eq(seen.n, 0);
	ck_assert(!seen.has_more);
	rig_reopen(&rig);
	ck_assert(!rig.head.is_new);
}
END_TEST

START_TEST(test_campaign_comes_back_as_it_was_added_and_put)
{
	struct campaign_row row = rig_campaign_row(7);
	const char *hubs[] = {"main"};
	struct batch *b = batch_new();

	row.spec = "{\"name\":\"a \xc3\xa9 \\u0000\"}";
	row.counts.total = 3;
	row.counts.state[TARGET_CANCELLED] = 1;
	row.counts.reason[REASON_BY_OPERATOR] = 2;
	row.counts.wait[WAIT_RATE] = UINT32_MAX;
	row.selected = 4;
	row.cost = (struct campaign_cost){1, 2, 3, 4};
	snprintf(row.retry_of, sizeof row.retry_of, "c6");
	batch_campaign_add(b, &row, hubs, 1);
	rig_commit(&rig, b);
	rig_campaign(&rig, "c7", &seen);
	ck_assert_uint_eq(seen.n, 1);
	assert_same_campaign(&seen.campaigns[0], &row);

	row.state = CAMPAIGN_COMPLETED;
	row.phase = CAMPAIGN_CANCELLING;
	row.state_reason = "all targets are final";
	row.started_at_ms = NOW_MS + 1;
	row.finished_at_ms = NOW_MS + 2;
	row.start_at_ms = TIME_NONE;
	row.end_at_ms = TIME_NEVER;
	row.spec_revision = 2;
	row.selected = 5;
	row.cost = (struct campaign_cost){UINT32_MAX + 1ULL, 20, 30, UINT32_MAX + 40ULL};
	row.counts.state[TARGET_CANCELLED] = 9;
	b = batch_new();
	{
		struct campaign_row put = row;

		put.spec = NULL;
		put.name = "another";
		put.created_by = "adam";
		put.retry_of[0] = '\0';
		put.created_at_ms = 1;
		batch_campaign_put(b, &put);
	}
	rig_commit(&rig, b);
	rig_campaign(&rig, "c7", &seen);
	assert_same_campaign(&seen.campaigns[0], &row);

	row.spec = "{\"rollout\":{}}";
	b = batch_new();
	batch_campaign_put(b, &row);
	rig_commit(&rig, b);
	rig_reopen(&rig);
	ck_assert_uint_eq(rig.head.last_campaign, 7);
	ck_assert_uint_eq(rig.head.revision, 3);
	rig_campaign(&rig, "c7", &seen);
	assert_same_campaign(&seen.campaigns[0], &row);
	rig_campaign(&rig, "c8", &seen);
	ck_assert_int_eq(seen.err, ERR_OK);
	ck_assert_uint_eq(seen.n, 0);
}
END_TEST

START_TEST(test_waves_and_aborts_come_back_from_none_to_the_most)
{
	struct campaign_row row = rig_campaign_row(1);
	struct batch *b = batch_new();

	batch_campaign_add(b, &row, NULL, 0);
	rig_commit(&rig, b);
	rig_campaign(&rig, "c1", &seen);
	ck_assert_uint_eq(seen.campaigns[0].waves_n, 0);
	ck_assert_uint_eq(seen.campaigns[0].aborts_n, 0);
	row.waves_n = WAVES_MAX;
	row.aborts_n = ABORTS_MAX;
	for (uint32_t i = 0; i < WAVES_MAX; i++) {
		row.waves[i] = (struct wave_row){.stage = (uint8_t)(i % (WAVE_FAILED + 1)),
		                                 .is_approved = i % 2 == 0,
		                                 .is_overridden = i % 3 == 0,
		                                 .opened_at_ms = NOW_MS + i,
		                                 .proven_at_ms = i % 5 == 0 ? TIME_NONE : NOW_MS - i};
		row.waves[i].relapsed = UINT32_MAX - 2 * i;
		row.waves[i].state[i % TARGET_STATES_N] = UINT32_MAX - i;
	}
	for (uint32_t i = 0; i < ABORTS_MAX; i++)
		row.aborts[i] = (struct abort_base){UINT32_MAX - i, i};
	b = batch_new();
	batch_campaign_put(b, &row);
	rig_commit(&rig, b);
	rig_reopen(&rig);
	rig_campaign(&rig, "c1", &seen);
	assert_same_campaign(&seen.campaigns[0], &row);
}
END_TEST

START_TEST(test_campaigns_are_listed_newest_first_by_page_state_and_name)
{
	struct campaign_filter f = {.state = -1, .limit = 2};
	struct batch *b = batch_new();

	for (uint32_t no = 1; no <= 5; no++) {
		struct campaign_row row = rig_campaign_row(no);

		row.state = no % 2 == 0 ? CAMPAIGN_PAUSED : CAMPAIGN_RUNNING;
		row.name = no > 3 ? "late" : "early";
		batch_campaign_add(b, &row, NULL, 0);
	}
	rig_commit(&rig, b);
	rig_campaigns(&rig, &f, &seen);
	ck_assert_uint_eq(seen.n, 2);
	ck_assert(seen.has_more);
	ck_assert_uint_eq(seen.campaigns[0].no, 5);
	ck_assert_uint_eq(seen.campaigns[1].no, 4);
	f.before_no = 3;
	rig_campaigns(&rig, &f, &seen);
	ck_assert_uint_eq(seen.n, 2);
	ck_assert(!seen.has_more);
	ck_assert_uint_eq(seen.campaigns[1].no, 1);
	f = (struct campaign_filter){.state = CAMPAIGN_PAUSED, .limit = 1000};
	rig_campaigns(&rig, &f, &seen);
	ck_assert_uint_eq(seen.n, 2);
	ck_assert_uint_eq(seen.campaigns[0].no, 4);
	ck_assert_uint_eq(seen.campaigns[1].no, 2);
	f = (struct campaign_filter){.state = CAMPAIGN_PAUSED, .name = "late", .limit = 1000};
	rig_campaigns(&rig, &f, &seen);
	ck_assert_uint_eq(seen.n, 1);
	ck_assert_uint_eq(seen.campaigns[0].no, 4);
}
END_TEST

START_TEST(test_campaigns_that_ended_long_ago_can_be_left_out)
{
	struct campaign_filter f = {.state = -1, .limit = 10, .since_ms = 5000};
	struct batch *b = batch_new();

	for (uint32_t no = 1; no <= 3; no++) {
		struct campaign_row row = rig_campaign_row(no);

		row.state = row.phase = no == 3 ? CAMPAIGN_RUNNING : CAMPAIGN_COMPLETED;
		row.finished_at_ms = no == 3 ? TIME_NONE : no == 2 ? 5000 : 4999;
		batch_campaign_add(b, &row, NULL, 0);
	}
	rig_commit(&rig, b);
	rig_campaigns(&rig, &f, &seen);
	ck_assert_uint_eq(seen.n, 2);
	ck_assert_uint_eq(seen.campaigns[0].no, 3);
	ck_assert_uint_eq(seen.campaigns[1].no, 2);
	f = (struct campaign_filter){.state = -1, .limit = 10, .ended_before_ms = 5000};
	rig_campaigns(&rig, &f, &seen);
	ck_assert_uint_eq(seen.n, 1);
	ck_assert_uint_eq(seen.campaigns[0].no, 1);
}
END_TEST

/* ---- targets ---- */

START_TEST(test_target_comes_back_as_it_was_added_and_put)
{
	struct target_filter f = rig_all(1);
	struct target_row row = full_target, plain = rig_target_row(1, 0);
	struct batch *b = rig_campaign_batch(1, 0);
	struct baseline none = {.value_at_ms = TIME_NONE};

	batch_target_add(b, &plain, "plain", &none);
	batch_target_add(b, &row, "full", &full_baseline);
	rig_commit(&rig, b);
	rig_targets(&rig, &f, &seen);
	ck_assert_uint_eq(seen.n, 2);
	ck_assert_str_eq(seen.targets[0].device_id, "plain");
	assert_same_target(&seen.targets[0].row, &plain);
	assert_same_baseline(&seen.targets[0].baseline, &none);
	ck_assert_str_eq(seen.targets[1].device_id, "full");
	assert_same_target(&seen.targets[1].row, &row);
	assert_same_baseline(&seen.targets[1].baseline, &full_baseline);
	ck_assert_str_eq(seen.campaign->id, "c1");

	plain = full_target;
	plain.no = 0;
	plain.group = GROUP_NONE; /* stays what it was */
	row = rig_target_row(1, TARGETS_MAX - 1);
	row.group = full_target.group;
	b = batch_new();
	batch_target_put(b, &row);
	batch_target_put(b, &plain);
	batch_baseline_put(b, 1, 0, &full_baseline);
	rig_commit(&rig, b);
	rig_targets(&rig, &f, &seen);
	ck_assert_str_eq(seen.targets[0].device_id, "plain");
	assert_same_target(&seen.targets[0].row, &plain);
	assert_same_baseline(&seen.targets[0].baseline, &full_baseline);
	assert_same_target(&seen.targets[1].row, &row);
	assert_same_baseline(&seen.targets[1].baseline, &full_baseline);
}
END_TEST

START_TEST(test_last_put_of_a_target_counts_in_whatever_order_they_come)
{
	static const uint32_t order[] = {5, 1, 3, 1, 0, 5, 4, 2, 1};
	struct target_filter f = rig_all(1);
	struct batch *b;

	rig_commit(&rig, rig_campaign_batch(1, 6));
	b = batch_new();
	for (uint16_t i = 0; i < sizeof order / sizeof *order; i++) {
		struct target_row row = rig_target_row(1, order[i]);

		row.calls = i;
		batch_target_put(b, &row);
	}
	rig_commit(&rig, b);
	rig_targets(&rig, &f, &seen);
	ck_assert_uint_eq(seen.n, 6);
	ck_assert_uint_eq(seen.targets[0].row.calls, 4);
	ck_assert_uint_eq(seen.targets[1].row.calls, 8);
	ck_assert_uint_eq(seen.targets[2].row.calls, 7);
	ck_assert_uint_eq(seen.targets[3].row.calls, 2);
	ck_assert_uint_eq(seen.targets[4].row.calls, 6);
	ck_assert_uint_eq(seen.targets[5].row.calls, 5);
}
END_TEST

/* Gives the numbers that f finds as text: "0 3 +", where + says that there are more. */
static const char *numbers(struct target_filter f)
{
	static struct buf out;

	buf_done(&out);
	rig_targets(&rig, &f, &seen);
	ck_assert_int_eq(seen.err, ERR_OK);
	for (size_t i = 0; i < seen.n; i++)
		buf_printf(&out, "%s%u", i > 0 ? " " : "", seen.targets[i].row.no);
	buf_puts(&out, seen.has_more ? " +" : "");
	return arena_text(&rig.arena, out.data, out.len);
}

START_TEST(test_targets_are_listed_by_number_state_reason_wait_hub_and_device)
{
	struct target_filter f = rig_all(1);
	struct batch *b = rig_campaign_batch(1, 10);

	for (uint32_t no = 0; no < 10; no++) {
		struct target_row row = rig_target_row(1, no);

		row.state = no < 4 ? TARGET_WAITING : no < 7 ? TARGET_INVOKING : TARGET_FAILED;
		row.wait = no % 2 == 0 ? WAIT_OFFLINE : WAIT_NONE;
		row.reason = no == 8 ? REASON_NO_PROOF : REASON_NONE;
		row.hub = no == 3 || no == 9;
		batch_target_put(b, &row);
	}
	rig_commit(&rig, b);
	rig_commit(&rig, rig_campaign_batch(2, 1));
	ck_assert_str_eq(numbers(f), "0 1 2 3 4 5 6 7 8 9");
	f.limit = 3;
	ck_assert_str_eq(numbers(f), "0 1 2 +");
	f.from_no = 7;
	ck_assert_str_eq(numbers(f), "7 8 9");
	f.from_no = 10;
	ck_assert_str_eq(numbers(f), "");
	f = rig_all(1);
	f.state = TARGET_INVOKING;
	ck_assert_str_eq(numbers(f), "4 5 6");
	f.limit = 2;
	ck_assert_str_eq(numbers(f), "4 5 +");
	f = rig_all(1);
	f.wait = WAIT_OFFLINE;
	ck_assert_str_eq(numbers(f), "0 2");
	f = rig_all(1);
	f.reason = REASON_NO_PROOF;
	ck_assert_str_eq(numbers(f), "8");
	f = rig_all(1);
	f.hub = 1;
	ck_assert_str_eq(numbers(f), "3 9");
	f.state = TARGET_WAITING;
	ck_assert_str_eq(numbers(f), "3");
	f = rig_all(1);
	f.device_id = "d-6";
	ck_assert_str_eq(numbers(f), "6");
	f = rig_all(3);
	ck_assert_str_eq(numbers(f), "");
	ck_assert_ptr_null(seen.campaign);
}
END_TEST

START_TEST(test_target_comes_with_its_attempts_and_evidence_in_order)
{
	struct attempt_row attempts[] = {{.campaign = 1,
	                                  .no = 1,
	                                  .call = 1,
	                                  .called_at_ms = NOW_MS,
	                                  .ended_at_ms = NOW_MS + 5,
	                                  .hub_at_ms = TIME_NONE,
	                                  .outcome = "throttled",
	                                  .http_status = 429,
	                                  .hub_code = 429001},
	                                 {.campaign = 1,
	                                  .no = 1,
	                                  .call = 65535,
	                                  .attempt = 1,
	                                  .attempt_seq = 2,
	                                  .called_at_ms = NOW_MS + 9,
	                                  .ended_at_ms = NOW_MS + 10,
	                                  .hub_at_ms = NOW_MS + 8,
	                                  .outcome = "answered",
	                                  .http_status = 200,
	                                  .method_status = -7,
	                                  .payload = "{\"ok\":true}",
	                                  .tracking_id = "abc"}};
	struct evidence_row evidence[] = {{.campaign = 1,
	                                   .no = 1,
	                                   .at_ms = NOW_MS,
	                                   .hub_at_ms = NOW_MS - 1,
	                                   .source = SOURCE_QUERY,
	                                   .is_baseline = true,
	                                   .verdict = "baseline",
	                                   .value = "\"x\"",
	                                   .value_at_ms = TIME_NONE},
	                                  {.campaign = 1,
	                                   .no = 1,
	                                   .at_ms = NOW_MS + 2,
	                                   .hub_at_ms = TIME_NONE,
	                                   .source = SOURCE_READ,
	                                   .strength = STRENGTH_BOOT_ID,
	                                   .is_late = true,
	                                   .verdict = "proven",
	                                   .value_at_ms = NOW_MS}};
	struct batch *b = rig_campaign_batch(1, 3);

	for (uint32_t no = 0; no < 3; no++) { /* neighbours, so that ranges are seen to end */
		struct attempt_row attempt = attempts[1];
		struct evidence_row seen_first = evidence[0];

		attempt.no = seen_first.no = no;
		if (no == 1)
			batch_attempt_add(b, &attempts[0]);
		batch_attempt_add(b, &attempt);
		batch_evidence_add(b, &seen_first);
	}
	rig_commit(&rig, b);
	b = batch_new();
	batch_evidence_add(b, &evidence[1]);
	rig_commit(&rig, b);

	rig_target(&rig, 1, "d-1", -1, &seen);
	ck_assert_int_eq(seen.err, ERR_OK);
	ck_assert_uint_eq(seen.n, 1);
	ck_assert_uint_eq(seen.targets[0].row.no, 1);
	ck_assert_str_eq(seen.campaign->id, "c1");
	ck_assert_uint_eq(seen.attempts_n, 2);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_uint_eq(seen.attempts[i].campaign, 1);
		ck_assert_uint_eq(seen.attempts[i].no, 1);
		ck_assert_uint_eq(seen.attempts[i].call, attempts[i].call);
		ck_assert_uint_eq(seen.attempts[i].attempt, attempts[i].attempt);
		ck_assert_uint_eq(seen.attempts[i].attempt_seq, attempts[i].attempt_seq);
		ck_assert_int_eq(seen.attempts[i].called_at_ms, attempts[i].called_at_ms);
		ck_assert_int_eq(seen.attempts[i].ended_at_ms, attempts[i].ended_at_ms);
		ck_assert_int_eq(seen.attempts[i].hub_at_ms, attempts[i].hub_at_ms);
		ck_assert_str_eq(seen.attempts[i].outcome, attempts[i].outcome);
		ck_assert_int_eq(seen.attempts[i].http_status, attempts[i].http_status);
		ck_assert_int_eq(seen.attempts[i].hub_code, attempts[i].hub_code);
		ck_assert_int_eq(seen.attempts[i].method_status, attempts[i].method_status);
		ck_assert_pstr_eq(seen.attempts[i].payload, attempts[i].payload);
		ck_assert_pstr_eq(seen.attempts[i].tracking_id, attempts[i].tracking_id);
	}
	ck_assert_uint_eq(seen.evidence_n, 2);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_uint_eq(seen.evidence[i].campaign, 1);
		ck_assert_uint_eq(seen.evidence[i].no, 1);
		ck_assert_int_eq(seen.evidence[i].at_ms, evidence[i].at_ms);
		ck_assert_int_eq(seen.evidence[i].hub_at_ms, evidence[i].hub_at_ms);
		ck_assert_int_eq(seen.evidence[i].source, evidence[i].source);
		ck_assert_int_eq(seen.evidence[i].strength, evidence[i].strength);
		ck_assert_int_eq(seen.evidence[i].is_baseline, evidence[i].is_baseline);
		ck_assert_int_eq(seen.evidence[i].is_late, evidence[i].is_late);
		ck_assert_str_eq(seen.evidence[i].verdict, evidence[i].verdict);
		ck_assert_pstr_eq(seen.evidence[i].value, evidence[i].value);
		ck_assert_int_eq(seen.evidence[i].value_at_ms, evidence[i].value_at_ms);
	}
	rig_target(&rig, 1, "d-4", -1, &seen);
	ck_assert_int_eq(seen.err, ERR_OK);
	ck_assert_uint_eq(seen.n, 0);
	ck_assert_uint_eq(seen.attempts_n, 0);
}
END_TEST

START_TEST(test_device_of_two_hubs_needs_its_hub_named)
{
	struct target_row row = rig_target_row(1, 3);
	struct baseline baseline = {.value_at_ms = TIME_NONE};
	struct batch *b = rig_campaign_batch(1, 3);

	row.hub = 1;
	batch_target_add(b, &row, "d-0", &baseline);
	rig_commit(&rig, b);
	rig_target(&rig, 1, "d-0", -1, &seen);
	ck_assert_int_eq(seen.err, ERR_CONFLICT);
	ck_assert_uint_eq(seen.n, 0);
	rig_target(&rig, 1, "d-0", 0, &seen);
	ck_assert_uint_eq(seen.targets[0].row.no, 0);
	rig_target(&rig, 1, "d-0", 1, &seen);
	ck_assert_uint_eq(seen.targets[0].row.no, 3);
	rig_target(&rig, 1, "d-0", 2, &seen);
	ck_assert_int_eq(seen.err, ERR_OK);
	ck_assert_uint_eq(seen.n, 0);
}
END_TEST

/* ---- groups ---- */

/* Campaign 1 with the groups "site-0" … and targets of each in turn, every (n+1)th of none. */
static struct batch *grouped_batch(uint32_t groups_n, uint32_t targets_n)
{
	struct baseline baseline = {.value_at_ms = TIME_NONE};
	struct batch *b = rig_campaign_batch(1, 0);
	char name[32];

	for (uint32_t g = 0; g < groups_n; g++) {
		snprintf(name, sizeof name, "site-%u", g);
		batch_group_add(b, 1, g, 0, name, g + 10);
	}
	for (uint32_t no = 0; no < targets_n; no++) {
		struct target_row row = rig_target_row(1, no);

		row.group = no % (groups_n + 1) < groups_n ? no % (groups_n + 1) : GROUP_NONE;
		row.state = no % 2 == 0 ? TARGET_SUCCEEDED : TARGET_WAITING;
		snprintf(name, sizeof name, "d-%u", no);
		batch_target_add(b, &row, name, &baseline);
	}
	return b;
}

START_TEST(test_target_keeps_its_group_and_is_listed_by_it)
{
	struct target_filter f = rig_all(1);
	struct target_row row = rig_target_row(1, 1);
	struct batch *b = grouped_batch(2, 9);

	row.group = 0; /* a put does not write it */
	batch_target_put(b, &row);
	rig_commit(&rig, b);
	rig_targets(&rig, &f, &seen);
	ck_assert_uint_eq(seen.n, 9);
	for (uint32_t no = 0; no < 9; no++) {
		ck_assert_uint_eq(seen.targets[no].row.group, no % 3 < 2 ? no % 3 : GROUP_NONE);
		ck_assert_pstr_eq(seen.targets[no].group, no % 3 == 0   ? "site-0"
		                                          : no % 3 == 1 ? "site-1"
		                                                        : NULL);
	}
	f.group = "site-1";
	ck_assert_str_eq(numbers(f), "1 4 7");
	f.limit = 1;
	f.from_no = 2;
	ck_assert_str_eq(numbers(f), "4 +");
	f = rig_all(1);
	f.group = "site-0";
	f.state = TARGET_WAITING;
	f.device_id = "d-3";
	ck_assert_str_eq(numbers(f), "3");
	f.device_id = "d-4";
	ck_assert_str_eq(numbers(f), "");
	f = rig_all(1);
	f.group = "site-2";
	ck_assert_str_eq(numbers(f), "");
	rig_target(&rig, 1, "d-4", -1, &seen);
	ck_assert_str_eq(seen.targets[0].group, "site-1");
	ck_assert_uint_eq(seen.targets[0].row.group, 1);
}
END_TEST

/* ---- progress and plans ---- */

/* A slot with so many waiting targets, committed at its begin. */
static void put_progress(struct batch *b, uint32_t campaign, uint32_t slot_s, uint32_t waiting)
{
	struct progress_row row = {.campaign = campaign,
	                           .slot_s = slot_s,
	                           .at_ms = NOW_MS + slot_s * INT64_C(1000),
	                           .total = 9,
	                           .state = {[TARGET_WAITING] = waiting, [TARGET_CANCELLED] = 9 - waiting}};

	batch_progress_put(b, &row);
}

/* text NULL: the end of the first wave only */
static void put_plan(struct batch *b, uint32_t campaign, const char *text, int64_t ended_at_ms)
{
	struct plan_row row = {.campaign = campaign, .text = text};

	for (unsigned i = 0; i < WAVES_MAX; i++)
		row.ended_at_ms[i] = TIME_NONE;
	row.ended_at_ms[0] = ended_at_ms;
	batch_plan_put(b, &row);
}

START_TEST(test_a_slot_of_progress_has_the_counts_and_revision_of_its_last_commit)
{
	struct batch *b = rig_campaign_batch(1, 0);

	put_progress(b, 1, 0, 9);
	rig_commit(&rig, b);
	b = rig_campaign_batch(2, 0);
	put_progress(b, 2, 3, 1);
	rig_commit(&rig, b);
	b = batch_new();
	put_progress(b, 1, 4, 8);
	rig_commit(&rig, b);
	b = batch_new();
	put_progress(b, 1, 4, 7);
	rig_commit(&rig, b);
	rig_reopen(&rig);
	rig_progress(&rig, "c1", &seen);
	ck_assert_uint_eq(seen.n, 2);
	ck_assert_uint_eq(seen.slot_s, 1);
	ck_assert_uint_eq(seen.campaign->no, 1);
	ck_assert_uint_eq(seen.progress[0].slot_s, 0);
	ck_assert_uint_eq(seen.progress[0].revision, 1);
	ck_assert_int_eq(seen.progress[0].at_ms, NOW_MS);
	ck_assert_uint_eq(seen.progress[1].slot_s, 4);
	ck_assert_uint_eq(seen.progress[1].revision, 4);
	ck_assert_uint_eq(seen.progress[1].total, 9);
	ck_assert_uint_eq(seen.progress[1].state[TARGET_WAITING], 7);
	ck_assert_uint_eq(seen.progress[1].state[TARGET_CANCELLED], 2);
	rig_progress(&rig, "c3", &seen);
	ck_assert_int_eq(seen.err, ERR_OK);
	ck_assert_uint_eq(seen.n, 0);
	ck_assert_ptr_null(seen.campaign);
}
END_TEST

START_TEST(test_wider_slots_keep_the_later_of_each_two)
{
	static const uint32_t slots[] = {0, 1, 2, 3, 6, 9, 12}, left[] = {0, 2, 6, 8, 12},
	                      shown[] = {8, 6, 5, 4, 3};
	struct batch *b = rig_campaign_batch(1, 0);

	batch_campaign_add(
	        b,
	        &(struct campaign_row){
	                .no = 2, .id = "c2", .name = "", .spec = "{}", .state_reason = "", .created_by = ""},
	        NULL, 0);
	for (uint32_t i = 0; i < sizeof slots / sizeof *slots; i++)
		put_progress(b, 1, slots[i], 9 - i);
	put_progress(b, 2, 1, 1);
	batch_progress_widen(b, 1, 2);
	rig_commit(&rig, b);
	rig_progress(&rig, "c1", &seen);
	ck_assert_uint_eq(seen.n, 5);
	for (size_t i = 0; i < seen.n; i++) {
		ck_assert_uint_eq(seen.progress[i].slot_s, left[i]);
		ck_assert_uint_eq(seen.progress[i].state[TARGET_WAITING], shown[i]);
	}
	rig_progress(&rig, "c2", &seen);
	ck_assert_uint_eq(seen.progress[0].slot_s, 1);
}
END_TEST

START_TEST(test_the_length_of_slots_is_seen_from_what_is_left_of_them)
{
	static uint32_t begins[PROGRESS_ROWS_MAX];

	ck_assert_uint_eq(progress_slot_s(NULL, 0), 1);
	for (uint32_t slot_s = 1; slot_s <= 4096; slot_s *= 2) {
		for (uint32_t i = 0; i < PROGRESS_ROWS_MAX; i++)
			begins[i] = i * slot_s;
		ck_assert_uint_eq(progress_slot_s(begins, PROGRESS_ROWS_MAX), slot_s);
		ck_assert_uint_eq(progress_slot_s(begins, PROGRESS_ROWS_MAX / 2), slot_s);
		ck_assert_uint_eq(progress_slot_s(begins, PROGRESS_ROWS_MAX / 2 - 1), 1);
	}
}
END_TEST

START_TEST(test_a_plan_is_found_with_when_its_waves_ended)
{
	struct batch *b = rig_campaign_batch(1, 0);

	rig_commit(&rig, b);
	rig_plan(&rig, "c1", &seen);
	ck_assert_ptr_null(seen.plan);
	ck_assert_uint_eq(seen.campaign->no, 1);
	b = batch_new();
	put_plan(b, 1, "{\"waves\":[]}", TIME_NONE);
	rig_commit(&rig, b);
	b = batch_new();
	put_plan(b, 1, NULL, NOW_MS + 4);
	rig_commit(&rig, b);
	rig_reopen(&rig);
	rig_plan(&rig, "c1", &seen);
	ck_assert_str_eq(seen.plan->text, "{\"waves\":[]}");
	ck_assert_int_eq(seen.plan->ended_at_ms[0], NOW_MS + 4);
	ck_assert_int_eq(seen.plan->ended_at_ms[WAVES_MAX - 1], TIME_NONE);
	rig_plan(&rig, "c2", &seen);
	ck_assert_ptr_null(seen.campaign);
}
END_TEST

START_TEST(test_a_group_is_of_a_hub_and_listed_by_name_on_all_of_them)
{
	struct target_filter f = rig_all(1);
	struct baseline baseline = {.value_at_ms = TIME_NONE};
	struct batch *b = rig_campaign_batch(1, 0);

	batch_group_add(b, 1, 0, 0, "gbg", 1);
	batch_group_add(b, 1, 1, HUBS_MAX - 1, "gbg", 2);
	for (uint32_t no = 0; no < 3; no++) {
		struct target_row row = rig_target_row(1, no);

		row.group = no > 0;
		row.hub = no > 0 ? HUBS_MAX - 1 : 0;
		batch_target_add(b, &row, "d", &baseline);
	}
	rig_commit(&rig, b);
	rig_groups(&rig, 1, 0, 10, &seen);
	ck_assert_uint_eq(seen.n, 2);
	ck_assert_uint_eq(seen.groups[0].hub, 0);
	ck_assert_uint_eq(seen.groups[1].hub, HUBS_MAX - 1);
	f.group = "gbg";
	ck_assert_str_eq(numbers(f), "0 1 2");
	f.hub = HUBS_MAX - 1;
	ck_assert_str_eq(numbers(f), "1 2");
}
END_TEST

START_TEST(test_groups_come_in_pages_with_their_targets_counted_by_state)
{
	rig_commit(&rig, grouped_batch(5, 100)); /* 17 of site-0 to site-3, 16 of site-4, 16 of none */
	rig_commit(&rig, rig_campaign_batch(2, 1));
	rig_groups(&rig, 1, 0, 3, &seen);
	ck_assert_int_eq(seen.err, ERR_OK);
	ck_assert_uint_eq(seen.n, 3);
	ck_assert(seen.has_more);
	ck_assert_str_eq(seen.campaign->id, "c1");
	ck_assert_uint_eq(seen.groups[1].group, 1);
	ck_assert_str_eq(seen.groups[1].name, "site-1");
	ck_assert_uint_eq(seen.groups[1].size, 11);
	for (uint32_t state = 0; state < TARGET_STATES_N; state++) {
		ck_assert_uint_eq(seen.groups[0].state[state], state == TARGET_SUCCEEDED ? 17 : 0);
		ck_assert_uint_eq(seen.groups[1].state[state], state == TARGET_WAITING ? 17 : 0);
	}
	rig_groups(&rig, 1, 3, 1000, &seen);
	ck_assert_uint_eq(seen.n, 2);
	ck_assert(!seen.has_more);
	ck_assert_uint_eq(seen.groups[1].group, 4);
	ck_assert_uint_eq(seen.groups[1].state[TARGET_SUCCEEDED], 16);
	rig_groups(&rig, 1, 5, 1, &seen);
	ck_assert_uint_eq(seen.n, 0);
	rig_groups(&rig, 2, 0, 1, &seen);
	ck_assert_uint_eq(seen.n, 0);
	ck_assert_str_eq(seen.campaign->id, "c2");
	rig_groups(&rig, 3, 0, 1, &seen);
	ck_assert_int_eq(seen.err, ERR_OK);
	ck_assert_ptr_null(seen.campaign);
}
END_TEST

/* ---- a device's history ---- */

/* Campaign no, to be ended or not, with that device, and others around it, on so many of its hubs. */
static void commit_campaign_with(uint32_t no, const char *device_id, uint8_t hubs)
{
	struct baseline baseline = {.value_at_ms = TIME_NONE};
	struct batch *b = rig_campaign_batch(no, 3);

	for (uint8_t hub = 0; hub < hubs; hub++) {
		struct target_row row = rig_target_row(no, 3u + hub);

		row.hub = hub;
		row.calls = (uint16_t)(10 * no + hub);
		batch_target_add(b, &row, device_id, &baseline);
	}
	rig_commit(&rig, b);
}

/* Gives what the history of "x" says as text: the calls of each target, and + where there is more. */
static const char *history(uint32_t before_campaign, uint32_t limit)
{
	struct buf out = BUF_INIT;
	const char *text;

	rig_history(&rig, "x", before_campaign, limit, &seen);
	ck_assert_int_eq(seen.err, ERR_OK);
	for (size_t i = 0; i < seen.n; i++) {
		ck_assert_str_eq(seen.targets[i].device_id, "x");
		buf_printf(&out, "%s:%u ", seen.campaign_ids[i], seen.targets[i].row.calls);
	}
	buf_puts(&out, seen.has_more ? "+" : "");
	text = arena_text(&rig.arena, out.data, out.len);
	buf_done(&out);
	return text;
}

START_TEST(test_history_of_a_device_is_told_newest_campaign_first_in_pages)
{
	ck_assert_str_eq(history(0, 10), "");
	commit_campaign_with(1, "x", 1);
	commit_campaign_with(2, "y", 1);
	commit_campaign_with(3, "x", 2);
	commit_campaign_with(4, "x", 0);
	commit_campaign_with(7, "x", 1);
	ck_assert_str_eq(history(0, 1000), "c7:70 c3:30 c3:31 c1:10 ");
	ck_assert_str_eq(history(0, 1), "c7:70 +");
	ck_assert_str_eq(history(7, 1), "c3:30 c3:31 +");
	ck_assert_str_eq(history(7, 2), "c3:30 c3:31 +");
	ck_assert_str_eq(history(7, 3), "c3:30 c3:31 c1:10 ");
	ck_assert_str_eq(history(3, 1), "c1:10 ");
	ck_assert_str_eq(history(1, 1), "");
}
END_TEST

START_TEST(test_devices_are_found_that_were_added_over_many_commits_and_whose_fingerprints_meet)
{
	struct baseline baseline = {.value_at_ms = TIME_NONE};
	struct batch *b = rig_campaign_batch(1, 0);
	char device_id[32], twin[32];
	uint32_t n = 0, i;

	snprintf(device_id, sizeof device_id, "a-0");
	for (i = 1;; i++) {
		snprintf(twin, sizeof twin, "a-%u", i);
		if ((hash64(twin, strlen(twin)) & 0xffff) == (hash64("a-0", 3) & 0xffff))
			break;
	}
	for (uint32_t no = 0; no < 24; no++) {
		struct target_row row = rig_target_row(1, no < 20 ? no : 2 * no); /* with gaps */

		snprintf(device_id, sizeof device_id, "a-%u", no == 7 ? i : no);
		batch_target_add(b, &row, device_id, &baseline);
		if (no % 5 == 4) {
			rig_commit(&rig, b);
			b = batch_new();
		}
		n++;
	}
	rig_commit(&rig, b);
	for (uint32_t no = 0; no < n; no++) {
		snprintf(device_id, sizeof device_id, "a-%u", no == 7 ? i : no);
		rig_target(&rig, 1, device_id, -1, &seen);
		ck_assert_uint_eq(seen.n, 1);
		ck_assert_uint_eq(seen.targets[0].row.no, no < 20 ? no : 2 * no);
		rig_history(&rig, device_id, 0, 5, &seen);
		ck_assert_uint_eq(seen.n, 1);
	}
	rig_target(&rig, 1, "a-7", -1, &seen);
	ck_assert_uint_eq(seen.n, 0);
}
END_TEST

/* ---- lists ---- */

static void put_ids(struct batch *b, const char *name, uint32_t from, uint32_t to)
{
	const char **ids = xcalloc(to - from, sizeof *ids);

	for (uint32_t i = from; i < to; i++) {
		char id[16];

		ids[i - from] = arena_text(&rig.arena, id, (size_t)snprintf(id, sizeof id, "d-%u", i));
	}
	batch_list_ids(b, name, ids, to - from);
	free(ids);
}

static void assert_ids(const char *name, uint32_t from, uint32_t limit, uint32_t n, uint32_t n_all)
{
	char id[16];

	rig_list(&rig, name, from, limit, &seen);
	ck_assert_int_eq(seen.err, ERR_OK);
	ck_assert_uint_eq(seen.n, n);
	ck_assert_uint_eq(seen.n_all, n_all);
	for (uint32_t i = 0; i < n; i++) {
		snprintf(id, sizeof id, "d-%u", from + i);
		ck_assert_str_eq(seen.ids[i], id);
	}
}

START_TEST(test_list_is_read_in_pages_of_any_size_and_from_anywhere)
{
	static const uint32_t limits[] = {1, 99, 1000};
	struct batch *b = batch_new();

	assert_ids("tills", 0, 10, 0, 0);
	batch_list_begin(b, "tills");
	put_ids(b, "tills", 0, 2500);
	rig_commit(&rig, b);
	b = batch_new();
	put_ids(b, "tills", 2500, 2501);
	put_ids(b, "tills", 2501, 3600);
	batch_list_end(b, "tills", 3600, NOW_MS, "eva");
	rig_commit(&rig, b);
	rig_reopen(&rig);
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
		for (uint32_t from = 0; from < 3600; from += 119) {
			uint32_t rest = 3600 - from;

			assert_ids("tills", from, limits[i], rest < limits[i] ? rest : limits[i], 3600);
			arena_reset(&rig.arena);
		}
	assert_ids("tills", 3599, 10, 1, 3600);
	ck_assert_int_eq(seen.at_ms, NOW_MS);
	ck_assert_str_eq(seen.by, "eva");
	assert_ids("tills", 3600, 10, 0, 3600);
	assert_ids("till", 0, 10, 0, 0);
}
END_TEST

START_TEST(test_list_is_replaced_when_it_is_whole_and_not_before)
{
	struct batch *b = batch_new();

	batch_list_begin(b, "tills");
	put_ids(b, "tills", 0, 3);
	batch_list_end(b, "tills", 3, NOW_MS, "eva");
	batch_list_begin(b, "kiosks");
	put_ids(b, "kiosks", 0, 5);
	batch_list_end(b, "kiosks", 5, NOW_MS, "eva");
	rig_commit(&rig, b);
	b = batch_new();
	batch_list_begin(b, "tills");
	put_ids(b, "tills", 0, 4);
	rig_commit(&rig, b);
	assert_ids("tills", 0, 10, 3, 3);
	b = batch_new();
	batch_list_end(b, "tills", 4, NOW_MS + 1, "adam");
	rig_commit(&rig, b);
	assert_ids("tills", 0, 10, 4, 4);
	ck_assert_int_eq(seen.at_ms, NOW_MS + 1);
	ck_assert_str_eq(seen.by, "adam");
	assert_ids("kiosks", 0, 10, 5, 5);
	b = batch_new();
	batch_list_drop(b, "tills");
	batch_list_drop(b, "nothing");
	rig_commit(&rig, b);
	assert_ids("tills", 0, 10, 0, 0);
	assert_ids("kiosks", 0, 10, 5, 5);
	rig_reopen(&rig);
	assert_ids("tills", 0, 10, 0, 0);
	assert_ids("kiosks", 0, 10, 5, 5);
}
END_TEST

START_TEST(test_list_that_was_not_ended_is_forgotten_at_the_next_start_and_when_begun_again)
{
	struct batch *b = batch_new();

	batch_list_begin(b, "tills");
	put_ids(b, "tills", 0, 3);
	rig_commit(&rig, b);
	b = batch_new();
	batch_list_begin(b, "tills");
	put_ids(b, "tills", 0, 2);
	batch_list_end(b, "tills", 2, NOW_MS, "eva");
	batch_list_begin(b, "tills");
	put_ids(b, "tills", 0, 4);
	rig_commit(&rig, b);
	rig_reopen(&rig);
	assert_ids("tills", 0, 10, 2, 2);
	b = batch_new();
	put_ids(b, "tills", 4, 5);
	ck_assert_int_eq(rig_try_commit(&rig, b), ERR_NOT_FOUND);
}
END_TEST

START_TEST(test_list_with_another_number_of_ids_than_told_is_refused)
{
	struct batch *b = batch_new();

	batch_list_begin(b, "tills");
	put_ids(b, "tills", 0, 3);
	batch_list_end(b, "tills", 2, NOW_MS, "eva");
	ck_assert_int_eq(rig_try_commit(&rig, b), ERR_INVALID);
	rig_reopen(&rig);
	assert_ids("tills", 0, 10, 0, 0);
}
END_TEST

/* ---- events ---- */

static void add_event(struct batch *b, uint64_t id, uint32_t campaign)
{
	char device_id[32];
	struct event event = {.id = id,
	                      .at_ms = NOW_MS + (int64_t)id,
	                      .type = EVENT_TARGET,
	                      .campaign = campaign,
	                      .device_id = device_id,
	                      .from = TARGET_WAITING,
	                      .to = TARGET_FAILED,
	                      .reason = REASON_GONE,
	                      .attempt = (uint16_t)(id * 7),
	                      .detail = id % 2 == 0 ? "\"by\":\"eva\"" : NULL};

	snprintf(device_id, sizeof device_id, "d-%u", (unsigned)id);
	if (campaign == 0) {
		event.type = EVENT_HUB;
		event.device_id = NULL;
	}
	batch_event_add(b, &event);
}

static uint32_t campaign_of(uint64_t id)
{
	return id <= 600 ? 1 : (uint32_t)(id / 2 % 3);
}

static void assert_event(size_t i, uint64_t id)
{
	const struct event *e = &seen.events[i];
	uint32_t campaign = campaign_of(id);
	char device_id[32];

	snprintf(device_id, sizeof device_id, "d-%u", (unsigned)id);
	ck_assert_uint_eq(e->id, id);
	ck_assert_int_eq(e->at_ms, NOW_MS + (int64_t)id);
	ck_assert_int_eq(e->type, campaign == 0 ? EVENT_HUB : EVENT_TARGET);
	ck_assert_uint_eq(e->campaign, campaign);
	ck_assert_str_eq(seen.campaign_ids[i], campaign == 0 ? "" : campaign == 1 ? "c1" : "c2");
	ck_assert_pstr_eq(e->device_id, campaign == 0 ? NULL : device_id);
	ck_assert_uint_eq(e->from, TARGET_WAITING);
	ck_assert_uint_eq(e->to, TARGET_FAILED);
	ck_assert_uint_eq(e->reason, REASON_GONE);
	ck_assert_uint_eq(e->attempt, (uint16_t)(id * 7));
	ck_assert_pstr_eq(e->detail, id % 2 == 0 ? "\"by\":\"eva\"" : NULL);
}

START_TEST(test_events_come_once_each_in_order_over_pages_and_by_campaign)
{
	static const uint32_t limits[] = {1, 7, 256, 257, 1000};
	struct batch *b = rig_campaign_batch(1, 0);
	uint64_t last = 700;

	rig_events(&rig, 0, 0, 10, &seen);
	ck_assert_int_eq(seen.err, ERR_OK);
	ck_assert_uint_eq(seen.n, 0);
	ck_assert_uint_eq(seen.first_kept_id, 1);
	ck_assert_uint_eq(seen.last_id, 0);
	rig_commit(&rig, b);
	rig_commit(&rig, rig_campaign_batch(2, 0));
	b = batch_new();
	for (uint64_t id = 1; id <= last; id++) {
		add_event(b, id, campaign_of(id));
		if (id % 650 == 0) {
			rig_commit(&rig, b);
			b = batch_new();
		}
	}
	rig_commit(&rig, b);
	rig_reopen(&rig);
	ck_assert_uint_eq(rig.head.last_event_id, last);
	for (uint32_t campaign = 0; campaign <= 2; campaign++) {
		for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
			uint64_t at = 0;

			do {
				rig_events(&rig, campaign, at, limits[i], &seen);
				ck_assert_int_eq(seen.err, ERR_OK);
				ck_assert_uint_eq(seen.first_kept_id, 1);
				ck_assert_uint_eq(seen.last_id, last);
				ck_assert(seen.n == limits[i] || !seen.has_more);
				for (size_t j = 0; j < seen.n; j++) {
					do
						at++;
					while (campaign != 0 && campaign_of(at) != campaign);
					assert_event(j, at);
				}
				arena_reset(&rig.arena);
			} while (seen.has_more);
			for (at++; at <= last; at++)
				ck_assert(campaign != 0 && campaign_of(at) != campaign);
		}
	}
	rig_events(&rig, 0, UINT64_MAX, 10, &seen);
	ck_assert_int_eq(seen.err, ERR_OK);
	ck_assert_uint_eq(seen.n, 0);
	rig_events(&rig, 3, 0, 10, &seen);
	ck_assert_uint_eq(seen.n, 0);
}
END_TEST

START_TEST(test_the_oldest_events_are_dropped_with_what_was_kept_for_them)
{
	struct batch *b = rig_campaign_batch(1, 0);
	struct campaign_row row = rig_campaign_row(1);

	row.state = row.phase = CAMPAIGN_COMPLETED;
	batch_campaign_put(b, &row);
	for (uint64_t id = 1; id <= 300; id++)
		add_event(b, id, 1);
	rig_commit(&rig, b);
	b = batch_new();
	batch_campaign_drop(b, 1);
	add_event(b, 301, 0);
	add_event(b, 302, 0);
	rig_commit(&rig, b);
	b = batch_new();
	batch_events_drop(b, NOW_MS + 302); /* the second run's last is not that old */
	rig_commit(&rig, b);
	rig_events(&rig, 0, 0, 10, &seen);
	ck_assert_uint_eq(seen.first_kept_id, 301);
	ck_assert_uint_eq(seen.n, 2);
	ck_assert_uint_eq(seen.events[0].id, 301);
	rig_events(&rig, 1, 0, 10, &seen);
	ck_assert_uint_eq(seen.n, 0);
	b = batch_new();
	batch_events_drop(b, NOW_MS + 303);
	rig_commit(&rig, b);
	rig_reopen(&rig);
	rig_events(&rig, 0, 0, 10, &seen);
	ck_assert_uint_eq(seen.n, 0);
	ck_assert_uint_eq(seen.first_kept_id, 303);
	b = batch_new();
	add_event(b, 303, 0);
	rig_commit(&rig, b);
	rig_events(&rig, 0, 0, 10, &seen);
	ck_assert_uint_eq(seen.n, 1);
}
END_TEST

/* ---- idempotency ---- */

START_TEST(test_idempotency_key_is_kept_for_a_day_and_then_forgotten)
{
	struct idempotency_row row = {"eva/key-1", UINT64_MAX, NOW_MS, "c1"};
	struct batch *b = batch_new();

	batch_idempotency_add(b, &row);
	rig_commit(&rig, b);
	rig_idempotency(&rig, "eva/key-1", NOW_MS - DAY_MS, &seen);
	ck_assert_int_eq(seen.err, ERR_OK);
	ck_assert_uint_eq(seen.n, 1);
	ck_assert_str_eq(seen.idempotency->key, "eva/key-1");
	ck_assert_uint_eq(seen.idempotency->body_hash, UINT64_MAX);
	ck_assert_int_eq(seen.idempotency->at_ms, NOW_MS);
	ck_assert_str_eq(seen.idempotency->campaign_id, "c1");
	rig_idempotency(&rig, "eva/key-1", NOW_MS, &seen);
	ck_assert_uint_eq(seen.n, 1);
	rig_idempotency(&rig, "eva/key-1", NOW_MS + 1, &seen);
	ck_assert_uint_eq(seen.n, 0);
	rig_idempotency(&rig, "adam/key-1", 0, &seen);
	ck_assert_uint_eq(seen.n, 0);

	/* exactly a day later it is still kept, a millisecond later it is gone */
	b = batch_new();
	batch_idempotency_add(b, &(struct idempotency_row){"eva/key-2", 2, NOW_MS + DAY_MS, "c2"});
	rig_commit(&rig, b);
	rig_idempotency(&rig, "eva/key-1", 0, &seen);
	ck_assert_uint_eq(seen.n, 1);
	b = batch_new();
	batch_idempotency_add(b, &(struct idempotency_row){"eva/key-3", 3, NOW_MS + DAY_MS + 1, "c3"});
	rig_commit(&rig, b);
	rig_idempotency(&rig, "eva/key-1", 0, &seen);
	ck_assert_uint_eq(seen.n, 0);
	rig_idempotency(&rig, "eva/key-2", 0, &seen);
	ck_assert_uint_eq(seen.n, 1);
}
END_TEST

START_TEST(test_expired_idempotency_key_can_be_used_again)
{
	struct batch *b = batch_new();

	batch_idempotency_add(b, &(struct idempotency_row){"k", 1, NOW_MS, "c1"});
	batch_idempotency_add(b, &(struct idempotency_row){"k", 2, NOW_MS + DAY_MS, "c2"});
	rig_commit(&rig, b);
	rig_idempotency(&rig, "k", NOW_MS, &seen);
	ck_assert_uint_eq(seen.n, 1);
	ck_assert_str_eq(seen.idempotency->campaign_id, "c2");
}
END_TEST

/* ---- loading ---- */

/* What the loader was told, one word each. */
static struct buf told;

static void tell_campaign(void *arg, const struct campaign_row *row)
{
	(void)arg;
	buf_printf(&told, "campaign:%s:%s ", row->id, row->spec);
}

static void tell_group(void *arg, uint32_t campaign, uint32_t group, uint8_t hub, const char *name,
                       uint32_t size)
{
	(void)arg;
	buf_printf(&told, "group:%u/%u:%s%s:%u ", campaign, group, name, hub == 0 ? "" : "*", size);
}

static void tell_target(void *arg, const struct target_row *row, const char *device_id,
                        const struct baseline *baseline)
{
	(void)arg;
	buf_printf(&told, "target:%u/%u:%s:%u ", row->campaign, row->no, device_id,
	           (unsigned)baseline->version);
}

static void tell_hold(void *arg, const struct store_hold *hold)
{
	(void)arg;
	buf_printf(&told, "hold:%u/%u:%s:%s:%d%s%s%s%s ", hold->row->campaign, hold->row->no, hold->hub_name,
	           hold->device_id, (int)(hold->row->hold_until_ms - NOW_MS), hold->group != NULL ? ":" : "",
	           hold->group != NULL ? hold->group_by : "", hold->group != NULL ? "=" : "",
	           hold->group != NULL ? hold->group : "");
}

static void tell_page(void *arg, uint32_t campaign, const struct selection_page *page)
{
	(void)arg;
	buf_printf(&told, "page:%u/%u:%u:%s", campaign, page->page, page->hub,
	           page->continuation != NULL ? page->continuation : "end");
	for (size_t i = 0; i < page->rows_n; i++)
		buf_printf(&told, ":%s,%u,%d,%s,%u", page->rows[i].device_id, page->rows[i].hub,
		           page->rows[i].is_disabled,
		           page->rows[i].group != NULL ? page->rows[i].group : "none",
		           (unsigned)page->rows[i].baseline.version);
	buf_putc(&told, ' ');
}

static void tell_slot(void *arg, uint32_t campaign, uint32_t slot_s)
{
	(void)arg;
	buf_printf(&told, "slot:%u/%u ", campaign, slot_s);
}

static void tell_plan(void *arg, const struct plan_row *plan)
{
	(void)arg;
	buf_printf(&told, "plan:%u:%s:%lld ", plan->campaign, plan->text,
	           (long long)(plan->ended_at_ms[0] == TIME_NONE ? -1 : plan->ended_at_ms[0] - NOW_MS));
}

static void tell_usage(void *arg, const struct usage_row *row)
{
	(void)arg;
	buf_printf(&told, "usage:%s:%lld:%llu ", row->hub, (long long)row->day,
	           (unsigned long long)row->messages);
}

static const char *load(int64_t now_ms)
{
	const struct store_loader loader = {.on_campaign = tell_campaign,
	                                    .on_group = tell_group,
	                                    .on_target = tell_target,
	                                    .on_hold = tell_hold,
	                                    .on_page = tell_page,
	                                    .on_progress = tell_slot,
	                                    .on_plan = tell_plan,
	                                    .on_usage = tell_usage};

	buf_done(&told);
	buf_puts(&told, "");
	ck_assert_int_eq(store_load(rig.store, now_ms, &loader), ERR_OK);
	return told.data;
}

static void put_hold(struct batch *b, uint32_t campaign, uint32_t no, enum target_state state,
                     int64_t until_ms, uint8_t hub)
{
	struct target_row row = rig_target_row(campaign, no);

	row.state = (uint8_t)state;
	row.hold_until_ms = until_ms;
	row.hub = hub;
	batch_target_put(b, &row);
}

START_TEST(test_start_loads_live_campaigns_with_their_targets_in_order)
{
	struct campaign_row done = rig_campaign_row(2);
	struct batch *b;

	ck_assert_str_eq(load(NOW_MS), "");
	rig_commit(&rig, rig_campaign_batch(3, 1));
	rig_commit(&rig, rig_campaign_batch(2, 2));
	b = rig_campaign_batch(1, 2);
	batch_baseline_put(b, 1, 1, &full_baseline);
	done.state = CAMPAIGN_FAILED;
	batch_campaign_put(b, &done);
	rig_commit(&rig, b);
	ck_assert_str_eq(
	        load(NOW_MS),
	        "campaign:c1:{} campaign:c3:{} target:1/0:d-0:0 target:1/1:d-1:12 target:3/0:d-0:0 ");
}
END_TEST

START_TEST(test_start_loads_what_was_spent_of_each_hubs_last_day)
{
	struct batch *b = batch_new();

	batch_usage_put(b, &(struct usage_row){"north", 20000, 7});
	batch_usage_put(b, &(struct usage_row){"main", 20001, UINT32_MAX + 1ULL});
	batch_usage_put(b, &(struct usage_row){"north", 20001, 3});
	rig_commit(&rig, b);
	rig_reopen(&rig);
	ck_assert_str_eq(load(NOW_MS), "usage:main:20001:4294967296 usage:north:20001:3 ");
}
END_TEST

START_TEST(test_start_loads_groups_of_live_campaigns_before_targets)
{
	struct campaign_row done = rig_campaign_row(2);
	struct batch *b = rig_campaign_batch(2, 0);

	batch_group_add(b, 2, 0, 0, "gone", 1);
	done.state = CAMPAIGN_COMPLETED;
	batch_campaign_put(b, &done);
	rig_commit(&rig, b);
	b = rig_campaign_batch(3, 1);
	batch_group_add(b, 3, 0, 0, "site-0", 4);
	batch_group_add(b, 3, 1, 1, "site-0", 5);
	rig_commit(&rig, b);
	rig_commit(&rig, grouped_batch(1, 1));
	ck_assert_str_eq(load(NOW_MS), "campaign:c1:{} campaign:c3:{} group:1/0:site-0:10 group:3/0:site-0:4 "
	                               "group:3/1:site-0*:5 target:1/0:d-0:0 target:3/0:d-0:0 ");
}
END_TEST

static void tell_schedule(void *arg, const struct schedule_row *row)
{
	(void)arg;
	buf_printf(&told, "schedule:%s:%s:%u:%d:%lld:%u ", row->id, row->name, row->revision, row->is_paused,
	           (long long)row->next_at_ms, row->started);
	ck_assert(row->queued_at_ms == TIME_NONE && row->done_local_s == INT64_MIN);
}

static void tell_note(void *arg, const char *name, const char *value)
{
	(void)arg;
	buf_printf(&told, "note:%s:%s ", name, value);
}

static void tell_zone(void *arg, uint32_t campaign, uint32_t zone, const char *name)
{
	(void)arg;
	buf_printf(&told, "zone:%u/%u:%s ", campaign, zone, name);
}

static const char *load_time(void)
{
	const struct store_loader loader = {.on_campaign = tell_campaign,
	                                    .on_group = tell_group,
	                                    .on_zone = tell_zone,
	                                    .on_target = tell_target,
	                                    .on_hold = tell_hold,
	                                    .on_page = tell_page,
	                                    .on_schedule = tell_schedule,
	                                    .on_note = tell_note};

	buf_done(&told);
	buf_puts(&told, "");
	ck_assert_int_eq(store_load(rig.store, NOW_MS, &loader), ERR_OK);
	return told.data;
}

START_TEST(test_schedules_and_notes_are_put_loaded_and_dropped)
{
	struct schedule_row row = {.no = 1,
	                           .id = "plan1",
	                           .name = "nightly",
	                           .spec = "{}",
	                           .revision = 3,
	                           .created_by = "eva",
	                           .created_at_ms = NOW_MS,
	                           .done_at_ms = NOW_MS,
	                           .done_local_s = INT64_MIN,
	                           .next_at_ms = NOW_MS + 5,
	                           .queued_at_ms = TIME_NONE,
	                           .last_at_ms = TIME_NONE,
	                           .started = 7};
	struct batch *b = batch_new();
	char wanted[128];

	batch_schedule_put(b, &row);
	batch_note_put(b, "tzdata", "2026a");
	batch_note_put(b, "tzdata", "2026b");
	row.is_paused = true;
	row.next_at_ms++;
	batch_schedule_put(b, &row);
	rig_commit(&rig, b);
	rig_reopen(&rig);
	snprintf(wanted, sizeof wanted, "schedule:plan1:nightly:3:1:%lld:7 note:tzdata:2026b ",
	         (long long)NOW_MS + 6);
	ck_assert_str_eq(load_time(), wanted);
	b = batch_new();
	batch_schedule_drop(b, 1);
	batch_schedule_drop(b, 1);
	rig_commit(&rig, b);
	ck_assert_str_eq(load_time(), "note:tzdata:2026b ");
}
END_TEST

START_TEST(test_schedules_are_read_newest_first_page_by_page_each_once)
{
	static const char *const pages[] = {"s5 s4 +", "s3 s2 +", "s1 "};
	struct schedule_filter f = {.limit = 2};
	struct batch *b = batch_new();

	for (uint32_t no = 1; no <= 5; no++) {
		struct schedule_row row = {.no = no,
		                           .name = no % 2 == 0 ? "even" : "odd",
		                           .spec = "{}",
		                           .created_by = "eva",
		                           .done_at_ms = NOW_MS,
		                           .done_local_s = INT64_MIN,
		                           .next_at_ms = TIME_NONE,
		                           .queued_at_ms = TIME_NONE,
		                           .last_at_ms = TIME_NONE};

		snprintf(row.id, sizeof row.id, "s%u", no);
		batch_schedule_put(b, &row);
	}
	rig_commit(&rig, b);
	for (size_t page = 0; page < 3; page++) {
		char text[32] = "";

		rig_schedules(&rig, &f, &seen);
		for (size_t i = 0; i < seen.n; i++)
			snprintf(text + strlen(text), sizeof text - strlen(text), "%s ", seen.ids[i]);
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s", seen.has_more ? "+" : "");
		ck_assert_str_eq(text, pages[page]);
		f.before_no = (uint32_t)(seen.ids[seen.n - 1][1] - '0');
	}
	rig_schedules(&rig, &(struct schedule_filter){.name = "even", .limit = 10}, &seen);
	ck_assert_uint_eq(seen.n, 2);
	rig_schedules(&rig, &(struct schedule_filter){.id = "s3", .limit = 10}, &seen);
	ck_assert_uint_eq(seen.n, 1);
	ck_assert_str_eq(seen.ids[0], "s3");
	rig_schedules(&rig, &(struct schedule_filter){.id = "s9", .limit = 10}, &seen);
	ck_assert_uint_eq(seen.n, 0);
}
END_TEST

START_TEST(test_an_occurrence_has_one_campaign)
{
	struct campaign_row row = rig_campaign_row(1);
	struct batch *b = batch_new();

	snprintf(row.schedule_id, sizeof row.schedule_id, "plan1");
	row.occurrence_at_ms = NOW_MS;
	batch_campaign_add(b, &row, NULL, 0);
	rig_commit(&rig, b);
	for (uint32_t no = 2; no < 4; no++) { /* run by hand: as often as one likes */
		row = rig_campaign_row(no);
		snprintf(row.schedule_id, sizeof row.schedule_id, "plan1");
		row.occurrence_at_ms = TIME_NONE;
		b = batch_new();
		batch_campaign_add(b, &row, NULL, 0);
		rig_commit(&rig, b);
	}
	rig_campaigns(&rig, &(struct campaign_filter){.state = -1, .limit = 10, .schedule_id = "plan1"},
	              &seen);
	ck_assert_uint_eq(seen.n, 3);
	ck_assert_int_eq(seen.campaigns[2].occurrence_at_ms, NOW_MS);
	rig_campaigns(&rig, &(struct campaign_filter){.state = -1, .limit = 10, .schedule_id = "plan2"},
	              &seen);
	ck_assert_uint_eq(seen.n, 0);
	row = rig_campaign_row(4);
	snprintf(row.schedule_id, sizeof row.schedule_id, "plan1");
	row.occurrence_at_ms = NOW_MS;
	b = batch_new();
	batch_campaign_add(b, &row, NULL, 0);
	ck_assert_int_eq(rig_try_commit(&rig, b), ERR_CONFLICT);
}
END_TEST

START_TEST(test_start_loads_zones_of_live_campaigns_before_targets)
{
	struct batch *b = rig_campaign_batch(1, 0);
	struct target_row row = rig_target_row(1, 0);

	batch_zone_add(b, 1, 0, "UTC");
	batch_zone_add(b, 1, 1, "Asia/Tokyo");
	row.zone = 1;
	batch_target_add(b, &row, "d-0", &full_baseline);
	rig_commit(&rig, b);
	ck_assert_ptr_nonnull(strstr(load_time(), "zone:1/0:UTC zone:1/1:Asia/Tokyo target:"));
	rig_target(&rig, 1, "d-0", -1, &seen);
	ck_assert_uint_eq(seen.targets[0].row.zone, 1);
	ck_assert_str_eq(seen.targets[0].zone, "Asia/Tokyo");
}
END_TEST

START_TEST(test_start_loads_slots_and_plans_of_live_campaigns)
{
	struct campaign_row done = rig_campaign_row(2);
	struct batch *b = rig_campaign_batch(1, 0);

	put_progress(b, 1, 0, 0);
	put_progress(b, 1, 7, 0);
	put_plan(b, 1, "{}", TIME_NONE);
	rig_commit(&rig, b);
	b = rig_campaign_batch(2, 0);
	put_progress(b, 2, 1, 0);
	put_plan(b, 2, "{}", TIME_NONE);
	done.state = CAMPAIGN_COMPLETED;
	batch_campaign_put(b, &done);
	rig_commit(&rig, b);
	b = rig_campaign_batch(3, 0);
	put_plan(b, 3, "{\"a\":1}", NOW_MS + 5);
	rig_commit(&rig, b);
	rig_reopen(&rig);
	load(NOW_MS);
	ck_assert_str_eq(strstr(told.data, "slot:"), "slot:1/0 slot:1/7 plan:1:{}:-1 plan:3:{\"a\":1}:5 ");
}
END_TEST

static void tell_relapse(void *arg, const struct relapse_row *row)
{
	(void)arg;
	buf_printf(&told, "relapse:%u/%u:%d..%d:%u:%s:%d%s ", row->campaign, row->no,
	           (int)(row->from_ms - NOW_MS), (int)(row->until_ms - NOW_MS), (unsigned)row->after.version,
	           relapse_text((enum relapse)row->relapse),
	           row->relapsed_at_ms == TIME_NONE ? -1 : (int)(row->relapsed_at_ms - NOW_MS),
	           row->is_over ? ":over" : "");
}

START_TEST(test_start_loads_watches_over_proven_targets_of_live_campaigns)
{
	const struct store_loader loader = {.on_campaign = tell_campaign,
	                                    .on_group = tell_group,
	                                    .on_target = tell_target,
	                                    .on_hold = tell_hold,
	                                    .on_page = tell_page,
	                                    .on_relapse = tell_relapse};
	struct relapse_row row = {.campaign = 1,
	                          .no = 1,
	                          .from_ms = NOW_MS + 2,
	                          .until_ms = NOW_MS + 5,
	                          .relapsed_at_ms = TIME_NONE};
	struct campaign_row done = rig_campaign_row(2);
	struct batch *b = rig_campaign_batch(2, 2);

	batch_relapse_put(b, &(struct relapse_row){.campaign = 2});
	done.state = CAMPAIGN_COMPLETED;
	batch_campaign_put(b, &done);
	rig_commit(&rig, b);
	b = rig_campaign_batch(1, 2);
	batch_relapse_put(b, &row);
	row.no = 0;
	batch_relapse_put(b, &row);
	rig_commit(&rig, b);
	b = batch_new();
	row.after = full_baseline;
	row.relapse = RELAPSE_DROPPED;
	row.relapsed_at_ms = NOW_MS + 3;
	row.is_over = true;
	batch_relapse_put(b, &row);
	rig_commit(&rig, b);
	buf_done(&told);
	ck_assert_int_eq(store_load(rig.store, NOW_MS, &loader), ERR_OK);
	ck_assert_str_eq(told.data, "campaign:c1:{} target:1/0:d-0:0 target:1/1:d-1:0 "
	                            "relapse:1/0:2..5:12:dropped:3:over relapse:1/1:2..5:0::-1 ");
}
END_TEST

START_TEST(test_a_hold_says_in_which_group_it_is)
{
	struct baseline baseline = {.value_at_ms = TIME_NONE};
	struct target_row target = rig_target_row(1, 0);
	struct campaign_row done = rig_campaign_row(1);
	struct batch *b = rig_campaign_batch(1, 0);

	batch_group_add(b, 1, 0, 0, "gbg", 1);
	target.group = 0;
	target.state = TARGET_SUCCEEDED;
	target.hold_until_ms = NOW_MS + 9;
	batch_target_add(b, &target, "d", &baseline);
	batch_target_put(b, &target);
	done.state = CAMPAIGN_COMPLETED;
	done.spec = "{\"rollout\":{\"group\":{\"by\":\"tags.site\"}}}";
	batch_campaign_put(b, &done);
	rig_commit(&rig, b);
	ck_assert_str_eq(load(NOW_MS), "hold:1/0:main:d:9:tags.site=gbg ");
}
END_TEST

START_TEST(test_start_loads_holds_of_what_is_final_until_they_end)
{
	struct campaign_row done = rig_campaign_row(2);
	struct batch *b;

	rig_commit(&rig, rig_campaign_batch(1, 2));
	rig_commit(&rig, rig_campaign_batch(2, 4));
	b = batch_new();
	put_hold(b, 2, 3, TARGET_CANCELLED, TIME_NONE, 0);
	put_hold(b, 2, 2, TARGET_SUCCEEDED, NOW_MS + 30, 1);
	put_hold(b, 2, 1, TARGET_SUCCEEDED, NOW_MS + 20, 0);
	put_hold(b, 1, 0, TARGET_SUCCEEDED, NOW_MS + 25, 0);
	put_hold(b, 1, 1, TARGET_DOUBTFUL, NOW_MS + 99, 0); /* live: comes with its campaign */
	done.state = CAMPAIGN_COMPLETED;
	batch_campaign_put(b, &done);
	rig_commit(&rig, b);
	rig_reopen(&rig);
	load(NOW_MS + 19);
	ck_assert_str_eq(strstr(told.data, "hold"),
	                 "hold:1/0:main:d-0:25 hold:2/1:main:d-1:20 hold:2/2:spare:d-2:30 ");
	load(NOW_MS + 20);
	ck_assert_str_eq(strstr(told.data, "hold"), "hold:1/0:main:d-0:25 hold:2/2:spare:d-2:30 ");
	load(NOW_MS + 30);
	ck_assert_ptr_null(strstr(told.data, "hold"));

	b = batch_new();
	put_hold(b, 2, 2, TARGET_SUCCEEDED, TIME_NONE, 1);
	rig_commit(&rig, b);
	load(NOW_MS);
	ck_assert_str_eq(strstr(told.data, "hold"), "hold:1/0:main:d-0:25 hold:2/1:main:d-1:20 ");
}
END_TEST

START_TEST(test_start_loads_pages_of_campaigns_that_still_select)
{
	struct selected rows[] = {{"d-1", 0, false, "site-7", NULL, full_baseline},
	                          {"d-2", 1, true, NULL, "Asia/Tokyo", {.version = 3}}};
	struct selection_page page = {.page = 0, .hub = 1, .rows = rows, .rows_n = 2, .continuation = "next"};
	struct campaign_row row = rig_campaign_row(1);
	struct batch *b = batch_new();

	row.state = CAMPAIGN_PAUSED;
	row.phase = CAMPAIGN_SELECTING;
	batch_campaign_add(b, &row, NULL, 0);
	row = rig_campaign_row(2);
	batch_campaign_add(b, &row, NULL, 0);
	batch_page_add(b, 1, &page);
	batch_page_add(b, 2, &page);
	page.page = 1;
	page.rows_n = 0;
	page.continuation = NULL;
	batch_page_add(b, 1, &page);
	rig_commit(&rig, b);
	ck_assert_str_eq(
	        load(NOW_MS),
	        "campaign:c1:{} campaign:c2:{} page:1/0:1:next:d-1,0,0,site-7,12:d-2,1,1,none,3 page:1/1:1:end ");
	b = batch_new();
	batch_pages_drop(b, 1);
	rig_commit(&rig, b);
	ck_assert_str_eq(load(NOW_MS), "campaign:c1:{} campaign:c2:{} ");
}
END_TEST

/* ---- dropping ---- */

static void end_and_drop(uint32_t campaign)
{
	struct campaign_row done = rig_campaign_row(campaign);
	struct batch *b = batch_new();

	done.state = done.phase = CAMPAIGN_COMPLETED;
	batch_campaign_put(b, &done);
	batch_campaign_drop(b, campaign);
	rig_commit(&rig, b);
}

static void assert_gone(void)
{
	struct campaign_filter all = {.state = -1, .limit = 10};
	struct target_filter f = rig_all(1);

	rig_campaigns(&rig, &all, &seen);
	ck_assert_uint_eq(seen.n, 1);
	ck_assert_uint_eq(seen.campaigns[0].no, 2);
	rig_campaign(&rig, "c1", &seen);
	ck_assert_uint_eq(seen.n, 0);
	ck_assert_str_eq(numbers(f), "");
	ck_assert_ptr_null(seen.campaign);
	rig_target(&rig, 1, "d-0", -1, &seen);
	ck_assert_int_eq(seen.err, ERR_OK);
	ck_assert_uint_eq(seen.n, 0);
	ck_assert_ptr_null(seen.campaign);
	rig_groups(&rig, 1, 0, 10, &seen);
	ck_assert_uint_eq(seen.n, 0);
	ck_assert_ptr_null(seen.campaign);
	rig_progress(&rig, "c1", &seen);
	ck_assert_uint_eq(seen.n, 0);
	ck_assert_ptr_null(seen.campaign);
	rig_plan(&rig, "c1", &seen);
	ck_assert_uint_eq(seen.n, 0);
	ck_assert_ptr_null(seen.campaign);
	rig_history(&rig, "d-0", 0, 10, &seen);
	ck_assert_uint_eq(seen.n, 1);
	ck_assert_str_eq(seen.campaign_ids[0], "c2");
	rig_events(&rig, 1, 0, 10, &seen);
	ck_assert_uint_eq(seen.n, 1);
	ck_assert_str_eq(seen.campaign_ids[0], "c1");
}

START_TEST(test_dropped_campaign_is_gone_for_every_read_at_once_but_its_events_stay)
{
	struct batch *b = grouped_batch(2, 6000);

	add_event(b, 1, 1);
	put_progress(b, 1, 0, 1);
	put_plan(b, 1, "{}", TIME_NONE);
	rig_commit(&rig, b);
	rig_commit(&rig, rig_campaign_batch(2, 2));
	end_and_drop(1);
	assert_gone();
	b = batch_new();
	batch_campaign_drop(b, 1);
	rig_commit(&rig, b);
	assert_gone();
	rig_reopen(&rig);
	ck_assert_uint_eq(rig.head.last_campaign, 2);
	ck_assert_str_eq(load(NOW_MS), "campaign:c2:{} target:2/0:d-0:0 target:2/1:d-1:0 ");
	for (int i = 0; i < 9; i++) {
		rig_commit(&rig, batch_new());
		assert_gone();
	}
}
END_TEST

START_TEST(test_holds_of_a_dropped_campaign_are_loaded_until_they_end)
{
	struct batch *b = batch_new();

	rig_commit(&rig, rig_campaign_batch(1, 3));
	put_hold(b, 1, 1, TARGET_SUCCEEDED, NOW_MS + 20, 0);
	put_hold(b, 1, 2, TARGET_SUCCEEDED, NOW_MS + 30, 1);
	add_event(b, 1, 1); /* at NOW_MS + 1 */
	rig_commit(&rig, b);
	end_and_drop(1);
	for (int i = 0; i < 5; i++)
		rig_commit(&rig, batch_new());
	ck_assert_str_eq(load(NOW_MS + 19), "hold:1/1:main:d-1:20 hold:1/2:spare:d-2:30 ");
	rig_reopen(&rig);
	for (uint64_t id = 2; id <= 29; id++) {
		b = batch_new();
		add_event(b, id, 0);
		rig_commit(&rig, b);
	}
	ck_assert_str_eq(load(NOW_MS + 29), "hold:1/2:spare:d-2:30 ");
	ck_assert_str_eq(load(NOW_MS + 30), "");
}
END_TEST

/* ---- commits ---- */

static void note_commit(void *arg, enum err err, uint64_t revision)
{
	(void)err;
	(void)revision;
	buf_printf(&told, "%s ", (const char *)arg);
}

START_TEST(test_commits_are_told_in_order_and_never_inside_the_call)
{
	struct store_stats stats;

	buf_done(&told);
	buf_puts(&told, "");
	rig_commit(&rig, rig_campaign_batch(1, 5));
	store_commit(rig.store, batch_new(), note_commit, (void *)(uintptr_t) "a");
	store_commit(rig.store, batch_new(), note_commit, (void *)(uintptr_t) "b");
	store_commit(rig.store, batch_new(), note_commit, (void *)(uintptr_t) "c");
	ck_assert_str_eq(told.data, "");
	store_stats(rig.store, &stats);
	ck_assert_uint_eq(stats.queued, 3);
	rig_commit(&rig, batch_new());
	ck_assert_str_eq(told.data, "a b c ");
	store_stats(rig.store, &stats);
	ck_assert_uint_eq(stats.queued, 0);
	ck_assert_uint_eq(stats.operations, 6);
}
END_TEST

START_TEST(test_each_commit_moves_the_revision_by_one_and_reads_tell_it)
{
	rig_commit(&rig, rig_campaign_batch(1, 1));
	ck_assert_uint_eq(rig.revision, 1);
	rig_commit(&rig, batch_new());
	ck_assert_uint_eq(rig.revision, 2);
	rig.revision = 0;
	rig_campaign(&rig, "c1", &seen);
	ck_assert_uint_eq(rig.revision, 2);
	rig.revision = 0;
	rig_target(&rig, 1, "d-0", -1, &seen);
	ck_assert_uint_eq(rig.revision, 2);
	rig.revision = 0;
	rig_events(&rig, 0, 0, 1, &seen);
	ck_assert_uint_eq(rig.revision, 2);
	rig_reopen(&rig);
	ck_assert_uint_eq(rig.head.revision, 2);
}
END_TEST

/* Commits b after a sound change, and asserts that nothing of b stayed, nor of what comes after. */
static void assert_refused(struct batch *b, enum err expected)
{
	struct target_row row = rig_target_row(1, 0);
	struct target_filter f = rig_all(1);
	struct batch *later = batch_new();

	batch_target_put(later, &row);
	ck_assert_int_eq(rig_try_commit(&rig, b), expected);
	ck_assert_int_eq(rig_try_commit(&rig, later), expected);
	rig_reopen(&rig);
	ck_assert_uint_eq(rig.head.revision, 1);
	ck_assert_uint_eq(rig.head.last_event_id, 0);
	rig_targets(&rig, &f, &seen);
	ck_assert_uint_eq(seen.n, 2);
	ck_assert_uint_eq(seen.targets[0].row.calls, 0);
	rig_commit(&rig, batch_new());
	ck_assert_uint_eq(rig.revision, 2);
}

static struct batch *half_sound(void)
{
	struct target_row row = rig_target_row(1, 0);
	struct batch *b = batch_new();

	rig_commit(&rig, rig_campaign_batch(1, 2));
	row.calls = 1;
	batch_target_put(b, &row);
	add_event(b, 1, 1);
	return b;
}

START_TEST(test_put_of_what_is_not_there_undoes_the_commit_and_stops_the_store)
{
	struct target_row row = rig_target_row(1, 2);
	struct batch *b = half_sound();

	batch_target_put(b, &row);
	assert_refused(b, ERR_NOT_FOUND);
}
END_TEST

START_TEST(test_put_of_a_campaign_that_is_not_there_is_refused)
{
	struct campaign_row row = rig_campaign_row(2);
	struct batch *b = half_sound();

	batch_campaign_put(b, &row);
	assert_refused(b, ERR_NOT_FOUND);
}
END_TEST

START_TEST(test_put_of_a_baseline_or_a_plans_ends_that_are_not_there_is_refused)
{
	struct baseline baseline = {.version = 1};
	struct batch *b = half_sound();

	batch_baseline_put(b, 1, 2, &baseline);
	assert_refused(b, ERR_NOT_FOUND);
	b = batch_new();
	batch_plan_put(b, &(struct plan_row){.campaign = 1});
	ck_assert_int_eq(rig_try_commit(&rig, b), ERR_NOT_FOUND);
}
END_TEST

START_TEST(test_drop_of_a_live_campaign_is_refused)
{
	struct batch *b = half_sound();

	batch_campaign_drop(b, 1);
	assert_refused(b, ERR_NOT_FOUND);
}
END_TEST

START_TEST(test_put_of_a_dropped_campaign_is_refused)
{
	struct campaign_row row = rig_campaign_row(1);
	struct batch *b;

	rig_commit(&rig, rig_campaign_batch(1, 1));
	end_and_drop(1);
	b = batch_new();
	batch_campaign_put(b, &row);
	ck_assert_int_eq(rig_try_commit(&rig, b), ERR_NOT_FOUND);
}
END_TEST

START_TEST(test_adding_twice_is_refused)
{
	struct target_row row = rig_target_row(1, 1);
	struct baseline baseline = {.version = 1};
	struct batch *b = half_sound();

	batch_target_add(b, &row, "d-9", &baseline);
	assert_refused(b, ERR_CONFLICT);
}
END_TEST

START_TEST(test_gap_in_event_numbers_is_refused)
{
	struct batch *b = half_sound();

	add_event(b, 3, 1);
	assert_refused(b, ERR_INVALID);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store contract");
	TCase *tc = tcase_create("contract");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, open_rig, close_rig);
	tcase_add_test(tc, test_new_store_is_empty_and_says_so);
	tcase_add_test(tc, test_campaign_comes_back_as_it_was_added_and_put);
	tcase_add_test(tc, test_waves_and_aborts_come_back_from_none_to_the_most);
	tcase_add_test(tc, test_campaigns_are_listed_newest_first_by_page_state_and_name);
	tcase_add_test(tc, test_campaigns_that_ended_long_ago_can_be_left_out);
	tcase_add_test(tc, test_target_comes_back_as_it_was_added_and_put);
	tcase_add_test(tc, test_last_put_of_a_target_counts_in_whatever_order_they_come);
	tcase_add_test(tc, test_targets_are_listed_by_number_state_reason_wait_hub_and_device);
	tcase_add_test(tc, test_target_comes_with_its_attempts_and_evidence_in_order);
	tcase_add_test(tc, test_device_of_two_hubs_needs_its_hub_named);
	tcase_add_test(tc, test_target_keeps_its_group_and_is_listed_by_it);
	tcase_add_test(tc, test_a_slot_of_progress_has_the_counts_and_revision_of_its_last_commit);
	tcase_add_test(tc, test_wider_slots_keep_the_later_of_each_two);
	tcase_add_test(tc, test_the_length_of_slots_is_seen_from_what_is_left_of_them);
	tcase_add_test(tc, test_a_plan_is_found_with_when_its_waves_ended);
	tcase_add_test(tc, test_a_group_is_of_a_hub_and_listed_by_name_on_all_of_them);
	tcase_add_test(tc, test_groups_come_in_pages_with_their_targets_counted_by_state);
	tcase_add_test(tc, test_history_of_a_device_is_told_newest_campaign_first_in_pages);
	tcase_add_test(tc,
	               test_devices_are_found_that_were_added_over_many_commits_and_whose_fingerprints_meet);
	tcase_add_test(tc, test_list_is_read_in_pages_of_any_size_and_from_anywhere);
	tcase_add_test(tc, test_list_is_replaced_when_it_is_whole_and_not_before);
	tcase_add_test(tc, test_list_that_was_not_ended_is_forgotten_at_the_next_start_and_when_begun_again);
	tcase_add_test(tc, test_list_with_another_number_of_ids_than_told_is_refused);
	tcase_add_test(tc, test_events_come_once_each_in_order_over_pages_and_by_campaign);
	tcase_add_test(tc, test_the_oldest_events_are_dropped_with_what_was_kept_for_them);
	tcase_add_test(tc, test_idempotency_key_is_kept_for_a_day_and_then_forgotten);
	tcase_add_test(tc, test_expired_idempotency_key_can_be_used_again);
	tcase_add_test(tc, test_start_loads_live_campaigns_with_their_targets_in_order);
	tcase_add_test(tc, test_start_loads_groups_of_live_campaigns_before_targets);
	tcase_add_test(tc, test_schedules_and_notes_are_put_loaded_and_dropped);
	tcase_add_test(tc, test_schedules_are_read_newest_first_page_by_page_each_once);
	tcase_add_test(tc, test_an_occurrence_has_one_campaign);
	tcase_add_test(tc, test_start_loads_zones_of_live_campaigns_before_targets);
	tcase_add_test(tc, test_start_loads_slots_and_plans_of_live_campaigns);
	tcase_add_test(tc, test_start_loads_watches_over_proven_targets_of_live_campaigns);
	tcase_add_test(tc, test_start_loads_what_was_spent_of_each_hubs_last_day);
	tcase_add_test(tc, test_a_hold_says_in_which_group_it_is);
	tcase_add_test(tc, test_start_loads_holds_of_what_is_final_until_they_end);
	tcase_add_test(tc, test_start_loads_pages_of_campaigns_that_still_select);
	tcase_add_test(tc, test_dropped_campaign_is_gone_for_every_read_at_once_but_its_events_stay);
	tcase_add_test(tc, test_holds_of_a_dropped_campaign_are_loaded_until_they_end);
	tcase_add_test(tc, test_commits_are_told_in_order_and_never_inside_the_call);
	tcase_add_test(tc, test_each_commit_moves_the_revision_by_one_and_reads_tell_it);
	tcase_add_test(tc, test_put_of_what_is_not_there_undoes_the_commit_and_stops_the_store);
	tcase_add_test(tc, test_put_of_a_campaign_that_is_not_there_is_refused);
	tcase_add_test(tc, test_put_of_a_baseline_or_a_plans_ends_that_are_not_there_is_refused);
	tcase_add_test(tc, test_drop_of_a_live_campaign_is_refused);
	tcase_add_test(tc, test_put_of_a_dropped_campaign_is_refused);
	tcase_add_test(tc, test_adding_twice_is_refused);
	tcase_add_test(tc, test_gap_in_event_numbers_is_refused);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
