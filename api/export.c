/* api: all targets of a campaign as CSV, in one snapshot, streamed: a page is read when the client has taken
 * the one before, so that a million of them take no more memory than one page. See handlers.h */
#include "api/handlers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/csv.h"
#include "api/request.h"
#include "api/target_ask.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "store/store.h"

#define PAGE_TARGETS 250 /* some 32 KiB of text */
/* While an export goes on, the database keeps what is overwritten; so there are few, and each must end. */
#define EXPORTS_MAX 4
#define EXPORT_MAX_MS ((int64_t)15 * 60 * 1000)

/*   campaign ──▶ view ──▶ its row in that view ──▶ 200 ──▶ page ⇄ room ──▶ end */
struct csv_export {
	struct target_ask *ask;
	struct request *request; /* NULL: the client is gone, only a read is still out */
	struct context *context;
	struct store_view *view; /* NULL: not open yet */
	int64_t until_mono_ms;
	bool is_reading;
	uint32_t total; /* of the campaign's targets */
};

static void export_free(struct csv_export *e)
{
	if (e->view != NULL)
		store_view_close(e->context->store, e->view);
	target_ask_end(e->ask);
	if (--e->context->exports_n == 0 && e->context->on_settled != NULL)
		e->context->on_settled(e->context);
	free(e);
}

static void put_header(struct buf *out)
{
	static const char *const columns[] = {"deviceId", "hub",          "wave",       "group",
	                                      "state",    "reason",       "waitingFor", "nextAt",
	                                      "attempt",  "methodStatus", "changedAt"};

	for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
		csv_text(out, columns[i]);
	csv_end(out);
}

static void put_target(const struct csv_export *e, const struct target_view *target, struct buf *out)
{
	const struct target_row *row = &target->row;
	struct target_context context;

	target_ask_context(e->ask, row, e->total, &context);
	csv_text(out, target->device_id);
	csv_text(out, context.hub);
	csv_number(out, context.wave);
	csv_text(out, target->group);
	csv_text(out, target_state_text((enum target_state)row->state));
	csv_text(out, reason_text((enum reason)row->reason));
	csv_text(out, wait_text(context.waiting_for));
	csv_time(out, context.next_at_ms);
	csv_number(out, row->attempts);
	if (row->method_status != 0)
		csv_number(out, row->method_status);
	else
		csv_text(out, NULL);
	csv_time(out, row->changed_at_ms);
	csv_end(out);
}

static void on_page(void *arg, enum err err, uint64_t revision, const struct target_view *rows, size_t n,
                    bool has_more, const struct campaign_row *campaign);

static void read_page(struct csv_export *e)
{
	e->is_reading = true;
	store_read_targets(e->context->store, &e->ask->filter, on_page, e);
}

static void on_page(void *arg, enum err err, uint64_t revision, const struct target_view *rows, size_t n,
                    bool has_more, const struct campaign_row *campaign)
{
	struct csv_export *e = arg;
	struct target_ask *a = e->ask;
	struct buf text = BUF_INIT;

	(void)revision;
	(void)campaign;
	e->is_reading = false;
	if (e->request == NULL) {
		export_free(e);
		return;
	}
	if (err != ERR_OK) {
		httpd_stream_break(e->request->exchange); /* the store has logged why */
		return;
	}
	for (size_t i = 0; i < n && rows[i].row.no < a->to_no; i++)
		if (target_ask_takes(a, &rows[i].row))
			put_target(e, &rows[i], &text);
	has_more = has_more && rows[n - 1].row.no + 1 < a->to_no;
	if (has_more)
		a->filter.from_no = rows[n - 1].row.no + 1;
	if (text.len > 0)
		httpd_stream_put(e->request->exchange, text.data, text.len);
	else if (has_more)
		read_page(e); /* none of that page was wanted, so that nobody will ask for more */
	buf_done(&text);
	if (!has_more)
		httpd_stream_end(e->request->exchange);
}

static void on_room(struct request *r)
{
	struct csv_export *e = r->stream;

	if (e->is_reading)
		return; /* on_page() puts more */
	if (clock_mono_ms() < e->until_mono_ms) {
		read_page(e);
		return;
	}
	log_warn("export of targets took too long", LS("request", r->id), LS("campaign", r->parts[0]));
	httpd_stream_break(r->exchange);
}

static void on_end(struct request *r)
{
	struct csv_export *e = r->stream;

	e->request = NULL;
	if (!e->is_reading)
		export_free(e);
}

static const struct streamer streamer = {on_room, on_end};

/* Replies with a problem before anything was streamed. */
static void give_up(struct csv_export *e, enum err err, bool is_there)
{
	if (campaigns_found(e->request, err, is_there))
		abort(); /* then there was nothing to give up */
	export_free(e);
}

static void on_view_campaign(void *arg, enum err err, uint64_t revision, const struct target_view *rows,
                             size_t n, bool has_more, const struct campaign_row *campaign)
{
	struct csv_export *e = arg;
	struct target_filter *f = &e->ask->filter;
	struct buf text = BUF_INIT;
	char value[96];

	(void)rows;
	(void)n;
	(void)has_more;
	if (err != ERR_OK || campaign == NULL) {
		give_up(e, err, campaign != NULL);
		return;
	}
	f->from_no = 0;
	f->limit = PAGE_TARGETS;
	target_ask_campaign(e->ask, campaign);
	e->total = campaign->counts.total;
	snprintf(value, sizeof value, "%" PRIu64, revision);
	reply_header(e->request, "X-Revision", value);
	snprintf(value, sizeof value, "attachment; filename=\"targets-%s.csv\"", campaign->id);
	reply_header(e->request, "Content-Disposition", value);
	reply_stream(e->request, "text/csv; charset=utf-8; header=present", &streamer, e);
	put_header(&text);
	httpd_stream_put(e->request->exchange, text.data, text.len);
	buf_done(&text);
}

static void on_view(void *arg, enum err err, struct store_view *view)
{
	struct csv_export *e = arg;

	if (err != ERR_OK) {
		give_up(e, err, true);
		return;
	}
	e->view = e->ask->filter.view = view;
	e->ask->filter.from_no = UINT32_MAX; /* only the campaign, as it is in the view */
	e->ask->filter.limit = 1;
	store_read_targets(e->context->store, &e->ask->filter, on_view_campaign, e);
}

static void on_campaign(void *arg, enum err err, uint64_t revision, const struct campaign_row *rows, size_t n,
                        bool has_more)
{
	struct csv_export *e = arg;

	(void)revision;
	(void)has_more;
	if (err != ERR_OK || n == 0) {
		give_up(e, err, n > 0);
		return;
	}
	e->ask->filter.campaign = rows->no;
	store_view_open(e->context->store, on_view, e);
}

void targets_export(struct request *r)
{
	struct target_ask *ask = target_ask_new(r);
	struct faults faults = FAULTS_INIT;
	struct csv_export *e;

	if (!target_ask_read(ask, &faults)) {
		target_ask_end(ask);
		return;
	}
	if (r->context->exports_n >= EXPORTS_MAX) {
		reply_problem(r, PROBLEM_TOO_MANY_STREAMS, "%d exports are under way", EXPORTS_MAX);
		target_ask_end(ask);
		return;
	}
	r->context->exports_n++;
	e = xcalloc(1, sizeof *e);
	e->ask = ask;
	e->request = r;
	e->context = r->context;
	e->until_mono_ms = clock_mono_ms() + EXPORT_MAX_MS;
	store_read_campaign(r->context->store, r->parts[0], on_campaign, e);
}
