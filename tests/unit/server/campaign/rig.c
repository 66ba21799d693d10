/* tests: see rig.h */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/campaign/target.h"
#include "tests/lib/suite.h"

struct rig *rig_new(void)
{
	struct rig *r = xcalloc(1, sizeof *r);

	r->e = engine_new();
	r->now_ms = T0;
	r->steps_max = 64;
	for (unsigned h = 0; h < RIG_HUBS; h++)
		r->hubs[h] = (struct hub_state){true, TIME_NONE, 100000,     TIME_NEVER, 100000,
		                                0,    100000,    TIME_NEVER, 0,          TIME_NEVER};
	return r;
}

void rig_free(struct rig *r)
{
	engine_free(r->e);
	for (uint32_t c = 1; c <= r->campaigns_n; c++)
		free(r->campaigns[c].targets);
	free(r);
}

static void take_campaign_times(struct rig *r);

static struct campaign_spec *spec_of(const struct rig_campaign *c)
{
	struct campaign_spec *spec = xmalloc(sizeof *spec);
	struct faults faults = {0};
	char reason[SPEC_REASON_SIZE] = "";
	size_t at = 0;

	ck_assert_msg(spec_parse(c->json, strlen(c->json), false, spec, &faults, &at, reason) == ERR_OK,
	              "%s: %s", c->json, faults.n > 0 ? faults.all[0].detail : reason);
	faults_done(&faults);
	return spec;
}

static void add_to_engine(struct rig *r, struct rig_campaign *c)
{
	static const uint8_t hubs[RIG_HUBS] = {0, 1};
	struct campaign_spec *spec = spec_of(c);

	c->has_proof = spec->verify.by != VERIFY_NONE;
	snprintf(c->group_by, sizeof c->group_by, "%s",
	         spec->rollout.group_by != NULL ? spec->rollout.group_by : "");
	engine_campaign_add(r->e, &c->row, spec, hubs, c->row.selected);
}

static void write_json(struct rig_campaign *c, const char *members)
{
	bool has_action = strstr(members, "\"action\"") != NULL;
	int n = snprintf(c->json, sizeof c->json, "{\"name\":\"c%u\",\"targets\":{\"all\":true},%s%s%s}",
	                 c->row.no, has_action ? "" : "\"action\":{\"type\":\"reboot\"}",
	                 members[0] != '\0' && !has_action ? "," : "", members);

	ck_assert_int_lt(n, (int)sizeof c->json);
}

uint32_t rig_add(struct rig *r, const char *members, int64_t start_ms, int64_t end_ms, uint8_t lanes)
{
	uint32_t no = ++r->campaigns_n;
	struct rig_campaign *c = &r->campaigns[no];

	ck_assert_uint_le(no, RIG_CAMPAIGNS);
	c->row = (struct campaign_row){.no = no,
	                               .state = CAMPAIGN_SCHEDULED,
	                               .phase = CAMPAIGN_SCHEDULED,
	                               .state_reason = "",
	                               .started_at_ms = TIME_NONE,
	                               .finished_at_ms = TIME_NONE,
	                               .start_at_ms = T0 + start_ms,
	                               .end_at_ms = T0 + end_ms,
	                               .selected = lanes};
	snprintf(c->row.id, sizeof c->row.id, "campaign%u", no);
	write_json(c, members);
	add_to_engine(r, c);
	return no;
}

void rig_respec(struct rig *r, uint32_t campaign, const char *members, int64_t end_ms)
{
	struct rig_campaign *c = &r->campaigns[campaign];

	write_json(c, members);
	c->row.end_at_ms = T0 + end_ms;
	engine_campaign_respec(r->e, campaign, spec_of(c), c->row.end_at_ms);
	take_campaign_times(r);
}

uint32_t rig_group(struct rig *r, uint32_t campaign, uint8_t lane, const char *name, uint32_t size)
{
	struct rig_campaign *c = &r->campaigns[campaign];

	ck_assert_uint_lt(c->groups_n, RIG_GROUPS);
	snprintf(c->groups[c->groups_n].name, sizeof c->groups[0].name, "%s", name);
	c->groups[c->groups_n].size = size;
	c->groups[c->groups_n].lane = lane;
	engine_group_add(r->e, campaign, lane, name, size);
	return c->groups_n++;
}

void rig_target(struct rig *r, uint32_t campaign, const char *device_id, uint8_t lane, bool has_baseline,
                bool has_value)
{
	rig_target_in(r, campaign, device_id, lane, GROUP_NONE, has_baseline, has_value);
}

void rig_target_in(struct rig *r, uint32_t campaign, const char *device_id, uint8_t lane, uint32_t group,
                   bool has_baseline, bool has_value)
{
	struct rig_campaign *c = &r->campaigns[campaign];
	struct rig_target *t;

	c->targets = xrealloc(c->targets, (c->n + 1) * sizeof *c->targets);
	t = &c->targets[c->n];
	memset(t, 0, sizeof *t);
	t->checked_at_ms = TIME_NONE;
	t->row = (struct target_row){.group = group,
	                             .campaign = campaign,
	                             .no = c->n,
	                             .hub = lane,
	                             .changed_at_ms = TIME_NONE,
	                             .next_at_ms = TIME_NONE,
	                             .called_at_ms = TIME_NONE,
	                             .since_hub_ms = TIME_NONE,
	                             .hold_until_ms = TIME_NONE};
	t->baseline.source = has_baseline ? SOURCE_QUERY : SOURCE_NONE;
	t->baseline.has_value = has_value;
	snprintf(t->device_id, sizeof t->device_id, "%s", device_id);
	engine_target_add(r->e, &t->row, t->device_id, &t->baseline);
	c->n++;
}

static void select_all(struct rig *r, uint32_t c)
{
	struct fact f = rig_fact(r, FACT_SELECTED, c, 0);

	ck_assert_int_eq(rig_feed(r, &f), ERR_OK);
}

uint32_t rig_campaign(struct rig *r, const char *members, uint32_t n)
{
	uint32_t c = rig_add(r, members, r->now_ms - T0, r->now_ms - T0 + 24 * HOUR_MS, 1);
	char id[16];

	rig_turn_once(r); /* SELECTING */
	for (uint32_t i = 0; i < n; i++) {
		snprintf(id, sizeof id, "d%u", i);
		rig_target(r, c, id, 0, true, true);
	}
	select_all(r, c);
	return c;
}

/* ---- what must hold ---- */

static bool is_out(const struct target_row *row)
{
	return row->state == TARGET_INVOKING || row->state == TARGET_DOUBTFUL ||
	       row->state == TARGET_AWAITING_PROOF;
}

static bool is_down(const struct rig *r, const struct target_row *row)
{
	return is_out(row) || (row->state == TARGET_SUCCEEDED && row->hold_until_ms > r->now_ms);
}

static uint32_t unavailable(const struct rig *r, const struct rig_campaign *c)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->n; i++)
		n += is_down(r, &c->targets[i].row) ? 1 : 0;
	return n;
}

/* P4: how many of the group are down, over all campaigns, or have failed in this one. */
static uint32_t group_down(const struct rig *r, const struct rig_campaign *c, uint32_t group)
{
	uint32_t n = 0;

	for (uint32_t i = 1; i <= r->campaigns_n; i++) {
		const struct rig_campaign *other = &r->campaigns[i];

		for (uint32_t k = 0; k < other->n; k++) {
			const struct target_row *row = &other->targets[k].row;
			bool is_offline = row->state == TARGET_WAITING && row->offline_tries > 0 &&
			                  row->changed_at_ms + 300000 >= r->now_ms;

			if (row->group == GROUP_NONE || strcmp(other->group_by, c->group_by) != 0 ||
			    other->groups[row->group].lane != c->groups[group].lane ||
			    strcmp(other->groups[row->group].name, c->groups[group].name) != 0)
				continue;
			n += is_down(r, row) ? 1 : 0;
			n += is_offline || (other == c && row->state == TARGET_FAILED) ? 1 : 0;
		}
	}
	return n;
}

static void check_group(const struct rig *r, const struct rig_campaign *c, uint32_t group)
{
	uint32_t down, max;

	if (group == GROUP_NONE)
		return;
	down = group_down(r, c, group);
	max = limit_of(engine_spec(r->e, c->row.no)->rollout.group_max_unavailable, c->groups[group].size);
	ck_assert_msg(down <= max, "P4: %u of %u down in group %s of campaign %u, seed %llu", down, max,
	              c->groups[group].name, c->row.no, (unsigned long long)r->seed);
}

/* P7: no abort rule is met. */
static void check_aborts(const struct rig *r, const struct rig_campaign *c)
{
	const struct campaign_spec *spec = engine_spec(r->e, c->row.no);
	struct campaign_row told;

	ck_assert_int_eq(engine_campaign_row(r->e, c->row.no, &told), ERR_OK);
	for (uint32_t i = 0; i < spec->aborts_n; i++) {
		const struct abort_rule *rule = &spec->aborts[i];
		int64_t finished = -(int64_t)told.aborts[i].finished,
		        failed = -(int64_t)told.aborts[i].failed;

		for (uint32_t k = 0; k < c->n; k++) {
			const struct target_row *row = &c->targets[k].row;

			finished += row->state == TARGET_SUCCEEDED || row->state == TARGET_FAILED;
			failed += row->state == TARGET_FAILED &&
			          (rule->cause == REASON_NONE || rule->cause == (enum reason)row->reason);
		}
		ck_assert_msg(rule->count > 0 ? failed < rule->count
		                              : failed <= 0 || finished < rule->min_finished ||
		                                        failed * 100 < finished * rule->percent,
		              "P7: called although rule %u is met: %lld of %lld, seed %llu", i,
		              (long long)failed, (long long)finished, (unsigned long long)r->seed);
	}
}

static uint32_t relapsed(const struct rig_campaign *c, uint32_t from_no, uint32_t to_no)
{
	uint32_t n = 0;

	for (; from_no < to_no; from_no++)
		n += c->targets[from_no].relapse.relapse != RELAPSE_NONE;
	return n;
}

/* P7: everything in wave w is final, its gate holds and has soaked, and whoever must has approved. */
static void check_gate(const struct rig *r, const struct rig_campaign *c, uint32_t w)
{
	const struct campaign_spec *spec = engine_spec(r->e, c->row.no);
	const struct gate_spec *gate = &spec->rollout.waves[w].gate;
	uint32_t succeeded = 0, failed = 0;
	int64_t proven_at_ms = TIME_NONE;

	for (uint32_t i = w > 0 ? wave_end(spec, w - 1, c->n) : 0; i < wave_end(spec, w, c->n); i++) {
		const struct target_row *row = &c->targets[i].row;

		ck_assert_msg(target_state_is_final(row->state),
		              "P7: wave %u opens before %u is done, seed %llu", w + 1, i,
		              (unsigned long long)r->seed);
		succeeded += row->state == TARGET_SUCCEEDED;
		failed += row->state == TARGET_FAILED;
		if (row->state == TARGET_SUCCEEDED && row->changed_at_ms > proven_at_ms)
			proven_at_ms = row->changed_at_ms;
	}
	if (c->is_overridden[w])
		return;
	{
		uint32_t n = relapsed(c, w > 0 ? wave_end(spec, w - 1, c->n) : 0, wave_end(spec, w, c->n));

		succeeded -= n;
		failed += n;
	}
	ck_assert_msg(succeeded * 100 >= gate->min_success_percent * (succeeded + failed),
	              "P7: the gate of wave %u does not hold, seed %llu", w, (unsigned long long)r->seed);
	ck_assert_msg(proven_at_ms == TIME_NONE || r->now_ms >= proven_at_ms + (int64_t)gate->soak_s * 1000,
	              "P7: wave %u has not soaked, seed %llu", w, (unsigned long long)r->seed);
	ck_assert_msg(c->is_approved[w] || !(gate->approval == APPROVAL_EACH ||
	                                     (gate->approval == APPROVAL_AFTER_FIRST && w == 0)),
	              "P7: wave %u is not approved, seed %llu", w, (unsigned long long)r->seed);
}

static void apply_wave(struct rig *r, const struct step *s)
{
	struct rig_campaign *c = &r->campaigns[s->campaign];

	ck_assert_uint_lt(s->wave, engine_spec(r->e, s->campaign)->rollout.waves_n);
	ck_assert_int_eq(s->wave_from, c->stages[s->wave]);
	ck_assert_int_ne(s->wave_from, s->wave_to);
	c->stages[s->wave] = s->wave_to;
	if (s->wave_from != WAVE_PENDING)
		return;
	ck_assert_int_eq(s->wave_to, WAVE_OPEN);
	if (s->wave > 0)
		check_gate(r, c, s->wave - 1);
	else
		ck_assert(c->n == 0 || c->is_start_approved ||
		          engine_spec(r->e, s->campaign)->rollout.waves[0].gate.approval != APPROVAL_START);
}

static uint32_t max_of(const struct rig *r, const struct rig_campaign *c)
{
	return limit_of(engine_spec(r->e, c->row.no)->rollout.max_unavailable, c->n);
}

/* P2, P3: nobody else holds the device of target t. */
static void check_device_is_free(const struct rig *r, const struct rig_target *t)
{
	for (uint32_t i = 1; i <= r->campaigns_n; i++)
		for (uint32_t k = 0; k < r->campaigns[i].n; k++) {
			const struct rig_target *o = &r->campaigns[i].targets[k];
			bool is_taken =
			        is_out(&o->row) || (o->row.state == TARGET_WAITING && o->row.is_unresolved) ||
			        (target_state_is_final(o->row.state) && o->row.hold_until_ms > r->now_ms);

			ck_assert_msg(
			        o == t || !is_taken || o->row.hub != t->row.hub ||
			                strcmp(o->device_id, t->device_id) != 0,
			        "P3: %s of campaign %u is called while campaign %u has it (%s), seed %llu",
			        t->device_id, t->row.campaign, i, target_state_text(o->row.state),
			        (unsigned long long)r->seed);
		}
}

/* P8, wave by wave. */
static void check_waves(const struct rig *r, const struct rig_campaign *c, const struct campaign_row *told)
{
	uint32_t first = 0;

	for (uint32_t w = 0; w < told->waves_n; w++) {
		const struct campaign_spec *spec = engine_spec(r->e, told->no);
		uint32_t end = wave_end(spec, w, c->n), state[TARGET_STATES_N] = {0};
		int64_t proven_at_ms = TIME_NONE;

		for (; first < end; first++) {
			const struct target_row *row = &c->targets[first].row;

			state[row->state]++;
			if (row->state == TARGET_SUCCEEDED && row->changed_at_ms > proven_at_ms)
				proven_at_ms = row->changed_at_ms;
		}
		ck_assert_uint_eq(told->waves[w].relapsed,
		                  relapsed(c, w > 0 ? wave_end(spec, w - 1, c->n) : 0, end));
		ck_assert_int_eq(told->waves[w].stage, c->stages[w]);
		ck_assert_int_eq(told->waves[w].proven_at_ms, proven_at_ms);
		ck_assert((told->waves[w].opened_at_ms != TIME_NONE) == (c->stages[w] != WAVE_PENDING));
		ck_assert_msg(memcmp(state, told->waves[w].state, sizeof state) == 0,
		              "P8: wave %u of campaign %u, seed %llu", w, told->no,
		              (unsigned long long)r->seed);
	}
}

/* P12: the sums that the campaign's own reasons are told from. */
static void check_waiting(const struct rig *r, uint32_t no)
{
	const struct rig_campaign *c = &r->campaigns[no];
	uint32_t parked = 0, closed = 0;
	struct engine_waiting w;

	engine_waiting(r->e, no, r->now_ms, &w);
	for (uint32_t i = 0; i < c->n; i++) {
		const struct target_row *row = &c->targets[i].row;

		closed += row->state == TARGET_WAITING && i >= w.closed_from;
		if (!engine_is_parked(r->e, no, i))
			continue;
		parked++;
		ck_assert_msg(row->state == TARGET_WAITING && row->wait == WAIT_NONE && i < w.closed_from &&
		                      row->group != GROUP_NONE,
		              "P12: %u waits for its group and for something else, seed %llu", i,
		              (unsigned long long)r->seed);
	}
	ck_assert_uint_eq(w.closed_n, closed);
	if (w.parked_n > 0)
		ck_assert_uint_eq(w.parked_n, parked);
}

static void check_counts(const struct rig *r, uint32_t no)
{
	const struct rig_campaign *c = &r->campaigns[no];
	struct campaign_row told;
	struct counts n = {0};

	if (engine_campaign_row(r->e, no, &told) != ERR_OK)
		return;
	for (uint32_t i = 0; i < c->n; i++) {
		n.total++;
		n.state[c->targets[i].row.state]++;
		n.reason[c->targets[i].row.reason]++;
		if (c->targets[i].row.state == TARGET_WAITING)
			n.wait[c->targets[i].row.wait]++;
	}
	ck_assert_msg(memcmp(&n, &told.counts, sizeof n) == 0, "P8: counts of campaign %u, seed %llu", no,
	              (unsigned long long)r->seed);
	check_waves(r, c, &told);
	if (r->campaigns[no].is_selected) {
		ck_assert_msg(told.waves_n == c->row.waves_n &&
		                      memcmp(told.waves, c->row.waves, sizeof told.waves) == 0,
		              "P8: waves stored of campaign %u, seed %llu", no, (unsigned long long)r->seed);
		ck_assert_mem_eq(told.aborts, c->row.aborts, sizeof told.aborts);
	}
	ck_assert_int_eq(told.state, c->row.state);
	ck_assert_int_eq(told.phase, c->row.phase);
	ck_assert_str_eq(told.state_reason, c->reason);
}

static void log_step(struct rig *r, const struct step *s)
{
	const struct target_row *row = &s->row;

	if (r->log == NULL)
		return;
	buf_printf(r->log, "%lld k%d c%u", (long long)(r->now_ms - T0), (int)s->kind, s->campaign);
	if (s->kind == STEP_TARGET)
		buf_printf(r->log, " no%u %s acts%x %s>%s r%u w%u a%u c%u s%u rd%u u%d next%lld hold%lld",
		           row->no, s->is_stored ? "row" : "act", s->acts, target_state_text(s->from),
		           target_state_text(row->state), row->reason, row->wait, row->attempts, row->calls,
		           row->attempt_seq, row->redoubts, row->is_unresolved,
		           (long long)(row->next_at_ms == TIME_NONE ? -1 : row->next_at_ms - T0),
		           (long long)(row->hold_until_ms == TIME_NONE ? -1 : row->hold_until_ms - T0));
	else if (s->kind == STEP_RELAPSE)
		buf_printf(r->log, " no%u %s acts%x relapse%u%s", s->row.no, s->is_stored ? "row" : "act",
		           s->acts, s->relapse.relapse, s->relapse.is_over ? " over" : "");
	else if (s->kind == STEP_WAVE)
		buf_printf(r->log, " wave %u %s>%s", s->wave, wave_stage_text(s->wave_from),
		           wave_stage_text(s->wave_to));
	else
		buf_printf(r->log, " %s>%s (%s) %s", campaign_state_text(s->campaign_from),
		           campaign_state_text(s->campaign_to), campaign_state_text(s->phase), s->reason);
	buf_putc(r->log, '\n');
}

static void apply_target(struct rig *r, const struct step *s)
{
	struct rig_campaign *c = &r->campaigns[s->campaign];
	struct rig_target *t = &c->targets[s->row.no];
	const struct target_row was = t->row;

	ck_assert_uint_lt(s->row.no, c->n);
	ck_assert_uint_eq(s->row.campaign, s->campaign);
	ck_assert_msg(!target_state_is_final(was.state), "P10: final is final, seed %llu",
	              (unsigned long long)r->seed);
	ck_assert_msg(s->is_stored || s->acts != 0, "a step says something");
	ck_assert_msg(!(s->acts & ACT_INVOKE) || (s->is_stored && s->row.state == TARGET_INVOKING),
	              "P1: the intent comes with its row");
	ck_assert_uint_eq(s->from, was.state);
	if (s->acts & ACT_UNWATCH)
		ck_assert(t->is_watched);
	if (s->acts & (ACT_WATCH | ACT_UNWATCH))
		t->is_watched = (s->acts & ACT_WATCH) != 0;
	if (!s->is_stored)
		return;
	ck_assert_uint_eq(s->from_reason, was.reason);
	ck_assert_uint_eq(s->from_wait, was.wait);
	ck_assert(s->is_moved == (s->row.state != was.state));
	ck_assert(!s->is_moved || sm_permits(&target_machine, was.state, s->row.state));
	ck_assert((s->row.reason != REASON_NONE) ==
	          (s->row.state == TARGET_FAILED || s->row.state == TARGET_SKIPPED));
	ck_assert(s->row.wait == WAIT_NONE || (s->row.state == TARGET_WAITING &&
	                                       (s->row.wait == WAIT_DEVICE || s->row.wait == WAIT_OFFLINE ||
	                                        s->row.wait == WAIT_BACKOFF || s->row.wait == WAIT_HEALTH)));
	ck_assert_uint_eq(s->row.group, was.group);
	ck_assert_msg(!is_out(&s->row) || s->row.next_at_ms != TIME_NONE, "each that is out has a deadline");
	ck_assert_uint_eq(s->row.hub, was.hub);
	t->row = s->row;
	if (s->acts & ACT_BASELINE) {
		ck_assert_msg(t->baseline.source == SOURCE_NONE, "a baseline is never retaken");
		t->baseline = s->baseline;
	}
	ck_assert(t->is_watched ==
	          (s->row.state == TARGET_DOUBTFUL || s->row.state == TARGET_AWAITING_PROOF));
	if (!(s->acts & ACT_INVOKE))
		return;
	ck_assert_uint_eq(was.state, TARGET_WAITING);
	ck_assert_int_eq(t->row.called_at_ms, r->now_ms);
	ck_assert_uint_eq(t->row.calls, was.calls + 1);
	ck_assert_uint_eq(t->row.attempts, was.attempts + 1);
	ck_assert_uint_ge(t->row.attempt_seq, 1);
	ck_assert_msg(!c->is_stopped && c->row.phase == CAMPAIGN_RUNNING && r->now_ms < c->row.end_at_ms,
	              "P6: called by a campaign that is stopped, seed %llu", (unsigned long long)r->seed);
	ck_assert_msg(unavailable(r, c) <= max_of(r, c), "P4: %u of %u, seed %llu", unavailable(r, c),
	              max_of(r, c), (unsigned long long)r->seed);
	ck_assert_msg(!was.is_unresolved || !c->has_proof || t->is_compared,
	              "P2: called again after a 404103 without a look at its twin, seed %llu",
	              (unsigned long long)r->seed);
	ck_assert_msg(!was.is_unresolved || !c->has_proof || !was.has_moved,
	              "P2: called again while it acts, seed %llu", (unsigned long long)r->seed);
	ck_assert_msg(!c->has_proof || t->baseline.source != SOURCE_NONE, "called without a baseline");
	check_device_is_free(r, t);
	check_group(r, c, t->row.group);
	check_aborts(r, c);
	ck_assert_msg(c->stages[wave_of(engine_spec(r->e, s->campaign), s->row.no, c->n)] != WAVE_PENDING,
	              "P7: called ahead of its wave, seed %llu", (unsigned long long)r->seed);
	ck_assert_msg(engine_spec(r->e, s->campaign)->precheck.where == NULL ||
	                      (t->checked_at_ms > was.called_at_ms && r->now_ms - t->checked_at_ms <= 60000),
	              "called without a pre-check, seed %llu", (unsigned long long)r->seed);
	t->is_compared = false;
	if (engine_spec(r->e, s->campaign)->action.transport == TRANSPORT_HUB_JOB)
		ck_assert_uint_gt(r->hubs[was.hub].job_credit--, 0);
	else
		ck_assert_uint_gt(r->hubs[was.hub].call_credit--, 0);
}

/* The watch over a proven device: one at a time over all campaigns, with an end, and what is over stays so.
 */
static void apply_relapse(struct rig *r, const struct step *s)
{
	struct rig_target *t = &r->campaigns[s->campaign].targets[s->row.no];

	ck_assert_msg(!t->relapse.is_over, "a watch is over twice, seed %llu", (unsigned long long)r->seed);
	ck_assert_uint_eq(s->relapse.campaign, s->campaign);
	ck_assert_uint_eq(s->relapse.no, s->row.no);
	ck_assert(s->relapse.until_ms > s->relapse.from_ms);
	if (s->acts & ACT_UNWATCH)
		ck_assert(t->is_followed);
	if (s->acts & (ACT_WATCH | ACT_UNWATCH))
		t->is_followed = (s->acts & ACT_WATCH) != 0;
	ck_assert(!(s->acts & ACT_INVOKE));
	if (!s->is_stored)
		return;
	ck_assert(s->relapse.relapse == RELAPSE_NONE || s->relapse.is_over);
	ck_assert(!s->relapse.is_over || !t->is_followed);
	t->relapse = s->relapse;
}

static void apply_campaign(struct rig *r, const struct step *s)
{
	struct rig_campaign *c = &r->campaigns[s->campaign];

	ck_assert(!campaign_state_is_final(c->row.state));
	ck_assert_int_eq(s->campaign_from, c->row.state);
	ck_assert(s->campaign_to == c->row.state ||
	          sm_permits(&campaign_machine, c->row.state, s->campaign_to));
	for (uint32_t i = 0; campaign_state_is_final(s->campaign_to) && i < c->n; i++)
		ck_assert_msg(c->targets[i].relapse.campaign == 0 || c->targets[i].relapse.is_over,
		              "it ends with its watches, seed %llu", (unsigned long long)r->seed);
	c->row.state = s->campaign_to;
	c->row.phase = s->phase;
	c->is_stopped = s->campaign_to == CAMPAIGN_PAUSED || s->campaign_to == CAMPAIGN_CANCELLING;
	snprintf(c->reason, sizeof c->reason, "%s", s->reason);
}

static void take_campaign_times(struct rig *r)
{
	struct campaign_row row;
	uint32_t no;

	while ((no = engine_dirty(r->e)) != 0) {
		ck_assert_int_eq(engine_campaign_row(r->e, no, &row), ERR_OK);
		r->campaigns[no].row.started_at_ms = row.started_at_ms;
		r->campaigns[no].row.finished_at_ms = row.finished_at_ms;
		r->campaigns[no].row.waves_n = row.waves_n;
		memcpy(r->campaigns[no].row.waves, row.waves, sizeof row.waves);
		memcpy(r->campaigns[no].row.aborts, row.aborts, sizeof row.aborts);
		ck_assert(campaign_state_is_final(row.state) == (row.finished_at_ms != TIME_NONE));
	}
}

static size_t hand_out(struct rig *r)
{
	struct step *steps = r->steps + r->steps_n;
	size_t n;

	ck_assert_uint_le(r->steps_n + r->steps_max, RIG_STEPS);
	n = engine_next(r->e, r->now_ms, steps, r->steps_max, &r->wake_ms);
	ck_assert_uint_le(n, r->steps_max);
	r->steps_n += n;
	for (size_t i = 0; i < n; i++) {
		log_step(r, &steps[i]);
		if (steps[i].kind == STEP_TARGET)
			apply_target(r, &steps[i]);
		else if (steps[i].kind == STEP_CAMPAIGN)
			apply_campaign(r, &steps[i]);
		else if (steps[i].kind == STEP_WAVE)
			apply_wave(r, &steps[i]);
		else if (steps[i].kind == STEP_RELAPSE)
			apply_relapse(r, &steps[i]);
		else
			r->selects++;
	}
	take_campaign_times(r);
	for (uint32_t c = 1; c <= r->campaigns_n; c++)
		check_counts(r, c);
	for (uint32_t c = 1; n < r->steps_max && c <= r->campaigns_n; c++)
		check_waiting(r, c);
	return n;
}

static void say_hubs(struct rig *r)
{
	for (uint8_t h = 0; h < RIG_HUBS; h++)
		engine_hub(r->e, h, &r->hubs[h]);
}

void rig_turn_once(struct rig *r)
{
	say_hubs(r);
	r->steps_n = 0;
	hand_out(r);
}

void rig_turn(struct rig *r)
{
	struct hub_state hubs[RIG_HUBS];

	memcpy(hubs, r->hubs, sizeof hubs);
	say_hubs(r);
	r->steps_n = 0;
	do
		hand_out(r);
	while (r->wake_ms <= r->now_ms && r->steps_n < RIG_STEPS / 2);
	ck_assert_msg(r->wake_ms > r->now_ms, "it ends, seed %llu", (unsigned long long)r->seed);
	ck_assert_msg(hand_out(r) == 0, "no more for now means no more, seed %llu",
	              (unsigned long long)r->seed);
	memcpy(r->hubs, hubs, sizeof hubs);
}

void rig_at(struct rig *r, int64_t ms)
{
	r->now_ms = T0 + ms;
	rig_turn(r);
}

void rig_crash(struct rig *r)
{
	engine_free(r->e);
	r->e = engine_new();
	for (uint32_t no = 1; no <= r->campaigns_n; no++) {
		struct rig_campaign *c = &r->campaigns[no];
		bool is_live = !campaign_state_is_final(c->row.state);

		c->row.state_reason = c->reason;
		c->is_selected = c->row.phase != CAMPAIGN_SCHEDULED && c->row.phase != CAMPAIGN_SELECTING;
		c->is_stopped = c->row.state == CAMPAIGN_PAUSED || c->row.state == CAMPAIGN_CANCELLING;
		if (is_live)
			add_to_engine(r, c);
		if (is_live && !c->is_selected) { /* the selection begins again */
			free(c->targets);
			c->targets = NULL;
			c->n = 0;
			c->groups_n = 0;
		}
		for (uint32_t i = 0; is_live && i < c->groups_n; i++)
			engine_group_add(r->e, no, c->groups[i].lane, c->groups[i].name, c->groups[i].size);
		for (uint32_t i = 0; i < c->n; i++) {
			struct rig_target *t = &c->targets[i];

			t->is_watched = t->is_followed = false;
			if (is_live)
				engine_target_add(r->e, &t->row, t->device_id, &t->baseline);
			else if (t->row.hold_until_ms > r->now_ms)
				engine_hold_add(r->e, &t->row, t->row.hub, t->device_id,
				                t->row.group != GROUP_NONE ? c->group_by : NULL,
				                t->row.group != GROUP_NONE ? c->groups[t->row.group].name
				                                           : NULL);
		}
	}
	for (uint32_t no = 1; no <= r->campaigns_n; no++)
		for (uint32_t i = 0; i < r->campaigns[no].n; i++)
			if (r->campaigns[no].targets[i].relapse.campaign != 0)
				engine_relapse_add(r->e, &r->campaigns[no].targets[i].relapse);
	engine_recover(r->e, r->now_ms);
}

/* ---- facts ---- */

struct fact rig_fact(const struct rig *r, enum fact_kind kind, uint32_t c, uint32_t no)
{
	struct fact f = {.kind = kind,
	                 .at_ms = r->now_ms,
	                 .campaign = c,
	                 .by = "eva",
	                 .detail = "why",
	                 .no = no,
	                 .is_there = true,
	                 .is_enabled = true,
	                 .precheck_holds = true,
	                 .asked_at_ms = r->now_ms,
	                 .baseline = {.source = SOURCE_READ, .has_value = true}};

	if (c <= r->campaigns_n && no < r->campaigns[c].n)
		f.call = r->campaigns[c].targets[no].row.calls;
	return f;
}

/* What a person let happen: the start, or what comes after the wave that opened last. */
static void note_approval(struct rig_campaign *c, bool is_override)
{
	uint32_t w = WAVES_MAX;

	while (w > 0 && c->stages[w - 1] == WAVE_PENDING)
		w--;
	if (w == 0) {
		c->is_start_approved = true;
		return;
	}
	c->is_approved[w - 1] = true;
	c->is_overridden[w - 1] = c->is_overridden[w - 1] || is_override;
}

enum err rig_feed(struct rig *r, const struct fact *f)
{
	struct rig_campaign *c = f->campaign <= r->campaigns_n ? &r->campaigns[f->campaign] : NULL;
	enum err err = engine_feed(r->e, f);

	if (err != ERR_OK || c == NULL)
		return err;
	if (f->kind == FACT_PAUSE || f->kind == FACT_CANCEL)
		c->is_stopped = true;
	else if (f->kind == FACT_RESUME)
		c->is_stopped = false;
	else if (f->kind == FACT_SELECTED)
		c->is_selected = true;
	else if (f->kind == FACT_APPROVE)
		note_approval(c, f->is_override);
	else if (f->kind == FACT_READING && f->is_point_read) {
		struct rig_target *t = &c->targets[f->no];

		t->is_compared = t->is_compared || f->asked_at_ms >= t->row.called_at_ms;
		if (f->precheck_holds && f->asked_at_ms > t->checked_at_ms)
			t->checked_at_ms = f->asked_at_ms;
	}
	return err;
}

enum err rig_approve(struct rig *r, uint32_t c, bool is_override)
{
	struct fact f = rig_fact(r, FACT_APPROVE, c, 0);

	f.is_override = is_override;
	return rig_feed(r, &f);
}

enum err rig_target_order(struct rig *r, enum fact_kind kind, uint32_t c, uint32_t no)
{
	struct fact f = rig_fact(r, kind, c, no);

	return rig_feed(r, &f);
}

enum err rig_order(struct rig *r, enum fact_kind kind, uint32_t c)
{
	struct fact f = rig_fact(r, kind, c, 0);

	return rig_feed(r, &f);
}

enum err rig_call(struct rig *r, uint32_t c, uint32_t no, enum call_result result)
{
	struct fact f = rig_fact(r, FACT_CALL, c, no);

	f.result = result;
	return rig_feed(r, &f);
}

enum err rig_query(struct rig *r, uint32_t c, uint32_t no, enum reading_says says)
{
	struct fact f = rig_fact(r, FACT_READING, c, no);

	f.says = says;
	return rig_feed(r, &f);
}

enum err rig_read(struct rig *r, uint32_t c, uint32_t no, enum reading_says says, int64_t asked_ms)
{
	struct fact f = rig_fact(r, FACT_READING, c, no);

	f.is_point_read = true;
	f.asked_at_ms = T0 + asked_ms;
	f.says = says;
	return rig_feed(r, &f);
}

enum err rig_read_failed(struct rig *r, uint32_t c, uint32_t no)
{
	struct fact f = rig_fact(r, FACT_READ_FAILED, c, no);

	return rig_feed(r, &f);
}

/* ---- what the last turn brought ---- */

unsigned rig_acts(const struct rig *r, uint32_t c, uint32_t no)
{
	unsigned acts = 0;

	for (size_t i = 0; i < r->steps_n; i++)
		if ((r->steps[i].kind == STEP_TARGET || r->steps[i].kind == STEP_RELAPSE) &&
		    r->steps[i].campaign == c && r->steps[i].row.no == no)
			acts |= r->steps[i].acts;
	return acts;
}

uint32_t rig_invoked(const struct rig *r, uint32_t c)
{
	uint32_t n = 0;

	for (size_t i = 0; i < r->steps_n; i++)
		n += (r->steps[i].acts & ACT_INVOKE) && (c == 0 || r->steps[i].campaign == c) ? 1 : 0;
	return n;
}

const struct target_row *rig_row(const struct rig *r, uint32_t c, uint32_t no)
{
	return &r->campaigns[c].targets[no].row;
}
