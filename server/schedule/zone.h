/* schedule/zone: IANA time zones: what a clock on the wall shows there, and when it shows it. Read from the
 * system's zoneinfo (TZif, RFC 8536), so that a new tzdata package is all that a change of law needs.
 * libical's own conversion is not used: 3.0.16 has Pacific/Easter's change of September 2020 two days late,
 * and takes the second of two equal local times.
 *
 * Local times are seconds since 1970-01-01T00:00:00 of the clock on the wall. */
#ifndef ROLLCALL_SERVER_SCHEDULE_ZONE_H
#define ROLLCALL_SERVER_SCHEDULE_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zone;
struct zones;

#define ZONE_NAME_MAX 64

/* Gives the zones below folder, borrowed (NULL: $TZDIR, or /usr/share/zoneinfo); none is read yet. */
struct zones *zones_new(const char *folder);
/* NULL is fine; ends every zone that was given. */
void zones_free(struct zones *z);
/* Gives the zone of that name, read at its first use and kept; NULL: there is none, or its file is damaged.
 */
const struct zone *zones_get(struct zones *z, const char *name);
/* tzdata's version ("2026a"), "unknown" where the folder does not tell. */
const char *zones_version(const struct zones *z);

const char *zone_name(const struct zone *z);
/* What its clocks show is so much ahead of UTC at that instant. */
int32_t zone_offset_s(const struct zone *z, int64_t at_s);
/* Whether no clock is changed from one instant to the other. */
bool zone_is_steady(const struct zone *z, int64_t from_s, int64_t until_s);

enum clock_change {
	CLOCK_STEADY,  /* the local time exists once */
	CLOCK_GAP,     /* it does not exist: it is read with the offset before the gap */
	CLOCK_OVERLAP, /* it exists twice */
};
/* The instant of a local time: of two the first. ret_change may be NULL. */
int64_t zone_utc(const struct zone *z, int64_t local_s, enum clock_change *ret_change);
/* The same, but of two the last. */
int64_t zone_utc_last(const struct zone *z, int64_t local_s);

#endif
