/* agent/options: the command line and the environment. */
#ifndef ROLLCALL_DEPLOY_AGENT_OPTIONS_H
#define ROLLCALL_DEPLOY_AGENT_OPTIONS_H

#include <stdbool.h>

#include "deploy/agent/connection.h"
#include "deploy/agent/state.h"

struct options {
	struct connection connection;
	char *address; /* where to connect */
	int port;
	bool is_plain;
	const char *ca_file, *cert_file, *key_file; /* NULL: none given */
	const char *state_file, *boot_id_file;
	const char *firmware_version_file; /* NULL: no version is known */
	char **commands[ACT_TYPES_N];      /* NULL: it only pretends */
	bool ends_by_exit[ACT_TYPES_N]; /* the command's end is the action's; else the restart that follows it
	                                 */
	char **check_firmware;          /* NULL: none */
	int keepalive_s, token_s, restart_timeout_s, pretend_s;
};

enum options_end { OPTIONS_GOOD, OPTIONS_HELP, OPTIONS_WRONG };

/* Reads them; what is wrong goes to standard error, all of it. Secrets are blanked in argv. */
enum options_end options_read(int argc, char **argv, struct options *ret);
void options_done(struct options *o);

#endif
