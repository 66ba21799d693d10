/* store/sqlite: what was spent of each hub's day. */
#include "store/sqlite/sqlite.h"

enum err sq_usage_put(struct backend *b, const struct op *op)
{
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_USAGE_PUT,
	                      "INSERT OR REPLACE INTO hub_days (hub, day, messages) VALUES (?, ?, ?)", &st);

	if (err != ERR_OK)
		return err;
	sq_bind_text(st, 1, op->usage.hub);
	sqlite3_bind_int64(st, 2, op->usage.day);
	sqlite3_bind_int64(st, 3, (int64_t)op->usage.messages);
	return sq_run(b, st);
}

enum err sq_load_usage(struct backend *b, const struct store_loader *loader)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err;

	if (loader->on_usage == NULL)
		return ERR_OK;
	err = sq_use(b, SQ_LOAD_USAGE, "SELECT hub, day, messages FROM hub_days ORDER BY hub", &st);
	while (err == ERR_OK && (err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		struct usage_row row = {.hub = (const char *)sqlite3_column_text(st, 0),
		                        .day = sqlite3_column_int64(st, 1),
		                        .messages = (uint64_t)sqlite3_column_int64(st, 2)};

		if (row.hub != NULL)
			loader->on_usage(loader->arg, &row);
	}
	return err;
}
