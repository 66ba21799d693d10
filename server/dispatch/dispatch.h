/* dispatch: sends invocations to one hub, no more at once than agreed and no faster than it allows. Sends
 * each once; every outcome goes back as news. What is unsent can be withdrawn, also while it waits for a
 * connection. Loop thread only. Outcomes come from the hub's callbacks; what hub_invoke() refused was not
 * sent, and the next dispatch_run() says so (NOT_DELIVERED without a status). dispatch_submit() never calls
 * back. Callbacks may use the dispatcher, but not free it. */
#ifndef ROLLCALL_SERVER_DISPATCH_DISPATCH_H
#define ROLLCALL_SERVER_DISPATCH_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/hub/hub.h"

struct dispatch;

/* Published throttles, contract 7.1: of one hub, for all its units, less the reserve for others (rounded
 * down, at least 1). 0: no limit. */
struct hub_rates {
	uint32_t calls_per_minute; /* direct methods, payload up to 4 KB */
	uint32_t queries_per_minute;
	uint32_t reads_per_minute;     /* twin reads */
	uint64_t messages_per_day;     /* contract 7.2 */
	uint32_t message_bytes;        /* what counts as one at most, without a limit, too */
	uint32_t job_calls_per_minute; /* of hub jobs, which keep to that themselves (contract 5.3): no
	                                  reserve */
};
/* sku is F1, S1, S2, S3 or none (no limits); ERR_INVALID for another, and for units that it cannot have
 * (contract 7.1: F1 1, S1 and S2 1 … 200, S3 1 … 10). reserve_percent 0 … 90 is left to other users. */
MUST_CHECK enum err hub_rates_of(const char *sku, uint32_t units, uint32_t reserve_percent,
                                 struct hub_rates *ret);

struct invocation {
	uint32_t campaign, no; /* whose call */
	uint16_t call;         /* which of its calls */
	const char *device_id, *method_name, *payload;
	uint32_t response_timeout_s, connect_timeout_s;
	int64_t until_ms; /* may not be sent at that time or later; TIME_NEVER: at any time */
};

/* answer is borrowed until the callback returns. */
typedef void dispatch_outcome_cb(void *arg, uint32_t campaign, uint32_t no, uint16_t call,
                                 const struct hub_answer *answer);
/* It was taken back, and none of it has left. */
typedef void dispatch_withdrawn_cb(void *arg, uint32_t campaign, uint32_t no, uint16_t call);

struct dispatch_options {
	uint32_t inflight_max; /* calls at once, at least 1 */
	/* 0: no limit; a second's worth may gather; pace.h says how much is used */
	uint32_t calls_per_minute;
	dispatch_outcome_cb *on_outcome;
	dispatch_withdrawn_cb *on_withdrawn;
	/* By which invocations say until when they may be sent: asked, with new's arg, when a call that had
	 * to wait has a connection. That clock need not go as the hub client's does. */
	int64_t (*now_ms)(void *arg);
};

/* Borrows options; keeps hub and arg until dispatch_free(). */
struct dispatch *dispatch_new(const struct dispatch_options *options, struct hub *hub, void *arg);
/* How many invocations it would take: free tokens and places, less what is queued. Where calls are answered
 * as fast as they are submitted, as many more as keep places taken while the next are made ready: up to 256.
 * Who submits no more than that keeps what a crash leaves in doubt within inflight_max and these. */
uint32_t dispatch_credit(const struct dispatch *d, int64_t now_ms);
/* When credit may come next if it is 0 for want of a token (now_ms if there is credit); TIME_NEVER where it
 * waits for answers. */
int64_t dispatch_credit_at(const struct dispatch *d, int64_t now_ms);
/* Whether more is of no use yet: there are more invocations than places, and less than half of what was
 * handed over has been answered. */
bool dispatch_is_busy(const struct dispatch *d);
/* Copies inv and queues it; it is sent by dispatch_run(), first come, first sent. A payload takes one token
 * for each 4 KB begun (contract 7.1). */
void dispatch_submit(struct dispatch *d, const struct invocation *inv);
/* Sends what may be sent; gives when it wants to run next (TIME_NEVER: not before news). */
int64_t dispatch_run(struct dispatch *d, int64_t now_ms);
/* Takes back what is unsent, of one campaign (0: of all): on_withdrawn is called for what is queued before it
 * returns, and for what waits for a connection when there is one. What hub_invoke() refused is no longer
 * queued: its outcome follows. */
void dispatch_withdraw(struct dispatch *d, uint32_t campaign);
/* The same of those in the queue that may not be sent any more; what waits for a connection is withdrawn by
 * itself. */
void dispatch_withdraw_late(struct dispatch *d, int64_t now_ms);

struct dispatch_stats {
	uint32_t inflight, queued;
	uint32_t calls_per_minute; /* the pace just now (pace.h), 0: no limit */
	uint64_t sent, by_outcome[HUB_OUTCOMES_N];
};
void dispatch_stats(const struct dispatch *d, struct dispatch_stats *ret);
/* NULL is fine. What is in flight is forgotten: no callback comes any more; free the hub after that. */
void dispatch_free(struct dispatch *d);

#endif
