/* api/cli/text: numbers, times and bars as people read them. Pure. */
#ifndef ROLLCALL_API_CLI_TEXT_H
#define ROLLCALL_API_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"

/* "1,234,567" */
void text_count(struct buf *out, int64_t n);
/* "45 s" "4 min" "3 h 20 min" "2 d 4 h" */
void text_span(struct buf *out, int64_t ms);
/* Local time: "02:13:45" on the day of now, else "2026-12-01 02:13"; "-" for TIME_NONE. */
void text_time(struct buf *out, int64_t at_ms, int64_t now_ms);
/* Text that came from elsewhere, without what a terminal would obey. */
void text_plain(struct buf *out, const char *text);
/* A bar of width characters, of which done of total are full; is_ascii: without block characters. */
void text_bar(struct buf *out, uint32_t width, int64_t done, int64_t total, bool is_ascii);
/* How many columns the first n bytes of text take: characters of UTF-8, without escape sequences. */
size_t text_columns(const char *text, size_t n);
/* Cuts what was put behind from down to so many columns; an escape sequence is kept. */
void text_cut(struct buf *out, size_t from, size_t columns);

#endif
