/* hub/plain: reads JSON that is written plainly, as hubs mostly write it: texts of printable ASCII without
 * escapes, whole numbers of up to 18 digits, objects of up to 32 members with no name twice, at most 8 deep.
 * Of all else it says that it does not know, and jansson is to read it. What it does know jansson reads just
 * so: tests/fuzz/fuzz_plain.c. Ten times as fast, since it takes no memory: all it gives points into what it
 * read. Pure. */
#ifndef ROLLCALL_SERVER_HUB_PLAIN_H
#define ROLLCALL_SERVER_HUB_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

#define PLAIN_MEMBERS_MAX 32

enum plain_type {
	PLAIN_NULL,
	PLAIN_FALSE,
	PLAIN_TRUE,
	PLAIN_INTEGER,
	PLAIN_STRING,
	PLAIN_OBJECT,
	PLAIN_ARRAY
};

struct plain {
	enum plain_type type;
	const char *text; /* of a string what is between its quotes, else all of it; no NUL follows */
	size_t n;
	int64_t integer; /* of an INTEGER */
};

struct plain_object {
	struct member {
		const char *name;
		size_t name_n;
		struct plain value;
	} members[PLAIN_MEMBERS_MAX];
	size_t n;
	size_t next; /* where plain_get() looks first: behind what it found last */
};

/* Both read what begins at *at (white space before it is skipped), end at the latest at end, and move *at
 * behind it. False: that is not plain; *at and ret are of no use then. */
bool plain_value(const char **at, const char *end, struct plain *ret);
bool plain_object(const char **at, const char *end, struct plain_object *ret);
/* Moves *at behind white space and then c, if that comes next. */
bool plain_skip(const char **at, const char *end, char c);
/* Whether nothing but white space is left. */
bool plain_is_over(const char *at, const char *end);
/* Gives a member's value, NULL: there is none of that name. */
const struct plain *plain_get(struct plain_object *o, const char *name);
/* Appends a value as it was written, without white space between its parts. */
void plain_put(const struct plain *value, struct buf *out);

#endif
