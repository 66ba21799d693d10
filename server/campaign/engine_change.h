/* campaign: changing one target of the engine: begin, change its row, and end in one of the ways below, each
 * of which counts what has changed and queues the step. Only the engine's files include it. */
#ifndef ROLLCALL_SERVER_CAMPAIGN_ENGINE_CHANGE_H
#define ROLLCALL_SERVER_CAMPAIGN_ENGINE_CHANGE_H

#include "server/campaign/engine_parts.h"

struct change {
	struct engine *e;
	struct campaign *c;
	struct target *t;
	struct active *a;
	struct target_row *row;
	int64_t now_ms;
	int64_t heard_at_ms; /* when the end of its call was heard; TIME_NONE: this is not about that */
	int64_t from_next_at_ms;
	uint8_t from, from_reason, from_wait;
	unsigned acts;
};

struct change change_begin(struct engine *e, struct campaign *c, uint32_t no, int64_t now_ms);

static inline struct lane *change_lane(const struct change *ch)
{
	return &ch->c->lanes[ch->t->lane];
}

static inline bool is_watched(uint8_t state)
{
	return state == TARGET_DOUBTFUL || state == TARGET_AWAITING_PROOF;
}

/* When what an unresolved call may still do has had its time. */
int64_t change_quiet_at(const struct change *ch);
/* Lets go of the target's device, at once. */
void change_release(struct change *ch);
/* Lets the device go, unless an earlier call to it may still act; it must have it. */
void change_let_go(struct change *ch);
/* It is no longer being read before a call. */
void change_unprepare(struct change *ch);
/* Puts the row into that state, without a deadline or an alarm; change_end() is to follow. */
void change_move(struct change *ch, enum target_state to, enum reason reason);

/* Ends the change: nothing of ch may be used any more. */
void change_end(struct change *ch);
/* ... in a final state other than succeeded; its device is kept for as long as a call may still act. */
void change_finish(struct change *ch, enum target_state to, enum reason reason);
/* ... succeeded; its device and its place in the campaign are kept while it settles. */
void change_succeed(struct change *ch, int64_t settle_ms);
/* ... waiting, under wait until at_ms, or (TIME_NONE) to be looked at as soon as may be. */
void change_wait_again(struct change *ch, enum wait wait, int64_t at_ms);
/* ... doubtful; unknown where nothing can ever prove it. */
void change_doubt(struct change *ch);
/* ... waiting for its proof. */
void change_await_proof(struct change *ch);

/* Ends a waiting target of a campaign that calls nobody any more. */
void change_close_waiting(struct engine *e, struct campaign *c, uint32_t no, int64_t now_ms);

#endif
