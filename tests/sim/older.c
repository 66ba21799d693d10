/* sim: see older.h */
#include "tests/sim/older.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/base/buf.h"
#include "store/sqlite/sqlite.h"
#include "tests/sim/drive.h"

static void run(sqlite3 *db, const char *sql)
{
	char *reason = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &reason) == SQLITE_OK)
		return;
	fprintf(stderr, "%s: %s\n", sql, reason);
	abort();
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK)
		return st;
	fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(db));
	abort();
}

/* Fills a table of the old schema from the one of its name. */
static void copy_table(sqlite3 *db, const char *table)
{
	sqlite3_stmt *st = prepare(db, "SELECT name FROM pragma_table_info(?)");
	struct buf columns = BUF_INIT, sql = BUF_INIT;

	sqlite3_bind_text(st, 1, table, -1, SQLITE_TRANSIENT);
	while (sqlite3_step(st) == SQLITE_ROW)
		buf_printf(&columns, "%s%s", columns.len > 0 ? ", " : "",
		           (const char *)sqlite3_column_text(st, 0));
	sqlite3_finalize(st);
	buf_printf(&sql, "DELETE FROM %s; INSERT INTO %s (%s) SELECT %s FROM newer.%s", table, table,
	           columns.data, columns.data, table);
	run(db, sql.data);
	buf_done(&columns);
	buf_done(&sql);
}

static int number_of(sqlite3 *db, const char *pragma)
{
	sqlite3_stmt *st = prepare(db, pragma);
	int n = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int(st, 0) : 0;

	sqlite3_finalize(st);
	return n;
}

int older_newest(void)
{
	return sq_migrations_n;
}

void older_put(struct drive *d, int version)
{
	struct buf sql = BUF_INIT;
	sqlite3_stmt *st;
	char path[96];
	sqlite3 *db;

	drive_path_of(d, "older.db", path);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI, NULL) !=
	    SQLITE_OK)
		abort();
	buf_printf(&sql, "ATTACH '%s' AS newer", drive_path(d));
	run(db, sql.data);
	if (number_of(db, "PRAGMA newer.user_version") >
	    version) { /* else it was never made, or is older yet */
		run(db, "PRAGMA main.journal_mode = WAL; BEGIN");
		for (int i = 0; i < version; i++)
			run(db, sq_migrations[i]);
		st = prepare(
		        db,
		        "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
		while (sqlite3_step(st) == SQLITE_ROW)
			copy_table(db, (const char *)sqlite3_column_text(st, 0));
		sqlite3_finalize(st);
		buf_reset(&sql);
		buf_printf(&sql, "PRAGMA main.application_id = %d; PRAGMA main.user_version = %d; COMMIT",
		           number_of(db, "PRAGMA newer.application_id"), version);
		run(db, sql.data);
		sqlite3_close(db);
		drive_delete_of(d, "rollcall.db");
		drive_delete_of(d, "rollcall.db-wal");
		drive_rename(d, "older.db", "rollcall.db");
	} else {
		sqlite3_close(db);
	}
	buf_done(&sql);
}
