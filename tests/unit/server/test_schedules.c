/* tests: server/conduct_schedules.c: schedules on record that cannot be gone on with as they are. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/log.h"
#include "tests/unit/server/conductor_rig.h"

#define AT(day) (RIG_BEGIN_MS + (day)*RIG_DAY_MS)
#define SPEC(zone, campaign) \
	"{\"name\":\"w\",\"recurrence\":{\"cron\":\"0 2 * * *\",\"timeZone\":\"" zone \
	"\"},\"campaign\":" campaign "}"
#define CAMPAIGN(hub) \
	"{\"name\":\"t\",\"hubs\":[\"" hub "\"],\"action\":{\"type\":\"reboot\"},\"targets\":{" \
	"\"deviceIds\":[\"d-1\"]}}"
#define SOUND SPEC("UTC", CAMPAIGN("main"))

static const struct conductor_request request = {.by = "eva"};

/* One that has been dealt with up to now, and is to occur at next_at_ms. */
static struct schedule_row row_of(const char *id, const char *spec, int64_t next_at_ms)
{
	struct schedule_row row = {.no = 1,
	                           .name = "w",
	                           .spec = spec,
	                           .revision = 1,
	                           .created_by = "eva",
	                           .created_at_ms = RIG_BEGIN_MS,
	                           .done_at_ms = RIG_BEGIN_MS,
	                           .done_local_s = INT64_MIN,
	                           .next_at_ms = next_at_ms,
	                           .queued_at_ms = TIME_NONE,
	                           .last_at_ms = TIME_NONE};

	snprintf(row.id, sizeof row.id, "%s", id);
	return row;
}

static void put(const struct schedule_row *row)
{
	struct batch *b = batch_new();

	batch_schedule_put(b, row);
	rig_put(b);
}

/* Has the schedules' newest event this in it? */
static bool was_told(const char *text)
{
	struct answer page;
	struct backend *record = store_sync_record(rig.store);
	bool is_told = false;

	answer_init(&page);
	ck_assert_int_eq(backend_read_events(record, 0, 0, STORE_PAGE_MAX, &page), ERR_OK);
	for (size_t i = 0; i < page.events_n; i++)
		if (page.events[i].type == EVENT_SCHEDULE && page.events[i].detail != NULL)
			is_told = strstr(page.events[i].detail, text) != NULL;
	answer_done(&page);
	backend_close(record);
	return is_told;
}

static bool read_schedule(const char *id, struct schedule_row *ret)
{
	struct answer page;
	struct backend *record = store_sync_record(rig.store);
	bool is_there;

	answer_init(&page);
	ck_assert_int_eq(
	        backend_read_schedules(record, &(struct schedule_filter){.id = id, .limit = 1}, &page),
	        ERR_OK);
	is_there = page.schedules_n == 1;
	if (is_there)
		*ret = page.schedules[0];
	ret->name = ret->spec = ret->created_by = NULL;
	answer_done(&page);
	backend_close(record);
	return is_there;
}

static enum err order(const char *id, enum schedule_order what)
{
	conductor_schedule_order(rig.conductor, id, what, "eva", rig_on_done, NULL);
	return rig_answer();
}

static enum err run(const char *id)
{
	conductor_schedule_run(rig.conductor, id, &request, rig_on_done, NULL);
	return rig_answer();
}

START_TEST(test_a_schedule_that_cannot_be_read_starts_nothing_and_takes_orders)
{
	static const char *const specs[] = {"{}", "no JSON", SPEC("Atlantis/Center", CAMPAIGN("main")),
	                                    "{\"name\":\"w\",\"recurrence\":{\"timeZone\":\"UTC\"}}",
	                                    "{\"name\":\"w\",\"recurrence\":{\"cron\":\"0 2 * * *\"}}"};

	for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
		struct schedule_row row = row_of("s", specs[i], AT(1));
		struct occurrence_view view;
		size_t n;

		rig_open();
		row.queued_at_ms = AT(-1);
		put(&row);
		ck_assert_int_eq(rig_start(), ERR_OK);
		rig_pass(2 * RIG_DAY_MS);
		ck_assert_int_eq(conductor_occurrences(rig.conductor, "s", TIME_NONE, 1, &view, &n), ERR_OK);
		ck_assert_uint_eq(n, 0);
		ck_assert_int_eq(order("s", SCHEDULE_PAUSE), ERR_OK);
		ck_assert_int_eq(order("s", SCHEDULE_RESUME), ERR_OK);
		if (i != 2) { /* whose campaign can be read */
			ck_assert_int_eq(run("s"), ERR_CONFLICT);
			ck_assert_uint_gt(strlen(rig.detail), 10);
			ck_assert(read_schedule("s", &row));
			ck_assert_uint_eq(row.started, 0);
		}
		ck_assert_int_eq(order("s", SCHEDULE_DELETE), ERR_OK);
		ck_assert(!read_schedule("s", &row));
		rig_close();
	}
}
END_TEST

START_TEST(test_a_campaign_that_is_not_sound_any_more_fails_each_occurrence_and_says_why)
{
	struct schedule_row row = row_of("s", SPEC("UTC", CAMPAIGN("gone")), AT(1));

	rig_open();
	put(&row);
	ck_assert_int_eq(rig_start(), ERR_OK);
	rig_pass(2 * RIG_DAY_MS);
	ck_assert(read_schedule("s", &row));
	ck_assert_uint_eq(row.failed, 2);
	ck_assert(was_told("/hubs/0: no hub named"));
	ck_assert_int_eq(run("s"), ERR_CONFLICT);
	ck_assert_ptr_nonnull(strstr(rig.detail, "no hub named \"gone\" is configured"));
	rig_close();
}
END_TEST

START_TEST(test_an_occurrence_that_finds_no_room_for_its_campaign_fails)
{
	struct schedule_row row = row_of("s", SOUND, AT(1));

	rig_open();
	rig.options.campaigns_max = 1;
	put(&row);
	ck_assert_int_eq(rig_start(), ERR_OK);
	rig_create(
	        "{\"name\":\"t\",\"hubs\":[\"main\"],\"action\":{\"type\":\"reboot\"},\"targets\":{\"deviceIds\":"
	        "[\"d-9\"]}}");
	rig_pass(RIG_DAY_MS);
	ck_assert(read_schedule("s", &row));
	ck_assert_uint_eq(row.failed, 1);
	ck_assert(was_told("campaignsMax"));
	rig_close();
}
END_TEST

START_TEST(test_other_time_zone_data_that_move_an_occurrence_are_told_once)
{
	struct schedule_row row = row_of("s", SOUND, AT(0) + 3 * 3600000);
	struct batch *b = batch_new();

	rig_open();
	put(&row);
	batch_note_put(b, "tzdata", "1999z");
	rig_put(b);
	ck_assert_int_eq(rig_start(), ERR_OK);
	rig_run();
	ck_assert(was_told("\"change\":\"moved\""));
	ck_assert(was_told("instead of 1999z"));
	ck_assert(read_schedule("s", &row));
	ck_assert_int_eq(row.next_at_ms, AT(0) + 2 * 3600000);
	rig_kill();
	ck_assert_int_eq(rig_start(), ERR_OK);
	rig_pass(2 * 3600000 + 1);
	ck_assert(was_told("\"change\":\"started\""));
	rig_close();
}
END_TEST

/* What has the clocks show 2:00 at two and at three: other time zone data may do that. */
START_TEST(test_what_was_dealt_with_does_not_run_again_when_the_clocks_show_the_same)
{
	struct schedule_row row = row_of("s", SOUND, AT(1));

	rig_open();
	row.done_at_ms = AT(0) + 3600000;
	row.done_local_s = (AT(0) + 2 * 3600000) / 1000;
	put(&row);
	ck_assert_int_eq(rig_start(), ERR_OK);
	rig_pass(3 * 3600000);
	ck_assert(read_schedule("s", &row));
	ck_assert_uint_eq(row.started, 0);
	rig_pass(RIG_DAY_MS);
	ck_assert(read_schedule("s", &row));
	ck_assert_uint_eq(row.started, 1);
	rig_close();
}
END_TEST

START_TEST(test_what_is_queued_and_waits_for_nothing_any_more_starts_at_once)
{
	struct schedule_row row = row_of("s", SOUND, AT(0) + 2 * 3600000);

	rig_open();
	row.queued_at_ms = AT(-1);
	put(&row);
	ck_assert_int_eq(rig_start(), ERR_OK);
	rig_pass(60000);
	ck_assert(read_schedule("s", &row));
	ck_assert_uint_eq(row.started, 1);
	ck_assert_int_eq(row.queued_at_ms, TIME_NONE);
	rig_close();
}
END_TEST

START_TEST(test_a_key_is_kept_with_the_schedule_that_it_made)
{
	const struct conductor_request keyed = {.by = "eva", .idempotency_key = "eva k", .body_hash = 5};
	struct schedule_spec spec;
	struct answer page;
	struct backend *record;

	rig_open();
	ck_assert_int_eq(rig_start(), ERR_OK);
	rig_parse_schedule(SOUND, &spec);
	conductor_schedule_create(rig.conductor, &spec, &keyed, rig_on_done, NULL);
	ck_assert_int_eq(rig_answer(), ERR_OK);
	record = store_sync_record(rig.store);
	answer_init(&page);
	ck_assert_int_eq(backend_read_idempotency(record, "eva k", 0, &page), ERR_OK);
	ck_assert(page.has_idempotency);
	ck_assert_str_eq(page.idempotency.campaign_id, rig.id);
	answer_done(&page);
	backend_close(record);
	rig_close();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("schedules");

	log_setup(LOG_OFF, false, 2);
	TESTS(s, "on record", test_a_schedule_that_cannot_be_read_starts_nothing_and_takes_orders,
	      test_a_campaign_that_is_not_sound_any_more_fails_each_occurrence_and_says_why,
	      test_an_occurrence_that_finds_no_room_for_its_campaign_fails,
	      test_other_time_zone_data_that_move_an_occurrence_are_told_once,
	      test_what_was_dealt_with_does_not_run_again_when_the_clocks_show_the_same,
	      test_what_is_queued_and_waits_for_nothing_any_more_starts_at_once,
	      test_a_key_is_kept_with_the_schedule_that_it_made);
	return suite_run(s);
}
