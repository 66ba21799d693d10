/* tests: server/conduct_select.c and conduct_look.c: how targets are found, page by page, id by id, over
 * restarts, and where the hub or the record does not answer. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"
#include "tests/unit/server/conductor_rig.h"

#define LOOKED_UP 300
#define SPEC(targets, more) \
	"{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{" targets "},\"rollout\":{\"gate\":{" \
	"\"approval\":\"start\"}" more "}"
#define ON_MAIN ",\"hubs\":[\"main\"]"

/* ---- the hubs ---- */

/* How they answer; each is asked anew for each request. */
static void (*on_read)(int hub, const char *device_id, struct hub_answer *a, struct reading *reading);
static void (*on_query)(int hub, const char *continuation, struct hub_answer *a);
static uint32_t reads_n, queries_n;

static void answer(int hub, size_t i)
{
	const struct fake_request r = *fake_hub_at(rig.hubs[hub], i);
	struct hub_answer a = fake_answer(HUB_ANSWERED, 200);
	struct reading reading;

	if (r.kind == FAKE_READ) {
		reading_of_absence(r.device_id, &reading);
		reading.is_there = reading.is_enabled = true;
		a.reading = &reading;
		reads_n++;
		on_read(hub, r.device_id, &a, &reading);
	} else if (strcmp(r.condition != NULL ? r.condition : "", "deviceId = ''") != 0) { /* else a probe */
		queries_n++;
		on_query(hub, r.continuation, &a);
	}
	fake_hub_answer(rig.hubs[hub], i, &a);
}

/* Runs, and has the hubs answer, for so long. */
static void serve(int64_t ms)
{
	for (int64_t until_ms = rig.now_ms + ms; rig.now_ms < until_ms; rig_pass(100))
		for (int hub = 0; hub < RIG_HUBS_N; hub++)
			for (size_t i = 0; i < fake_hub_n(rig.hubs[hub]); i++)
				if (!fake_hub_at(rig.hubs[hub], i)->is_answered)
					answer(hub, i);
}

/* ---- what came of it ---- */

static char id[ID_SIZE];

static void create(const char *spec)
{
	rig_create(spec);
	memcpy(id, rig.id, sizeof id);
}

static void start(void)
{
	rig_open();
	ck_assert_int_eq(rig_start(), ERR_OK);
	reads_n = queries_n = 0;
}

static void restart(void)
{
	rig_kill();
	ck_assert_int_eq(rig_start(), ERR_OK);
	reads_n = queries_n = 0;
}

static void check_state(enum campaign_state state, uint32_t total)
{
	struct campaign_row row;

	ck_assert(rig_campaign(id, &row));
	ck_assert_int_eq(row.state, state);
	ck_assert_uint_eq(row.counts.total, total);
}

static void check_failed(const char *why)
{
	struct campaign_row row;
	char reason[256];

	ck_assert(rig_campaign_says(id, &row, reason));
	ck_assert_int_eq(row.state, CAMPAIGN_FAILED);
	ck_assert_msg(strstr(reason, why) != NULL, "%s", reason);
	ck_assert_uint_eq(row.counts.total, 0);
}

/* ---- ids that are looked up ---- */

static int number(const char *device_id)
{
	return atoi(device_id + 2);
}

static int highest;               /* that was asked for */
static bool was_asked[LOOKED_UP]; /* on "main" */

/* Each third on either hub, every fifteenth on both, the others on none. */
static bool is_on(int hub, int no)
{
	return no % 15 == 0 || no % 3 == hub;
}

static void on_two_hubs(int hub, const char *device_id, struct hub_answer *a, struct reading *reading)
{
	static char site[] = "gbg", zone[] = "Europe/Stockholm";
	int no = number(device_id);

	highest = no > highest ? no : highest;
	if (hub == 0 && no % 70 == 0 && !was_asked[no]) { /* not the first time */
		was_asked[no] = true;
		*a = fake_answer(HUB_TROUBLE, 500);
	} else if (!is_on(hub, no)) {
		a->outcome = HUB_GONE;
		reading->is_there = false;
	} else {
		reading->is_enabled = no % 2 == 0;
		reading->group.is_there = reading->zone.is_there = no % 4 == 0;
		reading->group.text = no % 4 == 0 ? site : NULL;
		reading->zone.text = no % 4 == 0 ? zone : NULL;
	}
}

static void create_looked_up(const char *more)
{
	char spec[8192];
	int n = snprintf(spec, sizeof spec,
	                 "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"order\":"
	                 "\"asGiven\",\"deviceIds\":[");

	for (int i = 0; i < LOOKED_UP; i++)
		n += snprintf(spec + n, sizeof spec - (size_t)n, "%s\"d-%d\"", i > 0 ? "," : "", i);
	snprintf(
	        spec + n, sizeof spec - (size_t)n,
	        "]},\"rollout\":{\"gate\":{\"approval\":\"start\"},\"group\":{\"by\":\"tags.site\",\"maxUnavailable\":1}}%s}",
	        more);
	create(spec);
}

static uint32_t found(void)
{
	uint32_t n = 0;

	for (int no = 0; no < LOOKED_UP; no++)
		n += is_on(0, no) && is_on(1, no) ? 2 : 1; /* what no hub has is there, too, to be told so */
	return n;
}

START_TEST(test_each_id_is_looked_up_on_every_hub_and_not_again_after_a_restart)
{
	struct target_row row;
	char group[16];

	start();
	on_read = on_two_hubs;
	create_looked_up(
	        ",\"schedule\":{\"timeZone\":\"device\",\"windows\":[{\"cron\":\"0 2 * * *\","
	        "\"durationMinutes\":60}],\"deviceTimeZone\":{\"from\":\"tags.zone\",\"fallback\":\"UTC\"}}");
	while (highest < 256) /* the next batch */
		serve(100);
	check_state(CAMPAIGN_SELECTING, 0);
	restart();
	serve(60000);
	ck_assert_uint_eq(reads_n, 2 * (LOOKED_UP - 256));
	check_state(CAMPAIGN_AWAITING_APPROVAL, found());
	ck_assert(rig_target(id, "d-4", 1, &row, group));
	ck_assert_str_eq(group, "gbg");
	ck_assert_uint_eq(row.zone, 0); /* the first that was found */
	ck_assert(rig_target(id, "d-1", 1, &row, group));
	ck_assert_str_eq(group, "");
	ck_assert(rig_target(id, "d-15", 0, &row, group));
	ck_assert(rig_target(id, "d-15", 1, &row, group));
	ck_assert(rig_target(id, "d-2", 0, &row, group));
	rig_close();
}
END_TEST

START_TEST(test_what_is_answered_after_a_cancellation_is_dropped)
{
	start();
	on_read = on_two_hubs;
	create_looked_up(",\"verify\":{\"by\":\"none\"}");
	serve(200);
	rig_run();
	ck_assert_uint_gt(fake_hub_out(rig.hubs[0]), 0);
	conductor_order(rig.conductor, id, ORDER_CANCEL, "eva", rig_on_done, NULL);
	for (int hub = 0; hub < RIG_HUBS_N; hub++) /* before that is on record */
		for (size_t i = 0; i < fake_hub_n(rig.hubs[hub]); i++)
			if (!fake_hub_at(rig.hubs[hub], i)->is_answered)
				answer(hub, i);
	serve(10000);
	check_state(CAMPAIGN_CANCELLED, 0);
	rig_close();
}
END_TEST

START_TEST(test_without_proof_no_baseline_is_taken_of_those_looked_up)
{
	start();
	on_read = on_two_hubs;
	create_looked_up(",\"verify\":{\"by\":\"none\"}");
	serve(60000);
	check_state(CAMPAIGN_AWAITING_APPROVAL, found());
	rig_close();
}
END_TEST

/* ---- pages of a query ---- */

static int refused_from; /* the continuation of this page is refused, 0: none is */
static const char *refusal;

static void on_pages(int hub, const char *continuation, struct hub_answer *a)
{
	static struct reading rows[2];
	static char ids[2][16], next[16];
	int page = continuation != NULL ? atoi(continuation) : 0;

	(void)hub;
	if (page == refused_from && refused_from > 0) {
		*a = fake_answer(HUB_OUR_FAULT, 400);
		a->detail = refusal;
		return;
	}
	for (int i = 0; i < 2; i++) {
		snprintf(ids[i], sizeof ids[i], "d-%d", page * 2 + i);
		reading_of_absence(ids[i], &rows[i]);
		rows[i].is_point_read = false;
		rows[i].is_there = true;
		rows[i].is_enabled = i == 0;
	}
	snprintf(next, sizeof next, "%d", page + 1);
	a->rows = rows;
	a->rows_n = 2;
	a->continuation = page < 3 ? next : NULL;
}

START_TEST(test_pages_on_record_are_not_asked_for_again_after_a_restart)
{
	start();
	on_query = on_pages;
	refused_from = 0;
	create(SPEC("\"where\":\"tags.a = 1\"", "}" ON_MAIN));
	while (queries_n < 3)
		serve(100);
	rig_run();
	restart();
	serve(20000);
	ck_assert_uint_le(queries_n, 2);
	check_state(CAMPAIGN_AWAITING_APPROVAL, 8);
	rig_close();
}
END_TEST

START_TEST(test_a_page_that_the_hub_forgot_has_the_selection_begin_again_thrice_at_most)
{
	start();
	on_query = on_pages;
	refused_from = 2;
	refusal = "what continuation?";
	create(SPEC("\"all\":true", "}" ON_MAIN));
	serve(20000);
	ck_assert_uint_eq(queries_n, 4 * 3);
	check_failed("hub main refused the query: what continuation?");
	rig_close();
}
END_TEST

START_TEST(test_a_selection_that_begins_again_has_each_device_once)
{
	start();
	on_query = on_pages;
	refused_from = 2;
	refusal = "";
	create(SPEC("\"all\":true", "}" ON_MAIN));
	while (queries_n < 3)
		serve(100);
	refused_from = 0;
	serve(20000);
	check_state(CAMPAIGN_AWAITING_APPROVAL, 8);
	rig_close();
}
END_TEST

static void on_nobody(int hub, const char *continuation, struct hub_answer *a)
{
	(void)hub;
	(void)continuation;
	(void)a;
}

START_TEST(test_a_campaign_without_devices_is_over_at_once)
{
	static const char *const specs[] = {
	        SPEC("\"where\":\"tags.a = 1\"",
	             "},\"schedule\":{\"timeZone\":\"device\",\"deviceTimeZone\":{\"from\":\"tags.zone\",\"fallback\":\"UTC\"},"
	             "\"windows\":[{\"cron\":\"0 2 * * *\",\"durationMinutes\":60}]}" ON_MAIN),
	        SPEC("\"all\":true,\"exclude\":[\"x\"]",
	             ",\"group\":{\"by\":\"tags.site\",\"maxUnavailable\":1},\"waves\":[{\"upToCount\":1},{\"upToPercent\":100}]}"),
	        SPEC("\"all\":true", "},\"abort\":[{\"cause\":\"any\",\"percent\":1,\"do\":\"pause\"}]")};

	for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
		start();
		on_query = on_nobody;
		create(specs[i]);
		serve(5000);
		check_state(CAMPAIGN_COMPLETED, 0);
		rig_close();
	}
}
END_TEST

START_TEST(test_a_paused_campaign_finds_its_devices_and_says_nothing_of_it)
{
	uint64_t n, first;

	start();
	on_query = on_pages;
	refused_from = 0;
	create(SPEC("\"all\":true", "}" ON_MAIN));
	conductor_order(rig.conductor, id, ORDER_PAUSE, "eva", rig_on_done, NULL);
	ck_assert_int_eq(rig_answer(), ERR_OK);
	n = rig_events(&first);
	serve(20000);
	check_state(CAMPAIGN_PAUSED, 8);
	ck_assert_uint_eq(rig_events(&first), n + RIG_HUBS_N); /* that these are open */
	conductor_order(rig.conductor, id, ORDER_RESUME, "eva", rig_on_done, NULL);
	ck_assert_int_eq(rig_answer(), ERR_OK);
	check_state(CAMPAIGN_AWAITING_APPROVAL, 8);
	rig_close();
}
END_TEST

static void on_refusal(int hub, const char *continuation, struct hub_answer *a)
{
	(void)continuation;
	*a = fake_answer(hub == 0 ? HUB_OUR_FAULT : HUB_TROUBLE, hub == 0 ? 400 : 500);
	snprintf(a->error.message, sizeof a->error.message, "ParseError at 7");
}

START_TEST(test_a_query_that_is_refused_fails_the_campaign_in_the_hubs_words)
{
	start();
	on_query = on_refusal;
	create(SPEC("\"all\":true", "}"));
	serve(20000);
	check_failed("hub main refused the query: ParseError at 7");
	rig_close();
}
END_TEST

#define ZONED 5000 /* more than are stored in one commit */

static void on_zones(int hub, const char *continuation, struct hub_answer *a)
{
	static struct reading rows[ZONED];
	static char ids[ZONED][16], stockholm[] = "Europe/Stockholm", tokyo[] = "Asia/Tokyo",
	                            nowhere[] = "Nowhere";

	(void)hub;
	(void)continuation;
	for (int i = 0; i < ZONED; i++) {
		snprintf(ids[i], sizeof ids[i], "d-%d", i);
		reading_of_absence(ids[i], &rows[i]);
		rows[i].is_there = rows[i].is_enabled = true;
		rows[i].zone.text = i % 4 == 0 ? stockholm : i % 4 == 1 ? tokyo : i % 4 == 2 ? nowhere : NULL;
	}
	a->rows = rows;
	a->rows_n = ZONED;
}

START_TEST(test_each_device_keeps_its_zone_over_a_restart_while_they_are_stored)
{
	const char *const devices[] = {"d-4", "d-5", "d-6", "d-7", "d-4996", "d-4997", "d-4998", "d-4999"};
	struct target_row rows[8];
	struct campaign_row row;
	char group[16];

	for (uint32_t commit = 1; commit < 5; commit++) {
		start();
		on_query = on_zones;
		create(SPEC(
		        "\"all\":true,\"order\":\"byId\"",
		        "},\"schedule\":{\"timeZone\":\"device\",\"deviceTimeZone\":{\"from\":\"tags.zone\","
		        "\"fallback\":\"UTC\"},\"windows\":[{\"cron\":\"0 2 * * *\",\"durationMinutes\":60}]}" ON_MAIN));
		do { /* the page is there */
			serve(100);
			ck_assert(rig_campaign(id, &row));
		} while (queries_n == 0);
		store_sync_set_fate(rig.store, commit, COMMIT_IS_LAST);
		rig_run();
		restart();
		serve(1000);
		check_state(CAMPAIGN_AWAITING_APPROVAL, ZONED);
		for (int i = 0; i < 8; i++)
			ck_assert(rig_target(id, devices[i], 0, &rows[i], group));
		ck_assert_uint_ne(rows[0].zone, rows[1].zone);
		ck_assert_uint_ne(rows[0].zone, rows[2].zone);
		ck_assert_uint_ne(rows[1].zone, rows[2].zone);
		ck_assert_uint_eq(rows[2].zone, rows[3].zone);
		for (int i = 0; i < 4; i++)
			ck_assert_uint_eq(rows[i].zone, rows[i + 4].zone);
		rig_close();
	}
}
END_TEST

static void on_silence(int hub, const char *continuation, struct hub_answer *a)
{
	(void)hub;
	(void)continuation;
	*a = fake_answer(HUB_TROUBLE, 500);
}

START_TEST(test_where_the_end_comes_before_all_are_found_nobody_is_called)
{
	start();
	on_query = on_silence;
	create(SPEC("\"all\":true", "},\"schedule\":{\"endAfterSeconds\":600}" ON_MAIN));
	serve(590000);
	check_state(CAMPAIGN_SELECTING, 0);
	on_query = on_pages;
	refused_from = 0;
	rig_pass(20000);
	serve(20000);
	check_failed("endAt came before all devices were found");
	rig_close();
}
END_TEST

/* ---- lists ---- */

START_TEST(test_a_long_list_is_stored_a_little_at_a_time_over_a_restart)
{
	struct target_row row;
	char group[16];

	start();
	rig_list("l", 5000);
	create(SPEC("\"list\":\"l\",\"order\":\"asGiven\",\"exclude\":[\"d-4999\"]", "}" ON_MAIN));
	restart();
	rig_run();
	check_state(CAMPAIGN_AWAITING_APPROVAL, 5000);
	ck_assert(rig_target(id, "d-4999", 0, &row, group));
	ck_assert_int_eq(row.reason, REASON_EXCLUDED);
	rig_close();
}
END_TEST

START_TEST(test_a_restart_at_each_commit_of_a_long_list_stores_each_device_once)
{
	struct campaign_row row;
	int commits = 0;

	do {
		struct conductor_request request = {.by = "eva"};
		struct campaign_spec spec;

		start();
		rig_list("l", 5000);
		rig_parse(SPEC("\"list\":\"l\"", "}" ON_MAIN), &spec);
		conductor_create(rig.conductor, &spec, &request, rig_on_done, NULL);
		store_sync_set_fate(rig.store, (uint32_t)++commits + 1, COMMIT_IS_LAST);
		rig_run();
		memcpy(id, rig.id, sizeof id);
		restart();
		rig_run();
		ck_assert(rig_campaign(id, &row));
		ck_assert_uint_eq(row.counts.total, 5000);
		ck_assert_int_eq(row.state, CAMPAIGN_AWAITING_APPROVAL);
		rig_close();
	} while (commits < 9);
}
END_TEST

START_TEST(test_a_list_that_cannot_be_read_fails_the_campaign)
{
	struct conductor_request request = {.by = "eva"};
	struct campaign_spec spec;

	start();
	rig_list("l", 3);
	store_sync_fail_asks(rig.store, ERR_IO);
	rig_parse(SPEC("\"list\":\"l\"", "}" ON_MAIN), &spec);
	conductor_create(rig.conductor, &spec, &request, rig_on_done, NULL);
	ck_assert_int_eq(rig_answer(), ERR_OK);
	memcpy(id, rig.id, sizeof id);
	check_failed(err_text(ERR_IO));
	rig_close();
}
END_TEST

START_TEST(test_a_list_that_comes_after_a_cancellation_is_dropped)
{
	struct conductor_request request = {.by = "eva"};
	struct campaign_spec spec;

	start();
	rig_list("l", 3);
	rig_parse(SPEC("\"list\":\"l\"", "}" ON_MAIN), &spec);
	conductor_create(rig.conductor, &spec, &request, rig_on_done, NULL);
	(void)conductor_run(rig.conductor);
	store_sync_run(rig.store);
	memcpy(id, rig.id, sizeof id);
	conductor_order(rig.conductor, id, ORDER_CANCEL, "eva", rig_on_done, NULL);
	rig_run();
	check_state(CAMPAIGN_CANCELLED, 0);
	rig_close();
}
END_TEST

/* ---- the end ---- */

START_TEST(test_where_only_the_last_word_is_missing_it_is_said_at_the_start)
{
	rig_open();
	rig_put_selecting("late", SPEC("\"where\":\"tags.a = 1\"", "}" ON_MAIN), rig.now_ms + RIG_DAY_MS);
	ck_assert_int_eq(rig_start(), ERR_OK);
	rig_run();
	snprintf(id, sizeof id, "late");
	check_state(CAMPAIGN_AWAITING_APPROVAL, 1);
	rig_close();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("select");

	log_setup(LOG_OFF, false, 2);
	TESTS(s, "look", test_each_id_is_looked_up_on_every_hub_and_not_again_after_a_restart,
	      test_what_is_answered_after_a_cancellation_is_dropped,
	      test_without_proof_no_baseline_is_taken_of_those_looked_up);
	TESTS(s, "pages", test_pages_on_record_are_not_asked_for_again_after_a_restart,
	      test_a_page_that_the_hub_forgot_has_the_selection_begin_again_thrice_at_most,
	      test_a_selection_that_begins_again_has_each_device_once,
	      test_a_campaign_without_devices_is_over_at_once,
	      test_a_paused_campaign_finds_its_devices_and_says_nothing_of_it,
	      test_a_query_that_is_refused_fails_the_campaign_in_the_hubs_words,
	      test_each_device_keeps_its_zone_over_a_restart_while_they_are_stored,
	      test_where_the_end_comes_before_all_are_found_nobody_is_called);
	TESTS(s, "lists", test_a_long_list_is_stored_a_little_at_a_time_over_a_restart,
	      test_a_restart_at_each_commit_of_a_long_list_stores_each_device_once,
	      test_a_list_that_cannot_be_read_fails_the_campaign,
	      test_a_list_that_comes_after_a_cancellation_is_dropped);
	TESTS(s, "the end", test_where_only_the_last_word_is_missing_it_is_said_at_the_start);
	return suite_run(s);
}
