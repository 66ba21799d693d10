/* conductor: the only room where engine, store and action meet: fact → engine → commit → act and tell. Orders
 * from the API come in here; recovery at start too. Loop thread only. Callbacks never fire inside the call
 * that asked. */
#ifndef ROLLCALL_SERVER_CONDUCTOR_H
#define ROLLCALL_SERVER_CONDUCTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/err.h"
#include "server/campaign/model.h"
#include "server/campaign/spec.h"
#include "server/campaign/spec_recurring.h"

struct conductor;
struct feed;
struct histogram;
struct store;
struct store_head;
struct hub;

struct conductor_hub {
	struct hub *hub;  /* keeps, until conductor_free() */
	const char *name; /* borrows this and the next */
	const char *sku;  /* checked by hub_rates_of() */
	uint32_t units, reserve_percent;
	uint32_t inflight_max;
	uint32_t track_interval_ms;
	uint32_t ambiguous_max; /* in a row, until the hub is not called any more */
};

struct conductor_options {
	struct store *store;              /* keeps */
	const struct store_head *head;    /* borrows */
	struct feed *feed;                /* keeps: is told what is committed */
	const struct conductor_hub *hubs; /* borrows */
	uint32_t hubs_n;
	uint64_t seed; /* of campaign ids and shuffles that name no seed */
	uint32_t
	        retention_days; /* final campaigns, events and orders are forgotten so long after; 0: never */
	uint32_t campaigns_max; /* that are not final; 0: no limit */
	uint32_t events_max;    /* older ones are forgotten; 0: no limit */
	int64_t (*now_ms)(void *arg); /* the UTC clock: news comes in between two runs, too */
	/* A clock that nobody sets: time-outs follow it, windows and schedules the other one. */
	int64_t (*mono_ms)(void *arg);
	/* A commit failed: memory is ahead of disk, the process must end. */
	void (*on_broken)(void *arg, enum err err);
	/* Something is due earlier than conductor_run() said last: run again soon. */
	void (*on_wake)(void *arg);
	void *arg;
};

/* Loads what is not final and goes on where it was: calls that may have been out become doubtful. Blocks.
 * ERR_INVALID, after a line in the log: the record asks for a hub that is not configured. */
MUST_CHECK enum err conductor_new(const struct conductor_options *options, struct conductor **ret);
/* Does what is due; gives when it wants to run next (TIME_NEVER: not before news). */
int64_t conductor_run(struct conductor *c);
/* The time that time-outs follow. */
int64_t conductor_now(const struct conductor *c);
/* Graceful stop: no new call leaves from now on, what is unsent is withdrawn, new campaigns and orders are
 * refused with ERR_CLOSED. conductor_is_settled() tells when all that was on the wire is on record. */
void conductor_drain(struct conductor *c);
bool conductor_is_draining(const struct conductor *c);
bool conductor_is_settled(const struct conductor *c);
/* Whether nothing is on its way to or from the store. */
bool conductor_is_recorded(const struct conductor *c);
/* NULL is fine. While conductor_is_recorded(). No callback comes any more. Free the hubs after that. */
void conductor_free(struct conductor *c);

/* Who gives an order, for the record of orders (GET /v1/audit). */
struct origin {
	const char *actor, *role, *address, *method, *path, *request_id;
	const char *what; /* what is asked for, in short; NULL: the path says it */
};
/* What the next order changes goes on record with a copy of o, in the same commit. NULL: nobody gives orders;
 * so after each. */
void conductor_sign(struct conductor *c, const struct origin *o);

/* Ends an order: OK once it is durable and in force; else CONFLICT (wrong state), NOT_FOUND, CLOSED with
 * detail, a plain English reason. id: the campaign it is about. */
typedef void conductor_done_cb(void *arg, enum err err, const char *detail, const char *id);

struct conductor_request {
	const char *by;              /* who asks */
	const char *idempotency_key; /* kept with the campaign, NULL: none (store/batch.h: idempotency_row) */
	uint64_t body_hash;
	const char *retry_of; /* conductor_retry() says it: the campaign whose failed targets these are */
	const char *const *groups; /* likewise: of the spec's ids, one each; NULL: not known */
	const char *const *zones;  /* likewise: their time zones */
	const uint8_t *hubs;       /* likewise: the campaign's hub that has it, by index */
	const char *schedule_id;   /* the schedule that starts it, NULL: none; … */
	int64_t occurrence_at_ms;  /* … and for which occurrence, TIME_NONE: run by hand */
};

/* Adds what only the conductor can check: hubs that are configured, predicates that parse, times not past. */
void conductor_check(const struct conductor *c, const struct campaign_spec *spec, struct faults *faults);
/* Takes what spec holds (also its ids), which conductor_check() has found sound, and leaves it empty. Borrows
 * request. TOO_MANY: as many campaigns are live as may be. */
void conductor_create(struct conductor *c, struct campaign_spec *spec,
                      const struct conductor_request *request, conductor_done_cb *on_done, void *arg);

/* Tells what a campaign would come to (campaign/preview.h), as JSON text; stores nothing and calls nobody.
 * Takes what spec holds, which conductor_check() has found sound, and leaves it empty. BUSY: the hub cannot
 * be asked now. INVALID: it refused the condition. The JSON is borrowed until the callback returns, NULL
 * where not OK. */
typedef void conductor_preview_cb(void *arg, enum err err, const char *detail, const char *json);
void conductor_preview(struct conductor *c, struct campaign_spec *spec, conductor_preview_cb *on_done,
                       void *arg);

enum order { ORDER_PAUSE, ORDER_RESUME, ORDER_CANCEL, ORDER_APPROVE, ORDER_OVERRIDE };
/* PAUSE, RESUME and CANCEL are idempotent: what is so already is OK. PAUSE and CANCEL: once OK, no new call
 * leaves (P6). APPROVE opens the gate that waits for approval, OVERRIDE also one that failed. */
void conductor_order(struct conductor *c, const char *campaign_id, enum order order, const char *by,
                     conductor_done_cb *on_done, void *arg);

/* SKIP leaves a waiting device out; RETRY ends its back-off. CONFLICT: it does not wait (so). */
enum target_order { TARGET_ORDER_SKIP, TARGET_ORDER_RETRY };
void conductor_target_order(struct conductor *c, const char *campaign_id, const char *device_id, int hub,
                            enum target_order order, const char *by, conductor_done_cb *on_done, void *arg);

/* Makes a new campaign with the same spec over a final or live campaign's failed targets, of these reasons
 * (bit 1 << enum reason). id is the new one. CONFLICT: there are none. */
void conductor_retry(struct conductor *c, const char *campaign_id, uint32_t reasons,
                     const struct conductor_request *request, conductor_done_cb *on_done, void *arg);

/* A live campaign's spec and its revision, borrowed until the next call of any function here; NULL: not live.
 */
const struct campaign_spec *conductor_spec(const struct conductor *c, const char *campaign_id,
                                           uint32_t *ret_revision);
/* Puts another spec in its place, made by spec_patch() from that revision. Takes what spec holds. CONFLICT:
 * the revision has moved since. */
void conductor_respec(struct conductor *c, const char *campaign_id, uint32_t revision,
                      struct campaign_spec *spec, const char *by, conductor_done_cb *on_done, void *arg);
/* Replaces a device list: begin, any number of times more, then end (or drop, where it is not to be). One
 * maker of a list at a time: BUSY. All answers but end's come at once. */
MUST_CHECK enum err conductor_list_begin(struct conductor *c, const char *name);
void conductor_list_ids(struct conductor *c, const char *name, const char *const *ids, size_t n);
void conductor_list_end(struct conductor *c, const char *name, uint32_t n, const char *by,
                        conductor_done_cb *on_done, void *arg);
/* Forgets a list, also one that is being made. */
void conductor_list_drop(struct conductor *c, const char *name, const char *by, conductor_done_cb *on_done,
                         void *arg);
/* Forgets a final campaign. */
void conductor_delete(struct conductor *c, const char *campaign_id, const char *by,
                      conductor_done_cb *on_done, void *arg);

/* Forgets what could not be delivered to a webhook; was: how much that is, for the record of orders. */
void conductor_forget_dead_letters(struct conductor *c, const char *webhook, const char *was,
                                   conductor_done_cb *on_done, void *arg);

/* ---- schedules (conduct_schedules.c) ---- */

/* Adds what only the conductor can check: the recurrence, its zone, that it occurs, and the campaign. */
void conductor_schedule_check(const struct conductor *c, const struct schedule_spec *spec,
                              const struct campaign_spec *campaign, struct faults *faults);
/* Takes what spec holds, which has been found sound. id is the schedule's. */
void conductor_schedule_create(struct conductor *c, struct schedule_spec *spec,
                               const struct conductor_request *request, conductor_done_cb *on_done,
                               void *arg);
/* False: there is no such schedule. */
bool conductor_schedule_revision(const struct conductor *c, const char *id, uint32_t *ret_revision);
/* Puts another spec in its place, as from now on. Takes what spec holds. CONFLICT: the revision has moved. */
void conductor_schedule_replace(struct conductor *c, const char *id, uint32_t revision,
                                struct schedule_spec *spec, const char *by, conductor_done_cb *on_done,
                                void *arg);
enum schedule_order { SCHEDULE_PAUSE, SCHEDULE_RESUME, SCHEDULE_DELETE };
/* PAUSE and RESUME: what is so already is OK. DELETE leaves its campaigns as they are. */
void conductor_schedule_order(struct conductor *c, const char *id, enum schedule_order order, const char *by,
                              conductor_done_cb *on_done, void *arg);
/* Starts its campaign now, whatever else it does; id is the campaign's. CONFLICT: it is not sound any more.
 */
void conductor_schedule_run(struct conductor *c, const char *id, const struct conductor_request *request,
                            conductor_done_cb *on_done, void *arg);

struct occurrence_view {
	int64_t at_ms;
	char local[40];           /* "2026-03-29T03:30:00+02:00" */
	const char *clock_change; /* "gap", "overlap", NULL: none */
};
/* Gives up to max occurrences later than after_ms (TIME_NONE: now). NOT_FOUND: no such schedule. */
MUST_CHECK enum err conductor_occurrences(const struct conductor *c, const char *id, int64_t after_ms,
                                          size_t max, struct occurrence_view *ret, size_t *ret_n);
uint32_t conductor_schedules_n(const struct conductor *c);
/* The version of the time zone data that is in use. */
const char *conductor_tzdata(const struct conductor *c);

/* Why the waiting targets of a campaign wait, in P12's order. Those numbered closed_from or above (closed_n
 * of them) wait for their wave. Of the others, overrides_own: all of them under wait, whatever their own row
 * says; else, has_shut_windows, those that conductor_window() says for their window; else those on the hubs
 * of shut_hubs (bit i: the campaign's hub i) for their hub, until shut_until_ms[i]; else each for what its
 * row says, and of those whose row says nothing, parked_n for their group and the rest under wait. shut_by:
 * how many are on shut hubs, window_by[is_blackout]: how many have a shut window, each by what they would
 * wait for otherwise (NONE: wait). next_at_ms, of wait: TIME_NONE where no clock decides. WAIT_NONE: campaign
 * not live. */
struct campaign_waiting {
	enum wait wait;
	int64_t next_at_ms;
	bool overrides_own;
	uint32_t closed_from, closed_n, parked_n;
	uint64_t shut_hubs;
	bool has_shut_windows;
	uint32_t shut_by[WAITS_N], window_by[2][WAITS_N];
	int64_t shut_until_ms[HUBS_MAX];
};
void conductor_waiting(const struct conductor *c, uint32_t campaign_no, struct campaign_waiting *ret);
/* Gives BLACKOUT or WINDOW where a waiting target's window is shut, and when it opens (TIME_NONE: not
 * foreseen); else WAIT_NONE. */
enum wait conductor_window(const struct conductor *c, uint32_t campaign_no, uint32_t target_no,
                           int64_t *ret_opens_at_ms);
/* Whether a waiting target, whose row says nothing, waits for room in its group. */
bool conductor_is_parked(const struct conductor *c, uint32_t campaign_no, uint32_t target_no);
/* When the waves of a campaign that runs (or is being cancelled) will open and end, from where it stands:
 * from wave on, those before are over. As accurate as forecast.h: nothing more fails, who is offline stays
 * so, and where people have to approve they do so at once; but then ends_at_ms is TIME_NONE. False: it cannot
 * be told. Good for some milliseconds where there are many targets. */
struct campaign_forecast {
	int64_t ends_at_ms;
	uint32_t wave, waves_n;
	int64_t opens_at_ms[WAVES_MAX], wave_ends_at_ms[WAVES_MAX];
};
bool conductor_foretell(const struct conductor *c, uint32_t campaign_no, struct campaign_forecast *ret);
/* A group of a live campaign as it is now: how many of its devices are unavailable by what P4 counts (between
 * call and end of settling and last seen offline, over all campaigns; failed in this one), and how many may
 * be. False: the campaign is not live, or has no such group. */
bool conductor_group(const struct conductor *c, uint32_t campaign_no, uint32_t group,
                     uint32_t *ret_unavailable, uint32_t *ret_max);
/* Calls back for each of these devices, in no order: how it is down ("invoking" … "settling" "offline"
 * "failed"), since when (TIME_NONE: not known), in which campaign (NULL: one that is over). */
typedef void conductor_down_cb(void *arg, const char *device_id, const char *campaign_id, const char *how,
                               int64_t since_ms);
void conductor_group_down(const struct conductor *c, uint32_t campaign_no, uint32_t group,
                          conductor_down_cb *down, void *arg);
/* Its ends_at_ms; TIME_NONE: cannot be told. */
int64_t conductor_predicted_finish(const struct conductor *c, uint32_t campaign_no);
/* Names of a campaign's hubs by target_row.hub live in its spec; of a campaign without hubs: all configured
 * ones. */
uint32_t conductor_hubs_n(const struct conductor *c);

/* Since start, but for the first two. */
struct conductor_stats {
	uint32_t live, campaigns_max; /* campaigns that are not final; how many there may be, 0: no limit */
	uint64_t events_n;            /* ever */
	uint64_t events_kept, events_max; /* of them, about; how many may be, 0: no limit */
	const struct histogram *proof;    /* from a device's last call to its proof; borrowed */
	uint64_t stopped[STOPS_N];        /* campaigns stopped by rules, and not by people */
	struct {
		uint64_t started, queued, skipped, missed, failed;
	} occurrences; /* of schedules */
};
void conductor_stats(const struct conductor *c, struct conductor_stats *ret);

#define CALL_OUTCOMES_MAX 16
struct hub_view {
	const char *name, *sku;
	uint32_t units, reserve_percent;
	const char *state; /* text of enum gate_reason */
	int64_t state_since_ms, state_until_ms;
	uint32_t calls_per_minute; /* granted, 0: no limit */
	uint32_t pace_per_minute;  /* what of that is used just now (dispatch/pace.h), 0: no limit */
	uint32_t pacer_tokens;     /* calls that may be sent at once */
	uint32_t inflight, queued, watched;
	uint64_t calls, throttled, pages, reads, rows; /* since start */
	struct {
		const char *text;
		uint64_t n;
	} outcomes[CALL_OUTCOMES_MAX]; /* of calls since start, up to a NULL text */
	uint64_t messages_per_day,
	        messages_today;  /* 0: no limit; an estimate of what we caused (contract 2.7, 7.2) */
	int64_t throttled_at_ms; /* TIME_NONE: never */
	const char *last_error;  /* "" */
	int64_t last_error_at_ms;
	int64_t clock_offset_ms;   /* hub's clock less ours */
	int64_t query_lag_seen_ms; /* the age of the oldest answer of late, at least (track/lag.h); TIME_NONE:
	                              no row came */
};
void conductor_hub(const struct conductor *c, uint32_t hub, struct hub_view *ret);

#endif
