/* agent/sas: shared access signatures, as IoT Hub takes them from devices for a password (docs:
 * authenticate-authorize-sas). Pure. */
#ifndef ROLLCALL_DEPLOY_AGENT_SAS_H
#define ROLLCALL_DEPLOY_AGENT_SAS_H

#include <stdbool.h>
#include <stdint.h>

/* A device's key: padded base64 of 1 to 64 bytes, and nothing else. */
bool sas_key_is_sound(const char *key);
/* Gives the token by which a device may use host until expires_at_s (UTC), yours to free(); NULL: key is not
 * sound, or no memory. host may carry a port, as HostName does. */
char *sas_token(const char *host, const char *device_id, const char *key, int64_t expires_at_s);

#endif
