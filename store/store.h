/* store: what is on record, durable. One thread of the store's own owns the only connection that writes; a
 * second one owns a connection that only reads, so that a long listing never delays a commit. The loop hands
 * over whole batches and hears back on the loop. All functions: loop thread, unless said. */
#ifndef ROLLCALL_STORE_STORE_H
#define ROLLCALL_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/err.h"
#include "server/base/metrics.h"
#include "server/campaign/model.h"
#include "store/batch.h"

struct store;
struct uv_loop_s;

struct store_options {
	struct uv_loop_s *loop; /* keeps */
	const char *path;       /* of the database file; borrows */
};

/* What store_open() found. */
struct store_head {
	uint64_t revision; /* of the last commit */
	uint64_t last_event_id;
	int64_t last_event_at_ms; /* as it was opened; TIME_NONE: it is not kept */
	uint32_t last_campaign;   /* highest campaign number ever given */
	int schema_version;
	bool is_new;
};

/* Opens or makes the database (WAL, synchronous=FULL), migrates it forward, starts both threads. Blocks.
 * ERR_TOO_NEW, ERR_CORRUPT, ERR_LOCKED (another process has it), ERR_FULL, ERR_IO, ERR_DENIED with a plain
 * English *ret_reason (yours to free()); the file is left as it was. */
MUST_CHECK enum err store_open(const struct store_options *options, struct store **ret,
                               struct store_head *ret_head, char **ret_reason);
/* Commits what was handed over and answers what was asked, with their callbacks, ends the threads and the
 * file, then calls on_closed from the loop. Nothing may be handed over or asked any more. */
void store_close(struct store *s, void (*on_closed)(void *arg), void *arg);

/* Takes batch. Commits are durable (fsynced) and in order; those handed over while one runs are committed
 * together in one transaction and told the same revision: it moves by one a transaction. on_committed fires
 * on the loop, in order, never inside this call. Any err but OK means that memory is ahead of disk: nothing
 * that is handed over later is applied, all of it is told the same err, and the caller ends the process
 * (craft: Engine and shell). */
typedef void store_committed_cb(void *arg, enum err err, uint64_t revision);
void store_commit(struct store *s, struct batch *batch, store_committed_cb *on_committed, void *arg);

/* A device that a target which is final keeps. */
struct store_hold {
	const struct target_row *row;
	const char *hub_name, *device_id;
	const char *group_by, *group; /* the tag's path and its value, NULL: it has no group */
};

/* ---- at start, before the loop runs: blocking, calls back for each row in the order said ---- */
struct store_loader {
	/* Campaigns that are not final, by number. */
	void (*on_campaign)(void *arg, const struct campaign_row *row);
	/* Their groups, by campaign and number; hub is the campaign's by that index. */
	void (*on_group)(void *arg, uint32_t campaign, uint32_t group, uint8_t hub, const char *name,
	                 uint32_t size);
	/* Their time zones, by campaign and number; may be NULL. */
	void (*on_zone)(void *arg, uint32_t campaign, uint32_t zone, const char *name);
	/* Their targets, by campaign and number. */
	void (*on_target)(void *arg, const struct target_row *row, const char *device_id,
	                  const struct baseline *baseline);
	/* Targets of final campaigns, and final ones of live campaigns, whose hold_until_ms is later than
	 * now_ms. */
	void (*on_hold)(void *arg, const struct store_hold *hold);
	/* The watches over proven targets of live campaigns, by campaign and number; may be NULL. */
	void (*on_relapse)(void *arg, const struct relapse_row *row);
	/* Where slots of their progress begin, by campaign and time; may be NULL. */
	void (*on_progress)(void *arg, uint32_t campaign, uint32_t slot_s);
	/* Their plans, by campaign; may be NULL. */
	void (*on_plan)(void *arg, const struct plan_row *plan);
	/* What was spent of each hub's last day, by name, also of hubs that are gone; may be NULL. */
	void (*on_usage)(void *arg, const struct usage_row *row);
	/* What selection has found so far, of campaigns that are scheduled or select: pages in order. */
	void (*on_page)(void *arg, uint32_t campaign, const struct selection_page *page);
	/* All schedules, by number; may be NULL. */
	void (*on_schedule)(void *arg, const struct schedule_row *row);
	/* What was put by batch_note_put(); may be NULL. */
	void (*on_note)(void *arg, const char *name, const char *value);
	void *arg;
};
MUST_CHECK enum err store_load(struct store *s, int64_t now_ms, const struct store_loader *loader);

/* What is on record of webhooks: how far each was told, then what was not delivered to them, by event.
 * Likewise. */
struct webhook_loader {
	void (*on_webhook)(void *arg, const char *name, uint64_t after_id);
	void (*on_dead_letter)(void *arg, const struct dead_letter *row);
	void *arg;
};
MUST_CHECK enum err store_load_webhooks(struct store *s, const struct webhook_loader *loader);

/* ---- reads: answered on the loop from the reading thread, in one snapshot each ---- */
/* Everything in an answer is borrowed until the callback returns. revision: the commit it shows, which may be
 * ahead of what on_committed has told. A limit is 1 to STORE_PAGE_MAX. */

#define STORE_PAGE_MAX 1000

struct campaign_filter {
	int state;          /* enum campaign_state, -1: any */
	const char *name;   /* exact, NULL: any */
	uint32_t before_no; /* newest first: only those numbered below; 0: from the newest */
	uint32_t limit;
	/* Where not 0: only those that are not final, or have become so at that time or later. */
	int64_t since_ms;
	/* Where not 0: only those that have become final before that time. */
	int64_t ended_before_ms;
	const char *schedule_id; /* NULL: any */
};
typedef void store_campaigns_cb(void *arg, enum err err, uint64_t revision, const struct campaign_row *rows,
                                size_t n, bool has_more);
void store_read_campaigns(struct store *s, const struct campaign_filter *f, store_campaigns_cb *cb,
                          void *arg);
/* One by its id: n is 1 or 0. */
void store_read_campaign(struct store *s, const char *id, store_campaigns_cb *cb, void *arg);

/* A snapshot that lasts: reads in it show one commit. The file keeps what is overwritten meanwhile, so that
 * it is for a few minutes at most. NULL with any err but OK. */
struct store_view;
typedef void store_view_cb(void *arg, enum err err, struct store_view *view);
void store_view_open(struct store *s, store_view_cb *cb, void *arg);
/* Takes view. No read in it is under way. */
void store_view_close(struct store *s, struct store_view *view);

/* A target as a list shows it. */
struct target_view {
	struct target_row row;
	const char *device_id;
	const char *group; /* NULL: none */
	const char *zone;  /* NULL: the campaign's own */
	struct baseline baseline;
};
struct target_filter {
	uint32_t campaign;
	uint32_t from_no; /* only those numbered so or above */
	uint32_t limit;
	const char *group;            /* NULL: any */
	int state, reason, wait, hub; /* -1: any; wait: a target_row.wait, checked only for waiting targets */
	const char *device_id;        /* NULL: any */
	struct store_view *view;      /* NULL: a snapshot of its own */
};
typedef void store_targets_cb(void *arg, enum err err, uint64_t revision, const struct target_view *rows,
                              size_t n, bool has_more, const struct campaign_row *campaign);
/* By number. campaign is the row in the same snapshot, NULL if it is gone. */
void store_read_targets(struct store *s, const struct target_filter *f, store_targets_cb *cb, void *arg);

typedef void store_target_cb(void *arg, enum err err, uint64_t revision, const struct target_view *target,
                             const struct attempt_row *attempts, size_t attempts_n,
                             const struct evidence_row *evidence, size_t evidence_n,
                             const struct campaign_row *campaign);
/* One target with its attempts and evidence in order; target NULL: no such. hub -1: any; ERR_CONFLICT where
 * two hubs have that device. */
void store_read_target(struct store *s, uint32_t campaign, const char *device_id, int hub,
                       store_target_cb *cb, void *arg);

/* Events with ids above after, of one campaign (0: of all), oldest first. campaign_ids[i] is the API id for
 * rows[i],
 * "" for none. first_kept_id: older ones are gone. */
typedef void store_events_cb(void *arg, enum err err, uint64_t revision, const struct event *rows,
                             const char *const *campaign_ids, size_t n, bool has_more, uint64_t first_kept_id,
                             uint64_t last_id);
void store_read_events(struct store *s, uint32_t campaign, uint64_t after, uint32_t limit,
                       store_events_cb *cb, void *arg);

/* What was answered to a request with this key and role, younger than kept_since_ms; n is 1 or 0. */
typedef void store_idempotency_cb(void *arg, enum err err, const struct idempotency_row *row);
void store_read_idempotency(struct store *s, const char *key, int64_t kept_since_ms, store_idempotency_cb *cb,
                            void *arg);

/* One group with the counts of its targets. */
struct group_view {
	uint32_t group;
	uint8_t hub; /* index into the campaign's hubs */
	const char *name;
	uint32_t size, state[TARGET_STATES_N];
};
typedef void store_groups_cb(void *arg, enum err err, uint64_t revision, const struct group_view *rows,
                             size_t n, bool has_more, const struct campaign_row *campaign);
/* By number, from from_group on; campaign NULL: it is gone. */
void store_read_groups(struct store *s, uint32_t campaign, uint32_t from_group, uint32_t limit,
                       store_groups_cb *cb, void *arg);

/* A campaign's progress by time, in the order of slots; its slots are slot_s long. What happened within one
 * is not kept but for its end. campaign NULL: there is none. */
#define PROGRESS_ROWS_MAX 1024
typedef void store_progress_cb(void *arg, enum err err, uint64_t revision, const struct progress_row *rows,
                               size_t n, uint32_t slot_s, const struct campaign_row *campaign);
void store_read_progress(struct store *s, const char *campaign_id, store_progress_cb *cb, void *arg);
/* How long the slots are of which these n begin so: at most twice as long as was told to the store, where
 * that cannot be seen any more. */
uint32_t progress_slot_s(const uint32_t *begins_s, size_t n);

/* A campaign's plan, NULL: it has none yet. */
typedef void store_plan_cb(void *arg, enum err err, uint64_t revision, const struct plan_row *plan,
                           const struct campaign_row *campaign);
void store_read_plan(struct store *s, const char *campaign_id, store_plan_cb *cb, void *arg);

/* Orders on record, the newest first: those numbered below before_no (0: all). */
typedef void store_audit_cb(void *arg, enum err err, uint64_t revision, const struct audit_row *rows,
                            size_t n, bool has_more);
void store_read_audit(struct store *s, uint64_t before_no, uint32_t limit, store_audit_cb *cb, void *arg);
/* The oldest one; n 0: there is none. */
void store_read_audit_oldest(struct store *s, store_audit_cb *cb, void *arg);

/* A device list: ids from the from-th on (0: the first), up to limit; n_all is how many it has. n_all 0: no
 * such list. */
typedef void store_list_cb(void *arg, enum err err, const char *const *ids, size_t n, uint32_t n_all,
                           int64_t at_ms, const char *by);
void store_read_list(struct store *s, const char *name, uint32_t from, uint32_t limit, store_list_cb *cb,
                     void *arg);

struct schedule_filter {
	const char *id;     /* that one only; NULL: as the others say */
	const char *name;   /* exact, NULL: any */
	uint32_t before_no; /* newest first: only those numbered below; 0: from the newest */
	uint32_t limit;
};
typedef void store_schedules_cb(void *arg, enum err err, uint64_t revision, const struct schedule_row *rows,
                                size_t n, bool has_more);
void store_read_schedules(struct store *s, const struct schedule_filter *f, store_schedules_cb *cb,
                          void *arg);

/* Every target of one device, newest campaign first: rows[i] is of campaign_ids[i]. before_campaign: only
 * campaigns numbered below; 0: from the newest. Targets of one campaign (a device may be on several of its
 * hubs) stay together, so that there may be a few more than limit. */
typedef void store_history_cb(void *arg, enum err err, uint64_t revision, const struct target_view *rows,
                              const char *const *campaign_ids, size_t n, bool has_more);
void store_read_history(struct store *s, const char *device_id, uint32_t before_campaign, uint32_t limit,
                        store_history_cb *cb, void *arg);

/* Numbers for metrics. */
struct store_stats {
	uint64_t commits, operations; /* so far */
	int64_t commit_last_us, commit_max_us;
	struct histogram commit;
	uint32_t queued; /* batches handed over and not yet committed */
	/* The file with its log, and what is left to unprivileged users where it lies; 0: in memory, or the
	 * system does not tell. */
	uint64_t file_bytes, free_bytes;
};
void store_stats(const struct store *s, struct store_stats *ret);

#endif
