/* base: see sm.h */
#include "server/base/sm.h"

#include <stdlib.h>

#include "server/base/log.h"

bool sm_permits(const struct sm *sm, unsigned from, unsigned to)
{
	return from < sm->states_n && to < sm->states_n && (sm->states[from].next >> to & 1) != 0;
}

bool sm_is_final(const struct sm *sm, unsigned state)
{
	return state < sm->states_n && sm->states[state].next == 0;
}

unsigned sm_move(const struct sm *sm, unsigned from, unsigned to)
{
	if (!sm_permits(sm, from, to)) {
		log_error("move not permitted", LS("machine", sm->name),
		          LS("from", from < sm->states_n ? sm->states[from].name : "?"),
		          LS("to", to < sm->states_n ? sm->states[to].name : "?"));
		abort();
	}
	return to;
}
