/* store/sqlite: campaigns with their specs, hubs, selection pages and idempotency keys. */
#include "store/sqlite/sqlite.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/pack.h"

#define CAMPAIGN_NO_MAX ((1u << 27) - 1) /* what the keys of attempts and evidence have room for */
#define IDEMPOTENCY_KEPT_MS (24 * 3600 * 1000)

/* ---- writing ---- */

static enum err put_spec(struct backend *b, uint32_t no, const char *spec)
{
	sqlite3_stmt *st;
	enum err err =
	        sq_use(b, SQ_SPEC_PUT, "INSERT OR REPLACE INTO specs (campaign, spec) VALUES (?, ?)", &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, no);
	sq_bind_text(st, 2, spec);
	return sq_run(b, st);
}

static enum err add_hub(struct backend *b, uint32_t no, size_t hub, const char *name)
{
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_HUB_ADD, "INSERT INTO hubs (campaign, hub, name) VALUES (?, ?, ?)", &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, no);
	sqlite3_bind_int64(st, 2, (int64_t)hub);
	sq_bind_text(st, 3, name);
	return sq_run(b, st);
}

struct packed {
	unsigned char counts[PACKED_COUNTS_MAX], waves[PACKED_WAVES_MAX];
};

/* Binds what both writers of a campaign write, as parameters 1 to 17; keeps packed until st is reset. */
static void bind_changing(sqlite3_stmt *st, const struct campaign_row *row, struct packed *packed)
{
	sqlite3_bind_int64(st, 1, row->no);
	sqlite3_bind_int(st, 2, (int)row->state);
	sqlite3_bind_int(st, 3, (int)row->phase);
	sqlite3_bind_int(st, 4, campaign_state_is_final(row->state));
	sq_bind_text(st, 5, row->state_reason);
	sq_bind_time(st, 6, row->started_at_ms);
	sq_bind_time(st, 7, row->finished_at_ms);
	sq_bind_time(st, 8, row->start_at_ms);
	sq_bind_time(st, 9, row->end_at_ms);
	sqlite3_bind_int64(st, 10, row->spec_revision);
	sqlite3_bind_int64(st, 11, row->selected);
	sq_bind_blob(st, 12, packed->counts, pack_counts(&row->counts, packed->counts));
	sq_bind_blob(st, 13, packed->waves, pack_waves(row, packed->waves));
	sqlite3_bind_int64(st, 14, (int64_t)row->cost.calls);
	sqlite3_bind_int64(st, 15, (int64_t)row->cost.query_pages);
	sqlite3_bind_int64(st, 16, (int64_t)row->cost.point_reads);
	sqlite3_bind_int64(st, 17, (int64_t)row->cost.messages);
}

enum err sq_campaign_add(struct backend *b, const struct op *op)
{
	const struct campaign_row *row = &op->campaign.row;
	struct packed packed;
	sqlite3_stmt *st;
	enum err err;

	assert(row->no > 0 && row->no <= CAMPAIGN_NO_MAX);
	err = sq_use(
	        b, SQ_CAMPAIGN_ADD,
	        "INSERT INTO campaigns (no, state, phase, is_final, state_reason, started_at_ms, finished_at_ms,"
	        " start_at_ms, end_at_ms, spec_revision, selected, counts, waves, calls, query_pages,"
	        " point_reads, messages, id, name, created_by, created_at_ms, retry_of, schedule_id, occurrence_at_ms)"
	        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	        &st);
	if (err != ERR_OK)
		return err;
	bind_changing(st, row, &packed);
	sq_bind_text(st, 18, row->id);
	sq_bind_text(st, 19, row->name);
	sq_bind_text(st, 20, row->created_by);
	sq_bind_time(st, 21, row->created_at_ms);
	sq_bind_text(st, 22, row->retry_of);
	sq_bind_text(st, 23, row->schedule_id);
	sq_bind_time(st, 24, row->schedule_id[0] != '\0' ? row->occurrence_at_ms : TIME_NONE);
	err = sq_run(b, st);
	if (err == ERR_OK)
		err = put_spec(b, row->no, row->spec);
	for (size_t i = 0; err == ERR_OK && i < op->campaign.hubs_n; i++)
		err = add_hub(b, row->no, i, op->campaign.hub_names[i]);
	if (row->no > b->tx.head.last_campaign)
		b->tx.head.last_campaign = row->no;
	return err;
}

enum err sq_campaign_put(struct backend *b, const struct op *op)
{
	const struct campaign_row *row = &op->campaign.row;
	struct packed packed;
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_CAMPAIGN_PUT,
	                      "UPDATE campaigns SET state = ?2, phase = ?3, is_final = ?4, state_reason = ?5,"
	                      " started_at_ms = ?6, finished_at_ms = ?7, start_at_ms = ?8, end_at_ms = ?9,"
	                      " spec_revision = ?10, selected = ?11, counts = ?12, waves = ?13,"
	                      " calls = ?14, query_pages = ?15, point_reads = ?16, messages = ?17"
	                      " WHERE no = ?1 AND dropped = 0",
	                      &st);

	if (err != ERR_OK)
		return err;
	bind_changing(st, row, &packed);
	err = sq_run(b, st);
	if (err == ERR_OK && sqlite3_changes(b->db) != 1)
		err = sq_refused(b, ERR_NOT_FOUND, "a campaign that was put is not there");
	if (err == ERR_OK && row->spec != NULL)
		err = put_spec(b, row->no, row->spec);
	return err;
}

static enum err drop_spec(struct backend *b, uint32_t no)
{
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_SPEC_DROP, "DELETE FROM specs WHERE campaign = ?", &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, no);
	return sq_run(b, st);
}

enum err sq_campaign_drop(struct backend *b, const struct op *op)
{
	sqlite3_stmt *st;
	enum err err =
	        sq_use(b, SQ_CAMPAIGN_DROP,
	               "UPDATE campaigns SET dropped = max(dropped, 1) WHERE no = ? AND is_final = 1", &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, op->dropped);
	err = sq_run(b, st);
	if (err == ERR_OK && sqlite3_changes(b->db) != 1)
		err = sq_refused(b, ERR_NOT_FOUND, "a campaign that was dropped is not there, or not final");
	return err == ERR_OK ? drop_spec(b, op->dropped) : err;
}

enum err sq_campaign_hold(struct backend *b, uint32_t campaign, int64_t until_ms)
{
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_CAMPAIGN_HOLD,
	                      "UPDATE campaigns SET hold_until_ms = ?2 WHERE no = ?1 AND"
	                      " (hold_until_ms IS NULL OR hold_until_ms < ?2)",
	                      &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, campaign);
	sqlite3_bind_int64(st, 2, until_ms);
	return sq_run(b, st);
}

enum err sq_page_add(struct backend *b, const struct op *op)
{
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_PAGE_ADD,
	                      "INSERT INTO pages (key, hub, continuation, found) VALUES (?, ?, ?, ?)", &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, sq_key(op->page.campaign, op->page.page));
	sqlite3_bind_int(st, 2, op->page.hub);
	sq_bind_text(st, 3, op->page.continuation);
	sq_bind_blob(st, 4, op->page.rows, op->page.rows_bytes);
	return sq_run(b, st);
}

enum err sq_pages_drop(struct backend *b, const struct op *op)
{
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_PAGES_DROP, "DELETE FROM pages WHERE key BETWEEN ? AND ?", &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, sq_key(op->page.campaign, 0));
	sqlite3_bind_int64(st, 2, sq_key(op->page.campaign, UINT32_MAX));
	return sq_run(b, st);
}

/* Each new key pushes out a few of the oldest, so that no commit has many to forget. */
static enum err expire_idempotency(struct backend *b, int64_t now_ms)
{
	sqlite3_stmt *st;
	enum err err =
	        sq_use(b, SQ_IDEMPOTENCY_EXPIRE,
	               "DELETE FROM idempotency WHERE key IN (SELECT key FROM idempotency WHERE at_ms < ?"
	               " ORDER BY at_ms LIMIT 8)",
	               &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, now_ms - IDEMPOTENCY_KEPT_MS);
	return sq_run(b, st);
}

enum err sq_idempotency_add(struct backend *b, const struct op *op)
{
	const struct idempotency_row *row = &op->idempotency;
	sqlite3_stmt *st;
	enum err err = expire_idempotency(b, row->at_ms);

	if (err == ERR_OK)
		err = sq_use(b, SQ_IDEMPOTENCY_ADD,
		             "INSERT OR REPLACE INTO idempotency (key, body_hash, at_ms, campaign_id)"
		             " VALUES (?, ?, ?, ?)",
		             &st);
	if (err != ERR_OK)
		return err;
	sq_bind_text(st, 1, row->key);
	sqlite3_bind_int64(st, 2, (int64_t)row->body_hash);
	sqlite3_bind_int64(st, 3, row->at_ms);
	sq_bind_text(st, 4, row->campaign_id);
	return sq_run(b, st);
}

/* ---- reading ---- */

#define CAMPAIGN_COLUMNS \
	"SELECT c.no, c.id, c.name, s.spec, c.spec_revision, c.state, c.phase, c.state_reason, c.created_by," \
	" c.created_at_ms, c.started_at_ms, c.finished_at_ms, c.start_at_ms, c.end_at_ms, c.selected, c.counts," \
	" c.waves, c.retry_of, c.calls, c.query_pages, c.point_reads, c.messages, c.schedule_id, c.occurrence_at_ms FROM campaigns c CROSS JOIN specs s ON s.campaign = c.no WHERE c.dropped = 0 AND "

static enum err read_row(struct backend *b, sqlite3_stmt *st, struct arena *arena, struct campaign_row *ret)
{
	const char *id = (const char *)sqlite3_column_text(st, 1);
	const char *retry_of = (const char *)sqlite3_column_text(st, 17);
	const char *schedule_id = (const char *)sqlite3_column_text(st, 22);

	*ret = (struct campaign_row){
	        .no = (uint32_t)sqlite3_column_int64(st, 0),
	        .name = sq_text(st, 2, arena),
	        .spec = sq_text(st, 3, arena),
	        .spec_revision = (uint32_t)sqlite3_column_int64(st, 4),
	        .state = (enum campaign_state)sqlite3_column_int(st, 5),
	        .phase = (enum campaign_state)sqlite3_column_int(st, 6),
	        .state_reason = sq_text(st, 7, arena),
	        .created_by = sq_text(st, 8, arena),
	        .created_at_ms = sq_time(st, 9),
	        .started_at_ms = sq_time(st, 10),
	        .finished_at_ms = sq_time(st, 11),
	        .start_at_ms = sq_time(st, 12),
	        .end_at_ms = sq_time(st, 13),
	        .selected = (uint32_t)sqlite3_column_int64(st, 14),
	        .cost = {.calls = (uint64_t)sqlite3_column_int64(st, 18),
	                 .query_pages = (uint64_t)sqlite3_column_int64(st, 19),
	                 .point_reads = (uint64_t)sqlite3_column_int64(st, 20),
	                 .messages = (uint64_t)sqlite3_column_int64(st, 21)},
	};
	snprintf(ret->id, sizeof ret->id, "%s", id != NULL ? id : "");
	snprintf(ret->retry_of, sizeof ret->retry_of, "%s", retry_of != NULL ? retry_of : "");
	snprintf(ret->schedule_id, sizeof ret->schedule_id, "%s", schedule_id != NULL ? schedule_id : "");
	ret->occurrence_at_ms = sq_time(st, 23);
	if (ret->name == NULL || ret->spec == NULL || ret->state_reason == NULL || ret->created_by == NULL ||
	    ret->state >= CAMPAIGN_STATES_N || ret->phase >= CAMPAIGN_STATES_N ||
	    !unpack_counts(sqlite3_column_blob(st, 15), (size_t)sqlite3_column_bytes(st, 15), &ret->counts) ||
	    !unpack_waves(sqlite3_column_blob(st, 16), (size_t)sqlite3_column_bytes(st, 16), ret))
		return sq_refused(b, ERR_CORRUPT, "a campaign's row is damaged");
	return ERR_OK;
}

/* Adds all rows of st. */
static enum err read_rows(struct backend *b, sqlite3_stmt *st, struct answer *ret)
{
	bool is_row;
	enum err err;

	while ((err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		ret->campaigns = answer_room(ret->campaigns, ret->campaigns_n, sizeof *ret->campaigns);
		err = read_row(b, st, &ret->arena, &ret->campaigns[ret->campaigns_n]);
		if (err != ERR_OK)
			break;
		ret->campaigns_n++;
	}
	return err;
}

static enum err list(struct backend *b, const struct campaign_filter *f, struct answer *ret)
{
	sqlite3_stmt *st;
	enum err err = sq_use(
	        b, SQ_CAMPAIGN_LIST,
	        CAMPAIGN_COLUMNS
	        "c.no < ?1 AND (?2 < 0 OR c.state = ?2) AND (?3 IS NULL OR c.name = ?3)"
	        " AND (?7 IS NULL OR c.schedule_id = ?7) AND (?5 = 0 OR c.is_final = 0 OR c.finished_at_ms >= ?5)"
	        " AND (?6 = 0 OR (c.is_final = 1 AND c.finished_at_ms < ?6)) ORDER BY c.no DESC LIMIT ?4",
	        &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, f->before_no > 0 ? f->before_no : INT64_MAX);
	sqlite3_bind_int(st, 2, f->state);
	sq_bind_text(st, 3, f->name);
	sqlite3_bind_int64(st, 4, (int64_t)f->limit + 1);
	sqlite3_bind_int64(st, 5, f->since_ms);
	sqlite3_bind_int64(st, 6, f->ended_before_ms);
	sq_bind_text(st, 7, f->schedule_id);
	err = read_rows(b, st, ret);
	ret->has_more = ret->campaigns_n > f->limit;
	if (ret->has_more)
		ret->campaigns_n--;
	return err;
}

enum err backend_read_campaigns(struct backend *b, const struct campaign_filter *f, struct answer *ret)
{
	enum err err = sq_snapshot(b, ret);

	if (err == ERR_OK)
		err = list(b, f, ret);
	return sq_snapshot_end(b, err);
}

enum err sq_campaign_find(struct backend *b, const char *id, struct answer *ret)
{
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_CAMPAIGN_BY_ID, CAMPAIGN_COLUMNS "c.id = ?", &st);

	if (err != ERR_OK)
		return err;
	sq_bind_text(st, 1, id);
	return read_rows(b, st, ret);
}

enum err backend_read_campaign(struct backend *b, const char *id, struct answer *ret)
{
	enum err err = sq_snapshot(b, ret);

	if (err == ERR_OK)
		err = sq_campaign_find(b, id, ret);
	return sq_snapshot_end(b, err);
}

enum err sq_campaign_read(struct backend *b, uint32_t no, struct answer *ret)
{
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_CAMPAIGN_BY_NO, CAMPAIGN_COLUMNS "c.no = ?", &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, no);
	return read_rows(b, st, ret);
}

enum err sq_campaign_id(struct backend *b, uint32_t no, struct arena *arena, const char **ret)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err = sq_use(b, SQ_CAMPAIGN_ID, "SELECT id FROM campaigns WHERE no = ?", &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, no);
	err = sq_step(b, st, &is_row);
	if (err != ERR_OK)
		return err;
	*ret = is_row ? sq_text(st, 0, arena) : "";
	sqlite3_reset(st);
	return ERR_OK;
}

enum err sq_hubs_read(struct backend *b, uint32_t campaign, struct arena *arena, const char *names[HUBS_MAX],
                      size_t *ret_n)
{
	sqlite3_stmt *st;
	bool is_row;
	size_t n = 0;
	enum err err = sq_use(b, SQ_HUB_LIST, "SELECT name FROM hubs WHERE campaign = ? ORDER BY hub", &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, campaign);
	while ((err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		if (n == HUBS_MAX)
			return sq_refused(b, ERR_CORRUPT, "a campaign has too many hubs");
		names[n++] = sq_text(st, 0, arena);
	}
	*ret_n = n;
	return err;
}

static enum err find_idempotency(struct backend *b, const char *key, int64_t kept_since_ms,
                                 struct answer *ret)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err = sq_use(
	        b, SQ_IDEMPOTENCY_FIND,
	        "SELECT key, body_hash, at_ms, campaign_id FROM idempotency WHERE key = ? AND at_ms >= ?",
	        &st);

	if (err != ERR_OK)
		return err;
	sq_bind_text(st, 1, key);
	sqlite3_bind_int64(st, 2, kept_since_ms);
	err = sq_step(b, st, &is_row);
	if (err != ERR_OK || !is_row)
		return err;
	ret->idempotency.key = sq_text(st, 0, &ret->arena);
	ret->idempotency.body_hash = (uint64_t)sqlite3_column_int64(st, 1);
	ret->idempotency.at_ms = sqlite3_column_int64(st, 2);
	ret->idempotency.campaign_id = sq_text(st, 3, &ret->arena);
	ret->has_idempotency = true;
	sqlite3_reset(st);
	return ERR_OK;
}

enum err backend_read_idempotency(struct backend *b, const char *key, int64_t kept_since_ms,
                                  struct answer *ret)
{
	enum err err = sq_snapshot(b, ret);

	if (err == ERR_OK)
		err = find_idempotency(b, key, kept_since_ms, ret);
	return sq_snapshot_end(b, err);
}

/* ---- at start ---- */

enum err sq_load_campaigns(struct backend *b, const struct store_loader *loader)
{
	struct arena arena = ARENA_INIT;
	sqlite3_stmt *st;
	bool is_row;
	enum err err = sq_use(b, SQ_LOAD_CAMPAIGNS, CAMPAIGN_COLUMNS "c.is_final = 0 ORDER BY c.no", &st);

	while (err == ERR_OK && (err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		struct campaign_row row;

		err = read_row(b, st, &arena, &row);
		if (err == ERR_OK)
			loader->on_campaign(loader->arg, &row);
		arena_reset(&arena);
	}
	arena_done(&arena);
	return err;
}

static enum err load_page(struct backend *b, sqlite3_stmt *st, struct arena *arena,
                          const struct store_loader *loader)
{
	uint64_t key = (uint64_t)sqlite3_column_int64(st, 0);
	const char *found = sqlite3_column_blob(st, 3);
	struct cursor in = {found, found + sqlite3_column_bytes(st, 3), 0};
	struct selection_page page = {.page = (uint32_t)key,
	                              .hub = (uint8_t)sqlite3_column_int(st, 1),
	                              .continuation = sq_text(st, 2, arena)};
	struct selected *rows = NULL;
	enum err err = ERR_OK;

	while (in.at < in.end && !in.failed) {
		rows = answer_room(rows, page.rows_n, sizeof *rows);
		rows[page.rows_n] = (struct selected){0};
		unpack_selected(&in, arena, &rows[page.rows_n++]);
	}
	page.rows = rows;
	if (in.failed)
		err = sq_refused(b, ERR_CORRUPT, "a page of a selection is damaged");
	else
		loader->on_page(loader->arg, (uint32_t)(key >> 32), &page);
	free(rows);
	return err;
}

enum err sq_load_pages(struct backend *b, const struct store_loader *loader)
{
	struct arena arena = ARENA_INIT;
	sqlite3_stmt *st;
	bool is_row;
	enum err err =
	        sq_use(b, SQ_LOAD_PAGES,
	               "SELECT p.key, p.hub, p.continuation, p.found FROM pages p"
	               " CROSS JOIN campaigns c ON c.no = p.key >> 32 WHERE c.phase IN (?, ?) ORDER BY p.key",
	               &st);

	if (err == ERR_OK) { /* a list of ids is on record before its campaign starts */
		sqlite3_bind_int(st, 1, CAMPAIGN_SCHEDULED);
		sqlite3_bind_int(st, 2, CAMPAIGN_SELECTING);
	}
	while (err == ERR_OK && (err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		err = load_page(b, st, &arena, loader);
		arena_reset(&arena);
	}
	arena_done(&arena);
	return err;
}
