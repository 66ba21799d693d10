/* api: handlers of device lists. See handlers.h
 *
 *   PUT: head ──▶ RECEIVING ──all in, sound──▶ LOOKING_UP ──▶ MAKING ──durable──▶ READING ──▶ 200, 201
 *
 * The conductor is told of a list only once all of it is in and sound: until then the old one stays. */
#include "api/handlers.h"

#include <stdlib.h>
#include <strings.h>

#include "api/ids.h"
#include "api/json.h"
#include "api/request.h"
#include "server/campaign/spec.h"
#include "store/store.h"

#define IDS_AT_ONCE 4096

struct ask {
	struct request *r;
	uint32_t from, limit;
	bool is_new; /* PUT: there was none of the name */
};

static struct ask *ask_new(struct request *r)
{
	struct ask *a = xcalloc(1, sizeof *a);

	a->r = r;
	return a;
}

/* The end of a read of a list that must be there; false: it replied that there is none, or that it failed. */
MUST_CHECK static bool is_found(struct request *r, enum err err, uint32_t n_all)
{
	return request_found(r, err, n_all > 0, "no device list has this name");
}

/* ---- put ---- */

void lists_begin(struct request *r)
{
	const char *type = httpd_header(r->exchange, "Content-Type");

	if (!spec_is_list_name(r->parts[0])) {
		reply_problem(r, PROBLEM_MALFORMED,
		              "the name of a device list must be 1 to %d letters, digits or _ . -",
		              LIST_NAME_MAX);
		return;
	}
	r->ids = ids_new(strncasecmp(type, "text/csv", 8) == 0, rng_u64(&r->context->luck));
	r->context->lists_bytes += ids_bytes(r->ids);
	httpd_want_parts(r->exchange, LIST_BODY_MAX_BYTES);
}

void lists_forget(struct request *r)
{
	if (r->ids != NULL)
		r->context->lists_bytes -= ids_bytes(r->ids);
	ids_free(r->ids);
	r->ids = NULL;
}

void lists_part(struct request *r, const char *data, size_t n)
{
	size_t before = ids_bytes(r->ids);

	ids_put(r->ids, data, n);
	r->context->lists_bytes += ids_bytes(r->ids) - before;
	if (r->context->lists_bytes > r->context->lists_max_bytes) {
		lists_forget(r);
		reply_problem(r, PROBLEM_BUSY, "too many device lists are being received");
	}
}

/* READING ends. */
static void on_made_read(void *arg, enum err err, const char *const *ids, size_t n, uint32_t n_all,
                         int64_t at_ms, const char *by)
{
	struct ask *a = arg;
	struct request *r = a->r;
	struct buf body = BUF_INIT;

	(void)ids;
	(void)n;
	if (is_found(r, err, n_all)) {
		if (a->is_new)
			reply_header(r, "Location", r->path);
		buf_putc(&body, '{');
		json_list_members(&body, r->parts[0], n_all, at_ms, by);
		buf_putc(&body, '}');
		reply_json(r, a->is_new ? 201 : 200, &body);
	}
	free(a);
}

/* MAKING ends. */
static void on_made(void *arg, enum err err, const char *detail, const char *id)
{
	struct ask *a = arg;
	struct request *r = a->r;

	(void)id;
	if (err == ERR_OK) {
		store_read_list(r->context->store, r->parts[0], 0, 1, on_made_read, a);
		return;
	}
	reply_err(r, err, detail);
	free(a);
}

static void make(struct ask *a)
{
	struct request *r = a->r;
	struct conductor *c = r->context->conductor;
	const char *page[IDS_AT_ONCE];
	uint32_t n = ids_n(r->ids), page_n = 0;

	for (uint32_t i = 0; i < n; i++) {
		page[page_n++] = ids_at(r->ids, i);
		if (page_n == IDS_AT_ONCE || i + 1 == n) {
			conductor_list_ids(c, r->parts[0], page, page_n);
			page_n = 0;
		}
	}
	lists_forget(r);
	request_sign(r, NULL);
	conductor_list_end(c, r->parts[0], n, r->who.name, on_made, a);
	conductor_sign(c, NULL);
}

/* LOOKING_UP ends. */
static void on_looked_up(void *arg, enum err err, const char *const *ids, size_t n, uint32_t n_all,
                         int64_t at_ms, const char *by)
{
	struct ask *a = arg;
	struct request *r = a->r;

	(void)ids;
	(void)n;
	(void)at_ms;
	(void)by;
	a->is_new = n_all == 0;
	if (err == ERR_OK)
		err = conductor_list_begin(r->context->conductor, r->parts[0]);
	if (err == ERR_OK) {
		make(a);
		return;
	}
	lists_forget(r);
	if (err == ERR_BUSY)
		reply_problem(r, PROBLEM_WRONG_STATE, "this device list is being made already");
	else
		reply_err(r, err, NULL);
	free(a);
}

void lists_put(struct request *r)
{
	struct faults *faults = ids_end(r->ids);

	if (faults->n > 0) {
		reply_faults(r, PROBLEM_UNSOUND, faults);
		lists_forget(r);
		return;
	}
	store_read_list(r->context->store, r->parts[0], 0, 1, on_looked_up, ask_new(r));
}

/* ---- get ---- */

static void on_page(void *arg, enum err err, const char *const *ids, size_t n, uint32_t n_all, int64_t at_ms,
                    const char *by)
{
	struct ask *a = arg;
	struct request *r = a->r;
	struct buf body = BUF_INIT;

	if (is_found(r, err, n_all)) {
		buf_putc(&body, '{');
		json_list_members(&body, r->parts[0], n_all, at_ms, by);
		buf_puts(&body, ",\"value\":[");
		for (size_t i = 0; i < n; i++) {
			buf_puts(&body, i > 0 ? "," : "");
			buf_json(&body, ids[i]);
		}
		buf_putc(&body, ']');
		if (n > 0 && a->from + n < n_all)
			request_put_next_cursor(r, a->from + n, &body);
		buf_putc(&body, '}');
		reply_json(r, 200, &body);
	}
	free(a);
}

void lists_get(struct request *r)
{
	struct ask *a = ask_new(r);
	struct faults faults = FAULTS_INIT;
	uint64_t from = 0;

	request_page(r, &a->limit, &from, &faults);
	if (faults.n > 0) {
		reply_faults(r, PROBLEM_PARAMETER, &faults);
		free(a);
		return;
	}
	a->from = (uint32_t)from;
	store_read_list(r->context->store, r->parts[0], a->from, a->limit, on_page, a);
}

/* ---- delete ---- */

static void on_dropped(void *arg, enum err err, const char *detail, const char *id)
{
	(void)id;
	if (err == ERR_OK)
		reply_empty(arg, 204);
	else
		reply_err(arg, err, detail);
}

static void on_to_drop(void *arg, enum err err, const char *const *ids, size_t n, uint32_t n_all,
                       int64_t at_ms, const char *by)
{
	struct request *r = arg;

	(void)ids;
	(void)n;
	(void)at_ms;
	(void)by;
	if (is_found(r, err, n_all)) {
		request_sign(r, NULL);
		conductor_list_drop(r->context->conductor, r->parts[0], r->who.name, on_dropped, r);
		conductor_sign(r->context->conductor, NULL);
	}
}

void lists_delete(struct request *r)
{
	store_read_list(r->context->store, r->parts[0], 0, 1, on_to_drop, r);
}
