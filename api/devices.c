/* api: handler of a device's history over all campaigns. See handlers.h */
#include "api/handlers.h"

#include "api/json.h"
#include "api/request.h"
#include "store/store.h"

static void on_history(void *arg, enum err err, uint64_t revision, const struct target_view *rows,
                       const char *const *campaign_ids, size_t n, bool has_more)
{
	struct request *r = arg;
	struct buf body = BUF_INIT;

	if (err != ERR_OK) {
		reply_err(r, err, NULL);
		return;
	}
	buf_puts(&body, "{\"value\":[");
	for (size_t i = 0; i < n; i++) {
		buf_puts(&body, i > 0 ? "," : "");
		json_past(&body, &rows[i], campaign_ids[i]);
	}
	buf_putc(&body, ']');
	if (has_more && n > 0)
		request_put_next_cursor(r, rows[n - 1].row.campaign, &body);
	buf_printf(&body, ",\"revision\":%llu}", (unsigned long long)revision);
	reply_json(r, 200, &body);
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
