/* dispatch/gate: may this hub be called now? Fed with what calls and reads came to; pure.
 *
 * It has one reason at a time. A reason replaces those to its left and is ignored behind those to its right:
 *
 *   OPEN < THROTTLED < STARTING < AMBIGUOUS < DOWN < UNAUTHORISED < QUOTA
 *
 * What needs a read outranks THROTTLED, since the read comes first anyway; QUOTA outranks all, since who says
 * 403002 is there, knows us, and will refuse reads too until the day ends. The same reason again does not
 * start anew: calls that were out already bring the same news many times (a longer Retry-After does count).
 */
#ifndef ROLLCALL_SERVER_DISPATCH_GATE_H
#define ROLLCALL_SERVER_DISPATCH_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "server/hub/hub.h"

/* STARTING: nothing has been heard of it since the start, so its clock is not known: a read must work first.
 * AMBIGUOUS: N ambiguous answers to calls in a row, until a read works (product: A target's life).
 * DOWN: a call could not be sent, or three reads in a row failed; UNAUTHORISED: 401 and 403; both until a
 * read works. THROTTLED: until the back-off ends (contract 7.3: 10 s, doubled up to 60 s, ±25 %, Retry-After
 * if longer); QUOTA: until 00:00 UTC by the hub's clock, and up to a minute more (contract 7.2). */
#define GATE_REASONS(X) \
	X(OPEN, "open") \
	X(STARTING, "starting") \
	X(AMBIGUOUS, "ambiguousAnswers") \
	X(DOWN, "down") \
	X(UNAUTHORISED, "unauthorised") \
	X(THROTTLED, "throttled") \
	X(QUOTA, "quota")
enum gate_reason {
#define X(name, text) GATE_##name,
	GATE_REASONS(X)
#undef X
	        GATE_REASONS_N
};
const char *gate_reason_text(enum gate_reason r);

struct gate {
	enum gate_reason reason;
	int64_t since_ms;       /* of the reason */
	int64_t until_ms;       /* THROTTLED, QUOTA: opens then; OPEN: TIME_NEVER; else: the next probe */
	uint32_t ambiguous_max; /* N, default 5 */
	uint32_t ambiguous_in_row, throttled_in_row, failed_reads_in_row, probes_in_row;
	bool is_probing; /* a probe is out */
	uint64_t seed;   /* of the jitter, so that a run repeats */
};

/* ambiguous_max at least 1. */
void gate_init(struct gate *g, uint32_t ambiguous_max, uint64_t seed, int64_t now_ms);
/* What a call came to. hub_now_ms: the hub's clock, TIME_NONE: not known (then ours). Never opens the gate.
 */
void gate_on_call(struct gate *g, const struct hub_answer *answer, int64_t now_ms, int64_t hub_now_ms);
/* What a read (twin, query, probe) came to. One that was answered, GONE or refused as OUR_FAULT shows that
 * the hub is there and knows us: it opens what waits for a read. 401 and 403 shut at once; 429 slows reads,
 * not calls. */
void gate_on_read(struct gate *g, const struct hub_answer *answer, int64_t now_ms, int64_t hub_now_ms);
/* Lets time pass: THROTTLED and QUOTA open when their time has come. Where the clock has stepped back, what
 * is left to wait counts from now. */
void gate_run(struct gate *g, int64_t now_ms);
bool gate_is_open(const struct gate *g);
/* Whether a probing read is due now; then the caller makes one and says gate_probing(). Probes: at once for
 * STARTING and AMBIGUOUS; else, and after one that failed, 1 s, doubled up to 30 s (UNAUTHORISED: 10 s up to
 * 300 s, going on from there when reads work but calls are still refused). */
bool gate_wants_probe(const struct gate *g, int64_t now_ms);
void gate_probing(struct gate *g);
/* When gate_run() or a probe is due next, TIME_NEVER if nothing is. */
int64_t gate_next_at(const struct gate *g);

#endif
