/* hub: see token.h */
#include "server/hub/token.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/sm.h"
#include "server/hub/connection.h"

#define LIFE_MS \
	(60 * 60 * 1000) /* contract 1.2: no longest life is documented; an hour is what the SDKs take */
#define REFRESH_EARLY_MS (5 * 60 * 1000)

/*  STALE ──token_value() mints──▶ FRESH ──its time is up, the clock went back, or token_refused()──▶ STALE
 *
 * A credential that has to be asked for puts FETCHING in between; then token_value() may have to wait. */
enum { STALE, FRESH };

static const struct sm_state states[] = {
        [STALE] = {"stale", 1u << FRESH},
        [FRESH] = {"fresh", 1u << STALE},
};
static const struct sm machine = {"token", states, sizeof states / sizeof *states};

struct token {
	struct connection connection;
	unsigned state;
	int64_t minted_at_ms, refresh_at_ms;
	struct buf value;
};

struct token *token_new(const struct connection *c)
{
	struct token *t = xcalloc(1, sizeof *t);

	t->connection = (struct connection){xstrdup(c->host), xstrdup(c->policy), c->key};
	t->state = STALE;
	return t;
}

static void token_move(struct token *t, unsigned to)
{
	t->state = sm_move(&machine, t->state, to);
}

static void mint(struct token *t, int64_t now_ms)
{
	buf_reset(&t->value);
	sas_mint(t->connection.host, t->connection.policy, &t->connection.key, (now_ms + LIFE_MS) / 1000,
	         &t->value);
	t->minted_at_ms = now_ms;
	t->refresh_at_ms = now_ms + LIFE_MS - REFRESH_EARLY_MS;
}

const char *token_value(struct token *t, int64_t now_ms)
{
	if (t->state == FRESH && (now_ms >= t->refresh_at_ms || now_ms < t->minted_at_ms))
		token_move(t, STALE);
	if (t->state == STALE) {
		mint(t, now_ms);
		token_move(t, FRESH);
	}
	return t->value.data;
}

void token_refused(struct token *t)
{
	if (t->state == FRESH)
		token_move(t, STALE);
}

void token_free(struct token *t)
{
	if (t == NULL)
		return;
	connection_done(&t->connection);
	if (t->value.data != NULL)
		explicit_bzero(t->value.data, t->value.size);
	buf_done(&t->value);
	free(t);
}
