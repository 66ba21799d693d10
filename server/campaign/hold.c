/* campaign: see hold.h */
#include "server/campaign/hold.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/campaign/queue.h"

struct waiter {
	uint32_t campaign, no;
};

struct hold {
	UT_hash_handle hh;
	struct holder holder;
	struct waiter *waiters;
	uint32_t waiters_n;
	uint16_t key_bytes;
	char key[]; /* hub, then the device id, NUL */
};

struct holds {
	struct hold *all;
	struct alarms alarms; /* who: the hold's address; such a hold ends only by its alarm */
};

struct holds *holds_new(void)
{
	return xcalloc(1, sizeof(struct holds));
}

static void drop(struct holds *h, struct hold *hold)
{
	HASH_DEL(h->all, hold);
	free(hold->waiters);
	free(hold);
}

void holds_free(struct holds *h)
{
	struct hold *hold, *next;

	if (h == NULL)
		return;
	HASH_ITER (hh, h->all, hold, next)
		drop(h, hold);
	alarms_done(&h->alarms);
	free(h);
}

static struct hold *find(struct holds *h, uint8_t hub, const char *device_id)
{
	char key[1 + 256];
	size_t n = strlen(device_id);
	struct hold *hold;

	assert(n < sizeof key - 1);
	key[0] = (char)hub;
	memcpy(key + 1, device_id, n);
	HASH_FIND(hh, h->all, key, (unsigned)n + 1, hold);
	return hold;
}

struct holder *hold_find(struct holds *h, uint8_t hub, const char *device_id)
{
	struct hold *hold = find(h, hub, device_id);

	return hold != NULL ? &hold->holder : NULL;
}

struct holder *hold_take(struct holds *h, uint8_t hub, const char *device_id, uint32_t campaign, uint32_t no)
{
	size_t n = strlen(device_id);
	struct hold *hold = xcalloc(1, sizeof *hold + n + 2);

	assert(find(h, hub, device_id) == NULL);
	hold->key[0] = (char)hub;
	memcpy(hold->key + 1, device_id, n);
	hold->key_bytes = (uint16_t)(n + 1);
	hold->holder = (struct holder){
	        .campaign = campaign, .no = no, .until_ms = TIME_NEVER, .since_ms = TIME_NONE};
	HASH_ADD_KEYPTR(hh, h->all, hold->key, hold->key_bytes, hold);
	return &hold->holder;
}

void hold_until(struct holds *h, uint8_t hub, const char *device_id, int64_t until_ms)
{
	struct hold *hold = find(h, hub, device_id);

	assert(hold != NULL && hold->holder.until_ms == TIME_NEVER);
	hold->holder.until_ms = until_ms;
	alarms_add(&h->alarms, until_ms, (uint64_t)(uintptr_t)hold);
}

void hold_wait(struct holds *h, uint8_t hub, const char *device_id, uint32_t campaign, uint32_t no)
{
	struct hold *hold = find(h, hub, device_id);

	assert(hold != NULL);
	hold->waiters = xrealloc(hold->waiters, (hold->waiters_n + 1) * sizeof *hold->waiters);
	hold->waiters[hold->waiters_n++] = (struct waiter){campaign, no};
}

static void release(struct holds *h, struct hold *hold, hold_freed_cb *on_freed, void *arg)
{
	struct waiter *waiters = hold->waiters;
	uint32_t n = hold->waiters_n;

	hold->waiters = NULL;
	drop(h, hold);
	for (uint32_t i = 0; i < n; i++)
		on_freed(arg, waiters[i].campaign, waiters[i].no);
	free(waiters);
}

void hold_release(struct holds *h, uint8_t hub, const char *device_id, hold_freed_cb *on_freed, void *arg)
{
	struct hold *hold = find(h, hub, device_id);

	if (hold == NULL)
		return;
	assert(hold->holder.until_ms == TIME_NEVER);
	release(h, hold, on_freed, arg);
}

bool hold_expire(struct holds *h, int64_t now_ms, struct holder *ret, hold_freed_cb *on_freed, void *arg)
{
	uint64_t who;
	struct hold *hold;

	if (!alarms_pop(&h->alarms, now_ms, &who))
		return false;
	hold = (struct hold *)(uintptr_t)who;
	*ret = hold->holder;
	release(h, hold, on_freed, arg);
	return true;
}

bool holds_any(const struct holds *h)
{
	return h->all != NULL;
}

int64_t holds_next_at(const struct holds *h)
{
	return alarms_next_at(&h->alarms);
}

void holds_each(const struct holds *h, hold_each_cb *each, void *arg)
{
	const struct hold *hold;

	for (hold = h->all; hold != NULL; hold = hold->hh.next)
		each(arg, hold->key + 1, &hold->holder);
}
