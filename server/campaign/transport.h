/* campaign/transport: how calls go to the devices, and what a campaign gives up whose calls the hub makes. */
#ifndef ROLLCALL_SERVER_CAMPAIGN_TRANSPORT_H
#define ROLLCALL_SERVER_CAMPAIGN_TRANSPORT_H

#include "server/campaign/member.h"
#include "server/campaign/spec.h"

const char *transport_text(enum transport t); /* "direct", "hubJob" */
/* Reads "transport" of the action. */
void transport_read(const struct section *action, struct campaign_spec *s);
/* Adds a fault for each member of the whole that a hub job cannot heed: it runs at the hub's own speed,
 * cannot be stopped (contract 5.1, 5.3), and sends all its devices the same. */
void transport_check(const struct section *whole, const struct campaign_spec *s);

#endif
