/* server: asks the service that runs with these settings whether it takes orders, as a container's health
 * check does where no other program is. Blocks, and ignores SIGPIPE from then on: for a process that does
 * nothing else.
 */
#ifndef ROLLCALL_SERVER_HEALTH_H
#define ROLLCALL_SERVER_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/err.h"

/* GET /readyz at address (where it listens; of "any" addresses loopback is asked) and port. Who is_tls is not
 * asked for who it is: nothing secret is sent, and a name in the certificate is not that of loopback.
 * ERR_OK: it takes orders. Else *ret_reason says what came instead, to be given to free(). */
MUST_CHECK enum err health_ask(const char *address, uint16_t port, bool is_tls, char **ret_reason);

#endif
