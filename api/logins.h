/* api/logins: how often an address has shown a token that is none. Pure but for the memory of it, which is
 * fixed. */
#ifndef ROLLCALL_API_LOGINS_H
#define ROLLCALL_API_LOGINS_H

#include <stdint.h>

/* Of one address: so many may fail in a row, then one each so many ms. */
#define LOGINS_BURST 50
#define LOGINS_EACH_MS 2000
#define LOGINS_ADDRESSES \
	1024 /* remembered at once; of each few that share a place the least guilty is forgotten */

struct logins;

struct logins *logins_new(void);
void logins_free(struct logins *l); /* NULL is fine */
/* A login from address failed (a number as text; of IPv6 the first 64 bits count, since one machine has the
 * rest). Gives 0: it may be told so; else in how many seconds it may try again, at least 1, and then it does
 * not count. */
uint32_t logins_failed(struct logins *l, const char *address, int64_t now_mono_ms);

#endif
