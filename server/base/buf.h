/* buf: a growing byte buffer, always ended by a NUL that is not counted. Running out of memory aborts: what
 * is put here has been limited by whoever read it. */
#ifndef ROLLCALL_SERVER_BASE_BUF_H
#define ROLLCALL_SERVER_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;  /* NULL until something is put */
	size_t len;  /* bytes in use, without the NUL */
	size_t size; /* bytes allocated */
};

#define BUF_INIT \
	{ \
		NULL, 0, 0 \
	}

void buf_init(struct buf *b);
void buf_done(struct buf *b);
/* Empties b, keeps its memory. */
void buf_reset(struct buf *b);
/* Makes room for n more bytes and gives where they start; b->len does not move. */
char *buf_reserve(struct buf *b, size_t n);
void buf_put(struct buf *b, const void *data, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3), nonnull(2)));
/* Appends a number in decimal, at a tenth of what buf_printf() costs. */
void buf_dec(struct buf *b, uint64_t n);
/* Appends s as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void buf_json(struct buf *b, const char *s);
void buf_json_n(struct buf *b, const char *s, size_t n);
/* Little-endian numbers and length-prefixed strings, for packed records. */
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_put_str(struct buf *b, const char *s); /* u32 length + bytes; NULL is written as length UINT32_MAX */
/* Gives the text (never NULL), now yours to free(); b is empty afterwards. */
char *buf_take(struct buf *b);

/* Reads packed records back. Past the end every reader gives 0/NULL and sets failed. */
struct cursor {
	const char *at, *end;
	int failed;
};
uint8_t cursor_u8(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);
/* Gives a borrowed, not NUL-ended string; NULL where NULL was put or on failure. */
const char *cursor_str(struct cursor *c, size_t *ret_len);
/* Gives a copy, yours to free(); NULL where NULL was put or on failure. */
char *cursor_strdup(struct cursor *c);

/* malloc family that aborts when memory is out: for small things of fixed size. */
void *xmalloc(size_t n);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);

#endif
