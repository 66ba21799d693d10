/* sas: shared access signatures, the tokens of contract 1.2: read, check, write. Knows no policies and no
 * clock. Any thread. */
#ifndef ROLLCALL_TESTS_HUBSIM_SAS_H
#define ROLLCALL_TESTS_HUBSIM_SAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"

#define SAS_SIGNATURE_BYTES 32
#define SAS_KEY_BYTES_MAX 64

struct sas_key {
	unsigned char bytes[SAS_KEY_BYTES_MAX];
	size_t len;
};

/* Points into the header it was read from. */
struct sas_token {
	const char *uri; /* "sr" exactly as written, since that is what is signed */
	size_t uri_len;
	const char *expiry; /* "se" as written, signed too */
	size_t expiry_len;
	const char *policy; /* "skn", percent-encoded; NULL: signed with a device's own key */
	size_t policy_len;
	int64_t expires_at_s;
	unsigned char signature[SAS_SIGNATURE_BYTES];
};

/* Reads base64 of 1 to SAS_KEY_BYTES_MAX bytes. */
bool sas_key_read(const char *base64, struct sas_key *ret_key);
void sas_key_write(const struct sas_key *key, struct buf *out);

/* Reads the value of an Authorization header. False if it is no SAS token. */
bool sas_read(const char *header, struct sas_token *ret_token);
/* In constant time. */
bool sas_is_signed_by(const struct sas_token *token, const struct sas_key *key);
/* Appends the token's resource, percent-decoded; false if it is badly encoded. */
bool sas_resource(const struct sas_token *token, struct buf *out);
/* Whether a token for resource ("host[:port][/path]", decoded) is good for path ("/…", decoded) at host:
 * the host without regard to case and port, the path by whole segments. */
bool sas_resource_covers(const char *resource, const char *host, const char *path);

/* Appends a token for resource ("host", or "host/devices/id"), as the Azure docs' samples write it. policy:
 * NULL where key is a device's own. */
void sas_write(const char *resource, const char *policy, const struct sas_key *key, int64_t expires_at_s,
               struct buf *out);

/* Appends s with %XX decoded; false where an escape is broken or stands for a NUL. */
bool percent_decode(const char *s, size_t len, struct buf *out);

#endif
