/* tests: server/campaign/engine_ask: what the engine answers, also of what is not there. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>

#include "rig.h"

#define SITE "\"rollout\":{\"group\":{\"by\":\"tags.site\",\"maxUnavailable\":4}}"
#define WINDOW "\"schedule\":{\"windows\":[{\"cron\":\"0 2 * * *\",\"durationMinutes\":60}]}"
#define BLACKOUT "\"schedule\":{\"blackouts\":[{\"from\":\"2026-12-24\",\"to\":\"2026-12-26\"}]}"
#define NOBODY 99

static struct rig *r;
static uint32_t c;

static void start(void)
{
	if (r != NULL)
		rig_free(r);
	r = rig_new();
}

static void select_all(uint32_t campaign)
{
	struct fact f = rig_fact(r, FACT_SELECTED, campaign, 0);

	ck_assert_int_eq(rig_feed(r, &f), ERR_OK);
}

START_TEST(test_of_what_is_not_there_nothing_is_told)
{
	struct target_state_view view;
	struct engine_group group;
	struct engine_waiting w;
	struct campaign_row row;
	uint32_t no;

	c = rig_campaign(r, "", 1);
	ck_assert(!engine_target(r->e, NOBODY, 0, &view));
	ck_assert(!engine_target(r->e, c, 1, &view));
	ck_assert_ptr_null(engine_spec(r->e, NOBODY));
	ck_assert_ptr_null(engine_campaign_id(r->e, NOBODY));
	ck_assert_str_eq(engine_campaign_id(r->e, c), "campaign1");
	ck_assert(!engine_find(r->e, NOBODY, "d0", -1, &no));
	ck_assert(!engine_group(r->e, NOBODY, 0, &group));
	ck_assert(!engine_group(r->e, c, 0, &group));
	engine_group_down(r->e, NOBODY, 0, NULL, NULL);
	engine_group_down(r->e, c, 0, NULL, NULL);
	ck_assert(!engine_has_relapsed(r->e, NOBODY, 0));
	ck_assert(!engine_has_relapsed(r->e, c, 1));
	ck_assert(!engine_has_relapsed(r->e, c, 0));
	ck_assert(!engine_is_parked(r->e, NOBODY, 0));
	ck_assert(!engine_is_parked(r->e, c, 1));
	engine_waiting(r->e, NOBODY, r->now_ms, &w);
	ck_assert_int_eq(w.wait, WAIT_NONE);
	ck_assert(w.is_all);
	ck_assert_int_eq(engine_campaign_row(r->e, NOBODY, &row), ERR_NOT_FOUND);
}
END_TEST

START_TEST(test_calls_may_be_made_while_it_runs_and_is_not_paused)
{
	ck_assert(!engine_may_call(r->e, NOBODY));
	c = rig_add(r, "", 1000, HOUR_MS, 1);
	rig_at(r, 0);
	ck_assert(!engine_may_call(r->e, c));
	rig_at(r, 1000);
	ck_assert(!engine_may_call(r->e, c)); /* selecting */
	rig_target(r, c, "d0", 0, true, true);
	select_all(c);
	ck_assert(engine_may_call(r->e, c));
	ck_assert_int_eq(rig_order(r, FACT_PAUSE, c), ERR_OK);
	ck_assert(!engine_may_call(r->e, c));
	ck_assert_int_eq(rig_order(r, FACT_RESUME, c), ERR_OK);
	rig_turn(r);
	ck_assert(engine_may_call(r->e, c));
	rig_at(r, HOUR_MS); /* its end, while d0 is out */
	ck_assert(!engine_may_call(r->e, c));
}
END_TEST

START_TEST(test_a_device_is_found_by_its_hub_or_by_any)
{
	uint32_t no = NOBODY;

	c = rig_add(r, "", 0, HOUR_MS, 2);
	rig_turn_once(r);
	rig_target(r, c, "d0", 0, true, true);
	rig_target(r, c, "d1", 1, true, true);
	rig_target(r, c, "d0", 1, true, true);
	ck_assert(engine_find(r->e, c, "d0", -1, &no));
	ck_assert_uint_eq(no, 0);
	ck_assert(engine_find(r->e, c, "d0", 1, &no));
	ck_assert_uint_eq(no, 2);
	ck_assert(engine_find(r->e, c, "d1", -1, &no));
	ck_assert_uint_eq(no, 1);
	no = NOBODY;
	ck_assert(!engine_find(r->e, c, "d1", 0, &no));
	ck_assert(!engine_find(r->e, c, "d2", -1, &no));
	ck_assert_uint_eq(no, NOBODY);
}
END_TEST

/* ---- groups ---- */

/* A campaign over these two devices of a group of hub 0. */
static uint32_t campaign_of_site(const char *site, const char *id0, const char *id1)
{
	uint32_t campaign = rig_add(r, SITE, r->now_ms - T0, r->now_ms - T0 + 24 * HOUR_MS, 1);

	rig_turn_once(r);
	rig_group(r, campaign, 0, site, 2);
	rig_target_in(r, campaign, id0, 0, 0, true, true);
	rig_target_in(r, campaign, id1, 0, 0, true, true);
	select_all(campaign);
	rig_turn(r);
	return campaign;
}

static void add_down(void *arg, const char *device_id, uint32_t campaign, const char *how, int64_t since_ms)
{
	buf_printf(arg, "%s/%u %s@%lld ", device_id, campaign, how, (long long)(since_ms - T0));
}

static void expect_down(uint32_t campaign, const char *expected)
{
	struct buf text = BUF_INIT;

	buf_puts(&text, "");
	engine_group_down(r->e, campaign, 0, add_down, &text);
	ck_assert_str_eq(text.data, expected);
	buf_done(&text);
}

static int64_t found_offline(uint32_t campaign, uint32_t no)
{
	ck_assert_int_eq(rig_call(r, campaign, no, CALL_OFFLINE), ERR_OK);
	rig_turn(r);
	return rig_row(r, campaign, no)->next_at_ms;
}

START_TEST(test_who_is_offline_is_told_once_since_it_was_seen_so_last)
{
	char expected[96];
	int64_t at_ms;

	c = campaign_of_site("gbg", "d0", "d1");
	found_offline(c, 1);
	r->now_ms++;
	at_ms = found_offline(c, 0);
	ck_assert_int_lt(at_ms, rig_row(r, c, 1)->next_at_ms);
	expect_down(c, "d1/1 offline@0 d0/1 offline@1 ");
	r->now_ms = at_ms;
	rig_turn(r);
	ck_assert_int_eq(rig_read(r, c, 0, SAYS_NOTHING, at_ms - T0), ERR_OK);
	rig_turn(r);
	snprintf(expected, sizeof expected, "d1/1 offline@0 d0/1 invoking@%d ", (int)(at_ms - T0));
	expect_down(c, expected);
	found_offline(c, 0); /* again, in less than five minutes */
	snprintf(expected, sizeof expected, "d1/1 offline@0 d0/1 offline@%d ", (int)(at_ms - T0));
	expect_down(c, expected);
	r->hubs[0].is_open = false; /* nobody is called again */
	rig_at(r, 300001);
	snprintf(expected, sizeof expected, "d0/1 offline@%d ", (int)(at_ms - T0));
	expect_down(c, expected);
	ck_assert_int_eq(r->wake_ms, at_ms + 300001); /* the first time is nothing any more */
	r->now_ms = at_ms + 300000;
	rig_turn(r);
	expect_down(c, expected);
	r->now_ms++;
	rig_turn(r);
	expect_down(c, "");
}
END_TEST

START_TEST(test_all_who_have_failed_are_told)
{
	c = campaign_of_site("gbg", "d0", "d1");
	ck_assert_int_eq(rig_call(r, c, 0, CALL_REFUSED), ERR_OK);
	r->now_ms++;
	ck_assert_int_eq(rig_call(r, c, 1, CALL_REFUSED), ERR_OK);
	expect_down(c, "d0/1 failed@0 d1/1 failed@1 ");
}
END_TEST

START_TEST(test_of_other_groups_and_of_what_is_over_nobody_is_told)
{
	uint32_t other, gone;

	c = campaign_of_site("gbg", "d0", "d1");
	found_offline(c, 0);
	other = campaign_of_site("sto", "d2", "d3");
	found_offline(other, 0);
	gone = campaign_of_site("gbg", "d4", "d5");
	found_offline(gone, 0);
	found_offline(gone, 1);
	r->hubs[0].is_open = false;
	expect_down(c, "d0/1 offline@0 d4/3 offline@0 d5/3 offline@0 d1/1 invoking@0 ");
	expect_down(other, "d2/2 offline@0 d3/2 invoking@0 ");
	ck_assert_int_eq(rig_target_order(r, FACT_SKIP, gone, 1), ERR_OK);
	expect_down(c, "d0/1 offline@0 d4/3 offline@0 d1/1 invoking@0 ");
	ck_assert_int_eq(rig_order(r, FACT_CANCEL, gone), ERR_OK);
	rig_turn(r);
	engine_campaign_drop(r->e, gone);
	expect_down(c, "d0/1 offline@0 d1/1 invoking@0 ");
}
END_TEST

/* ---- why they wait ---- */

START_TEST(test_a_cancel_while_they_are_selected_ends_those_that_are_there)
{
	struct engine_waiting w;

	c = rig_add(r, "", 0, HOUR_MS, 1);
	rig_turn_once(r);
	rig_target(r, c, "d0", 0, true, true);
	rig_target(r, c, "d1", 0, true, true);
	ck_assert_int_eq(rig_order(r, FACT_CANCEL, c), ERR_OK);
	engine_waiting(r->e, c, r->now_ms, &w);
	ck_assert_uint_eq(w.closed_from, UINT32_MAX); /* there are no waves yet */
	ck_assert_uint_eq(w.closed_n, 0);
	ck_assert_uint_eq(w.parked_n, 0);
	rig_turn(r);
	for (uint32_t i = 0; i < 2; i++)
		ck_assert_uint_eq(rig_row(r, c, i)->state, TARGET_CANCELLED);
	ck_assert_uint_eq(r->campaigns[c].row.state, CAMPAIGN_CANCELLED);
}
END_TEST

START_TEST(test_an_approval_to_start_is_asked_for_where_somebody_is_called)
{
	c = rig_campaign(r, "\"rollout\":{\"gate\":{\"approval\":\"start\"}}", 0);
	rig_turn(r);
	ck_assert_uint_eq(r->campaigns[c].row.state, CAMPAIGN_COMPLETED);
	ck_assert_str_eq(r->campaigns[c].reason, "no device matched");
	c = rig_campaign(r, "\"rollout\":{\"gate\":{\"approval\":\"start\"}}", 1);
	rig_turn(r);
	ck_assert_uint_eq(r->campaigns[c].row.state, CAMPAIGN_AWAITING_APPROVAL);
}
END_TEST

START_TEST(test_where_hubs_and_windows_are_shut_each_is_counted_under_its_own)
{
	struct zone_state shut = {false, false, T0 + 7000};
	struct engine_waiting w;

	c = rig_add(r, WINDOW, 0, HOUR_MS, 2);
	rig_turn_once(r);
	engine_zones(r->e, c, 1); /* as many as there are: nothing changes */
	rig_target(r, c, "d0", 0, true, true);
	rig_target(r, c, "d1", 1, true, true);
	select_all(c);
	engine_zone(r->e, c, 0, r->now_ms, &shut);
	r->hubs[0].is_open = r->hubs[1].is_open = false;
	r->hubs[0].opens_at_ms = T0 + 5000;
	rig_turn(r);
	engine_waiting(r->e, c, r->now_ms, &w);
	ck_assert(!w.is_all);
	ck_assert(w.has_shut_windows);
	ck_assert_uint_eq(w.shut_hubs, 3);
	ck_assert_int_eq(w.shut_until_ms[0], T0 + 5000);
	ck_assert_int_eq(w.shut_until_ms[1], TIME_NONE);
	ck_assert_uint_eq(w.window_by[0][WAIT_NONE], 2); /* the window comes before the hub */
	ck_assert_uint_eq(w.shut_by[WAIT_NONE], 0);
	shut.is_open = true;
	shut.until_ms = TIME_NEVER;
	engine_zone(r->e, c, 0, r->now_ms, &shut);
	engine_zone(r->e, c, 1, r->now_ms, &(struct zone_state){0}); /* there is nobody in such a zone */
	engine_waiting(r->e, c, r->now_ms, &w);
	ck_assert(w.is_all);
	ck_assert_int_eq(w.wait, WAIT_HUB);
	ck_assert_int_eq(w.next_at_ms, T0 + 5000);
}
END_TEST

START_TEST(test_who_waits_for_its_window_is_counted_whichever_zone_is_shut)
{
	struct zone_state open = {true, false, TIME_NEVER}, shut = {false, false, T0 + 7000};

	for (uint32_t zone = 0; zone < 2; zone++) {
		struct engine_waiting w;

		start();
		c = rig_add(r, WINDOW, 0, HOUR_MS, 1);
		rig_turn_once(r);
		engine_zones(r->e, c, 2);
		for (uint16_t z = 0; z < 2; z++)
			engine_zone(r->e, c, z, r->now_ms, z == zone ? &shut : &open);
		engine_target_add(r->e,
		                  &(struct target_row){.campaign = c,
		                                       .zone = (uint16_t)zone,
		                                       .group = GROUP_NONE,
		                                       .changed_at_ms = T0,
		                                       .next_at_ms = TIME_NONE},
		                  "d0", &(struct baseline){0});
		select_all(c);
		engine_waiting(r->e, c, r->now_ms, &w);
		ck_assert(w.has_shut_windows);
		ck_assert_uint_eq(w.window_by[0][WAIT_NONE], 1);
	}
	start();
}
END_TEST

START_TEST(test_the_next_call_waits_for_what_the_hub_lacks_for_it)
{
	static const struct {
		uint32_t calls, restarts;
		int64_t next_ms;
	} rows[] = {{0, 0, 1000}, {0, 1, 1000}, {1, 0, 2000}, {1, 1, 0}};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct engine_waiting w;

		start();
		r->hubs[0].call_credit = rows[i].calls;
		r->hubs[0].credit_at_ms = T0 + 1000;
		r->hubs[0].restart_credit = rows[i].restarts;
		r->hubs[0].restart_at_ms = T0 + 2000;
		c = rig_campaign(r, "", 1);
		engine_hub(r->e, 0, &r->hubs[0]);
		engine_waiting(r->e, c, r->now_ms, &w);
		ck_assert_int_eq(w.wait, WAIT_RATE);
		ck_assert_int_eq(w.next_at_ms, T0 + rows[i].next_ms);
	}
}
END_TEST

START_TEST(test_who_is_read_first_does_not_wait_for_a_time_that_has_come)
{
	struct engine_waiting w;

	r->hubs[0].call_credit = 0;
	r->hubs[0].credit_at_ms = T0 + 1000;
	c = rig_campaign(r, "\"precheck\":{\"where\":\"tags.a = 1\"}", 2);
	rig_turn(r);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	engine_waiting(r->e, c, T0 + 1000, &w);
	ck_assert_int_eq(w.wait, WAIT_RATE);
	ck_assert_int_eq(w.next_at_ms, T0 + 1000);
	engine_waiting(r->e, c, T0 + 1001, &w); /* the hub has not said yet what it takes by now */
	ck_assert_int_eq(w.wait, WAIT_RATE);
	ck_assert_int_eq(w.next_at_ms, TIME_NONE);
}
END_TEST

START_TEST(test_a_campaign_with_blackouts_alone_waits_until_it_is_told_what_holds)
{
	struct zone_state open = {true, false, TIME_NEVER};
	int64_t until_ms;

	c = rig_campaign(r, BLACKOUT, 1);
	rig_turn(r);
	ck_assert_uint_eq(rig_invoked(r, c), 0);
	ck_assert_int_eq(engine_window(r->e, c, 0, &until_ms), WAIT_WINDOW);
	engine_zone(r->e, c, 0, r->now_ms, &open);
	rig_turn(r);
	ck_assert_uint_eq(rig_invoked(r, c), 1);
}
END_TEST

START_TEST(test_time_counts_for_the_offline_until_the_window_ends_though_nobody_says_so)
{
	struct zone_state open = {true, false, T0 + 60000};

	c = rig_campaign(r, WINDOW ",\"offline\":{\"expireAfterSeconds\":100}", 1);
	engine_zone(r->e, c, 0, r->now_ms, &open);
	rig_turn(r);
	ck_assert_int_eq(rig_call(r, c, 0, CALL_OFFLINE), ERR_OK);
	rig_turn(r);
	rig_at(r, 90000);
	rig_at(r, 95000); /* all of that is after its end */
	open.until_ms = TIME_NEVER;
	engine_zone(r->e, c, 0, r->now_ms, &open);
	rig_turn(r);
	ck_assert_int_eq(rig_read(r, c, 0, SAYS_NOTHING, 95000), ERR_OK);
	rig_turn(r);
	ck_assert_int_eq(rig_call(r, c, 0, CALL_OFFLINE), ERR_OK);
	rig_turn(r);
	ck_assert_int_eq(rig_row(r, c, 0)->offline_ms, 60000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("campaign ask");

	suite_add_with(s, "ask", start,
	               (const TTest *const[]){
	                       test_of_what_is_not_there_nothing_is_told,
	                       test_calls_may_be_made_while_it_runs_and_is_not_paused,
	                       test_a_device_is_found_by_its_hub_or_by_any,
	                       test_who_is_offline_is_told_once_since_it_was_seen_so_last,
	                       test_all_who_have_failed_are_told,
	                       test_of_other_groups_and_of_what_is_over_nobody_is_told,
	                       test_a_cancel_while_they_are_selected_ends_those_that_are_there,
	                       test_an_approval_to_start_is_asked_for_where_somebody_is_called,
	                       test_where_hubs_and_windows_are_shut_each_is_counted_under_its_own,
	                       test_who_waits_for_its_window_is_counted_whichever_zone_is_shut,
	                       test_the_next_call_waits_for_what_the_hub_lacks_for_it,
	                       test_who_is_read_first_does_not_wait_for_a_time_that_has_come,
	                       test_a_campaign_with_blackouts_alone_waits_until_it_is_told_what_holds,
	                       test_time_counts_for_the_offline_until_the_window_ends_though_nobody_says_so,
	                       NULL});
	return suite_run(s);
}
