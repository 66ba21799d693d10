/* api: see oidc.h. The signature is libcjose's; which algorithms, keys and claims are good enough is decided
 * here. */
#include "api/oidc.h"

#include <cjose/cjose.h>
#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"

#define KEYS_MAX 64
#define RSA_BITS_MIN 2048
#define LEEWAY_S 60               /* clocks differ */
#define TIME_MAX_S 253402300799.0 /* the end of the year 9999 */
#define TEXT_MAX 255              /* of a name, and of a claim's value that is mapped */

struct key {
	cjose_jwk_t *jwk;
	char *kid, *alg; /* NULL: the set does not say */
};

struct mapping {
	char *value;
	enum role role;
};

struct oidc {
	char *issuer, *audience, *roles_claim, *name_claim;
	struct mapping *mappings; /* none: the values are names of roles */
	size_t mappings_n;
	struct key keys[KEYS_MAX];
	size_t keys_n;
	bool (*on_unknown_key)(void *arg);
	void *arg;
};

/* What a key must be for an algorithm: asymmetric ones only, so that no public key can be taken for a shared
 * secret. */
static const struct {
	const char *alg;
	cjose_jwk_kty_t kty;
	size_t bits; /* EC: exactly, RSA: at least */
} algorithms[] = {
        {"RS256", CJOSE_JWK_KTY_RSA, RSA_BITS_MIN}, {"RS384", CJOSE_JWK_KTY_RSA, RSA_BITS_MIN},
        {"RS512", CJOSE_JWK_KTY_RSA, RSA_BITS_MIN}, {"PS256", CJOSE_JWK_KTY_RSA, RSA_BITS_MIN},
        {"PS384", CJOSE_JWK_KTY_RSA, RSA_BITS_MIN}, {"PS512", CJOSE_JWK_KTY_RSA, RSA_BITS_MIN},
        {"ES256", CJOSE_JWK_KTY_EC, 256},           {"ES384", CJOSE_JWK_KTY_EC, 384},
        {"ES512", CJOSE_JWK_KTY_EC, 521},
};
#define ALGORITHMS_N (sizeof algorithms / sizeof *algorithms)

/* ---- what is asked for ---- */

static bool add_mapping(struct oidc *o, const char *text, size_t len, char reason[OIDC_REASON_SIZE])
{
	const char *equals = memrchr(text, '=', len);
	struct mapping m;
	char *role;
	bool is_role;

	if (equals == NULL || equals == text || (size_t)(equals - text) > TEXT_MAX) {
		snprintf(reason, OIDC_REASON_SIZE, "must be VALUE=ROLE,VALUE=ROLE…");
		return false;
	}
	role = xstrndup(equals + 1, len - (size_t)(equals + 1 - text));
	is_role = role_parse(role, &m.role);
	free(role);
	if (!is_role) {
		snprintf(reason, OIDC_REASON_SIZE,
		         "a role must be metrics, viewer, operator, approver or admin");
		return false;
	}
	m.value = xstrndup(text, (size_t)(equals - text));
	o->mappings = xrealloc(o->mappings, (o->mappings_n + 1) * sizeof *o->mappings);
	o->mappings[o->mappings_n++] = m;
	return true;
}

enum err oidc_new(const struct oidc_options *options, struct oidc **ret, char reason[OIDC_REASON_SIZE])
{
	struct oidc *o = xcalloc(1, sizeof *o);

	o->issuer = xstrdup(options->issuer);
	o->audience = xstrdup(options->audience);
	o->roles_claim = xstrdup(options->roles_claim);
	o->name_claim = xstrdup(options->name_claim);
	for (const char *at = options->roles; at != NULL;) {
		size_t len = strcspn(at, ",");

		if (!add_mapping(o, at, len, reason)) {
			oidc_free(o);
			return ERR_INVALID;
		}
		at = at[len] == ',' ? at + len + 1 : NULL;
	}
	*ret = o;
	return ERR_OK;
}

void oidc_free(struct oidc *o)
{
	if (o == NULL)
		return;
	oidc_forget_keys(o);
	for (size_t i = 0; i < o->mappings_n; i++)
		free(o->mappings[i].value);
	free(o->mappings);
	free(o->issuer);
	free(o->audience);
	free(o->roles_claim);
	free(o->name_claim);
	free(o);
}

void oidc_on_unknown_key(struct oidc *o, bool (*on_unknown_key)(void *arg), void *arg)
{
	o->on_unknown_key = on_unknown_key;
	o->arg = arg;
}

/* ---- the issuer's documents ---- */

enum err oidc_read_discovery(const struct oidc *o, const char *document, size_t n, struct buf *ret_keys_url,
                             char reason[OIDC_REASON_SIZE])
{
	json_t *root = json_loadb(document, n, JSON_REJECT_DUPLICATES, NULL);
	const char *issuer = json_string_value(json_object_get(root, "issuer"));
	const char *url = json_string_value(json_object_get(root, "jwks_uri"));
	enum err err = ERR_INVALID;

	if (issuer == NULL || url == NULL) {
		snprintf(reason, OIDC_REASON_SIZE, "the discovery document has no issuer or no jwks_uri");
	} else if (strcmp(issuer, o->issuer) != 0) {
		snprintf(reason, OIDC_REASON_SIZE, "the discovery document is another issuer's");
	} else if (strncmp(issuer, "https://", 8) == 0 && strncmp(url, "https://", 8) != 0) {
		snprintf(reason, OIDC_REASON_SIZE, "its keys are not to be had by https");
	} else {
		buf_puts(ret_keys_url, url);
		err = ERR_OK;
	}
	json_decref(root);
	return err;
}

static void key_done(struct key *k)
{
	cjose_jwk_release(k->jwk);
	free(k->kid);
	free(k->alg);
}

static char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? xstrdup(text) : NULL;
}

/* Whether key is fit for an algorithm, alg NULL: for any. */
static bool is_fit(const cjose_jwk_t *jwk, const char *alg)
{
	cjose_jwk_kty_t kty = cjose_jwk_get_kty(jwk, NULL);
	size_t bits = cjose_jwk_get_keysize(jwk, NULL);

	for (size_t i = 0; i < ALGORITHMS_N; i++)
		if (algorithms[i].kty == kty && (alg == NULL || strcmp(alg, algorithms[i].alg) == 0) &&
		    (kty == CJOSE_JWK_KTY_RSA ? bits >= algorithms[i].bits : bits == algorithms[i].bits))
			return true;
	return false;
}

/* False: the key is not for us. */
static bool read_key(json_t *json, struct key *ret)
{
	const char *use = json_string_value(json_object_get(json, "use"));
	struct key k = {NULL, NULL, NULL};
	cjose_err wrong;

	if (!json_is_object(json) || (use != NULL && strcmp(use, "sig") != 0))
		return false;
	k.jwk = cjose_jwk_import_json(json, &wrong);
	if (k.jwk == NULL)
		return false;
	k.kid = text_of(json, "kid");
	k.alg = text_of(json, "alg");
	if (!is_fit(k.jwk, k.alg)) {
		key_done(&k);
		return false;
	}
	*ret = k;
	return true;
}

void oidc_forget_keys(struct oidc *o)
{
	for (size_t i = 0; i < o->keys_n; i++)
		key_done(&o->keys[i]);
	o->keys_n = 0;
}

enum err oidc_set_keys(struct oidc *o, const char *set, size_t n, char reason[OIDC_REASON_SIZE])
{
	json_t *root = json_loadb(set, n, JSON_REJECT_DUPLICATES, NULL);
	struct key keys[KEYS_MAX];
	size_t keys_n = 0, i;
	json_t *json;

	json_array_foreach (json_object_get(root, "keys"), i, json)
		if (keys_n < KEYS_MAX && read_key(json, &keys[keys_n]))
			keys_n++;
	json_decref(root);
	if (keys_n == 0) {
		snprintf(reason, OIDC_REASON_SIZE, "the set holds no key that is good for signatures");
		return ERR_INVALID;
	}
	oidc_forget_keys(o);
	memcpy(o->keys, keys, keys_n * sizeof *keys);
	o->keys_n = keys_n;
	return ERR_OK;
}

/* ---- a token's claims ---- */

/* The member of that name, else what the path leads to. */
static const json_t *claim(const json_t *claims, const char *path)
{
	const json_t *json = json_object_get(claims, path);
	char *part, *rest, *copy;

	if (json != NULL)
		return json;
	copy = rest = xstrdup(path);
	for (json = claims; json != NULL && (part = strsep(&rest, ".")) != NULL;)
		json = json_object_get(json, part);
	free(copy);
	return json;
}

static bool is_in(const json_t *json, const char *text)
{
	const json_t *one;
	size_t i;

	if (json_is_string(json))
		return strcmp(json_string_value(json), text) == 0;
	json_array_foreach (json, i, one)
		if (json_is_string(one) && strcmp(json_string_value(one), text) == 0)
			return true;
	return false;
}

/* Seconds since 1970; false: there is no such claim, or it is no number of them. */
static bool read_time(const json_t *claims, const char *name, double *ret_s)
{
	const json_t *json = json_object_get(claims, name);

	*ret_s = json_number_value(json);
	return json_is_number(json) && isfinite(*ret_s) && *ret_s >= 0 && *ret_s <= TIME_MAX_S;
}

/* The end of the token too. */
static const char *wrong_with_times(const json_t *claims, int64_t now_ms, int64_t *ret_until_ms)
{
	double now_s = (double)now_ms / 1000, s;

	if (!read_time(claims, "exp", &s))
		return "it does not say when it ends (exp)";
	if (now_s >= s + LEEWAY_S)
		return "it has expired";
	*ret_until_ms = (int64_t)((s + LEEWAY_S) * 1000);
	if (json_object_get(claims, "nbf") != NULL && (!read_time(claims, "nbf", &s) || now_s < s - LEEWAY_S))
		return "it is not yet good (nbf)";
	if (json_object_get(claims, "iat") != NULL && (!read_time(claims, "iat", &s) || now_s < s - LEEWAY_S))
		return "it was made in the future (iat)";
	return NULL;
}

static void raise_role(const struct oidc *o, const char *value, size_t len, enum role *role)
{
	char text[TEXT_MAX + 1];
	enum role named;

	if (len > TEXT_MAX)
		return;
	memcpy(text, value, len);
	text[len] = '\0';
	if (o->mappings_n == 0 && role_parse(text, &named) && named > *role)
		*role = named;
	for (size_t i = 0; i < o->mappings_n; i++)
		if (strcmp(o->mappings[i].value, text) == 0 && o->mappings[i].role > *role)
			*role = o->mappings[i].role;
}

/* The highest that the claim gives; NONE: none. */
static enum role role_of(const struct oidc *o, const json_t *claims)
{
	const json_t *json = claim(claims, o->roles_claim), *one;
	enum role role = ROLE_NONE;
	size_t i;

	if (json_is_string(json)) { /* words, as in "scope" (RFC 8693 4.2) */
		for (const char *at = json_string_value(json); *at != '\0'; at += strspn(at, " ")) {
			raise_role(o, at, strcspn(at, " "), &role);
			at += strcspn(at, " ");
		}
	}
	json_array_foreach (json, i, one)
		if (json_is_string(one))
			raise_role(o, json_string_value(one), json_string_length(one), &role);
	return role;
}

/* Escapes what might break a line, a table or a look: the record of orders shows it to people. */
static bool read_name(const struct oidc *o, const json_t *claims, char out[IDENTITY_NAME_SIZE])
{
	const char *text = json_string_value(claim(claims, o->name_claim));
	struct buf name = BUF_INIT;
	bool fits;

	if (text == NULL || text[0] == '\0')
		return false;
	buf_puts(&name, "oidc:");
	for (; *text != '\0' && name.len < IDENTITY_NAME_SIZE; text++) {
		if (isalnum((unsigned char)*text) || strchr("._-@:|/+=", *text) != NULL)
			buf_putc(&name, *text);
		else
			buf_printf(&name, "%%%02X", (unsigned char)*text);
	}
	fits = name.len < IDENTITY_NAME_SIZE;
	if (fits)
		memcpy(out, name.data, name.len + 1);
	buf_done(&name);
	return fits;
}

/* NULL: nothing, and ret is filled in. */
static const char *wrong_with_claims(const struct oidc *o, const json_t *claims, int64_t now_ms,
                                     struct identity *ret)
{
	const char *issuer = json_string_value(json_object_get(claims, "iss")), *wrong;
	struct identity who;

	if (!json_is_object(claims))
		return "its claims are no JSON object";
	if (issuer == NULL || strcmp(issuer, o->issuer) != 0)
		return "it is of another issuer (iss)";
	if (!is_in(json_object_get(claims, "aud"), o->audience))
		return "it is for another audience (aud)";
	wrong = wrong_with_times(claims, now_ms, &who.until_ms);
	if (wrong != NULL)
		return wrong;
	if (!read_name(o, claims, who.name))
		return "the claim with its name is missing or too long";
	who.role = role_of(o, claims);
	*ret = who;
	return NULL;
}

/* ---- a token ---- */

bool oidc_is_token(const char *text)
{
	const char *dot = strchr(text, '.');

	return dot != NULL && (dot = strchr(dot + 1, '.')) != NULL && strchr(dot + 1, '.') == NULL;
}

/* Types that are no bearer tokens, though signed by the same key, are refused (RFC 8725 3.11). */
static const char *wrong_with_header(cjose_header_t *header)
{
	const char *typ = cjose_header_get(header, "typ", NULL);
	char *crit = cjose_header_get_raw(header, "crit", NULL);
	bool is_critical = crit != NULL;

	free(crit);
	if (is_critical)
		return "it has critical extensions (crit)";
	if (typ != NULL && strcasecmp(typ, "JWT") != 0 && strcasecmp(typ, "at+jwt") != 0 &&
	    strcasecmp(typ, "application/at+jwt") != 0)
		return "it is of another type (typ)";
	return NULL;
}

/* The key that a token is to be checked with; a token that names none only where there is no choice. */
static const struct key *find_key(const struct oidc *o, const char *kid, const char *alg, bool *ret_is_known)
{
	const struct key *found = NULL;
	size_t fit_n = 0;

	*ret_is_known = false;
	for (size_t i = 0; i < o->keys_n; i++) {
		const struct key *k = &o->keys[i];

		if (kid != NULL && (k->kid == NULL || strcmp(k->kid, kid) != 0))
			continue;
		*ret_is_known = true;
		if (!is_fit(k->jwk, alg) || (k->alg != NULL && strcmp(k->alg, alg) != 0))
			continue;
		found = k;
		fit_n++;
	}
	return fit_n == 1 ? found : NULL;
}

static const char *wrong_with_payload(const struct oidc *o, cjose_jws_t *jws, int64_t now_ms,
                                      struct identity *ret)
{
	uint8_t *payload;
	json_t *claims;
	const char *wrong;
	size_t n;

	if (!cjose_jws_get_plaintext(jws, &payload, &n, NULL))
		return "it has no claims";
	claims = json_loadb((const char *)payload, n, JSON_REJECT_DUPLICATES, NULL);
	wrong = wrong_with_claims(o, claims, now_ms, ret);
	json_decref(claims);
	return wrong;
}

static enum login check(const struct oidc *o, cjose_jws_t *jws, int64_t now_ms, struct identity *ret,
                        const char **ret_wrong)
{
	cjose_header_t *header = cjose_jws_get_protected(jws);
	const char *alg = cjose_header_get(header, "alg", NULL), *kid = cjose_header_get(header, "kid", NULL);
	const struct key *key;
	bool is_known;
	cjose_err wrong;

	*ret_wrong = wrong_with_header(header);
	if (*ret_wrong != NULL)
		return LOGIN_BAD;
	key = find_key(o, kid, alg != NULL ? alg : "", &is_known);
	if (key == NULL) {
		*ret_wrong = is_known ? "its algorithm is not that of the key (alg)"
		                      : "its key is not one of the issuer's (kid)";
		return !is_known && o->on_unknown_key != NULL && o->on_unknown_key(o->arg) ? LOGIN_LATER
		                                                                           : LOGIN_BAD;
	}
	*ret_wrong = cjose_jws_verify(jws, key->jwk, &wrong) ? wrong_with_payload(o, jws, now_ms, ret)
	                                                     : "its signature is not the issuer's";
	return *ret_wrong == NULL ? LOGIN_GOOD : LOGIN_BAD;
}

enum login oidc_check(const struct oidc *o, const char *token, int64_t now_ms, struct identity *ret,
                      char reason[OIDC_REASON_SIZE])
{
	cjose_err unreadable;
	cjose_jws_t *jws = oidc_is_token(token) ? cjose_jws_import(token, strlen(token), &unreadable) : NULL;
	const char *wrong = "it is no signed JWT";
	enum login login = LOGIN_BAD;

	if (jws != NULL)
		login = check(o, jws, now_ms, ret, &wrong);
	cjose_jws_release(jws);
	if (login != LOGIN_GOOD)
		snprintf(reason, OIDC_REASON_SIZE, "%s", wrong);
	return login;
}
