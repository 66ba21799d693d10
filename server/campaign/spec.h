/* campaign/spec: what a campaign is asked to do, with its defaults filled in (product: A campaign spec), and
 * whether it is sound: all reasons, not just the first. */
#ifndef ROLLCALL_SERVER_CAMPAIGN_SPEC_H
#define ROLLCALL_SERVER_CAMPAIGN_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/err.h"
#include "server/campaign/fault.h"
#include "server/campaign/model.h"
#include "server/campaign/profile.h"

struct strings {
	char **all;
	size_t n;
};

/* A number, or a share of the campaign's targets rounded down but at least 1. */
struct limit {
	uint32_t value;
	bool is_percent;
};

#define SPEC_SEED_MAX ((UINT64_C(1) << 53) - 1) /* what every JSON client keeps exactly */
#define SPEC_REASON_SIZE 160
#define LIST_NAME_MAX 64
#define DEVICE_ID_RULE \
	"must be a device id: 1 to 128 letters, digits or - . + % _ # * ? ! ( ) , : ; = @ $ ', but not . or .."

enum targets_by { TARGETS_WHERE, TARGETS_IDS, TARGETS_ALL, TARGETS_LIST };
enum targets_order { ORDER_SHUFFLED, ORDER_BY_ID, ORDER_AS_GIVEN };
enum verify_by { VERIFY_PROPERTY, VERIFY_WHERE, VERIFY_NONE, VERIFY_RECONNECT };

/* When a person has to approve: START before the first wave, AFTER_FIRST after the first, EACH after every
 * wave but the last. In the gate of a later wave, START and AFTER_FIRST are inherited and ask for nothing. */
enum approval { APPROVAL_NONE, APPROVAL_START, APPROVAL_AFTER_FIRST, APPROVAL_EACH };

/* What must hold before the wave after this one opens. */
struct gate_spec {
	uint32_t min_success_percent; /* succeeded ÷ (succeeded + failed) of the wave; 0: none asked for */
	uint32_t soak_s;              /* after the wave's last proof */
	enum approval approval;
};

/* A slice of the targets, up to and including this share or number of them all (cumulative). */
struct wave_spec {
	char *name; /* NULL: none given */
	bool is_percent;
	uint32_t up_to;
	struct gate_spec gate; /* what holds: its own members, and the rollout's for the others */
	bool has_gate;         /* a gate of its own was given, with these members */
	bool owns_min_success, owns_soak, owns_approval;
};

/* Counted over the whole campaign; met, it pauses or cancels. */
struct abort_rule {
	enum reason cause; /* of a failed target; REASON_NONE: any */
	uint32_t count;    /* at least so many; 0: by percent */
	uint32_t percent;  /* of succeeded + failed, once these are min_finished */
	uint32_t min_finished;
	bool cancels; /* else pauses */
};

/* When calls may be made: a recurring start and a length in real minutes. */
#define WINDOWS_MAX 16
struct window_spec {
	char *cron, *rrule; /* one of them */
	uint32_t duration_min;
};

/* Local dates, days since 1970-01-01, both included. */
#define BLACKOUTS_MAX 100
struct blackout_spec {
	int64_t from_day, to_day;
};

/* How a call goes to its device: a request of ours, or a job of the hub's. */
enum transport { TRANSPORT_DIRECT, TRANSPORT_HUB_JOB };

struct campaign_spec {
	char *name;
	struct strings hubs; /* empty: every configured hub */
	struct {
		enum action_type type;
		char *method_name;
		char *payload; /* compact JSON text, never NULL ("null") */
		uint32_t response_timeout_s, connect_timeout_s;
		bool attach_attempt_id;
		enum transport transport;
	} action;
	struct {
		enum targets_by by;
		char *where;        /* TARGETS_WHERE */
		char *list;         /* TARGETS_LIST: name of a stored device list */
		struct strings ids; /* TARGETS_IDS: as given, each once; empty once they are stored */
		uint32_t ids_n;     /* how many ids were given */
		struct strings exclude;
		enum targets_order order;
		uint64_t seed; /* ORDER_SHUFFLED; chosen and shown where not given */
		bool has_seed;
	} targets;
	struct {
		uint32_t rate_per_minute; /* 0: no rate of its own */
		struct limit max_unavailable;
		struct wave_spec waves[WAVES_MAX]; /* the last goes up to all */
		uint32_t waves_n;                  /* at least 1 */
		struct gate_spec gate;
		char *group_by; /* "tags.site", NULL: no groups */
		struct limit group_max_unavailable;
	} rollout;
	struct {
		char *where; /* NULL: none */
		bool skips;  /* onFail skip; else wait */
	} precheck;
	struct abort_rule aborts[ABORTS_MAX];
	uint32_t aborts_n;
	struct {
		int64_t start_at_ms;         /* TIME_NONE: now */
		int64_t end_at_ms;           /* TIME_NONE: see end_after_s */
		uint32_t end_after_s;        /* after the start; default 30 days */
		struct window_spec *windows; /* none: at any time */
		uint32_t windows_n;
		struct blackout_spec *blackouts;
		uint32_t blackouts_n;
		bool has_time_zone;  /* it was said */
		bool is_device_zone; /* each device's own, by its tag */
		char *zone_tag;      /* is_device_zone: "tags.timeZone" */
		char *time_zone;     /* is_device_zone: of devices whose tag is no zone */
		bool must_finish;    /* a call's time-outs must end in the window, too */
	} schedule;
	struct {
		uint32_t max_attempts;
		bool on_refused, on_no_proof;
		bool doubtful_never; /* "never"; else "afterEvidence" */
		uint32_t backoff_s, backoff_max_s;
	} retry;
	struct {
		bool wait;
		uint32_t expire_after_s;
	} offline;
	struct {
		enum verify_by by;
		char *path;              /* VERIFY_PROPERTY: below properties.reported */
		bool path_is_profiles;   /* path is the profile's own, so its done and failed values count */
		char *success, *failure; /* VERIFY_WHERE; failure may be NULL */
		uint32_t timeout_s, settle_s;
		uint32_t relapse_watch_s; /* 0: nobody looks after a proof */
		bool accept_rewrite;
	} verify;
};

/* Reads a campaign's JSON (RFC 8259) and fills in the defaults. Every fault (unknown member, wrong type, out
 * of range, contradiction, what is not there yet) is added with its pointer; predicates are not parsed here.
 * is_stored: the text is our own spec_render(), where deviceIds is a count. ERR_INVALID with faults: not
 * sound; ERR_INVALID without: not JSON, or with a member twice in one object (then ret_at is the byte offset
 * and ret_reason the reason). ret is to be freed by spec_done() in every case. Needs no clock: times are
 * taken as said. */
MUST_CHECK enum err spec_parse(const char *json, size_t len, bool is_stored, struct campaign_spec *ret,
                               struct faults *faults, size_t *ret_at, char ret_reason[SPEC_REASON_SIZE]);
/* Applies a JSON Merge Patch (RFC 7396) to a spec that is stored, and reads the result as such. Every change
 * is a fault but those that a campaign can take while it lives: rate, limits, the members of gates, abort
 * rules, the end (endAt and endAfterSeconds replace each other), offline, and retry without doubtful, which
 * P2 promises for the whole campaign. The name stays: what was told already has it. What comes out the same
 * did not change. Answers, and ret, as of spec_parse(); ret_at is a place in the patch. */
MUST_CHECK enum err spec_patch(const struct campaign_spec *old, const char *patch_json, size_t len,
                               struct campaign_spec *ret, struct faults *faults, size_t *ret_at,
                               char ret_reason[SPEC_REASON_SIZE]);
/* Appends the spec as JSON, defaults filled in, ids as their count; what has neither value nor default (hubs,
 * seed, ratePerMinute, startAt) is left out. Only for a sound spec, as are the next. */
void spec_render(const struct campaign_spec *s, struct buf *out);
void spec_done(struct campaign_spec *s);

/* The limit for a campaign (or group) of so many targets; at least 1. */
uint32_t limit_of(struct limit l, uint32_t targets);
/* Gives the number of the first target behind the wave, of so many. Shares round down, but the first wave has
 * at least one target where there are any; the last ends with all. A wave that would end no later than those
 * before it is empty. */
uint32_t wave_end(const struct campaign_spec *s, uint32_t wave, uint32_t total);
/* Gives the wave of target no; the last one's for no >= total. */
uint32_t wave_of(const struct campaign_spec *s, uint32_t no, uint32_t total);
/* Appends the action's payload as compact JSON, with "attemptId" added where the spec wants it. */
void spec_payload(const struct campaign_spec *s, const char *attempt_id, struct buf *out);

/* Whether text may be a device's id (contract 2.1), the name of a device list. */
bool spec_is_device_id(const char *text);
bool spec_is_list_name(const char *text);

#endif
