/* tests/lib: see fake_conductor.h */
#include "tests/lib/fake_conductor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "tests/lib/fake_store.h"
#include "tests/lib/later.h"

void fake_conductor_init(struct conductor *c, struct store *store)
{
	*c = (struct conductor){
	        .store = store,
	        .waiting = {.wait = WAIT_CAPACITY, .next_at_ms = TIME_NONE, .closed_from = UINT32_MAX},
	        .predicted_ms = TIME_NONE,
	        .hubs_n = 1,
	        .hub = {.name = "main",
	                .sku = "S1",
	                .units = 2,
	                .reserve_percent = 10,
	                .state = "open",
	                .state_since_ms = 1000,
	                .state_until_ms = TIME_NONE,
	                .throttled_at_ms = TIME_NONE,
	                .last_error = "",
	                .last_error_at_ms = TIME_NONE,
	                .query_lag_seen_ms = TIME_NONE}};
}

void fake_conductor_done(struct conductor *c)
{
	spec_done(&c->live_spec);
	schedule_spec_done(&c->schedule_spec);
}

void fake_conductor_set_live(struct conductor *c, const struct campaign_row *row)
{
	struct faults faults = FAULTS_INIT;
	char reason[SPEC_REASON_SIZE];
	size_t at;

	spec_done(&c->live_spec);
	if (spec_parse(row->spec, strlen(row->spec), true, &c->live_spec, &faults, &at, reason) != ERR_OK)
		abort();
	memcpy(c->live_id, row->id, sizeof c->live_id);
	c->live_no = row->no;
	c->live_revision = row->spec_revision;
}

void conductor_sign(struct conductor *c, const struct origin *o)
{
	c->is_signed = o != NULL;
	if (o != NULL)
		snprintf(c->signed_by, sizeof c->signed_by, "%s %s %s %s %s %s", o->actor, o->role,
		         o->address, o->method, o->path, o->what != NULL ? o->what : "-");
}

bool conductor_is_draining(const struct conductor *c)
{
	return c->is_draining;
}

void conductor_check(const struct conductor *c, const struct campaign_spec *spec, struct faults *faults)
{
	for (size_t i = 0; i < spec->hubs.n; i++) {
		char pointer[32];

		snprintf(pointer, sizeof pointer, "/hubs/%zu", i);
		if (strcmp(spec->hubs.all[i], c->hub.name) != 0)
			faults_add(faults, pointer, "no such hub is configured");
	}
}

struct done {
	conductor_done_cb *cb;
	void *arg;
	enum err err;
	const char *detail;
	char id[ID_SIZE];
};

static void call_done(void *arg)
{
	struct done *d = arg;

	d->cb(d->arg, d->err, d->detail, d->id);
	free(d);
}

static struct done *done_new(const struct conductor *c, const char *id, conductor_done_cb *cb, void *arg)
{
	struct done *d = xcalloc(1, sizeof *d);

	*d = (struct done){cb, arg, c->order_err, c->order_detail, ""};
	snprintf(d->id, sizeof d->id, "%s", id);
	return d;
}

static void add_key(struct conductor *c, const struct conductor_request *request, const char *id)
{
	if (request->idempotency_key != NULL)
		fake_store_add_key(c->store,
		                   &(struct idempotency_row){request->idempotency_key, request->body_hash,
		                                             clock_now_ms(), id});
}

void conductor_create(struct conductor *c, struct campaign_spec *spec,
                      const struct conductor_request *request, conductor_done_cb *on_done, void *arg)
{
	struct buf text = BUF_INIT;
	struct campaign_row *row;
	char id[ID_SIZE];

	c->creates_n++;
	c->last_ids_n = (uint32_t)spec->targets.ids.n;
	snprintf(c->last_by, sizeof c->last_by, "%s", request->by);
	snprintf(id, sizeof id, "made%04u", c->creates_n);
	if (c->order_err == ERR_OK) {
		spec_render(spec, &text);
		row = fake_store_add_campaign(c->store, id, text.data);
		row->state = row->phase = CAMPAIGN_SELECTING;
		add_key(c, request, id);
		buf_done(&text);
	}
	spec_done(spec);
	later(call_done, done_new(c, id, on_done, arg));
}

struct previewed {
	conductor_preview_cb *cb;
	void *arg;
	enum err err;
	const char *detail, *json;
};

static void call_previewed(void *arg)
{
	struct previewed *p = arg;

	p->cb(p->arg, p->err, p->detail, p->json);
	free(p);
}

void conductor_preview(struct conductor *c, struct campaign_spec *spec, conductor_preview_cb *on_done,
                       void *arg)
{
	struct previewed *p = xmalloc(sizeof *p);
	bool is_ok = c->order_err == ERR_OK;

	*p = (struct previewed){on_done, arg, c->order_err, is_ok ? "" : c->order_detail,
	                        is_ok ? c->preview_json : NULL};
	spec_done(spec);
	*spec = (struct campaign_spec){0};
	later(call_previewed, p);
}

static void count_order(struct conductor *c, const char *by)
{
	c->orders_n++;
	snprintf(c->last_by, sizeof c->last_by, "%s", by);
}

void conductor_order(struct conductor *c, const char *campaign_id, enum order order, const char *by,
                     conductor_done_cb *on_done, void *arg)
{
	count_order(c, by);
	c->last_order = order;
	later(call_done, done_new(c, campaign_id, on_done, arg));
}

void conductor_target_order(struct conductor *c, const char *campaign_id, const char *device_id, int hub,
                            enum target_order order, const char *by, conductor_done_cb *on_done, void *arg)
{
	count_order(c, by);
	c->last_target_order = order;
	c->last_hub = hub;
	snprintf(c->last_device, sizeof c->last_device, "%s", device_id);
	later(call_done, done_new(c, campaign_id, on_done, arg));
}

void conductor_retry(struct conductor *c, const char *campaign_id, uint32_t reasons,
                     const struct conductor_request *request, conductor_done_cb *on_done, void *arg)
{
	struct campaign_row *row;
	char id[ID_SIZE];

	c->creates_n++;
	c->last_reasons = reasons;
	snprintf(c->last_by, sizeof c->last_by, "%s", request->by);
	snprintf(id, sizeof id, "again%04u", c->creates_n);
	if (c->order_err == ERR_OK) {
		row = fake_store_add_campaign(c->store, id, "{\"name\":\"again\"}");
		snprintf(row->retry_of, sizeof row->retry_of, "%s", campaign_id);
		add_key(c, request, id);
	}
	later(call_done, done_new(c, id, on_done, arg));
}

const struct campaign_spec *conductor_spec(const struct conductor *c, const char *campaign_id,
                                           uint32_t *ret_revision)
{
	if (strcmp(campaign_id, c->live_id) != 0)
		return NULL;
	*ret_revision = c->live_revision;
	return &c->live_spec;
}

void conductor_respec(struct conductor *c, const char *campaign_id, uint32_t revision,
                      struct campaign_spec *spec, const char *by, conductor_done_cb *on_done, void *arg)
{
	struct buf text = BUF_INIT;

	count_order(c, by);
	if (revision != c->live_revision)
		abort();
	if (c->order_err == ERR_OK) {
		c->live_revision++;
		spec_done(&c->live_spec);
		c->live_spec = *spec;
		*spec = (struct campaign_spec){0};
		spec_render(&c->live_spec, &text);
		fake_store_put_spec(c->store, c->live_no, c->live_revision, text.data);
		buf_done(&text);
	}
	spec_done(spec);
	later(call_done, done_new(c, campaign_id, on_done, arg));
}

/* One list at a time is enough here. */
enum err conductor_list_begin(struct conductor *c, const char *name)
{
	if (c->list_err != ERR_OK)
		return c->list_err;
	if (c->list_name[0] != '\0')
		abort();
	snprintf(c->list_name, sizeof c->list_name, "%s", name);
	return ERR_OK;
}

void conductor_list_ids(struct conductor *c, const char *name, const char *const *ids, size_t n)
{
	if (strcmp(name, c->list_name) != 0)
		abort();
	if (c->list_page_max < n)
		c->list_page_max = (uint32_t)n;
	c->list_ids = xrealloc(c->list_ids, (c->list_ids_n + n) * sizeof *c->list_ids);
	for (size_t i = 0; i < n; i++)
		c->list_ids[c->list_ids_n++] = xstrdup(ids[i]);
}

void conductor_list_end(struct conductor *c, const char *name, uint32_t n, const char *by,
                        conductor_done_cb *on_done, void *arg)
{
	if (strcmp(name, c->list_name) != 0 || n != c->list_ids_n)
		abort();
	c->lists_n++;
	fake_store_add_list(c->store, name, (const char *const *)c->list_ids, n, clock_now_ms(), by);
	for (uint32_t i = 0; i < n; i++)
		free(c->list_ids[i]);
	free(c->list_ids);
	c->list_ids = NULL;
	c->list_ids_n = 0;
	c->list_name[0] = '\0';
	later(call_done, done_new(c, "", on_done, arg));
}

void conductor_list_drop(struct conductor *c, const char *name, const char *by, conductor_done_cb *on_done,
                         void *arg)
{
	count_order(c, by);
	fake_store_drop_list(c->store, name);
	later(call_done, done_new(c, "", on_done, arg));
}

void conductor_forget_dead_letters(struct conductor *c, const char *webhook, const char *was,
                                   conductor_done_cb *on_done, void *arg)
{
	snprintf(c->forgotten, sizeof c->forgotten, "%s of %s", was, webhook);
	later(call_done, done_new(c, "", on_done, arg));
}

void conductor_delete(struct conductor *c, const char *campaign_id, const char *by,
                      conductor_done_cb *on_done, void *arg)
{
	count_order(c, by);
	later(call_done, done_new(c, campaign_id, on_done, arg));
}

void conductor_waiting(const struct conductor *c, uint32_t campaign_no, struct campaign_waiting *ret)
{
	(void)campaign_no;
	*ret = c->waiting;
}

bool conductor_is_parked(const struct conductor *c, uint32_t campaign_no, uint32_t target_no)
{
	(void)campaign_no;
	return target_no < 64 && (c->parked >> target_no & 1) != 0;
}

bool conductor_foretell(const struct conductor *c, uint32_t campaign_no, struct campaign_forecast *ret)
{
	(void)campaign_no;
	*ret = c->forecast;
	return c->is_foretold;
}

int64_t conductor_predicted_finish(const struct conductor *c, uint32_t campaign_no)
{
	(void)campaign_no;
	return c->predicted_ms;
}

void conductor_stats(const struct conductor *c, struct conductor_stats *ret)
{
	*ret = c->stats;
	ret->proof = &c->proof;
}

bool conductor_group(const struct conductor *c, uint32_t campaign_no, uint32_t group,
                     uint32_t *ret_unavailable, uint32_t *ret_max)
{
	(void)campaign_no;
	(void)group;
	if (!c->has_groups)
		return false;
	*ret_unavailable = c->group_unavailable;
	*ret_max = c->group_max;
	return true;
}

void conductor_group_down(const struct conductor *c, uint32_t campaign_no, uint32_t group,
                          conductor_down_cb *down, void *arg)
{
	(void)c;
	(void)campaign_no;
	(void)group;
	down(arg, "d-1", "c1", "awaitingProof", 1000);
	down(arg, "d-9", NULL, "settling", TIME_NONE);
}

uint32_t conductor_hubs_n(const struct conductor *c)
{
	return c->hubs_n;
}

void conductor_hub(const struct conductor *c, uint32_t hub, struct hub_view *ret)
{
	(void)hub;
	*ret = c->hub;
}

/* ---- schedules: the last one made is the only one there is ---- */

void conductor_schedule_check(const struct conductor *c, const struct schedule_spec *spec,
                              const struct campaign_spec *campaign, struct faults *faults)
{
	(void)c;
	(void)campaign;
	if (strcmp(spec->time_zone, "Europe/Stockolm") == 0)
		faults_add(faults, "/recurrence/timeZone", "timeZone must be an IANA time zone");
}

static void put_schedule(struct conductor *c, struct schedule_spec *spec)
{
	struct schedule_row row = {.no = 1,
	                           .name = spec->name,
	                           .revision = c->schedule_revision,
	                           .is_paused = c->schedule_is_paused,
	                           .created_by = "local",
	                           .created_at_ms = 1000,
	                           .next_at_ms = 1764547200000,
	                           .queued_at_ms = TIME_NONE,
	                           .last_at_ms = TIME_NONE};
	struct buf text = BUF_INIT;

	schedule_spec_render(spec, &text);
	row.spec = text.data;
	snprintf(row.id, sizeof row.id, "%s", c->schedule_id);
	fake_store_put_schedule(c->store, &row);
	buf_done(&text);
	if (spec != &c->schedule_spec) {
		schedule_spec_done(&c->schedule_spec);
		c->schedule_spec = *spec;
		*spec = (struct schedule_spec){0};
	}
}

void conductor_schedule_create(struct conductor *c, struct schedule_spec *spec,
                               const struct conductor_request *request, conductor_done_cb *on_done, void *arg)
{
	snprintf(c->schedule_id, sizeof c->schedule_id, "plan%04u", ++c->schedules_n);
	c->schedule_revision = 1;
	put_schedule(c, spec);
	add_key(c, request, c->schedule_id);
	later(call_done, done_new(c, c->schedule_id, on_done, arg));
}

static bool has_schedule(const struct conductor *c, const char *id)
{
	return c->schedule_id[0] != '\0' && strcmp(c->schedule_id, id) == 0;
}

bool conductor_schedule_revision(const struct conductor *c, const char *id, uint32_t *ret_revision)
{
	*ret_revision = c->schedule_revision;
	return has_schedule(c, id);
}

void conductor_schedule_replace(struct conductor *c, const char *id, uint32_t revision,
                                struct schedule_spec *spec, const char *by, conductor_done_cb *on_done,
                                void *arg)
{
	count_order(c, by);
	c->schedule_revision = revision + 1;
	put_schedule(c, spec);
	later(call_done, done_new(c, id, on_done, arg));
}

void conductor_schedule_order(struct conductor *c, const char *id, enum schedule_order order, const char *by,
                              conductor_done_cb *on_done, void *arg)
{
	struct done *done = done_new(c, id, on_done, arg);

	count_order(c, by);
	if (!has_schedule(c, id)) {
		done->err = ERR_NOT_FOUND;
		done->detail = "there is no such schedule";
	} else if (order == SCHEDULE_DELETE) {
		fake_store_drop_schedule(c->store, id);
		c->schedule_id[0] = '\0';
	} else {
		c->schedule_is_paused = order == SCHEDULE_PAUSE;
		put_schedule(c, &c->schedule_spec);
	}
	later(call_done, done);
}

void conductor_schedule_run(struct conductor *c, const char *id, const struct conductor_request *request,
                            conductor_done_cb *on_done, void *arg)
{
	struct faults faults = FAULTS_INIT;
	struct campaign_spec campaign;
	char reason[SPEC_REASON_SIZE];
	size_t at;

	if (!has_schedule(c, id) || spec_parse(c->schedule_spec.campaign, strlen(c->schedule_spec.campaign),
	                                       false, &campaign, &faults, &at, reason) != ERR_OK) {
		c->order_err = ERR_NOT_FOUND;
		later(call_done, done_new(c, id, on_done, arg));
		return;
	}
	conductor_create(c, &campaign, request, on_done, arg);
}

enum err conductor_occurrences(const struct conductor *c, const char *id, int64_t after_ms, size_t max,
                               struct occurrence_view *ret, size_t *ret_n)
{
	if (!has_schedule(c, id))
		return ERR_NOT_FOUND;
	for (*ret_n = 0; *ret_n < max; (*ret_n)++)
		ret[*ret_n] = (struct occurrence_view){
		        (after_ms == TIME_NONE ? 0 : after_ms) + 1000 + (int64_t)*ret_n,
		        "2026-03-29T03:30:00+02:00", *ret_n == 0 ? "gap" : NULL};
	return ERR_OK;
}

uint32_t conductor_schedules_n(const struct conductor *c)
{
	return c->schedules_n;
}

const char *conductor_tzdata(const struct conductor *c)
{
	(void)c;
	return "2026a";
}

enum wait conductor_window(const struct conductor *c, uint32_t campaign_no, uint32_t target_no,
                           int64_t *ret_opens_at_ms)
{
	(void)campaign_no;
	*ret_opens_at_ms = 7000;
	return c->in_blackout >> target_no & 1     ? WAIT_BLACKOUT
	       : c->out_of_window >> target_no & 1 ? WAIT_WINDOW
	                                           : WAIT_NONE;
}
