/* store/sqlite: deletes, slice by slice, what was dropped: campaigns once none of their targets holds its
 * device any more, and lists. What is left to do is on record, so that a restart goes on with it. */
#include "store/sqlite/sqlite.h"

enum err sq_drop_halves(struct backend *b)
{
	return sqlite3_exec(b->db, "UPDATE lists SET stage = 2 WHERE stage = 0", NULL, NULL, NULL) ==
	                       SQLITE_OK
	               ? ERR_OK
	               : sq_failed(b);
}

#define DELETE_SLICE(table) \
	"DELETE FROM " table " WHERE key BETWEEN ?1 AND (SELECT max(key) FROM" \
	" (SELECT key FROM " table " WHERE key BETWEEN ?1 AND ?2 ORDER BY key LIMIT ?3))"

struct sliced {
	enum sq_slot slot;
	const char *sql;
	unsigned shift; /* of the campaign or list in a key */
	int rows_max;   /* in a slice: some megabytes at most */
};
static const struct sliced parts[] = {
        {SQ_SWEEP_TARGETS, DELETE_SLICE("targets"), 32, 5000},
        {SQ_SWEEP_PRINTS, DELETE_SLICE("prints"), 32, 50},
        {SQ_SWEEP_ATTEMPTS, DELETE_SLICE("attempts"), 36, 5000},
        {SQ_SWEEP_EVIDENCE, DELETE_SLICE("evidence"), 36, 5000},
        {SQ_SWEEP_GROUPS, DELETE_SLICE("target_groups"), 32, 5000},
        {SQ_SWEEP_ZONES, DELETE_SLICE("target_zones"), 32, 5000},
        {SQ_SWEEP_PAGES, DELETE_SLICE("pages"), 32, 20},
        {SQ_SWEEP_RELAPSES, DELETE_SLICE("relapses"), 32, 5000},
        {SQ_SWEEP_PROGRESS, DELETE_SLICE("progress"), 32, 5000},
};
static const struct sliced list_pages = {SQ_SWEEP_LIST_PAGES, DELETE_SLICE("list_pages"), 32, 50};

static enum err delete_slice(struct backend *b, const struct sliced *part, uint32_t no, int *ret_deleted)
{
	sqlite3_stmt *st;
	enum err err = sq_use(b, part->slot, part->sql, &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, (int64_t)((uint64_t)no << part->shift));
	sqlite3_bind_int64(st, 2, (int64_t)(((uint64_t)no + 1) << part->shift) - 1);
	sqlite3_bind_int(st, 3, part->rows_max);
	err = sq_run(b, st);
	*ret_deleted = sqlite3_changes(b->db);
	return err;
}

static enum err run_with(struct backend *b, enum sq_slot slot, const char *sql, uint32_t no)
{
	sqlite3_stmt *st;
	enum err err = sq_use(b, slot, sql, &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, no);
	return sq_run(b, st);
}

static enum err sweep_campaign(struct backend *b, uint32_t no)
{
	enum err err = ERR_OK;
	int deleted = 0;

	for (size_t i = 0; err == ERR_OK && deleted == 0 && i < sizeof parts / sizeof *parts; i++)
		err = delete_slice(b, &parts[i], no, &deleted);
	if (err != ERR_OK || deleted > 0)
		return err;
	err = run_with(b, SQ_SWEEP_HUBS, "DELETE FROM hubs WHERE campaign = ?", no);
	if (err == ERR_OK)
		err = run_with(b, SQ_SWEEP_PLAN, "DELETE FROM plans WHERE campaign = ?", no);
	return err == ERR_OK ? run_with(b, SQ_SWEEP_END, "UPDATE campaigns SET dropped = 2 WHERE no = ?", no)
	                     : err;
}

static enum err sweep_list(struct backend *b, uint32_t no)
{
	int deleted;
	enum err err = delete_slice(b, &list_pages, no, &deleted);

	if (err != ERR_OK || deleted > 0)
		return err;
	return run_with(b, SQ_SWEEP_LIST_END, "DELETE FROM lists WHERE no = ?", no);
}

/* Gives the number of what is to be swept, 0: nothing. */
static enum err next(struct backend *b, enum sq_slot slot, const char *sql, uint32_t *ret_no)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err = sq_use(b, slot, sql, &st);

	if (err == ERR_OK) {
		sqlite3_bind_int64(st, 1, b->told_at_ms);
		err = sq_step(b, st, &is_row);
	}
	if (err != ERR_OK)
		return err;
	*ret_no = is_row ? (uint32_t)sqlite3_column_int64(st, 0) : 0;
	sqlite3_reset(st);
	return ERR_OK;
}

static enum err find_dropped(struct backend *b, uint32_t *ret_campaign, uint32_t *ret_list)
{
	/* The clock is what the last event says: holds end by the time of whoever committed them. */
	enum err err = next(b, SQ_SWEEP_CAMPAIGN,
	                    "SELECT no FROM campaigns WHERE dropped = 1 AND"
	                    " (hold_until_ms IS NULL OR hold_until_ms <= ?) LIMIT 1",
	                    ret_campaign);

	if (err == ERR_OK)
		err = next(b, SQ_SWEEP_LIST, "SELECT no FROM lists WHERE stage = 2 LIMIT 1", ret_list);
	return err;
}

static enum err sweep(struct backend *b, uint32_t campaign, uint32_t list)
{
	enum err err = sq_do(b, SQ_BEGIN, "BEGIN IMMEDIATE");

	if (err != ERR_OK)
		return err;
	err = campaign > 0 ? sweep_campaign(b, campaign) : sweep_list(b, list);
	if (err == ERR_OK)
		err = sq_do(b, SQ_COMMIT, "COMMIT");
	if (err != ERR_OK)
		sqlite3_exec(b->db, "ROLLBACK", NULL, NULL, NULL);
	return err;
}

enum err backend_sweep(struct backend *b, bool *ret_has_more)
{
	uint32_t campaign, list;
	enum err err = find_dropped(b, &campaign, &list);

	if (err != ERR_OK)
		return err;
	*ret_has_more = campaign > 0 || list > 0;
	return *ret_has_more ? sweep(b, campaign, list) : ERR_OK;
}
