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

static struct hub *hub;
static struct track *track;
static struct watch *watch, *other_watch, *where_watch;
static struct buf told; /* what came back, in order */
static uint32_t outcomes[HUB_OUTCOMES_N];
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

static void on_selected(void *arg, const struct hub_answer *answer)
{
	buf_printf(&told, "%s %d rows%zu;", (const char *)arg, answer->http_status, answer->rows_n);
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
	struct track_options options = {5000, queries_per_minute, reads_per_minute, reads_inflight_max};

	buf_init(&told);
	buf_puts(&told, "");
	on_told = NULL;
	hub = fake_hub_new();
	watch = watch_of("deviceId", NULL);
	other_watch = watch_of("deviceId", NULL);
	where_watch = watch_of("deviceId", "tags.a = 1");
	track = track_new(&options, hub, on_news, on_outcome, &told);
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

START_TEST(test_watched_are_asked_for_in_one_query_and_told_their_rows)
{
	start(0, 0, 8);
	track_watch(track, 1, 0, "a", watch);
	track_watch(track, 1, 1, "it's\\b", watch);
	track_watch(track, 1, 2, "c", watch);
	ck_assert_uint_eq(fake_hub_n(hub), 0);
	ck_assert_int_eq(run(0), TIME_NEVER);
	ck_assert_uint_eq(fake_hub_n(hub), 1);
	ck_assert_str_eq(condition(0), "deviceId IN ['a','it\\'s\\\\b','c']");
	ck_assert_ptr_eq(fake_hub_at(hub, 0)->watch, watch);
	answer_rows(0, "c it's\\b stranger", NULL);
	ck_told("1/2 row@0;1/1 row@0;");
	ck_assert_uint_eq(outcomes[HUB_ANSWERED], 1);
	stop();
}
END_TEST

START_TEST(test_next_round_waits_for_the_interval_and_for_the_end_of_the_last)
{
	start(0, 0, 8);
	track_watch(track, 1, 0, "a", watch);
	run(0);
	ck_assert_int_eq(run(6000), TIME_NEVER);
	ck_assert_uint_eq(fake_hub_n(hub), 1);
	answer_rows(0, "", NULL);
	ck_assert_int_eq(run(7000), TIME_NEVER); /* the interval is over */
	ck_assert_uint_eq(fake_hub_n(hub), 2);
	answer_rows(1, "a", NULL);
	ck_told("1/0 row@7000;");
	ck_assert_int_eq(run(7001), 12000);
	ck_assert_int_eq(run(11999), 12000);
	ck_assert_uint_eq(fake_hub_n(hub), 2);
	run(12000);
	ck_assert_uint_eq(fake_hub_n(hub), 3);
	stop();
}
END_TEST

START_TEST(test_pages_are_read_to_the_end_with_the_same_condition)
{
	struct track_stats stats;

	start(0, 0, 8);
	track_watch(track, 1, 0, "a", watch);
	track_watch(track, 1, 1, "b", watch);
	run(0);
	answer_rows(0, "", "more");
	ck_assert_int_eq(run(10), TIME_NEVER);
	ck_assert_str_eq(condition(1), condition(0));
	ck_assert_str_eq(fake_hub_at(hub, 1)->continuation, "more");
	answer_rows(1, "b", "even more");
	run(20);
	ck_assert_str_eq(fake_hub_at(hub, 2)->continuation, "even more");
	answer_rows(2, "a", NULL);
	ck_told("1/1 row@10;1/0 row@20;");
	ck_assert_int_eq(run(30), 5000);
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
	track_watch(track, 1, 0, "a", watch);
	for (size_t i = 0; i < 100; i++) {
		run(0);
		ck_assert_uint_eq(fake_hub_n(hub), i + 1);
		answer_rows(i, "", "again");
	}
	ck_assert_int_eq(run(0), 5000);
	stop();
}
END_TEST

START_TEST(test_queries_hold_a_hundred_ids_and_everybody_has_a_turn)
{
	char id[8];

	start(2, 0, 8); /* one token at a time, each 30 s */
	for (uint32_t no = 0; no < 250; no++) {
		snprintf(id, sizeof id, "d%03u", no);
		track_watch(track, 1, no, id, watch);
	}
	track_watch(track, 2, 0, "x", other_watch);
	ck_assert_int_eq(run(0), 30000);
	ck_assert_uint_eq(fake_hub_n(hub), 1);
	ck_assert_ptr_nonnull(strstr(condition(0), "['d000',"));
	ck_assert_ptr_nonnull(strstr(condition(0), ",'d099']"));
	answer_rows(0, "d000", NULL);
	run(30000);
	ck_assert_str_eq(condition(1), "deviceId IN ['x']"); /* groups take turns */
	answer_rows(1, "", NULL);
	run(60000);
	ck_assert_ptr_nonnull(strstr(condition(2), "['d100',"));
	answer_rows(2, "", NULL);
	run(90000);
	ck_assert_ptr_nonnull(strstr(condition(3), "['d200',"));
	ck_assert_ptr_nonnull(strstr(condition(3), ",'d249']"));
	answer(3, HUB_TROUBLE, 503);
	run(120000); /* only now the next round */
	run(150000);
	ck_assert_uint_eq(fake_hub_n(hub), 6);
	stop();
}
END_TEST

START_TEST(test_point_reads_help_a_round_that_queries_cannot_make_in_time)
{
	char id[8];

	start(60, 6000, 8); /* queries come round to 1,000 in ten seconds */
	for (uint32_t no = 0; no < 1400; no++) {
		snprintf(id, sizeof id, "d%04u", no);
		track_watch(track, 1, no, id, watch);
	}
	run(0);
	ck_assert_uint_eq(fake_hub_n(hub), 4); /* the rest can be made in time */
	stop();
	start(60, 6000, 8);
	for (uint32_t no = 0; no < 1500; no++) {
		snprintf(id, sizeof id, "d%04u", no);
		track_watch(track, 1, no, id, watch);
	}
	run(0);
	ck_assert_uint_eq(fake_hub_n(hub), 4 + 8); /* as many reads as may be out */
	stop();
}
END_TEST

START_TEST(test_query_text_stays_within_the_hubs_limit)
{
	enum { SELECT = 6000, N = 60 };
	/* Each id is 128 bytes, quoted and escaped 2 + 2 + 126 * 2, and a comma but for the first. */
	enum { OTHERS = sizeof "SELECT  FROM devices WHERE deviceId IN []" - 1 + SELECT, ID = 256, FIT = 8 };
	static char select[SELECT + 1];
	struct watch *wide;
	char id[129];

	ck_assert_int_le(OTHERS + FIT * (ID + 1) - 1, 8192);
	ck_assert_int_gt(OTHERS + (FIT + 1) * (ID + 1) - 1, 8192);
	start(0, 0, 8);
	memset(select, 's', SELECT);
	wide = watch_of(select, NULL);
	for (uint32_t no = 0; no < N; no++) {
		snprintf(id, sizeof id, "%02u%126s", no, "");
		memset(id + 2, '\'', 126);
		track_watch(track, 1, no, id, wide);
	}
	for (size_t i = 0; i < (N + FIT - 1) / FIT; i++) {
		size_t ids = i < N / FIT ? FIT : N % FIT;

		run(0);
		ck_assert_uint_eq(strlen(condition(i)), strlen("deviceId IN []") + ids * (ID + 1) - 1);
		answer_rows(i, "", NULL);
	}
	ck_assert_int_eq(run(0), 5000);
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
	track_watch(track, 1, 0, "a", huge);
	track_watch(track, 1, 1, "b", huge);
	ck_assert_int_eq(run(0), 5000);
	ck_assert_uint_eq(fake_hub_n(hub), 2);
	ck_assert_int_eq(fake_hub_at(hub, 0)->kind, FAKE_READ);
	answer_twin(1);
	answer_twin(0);
	ck_told("1/1 read@0;1/0 read@0;");
	track_free(track);
	track = NULL;
	watch_free(huge);
	stop();
}
END_TEST

START_TEST(test_rows_on_the_way_are_dropped_once_unwatched)
{
	start(0, 0, 8);
	track_watch(track, 1, 0, "a", watch);
	track_watch(track, 1, 1, "b", watch);
	track_watch(track, 1, 2, "c", watch);
	run(0);
	track_unwatch(track, 1, 1);
	track_unwatch(track, 1, 1);
	track_unwatch(track, 1, 2);
	track_watch(track, 1, 2, "c", watch); /* anew: not by rows of before */
	answer_rows(0, "a b c", NULL);
	ck_told("1/0 row@0;");
	ck_assert_int_eq(run(1), 5000);
	stop();
}
END_TEST

START_TEST(test_unwatched_before_its_turn_is_not_asked_for)
{
	start(2, 0, 8); /* one token at a time, each 30 s */
	track_watch(track, 1, 0, "a", watch);
	track_watch(track, 2, 0, "b", other_watch);
	track_watch(track, 2, 1, "c", other_watch);
	run(0);
	ck_assert_str_eq(condition(0), "deviceId IN ['a']");
	track_unwatch(track, 2, 0);
	track_unwatch(track, 2, 1);
	track_watch(track, 2, 2, "d", other_watch); /* the next round's */
	answer_rows(0, "", NULL);
	ck_assert_int_eq(run(1), 5000);
	run(30000);
	run(60000);
	ck_assert_uint_eq(fake_hub_n(hub), 3);
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
	track_watch(track, 1, 0, "a", watch);
	track_watch(track, 1, 1, "b", watch);
	track_watch(track, 1, 2, "c", watch);
	run(0);
	on_told = unwatch_all;
	answer_rows(0, "b a c", NULL);
	ck_told("1/1 row@0;");
	track_stats(track, &stats);
	ck_assert_uint_eq(stats.watched, 0);
	ck_assert(!track_uses(track, watch));
	ck_assert_int_eq(run(5000), TIME_NEVER);
	stop();
}
END_TEST

START_TEST(test_two_campaigns_that_watch_one_device_are_both_told)
{
	start(0, 0, 8);
	track_watch(track, 1, 0, "a", watch);
	track_watch(track, 2, 9, "a", watch);
	run(0);
	ck_assert_uint_eq(fake_hub_n(hub), 1);
	answer_rows(0, "a", NULL);
	ck_told("1/0 row@0;2/9 row@0;");
	stop();
}
END_TEST

START_TEST(test_with_candidates_each_row_leads_to_one_point_read)
{
	struct track_stats stats;

	start(0, 0, 1);
	track_watch(track, 1, 0, "a", where_watch);
	track_watch(track, 1, 1, "b", where_watch);
	track_watch(track, 1, 2, "c", where_watch);
	run(0);
	ck_assert_str_eq(condition(0), "deviceId IN ['a','b','c'] AND (tags.a = 1)");
	answer_rows(0, "a b c", NULL);
	ck_told("");
	run(10);
	ck_assert_str_eq(fake_hub_at(hub, 1)->device_id, "a");
	ck_assert_ptr_eq(fake_hub_at(hub, 1)->watch, where_watch);
	run(5000);
	answer_rows(2, "a b c", NULL); /* those that wait for their read wait for one only */
	track_unwatch(track, 1, 1);
	answer_twin(1);
	ck_told("1/0 read@10;");
	run(5010);
	ck_assert_uint_eq(fake_hub_n(hub), 4);
	ck_assert_str_eq(fake_hub_at(hub, 3)->device_id, "c");
	answer(3, HUB_TROUBLE, 503);
	ck_told("");
	track_stats(track, &stats);
	ck_assert_uint_eq(stats.reads_queued, 0);
	ck_assert_uint_eq(stats.reads, 2);
	run(10000); /* another row, another read */
	answer_rows(4, "c", NULL);
	run(10001);
	answer_twin(5);
	ck_told("1/2 read@10001;");
	stop();
}
END_TEST

START_TEST(test_each_read_asked_for_brings_one_piece_of_news)
{
	struct hub_answer gone = fake_answer(HUB_GONE, 404);
	struct reading absence = {.device_id = "a", .is_point_read = true};

	start(0, 0, 2);
	track_read(track, 1, 0, "a", watch);
	track_read(track, 1, 0, "a", watch);
	track_read(track, 1, 1, "b", where_watch);
	ck_assert_uint_eq(track_read_credit(track, NOW), 0);
	ck_assert_int_eq(run(3), TIME_NEVER);
	ck_assert_uint_eq(fake_hub_n(hub), 2);
	track_unwatch(track, 1, 0);
	answer_twin(1);
	run(4);
	gone.reading = &absence;
	answer_with(0, gone);
	answer(2, HUB_TROUBLE, 500);
	ck_told("1/0 read@3;1/0 read@3;1/1 failed@4;");
	ck_assert_uint_eq(track_read_credit(track, NOW + 4), 2);
	stop();
}
END_TEST

START_TEST(test_a_look_is_answered_to_who_asked_and_is_news_about_nobody)
{
	char one[] = "one", two[] = "two";

	start(0, 120, 100);
	track_look(track, "a", watch, on_selected, one);
	track_look(track, "b", watch, on_selected, two);
	track_read(track, 1, 0, "a", watch);
	ck_assert_int_eq(run(0), 500); /* in turn with the reads, and paced with them */
	answer(1, HUB_TROUBLE, 500);
	answer_twin(0);
	ck_told("two 500 rows0;one 200 rows0;");
	ck_assert_uint_eq(outcomes[HUB_TROUBLE], 1);
	run(500);
	answer_twin(2);
	ck_told("1/0 read@500;");
	fake_hub_refuse(hub, ERR_INVALID);
	track_look(track, "..", watch, on_selected, one);
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
		track_read(track, 1, no, "a", watch);
	ck_assert_int_eq(run(0), 500);
	ck_assert_uint_eq(fake_hub_n(hub), 2);
	ck_assert_uint_eq(track_read_credit(track, NOW + 500), 0);
	ck_assert_int_eq(run(500), TIME_NEVER);
	ck_assert_uint_eq(fake_hub_n(hub), 3);
	ck_assert_uint_eq(track_read_credit(track, NOW + 1500), 2);
	stop();
}
END_TEST

/* Asks for a point read, which gets 429 at once. */
static void throttle(int64_t after_ms, int64_t retry_after_ms)
{
	struct hub_answer a = fake_answer(HUB_THROTTLED, 429);

	a.retry_after_ms = retry_after_ms;
	track_read(track, 1, 0, "a", watch);
	run(after_ms);
	answer_with(fake_hub_n(hub) - 1, a);
	run(after_ms);
}

START_TEST(test_after_429_its_kind_is_held_10_20_40_60_seconds)
{
	static const int64_t holds[] = {10000, 20000, 40000, 60000, 60000};
	int64_t at = 0;

	start(0, 0, 1);
	for (size_t i = 0; i < sizeof holds / sizeof *holds; i++) {
		throttle(at, TIME_NONE);
		ck_assert_uint_eq(fake_hub_n(hub), i + 1);
		ck_assert_uint_eq(track_read_credit(track, NOW + at + holds[i] - 1), 0);
		at += holds[i];
		ck_assert_uint_eq(track_read_credit(track, NOW + at), 1);
	}
	track_read(track, 1, 0, "a", watch);
	run(at);
	answer_twin(fake_hub_n(hub) - 1); /* success: from the beginning */
	throttle(at, TIME_NONE);
	ck_assert_uint_eq(track_read_credit(track, NOW + at + 10000), 1);
	at += 10000;
	throttle(at, 12345);
	ck_assert_uint_eq(track_read_credit(track, NOW + at + 20000), 1); /* longer than it asked for */
	at += 20000;
	throttle(at, 100000);
	ck_assert_uint_eq(track_read_credit(track, NOW + at + 99999), 0);
	ck_assert_uint_eq(track_read_credit(track, NOW + at + 100000), 1);
	stop();
}
END_TEST

START_TEST(test_many_429_at_once_count_once_and_hold_no_queries)
{
	start(0, 0, 2);
	track_read(track, 1, 0, "a", watch);
	track_read(track, 1, 0, "a", watch);
	run(0);
	answer(0, HUB_THROTTLED, 429);
	ck_assert_int_eq(run(1), TIME_NEVER);
	answer(1, HUB_THROTTLED, 429);
	track_read(track, 1, 0, "a", watch);
	track_watch(track, 1, 0, "a", watch);
	ck_assert_int_eq(run(2), 10001);
	ck_assert_uint_eq(fake_hub_n(hub), 3);
	ck_assert_int_eq(fake_hub_at(hub, 2)->kind, FAKE_QUERY);
	stop();
}
END_TEST

START_TEST(test_while_the_hub_is_shut_only_probes_go_out)
{
	char one[] = "one";

	start(0, 0, 8);
	track_watch(track, 1, 0, "a", watch);
	track_read(track, 1, 0, "a", watch);
	track_select(track, NULL, NULL, watch, on_selected, one);
	ck_assert_int_eq(track_run(track, NOW, false), TIME_NEVER);
	ck_assert_uint_eq(fake_hub_n(hub), 0);
	track_probe(track);
	ck_assert_int_eq(track_run(track, NOW, false), TIME_NEVER);
	ck_assert_uint_eq(fake_hub_n(hub), 1);
	ck_assert_str_eq(condition(0), "deviceId = ''");
	answer_rows(0, "", NULL);
	ck_told("");
	run(1);
	ck_assert_uint_eq(fake_hub_n(hub), 4);
	stop();
}
END_TEST

START_TEST(test_probe_goes_out_past_queries_that_hang)
{
	start(0, 0, 8);
	for (int i = 0; i < 4; i++)
		track_select(track, NULL, NULL, watch, on_selected, NULL);
	track_select(track, "later", NULL, watch, on_selected, NULL);
	run(0);
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
	for (uint32_t no = 0; no < 300; no++)
		track_watch(track, 1, no, id, watch);
	track_select(track, "tags.x = 1", NULL, watch, on_selected, one);
	track_select(track, "tags.x = 1", "more", watch, on_selected, two);
	run(0);
	answer_rows(0, "a b", NULL);
	ck_told("one 200 rows2;");
	run(30000);
	answer_rows(1, "", NULL);
	run(60000);
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
	track_read(track, 1, 0, "a", watch);
	ck_assert_int_eq(run(0), 0);
	ck_told("");
	track_watch(track, 1, 1, "b", watch);
	track_select(track, NULL, NULL, watch, on_selected, one);
	run(1);
	ck_told("1/0 failed@0;");
	ck_assert_uint_eq(outcomes[HUB_NOT_DELIVERED], 1);
	fake_hub_refuse(hub, ERR_OK);
	ck_assert_int_eq(run(2), TIME_NEVER);
	ck_told("one 0 rows0;");
	ck_assert_uint_eq(fake_hub_n(hub), 1); /* the round */
	stop();
}
END_TEST

START_TEST(test_watch_is_in_use_as_long_as_anything_of_it_is_about)
{
	start(0, 0, 8);
	ck_assert(!track_uses(track, watch));
	track_watch(track, 1, 0, "a", watch);
	track_read(track, 1, 0, "a", watch);
	run(0);
	track_unwatch(track, 1, 0);
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
	track_watch(track, 1, 0, "a", watch);
	track_read(track, 1, 0, "a", watch);
	track_probe(track);
	run(0);
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
		track_watch(track, 1, no, id, no % 2 == 0 ? watch : other_watch);
	}
	for (;;) {
		run(0);
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

	TESTS(s, "rounds", test_watched_are_asked_for_in_one_query_and_told_their_rows,
	      test_next_round_waits_for_the_interval_and_for_the_end_of_the_last,
	      test_pages_are_read_to_the_end_with_the_same_condition, test_hub_that_goes_in_circles_is_left,
	      test_queries_hold_a_hundred_ids_and_everybody_has_a_turn,
	      test_point_reads_help_a_round_that_queries_cannot_make_in_time,
	      test_query_text_stays_within_the_hubs_limit,
	      test_where_no_id_fits_into_a_query_point_reads_are_made,
	      test_unwatched_before_its_turn_is_not_asked_for,
	      test_rows_on_the_way_are_dropped_once_unwatched, test_whoever_is_told_may_unwatch_others,
	      test_two_campaigns_that_watch_one_device_are_both_told,
	      test_with_candidates_each_row_leads_to_one_point_read,
	      test_a_hundred_thousand_watched_are_all_told_in_one_round);
	TESTS(s, "reads and pace", test_each_read_asked_for_brings_one_piece_of_news,
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
