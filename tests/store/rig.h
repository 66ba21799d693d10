/* tests/store: one store under test, on a database in a folder of its own. Two programs are made of the
 * contract's tests: with the real store.c on a real loop, and with the simulation's store_sync.c. */
#ifndef ROLLCALL_TESTS_STORE_RIG_H
#define ROLLCALL_TESTS_STORE_RIG_H

#include <stdbool.h>

#include "store/answer.h"
#include "store/store.h"

#define NOW_MS 1800000000000

struct rig {
	struct store *store;
	struct store_head head;
	char folder[64], path[80];
	void *loop;         /* of rig_threads.c */
	uint64_t revision;  /* of the last answer */
	struct arena arena; /* copies of what answers borrowed */
};

/* ---- rig_threads.c, rig_sync.c ---- */
void rig_open_store(struct rig *r);
void rig_close_store(struct rig *r);
/* Works until *is_done. */
void rig_wait(struct rig *r, const bool *is_done);

/* ---- rig.c ---- */
void rig_open(struct rig *r);
/* As a restart of the service. */
void rig_reopen(struct rig *r);
void rig_close(struct rig *r);
void rig_make_folder(struct rig *r);
void rig_remove_folder(struct rig *r);

/* Commits b (takes it) and waits; rig_commit() asserts that it succeeds. */
enum err rig_try_commit(struct rig *r, struct batch *b);
void rig_commit(struct rig *r, struct batch *b);

/* What an answer said; rows and strings are copies in the rig's arena. */
struct seen {
	bool is_done, has_more;
	enum err err;
	size_t n, attempts_n, evidence_n;
	const struct campaign_row *campaigns;
	const struct target_view *targets;
	const struct attempt_row *attempts;
	const struct evidence_row *evidence;
	const struct event *events;
	const char *campaign_ids[STORE_PAGE_MAX];
	uint64_t first_kept_id, last_id;
	const struct idempotency_row *idempotency;
	const struct campaign_row *campaign;
	const struct group_view *groups;
	const struct progress_row *progress;
	uint32_t slot_s;
	const struct plan_row *plan;
	const char *ids[STORE_PAGE_MAX], *by;
	uint32_t n_all;
	int64_t at_ms;
	struct rig *rig;
};
void rig_campaigns(struct rig *r, const struct campaign_filter *f, struct seen *ret);
void rig_campaign(struct rig *r, const char *id, struct seen *ret);
void rig_targets(struct rig *r, const struct target_filter *f, struct seen *ret);
void rig_target(struct rig *r, uint32_t campaign, const char *device_id, int hub, struct seen *ret);
void rig_events(struct rig *r, uint32_t campaign, uint64_t after, uint32_t limit, struct seen *ret);
void rig_idempotency(struct rig *r, const char *key, int64_t kept_since_ms, struct seen *ret);
void rig_groups(struct rig *r, uint32_t campaign, uint32_t from_group, uint32_t limit, struct seen *ret);
void rig_list(struct rig *r, const char *name, uint32_t from, uint32_t limit, struct seen *ret);
void rig_history(struct rig *r, const char *device_id, uint32_t before_campaign, uint32_t limit,
                 struct seen *ret);

/* Of schedules: their ids. */
void rig_schedules(struct rig *r, const struct schedule_filter *f, struct seen *ret);
void rig_progress(struct rig *r, const char *campaign_id, struct seen *ret);
void rig_plan(struct rig *r, const char *campaign_id, struct seen *ret);

/* A filter for all targets of a campaign. */
struct target_filter rig_all(uint32_t campaign);

/* Rows to start from. id is "c<no>". */
struct campaign_row rig_campaign_row(uint32_t no);
struct target_row rig_target_row(uint32_t campaign, uint32_t no);
/* A batch that adds campaign no with hubs "main" and "spare" and n targets "d-<no>" on main. */
struct batch *rig_campaign_batch(uint32_t no, uint32_t n);

#endif
