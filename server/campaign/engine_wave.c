/* campaign: waves with their gates, approvals, abort rules (P7); see engine_parts.h. */
#include "server/campaign/engine_parts.h"

#include <stdio.h>
#include <string.h>

#include "server/campaign/wave.h"

/* Gives the first abort rule that is met, one that cancels before one that pauses; in a pause, only those
 * that were not met before. aborts_n: none. */
static uint32_t met_abort(const struct campaign *c, const struct counts *before)
{
	uint32_t met = c->spec->aborts_n;

	for (uint32_t i = c->spec->aborts_n; i-- > 0;) {
		const struct abort_rule *rule = &c->spec->aborts[i];

		if (!abort_is_met(rule, &c->counts, &c->aborts[i]) ||
		    (c->is_paused && abort_is_met(rule, before, &c->aborts[i])))
			continue;
		if (met == c->spec->aborts_n || rule->cancels || !c->spec->aborts[met].cancels)
			met = i;
	}
	return met;
}

/* An abort rule that is met acts at once (P7), also in a pause that has another reason. */
void engine_check_aborts(struct engine *e, struct campaign *c, const struct counts *before, int64_t now_ms)
{
	bool is_over = is_closing(c) || campaign_state_is_final(c->phase);
	uint32_t met = is_over ? c->spec->aborts_n : met_abort(c, before);
	const struct abort_rule *rule = &c->spec->aborts[met];
	struct abort_base since;
	char reason[128];

	if (met == c->spec->aborts_n)
		return;
	since = abort_since(rule, &c->counts, &c->aborts[met]);
	snprintf(reason, sizeof reason, "abort rule %u: %u of %u finished devices failed%s%s", met + 1,
	         since.failed, since.finished, rule->cause != REASON_NONE ? " by " : "",
	         reason_text(rule->cause));
	engine_count_time(e, now_ms);
	c->sweep = 0;
	engine_move(e, c, rule->cancels ? CAMPAIGN_CANCELLING : c->phase, !rule->cancels, reason)->stop =
	        STOP_ABORT_RULE;
}

static void move_wave(struct engine *e, struct campaign *c, uint32_t wave, enum wave_stage to)
{
	struct step *s = engine_push(e, STEP_WAVE, c->no);

	s->wave = wave;
	s->wave_from = (enum wave_stage)c->waves[wave].stage;
	s->wave_to = to;
	c->waves[wave].stage = (uint8_t)to;
}

/* Goes on although abort rules may be met: these count afresh. */
void engine_end_pause(struct engine *e, struct campaign *c, const char *reason)
{
	for (uint32_t i = 0; i < c->spec->aborts_n; i++)
		if (abort_is_met(&c->spec->aborts[i], &c->counts, &c->aborts[i]))
			c->aborts[i] = abort_base_of(&c->spec->aborts[i], &c->counts);
	engine_move(e, c, c->phase, false, reason);
}

/* Opens the gate that waits for a person; one that failed only where the order says so. */
enum err engine_approve(struct engine *e, struct campaign *c, const struct fact *f)
{
	struct wave_row *wave = &c->waves[c->wave];
	char reason[128];

	snprintf(reason, sizeof reason, "approved by %.96s", f->by);
	if (c->phase == CAMPAIGN_AWAITING_APPROVAL) {
		wave->is_approved = wave->stage != WAVE_PENDING; /* else it was about the start */
		engine_move(e, c, CAMPAIGN_RUNNING, c->is_paused, c->is_paused ? NULL : reason);
		return ERR_OK;
	}
	if (wave->stage != WAVE_FAILED || !f->is_override)
		return ERR_CONFLICT;
	wave->is_approved = wave->is_overridden = true;
	move_wave(e, c, c->wave, WAVE_OPEN);
	engine_end_pause(e, c, reason);
	return ERR_OK;
}

void engine_end_wave(struct engine *e, struct campaign *c)
{
	struct wave_row *wave = &c->waves[c->wave];
	int64_t until_ms;

	if (c->waves_n == 0 || (wave->stage != WAVE_OPEN && wave->stage != WAVE_SOAKING))
		return;
	if (wave->is_overridden ||
	    wave_judge(&c->spec->rollout.waves[c->wave].gate, wave, TIME_NEVER, &until_ms) != WAVE_CANNOT)
		move_wave(e, c, c->wave, WAVE_PASSED);
	else
		move_wave(e, c, c->wave, WAVE_FAILED);
}

static void say_why(const struct campaign *c, const struct wave_row *wave, char reason[128])
{
	uint32_t failed = wave->state[TARGET_FAILED], proven = wave->state[TARGET_SUCCEEDED];
	char relapsed[32] = "";

	if (wave->relapsed > 0)
		snprintf(relapsed, sizeof relapsed, ", %u of them relapsed", wave->relapsed);
	snprintf(reason, 128, "gate of wave %u failed: %u device%s failed, %u %s proven%s, %u %% asked for",
	         c->wave + 1, failed, failed == 1 ? "" : "s", proven, proven == 1 ? "is" : "are", relapsed,
	         c->spec->rollout.waves[c->wave].gate.min_success_percent);
}

/* Judges the wave that is open; opens the next one when its gate holds (P7). */
void engine_advance(struct engine *e, struct campaign *c, int64_t now_ms, int64_t *wake_ms)
{
	while (c->phase == CAMPAIGN_RUNNING && !c->has_ended && c->waves_n > 0) {
		struct wave_row *wave = &c->waves[c->wave];
		bool is_last = c->wave + 1 == c->waves_n;
		int64_t until_ms = TIME_NONE;
		char reason[128];
		enum wave_verdict verdict;

		if (wave->stage == WAVE_PENDING) {
			wave->opened_at_ms = now_ms;
			move_wave(e, c, c->wave, WAVE_OPEN);
		}
		verdict = wave_judge(&c->spec->rollout.waves[c->wave].gate, wave, now_ms, &until_ms);
		if (wave->stage == WAVE_PASSED)
			verdict = WAVE_HOLDS; /* it waited for approval only */
		else if (verdict == WAVE_CANNOT && wave->is_overridden)
			verdict = wave_is_finished(wave) ? WAVE_HOLDS : WAVE_GOES_ON;
		if (is_last || c->is_paused)
			return;
		if (verdict == WAVE_GOES_ON) {
			if (wave->stage == WAVE_FAILED) /* its gate has been eased */
				move_wave(e, c, c->wave, WAVE_OPEN);
			return;
		}
		if (verdict == WAVE_CANNOT) {
			if (wave->stage == WAVE_FAILED && !wave_is_finished(wave))
				return; /* resumed without an override: its own devices go on */
			say_why(c, wave, reason);
			/* first: were the rest lost, it is paused */
			engine_move(e, c, c->phase, true, reason)->stop = STOP_GATE;
			if (wave->stage != WAVE_FAILED)
				move_wave(e, c, c->wave, WAVE_FAILED);
			return;
		}
		if (verdict == WAVE_SOAKS) {
			if (wave->stage != WAVE_SOAKING)
				move_wave(e, c, c->wave, WAVE_SOAKING);
			if (until_ms < *wake_ms)
				*wake_ms = until_ms;
			return;
		}
		if (wave->stage != WAVE_PASSED)
			move_wave(e, c, c->wave, WAVE_PASSED);
		if (wave_needs_approval(c->spec, (int)c->wave) && !wave->is_approved) {
			snprintf(reason, sizeof reason, "waits for approval after wave %u", c->wave + 1);
			engine_move(e, c, CAMPAIGN_AWAITING_APPROVAL, false, reason);
			return;
		}
		c->wave++;
	}
}
