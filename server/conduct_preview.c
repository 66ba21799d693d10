/* conductor: previews: counts a campaign's targets, asking its hubs as little as will do, and foretells the
 * rest. Stores nothing, calls nobody. See conduct.h.
 *
 *   ids, list ──▶ LOOK  are there, whose group? a page of a hundred ids each, where they are few
 *   where, all ─▶ COUNT by the hub: all (by group, by zone), those disabled, those excluded
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
enum counting_step { COUNT_ALL, COUNT_ZONES, COUNT_DISABLED, COUNT_EXCLUDED, LOOK_UP, COUNTING_DONE };

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

/* An id that is looked up, and what has been learnt of it. */
struct given {
	char *id;
	bool is_found, is_excluded;
};

/* Targets that will not be called, and the ids of some of them. */
struct never {
	uint32_t n;
	char *ids[NEVER_IDS_MAX];
	size_t ids_n;
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
	struct watch *counts, *counts_groups, *counts_zones, *rows;
	struct windows *windows;   /* NULL: at any time */
	const struct zone **zones; /* the first: the campaign's, or of devices without one */
	uint32_t *zone_sizes, zones_n, zoneless_n;
	char *zoneless; /* a tag that is no zone; NULL: none seen */
	struct id_set *excluded;
	uint32_t ids_n;      /* that were given, or are in the list */
	struct given *given; /* of them, those that are looked up: all or none */
	size_t given_n;
	uint32_t listed_n; /* of a list: read so far */
	bool has_begun, is_counting, has_list, is_looked_up;
	struct named_size *groups;
	struct never not_found, disabled, left_out;
};

/* ---- life ---- */

static void never_add(struct never *never, const char *id)
{
	if (never->n++ < NEVER_IDS_MAX)
		never->ids[never->ids_n++] = xstrdup(id);
}

static void never_done(struct never *never)
{
	for (size_t i = 0; i < never->ids_n; i++)
		free(never->ids[i]);
}

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
	for (size_t i = 0; i < a->given_n; i++)
		free(a->given[i].id);
	never_done(&a->not_found);
	never_done(&a->disabled);
	never_done(&a->left_out);
	id_set_free(a->excluded);
	watch_free(a->counts);
	watch_free(a->counts_groups);
	watch_free(a->counts_zones);
	windows_free(a->windows);
	free(a->zones);
	free(a->zone_sizes);
	free(a->zoneless);
	watch_free(a->rows);
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
		          (a->counts_groups != NULL && track_uses(t, a->counts_groups)) ||
		          (a->counts_zones != NULL && track_uses(t, a->counts_zones));
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

/* n devices have that tag (NULL: none) as their time zone. */
static void count_zone(struct asked_preview *a, const char *name, uint32_t n)
{
	const struct zone *zone = name != NULL ? zones_get(a->c->zones, name) : NULL;
	uint32_t i = 0;

	if (zone == NULL) {
		a->zoneless_n += n;
		if (name != NULL && a->zoneless == NULL)
			a->zoneless = xstrdup(name);
	}
	while (zone != NULL && i < a->zones_n && a->zones[i] != zone)
		i++;
	if (i == a->zones_n) {
		a->zones = xrealloc(a->zones, (a->zones_n + 1) * sizeof *a->zones);
		a->zone_sizes = xrealloc(a->zone_sizes, (a->zones_n + 1) * sizeof *a->zone_sizes);
		a->zones[a->zones_n] = zone;
		a->zone_sizes[a->zones_n++] = 0;
	}
	a->zone_sizes[i] += n;
}

static int by_id(const void *a, const void *b)
{
	const struct given *left = a, *right = b;

	return strcmp(left->id, right->id);
}

/* A device that was looked up by its id. */
static void look_at(struct asked_preview *a, uint32_t hub, const struct reading *row)
{
	struct given wanted = {.id = (char *)(uintptr_t)row->device_id},
	             *given = bsearch(&wanted, a->given, a->given_n, sizeof wanted, by_id);
	struct counting *counting = &a->hubs[hub];

	if (given == NULL)
		return;
	given->is_found = true;
	counting->targets++;
	if (a->spec.rollout.group_by != NULL)
		count_group(a, hub, row->group.text != NULL ? row->group.text : "", 1);
	if (a->counts_zones != NULL)
		count_zone(a, row->zone.text, 1);
	if (!row->is_enabled && !given->is_excluded)
		never_add(&a->disabled, row->device_id);
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
	case COUNT_ZONES:
		count_zone(a, row->group.text, row->n);
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

static void put_never(struct preview *p, enum reason reason, const struct never *never)
{
	if (never->n > 0)
		p->never[p->never_n++] = (struct preview_never){
		        reason, never->n, (const char *const *)never->ids, never->ids_n};
}

/* Of ids, those that no hub has stay targets all the same, of whichever hub. */
static void put_given(struct asked_preview *a, struct preview *p)
{
	uint32_t found = 0;

	for (size_t i = 0; i < a->given_n; i++) {
		found += a->given[i].is_found;
		if (!a->given[i].is_found && !a->given[i].is_excluded)
			never_add(&a->not_found, a->given[i].id);
	}
	p->hubs[0].targets += a->ids_n - found;
}

/* Of those excluded that were not asked for, all are taken to be among the targets. */
static void put_counted(struct asked_preview *a, uint32_t all)
{
	for (uint32_t h = 0; h < a->hubs_n; h++) {
		a->disabled.n += a->hubs[h].disabled;
		a->left_out.n += a->hubs[h].excluded;
	}
	if (a->spec.targets.exclude.n > EXCLUDED_ASKED_MAX)
		a->left_out.n += (uint32_t)a->spec.targets.exclude.n - EXCLUDED_ASKED_MAX;
	if (a->left_out.n > all - (a->disabled.n < all ? a->disabled.n : all))
		a->left_out.n = all - (a->disabled.n < all ? a->disabled.n : all);
}

static void put_targets(struct asked_preview *a, struct preview *p)
{
	uint32_t all = 0;

	for (uint32_t h = 0; h < a->hubs_n; h++) {
		p->hubs[h].targets = a->hubs[h].targets;
		all += a->hubs[h].targets;
	}
	if (p->counted_by == COUNTED_BY_QUERY)
		put_counted(a, all);
	else
		put_given(a, p);
	put_never(p, REASON_NOT_FOUND, &a->not_found);
	put_never(p, REASON_DISABLED, &a->disabled);
	put_never(p, REASON_EXCLUDED, &a->left_out);
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

/* Of which of the devices the zone is not known, it is taken to be the first. */
static void put_calendar(struct asked_preview *a, struct calendar *cal, struct preview *p)
{
	uint32_t known = 0;

	if (a->windows == NULL)
		return;
	for (uint32_t z = 0; z < a->zones_n; z++)
		known += a->zone_sizes[z];
	for (uint32_t h = 0; h < a->hubs_n; h++)
		a->zone_sizes[0] += p->hubs[h].targets;
	a->zone_sizes[0] -= known < a->zone_sizes[0] ? known : a->zone_sizes[0];
	calendar_init(cal, a->c, &a->spec, a->windows, a->zones);
	p->forecast.calendar = calendar_after;
	p->forecast.calendar_arg = cal;
	p->forecast.zones_n = a->zones_n;
	p->zone_sizes = a->zone_sizes;
	p->zoneless_n = a->zoneless_n;
	p->zoneless = a->zoneless;
	p->windows_n = calendar_windows(cal, 0, p->start_at_ms, p->windows, PREVIEW_SPANS_MAX);
}

static void render(struct asked_preview *a, struct buf *out)
{
	struct calendar cal;
	const struct campaign_spec *s = &a->spec;
	struct preview *p = xcalloc(1, sizeof *p);
	struct forecast *f = &p->forecast;
	bool must_look = s->targets.by != TARGETS_WHERE && s->targets.by != TARGETS_ALL &&
	                 (a->hubs_n > 1 || s->rollout.group_by != NULL || s->schedule.is_device_zone);
	struct preview_group *groups;

	p->spec = s;
	p->made_at_ms = conduct_wall(a->c);
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
	put_targets(a, p);
	put_hubs(a, p, must_look);
	put_calendar(a, &cal, p);
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

/* Appends "deviceId IN ['a','b']" of ids from from on; gives how many fit (0: none). */
static size_t put_ids(struct buf *out, size_t from, size_t n,
                      const char *(*id_at)(const struct asked_preview *a, size_t i),
                      const struct asked_preview *a)
{
	size_t i;

	if (out->len >= QUERY_IDS_BYTES_MAX)
		return 0;
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

/* Appends what a step asks for; false: there is nothing (more) to ask. What does not fit into a query beside
 * a long condition is not asked for. */
static bool put_condition(struct asked_preview *a, struct counting *counting, struct buf *out)
{
	const char *where = a->spec.targets.where;

	if (where != NULL && counting->step != LOOK_UP)
		buf_printf(out,
		           counting->step == COUNT_ALL || counting->step == COUNT_ZONES ? "%s" : "(%s) AND ",
		           where);
	switch (counting->step) {
	case COUNT_ALL:
		return true;
	case COUNT_ZONES:
		return a->counts_zones != NULL;
	case COUNT_DISABLED:
		buf_puts(out, "status = 'disabled'");
		return true;
	case COUNT_EXCLUDED:
		counting->asked_n = counting->from < excluded_n(a)
		                            ? put_ids(out, counting->from, excluded_n(a), excluded_at, a)
		                            : 0;
		return counting->asked_n > 0;
	case LOOK_UP:
		counting->asked_n = counting->from < a->given_n
		                            ? put_ids(out, counting->from, a->given_n, given_at, a)
		                            : 0;
		return counting->asked_n > 0;
	case COUNTING_DONE:
		break;
	}
	return false;
}

/* Asks for the next page of what is next, if anything is. */
static void ask(struct asked_preview *a, uint32_t hub)
{
	struct counting *counting = &a->hubs[hub];
	const struct watch *watch;
	struct buf condition = BUF_INIT;

	if (counting->step == COUNT_ZONES && a->counts_zones == NULL)
		counting->step++;
	watch = counting->step == LOOK_UP                                 ? a->rows
	        : counting->step == COUNT_ZONES                           ? a->counts_zones
	        : counting->step == COUNT_ALL && a->counts_groups != NULL ? a->counts_groups
	                                                                  : a->counts;
	if (put_condition(a, counting, &condition)) {
		counting->asked = (struct counting_ref){a, hub};
		counting->is_asking = true;
		a->out++;
		track_select(a->c->ports[a->ports[hub]].track, 0, condition.len > 0 ? condition.data : NULL,
		             counting->continuation, watch, on_answer, &counting->asked);
	} else {
		counting->step = COUNTING_DONE;
	}
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

/* Takes some of the ids that there are in all; where these are few, to be looked up. */
static void take_ids(struct asked_preview *a, const char *const *ids, size_t n)
{
	if (a->is_looked_up)
		a->given = xrealloc(a->given, (a->given_n + n + 1) * sizeof *a->given);
	for (size_t i = 0; i < n; i++) {
		bool is_excluded = id_set_has(a->excluded, ids[i]);

		if (is_excluded)
			never_add(&a->left_out, ids[i]);
		if (a->is_looked_up)
			a->given[a->given_n++] =
			        (struct given){.id = xstrdup(ids[i]), .is_excluded = is_excluded};
	}
}

static void begin(struct asked_preview *a)
{
	bool is_by_query = a->spec.targets.by == TARGETS_WHERE || a->spec.targets.by == TARGETS_ALL;

	if (a->given_n > 0)
		qsort(a->given, a->given_n, sizeof *a->given, by_id);
	for (uint32_t h = 0; h < a->hubs_n; h++)
		a->hubs[h].step = is_by_query ? COUNT_ALL : a->is_looked_up ? LOOK_UP : COUNTING_DONE;
	a->is_counting = true;
}

static void on_list(void *arg, enum err err, const char *const *ids, size_t n, uint32_t n_all, int64_t at_ms,
                    const char *by);

static void read_list(struct asked_preview *a)
{
	a->out++;
	a->c->asked++;
	store_read_list(a->c->store, a->spec.targets.list, a->listed_n, STORE_PAGE_MAX, on_list, a);
}

/* A page of the list. The others are of interest only where they may be looked up, or excluded. */
static void on_list(void *arg, enum err err, const char *const *ids, size_t n, uint32_t n_all, int64_t at_ms,
                    const char *by)
{
	struct asked_preview *a = arg;

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
	a->ids_n = n_all;
	a->is_looked_up = n_all <= LOOKED_UP_MAX;
	a->listed_n += (uint32_t)n;
	take_ids(a, ids, n);
	if (n > 0 && a->listed_n < n_all && a->spec.targets.exclude.n > 0 && a->on_done != NULL)
		read_list(a);
	else
		begin(a);
}

/* conductor_check() has found the paths sound. */
static struct watch *new_watch(const struct watch_options *options)
{
	struct watch *w;

	if (watch_new(options, &w) != ERR_OK)
		abort();
	return w;
}

static void watches_new(struct asked_preview *a)
{
	const char *group = a->spec.rollout.group_by,
	           *zone = a->windows != NULL ? a->spec.schedule.zone_tag : NULL;

	a->counts = new_watch(&(struct watch_options){.counts = true});
	if (group != NULL)
		a->counts_groups = new_watch(&(struct watch_options){.counts = true, .group_path = group});
	if (zone != NULL)
		a->counts_zones = new_watch(&(struct watch_options){.counts = true, .group_path = zone});
	a->rows = new_watch(&(struct watch_options){.group_path = group, .zone_path = zone});
}

/* The first zone is the campaign's own, or stands in for those of devices. */
static void zones_new_of(struct asked_preview *a)
{
	a->windows = conduct_windows_read(&a->spec);
	if (a->windows == NULL)
		return;
	a->zones = xcalloc(1, sizeof *a->zones);
	a->zone_sizes = xcalloc(1, sizeof *a->zone_sizes);
	a->zones[0] = zones_get(a->c->zones, a->spec.schedule.time_zone);
	a->zones_n = 1;
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
	a->excluded = id_set_new(&a->spec.targets.exclude);
	LIST_INSERT_HEAD(&c->previews, a, link);
	c->previews_n++;
	put_ports(a);
	zones_new_of(a);
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
		read_list(a);
	} else {
		a->ids_n = (uint32_t)a->spec.targets.ids.n;
		a->is_looked_up = a->ids_n <= LOOKED_UP_MAX;
		take_ids(a, (const char *const *)a->spec.targets.ids.all, a->spec.targets.ids.n);
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
		else if (a->on_done != NULL && a->is_counting && a->until_ms < wake_ms)
			wake_ms = a->until_ms; /* who waits for the record is woken by it */
	}
	return wake_ms;
}

void previews_free(struct conductor *c)
{
	while (!LIST_EMPTY(&c->previews))
		preview_free(LIST_FIRST(&c->previews));
}
