/* tests/lib/later: callbacks of fakes, which fire when the test says so, never inside the call that asked. */
#ifndef ROLLCALL_TESTS_LIB_LATER_H
#define ROLLCALL_TESTS_LIB_LATER_H

#include <stdbool.h>
#include <stddef.h>

/* Has fn called with arg, which it frees. */
void later(void (*fn)(void *arg), void *arg);
/* Calls what is due, in order; not what comes up meanwhile. Gives how many that were. */
size_t later_run(void);
/* While held nothing is due. */
void later_hold(bool is_held);
size_t later_n(void);

#endif
