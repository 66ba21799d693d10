/* tests: luck for the engine: whatever happens, in whatever order, drawn from a seed. The rig checks after
 * every step; at the end every target of every campaign has ended (P10). */
#ifndef ROLLCALL_TESTS_UNIT_SERVER_CAMPAIGN_CHAOS_H
#define ROLLCALL_TESTS_UNIT_SERVER_CAMPAIGN_CHAOS_H

#include "rig.h"

/* Members of a spec, and others that a PATCH may put in their place while it lives (NULL: none). */
struct chaos_members {
	const char *first, *patched;
};

/* One life of up to three campaigns over the same devices, with members drawn from n. Appends all steps to
 * log where it is not NULL. Check fails in the midst of it, telling the seed. */
void chaos_run(uint64_t seed, const struct chaos_members *members, size_t n, struct buf *log);
/* Runs seeds 1 … runs; where $ROLLCALL_TEST_SEED is set, that one only. */
void chaos_runs(unsigned runs, const struct chaos_members *members, size_t n);
/* The same seed twice gives the same steps, for seeds 1 … runs. */
void chaos_repeats(unsigned runs, const struct chaos_members *members, size_t n);

#endif
