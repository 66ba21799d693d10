/* tests: server/conductor.c and conduct_windows.c: what a start finds on record, and cannot go on with, or
 * can. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"
#include "tests/unit/server/conductor_rig.h"

#define SPEC(hub, more) \
	"{\"name\":\"t\",\"hubs\":[\"" hub "\"],\"action\":{\"type\":\"reboot\"},\"targets\":{\"where\":" \
	"\"tags.a = 1\"},\"rollout\":{\"group\":{\"by\":\"tags.site\",\"maxUnavailable\":1}}" more "}"
#define SOUND SPEC("main", "")

/* A campaign with two devices in a group; the first one's call was out, or (final) keeps its device. */
static void put_campaign(uint32_t no, const char *id, const char *hub, const char *spec,
                         enum campaign_state state)
{
	static const struct baseline none = {.source = SOURCE_NONE};
	bool is_final = campaign_state_is_final(state);
	struct batch *b = batch_new();
	struct campaign_row row = {.no = no,
	                           .name = "t",
	                           .spec = spec,
	                           .spec_revision = 1,
	                           .state = state,
	                           .phase = state,
	                           .state_reason = "",
	                           .created_by = "eva",
	                           .created_at_ms = RIG_BEGIN_MS,
	                           .started_at_ms = RIG_BEGIN_MS,
	                           .finished_at_ms = is_final ? RIG_BEGIN_MS : TIME_NONE,
	                           .end_at_ms = RIG_BEGIN_MS + 9 * RIG_DAY_MS,
	                           .occurrence_at_ms = TIME_NONE,
	                           .waves_n = 1,
	                           .waves = {{.stage = WAVE_OPEN,
	                                      .opened_at_ms = RIG_BEGIN_MS,
	                                      .proven_at_ms = TIME_NONE,
	                                      .state = {[TARGET_WAITING] = 1}}},
	                           .counts = {.total = 2}};
	struct target_row target = {.campaign = no,
	                            .state = is_final ? TARGET_FAILED : TARGET_INVOKING,
	                            .reason = is_final ? REASON_UNKNOWN : REASON_NONE,
	                            .group = 0,
	                            .attempts = 1,
	                            .calls = 1,
	                            .attempt_seq = 1,
	                            .changed_at_ms = RIG_BEGIN_MS,
	                            .next_at_ms = is_final ? TIME_NONE : RIG_BEGIN_MS + RIG_DAY_MS,
	                            .called_at_ms = RIG_BEGIN_MS,
	                            .since_hub_ms = RIG_BEGIN_MS,
	                            .hold_until_ms = is_final ? RIG_BEGIN_MS + RIG_DAY_MS : TIME_NONE};

	snprintf(row.id, sizeof row.id, "%s", id);
	row.counts.state[target.state] = row.counts.state[TARGET_WAITING] = 1;
	batch_campaign_add(b, &row, &hub, 1);
	batch_group_add(b, no, 0, 0, "gbg", 2);
	batch_zone_add(b, no, 0, "Atlantis/Center");
	batch_target_add(b, &target, "d-1", &none);
	target.no = 1;
	target.state = is_final ? TARGET_SKIPPED : TARGET_WAITING;
	target.calls = target.attempts = 0;
	target.next_at_ms = target.called_at_ms = target.since_hub_ms = target.hold_until_ms = TIME_NONE;
	batch_target_add(b, &target, "d-2", &none);
	rig_put(b);
	rig.head.last_campaign = no;
}

/* Of a plan, a slot of the progress, pages, schedules and relapse watches: what comes behind the campaigns.
 */
static void put_what_follows(uint32_t no)
{
	struct batch *b = batch_new();
	struct selected rows[] = {{.device_id = "d-3"}};
	struct selection_page page = {.page = 0, .rows = rows, .rows_n = 1};

	batch_page_add(b, no, &page);
	batch_progress_put(b, &(struct progress_row){.campaign = no, .slot_s = 1});
	batch_plan_put(b, &(struct plan_row){.campaign = no, .text = "{}"});
	batch_relapse_put(b, &(struct relapse_row){.campaign = no, .no = 1});
	batch_schedule_put(b, &(struct schedule_row){.no = 1,
	                                             .id = "s",
	                                             .name = "w",
	                                             .spec = "{}",
	                                             .created_by = "eva",
	                                             .next_at_ms = TIME_NONE,
	                                             .queued_at_ms = TIME_NONE,
	                                             .last_at_ms = TIME_NONE});
	batch_usage_put(b, &(struct usage_row){.hub = "gone", .day = 1, .messages = 1});
	batch_usage_put(b, &(struct usage_row){.hub = "main", .day = 1, .messages = 1});
	batch_note_put(b, "hub clock gone", "5");
	batch_note_put(b, "hub clock main", "");
	batch_note_put(b, "a note of another version", "x");
	rig_put(b);
}

static uint32_t calls(void)
{
	uint32_t n = 0;

	for (size_t i = 0; i < fake_hub_n(rig.hubs[0]); i++)
		n += fake_hub_at(rig.hubs[0], i)->kind == FAKE_CALL;
	return n;
}

START_TEST(test_a_campaign_that_cannot_be_read_keeps_the_service_from_starting)
{
	static const char *const specs[] = {"no JSON", "{}", "{\"name\":\"t\"}"};

	for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
		rig_open();
		put_campaign(1, "c1", "main", specs[i], CAMPAIGN_RUNNING);
		put_what_follows(1);
		ck_assert_int_eq(rig_start(), ERR_CORRUPT);
		ck_assert_ptr_null(rig.conductor);
		rig_close();
	}
}
END_TEST

START_TEST(test_a_live_campaign_of_a_hub_that_is_not_configured_is_refused_and_a_final_one_is_not)
{
	rig_open();
	put_campaign(1, "c1", "gone", SPEC("gone", ""), CAMPAIGN_COMPLETED);
	ck_assert_int_eq(rig_start(), ERR_OK);
	rig_run();
	rig_kill();
	put_campaign(2, "c2", "gone", SPEC("gone", ""), CAMPAIGN_RUNNING);
	put_campaign(3, "c3", "main", SOUND, CAMPAIGN_RUNNING); /* which is not looked at any more */
	put_what_follows(3);
	ck_assert_int_eq(rig_start(), ERR_INVALID);
	rig_close();
}
END_TEST

START_TEST(test_a_record_that_cannot_be_read_keeps_the_service_from_starting)
{
	rig_open();
	put_campaign(1, "c1", "main", SOUND, CAMPAIGN_RUNNING);
	store_sync_fail_asks(rig.store, ERR_IO);
	ck_assert_int_eq(rig_start(), ERR_IO);
	rig_close();
}
END_TEST

START_TEST(test_a_tier_that_is_not_there_keeps_the_service_from_starting)
{
	rig_open();
	rig.sku = "S9";
	ck_assert_int_eq(rig_start(), ERR_INVALID);
	rig_close();
}
END_TEST

START_TEST(test_a_call_that_was_out_is_doubtful_and_its_end_on_record)
{
	struct target_row row;
	struct campaign_row campaign;
	struct answer page;
	struct backend *record;
	char group[16];

	rig_open();
	put_campaign(1, "c1", "main", SOUND, CAMPAIGN_RUNNING);
	put_campaign(2, "c2", "main", SOUND, CAMPAIGN_FAILED); /* keeps d-1 as well */
	put_what_follows(1);
	ck_assert_int_eq(rig_start(), ERR_OK);
	rig_run();
	ck_assert(rig_campaign("c1", &campaign));
	ck_assert_uint_eq(campaign.counts.state[TARGET_DOUBTFUL], 1);
	ck_assert(rig_target("c1", "d-1", -1, &row, group));
	ck_assert_int_eq(row.state, TARGET_DOUBTFUL);
	record = store_sync_record(rig.store);
	answer_init(&page);
	ck_assert_int_eq(backend_read_target(record, 1, "d-1", -1, &page), ERR_OK);
	ck_assert_uint_eq(page.attempts_n, 1);
	ck_assert_str_eq(page.attempts[0].outcome, "crash");
	answer_done(&page);
	backend_close(record);
	ck_assert_uint_eq(calls(), 0);
	rig_close();
}
END_TEST

START_TEST(test_in_a_time_zone_that_is_gone_no_window_opens)
{
	struct target_row row;
	char group[16];
	int64_t opens_at_ms;

	rig_open();
	put_campaign(
	        1, "c1", "main",
	        SPEC("main",
	             ",\"schedule\":{\"timeZone\":\"device\",\"deviceTimeZone\":{\"from\":\"tags.zone\","
	             "\"fallback\":\"UTC\"},\"windows\":[{\"cron\":\"* * * * *\",\"durationMinutes\":1}]}"),
	        CAMPAIGN_RUNNING);
	ck_assert_int_eq(rig_start(), ERR_OK);
	rig_pass(RIG_DAY_MS / 24);
	ck_assert(rig_target("c1", "d-2", -1, &row, group));
	ck_assert_int_eq(row.state, TARGET_WAITING);
	ck_assert_int_eq(conductor_window(rig.conductor, 1, 1, &opens_at_ms), WAIT_WINDOW);
	ck_assert_int_eq(opens_at_ms, TIME_NONE);
	ck_assert_int_gt(conductor_predicted_finish(rig.conductor, 1),
	                 RIG_BEGIN_MS + 9 * RIG_DAY_MS); /* its end */
	ck_assert_uint_eq(calls(), 0);
	rig_close();
}
END_TEST

static void check_fault(const char *schedule, const char *pointer, const char *detail)
{
	char json[512], reason[SPEC_REASON_SIZE];
	struct faults faults = FAULTS_INIT;
	struct campaign_spec spec;
	size_t at;

	snprintf(
	        json, sizeof json,
	        "{\"name\":\"t\",\"action\":{\"type\":\"reboot\",\"responseTimeoutSeconds\":120},\"targets\":{"
	        "\"all\":true},\"schedule\":{%s}}",
	        schedule);
	ck_assert_int_eq(spec_parse(json, strlen(json), false, &spec, &faults, &at, reason), ERR_OK);
	conductor_check(rig.conductor, &spec, &faults);
	ck_assert_uint_eq(faults.n, 1);
	ck_assert_str_eq(faults.all[0].pointer, pointer);
	ck_assert_msg(strstr(faults.all[0].detail, detail) != NULL, "%s", faults.all[0].detail);
	faults_done(&faults);
	spec_done(&spec);
}

START_TEST(test_what_is_unsound_about_times_is_named)
{
	rig_open();
	ck_assert_int_eq(rig_start(), ERR_OK);
	check_fault("\"endAt\":\"2026-11-27T23:59:59Z\"", "/schedule/endAt", "is in the past");
	check_fault(
	        "\"timeZone\":\"Atlantis/Center\",\"windows\":[{\"cron\":\"* * * * *\",\"durationMinutes\":1}]",
	        "/schedule/timeZone", "timeZone must be an IANA time zone");
	check_fault(
	        "\"timeZone\":\"device\",\"deviceTimeZone\":{\"from\":\"tags.z\",\"fallback\":\"Atlantis/Center\"},"
	        "\"windows\":[{\"cron\":\"* * * * *\",\"durationMinutes\":1}]",
	        "/schedule/deviceTimeZone/fallback", "fallback must be an IANA time zone");
	check_fault("\"windows\":[{\"cron\":\"61 * * * *\",\"durationMinutes\":1}]",
	            "/schedule/windows/0/cron", "cron ");
	check_fault("\"windows\":[{\"rrule\":\"FREQ=SOMETIMES\",\"durationMinutes\":1}]",
	            "/schedule/windows/0/rrule", "rrule ");
	check_fault("\"windows\":[{\"cron\":\"0 2 * * *\",\"durationMinutes\":1441}]",
	            "/schedule/windows/0/durationMinutes",
	            "at most 1440, the time from one start to the next");
	check_fault("\"windows\":[{\"rrule\":\"FREQ=DAILY;BYHOUR=1;BYMINUTE=0\",\"durationMinutes\":1}],"
	            "\"mustFinishInWindow\":true",
	            "/schedule/windows/0/durationMinutes", "must hold a call's time-outs");
	rig_close();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("record");

	log_setup(LOG_OFF, false, 2);
	TESTS(s, "record", test_a_campaign_that_cannot_be_read_keeps_the_service_from_starting,
	      test_a_live_campaign_of_a_hub_that_is_not_configured_is_refused_and_a_final_one_is_not,
	      test_a_record_that_cannot_be_read_keeps_the_service_from_starting,
	      test_a_tier_that_is_not_there_keeps_the_service_from_starting,
	      test_a_call_that_was_out_is_doubtful_and_its_end_on_record);
	TESTS(s, "times", test_in_a_time_zone_that_is_gone_no_window_opens,
	      test_what_is_unsound_about_times_is_named);
	return suite_run(s);
}
