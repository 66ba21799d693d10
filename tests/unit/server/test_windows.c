/* tests: server/conduct_windows.c: by whose clock a window opens, and what comes of it when that changes. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <string.h>

#include "server/base/log.h"
#include "tests/unit/server/conductor_rig.h"

#define MINUTE_MS 60000
#define HOUR_MS (60 * MINUTE_MS)
/* At two for an hour. */
#define SPEC(zone) \
	"{\"name\":\"t\",\"hubs\":[\"main\"],\"action\":{\"type\":\"method\",\"methodName\":\"m\"},\"targets\":{" \
	"\"all\":true},\"schedule\":{\"windows\":[{\"cron\":\"0 2 * * *\",\"durationMinutes\":60}],\"timeZone\":" \
	"" zone "}}"

static const char *zone_tag; /* of the one device that there is; NULL: it has none */

static void answer(size_t i)
{
	static struct reading row;
	const struct fake_request *r = fake_hub_at(rig.hubs[0], i);
	struct hub_answer a = fake_answer(HUB_ANSWERED, 200);

	ck_assert_int_eq(r->kind, FAKE_QUERY);
	if (r->condition == NULL || strcmp(r->condition, "deviceId = ''") != 0) {
		reading_of_absence("d-1", &row);
		row.is_point_read = false;
		row.is_there = row.is_enabled = true;
		row.zone.is_there = zone_tag != NULL;
		row.zone.text = (char *)(uintptr_t)zone_tag;
		a.rows = &row;
		a.rows_n = 1;
	}
	fake_hub_answer(rig.hubs[0], i, &a);
}

/* When the first call leaves, of those to come within a day and a half; TIME_NONE: none does. */
static int64_t first_call(void)
{
	for (int64_t until_ms = rig.now_ms + 36 * HOUR_MS; rig.now_ms < until_ms; rig_pass(MINUTE_MS))
		for (size_t i = 0; i < fake_hub_n(rig.hubs[0]); i++) {
			if (fake_hub_at(rig.hubs[0], i)->is_answered)
				continue;
			if (fake_hub_at(rig.hubs[0], i)->kind == FAKE_CALL)
				return rig.now_ms;
			answer(i);
		}
	return TIME_NONE;
}

/* Ends what is out, so that the rig can be closed. */
static void end(void)
{
	struct hub_answer a = fake_answer(HUB_ANSWERED, 200);

	for (size_t i = 0; i < fake_hub_n(rig.hubs[0]); i++)
		if (!fake_hub_at(rig.hubs[0], i)->is_answered)
			fake_hub_answer(rig.hubs[0], i, &a);
	rig_close();
}

static void start(const char *spec)
{
	rig_open();
	ck_assert_int_eq(rig_start(), ERR_OK);
	rig_create(spec);
}

static void check_called_at(int64_t at_ms)
{
	int64_t seen_ms = first_call();

	ck_assert_int_ge(seen_ms, at_ms);
	ck_assert_int_le(seen_ms, at_ms + 2 * MINUTE_MS);
}

START_TEST(test_a_device_is_called_by_its_own_clock_or_else_by_the_fallback)
{
	static const struct {
		const char *tag;
		int hour;
	} devices[] = {{"America/New_York", 7}, {"Mars/Base", 17}, {NULL, 17}};

	for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
		zone_tag = devices[i].tag;
		start(SPEC(
		        "\"device\",\"deviceTimeZone\":{\"from\":\"tags.zone\",\"fallback\":\"Asia/Tokyo\"}"));
		check_called_at(RIG_BEGIN_MS + devices[i].hour * HOUR_MS);
		end();
	}
}
END_TEST

START_TEST(test_another_window_holds_from_the_order_on)
{
	static const char patch[] =
	        "{\"schedule\":{\"windows\":[{\"cron\":\"0 5 * * *\",\"durationMinutes\":60}]}}";
	struct campaign_spec spec;
	struct faults faults = FAULTS_INIT;
	char reason[SPEC_REASON_SIZE];
	uint32_t revision;
	size_t at;

	start(SPEC("\"UTC\""));
	ck_assert_int_eq(spec_patch(conductor_spec(rig.conductor, rig.id, &revision), patch, strlen(patch),
	                            &spec, &faults, &at, reason),
	                 ERR_OK);
	conductor_respec(rig.conductor, rig.id, revision, &spec, "eva", rig_on_done, NULL);
	ck_assert_int_eq(rig_answer(), ERR_OK);
	check_called_at(RIG_BEGIN_MS + 5 * HOUR_MS);
	end();
}
END_TEST

START_TEST(test_by_a_zone_that_there_is_no_more_nobody_is_called)
{
	struct campaign_row row;
	int64_t opens_at_ms;

	rig_open();
	rig_put_selecting("old", SPEC("\"Atlantis/Center\""), rig.now_ms + 30 * RIG_DAY_MS);
	ck_assert_int_eq(rig_start(), ERR_OK);
	ck_assert_int_eq(first_call(), TIME_NONE);
	ck_assert_int_eq(conductor_window(rig.conductor, 1, 0, &opens_at_ms), WAIT_WINDOW);
	ck_assert_int_eq(opens_at_ms, TIME_NONE);
	ck_assert(rig_campaign("old", &row));
	ck_assert_int_eq(row.state, CAMPAIGN_RUNNING);
	end();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("windows");

	log_setup(LOG_OFF, false, 2);
	TESTS(s, "windows", test_a_device_is_called_by_its_own_clock_or_else_by_the_fallback,
	      test_another_window_holds_from_the_order_on,
	      test_by_a_zone_that_there_is_no_more_nobody_is_called);
	return suite_run(s);
}
