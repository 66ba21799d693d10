/* api: handlers of campaigns, but for making them (create.c). See handlers.h */
#include "api/handlers.h"

#include <string.h>

#include "api/json.h"
#include "api/page.h"
#include "api/request.h"
#include "store/store.h"

/* A spec may be large (what it excludes, its payload): a page of such ends early. */

/* ---- one campaign ---- */

/* What the store shows and what the conductor knows may be a commit apart: then the stored state tells. */
static enum wait wait_by_state(const struct campaign_row *row)
{
	switch (row->state) {
	case CAMPAIGN_SCHEDULED:
		return WAIT_START;
	case CAMPAIGN_SELECTING:
		return WAIT_SELECTION;
	case CAMPAIGN_AWAITING_APPROVAL:
		return WAIT_APPROVAL;
	case CAMPAIGN_PAUSED:
		return WAIT_PAUSED;
	case CAMPAIGN_RUNNING:
	case CAMPAIGN_CANCELLING:
	case CAMPAIGN_COMPLETED:
	case CAMPAIGN_CANCELLED:
	case CAMPAIGN_FAILED:
	case CAMPAIGN_STATES_N:
		break;
	}
	return WAIT_CAPACITY;
}

void campaigns_waiting(const struct conductor *c, const struct campaign_row *row,
                       struct campaign_waiting *ret)
{
	conductor_waiting(c, row->no, ret);
	if (ret->wait != WAIT_NONE || campaign_state_is_final(row->state))
		return;
	*ret = (struct campaign_waiting){
	        .wait = wait_by_state(row), .next_at_ms = TIME_NONE, .closed_from = UINT32_MAX};
	ret->overrides_own = ret->wait < WAIT_DEVICE;
}

bool campaigns_found(struct request *r, enum err err, size_t n)
{
	return request_found(r, err, n == 1, "there is no such campaign");
}

void campaigns_read_spec(const struct campaign_row *row, struct campaign_spec *ret)
{
	struct faults faults = FAULTS_INIT;
	char reason[SPEC_REASON_SIZE];
	size_t at;

	/* It was sound when it was stored; should it not be, it names neither hubs nor waves. */
	if (spec_parse(row->spec, strlen(row->spec), true, ret, &faults, &at, reason) != ERR_OK)
		spec_done(ret);
	faults_done(&faults);
}

static void put_campaign(const struct request *r, const struct campaign_row *row, uint64_t revision,
                         struct buf *out)
{
	const struct conductor *c = r->context->conductor;
	struct campaign_waiting waiting;
	struct campaign_spec spec;

	campaigns_waiting(c, row, &waiting);
	campaigns_read_spec(row, &spec);
	json_campaign(out, row, &spec, revision, &waiting,
	              campaign_state_is_final(row->state) ? TIME_NONE
	                                                  : conductor_predicted_finish(c, row->no));
	spec_done(&spec);
}

void campaigns_reply(struct request *r, unsigned status, const struct campaign_row *row, uint64_t revision)
{
	struct buf body = BUF_INIT;
	char etag[ETAG_SIZE];

	put_campaign(r, row, revision, &body);
	reply_header(r, "ETag", json_etag(row->spec_revision, etag));
	reply_json(r, status, &body);
}

static void on_one(void *arg, enum err err, uint64_t revision, const struct campaign_row *rows, size_t n,
                   bool has_more)
{
	struct request *r = arg;

	(void)has_more;
	if (campaigns_found(r, err, n))
		campaigns_reply(r, 200, rows, revision);
}

void campaigns_get(struct request *r)
{
	store_read_campaign(r->context->store, r->parts[0], on_one, r);
}

/* ---- orders ---- */

static void on_ordered(void *arg, enum err err, const char *detail, const char *id)
{
	struct request *r = arg;

	(void)id;
	if (err == ERR_OK)
		store_read_campaign(r->context->store, r->parts[0], on_one, r);
	else
		reply_err(r, err, detail);
}

static void give_order(struct request *r, enum order order)
{
	request_sign(r, NULL);
	conductor_order(r->context->conductor, r->parts[0], order, r->who.name, on_ordered, r);
	conductor_sign(r->context->conductor, NULL);
}

void campaigns_pause(struct request *r)
{
	give_order(r, ORDER_PAUSE);
}

void campaigns_resume(struct request *r)
{
	give_order(r, ORDER_RESUME);
}

void campaigns_cancel(struct request *r)
{
	give_order(r, ORDER_CANCEL);
}

void campaigns_approve(struct request *r)
{
	struct faults faults = FAULTS_INIT;
	char reason[JSON_REASON_SIZE];
	bool overrides = false;
	size_t len, at;
	const char *body = httpd_body(r->exchange, &len);

	if (json_approval(body, len, &overrides, &faults, &at, reason) == ERR_OK)
		give_order(r, overrides ? ORDER_OVERRIDE : ORDER_APPROVE);
	else
		reply_bad_body(r, &faults, at, reason);
}

/* ---- another spec ---- */

/* Gives whether the body makes a sound spec of old; else it has replied. */
static bool read_patch(struct request *r, const struct campaign_spec *old, struct campaign_spec *ret)
{
	struct faults faults = FAULTS_INIT;
	char reason[SPEC_REASON_SIZE];
	size_t len, at;
	const char *body = httpd_body(r->exchange, &len);
	enum err err = spec_patch(old, body, len, ret, &faults, &at, reason);

	if (err == ERR_OK)
		conductor_check(r->context->conductor, ret, &faults);
	if (err == ERR_OK && faults.n == 0)
		return true;
	spec_done(ret);
	reply_bad_body(r, &faults, at, reason);
	return false;
}

static void on_not_live(void *arg, enum err err, uint64_t revision, const struct campaign_row *rows, size_t n,
                        bool has_more)
{
	struct request *r = arg;

	(void)revision;
	(void)has_more;
	if (campaigns_found(r, err, n))
		reply_problem(r, PROBLEM_WRONG_STATE, "only a live campaign can be changed: it is %s",
		              campaign_state_text(rows->state));
}

void campaigns_patch(struct request *r)
{
	struct conductor *c = r->context->conductor;
	uint32_t revision;
	const struct campaign_spec *old = conductor_spec(c, r->parts[0], &revision);
	struct campaign_spec spec;
	char etag[ETAG_SIZE];
	size_t len;

	if (!request_has_if_match(r))
		return;
	if (old == NULL) {
		store_read_campaign(r->context->store, r->parts[0], on_not_live, r);
	} else if (request_is_current(r, json_etag(revision, etag)) && read_patch(r, old, &spec)) {
		request_sign(r, httpd_body(r->exchange, &len));
		conductor_respec(c, r->parts[0], revision, &spec, r->who.name, on_ordered, r);
		conductor_sign(c, NULL);
	}
}

/* ---- forgotten ---- */

static void on_deleted(void *arg, enum err err, const char *detail, const char *id)
{
	(void)id;
	if (err == ERR_OK)
		reply_empty(arg, 204);
	else
		reply_err(arg, err, detail);
}

void campaigns_delete(struct request *r)
{
	request_sign(r, NULL);
	conductor_delete(r->context->conductor, r->parts[0], r->who.name, on_deleted, r);
	conductor_sign(r->context->conductor, NULL);
}

/* ---- the list ---- */

static const char *state_name(int i)
{
	return campaign_state_text((enum campaign_state)i);
}

static void on_list(void *arg, enum err err, uint64_t revision, const struct campaign_row *rows, size_t n,
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
		put_campaign(r, &rows[i], revision, page_item(&p));
	has_more = has_more || p.n < n;
	page_close(&p, has_more, p.n > 0 ? rows[p.n - 1].no : 0);
	page_send(&p, revision);
}

void campaigns_list(struct request *r)
{
	struct campaign_filter f = {
	        .state = -1, .name = request_param(r, "name"), .schedule_id = request_param(r, "schedule")};
	struct faults faults = FAULTS_INIT;
	uint64_t before = 0;

	request_param_choice(r, "state", state_name, CAMPAIGN_STATES_N, &f.state, &faults);
	request_page(r, &f.limit, &before, &faults);
	if (faults.n > 0) {
		reply_faults(r, PROBLEM_PARAMETER, &faults);
		return;
	}
	f.before_no = (uint32_t)before;
	store_read_campaigns(r->context->store, &f, on_list, r);
}
