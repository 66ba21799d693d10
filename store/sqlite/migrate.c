/* store/sqlite: whose file this is, and bringing its schema up to date. */
#include "store/sqlite/sqlite.h"

#include <stdio.h>

#define APPLICATION_ID 0x726f6c6c /* "roll", in the file's header */

static enum err read_number(struct backend *b, const char *sql, int *ret)
{
	sqlite3_stmt *st;
	enum err err = ERR_OK;

	if (sqlite3_prepare_v2(b->db, sql, -1, &st, NULL) != SQLITE_OK)
		return sq_failed(b);
	if (sqlite3_step(st) == SQLITE_ROW)
		*ret = sqlite3_column_int(st, 0);
	else
		err = sq_failed(b);
	sqlite3_finalize(st);
	return err;
}

enum err sq_examine(struct backend *b, int *ret_version)
{
	int application = 0, version = 0, tables = 0;
	enum err err = read_number(b, "PRAGMA application_id", &application);

	if (err == ERR_OK)
		err = read_number(b, "PRAGMA user_version", &version);
	if (err == ERR_OK)
		err = read_number(b, "SELECT count(*) FROM sqlite_schema", &tables);
	if (err != ERR_OK)
		return err;
	if (application != APPLICATION_ID && (application != 0 || version != 0 || tables != 0))
		return sq_refused(b, ERR_CORRUPT, "it is a database, but not one of rollcall's");
	if (version > sq_migrations_n)
		return sq_refused(b, ERR_TOO_NEW, "it was written by a newer version of rollcall");
	if (version < 0 || (version == 0) != (tables == 0))
		return sq_refused(b, ERR_CORRUPT, "its header and its tables do not fit together");
	*ret_version = version;
	return ERR_OK;
}

static enum err execute(struct backend *b, const char *sql)
{
	return sqlite3_exec(b->db, sql, NULL, NULL, NULL) == SQLITE_OK ? ERR_OK : sq_failed(b);
}

enum err sq_migrate(struct backend *b, int version)
{
	char done[128];
	enum err err;

	if (version == sq_migrations_n)
		return ERR_OK;
	snprintf(done, sizeof done, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
	         APPLICATION_ID, sq_migrations_n);
	err = execute(b, "BEGIN IMMEDIATE");
	for (int i = version; err == ERR_OK && i < sq_migrations_n; i++)
		err = execute(b, sq_migrations[i]);
	if (err == ERR_OK)
		err = execute(b, done);
	if (err != ERR_OK)
		sqlite3_exec(b->db, "ROLLBACK", NULL, NULL, NULL);
	return err;
}
