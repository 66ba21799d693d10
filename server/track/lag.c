/* track: see lag.h */
#include "server/track/lag.h"

#include "server/base/clock.h"
#include "server/hub/reading.h"

static int64_t greater(int64_t a_ms, int64_t b_ms)
{
	if (a_ms == TIME_NONE || b_ms == TIME_NONE)
		return a_ms == TIME_NONE ? b_ms : a_ms;
	return a_ms > b_ms ? a_ms : b_ms;
}

void lag_init(struct lag *l, int64_t now_ms)
{
	*l = (struct lag){now_ms, TIME_NONE, TIME_NONE};
}

/* What is left of the two spans at now_ms. */
static struct lag aged(const struct lag *l, int64_t now_ms)
{
	int64_t past_ms = now_ms - l->since_ms;

	if (past_ms < LAG_KEPT_MS)
		return *l;
	return (struct lag){now_ms, TIME_NONE, past_ms < 2 * LAG_KEPT_MS ? l->newer_ms : TIME_NONE};
}

void lag_saw(struct lag *l, int64_t now_ms, int64_t changed_hub_ms, int64_t missed_hub_ms)
{
	int64_t lag_ms = missed_hub_ms != TIME_NONE ? missed_hub_ms - changed_hub_ms : 0;

	*l = aged(l, now_ms);
	l->newer_ms = greater(l->newer_ms, lag_ms > 0 ? lag_ms : 0);
}

int64_t lag_seen_ms(const struct lag *l, int64_t now_ms)
{
	struct lag left = aged(l, now_ms);

	return greater(left.newer_ms, left.older_ms);
}

int64_t lag_changed_at(const struct reading *row, int64_t since_hub_ms)
{
	int64_t at_ms[] = {row->value.at_ms, row->boot.at_ms}, first_ms = TIME_NONE;

	for (int i = 0; i < 2; i++)
		if (at_ms[i] != TIME_NONE && at_ms[i] >= since_hub_ms &&
		    (first_ms == TIME_NONE || at_ms[i] < first_ms))
			first_ms = at_ms[i];
	return first_ms;
}
