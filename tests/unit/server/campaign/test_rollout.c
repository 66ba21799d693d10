/* tests: server/campaign/engine: waves, gates, approvals, abort rules, groups, pre-checks, orders for one
 * target, changed specs. The rig checks P4 and P7 in all of them by its own table. A default reboot: a call
 * may be out for 100 s, settles for 120 s. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <string.h>

#include "chaos.h"
#include "rig.h"

#define SETTLE_MS 120000
#define DAY_MS (24 * HOUR_MS)
#define RETRY \
	"\"retry\":{\"maxAttempts\":3,\"on\":[\"refused\",\"noProof\"],\"backoffSeconds\":60,\"backoffMaxSeconds\":90}"
#define BY_NONE "\"verify\":{\"by\":\"none\",\"settleSeconds\":0}"
#define AT_ONCE "\"verify\":{\"settleSeconds\":0}"
#define ROLLOUT(members) "\"rollout\":{" members "}"
/* Of 7 devices: 0 · 1 2 · 3 4 5 6 */
#define WAVES "\"waves\":[{\"name\":\"canary\",\"upToCount\":1},{\"upToPercent\":50},{\"upToPercent\":100}]"
#define GATE(members) "\"gate\":{" members "}"
#define GROUP(n) "\"group\":{\"by\":\"tags.site\",\"maxUnavailable\":" n "}"
#define PRECHECK "\"precheck\":{\"where\":\"properties.reported.battery > 50\"}"

/* The rig and the campaign of the test that runs. */
static struct rig *r;
static uint32_t c;

static void tear_down(void)
{
	if (r != NULL)
		rig_free(r);
	r = NULL;
}

static void begin(const char *members, uint32_t n)
{
	r = rig_new();
	c = rig_campaign(r, members, n);
	rig_at(r, 0);
}

/* Adds a campaign over devices d<first> …, one for each letter: its group, "-" for that without a tag. */
static uint32_t in_groups(const char *members, unsigned first, const char *letters, bool has_baseline)
{
	uint32_t no = rig_add(r, members, r->now_ms - T0, r->now_ms - T0 + DAY_MS, 1), groups[128];
	struct fact f;
	char text[16];

	rig_turn_once(r); /* SELECTING */
	for (const char *l = letters; *l != '\0'; l++) {
		uint32_t size = 0;

		for (const char *k = letters; *k != '\0'; k++)
			size += *k == *l;
		snprintf(text, sizeof text, "%c", *l);
		if (strchr(letters, *l) == l)
			groups[(unsigned char)*l] = rig_group(r, no, 0, *l == '-' ? "" : text, size);
	}
	for (const char *l = letters; *l != '\0'; l++) {
		snprintf(text, sizeof text, "d%u", first + (unsigned)(l - letters));
		rig_target_in(r, no, text, 0, groups[(unsigned char)*l], has_baseline, true);
	}
	f = rig_fact(r, FACT_SELECTED, no, 0);
	ck_assert_int_eq(rig_feed(r, &f), ERR_OK);
	return no;
}

static void begin_in_groups(const char *members, const char *letters)
{
	r = rig_new();
	c = in_groups(members, 0, letters, true);
	rig_at(r, 0);
}

/* ---- what happens ---- */

static void prove_in(uint32_t campaign, uint32_t no)
{
	ck_assert_int_eq(rig_call(r, campaign, no, CALL_ACCEPTED), ERR_OK);
	ck_assert_int_eq(rig_query(r, campaign, no, SAYS_PROVEN), ERR_OK);
}

static void prove(uint32_t no)
{
	prove_in(c, no);
}

static void refuse(uint32_t no)
{
	ck_assert_int_eq(rig_call(r, c, no, CALL_REFUSED), ERR_OK);
}

static void order(enum fact_kind kind)
{
	ck_assert_int_eq(rig_order(r, kind, c), ERR_OK);
}

static void skip(uint32_t no)
{
	ck_assert_int_eq(rig_target_order(r, FACT_SKIP, c, no), ERR_OK);
}

static void later(int64_t ms)
{
	r->now_ms += ms;
}

/* ---- what is expected ---- */

/* The states of the targets of a campaign, a letter each: w i d a s f k c; P parked. */
static void expect_in(uint32_t campaign, const char *states)
{
	const struct rig_campaign *of = &r->campaigns[campaign];
	char text[64] = "";

	ck_assert_uint_lt(of->n, sizeof text);
	for (uint32_t i = 0; i < of->n; i++)
		text[i] = engine_is_parked(r->e, campaign, i) ? 'P' : "widasfkc"[of->targets[i].row.state];
	ck_assert_str_eq(text, states);
}

static void expect(const char *states)
{
	expect_in(c, states);
}

static void expect_reason(uint32_t no, enum reason reason)
{
	ck_assert_str_eq(reason_text(rig_row(r, c, no)->reason), reason_text(reason));
}

static void expect_wait(uint32_t no, enum wait wait, int64_t next_ms)
{
	ck_assert_uint_eq(rig_row(r, c, no)->state, TARGET_WAITING);
	ck_assert_str_eq(wait_text(rig_row(r, c, no)->wait), wait_text(wait));
	ck_assert_int_eq(rig_row(r, c, no)->next_at_ms, next_ms == TIME_NONE ? TIME_NONE : T0 + next_ms);
}

/* What stopped the campaign in the last turn. */
static enum stop stopped_by(void)
{
	enum stop stop = STOP_NONE;

	for (size_t i = 0; i < r->steps_n; i++)
		if (r->steps[i].kind == STEP_CAMPAIGN && r->steps[i].stop != STOP_NONE)
			stop = r->steps[i].stop;
	return stop;
}

static void expect_campaign(enum campaign_state state, const char *reason)
{
	ck_assert_str_eq(campaign_state_text(r->campaigns[c].row.state), campaign_state_text(state));
	ck_assert_str_eq(r->campaigns[c].reason, reason);
}

/* The stages of the waves, a letter each: p(ending) o(pen) s(oaking) P(assed) F(ailed). */
static void expect_waves(const char *stages)
{
	char text[WAVES_MAX + 1] = "";

	for (uint32_t w = 0; w < r->campaigns[c].row.waves_n; w++)
		text[w] = "posPF"[r->campaigns[c].row.waves[w].stage];
	ck_assert_str_eq(text, stages);
}

static void expect_wake(int64_t ms)
{
	ck_assert_int_eq(r->wake_ms, T0 + ms);
}

/* ---- waves ---- */

START_TEST(test_a_wave_is_called_when_all_of_the_one_before_are_final)
{
	begin(ROLLOUT(WAVES), 7);
	expect("iwwwwww");
	expect_waves("opp");
	ck_assert_int_eq(r->campaigns[c].row.waves[0].opened_at_ms, T0);
	prove(0);
	rig_at(r, 1000);
	expect("siiwwww");
	expect_waves("Pop");
	ck_assert_int_eq(r->campaigns[c].row.waves[0].proven_at_ms, T0);
	ck_assert_int_eq(r->campaigns[c].row.waves[1].opened_at_ms, T0 + 1000);
	prove(2);
	rig_at(r, 2000);
	expect("siswwww");
	refuse(1);
	rig_at(r, 3000);
	expect("sfsiiii");
	expect_waves("PPo");
	for (uint32_t i = 3; i < 7; i++)
		refuse(i);
	rig_turn(r);
	expect_campaign(CAMPAIGN_COMPLETED, ""); /* a last wave has no gate: nothing follows it */
}
END_TEST

START_TEST(test_all_who_wait_in_a_wave_keep_the_next_shut)
{
	begin(ROLLOUT(WAVES) "," RETRY, 7);
	refuse(0); /* backs off for 60 s */
	rig_at(r, 59999);
	expect("wwwwwww");
	rig_at(r, 60000);
	rig_call(r, c, 0, CALL_AMBIGUOUS);
	rig_at(r, 60001);
	expect("dwwwwww");
	rig_query(r, c, 0, SAYS_PROVEN);
	rig_turn(r);
	expect("siiwwww");
}
END_TEST

START_TEST(test_an_empty_wave_is_passed_at_once)
{
	begin(ROLLOUT("\"waves\":[{\"upToCount\":1},{\"upToPercent\":10},{\"upToPercent\":100}]," GATE(
	              "\"minSuccessPercent\":100,\"soakSeconds\":60")),
	      2);
	prove(0);
	rig_at(r, 60000);
	expect("si");
	expect_waves("PPo");
}
END_TEST

START_TEST(test_a_wave_of_targets_that_are_all_left_out_is_passed)
{
	begin(ROLLOUT(WAVES "," GATE("\"minSuccessPercent\":100,\"soakSeconds\":60")), 7);
	order(FACT_PAUSE);
	for (uint32_t i = 1; i < 7; i++)
		skip(i);
	rig_turn(r);
	prove(0);
	order(FACT_RESUME);
	rig_turn(r);
	expect("skkkkkk");
	expect_waves("Ppp");
	expect_campaign(CAMPAIGN_COMPLETED, "");
}
END_TEST

START_TEST(test_a_gate_holds_by_the_share_of_those_that_succeeded_or_failed)
{
	begin(ROLLOUT("\"waves\":[{\"upToCount\":4},{\"upToPercent\":100}]," GATE(
	              "\"minSuccessPercent\":50")),
	      6);
	order(FACT_PAUSE);
	rig_call(r, c, 3, CALL_BUSY);
	rig_turn(r);
	skip(3);
	order(FACT_RESUME);
	prove(0);
	prove(1);
	rig_turn(r);
	expect("ssikww");
	refuse(2);
	rig_turn(r);
	expect("ssfkii"); /* 2 of 3; the one left out counts for nothing */
}
END_TEST

START_TEST(test_a_wave_soaks_exactly_from_its_last_proof)
{
	begin(ROLLOUT("\"waves\":[{\"upToCount\":3},{\"upToPercent\":100}]," GATE("\"soakSeconds\":600")), 4);
	prove(0);
	rig_at(r, 5000);
	prove(1);
	rig_at(r, 7000);
	expect_waves("op");
	refuse(2);
	rig_at(r, 9000);
	expect_waves("sp");
	expect_wake(SETTLE_MS); /* of the first */
	rig_at(r, 604999);
	expect("ssfw");
	expect_wake(605000);
	rig_at(r, 605000);
	expect("ssfi");
	expect_waves("Po");
}
END_TEST

START_TEST(test_a_wave_without_a_proof_does_not_soak)
{
	begin(ROLLOUT("\"waves\":[{\"upToCount\":1},{\"upToPercent\":100}]," GATE("\"soakSeconds\":600")), 2);
	refuse(0);
	rig_at(r, 1);
	expect("fi");
}
END_TEST

START_TEST(test_a_pause_does_not_stop_the_soak)
{
	begin(ROLLOUT(WAVES "," GATE("\"soakSeconds\":600")), 7);
	prove(0);
	rig_at(r, 1000);
	order(FACT_PAUSE);
	rig_at(r, 700000);
	expect("swwwwww");
	expect_waves("spp");
	order(FACT_RESUME);
	rig_turn(r);
	expect("siiwwww");
	prove(1);
	prove(2);
	order(FACT_PAUSE); /* before it was seen to be over */
	rig_turn(r);
	expect_waves("Pop");
	order(FACT_RESUME);
	rig_at(r, 701000);
	expect_waves("Psp");
	expect_wake(820000);
	rig_at(r, 1299999);
	expect("ssswwww");
	rig_at(r, 1300000);
	expect("sssiiii");
}
END_TEST

START_TEST(test_why_they_wait_is_told_by_wave)
{
	struct engine_waiting w;

	begin(ROLLOUT(WAVES "," GATE("\"soakSeconds\":600,\"approval\":\"each\"")), 7);
	skip(5);
	rig_turn(r);
	engine_waiting(r->e, c, r->now_ms, &w);
	ck_assert(!w.is_all);
	ck_assert_uint_eq(w.closed_from, 1);
	ck_assert_uint_eq(w.closed_n, 5);
	ck_assert_uint_eq(w.parked_n, 0);
	prove(0);
	rig_at(r, 600000);
	engine_waiting(r->e, c, r->now_ms, &w);
	ck_assert(w.is_all);
	ck_assert_int_eq(w.wait, WAIT_APPROVAL);
	ck_assert_int_eq(w.next_at_ms, TIME_NONE);
	ck_assert_int_eq(rig_approve(r, c, false), ERR_OK);
	rig_turn(r);
	engine_waiting(r->e, c, r->now_ms, &w);
	ck_assert_uint_eq(w.closed_from, 3);
	ck_assert_uint_eq(w.closed_n, 3);
}
END_TEST

/* ---- approval ---- */

START_TEST(test_nothing_is_called_before_the_start_is_approved)
{
	begin(ROLLOUT(WAVES "," GATE("\"approval\":\"start\"")), 7);
	expect_campaign(CAMPAIGN_AWAITING_APPROVAL, "waits for approval to start");
	expect("wwwwwww");
	expect_waves("ppp");
	rig_at(r, 1000);
	ck_assert_int_eq(rig_approve(r, c, false), ERR_OK);
	rig_turn(r);
	expect_campaign(CAMPAIGN_RUNNING, "approved by eva");
	expect("iwwwwww");
	ck_assert_int_eq(rig_approve(r, c, false), ERR_CONFLICT);
	ck_assert_int_eq(rig_approve(r, c, true), ERR_CONFLICT); /* no gate has failed */
	prove(0);
	rig_turn(r);
	expect("siiwwww"); /* only the start had to be approved */
}
END_TEST

START_TEST(test_after_first_asks_after_the_first_wave_only)
{
	begin(ROLLOUT(WAVES "," GATE("\"approval\":\"afterFirst\",\"soakSeconds\":60")), 7);
	prove(0);
	rig_at(r, 59999);
	expect_campaign(CAMPAIGN_RUNNING, "");
	rig_at(r, 60000);
	expect_campaign(CAMPAIGN_AWAITING_APPROVAL, "waits for approval after wave 1");
	expect_waves("Ppp");
	expect("swwwwww");
	rig_at(r, HOUR_MS);
	expect("swwwwww");
	ck_assert_int_eq(rig_approve(r, c, false), ERR_OK);
	ck_assert_int_eq(rig_approve(r, c, false), ERR_CONFLICT);
	rig_turn(r);
	expect("siiwwww");
	ck_assert(r->campaigns[c].row.waves[0].is_approved);
	ck_assert(!r->campaigns[c].row.waves[0].is_overridden);
	prove(1);
	prove(2);
	rig_at(r, HOUR_MS + 60000);
	expect("sssiiii");
}
END_TEST

START_TEST(test_each_asks_after_every_wave_but_the_last)
{
	begin(ROLLOUT(WAVES "," GATE("\"approval\":\"each\"")), 7);
	expect("iwwwwww");
	prove(0);
	rig_turn(r);
	expect_campaign(CAMPAIGN_AWAITING_APPROVAL, "waits for approval after wave 1");
	rig_approve(r, c, false);
	rig_turn(r);
	prove(1);
	prove(2);
	rig_turn(r);
	expect_campaign(CAMPAIGN_AWAITING_APPROVAL, "waits for approval after wave 2");
	rig_approve(r, c, false);
	rig_turn(r);
	expect("sssiiii");
	for (uint32_t i = 3; i < 7; i++)
		prove(i);
	rig_turn(r);
	expect_campaign(CAMPAIGN_COMPLETED, "");
}
END_TEST

START_TEST(test_a_waves_own_gate_replaces_the_rollouts)
{
	begin(ROLLOUT("\"waves\":[{\"upToCount\":1},{\"upToCount\":2,\"gate\":{\"approval\":\"none\","
	              "\"soakSeconds\":5,\"minSuccessPercent\":0}},{\"upToPercent\":100}]," GATE(
	                      "\"approval\":\"each\",\"minSuccessPercent\":100")),
	      3);
	prove(0);
	rig_turn(r);
	expect_campaign(CAMPAIGN_AWAITING_APPROVAL, "waits for approval after wave 1");
	rig_approve(r, c, false);
	rig_turn(r);
	refuse(1); /* 0 % are enough for this wave, and there is nothing to soak */
	rig_turn(r);
	expect("sfi");
}
END_TEST

START_TEST(test_an_approval_of_the_start_is_none_of_the_first_wave)
{
	begin(ROLLOUT(WAVES "," GATE("\"approval\":\"start\"")), 7);
	rig_approve(r, c, false);
	rig_turn(r);
	rig_respec(r, c, ROLLOUT(WAVES "," GATE("\"approval\":\"each\"")), DAY_MS);
	prove(0);
	rig_turn(r);
	expect_campaign(CAMPAIGN_AWAITING_APPROVAL, "waits for approval after wave 1");
}
END_TEST

START_TEST(test_approved_while_paused_it_goes_on_with_the_resume)
{
	begin(ROLLOUT(WAVES "," GATE("\"approval\":\"each\"")), 7);
	prove(0);
	rig_turn(r);
	order(FACT_PAUSE);
	rig_turn(r);
	expect_campaign(CAMPAIGN_PAUSED, "paused by eva");
	ck_assert_int_eq(rig_approve(r, c, false), ERR_OK);
	rig_turn(r);
	expect_campaign(CAMPAIGN_PAUSED, "paused by eva");
	expect("swwwwww");
	order(FACT_RESUME);
	rig_turn(r);
	expect_campaign(CAMPAIGN_RUNNING, "resumed by eva");
	expect("siiwwww");
	prove(1);
	prove(2);
	rig_turn(r);
	order(FACT_PAUSE);
	order(FACT_RESUME);
	rig_turn(r);
	expect_campaign(CAMPAIGN_AWAITING_APPROVAL, "resumed by eva");
}
END_TEST

/* ---- a gate that fails ---- */

#define STRICT \
	ROLLOUT("\"waves\":[{\"upToCount\":4},{\"upToPercent\":100}]," GATE( \
	        "\"minSuccessPercent\":75") ",\"maxUnavailable\":3")

START_TEST(test_a_gate_that_cannot_hold_any_more_pauses_at_once)
{
	begin(STRICT, 6);
	expect("iiiwww");
	refuse(0);
	rig_at(r, 10);
	expect("fiiiww"); /* 3 of 4 are enough */
	refuse(1);
	rig_at(r, 20);
	expect("ffiiww");
	expect_campaign(CAMPAIGN_PAUSED,
	                "gate of wave 1 failed: 2 devices failed, 0 are proven, 75 % asked for");
	ck_assert_int_eq(stopped_by(), STOP_GATE);
	expect_waves("Fp");
	ck_assert_uint_eq(rig_invoked(r, c), 0);
}
END_TEST

START_TEST(test_resumed_after_a_failed_gate_only_its_wave_goes_on)
{
	begin(ROLLOUT("\"waves\":[{\"upToCount\":4},{\"upToPercent\":100}]," GATE(
	              "\"minSuccessPercent\":100,\"soakSeconds\":60") ",\"maxUnavailable\":1") "," AT_ONCE,
	      6);
	refuse(0);
	rig_turn(r);
	expect_campaign(CAMPAIGN_PAUSED,
	                "gate of wave 1 failed: 1 device failed, 0 are proven, 100 % asked for");
	order(FACT_RESUME);
	rig_turn(r);
	expect_campaign(CAMPAIGN_RUNNING, "resumed by eva");
	expect("fiwwww");
	expect_waves("Fp");
	refuse(1);
	rig_turn(r);
	expect("ffiwww"); /* it does not pause again for each */
	refuse(2);
	rig_turn(r);
	prove(3);
	rig_turn(r);
	expect("fffsww");
	expect_campaign(CAMPAIGN_PAUSED,
	                "gate of wave 1 failed: 3 devices failed, 1 is proven, 100 % asked for");
	order(FACT_RESUME);
	rig_turn(r);
	expect_campaign(CAMPAIGN_PAUSED,
	                "gate of wave 1 failed: 3 devices failed, 1 is proven, 100 % asked for");
	expect("fffsww");
	ck_assert_int_eq(rig_approve(r, c, false), ERR_CONFLICT);
	ck_assert_int_eq(rig_approve(r, c, true), ERR_OK);
	rig_turn(r);
	expect_campaign(CAMPAIGN_RUNNING, "approved by eva");
	expect_waves("Po");
	expect("fffsiw");
	ck_assert(r->campaigns[c].row.waves[0].is_overridden);
}
END_TEST

START_TEST(test_an_override_before_the_wave_is_done_holds_at_its_end)
{
	begin(STRICT, 6);
	refuse(0);
	refuse(1);
	rig_turn(r);
	expect("ffiwww");
	ck_assert_int_eq(rig_approve(r, c, true), ERR_OK);
	rig_turn(r);
	expect("ffiiww");
	expect_waves("op");
	refuse(2);
	rig_turn(r);
	expect("fffiww");
	expect_campaign(CAMPAIGN_RUNNING, "approved by eva");
	refuse(3);
	rig_turn(r);
	expect("ffffii");
}
END_TEST

START_TEST(test_an_override_is_the_approval_that_the_gate_asks_for)
{
	begin(ROLLOUT(WAVES "," GATE("\"minSuccessPercent\":100,\"approval\":\"each\",\"soakSeconds\":60")),
	      7);
	refuse(0);
	rig_turn(r);
	ck_assert_int_eq(rig_approve(r, c, true), ERR_OK);
	rig_turn(r);
	expect("fiiwwww");
	ck_assert(r->campaigns[c].row.waves[0].is_approved);
}
END_TEST

START_TEST(test_a_failed_gate_that_is_eased_holds_after_the_resume_and_can_fail_again)
{
	begin(STRICT, 6);
	refuse(0);
	refuse(1);
	rig_turn(r);
	expect_waves("Fp");
	rig_respec(r, c,
	           ROLLOUT("\"waves\":[{\"upToCount\":4},{\"upToPercent\":100}]," GATE(
	                   "\"minSuccessPercent\":50") ",\"maxUnavailable\":3"),
	           DAY_MS);
	rig_turn(r);
	expect_campaign(CAMPAIGN_PAUSED,
	                "gate of wave 1 failed: 2 devices failed, 0 are proven, 75 % asked for");
	order(FACT_RESUME);
	rig_turn(r);
	expect("ffiiww");
	expect_waves("op");
	refuse(2);
	rig_turn(r);
	expect_campaign(CAMPAIGN_PAUSED,
	                "gate of wave 1 failed: 3 devices failed, 0 are proven, 50 % asked for");
}
END_TEST

START_TEST(test_a_gate_that_fails_in_a_pause_is_told_with_the_resume)
{
	begin(STRICT, 6);
	order(FACT_PAUSE);
	refuse(0);
	refuse(1);
	rig_turn(r);
	expect_campaign(CAMPAIGN_PAUSED, "paused by eva");
	order(FACT_RESUME);
	rig_turn(r);
	expect_campaign(CAMPAIGN_PAUSED,
	                "gate of wave 1 failed: 2 devices failed, 0 are proven, 75 % asked for");
	expect("ffiwww");
	ck_assert_uint_eq(rig_invoked(r, c), 0);
}
END_TEST

START_TEST(test_a_gate_that_failed_stays_paused_whatever_part_of_it_was_committed)
{
	for (unsigned steps_max = 1; steps_max <= 4; steps_max++) {
		r = rig_new();
		c = rig_campaign(r, STRICT, 6);
		rig_at(r, 0);
		refuse(0);
		refuse(1);
		r->steps_max = steps_max;
		rig_turn_once(r); /* so much is on record, then the power fails */
		rig_crash(r);
		r->steps_max = 64;
		rig_turn(r);
		if (steps_max >= 2) {
			expect_campaign(
			        CAMPAIGN_PAUSED,
			        "gate of wave 1 failed: 2 devices failed, 0 are proven, 75 % asked for");
			ck_assert_uint_eq(rig_invoked(r, c), 0);
		}
		tear_down();
	}
}
END_TEST

/* ---- the end of a campaign with waves ---- */

/* A campaign of 7 whose first wave is done, brought to a stage. */
enum stage { AT_START, IN_WAVE, IN_SOAK, AFTER_FIRST, AT_FAILED_GATE, STAGES };

static void bring_to(enum stage stage)
{
	static const char *const members[] = {
	        [AT_START] = ROLLOUT(WAVES "," GATE("\"approval\":\"start\"")),
	        [IN_WAVE] = ROLLOUT(WAVES),
	        [IN_SOAK] = ROLLOUT(WAVES "," GATE("\"soakSeconds\":600")),
	        [AFTER_FIRST] = ROLLOUT(WAVES "," GATE("\"approval\":\"afterFirst\"")),
	        [AT_FAILED_GATE] = ROLLOUT(WAVES "," GATE("\"minSuccessPercent\":1")),
	};

	begin(members[stage], 7);
	if (stage == AT_FAILED_GATE)
		refuse(0);
	else if (stage != AT_START)
		prove(0);
	rig_at(r, 1000);
}

START_TEST(test_the_end_comes_in_every_stage)
{
	for (int stage = 0; stage < STAGES; stage++) {
		bring_to((enum stage)stage);
		rig_at(r, DAY_MS - 1);
		ck_assert(!campaign_state_is_final(r->campaigns[c].row.state));
		rig_at(r, DAY_MS);
		for (uint32_t i = stage == IN_WAVE || stage == IN_SOAK ? 3 : 1; i < 7; i++)
			expect_reason(i, REASON_CAMPAIGN_ENDED);
		if (stage == IN_WAVE || stage == IN_SOAK) { /* two are out */
			prove(1);
			prove(2);
			rig_turn(r);
		}
		expect_campaign(CAMPAIGN_COMPLETED, "");
		for (uint32_t w = 0; w < r->campaigns[c].row.waves_n; w++)
			ck_assert(r->campaigns[c].stages[w] != WAVE_OPEN &&
			          r->campaigns[c].stages[w] != WAVE_SOAKING);
		tear_down();
	}
}
END_TEST

START_TEST(test_a_cancel_comes_in_every_stage)
{
	for (int stage = 0; stage < STAGES; stage++) {
		bring_to((enum stage)stage);
		order(FACT_CANCEL);
		rig_turn(r);
		if (stage == IN_WAVE) {
			expect_campaign(CAMPAIGN_CANCELLING, "cancelled by eva");
			expect("siicccc");
			ck_assert_int_eq(rig_approve(r, c, true), ERR_CONFLICT);
			prove(1);
			refuse(2);
			rig_turn(r);
			expect("ssfcccc");
		}
		expect_campaign(CAMPAIGN_CANCELLED, "cancelled by eva");
		ck_assert_int_eq(rig_approve(r, c, true), ERR_CONFLICT);
		tear_down();
	}
}
END_TEST

START_TEST(test_a_pause_in_every_stage_calls_nobody_and_the_resume_goes_on_there)
{
	static const char *const after[] = {[AT_START] = "wwwwwww",
	                                    [IN_WAVE] = "siiwwww",
	                                    [IN_SOAK] = "siiwwww",
	                                    [AFTER_FIRST] = "swwwwww",
	                                    [AT_FAILED_GATE] = "fwwwwww"};

	for (int stage = 0; stage < STAGES; stage++) {
		bring_to((enum stage)stage);
		order(FACT_PAUSE);
		rig_at(r, 80000);
		ck_assert_uint_eq(rig_invoked(r, c), 0);
		rig_at(r, 90000);
		order(FACT_RESUME);
		r->now_ms = T0 + (stage == IN_SOAK ? 600000 : 91000);
		rig_turn(r);
		expect(after[stage]);
		tear_down();
	}
}
END_TEST

/* ---- a crash ---- */

enum op { OP_END, OP_PROVE, OP_FAIL, OP_APPROVE, OP_OVERRIDE, OP_PAUSE, OP_RESUME, OP_SKIP, OP_PASS };
struct life {
	enum op op;
	int what;
};

/* Lives through all of life, each step a second after the one before, with a crash after crash_at of them
 * (none: SIZE_MAX); appends all that is on record then to out. */
static void live(const char *members, const struct life *life, size_t crash_at, struct buf *out)
{
	begin(members, 7);
	for (size_t i = 0; life[i].op != OP_END; i++) {
		r->now_ms += life[i].op == OP_PASS ? life[i].what : 1000;
		if (life[i].op == OP_PROVE || life[i].op == OP_FAIL) {
			uint32_t no = (uint32_t)life[i].what;

			if (rig_row(r, c, no)->state == TARGET_INVOKING)
				ck_assert_int_eq(rig_call(r, c, no, CALL_AMBIGUOUS), ERR_OK);
			rig_turn(r);
			ck_assert_int_eq(
			        rig_query(r, c, no, life[i].op == OP_PROVE ? SAYS_PROVEN : SAYS_FAILED),
			        ERR_OK);
		} else if (life[i].op == OP_APPROVE || life[i].op == OP_OVERRIDE) {
			ck_assert_int_eq(rig_approve(r, c, life[i].op == OP_OVERRIDE), ERR_OK);
		} else if (life[i].op == OP_SKIP) {
			skip((uint32_t)life[i].what);
		} else if (life[i].op != OP_PASS) {
			order(life[i].op == OP_PAUSE ? FACT_PAUSE : FACT_RESUME);
		}
		rig_turn(r);
		if (i == crash_at) {
			rig_crash(r);
			rig_turn(r);
		}
	}
	for (uint32_t i = 0; i < 7; i++) {
		const struct target_row *row = rig_row(r, c, i);

		buf_printf(out, "%s ",
		           target_state_text(row->state == TARGET_INVOKING ? TARGET_DOUBTFUL
		                                                           : (enum target_state)row->state));
	}
	buf_printf(out, "%s (%s) %s\n", campaign_state_text(r->campaigns[c].row.state),
	           campaign_state_text(r->campaigns[c].row.phase), r->campaigns[c].reason);
	for (uint32_t w = 0; w < 3; w++) {
		const struct wave_row *wave = &r->campaigns[c].row.waves[w];

		buf_printf(out, "%s %d %d %lld %lld; ", wave_stage_text(wave->stage), wave->is_approved,
		           wave->is_overridden, (long long)wave->opened_at_ms, (long long)wave->proven_at_ms);
	}
	for (uint32_t i = 0; i < 2; i++)
		buf_printf(out, "%u %u; ", r->campaigns[c].row.aborts[i].finished,
		           r->campaigns[c].row.aborts[i].failed);
	tear_down();
}

START_TEST(test_after_a_crash_every_rollout_goes_on_as_without)
{
	static const struct {
		const char *members;
		struct life life[16];
	} lives[] = {
	        {ROLLOUT(WAVES "," GATE("\"soakSeconds\":600")),
	         {{OP_PROVE, 0},
	          {OP_PASS, 599000},
	          {OP_PASS, 1000},
	          {OP_PROVE, 1},
	          {OP_FAIL, 2},
	          {OP_PASS, 1000000},
	          {OP_PROVE, 3},
	          {OP_PASS, 1}}},
	        {ROLLOUT(WAVES "," GATE("\"approval\":\"start\"")),
	         {{OP_PAUSE, 0},
	          {OP_APPROVE, 0},
	          {OP_RESUME, 0},
	          {OP_PROVE, 0},
	          {OP_PROVE, 2},
	          {OP_PASS, 1}}},
	        {ROLLOUT(WAVES "," GATE("\"approval\":\"each\",\"soakSeconds\":60")),
	         {{OP_PROVE, 0},
	          {OP_PASS, 60000},
	          {OP_PASS, 5},
	          {OP_APPROVE, 0},
	          {OP_PROVE, 1},
	          {OP_PROVE, 2},
	          {OP_PASS, 60000},
	          {OP_PAUSE, 0},
	          {OP_APPROVE, 0},
	          {OP_RESUME, 0},
	          {OP_FAIL, 6},
	          {OP_PASS, 1}}},
	        {ROLLOUT(WAVES "," GATE("\"minSuccessPercent\":100,\"approval\":\"each\"")),
	         {{OP_FAIL, 0},
	          {OP_RESUME, 0},
	          {OP_OVERRIDE, 0},
	          {OP_FAIL, 1},
	          {OP_RESUME, 0},
	          {OP_PROVE, 2},
	          {OP_PASS, 9},
	          {OP_OVERRIDE, 0},
	          {OP_PROVE, 3},
	          {OP_PASS, 1}}},
	        {ROLLOUT(WAVES "," GATE("\"minSuccessPercent\":50")),
	         {{OP_SKIP, 2},
	          {OP_PAUSE, 0},
	          {OP_PROVE, 0},
	          {OP_RESUME, 0},
	          {OP_FAIL, 1},
	          {OP_OVERRIDE, 0},
	          {OP_FAIL, 4},
	          {OP_PASS, 1}}},
	        {"\"abort\":[{\"cause\":\"any\",\"count\":2,\"do\":\"pause\"},{\"cause\":\"deviceFailed\","
	         "\"count\":5,\"do\":\"cancel\"}]",
	         {{OP_FAIL, 0},
	          {OP_FAIL, 1},
	          {OP_FAIL, 2},
	          {OP_RESUME, 0},
	          {OP_FAIL, 3},
	          {OP_PROVE, 4},
	          {OP_FAIL, 5},
	          {OP_PASS, 1}}},
	};

	for (size_t i = 0; i < sizeof lives / sizeof *lives; i++) {
		struct buf without = BUF_INIT;

		live(lives[i].members, lives[i].life, SIZE_MAX, &without);
		for (size_t at = 0; lives[i].life[at + 1].op != OP_END; at++) {
			struct buf with = BUF_INIT;

			live(lives[i].members, lives[i].life, at, &with);
			ck_assert_msg(strcmp(with.data, without.data) == 0,
			              "life %zu, crash after %zu:\n%s\n%s", i, at, without.data, with.data);
			buf_done(&with);
		}
		buf_done(&without);
	}
}
END_TEST

START_TEST(test_a_soak_goes_on_over_a_crash_to_its_exact_end)
{
	begin(ROLLOUT(WAVES "," GATE("\"soakSeconds\":600")), 7);
	prove(0);
	rig_at(r, 300000);
	rig_crash(r);
	rig_at(r, 300001);
	expect_wake(600000);
	rig_at(r, 599999);
	expect("swwwwww");
	rig_at(r, 600000);
	expect("siiwwww");
	ck_assert_int_eq(r->campaigns[c].row.waves[1].opened_at_ms, T0 + 600000);
}
END_TEST

/* ---- abort rules ---- */

#define ABORT(rules) "\"abort\":[" rules "]"
#define COUNT(cause, n, what) "{\"cause\":\"" cause "\",\"count\":" n ",\"do\":\"" what "\"}"
#define PERCENT(cause, n, min, what) \
	"{\"cause\":\"" cause "\",\"percent\":" n ",\"minFinished\":" min ",\"do\":\"" what "\"}"

START_TEST(test_no_call_is_made_in_the_commit_in_which_a_rule_is_met)
{
	begin(ROLLOUT("\"maxUnavailable\":2") "," ABORT(COUNT("any", "2", "pause")), 6);
	refuse(0);
	rig_turn(r);
	expect("fiiwww");
	refuse(2);
	rig_turn(r);
	expect("fifwww");
	expect_campaign(CAMPAIGN_PAUSED, "abort rule 1: 2 of 2 finished devices failed");
	ck_assert_uint_eq(rig_invoked(r, c), 0);
	prove(1); /* what is out settles under its own reason */
	rig_at(r, 1000);
	expect("fsfwww");
}
END_TEST

START_TEST(test_a_percentage_waits_for_enough_that_finished)
{
	begin(ABORT(PERCENT("any", "50", "4", "pause")), 8);
	refuse(0);
	refuse(1);
	prove(2);
	rig_turn(r);
	expect_campaign(CAMPAIGN_RUNNING, "");
	prove(3); /* 2 of 4: a success can meet it too */
	rig_turn(r);
	expect_campaign(CAMPAIGN_PAUSED, "abort rule 1: 2 of 4 finished devices failed");
}
END_TEST

START_TEST(test_a_rule_counts_its_cause_only)
{
	begin(ABORT(COUNT("deviceFailed", "2", "pause")) "," ROLLOUT("\"maxUnavailable\":4"), 8);
	refuse(0);
	refuse(1);
	rig_call(r, c, 2, CALL_ACCEPTED);
	rig_query(r, c, 2, SAYS_FAILED);
	rig_turn(r);
	expect_campaign(CAMPAIGN_RUNNING, "");
	rig_call(r, c, 3, CALL_ACCEPTED);
	rig_query(r, c, 3, SAYS_FAILED);
	rig_turn(r);
	expect("ffffiiiw");
	expect_campaign(CAMPAIGN_PAUSED, "abort rule 1: 2 of 4 finished devices failed by deviceFailed");
}
END_TEST

START_TEST(test_a_rule_may_cancel)
{
	begin(ABORT(COUNT("any", "1", "cancel")) "," ROLLOUT("\"maxUnavailable\":2"), 5);
	refuse(0);
	rig_turn(r);
	expect("ficcc");
	expect_campaign(CAMPAIGN_CANCELLING, "abort rule 1: 1 of 1 finished devices failed");
	refuse(1); /* never while it closes */
	rig_turn(r);
	expect("ffccc");
	expect_campaign(CAMPAIGN_CANCELLED, "abort rule 1: 1 of 1 finished devices failed");
}
END_TEST

START_TEST(test_of_rules_met_at_once_one_that_cancels_acts)
{
	begin(ABORT(COUNT("any", "1", "pause") "," COUNT("refused", "1", "cancel")), 2);
	refuse(0);
	rig_turn(r);
	expect_campaign(CAMPAIGN_CANCELLING, "abort rule 2: 1 of 1 finished devices failed by refused");
}
END_TEST

START_TEST(test_of_rules_met_at_once_the_first_is_told)
{
	begin(ABORT(COUNT("any", "3", "pause") "," COUNT("refused", "1", "pause") "," COUNT("any", "1",
	                                                                                    "pause")),
	      2);
	refuse(0);
	rig_turn(r);
	expect_campaign(CAMPAIGN_PAUSED, "abort rule 2: 1 of 1 finished devices failed by refused");
}
END_TEST

START_TEST(test_a_rule_that_cancels_acts_also_in_a_pause)
{
	static const char *const members[] = {
	        ABORT(COUNT("any", "1", "pause") "," COUNT("any", "3", "cancel")),
	        ABORT(COUNT("any", "1", "pause") "," COUNT("refused", "3", "cancel")),
	};

	for (int by_cause = 0; by_cause < 2; by_cause++) {
		begin(members[by_cause], 5);
		refuse(0);
		rig_turn(r);
		expect_campaign(CAMPAIGN_PAUSED, "abort rule 1: 1 of 1 finished devices failed");
		refuse(1);
		rig_turn(r); /* the pause is not told again */
		expect_campaign(CAMPAIGN_PAUSED, "abort rule 1: 1 of 1 finished devices failed");
		refuse(2);
		rig_turn(r);
		expect_campaign(CAMPAIGN_CANCELLING,
		                by_cause ? "abort rule 2: 3 of 3 finished devices failed by refused"
		                         : "abort rule 2: 3 of 3 finished devices failed");
		tear_down();
	}
}
END_TEST

START_TEST(test_a_rule_met_in_a_pause_by_order_is_told_before_it_is_resumed)
{
	begin(ABORT(COUNT("any", "2", "pause")) "," ROLLOUT("\"maxUnavailable\":2"), 5);
	order(FACT_PAUSE);
	refuse(0);
	rig_turn(r);
	expect_campaign(CAMPAIGN_PAUSED, "paused by eva");
	refuse(1);
	rig_turn(r);
	expect_campaign(CAMPAIGN_PAUSED, "abort rule 1: 2 of 2 finished devices failed");
	order(FACT_RESUME);
	rig_turn(r);
	expect("ffiiw");
	refuse(2);
	rig_turn(r);
	expect("fffii");
}
END_TEST

START_TEST(test_a_failed_gate_does_not_hide_a_rule)
{
	begin(ROLLOUT(WAVES "," GATE("\"minSuccessPercent\":100")) "," ABORT(COUNT("any", "2", "cancel")), 7);
	prove(0);
	rig_turn(r);
	refuse(1);
	rig_turn(r);
	expect_campaign(CAMPAIGN_PAUSED,
	                "gate of wave 2 failed: 1 device failed, 0 are proven, 100 % asked for");
	refuse(2);
	rig_turn(r);
	expect_campaign(CAMPAIGN_CANCELLED, "abort rule 1: 2 of 3 finished devices failed");
}
END_TEST

START_TEST(test_an_override_ends_the_pause_of_a_rule_met_meanwhile_too)
{
	begin(ROLLOUT(WAVES "," GATE("\"minSuccessPercent\":100")) "," ABORT(COUNT("any", "2", "pause")), 7);
	prove(0);
	rig_turn(r);
	refuse(1);
	rig_turn(r);
	refuse(2);
	rig_turn(r);
	expect_campaign(CAMPAIGN_PAUSED, "abort rule 1: 2 of 3 finished devices failed");
	ck_assert_int_eq(stopped_by(), STOP_ABORT_RULE);
	ck_assert_int_eq(rig_approve(r, c, true), ERR_OK);
	rig_turn(r);
	ck_assert_int_eq(stopped_by(), STOP_NONE);
	expect("sffiiii");
	refuse(3);
	rig_turn(r);
	expect_campaign(CAMPAIGN_RUNNING, "approved by eva");
	refuse(4);
	rig_turn(r);
	expect_campaign(CAMPAIGN_PAUSED, "abort rule 1: 2 of 2 finished devices failed");
}
END_TEST

START_TEST(test_resumed_after_a_rule_it_counts_afresh_also_over_a_crash)
{
	for (int crashes = 0; crashes < 3; crashes++) {
		begin(ABORT(COUNT("any", "2", "pause") "," PERCENT("any", "90", "20", "cancel")), 30);
		refuse(0);
		refuse(1);
		refuse(2); /* in the pause */
		rig_turn(r);
		expect_campaign(CAMPAIGN_PAUSED, "abort rule 1: 2 of 2 finished devices failed");
		if (crashes == 2) {
			rig_crash(r);
			rig_turn(r);
		}
		order(FACT_RESUME);
		rig_turn(r);
		ck_assert_uint_eq(r->campaigns[c].row.aborts[0].finished, 3);
		ck_assert_uint_eq(r->campaigns[c].row.aborts[0].failed, 3);
		ck_assert_uint_eq(r->campaigns[c].row.aborts[1].failed, 0); /* it had not been met */
		if (crashes > 0) {
			rig_crash(r);
			rig_turn(r);
		}
		expect_campaign(CAMPAIGN_RUNNING, "resumed by eva");
		rig_query(r, c, 3, SAYS_FAILED);
		if (crashes == 0)
			rig_call(r, c, 3, CALL_REFUSED);
		rig_turn(r);
		expect_campaign(CAMPAIGN_RUNNING, "resumed by eva");
		rig_query(r, c, 4, SAYS_FAILED);
		if (crashes == 0)
			rig_call(r, c, 4, CALL_REFUSED);
		rig_turn(r);
		expect_campaign(CAMPAIGN_PAUSED, "abort rule 1: 2 of 2 finished devices failed");
		tear_down();
	}
}
END_TEST

START_TEST(test_a_base_stored_ahead_of_its_rows_trips_nothing_after_the_crash)
{
	begin(ABORT(COUNT("any", "2", "pause")), 9);
	for (uint32_t i = 0; i < 9; i++)
		rig_call(r, c, i, CALL_ACCEPTED);
	rig_turn(r);
	rig_query(r, c, 0, SAYS_FAILED);
	rig_query(r, c, 1, SAYS_FAILED);
	order(FACT_RESUME);
	r->steps_max = 1; /* so much is on record: one row, neither the pause nor the resume */
	rig_turn_once(r);
	ck_assert_uint_eq(r->campaigns[c].row.aborts[0].failed, 2);
	rig_crash(r);
	r->steps_max = 64;
	rig_turn(r);
	expect("faaaaaaaa");
	rig_query(r, c, 1, SAYS_FAILED);
	rig_query(r, c, 2, SAYS_FAILED);
	rig_turn(r);
	expect_campaign(CAMPAIGN_RUNNING, "");
	rig_query(r, c, 3, SAYS_FAILED);
	rig_turn(r);
	expect_campaign(CAMPAIGN_PAUSED, "abort rule 1: 2 of 2 finished devices failed");
}
END_TEST

START_TEST(test_a_rule_that_is_patched_in_acts_at_once_and_counts_from_the_beginning)
{
	begin(ROLLOUT("\"maxUnavailable\":3"), 9);
	refuse(0);
	refuse(1);
	prove(2);
	rig_turn(r);
	expect("ffsiiwwww");
	rig_respec(r, c, ROLLOUT("\"maxUnavailable\":3") "," ABORT(COUNT("refused", "3", "pause")), DAY_MS);
	rig_turn(r);
	expect_campaign(CAMPAIGN_RUNNING, "");
	rig_respec(r, c, ROLLOUT("\"maxUnavailable\":3") "," ABORT(COUNT("refused", "2", "pause")), DAY_MS);
	rig_turn(r);
	expect_campaign(CAMPAIGN_PAUSED, "abort rule 1: 2 of 3 finished devices failed by refused");
}
END_TEST

START_TEST(test_a_rule_that_is_patched_in_does_not_move_a_campaign_that_is_over)
{
	begin(ROLLOUT("\"maxUnavailable\":3"), 2);
	refuse(0);
	refuse(1);
	rig_turn(r);
	expect_campaign(CAMPAIGN_COMPLETED, "");
	rig_respec(r, c, ROLLOUT("\"maxUnavailable\":3") "," ABORT(COUNT("refused", "1", "pause")), DAY_MS);
	rig_turn(r);
	ck_assert_uint_eq(r->steps_n, 0);
	expect_campaign(CAMPAIGN_COMPLETED, "");
}
END_TEST

START_TEST(test_another_rule_in_the_place_of_one_that_was_met_does_not_take_its_base)
{
	begin(ABORT(COUNT("any", "1", "pause")), 9);
	refuse(0);
	refuse(1);
	order(FACT_RESUME);
	rig_turn(r);
	ck_assert_uint_eq(r->campaigns[c].row.aborts[0].failed, 2);
	rig_respec(r, c, ABORT(COUNT("noProof", "1", "pause")), DAY_MS);
	rig_turn(r);
	ck_assert_uint_eq(r->campaigns[c].row.aborts[0].failed, 0);
	expect_campaign(CAMPAIGN_RUNNING, "resumed by eva");
	refuse(2);
	rig_turn(r);
	expect_campaign(CAMPAIGN_RUNNING, "resumed by eva");
}
END_TEST

START_TEST(test_a_rule_on_record_and_met_acts_after_a_crash)
{
	begin("", 9);
	refuse(0);
	rig_turn(r);
	rig_respec(r, c, ABORT(COUNT("any", "1", "pause")), DAY_MS);
	rig_crash(r); /* before the pause was on record */
	rig_turn(r);
	expect_campaign(CAMPAIGN_PAUSED, "abort rule 1: 1 of 1 finished devices failed");
}
END_TEST

/* ---- groups ---- */

START_TEST(test_a_full_group_lets_the_others_pass)
{
	begin_in_groups(ROLLOUT(GROUP("1")), "aaabbc-");
	expect("iPPiPii");
	prove(0);
	rig_at(r, 1000);
	expect("sPPiPii"); /* it settles */
	refuse(3);
	rig_at(r, 2000);
	expect("sPPfkii"); /* and there the failed one is in the way for good */
	expect_reason(4, REASON_GROUP_BLOCKED);
	expect_wake(100000);
	prove(5);
	prove(6);
	rig_at(r, 119999);
	expect("sPPfkss");
	expect_wake(120000);
	rig_at(r, 120000);
	expect("siPfkss");
}
END_TEST

START_TEST(test_the_devices_without_the_tag_are_a_group)
{
	begin_in_groups(ROLLOUT(GROUP("2")), "---a-");
	expect("iiPiP");
	refuse(0);
	rig_turn(r);
	expect("fiPiP");
	refuse(1);
	rig_turn(r);
	expect("ffkik");
}
END_TEST

START_TEST(test_a_share_is_of_the_groups_size)
{
	begin_in_groups(ROLLOUT(GROUP("\"50%\"")), "aaaaabbb-");
	expect("iiPPPiPPi");
	prove(0); /* in order: each takes the place of the one that settled */
	rig_at(r, 0);
	rig_at(r, SETTLE_MS);
	expect("sdiPPdPPd");
}
END_TEST

START_TEST(test_proof_in_the_done_path_gives_the_place_back_at_once)
{
	struct fact f;

	begin_in_groups(ROLLOUT(GROUP("1")), "aa");
	rig_call(r, c, 0, CALL_ACCEPTED);
	f = rig_fact(r, FACT_READING, c, 0);
	f.says = SAYS_PROVEN;
	f.is_done_path = true;
	ck_assert_int_eq(rig_feed(r, &f), ERR_OK);
	rig_turn(r);
	expect("si");
}
END_TEST

START_TEST(test_every_state_between_call_and_end_takes_the_groups_place)
{
	begin_in_groups(ROLLOUT(GROUP("1")) "," RETRY, "aa");
	rig_call(r, c, 0, CALL_AMBIGUOUS);
	rig_at(r, 1);
	expect("dP");
	rig_call(r, c, 0, CALL_ACCEPTED);
	rig_at(r, 2);
	expect("aP");
	rig_at(r, 900002);
	rig_read(r, c, 0, SAYS_NOTHING, 900002); /* no proof: it backs off */
	rig_turn(r);
	expect("wi");
	rig_at(r, 960002);
	expect("Pi");
	prove(1);
	rig_turn(r);
	rig_at(r, 960002 + SETTLE_MS);
	expect("is");
}
END_TEST

START_TEST(test_campaigns_share_a_group_over_their_devices)
{
	uint32_t other;

	r = rig_new();
	c = in_groups(ROLLOUT(GROUP("2")), 0, "aab", true);
	other = in_groups(ROLLOUT(GROUP("1")), 10, "aac", true);
	rig_turn(r);
	expect("iii");
	expect_in(other, "PPi");
	prove(0);
	rig_turn(r);
	rig_at(r, SETTLE_MS); /* 1 of 1 is still out */
	expect("sdd");
	expect_in(other, "PPd");
	rig_query(r, c, 1, SAYS_PROVEN);
	rig_turn(r);
	rig_at(r, 2 * SETTLE_MS);
	expect_in(other, "iPd");
	refuse(2);
	rig_turn(r);
}
END_TEST

START_TEST(test_what_failed_counts_in_its_own_campaign_only)
{
	uint32_t other;

	r = rig_new();
	c = in_groups(ROLLOUT(GROUP("1")), 0, "aa", true);
	other = in_groups(ROLLOUT(GROUP("1")), 10, "a", true);
	rig_turn(r);
	expect("iP");
	expect_in(other, "P");
	refuse(0);
	rig_turn(r);
	expect("fk");
	expect_in(other, "i");
}
END_TEST

START_TEST(test_another_tag_with_the_same_value_is_another_group)
{
	uint32_t other;

	r = rig_new();
	c = in_groups(ROLLOUT(GROUP("1")), 0, "aa", true);
	other = in_groups(ROLLOUT("\"group\":{\"by\":\"tags.line\",\"maxUnavailable\":1}"), 10, "aa", true);
	rig_turn(r);
	expect("iP");
	expect_in(other, "iP");
}
END_TEST

START_TEST(test_campaigns_take_turns_in_a_group)
{
	uint32_t other;

	r = rig_new();
	c = in_groups(ROLLOUT(GROUP("1")) "," AT_ONCE, 0, "aaa", true);
	other = in_groups(ROLLOUT(GROUP("1")) "," AT_ONCE, 10, "aaa", true);
	rig_turn(r);
	expect("iPP");
	expect_in(other, "PPP");
	prove(0);
	rig_turn(r);
	expect("sPP");
	expect_in(other, "iPP");
	prove_in(other, 0);
	rig_turn(r);
	expect("siP");
	expect_in(other, "sPP");
}
END_TEST

START_TEST(test_a_settling_device_of_a_campaign_that_is_over_keeps_its_place_and_gives_it_back)
{
	uint32_t other;

	begin_in_groups(ROLLOUT(GROUP("1")), "a");
	prove(0);
	rig_turn(r);
	expect_campaign(CAMPAIGN_COMPLETED, "");
	engine_campaign_drop(r->e, c);
	other = in_groups(ROLLOUT(GROUP("1")), 10, "aa", true);
	rig_turn(r);
	expect_in(other, "PP");
	rig_at(r, SETTLE_MS - 1);
	expect_in(other, "PP");
	rig_at(r, SETTLE_MS);
	expect_in(other, "iP");
}
END_TEST

START_TEST(test_an_offline_device_counts_and_so_does_its_next_call)
{
	begin_in_groups(ROLLOUT(GROUP("1")), "aab");
	rig_call(r, c, 0, CALL_OFFLINE);
	rig_turn(r);
	expect("wPi");
	r->now_ms = rig_row(r, c, 0)->next_at_ms;
	rig_turn(r); /* it is looked at before it is called again: nobody takes its place */
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	expect("wPi");
	rig_read(r, c, 0, SAYS_NOTHING, r->now_ms - T0);
	rig_turn(r);
	expect("iPi");
	rig_call(r, c, 0, CALL_OFFLINE);
	rig_turn(r);
	expect("wPi");
	r->now_ms = rig_row(r, c, 0)->next_at_ms;
	rig_turn(r);
	rig_read(r, c, 0, SAYS_NOTHING, r->now_ms - T0);
	rig_turn(r);
	prove(0);
	rig_turn(r);
	expect("sPi");
	later(SETTLE_MS);
	rig_turn(r);
	ck_assert_uint_eq(rig_row(r, c, 1)->state, TARGET_INVOKING);
}
END_TEST

START_TEST(test_an_offline_device_that_expires_has_failed_and_blocks)
{
	begin_in_groups(ROLLOUT(GROUP("1")) ",\"offline\":{\"expireAfterSeconds\":5}", "aa");
	rig_call(r, c, 0, CALL_OFFLINE);
	rig_at(r, 5000);
	expect("wP");
	rig_read(r, c, 0, SAYS_NOTHING, 5000);
	rig_turn(r);
	expect_reason(0, REASON_OFFLINE_EXPIRED);
	expect("fk");
	expect_campaign(CAMPAIGN_COMPLETED, "");
}
END_TEST

START_TEST(test_a_device_seen_offline_long_ago_does_not_count)
{
	uint32_t other;

	begin_in_groups(ROLLOUT(GROUP("1")), "a");
	rig_call(r, c, 0, CALL_OFFLINE);
	order(FACT_PAUSE);
	rig_turn(r);
	other = in_groups(ROLLOUT(GROUP("1")), 10, "aa", true);
	rig_turn(r);
	expect_in(other, "PP");
	rig_at(r, 300000);
	expect_in(other, "PP"); /* P4 asks for 5 min */
	expect_wake(300001);
	rig_at(r, 300001);
	expect_in(other, "iP");
	order(FACT_RESUME);
	rig_turn(r);
	expect("P"); /* now it has to wait */
	prove_in(other, 0);
	rig_turn(r);
	later(SETTLE_MS);
	rig_turn(r);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	expect_in(other, "si"); /* which needs no look at its twin first */
	rig_read(r, c, 0, SAYS_NOTHING, r->now_ms - T0);
	rig_turn(r);
	expect("P");
}
END_TEST

START_TEST(test_an_offline_device_waits_for_room_that_others_take)
{
	uint32_t other;

	r = rig_new();
	c = in_groups(ROLLOUT(GROUP("1")), 0, "aa", true);
	rig_turn(r);
	rig_call(r, c, 0, CALL_OFFLINE);
	rig_turn(r);
	other = in_groups(ROLLOUT(GROUP("3")), 10, "aaa", true);
	rig_turn(r);
	expect("wP");
	expect_in(other, "iiP");
	r->now_ms = rig_row(r, c, 0)->next_at_ms;
	rig_turn(r);
	expect("PP"); /* its campaign lets one be down, and three are */
	prove_in(other, 0);
	prove_in(other, 1);
	rig_turn(r);
	later(SETTLE_MS - 1);
	rig_turn(r);
	expect("PP");
	later(1);
	rig_turn(r);
	expect_in(other, "ssi");
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ); /* there was room for it */
	expect("wP");
	rig_read(r, c, 0, SAYS_NOTHING, r->now_ms - T0);
	rig_turn(r);
	expect("PP"); /* but it was taken meanwhile */
	prove_in(other, 2);
	rig_turn(r);
	later(SETTLE_MS);
	rig_turn(r);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ); /* it takes its own place only */
	expect("wP");
}
END_TEST

START_TEST(test_a_device_proven_after_a_404103_takes_its_groups_place_to_settle)
{
	begin_in_groups(ROLLOUT(GROUP("1")), "aa");
	rig_call(r, c, 0, CALL_OFFLINE);
	rig_turn(r);
	r->now_ms = rig_row(r, c, 0)->next_at_ms;
	rig_turn(r);
	rig_read(r, c, 0, SAYS_PROVEN, r->now_ms - T0);
	rig_turn(r);
	expect("sP");
	later(SETTLE_MS - 1);
	rig_turn(r);
	expect("sP");
	later(1);
	rig_turn(r);
	expect("si");
}
END_TEST

START_TEST(test_a_blocked_group_closes_all_who_wait_also_those_who_come_later)
{
	begin_in_groups(ROLLOUT(GROUP("2")) "," RETRY, "aaaab");
	expect("iiPPi");
	refuse(0); /* backs off */
	rig_turn(r);
	expect("wiiPi");
	rig_call(r, c, 1, CALL_NO_METHOD);
	rig_turn(r);
	expect("wfiPi");
	rig_call(r, c, 2, CALL_NO_METHOD);
	rig_at(r, 1000);
	expect("wffki");
	expect_reason(3, REASON_GROUP_BLOCKED);
	rig_at(r, 59999);
	expect("wffki");
	rig_at(r, 60000);
	expect("kffki");
	expect_reason(0, REASON_GROUP_BLOCKED);
	ck_assert_uint_eq(rig_row(r, c, 0)->attempts, 1);
}
END_TEST

START_TEST(test_a_blocked_group_closes_in_a_pause_too)
{
	begin_in_groups(ROLLOUT(GROUP("1")), "aaab");
	order(FACT_PAUSE);
	refuse(0);
	rig_turn(r);
	expect("fkki");
}
END_TEST

START_TEST(test_a_blocked_group_of_thousands_closes_in_bounded_turns)
{
	uint32_t n = 20000, turns = 0;
	struct fact f;
	char id[16];

	r = rig_new();
	c = rig_add(r, ROLLOUT(GROUP("1")), 0, DAY_MS, 1);
	rig_turn_once(r);
	rig_group(r, c, 0, "", n);
	for (uint32_t i = 0; i < n; i++) {
		snprintf(id, sizeof id, "d%u", i);
		rig_target_in(r, c, id, 0, 0, true, true);
	}
	f = rig_fact(r, FACT_SELECTED, c, 0);
	ck_assert_int_eq(rig_feed(r, &f), ERR_OK);
	r->steps_max = 1000;
	rig_turn_once(r);
	refuse(0);
	do {
		rig_turn_once(r);
		ck_assert_uint_le(r->steps_n, 1000);
	} while (r->wake_ms <= r->now_ms && ++turns < 100);
	ck_assert_uint_ge(turns, 20);
	expect_campaign(CAMPAIGN_COMPLETED, "");
}
END_TEST

START_TEST(test_one_who_left_the_queue_does_not_take_the_room_of_the_next)
{
	begin_in_groups(ROLLOUT(GROUP("1")) "," AT_ONCE, "aaaa");
	skip(1);
	rig_turn(r);
	expect("ikPP");
	prove(0);
	rig_turn(r);
	expect("skiP");
	tear_down();
	begin_in_groups(ROLLOUT(GROUP("1")) "," AT_ONCE, "aaa");
	r->hubs[0].is_open = false;
	prove(0);
	rig_turn(r);
	expect("swP");
	skip(1);
	r->hubs[0].is_open = true;
	rig_turn(r);
	expect("ski");
}
END_TEST

START_TEST(test_one_who_does_not_use_the_room_lets_the_next_have_it)
{
	r = rig_new();
	c = in_groups(ROLLOUT(GROUP("1")) "," AT_ONCE "," PRECHECK, 0, "aaa", true);
	rig_turn(r);
	expect("www"); /* all three are asked first: there is room for the first that answers */
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_uint_eq(rig_acts(r, c, i), ACT_READ);
	rig_read(r, c, 0, SAYS_NOTHING, 0);
	rig_turn(r);
	rig_read(r, c, 1, SAYS_NOTHING, 0);
	rig_read(r, c, 2, SAYS_NOTHING, 0);
	rig_turn(r);
	expect("iPP");
	prove(0);
	rig_at(r, 59999); /* what it said a minute ago holds */
	expect("siP");
	rig_at(r, 61000);
	prove(1);
	rig_turn(r);
	expect("ssw");
	ck_assert_uint_eq(rig_acts(r, c, 2), ACT_READ); /* … but no longer */
}
END_TEST

START_TEST(test_an_unhealthy_device_does_not_hold_its_group)
{
	struct fact f;

	r = rig_new();
	c = in_groups(ROLLOUT(GROUP("1") ",\"maxUnavailable\":1") "," AT_ONCE "," PRECHECK, 0, "aaa", true);
	rig_turn(r);
	rig_read(r, c, 0, SAYS_NOTHING, 0);
	rig_turn(r);
	expect("iww");
	prove(0);
	rig_at(r, 1000);
	ck_assert_uint_eq(rig_acts(r, c, 1), ACT_READ);
	f = rig_fact(r, FACT_READING, c, 1);
	f.is_point_read = true;
	f.precheck_holds = false;
	ck_assert_int_eq(rig_feed(r, &f), ERR_OK);
	rig_turn(r);
	expect_wait(1, WAIT_HEALTH, 61000);
	ck_assert_uint_eq(rig_acts(r, c, 2), ACT_READ);
}
END_TEST

START_TEST(test_room_left_by_one_woken_and_unhealthy_goes_to_the_next)
{
	struct fact f;

	begin_in_groups(ROLLOUT(GROUP("1")) "," AT_ONCE "," PRECHECK, "aaa");
	for (uint32_t i = 0; i < 3; i++)
		rig_read(r, c, i, SAYS_NOTHING, 0);
	rig_turn(r);
	expect("iPP");
	rig_at(r, 70000);
	prove(0);
	rig_turn(r);
	ck_assert_uint_eq(rig_acts(r, c, 1), ACT_READ);
	expect("swP");
	f = rig_fact(r, FACT_READING, c, 1);
	f.is_point_read = true;
	f.precheck_holds = false;
	ck_assert_int_eq(rig_feed(r, &f), ERR_OK);
	rig_turn(r);
	expect_wait(1, WAIT_HEALTH, 130000);
	ck_assert_uint_eq(rig_acts(r, c, 2), ACT_READ); /* and not when the first is well again */
	rig_read(r, c, 2, SAYS_NOTHING, 70000);
	rig_turn(r);
	expect("swi");
}
END_TEST

START_TEST(test_room_left_by_one_that_is_busy_elsewhere_goes_to_the_next)
{
	uint32_t other;

	r = rig_new();
	c = in_groups(ROLLOUT(GROUP("1")) "," AT_ONCE, 0, "aaa", true);
	rig_turn(r);
	expect("iPP");
	other = rig_add(r, "", 0, DAY_MS, 1); /* has no groups, and takes device 1 */
	rig_turn_once(r);
	rig_target(r, other, "d1", 0, true, true);
	ck_assert_int_eq(rig_order(r, FACT_SELECTED, other), ERR_OK);
	rig_turn(r);
	expect_in(other, "i");
	prove(0);
	rig_turn(r);
	expect("swi");
	expect_wait(1, WAIT_DEVICE, TIME_NONE);
	prove(2);
	prove_in(other, 0);
	rig_turn(r);
	later(SETTLE_MS);
	rig_turn(r);
	expect("sis");
}
END_TEST

START_TEST(test_a_cancel_and_the_end_close_those_who_wait_for_their_group)
{
	begin_in_groups(ROLLOUT(GROUP("1")), "aab");
	order(FACT_CANCEL);
	refuse(0);
	rig_turn(r);
	expect("fci");
	tear_down();
	begin_in_groups(ROLLOUT(GROUP("1")), "aab");
	prove(0);
	prove(2);
	rig_turn(r);
	rig_respec(r, c, ROLLOUT(GROUP("1")), 5000);
	rig_at(r, 4999);
	expect("sPs");
	rig_at(r, 5000);
	expect("sks");
	expect_reason(1, REASON_CAMPAIGN_ENDED);
	expect_campaign(CAMPAIGN_COMPLETED, "");
}
END_TEST

START_TEST(test_one_that_was_read_and_finds_no_room_gives_its_place_to_another_group)
{
	r = rig_new();
	c = in_groups(ROLLOUT(GROUP("1") ",\"maxUnavailable\":2"), 0, "aaab", false);
	rig_turn(r);
	ck_assert_uint_eq(rig_acts(r, c, 0) | rig_acts(r, c, 1), ACT_READ);
	ck_assert_uint_eq(rig_acts(r, c, 2) | rig_acts(r, c, 3), 0);
	rig_read(r, c, 0, SAYS_NOTHING, 0);
	rig_read(r, c, 1, SAYS_NOTHING, 0);
	rig_turn(r);
	expect("iPPw");
	ck_assert_uint_eq(rig_acts(r, c, 3), ACT_READ);
	rig_read(r, c, 3, SAYS_NOTHING, 0);
	rig_turn(r);
	expect("iPPi");
}
END_TEST

START_TEST(test_groups_go_on_over_a_crash)
{
	begin_in_groups(ROLLOUT(GROUP("2")), "aaaabb");
	expect("iiPPii");
	prove(0);
	rig_call(r, c, 1, CALL_OFFLINE);
	rig_call(r, c, 4, CALL_NO_METHOD);
	rig_at(r, 1000);
	expect("swPPfi");
	rig_crash(r);
	rig_at(r, 1001);
	expect("swPPfd");
	rig_at(r, SETTLE_MS - 1);
	ck_assert_uint_eq(rig_invoked(r, c), 0);
	rig_at(r, SETTLE_MS);
	expect("swiPfd");
}
END_TEST

START_TEST(test_the_record_says_device_but_it_waits_for_its_group_after_a_crash)
{
	uint32_t other;

	r = rig_new();
	c = rig_add(r, "", 0, DAY_MS, 1);
	rig_turn_once(r);
	rig_target(r, c, "d1", 0, true, true);
	ck_assert_int_eq(rig_order(r, FACT_SELECTED, c), ERR_OK);
	rig_turn(r);
	other = c;
	c = in_groups(ROLLOUT(GROUP("1")), 1, "aa", true);
	rig_turn(r);
	expect("wi"); /* its device is out in the other campaign */
	expect_wait(0, WAIT_DEVICE, TIME_NONE);
	prove_in(other, 0);
	rig_turn(r);
	r->now_ms += SETTLE_MS + 1; /* nobody looked, as the process was down */
	rig_crash(r);
	rig_turn(r);
	expect("Pd");
	expect_wait(0, WAIT_NONE, TIME_NONE);
}
END_TEST

START_TEST(test_a_late_look_that_ends_the_wait_for_a_group_ends_it)
{
	struct fact f;

	begin_in_groups(ROLLOUT(GROUP("1")) "," RETRY "," PRECHECK, "aa");
	rig_read(r, c, 0, SAYS_NOTHING, 0);
	rig_read(r, c, 1, SAYS_NOTHING, 0);
	rig_turn(r);
	expect("iP");
	rig_call(r, c, 0, CALL_AMBIGUOUS);
	rig_turn(r);
	rig_at(r, 1000000);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ); /* has it acted? */
	refuse(0);                                      /* no; but the look is still on its way */
	rig_turn(r);
	rig_read(r, c, 1, SAYS_NOTHING, 1000000);
	rig_turn(r);
	rig_at(r, 1060000);
	expect("Pi");
	f = rig_fact(r, FACT_READING, c, 0);
	f.is_point_read = true;
	f.precheck_holds = false;
	ck_assert_int_eq(rig_feed(r, &f), ERR_OK);
	rig_turn(r);
	expect("wi");
	expect_wait(0, WAIT_HEALTH, 1120000);
}
END_TEST

START_TEST(test_a_group_limit_that_is_patched_wakes_or_blocks)
{
	begin_in_groups(ROLLOUT(GROUP("1")), "aaaaa");
	expect("iPPPP");
	rig_respec(r, c, ROLLOUT(GROUP("3")), DAY_MS);
	rig_turn(r);
	expect("iiiPP");
	refuse(0);
	rig_turn(r);
	expect("fiiPP");
	rig_respec(r, c, ROLLOUT(GROUP("1")), DAY_MS);
	rig_turn(r);
	expect("fiikk");
}
END_TEST

START_TEST(test_who_waits_for_a_group_says_so)
{
	struct engine_waiting w;

	begin_in_groups(ROLLOUT(GROUP("1") ",\"maxUnavailable\":1"), "aab");
	engine_waiting(r->e, c, r->now_ms, &w);
	ck_assert_int_eq(w.wait, WAIT_CAPACITY); /* nobody was looked at since the place was taken */
	ck_assert_uint_eq(w.parked_n, 0);
	tear_down();
	begin_in_groups(ROLLOUT(GROUP("1")), "aab");
	engine_waiting(r->e, c, r->now_ms, &w);
	ck_assert(!w.is_all);
	ck_assert_uint_eq(w.parked_n, 1);
	ck_assert(engine_is_parked(r->e, c, 1));
	ck_assert(!engine_is_parked(r->e, c, 2));
	ck_assert(!engine_is_parked(r->e, c, 3));
	ck_assert(!engine_is_parked(r->e, c + 1, 1));
}
END_TEST

START_TEST(test_a_group_that_is_done_with_lets_its_wave_pass)
{
	begin_in_groups(ROLLOUT("\"waves\":[{\"upToCount\":3},{\"upToPercent\":100}]," GROUP("1")), "aaabb");
	expect("iPPww");
	refuse(0);
	rig_turn(r);
	expect("fkkiP");
}
END_TEST

/* Who is down in a group, as text. */
static void add_down(void *arg, const char *device_id, uint32_t campaign, const char *how, int64_t since_ms)
{
	buf_printf(arg, "%s/%u %s@%lld ", device_id, campaign, how,
	           (long long)(since_ms == TIME_NONE ? -1 : since_ms - T0));
}

static void expect_group(uint32_t group, uint32_t out, uint32_t offline, uint32_t failed, const char *down)
{
	struct engine_group g;
	struct buf text = BUF_INIT;

	ck_assert(engine_group(r->e, c, group, &g));
	ck_assert_uint_eq(g.out, out);
	ck_assert_uint_eq(g.offline, offline);
	ck_assert_uint_eq(g.failed, failed);
	buf_puts(&text, "");
	engine_group_down(r->e, c, group, add_down, &text);
	ck_assert_str_eq(text.data, down);
	buf_done(&text);
}

START_TEST(test_a_group_says_who_is_down_and_since_when)
{
	begin_in_groups(ROLLOUT(GROUP("4")) "," RETRY, "aaaaaab");
	expect("iiiiPPi");
	rig_at(r, 1000);
	prove(0);
	ck_assert_int_eq(rig_call(r, c, 1, CALL_NO_METHOD), ERR_OK);
	rig_call(r, c, 2, CALL_OFFLINE);
	rig_call(r, c, 3, CALL_AMBIGUOUS);
	rig_turn(r);
	expect("sfwdPPi");
	expect_group(0, 2, 1, 1, "d1/1 failed@1000 d2/1 offline@1000 d0/1 settling@0 d3/1 doubtful@0 ");
	expect_group(1, 1, 0, 0, "d6/1 invoking@0 ");
	rig_crash(r);
	rig_turn(r);
	expect_group(0, 2, 1, 1, "d1/1 failed@1000 d2/1 offline@1000 d3/1 doubtful@0 d0/1 settling@0 ");
	ck_assert(!engine_group(r->e, c, 2, &(struct engine_group){0}));
	ck_assert(!engine_group(r->e, c + 1, 0, &(struct engine_group){0}));
}
END_TEST

START_TEST(test_what_settles_of_a_campaign_that_is_over_counts_also_after_a_crash)
{
	uint32_t first;

	begin_in_groups(ROLLOUT(GROUP("1")), "a");
	first = c;
	prove(0);
	rig_turn(r);
	expect_campaign(CAMPAIGN_COMPLETED, "");
	engine_campaign_drop(r->e, first);
	rig_at(r, 1000);
	rig_crash(r);
	c = in_groups(ROLLOUT(GROUP("1")), 5, "aa", true);
	rig_turn(r);
	expect("PP");
	expect_group(0, 1, 0, 0, "d0/1 settling@0 ");
	rig_at(r, SETTLE_MS - 1);
	expect("PP");
	rig_at(r, SETTLE_MS);
	expect("iP");
}
END_TEST

START_TEST(test_no_more_are_sent_away_than_may_come_back)
{
	struct engine_waiting w;

	r = rig_new();
	r->hubs[0].restart_credit = 2;
	r->hubs[0].restart_at_ms = T0 + 40;
	c = rig_campaign(r, "", 4);
	rig_at(r, 0);
	expect("iiww");
	expect_wake(40);
	r->hubs[0].restart_credit = 0;
	rig_turn(r);
	engine_waiting(r->e, c, r->now_ms, &w);
	ck_assert_int_eq(w.wait, WAIT_RATE);
	ck_assert_int_eq(w.next_at_ms, T0 + 40);
	c = rig_campaign(r, "\"action\":{\"type\":\"method\",\"methodName\":\"m\"}", 4);
	rig_turn(r);
	expect("wwii"); /* nobody restarts for that; the first two are taken */
}
END_TEST

/* ---- several hubs ---- */

/* Four devices of group "x" on each of two hubs. */
static void begin_on_two_hubs(const char *members)
{
	uint32_t groups[2];
	char id[16];

	r = rig_new();
	c = rig_add(r, members, 0, DAY_MS, 2);
	rig_turn_once(r);
	for (uint8_t lane = 0; lane < 2; lane++)
		groups[lane] =
		        strstr(members, "\"group\"") != NULL ? rig_group(r, c, lane, "x", 4) : GROUP_NONE;
	for (uint32_t i = 0; i < 8; i++) {
		snprintf(id, sizeof id, "d%u", i / 2);
		rig_target_in(r, c, id, (uint8_t)(i % 2), groups[i % 2], true, true);
	}
	order(FACT_SELECTED);
	rig_at(r, 0);
}

START_TEST(test_one_name_on_two_hubs_is_two_groups)
{
	begin_on_two_hubs(ROLLOUT(GROUP("1")) "," AT_ONCE);
	expect("iiPPPPPP");
	prove(0);
	rig_turn(r);
	expect("siiPPPPP");
	refuse(1);
	rig_turn(r);
	expect("sfikPkPk");
}
END_TEST

START_TEST(test_a_hub_that_is_shut_delays_its_own_share_only)
{
	struct engine_waiting w;

	begin_on_two_hubs(ROLLOUT("\"maxUnavailable\":3") "," AT_ONCE "," RETRY);
	expect("iiiwwwww");
	rig_call(r, c, 1, CALL_NOT_DELIVERED);
	r->hubs[1].is_open = false;
	r->hubs[1].opens_at_ms = T0 + 7000;
	rig_turn(r);
	expect("iwiwiwww");
	engine_waiting(r->e, c, r->now_ms, &w);
	ck_assert(!w.is_all);
	ck_assert_int_eq(w.wait, WAIT_CAPACITY);
	ck_assert_uint_eq(w.shut_hubs, 2);
	ck_assert_int_eq(w.shut_until_ms[1], T0 + 7000);
	ck_assert_uint_eq(w.shut_by[WAIT_NONE], 4);
	prove(0);
	refuse(2);
	rig_turn(r);
	expect("swwwiwiw");
	rig_call(r, c, 4, CALL_OFFLINE);
	rig_turn(r);
	engine_waiting(r->e, c, r->now_ms, &w);
	ck_assert_int_eq(w.wait, WAIT_RATE);
	ck_assert_uint_eq(w.shut_by[WAIT_NONE], 4);
	r->hubs[0].is_open = false;
	r->hubs[0].opens_at_ms = T0 + 9000;
	rig_turn(r);
	engine_waiting(r->e, c, r->now_ms, &w);
	ck_assert(w.is_all);
	ck_assert_int_eq(w.wait, WAIT_HUB);
	ck_assert_int_eq(w.next_at_ms, T0 + 7000);
	r->hubs[0].is_open = r->hubs[1].is_open = true;
	rig_turn(r);
	expect("siwiwwiw");
}
END_TEST

START_TEST(test_what_is_read_at_a_hub_that_shuts_gives_its_room_to_the_others)
{
	char id[16];

	r = rig_new();
	c = rig_add(r, ROLLOUT("\"maxUnavailable\":2"), 0, DAY_MS, 2);
	rig_turn_once(r);
	for (uint32_t i = 0; i < 6; i++) {
		snprintf(id, sizeof id, "d%u", i / 2);
		rig_target(r, c, id, (uint8_t)(i % 2), i % 2 == 0, true);
	}
	order(FACT_SELECTED);
	r->hubs[0].call_credit = 0;
	rig_at(r, 0);
	ck_assert_uint_eq(rig_acts(r, c, 1) & rig_acts(r, c, 3), ACT_READ);
	r->hubs[0].call_credit = 10;
	r->hubs[1].is_open = false;
	rig_turn(r);
	expect("iwiwww");
	r->hubs[1].is_open = true;
	ck_assert_int_eq(rig_read(r, c, 1, SAYS_NOTHING, 0), ERR_OK);
	rig_turn(r);
	expect("iwiwww"); /* they come when there is room */
	refuse(0);
	rig_turn(r);
	expect("fiiwww");
}
END_TEST

/* ---- relapses ---- */

/* Four devices, the first two a wave of their own; a gate that soaks for ten minutes. */
#define WATCHED(members) \
	ROLLOUT("\"waves\":[{\"upToCount\":2},{\"upToPercent\":100}]," GATE( \
	        "\"minSuccessPercent\":60,\"soakSeconds\":600")) \
	",\"verify\":{\"settleSeconds\":20," members "\"relapseWatchSeconds\":300}"

/* What a point read finds ms after T0. */
static enum err look_after(uint32_t no, int64_t asked_ms, uint64_t value, bool is_down)
{
	struct fact f = rig_fact(r, FACT_READING, c, no);

	f.is_point_read = true;
	f.asked_at_ms = T0 + asked_ms;
	f.says = SAYS_PROVEN;
	f.baseline = (struct baseline){.source = SOURCE_READ,
	                               .has_value = true,
	                               .value_hash = value,
	                               .value_at_ms = T0 + (int64_t)value,
	                               .taken_at_ms = T0 + asked_ms};
	f.is_down = is_down;
	f.is_up = !is_down;
	return rig_feed(r, &f);
}

static const struct relapse_row *relapse(uint32_t no)
{
	return &r->campaigns[c].targets[no].relapse;
}

START_TEST(test_a_device_that_moves_again_after_settling_relapses_and_fails_its_gate)
{
	begin(WATCHED(""), 4);
	prove(0);
	prove(1);
	rig_turn(r);
	ck_assert_int_eq(relapse(0)->from_ms, T0 + 20000);
	ck_assert_int_eq(relapse(0)->until_ms, T0 + 320000);
	rig_at(r, 19999);
	ck_assert_uint_eq(rig_acts(r, c, 0), 0);
	ck_assert_int_eq(look_after(0, 19999, 9, false), ERR_OK); /* it still settles: whatever it says */
	rig_at(r, 20000);
	ck_assert_uint_eq(r->steps_n, 2); /* their twins are read */
	look_after(0, 20000, 15000, false);
	look_after(1, 20000, 16000, false);
	rig_turn(r);
	ck_assert(r->campaigns[c].targets[0].is_followed);
	rig_at(r, 100000);
	look_after(0, 100000, 15000, false); /* the same */
	look_after(1, 100000, 99000, false);
	rig_turn(r);
	expect("ssww");
	ck_assert_uint_eq(relapse(0)->relapse, RELAPSE_NONE);
	ck_assert_uint_eq(relapse(1)->relapse, RELAPSE_RESTARTED);
	ck_assert_int_eq(relapse(1)->relapsed_at_ms, T0 + 100000);
	ck_assert(engine_has_relapsed(r->e, c, 1));
	expect_campaign(
	        CAMPAIGN_PAUSED,
	        "gate of wave 1 failed: 0 devices failed, 2 are proven, 1 of them relapsed, 60 % asked for");
	expect_waves("Fp");
	ck_assert_int_eq(look_after(1, 100000, 100000, false), ERR_CLOSED); /* once is enough */
}
END_TEST

START_TEST(test_a_row_that_is_older_than_what_was_there_shows_no_relapse)
{
	struct fact f;

	begin(WATCHED(""), 4);
	prove(0);
	rig_at(r, 20000);
	look_after(0, 20000, 15000, false);
	f = rig_fact(r, FACT_READING, c, 0);
	f.baseline = (struct baseline){
	        .source = SOURCE_QUERY, .has_value = true, .value_hash = 14000, .value_at_ms = T0 + 14000};
	f.boot_at_ms = TIME_NONE;
	ck_assert_int_eq(rig_feed(r, &f), ERR_OK);
	rig_turn(r);
	ck_assert_uint_eq(relapse(0)->relapse, RELAPSE_NONE);
	f.baseline.value_hash = 21000;
	f.baseline.value_at_ms = T0 + 21000;
	ck_assert_int_eq(rig_feed(r, &f), ERR_OK);
	rig_turn(r);
	ck_assert_uint_eq(relapse(0)->relapse, RELAPSE_RESTARTED);
}
END_TEST

START_TEST(test_a_device_that_stays_away_after_settling_has_dropped)
{
	begin(WATCHED(""), 4);
	prove(0);
	prove(1);
	rig_at(r, 20000);
	look_after(0, 20000, 1, true); /* it may be 5 min late in saying so */
	look_after(1, 20000, 1, true);
	rig_at(r, 349999);
	ck_assert_uint_eq(rig_acts(r, c, 0) & ACT_READ, 0);
	rig_at(r, 350000);
	look_after(0, 350000, 1, false);
	look_after(1, 350000, 1, true);
	rig_turn(r);
	ck_assert_uint_eq(relapse(0)->relapse, RELAPSE_NONE);
	ck_assert(relapse(0)->is_over);
	ck_assert_uint_eq(relapse(1)->relapse, RELAPSE_DROPPED);
}
END_TEST

START_TEST(test_a_campaign_completes_when_its_watches_are_over)
{
	begin("\"verify\":{\"settleSeconds\":0,\"relapseWatchSeconds\":60}", 1);
	prove(0);
	rig_turn(r);
	ck_assert_uint_eq(rig_acts(r, c, 0) & ACT_READ, ACT_READ);
	look_after(0, 0, 1, false);
	rig_at(r, 59999);
	expect_campaign(CAMPAIGN_RUNNING, "");
	expect("s");
	rig_crash(r);
	rig_turn(r);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_WATCH);
	rig_at(r, 60000);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	rig_read_failed(r, c, 0);
	rig_at(r, 65000);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	look_after(0, 65000, 1, false);
	rig_turn(r);
	expect_campaign(CAMPAIGN_COMPLETED, "");
	expect_waves("P");
}
END_TEST

START_TEST(test_a_watch_that_nobody_can_read_for_ends_after_an_hour)
{
	begin("\"verify\":{\"settleSeconds\":0,\"relapseWatchSeconds\":60}", 1);
	prove(0);
	rig_turn(r);
	rig_at(r, HOUR_MS - 1);
	expect_campaign(CAMPAIGN_RUNNING, "");
	rig_at(r, HOUR_MS);
	expect_campaign(CAMPAIGN_COMPLETED, "");
	ck_assert_uint_eq(relapse(0)->relapse, RELAPSE_NONE);
}
END_TEST

START_TEST(test_a_call_of_ours_is_no_relapse_and_a_cancel_ends_the_watch)
{
	uint32_t first;

	begin("\"verify\":{\"settleSeconds\":0,\"relapseWatchSeconds\":6000}", 2);
	first = c;
	prove(0);
	prove(1);
	rig_turn(r);
	look_after(0, 0, 1, false);
	rig_turn(r);
	c = rig_campaign(r, "", 1);
	rig_turn(r);
	expect("i");
	c = first;
	ck_assert(relapse(0)->is_over);
	ck_assert_int_eq(look_after(0, 0, 7, false), ERR_CLOSED);
	order(FACT_CANCEL);
	rig_turn(r);
	expect_campaign(CAMPAIGN_CANCELLED, "cancelled by eva");
	ck_assert(relapse(1)->is_over);
}
END_TEST

START_TEST(test_relapses_are_counted_over_a_crash)
{
	begin(WATCHED(""), 4);
	prove(0);
	rig_at(r, 20000);
	look_after(0, 20000, 1000, false);
	rig_turn(r);
	look_after(0, 20000, 19000, false); /* by its own hub's clock before it had settled */
	rig_at(r, 30000);
	look_after(0, 30000, 29000, false);
	rig_turn(r);
	ck_assert_uint_eq(r->campaigns[c].row.waves[0].relapsed, 1);
	rig_crash(r);
	rig_turn(r);
	ck_assert_uint_eq(r->campaigns[c].row.waves[0].relapsed, 1);
	ck_assert(engine_has_relapsed(r->e, c, 0));
	prove(1);
	rig_turn(r);
	expect_waves("Fp");
}
END_TEST

START_TEST(test_a_predicate_that_holds_no_more_is_undone)
{
	struct fact f;

	begin("\"verify\":{\"by\":\"where\",\"success\":\"tags.a = 1\",\"settleSeconds\":0,"
	      "\"relapseWatchSeconds\":60}",
	      1);
	prove(0);
	rig_turn(r);
	f = rig_fact(r, FACT_READING, c, 0);
	f.is_point_read = true;
	f.baseline.success_held = true;
	ck_assert_int_eq(rig_feed(r, &f), ERR_OK);
	rig_turn(r);
	ck_assert(!r->campaigns[c].targets[0].is_followed); /* each row would cost a read */
	rig_at(r, 60000);
	f.at_ms = f.asked_at_ms = r->now_ms;
	f.baseline.success_held = false;
	ck_assert_int_eq(rig_feed(r, &f), ERR_OK);
	rig_turn(r);
	ck_assert_uint_eq(relapse(0)->relapse, RELAPSE_UNDONE);
	expect_campaign(CAMPAIGN_COMPLETED, "");
}
END_TEST

/* ---- pre-checks ---- */

static enum err look(uint32_t no, bool holds)
{
	struct fact f = rig_fact(r, FACT_READING, c, no);

	f.is_point_read = true;
	f.precheck_holds = holds;
	return rig_feed(r, &f);
}

START_TEST(test_a_device_is_called_once_its_pre_check_holds)
{
	begin(PRECHECK, 1);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	rig_at(r, 500);
	ck_assert_int_eq(look(0, false), ERR_OK);
	rig_turn(r);
	expect_wait(0, WAIT_HEALTH, 60500);
	expect_wake(60500);
	rig_at(r, 60499);
	ck_assert_uint_eq(rig_acts(r, c, 0), 0);
	rig_at(r, 60500);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	ck_assert_int_eq(look(0, false), ERR_OK);
	rig_turn(r);
	expect_wait(0, WAIT_HEALTH, 120500);
	rig_at(r, 120500);
	ck_assert_int_eq(look(0, true), ERR_OK);
	rig_turn(r);
	expect("i");
	prove(0);
	rig_turn(r);
	expect("s");
}
END_TEST

START_TEST(test_a_pre_check_can_leave_a_device_out)
{
	begin("\"precheck\":{\"where\":\"properties.reported.battery > 50\",\"onFail\":\"skip\"}," RETRY, 2);
	look(0, false);
	look(1, true);
	rig_turn(r);
	expect("ki");
	expect_reason(0, REASON_PRECHECK);
	refuse(1);
	rig_at(r, 60000);
	ck_assert_uint_eq(rig_acts(r, c, 1), ACT_READ); /* fresh before each call */
	look(1, false); /* but what has been called is not left out any more */
	rig_turn(r);
	expect_wait(1, WAIT_HEALTH, 120000);
	rig_at(r, 120000);
	look(1, true);
	rig_turn(r);
	expect("ki");
	ck_assert_uint_eq(rig_row(r, c, 1)->attempts, 2);
}
END_TEST

START_TEST(test_a_pre_check_is_good_for_a_minute)
{
	begin(PRECHECK, 1);
	order(FACT_PAUSE);
	look(0, true);
	rig_at(r, 59999);
	order(FACT_RESUME);
	rig_turn(r);
	expect("i");
	tear_down();
	begin(PRECHECK, 1);
	order(FACT_PAUSE);
	look(0, true);
	rig_at(r, 60000);
	order(FACT_RESUME);
	rig_turn(r);
	expect("w");
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
}
END_TEST

START_TEST(test_a_device_that_nothing_verifies_has_a_pre_check_too)
{
	begin(BY_NONE "," PRECHECK "," RETRY, 1);
	look(0, true);
	rig_turn(r);
	expect("i");
	refuse(0);
	rig_at(r, 60000);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	look(0, true);
	rig_turn(r);
	expect("i");
}
END_TEST

START_TEST(test_waiting_for_health_goes_on_over_a_crash_and_ends_at_the_end)
{
	begin(PRECHECK, 1);
	look(0, false);
	rig_turn(r);
	rig_at(r, 30000);
	rig_crash(r);
	rig_turn(r);
	expect_wait(0, WAIT_HEALTH, 60000);
	expect_wake(60000);
	rig_at(r, 60000);
	ck_assert_uint_eq(rig_acts(r, c, 0), ACT_READ);
	look(0, false);
	rig_at(r, DAY_MS);
	expect("k");
	expect_reason(0, REASON_CAMPAIGN_ENDED);
}
END_TEST

/* ---- orders for one device ---- */

/* Four devices: one unhealthy, one backing off, one offline, one that waits for capacity. */
static void begin_waiting(void)
{
	begin(PRECHECK "," RETRY "," ROLLOUT("\"maxUnavailable\":3"), 4);
	look(0, false);
	look(1, true);
	look(2, true);
	rig_turn(r);
	look(3, true);
	rig_turn(r);
	expect("wiii");
	refuse(1);
	rig_call(r, c, 2, CALL_OFFLINE);
	rig_call(r, c, 3, CALL_BUSY);
	rig_turn(r);
	expect_wait(0, WAIT_HEALTH, 60000);
	expect_wait(1, WAIT_BACKOFF, 60000);
	ck_assert_int_eq(rig_row(r, c, 2)->wait, WAIT_OFFLINE);
	expect_wait(3, WAIT_BACKOFF, 60000);
}

START_TEST(test_every_waiting_device_can_be_left_out)
{
	begin_waiting();
	order(FACT_PAUSE);
	for (uint32_t i = 0; i < 4; i++) {
		skip(i);
		ck_assert_int_eq(rig_target_order(r, FACT_SKIP, c, i), ERR_CONFLICT);
	}
	rig_turn(r);
	expect("kkkk");
	for (uint32_t i = 0; i < 4; i++)
		expect_reason(i, REASON_BY_OPERATOR);
	expect_campaign(CAMPAIGN_COMPLETED, "");
	ck_assert_int_gt(rig_row(r, c, 2)->hold_until_ms, r->now_ms); /* it may have heard the call */
	ck_assert_int_eq(rig_row(r, c, 1)->hold_until_ms, TIME_NONE);
}
END_TEST

START_TEST(test_a_retry_ends_a_wait_at_once)
{
	begin_waiting();
	rig_at(r, 1000);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_int_eq(rig_target_order(r, FACT_RETRY, c, i), ERR_OK);
	rig_turn(r);
	for (uint32_t i = 0; i < 3; i++) {
		expect_wait(i, WAIT_NONE, TIME_NONE);
		ck_assert_uint_eq(rig_acts(r, c, i), ACT_READ);
		ck_assert_int_eq(rig_target_order(r, FACT_RETRY, c, i), ERR_CONFLICT);
		look(i, true);
	}
	rig_turn(r);
	expect("iiiw");
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_int_eq(rig_target_order(r, FACT_RETRY, c, i), ERR_CONFLICT);
		ck_assert_int_eq(rig_target_order(r, FACT_SKIP, c, i), ERR_CONFLICT);
	}
	rig_at(r, 60000); /* what would have ended the waits means nothing now */
	ck_assert_uint_eq(rig_acts(r, c, 0) | rig_acts(r, c, 1) | rig_acts(r, c, 2), 0);
}
END_TEST

START_TEST(test_a_wait_that_was_ended_does_not_end_again)
{
	begin(RETRY "," ROLLOUT("\"maxUnavailable\":1"), 2);
	refuse(0);
	rig_turn(r);
	expect("wi");
	ck_assert_int_eq(rig_target_order(r, FACT_RETRY, c, 0), ERR_OK);
	rig_at(r, 1000);
	expect_wait(0, WAIT_NONE, TIME_NONE);
	rig_at(r, 60000);
	ck_assert_uint_eq(r->steps_n, 0);
	expect_wake(100000);
}
END_TEST

START_TEST(test_a_device_that_waits_for_another_campaign_can_be_left_out_but_not_retried)
{
	uint32_t first;

	begin("", 1);
	first = c;
	c = rig_campaign(r, "", 1);
	rig_turn(r);
	expect_wait(0, WAIT_DEVICE, TIME_NONE);
	ck_assert_int_eq(rig_target_order(r, FACT_RETRY, c, 0), ERR_CONFLICT);
	skip(0);
	rig_turn(r);
	expect("k");
	prove_in(first, 0);
	rig_turn(r);
	expect("k");
}
END_TEST

START_TEST(test_no_device_is_ordered_about_while_they_are_selected)
{
	r = rig_new();
	c = rig_add(r, "", 0, DAY_MS, 1);
	rig_turn(r);
	rig_target(r, c, "d0", 0, true, true);
	ck_assert_int_eq(rig_target_order(r, FACT_SKIP, c, 0), ERR_CONFLICT);
	ck_assert_int_eq(rig_order(r, FACT_SELECTED, c), ERR_OK);
	skip(0);
	rig_turn(r);
	expect("k");
	expect_campaign(CAMPAIGN_COMPLETED, "");
	ck_assert_int_eq(rig_target_order(r, FACT_SKIP, c, 1), ERR_NOT_FOUND);
	ck_assert_int_eq(rig_target_order(r, FACT_SKIP, c + 1, 0), ERR_NOT_FOUND);
}
END_TEST

START_TEST(test_a_retry_in_a_campaign_that_closes_closes)
{
	begin(RETRY, 1);
	refuse(0);
	rig_turn(r);
	order(FACT_CANCEL);
	ck_assert_int_eq(rig_target_order(r, FACT_RETRY, c, 0), ERR_OK);
	rig_turn(r);
	expect("c");
	expect_campaign(CAMPAIGN_CANCELLED, "cancelled by eva");
}
END_TEST

/* ---- a changed spec ---- */

START_TEST(test_another_rate_counts_from_the_last_call)
{
	begin(ROLLOUT("\"ratePerMinute\":6"), 9);
	expect("iwwwwwwww");
	rig_at(r, 1000);
	rig_respec(r, c, ROLLOUT("\"ratePerMinute\":12"), DAY_MS);
	rig_turn(r);
	expect_wake(5000);
	rig_at(r, 4999);
	expect("iwwwwwwww");
	rig_at(r, 5000);
	expect("iiwwwwwww");
	rig_respec(r, c, ROLLOUT("\"ratePerMinute\":1"), DAY_MS);
	rig_at(r, 64999);
	expect("iiwwwwwww");
	rig_at(r, 65000);
	expect("iiiwwwwww");
	rig_respec(r, c, "", DAY_MS);
	rig_turn(r);
	expect("iiiiiiiii");
}
END_TEST

START_TEST(test_a_rate_that_is_patched_in_counts_from_the_last_call)
{
	begin(ROLLOUT("\"maxUnavailable\":1") "," AT_ONCE, 3);
	rig_at(r, 1000);
	rig_respec(r, c, ROLLOUT("\"ratePerMinute\":6") "," AT_ONCE, DAY_MS);
	rig_turn(r);
	expect("iww");
	expect_wake(10000);
	rig_at(r, 10000);
	expect("iiw");
}
END_TEST

START_TEST(test_another_limit_holds_at_once)
{
	begin(ROLLOUT("\"maxUnavailable\":2"), 5);
	expect("iiwww");
	rig_respec(r, c, ROLLOUT("\"maxUnavailable\":3"), DAY_MS);
	rig_turn(r);
	expect("iiiww");
	rig_respec(r, c, ROLLOUT("\"maxUnavailable\":1"), DAY_MS);
	refuse(0);
	refuse(1);
	rig_turn(r);
	expect("ffiww");
	refuse(2);
	rig_turn(r);
	expect("fffiw");
}
END_TEST

START_TEST(test_another_soak_counts_from_the_same_proof)
{
	begin(ROLLOUT(WAVES "," GATE("\"soakSeconds\":600")), 7);
	prove(0);
	rig_at(r, 1000);
	rig_respec(r, c, ROLLOUT(WAVES "," GATE("\"soakSeconds\":700")), DAY_MS);
	rig_at(r, 699999);
	expect("swwwwww");
	expect_wake(700000);
	rig_respec(r, c, ROLLOUT(WAVES "," GATE("\"soakSeconds\":1")), DAY_MS);
	rig_turn(r);
	expect("siiwwww");
}
END_TEST

START_TEST(test_a_gate_that_is_tightened_in_its_soak_fails)
{
	begin(ROLLOUT("\"waves\":[{\"upToCount\":2},{\"upToPercent\":100}]," GATE("\"soakSeconds\":600")), 4);
	prove(0);
	refuse(1);
	rig_at(r, 1000);
	rig_respec(r, c,
	           ROLLOUT("\"waves\":[{\"upToCount\":2},{\"upToPercent\":100}]," GATE(
	                   "\"soakSeconds\":600,\"minSuccessPercent\":51")),
	           DAY_MS);
	rig_turn(r);
	expect_campaign(CAMPAIGN_PAUSED,
	                "gate of wave 1 failed: 1 device failed, 1 is proven, 51 % asked for");
	expect_waves("Fp");
}
END_TEST

START_TEST(test_another_end_is_kept)
{
	begin(ROLLOUT("\"maxUnavailable\":1"), 2);
	rig_respec(r, c, ROLLOUT("\"maxUnavailable\":1"), 5000);
	rig_turn(r);
	expect_wake(5000);
	rig_respec(r, c, ROLLOUT("\"maxUnavailable\":1"), 9000);
	rig_at(r, 8999);
	expect("iw");
	rig_at(r, 9000);
	expect("ik");
	expect_reason(1, REASON_CAMPAIGN_ENDED);
}
END_TEST

/* ---- luck ---- */

#define THREE_WAVES "\"waves\":[{\"upToCount\":1},{\"upToPercent\":50},{\"upToPercent\":100}]"
#define QUICK "\"verify\":{\"timeoutSeconds\":60}"

static const struct chaos_members lucky[] = {
        {"\"rollout\":{" THREE_WAVES "}", "\"rollout\":{" THREE_WAVES ",\"gate\":{\"approval\":\"each\"}}"},
        {"\"rollout\":{" THREE_WAVES ",\"gate\":{\"minSuccessPercent\":60,\"soakSeconds\":30}}",
         "\"rollout\":{" THREE_WAVES ",\"gate\":{\"minSuccessPercent\":20,\"soakSeconds\":300}}"},
        {"\"rollout\":{" THREE_WAVES ",\"gate\":{\"approval\":\"start\",\"minSuccessPercent\":100}}," RETRY,
         "\"rollout\":{" THREE_WAVES ",\"gate\":{\"approval\":\"start\",\"minSuccessPercent\":30}}"},
        {"\"rollout\":{\"waves\":[{\"upToPercent\":20,\"gate\":{\"approval\":\"each\",\"soakSeconds\":7}},"
         "{\"upToPercent\":40},{\"upToPercent\":100}],\"gate\":{\"minSuccessPercent\":50,\"approval\":"
         "\"afterFirst\"},\"maxUnavailable\":2," GROUP("1") "}," QUICK,
         NULL},
        {"\"rollout\":{" GROUP("1") "}", "\"rollout\":{\"ratePerMinute\":30," GROUP("3") "}"},
        {"\"rollout\":{" THREE_WAVES
         ",\"gate\":{\"minSuccessPercent\":70,\"soakSeconds\":300}},\"verify\":{\"settleSeconds\":20,"
         "\"relapseWatchSeconds\":600}",
         NULL},
        {"\"verify\":{\"by\":\"where\",\"success\":\"tags.a = 1\",\"settleSeconds\":0,"
         "\"relapseWatchSeconds\":60}",
         NULL},
        {"\"rollout\":{" GROUP("\"50%\"") "}," QUICK "," RETRY, "\"rollout\":{" GROUP("1") "}," QUICK},
        {"\"rollout\":{" GROUP("2") "},\"precheck\":{\"where\":\"properties.reported.v = 1\"}", NULL},
        {"\"rollout\":{" GROUP(
                 "1") "},\"offline\":{\"expireAfterSeconds\":900}," QUICK
                      ",\"precheck\":{\"where\":\"properties.reported.v = 1\",\"onFail\":\"skip\"}," RETRY,
         NULL},
        {BY_NONE ",\"rollout\":{" GROUP("1") "},\"precheck\":{\"where\":\"properties.reported.v = 1\"}",
         NULL},
        {"\"abort\":[{\"cause\":\"any\",\"percent\":40,\"minFinished\":3,\"do\":\"pause\"},"
         "{\"cause\":\"noProof\",\"count\":2,\"do\":\"cancel\"}]," QUICK,
         "\"abort\":[{\"cause\":\"refused\",\"count\":1,\"do\":\"pause\"}]," QUICK},
        {"\"abort\":[{\"cause\":\"any\",\"count\":1,\"do\":\"pause\"}],\"rollout\":{" THREE_WAVES
         ",\"gate\":{\"minSuccessPercent\":90}," GROUP("1") "}",
         "\"rollout\":{" THREE_WAVES "," GROUP("2") "}"},
};

START_TEST(test_promises_hold_whatever_happens)
{
	chaos_runs(2000, lucky, sizeof lucky / sizeof *lucky);
}
END_TEST

START_TEST(test_the_same_facts_give_the_same_steps)
{
	chaos_repeats(20, lucky, sizeof lucky / sizeof *lucky);
}
END_TEST

#define CASE(name, ...) add(s, name, (const TTest *const[]){__VA_ARGS__, NULL})

static void add(Suite *s, const char *name, const TTest *const *tests)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, NULL, tear_down);
	for (; *tests != NULL; tests++)
		tcase_add_test(tc, *tests);
	suite_add_tcase(s, tc);
}

int main(void)
{
	Suite *s = suite_create("campaign-rollout");

	CASE("waves", test_a_wave_is_called_when_all_of_the_one_before_are_final,
	     test_all_who_wait_in_a_wave_keep_the_next_shut, test_an_empty_wave_is_passed_at_once,
	     test_a_wave_of_targets_that_are_all_left_out_is_passed,
	     test_a_gate_holds_by_the_share_of_those_that_succeeded_or_failed,
	     test_a_wave_soaks_exactly_from_its_last_proof, test_a_wave_without_a_proof_does_not_soak,
	     test_a_pause_does_not_stop_the_soak, test_why_they_wait_is_told_by_wave);
	CASE("approval", test_nothing_is_called_before_the_start_is_approved,
	     test_after_first_asks_after_the_first_wave_only, test_each_asks_after_every_wave_but_the_last,
	     test_a_waves_own_gate_replaces_the_rollouts,
	     test_an_approval_of_the_start_is_none_of_the_first_wave,
	     test_approved_while_paused_it_goes_on_with_the_resume);
	CASE("a gate that fails", test_a_gate_that_cannot_hold_any_more_pauses_at_once,
	     test_resumed_after_a_failed_gate_only_its_wave_goes_on,
	     test_an_override_before_the_wave_is_done_holds_at_its_end,
	     test_an_override_is_the_approval_that_the_gate_asks_for,
	     test_a_failed_gate_that_is_eased_holds_after_the_resume_and_can_fail_again,
	     test_a_gate_that_fails_in_a_pause_is_told_with_the_resume,
	     test_a_gate_that_failed_stays_paused_whatever_part_of_it_was_committed);
	CASE("the end of a campaign with waves", test_the_end_comes_in_every_stage,
	     test_a_cancel_comes_in_every_stage,
	     test_a_pause_in_every_stage_calls_nobody_and_the_resume_goes_on_there);
	CASE("a crash", test_after_a_crash_every_rollout_goes_on_as_without,
	     test_a_soak_goes_on_over_a_crash_to_its_exact_end);
	CASE("abort rules", test_no_call_is_made_in_the_commit_in_which_a_rule_is_met,
	     test_a_percentage_waits_for_enough_that_finished, test_a_rule_counts_its_cause_only,
	     test_a_rule_may_cancel, test_of_rules_met_at_once_one_that_cancels_acts,
	     test_of_rules_met_at_once_the_first_is_told, test_a_rule_that_cancels_acts_also_in_a_pause,
	     test_a_rule_met_in_a_pause_by_order_is_told_before_it_is_resumed,
	     test_a_failed_gate_does_not_hide_a_rule,
	     test_an_override_ends_the_pause_of_a_rule_met_meanwhile_too,
	     test_resumed_after_a_rule_it_counts_afresh_also_over_a_crash,
	     test_a_base_stored_ahead_of_its_rows_trips_nothing_after_the_crash,
	     test_a_rule_that_is_patched_in_acts_at_once_and_counts_from_the_beginning,
	     test_a_rule_that_is_patched_in_does_not_move_a_campaign_that_is_over,
	     test_another_rule_in_the_place_of_one_that_was_met_does_not_take_its_base,
	     test_a_rule_on_record_and_met_acts_after_a_crash);
	CASE("groups", test_a_full_group_lets_the_others_pass, test_the_devices_without_the_tag_are_a_group,
	     test_a_share_is_of_the_groups_size, test_proof_in_the_done_path_gives_the_place_back_at_once,
	     test_every_state_between_call_and_end_takes_the_groups_place,
	     test_campaigns_share_a_group_over_their_devices,
	     test_what_failed_counts_in_its_own_campaign_only,
	     test_another_tag_with_the_same_value_is_another_group, test_campaigns_take_turns_in_a_group,
	     test_a_settling_device_of_a_campaign_that_is_over_keeps_its_place_and_gives_it_back,
	     test_an_offline_device_counts_and_so_does_its_next_call,
	     test_an_offline_device_that_expires_has_failed_and_blocks,
	     test_a_device_seen_offline_long_ago_does_not_count,
	     test_an_offline_device_waits_for_room_that_others_take,
	     test_a_device_proven_after_a_404103_takes_its_groups_place_to_settle,
	     test_a_blocked_group_closes_all_who_wait_also_those_who_come_later,
	     test_a_blocked_group_closes_in_a_pause_too,
	     test_a_blocked_group_of_thousands_closes_in_bounded_turns,
	     test_one_who_left_the_queue_does_not_take_the_room_of_the_next,
	     test_one_who_does_not_use_the_room_lets_the_next_have_it,
	     test_an_unhealthy_device_does_not_hold_its_group,
	     test_room_left_by_one_woken_and_unhealthy_goes_to_the_next,
	     test_room_left_by_one_that_is_busy_elsewhere_goes_to_the_next,
	     test_a_cancel_and_the_end_close_those_who_wait_for_their_group,
	     test_one_that_was_read_and_finds_no_room_gives_its_place_to_another_group,
	     test_groups_go_on_over_a_crash,
	     test_the_record_says_device_but_it_waits_for_its_group_after_a_crash,
	     test_a_late_look_that_ends_the_wait_for_a_group_ends_it,
	     test_a_group_limit_that_is_patched_wakes_or_blocks, test_who_waits_for_a_group_says_so,
	     test_a_group_that_is_done_with_lets_its_wave_pass);
	CASE("groups told", test_a_group_says_who_is_down_and_since_when,
	     test_what_settles_of_a_campaign_that_is_over_counts_also_after_a_crash,
	     test_no_more_are_sent_away_than_may_come_back);
	CASE("several hubs", test_one_name_on_two_hubs_is_two_groups,
	     test_a_hub_that_is_shut_delays_its_own_share_only,
	     test_what_is_read_at_a_hub_that_shuts_gives_its_room_to_the_others);
	CASE("relapses", test_a_device_that_moves_again_after_settling_relapses_and_fails_its_gate,
	     test_a_row_that_is_older_than_what_was_there_shows_no_relapse,
	     test_a_device_that_stays_away_after_settling_has_dropped,
	     test_a_campaign_completes_when_its_watches_are_over,
	     test_a_watch_that_nobody_can_read_for_ends_after_an_hour,
	     test_a_call_of_ours_is_no_relapse_and_a_cancel_ends_the_watch,
	     test_relapses_are_counted_over_a_crash, test_a_predicate_that_holds_no_more_is_undone);
	CASE("pre-checks", test_a_device_is_called_once_its_pre_check_holds,
	     test_a_pre_check_can_leave_a_device_out, test_a_pre_check_is_good_for_a_minute,
	     test_a_device_that_nothing_verifies_has_a_pre_check_too,
	     test_waiting_for_health_goes_on_over_a_crash_and_ends_at_the_end);
	CASE("orders for one device", test_every_waiting_device_can_be_left_out,
	     test_a_retry_ends_a_wait_at_once, test_a_wait_that_was_ended_does_not_end_again,
	     test_a_device_that_waits_for_another_campaign_can_be_left_out_but_not_retried,
	     test_no_device_is_ordered_about_while_they_are_selected,
	     test_a_retry_in_a_campaign_that_closes_closes);
	CASE("a changed spec", test_another_rate_counts_from_the_last_call,
	     test_a_rate_that_is_patched_in_counts_from_the_last_call, test_another_limit_holds_at_once,
	     test_another_soak_counts_from_the_same_proof, test_a_gate_that_is_tightened_in_its_soak_fails,
	     test_another_end_is_kept);
	CASE("luck", test_promises_hold_whatever_happens, test_the_same_facts_give_the_same_steps);
	return suite_run(s);
}
