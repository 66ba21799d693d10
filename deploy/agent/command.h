/* agent/command: the programs that do what was asked for. What a caller sent reaches them in their
 * environment only; no shell reads it. */
#ifndef ROLLCALL_DEPLOY_AGENT_COMMAND_H
#define ROLLCALL_DEPLOY_AGENT_COMMAND_H

#include <sys/types.h>

#include "deploy/agent/contract.h"

/* Splits a line at white space into words; '…' and "…" keep it, and nothing else is special. Gives a list
 * that ends in NULL, for command_free(); NULL: a quote is not closed, there is no word, or no memory. */
char **command_split(const char *line);
void command_free(char **words);

/* Starts words[0], looked up in $PATH, in a session of its own with nothing open but standard output and
 * error. Beside the agent's environment, less what starts with ROLLCALL_, it has ROLLCALL_METHOD,
 * _ATTEMPT_ID, _PAYLOAD, and _PACKAGE_URI, _PACKAGE_VERSION, _PACKAGE_CHECK of a firmware update; what was
 * not given is not set. Gives its process id; -1 with errno: it was not started. */
pid_t command_start(char *const *words, const struct request *r);

#endif
