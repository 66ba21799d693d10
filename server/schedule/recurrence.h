/* schedule/recurrence: when something comes again: cron with five fields, or RFC 5545. Both name local times
 * without a zone, and each is turned into an instant by itself (zone.h): what does not exist is read with the
 * offset before the gap, of what exists twice the first counts, and no instant comes twice (product:
 * Recurrence and clock changes). Never finer than a minute.
 *
 * libical walks the days of a rule, in no zone: with one, its iterator of 3.0.16 stays an hour late for ever
 * after the first gap. What it does not do soundly (BYSETPOS by the day, rules by minutes: no end in minutes
 * of search) is refused. */
#ifndef ROLLCALL_SERVER_SCHEDULE_RECURRENCE_H
#define ROLLCALL_SERVER_SCHEDULE_RECURRENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/clock.h"
#include "server/base/err.h"
#include "server/schedule/zone.h"

struct recurrence;

#define RECURRENCE_REASON_SIZE 200
#define RECURRENCE_TEXT_MAX 4096

/* "minute hour day-of-month month day-of-week": numbers, names, lists, ranges, steps. Where neither day field
 * starts with *, a day fits when either does. ERR_INVALID with a plain English reason. */
MUST_CHECK enum err recurrence_cron(const char *text, struct recurrence **ret,
                                    char reason[RECURRENCE_REASON_SIZE]);
/* A rule ("FREQ=WEEKLY;BYDAY=SU;BYHOUR=1"), or lines that begin with DTSTART:, RRULE:, EXDATE: and RDATE:, of
 * local times without zone (an EXDATE may be a date: no occurrence on that day). What the rule leaves open it
 * takes from DTSTART; without one, from from_s, a local time, cut to the minute; INT64_MIN: there is none,
 * and the rule has to say all. UNTIL may be local or UTC. */
MUST_CHECK enum err recurrence_rrule(const char *text, int64_t from_s, struct recurrence **ret,
                                     char reason[RECURRENCE_REASON_SIZE]);
/* NULL is fine. */
void recurrence_free(struct recurrence *r);

struct occurrence {
	int64_t at_ms;
	int64_t local_s;  /* what clocks show then, seconds since 1970 */
	int32_t offset_s; /* local less UTC */
	enum clock_change change;
};

/* Gives the first occurrence later than after_ms; false: there is none in the next 50 years. */
bool recurrence_next(const struct recurrence *r, const struct zone *z, int64_t after_ms,
                     struct occurrence *ret);
/* The least time between two occurrences on the clock, of those in the two years (at most 1000 of them) from
 * there on; 0: there are not two. */
int64_t recurrence_spacing_s(const struct recurrence *r, int64_t from_local_s);
/* Writes "2026-03-29T03:30:00+02:00" to out and gives out. */
#define LOCAL_TEXT_SIZE 40
const char *occurrence_text(const struct occurrence *o, char out[LOCAL_TEXT_SIZE]);

#endif
