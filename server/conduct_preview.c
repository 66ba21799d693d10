/* conductor: previews: counts a campaign's targets, asking its hubs as little as will do, and foretells the
 * rest. Stores nothing, calls nobody. See conduct.h.
 *
 *   ids, list ──▶ LOOK  are there, whose group? a page of a hundred ids each, where they are few
 *   where, all ─▶ COUNT by the hub: all (by group), those disabled, those excluded
 *                   └──every hub is done, or gives up, or the time is over──▶ told, once */
#include "server/conduct.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/hub/where.h"

#define PREVIEWS_MAX 8       /* at once */
#define PREVIEW_MAX_MS 30000 /* then it is told that the hub has not answered */
#define IDS_A_QUERY 100      /* as many as rows a page (contract 4.1) */
#define TRIES_MAX 3          /* of one hub, in all */
#define LOOKED_UP_MAX 500    /* ids, at the cost of a page each hundred */
#define EXCLUDED_ASKED_MAX 300
#define NEVER_IDS_MAX 10
#define QUERY_IDS_BYTES_MAX 7000 /* of the 8192 of a query (contract 4.2), for ids beside the condition */

/* What a hub is asked, one after the other. */
enum counting_step { COUNT_ALL, COUNT_DISABLED, COUNT_EXCLUDED, LOOK_UP, COUNTING_DONE };

/* Whom an answer is for. */
struct counting_ref {
	struct asked_preview *preview;
	uint32_t hub;
};

/* One hub's share. */
struct counting {
	struct counting_ref asked;
	enum counting_step step;
	bool is_asking;
	uint32_t tries;
	size_t from;        /* EXCLUDED, LOOK_UP: ids before were asked for */
	size_t asked_n;     /* … and so many are asked for now */
	char *continuation; /* of this step; NULL: its first page */
	uint32_t targets, disabled, excluded;
};

/* An id that was given, and what has been learnt of it. */
struct given {
	const char *id;
	bool is_found, is_excluded;
};

struct named_size {
	UT_hash_handle hh;
	uint32_t hub, size;
	char key[]; /* hub, then the name */
};

struct asked_preview {
	LIST_ENTRY(asked_preview) link;
	struct conductor *c;
	struct campaign_spec spec;
	conductor_preview_cb *on_done; /* NULL: it has been told */
	void *arg;
	int64_t until_ms;
	uint32_t out; /* answers that are still to come */
	uint8_t ports[HUBS_MAX];
	struct counting hubs[HUBS_MAX];
	uint32_t hubs_n;
	struct watch *counts, *counts_groups, *rows;
	struct strings listed; /* of a list */
	struct given *given;
	size_t given_n;
	bool has_begun, is_counting, has_list, is_looked_up;
	struct named_size *groups;
	char *disabled_ids[NEVER_IDS_MAX];
	size_t disabled_ids_n;
};

/* ---- life ---- */

static void preview_free(struct asked_preview *a)
{
	struct named_size *g, *next;

	LIST_REMOVE(a, link);
	a->c->previews_n--;
	HASH_ITER (hh, a->groups, g, next) {
		HASH_DEL(a->groups, g);
		free(g);
	}
	for (uint32_t h = 0; h < a->hubs_n; h++)
		free(a->hubs[h].continuation);
	for (size_t i = 0; i < a->listed.n; i++)
		free(a->listed.all[i]);
	for (size_t i = 0; i < a->disabled_ids_n; i++)
		free(a->disabled_ids[i]);
	watch_free(a->counts);
	watch_free(a->counts_groups);
	watch_free(a->rows);
	free(a->listed.all);
	free(a->given);
	spec_done(&a->spec);
	free(a);
}

/* Tells what came of it; what is still out keeps it alive. */
static void tell(struct asked_preview *a, enum err err, const char *detail, const char *json)
{
	conductor_preview_cb *on_done = a->on_done;

	a->on_done = NULL;
	if (on_done != NULL)
		on_done(a->arg, err, detail, json);
}

static void give_up(struct asked_preview *a, uint32_t hub, enum err err, const char *why)
{
	char detail[256];

	snprintf(detail, sizeof detail, "hub %.64s could not count the devices: %.150s",
	         a->c->ports[a->ports[hub]].name, why);
	tell(a, err, detail, NULL);
}

static bool is_used(const struct asked_preview *a)
{
	bool is_used = a->out > 0;

	for (uint32_t h = 0; h < a->hubs_n && !is_used; h++) {
		const struct track *t = a->c->ports[a->ports[h]].track;

		is_used = track_uses(t, a->counts) || track_uses(t, a->rows) ||
		          (a->counts_groups != NULL && track_uses(t, a->counts_groups));
	}
	return is_used;
}

/* ---- what has been found ---- */

static void count_group(struct asked_preview *a, uint32_t hub, const char *name, uint32_t n)
{
	size_t bytes = sizeof hub + strlen(name) + 1;
	struct named_size *new = xcalloc(1, sizeof *new + bytes), *g;

	memcpy(new->key, &hub, sizeof hub);
	memcpy(new->key + sizeof hub, name, bytes - sizeof hub);
	HASH_FIND(hh, a->groups, new->key, bytes, g);
	if (g == NULL) {
		g = new;
		g->hub = hub;
		HASH_ADD_KEYPTR(hh, a->groups, g->key, bytes, g);
	} else {
		free(new);
	}
	g->size += n;
}

static int by_id(const void *a, const void *b)
{
	const struct given *left = a, *right = b;

	return strcmp(left->id, right->id);
}

/* A device that was looked up by its id. */
static void look_at(struct asked_preview *a, uint32_t hub, const struct reading *row)
{
	struct given wanted = {.id = row->device_id},
	             *given = bsearch(&wanted, a->given, a->given_n, sizeof wanted, by_id);
	struct counting *counting = &a->hubs[hub];

	if (given == NULL)
		return;
	given->is_found = true;
	counting->targets++;
	if (a->spec.rollout.group_by != NULL)
		count_group(a, hub, row->group.text != NULL ? row->group.text : "", 1);
	if (row->is_enabled || given->is_excluded)
		return;
	counting->disabled++;
	if (a->disabled_ids_n < NEVER_IDS_MAX)
		a->disabled_ids[a->disabled_ids_n++] = xstrdup(row->device_id);
}

static void take_row(struct asked_preview *a, uint32_t hub, const struct reading *row)
{
	struct counting *counting = &a->hubs[hub];

	switch (counting->step) {
	case COUNT_ALL:
		counting->targets += row->n;
		if (a->counts_groups != NULL && row->n > 0)
			count_group(a, hub, row->group.text != NULL ? row->group.text : "", row->n);
		break;
	case COUNT_DISABLED:
		counting->disabled += row->n;
		break;
	case COUNT_EXCLUDED:
		counting->excluded += row->n;
		break;
	case LOOK_UP:
		look_at(a, hub, row);
		break;
	case COUNTING_DONE:
		break;
	}
}

/* ---- the result ---- */

static struct preview_group *groups_of(const struct asked_preview *a, size_t *ret_n)
{
	struct preview_group *groups = xcalloc(HASH_COUNT(a->groups) + 1, sizeof *groups);
	const struct named_size *g;

	*ret_n = 0;
	for (g = a->groups; g != NULL; g = g->hh.next)
		groups[(*ret_n)++] = (struct preview_group){g->hub, g->key + sizeof g->hub, g->size};
	return groups;
}

static void add_never(struct preview *p, enum reason reason, uint32_t n, const char *const *ids, size_t ids_n)
{
	if (n > 0)
		p->never[p->never_n++] = (struct preview_never){reason, n, ids, ids_n};
}

/* Of ids: those that are excluded, and those that no hub has. */
struct absent {
	uint32_t not_found, excluded;
	const char *not_found_ids[NEVER_IDS_MAX], *excluded_ids[NEVER_IDS_MAX];
	size_t not_found_ids_n, excluded_ids_n;
};

static void note(const char *id, uint32_t *n, const char **ids, size_t *ids_n)
{
	(*n)++;
	if (*ids_n < NEVER_IDS_MAX)
		ids[(*ids_n)++] = id;
}

static void find_absent(const struct asked_preview *a, struct absent *ret)
{
	*ret = (struct absent){0};
	for (size_t i = 0; i < a->given_n; i++) {
		const struct given *given = &a->given[i];

		if (given->is_excluded)
			note(given->id, &ret->excluded, ret->excluded_ids, &ret->excluded_ids_n);
		else if (a->is_looked_up && !given->is_found)
			note(given->id, &ret->not_found, ret->not_found_ids, &ret->not_found_ids_n);
	}
}

static void put_targets(struct asked_preview *a, struct absent *absent, struct preview *p)
{
	uint32_t disabled = 0, excluded = 0, found = 0, all = 0;

	find_absent(a, absent);
	for (uint32_t h = 0; h < a->hubs_n; h++) {
		p->hubs[h].targets = a->hubs[h].targets;
		disabled += a->hubs[h].disabled;
		excluded += a->hubs[h].excluded;
		all += a->hubs[h].targets;
	}
	for (size_t i = 0; i < a->given_n; i++)
		found += a->given[i].is_found;
	if (p->counted_by != COUNTED_BY_QUERY) /* who was not found stays a target, of whichever hub */
		p->hubs[0].targets += (uint32_t)a->given_n - found;
	else if (a->spec.targets.exclude.n > EXCLUDED_ASKED_MAX) /* the rest is taken to be among them */
		excluded += (uint32_t)a->spec.targets.exclude.n - EXCLUDED_ASKED_MAX;
	if (p->counted_by == COUNTED_BY_QUERY && excluded > all)
		excluded = all;
	add_never(p, REASON_NOT_FOUND, absent->not_found, absent->not_found_ids, absent->not_found_ids_n);
	add_never(p, REASON_DISABLED, disabled, (const char *const *)a->disabled_ids, a->disabled_ids_n);
	add_never(p, REASON_EXCLUDED, excluded + absent->excluded, absent->excluded_ids,
	          absent->excluded_ids_n);
}

/* How long finding the targets takes: its pages, or the twins of given ids, at each hub's pace. */
static int64_t select_ms(const struct preview *p, bool must_look)
{
	int64_t longest_ms = 0;

	for (uint32_t h = 0; h < p->forecast.hubs_n; h++) {
		const struct hub_grant *g = &p->hubs[h].grant;
		uint32_t rate = must_look ? g->reads_per_minute : g->queries_per_minute,
		         burst = must_look ? rate / 60 : rate / 2,
		         n = must_look ? p->forecast.total : (p->hubs[h].selected_rows + 99) / 100;
		int64_t ms = rate > 0 && n > burst ? (int64_t)(n - burst) * 60000 / rate : 0;

		longest_ms = ms > longest_ms ? ms : longest_ms;
	}
	return longest_ms;
}

static void put_hubs(struct asked_preview *a, struct preview *p, bool must_look)
{
	bool is_by_query = p->counted_by == COUNTED_BY_QUERY;

	p->has_baselines = a->spec.verify.by == VERIFY_PROPERTY && (is_by_query || must_look);
	for (uint32_t h = 0; h < a->hubs_n; h++) {
		uint32_t targets = p->hubs[h].targets;

		course_hub(a->c, NULL, a->ports[h], &a->spec, p->has_baselines, p, h);
		p->hubs[h].targets = targets;
		p->hubs[h].selected_rows = is_by_query ? targets : 0;
	}
}

static void render(struct asked_preview *a, struct buf *out)
{
	const struct campaign_spec *s = &a->spec;
	struct preview *p = xcalloc(1, sizeof *p);
	struct forecast *f = &p->forecast;
	bool must_look = s->targets.by != TARGETS_WHERE && s->targets.by != TARGETS_ALL &&
	                 (a->hubs_n > 1 || s->rollout.group_by != NULL);
	struct preview_group *groups;
	struct absent absent;

	p->spec = s;
	p->made_at_ms = conduct_now(a->c);
	p->start_at_ms = s->schedule.start_at_ms > p->made_at_ms ? s->schedule.start_at_ms : p->made_at_ms;
	p->counted_by = s->targets.by == TARGETS_IDS    ? COUNTED_BY_IDS
	                : s->targets.by == TARGETS_LIST ? COUNTED_BY_LIST
	                                                : COUNTED_BY_QUERY;
	p->is_looked_up = p->counted_by == COUNTED_BY_QUERY || a->is_looked_up;
	p->has_list = a->has_list;
	p->is_seen = course_times(a->c, s, f);
	f->hubs_n = a->hubs_n;
	f->end_at_ms = s->schedule.end_at_ms != TIME_NONE
	                       ? s->schedule.end_at_ms
	                       : p->start_at_ms + (int64_t)s->schedule.end_after_s * 1000;
	put_targets(a, &absent, p);
	put_hubs(a, p, must_look);
	p->groups = groups = groups_of(a, &p->groups_n);
	preview_spread(p);
	p->selected_at_ms = f->now_ms = p->start_at_ms + select_ms(p, must_look);
	forecast_run(f);
	preview_render(p, out);
	course_hubs_done(p);
	free(groups);
	free(p);
}

static void tell_if_done(struct asked_preview *a)
{
	struct buf json = BUF_INIT;

	for (uint32_t h = 0; h < a->hubs_n; h++)
		if (a->hubs[h].step != COUNTING_DONE)
			return;
	if (a->on_done == NULL)
		return;
	render(a, &json);
	tell(a, ERR_OK, "", json.data);
	buf_done(&json);
}

/* ---- asking ---- */

/* Appends "deviceId IN ['a','b']" of ids from from on; gives how many fit. */
static size_t put_ids(struct buf *out, size_t from, size_t n,
                      const char *(*id_at)(const struct asked_preview *a, size_t i),
                      const struct asked_preview *a)
{
	size_t i;

	buf_puts(out, "deviceId IN [");
	for (i = 0; from + i < n && i < IDS_A_QUERY && out->len < QUERY_IDS_BYTES_MAX; i++) {
		buf_puts(out, i > 0 ? "," : "");
		where_quote(id_at(a, from + i), out);
	}
	buf_putc(out, ']');
	return i;
}

static const char *excluded_at(const struct asked_preview *a, size_t i)
{
	return a->spec.targets.exclude.all[i];
}

static const char *given_at(const struct asked_preview *a, size_t i)
{
	return a->given[i].id;
}

static size_t excluded_n(const struct asked_preview *a)
{
	size_t n = a->spec.targets.exclude.n;

	return n < EXCLUDED_ASKED_MAX ? n : EXCLUDED_ASKED_MAX;
}

static void on_answer(void *arg, const struct hub_answer *answer);

/* Asks for the next page of what is next, if anything is. */
static void ask(struct asked_preview *a, uint32_t hub)
{
	struct counting *counting = &a->hubs[hub];
	const struct watch *watch = a->counts;
	const char *where = a->spec.targets.where;
	struct buf condition = BUF_INIT;

	if (counting->step == COUNT_EXCLUDED && counting->from >= excluded_n(a))
		counting->step = COUNTING_DONE;
	if (counting->step == LOOK_UP && counting->from >= a->given_n)
		counting->step = COUNTING_DONE;
	if (counting->step == COUNTING_DONE)
		return;
	if (where != NULL && counting->step != LOOK_UP)
		buf_printf(&condition, counting->step == COUNT_ALL ? "%s" : "(%s) AND ", where);
	switch (counting->step) {
	case COUNT_ALL:
		watch = a->counts_groups != NULL ? a->counts_groups : a->counts;
		break;
	case COUNT_DISABLED:
		buf_puts(&condition, "status = 'disabled'");
		break;
	case COUNT_EXCLUDED:
		counting->asked_n = put_ids(&condition, counting->from, excluded_n(a), excluded_at, a);
		break;
	case LOOK_UP:
		watch = a->rows;
		counting->asked_n = put_ids(&condition, counting->from, a->given_n, given_at, a);
		break;
	case COUNTING_DONE:
		break;
	}
	counting->asked = (struct counting_ref){a, hub};
	counting->is_asking = true;
	a->out++;
	track_select(a->c->ports[a->ports[hub]].track, 0, condition.len > 0 ? condition.data : NULL,
	             counting->continuation, watch, on_answer, &counting->asked);
	buf_done(&condition);
}

/* A step's last page is in. */
static void next_step(struct asked_preview *a, uint32_t hub)
{
	struct counting *counting = &a->hubs[hub];

	if (counting->step == COUNT_EXCLUDED || counting->step == LOOK_UP)
		counting->from += counting->asked_n;
	else
		counting->step++;
}

static void on_answer(void *arg, const struct hub_answer *answer)
{
	const struct counting_ref *ref = arg;
	struct asked_preview *a = ref->preview;
	struct counting *counting = &a->hubs[ref->hub];
	char why[160];

	a->out--;
	counting->is_asking = false;
	conduct_wake(a->c); /* preview_run() asks for what is next */
	if (answer->outcome == HUB_OUR_FAULT) {
		snprintf(why, sizeof why, "it refused the query: %.120s",
		         answer->error.message[0] != '\0' ? answer->error.message : answer->detail);
		give_up(a, ref->hub, ERR_INVALID, why);
	} else if (answer->outcome != HUB_ANSWERED) {
		if (++counting->tries == TRIES_MAX)
			give_up(a, ref->hub, ERR_BUSY, hub_outcome_text(answer->outcome));
	} else {
		for (size_t i = 0; i < answer->rows_n; i++)
			take_row(a, ref->hub, &answer->rows[i]);
		free(counting->continuation);
		counting->continuation = answer->continuation != NULL ? xstrdup(answer->continuation) : NULL;
		if (answer->continuation == NULL)
			next_step(a, ref->hub);
	}
}

/* ---- beginning ---- */

/* Sorts the ids, each once, and marks those that are excluded. */
static void give_ids(struct asked_preview *a, const struct strings *ids)
{
	struct id_set *excluded = id_set_new(&a->spec.targets.exclude);

	a->given = xcalloc(ids->n + 1, sizeof *a->given);
	for (size_t i = 0; i < ids->n; i++)
		a->given[i] =
		        (struct given){.id = ids->all[i], .is_excluded = id_set_has(excluded, ids->all[i])};
	a->given_n = ids->n;
	qsort(a->given, a->given_n, sizeof *a->given, by_id);
	a->is_looked_up = a->given_n <= LOOKED_UP_MAX;
	id_set_free(excluded);
}

static void begin(struct asked_preview *a)
{
	bool is_by_query = a->spec.targets.by == TARGETS_WHERE || a->spec.targets.by == TARGETS_ALL;

	for (uint32_t h = 0; h < a->hubs_n; h++)
		a->hubs[h].step = is_by_query ? COUNT_ALL : a->is_looked_up ? LOOK_UP : COUNTING_DONE;
	a->is_counting = true;
}

static void on_list(void *arg, enum err err, const char *const *ids, size_t n, uint32_t n_all, int64_t at_ms,
                    const char *by)
{
	struct asked_preview *a = arg;
	struct strings *listed = &a->listed;

	(void)at_ms;
	(void)by;
	a->out--;
	a->c->asked--;
	conduct_wake(a->c);
	if (err != ERR_OK) {
		tell(a, err, err_text(err), NULL);
		return;
	}
	a->has_list = n_all > 0;
	listed->all = xrealloc(listed->all, (listed->n + n + 1) * sizeof *listed->all);
	for (size_t i = 0; i < n; i++)
		listed->all[listed->n++] = xstrdup(ids[i]);
	if (n > 0 && listed->n < n_all) {
		a->out++;
		a->c->asked++;
		store_read_list(a->c->store, a->spec.targets.list, (uint32_t)listed->n, STORE_PAGE_MAX,
		                on_list, a);
		return;
	}
	give_ids(a, listed);
	begin(a);
}

static void watches_new(struct asked_preview *a)
{
	struct watch_options counts = {.counts = true},
	                     by_group = {.counts = true, .group_path = a->spec.rollout.group_by},
	                     rows = {.group_path = a->spec.rollout.group_by};

	if (watch_new(&counts, &a->counts) != ERR_OK || watch_new(&rows, &a->rows) != ERR_OK ||
	    (by_group.group_path != NULL && watch_new(&by_group, &a->counts_groups) != ERR_OK))
		abort(); /* conductor_check() has found the path sound */
}

static void put_ports(struct asked_preview *a)
{
	const struct strings *named = &a->spec.hubs;

	a->hubs_n = named->n > 0 ? (uint32_t)named->n : a->c->ports_n;
	for (uint32_t h = 0; h < a->hubs_n; h++)
		a->ports[h] = named->n > 0 ? (uint8_t)conduct_find_hub(a->c, named->all[h]) : (uint8_t)h;
}

void conductor_preview(struct conductor *c, struct campaign_spec *spec, conductor_preview_cb *on_done,
                       void *arg)
{
	struct asked_preview *a = xcalloc(1, sizeof *a);

	a->c = c;
	a->spec = *spec;
	*spec = (struct campaign_spec){0};
	a->on_done = on_done;
	a->arg = arg;
	a->until_ms = conduct_now(c) + PREVIEW_MAX_MS;
	a->has_list = true;
	LIST_INSERT_HEAD(&c->previews, a, link);
	c->previews_n++;
	put_ports(a);
	watches_new(a);
	conduct_wake(c); /* begins there: never told inside this call */
}

/* Learns first what there is to count. */
static void start(struct asked_preview *a)
{
	struct conductor *c = a->c;

	a->has_begun = true;
	if (c->previews_n > PREVIEWS_MAX) {
		tell(a, ERR_BUSY, "too many previews are being made", NULL);
	} else if (a->spec.targets.by == TARGETS_LIST) {
		a->out++;
		c->asked++;
		store_read_list(c->store, a->spec.targets.list, 0, STORE_PAGE_MAX, on_list, a);
	} else {
		if (a->spec.targets.by == TARGETS_IDS)
			give_ids(a, &a->spec.targets.ids);
		begin(a);
	}
}

/* Asks each hub that is open for what is next; one that is not has the time until the preview's end to open.
 */
static void count(struct asked_preview *a, int64_t now_ms)
{
	for (uint32_t h = 0; h < a->hubs_n && a->on_done != NULL; h++) {
		const struct gate *gate = &a->c->ports[a->ports[h]].gate;

		if (a->hubs[h].step == COUNTING_DONE || a->hubs[h].is_asking)
			continue;
		if (gate_is_open(gate))
			ask(a, h);
		else if (gate->reason == GATE_QUOTA || now_ms >= a->until_ms)
			give_up(a, h, ERR_BUSY, gate_reason_text(gate->reason));
	}
	tell_if_done(a);
	if (a->on_done != NULL && now_ms >= a->until_ms)
		tell(a, ERR_BUSY, "the devices could not be counted in time", NULL);
}

int64_t preview_run(struct conductor *c, int64_t now_ms)
{
	struct asked_preview *a, *next;
	int64_t wake_ms = TIME_NEVER;

	for (a = LIST_FIRST(&c->previews); a != NULL; a = next) {
		next = LIST_NEXT(a, link);
		if (!a->has_begun)
			start(a);
		if (a->is_counting && a->on_done != NULL)
			count(a, now_ms);
		if (a->on_done == NULL && !is_used(a))
			preview_free(a);
		else if (a->on_done != NULL && a->until_ms < wake_ms)
			wake_ms = a->until_ms;
	}
	return wake_ms;
}

void previews_free(struct conductor *c)
{
	while (!LIST_EMPTY(&c->previews))
		preview_free(LIST_FIRST(&c->previews));
}
