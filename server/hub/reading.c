/* hub: see reading.h */
#include "server/hub/reading.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "server/base/clock.h"
#include "server/base/hash.h"
#include "server/hub/plain.h"
#include "server/hub/where.h"

#define NAMES_MAX 32 /* a twin is at most 10 deep (contract 3.3) */
#define SHOWN_BYTES_MAX 1024

/* Names below properties.reported; n is 0 where nothing is watched. */
struct path {
	size_t n;
	char *names[NAMES_MAX];
};

struct watch {
	struct path value, status, echo, boot, group, zone; /* group, zone: below tags */
	struct where *success, *failure, *precheck;
	char *candidates;
	bool counts;
};

/* --- paths --- */

static void path_done(struct path *p)
{
	while (p->n > 0)
		free(p->names[--p->n]);
}

/* Gives the bytes of the name at *at and moves on behind it; 0: there is none. */
static size_t take_name(const char **at, const char **ret_name)
{
	size_t n;

	if (strncmp(*at, "[[", 2) == 0) {
		const char *end = strstr(*at + 2, "]]");

		if (end == NULL)
			return 0;
		*ret_name = *at + 2;
		*at = end + 2;
		return (size_t)(end - *ret_name);
	}
	n = strcspn(*at, ".[] \t\r\n'\"");
	*ret_name = *at;
	*at += n;
	return n;
}

/* NULL is the path to nothing. ret has to be empty; what it holds after a failure is for path_done(). */
static enum err path_parse(const char *text, struct path *ret)
{
	const char *name;

	if (text == NULL)
		return ERR_OK;
	for (;;) {
		size_t n = ret->n < NAMES_MAX ? take_name(&text, &name) : 0;

		if (n == 0)
			return ERR_INVALID;
		ret->names[ret->n++] = xstrndup(name, n);
		if (*text == '\0')
			return ERR_OK;
		if (*text++ != '.')
			return ERR_INVALID;
	}
}

/* Words that a query may not take for a name (contract 4.2). */
static bool is_reserved(const char *name)
{
	static const char *const words[] = {
	        "and", "as",    "avg",    "by",         "count", "false", "from",     "group", "in",
	        "max", "min",   "nin",    "not",        "null",  "or",    "order",    "sum",   "true",
	        "top", "value", "select", "is_defined", "where", "join",  "undefined"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcasecmp(name, words[i]) == 0)
			return true;
	return false;
}

static bool is_plain(const char *name)
{
	if (isdigit((unsigned char)*name) || is_reserved(name))
		return false;
	while (*name == '_' || (isalnum((unsigned char)*name) && isascii(*name)))
		name++;
	return *name == '\0';
}

/* Appends the first n names, each after a dot. */
static void put_names(const struct path *p, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(out, is_plain(p->names[i]) ? ".%s" : ".[[%s]]", p->names[i]);
}

/* --- the watch --- */

static enum err predicate_parse(const char *text, struct where **ret)
{
	const char *reason;
	size_t at;

	if (text == NULL)
		return ERR_OK;
	*ret = where_parse(text, strlen(text), &at, &reason);
	return *ret != NULL ? ERR_OK : ERR_INVALID;
}

static enum err group_parse(const char *text, struct path *ret)
{
	if (text == NULL)
		return ERR_OK;
	return strncmp(text, "tags.", 5) == 0 ? path_parse(text + 5, ret) : ERR_INVALID;
}

static char *candidates_of(const struct watch_options *options)
{
	struct buf text = BUF_INIT;

	if (options->watches_link)
		return xstrdup("connectionState = 'Connected' OR connectionState = 'Disconnected'");
	if (options->success == NULL && options->failure == NULL)
		return NULL;
	if (options->success != NULL)
		buf_printf(&text, "(%s)", options->success);
	if (options->failure != NULL)
		buf_printf(&text, "%s(%s)", text.len > 0 ? " OR " : "", options->failure);
	return buf_take(&text);
}

enum err watch_new(const struct watch_options *options, struct watch **ret)
{
	struct watch *w = xcalloc(1, sizeof *w);

	if (path_parse(options->value_path, &w->value) != ERR_OK ||
	    path_parse(options->status_path, &w->status) != ERR_OK ||
	    path_parse(options->echo_path, &w->echo) != ERR_OK ||
	    path_parse(options->boot_path, &w->boot) != ERR_OK ||
	    predicate_parse(options->success, &w->success) != ERR_OK ||
	    group_parse(options->group_path, &w->group) != ERR_OK ||
	    group_parse(options->zone_path, &w->zone) != ERR_OK ||
	    predicate_parse(options->failure, &w->failure) != ERR_OK ||
	    predicate_parse(options->precheck, &w->precheck) != ERR_OK) {
		watch_free(w);
		return ERR_INVALID;
	}
	w->candidates = candidates_of(options);
	w->counts = options->counts;
	*ret = w;
	return ERR_OK;
}

void watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	path_done(&w->value);
	path_done(&w->status);
	path_done(&w->echo);
	path_done(&w->boot);
	where_free(w->success);
	where_free(w->failure);
	where_free(w->precheck);
	path_done(&w->group);
	path_done(&w->zone);
	free(w->candidates);
	free(w);
}

bool watch_is_in_rows(const struct watch *w)
{
	return w->candidates == NULL;
}

const char *watch_candidates(const struct watch *w)
{
	return w->candidates;
}

/* --- the list after SELECT --- */

static void select_value(const char *section, const struct path *p, const char *alias, struct buf *out)
{
	if (p->n == 0)
		return;
	buf_printf(out, ", %s", section);
	put_names(p, p->n, out);
	buf_printf(out, " AS %s", alias);
}

/* A value may lack $metadata of its own: that of its nearest ancestor counts (contract 3.3). */
static void select_times(const struct path *p, const char *alias, struct buf *out)
{
	for (size_t level = 0; p->n > 0 && level <= p->n; level++) {
		buf_puts(out, ", properties.reported.$metadata");
		put_names(p, level, out);
		buf_printf(out, ".$lastUpdated AS %s%zu", alias, level);
	}
}

void watch_group_by(const struct watch *w, struct buf *out)
{
	if (!w->counts || w->group.n == 0)
		return;
	buf_puts(out, " GROUP BY tags");
	put_names(&w->group, w->group.n, out);
}

void watch_select(const struct watch *w, struct buf *out)
{
	if (w->counts) {
		buf_puts(out, "COUNT() AS n");
		select_value("tags", &w->group, "g", out);
		return;
	}
	buf_puts(out, "deviceId AS deviceId, status AS status, properties.reported.$version AS rv");
	select_value("properties.reported", &w->value, "v", out);
	select_value("properties.reported", &w->status, "s", out);
	select_value("properties.reported", &w->echo, "e", out);
	select_value("properties.reported", &w->boot, "b", out);
	select_value("tags", &w->group, "g", out);
	select_value("tags", &w->zone, "z", out);
	select_times(&w->value, "v", out);
	select_times(&w->boot, "b", out);
}

/* --- values --- */

/* How much of a text is kept. */
static size_t shown(const char *text)
{
	size_t n = strlen(text);

	if (n > SHOWN_BYTES_MAX) {
		n = SHOWN_BYTES_MAX;
		while (((unsigned char)text[n] & 0xc0) == 0x80)
			n--;
	}
	return n;
}

/* Keeps both in one piece of memory. */
static void show(struct seen *ret, const char *json, size_t json_n, const char *text, size_t text_n)
{
	char *kept = xmalloc(json_n + text_n + 2);

	memcpy(kept, json, json_n);
	kept[json_n] = '\0';
	memcpy(kept + json_n + 1, text, text_n);
	kept[json_n + 1 + text_n] = '\0';
	ret->json = kept;
	ret->text = kept + json_n + 1;
}

/* 5.0 is 5: a twin's copy and the index's need not agree in writing it. */
static json_t *settled(const json_t *value)
{
	double real = json_real_value(value);

	if (json_is_real(value) && fabs(real) < 9007199254740992.0 && trunc(real) == real)
		return json_integer((json_int_t)real);
	return json_deep_copy(value);
}

static void see(const json_t *value, struct seen *ret)
{
	const char *own;
	json_t *copy;
	char *text;

	if (value == NULL || json_is_null(value))
		return;
	copy = settled(value);
	text = json_dumps(copy, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(copy);
	if (text == NULL)
		return;
	ret->is_there = true;
	ret->hash = hash64(text, strlen(text));
	own = json_is_string(value) ? json_string_value(value) : text;
	show(ret, text, shown(text), own, shown(own));
	free(text);
}

static void see_time(const json_t *text, struct seen *ret)
{
	int64_t at_ms;

	if (json_is_string(text) &&
	    time_parse(json_string_value(text), json_string_length(text), true, &at_ms))
		ret->at_ms = at_ms;
}

/* --- readings --- */

/* Reads what a twin and a row have in common. */
static enum err begin(const json_t *twin, const json_t *version, struct reading *ret)
{
	const json_t *id = json_object_get(twin, "deviceId");
	const char *status = json_string_value(json_object_get(twin, "status"));

	if (!json_is_string(id) || json_string_length(id) == 0 ||
	    strlen(json_string_value(id)) != json_string_length(id))
		return ERR_INVALID;
	reading_of_absence(json_string_value(id), ret);
	ret->is_there = true;
	ret->is_enabled = status == NULL || strcasecmp(status, "disabled") != 0;
	if (json_integer_value(version) > 0)
		ret->version = (uint64_t)json_integer_value(version);
	return ERR_OK;
}

static enum link link_of(const json_t *state)
{
	const char *text = json_string_value(state);

	if (text == NULL)
		return LINK_UNKNOWN;
	return strcasecmp(text, "Connected") == 0      ? LINK_UP
	       : strcasecmp(text, "Disconnected") == 0 ? LINK_DOWN
	                                               : LINK_UNKNOWN;
}

static void see_in_twin(const json_t *reported, const struct path *p, struct seen *ret)
{
	const json_t *value = reported, *metadata = json_object_get(reported, "$metadata");

	if (p->n == 0)
		return;
	for (size_t i = 0; i < p->n; i++)
		value = json_object_get(value, p->names[i]);
	see(value, ret);
	if (!ret->is_there)
		return;
	see_time(json_object_get(metadata, "$lastUpdated"), ret);
	for (size_t i = 0; i < p->n; i++) {
		metadata = json_object_get(metadata, p->names[i]);
		see_time(json_object_get(metadata, "$lastUpdated"), ret);
	}
}

enum err reading_from_twin(const struct watch *w, const json_t *twin, struct reading *ret)
{
	const json_t *reported = json_object_get(json_object_get(twin, "properties"), "reported");
	enum err err = begin(twin, json_object_get(reported, "$version"), ret);

	if (err != ERR_OK)
		return err;
	see_in_twin(reported, &w->value, &ret->value);
	see_in_twin(reported, &w->status, &ret->status);
	see_in_twin(reported, &w->echo, &ret->echo);
	see_in_twin(reported, &w->boot, &ret->boot);
	see_in_twin(json_object_get(twin, "tags"), &w->group, &ret->group);
	see_in_twin(json_object_get(twin, "tags"), &w->zone, &ret->zone);
	ret->link = link_of(json_object_get(twin, "connectionState"));
	ret->precheck = w->precheck == NULL || where_holds(w->precheck, twin);
	ret->has_predicates = !watch_is_in_rows(w);
	ret->success = w->success != NULL && where_holds(w->success, twin);
	ret->failure = w->failure != NULL && where_holds(w->failure, twin);
	return ERR_OK;
}

static void see_in_row(const json_t *row, const struct path *p, const char *alias, struct seen *ret)
{
	if (p->n == 0)
		return;
	see(json_object_get(row, alias), ret);
	for (size_t level = 0; ret->is_there && level <= p->n; level++) {
		char name[8];

		snprintf(name, sizeof name, "%s%zu", alias, level);
		see_time(json_object_get(row, name), ret);
	}
}

static enum err read_count(const struct watch *w, const json_t *row, struct reading *ret)
{
	const json_t *n = json_object_get(row, "n");

	if (!json_is_integer(n) || json_integer_value(n) < 0 || json_integer_value(n) > UINT32_MAX)
		return ERR_INVALID;
	reading_of_absence("", ret);
	ret->is_point_read = false;
	ret->n = (uint32_t)json_integer_value(n);
	if (w->group.n > 0)
		see(json_object_get(row, "g"), &ret->group);
	return ERR_OK;
}

enum err reading_from_row(const struct watch *w, const json_t *row, struct reading *ret)
{
	enum err err = w->counts ? read_count(w, row, ret) : begin(row, json_object_get(row, "rv"), ret);

	if (err != ERR_OK || w->counts)
		return err;
	ret->is_point_read = false;
	see_in_row(row, &w->value, "v", &ret->value);
	see_in_row(row, &w->status, "s", &ret->status);
	see_in_row(row, &w->echo, "e", &ret->echo);
	see_in_row(row, &w->boot, "b", &ret->boot);
	if (w->group.n > 0)
		see(json_object_get(row, "g"), &ret->group);
	if (w->zone.n > 0)
		see(json_object_get(row, "z"), &ret->zone);
	return ERR_OK;
}

/* --- rows that are written plainly --- */

/* What see() makes of the same value; false: only of a value without parts. */
static bool see_plainly(const struct plain *value, struct seen *ret)
{
	char json[SHOWN_BYTES_MAX];
	bool is_text = value != NULL && value->type == PLAIN_STRING;
	size_t n = 0;

	if (value == NULL || value->type == PLAIN_NULL)
		return true;
	if (value->type >= PLAIN_OBJECT || value->n + 2 > sizeof json)
		return false;
	if (is_text)
		json[n++] = '"';
	memcpy(json + n, value->text, value->n);
	n += value->n;
	if (is_text)
		json[n++] = '"';
	ret->is_there = true;
	ret->hash = hash64(json, n);
	show(ret, json, n, value->text, value->n);
	return true;
}

static bool see_in_plain_row(struct plain_object *row, const struct path *p, const char *alias,
                             bool has_times, struct seen *ret)
{
	const struct plain *at = NULL, *before = NULL;
	char name[] = "xN";

	if (p->n == 0)
		return true;
	if (p->n > 9 || !see_plainly(plain_get(row, alias), ret))
		return false;
	for (size_t level = 0; has_times && ret->is_there && level <= p->n; level++, before = at) {
		name[0] = alias[0];
		name[1] = (char)('0' + level);
		at = plain_get(row, name);
		if (at == NULL || at->type != PLAIN_STRING ||
		    (before != NULL && before->n == at->n && memcmp(before->text, at->text, at->n) == 0))
			continue; /* most often all were updated at once */
		time_parse(at->text, at->n, true, &ret->at_ms);
	}
	return true;
}

bool reading_from_plain_row(const struct watch *w, struct plain_object *row, struct reading *ret)
{
	const struct plain *id = plain_get(row, "deviceId"), *status = plain_get(row, "status"),
	                   *version = plain_get(row, "rv");

	if (w->counts || id == NULL || id->type != PLAIN_STRING || id->n == 0)
		return false;
	reading_of_absence(NULL, ret);
	ret->is_point_read = false;
	ret->is_there = true;
	ret->is_enabled = status == NULL || status->type != PLAIN_STRING || status->n != strlen("disabled") ||
	                  strncasecmp(status->text, "disabled", status->n) != 0;
	if (version != NULL && version->type == PLAIN_INTEGER && version->integer > 0)
		ret->version = (uint64_t)version->integer;
	if (see_in_plain_row(row, &w->value, "v", true, &ret->value) &&
	    see_in_plain_row(row, &w->status, "s", true, &ret->status) &&
	    see_in_plain_row(row, &w->echo, "e", true, &ret->echo) &&
	    see_in_plain_row(row, &w->boot, "b", true, &ret->boot) &&
	    see_in_plain_row(row, &w->group, "g", false, &ret->group) &&
	    see_in_plain_row(row, &w->zone, "z", false, &ret->zone))
		return true;
	reading_done(ret);
	return false;
}

static void seen_done(struct seen *s)
{
	free(s->json); /* text is behind it */
}

void reading_done(struct reading *r)
{
	seen_done(&r->value);
	seen_done(&r->status);
	seen_done(&r->echo);
	seen_done(&r->boot);
	seen_done(&r->group);
	seen_done(&r->zone);
}
