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

int main(void)
{
	Suite *s = suite_create("campaign rules");

	suite_add_with(s, "rules", start,
	               (const TTest *const[]){
	                       test_of_rules_met_at_once_the_first_that_cancels_acts_or_else_the_first,
	                       test_a_rule_that_is_changed_in_any_way_counts_from_the_beginning, NULL});
	return suite_run(s);
}
