/* conductor: calls, reads, gates and the hub's clock; see conduct.h. */
#include "server/conduct.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"
#include "server/campaign/policy.h"
#include "server/dispatch/meter.h"

/* Point reads that may stand in the tracker's queue: enough to keep it busy. */
#define READS_QUEUED_MAX 64
#define PAYLOAD_KEPT_MAX 4096
/* Messages of a campaign that a crash may forget: so many, and one of so many on record. */
#define COST_UNRECORDED_MAX 100
#define COST_UNRECORDED_PART 64

/* ---- the hub's clock and gate ---- */

/* The hub's clock less ours, which does not always go as fast as time does. */
static int64_t clock_offset(const struct port *p)
{
	int64_t least_ms = 0;
	uint32_t n = p->offsets_n < OFFSETS_MAX ? p->offsets_n : OFFSETS_MAX;

	for (uint32_t i = 0; i < n; i++)
		if (i == 0 || p->offsets_ms[i] < least_ms)
			least_ms = p->offsets_ms[i];
	return n > 0 ? least_ms + conduct_mono(p->c) - conduct_now(p->c) : 0;
}

static int64_t hub_now(const struct port *p, int64_t now_ms)
{
	return now_ms + clock_offset(p);
}

static void hear_clock(struct port *p, int64_t hub_at_ms)
{
	if (hub_at_ms != TIME_NONE)
		p->offsets_ms[p->offsets_n++ % OFFSETS_MAX] = hub_at_ms - conduct_mono(p->c);
}

int64_t port_clock_offset_most(const struct port *p)
{
	uint32_t n = p->offsets_n < OFFSETS_MAX ? p->offsets_n : OFFSETS_MAX;
	int64_t most_ms = p->offsets_ms[0];

	for (uint32_t i = 1; i < n; i++)
		if (p->offsets_ms[i] > most_ms)
			most_ms = p->offsets_ms[i];
	return most_ms + conduct_mono(p->c) - conduct_now(p->c);
}

/* Why calls may not be made: the gate's reason, or that what is left of the day is needed to follow those
 * that were made. Then reads still are. */
static enum gate_reason reason_of(const struct port *p)
{
	return gate_is_open(&p->gate) && p->day.is_spent ? GATE_QUOTA : p->gate.reason;
}

/* When that may end at the earliest; TIME_NONE: it is open, or nobody knows. */
static int64_t opens_at(const struct port *p, int64_t now_ms)
{
	if (gate_is_open(&p->gate))
		return p->day.is_spent ? now_ms + day_left_ms(hub_now(p, now_ms)) : TIME_NONE;
	return gate_next_at(&p->gate) == TIME_NEVER ? TIME_NONE : gate_next_at(&p->gate);
}

/* Tells a change of the gate, once. */
static void tell_gate(struct port *p, int64_t now_ms)
{
	enum gate_reason reason = reason_of(p);
	char detail[256];
	struct event event = {.at_ms = now_ms, .type = EVENT_HUB, .detail = detail};

	if (p->told == reason)
		return;
	snprintf(detail, sizeof detail, "\"hub\":\"%s\",\"state\":\"%s\"", p->name, gate_reason_text(reason));
	conduct_tell(p->c, &event);
	if (reason == GATE_OPEN)
		log_info("hub is open", LS("hub", p->name), LS("was", gate_reason_text(p->told)));
	else
		log_warn("hub is shut", LS("hub", p->name), LS("reason", gate_reason_text(reason)),
		         LS("error", p->last_error));
	p->told = reason;
}

static void run_day(struct port *p, int64_t now_ms)
{
	struct dispatch_stats calls;
	struct track_stats reads;
	uint32_t awaited_n;

	day_run(&p->day, hub_now(p, now_ms));
	dispatch_stats(p->dispatch, &calls);
	track_stats(p->track, &reads);
	awaited_n = reads.watched > p->lates_n ? reads.watched - p->lates_n : 0;
	if (!p->day.is_spent && day_is_spent(&p->day, (uint64_t)awaited_n + calls.inflight + calls.queued))
		p->spent_at_ms = now_ms;
	track_spare(p->track, day_is_short(&p->day));
	if (day_is_short(&p->day) && !p->is_short_told)
		log_warn("most of the day's messages are spent", LS("hub", p->name),
		         LI("messages", (int64_t)p->day.messages), LI("granted", (int64_t)p->day.granted));
	p->is_short_told = day_is_short(&p->day);
}

/* What every answer tells about the hub itself. */
static void hear(struct port *p, const struct hub_answer *a, int64_t now_ms)
{
	hear_clock(p, a->hub_at_ms);
	if (a->outcome == HUB_THROTTLED) {
		p->throttled++;
		p->throttled_at_ms = now_ms;
	}
	if (a->outcome != HUB_ANSWERED && a->outcome != HUB_OFFLINE && a->outcome != HUB_GONE) {
		const char *why = a->http_status == 0 ? hub_credential_error(p->options.hub) : "";

		p->last_error_at_ms = now_ms;
		snprintf(p->last_error, sizeof p->last_error, "%s%s%s%s%s", hub_outcome_text(a->outcome),
		         a->detail[0] != '\0' ? ": " : "", a->detail, why[0] != '\0' ? ": " : "", why);
	}
}

/* ---- calls ---- */

static enum call_result result_of(const struct profile *profile, const struct hub_answer *a)
{
	switch (a->outcome) {
	case HUB_ANSWERED:
		if (a->method_status >= profile->success_min && a->method_status <= profile->success_max)
			return CALL_ACCEPTED;
		/* How devices say that they do not know a method (contract 9.1: Java, Python). */
		return a->method_status == 404 || a->method_status == 501 ? CALL_NO_METHOD : CALL_REFUSED;
	case HUB_NOT_DELIVERED:
		return a->http_status == 0 ? CALL_NOT_DELIVERED : CALL_BUSY;
	case HUB_THROTTLED:
	case HUB_QUOTA:
	case HUB_TROUBLE:
		return CALL_NOT_DELIVERED;
	case HUB_OFFLINE:
		return CALL_OFFLINE;
	case HUB_GONE:
		return CALL_GONE;
	case HUB_AMBIGUOUS:
		return CALL_AMBIGUOUS;
	case HUB_OUR_FAULT:
		return CALL_REJECTED;
	case HUB_OUTCOMES_N:
		break;
	}
	return CALL_AMBIGUOUS;
}

static bool counts_as_attempt(enum call_result r)
{
	return r == CALL_ACCEPTED || r == CALL_REFUSED || r == CALL_NO_METHOD || r == CALL_AMBIGUOUS ||
	       r == CALL_REJECTED;
}

static void record_attempt(struct conductor *c, const struct call_out *call, const struct hub_answer *a,
                           enum call_result result, int64_t now_ms)
{
	char *payload = a->payload != NULL ? xstrndup(a->payload, PAYLOAD_KEPT_MAX) : NULL;
	struct attempt_row row = {.campaign = call->key.campaign,
	                          .no = call->key.no,
	                          .call = (uint16_t)call->key.call,
	                          .attempt = counts_as_attempt(result) ? call->attempt : 0,
	                          .attempt_seq = call->attempt_seq,
	                          .called_at_ms = call->called_at_ms,
	                          .ended_at_ms = now_ms,
	                          .hub_at_ms = call->hub_at_ms,
	                          .outcome = hub_outcome_text(a->outcome),
	                          .http_status = a->http_status,
	                          .hub_code = a->error.code,
	                          .method_status = a->method_status,
	                          .payload = payload,
	                          .tracking_id =
	                                  a->error.tracking_id[0] != '\0' ? a->error.tracking_id : NULL};

	batch_attempt_add(c->batch, &row);
	free(payload);
}

/* On a campaign's account (NULL: nobody's) and the hub's day. */
static void charge(struct port *p, struct live *live, const struct campaign_cost *cost)
{
	day_spend(&p->day, cost->messages);
	if (live == NULL)
		return;
	live->cost.calls += cost->calls;
	live->cost.query_pages += cost->query_pages;
	live->cost.point_reads += cost->point_reads;
	live->cost.messages += cost->messages;
	/* It goes on record with whatever else changes; a campaign that is only followed is not written for
	 * each look. */
	if (live->cost.messages >=
	    live->messages_recorded + COST_UNRECORDED_MAX + live->messages_recorded / COST_UNRECORDED_PART)
		engine_touch(p->c->engine, live->no);
}

/* A call's request and answer; one that found the device offline is charged for its request, and one more
 * (contract 2.7). What may have been answered is taken to have been. */
static uint32_t call_messages(const struct port *p, const struct live *live, const struct hub_answer *a)
{
	uint32_t each = p->rates.message_bytes;

	switch (a->outcome) {
	case HUB_ANSWERED:
	case HUB_AMBIGUOUS:
	case HUB_OFFLINE:
	case HUB_GONE:
		return meter_messages(live != NULL ? live->payload_bytes : 0, each) +
		       meter_messages(a->outcome == HUB_ANSWERED ? a->answer_bytes : 0, each);
	case HUB_NOT_DELIVERED:
	case HUB_THROTTLED:
	case HUB_QUOTA:
	case HUB_TROUBLE:
	case HUB_OUR_FAULT:
	case HUB_OUTCOMES_N:
		break;
	}
	return 0;
}

/* What a call came to, however it went to its device. */
static void hear_outcome(struct port *p, uint32_t campaign, uint32_t no, uint16_t call,
                         const struct hub_answer *a, int64_t now_ms)
{
	struct conductor *c = p->c;
	struct live *live = conduct_live(c, campaign);
	struct call_out *out = call_end(c, campaign, no, call);
	struct target_state_view t;
	struct fact f = {.kind = FACT_CALL, .at_ms = now_ms, .campaign = campaign, .no = no, .call = call};

	charge(p, live, &(struct campaign_cost){.calls = 1, .messages = call_messages(p, live, a)});
	conduct_wake(c);
	if (out == NULL)
		return;
	f.result = result_of(out->profile, a);
	f.method_status = a->outcome == HUB_ANSWERED ? a->method_status : 0;
	record_attempt(c, out, a, f.result, now_ms);
	if (!engine_target(c->engine, campaign, no, &t) || target_state_is_final(t.row.state))
		late_answer(c, out, a, f.result, now_ms);
	else
		(void)conduct_feed(c, &f);
	free(out);
}

static void on_outcome(void *arg, uint32_t campaign, uint32_t no, uint16_t call, const struct hub_answer *a)
{
	struct port *p = arg;
	int64_t now_ms = conduct_now(p->c);

	hear(p, a, now_ms);
	gate_on_call(&p->gate, a, now_ms, hub_now(p, now_ms));
	tell_gate(p, now_ms);
	hear_outcome(p, campaign, no, call, a, now_ms);
}

static void on_job_outcome(void *arg, uint32_t campaign, uint32_t no, uint16_t call,
                           const struct hub_answer *a)
{
	struct port *p = arg;

	hear_outcome(p, campaign, no, call, a, conduct_now(p->c));
}

/* A request about a job. Only that the hub is gone, or does not want us, stands in the way of other calls;
 * jobs that are throttled wait by themselves. */
static void on_job_heard(void *arg, const struct hub_answer *a)
{
	struct port *p = arg;
	int64_t now_ms = conduct_now(p->c);

	hear(p, a, now_ms);
	if (a->job_rows_n > 0)
		charge(p, NULL, &(struct campaign_cost){.messages = 1 + a->job_rows_n});
	if (a->outcome == HUB_NOT_DELIVERED)
		gate_on_call(&p->gate, a, now_ms, hub_now(p, now_ms));
	else if (a->outcome == HUB_TROUBLE || a->outcome == HUB_QUOTA)
		gate_on_read(&p->gate, a, now_ms, hub_now(p, now_ms));
	tell_gate(p, now_ms);
	conduct_wake(p->c);
}

static void on_withdrawn(void *arg, uint32_t campaign, uint32_t no, uint16_t call)
{
	const struct port *p = arg;
	struct conductor *c = p->c;
	struct fact f = {.kind = FACT_WITHDRAWN,
	                 .at_ms = conduct_now(c),
	                 .campaign = campaign,
	                 .no = no,
	                 .call = call};

	free(call_end(c, campaign, no, call));
	(void)conduct_feed(c, &f);
	conduct_wake(c);
}

static int64_t now_of(void *arg)
{
	const struct port *p = arg;

	return conduct_now(p->c);
}

void port_withdraw(struct port *p, uint32_t campaign)
{
	dispatch_withdraw(p->dispatch, campaign);
	jobs_withdraw(p->jobs, campaign);
}

/* ---- what twins say ---- */

void conduct_evidence(struct conductor *c, const struct track_news *news, const struct verdict *v,
                      const char *verdict, bool is_baseline, bool is_late, int64_t now_ms)
{
	const struct reading *r = news->reading;
	const struct seen *seen = v->strength == STRENGTH_ATTEMPT_ID ? &r->echo
	                          : v->strength == STRENGTH_BOOT_ID  ? &r->boot
	                                                             : &r->value;
	struct evidence_row row = {.campaign = news->campaign,
	                           .no = news->no,
	                           .at_ms = now_ms,
	                           .hub_at_ms = r->hub_at_ms,
	                           .source = r->is_point_read ? SOURCE_READ : SOURCE_QUERY,
	                           .strength = v->kind == VERDICT_PROVEN ? v->strength : STRENGTH_NONE,
	                           .is_baseline = is_baseline,
	                           .is_late = is_late,
	                           .verdict = verdict,
	                           .value = seen->json,
	                           .value_at_ms = seen->at_ms};

	batch_evidence_add(c->batch, &row);
}

static enum reading_says says_of(enum verdict_kind k)
{
	switch (k) {
	case VERDICT_NOTHING:
		return SAYS_NOTHING;
	case VERDICT_MOVED:
		return SAYS_MOVED;
	case VERDICT_PROVEN:
		return SAYS_PROVEN;
	case VERDICT_FAILED:
		return SAYS_FAILED;
	case VERDICT_GONE:
		return SAYS_GONE;
	}
	return SAYS_NOTHING;
}

static void hear_reading(struct conductor *c, struct live *live, const struct track_news *news,
                         const struct target_state_view *t, int64_t now_ms)
{
	char attempt_id[ATTEMPT_ID_SIZE];
	struct evidence_case ec = {.rule = &live->rule,
	                           .baseline = &t->baseline,
	                           .since_hub_ms = t->row.since_hub_ms,
	                           .attempt_id = news->reading->echo.is_there ? attempt_id : NULL,
	                           .has_moved = t->row.has_moved,
	                           .is_uncalled = t->row.state == TARGET_WAITING};
	struct fact f = {.kind = FACT_READING,
	                 .at_ms = now_ms,
	                 .campaign = news->campaign,
	                 .no = news->no,
	                 .is_point_read = news->reading->is_point_read,
	                 .asked_at_ms = news->asked_at_ms,
	                 .is_there = news->reading->is_there,
	                 .is_enabled = news->reading->is_enabled,
	                 .precheck_holds = news->reading->precheck};
	bool had_baseline = t->baseline.source != SOURCE_NONE, is_baseline, is_applied;
	bool had_relapsed = engine_has_relapsed(c->engine, news->campaign, news->no);
	struct target_state_view after;
	struct verdict v;

	if (ec.attempt_id != NULL)
		id_attempt(live->id, news->no, t->row.attempt_seq, attempt_id);
	v = evidence_judge(&ec, news->reading);
	f.says = says_of(v.kind);
	f.strength = v.strength;
	f.is_done_path = v.is_done_path;
	if ((!had_baseline || target_state_is_final(t->row.state)) && f.is_there &&
	    (f.is_point_read || !live->rule.is_where))
		evidence_baseline(&live->rule, news->reading, &f.baseline);
	f.boot_at_ms = news->reading->boot.at_ms;
	f.is_up = news->reading->link == LINK_UP;
	f.is_down = news->reading->link == LINK_DOWN;
	is_applied = conduct_feed(c, &f) == ERR_OK;
	if (target_state_is_final(t->row.state)) {
		if (is_applied && !had_relapsed && engine_has_relapsed(c->engine, news->campaign, news->no))
			conduct_evidence(c, news, &v, "relapse", false, true, now_ms);
		late_news(c, live, t, news, now_ms);
		return;
	}
	is_baseline = !had_baseline && engine_target(c->engine, news->campaign, news->no, &after) &&
	              after.baseline.source != SOURCE_NONE;
	/* On record: the baseline, what a verdict rests on, and point reads that found nothing after a call.
	 */
	if (is_baseline)
		conduct_evidence(c, news, &v, "baseline", true, false, now_ms);
	else if (v.kind == VERDICT_MOVED ? !t->row.has_moved : v.kind != VERDICT_NOTHING)
		conduct_evidence(c, news, &v, verdict_text(v.kind), false, false, now_ms);
	else if (f.is_point_read && t->row.since_hub_ms != TIME_NONE)
		conduct_evidence(c, news, &v, f.is_there ? "nothing" : "gone", false, false, now_ms);
}

static void on_news(void *arg, const struct track_news *news)
{
	struct port *p = arg;
	struct conductor *c = p->c;
	struct live *live = conduct_live(c, news->campaign);
	struct target_state_view t;
	int64_t now_ms = conduct_now(c);

	conduct_wake(c);
	if (live == NULL || !engine_target(c->engine, news->campaign, news->no, &t)) {
		late_news(c, NULL, NULL, news, now_ms);
	} else if (news->reading != NULL) {
		hear_reading(c, live, news, &t, now_ms);
	} else {
		struct fact f = {.kind = FACT_READ_FAILED,
		                 .at_ms = now_ms,
		                 .campaign = news->campaign,
		                 .no = news->no};

		(void)conduct_feed(c, &f);
		if (target_state_is_final(t.row.state))
			late_news(c, live, &t, news, now_ms);
	}
}

static void on_read_outcome(void *arg, const struct hub_answer *a)
{
	struct port *p = arg;
	int64_t now_ms = conduct_now(p->c);

	hear(p, a, now_ms);
	gate_on_read(&p->gate, a, now_ms, hub_now(p, now_ms));
	tell_gate(p, now_ms);
	conduct_wake(p->c);
}

static void on_cost(void *arg, uint32_t campaign, const struct track_cost *cost)
{
	struct port *p = arg;

	charge(p, conduct_live(p->c, campaign),
	       &(struct campaign_cost){
	               .query_pages = cost->pages, .point_reads = cost->reads, .messages = cost->messages});
}

/* ---- what steps ask for ---- */

static void invoke(struct conductor *c, struct live *live, struct port *p, const struct step *s,
                   const struct target_state_view *t)
{
	struct buf payload = BUF_INIT;
	char attempt_id[ATTEMPT_ID_SIZE];
	struct invocation inv = {.campaign = s->campaign,
	                         .no = s->row.no,
	                         .call = s->row.calls,
	                         .device_id = t->device_id,
	                         .method_name = live->spec->action.method_name,
	                         .response_timeout_s = live->spec->action.response_timeout_s,
	                         .connect_timeout_s = policy_connect_s(live->spec, s->row.offline_tries)};
	bool is_shut = engine_window(c->engine, s->campaign, s->row.no, &inv.until_ms) != WAIT_NONE ||
	               inv.until_ms <= conduct_now(c);

	if (c->is_draining || !engine_may_call(c->engine, s->campaign) || reason_of(p) != GATE_OPEN ||
	    is_shut) {
		on_withdrawn(p, s->campaign, s->row.no, s->row.calls);
		return;
	}
	id_attempt(live->id, s->row.no, s->row.attempt_seq, attempt_id);
	spec_payload(live->spec, attempt_id, &payload);
	inv.payload = payload.data;
	live->payload_bytes = payload.len;
	if (live->spec->action.transport == TRANSPORT_HUB_JOB) {
		inv.connect_timeout_s = live->spec->action.connect_timeout_s; /* the same for all of a job */
		jobs_submit(p->jobs, &inv, conduct_now(c));
	} else {
		if (inv.until_ms > s->row.called_at_ms + SEND_WITHIN_MS)
			inv.until_ms = s->row.called_at_ms + SEND_WITHIN_MS;
		dispatch_submit(p->dispatch, &inv);
	}
	call_begin(c, live, &s->row);
	if (live->rule.profile->restarts)
		reconnects_take(&p->reconnects, conduct_now(c));
	buf_done(&payload);
}

/* For its proof; or, when it has that, for what happens after the reading that a relapse is told by. */
static void watch(struct port *p, const struct step *s, const struct target_state_view *t,
                  const struct live *live)
{
	bool has_proof = t->row.state == TARGET_SUCCEEDED;
	int64_t since_ms = has_proof ? s->relapse.after.taken_at_ms : t->row.since_hub_ms;

	track_watch(p->track, s->campaign, s->row.no, t->device_id, !has_proof, since_ms, live->watch);
}

void port_act(struct conductor *c, const struct step *s)
{
	struct live *live = conduct_live(c, s->campaign);
	struct target_state_view t;
	struct port *p;

	if (live == NULL || !engine_target(c->engine, s->campaign, s->row.no, &t))
		return;
	p = &c->ports[t.hub];
	if ((s->acts & ACT_UNWATCH) && !late_is_followed(c, s->campaign, s->row.no))
		track_unwatch(p->track, s->campaign, s->row.no);
	if (s->acts & ACT_WATCH)
		watch(p, s, &t, live);
	if (s->acts & ACT_READ)
		track_read(p->track, s->campaign, s->row.no, t.device_id, t.row.state == TARGET_WAITING,
		           live->watch);
	if (s->acts & ACT_INVOKE)
		invoke(c, live, p, s, &t);
}

/* ---- life ---- */

enum err port_init(struct port *p, struct conductor *c, uint8_t index, const struct conductor_hub *options)
{
	struct dispatch_options dispatch = {.inflight_max = options->inflight_max,
	                                    .on_outcome = on_outcome,
	                                    .on_withdrawn = on_withdrawn,
	                                    .now_ms = now_of};
	struct jobs_options jobs = {.seed = c->options.seed + index + (uint64_t)conduct_now(c),
	                            .on_outcome = on_job_outcome,
	                            .on_withdrawn = on_withdrawn,
	                            .on_heard = on_job_heard};
	struct track_options track = {.interval_ms = options->track_interval_ms,
	                              .reads_inflight_max = 64,
	                              .on_news = on_news,
	                              .on_outcome = on_read_outcome,
	                              .on_cost = on_cost};
	enum err err;

	*p = (struct port){.c = c,
	                   .index = index,
	                   .options = *options,
	                   .told = GATE_STARTING,
	                   .recorded_offset_ms = TIME_NONE,
	                   .noted_offset_ms = TIME_NONE,
	                   .throttled_at_ms = TIME_NONE,
	                   .last_error_at_ms = TIME_NONE};
	err = hub_rates_of(options->sku, options->units, options->reserve_percent, &p->rates);
	if (err != ERR_OK)
		return err;
	day_init(&p->day, p->rates.messages_per_day, conduct_now(c));
	track.message_bytes = p->rates.message_bytes;
	p->name = xstrdup(options->name);
	p->sku = xstrdup(options->sku);
	reconnects_init(&p->reconnects, options->sku, options->units, options->reserve_percent);
	dispatch.calls_per_minute = p->rates.calls_per_minute;
	track.queries_per_minute = p->rates.queries_per_minute;
	track.reads_per_minute = p->rates.reads_per_minute;
	gate_init(&p->gate, options->ambiguous_max, c->options.seed + index, conduct_now(c));
	p->dispatch = dispatch_new(&dispatch, options->hub, p);
	p->jobs = jobs_new(&jobs, options->hub, p);
	p->track = track_new(&track, options->hub, conduct_now(c), p);
	return ERR_OK;
}

void port_done(struct port *p)
{
	dispatch_free(p->dispatch);
	jobs_free(p->jobs);
	track_free(p->track);
	free(p->name);
	free(p->sku);
}

/* Nobody waits for a hub without campaigns. */
static bool is_wanted(const struct port *p)
{
	return p->c->lives != NULL || p->c->previews_n > 0;
}

void port_before(struct port *p, int64_t now_ms)
{
	gate_run(&p->gate, now_ms);
	run_day(p, now_ms);
	reconnects_run(&p->reconnects, now_ms);
	tell_gate(p, now_ms);
	if (is_wanted(p) && gate_wants_probe(&p->gate, now_ms)) {
		gate_probing(&p->gate);
		track_probe(p->track);
	}
}

bool port_is_busy(const struct port *p)
{
	return dispatch_is_busy(p->dispatch);
}

int64_t port_after(struct port *p, int64_t now_ms)
{
	int64_t wake_ms, jobs_ms, track_ms, gate_ms;

	if (reason_of(p) != GATE_OPEN)
		dispatch_withdraw(p->dispatch, 0);
	dispatch_withdraw_late(p->dispatch, conduct_now(p->c));
	wake_ms = dispatch_run(p->dispatch, now_ms);
	jobs_ms = jobs_run(p->jobs, now_ms);
	track_ms = track_run(p->track, now_ms, gate_is_open(&p->gate));
	gate_ms = is_wanted(p) ? gate_next_at(&p->gate) : TIME_NEVER;

	if (track_ms < wake_ms)
		wake_ms = track_ms;
	if (p->day.is_spent && gate_is_open(&p->gate) && p->c->lives != NULL)
		gate_ms = opens_at(p, now_ms);
	if (jobs_ms < wake_ms)
		wake_ms = jobs_ms;
	return gate_ms < wake_ms ? gate_ms : wake_ms;
}

void port_usage(struct port *p, const struct usage_row *row)
{
	day_resume(&p->day, row->day, row->messages);
	p->messages_recorded = p->day.messages;
}

void port_write(struct port *p)
{
	struct usage_row row = {p->name, p->day.no, p->day.messages};

	if (p->day.messages == p->messages_recorded)
		return;
	batch_usage_put(p->c->batch, &row);
	p->messages_recorded = p->day.messages;
}

void port_preview(const struct port *p, struct preview_hub *ret)
{
	ret->name = p->name;
	ret->sku = p->sku;
	ret->state = gate_reason_text(reason_of(p));
	ret->grant = (struct hub_grant){.calls_per_minute = p->rates.calls_per_minute,
	                                .queries_per_minute = p->rates.queries_per_minute,
	                                .reads_per_minute = p->rates.reads_per_minute,
	                                .messages_per_day = p->rates.messages_per_day,
	                                .messages_today = p->day.messages,
	                                .track_interval_ms = p->options.track_interval_ms,
	                                .restarts_per_minute = reconnects_per_minute(&p->reconnects)};
}

int64_t port_opens_at(const struct port *p)
{
	return opens_at(p, conduct_now(p->c));
}

void port_state(const struct port *p, int64_t now_ms, struct hub_state *ret)
{
	struct track_stats stats;

	track_stats(p->track, &stats);
	ret->is_open = reason_of(p) == GATE_OPEN && !p->c->is_draining;
	ret->opens_at_ms = opens_at(p, now_ms);
	ret->call_credit = dispatch_credit(p->dispatch, now_ms);
	ret->credit_at_ms = dispatch_credit_at(p->dispatch, now_ms);
	ret->job_credit = jobs_credit(p->jobs, now_ms);
	ret->job_credit_at_ms = jobs_credit_at(p->jobs, now_ms);
	/* Reads that others have asked for do not stand in the way: campaigns take turns with them. */
	ret->read_credit = stats.before_calls_queued < READS_QUEUED_MAX
	                           ? READS_QUEUED_MAX - stats.before_calls_queued
	                           : 0;
	ret->clock_offset_ms = clock_offset(p);
	ret->restart_credit = reconnects_credit(&p->reconnects, now_ms);
	ret->restart_at_ms = reconnects_next_at(&p->reconnects, now_ms);
}

void conductor_hub(const struct conductor *c, uint32_t hub, struct hub_view *ret)
{
	const struct port *p = &c->ports[hub];
	uint32_t job_out, job_queued;
	struct dispatch_stats d;
	struct track_stats t;

	assert(hub < c->ports_n);
	dispatch_stats(p->dispatch, &d);
	jobs_stats(p->jobs, &job_out, &job_queued);
	track_stats(p->track, &t);
	*ret = (struct hub_view){.name = p->name,
	                         .sku = p->sku,
	                         .units = p->options.units,
	                         .reserve_percent = p->options.reserve_percent,
	                         .state = gate_reason_text(reason_of(p)),
	                         .state_since_ms =
	                                 reason_of(p) == p->gate.reason ? p->gate.since_ms : p->spent_at_ms,
	                         .state_until_ms = opens_at(p, conduct_now(p->c)),
	                         .calls_per_minute = p->rates.calls_per_minute,
	                         .pace_per_minute = d.calls_per_minute,
	                         .pacer_tokens = dispatch_credit(p->dispatch, conduct_now(p->c)),
	                         .inflight = d.inflight + job_out,
	                         .queued = d.queued + job_queued,
	                         .watched = t.watched,
	                         .calls = d.sent,
	                         .throttled = p->throttled,
	                         .pages = t.pages,
	                         .reads = t.reads,
	                         .rows = t.rows,
	                         .messages_per_day = p->rates.messages_per_day,
	                         .messages_today = p->day.messages,
	                         .throttled_at_ms = p->throttled_at_ms,
	                         .last_error = p->last_error,
	                         .last_error_at_ms = p->last_error_at_ms,
	                         .clock_offset_ms = clock_offset(p),
	                         .query_lag_seen_ms = t.query_lag_ms};
	static_assert(HUB_OUTCOMES_N < CALL_OUTCOMES_MAX, "the last one is NULL");
	for (enum hub_outcome o = 0; o < HUB_OUTCOMES_N; o++) {
		ret->outcomes[o].text = hub_outcome_text(o);
		ret->outcomes[o].n = d.by_outcome[o];
	}
}
