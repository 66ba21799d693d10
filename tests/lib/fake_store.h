/* tests/lib/fake_store: the reads of store.h over what a test puts in. Answers come by later.h. */
#ifndef ROLLCALL_TESTS_LIB_FAKE_STORE_H
#define ROLLCALL_TESTS_LIB_FAKE_STORE_H

#include "store/store.h"

struct store *fake_store_new(void);
void fake_store_free(struct store *s);
void fake_store_set_revision(struct store *s, uint64_t revision);
/* Views that are open. A view shows what is there when it is read. */
size_t fake_store_views_n(const struct store *s);
/* Pages of targets that were read outside of any. */
size_t fake_store_unviewed_n(const struct store *s);
/* All reads fail so from now on. */
void fake_store_fail(struct store *s, enum err err);
size_t fake_store_campaigns_n(const struct store *s);

/* Each copies what it is given. Campaigns get the next number, and give their row, to be filled in; strings
 * in it must outlive the store. */
struct campaign_row *fake_store_add_campaign(struct store *s, const char *id, const char *spec);
/* Another spec in place of the campaign's. */
void fake_store_put_spec(struct store *s, uint32_t campaign, uint32_t revision, const char *spec);
struct target_row *fake_store_add_target(struct store *s, uint32_t campaign, const char *device_id);
void fake_store_set_baseline(struct store *s, uint32_t campaign, uint32_t no,
                             const struct baseline *baseline);
/* The campaign's next group, for target_row.group. */
void fake_store_add_group(struct store *s, uint32_t campaign, const char *name, uint32_t size);
/* What store_read_progress() and store_read_plan() find. */
void fake_store_add_progress(struct store *s, const struct progress_row *row);
void fake_store_set_plan(struct store *s, const struct plan_row *row);
/* A device list; of one name the newest counts. */
void fake_store_add_list(struct store *s, const char *name, const char *const *ids, uint32_t n, int64_t at_ms,
                         const char *by);
/* A schedule; of one id the newest counts. */
void fake_store_put_schedule(struct store *s, const struct schedule_row *row);
void fake_store_drop_schedule(struct store *s, const char *id);
void fake_store_drop_list(struct store *s, const char *name);
void fake_store_add_attempt(struct store *s, const struct attempt_row *row);
void fake_store_add_evidence(struct store *s, const struct evidence_row *row);
void fake_store_add_event(struct store *s, const struct event *event);
/* Texts must outlive the store. */
void fake_store_add_audit(struct store *s, const struct audit_row *row);
void fake_store_add_key(struct store *s, const struct idempotency_row *row);

#endif
