/* tests: hubsim's device door, by devices that speak MQTT and a service that speaks REST */
#include "tests/lib/suite.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/pem.h>

#include "server/base/clock.h"
#include "tests/hubsim/auth.h"
#include "tests/hubsim/device_peer.h"
#include "tests/hubsim/peer.h"

#define API "?api-version=2021-04-12"
#define METHODS "$iothub/methods/POST/#"
#define TWIN "$iothub/twin/res/#"
#define DESIRED "$iothub/twin/PATCH/properties/desired/#"
#define ID "dev-000001"

static struct peer p;
static struct device_peer d;
static int service; /* a connection to the service door */
static struct reply answer;
static struct buf topic, body;

static void start_fleet(const char *temperament, const char *devices)
{
	const char *const args[] = {"--listen",
	                            "127.0.0.1:0",
	                            "--mqtt-plain-listen",
	                            "127.0.0.1:0",
	                            "--mqtt-listen",
	                            "127.0.0.1:0",
	                            "--journal",
	                            "journal.jsonl",
	                            "--temperament",
	                            "temperament.json",
	                            "--devices",
	                            devices,
	                            NULL};

	memset(&p, 0, sizeof p);
	peer_file_put(&p, "temperament.json", temperament);
	peer_start(&p, args);
	service = peer_dial(p.port);
}

static void start(const char *temperament)
{
	start_fleet(temperament, "100");
}

static void stop(void)
{
	close(service);
	peer_stop(&p);
	reply_done(&answer);
	buf_done(&topic);
	buf_done(&body);
}

static void send_ask(const char *method, const char *target, const char *request)
{
	struct auth *a = auth_new("localhost", "hubsim");
	struct buf b = BUF_INIT;

	buf_printf(&b, "%s %s" API " HTTP/1.1\r\nHost: localhost\r\nAuthorization: ", method, target);
	auth_token(a, "iothubowner", false, clock_now_ms() / 1000 + 3600, &b);
	buf_printf(&b, "\r\nIf-Match: *\r\nContent-Length: %zu\r\n\r\n%s", strlen(request), request);
	peer_say(service, b.data, b.len);
	buf_done(&b);
	auth_free(a);
}

static int hear_answer(void)
{
	reply_done(&answer);
	peer_hear(service, &answer);
	return answer.status;
}

static int ask(const char *method, const char *target, const char *request)
{
	send_ask(method, target, request);
	return hear_answer();
}

static void call(const char *more)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "{\"methodName\":\"reboot\"%s}", more);
	send_ask("POST", "/twins/" ID "/methods", b.data);
	buf_done(&b);
}

/* Hears a call and gives the topic to answer it on. */
static const char *hear_call(struct device_peer *device, int status, const char *payload)
{
	static char text[256];

	device_hear_publish(device, &topic, &body);
	ck_assert(strncmp(topic.data, "$iothub/methods/POST/reboot/?$rid=", 34) == 0);
	ck_assert_str_eq(body.data, payload);
	snprintf(text, sizeof text, "$iothub/methods/res/%d/?$rid=%s", status, topic.data + 34);
	return text;
}

static void assert_answer(const char *part)
{
	ck_assert_msg(strstr(answer.body.data, part) != NULL, "%s\nlacks %s", answer.body.data, part);
}

static unsigned told(const char *kind)
{
	struct buf journal = BUF_INIT;
	char text[64];
	unsigned n = 0;

	snprintf(text, sizeof text, "\"kind\":\"%s\",\"deviceId\":\"" ID "\"", kind);
	peer_file_get(&p, "journal.jsonl", &journal);
	for (const char *at = journal.data; (at = strstr(at, text)) != NULL; at++)
		n++;
	buf_done(&journal);
	return n;
}

/* --- Coming in ------------------------------------------------------------------------------------------ */

static int try_login(const char *id, const struct login *login)
{
	struct device_peer other;
	int code;

	device_dial(&other, id, p.mqtt_port, NULL);
	code = device_login(&other, login);
	if (code > 0)
		device_expect_end(&other);
	device_close(&other);
	return code;
}

/* Tries one password as dev-000001. */
static int try_password(const char *password)
{
	return try_login(ID, &(struct login){.password = password, .is_clean = true});
}

START_TEST(test_who_may_connect_and_what_the_others_are_told)
{
	struct buf token = BUF_INIT;
	struct auth *a = auth_new("localhost", "hubsim");

	start("{}");
	ck_assert_int_eq(try_login(ID, &(struct login){.is_clean = true}), 0);
	ck_assert_int_eq(try_password(""), 5);
	ck_assert_int_eq(try_password("SharedAccessSignature sr=a"), 5);
	device_token(ID, -1, &token); /* expired */
	ck_assert_int_eq(try_password(token.data), 5);
	buf_reset(&token);
	device_token("dev-000002", 60, &token); /* another's */
	ck_assert_int_eq(try_password(token.data), 5);
	ck_assert_int_eq(try_login("dev-000002", &(struct login){.password = token.data}), 0);
	buf_reset(&token);
	auth_token(a, "device", false, clock_now_ms() / 1000 + 60, &token);
	ck_assert_int_eq(try_password(token.data), 0);
	buf_reset(&token);
	auth_token(a, "service", false, clock_now_ms() / 1000 + 60, &token); /* may not DeviceConnect */
	ck_assert_int_eq(try_password(token.data), 5);
	ck_assert_int_eq(try_login(ID, &(struct login){.username = "localhost/" ID}), 4);
	ck_assert_int_eq(try_login(ID, &(struct login){.username = "other/" ID "/?api-version=2021-04-12"}),
	                 4);
	device_token(ID, 60, &token);
	ck_assert_int_eq(try_login("", &(struct login){.password = token.data}), 2);
	ck_assert_int_eq(ask("DELETE", "/devices/" ID, ""), 204);
	ck_assert_int_eq(try_password(token.data), 5);
	ck_assert_int_eq(
	        ask("PUT", "/devices/dev-000003", "{\"deviceId\":\"dev-000003\",\"status\":\"disabled\"}"),
	        200);
	ck_assert_int_eq(try_login("dev-000003", &(struct login){.keep_alive_s = 1}), 5);
	buf_done(&token);
	auth_free(a);
	stop();
}
END_TEST

START_TEST(test_a_hub_that_is_too_busy_to_let_a_device_in_is_unavailable)
{
	start("{\"faults\":[{\"kind\":\"throttled\",\"families\":[\"connects\"],\"count\":2}]}");
	ck_assert_int_eq(try_login(ID, &(struct login){.is_clean = true}), 3);
	ck_assert_int_eq(try_login(ID, &(struct login){.is_clean = true}), 3);
	ck_assert_int_eq(try_login(ID, &(struct login){.is_clean = true}), 0);
	stop();
}
END_TEST

START_TEST(test_a_protocol_of_another_version_is_told_so)
{
	struct buf rest = BUF_INIT;

	start("{}");
	device_dial(&d, ID, p.mqtt_port, NULL);
	device_say(&d, 0x10, "\0\4MQTT\5\2\0\0\0\0\2d1", 15);
	ck_assert_uint_eq(device_hear(&d, &rest), 0x20);
	ck_assert(rest.data[0] == 0 && rest.data[1] == 1);
	device_expect_end(&d);
	device_close(&d);
	buf_done(&rest);
	stop();
}
END_TEST

START_TEST(test_a_device_connects_over_tls)
{
	char ca[128];

	start("{}");
	snprintf(ca, sizeof ca, "%s/hubsim-cert.pem", p.folder);
	device_dial(&d, ID, p.mqtts_port, ca);
	ck_assert_int_eq(device_login(&d, &(struct login){.is_clean = true}), 0);
	ck_assert_int_eq(device_subscribe(&d, METHODS, 0), 0);
	call(",\"payload\":[1]");
	device_publish(&d, hear_call(&d, 200, "[1]"), "\"by TLS\"", 0);
	ck_assert_int_eq(hear_answer(), 200);
	assert_answer("{\"status\":200,\"payload\":\"by TLS\"}");
	device_close(&d);
	stop();
}
END_TEST

START_TEST(test_the_printed_connection_string_is_what_the_registry_says)
{
	static const char *const args[] = {"--print-device-connection-string", ID, NULL};
	struct buf key = BUF_INIT, printed = BUF_INIT, wanted = BUF_INIT;

	start("{}");
	device_key(ID, &key);
	ck_assert_int_eq(peer_run(args, &printed), 0);
	buf_printf(&wanted, "HostName=localhost;DeviceId=" ID ";SharedAccessKey=%s\n", key.data);
	ck_assert_str_eq(printed.data, wanted.data);
	ck_assert_int_eq(ask("GET", "/devices/" ID, ""), 200);
	assert_answer(key.data);
	buf_done(&key);
	buf_done(&printed);
	buf_done(&wanted);
	stop();
}
END_TEST

START_TEST(test_a_device_registered_over_rest_connects_with_its_generated_key)
{
	json_t *json;
	const char *key;
	struct device_peer other;
	struct buf token = BUF_INIT;

	start("{}");
	ck_assert_int_eq(ask("PUT", "/devices/fresh",
	                     "{\"deviceId\":\"fresh\",\"authentication\":{\"type\":\"sas\",\"symmetricKey\":"
	                     "{\"primaryKey\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\","
	                     "\"secondaryKey\":\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"}}}"),
	                 404); /* an update, by If-Match */
	ck_assert_int_eq(ask("POST", "/devices", "[{\"id\":\"fresh\",\"importMode\":\"create\"}]"), 200);
	ck_assert_int_eq(ask("GET", "/devices/fresh", ""), 200);
	json = json_loads(answer.body.data, 0, NULL);
	ck_assert_int_eq(
	        json_unpack(json, "{s{s{ss}}}", "authentication", "symmetricKey", "secondaryKey", &key), 0);
	device_sign("fresh", key, 60, &token);
	device_dial(&other, "fresh", p.mqtt_port, NULL);
	ck_assert_int_eq(device_login(&other, &(struct login){.password = token.data}), 0);
	device_close(&other);
	json_decref(json);
	buf_done(&token);
	stop();
}
END_TEST

/* --- Certificates --------------------------------------------------------------------------------------- */

static EVP_PKEY *own_key, *authority_key;
static X509 *authority;

static char *file_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", p.folder, name);
	return path;
}

/* A hub with TLS only, that trusts authority. */
static void start_x509(void)
{
	static const char *const args[] = {
	        "--listen", "127.0.0.1:0", "--mqtt-listen", "127.0.0.1:0", "--device-ca", "ca.pem", NULL};
	FILE *out;

	own_key = EVP_EC_gen("P-256");
	authority_key = EVP_EC_gen("P-256");
	authority = device_cert(authority_key, "The fleet's authority", NULL, NULL, -60, 3600);
	memset(&p, 0, sizeof p);
	peer_file_put(&p, "ca.pem", "");
	out = fopen(file_of("ca.pem"), "w");
	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(PEM_write_X509(out, authority), 1);
	ck_assert_int_eq(fclose(out), 0);
	peer_start(&p, args);
	service = peer_dial(p.port);
}

static void stop_x509(void)
{
	X509_free(authority);
	EVP_PKEY_free(own_key);
	EVP_PKEY_free(authority_key);
	stop();
}

static void create_device(const char *id, const char *authentication)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "[{\"id\":\"%s\",\"authentication\":%s}]", id, authentication);
	ck_assert_int_eq(ask("POST", "/devices", b.data), 200);
	buf_done(&b);
}

static void create_by_thumbprint(const char *id, const X509 *cert, const EVP_MD *digest, bool is_secondary)
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	struct buf b = BUF_INIT;
	unsigned n;

	ck_assert_int_eq(X509_digest(cert, digest, bytes, &n), 1);
	buf_printf(&b, "{\"type\":\"selfSigned\",\"x509Thumbprint\":{\"%sThumbprint\":\"",
	           is_secondary ? "secondary" : "primary");
	for (unsigned i = 0; i < n; i++)
		buf_printf(&b, "%02X", bytes[i]);
	buf_puts(&b, "\"}}");
	create_device(id, b.data);
	buf_done(&b);
}

/* Gives what CONNACK says to a device that shows cert (NULL: none) and has no password. */
static int try_cert(const char *id, X509 *cert)
{
	struct device_peer other;
	int code;

	if (cert != NULL)
		device_dial_with(&other, id, p.mqtts_port, file_of("hubsim-cert.pem"), cert, own_key);
	else
		device_dial(&other, id, p.mqtts_port, file_of("hubsim-cert.pem"));
	code = device_login(&other, &(struct login){.password = "", .is_clean = true});
	device_close(&other);
	return code;
}

START_TEST(test_a_device_with_thumbprints_comes_in_by_a_certificate_of_one_of_them)
{
	X509 *cert, *other, *old, *early;

	start_x509();
	cert = device_cert(own_key, "whatever", NULL, NULL, -60, 3600);
	other = device_cert(own_key, "whatever", authority, authority_key, -60, 3600);
	old = device_cert(own_key, "whatever", NULL, NULL, -3600, -60);
	early = device_cert(own_key, "whatever", NULL, NULL, 60, 3600);
	create_by_thumbprint("sha256", cert, EVP_sha256(), false);
	create_by_thumbprint("sha1", cert, EVP_sha1(), true);
	create_by_thumbprint("old", old, EVP_sha256(), false);
	create_by_thumbprint("early", early, EVP_sha256(), false);
	ck_assert_int_eq(try_cert("sha256", cert), 0);
	ck_assert_int_eq(try_cert("sha1", cert), 0);
	ck_assert_int_eq(try_cert("sha256", other), 5);
	ck_assert_int_eq(try_cert("sha256", NULL), 5);
	ck_assert_int_eq(try_cert("old", old), 5);
	ck_assert_int_eq(try_cert("early", early), 5);
	ck_assert_int_eq(try_cert(ID, cert), 5); /* logs in with a key */
	X509_free(cert);
	X509_free(other);
	X509_free(old);
	X509_free(early);
	stop_x509();
}
END_TEST

START_TEST(test_an_authority_vouches_for_the_device_of_the_common_name)
{
	X509 *cert, *own, *old;

	start_x509();
	create_device("signed", "{\"type\":\"certificateAuthority\"}");
	create_device("Signed", "{\"type\":\"certificateAuthority\"}");
	cert = device_cert(own_key, "signed", authority, authority_key, -60, 3600);
	own = device_cert(own_key, "signed", NULL, NULL, -60, 3600);
	old = device_cert(own_key, "signed", authority, authority_key, -3600, -60);
	ck_assert_int_eq(try_cert("signed", cert), 0);
	ck_assert_int_eq(try_cert("Signed", cert), 5);
	ck_assert_int_eq(try_cert("signed", own), 5);
	ck_assert_int_eq(try_cert("signed", old), 5);
	ck_assert_int_eq(try_cert("signed", NULL), 5);
	X509_free(cert);
	X509_free(own);
	X509_free(old);
	stop_x509();
}
END_TEST

START_TEST(test_a_device_with_a_key_may_show_a_certificate_too)
{
	X509 *cert;

	start_x509();
	cert = device_cert(own_key, "whatever", NULL, NULL, -60, 3600);
	device_dial_with(&d, ID, p.mqtts_port, file_of("hubsim-cert.pem"), cert, own_key);
	ck_assert_int_eq(device_login(&d, &(struct login){.is_clean = true}), 0);
	device_close(&d);
	X509_free(cert);
	stop_x509();
}
END_TEST

START_TEST(test_authorities_that_cannot_be_read_are_a_refusal_to_start)
{
	static const char *const no_file[] = {"--mqtt-listen", "127.0.0.1:0", "--device-ca", "none.pem",
	                                      NULL};
	static const char *const no_door[] = {"--listen", "127.0.0.1:0", "--device-ca", "none.pem", NULL};
	struct buf said = BUF_INIT;

	ck_assert_int_eq(peer_run(no_file, &said), 1);
	ck_assert_ptr_nonnull(strstr(said.data, "none.pem: holds no certificate in PEM that can be read"));
	ck_assert_int_eq(peer_run(no_door, &said), 2);
	ck_assert_ptr_nonnull(
	        strstr(said.data, "--device-ca: devices show certificates at --mqtt-listen only"));
	buf_done(&said);
}
END_TEST

/* --- Methods -------------------------------------------------------------------------------------------- */

START_TEST(test_a_call_goes_down_and_its_answer_up)
{
	start("{}");
	device_join(&d, ID, p.mqtt_port, false);
	ck_assert_int_eq(device_subscribe(&d, METHODS, 0), 0);
	call(",\"payload\":{\"attemptId\":\"a-1\"}");
	device_publish(&d, hear_call(&d, 200, "{\"attemptId\":\"a-1\"}"), "{\"ok\":true}", 0);
	ck_assert_int_eq(hear_answer(), 200);
	ck_assert_str_eq(answer.body.data, "{\"status\":200,\"payload\":{\"ok\":true}}");
	call(""); /* no payload is "null", an empty answer too (contract 8.2, 8.4) */
	device_publish(&d, hear_call(&d, -3, "null"), "", 2);
	ck_assert_uint_eq(device_hear(&d, &body), 0x40);
	ck_assert_int_eq(hear_answer(), 200);
	ck_assert_str_eq(answer.body.data, "{\"status\":-3,\"payload\":null}");
	ck_assert_uint_eq(told("call"), 2);
	ck_assert_uint_eq(told("act"), 0); /* what it does is its own affair */
	device_close(&d);
	stop();
}
END_TEST

START_TEST(test_the_second_answer_to_a_call_is_ignored)
{
	const char *to;

	start("{\"faults\":[{\"kind\":\"deliveredTwice\",\"count\":1}]}");
	device_join(&d, ID, p.mqtt_port, false);
	device_subscribe(&d, METHODS, 0);
	call("");
	(void)hear_call(&d, 201, "null");
	to = hear_call(&d, 200, "null"); /* the same request id */
	device_publish(&d, to, "1", 0);
	device_publish(&d, to, "2", 0);
	device_publish(&d, "$iothub/methods/res/200/?$rid=nobody", "3", 0);
	ck_assert_int_eq(hear_answer(), 200);
	assert_answer("\"payload\":1}");
	call("");
	device_publish(&d, hear_call(&d, 200, "null"), "4", 0);
	ck_assert_int_eq(hear_answer(), 200);
	assert_answer("\"payload\":4}");
	device_close(&d);
	stop();
}
END_TEST

START_TEST(test_a_device_without_subscription_or_connection_is_404103)
{
	start("{}");
	device_join(&d, ID, p.mqtt_port, false);
	call("");
	ck_assert_int_eq(hear_answer(), 404);
	assert_answer("404103");
	device_subscribe(&d, METHODS, 0);
	device_say(&d, 0xa2, "\0\1\0\x16" METHODS, 26);
	device_hear(&d, &body);
	call("");
	ck_assert_int_eq(hear_answer(), 404);
	device_say(&d, 0xe0, NULL, 0);
	device_expect_end(&d);
	device_close(&d);
	call("");
	ck_assert_int_eq(hear_answer(), 404);
	assert_answer("404103");
	ck_assert_uint_eq(told("call"), 0);
	stop();
}
END_TEST

START_TEST(test_a_call_waits_for_connect_and_subscription)
{
	start("{}");
	device_join(&d, ID, p.mqtt_port, false);
	call(",\"connectTimeoutInSeconds\":20"); /* on its way while the device is there */
	ck_assert_int_eq(device_subscribe(&d, METHODS, 0), 0);
	device_publish(&d, hear_call(&d, 200, "null"), "1", 0);
	ck_assert_int_eq(hear_answer(), 200);
	device_close(&d);
	device_join(&d, ID, p.mqtt_port, true); /* the stored subscription counts at once */
	call("");
	device_publish(&d, hear_call(&d, 200, "null"), "2", 0);
	ck_assert_int_eq(hear_answer(), 200);
	device_close(&d);
	stop();
}
END_TEST

START_TEST(test_a_silent_device_is_504101_and_a_lost_one_404103)
{
	start("{}");
	device_join(&d, ID, p.mqtt_port, false);
	device_subscribe(&d, METHODS, 0);
	call(",\"responseTimeoutInSeconds\":5");
	(void)hear_call(&d, 200, "null");
	ck_assert_int_eq(hear_answer(), 504);
	assert_answer("504101");
	call("");
	(void)hear_call(&d, 200, "null");
	device_close(&d);
	ck_assert_int_eq(hear_answer(), 404);
	assert_answer("404103");
	stop();
}
END_TEST

/* --- Twins ---------------------------------------------------------------------------------------------- */

START_TEST(test_a_twin_is_read_and_reported_to)
{
	start("{}");
	device_join(&d, ID, p.mqtt_port, false);
	ck_assert_int_eq(device_subscribe(&d, TWIN, 0), 0);
	device_publish(&d, "$iothub/twin/GET/?$rid=r1", " ", 0);
	device_expect(&d, "$iothub/twin/res/200/?$rid=r1",
	              "{\"desired\":{\"$version\":1},\"reported\":{\"$version\":1}}");
	device_publish(&d, "$iothub/twin/PATCH/properties/reported/?$rid=r2", "{\"a\":{\"b\":1},\"c\":\"x\"}",
	               0);
	device_expect(&d, "$iothub/twin/res/204/?$rid=r2&$version=2", "");
	device_publish(&d, "$iothub/twin/PATCH/properties/reported/?$rid=r3", "{\"c\":null}", 2);
	ck_assert_uint_eq(device_hear(&d, &body), 0x40);
	device_expect(&d, "$iothub/twin/res/204/?$rid=r3&$version=3", "");
	device_publish(&d, "$iothub/twin/GET/?$rid=r4", "", 0);
	device_expect(&d, "$iothub/twin/res/200/?$rid=r4",
	              "{\"desired\":{\"$version\":1},\"reported\":{\"a\":{\"b\":1},\"$version\":3}}");
	ck_assert_int_eq(ask("GET", "/twins/" ID, ""), 200);
	assert_answer("\"reported\":{\"a\":{\"b\":1},\"$metadata\":{\"$lastUpdated\":\"20");
	assert_answer("\"connectionState\":\"Connected\"");
	ck_assert_int_eq(
	        ask("POST", "/devices/query",
	            "{\"query\":\"SELECT deviceId AS id FROM devices WHERE properties.reported.a.b = 1\"}"),
	        200);
	ck_assert_str_eq(answer.body.data, "[{\"id\":\"" ID "\"}]");
	ck_assert_uint_eq(told("report"), 2);
	device_close(&d);
	stop();
}
END_TEST

START_TEST(test_a_report_that_is_not_sound_gets_400_with_an_error_code)
{
	static const char *const bad[] = {"{", "[1]", "{\"a.b\":1}", "{\"a\":[null]}", "{\"$a\":1}"};
	struct buf large = BUF_INIT;
	char to[80];

	start("{}");
	device_join(&d, ID, p.mqtt_port, false);
	device_subscribe(&d, TWIN, 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		snprintf(to, sizeof to, "$iothub/twin/PATCH/properties/reported/?$rid=%zu", i);
		device_publish(&d, to, bad[i], 0);
		device_hear_publish(&d, &topic, &body);
		snprintf(to, sizeof to, "$iothub/twin/res/400/?$rid=%zu", i);
		ck_assert_str_eq(topic.data, to);
		ck_assert_msg(strstr(body.data, "{\"errorCode\":400004,\"trackingId\":\"") == body.data, "%s",
		              body.data);
	}
	buf_putc(&large, '{'); /* 8 × 4096 and names: over 32 KB together */
	for (int i = 0; i < 8; i++)
		buf_printf(&large, "%s\"k%d\":\"%04096d\"", i > 0 ? "," : "", i, i);
	buf_putc(&large, '}');
	device_publish(&d, "$iothub/twin/PATCH/properties/reported/?$rid=l", large.data, 0);
	device_hear_publish(&d, &topic, &body);
	ck_assert_str_eq(topic.data, "$iothub/twin/res/400/?$rid=l");
	ck_assert_uint_eq(told("report"), 0);
	buf_done(&large);
	device_close(&d);
	stop();
}
END_TEST

START_TEST(test_desired_properties_are_pushed_while_connected)
{
	start("{}");
	device_join(&d, ID, p.mqtt_port, false);
	ck_assert_int_eq(ask("PATCH", "/twins/" ID,
	                     "{\"properties\":{\"desired\":{\"early\":1,\"x\":{\"y\":1,\"z\":2}}}}"),
	                 200);
	ck_assert_int_eq(device_subscribe(&d, DESIRED, 0), 0);
	ck_assert_int_eq(ask("PATCH", "/twins/" ID, "{\"tags\":{\"t\":1}}"), 200);
	ck_assert_int_eq(
	        ask("PATCH", "/twins/" ID, "{\"properties\":{\"desired\":{\"early\":null,\"b\":[1,\"c\"]}}}"),
	        200);
	device_expect(&d, "$iothub/twin/PATCH/properties/desired/?$version=3",
	              "{\"early\":null,\"b\":[1,\"c\"],\"$version\":3}");
	ck_assert_int_eq(ask("PUT", "/twins/" ID, "{\"properties\":{\"desired\":{\"x\":{\"y\":5}}}}"), 200);
	device_expect(&d, "$iothub/twin/PATCH/properties/desired/?$version=4",
	              "{\"x\":{\"y\":5,\"z\":null},\"b\":null,\"$version\":4}");
	device_expect_nothing(&d);
	device_close(&d);
	stop();
}
END_TEST

START_TEST(test_twin_operations_beyond_the_throttle_get_429)
{
	start("{\"faults\":[{\"kind\":\"throttled\",\"families\":[\"twins\"],\"count\":2}]}");
	device_join(&d, ID, p.mqtt_port, false);
	device_subscribe(&d, TWIN, 0);
	device_publish(&d, "$iothub/twin/GET/?$rid=1", "", 0);
	device_publish(&d, "$iothub/twin/PATCH/properties/reported/?$rid=2", "{\"a\":1}", 0);
	device_publish(&d, "$iothub/twin/PATCH/properties/reported/?$rid=3", "{\"a\":2}", 0);
	device_hear_publish(&d, &topic, &body);
	ck_assert_str_eq(topic.data, "$iothub/twin/res/429/?$rid=1");
	device_hear_publish(&d, &topic, &body);
	ck_assert_str_eq(topic.data, "$iothub/twin/res/429/?$rid=2");
	ck_assert_msg(strstr(body.data, "\"errorCode\":429001") != NULL, "%s", body.data);
	device_expect(&d, "$iothub/twin/res/204/?$rid=3&$version=2", "");
	device_close(&d);
	stop();
}
END_TEST

/* --- The protocol --------------------------------------------------------------------------------------- */

START_TEST(test_the_same_filter_twice_delivers_once)
{
	start("{}");
	device_join(&d, ID, p.mqtt_port, false);
	ck_assert_int_eq(device_subscribe(&d, METHODS, 0), 0);
	ck_assert_int_eq(device_subscribe(&d, METHODS, 2), 1); /* QoS 2 is granted 1 */
	call("");
	device_publish(&d, hear_call(&d, 200, "null"), "1", 0);
	ck_assert_int_eq(hear_answer(), 200);
	device_expect_nothing(&d);
	device_close(&d);
	stop();
}
END_TEST

START_TEST(test_at_most_five_subscriptions_at_a_time)
{
	start("{}");
	device_join(&d, ID, p.mqtt_port, false);
	ck_assert_int_eq(device_subscribe(&d, METHODS, 0), 0);
	ck_assert_int_eq(device_subscribe(&d, TWIN, 1), 1);
	ck_assert_int_eq(device_subscribe(&d, DESIRED, 0), 0);
	ck_assert_int_eq(device_subscribe(&d, "devices/" ID "/messages/devicebound/#", 1), 1);
	ck_assert_int_eq(device_subscribe(&d, "$iothub/methods/POST/reboot/#", 0), 0);
	ck_assert_int_eq(device_subscribe(&d, "$iothub/methods/POST/stop/#", 0), 0x80);
	ck_assert_int_eq(device_subscribe(&d, METHODS, 0), 0);
	device_close(&d);
	stop();
}
END_TEST

START_TEST(test_a_session_outlives_its_connection_unless_it_is_clean)
{
	start("{}");
	device_join(&d, ID, p.mqtt_port, false);
	device_subscribe(&d, METHODS, 0);
	device_say(&d, 0xe0, NULL, 0);
	device_expect_end(&d);
	device_close(&d);
	device_join(&d, ID, p.mqtt_port, true);
	call("");
	device_publish(&d, hear_call(&d, 200, "null"), "1", 0);
	ck_assert_int_eq(hear_answer(), 200);
	device_close(&d);
	ck_assert_int_eq(try_login(ID, &(struct login){.is_clean = true}), 0);
	device_join(&d, ID, p.mqtt_port, false); /* clean forgot the old and left none */
	call("");
	ck_assert_int_eq(hear_answer(), 404);
	device_close(&d);
	stop();
}
END_TEST

START_TEST(test_a_lost_session_leaves_the_device_deaf)
{
	start("{\"faults\":[{\"kind\":\"sessionLost\",\"families\":[\"connects\"]}]}");
	device_join(&d, ID, p.mqtt_port, false);
	device_subscribe(&d, METHODS, 0);
	device_close(&d);
	device_join(&d, ID, p.mqtt_port, false);
	call("");
	ck_assert_int_eq(hear_answer(), 404);
	device_close(&d);
	stop();
}
END_TEST

START_TEST(test_a_newer_connection_closes_the_older)
{
	struct device_peer newer;

	start("{}");
	device_join(&d, ID, p.mqtt_port, false);
	device_subscribe(&d, METHODS, 0);
	call("");
	(void)hear_call(&d, 200, "null");
	device_join(&newer, ID, p.mqtt_port, true);
	device_expect_end(&d);
	ck_assert_int_eq(hear_answer(), 404); /* the call that the older had */
	call("");
	device_publish(&newer, hear_call(&newer, 200, "null"), "2", 0);
	ck_assert_int_eq(hear_answer(), 200);
	ck_assert_uint_eq(told("joined"), 2);
	ck_assert_uint_eq(told("left"), 2); /* the simulated one, the older one */
	device_close(&d);
	device_close(&newer);
	stop();
}
END_TEST

START_TEST(test_whoever_breaks_a_rule_is_cut_off_without_a_word)
{
	static const struct {
		unsigned first;
		const char *rest;
		size_t n;
	} rows[] = {
	        {0x30, "\0\3a/bx", 6},                              /* an unknown topic */
	        {0x30, "\0\x1d$iothub/methods/res/1/?$rid=1{", 32}, /* an answer that is no JSON */
	        {0x82, "\0\1\0\1#\0", 6},                           /* an unknown filter */
	        {0x10, "\0\4MQTT\4\2\0\0\0\2d1", 14},               /* a second CONNECT */
	        {0x40, "\0\1", 2},                                  /* PUBACK for nothing */
	        {0xc1, "", 0},                                      /* no packet at all */
	};

	start("{}");
	for (size_t i = 0; i <= sizeof rows / sizeof *rows; i++) {
		device_dial(&d, ID, p.mqtt_port, NULL);
		ck_assert_int_eq(device_login(&d, &(struct login){.is_clean = true}), 0);
		if (i < sizeof rows / sizeof *rows)
			device_say(&d, rows[i].first, rows[i].rest, rows[i].n);
		else
			device_publish(&d, "devices/" ID "/messages/events/", "x", 4); /* QoS 2 */
		device_expect_end(&d);
		device_close(&d);
	}
	device_dial(&d, ID, p.mqtt_port, NULL); /* before CONNECT nothing else may come */
	device_say(&d, 0xc0, "", 0);
	device_expect_end(&d);
	device_close(&d);
	stop();
}
END_TEST

START_TEST(test_a_silent_connection_ends_after_one_and_a_half_keep_alives)
{
	int64_t since_ms;

	start("{}");
	device_dial(&d, ID, p.mqtt_port, NULL);
	ck_assert_int_eq(device_login(&d, &(struct login){.keep_alive_s = 1}), 0);
	device_expect_nothing(&d);
	since_ms = clock_mono_ms();
	device_expect_end(&d);
	ck_assert_int_ge(clock_mono_ms() - since_ms, 1400);
	device_close(&d);
	stop();
}
END_TEST

START_TEST(test_a_device_is_cut_when_its_token_expires)
{
	struct buf token = BUF_INIT;

	start("{}");
	device_token(ID, 2, &token);
	device_dial(&d, ID, p.mqtt_port, NULL);
	ck_assert_int_eq(device_login(&d, &(struct login){.password = token.data}), 0);
	device_expect_end(&d);
	buf_done(&token);
	device_close(&d);
	stop();
}
END_TEST

START_TEST(test_a_device_that_is_disabled_or_deleted_loses_its_connection)
{
	start("{}");
	device_join(&d, ID, p.mqtt_port, false);
	ck_assert_int_eq(ask("PUT", "/devices/" ID, "{\"deviceId\":\"" ID "\",\"status\":\"disabled\"}"),
	                 200);
	device_expect_end(&d);
	device_close(&d);
	ck_assert_int_eq(ask("PUT", "/devices/" ID, "{\"deviceId\":\"" ID "\",\"status\":\"enabled\"}"), 200);
	call("");
	ck_assert_int_eq(hear_answer(), 404); /* and nothing simulated comes back in its place */
	assert_answer("404103");
	stop();
}
END_TEST

START_TEST(test_messages_are_taken_with_will_and_retain_as_properties)
{
	struct buf journal = BUF_INIT;

	start("{}");
	device_dial(&d, ID, p.mqtt_port, NULL);
	ck_assert_int_eq(device_login(&d, &(struct login){.will_topic = "devices/" ID "/messages/events/w=1",
	                                                  .will = "gone"}),
	                 0);
	device_publish(&d, "devices/" ID "/messages/events/%24.mid=m1&k=v%201", "hello", 2);
	ck_assert_uint_eq(device_hear(&d, &body), 0x40);
	device_publish(&d, "devices/" ID "/messages/events/k=v", "!", 1);
	device_publish(&d, "devices/" ID "/nonsense", "", 0);
	device_expect_end(&d);
	device_close(&d);
	peer_file_get(&p, "journal.jsonl", &journal);
	ck_assert_msg(strstr(journal.data,
	                     "\"payload\":{\"bytes\":5,\"properties\":\"%24.mid=m1&k=v%201\"}") != NULL,
	              "%s", journal.data);
	ck_assert(strstr(journal.data, "\"payload\":{\"bytes\":1,\"properties\":\"k=v&mqtt-retain=true\"}") !=
	          NULL);
	ck_assert(strstr(journal.data,
	                 "\"payload\":{\"bytes\":4,\"properties\":\"w=1&iothub-MessageType=Will\"}") != NULL);
	buf_done(&journal);
	stop();
}
END_TEST

/* --- Many ----------------------------------------------------------------------------------------------- */

static unsigned long memory_kb(void)
{
	char path[64], line[256];
	unsigned long kb = 0;
	FILE *in;

	snprintf(path, sizeof path, "/proc/%d/status", (int)p.pid);
	in = fopen(path, "r");
	ck_assert_ptr_nonnull(in);
	while (fgets(line, sizeof line, in) != NULL && sscanf(line, "VmRSS: %lu kB", &kb) != 1)
		;
	fclose(in);
	return kb;
}

static void raise_files(void)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Connects n devices, by TLS where ca_file is given, and calls each once. */
static void connect_and_call(struct device_peer *devices, char (*ids)[16], size_t n, const char *ca_file)
{
	uint16_t port = ca_file != NULL ? p.mqtts_port : p.mqtt_port;
	struct auth *a = auth_new("localhost", "hubsim");
	struct login login = {.is_clean = true};
	struct buf token = BUF_INIT;
	char target[64];

	auth_token(a, "device", false, clock_now_ms() / 1000 + 3600, &token);
	login.password = token.data;
	for (size_t i = 0; i < n; i++) {
		snprintf(ids[i], sizeof ids[i], "dev-%06u", (unsigned)i);
		device_dial(&devices[i], ids[i], port, ca_file);
		ck_assert_int_eq(device_login(&devices[i], &login), 0);
		ck_assert_int_eq(device_subscribe(&devices[i], METHODS, 0), 0);
	}
	for (size_t i = 0; i < n; i++) {
		snprintf(target, sizeof target, "/twins/%s/methods", ids[i]);
		send_ask("POST", target, "{\"methodName\":\"reboot\"}");
		device_publish(&devices[i], hear_call(&devices[i], 200, "null"), "1", 0);
		ck_assert_int_eq(hear_answer(), 200);
	}
	buf_done(&token);
	auth_free(a);
}

/* Many real devices beside many simulated ones: 5,000 and a million with ROLLCALL_TEST_LONG. */
static void try_many(bool uses_tls)
{
	const char *wants_long = getenv("ROLLCALL_TEST_LONG");
	bool is_long = wants_long != NULL && strcmp(wants_long, "true") == 0;
	size_t n = is_long ? 5000 : 200;
	struct device_peer *devices = calloc(n, sizeof *devices);
	char(*ids)[16] = calloc(n, sizeof *ids), ca[128];
	unsigned long before_kb;

	raise_files();
	start_fleet("{}", is_long ? "1000000" : "1000");
	snprintf(ca, sizeof ca, "%s/hubsim-cert.pem", p.folder);
	before_kb = memory_kb();
	connect_and_call(devices, ids, n, uses_tls ? ca : NULL);
	printf("%zu devices%s: %lu kB before, %lu kB with them\n", n, uses_tls ? " by TLS" : "", before_kb,
	       memory_kb());
	for (size_t i = 0; i < n; i++)
		device_close(&devices[i]);
	free(devices);
	free(ids);
	stop();
}

START_TEST(test_many_devices_are_connected_at_once)
{
	try_many(false);
}
END_TEST

START_TEST(test_many_devices_are_connected_at_once_over_tls)
{
	try_many(true);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hubsim-devices");

	TESTS(s, "login", test_who_may_connect_and_what_the_others_are_told,
	      test_a_hub_that_is_too_busy_to_let_a_device_in_is_unavailable,
	      test_a_protocol_of_another_version_is_told_so, test_a_device_connects_over_tls,
	      test_the_printed_connection_string_is_what_the_registry_says,
	      test_a_device_registered_over_rest_connects_with_its_generated_key);
	TESTS(s, "certificates", test_a_device_with_thumbprints_comes_in_by_a_certificate_of_one_of_them,
	      test_an_authority_vouches_for_the_device_of_the_common_name,
	      test_a_device_with_a_key_may_show_a_certificate_too,
	      test_authorities_that_cannot_be_read_are_a_refusal_to_start);
	TESTS(s, "methods", test_a_call_goes_down_and_its_answer_up,
	      test_the_second_answer_to_a_call_is_ignored,
	      test_a_device_without_subscription_or_connection_is_404103,
	      test_a_call_waits_for_connect_and_subscription,
	      test_a_silent_device_is_504101_and_a_lost_one_404103);
	TESTS(s, "twins", test_a_twin_is_read_and_reported_to,
	      test_a_report_that_is_not_sound_gets_400_with_an_error_code,
	      test_desired_properties_are_pushed_while_connected,
	      test_twin_operations_beyond_the_throttle_get_429);
	TESTS(s, "protocol", test_the_same_filter_twice_delivers_once,
	      test_at_most_five_subscriptions_at_a_time,
	      test_a_session_outlives_its_connection_unless_it_is_clean,
	      test_a_lost_session_leaves_the_device_deaf, test_a_newer_connection_closes_the_older,
	      test_whoever_breaks_a_rule_is_cut_off_without_a_word,
	      test_a_silent_connection_ends_after_one_and_a_half_keep_alives,
	      test_a_device_is_cut_when_its_token_expires,
	      test_a_device_that_is_disabled_or_deleted_loses_its_connection,
	      test_messages_are_taken_with_will_and_retain_as_properties);
	TESTS(s, "many", test_many_devices_are_connected_at_once,
	      test_many_devices_are_connected_at_once_over_tls);
	return suite_run(s);
}
