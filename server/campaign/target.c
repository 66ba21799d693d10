/* campaign: see target.h */
#include "server/campaign/target.h"

#include <assert.h>

#define T(name) (1u << TARGET_##name)
static const struct sm_state target_states[] = {
        [TARGET_WAITING] = {"waiting", T(INVOKING) | T(SUCCEEDED) | T(FAILED) | T(SKIPPED) | T(CANCELLED)},
        [TARGET_INVOKING] = {"invoking", T(AWAITING_PROOF) | T(SUCCEEDED) | T(DOUBTFUL) | T(WAITING) |
                                                 T(FAILED) | T(SKIPPED)},
        [TARGET_DOUBTFUL] = {"doubtful", T(AWAITING_PROOF) | T(SUCCEEDED) | T(WAITING) | T(FAILED)},
        [TARGET_AWAITING_PROOF] = {"awaitingProof", T(SUCCEEDED) | T(WAITING) | T(FAILED)},
        [TARGET_SUCCEEDED] = {"succeeded", 0},
        [TARGET_FAILED] = {"failed", 0},
        [TARGET_SKIPPED] = {"skipped", 0},
        [TARGET_CANCELLED] = {"cancelled", 0},
};
#undef T
const struct sm target_machine = {"target", target_states, TARGET_STATES_N};

#define C(name) (1u << CAMPAIGN_##name)
/* Of what is shown: a pause can come over any live state and ends in the one that was reached meanwhile. */
static const struct sm_state campaign_states[] = {
        [CAMPAIGN_SCHEDULED] = {"scheduled", C(SELECTING) | C(PAUSED) | C(CANCELLED)},
        [CAMPAIGN_SELECTING] = {"selecting", C(AWAITING_APPROVAL) | C(RUNNING) | C(PAUSED) | C(CANCELLING) |
                                                     C(CANCELLED) | C(FAILED)},
        [CAMPAIGN_AWAITING_APPROVAL] = {"awaitingApproval",
                                        C(RUNNING) | C(PAUSED) | C(CANCELLING) | C(COMPLETED)},
        [CAMPAIGN_RUNNING] = {"running", C(AWAITING_APPROVAL) | C(PAUSED) | C(CANCELLING) | C(COMPLETED)},
        [CAMPAIGN_PAUSED] = {"paused", C(SCHEDULED) | C(SELECTING) | C(AWAITING_APPROVAL) | C(RUNNING) |
                                               C(CANCELLING) | C(CANCELLED) | C(COMPLETED) | C(FAILED)},
        [CAMPAIGN_CANCELLING] = {"cancelling", C(CANCELLED)},
        [CAMPAIGN_COMPLETED] = {"completed", 0},
        [CAMPAIGN_CANCELLED] = {"cancelled", 0},
        [CAMPAIGN_FAILED] = {"failed", 0},
};
#undef C
const struct sm campaign_machine = {"campaign", campaign_states, CAMPAIGN_STATES_N};

void target_move(struct target_row *row, enum target_state to, enum reason reason, int64_t now_ms)
{
	assert((reason != REASON_NONE) == (to == TARGET_FAILED || to == TARGET_SKIPPED));
	row->state = (uint8_t)sm_move(&target_machine, row->state, to);
	row->reason = (uint8_t)reason;
	row->wait = WAIT_NONE;
	row->next_at_ms = TIME_NONE;
	row->changed_at_ms = now_ms;
}
