/* hub/keyring: the connection strings of one hub: one, or a primary and a secondary, so that a key can be
 * exchanged without a restart; given, or from a file that is read again. Loop thread only. */
#ifndef ROLLCALL_SERVER_HUB_KEYRING_H
#define ROLLCALL_SERVER_HUB_KEYRING_H

#include <stdbool.h>
#include <stddef.h>

#include "server/base/err.h"
#include "server/hub/connection.h"

#define KEYRING_MAX 2
#define KEYRING_FILE_MAX_BYTES 8192
#define KEYRING_REASON_SIZE 256

struct keyring {
	char *file; /* NULL: none */
	struct connection all[KEYRING_MAX];
	size_t n, current;
};

/* Reads text, a connection string a line. file: where they are read again, copied; NULL: nowhere.
 * ERR_INVALID: *ret_reason is a static text without secrets, and ret is untouched. */
MUST_CHECK enum err keyring_init(struct keyring *ret, const char *text, const char *file,
                                 const char **ret_reason);
void keyring_done(struct keyring *k);
const struct connection *keyring_current(const struct keyring *k); /* borrowed until the next change */
/* Reads the file again. Then the current one is the same key as before if that is still there, else the
 * first; where is_refused, the first with another key, if there is one. ERR_NOT_FOUND or ERR_INVALID: reason
 * says why, and those from before stay (the current one is another all the same where is_refused). */
MUST_CHECK enum err keyring_renew(struct keyring *k, bool is_refused, char reason[KEYRING_REASON_SIZE]);

#endif
