/* store/sqlite: the groups of a campaign's targets, and their time zones. */
#include "store/sqlite/sqlite.h"

enum err sq_group_add(struct backend *b, const struct op *op)
{
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_GROUP_ADD,
	                      "INSERT INTO target_groups (key, name, size, hub) VALUES (?, ?, ?, ?)", &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, sq_key(op->group.campaign, op->group.group));
	sq_bind_text(st, 2, op->group.name);
	sqlite3_bind_int64(st, 3, op->group.size);
	sqlite3_bind_int(st, 4, op->group.hub);
	return sq_run(b, st);
}

static enum err list(struct backend *b, uint32_t campaign, uint32_t from_group, uint32_t limit,
                     struct answer *ret)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err = sq_use(b, SQ_GROUP_LIST,
	                      "SELECT key, name, size, hub FROM target_groups WHERE key BETWEEN ? AND ?"
	                      " ORDER BY key LIMIT ?",
	                      &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, sq_key(campaign, from_group));
	sqlite3_bind_int64(st, 2, sq_key(campaign, UINT32_MAX));
	sqlite3_bind_int64(st, 3, (int64_t)limit + 1);
	while ((err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		ret->groups = answer_room(ret->groups, ret->groups_n, sizeof *ret->groups);
		ret->groups[ret->groups_n++] = (struct group_view){
		        .group = (uint32_t)sqlite3_column_int64(st, 0),
		        .name = sq_text(st, 1, &ret->arena),
		        .size = (uint32_t)sqlite3_column_int64(st, 2),
		        .hub = (uint8_t)sqlite3_column_int(st, 3),
		};
	}
	ret->has_more = ret->groups_n > limit;
	if (ret->has_more)
		ret->groups_n--;
	return err;
}

/* Counts the targets of the groups in ret by state: looks at every target of the campaign. */
static enum err count(struct backend *b, uint32_t campaign, struct answer *ret)
{
	struct group_view *groups = ret->groups;
	uint32_t first = groups[0].group, last = groups[ret->groups_n - 1].group;
	sqlite3_stmt *st;
	bool is_row;
	enum err err = sq_use(b, SQ_GROUP_COUNT,
	                      "SELECT group_no, state FROM targets WHERE key BETWEEN ? AND ? AND"
	                      " group_no BETWEEN ? AND ?",
	                      &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, sq_key(campaign, 0));
	sqlite3_bind_int64(st, 2, sq_key(campaign, UINT32_MAX));
	sqlite3_bind_int64(st, 3, first);
	sqlite3_bind_int64(st, 4, last);
	while ((err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		uint32_t group = (uint32_t)sqlite3_column_int64(st, 0);
		int state = sqlite3_column_int(st, 1);

		if (group - first >= ret->groups_n || groups[group - first].group != group ||
		    state >= TARGET_STATES_N)
			return sq_refused(b, ERR_CORRUPT, "a target's group is not known");
		groups[group - first].state[state]++;
	}
	return err;
}

enum err backend_read_groups(struct backend *b, uint32_t campaign, uint32_t from_group, uint32_t limit,
                             struct answer *ret)
{
	enum err err = sq_snapshot(b, ret);

	if (err == ERR_OK)
		err = sq_campaign_read(b, campaign, ret);
	if (err == ERR_OK && ret->campaigns_n == 1)
		err = list(b, campaign, from_group, limit, ret);
	if (err == ERR_OK && ret->groups_n > 0)
		err = count(b, campaign, ret);
	return sq_snapshot_end(b, err);
}

enum err sq_load_groups(struct backend *b, const struct store_loader *loader)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err = ERR_OK;

	if (loader->on_group == NULL)
		return ERR_OK;
	err = sq_use(
	        b, SQ_LOAD_GROUPS,
	        "SELECT g.key, g.name, g.size, g.hub FROM campaigns c CROSS JOIN target_groups g ON g.key " SQ_KEY_OF_C
	        " WHERE c.is_final = 0 ORDER BY c.no, g.key",
	        &st);
	while (err == ERR_OK && (err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		uint64_t key = (uint64_t)sqlite3_column_int64(st, 0);
		const char *name = (const char *)sqlite3_column_text(st, 1);

		if (name == NULL)
			return sq_refused(b, ERR_CORRUPT, "a group's row is damaged");
		loader->on_group(loader->arg, (uint32_t)(key >> 32), (uint32_t)key,
		                 (uint8_t)sqlite3_column_int(st, 3), name,
		                 (uint32_t)sqlite3_column_int64(st, 2));
	}
	return err;
}

/* ---- time zones ---- */

enum err sq_zone_add(struct backend *b, const struct op *op)
{
	sqlite3_stmt *st;
	enum err err = sq_use(b, SQ_ZONE_ADD, "INSERT INTO target_zones (key, name) VALUES (?, ?)", &st);

	if (err != ERR_OK)
		return err;
	sqlite3_bind_int64(st, 1, sq_key(op->zone.campaign, op->zone.zone));
	sq_bind_text(st, 2, op->zone.name);
	return sq_run(b, st);
}

enum err sq_load_zones(struct backend *b, const struct store_loader *loader)
{
	sqlite3_stmt *st;
	bool is_row;
	enum err err =
	        sq_use(b, SQ_LOAD_ZONES,
	               "SELECT z.key, z.name FROM campaigns c CROSS JOIN target_zones z"
	               " ON z.key " SQ_KEY_OF_C " WHERE c.is_final = 0 AND c.dropped = 0 ORDER BY z.key",
	               &st);

	while (err == ERR_OK && (err = sq_step(b, st, &is_row)) == ERR_OK && is_row) {
		uint64_t key = (uint64_t)sqlite3_column_int64(st, 0);

		if (loader->on_zone != NULL)
			loader->on_zone(loader->arg, (uint32_t)(key >> 32), (uint32_t)key,
			                (const char *)sqlite3_column_text(st, 1));
	}
	return err;
}
