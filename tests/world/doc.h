/* world: JSON documents as compact trees (32 bytes a node), each node with what a twin's $metadata tells
 * about it (contract 3.2). A pool (struct docs) holds the nodes and the names. */
#ifndef ROLLCALL_TESTS_WORLD_DOC_H
#define ROLLCALL_TESTS_WORLD_DOC_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"

enum doc_kind {
	DOC_FREE, /* a node nobody uses */
	DOC_NULL, /* in patches only: delete */
	DOC_FALSE,
	DOC_TRUE,
	DOC_INT,
	DOC_REAL,
	DOC_TEXT, /* owned text */
	DOC_WORD, /* text of the pool, for values that many documents share */
	DOC_TIME, /* text made when asked for: RFC 3339 UTC, milliseconds */
	DOC_OBJECT,
	DOC_ARRAY
};

struct doc_node {
	uint32_t name; /* docs_name(); 0 for a root and in arrays */
	unsigned kind : 4;
	unsigned has_metadata : 1;
	unsigned version : 27; /* $lastUpdatedVersion */
	int64_t updated_ms;    /* $lastUpdated */
	union {
		struct doc_node *first;
		int64_t integer; /* also DOC_TIME */
		double real;
		char *text;
		uint32_t word;
	} u;
	struct doc_node *next;
};

struct docs;

struct docs *docs_new(void);
void docs_free(struct docs *docs); /* asserts that every document has been freed */
/* Gives the number of a name, the same for the same text, never 0. */
uint32_t docs_name(struct docs *docs, const char *text, size_t len);
const char *docs_text(const struct docs *docs, uint32_t name);

struct doc_node *doc_new(struct docs *docs, enum doc_kind kind);
struct doc_node *doc_time(struct docs *docs, int64_t at_ms);
struct doc_node *doc_text(struct docs *docs, const char *text);
struct doc_node *doc_word(struct docs *docs, const char *text);
struct doc_node *doc_from_json(struct docs *docs, const json_t *json);
/* NULL is fine, as for doc_clone(). */
void doc_free(struct docs *docs, struct doc_node *node);
struct doc_node *doc_clone(struct docs *docs, const struct doc_node *node);
/* Puts value (taken) at a dotted path below an object, making objects on the way. */
void doc_set(struct docs *docs, struct doc_node *object, const char *path, struct doc_node *value);
/* Gives the member of that name, NULL if there is none or node is no object. */
struct doc_node *doc_find(const struct doc_node *node, uint32_t name);

/* What a patch leaves on the nodes it touches. */
struct doc_stamp {
	int64_t at_ms;
	uint32_t version;
	bool rewrite_counts;            /* writing an equal value is a change too */
	bool children_without_metadata; /* of an object that replaces a scalar (contract 3.3) */
};

/* Merges patch (borrowed) into object by RFC 7396. Gives whether anything changed. */
bool doc_merge(struct docs *docs, struct doc_node *object, const struct doc_node *patch,
               const struct doc_stamp *stamp);
/* Stamps a whole tree. */
void doc_stamp_all(struct doc_node *node, const struct doc_stamp *stamp);
bool doc_equal(const struct docs *docs, const struct doc_node *a, const struct doc_node *b);

/* The text of a TEXT, WORD or TIME node; scratch has TIME_TEXT_SIZE bytes. NULL for other kinds. */
const char *doc_string(const struct docs *docs, const struct doc_node *node, char *scratch);
/* Appends JSON. For an object with_braces false leaves out the outer braces. */
void doc_print(const struct docs *docs, const struct doc_node *node, bool with_braces, struct buf *out);
/* Appends the $metadata object of a section. */
void doc_print_metadata(const struct docs *docs, const struct doc_node *node, bool with_version,
                        bool has_long_times, struct buf *out);
/* Appends a time of the hub as JSON string: 3 or 7 fraction digits. */
void doc_print_time(int64_t at_ms, bool is_long, struct buf *out);
/* Bytes of keys and values as contract 3.3 counts them. */
size_t doc_bytes(const struct docs *docs, const struct doc_node *node);
/* Is json an object that a twin section may take as a patch? (contract 3.3: keys, values, depth) */
bool doc_may_hold(const json_t *json);

#endif
