/* loop: the event loop, the signals, and the one timer. The timer's work is done when it is due, or after
 * loop_wake(); never inside another call, so whoever wakes need not fear to be called back. */
#ifndef ROLLCALL_SERVER_LOOP_H
#define ROLLCALL_SERVER_LOOP_H

#include <stdint.h>

struct histogram;
struct loop;
struct uv_loop_s;

struct loop_events {
	/* Does what is due at now_ms (UTC) and gives when to be called next, TIME_NEVER: not before
	 * loop_wake(). Is called at least every LOOP_REST_MAX_MS, and first as soon as the loop runs. */
	int64_t (*on_run)(void *arg, int64_t now_ms);
	void (*on_stop)(void *arg);   /* SIGTERM or SIGINT, each time */
	void (*on_reload)(void *arg); /* SIGHUP */
	void *arg;
};

/* What is due is due by the wall clock, but timers sleep by the monotonic one: after a step of the wall clock
 * (a machine that woke up, a corrected date) that is how late a run may be. */
#define LOOP_REST_MAX_MS 60000

/* Takes over SIGTERM, SIGINT, SIGHUP, and has SIGPIPE ignored. Copies events. NULL: the system refuses. */
struct loop *loop_new(const struct loop_events *events);
struct uv_loop_s *loop_uv(struct loop *l);
/* Runs until loop_end(). */
void loop_run(struct loop *l);
void loop_wake(struct loop *l);
void loop_end(struct loop *l);
/* How late runs were: behind the time they were due, or behind loop_wake(). Borrowed. */
const struct histogram *loop_lag(const struct loop *l);
/* Nothing else may be open on the loop any more. NULL is fine. */
void loop_free(struct loop *l);

#endif
