/* tests/lib: see fake_store.h */
#include "tests/lib/fake_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "tests/lib/later.h"

struct campaign {
	struct campaign_row row;
	char *spec;
};

struct target {
	struct target_row row;
	struct baseline baseline;
	char *device_id;
};

struct group {
	uint32_t campaign, no, size;
	char *name;
};

struct list {
	char *name, *by;
	char **ids;
	uint32_t n;
	int64_t at_ms;
};

struct key {
	char *key, *campaign_id;
	uint64_t body_hash;
	int64_t at_ms;
};

struct store {
	uint64_t revision;
	enum err err;
	size_t views_n, unviewed_n;
	struct campaign **campaigns; /* [0] is number 1; each stays where it is, as its row is handed out */
	struct target **targets;     /* of all campaigns, each in order */
	struct attempt_row *attempts;
	struct evidence_row *evidence;
	struct event *events;
	struct audit_row *audit;
	size_t audit_n;
	struct key *keys;
	struct group *groups;
	struct list *lists;
	struct progress_row *progress;
	struct plan_row plan; /* of one campaign; 0: none */
	size_t progress_n;
	struct schedule_row *schedules; /* the texts are ours */
	size_t schedules_n;
	size_t campaigns_n, targets_n, attempts_n, evidence_n, events_n, keys_n, groups_n, lists_n;
};

struct store *fake_store_new(void)
{
	struct store *s = xcalloc(1, sizeof *s);

	s->revision = 1;
	return s;
}

void fake_store_free(struct store *s)
{
	for (size_t i = 0; i < s->campaigns_n; i++) {
		free(s->campaigns[i]->spec);
		free(s->campaigns[i]);
	}
	for (size_t i = 0; i < s->targets_n; i++) {
		free(s->targets[i]->device_id);
		free(s->targets[i]);
	}
	for (size_t i = 0; i < s->keys_n; i++) {
		free(s->keys[i].key);
		free(s->keys[i].campaign_id);
	}
	for (size_t i = 0; i < s->groups_n; i++)
		free(s->groups[i].name);
	for (size_t i = 0; i < s->lists_n; i++) {
		for (uint32_t j = 0; j < s->lists[i].n; j++)
			free(s->lists[i].ids[j]);
		free(s->lists[i].ids);
		free(s->lists[i].name);
		free(s->lists[i].by);
	}
	while (s->schedules_n > 0)
		fake_store_drop_schedule(s, s->schedules[0].id);
	free(s->schedules);
	free(s->groups);
	free(s->progress);
	free(s->lists);
	free(s->campaigns);
	free(s->targets);
	free(s->attempts);
	free(s->evidence);
	free(s->events);
	free(s->audit);
	free(s->keys);
	free(s);
}

void fake_store_set_revision(struct store *s, uint64_t revision)
{
	s->revision = revision;
}

void fake_store_fail(struct store *s, enum err err)
{
	s->err = err;
}

size_t fake_store_views_n(const struct store *s)
{
	return s->views_n;
}

size_t fake_store_unviewed_n(const struct store *s)
{
	return s->unviewed_n;
}

size_t fake_store_campaigns_n(const struct store *s)
{
	return s->campaigns_n;
}

struct campaign_row *fake_store_add_campaign(struct store *s, const char *id, const char *spec)
{
	struct campaign *c = xcalloc(1, sizeof *c);

	s->campaigns = xrealloc(s->campaigns, (s->campaigns_n + 1) * sizeof *s->campaigns);
	s->campaigns[s->campaigns_n++] = c;
	c->spec = xstrdup(spec);
	c->row = (struct campaign_row){.no = (uint32_t)s->campaigns_n,
	                               .name = "",
	                               .spec = c->spec,
	                               .spec_revision = 1,
	                               .state = CAMPAIGN_RUNNING,
	                               .phase = CAMPAIGN_RUNNING,
	                               .state_reason = "",
	                               .created_by = "local",
	                               .created_at_ms = 1000,
	                               .started_at_ms = TIME_NONE,
	                               .finished_at_ms = TIME_NONE};
	snprintf(c->row.id, sizeof c->row.id, "%s", id);
	return &c->row;
}

void fake_store_put_spec(struct store *s, uint32_t campaign, uint32_t revision, const char *spec)
{
	struct campaign *c = s->campaigns[campaign - 1];

	free(c->spec);
	c->spec = xstrdup(spec);
	c->row.spec = c->spec;
	c->row.spec_revision = revision;
}

#define ADD(array, n, item) \
	do { \
		(array) = xrealloc(array, ((n) + 1) * sizeof *(array)); \
		(array)[(n)++] = (item); \
	} while (0)

struct target_row *fake_store_add_target(struct store *s, uint32_t campaign, const char *device_id)
{
	struct counts *counts = &s->campaigns[campaign - 1]->row.counts;
	struct target *t = xcalloc(1, sizeof *t);

	t->row = (struct target_row){.campaign = campaign,
	                             .no = counts->total,
	                             .group = GROUP_NONE,
	                             .changed_at_ms = 1000,
	                             .next_at_ms = TIME_NONE,
	                             .hold_until_ms = TIME_NONE};
	t->device_id = xstrdup(device_id);
	counts->total++;
	ADD(s->targets, s->targets_n, t);
	return &t->row;
}

void fake_store_set_baseline(struct store *s, uint32_t campaign, uint32_t no, const struct baseline *baseline)
{
	for (size_t i = 0; i < s->targets_n; i++)
		if (s->targets[i]->row.campaign == campaign && s->targets[i]->row.no == no)
			s->targets[i]->baseline = *baseline;
}

void fake_store_add_group(struct store *s, uint32_t campaign, const char *name, uint32_t size)
{
	struct group g = {campaign, 0, size, xstrdup(name)};

	for (size_t i = 0; i < s->groups_n; i++)
		g.no += s->groups[i].campaign == campaign;
	ADD(s->groups, s->groups_n, g);
}

void fake_store_add_progress(struct store *s, const struct progress_row *row)
{
	ADD(s->progress, s->progress_n, *row);
}

void fake_store_set_plan(struct store *s, const struct plan_row *row)
{
	s->plan = *row;
}

void fake_store_add_list(struct store *s, const char *name, const char *const *ids, uint32_t n, int64_t at_ms,
                         const char *by)
{
	struct list l = {xstrdup(name), xstrdup(by), xcalloc(n, sizeof *l.ids), n, at_ms};

	for (uint32_t i = 0; i < n; i++)
		l.ids[i] = xstrdup(ids[i]);
	ADD(s->lists, s->lists_n, l);
}

void fake_store_drop_list(struct store *s, const char *name)
{
	fake_store_add_list(s, name, NULL, 0, 0, "");
}

void fake_store_add_attempt(struct store *s, const struct attempt_row *row)
{
	ADD(s->attempts, s->attempts_n, *row);
}

void fake_store_add_evidence(struct store *s, const struct evidence_row *row)
{
	ADD(s->evidence, s->evidence_n, *row);
}

void fake_store_add_event(struct store *s, const struct event *event)
{
	ADD(s->events, s->events_n, *event);
}

void fake_store_add_audit(struct store *s, const struct audit_row *row)
{
	ADD(s->audit, s->audit_n, *row);
}

void fake_store_add_key(struct store *s, const struct idempotency_row *row)
{
	struct key k = {xstrdup(row->key), xstrdup(row->campaign_id), row->body_hash, row->at_ms};

	ADD(s->keys, s->keys_n, k);
}

/* ---- reads: what was asked is kept until later_run() ---- */

struct ask {
	struct store *store;
	struct campaign_filter campaigns;
	struct target_filter targets;
	char *id;   /* campaign, device or key */
	char *name; /* campaign or group */
	uint32_t campaign, from, limit;
	uint64_t after;
	int64_t since_ms;
	int hub;
	store_campaigns_cb *on_campaigns;
	store_targets_cb *on_targets;
	store_target_cb *on_target;
	store_events_cb *on_events;
	store_audit_cb *on_audit;
	store_idempotency_cb *on_key;
	store_groups_cb *on_groups;
	store_list_cb *on_list;
	store_history_cb *on_history;
	store_schedules_cb *on_schedules;
	store_progress_cb *on_progress;
	store_plan_cb *on_plan;
	void *arg;
};

static struct ask *ask_new(struct store *s, const char *id, void *arg)
{
	struct ask *a = xcalloc(1, sizeof *a);

	a->store = s;
	a->id = id != NULL ? xstrdup(id) : NULL;
	a->arg = arg;
	return a;
}

static void ask_free(struct ask *a)
{
	free(a->id);
	free(a->name);
	free(a);
}

/* Whether the read is to fail: then n is 0 for all of them. */
static size_t unless_failing(const struct store *s, size_t n)
{
	return s->err == ERR_OK ? n : 0;
}

static bool campaign_matches(const struct ask *a, const struct campaign_row *row)
{
	if (a->id != NULL)
		return strcmp(a->id, row->id) == 0;
	return (a->campaigns.state < 0 || a->campaigns.state == (int)row->state) &&
	       (a->name == NULL || strcmp(a->name, row->name) == 0) &&
	       (a->campaigns.schedule_id == NULL ||
	        strcmp(a->campaigns.schedule_id, row->schedule_id) == 0) &&
	       (a->campaigns.before_no == 0 || row->no < a->campaigns.before_no) &&
	       (a->campaigns.since_ms == 0 || !campaign_state_is_final(row->state) ||
	        row->finished_at_ms >= a->campaigns.since_ms) &&
	       (a->campaigns.ended_before_ms == 0 ||
	        (campaign_state_is_final(row->state) && row->finished_at_ms < a->campaigns.ended_before_ms));
}

static void answer_campaigns(void *arg)
{
	struct ask *a = arg;
	const struct store *s = a->store;
	struct campaign_row *rows = xcalloc(STORE_PAGE_MAX + 1, sizeof *rows);
	size_t n = 0, limit = a->campaigns.limit;

	for (size_t i = s->campaigns_n; i-- > 0 && n <= limit;)
		if (campaign_matches(a, &s->campaigns[i]->row))
			rows[n++] = s->campaigns[i]->row;
	a->on_campaigns(a->arg, s->err, s->revision, rows, unless_failing(s, n > limit ? limit : n),
	                n > limit);
	free(rows);
	ask_free(a);
}

void store_stats(const struct store *s, struct store_stats *ret)
{
	*ret = (struct store_stats){.commits = s->revision};
}

void store_read_campaigns(struct store *s, const struct campaign_filter *f, store_campaigns_cb *cb, void *arg)
{
	struct ask *a = ask_new(s, NULL, arg);

	a->campaigns = *f;
	a->name = f->name != NULL ? xstrdup(f->name) : NULL;
	a->campaigns.schedule_id = f->schedule_id; /* the request outlives the answer */
	a->on_campaigns = cb;
	later(answer_campaigns, a);
}

void store_read_campaign(struct store *s, const char *id, store_campaigns_cb *cb, void *arg)
{
	struct ask *a = ask_new(s, id, arg);

	a->campaigns.limit = 1;
	a->on_campaigns = cb;
	later(answer_campaigns, a);
}

/* NULL: it has none. */
static const char *group_of(const struct store *s, const struct target_row *row)
{
	for (size_t i = 0; i < s->groups_n; i++)
		if (s->groups[i].campaign == row->campaign && s->groups[i].no == row->group)
			return s->groups[i].name;
	return NULL;
}

static struct target_view view_of(const struct store *s, const struct target *t)
{
	return (struct target_view){.row = t->row,
	                            .device_id = t->device_id,
	                            .group = group_of(s, &t->row),
	                            .baseline = t->baseline};
}

static bool is_in_group(const struct ask *a, const struct target *t)
{
	const char *group = group_of(a->store, &t->row);

	return a->name == NULL || (group != NULL && strcmp(a->name, group) == 0);
}

static bool target_matches(const struct ask *a, const struct target *t)
{
	const struct target_filter *f = &a->targets;

	return t->row.campaign == f->campaign && t->row.no >= f->from_no &&
	       (f->state < 0 || f->state == t->row.state) && (f->reason < 0 || f->reason == t->row.reason) &&
	       (f->wait < 0 || t->row.state != TARGET_WAITING || f->wait == t->row.wait) &&
	       (f->hub < 0 || f->hub == t->row.hub) && (a->id == NULL || strcmp(a->id, t->device_id) == 0) &&
	       is_in_group(a, t);
}

static void answer_targets(void *arg)
{
	struct ask *a = arg;
	const struct store *s = a->store;
	struct target_view *rows = xcalloc(STORE_PAGE_MAX + 1, sizeof *rows);
	size_t n = 0, limit = a->targets.limit;

	for (size_t i = 0; i < s->targets_n && n <= limit; i++)
		if (target_matches(a, s->targets[i]))
			rows[n++] = view_of(s, s->targets[i]);
	a->on_targets(a->arg, s->err, s->revision, rows, unless_failing(s, n > limit ? limit : n), n > limit,
	              &s->campaigns[a->targets.campaign - 1]->row);
	free(rows);
	ask_free(a);
}

void store_read_targets(struct store *s, const struct target_filter *f, store_targets_cb *cb, void *arg)
{
	struct ask *a = ask_new(s, f->device_id, arg);

	a->targets = *f;
	s->unviewed_n += f->view == NULL;
	a->name = f->group != NULL ? xstrdup(f->group) : NULL;
	a->on_targets = cb;
	later(answer_targets, a);
}

static void answer_target(void *arg)
{
	struct ask *a = arg;
	const struct store *s = a->store;
	struct target_view view = {0};
	size_t n = 0;

	for (size_t i = 0; i < s->targets_n; i++) {
		const struct target *t = s->targets[i];

		if (t->row.campaign != a->campaign || strcmp(t->device_id, a->id) != 0 ||
		    (a->hub >= 0 && a->hub != t->row.hub))
			continue;
		view = view_of(s, t);
		n++;
	}
	if (n > 1)
		a->on_target(a->arg, ERR_CONFLICT, s->revision, NULL, NULL, 0, NULL, 0, NULL);
	else
		a->on_target(a->arg, s->err, s->revision, n == 1 ? &view : NULL, s->attempts, s->attempts_n,
		             s->evidence, s->evidence_n, &s->campaigns[a->campaign - 1]->row);
	ask_free(a);
}

void store_read_target(struct store *s, uint32_t campaign, const char *device_id, int hub,
                       store_target_cb *cb, void *arg)
{
	struct ask *a = ask_new(s, device_id, arg);

	a->campaign = campaign;
	a->hub = hub;
	a->on_target = cb;
	later(answer_target, a);
}

struct store_view {
	struct store *store;
	store_view_cb *cb;
	void *arg;
};

static void answer_view(void *arg)
{
	struct store_view *view = arg;
	enum err err = view->store->err;

	view->cb(view->arg, err, err == ERR_OK ? view : NULL);
	if (err != ERR_OK)
		store_view_close(view->store, view);
}

void store_view_open(struct store *s, store_view_cb *cb, void *arg)
{
	struct store_view *view = xmalloc(sizeof *view);

	*view = (struct store_view){s, cb, arg};
	s->views_n++;
	later(answer_view, view);
}

void store_view_close(struct store *s, struct store_view *view)
{
	s->views_n--;
	free(view);
}

static void answer_events(void *arg)
{
	struct ask *a = arg;
	const struct store *s = a->store;
	struct event *rows = xcalloc(STORE_PAGE_MAX + 1, sizeof *rows);
	const char **ids = xcalloc(STORE_PAGE_MAX + 1, sizeof *ids);
	size_t n = 0, limit = a->targets.limit;

	for (size_t i = 0; i < s->events_n && n <= limit; i++) {
		const struct event *e = &s->events[i];

		if (e->id <= a->after || (a->campaign != 0 && e->campaign != a->campaign))
			continue;
		ids[n] = e->campaign > 0 ? s->campaigns[e->campaign - 1]->row.id : "";
		rows[n++] = *e;
	}
	a->on_events(a->arg, s->err, s->revision, rows, ids, unless_failing(s, n > limit ? limit : n),
	             n > limit, s->events_n > 0 ? s->events[0].id : 1,
	             s->events_n > 0 ? s->events[s->events_n - 1].id : 0);
	free(rows);
	free(ids);
	ask_free(a);
}

void store_read_events(struct store *s, uint32_t campaign, uint64_t after, uint32_t limit,
                       store_events_cb *cb, void *arg)
{
	struct ask *a = ask_new(s, NULL, arg);

	a->campaign = campaign;
	a->after = after;
	a->targets.limit = limit;
	a->on_events = cb;
	later(answer_events, a);
}

static void answer_audit(void *arg)
{
	struct ask *a = arg;
	const struct store *s = a->store;
	struct audit_row *rows = xcalloc(s->audit_n + 1, sizeof *rows);
	size_t n = 0;

	for (size_t i = s->audit_n; i > 0 && n <= a->targets.limit; i--)
		if (a->after == 0 || s->audit[i - 1].no < a->after)
			rows[n++] = s->audit[i - 1];
	a->on_audit(a->arg, s->err, s->revision, rows,
	            unless_failing(s, n > a->targets.limit ? a->targets.limit : n), n > a->targets.limit);
	free(rows);
	ask_free(a);
}

void store_read_audit(struct store *s, uint64_t before_no, uint32_t limit, store_audit_cb *cb, void *arg)
{
	struct ask *a = ask_new(s, NULL, arg);

	a->after = before_no;
	a->targets.limit = limit;
	a->on_audit = cb;
	later(answer_audit, a);
}

static void answer_key(void *arg)
{
	struct ask *a = arg;
	const struct store *s = a->store;
	struct idempotency_row row, *found = NULL;

	for (size_t i = 0; i < s->keys_n; i++) {
		if (strcmp(s->keys[i].key, a->id) != 0 || s->keys[i].at_ms < a->since_ms)
			continue;
		row = (struct idempotency_row){s->keys[i].key, s->keys[i].body_hash, s->keys[i].at_ms,
		                               s->keys[i].campaign_id};
		found = &row;
	}
	a->on_key(a->arg, s->err, s->err == ERR_OK ? found : NULL);
	ask_free(a);
}

void store_read_idempotency(struct store *s, const char *key, int64_t kept_since_ms, store_idempotency_cb *cb,
                            void *arg)
{
	struct ask *a = ask_new(s, key, arg);

	a->since_ms = kept_since_ms;
	a->on_key = cb;
	later(answer_key, a);
}

static struct group_view count_group(const struct store *s, const struct group *g)
{
	struct group_view view = {.group = g->no, .name = g->name, .size = g->size};

	for (size_t i = 0; i < s->targets_n; i++)
		if (s->targets[i]->row.campaign == g->campaign && s->targets[i]->row.group == g->no)
			view.state[s->targets[i]->row.state]++;
	return view;
}

static void answer_groups(void *arg)
{
	struct ask *a = arg;
	const struct store *s = a->store;
	struct group_view *rows = xcalloc(STORE_PAGE_MAX + 1, sizeof *rows);
	size_t n = 0, limit = a->limit;

	for (size_t i = 0; i < s->groups_n && n <= limit; i++)
		if (s->groups[i].campaign == a->campaign && s->groups[i].no >= a->from)
			rows[n++] = count_group(s, &s->groups[i]);
	a->on_groups(a->arg, s->err, s->revision, rows, unless_failing(s, n > limit ? limit : n), n > limit,
	             &s->campaigns[a->campaign - 1]->row);
	free(rows);
	ask_free(a);
}

void store_read_groups(struct store *s, uint32_t campaign, uint32_t from_group, uint32_t limit,
                       store_groups_cb *cb, void *arg)
{
	struct ask *a = ask_new(s, NULL, arg);

	a->campaign = campaign;
	a->from = from_group;
	a->limit = limit;
	a->on_groups = cb;
	later(answer_groups, a);
}

void fake_store_drop_schedule(struct store *s, const char *id)
{
	for (size_t i = 0; i < s->schedules_n; i++) {
		struct schedule_row *row = &s->schedules[i];

		if (strcmp(row->id, id) != 0)
			continue;
		free((char *)(uintptr_t)row->name);
		free((char *)(uintptr_t)row->spec);
		free((char *)(uintptr_t)row->created_by);
		*row = s->schedules[--s->schedules_n];
		return;
	}
}

void fake_store_put_schedule(struct store *s, const struct schedule_row *row)
{
	struct schedule_row copy = *row;

	copy.name = xstrdup(row->name);
	copy.spec = xstrdup(row->spec);
	copy.created_by = xstrdup(row->created_by);
	fake_store_drop_schedule(s, row->id);
	s->schedules = xrealloc(s->schedules, (s->schedules_n + 1) * sizeof *s->schedules);
	s->schedules[s->schedules_n++] = copy;
}

static void answer_schedules(void *arg)
{
	struct ask *a = arg;
	const struct store *s = a->store;
	const struct schedule_row *found = s->schedules;
	size_t n = s->schedules_n;

	for (size_t i = 0; a->id != NULL && i < s->schedules_n; i++)
		if (strcmp(s->schedules[i].id, a->id) == 0)
			found = &s->schedules[i];
	if (a->id != NULL)
		n = n > 0 && strcmp(found->id, a->id) == 0;
	a->on_schedules(a->arg, s->err, s->revision, found, unless_failing(s, n), false);
	ask_free(a);
}

void store_read_schedules(struct store *s, const struct schedule_filter *f, store_schedules_cb *cb, void *arg)
{
	struct ask *a = ask_new(s, f->id, arg);

	a->on_schedules = cb;
	later(answer_schedules, a);
}

static void answer_list(void *arg)
{
	struct ask *a = arg;
	const struct store *s = a->store;
	const struct list none = {.n = 0}, *l = &none;
	uint32_t n = 0;

	for (size_t i = 0; i < s->lists_n; i++)
		if (strcmp(s->lists[i].name, a->id) == 0)
			l = &s->lists[i];
	if (a->from < l->n)
		n = l->n - a->from < a->limit ? l->n - a->from : a->limit;
	a->on_list(a->arg, s->err, n > 0 ? (const char *const *)l->ids + a->from : NULL, unless_failing(s, n),
	           l->n, l->at_ms, l->by);
	ask_free(a);
}

void store_read_list(struct store *s, const char *name, uint32_t from, uint32_t limit, store_list_cb *cb,
                     void *arg)
{
	struct ask *a = ask_new(s, name, arg);

	a->from = from;
	a->limit = limit;
	a->on_list = cb;
	later(answer_list, a);
}

static bool was_in(const struct ask *a, const struct target *t, uint32_t campaign)
{
	return t->row.campaign == campaign && strcmp(t->device_id, a->id) == 0;
}

static void answer_history(void *arg)
{
	struct ask *a = arg;
	const struct store *s = a->store;
	struct target_view *rows = xcalloc(STORE_PAGE_MAX + HUBS_MAX, sizeof *rows);
	const char **ids = xcalloc(STORE_PAGE_MAX + HUBS_MAX, sizeof *ids);
	uint32_t last = a->campaign > 0 ? a->campaign - 1 : (uint32_t)s->campaigns_n;
	bool has_more = false;
	size_t n = 0;

	for (uint32_t campaign = last; campaign > 0; campaign--) {
		bool is_full = n >= a->limit;

		for (size_t i = 0; i < s->targets_n; i++) {
			if (!was_in(a, s->targets[i], campaign))
				continue;
			has_more |= is_full;
			if (is_full)
				continue;
			ids[n] = s->campaigns[campaign - 1]->row.id;
			rows[n++] = view_of(s, s->targets[i]);
		}
	}
	a->on_history(a->arg, s->err, s->revision, rows, ids, unless_failing(s, n), has_more);
	free(rows);
	free(ids);
	ask_free(a);
}

void store_read_history(struct store *s, const char *device_id, uint32_t before_campaign, uint32_t limit,
                        store_history_cb *cb, void *arg)
{
	struct ask *a = ask_new(s, device_id, arg);

	a->campaign = before_campaign;
	a->limit = limit;
	a->on_history = cb;
	later(answer_history, a);
}

static const struct campaign_row *find_row(const struct store *s, const char *id)
{
	for (size_t i = 0; i < s->campaigns_n && s->err == ERR_OK; i++)
		if (strcmp(s->campaigns[i]->row.id, id) == 0)
			return &s->campaigns[i]->row;
	return NULL;
}

static void answer_progress(void *arg)
{
	struct ask *a = arg;
	const struct store *s = a->store;
	const struct campaign_row *campaign = find_row(s, a->id);
	struct progress_row *rows = xcalloc(s->progress_n + 1, sizeof *rows);
	uint32_t *begins = xcalloc(s->progress_n + 1, sizeof *begins);
	size_t n = 0;

	for (size_t i = 0; i < s->progress_n && campaign != NULL; i++)
		if (s->progress[i].campaign == campaign->no) {
			begins[n] = s->progress[i].slot_s;
			rows[n++] = s->progress[i];
		}
	a->on_progress(a->arg, s->err, s->revision, rows, n, progress_slot_s(begins, n), campaign);
	free(begins);
	free(rows);
	ask_free(a);
}

uint32_t progress_slot_s(const uint32_t *begins_s, size_t n)
{
	return n > 1 ? begins_s[1] - begins_s[0] : 1;
}

void store_read_progress(struct store *s, const char *campaign_id, store_progress_cb *cb, void *arg)
{
	struct ask *a = ask_new(s, campaign_id, arg);

	a->on_progress = cb;
	later(answer_progress, a);
}

static void answer_plan(void *arg)
{
	struct ask *a = arg;
	const struct store *s = a->store;
	const struct campaign_row *campaign = find_row(s, a->id);
	bool has_plan = campaign != NULL && s->plan.campaign == campaign->no;

	a->on_plan(a->arg, s->err, s->revision, has_plan ? &s->plan : NULL, campaign);
	ask_free(a);
}

void store_read_plan(struct store *s, const char *campaign_id, store_plan_cb *cb, void *arg)
{
	struct ask *a = ask_new(s, campaign_id, arg);

	a->on_plan = cb;
	later(answer_plan, a);
}
