/* tests: server/campaign/engine_wave: abort rules that are met together, or changed while a campaign lives.
 */
#include "tests/lib/suite.h"

#include <stdio.h>

#include "rig.h"

static struct rig *r;
static uint32_t c;

static void start(void)
{
	if (r != NULL)
		rig_free(r);
	r = rig_new();
}

static void expect(enum campaign_state state, const char *reason)
{
	ck_assert_str_eq(campaign_state_text(r->campaigns[c].row.state), campaign_state_text(state));
	ck_assert_str_eq(r->campaigns[c].reason, reason);
}

static void refuse(uint32_t no)
{
	ck_assert_int_eq(rig_call(r, c, no, CALL_REFUSED), ERR_OK);
}

START_TEST(test_of_rules_met_at_once_the_first_that_cancels_acts_or_else_the_first)
{
	static const struct {
		const char *ways[3]; /* cancel or pause */
		unsigned acts;       /* rule, from 1 */
	} rows[] = {
	        {{"pause", "pause", "pause"}, 1},   {{"pause", "pause", "cancel"}, 3},
	        {{"pause", "cancel", "pause"}, 2},  {{"pause", "cancel", "cancel"}, 2},
	        {{"cancel", "pause", "pause"}, 1},  {{"cancel", "pause", "cancel"}, 1},
	        {{"cancel", "cancel", "pause"}, 1}, {{"cancel", "cancel", "cancel"}, 1},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		bool cancels = rows[i].ways[rows[i].acts - 1][0] == 'c';
		char members[256], reason[128];

		snprintf(members, sizeof members,
		         "\"abort\":[{\"count\":1,\"do\":\"%s\"},{\"count\":1,\"do\":\"%s\"},"
		         "{\"count\":1,\"do\":\"%s\"}]",
		         rows[i].ways[0], rows[i].ways[1], rows[i].ways[2]);
		start();
		c = rig_campaign(r, members, 2);
		rig_turn(r);
		refuse(0);
		rig_turn(r);
		snprintf(reason, sizeof reason, "abort rule %u: 1 of 1 finished devices failed",
		         rows[i].acts);
		expect(cancels ? CAMPAIGN_CANCELLING : CAMPAIGN_PAUSED, reason);
	}
}
END_TEST

#define RULE(cause, limit, way) "\"abort\":[{\"cause\":\"" cause "\"," limit ",\"do\":\"" way "\"}]"

START_TEST(test_a_rule_that_is_changed_in_any_way_counts_from_the_beginning)
{
	static const struct {
		const char *before, *after;
		enum campaign_state state;
	} rows[] = {
	        {RULE("any", "\"count\":2", "pause"), RULE("any", "\"count\":2", "pause"), CAMPAIGN_RUNNING},
	        {RULE("any", "\"count\":2", "pause"), RULE("refused", "\"count\":2", "pause"),
	         CAMPAIGN_PAUSED},
	        {RULE("any", "\"count\":2", "pause"), RULE("any", "\"count\":1", "pause"), CAMPAIGN_PAUSED},
	        {RULE("any", "\"count\":2", "pause"), RULE("any", "\"count\":2", "cancel"),
	         CAMPAIGN_CANCELLING},
	        {RULE("any", "\"percent\":50,\"minFinished\":2", "pause"),
	         RULE("any", "\"percent\":50,\"minFinished\":2", "pause"), CAMPAIGN_RUNNING},
	        {RULE("any", "\"percent\":50,\"minFinished\":2", "pause"),
	         RULE("any", "\"percent\":60,\"minFinished\":2", "pause"), CAMPAIGN_PAUSED},
	        {RULE("any", "\"percent\":50,\"minFinished\":2", "pause"),
	         RULE("any", "\"percent\":50,\"minFinished\":1", "pause"), CAMPAIGN_PAUSED},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		start();
		c = rig_campaign(r, rows[i].before, 3);
		rig_turn(r);
		refuse(0);
		refuse(1);
		rig_turn(r);
		ck_assert_uint_eq(r->campaigns[c].row.state, CAMPAIGN_PAUSED);
		ck_assert_int_eq(rig_order(r, FACT_RESUME, c), ERR_OK);
		rig_turn(r);
		rig_respec(r, c, rows[i].after, 24 * HOUR_MS);
		rig_turn(r);
		ck_assert_msg(r->campaigns[c].row.state == rows[i].state, "row %zu: %s", i,
		              campaign_state_text(r->campaigns[c].row.state));
	}
}
END_TEST

START_TEST(test_every_rule_that_is_changed_counts_from_the_beginning_not_only_the_first)
{
	static const char other[] = "{\"cause\":\"gone\",\"count\":9}";
	char members[256], list[200];

	for (unsigned i = 0; i < 3; i++)
		for (unsigned count = 2; count > 0; count--) {
			char rule[64];

			snprintf(rule, sizeof rule, "{\"count\":%u}", count);
			if (i == 0)
				snprintf(list, sizeof list, "%s", rule);
			else if (i == 1)
				snprintf(list, sizeof list, "%s,%s", other, rule);
			else
				snprintf(list, sizeof list, "%s,%s,%s", other, other, rule);
			snprintf(members, sizeof members, "\"abort\":[%s]", list);
			if (count == 1) {
				rig_respec(r, c, members, 24 * HOUR_MS);
				rig_turn(r);
				ck_assert_uint_eq(r->campaigns[c].row.state, CAMPAIGN_PAUSED);
				continue;
			}
			start();
			c = rig_campaign(r, members, 3);
			rig_turn(r);
			refuse(0);
			refuse(1);
			rig_turn(r);
			ck_assert_int_eq(rig_order(r, FACT_RESUME, c), ERR_OK);
			rig_turn(r);
		}
}
END_TEST

START_TEST(test_an_override_is_on_record_with_the_approval_that_it_is)
{
	struct campaign_row row;

	c = rig_campaign(r,
	                 "\"rollout\":{\"waves\":[{\"upToCount\":1},{\"upToPercent\":100}],"
	                 "\"gate\":{\"minSuccessPercent\":100,\"approval\":\"each\"}}",
	                 2);
	rig_turn(r);
	refuse(0);
	rig_turn(r);
	ck_assert_uint_eq(r->campaigns[c].row.state, CAMPAIGN_PAUSED);
	ck_assert_int_eq(rig_approve(r, c, true), ERR_OK);
	r->steps_max = 1; /* one commit has the wave alone */
	rig_turn_once(r);
	ck_assert_uint_eq(r->steps[0].kind, STEP_WAVE);
	ck_assert_int_eq(engine_campaign_row(r->e, c, &row), ERR_OK);
	ck_assert_uint_eq(row.waves[0].stage, WAVE_OPEN);
	ck_assert(row.waves[0].is_overridden);
	ck_assert(row.waves[0].is_approved);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("campaign rules");

	suite_add_with(s, "rules", start,
	               (const TTest *const[]){
	                       test_of_rules_met_at_once_the_first_that_cancels_acts_or_else_the_first,
	                       test_a_rule_that_is_changed_in_any_way_counts_from_the_beginning,
	                       test_every_rule_that_is_changed_counts_from_the_beginning_not_only_the_first,
	                       test_an_override_is_on_record_with_the_approval_that_it_is, NULL});
	return suite_run(s);
}
