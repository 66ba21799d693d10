/* sim/scenario: one life of a fleet, drawn from a seed: hubs, devices, campaigns, and what happens to them.
 * Each part that luck has put in has a name and luck of its own, so that parts can be cut and the others
 * stay: how a seed that fails is made small. */
#ifndef ROLLCALL_TESTS_SIM_SCENARIO_H
#define ROLLCALL_TESTS_SIM_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

struct scenario_result {
	uint32_t campaigns, commits, calls, crashes;
	int64_t simulated_ms;
	uint64_t trace; /* of all that happened, to the last byte written */
};

/* Runs it; a broken promise ends the process. cuts: names of parts to be left out, with spaces between, "":
 * none. parts: where not NULL, the names of all that are in are appended, each with a space behind it. ret
 * NULL: nothing is run. */
void scenario_run(uint64_t seed, const char *cuts, struct buf *parts, struct scenario_result *ret);

#endif
