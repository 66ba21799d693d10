/* tests/hubsim: see rest.h */
#include "tests/hubsim/rest.h"

#include <stdlib.h>
#include <time.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/rng.h"

#define BODY_BYTES_MAX \
	(8u << 20) /* above a bulk request of 100 full twins; less is the world's to refuse \
	            */

struct rest {
	uv_loop_t *loop;
	struct world *world;
	struct auth *auth;
	struct http *http;
	int64_t clock_offset_ms;
	struct rng rng; /* for tracking ids, which nobody compares */
	int64_t date_s; /* date is the text of this second */
	char date[64];
	struct buf headers; /* of the answer in hand */
};

static const char *date_text(struct rest *r, int64_t now_ms)
{
	time_t now_s = (time_t)(now_ms / 1000);
	struct tm tm;

	if (now_s != r->date_s) {
		gmtime_r(&now_s, &tm);
		strftime(r->date, sizeof r->date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
		r->date_s = now_s;
	}
	return r->date;
}

static void header(struct rest *r, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_puts(&r->headers, name);
	buf_puts(&r->headers, ": ");
	buf_puts(&r->headers, value);
	buf_puts(&r->headers, "\r\n");
}

/* The headers seen on every answer of a real hub (contract 2.5). */
static void headers_start(struct rest *r, int64_t now_ms, bool has_body)
{
	buf_reset(&r->headers);
	if (has_body)
		header(r, "Content-Type", "application/json; charset=utf-8");
	header(r, "Date", date_text(r, now_ms));
	header(r, "Server", "Microsoft-HTTPAPI/2.0");
	header(r, "Vary", "Origin");
}

void rest_on_answer(void *arg, void *ticket, const struct world_answer *answer)
{
	struct rest *r = arg;
	char seconds[16];

	if (answer->is_cut) {
		http_cut(ticket);
		return;
	}
	headers_start(r, answer->date_ms, answer->body_bytes > 0);
	header(r, "x-ms-request-id", answer->tracking_id);
	header(r, "iothub-errorcode", answer->error_code);
	header(r, "x-ms-continuation", answer->continuation);
	header(r, "x-ms-item-type", answer->item_type);
	header(r, "ETag", answer->etag);
	if (answer->retry_after_s > 0) {
		snprintf(seconds, sizeof seconds, "%d", answer->retry_after_s);
		header(r, "Retry-After", seconds);
	}
	http_answer(ticket, answer->status, r->headers.data, answer->body, answer->body_bytes,
	            answer->closes);
}

/* Contract 1.5. */
static void answer_unauthorized(struct rest *r, struct http_exchange *x, int64_t now_ms)
{
	uint64_t high = rng_u64(&r->rng), low = rng_u64(&r->rng);
	time_t now_s = (time_t)(now_ms / 1000);
	char id[40], stamp[32], body[256];
	struct tm tm;
	int n;

	snprintf(id, sizeof id, "%08x-%04x-4%03x-8%03x-%012llx", (unsigned)(high >> 32),
	         (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xfff), (unsigned)(low >> 52),
	         (unsigned long long)(low & 0xffffffffffff));
	gmtime_r(&now_s, &tm);
	strftime(stamp, sizeof stamp, "%m/%d/%Y %H:%M:%S", &tm);
	n = snprintf(body, sizeof body,
	             "{\"Message\":\"ErrorCode:IotHubUnauthorizedAccess;Unauthorized\","
	             "\"ExceptionMessage\":\"Tracking ID:%s-G:2-TimeStamp:%s\"}",
	             id, stamp);
	headers_start(r, now_ms, true);
	header(r, "x-ms-request-id", id);
	header(r, "iothub-errorcode", "IotHubUnauthorizedAccess");
	http_answer(x, 401, r->headers.data, body, (size_t)n, false);
}

static void on_request(void *arg, struct http_exchange *x, const struct http_request *q)
{
	struct rest *r = arg;
	int64_t now_ms = (int64_t)uv_now(r->loop) + r->clock_offset_ms;
	struct world_request request = {
	        .method = q->method,
	        .path = q->target,
	        .continuation = q->header[HTTP_CONTINUATION],
	        .max_item_count = q->header[HTTP_MAX_ITEM_COUNT],
	        .if_match = q->header[HTTP_IF_MATCH],
	        .body = q->body,
	        .body_bytes = q->body_bytes,
	};

	if (auth_permits(r->auth, q->header[HTTP_AUTHORIZATION], q->method, q->target, now_ms))
		world_request(r->world, now_ms, &request, x);
	else
		answer_unauthorized(r, x, now_ms);
}

static void on_gone(void *arg, struct http_exchange *x)
{
	struct rest *r = arg;

	world_abandon(r->world, x);
}

struct rest *rest_new(uv_loop_t *loop, struct world *world, struct auth *auth, int64_t clock_offset_ms)
{
	static const struct http_events events = {on_request, on_gone};
	struct rest *r = xcalloc(1, sizeof *r);

	r->loop = loop;
	r->world = world;
	r->auth = auth;
	r->clock_offset_ms = clock_offset_ms;
	r->date_s = -1;
	rng_seed(&r->rng, (uint64_t)clock_now_ms());
	r->http = http_new(loop, BODY_BYTES_MAX, &events, r);
	return r;
}

struct http *rest_http(struct rest *r)
{
	return r->http;
}

void rest_free(struct rest *r)
{
	if (r == NULL)
		return;
	http_free(r->http);
	buf_done(&r->headers);
	free(r);
}
