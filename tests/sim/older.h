/* sim/older: a database as an older version of the service would have left it. */
#ifndef ROLLCALL_TESTS_SIM_OLDER_H
#define ROLLCALL_TESTS_SIM_OLDER_H

struct drive;

/* The newest schema there is. */
int older_newest(void);
/* Puts in the database's place one of that schema (1 …), with all that it has room for. Nobody has it open.
 */
void older_put(struct drive *d, int version);

#endif
