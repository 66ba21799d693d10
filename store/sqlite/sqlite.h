/* store/sqlite: what the files of the SQLite back end share. The only room that knows sqlite3. */
#ifndef ROLLCALL_STORE_SQLITE_SQLITE_H
#define ROLLCALL_STORE_SQLITE_SQLITE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "store/backend.h"
#include "store/op.h"

/* Each statement is prepared at its first use and kept with the connection. */
enum sq_slot {
	SQ_BEGIN,
	SQ_BEGIN_READ,
	SQ_COMMIT,
	SQ_HEAD,
	SQ_HEAD_PUT,
	SQ_CAMPAIGN_ADD,
	SQ_CAMPAIGN_PUT,
	SQ_CAMPAIGN_HOLD,
	SQ_CAMPAIGN_LIST,
	SQ_CAMPAIGN_BY_ID,
	SQ_CAMPAIGN_BY_NO,
	SQ_CAMPAIGN_ID,
	SQ_CAMPAIGN_DROP,
	SQ_SPEC_PUT,
	SQ_SPEC_DROP,
	SQ_HUB_ADD,
	SQ_HUB_LIST,
	SQ_PAGE_ADD,
	SQ_PAGES_DROP,
	SQ_TARGET_ADD,
	SQ_TARGET_PUT,
	SQ_TARGET_LIST,
	SQ_TARGET_READ,
	SQ_PRINTS_ADD,
	SQ_PRINTS_LIST,
	SQ_GROUP_ADD,
	SQ_GROUP_BY,
	SQ_GROUP_NAME,
	SQ_GROUP_LIST,
	SQ_GROUP_COUNT,
	SQ_BASELINE_PUT,
	SQ_ATTEMPT_ADD,
	SQ_ATTEMPT_LIST,
	SQ_EVIDENCE_ADD,
	SQ_EVIDENCE_LIST,
	SQ_RUN_ADD,
	SQ_RUNS_ALL,
	SQ_RUNS_OF_CAMPAIGN,
	SQ_RUN_FIRST,
	SQ_AUDIT_LAST,
	SQ_AUDIT_ADD,
	SQ_AUDIT_HEAD,
	SQ_AUDIT_LIST,
	SQ_AUDIT_FIRST,
	SQ_AUDIT_OLDEST,
	SQ_AUDIT_DROP,
	SQ_IDEMPOTENCY_ADD,
	SQ_IDEMPOTENCY_EXPIRE,
	SQ_IDEMPOTENCY_FIND,
	SQ_LIST_ADD,
	SQ_LIST_FIND,
	SQ_LIST_GROW,
	SQ_LIST_END,
	SQ_LIST_DROP,
	SQ_LIST_PAGE_ADD,
	SQ_LIST_PAGES,
	SQ_RUNS_OLDEST,
	SQ_RUNS_DROP,
	SQ_CAMPAIGNS_FORGET,
	SQ_RELAPSE_PUT,
	SQ_PROGRESS_PUT,
	SQ_PROGRESS_WIDEN,
	SQ_PROGRESS_LIST,
	SQ_PLAN_PUT,
	SQ_PLAN_ENDS,
	SQ_PLAN_FIND,
	SQ_USAGE_PUT,
	SQ_LOAD_USAGE,
	SQ_ZONE_ADD,
	SQ_LOAD_ZONES,
	SQ_SWEEP_ZONES,
	SQ_SCHEDULE_PUT,
	SQ_SCHEDULE_DROP,
	SQ_SCHEDULE_LIST,
	SQ_SCHEDULE_BY_ID,
	SQ_NOTE_PUT,
	SQ_WEBHOOK_PUT,
	SQ_DEAD_ADD,
	SQ_DEAD_DROP,
	SQ_DEAD_TRIM,
	SQ_LOAD_WEBHOOKS,
	SQ_LOAD_DEAD,
	SQ_LOAD_SCHEDULES,
	SQ_LOAD_NOTES,
	SQ_SWEEP_LIST,
	SQ_SWEEP_LIST_PAGES,
	SQ_SWEEP_LIST_END,
	SQ_SWEEP_CAMPAIGN,
	SQ_SWEEP_TARGETS,
	SQ_SWEEP_PRINTS,
	SQ_SWEEP_ATTEMPTS,
	SQ_SWEEP_EVIDENCE,
	SQ_SWEEP_GROUPS,
	SQ_SWEEP_PAGES,
	SQ_SWEEP_RELAPSES,
	SQ_SWEEP_PROGRESS,
	SQ_SWEEP_PLAN,
	SQ_SWEEP_HUBS,
	SQ_SWEEP_END,
	SQ_LOAD_CAMPAIGNS,
	SQ_LOAD_GROUPS,
	SQ_LOAD_LIVE,
	SQ_LOAD_HOLDING,
	SQ_LOAD_TARGETS,
	SQ_LOAD_PAGES,
	SQ_LOAD_RELAPSES,
	SQ_LOAD_PROGRESS,
	SQ_LOAD_PLANS,
	SQ_SLOTS_N
};

/* A target_put that waits for the end of its transaction. */
struct sq_put {
	int64_t key;
	size_t order;
	const struct target_row *row; /* in its batch */
};

struct backend {
	sqlite3 *db;
	char *path;
	bool is_view; /* between its verbs, too, it stays in the snapshot that it was opened with */
	int lock_fd;  /* of "<path>.lock", held while a writer has the file; -1: none */
	sqlite3_stmt *statements[SQ_SLOTS_N];
	char reason[256];
	/* of the writer */
	struct store_head head; /* as committed */
	int64_t told_at_ms;     /* time of the last event; TIME_NONE: none yet */
	struct {
		struct store_head head;
		struct buf run; /* events that are not yet in a row */
		uint64_t run_first_id;
		uint32_t run_campaign, run_n;
		struct buf prints; /* of targets that are not yet in a row */
		uint32_t prints_campaign, prints_first, prints_n;
		struct sq_put *puts;
		size_t puts_n, puts_room;
		uint32_t holder;         /* the campaign whose */
		int64_t holder_until_ms; /* latest hold this is; TIME_NONE: none */
	} tx;                            /* the transaction that is being applied */
};

/* Many tables have keys of two numbers: no is 0 to UINT32_MAX. */
static inline int64_t sq_key(uint32_t campaign, uint32_t no)
{
	return (int64_t)((uint64_t)campaign << 32 | no);
}
/* The same in SQL, for a campaign's row c: the key of one of its rows lies so. */
#define SQ_KEY_OF_C "BETWEEN c.no << 32 AND (c.no << 32) + 4294967295"

/* ---- sqlite.c ---- */
/* Opens one more connection to path, only for reading; whoever writes it may be another process. */
MUST_CHECK enum err sq_open_reader(const char *path, struct backend **ret, char **ret_reason);
/* Translates the connection's last error and keeps its reason. */
MUST_CHECK enum err sq_failed(struct backend *b);
/* Keeps reason, gives err. */
MUST_CHECK enum err sq_refused(struct backend *b, enum err err, const char *reason);
/* Gives slot's statement, ready to be bound; sql is always the same for one slot. */
MUST_CHECK enum err sq_use(struct backend *b, enum sq_slot slot, const char *sql, sqlite3_stmt **ret);
/* Steps; *ret_is_row: there is a row. Else, and on an error, st has been reset. */
MUST_CHECK enum err sq_step(struct backend *b, sqlite3_stmt *st, bool *ret_is_row);
/* Steps a statement that gives no row, resets it. */
MUST_CHECK enum err sq_run(struct backend *b, sqlite3_stmt *st);
/* sq_use() and sq_run() of a statement without parameters. */
MUST_CHECK enum err sq_do(struct backend *b, enum sq_slot slot, const char *sql);
/* Starts a snapshot and reads ret->revision and ret->last_id. */
MUST_CHECK enum err sq_snapshot(struct backend *b, struct answer *ret);
/* Ends it, also after a failure of sq_snapshot(); gives err, or else what went wrong now. */
MUST_CHECK enum err sq_snapshot_end(struct backend *b, enum err err);

/* Keeps the text until st is next reset. NULL is NULL. */
void sq_bind_text(sqlite3_stmt *st, int at, const char *text);
void sq_bind_blob(sqlite3_stmt *st, int at, const void *data, size_t bytes);
void sq_bind_time(sqlite3_stmt *st, int at, int64_t at_ms);
/* A copy in arena; NULL is NULL. */
const char *sq_text(sqlite3_stmt *st, int column, struct arena *arena);
int64_t sq_time(sqlite3_stmt *st, int column);

/* ---- migrate.c ---- */
extern const char *const sq_migrations[];
extern const int sq_migrations_n;
/* ERR_TOO_NEW, ERR_CORRUPT: not ours or damaged. Only looks. */
MUST_CHECK enum err sq_examine(struct backend *b, int *ret_version);
/* Brings the schema from version to the newest, in one transaction. */
MUST_CHECK enum err sq_migrate(struct backend *b, int version);

/* ---- campaigns.c ---- */
MUST_CHECK enum err sq_campaign_add(struct backend *b, const struct op *op);
MUST_CHECK enum err sq_campaign_put(struct backend *b, const struct op *op);
/* Hides it from all reads. */
MUST_CHECK enum err sq_campaign_drop(struct backend *b, const struct op *op);
/* Says that a target of campaign holds its device until then. */
MUST_CHECK enum err sq_campaign_hold(struct backend *b, uint32_t campaign, int64_t until_ms);
MUST_CHECK enum err sq_page_add(struct backend *b, const struct op *op);
MUST_CHECK enum err sq_pages_drop(struct backend *b, const struct op *op);
MUST_CHECK enum err sq_idempotency_add(struct backend *b, const struct op *op);
/* Before there is anything to lose. ERR_NOMEM */
MUST_CHECK enum err sq_audit_prepare(void);
MUST_CHECK enum err sq_audit_add(struct backend *b, const struct op *op);
MUST_CHECK enum err sq_audit_drop(struct backend *b, const struct op *op);
/* Adds the campaign to ret->campaigns, if it is there. */
MUST_CHECK enum err sq_campaign_read(struct backend *b, uint32_t no, struct answer *ret);
/* The same by its id. */
MUST_CHECK enum err sq_campaign_find(struct backend *b, const char *id, struct answer *ret);
/* Gives its id, "" where it is not there. */
MUST_CHECK enum err sq_campaign_id(struct backend *b, uint32_t no, struct arena *arena, const char **ret);
/* Gives names[0 … *ret_n-1]. */
MUST_CHECK enum err sq_hubs_read(struct backend *b, uint32_t campaign, struct arena *arena,
                                 const char *names[HUBS_MAX], size_t *ret_n);
MUST_CHECK enum err sq_load_campaigns(struct backend *b, const struct store_loader *loader);
MUST_CHECK enum err sq_load_pages(struct backend *b, const struct store_loader *loader);

/* ---- groups.c ---- */
MUST_CHECK enum err sq_group_add(struct backend *b, const struct op *op);
MUST_CHECK enum err sq_load_groups(struct backend *b, const struct store_loader *loader);
MUST_CHECK enum err sq_zone_add(struct backend *b, const struct op *op);
MUST_CHECK enum err sq_load_zones(struct backend *b, const struct store_loader *loader);

/* ---- relapses.c ---- */
MUST_CHECK enum err sq_relapse_put(struct backend *b, const struct op *op);
MUST_CHECK enum err sq_load_relapses(struct backend *b, const struct store_loader *loader);

/* ---- progress.c ---- */
MUST_CHECK enum err sq_progress_put(struct backend *b, const struct op *op);
MUST_CHECK enum err sq_progress_widen(struct backend *b, const struct op *op);
MUST_CHECK enum err sq_plan_put(struct backend *b, const struct op *op);
/* Slots and plans. */
MUST_CHECK enum err sq_load_progress(struct backend *b, const struct store_loader *loader);

/* usage.c */
MUST_CHECK enum err sq_usage_put(struct backend *b, const struct op *op);
MUST_CHECK enum err sq_load_usage(struct backend *b, const struct store_loader *loader);

/* ---- lists.c ---- */
MUST_CHECK enum err sq_list_begin(struct backend *b, const struct op *op);
MUST_CHECK enum err sq_list_ids(struct backend *b, const struct op *op);
MUST_CHECK enum err sq_list_end(struct backend *b, const struct op *op);
MUST_CHECK enum err sq_list_drop(struct backend *b, const struct op *op);

/* ---- schedules.c ---- */
MUST_CHECK enum err sq_schedule_put(struct backend *b, const struct op *op);
MUST_CHECK enum err sq_schedule_drop(struct backend *b, const struct op *op);
MUST_CHECK enum err sq_note_put(struct backend *b, const struct op *op);
MUST_CHECK enum err sq_load_schedules(struct backend *b, const struct store_loader *loader);
MUST_CHECK enum err sq_load_notes(struct backend *b, const struct store_loader *loader);

/* ---- webhooks.c ---- */
MUST_CHECK enum err sq_webhook_put(struct backend *b, const struct op *op);
MUST_CHECK enum err sq_dead_letter_add(struct backend *b, const struct op *op);
MUST_CHECK enum err sq_dead_letters_drop(struct backend *b, const struct op *op);

/* ---- prints.c ---- */
/* Notes the device id of a target that is added. */
MUST_CHECK enum err sq_prints_add(struct backend *b, const struct target_row *row, const char *device_id);
/* Writes what was noted. */
MUST_CHECK enum err sq_prints_close(struct backend *b);
/* Adds the targets of a device to ret->targets and ret->campaign_ids, of campaigns numbered first to last,
 * newest first, until there are limit of them and none is left in the last one's campaign. hub -1: any. */
MUST_CHECK enum err sq_prints_find(struct backend *b, uint32_t first, uint32_t last, const char *device_id,
                                   int hub, uint32_t limit, struct answer *ret);

/* ---- sweep.c ---- */
/* Drops the lists that were begun and not ended. */
MUST_CHECK enum err sq_drop_halves(struct backend *b);

/* ---- targets.c ---- */
MUST_CHECK enum err sq_target_add(struct backend *b, const struct op *op);
void sq_target_put_later(struct backend *b, const struct op *op);
/* Does what was put off. */
MUST_CHECK enum err sq_targets_put(struct backend *b);
MUST_CHECK enum err sq_baseline_put(struct backend *b, const struct op *op);
MUST_CHECK enum err sq_attempt_add(struct backend *b, const struct op *op);
MUST_CHECK enum err sq_evidence_add(struct backend *b, const struct op *op);
/* Adds the target to ret->targets, if it is that device's (and on hub, -1: on any). */
MUST_CHECK enum err sq_target_read(struct backend *b, int64_t key, const char *device_id, int hub,
                                   struct answer *ret);
MUST_CHECK enum err sq_load_targets(struct backend *b, const struct store_loader *loader);
MUST_CHECK enum err sq_load_holds(struct backend *b, int64_t now_ms, const struct store_loader *loader);

/* ---- events.c ---- */
MUST_CHECK enum err sq_event_add(struct backend *b, const struct op *op);
MUST_CHECK enum err sq_events_drop(struct backend *b, const struct op *op);
/* Writes the run that is open. */
MUST_CHECK enum err sq_run_close(struct backend *b);

#endif
