/* schedule/cron: the five fields of cron, as sets. For recurrence.c. */
#ifndef ROLLCALL_SERVER_SCHEDULE_CRON_H
#define ROLLCALL_SERVER_SCHEDULE_CRON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cron {
	uint64_t minutes; /* bit n: n is in the set */
	uint32_t hours, days, months, weekdays;
	bool either_day; /* both day fields are given: one of them is enough */
};

/* False with a plain English reason. */
bool cron_parse(const char *text, struct cron *ret, char *reason, size_t reason_size);
/* Gives the first local time at or after from_s, a whole minute, and before until_s. */
bool cron_next(const struct cron *c, int64_t from_s, int64_t until_s, int64_t *ret_s);

#endif
