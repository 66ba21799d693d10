/* store/care: what is done with a database beside the service, which may have it open and go on meanwhile:
 * copying it, checking it. Blocking; any process, any thread. */
#ifndef ROLLCALL_STORE_CARE_H
#define ROLLCALL_STORE_CARE_H

#include <stdint.h>

#include "server/base/err.h"

/* Writes a copy as of one commit to a new file, durable when it returns. In the copy every campaign that is
 * not final is paused, and says of when it is: what is called after that is not on record there. So each
 * target that waits there counts as one that may have been called: its twin is read and compared before its
 * call (with verify none there is nothing to compare, and it is called again). ERR_CONFLICT: there is such a
 * file already. On failure *ret_reason is plain English, yours to free(), and no file is left behind. */
MUST_CHECK enum err store_backup(const char *path, const char *to, int64_t now_ms, char **ret_reason);

/* One entry of the record of orders: its number, from 1, and its SHA-256. */
struct audit_mark {
	uint64_t no;
	uint8_t hash[32];
};
struct audit_census {
	uint64_t n;
	int64_t first_at_ms;         /* of the oldest, TIME_NONE: there is none */
	struct audit_mark last;      /* 0: there is none */
	struct audit_mark forgotten; /* the last that retention deleted, by an entry's word; 0: none */
};
/* Goes through the record of orders, as of one commit, and tells each entry that does not fit: whose own hash
 * is not that of its content and of the entry before, or that is missing, also at the end; and noted (NULL:
 * none), an entry that somebody wrote down, where it is another one now, or was forgotten since. Without
 * that, a record that was made anew as a whole, or cut with its head, cannot be told from a true one. Entries
 * that retention deleted are not missing: the last of the entries that say so has the hash from which it goes
 * on. */
MUST_CHECK enum err store_audit_verify(const char *path, const struct audit_mark *noted,
                                       void (*on_fault)(void *arg, const char *text), void *arg,
                                       struct audit_census *ret, char **ret_reason);

struct store_census {
	uint32_t campaigns;
	uint64_t targets, events, revision;
};
/* Tells what is wrong, text by text, in plain English. */
typedef void store_fault_cb(void *arg, const char *text);
/* Checks the file itself, that each campaign's counts are those of its targets (P8), that final campaigns
 * have final targets only (P10), and that no event is missing (P11), all as of one commit. OK also where
 * faults were told; else as store_backup(). */
MUST_CHECK enum err store_check(const char *path, store_fault_cb *on_fault, void *arg,
                                struct store_census *ret, char **ret_reason);

#endif
