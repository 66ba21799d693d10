/* api: handler of a campaign's groups. See handlers.h */
#include "api/handlers.h"

#include <stdlib.h>

#include "api/json.h"
#include "api/page.h"
#include "api/request.h"
#include "store/store.h"

/* Groups go by the campaign's number, so the campaign is read first. */
struct ask {
	struct request *r;
	uint32_t from, limit;
};

/* So many of those in the way are named. */
#define BLOCKS_MAX 20

struct blocks {
	struct buf *out;
	uint32_t n;
};

static void on_down(void *arg, const char *device_id, const char *campaign_id, const char *how,
                    int64_t since_ms)
{
	struct blocks *b = arg;

	if (b->n == BLOCKS_MAX)
		return;
	buf_puts(b->out, b->n++ > 0 ? "," : "");
	json_block(b->out, device_id, campaign_id, how, since_ms);
}

/* A group of a live campaign is as it is now; of one that is over, those that failed may not be back. */
static void put_group(const struct request *r, uint32_t campaign, const struct group_view *g, const char *hub,
                      struct buf *out)
{
	const struct conductor *c = r->context->conductor;
	uint32_t unavailable = g->state[TARGET_FAILED], max = UINT32_MAX;
	struct buf down = BUF_INIT;
	struct blocks blocks = {&down, 0};

	buf_puts(&down, "");
	if (conductor_group(c, campaign, g->group, &unavailable, &max) && unavailable >= max &&
	    g->state[TARGET_WAITING] > 0)
		conductor_group_down(c, campaign, g->group, on_down, &blocks);
	json_group(out, g, hub, unavailable, down.data);
	buf_done(&down);
}

static void on_groups(void *arg, enum err err, uint64_t revision, const struct group_view *rows, size_t n,
                      bool has_more, const struct campaign_row *campaign)
{
	struct request *r = arg;
	struct campaign_spec spec;
	struct page p;

	if (!campaigns_found(r, err, campaign != NULL))
		return;
	campaigns_read_spec(campaign, &spec);
	page_begin(&p, r);
	for (size_t i = 0; i < n && page_has_room(&p); i++)
		put_group(r, campaign->no, &rows[i],
		          rows[i].hub < spec.hubs.n ? spec.hubs.all[rows[i].hub] : NULL, page_item(&p));
	spec_done(&spec);
	has_more = has_more || p.n < n;
	page_close(&p, has_more, p.n > 0 ? rows[p.n - 1].group + UINT64_C(1) : 0);
	page_send(&p, revision);
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
