/* track: the open targets, and how to ask about them; see track.h */
#include <stdlib.h>
#include <string.h>

#include "server/track/internal.h"

#define QUERY_TEXT_MAX 8192 /* characters, counted in bytes (contract 4.2) */
#define IDS_MAX 100         /* a query: as many as rows a page (contract 4.1) */
/* Who is due waits for company this share of the interval at least, unless a page is full; and for a query to
 * get to it that share, before it is read instead. */
#define GATHER_PARTS 5
#define LATE_PARTS 2
/* Times are compared as text, and "…00Z" stands behind "…00.1Z": a second earlier is safe either way. */
#define SINCE_MARGIN_MS 1000
#define SINCE_TEXT "properties.reported.$metadata.$lastUpdated >= '%s'"
#define SINCE_BYTES (sizeof SINCE_TEXT + TIME_TEXT_SIZE)
#define DUE_COUNTED_MAX 10000

/* --- groups --- */

static size_t text_bytes(const struct watch *watch)
{
	const char *candidates = watch_candidates(watch);
	struct buf select = BUF_INIT;
	size_t n;

	watch_select(watch, &select);
	n = select.len + strlen("SELECT  FROM devices WHERE deviceId IN []");
	if (candidates != NULL)
		n += strlen(" AND ()") + strlen(candidates);
	else
		n += strlen(" AND ") + SINCE_BYTES;
	buf_done(&select);
	return n;
}

struct group *track_open_join(struct track *t, const struct watch *watch)
{
	struct group *g;

	HASH_FIND_PTR(t->by_watch, &watch, g);
	if (g == NULL) {
		g = xcalloc(1, sizeof *g);
		g->watch = watch;
		g->text_bytes = text_bytes(watch);
		g->asked_at_ms = TIME_NONE;
		g->cut_at_ms = TIME_NONE;
		due_init(&g->due, t->options.interval_ms);
		scan_init(&g->scan);
		HASH_ADD_PTR(t->by_watch, watch, g);
		TAILQ_INSERT_TAIL(&t->groups, g, entry);
		t->groups_n++;
	}
	g->users++;
	return g;
}

void track_open_leave(struct track *t, struct group *g)
{
	if (--g->users > 0)
		return;
	HASH_DELETE(hh, t->by_watch, g);
	TAILQ_REMOVE(&t->groups, g, entry);
	t->groups_n--;
	due_done(&g->due);
	free(g);
}

bool track_uses(const struct track *t, const struct watch *watch)
{
	struct group *g;

	HASH_FIND_PTR(t->by_watch, &watch, g);
	return g != NULL;
}

/* --- targets --- */

struct target *track_open_find(const struct track *t, uint64_t key)
{
	struct target *target;

	HASH_FIND(hh, t->by_key, &key, sizeof key, target);
	return target;
}

struct target *track_open_find_same(const struct track *t, uint64_t key, uint32_t serial)
{
	struct target *target = track_open_find(t, key);

	return target != NULL && target->serial == serial ? target : NULL;
}

static struct target *target_of(struct due_entry *e)
{
	return (struct target *)(void *)((char *)e - offsetof(struct target, due));
}

struct target *track_open_first_of_device(const struct track *t, const char *device_id)
{
	struct target *first;

	HASH_FIND(hh_id, t->by_id, device_id, strlen(device_id), first);
	return first;
}

static void id_join(struct track *t, struct target *target)
{
	struct target *first = track_open_first_of_device(t, target->device_id);

	if (first != NULL) {
		target->same = first->same;
		first->same = target;
	} else {
		HASH_ADD_KEYPTR(hh_id, t->by_id, target->device_id, strlen(target->device_id), target);
	}
}

static void id_leave(struct track *t, struct target *target)
{
	struct target *before = track_open_first_of_device(t, target->device_id), *next = target->same;

	if (before != target) {
		while (before->same != target)
			before = before->same;
		before->same = next;
		return;
	}
	HASH_DELETE(hh_id, t->by_id, target);
	if (next != NULL)
		HASH_ADD_KEYPTR(hh_id, t->by_id, next->device_id, strlen(next->device_id), next);
}

static void target_free(struct track *t, struct target *target)
{
	HASH_DELETE(hh, t->by_key, target);
	id_leave(t, target);
	due_remove(&target->group->due, &target->due);
	track_open_leave(t, target->group);
	free(target);
	t->stats.watched--;
}

void track_watch(struct track *t, uint32_t campaign, uint32_t no, const char *device_id, bool expects_proof,
                 int64_t since_hub_ms, const struct watch *watch)
{
	size_t id_bytes = strlen(device_id) + 1;
	struct target *target = xcalloc(1, sizeof *target + id_bytes);

	track_unwatch(t, campaign, no);
	target->key = track_key(campaign, no);
	target->serial = ++t->serial;
	target->since_hub_ms = since_hub_ms;
	target->queried_at_ms = TIME_NONE;
	target->queried_before_ms = TIME_NONE;
	target->shown_ms = TIME_NONE;
	target->group = track_open_join(t, watch);
	memcpy(target->device_id, device_id, id_bytes);
	HASH_ADD(hh, t->by_key, key, sizeof target->key, target);
	id_join(t, target);
	due_add(&target->group->due, &target->due, campaign, expects_proof, t->now_ms);
	t->stats.watched++;
}

void track_unwatch(struct track *t, uint32_t campaign, uint32_t no)
{
	struct target *target = track_open_find(t, track_key(campaign, no));

	if (target != NULL)
		target_free(t, target);
}

/* --- asking about open targets --- */

static size_t quoted_bytes(const char *id)
{
	size_t n = 2;

	for (; *id != '\0'; id++)
		n += *id == '\'' || *id == '\\' ? 2 : 1;
	return n;
}

static void put_quoted(struct buf *out, const char *id)
{
	buf_putc(out, '\'');
	for (; *id != '\0'; id++) {
		if (*id == '\'' || *id == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *id);
	}
	buf_putc(out, '\'');
}

/* Rows come of those alone that have reported since: the others would cost a message each. */
static void put_since(struct buf *out, int64_t since_hub_ms)
{
	char text[TIME_TEXT_SIZE];

	buf_printf(out, SINCE_TEXT, time_text(since_hub_ms - SINCE_MARGIN_MS, text));
}

/* A query after the next of g by id; NULL where not even one fits: then it has been queued for a point read.
 */
static struct request *ids_of(struct track *t, struct group *g, enum due_kind kind, int64_t now_ms)
{
	const char *candidates = watch_candidates(g->watch);
	struct request *r = track_request_new(t, REQUEST_IDS, 0, g->watch, NULL);
	struct buf condition = BUF_INIT;
	size_t left = g->text_bytes < QUERY_TEXT_MAX ? QUERY_TEXT_MAX - g->text_bytes : 0, n = 0;
	int64_t since_ms = TIME_NEVER;
	struct target *target = NULL;
	struct due_entry *e = NULL;

	buf_puts(&condition, "deviceId IN [");
	while (n < IDS_MAX && (e = due_next(&g->due, kind, now_ms)) != NULL) {
		size_t bytes;

		target = target_of(e);
		bytes = quoted_bytes(target->device_id) + (n > 0 ? 1 : 0);
		if (bytes > left)
			break;
		left -= bytes;
		if (n++ > 0)
			buf_putc(&condition, ',');
		put_quoted(&condition, target->device_id);
		r->campaign = r->campaign == 0 ? e->line->campaign : r->campaign;
		r->has_again = r->has_again || e->tier > 0;
		since_ms = target->since_hub_ms < since_ms ? target->since_hub_ms : since_ms;
		target->queried_before_ms = target->queried_at_ms;
		target->queried_at_ms = now_ms;
		due_asked(&g->due, e, now_ms);
	}
	buf_putc(&condition, ']');
	if (candidates != NULL) {
		buf_printf(&condition, " AND (%s)", candidates);
	} else if (since_ms != TIME_NONE) {
		buf_puts(&condition, " AND ");
		put_since(&condition, since_ms);
	}
	r->text = buf_take(&condition);
	if (n > 0) {
		if (n < IDS_MAX && e == NULL)
			g->asked_at_ms = now_ms;
		return r;
	}
	track_request_end(t, r);
	due_asked(&g->due, &target->due, now_ms);
	track_request_candidate(t, target);
	return NULL;
}

static struct request *scan_of(struct track *t, struct group *g, size_t due_n, int64_t now_ms)
{
	struct buf condition = BUF_INIT;

	g->asked_at_ms = now_ms;
	put_since(&condition, scan_begin(&g->scan, due_n, now_ms));
	return track_request_new(t, REQUEST_SCAN, TAILQ_FIRST(&g->due.lines)->campaign, g->watch,
	                         buf_take(&condition));
}

static bool can_spare_reads(const struct track *t, int64_t now_ms)
{
	return TAILQ_EMPTY(&t->readers) && lane_is_free(&t->reads, now_ms);
}

/* While a scan is out, those who are due again are left to it. */
static enum due_kind kind_of(const struct group *g)
{
	return g->scan.is_out ? DUE_FIRST : DUE_ANY;
}

/* When a page that is not full goes out for somebody who is due at due_ms. */
static int64_t ripe_at(const struct track *t, const struct group *g, int64_t due_ms)
{
	int64_t gathered_ms = due_ms + (int64_t)t->options.interval_ms / GATHER_PARTS;
	int64_t again_ms = g->asked_at_ms != TIME_NONE ? g->asked_at_ms + t->options.interval_ms : TIME_NONE;

	return gathered_ms > again_ms ? gathered_ms : again_ms;
}

static bool is_ripe(const struct track *t, const struct group *g, int64_t now_ms)
{
	int64_t due_ms = due_at(&g->due, kind_of(g));

	if (due_ms > now_ms)
		return false;
	return ripe_at(t, g, due_ms) <= now_ms || due_count(&g->due, kind_of(g), now_ms, IDS_MAX) == IDS_MAX;
}

/* The cheapest way to ask after those of g that are due; NULL: a point read, which has been queued. */
static struct request *ask_of(struct track *t, struct group *g, int64_t now_ms)
{
	size_t again_n = due_count(&g->due, DUE_AGAIN, now_ms, DUE_COUNTED_MAX);
	int64_t hub_now_ms = t->hub_offset_ms != TIME_NONE ? now_ms + t->hub_offset_ms : TIME_NONE;
	struct due_entry *e;

	if (watch_is_in_rows(g->watch) && scan_pays(&g->scan, again_n, now_ms, hub_now_ms))
		return scan_of(t, g, again_n, now_ms);
	if (due_count(&g->due, kind_of(g), now_ms, 2) != 1 || !can_spare_reads(t, now_ms))
		return ids_of(t, g, kind_of(g), now_ms);
	g->asked_at_ms = now_ms;
	e = due_next(&g->due, kind_of(g), now_ms);
	due_asked(&g->due, e, now_ms);
	track_request_candidate(t, target_of(e));
	return NULL;
}

static struct group *group_next(struct track *t)
{
	struct group *g = TAILQ_FIRST(&t->groups);

	TAILQ_REMOVE(&t->groups, g, entry);
	TAILQ_INSERT_TAIL(&t->groups, g, entry);
	return g;
}

struct request *track_open_ask(struct track *t, int64_t now_ms)
{
	struct request *r = NULL;

	for (uint32_t i = 0; i < t->groups_n && r == NULL; i++) {
		struct group *g = group_next(t);

		while (r == NULL && is_ripe(t, g, now_ms))
			r = ask_of(t, g, now_ms);
	}
	return r;
}

/* Whether queries may be too slow for those who are due; only then reads help. */
static bool may_be_late(const struct track *t, int64_t now_ms)
{
	return !t->is_sparing && (t->options.queries_per_minute > 0 || lane_tokens(&t->queries, now_ms) == 0);
}

static int64_t late_ms(const struct track *t)
{
	return (int64_t)t->options.interval_ms / LATE_PARTS;
}

/* Reads those to whom no query has come in time, as far as reads are to spare: a read costs no more than a
 * row, where it finds something. So it is for first asks only, of which about half do. */
void track_open_help(struct track *t, int64_t now_ms)
{
	uint32_t n = may_be_late(t, now_ms) && TAILQ_EMPTY(&t->readers) ? lane_tokens(&t->reads, now_ms) : 0;

	for (uint32_t i = 0; i < t->groups_n && n > 0; i++) {
		struct group *g = group_next(t);
		struct due_entry *e;

		while (n > 0 && (e = due_next(&g->due, DUE_FIRST, now_ms - late_ms(t))) != NULL) {
			due_asked(&g->due, e, now_ms);
			track_request_candidate(t, target_of(e));
			n--;
		}
	}
}

static int64_t later(int64_t a_ms, int64_t b_ms)
{
	return a_ms > b_ms ? a_ms : b_ms;
}

/* When a query after open targets may go out next, and a read instead. */
int64_t track_open_next_at(const struct track *t, int64_t now_ms)
{
	int64_t query_ms = lane_next_at(&t->queries, now_ms), read_ms = lane_next_at(&t->reads, now_ms);
	int64_t first_ms = TIME_NEVER;
	const struct group *g;

	TAILQ_FOREACH (g, &t->groups, entry) {
		int64_t due_ms = due_at(&g->due, kind_of(g));

		if (due_ms != TIME_NEVER && t->queries.out < t->queries.out_max) {
			if (due_ms <= now_ms)
				due_ms = ripe_at(t, g, due_ms);
			due_ms = later(due_ms, query_ms);
			first_ms = due_ms < first_ms ? due_ms : first_ms;
		}
		due_ms = due_at(&g->due, DUE_FIRST);
		if (due_ms != TIME_NEVER && may_be_late(t, now_ms) && TAILQ_EMPTY(&t->readers)) {
			due_ms = later(due_ms + late_ms(t), read_ms);
			first_ms = due_ms < first_ms ? due_ms : first_ms;
		}
	}
	return first_ms;
}

void track_open_step_back(struct track *t, int64_t by_ms)
{
	struct group *g;

	TAILQ_FOREACH (g, &t->groups, entry) {
		due_step_back(&g->due, by_ms);
		if (g->asked_at_ms != TIME_NONE)
			g->asked_at_ms -= by_ms;
		g->cut_at_ms = t->now_ms; /* what was asked before has no time any more */
	}
}

void track_open_free(struct track *t)
{
	struct target *target, *next;

	HASH_ITER (hh, t->by_key, target, next)
		target_free(t, target);
}
