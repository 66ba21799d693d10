/* tests: deploy/agent/twin: how what the hub holds comes to be what is wanted, on a link that only notes what
 * is asked, and on a clock of the test's own. */
#include "tests/lib/suite.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "deploy/agent/host.h"
#include "deploy/agent/link.h"
#include "deploy/agent/twin.h"

static int64_t now_ms;

int64_t __wrap_up_ms(void);
int64_t __wrap_up_ms(void)
{
	return now_ms;
}

/* --- the link --- */

static char asked[256]; /* what went out since it was last looked at: "get RID" or "report RID BODY" */
static char rid_asked[16];

void link_get_twin(struct link *l, const char *rid)
{
	(void)l;
	snprintf(asked, sizeof asked, "get %s", rid);
	snprintf(rid_asked, sizeof rid_asked, "%s", rid);
}

void link_report(struct link *l, const char *rid, const char *body)
{
	(void)l;
	snprintf(asked, sizeof asked, "report %s %s", rid, body);
	snprintf(rid_asked, sizeof rid_asked, "%s", rid);
}

/* --- the rest of the agent --- */

static const char *is_wanted; /* JSON; NULL: not now */

static json_t *wanted(void *arg)
{
	ck_assert_ptr_eq(arg, &is_wanted);
	return is_wanted == NULL ? NULL : json_loads(is_wanted, 0, NULL);
}

static struct twin *t;

static void set_up(void)
{
	now_ms = 1000;
	is_wanted = "{\"bootId\":\"b1\"}";
	asked[0] = '\0';
	t = twin_new(NULL, wanted, &is_wanted);
	ck_assert_ptr_nonnull(t);
}

static void tear_down(void)
{
	twin_free(t);
}

/* Takes a turn and says what went out by it. */
static const char *turn(void)
{
	static char was[sizeof asked];

	twin_turn(t);
	memcpy(was, asked, sizeof was);
	asked[0] = '\0';
	return was;
}

static void answer(int status, const char *body)
{
	twin_answer(t, status, rid_asked, body, strlen(body));
}

/* A link to a hub that holds what is wanted. */
static void come_to_rest(void)
{
	twin_link_up(t, false);
	ck_assert_str_eq(turn(), "get 1");
	answer(200, "{\"reported\":{\"iothubDM\":{\"bootId\":\"b1\"}}}");
	ck_assert_str_eq(turn(), "");
	ck_assert(twin_is_told(t));
	ck_assert_int_eq(twin_turn(t), NEVER);
}

/* --- tests --- */

START_TEST(test_the_twin_is_read_first_and_only_the_difference_is_sent)
{
	is_wanted = "{\"bootId\":\"b2\",\"versions\":{\"agent\":\"1\"}}";
	ck_assert_str_eq(turn(), ""); /* no link yet */
	ck_assert_int_eq(twin_turn(t), NEVER);
	twin_link_up(t, false);
	ck_assert(!twin_is_told(t));
	ck_assert_str_eq(turn(), "get 1");
	ck_assert(twin_is_busy(t));
	ck_assert_int_eq(twin_turn(t), now_ms + 30000);
	answer(200,
	       "{\"desired\":{},\"reported\":{\"iothubDM\":{\"bootId\":\"b1\",\"versions\":{\"agent\":\"1\"}}}}");
	ck_assert_str_eq(turn(), "report 2 {\"iothubDM\":{\"bootId\":\"b2\"}}");
	ck_assert(!twin_is_told(t));
	answer(204, "");
	ck_assert_str_eq(turn(), "");
	ck_assert(twin_is_told(t));
	is_wanted = "{\"bootId\":\"b3\",\"versions\":{\"agent\":\"1\"}}";
	ck_assert_str_eq(turn(), ""); /* nobody has said so */
	twin_changed(t);
	ck_assert(!twin_is_told(t));
	ck_assert_str_eq(turn(), "report 3 {\"iothubDM\":{\"bootId\":\"b3\"}}");
}
END_TEST

START_TEST(test_where_the_hub_holds_nothing_everything_is_sent)
{
	twin_link_up(t, false);
	ck_assert_str_eq(turn(), "get 1");
	answer(200, "{\"reported\":{\"$version\":1}}");
	ck_assert_str_eq(turn(), "report 2 {\"iothubDM\":{\"bootId\":\"b1\"}}");
}
END_TEST

START_TEST(test_nothing_is_sent_before_disk_and_memory_agree)
{
	come_to_rest();
	is_wanted = NULL;
	twin_changed(t);
	ck_assert_str_eq(turn(), "");
	is_wanted = "{\"bootId\":\"b2\"}";
	twin_changed(t);
	ck_assert_str_eq(turn(), "report 2 {\"iothubDM\":{\"bootId\":\"b2\"}}");
}
END_TEST

START_TEST(test_a_report_without_an_acknowledgement_is_looked_for_before_the_next)
{
	come_to_rest();
	is_wanted = "{\"bootId\":\"b2\"}";
	twin_changed(t);
	ck_assert_str_eq(turn(), "report 2 {\"iothubDM\":{\"bootId\":\"b2\"}}");
	now_ms += 30000;
	ck_assert_str_eq(turn(), "");
	answer(204, ""); /* after it was given up */
	ck_assert(!twin_is_told(t));
	now_ms += 1000;
	ck_assert_str_eq(turn(), "get 3");
	answer(200, "{\"reported\":{\"iothubDM\":{\"bootId\":\"b2\"}}}");
	ck_assert_str_eq(turn(), "");
	ck_assert(twin_is_told(t));
}
END_TEST

START_TEST(test_a_report_that_fails_is_in_doubt_and_one_that_is_refused_is_not)
{
	come_to_rest();
	is_wanted = "{\"bootId\":\"b2\"}";
	twin_changed(t);
	ck_assert_str_eq(turn(), "report 2 {\"iothubDM\":{\"bootId\":\"b2\"}}");
	answer(429, "");
	ck_assert_str_eq(turn(), ""); /* not at once */
	now_ms += 1000;
	ck_assert_str_eq(turn(), "report 3 {\"iothubDM\":{\"bootId\":\"b2\"}}");
	answer(503, "");
	now_ms += 2000;
	ck_assert_str_eq(turn(), "get 4");
	answer(199, ""); /* no hub says that */
	now_ms += 4000;
	ck_assert_str_eq(turn(), "get 5");
}
END_TEST

START_TEST(test_a_twin_that_cannot_be_read_is_asked_for_less_and_less_often)
{
	static const char *const bodies[] = {"", "{\"reported\":7}", "[]", "{\"desired\":{}}"};

	twin_link_up(t, false);
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_int_eq(strncmp(turn(), "get ", 4), 0);
		answer(200, bodies[i]);
		ck_assert(!twin_is_busy(t));
		now_ms += 499; /* at least half a second, and half of twice as much each time */
		ck_assert_str_eq(turn(), "");
		now_ms += 8000;
	}
	ck_assert_str_eq(turn(), "get 5");
	answer(200, "{\"reported\":{}}");
	ck_assert_str_eq(turn(), "report 6 {\"iothubDM\":{\"bootId\":\"b1\"}}");
}
END_TEST

START_TEST(test_what_was_not_asked_for_changes_nothing)
{
	come_to_rest();
	twin_answer(t, 500, "1", "", 0); /* nothing is out */
	ck_assert(twin_is_told(t));
	is_wanted = "{\"bootId\":\"b2\"}";
	twin_changed(t);
	ck_assert_str_eq(turn(), "report 2 {\"iothubDM\":{\"bootId\":\"b2\"}}");
	twin_answer(t, 500, "1", "", 0);
	twin_answer(t, 500, "2x", "", 0);
	ck_assert(twin_is_busy(t));
	answer(204, "");
	ck_assert_str_eq(turn(), "");
	ck_assert(twin_is_told(t));
}
END_TEST

START_TEST(test_a_hub_that_knew_the_device_holds_what_it_held)
{
	come_to_rest();
	twin_link_down(t);
	ck_assert(!twin_is_told(t));
	twin_link_up(t, true);
	ck_assert_str_eq(turn(), "");
	ck_assert(twin_is_told(t));
	twin_link_down(t);
	twin_link_up(t, false); /* it may be another device of that name by now */
	ck_assert_str_eq(turn(), "get 2");
	twin_link_down(t);
	twin_link_up(t, true);
	ck_assert_str_eq(turn(), "get 3");
	answer(200, "{\"reported\":{}}");
	ck_assert_str_eq(turn(), "report 4 {\"iothubDM\":{\"bootId\":\"b1\"}}");
	twin_link_down(t); /* whether it got through is not known */
	twin_link_up(t, true);
	ck_assert_str_eq(turn(), "get 5");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("agent-twin");
	TCase *c = tcase_create("twin");

	tcase_add_checked_fixture(c, set_up, tear_down);
	tcase_add_test(c, test_the_twin_is_read_first_and_only_the_difference_is_sent);
	tcase_add_test(c, test_where_the_hub_holds_nothing_everything_is_sent);
	tcase_add_test(c, test_nothing_is_sent_before_disk_and_memory_agree);
	tcase_add_test(c, test_a_report_without_an_acknowledgement_is_looked_for_before_the_next);
	tcase_add_test(c, test_a_report_that_fails_is_in_doubt_and_one_that_is_refused_is_not);
	tcase_add_test(c, test_a_twin_that_cannot_be_read_is_asked_for_less_and_less_often);
	tcase_add_test(c, test_what_was_not_asked_for_changes_nothing);
	tcase_add_test(c, test_a_hub_that_knew_the_device_holds_what_it_held);
	suite_add_tcase(s, c);
	return suite_run(s);
}
