/* hub/percent: percent-encoding for one path segment or one token field (RFC 3986 2.3; contract 2.1). Pure.
 */
#ifndef ROLLCALL_SERVER_HUB_PERCENT_H
#define ROLLCALL_SERVER_HUB_PERCENT_H

#include "server/base/buf.h"

/* Appends text; every byte outside A-Za-z0-9-_.~ as %XX. */
void percent_encode(const char *text, struct buf *out);

#endif
