/* schedule: see recurrence.h. Local times come in their order, but instants need not: a time in a gap is read
 * with the old offset, so it may be an instant that a later local time is, too, or a later one. Near a change
 * of clocks all local times of a day around are looked at, elsewhere the next one. */
#include "server/schedule/recurrence.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/base/buf.h"
#include "server/base/civil.h"
#include "server/schedule/cron.h"
#include "server/schedule/rrule.h"

#define NEAR_S (26 * 3600) /* no change of clocks is larger (Samoa 2011: 24 h) */
#define AHEAD_S (INT64_C(50) * 366 * DAY_S)
#define SPACINGS_MAX 1000

struct recurrence {
	struct cron cron;
	struct rrule *rrule; /* NULL: cron */
};

/* Local times, one after the other. */
struct walk {
	const struct recurrence *r;
	struct rrule_walk *rrule;
	int64_t at_s, end_s;
	bool is_rule; /* the last was of a rule that UNTIL may end */
};

static void walk_begin(struct walk *w, const struct recurrence *r, int64_t from_s)
{
	*w = (struct walk){.r = r, .at_s = from_s, .end_s = from_s + AHEAD_S};
	if (r->rrule != NULL)
		w->rrule = rrule_walk_new(r->rrule, from_s);
}

static bool walk_next(struct walk *w, int64_t *ret_s)
{
	if (w->rrule != NULL)
		return rrule_walk_next(w->rrule, ret_s, &w->is_rule) && *ret_s < w->end_s;
	if (!cron_next(&w->r->cron, w->at_s, w->end_s, ret_s))
		return false;
	w->at_s = *ret_s + 60;
	return true;
}

static void walk_end(struct walk *w)
{
	if (w->rrule != NULL)
		rrule_walk_free(w->rrule);
}

static bool is_over(struct walk *w, int64_t local_s, int64_t at_s)
{
	const struct rrule *rule = w->r->rrule;

	if (rule == NULL || !w->is_rule || !rrule_is_over(rule, local_s, at_s))
		return false;
	if (rrule_is_over(rule, local_s - 2 * NEAR_S, at_s - 2 * NEAR_S))
		rrule_walk_end_rule(w->rrule);
	return true;
}

static struct recurrence *recurrence_new(void)
{
	return xcalloc(1, sizeof(struct recurrence));
}

void recurrence_free(struct recurrence *r)
{
	if (r == NULL)
		return;
	rrule_free(r->rrule);
	free(r);
}

enum err recurrence_cron(const char *text, struct recurrence **ret, char reason[RECURRENCE_REASON_SIZE])
{
	struct recurrence *r = recurrence_new();

	if (!cron_parse(text, &r->cron, reason, RECURRENCE_REASON_SIZE)) {
		recurrence_free(r);
		return ERR_INVALID;
	}
	*ret = r;
	return ERR_OK;
}

/* Whether there is any occurrence from the year 2000 on, or from the start. */
static bool occurs(const struct recurrence *r, int64_t from_s)
{
	struct walk w;
	int64_t local_s;
	bool is_there;

	walk_begin(&w, r, from_s != INT64_MIN ? from_s : civil_days(2000, 1, 1) * DAY_S);
	is_there = walk_next(&w, &local_s);
	walk_end(&w);
	return is_there;
}

enum err recurrence_rrule(const char *text, int64_t from_s, struct recurrence **ret,
                          char reason[RECURRENCE_REASON_SIZE])
{
	struct recurrence *r = recurrence_new();
	enum err err = rrule_parse(text, from_s, &r->rrule, reason, RECURRENCE_REASON_SIZE);

	if (err == ERR_OK && !occurs(r, from_s)) {
		snprintf(reason, RECURRENCE_REASON_SIZE, "never occurs");
		err = ERR_INVALID;
	}
	if (err == ERR_OK)
		*ret = r;
	else
		recurrence_free(r);
	return err;
}

static int64_t near(const struct zone *z, int64_t at_s)
{
	return zone_is_steady(z, at_s - NEAR_S, at_s + NEAR_S) ? 0 : NEAR_S;
}

bool recurrence_next(const struct recurrence *r, const struct zone *z, int64_t after_ms,
                     struct occurrence *ret)
{
	int64_t after_s =
	        after_ms / 1000 - (after_ms % 1000 < 0); /* what is later than this is later than both */
	int64_t local_s = after_s + zone_offset_s(z, after_s), until_s = INT64_MAX, best_s = INT64_MAX;
	struct walk w;

	walk_begin(&w, r, local_s - near(z, after_s));
	while (walk_next(&w, &local_s) && local_s <= until_s) {
		enum clock_change change;
		int64_t at_s = zone_utc(z, local_s, &change);

		if (is_over(&w, local_s, at_s) || at_s <= after_s || at_s >= best_s)
			continue;
		best_s = at_s;
		until_s = local_s + near(z, at_s);
		*ret = (struct occurrence){.at_ms = at_s * 1000, .change = change};
		ret->offset_s = zone_offset_s(z, at_s);
		ret->local_s = at_s + ret->offset_s;
	}
	walk_end(&w);
	return best_s != INT64_MAX;
}

int64_t recurrence_spacing_s(const struct recurrence *r, int64_t from_local_s)
{
	int64_t local_s, last_s = 0, least_s = 0;
	struct walk w;

	walk_begin(&w, r, from_local_s);
	w.end_s = from_local_s + INT64_C(2) * 366 * DAY_S;
	for (int i = 0; i < SPACINGS_MAX && walk_next(&w, &local_s); i++) {
		if (i > 0 && (least_s == 0 || local_s - last_s < least_s))
			least_s = local_s - last_s;
		last_s = local_s;
	}
	walk_end(&w);
	return least_s;
}

const char *occurrence_text(const struct occurrence *o, char out[LOCAL_TEXT_SIZE])
{
	int64_t day = o->local_s / DAY_S - (o->local_s % DAY_S < 0);
	int second = (int)(o->local_s - day * DAY_S), offset_min = abs(o->offset_s) / 60;
	struct civil date = civil_date(day);

	snprintf(out, LOCAL_TEXT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d%c%02d:%02d", (int)date.year, date.month,
	         date.day, second / 3600, second / 60 % 60, second % 60, o->offset_s < 0 ? '-' : '+',
	         offset_min / 60, offset_min % 60);
	return out;
}
