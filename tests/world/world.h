/* world: an IoT Hub and its fleet in memory. Answers raw REST requests as iot-hub-contract.md ("contract")
 * says a hub does, on a given clock and a given seed: same seed and same calls at the same times give the
 * same answers, byte for byte. No I/O, no clock, no luck of its own, no globals. Knows nothing of the service
 * under test: its reading of Azure is its own, or both would err alike. Credentials and TLS are the door's
 * business. Not thread-safe: one thread at a time. */
#ifndef ROLLCALL_TESTS_WORLD_WORLD_H
#define ROLLCALL_TESTS_WORLD_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/err.h"
#include "server/base/rng.h"

struct world; /* opaque */

/* How a device behaves when a method reaches it. Shares are drawn from the seed (world_options.share); a test
 * may set one device (world_set_temper()). "Acts" means: an ACT entry in the journal. */
#define WORLD_TEMPERS(X) \
	X(OK, "ok", "answers 200, reports, restarts, comes back") \
	X(SLOW, "slow", "as ok, but answers and reports late (slow_answer, slow_report)") \
	X(AWAY, "away", "not connected until world_options.away has passed, then as ok") \
	X(OFFLINE, "offline", "never connected") \
	X(REFUSING, "refusing", "answers a device status 4xx or 5xx, does not act") \
	X(NO_METHOD, "noMethod", "answers device status 404, does not act") \
	X(LOST_AFTER, "lostAfter", "acts, but its answer is lost: 504101, or the connection is cut") \
	X(LOST_BEFORE, "lostBefore", \
	  "does not act, and its answer is lost: 504101, or the connection is cut") \
	X(DEAF, "deaf", "connected and subscribed, but silent: 504101 after responseTimeout, does not act") \
	X(NEVER_BACK, "neverBack", "acts, goes down and stays down; every second one reported before") \
	X(LYING, "lying", "answers 200, does nothing and reports nothing") \
	X(LOOPING, "looping", "as ok, then restarts again and again (loop)")

enum world_temper {
#define X(name, text, meaning) WORLD_##name,
	WORLD_TEMPERS(X)
#undef X
	        WORLD_TEMPERS_N
};

/* Gives the text of temper ("ok", "noMethod" …). */
const char *world_temper_text(enum world_temper temper);
bool world_temper_parse(const char *text, enum world_temper *ret_temper);

enum world_sku { WORLD_SKU_NONE, WORLD_SKU_F1, WORLD_SKU_S1, WORLD_SKU_S2, WORLD_SKU_S3 };

/* Points that the contract leaves open ("[?]") or lists as disagreements (section 14), as far as a client of
 * the service can notice: X(member, how many values, what they mean). 0 is what we hold most likely. */
#define WORLD_QUIRKS(X) \
	X(page_max, 2, "0: pages of at most 100, 1: 1000 (contract 4.1)") \
	X(missing_is_null, 2, "a projected value that is missing is 0: left out, 1: null (4.2)") \
	X(plain_key, 2, \
	  "the key of a projection without alias is 0: its last segment, 1: the whole path (4.2)") \
	X(missing_differs, 2, \
	  "a comparison with a missing or mixed-type value is 0: undefined, also under NOT, 1: false, and != true (4.2)") \
	X(names_any_case, 2, "1: names of twin properties in queries match in any case (4.2)") \
	X(no_startswith, 2, "1: STARTSWITH and ENDSWITH are refused with 400 (4.2)") \
	X(item_type_lower, 2, "x-ms-item-type is 0: Twin, Raw, 1: twin, raw (4.1)") \
	X(bad_continuation, 2, "a foreign continuation gets 400 with 0: envelope A, 1: an empty body (4.4)") \
	X(page_is_free, 2, "1: only the first page of a query counts against the query throttle (7.1)") \
	X(rewrite, 3, \
	  "writing the same value moves 0: $version and $lastUpdated, 1: $version only, 2: nothing (3.3)") \
	X(children_without_metadata, 2, \
	  "an object that replaces a scalar has children 0: without, 1: with $metadata (3.3)") \
	X(version_counts_reports, 2, "1: a twin's version also counts reported patches (3.2)") \
	X(oversize_413, 2, "a service write over the twin limits gets 0: 400, 1: 413 (3.3)") \
	X(long_times, 2, "times have 0: 3, 1: 7 fraction digits (3.2)") \
	X(unset_time_bare, 2, "1: unset times in twins lack the Z (3.2)") \
	X(thumbprint_caps, 2, "1: PrimaryThumbprint, SecondaryThumbprint (3.2)") \
	X(connection_lags, 2, "1: connectionState in twins and queries lags by up to 5 minutes (3.2)") \
	X(drop_is_504, 2, \
	  "a link that drops during a call: 0: 404103 at once, 1: 504101 at the time-out (8.3)") \
	X(method_envelope, 3, "errors of methods come in envelope 0: B, 1: C, 2: A (2.5)") \
	X(text_404103, 3, "0: text of 2024, 1: the old text, 2: EdgeHub's (2.5)") \
	X(not_found_flat, 2, "404001 for a method is in 0: the envelope of methods, 1: envelope A (2.5)") \
	X(info_timeout, 2, "504101 says info 0: {}, 1: {\"timeout\":…} (2.5)") \
	X(quota_envelope, 2, "403002 comes in 0: envelope A, 1: that of methods (7.2)") \
	X(version_error_empty, 2, "a wrong api-version gets 400 with 0: envelope A, 1: an empty body (6)") \
	X(retry_after, 2, "1: 429 carries Retry-After (7.3)") \
	X(throttle_name, 2, "429 is named 0: ThrottlingBacklogTimeout, 1: ThrottlingException (7.3)") \
	X(s2_methods_fast, 2, "1: S2 has 24 MB/s of methods per unit, as a footnote says (7.1)") \
	X(f1_devices, 2, "1: F1 refuses more than 500 identities (7.1)") \
	X(inflight_limit, 2, "calls in flight to one device: 0: no limit, 1: 16, then 403800 (2.3)") \
	X(id_colons, 2, "1: device ids may hold : and ; (2.1)") \
	X(job_ids_any_case, 2, "letters of job ids are 0: lower-case, 1: of any case (5.1)")

struct world_quirks {
#define X(name, values_n, meaning) uint8_t name;
	WORLD_QUIRKS(X)
#undef X
};

/* Draws each quirk evenly from its values. */
void world_quirks_draw(struct world_quirks *quirks, struct rng *rng);
/* Sets one by name; false where there is no such quirk or value. */
bool world_quirks_set(struct world_quirks *quirks, const char *name, unsigned value);
/* Gives the name and the value of quirk number i, NULL past the end. */
const char *world_quirks_get(const struct world_quirks *quirks, size_t i, unsigned *ret_value);

/* A span is drawn evenly from min_ms … max_ms, both included. */
struct world_span {
	int64_t min_ms, max_ms;
};

/* The fleet: ids are id_prefix and six digits, "dev-000000" on. Device i has
 * tags {"site":"site-NNN" (i / site_size), "line":"line-a|b|c|d", "timeZone": one of 6 IANA names (by site)}.
 */
struct world_options {
	uint64_t seed;
	uint32_t devices_n;
	const char *host; /* HostName of the hub, for texts only */
	const char *id_prefix;
	int64_t start_ms;   /* the fleet is as old as this; the first request may not be earlier */
	uint32_t site_size; /* devices a site */
	bool with_history;  /* twins hold an iothubDM.reboot.lastReboot of some weeks before start_ms
	                       (and factoryReset, firmwareUpdate likewise) */
	double share[WORLD_TEMPERS_N]; /* of the fleet, each 0 … 1; the rest is WORLD_OK */
	double agents_share;    /* devices that remember attemptId and report accepted, done and bootId */
	uint32_t trouble_calls; /* a device whose temper is not OK behaves so for as many calls, then as OK;
	                           0: for ever */
	double update_fails_share; /* firmware updates that end in downloadfailed or applyFailed */

	enum world_sku sku; /* NONE: no throttle, no quota */
	uint32_t units;
	uint64_t quota_messages;     /* a day; 0: that of the SKU */
	int64_t throttle_burst_ms;   /* what a bucket holds: this long at the rated speed */
	int64_t throttle_backlog_ms; /* the longest shaping delay; beyond it 429 */

	struct world_span request; /* caller to hub */
	struct world_span answer;  /* a device's thinking */
	struct world_span slow_answer, slow_report;
	struct world_span report;   /* from a device's answer to its report */
	struct world_span leave;    /* from there to going down */
	struct world_span boot;     /* time away */
	struct world_span away;     /* WORLD_AWAY: after start_ms */
	struct world_span loop;     /* WORLD_LOOPING: time up between two restarts */
	struct world_span step;     /* of a firmware update */
	int64_t clock_skew_ms;      /* device clocks are wrong by up to this, either way */
	struct world_span hub_slow; /* extra time of WORLD_FAULT_SLOW */
	int64_t subscribe_ms; /* from connect to method subscription: 404103 meanwhile (contract 11 #1) */
	struct world_span query_lag; /* the index is behind the twins by this (0: never) */
	int64_t ghost_ms;            /* deleted devices stay in the index as long (at least query_lag) */
	struct world_quirks quirks;
};

/* Sane values: no devices, host "hub.azure-devices.net", prefix "dev-", sites of 50, all devices ok, no SKU,
 * no lag, answers in 20…80 ms, boots in 2…4 s, all quirks 0. */
void world_options_init(struct world_options *options);
/* Gives a world. Borrows options. */
struct world *world_new(const struct world_options *options);
void world_free(struct world *w); /* NULL is fine; answers nothing */

/* --- Requests --- */

struct world_request {
	const char *method, *path; /* path with query string, still percent-encoded */
	const char *continuation, *max_item_count, *if_match; /* header values or NULL */
	const char *body;                                     /* NULL: none */
	size_t body_bytes;
};

struct world_answer {
	bool is_cut; /* the connection is cut: no answer; all below is unset */
	bool closes; /* "Connection: close" goes with it (contract 7.3) */
	int status;
	const char *error_code; /* iothub-errorcode header or NULL, as the next two */
	const char *continuation, *item_type;
	const char *etag;  /* ETag header with its quotes, or NULL */
	int retry_after_s; /* Retry-After header, 0: none */
	int64_t date_ms;   /* the hub's time of answering: the Date header */
	const char *body;  /* application/json; charset=utf-8. Never NULL */
	size_t body_bytes;
	const char *tracking_id; /* x-ms-request-id */
};

/* answer is borrowed until return. May call world_request() and world_abandon(). */
typedef void world_answer_cb(void *arg, void *ticket, const struct world_answer *answer);

/* Puts a request on the wire. ticket names it and must differ from every other open one. Never answers inside
 * the call. Borrows r. Whatever is due before now_ms should have been run. */
void world_request(struct world *w, int64_t now_ms, const struct world_request *r, void *ticket);
/* The caller of ticket went away (its connection is closed): there will be no answer. What was sent is not
 * taken back. Nothing happens where the ticket is not open. */
void world_abandon(struct world *w, void *ticket);
/* When something is next due, TIME_NEVER if nothing is. */
int64_t world_next_at(const struct world *w);
/* Does everything due up to now_ms, in order, each at its own time. */
void world_run(struct world *w, int64_t now_ms, world_answer_cb *on_answer, void *arg);

/* --- Journal: the ground truth --- */

#define WORLD_ENTRIES(X) \
	X(CALL, "call", "a method call reached a device") \
	X(ACT, "act", "the device begins the action of that call; never for an attempt id it remembers") \
	X(END, "end", \
	  "the hub ended the call that had reached the device: status is the HTTP status, 0: the caller learns nothing") \
	X(REPORT, "report", "the hub applied a reported patch: payload is the patch") \
	X(MESSAGE, "message", \
	  "the hub took a message of a device: payload is {\"bytes\":n,\"properties\":\"as sent\"}") \
	X(BOOT, "boot", "the device goes down for a restart") \
	X(LEFT, "left", "the device's link is gone") \
	X(JOINED, "joined", "the device is connected again")

enum world_entry_kind {
#define X(name, text, meaning) WORLD_##name,
	WORLD_ENTRIES(X)
#undef X
};
const char *world_entry_text(enum world_entry_kind kind);

struct world_entry {
	enum world_entry_kind kind;
	int64_t at_ms;
	const char *device_id;
	const char *method;  /* CALL, ACT, END, and BOOT when a call was the cause; else NULL */
	const char *payload; /* JSON text: CALL, ACT (the method's), REPORT (the patch), MESSAGE; else NULL */
	const char *attempt_id; /* "attemptId" of the payload, NULL if it has none */
	int status;             /* END */
	uint64_t call;          /* number of the call over the world, from 1; 0 for what no call caused */
};

typedef void world_journal_cb(void *arg, const struct world_entry *entry);

/* Tells every entry as it happens, inside world_run() and inside the verbs for tests below. NULL ends it. */
void world_on_journal(struct world *w, world_journal_cb *on_entry, void *arg);

/* --- Hub faults --- */

#define WORLD_FAULTS(X) \
	X(THROTTLED, "throttled", "429, not executed") \
	X(UNAUTHORIZED, "unauthorized", "401") \
	X(QUOTA, "quota", "403002") \
	X(ERROR_BEFORE, "errorBefore", "500, 502 or 503, not executed") \
	X(ERROR_AFTER, "errorAfter", "500, 502 or 503 although executed") \
	X(LOST_504, "lost504", "504101 although executed") \
	X(LOST_404, "lost404", "404103 although executed (contract 11 #3)") \
	X(OFFLINE_404, "offline404", \
	  "404103 although the device is connected, not executed (contract 11 #2)") \
	X(CUT_BEFORE, "cutBefore", "the connection is cut, not executed") \
	X(CUT_AFTER, "cutAfter", "the connection is cut although executed") \
	X(SILENT_BEFORE, "silentBefore", "never an answer, not executed") \
	X(SILENT_AFTER, "silentAfter", "never an answer although executed") \
	X(SLOW, "slow", "the answer takes hub_slow longer") \
	X(MALFORMED, "malformed", "an error's body is not readable JSON; no effect on success") \
	X(SHORT_PAGE, "shortPage", "a query page holds fewer rows than it could") \
	X(EMPTY_PAGE, "emptyPage", "a query page is empty, with a continuation") \
	X(DELIVERED_TWICE, "deliveredTwice", \
	  "a linked device gets the same call twice, under the same request id") \
	X(SESSION_LOST, "sessionLost", \
	  "a device that connects finds its stored session gone (contract 11 #10)")

enum world_fault_kind {
#define X(name, text, meaning) WORLD_FAULT_##name,
	WORLD_FAULTS(X)
#undef X
};
const char *world_fault_text(enum world_fault_kind kind);
bool world_fault_parse(const char *text, enum world_fault_kind *ret_kind);

/* Request families, as bits. */
#define WORLD_METHODS 1u
#define WORLD_TWINS 2u
#define WORLD_QUERIES 4u
#define WORLD_REGISTRY 8u
#define WORLD_CONNECTS 16u /* of linked devices, whose twin operations are of WORLD_TWINS */
#define WORLD_JOBS 32u
#define WORLD_ALL 63u

struct world_fault {
	enum world_fault_kind kind;
	double share; /* of the requests that arrive meanwhile; 1: all (an outage) */
	unsigned families;
	int64_t from_ms, until_ms; /* until: excluded */
	uint32_t count;            /* at most as many hits; 0: no limit */
};

/* Adds a fault; of several that hit one request the first added wins; SLOW, MALFORMED, the page faults and
 * those of links go along with others. */
void world_fault_add(struct world *w, const struct world_fault *fault);
void world_faults_clear(struct world *w);

/* --- Links: devices from outside, in the place of simulated ones ---
 *
 * A link is one connection of one device (contract 8), whose credentials the door has checked. From the first
 * one on the simulated device of that id is gone for good: what answers calls and reports is outside, while
 * twin, index, throttles and journal are the same as for all others. */

struct world_link;

/* What the device has subscribed to, as bits. */
enum { WORLD_LINK_METHODS = 1, WORLD_LINK_TWIN = 2, WORLD_LINK_DESIRED = 4 };

enum world_link_opening {
	WORLD_LINK_OPEN,
	WORLD_LINK_OPEN_AFRESH, /* and whatever session was stored is lost (fault) */
	WORLD_LINK_BUSY,        /* throttled: to be tried again later */
	WORLD_LINK_DENIED       /* gone or disabled meanwhile */
};

/* Called from world_run() and from verbs that act at once, never inside a call for the same link. Texts are
 * borrowed until return. */
struct world_link_events {
	/* Comes first. The last two end the link: it is no more. */
	void (*on_opened)(void *arg, enum world_link_opening how);
	/* payload is JSON, "null" where the caller gave none. */
	void (*on_method)(void *arg, const char *rid, const char *name, const char *payload);
	/* A change of desired properties: patch has its $version. */
	void (*on_desired)(void *arg, uint32_t version, const char *patch);
	/* The answer to world_link_get() (200) or world_link_report() (204, with the version it made, empty
	 * body); else the body tells the error. */
	void (*on_twin)(void *arg, const char *rid, int status, uint32_t version, const char *body);
	/* The hub ends the link: a newer one of the same device, or the device is disabled or deleted. After
	 * return it is no more. */
	void (*on_ended)(void *arg);
};

/* What a device logs in with (contract 6, authentication.type): one of its keys, a certificate of one of its
 * thumbprints, one that an authority has signed for its id; or it cannot. */
enum world_login { WORLD_LOGIN_KEY, WORLD_LOGIN_THUMBPRINT, WORLD_LOGIN_AUTHORITY, WORLD_LOGIN_NONE };

/* ERR_NOT_FOUND: no such device; ERR_DENIED: it is disabled. */
MUST_CHECK enum err world_device_login(const struct world *w, const char *device_id,
                                       enum world_login *ret_login);
/* Appends a device's primary or secondary key, base64. ERR_NOT_FOUND: no such device; ERR_DENIED: it is
 * disabled, or has no keys to log in with. */
MUST_CHECK enum err world_device_key(const struct world *w, const char *device_id, bool is_secondary,
                                     struct buf *out);
/* Gives its primary or secondary thumbprint, 40 (SHA-1) or 64 (SHA-256) hex digits; NULL: it has none. Lent
 * until the next verb. */
const char *world_device_thumbprint(const struct world *w, const char *device_id, bool is_secondary);
/* Asks to connect a device, which must exist. Never NULL; keeps events and arg. */
struct world_link *world_link_open(struct world *w, int64_t now_ms, const char *device_id,
                                   const struct world_link_events *events, void *arg);
/* The connection is gone. Takes link: no callback comes any more. */
void world_link_close(struct world *w, int64_t now_ms, struct world_link *link);
/* All below: link has been opened. The bits are all it is subscribed to from now on. */
void world_link_subscribe(struct world *w, int64_t now_ms, struct world_link *link, unsigned subscriptions);
/* The device answers a call, JSON or nothing. Nobody may wait for it any more, which is no error.
 * ERR_INVALID: it is no JSON, or over 128 KB. */
MUST_CHECK enum err world_link_reply(struct world *w, int64_t now_ms, struct world_link *link,
                                     const char *rid, int status, const char *payload, size_t payload_bytes);
void world_link_get(struct world *w, int64_t now_ms, struct world_link *link, const char *rid);
void world_link_report(struct world *w, int64_t now_ms, struct world_link *link, const char *rid,
                       const char *patch, size_t patch_bytes);
/* properties: as in the topic, still encoded. */
void world_link_message(struct world *w, int64_t now_ms, struct world_link *link, const char *properties,
                        size_t body_bytes);

/* --- Verbs for tests: they act at now_ms, at once --- */

int64_t world_now(const struct world *w);        /* the time of what is happening, inside callbacks too */
uint32_t world_devices_n(const struct world *w); /* registered now */
bool world_has_device(const struct world *w, const char *device_id);
/* All below: ERR_NOT_FOUND where there is no such device. A temper says what the device does from now on; its
 * link stays as it is. */
MUST_CHECK enum err world_set_temper(struct world *w, const char *device_id, enum world_temper temper);
MUST_CHECK enum err world_get_temper(const struct world *w, const char *device_id,
                                     enum world_temper *ret_temper);
MUST_CHECK enum err world_set_agent(struct world *w, const char *device_id, bool is_agent);
/* Connects (a simulated device) or cuts a device's link; what it was doing goes on without it. */
MUST_CHECK enum err world_connect(struct world *w, int64_t now_ms, const char *device_id, bool is_connected);
MUST_CHECK enum err world_enable(struct world *w, int64_t now_ms, const char *device_id, bool is_enabled);
MUST_CHECK enum err world_delete(struct world *w, int64_t now_ms, const char *device_id);
/* Makes an identity and its empty twin, connected, WORLD_OK. ERR_CONFLICT where it exists. */
MUST_CHECK enum err world_create(struct world *w, int64_t now_ms, const char *device_id);
/* Restarts a device without a call; one from outside only loses its link. */
MUST_CHECK enum err world_reboot(struct world *w, int64_t now_ms, const char *device_id);
/* Applies merge patches as the device or the back end would; ERR_INVALID where patch_json is refused. */
MUST_CHECK enum err world_report(struct world *w, int64_t now_ms, const char *device_id,
                                 const char *patch_json);
MUST_CHECK enum err world_tag(struct world *w, int64_t now_ms, const char *device_id, const char *patch_json);
/* Gives the JSON text of a reported value by dotted path ("iothubDM.reboot.lastReboot"), yours to free();
 * NULL where there is none. As the twin has it now, not as the index shows it. */
char *world_reported(const struct world *w, const char *device_id, const char *path);
bool world_is_connected(const struct world *w, const char *device_id);
/* Restarts since the start. 0 for an unknown device. */
uint32_t world_boots(const struct world *w, const char *device_id);
/* Actions begun since the start. 0 for an unknown device. */
uint32_t world_acts(const struct world *w, const char *device_id);
/* Messages counted against the daily quota on the day of the last thing done. */
uint64_t world_messages(const struct world *w);
/* Messages since the start that requests caused (world_request()), and that devices did. */
void world_messages_by(const struct world *w, uint64_t *ret_callers, uint64_t *ret_devices);
/* What came of a throttle of contract 7.1 since the start: number i, false past the end. */
struct world_throttle_use {
	const char *name;
	uint64_t taken, delayed, refused; /* tokens; of the requests: held back, answered 429 */
	int64_t delay_max_ms;
};
bool world_throttle_use(const struct world *w, size_t i, struct world_throttle_use *ret);
/* Changes lag and quirks from here on; s2_methods_fast counts at world_new() only. */
void world_set_lag(struct world *w, struct world_span query_lag, int64_t ghost_ms);
struct world_quirks *world_quirks(struct world *w);

#endif
