/* api/oidc: bearer tokens of an OpenID Connect issuer (RFC 7519, checked as RFC 8725 advises), and the roles
 * in their claims. The issuer's keys are given to it; it asks for nothing itself. Loop thread only. */
#ifndef ROLLCALL_API_OIDC_H
#define ROLLCALL_API_OIDC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/auth.h"
#include "server/base/err.h"

#define OIDC_REASON_SIZE AUTH_REASON_SIZE

struct oidc;

struct oidc_options {            /* borrows all texts */
	const char *issuer;      /* what "iss" must be, to the letter */
	const char *audience;    /* what "aud" must be, or hold */
	const char *roles_claim; /* a member of the claims, or a path of them with dots: a text of words, or
	                            texts */
	const char *roles;       /* "VALUE=ROLE,…"; NULL: the values are names of roles */
	const char *name_claim;  /* a text; who the record of orders says it was, with "oidc:" before it */
};

/* ERR_INVALID: roles is not such a list; reason says why. */
MUST_CHECK enum err oidc_new(const struct oidc_options *options, struct oidc **ret,
                             char reason[OIDC_REASON_SIZE]);
void oidc_free(struct oidc *o); /* NULL is fine */

/* Appends the address of the keys that an issuer's discovery document names (OpenID Connect Discovery 1.0,
 * 3). ERR_INVALID: the document is none, or another issuer's. */
MUST_CHECK enum err oidc_read_discovery(const struct oidc *o, const char *document, size_t n,
                                        struct buf *ret_keys_url, char reason[OIDC_REASON_SIZE]);
/* Takes a set of keys (RFC 7517 5) in place of those it has; those that are not for signatures, or weak, are
 * left out. ERR_INVALID: none is left, and the old ones stay. */
MUST_CHECK enum err oidc_set_keys(struct oidc *o, const char *set, size_t n, char reason[OIDC_REASON_SIZE]);
void oidc_forget_keys(struct oidc *o);
/* Whom to ask where a token names a key that is not known: true: it is being looked for, ask again. */
void oidc_on_unknown_key(struct oidc *o, bool (*on_unknown_key)(void *arg), void *arg);

/* Whether text looks like such a token at all, so that it is none of ours. */
bool oidc_is_token(const char *text);
/* now_ms: UTC. BAD: reason says why, without anything of the token. */
enum login oidc_check(const struct oidc *o, const char *token, int64_t now_ms, struct identity *ret,
                      char reason[OIDC_REASON_SIZE]);

#endif
