/* campaign: see selection.h */
#include "server/campaign/selection.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "server/base/buf.h"
#include "server/base/hash.h"
#include "server/base/rng.h"

/* One found device. */
struct found {
	struct selected selected; /* device_id holds an offset into ids until selection_order() */
	uint32_t group;           /* number in groups */
	uint32_t zone;            /* number in zones */
	uint32_t rank;            /* which of its group it is, in order */
};

struct named_group {
	UT_hash_handle hh;
	uint32_t no, size;
	char key[]; /* hub, then the name */
};

struct names {
	struct named_group *by_key, **all;
	uint32_t n, size;
	uint32_t last; /* number_of() gave */
};

struct selection {
	struct found *all;
	uint32_t n, size;
	struct buf ids;
	bool is_ordered, has_groups;
	struct names groups, zones;
};

struct selection *selection_new(void)
{
	return xcalloc(1, sizeof(struct selection));
}

static void forget(struct names *names)
{
	HASH_CLEAR(hh, names->by_key);
	for (uint32_t i = 0; i < names->n; i++)
		free(names->all[i]);
	names->n = names->last = 0;
}

void selection_free(struct selection *s)
{
	if (s == NULL)
		return;
	forget(&s->groups);
	forget(&s->zones);
	free(s->groups.all);
	free(s->zones.all);
	free(s->all);
	buf_done(&s->ids);
	free(s);
}

void selection_reset(struct selection *s)
{
	forget(&s->groups);
	forget(&s->zones);
	s->n = 0;
	s->is_ordered = false;
	buf_reset(&s->ids);
}

#define KEY_BYTES 256 /* longer names are made a key of their own to be looked for */

static struct named_group *named_new(uint8_t hub, const char *name, size_t n)
{
	struct named_group *g = xcalloc(1, sizeof *g + 1 + n + 1);

	g->key[0] = (char)hub;
	memcpy(g->key + 1, name, n + 1);
	return g;
}

static struct named_group *find_name(const struct names *names, uint8_t hub, const char *name, size_t n)
{
	struct named_group *known, *g = NULL;
	char key[KEY_BYTES];

	if (n + 1 > sizeof key) {
		g = named_new(hub, name, n);
		HASH_FIND(hh, names->by_key, g->key, n + 1, known);
	} else {
		key[0] = (char)hub;
		memcpy(key + 1, name, n);
		HASH_FIND(hh, names->by_key, key, n + 1, known);
	}
	free(g);
	return known;
}

/* Gives the name's number. */
static uint32_t number_of(struct names *names, uint8_t hub, const char *name)
{
	const struct named_group *last = names->n > 0 ? names->all[names->last] : NULL;
	size_t n = strlen(name);
	struct named_group *g;

	if (last != NULL && last->key[0] == (char)hub && strcmp(last->key + 1, name) == 0)
		return last->no;
	g = find_name(names, hub, name, n);
	if (g == NULL) {
		if (names->n == names->size) {
			names->size = names->size > 0 ? names->size * 2 : 16;
			names->all = xrealloc(names->all, names->size * sizeof(struct named_group *));
		}
		g = named_new(hub, name, n);
		g->no = names->n;
		HASH_ADD_KEYPTR(hh, names->by_key, g->key, n + 1, g);
		names->all[names->n++] = g;
	}
	names->last = g->no;
	return g->no;
}

void selection_add(struct selection *s, const struct selected *found)
{
	struct found *f;

	if (s->n == s->size) {
		s->size = s->size > 0 ? s->size * 2 : 256;
		s->all = xrealloc(s->all, s->size * sizeof *s->all);
	}
	f = &s->all[s->n++];
	f->selected = *found;
	f->selected.device_id = (const char *)(uintptr_t)s->ids.len;
	f->group = number_of(&s->groups, found->hub, found->group != NULL ? found->group : "");
	f->selected.group = s->groups.all[f->group]->key + 1;
	f->zone = number_of(&s->zones, 0, found->zone != NULL ? found->zone : "");
	f->selected.zone = s->zones.all[f->zone]->key + 1;
	buf_put(&s->ids, found->device_id, strlen(found->device_id) + 1);
}

uint32_t selection_n(const struct selection *s)
{
	return s->n;
}

const char *selection_found(const struct selection *s, uint32_t i)
{
	return s->ids.data + (uintptr_t)s->all[i].selected.device_id;
}

const struct selected *selection_at(const struct selection *s, uint32_t i)
{
	return &s->all[i].selected;
}

uint32_t selection_groups_n(const struct selection *s)
{
	return s->has_groups ? s->groups.n : 0;
}

const char *selection_group(const struct selection *s, uint32_t group, uint8_t *ret_hub, uint32_t *ret_size)
{
	*ret_hub = (uint8_t)s->groups.all[group]->key[0];
	*ret_size = s->groups.all[group]->size;
	return s->groups.all[group]->key + 1;
}

uint32_t selection_group_at(const struct selection *s, uint32_t i)
{
	return s->has_groups ? s->all[i].group : GROUP_NONE;
}

uint32_t selection_zones_n(const struct selection *s)
{
	return s->zones.n;
}

const char *selection_zone(const struct selection *s, uint32_t zone)
{
	return s->zones.all[zone]->key + 1;
}

uint32_t selection_zone_at(const struct selection *s, uint32_t i)
{
	return s->all[i].zone;
}

/* An open-addressing table of numbers + 1: room for n at half load. */
static uint32_t *table_new(size_t n, size_t *ret_mask)
{
	size_t size = 16;

	while (size < n * 2)
		size *= 2;
	*ret_mask = size - 1;
	return xcalloc(size, sizeof(uint32_t));
}

/* In an entry of drop_doubles()' table: the number, and above it as much of the hash as there is room for, so
 * that others are hardly ever looked at, which lie far apart in memory. */
#define NUMBER_BITS 21
#define NUMBER_MASK ((UINT32_C(1) << NUMBER_BITS) - 1)

static void drop_doubles(struct selection *s)
{
	size_t mask;
	uint32_t *table = table_new(s->n, &mask), kept = 0;

	assert(s->n < NUMBER_MASK);
	for (uint32_t i = 0; i < s->n; i++) {
		const struct selected *new = &s->all[i].selected;
		uint64_t hash = hash64(new->device_id, strlen(new->device_id)) + new->hub;
		uint32_t tag = (uint32_t)(hash >> 32) & ~NUMBER_MASK;
		size_t at = hash & mask;

		for (; table[at] != 0; at = (at + 1) & mask) {
			const struct selected *old = &s->all[(table[at] & NUMBER_MASK) - 1].selected;

			if ((table[at] & ~NUMBER_MASK) == tag &&
			    old->hub == new->hub &&strcmp(old->device_id, new->device_id) == 0)
				break;
		}
		if (table[at] != 0)
			continue;
		s->all[kept] = s->all[i];
		table[at] = tag | ++kept;
	}
	s->n = kept;
	free(table);
}

static int by_id(const void *a, const void *b)
{
	const struct found *left = a, *right = b;
	int order = strcmp(left->selected.device_id, right->selected.device_id);

	return order != 0 ? order : (int)left->selected.hub - (int)right->selected.hub;
}

static void shuffle(struct selection *s, uint64_t seed)
{
	struct rng rng;

	rng_seed(&rng, seed);
	for (uint32_t i = s->n; i > 1; i--) { /* Fisher and Yates */
		uint32_t j = (uint32_t)rng_below(&rng, i);
		struct found swap = s->all[i - 1];

		s->all[i - 1] = s->all[j];
		s->all[j] = swap;
	}
}

/* Sorts by rank in the group, and within a rank as it was: each rank's first place is known from how many
 * devices have a lower one. */
static void take_turns(struct selection *s)
{
	uint32_t *places = xcalloc((size_t)s->n + 1, sizeof *places);
	struct found *turns = xmalloc(s->n * sizeof *turns);

	for (uint32_t i = 0; i < s->n; i++) {
		s->all[i].rank = s->groups.all[s->all[i].group]->size++;
		places[s->all[i].rank + 1]++;
	}
	for (uint32_t rank = 0; rank < s->n; rank++)
		places[rank + 1] += places[rank];
	for (uint32_t i = 0; i < s->n; i++)
		turns[places[s->all[i].rank]++] = s->all[i];
	memcpy(s->all, turns, s->n * sizeof *turns);
	free(turns);
	free(places);
}

void selection_order(struct selection *s, enum targets_order order, uint64_t seed, bool has_groups)
{
	if (!s->is_ordered)
		for (uint32_t i = 0; i < s->n; i++)
			s->all[i].selected.device_id = s->ids.data + (uintptr_t)s->all[i].selected.device_id;
	s->is_ordered = true;
	s->has_groups = has_groups;
	drop_doubles(s);
	if (order == ORDER_BY_ID && s->n > 0)
		qsort(s->all, s->n, sizeof *s->all, by_id);
	if (order == ORDER_SHUFFLED)
		shuffle(s, seed);
	if (has_groups && s->n > 0)
		take_turns(s);
}

struct id_set {
	const struct strings *ids; /* borrowed until id_set_free() */
	uint32_t *table;
	size_t mask;
};

static size_t id_set_slot(const struct id_set *s, const char *id)
{
	size_t at = hash64(id, strlen(id)) & s->mask;

	while (s->table[at] != 0 && strcmp(s->ids->all[s->table[at] - 1], id) != 0)
		at = (at + 1) & s->mask;
	return at;
}

struct id_set *id_set_new(const struct strings *ids)
{
	struct id_set *s = xcalloc(1, sizeof *s);

	s->ids = ids;
	s->table = table_new(ids->n, &s->mask);
	for (size_t i = 0; i < ids->n; i++)
		s->table[id_set_slot(s, ids->all[i])] = (uint32_t)i + 1;
	return s;
}

bool id_set_has(const struct id_set *s, const char *id)
{
	return s->table[id_set_slot(s, id)] != 0;
}

void id_set_free(struct id_set *s)
{
	if (s != NULL)
		free(s->table);
	free(s);
}
