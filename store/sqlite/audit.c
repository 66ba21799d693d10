/* store/sqlite: the record of orders, each chained to the one before. */
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/care.h"
#include "store/sqlite/sqlite.h"

#define TEXT_COLUMNS "actor, role, address, method, path, request_id, campaign_id, was, became"
#define TEXTS_AT 2 /* behind no and at_ms */
#define HASH_AT (TEXTS_AT + AUDIT_TEXTS_N)

/* libcrypto sets itself up when it is first used. If memory runs out then, it uses later on what was never
 * set up, and reads at address 0 (3.0.17). */
enum err sq_audit_prepare(void)
{
	uint8_t hash[AUDIT_HASH_BYTES];

	return OSSL_LIB_CTX_get0_global_default() != NULL &&
	                       EVP_Digest("", 0, hash, NULL, EVP_sha256(), NULL) == 1
	               ? ERR_OK
	               : ERR_NOMEM;
}

/* SHA-256 over the hash before, then number, time and texts, each with its length before it. */
static void chain(const uint8_t before[AUDIT_HASH_BYTES], const struct audit_row *row,
                  uint8_t ret[AUDIT_HASH_BYTES])
{
	struct buf content = BUF_INIT;

	buf_put(&content, before, AUDIT_HASH_BYTES);
	buf_put_u64(&content, row->no);
	buf_put_u64(&content, (uint64_t)row->at_ms);
	for (size_t i = 0; i < AUDIT_TEXTS_N; i++)
		buf_put_str(&content, row->text[i]);
	if (EVP_Digest(content.data, content.len, ret, NULL, EVP_sha256(), NULL) != 1)
		abort(); /* out of memory */
	buf_done(&content);
}

/* Zeros where there is none. */
static void take_hash(sqlite3_stmt *st, int column, uint8_t ret[AUDIT_HASH_BYTES])
{
	const void *hash = sqlite3_column_blob(st, column);

	memset(ret, 0, AUDIT_HASH_BYTES);
	if (hash != NULL && sqlite3_column_bytes(st, column) == AUDIT_HASH_BYTES)
		memcpy(ret, hash, AUDIT_HASH_BYTES);
}

static enum err set_head(struct backend *b, const struct audit_row *row)
{
	sqlite3_stmt *st;
	enum err err =
	        sq_use(b, SQ_AUDIT_HEAD, "REPLACE INTO audit_head (only, no, hash) VALUES (1, ?, ?)", &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, (int64_t)row->no);
	sq_bind_blob(st, 2, row->hash, sizeof row->hash);
	return sq_run(b, st);
}

static enum err add(struct backend *b, struct audit_row row)
{
	uint8_t before[AUDIT_HASH_BYTES] = {0};
	sqlite3_stmt *st;
	bool is_row = false;
	/* Goes on from the head, also where rows behind it were deleted: their numbers are never given again.
	 */
	enum err err = sq_use(b, SQ_AUDIT_LAST, "SELECT no, hash FROM audit_head", &st);

	if (err == ERR_OK)
		err = sq_step(b, st, &is_row);
	if (err != ERR_OK)
		return err;
	row.no = is_row ? (uint64_t)sqlite3_column_int64(st, 0) + 1 : 1;
	if (is_row)
		take_hash(st, 1, before);
	sqlite3_reset(st);
	chain(before, &row, row.hash);
	err = sq_use(b, SQ_AUDIT_ADD,
	             "INSERT INTO audit (no, at_ms, " TEXT_COLUMNS
	             ", hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	             &st);
	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, (int64_t)row.no);
	sqlite3_bind_int64(st, 2, row.at_ms);
	for (int i = 0; i < AUDIT_TEXTS_N; i++)
		sq_bind_text(st, TEXTS_AT + 1 + i, row.text[i]);
	sq_bind_blob(st, HASH_AT + 1, row.hash, sizeof row.hash);
	err = sq_run(b, st);
	return err == ERR_OK ? set_head(b, &row) : err;
}

enum err sq_audit_add(struct backend *b, const struct op *op)
{
	return add(b, op->audit);
}

/* ---- forgetting ---- */

/* Gives the last entry that is old enough, its number 0: none is. */
static enum err find_old(struct backend *b, int64_t before_ms, struct audit_mark *ret)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err =
	        sq_use(b, SQ_AUDIT_OLDEST, "SELECT no, at_ms, hash FROM audit ORDER BY no LIMIT ?", &st);

	ret->no = 0;
	if (err != ERR_OK)
		return err;
	sqlite3_bind_int(st, 1, AUDIT_DROP_MAX);
	while ((err = sq_step(b, st, &is_row)) == ERR_OK && is_row &&
	       sqlite3_column_int64(st, 1) < before_ms) {
		ret->no = (uint64_t)sqlite3_column_int64(st, 0);
		take_hash(st, 2, ret->hash);
	}
	sqlite3_reset(st);
	return err;
}

static enum err add_forgotten(struct backend *b, const struct audit_mark *mark, int64_t at_ms)
{
	struct audit_row row = {.at_ms = at_ms};
	struct buf was = BUF_INIT;
	char became[64];
	enum err err;

	buf_printf(&was, "%" PRIu64 ":", mark->no);
	for (size_t i = 0; i < sizeof mark->hash; i++)
		buf_printf(&was, "%02x", mark->hash[i]);
	snprintf(became, sizeof became, "forgotten, with those before: entry %" PRIu64, mark->no);
	for (size_t i = 0; i < AUDIT_TEXTS_N; i++)
		row.text[i] = "";
	row.text[AUDIT_ACTOR] = AUDIT_SERVICE;
	row.text[AUDIT_WAS] = was.data;
	row.text[AUDIT_BECAME] = became;
	err = add(b, row);
	buf_done(&was);
	return err;
}

enum err sq_audit_drop(struct backend *b, const struct op *op)
{
	struct audit_mark mark;
	sqlite3_stmt *st;
	enum err err = find_old(b, op->audit_drop.before_ms, &mark);

	if (err != ERR_OK || mark.no == 0)
		return err;
	err = sq_use(b, SQ_AUDIT_DROP, "DELETE FROM audit WHERE no <= ?", &st);
	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, (int64_t)mark.no);
	err = sq_run(b, st);
	return err == ERR_OK ? add_forgotten(b, &mark, op->audit_drop.at_ms) : err;
}

/* ---- reading ---- */

static void take_row(sqlite3_stmt *st, struct arena *arena, struct audit_row *ret)
{
	ret->no = (uint64_t)sqlite3_column_int64(st, 0);
	ret->at_ms = sqlite3_column_int64(st, 1);
	for (int i = 0; i < AUDIT_TEXTS_N; i++) {
		const char *text = (const char *)sqlite3_column_text(st, TEXTS_AT + i);
		size_t n = (size_t)sqlite3_column_bytes(st, TEXTS_AT + i);

		ret->text[i] = arena_text(arena, text != NULL ? text : "", text != NULL ? n : 0);
	}
	take_hash(st, HASH_AT, ret->hash);
}

static enum err list(struct backend *b, uint64_t before_no, uint32_t limit, struct answer *ret)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err = sq_use(b, SQ_AUDIT_LIST,
	                      "SELECT no, at_ms, " TEXT_COLUMNS
	                      ", hash FROM audit WHERE no < ? ORDER BY no DESC LIMIT ?",
	                      &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, before_no > 0 && before_no < INT64_MAX ? (int64_t)before_no : INT64_MAX);
	sqlite3_bind_int64(st, 2, (int64_t)limit + 1);
	while ((err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		ret->audit = answer_room(ret->audit, ret->audit_n, sizeof *ret->audit);
		take_row(st, &ret->arena, &ret->audit[ret->audit_n++]);
	}
	sqlite3_reset(st);
	ret->has_more = ret->audit_n > limit;
	ret->audit_n -= ret->has_more;
	return err;
}

enum err backend_read_audit(struct backend *b, uint64_t before_no, uint32_t limit, struct answer *ret)
{
	enum err err = sq_snapshot(b, ret);

	if (err == ERR_OK)
		err = list(b, before_no, limit, ret);
	return sq_snapshot_end(b, err);
}

enum err backend_read_audit_oldest(struct backend *b, struct answer *ret)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err = sq_snapshot(b, ret);

	if (err == ERR_OK)
		err = sq_use(b, SQ_AUDIT_FIRST,
		             "SELECT no, at_ms, " TEXT_COLUMNS ", hash FROM audit ORDER BY no LIMIT 1", &st);
	if (err == ERR_OK) {
		err = sq_step(b, st, &is_row);
		if (err == ERR_OK && is_row) {
			ret->audit = answer_room(ret->audit, ret->audit_n, sizeof *ret->audit);
			take_row(st, &ret->arena, &ret->audit[ret->audit_n++]);
		}
		sqlite3_reset(st);
	}
	return sq_snapshot_end(b, err);
}

/* ---- going through all of it ---- */

struct walk {
	void (*on_fault)(void *arg, const char *text);
	void *arg;
	uint64_t n, next_no;
	int64_t first_at_ms;
	uint8_t last[AUDIT_HASH_BYTES];
	struct audit_mark forgotten;    /* 0: none */
	const struct audit_mark *noted; /* NULL: none */
	bool is_noted_there;
};

static void complain(const struct walk *w, uint64_t from_no, uint64_t to_no, const char *what)
{
	char text[128];

	if (from_no == to_no)
		snprintf(text, sizeof text, "audit entry %" PRIu64 " %s", from_no, what);
	else
		snprintf(text, sizeof text, "audit entries %" PRIu64 " to %" PRIu64 " %s", from_no, to_no,
		         what);
	w->on_fault(w->arg, text);
}

static void look_at(struct walk *w, sqlite3_stmt *st)
{
	struct arena arena = ARENA_INIT;
	struct audit_row row;
	uint8_t hash[AUDIT_HASH_BYTES];

	take_row(st, &arena, &row);
	chain(w->last, &row, hash);
	if (row.no < w->next_no)
		complain(w, row.no, row.no, "there, though the record says that it was forgotten");
	else if (row.no > w->next_no)
		complain(w, w->next_no, row.no - 1, "not there any more");
	else if (memcmp(hash, row.hash, sizeof hash) != 0)
		complain(w, row.no, row.no,
		         "does not fit: it was changed, or the one before it was made anew");
	if (w->noted != NULL && row.no == w->noted->no)
		w->is_noted_there = memcmp(w->noted->hash, row.hash, sizeof row.hash) == 0;
	/* From here on by what stands there, so that one change is one fault. */
	memcpy(w->last, row.hash, sizeof w->last);
	w->next_no = row.no + 1;
	if (w->n++ == 0)
		w->first_at_ms = row.at_ms;
	arena_done(&arena);
}

/* What was cut off the end: the head was written with the last entry. */
static enum err look_at_head(struct backend *b, struct walk *w)
{
	uint8_t hash[AUDIT_HASH_BYTES] = {0};
	uint64_t no = 0;
	sqlite3_stmt *st;
	int code;

	if (sqlite3_prepare_v2(b->db, "SELECT no, hash FROM audit_head", -1, &st, NULL) != SQLITE_OK)
		return sq_failed(b);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW) {
		no = (uint64_t)sqlite3_column_int64(st, 0);
		take_hash(st, 1, hash);
	}
	sqlite3_finalize(st);
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return sq_failed(b);
	if (no >= w->next_no)
		complain(w, w->next_no, no, "not there any more, at the end");
	else if (no + 1 < w->next_no)
		complain(w, no + 1, w->next_no - 1, "behind what the head says is the last");
	else if (w->n > 0 && memcmp(hash, w->last, sizeof hash) != 0)
		complain(w, no, no, "not what the head says is the last");
	return ERR_OK;
}

/* "NUMBER:HASH", as add_forgotten() writes it; false: it is not that. */
static bool read_mark(const char *text, struct audit_mark *ret)
{
	char *end;

	if (text == NULL)
		return false;
	ret->no = strtoull(text, &end, 10);
	if (ret->no == 0 || *end != ':' || strlen(end + 1) != sizeof ret->hash * 2)
		return false;
	for (size_t i = 0; i < sizeof ret->hash; i++)
		if (sscanf(end + 1 + 2 * i, "%2hhx", &ret->hash[i]) != 1)
			return false;
	return true;
}

/* Starts behind what was forgotten, by the word of the last entry that says so, which is in the chain itself.
 */
static enum err begin_behind_forgotten(struct backend *b, struct walk *w)
{
	sqlite3_stmt *st;
	int code;

	if (sqlite3_prepare_v2(b->db,
	                       "SELECT was FROM audit WHERE actor = '" AUDIT_SERVICE
	                       "' AND role = '' ORDER BY no DESC LIMIT 1",
	                       -1, &st, NULL) != SQLITE_OK)
		return sq_failed(b);
	code = sqlite3_step(st);
	if (code == SQLITE_ROW && read_mark((const char *)sqlite3_column_text(st, 0), &w->forgotten)) {
		w->next_no = w->forgotten.no + 1;
		memcpy(w->last, w->forgotten.hash, sizeof w->last);
	} else {
		w->forgotten.no = 0;
	}
	sqlite3_finalize(st);
	return code == SQLITE_ROW || code == SQLITE_DONE ? ERR_OK : sq_failed(b);
}

static void look_for_noted(const struct walk *w)
{
	uint64_t no = w->noted != NULL ? w->noted->no : 0;

	if (w->noted == NULL || w->is_noted_there)
		return;
	if (no < w->forgotten.no)
		complain(w, no, no, "was noted, and is forgotten by now: nothing can be said of it");
	else if (no != w->forgotten.no || memcmp(w->noted->hash, w->forgotten.hash, AUDIT_HASH_BYTES) != 0)
		complain(w, no, no, "not the one that was noted: it, or one before it, was made anew");
}

static enum err walk(struct backend *b, struct walk *w)
{
	sqlite3_stmt *st;
	int code;
	enum err err = begin_behind_forgotten(b, w);

	if (err != ERR_OK)
		return err;
	if (sqlite3_prepare_v2(b->db, "SELECT no, at_ms, " TEXT_COLUMNS ", hash FROM audit ORDER BY no", -1,
	                       &st, NULL) != SQLITE_OK)
		return sq_failed(b);
	while ((code = sqlite3_step(st)) == SQLITE_ROW)
		look_at(w, st);
	sqlite3_finalize(st);
	if (code != SQLITE_DONE)
		return sq_failed(b);
	look_for_noted(w);
	return look_at_head(b, w);
}

enum err store_audit_verify(const char *path, const struct audit_mark *noted,
                            void (*on_fault)(void *arg, const char *text), void *arg,
                            struct audit_census *ret, char **ret_reason)
{
	struct walk w = {
	        .on_fault = on_fault, .arg = arg, .next_no = 1, .first_at_ms = TIME_NONE, .noted = noted};
	struct backend *b;
	int version;
	enum err err = sq_open_reader(path, &b, ret_reason);

	if (err != ERR_OK)
		return err;
	err = sq_examine(b, &version);
	if (err == ERR_OK && version != sq_migrations_n)
		err = sq_refused(b, ERR_INVALID,
		                 "it was written by an older version: let the service open it first");
	if (err == ERR_OK && sqlite3_exec(b->db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
		err = sq_failed(b);
	if (err == ERR_OK)
		err = walk(b, &w);
	if (err == ERR_OK) {
		ret->n = w.n;
		ret->first_at_ms = w.first_at_ms;
		ret->forgotten = w.forgotten;
		ret->last.no = w.next_no - 1;
		memcpy(ret->last.hash, w.last, sizeof w.last);
	} else {
		*ret_reason = xstrdup(backend_reason(b));
	}
	backend_close(b);
	return err;
}
