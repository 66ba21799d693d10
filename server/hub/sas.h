/* hub/sas: shared access signatures (contract 1.2). The only user of OpenSSL. Pure, any thread. */
#ifndef ROLLCALL_SERVER_HUB_SAS_H
#define ROLLCALL_SERVER_HUB_SAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"

#define SAS_KEY_BYTES_MAX 128

struct sas_key {
	unsigned char bytes[SAS_KEY_BYTES_MAX];
	size_t n;
};

/* Reads padded base64 of 1 to SAS_KEY_BYTES_MAX bytes. */
bool sas_key_read(const char *base64, struct sas_key *ret);
/* Appends the value of an Authorization header: a token for resource ("host" or "host/devices/id", not
 * encoded) and all below it. policy NULL: none is named, the key is a device's own. */
void sas_mint(const char *resource, const char *policy, const struct sas_key *key, int64_t expires_at_s,
              struct buf *out);

#endif
