/* api: handler of a campaign's groups. See handlers.h */
#include "api/handlers.h"

#include <stdlib.h>

#include "api/json.h"
#include "api/request.h"
#include "store/store.h"

/* Groups go by the campaign's number, so the campaign is read first. */
struct ask {
	struct request *r;
	uint32_t from, limit;
};

static void on_groups(void *arg, enum err err, uint64_t revision, const struct group_view *rows, size_t n,
                      bool has_more, const struct campaign_row *campaign)
{
	struct request *r = arg;
	struct buf body = BUF_INIT;
	struct campaign_spec spec;

	if (!campaigns_found(r, err, campaign != NULL))
		return;
	campaigns_read_spec(campaign, &spec);
	buf_puts(&body, "{\"value\":[");
	for (size_t i = 0; i < n; i++) {
		buf_puts(&body, i > 0 ? "," : "");
		json_group(&body, &rows[i], rows[i].hub < spec.hubs.n ? spec.hubs.all[rows[i].hub] : NULL);
	}
	spec_done(&spec);
	buf_putc(&body, ']');
	if (has_more && n > 0)
		request_put_next_cursor(r, rows[n - 1].group + UINT64_C(1), &body);
	buf_printf(&body, ",\"revision\":%llu}", (unsigned long long)revision);
	reply_json(r, 200, &body);
}

static void on_campaign(void *arg, enum err err, uint64_t revision, const struct campaign_row *rows, size_t n,
                        bool has_more)
{
	struct ask *a = arg;

	(void)revision;
	(void)has_more;
	if (campaigns_found(a->r, err, n))
		store_read_groups(a->r->context->store, rows->no, a->from, a->limit, on_groups, a->r);
	free(a);
}

void groups_list(struct request *r)
{
	struct ask *a = xcalloc(1, sizeof *a);
	struct faults faults = FAULTS_INIT;
	uint64_t from = 0;

	a->r = r;
	request_page(r, &a->limit, &from, &faults);
	if (faults.n > 0) {
		reply_faults(r, PROBLEM_PARAMETER, &faults);
		free(a);
		return;
	}
	a->from = (uint32_t)from;
	store_read_campaign(r->context->store, r->parts[0], on_campaign, a);
}
