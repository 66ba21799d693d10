/* campaign: the watches over proven devices; see relapse.h and engine_parts.h. A watch is known by its
 * device, of which there is one at most: a later proof of the same device, or a call to it, ends the one
 * before. */
#include "server/campaign/engine_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/campaign/relapse.h"

struct relapse_watch {
	UT_hash_handle hh;
	struct relapse_row row;
	int64_t down_at_ms, alarm_at_ms;
	uint8_t rereads;
	bool is_watched; /* ACT_WATCH has been asked for */
	uint16_t key_bytes;
	char key[]; /* hub, then the device id */
};

/* All devices have the id's rules, so that this is long enough. */
static unsigned key_of(uint8_t hub, const char *device_id, char out[1 + 256])
{
	size_t n = strlen(device_id);

	assert(n < 256);
	out[0] = (char)hub;
	memcpy(out + 1, device_id, n);
	return (unsigned)n + 1;
}

static struct relapse_watch *watch_on(const struct engine *e, uint8_t hub, const char *device_id)
{
	struct relapse_watch *w;
	char key[1 + 256];
	unsigned n = key_of(hub, device_id, key);

	HASH_FIND(hh, e->relapses, key, n, w);
	return w;
}

static struct relapse_watch *watch_of(const struct engine *e, const struct campaign *c, uint32_t no)
{
	struct relapse_watch *w = watch_on(e, hub_of(c, no), device_of(c, no));

	return w != NULL && w->row.campaign == c->no && w->row.no == no ? w : NULL;
}

static void set_alarm(struct engine *e, struct relapse_watch *w, int64_t at_ms)
{
	w->alarm_at_ms = at_ms;
	alarms_add(&e->relapse_alarms, at_ms, (uint64_t)w->row.campaign << 32 | w->row.no);
}

static bool is_followed(const struct campaign *c, const struct relapse_row *row)
{
	/* By where each row would cost a point read, for as long as success holds. */
	return c->spec->verify.by == VERIFY_PROPERTY && row->after.source != SOURCE_NONE;
}

static struct relapse_watch *add(struct engine *e, struct campaign *c, const struct relapse_row *row)
{
	char key[1 + 256];
	unsigned n = key_of(hub_of(c, row->no), device_of(c, row->no), key);
	struct relapse_watch *w = xcalloc(1, sizeof *w + n);

	w->row = *row;
	w->down_at_ms = TIME_NONE;
	w->key_bytes = (uint16_t)n;
	memcpy(w->key, key, n);
	HASH_ADD_KEYPTR(hh, e->relapses, w->key, n, w);
	c->relapse_watches++;
	set_alarm(e, w, relapse_next_ms(row, TIME_NONE));
	return w;
}

static struct step *push(struct engine *e, const struct relapse_row *row, unsigned acts)
{
	struct step *s = engine_push(e, STEP_RELAPSE, row->campaign);

	s->acts = acts;
	s->row.campaign = row->campaign;
	s->row.no = row->no;
	s->relapse = *row;
	return s;
}

static void drop(struct engine *e, struct relapse_watch *w)
{
	must_find(e, w->row.campaign)->relapse_watches--;
	HASH_DEL(e->relapses, w);
	free(w);
}

/* Puts what became of a watch on record; ends it where it is over. */
static void put(struct engine *e, struct campaign *c, struct relapse_watch *w, unsigned acts)
{
	if (w->row.is_over && w->is_watched)
		acts |= ACT_UNWATCH;
	if (w->row.relapse != RELAPSE_NONE) {
		w->row.relapsed_at_ms = e->now_ms;
		c->targets[w->row.no].flags |= F_RELAPSED;
		c->waves[wave_at(c, w->row.no)].relapsed++;
	}
	push(e, &w->row, acts)->is_stored = true;
	if (w->row.is_over)
		drop(e, w);
}

void engine_relapse_begin(struct engine *e, struct campaign *c, uint32_t no, int64_t from_ms)
{
	struct relapse_row row = {.campaign = c->no,
	                          .no = no,
	                          .from_ms = from_ms,
	                          .until_ms = from_ms + (int64_t)c->spec->verify.relapse_watch_s * 1000,
	                          .relapsed_at_ms = TIME_NONE};

	if (c->spec->verify.relapse_watch_s == 0)
		return;
	engine_relapse_end(e, hub_of(c, no), device_of(c, no));
	add(e, c, &row);
	push(e, &row, 0)->is_stored = true;
}

void engine_relapse_end(struct engine *e, uint8_t hub, const char *device_id)
{
	struct relapse_watch *w = watch_on(e, hub, device_id);

	if (w == NULL)
		return;
	w->row.is_over = true;
	put(e, must_find(e, w->row.campaign), w, 0);
}

void engine_relapse_end_all(struct engine *e, struct campaign *c)
{
	struct relapse_watch *w, *next;

	if (c->relapse_watches == 0)
		return;
	for (w = e->relapses; w != NULL; w = next) {
		next = w->hh.next;
		if (w->row.campaign == c->no) {
			w->row.is_over = true;
			put(e, c, w, 0);
		}
	}
}

void engine_relapse_forget(struct engine *e, struct campaign *c)
{
	struct relapse_watch *w, *next;

	if (c->relapse_watches == 0)
		return;
	for (w = e->relapses; w != NULL; w = next) {
		next = w->hh.next;
		if (w->row.campaign == c->no)
			drop(e, w);
	}
}

void engine_relapse_add(struct engine *e, const struct relapse_row *row)
{
	struct campaign *c = find(e, row->campaign);

	if (c == NULL || row->no >= c->n || c->targets[row->no].state != TARGET_SUCCEEDED)
		return;
	if (row->relapse != RELAPSE_NONE)
		c->targets[row->no].flags |= F_RELAPSED;
	if (!row->is_over && watch_on(e, hub_of(c, row->no), device_of(c, row->no)) == NULL)
		add(e, c, row);
}

void engine_relapse_recover(struct engine *e)
{
	struct relapse_watch *w;

	for (w = e->relapses; w != NULL; w = w->hh.next)
		if (is_followed(must_find(e, w->row.campaign), &w->row)) {
			w->is_watched = true;
			push(e, &w->row, ACT_WATCH);
		}
}

bool engine_relapse_reading(struct engine *e, struct campaign *c, const struct fact *f)
{
	struct relapse_watch *w = watch_of(e, c, f->no);
	struct relapse_seen seen = {.is_point_read = f->is_point_read,
	                            .asked_at_ms = f->asked_at_ms,
	                            .is_there = f->is_there,
	                            .now = f->baseline,
	                            .boot_at_ms = f->boot_at_ms,
	                            .is_up = f->is_up,
	                            .is_down = f->is_down};

	if (w == NULL)
		return false;
	seen.is_undone = c->spec->verify.by == VERIFY_WHERE && !f->baseline.success_held;
	if (f->is_point_read)
		w->rereads = 0;
	if (relapse_judge(&w->row, &w->down_at_ms, &seen)) {
		bool goes_on = !w->row.is_over, begins = goes_on && is_followed(c, &w->row);

		w->is_watched |= begins;
		put(e, c, w, begins ? ACT_WATCH : 0);
		if (!goes_on)
			return true;
	}
	if (f->is_point_read)
		set_alarm(e, w, relapse_next_ms(&w->row, w->down_at_ms));
	return true;
}

void engine_relapse_read_failed(struct engine *e, struct campaign *c, uint32_t no)
{
	struct relapse_watch *w = watch_of(e, c, no);

	if (w != NULL)
		set_alarm(e, w, e->now_ms + policy_reread_ms(++w->rereads));
}

/* A point read is due, or was asked for and nobody answers. */
static void on_due(struct engine *e, struct campaign *c, struct relapse_watch *w)
{
	uint8_t *flags = &c->targets[w->row.no].flags;
	int64_t last_ms = relapse_next_ms(&w->row, w->down_at_ms) + RELAPSE_UNREADABLE_MS;

	if (e->now_ms >= last_ms && (w->rereads > 0 || (*flags & F_READING))) {
		w->row.is_over = true; /* nobody can tell */
		put(e, c, w, 0);
		return;
	}
	if (!(*flags & F_READING))
		push(e, &w->row, ACT_READ);
	*flags |= F_READING;
	set_alarm(e, w, e->now_ms < last_ms ? last_ms : e->now_ms + policy_reread_ms(UINT8_MAX));
}

void engine_relapse_pass_time(struct engine *e)
{
	uint64_t who;

	while (alarms_pop(&e->relapse_alarms, e->now_ms, &who)) {
		struct campaign *c = find(e, (uint32_t)(who >> 32));
		struct relapse_watch *w = c != NULL ? watch_of(e, c, (uint32_t)who) : NULL;

		if (w != NULL && w->alarm_at_ms <= e->now_ms) {
			w->alarm_at_ms = TIME_NEVER;
			on_due(e, c, w);
		}
	}
}

int64_t engine_relapse_next_at(struct engine *e)
{
	uint64_t who;

	while (e->relapse_alarms.n > 0) {
		const struct alarm *first = &e->relapse_alarms.heap[0];
		struct campaign *c = find(e, (uint32_t)(first->who >> 32));
		struct relapse_watch *w = c != NULL ? watch_of(e, c, (uint32_t)first->who) : NULL;

		if (w != NULL && w->alarm_at_ms == first->at_ms)
			return first->at_ms;
		alarms_pop(&e->relapse_alarms, TIME_NEVER, &who);
	}
	return TIME_NEVER;
}
