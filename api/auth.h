/* api/auth: who asks, in which role. Tokens are known by their SHA-256 only. Loop thread only. */
#ifndef ROLLCALL_API_AUTH_H
#define ROLLCALL_API_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/err.h"

/* Each may do what the ones before it may. NONE: needs no token; METRICS: may read the metrics and nothing
 * else. */
#define ROLES(X) \
	X(NONE, "none") \
	X(METRICS, "metrics") \
	X(VIEWER, "viewer") \
	X(OPERATOR, "operator") \
	X(APPROVER, "approver") \
	X(ADMIN, "admin")
enum role {
#define X(name, text) ROLE_##name,
	ROLES(X)
#undef X
};
const char *role_text(enum role r);
/* False for an unknown text, and for "none". */
bool role_parse(const char *text, enum role *ret);

#define IDENTITY_NAME_MAX 64 /* in the tokens file */
#define IDENTITY_NAME_SIZE 264
struct identity {
	/* [A-Za-z0-9._-]; "oidc:" and more where an issuer's token says it; "local" where there are no tokens
	 */
	char name[IDENTITY_NAME_SIZE];
	enum role role;
	int64_t until_ms; /* UTC; TIME_NEVER: until the tokens file says otherwise */
};

/* LATER: it cannot be known yet, as the issuer's keys are still being asked for. */
enum login { LOGIN_GOOD, LOGIN_BAD, LOGIN_LATER };

#define AUTH_REASON_SIZE 160
struct auth;
struct oidc;

/* Reads a tokens file, a JSON array of {name, role, sha256}. path NULL: no tokens, everyone is admin "local".
 * On failure *ret_reason names all that is wrong with it, and is yours to free(). Keeps a copy of path. */
MUST_CHECK enum err auth_load(const char *path, struct auth **ret, char **ret_reason);
/* Reads the file again; on failure the tokens stay what they were. */
MUST_CHECK enum err auth_reload(struct auth *a, char **ret_reason);
/* Takes tokens of that issuer, too; keeps it. Then there are tokens, also without a file. */
void auth_take_oidc(struct auth *a, struct oidc *oidc);
void auth_free(struct auth *a); /* NULL is fine */

bool auth_has_tokens(const struct auth *a);
/* Who shows this Authorization header (NULL: none), by the tokens file; false: nobody it knows. Takes the
 * same time for any wrong token. */
bool auth_check(const struct auth *a, const char *authorization, struct identity *ret);
/* The same, by the issuer's tokens as well. Where it is not GOOD, reason says why, without anything of the
 * token. */
enum login auth_login(const struct auth *a, const char *authorization, int64_t now_ms, struct identity *ret,
                      char reason[AUTH_REASON_SIZE]);

/* Makes a fresh token nobody can guess, and appends it, and its entry for the tokens file. ERR_INVALID: the
 * name is not sound. */
MUST_CHECK enum err auth_token_new(const char *name, enum role role, struct buf *token, struct buf *entry);

#endif
