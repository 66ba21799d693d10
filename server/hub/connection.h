/* hub/connection: a service connection string: HostName=…;SharedAccessKeyName=…;SharedAccessKey=…
 * (contract 1.1), and what may stand in for its host. Pure. */
#ifndef ROLLCALL_SERVER_HUB_CONNECTION_H
#define ROLLCALL_SERVER_HUB_CONNECTION_H

#include "server/base/err.h"
#include "server/hub/sas.h"

struct connection {
	char *host; /* may end in :port */
	char *policy;
	struct sas_key key;
};

/* Takes the pairs in any order and ignores unknown ones and white space around the whole. Registers the key
 * as a secret, also where something else is wrong. ERR_INVALID: *ret_reason is a static text without secrets,
 * ret is untouched. */
MUST_CHECK enum err connection_parse(const char *text, struct connection *ret, const char **ret_reason);
/* Overwrites the key. */
void connection_done(struct connection *c);

/* Whether url is "https://host[:port]" or "http://" and a loopback address, with at most a slash after it. */
MUST_CHECK enum err connection_check_endpoint(const char *url, const char **ret_reason);

#endif
