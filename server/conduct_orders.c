/* conductor: orders from the API; see conductor.h and conduct.h. */
#include "server/conduct.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"
#include "server/base/rng.h"
#include "server/hub/where.h"

/* A campaign that is made again does not end when the old one did, but as one without an end of its own. */
#define END_AFTER_S (30 * 86400)

/* Lets on_done be called after the commit that holds all that was fed so far. */
void conduct_answer_later(struct conductor *c, enum err err, const char *detail, const char *id,
                          conductor_done_cb *on_done, void *arg)
{
	struct waiter *w = xcalloc(1, sizeof *w);

	w->on_done = on_done;
	w->arg = arg;
	w->err = err;
	w->detail = detail != NULL ? xstrdup(detail) : NULL;
	snprintf(w->id, sizeof w->id, "%s", id);
	STAILQ_INSERT_TAIL(&c->waiters, w, link);
	conduct_wake(c);
}

static void check_predicate(const char *text, const char *pointer, struct faults *faults)
{
	struct where *w;
	const char *reason;
	size_t at;

	if (text == NULL)
		return;
	w = where_parse(text, strlen(text), &at, &reason);
	if (w == NULL)
		faults_add(faults, pointer, "%s (at character %zu)", reason, at + 1);
	where_free(w);
}

void conductor_check(const struct conductor *c, const struct campaign_spec *spec, struct faults *faults)
{
	char pointer[32];

	for (size_t i = 0; i < spec->hubs.n; i++)
		if (conduct_find_hub(c, spec->hubs.all[i]) < 0) {
			snprintf(pointer, sizeof pointer, "/hubs/%zu", i);
			faults_add(faults, pointer, "no hub named \"%s\" is configured", spec->hubs.all[i]);
		}
	check_predicate(spec->precheck.where, "/precheck/where", faults);
	if (spec->targets.by == TARGETS_WHERE)
		check_predicate(spec->targets.where, "/targets/where", faults);
	if (spec->verify.by == VERIFY_WHERE) {
		check_predicate(spec->verify.success, "/verify/success", faults);
		check_predicate(spec->verify.failure, "/verify/failure", faults);
	}
	if (spec->schedule.end_at_ms != TIME_NONE && spec->schedule.end_at_ms <= conduct_wall(c))
		faults_add(faults, "/schedule/endAt", "is in the past");
	conduct_windows_check(c, spec, faults);
}

bool conduct_is_full(const struct conductor *c, char why[96])
{
	uint32_t max = c->options.campaigns_max;

	if (max == 0 || HASH_COUNT(c->lives) < max)
		return false;
	snprintf(why, 96, "%u campaigns are not final, and no more may be (campaignsMax)", max);
	return true;
}

uint64_t conduct_luck(struct conductor *c)
{
	struct rng rng = {c->luck};
	uint64_t v = rng_u64(&rng);

	c->luck = rng.state;
	return v;
}

/* Fills in what a sound spec leaves to us, so that it is shown and kept. */
static void complete_spec(struct conductor *c, struct campaign_spec *spec)
{
	if (spec->hubs.n == 0) {
		spec->hubs.all = xcalloc(c->ports_n, sizeof *spec->hubs.all);
		for (; spec->hubs.n < c->ports_n; spec->hubs.n++)
			spec->hubs.all[spec->hubs.n] = xstrdup(c->ports[spec->hubs.n].name);
	}
	if (spec->targets.order == ORDER_SHUFFLED && !spec->targets.has_seed) {
		spec->targets.seed = conduct_luck(c) & SPEC_SEED_MAX;
		spec->targets.has_seed = true;
	}
}

static void tell_created(struct conductor *c, const struct campaign_row *row)
{
	struct buf detail = BUF_INIT;
	struct event event = {.at_ms = row->created_at_ms,
	                      .type = EVENT_CAMPAIGN,
	                      .campaign = row->no,
	                      .from = (uint8_t)row->state,
	                      .to = (uint8_t)row->state};

	buf_puts(&detail, "\"created\":true,\"by\":");
	buf_json(&detail, row->created_by);
	event.detail = detail.data;
	conduct_tell(c, &event);
	buf_done(&detail);
}

void conductor_create(struct conductor *c, struct campaign_spec *given,
                      const struct conductor_request *request, conductor_done_cb *on_done, void *arg)
{
	struct campaign_spec *spec = xmalloc(sizeof *spec);
	int64_t now_ms = conduct_now(c), wall_ms = conduct_wall(c); /* starts and ends are of the latter */
	struct campaign_row row = {.no = c->last_campaign + 1,
	                           .name = given->name,
	                           .spec_revision = 1,
	                           .state = CAMPAIGN_SELECTING,
	                           .state_reason = "",
	                           .created_by = request->by,
	                           .created_at_ms = now_ms,
	                           .started_at_ms = TIME_NONE,
	                           .finished_at_ms = TIME_NONE};
	struct buf text = BUF_INIT;
	struct live *live;
	char why[96] = "the service is stopping";

	*spec = *given;
	*given = (struct campaign_spec){0};
	if (c->is_draining || conduct_is_full(c, why)) {
		spec_done(spec);
		free(spec);
		conduct_answer_later(c, c->is_draining ? ERR_CLOSED : ERR_TOO_MANY, why, "", on_done, arg);
		return;
	}
	c->last_campaign++;
	complete_spec(c, spec);
	row.start_at_ms = spec->schedule.start_at_ms > wall_ms ? spec->schedule.start_at_ms : wall_ms;
	if (row.start_at_ms > wall_ms)
		row.state = CAMPAIGN_SCHEDULED;
	row.phase = row.state;
	row.end_at_ms = spec->schedule.end_at_ms != TIME_NONE
	                        ? spec->schedule.end_at_ms
	                        : row.start_at_ms + (int64_t)spec->schedule.end_after_s * 1000;
	if (request->retry_of != NULL)
		snprintf(row.retry_of, sizeof row.retry_of, "%s", request->retry_of);
	if (request->schedule_id != NULL)
		snprintf(row.schedule_id, sizeof row.schedule_id, "%s", request->schedule_id);
	row.occurrence_at_ms = request->schedule_id != NULL ? request->occurrence_at_ms : TIME_NONE;
	id_new(now_ms, conduct_luck(c), row.id);
	spec_render(spec, &text);
	row.spec = text.data;
	batch_campaign_add(c->batch, &row, (const char *const *)(uintptr_t)spec->hubs.all, spec->hubs.n);
	if (request->idempotency_key != NULL) {
		struct idempotency_row kept = {request->idempotency_key, request->body_hash, now_ms, row.id};

		batch_idempotency_add(c->batch, &kept);
	}
	live = conduct_live_new(c, &row, spec);
	conduct_windows_tell(c, live);
	conduct_schedules_live(c, row.schedule_id, 1);
	tell_created(c, &row);
	conduct_audit(c, row.id, "", campaign_state_text(row.state));
	if (spec->targets.by == TARGETS_IDS)
		select_ids(c, live, &spec->targets.ids, request);
	if (row.state == CAMPAIGN_SELECTING)
		select_begin(c, live);
	log_info("campaign created", LS("campaign", row.id), LS("name", row.name), LS("by", request->by));
	buf_done(&text);
	conduct_answer_later(c, ERR_OK, NULL, row.id, on_done, arg);
}

/* An order about a campaign that is not live: final, or there is none. */
struct late_order {
	struct conductor *c;
	enum order order;
	conductor_done_cb *on_done;
	void *arg;
};

static void on_late_order(void *arg, enum err err, uint64_t revision, const struct campaign_row *rows,
                          size_t n, bool has_more)
{
	struct late_order *o = arg;
	char detail[96];

	o->c->asked--;
	(void)revision;
	(void)has_more;
	if (err != ERR_OK) {
		o->on_done(o->arg, err, err_text(err), "");
	} else if (n == 0) {
		o->on_done(o->arg, ERR_NOT_FOUND, "no such campaign", "");
	} else if (o->order == ORDER_CANCEL && rows[0].state == CAMPAIGN_CANCELLED) {
		o->on_done(o->arg, ERR_OK, "", rows[0].id);
	} else {
		snprintf(detail, sizeof detail, "the campaign is %s", campaign_state_text(rows[0].state));
		o->on_done(o->arg, ERR_CONFLICT, detail, rows[0].id);
	}
	free(o);
}

/* Gives the campaign that an order is about; NULL where it is not live or the service stops: that is answered
 * here. */
static struct live *live_for(struct conductor *c, const char *campaign_id, enum order order,
                             conductor_done_cb *on_done, void *arg)
{
	struct live *live = conduct_live_by_id(c, campaign_id);

	if (c->is_draining) {
		conduct_answer_later(c, ERR_CLOSED, "the service is stopping", campaign_id, on_done, arg);
		return NULL;
	}
	if (live == NULL) {
		struct late_order *late = xmalloc(sizeof *late);

		*late = (struct late_order){c, order, on_done, arg};
		c->asked++;
		store_read_campaign(c->store, campaign_id, on_late_order, late);
	}
	return live;
}

/* Takes back what is unsent, and ends a selection that is cancelled. */
static void put_in_force(struct conductor *c, struct live *live, enum order order)
{
	if (order == ORDER_PAUSE || order == ORDER_CANCEL)
		conduct_withdraw(c, live->no);
	if (order == ORDER_CANCEL && live->found != NULL) {
		batch_pages_drop(c->batch, live->no);
		select_end(live);
	}
}

static enum campaign_state state_of(const struct conductor *c, const struct live *live)
{
	struct campaign_row row;
	enum err err = engine_campaign_row(c->engine, live->no, &row);

	assert(err == ERR_OK); /* live */
	(void)err;
	return row.state;
}

/* What is so already was not changed. */
static void audit_order(struct conductor *c, const struct live *live, enum order order,
                        enum campaign_state was)
{
	static const struct {
		const char *became;
		enum campaign_state already; /* CAMPAIGN_STATES_N: no state is */
	} orders[] = {[ORDER_PAUSE] = {"paused", CAMPAIGN_PAUSED},
	              [ORDER_RESUME] = {"resumed", CAMPAIGN_STATES_N},
	              [ORDER_CANCEL] = {"cancelling", CAMPAIGN_CANCELLING},
	              [ORDER_APPROVE] = {"approved", CAMPAIGN_STATES_N},
	              [ORDER_OVERRIDE] = {"approved, overriding the gate", CAMPAIGN_STATES_N}};

	if (was != orders[order].already && (order != ORDER_RESUME || was == CAMPAIGN_PAUSED))
		conduct_audit(c, live->id, campaign_state_text(was), orders[order].became);
}

void conductor_order(struct conductor *c, const char *campaign_id, enum order order, const char *by,
                     conductor_done_cb *on_done, void *arg)
{
	static const enum fact_kind kinds[] = {[ORDER_PAUSE] = FACT_PAUSE,
	                                       [ORDER_RESUME] = FACT_RESUME,
	                                       [ORDER_CANCEL] = FACT_CANCEL,
	                                       [ORDER_APPROVE] = FACT_APPROVE,
	                                       [ORDER_OVERRIDE] = FACT_APPROVE};
	struct live *live = live_for(c, campaign_id, order, on_done, arg);
	struct fact f = {.kind = kinds[order],
	                 .at_ms = conduct_now(c),
	                 .by = by,
	                 .is_override = order == ORDER_OVERRIDE};
	const char *why = "the campaign is ending already";
	enum campaign_state was;
	enum err err;

	if (live == NULL)
		return;
	was = state_of(c, live);
	f.campaign = live->no;
	err = conduct_feed(c, &f);
	if (err == ERR_OK) {
		put_in_force(c, live, order);
		audit_order(c, live, order, was);
	} else if (order == ORDER_APPROVE)
		why = "no gate waits for approval; one that failed opens only with \"override\": true";
	else if (order == ORDER_OVERRIDE)
		why = "no gate waits for approval or has failed";
	conduct_answer_later(c, err, err == ERR_OK ? NULL : why, live->id, on_done, arg);
}

void conductor_target_order(struct conductor *c, const char *campaign_id, const char *device_id, int hub,
                            enum target_order order, const char *by, conductor_done_cb *on_done, void *arg)
{
	struct live *live = live_for(c, campaign_id, ORDER_RESUME, on_done, arg);
	struct fact f = {.kind = order == TARGET_ORDER_SKIP ? FACT_SKIP : FACT_RETRY,
	                 .at_ms = conduct_now(c),
	                 .by = by};
	const char *why =
	        order == TARGET_ORDER_SKIP ? "the device does not wait" : "the device is in no back-off";
	enum err err = ERR_NOT_FOUND;

	if (live == NULL)
		return;
	f.campaign = live->no;
	if (engine_find(c->engine, live->no, device_id, hub, &f.no))
		err = conduct_feed(c, &f);
	else
		why = "the campaign has no such device";
	if (err == ERR_OK)
		conduct_audit(c, live->id, target_state_text(TARGET_WAITING),
		              order == TARGET_ORDER_SKIP ? target_state_text(TARGET_SKIPPED)
		                                         : "to be called again");
	if (err == ERR_OK)
		log_info("target ordered", LS("campaign", live->id), LS("device", device_id), LS("by", by),
		         LS("order", order == TARGET_ORDER_SKIP ? "skip" : "retry"));
	conduct_answer_later(c, err, err == ERR_OK ? NULL : why, live->id, on_done, arg);
}

/* ---- another spec ---- */

const struct campaign_spec *conductor_spec(const struct conductor *c, const char *campaign_id,
                                           uint32_t *ret_revision)
{
	const struct live *live = conduct_live_by_id(c, campaign_id);

	if (live == NULL)
		return NULL;
	*ret_revision = live->spec_revision;
	return live->spec;
}

void conductor_respec(struct conductor *c, const char *campaign_id, uint32_t revision,
                      struct campaign_spec *given, const char *by, conductor_done_cb *on_done, void *arg)
{
	struct live *live = conduct_live_by_id(c, campaign_id);
	struct campaign_spec *spec = xmalloc(sizeof *spec);
	struct campaign_row row;
	char was[32], became[32];
	enum err err;

	*spec = *given;
	*given = (struct campaign_spec){0};
	if (c->is_draining || live == NULL || live->spec_revision != revision) {
		spec_done(spec);
		free(spec);
		conduct_answer_later(c,
		                     c->is_draining ? ERR_CLOSED
		                     : live == NULL ? ERR_NOT_FOUND
		                                    : ERR_CONFLICT,
		                     c->is_draining ? "the service is stopping"
		                     : live == NULL ? "the campaign is not live"
		                                    : "the spec has changed meanwhile",
		                     campaign_id, on_done, arg);
		return;
	}
	err = engine_campaign_row(c->engine, live->no, &row);
	assert(err == ERR_OK); /* live */
	(void)err;
	if (campaign_state_is_final(row.state)) { /* which is on its way to the record */
		spec_done(spec);
		free(spec);
		conduct_answer_later(c, ERR_CONFLICT, "only a live campaign can be changed", campaign_id,
		                     on_done, arg);
		return;
	}
	engine_campaign_respec(c->engine, live->no, spec,
	                       spec->schedule.end_at_ms != TIME_NONE
	                               ? spec->schedule.end_at_ms
	                               : row.start_at_ms + (int64_t)spec->schedule.end_after_s * 1000);
	live->spec = spec;
	live->spec_revision++;
	conduct_windows_respec(c, live);
	live->must_write_spec = true;
	snprintf(was, sizeof was, "spec %u", revision);
	snprintf(became, sizeof became, "spec %u", live->spec_revision);
	conduct_audit(c, live->id, was, became);
	log_info("campaign changed", LS("campaign", live->id), LS("by", by));
	conduct_answer_later(c, ERR_OK, NULL, live->id, on_done, arg);
}

/* ---- forgetting ---- */

struct removal {
	struct conductor *c;
	conductor_done_cb *on_done;
	void *arg;
	char *by;
	struct signature *signature;
};

static void on_removal(void *arg, enum err err, uint64_t revision, const struct campaign_row *rows, size_t n,
                       bool has_more)
{
	struct removal *r = arg;

	r->c->asked--;
	(void)revision;
	(void)has_more;
	if (err != ERR_OK) {
		r->on_done(r->arg, err, err_text(err), "");
	} else if (n == 0) {
		r->on_done(r->arg, ERR_NOT_FOUND, "no such campaign", "");
	} else {
		batch_campaign_drop(r->c->batch, rows[0].no);
		late_forget(r->c, rows[0].no);
		conduct_give_signature(r->c, r->signature);
		r->signature = NULL;
		conduct_audit(r->c, rows[0].id, campaign_state_text(rows[0].state), "deleted");
		log_info("campaign deleted", LS("campaign", rows[0].id), LS("by", r->by));
		conduct_answer_later(r->c, ERR_OK, NULL, rows[0].id, r->on_done, r->arg);
	}
	signature_free(r->signature);
	free(r->by);
	free(r);
}

void conductor_delete(struct conductor *c, const char *campaign_id, const char *by,
                      conductor_done_cb *on_done, void *arg)
{
	struct removal *r;

	if (c->is_draining) {
		conduct_answer_later(c, ERR_CLOSED, "the service is stopping", campaign_id, on_done, arg);
		return;
	}
	if (conduct_live_by_id(c, campaign_id) != NULL) {
		conduct_answer_later(c, ERR_CONFLICT, "only a final campaign can be deleted: cancel it first",
		                     campaign_id, on_done, arg);
		return;
	}
	r = xmalloc(sizeof *r);
	*r = (struct removal){c, on_done, arg, xstrdup(by), conduct_take_signature(c)};
	c->asked++;
	store_read_campaign(c->store, campaign_id, on_removal, r);
}

/* ---- once more, for those that failed ---- */

/*  the campaign's row ──▶ its failed targets, page by page ──▶ a new campaign */
struct again {
	struct conductor *c;
	conductor_done_cb *on_done;
	void *arg;
	struct conductor_request request; /* its texts are ours */
	uint32_t reasons;
	struct campaign_spec spec;
	char **groups, **zones; /* of spec.targets.ids */
	uint8_t *hubs;
	size_t groups_n;
	uint32_t campaign, next_no;
	char id[ID_SIZE];
	size_t ids_size;
	struct signature *signature;
};

static void again_end(struct again *a, enum err err, const char *detail)
{
	a->on_done(a->arg, err, detail, a->id);
	spec_done(&a->spec);
	for (size_t i = 0; i < a->groups_n; i++)
		free(a->groups[i]);
	for (size_t i = 0; i < a->groups_n; i++)
		free(a->zones[i]);
	free(a->groups);
	free(a->zones);
	free(a->hubs);
	free((char *)(uintptr_t)a->request.by);
	free((char *)(uintptr_t)a->request.idempotency_key);
	signature_free(a->signature);
	free(a);
}

static void on_created_again(void *arg, enum err err, const char *detail, const char *id)
{
	struct again *a = arg;

	snprintf(a->id, sizeof a->id, "%s", id);
	again_end(a, err, detail);
}

static void create_again(struct again *a)
{
	struct faults faults = FAULTS_INIT;

	if (a->spec.targets.ids.n == 0) {
		again_end(a, ERR_CONFLICT, "no target has failed by one of these reasons");
		return;
	}
	a->spec.targets.ids_n = (uint32_t)a->spec.targets.ids.n;
	a->request.retry_of = a->id;
	a->request.groups = (const char *const *)a->groups;
	a->request.zones = (const char *const *)a->zones;
	a->request.hubs = a->hubs;
	conductor_check(a->c, &a->spec, &faults);
	if (faults.n > 0) {
		again_end(a, ERR_CONFLICT, faults.all[0].detail);
	} else {
		conduct_give_signature(a->c, a->signature);
		a->signature = NULL;
		conductor_create(a->c, &a->spec, &a->request, on_created_again, a);
		conductor_sign(a->c, NULL);
	}
	faults_done(&faults);
}

static void ask_again(struct again *a);

static void on_failed_targets(void *arg, enum err err, uint64_t revision, const struct target_view *rows,
                              size_t n, bool has_more, const struct campaign_row *campaign)
{
	struct again *a = arg;
	struct strings *ids = &a->spec.targets.ids;

	a->c->asked--;
	(void)revision;
	if (err != ERR_OK || campaign == NULL) {
		again_end(a, err != ERR_OK ? err : ERR_NOT_FOUND,
		          err != ERR_OK ? err_text(err) : "no such campaign");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		a->next_no = rows[i].row.no + 1;
		if (!(a->reasons & 1u << rows[i].row.reason))
			continue;
		if (ids->n == a->ids_size) {
			a->ids_size = a->ids_size > 0 ? a->ids_size * 2 : 256;
			ids->all = xrealloc(ids->all, a->ids_size * sizeof *ids->all);
			a->groups = xrealloc(a->groups, a->ids_size * sizeof *a->groups);
			a->zones = xrealloc(a->zones, a->ids_size * sizeof *a->zones);
			a->hubs = xrealloc(a->hubs, a->ids_size * sizeof *a->hubs);
		}
		a->hubs[a->groups_n] = rows[i].row.hub;
		a->zones[a->groups_n] = rows[i].zone != NULL ? xstrdup(rows[i].zone) : NULL;
		a->groups[a->groups_n++] = rows[i].group != NULL ? xstrdup(rows[i].group) : NULL;
		ids->all[ids->n++] = xstrdup(rows[i].device_id);
	}
	if (has_more)
		ask_again(a);
	else
		create_again(a);
}

static void ask_again(struct again *a)
{
	struct target_filter f = {.campaign = a->campaign,
	                          .from_no = a->next_no,
	                          .limit = STORE_PAGE_MAX,
	                          .state = TARGET_FAILED,
	                          .reason = -1,
	                          .wait = -1,
	                          .hub = -1};

	a->c->asked++;
	store_read_targets(a->c->store, &f, on_failed_targets, a);
}

/* The same campaign, now, over a list of ids to come. */
static void aim(struct campaign_spec *s)
{
	for (size_t i = 0; i < s->targets.exclude.n; i++)
		free(s->targets.exclude.all[i]);
	free(s->targets.exclude.all);
	free(s->targets.where);
	free(s->targets.list);
	s->targets.exclude = (struct strings){NULL, 0};
	s->targets.where = s->targets.list = NULL;
	s->targets.by = TARGETS_IDS;
	s->schedule.start_at_ms = TIME_NONE;
	if (s->schedule.end_at_ms != TIME_NONE) {
		s->schedule.end_at_ms = TIME_NONE;
		s->schedule.end_after_s = END_AFTER_S;
	}
}

static void on_campaign_to_retry(void *arg, enum err err, uint64_t revision, const struct campaign_row *rows,
                                 size_t n, bool has_more)
{
	struct again *a = arg;
	struct faults faults = FAULTS_INIT;
	char reason[SPEC_REASON_SIZE];
	size_t at;

	a->c->asked--;
	(void)revision;
	(void)has_more;
	if (err == ERR_OK && n == 0)
		err = ERR_NOT_FOUND;
	if (err == ERR_OK)
		err = spec_parse(rows[0].spec, strlen(rows[0].spec), true, &a->spec, &faults, &at, reason);
	faults_done(&faults);
	if (err != ERR_OK) {
		again_end(a, err, err == ERR_NOT_FOUND ? "no such campaign" : err_text(err));
		return;
	}
	a->campaign = rows[0].no;
	memcpy(a->id, rows[0].id, sizeof a->id);
	aim(&a->spec);
	ask_again(a);
}

void conductor_retry(struct conductor *c, const char *campaign_id, uint32_t reasons,
                     const struct conductor_request *request, conductor_done_cb *on_done, void *arg)
{
	struct again *a;

	if (c->is_draining) {
		conduct_answer_later(c, ERR_CLOSED, "the service is stopping", campaign_id, on_done, arg);
		return;
	}
	a = xcalloc(1, sizeof *a);
	a->c = c;
	a->on_done = on_done;
	a->arg = arg;
	a->request.by = xstrdup(request->by);
	if (request->idempotency_key != NULL)
		a->request.idempotency_key = xstrdup(request->idempotency_key);
	a->request.body_hash = request->body_hash;
	a->reasons = reasons;
	a->signature = conduct_take_signature(c);
	c->asked++;
	store_read_campaign(c->store, campaign_id, on_campaign_to_retry, a);
}

/* ---- device lists ---- */

/* A list that is being made. */
struct making {
	UT_hash_handle hh;
	char name[];
};

static struct making *making_of(const struct conductor *c, const char *name)
{
	struct making *m;

	HASH_FIND_STR(c->making, name, m);
	return m;
}

static void making_end(struct conductor *c, const char *name)
{
	struct making *m = making_of(c, name);

	if (m == NULL)
		return;
	HASH_DEL(c->making, m);
	free(m);
}

void conduct_forget_making(struct conductor *c)
{
	struct making *m, *next;

	HASH_ITER (hh, c->making, m, next)
		making_end(c, m->name);
}

enum err conductor_list_begin(struct conductor *c, const char *name)
{
	size_t n = strlen(name);
	struct making *m;

	if (c->is_draining)
		return ERR_CLOSED;
	if (making_of(c, name) != NULL)
		return ERR_BUSY;
	m = xcalloc(1, sizeof *m + n + 1);
	memcpy(m->name, name, n + 1);
	HASH_ADD_KEYPTR(hh, c->making, m->name, n, m);
	batch_list_begin(c->batch, name);
	conduct_wake(c);
	return ERR_OK;
}

void conductor_list_ids(struct conductor *c, const char *name, const char *const *ids, size_t n)
{
	assert(making_of(c, name) != NULL);
	batch_list_ids(c->batch, name, ids, n);
	conduct_wake(c);
}

void conductor_list_end(struct conductor *c, const char *name, uint32_t n, const char *by,
                        conductor_done_cb *on_done, void *arg)
{
	char became[32];

	assert(making_of(c, name) != NULL);
	making_end(c, name);
	batch_list_end(c->batch, name, n, conduct_now(c), by);
	snprintf(became, sizeof became, "%u device%s", n, n == 1 ? "" : "s");
	conduct_audit(c, "", "", became);
	log_info("device list made", LS("list", name), LI("devices", n), LS("by", by));
	conduct_answer_later(c, ERR_OK, NULL, "", on_done, arg);
}

void conductor_list_drop(struct conductor *c, const char *name, const char *by, conductor_done_cb *on_done,
                         void *arg)
{
	making_end(c, name);
	batch_list_drop(c->batch, name);
	conduct_audit(c, "", "", "deleted");
	log_info("device list dropped", LS("list", name), LS("by", by));
	conduct_answer_later(c, ERR_OK, NULL, "", on_done, arg);
}

void conductor_forget_dead_letters(struct conductor *c, const char *webhook, const char *was,
                                   conductor_done_cb *on_done, void *arg)
{
	if (c->is_draining) {
		conduct_answer_later(c, ERR_CLOSED, "the service is stopping", "", on_done, arg);
		return;
	}
	batch_dead_letters_drop(c->batch, webhook);
	conduct_audit(c, "", was, "forgotten");
	conduct_answer_later(c, ERR_OK, NULL, "", on_done, arg);
}
