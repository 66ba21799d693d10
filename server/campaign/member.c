/* campaign: see member.h */
#include "server/campaign/member.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/base/clock.h"

#define NO_INDEX SIZE_MAX

static void wrong(const struct section *s, const char *name, size_t index, const char *format, va_list ap)
        __attribute__((format(printf, 4, 0)));
static void wrong(const struct section *s, const char *name, size_t index, const char *format, va_list ap)
{
	char pointer[128], detail[1024];

	vsnprintf(detail, sizeof detail, format, ap);
	if (index == NO_INDEX) {
		snprintf(pointer, sizeof pointer, "%s/%s", s->pointer, name);
		faults_add(s->faults, pointer, "%s %s", name, detail);
	} else {
		snprintf(pointer, sizeof pointer, "%s/%s/%zu", s->pointer, name, index);
		faults_add(s->faults, pointer, "%s[%zu] %s", name, index, detail);
	}
}

void member_wrong(const struct section *s, const char *name, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	wrong(s, name, NO_INDEX, format, ap);
	va_end(ap);
}

void member_wrong_at(const struct section *s, const char *name, size_t index, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	wrong(s, name, index, format, ap);
	va_end(ap);
}

/* Cuts a long text between two of its characters. */
static const char *given_text(const char *text, size_t len, char out[GIVEN_SIZE])
{
	size_t n = 40;

	if (len <= n) {
		snprintf(out, GIVEN_SIZE, "\"%s\"", text);
		return out;
	}
	while (((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	snprintf(out, GIVEN_SIZE, "\"%.*s…\"", (int)n, text);
	return out;
}

const char *member_given(const json_t *json, char out[GIVEN_SIZE])
{
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return given_text(json_string_value(json), json_string_length(json), out);
	case JSON_INTEGER:
		snprintf(out, GIVEN_SIZE, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
		return out;
	case JSON_REAL:
		snprintf(out, GIVEN_SIZE, "%.15g", json_real_value(json));
		if (strpbrk(out, ".e") == NULL)
			snprintf(out, GIVEN_SIZE, "%.1f", json_real_value(json));
		return out;
	case JSON_TRUE:
		return "true";
	case JSON_FALSE:
		return "false";
	case JSON_NULL:
	default:
		return "null";
	}
}

static json_t *get(const struct section *s, const char *name)
{
	return json_object_get(s->json, name);
}

bool member_is_there(const struct section *s, const char *name)
{
	return get(s, name) != NULL;
}

static void wrong_type(const struct section *s, const char *name, const char *right, const json_t *given)
{
	char text[GIVEN_SIZE];

	member_wrong(s, name, "must be %s, not %s", right, member_given(given, text));
}

void member_pointer(const char *name, struct buf *pointer)
{
	buf_putc(pointer, '/');
	for (; *name != '\0'; name++) {
		if (*name == '~' || *name == '/')
			buf_puts(pointer, *name == '~' ? "~0" : "~1");
		else
			buf_putc(pointer, *name);
	}
}

/* Adds the fault at an unknown member; its name may be anything. */
static void unknown(const struct section *s, const char *name, const struct known *known, size_t n)
{
	struct buf pointer = BUF_INIT, names = BUF_INIT;

	buf_puts(&pointer, s->pointer);
	member_pointer(name, &pointer);
	for (size_t i = 0; i < n; i++)
		buf_printf(&names, "%s%s", names.len > 0 ? ", " : "", known[i].name);
	faults_add(s->faults, pointer.data, "unknown member \"%.100s\": %s has %s", name,
	           s->pointer[0] == '\0' ? "a campaign" : s->pointer + 1, names.data);
	buf_done(&pointer);
	buf_done(&names);
}

void member_check(const struct section *s, const struct known *known, size_t n)
{
	for (void *at = json_object_iter(s->json); at != NULL; at = json_object_iter_next(s->json, at)) {
		const char *name = json_object_iter_key(at);
		size_t k = 0;

		while (k < n && strcmp(known[k].name, name) != 0)
			k++;
		if (k == n)
			unknown(s, name, known, n);
	}
}

const char *member_text_of(const json_t *json)
{
	const char *text = json_string_value(json);

	return text != NULL && strlen(text) == json_string_length(json) ? text : NULL;
}

bool member_section(const struct section *s, const char *name, struct section *ret)
{
	json_t *json = get(s, name);
	int n;

	if (json == NULL)
		return false;
	if (json_typeof(json) != JSON_OBJECT) {
		wrong_type(s, name, "an object", json);
		return false;
	}
	*ret = (struct section){"", json, s->faults};
	n = snprintf(ret->pointer, POINTER_SIZE, "%s/%s", s->pointer, name);
	assert(n < POINTER_SIZE);
	return true;
}

bool member_item(const struct section *s, const char *name, size_t index, json_t *item, struct section *ret)
{
	char given[GIVEN_SIZE];
	int n;

	if (json_typeof(item) != JSON_OBJECT) {
		member_wrong_at(s, name, index, "must be an object, not %s", member_given(item, given));
		return false;
	}
	*ret = (struct section){"", item, s->faults};
	n = snprintf(ret->pointer, POINTER_SIZE, "%s/%s/%zu", s->pointer, name, index);
	assert(n < POINTER_SIZE);
	return true;
}

static bool whole(const struct section *s, const char *name, int64_t min, int64_t max, int64_t *ret)
{
	json_t *json = get(s, name);
	char given[GIVEN_SIZE];

	if (json == NULL)
		return false;
	if (json_typeof(json) != JSON_INTEGER || json_integer_value(json) < min ||
	    json_integer_value(json) > max) {
		member_wrong(s, name, "must be a whole number from %" PRId64 " to %" PRId64 ", not %s", min,
		             max, member_given(json, given));
		return false;
	}
	*ret = json_integer_value(json);
	return true;
}

bool member_u32(const struct section *s, const char *name, uint32_t min, uint32_t max, uint32_t *ret)
{
	int64_t value;

	if (!whole(s, name, min, max, &value))
		return false;
	*ret = (uint32_t)value;
	return true;
}

bool member_u64(const struct section *s, const char *name, uint64_t max, uint64_t *ret)
{
	int64_t value;

	if (!whole(s, name, 0, (int64_t)max, &value))
		return false;
	*ret = (uint64_t)value;
	return true;
}

bool member_flag(const struct section *s, const char *name, bool *ret)
{
	json_t *json = get(s, name);

	if (json == NULL)
		return false;
	if (json_typeof(json) != JSON_TRUE && json_typeof(json) != JSON_FALSE) {
		wrong_type(s, name, "true or false", json);
		return false;
	}
	*ret = json_typeof(json) == JSON_TRUE;
	return true;
}

bool member_text(const struct section *s, const char *name, const char **ret)
{
	json_t *json = get(s, name);

	if (json == NULL)
		return false;
	if (member_text_of(json) == NULL) {
		if (json_typeof(json) == JSON_STRING)
			member_wrong(s, name, "must not hold a NUL character");
		else
			wrong_type(s, name, "a text", json);
		return false;
	}
	*ret = member_text_of(json);
	return true;
}

bool member_choice(const struct section *s, const char *name, const char *const *choices, size_t *ret)
{
	json_t *json = get(s, name);
	const char *text = member_text_of(json);
	struct buf right = BUF_INIT;

	if (json == NULL)
		return false;
	for (size_t i = 0; text != NULL && choices[i] != NULL; i++) {
		if (strcmp(choices[i], text) == 0) {
			*ret = i;
			return true;
		}
	}
	for (size_t i = 0; choices[i] != NULL; i++) {
		if (i > 0)
			buf_puts(&right, choices[i + 1] != NULL ? ", " : " or ");
		buf_printf(&right, "\"%s\"", choices[i]);
	}
	wrong_type(s, name, right.data, json);
	buf_done(&right);
	return false;
}

bool member_time(const struct section *s, const char *name, int64_t *ret_ms)
{
	json_t *json = get(s, name);
	const char *text = member_text_of(json);

	if (json == NULL)
		return false;
	if (text == NULL || !time_parse(text, strlen(text), false, ret_ms)) {
		wrong_type(s, name, "a time like \"2026-12-01T02:00:00Z\" (RFC 3339)", json);
		return false;
	}
	return true;
}

bool member_list(const struct section *s, const char *name, size_t min, size_t max, json_t **ret)
{
	json_t *json = get(s, name);

	if (json == NULL)
		return false;
	if (json_typeof(json) != JSON_ARRAY) {
		wrong_type(s, name, "a list", json);
		return false;
	}
	if (json_array_size(json) < min || json_array_size(json) > max) {
		member_wrong(s, name, "must have %zu to %zu items, not %zu", min, max, json_array_size(json));
		return false;
	}
	*ret = json;
	return true;
}
