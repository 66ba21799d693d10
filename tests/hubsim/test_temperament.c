/* tests: tests/hubsim/temperament.h */
#include "tests/lib/suite.h"

#include <string.h>

#include "tests/hubsim/temperament.h"

static struct world_options options, before;
static struct temperament temperament;
static struct buf wrong;

static bool reads(const char *text)
{
	temperament_done(&temperament);
	buf_reset(&wrong);
	world_options_init(&options);
	options.seed = 7;
	options.start_ms = 1000000;
	memcpy(&before, &options, sizeof before); /* with its padding */
	return temperament_read(text, strlen(text), &options, &temperament, &wrong);
}

static void done(void)
{
	temperament_done(&temperament);
	buf_done(&wrong);
}

START_TEST(test_an_empty_file_changes_nothing)
{
	ck_assert(reads("{}"));
	ck_assert_mem_eq(&options, &before, sizeof options);
	done();
}
END_TEST

START_TEST(test_every_member_lands_where_it_belongs)
{
	ck_assert_msg(
	        reads("{\"tempers\":{\"slow\":0.1,\"neverBack\":0.25},\"agents\":0.5,\"troubleCalls\":2,"
	              "\"updateFails\":0.75,\"history\":true,\"siteSize\":10,\"idPrefix\":\"kiosk-\","
	              "\"quotaMessages\":8000000000,\"throttleBurstMs\":1,\"throttleBacklogMs\":2,"
	              "\"requestMs\":3,\"answerMs\":[4,5],\"slowAnswerMs\":6,\"slowReportMs\":7,\"reportMs\":8,"
	              "\"leaveMs\":9,\"bootMs\":10,\"awayMs\":11,\"loopMs\":12,\"stepMs\":13,\"hubSlowMs\":14,"
	              "\"subscribeMs\":15,\"queryLagMs\":[0,16],\"ghostMs\":17,\"quirks\":{\"page_max\":1}}"),
	        "%s", wrong.data);
	ck_assert_double_eq(options.share[WORLD_SLOW], 0.1);
	ck_assert_double_eq(options.share[WORLD_NEVER_BACK], 0.25);
	ck_assert_double_eq(options.agents_share, 0.5);
	ck_assert_uint_eq(options.trouble_calls, 2);
	ck_assert_double_eq(options.update_fails_share, 0.75);
	ck_assert(options.with_history);
	ck_assert_uint_eq(options.site_size, 10);
	ck_assert_str_eq(options.id_prefix, "kiosk-");
	ck_assert_uint_eq(options.quota_messages, 8000000000);
	ck_assert_int_eq(options.throttle_burst_ms, 1);
	ck_assert_int_eq(options.throttle_backlog_ms, 2);
	ck_assert_int_eq(options.request.max_ms, 3);
	ck_assert_int_eq(options.answer.min_ms, 4);
	ck_assert_int_eq(options.answer.max_ms, 5);
	ck_assert_int_eq(options.slow_answer.min_ms, 6);
	ck_assert_int_eq(options.slow_report.min_ms, 7);
	ck_assert_int_eq(options.report.min_ms, 8);
	ck_assert_int_eq(options.leave.min_ms, 9);
	ck_assert_int_eq(options.boot.min_ms, 10);
	ck_assert_int_eq(options.away.min_ms, 11);
	ck_assert_int_eq(options.loop.min_ms, 12);
	ck_assert_int_eq(options.step.min_ms, 13);
	ck_assert_int_eq(options.hub_slow.min_ms, 14);
	ck_assert_int_eq(options.subscribe_ms, 15);
	ck_assert_int_eq(options.query_lag.min_ms, 0);
	ck_assert_int_eq(options.query_lag.max_ms, 16);
	ck_assert_int_eq(options.ghost_ms, 17);
	ck_assert_uint_eq(options.quirks.page_max, 1);
	done();
}
END_TEST

START_TEST(test_faults_count_from_the_start_and_hit_all_unless_told)
{
	ck_assert_msg(
	        reads("{\"faults\":[{\"kind\":\"throttled\"},{\"kind\":\"cutAfter\",\"share\":0.5,\"count\":3,"
	              "\"families\":[\"methods\",\"twins\"],\"fromMs\":100,\"untilMs\":200}]}"),
	        "%s", wrong.data);
	ck_assert_uint_eq(temperament.faults_n, 2);
	ck_assert_int_eq(temperament.faults[0].kind, WORLD_FAULT_THROTTLED);
	ck_assert_double_eq(temperament.faults[0].share, 1);
	ck_assert_uint_eq(temperament.faults[0].families, WORLD_ALL);
	ck_assert_int_eq(temperament.faults[0].from_ms, 1000000);
	ck_assert_int_eq(temperament.faults[0].until_ms, TIME_NEVER);
	ck_assert_uint_eq(temperament.faults[0].count, 0);
	ck_assert_int_eq(temperament.faults[1].kind, WORLD_FAULT_CUT_AFTER);
	ck_assert_double_eq(temperament.faults[1].share, 0.5);
	ck_assert_uint_eq(temperament.faults[1].families, WORLD_METHODS | WORLD_TWINS);
	ck_assert_int_eq(temperament.faults[1].from_ms, 1000100);
	ck_assert_int_eq(temperament.faults[1].until_ms, 1000200);
	ck_assert_uint_eq(temperament.faults[1].count, 3);
	done();
}
END_TEST

START_TEST(test_drawn_quirks_come_from_the_seed)
{
	struct world_quirks drawn;
	struct rng rng;

	rng_seed(&rng, 7);
	world_quirks_draw(&drawn, &rng);
	ck_assert(reads("{\"quirks\":\"drawn\"}"));
	ck_assert_mem_eq(&options.quirks, &drawn, sizeof drawn);
	done();
}
END_TEST

START_TEST(test_every_fault_of_a_file_is_named_with_its_place)
{
	ck_assert(!reads(
	        "{\"tempers\":{\"sleepy\":0.1,\"slow\":1.5},\"bootMs\":[4,2],\"answerMs\":-1,\"agents\":\"all\","
	        "\"history\":1,\"siteSize\":0,\"idPrefix\":\"a b\",\"quirks\":{\"page_max\":2,\"none\":0},"
	        "\"faults\":[{\"kind\":\"cutAfter\"},{\"kind\":\"bad\",\"family\":1},{},"
	        "{\"kind\":\"slow\",\"fromMs\":5,\"untilMs\":5,\"families\":[\"methods\",\"all\"]}],\"what\":0}"));
	ck_assert_str_eq(
	        wrong.data,
	        "/tempers/sleepy: there is no such temper\n"
	        "/tempers/slow: must be a share, 0 to 1\n"
	        "/bootMs: must be from 0 to 31622400000 ms, the lesser first\n"
	        "/answerMs: must be from 0 to 31622400000 ms, the lesser first\n"
	        "/agents: must be a share, 0 to 1\n"
	        "/history: must be true or false\n"
	        "/siteSize: must be a whole number from 1 to 1000000000\n"
	        "/idPrefix: must be 1 to 64 letters, digits, - _ .\n"
	        "/quirks/page_max: there is no such quirk, or not with this value\n"
	        "/quirks/none: there is no such quirk, or not with this value\n"
	        "/faults/1/kind: there is no such fault\n"
	        "/faults/1/family: there is no such member\n"
	        "/faults/2: must be an object with a kind\n"
	        "/faults/3/families: element 1 must be methods, twins, queries, registry, connects or jobs\n"
	        "/faults/3: ends before it begins\n"
	        "/what: there is no such member\n");
	ck_assert(!reads("{\"tempers\":{\"slow\":0.6,\"deaf\":0.6}}"));
	ck_assert_str_eq(wrong.data, "/tempers: the shares add up to 1.200, more than the whole fleet\n");
	done();
}
END_TEST

START_TEST(test_broken_json_is_named_by_its_line)
{
	ck_assert(!reads("{\n\"agents\": }"));
	ck_assert_msg(strncmp(wrong.data, "line 2: ", 8) == 0, "%s", wrong.data);
	ck_assert(!reads("[]"));
	ck_assert_str_eq(wrong.data, "must be an object\n");
	ck_assert(!reads("{\"agents\":0,\"agents\":1}"));
	ck_assert(!reads(""));
	done();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("temperament");

	TESTS(s, "temperament", test_an_empty_file_changes_nothing, test_every_member_lands_where_it_belongs,
	      test_faults_count_from_the_start_and_hit_all_unless_told, test_drawn_quirks_come_from_the_seed,
	      test_every_fault_of_a_file_is_named_with_its_place, test_broken_json_is_named_by_its_line);
	return suite_run(s);
}
