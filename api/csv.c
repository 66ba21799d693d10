/* api: see csv.h */
#include "api/csv.h"

#include <inttypes.h>
#include <string.h>

#include "server/base/clock.h"

/* What makes a spreadsheet take a cell for a formula (OWASP, CSV Injection, 2024), and our own guard. */
static const char formula[] = "=+-@\t\r'";
/* What has to stand in quotes; ; and tab for spreadsheets that separate cells by these. */
static const char special[] = ",;\"\t\r\n";

/* Every cell has a comma behind it until the record ends. */
static void put_cell(struct buf *out, const char *cell)
{
	buf_puts(out, cell);
	buf_putc(out, ',');
}

bool csv_is_guarded(const char *cell)
{
	return cell[0] == '\'' && cell[1] != '\0' && strchr(formula, cell[1]) != NULL;
}

void csv_text(struct buf *out, const char *text)
{
	bool is_quoted;

	if (text == NULL || text[0] == '\0') {
		put_cell(out, "");
		return;
	}
	is_quoted = strpbrk(text, special) != NULL || text[0] == ' ' || text[strlen(text) - 1] == ' ';
	if (is_quoted)
		buf_putc(out, '"');
	if (strchr(formula, text[0]) != NULL)
		buf_putc(out, '\'');
	for (; *text != '\0'; text++) {
		if (*text == '"')
			buf_putc(out, '"');
		buf_putc(out, *text);
	}
	put_cell(out, is_quoted ? "\"" : "");
}

void csv_number(struct buf *out, int64_t n)
{
	buf_printf(out, "%" PRId64 ",", n);
}

void csv_time(struct buf *out, int64_t at_ms)
{
	char text[TIME_TEXT_SIZE];

	put_cell(out, at_ms != TIME_NONE ? time_text(at_ms, text) : "");
}

void csv_end(struct buf *out)
{
	out->len--; /* the comma */
	buf_puts(out, "\r\n");
}
