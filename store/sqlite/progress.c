/* store/sqlite: a campaign's counts over time, its plan, and when its waves ended. */
#include "store/sqlite/sqlite.h"

#include "store/pack.h"

/* ---- counts over time ---- */

enum err sq_progress_put(struct backend *b, const struct op *op)
{
	const struct progress_row *row = &op->progress;
	unsigned char states[PACKED_STATES_BYTES];
	sqlite3_stmt *st;
	enum err err = sq_use(
	        b, SQ_PROGRESS_PUT,
	        "INSERT OR REPLACE INTO progress (key, at_ms, revision, states) VALUES (?, ?, ?, ?)", &st);

	if (err != ERR_OK)
		return err;
	pack_states(row->total, row->state, states);
	sqlite3_bind_int64(st, 1, sq_key(row->campaign, row->slot_s));
	sqlite3_bind_int64(st, 2, row->at_ms);
	sqlite3_bind_int64(st, 3, (int64_t)b->tx.head.revision);
	sq_bind_blob(st, 4, states, sizeof states);
	return sq_run(b, st);
}

enum err sq_progress_widen(struct backend *b, const struct op *op)
{
	sqlite3_stmt *st;
	/* Rows go by key, so that in each new slot the last of the old ones is what stays. */
	enum err err = sq_use(b, SQ_PROGRESS_WIDEN,
	                      "UPDATE OR REPLACE progress SET key = key - (key & 4294967295) % ?3"
	                      " WHERE key BETWEEN ?1 AND ?2 AND (key & 4294967295) % ?3 > 0",
	                      &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, sq_key(op->progress.campaign, 0));
	sqlite3_bind_int64(st, 2, sq_key(op->progress.campaign, UINT32_MAX));
	sqlite3_bind_int64(st, 3, op->progress.slot_s);
	return sq_run(b, st);
}

static enum err read_row(struct backend *b, sqlite3_stmt *st, struct progress_row *ret)
{
	uint64_t key = (uint64_t)sqlite3_column_int64(st, 0);

	*ret = (struct progress_row){.campaign = (uint32_t)(key >> 32),
	                             .slot_s = (uint32_t)key,
	                             .at_ms = sqlite3_column_int64(st, 1),
	                             .revision = (uint64_t)sqlite3_column_int64(st, 2)};
	if (sqlite3_column_bytes(st, 3) != PACKED_STATES_BYTES)
		return sq_refused(b, ERR_CORRUPT, "a campaign's progress is damaged");
	unpack_states(sqlite3_column_blob(st, 3), &ret->total, ret->state);
	return ERR_OK;
}

static enum err list(struct backend *b, uint32_t campaign, struct answer *ret)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err = sq_use(b, SQ_PROGRESS_LIST,
	                      "SELECT key, at_ms, revision, states FROM progress WHERE key BETWEEN ? AND ?"
	                      " ORDER BY key",
	                      &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, sq_key(campaign, 0));
	sqlite3_bind_int64(st, 2, sq_key(campaign, UINT32_MAX));
	while ((err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		ret->progress = answer_room(ret->progress, ret->progress_n, sizeof *ret->progress);
		err = read_row(b, st, &ret->progress[ret->progress_n]);
		if (err != ERR_OK)
			break;
		ret->progress_n++;
	}
	return err;
}

enum err backend_read_progress(struct backend *b, const char *id, struct answer *ret)
{
	enum err err = sq_snapshot(b, ret);

	if (err == ERR_OK)
		err = sq_campaign_find(b, id, ret);
	if (err == ERR_OK && ret->campaigns_n == 1)
		err = list(b, ret->campaigns[0].no, ret);
	return sq_snapshot_end(b, err);
}

/* ---- plans ---- */

static enum err put_ends(struct backend *b, const struct plan_row *row)
{
	unsigned char ends[PACKED_ENDS_BYTES];
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_PLAN_ENDS, "UPDATE plans SET ends = ?2 WHERE campaign = ?1", &st);

	if (err != ERR_OK)
		return err;
	pack_ends(row->ended_at_ms, ends);
	sqlite3_bind_int64(st, 1, row->campaign);
	sq_bind_blob(st, 2, ends, sizeof ends);
	err = sq_run(b, st);
	if (err == ERR_OK && sqlite3_changes(b->db) != 1)
		err = sq_refused(b, ERR_NOT_FOUND, "a plan that was put is not there");
	return err;
}

enum err sq_plan_put(struct backend *b, const struct op *op)
{
	unsigned char ends[PACKED_ENDS_BYTES];
	sqlite3_stmt *st;
	enum err err;

	if (op->plan.text == NULL)
		return put_ends(b, &op->plan);
	err = sq_use(b, SQ_PLAN_PUT, "INSERT OR REPLACE INTO plans (campaign, plan, ends) VALUES (?, ?, ?)",
	             &st);
	if (err != ERR_OK)
		return err;
	pack_ends(op->plan.ended_at_ms, ends);
	sqlite3_bind_int64(st, 1, op->plan.campaign);
	sq_bind_text(st, 2, op->plan.text);
	sq_bind_blob(st, 3, ends, sizeof ends);
	return sq_run(b, st);
}

static enum err read_plan(struct backend *b, sqlite3_stmt *st, struct arena *arena, struct plan_row *ret)
{
	ret->campaign = (uint32_t)sqlite3_column_int64(st, 0);
	ret->text = sq_text(st, 1, arena);
	if (ret->text == NULL || sqlite3_column_bytes(st, 2) != PACKED_ENDS_BYTES)
		return sq_refused(b, ERR_CORRUPT, "a campaign's plan is damaged");
	unpack_ends(sqlite3_column_blob(st, 2), ret->ended_at_ms);
	return ERR_OK;
}

static enum err find_plan(struct backend *b, uint32_t campaign, struct answer *ret)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err =
	        sq_use(b, SQ_PLAN_FIND, "SELECT campaign, plan, ends FROM plans WHERE campaign = ?", &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, campaign);
	err = sq_step(b, st, &is_row);
	if (err != ERR_OK || !is_row)
		return err;
	err = read_plan(b, st, &ret->arena, &ret->plan);
	ret->has_plan = err == ERR_OK;
	sqlite3_reset(st);
	return err;
}

enum err backend_read_plan(struct backend *b, const char *id, struct answer *ret)
{
	enum err err = sq_snapshot(b, ret);

	if (err == ERR_OK)
		err = sq_campaign_find(b, id, ret);
	if (err == ERR_OK && ret->campaigns_n == 1)
		err = find_plan(b, ret->campaigns[0].no, ret);
	return sq_snapshot_end(b, err);
}

/* ---- at start ---- */

static enum err load_slots(struct backend *b, const struct store_loader *loader)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err = sq_use(b, SQ_LOAD_PROGRESS,
	                      "SELECT p.key FROM campaigns c CROSS JOIN progress p ON p.key " SQ_KEY_OF_C
	                      " WHERE c.is_final = 0 ORDER BY c.no, p.key",
	                      &st);

	while (err == ERR_OK && (err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		uint64_t key = (uint64_t)sqlite3_column_int64(st, 0);

		loader->on_progress(loader->arg, (uint32_t)(key >> 32), (uint32_t)key);
	}
	return err;
}

static enum err load_plans(struct backend *b, const struct store_loader *loader)
{
	struct arena arena = ARENA_INIT;
	struct plan_row plan;
	sqlite3_stmt *st;
	bool is_row;
	enum err err = sq_use(b, SQ_LOAD_PLANS,
	                      "SELECT p.campaign, p.plan, p.ends FROM campaigns c CROSS JOIN plans p"
	                      " ON p.campaign = c.no WHERE c.is_final = 0 ORDER BY c.no",
	                      &st);

	while (err == ERR_OK && (err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		err = read_plan(b, st, &arena, &plan);
		if (err == ERR_OK)
			loader->on_plan(loader->arg, &plan);
		arena_reset(&arena);
	}
	arena_done(&arena);
	return err;
}

enum err sq_load_progress(struct backend *b, const struct store_loader *loader)
{
	enum err err = loader->on_progress != NULL ? load_slots(b, loader) : ERR_OK;

	return err == ERR_OK && loader->on_plan != NULL ? load_plans(b, loader) : err;
}
