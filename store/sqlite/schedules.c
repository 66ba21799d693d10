/* store/sqlite: schedules, and what the service remembers of itself. */
#include "store/sqlite/sqlite.h"

#include <stdio.h>

/* ---- writing ---- */

enum err sq_schedule_put(struct backend *b, const struct op *op)
{
	const struct schedule_row *row = &op->schedule;
	sqlite3_stmt *st;
	enum err err = sq_use(
	        b, SQ_SCHEDULE_PUT,
	        "INSERT OR REPLACE INTO schedules (no, id, name, spec, revision, is_paused, created_by,"
	        " created_at_ms, done_at_ms, done_local_s, next_at_ms, queued_at_ms, last_at_ms,"
	        " last_campaign, started, skipped, missed, failed)"
	        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	        &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, row->no);
	sq_bind_text(st, 2, row->id);
	sq_bind_text(st, 3, row->name);
	sq_bind_text(st, 4, row->spec);
	sqlite3_bind_int64(st, 5, row->revision);
	sqlite3_bind_int(st, 6, row->is_paused);
	sq_bind_text(st, 7, row->created_by);
	sqlite3_bind_int64(st, 8, row->created_at_ms);
	sqlite3_bind_int64(st, 9, row->done_at_ms);
	sq_bind_time(st, 10, row->done_local_s);
	sq_bind_time(st, 11, row->next_at_ms);
	sq_bind_time(st, 12, row->queued_at_ms);
	sq_bind_time(st, 13, row->last_at_ms);
	sq_bind_text(st, 14, row->last_campaign);
	sqlite3_bind_int64(st, 15, row->started);
	sqlite3_bind_int64(st, 16, row->skipped);
	sqlite3_bind_int64(st, 17, row->missed);
	sqlite3_bind_int64(st, 18, row->failed);
	return sq_run(b, st);
}

enum err sq_schedule_drop(struct backend *b, const struct op *op)
{
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_SCHEDULE_DROP, "DELETE FROM schedules WHERE no = ?", &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, op->dropped);
	return sq_run(b, st);
}

enum err sq_note_put(struct backend *b, const struct op *op)
{
	sqlite3_stmt *st;
	enum err err =
	        sq_use(b, SQ_NOTE_PUT, "INSERT OR REPLACE INTO notes (name, value) VALUES (?, ?)", &st);

	if (err != ERR_OK)
		return err;
	sq_bind_text(st, 1, op->note.name);
	sq_bind_text(st, 2, op->note.value);
	return sq_run(b, st);
}

/* ---- reading ---- */

#define SCHEDULE_COLUMNS \
	"SELECT no, id, name, spec, revision, is_paused, created_by, created_at_ms, done_at_ms, done_local_s," \
	" next_at_ms, queued_at_ms, last_at_ms, last_campaign, started, skipped, missed, failed FROM schedules "

static enum err read_row(struct backend *b, sqlite3_stmt *st, struct arena *arena, struct schedule_row *ret)
{
	const char *id = (const char *)sqlite3_column_text(st, 1);
	const char *last = (const char *)sqlite3_column_text(st, 13);

	*ret = (struct schedule_row){.no = (uint32_t)sqlite3_column_int64(st, 0),
	                             .name = sq_text(st, 2, arena),
	                             .spec = sq_text(st, 3, arena),
	                             .revision = (uint32_t)sqlite3_column_int64(st, 4),
	                             .is_paused = sqlite3_column_int(st, 5) != 0,
	                             .created_by = sq_text(st, 6, arena),
	                             .created_at_ms = sq_time(st, 7),
	                             .done_at_ms = sq_time(st, 8),
	                             .done_local_s = sq_time(st, 9),
	                             .next_at_ms = sq_time(st, 10),
	                             .queued_at_ms = sq_time(st, 11),
	                             .last_at_ms = sq_time(st, 12),
	                             .started = (uint32_t)sqlite3_column_int64(st, 14),
	                             .skipped = (uint32_t)sqlite3_column_int64(st, 15),
	                             .missed = (uint32_t)sqlite3_column_int64(st, 16),
	                             .failed = (uint32_t)sqlite3_column_int64(st, 17)};
	snprintf(ret->id, sizeof ret->id, "%s", id != NULL ? id : "");
	snprintf(ret->last_campaign, sizeof ret->last_campaign, "%s", last != NULL ? last : "");
	return ret->name != NULL && ret->spec != NULL && ret->created_by != NULL
	               ? ERR_OK
	               : sq_refused(b, ERR_CORRUPT, "a schedule's row is damaged");
}

static enum err read_rows(struct backend *b, sqlite3_stmt *st, struct answer *ret)
{
	bool is_row;
	enum err err;

	while ((err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		ret->schedules = answer_room(ret->schedules, ret->schedules_n, sizeof *ret->schedules);
		err = read_row(b, st, &ret->arena, &ret->schedules[ret->schedules_n]);
		if (err != ERR_OK)
			break;
		ret->schedules_n++;
	}
	return err;
}

static enum err list(struct backend *b, const struct schedule_filter *f, struct answer *ret)
{
	sqlite3_stmt *st;
	enum err err = f->id != NULL
	                       ? sq_use(b, SQ_SCHEDULE_BY_ID, SCHEDULE_COLUMNS "WHERE id = ?1 LIMIT ?2", &st)
	                       : sq_use(b, SQ_SCHEDULE_LIST,
	                                SCHEDULE_COLUMNS "WHERE no < ?1 AND (?3 IS NULL OR name = ?3)"
	                                                 " ORDER BY no DESC LIMIT ?2",
	                                &st);

	if (err != ERR_OK)
		return err;
	if (f->id != NULL) {
		sq_bind_text(st, 1, f->id);
	} else {
		sqlite3_bind_int64(st, 1, f->before_no > 0 ? f->before_no : INT64_MAX);
		sq_bind_text(st, 3, f->name);
	}
	sqlite3_bind_int64(st, 2, (int64_t)f->limit + 1);
	err = read_rows(b, st, ret);
	ret->has_more = ret->schedules_n > f->limit;
	if (ret->has_more)
		ret->schedules_n--;
	return err;
}

enum err backend_read_schedules(struct backend *b, const struct schedule_filter *f, struct answer *ret)
{
	enum err err = sq_snapshot(b, ret);

	if (err == ERR_OK)
		err = list(b, f, ret);
	return sq_snapshot_end(b, err);
}

/* ---- at start ---- */

enum err sq_load_schedules(struct backend *b, const struct store_loader *loader)
{
	struct arena arena = ARENA_INIT;
	sqlite3_stmt *st;
	bool is_row;
	enum err err = sq_use(b, SQ_LOAD_SCHEDULES, SCHEDULE_COLUMNS "ORDER BY no", &st);

	while (err == ERR_OK && (err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		struct schedule_row row;

		err = read_row(b, st, &arena, &row);
		if (err == ERR_OK && loader->on_schedule != NULL)
			loader->on_schedule(loader->arg, &row);
		arena_reset(&arena);
	}
	arena_done(&arena);
	return err;
}

enum err sq_load_notes(struct backend *b, const struct store_loader *loader)
{
	struct arena arena = ARENA_INIT;
	sqlite3_stmt *st;
	bool is_row;
	enum err err = sq_use(b, SQ_LOAD_NOTES, "SELECT name, value FROM notes", &st);

	while (err == ERR_OK && (err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		if (loader->on_note != NULL)
			loader->on_note(loader->arg, sq_text(st, 0, &arena), sq_text(st, 1, &arena));
		arena_reset(&arena);
	}
	arena_done(&arena);
	return err;
}
