/* store/sqlite: how a device is found, without an index: two bytes of a fingerprint for each target, in runs
 * of those that were added one behind the other. A run is read whole; what fits is looked at. */
#include "store/sqlite/sqlite.h"

#include <endian.h>
#include <string.h>

#include "server/base/hash.h"

#define RUN_MAX 10000 /* prints in a row */

static uint16_t print_of(const char *device_id)
{
	return (uint16_t)hash64(device_id, strlen(device_id));
}

/* ---- writing ---- */

enum err sq_prints_close(struct backend *b)
{
	sqlite3_stmt *st;
	enum err err;

	if (b->tx.prints_n == 0)
		return ERR_OK;
	err = sq_use(b, SQ_PRINTS_ADD, "INSERT INTO prints (key, prints) VALUES (?, ?)", &st);
	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, sq_key(b->tx.prints_campaign, b->tx.prints_first));
	sq_bind_blob(st, 2, b->tx.prints.data, b->tx.prints.len);
	b->tx.prints_n = 0;
	return sq_run(b, st);
}

enum err sq_prints_add(struct backend *b, const struct target_row *row, const char *device_id)
{
	uint16_t print = htole16(print_of(device_id));
	bool follows = b->tx.prints_n > 0 && b->tx.prints_n < RUN_MAX &&
	               row->campaign == b->tx.prints_campaign &&
	               row->no == b->tx.prints_first + b->tx.prints_n;

	if (!follows) {
		enum err err = sq_prints_close(b);

		if (err != ERR_OK)
			return err;
		b->tx.prints_campaign = row->campaign;
		b->tx.prints_first = row->no;
		buf_reset(&b->tx.prints);
	}
	buf_put(&b->tx.prints, &print, sizeof print);
	b->tx.prints_n++;
	return ERR_OK;
}

/* ---- reading ---- */

struct wanted {
	const char *device_id;
	int hub;
	uint32_t limit;
	uint16_t print;
};

/* Adds the target with that key, if it is wanted; campaign_id is a column of st. */
static enum err look_at(struct backend *b, sqlite3_stmt *st, int64_t key, const struct wanted *w,
                        struct answer *ret)
{
	size_t n = ret->targets_n;
	enum err err = sq_target_read(b, key, w->device_id, w->hub, ret);

	if (err != ERR_OK || ret->targets_n == n)
		return err;
	if (n >= w->limit && ret->targets[n].row.campaign != ret->targets[n - 1].row.campaign) {
		ret->targets_n = n;
		ret->has_more = true;
		return ERR_OK;
	}
	ret->campaign_ids = answer_room(ret->campaign_ids, n, sizeof *ret->campaign_ids);
	ret->campaign_ids[n] = sq_text(st, 2, &ret->arena);
	return ERR_OK;
}

static enum err look_through(struct backend *b, sqlite3_stmt *st, const struct wanted *w, struct answer *ret)
{
	int64_t first = sqlite3_column_int64(st, 0);
	const char *prints = sqlite3_column_blob(st, 1);
	int n = sqlite3_column_bytes(st, 1) / (int)sizeof w->print;
	enum err err = ERR_OK;

	for (int i = 0; err == ERR_OK && i < n && !ret->has_more; i++) {
		uint16_t print;

		memcpy(&print, prints + (size_t)i * sizeof print, sizeof print);
		if (le16toh(print) == w->print)
			err = look_at(b, st, first + i, w, ret);
	}
	return err;
}

enum err sq_prints_find(struct backend *b, uint32_t first, uint32_t last, const char *device_id, int hub,
                        uint32_t limit, struct answer *ret)
{
	const struct wanted wanted = {device_id, hub, limit, print_of(device_id)};
	sqlite3_stmt *st;
	bool is_row;
	enum err err = sq_use(b, SQ_PRINTS_LIST,
	                      "SELECT p.key, p.prints, c.id FROM campaigns c CROSS JOIN prints p"
	                      " ON p.key " SQ_KEY_OF_C " WHERE c.no BETWEEN ? AND ? AND c.dropped = 0"
	                      " ORDER BY c.no DESC, p.key",
	                      &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, first);
	sqlite3_bind_int64(st, 2, last);
	do {
		err = sq_step(b, st, &is_row);
		if (err == ERR_OK && is_row)
			err = look_through(b, st, &wanted, ret);
	} while (err == ERR_OK && is_row && !ret->has_more);
	sqlite3_reset(st);
	return err;
}

enum err backend_read_history(struct backend *b, const char *device_id, uint32_t before_campaign,
                              uint32_t limit, struct answer *ret)
{
	uint32_t last = before_campaign > 0 ? before_campaign - 1 : UINT32_MAX;
	enum err err = sq_snapshot(b, ret);

	if (err == ERR_OK)
		err = sq_prints_find(b, 1, last, device_id, -1, limit, ret);
	return sq_snapshot_end(b, err);
}
