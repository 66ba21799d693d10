/* campaign/target: one target's life: which moves there are (product: A target's life).
 *
 *                 ┌────────────── surely not reached, offline, retry ──────────────┐
 *                 ▼                                                                │
 *   WAITING ──claimed──▶ INVOKING ──accepted──▶ AWAITING_PROOF ──proven──▶ SUCCEEDED
 *      │                    │                      ▲        └──no proof, device failed──▶ FAILED
 *      │                    └──answer lost──▶ DOUBTFUL ──proven──▶ SUCCEEDED
 *      │                                          └──absent: WAITING · cannot be told: FAILED
 *      └──▶ SUCCEEDED, FAILED (evidence before a further call) · SKIPPED · CANCELLED */
#ifndef ROLLCALL_SERVER_CAMPAIGN_TARGET_H
#define ROLLCALL_SERVER_CAMPAIGN_TARGET_H

#include "server/base/sm.h"
#include "server/campaign/model.h"

extern const struct sm target_machine, campaign_machine;

/* Moves row to a state; leaves for good what belongs to the old one: wait and next_at. Aborts where the table
 * does not permit it. A reason goes with FAILED and SKIPPED only. */
void target_move(struct target_row *row, enum target_state to, enum reason reason, int64_t now_ms);

#endif
