/* campaign: changing one target; see engine_change.h */
#include "server/campaign/engine_change.h"

#include <assert.h>
#include <stdlib.h>

#include "server/campaign/target.h"

struct target_row engine_blank_row(const struct campaign *c, uint32_t no)
{
	const struct target *t = &c->targets[no];

	return (struct target_row){.campaign = c->no,
	                           .no = no,
	                           .state = t->state,
	                           .reason = t->reason,
	                           .wait = t->wait,
	                           .hub = hub_index(c, no),
	                           .zone = (uint16_t)(t->lane / c->hubs_n),
	                           .group = t->group,
	                           .changed_at_ms = TIME_NONE,
	                           .next_at_ms = TIME_NONE,
	                           .called_at_ms = TIME_NONE,
	                           .since_hub_ms = TIME_NONE,
	                           .hold_until_ms = TIME_NONE};
}

struct active *engine_activate(struct campaign *c, uint32_t no)
{
	struct target *t = &c->targets[no];

	if (t->active == NULL) {
		t->active = xcalloc(1, sizeof *t->active);
		t->active->row = engine_blank_row(c, no);
		t->active->alarm_at_ms = TIME_NEVER;
		t->active->checked_at_ms = TIME_NONE;
	}
	return t->active;
}

void engine_alarm_set(struct engine *e, struct active *a, int64_t at_ms)
{
	a->alarm_at_ms = at_ms;
	alarms_add(&e->alarms, at_ms, (uint64_t)a->row.campaign << 32 | a->row.no);
}

struct change change_begin(struct engine *e, struct campaign *c, uint32_t no, int64_t now_ms)
{
	struct active *a = engine_activate(c, no);

	return (struct change){.e = e,
	                       .c = c,
	                       .t = &c->targets[no],
	                       .a = a,
	                       .row = &a->row,
	                       .now_ms = now_ms,
	                       .heard_at_ms = TIME_NONE,
	                       .from_next_at_ms = a->row.next_at_ms,
	                       .from = a->row.state,
	                       .from_reason = a->row.reason,
	                       .from_wait = a->row.wait};
}

static void after_change(struct engine *e, struct campaign *c, uint8_t from, uint8_t from_wait,
                         const struct target_row *row);

void change_end(struct change *ch)
{
	struct step *s = engine_push(ch->e, STEP_TARGET, ch->c->no);
	struct target_row row;

	engine_counts_move(&ch->c->counts, ch->from, ch->from_reason, ch->from_wait, ch->row);
	engine_waves_move(ch->c, ch->c->waves, ch->from, ch->row);
	ch->t->state = ch->row->state;
	ch->t->reason = ch->row->reason;
	ch->t->wait = ch->row->wait;
	ch->t->flags |= F_TOUCHED;
	s->acts = ch->acts;
	s->is_stored = true;
	s->is_moved = ch->from != ch->row->state;
	s->from = ch->from;
	s->from_reason = ch->from_reason;
	s->from_wait = ch->from_wait;
	s->row = *ch->row;
	baseline_unpack(&ch->c->baselines[ch->row->no], &s->baseline);
	row = *ch->row;
	if (target_state_is_final(row.state)) {
		ch->e->ends++;
		engine_unpark(ch->c, row.no);
	}
	after_change(ch->e, ch->c, ch->from, ch->from_wait, &row);
}

/* Lets something be done about a target whose row does not change. */
void engine_act_only(struct engine *e, struct campaign *c, uint32_t no, unsigned acts)
{
	struct step *s = engine_push(e, STEP_TARGET, c->no);

	s->acts = acts;
	s->row = engine_activate(c, no)->row;
	s->from = s->row.state;
}

struct holder *engine_own_hold(struct engine *e, const struct campaign *c, uint32_t no)
{
	struct holder *h = hold_find(e->holds, hub_of(c, no), device_of(c, no));

	return h != NULL && h->campaign == c->no && h->no == no ? h : NULL;
}

/* A device has become free: whoever waited for it is looked at again. */
void engine_on_freed(void *arg, uint32_t campaign, uint32_t no)
{
	struct engine *e = arg;
	struct campaign *c = find(e, campaign);
	struct change ch;

	if (c == NULL || c->targets[no].state != TARGET_WAITING || c->targets[no].wait != WAIT_DEVICE)
		return;
	ch = change_begin(e, c, no, e->now_ms);
	ch.row->wait = WAIT_NONE;
	ch.row->next_at_ms = TIME_NONE;
	numbers_push_front(&change_lane(&ch)->ready, no);
	change_end(&ch);
}

static void leave_slot(struct change *ch, struct holder *h)
{
	if (h->is_slot)
		engine_give_slot(ch->e, ch->c, h);
}

/* Lets go of the target's device, at once. */
void change_release(struct change *ch)
{
	struct holder *h = engine_own_hold(ch->e, ch->c, ch->row->no);

	if (h == NULL)
		return;
	leave_slot(ch, h);
	hold_release(ch->e->holds, hub_of(ch->c, ch->row->no), device_of(ch->c, ch->row->no), engine_on_freed,
	             ch->e);
}

/* Keeps the device until at_ms (in the past: lets go), with or without its slot. */
static void release_at(struct change *ch, int64_t at_ms, bool keeps_slot)
{
	struct holder *h = engine_own_hold(ch->e, ch->c, ch->row->no);

	if (h == NULL)
		return;
	if (at_ms <= ch->now_ms) {
		change_release(ch);
		return;
	}
	if (!keeps_slot) {
		leave_slot(ch, h);
	} else if (!h->is_slot) { /* a call thought not to have reached it did */
		engine_take_slot(ch->c, ch->row->no, h, ch->row->called_at_ms);
	}
	hold_until(ch->e->holds, hub_of(ch->c, ch->row->no), device_of(ch->c, ch->row->no), at_ms);
	ch->row->hold_until_ms = at_ms;
}

void change_unprepare(struct change *ch)
{
	if (ch->t->flags & F_PREPARED)
		ch->c->lanes[ch->t->lane].preparing--;
	ch->t->flags &= (uint8_t)~F_PREPARED;
}

/* What an unresolved call may still do has had its time then. */
int64_t change_quiet_at(const struct change *ch)
{
	int64_t at_ms = ch->row->called_at_ms + policy_quiet_ms(ch->c->spec);
	int64_t heard_ms = ch->heard_at_ms + policy_heard_quiet_ms(ch->c->spec);

	if (ch->from == TARGET_DOUBTFUL)
		return ch->from_next_at_ms; /* its deadline is just that */
	return ch->heard_at_ms != TIME_NONE && heard_ms < at_ms ? heard_ms : at_ms;
}

void change_move(struct change *ch, enum target_state to, enum reason reason)
{
	if (is_watched(ch->from) && !is_watched((uint8_t)to))
		ch->acts |= ACT_UNWATCH;
	if (ch->from == TARGET_WAITING)
		change_unprepare(ch);
	ch->a->alarm_at_ms = TIME_NEVER;
	target_move(ch->row, to, reason, ch->now_ms);
}

/* The hub has surely ended the call then, also one whose answer was never heard. */
static int64_t call_over_at(const struct change *ch)
{
	return ch->from == TARGET_DOUBTFUL ? ch->row->called_at_ms + policy_wire_ms(ch->c->spec) : TIME_NONE;
}

void change_finish(struct change *ch, enum target_state to, enum reason reason)
{
	change_move(ch, to, reason);
	if (reason == REASON_UNKNOWN || ch->row->is_unresolved)
		release_at(ch, change_quiet_at(ch), false);
	else
		release_at(ch, call_over_at(ch), false);
	change_end(ch);
}

void change_succeed(struct change *ch, int64_t settle_ms)
{
	int64_t until_ms = ch->now_ms + settle_ms;

	change_move(ch, TARGET_SUCCEEDED, REASON_NONE);
	if (call_over_at(ch) > until_ms)
		until_ms = call_over_at(ch);
	release_at(ch, until_ms, true);
	engine_relapse_begin(ch->e, ch->c, ch->row->no, until_ms);
	change_end(ch);
}

/* What a target's change means for its group and its campaign. */
static void after_change(struct engine *e, struct campaign *c, uint8_t from, uint8_t from_wait,
                         const struct target_row *row)
{
	struct campaign_group *g = group_of(c, row->no);
	bool was_candidate = from == TARGET_WAITING && from_wait == WAIT_NONE;
	bool is_candidate = row->state == TARGET_WAITING && row->wait == WAIT_NONE;
	bool has_finished =
	        from != row->state && (row->state == TARGET_FAILED || row->state == TARGET_SUCCEEDED);

	engine_count_offline(e, c, row);
	if (g != NULL && has_finished && row->state == TARGET_FAILED)
		group_lose(g, row->no, row->changed_at_ms);
	if (g != NULL && (has_finished || /* or does not use the room that there was for it: */
	                  (was_candidate && !is_candidate && row->state != TARGET_INVOKING)))
		group_touch(e->groups, g->shared);
	if (has_finished) {
		struct counts before = c->counts;

		before.state[row->state]--;
		before.reason[row->reason]--;
		engine_check_aborts(e, c, &before, row->changed_at_ms);
	}
}

/* Ends a waiting target of a campaign that calls nobody any more. */
void change_close_waiting(struct engine *e, struct campaign *c, uint32_t no, int64_t now_ms)
{
	struct change ch = change_begin(e, c, no, now_ms);

	if (c->phase == CAMPAIGN_CANCELLING)
		change_finish(&ch, TARGET_CANCELLED, REASON_NONE);
	else
		change_finish(&ch, TARGET_SKIPPED,
		              engine_is_in_window(change_lane(&ch), now_ms) ? REASON_CAMPAIGN_ENDED
		                                                            : REASON_WINDOW_ENDED);
}

/* Back to waiting: until at_ms under wait, or (TIME_NONE) to be looked at as soon as may be. */
void change_wait_again(struct change *ch, enum wait wait, int64_t at_ms)
{
	uint32_t no = ch->row->no;

	if (ch->from != TARGET_WAITING)
		change_move(ch, TARGET_WAITING, REASON_NONE);
	else
		change_unprepare(ch);
	engine_unpark(ch->c, no);
	ch->row->wait = (uint8_t)wait;
	ch->row->next_at_ms = at_ms;
	ch->a->alarm_at_ms = TIME_NEVER;
	if (at_ms == TIME_NONE)
		numbers_push_front(&change_lane(ch)->ready, no);
	else
		engine_alarm_set(ch->e, ch->a, at_ms);
	change_end(ch);
	if (is_closing(ch->c))
		change_close_waiting(ch->e, ch->c, no, ch->now_ms);
}

/* Lets the device go, unless an earlier call to it may still act. */
void change_let_go(struct change *ch)
{
	struct holder *h = engine_own_hold(ch->e, ch->c, ch->row->no);

	assert(h != NULL); /* whoever is called has it */
	if (!ch->row->is_unresolved)
		change_release(ch);
	else
		leave_slot(ch, h);
}

void change_doubt(struct change *ch)
{
	if (ch->c->spec->verify.by == VERIFY_NONE) {
		change_finish(ch, TARGET_FAILED, REASON_UNKNOWN);
		return;
	}
	change_move(ch, TARGET_DOUBTFUL, REASON_NONE);
	ch->row->next_at_ms = change_quiet_at(ch);
	engine_alarm_set(ch->e, ch->a, ch->row->next_at_ms);
	ch->acts |= ACT_WATCH;
	change_end(ch);
}

void change_await_proof(struct change *ch)
{
	bool was_watched = is_watched(ch->from);

	change_move(ch, TARGET_AWAITING_PROOF, REASON_NONE);
	ch->row->next_at_ms = ch->now_ms + (int64_t)ch->c->spec->verify.timeout_s * 1000;
	engine_alarm_set(ch->e, ch->a, ch->row->next_at_ms);
	if (!was_watched)
		ch->acts |= ACT_WATCH;
	change_end(ch);
}
