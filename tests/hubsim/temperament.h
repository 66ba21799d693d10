/* temperament: the JSON file that says how the fleet and the hub behave; README.md describes it. */
#ifndef ROLLCALL_TESTS_HUBSIM_TEMPERAMENT_H
#define ROLLCALL_TESTS_HUBSIM_TEMPERAMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "server/base/buf.h"
#include "tests/world/world.h"

/* What has no place in struct world_options. */
struct temperament {
	char *id_prefix; /* world_options.id_prefix points here, if the file says one */
	struct world_fault *faults;
	size_t faults_n;
};

/* Reads a file's text into options, of which seed and start_ms are set already: quirks are drawn from the
 * one, faults count from the other. False: every fault found stands in ret_wrong, a line each, with its JSON
 * pointer. */
bool temperament_read(const char *text, size_t len, struct world_options *options,
                      struct temperament *ret_temperament, struct buf *ret_wrong);
void temperament_done(struct temperament *t);

#endif
