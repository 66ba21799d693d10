/* tests: server/hub/connection, sas, token, entra, percent; http.h is a double of ours */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/secret.h"
#include "server/base/clock.h"
#include "server/hub/connection.h"
#include "server/hub/entra.h"
#include "server/hub/http.h"
#include "server/hub/keyring.h"
#include "server/hub/percent.h"
#include "server/hub/token.h"

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" /* contract 1.2: bytes 00 … 1f */
#define HOST "HostName=myhub.azure-devices.net"
#define POLICY "SharedAccessKeyName=service"
#define WHOLE HOST ";" POLICY ";SharedAccessKey=" KEY

static void assert_minted(const char *resource, const char *policy, int64_t expires_at_s, const char *wanted)
{
	struct buf out = BUF_INIT;
	struct sas_key key;

	ck_assert(sas_key_read(KEY, &key));
	ck_assert_uint_eq(key.n, 32);
	sas_mint(resource, policy, &key, expires_at_s, &out);
	ck_assert_str_eq(out.data, wanted);
	buf_done(&out);
}

START_TEST(test_signatures_are_those_of_the_contracts_vectors)
{
	assert_minted("myhub.azure-devices.net", "service", 1893456000,
	              "SharedAccessSignature sr=myhub.azure-devices.net"
	              "&sig=0erPtW%2BUZwK56IPujRFtwej1EwQMsCuQYucBqMXo%2FLU%3D&skn=service&se=1893456000");
	assert_minted(
	        "myhub.azure-devices.net", "service", 1893456002,
	        "SharedAccessSignature sr=myhub.azure-devices.net"
	        "&sig=L%2F4MIp4z11KCiLNdABALTAichg8jxTYme%2B2qN6%2B%2FAD0%3D&skn=service&se=1893456002");
	assert_minted("myhub.azure-devices.net/devices/dev-1", NULL, 1893456000,
	              "SharedAccessSignature sr=myhub.azure-devices.net%2Fdevices%2Fdev-1"
	              "&sig=xGx18r8CP%2FGty2onrPdoP%2FXp6ZZ6Kkd1JKx602k4MeM%3D&se=1893456000");
}
END_TEST

START_TEST(test_keys_are_padded_base64_of_1_to_128_bytes)
{
	static const char *const wrong[] = {"",     "AAE",  "A===",  "AA=A", "AA E",
	                                    "AA-_", "====", "AAAA=", " AAA", "AAAA\n"};
	char longest[176] = "";
	struct sas_key key;

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		ck_assert_msg(!sas_key_read(wrong[i], &key), "\"%s\" was read", wrong[i]);
	ck_assert(sas_key_read("/w==", &key));
	ck_assert_uint_eq(key.n, 1);
	ck_assert_uint_eq(key.bytes[0], 0xff);
	memset(longest, 'A', 172);
	ck_assert(!sas_key_read(longest, &key));
	longest[171] = '=';
	ck_assert(sas_key_read(longest, &key));
	ck_assert_uint_eq(key.n, 128);
}
END_TEST

START_TEST(test_all_but_unreserved_bytes_are_percent_encoded)
{
	struct buf out = BUF_INIT;

	percent_encode("AZaz09-_.~ d#1+%?!()*,=@$'/\xc3\xa9", &out);
	ck_assert_str_eq(out.data, "AZaz09-_.~%20d%231%2B%25%3F%21%28%29%2A%2C%3D%40%24%27%2F%C3%A9");
	buf_done(&out);
}
END_TEST

static void assert_taken(const char *text)
{
	struct connection c;
	const char *reason;

	ck_assert_msg(connection_parse(text, &c, &reason) == ERR_OK, "%s", text);
	ck_assert_str_eq(c.host, "myhub.azure-devices.net");
	ck_assert_str_eq(c.policy, "service");
	ck_assert_uint_eq(c.key.n, 32);
	ck_assert_uint_eq(c.key.bytes[31], 0x1f);
	connection_done(&c);
}

START_TEST(test_connection_strings_are_taken_in_any_order_with_unknown_pairs)
{
	assert_taken(WHOLE);
	assert_taken("SharedAccessKey=" KEY ";" POLICY ";" HOST);
	assert_taken(" \t" WHOLE ";\r\n");
	assert_taken("Later=1;;hostname=other;" WHOLE ";GatewayHostName=a=b=c");
}
END_TEST

START_TEST(test_unsound_connection_strings_are_refused_with_a_reason_without_secrets)
{
	static const struct {
		const char *text, *reason;
	} wrong[] = {
	        {"", "all needed"},
	        {"nonsense", "not name=value"},
	        {HOST ";" POLICY, "all needed"},
	        {HOST ";SharedAccessKey=" KEY, "all needed"},
	        {POLICY ";SharedAccessKey=" KEY, "all needed"},
	        {HOST ";sharedaccesskeyname=service;SharedAccessKey=" KEY, "all needed"},
	        {HOST ";SharedAccessKeyName=;SharedAccessKey=" KEY, "all needed"},
	        {"HostName=;" POLICY ";SharedAccessKey=" KEY, "host name"},
	        {"HostName=a/b;" POLICY ";SharedAccessKey=" KEY, "host name"},
	        {"HostName=a@b;" POLICY ";SharedAccessKey=" KEY, "host name"},
	        {"HostName=a:;" POLICY ";SharedAccessKey=" KEY, "host name"},
	        {"HostName=a:99999;" POLICY ";SharedAccessKey=" KEY, "host name"},
	        {"HostName=.a;" POLICY ";SharedAccessKey=" KEY, "host name"},
	        {"HostName=-a;" POLICY ";SharedAccessKey=" KEY, "host name"},
	        {"HostName=a:8x;" POLICY ";SharedAccessKey=" KEY, "host name"},
	        {"HostName=a:0000080;" POLICY ";SharedAccessKey=" KEY, "host name"},
	        {"HostName=https://a;" POLICY ";SharedAccessKey=" KEY, "host name"},
	        {HOST ";" POLICY ";SharedAccessKey=not+base64", "base64"},
	        {HOST ";" POLICY ";SharedAccessKey=", "base64"},
	        {WHOLE ";" HOST, "twice"},
	        {HOST ";DeviceId=dev-1;SharedAccessKey=" KEY, "device's"},
	};

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct connection c = {.host = NULL};
		const char *reason = NULL;

		ck_assert_msg(connection_parse(wrong[i].text, &c, &reason) == ERR_INVALID, "%s",
		              wrong[i].text);
		ck_assert_msg(strstr(reason, wrong[i].reason) != NULL, "%s: %s", wrong[i].text, reason);
		ck_assert_ptr_null(strstr(reason, "not+base64"));
		ck_assert_ptr_null(c.host);
	}
}
END_TEST

START_TEST(test_a_key_that_was_read_is_blanked_from_then_on)
{
	struct buf line = BUF_INIT;
	struct connection c;
	const char *reason;

	ck_assert_int_eq(connection_parse(HOST ";SharedAccessKey=bad-key-bad", &c, &reason), ERR_INVALID);
	buf_puts(&line, "saw bad-key-bad");
	secret_redact(&line);
	ck_assert_str_eq(line.data, "saw ***");
	buf_done(&line);
	secret_forget_all();
}
END_TEST

START_TEST(test_endpoints_are_https_or_plain_http_to_loopback)
{
	static const char *const fine[] = {
	        "https://hub.example", "https://hub.example:8443", "https://10.0.0.1/",
	        "HTTPS://[::1]:1",     "http://localhost",         "http://127.0.0.1:8081",
	        "http://127.9.9.9/",   "http://[::1]:8081",        "http://LOCALHOST:80/"};
	static const char *const wrong[] = {
	        "",
	        "hub.example",
	        "ftp://127.0.0.1",
	        "http://",
	        "https://",
	        "https:///",
	        "http://hub.example",
	        "http://10.0.0.1",
	        "http://128.0.0.1",
	        "http://127.0.0.1.evil.example",
	        "http://localhost.evil.example",
	        "http://localhost@evil.example",
	        "http://127.0.0.1:8081@evil.example",
	        "http://127.0.0.1:80801",
	        "http://127.0.0.1:",
	        "http://127.1",
	        "http://[::2]",
	        "https://hub.example/path",
	        "https://hub.example?x",
	        "https://hub.example#x",
	        "https://user:pw@hub.example",
	        "https://hub example",
	        "https://hub.example\n",
	};
	const char *reason;

	for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
		ck_assert_msg(connection_check_endpoint(fine[i], &reason) == ERR_OK, "%s", fine[i]);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		ck_assert_msg(connection_check_endpoint(wrong[i], &reason) == ERR_INVALID, "%s", wrong[i]);
}
END_TEST

static struct token *new_token(void)
{
	struct keyring keys;
	const char *reason;

	ck_assert_int_eq(keyring_init(&keys, WHOLE, NULL, &reason), ERR_OK);
	return token_new(&keys);
}

static void assert_expires(struct token *t, int64_t now_ms, const char *se)
{
	const char *value = token_value(t, now_ms);

	ck_assert_str_eq(strstr(value, "&se="), se);
}

START_TEST(test_a_token_lives_an_hour_and_is_made_anew_with_5_minutes_left)
{
	const int64_t t0 = 1893456000000 - 3600000;
	struct token *t = new_token();

	ck_assert_str_eq(token_value(t, t0),
	                 "SharedAccessSignature sr=myhub.azure-devices.net"
	                 "&sig=0erPtW%2BUZwK56IPujRFtwej1EwQMsCuQYucBqMXo%2FLU%3D&skn=service&se=1893456000");
	assert_expires(t, t0 + 54 * 60000 + 59999, "&se=1893456000");
	assert_expires(t, t0 + 55 * 60000, "&se=1893459300");
	token_free(t);
}
END_TEST

START_TEST(test_a_token_is_made_anew_when_refused_or_when_the_clock_went_back)
{
	const int64_t t0 = 1893456000000 - 3600000;
	struct token *t = new_token();

	token_refused(t, token_no(t));
	assert_expires(t, t0, "&se=1893456000");
	assert_expires(t, t0 + 2000, "&se=1893456000");
	token_refused(t, token_no(t));
	token_refused(t, token_no(t));
	assert_expires(t, t0 + 2000, "&se=1893456002");
	assert_expires(t, t0 + 1000, "&se=1893456001");
	token_refused(t, token_no(t) - 1); /* of which another was made meanwhile */
	assert_expires(t, t0 + 2000, "&se=1893456001");
	token_renew(t);
	token_renew(t);
	assert_expires(t, t0 + 2000, "&se=1893456002");
	token_free(t);
	token_free(NULL);
}
END_TEST

/* ---- access tokens ---- */

/* What was asked for last, and is not answered yet. */
static struct {
	unsigned asked_n;
	http_answer_cb *on_answer; /* NULL: nothing is out */
	void *arg;
	char method[8], path[256], form[512];
	bool wants_metadata;
} asked;

enum err http_send(struct http *h, const struct http_request *r, http_answer_cb *on_answer, void *arg)
{
	ck_assert_ptr_null(h);
	ck_assert(asked.on_answer == NULL);
	ck_assert_ptr_null(r->authorization);
	asked.asked_n++;
	asked.on_answer = on_answer;
	asked.arg = arg;
	snprintf(asked.method, sizeof asked.method, "%s", r->method);
	snprintf(asked.path, sizeof asked.path, "%s", r->path);
	snprintf(asked.form, sizeof asked.form, "%.*s", (int)r->body_bytes, r->body != NULL ? r->body : "");
	asked.wants_metadata = r->wants_metadata;
	return ERR_OK;
}

static void answer(enum err err, int status, const char *body)
{
	http_answer_cb *on_answer = asked.on_answer;

	ck_assert(on_answer != NULL);
	asked.on_answer = NULL;
	on_answer(asked.arg, &(struct http_answer){.err = err,
	                                           .err_detail = err != ERR_OK ? "no route" : NULL,
	                                           .status = status,
	                                           .body = body,
	                                           .body_bytes = strlen(body)});
}

static char secret_file[] = "/tmp/rollcall-secret-XXXXXX";

static void put_secret(const char *text)
{
	FILE *out = fopen(secret_file, "w");

	ck_assert_ptr_nonnull(out);
	fputs(text, out);
	ck_assert_int_eq(fclose(out), 0);
}

static void make_secret_file(void)
{
	memset(secret_file + sizeof secret_file - 7, 'X', 6);
	close(mkstemp(secret_file));
	memset(&asked, 0, sizeof asked);
}

static void remove_secret_file(void)
{
	unlink(secret_file);
	secret_forget_all();
}

static struct token *new_access_token(enum entra_flow flow, int64_t now_ms)
{
	struct entra e = {flow, (char[]){"https://login.example"}, (char[]){"t-1"}, (char[]){"c 1"},
	                  secret_file};

	return token_new_entra(&e, NULL, now_ms);
}

#define T0 ((int64_t)1893456000000)

START_TEST(test_a_client_secret_is_sent_as_a_form_and_its_token_used)
{
	struct buf told = BUF_INIT;
	struct token *t;

	put_secret(" s&cret+1\n");
	t = new_access_token(ENTRA_CLIENT_SECRET, T0);
	buf_puts(&told, "no s&cret+1 here");
	secret_redact(&told);
	ck_assert_str_eq(told.data, "no *** here");
	buf_done(&told);
	ck_assert_str_eq(asked.method, "POST");
	ck_assert_str_eq(asked.path, "/t-1/oauth2/v2.0/token");
	ck_assert_str_eq(asked.form,
	                 "grant_type=client_credentials&client_id=c%201"
	                 "&scope=https%3A%2F%2Fiothubs.azure.net%2F.default&client_secret=s%26cret%2B1");
	ck_assert(!asked.wants_metadata);
	ck_assert_ptr_null(token_value(t, T0 + 1000));
	ck_assert_uint_eq(asked.asked_n, 1); /* many wait for one */
	answer(ERR_OK, 200, "{\"token_type\":\"Bearer\",\"expires_in\":3600,\"access_token\":\"abc\"}");
	ck_assert_str_eq(token_value(t, T0 + 1000), "Bearer abc");
	token_free(t);
}
END_TEST

START_TEST(test_a_workload_identity_shows_the_platforms_token_as_it_is_now)
{
	struct token *t;

	put_secret("one");
	t = new_access_token(ENTRA_WORKLOAD_IDENTITY, T0);
	ck_assert_ptr_nonnull(strstr(asked.form,
	                             "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-"
	                             "assertion-type%3Ajwt-bearer&client_assertion=one"));
	put_secret("two");
	answer(ERR_OK, 500, "");
	ck_assert_ptr_null(token_value(t, T0 + 1000));
	ck_assert_ptr_nonnull(strstr(asked.form, "&client_assertion=two"));
	answer(ERR_NOT_SENT, 0, "");
	token_free(t);
}
END_TEST

START_TEST(test_a_managed_identity_asks_the_metadata_service_whose_numbers_are_texts)
{
	struct token *t = new_access_token(ENTRA_MANAGED_IDENTITY, T0);

	ck_assert_str_eq(asked.method, "GET");
	ck_assert_str_eq(asked.path, "/metadata/identity/oauth2/token?api-version=2018-02-01"
	                             "&resource=https%3A%2F%2Fiothubs.azure.net&client_id=c%201");
	ck_assert(asked.wants_metadata);
	answer(ERR_OK, 200, "{\"expires_in\":\"1000\",\"expires_on\":\"1\",\"access_token\":\"abc\"}");
	ck_assert_str_eq(token_value(t, T0 + 499999), "Bearer abc");
	ck_assert_uint_eq(asked.asked_n, 1);
	ck_assert_str_eq(token_value(t, T0 + 500000), "Bearer abc"); /* renewed at half of a short life */
	ck_assert_uint_eq(asked.asked_n, 2);
	answer(ERR_OK, 200, "{\"expires_in\":\"1000\",\"access_token\":\"def\"}");
	ck_assert_str_eq(token_value(t, T0 + 500000), "Bearer def");
	token_free(t);
}
END_TEST

START_TEST(test_an_access_token_is_kept_to_its_end_while_no_other_comes)
{
	struct token *t;
	int64_t at_ms = T0 + 50 * 60000;

	put_secret("s-1234");
	t = new_access_token(ENTRA_CLIENT_SECRET, T0);
	answer(ERR_OK, 200, "{\"expires_in\":3600,\"access_token\":\"abc\"}");
	ck_assert_str_eq(token_value(t, at_ms - 1), "Bearer abc");
	ck_assert_uint_eq(asked.asked_n, 1);
	ck_assert_str_eq(token_value(t, at_ms), "Bearer abc");
	ck_assert_uint_eq(asked.asked_n, 2);
	answer(ERR_OK, 503, "{\"error\":\"temporarily_unavailable\"}");
	ck_assert_str_eq(token_error(t), "status 503: temporarily_unavailable");
	ck_assert_str_eq(token_value(t, at_ms + 999), "Bearer abc");
	ck_assert_uint_eq(asked.asked_n, 2);
	ck_assert_str_eq(token_value(t, at_ms + 1000), "Bearer abc");
	ck_assert_uint_eq(asked.asked_n, 3);
	answer(ERR_NOT_SENT, 0, "");
	ck_assert_str_eq(token_error(t), "no route");
	ck_assert_str_eq(token_value(t, T0 + 3600000 - 1), "Bearer abc");
	ck_assert_uint_eq(asked.asked_n, 4);
	ck_assert_ptr_null(token_value(t, T0 + 3600000)); /* while it is asked for: over */
	answer(ERR_OK, 200, "{\"expires_in\":3600,\"access_token\":\"def\"}");
	ck_assert_str_eq(token_value(t, T0 + 3600000), "Bearer def");
	ck_assert_str_eq(token_error(t), "");
	token_free(t);
}
END_TEST

START_TEST(test_who_is_refused_asks_ever_more_seldom_and_tells_why)
{
	static const int64_t waits_ms[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
	struct token *t;
	int64_t at_ms = T0;

	put_secret("s-1234");
	t = new_access_token(ENTRA_CLIENT_SECRET, T0);
	for (unsigned i = 0; i < sizeof waits_ms / sizeof *waits_ms; i++) {
		answer(ERR_OK, 401,
		       "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid client "
		       "secret.\\r\\nTrace ID: 1\"}");
		ck_assert_str_eq(token_error(t), "status 401: AADSTS7000215: Invalid client secret.");
		ck_assert_ptr_null(token_value(t, at_ms + waits_ms[i] - 1));
		ck_assert(asked.on_answer == NULL);
		at_ms += waits_ms[i];
		ck_assert_ptr_null(token_value(t, at_ms));
		ck_assert_uint_eq(asked.asked_n, i + 2);
	}
	answer(ERR_OK, 200, "{}");
	ck_assert_str_eq(token_error(t), "status 200: no token in the answer");
	token_free(t);
}
END_TEST

START_TEST(test_a_secret_file_that_is_not_there_is_told_and_looked_for_again)
{
	struct token *t;

	unlink(secret_file);
	t = new_access_token(ENTRA_CLIENT_SECRET, T0);
	ck_assert_uint_eq(asked.asked_n, 0);
	ck_assert_ptr_nonnull(strstr(token_error(t), "cannot be read: No such file"));
	put_secret(" \n");
	ck_assert_ptr_null(token_value(t, T0 + 1000));
	ck_assert_ptr_nonnull(strstr(token_error(t), "is empty"));
	put_secret("s-1234");
	ck_assert_ptr_null(token_value(t, T0 + 3000));
	ck_assert_uint_eq(asked.asked_n, 1);
	answer(ERR_OK, 200, "{\"expires_in\":3600,\"access_token\":\"abc\"}");
	token_free(t);
}
END_TEST

START_TEST(test_an_access_token_that_the_hub_refuses_is_renewed_a_minute_after_it_came)
{
	struct token *t;

	put_secret("s-1234");
	t = new_access_token(ENTRA_CLIENT_SECRET, T0);
	answer(ERR_OK, 200, "{\"expires_in\":3600,\"access_token\":\"abc\"}");
	token_refused(t, token_no(t));
	ck_assert_str_eq(token_value(t, T0 + 59999), "Bearer abc");
	ck_assert_uint_eq(asked.asked_n, 1);
	ck_assert_str_eq(token_value(t, T0 + 60000), "Bearer abc");
	ck_assert_uint_eq(asked.asked_n, 2);
	answer(ERR_OK, 200, "{\"expires_in\":3600,\"access_token\":\"def\"}");
	ck_assert_str_eq(token_value(t, T0 + 60000), "Bearer def");
	token_free(t);
}
END_TEST

START_TEST(test_a_refusal_says_nothing_of_a_token_that_is_not_in_use_or_is_renewed_soon)
{
	struct token *t;

	put_secret("s-1234");
	t = new_access_token(ENTRA_CLIENT_SECRET, T0);
	token_refused(t, token_no(t)); /* none has come yet */
	token_renew(t);
	answer(ERR_OK, 200, "{\"expires_in\":3600,\"access_token\":\"abc\"}");
	token_refused(t, token_no(t) - 1);
	token_value(t, T0 + 60000);
	ck_assert_uint_eq(asked.asked_n, 1);
	token_refused(t, token_no(t));
	token_refused(t, token_no(t));
	token_value(t, T0 + 59999);
	ck_assert_uint_eq(asked.asked_n, 1);
	token_renew(t);
	ck_assert_str_eq(token_value(t, T0 + 1), "Bearer abc");
	ck_assert_uint_eq(asked.asked_n, 2);
	answer(ERR_NOT_SENT, 0, "");
	token_free(t);
}
END_TEST

START_TEST(test_an_access_token_is_not_trusted_when_the_clock_went_back)
{
	struct token *t;

	put_secret("s-1234");
	t = new_access_token(ENTRA_CLIENT_SECRET, T0);
	answer(ERR_OK, 200, "{\"expires_in\":3600,\"access_token\":\"abc\"}");
	ck_assert_ptr_null(token_value(t, T0 - 1000));
	ck_assert_uint_eq(asked.asked_n, 2);
	answer(ERR_OK, 200, "{\"expires_in\":3600,\"access_token\":\"def\"}");
	token_renew(t);
	ck_assert_str_eq(token_value(t, T0), "Bearer def");
	ck_assert_uint_eq(asked.asked_n, 3);
	ck_assert_ptr_null(token_value(t, T0 - 5000)); /* while it is renewed */
	answer(ERR_OK, 200, "{\"expires_in\":3600,\"access_token\":\"ghi\"}");
	ck_assert_str_eq(token_value(t, T0), "Bearer ghi");
	token_free(t);
}
END_TEST

START_TEST(test_an_access_token_goes_on_where_the_secret_has_gone)
{
	struct token *t;

	put_secret("s-1234");
	t = new_access_token(ENTRA_CLIENT_SECRET, T0);
	answer(ERR_OK, 200, "{\"expires_in\":3600,\"access_token\":\"abc\"}");
	unlink(secret_file);
	token_renew(t);
	ck_assert_str_eq(token_value(t, T0 + 1000), "Bearer abc");
	ck_assert_ptr_nonnull(strstr(token_error(t), "cannot be read"));
	ck_assert_uint_eq(asked.asked_n, 1);
	ck_assert_ptr_null(token_value(t, T0 + 3600000));
	token_free(t);
}
END_TEST

START_TEST(test_an_answer_without_a_token_that_lives_is_none)
{
	static const char *const bodies[] = {"",
	                                     "[]",
	                                     "{\"expires_in\":3600}",
	                                     "{\"expires_in\":3600,\"access_token\":\"\"}",
	                                     "{\"expires_in\":3600,\"access_token\":7}",
	                                     "{\"access_token\":\"abc\"}",
	                                     "{\"expires_in\":0,\"access_token\":\"abc\"}",
	                                     "{\"expires_in\":-1,\"access_token\":\"abc\"}",
	                                     "{\"expires_in\":\"soon\",\"access_token\":\"abc\"}"};
	struct buf got = BUF_INIT;
	char reason[ENTRA_REASON_SIZE];
	int64_t life_ms;

	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		ck_assert_msg(entra_read(bodies[i], strlen(bodies[i]), &got, &life_ms, reason) == ERR_INVALID,
		              "%s", bodies[i]);
		ck_assert_str_eq(reason, "no token in the answer");
	}
#define FOREVER "{\"expires_in\":99999999999,\"access_token\":\"abc\"}"
	ck_assert_int_eq(entra_read(FOREVER, strlen(FOREVER), &got, &life_ms, reason), ERR_OK);
	ck_assert_int_eq(life_ms, INT64_C(7) * 24 * 3600 * 1000); /* nobody's lives longer */
	buf_done(&got);
}
END_TEST

START_TEST(test_a_managed_identity_of_the_machine_itself_has_no_name)
{
	struct entra e = {.flow = ENTRA_MANAGED_IDENTITY};
	struct token *t = token_new_entra(&e, NULL, T0);

	ck_assert_str_eq(asked.path, "/metadata/identity/oauth2/token?api-version=2018-02-01"
	                             "&resource=https%3A%2F%2Fiothubs.azure.net");
	answer(ERR_NOT_SENT, 0, "");
	token_free(t);
}
END_TEST

/* ---- keys that are exchanged ---- */

#define OTHER_KEY "/wECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define THIRD_KEY "/v8CAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define WITH_KEY(key) HOST ";" POLICY ";SharedAccessKey=" key "\n"

static char *value_of(struct token *t, int64_t now_ms)
{
	return xstrdup(token_value(t, now_ms));
}

START_TEST(test_where_one_of_two_keys_is_refused_the_other_is_used_once_for_all_calls)
{
	struct keyring keys;
	const char *reason;
	struct token *t;
	char *first, *second, *again;
	uint32_t no;

	ck_assert_int_eq(keyring_init(&keys, WITH_KEY(KEY) "\r\n" WITH_KEY(OTHER_KEY), NULL, &reason),
	                 ERR_OK);
	t = token_new(&keys);
	first = value_of(t, T0);
	no = token_no(t);
	token_refused(t, no);
	second = value_of(t, T0);
	ck_assert_str_ne(first, second);
	token_refused(t, no); /* another call that was sent with the first */
	again = value_of(t, T0);
	ck_assert_str_eq(again, second);
	free(again);
	token_refused(t, token_no(t));
	again = value_of(t, T0);
	ck_assert_str_eq(again, first);
	free(again);
	again = value_of(t, T0 + 55 * 60000); /* with the key that was good last */
	ck_assert_int_ne(strcmp(again, first), 0);
	free(again);
	free(first);
	free(second);
	token_free(t);
}
END_TEST

START_TEST(test_a_file_of_keys_is_read_again_when_refused_or_told_to)
{
	struct keyring keys;
	const char *reason;
	struct token *t;
	char *first, *other, *now;

	ck_assert_int_eq(keyring_init(&keys, WITH_KEY(KEY), secret_file, &reason), ERR_OK);
	put_secret(WITH_KEY(KEY));
	t = token_new(&keys);
	first = value_of(t, T0);
	put_secret(WITH_KEY(OTHER_KEY) WITH_KEY(KEY));
	token_renew(t); /* the key in use is still there */
	now = value_of(t, T0);
	ck_assert_str_eq(now, first);
	free(now);
	put_secret(WITH_KEY(OTHER_KEY));
	token_renew(t);
	other = value_of(t, T0);
	ck_assert_str_ne(other, first);
	put_secret(WITH_KEY(THIRD_KEY));
	token_refused(t, token_no(t));
	now = value_of(t, T0);
	ck_assert_str_ne(now, other);
	ck_assert_str_ne(now, first);
	ck_assert_str_eq(token_error(t), "");
	put_secret(HOST ";SharedAccessKeyName=other;SharedAccessKey=" THIRD_KEY);
	token_renew(t); /* the same key of another policy is another */
	ck_assert_ptr_nonnull(strstr(token_value(t, T0), "&skn=other&"));
	put_secret(HOST ";SharedAccessKeyName=other;SharedAccessKey=/v8C");
	token_renew(t);
	ck_assert_ptr_nonnull(strstr(token_value(t, T0), "&skn=other&"));
	put_secret("nonsense");
	token_renew(t);
	ck_assert_ptr_nonnull(strstr(token_value(t, T0), "&skn=other&"));
	ck_assert_ptr_nonnull(strstr(token_error(t), "is not taken: "));
	put_secret(WITH_KEY(THIRD_KEY));
	token_renew(t);
	ck_assert_str_eq(token_value(t, T0), now);
	put_secret("HostName=evil.example;" POLICY ";SharedAccessKey=" KEY);
	free(other);
	token_renew(t);
	other = value_of(t, T0);
	ck_assert_str_eq(other, now); /* all stays as it was */
	ck_assert_ptr_nonnull(strstr(token_error(t), "another hub"));
	unlink(secret_file);
	token_renew(t);
	ck_assert_str_eq(token_value(t, T0), now);
	ck_assert_ptr_nonnull(strstr(token_error(t), "cannot be read"));
	free(first);
	free(other);
	free(now);
	token_free(t);
}
END_TEST

START_TEST(test_two_keys_are_of_one_hub_and_there_are_no_more)
{
	struct keyring keys;
	const char *reason;

	ck_assert_int_eq(keyring_init(&keys, WITH_KEY(KEY) "HostName=b;" POLICY ";SharedAccessKey=" KEY, NULL,
	                              &reason),
	                 ERR_INVALID);
	ck_assert_int_eq(
	        keyring_init(&keys, WITH_KEY(KEY) WITH_KEY(OTHER_KEY) WITH_KEY(THIRD_KEY), NULL, &reason),
	        ERR_INVALID);
	ck_assert_int_eq(keyring_init(&keys, WITH_KEY(KEY) "x", NULL, &reason), ERR_INVALID);
	ck_assert_int_eq(keyring_init(&keys, " \n", NULL, &reason), ERR_INVALID);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("credential");
	TCase *access;

	TESTS(s, "sas", test_signatures_are_those_of_the_contracts_vectors,
	      test_keys_are_padded_base64_of_1_to_128_bytes,
	      test_all_but_unreserved_bytes_are_percent_encoded);
	TESTS(s, "connection", test_connection_strings_are_taken_in_any_order_with_unknown_pairs,
	      test_unsound_connection_strings_are_refused_with_a_reason_without_secrets,
	      test_a_key_that_was_read_is_blanked_from_then_on,
	      test_endpoints_are_https_or_plain_http_to_loopback);
	TESTS(s, "token", test_a_token_lives_an_hour_and_is_made_anew_with_5_minutes_left,
	      test_a_token_is_made_anew_when_refused_or_when_the_clock_went_back);
	access = tcase_create("access token");
	tcase_add_checked_fixture(access, make_secret_file, remove_secret_file);
	tcase_add_test(access, test_a_client_secret_is_sent_as_a_form_and_its_token_used);
	tcase_add_test(access, test_a_workload_identity_shows_the_platforms_token_as_it_is_now);
	tcase_add_test(access, test_a_managed_identity_asks_the_metadata_service_whose_numbers_are_texts);
	tcase_add_test(access, test_an_access_token_is_kept_to_its_end_while_no_other_comes);
	tcase_add_test(access, test_who_is_refused_asks_ever_more_seldom_and_tells_why);
	tcase_add_test(access, test_a_secret_file_that_is_not_there_is_told_and_looked_for_again);
	tcase_add_test(access, test_an_access_token_that_the_hub_refuses_is_renewed_a_minute_after_it_came);
	tcase_add_test(access, test_a_refusal_says_nothing_of_a_token_that_is_not_in_use_or_is_renewed_soon);
	tcase_add_test(access, test_an_access_token_is_not_trusted_when_the_clock_went_back);
	tcase_add_test(access, test_an_access_token_goes_on_where_the_secret_has_gone);
	tcase_add_test(access, test_an_answer_without_a_token_that_lives_is_none);
	tcase_add_test(access, test_a_managed_identity_of_the_machine_itself_has_no_name);
	tcase_add_test(access, test_where_one_of_two_keys_is_refused_the_other_is_used_once_for_all_calls);
	tcase_add_test(access, test_a_file_of_keys_is_read_again_when_refused_or_told_to);
	tcase_add_test(access, test_two_keys_are_of_one_hub_and_there_are_no_more);
	suite_add_tcase(s, access);
	return suite_run(s);
}
