/* store/backend: the blocking verbs that a back end supplies. A back end is one connection, used by one
 * thread at a time. Every verb but open leaves the reason of its failure with backend_reason(). */
#ifndef ROLLCALL_STORE_BACKEND_H
#define ROLLCALL_STORE_BACKEND_H

#include "store/answer.h"
#include "store/batch.h"
#include "store/store.h"

struct backend;

/* Opens or makes the database for writing, and migrates it; the errors are those of store_open(). A path that
 * starts with "file:" is the URI of a database in memory ("file:/name?vfs=memdb"), shared by name inside this
 * process, gone when the last that has it open closes it, and not locked. */
MUST_CHECK enum err backend_open(const char *path, struct backend **ret, struct store_head *ret_head,
                                 char **ret_reason);
/* Opens one more connection to what writer has open, only for reading. Between its verbs it holds no
 * snapshot. */
MUST_CHECK enum err backend_open_reader(const struct backend *writer, struct backend **ret);
/* The same, but all its reads show the commit that is the last one now. */
MUST_CHECK enum err backend_open_view(const struct backend *other, struct backend **ret);
/* NULL is fine. Readers are closed before their writer. */
void backend_close(struct backend *b);
/* Plain English, borrowed until the next verb. */
const char *backend_reason(const struct backend *b);

/* Applies all ops of all batches in one durable transaction, or none of them. Within it, ops keep their
 * order, but for those by batch_target_put(): these come last, in order of their keys, and only the last for
 * each target counts. *ret_revision is one more than before. ERR_NOT_FOUND, ERR_CONFLICT, ERR_INVALID: what
 * is put is not there, what is added is, event ids have a gap: the caller's mistake. */
MUST_CHECK enum err backend_apply(struct backend *b, const struct batch *const *batches, size_t n,
                                  uint64_t *ret_revision);

/* Deletes one slice of what was dropped, in a transaction of its own that moves no revision; for when there
 * is nothing else to do. *ret_has_more: there may be more. */
MUST_CHECK enum err backend_sweep(struct backend *b, bool *ret_has_more);

/* Gives back memory that only makes the next commits faster: for when nothing has been committed for a while.
 */
void backend_rest(struct backend *b);

MUST_CHECK enum err backend_load(struct backend *b, int64_t now_ms, const struct store_loader *loader);
MUST_CHECK enum err backend_load_webhooks(struct backend *b, const struct webhook_loader *loader);

/* The reads of store.h, each in one snapshot; ret has been set by answer_init(). Also on the writer, between
 * its transactions. */
MUST_CHECK enum err backend_read_campaigns(struct backend *b, const struct campaign_filter *f,
                                           struct answer *ret);
MUST_CHECK enum err backend_read_campaign(struct backend *b, const char *id, struct answer *ret);
/* campaigns_n is 1 where the campaign is there. */
MUST_CHECK enum err backend_read_targets(struct backend *b, const struct target_filter *f,
                                         struct answer *ret);
MUST_CHECK enum err backend_read_target(struct backend *b, uint32_t campaign, const char *device_id, int hub,
                                        struct answer *ret);
MUST_CHECK enum err backend_read_events(struct backend *b, uint32_t campaign, uint64_t after, uint32_t limit,
                                        struct answer *ret);
MUST_CHECK enum err backend_read_idempotency(struct backend *b, const char *key, int64_t kept_since_ms,
                                             struct answer *ret);
/* campaigns_n as with targets. */
MUST_CHECK enum err backend_read_groups(struct backend *b, uint32_t campaign, uint32_t from_group,
                                        uint32_t limit, struct answer *ret);
/* campaigns_n as with targets. */
MUST_CHECK enum err backend_read_progress(struct backend *b, const char *campaign_id, struct answer *ret);
MUST_CHECK enum err backend_read_plan(struct backend *b, const char *campaign_id, struct answer *ret);
MUST_CHECK enum err backend_read_audit(struct backend *b, uint64_t before_no, uint32_t limit,
                                       struct answer *ret);
MUST_CHECK enum err backend_read_audit_oldest(struct backend *b, struct answer *ret);
MUST_CHECK enum err backend_read_list(struct backend *b, const char *name, uint32_t from, uint32_t limit,
                                      struct answer *ret);
MUST_CHECK enum err backend_read_schedules(struct backend *b, const struct schedule_filter *f,
                                           struct answer *ret);
MUST_CHECK enum err backend_read_history(struct backend *b, const char *device_id, uint32_t before_campaign,
                                         uint32_t limit, struct answer *ret);

#endif
