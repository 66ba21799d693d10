/* store/sqlite: targets with their attempts and evidence. */
#include "store/sqlite/sqlite.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/pack.h"

/* The key of a target's first attempt and evidence. */
static int64_t history_key(uint32_t campaign, uint32_t no)
{
	return (int64_t)(((uint64_t)campaign << 20 | no) << 16);
}

#define HISTORY_MAX 65535 /* added to it: the key of the last one */

static_assert(TARGETS_MAX <= 1 << 20, "a target's number has 20 bits in a history key");

/* What filters ask for, in a column whose size never changes. */
static int64_t marks_of(const struct target_row *row)
{
	return (int64_t)(1ULL << 40 | (uint64_t)row->hub << 24 | (uint64_t)row->wait << 16 |
	                 (uint64_t)row->reason << 8 | row->state);
}

/* ---- writing ---- */

/* Notes the hold of a target, so that a start knows which campaigns to look through: no index has to be kept.
 * Targets come in order of their campaigns, so that each costs one statement. */
static enum err note_hold(struct backend *b, uint32_t campaign, int64_t until_ms)
{
	enum err err = ERR_OK;

	if (b->tx.holder_until_ms != TIME_NONE && b->tx.holder != campaign) {
		err = sq_campaign_hold(b, b->tx.holder, b->tx.holder_until_ms);
		b->tx.holder_until_ms = TIME_NONE;
	}
	b->tx.holder = campaign;
	if (until_ms > b->tx.holder_until_ms)
		b->tx.holder_until_ms = until_ms;
	return err;
}

enum err sq_target_add(struct backend *b, const struct op *op)
{
	unsigned char life[PACKED_TARGET_BYTES], baseline[PACKED_BASELINE_BYTES];
	const struct target_row *row = op->target.row;
	sqlite3_stmt *st;
	enum err err;

	assert(row->no < TARGETS_MAX);
	err = sq_use(b, SQ_TARGET_ADD,
	             "INSERT INTO targets (key, marks, device_id, life, baseline, group_no, zone_no)"
	             " VALUES (?, ?, ?, ?, ?, ?, ?)",
	             &st);
	if (err != ERR_OK)
		return err;
	pack_target(row, life);
	pack_baseline(op->target.baseline, baseline);
	sqlite3_bind_int64(st, 1, sq_key(row->campaign, row->no));
	sqlite3_bind_int64(st, 2, marks_of(row));
	sq_bind_text(st, 3, op->target.device_id);
	sq_bind_blob(st, 4, life, sizeof life);
	sq_bind_blob(st, 5, baseline, sizeof baseline);
	if (row->group == GROUP_NONE)
		sqlite3_bind_null(st, 6);
	else
		sqlite3_bind_int64(st, 6, row->group);
	if (row->zone == 0)
		sqlite3_bind_null(st, 7);
	else
		sqlite3_bind_int(st, 7, row->zone);
	err = sq_run(b, st);
	if (err == ERR_OK)
		err = sq_prints_add(b, row, op->target.device_id);
	return err == ERR_OK ? note_hold(b, row->campaign, row->hold_until_ms) : err;
}

void sq_target_put_later(struct backend *b, const struct op *op)
{
	struct sq_put *put;

	if (b->tx.puts_n == b->tx.puts_room) {
		b->tx.puts_room = b->tx.puts_room > 0 ? 2 * b->tx.puts_room : 256;
		b->tx.puts = xrealloc(b->tx.puts, b->tx.puts_room * sizeof *b->tx.puts);
	}
	put = &b->tx.puts[b->tx.puts_n];
	*put = (struct sq_put){sq_key(op->target.campaign, op->target.no), b->tx.puts_n, op->target.row};
	b->tx.puts_n++;
}

static int compare_puts(const void *a, const void *b)
{
	const struct sq_put *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static bool is_sorted(const struct sq_put *puts, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (puts[i - 1].key > puts[i].key)
			return false;
	return true;
}

static enum err put_target(struct backend *b, sqlite3_stmt *st, const struct sq_put *put)
{
	unsigned char life[PACKED_TARGET_BYTES];
	enum err err;

	pack_target(put->row, life);
	sqlite3_bind_int64(st, 1, marks_of(put->row));
	sq_bind_blob(st, 2, life, sizeof life);
	sqlite3_bind_int64(st, 3, put->key);
	err = sq_run(b, st);
	if (err == ERR_OK && sqlite3_changes(b->db) != 1)
		err = sq_refused(b, ERR_NOT_FOUND, "a target that was put is not there");
	return err == ERR_OK ? note_hold(b, put->row->campaign, put->row->hold_until_ms) : err;
}

enum err sq_targets_put(struct backend *b)
{
	struct sq_put *puts = b->tx.puts;
	size_t n = b->tx.puts_n;
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_TARGET_PUT, "UPDATE targets SET marks = ?, life = ? WHERE key = ?", &st);

	/* Each page is written once a commit; in no order it costs several times as much. */
	if (n > 0 && !is_sorted(puts, n))
		qsort(puts, n, sizeof *puts, compare_puts);
	for (size_t i = 0; err == ERR_OK && i < n; i++)
		if (i + 1 == n || puts[i + 1].key != puts[i].key)
			err = put_target(b, st, &puts[i]);
	if (err == ERR_OK && b->tx.holder_until_ms != TIME_NONE)
		err = sq_campaign_hold(b, b->tx.holder, b->tx.holder_until_ms);
	return err;
}

enum err sq_baseline_put(struct backend *b, const struct op *op)
{
	unsigned char baseline[PACKED_BASELINE_BYTES];
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_BASELINE_PUT, "UPDATE targets SET baseline = ? WHERE key = ?", &st);

	if (err != ERR_OK)
		return err;
	pack_baseline(op->target.baseline, baseline);
	sq_bind_blob(st, 1, baseline, sizeof baseline);
	sqlite3_bind_int64(st, 2, sq_key(op->target.campaign, op->target.no));
	err = sq_run(b, st);
	if (err == ERR_OK && sqlite3_changes(b->db) != 1)
		err = sq_refused(b, ERR_NOT_FOUND, "a target whose baseline was put is not there");
	return err;
}

enum err sq_attempt_add(struct backend *b, const struct op *op)
{
	const struct attempt_row *row = &op->attempt;
	sqlite3_stmt *st;
	enum err err = sq_use(
	        b, SQ_ATTEMPT_ADD,
	        "INSERT INTO attempts (key, attempt, attempt_seq, called_at_ms, ended_at_ms, hub_at_ms,"
	        " outcome, http_status, hub_code, method_status, payload, tracking_id)"
	        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	        &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, history_key(row->campaign, row->no) + row->call);
	sqlite3_bind_int(st, 2, row->attempt);
	sqlite3_bind_int(st, 3, row->attempt_seq);
	sq_bind_time(st, 4, row->called_at_ms);
	sq_bind_time(st, 5, row->ended_at_ms);
	sq_bind_time(st, 6, row->hub_at_ms);
	sq_bind_text(st, 7, row->outcome);
	sqlite3_bind_int(st, 8, row->http_status);
	sqlite3_bind_int(st, 9, row->hub_code);
	sqlite3_bind_int(st, 10, row->method_status);
	sq_bind_text(st, 11, row->payload);
	sq_bind_text(st, 12, row->tracking_id);
	return sq_run(b, st);
}

enum err sq_evidence_add(struct backend *b, const struct op *op)
{
	const struct evidence_row *row = &op->evidence;
	sqlite3_stmt *st;
	/* Behind what the target has; beyond 65536 the newest takes the last one's place. */
	enum err err = sq_use(
	        b, SQ_EVIDENCE_ADD,
	        "INSERT OR REPLACE INTO evidence (key, at_ms, hub_at_ms, source, strength, is_baseline,"
	        " is_late, verdict, value, value_at_ms) VALUES (min(?2, coalesce((SELECT max(key) + 1"
	        " FROM evidence WHERE key BETWEEN ?1 AND ?2), ?1)), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
	        &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, history_key(row->campaign, row->no));
	sqlite3_bind_int64(st, 2, history_key(row->campaign, row->no) + HISTORY_MAX);
	sq_bind_time(st, 3, row->at_ms);
	sq_bind_time(st, 4, row->hub_at_ms);
	sqlite3_bind_int(st, 5, (int)row->source);
	sqlite3_bind_int(st, 6, (int)row->strength);
	sqlite3_bind_int(st, 7, row->is_baseline);
	sqlite3_bind_int(st, 8, row->is_late);
	sq_bind_text(st, 9, row->verdict);
	sq_bind_text(st, 10, row->value);
	sq_bind_time(st, 11, row->value_at_ms);
	return sq_run(b, st);
}

/* ---- reading ---- */

#define TARGET_COLUMNS "SELECT key, marks, device_id, life, baseline, group_no, zone_no"
/* … and the names of its group and its zone. */
#define VIEW_COLUMNS \
	TARGET_COLUMNS \
	", (SELECT g.name FROM target_groups g WHERE g.key = (t.key >> 32 << 32) + t.group_no)" \
	", (SELECT z.name FROM target_zones z WHERE z.key = (t.key >> 32 << 32) + coalesce(t.zone_no, 0))" \
	" FROM targets t "

/* Reads the row at st; *ret_device_id is borrowed until st moves on. */
static enum err read_target(struct backend *b, sqlite3_stmt *st, struct target_row *ret,
                            const char **ret_device_id, struct baseline *ret_baseline)
{
	uint64_t key = (uint64_t)sqlite3_column_int64(st, 0), marks = (uint64_t)sqlite3_column_int64(st, 1);
	const unsigned char *life = sqlite3_column_blob(st, 3), *baseline = sqlite3_column_blob(st, 4);

	*ret_device_id = (const char *)sqlite3_column_text(st, 2);
	ret->campaign = (uint32_t)(key >> 32);
	ret->no = (uint32_t)key;
	ret->state = (uint8_t)marks;
	ret->reason = (uint8_t)(marks >> 8);
	ret->wait = (uint8_t)(marks >> 16);
	ret->hub = (uint8_t)(marks >> 24);
	ret->group = sqlite3_column_type(st, 5) == SQLITE_NULL ? GROUP_NONE
	                                                       : (uint32_t)sqlite3_column_int64(st, 5);
	ret->zone = (uint16_t)sqlite3_column_int(st, 6); /* NULL is 0 */
	if (*ret_device_id == NULL || ret->state >= TARGET_STATES_N || ret->reason >= REASONS_N ||
	    ret->wait >= WAITS_N || sqlite3_column_bytes(st, 3) != PACKED_TARGET_BYTES ||
	    sqlite3_column_bytes(st, 4) != PACKED_BASELINE_BYTES)
		return sq_refused(b, ERR_CORRUPT, "a target's row is damaged");
	unpack_target(life, ret);
	unpack_baseline(baseline, ret_baseline);
	return ERR_OK;
}

/* Adds all rows of st. */
static enum err read_targets(struct backend *b, sqlite3_stmt *st, struct answer *ret)
{
	bool is_row;
	enum err err;

	while ((err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		struct target_view *view;

		ret->targets = answer_room(ret->targets, ret->targets_n, sizeof *ret->targets);
		view = &ret->targets[ret->targets_n];
		err = read_target(b, st, &view->row, &view->device_id, &view->baseline);
		if (err != ERR_OK)
			break;
		view->device_id = arena_text(&ret->arena, view->device_id, strlen(view->device_id));
		view->group = sq_text(st, 7, &ret->arena);
		view->zone = sq_text(st, 8, &ret->arena);
		ret->targets_n++;
	}
	return err;
}

static enum err list(struct backend *b, const struct target_filter *f, struct answer *ret)
{
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_TARGET_LIST,
	                      VIEW_COLUMNS
	                      "WHERE key BETWEEN ?1 AND ?2 AND (?3 < 0 OR state = ?3) AND (?4 < 0 OR"
	                      " reason = ?4) AND (?5 < 0 OR (wait = ?5 AND state = ?6)) AND (?7 < 0 OR"
	                      " hub = ?7) AND (?8 IS NULL OR device_id = ?8) AND (?9 IS NULL OR group_no IN"
	                      " (SELECT key - ?10 FROM target_groups WHERE key BETWEEN ?10 AND ?2 AND"
	                      " name = ?9)) ORDER BY key LIMIT ?11",
	                      &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, sq_key(f->campaign, f->from_no));
	sqlite3_bind_int64(st, 2, sq_key(f->campaign, UINT32_MAX));
	sqlite3_bind_int(st, 3, f->state);
	sqlite3_bind_int(st, 4, f->reason);
	sqlite3_bind_int(st, 5, f->wait);
	sqlite3_bind_int(st, 6, TARGET_WAITING);
	sqlite3_bind_int(st, 7, f->hub);
	sq_bind_text(st, 8, f->device_id);
	sq_bind_text(st, 9, f->group);
	sqlite3_bind_int64(st, 10, sq_key(f->campaign, 0));
	sqlite3_bind_int64(st, 11, (int64_t)f->limit + 1);
	err = read_targets(b, st, ret);
	ret->has_more = ret->targets_n > f->limit;
	if (ret->has_more)
		ret->targets_n--;
	return err;
}

enum err backend_read_targets(struct backend *b, const struct target_filter *f, struct answer *ret)
{
	enum err err = sq_snapshot(b, ret);

	if (err == ERR_OK)
		err = sq_campaign_read(b, f->campaign, ret);
	if (err == ERR_OK && ret->campaigns_n == 1)
		err = list(b, f, ret);
	return sq_snapshot_end(b, err);
}

enum err sq_target_read(struct backend *b, int64_t key, const char *device_id, int hub, struct answer *ret)
{
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_TARGET_READ,
	                      VIEW_COLUMNS "WHERE key = ?1 AND device_id = ?2 AND (?3 < 0 OR hub = ?3)", &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, key);
	sq_bind_text(st, 2, device_id);
	sqlite3_bind_int(st, 3, hub);
	return read_targets(b, st, ret);
}

/* Two hubs may have the device. */
static enum err find(struct backend *b, uint32_t campaign, const char *device_id, int hub, struct answer *ret)
{
	enum err err = sq_prints_find(b, campaign, campaign, device_id, hub, 1, ret);

	if (err == ERR_OK && ret->targets_n > 1) {
		ret->targets_n = 0;
		err = sq_refused(b, ERR_CONFLICT, "more than one hub has that device");
	}
	return err;
}

/* Gives slot's statement, bound to the history of a target. */
static enum err use_history(struct backend *b, enum sq_slot slot, const char *sql,
                            const struct target_row *target, sqlite3_stmt **ret)
{
	enum err err = sq_use(b, slot, sql, ret);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(*ret, 1, history_key(target->campaign, target->no));
	sqlite3_bind_int64(*ret, 2, history_key(target->campaign, target->no) + HISTORY_MAX);
	return ERR_OK;
}

static enum err read_attempts(struct backend *b, const struct target_row *target, struct answer *ret)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err =
	        use_history(b, SQ_ATTEMPT_LIST,
	                    "SELECT key, attempt, attempt_seq, called_at_ms, ended_at_ms, hub_at_ms, outcome,"
	                    " http_status, hub_code, method_status, payload, tracking_id FROM attempts"
	                    " WHERE key BETWEEN ? AND ? ORDER BY key",
	                    target, &st);

	while (err == ERR_OK && (err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		ret->attempts = answer_room(ret->attempts, ret->attempts_n, sizeof *ret->attempts);
		ret->attempts[ret->attempts_n++] = (struct attempt_row){
		        .campaign = target->campaign,
		        .no = target->no,
		        .call = (uint16_t)sqlite3_column_int64(st, 0),
		        .attempt = (uint16_t)sqlite3_column_int(st, 1),
		        .attempt_seq = (uint16_t)sqlite3_column_int(st, 2),
		        .called_at_ms = sq_time(st, 3),
		        .ended_at_ms = sq_time(st, 4),
		        .hub_at_ms = sq_time(st, 5),
		        .outcome = sq_text(st, 6, &ret->arena),
		        .http_status = sqlite3_column_int(st, 7),
		        .hub_code = sqlite3_column_int(st, 8),
		        .method_status = sqlite3_column_int(st, 9),
		        .payload = sq_text(st, 10, &ret->arena),
		        .tracking_id = sq_text(st, 11, &ret->arena),
		};
	}
	return err;
}

static enum err read_evidence(struct backend *b, const struct target_row *target, struct answer *ret)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err =
	        use_history(b, SQ_EVIDENCE_LIST,
	                    "SELECT at_ms, hub_at_ms, source, strength, is_baseline, is_late, verdict, value,"
	                    " value_at_ms FROM evidence WHERE key BETWEEN ? AND ? ORDER BY key",
	                    target, &st);

	while (err == ERR_OK && (err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		ret->evidence = answer_room(ret->evidence, ret->evidence_n, sizeof *ret->evidence);
		ret->evidence[ret->evidence_n++] = (struct evidence_row){
		        .campaign = target->campaign,
		        .no = target->no,
		        .at_ms = sq_time(st, 0),
		        .hub_at_ms = sq_time(st, 1),
		        .source = (enum source)sqlite3_column_int(st, 2),
		        .strength = (enum strength)sqlite3_column_int(st, 3),
		        .is_baseline = sqlite3_column_int(st, 4) != 0,
		        .is_late = sqlite3_column_int(st, 5) != 0,
		        .verdict = sq_text(st, 6, &ret->arena),
		        .value = sq_text(st, 7, &ret->arena),
		        .value_at_ms = sq_time(st, 8),
		};
	}
	return err;
}

enum err backend_read_target(struct backend *b, uint32_t campaign, const char *device_id, int hub,
                             struct answer *ret)
{
	enum err err = sq_snapshot(b, ret);

	if (err == ERR_OK)
		err = sq_campaign_read(b, campaign, ret);
	if (err == ERR_OK)
		err = find(b, campaign, device_id, hub, ret);
	if (err == ERR_OK && ret->targets_n == 1)
		err = read_attempts(b, &ret->targets[0].row, ret);
	if (err == ERR_OK && ret->targets_n == 1)
		err = read_evidence(b, &ret->targets[0].row, ret);
	return sq_snapshot_end(b, err);
}

/* ---- at start ---- */

/* Gives the statement over all targets of a campaign. */
static enum err use_all(struct backend *b, uint32_t campaign, sqlite3_stmt **ret)
{
	enum err err = sq_use(b, SQ_LOAD_TARGETS,
	                      TARGET_COLUMNS " FROM targets WHERE key BETWEEN ? AND ? ORDER BY key", ret);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(*ret, 1, sq_key(campaign, 0));
	sqlite3_bind_int64(*ret, 2, sq_key(campaign, UINT32_MAX));
	return ERR_OK;
}

static enum err load_targets_of(struct backend *b, uint32_t campaign, const struct store_loader *loader)
{
	struct baseline baseline;
	struct target_row row;
	const char *device_id;
	sqlite3_stmt *st;
	bool is_row;
	enum err err = use_all(b, campaign, &st);

	while (err == ERR_OK && (err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		err = read_target(b, st, &row, &device_id, &baseline);
		if (err == ERR_OK)
			loader->on_target(loader->arg, &row, device_id, &baseline);
	}
	return err;
}

enum err sq_load_targets(struct backend *b, const struct store_loader *loader)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err =
	        sq_use(b, SQ_LOAD_LIVE, "SELECT no FROM campaigns WHERE is_final = 0 ORDER BY no", &st);

	while (err == ERR_OK && (err = sq_step(b, st, &is_row)) == ERR_OK && is_row)
		err = load_targets_of(b, (uint32_t)sqlite3_column_int64(st, 0), loader);
	return err;
}

/* Gives the tag by which a campaign groups its devices, NULL: by none. */
static enum err read_group_by(struct backend *b, uint32_t campaign, struct arena *arena, const char **ret)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err =
	        sq_use(b, SQ_GROUP_BY,
	               "SELECT json_extract(spec, '$.rollout.group.by') FROM specs WHERE campaign = ?", &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, campaign);
	err = sq_step(b, st, &is_row);
	*ret = err == ERR_OK && is_row ? sq_text(st, 0, arena) : NULL;
	sqlite3_reset(st);
	return err;
}

static enum err read_group_name(struct backend *b, const struct target_row *row, struct arena *arena,
                                const char **ret)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err;

	*ret = NULL;
	if (row->group == GROUP_NONE)
		return ERR_OK;
	err = sq_use(b, SQ_GROUP_NAME, "SELECT name FROM target_groups WHERE key = ?", &st);
	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, sq_key(row->campaign, row->group));
	err = sq_step(b, st, &is_row);
	if (err == ERR_OK && is_row)
		*ret = sq_text(st, 0, arena);
	sqlite3_reset(st);
	return err;
}

static enum err load_holds_of(struct backend *b, uint32_t campaign, bool is_final, int64_t now_ms,
                              const struct store_loader *loader)
{
	struct arena arena = ARENA_INIT;
	const char *hubs[HUBS_MAX], *device_id;
	struct baseline baseline;
	struct target_row row;
	struct store_hold hold = {.row = &row};
	size_t hubs_n = 0;
	sqlite3_stmt *st;
	bool is_row;
	enum err err = sq_hubs_read(b, campaign, &arena, hubs, &hubs_n);

	if (err == ERR_OK)
		err = read_group_by(b, campaign, &arena, &hold.group_by);
	if (err == ERR_OK)
		err = use_all(b, campaign, &st);
	while (err == ERR_OK && (err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		err = read_target(b, st, &row, &device_id, &baseline);
		if (err == ERR_OK && row.hub >= hubs_n)
			err = sq_refused(b, ERR_CORRUPT, "a target's hub is not known");
		if (err != ERR_OK || row.hold_until_ms <= now_ms ||
		    (!is_final && !target_state_is_final(row.state)))
			continue;
		hold.hub_name = hubs[row.hub];
		hold.device_id = device_id;
		err = read_group_name(b, &row, &arena, &hold.group);
		if (err == ERR_OK)
			loader->on_hold(loader->arg, &hold);
	}
	arena_done(&arena);
	return err;
}

enum err sq_load_holds(struct backend *b, int64_t now_ms, const struct store_loader *loader)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err = sq_use(b, SQ_LOAD_HOLDING,
	                      "SELECT no, is_final FROM campaigns WHERE hold_until_ms > ? ORDER BY no", &st);

	if (err == ERR_OK)
		sqlite3_bind_int64(st, 1, now_ms);
	while (err == ERR_OK && (err = sq_step(b, st, &is_row)) == ERR_OK && is_row)
		err = load_holds_of(b, (uint32_t)sqlite3_column_int64(st, 0), sqlite3_column_int(st, 1) != 0,
		                    now_ms, loader);
	return err;
}
