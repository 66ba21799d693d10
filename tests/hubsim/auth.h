/* auth: who may do what: the built-in policies of contract 1.3, each with two keys, and the check of a token
 * (1.2), of a request or of a device that connects. Verified tokens are remembered, so that a client who
 * keeps its token costs no HMAC a call. Loop thread only. */
#ifndef ROLLCALL_TESTS_HUBSIM_AUTH_H
#define ROLLCALL_TESTS_HUBSIM_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"

#define AUTH_POLICIES_TEXT "iothubowner, service, device, registryRead, registryReadWrite"

struct auth;

/* Gives the door-keeper of hub host. All keys come from secret, so they are the same in every run. Borrows
 * both. */
struct auth *auth_new(const char *host, const char *secret);
void auth_free(struct auth *a); /* NULL is fine */

/* From here on a request with this bearer token may do everything, as if Entra ID had given it to a Data
 * Contributor (contract 1.4). Borrows it. */
void auth_accept_bearer(struct auth *a, const char *token);

/* Whether this request may pass. authorization: the header, NULL if there is none; target: path and query, as
 * sent. */
bool auth_permits(struct auth *a, const char *authorization, const char *method, const char *target,
                  int64_t now_ms);

/* Whether a device may connect with this token: signed with one of its own keys (base64), or by a policy that
 * lets devices connect. Gives until when it is good. */
bool auth_permits_device(struct auth *a, const char *token, const char *device_id, const char *primary_key,
                         const char *secondary_key, int64_t now_ms, int64_t *ret_expires_at_s);

bool auth_has_policy(const char *policy);
/* Append what a client needs, with the primary or the secondary key; policy must exist. */
void auth_connection_string(const struct auth *a, const char *policy, bool secondary, struct buf *out);
void auth_token(const struct auth *a, const char *policy, bool secondary, int64_t expires_at_s,
                struct buf *out);
/* key: base64. */
void auth_device_connection_string(const struct auth *a, const char *device_id, const char *key,
                                   struct buf *out);

#endif
