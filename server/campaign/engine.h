/* campaign/engine: facts in, steps out. No I/O, no clock, no luck of its own, no globals: same facts, same
 * times, same steps. Memory runs ahead of disk by the steps handed out and not yet committed; a failed commit
 * ends the process.
 *
 * A fact is fed as it happens and changes targets at once; engine_next() hands out what changed, as rows to
 * be written and things to do once they are durable, and admits waiting targets to be called. */
#ifndef ROLLCALL_SERVER_CAMPAIGN_ENGINE_H
#define ROLLCALL_SERVER_CAMPAIGN_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/campaign/model.h"
#include "server/campaign/spec.h"

struct engine;

struct engine *engine_new(void);
/* NULL is fine. */
void engine_free(struct engine *e);

/* ---- what there is ---- */

/* Adds a live campaign: new, or as it was on record. Takes spec. hubs maps the campaign's hubs to the
 * engine's. */
void engine_campaign_add(struct engine *e, const struct campaign_row *row, struct campaign_spec *spec,
                         const uint8_t *hubs, uint32_t hubs_n);
/* Adds the campaign's next group (numbers count up from 0), before the targets that name it. */
void engine_group_add(struct engine *e, uint32_t campaign, uint8_t hub, const char *name, uint32_t size);
/* Adds the next target (row->no counts up from 0): new ones WAITING, or SKIPPED when excluded; or as on
 * record. Counts it at once, so the caller writes it in the next commit, or has read it from there. */
void engine_target_add(struct engine *e, const struct target_row *row, const char *device_id,
                       const struct baseline *baseline);
/* A device held by a target of a campaign that is not live any more, until row->hold_until_ms; from
 * engine_recover() on. group_by and group: the tag and value of its group, NULL: none; where it is settling,
 * it goes on counting there. */
void engine_hold_add(struct engine *e, const struct target_row *row, uint8_t hub, const char *device_id,
                     const char *group_by, const char *group);
/* The watch over a proven target of a live campaign, as on record; after the targets. */
void engine_relapse_add(struct engine *e, const struct relapse_row *row);
/* After all was added at start: what was INVOKING becomes DOUBTFUL, what awaits proof is watched again. */
void engine_recover(struct engine *e, int64_t now_ms);

/* What a hub can take now; said before each engine_next(). */
struct hub_state {
	bool is_open;
	int64_t opens_at_ms;      /* shut: the earliest it may open, TIME_NONE: nobody knows */
	uint32_t call_credit;     /* calls that would be sent at once */
	int64_t credit_at_ms;     /* when credit may grow by itself, TIME_NEVER: not by time */
	uint32_t read_credit;     /* point reads likewise */
	int64_t clock_offset_ms;  /* hub's clock less ours, at least */
	uint32_t restart_credit;  /* calls among these that send devices away, to connect anew */
	int64_t restart_at_ms;    /* when that may grow */
	uint32_t job_credit;      /* calls that its next job would take */
	int64_t job_credit_at_ms; /* when that may grow by itself, TIME_NEVER: not by time */
};
void engine_hub(struct engine *e, uint8_t hub, const struct hub_state *state);

/* The devices of a campaign are in so many time zones (1 until said), numbered from 0: before its targets. */
void engine_zones(struct engine *e, uint32_t campaign, uint32_t n);
/* What windows and blackouts allow in one of them; said anew whenever it changes. Of a campaign that has any,
 * nobody is called before it has been said. */
struct zone_state {
	bool is_open;     /* calls may start */
	bool is_blackout; /* shut by a blackout */
	/* Open: from then on no call may start, whether it has been said or not. Shut: when it opens,
	 * TIME_NEVER: it is not foreseen. */
	int64_t until_ms;
};
void engine_zone(struct engine *e, uint32_t campaign, uint32_t zone, int64_t now_ms,
                 const struct zone_state *state);

/* The clock on the wall, by which campaigns start and end, is so far ahead of the time that the engine is
 * told. */
void engine_wall(struct engine *e, int64_t less_now_ms);

/* ---- facts ---- */

enum fact_kind {
	FACT_PAUSE, /* orders: by */
	FACT_RESUME,
	FACT_CANCEL,
	FACT_APPROVE,          /* by, is_override */
	FACT_SKIP,             /* target no: by */
	FACT_RETRY,            /* target no: by */
	FACT_SELECTED,         /* all targets have been added */
	FACT_SELECTION_FAILED, /* detail */
	FACT_CALL,             /* what call of target no came to */
	FACT_WITHDRAWN,        /* call of target no was taken back unsent */
	FACT_READING,          /* what a twin said about target no */
	FACT_READ_FAILED,      /* a point read asked for brought no twin */
};

/* What a call came to, in the engine's words. */
enum call_result {
	CALL_ACCEPTED,      /* the device answered within the success range */
	CALL_REFUSED,       /* it answered otherwise */
	CALL_NO_METHOD,     /* it answered that it does not know the method */
	CALL_NOT_DELIVERED, /* surely did not reach it, and the hub is (or will be said to be) shut */
	CALL_BUSY,          /* surely did not reach it; the device had too many calls: later */
	CALL_OFFLINE,       /* 404103 */
	CALL_GONE,          /* 404001 */
	CALL_AMBIGUOUS,
	CALL_REJECTED, /* our request was unsound */
};

/* Like enum verdict_kind of track/evidence.h, which this room does not know. */
enum reading_says { SAYS_NOTHING, SAYS_MOVED, SAYS_PROVEN, SAYS_FAILED, SAYS_GONE };

struct fact {
	enum fact_kind kind;
	int64_t at_ms; /* when it happened, our clock */
	uint32_t campaign;
	const char *by;     /* orders */
	bool is_override;   /* APPROVE: also where the gate failed */
	const char *detail; /* SELECTION_FAILED */
	uint32_t no;        /* target */
	uint16_t call;      /* CALL, WITHDRAWN */
	enum call_result result;
	int32_t method_status; /* CALL: the device's answer, 0: none */
	bool is_point_read;    /* READING */
	int64_t asked_at_ms;   /* READING of a point read */
	bool is_there, is_enabled;
	bool precheck_holds;
	enum reading_says says;
	enum strength strength;
	bool is_done_path;
	struct baseline baseline; /* READING: what would be the baseline; by where only of a point read */
	int64_t boot_at_ms;       /* READING: hub's $lastUpdated of the boot id, TIME_NONE: not known */
	bool is_up, is_down;      /* READING of a point read: connectionState; neither: not said */
};

/* OK: applied. CONFLICT: an order that the state does not permit. NOT_FOUND: no such live campaign or target.
 * CLOSED: late, the target is final or the call is not the last any more: for the record only. */
MUST_CHECK enum err engine_feed(struct engine *e, const struct fact *f);

/* ---- steps ---- */

enum step_kind {
	STEP_TARGET,   /* a target's row is to be written, or something is to be done about it */
	STEP_CAMPAIGN, /* a campaign has moved: tell it */
	STEP_WAVE,     /* a wave has moved: tell it */
	STEP_SELECT,   /* find this campaign's targets */
	STEP_RELAPSE, /* the watch over a proven target: to be written (is_stored), to be acted on, or both */
};
#define ACT_INVOKE 1u /* call it, once the row is durable */
#define ACT_READ 2u   /* ask for one point read */
#define ACT_WATCH 4u  /* follow its twin from now on */
#define ACT_UNWATCH 8u
#define ACT_BASELINE 16u /* baseline is to be written, too */

struct step {
	enum step_kind kind;
	uint32_t campaign;
	/* STEP_TARGET */
	unsigned acts;
	bool is_stored; /* the row changed; else only acts */
	bool is_moved;  /* from differs from row.state: tell it */
	uint8_t from;   /* state before */
	uint8_t from_reason, from_wait;
	struct target_row row;    /* as it is to be written */
	struct baseline baseline; /* ACT_BASELINE */
	/* STEP_RELAPSE: acts, is_stored, row.no, and */
	struct relapse_row relapse;
	/* STEP_WAVE */
	uint32_t wave;
	enum wave_stage wave_from, wave_to;
	/* STEP_CAMPAIGN */
	enum campaign_state campaign_from, campaign_to, phase;
	char reason[128]; /* plain English */
	enum stop stop;
};

#define CLAIMS_MAX 256 /* calls claimed in one turn: bounds what is in doubt after a crash (perf E) */

/* Hands out up to steps_max steps; fewer than that: no more for now, and *ret_wake_ms is when to ask again
 * (TIME_NEVER: not before a fact). Campaigns whose numbers changed are found by engine_dirty(). */
size_t engine_next(struct engine *e, int64_t now_ms, struct step *steps, size_t steps_max,
                   int64_t *ret_wake_ms);
/* Gives the campaigns whose row (state or counts) changed by steps handed out since it was last asked, one
 * after the other; 0: no more. */
uint32_t engine_dirty(struct engine *e);
/* Counts a campaign among those: its owner has something of its own to write with it. */
void engine_touch(struct engine *e, uint32_t campaign);
/* A campaign's changing part as of the steps handed out so far: state, phase, state_reason, started_at_ms,
 * finished_at_ms, counts, waves, aborts. state_reason is borrowed until the next call. ERR_NOT_FOUND: not
 * live. */
MUST_CHECK enum err engine_campaign_row(struct engine *e, uint32_t campaign, struct campaign_row *ret);
/* Puts another spec in a live campaign's place (PATCH), and the end that follows from it. Takes spec. */
void engine_campaign_respec(struct engine *e, uint32_t campaign, struct campaign_spec *spec,
                            int64_t end_at_ms);
/* Forgets a campaign that is final on record. Its holds stay until they end. */
void engine_campaign_drop(struct engine *e, uint32_t campaign);

/* ---- questions ---- */

struct target_state_view {
	const char *device_id; /* borrowed until the campaign is dropped */
	uint8_t hub;           /* the engine's hub */
	struct target_row row; /* as of now, also what is not handed out yet */
	struct baseline baseline;
	bool is_reading; /* a point read of it is out */
};
bool engine_target(const struct engine *e, uint32_t campaign, uint32_t no, struct target_state_view *ret);
/* NULL: not live. Borrowed until the campaign is dropped. */
const struct campaign_spec *engine_spec(const struct engine *e, uint32_t campaign);
const char *engine_campaign_id(const struct engine *e, uint32_t campaign);
/* Whether calls of this campaign may be made: not paused, not ending. */
bool engine_may_call(const struct engine *e, uint32_t campaign);
/* Whether any device is held: by a target that is called or unresolved, or for a while after one. */
bool engine_holds(const struct engine *e);
/* Gives WAIT_NONE where the target's window is open, and until when a call may start; else BLACKOUT or
 * WINDOW, and when it opens (TIME_NONE: not foreseen). */
enum wait engine_window(const struct engine *e, uint32_t campaign, uint32_t no, int64_t *ret_until_ms);
/* Finds a target by its device; hub is an index into the campaign's hubs, -1: any. Looks through all of them.
 */
bool engine_find(const struct engine *e, uint32_t campaign, const char *device_id, int hub, uint32_t *ret_no);
/* Why the waiting targets of a campaign wait, in P12's order. Those numbered closed_from or above (closed_n
 * of them) wait for their wave. Of the others, is_all: all of them under wait, whatever their own row says;
 * else, has_shut_windows, those that engine_window() says for their window; else those on the hubs of
 * shut_hubs (bit i: the campaign's hub i) for their hub, until shut_until_ms[i]; else each for what its row
 * says, and of those whose row says nothing, parked_n for their group and the rest under wait. shut_by: how
 * many are on shut hubs, window_by[is_blackout]: how many have a shut window, each by what they would wait
 * for otherwise (NONE: wait). */
struct engine_waiting {
	enum wait wait;
	int64_t next_at_ms;
	bool is_all;
	uint32_t closed_from, closed_n, parked_n;
	uint64_t shut_hubs;
	bool has_shut_windows;
	uint32_t shut_by[WAITS_N], window_by[2][WAITS_N];
	int64_t shut_until_ms[HUBS_MAX];
};
void engine_waiting(const struct engine *e, uint32_t campaign, int64_t now_ms, struct engine_waiting *ret);
/* Fills in what is left of a campaign whose targets are known, but for its hubs (which are numbered as the
 * campaign has them); ret->now_ms, slot_ms, slowest_ms, watch_ms and calendar are set. Looks at all of its
 * targets. Gives by_zones. False: there is none such. */
struct forecast;
bool engine_outlook(const struct engine *e, uint32_t campaign, struct forecast *ret);
/* A group of a campaign: how many of it are down, by what P4 counts, and how many may be. */
struct engine_group {
	uint32_t out;     /* between call and end of settling, over all campaigns */
	uint32_t offline; /* last seen offline, over all campaigns */
	uint32_t failed;  /* in this one */
	uint32_t max;
};
bool engine_group(const struct engine *e, uint32_t campaign, uint32_t group, struct engine_group *ret);
/* Calls back for each of these devices: how it is down ("invoking" … "settling" "offline" "failed"), since
 * when, and in which campaign (by number). */
typedef void engine_down_cb(void *arg, const char *device_id, uint32_t campaign, const char *how,
                            int64_t since_ms);
void engine_group_down(const struct engine *e, uint32_t campaign, uint32_t group, engine_down_cb *down,
                       void *arg);
/* Whether a proven device has relapsed. */
bool engine_has_relapsed(const struct engine *e, uint32_t campaign, uint32_t no);
/* Whether a waiting target waits for room in its group. */
bool engine_is_parked(const struct engine *e, uint32_t campaign, uint32_t no);

#endif
