/* api: the record of orders, the newest first. See handlers.h */
#include "api/handlers.h"
#include "api/json.h"
#include "api/page.h"
#include "api/request.h"
#include "store/store.h"

static void on_audit(void *arg, enum err err, uint64_t revision, const struct audit_row *rows, size_t n,
                     bool has_more)
{
	struct request *r = arg;
	struct page p;

	if (err != ERR_OK) {
		reply_err(r, err, NULL);
		return;
	}
	page_begin(&p, r);
	for (size_t i = 0; i < n && page_has_room(&p); i++)
		json_audit(page_item(&p), &rows[i]);
	has_more = has_more || p.n < n;
	page_close(&p, has_more, p.n > 0 ? rows[p.n - 1].no : 0);
	page_send(&p, revision);
}

void audit_list(struct request *r)
{
	struct faults faults = FAULTS_INIT;
	uint64_t before_no = 0;
	uint32_t limit;

	request_page(r, &limit, &before_no, &faults);
	if (faults.n > 0)
		reply_faults(r, PROBLEM_PARAMETER, &faults);
	else
		store_read_audit(r->context->store, before_no, limit, on_audit, r);
}
