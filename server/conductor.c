/* conductor: see conductor.h. Reading order: small things, what is on record, the turn. The
 * orders are in conduct_orders.c. */
#include "server/conductor.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"
#include "server/base/rng.h"
#include "server/conduct.h"
#include "server/feed.h"

/* What was answered may wait so long for company in its commit. */
#define GATHER_MS 4

/* ---- small things ---- */

void conduct_wake(struct conductor *c)
{
	c->options.on_wake(c->options.arg);
}

struct live *conduct_live(const struct conductor *c, uint32_t campaign)
{
	struct live *live;

	HASH_FIND(hh, c->lives, &campaign, sizeof campaign, live);
	return live;
}

struct live *conduct_live_by_id(const struct conductor *c, const char *id)
{
	struct live *live;

	for (live = c->lives; live != NULL; live = live->hh.next)
		if (strcmp(live->id, id) == 0)
			return live;
	return NULL;
}

enum err conduct_feed(struct conductor *c, const struct fact *f)
{
	return engine_feed(c->engine, f);
}

void conduct_tell(struct conductor *c, struct event *event)
{
	const struct live *live = conduct_live(c, event->campaign);

	event->id = ++c->last_event_id;
	batch_event_add(c->batch, event);
	feed_add(c->options.feed, event, live != NULL ? live->id : "");
}

/* Gives what to watch for; the same for all that watch the same, and for as long as the conductor lives, so
 * that an answer on the way can always be read. */
static const struct watch *watch_for(struct conductor *c, const struct campaign_spec *s)
{
	const struct profile *p = profile_of(s->action.type);
	bool is_property = s->verify.by == VERIFY_PROPERTY, is_where = s->verify.by == VERIFY_WHERE;
	bool is_reconnect = s->verify.by == VERIFY_RECONNECT, has_proof = s->verify.by != VERIFY_NONE;
	struct watch_options o = {.value_path = is_property ? s->verify.path : NULL,
	                          .status_path =
	                                  is_property && s->verify.path_is_profiles ? p->status_path : NULL,
	                          .echo_path = has_proof ? p->echo_path : NULL,
	                          .boot_path = has_proof ? p->boot_path : NULL,
	                          .success = is_where ? s->verify.success : NULL,
	                          .failure = is_where ? s->verify.failure : NULL,
	                          .watches_link = is_reconnect,
	                          .precheck = s->precheck.where,
	                          .group_path = s->rollout.group_by,
	                          .zone_path = s->schedule.zone_tag};
	struct buf key = BUF_INIT;
	struct watched *w;

	buf_put_str(&key, o.value_path);
	buf_put_str(&key, o.status_path);
	buf_put_str(&key, o.echo_path);
	buf_put_str(&key, o.boot_path);
	buf_put_str(&key, o.success);
	buf_put_str(&key, o.failure);
	buf_put_u8(&key, o.watches_link);
	buf_put_str(&key, o.precheck);
	buf_put_str(&key, o.group_path);
	buf_put_str(&key, o.zone_path);
	for (w = c->watches; w != NULL; w = w->next)
		if (w->key_bytes == key.len && memcmp(w->key, key.data, key.len) == 0)
			break;
	if (w == NULL) {
		w = xcalloc(1, sizeof *w);
		if (watch_new(&o, &w->watch) != ERR_OK) { /* conductor_check() has found it sound */
			log_error("a sound spec cannot be watched", LS("campaign", s->name));
			abort();
		}
		w->key_bytes = key.len;
		w->key = buf_take(&key);
		w->next = c->watches;
		c->watches = w;
	}
	buf_done(&key);
	return w->watch;
}

int conduct_find_hub(const struct conductor *c, const char *name)
{
	for (uint32_t i = 0; i < c->ports_n; i++)
		if (strcmp(c->ports[i].name, name) == 0)
			return (int)i;
	return -1;
}

struct live *conduct_live_new(struct conductor *c, const struct campaign_row *row, struct campaign_spec *spec)
{
	struct live *live = xcalloc(1, sizeof *live);

	live->no = row->no;
	memcpy(live->id, row->id, sizeof live->id);
	memcpy(live->schedule_id, row->schedule_id, sizeof live->schedule_id);
	live->name = xstrdup(row->name);
	live->created_by = xstrdup(row->created_by);
	live->created_at_ms = row->created_at_ms;
	live->spec_revision = row->spec_revision;
	live->cost = row->cost;
	live->messages_recorded = row->cost.messages;
	live->spec = spec;
	live->rule = (struct evidence_rule){.profile = profile_of(spec->action.type),
	                                    .uses_profile_values = spec->verify.path_is_profiles,
	                                    .is_where = spec->verify.by == VERIFY_WHERE,
	                                    .is_reconnect = spec->verify.by == VERIFY_RECONNECT,
	                                    .accepts_rewrite = spec->verify.accept_rewrite};
	live->watch = watch_for(c, spec);
	live->must_look =
	        (spec->targets.by == TARGETS_IDS || spec->targets.by == TARGETS_LIST) &&
	        row->retry_of[0] == '\0' &&
	        (spec->hubs.n > 1 || spec->rollout.group_by != NULL || spec->schedule.is_device_zone);
	for (size_t i = 0; i < spec->hubs.n; i++)
		live->hubs[live->hubs_n++] = (uint8_t)conduct_find_hub(c, spec->hubs.all[i]);
	course_begin(&live->course);
	HASH_ADD(hh, c->lives, no, sizeof live->no, live);
	engine_campaign_add(c->engine, row, spec, live->hubs, live->hubs_n);
	conduct_windows_begin(c, live);
	return live;
}

static void live_drop(struct conductor *c, struct live *live)
{
	engine_campaign_drop(c->engine, live->no);
	HASH_DEL(c->lives, live);
	conduct_schedules_live(c, live->schedule_id, -1);
	select_end(live);
	conduct_windows_end(live);
	free(live->name);
	free(live->created_by);
	free(live);
}

/* ---- what is on record ---- */

struct loading {
	struct conductor *c;
	enum err err;
};

static void on_campaign(void *arg, const struct campaign_row *row)
{
	struct loading *loading = arg;
	struct campaign_spec *spec = xcalloc(1, sizeof *spec);
	struct faults faults = FAULTS_INIT;
	char reason[SPEC_REASON_SIZE];
	size_t at;

	if (spec_parse(row->spec, strlen(row->spec), true, spec, &faults, &at, reason) != ERR_OK) {
		log_error("a campaign on record cannot be read", LS("campaign", row->id),
		          LS("at", faults.n > 0 ? faults.all[0].pointer : ""),
		          LS("reason", faults.n > 0 ? faults.all[0].detail : reason));
		loading->err = ERR_CORRUPT;
	}
	for (size_t i = 0; loading->err == ERR_OK && i < spec->hubs.n; i++)
		if (conduct_find_hub(loading->c, spec->hubs.all[i]) < 0) {
			log_error("a campaign on record needs a hub that is not configured",
			          LS("campaign", row->id), LS("hub", spec->hubs.all[i]));
			loading->err = ERR_INVALID;
		}
	faults_done(&faults);
	if (loading->err == ERR_OK) {
		conduct_live_new(loading->c, row, spec);
	} else {
		spec_done(spec);
		free(spec);
	}
}

static void on_group(void *arg, uint32_t campaign, uint32_t group, uint8_t hub, const char *name,
                     uint32_t size)
{
	struct loading *loading = arg;

	(void)group; /* they count up from 0 */
	if (loading->err == ERR_OK)
		engine_group_add(loading->c->engine, campaign, hub, name, size);
}

/* A call that was out when the process ended: its end is on record, too. */
static void record_crash(struct conductor *c, const struct target_row *row)
{
	struct attempt_row attempt = {.campaign = row->campaign,
	                              .no = row->no,
	                              .call = row->calls,
	                              .attempt = row->attempts,
	                              .attempt_seq = row->attempt_seq,
	                              .called_at_ms = row->called_at_ms,
	                              .ended_at_ms = conduct_now(c),
	                              .hub_at_ms = row->since_hub_ms,
	                              .outcome = "crash"};

	batch_attempt_add(c->batch, &attempt);
}

static void on_target(void *arg, const struct target_row *row, const char *device_id,
                      const struct baseline *baseline)
{
	struct loading *loading = arg;
	struct conductor *c = loading->c;
	struct target_row now = *row;

	if (loading->err != ERR_OK)
		return;
	target_row_rebase(&now, conduct_now(c));
	engine_target_add(c->engine, &now, device_id, baseline);
	if (row->state == TARGET_INVOKING)
		record_crash(loading->c, row);
	course_saw(loading->c, conduct_live(loading->c, row->campaign), row);
}

static void on_hold(void *arg, const struct store_hold *hold)
{
	struct loading *loading = arg;
	struct target_row row = *hold->row;
	int hub = conduct_find_hub(loading->c, hold->hub_name);

	if (loading->err != ERR_OK || hub < 0 || conduct_live(loading->c, row.campaign) != NULL)
		return;
	target_row_rebase(&row, conduct_now(loading->c));
	engine_hold_add(loading->c->engine, &row, (uint8_t)hub, hold->device_id, hold->group_by, hold->group);
}

static void on_relapse(void *arg, const struct relapse_row *row)
{
	struct loading *loading = arg;

	if (loading->err == ERR_OK)
		engine_relapse_add(loading->c->engine, row);
}

static void on_usage(void *arg, const struct usage_row *row)
{
	struct loading *loading = arg;
	int hub = conduct_find_hub(loading->c, row->hub);

	if (hub >= 0)
		port_usage(&loading->c->ports[hub], row);
}

static void on_page(void *arg, uint32_t campaign, const struct selection_page *page)
{
	struct loading *loading = arg;
	struct live *live = conduct_live(loading->c, campaign);

	if (loading->err == ERR_OK && live != NULL)
		select_page(live, page);
}

static void on_progress(void *arg, uint32_t campaign, uint32_t slot_s)
{
	struct loading *loading = arg;
	struct live *live = conduct_live(loading->c, campaign);

	if (live != NULL)
		course_slot(&live->course, slot_s);
}

static void on_plan(void *arg, const struct plan_row *plan)
{
	struct loading *loading = arg;
	struct live *live = conduct_live(loading->c, plan->campaign);

	if (live != NULL)
		course_plan_is(&live->course, plan);
}

static void on_zone(void *arg, uint32_t campaign, uint32_t zone, const char *name)
{
	struct loading *loading = arg;

	(void)zone; /* they count up from 0 */
	if (loading->err == ERR_OK)
		conduct_windows_zone(loading->c, conduct_live(loading->c, campaign), name);
}

static void on_schedule(void *arg, const struct schedule_row *row)
{
	struct loading *loading = arg;

	if (loading->err == ERR_OK)
		conduct_schedules_load(loading->c, row);
}

static void on_note(void *arg, const char *name, const char *value)
{
	struct loading *loading = arg;

	if (strcmp(name, "tzdata") == 0)
		snprintf(loading->c->tzdata, sizeof loading->c->tzdata, "%s", value);
	else
		clock_note(loading->c, name, value);
}

static enum err load(struct conductor *c)
{
	struct loading loading = {c, ERR_OK};
	struct store_loader loader = {.on_campaign = on_campaign,
	                              .on_group = on_group,
	                              .on_zone = on_zone,
	                              .on_target = on_target,
	                              .on_hold = on_hold,
	                              .on_relapse = on_relapse,
	                              .on_page = on_page,
	                              .on_usage = on_usage,
	                              .on_progress = on_progress,
	                              .on_plan = on_plan,
	                              .on_schedule = on_schedule,
	                              .on_note = on_note,
	                              .arg = &loading};
	enum err err = store_load(c->store, conduct_now(c), &loader);
	struct campaign_row row;
	struct live *live;

	if (err == ERR_OK)
		err = loading.err;
	if (err != ERR_OK)
		return err;
	engine_recover(c->engine, conduct_now(c));
	clock_loaded(c);
	conduct_windows_tell_all(c);
	conduct_schedules_begin(c);
	for (live = c->lives; live != NULL; live = live->hh.next)
		if (engine_campaign_row(c->engine, live->no, &row) == ERR_OK &&
		    row.phase == CAMPAIGN_SELECTING)
			select_begin(c, live);
	return ERR_OK;
}

enum err conductor_new(const struct conductor_options *options, struct conductor **ret)
{
	static const double bounds[] = {1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 21600, 86400};
	struct conductor *c = xcalloc(1, sizeof *c);
	enum err err = ERR_OK;

	histogram_init(&c->proof, bounds, sizeof bounds / sizeof *bounds);
	c->options = *options;
	c->store = options->store;
	c->engine = engine_new();
	c->zones = zones_new(NULL);
	c->steady = xcalloc(1, sizeof *c->steady);
	clock_begin(c, options->head->last_event_at_ms);
	c->last_event_id = options->head->last_event_id;
	c->last_campaign = options->head->last_campaign;
	c->luck = options->seed;
	c->engine_wake_ms = TIME_NONE;
	c->batch = batch_new();
	STAILQ_INIT(&c->waiters);
	STAILQ_INIT(&c->committing);
	LIST_INIT(&c->pages_asked);
	LIST_INIT(&c->previews);
	c->ports = xcalloc(options->hubs_n, sizeof *c->ports);
	for (; c->ports_n < options->hubs_n && err == ERR_OK; c->ports_n++)
		err = port_init(&c->ports[c->ports_n], c, (uint8_t)c->ports_n, &options->hubs[c->ports_n]);
	if (err == ERR_OK)
		err = load(c);
	if (err != ERR_OK)
		conductor_free(c);
	else
		*ret = c;
	return err;
}

static void waiter_free(struct waiter *w)
{
	free(w->detail);
	free(w);
}

static void waiters_free(struct waiters *all)
{
	struct waiter *w;

	while ((w = STAILQ_FIRST(all)) != NULL) {
		STAILQ_REMOVE_HEAD(all, link);
		waiter_free(w);
	}
}

void conductor_free(struct conductor *c)
{
	struct watched *w;
	struct live *live, *next;

	if (c == NULL)
		return;
	HASH_ITER (hh, c->lives, live, next)
		live_drop(c, live);
	lates_free(c);
	for (uint32_t i = 0; i < c->ports_n; i++)
		port_done(&c->ports[i]);
	select_free(c);
	previews_free(c);
	free(c->ports);
	while ((w = c->watches) != NULL) {
		c->watches = w->next;
		watch_free(w->watch);
		free(w->key);
		free(w);
	}
	conduct_forget_making(c);
	conductor_sign(c, NULL);
	conduct_schedules_free(c);
	alarms_done(&c->window_alarms);
	zones_free(c->zones);
	free(c->steady);
	waiters_free(&c->waiters);
	waiters_free(&c->committing);
	engine_free(c->engine);
	batch_free(c->batch);
	free(c);
}

/* ---- the turn: engine → commit → act and tell ---- */

static void answer(struct waiters *all)
{
	struct waiter *w;

	while ((w = STAILQ_FIRST(all)) != NULL) {
		STAILQ_REMOVE_HEAD(all, link);
		w->on_done(w->arg, w->err, w->detail != NULL ? w->detail : "", w->id);
		waiter_free(w);
	}
}

void conduct_withdraw(struct conductor *c, uint32_t campaign)
{
	for (uint32_t i = 0; i < c->ports_n; i++)
		port_withdraw(&c->ports[i], campaign);
}

static void act(struct conductor *c)
{
	for (size_t i = 0; i < c->steps_n; i++) {
		const struct step *s = &c->steps[i];
		struct live *live = conduct_live(c, s->campaign);

		if ((s->kind == STEP_TARGET || s->kind == STEP_RELAPSE) && s->acts != 0)
			port_act(c, s);
		else if (s->kind == STEP_SELECT && live != NULL)
			select_begin(c, live);
		else if (s->kind == STEP_CAMPAIGN &&
		         (s->campaign_to == CAMPAIGN_PAUSED || s->campaign_to == CAMPAIGN_CANCELLING))
			conduct_withdraw(c, s->campaign); /* a gate or an abort rule did it */
	}
	answer(&c->committing);
	for (size_t i = 0; i < c->steps_n; i++) /* what is final on record is not live any more */
		if (c->steps[i].kind == STEP_CAMPAIGN && campaign_state_is_final(c->steps[i].campaign_to))
			live_drop(c, conduct_live(c, c->steps[i].campaign));
	c->steps_n = 0;
}

/* In a campaign over several hubs the id alone does not say which device it is. Appends that to detail. */
static void tell_target(struct conductor *c, struct event *event, const char *hub, struct buf *detail)
{
	if (conduct_live(c, event->campaign)->hubs_n > 1) {
		buf_puts(detail, detail->len > 0 ? ",\"hub\":" : "\"hub\":");
		buf_json(detail, hub);
	}
	if (detail->len > 0)
		event->detail = detail->data;
	conduct_tell(c, event);
}

static void write_target(struct conductor *c, const struct step *s)
{
	struct target_state_view t;
	struct buf detail = BUF_INIT;
	struct event event = {.at_ms = s->row.changed_at_ms,
	                      .type = EVENT_TARGET,
	                      .campaign = s->campaign,
	                      .from = s->from,
	                      .to = s->row.state,
	                      .reason = s->row.reason,
	                      .attempt = s->row.attempts};

	if (!s->is_stored)
		return;
	batch_target_put(c->batch, &s->row);
	if (s->acts & ACT_BASELINE)
		batch_baseline_put(c->batch, s->campaign, s->row.no, &s->baseline);
	if (!engine_target(c->engine, s->campaign, s->row.no, &t))
		return;
	if (s->row.state == TARGET_INVOKING)
		late_end(c, t.hub, t.device_id);
	if (s->is_moved && target_state_is_final(s->row.state)) {
		t.row = s->row;
		late_begin(c, conduct_live(c, s->campaign), &t, (enum target_state)s->from);
	}
	if (s->is_moved) {
		event.device_id = t.device_id;
		tell_target(c, &event, c->ports[t.hub].name, &detail);
		buf_done(&detail);
		course_saw(c, conduct_live(c, s->campaign), &s->row);
		if (s->row.state == TARGET_SUCCEEDED && s->row.called_at_ms != TIME_NONE)
			histogram_add(&c->proof, (double)(s->row.changed_at_ms - s->row.called_at_ms) / 1e3);
		log_debug("target moved", LS("campaign", conduct_live(c, s->campaign)->id),
		          LS("device", t.device_id),
		          LS("from", target_state_text((enum target_state)s->from)),
		          LS("to", target_state_text((enum target_state)s->row.state)),
		          LS("reason", reason_text((enum reason)s->row.reason)),
		          LI("attempt", s->row.attempts));
	}
}

static void write_relapse(struct conductor *c, const struct step *s)
{
	const struct relapse_row *row = &s->relapse;
	struct target_state_view t;
	struct buf detail = BUF_INIT;
	struct event event = {.at_ms = row->relapsed_at_ms,
	                      .type = EVENT_TARGET,
	                      .campaign = s->campaign,
	                      .from = TARGET_SUCCEEDED,
	                      .to = TARGET_SUCCEEDED};

	if (s->is_stored)
		batch_relapse_put(c->batch, row);
	if (row->relapse == RELAPSE_NONE || !engine_target(c->engine, s->campaign, s->row.no, &t))
		return;
	buf_printf(&detail, "\"relapse\":\"%s\"", relapse_text((enum relapse)row->relapse));
	event.device_id = t.device_id;
	tell_target(c, &event, c->ports[t.hub].name, &detail);
	log_warn("device relapsed", LS("campaign", conduct_live(c, s->campaign)->id),
	         LS("device", t.device_id), LS("how", relapse_text((enum relapse)row->relapse)));
	buf_done(&detail);
}

static void write_campaign_event(struct conductor *c, const struct step *s, int64_t now_ms)
{
	struct buf detail = BUF_INIT;
	struct event event = {.at_ms = now_ms,
	                      .type = EVENT_CAMPAIGN,
	                      .campaign = s->campaign,
	                      .from = (uint8_t)s->campaign_from,
	                      .to = (uint8_t)s->campaign_to};

	if (s->campaign_from == s->campaign_to)
		return;
	if (s->reason[0] != '\0') {
		buf_puts(&detail, "\"stateReason\":");
		buf_json(&detail, s->reason);
		if (s->stop != STOP_NONE)
			buf_printf(&detail, ",\"stoppedBy\":\"%s\"", stop_text(s->stop));
		event.detail = detail.data;
	}
	c->stats.stopped[s->stop]++;
	conduct_tell(c, &event);
	buf_done(&detail);
	log_info("campaign moved", LS("campaign", conduct_live(c, s->campaign)->id),
	         LS("from", campaign_state_text(s->campaign_from)),
	         LS("to", campaign_state_text(s->campaign_to)), LS("reason", s->reason));
}

static void write_wave_event(struct conductor *c, const struct step *s, int64_t now_ms)
{
	const struct wave_spec *wave = &conduct_live(c, s->campaign)->spec->rollout.waves[s->wave];
	struct buf detail = BUF_INIT;
	struct event event = {.at_ms = now_ms, .type = EVENT_WAVE, .campaign = s->campaign};

	buf_printf(&detail, "\"wave\":%u,\"name\":", s->wave);
	if (wave->name != NULL)
		buf_json(&detail, wave->name);
	else
		buf_puts(&detail, "null");
	buf_printf(&detail, ",\"stage\":\"%s\",\"was\":\"%s\"", wave_stage_text(s->wave_to),
	           wave_stage_text(s->wave_from));
	event.detail = detail.data;
	conduct_tell(c, &event);
	buf_done(&detail);
}

static void write_campaigns(struct conductor *c, int64_t now_ms)
{
	struct buf text = BUF_INIT;
	uint32_t no;

	while ((no = engine_dirty(c->engine)) != 0) {
		struct live *live = conduct_live(c, no);
		struct campaign_row row = {.name = live->name,
		                           .created_by = live->created_by,
		                           .created_at_ms = live->created_at_ms,
		                           .spec_revision = live->spec_revision};
		enum err err = engine_campaign_row(c->engine, no, &row);

		assert(err == ERR_OK);
		(void)err;
		if (live->must_write_spec)
			spec_render(live->spec, &text);
		row.spec = live->must_write_spec ? text.data : NULL;
		live->must_write_spec = false;
		row.cost = live->cost;
		live->messages_recorded = live->cost.messages;
		row.selected = live->found != NULL ? selection_n(live->found) : row.counts.total;
		batch_campaign_put(c->batch, &row);
		course_write(c, live, &row, now_ms);
		buf_reset(&text);
	}
	buf_done(&text);
}

static void on_committed(void *arg, enum err err, uint64_t revision)
{
	struct conductor *c = arg;

	(void)revision;
	if (err != ERR_OK) {
		log_error("commit failed: memory is ahead of disk", LS("reason", err_text(err)));
		c->options.on_broken(c->options.arg, err);
		return; /* still committing: nothing is done any more */
	}
	c->is_committing = false;
	c->gather_until_ms = conduct_now(c) + GATHER_MS;
	feed_tell(c->options.feed, c->committing_event_id);
	act(c);
	conduct_wake(c);
}

/* Puts the engine's steps into the commit to come. */
static void write_steps(struct conductor *c, int64_t now_ms)
{
	for (size_t i = 0; i < c->steps_n; i++) {
		if (c->steps[i].kind == STEP_TARGET)
			write_target(c, &c->steps[i]);
		else if (c->steps[i].kind == STEP_CAMPAIGN)
			write_campaign_event(c, &c->steps[i], now_ms);
		else if (c->steps[i].kind == STEP_WAVE)
			write_wave_event(c, &c->steps[i], now_ms);
		else if (c->steps[i].kind == STEP_RELAPSE)
			write_relapse(c, &c->steps[i]);
	}
	write_campaigns(c, now_ms);
	/* All that was fed so far has been handed out: who waits for it is told after this commit. */
	if (c->steps_n < STEPS_MAX)
		STAILQ_CONCAT(&c->committing, &c->waiters);
}

/* Gives when selections want to run next. */
static int64_t run_selections(struct conductor *c, int64_t now_ms)
{
	int64_t wake_ms = TIME_NEVER;
	struct live *live;

	for (live = c->lives; live != NULL; live = live->hh.next) {
		int64_t at_ms = select_run(c, live, now_ms);

		if (at_ms < wake_ms)
			wake_ms = at_ms;
	}
	return wake_ms;
}

/* A commit costs a hundred microseconds and an fsync, whatever is in it. So what was answered gathers for it
 * while a hub has calls enough that are on record and wait for a place, and pages of devices while the next
 * one has been asked for: orders do not wait, and nobody else longer than GATHER_MS. */
static bool gathers(const struct conductor *c, int64_t now_ms)
{
	const struct live *live;
	bool is_busy = false;

	if (now_ms >= c->gather_until_ms || now_ms < c->gather_until_ms - GATHER_MS ||
	    batch_n(c->batch) == 0 || !STAILQ_EMPTY(&c->waiters))
		return false;
	for (uint32_t i = 0; i < c->ports_n; i++)
		is_busy = is_busy || port_is_busy(&c->ports[i]);
	for (live = c->lives; live != NULL && !is_busy; live = live->hh.next)
		is_busy = select_is_asking(live);
	return is_busy;
}

/* One commit at a time: on_committed() asks for the next turn. */
static int64_t turn(struct conductor *c, int64_t now_ms)
{
	int64_t wake_ms = TIME_NEVER;

	if (!c->is_committing && gathers(c, now_ms))
		return c->gather_until_ms;
	while (!c->is_committing) {
		int64_t select_ms = run_selections(c, now_ms);
		struct hub_state state;
		struct batch *batch;

		for (uint32_t i = 0; i < c->ports_n; i++) {
			port_state(&c->ports[i], now_ms, &state);
			engine_hub(c->engine, (uint8_t)i, &state);
		}
		c->steps_n = engine_next(c->engine, now_ms, c->steps, STEPS_MAX, &wake_ms);
		if (select_ms < wake_ms)
			wake_ms = select_ms;
		write_steps(c, now_ms);
		for (uint32_t i = 0; i < c->ports_n && batch_n(c->batch) > 0; i++)
			port_write(&c->ports[i]);
		if (batch_n(c->batch) > 0)
			clock_write(c);
		if (batch_n(c->batch) > 0) {
			batch = c->batch;
			c->batch = batch_new();
			c->is_committing = true;
			c->committing_event_id = c->last_event_id;
			store_commit(c->store, batch, on_committed, c);
		} else if (c->steps_n == 0 && STAILQ_EMPTY(&c->committing)) {
			break;
		} else {
			act(c);
		}
	}
	return c->is_committing ? TIME_NEVER : wake_ms;
}

/* The earlier of two times, the latter by the clock on the wall. */
static int64_t sooner(const struct conductor *c, int64_t at_ms, int64_t wall_ms)
{
	int64_t own_ms = wall_ms == TIME_NEVER ? TIME_NEVER : wall_ms - conduct_wall(c) + conduct_now(c);

	return own_ms < at_ms ? own_ms : at_ms;
}

int64_t conductor_run(struct conductor *c)
{
	int64_t now_ms, wall_ms, wake_ms, at_ms[3];

	conduct_hear_wall(c);
	now_ms = conduct_now(c);
	wall_ms = conduct_wall(c);
	for (uint32_t i = 0; i < c->ports_n; i++)
		port_before(&c->ports[i], now_ms);
	wake_ms = sooner(c, retention_run(c, now_ms), conduct_windows_run(c, wall_ms));
	wake_ms = sooner(c, wake_ms, conduct_schedules_run(c, wall_ms));
	at_ms[0] = turn(c, now_ms);
	at_ms[1] = preview_run(c, now_ms);
	at_ms[2] = late_run(c, now_ms);
	for (size_t i = 0; i < 3; i++)
		wake_ms = at_ms[i] < wake_ms ? at_ms[i] : wake_ms;
	for (uint32_t i = 0; i < c->ports_n; i++) {
		int64_t port_ms = port_after(&c->ports[i], now_ms);

		if (port_ms < wake_ms)
			wake_ms = port_ms;
	}
	if (wake_ms < now_ms)
		wake_ms = now_ms;
	/* By the clock on the wall, which whoever runs us knows. */
	return wake_ms == TIME_NEVER ? TIME_NEVER : wake_ms + conduct_wall(c) - conduct_now(c);
}

void conductor_drain(struct conductor *c)
{
	c->is_draining = true;
	conduct_withdraw(c, 0);
	conduct_wake(c);
}

bool conductor_is_draining(const struct conductor *c)
{
	return c->is_draining;
}

bool conductor_is_recorded(const struct conductor *c)
{
	return c->asked == 0 && !c->is_committing && batch_n(c->batch) == 0;
}

bool conductor_is_settled(const struct conductor *c)
{
	uint32_t job_out, job_queued;
	struct dispatch_stats stats;

	for (uint32_t i = 0; i < c->ports_n; i++) {
		dispatch_stats(c->ports[i].dispatch, &stats);
		jobs_stats(c->ports[i].jobs, &job_out, &job_queued);
		if (stats.inflight + stats.queued + job_out + job_queued > 0)
			return false;
	}
	return conductor_is_recorded(c);
}

/* ---- questions ---- */

void conductor_waiting(const struct conductor *c, uint32_t campaign_no, struct campaign_waiting *ret)
{
	struct engine_waiting w;

	engine_waiting(c->engine, campaign_no, conduct_now(c), &w);
	*ret = (struct campaign_waiting){.wait = w.wait,
	                                 .next_at_ms = w.next_at_ms,
	                                 .overrides_own = w.is_all,
	                                 .closed_from = w.closed_from,
	                                 .closed_n = w.closed_n,
	                                 .parked_n = w.parked_n,
	                                 .shut_hubs = w.shut_hubs,
	                                 .has_shut_windows = w.has_shut_windows};
	memcpy(ret->shut_by, w.shut_by, sizeof ret->shut_by);
	memcpy(ret->window_by, w.window_by, sizeof ret->window_by);
	memcpy(ret->shut_until_ms, w.shut_until_ms, sizeof ret->shut_until_ms);
}

enum wait conductor_window(const struct conductor *c, uint32_t campaign_no, uint32_t target_no,
                           int64_t *ret_opens_at_ms)
{
	enum wait wait = engine_window(c->engine, campaign_no, target_no, ret_opens_at_ms);

	/* It opens by the clock on the wall, and ours has come nearer to that since the engine was told. */
	if (wait != WAIT_NONE && *ret_opens_at_ms != TIME_NONE)
		*ret_opens_at_ms -= conduct_wall(c) - conduct_now(c) - c->wall_less_now_ms;
	return wait;
}

bool conductor_is_parked(const struct conductor *c, uint32_t campaign_no, uint32_t target_no)
{
	return engine_is_parked(c->engine, campaign_no, target_no);
}

void conductor_stats(const struct conductor *c, struct conductor_stats *ret)
{
	*ret = c->stats;
	ret->live = HASH_COUNT(c->lives);
	ret->campaigns_max = c->options.campaigns_max;
	ret->proof = &c->proof;
	ret->events_n = c->last_event_id;
	ret->events_kept = c->last_event_id + 1 - (c->first_kept_id > 0 ? c->first_kept_id : 1);
	ret->events_max = c->options.events_max;
}

bool conductor_group(const struct conductor *c, uint32_t campaign_no, uint32_t group,
                     uint32_t *ret_unavailable, uint32_t *ret_max)
{
	struct engine_group g;

	if (!engine_group(c->engine, campaign_no, group, &g))
		return false;
	*ret_unavailable = g.out + g.offline + g.failed;
	*ret_max = g.max;
	return true;
}

struct asked_down {
	const struct conductor *c;
	conductor_down_cb *down;
	void *arg;
};

static void on_down(void *arg, const char *device_id, uint32_t campaign, const char *how, int64_t since_ms)
{
	const struct asked_down *asked = arg;
	const struct live *live = conduct_live(asked->c, campaign);

	asked->down(asked->arg, device_id, live != NULL ? live->id : NULL, how, since_ms);
}

void conductor_group_down(const struct conductor *c, uint32_t campaign_no, uint32_t group,
                          conductor_down_cb *down, void *arg)
{
	struct asked_down asked = {c, down, arg};

	engine_group_down(c->engine, campaign_no, group, on_down, &asked);
}

uint32_t conductor_hubs_n(const struct conductor *c)
{
	return c->ports_n;
}
