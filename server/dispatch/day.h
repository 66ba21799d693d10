/* dispatch/day: the daily quota of messages (contract 7.2), planned. Pure.
 *
 * Counts what we cause, by our estimate, since 00:00 UTC of the hub's clock. Calls stop for the day while
 * there is still enough to follow those that have been made: DAY_FOLLOW_MESSAGES each. */
#ifndef ROLLCALL_SERVER_DISPATCH_DAY_H
#define ROLLCALL_SERVER_DISPATCH_DAY_H

#include <stdbool.h>
#include <stdint.h>

#define DAY_FOLLOW_MESSAGES 2 /* a proof, and a look that found nothing */
#define DAY_CALL_MESSAGES 2   /* a call and its answer (contract 2.7) */

struct day {
	uint64_t granted; /* messages, less what is left to others; 0: no limit */
	uint64_t messages;
	int64_t no; /* of the day, since 1970 */
	bool is_spent;
};

void day_init(struct day *d, uint64_t granted, int64_t hub_now_ms);
/* So much was spent on day no, before a restart. */
void day_resume(struct day *d, int64_t no, uint64_t messages);
/* Lets time pass; a new day begins with nothing spent. */
void day_run(struct day *d, int64_t hub_now_ms);
void day_spend(struct day *d, uint64_t messages);
/* Whether no further call may be made today, while open_n are to be followed; once so, until the day ends. */
bool day_is_spent(struct day *d, uint64_t open_n);
/* Whether four fifths of it are spent. */
bool day_is_short(const struct day *d);
int64_t day_left_ms(int64_t hub_now_ms);

#endif
