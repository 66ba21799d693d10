/* sm: a state machine as a table. A move that the table does not permit is our mistake and ends the process.
 */
#ifndef ROLLCALL_SERVER_BASE_SM_H
#define ROLLCALL_SERVER_BASE_SM_H

#include <stdbool.h>
#include <stdint.h>

struct sm_state {
	const char *name;
	uint32_t next; /* bit i set: may move to state i; no bit set: final */
};

struct sm {
	const char *name;
	const struct sm_state *states;
	unsigned states_n;
};

bool sm_permits(const struct sm *sm, unsigned from, unsigned to);
bool sm_is_final(const struct sm *sm, unsigned state);
/* Gives to; aborts, naming both states, where the table does not permit it. */
unsigned sm_move(const struct sm *sm, unsigned from, unsigned to);

#endif
