/* campaign: see group.h */
#include "server/campaign/group.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "server/base/buf.h"

struct entry {
	UT_hash_handle hh;
	struct shared_group group;
	char *key; /* hub, tag path, NUL, value */
	size_t key_bytes;
};

struct groups {
	struct entry *all;
	TAILQ_HEAD(, shared_group) touched;
};

struct groups *groups_new(void)
{
	struct groups *g = xcalloc(1, sizeof *g);

	TAILQ_INIT(&g->touched);
	return g;
}

void groups_free(struct groups *g)
{
	struct entry *e, *next;

	if (g == NULL)
		return;
	HASH_ITER (hh, g->all, e, next) {
		HASH_DEL(g->all, e);
		free(e->group.members);
		free(e->key);
		free(e);
	}
	free(g);
}

struct shared_group *groups_get(struct groups *g, uint8_t hub, const char *by, const char *value)
{
	struct buf key = BUF_INIT;
	struct entry *e;

	buf_put_u8(&key, hub);
	buf_put(&key, by, strlen(by) + 1);
	buf_puts(&key, value);
	HASH_FIND(hh, g->all, key.data, key.len, e);
	if (e == NULL) {
		e = xcalloc(1, sizeof *e);
		e->key_bytes = key.len;
		e->key = buf_take(&key);
		HASH_ADD_KEYPTR(hh, g->all, e->key, e->key_bytes, e);
	}
	buf_done(&key);
	return &e->group;
}

void group_join(struct shared_group *g, uint32_t campaign, uint32_t group)
{
	g->members = xrealloc(g->members, (g->members_n + 1) * sizeof *g->members);
	g->members[g->members_n++] = (struct group_member){campaign, group};
}

void group_leave(struct shared_group *g, uint32_t campaign)
{
	for (uint32_t i = 0; i < g->members_n; i++)
		if (g->members[i].campaign == campaign) {
			g->members[i] = g->members[--g->members_n];
			return;
		}
}

void group_touch(struct groups *g, struct shared_group *group)
{
	if (!group->is_touched)
		TAILQ_INSERT_TAIL(&g->touched, group, link);
	group->is_touched = true;
}

struct shared_group *groups_next_touched(struct groups *g)
{
	struct shared_group *group = TAILQ_FIRST(&g->touched);

	if (group != NULL) {
		TAILQ_REMOVE(&g->touched, group, link);
		group->is_touched = false;
	}
	return group;
}

void group_lose(struct campaign_group *g, uint32_t no, int64_t at_ms)
{
	if ((g->failed & (g->failed + 1)) == 0) /* 0, 1, 3, 7 …: full */
		g->lost = xrealloc(g->lost, (2 * (size_t)g->failed + 1) * sizeof *g->lost);
	g->lost[g->failed++] = (struct lost){no, at_ms};
}

uint32_t group_room(const struct campaign_group *g, uint32_t max)
{
	uint32_t down = g->shared->out + g->shared->offline + g->failed;

	return down < max ? max - down : 0;
}

bool group_is_blocked(const struct campaign_group *g, uint32_t max)
{
	return g->failed >= max;
}
