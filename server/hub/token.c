/* hub: see token.h */
#include "server/hub/token.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/sm.h"
#include "server/hub/connection.h"
#include "server/hub/entra.h"
#include "server/hub/http.h"
#include "server/hub/keyring.h"

#define LIFE_MS \
	(60 * 60 * 1000) /* contract 1.2: no longest life is documented; an hour is what the SDKs take */
#define REFRESH_EARLY_MS (5 * 60 * 1000)
/* Of an access token, contract 1.4; one that lives less than twice that is renewed at half of its life. */
#define RENEW_EARLY_MS (10 * 60 * 1000)
#define ASK_TIMEOUT_MS 20000
#define ANSWER_BYTES_MAX (64 * 1024)
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 60000

/*  STALE ──a signature is made──▶ FRESH ──its time is up, the clock went back, or token_refused()──▶ STALE
 *
 *  STALE ──asked for──▶ FETCHING ──it came──▶ FRESH ──near its end──▶ RENEWING ──it came──▶ FRESH
 *    ▲──not before retry_at──┘                  ▲──did not come, still good──┘ └──not good any more──▶
 * FETCHING */
enum { STALE, FETCHING, FRESH, RENEWING };

static const struct sm_state states[] = {
        [STALE] = {"stale", 1u << FETCHING | 1u << FRESH},
        [FETCHING] = {"fetching", 1u << FRESH | 1u << STALE},
        [FRESH] = {"fresh", 1u << RENEWING | 1u << STALE},
        [RENEWING] = {"renewing", 1u << FRESH | 1u << FETCHING},
};
static const struct sm machine = {"token", states, sizeof states / sizeof *states};

struct token {
	bool is_signature; /* of our own; else an access token */
	struct http *http;
	struct keyring keys;
	struct entra entra;
	bool was_refused; /* the value, for its key perhaps */
	unsigned state;
	uint32_t no;
	int64_t made_at_ms, refresh_at_ms, ends_at_ms;
	int64_t asked_at_ms, retry_at_ms;
	uint32_t failures; /* in a row */
	struct buf value;
	char error[ENTRA_REASON_SIZE + 32]; /* has room for KEYRING_REASON_SIZE */
};

static void token_move(struct token *t, unsigned to)
{
	t->state = sm_move(&machine, t->state, to);
}

static void forget_value(struct token *t)
{
	if (t->value.data != NULL)
		explicit_bzero(t->value.data, t->value.size);
	buf_reset(&t->value);
}

/* ---- signatures ---- */

struct token *token_new(struct keyring *keys)
{
	struct token *t = xcalloc(1, sizeof *t);

	t->is_signature = true;
	t->keys = *keys;
	*keys = (struct keyring){.file = NULL};
	t->state = STALE;
	return t;
}

static void mint(struct token *t, int64_t now_ms)
{
	const struct connection *c;

	forget_value(t);
	if (keyring_renew(&t->keys, t->was_refused, t->error) == ERR_OK)
		t->error[0] = '\0';
	t->was_refused = false;
	c = keyring_current(&t->keys);
	sas_mint(c->host, c->policy, &c->key, (now_ms + LIFE_MS) / 1000, &t->value);
	t->no++;
	t->made_at_ms = now_ms;
	t->ends_at_ms = t->refresh_at_ms = now_ms + LIFE_MS - REFRESH_EARLY_MS;
	token_move(t, FRESH);
}

/* ---- access tokens ---- */

static void failed(struct token *t)
{
	int64_t wait_ms = RETRY_FIRST_MS << (t->failures < 6 ? t->failures : 6);

	t->failures++;
	t->retry_at_ms = t->asked_at_ms + (wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS);
	token_move(t, t->state == RENEWING ? FRESH : STALE);
}

static void came(struct token *t, struct buf *access_token, int64_t life_ms)
{
	forget_value(t);
	buf_printf(&t->value, "Bearer %s", access_token->data);
	t->no++;
	t->made_at_ms = t->asked_at_ms;
	t->ends_at_ms = t->asked_at_ms + life_ms;
	t->refresh_at_ms = t->ends_at_ms - (life_ms < 2 * RENEW_EARLY_MS ? life_ms / 2 : RENEW_EARLY_MS);
	t->failures = 0;
	t->error[0] = '\0';
	token_move(t, FRESH);
}

static void on_answer(void *arg, const struct http_answer *answer)
{
	struct buf access_token = BUF_INIT;
	struct token *t = arg;
	int64_t life_ms;
	char reason[ENTRA_REASON_SIZE] = "no token in the answer";

	if (answer->err != ERR_OK) {
		snprintf(t->error, sizeof t->error, "%s", answer->err_detail);
		failed(t);
	} else if (entra_read(answer->body, answer->body_bytes, &access_token, &life_ms, reason) == ERR_OK &&
	           answer->status == 200) {
		came(t, &access_token, life_ms);
	} else {
		snprintf(t->error, sizeof t->error, "status %d: %s", answer->status, reason);
		failed(t);
	}
	if (access_token.data != NULL)
		explicit_bzero(access_token.data, access_token.size);
	buf_done(&access_token);
}

/* Asks; the state says already that it does. */
static void ask(struct token *t, int64_t now_ms)
{
	struct buf path = BUF_INIT, form = BUF_INIT;
	struct http_request request = {.timeout_ms = ASK_TIMEOUT_MS, .answer_max_bytes = ANSWER_BYTES_MAX};
	char reason[ENTRA_REASON_SIZE];
	enum err err = entra_request(&t->entra, &path, &form, reason);

	t->asked_at_ms = now_ms;
	if (err == ERR_OK) {
		request.path = path.data;
		request.method = form.len > 0 ? "POST" : "GET";
		request.wants_metadata = form.len == 0;
		request.body = form.data;
		request.body_bytes = form.len;
		request.content_type = form.len > 0 ? "application/x-www-form-urlencoded" : NULL;
		err = http_send(t->http, &request, on_answer, t);
		snprintf(reason, sizeof reason, "%s", err_text(err));
	}
	if (err != ERR_OK) {
		snprintf(t->error, sizeof t->error, "%s", reason);
		failed(t);
	}
	if (form.data != NULL)
		explicit_bzero(form.data, form.size);
	buf_done(&form);
	buf_done(&path);
}

struct token *token_new_entra(const struct entra *e, struct http *http, int64_t now_ms)
{
	struct token *t = xcalloc(1, sizeof *t);

	entra_copy(e, &t->entra);
	t->http = http;
	t->retry_at_ms = now_ms;
	token_value(t, now_ms);
	return t;
}

/* ---- both ---- */

/* Every return but those of FETCHING and RENEWING is left by the next call, whose time it needs. */
static void step(struct token *t, int64_t now_ms)
{
	bool is_back = now_ms < t->made_at_ms, may_ask = now_ms >= t->retry_at_ms || now_ms < t->asked_at_ms;

	for (;;) {
		switch (t->state) {
		case STALE:
			forget_value(t);
			if (t->is_signature) {
				mint(t, now_ms);
				return;
			}
			if (!may_ask)
				return;
			may_ask = false;
			token_move(t, FETCHING);
			ask(t, now_ms);
			break;
		case FRESH:
			if (now_ms >= t->ends_at_ms || is_back) {
				is_back = false;
				token_move(t, STALE);
				break;
			}
			if (now_ms < t->refresh_at_ms || t->is_signature || !may_ask)
				return;
			may_ask = false;
			token_move(t, RENEWING);
			ask(t, now_ms);
			break;
		case RENEWING:
			if (now_ms < t->ends_at_ms && !is_back)
				return;
			forget_value(t);
			token_move(t, FETCHING);
			return; /* moved by on_answer() */
		default:
			return; /* moved by on_answer() */
		}
	}
}

const char *token_value(struct token *t, int64_t now_ms)
{
	step(t, now_ms);
	return t->value.len > 0 ? t->value.data : NULL;
}

const char *token_error(const struct token *t)
{
	return t->error;
}

uint32_t token_no(const struct token *t)
{
	return t->no;
}

/* An access token may be refused for want of a right, too: the old one goes on meanwhile. Of a thousand calls
 * that one exchanged key has refused, the first says so. */
void token_refused(struct token *t, uint32_t no)
{
	if (t->state != FRESH || no != t->no)
		return;
	if (t->is_signature) {
		t->was_refused = true;
		token_move(t, STALE);
	} else if (t->refresh_at_ms > t->asked_at_ms + RETRY_MAX_MS) {
		t->refresh_at_ms = t->asked_at_ms + RETRY_MAX_MS; /* not again and again */
	}
}

void token_renew(struct token *t)
{
	if (t->state != FRESH)
		return;
	if (t->is_signature)
		token_move(t, STALE);
	else
		t->refresh_at_ms = t->asked_at_ms;
}

void token_free(struct token *t)
{
	if (t == NULL)
		return;
	keyring_done(&t->keys);
	entra_done(&t->entra);
	forget_value(t);
	buf_done(&t->value);
	free(t);
}
