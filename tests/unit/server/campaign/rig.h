/* tests: a rig for the engine. It keeps what a store would: a shadow table of rows, made from the steps
 * handed out and from nothing else. After every hand-out it checks what must always hold: P1 (an intent comes
 * with its row), P2 and P3 (a claimed device is free, and compared after a 404103), P4 (slots, settling
 * included; groups over all campaigns), P6 (no call when paused or ending), P7 (a wave opens when the gate
 * before it holds, no call ahead of its wave or while an abort rule is met), P8 (counts told are the rows
 * told, wave by wave too, and what is stored is what is told), P10 (final stays final), the target machine,
 * and that baselines are never retaken. */
#ifndef ROLLCALL_TESTS_UNIT_SERVER_CAMPAIGN_RIG_H
#define ROLLCALL_TESTS_UNIT_SERVER_CAMPAIGN_RIG_H

#include "server/base/buf.h"
#include "server/campaign/engine.h"

#define T0 1790000000000LL /* the rig's time is told from here on */
#define HOUR_MS 3600000LL
#define RIG_HUBS 2
#define RIG_CAMPAIGNS 4
#define RIG_GROUPS 8
#define RIG_STEPS 4096

struct rig_target {
	struct target_row row;
	struct baseline baseline;
	char device_id[16];
	bool is_watched;
	struct relapse_row relapse; /* campaign 0: it was not watched after its proof */
	bool is_followed;           /* for relapses */
	bool is_compared;           /* a point read asked for after the last call was fed */
	int64_t checked_at_ms;      /* when the last point read was asked for whose pre-check held */
};

struct rig_group {
	char name[16];
	uint8_t lane;
	uint32_t size;
};

struct rig_campaign {
	struct campaign_row row;
	char json[1024], reason[128];
	struct rig_target *targets;
	uint32_t n;
	struct rig_group groups[RIG_GROUPS];
	uint32_t groups_n;
	char group_by[32];
	bool is_start_approved, is_approved[WAVES_MAX], is_overridden[WAVES_MAX]; /* by orders */
	enum wave_stage stages[WAVES_MAX];                                        /* by steps */
	bool is_stopped; /* paused or cancelled by an order */
	bool is_selected;
	bool has_proof; /* verify is not none */
};

struct rig {
	struct engine *e;
	int64_t now_ms, wake_ms;
	size_t steps_max;
	struct hub_state hubs[RIG_HUBS];                  /* said before each turn */
	struct rig_campaign campaigns[RIG_CAMPAIGNS + 1]; /* by number, from 1 */
	uint32_t campaigns_n;
	struct step steps[RIG_STEPS]; /* of the last turn() */
	size_t steps_n;
	uint32_t selects; /* STEP_SELECT seen */
	struct buf *log;  /* where not NULL: all steps as text */
	uint64_t seed;    /* told in failures */
};

/* A rig with two open hubs of plenty credit, at T0. */
struct rig *rig_new(void);
void rig_free(struct rig *r);
/* Adds a campaign over the first lanes hubs, SCHEDULED to start start_ms from T0; members are those of its
 * spec, "" for none. Gives its number. */
uint32_t rig_add(struct rig *r, const char *members, int64_t start_ms, int64_t end_ms, uint8_t lanes);
/* Adds a target to a campaign that is being selected; state WAITING or SKIPPED. */
void rig_target(struct rig *r, uint32_t c, const char *device_id, uint8_t lane, bool has_baseline,
                bool has_value);
/* Adds the campaign's next group, and a target of it. */
uint32_t rig_group(struct rig *r, uint32_t c, uint8_t lane, const char *name, uint32_t size);
void rig_target_in(struct rig *r, uint32_t c, const char *device_id, uint8_t lane, uint32_t group,
                   bool has_baseline, bool has_value);
/* Puts other members in the place of those of its spec, and another end, ms from T0. */
void rig_respec(struct rig *r, uint32_t c, const char *members, int64_t end_ms);
/* All of it: a campaign that starts now and ends in a day, with targets d0 … of hub 0 that have a baseline;
 * running, no turn taken since. */
uint32_t rig_campaign(struct rig *r, const char *members, uint32_t n);
/* Turns until there is nothing more to hand out; steps of all of them are in r->steps. */
void rig_turn(struct rig *r);
void rig_turn_once(struct rig *r);
/* The time is ms from T0: rig_turn(). */
void rig_at(struct rig *r, int64_t ms);
/* Puts a new engine in place, from the shadow only, and lets it recover. No turn is taken. */
void rig_crash(struct rig *r);

/* Facts, happening now. */
struct fact rig_fact(const struct rig *r, enum fact_kind kind, uint32_t c, uint32_t no);
enum err rig_feed(struct rig *r, const struct fact *f);
enum err rig_order(struct rig *r, enum fact_kind kind, uint32_t c);
enum err rig_approve(struct rig *r, uint32_t c, bool is_override);
enum err rig_target_order(struct rig *r, enum fact_kind kind, uint32_t c, uint32_t no);
enum err rig_call(struct rig *r, uint32_t c, uint32_t no, enum call_result result);
enum err rig_query(struct rig *r, uint32_t c, uint32_t no, enum reading_says says);
enum err rig_read(struct rig *r, uint32_t c, uint32_t no, enum reading_says says, int64_t asked_ms);
enum err rig_read_failed(struct rig *r, uint32_t c, uint32_t no);

/* What the last turn brought. */
unsigned rig_acts(const struct rig *r, uint32_t c, uint32_t no);
uint32_t rig_invoked(const struct rig *r, uint32_t c); /* 0: of all campaigns */
const struct target_row *rig_row(const struct rig *r, uint32_t c, uint32_t no);

#endif
