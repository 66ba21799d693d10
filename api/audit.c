/* api: the record of orders, the newest first. See handlers.h */
#include "api/handlers.h"
#include "api/json.h"
#include "api/request.h"
#include "store/store.h"

static void on_audit(void *arg, enum err err, uint64_t revision, const struct audit_row *rows, size_t n,
                     bool has_more)
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
		json_audit(&body, &rows[i]);
	}
	buf_putc(&body, ']');
	if (has_more)
		request_put_next_cursor(r, rows[n - 1].no, &body);
	buf_printf(&body, ",\"revision\":%llu}", (unsigned long long)revision);
	reply_json(r, 200, &body);
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
