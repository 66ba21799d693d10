/* sim: what its files share; nobody else includes it. sim.c: the process and time · check.c: the checkers. */
#ifndef ROLLCALL_TESTS_SIM_INTERNAL_H
#define ROLLCALL_TESTS_SIM_INTERNAL_H

#include "server/base/rng.h"
#include "server/feed.h"
#include "tests/sim/sim.h"

struct answer;
struct drive;
struct http_request;
struct world_entry;

#define CAMPAIGNS_MAX 8
#define DAY_MS ((int64_t)24 * 3600 * 1000)

/* What the checker remembers of one campaign, over all lives of the process. */
struct known {
	char id[ID_SIZE];
	uint32_t no;
	bool is_final, was_paused, was_cancelled; /* answered orders that hold */
	bool is_deleting; /* asked, and not answered yet: it may come into force at any time */
	bool is_forgotten;
	int64_t finished_at_ms;
	enum campaign_state state;
	uint32_t max_unavailable, patched_to; /* the limit, and by a patch: once no more than that are out */
	bool is_patching;
	struct campaign_spec *spec;
	uint32_t targets_n;
	struct target_row *targets; /* as last seen on record */
	int64_t *seen_at_ms;        /* of each of them: when it was seen to be as it is, by time itself */
	uint32_t *sites;            /* of each of them: the group that its world put its device in */
	uint32_t *evidence_n;       /* of each final one: what was on its record when it was seen to be so */
	uint8_t hubs[SIM_HUBS_MAX]; /* ours of each of its own */
	uint32_t hubs_n;
	struct wave_row waves[WAVES_MAX];
	uint32_t entered[TARGET_STATES_N], left[TARGET_STATES_N]; /* by the events told */
};

struct device {
	struct device *next;
	const struct side *side;
	char id[DEVICE_ID_MAX + 1];
	bool is_called; /* a call that reached it has not ended */
};

/* One hub: its world, and the way there. */
struct side {
	struct sim *s;
	uint32_t index;
	struct world *world;
	struct net *net;
	struct hub *hub; /* the process's */
};

struct sim {
	struct sim_options options;
	struct rng rng;
	int64_t now_ms, run_at_ms, commit_at_ms;
	int64_t set_by_ms; /* what the process's clock shows, less the time … */
	struct side sides[SIM_HUBS_MAX];
	struct drive *drive;
	int64_t trouble_until_ms;
	struct backend *record; /* the checker's own look at it, while the service is up */
	uint64_t failures_told; /* of the drive, for which the service has ended */
	/* the process */
	struct store *store;
	struct conductor *conductor;
	bool is_up, must_crash, has_broken; /* by itself */
	int64_t died_at_ms;                 /* TIME_NEVER: what is seen now has just come about, else then */
	int64_t up_at_ms;                   /* when it is to be started again */
	uint32_t starts_failed;
	char last_words[256]; /* why it ended, or did not start */
	uint32_t commits, calls, crashes;
	int64_t held_bytes; /* when it stopped last */
	/* the events: fingerprints by id, from 1; 0: forgotten before it was seen */
	uint64_t *events;
	uint64_t events_n, events_room;
	uint64_t read_id, counted_id, heard_id; /* the last one of the record, of the feed */
	struct feed *feed;
	struct feed_subscriber subscriber;
	uint32_t checks;            /* of the record */
	uint32_t commits_explained; /* at which P12 was checked last … */
	int64_t explain_at_ms;      /* … and when it is to be checked again, since a nextAt has passed */
	bool must_stop;             /* gracefully */
	uint64_t trace;
	/* what was asked and answered */
	bool is_answered;
	enum err answer;
	char answer_id[ID_SIZE];
	struct known known[CAMPAIGNS_MAX];
	uint32_t known_n;
	struct device *devices;
};

/* sim.c */
void sim_trace_put(struct sim *s, const char *what, const char *who);

/* check_events.c */
/* At a start: the last event on record. */
void check_events_begin(struct sim *s, uint64_t last_id);
/* A campaign has been answered: what was told of it before counts. */
void check_events_adopt(struct sim *s, struct known *k);
/* After each commit. */
void check_events(struct sim *s);
void on_event(void *arg, const struct event *event, const char *campaign_id);

/* check.c */
/* All campaigns, as on record. */
void check_record(struct sim *s);
void check_campaign(struct sim *s, struct known *k);
/* P10: what was learnt of targets after their end is marked so. */
void check_late(struct sim *s);
/* Each waiting target's reason; while the record is all there is. */
void check_waiting(struct sim *s, const struct known *k);
/* What leaves: of one call, and of a job. */
void check_call(const struct side *side, const char *path);
void check_job(const struct side *side, const struct http_request *request);
/* What the hub saw. */
void check_entry(const struct side *side, const struct world_entry *entry);
/* A device's state in a campaign, as on record; false: it is not in it, on that hub. */
bool check_row_of(struct sim *s, uint32_t campaign_no, const struct known *k, uint32_t hub,
                  const char *device_id, struct target_row *ret);

#endif
