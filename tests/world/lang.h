/* world: the query language of contract 4.2: text to tree, and a condition's verdict on one row. Our own
 * reading of the contract, nothing shared with the service. */
#ifndef ROLLCALL_TESTS_WORLD_LANG_H
#define ROLLCALL_TESTS_WORLD_LANG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/clock.h"
#include "tests/world/doc.h"

#define LANG_BYTES_MAX 8192

/* What the first words of a path say. */
enum lang_root {
	LANG_DEVICE_ID,
	LANG_MODULE_ID,
	LANG_STATUS,
	LANG_STATUS_REASON,
	LANG_STATUS_TIME,
	LANG_CONNECTION,
	LANG_ACTIVITY,
	LANG_ETAG,
	LANG_VERSION,
	LANG_MODEL_ID,
	LANG_SCOPE,
	LANG_AUTHENTICATION,
	LANG_C2D_COUNT,
	LANG_IOT_EDGE, /* capabilities.iotEdge */
	LANG_TAGS,
	LANG_DESIRED,  /* properties.desired */
	LANG_REPORTED, /* properties.reported */
	LANG_JOB,      /* devices.jobs.<last>, in queries over devices.jobs only */
	LANG_UNKNOWN   /* always undefined */
};

/* What the last words of a path below a section say. */
enum lang_leaf {
	LANG_VALUE,
	LANG_SECTION_VERSION,     /* $version */
	LANG_METADATA,            /* $metadata… as an object */
	LANG_LAST_UPDATED,        /* $metadata….$lastUpdated */
	LANG_LAST_UPDATED_VERSION /* $metadata….$lastUpdatedVersion */
};

struct lang_path {
	enum lang_root root;
	enum lang_leaf leaf;
	uint32_t *names; /* below the section, in the pool */
	size_t names_n;
	char *last, *whole; /* as projection keys */
};

enum lang_value_kind {
	LANG_UNDEFINED,
	LANG_NULL,
	LANG_BOOL,
	LANG_NUMBER,
	LANG_TEXT,
	LANG_NODE,         /* an object or array */
	LANG_NODE_METADATA /* that of node */
};

struct lang_value {
	enum lang_value_kind kind;
	bool truth;
	double number;
	const char *text; /* NULL: in scratch */
	char scratch[TIME_TEXT_SIZE];
	const struct doc_node *node;
};

const char *lang_text(const struct lang_value *v);

/* Reads a path of a row into *ret_value (already LANG_UNDEFINED). */
typedef void lang_lookup(const void *row, const struct lang_path *path, struct lang_value *ret_value);

enum lang_source { LANG_DEVICES, LANG_MODULES, LANG_JOBS };
enum lang_function { LANG_PLAIN, LANG_COUNT, LANG_AVG, LANG_SUM, LANG_MIN, LANG_MAX };

struct lang_item {
	enum lang_function function;
	struct lang_path path; /* unset for COUNT */
	char *alias;           /* NULL: none */
};

struct lang_expr; /* opaque */

struct lang_query {
	bool is_star;
	int64_t top; /* -1: none */
	enum lang_source source;
	struct lang_item *items;
	size_t items_n;
	bool has_aggregates;
	struct lang_expr *where; /* NULL: all rows */
	struct lang_path *group;
	size_t group_n;
};

/* How the open points of the language are decided, see WORLD_QUIRKS. */
struct lang_rules {
	bool missing_differs, no_startswith;
};

/* Gives a query, NULL where the text is not one. Keeps docs. */
struct lang_query *lang_parse(struct docs *docs, const char *text, const struct lang_rules *rules);
void lang_free(struct lang_query *q);
bool lang_matches(const struct lang_query *q, const void *row, lang_lookup *lookup);
/* The device ids that the condition requires, by deviceId = or IN at its top, so that a scan can be spared.
 * Gives false where it does not; else borrowed texts, valid as long as q. */
bool lang_ids(const struct lang_query *q, const char *const **ret_ids, size_t *ret_n);

#endif
