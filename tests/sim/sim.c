/* sim: see sim.h */
#include "tests/sim/sim.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/hash.h"
#include "server/base/log.h"
#include "server/base/rng.h"
#include "server/campaign/spec.h"
#include "server/hub/hub.h"
#include "server/hub/http.h"
#include "store/backend.h"
#include "tests/lib/store_sync.h"
#include "tests/sim/net.h"
#include "tests/sim/window_check.h"

#define CAMPAIGNS_MAX 8

/* What the checker remembers of one campaign, over all lives of the process. */
#define DAY_MS ((int64_t)24 * 3600 * 1000)

struct known {
	char id[ID_SIZE];
	uint32_t no;
	bool is_final, was_paused, was_cancelled; /* answered orders that hold */
	bool is_forgotten;
	int64_t finished_at_ms;
	enum campaign_state state;
	uint32_t max_unavailable;
	struct campaign_spec *spec;
	uint32_t targets_n;
	struct target_row *targets; /* as last seen on record */
	uint32_t *sites;            /* of each of them: the group that its world put its device in */
	uint8_t hubs[SIM_HUBS_MAX]; /* ours of each of its own */
	uint32_t hubs_n;
	struct wave_row waves[WAVES_MAX];
};

struct device {
	struct device *next;
	const struct side *side;
	char id[DEVICE_ID_MAX + 1];
	bool is_called; /* a call that reached it has not ended */
};

/* One hub: its world, and the way there. */
struct side {
	struct sim *s;
	uint32_t index;
	struct world *world;
	struct net *net;
	struct hub *hub; /* the process's */
};

struct sim {
	struct sim_options options;
	struct rng rng;
	int64_t now_ms, run_at_ms, commit_at_ms;
	int64_t set_by_ms; /* what the process's clock shows, less the time */
	struct side sides[SIM_HUBS_MAX];
	struct disk *disk;
	struct backend *record; /* the checker's own look at the disk */
	/* the process */
	struct store *store;
	struct conductor *conductor;
	bool must_crash;
	uint32_t commits, calls, crashes;
	uint32_t commits_explained; /* at which P12 was checked last */
	uint64_t trace;
	/* what was asked and answered */
	bool is_answered;
	enum err answer;
	char answer_id[ID_SIZE];
	struct known known[CAMPAIGNS_MAX];
	uint32_t known_n;
	struct device *devices;
};

_Noreturn void sim_broken(struct sim *s, const char *file, int line, const char *format, ...)
{
	char at[TIME_TEXT_SIZE];
	va_list ap;

	fprintf(stderr, "%s:%d: seed %llu, at %s, commit %u, call %u: ", file, line,
	        (unsigned long long)s->options.seed, time_text(s->now_ms, at), s->commits, s->calls);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

void sim_options_init(struct sim_options *o)
{
	memset(o, 0, sizeof *o);
	world_options_init(&o->world);
	o->world.start_ms = 1764547200000; /* 2025-12-01 */
	o->world.devices_n = 20;
	o->world.with_history = true;
	o->hubs_n = 1;
	o->track_interval_ms = 5000;
	o->sku = "none";
	o->commit_max_ms = 5;
}

struct world *sim_world(struct sim *s, uint32_t hub)
{
	assert(hub < s->options.hubs_n);
	return s->sides[hub].world;
}

int64_t sim_now(const struct sim *s)
{
	return s->now_ms;
}

uint32_t sim_commits(const struct sim *s)
{
	return s->commits;
}

uint32_t sim_calls(const struct sim *s)
{
	return s->calls;
}

uint32_t sim_crashes(const struct sim *s)
{
	return s->crashes;
}

uint64_t sim_trace(const struct sim *s)
{
	return s->trace;
}

static void trace(struct sim *s, const char *what, const char *who)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "%llx %lld %s %s", (unsigned long long)s->trace, (long long)s->now_ms, what, who);
	s->trace = hash64(b.data, b.len);
	buf_done(&b);
}

/* ---- the checker: the record ---- */

static bool is_out(uint8_t state)
{
	return state == TARGET_INVOKING || state == TARGET_DOUBTFUL || state == TARGET_AWAITING_PROOF;
}

/* The world's tags.site on that hub; a device that the world does not know is in none. */
static uint32_t site_of(const struct sim *s, uint32_t hub, const char *device_id)
{
	uint32_t no = (uint32_t)strtoul(device_id + 4, NULL, 10);

	if (!world_has_device(s->sides[hub].world, device_id) || strncmp(device_id, "dev-", 4) != 0)
		return UINT32_MAX;
	return hub << 24 | no / s->options.world.site_size;
}

/* P8: counts are true. P10: final is final. Remembers what it saw. */
static void check_targets(struct sim *s, struct known *k, const struct answer *page, struct counts *seen)
{
	for (size_t i = 0; i < page->targets_n; i++) {
		const struct target_row *row = &page->targets[i].row;
		struct target_row *old = row->no < k->targets_n ? &k->targets[row->no] : NULL;

		seen->total++;
		seen->state[row->state]++;
		seen->reason[row->reason]++;
		if (row->state == TARGET_WAITING)
			seen->wait[row->wait]++;
		if (old == NULL) {
			k->targets = xrealloc(k->targets, (row->no + 1) * sizeof *k->targets);
			k->sites = xrealloc(k->sites, (row->no + 1) * sizeof *k->sites);
			k->sites[row->no] = site_of(s, k->hubs[row->hub], page->targets[i].device_id);
			k->targets_n = row->no + 1;
			old = &k->targets[row->no];
		} else if (target_state_is_final(old->state)) {
			SIM_CHECK(s, old->state == row->state && old->reason == row->reason,
			          "P10: target %u of %s was %s/%s and is %s/%s", row->no, k->id,
			          target_state_text(old->state), reason_text(old->reason),
			          target_state_text(row->state), reason_text(row->reason));
		}
		*old = *row;
	}
}

/* P8: the progress ends with the counts that the campaign has now, and begins no later than it. */
static void check_progress(struct sim *s, const struct known *k, const struct campaign_row *campaign)
{
	struct answer page;
	const struct progress_row *last;

	answer_init(&page);
	SIM_CHECK(s, backend_read_progress(s->record, k->id, &page) == ERR_OK, "the record cannot be read");
	SIM_CHECK(s, page.progress_n <= PROGRESS_ROWS_MAX, "%zu slots of %s", page.progress_n, k->id);
	last = page.progress_n > 0 ? &page.progress[page.progress_n - 1] : NULL;
	SIM_CHECK(s,
	          last == NULL ? campaign->counts.total == 0
	                       : last->total == campaign->counts.total &&
	                                 memcmp(last->state, campaign->counts.state, sizeof last->state) == 0,
	          "P8: the progress of %s does not end with its counts", k->id);
	for (size_t i = 1; i < page.progress_n; i++)
		SIM_CHECK(s,
		          page.progress[i - 1].slot_s < page.progress[i].slot_s &&
		                  page.progress[i - 1].revision < page.progress[i].revision,
		          "the progress of %s is out of order", k->id);
	answer_done(&page);
}

/* Who has started has a plan, and each wave that is over has ended; what is foretold is not in the past. */
static void check_plan(struct sim *s, const struct known *k, const struct campaign_row *campaign)
{
	struct answer page;
	int64_t ends_at_ms;

	answer_init(&page);
	SIM_CHECK(s, backend_read_plan(s->record, k->id, &page) == ERR_OK, "the record cannot be read");
	SIM_CHECK(s, page.has_plan == (campaign->waves_n > 0), "%s has %s plan", k->id,
	          page.has_plan ? "a" : "no");
	for (uint32_t w = 0; w < campaign->waves_n; w++) {
		const struct wave_row *wave = &campaign->waves[w];
		bool is_over = wave->opened_at_ms != TIME_NONE &&
		               wave->state[TARGET_WAITING] + wave->state[TARGET_INVOKING] +
		                               wave->state[TARGET_DOUBTFUL] +
		                               wave->state[TARGET_AWAITING_PROOF] ==
		                       0;

		SIM_CHECK(s, is_over == (page.plan.ended_at_ms[w] != TIME_NONE), "wave %u of %s has %sended",
		          w, k->id, is_over ? "not " : "");
	}
	answer_done(&page);
	ends_at_ms = s->conductor != NULL ? conductor_predicted_finish(s->conductor, k->no) : TIME_NONE;
	SIM_CHECK(s, ends_at_ms == TIME_NONE || ends_at_ms >= s->now_ms - 1, "%s is foretold to have ended",
	          k->id);
}

static void check_campaign(struct sim *s, struct known *k)
{
	struct target_filter f = {
	        .campaign = k->no, .limit = STORE_PAGE_MAX, .state = -1, .reason = -1, .wait = -1, .hub = -1};
	struct counts seen = {0};
	struct answer page;
	const struct campaign_row *row;

	answer_init(&page);
	SIM_CHECK(s, backend_read_targets(s->record, &f, &page) == ERR_OK, "the record cannot be read");
	if (page.campaigns_n == 0 && k->is_final && s->options.retention_days > 0 &&
	    s->now_ms - k->finished_at_ms > s->options.retention_days * DAY_MS) {
		k->is_forgotten = true;
		answer_done(&page);
		return;
	}
	SIM_CHECK(s, page.campaigns_n == 1, "P9: campaign %s was answered and is gone", k->id);
	row = &page.campaigns[0];
	SIM_CHECK(s, !page.has_more, "the simulation is too large");
	check_targets(s, k, &page, &seen);
	SIM_CHECK(s, memcmp(&seen, &row->counts, sizeof seen) == 0,
	          "P8: counts of %s are not those of its targets", k->id);
	check_progress(s, k, row);
	check_plan(s, k, row);
	SIM_CHECK(s, !k->is_final || k->state == row->state, "P10: campaign %s was final and moved", k->id);
	SIM_CHECK(s,
	          !k->was_cancelled || row->state == CAMPAIGN_CANCELLING || row->state == CAMPAIGN_CANCELLED,
	          "P9: the cancelling of %s is forgotten", k->id);
	SIM_CHECK(s,
	          !k->was_paused || row->state == CAMPAIGN_PAUSED || campaign_state_is_final(row->state) ||
	                  (k->spec->aborts_n > 0 && row->state == CAMPAIGN_CANCELLING),
	          "P9: the pause of %s is forgotten", k->id);
	memcpy(k->waves, row->waves, sizeof k->waves);
	k->state = row->state;
	k->is_final = campaign_state_is_final(row->state);
	k->finished_at_ms = row->finished_at_ms;
	if (k->is_final)
		for (size_t i = 0; i < page.targets_n; i++)
			SIM_CHECK(s, target_state_is_final(page.targets[i].row.state),
			          "P10: %s is final, its target %zu is not", k->id, i);
	answer_done(&page);
}

static void check_record(struct sim *s)
{
	for (uint32_t i = 0; i < s->known_n; i++)
		if (!s->known[i].is_forgotten)
			check_campaign(s, &s->known[i]);
}

/* ---- the checker: calls ---- */

/* NULL: it is being made, and not answered yet. */
static const struct known *known_of(const struct sim *s, uint32_t no)
{
	for (uint32_t i = 0; i < s->known_n; i++)
		if (s->known[i].no == no)
			return &s->known[i];
	return NULL;
}

/* A device's state in a campaign, as on record; false: it is not in it, on that hub. */
static bool row_of(struct sim *s, uint32_t campaign_no, const struct known *k, uint32_t hub,
                   const char *device_id, struct target_row *ret)
{
	struct target_filter f = {.campaign = campaign_no,
	                          .limit = 2,
	                          .state = -1,
	                          .reason = -1,
	                          .wait = -1,
	                          .device_id = device_id};
	struct answer page;
	bool is_there;

	if (k->hubs_n == 0) /* a schedule's: on all hubs */
		f.hub = (int)hub;
	while ((uint32_t)f.hub < k->hubs_n && k->hubs[f.hub] != hub)
		f.hub++;
	if (k->hubs_n > 0 && (uint32_t)f.hub == k->hubs_n)
		return false;
	answer_init(&page);
	SIM_CHECK(s, backend_read_targets(s->record, &f, &page) == ERR_OK, "the record cannot be read");
	is_there = page.targets_n > 0;
	if (is_there)
		*ret = page.targets[0].row;
	answer_done(&page);
	return is_there;
}

static bool is_down(const struct sim *s, const struct target_row *t)
{
	return is_out(t->state) || (t->state == TARGET_SUCCEEDED && t->hold_until_ms != TIME_NONE &&
	                            t->hold_until_ms > s->now_ms);
}

/* Last seen offline, not longer than 5 min ago. */
static bool is_offline(const struct sim *s, const struct target_row *t)
{
	return t->state == TARGET_WAITING && t->offline_tries > 0 &&
	       t->changed_at_ms + 300000 >= s->now_ms + s->set_by_ms;
}

/* P4: of the campaign that calls, and of the group that is called into, no more than may be are between call
 * and end of settling; the group counts all campaigns, those last seen offline, and those that failed in this
 * one. */
static void check_capacity(struct sim *s, const struct known *k, uint32_t site)
{
	uint32_t out = 0, of_group = 0, group_max = 0;

	for (uint32_t i = 0; i < k->targets_n; i++) {
		out += is_down(s, &k->targets[i]);
		of_group += k->sites[i] == site && k->targets[i].state == TARGET_FAILED;
	}
	SIM_CHECK(s, out <= k->max_unavailable, "P4: %u of %s are out, %u may be", out, k->id,
	          k->max_unavailable);
	if (k->spec->rollout.group_by == NULL)
		return;
	/* Claims of several campaigns may share a commit: the widest of their limits is what can be checked
	 * here. */
	for (uint32_t c = 0; c < s->known_n; c++) {
		const struct known *other = &s->known[c];
		uint32_t own_size = 0, own_max;

		if (other->spec->rollout.group_by == NULL)
			continue;
		for (uint32_t i = 0; i < other->targets_n; i++) {
			own_size += other->sites[i] == site;
			of_group += other->sites[i] == site &&
			            (is_down(s, &other->targets[i]) || is_offline(s, &other->targets[i]));
		}
		own_max = limit_of(other->spec->rollout.group_max_unavailable, own_size);
		group_max = own_max > group_max ? own_max : group_max;
	}
	SIM_CHECK(s, of_group <= group_max, "P4: %u of site %u are down or failed, %u may be", of_group, site,
	          group_max);
}

/* ---- the checker: why they wait ---- */

/* What waiting target t waits for, as the API tells it from what the conductor says. */
static enum wait told_wait(const struct sim *s, const struct known *k, const struct campaign_waiting *w,
                           const struct target_row *t)
{
	int64_t opens_at_ms;
	enum wait window = conductor_window(s->conductor, k->no, t->no, &opens_at_ms);

	if (t->no >= w->closed_from)
		return WAIT_WAVE;
	if (w->overrides_own)
		return w->wait;
	if (w->has_shut_windows && window != WAIT_NONE)
		return window;
	if (w->shut_hubs >> t->hub & 1)
		return WAIT_HUB;
	if (t->wait != WAIT_NONE)
		return (enum wait)t->wait;
	return conductor_is_parked(s->conductor, k->no, t->no) ? WAIT_GROUP : w->wait;
}

static bool is_hub_open(const struct sim *s, uint32_t hub)
{
	struct hub_view view;

	conductor_hub(s->conductor, hub, &view);
	return strcmp(view.state, "open") == 0;
}

/* The first of P12's reasons that holds by the record and the hubs; from DEVICE on, those that the record
 * tells. */
static enum wait first_wait(const struct sim *s, const struct known *k, const struct target_row *t)
{
	int64_t opens_at_ms;
	enum wait window = conductor_window(s->conductor, k->no, t->no, &opens_at_ms);

	if (k->state == CAMPAIGN_PAUSED)
		return WAIT_PAUSED;
	if (k->state == CAMPAIGN_SELECTING)
		return WAIT_SELECTION;
	if (k->state == CAMPAIGN_SCHEDULED)
		return WAIT_START;
	if (k->state == CAMPAIGN_AWAITING_APPROVAL)
		return WAIT_APPROVAL;
	if (k->waves[wave_of(k->spec, t->no, k->targets_n)].stage == WAVE_PENDING)
		return WAIT_WAVE;
	if (window != WAIT_NONE)
		return window;
	return is_hub_open(s, k->hubs[t->hub]) ? (enum wait)t->wait : WAIT_HUB;
}

/* P12: each waiting target has the first reason that holds. Only while nothing waits to be committed, and no
 * news to be worked on: then the record is all there is. */
static void check_waiting(struct sim *s, const struct known *k)
{
	uint32_t out = 0;
	struct campaign_waiting w;

	if (k->is_final || k->state == CAMPAIGN_CANCELLING)
		return;
	conductor_waiting(s->conductor, k->no, &w);
	for (uint32_t i = 0; i < k->targets_n; i++)
		out += is_down(s, &k->targets[i]);
	for (uint32_t i = 0; i < k->targets_n; i++) {
		const struct target_row *t = &k->targets[i];
		enum wait told, first;

		if (t->state != TARGET_WAITING)
			continue;
		told = told_wait(s, k, &w, t);
		first = first_wait(s, k, t);
		SIM_CHECK(s, told != WAIT_NONE, "P12: target %u of %s waits for nothing", i, k->id);
		SIM_CHECK(s, first == WAIT_NONE ? told >= WAIT_GROUP : told == first,
		          "P12: target %u of %s waits for %s, said is %s", i, k->id, wait_text(first),
		          wait_text(told));
		SIM_CHECK(s, told != WAIT_RATE || out < k->max_unavailable,
		          "P12: target %u of %s waits for rate, %u of %u are out", i, k->id, out,
		          k->max_unavailable);
		SIM_CHECK(s, told != WAIT_GROUP || k->spec->rollout.group_by != NULL,
		          "P12: target %u of %s waits for a group that it has not", i, k->id);
	}
}

/* P7: every wave before this target's has passed its gate. */
static void check_waves(struct sim *s, const struct known *k, uint32_t no)
{
	uint32_t wave = wave_of(k->spec, no, k->targets_n);

	for (uint32_t w = 0; w < wave; w++)
		SIM_CHECK(s, k->waves[w].stage == WAVE_PASSED,
		          "P7: target %u of wave %u is called, wave %u is %s", no, wave, w,
		          wave_stage_text((enum wave_stage)k->waves[w].stage));
}

/* P1: no call without its intent on record. P3: no device in two hands. P6: no call of what is paused. */
static void check_call(const struct side *side, const char *path)
{
	struct sim *s = side->s;
	char device_id[DEVICE_ID_MAX + 1];
	const char *from = path + strlen("/twins/");
	size_t n = strcspn(from, "/");
	struct campaign_filter all = {.state = -1, .limit = STORE_PAGE_MAX};
	struct answer campaigns;
	uint32_t invoking = 0, out = 0;

	SIM_CHECK(s, n <= DEVICE_ID_MAX, "no device in %s", path);
	memcpy(device_id, from, n);
	device_id[n] = '\0';
	trace(s, "call", device_id);
	log_debug("call leaves", LI("at", s->now_ms - s->options.world.start_ms), LS("device", device_id));
	answer_init(&campaigns);
	SIM_CHECK(s, backend_read_campaigns(s->record, &all, &campaigns) == ERR_OK,
	          "the record cannot be read");
	for (size_t i = 0; i < campaigns.campaigns_n; i++) {
		const struct campaign_row *row = &campaigns.campaigns[i];
		const struct known *k = known_of(s, row->no);
		struct target_row t;

		if (!row_of(s, row->no, k != NULL ? k : &s->known[s->known_n], side->index, device_id, &t) ||
		    !is_out(t.state))
			continue;
		out++;
		invoking += t.state == TARGET_INVOKING;
		SIM_CHECK(s, t.state != TARGET_INVOKING || k == NULL || (!k->was_paused && !k->was_cancelled),
		          "P6: %s is called, %s is paused or cancelled", device_id, row->id);
		if (t.state == TARGET_INVOKING) {
			const char *reason = "";

			SIM_CHECK(s,
			          window_check(row->spec, window_zone_of_site(site_of(s, 0, device_id)),
			                       s->now_ms + s->set_by_ms, &reason),
			          "P5: %s is called in %s", device_id, reason);
		}
		if (t.state == TARGET_INVOKING && k != NULL) {
			check_capacity(s, k, site_of(s, side->index, device_id));
			check_waves(s, k, t.no);
		}
	}
	answer_done(&campaigns);
	SIM_CHECK(s, invoking == 1, "P1: %s is called with %u intents on record", device_id, invoking);
	SIM_CHECK(s, out == 1, "P3: %s is out in %u campaigns", device_id, out);
}

/* The devices of a job that begins: the same holds for each. */
static void check_job(const struct side *side, const struct http_request *request)
{
	const char *at = strstr(request->body, "\"queryCondition\":"), *end = strchr(at, ']');
	char path[DEVICE_ID_MAX + 32];

	while ((at = strchr(at, '\'')) != NULL && at < end) {
		size_t n = strcspn(at + 1, "'");

		snprintf(path, sizeof path, "/twins/%.*s/methods", (int)n, at + 1);
		check_call(side, path);
		at += n + 2;
	}
}

static bool on_request(void *arg, const struct http_request *request)
{
	const struct side *side = arg;
	struct sim *s = side->s;
	bool is_call = strcmp(request->method, "POST") == 0 && strstr(request->path, "/methods?") != NULL;
	bool is_job = strcmp(request->method, "PUT") == 0;

	if (is_call || is_job) {
		s->calls++;
		if (is_job)
			check_job(side, request);
		else
			check_call(side, request->path);
		if (s->calls == s->options.crash_at_call)
			s->must_crash = true;
	}
	return s->options.refuse_share <= 0 || rng_unit(&s->rng) >= s->options.refuse_share;
}

/* P2 and P3 by the hub's own journal: no two calls at once in one device. */
static void on_journal(void *arg, const struct world_entry *entry)
{
	const struct side *side = arg;
	struct sim *s = side->s;
	struct device *d;

	trace(s, world_entry_text(entry->kind), entry->device_id);
	log_debug(world_entry_text(entry->kind), LI("at", entry->at_ms - s->options.world.start_ms),
	          LS("device", entry->device_id), LS("attempt", entry->attempt_id));
	if (entry->kind != WORLD_CALL && entry->kind != WORLD_END)
		return;
	for (d = s->devices; d != NULL && (d->side != side || strcmp(d->id, entry->device_id) != 0);
	     d = d->next)
		;
	if (d == NULL) {
		d = xcalloc(1, sizeof *d);
		d->side = side;
		snprintf(d->id, sizeof d->id, "%s", entry->device_id);
		d->next = s->devices;
		s->devices = d;
	}
	SIM_CHECK(s, entry->kind != WORLD_CALL || !d->is_called, "P3: two calls at once reached %s", d->id);
	d->is_called = entry->kind == WORLD_CALL;
}

/* ---- the process ---- */

static int64_t mono_of(void *arg)
{
	const struct sim *s = arg;

	return s->now_ms;
}

static int64_t now_of(void *arg)
{
	const struct sim *s = arg;

	return s->now_ms + s->set_by_ms;
}

void sim_set_clock(struct sim *s, int64_t by_ms)
{
	s->set_by_ms += by_ms;
	s->run_at_ms = s->now_ms;
}

static void on_wake(void *arg)
{
	struct sim *s = arg;

	s->run_at_ms = s->now_ms;
}

static void on_broken(void *arg, enum err err)
{
	struct sim *s = arg;

	sim_broken(s, __FILE__, __LINE__, "a commit failed: %s", err_text(err));
}

static void draw_fate(struct sim *s)
{
	bool is_due = s->options.crash_at_commit > s->commits;
	uint32_t nth = is_due ? s->options.crash_at_commit - s->commits : 0;
	bool is_after = s->options.crash_is_after;

	if (nth == 0 && s->options.crash_share > 0) {
		nth = 1 + (uint32_t)rng_below(&s->rng, (uint64_t)(2 / s->options.crash_share));
		is_after = rng_below(&s->rng, 2) == 0;
	}
	if (nth > 0)
		store_sync_set_fate(s->store, nth, is_after ? COMMIT_IS_LAST : COMMIT_IS_LOST);
}

static const char *const hub_names[SIM_HUBS_MAX] = {"main", "hub1", "hub2"};

static void begin(struct sim *s)
{
	struct store_head head;
	struct conductor_hub ports[SIM_HUBS_MAX];
	struct conductor_options conductor = {.hubs = ports,
	                                      .hubs_n = s->options.hubs_n,
	                                      .seed = rng_u64(&s->rng),
	                                      .retention_days = s->options.retention_days,
	                                      .now_ms = now_of,
	                                      .mono_ms = mono_of,
	                                      .on_broken = on_broken,
	                                      .on_wake = on_wake,
	                                      .arg = s};
	char *reason = NULL;

	SIM_CHECK(s,
	          store_open(&(struct store_options){.path = disk_path(s->disk)}, &s->store, &head,
	                     &reason) == ERR_OK,
	          "the store does not open: %s", reason);
	draw_fate(s);
	for (uint32_t h = 0; h < s->options.hubs_n; h++) {
		struct hub_options hub = {.loop = (struct uv_loop_s *)(void *)s->sides[h].net,
		                          .name = hub_names[h],
		                          .connection_string =
		                                  "HostName=hub.example;SharedAccessKeyName=service;"
		                                  "SharedAccessKey=AAECAwQFBgcICQoLDA0ODw==",
		                          .inflight_max = 1000};

		SIM_CHECK(s, hub_new(&hub, &s->sides[h].hub) == ERR_OK, "no hub");
		ports[h] = (struct conductor_hub){.hub = s->sides[h].hub,
		                                  .name = hub_names[h],
		                                  .sku = s->options.sku,
		                                  .reserve_percent = s->options.reserve_percent,
		                                  .units = 1,
		                                  .inflight_max = 1000,
		                                  .track_interval_ms = s->options.track_interval_ms,
		                                  .ambiguous_max = 5};
	}
	conductor.store = s->store;
	conductor.head = &head;
	SIM_CHECK(s, conductor_new(&conductor, &s->conductor) == ERR_OK, "the record does not load");
	s->run_at_ms = s->now_ms;
	s->commit_at_ms = TIME_NEVER;
	s->must_crash = false;
}

static void on_hub_freed(void *arg)
{
	(void)arg;
}

static void end(struct sim *s)
{
	conductor_free(s->conductor);
	for (uint32_t h = 0; h < s->options.hubs_n; h++) {
		net_crash(s->sides[h].net);
		hub_free(s->sides[h].hub, on_hub_freed, NULL);
	}
	store_sync_crash(s->store);
}

void sim_crash(struct sim *s)
{
	s->crashes++;
	trace(s, "crash", "");
	end(s);
	begin(s);
	check_record(s);
}

struct sim *sim_new(const struct sim_options *o)
{
	struct sim *s = xcalloc(1, sizeof *s);
	struct store_head head;
	char *reason = NULL;

	s->options = *o;
	rng_seed(&s->rng, o->seed);
	s->now_ms = o->world.start_ms;
	assert(o->hubs_n > 0 && o->hubs_n <= SIM_HUBS_MAX);
	for (uint32_t h = 0; h < o->hubs_n; h++) {
		struct side *side = &s->sides[h];
		struct world_options world = o->world;

		world.seed += h;
		*side = (struct side){.s = s, .index = h, .world = world_new(&world)};
		world_on_journal(side->world, on_journal, side);
		side->net = net_new(&(struct net_options){side->world, on_request, side});
		net_run(side->net, s->now_ms);
	}
	s->disk = disk_new();
	SIM_CHECK(s, backend_open(disk_path(s->disk), &s->record, &head, &reason) == ERR_OK, "no record: %s",
	          reason);
	begin(s);
	return s;
}

void sim_free(struct sim *s)
{
	struct device *d;

	end(s);
	for (uint32_t h = 0; h < s->options.hubs_n; h++) {
		net_free(s->sides[h].net);
		world_free(s->sides[h].world);
	}
	backend_close(s->record);
	disk_free(s->disk);
	for (uint32_t i = 0; i < s->known_n; i++) {
		free(s->known[i].targets);
		free(s->known[i].sites);
		spec_done(s->known[i].spec);
		free(s->known[i].spec);
	}
	while ((d = s->devices) != NULL) {
		s->devices = d->next;
		free(d);
	}
	free(s);
}

/* ---- time ---- */

static bool all_final(const struct sim *s)
{
	for (uint32_t i = 0; i < s->known_n; i++)
		if (!s->known[i].is_final)
			return false;
	return true;
}

static void plan_commit(struct sim *s)
{
	if (store_sync_pending(s->store) > 0 && s->commit_at_ms == TIME_NEVER)
		s->commit_at_ms =
		        s->now_ms + 1 + (int64_t)rng_below(&s->rng, (uint64_t)s->options.commit_max_ms);
}

static void run_nets(struct sim *s)
{
	for (uint32_t h = 0; h < s->options.hubs_n; h++)
		net_run(s->sides[h].net, s->now_ms);
}

static int64_t time_of(const struct sim *s, int64_t clock_ms)
{
	return clock_ms == TIME_NEVER ? TIME_NEVER : clock_ms - s->set_by_ms;
}

static void run_conductor(struct sim *s)
{
	int64_t at_ms;

	s->run_at_ms = TIME_NEVER;
	at_ms = time_of(s, conductor_run(s->conductor));
	if (at_ms < s->run_at_ms) /* it may have asked to be woken meanwhile */
		s->run_at_ms = at_ms;
	if (store_sync_pending(s->store) > 0 || s->run_at_ms <= s->now_ms ||
	    s->commits == s->commits_explained)
		return;
	s->commits_explained = s->commits;
	for (uint32_t i = 0; i < s->known_n; i++)
		check_waiting(s, &s->known[i]);
}

/* Moves on to what happens next, not after until_ms; false: there is nothing until then. */
static bool step(struct sim *s, int64_t until_ms)
{
	int64_t at_ms = TIME_NEVER;

	for (uint32_t h = 0; h < s->options.hubs_n; h++)
		if (net_next_at(s->sides[h].net) < at_ms)
			at_ms = net_next_at(s->sides[h].net);

	plan_commit(s);
	if (s->run_at_ms < at_ms)
		at_ms = s->run_at_ms;
	if (s->commit_at_ms < at_ms)
		at_ms = s->commit_at_ms;
	if (at_ms > until_ms) {
		s->now_ms = until_ms;
		run_nets(s);
		return false;
	}
	if (at_ms > s->now_ms)
		s->now_ms = at_ms;
	run_nets(s);
	if (s->commit_at_ms <= s->now_ms) {
		struct store_stats before, after;

		s->commit_at_ms = TIME_NEVER;
		store_stats(s->store, &before);
		store_sync_run(s->store);
		store_stats(s->store, &after);
		s->commits += (uint32_t)(after.commits - before.commits);
		check_record(s);
	}
	if (!store_sync_has_crashed(s->store) && !s->must_crash && s->run_at_ms <= s->now_ms)
		run_conductor(s);
	if (store_sync_has_crashed(s->store) || s->must_crash) {
		s->commits += s->options.crash_at_commit > s->commits ? 1 : 0;
		sim_crash(s);
	}
	return true;
}

void sim_pass(struct sim *s, int64_t for_ms)
{
	int64_t until_ms = s->now_ms + for_ms;

	while (step(s, until_ms))
		;
}

bool sim_run(struct sim *s, int64_t for_ms)
{
	int64_t until_ms = s->now_ms + for_ms;

	while (!all_final(s) && step(s, until_ms))
		;
	return all_final(s);
}

/* ---- orders ---- */

static void on_done(void *arg, enum err err, const char *detail, const char *id)
{
	struct sim *s = arg;

	(void)detail;
	s->is_answered = true;
	s->answer = err;
	snprintf(s->answer_id, sizeof s->answer_id, "%s", id);
}

/* Waits for the answer; false: the process died before it came. */
static bool wait_for_answer(struct sim *s)
{
	uint32_t crashes = s->crashes;
	int64_t until_ms = s->now_ms + 60000;

	while (!s->is_answered && s->crashes == crashes)
		SIM_CHECK(s, step(s, until_ms), "an order is not answered");
	return s->is_answered;
}

static struct campaign_spec *parse(struct sim *s, const char *json)
{
	struct campaign_spec *spec = xcalloc(1, sizeof *spec);
	struct faults faults = FAULTS_INIT;
	char reason[SPEC_REASON_SIZE] = "";
	size_t at;

	SIM_CHECK(s, spec_parse(json, strlen(json), false, spec, &faults, &at, reason) == ERR_OK, "%s: %s %s",
	          json, faults.n > 0 ? faults.all[0].pointer : reason,
	          faults.n > 0 ? faults.all[0].detail : "");
	conductor_check(s->conductor, spec, &faults);
	SIM_CHECK(s, faults.n == 0, "%s: %s %s", json, faults.all[0].pointer, faults.all[0].detail);
	return spec;
}

struct conductor *sim_conductor(struct sim *s)
{
	return s->conductor;
}

struct backend *sim_record(struct sim *s)
{
	return s->record;
}

static bool has_schedule(struct sim *s)
{
	struct schedule_filter f = {.limit = 1};
	struct answer answer;
	bool is_there;

	answer_init(&answer);
	SIM_CHECK(s, backend_read_schedules(s->record, &f, &answer) == ERR_OK, "the record cannot be read");
	is_there = answer.schedules_n > 0;
	answer_done(&answer);
	return is_there;
}

void sim_schedule(struct sim *s, const char *json)
{
	struct conductor_request request = {.by = "sim"};

	do {
		struct faults faults = FAULTS_INIT;
		struct schedule_spec spec;
		struct campaign_spec campaign;
		char reason[SPEC_REASON_SIZE] = "";
		size_t at;

		SIM_CHECK(s,
		          schedule_spec_parse(json, strlen(json), &spec, &campaign, &faults, &at, reason) ==
		                  ERR_OK,
		          "%s: %s", faults.n > 0 ? faults.all[0].pointer : reason,
		          faults.n > 0 ? faults.all[0].detail : "");
		conductor_schedule_check(s->conductor, &spec, &campaign, &faults);
		SIM_CHECK(s, faults.n == 0, "%s: %s", faults.all[0].pointer, faults.all[0].detail);
		spec_done(&campaign);
		s->is_answered = false;
		conductor_schedule_create(s->conductor, &spec, &request, on_done, s);
	} while (!wait_for_answer(s) && !has_schedule(s));
}

/* The process died before it answered: was the campaign made all the same? */
static bool find_unanswered(struct sim *s)
{
	struct campaign_filter f = {.state = -1, .limit = STORE_PAGE_MAX};
	struct answer answer;
	bool is_there;

	answer_init(&answer);
	SIM_CHECK(s, backend_read_campaigns(s->record, &f, &answer) == ERR_OK, "the record cannot be read");
	is_there = answer.campaigns_n > s->known_n;
	if (is_there)
		memcpy(s->answer_id, answer.campaigns[0].id, sizeof s->answer_id);
	answer_done(&answer);
	s->answer = ERR_OK;
	return is_there;
}

uint32_t sim_create(struct sim *s, const char *spec_json)
{
	struct conductor_request request = {.by = "sim"};
	struct known *k = &s->known[s->known_n];
	struct campaign_spec *spec;
	struct limit limit;
	struct answer answer;

	assert(s->known_n < CAMPAIGNS_MAX);
	k->spec = parse(s, spec_json);
	for (uint32_t h = 0; h < s->options.hubs_n; h++)
		if (k->spec->hubs.n == 0)
			k->hubs[k->hubs_n++] = (uint8_t)h;
	for (size_t i = 0; i < k->spec->hubs.n; i++)
		for (uint32_t h = 0; h < s->options.hubs_n; h++)
			if (strcmp(k->spec->hubs.all[i], hub_names[h]) == 0)
				k->hubs[k->hubs_n++] = (uint8_t)h;
	do {
		spec = parse(s, spec_json);
		limit = spec->rollout.max_unavailable;
		s->is_answered = false;
		conductor_create(s->conductor, spec, &request, on_done, s);
		free(spec);
	} while (!wait_for_answer(s) && !find_unanswered(s));
	SIM_CHECK(s, s->answer == ERR_OK, "a campaign is refused: %s", err_text(s->answer));
	memcpy(k->id, s->answer_id, sizeof k->id);
	k->max_unavailable = limit_of(limit, s->options.world.devices_n);
	answer_init(&answer);
	SIM_CHECK(s, backend_read_campaign(s->record, k->id, &answer) == ERR_OK && answer.campaigns_n == 1,
	          "P9: campaign %s was answered and is not on record", k->id);
	k->no = answer.campaigns[0].no;
	answer_done(&answer);
	check_campaign(s, k); /* its first calls may leave before another commit */
	s->known_n++;
	return s->known_n;
}

struct previewed {
	struct sim *s;
	struct buf *out;
};

static void on_previewed(void *arg, enum err err, const char *detail, const char *json)
{
	struct previewed *p = arg;

	p->s->is_answered = true;
	p->s->answer = err;
	buf_puts(p->out, json != NULL ? json : detail);
}

enum err sim_preview(struct sim *s, const char *spec_json, struct buf *out)
{
	struct previewed previewed = {s, out};

	do {
		struct campaign_spec *spec = parse(s, spec_json);

		s->is_answered = false;
		conductor_preview(s->conductor, spec, on_previewed, &previewed);
		free(spec);
	} while (!wait_for_answer(s));
	return s->answer;
}

enum err sim_order(struct sim *s, uint32_t campaign, enum order order)
{
	struct known *k = &s->known[campaign - 1];

	if (order != ORDER_PAUSE) /* it may come into force before it is answered */
		k->was_paused = false;
	do {
		s->is_answered = false;
		conductor_order(s->conductor, k->id, order, "sim", on_done, s);
	} while (!wait_for_answer(s));
	if (s->answer == ERR_OK && order == ORDER_PAUSE)
		k->was_paused = true;
	if (s->answer == ERR_OK && order == ORDER_CANCEL)
		k->was_cancelled = true;
	check_record(s);
	return s->answer;
}

void sim_campaign(struct sim *s, uint32_t campaign, struct campaign_row *ret)
{
	struct answer answer;

	answer_init(&answer);
	SIM_CHECK(s, backend_read_campaign(s->record, s->known[campaign - 1].id, &answer) == ERR_OK,
	          "no record");
	*ret = answer.campaigns[0];
	ret->name = ret->spec = ret->state_reason = ret->created_by = NULL;
	answer_done(&answer);
}

uint32_t sim_targets(struct sim *s, uint32_t campaign)
{
	check_record(s);
	return s->known[campaign - 1].targets_n;
}

size_t sim_progress(struct sim *s, uint32_t campaign, uint32_t *ret_slot_s)
{
	uint32_t begins_s[PROGRESS_ROWS_MAX];
	struct answer page;
	size_t n;

	answer_init(&page);
	SIM_CHECK(s, backend_read_progress(s->record, s->known[campaign - 1].id, &page) == ERR_OK,
	          "no record");
	n = page.progress_n;
	for (size_t i = 0; i < n; i++)
		begins_s[i] = page.progress[i].slot_s;
	*ret_slot_s = progress_slot_s(begins_s, n);
	answer_done(&page);
	return n;
}

int64_t sim_predicted(const struct sim *s, uint32_t campaign)
{
	return conductor_predicted_finish(s->conductor, campaign);
}

bool sim_target(struct sim *s, uint32_t campaign, uint32_t hub, const char *device_id, struct target_row *ret)
{
	return row_of(s, s->known[campaign - 1].no, &s->known[campaign - 1], hub, device_id, ret);
}

bool sim_is_forgotten(const struct sim *s, uint32_t campaign)
{
	return s->known[campaign - 1].is_forgotten;
}

uint64_t sim_first_event(struct sim *s)
{
	struct answer page;
	uint64_t id;

	answer_init(&page);
	SIM_CHECK(s, backend_read_events(s->record, 0, 0, 1, &page) == ERR_OK, "the record cannot be read");
	id = page.first_kept_id;
	answer_done(&page);
	return id;
}
