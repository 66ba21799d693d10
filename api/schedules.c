/* api: handlers of schedules, but for what makes something (create.c). See handlers.h */
#include "api/handlers.h"

#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/page.h"
#include "api/request.h"
#include "store/store.h"

#define OCCURRENCES_DEFAULT 10

bool schedules_found(struct request *r, enum err err, size_t n)
{
	return request_found(r, err, n == 1, "there is no such schedule");
}

void schedules_reply(struct request *r, unsigned status, const struct schedule_row *row, uint64_t revision)
{
	struct buf body = BUF_INIT;
	char etag[ETAG_SIZE];

	json_schedule(&body, row, revision);
	reply_header(r, "ETag", json_etag(row->revision, etag));
	reply_json(r, status, &body);
}

bool schedules_read_spec(struct request *r, struct schedule_spec *ret)
{
	struct faults faults = FAULTS_INIT;
	struct campaign_spec campaign;
	char reason[SPEC_REASON_SIZE];
	size_t len, at;
	const char *body = httpd_body(r->exchange, &len);
	enum err err = schedule_spec_parse(body, len, ret, &campaign, &faults, &at, reason);

	if (err == ERR_OK)
		conductor_schedule_check(r->context->conductor, ret, &campaign, &faults);
	spec_done(&campaign);
	if (err == ERR_OK && faults.n == 0) {
		httpd_body_drop(r->exchange);
		return true;
	}
	schedule_spec_done(ret);
	reply_bad_body(r, &faults, at, reason);
	return false;
}

/* ---- one ---- */

static void on_one(void *arg, enum err err, uint64_t revision, const struct schedule_row *rows, size_t n,
                   bool has_more)
{
	struct request *r = arg;

	(void)has_more;
	if (schedules_found(r, err, n))
		schedules_reply(r, 200, rows, revision);
}

void schedules_get(struct request *r)
{
	struct schedule_filter f = {.id = r->parts[0], .limit = 1};

	store_read_schedules(r->context->store, &f, on_one, r);
}

static void on_ordered(void *arg, enum err err, const char *detail, const char *id)
{
	struct request *r = arg;

	(void)id;
	if (err == ERR_OK)
		schedules_get(r);
	else
		reply_err(r, err, detail);
}

static void give_order(struct request *r, enum schedule_order order, conductor_done_cb *on_done)
{
	request_sign(r, NULL);
	conductor_schedule_order(r->context->conductor, r->parts[0], order, r->who.name, on_done, r);
	conductor_sign(r->context->conductor, NULL);
}

void schedules_pause(struct request *r)
{
	give_order(r, SCHEDULE_PAUSE, on_ordered);
}

void schedules_resume(struct request *r)
{
	give_order(r, SCHEDULE_RESUME, on_ordered);
}

/* Whether If-Match names the schedule as it is; else it has replied. */
static bool is_current(struct request *r, uint32_t *ret_revision)
{
	char etag[ETAG_SIZE];

	if (!request_has_if_match(r))
		return false;
	if (conductor_schedule_revision(r->context->conductor, r->parts[0], ret_revision))
		return request_is_current(r, json_etag(*ret_revision, etag));
	reply_problem(r, PROBLEM_NOT_FOUND, "there is no such schedule");
	return false;
}

void schedules_put(struct request *r)
{
	struct schedule_spec spec;
	uint32_t revision;

	if (!is_current(r, &revision) || !schedules_read_spec(r, &spec))
		return;
	request_sign(r, spec.name);
	conductor_schedule_replace(r->context->conductor, r->parts[0], revision, &spec, r->who.name,
	                           on_ordered, r);
	conductor_sign(r->context->conductor, NULL);
}

static void on_deleted(void *arg, enum err err, const char *detail, const char *id)
{
	(void)id;
	if (err == ERR_OK)
		reply_empty(arg, 204);
	else
		reply_err(arg, err, detail);
}

void schedules_delete(struct request *r)
{
	give_order(r, SCHEDULE_DELETE, on_deleted);
}

/* ---- occurrences ---- */

void schedules_occurrences(struct request *r)
{
	const char *after = request_param(r, "after");
	int64_t after_ms = TIME_NONE;
	uint64_t count = OCCURRENCES_DEFAULT;
	struct faults faults = FAULTS_INIT;
	struct occurrence_view *all;
	struct page p;
	size_t n = 0;

	request_param_u64(r, "count", 1, 1000, &count, &faults);
	if (after != NULL && !time_parse(after, strlen(after), false, &after_ms))
		faults_add(&faults, "after", "must be a time like 2026-12-01T02:00:00Z");
	if (faults.n > 0) {
		reply_faults(r, PROBLEM_PARAMETER, &faults);
		return;
	}
	all = xcalloc(count, sizeof *all);
	if (conductor_occurrences(r->context->conductor, r->parts[0], after_ms, count, all, &n) == ERR_OK) {
		page_begin(&p, r);
		for (size_t i = 0; i < n; i++)
			json_occurrence(page_item(&p), &all[i]);
		page_close(&p, false, 0);
		page_send_as_is(&p);
	} else {
		reply_problem(r, PROBLEM_NOT_FOUND, "there is no such schedule");
	}
	free(all);
}

/* ---- the list ---- */

static void on_list(void *arg, enum err err, uint64_t revision, const struct schedule_row *rows, size_t n,
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
		json_schedule(page_item(&p), &rows[i], revision);
	has_more = has_more || p.n < n;
	page_close(&p, has_more, p.n > 0 ? rows[p.n - 1].no : 0);
	page_send(&p, revision);
}

void schedules_list(struct request *r)
{
	struct schedule_filter f = {.name = request_param(r, "name")};
	struct faults faults = FAULTS_INIT;
	uint64_t before = 0;

	request_page(r, &f.limit, &before, &faults);
	if (faults.n > 0) {
		reply_faults(r, PROBLEM_PARAMETER, &faults);
		return;
	}
	f.before_no = (uint32_t)before;
	store_read_schedules(r->context->store, &f, on_list, r);
}
