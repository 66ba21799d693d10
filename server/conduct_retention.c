/* conductor: forgets final campaigns, events and orders that are older than they need be kept, a little in
 * each commit.
 *
 *   due ──▶ old campaigns? ──some──▶ drop them, commit ──▶ due at once
 *    none ──▶ is the oldest event old, or are there too many? ──yes──▶ drop some, commit ──▶ due at once
 *      no ──▶ is the oldest order on record a day older? ──yes──▶ drop some, commit ──▶ due at once
 *      no ──▶ due in an hour, or when many more events have come
 *   what is on record cannot be read ──▶ likewise */
#include "server/base/log.h"
#include "server/conduct.h"

#define DAY_MS ((int64_t)24 * 3600 * 1000)
#define LOOK_MS ((int64_t)3600 * 1000)
#define CAMPAIGNS_MAX 20  /* dropped in one commit */
#define EVENTS_LOOK 50000 /* so many more are looked after */

/* TIME_NONE: nothing is ever too old. */
static int64_t cutoff(const struct conductor *c)
{
	if (c->options.retention_days == 0)
		return TIME_NONE;
	return conduct_now(c) - c->options.retention_days * DAY_MS;
}

static void due_in(struct conductor *c, int64_t in_ms)
{
	c->is_forgetting = false;
	c->forget_at_ms = conduct_now(c) + in_ms;
	conduct_wake(c);
}

static void rest(struct conductor *c)
{
	c->looked_at_id = c->last_event_id;
	due_in(c, LOOK_MS);
}

static void on_dropped(void *arg, enum err err, const char *detail, const char *id)
{
	(void)err; /* a commit that fails ends the process */
	(void)detail;
	(void)id;
	due_in(arg, 0);
}

static void drop_events(struct conductor *c, int64_t before_ms)
{
	batch_events_drop(c->batch, before_ms);
	conduct_answer_later(c, ERR_OK, NULL, "", on_dropped, c);
}

/* Each dropping is on record itself: a day's orders go at once, so that these stay few. */
static void on_oldest_order(void *arg, enum err err, uint64_t revision, const struct audit_row *rows,
                            size_t n, bool has_more)
{
	struct conductor *c = arg;

	(void)revision;
	(void)has_more;
	c->asked--;
	if (err != ERR_OK || n == 0 || rows[0].at_ms >= cutoff(c) - DAY_MS) {
		rest(c);
		return;
	}
	batch_audit_drop(c->batch, cutoff(c), conduct_now(c));
	conduct_answer_later(c, ERR_OK, NULL, "", on_dropped, c);
}

static void look_at_orders(struct conductor *c)
{
	if (c->options.retention_days == 0) {
		rest(c);
		return;
	}
	c->asked++;
	store_read_audit_oldest(c->store, on_oldest_order, c);
}

/* The first event that is to be kept; those told with older ones in one commit may stay with them. */
static void on_first_to_keep(void *arg, enum err err, uint64_t revision, const struct event *rows,
                             const char *const *campaign_ids, size_t n, bool has_more, uint64_t first_kept_id,
                             uint64_t last_id)
{
	struct conductor *c = arg;

	(void)revision;
	(void)campaign_ids;
	(void)has_more;
	(void)last_id;
	c->asked--;
	if (err != ERR_OK || n == 0 || c->dropped_from_id == first_kept_id) {
		look_at_orders(c);
		return;
	}
	c->dropped_from_id = first_kept_id;
	drop_events(c, rows[0].at_ms);
}

static void on_oldest(void *arg, enum err err, uint64_t revision, const struct event *rows,
                      const char *const *campaign_ids, size_t n, bool has_more, uint64_t first_kept_id,
                      uint64_t last_id)
{
	struct conductor *c = arg;
	uint64_t kept = last_id + 1 - first_kept_id, max = c->options.events_max;

	(void)revision;
	(void)campaign_ids;
	(void)has_more;
	c->asked--;
	if (err != ERR_OK) {
		rest(c);
		return;
	}
	c->first_kept_id = first_kept_id;
	if (n > 0 && rows[0].at_ms < cutoff(c)) {
		drop_events(c, cutoff(c));
	} else if (max > 0 && kept > max) {
		c->asked++;
		store_read_events(c->store, 0, last_id - max, 1, on_first_to_keep, c);
	} else {
		look_at_orders(c);
	}
}

static void on_old(void *arg, enum err err, uint64_t revision, const struct campaign_row *rows, size_t n,
                   bool has_more)
{
	struct conductor *c = arg;

	(void)revision;
	(void)has_more;
	c->asked--;
	if (err != ERR_OK) {
		rest(c);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		batch_campaign_drop(c->batch, rows[i].no);
		late_forget(c, rows[i].no);
		log_info("campaign forgotten", LS("campaign", rows[i].id),
		         LI("retentionDays", c->options.retention_days));
	}
	if (n > 0) {
		conduct_answer_later(c, ERR_OK, NULL, "", on_dropped, c);
	} else {
		c->asked++;
		store_read_events(c->store, 0, 0, 1, on_oldest, c);
	}
}

int64_t retention_run(struct conductor *c, int64_t now_ms)
{
	struct campaign_filter f = {.state = -1, .limit = CAMPAIGNS_MAX, .ended_before_ms = cutoff(c)};

	if ((c->options.retention_days == 0 && c->options.events_max == 0) || c->is_forgetting ||
	    c->is_draining)
		return TIME_NEVER;
	if (now_ms < c->forget_at_ms &&
	    (c->options.events_max == 0 || c->last_event_id < c->looked_at_id + EVENTS_LOOK))
		return c->forget_at_ms;
	c->is_forgetting = true;
	c->asked++;
	if (c->options.retention_days > 0)
		store_read_campaigns(c->store, &f, on_old, c);
	else
		store_read_events(c->store, 0, 0, 1, on_oldest, c);
	return TIME_NEVER;
}
