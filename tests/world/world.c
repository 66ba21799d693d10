/* world: see world.h. The world itself: options, the run of time, the journal, faults, and the verbs for
 * tests. */
#include "tests/world/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* --- Texts --- */

static const char *const temper_texts[] = {
#define X(name, text, meaning) [WORLD_##name] = text,
        WORLD_TEMPERS(X)
#undef X
};

static const char *const entry_texts[] = {
#define X(name, text, meaning) [WORLD_##name] = text,
        WORLD_ENTRIES(X)
#undef X
};

static const char *const fault_texts[] = {
#define X(name, text, meaning) [WORLD_FAULT_##name] = text,
        WORLD_FAULTS(X)
#undef X
};

static const struct {
	const char *name;
	size_t offset;
	uint8_t values_n;
} quirk_list[] = {
#define X(name, values_n, meaning) {#name, offsetof(struct world_quirks, name), values_n},
        WORLD_QUIRKS(X)
#undef X
};

enum {
	FAULTS_N = sizeof fault_texts / sizeof *fault_texts,
	QUIRKS_N = sizeof quirk_list / sizeof *quirk_list,
};

static bool find_text(const char *const *texts, size_t n, const char *text, size_t *ret)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(texts[i], text) == 0) {
			*ret = i;
			return true;
		}
	return false;
}

const char *world_temper_text(enum world_temper temper)
{
	assert(temper < WORLD_TEMPERS_N);
	return temper_texts[temper];
}

bool world_temper_parse(const char *text, enum world_temper *ret_temper)
{
	size_t i;

	if (!find_text(temper_texts, WORLD_TEMPERS_N, text, &i))
		return false;
	*ret_temper = (enum world_temper)i;
	return true;
}

const char *world_entry_text(enum world_entry_kind kind)
{
	return entry_texts[kind];
}

const char *world_fault_text(enum world_fault_kind kind)
{
	return fault_texts[kind];
}

bool world_fault_parse(const char *text, enum world_fault_kind *ret_kind)
{
	size_t i;

	if (!find_text(fault_texts, FAULTS_N, text, &i))
		return false;
	*ret_kind = (enum world_fault_kind)i;
	return true;
}

/* --- Quirks --- */

static uint8_t *quirk_at(struct world_quirks *quirks, size_t i)
{
	return (uint8_t *)quirks + quirk_list[i].offset;
}

void world_quirks_draw(struct world_quirks *quirks, struct rng *rng)
{
	for (size_t i = 0; i < QUIRKS_N; i++)
		*quirk_at(quirks, i) = (uint8_t)rng_below(rng, quirk_list[i].values_n);
}

bool world_quirks_set(struct world_quirks *quirks, const char *name, unsigned value)
{
	for (size_t i = 0; i < QUIRKS_N; i++)
		if (strcmp(quirk_list[i].name, name) == 0 && value < quirk_list[i].values_n) {
			*quirk_at(quirks, i) = (uint8_t)value;
			return true;
		}
	return false;
}

const char *world_quirks_get(const struct world_quirks *quirks, size_t i, unsigned *ret_value)
{
	if (i >= QUIRKS_N)
		return NULL;
	*ret_value = *((const uint8_t *)quirks + quirk_list[i].offset);
	return quirk_list[i].name;
}

struct world_quirks *world_quirks(struct world *w)
{
	query_done(w); /* cached queries were read by the old rules */
	return &w->options.quirks;
}

/* --- Life --- */

void world_options_init(struct world_options *options)
{
	*options = (struct world_options){
	        .seed = 1,
	        .host = "hub.azure-devices.net",
	        .id_prefix = "dev-",
	        .start_ms = INT64_C(1767225600000), /* 2026-01-01T00:00:00Z */
	        .site_size = 50,
	        .units = 1,
	        .throttle_burst_ms = 60000,
	        .throttle_backlog_ms = 10000,
	        .answer = {20, 80},
	        .slow_answer = {4000, 12000},
	        .slow_report = {20000, 60000},
	        .report = {10, 40},
	        .leave = {50, 150},
	        .boot = {2000, 4000},
	        .away = {60000, 600000},
	        .loop = {10000, 30000},
	        .step = {500, 1500},
	        .hub_slow = {2000, 10000},
	};
}

struct world *world_new(const struct world_options *options)
{
	struct world *w = xcalloc(1, sizeof *w);

	w->options = *options;
	w->options.host = xstrdup(options->host);
	w->options.id_prefix = xstrdup(options->id_prefix);
	w->now_ms = options->start_ms;
	rng_seed(&w->rng, options->seed);
	w->docs = docs_new();
	TAILQ_INIT(&w->calls);
	throttle_init(&w->throttle, &w->options);
	fleet_fill(w);
	return w;
}

void world_free(struct world *w)
{
	struct event *e;
	struct fault *f;

	if (w == NULL)
		return;
	rest_done(w);
	while ((e = agenda_first(&w->agenda)) != NULL) {
		agenda_remove(&w->agenda, e);
		e->kind->drop(w, e);
	}
	agenda_done(&w->agenda);
	while ((f = LIST_FIRST(&w->faults)) != NULL) {
		LIST_REMOVE(f, all);
		free(f);
	}
	query_done(w);
	job_done(w);
	fleet_done(w);
	docs_free(w->docs);
	free((char *)(uintptr_t)w->options.host);
	free((char *)(uintptr_t)w->options.id_prefix);
	free(w);
}

/* --- Time --- */

static void advance(struct world *w, int64_t now_ms)
{
	if (now_ms > w->now_ms)
		w->now_ms = now_ms;
}

void world_request(struct world *w, int64_t now_ms, const struct world_request *r, void *ticket)
{
	advance(w, now_ms);
	rest_start(w, r, ticket);
}

int64_t world_next_at(const struct world *w)
{
	const struct event *e = agenda_first(&w->agenda);

	return e != NULL ? e->at_ms : TIME_NEVER;
}

void world_run(struct world *w, int64_t now_ms, world_answer_cb *on_answer, void *arg)
{
	struct event *e;

	w->on_answer = on_answer;
	w->answer_arg = arg;
	while ((e = agenda_first(&w->agenda)) != NULL && e->at_ms <= now_ms) {
		agenda_remove(&w->agenda, e);
		advance(w, e->at_ms);
		e->kind->on_due(w, e);
	}
	advance(w, now_ms);
}

/* --- For the other files --- */

int64_t world_draw(struct world *w, struct world_span span)
{
	if (span.max_ms <= span.min_ms)
		return span.min_ms;
	return span.min_ms + (int64_t)rng_below(&w->rng, (uint64_t)(span.max_ms - span.min_ms) + 1);
}

void world_tell(struct world *w, const struct device *d, struct world_entry entry)
{
	if (w->on_entry == NULL)
		return;
	entry.at_ms = w->now_ms;
	entry.device_id = d->id;
	w->on_entry(w->journal_arg, &entry);
}

void world_on_journal(struct world *w, world_journal_cb *on_entry, void *arg)
{
	w->on_entry = on_entry;
	w->journal_arg = arg;
}

static bool hits(struct world *w, struct fault *f, unsigned family)
{
	if ((f->what.kind == WORLD_FAULT_SESSION_LOST && family != WORLD_CONNECTS) ||
	    (f->what.kind == WORLD_FAULT_DELIVERED_TWICE && family != WORLD_METHODS))
		return false;
	if ((f->what.families & family) == 0 || w->now_ms < f->what.from_ms ||
	    w->now_ms >= f->what.until_ms || (f->what.count > 0 && f->hits >= f->what.count))
		return false;
	if (f->what.share < 1 && rng_unit(&w->rng) >= f->what.share)
		return false;
	f->hits++;
	return true;
}

unsigned world_draw_faults(struct world *w, unsigned family)
{
	const unsigned along = 1u << WORLD_FAULT_SLOW | 1u << WORLD_FAULT_MALFORMED |
	                       1u << WORLD_FAULT_SHORT_PAGE | 1u << WORLD_FAULT_EMPTY_PAGE |
	                       1u << WORLD_FAULT_DELIVERED_TWICE | 1u << WORLD_FAULT_SESSION_LOST;
	unsigned drawn = 0;
	struct fault *f;

	LIST_FOREACH (f, &w->faults, all) {
		unsigned bit = 1u << f->what.kind;

		if (((drawn & ~along) == 0 || (bit & along) != 0) && hits(w, f, family))
			drawn |= bit;
	}
	return drawn;
}

void world_fault_add(struct world *w, const struct world_fault *fault)
{
	struct fault *f = xcalloc(1, sizeof *f), *last = LIST_FIRST(&w->faults);

	f->what = *fault;
	while (last != NULL && LIST_NEXT(last, all) != NULL)
		last = LIST_NEXT(last, all);
	if (last != NULL)
		LIST_INSERT_AFTER(last, f, all);
	else
		LIST_INSERT_HEAD(&w->faults, f, all);
}

void world_faults_clear(struct world *w)
{
	struct fault *f;

	while ((f = LIST_FIRST(&w->faults)) != NULL) {
		LIST_REMOVE(f, all);
		free(f);
	}
}

/* --- Verbs for tests --- */

int64_t world_now(const struct world *w)
{
	return w->now_ms;
}

uint32_t world_devices_n(const struct world *w)
{
	return w->fleet.exist_n;
}

bool world_has_device(const struct world *w, const char *device_id)
{
	return fleet_get(w, device_id) != NULL;
}

enum err world_set_temper(struct world *w, const char *device_id, enum world_temper temper)
{
	struct device *d = fleet_get(w, device_id);

	if (d == NULL)
		return ERR_NOT_FOUND;
	d->temper = (uint8_t)temper;
	d->trouble_left = w->options.trouble_calls;
	return ERR_OK;
}

enum err world_get_temper(const struct world *w, const char *device_id, enum world_temper *ret_temper)
{
	const struct device *d = fleet_get(w, device_id);

	if (d == NULL)
		return ERR_NOT_FOUND;
	*ret_temper = (enum world_temper)d->temper;
	return ERR_OK;
}

enum err world_set_agent(struct world *w, const char *device_id, bool is_agent)
{
	struct device *d = fleet_get(w, device_id);

	if (d == NULL)
		return ERR_NOT_FOUND;
	if (is_agent && d->agent == NULL)
		d->agent = xcalloc(1, sizeof *d->agent);
	if (!is_agent) {
		free(d->agent);
		d->agent = NULL;
	}
	return ERR_OK;
}

static struct device *get_at(struct world *w, int64_t now_ms, const char *device_id)
{
	advance(w, now_ms);
	return fleet_get(w, device_id);
}

enum err world_connect(struct world *w, int64_t now_ms, const char *device_id, bool is_connected)
{
	struct device *d = get_at(w, now_ms, device_id);

	if (d == NULL)
		return ERR_NOT_FOUND;
	if (!is_connected) {
		fleet_disconnect(w, d);
	} else if (d->link == NULL) {
		d->is_outside = false;
		fleet_connect(w, d);
	}
	return ERR_OK;
}

enum err world_enable(struct world *w, int64_t now_ms, const char *device_id, bool is_enabled)
{
	struct device *d = get_at(w, now_ms, device_id);

	if (d == NULL)
		return ERR_NOT_FOUND;
	fleet_enable(w, d, is_enabled);
	return ERR_OK;
}

enum err world_delete(struct world *w, int64_t now_ms, const char *device_id)
{
	struct device *d = get_at(w, now_ms, device_id);

	if (d == NULL)
		return ERR_NOT_FOUND;
	fleet_delete(w, d);
	return ERR_OK;
}

enum err world_create(struct world *w, int64_t now_ms, const char *device_id)
{
	struct device *d;

	if (get_at(w, now_ms, device_id) != NULL)
		return ERR_CONFLICT;
	d = fleet_create(w, device_id);
	d->is_outside = false;
	fleet_connect(w, d);
	return ERR_OK;
}

enum err world_reboot(struct world *w, int64_t now_ms, const char *device_id)
{
	struct device *d = get_at(w, now_ms, device_id);

	if (d == NULL)
		return ERR_NOT_FOUND;
	if (d->is_outside)
		fleet_disconnect(w, d);
	else
		device_restart(w, d);
	return ERR_OK;
}

enum err world_report(struct world *w, int64_t now_ms, const char *device_id, const char *patch_json)
{
	struct device *d = get_at(w, now_ms, device_id);
	json_t *json = json_loads(patch_json, 0, NULL);
	enum err err = d == NULL ? ERR_NOT_FOUND : ERR_INVALID;
	struct doc_node *patch;

	if (d != NULL && json != NULL && doc_may_hold(json)) {
		patch = doc_from_json(w->docs, json);
		fleet_report(w, d, patch);
		doc_free(w->docs, patch);
		err = ERR_OK;
	}
	json_decref(json);
	return err;
}

enum err world_tag(struct world *w, int64_t now_ms, const char *device_id, const char *patch_json)
{
	struct device *d = get_at(w, now_ms, device_id);
	json_t *json = json_loads(patch_json, 0, NULL);
	enum err err = d == NULL ? ERR_NOT_FOUND : ERR_INVALID;

	if (d != NULL && json_is_object(json) && fleet_write(w, d, json, NULL, false))
		err = ERR_OK;
	json_decref(json);
	return err;
}

char *world_reported(const struct world *w, const char *device_id, const char *path)
{
	const struct device *d = fleet_get(w, device_id);
	const struct doc_node *node = d != NULL ? d->live.reported : NULL;
	struct buf out = BUF_INIT;

	while (node != NULL && *path != '\0') {
		size_t len = strcspn(path, ".");

		node = doc_find(node, docs_name(w->docs, path, len));
		path += len + (path[len] == '.');
	}
	if (node == NULL)
		return NULL;
	doc_print(w->docs, node, true, &out);
	return buf_take(&out);
}

bool world_is_connected(const struct world *w, const char *device_id)
{
	const struct device *d = fleet_get(w, device_id);

	return d != NULL && d->live.is_connected;
}

uint32_t world_boots(const struct world *w, const char *device_id)
{
	const struct device *d = fleet_find(w, device_id);

	return d != NULL ? d->boots : 0;
}

uint32_t world_acts(const struct world *w, const char *device_id)
{
	const struct device *d = fleet_find(w, device_id);

	return d != NULL ? d->acts : 0;
}

uint64_t world_messages(const struct world *w)
{
	return w->throttle.messages;
}

void world_messages_by(const struct world *w, uint64_t *ret_callers, uint64_t *ret_devices)
{
	*ret_callers = w->throttle.of_callers;
	*ret_devices = w->throttle.of_devices;
}

bool world_throttle_use(const struct world *w, size_t i, struct world_throttle_use *ret)
{
	if (i >= THROTTLES_N)
		return false;
	*ret = w->throttle.use[i];
	return true;
}

void world_set_lag(struct world *w, struct world_span query_lag, int64_t ghost_ms)
{
	w->options.query_lag = query_lag;
	w->options.ghost_ms = ghost_ms;
}
