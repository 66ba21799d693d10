/* hub/token: the one credential of a hub, as the value of the Authorization header, renewed early. Loop
 * thread only. */
#ifndef ROLLCALL_SERVER_HUB_TOKEN_H
#define ROLLCALL_SERVER_HUB_TOKEN_H

#include <stdint.h>

struct connection;
struct token;

/* Gives a token for the whole hub. Borrows c. */
struct token *token_new(const struct connection *c);
/* Gives the header's value, borrowed until the next call; it is good for at least 5 minutes. now_ms: UTC. */
const char *token_value(struct token *t, int64_t now_ms);
/* The hub answered 401: the next value is a new one, since our clock may have been wrong when this one was
 * made. */
void token_refused(struct token *t);
void token_free(struct token *t);

#endif
