/* tests: server/issuer.c: how the keys of an OpenID Connect issuer are kept fresh, with a double of http.h.
 * Times are the machine's own, moved by what issuer_run() is told. */
#include "tests/lib/suite.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/oidc.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/hub/http.h"
#include "server/issuer.h"

#define ISSUER "https://login.example/t"
#define DISCOVERY(keys_url) "{\"issuer\":\"" ISSUER "\",\"jwks_uri\":\"" keys_url "\"}"
/* RFC 7517, A.1 */
#define KEYS \
	"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\"," \
	"\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\",\"use\":\"sig\",\"kid\":\"1\"}]}"
#define HOUR_MS INT64_C(3600000)

/* ---- http.h ---- */

static struct http {
	bool is_open;
	char asked[256];           /* "" : nothing was */
	http_answer_cb *on_answer; /* NULL: nothing is out */
	void *arg;
	void (*on_freed)(void *arg); /* not NULL: is to go */
	void *freed_arg;
} client;
static unsigned clients_n;
static enum err new_err, send_err;

enum err http_new(const struct http_options *options, struct http **ret)
{
	ck_assert(!client.is_open); /* one at a time */
	clients_n++;
	if (new_err != ERR_OK)
		return new_err;
	client = (struct http){.is_open = true};
	snprintf(client.asked, sizeof client.asked, "%s", options->base_url);
	*ret = &client;
	return ERR_OK;
}

enum err http_send(struct http *h, const struct http_request *request, http_answer_cb *on_answer, void *arg)
{
	size_t n = strlen(h->asked);

	ck_assert_str_eq(request->method, "GET");
	snprintf(h->asked + n, sizeof h->asked - n, " %s", request->path);
	if (send_err != ERR_OK)
		return send_err;
	h->on_answer = on_answer;
	h->arg = arg;
	return ERR_OK;
}

void http_free(struct http *h, void (*on_freed)(void *arg), void *arg)
{
	ck_assert(h->on_freed == NULL);
	h->on_freed = on_freed;
	h->freed_arg = arg;
}

/* The loop goes round: a client that is to go is gone. */
static void turn(void)
{
	struct http gone = client;

	ck_assert(gone.on_freed != NULL);
	client.is_open = false;
	client.asked[0] = '\0';
	gone.on_freed(gone.freed_arg);
}

static int64_t before_mono_ms; /* the last thing that happened */

static void give(const struct http_answer *answer)
{
	http_answer_cb *on_answer = client.on_answer;

	before_mono_ms = clock_mono_ms();
	ck_assert(on_answer != NULL);
	client.on_answer = NULL;
	on_answer(client.arg, answer);
	turn();
}

static void answer(int status, const char *body)
{
	give(&(struct http_answer){.status = status, .body = body, .body_bytes = strlen(body)});
}

/* ---- what is under test ---- */

static struct oidc *oidc;
static struct issuer *issuer;
static unsigned wakes_n, freed_n;

static void on_wake(void *arg)
{
	(void)arg;
	wakes_n++;
}

static void on_freed(void *arg)
{
	(void)arg;
	freed_n++;
}

static void start(const char *url, const char *ca_file)
{
	const struct oidc_options options = {ISSUER, "rollcall", "roles", NULL, "sub"};
	char reason[OIDC_REASON_SIZE];

	ck_assert_int_eq(oidc_new(&options, &oidc, reason), ERR_OK);
	issuer = issuer_new(
	        &(struct issuer_options){.oidc = oidc, .url = url, .ca_file = ca_file, .on_wake = on_wake});
}

static void end(void)
{
	issuer_free(issuer, on_freed, NULL);
	ck_assert_uint_eq(freed_n, 1);
	oidc_free(oidc);
}

/* As if so much later. */
static int64_t run_at(int64_t later_ms)
{
	before_mono_ms = clock_mono_ms();
	return issuer_run(issuer, before_mono_ms + later_ms);
}

/* It wants to run again so long after what happened last, which may have taken its time. */
static void check_rest(int64_t rest_ms)
{
	int64_t left_ms = issuer_run(issuer, before_mono_ms);

	ck_assert_int_ge(left_ms, rest_ms);
	ck_assert_int_le(left_ms, rest_ms + clock_mono_ms() - before_mono_ms);
}

static void append(struct buf *out, const char *part)
{
	unsigned char text[512];
	int n = EVP_EncodeBlock(text, (const unsigned char *)part, (int)strlen(part));

	for (int i = 0; i < n && text[i] != '='; i++)
		buf_putc(out, (char)(text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i]));
}

/* Whether a token of a key that nobody knows has the issuer asked, or worth asking. */
static bool is_looked_for(void)
{
	struct buf token = BUF_INIT;
	struct identity who;
	char reason[OIDC_REASON_SIZE];
	enum login login;

	append(&token, "{\"alg\":\"ES256\",\"kid\":\"new\"}");
	buf_putc(&token, '.');
	append(&token, "{\"iss\":\"" ISSUER "\",\"aud\":\"rollcall\",\"sub\":\"eva\",\"exp\":4102444800}");
	buf_putc(&token, '.');
	for (int i = 0; i < 86; i++)
		buf_putc(&token, 'A');
	login = oidc_check(oidc, token.data, 1795824000000, &who, reason);
	buf_done(&token);
	ck_assert(login != LOGIN_GOOD);
	return login == LOGIN_LATER;
}

static void have_keys(int64_t later_ms)
{
	(void)run_at(later_ms);
	answer(200, DISCOVERY("https://keys.example/k?v=1"));
	answer(200, KEYS);
}

START_TEST(test_the_keys_are_where_the_discovery_document_says_and_read_every_hour)
{
	start(ISSUER "/", NULL);
	ck_assert(is_looked_for()); /* they will be there soon */
	(void)run_at(0);
	ck_assert_str_eq(client.asked, "https://login.example /t/.well-known/openid-configuration");
	ck_assert_int_gt(run_at(0), HOUR_MS); /* nothing to do while it is out */
	answer(200, DISCOVERY("https://keys.example/k?v=1"));
	ck_assert_str_eq(client.asked, "https://keys.example /k?v=1");
	answer(200, KEYS);
	check_rest(HOUR_MS);
	ck_assert(!client.is_open);
	have_keys(HOUR_MS);
	check_rest(HOUR_MS);
	end();
}
END_TEST

START_TEST(test_keys_that_come_with_an_error_are_none)
{
	start(ISSUER, NULL);
	(void)run_at(0);
	answer(404, DISCOVERY("https://keys.example/k"));
	ck_assert(!client.is_open);
	(void)run_at(HOUR_MS);
	answer(200, DISCOVERY("https://keys.example/k"));
	answer(500, KEYS);
	ck_assert(is_looked_for()); /* there is none yet */
	end();
}
END_TEST

START_TEST(test_addresses_without_a_path_are_asked_at_their_root)
{
	start("https://login.example", "ca.pem");
	(void)run_at(0);
	ck_assert_str_eq(client.asked, "https://login.example /.well-known/openid-configuration");
	answer(200, DISCOVERY("https://keys.example"));
	ck_assert_str_eq(client.asked, "https://keys.example /");
	answer(200, KEYS);
	end();
}
END_TEST

START_TEST(test_what_does_not_come_is_asked_for_again_later_and_later)
{
	static const int64_t rests_ms[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};

	start(ISSUER, NULL);
	for (size_t i = 0; i < sizeof rests_ms / sizeof *rests_ms; i++) {
		(void)run_at(HOUR_MS);
		switch (i % 4) {
		case 0:
			give(&(struct http_answer){.err = ERR_NOT_SENT, .err_detail = "no route"});
			break;
		case 1:
			answer(503, "");
			break;
		case 2:
			answer(200, "{}");
			break;
		case 3:
			answer(200, DISCOVERY("https://keys.example/k"));
			answer(200, "{\"keys\":[]}");
			break;
		}
		check_rest(rests_ms[i]);
	}
	have_keys(HOUR_MS);
	check_rest(HOUR_MS);
	(void)run_at(HOUR_MS);
	answer(503, "");
	check_rest(1000); /* from the start again */
	end();
}
END_TEST

START_TEST(test_keys_at_an_address_that_may_not_be_asked_are_not)
{
	start(ISSUER, NULL);
	(void)run_at(0);
	answer(200, DISCOVERY("http://10.0.0.1/k"));
	ck_assert(!client.is_open);
	ck_assert_uint_eq(clients_n, 1);
	ck_assert_uint_gt(wakes_n, 0);
	check_rest(1000);
	end();
}
END_TEST

START_TEST(test_a_client_that_cannot_be_had_or_does_not_ask_is_tried_again)
{
	start(ISSUER, "gone.pem");
	new_err = ERR_NOT_FOUND;
	(void)run_at(0);
	check_rest(1000);
	new_err = ERR_INVALID;
	(void)run_at(HOUR_MS);
	check_rest(2000);
	new_err = ERR_OK;
	send_err = ERR_INVALID;
	(void)run_at(HOUR_MS);
	ck_assert_int_gt(issuer_run(issuer, before_mono_ms), HOUR_MS); /* until the client is gone */
	turn();
	check_rest(4000);
	send_err = ERR_OK;
	have_keys(HOUR_MS);
	check_rest(HOUR_MS);
	end();
}
END_TEST

START_TEST(test_a_key_that_is_not_known_has_the_issuer_asked_but_not_too_often)
{
	start(ISSUER, NULL);
	have_keys(0);
	ck_assert(!is_looked_for()); /* they have just been read */
	check_rest(HOUR_MS);
	have_keys(HOUR_MS);
	(void)run_at(HOUR_MS);
	answer(503, "");
	ck_assert(!is_looked_for()); /* it is asked again soon, anyway */
	end();
}
END_TEST

START_TEST(test_keys_are_not_believed_for_longer_than_a_day)
{
	start(ISSUER, NULL);
	have_keys(0);
	(void)run_at(24 * HOUR_MS + 1);
	ck_assert(is_looked_for());
	answer(200, DISCOVERY("https://keys.example/k"));
	answer(200, KEYS);
	ck_assert(!is_looked_for());
	end();
}
END_TEST

START_TEST(test_a_stop_ends_what_is_out_and_tells_when_it_is_gone)
{
	start(ISSUER, NULL);
	(void)run_at(0);
	issuer_free(issuer, on_freed, NULL);
	ck_assert_uint_eq(freed_n, 0);
	ck_assert_int_gt(run_at(HOUR_MS), HOUR_MS);
	client.on_answer(client.arg, &(struct http_answer){.err = ERR_AMBIGUOUS, .err_detail = "cut short"});
	turn();
	ck_assert_uint_eq(freed_n, 1);
	ck_assert(!is_looked_for());
	oidc_free(oidc);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("issuer");

	log_setup(LOG_OFF, false, 2);
	TESTS(s, "issuer", test_the_keys_are_where_the_discovery_document_says_and_read_every_hour,
	      test_keys_that_come_with_an_error_are_none,
	      test_addresses_without_a_path_are_asked_at_their_root,
	      test_what_does_not_come_is_asked_for_again_later_and_later,
	      test_keys_at_an_address_that_may_not_be_asked_are_not,
	      test_a_client_that_cannot_be_had_or_does_not_ask_is_tried_again,
	      test_a_key_that_is_not_known_has_the_issuer_asked_but_not_too_often,
	      test_keys_are_not_believed_for_longer_than_a_day,
	      test_a_stop_ends_what_is_out_and_tells_when_it_is_gone);
	return suite_run(s);
}
