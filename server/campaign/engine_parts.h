/* campaign: what the engine's files share: what is kept of a campaign, and what each of them does for the
 * others. Nobody else includes it. */
#ifndef ROLLCALL_SERVER_CAMPAIGN_ENGINE_PARTS_H
#define ROLLCALL_SERVER_CAMPAIGN_ENGINE_PARTS_H

#include <assert.h>
#include <sys/queue.h>
#include <uthash.h>

#include "server/base/buf.h"
#include "server/campaign/baseline.h"
#include "server/campaign/engine.h"
#include "server/campaign/group.h"
#include "server/campaign/hold.h"
#include "server/campaign/policy.h"
#include "server/campaign/queue.h"

/* A device found offline counts against its group for 5 min (P4: age <= 5 min), or until it is called again.
 */
#define OFFLINE_FOR_MS (5 * 60000 + 1)

#define F_TOUCHED 1u  /* the cursor passes it by: it is, or will be, in a queue or has an alarm */
#define F_READING 2u  /* a point read is out */
#define F_PREPARED 4u /* a point read before its call is out, or done: counted in lane.preparing */
#define F_PARKED 8u   /* waits in its group for room: counted in campaign.parked */
#define F_OFFLINE 16u /* counted in shared_group.offline */
#define F_RELAPSED 32u

/* What every target costs in memory; the rest is in struct active, for those that something has happened to.
 */
struct target {
	uint32_t id_at; /* in the campaign's ids */
	uint8_t state, reason, wait, flags;
	uint16_t lane;
	uint32_t group; /* GROUP_NONE: the campaign has no groups */
	struct active *active;
};

struct active {
	struct target_row row;
	int64_t alarm_at_ms;     /* of the alarm that counts */
	int64_t checked_at_ms;   /* when the point read before a call was asked for */
	int64_t offline_mark_ms; /* lane's callable time at which it would have been found offline first */
	uint8_t rereads, gones;
	bool must_read;     /* ask its twin before the next call, whatever the rules say */
	bool is_expiring;   /* has waited offline long enough: the next reading decides */
	bool must_back_off; /* the hub said 404001: even if it is there, not at once again */
};

/* A device that a final target keeps: taken up by engine_recover(), when it is known which are over. */
struct kept {
	uint32_t campaign, no;
	uint8_t hub;
	bool is_slot;
	int64_t until_ms, since_ms;
	char *device_id;
	char *group_by, *group; /* of a campaign that is not live; NULL: none */
};

/* The share of one hub and one time zone in a campaign; those of zone z begin at z * hubs_n. */
struct lane {
	uint8_t hub;
	struct zone_state zone;
	uint32_t cursor;         /* fresh targets from here on */
	struct numbers prepared; /* read, to be called */
	struct numbers ready;    /* to be looked at again */
	uint32_t preparing;      /* being read before a call, or read: F_PREPARED */
	int64_t callable_ms;     /* how long calls could have been made so far */
};

struct campaign {
	UT_hash_handle hh;
	TAILQ_ENTRY(campaign) link, dirty_link;
	uint32_t no;
	char id[ID_SIZE];
	struct campaign_spec *spec;
	int64_t start_at_ms, end_at_ms;
	struct rate rate;
	/* as of now */
	enum campaign_state phase;
	bool is_paused, has_ended;
	char reason[128];
	int64_t started_at_ms, finished_at_ms;
	struct counts counts;
	uint32_t slots;  /* between call and end of settling */
	uint32_t parked; /* wait for room in their group */
	uint32_t sweep;  /* closing: targets below have been closed */
	struct wave_row waves[WAVES_MAX], told_waves[WAVES_MAX];
	uint32_t wave_ends[WAVES_MAX];
	uint32_t waves_n, wave; /* waves_n 0: not selected yet; the wave that is open, or was last */
	struct abort_base aborts[ABORTS_MAX];
	/* as handed out */
	enum campaign_state told_state, told_phase;
	int64_t told_started_at_ms, told_finished_at_ms;
	struct counts told;
	char told_reason[128];
	bool is_dirty;
	/* targets */
	struct target *targets;
	struct small_baseline *baselines;
	uint32_t n, size;
	struct buf ids;
	struct campaign_group *groups;
	uint32_t groups_n;
	uint32_t relapse_watches; /* not over yet */
	uint32_t hubs_n, lanes_n;
	struct lane *lanes;
};

TAILQ_HEAD(campaigns, campaign);

struct engine {
	struct campaign *by_no;
	struct campaigns all, dirty;
	struct holds *holds;
	struct groups *groups;
	struct alarms alarms;  /* who: campaign << 32 | target */
	struct alarms forgets; /* the same; when its being offline no longer counts */
	struct relapse_watch *relapses;
	struct alarms relapse_alarms; /* the same */
	uint64_t ends;                /* targets that have become final: one may finish its wave */
	struct hub_state hubs[HUBS_MAX];
	int64_t wall_less_now_ms;
	int64_t now_ms;    /* the latest time heard of */
	int64_t passed_ms; /* up to when callable time has been counted */
	uint32_t claims_left;
	bool was_open[HUBS_MAX]; /* as of passed_ms */
	struct kept *kept;
	size_t kept_n, kept_size;
	/* steps not handed out yet: a ring */
	struct step *ring;
	size_t ring_size, ring_head, ring_n;
};

static inline struct campaign *find(const struct engine *e, uint32_t no)
{
	struct campaign *c;

	HASH_FIND(hh, e->by_no, &no, sizeof no, c);
	return c;
}

/* Of a campaign that must be there: what names it goes before it does. */
static inline struct campaign *must_find(const struct engine *e, uint32_t no)
{
	struct campaign *c = find(e, no);

	assert(c != NULL);
	return c;
}

/* What the API shows. */
static inline enum campaign_state shown(const struct campaign *c)
{
	return c->is_paused ? CAMPAIGN_PAUSED : c->phase;
}

static inline bool is_closing(const struct campaign *c)
{
	return c->phase == CAMPAIGN_CANCELLING ||
	       (c->has_ended && (c->phase == CAMPAIGN_RUNNING || c->phase == CAMPAIGN_AWAITING_APPROVAL));
}

static inline const char *device_of(const struct campaign *c, uint32_t no)
{
	return c->ids.data + c->targets[no].id_at;
}

static inline uint8_t hub_of(const struct campaign *c, uint32_t no)
{
	return c->lanes[c->targets[no].lane].hub;
}

/* The campaign's hub of target no, by index. */
static inline uint8_t hub_index(const struct campaign *c, uint32_t no)
{
	return (uint8_t)(c->targets[no].lane % c->hubs_n);
}

/* The wave of target no; only once waves_n is known. */
static inline uint32_t wave_at(const struct campaign *c, uint32_t no)
{
	uint32_t w = 0;

	while (w + 1 < c->waves_n && no >= c->wave_ends[w])
		w++;
	return w;
}

static inline struct campaign_group *group_of(const struct campaign *c, uint32_t no)
{
	return c->targets[no].group != GROUP_NONE ? &c->groups[c->targets[no].group] : NULL;
}

/* What a hub would take of this campaign's calls, and when that may grow by itself. */
static inline uint32_t credit_of(const struct campaign *c, const struct hub_state *hub)
{
	return c->spec->action.transport == TRANSPORT_HUB_JOB ? hub->job_credit : hub->call_credit;
}

static inline int64_t credit_at_of(const struct campaign *c, const struct hub_state *hub)
{
	return c->spec->action.transport == TRANSPORT_HUB_JOB ? hub->job_credit_at_ms : hub->credit_at_ms;
}

static inline bool has_expired(const struct campaign *c, int64_t offline_ms)
{
	return !c->spec->offline.wait || offline_ms >= (int64_t)c->spec->offline.expire_after_s * 1000;
}

/* ---- engine.c ---- */

/* Adds a step to those not handed out yet; valid until the next. */
struct step *engine_push(struct engine *e, enum step_kind kind, uint32_t campaign);
/* Moves a campaign to a phase, paused or not, and lets it be told. reason NULL: the one it has. */
struct step *engine_move(struct engine *e, struct campaign *c, enum campaign_state phase, bool is_paused,
                         const char *reason);
/* Counts the time until now_ms as callable where it was: before whatever makes it so, or not so. */
void engine_count_time(struct engine *e, int64_t now_ms);

/* Counts a target that is new, or that was another way. */
void engine_counts_add(struct counts *n, const struct target_row *row);
void engine_counts_move(struct counts *n, uint8_t from, uint8_t from_reason, uint8_t from_wait,
                        const struct target_row *row);
void engine_waves_move(const struct campaign *c, struct wave_row *waves, uint8_t from,
                       const struct target_row *row);
/* Where each wave ends and what its targets are, once all are there. */
void engine_count_waves(struct campaign *c);
/* Lets the campaign's row be written again. */
void engine_mark_dirty(struct engine *e, struct campaign *c);

/* ---- engine_change.c: one target; see also engine_change.h ---- */

struct target_row engine_blank_row(const struct campaign *c, uint32_t no);
/* Gives what is kept of a target while it is not final, made if need be. */
struct active *engine_activate(struct campaign *c, uint32_t no);
/* The alarm that counts from now on. */
void engine_alarm_set(struct engine *e, struct active *a, int64_t at_ms);
/* The hold that the target itself has on its device; NULL: none. */
struct holder *engine_own_hold(struct engine *e, const struct campaign *c, uint32_t no);
/* A device has become free (hold.h): who waited for it is looked at again. arg is the engine. */
void engine_on_freed(void *arg, uint32_t campaign, uint32_t no);
/* Lets something be done about a target whose row does not change. */
void engine_act_only(struct engine *e, struct campaign *c, uint32_t no, unsigned acts);

/* ---- engine_facts.c: what facts mean ---- */

/* A target's alarm has come. */
void engine_on_alarm(struct engine *e, struct campaign *c, uint32_t no, int64_t now_ms);

/* ---- engine_admit.c: whom to call next ---- */

/* Lets a waiting target wait for its device, which h has. */
void engine_park(struct engine *e, struct campaign *c, uint32_t no, const struct holder *h, int64_t now_ms);
/* Admits waiting targets, one of each campaign in turn, as far as there is room for steps. */
void engine_admit(struct engine *e, int64_t now_ms, size_t room, int64_t *wake_ms);

/* ---- engine_recover.c: what is on record ---- */

void engine_kept_done(struct kept *k);

/* ---- engine_room.c: the places that devices take in their campaign and their group ---- */

void engine_take_slot(struct campaign *c, uint32_t no, struct holder *h, int64_t since_ms);
/* c is NULL where the campaign is over and dropped: its group goes on counting until then. */
void engine_give_slot(struct engine *e, struct campaign *c, struct holder *h);
/* How many of the campaign's group may be down. */
uint32_t engine_group_max(const struct campaign *c, const struct campaign_group *g);
/* Whether there is room for this target of the group; one that counts as offline does so already. */
bool engine_has_room(const struct campaign *c, uint32_t no, const struct campaign_group *g);
/* Whether the campaign itself has room for one more to be read before its call; what is being read where the
 * hub or the window is shut takes none. */
bool engine_may_prepare(const struct engine *e, const struct campaign *c);
/* Counts a waiting target against its group as offline, or not any more, as its row says. */
void engine_count_offline(struct engine *e, struct campaign *c, const struct target_row *row);
/* Lets one wait for room in its group, or not any more. */
void engine_queue_parked(const struct campaign *c, struct campaign_group *g, uint32_t no);
void engine_unpark(struct campaign *c, uint32_t no);
/* Gives the first of those that wait; false: none is left. */
bool engine_next_parked(const struct campaign *c, struct campaign_group *g, uint32_t *ret_no);
/* Lets as many of those that wait for room in the group be looked at as there is room for. */
void engine_wake_parked(struct campaign *c, struct campaign_group *g);

/* ---- engine_zone.c: time zones ---- */

/* Makes the lanes of one zone; the spec is there. */
void engine_lanes_init(struct campaign *c, const uint8_t *hubs, uint32_t hubs_n);
bool engine_is_in_window(const struct lane *lane, int64_t now_ms);
/* Whether its hub and its window are open. */
bool engine_is_callable(const struct engine *e, const struct lane *lane);
/* How much of a span was in the window, as far as was told. */
int64_t engine_window_ms(const struct lane *lane, int64_t from_ms, int64_t until_ms);

/* ---- engine_relapse.c: the watches over proven devices ---- */

/* Lets a target that is about to succeed be watched from then on, if the campaign wants that. */
void engine_relapse_begin(struct engine *e, struct campaign *c, uint32_t no, int64_t from_ms);
/* Ends the watch over a device, if there is one: it is called again. */
void engine_relapse_end(struct engine *e, uint8_t hub, const char *device_id);
void engine_relapse_end_all(struct engine *e, struct campaign *c);
/* Forgets the campaign's watches without a word. */
void engine_relapse_forget(struct engine *e, struct campaign *c);
void engine_relapse_recover(struct engine *e);
/* False: this target is not watched. */
bool engine_relapse_reading(struct engine *e, struct campaign *c, const struct fact *f);
void engine_relapse_read_failed(struct engine *e, struct campaign *c, uint32_t no);
void engine_relapse_pass_time(struct engine *e);
int64_t engine_relapse_next_at(struct engine *e);

/* ---- engine_wave.c: waves, gates, abort rules ---- */

/* An abort rule that is met acts at once (P7), also in a pause that has another reason. */
void engine_check_aborts(struct engine *e, struct campaign *c, const struct counts *before, int64_t now_ms);
/* Goes on although abort rules may be met: these count afresh. */
void engine_end_pause(struct engine *e, struct campaign *c, const char *reason);
/* Opens the gate that waits for a person; one that failed only where the order says so. */
enum err engine_approve(struct engine *e, struct campaign *c, const struct fact *f);
/* Ends the last wave that was open, as its campaign completes. */
void engine_end_wave(struct engine *e, struct campaign *c);
/* Judges the wave that is open; opens the next one when its gate holds (P7). */
void engine_advance(struct engine *e, struct campaign *c, int64_t now_ms, int64_t *wake_ms);

#endif
