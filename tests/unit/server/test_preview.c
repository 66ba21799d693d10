/* tests: server/conduct_preview.c: what a campaign would come to, by what its hubs say, or do not. */
#include "tests/lib/suite.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/log.h"
#include "tests/unit/server/conductor_rig.h"

#define SPEC(targets, more) \
	"{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{" targets "}" more "}"
#define MANY 9 /* more than are made at once */

static json_t *told; /* the last one, NULL: none was */
static enum err err; /* … and what it came to */
static char why[256];
static uint32_t told_n;

static void on_told(void *arg, enum err e, const char *detail, const char *json)
{
	(void)arg;
	json_decref(told);
	told = json != NULL ? json_loads(json, 0, NULL) : NULL;
	ck_assert(e != ERR_OK || told != NULL);
	err = e;
	snprintf(why, sizeof why, "%s", detail);
	told_n++;
}

static void ask(const char *spec_json)
{
	struct campaign_spec spec;

	rig_parse(spec_json, &spec);
	conductor_preview(rig.conductor, &spec, on_told, NULL);
}

/* ---- the hubs ---- */

static char conditions[8192];
/* What a query finds; a probe finds nothing. */
static void (*on_query)(int hub, const struct fake_request *r, struct hub_answer *a);

static void serve(int64_t ms)
{
	for (int64_t until_ms = rig.now_ms + ms; rig.now_ms < until_ms; rig_pass(100))
		for (int hub = 0; hub < RIG_HUBS_N; hub++)
			for (size_t i = 0; i < fake_hub_n(rig.hubs[hub]); i++) {
				const struct fake_request r = *fake_hub_at(rig.hubs[hub], i);
				struct hub_answer a = fake_answer(HUB_ANSWERED, 200);

				if (r.is_answered)
					continue;
				if (r.condition == NULL || strcmp(r.condition, "deviceId = ''") != 0) {
					size_t n = strlen(conditions);

					snprintf(conditions + n, sizeof conditions - n, "%.*s|", 60,
					         r.condition != NULL ? r.condition : "");
					on_query(hub, &r, &a);
				}
				fake_hub_answer(rig.hubs[hub], i, &a);
			}
}

/* Twenty on each hub in two pages: seven of a site, none of another, five of none, the rest of that again. */
static void on_counts(int hub, const struct fake_request *r, struct hub_answer *a)
{
	static char site[] = "gbg";
	static struct reading rows[3];

	(void)hub;
	for (size_t i = 0; i < 3; i++)
		reading_of_absence("", &rows[i]);
	a->rows = rows;
	if (r->condition != NULL && strstr(r->condition, "status = 'disabled'") != NULL) {
		rows[0].n = 3;
		a->rows_n = 1;
		return;
	}
	if (r->condition != NULL && strstr(r->condition, "deviceId IN [") != NULL) {
		rows[0].n = 1;
		a->rows_n = 1;
		return;
	}
	rows[0].n = r->continuation == NULL ? 7 : 8;
	rows[0].group.text = site;
	rows[1].n = 0;
	rows[2].n = 5;
	a->rows_n = r->continuation == NULL ? 3 : 1;
	a->continuation = r->continuation == NULL ? "next" : NULL;
}

static void start(void)
{
	rig_open();
	ck_assert_int_eq(rig_start(), ERR_OK);
	on_query = on_counts;
	ask(SPEC("\"all\":true", ""));
	serve(3000); /* the hubs are open */
	ck_assert_int_eq(err, ERR_OK);
	conditions[0] = '\0';
	told_n = 0;
}

static void end(void)
{
	json_decref(told);
	told = NULL;
	rig_close();
}

static long long total(void)
{
	return json_integer_value(json_object_get(json_object_get(told, "targets"), "total"));
}

/* How many of them never run for that reason. */
static long long never(const char *reason)
{
	const json_t *item;
	size_t i;

	json_array_foreach (json_object_get(json_object_get(told, "targets"), "neverCalled"), i, item)
		if (strcmp(json_string_value(json_object_get(item, "reason")), reason) == 0)
			return json_integer_value(json_object_get(item, "count"));
	return 0;
}

/* ---- counting ---- */

static void on_a_fleet(int hub, const struct fake_request *r, struct hub_answer *a)
{
	on_counts(hub, r, a);
	a->rows[0].n = r->condition == NULL ? 5000 : 0;
	a->rows_n = 1;
	a->continuation = NULL;
}

START_TEST(test_pages_of_counts_are_added_up_by_group)
{
	start();
	on_query = on_counts;
	ask(SPEC("\"all\":true,\"exclude\":[\"a\",\"b\"]",
	         ",\"rollout\":{\"group\":{\"by\":\"tags.site\",\"maxUnavailable\":1}}"));
	serve(5000);
	ck_assert_int_eq(err, ERR_OK);
	ck_assert_int_eq(total(), 40);
	ck_assert_int_eq(never("disabled"), 6);
	ck_assert_int_eq(never("excluded"), 2);
	end();
}
END_TEST

START_TEST(test_devices_without_a_zone_are_told_and_taken_for_those_of_the_fallback)
{
	start();
	on_query = on_counts;
	ask(SPEC(
	        "\"where\":\"tags.a = 1\"",
	        ",\"schedule\":{\"endAt\":\"2026-12-08T00:00:00Z\",\"timeZone\":\"device\",\"deviceTimeZone\":{"
	        "\"from\":\"tags.zone\",\"fallback\":\"UTC\"},\"windows\":[{\"cron\":\"0 2 * * *\","
	        "\"durationMinutes\":60}]}"));
	serve(5000);
	ck_assert_int_eq(err, ERR_OK);
	ck_assert_int_eq(total(), 40);
	ck_assert_ptr_nonnull(strstr(conditions, "(tags.a = 1) AND status = 'disabled'|"));
	end();
}
END_TEST

/* When it is foretold to finish; all must, thirty days on. */
static const char *finish(const char *spec)
{
	ask(spec);
	serve(5000);
	ck_assert_int_eq(err, ERR_OK);
	return json_string_value(json_object_get(told, "finishesAt"));
}

#define EVERY_OTHER_MINUTE \
	SPEC("\"all\":true", ",\"rollout\":{\"ratePerMinute\":1},\"schedule\":{\"windows\":[{" \
	                     "\"cron\":\"*/2 * * * *\",\"durationMinutes\":1}]}")

START_TEST(test_an_end_is_foretold_as_far_as_windows_are_foreseen)
{
	start();
	ck_assert_str_lt(finish(SPEC("\"all\":true", ",\"schedule\":{\"blackouts\":[{\"from\":\"2026-11-20\","
	                                             "\"to\":\"2026-11-21\"}]}")),
	                 "2026-11-28T00:30");
	ck_assert_str_lt(finish(EVERY_OTHER_MINUTE), "2026-11-28T02");
	on_query = on_a_fleet;
	ck_assert_str_gt(finish(EVERY_OTHER_MINUTE), "2026-12-28"); /* more windows than anybody counts */
	end();
}
END_TEST

static void on_nobody(int hub, const struct fake_request *r, struct hub_answer *a)
{
	(void)hub;
	(void)r;
	(void)a;
}

START_TEST(test_a_campaign_without_devices_comes_to_nothing)
{
	static const char *const specs[] = {
	        SPEC("\"where\":\"tags.a = 1\",\"exclude\":[\"x\"]",
	             ",\"rollout\":{\"group\":{\"by\":\"tags.site\",\"maxUnavailable\":1},\"waves\":[{\"upToCount\":1},{"
	             "\"upToPercent\":100}]},\"schedule\":{\"timeZone\":\"device\",\"deviceTimeZone\":{\"from\":"
	             "\"tags.zone\",\"fallback\":\"UTC\"},\"windows\":[{\"cron\":\"0 2 * * *\",\"durationMinutes\":60}]}"),
	        SPEC("\"all\":true", ""), SPEC("\"deviceIds\":[\"x\"],\"exclude\":[\"x\"]", ""),
	        "{\"name\":\"t\",\"action\":{\"type\":\"reboot\",\"transport\":\"hubJob\"},\"targets\":{\"all\":true}}"};

	start();
	on_query = on_nobody;
	for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
		ask(specs[i]);
		serve(5000);
		ck_assert_int_eq(err, ERR_OK);
		ck_assert_int_eq(
		        json_integer_value(json_object_get(json_object_get(told, "targets"), "toCall")), 0);
	}
	end();
}
END_TEST

START_TEST(test_more_excluded_than_are_asked_for_are_taken_to_be_targets_but_not_more_than_there_are)
{
	char spec[8192];
	int n = snprintf(spec, sizeof spec,
	                 "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true,"
	                 "\"exclude\":[\"a\"");

	for (int i = 0; i < 400; i++)
		n += snprintf(spec + n, sizeof spec - (size_t)n, ",\"x-%d\"", i);
	snprintf(spec + n, sizeof spec - (size_t)n, "]}}");
	start();
	on_query = on_counts;
	ask(spec);
	serve(5000);
	ck_assert_int_eq(err, ERR_OK);
	ck_assert_int_eq(never("excluded"), 40 - 6);
	end();
}
END_TEST

START_TEST(test_ids_that_do_not_fit_beside_a_long_condition_are_not_asked_for)
{
	char where[6989], spec[8192];

	memset(where, 'x', sizeof where - 1);
	where[sizeof where - 1] = '\0';
	snprintf(spec, sizeof spec, SPEC("\"where\":\"tags.a = '%s'\",\"exclude\":[\"b\"]", ""), where);
	start();
	on_query = on_counts;
	ask(spec);
	serve(5000);
	ck_assert_int_eq(err, ERR_OK);
	ck_assert_int_eq(never("excluded"), 0);
	end();
}
END_TEST

/* ---- looking ids up ---- */

static void on_ids(int hub, const struct fake_request *r, struct hub_answer *a)
{
	static struct reading rows[4];
	static const char *const ids[] = {"d-1", "d-2", "d-3", "nobody-asked"};

	(void)r;
	for (size_t i = 0; i < 4; i++) {
		reading_of_absence(ids[i], &rows[i]);
		rows[i].is_there = true;
		rows[i].is_enabled = i == 0;
	}
	a->rows = rows;
	a->rows_n = hub == 0 ? 4 : 0;
}

START_TEST(test_ids_are_looked_up_and_those_that_never_run_are_named)
{
	start();
	on_query = on_ids;
	ask(SPEC("\"deviceIds\":[\"d-1\",\"d-2\",\"d-3\",\"d-4\",\"d-5\"],\"exclude\":[\"d-3\",\"d-5\"]",
	         ",\"hubs\":[\"main\"],\"rollout\":{\"group\":{\"by\":\"tags.site\",\"maxUnavailable\":1}}"));
	serve(5000);
	ck_assert_int_eq(err, ERR_OK);
	ck_assert_int_eq(total(), 5);
	ck_assert_int_eq(never("disabled"), 1);
	ck_assert_int_eq(never("notFound"), 1);
	ck_assert_int_eq(never("excluded"), 2);
	end();
}
END_TEST

START_TEST(test_a_long_list_is_counted_and_gone_through_only_for_those_excluded)
{
	start();
	on_query = on_ids;
	rig_list("l", 2500);
	ask(SPEC("\"list\":\"l\",\"exclude\":[\"d-7\",\"d-2499\",\"x\"]", ",\"hubs\":[\"main\"]"));
	serve(5000);
	ck_assert_int_eq(err, ERR_OK);
	ck_assert_int_eq(total(), 2500);
	ck_assert_int_eq(never("excluded"), 2);
	ck_assert_str_eq(conditions, ""); /* no hub was asked */
	ask(SPEC("\"list\":\"l\"", ",\"hubs\":[\"main\"]"));
	serve(5000);
	ck_assert_int_eq(err, ERR_OK);
	ck_assert_int_eq(never("excluded"), 0);
	rig_list("l", 3);
	ask(SPEC("\"list\":\"l\"", ",\"hubs\":[\"main\"]"));
	serve(5000);
	ck_assert_int_eq(total(), 3);
	ck_assert_int_eq(never("notFound"), 1); /* d-0 */
	end();
}
END_TEST

START_TEST(test_a_list_that_cannot_be_read_or_is_not_there_says_so)
{
	start();
	ask(SPEC("\"list\":\"none\"", ",\"hubs\":[\"main\"]"));
	serve(1000);
	ck_assert_int_eq(err, ERR_OK);
	ck_assert_int_eq(total(), 0);
	store_sync_fail_asks(rig.store, ERR_IO);
	ask(SPEC("\"list\":\"none\"", ",\"hubs\":[\"main\"]"));
	serve(1000);
	ck_assert_int_eq(err, ERR_IO);
	ck_assert_ptr_null(told);
	end();
}
END_TEST

START_TEST(test_while_the_record_takes_its_time_the_loop_rests)
{
	start();
	ask(SPEC("\"list\":\"none\"", ",\"hubs\":[\"main\"]"));
	(void)conductor_run(rig.conductor);
	rig.now_ms += 31000;
	ck_assert_int_gt(conductor_run(rig.conductor), rig.now_ms);
	rig_run();
	ck_assert_uint_eq(told_n, 1);
	end();
}
END_TEST

/* ---- hubs that do not answer ---- */

static void on_refusal(int hub, const struct fake_request *r, struct hub_answer *a)
{
	(void)r;
	*a = fake_answer(HUB_OUR_FAULT, 400);
	if (hub == 0)
		snprintf(a->error.message, sizeof a->error.message, "ParseError at 7");
	else
		a->detail = "no reason";
}

START_TEST(test_a_query_that_is_refused_is_told_in_the_hubs_words)
{
	start();
	on_query = on_refusal;
	ask(SPEC("\"all\":true", ",\"hubs\":[\"main\"]"));
	serve(1000);
	ck_assert_int_eq(err, ERR_INVALID);
	ck_assert_str_eq(why, "hub main could not count the devices: it refused the query: ParseError at 7");
	ask(SPEC("\"all\":true", ",\"hubs\":[\"side\"]"));
	serve(1000);
	ck_assert_str_eq(why, "hub side could not count the devices: it refused the query: no reason");
	ask(SPEC("\"all\":true", "")); /* both; it is told once */
	serve(1000);
	ck_assert_uint_eq(told_n, 3);
	end();
}
END_TEST

static void on_trouble(int hub, const struct fake_request *r, struct hub_answer *a)
{
	(void)hub;
	(void)r;
	*a = fake_answer(HUB_AMBIGUOUS, 500);
}

START_TEST(test_a_hub_that_fails_thrice_is_given_up)
{
	start();
	on_query = on_trouble;
	ask(SPEC("\"all\":true", ",\"hubs\":[\"main\"]"));
	serve(29000);
	ck_assert_int_eq(err, ERR_BUSY);
	ck_assert_str_eq(why, "hub main could not count the devices: ambiguous");
	end();
}
END_TEST

static void on_spent(int hub, const struct fake_request *r, struct hub_answer *a)
{
	(void)hub;
	(void)r;
	*a = fake_answer(HUB_QUOTA, 403);
}

START_TEST(test_a_hub_whose_day_is_spent_is_not_waited_for)
{
	start();
	on_query = on_spent;
	ask(SPEC("\"all\":true", ",\"hubs\":[\"main\"]"));
	serve(1000);
	ck_assert_int_eq(err, ERR_BUSY);
	ck_assert_str_eq(why, "hub main could not count the devices: quota");
	end();
}
END_TEST

START_TEST(test_a_hub_that_never_answers_is_waited_for_half_a_minute)
{
	start();
	ask(SPEC("\"all\":true", ",\"hubs\":[\"main\"]"));
	rig_pass(29999);
	ck_assert_uint_eq(told_n, 0);
	rig_pass(1);
	ck_assert_int_eq(err, ERR_BUSY);
	ck_assert_str_eq(why, "the devices could not be counted in time");
	on_query = on_counts;
	serve(1000); /* what comes then is for nobody */
	ck_assert_uint_eq(told_n, 1);
	end();
}
END_TEST

START_TEST(test_a_hub_that_is_shut_has_that_time_to_open)
{
	rig_open();
	ck_assert_int_eq(rig_start(), ERR_OK);
	told_n = 0;
	ask(SPEC("\"all\":true", ",\"hubs\":[\"main\"]"));
	rig_pass(30000);
	ck_assert_int_eq(err, ERR_BUSY);
	ck_assert_str_eq(why, "hub main could not count the devices: starting");
	end();
}
END_TEST

START_TEST(test_more_than_a_few_at_once_are_too_many_and_a_stop_forgets_all)
{
	start();
	for (int i = 0; i < MANY; i++)
		ask(SPEC("\"all\":true", ",\"hubs\":[\"main\"]"));
	rig_run();
	ck_assert_uint_ge(told_n, 1);
	ck_assert_int_eq(err, ERR_BUSY);
	ck_assert_str_eq(why, "too many previews are being made");
	end(); /* while the others are being made */
}
END_TEST

int main(void)
{
	Suite *s = suite_create("preview");

	log_setup(LOG_OFF, false, 2);
	TESTS(s, "counts", test_pages_of_counts_are_added_up_by_group,
	      test_devices_without_a_zone_are_told_and_taken_for_those_of_the_fallback,
	      test_an_end_is_foretold_as_far_as_windows_are_foreseen,
	      test_a_campaign_without_devices_comes_to_nothing,
	      test_more_excluded_than_are_asked_for_are_taken_to_be_targets_but_not_more_than_there_are,
	      test_ids_that_do_not_fit_beside_a_long_condition_are_not_asked_for);
	TESTS(s, "ids", test_ids_are_looked_up_and_those_that_never_run_are_named,
	      test_a_long_list_is_counted_and_gone_through_only_for_those_excluded,
	      test_a_list_that_cannot_be_read_or_is_not_there_says_so,
	      test_while_the_record_takes_its_time_the_loop_rests);
	TESTS(s, "no answer", test_a_query_that_is_refused_is_told_in_the_hubs_words,
	      test_a_hub_that_fails_thrice_is_given_up, test_a_hub_whose_day_is_spent_is_not_waited_for,
	      test_a_hub_that_never_answers_is_waited_for_half_a_minute,
	      test_a_hub_that_is_shut_has_that_time_to_open,
	      test_more_than_a_few_at_once_are_too_many_and_a_stop_forgets_all);
	return suite_run(s);
}
