/* tests: server/track: track */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/track/track.h"
#include "tests/lib/fake_hub.h"

#define NOW 1700000000000
/* An interval of 5 s: who is watched at NOW is due then, and asked about when that has been so for a second.
 */
#define DUE 2500
#define RIPE 3500

static struct hub *hub;
static struct track *track;
static struct watch *watch, *other_watch, *where_watch;
static struct buf told; /* what came back, in order */
static uint32_t outcomes[HUB_OUTCOMES_N];
static struct track_cost costs[4];                     /* by campaign */
static void (*on_told)(const struct track_news *news); /* what to do then, NULL: nothing */

static void on_news(void *arg, const struct track_news *news)
{
	ck_assert_ptr_eq(arg, &told);
	buf_printf(&told, "%u/%u %s@%lld;", news->campaign, news->no,
	           news->reading == NULL          ? "failed"
	           : news->reading->is_point_read ? "read"
	                                          : "row",
	           (long long)(news->asked_at_ms - NOW));
	if (on_told != NULL)
		on_told(news);
}

static void on_outcome(void *arg, const struct hub_answer *answer)
{
	ck_assert_ptr_eq(arg, &told);
	outcomes[answer->outcome]++;
}

static void on_cost(void *arg, uint32_t campaign, const struct track_cost *cost)
{
	ck_assert_ptr_eq(arg, &told);
	costs[campaign].pages += cost->pages;
	costs[campaign].reads += cost->reads;
	costs[campaign].messages += cost->messages;
}

static void ck_cost(uint32_t campaign, uint32_t pages, uint32_t reads, uint32_t messages)
{
	ck_assert_uint_eq(costs[campaign].pages, pages);
	ck_assert_uint_eq(costs[campaign].reads, reads);
	ck_assert_uint_eq(costs[campaign].messages, messages);
}

static void on_selected(void *arg, const struct hub_answer *answer)
{
	buf_printf(&told, "%s %d rows%zu;", arg != NULL ? (const char *)arg : "nobody", answer->http_status,
	           answer->rows_n);
}

static struct watch *watch_of(const char *select, const char *candidates)
{
	struct watch_options options = {.value_path = select, .success = candidates};
	struct watch *w;

	ck_assert_int_eq(watch_new(&options, &w), ERR_OK);
	return w;
}

static void start(uint32_t queries_per_minute, uint32_t reads_per_minute, uint32_t reads_inflight_max)
{
	struct track_options options = {.interval_ms = 5000,
	                                .queries_per_minute = queries_per_minute,
	                                .reads_per_minute = reads_per_minute,
	                                .reads_inflight_max = reads_inflight_max,
	                                .message_bytes = 4096,
	                                .on_news = on_news,
	                                .on_outcome = on_outcome,
	                                .on_cost = on_cost};

	memset(costs, 0, sizeof costs);
	buf_init(&told);
	buf_puts(&told, "");
	on_told = NULL;
	hub = fake_hub_new();
	watch = watch_of("deviceId", NULL);
	other_watch = watch_of("deviceId", NULL);
	where_watch = watch_of("deviceId", "tags.a = 1");
	track = track_new(&options, hub, NOW, &told);
}

static void answer_with(size_t i, struct hub_answer a)
{
	fake_hub_answer(hub, i, &a);
}

static void answer(size_t i, enum hub_outcome outcome, int http_status)
{
	answer_with(i, fake_answer(outcome, http_status));
}

/* A page with a row for each id of a list "a b c". */
static void answer_rows(size_t i, const char *ids, const char *continuation)
{
	struct reading rows[128];
	struct hub_answer a = fake_answer(HUB_ANSWERED, 200);
	char *copy = xstrdup(ids), *rest = copy, *id;

	while ((id = strsep(&rest, " ")) != NULL)
		if (*id != '\0')
			rows[a.rows_n++] = (struct reading){.device_id = id, .is_there = true};
	a.rows = rows;
	a.continuation = continuation;
	answer_with(i, a);
	free(copy);
}

static void answer_twin(size_t i)
{
	struct reading reading = {
	        .device_id = fake_hub_at(hub, i)->device_id, .is_point_read = true, .is_there = true};
	struct hub_answer a = fake_answer(HUB_ANSWERED, 200);

	a.reading = &reading;
	answer_with(i, a);
}

static void stop(void)
{
	track_free(track);
	for (size_t i = 0; i < fake_hub_n(hub); i++)
		if (!fake_hub_at(hub, i)->is_answered)
			answer_rows(i, "a b c", NULL);
	fake_hub_free(hub);
	watch_free(watch);
	watch_free(other_watch);
	watch_free(where_watch);
	buf_done(&told);
}

static void ck_told(const char *expected)
{
	ck_assert_str_eq(told.data, expected);
	buf_reset(&told);
	buf_puts(&told, "");
}

static const char *condition(size_t i)
{
	return fake_hub_at(hub, i)->condition;
}

static int64_t run(int64_t after_ms)
{
	int64_t next = track_run(track, NOW + after_ms, true);

	return next == TIME_NEVER ? TIME_NEVER : next - NOW;
}

START_TEST(test_watched_are_asked_about_in_one_query_and_told_their_rows)
{
	start(0, 0, 8);
	track_watch(track, 1, 0, "a", true, TIME_NONE, watch);
	track_watch(track, 1, 1, "it's\\b", true, TIME_NONE, watch);
	track_watch(track, 1, 2, "c", true, TIME_NONE, watch);
	ck_assert_int_eq(run(0), DUE);
	ck_assert_int_eq(run(DUE), RIPE);
	ck_assert_uint_eq(fake_hub_n(hub), 0);
	ck_assert_int_eq(run(RIPE), RIPE + 5000);
	ck_assert_uint_eq(fake_hub_n(hub), 1);
	ck_assert_str_eq(condition(0), "deviceId IN ['a','it\\'s\\\\b','c']");
	ck_assert_ptr_eq(fake_hub_at(hub, 0)->watch, watch);
	answer_rows(0, "c it's\\b stranger", NULL);
	ck_told("1/2 row@3500;1/1 row@3500;");
	ck_assert_uint_eq(outcomes[HUB_ANSWERED], 1);
	ck_cost(1, 1, 0, 4);
	stop();
}
END_TEST

START_TEST(test_rows_are_asked_for_only_of_those_that_have_reported_since_their_call)
{
	start(0, 0, 8);
	track_watch(track, 1, 0, "a", true, NOW - 1000, watch);
	track_watch(track, 1, 1, "b", true, NOW - 3000, watch);
	track_watch(track, 2, 0, "c", true, NOW - 1000, where_watch); /* a tag is not reported */
	track_watch(track, 2, 1, "d", true, NOW - 3000, where_watch);
	run(RIPE);
	ck_assert_str_eq(condition(0),
	                 "deviceId IN ['a','b'] AND properties.reported.$metadata.$lastUpdated >= "
	                 "'2023-11-14T22:13:16.000Z'");
	ck_assert_str_eq(condition(1), "deviceId IN ['c','d'] AND (tags.a = 1)");
	stop();
}
END_TEST

/* At that time: a, whose value changed at changed_ms, by the hub's clock, which is ours. */
static void answer_change(size_t i, int64_t at_ms, int64_t changed_ms)
{
	struct reading row = {.device_id = "a", .is_there = true, .value.at_ms = changed_ms};
	struct hub_answer a = fake_answer(HUB_ANSWERED, 200);

	a.rows = &row;
	a.rows_n = 1;
	a.hub_at_ms = NOW + at_ms;
	answer_with(i, a);
}

static int64_t lag_seen(void)
{
	struct track_stats stats;

	track_stats(track, &stats);
	return stats.query_lag_ms;
}

START_TEST(test_a_change_that_an_earlier_query_did_not_show_tells_how_old_that_was)
{
	struct hub_answer nothing = fake_answer(HUB_ANSWERED, 200);

	start(0, 0, 8);
	nothing.hub_at_ms = NOW + RIPE;
	track_watch(track, 1, 0, "a", true, NOW, watch);
	track_watch(track, 1, 1, "b", true, NOW, watch);
	run(RIPE);
	ck_assert_int_eq(lag_seen(), TIME_NONE);
	answer_with(0, nothing);
	run(RIPE + 6000);
	answer_change(1, RIPE + 6000, NOW + 1500); /* the first query was asked 2 s later */
	ck_assert_int_eq(lag_seen(), 2000);
	run(RIPE + 12000);
	answer_change(2, RIPE + 12000, NOW + 1500); /* which is known by now */
	ck_assert_int_eq(lag_seen(), 2000);
	stop();
}
END_TEST

START_TEST(test_a_query_that_failed_or_was_not_read_to_its_end_showed_nothing_old)
{
	start(0, 0, 8);
	track_watch(track, 1, 0, "a", true, NOW, watch);
	track_watch(track, 1, 1, "b", true, NOW, watch);
	run(RIPE);
	answer(0, HUB_TROUBLE, 500);
	run(RIPE + 6000);
	answer_rows(1, "b", "more");
	run(RIPE + 6001);
	answer_change(2, RIPE + 6001, NOW + 1500); /* of the second page */
	ck_assert_int_eq(lag_seen(), 0);
	stop();
}
END_TEST

START_TEST(test_who_is_due_alone_is_read)
{
	start(0, 0, 8);
	track_watch(track, 1, 0, "a", true, TIME_NONE, watch);
	run(RIPE);
	ck_assert_uint_eq(fake_hub_n(hub), 1);
	ck_assert_int_eq(fake_hub_at(hub, 0)->kind, FAKE_READ);
	answer_twin(0);
	ck_told("1/0 read@3500;");
	ck_cost(1, 0, 1, 1);
	ck_assert_int_eq(run(RIPE), RIPE + 5000);
	stop();
}
END_TEST

START_TEST(test_who_is_watched_in_case_something_happens_is_never_urgent)
{
	struct track_stats stats;
	char id[8];

	start(2, 6000, 8); /* one query, and reads to spare */
	for (uint32_t no = 0; no < 300; no++) {
		snprintf(id, sizeof id, "d%03u", no);
		track_watch(track, 1, no, id, false, NOW, watch);
	}
	ck_assert_int_eq(run(0), 5000);
	run(5000);
	run(20000);
	ck_assert_uint_eq(fake_hub_n(hub), 1);
	track_stats(track, &stats);
	ck_assert_uint_eq(stats.reads_queued, 0);
	track_watch(track, 2, 0, "x", true, NOW, watch);
	ck_assert_int_eq(run(20000), 20000 + DUE + 2500); /* as if nobody had been watched */
	stop();
}
END_TEST

START_TEST(test_pages_that_are_not_full_are_an_interval_apart)
{
	start(0, 0, 8);
	track_watch(track, 1, 0, "a", true, TIME_NONE, watch);
	track_watch(track, 1, 1, "b", true, TIME_NONE, watch);
	run(1500);
	track_watch(track, 1, 2, "c", true, TIME_NONE, watch);
	track_watch(track, 1, 3, "d", true, TIME_NONE, watch);
	run(RIPE);
	ck_assert_int_eq(run(4000), RIPE + 5000); /* c and d are due */
	ck_assert_uint_eq(fake_hub_n(hub), 1);
	run(RIPE + 5000);
	ck_assert_uint_eq(fake_hub_n(hub), 2);
	ck_assert_str_eq(condition(1), "deviceId IN ['c','d','a','b']");
	stop();
}
END_TEST

START_TEST(test_a_full_page_does_not_wait_for_more)
{
	char id[8];

	start(0, 0, 8);
	for (uint32_t no = 0; no < 100; no++) {
		snprintf(id, sizeof id, "d%03u", no);
		track_watch(track, 1, no, id, true, TIME_NONE, watch);
	}
	run(DUE - 1);
	ck_assert_uint_eq(fake_hub_n(hub), 0);
	run(DUE);
	ck_assert_uint_eq(fake_hub_n(hub), 1);
	stop();
}
END_TEST

START_TEST(test_the_longer_watched_the_seldomer_asked)
{
	int64_t at[64], longest = 0;
	size_t n = 0;

	start(0, 0, 8);
	track_watch(track, 1, 0, "a", true, TIME_NONE, watch);
	for (int64_t now = 0; now <= 3600000 && n < 64; now += 500) {
		run(now);
		if (fake_hub_n(hub) == n)
			continue;
		at[n] = now;
		answer_twin(n++);
	}
	ck_assert_int_eq(at[0], RIPE);
	ck_assert_int_eq(at[1], RIPE + 6000); /* an interval, and a second of waiting for company */
	ck_assert_uint_le(n, 50);
	for (size_t i = 1; i < n; i++) {
		ck_assert_int_ge(at[i] - at[i - 1], longest);
		longest = at[i] - at[i - 1];
		ck_assert_int_le(longest, at[i - 1] / 4 + 6000);
	}
	ck_assert_int_ge(longest, 160000);
	stop();
}
END_TEST

START_TEST(test_waits_go_on_where_the_clock_steps_back)
{
	start(0, 0, 8);
	track_watch(track, 1, 0, "a", true, TIME_NONE, watch);
	run(2000);
	ck_assert_int_eq(run(-3600000), -3600000 + 500);
	run(-3600000 + 1500);
	ck_assert_uint_eq(fake_hub_n(hub), 1);
	stop();
}
END_TEST

START_TEST(test_pages_are_read_to_the_end_with_the_same_condition)
{
	struct track_stats stats;

	start(0, 0, 8);
	track_watch(track, 1, 0, "a", true, TIME_NONE, watch);
	track_watch(track, 1, 1, "b", true, TIME_NONE, watch);
	run(RIPE);
	answer_rows(0, "", "more");
	ck_assert_int_eq(run(RIPE + 10), RIPE + 5000);
	ck_assert_str_eq(condition(1), condition(0));
	ck_assert_str_eq(fake_hub_at(hub, 1)->continuation, "more");
	answer_rows(1, "b", "even more");
	run(RIPE + 20);
	ck_assert_str_eq(fake_hub_at(hub, 2)->continuation, "even more");
	answer_rows(2, "a", NULL);
	ck_told("1/1 row@3510;1/0 row@3520;");
	ck_assert_int_eq(run(RIPE + 30), RIPE + 5000);
	track_stats(track, &stats);
	ck_assert_uint_eq(stats.pages, 3);
	ck_assert_uint_eq(stats.rows, 2);
	ck_assert_uint_eq(stats.watched, 2);
	stop();
}
END_TEST

START_TEST(test_hub_that_goes_in_circles_is_left)
{
	start(0, 0, 8);
	track_watch(track, 1, 0, "a", true, TIME_NONE, watch);
	track_watch(track, 1, 1, "b", true, TIME_NONE, watch);
	for (size_t i = 0; i < 100; i++) {
		run(RIPE);
		ck_assert_uint_eq(fake_hub_n(hub), i + 1);
		answer_rows(i, "", "again");
	}
	ck_assert_int_eq(run(RIPE), RIPE + 5000);
	stop();
}
END_TEST

START_TEST(test_a_small_campaign_shares_the_next_page_with_a_large_one)
{
	char id[8];

	start(2, 0, 8); /* one token at a time, each 30 s */
	for (uint32_t no = 0; no < 1000; no++) {
		snprintf(id, sizeof id, "d%03u", no);
		track_watch(track, 1, no, id, true, TIME_NONE, watch);
	}
	track_watch(track, 2, 0, "x", true, TIME_NONE, watch);
	track_watch(track, 2, 1, "y", true, TIME_NONE, watch);
	run(RIPE);
	ck_assert_ptr_nonnull(strstr(condition(0), "['d000','x','d001','y','d002',"));
	ck_assert_ptr_nonnull(strstr(condition(0), ",'d097']"));
	answer_rows(0, "d000 x d001 stranger", NULL);
	ck_told("1/0 row@3500;2/0 row@3500;1/1 row@3500;");
	ck_cost(1, 1, 0, 4);
	ck_cost(2, 0, 0, 1);
	stop();
}
END_TEST

START_TEST(test_campaigns_that_watch_differently_take_turns_with_queries)
{
	char id[8];

	start(2, 0, 8);
	track_spare(track, true); /* no reads instead */
	for (uint32_t no = 0; no < 250; no++) {
		snprintf(id, sizeof id, "d%03u", no);
		track_watch(track, 1, no, id, true, TIME_NONE, watch);
	}
	track_watch(track, 2, 0, "x", true, TIME_NONE, other_watch);
	track_watch(track, 2, 1, "y", true, TIME_NONE, other_watch);
	run(RIPE);
	ck_assert_uint_eq(fake_hub_n(hub), 1);
	ck_assert_ptr_nonnull(strstr(condition(0), "['d000',"));
	ck_assert_ptr_nonnull(strstr(condition(0), ",'d099']"));
	answer_rows(0, "d000", NULL);
	ck_assert_int_eq(run(RIPE + 29999), RIPE + 30000);
	run(RIPE + 30000);
	ck_assert_str_eq(condition(1), "deviceId IN ['x','y']");
	answer_rows(1, "", NULL);
	run(RIPE + 60000);
	ck_assert_ptr_nonnull(strstr(condition(2), "d100"));
	stop();
}
END_TEST

START_TEST(test_campaigns_take_turns_with_reads)
{
	char id[8];

	start(0, 60, 100); /* one a second */
	for (uint32_t no = 0; no < 100; no++) {
		snprintf(id, sizeof id, "d%03u", no);
		track_read(track, 1, no, id, false, watch);
	}
	track_read(track, 2, 0, "x", true, watch);
	track_read(track, 2, 1, "y", true, watch);
	for (int64_t second = 0; second < 5; second++)
		run(second * 1000);
	ck_assert_str_eq(fake_hub_at(hub, 0)->device_id, "d000");
	ck_assert_str_eq(fake_hub_at(hub, 1)->device_id, "x");
	ck_assert_str_eq(fake_hub_at(hub, 2)->device_id, "d001");
	ck_assert_str_eq(fake_hub_at(hub, 3)->device_id, "y");
	ck_assert_str_eq(fake_hub_at(hub, 4)->device_id, "d002");
	stop();
}
END_TEST

START_TEST(test_who_is_late_for_the_first_time_is_read_where_queries_are_scarce)
{
	char id[8];

	start(2, 6000, 8);
	for (uint32_t no = 0; no < 300; no++) {
		snprintf(id, sizeof id, "d%03u", no);
		track_watch(track, 1, no, id, true, TIME_NONE, watch);
	}
	run(DUE);
	ck_assert_uint_eq(fake_hub_n(hub), 1); /* the one query there is */
	run(DUE + 2499);
	ck_assert_uint_eq(fake_hub_n(hub), 1);
	run(DUE + 2500);
	ck_assert_uint_eq(fake_hub_n(hub), 1 + 8); /* as many reads as may be out */
	for (size_t i = 0; i < 201; i++) {
		if (i < fake_hub_n(hub) && i > 0)
			answer_twin(i);
		run(DUE + 2501 + (int64_t)i * 10);
	}
	ck_assert_uint_eq(fake_hub_n(hub), 201);
	run(DUE + 20000);
	ck_assert_uint_eq(fake_hub_n(hub), 201); /* again: by query, when there is one */
	stop();
	start(2, 6000, 8);
	track_spare(track, true);
	for (uint32_t no = 0; no < 300; no++) {
		snprintf(id, sizeof id, "d%03u", no);
		track_watch(track, 1, no, id, true, TIME_NONE, watch);
	}
	run(DUE);
	run(DUE + 20000);
	ck_assert_uint_eq(fake_hub_n(hub), 1); /* nor while messages are short */
	stop();
}
END_TEST

/* An answer to number i at the hub's time of now_ms. */
static void answer_rows_at(size_t i, const char *ids, const char *continuation, int64_t at_ms)
{
	struct reading rows[128];
	struct hub_answer a = fake_answer(HUB_ANSWERED, 200);
	char *copy = xstrdup(ids), *rest = copy, *id;

	while ((id = strsep(&rest, " ")) != NULL)
		if (*id != '\0')
			rows[a.rows_n++] = (struct reading){.device_id = id, .is_there = true};
	a.rows = rows;
	a.continuation = continuation;
	a.hub_at_ms = at_ms;
	answer_with(i, a);
	free(copy);
}

START_TEST(test_many_that_are_due_again_are_scanned_for_what_has_changed)
{
	char id[8];
	size_t i;

	start(0, 0, 8);
	for (uint32_t no = 0; no < 400; no++) {
		snprintf(id, sizeof id, "d%03u", no);
		track_watch(track, 1, no, id, true, TIME_NONE, watch);
	}
	run(DUE);
	for (i = 0; i < 4; i++) /* the first time by id */
		answer_rows_at(i, "", NULL, NOW + DUE);
	run(DUE + 5000);
	ck_assert_uint_eq(fake_hub_n(hub), 5);
	/* since the first answer came, and half a minute before, and a second */
	ck_assert_str_eq(condition(4),
	                 "properties.reported.$metadata.$lastUpdated >= '2023-11-14T22:12:51.500Z'");
	answer_rows_at(4, "d007 stranger", NULL, NOW + DUE + 5000);
	ck_told("1/7 row@7500;");
	ck_cost(1, 5, 0, 4 + 3);
	ck_assert_int_eq(run(DUE + 5001), DUE + 10000);
	track_watch(track, 1, 400, "new", true, TIME_NONE, watch);
	track_watch(track, 1, 401, "newer", true, TIME_NONE, watch);
	run(DUE + 10000);
	ck_assert_uint_eq(fake_hub_n(hub), 6);
	ck_assert_str_eq(condition(5),
	                 "properties.reported.$metadata.$lastUpdated >= '2023-11-14T22:12:56.500Z'");
	run(DUE + 15000);
	ck_assert_uint_eq(fake_hub_n(hub), 7); /* the new ones do not wait for its answer */
	ck_assert_str_eq(condition(6), "deviceId IN ['new','newer']");
	stop();
}
END_TEST

START_TEST(test_a_scan_that_fails_has_asked_about_nobody)
{
	char id[8];
	size_t i;

	start(0, 0, 8);
	for (uint32_t no = 0; no < 400; no++) {
		snprintf(id, sizeof id, "d%03u", no);
		track_watch(track, 1, no, id, true, TIME_NONE, watch);
	}
	run(DUE);
	for (i = 0; i < 4; i++)
		answer_rows_at(i, "", NULL, NOW + DUE);
	run(DUE + 5000);
	ck_assert_uint_eq(fake_hub_n(hub), 5);
	ck_assert_ptr_null(strstr(condition(4), "deviceId"));
	answer(4, HUB_TROUBLE, 503);
	run(DUE + 5001); /* they are still due, and what is asked about is not only what has changed since */
	ck_assert_uint_gt(fake_hub_n(hub), 5);
	ck_assert_str_eq(condition(5), condition(4));
	stop();
}
END_TEST

START_TEST(test_a_scan_that_finds_too_much_is_given_up_for_ids)
{
	char id[8];
	size_t i;

	start(0, 0, 8);
	for (uint32_t no = 0; no < 300; no++) {
		snprintf(id, sizeof id, "d%03u", no);
		track_watch(track, 1, no, id, true, TIME_NONE, watch);
	}
	run(DUE);
	for (i = 0; i < 3; i++)
		answer_rows_at(i, "", NULL, NOW + DUE);
	run(DUE + 5000);
	for (i = 3; i < 6; i++) { /* as many pages as by id */
		ck_assert_uint_eq(fake_hub_n(hub), i + 1);
		ck_assert_ptr_null(strstr(condition(i), "deviceId"));
		answer_rows_at(i, "x y z", "more", NOW + DUE + 5000);
		run(DUE + 5000);
	}
	ck_assert_uint_eq(fake_hub_n(hub), 9);
	for (; i < 9; i++)
		ck_assert_ptr_nonnull(strstr(condition(i), "deviceId IN"));
	stop();
}
END_TEST

START_TEST(test_query_text_stays_within_the_hubs_limit)
{
	enum { SELECT = 6000, N = 60 };
	/* Each id is 128 bytes, quoted and escaped 2 + 2 + 126 * 2, and a comma but for the first. */
	enum {
		OTHERS = sizeof "SELECT  FROM devices WHERE deviceId IN [] AND properties.reported.$metadata."
		                "$lastUpdated >= '2023-11-14T22:13:16.000Z'" -
		         1 + SELECT,
		ID = 256,
		FIT = 8
	};
	static char select[SELECT + 1];
	struct watch *wide;
	char id[129];

	ck_assert_int_le(OTHERS + FIT * (ID + 1) - 1, 8192);
	ck_assert_int_gt(OTHERS + (FIT + 1) * (ID + 1) - 1, 8192 - 32);
	start(0, 0, 8);
	memset(select, 's', SELECT);
	wide = watch_of(select, NULL);
	for (uint32_t no = 0; no < N; no++) {
		snprintf(id, sizeof id, "%02u%126s", no, "");
		memset(id + 2, '\'', 126);
		track_watch(track, 1, no, id, true, NOW - 3000, wide);
	}
	for (size_t i = 0; i < (N + FIT - 1) / FIT; i++) {
		size_t ids = i < N / FIT ? FIT : N % FIT;

		run(RIPE);
		ck_assert_uint_eq(strlen(condition(i)),
		                  strlen("deviceId IN [] AND properties.reported.$metadata.$lastUpdated >= "
		                         "'2023-11-14T22:13:16.000Z'") +
		                          ids * (ID + 1) - 1);
		answer_rows(i, "", NULL);
	}
	ck_assert_int_eq(run(RIPE), RIPE + 5000);
	track_free(track);
	track = NULL;
	watch_free(wide);
	stop();
}
END_TEST

START_TEST(test_where_no_id_fits_into_a_query_point_reads_are_made)
{
	static char text[8200];
	struct watch *huge;

	start(0, 0, 8);
	memset(text, '1', sizeof text - 1);
	huge = watch_of("deviceId", text);
	track_watch(track, 1, 0, "a", true, TIME_NONE, huge);
	track_watch(track, 1, 1, "b", true, TIME_NONE, huge);
	ck_assert_int_eq(run(RIPE), RIPE + 5000);
	ck_assert_uint_eq(fake_hub_n(hub), 2);
	ck_assert_int_eq(fake_hub_at(hub, 0)->kind, FAKE_READ);
	answer_twin(1);
	answer_twin(0);
	ck_told("1/1 read@3500;1/0 read@3500;");
	track_free(track);
	track = NULL;
	watch_free(huge);
	stop();
}
END_TEST

START_TEST(test_rows_on_the_way_are_dropped_once_unwatched)
{
	start(0, 0, 8);
	track_watch(track, 1, 0, "a", true, TIME_NONE, watch);
	track_watch(track, 1, 1, "b", true, TIME_NONE, watch);
	track_watch(track, 1, 2, "c", true, TIME_NONE, watch);
	run(RIPE);
	track_unwatch(track, 1, 1);
	track_unwatch(track, 1, 1);
	track_unwatch(track, 1, 2);
	track_watch(track, 1, 2, "c", true, TIME_NONE, watch); /* anew: not by rows of before */
	answer_rows(0, "a b c", NULL);
	ck_told("1/0 row@3500;");
	ck_assert_int_gt(run(RIPE + 1), RIPE + 1);
	stop();
}
END_TEST

START_TEST(test_unwatched_before_its_turn_is_not_asked_about)
{
	start(0, 0, 8);
	track_watch(track, 1, 0, "a", true, TIME_NONE, watch);
	track_watch(track, 1, 1, "b", true, TIME_NONE, watch);
	track_watch(track, 1, 2, "c", true, TIME_NONE, watch);
	run(DUE);
	track_unwatch(track, 1, 1);
	run(RIPE);
	ck_assert_str_eq(condition(0), "deviceId IN ['a','c']");
	stop();
}
END_TEST

static void unwatch_all(const struct track_news *news)
{
	(void)news;
	for (uint32_t no = 0; no < 3; no++)
		track_unwatch(track, 1, no);
}

START_TEST(test_whoever_is_told_may_unwatch_others)
{
	struct track_stats stats;

	start(0, 0, 8);
	track_watch(track, 1, 0, "a", true, TIME_NONE, watch);
	track_watch(track, 1, 1, "b", true, TIME_NONE, watch);
	track_watch(track, 1, 2, "c", true, TIME_NONE, watch);
	run(RIPE);
	on_told = unwatch_all;
	answer_rows(0, "b a c", NULL);
	ck_told("1/1 row@3500;");
	track_stats(track, &stats);
	ck_assert_uint_eq(stats.watched, 0);
	ck_assert(!track_uses(track, watch));
	ck_assert_int_eq(run(RIPE + 5000), TIME_NEVER);
	stop();
}
END_TEST

START_TEST(test_two_campaigns_that_watch_one_device_are_both_told)
{
	start(0, 0, 8);
	track_watch(track, 1, 0, "a", true, TIME_NONE, watch);
	track_watch(track, 2, 9, "a", true, TIME_NONE, watch);
	run(RIPE);
	ck_assert_uint_eq(fake_hub_n(hub), 1);
	answer_rows(0, "a", NULL);
	ck_told("1/0 row@3500;2/9 row@3500;");
	stop();
}
END_TEST

START_TEST(test_with_candidates_each_row_leads_to_one_point_read)
{
	struct track_stats stats;

	start(0, 0, 1);
	track_watch(track, 1, 0, "a", true, TIME_NONE, where_watch);
	track_watch(track, 1, 1, "b", true, TIME_NONE, where_watch);
	track_watch(track, 1, 2, "c", true, TIME_NONE, where_watch);
	run(RIPE);
	ck_assert_str_eq(condition(0), "deviceId IN ['a','b','c'] AND (tags.a = 1)");
	answer_rows(0, "a b c", NULL);
	ck_told("");
	run(RIPE + 10);
	ck_assert_str_eq(fake_hub_at(hub, 1)->device_id, "a");
	ck_assert_ptr_eq(fake_hub_at(hub, 1)->watch, where_watch);
	run(RIPE + 6000);
	answer_rows(2, "a b c", NULL); /* those that wait for their read wait for one only */
	track_unwatch(track, 1, 1);
	answer_twin(1);
	ck_told("1/0 read@3510;");
	run(RIPE + 6010);
	ck_assert_uint_eq(fake_hub_n(hub), 4);
	ck_assert_str_eq(fake_hub_at(hub, 3)->device_id, "c");
	answer(3, HUB_TROUBLE, 503);
	ck_told("");
	track_stats(track, &stats);
	ck_assert_uint_eq(stats.reads_queued, 0);
	ck_assert_uint_eq(stats.reads, 2);
	run(RIPE + 12000); /* another row, another read */
	ck_assert_int_eq(fake_hub_at(hub, 4)->kind, FAKE_QUERY);
	answer_rows(4, "c", NULL);
	run(RIPE + 12001);
	answer_twin(5);
	ck_told("1/2 read@15501;");
	stop();
}
END_TEST

START_TEST(test_large_twins_and_rows_cost_more_messages_and_what_was_refused_none)
{
	struct hub_answer a = fake_answer(HUB_ANSWERED, 200);
	struct reading rows[2] = {{.device_id = "x"}, {.device_id = "y"}};

	start(0, 0, 8);
	track_read(track, 1, 0, "a", false, watch);
	track_read(track, 1, 1, "b", false, watch);
	track_read(track, 1, 2, "c", false, watch);
	track_select(track, 2, NULL, NULL, watch, on_selected, NULL);
	run(0);
	a.rows = rows;
	a.rows_n = 2;
	a.answer_bytes = 2 * 4097;
	answer_with(0, a);
	ck_cost(2, 1, 0, 5);
	a = fake_answer(HUB_ANSWERED, 200);
	a.answer_bytes = 4097;
	answer_with(1, a);
	answer(2, HUB_THROTTLED, 429);
	answer(3, HUB_AMBIGUOUS, 0);
	ck_cost(1, 0, 3, 2);
	stop();
}
END_TEST

START_TEST(test_each_read_asked_for_brings_one_piece_of_news)
{
	struct hub_answer gone = fake_answer(HUB_GONE, 404);
	struct reading absence = {.device_id = "a", .is_point_read = true};

	start(0, 0, 2);
	track_read(track, 1, 0, "a", false, watch);
	track_read(track, 1, 0, "a", false, watch);
	track_read(track, 1, 1, "b", false, where_watch);
	ck_assert_int_eq(run(3), TIME_NEVER);
	ck_assert_uint_eq(fake_hub_n(hub), 2);
	track_unwatch(track, 1, 0);
	answer_twin(1);
	run(4);
	gone.reading = &absence;
	answer_with(0, gone);
	answer(2, HUB_TROUBLE, 500);
	ck_told("1/0 read@3;1/0 read@3;1/1 failed@4;");
	stop();
}
END_TEST

START_TEST(test_a_look_is_answered_to_who_asked_and_is_news_about_nobody)
{
	char one[] = "one", two[] = "two";

	start(0, 120, 100);
	track_look(track, 1, "a", watch, on_selected, one);
	track_look(track, 1, "b", watch, on_selected, two);
	track_read(track, 1, 0, "a", false, watch);
	ck_assert_int_eq(run(0), 500); /* in turn with the reads, and paced with them */
	answer(1, HUB_TROUBLE, 500);
	answer_twin(0);
	ck_told("two 500 rows0;one 200 rows0;");
	ck_assert_uint_eq(outcomes[HUB_TROUBLE], 1);
	run(500);
	answer_twin(2);
	ck_told("1/0 read@500;");
	fake_hub_refuse(hub, ERR_INVALID);
	track_look(track, 1, "..", watch, on_selected, one);
	run(1000);
	run(1000);
	ck_told("one 0 rows0;");
	ck_assert(!track_uses(track, watch));
	stop();
}
END_TEST

START_TEST(test_reads_are_paced_by_rate)
{
	start(0, 120, 100); /* 2 a second */
	for (uint32_t no = 0; no < 3; no++)
		track_read(track, 1, no, "a", false, watch);
	ck_assert_int_eq(run(0), 500);
	ck_assert_uint_eq(fake_hub_n(hub), 2);
	ck_assert_int_eq(run(500), TIME_NEVER);
	ck_assert_uint_eq(fake_hub_n(hub), 3);
	stop();
}
END_TEST

/* The point read that is queued gets 429; the next is queued. Gives for how long that has to wait. */
static int64_t hold_after_429(int64_t after_ms, int64_t retry_after_ms)
{
	struct hub_answer a = fake_answer(HUB_THROTTLED, 429);

	a.retry_after_ms = retry_after_ms;
	run(after_ms);
	answer_with(fake_hub_n(hub) - 1, a);
	track_read(track, 1, 0, "a", false, watch);
	return run(after_ms) - after_ms;
}

START_TEST(test_after_429_its_kind_is_held_10_20_40_60_seconds)
{
	static const int64_t holds[] = {10000, 20000, 40000, 60000, 60000};
	int64_t at = 0;

	start(0, 0, 1);
	track_read(track, 1, 0, "a", false, watch);
	for (size_t i = 0; i < sizeof holds / sizeof *holds; i++) {
		ck_assert_int_eq(hold_after_429(at, TIME_NONE), holds[i]);
		run(at + holds[i] - 1);
		ck_assert_uint_eq(fake_hub_n(hub), i + 1);
		at += holds[i];
	}
	run(at);
	answer_twin(fake_hub_n(hub) - 1); /* success: from the beginning */
	track_read(track, 1, 0, "a", false, watch);
	ck_assert_int_eq(hold_after_429(at, TIME_NONE), 10000);
	at += 10000;
	ck_assert_int_eq(hold_after_429(at, 12345), 20000); /* longer than it asked for */
	at += 20000;
	ck_assert_int_eq(hold_after_429(at, 100000), 100000);
	stop();
}
END_TEST

START_TEST(test_many_429_at_once_count_once_and_hold_no_queries)
{
	start(0, 0, 2);
	track_read(track, 1, 0, "a", false, watch);
	track_read(track, 1, 0, "a", false, watch);
	run(0);
	answer(0, HUB_THROTTLED, 429);
	ck_assert_int_eq(run(1), TIME_NEVER);
	answer(1, HUB_THROTTLED, 429);
	track_read(track, 1, 0, "a", false, watch);
	track_watch(track, 1, 0, "a", true, TIME_NONE, watch);
	track_watch(track, 1, 1, "b", true, TIME_NONE, watch);
	ck_assert_int_eq(run(RIPE + 2), RIPE + 2 + 5000);
	ck_assert_uint_eq(fake_hub_n(hub), 3);
	ck_assert_int_eq(fake_hub_at(hub, 2)->kind, FAKE_QUERY);
	stop();
}
END_TEST

START_TEST(test_while_the_hub_is_shut_only_probes_go_out)
{
	char one[] = "one";

	start(0, 0, 8);
	track_watch(track, 1, 0, "a", true, TIME_NONE, watch);
	track_read(track, 1, 0, "a", false, watch);
	track_select(track, 3, NULL, NULL, watch, on_selected, one);
	ck_assert_int_eq(track_run(track, NOW, false), TIME_NEVER);
	ck_assert_uint_eq(fake_hub_n(hub), 0);
	track_probe(track);
	ck_assert_int_eq(track_run(track, NOW, false), TIME_NEVER);
	ck_assert_uint_eq(fake_hub_n(hub), 1);
	ck_assert_str_eq(condition(0), "deviceId = ''");
	answer_rows(0, "", NULL);
	ck_told("");
	run(RIPE);
	ck_assert_uint_eq(fake_hub_n(hub), 4);
	stop();
}
END_TEST

START_TEST(test_probe_goes_out_past_queries_that_hang)
{
	start(0, 0, 8);
	for (int i = 0; i < 4; i++)
		track_select(track, 3, NULL, NULL, watch, on_selected, NULL);
	track_select(track, 3, "later", NULL, watch, on_selected, NULL);
	run(0);
	/* as many as may be out */
	ck_assert_uint_eq(fake_hub_n(hub), 4);
	track_probe(track);
	track_run(track, NOW, false);
	ck_assert_uint_eq(fake_hub_n(hub), 5);
	ck_assert_str_eq(condition(4), "deviceId = ''");
	track_free(track);
	track = NULL;
	stop();
}
END_TEST

START_TEST(test_selections_and_progress_take_turns)
{
	char one[] = "one", two[] = "two", id[] = "a";

	start(2, 0, 8);
	track_spare(track, true); /* no reads instead */
	for (uint32_t no = 0; no < 300; no++)
		track_watch(track, 1, no, id, true, TIME_NONE, watch);
	track_select(track, 3, "tags.x = 1", NULL, watch, on_selected, one);
	track_select(track, 3, "tags.x = 1", "more", watch, on_selected, two);
	run(RIPE);
	answer_rows(0, "a b", NULL);
	ck_told("one 200 rows2;");
	run(RIPE + 30000);
	answer_rows(1, "", NULL);
	run(RIPE + 60000);
	answer(2, HUB_OUR_FAULT, 400);
	ck_told("two 400 rows0;");
	ck_assert_str_eq(condition(0), "tags.x = 1");
	ck_assert_ptr_null(fake_hub_at(hub, 0)->continuation);
	ck_assert_ptr_nonnull(strstr(condition(1), "IN"));
	ck_assert_str_eq(condition(2), "tags.x = 1");
	ck_assert_str_eq(fake_hub_at(hub, 2)->continuation, "more");
	stop();
}
END_TEST

START_TEST(test_what_the_hub_would_not_take_is_told_by_the_next_run)
{
	char one[] = "one";

	start(0, 0, 8);
	fake_hub_refuse(hub, ERR_CLOSED);
	track_read(track, 1, 0, "a", false, watch);
	ck_assert_int_eq(run(0), 0);
	ck_told("");
	track_select(track, 3, NULL, NULL, watch, on_selected, one);
	run(1);
	ck_told("1/0 failed@0;");
	ck_assert_uint_eq(outcomes[HUB_NOT_DELIVERED], 1);
	fake_hub_refuse(hub, ERR_OK);
	ck_assert_int_eq(run(2), TIME_NEVER);
	ck_told("one 0 rows0;");
	ck_assert_uint_eq(fake_hub_n(hub), 0);
	stop();
}
END_TEST

START_TEST(test_watch_is_in_use_as_long_as_anything_of_it_is_about)
{
	start(0, 0, 8);
	ck_assert(!track_uses(track, watch));
	track_watch(track, 1, 0, "a", true, TIME_NONE, watch);
	track_watch(track, 1, 1, "b", true, TIME_NONE, watch);
	run(RIPE);
	track_read(track, 1, 0, "a", false, watch);
	run(RIPE);
	track_unwatch(track, 1, 0);
	track_unwatch(track, 1, 1);
	ck_assert(track_uses(track, watch));
	answer_rows(0, "", NULL);
	ck_assert(track_uses(track, watch));
	answer_twin(1);
	ck_assert(!track_uses(track, watch));
	stop();
}
END_TEST

START_TEST(test_after_free_late_answers_are_told_to_nobody)
{
	start(0, 0, 8);
	track_watch(track, 1, 0, "a", true, TIME_NONE, watch);
	track_watch(track, 1, 1, "b", true, TIME_NONE, watch);
	track_read(track, 1, 0, "a", false, watch);
	track_probe(track);
	run(RIPE);
	ck_assert_uint_eq(fake_hub_out(hub), 3);
	track_free(track);
	track = NULL;
	for (size_t i = 0; i < 3; i++)
		answer_rows(i, "a", NULL);
	ck_told("");
	stop();
}
END_TEST

START_TEST(test_a_hundred_thousand_watched_are_all_told_in_one_round)
{
	enum { N = 100000 };
	static uint8_t seen[N];
	struct track_stats stats;
	char id[16];
	size_t i = 0;

	start(0, 0, 8);
	for (uint32_t no = 0; no < N; no++) {
		snprintf(id, sizeof id, "dev-%06u", no);
		track_watch(track, 1, no, id, true, TIME_NONE, no % 2 == 0 ? watch : other_watch);
	}
	for (;;) {
		run(DUE);
		if (fake_hub_n(hub) == i)
			break;
		for (; i < fake_hub_n(hub); i++) {
			struct buf ids = BUF_INIT;

			for (const char *at = condition(i); (at = strstr(at, "dev-")) != NULL; at += 10) {
				seen[strtoul(at + 4, NULL, 10)]++;
				buf_put(&ids, at, 10);
				buf_putc(&ids, ' ');
			}
			answer_rows(i, ids.data, NULL);
			buf_done(&ids);
		}
	}
	ck_assert_uint_eq(i, N / 100);
	for (size_t no = 0; no < N; no++)
		ck_assert_uint_eq(seen[no], 1);
	track_stats(track, &stats);
	ck_assert_uint_eq(stats.rows, N);
	ck_assert_uint_eq(stats.watched, N);
	for (uint32_t no = 0; no < N; no += 2)
		track_unwatch(track, 1, no);
	ck_assert(!track_uses(track, watch));
	stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("track");

	TESTS(s, "asking", test_watched_are_asked_about_in_one_query_and_told_their_rows,
	      test_rows_are_asked_for_only_of_those_that_have_reported_since_their_call,
	      test_a_change_that_an_earlier_query_did_not_show_tells_how_old_that_was,
	      test_a_query_that_failed_or_was_not_read_to_its_end_showed_nothing_old,
	      test_who_is_due_alone_is_read, test_who_is_watched_in_case_something_happens_is_never_urgent,
	      test_a_full_page_does_not_wait_for_more, test_pages_that_are_not_full_are_an_interval_apart,
	      test_the_longer_watched_the_seldomer_asked, test_waits_go_on_where_the_clock_steps_back,
	      test_pages_are_read_to_the_end_with_the_same_condition, test_hub_that_goes_in_circles_is_left,
	      test_a_small_campaign_shares_the_next_page_with_a_large_one,
	      test_campaigns_that_watch_differently_take_turns_with_queries,
	      test_campaigns_take_turns_with_reads,
	      test_who_is_late_for_the_first_time_is_read_where_queries_are_scarce,
	      test_many_that_are_due_again_are_scanned_for_what_has_changed,
	      test_a_scan_that_fails_has_asked_about_nobody,
	      test_a_scan_that_finds_too_much_is_given_up_for_ids,
	      test_query_text_stays_within_the_hubs_limit,
	      test_where_no_id_fits_into_a_query_point_reads_are_made,
	      test_unwatched_before_its_turn_is_not_asked_about,
	      test_rows_on_the_way_are_dropped_once_unwatched, test_whoever_is_told_may_unwatch_others,
	      test_two_campaigns_that_watch_one_device_are_both_told,
	      test_with_candidates_each_row_leads_to_one_point_read,
	      test_a_hundred_thousand_watched_are_all_told_in_one_round);
	TESTS(s, "reads and pace", test_large_twins_and_rows_cost_more_messages_and_what_was_refused_none,
	      test_each_read_asked_for_brings_one_piece_of_news,
	      test_a_look_is_answered_to_who_asked_and_is_news_about_nobody, test_reads_are_paced_by_rate,
	      test_after_429_its_kind_is_held_10_20_40_60_seconds,
	      test_many_429_at_once_count_once_and_hold_no_queries,
	      test_while_the_hub_is_shut_only_probes_go_out, test_probe_goes_out_past_queries_that_hang,
	      test_selections_and_progress_take_turns,
	      test_what_the_hub_would_not_take_is_told_by_the_next_run,
	      test_watch_is_in_use_as_long_as_anything_of_it_is_about,
	      test_after_free_late_answers_are_told_to_nobody);
	return suite_run(s);
}
