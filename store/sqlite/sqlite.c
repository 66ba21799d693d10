/* store/sqlite: the connection: opening, settings, errors, transactions. Implements store/backend.h with the
 * other files of this folder. */
#include "store/sqlite/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define BUSY_MS 5000 /* how long somebody with a database shell may be in the way */

/* ---- errors ---- */

static enum err translate_os(int number)
{
	switch (number) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return ERR_FULL;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_DENIED;
	case ENOMEM:
		return ERR_NOMEM;
	default:
		return ERR_IO;
	}
}

/* SQLite result codes, https://www.sqlite.org/rescode.html */
static enum err translate(int code, int os_number)
{
	switch (code & 0xff) {
	case SQLITE_FULL:
		return ERR_FULL;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return code == SQLITE_IOERR_NOMEM ? ERR_NOMEM : translate_os(os_number);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* our own SQL is sound, so the schema is not */
		return ERR_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_LOCKED;
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return ERR_DENIED;
	case SQLITE_NOMEM:
	case SQLITE_TOOBIG:
		return ERR_NOMEM;
	case SQLITE_CONSTRAINT:
		return code == SQLITE_CONSTRAINT_NOTNULL || code == SQLITE_CONSTRAINT_DATATYPE ? ERR_INVALID
		                                                                               : ERR_CONFLICT;
	default:
		return ERR_IO;
	}
}

/* NULL: there is none; what a database in memory has can be asked nothing. */
static sqlite3_file *wal_of(sqlite3 *db)
{
	sqlite3_file *wal = NULL;

	return sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal) == SQLITE_OK &&
	                       wal != NULL && wal->pMethods != NULL && wal->pMethods->xFileControl != NULL
	               ? wal
	               : NULL;
}

/* What the system said last. A failed COMMIT does not tell the connection, only the WAL's file knows. */
static int os_number_of(sqlite3 *db)
{
	int number = sqlite3_system_errno(db);
	sqlite3_file *wal = wal_of(db);

	if (number == 0 && wal != NULL)
		wal->pMethods->xFileControl(wal, SQLITE_FCNTL_LAST_ERRNO, &number);
	return number;
}

enum err sq_failed(struct backend *b)
{
	/* without memory there may be no connection at all */
	int code = sqlite3_extended_errcode(b->db), os_number = b->db != NULL ? os_number_of(b->db) : 0;
	enum err err = translate(code, os_number);
	bool is_os = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;

	snprintf(b->reason, sizeof b->reason, "%s: %s (SQLite %d)", err_text(err),
	         is_os && os_number != 0 ? strerror(os_number) : sqlite3_errmsg(b->db), code);
	return err;
}

enum err sq_refused(struct backend *b, enum err err, const char *reason)
{
	snprintf(b->reason, sizeof b->reason, "%s", reason);
	return err;
}

const char *backend_reason(const struct backend *b)
{
	return b->reason;
}

/* ---- statements ---- */

enum err sq_use(struct backend *b, enum sq_slot slot, const char *sql, sqlite3_stmt **ret)
{
	if (b->statements[slot] == NULL && sqlite3_prepare_v3(b->db, sql, -1, SQLITE_PREPARE_PERSISTENT,
	                                                      &b->statements[slot], NULL) != SQLITE_OK)
		return sq_failed(b);
	*ret = b->statements[slot];
	return ERR_OK;
}

enum err sq_step(struct backend *b, sqlite3_stmt *st, bool *ret_is_row)
{
	int code = sqlite3_step(st);
	enum err err = code == SQLITE_ROW || code == SQLITE_DONE ? ERR_OK : sq_failed(b);

	*ret_is_row = code == SQLITE_ROW;
	if (code != SQLITE_ROW)
		sqlite3_reset(st);
	return err;
}

enum err sq_run(struct backend *b, sqlite3_stmt *st)
{
	bool is_row;
	enum err err = sq_step(b, st, &is_row);

	if (is_row)
		sqlite3_reset(st);
	return err;
}

enum err sq_do(struct backend *b, enum sq_slot slot, const char *sql)
{
	sqlite3_stmt *st;
	enum err err = sq_use(b, slot, sql, &st);

	return err == ERR_OK ? sq_run(b, st) : err;
}

void sq_bind_text(sqlite3_stmt *st, int at, const char *text)
{
	sqlite3_bind_text(st, at, text, -1, SQLITE_STATIC);
}

void sq_bind_blob(sqlite3_stmt *st, int at, const void *data, size_t bytes)
{
	sqlite3_bind_blob64(st, at, data, bytes, SQLITE_STATIC);
}

void sq_bind_time(sqlite3_stmt *st, int at, int64_t at_ms)
{
	if (at_ms == TIME_NONE)
		sqlite3_bind_null(st, at);
	else
		sqlite3_bind_int64(st, at, at_ms);
}

const char *sq_text(sqlite3_stmt *st, int column, struct arena *arena)
{
	const char *text = (const char *)sqlite3_column_text(st, column);

	return text != NULL ? arena_text(arena, text, (size_t)sqlite3_column_bytes(st, column)) : NULL;
}

int64_t sq_time(sqlite3_stmt *st, int column)
{
	return sqlite3_column_type(st, column) == SQLITE_NULL ? TIME_NONE : sqlite3_column_int64(st, column);
}

/* ---- opening ---- */

static bool is_in_memory(const char *path)
{
	return strncmp(path, "file:", 5) == 0;
}

/* Has the path of the lock file follow symbolic links, as SQLite's own companions do. */
static void lock_path(const char *path, char out[PATH_MAX + 8])
{
	char real[PATH_MAX];

	snprintf(out, PATH_MAX + 8, "%s.lock", realpath(path, real) != NULL ? real : path);
}

static enum err lock_held(struct backend *b)
{
	char holder[24];
	ssize_t n = pread(b->lock_fd, holder, sizeof holder - 1, 0);

	holder[n > 0 ? n : 0] = '\0';
	snprintf(b->reason, sizeof b->reason, "it is in use by another process%s%s", n > 0 ? ", " : "",
	         holder);
	return ERR_LOCKED;
}

/* A lock beside the file and not on it, since SQLite's own locks go when any descriptor of the file is
 * closed. The system lifts it when the process ends, however that happens; the file stays. */
static enum err lock(struct backend *b)
{
	char path[PATH_MAX + 8], holder[24];
	int n;

	lock_path(b->path, path);
	b->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (b->lock_fd < 0) {
		snprintf(b->reason, sizeof b->reason, "its lock file cannot be opened: %s", strerror(errno));
		return translate_os(errno);
	}
	if (flock(b->lock_fd, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ? lock_held(b) : sq_refused(b, ERR_IO, "it cannot be locked");
	n = snprintf(holder, sizeof holder, "%d", (int)getpid());
	/* Only told to whoever is refused, so that a full disk is no matter here. */
	if (ftruncate(b->lock_fd, 0) != 0 || pwrite(b->lock_fd, holder, (size_t)n, 0) != n)
		errno = 0;
	return ERR_OK;
}

static enum err connect_to(struct backend *b, int flags)
{
	if (is_in_memory(b->path))
		flags |= SQLITE_OPEN_URI;
	if (sqlite3_open_v2(b->path, &b->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL) !=
	    SQLITE_OK)
		return sq_failed(b);
	sqlite3_busy_timeout(b->db, BUSY_MS);
	return ERR_OK;
}

static enum err set(struct backend *b, const char *pragmas)
{
	return sqlite3_exec(b->db, pragmas, NULL, NULL, NULL) == SQLITE_OK ? ERR_OK : sq_failed(b);
}

/* A database that is refused must stay as it is: no checkpoint of what another version left in the WAL. */
static void set_checkpoint_on_close(struct backend *b, bool on)
{
	sqlite3_db_config(b->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, on ? 0 : 1, NULL);
}

static enum err read_head(struct backend *b, struct store_head *ret)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err = sq_use(b, SQ_HEAD, "SELECT revision, last_event_id, last_campaign FROM meta", &st);

	if (err == ERR_OK)
		err = sq_step(b, st, &is_row);
	if (err != ERR_OK)
		return err;
	if (!is_row)
		return sq_refused(b, ERR_CORRUPT, "its revision is missing");
	ret->revision = (uint64_t)sqlite3_column_int64(st, 0);
	ret->last_event_id = (uint64_t)sqlite3_column_int64(st, 1);
	ret->last_campaign = (uint32_t)sqlite3_column_int64(st, 2);
	sqlite3_reset(st);
	return ERR_OK;
}

/* A process that died between writing a commit and its fsync, or whose fsync failed, leaves a commit that can
 * be read and may still be lost. What is found is made durable before anybody is told of it. */
static enum err sync_found(struct backend *b)
{
	sqlite3_file *wal = wal_of(b->db);
	int number = 0;

	if (wal == NULL || wal->pMethods->xSync(wal, SQLITE_SYNC_NORMAL) == SQLITE_OK)
		return ERR_OK;
	wal->pMethods->xFileControl(wal, SQLITE_FCNTL_LAST_ERRNO, &number);
	snprintf(b->reason, sizeof b->reason, "what it holds cannot be made durable: %s", strerror(number));
	return translate_os(number);
}

static enum err open_writer(struct backend *b)
{
	int version;
	enum err err = sq_audit_prepare();

	if (err != ERR_OK)
		return sq_refused(b, err, "out of memory");
	if (!is_in_memory(b->path))
		err = lock(b);
	if (err == ERR_OK)
		err = connect_to(b, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	if (err != ERR_OK)
		return err;
	set_checkpoint_on_close(b, false);
	if (sqlite3_db_readonly(b->db, "main") == 1)
		return sq_refused(b, ERR_DENIED, "it may only be read");
	err = sq_examine(b, &version);
	if (err == ERR_OK)
		err = set(b,
		          "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;"
		          "PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;"
		          "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON");
	if (err == ERR_OK)
		err = sq_migrate(b, version);
	if (err == ERR_OK)
		err = read_head(b, &b->head);
	if (err == ERR_OK)
		err = sync_found(b);
	if (err != ERR_OK)
		return err;
	err = sq_drop_halves(b);
	if (err != ERR_OK)
		return err;
	b->head.schema_version = sq_migrations_n;
	b->head.is_new = version == 0;
	set_checkpoint_on_close(b, true);
	return ERR_OK;
}

static struct backend *new_backend(const char *path)
{
	struct backend *b = xcalloc(1, sizeof *b);

	b->path = xstrdup(path);
	b->lock_fd = -1;
	b->told_at_ms = TIME_NONE;
	b->tx.holder_until_ms = TIME_NONE;
	return b;
}

static enum err read_last_event(struct backend *b)
{
	struct answer page;
	enum err err;

	b->head.last_event_at_ms = TIME_NONE;
	if (b->head.last_event_id == 0)
		return ERR_OK;
	answer_init(&page);
	err = backend_read_events(b, 0, b->head.last_event_id - 1, 1, &page);
	if (err == ERR_OK && page.events_n > 0)
		b->head.last_event_at_ms = page.events[0].at_ms;
	answer_done(&page);
	return err;
}

enum err backend_open(const char *path, struct backend **ret, struct store_head *ret_head, char **ret_reason)
{
	struct buf reason = BUF_INIT;
	struct backend *b;
	enum err err;

	/* Counting all memory takes a lock that both threads would wait for. Refused, which is as well, once
	 * SQLite is in use. */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	b = new_backend(path);
	err = open_writer(b);
	if (err == ERR_OK)
		err = read_last_event(b);
	if (err != ERR_OK) {
		buf_printf(&reason, "the database %s cannot be opened: %s", path, b->reason);
		*ret_reason = buf_take(&reason);
		backend_close(b);
		return err;
	}
	*ret_head = b->head;
	*ret = b;
	return ERR_OK;
}

enum err sq_open_reader(const char *path, struct backend **ret, char **ret_reason)
{
	struct backend *b = new_backend(path);
	struct buf reason = BUF_INIT;
	enum err err = connect_to(b, SQLITE_OPEN_READWRITE);

	if (err == ERR_OK)
		err = set(b,
		          "PRAGMA query_only = ON; PRAGMA cache_size = -16384; PRAGMA cell_size_check = ON");
	if (err != ERR_OK) {
		buf_printf(&reason, "the database %s cannot be opened: %s", path, b->reason);
		*ret_reason = buf_take(&reason);
		backend_close(b);
		return err;
	}
	*ret = b;
	return ERR_OK;
}

enum err backend_open_reader(const struct backend *writer, struct backend **ret)
{
	char *reason = NULL;
	enum err err = sq_open_reader(writer->path, ret, &reason);

	free(reason);
	return err;
}

enum err backend_open_view(const struct backend *other, struct backend **ret)
{
	struct backend *b;
	struct answer head;
	enum err err = backend_open_reader(other, &b);

	if (err != ERR_OK)
		return err;
	answer_init(&head);
	err = sq_snapshot(b, &head); /* its first read is what takes it */
	if (err != ERR_OK) {
		backend_close(b);
		return err;
	}
	b->is_view = true;
	*ret = b;
	return ERR_OK;
}

void backend_close(struct backend *b)
{
	if (b == NULL)
		return;
	for (size_t i = 0; i < SQ_SLOTS_N; i++)
		sqlite3_finalize(b->statements[i]);
	sqlite3_close(b->db);
	if (b->lock_fd >= 0)
		close(b->lock_fd);
	buf_done(&b->tx.run);
	buf_done(&b->tx.prints);
	free(b->tx.puts);
	free(b->path);
	free(b);
}

/* What the cache holds after a million targets were added costs as much as these do. */
#define CACHE_KEPT_BYTES (8 * 1024 * 1024)
#define TOP_KEPT_BYTES (1024 * 1024)

/* malloc_trim() leaves alone what lies behind all that is in use in another thread's arena than the first;
 * free() gives it back, once it is more than the threshold, which has grown with what was freed before. */
static void trim_top(void)
{
	void *volatile some;

	mallopt(M_TRIM_THRESHOLD, TOP_KEPT_BYTES);
	some = malloc(TOP_KEPT_BYTES / 8);
	free(some);
}

void backend_rest(struct backend *b)
{
	int bytes = 0, most = 0;

	if (sqlite3_db_status(b->db, SQLITE_DBSTATUS_CACHE_USED, &bytes, &most, 0) != SQLITE_OK ||
	    bytes <= CACHE_KEPT_BYTES)
		return;
	sqlite3_db_release_memory(b->db);
	malloc_trim(0); /* pages lie between what is still in use */
	trim_top();
}

/* ---- transactions ---- */

static enum err apply_op(struct backend *b, const struct op *op)
{
	switch (op->kind) {
	case OP_CAMPAIGN_ADD:
		return sq_campaign_add(b, op);
	case OP_CAMPAIGN_PUT:
		return sq_campaign_put(b, op);
	case OP_CAMPAIGN_DROP:
		return sq_campaign_drop(b, op);
	case OP_GROUP_ADD:
		return sq_group_add(b, op);
	case OP_PAGE_ADD:
		return sq_page_add(b, op);
	case OP_PAGES_DROP:
		return sq_pages_drop(b, op);
	case OP_TARGET_ADD:
		return sq_target_add(b, op);
	case OP_TARGET_PUT:
		sq_target_put_later(b, op);
		return ERR_OK;
	case OP_BASELINE_PUT:
		return sq_baseline_put(b, op);
	case OP_ATTEMPT_ADD:
		return sq_attempt_add(b, op);
	case OP_EVIDENCE_ADD:
		return sq_evidence_add(b, op);
	case OP_EVENT_ADD:
		return sq_event_add(b, op);
	case OP_IDEMPOTENCY_ADD:
		return sq_idempotency_add(b, op);
	case OP_ZONE_ADD:
		return sq_zone_add(b, op);
	case OP_SCHEDULE_PUT:
		return sq_schedule_put(b, op);
	case OP_SCHEDULE_DROP:
		return sq_schedule_drop(b, op);
	case OP_NOTE_PUT:
		return sq_note_put(b, op);
	case OP_LIST_BEGIN:
		return sq_list_begin(b, op);
	case OP_LIST_IDS:
		return sq_list_ids(b, op);
	case OP_LIST_END:
		return sq_list_end(b, op);
	case OP_LIST_DROP:
		return sq_list_drop(b, op);
	case OP_PROGRESS_PUT:
		return sq_progress_put(b, op);
	case OP_PROGRESS_WIDEN:
		return sq_progress_widen(b, op);
	case OP_RELAPSE_PUT:
		return sq_relapse_put(b, op);
	case OP_PLAN_PUT:
		return sq_plan_put(b, op);
	case OP_USAGE_PUT:
		return sq_usage_put(b, op);
	case OP_EVENTS_DROP:
		return sq_events_drop(b, op);
	case OP_AUDIT_ADD:
		return sq_audit_add(b, op);
	case OP_AUDIT_DROP:
		return sq_audit_drop(b, op);
	case OP_WEBHOOK_PUT:
		return sq_webhook_put(b, op);
	case OP_DEAD_LETTER_ADD:
		return sq_dead_letter_add(b, op);
	case OP_DEAD_LETTERS_DROP:
		return sq_dead_letters_drop(b, op);
	}
	abort();
}

static enum err apply_all(struct backend *b, const struct batch *const *batches, size_t n)
{
	struct op op;

	for (size_t i = 0; i < n; i++) {
		for (size_t at = 0; batch_read(batches[i], &at, &op);) {
			enum err err = apply_op(b, &op);

			if (err != ERR_OK)
				return err;
		}
	}
	return ERR_OK;
}

static enum err put_head(struct backend *b, const struct store_head *head)
{
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_HEAD_PUT,
	                      "UPDATE meta SET revision = ?, last_event_id = ?, last_campaign = ?", &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, (int64_t)head->revision);
	sqlite3_bind_int64(st, 2, (int64_t)head->last_event_id);
	sqlite3_bind_int64(st, 3, head->last_campaign);
	return sq_run(b, st);
}

static enum err finish(struct backend *b)
{
	enum err err = sq_run_close(b);

	if (err == ERR_OK)
		err = sq_prints_close(b);
	if (err == ERR_OK)
		err = sq_targets_put(b);
	if (err == ERR_OK)
		err = put_head(b, &b->tx.head);
	return err == ERR_OK ? sq_do(b, SQ_COMMIT, "COMMIT") : err;
}

/* Whether the file is still where it was opened: what is written to one that was deleted, or moved, nobody
 * finds again. One stat(). A database in memory has none, and does not know this question. */
static enum err check_place(struct backend *b)
{
	int has_moved = 0;

	sqlite3_file_control(b->db, "main", SQLITE_FCNTL_HAS_MOVED, &has_moved);
	return has_moved ? sq_refused(b, ERR_IO, "the database file has been deleted, or moved") : ERR_OK;
}

enum err backend_apply(struct backend *b, const struct batch *const *batches, size_t n,
                       uint64_t *ret_revision)
{
	enum err err = check_place(b);

	if (err == ERR_OK)
		err = sq_do(b, SQ_BEGIN, "BEGIN IMMEDIATE");
	if (err != ERR_OK)
		return err;
	b->tx.head = b->head;
	b->tx.head.revision++;
	err = apply_all(b, batches, n);
	if (err == ERR_OK)
		err = finish(b);
	b->tx.puts_n = 0;
	b->tx.run_n = 0;
	b->tx.prints_n = 0;
	b->tx.holder_until_ms = TIME_NONE;
	if (err != ERR_OK) {
		sqlite3_exec(b->db, "ROLLBACK", NULL, NULL, NULL);
		return err;
	}
	b->head = b->tx.head;
	*ret_revision = b->head.revision;
	return ERR_OK;
}

enum err sq_snapshot(struct backend *b, struct answer *ret)
{
	struct store_head head = {0};
	enum err err = ERR_OK;

	if (!b->is_view) {
		if (!sqlite3_get_autocommit(b->db)) /* an earlier one could not be ended, without memory */
			sqlite3_exec(b->db, "ROLLBACK", NULL, NULL, NULL);
		err = sq_do(b, SQ_BEGIN_READ, "BEGIN");
	}
	if (err == ERR_OK)
		err = read_head(b, &head);
	if (err != ERR_OK)
		return err;
	ret->revision = head.revision;
	ret->last_id = head.last_event_id;
	return ERR_OK;
}

enum err sq_snapshot_end(struct backend *b, enum err err)
{
	if (err == ERR_OK)
		return b->is_view ? ERR_OK : sq_do(b, SQ_COMMIT, "COMMIT");
	for (size_t i = 0; i < SQ_SLOTS_N; i++)
		sqlite3_reset(b->statements[i]);
	if (!sqlite3_get_autocommit(b->db))
		sqlite3_exec(b->db, "ROLLBACK", NULL, NULL, NULL);
	return err;
}

enum err backend_load(struct backend *b, int64_t now_ms, const struct store_loader *loader)
{
	struct answer head;
	enum err err;

	answer_init(&head);
	err = sq_snapshot(b, &head);
	if (err == ERR_OK)
		err = sq_load_campaigns(b, loader);
	if (err == ERR_OK)
		err = sq_load_groups(b, loader);
	if (err == ERR_OK)
		err = sq_load_zones(b, loader);
	if (err == ERR_OK)
		err = sq_load_targets(b, loader);
	if (err == ERR_OK)
		err = sq_load_holds(b, now_ms, loader);
	if (err == ERR_OK)
		err = sq_load_relapses(b, loader);
	if (err == ERR_OK)
		err = sq_load_pages(b, loader);
	if (err == ERR_OK)
		err = sq_load_schedules(b, loader);
	if (err == ERR_OK)
		err = sq_load_notes(b, loader);
	if (err == ERR_OK)
		err = sq_load_progress(b, loader);
	if (err == ERR_OK)
		err = sq_load_usage(b, loader);
	return sq_snapshot_end(b, err);
}
