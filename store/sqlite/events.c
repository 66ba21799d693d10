/* store/sqlite: events, in runs: those of one campaign that follow each other in a transaction are one row.
 */
#include "store/sqlite/sqlite.h"

#include "store/pack.h"

#define RUN_MAX 256 /* events in a row: what a reader of one of them has to skip at most */

enum err sq_run_close(struct backend *b)
{
	sqlite3_stmt *st;
	enum err err;

	if (b->tx.run_n == 0)
		return ERR_OK;
	err = sq_use(b, SQ_RUN_ADD, "INSERT INTO events (first_id, campaign, n, run) VALUES (?, ?, ?, ?)",
	             &st);
	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, (int64_t)b->tx.run_first_id);
	sqlite3_bind_int64(st, 2, b->tx.run_campaign);
	sqlite3_bind_int64(st, 3, b->tx.run_n);
	sq_bind_blob(st, 4, b->tx.run.data, b->tx.run.len);
	b->tx.run_n = 0;
	return sq_run(b, st);
}

enum err sq_event_add(struct backend *b, const struct op *op)
{
	if (op->event.id != b->tx.head.last_event_id + 1)
		return sq_refused(b, ERR_INVALID, "an event's number does not follow the last one");
	if (b->tx.run_n == RUN_MAX || (b->tx.run_n > 0 && b->tx.run_campaign != op->event.campaign)) {
		enum err err = sq_run_close(b);

		if (err != ERR_OK)
			return err;
	}
	if (b->tx.run_n == 0) {
		b->tx.run_first_id = op->event.id;
		b->tx.run_campaign = op->event.campaign;
		buf_reset(&b->tx.run);
	}
	buf_put(&b->tx.run, op->event.packed, op->event.packed_bytes);
	b->tx.run_n++;
	b->tx.head.last_event_id = op->event.id;
	b->told_at_ms = op->event.at_ms;
	return ERR_OK;
}

/* ---- forgetting ---- */

/* Runs looked at in one commit. */
#define DROP_MAX 200

/* When the last event of the run at st happened. */
static enum err run_ended_at(struct backend *b, sqlite3_stmt *st, int64_t *ret_at_ms)
{
	const char *run = sqlite3_column_blob(st, 1);
	struct cursor in = {run, run + sqlite3_column_bytes(st, 1), 0};
	struct event event = {.at_ms = TIME_NONE};

	for (int64_t n = sqlite3_column_int64(st, 2); n > 0; n--)
		unpack_event(&in, NULL, &event);
	*ret_at_ms = event.at_ms;
	return in.failed ? sq_refused(b, ERR_CORRUPT, "a run of events is damaged") : ERR_OK;
}

/* Gives the first id of the last run that is old enough, 0: none is. */
static enum err find_old(struct backend *b, int64_t before_ms, int64_t *ret_first_id)
{
	sqlite3_stmt *st;
	int64_t at_ms;
	bool is_row;
	enum err err = sq_use(b, SQ_RUNS_OLDEST,
	                      "SELECT first_id, run, n FROM events ORDER BY first_id LIMIT ?", &st);

	*ret_first_id = 0;
	if (err != ERR_OK)
		return err;
	sqlite3_bind_int(st, 1, DROP_MAX);
	while ((err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		err = run_ended_at(b, st, &at_ms);
		if (err != ERR_OK || at_ms >= before_ms)
			break;
		*ret_first_id = sqlite3_column_int64(st, 0);
	}
	sqlite3_reset(st);
	return err;
}

/* A campaign of which nothing else is left goes with its last event. */
enum err sq_events_drop(struct backend *b, const struct op *op)
{
	sqlite3_stmt *st;
	int64_t first_id;
	enum err err = find_old(b, op->before_ms, &first_id);

	if (err == ERR_OK && first_id > 0)
		err = sq_use(b, SQ_RUNS_DROP, "DELETE FROM events WHERE first_id <= ?", &st);
	if (err != ERR_OK || first_id == 0)
		return err;
	sqlite3_bind_int64(st, 1, first_id);
	err = sq_run(b, st);
	if (err == ERR_OK)
		err = sq_do(b, SQ_CAMPAIGNS_FORGET,
		            "DELETE FROM campaigns WHERE dropped = 2 AND NOT EXISTS"
		            " (SELECT 1 FROM events WHERE events.campaign = campaigns.no)");
	return err;
}

/* ---- reading ---- */

/* Adds the events of the run at st with ids above after, until there is one more than limit. */
static enum err read_run(struct backend *b, sqlite3_stmt *st, uint64_t after, uint32_t limit,
                         struct answer *ret)
{
	uint64_t id = (uint64_t)sqlite3_column_int64(st, 0);
	uint32_t campaign = (uint32_t)sqlite3_column_int64(st, 1), n = (uint32_t)sqlite3_column_int64(st, 2);
	const char *run = sqlite3_column_blob(st, 3), *campaign_id;
	struct cursor in = {run, run + sqlite3_column_bytes(st, 3), 0};
	enum err err = sq_campaign_id(b, campaign, &ret->arena, &campaign_id);

	for (uint64_t end = id + n; err == ERR_OK && id < end && ret->events_n <= limit; id++) {
		struct event event = {.id = id, .campaign = campaign};

		unpack_event(&in, id > after ? &ret->arena : NULL, &event);
		if (in.failed)
			return sq_refused(b, ERR_CORRUPT, "a run of events is damaged");
		if (id <= after)
			continue;
		ret->events = answer_room(ret->events, ret->events_n, sizeof *ret->events);
		ret->campaign_ids = answer_room(ret->campaign_ids, ret->events_n, sizeof *ret->campaign_ids);
		ret->events[ret->events_n] = event;
		ret->campaign_ids[ret->events_n++] = campaign_id;
	}
	return err;
}

static enum err read_runs(struct backend *b, uint32_t campaign, uint64_t after, uint32_t limit,
                          struct answer *ret)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err;

	/* The run that has the first event wanted may start before it. */
	if (campaign == 0)
		err = sq_use(b, SQ_RUNS_ALL,
		             "SELECT first_id, campaign, n, run FROM events WHERE first_id >= coalesce("
		             "(SELECT max(first_id) FROM events WHERE first_id <= ?1), 0) ORDER BY first_id",
		             &st);
	else
		err = sq_use(
		        b, SQ_RUNS_OF_CAMPAIGN,
		        "SELECT first_id, campaign, n, run FROM events WHERE campaign = ?2 AND first_id >= coalesce("
		        "(SELECT max(first_id) FROM events WHERE campaign = ?2 AND first_id <= ?1), 0)"
		        " ORDER BY first_id",
		        &st);
	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, after < INT64_MAX ? (int64_t)after + 1 : INT64_MAX);
	if (campaign != 0)
		sqlite3_bind_int64(st, 2, campaign);
	do {
		err = sq_step(b, st, &is_row);
		if (err == ERR_OK && is_row)
			err = read_run(b, st, after, limit, ret);
	} while (err == ERR_OK && is_row && ret->events_n <= limit);
	sqlite3_reset(st);
	ret->has_more = ret->events_n > limit;
	if (ret->has_more)
		ret->events_n--;
	return err;
}

static enum err read_first_kept(struct backend *b, struct answer *ret)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err = sq_use(b, SQ_RUN_FIRST, "SELECT min(first_id) FROM events", &st);

	if (err == ERR_OK)
		err = sq_step(b, st, &is_row);
	if (err != ERR_OK)
		return err;
	ret->first_kept_id = sqlite3_column_type(st, 0) == SQLITE_NULL
	                             ? ret->last_id + 1
	                             : (uint64_t)sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return ERR_OK;
}

enum err backend_read_events(struct backend *b, uint32_t campaign, uint64_t after, uint32_t limit,
                             struct answer *ret)
{
	enum err err = sq_snapshot(b, ret);

	if (err == ERR_OK)
		err = read_first_kept(b, ret);
	if (err == ERR_OK)
		err = read_runs(b, campaign, after, limit, ret);
	return sq_snapshot_end(b, err);
}
