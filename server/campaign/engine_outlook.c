/* campaign: what is left of a campaign, for a forecast of it; see engine.h and engine_parts.h. */
#include "server/campaign/engine_parts.h"

#include <stdlib.h>
#include <string.h>

#include "server/campaign/forecast.h"

struct outlook {
	const struct engine *e;
	const struct campaign *c;
	struct forecast *f;
	uint32_t *of_group;  /* calls to be made in this wave, by group */
	uint32_t out_n;      /* between call and proof */
	int64_t *offline_ms; /* by zone: how much longer the last one of this wave may be offline; -1: none is
	                      */
};

static int64_t later_of(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* When a target that was called will be final: as fast as the slowest; who is slower than that is expected to
 * take as long again, until its deadline. */
static int64_t final_at_ms(const struct outlook *o, const struct target_row *row)
{
	int64_t now_ms = o->f->now_ms, since_ms = now_ms - row->called_at_ms,
	        at_ms = row->called_at_ms + later_of(o->f->slowest_ms, 2 * since_ms),
	        deadline_ms = row->state == TARGET_INVOKING ? row->called_at_ms + policy_quiet_ms(o->c->spec)
	                                                    : row->next_at_ms;

	return at_ms < deadline_ms ? at_ms : later_of(deadline_ms, now_ms);
}

static void take_slot(struct outlook *o, int64_t free_at_ms)
{
	struct forecast_slots *taken = &o->f->taken;

	free_at_ms = later_of(free_at_ms, o->f->now_ms);
	if (taken->n == 0 || free_at_ms < taken->from_ms)
		taken->from_ms = free_at_ms;
	if (taken->n == 0 || free_at_ms > taken->until_ms)
		taken->until_ms = free_at_ms;
	taken->n++;
}

/* Who is offline is expected to stay so; only time in which it could be called counts. */
static void wait_offline(struct outlook *o, const struct target *t)
{
	const struct lane *lane = &o->c->lanes[t->lane];
	int64_t since_ms = lane->callable_ms - t->active->offline_mark_ms,
	        left_ms = (int64_t)o->c->spec->offline.expire_after_s * 1000 - since_ms,
	        *longest_ms = &o->offline_ms[t->lane / o->c->hubs_n];

	*longest_ms = later_of(*longest_ms, left_ms > 0 ? left_ms : 0);
}

/* Those of a wave that are offline will be final then; forgets them. */
static void take_offline(struct outlook *o, struct forecast_wave *w)
{
	for (uint32_t z = 0; z < o->f->zones_n; z++) {
		int64_t from_ms = o->e->passed_ms, at_ms;

		if (o->offline_ms[z] < 0)
			continue;
		at_ms = o->f->calendar != NULL
		                ? o->f->calendar(o->f->calendar_arg, z, from_ms, o->offline_ms[z])
		                : from_ms + o->offline_ms[z];
		/* At its end they are skipped. */
		at_ms = at_ms < o->c->end_at_ms ? at_ms : o->c->end_at_ms;
		w->out_until_ms = later_of(w->out_until_ms, later_of(at_ms, o->f->now_ms));
		o->offline_ms[z] = -1;
	}
}

static void add_target(struct outlook *o, struct forecast_wave *w, uint32_t no)
{
	const struct target *t = &o->c->targets[no];
	const struct target_row *row = t->active != NULL ? &t->active->row : NULL;

	if (target_state_is_final(t->state))
		return;
	if (t->state != TARGET_WAITING) {
		o->out_n++;
		if (o->f->now_ms - row->called_at_ms > o->f->slowest_ms)
			o->f->stuck++;
		else
			take_slot(o, row->called_at_ms + o->f->slot_ms);
		w->out_until_ms = later_of(w->out_until_ms, final_at_ms(o, row));
	} else if (is_closing(o->c)) {
		return; /* it will not be called any more */
	} else if (t->wait == WAIT_OFFLINE) {
		wait_offline(o, t);
	} else if (t->wait != WAIT_NONE) {
		w->out_until_ms =
		        later_of(w->out_until_ms, later_of(row->next_at_ms, o->f->now_ms) + o->f->slowest_ms);
	} else {
		w->calls[t->lane % o->c->hubs_n]++;
		w->by_zone[t->lane / o->c->hubs_n]++;
		if (t->group != GROUP_NONE)
			o->of_group[t->group]++;
	}
}

/* How many times the slowest group fills its places with those counted in of_group; forgets them. */
static uint32_t take_rounds(struct outlook *o)
{
	uint32_t rounds = 0;

	for (uint32_t i = 0; i < o->c->groups_n; i++) {
		const struct campaign_group *g = &o->c->groups[i];
		uint32_t max = engine_group_max(o->c, g), left = max > g->failed ? max - g->failed : 0, mine;

		if (o->of_group[i] == 0 || left == 0)
			continue; /* blocked for good: its devices will be skipped */
		mine = (o->of_group[i] + left - 1) / left + (group_room(g, max) == 0 ? 1 : 0);
		rounds = mine > rounds ? mine : rounds;
	}
	memset(o->of_group, 0, o->c->groups_n * sizeof *o->of_group);
	return rounds;
}

/* Slots of those that are proven and settle: spread over the time that this takes. */
static void take_settling(struct outlook *o)
{
	uint32_t n = o->c->slots > o->out_n ? o->c->slots - o->out_n : 0;

	if (n == 0)
		return;
	take_slot(o, o->f->now_ms);
	take_slot(o, o->f->now_ms + (int64_t)o->c->spec->verify.settle_s * 1000);
	o->f->taken.n = o->out_n - o->f->stuck + n;
}

/* No gate is waited for any more: it is over when the last of those out is final. */
static void close(const struct campaign *c, struct forecast *f)
{
	struct forecast_wave *last = &f->waves[c->waves_n - 1];

	for (uint32_t w = 0; w < c->waves_n; w++)
		last->out_until_ms = later_of(last->out_until_ms, f->waves[w].out_until_ms);
	f->wave = c->waves_n - 1;
}

bool engine_outlook(const struct engine *e, uint32_t campaign, struct forecast *ret)
{
	const struct campaign *c = find(e, campaign);
	struct outlook o = {.e = e, .c = c, .f = ret};

	if (c == NULL || c->waves_n == 0)
		return false;
	o.of_group = xcalloc((size_t)c->groups_n + 1, sizeof *o.of_group);
	ret->zones_n = c->lanes_n / c->hubs_n;
	ret->by_zones = xcalloc((size_t)ret->zones_n * c->waves_n, sizeof *ret->by_zones);
	o.offline_ms = xmalloc(ret->zones_n * sizeof *o.offline_ms);
	for (uint32_t z = 0; z < ret->zones_n; z++)
		o.offline_ms[z] = -1;
	ret->spec = c->spec;
	ret->end_at_ms = is_closing(c) ? TIME_NEVER : c->end_at_ms;
	ret->total = c->n;
	ret->hubs_n = c->hubs_n;
	ret->wave = c->wave;
	if (c->phase == CAMPAIGN_CANCELLING)
		ret->watch_ms = 0;
	memset(&ret->taken, 0, sizeof ret->taken);
	ret->stuck = 0;
	for (uint32_t w = 0; w < c->waves_n; w++) {
		ret->waves[w] = (struct forecast_wave){.by_zone = ret->by_zones + (size_t)w * ret->zones_n,
		                                       .out_until_ms = TIME_NONE,
		                                       .proven_at_ms = c->waves[w].proven_at_ms,
		                                       .is_approved = c->waves[w].is_approved};
		for (uint32_t no = w > 0 ? c->wave_ends[w - 1] : 0; no < c->wave_ends[w]; no++)
			add_target(&o, &ret->waves[w], no);
		take_offline(&o, &ret->waves[w]);
		ret->waves[w].group_rounds = take_rounds(&o);
	}
	take_settling(&o);
	if (is_closing(c))
		close(c, ret);
	free(o.offline_ms);
	free(o.of_group);
	return true;
}
