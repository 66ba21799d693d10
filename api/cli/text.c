/* api/cli: see text.h */
#include "api/cli/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "server/base/clock.h"

#define SECOND_MS 1000
#define MINUTE_MS (60 * (int64_t)SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

void text_count(struct buf *out, int64_t n)
{
	char digits[24];
	int len = snprintf(digits, sizeof digits, "%" PRId64, n);

	for (int i = 0; i < len; i++) {
		buf_putc(out, digits[i]);
		if (digits[i] != '-' && i + 1 < len && (len - i - 1) % 3 == 0)
			buf_putc(out, ',');
	}
}

static void put_two(struct buf *out, int64_t ms, int64_t unit_ms, const char *unit, int64_t less_ms,
                    const char *less)
{
	buf_printf(out, "%" PRId64 " %s", ms / unit_ms, unit);
	if (ms % unit_ms / less_ms > 0)
		buf_printf(out, " %" PRId64 " %s", ms % unit_ms / less_ms, less);
}

void text_span(struct buf *out, int64_t ms)
{
	if (ms < 0)
		ms = 0;
	if (ms < 2 * MINUTE_MS)
		buf_printf(out, "%" PRId64 " s", ms / SECOND_MS);
	else if (ms < HOUR_MS)
		buf_printf(out, "%" PRId64 " min", ms / MINUTE_MS);
	else if (ms < DAY_MS)
		put_two(out, ms, HOUR_MS, "h", MINUTE_MS, "min");
	else
		put_two(out, ms, DAY_MS, "d", HOUR_MS, "h");
}

void text_time(struct buf *out, int64_t at_ms, int64_t now_ms)
{
	time_t at = (time_t)(at_ms / 1000), now = (time_t)(now_ms / 1000);
	struct tm then, today;
	char text[32];

	if (at_ms == TIME_NONE) {
		buf_putc(out, '-');
		return;
	}
	localtime_r(&at, &then); /* the years of 64 bits of milliseconds are an int's */
	localtime_r(&now, &today);
	strftime(text, sizeof text,
	         then.tm_year == today.tm_year && then.tm_yday == today.tm_yday ? "%H:%M:%S"
	                                                                        : "%Y-%m-%d %H:%M",
	         &then);
	buf_puts(out, text);
}

/* C0, DEL, and C1 as UTF-8 has it (U+0080 … U+009F). */
void text_plain(struct buf *out, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	for (; *at != '\0'; at++) {
		bool is_c1 = at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0;

		if (*at >= ' ' && *at != 0x7f && !is_c1) {
			buf_putc(out, (char)*at);
			continue;
		}
		buf_putc(out, '?');
		at += is_c1;
	}
}

void text_bar(struct buf *out, uint32_t width, int64_t done, int64_t total, bool is_ascii)
{
	static const char *const eighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	uint32_t parts = total > 0 ? (uint32_t)(done * width * 8 / total) : 0;

	for (uint32_t i = 0; i < width; i++) {
		uint32_t part = parts > i * 8 ? parts - i * 8 : 0;

		if (is_ascii)
			buf_putc(out, part >= 8 ? '#' : '.');
		else
			buf_puts(out, part >= 8 ? "█" : part > 0 ? eighths[part] : "░");
	}
}

/* Gives the length of the escape sequence at text, 0 where there is none. */
static size_t escape_len(const char *text, size_t n)
{
	size_t len = 2;

	if (n < 2 || text[0] != '\033' || text[1] != '[')
		return 0;
	while (len < n && (text[len] < '@' || text[len] > '~'))
		len++;
	return len < n ? len + 1 : n;
}

size_t text_columns(const char *text, size_t n)
{
	size_t columns = 0, escape;

	for (size_t i = 0; i < n; i++) {
		if ((escape = escape_len(text + i, n - i)) > 0)
			i += escape - 1;
		else
			columns += ((unsigned char)text[i] & 0xc0) != 0x80;
	}
	return columns;
}

void text_cut(struct buf *out, size_t from, size_t columns)
{
	size_t to = from, seen = 0, escape;

	for (size_t i = from; i < out->len; i++) {
		if ((escape = escape_len(out->data + i, out->len - i)) > 0) {
			memmove(out->data + to, out->data + i, escape);
			to += escape;
			i += escape - 1;
			continue;
		}
		seen += ((unsigned char)out->data[i] & 0xc0) != 0x80;
		if (seen <= columns)
			out->data[to++] = out->data[i];
	}
	if (out->data != NULL)
		out->data[to] = '\0';
	out->len = to;
}
