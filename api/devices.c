/* api: handler of a device's history over all campaigns. See handlers.h */
#include "api/handlers.h"

#include "api/json.h"
#include "api/page.h"
#include "api/request.h"
#include "store/store.h"

static void on_history(void *arg, enum err err, uint64_t revision, const struct target_view *rows,
                       const char *const *campaign_ids, size_t n, bool has_more)
{
	struct request *r = arg;
	struct page p;

	if (err != ERR_OK) {
		reply_err(r, err, NULL);
		return;
	}
	page_begin(&p, r);
	for (size_t i = 0; i < n && page_has_room(&p); i++)
		json_past(page_item(&p), &rows[i], campaign_ids[i]);
	has_more = has_more || p.n < n;
	page_close(&p, has_more, p.n > 0 ? rows[p.n - 1].row.campaign : 0);
	page_send(&p, revision);
}

void devices_history(struct request *r)
{
	struct faults faults = FAULTS_INIT;
	uint64_t before = 0;
	uint32_t limit;

	request_page(r, &limit, &before, &faults);
	if (faults.n > 0) {
		reply_faults(r, PROBLEM_PARAMETER, &faults);
		return;
	}
	store_read_history(r->context->store, r->parts[0], (uint32_t)before, limit, on_history, r);
}
