/* api: handlers of targets. See handlers.h */
#include "api/handlers.h"

#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/request.h"
#include "store/store.h"

/* A read of targets goes by the campaign's number, hubs and waves, so the campaign is read first. */
struct ask {
	struct request *r;
	struct target_filter filter;
	uint32_t to_no;                  /* only those numbered below */
	uint32_t limit;                  /* of what is shown, the filter's may be more */
	int waiting_for;                 /* enum wait, -1: any */
	int order;                       /* enum target_order still to be given, -1: none */
	struct campaign_waiting waiting; /* the same for the filter and for what is shown */
	struct campaign_spec spec;       /* the stored one, for its hubs and waves */
};

static void ask_end(struct ask *a)
{
	spec_done(&a->spec);
	free(a);
}

static struct ask *ask_new(struct request *r)
{
	struct ask *a = xcalloc(1, sizeof *a);

	a->r = r;
	a->to_no = UINT32_MAX;
	a->waiting_for = a->order = -1;
	a->filter = (struct target_filter){.state = -1, .reason = -1, .wait = -1, .hub = -1};
	return a;
}

/* ---- hubs of a campaign ---- */

static const char *hub_name(const struct ask *a, uint32_t i)
{
	const struct conductor *c = a->r->context->conductor;
	struct hub_view view;

	if (a->spec.hubs.n > 0)
		return i < a->spec.hubs.n ? a->spec.hubs.all[i] : NULL;
	if (i >= conductor_hubs_n(c))
		return NULL;
	conductor_hub(c, i, &view);
	return view.name;
}

/* Gives the number of the hub in this campaign, -1 if it has none of that name. */
static int hub_index(const struct ask *a, const char *name)
{
	const char *other;

	for (uint32_t i = 0; (other = hub_name(a, i)) != NULL; i++)
		if (strcmp(name, other) == 0)
			return (int)i;
	return -1;
}

/* ---- shown ---- */

/* What is shown as waitingFor; json.c sums waitingBy by the same order. */
static enum wait waiting_for(const struct ask *a, const struct target_row *row)
{
	const struct campaign_waiting *w = &a->waiting;

	if (row->state != TARGET_WAITING)
		return WAIT_NONE;
	if (row->no >= w->closed_from)
		return WAIT_WAVE;
	if (w->overrides_own)
		return w->wait;
	if (w->shut_hubs >> row->hub & 1)
		return WAIT_HUB;
	if (row->wait != WAIT_NONE)
		return (enum wait)row->wait;
	return conductor_is_parked(a->r->context->conductor, row->campaign, row->no) ? WAIT_GROUP : w->wait;
}

static int64_t next_at(const struct ask *a, const struct target_row *row, enum wait w)
{
	if (target_state_is_final((enum target_state)row->state))
		return TIME_NONE;
	if (row->state != TARGET_WAITING || w == (enum wait)row->wait)
		return row->next_at_ms;
	if (w == WAIT_HUB && (a->waiting.shut_hubs >> row->hub & 1))
		return a->waiting.shut_until_ms[row->hub];
	return w == a->waiting.wait ? a->waiting.next_at_ms : TIME_NONE;
}

static void put_members(const struct ask *a, const struct target_view *target, uint32_t total,
                        struct buf *out)
{
	enum wait w = waiting_for(a, &target->row);
	struct target_context context = {hub_name(a, target->row.hub),
	                                 wave_of(&a->spec, target->row.no, total), w,
	                                 next_at(a, &target->row, w)};

	json_target_members(out, target, &context);
}

/* ---- the list ---- */

static const char *state_name(int i)
{
	return target_state_text((enum target_state)i);
}

static const char *reason_name(int i)
{
	return reason_text((enum reason)i);
}

static const char *wait_name(int i)
{
	return wait_text((enum wait)i);
}

static void narrow(struct ask *a, uint32_t from_no, uint32_t to_no)
{
	if (a->filter.from_no < from_no)
		a->filter.from_no = from_no;
	if (a->to_no > to_no)
		a->to_no = to_no;
}

/* Turns ?waitingFor= into what is stored: waiting_for() backwards. Who is parked, or on a hub that is shut,
 * is not stored: such are sifted from a larger page. False: no target can match. */
static bool filter_waiting(struct ask *a)
{
	const struct campaign_waiting *w = &a->waiting;
	struct target_filter *f = &a->filter;
	enum wait asked = (enum wait)a->waiting_for;

	if (a->waiting_for < 0)
		return true;
	if (f->state >= 0 && f->state != TARGET_WAITING)
		return false;
	f->state = TARGET_WAITING;
	if (asked == WAIT_WAVE) {
		narrow(a, w->closed_from, UINT32_MAX);
		return true;
	}
	narrow(a, 0, w->closed_from);
	if (w->overrides_own)
		return asked == w->wait;
	if (w->shut_hubs != 0)
		f->limit = STORE_PAGE_MAX;
	if (asked == WAIT_HUB)
		return w->shut_hubs != 0;
	if (asked != w->wait && asked != WAIT_GROUP) {
		f->wait = a->waiting_for;
		return true;
	}
	f->wait = WAIT_NONE;
	if (w->parked_n > 0)
		f->limit = STORE_PAGE_MAX;
	return asked == w->wait || w->parked_n > 0;
}

static bool filter_hub(struct ask *a)
{
	const char *hub = request_param(a->r, "hub");

	if (hub == NULL)
		return true;
	a->filter.hub = hub_index(a, hub);
	return a->filter.hub >= 0;
}

static bool filter_wave(struct ask *a, uint32_t total)
{
	const char *text = request_param(a->r, "wave");
	uint32_t wave = text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 0;

	if (text == NULL)
		return true;
	if (wave >= a->spec.rollout.waves_n)
		return false;
	narrow(a, wave > 0 ? wave_end(&a->spec, wave - 1, total) : 0, wave_end(&a->spec, wave, total));
	return true;
}

static void on_targets(void *arg, enum err err, uint64_t revision, const struct target_view *rows, size_t n,
                       bool has_more, const struct campaign_row *campaign)
{
	struct ask *a = arg;
	struct request *r = a->r;
	struct buf body = BUF_INIT;
	uint32_t shown = 0;
	size_t i = 0;

	if (!campaigns_found(r, err, campaign != NULL)) {
		ask_end(a);
		return;
	}
	buf_puts(&body, "{\"value\":[");
	for (; i < n && shown < a->limit && rows[i].row.no < a->to_no; i++) {
		if (a->waiting_for >= 0 && (int)waiting_for(a, &rows[i].row) != a->waiting_for)
			continue;
		buf_puts(&body, shown++ > 0 ? ",{" : "{");
		put_members(a, &rows[i], campaign->counts.total, &body);
		buf_putc(&body, '}');
	}
	buf_putc(&body, ']');
	if (i > 0 && (i < n ? rows[i].row.no < a->to_no : has_more && rows[i - 1].row.no + 1 < a->to_no))
		request_put_next_cursor(r, rows[i - 1].row.no + UINT64_C(1), &body);
	buf_printf(&body, ",\"revision\":%llu}", (unsigned long long)revision);
	reply_json(r, 200, &body);
	ask_end(a);
}

static void on_list_campaign(void *arg, enum err err, uint64_t revision, const struct campaign_row *rows,
                             size_t n, bool has_more)
{
	struct ask *a = arg;

	(void)revision;
	(void)has_more;
	if (!campaigns_found(a->r, err, n)) {
		ask_end(a);
		return;
	}
	campaigns_read_spec(rows, &a->spec);
	campaigns_waiting(a->r->context->conductor, rows, &a->waiting);
	a->filter.campaign = rows->no;
	if (!filter_waiting(a) || !filter_hub(a) || !filter_wave(a, rows->counts.total))
		a->filter.from_no = UINT32_MAX; /* numbers are below that */
	store_read_targets(a->r->context->store, &a->filter, on_targets, a);
}

void targets_list(struct request *r)
{
	struct ask *a = ask_new(r);
	struct faults faults = FAULTS_INIT;
	uint64_t from = 0, wave = 0;

	request_param_choice(r, "state", state_name, TARGET_STATES_N, &a->filter.state, &faults);
	request_param_choice(r, "reason", reason_name, REASONS_N, &a->filter.reason, &faults);
	request_param_choice(r, "waitingFor", wait_name, WAITS_N, &a->waiting_for, &faults);
	request_param_u64(r, "wave", 0, TARGETS_MAX, &wave, &faults);
	request_page(r, &a->limit, &from, &faults);
	if (faults.n > 0) {
		reply_faults(r, PROBLEM_PARAMETER, &faults);
		ask_end(a);
		return;
	}
	a->filter.from_no = (uint32_t)from;
	a->filter.limit = a->limit;
	a->filter.group = request_param(r, "group");
	a->filter.device_id = request_param(r, "deviceId");
	store_read_campaign(r->context->store, r->parts[0], on_list_campaign, a);
}

/* ---- one ----
 *
 *   campaign ──▶ target ──no order──▶ 200
 *                 │  ▲
 *                 ▼  └──done──┐
 *                order ───────┘ */

static bool has_baseline(const struct evidence_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].is_baseline)
			return true;
	return false;
}

/* What is shown first. The baselines of a selection are kept with their targets, not as evidence, and only as
 * fingerprints: there is no value to show. */
static void put_evidence(const struct ask *a, const struct baseline *baseline,
                         const struct evidence_row *rows, size_t n, struct buf *out)
{
	const struct evidence_row first = {.at_ms = baseline->taken_at_ms,
	                                   .hub_at_ms = baseline->taken_at_ms,
	                                   .source = (enum source)baseline->source,
	                                   .strength = STRENGTH_NONE,
	                                   .is_baseline = true,
	                                   .verdict = "baseline",
	                                   .value_at_ms = baseline->value_at_ms};
	bool is_selected = baseline->source != SOURCE_NONE && !has_baseline(rows, n);

	if (is_selected)
		json_evidence(out, &first, a->r->now_ms);
	for (size_t i = 0; i < n; i++) {
		buf_puts(out, is_selected || i > 0 ? "," : "");
		json_evidence(out, &rows[i], a->r->now_ms);
	}
}

static void put_target(const struct ask *a, const struct target_view *target, uint32_t total,
                       const struct attempt_row *attempts, size_t attempts_n,
                       const struct evidence_row *evidence, size_t evidence_n, struct buf *out)
{
	buf_putc(out, '{');
	put_members(a, target, total, out);
	buf_puts(out, ",\"attempts\":[");
	for (size_t i = 0; i < attempts_n; i++) {
		buf_puts(out, i > 0 ? "," : "");
		json_attempt(out, a->r->parts[0], &attempts[i]);
	}
	buf_puts(out, "],\"evidence\":[");
	put_evidence(a, &target->baseline, evidence, evidence_n, out);
	buf_putc(out, ']');
}

static void on_ordered(void *arg, enum err err, const char *detail, const char *id);

static void on_target(void *arg, enum err err, uint64_t revision, const struct target_view *target,
                      const struct attempt_row *attempts, size_t attempts_n,
                      const struct evidence_row *evidence, size_t evidence_n,
                      const struct campaign_row *campaign)
{
	struct ask *a = arg;
	struct request *r = a->r;
	struct buf body = BUF_INIT;

	if (err == ERR_CONFLICT) {
		reply_problem(r, PROBLEM_AMBIGUOUS_DEVICE, "say which with ?hub=");
	} else if (err != ERR_OK) {
		reply_err(r, err, NULL);
	} else if (target == NULL || campaign == NULL) {
		reply_problem(r, PROBLEM_NOT_FOUND, "the campaign has no such target");
	} else if (a->order >= 0) {
		a->filter.hub = target->row.hub;
		conductor_target_order(r->context->conductor, r->parts[0], r->parts[1], a->filter.hub,
		                       (enum target_order)a->order, r->who.name, on_ordered, a);
		return;
	} else {
		campaigns_waiting(r->context->conductor, campaign, &a->waiting);
		put_target(a, target, campaign->counts.total, attempts, attempts_n, evidence, evidence_n,
		           &body);
		buf_printf(&body, ",\"revision\":%llu}", (unsigned long long)revision);
		reply_json(r, 200, &body);
	}
	ask_end(a);
}

static void read_target(struct ask *a)
{
	store_read_target(a->r->context->store, a->filter.campaign, a->r->parts[1], a->filter.hub, on_target,
	                  a);
}

static void on_ordered(void *arg, enum err err, const char *detail, const char *id)
{
	struct ask *a = arg;

	(void)id;
	a->order = -1;
	if (err == ERR_OK) {
		read_target(a);
		return;
	}
	reply_err(a->r, err, detail);
	ask_end(a);
}

static void on_one_campaign(void *arg, enum err err, uint64_t revision, const struct campaign_row *rows,
                            size_t n, bool has_more)
{
	struct ask *a = arg;

	(void)revision;
	(void)has_more;
	if (!campaigns_found(a->r, err, n)) {
		ask_end(a);
		return;
	}
	campaigns_read_spec(rows, &a->spec);
	a->filter.campaign = rows->no;
	if (filter_hub(a)) {
		read_target(a);
		return;
	}
	reply_problem(a->r, PROBLEM_NOT_FOUND, "the campaign has no such hub");
	ask_end(a);
}

static void begin_one(struct request *r, int order)
{
	struct ask *a = ask_new(r);

	a->order = order;
	store_read_campaign(r->context->store, r->parts[0], on_one_campaign, a);
}

void targets_get(struct request *r)
{
	begin_one(r, -1);
}

void targets_skip(struct request *r)
{
	begin_one(r, TARGET_ORDER_SKIP);
}

void targets_retry(struct request *r)
{
	begin_one(r, TARGET_ORDER_RETRY);
}
