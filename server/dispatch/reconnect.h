/* dispatch/reconnect: how many devices a hub lets connect (contract 7.1: new device connections). An action
 * that restarts devices brings each of them back as a new connection, some time later, which nobody can
 * foresee; where no more are sent away than may come back, at any pace, they do not pile up at the door.
 * Pure. */
#ifndef ROLLCALL_SERVER_DISPATCH_RECONNECT_H
#define ROLLCALL_SERVER_DISPATCH_RECONNECT_H

#include <stdint.h>

#include "server/dispatch/bucket.h"

struct reconnects {
	struct bucket away;
};

/* For so many units of a tier that hub_rates_of() knows; none: no limit is known. */
void reconnects_init(struct reconnects *r, const char *sku, uint32_t units, uint32_t reserve_percent);
/* How many may be sent away a minute; 0: no limit is known. */
uint32_t reconnects_per_minute(const struct reconnects *r);
/* Tells the time, once a turn. */
void reconnects_run(struct reconnects *r, int64_t now_ms);
/* How many more may be sent away now, UINT32_MAX without a limit; and when one may. */
uint32_t reconnects_credit(const struct reconnects *r, int64_t now_ms);
int64_t reconnects_next_at(const struct reconnects *r, int64_t now_ms);
/* One is sent away. */
void reconnects_take(struct reconnects *r, int64_t now_ms);

#endif
