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

/* Goes through the record of orders and tells each entry that does not fit: whose own hash is not that of its
 * content and of the entry before, or that is missing. *ret_n: entries; ret_hash: of the last, as hex. */
#define AUDIT_HASH_TEXT_SIZE 65
MUST_CHECK enum err store_audit_verify(const char *path, void (*on_fault)(void *arg, const char *text),
                                       void *arg, uint64_t *ret_n, char ret_hash[AUDIT_HASH_TEXT_SIZE],
                                       char **ret_reason);

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
