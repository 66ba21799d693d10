/* base: see buf.h */
#include "server/base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *p)
{
	if (p == NULL) {
		fputs("rollcall: out of memory\n", stderr);
		abort();
	}
	return p;
}

void *xmalloc(size_t n)
{
	return checked(malloc(n > 0 ? n : 1));
}

void *xcalloc(size_t n, size_t size)
{
	return checked(calloc(n > 0 ? n : 1, size > 0 ? size : 1));
}

void *xrealloc(void *p, size_t n)
{
	return checked(realloc(p, n > 0 ? n : 1));
}

char *xstrdup(const char *s)
{
	return checked(strdup(s));
}

char *xstrndup(const char *s, size_t n)
{
	return checked(strndup(s, n));
}

void buf_init(struct buf *b)
{
	*b = (struct buf)BUF_INIT;
}

void buf_done(struct buf *b)
{
	free(b->data);
	buf_init(b);
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	if (b->data != NULL)
		b->data[0] = '\0';
}

char *buf_reserve(struct buf *b, size_t n)
{
	size_t need = b->len + n + 1;

	if (need > b->size) {
		size_t size = b->size > 0 ? b->size : 64;

		while (size < need)
			size *= 2;
		b->data = xrealloc(b->data, size);
		b->size = size;
	}
	return b->data + b->len;
}

void buf_put(struct buf *b, const void *data, size_t n)
{
	char *at = buf_reserve(b, n);

	if (n > 0)
		memcpy(at, data, n);
	b->len += n;
	b->data[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
	buf_put(b, &c, 1);
}

void buf_dec(struct buf *b, uint64_t n)
{
	char digits[20], *at = digits + sizeof digits;

	do
		*--at = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	buf_put(b, at, (size_t)(digits + sizeof digits - at));
}

void buf_printf(struct buf *b, const char *format, ...)
{
	va_list ap, again;
	int n;

	va_start(ap, format);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (n > 0) {
		vsnprintf(buf_reserve(b, (size_t)n), (size_t)n + 1, format, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

/* Gives the length of the valid UTF-8 sequence at s (RFC 3629: shortest form, no surrogates), 0 if there is
 * none. */
static size_t utf8_sequence(const unsigned char *s, size_t n)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf) {
		len = 2;
	} else if (s[0] >= 0xe0 && s[0] <= 0xef) {
		len = 3;
		low = s[0] == 0xe0 ? 0xa0 : 0x80;
		high = s[0] == 0xed ? 0x9f : 0xbf;
	} else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		len = 4;
		low = s[0] == 0xf0 ? 0x90 : 0x80;
		high = s[0] == 0xf4 ? 0x8f : 0xbf;
	} else {
		return 0;
	}
	if (n < len || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return len;
}

void buf_json_n(struct buf *b, const char *s, size_t n)
{
	const unsigned char *at = (const unsigned char *)s, *end = at + n;

	buf_putc(b, '"');
	while (at < end) {
		const unsigned char *plain = at;

		while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
			at++;
		buf_put(b, plain, (size_t)(at - plain));
		if (at == end)
			break;
		if (*at == '"' || *at == '\\') {
			buf_putc(b, '\\');
			buf_putc(b, (char)*at++);
		} else if (*at == '\n') {
			buf_puts(b, "\\n");
			at++;
		} else if (*at == '\t') {
			buf_puts(b, "\\t");
			at++;
		} else if (*at < 0x20) {
			buf_printf(b, "\\u%04x", *at++);
		} else {
			size_t len = utf8_sequence(at, (size_t)(end - at));

			if (len == 0) {
				buf_puts(b, "\\ufffd");
				at++;
			} else {
				buf_put(b, at, len);
				at += len;
			}
		}
	}
	buf_putc(b, '"');
}

void buf_json(struct buf *b, const char *s)
{
	buf_json_n(b, s, strlen(s));
}

void buf_put_u8(struct buf *b, uint8_t v)
{
	buf_put(b, &v, 1);
}

static void put_little_endian(struct buf *b, uint64_t v, size_t bytes)
{
	unsigned char raw[8];

	for (size_t i = 0; i < bytes; i++)
		raw[i] = (unsigned char)(v >> (8 * i));
	buf_put(b, raw, bytes);
}

void buf_put_u32(struct buf *b, uint32_t v)
{
	put_little_endian(b, v, 4);
}

void buf_put_u64(struct buf *b, uint64_t v)
{
	put_little_endian(b, v, 8);
}

void buf_put_str(struct buf *b, const char *s)
{
	size_t n;

	if (s == NULL) {
		buf_put_u32(b, UINT32_MAX);
		return;
	}
	n = strlen(s);
	buf_put_u32(b, (uint32_t)n);
	buf_put(b, s, n);
}

char *buf_take(struct buf *b)
{
	char *data;

	buf_reserve(b, 0);
	data = b->data;
	data[b->len] = '\0';
	buf_init(b);
	return data;
}

static uint64_t get_little_endian(struct cursor *c, size_t bytes)
{
	uint64_t v = 0;

	if (c->failed || (size_t)(c->end - c->at) < bytes) {
		c->failed = 1;
		return 0;
	}
	for (size_t i = 0; i < bytes; i++)
		v |= (uint64_t)(unsigned char)c->at[i] << (8 * i);
	c->at += bytes;
	return v;
}

uint8_t cursor_u8(struct cursor *c)
{
	return (uint8_t)get_little_endian(c, 1);
}

uint32_t cursor_u32(struct cursor *c)
{
	return (uint32_t)get_little_endian(c, 4);
}

uint64_t cursor_u64(struct cursor *c)
{
	return get_little_endian(c, 8);
}

const char *cursor_str(struct cursor *c, size_t *ret_len)
{
	uint32_t n = cursor_u32(c);
	const char *s = c->at;

	*ret_len = 0;
	if (c->failed || n == UINT32_MAX)
		return NULL;
	if ((size_t)(c->end - c->at) < n) {
		c->failed = 1;
		return NULL;
	}
	c->at += n;
	*ret_len = n;
	return s;
}

char *cursor_strdup(struct cursor *c)
{
	size_t n;
	const char *s = cursor_str(c, &n);

	return s != NULL ? xstrndup(s, n) : NULL;
}
