/* campaign/model: the nouns. A campaign is one action over one set of targets, run once; a target is one
 * device in one campaign; an attempt is one call to one target (product: Words). Enums carry the texts that
 * the API, the events and the store use; their numbers are stored and never change. */
#ifndef ROLLCALL_SERVER_CAMPAIGN_MODEL_H
#define ROLLCALL_SERVER_CAMPAIGN_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/clock.h"
#include "server/base/id.h"

#define CAMPAIGN_STATES(X) \
	X(SCHEDULED, 0, "scheduled") \
	X(SELECTING, 1, "selecting") \
	X(AWAITING_APPROVAL, 2, "awaitingApproval") \
	X(RUNNING, 3, "running") \
	X(PAUSED, 4, "paused") \
	X(CANCELLING, 5, "cancelling") \
	X(COMPLETED, 6, "completed") \
	X(CANCELLED, 7, "cancelled") \
	X(FAILED, 8, "failed")
enum campaign_state {
#define X(name, number, text) CAMPAIGN_##name = number,
	CAMPAIGN_STATES(X)
#undef X
	        CAMPAIGN_STATES_N
};

#define TARGET_STATES(X) \
	X(WAITING, 0, "waiting") \
	X(INVOKING, 1, "invoking") \
	X(DOUBTFUL, 2, "doubtful") \
	X(AWAITING_PROOF, 3, "awaitingProof") \
	X(SUCCEEDED, 4, "succeeded") \
	X(FAILED, 5, "failed") \
	X(SKIPPED, 6, "skipped") \
	X(CANCELLED, 7, "cancelled")
enum target_state {
#define X(name, number, text) TARGET_##name = number,
	TARGET_STATES(X)
#undef X
	        TARGET_STATES_N
};

/* Why a target failed (1 … 8) or was skipped (16 …). */
#define REASONS(X) \
	X(NONE, 0, "") \
	X(REFUSED, 1, "refused") \
	X(NO_METHOD, 2, "noMethod") \
	X(DEVICE_FAILED, 3, "deviceFailed") \
	X(NO_PROOF, 4, "noProof") \
	X(UNKNOWN, 5, "unknown") \
	X(OFFLINE_EXPIRED, 6, "offlineExpired") \
	X(HUB_REJECTED, 7, "hubRejected") \
	X(GONE, 8, "gone") \
	X(NOT_FOUND, 16, "notFound") \
	X(DISABLED, 17, "disabled") \
	X(EXCLUDED, 18, "excluded") \
	X(ALREADY_DONE, 19, "alreadyDone") \
	X(PRECHECK, 20, "precheck") \
	X(GROUP_BLOCKED, 21, "groupBlocked") \
	X(WINDOW_ENDED, 22, "windowEnded") \
	X(CAMPAIGN_ENDED, 23, "campaignEnded") \
	X(BY_OPERATOR, 24, "byOperator")
enum reason {
#define X(name, number, text) REASON_##name = number,
	REASONS(X)
#undef X
	        REASONS_N
};

/* Why a waiting target waits, in the order of promise P12: the first that holds is told. */
#define WAITS(X) \
	X(NONE, 0, "") \
	X(PAUSED, 1, "paused") \
	X(SELECTION, 2, "selection") \
	X(START, 3, "start") \
	X(APPROVAL, 4, "approval") \
	X(WAVE, 5, "wave") \
	X(BLACKOUT, 6, "blackout") \
	X(WINDOW, 7, "window") \
	X(HUB, 8, "hub") \
	X(DEVICE, 9, "device") \
	X(OFFLINE, 10, "offline") \
	X(BACKOFF, 11, "backoff") \
	X(HEALTH, 12, "health") \
	X(GROUP, 13, "group") \
	X(CAPACITY, 14, "capacity") \
	X(RATE, 15, "rate")
enum wait {
#define X(name, number, text) WAIT_##name = number,
	WAITS(X)
#undef X
	        WAITS_N
};

/* Texts as the API says them; the reverse gives false for an unknown text. */
const char *campaign_state_text(enum campaign_state s);
const char *target_state_text(enum target_state s);
const char *reason_text(enum reason r);
const char *wait_text(enum wait w);
bool campaign_state_parse(const char *text, enum campaign_state *ret);
bool target_state_parse(const char *text, enum target_state *ret);
bool reason_parse(const char *text, enum reason *ret);
bool wait_parse(const char *text, enum wait *ret);

bool campaign_state_is_final(enum campaign_state s);
bool target_state_is_final(enum target_state s);

#define DEVICE_ID_MAX 128 /* characters, contract 2.1 */
#define HUBS_MAX 64
#define ZONES_MAX 1000 /* time zones in a campaign: more than there are */
#define HUB_NAME_MAX 64
#define TARGETS_MAX 1000000u

/* How strongly evidence speaks, strongest first (product: Evidence), but for the last: ACCEPTED is only the
 * device's answer, RECONNECT only that it was away and came back, which it may do of itself. */
#define STRENGTHS(X) \
	X(NONE, 0, "none") \
	X(ATTEMPT_ID, 1, "attemptId") \
	X(BOOT_ID, 2, "bootId") \
	X(VALUE, 3, "value") \
	X(PREDICATE, 4, "predicate") \
	X(ACCEPTED, 5, "accepted") \
	X(RECONNECT, 6, "reconnect")
enum strength {
#define X(name, number, text) STRENGTH_##name = number,
	STRENGTHS(X)
#undef X
};
const char *strength_text(enum strength s);

/* Where evidence comes from. */
#define SOURCES(X) \
	X(NONE, 0, "none") \
	X(REPLY, 1, "reply") \
	X(READ, 2, "read") \
	X(QUERY, 3, "query")
enum source {
#define X(name, number, text) SOURCE_##name = number,
	SOURCES(X)
#undef X
};
const char *source_text(enum source s);

/* What the watched properties were before the first call; taken once, never again for the same target. Values
 * are kept as fingerprints of their compact JSON text: to differ is all that counts. */
struct baseline {
	uint64_t value_hash; /* of the watched property, where has_value */
	uint64_t boot_hash;  /* of the boot id, where has_boot */
	uint64_t version;    /* reported $version, 0: not known */
	int64_t value_at_ms; /* hub's $lastUpdated of the value or its nearest ancestor; TIME_NONE: not known
	                      */
	int64_t taken_at_ms; /* hub time of the answer that said so; a query's may be old */
	uint8_t source;      /* enum source; SOURCE_NONE: there is no baseline yet */
	bool has_value, has_boot;
	bool success_held; /* verify by where: the success predicate held already */
	bool was_up;       /* the hub said that it was connected */
};

/* One target as it is stored: all but its device id and its baseline, which never change. Times are UTC ms by
 * our clock unless named hub. */
#define GROUP_NONE UINT32_MAX
struct target_row {
	uint32_t campaign; /* the campaign's number */
	uint32_t no;       /* 0 … total-1: the order in which they are called */
	uint8_t state;     /* enum target_state */
	uint8_t reason;    /* enum reason */
	uint8_t wait;   /* enum wait: only DEVICE, OFFLINE, BACKOFF or NONE; the rest is the campaign's own */
	uint8_t hub;    /* index into the campaign's hubs */
	uint16_t zone;  /* index into the campaign's time zones; never changes */
	uint32_t group; /* index into the campaign's groups, GROUP_NONE: it has none; never changes */
	uint16_t attempts;     /* calls that count as attempts */
	uint16_t calls;        /* all calls made, also those that surely did not reach the device */
	uint16_t attempt_seq;  /* last part of the attempt id: moves after refused and noProof only */
	uint8_t redoubts;      /* how often evidence of absence sent it back to waiting */
	uint8_t offline_tries; /* 404103 in a row: sets the next delay */
	bool is_unresolved;    /* an earlier call (404103) may have acted: read and compare before the next */
	bool has_moved; /* evidence newer than the intent showed a value that is neither baseline nor done */
	int32_t method_status; /* the device's last answer, 0: none */
	int64_t changed_at_ms;
	int64_t next_at_ms;   /* waiting: not before (TIME_NONE: no clock decides); else: the deadline */
	int64_t called_at_ms; /* the last call's intent */
	int64_t since_hub_ms; /* hub time of the first call that may have acted: evidence must not be older */
	int64_t hold_until_ms; /* keeps the device (and, settling, the slot) until then; TIME_NONE: does not
	                        */
	int64_t offline_ms;    /* time already spent offline that counts */
};

/* What stopped a campaign (paused it, or had it cancelled), where that was no order. */
#define STOPS(X) \
	X(NONE, 0, "") \
	X(ABORT_RULE, 1, "abortRule") \
	X(GATE, 2, "gate")
enum stop {
#define X(name, number, text) STOP_##name = number,
	STOPS(X)
#undef X
	        STOPS_N
};
const char *stop_text(enum stop s);

/* How a proven device relapsed. */
#define RELAPSES(X) \
	X(NONE, 0, "") \
	X(RESTARTED, 1, "restarted") \
	X(DROPPED, 2, "dropped") \
	X(UNDONE, 3, "undone")
enum relapse {
#define X(name, number, text) RELAPSE_##name = number,
	RELAPSES(X)
#undef X
	        RELAPSES_N
};
const char *relapse_text(enum relapse r);

/* The watch over one target after its proof. */
struct relapse_row {
	uint32_t campaign, no;
	int64_t from_ms, until_ms; /* it has settled; the end of the watch */
	struct baseline after;     /* what its twin said when it had settled; SOURCE_NONE: not read yet */
	uint8_t relapse;           /* enum relapse: the first; then the watch is over */
	bool is_over;
	int64_t relapsed_at_ms; /* TIME_NONE: has not */
};

/* Counts of one campaign; their sum over states is the number of targets, always (P8). */
struct counts {
	uint32_t total;
	uint32_t state[TARGET_STATES_N];
	uint32_t reason[REASONS_N];
	uint32_t wait[WAITS_N]; /* of the waiting ones: by target_row.wait */
};

/* One wave's life:
 *   PENDING ──gate before it holds──▶ OPEN ──all final, gate holds──▶ SOAKING ──soaked──▶ PASSED
 *                                      └──gate cannot hold any more──▶ FAILED ──overridden──▶ OPEN */
#define WAVE_STAGES(X) \
	X(PENDING, 0, "pending") \
	X(OPEN, 1, "open") \
	X(SOAKING, 2, "soaking") \
	X(PASSED, 3, "passed") \
	X(FAILED, 4, "failed")
enum wave_stage {
#define X(name, number, text) WAVE_##name = number,
	WAVE_STAGES(X)
#undef X
};
const char *wave_stage_text(enum wave_stage s);

#define WAVES_MAX 32
struct wave_row {
	uint8_t stage;                      /* enum wave_stage */
	bool is_approved;                   /* a person let the next wave open */
	bool is_overridden;                 /* … although its gate failed */
	int64_t opened_at_ms, proven_at_ms; /* the last proof; TIME_NONE: not yet */
	uint32_t state[TARGET_STATES_N];    /* its targets by state */
	uint32_t relapsed;                  /* of those that succeeded */
};

/* What an abort rule had counted when the campaign was resumed after it: it counts afresh from there. */
#define ABORTS_MAX 16
struct abort_base {
	uint32_t finished, failed;
};

/* What a campaign has been charged for: requests that the hub answered or may have, and the messages of the
 * daily quota that they make, an estimate (contract 2.7, 7.2). */
struct campaign_cost {
	uint64_t calls, query_pages, point_reads, messages;
};

/* What was spent of a hub's day, which is counted since 1970 by the hub's clock. */
struct usage_row {
	const char *hub; /* its name */
	int64_t day;
	uint64_t messages;
};

/* One campaign as it is stored. Strings belong to whoever says so where it is used. */
struct campaign_row {
	uint32_t no;      /* our own number, 1 … */
	char id[ID_SIZE]; /* its name in the API */
	const char *name;
	const char *spec;          /* JSON, defaults filled in; a list of ids only as its count */
	uint32_t spec_revision;    /* the ETag: moves when the spec does */
	enum campaign_state state; /* as shown */
	enum campaign_state phase; /* what it goes back to when a pause ends; else the same as state */
	const char *state_reason;  /* plain English, "" for none */
	const char *created_by;
	int64_t created_at_ms, started_at_ms, finished_at_ms; /* TIME_NONE: not yet */
	int64_t start_at_ms, end_at_ms;
	struct counts counts;
	uint32_t selected; /* targets found so far, while selecting */
	struct campaign_cost cost;
	char retry_of[ID_SIZE]; /* the campaign whose failed targets it calls again, \"\": none; never changes
	                         */
	char schedule_id[ID_SIZE]; /* the schedule that started it, \"\": none; never changes */
	/* The occurrence of that schedule for which it was: one campaign each. TIME_NONE: none. Never
	 * changes. */
	int64_t occurrence_at_ms;
	uint32_t waves_n, aborts_n; /* those in use of: */
	struct wave_row waves[WAVES_MAX];
	struct abort_base aborts[ABORTS_MAX];
};

/* A campaign's counts as of the last commit of a slot of time. Slots begin every so many seconds (a power of
 * two, the campaign's own; it grows) after the second in which the campaign was made. */
struct progress_row {
	uint32_t campaign;
	uint32_t slot_s;   /* when the slot begins, in seconds after the campaign was made */
	int64_t at_ms;     /* of that commit, our clock */
	uint64_t revision; /* of that commit */
	uint32_t total, state[TARGET_STATES_N];
};

/* What was foretold of a campaign when its targets were known, and what became of its waves. */
struct plan_row {
	uint32_t campaign;
	const char *text;               /* JSON */
	int64_t ended_at_ms[WAVES_MAX]; /* all targets of the wave were final; TIME_NONE: not yet */
};

/* A schedule as it is stored. Strings belong to whoever says so where it is used. */
struct schedule_row {
	uint32_t no;      /* our own number, 1 … */
	char id[ID_SIZE]; /* its name in the API */
	const char *name;
	const char *spec;  /* JSON, defaults filled in */
	uint32_t revision; /* the ETag */
	bool is_paused;
	const char *created_by;
	int64_t created_at_ms;
	/* Occurrences until then have been dealt with, the last of which clocks showed at done_local_s
	 * (INT64_MIN: none yet): neither a clock set back nor other time zone data bring one again. */
	int64_t done_at_ms, done_local_s;
	int64_t next_at_ms;   /* TIME_NONE: none any more */
	int64_t queued_at_ms; /* an occurrence that waits for the campaign before to end; TIME_NONE: none */
	int64_t last_at_ms;   /* when it last started a campaign, and which: TIME_NONE, "" for none yet */
	char last_campaign[ID_SIZE];
	uint32_t started, skipped, missed, failed; /* what became of its occurrences so far */
};

/* What happened, as told to people; numbered +1 each, in the order of commits. */
#define EVENT_TYPES(X) \
	X(CAMPAIGN, 0, "campaign") \
	X(WAVE, 1, "wave") \
	X(TARGET, 2, "target") \
	X(SCHEDULE, 3, "schedule") \
	X(HUB, 4, "hub")
enum event_type {
#define X(name, number, text) EVENT_##name = number,
	EVENT_TYPES(X)
#undef X
};
const char *event_type_text(enum event_type t);

struct event {
	uint64_t id;
	int64_t at_ms;
	enum event_type type;
	uint32_t campaign;     /* 0: of none */
	const char *device_id; /* NULL: of none */
	uint8_t from, to;      /* campaign or target states, by type */
	uint8_t reason;        /* enum reason */
	uint16_t attempt;
	const char *detail; /* more members as JSON text without braces ("\"by\":\"eva\""), NULL: none */
};

/* One call that has ended (or was cut short by a crash). */
struct attempt_row {
	uint32_t campaign, no;
	uint16_t call;    /* 1 …, the target's calls in order */
	uint16_t attempt; /* which attempt it counted as; 0: it surely did not reach the device */
	uint16_t attempt_seq;
	int64_t called_at_ms, ended_at_ms;
	int64_t hub_at_ms;                            /* the intent's hub time */
	const char *outcome;                          /* text of enum hub_outcome, "crash" or "withdrawn" */
	int32_t http_status, hub_code, method_status; /* 0: none */
	const char *payload;     /* the device's answer, JSON, cut at 4 KiB; NULL: none */
	const char *tracking_id; /* for Microsoft's support; NULL: none */
};

/* One thing that a twin or an answer said about a target. */
struct evidence_row {
	uint32_t campaign, no;
	int64_t at_ms;     /* our clock, when it was learnt */
	int64_t hub_at_ms; /* hub time of the answer */
	enum source source;
	enum strength strength;    /* NONE: it does not prove the action */
	bool is_baseline, is_late; /* late: after the final state, appended only */
	const char *verdict;       /* "baseline" "proven" "failed" "gone" "moved" "absent" … */
	const char *value;         /* what was seen, JSON; NULL: nothing */
	int64_t value_at_ms;       /* $lastUpdated, TIME_NONE: none */
};

/* One page of what a selection found, as it came: ids with their baselines, not yet in calling order. */
struct selected {
	const char *device_id;
	uint8_t hub;
	bool is_disabled;  /* as far as the page knew */
	const char *group; /* value of the tag that groups devices, NULL: it has none */
	const char *zone;  /* value of the tag that names its time zone, NULL: it has none */
	struct baseline baseline;
};
struct selection_page {
	uint32_t page; /* 0 … in the order of arrival, over all hubs of the campaign */
	uint8_t hub;
	const struct selected *rows;
	size_t rows_n;
	const char *continuation; /* where to go on; NULL: this hub is done */
};

/* Of a row on record that has changed after now_ms, since the clock has gone back: it has changed now at the
 * latest, and its times lie as far from that as they did. */
void target_row_rebase(struct target_row *row, int64_t now_ms);

#endif
