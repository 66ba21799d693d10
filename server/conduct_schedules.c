/* conductor: schedules: their orders, and the campaigns that their occurrences start; see conductor.h and
 * conduct.h.
 *
 * What becomes of an occurrence that is due:
 *   later than catchUpSeconds ──▶ missed
 *   the schedule is paused ──▶ skipped
 *   a campaign of it is live ──overlap skip──▶ skipped
 *          ├──queue──▶ queued (one may wait, the next are skipped) ──campaign ends──▶ started
 *          └──allow──▶ started
 *   else ──▶ started, or failed where its campaign is not sound any more
 * The commit that holds the campaign also moves the schedule past the occurrence, so that each is dealt with
 * once over any crash; the store refuses a second campaign for one occurrence. */
#include "server/conduct.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"
#include "server/base/rng.h"

/* A running service is late by so much at most: that alone makes no occurrence a missed one. */
#define GRACE_MS 10000
/* Occurrences missed or skipped in one go are told as one event, and counted up to so many. */
#define RUN_MAX 10000u
/* Campaigns started before the next commit. */
#define STARTS_MAX 64

struct schedule {
	UT_hash_handle hh; /* by id */
	UT_hash_handle hh_no;
	struct schedule_row row; /* its texts are the spec's, text's and ours */
	struct schedule_spec spec;
	char *text, *created_by;
	struct recurrence *when; /* NULL: cannot be read any more, as its zone is gone, say */
	const struct zone *zone;
	uint32_t live_n; /* its campaigns that are live */
};

static struct schedule *find(const struct conductor *c, const char *id)
{
	struct schedule *s;

	HASH_FIND_STR(c->schedules, id, s);
	return s;
}

static struct schedule *find_no(const struct conductor *c, uint32_t no)
{
	struct schedule *s;

	HASH_FIND(hh_no, c->schedules_by_no, &no, sizeof no, s);
	return s;
}

static void schedule_free(struct schedule *s)
{
	schedule_spec_done(&s->spec);
	recurrence_free(s->when);
	free(s->text);
	free(s->created_by);
	free(s);
}

void conduct_schedules_free(struct conductor *c)
{
	struct schedule *s, *next;

	HASH_ITER (hh, c->schedules, s, next) {
		HASH_DELETE(hh_no, c->schedules_by_no, s);
		HASH_DEL(c->schedules, s);
		schedule_free(s);
	}
	alarms_done(&c->schedule_alarms);
}

/* ---- recurrences ---- */

/* Gives the recurrence and its zone; else adds what is wrong. */
static struct recurrence *read_recurrence(const struct conductor *c, const struct schedule_spec *spec,
                                          const struct zone **ret_zone, struct faults *faults)
{
	const struct zone *z = zones_get(c->zones, spec->time_zone);
	char reason[RECURRENCE_REASON_SIZE];
	struct recurrence *r = NULL;
	enum err err;

	if (z == NULL) {
		faults_add(faults, "/recurrence/timeZone",
		           "timeZone must be an IANA time zone like \"Europe/Stockholm\", not \"%.64s\"",
		           spec->time_zone);
		return NULL;
	}
	if (spec->cron != NULL) {
		err = recurrence_cron(spec->cron, &r, reason);
	} else {
		int64_t from_s = spec->from_ms / 1000;

		err = recurrence_rrule(spec->rrule,
		                       spec->from_ms != TIME_NONE ? from_s + zone_offset_s(z, from_s)
		                                                  : INT64_MIN,
		                       &r, reason);
	}
	if (err != ERR_OK) {
		faults_add(faults, spec->cron != NULL ? "/recurrence/cron" : "/recurrence/rrule", "%s %s",
		           spec->cron != NULL ? "cron" : "rrule", reason);
		return NULL;
	}
	*ret_zone = z;
	return r;
}

/* The next occurrence later than after_ms that lies between from and until. */
static bool next_of(const struct schedule *s, int64_t after_ms, struct occurrence *ret)
{
	if (s->when == NULL)
		return false;
	if (s->spec.from_ms != TIME_NONE && after_ms < s->spec.from_ms - 1)
		after_ms = s->spec.from_ms - 1;
	return recurrence_next(s->when, s->zone, after_ms, ret) &&
	       (s->spec.until_ms == TIME_NONE || ret->at_ms <= s->spec.until_ms);
}

/* The next that has not been dealt with. Other time zone data may put what was dealt with later: the clocks
 * show the same then. */
static bool next_to_do(const struct schedule *s, struct occurrence *ret)
{
	return next_of(s, s->row.done_at_ms, ret) &&
	       (ret->local_s != s->row.done_local_s || next_of(s, ret->at_ms, ret));
}

static void plan(struct conductor *c, struct schedule *s)
{
	struct occurrence o;

	s->row.next_at_ms = next_to_do(s, &o) ? o.at_ms : TIME_NONE;
	if (s->row.next_at_ms != TIME_NONE)
		alarms_add(&c->schedule_alarms, s->row.next_at_ms, s->row.no);
}

void conductor_schedule_check(const struct conductor *c, const struct schedule_spec *spec,
                              const struct campaign_spec *campaign, struct faults *faults)
{
	struct schedule s = {.spec = *spec};
	struct faults inner = FAULTS_INIT;
	struct buf pointer = BUF_INIT;
	struct occurrence o;

	s.when = read_recurrence(c, spec, &s.zone, faults);
	if (s.when != NULL && !next_of(&s, conduct_wall(c), &o))
		faults_add(faults, "/recurrence", "recurrence never occurs from now on%s",
		           spec->until_ms != TIME_NONE ? " before until" : "");
	recurrence_free(s.when);
	conductor_check(c, campaign, &inner);
	for (size_t i = 0; i < inner.n; i++) {
		buf_reset(&pointer);
		buf_printf(&pointer, "/campaign%s", inner.all[i].pointer);
		faults_add(faults, pointer.data, "%s", inner.all[i].detail);
	}
	buf_done(&pointer);
	faults_done(&inner);
}

/* ---- telling ---- */

static void put(struct conductor *c, const struct schedule *s)
{
	batch_schedule_put(c->batch, &s->row);
}

/* Tells what became of a schedule or an occurrence (TIME_NONE: of none). more: members, each with a comma
 * before it. */
static void tell(struct conductor *c, const struct schedule *s, const char *change, int64_t occurrence_ms,
                 const char *more, uint32_t campaign)
{
	struct buf detail = BUF_INIT;
	struct event event = {.at_ms = conduct_now(c), .type = EVENT_SCHEDULE, .campaign = campaign};
	char at[TIME_TEXT_SIZE];

	buf_printf(&detail, "\"scheduleId\":\"%s\",\"change\":\"%s\"", s->row.id, change);
	if (occurrence_ms != TIME_NONE)
		buf_printf(&detail, ",\"occurrenceAt\":\"%s\"", time_text(occurrence_ms, at));
	buf_puts(&detail, more);
	event.detail = detail.data;
	conduct_tell(c, &event);
	log_info("schedule", LS("schedule", s->row.id), LS("change", change),
	         LS("occurrence", occurrence_ms != TIME_NONE ? at : ""),
	         LS("more", more[0] == ',' ? more + 1 : more));
	buf_done(&detail);
}

/* What a person changed. */
static void tell_by(struct conductor *c, const struct schedule *s, const char *change, const char *by)
{
	struct buf more = BUF_INIT;

	buf_puts(&more, ",\"by\":");
	buf_json(&more, by);
	tell(c, s, change, TIME_NONE, more.data, 0);
	buf_done(&more);
	conduct_audit(c, "", "", change);
}

static void tell_why(struct conductor *c, const struct schedule *s, const char *change, int64_t occurrence_ms,
                     const char *why)
{
	struct buf more = BUF_INIT;

	buf_puts(&more, ",\"why\":");
	buf_json(&more, why);
	tell(c, s, change, occurrence_ms, more.data, 0);
	buf_done(&more);
}

/* ---- starting campaigns ---- */

static void on_started(void *arg, enum err err, const char *detail, const char *id)
{
	(void)arg; /* a commit that fails ends the process */
	(void)err;
	(void)detail;
	(void)id;
}

/* Reads the schedule's campaign anew; else gives why it cannot run. */
static bool read_campaign(const struct conductor *c, const struct schedule *s, struct campaign_spec *ret,
                          char why[256])
{
	struct faults faults = FAULTS_INIT;
	char reason[SPEC_REASON_SIZE];
	size_t at;
	bool is_sound;

	if (s->spec.campaign == NULL) {
		snprintf(why, 256, "the schedule on record cannot be read");
		return false;
	}
	is_sound = spec_parse(s->spec.campaign, strlen(s->spec.campaign), false, ret, &faults, &at, reason) ==
	           ERR_OK;
	if (is_sound)
		conductor_check(c, ret, &faults);
	is_sound = is_sound && faults.n == 0;
	if (!is_sound) {
		snprintf(why, 256, "%.80s: %.160s", faults.n > 0 ? faults.all[0].pointer : "",
		         faults.n > 0 ? faults.all[0].detail : reason);
		spec_done(ret);
	}
	faults_done(&faults);
	return is_sound;
}

static void count_started(struct conductor *c, struct schedule *s)
{
	const struct live *live = conduct_live(c, c->last_campaign);

	s->row.started++;
	c->stats.occurrences.started++;
	s->row.last_at_ms = conduct_now(c);
	memcpy(s->row.last_campaign, live->id, sizeof s->row.last_campaign);
}

static void start(struct conductor *c, struct schedule *s, int64_t occurrence_ms)
{
	struct conductor_request request = {
	        .by = s->created_by, .schedule_id = s->row.id, .occurrence_at_ms = occurrence_ms};
	struct campaign_spec campaign;
	char why[256];

	if (conduct_is_full(c, why) || !read_campaign(c, s, &campaign, why)) {
		s->row.failed++;
		c->stats.occurrences.failed++;
		tell_why(c, s, "failed", occurrence_ms, why);
		return;
	}
	conductor_create(c, &campaign, &request, on_started, NULL);
	count_started(c, s);
	tell(c, s, "started", occurrence_ms, "", c->last_campaign);
}

/* Deals with one occurrence that is due and not too late; gives whether it started a campaign. */
static bool deal_with(struct conductor *c, struct schedule *s, int64_t occurrence_ms)
{
	if (s->row.is_paused) {
		s->row.skipped++;
		c->stats.occurrences.skipped++;
		tell_why(c, s, "skipped", occurrence_ms, "the schedule is paused");
	} else if (s->live_n == 0 || s->spec.overlap == OVERLAP_ALLOW) {
		start(c, s, occurrence_ms);
		return true;
	} else if (s->spec.overlap == OVERLAP_QUEUE && s->row.queued_at_ms == TIME_NONE) {
		s->row.queued_at_ms = occurrence_ms;
		c->stats.occurrences.queued++;
		tell(c, s, "queued", occurrence_ms, "", 0);
	} else {
		s->row.skipped++;
		c->stats.occurrences.skipped++;
		tell_why(c, s, "skipped", occurrence_ms,
		         s->spec.overlap == OVERLAP_QUEUE
		                 ? "an earlier occurrence waits already"
		                 : "the campaign of an earlier occurrence is not over");
	}
	return false;
}

/* Passes over the occurrences from first on that are older than since_ms, as one. */
static void miss(struct conductor *c, struct schedule *s, struct occurrence *o, int64_t since_ms)
{
	struct buf more = BUF_INIT;
	int64_t first_ms = o->at_ms;
	char at[TIME_TEXT_SIZE];
	uint32_t n = 0;
	bool has_more;

	do {
		s->row.done_at_ms = o->at_ms;
		s->row.done_local_s = o->local_s;
		n++;
		has_more = next_to_do(s, o);
	} while (has_more && o->at_ms < since_ms && n < RUN_MAX);
	if (s->row.is_paused) {
		s->row.skipped += n;
		c->stats.occurrences.skipped += n;
	} else {
		s->row.missed += n;
		c->stats.occurrences.missed += n;
	}
	buf_printf(&more, ",\"count\":%u,\"lastAt\":\"%s\",\"isMore\":%s,\"why\":\"%s\"", n,
	           time_text(s->row.done_at_ms, at), has_more && o->at_ms < since_ms ? "true" : "false",
	           s->row.is_paused ? "the schedule is paused" : "the service did not run in time");
	tell(c, s, s->row.is_paused ? "skipped" : "missed", first_ms, more.data, 0);
	if (has_more && o->at_ms < since_ms) /* the rest is passed over uncounted */
		s->row.done_at_ms = since_ms - 1;
	buf_done(&more);
}

/* Deals with what is due of a schedule; gives how many campaigns it started. */
static unsigned run_one(struct conductor *c, struct schedule *s, int64_t now_ms)
{
	int64_t late_ms = (int64_t)s->spec.catch_up_s * 1000, since_ms;
	struct occurrence o;
	unsigned started = 0;

	since_ms = now_ms - (late_ms > GRACE_MS ? late_ms : GRACE_MS);
	if (s->row.queued_at_ms != TIME_NONE && s->live_n == 0 && !s->row.is_paused) {
		int64_t queued_ms = s->row.queued_at_ms;

		s->row.queued_at_ms = TIME_NONE;
		start(c, s, queued_ms);
		started++;
	}
	while (started < STARTS_MAX && next_to_do(s, &o) && o.at_ms <= now_ms) {
		if (o.at_ms < since_ms) {
			miss(c, s, &o, since_ms);
			continue;
		}
		s->row.done_at_ms = o.at_ms;
		s->row.done_local_s = o.local_s;
		started += deal_with(c, s, o.at_ms);
	}
	plan(c, s);
	put(c, s);
	return started;
}

/* An alarm is overtaken where the schedule has been planned anew since. */
static bool is_due(const struct schedule *s, int64_t now_ms)
{
	return (s->row.next_at_ms != TIME_NONE && s->row.next_at_ms <= now_ms) ||
	       (s->row.queued_at_ms != TIME_NONE && s->live_n == 0 && !s->row.is_paused);
}

int64_t conduct_schedules_run(struct conductor *c, int64_t now_ms)
{
	unsigned started = 0;
	uint64_t no;

	if (c->is_draining)
		return TIME_NEVER;
	while (started < STARTS_MAX && alarms_pop(&c->schedule_alarms, now_ms, &no)) {
		struct schedule *s = find_no(c, (uint32_t)no);

		if (s != NULL && is_due(s, now_ms))
			started += run_one(c, s, now_ms);
	}
	return alarms_next_at(&c->schedule_alarms);
}

void conduct_schedules_live(struct conductor *c, const char *schedule_id, int change)
{
	struct schedule *s = schedule_id[0] != '\0' ? find(c, schedule_id) : NULL;

	if (s == NULL)
		return;
	s->live_n += (uint32_t)change;
	if (s->live_n == 0 && s->row.queued_at_ms != TIME_NONE)
		alarms_add(&c->schedule_alarms, conduct_wall(c), s->row.no);
}

/* ---- at start ---- */

static void add(struct conductor *c, struct schedule *s)
{
	HASH_ADD_STR(c->schedules, row.id, s);
	HASH_ADD(hh_no, c->schedules_by_no, row.no, sizeof s->row.no, s);
	if (s->row.no > c->last_schedule)
		c->last_schedule = s->row.no;
}

void conduct_schedules_load(struct conductor *c, const struct schedule_row *row)
{
	struct schedule *s = xcalloc(1, sizeof *s);
	struct faults faults = FAULTS_INIT;
	struct campaign_spec campaign;
	char reason[SPEC_REASON_SIZE];
	size_t at;

	s->row = *row;
	s->text = xstrdup(row->spec);
	s->created_by = xstrdup(row->created_by);
	/* Its campaign is read, and may be refused, when it starts. */
	(void)!schedule_spec_parse(s->text, strlen(s->text), &s->spec, &campaign, &faults, &at, reason);
	spec_done(&campaign);
	faults_done(&faults);
	if (s->spec.name != NULL && s->spec.time_zone != NULL && s->spec.campaign != NULL &&
	    (s->spec.cron != NULL || s->spec.rrule != NULL))
		s->when = read_recurrence(c, &s->spec, &s->zone, &faults);
	if (s->when == NULL)
		log_error("a schedule on record cannot be read, and starts nothing", LS("schedule", row->id),
		          LS("at", faults.n > 0 ? faults.all[0].pointer : ""),
		          LS("reason", faults.n > 0 ? faults.all[0].detail : ""));
	faults_done(&faults);
	if (s->spec.name == NULL)
		s->spec.name = xstrdup(row->name);
	s->row.name = s->spec.name;
	s->row.spec = s->text;
	s->row.created_by = s->created_by;
	add(c, s);
}

/* Other time zone data may have moved what was planned: that is said, once. */
static void tell_moved(struct conductor *c, const struct schedule *s, int64_t was_ms)
{
	struct buf more = BUF_INIT;
	char at[TIME_TEXT_SIZE];

	buf_printf(&more, ",\"was\":\"%s\",\"why\":\"time zone data ", time_text(was_ms, at));
	buf_printf(&more, "%s instead of %s\"", zones_version(c->zones), c->tzdata);
	tell(c, s, "moved", s->row.next_at_ms, more.data, 0);
	buf_done(&more);
	put(c, s);
}

void conduct_schedules_begin(struct conductor *c)
{
	const char *version = zones_version(c->zones);
	bool is_new = strcmp(c->tzdata, version) != 0;
	struct schedule *s;
	struct live *live;
	uint32_t moved = 0;

	for (live = c->lives; live != NULL; live = live->hh.next)
		conduct_schedules_live(c, live->schedule_id, 1);
	for (s = c->schedules; s != NULL; s = s->hh.next) {
		int64_t was_ms = s->row.next_at_ms;

		plan(c, s);
		if (s->row.queued_at_ms != TIME_NONE)
			alarms_add(&c->schedule_alarms, conduct_wall(c), s->row.no);
		if (is_new && c->tzdata[0] != '\0' && s->row.next_at_ms != was_ms && was_ms != TIME_NONE &&
		    s->row.next_at_ms != TIME_NONE) {
			tell_moved(c, s, was_ms);
			moved++;
		}
	}
	if (is_new) {
		log_info("time zone data", LS("version", version), LS("was", c->tzdata),
		         LI("schedules_moved", moved));
		batch_note_put(c->batch, "tzdata", version);
	} else {
		log_info("time zone data", LS("version", version));
	}
	snprintf(c->tzdata, sizeof c->tzdata, "%s", version);
}

const char *conductor_tzdata(const struct conductor *c)
{
	return zones_version(c->zones);
}

/* ---- orders ---- */

/* Takes what spec holds. */
static void set_spec(struct conductor *c, struct schedule *s, struct schedule_spec *spec)
{
	struct faults faults = FAULTS_INIT;
	struct buf text = BUF_INIT;

	schedule_spec_done(&s->spec);
	recurrence_free(s->when);
	free(s->text);
	s->spec = *spec;
	*spec = (struct schedule_spec){0};
	s->when = read_recurrence(c, &s->spec, &s->zone, &faults);
	assert(s->when != NULL); /* conductor_schedule_check() has found it sound */
	schedule_spec_render(&s->spec, &text);
	s->text = buf_take(&text);
	s->row.name = s->spec.name;
	s->row.spec = s->text;
	s->row.revision++;
	s->row.done_at_ms = conduct_wall(c);
	s->row.done_local_s = INT64_MIN;
	plan(c, s);
}

void conductor_schedule_create(struct conductor *c, struct schedule_spec *spec,
                               const struct conductor_request *request, conductor_done_cb *on_done, void *arg)
{
	struct schedule *s;

	if (c->is_draining) {
		schedule_spec_done(spec);
		conduct_answer_later(c, ERR_CLOSED, "the service is stopping", "", on_done, arg);
		return;
	}
	s = xcalloc(1, sizeof *s);
	s->created_by = xstrdup(request->by);
	s->row = (struct schedule_row){.no = c->last_schedule + 1,
	                               .created_by = s->created_by,
	                               .created_at_ms = conduct_now(c),
	                               .queued_at_ms = TIME_NONE,
	                               .last_at_ms = TIME_NONE};
	id_new(s->row.created_at_ms, conduct_luck(c), s->row.id);
	set_spec(c, s, spec);
	add(c, s);
	put(c, s);
	if (request->idempotency_key != NULL) {
		struct idempotency_row kept = {request->idempotency_key, request->body_hash,
		                               s->row.created_at_ms, s->row.id};

		batch_idempotency_add(c->batch, &kept);
	}
	tell_by(c, s, "created", request->by);
	conduct_answer_later(c, ERR_OK, NULL, s->row.id, on_done, arg);
}

/* Gives the schedule; NULL where there is none or the service stops: that is answered here. */
static struct schedule *schedule_for(struct conductor *c, const char *id, conductor_done_cb *on_done,
                                     void *arg)
{
	struct schedule *s = find(c, id);

	if (c->is_draining)
		conduct_answer_later(c, ERR_CLOSED, "the service is stopping", id, on_done, arg);
	else if (s == NULL)
		conduct_answer_later(c, ERR_NOT_FOUND, "there is no such schedule", id, on_done, arg);
	return c->is_draining ? NULL : s;
}

bool conductor_schedule_revision(const struct conductor *c, const char *id, uint32_t *ret_revision)
{
	const struct schedule *s = find(c, id);

	if (s != NULL)
		*ret_revision = s->row.revision;
	return s != NULL;
}

void conductor_schedule_replace(struct conductor *c, const char *id, uint32_t revision,
                                struct schedule_spec *spec, const char *by, conductor_done_cb *on_done,
                                void *arg)
{
	struct schedule *s = schedule_for(c, id, on_done, arg);

	if (s == NULL) {
		schedule_spec_done(spec);
		return;
	}
	if (s->row.revision != revision) {
		schedule_spec_done(spec);
		conduct_answer_later(c, ERR_CONFLICT, "the schedule has changed meanwhile", id, on_done, arg);
		return;
	}
	set_spec(c, s, spec);
	put(c, s);
	tell_by(c, s, "changed", by);
	conduct_answer_later(c, ERR_OK, NULL, id, on_done, arg);
}

void conductor_schedule_order(struct conductor *c, const char *id, enum schedule_order order, const char *by,
                              conductor_done_cb *on_done, void *arg)
{
	struct schedule *s = schedule_for(c, id, on_done, arg);

	if (s == NULL)
		return;
	conduct_answer_later(c, ERR_OK, NULL, id, on_done, arg);
	if (order == SCHEDULE_DELETE) {
		tell_by(c, s, "deleted", by);
		batch_schedule_drop(c->batch, s->row.no);
		HASH_DELETE(hh_no, c->schedules_by_no, s);
		HASH_DEL(c->schedules, s);
		schedule_free(s);
		return;
	}
	if (s->row.is_paused == (order == SCHEDULE_PAUSE))
		return;
	s->row.is_paused = order == SCHEDULE_PAUSE;
	if (!s->row.is_paused && s->row.queued_at_ms != TIME_NONE)
		alarms_add(&c->schedule_alarms, conduct_wall(c), s->row.no);
	put(c, s);
	tell_by(c, s, s->row.is_paused ? "paused" : "resumed", by);
}

void conductor_schedule_run(struct conductor *c, const char *id, const struct conductor_request *request,
                            conductor_done_cb *on_done, void *arg)
{
	struct schedule *s = schedule_for(c, id, on_done, arg);
	struct conductor_request own = *request;
	struct campaign_spec campaign;
	char why[256];

	if (s == NULL)
		return;
	if (conduct_is_full(c, why)) {
		conduct_answer_later(c, ERR_TOO_MANY, why, id, on_done, arg);
		return;
	}
	if (!read_campaign(c, s, &campaign, why)) {
		conduct_answer_later(c, ERR_CONFLICT, why, id, on_done, arg);
		return;
	}
	own.schedule_id = s->row.id;
	own.occurrence_at_ms = TIME_NONE;
	conductor_create(c, &campaign, &own, on_done, arg);
	count_started(c, s);
	put(c, s);
	tell(c, s, "started", TIME_NONE, ",\"why\":\"run now\"", c->last_campaign);
}

enum err conductor_occurrences(const struct conductor *c, const char *id, int64_t after_ms, size_t max,
                               struct occurrence_view *ret, size_t *ret_n)
{
	static const char *const changes[] = {
	        [CLOCK_STEADY] = NULL, [CLOCK_GAP] = "gap", [CLOCK_OVERLAP] = "overlap"};
	const struct schedule *s = find(c, id);
	struct occurrence o;

	if (s == NULL)
		return ERR_NOT_FOUND;
	if (after_ms == TIME_NONE)
		after_ms = conduct_wall(c);
	for (*ret_n = 0; *ret_n < max && next_of(s, after_ms, &o); after_ms = o.at_ms) {
		struct occurrence_view *v = &ret[(*ret_n)++];

		v->at_ms = o.at_ms;
		v->clock_change = changes[o.change];
		occurrence_text(&o, v->local);
	}
	return ERR_OK;
}

uint32_t conductor_schedules_n(const struct conductor *c)
{
	return HASH_COUNT(c->schedules);
}
