/* rng: seeded luck (splitmix64): the same seed gives the same numbers on every machine, for ever. And bytes
 * from the system for what nobody may guess. */
#ifndef ROLLCALL_SERVER_BASE_RNG_H
#define ROLLCALL_SERVER_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
/* Even over 0 … n-1; n > 0. */
uint64_t rng_below(struct rng *r, uint64_t n);
/* Even over [0, 1). */
double rng_unit(struct rng *r);
/* Unpredictable bytes (getrandom); aborts where the system has none. */
void rng_system(void *out, size_t n);

#endif
