/* track: see due.h */
#include "server/track/due.h"

#include <assert.h>
#include <stdlib.h>

#include "server/base/buf.h"
#include "server/base/clock.h"

#define FIRST_MIN_MS 1000
#define FIRST_MAX_MS 300000
/* A step of what is learnt, up or down: half of the first asks are to find a proof. */
#define LEARN_PARTS 32
#define AGE_PARTS 8

void due_init(struct due *d, uint32_t interval_ms)
{
	*d = (struct due){.interval_ms = interval_ms,
	                  .first_min_ms = interval_ms < FIRST_MIN_MS ? interval_ms : FIRST_MIN_MS,
	                  .first_ms = interval_ms / 2};
	if (d->first_ms < d->first_min_ms)
		d->first_ms = d->first_min_ms;
	TAILQ_INIT(&d->lines);
}

void due_done(struct due *d)
{
	assert(TAILQ_EMPTY(&d->lines));
	(void)d;
}

static struct due_line *line_join(struct due *d, uint32_t campaign)
{
	struct due_line *l;

	TAILQ_FOREACH (l, &d->lines, link)
		if (l->campaign == campaign)
			break;
	if (l == NULL) {
		l = xcalloc(1, sizeof *l);
		l->campaign = campaign;
		for (size_t i = 0; i < DUE_TIERS; i++)
			TAILQ_INIT(&l->tiers[i]);
		TAILQ_INSERT_TAIL(&d->lines, l, link);
	}
	l->n++;
	return l;
}

void due_add(struct due *d, struct due_entry *e, uint32_t campaign, bool expects_proof, int64_t now_ms)
{
	*e = (struct due_entry){.line = line_join(d, campaign),
	                        .watched_at_ms = now_ms,
	                        .from_ms = now_ms,
	                        .asks = expects_proof ? 0 : 2,
	                        .tier = expects_proof ? 0 : 1};
	TAILQ_INSERT_TAIL(&e->line->tiers[e->tier], e, link);
}

/* A proof that the first ask found was there sooner, one that it did not find comes later: but by how much is
 * known only as far as the target has been watched, however many say the same at once. */
static void learn(struct due *d, bool was_found, int64_t age_ms)
{
	int64_t step_ms = d->first_ms / LEARN_PARTS + 1, next_ms;

	if (was_found) {
		next_ms = d->first_ms - step_ms;
		next_ms = next_ms > age_ms - age_ms / AGE_PARTS ? next_ms : age_ms - age_ms / AGE_PARTS;
		d->first_ms = next_ms < d->first_ms ? next_ms : d->first_ms;
	} else {
		next_ms = d->first_ms + step_ms;
		next_ms = next_ms < age_ms ? next_ms : age_ms;
		d->first_ms = next_ms > d->first_ms ? next_ms : d->first_ms;
	}
	if (d->first_ms < d->first_min_ms)
		d->first_ms = d->first_min_ms;
	if (d->first_ms > FIRST_MAX_MS)
		d->first_ms = FIRST_MAX_MS;
}

void due_remove(struct due *d, struct due_entry *e)
{
	struct due_line *l = e->line;

	if (e->asks == 1)
		learn(d, true, e->from_ms - e->watched_at_ms);
	TAILQ_REMOVE(&l->tiers[e->tier], e, link);
	if (--l->n > 0)
		return;
	TAILQ_REMOVE(&d->lines, l, link);
	free(l);
}

static int64_t period_ms(const struct due *d, size_t tier)
{
	return tier == 0 ? d->first_ms : (int64_t)d->interval_ms << (tier - 1);
}

void due_asked(struct due *d, struct due_entry *e, int64_t now_ms)
{
	TAILQ_REMOVE(&e->line->tiers[e->tier], e, link);
	if (++e->asks == 2)
		learn(d, false, now_ms - e->watched_at_ms);
	e->from_ms = now_ms;
	e->tier = 1;
	while (e->tier < DUE_TIERS - 1 && period_ms(d, e->tier) < (now_ms - e->watched_at_ms) / AGE_PARTS)
		e->tier++;
	TAILQ_INSERT_TAIL(&e->line->tiers[e->tier], e, link);
}

void due_step_back(struct due *d, int64_t by_ms)
{
	struct due_entry *e;
	struct due_line *l;

	TAILQ_FOREACH (l, &d->lines, link)
		for (size_t i = 0; i < DUE_TIERS; i++)
			TAILQ_FOREACH (e, &l->tiers[i], link) {
				e->watched_at_ms -= by_ms;
				e->from_ms -= by_ms;
			}
}

static bool is_of(enum due_kind kind, size_t tier)
{
	return ((tier == 0 ? DUE_FIRST : DUE_AGAIN) & kind) != 0;
}

size_t due_count(const struct due *d, enum due_kind kind, int64_t now_ms, size_t max)
{
	const struct due_entry *e;
	const struct due_line *l;
	size_t n = 0;

	TAILQ_FOREACH (l, &d->lines, link)
		for (size_t i = 0; i < DUE_TIERS; i++)
			if (is_of(kind, i))
				for (e = TAILQ_FIRST(&l->tiers[i]);
				     e != NULL && n < max && e->from_ms + period_ms(d, i) <= now_ms;
				     e = TAILQ_NEXT(e, link))
					n++;
	return n;
}

/* The first of a line to be due; NULL: nobody of that kind. */
static struct due_entry *line_first(const struct due *d, const struct due_line *l, enum due_kind kind,
                                    int64_t *ret_at_ms)
{
	struct due_entry *first = NULL;

	for (size_t i = 0; i < DUE_TIERS; i++) {
		struct due_entry *e = TAILQ_FIRST(&l->tiers[i]);

		if (e == NULL || !is_of(kind, i) ||
		    (first != NULL && e->from_ms + period_ms(d, i) >= *ret_at_ms))
			continue;
		first = e;
		*ret_at_ms = e->from_ms + period_ms(d, i);
	}
	return first;
}

int64_t due_at(const struct due *d, enum due_kind kind)
{
	int64_t first_ms = TIME_NEVER, at_ms;
	const struct due_line *l;

	TAILQ_FOREACH (l, &d->lines, link)
		if (line_first(d, l, kind, &at_ms) != NULL && at_ms < first_ms)
			first_ms = at_ms;
	return first_ms;
}

struct due_entry *due_next(struct due *d, enum due_kind kind, int64_t now_ms)
{
	struct due_entry *e;
	struct due_line *l;
	int64_t at_ms;

	TAILQ_FOREACH (l, &d->lines, link) {
		e = line_first(d, l, kind, &at_ms);
		if (e == NULL || at_ms > now_ms)
			continue;
		TAILQ_REMOVE(&d->lines, l, link);
		TAILQ_INSERT_TAIL(&d->lines, l, link);
		return e;
	}
	return NULL;
}
