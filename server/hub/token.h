/* hub/token: the one credential of a hub, as the value of the Authorization header, renewed early: a
 * signature of our own, or an access token that Entra ID is asked for. Loop thread only. */
#ifndef ROLLCALL_SERVER_HUB_TOKEN_H
#define ROLLCALL_SERVER_HUB_TOKEN_H

#include <stdint.h>

struct entra;
struct http;
struct keyring;
struct token;

/* Gives signatures for the whole hub. Takes what keys holds. */
struct token *token_new(struct keyring *keys);
/* Gives access tokens. Copies e; keeps http, a client of its authority, which must be freed before the token.
 * Asks for the first one at once. */
struct token *token_new_entra(const struct entra *e, struct http *http, int64_t now_ms);
/* Gives the header's value, borrowed until the next call. now_ms: UTC. NULL: an access token is being asked
 * for, or it cannot be had now; what was still good is given until its end. */
const char *token_value(struct token *t, int64_t now_ms);
/* Which value it was that was given last: 1, 2, … */
uint32_t token_no(const struct token *t);
/* Why the last access token that was asked for did not come, or the file of connection strings was not taken;
 * "" where all is well; borrowed until the next call. */
const char *token_error(const struct token *t);
/* The hub answered 401 to that value: the next is a new one, since our clock may have been wrong when this
 * one was made, or its key was exchanged: the file is read again, and of two keys it is the other one. */
void token_refused(struct token *t, uint32_t no);
/* The same for a file that was exchanged, and not refused: the key stays if it is still there. */
void token_renew(struct token *t);
void token_free(struct token *t);

#endif
