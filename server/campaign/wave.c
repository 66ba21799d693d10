/* campaign: see wave.h */
#include "server/campaign/wave.h"

static uint32_t unfinished(const struct wave_row *w)
{
	return w->state[TARGET_WAITING] + w->state[TARGET_INVOKING] + w->state[TARGET_DOUBTFUL] +
	       w->state[TARGET_AWAITING_PROOF];
}

bool wave_is_finished(const struct wave_row *wave)
{
	return unfinished(wave) == 0;
}

enum wave_verdict wave_judge(const struct gate_spec *gate, const struct wave_row *w, int64_t now_ms,
                             int64_t *ret_until_ms)
{
	uint64_t open = unfinished(w), succeeded = w->state[TARGET_SUCCEEDED] - w->relapsed,
	         failed = w->state[TARGET_FAILED] + w->relapsed;

	/* Were all that are open to succeed, would it hold? */
	if ((succeeded + open) * 100 < (uint64_t)gate->min_success_percent * (succeeded + open + failed))
		return WAVE_CANNOT;
	if (open > 0)
		return WAVE_GOES_ON;
	if (gate->soak_s > 0 && w->proven_at_ms != TIME_NONE) {
		*ret_until_ms = w->proven_at_ms + (int64_t)gate->soak_s * 1000;
		if (*ret_until_ms > now_ms)
			return WAVE_SOAKS;
	}
	return WAVE_HOLDS;
}

bool wave_needs_approval(const struct campaign_spec *s, int wave)
{
	if (wave < 0)
		return s->rollout.waves[0].gate.approval == APPROVAL_START;
	if (wave + 1 >= (int)s->rollout.waves_n)
		return false;
	switch (s->rollout.waves[wave].gate.approval) {
	case APPROVAL_EACH:
		return true;
	case APPROVAL_AFTER_FIRST:
		return wave == 0;
	case APPROVAL_NONE:
	case APPROVAL_START:
	default:
		return false;
	}
}

struct abort_base abort_base_of(const struct abort_rule *rule, const struct counts *counts)
{
	uint32_t failed = counts->state[TARGET_FAILED];

	return (struct abort_base){counts->state[TARGET_SUCCEEDED] + failed,
	                           rule->cause == REASON_NONE ? failed : counts->reason[rule->cause]};
}

struct abort_base abort_since(const struct abort_rule *rule, const struct counts *counts,
                              const struct abort_base *base)
{
	struct abort_base now = abort_base_of(rule, counts);

	return (struct abort_base){now.finished > base->finished ? now.finished - base->finished : 0,
	                           now.failed > base->failed ? now.failed - base->failed : 0};
}

bool abort_is_met(const struct abort_rule *rule, const struct counts *counts, const struct abort_base *base)
{
	struct abort_base since = abort_since(rule, counts, base);

	if (rule->count > 0)
		return since.failed >= rule->count;
	return since.failed > 0 && since.finished >= rule->min_finished &&
	       (uint64_t)since.failed * 100 >= (uint64_t)since.finished * rule->percent;
}
