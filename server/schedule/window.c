/* schedule: see window.h */
#include "server/schedule/window.h"

#include <stdlib.h>

#include "server/base/buf.h"
#include "server/base/civil.h"

/* Looks no further than so many openings that a blackout covers, or windows that follow one another. */
#define LOOKS_MAX 1000

struct window {
	struct recurrence *when;
	int64_t duration_ms;
};

struct blackout {
	int64_t from_day, to_day;
};

struct windows {
	struct window *all;
	size_t n;
	struct blackout *blackouts;
	size_t blackouts_n;
};

struct windows *windows_new(void)
{
	return xcalloc(1, sizeof(struct windows));
}

void windows_free(struct windows *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; i < w->n; i++)
		recurrence_free(w->all[i].when);
	free(w->all);
	free(w->blackouts);
	free(w);
}

void windows_add(struct windows *w, struct recurrence *when, uint32_t duration_min)
{
	w->all = xrealloc(w->all, (w->n + 1) * sizeof *w->all);
	w->all[w->n++] = (struct window){when, (int64_t)duration_min * 60000};
}

void windows_add_blackout(struct windows *w, int64_t from_day, int64_t to_day)
{
	w->blackouts = xrealloc(w->blackouts, (w->blackouts_n + 1) * sizeof *w->blackouts);
	w->blackouts[w->blackouts_n++] = (struct blackout){from_day, to_day};
}

/* Gives whether a blackout covers now, and when that changes: its end, or the begin of the next. Where a
 * midnight exists twice, a blackout begins with the first and ends with the last. */
static bool in_blackout(const struct windows *w, const struct zone *z, int64_t now_ms,
                        int64_t *ret_changes_ms)
{
	*ret_changes_ms = TIME_NEVER;
	for (size_t i = 0; i < w->blackouts_n; i++) {
		int64_t from_ms = zone_utc(z, w->blackouts[i].from_day * DAY_S, NULL) * 1000;
		int64_t end_ms = zone_utc_last(z, (w->blackouts[i].to_day + 1) * DAY_S) * 1000;

		if (from_ms <= now_ms && now_ms < end_ms) {
			*ret_changes_ms = end_ms;
			return true;
		}
		if (from_ms > now_ms && from_ms < *ret_changes_ms)
			*ret_changes_ms = from_ms;
	}
	return false;
}

/* Gives when the windows that are open at at_ms shut, as far as each knows by itself; at_ms: none is open. */
static int64_t open_until(const struct windows *w, const struct zone *z, int64_t at_ms)
{
	int64_t until_ms = at_ms;
	struct occurrence o;

	for (size_t i = 0; i < w->n; i++) {
		int64_t after_ms = at_ms - w->all[i].duration_ms;

		/* Those that began within the last duration are open; the last of them shuts last. */
		while (recurrence_next(w->all[i].when, z, after_ms, &o) && o.at_ms <= at_ms) {
			after_ms = o.at_ms;
			if (o.at_ms + w->all[i].duration_ms > until_ms)
				until_ms = o.at_ms + w->all[i].duration_ms;
		}
	}
	return until_ms;
}

static int64_t next_start(const struct windows *w, const struct zone *z, int64_t after_ms)
{
	int64_t start_ms = TIME_NEVER;
	struct occurrence o;

	for (size_t i = 0; i < w->n; i++)
		if (recurrence_next(w->all[i].when, z, after_ms, &o) && o.at_ms < start_ms)
			start_ms = o.at_ms;
	return start_ms;
}

/* Whether it is open at at_ms for so long; gives when that ends, or the first that may open it again. */
static bool is_open_at(const struct windows *w, const struct zone *z, int64_t at_ms, int64_t needed_ms,
                       int64_t *ret_changes_ms)
{
	int64_t blackout_ms, until_ms = TIME_NEVER;

	if (in_blackout(w, z, at_ms, &blackout_ms)) {
		*ret_changes_ms = blackout_ms;
		return false;
	}
	if (w->n > 0)
		until_ms = open_until(w, z, at_ms);
	if (until_ms == at_ms) {
		*ret_changes_ms = next_start(w, z, at_ms);
		return false;
	}
	/* As far as is needed, windows that follow are looked at, too. */
	for (int looks = 0; looks < LOOKS_MAX && until_ms < blackout_ms && until_ms - at_ms <= needed_ms;
	     looks++) {
		int64_t later_ms = open_until(w, z, until_ms);

		if (later_ms == until_ms)
			break;
		until_ms = later_ms;
	}
	if (blackout_ms < until_ms)
		until_ms = blackout_ms;
	*ret_changes_ms = until_ms;
	if (until_ms == TIME_NEVER)
		return true;
	if (until_ms - needed_ms > at_ms)
		*ret_changes_ms = until_ms - needed_ms;
	return until_ms - needed_ms > at_ms;
}

void windows_at(const struct windows *w, const struct zone *z, int64_t now_ms, int64_t needed_ms,
                struct window_state *ret)
{
	int64_t blackout_ms, at_ms;

	*ret = (struct window_state){.is_blackout = in_blackout(w, z, now_ms, &blackout_ms)};
	ret->is_open = is_open_at(w, z, now_ms, needed_ms, &at_ms);
	for (int looks = 0; !ret->is_open && at_ms != TIME_NEVER; looks++) {
		int64_t next_ms;

		if (looks == LOOKS_MAX) {
			at_ms = TIME_NEVER;
			break;
		}
		if (is_open_at(w, z, at_ms, needed_ms, &next_ms))
			break;
		at_ms = next_ms;
	}
	ret->changes_at_ms = at_ms;
	ret->again_at_ms = !ret->is_open && blackout_ms < at_ms ? blackout_ms : at_ms;
}
