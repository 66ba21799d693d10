/* campaign: taking up targets that are on record, and what a restart leaves to do; see engine.h */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/campaign/engine_change.h"

void engine_kept_done(struct kept *k)
{
	free(k->device_id);
	free(k->group_by);
	free(k->group);
}

static struct kept *keep(struct engine *e, const struct target_row *row, uint8_t hub, const char *device_id)
{
	struct kept *k;

	if (e->kept_n == e->kept_size) {
		e->kept_size = e->kept_size > 0 ? e->kept_size * 2 : 64;
		e->kept = xrealloc(e->kept, e->kept_size * sizeof *e->kept);
	}
	k = &e->kept[e->kept_n++];
	*k = (struct kept){.campaign = row->campaign,
	                   .no = row->no,
	                   .hub = hub,
	                   .is_slot = row->state == TARGET_SUCCEEDED,
	                   .until_ms = row->hold_until_ms,
	                   .since_ms = row->called_at_ms,
	                   .device_id = xstrdup(device_id)};
	return k;
}

/* Takes up a target on record in the middle of its life. */
static void resume_target(struct engine *e, struct campaign *c, const struct target_row *row,
                          const char *device_id)
{
	struct lane *lane = &c->lanes[c->targets[row->no].lane];
	struct active *a;
	bool is_out = row->state == TARGET_INVOKING || row->state == TARGET_DOUBTFUL ||
	              row->state == TARGET_AWAITING_PROOF;

	if (target_state_is_final(row->state)) {
		if (row->hold_until_ms != TIME_NONE)
			keep(e, row, lane->hub, device_id);
		return;
	}
	if (is_out)
		engine_take_slot(c, row->no, hold_take(e->holds, lane->hub, device_id, c->no, row->no),
		                 row->called_at_ms);
	c->targets[row->no].flags |= F_TOUCHED;
	a = engine_activate(c, row->no);
	a->row = *row;
	engine_count_offline(e, c, row);
	a->offline_mark_ms = lane->callable_ms - row->offline_ms;
	if (row->offline_tries > 0 && row->wait == WAIT_NONE && has_expired(c, row->offline_ms))
		a->is_expiring = a->must_read = true;
	if (row->next_at_ms != TIME_NONE && row->wait != WAIT_DEVICE)
		engine_alarm_set(e, a, row->next_at_ms);
	else if (row->wait != WAIT_DEVICE) /* else see engine_recover() */
		numbers_push(&lane->ready, row->no);
}

void engine_group_add(struct engine *e, uint32_t campaign, uint8_t hub, const char *name, uint32_t size)
{
	struct campaign *c = find(e, campaign);
	struct campaign_group *g;

	assert(c != NULL && c->spec->rollout.group_by != NULL);
	c->groups = xrealloc(c->groups, (c->groups_n + 1) * sizeof *c->groups);
	g = &c->groups[c->groups_n];
	*g = (struct campaign_group){
	        .shared = groups_get(e->groups, c->lanes[hub].hub, c->spec->rollout.group_by, name),
	        .size = size};
	group_join(g->shared, c->no, c->groups_n++);
}

void engine_target_add(struct engine *e, const struct target_row *row, const char *device_id,
                       const struct baseline *baseline)
{
	struct campaign *c = find(e, row->campaign);
	struct target *t;

	assert(c != NULL && row->no == c->n && row->hub < c->hubs_n && row->zone * c->hubs_n < c->lanes_n);
	if (c->n == c->size) {
		c->size = c->size > 0 ? c->size * 2 : 256;
		c->targets = xrealloc(c->targets, c->size * sizeof *c->targets);
		c->baselines = xrealloc(c->baselines, c->size * sizeof *c->baselines);
	}
	t = &c->targets[c->n];
	*t = (struct target){.id_at = (uint32_t)c->ids.len,
	                     .state = row->state,
	                     .reason = row->reason,
	                     .wait = row->wait,
	                     .lane = (uint16_t)(row->zone * c->hubs_n + row->hub),
	                     .group = row->group};
	assert(row->group == GROUP_NONE || row->group < c->groups_n);
	buf_put(&c->ids, device_id, strlen(device_id) + 1);
	baseline_pack(baseline, &c->baselines[c->n++]);
	engine_counts_add(&c->counts, row);
	engine_counts_add(&c->told, row);
	engine_mark_dirty(e, c);
	if (row->group != GROUP_NONE && row->state == TARGET_FAILED)
		group_lose(&c->groups[row->group], row->no, row->changed_at_ms);
	if (row->state != TARGET_WAITING || row->calls > 0 || row->wait != WAIT_NONE) {
		resume_target(e, c, row, device_id);
	} else if (row->is_unresolved) { /* in a copy of the record; its turn comes with its wave */
		struct active *a = engine_activate(c, row->no);

		a->row = *row;
		a->offline_mark_ms = c->lanes[t->lane].callable_ms;
	}
}

void engine_hold_add(struct engine *e, const struct target_row *row, uint8_t hub, const char *device_id,
                     const char *group_by, const char *group)
{
	struct kept *k = keep(e, row, hub, device_id);

	if (group_by == NULL || group == NULL)
		return;
	k->group_by = xstrdup(group_by);
	k->group = xstrdup(group);
}

static int later_first(const void *a, const void *b)
{
	int64_t a_ms = ((const struct kept *)a)->until_ms, b_ms = ((const struct kept *)b)->until_ms;

	return a_ms < b_ms ? 1 : a_ms > b_ms ? -1 : 0;
}

/* What is over is left: its device may have been called since. Where the clock has gone back a device may be
 * in several that are not over: the last call made it the one that ends last. */
static void take_kept(struct engine *e, int64_t now_ms)
{
	if (e->kept_n > 1)
		qsort(e->kept, e->kept_n, sizeof *e->kept, later_first);
	for (size_t i = 0; i < e->kept_n; i++) {
		struct kept *k = &e->kept[i];
		struct campaign *c = find(e, k->campaign);

		if (k->until_ms > now_ms && hold_find(e->holds, k->hub, k->device_id) == NULL) {
			struct holder *h = hold_take(e->holds, k->hub, k->device_id, k->campaign, k->no);

			if (k->is_slot && c != NULL) {
				engine_take_slot(c, k->no, h, k->since_ms);
			} else if (k->is_slot && k->group != NULL) { /* its group goes on counting */
				h->is_slot = true;
				h->since_ms = k->since_ms;
				h->group = groups_get(e->groups, k->hub, k->group_by, k->group);
				h->group->out++;
			}
			hold_until(e->holds, k->hub, k->device_id, k->until_ms);
		}
		engine_kept_done(k);
	}
	free(e->kept);
	e->kept = NULL;
	e->kept_n = e->kept_size = 0;
}

/* Who waits with a call that may have acted keeps its device, unless another has it: in a copy of the record
 * each waiting target may have been called since, and several may wait for one device. */
static void take_unresolved(struct engine *e)
{
	struct campaign *c;

	TAILQ_FOREACH (c, &e->all, link)
		for (uint32_t no = 0; no < c->n; no++) {
			const struct active *a = c->targets[no].active;

			if (a != NULL && a->row.is_unresolved && c->targets[no].state == TARGET_WAITING &&
			    hold_find(e->holds, hub_of(c, no), device_of(c, no)) == NULL)
				hold_take(e->holds, hub_of(c, no), device_of(c, no), c->no, no);
		}
}

/* Whoever it waited for may be gone, or hold its device for longer. */
static void recover_parked(struct engine *e, struct campaign *c, uint32_t no, int64_t now_ms)
{
	const struct holder *h = hold_find(e->holds, hub_of(c, no), device_of(c, no));
	struct change ch;

	if (h != NULL && (h->campaign != c->no || h->no != no)) {
		engine_park(e, c, no, h, now_ms);
		return;
	}
	ch = change_begin(e, c, no, now_ms);
	ch.row->wait = WAIT_NONE;
	ch.row->next_at_ms = TIME_NONE;
	numbers_push(&change_lane(&ch)->ready, no);
	change_end(&ch);
}

void engine_recover(struct engine *e, int64_t now_ms)
{
	struct campaign *c;

	e->now_ms = e->passed_ms = now_ms;
	take_kept(e, now_ms);
	take_unresolved(e);
	engine_relapse_recover(e);
	TAILQ_FOREACH (c, &e->all, link) {
		engine_count_waves(c);
		engine_check_aborts(e, c, &c->counts,
		                    now_ms); /* a rule may have been put on record but not acted on */
		for (uint32_t no = 0; no < c->n; no++) {
			if (c->targets[no].state == TARGET_INVOKING) {
				struct change ch = change_begin(e, c, no, now_ms);

				change_doubt(&ch);
			} else if (is_watched(c->targets[no].state)) {
				engine_act_only(e, c, no, ACT_WATCH);
			} else if (c->targets[no].state == TARGET_WAITING &&
			           c->targets[no].wait == WAIT_DEVICE) {
				recover_parked(e, c, no, now_ms);
			}
		}
	}
}
