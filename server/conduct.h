/* conduct: what the conductor's files share; nobody else includes it. */
#ifndef ROLLCALL_SERVER_CONDUCT_H
#define ROLLCALL_SERVER_CONDUCT_H

#include <sys/queue.h>
#include <uthash.h>

#include "server/base/metrics.h"
#include "server/base/steady.h"
#include "server/campaign/engine.h"
#include "server/campaign/latency.h"
#include "server/campaign/preview.h"
#include "server/campaign/queue.h"
#include "server/campaign/selection.h"
#include "server/conductor.h"
#include "server/dispatch/day.h"
#include "server/dispatch/dispatch.h"
#include "server/dispatch/gate.h"
#include "server/dispatch/jobs.h"
#include "server/dispatch/reconnect.h"
#include "server/schedule/recurrence.h"
#include "server/schedule/window.h"
#include "server/track/evidence.h"
#include "server/track/track.h"
#include "store/store.h"

/* While the clock on the wall and ours differ, windows shut so much earlier: they drift. */
#define WINDOW_MARGIN_MS 100
#define STEPS_MAX 1024
#define OFFSETS_MAX 8

/* One hub, with all that is done to it. */
struct port {
	struct conductor *c;
	uint8_t index;
	struct conductor_hub options;
	char *name, *sku;
	struct hub_rates rates;
	struct reconnects reconnects;
	struct dispatch *dispatch;
	struct jobs *jobs;
	struct track *track;
	struct gate gate;
	enum gate_reason told; /* the gate's reason, as last told */
	/* The hub's clock less the one that nobody sets is at least each of these (a Date header is whole
	 * seconds, and older than its arrival); the least of the last few is used, so that a clock that steps
	 * or differs from front end to front end makes intents look older, never younger. */
	int64_t offsets_ms[OFFSETS_MAX];
	uint32_t offsets_n;
	/* The hub's clock less ours, as on record; and at a start, where ours goes on from there, at most,
	 * until ours follows the clock on the wall. TIME_NONE: it is not known. */
	int64_t noted_offset_ms, recorded_offset_ms;
	uint32_t lates_n; /* whose twins are followed although they have ended */
	uint64_t throttled;
	int64_t throttled_at_ms, last_error_at_ms;
	struct day day;
	uint64_t messages_recorded; /* of the day's */
	int64_t spent_at_ms;        /* when the day was, where it is */
	bool is_short_told;         /* that most of it is */
	char last_error[256];
};

/* What we watch for; made once for all campaigns that watch the same, kept until the end. */
struct watched {
	struct watched *next;
	char *key; /* key_bytes: all its paths and predicates */
	size_t key_bytes;
	struct watch *watch;
};

enum select_state { SELECT_NONE, SELECT_FIND, SELECT_LOOK, SELECT_STORE };

/* How far one hub's pages, or a device list's, have come. */
struct finding {
	bool is_asking, is_done;
	char *continuation; /* NULL: the first page */
	int64_t ask_at_ms;
	uint32_t tries;
};

/* How a live campaign goes. */
struct course {
	uint32_t slot_s;                               /* the length of its progress's slots */
	uint32_t slots_n, begins_s[PROGRESS_ROWS_MAX]; /* those on record, or on the way there */
	bool has_plan;                                 /* on record, or on the way there */
	int64_t ended_at_ms[WAVES_MAX];                /* TIME_NONE: not yet */
	struct latency seen, slots;                    /* from call to proof; to the end of settling */
	/* the last forecast: */
	int64_t foretold_at_ms; /* TIME_NONE: there is none */
	enum campaign_state foretold_state;
	uint32_t foretold_revision; /* of the spec */
	struct campaign_forecast foretold;
};

/* One live campaign, as far as the engine does not know it. */
struct live {
	UT_hash_handle hh;
	uint32_t no;
	char id[ID_SIZE];
	char schedule_id[ID_SIZE]; /* "": none */
	char *name, *created_by;
	int64_t created_at_ms;
	uint32_t spec_revision;
	struct campaign_cost cost;
	uint64_t messages_recorded;       /* of the cost's */
	size_t payload_bytes;             /* of its last call */
	bool must_write_spec;             /* it changed: with the next commit */
	const struct campaign_spec *spec; /* the engine's */
	struct evidence_rule rule;
	const struct watch *watch;
	uint8_t hubs[HUBS_MAX]; /* our index of each of its hubs */
	uint32_t hubs_n;
	/*  FIND ──last page of every hub──▶ STORE ──all stored──▶ NONE
	 *   └──given ids, and must_look──▶ LOOK ──every id──▶ STORE         */
	enum select_state select;
	struct selection *found;
	struct finding *findings; /* hubs_n; of a list or ids only the first is used */
	bool must_look;           /* which hub has an id, and its group, is only known from its twin */
	struct looking *looking;
	struct id_set *excluded;
	uint32_t pages, stored, restarts;
	uint32_t selection; /* serial number: answers to an earlier one are dropped */
	/* conduct_windows.c */
	struct windows *windows;   /* NULL: at any time */
	const struct zone **zones; /* of its devices, by target_row.zone; NULL in it: gone */
	uint32_t zones_n, windows_no;
	uint16_t *zone_of; /* while its targets are stored: by number in the selection */
	struct course course;
};

struct waiter {
	STAILQ_ENTRY(waiter) link;
	conductor_done_cb *on_done;
	void *arg;
	enum err err;
	char *detail, id[ID_SIZE];
};
STAILQ_HEAD(waiters, waiter);

struct conductor {
	struct conductor_options options;
	struct store *store;
	struct engine *engine;
	struct port *ports;
	uint32_t ports_n;
	struct live *lives;
	struct watched *watches;
	/* conduct_late.c */
	struct call_out *calls_out;
	struct late *lates, *lates_by_device;
	struct alarms late_alarms; /* who: campaign << 32 | target */
	uint64_t last_event_id, committing_event_id;
	struct signature *signature; /* NULL: what is ordered goes on no record */
	uint32_t last_campaign;
	uint64_t luck;                  /* state of a splitmix64, for ids and seeds */
	uint32_t selections;            /* serial numbers given so far */
	struct making *making;          /* device lists that are being made */
	LIST_HEAD(, asked) pages_asked; /* conduct_select.c */
	LIST_HEAD(, asked_preview) previews;
	uint32_t previews_n;
	struct latency seen[ACTIONS_N]; /* from call to proof, in all campaigns that verify */
	bool is_draining;
	uint32_t asked; /* reads of the store that are out: they come back to us */
	int64_t engine_wake_ms;
	struct histogram proof;
	struct conductor_stats stats; /* live, proof and events_n are not kept here */
	struct steady *steady;        /* conduct_now() */
	bool is_behind;               /* it goes on from where the record ends, until a hub shows the time */
	int64_t wall_less_now_ms;     /* as the engine and its windows were told */
	/* conduct_schedules.c */
	struct zones *zones;
	char tzdata[32]; /* version as on record, "": none */
	struct schedule *schedules, *schedules_by_no;
	struct alarms window_alarms;   /* who: campaign << 32 | windows_no << 16 | zone */
	struct alarms schedule_alarms; /* who: its number; what is overtaken stays */
	uint32_t last_schedule;
	bool is_forgetting; /* conduct_retention.c: reads, or waits for its commit */
	int64_t forget_at_ms;
	uint64_t first_kept_id, looked_at_id; /* of events: as it was seen last, and the last one then */
	uint64_t dropped_from_id;             /* the first kept one, when there were too many */
	/* the commit to come */
	struct batch *batch;
	struct waiters waiters;  /* who is told once the steps of now are durable */
	int64_t gather_until_ms; /* see gathers() */
	/* the commit under way */
	bool is_committing;
	struct step steps[STEPS_MAX];
	size_t steps_n;
	struct waiters committing;
};

int64_t conduct_now(const struct conductor *c);
/* A clock that nobody sets; never stored. */
int64_t conduct_mono(const struct conductor *c);
/* What the clock on the wall says: for windows and schedules only. */
int64_t conduct_wall(const struct conductor *c);
/* Whether as many campaigns are live as may be; then why says so. */
bool conduct_is_full(const struct conductor *c, char why[96]);
uint64_t conduct_luck(struct conductor *c);
/* Asks to be run again soon. */
void conduct_wake(struct conductor *c);
struct live *conduct_live(const struct conductor *c, uint32_t campaign);
struct live *conduct_live_by_id(const struct conductor *c, const char *id);
/* Makes a campaign live, here and in the engine; its hubs are configured. Takes spec. */
struct live *conduct_live_new(struct conductor *c, const struct campaign_row *row,
                              struct campaign_spec *spec);
/* Gives a hub's index, -1: not configured. */
int conduct_find_hub(const struct conductor *c, const char *name);
/* Feeds a fact; what is late or about what is gone is no error here. Gives engine_feed()'s answer. */
enum err conduct_feed(struct conductor *c, const struct fact *f);
/* Takes back what is unsent at every hub, of one campaign or (0) of all. */
void conduct_withdraw(struct conductor *c, uint32_t campaign);
/* Has on_done called once what has been fed and batched so far is durable. Copies detail and id. */
void conduct_answer_later(struct conductor *c, enum err err, const char *detail, const char *id,
                          conductor_done_cb *on_done, void *arg);
/* Adds an event to the commit to come; its id is filled in. */
void conduct_tell(struct conductor *c, struct event *event);

/* conduct_clock.c */
/* Before anything else asks for the time. recorded_ms: what ours was at the last event on record, TIME_NONE:
 * there is none. */
void clock_begin(struct conductor *c, int64_t recorded_ms);
/* Takes up a note on record; others than of the hubs' clocks are let pass. */
void clock_note(struct conductor *c, const char *name, const char *value);
/* Puts on record how the hubs' clocks and ours go, where that has changed. */
void clock_write(struct conductor *c);
/* All is loaded. */
void clock_loaded(struct conductor *c);
/* Before each turn: a hub's clock was heard, the one on the wall has been set, or what is between it and ours
 * has changed. Windows are told anew, in our time. */
void conduct_hear_wall(struct conductor *c);

/* conduct_audit.c: the record of orders */
struct signature;
/* Puts on record what an order changed, once, in the commit to come. Nothing where it is not signed. */
void conduct_audit(struct conductor *c, const char *campaign_id, const char *was, const char *became);
/* Of an order that ends later: gives the signature, NULL where there is none, and takes it back. */
struct signature *conduct_take_signature(struct conductor *c);
void conduct_give_signature(struct conductor *c, struct signature *s);
void signature_free(struct signature *s); /* NULL is fine */

/* conduct_hub.c: calls, reads, gates, the hub's clock */
/* Puts on record what a twin said of a target. */
void conduct_evidence(struct conductor *c, const struct track_news *news, const struct verdict *v,
                      const char *verdict, bool is_baseline, bool is_late, int64_t now_ms);
MUST_CHECK enum err port_init(struct port *p, struct conductor *c, uint8_t index,
                              const struct conductor_hub *options);
void port_done(struct port *p);
/* Its clock less ours at most, of the last few times it was heard; it was. */
int64_t port_clock_offset_most(const struct port *p);
/* Opens and probes; before the engine's turn. */
void port_before(struct port *p, int64_t now_ms);
/* Whether it has calls out, and enough that wait to be made (dispatch_is_busy()). */
bool port_is_busy(const struct port *p);
/* Sends; after the engine's turn. Gives when it wants to run next. */
int64_t port_after(struct port *p, int64_t now_ms);
/* Takes up what was spent of its day, as on record. */
void port_usage(struct port *p, const struct usage_row *row);
/* Puts that on record where it has changed. */
void port_write(struct port *p);
/* Name, tier, state and grant. */
void port_preview(const struct port *p, struct preview_hub *ret);
/* When calls may be made again at the earliest; TIME_NONE: now, or nobody knows. */
int64_t port_opens_at(const struct port *p);
void port_state(const struct port *p, int64_t now_ms, struct hub_state *ret);
/* What a step asks to be done, now that it is durable. */
void port_act(struct conductor *c, const struct step *s);
/* Takes back what is unsent, of one campaign or (0) of all. */
void port_withdraw(struct port *p, uint32_t campaign);

/* conduct_calendar.c: when calls may be made */
struct calendar {
	const struct windows *windows;
	const struct zone *const *zones; /* NULL in it: gone, never open */
	int64_t needed_ms;               /* of an open time, for a call to start */
	int64_t ahead_ms;                /* the clock on the wall, of ours */
	unsigned asks_left;              /* then nothing more is foreseen */
};
/* Keeps windows and zones. */
void calendar_init(struct calendar *cal, const struct conductor *c, const struct campaign_spec *spec,
                   const struct windows *windows, const struct zone *const *zones);
/* A forecast_calendar_cb of struct calendar. */
int64_t calendar_after(void *arg, uint32_t zone, int64_t from_ms, int64_t callable_ms);
/* Gives the next times in which calls may start; how many. */
size_t calendar_windows(struct calendar *cal, uint32_t zone, int64_t from_ms, struct preview_span *ret,
                        size_t max);

/* conduct_course.c: how campaigns go */
void course_begin(struct course *course);
/* Takes up a slot on record. */
void course_slot(struct course *course, uint32_t begins_s);
/* Takes up a plan on record. */
void course_plan_is(struct course *course, const struct plan_row *plan);
/* Learns from a target that has become final, or is so on record. */
void course_saw(struct conductor *c, struct live *live, const struct target_row *row);
/* Foretells a campaign whose targets have just become known, while live->found still holds them, and puts
 * that on record. */
void course_plan(struct conductor *c, struct live *live, int64_t now_ms);
/* Sets how long devices are expected to take; false: nobody has seen any yet. */
bool course_times(const struct conductor *c, const struct campaign_spec *spec, struct forecast *f);
/* Sets what a hub grants a campaign (live NULL: one that is not there yet) as its hub of that number. To be
 * ended by course_hubs_done(). */
void course_hub(const struct conductor *c, const struct live *live, uint32_t port,
                const struct campaign_spec *spec, bool has_baselines, struct preview *p, uint32_t hub);
void course_hubs_done(struct preview *p);
/* Puts row's counts, and when waves ended, on record, with the commit that puts row there. */
void course_write(struct conductor *c, struct live *live, const struct campaign_row *row, int64_t now_ms);

/* conduct_retention.c */
/* Forgets what is old enough; gives when it wants to run next. */
int64_t retention_run(struct conductor *c, int64_t now_ms);

/* conduct_preview.c: campaigns that are not there yet */
/* Asks what is due, ends what is over; gives when it wants to run next. */
int64_t preview_run(struct conductor *c, int64_t now_ms);
void previews_free(struct conductor *c);

/* conduct_late.c: what is still heard of targets that have ended: put on their history, and never applied */

/* A call whose end has not been heard yet, as it was when it was made. */
struct call_out {
	UT_hash_handle hh;
	struct call_key {
		uint32_t campaign, no, call;
	} key;
	const struct profile *profile;
	uint16_t attempt, attempt_seq;
	int64_t called_at_ms, hub_at_ms;
};
void call_begin(struct conductor *c, const struct live *live, const struct target_row *row);
/* Gives the call to the caller, who frees it; NULL: its campaign has been forgotten. */
struct call_out *call_end(struct conductor *c, uint32_t campaign, uint32_t no, uint16_t call);
/* A device has answered after its target had ended. */
void late_answer(struct conductor *c, const struct call_out *call, const struct hub_answer *a,
                 enum call_result result, int64_t now_ms);
/* A target has ended, from that state: a point read may still be out, and the twin of one whose call nobody
 * knows the outcome of is followed for a while. */
void late_begin(struct conductor *c, const struct live *live, const struct target_state_view *t,
                enum target_state from);
bool late_is_followed(const struct conductor *c, uint32_t campaign, uint32_t no);
/* A device is called: what its twin says from now on is no longer about its targets before. */
void late_end(struct conductor *c, uint8_t hub, const char *device_id);
/* What a twin says of a target that has ended, or that a point read of it failed. live and t are NULL where
 * its campaign is over, too. */
void late_news(struct conductor *c, const struct live *live, const struct target_state_view *t,
               const struct track_news *news, int64_t now_ms);
/* Ends those whose time is over; gives when it wants to run next. */
int64_t late_run(struct conductor *c, int64_t now_ms);
/* A campaign is being forgotten. */
void late_forget(struct conductor *c, uint32_t campaign);
void lates_free(struct conductor *c);

/* conduct_orders.c */
void conduct_forget_making(struct conductor *c);

/* conduct_windows.c */
/* Adds what is wrong with windows and zones. */
void conduct_windows_check(const struct conductor *c, const struct campaign_spec *s, struct faults *faults);
/* Gives the windows and blackouts of a sound spec; NULL: it has none. */
struct windows *conduct_windows_read(const struct campaign_spec *s);
/* So long a window must still be open when a call starts. */
int64_t conduct_windows_needed_ms(const struct campaign_spec *s);
/* Reads the windows of a campaign that becomes live. */
void conduct_windows_begin(struct conductor *c, struct live *live);
/* The campaign's next zone as on record, before its targets. */
void conduct_windows_zone(struct conductor *c, struct live *live, const char *name);
/* Gives the devices that have been found their zones, live->zone_of, before they are stored. */
void conduct_windows_select(struct conductor *c, struct live *live);
/* Tells the engine what holds: of one campaign, of all (the clock on the wall has stepped). */
void conduct_windows_tell(struct conductor *c, struct live *live);
void conduct_windows_tell_all(struct conductor *c);
/* The spec has changed. */
void conduct_windows_respec(struct conductor *c, struct live *live);
/* Tells what changes; gives when it wants to run next, by the clock on the wall. */
int64_t conduct_windows_run(struct conductor *c, int64_t wall_ms);
void conduct_windows_end(struct live *live);

/* conduct_schedules.c */
/* Takes up a schedule on record. */
void conduct_schedules_load(struct conductor *c, const struct schedule_row *row);
/* After all is loaded. */
void conduct_schedules_begin(struct conductor *c);
/* Starts what is due; gives when it wants to run next. */
int64_t conduct_schedules_run(struct conductor *c, int64_t now_ms);
/* A campaign of the schedule ("": of none) has become live (1) or is over (-1). */
void conduct_schedules_live(struct conductor *c, const char *schedule_id, int change);
void conduct_schedules_free(struct conductor *c);

/* conduct_select.c: finding the targets */
/* Begins, or goes on where the record ends. */
void select_begin(struct conductor *c, struct live *live);
/* Takes up a page on record, before select_begin(). */
void select_page(struct live *live, const struct selection_page *page);
/* Whether a page has been asked for, and not answered. */
bool select_is_asking(const struct live *live);
/* Asks or stores what is due; gives when it wants to run next. */
int64_t select_run(struct conductor *c, struct live *live, int64_t now_ms);
void select_end(struct live *live);
/* What has been asked for and will not be answered any more. */
void select_free(struct conductor *c);
/* Puts a list of ids on record as if they had been found, with the hubs and groups that request knows; frees
 * the spec's ids. */
void select_ids(struct conductor *c, struct live *live, struct strings *ids,
                const struct conductor_request *request);

/* conduct_look.c: which hub has each given id, and in which group it is */
/* Begins, or goes on behind the first ids on record. */
void look_begin(struct live *live, uint32_t first);
/* Asks what is due; true: all have been looked up, and live->found holds what was found. */
bool look_run(struct conductor *c, struct live *live, int64_t now_ms, int64_t *wake_ms);
/* Takes up a page on record; false: it is none of a look-up. */
bool look_page(struct live *live, const struct selection_page *page);
void look_end(struct live *live);

#endif
