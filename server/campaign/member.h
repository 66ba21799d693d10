/* campaign/member: reads the members of one JSON object of a document that people wrote, and says of each
 * what is wrong with it: where, what was given, what would be right. A reader gives true where the member is
 * there and sound; else *ret is untouched, and what is there but not sound has its fault. */
#ifndef ROLLCALL_SERVER_CAMPAIGN_MEMBER_H
#define ROLLCALL_SERVER_CAMPAIGN_MEMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "server/base/buf.h"
#include "server/campaign/fault.h"

#define POINTER_SIZE 64
struct section {
	char pointer[POINTER_SIZE]; /* "/rollout", "" for the whole */
	json_t *json;               /* borrowed; NULL: the section is not there, so none of its members is */
	struct faults *faults;
};

/* A member that a section may have. */
struct known {
	const char *name;
};

/* Appends "/name", escaped (RFC 6901, 3). */
void member_pointer(const char *name, struct buf *pointer);
/* Adds a fault about the member, or about item no. index of its list; the detail starts with its name. */
void member_wrong(const struct section *s, const char *name, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
void member_wrong_at(const struct section *s, const char *name, size_t index, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/* Writes how a fault speaks of what was given ("\"fast\"", "17", "a list") to out and gives out. */
#define GIVEN_SIZE 64
const char *member_given(const json_t *json, char out[GIVEN_SIZE]);

/* Refuses the members of s that are not known, or not yet. */
void member_check(const struct section *s, const struct known *known, size_t n);

/* The rest of a fault about a member that a patch may not touch. */
#define CANNOT_CHANGE "cannot change once the campaign exists"

bool member_is_there(const struct section *s, const char *name);
/* Gives the text of a JSON string, NULL where json is none or its text holds a NUL character. Borrowed. */
const char *member_text_of(const json_t *json);

bool member_section(const struct section *s, const char *name, struct section *ret);
/* The same of item, no. index of its list. */
bool member_item(const struct section *s, const char *name, size_t index, json_t *item, struct section *ret);
bool member_u32(const struct section *s, const char *name, uint32_t min, uint32_t max, uint32_t *ret);
bool member_u64(const struct section *s, const char *name, uint64_t max,
                uint64_t *ret); /* max: of int64_t's */
bool member_flag(const struct section *s, const char *name, bool *ret);
/* Borrowed from the document. */
bool member_text(const struct section *s, const char *name, const char **ret);
/* One of the texts, which end in NULL; ret is its place among them. */
bool member_choice(const struct section *s, const char *name, const char *const *choices, size_t *ret);
bool member_time(const struct section *s, const char *name, int64_t *ret_ms);
/* A list of so many items. Borrowed from the document. */
bool member_list(const struct section *s, const char *name, size_t min, size_t max, json_t **ret);

#endif
