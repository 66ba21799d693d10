/* campaign/wave: may the wave after this one open? And is an abort rule met? Arithmetic only. */
#ifndef ROLLCALL_SERVER_CAMPAIGN_WAVE_H
#define ROLLCALL_SERVER_CAMPAIGN_WAVE_H

#include "server/campaign/model.h"
#include "server/campaign/spec.h"

enum wave_verdict {
	WAVE_GOES_ON, /* not all of its targets are final, and its gate may still hold */
	WAVE_SOAKS,   /* all are final and proven enough: until *ret_until_ms nothing may relapse */
	WAVE_HOLDS,   /* its gate holds */
	WAVE_CANNOT,  /* its gate does not hold, and cannot any more */
};

/* Judges a wave that is open or soaking by its own counts; who relapsed counts as failed. Nobody succeeded or
 * failed: it holds, whatever share is asked for. The soak begins with the last proof; without any there is
 * none. */
enum wave_verdict wave_judge(const struct gate_spec *gate, const struct wave_row *wave, int64_t now_ms,
                             int64_t *ret_until_ms);
/* Whether all of its targets are final. */
bool wave_is_finished(const struct wave_row *wave);
/* Whether a person must approve before the wave behind this one opens; wave -1: before the first. */
bool wave_needs_approval(const struct campaign_spec *s, int wave);
/* Whether the counts since base meet the rule. base may be ahead of counts (after a crash): that is none. */
bool abort_is_met(const struct abort_rule *rule, const struct counts *counts, const struct abort_base *base);
/* What a rule counted since base. */
struct abort_base abort_since(const struct abort_rule *rule, const struct counts *counts,
                              const struct abort_base *base);
/* What a rule counts now, to count afresh from. */
struct abort_base abort_base_of(const struct abort_rule *rule, const struct counts *counts);

#endif
