/* world: POST /devices/query: pages over the index (contract 4) */
#include "tests/world/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/base/hash.h"

enum {
	CACHE_MAX = 256,
};

struct row {
	const struct world *w;
	const struct device *device;
	const struct view *view;
};

/* --- What a path of a row is --- */

static const struct doc_node *find(const struct world *w, const struct doc_node *node, uint32_t name)
{
	const struct doc_node *child = doc_find(node, name);

	if (child != NULL || !w->options.quirks.names_any_case || node == NULL || node->kind != DOC_OBJECT)
		return child;
	for (child = node->u.first; child != NULL; child = child->next)
		if (strcasecmp(docs_text(w->docs, child->name), docs_text(w->docs, name)) == 0)
			return child;
	return NULL;
}

static void set_text(struct lang_value *v, const char *text)
{
	v->kind = LANG_TEXT;
	v->text = text;
}

static void set_number(struct lang_value *v, double number)
{
	v->kind = LANG_NUMBER;
	v->number = number;
}

static void set_hub_time(const struct world *w, struct lang_value *v, int64_t at_ms)
{
	struct buf text = BUF_INIT;

	doc_print_time(at_ms, w->options.quirks.long_times, &text);
	v->kind = LANG_TEXT;
	v->text = NULL;
	snprintf(v->scratch, sizeof v->scratch, "%.*s", (int)text.len - 2, text.data + 1);
	buf_done(&text);
}

static void set_node(const struct docs *docs, struct lang_value *v, const struct doc_node *node)
{
	const char *text;

	switch ((enum doc_kind)node->kind) {
	case DOC_TRUE:
	case DOC_FALSE:
		v->kind = LANG_BOOL;
		v->truth = node->kind == DOC_TRUE;
		return;
	case DOC_INT:
		set_number(v, (double)node->u.integer);
		return;
	case DOC_REAL:
		set_number(v, node->u.real);
		return;
	case DOC_TEXT:
	case DOC_WORD:
	case DOC_TIME:
		text = doc_string(docs, node, v->scratch);
		set_text(v, text != v->scratch ? text : NULL);
		return;
	case DOC_OBJECT:
	case DOC_ARRAY:
		v->kind = LANG_NODE;
		v->node = node;
		return;
	case DOC_FREE:
	case DOC_NULL:
		v->kind = LANG_NULL;
	}
}

static void look_up_section(const struct row *row, const struct lang_path *path, struct lang_value *ret)
{
	const struct view *v = row->view;
	const struct doc_node *node = path->root == LANG_TAGS      ? v->tags
	                              : path->root == LANG_DESIRED ? v->desired
	                                                           : v->reported;

	if (path->leaf == LANG_SECTION_VERSION) {
		set_number(ret, path->root == LANG_DESIRED ? v->desired_version : v->reported_version);
		return;
	}
	for (size_t i = 0; i < path->names_n && node != NULL; i++)
		node = find(row->w, node, path->names[i]);
	if (node == NULL || (path->leaf != LANG_VALUE && !node->has_metadata))
		return;
	if (path->leaf == LANG_VALUE) {
		set_node(row->w->docs, ret, node);
	} else if (path->leaf == LANG_METADATA) {
		ret->kind = LANG_NODE_METADATA;
		ret->node = node;
	} else if (path->leaf == LANG_LAST_UPDATED) {
		set_hub_time(row->w, ret, node->updated_ms);
	} else if (path->root == LANG_DESIRED) {
		set_number(ret, node->version);
	}
}

static void look_up(const void *arg, const struct lang_path *path, struct lang_value *ret)
{
	const struct row *row = arg;
	const struct identity *identity = row->device->identity;
	const struct view *v = row->view;

	ret->kind = LANG_UNDEFINED;
	switch (path->root) {
	case LANG_DEVICE_ID:
		set_text(ret, row->device->id);
		return;
	case LANG_STATUS:
		set_text(ret, v->is_disabled ? "disabled" : "enabled");
		return;
	case LANG_STATUS_REASON:
		if (identity != NULL && identity->reason != NULL)
			set_text(ret, identity->reason);
		return;
	case LANG_STATUS_TIME:
		set_text(ret, "0001-01-01T00:00:00Z");
		if (identity != NULL && identity->status_at_ms > 0)
			set_hub_time(row->w, ret, identity->status_at_ms);
		return;
	case LANG_CONNECTION:
		set_text(ret, fleet_shows_connected(row->w, v) ? "Connected" : "Disconnected");
		return;
	case LANG_ACTIVITY:
		set_text(ret, "0001-01-01T00:00:00Z");
		if (twin_activity_ms(v) != TIME_NONE)
			set_hub_time(row->w, ret, twin_activity_ms(v));
		return;
	case LANG_ETAG:
		set_text(ret, NULL);
		twin_etag(v, ret->scratch);
		return;
	case LANG_VERSION:
		set_number(ret, v->version);
		return;
	case LANG_MODEL_ID:
		set_text(ret, "");
		return;
	case LANG_AUTHENTICATION:
		set_text(ret, registry_login_text(row->device));
		return;
	case LANG_C2D_COUNT:
		set_number(ret, 0);
		return;
	case LANG_IOT_EDGE:
		ret->kind = LANG_BOOL;
		ret->truth = false;
		return;
	case LANG_TAGS:
	case LANG_DESIRED:
	case LANG_REPORTED:
		look_up_section(row, path, ret);
		return;
	case LANG_MODULE_ID:
	case LANG_SCOPE:
	case LANG_JOB:
	case LANG_UNKNOWN:
		return;
	}
}

/* --- Printing --- */

static void print_number(double v, struct buf *out)
{
	if (fabs(v) < 9e15 && floor(v) >= v)
		buf_printf(out, "%.0f", v);
	else
		buf_printf(out, "%.17g", v);
}

static void print_value(const struct row *row, const struct lang_path *path, const struct lang_value *v,
                        struct buf *out)
{
	const struct world *w = row->w;

	switch (v->kind) {
	case LANG_UNDEFINED:
	case LANG_NULL:
		buf_puts(out, "null");
		return;
	case LANG_BOOL:
		buf_puts(out, v->truth ? "true" : "false");
		return;
	case LANG_NUMBER:
		print_number(v->number, out);
		return;
	case LANG_TEXT:
		buf_json(out, lang_text(v));
		return;
	case LANG_NODE:
		if (path->names_n == 0 && path->root != LANG_TAGS)
			twin_print_section(w, row->view, path->root == LANG_DESIRED, out);
		else
			doc_print(w->docs, v->node, true, out);
		return;
	case LANG_NODE_METADATA:
		doc_print_metadata(w->docs, v->node, path->root == LANG_DESIRED, w->options.quirks.long_times,
		                   out);
	}
}

static const char *key_of(const struct world *w, const struct lang_item *item)
{
	static const char *const functions[] = {[LANG_COUNT] = "count",
	                                        [LANG_AVG] = "avg",
	                                        [LANG_SUM] = "sum",
	                                        [LANG_MIN] = "min",
	                                        [LANG_MAX] = "max"};

	if (item->alias != NULL)
		return item->alias;
	if (item->function != LANG_PLAIN)
		return functions[item->function];
	return w->options.quirks.plain_key ? item->path.whole : item->path.last;
}

/* Appends "key":value, preceded by what belongs before it. Missing values are left out, or null (by quirk).
 */
static void print_member(const struct row *row, const struct lang_item *item, const struct lang_value *v,
                         struct buf *out)
{
	if (v->kind == LANG_UNDEFINED && !row->w->options.quirks.missing_is_null)
		return;
	if (out->data[out->len - 1] != '{')
		buf_putc(out, ',');
	buf_json(out, key_of(row->w, item));
	buf_putc(out, ':');
	print_value(row, &item->path, v, out);
}

static void print_row(const struct lang_query *q, const struct row *row, struct buf *out)
{
	if (q->is_star) {
		twin_print(row->w, row->device, row->view, out);
		return;
	}
	buf_putc(out, '{');
	for (size_t i = 0; i < q->items_n; i++) {
		struct lang_value v = {.kind = LANG_UNDEFINED};

		look_up(row, &q->items[i].path, &v);
		print_member(row, &q->items[i], &v, out);
	}
	buf_putc(out, '}');
}

/* --- Scanning --- */

/* The slots that may match, in order: all, or those of the ids that the condition names. */
struct scan {
	uint32_t *slots; /* NULL: all */
	uint32_t n;
};

static int compare_slots(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static struct scan open_scan(const struct world *w, const struct lang_query *q)
{
	struct scan scan = {NULL, w->fleet.n};
	const char *const *ids;
	uint32_t unique = 0;
	size_t n;

	if (!lang_ids(q, &ids, &n))
		return scan;
	scan.slots = xcalloc(n, sizeof *scan.slots);
	scan.n = 0;
	for (size_t i = 0; i < n; i++) {
		const struct device *d = fleet_find(w, ids[i]);

		if (d != NULL)
			scan.slots[scan.n++] = d->no;
	}
	qsort(scan.slots, scan.n, sizeof *scan.slots, compare_slots);
	for (uint32_t i = 0; i < scan.n; i++)
		if (i == 0 || scan.slots[i] != scan.slots[unique - 1])
			scan.slots[unique++] = scan.slots[i];
	scan.n = unique;
	return scan;
}

/* Fills *row with the i-th candidate. False where the index has no such device or it does not match. */
static bool scan_row(const struct world *w, const struct lang_query *q, const struct scan *scan, uint32_t i,
                     struct row *row)
{
	row->device = fleet_at(w, scan->slots != NULL ? scan->slots[i] : i);
	row->view = fleet_indexed(row->device);
	return row->view->exists && lang_matches(q, row, look_up);
}

/* --- Groups --- */

struct tally {
	uint64_t n;
	double sum, least, most;
};

struct group {
	struct row first;
	struct tally *tallies; /* one an item */
	UT_hash_handle hh;
	char key[];
};

static void tally_add(struct tally *t, double v)
{
	t->least = t->n == 0 || v < t->least ? v : t->least;
	t->most = t->n == 0 || v > t->most ? v : t->most;
	t->sum += v;
	t->n++;
}

static void tally_row(const struct lang_query *q, const struct row *row, struct group *g)
{
	for (size_t i = 0; i < q->items_n; i++) {
		struct lang_value v = {.kind = LANG_UNDEFINED};

		if (q->items[i].function == LANG_COUNT) {
			g->tallies[i].n++;
		} else if (q->items[i].function != LANG_PLAIN) {
			look_up(row, &q->items[i].path, &v);
			if (v.kind == LANG_NUMBER)
				tally_add(&g->tallies[i], v.number);
		}
	}
}

static struct lang_value tally_value(enum lang_function function, const struct tally *t)
{
	struct lang_value v = {.kind = LANG_UNDEFINED};

	if (function == LANG_COUNT)
		set_number(&v, (double)t->n);
	else if (t->n > 0)
		set_number(&v, function == LANG_AVG   ? t->sum / (double)t->n
		               : function == LANG_SUM ? t->sum
		               : function == LANG_MIN ? t->least
		                                      : t->most);
	return v;
}

static struct group *group_of(struct group **groups, const struct lang_query *q, const struct row *row,
                              struct buf *key)
{
	struct group *g;

	buf_reset(key);
	buf_putc(key, '|');
	for (size_t i = 0; i < q->group_n; i++) {
		struct lang_value v = {.kind = LANG_UNDEFINED};

		look_up(row, &q->group[i], &v);
		buf_putc(key, (char)('a' + (int)v.kind));
		print_value(row, &q->group[i], &v, key);
	}
	HASH_FIND(hh, *groups, key->data, key->len, g);
	if (g != NULL)
		return g;
	g = xcalloc(1, sizeof *g + key->len + 1);
	memcpy(g->key, key->data, key->len);
	g->first = *row;
	g->tallies = xcalloc(q->items_n, sizeof *g->tallies);
	HASH_ADD_KEYPTR(hh, *groups, g->key, key->len, g);
	return g;
}

static void print_group(const struct lang_query *q, const struct group *g, struct buf *out)
{
	buf_putc(out, '{');
	for (size_t i = 0; i < q->items_n; i++) {
		struct lang_value v = tally_value(q->items[i].function, &g->tallies[i]);

		if (q->items[i].function == LANG_PLAIN)
			look_up(&g->first, &q->items[i].path, &v);
		print_member(&g->first, &q->items[i], &v, out);
	}
	buf_putc(out, '}');
}

/* --- Pages --- */

struct page {
	uint32_t at;  /* the next candidate, or group */
	int64_t left; /* of TOP; -1: no TOP */
	uint32_t rows_max, rows_n;
	bool has_more;
};

static void begin_row(struct call *call, struct page *page)
{
	if (page->rows_n++ > 0)
		buf_putc(&call->out, ',');
	if (page->left > 0)
		page->left--;
}

static bool is_full(const struct page *page)
{
	return page->rows_n >= page->rows_max || page->left == 0;
}

static void fill_rows(struct world *w, struct call *call, const struct lang_query *q, struct page *page)
{
	struct scan scan = open_scan(w, q);
	struct row row = {.w = w};

	for (; page->at < scan.n && !is_full(page); page->at++) {
		size_t from = call->out.len;

		if (!scan_row(w, q, &scan, page->at, &row))
			continue;
		begin_row(call, page);
		print_row(q, &row, &call->out);
		throttle_meter(&w->throttle, call->out.len - from, w->now_ms);
	}
	page->has_more = page->at < scan.n && page->left != 0;
	free(scan.slots);
}

static struct group *gather(struct world *w, const struct lang_query *q)
{
	struct scan scan = open_scan(w, q);
	struct group *groups = NULL;
	struct buf key = BUF_INIT;
	struct row row = {.w = w};

	for (uint32_t i = 0; i < scan.n; i++)
		if (scan_row(w, q, &scan, i, &row))
			tally_row(q, &row, group_of(&groups, q, &row, &key));
	if (groups == NULL && q->group_n == 0) {
		/* an aggregate over nothing is a row all the same; it has no plain items */
		row.device = NULL;
		row.view = NULL;
		group_of(&groups, q, &row, &key);
	}
	buf_done(&key);
	free(scan.slots);
	return groups;
}

static void fill_groups(struct world *w, struct call *call, const struct lang_query *q, struct page *page)
{
	struct group *groups = gather(w, q), *g, *after;
	uint32_t i = 0;

	HASH_ITER (hh, groups, g, after) {
		if (i++ >= page->at && !is_full(page)) {
			begin_row(call, page);
			print_group(q, g, &call->out);
			throttle_meter(&w->throttle, 0, w->now_ms);
			page->at++;
		}
		HASH_DEL(groups, g);
		free(g->tallies);
		free(g);
	}
	page->has_more = page->at < i && page->left != 0;
}

/* The rows of jobs that match, one after the other. */
static void fill_job_rows(struct world *w, struct call *call, const struct lang_query *q, struct page *page)
{
	struct job_query_row row = {.w = w};

	for (; !is_full(page) && (row.row = job_row_at(w, page->at)) != NULL; page->at++) {
		if (!lang_matches(q, &row, job_look_up))
			continue;
		begin_row(call, page);
		job_print_row(w, row.row, &call->out);
		throttle_meter(&w->throttle, 0, w->now_ms);
	}
	page->has_more = job_row_at(w, page->at) != NULL && page->left != 0;
}

/* --- Requests --- */

void query_done(struct world *w)
{
	struct cached_query *c, *after;

	HASH_ITER (hh, w->queries, c, after) {
		HASH_DEL(w->queries, c);
		lang_free(c->query);
		free(c);
	}
}

/* Gives the query that text is, parsed once; NULL where it is none. Valid until the next call. */
static const struct lang_query *parsed(struct world *w, const char *text)
{
	struct lang_rules rules = {.missing_differs = w->options.quirks.missing_differs,
	                           .no_startswith = w->options.quirks.no_startswith};
	struct cached_query *c;
	struct lang_query *q;
	size_t len = strlen(text);

	HASH_FIND(hh, w->queries, text, len, c);
	if (c != NULL)
		return c->query;
	q = lang_parse(w->docs, text, &rules);
	if (q == NULL)
		return NULL;
	if (HASH_COUNT(w->queries) >= CACHE_MAX)
		query_done(w);
	c = xcalloc(1, sizeof *c + len + 1);
	memcpy(c->text, text, len);
	c->query = q;
	HASH_ADD_KEYPTR(hh, w->queries, c->text, len, c);
	return q;
}

bool query_targets(struct world *w, const char *condition, uint32_t **ret_slots, uint32_t *ret_n)
{
	static const char modules[] = "FROM devices.modules";
	struct buf text = BUF_INIT;
	const struct lang_query *q;
	struct scan scan;
	struct row row = {.w = w};
	uint32_t n = 0;

	*ret_slots = NULL;
	*ret_n = 0;
	if (strncasecmp(condition, modules, strlen(modules)) == 0)
		return true; /* there are none */
	buf_puts(&text, "SELECT * FROM devices");
	if (strcmp(condition, "*") != 0)
		buf_printf(&text, " WHERE %s", condition);
	q = parsed(w, text.data);
	buf_done(&text);
	if (q == NULL)
		return false;
	scan = open_scan(w, q);
	*ret_slots = xcalloc(scan.n, sizeof **ret_slots);
	for (uint32_t i = 0; i < scan.n; i++)
		if (scan_row(w, q, &scan, i, &row))
			(*ret_slots)[n++] = row.device->no;
	*ret_n = n;
	free(scan.slots);
	return true;
}

static const char *text_of(const struct call *call)
{
	return json_string_value(json_object_get(call->json, "query"));
}

static uint32_t page_size(const struct world *w, const struct call *call)
{
	return rest_page_size(call, w->options.quirks.page_max ? 1000 : 100);
}

/* A continuation belongs to one text and one page size (contract 4.1). */
static uint64_t fingerprint(const struct call *call, uint32_t size)
{
	return hash64(text_of(call), strlen(text_of(call))) + size;
}

static bool read_continuation(const struct call *call, uint32_t size, struct page *page)
{
	unsigned long long print;
	unsigned at;
	long long left;
	int end = 0;

	if (call->continuation == NULL)
		return true;
	if (sscanf(call->continuation, "%16llx.%8x.%20lld%n", &print, &at, &left, &end) != 3 ||
	    call->continuation[end] != '\0' || print != fingerprint(call, size))
		return false;
	page->at = at;
	page->left = left;
	return true;
}

static void write_continuation(struct call *call, uint32_t size, const struct page *page)
{
	struct buf text = BUF_INIT;

	buf_printf(&text, "%016llx.%x.%lld", (unsigned long long)fingerprint(call, size), page->at,
	           (long long)page->left);
	call->next = buf_take(&text);
}

bool query_prepare(struct world *w, struct call *call)
{
	const char *text = text_of(call);
	struct page page = {.at = 0};

	if (text == NULL) {
		rest_refuse(w, call, 400, "ArgumentNull", "BadRequest");
		return false;
	}
	if (strlen(text) > LANG_BYTES_MAX || page_size(w, call) == 0 || parsed(w, text) == NULL) {
		rest_refuse(w, call, 400, "ArgumentInvalid", "BadRequest");
		return false;
	}
	if (!read_continuation(call, page_size(w, call), &page)) {
		if (w->options.quirks.bad_continuation)
			rest_answer(w, call, 400);
		else
			rest_refuse(w, call, 400, "ArgumentInvalid", "BadRequest");
		return false;
	}
	if (w->options.quirks.page_is_free && call->continuation != NULL)
		call->cost = 0;
	return true;
}

void query_perform(struct world *w, struct call *call)
{
	const struct lang_query *q = parsed(w, text_of(call));
	uint32_t size = page_size(w, call);
	struct page page = {.left = q != NULL ? q->top : -1, .rows_max = size};
	bool is_lower = w->options.quirks.item_type_lower;

	if (q == NULL ||
	    !read_continuation(call, size, &page)) { /* a quirk has changed since it was prepared */
		rest_refuse(w, call, 400, "ArgumentInvalid", "BadRequest");
		return;
	}
	if ((call->faults & 1u << WORLD_FAULT_SHORT_PAGE) != 0)
		page.rows_max = 1 + (uint32_t)rng_below(&w->rng, size);
	if ((call->faults & 1u << WORLD_FAULT_EMPTY_PAGE) != 0)
		page.rows_max = 0;
	buf_putc(&call->out, '[');
	if (q->source == LANG_DEVICES) {
		if (q->has_aggregates || q->group_n > 0)
			fill_groups(w, call, q, &page);
		else
			fill_rows(w, call, q, &page);
	} else if (q->source == LANG_JOBS) {
		fill_job_rows(w, call, q, &page);
	}
	buf_putc(&call->out, ']');
	throttle_meter(&w->throttle, 0, w->now_ms);
	if (page.has_more)
		write_continuation(call, size, &page);
	if (q->source == LANG_JOBS)
		call->item_type = is_lower ? "deviceJob" : "DeviceJob";
	else if (q->is_star)
		call->item_type = is_lower ? "twin" : "Twin";
	else
		call->item_type = is_lower ? "raw" : "Raw";
	rest_answer(w, call, 200);
}
