/* world: what the files of this folder share. Not for others: they include world.h. */
#ifndef ROLLCALL_TESTS_WORLD_INTERNAL_H
#define ROLLCALL_TESTS_WORLD_INTERNAL_H

#include <jansson.h>
#include <sys/queue.h>
#include <uthash.h>

#include "server/base/buf.h"
#include "server/base/rng.h"
#include "tests/world/doc.h"
#include "tests/world/lang.h"
#include "tests/world/world.h"

/* --- agenda.c: what is due when --- */

struct event;

struct event_kind {
	void (*on_due)(struct world *w, struct event *e); /* e is off the agenda */
	void (*drop)(struct world *w, struct event *e);   /* the world ends */
};

/* Lies inside what it is about. Zeroed means: not on the agenda. */
struct event {
	const struct event_kind *kind;
	int64_t at_ms;
	uint64_t seq; /* what is due at the same time happens in the order of asking */
	size_t place; /* on the agenda, from 1; 0: not on it */
};

struct agenda {
	struct event **heap;
	size_t n, size;
	uint64_t seq;
};

#define CONTAINER(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

void agenda_put(struct agenda *a, struct event *e, const struct event_kind *kind, int64_t at_ms);
void agenda_remove(struct agenda *a, struct event *e); /* nothing where it is not on it */
/* The drop of what is freed with something else. */
void agenda_keep(struct world *w, struct event *e);
struct event *agenda_first(const struct agenda *a);
void agenda_done(struct agenda *a);

/* --- throttle.c: rates and the daily quota (contract 7) --- */

enum throttle_kind {
	THROTTLE_METHODS,
	THROTTLE_QUERIES,
	THROTTLE_TWIN_READS,
	THROTTLE_TWIN_UPDATES,
	THROTTLE_REGISTRY,
	THROTTLE_CONNECTS,
	THROTTLE_JOBS,
	THROTTLES_N
};

struct throttle {
	int64_t interval_ns[THROTTLES_N]; /* between two of a kind at the rated speed; 0: unlimited */
	int64_t full_ns[THROTTLES_N];     /* when the bucket will be full again */
	int64_t burst_ms, backlog_ms;
	struct world_throttle_use use[THROTTLES_N];
	uint64_t quota_messages;                   /* 0: none */
	uint64_t messages, of_callers, of_devices; /* of the day; since the start, by whose doing */
	int64_t day;
	unsigned chunk_bytes;
};

void throttle_init(struct throttle *t, const struct world_options *options);
/* Takes n tokens. Gives the shaping delay, or -1: the backlog is full, nothing was taken. */
int64_t throttle_take(struct throttle *t, enum throttle_kind kind, uint64_t n, int64_t now_ms);
/* The same for those who never are refused (devices): only delayed. */
int64_t throttle_queue(struct throttle *t, enum throttle_kind kind, int64_t now_ms);
/* Counts the messages that so many bytes make, at least one: of a caller, or of a device. */
void throttle_meter(struct throttle *t, size_t bytes, int64_t now_ms);
void throttle_meter_device(struct throttle *t, size_t bytes, int64_t now_ms);
bool throttle_quota_is_spent(struct throttle *t, int64_t now_ms);

/* --- fleet.c: devices, their twins and the index over them --- */

/* What a twin read or a query can see of a device. */
struct view {
	struct doc_node *tags, *desired, *reported;
	uint64_t etag_no;
	uint32_t version, desired_version, reported_version;
	uint32_t generation; /* 1 for the first identity of that id, 2 for the next … */
	bool exists, is_disabled, is_connected;
	int64_t link_at_ms; /* when is_connected last changed */
};

/* The index's view of a device that is behind its twin. */
struct index_view {
	struct view view;
	uint64_t seq;     /* of the change that it shows */
	uint32_t pending; /* changes on their way */
};

/* What a device knows that is a reference agent (deploy/agent's contract). */
struct agent {
	uint64_t seen[8]; /* hashes of attempt ids, the oldest is overwritten */
	unsigned seen_n;
};

/* What the registry was told about a device beyond its id. */
struct identity {
	enum world_login login;
	char *keys[2];        /* NULL: made from the seed */
	char *thumbprints[2]; /* hex, as they were sent; NULL: none */
	char *reason;         /* statusReason or NULL */
	uint32_t renewals;    /* of the keys made from the seed */
	uint64_t etag_no;
	int64_t status_at_ms;
};

struct call;
struct act;
struct job_row;
TAILQ_HEAD(calls, call);
LIST_HEAD(acts, act);

struct device {
	char *id;
	UT_hash_handle hh;
	struct view live;
	struct index_view *indexed; /* NULL: as live */
	struct agent *agent;        /* NULL: a device app of the tutorial */
	struct identity *identity;  /* NULL: as made from the seed */
	struct calls calls;         /* that wait for its link or its answer */
	struct acts parked;         /* that wait for its link */
	struct event subscription;  /* the end of the subscription race after a connect */
	struct world_link *link;    /* NULL: not connected, or simulated */
	uint32_t no, life;          /* life: +1 at each restart */
	uint32_t boots, acts, trouble_left, inflight;
	uint8_t temper;
	bool is_outside; /* nothing is simulated here: registered over REST, or has been linked */
};

enum {
	CHUNK_DEVICES = 4096,
	ID_BYTES_MAX = 128,
};

struct fleet {
	struct device **chunks;
	uint32_t n; /* slots: deleted devices keep theirs */
	uint32_t exist_n, disabled_n, connected_n;
	struct device *by_id;
	uint64_t etag_no, change_seq;
};

struct device *fleet_at(const struct world *w, uint32_t no);
/* Gives a slot, also of a deleted device; NULL where that id was never known. */
struct device *fleet_find(const struct world *w, const char *id);
/* Gives a registered device or NULL. */
struct device *fleet_get(const struct world *w, const char *id);
/* Registers id (free or deleted): enabled, empty twin, not connected, nothing simulated. */
struct device *fleet_create(struct world *w, const char *id);
void fleet_delete(struct world *w, struct device *d);
void fleet_enable(struct world *w, struct device *d, bool is_enabled);
/* Makes the devices of options. */
void fleet_fill(struct world *w);
void fleet_done(struct world *w);
/* What a query sees. */
const struct view *fleet_indexed(const struct device *d);
/* Link up: methods can be delivered subscribe_ms later. Link down: calls that wait for an answer feel it.
 * Nothing where it is so already. */
void fleet_connect(struct world *w, struct device *d);
void fleet_disconnect(struct world *w, struct device *d);
/* d, connected, has subscribed to methods, or the contrary. */
void fleet_subscribed(struct world *w, struct device *d, bool is_subscribed);
bool fleet_is_ready(const struct device *d); /* connected and subscribed to methods */
/* connectionState, which may lag. */
bool fleet_shows_connected(const struct world *w, const struct view *v);
/* Merges a patch (borrowed) into a section of the live twin and moves its version and metadata. */
void fleet_report(struct world *w, struct device *d, const struct doc_node *patch);
/* Whether reported stays within its limit with that patch. */
bool fleet_report_fits(struct world *w, const struct device *d, const struct doc_node *patch);
/* The same for a service write: false where it breaks a limit (nothing is changed then). NULL leaves a
 * section as it is. A replacement takes the place of the whole section. */
bool fleet_write(struct world *w, struct device *d, const json_t *tags, const json_t *desired, bool replaces);

/* --- link.c: devices from outside --- */

void link_call(struct world *w, struct device *d, struct call *call);
bool link_takes(const struct device *d, unsigned subscription);
/* desired has changed from old to what it is now: by patch, or NULL: was replaced. */
void link_push_desired(struct world *w, struct device *d, const struct doc_node *old, const json_t *patch);
/* The hub ends d's link, if it has one. */
void link_end(struct world *w, struct device *d);
/* The world ends. */
void link_drop(struct device *d);

/* --- device.c: what runs on a device --- */

/* A method call has reached d. */
void device_call(struct world *w, struct device *d, struct call *call);
/* d is connected and subscribed again. */
void device_on_link(struct world *w, struct device *d);
/* Restarts d at once, without a call. */
void device_restart(struct world *w, struct device *d);
/* Lets d come up by itself at at_ms. */
void device_join_at(struct world *w, struct device *d, int64_t at_ms);
void device_forget(struct world *w, struct device *d); /* its parked acts: the world ends or d is deleted */
/* Puts what an agent or app has to report from the start into a fresh reported section. */
void device_introduce(struct world *w, struct device *d, struct rng *rng);

/* --- rest.c: requests and answers --- */

enum {
	TRACKING_ID_SIZE = 40,
};

enum call_state {
	CALL_COMING,     /* on the wire to the hub, or held back by a throttle */
	CALL_CONNECTING, /* a method waits for its device's link */
	CALL_DELIVERED,  /* a method waits for its device's answer */
	CALL_SILENT,     /* will never be answered: waits for its caller to go */
	CALL_LEAVING     /* the answer is on the wire */
};

struct route;

struct call {
	void *ticket;
	UT_hash_handle hh;
	TAILQ_ENTRY(call) all;
	TAILQ_ENTRY(call) on_device;
	enum call_state state;
	bool is_abandoned;
	const struct route *route;
	uint64_t no;

	/* request */
	const char *verb, *path, *continuation, *max_item_count, *if_match;
	char *body;
	size_t body_bytes;
	char *device_id, *query; /* decoded; query string still encoded */
	json_t *json;            /* the body, where the route wants one */
	uint64_t cost;           /* throttle tokens */

	/* faults drawn for it: bits 1 << WORLD_FAULT_… */
	unsigned faults;

	/* methods */
	struct device *device; /* set while on its list */
	bool has_reached;      /* the device */
	bool is_lost;          /* the hub does not notice that the link drops */
	char *method, *payload, *attempt_id;
	int64_t response_ms, connect_ms;
	int reply_status;  /* what the device answers at reply; 0: the connection is cut */
	const char *reply; /* JSON text */
	char *link_reply;  /* what reply points to, from outside */

	struct job_row *job_row; /* of a job's call, which nobody else waits for; else NULL */
	char *error_text;        /* of its answer */

	/* answer */
	bool is_cut, closes;
	int status, retry_after_s;
	const char *error_code, *item_type;
	char *next; /* continuation */
	char etag[40];
	char tracking_id[TRACKING_ID_SIZE];
	struct buf out;

	struct event timer, reply_event;
};

/* The request has been made; it arrives in request span. */
void rest_start(struct world *w, const struct world_request *r, void *ticket);
/* What is left of calls when the world ends. */
void rest_done(struct world *w);
void rest_make_tracking_id(struct world *w, char out[TRACKING_ID_SIZE]);
/* All below end a call; it is gone for the caller of these. The body of an answer is in call->out. */
void rest_answer(struct world *w, struct call *call, int status);
void rest_cut(struct world *w, struct call *call);
/* Envelope A of contract 2.5. */
void rest_refuse(struct world *w, struct call *call, int status, const char *name, const char *text);
/* The envelope of methods and jobs: by quirk. code is like 404103; info is a JSON object. */
void rest_refuse_method(struct world *w, struct call *call, int code, const char *name, const char *text,
                        const char *info);
/* 404001 in envelope A. */
void rest_refuse_unknown(struct world *w, struct call *call);
/* False where there is an If-Match header that does not fit; quoted, bare or star (contract 3.1). */
bool rest_etag_fits(const struct call *call, const char *etag);
/* Reads a number from the query string into *ret. False if it is there and is none. */
bool rest_query_number(const struct call *call, const char *name, uint64_t *ret);

/* Gives where the value of a query parameter starts, NULL if it is not there. */
const char *rest_query_text(const struct call *call, const char *name, size_t *ret_len);
/* The page size asked for, at most most, which is also what is given where none is asked for; 0 where it is
 * no positive number. */
uint32_t rest_page_size(const struct call *call, uint32_t most);
/* Gives a call that a job makes, for method_perform() once its method and its times are set. */
struct call *rest_call_of_job(struct world *w, struct job_row *row);

/* Handlers of routes: prepare refuses bad requests (false: it has answered), perform does the work. */
bool method_prepare(struct world *w, struct call *call);
/* Reads a method's name, payload and times; false: it has answered why not. */
bool method_read(struct world *w, struct call *call, const json_t *json);
void method_perform(struct world *w, struct call *call);
void method_perform_module(struct world *w, struct call *call);
void method_on_ready(struct world *w, struct device *d); /* link and subscription are there */
void method_on_link_lost(struct world *w, struct device *d);
/* The device answers in delay_ms: a device status and a JSON text (kept), or status 0: the connection is cut.
 */
void method_reply(struct world *w, struct call *call, int64_t delay_ms, int status, const char *json_text);
void method_leave(struct call *call); /* takes it off its device's list */

void twin_get(struct world *w, struct call *call);
bool twin_prepare_write(struct world *w, struct call *call);
void twin_patch(struct world *w, struct call *call);
void twin_put(struct world *w, struct call *call);
/* Appends the whole twin as v shows it. */
void twin_print(const struct world *w, const struct device *d, const struct view *v, struct buf *out);
/* Appends "desired" or "reported" with $metadata and $version. */
void twin_print_section(const struct world *w, const struct view *v, bool is_desired, struct buf *out);
enum {
	ETAG_SIZE = 16,
};
const char *twin_etag(const struct view *v, char out[ETAG_SIZE]);
/* When the device last did something the hub knows of; TIME_NONE if never. */
int64_t twin_activity_ms(const struct view *v);

bool query_prepare(struct world *w, struct call *call);
void query_perform(struct world *w, struct call *call);
void query_done(struct world *w); /* empties the cache */
/* The slots of the devices that the index finds for the text after WHERE, or "*"; *ret_slots is yours. False
 * where the text is no condition. */
bool query_targets(struct world *w, const char *condition, uint32_t **ret_slots, uint32_t *ret_n);

bool job_prepare_put(struct world *w, struct call *call);
void job_put(struct world *w, struct call *call);
void job_get(struct world *w, struct call *call);
void job_cancel(struct world *w, struct call *call);
void job_list(struct world *w, struct call *call);
/* The answer to a call of rest_call_of_job(). */
void job_on_answer(struct world *w, struct call *call);
void job_done(struct world *w); /* the world ends */
/* The rows of all jobs together, from 0; NULL past the end. */
const struct job_row *job_row_at(const struct world *w, uint32_t i);
void job_print_row(const struct world *w, const struct job_row *row, struct buf *out);
struct job_query_row {
	const struct world *w;
	const struct job_row *row;
};
/* A lang_lookup over a struct job_query_row. */
void job_look_up(const void *row, const struct lang_path *path, struct lang_value *ret_value);

bool registry_prepare_put(struct world *w, struct call *call);
void registry_get(struct world *w, struct call *call);
void registry_put(struct world *w, struct call *call);
void registry_delete(struct world *w, struct call *call);
void registry_list(struct world *w, struct call *call);
bool registry_prepare_bulk(struct world *w, struct call *call);
void registry_bulk(struct world *w, struct call *call);
void registry_device_statistics(struct world *w, struct call *call);
void registry_service_statistics(struct world *w, struct call *call);
void registry_forget(struct device *d); /* what only the registry knew of it */
enum world_login registry_login(const struct device *d);
/* The type of authentication, as the wire says it. */
const char *registry_login_text(const struct device *d);
/* Appends the value of a thumbprint, JSON; primary is 0. */
void registry_print_thumbprint(const struct device *d, size_t which, struct buf *out);
/* Appends a key of the identity, base64. */
void registry_key(const struct world *w, const struct device *d, size_t which, struct buf *out);
/* Appends the base64 text of the identity's etag, without quotes. */
void registry_etag(const struct device *d, struct buf *out);
void registry_base64(const unsigned char *data, size_t n, struct buf *out);

/* --- world.c --- */

struct fault {
	struct world_fault what;
	uint32_t hits;
	LIST_ENTRY(fault) all;
};

struct cached_query {
	struct lang_query *query;
	UT_hash_handle hh;
	char text[];
};

struct world {
	struct world_options options; /* host and id_prefix are copies */
	int64_t now_ms;               /* of what is happening */
	struct rng rng;               /* luck of requests and devices at work */
	struct docs *docs;
	struct agenda agenda;
	struct throttle throttle;
	struct fleet fleet;
	struct call *by_ticket;
	struct calls calls; /* all */
	uint64_t calls_n;
	LIST_HEAD(, fault) faults;
	struct cached_query *queries;
	struct job *jobs;      /* by id, in the order of their making */
	int64_t job_device_ns; /* when jobs may next do something with a device */
	world_journal_cb *on_entry;
	void *journal_arg;
	world_answer_cb *on_answer; /* during world_run() */
	void *answer_arg;
};

int64_t world_draw(struct world *w, struct world_span span);
/* Tells the journal, if anybody listens; the time and device are filled in. */
void world_tell(struct world *w, const struct device *d, struct world_entry entry);
/* Gives the bits of the faults that hit a request of that family, counting the hits. */
unsigned world_draw_faults(struct world *w, unsigned family);

#endif
