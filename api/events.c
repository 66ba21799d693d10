/* api: handlers of events, as JSON pages. See handlers.h */
#include "api/handlers.h"

#include <inttypes.h>
#include <stdio.h>

#include "api/json.h"
#include "api/page.h"
#include "api/request.h"
#include "store/store.h"

static void on_events(void *arg, enum err err, uint64_t revision, const struct event *rows,
                      const char *const *campaign_ids, size_t n, bool has_more, uint64_t first_kept_id,
                      uint64_t last_id)
{
	struct request *r = arg;
	struct page p;
	char after[24];

	if (err != ERR_OK) {
		reply_err(r, err, NULL);
		return;
	}
	page_begin(&p, r);
	for (size_t i = 0; i < n && page_has_room(&p); i++)
		json_event(page_item(&p), &rows[i], campaign_ids[i]);
	page_close(&p, false, 0);
	if (p.n > 0 && (has_more || p.n < n)) {
		snprintf(after, sizeof after, "%" PRIu64, rows[p.n - 1].id);
		request_put_next(r, "after", after, &p.body);
	}
	buf_printf(&p.body, ",\"firstKeptId\":%" PRIu64 ",\"lastId\":%" PRIu64, first_kept_id, last_id);
	page_send(&p, revision);
}

/* Gives whether the parameters are sound; else it has replied. */
static bool read_params(struct request *r, uint64_t *ret_after, uint64_t *ret_limit)
{
	struct faults faults = FAULTS_INIT;

	*ret_after = 0;
	*ret_limit = LIST_LIMIT_DEFAULT;
	request_param_u64(r, "after", 0, INT64_MAX, ret_after, &faults);
	request_param_u64(r, "limit", 1, LIST_LIMIT_MAX, ret_limit, &faults);
	if (faults.n == 0)
		return true;
	reply_faults(r, PROBLEM_PARAMETER, &faults);
	return false;
}

static void read_events(struct request *r, uint32_t campaign)
{
	uint64_t after, limit;

	if (read_params(r, &after, &limit))
		store_read_events(r->context->store, campaign, after, (uint32_t)limit, on_events, r);
}

void events_list(struct request *r)
{
	read_events(r, 0);
}

static void on_campaign(void *arg, enum err err, uint64_t revision, const struct campaign_row *rows, size_t n,
                        bool has_more)
{
	(void)revision;
	(void)has_more;
	if (campaigns_found(arg, err, n))
		read_events(arg, rows->no);
}

void events_of_campaign(struct request *r)
{
	store_read_campaign(r->context->store, r->parts[0], on_campaign, r);
}
