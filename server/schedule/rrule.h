/* schedule/rrule: a rule of RFC 5545 with its start and exceptions, as local times. For recurrence.c. */
#ifndef ROLLCALL_SERVER_SCHEDULE_RRULE_H
#define ROLLCALL_SERVER_SCHEDULE_RRULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/err.h"
#include "server/schedule/zone.h"

struct rrule;

MUST_CHECK enum err rrule_parse(const char *text, int64_t from_s, struct rrule **ret, char *reason,
                                size_t reason_size);
void rrule_free(struct rrule *r);

/* Local times of a rule, one after the other, from one on; UNTIL is for rrule_is_over(). */
struct rrule_walk;
struct rrule_walk *rrule_walk_new(const struct rrule *r, int64_t from_s);
bool rrule_walk_next(struct rrule_walk *w, int64_t *ret_s, bool *ret_is_rule);
/* From now on only RDATEs come. */
void rrule_walk_end_rule(struct rrule_walk *w);
void rrule_walk_free(struct rrule_walk *w);
/* Whether UNTIL ends the rule before this local time, which is that instant. */
bool rrule_is_over(const struct rrule *r, int64_t local_s, int64_t at_s);

#endif
