/* tests/hubsim: what throttles and daily quota were used for, as JSON: what a benchmark weighs a client by.
 */
#ifndef ROLLCALL_TESTS_HUBSIM_USAGE_H
#define ROLLCALL_TESTS_HUBSIM_USAGE_H

#include "server/base/err.h"
#include "tests/world/world.h"

/* Replaces the file at path. ERR_IO: errno says why. */
MUST_CHECK enum err usage_write(const struct world *w, const char *path);

#endif
