/* journal: what really happened to the devices, as JSON lines in a file, in order: the ground truth that
 * tests compare with. Loop thread only. */
#ifndef ROLLCALL_TESTS_HUBSIM_JOURNAL_H
#define ROLLCALL_TESTS_HUBSIM_JOURNAL_H

#include "server/base/err.h"
#include "tests/world/world.h"

struct journal;

/* Opens path and empties it. Gives NULL and leaves errno where that fails. */
struct journal *journal_open(const char *path);
/* A world_journal_cb; arg is the journal. The line is in the file after journal_flush(). */
void journal_on_entry(void *arg, const struct world_entry *entry);
/* ERR_IO: the file lacks lines, so it is of no more use; errno says why. */
MUST_CHECK enum err journal_flush(struct journal *j);
void journal_close(struct journal *j); /* NULL is fine; what was not flushed is lost */

#endif
