/* agent/connection: a device's connection string, HostName=…;DeviceId=… and SharedAccessKey=… or x509=true.
 * Pure. */
#ifndef ROLLCALL_DEPLOY_AGENT_CONNECTION_H
#define ROLLCALL_DEPLOY_AGENT_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>

struct connection {
	char *host; /* HostName: the hub by name, which goes into user name and token; may carry a port */
	char *device_id;
	char *key;     /* NULL: X.509 */
	char *gateway; /* GatewayHostName: where to connect instead; NULL: host */
};

/* Reads text, without white space at its ends. False with the reason, which holds nothing secret. */
bool connection_read(const char *text, struct connection *ret, char *why, size_t why_size);
void connection_done(struct connection *c);

/* Splits HOST[:PORT] or [IPv6][:PORT]; host has room for all of address. False: it is neither. */
bool address_read(const char *address, int default_port, char *host, int *ret_port);

#endif
