/* hub/reading: what one twin said about the properties that a campaign watches; read from a whole twin or
 * from a row of a query that selects just these. Pure. */
#ifndef ROLLCALL_SERVER_HUB_READING_H
#define ROLLCALL_SERVER_HUB_READING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/err.h"

/* What to watch: made once a campaign. */
struct watch;
struct where;

struct watch_options {
	/* Paths below properties.reported, as in the spec (names may be written [[any text]]); NULL: not
	 * watched. */
	const char *value_path, *status_path, *echo_path, *boot_path;
	/* Verify by where: predicates over the twin, NULL: none. */
	const char *success, *failure;
	/* Verify by reconnect: connectionState, which only point reads tell. */
	bool watches_link;
	/* A pre-check over the twin, NULL: none. */
	const char *precheck;
	/* "tags.site": the tag that groups devices, NULL: none. */
	const char *group_path;
	/* The tag that names devices' time zones, NULL: none. */
	const char *zone_path;
	/* Rows do not tell of devices but count them, in all or by group_path (contract 4.2: aggregates). */
	bool counts;
};

/* Borrows options. ERR_INVALID: a predicate or path does not parse. */
MUST_CHECK enum err watch_new(const struct watch_options *options, struct watch **ret);
void watch_free(struct watch *w);

/* Appends the list after SELECT that rows are read from: deviceId, status, reported $version, the watched
 * values and the $lastUpdated of each of the value's and the boot id's ancestors, all with aliases
 * (contract 4.2). */
void watch_select(const struct watch *w, struct buf *out);
/* Appends what stands behind the query's condition (" GROUP BY tags.site"), if anything. */
void watch_group_by(const struct watch *w, struct buf *out);
/* Whether a row of a query can say all that is watched: not so with predicates. */
bool watch_is_in_rows(const struct watch *w);
/* The condition under which a row is worth a point read ("(success) OR (failure)", or any connectionState);
 * NULL: rows speak for themselves. */
const char *watch_candidates(const struct watch *w);

/* A seen JSON value: fingerprint of its compact text (keys sorted; 5.0 counts as 5), and the text, cut at 1
 * KiB. */
struct seen {
	bool is_there; /* and not null */
	uint64_t hash;
	int64_t at_ms; /* $lastUpdated of it or its nearest ancestor, hub time; TIME_NONE: not there or not
	                  said (a row never says it of status and echo) */
	char *json;    /* NULL where not there */
	char *text;    /* a string's own text, else the same as json; NULL where not there; lives in json's
	                  memory */
};

/* What the hub says of a device's connection. */
enum link { LINK_UNKNOWN, LINK_UP, LINK_DOWN };

struct reading {
	const char *device_id;
	bool is_point_read; /* a twin read, which is current; else a query's row, which may be old */
	bool is_there;      /* false: 404, no such device */
	bool is_enabled;
	uint64_t version;  /* reported $version, 0: not said */
	int64_t hub_at_ms; /* Date of the answer, TIME_NONE: not said */
	struct seen value, status, echo, boot;
	struct seen group, zone; /* the tags */
	enum link link;          /* only in a point read; may be 5 min late either way (contract 3.2) */
	bool precheck;           /* holds; true where there is none. Only in a point read */
	bool has_predicates; /* the next two count: only in a point read; where none is watched it is false */
	bool success, failure;
	uint32_t n; /* of a watch that counts: devices, with this value of group if there is one; device_id is
	               "" */
};

/* Fills ret from a twin document (contract 3.2) or, by aliases, from a row; json must live as long as ret,
 * whose hub_at_ms is TIME_NONE. ERR_INVALID: not a twin or row with a deviceId. Give it to reading_done() if
 * ERR_OK. */
struct json_t;
MUST_CHECK enum err reading_from_twin(const struct watch *w, const struct json_t *twin, struct reading *ret);
MUST_CHECK enum err reading_from_row(const struct watch *w, const struct json_t *row, struct reading *ret);
/* The same of a row that plain.h read: for what it says of deviceId, ret->device_id is not set, as no NUL
 * follows it; else it is as if jansson had read it. False: jansson has to read it after all. */
struct plain_object;
bool reading_from_plain_row(const struct watch *w, struct plain_object *row, struct reading *ret);
/* Fills ret with the point read that found no such device; keeps device_id. */
static inline void reading_of_absence(const char *device_id, struct reading *ret)
{
	static const struct seen nothing = {.at_ms = TIME_NONE};

	*ret = (struct reading){.device_id = device_id,
	                        .is_point_read = true,
	                        .hub_at_ms = TIME_NONE,
	                        .value = nothing,
	                        .status = nothing,
	                        .echo = nothing,
	                        .boot = nothing,
	                        .group = nothing,
	                        .zone = nothing};
}

void reading_done(struct reading *r);

#endif
