/* tests: server/conduct_orders.c and conduct_audit.c: what comes of orders, and what the record of orders
 * says. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/log.h"
#include "tests/unit/server/conductor_rig.h"

#define HOUR_MS INT64_C(3600000)
#define CAMPAIGN(more) \
	"{\"name\":\"t\",\"hubs\":[\"main\"],\"action\":{\"type\":\"reboot\"},\"targets\":{" \
	"\"deviceIds\":[\"d-1\",\"d-2\"]}" more "}"
#define LATER CAMPAIGN(",\"schedule\":{\"startAt\":\"2027-01-01T00:00:00Z\"}")
#define WEEKLY \
	"{\"name\":\"w\",\"recurrence\":{\"cron\":\"0 2 * * 1\",\"timeZone\":\"UTC\"},\"campaign\":{" \
	"\"name\":\"t\",\"hubs\":[\"main\"],\"action\":{\"type\":\"reboot\"},\"targets\":{" \
	"\"deviceIds\":[\"d-1\"]}}}"

static const struct conductor_request request = {.by = "eva", .idempotency_key = "eva k1", .body_hash = 7};

static void start(void)
{
	rig_open();
	ck_assert_int_eq(rig_start(), ERR_OK);
}

static enum err order(const char *id, enum order what)
{
	conductor_order(rig.conductor, id, what, "eva", rig_on_done, NULL);
	return rig_answer();
}

static enum err target_order(const char *id, const char *device_id, enum target_order what)
{
	conductor_target_order(rig.conductor, id, device_id, -1, what, "eva", rig_on_done, NULL);
	return rig_answer();
}

static enum err retry(const char *id, uint32_t reasons)
{
	conductor_retry(rig.conductor, id, reasons, &request, rig_on_done, NULL);
	return rig_answer();
}

static enum err drop(const char *id)
{
	conductor_delete(rig.conductor, id, "eva", rig_on_done, NULL);
	return rig_answer();
}

static void sign(const char *what)
{
	conductor_sign(rig.conductor, &(struct origin){.actor = "eva",
	                                               .role = "operator",
	                                               .address = "10.0.0.1",
	                                               .method = "POST",
	                                               .path = "/v1",
	                                               .what = what});
}

/* What the newest of n orders on record became. */
static void check_record(size_t n, const char *became)
{
	char text[2048];

	ck_assert_uint_eq(rig_audit(AUDIT_BECAME, text), n);
	ck_assert_str_eq(text, became);
}

/* ---- orders that come to nothing ---- */

START_TEST(test_while_the_service_stops_every_order_is_refused_and_changes_nothing)
{
	char campaign[ID_SIZE], schedule[ID_SIZE];
	const char *patch = "{\"rollout\":{\"maxUnavailable\":5}}";
	struct campaign_spec spec, patched;
	struct schedule_spec weekly;
	struct faults faults = FAULTS_INIT;
	char reason[SPEC_REASON_SIZE], text[2048];
	uint32_t revision;
	size_t at, orders;

	start();
	rig_create(LATER);
	memcpy(campaign, rig.id, sizeof campaign);
	rig_schedule(WEEKLY);
	memcpy(schedule, rig.id, sizeof schedule);
	rig_parse(CAMPAIGN(""), &spec);
	rig_parse_schedule(WEEKLY, &weekly);
	ck_assert_int_eq(spec_patch(conductor_spec(rig.conductor, campaign, &revision), patch, strlen(patch),
	                            &patched, &faults, &at, reason),
	                 ERR_OK);
	orders = rig_audit(AUDIT_BECAME, text);
	conductor_drain(rig.conductor);
	sign(NULL);
	ck_assert_int_eq(order(campaign, ORDER_PAUSE), ERR_CLOSED);
	ck_assert_str_eq(rig.detail, "the service is stopping");
	ck_assert_int_eq(target_order(campaign, "d-1", TARGET_ORDER_SKIP), ERR_CLOSED);
	ck_assert_int_eq(retry(campaign, ~0u), ERR_CLOSED);
	ck_assert_int_eq(drop(campaign), ERR_CLOSED);
	conductor_create(rig.conductor, &spec, &request, rig_on_done, NULL);
	ck_assert_int_eq(rig_answer(), ERR_CLOSED);
	conductor_respec(rig.conductor, campaign, revision, &patched, "eva", rig_on_done, NULL);
	ck_assert_int_eq(rig_answer(), ERR_CLOSED);
	ck_assert_int_eq(conductor_list_begin(rig.conductor, "l"), ERR_CLOSED);
	conductor_forget_dead_letters(rig.conductor, "ops", "1", rig_on_done, NULL);
	ck_assert_int_eq(rig_answer(), ERR_CLOSED);
	conductor_schedule_order(rig.conductor, schedule, SCHEDULE_DELETE, "eva", rig_on_done, NULL);
	ck_assert_int_eq(rig_answer(), ERR_CLOSED);
	conductor_schedule_run(rig.conductor, schedule, &request, rig_on_done, NULL);
	ck_assert_int_eq(rig_answer(), ERR_CLOSED);
	conductor_schedule_create(rig.conductor, &weekly, &request, rig_on_done, NULL);
	ck_assert_int_eq(rig_answer(), ERR_CLOSED);
	ck_assert_uint_eq(rig_audit(AUDIT_BECAME, text), orders);
	ck_assert_uint_eq(conductor_schedules_n(rig.conductor), 1);
	ck_assert(conductor_is_settled(rig.conductor));
	rig_close();
}
END_TEST

START_TEST(test_an_order_about_a_campaign_that_is_over_or_not_there_says_so)
{
	char id[ID_SIZE];
	struct campaign_row row;

	start();
	rig_create(LATER);
	memcpy(id, rig.id, sizeof id);
	ck_assert_int_eq(order(id, ORDER_CANCEL), ERR_OK);
	ck_assert(rig_campaign(id, &row));
	ck_assert_int_eq(row.state, CAMPAIGN_CANCELLED);
	ck_assert_int_eq(order(id, ORDER_CANCEL), ERR_OK); /* it is so already */
	ck_assert_str_eq(rig.id, id);
	ck_assert_int_eq(order(id, ORDER_PAUSE), ERR_CONFLICT);
	ck_assert_str_eq(rig.detail, "the campaign is cancelled");
	ck_assert_int_eq(order("none", ORDER_CANCEL), ERR_NOT_FOUND);
	ck_assert_int_eq(target_order(id, "d-1", TARGET_ORDER_RETRY), ERR_CONFLICT);
	ck_assert_int_eq(drop("none"), ERR_NOT_FOUND);
	ck_assert_int_eq(retry("none", ~0u), ERR_NOT_FOUND);
	ck_assert_int_eq(retry(id, ~0u), ERR_CONFLICT);
	ck_assert_str_eq(rig.detail, "no target has failed by one of these reasons");
	rig_close();
}
END_TEST

START_TEST(test_an_order_that_needs_the_record_fails_where_that_cannot_be_read)
{
	char id[ID_SIZE];
	struct campaign_row row;

	start();
	rig_create(LATER);
	memcpy(id, rig.id, sizeof id);
	ck_assert_int_eq(order(id, ORDER_CANCEL), ERR_OK);
	store_sync_fail_asks(rig.store, ERR_IO);
	ck_assert_int_eq(order(id, ORDER_CANCEL), ERR_IO);
	ck_assert_str_eq(rig.detail, err_text(ERR_IO));
	ck_assert_int_eq(drop(id), ERR_IO);
	ck_assert_int_eq(retry(id, ~0u), ERR_IO);
	store_sync_fail_asks(rig.store, ERR_OK);
	ck_assert(rig_campaign(id, &row));
	ck_assert_int_eq(drop(id), ERR_OK);
	ck_assert(!rig_campaign(id, &row));
	rig_close();
}
END_TEST

START_TEST(test_a_campaign_is_live_until_it_is_over_and_only_then_deleted)
{
	char id[ID_SIZE];
	uint32_t revision;

	start();
	rig_create(LATER);
	memcpy(id, rig.id, sizeof id);
	ck_assert_int_eq(drop(id), ERR_CONFLICT);
	ck_assert_str_eq(rig.detail, "only a final campaign can be deleted: cancel it first");
	ck_assert_ptr_nonnull(conductor_spec(rig.conductor, id, &revision));
	ck_assert_int_eq(order(id, ORDER_CANCEL), ERR_OK);
	ck_assert_ptr_null(conductor_spec(rig.conductor, id, &revision));
	rig_close();
}
END_TEST

START_TEST(test_no_gate_waits_for_approval_says_what_would)
{
	char id[ID_SIZE];

	start();
	rig_create(CAMPAIGN(""));
	memcpy(id, rig.id, sizeof id);
	ck_assert_int_eq(order(id, ORDER_APPROVE), ERR_CONFLICT);
	ck_assert_str_eq(rig.detail,
	                 "no gate waits for approval; one that failed opens only with \"override\": true");
	ck_assert_int_eq(order(id, ORDER_OVERRIDE), ERR_CONFLICT);
	ck_assert_str_eq(rig.detail, "no gate waits for approval or has failed");
	rig_close();
}
END_TEST

START_TEST(test_as_many_campaigns_are_live_as_may_be)
{
	struct campaign_spec spec;
	char id[ID_SIZE];

	rig_open();
	rig.options.campaigns_max = 1;
	ck_assert_int_eq(rig_start(), ERR_OK);
	rig_schedule(WEEKLY);
	memcpy(id, rig.id, sizeof id);
	rig_create(LATER);
	rig_parse(LATER, &spec);
	conductor_create(rig.conductor, &spec, &request, rig_on_done, NULL);
	ck_assert_int_eq(rig_answer(), ERR_TOO_MANY);
	ck_assert_str_eq(rig.detail, "1 campaigns are not final, and no more may be (campaignsMax)");
	conductor_schedule_run(rig.conductor, id, &request, rig_on_done, NULL);
	ck_assert_int_eq(rig_answer(), ERR_TOO_MANY);
	rig_close();
}
END_TEST

/* ---- one device ---- */

START_TEST(test_a_waiting_device_is_left_out_once_and_one_that_is_not_there_never)
{
	char id[ID_SIZE], text[2048];
	struct campaign_row row;

	start();
	rig_create(CAMPAIGN(""));
	memcpy(id, rig.id, sizeof id);
	sign(NULL);
	ck_assert_int_eq(target_order(id, "d-9", TARGET_ORDER_SKIP), ERR_NOT_FOUND);
	ck_assert_str_eq(rig.detail, "the campaign has no such device");
	ck_assert_int_eq(target_order(id, "d-1", TARGET_ORDER_RETRY), ERR_CONFLICT);
	ck_assert_str_eq(rig.detail, "the device is in no back-off");
	ck_assert_uint_eq(rig_audit(AUDIT_WAS, text), 0);
	ck_assert_int_eq(target_order(id, "d-1", TARGET_ORDER_SKIP), ERR_OK);
	check_record(1, "skipped");
	ck_assert_int_eq(target_order(id, "d-1", TARGET_ORDER_SKIP), ERR_CONFLICT);
	ck_assert_str_eq(rig.detail, "the device does not wait");
	ck_assert(rig_campaign(id, &row));
	ck_assert_uint_eq(row.counts.reason[REASON_BY_OPERATOR], 1);
	rig_close();
}
END_TEST

/* ---- the clock on the wall ---- */

START_TEST(test_starts_and_ends_go_by_the_clock_on_the_wall_also_where_it_was_set)
{
	struct campaign_spec spec;
	struct faults faults = FAULTS_INIT;
	struct campaign_row row;
	int64_t wall_ms;

	start();
	rig_create(LATER); /* while anything is live, time-outs do not follow a step */
	rig.set_by_ms = 2 * HOUR_MS;
	rig_pass(1000);
	rig_create(CAMPAIGN(",\"schedule\":{\"endAfterSeconds\":600}"));
	wall_ms = rig.now_ms + rig.set_by_ms;
	ck_assert(rig_campaign(rig.id, &row));
	ck_assert_int_eq(row.state, CAMPAIGN_RUNNING);
	ck_assert_int_ge(row.start_at_ms, wall_ms - 1000);
	ck_assert_int_le(row.start_at_ms, wall_ms);
	ck_assert_int_eq(row.end_at_ms, row.start_at_ms + 600000);
	rig_create(CAMPAIGN(",\"schedule\":{\"startAt\":\"2026-11-28T01:30:00Z\"}")); /* half an hour ago */
	ck_assert(rig_campaign(rig.id, &row));
	ck_assert_int_ge(row.start_at_ms, wall_ms);
	rig_parse(CAMPAIGN(",\"schedule\":{\"endAt\":\"2026-12-28T00:00:00Z\"}"), &spec);
	spec.schedule.end_at_ms = wall_ms - 60000;
	conductor_check(rig.conductor, &spec, &faults);
	ck_assert_uint_eq(faults.n, 1);
	ck_assert_str_eq(faults.all[0].pointer, "/schedule/endAt");
	faults_done(&faults);
	spec_done(&spec);
	rig_close();
}
END_TEST

/* ---- another spec ---- */

/* Changes a campaign's spec from that revision. */
static enum err respec(const char *id, uint32_t revision, const char *patch)
{
	struct campaign_spec spec;
	struct faults faults = FAULTS_INIT;
	char reason[SPEC_REASON_SIZE];
	uint32_t now;
	size_t at;

	ck_assert_int_eq(spec_patch(conductor_spec(rig.conductor, id, &now), patch, strlen(patch), &spec,
	                            &faults, &at, reason),
	                 ERR_OK);
	conductor_respec(rig.conductor, id, revision, &spec, "eva", rig_on_done, NULL);
	return rig_answer();
}

START_TEST(test_a_spec_is_changed_from_the_revision_that_was_seen_and_its_end_moves)
{
	char id[ID_SIZE];
	struct campaign_row row;

	start();
	rig_create(CAMPAIGN(",\"schedule\":{\"endAt\":\"2026-12-05T00:00:00Z\"}"));
	memcpy(id, rig.id, sizeof id);
	ck_assert_int_eq(respec(id, 1, "{\"schedule\":{\"endAt\":\"2026-12-06T00:00:00Z\"}}"), ERR_OK);
	ck_assert_int_eq(respec(id, 1, "{\"schedule\":{\"endAt\":\"2026-12-07T00:00:00Z\"}}"), ERR_CONFLICT);
	ck_assert_str_eq(rig.detail, "the spec has changed meanwhile");
	ck_assert(rig_campaign(id, &row));
	ck_assert_uint_eq(row.spec_revision, 2);
	ck_assert_int_eq(row.end_at_ms, RIG_BEGIN_MS + 8 * RIG_DAY_MS);
	rig_close();
}
END_TEST

START_TEST(test_a_spec_of_a_campaign_that_ends_meanwhile_stays)
{
	char id[ID_SIZE];
	const char *patch = "{\"rollout\":{\"maxUnavailable\":5}}";
	struct campaign_spec spec, late;
	struct faults faults = FAULTS_INIT;
	char reason[SPEC_REASON_SIZE];
	uint32_t revision;
	size_t at;

	start();
	rig_create(LATER);
	memcpy(id, rig.id, sizeof id);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(spec_patch(conductor_spec(rig.conductor, id, &revision), patch,
		                            strlen(patch), i == 0 ? &spec : &late, &faults, &at, reason),
		                 ERR_OK);
	conductor_order(rig.conductor, id, ORDER_CANCEL, "eva", rig_on_done, NULL);
	(void)conductor_run(rig.conductor); /* the end is on its way to the record */
	conductor_respec(rig.conductor, id, revision, &spec, "eva", rig_on_done, NULL);
	rig_run();
	ck_assert_uint_eq(rig.answers_n, 3);
	ck_assert_int_eq(rig.err, ERR_CONFLICT);
	ck_assert_str_eq(rig.detail, "only a live campaign can be changed");
	conductor_respec(rig.conductor, id, revision, &late, "eva", rig_on_done, NULL);
	ck_assert_int_eq(rig_answer(), ERR_NOT_FOUND);
	rig_close();
}
END_TEST

/* ---- once more ---- */

#define FAILED_N 1500

/* A campaign over both hubs that is over: every other device has failed, each second of those by noProof. */
static void put_failed(const char *more)
{
	static const char *const hubs[] = {"main", "side"};
	struct batch *b = batch_new();
	struct buf spec = BUF_INIT;
	struct campaign_row row = {.no = 1,
	                           .id = "old",
	                           .name = "t",
	                           .spec_revision = 1,
	                           .state = CAMPAIGN_COMPLETED,
	                           .phase = CAMPAIGN_COMPLETED,
	                           .state_reason = "",
	                           .created_by = "eva",
	                           .started_at_ms = TIME_NONE,
	                           .finished_at_ms = TIME_NONE,
	                           .occurrence_at_ms = TIME_NONE,
	                           .counts = {.total = 2 * FAILED_N}};

	row.counts.state[TARGET_FAILED] = row.counts.state[TARGET_SUCCEEDED] = FAILED_N;
	buf_printf(
	        &spec,
	        "{\"name\":\"t\",\"hubs\":[\"main\",\"side\"],\"action\":{\"type\":\"reboot\"},\"targets\":{"
	        "\"where\":\"tags.a = 1\",\"exclude\":[\"x\"]},\"rollout\":{\"group\":{\"by\":\"tags.site\","
	        "\"maxUnavailable\":1}}%s}",
	        more);
	row.spec = spec.data;
	batch_campaign_add(b, &row, hubs, 2);
	batch_group_add(b, 1, 0, 0, "gbg", FAILED_N);
	batch_zone_add(b, 1, 0, "Europe/Stockholm");
	for (uint32_t i = 0; i < 2 * FAILED_N; i++) {
		char id[16];
		struct baseline none = {.source = SOURCE_NONE};
		struct target_row target = {.campaign = 1,
		                            .no = i,
		                            .state = i % 2 == 0 ? TARGET_FAILED : TARGET_SUCCEEDED,
		                            .reason = i % 2 != 0   ? REASON_NONE
		                                      : i % 4 == 0 ? REASON_NO_PROOF
		                                                   : REASON_REFUSED,
		                            .hub = i < FAILED_N ? 0 : 1,
		                            .group = i % 8 == 0 ? 0 : GROUP_NONE,
		                            .next_at_ms = TIME_NONE,
		                            .called_at_ms = TIME_NONE,
		                            .since_hub_ms = TIME_NONE,
		                            .hold_until_ms = TIME_NONE};

		snprintf(id, sizeof id, "d-%u", i);
		batch_target_add(b, &target, id, &none);
	}
	rig_put(b);
	rig.head.last_campaign = 1;
	buf_done(&spec);
}

START_TEST(test_those_that_failed_are_called_again_each_on_its_hub_and_in_its_group)
{
	struct campaign_row row;
	struct target_row target;
	char group[16], text[2048];

	rig_open();
	put_failed(",\"schedule\":{\"startAt\":\"2026-11-01T00:00:00Z\",\"endAt\":\"2026-11-08T00:00:00Z\"}");
	ck_assert_int_eq(rig_start(), ERR_OK);
	sign("failed ones");
	ck_assert_int_eq(retry("old", 1u << REASON_NO_PROOF), ERR_OK);
	ck_assert(rig_campaign(rig.id, &row));
	ck_assert_str_eq(row.retry_of, "old");
	ck_assert_uint_eq(row.counts.total, FAILED_N / 2);
	ck_assert_int_eq(row.end_at_ms, RIG_BEGIN_MS + 30 * RIG_DAY_MS);
	ck_assert(rig_target(rig.id, "d-8", -1, &target, group));
	ck_assert_uint_eq(target.hub, 0);
	ck_assert_str_eq(group, "gbg");
	ck_assert(rig_target(rig.id, "d-2996", -1, &target, group));
	ck_assert_uint_eq(target.hub, 1);
	ck_assert_str_eq(group, "");
	ck_assert(!rig_target(rig.id, "d-1", -1, &target, group));
	ck_assert(!rig_target(rig.id, "d-2", -1, &target, group));
	check_record(1, "selecting: failed ones");
	ck_assert_uint_eq(rig_audit(AUDIT_CAMPAIGN_ID, text), 1);
	ck_assert_str_eq(text, rig.id);
	ck_assert_int_eq(retry("old", 1u << REASON_UNKNOWN), ERR_CONFLICT);
	rig_close();
}
END_TEST

START_TEST(test_a_campaign_that_is_not_sound_any_more_is_not_called_again)
{
	rig_open();
	put_failed(",\"schedule\":{\"timeZone\":\"Atlantis/Center\"}");
	ck_assert_int_eq(rig_start(), ERR_OK);
	ck_assert_int_eq(retry("old", ~0u), ERR_CONFLICT);
	ck_assert_ptr_nonnull(strstr(rig.detail, "Atlantis/Center"));
	rig_close();
}
END_TEST

/* The record goes between the campaign's row and its targets. */
START_TEST(test_a_retry_that_loses_the_record_on_the_way_is_answered)
{
	rig_open();
	put_failed("");
	ck_assert_int_eq(rig_start(), ERR_OK);
	rig_run();
	conductor_retry(rig.conductor, "old", ~0u, &request, rig_on_done, NULL);
	store_sync_run(rig.store);
	store_sync_fail_asks(rig.store, ERR_IO);
	ck_assert_int_eq(rig_answer(), ERR_IO);
	store_sync_fail_asks(rig.store, ERR_OK);
	conductor_retry(rig.conductor, "old", ~0u, &request, rig_on_done, NULL);
	store_sync_run(rig.store);
	conductor_delete(rig.conductor, "old", "eva", rig_on_done, NULL);
	rig_run();
	ck_assert_uint_eq(rig.answers_n, 3);
	rig_close();
}
END_TEST

/* ---- device lists ---- */

START_TEST(test_a_list_that_is_not_finished_is_dropped_and_its_name_is_free_again)
{
	const char *ids[] = {"d-1"};

	start();
	ck_assert_int_eq(conductor_list_begin(rig.conductor, "l"), ERR_OK);
	ck_assert_int_eq(conductor_list_begin(rig.conductor, "l"), ERR_BUSY);
	conductor_list_ids(rig.conductor, "l", ids, 1);
	conductor_list_drop(rig.conductor, "l", "eva", rig_on_done, NULL);
	ck_assert_int_eq(rig_answer(), ERR_OK);
	sign(NULL);
	rig_list("l", 1);
	check_record(1, "1 device");
	sign(NULL);
	conductor_list_drop(rig.conductor, "l", "eva", rig_on_done, NULL);
	ck_assert_int_eq(rig_answer(), ERR_OK);
	check_record(2, "deleted");
	sign(NULL);
	rig_list("l", 2);
	check_record(3, "2 devices");
	ck_assert_int_eq(conductor_list_begin(rig.conductor, "half"), ERR_OK);
	rig_close(); /* in the midst of one */
}
END_TEST

/* ---- the record of orders ---- */

START_TEST(test_what_is_so_already_is_not_on_record)
{
	char id[ID_SIZE], text[2048];

	start();
	rig_create(CAMPAIGN(""));
	memcpy(id, rig.id, sizeof id);
	for (int i = 0; i < 2; i++) {
		sign(NULL);
		ck_assert_int_eq(order(id, ORDER_PAUSE), ERR_OK);
		check_record(1, "paused");
	}
	for (int i = 0; i < 2; i++) {
		sign("after lunch");
		ck_assert_int_eq(order(id, ORDER_RESUME), ERR_OK);
		check_record(2, "resumed: after lunch");
	}
	ck_assert_uint_eq(rig_audit(AUDIT_WAS, text), 2);
	ck_assert_str_eq(text, "paused");
	ck_assert_uint_eq(rig_audit(AUDIT_REQUEST_ID, text), 2);
	ck_assert_str_eq(text, ""); /* nobody gave one */
	rig_close();
}
END_TEST

START_TEST(test_texts_on_record_are_cut_and_an_order_that_nobody_signed_is_not_there)
{
	char id[ID_SIZE], longer[1501], text[2048];

	start();
	rig_create(CAMPAIGN(""));
	memcpy(id, rig.id, sizeof id);
	ck_assert_uint_eq(rig_audit(AUDIT_ACTOR, text), 0);
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	conductor_sign(rig.conductor, &(struct origin){.actor = longer});
	conductor_sign(rig.conductor, &(struct origin){.actor = longer}); /* in its place */
	ck_assert_int_eq(order(id, ORDER_PAUSE), ERR_OK);
	ck_assert_uint_eq(rig_audit(AUDIT_ACTOR, text), 1);
	ck_assert_uint_eq(strlen(text), 1024);
	rig_close();
}
END_TEST

START_TEST(test_a_commit_that_fails_ends_the_service_and_answers_nothing)
{
	char id[ID_SIZE];
	struct campaign_row row;

	start();
	rig_create(CAMPAIGN(""));
	memcpy(id, rig.id, sizeof id);
	store_sync_set_fate(rig.store, 1, COMMIT_FAILS);
	conductor_order(rig.conductor, id, ORDER_CANCEL, "eva", rig_on_done, NULL);
	rig_run();
	ck_assert_int_eq(rig.broken, ERR_FULL);
	ck_assert_uint_eq(rig.answers_n, 1);
	ck_assert(!conductor_is_recorded(rig.conductor));
	rig_kill();
	ck_assert_int_eq(rig_start(), ERR_OK);
	ck_assert(rig_campaign(id, &row));
	ck_assert_int_eq(row.state, CAMPAIGN_RUNNING);
	rig_close();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("orders");

	log_setup(LOG_OFF, false, 2);
	TESTS(s, "to no avail", test_while_the_service_stops_every_order_is_refused_and_changes_nothing,
	      test_an_order_about_a_campaign_that_is_over_or_not_there_says_so,
	      test_an_order_that_needs_the_record_fails_where_that_cannot_be_read,
	      test_a_campaign_is_live_until_it_is_over_and_only_then_deleted,
	      test_no_gate_waits_for_approval_says_what_would, test_as_many_campaigns_are_live_as_may_be);
	TESTS(s, "clock", test_starts_and_ends_go_by_the_clock_on_the_wall_also_where_it_was_set);
	TESTS(s, "devices and specs", test_a_waiting_device_is_left_out_once_and_one_that_is_not_there_never,
	      test_a_spec_is_changed_from_the_revision_that_was_seen_and_its_end_moves,
	      test_a_spec_of_a_campaign_that_ends_meanwhile_stays);
	TESTS(s, "once more", test_those_that_failed_are_called_again_each_on_its_hub_and_in_its_group,
	      test_a_campaign_that_is_not_sound_any_more_is_not_called_again,
	      test_a_retry_that_loses_the_record_on_the_way_is_answered);
	TESTS(s, "lists", test_a_list_that_is_not_finished_is_dropped_and_its_name_is_free_again);
	TESTS(s, "record", test_what_is_so_already_is_not_on_record,
	      test_texts_on_record_are_cut_and_an_order_that_nobody_signed_is_not_there,
	      test_a_commit_that_fails_ends_the_service_and_answers_nothing);
	return suite_run(s);
}
