/* api: handlers of the service itself: hubs, health, and the description of the API. See handlers.h */
#include "api/handlers.h"

#include "api/gzip.h"
#include "api/json.h"
#include "api/page.h"
#include "api/request.h"

#include "api/openapi.inc" /* openapi_gzip, OPENAPI_BYTES */

void system_hubs(struct request *r)
{
	const struct conductor *c = r->context->conductor;
	struct hub_view view;
	struct page p;

	page_begin(&p, r);
	for (uint32_t i = 0; i < conductor_hubs_n(c); i++) {
		conductor_hub(c, i, &view);
		json_hub(page_item(&p), &view);
	}
	page_close(&p, false, 0);
	page_send_as_is(&p);
}

void system_get(struct request *r)
{
	struct buf body = BUF_INIT;

	buf_puts(&body, "{\"version\":");
	buf_json(&body, ROLLCALL_VERSION);
	buf_puts(&body, ",\"tzdata\":");
	buf_json(&body, conductor_tzdata(r->context->conductor));
	buf_putc(&body, '}');
	reply_json(r, 200, &body);
}

static void reply_status(struct request *r, const char *status)
{
	struct buf body = BUF_INIT;

	buf_printf(&body, "{\"status\":\"%s\"}", status);
	reply_json(r, 200, &body);
}

void system_live(struct request *r)
{
	reply_status(r, "live");
}

void system_ready(struct request *r)
{
	if (conductor_is_draining(r->context->conductor))
		reply_problem(r, PROBLEM_DRAINING, "no new orders are taken");
	else
		reply_status(r, "ready");
}

void system_openapi(struct request *r)
{
	struct buf body = BUF_INIT;

	reply_header(r, "Vary", "Accept-Encoding");
	if (request_takes_gzip(r)) {
		reply_header(r, "Content-Encoding", "gzip");
		buf_put(&body, openapi_gzip, sizeof openapi_gzip);
	} else {
		gzip_open(&body, openapi_gzip, sizeof openapi_gzip, OPENAPI_BYTES);
	}
	reply(r, 200, "application/yaml", &body);
}
