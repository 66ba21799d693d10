/* conductor: which of a campaign's hubs has each given id, and in which group it is; see conduct.h. By point
 * reads, since only these can say that a device is not there (contract 4.3), and are the faster on every tier
 * (contract 7.1: S1 reads 100 twins a second, but queries 33). A batch of ids at a time, each on record when
 * all hubs have answered: its page holds what was found, and says in its continuation how many ids came
 * before the next. */
#include "server/conduct.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/campaign/policy.h"

#define LOOKS_AT_ONCE 256
#define PAGE_MARK "looked up to "

/* One id on one hub. */
struct look {
	bool is_asking, is_answered, is_there;
	int64_t ask_at_ms;
	uint32_t tries;
	bool is_disabled;
	char *group, *zone;
	struct baseline baseline;
};

struct looking {
	uint32_t first, n;  /* ids of the batch, by number in live->found */
	uint32_t open;      /* looks of the batch that have no answer yet */
	struct look *looks; /* n × hubs_n, an id's hubs one behind the other */
	struct selection *found;
};

struct looked {
	struct conductor *c;
	uint32_t campaign, selection, look;
};

static void batch_free_looks(struct live *live)
{
	struct looking *l = live->looking;

	for (uint32_t i = 0; l->looks != NULL && i < l->n * live->hubs_n; i++)
		free(l->looks[i].group);
	for (uint32_t i = 0; l->looks != NULL && i < l->n * live->hubs_n; i++)
		free(l->looks[i].zone);
	free(l->looks);
	l->looks = NULL;
}

void look_begin(struct live *live, uint32_t first)
{
	live->looking = xcalloc(1, sizeof *live->looking);
	live->looking->first = first;
	live->looking->found = selection_new();
}

void look_end(struct live *live)
{
	if (live->looking == NULL)
		return;
	batch_free_looks(live);
	selection_free(live->looking->found);
	free(live->looking);
	live->looking = NULL;
}

bool look_page(struct live *live, const struct selection_page *page)
{
	size_t mark = strlen(PAGE_MARK);

	if (page->continuation == NULL || strncmp(page->continuation, PAGE_MARK, mark) != 0)
		return false;
	if (live->looking == NULL)
		look_begin(live, 0);
	live->looking->first = (uint32_t)strtoul(page->continuation + mark, NULL, 10);
	for (size_t i = 0; i < page->rows_n; i++)
		selection_add(live->looking->found, &page->rows[i]);
	return true;
}

static void next_batch(struct live *live)
{
	struct looking *l = live->looking;
	uint32_t left = selection_n(live->found) - l->first;

	l->n = left < LOOKS_AT_ONCE ? left : LOOKS_AT_ONCE;
	l->open = l->n * live->hubs_n;
	l->looks = xcalloc(l->open, sizeof *l->looks);
}

/* Puts what the batch found on record. What no hub has is the first one's, where a read before its call says
 * so once more. */
static void batch_done(struct conductor *c, struct live *live)
{
	struct looking *l = live->looking;
	struct selected *rows = xcalloc((size_t)l->n * live->hubs_n, sizeof *rows);
	struct selection_page page = {.page = live->pages++, .rows = rows};
	char continuation[48];

	for (uint32_t i = 0; i < l->n; i++) {
		const char *id = selection_found(live->found, l->first + i);
		size_t before = page.rows_n;

		for (uint32_t h = 0; h < live->hubs_n; h++) {
			const struct look *look = &l->looks[i * live->hubs_n + h];

			if (look->is_there)
				rows[page.rows_n++] = (struct selected){.device_id = id,
				                                        .hub = (uint8_t)h,
				                                        .is_disabled = look->is_disabled,
				                                        .group = look->group,
				                                        .zone = look->zone,
				                                        .baseline = look->baseline};
		}
		if (page.rows_n == before)
			rows[page.rows_n++] = (struct selected){.device_id = id};
	}
	for (size_t i = 0; i < page.rows_n; i++)
		selection_add(l->found, &rows[i]);
	snprintf(continuation, sizeof continuation, PAGE_MARK "%u", l->first + l->n);
	page.continuation = continuation;
	batch_page_add(c->batch, live->no, &page);
	engine_touch(c->engine, live->no);
	free(rows);
	batch_free_looks(live);
	l->first += l->n;
	l->n = 0;
}

static void on_look(void *arg, const struct hub_answer *a)
{
	struct looked *looked = arg;
	struct conductor *c = looked->c;
	struct live *live = conduct_live(c, looked->campaign);
	bool is_same = live != NULL && live->selection == looked->selection && live->select == SELECT_LOOK;
	uint32_t no = looked->look;
	struct look *look;

	free(looked);
	conduct_wake(c);
	if (!is_same)
		return;
	look = &live->looking->looks[no];
	look->is_asking = false;
	if (a->outcome != HUB_ANSWERED && a->outcome != HUB_GONE) {
		look->ask_at_ms = conduct_now(c) + policy_reread_ms(++look->tries);
		return;
	}
	look->is_answered = true;
	live->looking->open--;
	if (a->reading == NULL || !a->reading->is_there)
		return;
	look->is_there = true;
	look->is_disabled = !a->reading->is_enabled;
	look->zone = a->reading->zone.text != NULL ? xstrdup(a->reading->zone.text) : NULL;
	look->group = a->reading->group.text != NULL ? xstrdup(a->reading->group.text) : NULL;
	if (live->spec->verify.by == VERIFY_PROPERTY && a->reading->is_enabled)
		evidence_baseline(&live->rule, a->reading, &look->baseline);
}

/* Asks for what is due of the batch; gives when more is. */
static int64_t look_some(struct conductor *c, struct live *live, int64_t now_ms)
{
	struct looking *l = live->looking;
	int64_t wake_ms = TIME_NEVER; /* or woken by on_look() */

	for (uint32_t i = 0; i < l->n * live->hubs_n; i++) {
		struct look *look = &l->looks[i];
		struct looked *looked;

		if (look->is_answered || look->is_asking)
			continue;
		if (look->ask_at_ms > now_ms) {
			wake_ms = look->ask_at_ms < wake_ms ? look->ask_at_ms : wake_ms;
			continue;
		}
		look->is_asking = true;
		looked = xmalloc(sizeof *looked);
		*looked = (struct looked){c, live->no, live->selection, i};
		track_look(c->ports[live->hubs[i % live->hubs_n]].track, live->no,
		           selection_found(live->found, l->first + i / live->hubs_n), live->watch, on_look,
		           looked);
	}
	return wake_ms;
}

bool look_run(struct conductor *c, struct live *live, int64_t now_ms, int64_t *wake_ms)
{
	struct looking *l = live->looking;

	if (l->n > 0 && l->open == 0)
		batch_done(c, live);
	if (l->n == 0 && l->first < selection_n(live->found))
		next_batch(live);
	if (l->n > 0) {
		*wake_ms = l->open > 0 ? look_some(c, live, now_ms) : now_ms;
		return false;
	}
	selection_free(live->found);
	live->found = l->found;
	l->found = NULL;
	look_end(live);
	return true;
}
