/* conductor: how live campaigns go: their counts over time, put on record with each commit; when they will
 * end; and what was foretold when their targets were known, to compare with. See conduct.h. */
#include "server/conduct.h"

#include <stdlib.h>
#include <string.h>

#include "server/campaign/wave.h"

/* So many proofs make a better guess than what was known before. */
#define SEEN_ENOUGH 10
/* A forecast is good for a millisecond for each so many targets: each costs some ten nanoseconds. */
#define TARGETS_A_MS 100
/* … and for so long where there are windows to be asked about. */
#define CALENDAR_MS 1000
#define NEVER_SHOWN 10
/* From a call until a device is back, where nothing better is known. */
#define AWAY_MS 60000

/* ---- counts over time ---- */

void course_begin(struct course *course)
{
	*course = (struct course){.slot_s = 1, .foretold_at_ms = TIME_NONE};
	for (unsigned i = 0; i < WAVES_MAX; i++)
		course->ended_at_ms[i] = TIME_NONE;
}

void course_slot(struct course *course, uint32_t begins_s)
{
	course->begins_s[course->slots_n++ % PROGRESS_ROWS_MAX] = begins_s;
	course->slot_s = progress_slot_s(course->begins_s, course->slots_n);
}

/* Makes room for one more slot. */
static void widen(struct conductor *c, struct live *live)
{
	struct course *course = &live->course;
	uint32_t n = 0;

	course->slot_s *= 2;
	for (uint32_t i = 0; i < course->slots_n; i++) {
		uint32_t begins_s = course->begins_s[i] / course->slot_s * course->slot_s;

		if (n == 0 || course->begins_s[n - 1] != begins_s)
			course->begins_s[n++] = begins_s;
	}
	course->slots_n = n;
	batch_progress_widen(c->batch, live->no, course->slot_s);
}

/* Gives the slot of now: never an earlier one than the last, should the clock step back. */
static uint32_t slot_at(struct conductor *c, struct live *live, int64_t now_ms)
{
	struct course *course = &live->course;
	int64_t since_s = now_ms / 1000 - live->created_at_ms / 1000;
	uint32_t begins_s = since_s > 0 ? (uint32_t)since_s / course->slot_s * course->slot_s : 0;

	if (course->slots_n > 0 && begins_s <= course->begins_s[course->slots_n - 1])
		return course->begins_s[course->slots_n - 1];
	if (course->slots_n == PROGRESS_ROWS_MAX) {
		widen(c, live);
		return slot_at(c, live, now_ms);
	}
	course->begins_s[course->slots_n++] = begins_s;
	return begins_s;
}

static void write_progress(struct conductor *c, struct live *live, const struct campaign_row *row,
                           int64_t now_ms)
{
	struct progress_row progress = {.campaign = live->no,
	                                .slot_s = slot_at(c, live, now_ms),
	                                .at_ms = now_ms,
	                                .total = row->counts.total};

	memcpy(progress.state, row->counts.state, sizeof progress.state);
	batch_progress_put(c->batch, &progress);
}

/* ---- when waves ended ---- */

static void write_ends(struct conductor *c, struct live *live, const struct campaign_row *row, int64_t now_ms)
{
	struct plan_row plan = {.campaign = live->no};
	bool is_news = false;

	for (uint32_t w = 0; w < row->waves_n; w++) {
		const struct wave_row *wave = &row->waves[w];

		if (wave->opened_at_ms == TIME_NONE || !wave_is_finished(wave) ||
		    live->course.ended_at_ms[w] != TIME_NONE)
			continue;
		live->course.ended_at_ms[w] = now_ms;
		is_news = true;
	}
	if (!is_news || !live->course.has_plan)
		return;
	memcpy(plan.ended_at_ms, live->course.ended_at_ms, sizeof plan.ended_at_ms);
	batch_plan_put(c->batch, &plan);
}

void course_plan_is(struct course *course, const struct plan_row *plan)
{
	course->has_plan = true;
	memcpy(course->ended_at_ms, plan->ended_at_ms, sizeof course->ended_at_ms);
}

void course_write(struct conductor *c, struct live *live, const struct campaign_row *row, int64_t now_ms)
{
	write_progress(c, live, row, now_ms);
	write_ends(c, live, row, now_ms);
}

/* ---- how long devices take ---- */

void course_saw(struct conductor *c, struct live *live, const struct target_row *row)
{
	int64_t ms = row->changed_at_ms - row->called_at_ms;

	if (row->state != TARGET_SUCCEEDED || row->called_at_ms == TIME_NONE)
		return;
	latency_add(&live->course.seen, ms);
	latency_add(&live->course.slots,
	            row->hold_until_ms != TIME_NONE ? row->hold_until_ms - row->called_at_ms : ms);
	if (live->spec->verify.by != VERIFY_NONE)
		latency_add(&c->seen[live->spec->action.type], ms);
}

/* Sets how long devices take: as seen in this campaign (course NULL: there is none yet) or in others of its
 * kind, else as its profile says; false: that. */
static bool put_times(const struct conductor *c, const struct campaign_spec *spec,
                      const struct course *course, uint32_t track_interval_ms, struct forecast *f)
{
	const struct latency *seen = &c->seen[spec->action.type];
	bool is_own = course != NULL && course->seen.n >= SEEN_ENOUGH,
	     is_seen = is_own || (spec->verify.by != VERIFY_NONE && seen->n >= SEEN_ENOUGH);
	int64_t settle_ms = (int64_t)spec->verify.settle_s * 1000;

	if (is_own)
		seen = &course->seen;
	if (is_seen) {
		f->act_ms = latency_mean(seen);
		f->slowest_ms = latency_percentile(seen, 99);
	} else if (spec->verify.by == VERIFY_NONE) {
		f->act_ms = f->slowest_ms = 1000; /* the device's answer is all */
	} else {
		f->act_ms = (spec->verify.by == VERIFY_RECONNECT
		                     ? AWAY_MS
		                     : (int64_t)profile_of(spec->action.type)->act_s * 1000) +
		            track_interval_ms / 2;
		f->slowest_ms = f->act_ms + track_interval_ms / 2;
	}
	f->watch_ms = spec->verify.relapse_watch_s > 0
	                      ? settle_ms + (int64_t)spec->verify.relapse_watch_s * 1000
	                      : 0;
	f->slot_ms = is_own ? latency_mean(&course->slots) : f->act_ms + settle_ms;
	return is_seen;
}

/* ---- what hubs grant ---- */

/* Other campaigns that call over a hub now. */
static void find_rivals(const struct conductor *c, const struct live *mine, uint8_t port,
                        struct forecast_rival **ret, size_t *ret_n)
{
	const struct live *live;

	*ret = xcalloc(HASH_COUNT(c->lives) + 1, sizeof **ret);
	*ret_n = 0;
	for (live = c->lives; live != NULL; live = live->hh.next) {
		struct forecast_rival *rival = &(*ret)[*ret_n];
		struct campaign_row row;
		struct forecast times;
		uint64_t by_slots;

		if (live == mine || memchr(live->hubs, port, live->hubs_n) == NULL ||
		    engine_campaign_row(c->engine, live->no, &row) != ERR_OK || row.state != CAMPAIGN_RUNNING)
			continue;
		for (uint32_t w = 0; w < row.waves_n; w++)
			if (row.waves[w].stage == WAVE_OPEN)
				rival->calls = row.waves[w].state[TARGET_WAITING] / live->hubs_n;
		put_times(c, live->spec, &live->course, c->ports[port].options.track_interval_ms, &times);
		by_slots = limit_of(live->spec->rollout.max_unavailable, row.counts.total) * UINT64_C(60000) /
		           (uint64_t)(times.slot_ms > 0 ? times.slot_ms : 1);
		rival->per_minute = by_slots < UINT32_MAX && by_slots > 0 ? (uint32_t)by_slots : 0;
		if (live->spec->rollout.rate_per_minute > 0 &&
		    (rival->per_minute == 0 || live->spec->rollout.rate_per_minute < rival->per_minute))
			rival->per_minute = live->spec->rollout.rate_per_minute;
		*ret_n += rival->calls > 0;
	}
}

void course_hub(const struct conductor *c, const struct live *live, uint32_t port,
                const struct campaign_spec *spec, bool has_baselines, struct preview *p, uint32_t hub)
{
	struct forecast_hub *ret = &p->forecast.hubs[hub];
	struct device_cost cost;
	struct forecast_rival *rivals;

	port_preview(&c->ports[port], &p->hubs[hub]);
	if (spec->action.transport == TRANSPORT_HUB_JOB)
		p->hubs[hub].grant.calls_per_minute = c->ports[port].rates.job_calls_per_minute;
	cost = device_cost_of(spec, has_baselines, p->forecast.act_ms, &p->hubs[hub].grant);
	device_cost_limits(&cost, &p->hubs[hub].grant, ret);
	ret->opens_at_ms = port_opens_at(&c->ports[port]);
	find_rivals(c, live, (uint8_t)port, &rivals, &ret->rivals_n);
	ret->rivals = rivals;
}

void course_hubs_done(struct preview *p)
{
	free(p->forecast.by_zones);
	for (uint32_t h = 0; h < p->forecast.hubs_n; h++)
		free((void *)(uintptr_t)p->forecast.hubs[h].rivals);
}

bool course_times(const struct conductor *c, const struct campaign_spec *spec, struct forecast *f)
{
	return put_times(c, spec, NULL, c->ports[0].options.track_interval_ms, f);
}

/* ---- when it will end ---- */

/* Foretells a live campaign from where it stands; false: its targets are not known yet. To be ended by
 * course_hubs_done(). */
static bool foretell(const struct conductor *c, const struct live *live, int64_t now_ms, struct calendar *cal,
                     struct preview *p)
{
	const struct campaign_spec *spec = live->spec;
	bool is_by_query = spec->targets.by == TARGETS_WHERE || spec->targets.by == TARGETS_ALL;

	*p = (struct preview){
	        .spec = spec, .made_at_ms = now_ms, .start_at_ms = now_ms, .selected_at_ms = now_ms};
	p->counted_by = COUNTED_BY_SELECTION;
	p->is_exact = p->is_looked_up = p->has_list = true;
	p->has_baselines = spec->verify.by == VERIFY_PROPERTY && (is_by_query || live->must_look);
	p->forecast.now_ms = now_ms;
	p->is_seen = put_times(c, spec, &live->course, c->ports[live->hubs[0]].options.track_interval_ms,
	                       &p->forecast);
	if (live->windows != NULL &&
	    live->zones_n > 0) { /* those of the devices, of which there may be none */
		calendar_init(cal, c, spec, live->windows, live->zones);
		p->forecast.calendar = calendar_after;
		p->forecast.calendar_arg = cal;
		p->windows_n = calendar_windows(cal, 0, now_ms, p->windows, PREVIEW_SPANS_MAX);
	}
	if (!engine_outlook(c->engine, live->no, &p->forecast))
		return false;
	for (uint32_t h = 0; h < live->hubs_n; h++)
		course_hub(c, live, live->hubs[h], spec, p->has_baselines, p, h);
	forecast_run(&p->forecast);
	return true;
}

static int64_t good_for_ms(const struct live *live, const struct campaign_row *row)
{
	int64_t ms = row->counts.total / TARGETS_A_MS;

	return live->windows != NULL && ms < CALENDAR_MS ? CALENDAR_MS : ms;
}

bool conductor_foretell(const struct conductor *c, uint32_t campaign_no, struct campaign_forecast *ret)
{
	struct live *live = conduct_live(c, campaign_no);
	int64_t now_ms = conduct_now(c);
	struct calendar cal;
	struct campaign_row row;
	struct preview *p;

	if (live == NULL || engine_campaign_row(c->engine, live->no, &row) != ERR_OK ||
	    (row.state != CAMPAIGN_RUNNING && row.state != CAMPAIGN_CANCELLING))
		return false;
	if (live->course.foretold_at_ms == TIME_NONE || live->course.foretold_state != row.state ||
	    live->course.foretold_revision != live->spec_revision || now_ms < live->course.foretold_at_ms ||
	    now_ms > live->course.foretold_at_ms + good_for_ms(live, &row)) {
		p = xmalloc(sizeof *p);
		if (!foretell(c, live, now_ms, &cal, p)) {
			free(p);
			return false;
		}
		live->course.foretold = (struct campaign_forecast){
		        .ends_at_ms = p->forecast.approvals_n == 0 || row.state == CAMPAIGN_CANCELLING
		                              ? p->forecast.ends_at_ms
		                              : TIME_NONE,
		        .wave = p->forecast.wave,
		        .waves_n = row.waves_n};
		for (uint32_t w = p->forecast.wave; w < row.waves_n; w++) {
			live->course.foretold.opens_at_ms[w] =
			        forecast_shown(&p->forecast, p->forecast.waves[w].opens_at_ms);
			live->course.foretold.wave_ends_at_ms[w] =
			        forecast_shown(&p->forecast, p->forecast.waves[w].ends_at_ms);
		}
		live->course.foretold_at_ms = now_ms;
		live->course.foretold_state = row.state;
		live->course.foretold_revision = live->spec_revision;
		course_hubs_done(p);
		free(p);
	}
	*ret = live->course.foretold;
	if (ret->ends_at_ms != TIME_NONE && ret->ends_at_ms < now_ms) /* it is a little old */
		ret->ends_at_ms = now_ms;
	return true;
}

int64_t conductor_predicted_finish(const struct conductor *c, uint32_t campaign_no)
{
	struct campaign_forecast forecast;

	return conductor_foretell(c, campaign_no, &forecast) ? forecast.ends_at_ms : TIME_NONE;
}

/* ---- the plan ---- */

static void count_never(struct preview_never *never, const char *device_id, const char **ids)
{
	if (never->n++ < NEVER_SHOWN) {
		ids[never->ids_n++] = device_id;
		never->ids = ids;
	}
}

/* Who of those found will not be called, as far as that is known. */
static void find_never(const struct live *live, struct preview *p, const char *ids[2][NEVER_SHOWN])
{
	struct preview_never excluded = {.reason = REASON_EXCLUDED}, disabled = {.reason = REASON_DISABLED};
	bool is_by_query = live->spec->targets.by == TARGETS_WHERE || live->spec->targets.by == TARGETS_ALL;

	for (uint32_t i = 0; i < selection_n(live->found); i++) {
		const struct selected *found = selection_at(live->found, i);

		p->hubs[found->hub].targets++;
		if (id_set_has(live->excluded, found->device_id))
			count_never(&excluded, found->device_id, ids[0]);
		else if (is_by_query && found->is_disabled)
			count_never(&disabled, found->device_id, ids[1]);
	}
	if (excluded.n > 0)
		p->never[p->never_n++] = excluded;
	if (disabled.n > 0)
		p->never[p->never_n++] = disabled;
}

static struct preview_group *groups_of(const struct selection *found, size_t *ret_n)
{
	size_t n = selection_groups_n(found);
	struct preview_group *groups = xcalloc(n + 1, sizeof *groups);

	for (size_t i = 0; i < n; i++) {
		uint8_t hub;

		groups[i].name = selection_group(found, (uint32_t)i, &hub, &groups[i].size);
		groups[i].hub = hub;
	}
	*ret_n = n;
	return groups;
}

void course_plan(struct conductor *c, struct live *live, int64_t now_ms)
{
	struct preview *p = xmalloc(sizeof *p);
	struct calendar cal;
	const char *ids[2][NEVER_SHOWN];
	struct preview_group *groups;
	struct buf text = BUF_INIT;

	if (foretell(c, live, now_ms, &cal, p)) {
		struct plan_row plan = {.campaign = live->no};

		find_never(live, p, ids);
		p->groups = groups = groups_of(live->found, &p->groups_n);
		preview_render(p, &text);
		plan.text = text.data;
		memcpy(plan.ended_at_ms, live->course.ended_at_ms, sizeof plan.ended_at_ms);
		batch_plan_put(c->batch, &plan);
		live->course.has_plan = true;
		course_hubs_done(p);
		free(groups);
	}
	buf_done(&text);
	free(p);
}
