/* conductor: finding a campaign's targets, page by page, each page on record as it comes; see conduct.h. */
#include "server/conduct.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"
#include "server/campaign/policy.h"

/* Targets stored in one commit: a few milliseconds of the store's time. */
#define STORED_AT_ONCE 4096
/* Ids of one page on record. */
#define IDS_A_PAGE 4096
/* A continuation that the hub does not know any more: so often from the start again. */
#define RESTARTS_MAX 3

struct asked {
	struct conductor *c;
	uint32_t campaign;
};

void select_end(struct live *live)
{
	selection_free(live->found);
	id_set_free(live->excluded);
	free(live->continuation);
	live->found = NULL;
	live->excluded = NULL;
	live->continuation = NULL;
	live->select = SELECT_NONE;
}

static void begin_storing(struct live *live)
{
	selection_order(live->found, live->spec->targets.order, live->spec->targets.seed,
	                live->spec->rollout.group_by != NULL);
	live->excluded = id_set_new(&live->spec->targets.exclude);
	live->select = SELECT_STORE;
}

/* One hub's pages are all there: the next hub, or on to storing. */
static void hub_done(struct live *live)
{
	free(live->continuation);
	live->continuation = NULL;
	if (++live->asked_hub < live->hubs_n)
		live->select = SELECT_ASK;
	else
		begin_storing(live);
}

static void fail(struct conductor *c, struct live *live, const char *why)
{
	struct fact f = {
	        .kind = FACT_SELECTION_FAILED, .at_ms = conduct_now(c), .campaign = live->no, .detail = why};

	log_warn("targets could not be selected", LS("campaign", live->id), LS("reason", why));
	batch_pages_drop(c->batch, live->no);
	select_end(live);
	(void)conduct_feed(c, &f);
}

static void take_page(struct conductor *c, struct live *live, const struct hub_answer *a)
{
	struct selected *rows = xcalloc(a->rows_n, sizeof *rows);
	struct selection_page page = {.page = live->pages++,
	                              .hub = live->asked_hub,
	                              .rows = rows,
	                              .rows_n = a->rows_n,
	                              .continuation = a->continuation};

	for (size_t i = 0; i < a->rows_n; i++) {
		rows[i].device_id = a->rows[i].device_id;
		rows[i].hub = live->asked_hub;
		rows[i].is_disabled = !a->rows[i].is_enabled;
		rows[i].group = a->rows[i].group.text;
		/* A row may be old: that serves as a baseline of a property, since proof also needs a later
		 * $lastUpdated; what it says of a predicate, or that a device is disabled, is read again. */
		if (live->spec->verify.by == VERIFY_PROPERTY && a->rows[i].is_enabled)
			evidence_baseline(&live->rule, &a->rows[i], &rows[i].baseline);
		selection_add(live->found, &rows[i]);
	}
	batch_page_add(c->batch, live->no, &page);
	engine_touch(c->engine, live->no); /* how many there are so far is shown */
	free(rows);
	free(live->continuation);
	live->continuation = a->continuation != NULL ? xstrdup(a->continuation) : NULL;
	live->tries = 0;
	if (selection_n(live->found) > TARGETS_MAX)
		fail(c, live, "more than 1,000,000 devices match");
	else if (a->continuation == NULL)
		hub_done(live);
	else
		live->select = SELECT_ASK;
}

static void on_page(void *arg, const struct hub_answer *a)
{
	struct asked *asked = arg;
	struct conductor *c = asked->c;
	struct live *live = conduct_live(c, asked->campaign);
	char why[128];

	free(asked);
	conduct_wake(c);
	if (live == NULL || live->select != SELECT_ASKING)
		return;
	if (a->outcome == HUB_ANSWERED) {
		take_page(c, live, a);
	} else if (a->outcome == HUB_OUR_FAULT && live->continuation != NULL &&
	           live->restarts < RESTARTS_MAX) {
		live->restarts++;
		log_warn("selection starts again", LS("campaign", live->id), LS("reason", a->detail));
		batch_pages_drop(c->batch, live->no);
		selection_reset(live->found);
		free(live->continuation);
		live->continuation = NULL;
		live->pages = 0;
		live->asked_hub = 0;
		live->select = SELECT_ASK;
	} else if (a->outcome == HUB_OUR_FAULT) {
		snprintf(why, sizeof why, "the hub refused the query: %.90s",
		         a->error.message[0] != '\0' ? a->error.message : a->detail);
		fail(c, live, why);
	} else {
		live->ask_at_ms = conduct_now(c) + policy_reread_ms(++live->tries);
		live->select = SELECT_ASK;
	}
}

/* A page of a device list: its continuation is how many ids came before. */
static void on_list(void *arg, enum err err, const char *const *ids, size_t n, uint32_t n_all, int64_t at_ms,
                    const char *by)
{
	struct asked *asked = arg;
	struct conductor *c = asked->c;
	struct live *live = conduct_live(c, asked->campaign);
	struct hub_answer page = {.outcome = HUB_ANSWERED, .rows_n = n};
	char next[16];

	(void)at_ms;
	(void)by;
	free(asked);
	c->asked--;
	conduct_wake(c);
	if (live == NULL || live->select != SELECT_ASKING)
		return;
	if (err != ERR_OK || n_all == 0) {
		fail(c, live, err != ERR_OK ? err_text(err) : "there is no device list of that name");
		return;
	}
	snprintf(next, sizeof next, "%zu", selection_n(live->found) + n);
	if (n > 0 && selection_n(live->found) + n < n_all)
		page.continuation = next;
	page.rows = xcalloc(n, sizeof *page.rows);
	for (size_t i = 0; i < n; i++) {
		reading_of_absence(ids[i], &page.rows[i]);
		page.rows[i].is_enabled = false; /* nobody has looked yet: its twin is read before the call */
	}
	take_page(c, live, &page);
	free(page.rows);
}

static void ask(struct conductor *c, struct live *live)
{
	struct asked *asked = xmalloc(sizeof *asked);
	const struct campaign_spec *spec = live->spec;

	assert(spec->targets.by != TARGETS_IDS); /* these are on record since the campaign was made */
	*asked = (struct asked){c, live->no};
	live->select = SELECT_ASKING;
	if (spec->targets.by == TARGETS_LIST) {
		c->asked++;
		store_read_list(c->store, spec->targets.list, selection_n(live->found), STORE_PAGE_MAX,
		                on_list, asked);
		return;
	}
	track_select(c->ports[live->hubs[live->asked_hub]].track,
	             spec->targets.by == TARGETS_WHERE ? spec->targets.where : NULL, live->continuation,
	             live->watch, on_page, asked);
}

static void store_groups(struct conductor *c, const struct live *live)
{
	for (uint32_t g = 0; g < selection_groups_n(live->found); g++) {
		uint32_t size;
		const char *name = selection_group(live->found, g, &size);

		engine_group_add(c->engine, live->no, 0, name, size);
		batch_group_add(c->batch, live->no, g, name, size);
	}
}

/* Puts the next targets on record, in calling order. */
static void store_some(struct conductor *c, struct live *live, int64_t now_ms)
{
	uint32_t n = selection_n(live->found), last = live->stored + STORED_AT_ONCE;

	if (live->stored == 0)
		store_groups(c, live);
	for (; live->stored < n && live->stored < last; live->stored++) {
		const struct selected *found = selection_at(live->found, live->stored);
		bool is_excluded = id_set_has(live->excluded, found->device_id);
		struct target_row row = {.campaign = live->no,
		                         .no = live->stored,
		                         .state = is_excluded ? TARGET_SKIPPED : TARGET_WAITING,
		                         .reason = is_excluded ? REASON_EXCLUDED : REASON_NONE,
		                         .hub = found->hub,
		                         .group = selection_group_at(live->found, live->stored),
		                         .changed_at_ms = now_ms,
		                         .next_at_ms = TIME_NONE,
		                         .called_at_ms = TIME_NONE,
		                         .since_hub_ms = TIME_NONE,
		                         .hold_until_ms = TIME_NONE};

		engine_target_add(c->engine, &row, found->device_id, &found->baseline);
		batch_target_add(c->batch, &row, found->device_id, &found->baseline);
	}
	if (live->stored == n) {
		struct fact f = {.kind = FACT_SELECTED, .at_ms = now_ms, .campaign = live->no};

		batch_pages_drop(c->batch, live->no);
		select_end(live);
		(void)conduct_feed(c, &f);
	}
}

int64_t select_run(struct conductor *c, struct live *live, int64_t now_ms)
{
	switch (live->select) {
	case SELECT_ASK:
		if (live->ask_at_ms > now_ms)
			return live->ask_at_ms;
		ask(c, live);
		return TIME_NEVER; /* woken by on_page() */
	case SELECT_STORE:
		store_some(c, live, now_ms);
		return now_ms;
	case SELECT_NONE:
	case SELECT_ASKING:
		break;
	}
	return TIME_NEVER;
}

void select_page(struct live *live, const struct selection_page *page)
{
	if (live->found == NULL)
		live->found = selection_new();
	for (size_t i = 0; i < page->rows_n; i++)
		selection_add(live->found, &page->rows[i]);
	live->pages = page->page + 1;
	live->asked_hub = page->hub;
	free(live->continuation);
	live->continuation = page->continuation != NULL ? xstrdup(page->continuation) : NULL;
}

void select_begin(struct conductor *c, struct live *live)
{
	struct campaign_row row;
	bool has_targets = engine_campaign_row(c->engine, live->no, &row) == ERR_OK && row.counts.total > 0;

	live->ask_at_ms = TIME_NONE;
	if (has_targets && live->pages == 0) { /* all were stored; only the last word is missing */
		struct fact f = {.kind = FACT_SELECTED, .at_ms = conduct_now(c), .campaign = live->no};

		(void)conduct_feed(c, &f);
		return;
	}
	if (live->found == NULL)
		live->found = selection_new();
	live->select = SELECT_ASK;
	if (live->pages > 0 && live->continuation == NULL)
		hub_done(live);
	live->stored = has_targets ? row.counts.total : 0;
}

void select_ids(struct conductor *c, struct live *live, struct strings *ids, const char *const *groups)
{
	struct selected *rows = xcalloc(IDS_A_PAGE, sizeof *rows);

	live->found = selection_new();
	for (size_t first = 0; first < ids->n; first += IDS_A_PAGE) {
		size_t n = ids->n - first < IDS_A_PAGE ? ids->n - first : IDS_A_PAGE;
		struct selection_page page = {.page = live->pages++, .rows = rows, .rows_n = n};

		for (size_t i = 0; i < n; i++) {
			rows[i] = (struct selected){.device_id = ids->all[first + i],
			                            .group = groups != NULL ? groups[first + i] : NULL};
			selection_add(live->found, &rows[i]);
		}
		batch_page_add(c->batch, live->no, &page);
	}
	free(rows);
	for (size_t i = 0; i < ids->n; i++)
		free(ids->all[i]);
	free(ids->all);
	*ids = (struct strings){NULL, 0};
}
