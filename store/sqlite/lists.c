/* store/sqlite: lists of device ids, in pages. A list is made beside the one that it replaces. */
#include "store/sqlite/sqlite.h"

#include "store/pack.h"

#define MAKING 0
#define WHOLE 1

/* ---- writing ---- */

/* Leaves its pages to the sweep. */
static enum err drop(struct backend *b, const char *name, int stage)
{
	sqlite3_stmt *st;
	enum err err =
	        sq_use(b, SQ_LIST_DROP, "UPDATE lists SET stage = 2 WHERE name = ? AND stage = ?", &st);

	if (err != ERR_OK)
		return err;
	sq_bind_text(st, 1, name);
	sqlite3_bind_int(st, 2, stage);
	return sq_run(b, st);
}

/* Gives the statement at the row of a list (no, n, at_ms, made_by), if it is there. */
static enum err find(struct backend *b, const char *name, int stage, sqlite3_stmt **ret, bool *ret_is_row)
{
	enum err err = sq_use(b, SQ_LIST_FIND,
	                      "SELECT no, n, at_ms, made_by FROM lists WHERE name = ? AND stage = ?", ret);

	if (err != ERR_OK)
		return err;
	sq_bind_text(*ret, 1, name);
	sqlite3_bind_int(*ret, 2, stage);
	return sq_step(b, *ret, ret_is_row);
}

static enum err find_made(struct backend *b, const char *name, uint32_t *ret_no, uint32_t *ret_n)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err = find(b, name, MAKING, &st, &is_row);

	if (err == ERR_OK && !is_row)
		err = sq_refused(b, ERR_NOT_FOUND, "a list of devices was not begun");
	if (err != ERR_OK)
		return err;
	*ret_no = (uint32_t)sqlite3_column_int64(st, 0);
	*ret_n = (uint32_t)sqlite3_column_int64(st, 1);
	sqlite3_reset(st);
	return ERR_OK;
}

/* A number is not used again while pages have it: a list's row goes after them. */
enum err sq_list_begin(struct backend *b, const struct op *op)
{
	sqlite3_stmt *st;
	enum err err = drop(b, op->list.name, MAKING);

	if (err == ERR_OK)
		err = sq_use(b, SQ_LIST_ADD, "INSERT INTO lists (name, stage, n) VALUES (?, ?, 0)", &st);
	if (err != ERR_OK)
		return err;
	sq_bind_text(st, 1, op->list.name);
	sqlite3_bind_int(st, 2, MAKING);
	return sq_run(b, st);
}

static enum err add_page(struct backend *b, int64_t key, const struct op *op)
{
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_LIST_PAGE_ADD, "INSERT INTO list_pages (key, ids) VALUES (?, ?)", &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, key);
	sq_bind_blob(st, 2, op->list.ids, op->list.ids_bytes);
	return sq_run(b, st);
}

enum err sq_list_ids(struct backend *b, const struct op *op)
{
	uint32_t no, n;
	sqlite3_stmt *st;
	enum err err = find_made(b, op->list.name, &no, &n);

	if (err == ERR_OK)
		err = add_page(b, sq_key(no, n), op);
	if (err == ERR_OK)
		err = sq_use(b, SQ_LIST_GROW, "UPDATE lists SET n = n + ? WHERE no = ?", &st);
	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, op->list.n);
	sqlite3_bind_int64(st, 2, no);
	return sq_run(b, st);
}

enum err sq_list_end(struct backend *b, const struct op *op)
{
	uint32_t no, n;
	sqlite3_stmt *st;
	enum err err = find_made(b, op->list.name, &no, &n);

	if (err == ERR_OK && (n == 0 || n != op->list.n))
		err = sq_refused(b, ERR_INVALID, "a list of devices has another number of ids than was told");
	if (err == ERR_OK)
		err = drop(b, op->list.name, WHOLE);
	if (err == ERR_OK)
		err = sq_use(b, SQ_LIST_END,
		             "UPDATE lists SET stage = ?, at_ms = ?, made_by = ? WHERE no = ?", &st);
	if (err != ERR_OK)
		return err;
	sqlite3_bind_int(st, 1, WHOLE);
	sq_bind_time(st, 2, op->list.at_ms);
	sq_bind_text(st, 3, op->list.by);
	sqlite3_bind_int64(st, 4, no);
	return sq_run(b, st);
}

enum err sq_list_drop(struct backend *b, const struct op *op)
{
	return drop(b, op->list.name, WHOLE);
}

/* ---- reading ---- */

/* Adds the ids of the page at st, from that position on, until there are limit of them. */
static enum err read_page(struct backend *b, sqlite3_stmt *st, uint32_t from, uint32_t limit,
                          struct answer *ret)
{
	uint32_t at = (uint32_t)sqlite3_column_int64(st, 0);
	const char *ids = sqlite3_column_blob(st, 1);
	struct cursor in = {ids, ids + sqlite3_column_bytes(st, 1), 0};

	for (; in.at < in.end && ret->list.ids_n < limit; at++) {
		const char *id = unpack_text(&in, at >= from ? &ret->arena : NULL);

		if (in.failed || (id == NULL && at >= from))
			return sq_refused(b, ERR_CORRUPT, "a page of a list of devices is damaged");
		if (at < from)
			continue;
		ret->list.ids = answer_room(ret->list.ids, ret->list.ids_n, sizeof *ret->list.ids);
		ret->list.ids[ret->list.ids_n++] = id;
	}
	return ERR_OK;
}

static enum err read_pages(struct backend *b, uint32_t no, uint32_t from, uint32_t limit, struct answer *ret)
{
	sqlite3_stmt *st;
	bool is_row;
	/* The page that has the first id wanted may start before it. */
	enum err err = sq_use(b, SQ_LIST_PAGES,
	                      "SELECT key, ids FROM list_pages WHERE key BETWEEN (SELECT max(key) FROM"
	                      " list_pages WHERE key <= ?1) AND ?2 ORDER BY key",
	                      &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, sq_key(no, from));
	sqlite3_bind_int64(st, 2, sq_key(no, UINT32_MAX));
	do {
		err = sq_step(b, st, &is_row);
		if (err == ERR_OK && is_row)
			err = read_page(b, st, from, limit, ret);
	} while (err == ERR_OK && is_row && ret->list.ids_n < limit);
	sqlite3_reset(st);
	return err;
}

static enum err read_list(struct backend *b, const char *name, uint32_t from, uint32_t limit,
                          struct answer *ret)
{
	sqlite3_stmt *st;
	bool is_row;
	uint32_t no;
	enum err err = find(b, name, WHOLE, &st, &is_row);

	if (err != ERR_OK || !is_row)
		return err;
	no = (uint32_t)sqlite3_column_int64(st, 0);
	ret->list.n_all = (uint32_t)sqlite3_column_int64(st, 1);
	ret->list.at_ms = sq_time(st, 2);
	ret->list.by = sq_text(st, 3, &ret->arena);
	sqlite3_reset(st);
	return from < ret->list.n_all ? read_pages(b, no, from, limit, ret) : ERR_OK;
}

enum err backend_read_list(struct backend *b, const char *name, uint32_t from, uint32_t limit,
                           struct answer *ret)
{
	enum err err = sq_snapshot(b, ret);

	if (err == ERR_OK)
		err = read_list(b, name, from, limit, ret);
	return sq_snapshot_end(b, err);
}
