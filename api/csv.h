/* api/csv: records as RFC 4180 has them, in UTF-8, that do no harm in a spreadsheet: a text that one would
 * take for a formula gets an apostrophe before it, and so does one that already looks as if it had. */
#ifndef ROLLCALL_API_CSV_H
#define ROLLCALL_API_CSV_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"

/* Each appends one cell; NULL and TIME_NONE are empty ones. csv_end() ends the record. */
void csv_text(struct buf *out, const char *text);
void csv_number(struct buf *out, int64_t n);
void csv_time(struct buf *out, int64_t at_ms);
void csv_end(struct buf *out);

/* Whether the first character of a cell is such an apostrophe. */
bool csv_is_guarded(const char *cell);

#endif
