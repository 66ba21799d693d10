/* world: see doc.h */
#include "tests/world/doc.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "server/base/clock.h"

enum {
	SLAB_NODES = 4096,
	KEY_BYTES_MAX = 1024,
	STRING_BYTES_MAX = 4096,
	DEPTH_MAX = 10,
};

#define INTEGER_MAX INT64_C(4503599627370495)
#define INTEGER_MIN INT64_C(-4503599627370496)

struct slab {
	struct slab *next;
	struct doc_node nodes[SLAB_NODES];
};

struct name {
	uint32_t no;
	UT_hash_handle hh;
	char text[];
};

struct docs {
	struct slab *slabs;
	struct doc_node *free;
	size_t used;
	struct name *by_text;
	struct name **names; /* by number; 0 is unused */
	uint32_t names_n, names_size;
};

struct docs *docs_new(void)
{
	struct docs *docs = xcalloc(1, sizeof *docs);

	docs->names_n = 1;
	return docs;
}

void docs_free(struct docs *docs)
{
	struct name *name, *after;
	struct slab *slab;

	assert(docs->used == 0);
	while ((slab = docs->slabs) != NULL) {
		docs->slabs = slab->next;
		free(slab);
	}
	HASH_ITER (hh, docs->by_text, name, after) {
		HASH_DEL(docs->by_text, name);
		free(name);
	}
	free(docs->names);
	free(docs);
}

uint32_t docs_name(struct docs *docs, const char *text, size_t len)
{
	struct name *name;

	HASH_FIND(hh, docs->by_text, text, len, name);
	if (name != NULL)
		return name->no;
	name = xcalloc(1, sizeof *name + len + 1);
	memcpy(name->text, text, len);
	name->no = docs->names_n++;
	HASH_ADD_KEYPTR(hh, docs->by_text, name->text, len, name);
	if (docs->names_n > docs->names_size) {
		docs->names_size = docs->names_size > 0 ? docs->names_size * 2 : 64;
		docs->names = xrealloc(docs->names, docs->names_size * sizeof(struct name *));
	}
	docs->names[name->no] = name;
	return name->no;
}

const char *docs_text(const struct docs *docs, uint32_t name)
{
	assert(name > 0 && name < docs->names_n);
	return docs->names[name]->text;
}

struct doc_node *doc_new(struct docs *docs, enum doc_kind kind)
{
	struct doc_node *node;

	if (docs->free == NULL) {
		struct slab *slab = xcalloc(1, sizeof *slab);

		slab->next = docs->slabs;
		docs->slabs = slab;
		for (size_t i = SLAB_NODES; i > 0; i--) {
			slab->nodes[i - 1].next = docs->free;
			docs->free = &slab->nodes[i - 1];
		}
	}
	node = docs->free;
	docs->free = node->next;
	docs->used++;
	*node = (struct doc_node){.kind = kind & 15u};
	return node;
}

struct doc_node *doc_time(struct docs *docs, int64_t at_ms)
{
	struct doc_node *node = doc_new(docs, DOC_TIME);

	node->u.integer = at_ms;
	return node;
}

struct doc_node *doc_text(struct docs *docs, const char *text)
{
	struct doc_node *node = doc_new(docs, DOC_TEXT);

	node->u.text = xstrdup(text);
	return node;
}

struct doc_node *doc_word(struct docs *docs, const char *text)
{
	struct doc_node *node = doc_new(docs, DOC_WORD);

	node->u.word = docs_name(docs, text, strlen(text));
	return node;
}

static bool has_children(const struct doc_node *node)
{
	return node->kind == DOC_OBJECT || node->kind == DOC_ARRAY;
}

static void append(struct doc_node *parent, struct doc_node *child)
{
	struct doc_node **at = &parent->u.first;

	while (*at != NULL)
		at = &(*at)->next;
	*at = child;
}

struct doc_node *doc_from_json(struct docs *docs, const json_t *json)
{
	struct doc_node *node, **at;
	const char *key;
	json_t *value;
	size_t i;

	switch (json_typeof(json)) {
	case JSON_OBJECT:
		node = doc_new(docs, DOC_OBJECT);
		at = &node->u.first;
		/* jansson's macro wants a non-const object, but only reads it */
		json_object_foreach ((json_t *)(uintptr_t)json, key, value) {
			*at = doc_from_json(docs, value);
			(*at)->name = docs_name(docs, key, strlen(key));
			at = &(*at)->next;
		}
		return node;
	case JSON_ARRAY:
		node = doc_new(docs, DOC_ARRAY);
		at = &node->u.first;
		json_array_foreach (json, i, value) {
			*at = doc_from_json(docs, value);
			at = &(*at)->next;
		}
		return node;
	case JSON_STRING:
		return doc_text(docs, json_string_value(json));
	case JSON_INTEGER:
		node = doc_new(docs, DOC_INT);
		node->u.integer = json_integer_value(json);
		return node;
	case JSON_REAL:
		node = doc_new(docs, DOC_REAL);
		node->u.real = json_real_value(json);
		return node;
	case JSON_TRUE:
		return doc_new(docs, DOC_TRUE);
	case JSON_FALSE:
		return doc_new(docs, DOC_FALSE);
	case JSON_NULL:
		break;
	}
	return doc_new(docs, DOC_NULL);
}

void doc_free(struct docs *docs, struct doc_node *node)
{
	if (node == NULL)
		return;
	if (has_children(node)) {
		struct doc_node *child;

		while ((child = node->u.first) != NULL) {
			node->u.first = child->next;
			doc_free(docs, child);
		}
	} else if (node->kind == DOC_TEXT) {
		free(node->u.text);
	}
	node->kind = DOC_FREE;
	node->next = docs->free;
	docs->free = node;
	docs->used--;
}

struct doc_node *doc_clone(struct docs *docs, const struct doc_node *node)
{
	struct doc_node *copy, **at;

	if (node == NULL)
		return NULL;
	copy = doc_new(docs, DOC_NULL);
	*copy = *node;
	copy->next = NULL;
	if (node->kind == DOC_TEXT)
		copy->u.text = xstrdup(node->u.text);
	if (has_children(node)) {
		at = &copy->u.first;
		*at = NULL;
		for (const struct doc_node *child = node->u.first; child != NULL; child = child->next) {
			*at = doc_clone(docs, child);
			at = &(*at)->next;
		}
	}
	return copy;
}

struct doc_node *doc_find(const struct doc_node *node, uint32_t name)
{
	if (node == NULL || node->kind != DOC_OBJECT)
		return NULL;
	for (struct doc_node *child = node->u.first; child != NULL; child = child->next)
		if (child->name == name)
			return child;
	return NULL;
}

static void take_out(struct docs *docs, struct doc_node *object, struct doc_node *child)
{
	struct doc_node **at = &object->u.first;

	while (*at != child)
		at = &(*at)->next;
	*at = child->next;
	doc_free(docs, child);
}

void doc_set(struct docs *docs, struct doc_node *object, const char *path, struct doc_node *value)
{
	for (;;) {
		size_t len = strcspn(path, ".");
		uint32_t name = docs_name(docs, path, len);
		struct doc_node *child = doc_find(object, name);

		if (path[len] == '\0') {
			if (child != NULL)
				take_out(docs, object, child);
			value->name = name;
			append(object, value);
			return;
		}
		if (child == NULL) {
			child = doc_new(docs, DOC_OBJECT);
			child->name = name;
			append(object, child);
		}
		object = child;
		path += len + 1;
	}
}

static void stamp_one(struct doc_node *node, const struct doc_stamp *stamp)
{
	node->has_metadata = 1;
	node->updated_ms = stamp->at_ms;
	node->version = stamp->version & 0x7ffffffu;
}

void doc_stamp_all(struct doc_node *node, const struct doc_stamp *stamp)
{
	stamp_one(node, stamp);
	if (node->kind == DOC_OBJECT)
		for (struct doc_node *child = node->u.first; child != NULL; child = child->next)
			doc_stamp_all(child, stamp);
}

static void strip_metadata(struct doc_node *object)
{
	for (struct doc_node *child = object->u.first; child != NULL; child = child->next) {
		child->has_metadata = 0;
		if (child->kind == DOC_OBJECT)
			strip_metadata(child);
	}
}

/* A patch that becomes a value: its nulls mean nothing. */
static void strip_nulls(struct docs *docs, struct doc_node *object)
{
	struct doc_node *child = object->u.first, *after;

	for (; child != NULL; child = after) {
		after = child->next;
		if (child->kind == DOC_NULL)
			take_out(docs, object, child);
		else if (child->kind == DOC_OBJECT)
			strip_nulls(docs, child);
	}
}

bool doc_equal(const struct docs *docs, const struct doc_node *a, const struct doc_node *b)
{
	char scratch_a[TIME_TEXT_SIZE], scratch_b[TIME_TEXT_SIZE];
	const char *text_a = doc_string(docs, a, scratch_a), *text_b = doc_string(docs, b, scratch_b);
	const struct doc_node *x, *y;

	if (text_a != NULL || text_b != NULL)
		return text_a != NULL && text_b != NULL && strcmp(text_a, text_b) == 0;
	if (a->kind != b->kind)
		return false;
	if (a->kind == DOC_INT)
		return a->u.integer == b->u.integer;
	if (a->kind == DOC_REAL)
		return a->u.real >= b->u.real && a->u.real <= b->u.real;
	if (!has_children(a))
		return true;
	for (x = a->u.first, y = b->u.first; x != NULL && y != NULL; x = x->next, y = y->next)
		if (x->name != y->name || !doc_equal(docs, x, y))
			return false;
	return x == NULL && y == NULL;
}

static void put_value(struct docs *docs, struct doc_node *object, struct doc_node *old,
                      const struct doc_node *patch, const struct doc_stamp *stamp)
{
	struct doc_node *value = doc_clone(docs, patch), *next;

	doc_stamp_all(value, stamp);
	if (value->kind == DOC_OBJECT)
		strip_nulls(docs, value);
	if (old == NULL) {
		append(object, value);
		return;
	}
	if (value->kind == DOC_OBJECT && stamp->children_without_metadata)
		strip_metadata(value);
	/* in place, so that the order of keys stays */
	next = old->next;
	if (has_children(old))
		while (old->u.first != NULL)
			take_out(docs, old, old->u.first);
	else if (old->kind == DOC_TEXT)
		free(old->u.text);
	*old = *value;
	old->next = next;
	value->kind = DOC_NULL; /* its content lives in old now */
	doc_free(docs, value);
}

bool doc_merge(struct docs *docs, struct doc_node *object, const struct doc_node *patch,
               const struct doc_stamp *stamp)
{
	bool is_changed = false;

	for (const struct doc_node *p = patch->u.first; p != NULL; p = p->next) {
		struct doc_node *old = doc_find(object, p->name);

		if (p->kind == DOC_NULL) {
			if (old != NULL)
				take_out(docs, object, old);
			is_changed |= old != NULL;
		} else if (old != NULL && old->kind == DOC_OBJECT && p->kind == DOC_OBJECT) {
			is_changed |= doc_merge(docs, old, p, stamp);
		} else if (old != NULL && doc_equal(docs, old, p)) {
			if (stamp->rewrite_counts)
				stamp_one(old, stamp);
		} else {
			put_value(docs, object, old, p, stamp);
			is_changed = true;
		}
	}
	is_changed |= stamp->rewrite_counts;
	if (is_changed)
		stamp_one(object, stamp);
	return is_changed;
}

const char *doc_string(const struct docs *docs, const struct doc_node *node, char *scratch)
{
	if (node->kind == DOC_TEXT)
		return node->u.text;
	if (node->kind == DOC_WORD)
		return docs_text(docs, node->u.word);
	return node->kind == DOC_TIME ? time_text(node->u.integer, scratch) : NULL;
}

static void print_children(const struct docs *docs, const struct doc_node *node, struct buf *out)
{
	for (const struct doc_node *child = node->u.first; child != NULL; child = child->next) {
		if (child != node->u.first)
			buf_putc(out, ',');
		if (node->kind == DOC_OBJECT) {
			buf_json(out, docs_text(docs, child->name));
			buf_putc(out, ':');
		}
		doc_print(docs, child, true, out);
	}
}

static void print_real(double v, struct buf *out)
{
	json_t *json = json_real(v);
	char text[64];
	size_t n = json == NULL ? 0 : json_dumpb(json, text, sizeof text, JSON_ENCODE_ANY);

	buf_put(out, n > 0 ? text : "0.0", n > 0 ? n : 3);
	json_decref(json);
}

void doc_print(const struct docs *docs, const struct doc_node *node, bool with_braces, struct buf *out)
{
	char scratch[TIME_TEXT_SIZE];

	switch ((enum doc_kind)node->kind) {
	case DOC_OBJECT:
		if (with_braces)
			buf_putc(out, '{');
		print_children(docs, node, out);
		if (with_braces)
			buf_putc(out, '}');
		return;
	case DOC_ARRAY:
		buf_putc(out, '[');
		print_children(docs, node, out);
		buf_putc(out, ']');
		return;
	case DOC_TEXT:
	case DOC_WORD:
	case DOC_TIME:
		buf_json(out, doc_string(docs, node, scratch));
		return;
	case DOC_INT:
		buf_printf(out, "%lld", (long long)node->u.integer);
		return;
	case DOC_REAL:
		print_real(node->u.real, out);
		return;
	case DOC_TRUE:
		buf_puts(out, "true");
		return;
	case DOC_FALSE:
		buf_puts(out, "false");
		return;
	case DOC_FREE:
	case DOC_NULL:
		break;
	}
	buf_puts(out, "null");
}

void doc_print_time(int64_t at_ms, bool is_long, struct buf *out)
{
	char text[TIME_TEXT_SIZE];

	time_text(at_ms, text);
	buf_putc(out, '"');
	buf_put(out, text, strlen(text) - 1);
	buf_puts(out, is_long ? "0000Z\"" : "Z\"");
}

void doc_print_metadata(const struct docs *docs, const struct doc_node *node, bool with_version,
                        bool has_long_times, struct buf *out)
{
	char before = '{';

	if (node->has_metadata) {
		buf_puts(out, "{\"$lastUpdated\":");
		doc_print_time(node->updated_ms, has_long_times, out);
		if (with_version)
			buf_printf(out, ",\"$lastUpdatedVersion\":%u", node->version);
		before = ',';
	}
	if (node->kind == DOC_OBJECT)
		for (const struct doc_node *child = node->u.first; child != NULL; child = child->next) {
			if (!child->has_metadata)
				continue;
			buf_putc(out, before);
			buf_json(out, docs_text(docs, child->name));
			buf_putc(out, ':');
			doc_print_metadata(docs, child, with_version, has_long_times, out);
			before = ',';
		}
	buf_puts(out, before == '{' ? "{}" : "}");
}

size_t doc_bytes(const struct docs *docs, const struct doc_node *node)
{
	char scratch[TIME_TEXT_SIZE];
	size_t n = node->name > 0 ? strlen(docs_text(docs, node->name)) : 0;

	if (has_children(node)) {
		for (const struct doc_node *child = node->u.first; child != NULL; child = child->next)
			n += doc_bytes(docs, child);
		return n;
	}
	if (node->kind == DOC_INT || node->kind == DOC_REAL)
		return n + 8;
	if (node->kind == DOC_TRUE || node->kind == DOC_FALSE)
		return n + 4;
	return node->kind == DOC_NULL ? n : n + strlen(doc_string(docs, node, scratch));
}

static bool key_is_sound(const char *key)
{
	if (*key == '\0' || strlen(key) > KEY_BYTES_MAX)
		return false;
	for (; *key != '\0'; key++)
		if ((unsigned char)*key < 0x20 || *key == 0x7f || strchr(".$ #", *key) != NULL)
			return false;
	return true;
}

static bool value_is_sound(const json_t *json, int depth, bool in_array)
{
	const char *key;
	json_t *value;
	size_t i;

	switch (json_typeof(json)) {
	case JSON_OBJECT:
		if (depth > DEPTH_MAX)
			return false;
		json_object_foreach ((json_t *)(uintptr_t)json, key, value)
			if (!key_is_sound(key) || !value_is_sound(value, depth + 1, false))
				return false;
		return true;
	case JSON_ARRAY:
		if (depth > DEPTH_MAX)
			return false;
		json_array_foreach (json, i, value)
			if (!value_is_sound(value, depth + 1, true))
				return false;
		return true;
	case JSON_STRING:
		return json_string_length(json) <= STRING_BYTES_MAX;
	case JSON_INTEGER:
		return json_integer_value(json) >= INTEGER_MIN && json_integer_value(json) <= INTEGER_MAX;
	case JSON_NULL:
		return !in_array;
	case JSON_REAL:
	case JSON_TRUE:
	case JSON_FALSE:
		break;
	}
	return true;
}

bool doc_may_hold(const json_t *json)
{
	return json_is_object(json) && value_is_sound(json, 1, false);
}
