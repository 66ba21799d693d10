/* agent: wires link, state and commands together and runs until it is told to stop. Which step follows which,
 * and after a crash at each of them, is told in state.h and CONTRACT.md. */
#ifndef ROLLCALL_DEPLOY_AGENT_AGENT_H
#define ROLLCALL_DEPLOY_AGENT_AGENT_H

#include <stdbool.h>

#include "deploy/agent/options.h"

/* Until SIGTERM or SIGINT. False: it could not start, which is logged. */
bool agent_run(const struct options *options);

#endif
