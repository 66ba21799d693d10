/* store/sqlite: how far webhooks have been told, and what could not be delivered to them. */
#include "store/sqlite/sqlite.h"

/* ---- writing ---- */

enum err sq_webhook_put(struct backend *b, const struct op *op)
{
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_WEBHOOK_PUT,
	                      "INSERT OR REPLACE INTO webhooks (name, after_id) VALUES (?, ?)", &st);

	if (err != ERR_OK)
		return err;
	sq_bind_text(st, 1, op->dead.webhook);
	sqlite3_bind_int64(st, 2, (int64_t)op->dead.event_id);
	return sq_run(b, st);
}

enum err sq_dead_letter_add(struct backend *b, const struct op *op)
{
	const struct dead_letter *row = &op->dead;
	sqlite3_stmt *st;
	enum err err =
	        sq_use(b, SQ_DEAD_ADD,
	               "INSERT OR REPLACE INTO dead_letters (webhook, event_id, message_id, died_at_ms,"
	               " attempts, error, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
	               &st);

	if (err != ERR_OK)
		return err;
	sq_bind_text(st, 1, row->webhook);
	sqlite3_bind_int64(st, 2, (int64_t)row->event_id);
	sq_bind_text(st, 3, row->message_id);
	sqlite3_bind_int64(st, 4, row->died_at_ms);
	sqlite3_bind_int64(st, 5, row->attempts);
	sq_bind_text(st, 6, row->error);
	sq_bind_text(st, 7, row->body);
	err = sq_run(b, st);
	if (err == ERR_OK)
		err = sq_use(
		        b, SQ_DEAD_TRIM,
		        "DELETE FROM dead_letters WHERE webhook = ?1 AND event_id <= (SELECT event_id FROM"
		        " dead_letters WHERE webhook = ?1 ORDER BY event_id DESC LIMIT 1 OFFSET ?2)",
		        &st);
	if (err != ERR_OK)
		return err;
	sq_bind_text(st, 1, row->webhook);
	sqlite3_bind_int(st, 2, DEAD_LETTERS_MAX);
	return sq_run(b, st);
}

enum err sq_dead_letters_drop(struct backend *b, const struct op *op)
{
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_DEAD_DROP, "DELETE FROM dead_letters WHERE webhook = ?", &st);

	if (err != ERR_OK)
		return err;
	sq_bind_text(st, 1, op->dead.webhook);
	return sq_run(b, st);
}

/* ---- at start ---- */

static enum err load_webhooks(struct backend *b, struct arena *arena, const struct webhook_loader *loader)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err = sq_use(b, SQ_LOAD_WEBHOOKS, "SELECT name, after_id FROM webhooks", &st);

	while (err == ERR_OK && (err = sq_step(b, st, &is_row)) == ERR_OK && is_row)
		loader->on_webhook(loader->arg, sq_text(st, 0, arena), (uint64_t)sqlite3_column_int64(st, 1));
	return err;
}

static enum err load_dead(struct backend *b, struct arena *arena, const struct webhook_loader *loader)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err = sq_use(b, SQ_LOAD_DEAD,
	                      "SELECT webhook, event_id, message_id, died_at_ms, attempts, error, body"
	                      " FROM dead_letters ORDER BY webhook, event_id",
	                      &st);

	while (err == ERR_OK && (err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		struct dead_letter row = {.webhook = sq_text(st, 0, arena),
		                          .event_id = (uint64_t)sqlite3_column_int64(st, 1),
		                          .message_id = sq_text(st, 2, arena),
		                          .died_at_ms = sq_time(st, 3),
		                          .attempts = (uint32_t)sqlite3_column_int64(st, 4),
		                          .error = sq_text(st, 5, arena),
		                          .body = sq_text(st, 6, arena)};

		loader->on_dead_letter(loader->arg, &row);
		arena_reset(arena);
	}
	return err;
}

enum err backend_load_webhooks(struct backend *b, const struct webhook_loader *loader)
{
	struct arena arena = ARENA_INIT;
	enum err err = load_webhooks(b, &arena, loader);

	if (err == ERR_OK)
		err = load_dead(b, &arena, loader);
	arena_done(&arena);
	return err;
}
