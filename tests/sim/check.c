/* sim: the checkers of P1 to P10 and P12. They read the record and the hubs' journals, and ask the conductor
 * only what the API asks it. */
#include "tests/sim/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/campaign/policy.h"
#include "server/campaign/spec.h"
#include "server/hub/http.h"
#include "store/backend.h"
#include "tests/sim/window_check.h"

/* From when it is due until it is on record: a turn and a commit. */
#define NEXT_AT_SLACK_MS 1000
/* From when something is so until the record is looked at: a turn and a commit. */
#define SEEN_LATE_MS 100

/* ---- the checker: the record ---- */

static bool is_out(uint8_t state)
{
	return state == TARGET_INVOKING || state == TARGET_DOUBTFUL || state == TARGET_AWAITING_PROOF;
}

/* So long after a target was seen to be as it is: by time itself, whatever the process's clock was set to. It
 * came about a commit earlier, and the service's time may go by a hundredth faster. */
static bool is_within(const struct sim *s, const struct known *k, uint32_t no, int64_t ms)
{
	return s->now_ms < k->seen_at_ms[no] + ms - ms / 100 - SEEN_LATE_MS;
}

static bool is_settling(const struct sim *s, const struct known *k, uint32_t no)
{
	const struct target_row *t = &k->targets[no];

	return t->state == TARGET_SUCCEEDED && t->hold_until_ms != TIME_NONE &&
	       is_within(s, k, no, t->hold_until_ms - t->changed_at_ms);
}

static bool is_down(const struct sim *s, const struct known *k, uint32_t no)
{
	return is_out(k->targets[no].state) || is_settling(s, k, no);
}

static uint32_t count_down(const struct sim *s, const struct known *k)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < k->targets_n; i++)
		n += is_down(s, k, i);
	return n;
}

/* The world's tags.site on that hub; a device that the world does not know is in none. */
static uint32_t site_of(const struct sim *s, uint32_t hub, const char *device_id)
{
	uint32_t no = (uint32_t)strtoul(device_id + 4, NULL, 10);

	if (!world_has_device(s->sides[hub].world, device_id) || strncmp(device_id, "dev-", 4) != 0)
		return UINT32_MAX;
	return hub << 24 | no / s->options.world.site_size;
}

/* How much was learnt of a target before its end; what was learnt later is marked. */
static uint32_t count_evidence(struct sim *s, const struct known *k, const struct target_row *t,
                               const char *device_id)
{
	struct answer page;
	uint32_t n = 0;

	answer_init(&page);
	SIM_CHECK(s, backend_read_target(s->record, k->no, device_id, t->hub, &page) == ERR_OK,
	          "the record cannot be read");
	for (size_t i = 0; i < page.evidence_n; i++)
		n += !page.evidence[i].is_late;
	SIM_CHECK(s, n == page.evidence_n || target_state_is_final(t->state),
	          "P10: evidence of %s in %s is late, which has not ended", device_id, k->id);
	answer_done(&page);
	return n;
}

/* P8: counts are true. P10: final is final. Remembers what it saw. */
static void check_targets(struct sim *s, struct known *k, const struct answer *page, struct counts *seen)
{
	for (size_t i = 0; i < page->targets_n; i++) {
		const struct target_row *row = &page->targets[i].row;
		struct target_row *old = row->no < k->targets_n ? &k->targets[row->no] : NULL;
		bool is_new = old == NULL;

		seen->total++;
		seen->state[row->state]++;
		seen->reason[row->reason]++;
		if (row->state == TARGET_WAITING)
			seen->wait[row->wait]++;
		if (old == NULL) {
			k->targets = xrealloc(k->targets, (row->no + 1) * sizeof *k->targets);
			k->sites = xrealloc(k->sites, (row->no + 1) * sizeof *k->sites);
			k->seen_at_ms = xrealloc(k->seen_at_ms, (row->no + 1) * sizeof *k->seen_at_ms);
			k->evidence_n = xrealloc(k->evidence_n, (row->no + 1) * sizeof *k->evidence_n);
			k->sites[row->no] = site_of(s, k->hubs[row->hub], page->targets[i].device_id);
			k->targets_n = row->no + 1;
			old = &k->targets[row->no];
		} else if (target_state_is_final(old->state)) {
			SIM_CHECK(s, old->state == row->state && old->reason == row->reason,
			          "P10: target %u of %s was %s/%s and is %s/%s", row->no, k->id,
			          target_state_text(old->state), reason_text(old->reason),
			          target_state_text(row->state), reason_text(row->reason));
		}
		if (target_state_is_final(row->state) && (is_new || !target_state_is_final(old->state)))
			k->evidence_n[row->no] = count_evidence(s, k, row, page->targets[i].device_id);
		if (is_new || old->changed_at_ms < row->changed_at_ms || old->state != row->state ||
		    old->calls != row->calls) /* else the clock has gone back since */
			k->seen_at_ms[row->no] = s->died_at_ms < s->now_ms ? s->died_at_ms : s->now_ms;
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
	SIM_CHECK(s, ends_at_ms == TIME_NONE || ends_at_ms >= conductor_now(s->conductor),
	          "%s is foretold to have ended %lld ms ago", k->id,
	          (long long)(conductor_now(s->conductor) - ends_at_ms));
}

void check_late(struct sim *s)
{
	struct target_filter f = {.limit = STORE_PAGE_MAX, .state = -1, .reason = -1, .wait = -1, .hub = -1};

	for (uint32_t i = 0; s->is_up && i < s->known_n; i++) {
		const struct known *k = &s->known[i];
		struct answer page;

		f.campaign = k->no;
		answer_init(&page);
		SIM_CHECK(s, backend_read_targets(s->record, &f, &page) == ERR_OK,
		          "the record cannot be read");
		for (size_t t = 0; t < page.targets_n; t++) {
			const struct target_row *row = &page.targets[t].row;
			uint32_t n = count_evidence(s, k, row, page.targets[t].device_id);

			SIM_CHECK(s,
			          row->no >= k->targets_n ||
			                  !target_state_is_final(k->targets[row->no].state) ||
			                  n == k->evidence_n[row->no],
			          "P10: %u things were learnt of %s in %s by its end, now %u",
			          k->evidence_n[row->no], page.targets[t].device_id, k->id, n);
		}
		answer_done(&page);
	}
}

void check_campaign(struct sim *s, struct known *k)
{
	struct target_filter f = {
	        .campaign = k->no, .limit = STORE_PAGE_MAX, .state = -1, .reason = -1, .wait = -1, .hub = -1};
	struct counts seen = {0};
	struct answer page;
	const struct campaign_row *row;

	answer_init(&page);
	SIM_CHECK(s, backend_read_targets(s->record, &f, &page) == ERR_OK, "the record cannot be read");
	if (page.campaigns_n == 0 && (k->is_deleting || (k->is_final && s->options.retention_days > 0 &&
	                                                 conductor_now(s->conductor) - k->finished_at_ms >
	                                                         s->options.retention_days * DAY_MS))) {
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
	if (k->state != row->state || s->checks % 8 == 0) { /* they cost more than all the rest */
		check_progress(s, k, row);
		check_plan(s, k, row);
	}
	SIM_CHECK(s, !k->is_final || k->state == row->state, "P10: campaign %s was final and moved", k->id);
	SIM_CHECK(s,
	          !k->was_cancelled || row->state == CAMPAIGN_CANCELLING || row->state == CAMPAIGN_CANCELLED,
	          "P9: the cancelling of %s is forgotten", k->id);
	SIM_CHECK(s,
	          !k->was_paused || row->state == CAMPAIGN_PAUSED || campaign_state_is_final(row->state) ||
	                  (k->spec->aborts_n > 0 && row->state == CAMPAIGN_CANCELLING),
	          "P9: the pause of %s is forgotten", k->id);
	memcpy(k->waves, row->waves, sizeof k->waves);
	if (k->patched_to > 0 && !k->is_patching && count_down(s, k) <= k->patched_to)
		k->max_unavailable =
		        k->patched_to; /* from now on nothing but that can have let more be out */
	k->state = row->state;
	k->is_final = campaign_state_is_final(row->state);
	k->finished_at_ms = row->finished_at_ms;
	if (k->is_final)
		for (size_t i = 0; i < page.targets_n; i++)
			SIM_CHECK(s, target_state_is_final(page.targets[i].row.state),
			          "P10: %s is final, its target %zu is not", k->id, i);
	answer_done(&page);
}

void check_record(struct sim *s)
{
	if (!s->is_up)
		return;
	s->checks++;
	for (uint32_t i = 0; i < s->known_n; i++)
		if (!s->known[i].is_forgotten && (!s->known[i].is_final || s->checks % 8 == 0))
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
bool check_row_of(struct sim *s, uint32_t campaign_no, const struct known *k, uint32_t hub,
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

/* Last seen offline, not longer than 5 min ago. */
static bool is_offline(const struct sim *s, const struct known *k, uint32_t no)
{
	const struct target_row *t = &k->targets[no];

	return t->state == TARGET_WAITING && t->offline_tries > 0 && is_within(s, k, no, 300000);
}

/* Of a group: those of a campaign that had failed before a call was claimed. */
static uint32_t count_failed(const struct known *k, uint32_t site, int64_t claimed_at_ms, uint32_t *ret_size)
{
	uint32_t failed = 0;

	*ret_size = 0;
	for (uint32_t i = 0; i < k->targets_n; i++) {
		*ret_size += k->sites[i] == site;
		failed += k->sites[i] == site && k->targets[i].state == TARGET_FAILED &&
		          k->targets[i].changed_at_ms < claimed_at_ms;
	}
	return failed;
}

/* Of a group: those of a campaign that are down, and were so before that; of the claimer's own, those that
 * were claimed with it, too. */
static uint32_t count_group_down(const struct sim *s, const struct known *k, uint32_t site,
                                 int64_t claimed_at_ms, bool is_own)
{
	uint32_t down = 0;

	for (uint32_t i = 0; k->spec->rollout.group_by != NULL && i < k->targets_n; i++) {
		const struct target_row *t = &k->targets[i];

		if (k->sites[i] != site)
			continue;
		down += (is_down(s, k, i) && t->called_at_ms < claimed_at_ms + is_own) ||
		        (is_offline(s, k, i) && t->changed_at_ms < claimed_at_ms);
	}
	return down;
}

/* P4: of the campaign that calls, and of the group that is called into, no more than may be are between call
 * and end of settling; the group counts all campaigns, those last seen offline, and those that failed in this
 * one. What others have taken up since the call was claimed, and before it leaves, is by their own limits. */
static void check_capacity(struct sim *s, const struct known *k, uint32_t site, int64_t claimed_at_ms)
{
	uint32_t out = count_down(s, k), down = 0, size, failed, max;

	SIM_CHECK(s, out <= k->max_unavailable, "P4: %u of %s are out, %u may be", out, k->id,
	          k->max_unavailable);
	if (k->spec->rollout.group_by == NULL)
		return;
	for (uint32_t c = 0; c < s->known_n; c++)
		down += count_group_down(s, &s->known[c], site, claimed_at_ms, &s->known[c] == k);
	failed = count_failed(k, site, claimed_at_ms, &size);
	max = limit_of(k->spec->rollout.group_max_unavailable, size);
	SIM_CHECK(s, down + failed <= max, "P4: %u of site %u are down and %u failed, %u of %s may be", down,
	          site, failed, max, k->id);
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

/* When that ends, likewise. */
static int64_t told_next_at(const struct sim *s, const struct known *k, const struct campaign_waiting *w,
                            const struct target_row *t, enum wait told)
{
	int64_t opens_at_ms;

	if (told == (enum wait)t->wait)
		return t->next_at_ms;
	if ((told == WAIT_BLACKOUT || told == WAIT_WINDOW) && w->has_shut_windows &&
	    conductor_window(s->conductor, k->no, t->no, &opens_at_ms) != WAIT_NONE)
		return opens_at_ms;
	if (told == WAIT_HUB && (w->shut_hubs >> t->hub & 1))
		return w->shut_until_ms[t->hub];
	return told == w->wait ? w->next_at_ms : TIME_NONE;
}

/* P12: nextAt is met where nothing else changes, so that it never lies behind while there is nothing to do;
 * and it is said where, and only where, a clock decides. By the service's time, which a clock that is set
 * does not move. */
static void check_next_at(struct sim *s, const struct known *k, const struct target_row *t, enum wait told,
                          int64_t next_at_ms)
{
	int64_t now_ms = conductor_now(s->conductor), due_ms;
	bool is_free = told == WAIT_PAUSED || told == WAIT_SELECTION || told == WAIT_APPROVAL;
	bool is_timed = told == WAIT_START || told == WAIT_BACKOFF || told == WAIT_OFFLINE;

	SIM_CHECK(s, !is_free || next_at_ms == TIME_NONE,
	          "P12: target %u of %s waits for %s, and has a nextAt", t->no, k->id, wait_text(told));
	SIM_CHECK(s, !is_timed || next_at_ms != TIME_NONE,
	          "P12: target %u of %s waits for %s, and has no nextAt", t->no, k->id, wait_text(told));
	if (next_at_ms == TIME_NONE)
		return;
	SIM_CHECK(s, next_at_ms + NEXT_AT_SLACK_MS >= now_ms,
	          "P12: target %u of %s waits for %s until %lld ms ago", t->no, k->id, wait_text(told),
	          (long long)(now_ms - next_at_ms));
	due_ms = next_at_ms + NEXT_AT_SLACK_MS + 1 - now_ms;
	if (s->now_ms + due_ms < s->explain_at_ms)
		s->explain_at_ms = s->now_ms + due_ms;
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
void check_waiting(struct sim *s, const struct known *k)
{
	uint32_t out = 0;
	struct campaign_waiting w;

	if (k->is_final || k->state == CAMPAIGN_CANCELLING)
		return;
	conductor_waiting(s->conductor, k->no, &w);
	out = count_down(s, k);
	for (uint32_t i = 0; i < k->targets_n; i++) {
		const struct target_row *t = &k->targets[i];
		enum wait told, first;

		if (t->state != TARGET_WAITING)
			continue;
		told = told_wait(s, k, &w, t);
		first = first_wait(s, k, t);
		SIM_CHECK(s, told != WAIT_NONE, "P12: target %u of %s waits for nothing", i, k->id);
		check_next_at(s, k, t, told, told_next_at(s, k, &w, t, told));
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
static void check_leaving(const struct side *side, const char *path, bool is_job)
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
	sim_trace_put(s, "call", device_id);
	log_debug("call leaves", LI("at", s->now_ms - s->options.world.start_ms), LS("device", device_id));
	answer_init(&campaigns);
	SIM_CHECK(s, backend_read_campaigns(s->record, &all, &campaigns) == ERR_OK,
	          "the record cannot be read");
	for (size_t i = 0; i < campaigns.campaigns_n; i++) {
		const struct campaign_row *row = &campaigns.campaigns[i];
		const struct known *k = known_of(s, row->no);
		struct target_row t;

		if (!check_row_of(s, row->no, k != NULL ? k : &s->known[s->known_n], side->index, device_id,
		                  &t))
			continue;
		SIM_CHECK(s, k == NULL || t.no >= k->targets_n || !is_settling(s, k, t.no),
		          "P3: %s is called, and settles in %s", device_id, row->id);
		if (!is_out(t.state))
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
		SIM_CHECK(s,
		          t.state != TARGET_INVOKING || is_job ||
		                  conductor_now(s->conductor) < t.called_at_ms + SEND_WITHIN_MS,
		          "P2: the call of %s leaves %lld ms after its intent", device_id,
		          (long long)(conductor_now(s->conductor) - t.called_at_ms));
		if (t.state == TARGET_INVOKING && k != NULL) {
			check_capacity(s, k, site_of(s, side->index, device_id), t.called_at_ms);
			check_waves(s, k, t.no);
		}
	}
	answer_done(&campaigns);
	SIM_CHECK(s, invoking == 1, "P1: %s is called with %u intents on record", device_id, invoking);
	SIM_CHECK(s, out == 1, "P3: %s is out in %u campaigns", device_id, out);
}

void check_call(const struct side *side, const char *path)
{
	check_leaving(side, path, false);
}

/* The devices of a job that begins: the same holds for each. */
void check_job(const struct side *side, const struct http_request *request)
{
	const char *at = strstr(request->body, "\"queryCondition\":"), *end = strchr(at, ']');
	char path[DEVICE_ID_MAX + 32];

	while ((at = strchr(at, '\'')) != NULL && at < end) {
		size_t n = strcspn(at + 1, "'");

		snprintf(path, sizeof path, "/twins/%.*s/methods", (int)n, at + 1);
		check_leaving(side, path, true);
		at += n + 2;
	}
}

/* P2 and P3 by the hub's own journal: no two calls at once in one device. */
void check_entry(const struct side *side, const struct world_entry *entry)
{
	struct sim *s = side->s;
	struct device *d;

	sim_trace_put(s, world_entry_text(entry->kind), entry->device_id);
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
