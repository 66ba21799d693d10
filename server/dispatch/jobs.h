/* dispatch/jobs: sends invocations of one hub as hub jobs: one job at a time, each of one campaign, as many
 * devices as have been submitted within a moment. The hub then calls them at its own speed and cannot be
 * stopped; what became of each device comes back as its outcome. Sends each once; what no job has taken yet
 * can be withdrawn, and a job whose start still waits for a connection. Loop thread only; never calls back
 * inside jobs_submit(). Callbacks may use it, but not free it. */
#ifndef ROLLCALL_SERVER_DISPATCH_JOBS_H
#define ROLLCALL_SERVER_DISPATCH_JOBS_H

#include <stdint.h>

#include "server/dispatch/dispatch.h"

#define JOBS_DEVICES_MAX 256 /* of one job: bounds what is in doubt after a crash, and how long one takes */

struct jobs;

struct jobs_options {
	uint64_t seed; /* of the jobs' ids */
	dispatch_outcome_cb *on_outcome;
	dispatch_withdrawn_cb *on_withdrawn; /* also what one job had no room for, for it to come again */
	/* What the hub said to a request about jobs, once for each request. */
	void (*on_heard)(void *arg, const struct hub_answer *answer);
};

/* Borrows options; keeps hub and arg until jobs_free(). */
struct jobs *jobs_new(const struct jobs_options *options, struct hub *hub, void *arg);
/* How many invocations the next job would still take; 0 while one is under way. */
uint32_t jobs_credit(const struct jobs *j, int64_t now_ms);
/* When credit may come next by time alone (now_ms if there is some); TIME_NEVER where it waits for answers.
 */
int64_t jobs_credit_at(const struct jobs *j, int64_t now_ms);
/* Copies inv and queues it. A campaign's invocations have the same method, payload and time-outs. */
void jobs_submit(struct jobs *j, const struct invocation *inv, int64_t now_ms);
/* Does what is due; gives when it wants to run next (TIME_NEVER: not before news). */
int64_t jobs_run(struct jobs *j, int64_t now_ms);
/* Takes back what is in no job, of one campaign (0: of all), calling on_withdrawn for each before it returns.
 */
void jobs_withdraw(struct jobs *j, uint32_t campaign);
/* How many devices are in a job, or queued for one, without an outcome. */
void jobs_stats(const struct jobs *j, uint32_t *ret_out, uint32_t *ret_queued);
/* NULL is fine. What is under way is forgotten: no callback comes any more; free the hub after that. */
void jobs_free(struct jobs *j);

#endif
