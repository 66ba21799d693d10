/* store/sqlite: the watches over proven targets, and who relapsed. */
#include "store/sqlite/sqlite.h"

#include "store/pack.h"

enum err sq_relapse_put(struct backend *b, const struct op *op)
{
	const struct relapse_row *row = &op->relapse;
	unsigned char after[PACKED_BASELINE_BYTES];
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_RELAPSE_PUT,
	                      "INSERT OR REPLACE INTO relapses (key, from_ms, until_ms, after, relapse,"
	                      " relapsed_at_ms, is_over) VALUES (?, ?, ?, ?, ?, ?, ?)",
	                      &st);

	if (err != ERR_OK)
		return err;
	pack_baseline(&row->after, after);
	sqlite3_bind_int64(st, 1, sq_key(row->campaign, row->no));
	sq_bind_time(st, 2, row->from_ms);
	sq_bind_time(st, 3, row->until_ms);
	sq_bind_blob(st, 4, after, sizeof after);
	sqlite3_bind_int(st, 5, row->relapse);
	sq_bind_time(st, 6, row->relapsed_at_ms);
	sqlite3_bind_int(st, 7, row->is_over);
	return sq_run(b, st);
}

enum err sq_load_relapses(struct backend *b, const struct store_loader *loader)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err = ERR_OK;

	if (loader->on_relapse == NULL)
		return ERR_OK;
	err = sq_use(b, SQ_LOAD_RELAPSES,
	             "SELECT r.key, r.from_ms, r.until_ms, r.after, r.relapse, r.relapsed_at_ms, r.is_over"
	             " FROM campaigns c CROSS JOIN relapses r ON r.key " SQ_KEY_OF_C
	             " WHERE c.is_final = 0 ORDER BY c.no, r.key",
	             &st);
	while (err == ERR_OK && (err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		uint64_t key = (uint64_t)sqlite3_column_int64(st, 0);
		struct relapse_row row = {.campaign = (uint32_t)(key >> 32),
		                          .no = (uint32_t)key,
		                          .from_ms = sq_time(st, 1),
		                          .until_ms = sq_time(st, 2),
		                          .relapse = (uint8_t)sqlite3_column_int(st, 4),
		                          .relapsed_at_ms = sq_time(st, 5),
		                          .is_over = sqlite3_column_int(st, 6) != 0};

		if (sqlite3_column_bytes(st, 3) != PACKED_BASELINE_BYTES || row.relapse >= RELAPSES_N)
			return sq_refused(b, ERR_CORRUPT, "a watch over a proven target is damaged");
		unpack_baseline(sqlite3_column_blob(st, 3), &row.after);
		loader->on_relapse(loader->arg, &row);
	}
	return err;
}
