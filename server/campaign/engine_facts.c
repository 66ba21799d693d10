/* campaign: what each fact means for its target or its campaign; see engine.h */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "server/base/hash.h"
#include "server/campaign/engine_change.h"
#include "server/campaign/wave.h"

/* A device whose pre-check fails is asked again after so long. */
#define UNHEALTHY_FOR_MS 60000

/* ---- a call's outcome ---- */

/* Nothing is left open by earlier calls: the next one is a new attempt, or the same unharmed. */
static void resolve(struct change *ch)
{
	ch->row->is_unresolved = false;
	ch->row->since_hub_ms = TIME_NONE;
	ch->row->has_moved = false;
}

/* The call did not count: it surely did not reach the device, or is shown not to have acted. */
static void uncount(struct change *ch)
{
	ch->row->attempts--;
	if (!ch->row->is_unresolved)
		resolve(ch);
}

static void refused(struct change *ch)
{
	const struct campaign_spec *s = ch->c->spec;

	if (!s->retry.on_refused || ch->row->attempts >= s->retry.max_attempts || is_closing(ch->c)) {
		change_finish(ch, TARGET_FAILED, REASON_REFUSED);
		return;
	}
	ch->row->attempt_seq++;
	resolve(ch);
	change_release(ch);
	change_wait_again(ch, WAIT_BACKOFF, ch->now_ms + policy_backoff_ms(s, ch->row->attempts));
}

static int64_t offline_ms(const struct change *ch)
{
	return change_lane(ch)->callable_ms - ch->a->offline_mark_ms;
}

/* 404103: no proof of absence, so the device stays taken until a point read has been compared. */
static void offline(struct change *ch)
{
	const struct campaign_spec *s = ch->c->spec;
	int64_t left_ms;

	engine_count_time(ch->e, ch->now_ms);
	ch->row->attempts--;
	ch->row->is_unresolved = true;
	change_let_go(ch);
	if (ch->row->offline_tries == 0)
		ch->a->offline_mark_ms = change_lane(ch)->callable_ms;
	if (ch->row->offline_tries < UINT8_MAX)
		ch->row->offline_tries++;
	ch->row->offline_ms = offline_ms(ch);
	left_ms = s->offline.wait ? (int64_t)s->offline.expire_after_s * 1000 - ch->row->offline_ms : 0;
	if (left_ms <= 0) {
		ch->a->is_expiring = ch->a->must_read = true;
		change_wait_again(ch, WAIT_NONE, TIME_NONE);
	} else {
		const char *id = device_of(ch->c, ch->row->no);
		int64_t delay_ms = policy_offline_ms(ch->row->offline_tries,
		                                     hash64(id, strlen(id)) + ch->row->offline_tries);

		change_wait_again(ch, WAIT_OFFLINE, ch->now_ms + (delay_ms < left_ms ? delay_ms : left_ms));
	}
}

static void on_line_again(struct change *ch)
{
	ch->row->offline_tries = 0;
	ch->row->offline_ms = 0;
	ch->a->is_expiring = false;
}

static enum err feed_call(struct engine *e, struct campaign *c, const struct fact *f)
{
	struct target *t = &c->targets[f->no];
	struct change ch;

	if ((t->state != TARGET_INVOKING && t->state != TARGET_DOUBTFUL) || t->active->row.calls != f->call)
		return ERR_CLOSED;
	ch = change_begin(e, c, f->no, f->at_ms);
	ch.heard_at_ms = f->at_ms;
	if (f->method_status != 0)
		ch.row->method_status = f->method_status;
	switch (f->result) {
	case CALL_ACCEPTED:
		on_line_again(&ch);
		if (c->spec->verify.by == VERIFY_NONE) {
			ch.row->is_unresolved = false;
			change_succeed(&ch, (int64_t)c->spec->verify.settle_s * 1000);
		} else {
			change_await_proof(&ch);
		}
		break;
	case CALL_REFUSED:
		on_line_again(&ch);
		refused(&ch);
		break;
	case CALL_NO_METHOD:
		ch.row->is_unresolved = false;
		change_finish(&ch, TARGET_FAILED, REASON_NO_METHOD);
		break;
	case CALL_NOT_DELIVERED:
		uncount(&ch);
		change_let_go(&ch);
		change_wait_again(&ch, WAIT_NONE, TIME_NONE);
		break;
	case CALL_BUSY:
		uncount(&ch);
		change_let_go(&ch);
		change_wait_again(&ch, WAIT_BACKOFF, f->at_ms + policy_backoff_ms(c->spec, 1));
		break;
	case CALL_OFFLINE:
		offline(&ch);
		break;
	case CALL_GONE:
		uncount(&ch);
		change_let_go(&ch);
		ch.a->must_read = ch.a->must_back_off = true;
		if (ch.a->gones < UINT8_MAX)
			ch.a->gones++;
		change_wait_again(&ch, WAIT_NONE, TIME_NONE);
		break;
	case CALL_AMBIGUOUS:
		if (t->state == TARGET_INVOKING) {
			on_line_again(&ch);
			change_doubt(&ch);
		}
		break;
	case CALL_REJECTED:
	default:
		uncount(&ch);
		change_finish(&ch, TARGET_FAILED, REASON_HUB_REJECTED);
		break;
	}
	return ERR_OK;
}

static enum err feed_withdrawn(struct engine *e, struct campaign *c, const struct fact *f)
{
	struct target *t = &c->targets[f->no];
	struct change ch;

	if ((t->state != TARGET_INVOKING && t->state != TARGET_DOUBTFUL) || t->active->row.calls != f->call)
		return ERR_CLOSED;
	ch = change_begin(e, c, f->no, f->at_ms);
	ch.row->calls--;
	uncount(&ch);
	change_let_go(&ch);
	change_wait_again(&ch, WAIT_NONE, TIME_NONE);
	return ERR_OK;
}

/* ---- what a twin said ---- */

static int64_t settle_ms(const struct campaign *c, const struct fact *f)
{
	return f->is_done_path ? 0 : (int64_t)c->spec->verify.settle_s * 1000;
}

static void no_proof(struct change *ch)
{
	const struct campaign_spec *s = ch->c->spec;

	ch->row->is_unresolved = false;
	if (!s->retry.on_no_proof || ch->row->attempts >= s->retry.max_attempts || is_closing(ch->c)) {
		change_finish(ch, TARGET_FAILED, REASON_NO_PROOF);
		return;
	}
	ch->row->attempt_seq++;
	resolve(ch);
	change_release(ch);
	change_wait_again(ch, WAIT_BACKOFF, ch->now_ms + policy_backoff_ms(s, ch->row->attempts));
}

/* A 404103 that did reach the device, which is not done yet: no further call; its twin is read again until
 * the call has had its time. */
static void acting_after_all(struct change *ch, const struct fact *f)
{
	int64_t again_at_ms = ch->now_ms;

	if (f->asked_at_ms >= change_quiet_at(ch)) {
		no_proof(ch);
		return;
	}
	ch->row->has_moved = true;
	if (ch->a->rereads < UINT8_MAX)
		ch->a->rereads++;
	again_at_ms += policy_reread_ms(ch->a->rereads);
	change_wait_again(ch, WAIT_BACKOFF,
	                  again_at_ms < change_quiet_at(ch) ? again_at_ms : change_quiet_at(ch));
}

/* Before a call: is it there, has an earlier call acted after all, what is the baseline? */
static void read_before_call(struct change *ch, const struct fact *f)
{
	struct campaign *c = ch->c;
	struct small_baseline *kept = &c->baselines[ch->row->no];
	struct baseline baseline;
	bool has_been_called = ch->row->attempts > 0 || ch->row->is_unresolved;

	if (!f->is_there || !f->is_enabled) {
		ch->row->is_unresolved = ch->row->is_unresolved && f->is_there;
		if (has_been_called)
			change_finish(ch, TARGET_FAILED, REASON_GONE);
		else
			change_finish(ch, TARGET_SKIPPED, f->is_there ? REASON_DISABLED : REASON_NOT_FOUND);
		return;
	}
	if (f->says == SAYS_GONE) {
		change_finish(ch, TARGET_FAILED, REASON_GONE);
		return;
	}
	if (f->says == SAYS_PROVEN && ch->row->is_unresolved) {
		ch->row->is_unresolved = false;
		change_succeed(ch, settle_ms(c, f));
		return;
	}
	if (f->says == SAYS_FAILED && ch->row->is_unresolved) {
		ch->row->is_unresolved = false;
		change_finish(ch, TARGET_FAILED, REASON_DEVICE_FAILED);
		return;
	}
	if ((f->says == SAYS_MOVED || ch->row->has_moved) && ch->row->is_unresolved) {
		acting_after_all(ch, f);
		return;
	}
	if (ch->a->is_expiring) {
		change_finish(ch, TARGET_FAILED, REASON_OFFLINE_EXPIRED);
		return;
	}
	if (baseline_source(kept) == SOURCE_NONE) {
		baseline_pack(&f->baseline, kept);
		ch->acts |= ACT_BASELINE;
	}
	baseline_unpack(kept, &baseline);
	if (c->spec->verify.by == VERIFY_WHERE && baseline.success_held) {
		change_finish(ch, TARGET_SKIPPED, REASON_ALREADY_DONE);
		return;
	}
	if (c->spec->precheck.where != NULL && !f->precheck_holds) {
		if (c->spec->precheck.skips && !has_been_called)
			change_finish(ch, TARGET_SKIPPED, REASON_PRECHECK);
		else
			change_wait_again(ch, WAIT_HEALTH, ch->now_ms + UNHEALTHY_FOR_MS);
		return;
	}
	ch->a->must_read = false;
	ch->a->rereads = 0;
	ch->a->checked_at_ms = f->asked_at_ms;
	if (ch->a->must_back_off) {
		ch->a->must_back_off = false;
		change_wait_again(ch, WAIT_BACKOFF, ch->now_ms + policy_backoff_ms(c->spec, ch->a->gones));
		return;
	}
	numbers_push(&change_lane(ch)->prepared, ch->row->no);
	if (ch->acts != 0)
		change_end(ch);
}

/* A point read late enough shows nothing: did the call in doubt not act, or can nobody tell? */
static void absent(struct change *ch)
{
	const struct campaign_spec *s = ch->c->spec;

	if (s->retry.doubtful_never || !baseline_has_value(&ch->c->baselines[ch->row->no]) ||
	    ch->row->redoubts >= REDOUBTS_MAX) {
		change_finish(ch, TARGET_FAILED, REASON_UNKNOWN);
		return;
	}
	ch->row->redoubts++;
	ch->row->attempts--;
	resolve(ch);
	change_release(ch);
	change_wait_again(ch, WAIT_NONE, TIME_NONE);
}

static void read_after_call(struct change *ch, const struct fact *f)
{
	bool is_decisive = f->is_point_read && f->asked_at_ms >= ch->row->next_at_ms;

	if (!f->is_there || f->says == SAYS_GONE) {
		ch->row->is_unresolved = false;
		change_finish(ch, TARGET_FAILED, REASON_GONE);
	} else if (f->says == SAYS_PROVEN) {
		ch->row->is_unresolved = false;
		change_succeed(ch, settle_ms(ch->c, f));
	} else if (f->says == SAYS_FAILED) {
		ch->row->is_unresolved = false;
		change_finish(ch, TARGET_FAILED, REASON_DEVICE_FAILED);
	} else if (f->says == SAYS_MOVED && !ch->row->has_moved) {
		ch->row->has_moved = true;
		if (is_decisive)
			no_proof(ch);
		else
			change_end(ch);
	} else if (is_decisive && ch->from == TARGET_DOUBTFUL && !ch->row->has_moved) {
		absent(ch);
	} else if (is_decisive) {
		no_proof(ch);
	} else if (f->is_point_read && ch->now_ms >= ch->row->next_at_ms) {
		engine_act_only(ch->e, ch->c, ch->row->no, ACT_READ); /* asked for too early: once more */
		ch->t->flags |= F_READING;
	}
}

static enum err feed_reading(struct engine *e, struct campaign *c, const struct fact *f)
{
	struct target *t = &c->targets[f->no];
	struct change ch;
	bool was_asked = f->is_point_read && (t->flags & F_READING) != 0;

	if (f->is_point_read)
		t->flags &= (uint8_t)~F_READING;
	if (target_state_is_final(t->state))
		return engine_relapse_reading(e, c, f) ? ERR_OK : ERR_CLOSED;
	ch = change_begin(e, c, f->no, f->at_ms);
	if (t->state == TARGET_WAITING && was_asked)
		read_before_call(&ch, f);
	else if (is_watched(t->state))
		read_after_call(&ch, f);
	return ERR_OK;
}

static enum err feed_read_failed(struct engine *e, struct campaign *c, const struct fact *f)
{
	struct target *t = &c->targets[f->no];
	struct change ch;
	int64_t again_at_ms;

	if (!(t->flags & F_READING))
		return ERR_CLOSED;
	t->flags &= (uint8_t)~F_READING;
	if (target_state_is_final(t->state)) {
		engine_relapse_read_failed(e, c, f->no);
		return ERR_CLOSED;
	}
	ch = change_begin(e, c, f->no, f->at_ms);
	if (ch.a->rereads < UINT8_MAX)
		ch.a->rereads++;
	again_at_ms = f->at_ms + policy_reread_ms(ch.a->rereads);
	if (t->state == TARGET_WAITING)
		change_wait_again(&ch, WAIT_BACKOFF, again_at_ms);
	else if (is_watched(t->state)) /* its deadline may have moved since it was asked for */
		engine_alarm_set(e, ch.a,
		                 again_at_ms > ch.row->next_at_ms ? again_at_ms : ch.row->next_at_ms);
	return ERR_OK;
}

/* ---- orders and selection ---- */

static enum err feed_order(struct engine *e, struct campaign *c, const struct fact *f)
{
	char reason[128];
	bool is_live = c->phase != CAMPAIGN_CANCELLING && !campaign_state_is_final(c->phase);

	if (f->kind == FACT_CANCEL && (c->phase == CAMPAIGN_CANCELLING || c->phase == CAMPAIGN_CANCELLED))
		return ERR_OK;
	if (!is_live)
		return ERR_CONFLICT;
	engine_count_time(e, f->at_ms);
	if (f->kind == FACT_APPROVE)
		return engine_approve(e, c, f);
	if (f->kind == FACT_CANCEL) {
		bool is_over = c->counts.total == 0 && c->phase != CAMPAIGN_RUNNING;

		snprintf(reason, sizeof reason, "cancelled by %.96s", f->by);
		if (is_over)
			c->finished_at_ms = f->at_ms;
		engine_move(e, c, is_over ? CAMPAIGN_CANCELLED : CAMPAIGN_CANCELLING, false, reason);
		c->sweep = 0;
	} else if (f->kind == FACT_PAUSE && !c->is_paused) {
		snprintf(reason, sizeof reason, "paused by %.96s", f->by);
		engine_move(e, c, c->phase, true, reason);
	} else if (f->kind == FACT_RESUME && c->is_paused) {
		snprintf(reason, sizeof reason, "resumed by %.96s", f->by);
		engine_end_pause(e, c, reason);
	}
	return ERR_OK;
}

static enum err feed_selection(struct engine *e, struct campaign *c, const struct fact *f)
{
	if (c->phase != CAMPAIGN_SELECTING)
		return ERR_CLOSED;
	engine_count_time(e, f->at_ms);
	if (f->kind == FACT_SELECTION_FAILED) {
		c->finished_at_ms = f->at_ms;
		engine_move(e, c, CAMPAIGN_FAILED, false, f->detail);
	} else {
		bool waits = wave_needs_approval(c->spec, -1) && c->n > 0;

		c->started_at_ms = f->at_ms;
		c->waves_n = c->spec->rollout.waves_n;
		for (uint32_t w = 0; w < c->waves_n; w++)
			c->waves[w] = (struct wave_row){.opened_at_ms = TIME_NONE, .proven_at_ms = TIME_NONE};
		engine_count_waves(c);
		engine_move(e, c, waits ? CAMPAIGN_AWAITING_APPROVAL : CAMPAIGN_RUNNING, c->is_paused,
		            c->is_paused ? NULL
		            : waits      ? "waits for approval to start"
		                         : "");
	}
	return ERR_OK;
}

/* An operator's word about one waiting target. */
static enum err feed_target_order(struct engine *e, struct campaign *c, const struct fact *f)
{
	struct target *t = &c->targets[f->no];
	struct change ch;

	if (t->state != TARGET_WAITING || c->phase == CAMPAIGN_SELECTING ||
	    (f->kind == FACT_RETRY && t->wait != WAIT_BACKOFF && t->wait != WAIT_OFFLINE &&
	     t->wait != WAIT_HEALTH))
		return ERR_CONFLICT;
	ch = change_begin(e, c, f->no, f->at_ms);
	if (f->kind == FACT_SKIP)
		change_finish(&ch, TARGET_SKIPPED, REASON_BY_OPERATOR);
	else
		change_wait_again(&ch, WAIT_NONE, TIME_NONE);
	return ERR_OK;
}

/* ---- deadlines ---- */

static void deadline_passed(struct change *ch)
{
	int64_t last_ms = ch->row->next_at_ms + UNREADABLE_MAX_MS;
	bool was_asked = ch->a->rereads > 0 || (ch->t->flags & F_READING) != 0;

	if (ch->now_ms >= last_ms && was_asked) {
		change_finish(ch, TARGET_FAILED, REASON_UNKNOWN);
		return;
	}
	if (!(ch->t->flags & F_READING)) {
		ch->t->flags |= F_READING;
		engine_act_only(ch->e, ch->c, ch->row->no, ACT_READ);
	}
	if (last_ms <= ch->now_ms) /* we were away for days: time for one answer */
		last_ms = ch->now_ms + policy_reread_ms(UINT8_MAX);
	engine_alarm_set(ch->e, ch->a, last_ms);
}

void engine_on_alarm(struct engine *e, struct campaign *c, uint32_t no, int64_t now_ms)
{
	struct active *a = c->targets[no].active;
	struct change ch;

	if (a == NULL || a->alarm_at_ms > now_ms)
		return; /* overtaken */
	a->alarm_at_ms = TIME_NEVER;
	ch = change_begin(e, c, no, now_ms);
	assert(!target_state_is_final(a->row.state)); /* these have no alarm */
	switch ((enum target_state)a->row.state) {
	case TARGET_WAITING:
		if (a->row.wait == WAIT_OFFLINE) {
			a->row.offline_ms = offline_ms(&ch);
			a->is_expiring = a->must_read = has_expired(c, a->row.offline_ms);
		}
		change_wait_again(&ch, WAIT_NONE, TIME_NONE);
		break;
	case TARGET_INVOKING: /* its outcome should have come: whatever became of it, we do not know */
		change_doubt(&ch);
		break;
	case TARGET_DOUBTFUL:
	case TARGET_AWAITING_PROOF:
	case TARGET_SUCCEEDED:
	case TARGET_FAILED:
	case TARGET_SKIPPED:
	case TARGET_CANCELLED:
	case TARGET_STATES_N:
	default:
		deadline_passed(&ch);
		break;
	}
}

/* ---- whatever comes ---- */

enum err engine_feed(struct engine *e, const struct fact *f)
{
	struct campaign *c = find(e, f->campaign);

	if (c == NULL)
		return ERR_NOT_FOUND;
	if (e->now_ms < f->at_ms)
		e->now_ms = f->at_ms;
	switch (f->kind) {
	case FACT_PAUSE:
	case FACT_RESUME:
	case FACT_CANCEL:
	case FACT_APPROVE:
		return feed_order(e, c, f);
	case FACT_SELECTED:
	case FACT_SELECTION_FAILED:
		return feed_selection(e, c, f);
	case FACT_SKIP:
	case FACT_RETRY:
	case FACT_CALL:
	case FACT_WITHDRAWN:
	case FACT_READING:
	case FACT_READ_FAILED:
	default:
		break;
	}
	if (f->no >= c->n)
		return ERR_NOT_FOUND;
	if (f->kind == FACT_SKIP || f->kind == FACT_RETRY)
		return feed_target_order(e, c, f);
	if (f->kind == FACT_CALL)
		return feed_call(e, c, f);
	if (f->kind == FACT_WITHDRAWN)
		return feed_withdrawn(e, c, f);
	return f->kind == FACT_READING ? feed_reading(e, c, f) : feed_read_failed(e, c, f);
}
