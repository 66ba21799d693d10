/* tests: api/oidc.c: which tokens of an issuer are taken, and as whom. The tokens are made as the issuer
 * would, or as somebody who is not; "NOW" is a time of the test's own. */
#include "tests/unit/api/harness.h"

#include <cjose/cjose.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/oidc.h"
#include "server/base/clock.h"
#include "tests/unit/api/stream.h"

#define NOW_S 1893456000
#define NOW_MS ((int64_t)NOW_S * 1000)
#define ISSUER "https://login.example/t"
#define CLAIMS(more) \
	"{\"iss\":\"" ISSUER \
	"\",\"aud\":\"rollcall\",\"sub\":\"eva\",\"roles\":[\"operator\"],\"exp\":1893459600" more "}"
#define SOUND_CLAIMS CLAIMS("")

static cjose_jwk_t *rsa, *ec, *stranger, *weak;
static char *set; /* of the issuer: rsa as r1, ec as e1 */
static struct oidc *o;
static char reason[OIDC_REASON_SIZE];
static struct identity who;

/* Keys are made before the first test. */
static void sure(bool is_so)
{
	if (!is_so)
		abort();
}

static cjose_jwk_t *named(cjose_jwk_t *key, const char *kid)
{
	sure(key != NULL);
	if (kid != NULL)
		sure(cjose_jwk_set_kid(key, kid, strlen(kid), NULL));
	return key;
}

static char *public_json(cjose_jwk_t *key)
{
	char *json = cjose_jwk_to_json(key, false, NULL);

	sure(json != NULL);
	return json;
}

static void make_keys(void)
{
	char *r, *e;

	if (rsa != NULL)
		return;
	rsa = named(cjose_jwk_create_RSA_random(2048, (const uint8_t *)"\1\0\1", 3, NULL), "r1");
	stranger = named(cjose_jwk_create_RSA_random(2048, (const uint8_t *)"\1\0\1", 3, NULL), "r1");
	weak = named(cjose_jwk_create_RSA_random(1024, (const uint8_t *)"\1\0\1", 3, NULL), "w1");
	ec = named(cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, NULL), "e1");
	r = public_json(rsa);
	e = public_json(ec);
	sure(asprintf(&set, "{\"keys\":[%s,%s]}", r, e) > 0);
	free(r);
	free(e);
}

static void new_oidc(const char *roles)
{
	struct oidc_options options = {ISSUER, "rollcall", "roles", roles, "sub"};

	make_keys();
	ck_assert_int_eq(oidc_new(&options, &o, reason), ERR_OK);
	ck_assert_msg(oidc_set_keys(o, set, strlen(set), reason) == ERR_OK, "%s", reason);
}

/* A token; header: members beside alg and kid. */
static char *sign(const cjose_jwk_t *key, const char *alg, const char *kid, const char *member,
                  const char *value, const char *claims)
{
	cjose_header_t *header = cjose_header_new(NULL);
	cjose_jws_t *jws;
	const char *text;
	cjose_err wrong;
	char *copy;

	cjose_header_set(header, "alg", alg, NULL);
	if (kid != NULL)
		cjose_header_set(header, "kid", kid, NULL);
	if (member != NULL)
		ck_assert(value[0] == '[' ? cjose_header_set_raw(header, member, value, NULL)
		                          : cjose_header_set(header, member, value, NULL));
	jws = cjose_jws_sign(key, header, (const uint8_t *)claims, strlen(claims), &wrong);
	ck_assert_msg(jws != NULL && cjose_jws_export(jws, &text, NULL), "%s", wrong.message);
	copy = xstrdup(text);
	cjose_jws_release(jws);
	cjose_header_release(header);
	return copy;
}

/* Takes token. */
static enum login check(char *token)
{
	enum login login = oidc_check(o, token, NOW_MS, &who, reason);

	free(token);
	return login;
}

static void check_refused(char *token, const char *why)
{
	ck_assert_msg(check(token) == LOGIN_BAD, "taken, not refused: %s", why);
	ck_assert_msg(strstr(reason, why) != NULL, "no %s in: %s", why, reason);
}

static void check_claims_refused(const char *claims, const char *why)
{
	check_refused(sign(rsa, "RS256", "r1", NULL, NULL, claims), why);
}

START_TEST(test_a_token_of_the_issuer_gives_name_role_and_end)
{
	static const char *const of_rsa[] = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"};

	new_oidc(NULL);
	for (size_t i = 0; i < sizeof of_rsa / sizeof *of_rsa; i++) {
		ck_assert_msg(check(sign(rsa, of_rsa[i], "r1", NULL, NULL, SOUND_CLAIMS)) == LOGIN_GOOD, "%s",
		              reason);
		ck_assert_str_eq(who.name, "oidc:eva");
		ck_assert_int_eq(who.role, ROLE_OPERATOR);
		ck_assert_int_eq(who.until_ms, (int64_t)(1893459600 + 60) * 1000);
	}
	ck_assert_int_eq(check(sign(ec, "ES256", "e1", NULL, NULL, SOUND_CLAIMS)), LOGIN_GOOD);
	ck_assert_int_eq(check(sign(ec, "ES256", NULL, NULL, NULL, SOUND_CLAIMS)),
	                 LOGIN_GOOD); /* there is no other */
	ck_assert_int_eq(check(sign(rsa, "RS256", "r1", "typ", "at+jwt", SOUND_CLAIMS)), LOGIN_GOOD);
	ck_assert_int_eq(check(sign(rsa, "RS256", "r1", "typ", "application/at+jwt", SOUND_CLAIMS)),
	                 LOGIN_GOOD);
	oidc_free(o);
}
END_TEST

static char *unsigned_token(const char *header, const char *claims, const char *signature)
{
	char *h, *c, *token;
	size_t n;

	ck_assert(cjose_base64url_encode((const uint8_t *)header, strlen(header), &h, &n, NULL));
	ck_assert(cjose_base64url_encode((const uint8_t *)claims, strlen(claims), &c, &n, NULL));
	ck_assert_int_gt(asprintf(&token, "%s.%s.%s", h, c, signature), 0);
	free(h);
	free(c);
	return token;
}

START_TEST(test_no_signature_and_no_shared_secret_are_taken)
{
	static const char *const none[] = {"none", "None", "NONE", "nOnE", ""};
	char *r, header[64];
	cjose_jwk_t *secret;

	new_oidc(NULL);
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		snprintf(header, sizeof header, "{\"alg\":\"%s\",\"kid\":\"r1\"}", none[i]);
		check_refused(unsigned_token(header, SOUND_CLAIMS, ""), "");
		check_refused(unsigned_token(header, SOUND_CLAIMS, "AAAA"), "");
	}
	check_refused(unsigned_token("{\"kid\":\"r1\"}", SOUND_CLAIMS, "AAAA"), "");
	r = public_json(rsa);
	secret = cjose_jwk_create_oct_spec((const uint8_t *)r, strlen(r), NULL);
	check_refused(sign(secret, "HS256", "r1", NULL, NULL, SOUND_CLAIMS), "alg");
	cjose_jwk_release(secret);
	free(r);
	oidc_free(o);
}
END_TEST

START_TEST(test_another_key_another_algorithm_and_a_changed_byte_are_refused)
{
	char *token;

	new_oidc(NULL);
	check_refused(sign(stranger, "RS256", "r1", NULL, NULL, SOUND_CLAIMS), "signature");
	check_refused(sign(stranger, "RS256", "r2", NULL, NULL, SOUND_CLAIMS), "kid");
	check_refused(sign(rsa, "RS256", "e1", NULL, NULL, SOUND_CLAIMS), "alg");
	check_refused(sign(ec, "ES256", "r1", NULL, NULL, SOUND_CLAIMS), "alg");
	check_refused(sign(rsa, "RS256", "r1", "crit", "[\"exp\"]", SOUND_CLAIMS), "crit");
	check_refused(sign(rsa, "RS256", "r1", "typ", "logout+jwt", SOUND_CLAIMS), "typ");
	token = sign(rsa, "RS256", "r1", NULL, NULL, SOUND_CLAIMS);
	for (size_t at = 0, n = strlen(token); at < n - 1;
	     at += 7) { /* of the last letter some bits count for nothing */
		char *changed = xstrdup(token);

		changed[at] = changed[at] == 'A' ? 'B' : 'A';
		ck_assert_msg(check(changed) == LOGIN_BAD, "byte %zu", at);
	}
	free(token);
	oidc_free(o);
}
END_TEST

START_TEST(test_times_issuer_and_audience_must_fit)
{
#define WITH(iss, aud, rest) \
	"{\"iss\":\"" iss "\",\"aud\":" aud ",\"sub\":\"eva\",\"roles\":\"viewer\"" rest "}"
#define EXP ",\"exp\":1893459600"
	new_oidc(NULL);
	check_claims_refused(WITH("https://login.example/t/", "\"rollcall\"", EXP), "iss");
	check_claims_refused(WITH("https://login.example", "\"rollcall\"", EXP), "iss");
	check_claims_refused("{\"aud\":\"rollcall\",\"sub\":\"eva\",\"roles\":\"viewer\"" EXP "}", "iss");
	check_claims_refused("{\"iss\":7,\"aud\":\"rollcall\",\"sub\":\"eva\"" EXP "}", "iss");
	check_claims_refused(WITH(ISSUER, "\"other\"", EXP), "aud");
	check_claims_refused(WITH(ISSUER, "[\"other\",7,{}]", EXP), "aud");
	check_claims_refused(WITH(ISSUER, "{\"rollcall\":1}", EXP), "aud");
	check_claims_refused(WITH(ISSUER, "\"rollcall\"", ""), "exp");
	check_claims_refused(WITH(ISSUER, "\"rollcall\"", ",\"exp\":\"1893459600\""), "exp");
	check_claims_refused(WITH(ISSUER, "\"rollcall\"", ",\"exp\":-1"), "exp");
	check_claims_refused(WITH(ISSUER, "\"rollcall\"", ",\"exp\":1e300"), "exp");
	check_claims_refused(WITH(ISSUER, "\"rollcall\"", ",\"exp\":1893455940"), "expired");
	check_claims_refused(WITH(ISSUER, "\"rollcall\"", EXP ",\"nbf\":1893456061"), "nbf");
	check_claims_refused(WITH(ISSUER, "\"rollcall\"", EXP ",\"nbf\":\"0\""), "nbf");
	check_claims_refused(WITH(ISSUER, "\"rollcall\"", EXP ",\"iat\":1893456061"), "iat");
	check_claims_refused(WITH(ISSUER, "\"rollcall\"", EXP ",\"iat\":true"), "iat");
	check_claims_refused("[]", "no JSON object");
	check_claims_refused("{", "no JSON object");
	check_claims_refused(CLAIMS(",\"aud\":\"other\""), "no JSON object"); /* twice: which one counts? */
	ck_assert_int_eq(check(sign(rsa, "RS256", "r1", NULL, NULL,
	                            WITH(ISSUER, "[\"other\",\"rollcall\"]",
	                                 ",\"exp\":1893455941,\"nbf\":1893456060"))),
	                 LOGIN_GOOD);
	oidc_free(o);
}
END_TEST

static void check_role(const char *roles_claim, const char *roles, const char *claims, enum role expected)
{
	struct oidc_options options = {ISSUER, "rollcall", roles_claim, roles, "sub"};

	make_keys();
	ck_assert_int_eq(oidc_new(&options, &o, reason), ERR_OK);
	ck_assert_int_eq(oidc_set_keys(o, set, strlen(set), reason), ERR_OK);
	ck_assert_msg(check(sign(ec, "ES256", "e1", NULL, NULL, claims)) == LOGIN_GOOD, "%s", reason);
	ck_assert_msg(who.role == expected, "%s: %s", claims, role_text(who.role));
	oidc_free(o);
}

#define ROLES_CLAIMS(claim) \
	"{\"iss\":\"" ISSUER "\",\"aud\":\"rollcall\",\"sub\":\"eva\",\"exp\":1893459600," claim "}"

#define LONGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

START_TEST(test_the_highest_role_of_the_claim_counts_and_no_other)
{
	check_role("roles", NULL, ROLES_CLAIMS("\"roles\":[\"viewer\",\"approver\",\"king\",7]"),
	           ROLE_APPROVER);
	check_role("roles", NULL, ROLES_CLAIMS("\"roles\":\"openid viewer\""), ROLE_VIEWER);
	check_role("roles", NULL, ROLES_CLAIMS("\"roles\":[\"approver\",\"viewer\"]"), ROLE_APPROVER);
	check_role("roles", NULL, ROLES_CLAIMS("\"roles\":[\"" LONGEST LONGEST LONGEST LONGEST LONGEST "\"]"),
	           ROLE_NONE);
	check_role("roles", NULL, ROLES_CLAIMS("\"roles\":[\"none\",\"Admin\",\"admin \"]"), ROLE_NONE);
	check_role("roles", NULL, ROLES_CLAIMS("\"roles\":{\"admin\":true}"), ROLE_NONE);
	check_role("roles", NULL, ROLES_CLAIMS("\"groups\":[\"admin\"]"), ROLE_NONE);
	check_role("groups", "ops=operator,9b2f=admin,a=b=viewer",
	           ROLES_CLAIMS("\"groups\":[\"ops\",\"a=b\"]"), ROLE_OPERATOR);
	check_role("groups", "ops=operator,9b2f=admin", ROLES_CLAIMS("\"groups\":[\"9b2f\",\"ops\"]"),
	           ROLE_ADMIN);
	check_role("groups", "ops=operator", ROLES_CLAIMS("\"groups\":[\"admin\"]"), ROLE_NONE);
	check_role("realm_access.roles", NULL, ROLES_CLAIMS("\"realm_access\":{\"roles\":[\"admin\"]}"),
	           ROLE_ADMIN);
	check_role("https://x.example/roles", NULL, ROLES_CLAIMS("\"https://x.example/roles\":[\"viewer\"]"),
	           ROLE_VIEWER);
}
END_TEST

START_TEST(test_a_name_is_escaped_and_never_that_of_a_tokens_file)
{
	char claims[1024], long_name[256];

	new_oidc(NULL);
	ck_assert_int_eq(check(sign(ec, "ES256", "e1", NULL, NULL,
	                            "{\"iss\":\"" ISSUER "\",\"aud\":\"rollcall\",\"exp\":1893459600,\"sub\":"
	                            "\"eva@x.example\\n=cmd|'<b>\\u00e9\"}")),
	                 LOGIN_GOOD);
	ck_assert_str_eq(who.name, "oidc:eva@x.example%0A=cmd|%27%3Cb%3E%C3%A9");
	check_claims_refused("{\"iss\":\"" ISSUER "\",\"aud\":\"rollcall\",\"exp\":1893459600}", "name");
	check_claims_refused("{\"iss\":\"" ISSUER "\",\"aud\":\"rollcall\",\"exp\":1893459600,\"sub\":\"\"}",
	                     "name");
	memset(long_name, 'a', 255);
	long_name[255] = '\0';
	for (int i = 0; i < 2; i++) {
		snprintf(claims, sizeof claims,
		         "{\"iss\":\"" ISSUER "\",\"aud\":\"rollcall\",\"exp\":1893459600,\"sub\":\"%s%s\"}",
		         long_name, i == 0 ? "" : long_name);
		ck_assert_int_eq(check(sign(ec, "ES256", "e1", NULL, NULL, claims)),
		                 i == 0 ? LOGIN_GOOD : LOGIN_BAD);
	}
	oidc_free(o);
}
END_TEST

static unsigned asked_n;
static bool is_looked_for;

static bool on_unknown_key(void *arg)
{
	(void)arg;
	asked_n++;
	return is_looked_for;
}

START_TEST(test_an_unknown_key_is_asked_for_and_a_known_one_not)
{
	asked_n = 0;
	new_oidc(NULL);
	oidc_on_unknown_key(o, on_unknown_key, NULL);
	is_looked_for = true;
	ck_assert_int_eq(check(sign(stranger, "RS256", "r2", NULL, NULL, SOUND_CLAIMS)), LOGIN_LATER);
	is_looked_for = false;
	ck_assert_int_eq(check(sign(stranger, "RS256", "r2", NULL, NULL, SOUND_CLAIMS)), LOGIN_BAD);
	ck_assert_uint_eq(asked_n, 2);
	ck_assert_int_eq(check(sign(stranger, "RS256", "r1", NULL, NULL, SOUND_CLAIMS)), LOGIN_BAD);
	ck_assert_uint_eq(asked_n, 2);
	oidc_forget_keys(o);
	is_looked_for = true;
	ck_assert_int_eq(check(sign(ec, "ES256", NULL, NULL, NULL, SOUND_CLAIMS)), LOGIN_LATER);
	oidc_free(o);
}
END_TEST

START_TEST(test_keys_that_are_weak_secret_or_for_other_uses_are_left_out)
{
	char *w = public_json((make_keys(), weak)), text[4096], *r = public_json(rsa);
	static const char secret[] =
	        "{\"kty\":\"oct\",\"kid\":\"s1\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}";

	new_oidc(NULL);
	snprintf(text, sizeof text, "{\"keys\":[%s,%s,7,{},{\"kty\":\"RSA\"}]}", w, secret);
	ck_assert_int_eq(oidc_set_keys(o, text, strlen(text), reason), ERR_INVALID);
	snprintf(text, sizeof text, "{\"keys\":[{\"use\":\"enc\",%s]}", r + 1);
	ck_assert_int_eq(oidc_set_keys(o, text, strlen(text), reason), ERR_INVALID);
	snprintf(text, sizeof text, "{\"keys\":[{\"alg\":\"RSA-OAEP\",%s]}", r + 1);
	ck_assert_int_eq(oidc_set_keys(o, text, strlen(text), reason), ERR_INVALID);
	ck_assert_int_eq(oidc_set_keys(o, "[", 1, reason), ERR_INVALID);
	/* the old ones are still there */
	ck_assert_int_eq(check(sign(rsa, "RS256", "r1", NULL, NULL, SOUND_CLAIMS)), LOGIN_GOOD);
	snprintf(text, sizeof text, "{\"keys\":[%s,{\"use\":\"sig\",\"alg\":\"RS512\",%s]}", w, r + 1);
	ck_assert_int_eq(oidc_set_keys(o, text, strlen(text), reason), ERR_OK);
	check_refused(sign(rsa, "RS256", "r1", NULL, NULL, SOUND_CLAIMS), "alg");
	check_refused(sign(weak, "RS256", "w1", NULL, NULL, SOUND_CLAIMS), "kid");
	ck_assert_int_eq(check(sign(rsa, "RS512", "r1", NULL, NULL, SOUND_CLAIMS)), LOGIN_GOOD);
	free(w);
	free(r);
	oidc_free(o);
}
END_TEST

START_TEST(test_of_very_many_keys_the_first_are_kept)
{
	struct buf many = BUF_INIT;
	char *r = public_json((make_keys(), rsa)), *e = public_json(ec), *text, name[8];
	json_t *key = json_loads(e, 0, NULL);

	new_oidc(NULL);
	buf_printf(&many, "{\"keys\":[%s", r);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof name, "k%d", i);
		json_object_set_new(key, "kid", json_string(name));
		text = json_dumps(key, 0);
		buf_printf(&many, ",%s", text);
		free(text);
	}
	json_decref(key);
	buf_printf(&many, ",%s]}", e);
	ck_assert_msg(oidc_set_keys(o, many.data, many.len, reason) == ERR_OK, "%s", reason);
	ck_assert_int_eq(check(sign(rsa, "RS256", "r1", NULL, NULL, SOUND_CLAIMS)), LOGIN_GOOD);
	check_refused(sign(ec, "ES256", "e1", NULL, NULL, SOUND_CLAIMS), "kid");
	buf_done(&many);
	free(r);
	free(e);
	oidc_free(o);
}
END_TEST

START_TEST(test_a_key_without_a_name_is_for_tokens_that_name_none)
{
	cjose_jwk_t *nameless = named(cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_384, NULL), NULL);
	char text[1024], *n = public_json(nameless);

	new_oidc(NULL);
	snprintf(text, sizeof text, "{\"keys\":[%s]}", n);
	ck_assert_int_eq(oidc_set_keys(o, text, strlen(text), reason), ERR_OK);
	ck_assert_int_eq(check(sign(nameless, "ES384", NULL, NULL, NULL, SOUND_CLAIMS)), LOGIN_GOOD);
	check_refused(sign(nameless, "ES384", "e1", NULL, NULL, SOUND_CLAIMS), "kid");
	/* Of two such nobody knows which is meant. */
	snprintf(text, sizeof text, "{\"keys\":[%s,%s]}", n, n);
	ck_assert_int_eq(oidc_set_keys(o, text, strlen(text), reason), ERR_OK);
	check_refused(sign(nameless, "ES384", NULL, NULL, NULL, SOUND_CLAIMS), "alg");
	cjose_jwk_release(nameless);
	free(n);
	oidc_free(o);
}
END_TEST

START_TEST(test_a_token_has_three_parts)
{
	ck_assert(oidc_is_token("a.b.c"));
	ck_assert(!oidc_is_token("a"));
	ck_assert(!oidc_is_token("a.b"));
	ck_assert(!oidc_is_token("a.b.c.d"));
}
END_TEST

START_TEST(test_discovery_must_be_the_issuers_own)
{
	static const char
	        good[] = "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"https://keys.example/k\"}",
	        other[] = "{\"issuer\":\"https://other.example\",\"jwks_uri\":\"https://keys.example/k\"}",
	        plain[] = "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"http://127.0.0.1/k\"}",
	        none[] = "{\"issuer\":\"" ISSUER "\"}";
	struct buf url = BUF_INIT;

	new_oidc(NULL);
	ck_assert_int_eq(oidc_read_discovery(o, good, sizeof good - 1, &url, reason), ERR_OK);
	ck_assert_str_eq(url.data, "https://keys.example/k");
	ck_assert_int_eq(oidc_read_discovery(o, other, sizeof other - 1, &url, reason), ERR_INVALID);
	ck_assert_int_eq(oidc_read_discovery(o, plain, sizeof plain - 1, &url, reason), ERR_INVALID);
	ck_assert_int_eq(oidc_read_discovery(o, none, sizeof none - 1, &url, reason), ERR_INVALID);
	ck_assert_int_eq(oidc_read_discovery(o, "", 0, &url, reason), ERR_INVALID);
	buf_done(&url);
	oidc_free(o);
}
END_TEST

START_TEST(test_role_lists_that_are_none_are_refused)
{
	static const char *const wrong[] = {"",
	                                    "ops",
	                                    "=admin",
	                                    "ops=king",
	                                    "ops=none",
	                                    "ops=admin,",
	                                    "ops=admin,,a=viewer",
	                                    LONGEST LONGEST LONGEST LONGEST LONGEST "=admin"};

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct oidc_options options = {ISSUER, "rollcall", "roles", wrong[i], "sub"};

		ck_assert_msg(oidc_new(&options, &o, reason) == ERR_INVALID, "%s", wrong[i]);
	}
}
END_TEST

START_TEST(test_at_the_door_an_issuers_token_does_what_its_role_may)
{
	char claims[256], header[2048], *token;

	new_oidc(NULL);
	oidc_on_unknown_key(o, on_unknown_key, NULL);
	server_start((struct api_options){.oidc = o});
	snprintf(claims, sizeof claims,
	         "{\"iss\":\"" ISSUER "\",\"aud\":\"rollcall\",\"sub\":\"eva\",\"roles\":[\"viewer\"],"
	         "\"exp\":%lld}",
	         (long long)(clock_now_ms() / 1000 + 1000));
	token = sign(ec, "ES256", "e1", NULL, NULL, claims);
	snprintf(header, sizeof header, "Authorization: Bearer %s\r\n", token);
	ck_status(ask("GET", "/v1/campaigns", header, NULL), 200);
	ck_status(ask("GET", "/v1/audit", header, NULL), 403);
	ck_status(ask("GET", "/v1/campaigns", "", NULL), 401);
	oidc_forget_keys(o);
	is_looked_for = true;
	ck_status(ask("GET", "/v1/campaigns", header, NULL), 503);
	ck_has(ask("GET", "/v1/campaigns", header, NULL), "\"code\":\"issuerUnavailable\"");
	is_looked_for = false;
	ck_status(ask("GET", "/v1/campaigns", header, NULL), 401);
	free(token);
	server_stop();
	oidc_free(o);
}
END_TEST

START_TEST(test_a_stream_ends_with_its_token)
{
	char claims[256], headers[2048], *token;
	struct stream stream;

	new_oidc(NULL);
	server_start((struct api_options){.oidc = o, .heartbeat_ms = 40});
	snprintf(claims, sizeof claims,
	         "{\"iss\":\"" ISSUER
	         "\",\"aud\":\"rollcall\",\"sub\":\"eva\",\"roles\":[\"viewer\"],\"exp\":%lld}",
	         (long long)(clock_now_ms() / 1000 -
	                     58)); /* with what clocks may differ, a second or two are left */
	token = sign(ec, "ES256", "e1", NULL, NULL, claims);
	snprintf(headers, sizeof headers, "Accept: text/event-stream\r\nAuthorization: Bearer %s\r\n", token);
	stream_begin(&stream, "/v1/events", headers);
	stream_wait_end(&stream);
	stream_done(&stream);
	ck_status(ask("GET", "/v1/events", headers, NULL), 401);
	free(token);
	server_stop();
	oidc_free(o);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api oidc");

	make_keys(); /* once: each test is a process of its own */

	TESTS(s, "tokens", test_a_token_of_the_issuer_gives_name_role_and_end,
	      test_no_signature_and_no_shared_secret_are_taken,
	      test_another_key_another_algorithm_and_a_changed_byte_are_refused,
	      test_times_issuer_and_audience_must_fit, test_the_highest_role_of_the_claim_counts_and_no_other,
	      test_a_name_is_escaped_and_never_that_of_a_tokens_file);
	TESTS(s, "issuer", test_an_unknown_key_is_asked_for_and_a_known_one_not,
	      test_keys_that_are_weak_secret_or_for_other_uses_are_left_out,
	      test_of_very_many_keys_the_first_are_kept,
	      test_a_key_without_a_name_is_for_tokens_that_name_none, test_a_token_has_three_parts,
	      test_discovery_must_be_the_issuers_own, test_role_lists_that_are_none_are_refused);
	TESTS(s, "door", test_at_the_door_an_issuers_token_does_what_its_role_may,
	      test_a_stream_ends_with_its_token);
	return suite_run(s);
}
