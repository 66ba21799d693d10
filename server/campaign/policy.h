/* campaign/policy: arithmetic only: how long, how many, when next. */
#ifndef ROLLCALL_SERVER_CAMPAIGN_POLICY_H
#define ROLLCALL_SERVER_CAMPAIGN_POLICY_H

#include <stdint.h>

#include "server/campaign/spec.h"

/* At most so many times evidence of absence sends a call in doubt back to waiting (product: Absence). */
#define REDOUBTS_MAX 10
/* A call leaves so long after its intent at most, or never: a commit and the queue of a few hundred calls lie
 * between them, and what a call may still do is counted from its intent. */
#define SEND_WITHIN_MS 10000
/* How long a hub that cannot be read puts off a verdict (product: Absence). */
#define UNREADABLE_MAX_MS (24 * 3600 * 1000LL)

/* How long a call may be on its way at most, from its intent: queueing, connect and response time-outs,
 * margin. */
int64_t policy_call_ms(const struct campaign_spec *s);
/* How long the hub may be busy with a call at most, from its intent. */
int64_t policy_wire_ms(const struct campaign_spec *s);
/* From the intent until a call, if it acted, has had the time to show it: what is asked after that may speak
 * of absence. */
int64_t policy_quiet_ms(const struct campaign_spec *s);
/* The same from when the call's end was heard, whatever that was: it had been sent by then. */
int64_t policy_heard_quiet_ms(const struct campaign_spec *s);
/* Delay before the next call after failures attempts failed: backoff × 2^(failures-1), capped. */
int64_t policy_backoff_ms(const struct campaign_spec *s, uint32_t failures);
/* Delay before the next call to a device found offline tries times in a row: 10 s doubling to 5 min, spread
 * by luck ±20 % so that a site does not come back in one blow. */
int64_t policy_offline_ms(uint32_t tries, uint64_t luck);
/* Delay before a point read that failed is asked again: 5 s doubling to 5 min. */
int64_t policy_reread_ms(uint32_t tries);
/* connectTimeout for the next call: the spec's, but at least 10 s after a 404103, since the hub may remember
 * an old route to a device that is back (contract 11.2); never above the response time-out. */
uint32_t policy_connect_s(const struct campaign_spec *s, uint32_t offline_tries);

/* A rate of calls: one each interval. */
struct rate {
	int64_t interval_us; /* 0: no limit */
	int64_t next_us;
};
void rate_init(struct rate *r, uint32_t per_minute);
/* When the next call may be made; not later than now_ms: at once. */
int64_t rate_next_ms(const struct rate *r);
void rate_take(struct rate *r, int64_t now_ms);

#endif
