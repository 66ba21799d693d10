/* store/sqlite: copying and checking a database that another process may have open. */
#include "store/care.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/pack.h"
#include "store/sqlite/sqlite.h"

static char *because(const char *what, const char *path, const char *why)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "%s %s: %s", what, path, why);
	return buf_take(&b);
}

/* ---- a copy ---- */

static enum err system_failed(const char *what, const char *path, char **ret_reason)
{
	enum err err = errno == EEXIST ? ERR_CONFLICT : errno == ENOSPC ? ERR_FULL : ERR_IO;

	*ret_reason = because(what, path, strerror(errno));
	return err;
}

/* All pages as of one commit: a reader's snapshot, which holds up nobody. */
static bool copy_pages(sqlite3 *from, sqlite3 *to)
{
	sqlite3_backup *copy = sqlite3_backup_init(to, "main", from, "main");

	if (copy == NULL)
		return false;
	sqlite3_backup_step(copy, -1);
	return sqlite3_backup_finish(copy) == SQLITE_OK;
}

/* What was called since shows before the next call, unless it was called right at the end; for the hub's
 * clock may be behind ours by so much. */
#define CLOCKS_DIFFER_MS 60000

/* perhaps_called(life): as one whose call since the copy was made may have acted, under the attempt id that
 * such a call had. */
static void perhaps_called(sqlite3_context *context, int n, sqlite3_value **values)
{
	const int64_t *now_ms = sqlite3_user_data(context);
	const unsigned char *life = sqlite3_value_blob(values[0]);
	unsigned char out[PACKED_TARGET_BYTES];
	struct target_row row = {0};

	(void)n;
	if (sqlite3_value_bytes(values[0]) != PACKED_TARGET_BYTES) {
		sqlite3_result_error(context, "a target's row is damaged", -1);
		return;
	}
	unpack_target(life, &row);
	if (row.since_hub_ms == TIME_NONE)
		row.since_hub_ms = *now_ms - CLOCKS_DIFFER_MS;
	if (row.attempt_seq == 0)
		row.attempt_seq = 1;
	row.is_unresolved = true;
	pack_target(&row, out);
	sqlite3_result_blob(context, out, sizeof out, SQLITE_TRANSIENT);
}

static bool doubt_waiting(sqlite3 *db, int64_t now_ms)
{
	return sqlite3_create_function(db, "perhaps_called", 1, SQLITE_UTF8, &now_ms, perhaps_called, NULL,
	                               NULL) == SQLITE_OK &&
	       sqlite3_exec(db,
	                    "UPDATE targets SET life = perhaps_called(life) WHERE state = 0 AND key >> 32 IN"
	                    " (SELECT no FROM campaigns JOIN specs ON campaign = no WHERE is_final = 0 AND"
	                    " dropped = 0 AND coalesce(json_extract(spec, '$.verify.by'), '') <> 'none')",
	                    NULL, NULL, NULL) == SQLITE_OK;
}

static bool pause_all(sqlite3 *db, int64_t now_ms)
{
	char at[TIME_TEXT_SIZE];
	char *sql = sqlite3_mprintf(
	        "UPDATE campaigns SET state = %d, state_reason = 'from a backup of %s: what was "
	        "called since is not on record here' WHERE is_final = 0 AND state <> %d",
	        CAMPAIGN_PAUSED, time_text(now_ms, at), CAMPAIGN_CANCELLING);
	bool is_done = sql != NULL && sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;

	sqlite3_free(sql);
	return is_done;
}

static enum err fill(struct backend *from, const char *part, int64_t now_ms, char **ret_reason)
{
	sqlite3 *to = NULL;
	enum err err = ERR_OK;

	if (sqlite3_open_v2(part, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_EXRESCODE, NULL) != SQLITE_OK ||
	    !copy_pages(from->db, to) || !pause_all(to, now_ms) || !doubt_waiting(to, now_ms)) {
		err = (sqlite3_errcode(to) & 0xff) == SQLITE_FULL ? ERR_FULL : ERR_IO;
		*ret_reason = because("cannot write", part, sqlite3_errmsg(to));
	}
	sqlite3_close(to);
	return err;
}

/* Has the name last, too. */
static enum err sync_folder(const char *to, char **ret_reason)
{
	const char *slash = strrchr(to, '/');
	char *folder = slash != NULL ? xstrndup(to, (size_t)(slash - to) + 1) : xstrdup(".");
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err err = ERR_OK;

	if (fd < 0 || fsync(fd) != 0)
		err = system_failed("cannot sync", folder, ret_reason);
	if (fd >= 0)
		close(fd);
	free(folder);
	return err;
}

/* link() refuses where there is a file of that name by now; rename() would replace it. */
static enum err put_in_place(const char *part, int fd, const char *to, char **ret_reason)
{
	if (fsync(fd) != 0)
		return system_failed("cannot sync", part, ret_reason);
	if (link(part, to) != 0)
		return system_failed("cannot make", to, ret_reason);
	return sync_folder(to, ret_reason);
}

static void remove_part(const char *part)
{
	static const char *const companions[] = {"", "-journal", "-wal", "-shm"};
	struct buf path = BUF_INIT;

	for (size_t i = 0; i < sizeof companions / sizeof *companions; i++) {
		buf_reset(&path);
		buf_printf(&path, "%s%s", part, companions[i]);
		unlink(path.data);
	}
	buf_done(&path);
}

enum err store_backup(const char *path, const char *to, int64_t now_ms, char **ret_reason)
{
	struct buf part = BUF_INIT;
	struct backend *from;
	int fd, version;
	enum err err;

	if (access(to, F_OK) == 0) {
		errno = EEXIST;
		return system_failed("cannot make", to, ret_reason);
	}
	err = sq_open_reader(path, &from, ret_reason);
	if (err != ERR_OK)
		return err;
	err = sq_examine(from, &version);
	if (err != ERR_OK)
		*ret_reason = because("cannot copy", path, from->reason);
	buf_printf(&part, "%s.part-%d", to, (int)getpid());
	fd = err == ERR_OK ? open(part.data, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
	if (err == ERR_OK && fd < 0)
		err = system_failed("cannot make", part.data, ret_reason);
	if (err == ERR_OK)
		err = fill(from, part.data, now_ms, ret_reason);
	if (err == ERR_OK)
		err = put_in_place(part.data, fd, to, ret_reason);
	if (fd >= 0) {
		close(fd);
		remove_part(part.data);
	}
	backend_close(from);
	buf_done(&part);
	return err;
}

/* ---- a check ---- */

struct check {
	struct backend *b;
	store_fault_cb *on_fault;
	void *arg;
	struct store_census census;
};

__attribute__((format(printf, 2, 3))) static void fault(struct check *c, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	c->on_fault(c->arg, text);
}

/* Calls on_row for each row of sql, which has no parameters. */
static enum err each(struct check *c, const char *sql, enum err (*on_row)(struct check *c, sqlite3_stmt *st))
{
	sqlite3_stmt *st = NULL;
	enum err err = ERR_OK;
	int code;

	if (sqlite3_prepare_v2(c->b->db, sql, -1, &st, NULL) != SQLITE_OK)
		return sq_failed(c->b);
	while (err == ERR_OK && (code = sqlite3_step(st)) != SQLITE_DONE)
		err = code == SQLITE_ROW ? on_row(c, st) : sq_failed(c->b);
	sqlite3_finalize(st);
	return err;
}

static enum err on_integrity(struct check *c, sqlite3_stmt *st)
{
	const char *text = (const char *)sqlite3_column_text(st, 0);

	if (text == NULL || strcmp(text, "ok") != 0)
		fault(c, "the file: %s", text != NULL ? text : "no memory");
	return ERR_OK;
}

/* Adds up the targets of a campaign by marks (store/sqlite/migrations/0001_init.sql). */
static enum err count_targets(struct check *c, uint32_t no, struct counts *ret)
{
	sqlite3_stmt *st = NULL;
	int code;

	if (sqlite3_prepare_v2(c->b->db,
	                       "SELECT state, reason, wait, count(*) FROM targets WHERE key BETWEEN ? AND ?"
	                       " GROUP BY 1, 2, 3",
	                       -1, &st, NULL) != SQLITE_OK)
		return sq_failed(c->b);
	sqlite3_bind_int64(st, 1, sq_key(no, 0));
	sqlite3_bind_int64(st, 2, sq_key(no, UINT32_MAX));
	while ((code = sqlite3_step(st)) == SQLITE_ROW) {
		unsigned state = (unsigned)sqlite3_column_int(st, 0),
		         reason = (unsigned)sqlite3_column_int(st, 1),
		         wait = (unsigned)sqlite3_column_int(st, 2);
		uint32_t n = (uint32_t)sqlite3_column_int64(st, 3);

		if (state >= TARGET_STATES_N || reason >= REASONS_N || wait >= WAITS_N) {
			fault(c, "campaign %u: %u targets are in a state that there is not", no, n);
			continue;
		}
		ret->total += n;
		ret->state[state] += n;
		ret->reason[reason] += n;
		if (state == TARGET_WAITING)
			ret->wait[wait] += n;
	}
	sqlite3_finalize(st);
	return code == SQLITE_DONE ? ERR_OK : sq_failed(c->b);
}

static void compare(struct check *c, const struct campaign_row *row, const struct counts *seen)
{
	for (unsigned s = 0; s < TARGET_STATES_N; s++) {
		if (row->counts.state[s] != seen->state[s])
			fault(c, "campaign %s: it counts %u targets as %s, there are %u (P8)", row->id,
			      row->counts.state[s], target_state_text((enum target_state)s), seen->state[s]);
		if (campaign_state_is_final(row->state) && !target_state_is_final((enum target_state)s) &&
		    seen->state[s] > 0)
			fault(c, "campaign %s: it is over, and %u targets are %s (P10)", row->id,
			      seen->state[s], target_state_text((enum target_state)s));
	}
	for (unsigned r = 1; r < REASONS_N; r++)
		if (row->counts.reason[r] != seen->reason[r])
			fault(c, "campaign %s: it counts %u targets for %s, there are %u (P8)", row->id,
			      row->counts.reason[r], reason_text((enum reason)r), seen->reason[r]);
	if (row->counts.total != seen->total)
		fault(c, "campaign %s: it counts %u targets, there are %u (P8)", row->id, row->counts.total,
		      seen->total);
}

static enum err on_campaign(struct check *c, sqlite3_stmt *st)
{
	uint32_t no = (uint32_t)sqlite3_column_int64(st, 0);
	struct counts seen = {0};
	struct answer answer;
	enum err err;

	answer_init(&answer);
	err = sq_campaign_read(c->b, no, &answer);
	if (err == ERR_CORRUPT) {
		fault(c, "campaign %u: %s", no, c->b->reason);
		err = ERR_OK;
	} else if (err == ERR_OK && answer.campaigns_n == 0) {
		fault(c, "campaign %u: its spec is missing", no);
	} else if (err == ERR_OK) {
		err = count_targets(c, no, &seen);
		if (err == ERR_OK)
			compare(c, &answer.campaigns[0], &seen);
		c->census.targets += seen.total;
	}
	c->census.campaigns++;
	answer_done(&answer);
	return err;
}

static enum err on_run(struct check *c, sqlite3_stmt *st)
{
	uint64_t first = (uint64_t)sqlite3_column_int64(st, 0), n = (uint64_t)sqlite3_column_int64(st, 1);
	uint64_t *next = &c->census.events; /* while runs are read: the id to come; 0: none was read yet */

	if (*next != 0 && first != *next)
		fault(c, "events: after %llu comes %llu (P11)", (unsigned long long)(*next - 1),
		      (unsigned long long)first);
	*next = first + n;
	return ERR_OK;
}

static enum err on_first_run(struct check *c, sqlite3_stmt *st)
{
	c->census.events -= (uint64_t)sqlite3_column_int64(st, 0);
	return ERR_OK;
}

static enum err on_meta(struct check *c, sqlite3_stmt *st)
{
	uint64_t last = (uint64_t)sqlite3_column_int64(st, 1);

	c->census.revision = (uint64_t)sqlite3_column_int64(st, 0);
	if (c->census.events != 0 && c->census.events != last + 1)
		fault(c, "events: the last is %llu, it should be %llu (P11)",
		      (unsigned long long)(c->census.events - 1), (unsigned long long)last);
	return ERR_OK;
}

static enum err check_all(struct check *c)
{
	enum err err = sq_do(c->b, SQ_BEGIN_READ, "BEGIN");

	if (err == ERR_OK)
		err = each(c, "PRAGMA integrity_check", on_integrity);
	if (err == ERR_OK)
		err = each(c, "SELECT no FROM campaigns WHERE dropped = 0 ORDER BY no", on_campaign);
	if (err == ERR_OK)
		err = each(c, "SELECT first_id, n FROM events ORDER BY first_id", on_run);
	if (err == ERR_OK)
		err = each(c, "SELECT revision, last_event_id FROM meta", on_meta);
	if (err == ERR_OK)
		err = each(c, "SELECT coalesce(min(first_id), 0) FROM events", on_first_run);
	return err;
}

enum err store_check(const char *path, store_fault_cb *on_fault, void *arg, struct store_census *ret,
                     char **ret_reason)
{
	struct check c = {.on_fault = on_fault, .arg = arg};
	int version;
	enum err err = sq_open_reader(path, &c.b, ret_reason);

	if (err != ERR_OK)
		return err;
	err = sq_examine(c.b, &version);
	if (err == ERR_OK && version != sq_migrations_n)
		err = sq_refused(c.b, ERR_INVALID,
		                 "it was written by an older version: let the service open it first");
	if (err == ERR_OK)
		err = check_all(&c);
	if (err == ERR_OK)
		*ret = c.census;
	else
		*ret_reason = because("cannot check", path, c.b->reason);
	backend_close(c.b);
	return err;
}
