/* sim: the service's conductor, engine, dispatch, track, hubs and SQLite store on a drive in memory against
 * one tests/world a hub, with time, luck, crashes and trouble from one seed. A process that ends is started
 * again, as a supervisor does. Checks the promises P1, P2, P3, P4, P5, P6, P7, P8, P9, P10 and P12 (product:
 * Promises) as it goes; what is broken ends the process with the seed. */
#ifndef ROLLCALL_TESTS_SIM_SIM_H
#define ROLLCALL_TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "server/campaign/model.h"
#include "server/conductor.h"
#include "tests/world/world.h"

struct buf;
struct sim;

#define SIM_HUBS_MAX 3 /* named "main", "hub1", "hub2"; their fleets have the same ids */

struct sim_options {
	uint64_t seed;
	uint32_t hubs_n;
	struct world_options world; /* of each hub, each with luck of its own */
	uint32_t track_interval_ms;
	const char *sku;
	uint32_t reserve_percent;
	uint32_t retention_days;
	int64_t commit_max_ms;  /* a commit takes 1 … so long */
	double refuse_share;    /* of requests that are refused before they leave */
	int64_t connect_max_ms; /* a request waits for its connection for up to so long */
	double crash_share; /* of commits at which the process dies: before, after, or in the midst of it */
	uint32_t crash_at_commit;    /* that one only, counted over all lives; 0: none */
	bool crash_is_after;         /* … after it was applied, else before */
	uint32_t crash_at_operation; /* the power fails at that operation of the drive, over all lives; 0:
	                                none */
	uint32_t crash_at_call; /* the process dies when that call leaves, counted over all lives; 0: none */
};

void sim_options_init(struct sim_options *o);
struct sim *sim_new(const struct sim_options *o);
void sim_free(struct sim *s);

struct conductor *sim_conductor(struct sim *s);
struct backend;
struct backend *sim_record(struct sim *s); /* the checker's look at the drive, until the process ends */
struct drive;
struct drive *sim_drive(struct sim *s);
struct drive_trouble;
/* The drive has this trouble for so long. */
void sim_trouble(struct sim *s, const struct drive_trouble *trouble, int64_t for_ms);
bool sim_is_up(const struct sim *s);
/* Runs until it is. */
void sim_wait_up(struct sim *s);
/* What the service said when it ended for trouble with its database, or did not start; "": nothing yet. */
const char *sim_last_words(const struct sim *s);
/* Creates a schedule from JSON and waits until it is answered. */
void sim_schedule(struct sim *s, const char *json);
/* Somebody sets the process's clock forward (back where negative); time itself goes on. */
void sim_set_clock(struct sim *s, int64_t by_ms);
/* The process stands still for so long (stopped, or its machine asleep), and then does what is due before it
 * hears what has come meanwhile. */
void sim_stall(struct sim *s, int64_t for_ms);
/* Runs for so long, whatever there is. */
void sim_pass(struct sim *s, int64_t for_ms);
struct world *sim_world(struct sim *s, uint32_t hub);
int64_t sim_now(const struct sim *s);
uint32_t sim_commits(const struct sim *s); /* so far, over all lives */
uint32_t sim_calls(const struct sim *s);
uint32_t sim_crashes(const struct sim *s);
uint64_t sim_trace(const struct sim *s); /* fingerprint of all that happened */

/* Creates a campaign from JSON and waits until it is answered; gives its number, from 1. */
uint32_t sim_create(struct sim *s, const char *spec_json);
/* Asks what a campaign would come to and waits until it is told; OK: its JSON is appended. */
enum err sim_preview(struct sim *s, const char *spec_json, struct buf *out);
/* Gives an order and waits until it is answered (or the process has died and begun again: then it is given
 * again). */
enum err sim_order(struct sim *s, uint32_t campaign, enum order order);
/* Runs for a while, or until every campaign is final; false: still not. */
bool sim_run(struct sim *s, int64_t for_ms);
enum err sim_target_order(struct sim *s, uint32_t campaign, const char *device_id, enum target_order order);
/* Changes a live campaign's spec by a merge patch. NOT_FOUND: it is not live. */
enum err sim_respec(struct sim *s, uint32_t campaign, const char *patch_json);
/* Forgets a final campaign. */
enum err sim_delete(struct sim *s, uint32_t campaign);
/* Runs until a call leaves, or until a commit is under way; false: none did within that time. */
bool sim_run_to_call(struct sim *s, int64_t for_ms);
bool sim_run_to_commit(struct sim *s, int64_t for_ms);
/* Stops as on SIGTERM, and begins again, with other settings. */
struct sim_settings {
	uint32_t track_interval_ms, reserve_percent;
	const char *sku;
};
void sim_restart(struct sim *s, const struct sim_settings *settings);
/* How many bytes of the heap conductor, feed, hubs and all below them gave back as the process stopped last:
 * not those of the database's caches, and none that are lost. */
int64_t sim_held_bytes(const struct sim *s);
/* The process dies; what begins again finds its database as a version of that schema would have left it. */
void sim_downgrade(struct sim *s, int version);
/* Dies now, with the power where luck says so, and begins again. */
void sim_crash(struct sim *s);

/* As on record. */
void sim_campaign(struct sim *s, uint32_t campaign, struct campaign_row *ret); /* texts are not set */
/* When it ends at the latest, and how long what is out then takes at most, by time itself. */
int64_t sim_bound(struct sim *s, uint32_t campaign);
int64_t sim_deadlines(const struct sim *s);
/* When it will be final, as the service foretells it now; TIME_NONE: it cannot. */
int64_t sim_predicted(const struct sim *s, uint32_t campaign);
/* How many slots its progress has, and how long they are. */
size_t sim_progress(struct sim *s, uint32_t campaign, uint32_t *ret_slot_s);
bool sim_target(struct sim *s, uint32_t campaign, uint32_t hub, const char *device_id,
                struct target_row *ret);
uint32_t sim_targets(struct sim *s, uint32_t campaign);
bool sim_is_forgotten(const struct sim *s, uint32_t campaign);
uint64_t sim_first_event(struct sim *s); /* the oldest that is kept */

#define SIM_CHECK(s, condition, ...) \
	do { \
		if (!(condition)) \
			sim_broken(s, __FILE__, __LINE__, __VA_ARGS__); \
	} while (0)
_Noreturn void sim_broken(struct sim *s, const char *file, int line, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

#endif
