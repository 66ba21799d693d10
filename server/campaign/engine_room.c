/* campaign: the places that devices take in their campaign and their group (P4); see engine_parts.h. */
#include "server/campaign/engine_parts.h"

uint32_t engine_group_max(const struct campaign *c, const struct campaign_group *g)
{
	return limit_of(c->spec->rollout.group_max_unavailable, g->size);
}

void engine_take_slot(struct campaign *c, uint32_t no, struct holder *h, int64_t since_ms)
{
	struct campaign_group *g = group_of(c, no);

	h->is_slot = true;
	h->since_ms = since_ms;
	c->slots++;
	if (g != NULL) {
		h->group = g->shared;
		g->shared->out++;
	}
}

/* c is NULL where the campaign is over and dropped: its group goes on counting until then. */
void engine_give_slot(struct engine *e, struct campaign *c, struct holder *h)
{
	h->is_slot = false;
	if (c != NULL)
		c->slots--;
	if (h->group != NULL) {
		h->group->out--;
		group_touch(e->groups, h->group);
	}
}

void engine_unpark(struct campaign *c, uint32_t no)
{
	if (c->targets[no].flags & F_PARKED)
		c->parked--;
	c->targets[no].flags &= (uint8_t)~F_PARKED;
}

/* Whether there is room for this target of the group; one that counts as offline does so already. */
bool engine_has_room(const struct campaign *c, uint32_t no, const struct campaign_group *g)
{
	return group_room(g, engine_group_max(c, g) + ((c->targets[no].flags & F_OFFLINE) ? 1 : 0)) > 0;
}

/* Lets one wait for room in its group. They come in the order of calling; first those that count as offline,
 * as they need no more room than they take already. */
void engine_queue_parked(const struct campaign *c, struct campaign_group *g, uint32_t no)
{
	alarms_add(&g->parked, (c->targets[no].flags & F_OFFLINE) ? -1 : (int64_t)no, no);
}

/* Gives the first of those; false: none is left. */
bool engine_next_parked(const struct campaign *c, struct campaign_group *g, uint32_t *ret_no)
{
	uint64_t who;

	while (alarms_pop(&g->parked, TIME_NEVER, &who)) {
		*ret_no = (uint32_t)who;
		if (c->targets[*ret_no].flags & F_PARKED)
			return true; /* else it does not wait any more */
	}
	return false;
}

/* Lets as many of those that wait for room in the group be looked at as there is room for. */
void engine_wake_parked(struct campaign *c, struct campaign_group *g)
{
	uint32_t room = group_room(g, engine_group_max(c, g)), no;

	while (engine_next_parked(c, g, &no)) {
		bool is_offline = (c->targets[no].flags & F_OFFLINE) != 0;

		if (is_offline ? !engine_has_room(c, no, g) : room == 0) {
			engine_queue_parked(c, g, no);
			return;
		}
		engine_unpark(c, no);
		numbers_push(&c->lanes[c->targets[no].lane].ready, no);
		if (!is_offline)
			room--;
	}
}

/* Counts a waiting target against its group, or not any more, as its row says. */
void engine_count_offline(struct engine *e, struct campaign *c, const struct target_row *row)
{
	struct campaign_group *g = group_of(c, row->no);
	struct target *t = &c->targets[row->no];
	int64_t until_ms = row->changed_at_ms + OFFLINE_FOR_MS;
	bool counts = row->state == TARGET_WAITING && row->offline_tries > 0 && until_ms > e->now_ms;

	if (g == NULL || counts == ((t->flags & F_OFFLINE) != 0))
		return;
	t->flags ^= F_OFFLINE;
	if (counts) {
		g->shared->offline++;
		alarms_add(&e->forgets, until_ms, (uint64_t)c->no << 32 | row->no);
	} else {
		g->shared->offline--;
		group_touch(e->groups, g->shared);
	}
}

bool engine_may_prepare(const struct engine *e, const struct campaign *c)
{
	uint32_t n = c->slots;

	for (uint32_t i = 0; i < c->lanes_n; i++)
		n += engine_is_callable(e, &c->lanes[i]) ? c->lanes[i].preparing : 0;
	return n < limit_of(c->spec->rollout.max_unavailable, c->counts.total);
}
