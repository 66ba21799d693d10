/* campaign: see relapse.h */
#include "server/campaign/relapse.h"

/* Written after what was there when the device had settled; not so where that is not known. */
static bool is_later(const struct baseline *after, int64_t old_at_ms, int64_t at_ms)
{
	return at_ms != TIME_NONE && at_ms > old_at_ms && at_ms >= after->taken_at_ms;
}

/* A row of a query may be older than the reading it is compared with, and so hold what was before. */
static bool has_moved(const struct baseline *after, const struct relapse_seen *s)
{
	bool value_differs =
	        s->now.has_value && (!after->has_value || s->now.value_hash != after->value_hash);
	bool boot_differs = s->now.has_boot && after->has_boot && s->now.boot_hash != after->boot_hash;

	if (value_differs && is_later(after, after->value_at_ms, s->now.value_at_ms))
		return true;
	return boot_differs &&
	       (s->boot_at_ms == TIME_NONE ? s->is_point_read : is_later(after, TIME_NONE, s->boot_at_ms));
}

static bool is_still_down(int64_t *down_at_ms, const struct relapse_seen *s)
{
	if (!s->is_point_read || (!s->is_up && !s->is_down))
		return false;
	if (s->is_up)
		*down_at_ms = TIME_NONE;
	else if (*down_at_ms == TIME_NONE)
		*down_at_ms = s->asked_at_ms;
	return s->is_down && s->asked_at_ms >= *down_at_ms + RELAPSE_DOWN_FOR_MS;
}

static enum relapse relapse_of(struct relapse_row *row, int64_t *down_at_ms, const struct relapse_seen *s)
{
	if (has_moved(&row->after, s))
		return RELAPSE_RESTARTED;
	if (s->is_point_read && s->is_undone)
		return RELAPSE_UNDONE;
	return is_still_down(down_at_ms, s) ? RELAPSE_DROPPED : RELAPSE_NONE;
}

bool relapse_judge(struct relapse_row *row, int64_t *down_at_ms, const struct relapse_seen *s)
{
	bool is_first = row->after.source == SOURCE_NONE;

	if (row->is_over || (is_first && (!s->is_point_read || s->asked_at_ms < row->from_ms)))
		return false;
	if (!s->is_there) { /* deleted: nothing is left to watch */
		row->is_over = s->is_point_read;
		return row->is_over;
	}
	if (is_first)
		row->after = s->now;
	row->relapse = (uint8_t)relapse_of(row, down_at_ms, s);
	row->is_over = row->relapse != RELAPSE_NONE ||
	               (s->is_point_read && s->asked_at_ms >= row->until_ms && *down_at_ms == TIME_NONE);
	return is_first || row->is_over;
}

int64_t relapse_next_ms(const struct relapse_row *row, int64_t down_at_ms)
{
	if (row->after.source == SOURCE_NONE)
		return row->from_ms;
	return down_at_ms != TIME_NONE ? down_at_ms + RELAPSE_DOWN_FOR_MS : row->until_ms;
}
