/* secret: values that must never be shown. Whoever reads one registers it; log.c asks for every line. */
#ifndef ROLLCALL_SERVER_BASE_SECRET_H
#define ROLLCALL_SERVER_BASE_SECRET_H

#include <stddef.h>
#include <sys/types.h>

#include "server/base/buf.h"

/* Remembers a copy of value (at least 4 characters) for secret_redact(). Any thread. */
void secret_register(const char *value);
/* Replaces in b, in place, every registered value and what follows "SharedAccessKey=", "sig=", "Bearer " up
 * to the next separator by "***". Any thread. */
void secret_redact(struct buf *b);
/* Reads up to max_bytes of a file at once into text, which has room for a NUL behind them, so that no copy is
 * left elsewhere. Gives how many; -1: it cannot be read, errno says why, text is empty. Any thread. */
ssize_t secret_read_file(const char *file, char *text, size_t max_bytes);
/* Forgets all, overwriting them. */
void secret_forget_all(void);

#endif
