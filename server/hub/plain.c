/* hub: see plain.h */
#include "server/hub/plain.h"

#include <string.h>

#include "server/base/buf.h"

#define DEPTH_MAX 8
#define DIGITS_MAX 18 /* any such number fits int64_t */

static const char *behind_white(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
		at++;
	return at;
}

bool plain_skip(const char **at, const char *end, char c)
{
	const char *next = behind_white(*at, end);

	if (next == end || *next != c)
		return false;
	*at = next + 1;
	return true;
}

bool plain_is_over(const char *at, const char *end)
{
	return behind_white(at, end) == end;
}

/* Whether one of eight bytes is none of those that may stand in a plain text; may say so of others, too. */
static bool may_end(uint64_t eight)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones * 0x80;
	uint64_t quote = eight ^ (ones * '"'), slash = eight ^ (ones * '\\');

	return ((eight | (eight - ones * ' ') | (eight + ones) | ((quote - ones) & ~quote) |
	         ((slash - ones) & ~slash)) &
	        highs) != 0;
}

/* at is behind the first quote. */
static bool read_string(const char **at, const char *end, const char **ret_text, size_t *ret_n)
{
	const char *c = *at;
	uint64_t eight;

	for (; end - c >= (ptrdiff_t)sizeof eight; c += sizeof eight) {
		memcpy(&eight, c, sizeof eight);
		if (may_end(eight))
			break;
	}
	while (c < end && *c >= ' ' && *c <= '~' && *c != '"' && *c != '\\')
		c++;
	if (c == end || *c != '"')
		return false;
	*ret_text = *at;
	*ret_n = (size_t)(c - *at);
	*at = c + 1;
	return true;
}

static bool read_integer(const char **at, const char *end, struct plain *ret)
{
	const char *c = *at, *digits;
	bool is_negative = *c == '-';
	int64_t n = 0;

	digits = c += is_negative;
	while (c < end && *c >= '0' && *c <= '9' && c - digits < DIGITS_MAX)
		n = n * 10 + (*c++ - '0');
	if (c == digits || (*digits == '0' && (c > digits + 1 || is_negative)) ||
	    (c < end && (*c == '.' || *c == 'e' || *c == 'E' || (*c >= '0' && *c <= '9'))))
		return false;
	*ret = (struct plain){
	        .type = PLAIN_INTEGER, .text = *at, .n = (size_t)(c - *at), .integer = is_negative ? -n : n};
	*at = c;
	return true;
}

static bool read_word(const char **at, const char *end, const char *word, enum plain_type type,
                      struct plain *ret)
{
	size_t n = strlen(word);

	if ((size_t)(end - *at) < n || memcmp(*at, word, n) != 0)
		return false;
	*ret = (struct plain){.type = type, .text = *at, .n = n};
	*at += n;
	return true;
}

static bool read_object(const char **at, const char *end, unsigned depth, struct plain_object *ret);
static bool read_array(const char **at, const char *end, unsigned depth);

static bool read_value(const char **at, const char *end, unsigned depth, struct plain *ret)
{
	struct plain_object inner;
	const char *from;

	*at = from = behind_white(*at, end);
	if (from == end)
		return false;
	switch (*from) {
	case '"':
		ret->type = PLAIN_STRING;
		++*at;
		return read_string(at, end, &ret->text, &ret->n);
	case '{':
		ret->type = PLAIN_OBJECT;
		if (depth == 0 || !read_object(at, end, depth - 1, &inner))
			return false;
		break;
	case '[':
		ret->type = PLAIN_ARRAY;
		if (depth == 0 || !read_array(at, end, depth - 1))
			return false;
		break;
	case 'n':
		return read_word(at, end, "null", PLAIN_NULL, ret);
	case 't':
		return read_word(at, end, "true", PLAIN_TRUE, ret);
	case 'f':
		return read_word(at, end, "false", PLAIN_FALSE, ret);
	default:
		return read_integer(at, end, ret);
	}
	ret->text = from;
	ret->n = (size_t)(*at - from);
	return true;
}

static bool read_array(const char **at, const char *end, unsigned depth)
{
	struct plain element;

	if (!plain_skip(at, end, '['))
		return false;
	if (plain_skip(at, end, ']'))
		return true;
	do
		if (!read_value(at, end, depth, &element))
			return false;
	while (plain_skip(at, end, ','));
	return plain_skip(at, end, ']');
}

static bool has_name(const struct plain_object *o, const char *name, size_t n)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->members[i].name_n == n && memcmp(o->members[i].name, name, n) == 0)
			return true;
	return false;
}

static bool read_object(const char **at, const char *end, unsigned depth, struct plain_object *ret)
{
	ret->n = ret->next = 0;
	if (!plain_skip(at, end, '{'))
		return false;
	if (plain_skip(at, end, '}'))
		return true;
	do {
		struct member *m = &ret->members[ret->n];

		if (ret->n == PLAIN_MEMBERS_MAX || !plain_skip(at, end, '"') ||
		    !read_string(at, end, &m->name, &m->name_n) || has_name(ret, m->name, m->name_n) ||
		    !plain_skip(at, end, ':') || !read_value(at, end, depth, &m->value))
			return false;
		ret->n++;
	} while (plain_skip(at, end, ','));
	return plain_skip(at, end, '}');
}

bool plain_value(const char **at, const char *end, struct plain *ret)
{
	return read_value(at, end, DEPTH_MAX, ret);
}

bool plain_object(const char **at, const char *end, struct plain_object *ret)
{
	return read_object(at, end, DEPTH_MAX - 1, ret);
}

const struct plain *plain_get(struct plain_object *o, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < o->n; i++) {
		size_t at = o->next + i < o->n ? o->next + i : o->next + i - o->n;

		if (o->members[at].name_n == n && memcmp(o->members[at].name, name, n) == 0) {
			o->next = at + 1 < o->n ? at + 1 : 0;
			return &o->members[at].value;
		}
	}
	return NULL;
}

void plain_put(const struct plain *value, struct buf *out)
{
	bool is_text = value->type == PLAIN_STRING;

	if (is_text)
		buf_putc(out, '"');
	if (value->type < PLAIN_OBJECT)
		buf_put(out, value->text, value->n);
	for (size_t i = 0; value->type >= PLAIN_OBJECT && i < value->n; i++) {
		char c = value->text[i];

		is_text = c == '"' ? !is_text : is_text;
		if (is_text || c > ' ')
			buf_putc(out, c);
	}
	if (value->type == PLAIN_STRING)
		buf_putc(out, '"');
}
