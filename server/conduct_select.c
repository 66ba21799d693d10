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
#define PREFETCHED 16 /* targets ahead */
/* Ids of one page on record. */
#define IDS_A_PAGE 4096
/* A continuation that the hub does not know any more: so often from the start again. */
#define RESTARTS_MAX 3

struct asked {
	LIST_ENTRY(asked) link;
	struct conductor *c;
	uint32_t campaign, selection;
	uint8_t hub;
};

static void forget_findings(struct live *live)
{
	for (uint32_t h = 0; live->findings != NULL && h < live->hubs_n; h++)
		free(live->findings[h].continuation);
	free(live->findings);
	live->findings = NULL;
}

void select_end(struct live *live)
{
	selection_free(live->found);
	look_end(live);
	id_set_free(live->excluded);
	forget_findings(live);
	free(live->zone_of);
	live->zone_of = NULL;
	live->found = NULL;
	live->excluded = NULL;
	live->select = SELECT_NONE;
}

/* From now on answers to what was asked before are dropped. */
static void find_all(struct conductor *c, struct live *live)
{
	if (live->found == NULL)
		live->found = selection_new();
	if (live->findings == NULL)
		live->findings = xcalloc(live->hubs_n, sizeof *live->findings);
	live->selection = ++c->selections;
	live->select = SELECT_FIND;
}

/* Ids that were given, or are in a list, are not asked for hub by hub. */
static uint32_t findings_n(const struct live *live)
{
	bool is_by_query = live->spec->targets.by == TARGETS_WHERE || live->spec->targets.by == TARGETS_ALL;

	return is_by_query ? live->hubs_n : 1;
}

static void begin_storing(struct live *live)
{
	selection_order(live->found, live->spec->targets.order, live->spec->targets.seed,
	                live->spec->rollout.group_by != NULL);
	live->excluded = id_set_new(&live->spec->targets.exclude);
	live->select = SELECT_STORE;
}

/* Goes on once every hub's pages are there. */
static void find_done(struct live *live)
{
	for (uint32_t h = 0; h < findings_n(live); h++)
		if (!live->findings[h].is_done)
			return;
	if (!live->must_look) {
		begin_storing(live);
		return;
	}
	if (live->looking == NULL)
		look_begin(live, 0);
	live->select = SELECT_LOOK;
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

static void ask(struct conductor *c, struct live *live, uint8_t hub);

static void take_page(struct conductor *c, struct live *live, uint8_t hub, const struct hub_answer *a)
{
	struct finding *finding = &live->findings[hub];
	struct selected *rows = xcalloc(a->rows_n, sizeof *rows);
	struct selection_page page = {.page = live->pages++,
	                              .hub = hub,
	                              .rows = rows,
	                              .rows_n = a->rows_n,
	                              .continuation = a->continuation};

	for (size_t i = 0; i < a->rows_n; i++) {
		rows[i].device_id = a->rows[i].device_id;
		rows[i].hub = hub;
		rows[i].is_disabled = !a->rows[i].is_enabled;
		rows[i].group = a->rows[i].group.text;
		rows[i].zone = a->rows[i].zone.text;
		/* A row may be old: that serves as a baseline of a property, since proof also needs a later
		 * $lastUpdated; what it says of a predicate, or that a device is disabled, is read again. */
		if (live->spec->verify.by == VERIFY_PROPERTY && a->rows[i].is_enabled)
			evidence_baseline(&live->rule, &a->rows[i], &rows[i].baseline);
		selection_add(live->found, &rows[i]);
	}
	batch_page_add(c->batch, live->no, &page);
	engine_touch(c->engine, live->no); /* how many there are so far is shown */
	free(rows);
	free(finding->continuation);
	finding->continuation = a->continuation != NULL ? xstrdup(a->continuation) : NULL;
	finding->tries = 0;
	finding->is_done = a->continuation == NULL;
	if (selection_n(live->found) > TARGETS_MAX)
		fail(c, live, "more than 1,000,000 devices match");
	else if (finding->is_done)
		find_done(live);
	else
		ask(c, live, hub); /* while this page is made durable, alone or with what follows */
}

/* The selection that was asked for; NULL: it is over. Takes asked. */
static struct live *asked_by(struct asked *asked, struct conductor **ret_c, uint8_t *ret_hub)
{
	struct live *live = conduct_live(asked->c, asked->campaign);
	bool is_same = live != NULL && live->selection == asked->selection && live->select == SELECT_FIND;

	*ret_c = asked->c;
	*ret_hub = asked->hub;
	LIST_REMOVE(asked, link);
	free(asked);
	if (is_same)
		live->findings[*ret_hub].is_asking = false;
	return is_same ? live : NULL;
}

static void on_page(void *arg, const struct hub_answer *a)
{
	struct conductor *c;
	uint8_t hub;
	struct live *live = asked_by(arg, &c, &hub);
	struct finding *finding;
	char why[128];

	conduct_wake(c);
	if (live == NULL)
		return;
	finding = &live->findings[hub];
	if (a->outcome == HUB_ANSWERED) {
		take_page(c, live, hub, a);
	} else if (a->outcome == HUB_OUR_FAULT && finding->continuation != NULL &&
	           live->restarts < RESTARTS_MAX) {
		live->restarts++;
		log_warn("selection starts again", LS("campaign", live->id), LS("reason", a->detail));
		batch_pages_drop(c->batch, live->no);
		selection_reset(live->found);
		forget_findings(live);
		live->pages = 0;
		find_all(c, live);
	} else if (a->outcome == HUB_OUR_FAULT) {
		snprintf(why, sizeof why, "hub %.20s refused the query: %.80s",
		         c->ports[live->hubs[hub]].name,
		         a->error.message[0] != '\0' ? a->error.message : a->detail);
		fail(c, live, why);
	} else {
		finding->ask_at_ms = conduct_now(c) + policy_reread_ms(++finding->tries);
	}
}

/* A page of a device list: its continuation is how many ids came before. */
static void on_list(void *arg, enum err err, const char *const *ids, size_t n, uint32_t n_all, int64_t at_ms,
                    const char *by)
{
	struct conductor *c;
	uint8_t hub;
	struct live *live = asked_by(arg, &c, &hub);
	struct hub_answer page = {.outcome = HUB_ANSWERED, .rows_n = n};
	char next[16];

	(void)at_ms;
	(void)by;
	c->asked--;
	conduct_wake(c);
	if (live == NULL)
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
	take_page(c, live, hub, &page);
	free(page.rows);
}

static void ask(struct conductor *c, struct live *live, uint8_t hub)
{
	struct asked *asked = xmalloc(sizeof *asked);
	const struct campaign_spec *spec = live->spec;

	assert(spec->targets.by != TARGETS_IDS); /* these are on record since the campaign was made */
	*asked = (struct asked){.c = c, .campaign = live->no, .selection = live->selection, .hub = hub};
	LIST_INSERT_HEAD(&c->pages_asked, asked, link);
	live->findings[hub].is_asking = true;
	if (spec->targets.by == TARGETS_LIST) {
		c->asked++;
		store_read_list(c->store, spec->targets.list, selection_n(live->found), STORE_PAGE_MAX,
		                on_list, asked);
		return;
	}
	track_select(c->ports[live->hubs[hub]].track, live->no,
	             spec->targets.by == TARGETS_WHERE ? spec->targets.where : NULL,
	             live->findings[hub].continuation, live->watch, on_page, asked);
}

/* Asks every hub for its next page, each at its own pace. */
static int64_t find_some(struct conductor *c, struct live *live, int64_t now_ms)
{
	int64_t wake_ms = TIME_NEVER; /* or woken by on_page() */

	for (uint32_t h = 0; h < findings_n(live); h++) {
		const struct finding *finding = &live->findings[h];

		if (finding->is_done || finding->is_asking)
			continue;
		if (finding->ask_at_ms <= now_ms)
			ask(c, live, (uint8_t)h);
		else if (finding->ask_at_ms < wake_ms)
			wake_ms = finding->ask_at_ms;
	}
	return wake_ms;
}

static void store_groups(struct conductor *c, const struct live *live)
{
	for (uint32_t g = 0; g < selection_groups_n(live->found); g++) {
		uint32_t size;
		uint8_t hub;
		const char *name = selection_group(live->found, g, &hub, &size);

		engine_group_add(c->engine, live->no, hub, name, size);
		batch_group_add(c->batch, live->no, g, hub, name, size);
	}
}

static uint16_t zone_at(const struct live *live, uint32_t i)
{
	return live->zone_of != NULL ? live->zone_of[selection_zone_at(live->found, i)] : 0;
}

/* Puts the next targets on record, in calling order. */
static void store_some(struct conductor *c, struct live *live, int64_t now_ms)
{
	uint32_t n = selection_n(live->found), last = live->stored + STORED_AT_ONCE;

	if (live->stored == 0)
		store_groups(c, live);
	conduct_windows_select(c, live);
	for (; live->stored < n && live->stored < last; live->stored++) {
		const struct selected *found = selection_at(live->found, live->stored);
		bool is_excluded = id_set_has(live->excluded, found->device_id);
		struct target_row row = {.campaign = live->no,
		                         .no = live->stored,
		                         .state = is_excluded ? TARGET_SKIPPED : TARGET_WAITING,
		                         .reason = is_excluded ? REASON_EXCLUDED : REASON_NONE,
		                         .hub = found->hub,
		                         .zone = zone_at(live, live->stored),
		                         .group = selection_group_at(live->found, live->stored),
		                         .changed_at_ms = now_ms,
		                         .next_at_ms = TIME_NONE,
		                         .called_at_ms = TIME_NONE,
		                         .since_hub_ms = TIME_NONE,
		                         .hold_until_ms = TIME_NONE};

		/* Shuffled, their ids lie far apart in memory. */
		if (live->stored + PREFETCHED < n)
			__builtin_prefetch(selection_at(live->found, live->stored + PREFETCHED)->device_id);
		engine_target_add(c->engine, &row, found->device_id, &found->baseline);
		batch_target_add(c->batch, &row, found->device_id, &found->baseline);
	}
	if (live->stored == n) {
		struct fact f = {.kind = FACT_SELECTED, .at_ms = now_ms, .campaign = live->no};

		batch_pages_drop(c->batch, live->no);
		(void)conduct_feed(c, &f);
		course_plan(c, live, now_ms);
		select_end(live);
	}
}

/* Whether endAt came while the devices were still looked for: nobody is called any more. (Once the first is
 * on record all are found.) */
static bool is_too_late(const struct conductor *c, const struct live *live)
{
	struct campaign_row row;

	return (live->select == SELECT_FIND || live->select == SELECT_LOOK) && live->stored == 0 &&
	       engine_campaign_row(c->engine, live->no, &row) == ERR_OK && row.end_at_ms <= conduct_wall(c);
}

int64_t select_run(struct conductor *c, struct live *live, int64_t now_ms)
{
	int64_t wake_ms = TIME_NEVER;

	if (is_too_late(c, live)) {
		fail(c, live, "endAt came before all devices were found");
		return wake_ms;
	}
	switch (live->select) {
	case SELECT_FIND:
		return find_some(c, live, now_ms);
	case SELECT_LOOK:
		if (!look_run(c, live, now_ms, &wake_ms))
			return wake_ms;
		begin_storing(live);
		return now_ms;
	case SELECT_STORE:
		store_some(c, live, now_ms);
		return now_ms;
	case SELECT_NONE:
		break;
	}
	return wake_ms;
}

void select_free(struct conductor *c)
{
	struct asked *asked;

	while ((asked = LIST_FIRST(&c->pages_asked)) != NULL) {
		LIST_REMOVE(asked, link);
		free(asked);
	}
}

bool select_is_asking(const struct live *live)
{
	bool is_asking = false;

	for (uint32_t h = 0; live->select == SELECT_FIND && h < findings_n(live); h++)
		is_asking = is_asking || live->findings[h].is_asking;
	return is_asking;
}

void select_page(struct live *live, const struct selection_page *page)
{
	struct finding *finding;

	live->pages = page->page + 1;
	if (look_page(live, page))
		return;
	if (live->found == NULL)
		live->found = selection_new();
	if (live->findings == NULL)
		live->findings = xcalloc(live->hubs_n, sizeof *live->findings);
	for (size_t i = 0; i < page->rows_n; i++)
		selection_add(live->found, &page->rows[i]);
	finding = &live->findings[page->hub];
	free(finding->continuation);
	finding->continuation = page->continuation != NULL ? xstrdup(page->continuation) : NULL;
	finding->is_done = page->continuation == NULL;
}

void select_begin(struct conductor *c, struct live *live)
{
	struct campaign_row row;
	bool has_targets = engine_campaign_row(c->engine, live->no, &row) == ERR_OK && row.counts.total > 0;

	if (has_targets && live->pages == 0) { /* all were stored; only the last word is missing */
		struct fact f = {.kind = FACT_SELECTED, .at_ms = conduct_now(c), .campaign = live->no};

		(void)conduct_feed(c, &f);
		return;
	}
	find_all(c, live);
	live->stored = has_targets ? row.counts.total : 0;
	if (live->spec->targets.by == TARGETS_IDS)
		live->findings[0].is_done = true;
	find_done(live);
}

void select_ids(struct conductor *c, struct live *live, struct strings *ids,
                const struct conductor_request *request)
{
	struct selected *rows = xcalloc(IDS_A_PAGE, sizeof *rows);

	live->found = selection_new();
	for (size_t first = 0; first < ids->n; first += IDS_A_PAGE) {
		size_t n = ids->n - first < IDS_A_PAGE ? ids->n - first : IDS_A_PAGE;
		struct selection_page page = {.page = live->pages++, .rows = rows, .rows_n = n};

		for (size_t i = 0; i < n; i++) {
			rows[i] = (struct selected){
			        .device_id = ids->all[first + i],
			        .hub = request->hubs != NULL ? request->hubs[first + i] : 0,
			        .group = request->groups != NULL ? request->groups[first + i] : NULL,
			        .zone = request->zones != NULL ? request->zones[first + i] : NULL};
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
