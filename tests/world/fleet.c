/* world: devices as the hub knows them: registration, link, twin, and the index that is behind the twins.
 *
 * A change with a lag leaves the index's old view in device.indexed (made from the live one at the first such
 * change) and puts a snapshot of the new one on the agenda. Once all have landed the index is the live view
 * again. A deletion is a change whose lag is ghost_ms: until it lands, the device is a ghost. */
#include "tests/world/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/hash.h"

enum {
	TAGS_BYTES_MAX = 8192,
	SECTION_BYTES_MAX = 32768,
	CONNECTION_LAG_MS = 300000,
};

/* --- Finding --- */

struct device *fleet_at(const struct world *w, uint32_t no)
{
	return &w->fleet.chunks[no / CHUNK_DEVICES][no % CHUNK_DEVICES];
}

struct device *fleet_find(const struct world *w, const char *id)
{
	struct device *d;

	HASH_FIND_STR(w->fleet.by_id, id, d);
	return d;
}

struct device *fleet_get(const struct world *w, const char *id)
{
	struct device *d = fleet_find(w, id);

	return d != NULL && d->live.exists ? d : NULL;
}

const struct view *fleet_indexed(const struct device *d)
{
	return d->indexed != NULL ? &d->indexed->view : &d->live;
}

/* --- The index --- */

struct index_change {
	struct event event;
	struct device *device;
	struct view view;
	uint64_t seq;
};

static void view_done(struct world *w, struct view *v)
{
	doc_free(w->docs, v->tags);
	doc_free(w->docs, v->desired);
	doc_free(w->docs, v->reported);
	v->tags = v->desired = v->reported = NULL;
}

static struct view view_copy(struct world *w, const struct view *v)
{
	struct view copy = *v;

	copy.tags = doc_clone(w->docs, v->tags);
	copy.desired = doc_clone(w->docs, v->desired);
	copy.reported = doc_clone(w->docs, v->reported);
	return copy;
}

static void drop_change(struct world *w, struct event *e)
{
	struct index_change *c = CONTAINER(e, struct index_change, event);

	view_done(w, &c->view);
	free(c);
}

static void on_change_lands(struct world *w, struct event *e)
{
	struct index_change *c = CONTAINER(e, struct index_change, event);
	struct index_view *indexed = c->device->indexed;

	if (c->seq > indexed->seq) {
		struct view old = indexed->view;

		indexed->view = c->view;
		indexed->seq = c->seq;
		c->view = old;
	}
	if (--indexed->pending == 0) {
		view_done(w, &indexed->view);
		free(indexed);
		c->device->indexed = NULL;
	}
	drop_change(w, e);
}

static const struct event_kind change_lands = {on_change_lands, drop_change};

/* Every change of a view lies between these two. Gives the lag to hand to end_change(). */
static int64_t begin_change(struct world *w, struct device *d, int64_t lag_least_ms)
{
	int64_t lag_ms = w->options.query_lag.max_ms > 0 ? world_draw(w, w->options.query_lag) : 0;

	if (lag_ms < lag_least_ms)
		lag_ms = lag_least_ms;
	if (lag_ms > 0 && d->indexed == NULL) {
		d->indexed = xcalloc(1, sizeof *d->indexed);
		d->indexed->view = view_copy(w, &d->live);
	}
	return lag_ms;
}

static void end_change(struct world *w, struct device *d, int64_t lag_ms)
{
	struct index_change *c;

	if (d->indexed == NULL)
		return;
	c = xcalloc(1, sizeof *c);
	c->device = d;
	c->view = view_copy(w, &d->live);
	c->seq = ++w->fleet.change_seq;
	d->indexed->pending++;
	agenda_put(&w->agenda, &c->event, &change_lands, w->now_ms + lag_ms);
}

/* --- Registration --- */

static struct device *add_slot(struct world *w, const char *id)
{
	struct fleet *f = &w->fleet;
	struct device *d;

	if (f->n % CHUNK_DEVICES == 0) {
		f->chunks = xrealloc(f->chunks, (f->n / CHUNK_DEVICES + 1) * sizeof *f->chunks);
		f->chunks[f->n / CHUNK_DEVICES] = xcalloc(CHUNK_DEVICES, sizeof **f->chunks);
	}
	d = fleet_at(w, f->n);
	d->no = f->n++;
	d->id = xstrdup(id);
	TAILQ_INIT(&d->calls);
	LIST_INIT(&d->parked);
	HASH_ADD_KEYPTR(hh, f->by_id, d->id, strlen(d->id), d);
	return d;
}

static struct doc_node *empty_section(struct world *w)
{
	struct doc_node *section = doc_new(w->docs, DOC_OBJECT);

	doc_stamp_all(section, &(struct doc_stamp){.at_ms = w->now_ms, .version = 1});
	return section;
}

static void make_live(struct world *w, struct device *d)
{
	d->live = (struct view){.exists = true,
	                        .tags = doc_new(w->docs, DOC_OBJECT),
	                        .desired = empty_section(w),
	                        .reported = empty_section(w),
	                        .version = 1,
	                        .desired_version = 1,
	                        .reported_version = 1,
	                        .etag_no = ++w->fleet.etag_no,
	                        .generation = d->live.generation + 1,
	                        .link_at_ms = w->now_ms};
	d->temper = WORLD_OK;
	d->is_outside = false;
	d->life++;
	w->fleet.exist_n++;
}

struct device *fleet_create(struct world *w, const char *id)
{
	struct device *d = fleet_find(w, id);
	int64_t lag_ms;

	if (d == NULL)
		d = add_slot(w, id);
	lag_ms = begin_change(w, d, 0);
	make_live(w, d);
	d->is_outside = true;
	end_change(w, d, lag_ms);
	return d;
}

void fleet_delete(struct world *w, struct device *d)
{
	int64_t lag_ms;

	fleet_disconnect(w, d);
	lag_ms = begin_change(w, d, w->options.ghost_ms);
	view_done(w, &d->live);
	w->fleet.exist_n--;
	w->fleet.disabled_n -= d->live.is_disabled;
	d->live.exists = d->live.is_disabled = false;
	d->life++;
	device_forget(w, d);
	registry_forget(d);
	free(d->agent);
	d->agent = NULL;
	end_change(w, d, lag_ms);
}

void fleet_enable(struct world *w, struct device *d, bool is_enabled)
{
	int64_t lag_ms;

	if (d->live.is_disabled != is_enabled)
		return;
	if (!is_enabled)
		fleet_disconnect(w, d);
	lag_ms = begin_change(w, d, 0);
	d->live.is_disabled = !is_enabled;
	w->fleet.disabled_n += !is_enabled;
	w->fleet.disabled_n -= is_enabled;
	end_change(w, d, lag_ms);
	if (is_enabled && !d->is_outside && d->temper != WORLD_OFFLINE)
		device_join_at(w, d, w->now_ms + world_draw(w, w->options.boot));
}

/* --- The fleet of the options --- */

static enum world_temper draw_temper(const struct world_options *o, struct rng *rng)
{
	double luck = rng_unit(rng);

	for (size_t i = 0; i < WORLD_TEMPERS_N; i++) {
		if (i != WORLD_OK && luck < o->share[i])
			return (enum world_temper)i;
		luck -= i != WORLD_OK ? o->share[i] : 0;
	}
	return WORLD_OK;
}

static void put_tags(struct world *w, struct device *d, uint32_t site)
{
	static const char *const lines[] = {"line-a", "line-b", "line-c", "line-d"};
	static const char *const zones[] = {"Europe/Stockholm", "Europe/London",       "America/New_York",
	                                    "Asia/Kolkata",     "Australia/Lord_Howe", "UTC"};
	char text[32];

	snprintf(text, sizeof text, "site-%03u", site);
	doc_set(w->docs, d->live.tags, "site", doc_word(w->docs, text));
	doc_set(w->docs, d->live.tags, "line", doc_word(w->docs, lines[d->no % 4]));
	doc_set(w->docs, d->live.tags, "timeZone", doc_word(w->docs, zones[site % 6]));
}

static void fill_one(struct world *w, uint32_t no)
{
	const struct world_options *o = &w->options;
	struct rng rng;
	struct device *d;
	char id[ID_BYTES_MAX + 16];

	rng_seed(&rng, hash64(&no, sizeof no) ^ o->seed);
	snprintf(id, sizeof id, "%.*s%06u", ID_BYTES_MAX, o->id_prefix, no);
	d = add_slot(w, id);
	make_live(w, d);
	put_tags(w, d, no / (o->site_size > 0 ? o->site_size : 1));
	d->temper = (uint8_t)draw_temper(o, &rng);
	d->trouble_left = o->trouble_calls;
	if (rng_unit(&rng) < o->agents_share)
		d->agent = xcalloc(1, sizeof *d->agent);
	device_introduce(w, d, &rng);
	if (d->temper == WORLD_AWAY) {
		int64_t span_ms = o->away.max_ms - o->away.min_ms + 1;

		device_join_at(w, d,
		               o->start_ms + o->away.min_ms + (int64_t)rng_below(&rng, (uint64_t)span_ms));
	} else if (d->temper != WORLD_OFFLINE) {
		d->live.is_connected = true;
		w->fleet.connected_n++;
	}
}

void fleet_fill(struct world *w)
{
	for (uint32_t no = 0; no < w->options.devices_n; no++)
		fill_one(w, no);
}

void fleet_done(struct world *w)
{
	struct fleet *f = &w->fleet;

	HASH_CLEAR(hh, f->by_id);
	for (uint32_t no = 0; no < f->n; no++) {
		struct device *d = fleet_at(w, no);

		device_forget(w, d);
		registry_forget(d);
		link_drop(d);
		view_done(w, &d->live);
		if (d->indexed != NULL)
			view_done(w, &d->indexed->view);
		free(d->agent);
		free(d->indexed);
		free(d->id);
	}
	for (uint32_t i = 0; i * CHUNK_DEVICES < f->n; i++)
		free(f->chunks[i]);
	free(f->chunks);
}

/* --- Links --- */

static void become_ready(struct world *w, struct device *d)
{
	device_on_link(w, d);
	method_on_ready(w, d);
}

static void on_subscribed(struct world *w, struct event *e)
{
	become_ready(w, CONTAINER(e, struct device, subscription));
}

static const struct event_kind subscribed = {on_subscribed, agenda_keep};

bool fleet_is_ready(const struct device *d)
{
	return d->live.is_connected && d->subscription.place == 0 &&
	       (d->link == NULL || link_takes(d, WORLD_LINK_METHODS));
}

void fleet_subscribed(struct world *w, struct device *d, bool is_subscribed)
{
	agenda_remove(&w->agenda, &d->subscription);
	if (!is_subscribed)
		return;
	if (w->options.subscribe_ms > 0)
		agenda_put(&w->agenda, &d->subscription, &subscribed, w->now_ms + w->options.subscribe_ms);
	else
		become_ready(w, d);
}

static void set_link(struct world *w, struct device *d, bool is_connected)
{
	int64_t lag_ms = begin_change(w, d, 0);

	d->live.is_connected = is_connected;
	d->live.link_at_ms = w->now_ms;
	w->fleet.connected_n += is_connected;
	w->fleet.connected_n -= !is_connected;
	end_change(w, d, lag_ms);
	world_tell(w, d, (struct world_entry){.kind = is_connected ? WORLD_JOINED : WORLD_LEFT});
}

void fleet_connect(struct world *w, struct device *d)
{
	if (d->live.is_connected || d->live.is_disabled || !d->live.exists)
		return;
	set_link(w, d, true);
	fleet_subscribed(w, d, d->link == NULL);
}

void fleet_disconnect(struct world *w, struct device *d)
{
	if (!d->live.is_connected)
		return;
	fleet_subscribed(w, d, false);
	set_link(w, d, false);
	link_end(w, d);
	method_on_link_lost(w, d);
}

bool fleet_shows_connected(const struct world *w, const struct view *v)
{
	uint64_t luck = hash64(&v->link_at_ms, sizeof v->link_at_ms);

	if (w->options.quirks.connection_lags && v->link_at_ms > w->options.start_ms &&
	    w->now_ms - v->link_at_ms < (int64_t)(luck % CONNECTION_LAG_MS))
		return !v->is_connected;
	return v->is_connected;
}

/* --- Twins --- */

/* Merges into one section. Gives whether its version has to move. */
static bool merge(struct world *w, struct doc_node *section, const struct doc_node *patch, uint32_t version)
{
	uint8_t rewrite = w->options.quirks.rewrite;
	struct doc_stamp stamp = {.at_ms = w->now_ms,
	                          .version = version,
	                          .rewrite_counts = rewrite == 0,
	                          .children_without_metadata =
	                                  w->options.quirks.children_without_metadata == 0};

	return doc_merge(w->docs, section, patch, &stamp) || rewrite == 1;
}

bool fleet_report_fits(struct world *w, const struct device *d, const struct doc_node *patch)
{
	struct doc_node *next = doc_clone(w->docs, d->live.reported);
	bool fits;

	merge(w, next, patch, 0);
	fits = doc_bytes(w->docs, next) <= SECTION_BYTES_MAX;
	doc_free(w->docs, next);
	return fits;
}

void fleet_report(struct world *w, struct device *d, const struct doc_node *patch)
{
	int64_t lag_ms = begin_change(w, d, 0);
	struct buf text = BUF_INIT;

	if (merge(w, d->live.reported, patch, d->live.reported_version + 1))
		d->live.reported_version++;
	d->live.version += w->options.quirks.version_counts_reports;
	end_change(w, d, lag_ms);
	if (w->on_entry == NULL)
		return;
	doc_print(w->docs, patch, true, &text);
	world_tell(w, d, (struct world_entry){.kind = WORLD_REPORT, .payload = text.data});
	buf_done(&text);
}

/* Reads a section from a request; what a whole twin carries besides values is left out. */
static struct doc_node *read_section(struct world *w, const json_t *json)
{
	static const char *const extra[] = {"$version", "$metadata"};
	json_t *values = json_is_object(json) ? json_copy((json_t *)(uintptr_t)json) : json_object();
	struct doc_node *section = NULL;

	for (size_t i = 0; i < sizeof extra / sizeof *extra; i++)
		json_object_del(values, extra[i]);
	if (doc_may_hold(values))
		section = doc_from_json(w->docs, values);
	json_decref(values);
	return section;
}

/* Gives the section as a write leaves it, NULL where the write breaks a limit. Borrows old. */
static struct doc_node *written(struct world *w, const struct doc_node *old, const json_t *json,
                                bool replaces, uint32_t version, size_t bytes_max)
{
	struct doc_node *patch = read_section(w, json), *next;

	if (patch == NULL)
		return NULL;
	if (replaces || json_is_null(json)) {
		next = doc_new(w->docs, DOC_OBJECT);
		doc_stamp_all(next, &(struct doc_stamp){.at_ms = w->now_ms, .version = version});
	} else {
		next = doc_clone(w->docs, old);
	}
	merge(w, next, patch, version);
	doc_free(w->docs, patch);
	if (doc_bytes(w->docs, next) > bytes_max) {
		doc_free(w->docs, next);
		return NULL;
	}
	return next;
}

bool fleet_write(struct world *w, struct device *d, const json_t *tags, const json_t *desired, bool replaces)
{
	struct view *v = &d->live;
	struct doc_node *new_tags = NULL, *new_desired = NULL, *old_desired = NULL;
	int64_t lag_ms;

	if (tags != NULL) {
		new_tags = written(w, v->tags, tags, replaces, 0, TAGS_BYTES_MAX);
		if (new_tags == NULL)
			return false;
	}
	if (desired != NULL) {
		new_desired =
		        written(w, v->desired, desired, replaces, v->desired_version + 1, SECTION_BYTES_MAX);
		if (new_desired == NULL) {
			doc_free(w->docs, new_tags);
			return false;
		}
	}
	lag_ms = begin_change(w, d, 0);
	if (new_tags != NULL) {
		doc_free(w->docs, v->tags);
		v->tags = new_tags;
	}
	if (new_desired != NULL) {
		old_desired = v->desired;
		v->desired = new_desired;
		v->desired_version++;
	}
	v->version++;
	v->etag_no = ++w->fleet.etag_no;
	end_change(w, d, lag_ms);
	if (old_desired != NULL) {
		link_push_desired(w, d, old_desired, replaces || json_is_null(desired) ? NULL : desired);
		doc_free(w->docs, old_desired);
	}
	return true;
}
