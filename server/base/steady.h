/* steady: UTC for time-outs: what the clock on the wall says while nobody sets it, and when somebody does,
 * time goes on as it passed. The difference is then made up slowly, so that no time-out is wrong by more than
 * a hundredth. */
#ifndef ROLLCALL_SERVER_BASE_STEADY_H
#define ROLLCALL_SERVER_BASE_STEADY_H

#include <stdbool.h>
#include <stdint.h>

/* Zero bytes: not read yet. */
struct steady {
	bool has_begun;
	int64_t ms, mono_ms; /* where it was last put right */
	int64_t told_ms;     /* as last read */
	bool is_apart;       /* what differs is being made up */
};

/* Gives the time; never goes back. wall_ms: UTC. mono_ms: a clock that nobody sets and that also counts while
 * the machine sleeps. */
int64_t steady_read(struct steady *s, int64_t wall_ms, int64_t mono_ms);
/* Goes on from now_ms, at once; what the clock on the wall says otherwise, be it little, is made up. */
void steady_set(struct steady *s, int64_t now_ms, int64_t mono_ms);

#endif
