/* api: handlers of targets. See handlers.h */
#include "api/handlers.h"

#include "api/json.h"
#include "api/page.h"
#include "api/request.h"
#include "api/target_ask.h"
#include "store/store.h"

static void put_members(const struct target_ask *a, const struct target_view *target, uint32_t total,
                        struct buf *out)
{
	struct target_context context;

	target_ask_context(a, &target->row, total, &context);
	json_target_members(out, target, &context);
}

/* ---- the list ---- */

static void on_targets(void *arg, enum err err, uint64_t revision, const struct target_view *rows, size_t n,
                       bool has_more, const struct campaign_row *campaign)
{
	struct target_ask *a = arg;
	struct buf *out;
	struct page p;
	bool is_last;
	size_t i = 0;

	if (!campaigns_found(a->r, err, campaign != NULL)) {
		target_ask_end(a);
		return;
	}
	page_begin(&p, a->r);
	for (; i < n && p.n < a->limit && page_has_room(&p) && rows[i].row.no < a->to_no; i++) {
		if (!target_ask_takes(a, &rows[i].row))
			continue;
		out = page_item(&p);
		buf_putc(out, '{');
		put_members(a, &rows[i], campaign->counts.total, out);
		buf_putc(out, '}');
	}
	is_last = i < n ? rows[i].row.no >= a->to_no
	                : !has_more || i == 0 || rows[i - 1].row.no + 1 >= a->to_no;
	page_close(&p, i > 0 && !is_last, i > 0 ? rows[i - 1].row.no + UINT64_C(1) : 0);
	page_send(&p, revision);
	target_ask_end(a);
}

static void on_list_campaign(void *arg, enum err err, uint64_t revision, const struct campaign_row *rows,
                             size_t n, bool has_more)
{
	struct target_ask *a = arg;

	(void)revision;
	(void)has_more;
	if (!campaigns_found(a->r, err, n)) {
		target_ask_end(a);
		return;
	}
	target_ask_campaign(a, rows);
	store_read_targets(a->r->context->store, &a->filter, on_targets, a);
}

void targets_list(struct request *r)
{
	struct target_ask *a = target_ask_new(r);
	struct faults faults = FAULTS_INIT;
	uint64_t from = 0;

	request_page(r, &a->limit, &from, &faults);
	if (!target_ask_read(a, &faults)) {
		target_ask_end(a);
		return;
	}
	a->filter.from_no = (uint32_t)from;
	a->filter.limit = a->limit;
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
static void put_evidence(const struct target_ask *a, const struct baseline *baseline,
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

static void put_target(const struct target_ask *a, const struct target_view *target, uint32_t total,
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
	struct target_ask *a = arg;
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
		request_sign(r, NULL);
		conductor_target_order(r->context->conductor, r->parts[0], r->parts[1], a->filter.hub,
		                       (enum target_order)a->order, r->who.name, on_ordered, a);
		conductor_sign(r->context->conductor, NULL);
		return;
	} else {
		campaigns_waiting(r->context->conductor, campaign, &a->waiting);
		put_target(a, target, campaign->counts.total, attempts, attempts_n, evidence, evidence_n,
		           &body);
		buf_printf(&body, ",\"revision\":%llu}", (unsigned long long)revision);
		reply_json(r, 200, &body);
	}
	target_ask_end(a);
}

static void read_target(struct target_ask *a)
{
	store_read_target(a->r->context->store, a->filter.campaign, a->r->parts[1], a->filter.hub, on_target,
	                  a);
}

static void on_ordered(void *arg, enum err err, const char *detail, const char *id)
{
	struct target_ask *a = arg;

	(void)id;
	a->order = -1;
	if (err == ERR_OK) {
		read_target(a);
		return;
	}
	reply_err(a->r, err, detail);
	target_ask_end(a);
}

static void on_one_campaign(void *arg, enum err err, uint64_t revision, const struct campaign_row *rows,
                            size_t n, bool has_more)
{
	struct target_ask *a = arg;

	(void)revision;
	(void)has_more;
	if (!campaigns_found(a->r, err, n)) {
		target_ask_end(a);
		return;
	}
	campaigns_read_spec(rows, &a->spec);
	a->filter.campaign = rows->no;
	if (target_ask_hub(a)) {
		read_target(a);
		return;
	}
	reply_problem(a->r, PROBLEM_NOT_FOUND, "the campaign has no such hub");
	target_ask_end(a);
}

static void begin_one(struct request *r, int order)
{
	struct target_ask *a = target_ask_new(r);

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
