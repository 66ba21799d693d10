/* tests: server/config and server/settings */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/auth.h"
#include "server/base/secret.h"
#include "server/config.h"
#include "server/hub/entra.h"

#define KEY "dGhpcyBpcyB2ZXJ5IHNlY3JldCBpbmRlZWQ="
#define HUB(host) "HostName=" host ";SharedAccessKeyName=service;SharedAccessKey=" KEY
#define CS "ROLLCALL_HUB_CONNECTION_STRING=" HUB("env.example")
#define TOKENS \
	"[{\"name\":\"ops\",\"role\":\"admin\",\"sha256\":" \
	"\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}]"

/* The working folder is ours alone; names are relative to it. JSON is written here with ' for ". */
static void put_file(const char *name, const char *text, mode_t mode)
{
	FILE *f = fopen(name, "w");

	ck_assert_ptr_nonnull(f);
	for (; *text != '\0'; text++)
		fputc(*text == '\'' ? '"' : *text, f);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(name, mode), 0);
}

struct read {
	struct config config;
	struct faults faults;
	enum err err;
};

#define ARGS(...) \
	(const char *const[]) \
	{ \
		"rollcalld" __VA_OPT__(, ) __VA_ARGS__, NULL \
	}
#define ENV(...) \
	(const char *const[]) \
	{ \
		"HOME=/" __VA_OPT__(, ) __VA_ARGS__, NULL \
	}

static void say_nothing_secret(const struct faults *f)
{
	for (size_t i = 0; i < f->n; i++) {
		ck_assert_msg(strstr(f->all[i].detail, KEY) == NULL, "%s", f->all[i].detail);
		ck_assert_msg(strstr(f->all[i].pointer, KEY) == NULL, "%s", f->all[i].pointer);
	}
}

/* main() has them changeable; config_read() only reads them. */
static struct read read_config(const char *const *args, const char *const *environment)
{
	struct read r = {.faults = FAULTS_INIT};
	char *argv[20], *env[20];
	int argc = 0, n = 0;

	for (; args[argc] != NULL; argc++)
		argv[argc] = xstrdup(args[argc]);
	for (; environment[n] != NULL; n++)
		env[n] = xstrdup(environment[n]);
	argv[argc] = env[n] = NULL;
	r.err = config_read(argc, argv, env, &r.config, &r.faults);
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	for (int i = 0; i < n; i++)
		free(env[i]);
	say_nothing_secret(&r.faults);
	say_nothing_secret(&r.config.warnings);
	return r;
}

static void read_done(struct read *r)
{
	if (r->err == ERR_OK)
		config_done(&r->config);
	faults_done(&r->faults);
	secret_forget_all();
}

static struct read read_sound(const char *const *args, const char *const *environment)
{
	struct read r = read_config(args, environment);

	for (size_t i = 0; i < r.faults.n; i++)
		ck_assert_msg(false, "%s: %s", r.faults.all[i].pointer, r.faults.all[i].detail);
	ck_assert_int_eq(r.err, ERR_OK);
	return r;
}

struct expected {
	const char *place, *detail; /* the detail's start */
};

/* The faults are these, all of them, in this order. */
static void check_faults(const char *const *args, const char *const *environment,
                         const struct expected *expected)
{
	struct read r = read_config(args, environment);
	size_t n = 0;

	ck_assert_int_eq(r.err, ERR_INVALID);
	for (; expected[n].place != NULL; n++) {
		ck_assert_msg(n < r.faults.n, "misses %s: %s", expected[n].place, expected[n].detail);
		ck_assert_str_eq(r.faults.all[n].pointer, expected[n].place);
		ck_assert_msg(
		        strncmp(r.faults.all[n].detail, expected[n].detail, strlen(expected[n].detail)) == 0,
		        "%s: %s", expected[n].place, r.faults.all[n].detail);
	}
	ck_assert_msg(r.faults.n == n, "has too %s: %s", r.faults.all[n].pointer, r.faults.all[n].detail);
	read_done(&r);
}

#define EXPECTED(...) \
	(const struct expected[]) \
	{ \
		__VA_ARGS__, \
		{ \
			NULL, NULL \
		} \
	}

/* --- what wins --- */

START_TEST(test_a_connection_string_alone_makes_one_hub_and_all_else_has_a_default)
{
	struct read r = read_sound(ARGS(), ENV(CS));
	const struct config *c = &r.config;
	const struct config_hub *hub = &c->hubs[0];

	ck_assert_ptr_null(c->text);
	ck_assert_str_eq(c->listen_address, "127.0.0.1");
	ck_assert_uint_eq(c->listen_port, 8080);
	ck_assert_str_eq(c->database, "rollcall.db");
	ck_assert_ptr_null(c->tokens_file);
	ck_assert_int_eq(c->log_level, LOG_INFO);
	ck_assert(!c->logs_json);
	ck_assert_uint_eq(c->drain_s, 10);
	ck_assert_uint_eq(c->hubs_n, 1);
	ck_assert_str_eq(hub->name, "main");
	ck_assert_str_eq(hub->connection_string, HUB("env.example"));
	ck_assert_str_eq(hub->host, "env.example");
	ck_assert_ptr_null(hub->endpoint);
	ck_assert_ptr_null(hub->ca_file);
	ck_assert_str_eq(hub->sku, "S1");
	ck_assert_uint_eq(hub->units, 1);
	ck_assert_uint_eq(hub->reserve_percent, 0);
	ck_assert_uint_eq(hub->inflight_max, 1000);
	ck_assert_uint_eq(hub->ambiguous_max, 5);
	ck_assert_uint_eq(hub->track_interval_ms, 5000);
	ck_assert_uint_eq(c->warnings.n, 0);
	read_done(&r);
}
END_TEST

START_TEST(test_a_flag_wins_over_a_variable_and_that_over_the_file)
{
	static const char file[] = "{'listen':'127.0.0.1:3','database':'file.db','logLevel':'debug',"
	                           "'logFormat':'json','drainSeconds':3}";
	struct read r;

	put_file("c.json", file, 0600);
	r = read_sound(ARGS("--config", "c.json", "--listen", "127.0.0.1:1", "--drain-seconds=1"),
	               ENV(CS, "ROLLCALL_LISTEN=127.0.0.1:2", "ROLLCALL_DATABASE=env.db",
	                   "ROLLCALL_LOG_FORMAT=text", "ROLLCALL_LOG_LEVEL="));
	ck_assert_uint_eq(r.config.listen_port, 1);
	ck_assert_uint_eq(r.config.drain_s, 1);
	ck_assert_str_eq(r.config.database, "env.db");
	ck_assert(!r.config.logs_json);
	ck_assert_int_eq(r.config.log_level, LOG_DEBUG); /* an empty variable says nothing */
	read_done(&r);
	r = read_sound(ARGS(), ENV(CS, "ROLLCALL_CONFIG=c.json"));
	ck_assert_uint_eq(r.config.listen_port, 3);
	ck_assert_uint_eq(r.config.drain_s, 3);
	ck_assert_str_eq(r.config.database, "file.db");
	ck_assert(r.config.logs_json);
	read_done(&r);
}
END_TEST

START_TEST(test_what_is_overridden_is_not_looked_at_further)
{
	struct read r = read_sound(ARGS("--log-level", "warn"), ENV(CS, "ROLLCALL_LOG_LEVEL=loud"));

	ck_assert_int_eq(r.config.log_level, LOG_WARN);
	read_done(&r);
}
END_TEST

START_TEST(test_flags_and_variables_speak_of_the_only_hub_of_the_file)
{
	struct read r;

	put_file("c.json",
	         "{'hubs':[{'name':'plant','connectionString':'" HUB(
	                 "file.example") "','sku':'S3','units':2,"
	                                 "'reservePercent':10,'trackIntervalMs':100}]}",
	         0600);
	put_file("key", " " HUB("flag.example") "\n", 0600);
	r = read_sound(ARGS("--config=c.json", "--hub-units", "3", "--hub-connection-string-file", "key"),
	               ENV(CS, "ROLLCALL_HUB_UNITS=4", "ROLLCALL_HUB_RESERVE_PERCENT=20",
	                   "ROLLCALL_HUB_ENDPOINT=http://127.0.0.1:8081"));
	ck_assert_uint_eq(r.config.hubs_n, 1);
	ck_assert_str_eq(r.config.hubs[0].name, "plant");
	ck_assert_str_eq(r.config.hubs[0].connection_string, HUB("flag.example"));
	ck_assert_str_eq(r.config.hubs[0].host, "flag.example");
	ck_assert_str_eq(r.config.hubs[0].sku, "S3");
	ck_assert_uint_eq(r.config.hubs[0].units, 3);
	ck_assert_uint_eq(r.config.hubs[0].reserve_percent, 20);
	ck_assert_uint_eq(r.config.hubs[0].track_interval_ms, 100);
	ck_assert_str_eq(r.config.hubs[0].endpoint, "http://127.0.0.1:8081");
	read_done(&r);
	r = read_sound(ARGS("--hub-ca-file", "key"),
	               ENV("ROLLCALL_HUB_CONNECTION_STRING=SharedAccessKeyName=s;HostName=later.example;"
	                   "SharedAccessKey=" KEY));
	ck_assert_str_eq(r.config.hubs[0].host, "later.example");
	ck_assert_str_eq(r.config.hubs[0].ca_file, "key");
	read_done(&r);
}
END_TEST

START_TEST(test_flags_and_variables_that_could_mean_any_of_several_hubs_are_refused)
{
	put_file("c.json",
	         "{'hubs':[{'name':'a','connectionString':'" HUB(
	                 "a.example") "'},"
	                              "{'name':'b','connectionString':'" HUB("b.example") "'}]}",
	         0600);
	check_faults(ARGS("--config", "c.json", "--hub-sku", "S2"), ENV("ROLLCALL_HUB_UNITS=2"),
	             EXPECTED({"--hub-sku", "c.json has more than one hub"},
	                      {"ROLLCALL_HUB_UNITS", "c.json has more than one hub"}));
}
END_TEST

START_TEST(test_addresses_of_all_shapes_are_read)
{
	static const struct {
		const char *text, *address;
		unsigned port;
	} table[] = {{"[::1]:0", "::1", 0},
	             {"localhost:65535", "localhost", 65535},
	             {"127.9.8.7:80", "127.9.8.7", 80}};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct read r = read_sound(ARGS("--listen", table[i].text), ENV(CS));

		ck_assert_str_eq(r.config.listen_address, table[i].address);
		ck_assert_uint_eq(r.config.listen_port, table[i].port);
		read_done(&r);
	}
}
END_TEST

START_TEST(test_with_tokens_any_address_may_be_listened_on)
{
	struct read r;

	put_file("tokens.json", TOKENS, 0644);
	r = read_sound(ARGS("--tokens-file", "tokens.json", "--listen", "0.0.0.0:80"), ENV(CS));
	ck_assert_str_eq(r.config.tokens_file, "tokens.json");
	ck_assert_uint_eq(r.config.warnings.n, 1); /* that it is better done by TLS */
	read_done(&r);
}
END_TEST

/* --- faults --- */

START_TEST(test_no_hub_is_a_fault_that_says_what_to_set)
{
	check_faults(ARGS(), ENV(),
	             EXPECTED({"hubs", "no hub is configured: set ROLLCALL_HUB_CONNECTION_STRING, or"}));
	put_file("c.json", "{'hubs':[]}", 0600);
	check_faults(ARGS("--config", "c.json"), ENV(), EXPECTED({"hubs", "no hub is configured"}));
	check_faults(ARGS("--hub-sku", "S1"), ENV(), EXPECTED({"hub", "has no credential: set"}));
}
END_TEST

START_TEST(test_each_unsound_value_is_told_with_its_place)
{
	static const struct {
		const char *variable, *place, *detail;
	} table[] = {
	        {"ROLLCALL_LISTEN=8080", "ROLLCALL_LISTEN", "must be HOST:PORT"},
	        {"ROLLCALL_LISTEN=:8080", "ROLLCALL_LISTEN", "must be HOST:PORT"},
	        {"ROLLCALL_LISTEN=::1:8080", "ROLLCALL_LISTEN", "must be HOST:PORT"},
	        {"ROLLCALL_LISTEN=127.0.0.1:65536", "ROLLCALL_LISTEN", "must be HOST:PORT"},
	        {"ROLLCALL_LISTEN=127.0.0.1:-1", "ROLLCALL_LISTEN", "must be HOST:PORT"},
	        {"ROLLCALL_LISTEN=0.0.0.0:8080", "ROLLCALL_LISTEN", "must be a loopback address"},
	        {"ROLLCALL_LISTEN=[::]:8080", "ROLLCALL_LISTEN", "must be a loopback address"},
	        {"ROLLCALL_LISTEN=gateway:8080", "ROLLCALL_LISTEN", "must be a loopback address"},
	        {"ROLLCALL_LOG_LEVEL=loud", "ROLLCALL_LOG_LEVEL", "must be debug, info"},
	        {"ROLLCALL_LOG_FORMAT=xml", "ROLLCALL_LOG_FORMAT", "must be text or json"},
	        {"ROLLCALL_DRAIN_SECONDS=0", "ROLLCALL_DRAIN_SECONDS",
	         "must be a whole number from 1 to 3600"},
	        {"ROLLCALL_DRAIN_SECONDS=1e2", "ROLLCALL_DRAIN_SECONDS", "must be a whole number"},
	        {"ROLLCALL_TOKENS_FILE=absent", "ROLLCALL_TOKENS_FILE", "tokens file absent: No such file"},
	        {"ROLLCALL_TLS_CERT_FILE=c", "ROLLCALL_TLS_CERT_FILE", "tlsKeyFile is needed, too"},
	        {"ROLLCALL_TLS_KEY_FILE=k", "ROLLCALL_TLS_KEY_FILE", "tlsCertFile is needed, too"},
	        {"ROLLCALL_RETENTION_DAYS=-7", "ROLLCALL_RETENTION_DAYS", "must be a whole number from 0"},
	        {"ROLLCALL_CONFIG=absent", "ROLLCALL_CONFIG", "absent cannot be read: No such file"},
	        {"ROLLCALL_CONFIG=.", "ROLLCALL_CONFIG", ". cannot be read: Is a directory"},
	        {"ROLLCALL_PORT=80", "ROLLCALL_PORT", "there is no such setting"},
	        {"ROLLCALL_HUB_NAME=a b", "ROLLCALL_HUB_NAME", "must be 1 to 64 letters"},
	        {"ROLLCALL_HUB_SKU=S4", "ROLLCALL_HUB_SKU", "must be F1, S1, S2, S3 or none"},
	        {"ROLLCALL_HUB_UNITS=201", "ROLLCALL_HUB_UNITS", "must be a whole number from 1 to 200"},
	        {"ROLLCALL_HUB_RESERVE_PERCENT=91", "ROLLCALL_HUB_RESERVE_PERCENT",
	         "must be a whole number from 0"},
	        {"ROLLCALL_HUB_TRACK_INTERVAL_MS=99", "ROLLCALL_HUB_TRACK_INTERVAL_MS",
	         "must be a whole number from 100"},
	        {"ROLLCALL_HUB_INFLIGHT_MAX=0", "ROLLCALL_HUB_INFLIGHT_MAX", "must be a whole number from 1"},
	        {"ROLLCALL_HUB_AMBIGUOUS_MAX=-1", "ROLLCALL_HUB_AMBIGUOUS_MAX",
	         "must be a whole number from 1"},
	        {"ROLLCALL_HUB_CA_FILE=absent", "ROLLCALL_HUB_CA_FILE",
	         "absent cannot be read: No such file"},
	        {"ROLLCALL_HUB_ENDPOINT=http://10.0.0.1", "ROLLCALL_HUB_ENDPOINT",
	         "is not a sound endpoint: plain http"},
	        {"ROLLCALL_HUB_ENTRA={}", "ROLLCALL_HUB_ENTRA", "there is no such setting"},
	        {"ROLLCALL_HUB_ENTRA_TENANT_ID=t", "ROLLCALL_HUB_ENTRA_TENANT_ID",
	         "is one too many: there is a connection string"},
	        {"ROLLCALL_HUB_HOST=h", "ROLLCALL_HUB_HOST", "is one too many"},
	        {"ROLLCALL_HUB_CONNECTION_STRING_FILE=x", "ROLLCALL_HUB_CONNECTION_STRING_FILE",
	         "is one too many"},
	        {"ROLLCALL_HUB_UNIT=1", "ROLLCALL_HUB_UNIT", "there is no such setting"},
	        {"ROLLCALL_LISTEN=[::1:8080", "ROLLCALL_LISTEN", "must be HOST:PORT"},
	        {"ROLLCALL_DRAIN_SECONDS=12345678901", "ROLLCALL_DRAIN_SECONDS", "must be a whole number"},
	        {"ROLLCALL_DRAIN_SECONDS=4294967297", "ROLLCALL_DRAIN_SECONDS", "must be a whole number"},
	        {"ROLLCALL_SPORT=1://2", "ROLLCALL_SPORT", "there is no such setting"},
	        {"ROLLCALL_WEBHOOKS_FILE=absent", "ROLLCALL_WEBHOOKS_FILE", "absent cannot be read"},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		check_faults(ARGS(), ENV(CS, table[i].variable), EXPECTED({table[i].place, table[i].detail}));
}
END_TEST

START_TEST(test_an_empty_flag_says_that_nothing_is_wanted)
{
	char longer[66] = "";

	check_faults(ARGS("--database=", "--hub-name", "", "--drain-seconds="), ENV(CS),
	             EXPECTED({"--drain-seconds", "must be a whole number"}, {"--database", "must be a path"},
	                      {"--hub-name", "must be 1 to 64 letters"}));
	check_faults(ARGS("--=x", "-d"), ENV(CS),
	             EXPECTED({"argument 1", "is no flag"}, {"argument 2", "is no flag"}));
	memset(longer, 'x', sizeof longer - 1);
	check_faults(ARGS("--hub-name", longer), ENV(CS, "ROLLCALL_", "ROLLCALL"),
	             EXPECTED({"--hub-name", "must be 1 to 64 letters"}));
}
END_TEST

START_TEST(test_units_that_the_sku_cannot_have_are_a_fault)
{
	check_faults(ARGS("--hub-sku", "S3", "--hub-units", "11"), ENV(CS),
	             EXPECTED({"--hub-units", "are more than a hub of SKU S3 can have"}));
}
END_TEST

START_TEST(test_a_certificate_that_cannot_be_read_is_a_fault)
{
	put_file("cert.pem", "no certificate", 0600);
	check_faults(ARGS("--tls-cert-file", "absent", "--tls-key-file", "cert.pem"), ENV(CS),
	             EXPECTED({"--tls-cert-file", "absent: "}));
	check_faults(ARGS("--tls-cert-file", "cert.pem", "--tls-key-file", "cert.pem"), ENV(CS),
	             EXPECTED({"--tls-cert-file", "cert.pem: "}));
}
END_TEST

#define ISSUER "--oidc-issuer", "https://login.example/t"

START_TEST(test_an_issuer_is_read_with_all_that_goes_with_it)
{
	struct read r;

	put_file("key", "certificates", 0600);
	r = read_sound(ARGS(ISSUER, "--oidc-audience", "us", "--oidc-roles", "ops=operator", "--oidc-ca-file",
	                    "key", "--listen", "[fe80::1]:80"),
	               ENV(CS));
	ck_assert_str_eq(r.config.oidc_issuer, "https://login.example/t");
	ck_assert_str_eq(r.config.oidc_audience, "us");
	ck_assert_str_eq(r.config.oidc_roles, "ops=operator");
	ck_assert_str_eq(r.config.oidc_ca_file, "key");
	ck_assert_uint_eq(r.config.warnings.n, 1); /* who has tokens had better have TLS */
	read_done(&r);
}
END_TEST

START_TEST(test_an_unsound_issuer_is_a_fault)
{
	static const struct {
		const char *issuer, *detail;
	} table[] = {{"login.example", "is not a sound issuer: must be a URL without query"},
	             {"https://login.example/?a", "is not a sound issuer: must be a URL"},
	             {"http://login.example", "is not a sound issuer: plain http"}};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		check_faults(ARGS("--oidc-issuer", table[i].issuer, "--oidc-audience", "us"), ENV(CS),
		             EXPECTED({"--oidc-issuer", table[i].detail}));
	check_faults(ARGS(ISSUER), ENV(CS), EXPECTED({"--oidc-issuer", "needs oidcAudience"}));
	check_faults(ARGS(ISSUER, "--oidc-audience=", "--oidc-ca-file", "absent"), ENV(CS),
	             EXPECTED({"--oidc-issuer", "needs oidcAudience"},
	                      {"--oidc-ca-file", "absent cannot be read: No such file"}));
	check_faults(ARGS(ISSUER, "--oidc-audience", "us", "--oidc-roles", "ops=king"), ENV(CS),
	             EXPECTED({"--oidc-roles", ""}));
	check_faults(ARGS("--oidc-audience", "us", "--oidc-roles", "ops=king"), ENV(CS),
	             EXPECTED({"--oidc-audience", "is for an issuer: set oidcIssuer, too"},
	                      {"--oidc-roles", "is for an issuer"}));
}
END_TEST

START_TEST(test_webhooks_are_read_from_their_file_and_what_is_wrong_stands_in_it)
{
	struct read r;

	put_file("key", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 0600);
	put_file("c.json", "[{'name':'ops','url':'https://ops.example/in','secretFile':'key'}]", 0644);
	r = read_sound(ARGS("--webhooks-file", "c.json"), ENV(CS));
	ck_assert_uint_eq(r.config.webhooks.n, 1);
	ck_assert_uint_eq(r.config.warnings.n, 1); /* others may read it, and its URLs */
	ck_assert_str_eq(r.config.warnings.all[0].pointer, "--webhooks-file");
	read_done(&r);
	put_file("c.json", "[{'name':'ops','url':'http://ops.example/in','secretFile':'key'},5]", 0600);
	check_faults(ARGS("--webhooks-file", "c.json"), ENV(CS),
	             EXPECTED({"c.json /0/url", ""}, {"c.json /1", "must be an object"}));
}
END_TEST

START_TEST(test_tokens_without_tls_beyond_this_machine_are_warned_of)
{
	struct read r;

	put_file("tokens.json", TOKENS, 0600);
	r = read_sound(ARGS("--listen", "0.0.0.0:80", "--tokens-file", "tokens.json"), ENV(CS));
	ck_assert_uint_eq(r.config.warnings.n, 1);
	ck_assert_str_eq(r.config.warnings.all[0].pointer, "--listen");
	read_done(&r);
	r = read_sound(ARGS("--listen", "127.0.0.1:80", "--tokens-file", "tokens.json"), ENV(CS));
	ck_assert_uint_eq(r.config.warnings.n, 0);
	read_done(&r);
}
END_TEST

START_TEST(test_all_faults_of_all_sources_are_told_at_once)
{
	put_file("c.json",
	         "{'listen':8080,'listne':'x','retentionDays':null,'hubs':["
	         "{'connectionString':7,'units':'2','sku':'S9','color':'red'},"
	         "{'name':'b','host':'h','entra':{'secret':1}},"
	         "{'name':'b','connectionString':'" HUB("b.example") "','connectionStringFile':'k'},"
	                                                             "{'name':'c','connectionString':'" HUB(
	                                                                     "B.example") "'},"
	                                                                                  "5]}",
	         0600);
	check_faults(ARGS("--bogus", "value", "--log-format", "xml", "stray", "--database"),
	             ENV("ROLLCALL_CONFIG=c.json", "ROLLCALL_BOGUS=1", "ROLLCALL_LOG_LEVEL=loud"),
	             EXPECTED({"--bogus", "there is no such flag"}, {"argument 5", "is no flag"},
	                      {"--database", "needs a value: FILE"},
	                      {"ROLLCALL_BOGUS", "there is no such setting"},
	                      {"c.json /listen", "must be a JSON string"},
	                      {"c.json /listne", "there is no such setting"},
	                      {"c.json /retentionDays", "must be a whole number"},
	                      {"c.json /hubs/0/connectionString", "must be a JSON string"},
	                      {"c.json /hubs/0/units", "must be a whole number from 1 to 200"},
	                      {"c.json /hubs/0/color", "there is no such setting"},
	                      {"c.json /hubs/0", "name is required"},
	                      {"c.json /hubs/1/entra/secret", "there is no such setting"},
	                      {"c.json /hubs/4", "must be an object"},
	                      {"c.json /hubs/2/connectionStringFile", "is one too many"},
	                      {"--log-format", "must be text or json"},
	                      {"ROLLCALL_LOG_LEVEL", "must be debug, info"},
	                      {"c.json /hubs/0", "has no credential: set"},
	                      {"c.json /hubs/0/sku", "must be F1"},
	                      {"c.json /hubs/1", "needs one of clientSecretFile"},
	                      {"c.json /hubs/1", "needs tenantId and clientId in entra"},
	                      {"c.json /hubs/2", "has the name of c.json /hubs/1"},
	                      {"c.json /hubs/3", "is the same IoT Hub as c.json /hubs/2"}));
}
END_TEST

START_TEST(test_tasks_with_a_database_need_no_hub)
{
	struct read r = read_sound(ARGS("backup", "copy.db", "--database", "d"), ENV());

	ck_assert_int_eq(r.config.task, CONFIG_BACKUP);
	ck_assert_str_eq(r.config.file, "copy.db");
	ck_assert_str_eq(r.config.database, "d");
	read_done(&r);
	r = read_sound(ARGS("check"), ENV("ROLLCALL_DATABASE=e"));
	ck_assert_int_eq(r.config.task, CONFIG_CHECK);
	ck_assert_str_eq(r.config.database, "e");
	read_done(&r);
	check_faults(ARGS("backup"), ENV(), EXPECTED({"backup", "must be: backup FILE"}));
	check_faults(ARGS("backup", "--database", "d"), ENV(), EXPECTED({"backup", "must be: backup FILE"}));
	check_faults(ARGS("backup", ""), ENV(),
	             EXPECTED({"backup", "must be: backup FILE"}, {"argument 1", "is no flag"}));
	check_faults(ARGS("check", "stray"), ENV(), EXPECTED({"argument 1", "is no flag"}));
}
END_TEST

#define HASH64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

START_TEST(test_an_entry_that_was_noted_is_a_number_and_a_hash)
{
	static const char *const wrong[] = {
	        "7:",
	        ":" HASH64,
	        "7;" HASH64,
	        "0:" HASH64,
	        "7:" HASH64 "0",
	        "7:Z123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	        "1234567890123456789:" HASH64};
	struct read r = read_sound(ARGS("audit", "verify", "17:" HASH64, "--database", "d"), ENV());

	ck_assert_int_eq(r.config.task, CONFIG_AUDIT);
	ck_assert_uint_eq(r.config.noted.no, 17);
	ck_assert_uint_eq(r.config.noted.hash[1], 0x23);
	ck_assert_uint_eq(r.config.noted.hash[31], 0xef);
	ck_assert_str_eq(r.config.database, "d");
	read_done(&r);
	r = read_sound(ARGS("audit", "verify", "--database", "d"), ENV());
	ck_assert_uint_eq(r.config.noted.no, 0);
	ck_assert_str_eq(r.config.database, "d");
	read_done(&r);
	r = read_sound(ARGS("audit", "verify"), ENV());
	read_done(&r);
	check_faults(ARGS("audit"), ENV(), EXPECTED({"audit", "must be: audit verify"}));
	check_faults(ARGS("audit", "look"), ENV(), EXPECTED({"audit", "must be: audit verify"}));
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		check_faults(ARGS("audit", "verify", wrong[i]), ENV(),
		             EXPECTED({"audit verify", "an entry that was noted must be NUMBER:HASH"},
		                      {"argument 1", "is no flag"}));
}
END_TEST

START_TEST(test_health_needs_to_know_where_the_service_listens_and_no_file)
{
	struct read r =
	        read_sound(ARGS("health"), ENV("ROLLCALL_LISTEN=0.0.0.0:8443", "ROLLCALL_TOKENS_FILE=gone",
	                                       "ROLLCALL_TLS_CERT_FILE=gone"));

	ck_assert_int_eq(r.config.task, CONFIG_HEALTH);
	ck_assert_str_eq(r.config.listen_address, "0.0.0.0");
	ck_assert_uint_eq(r.config.listen_port, 8443);
	ck_assert_str_eq(r.config.tls_cert_file, "gone");
	read_done(&r);
	check_faults(ARGS("health", "--listen", "127.0.0.1:0"), ENV(),
	             EXPECTED({"--listen", "must name a port"}));
	check_faults(ARGS("health", "stray"), ENV(), EXPECTED({"argument 1", "is no flag"}));
}
END_TEST

START_TEST(test_entra_takes_the_place_of_a_connection_string)
{
	struct read r;

	put_file("secret", "s-1234", 0600);
	put_file("c.json",
	         "{'hubs':[{'name':'a','host':'a.example','entra':"
	         "{'tenantId':'t','clientId':'c','clientSecretFile':'secret'}},"
	         "{'name':'b','host':'b.example','entra':{'managedIdentity':true}},"
	         "{'name':'c','host':'c.example','entra':{'workloadIdentity':true,'clientId':'own'}}]}",
	         0600);
	r = read_sound(ARGS("--config", "c.json"), ENV("AZURE_TENANT_ID=tenant", "AZURE_CLIENT_ID=client",
	                                               "AZURE_FEDERATED_TOKEN_FILE=secret",
	                                               "AZURE_AUTHORITY_HOST=https://login.example/"));
	ck_assert_uint_eq(r.config.hubs_n, 3);
	ck_assert_ptr_null(r.config.hubs[0].connection_string);
	ck_assert_str_eq(r.config.hubs[0].host, "a.example");
	ck_assert_int_eq(r.config.hubs[0].entra->flow, ENTRA_CLIENT_SECRET);
	ck_assert_str_eq(r.config.hubs[0].entra->tenant_id, "t");
	ck_assert_str_eq(r.config.hubs[0].entra->authority, "https://login.example/");
	ck_assert_int_eq(r.config.hubs[1].entra->flow, ENTRA_MANAGED_IDENTITY);
	ck_assert_str_eq(r.config.hubs[1].entra->authority, "http://169.254.169.254");
	ck_assert_ptr_null(r.config.hubs[1].entra->client_id);
	ck_assert_int_eq(r.config.hubs[2].entra->flow, ENTRA_WORKLOAD_IDENTITY);
	ck_assert_str_eq(r.config.hubs[2].entra->tenant_id, "tenant");
	ck_assert_str_eq(r.config.hubs[2].entra->client_id, "own");
	ck_assert_str_eq(r.config.hubs[2].entra->file, "secret");
	read_done(&r);
}
END_TEST

START_TEST(test_entra_that_is_not_whole_is_a_fault)
{
	check_faults(ARGS("--hub-host", "a.example", "--hub-entra-workload-identity", "true"), ENV(),
	             EXPECTED({"hub", "needs tenantId and clientId"},
	                      {"hub", "needs AZURE_FEDERATED_TOKEN_FILE"}));
	check_faults(ARGS("--hub-host", "a.example", "--hub-entra-managed-identity", "yes"), ENV(),
	             EXPECTED({"--hub-entra-managed-identity", "must be true or false"},
	                      {"hub", "needs one of clientSecretFile"},
	                      {"hub", "needs tenantId and clientId"}));
	check_faults(ARGS("--hub-entra-managed-identity", "true", "--hub-entra-authority", "http://10.0.0.1"),
	             ENV(),
	             EXPECTED({"--hub-entra-authority", "is not a sound authority"}, {"hub", "needs host"}));
	check_faults(ARGS("--hub-host", "https://a", "--hub-entra-managed-identity", "true"), ENV(),
	             EXPECTED({"--hub-host", "is not a host name"}));
	check_faults(ARGS("--hub-host", "a.example/t", "--hub-entra-managed-identity", "true"), ENV(),
	             EXPECTED({"--hub-host", "is not a host name"}));
	check_faults(ARGS("--hub-host", "a.example", "--hub-entra-client-secret-file", "absent",
	                  "--hub-entra-tenant-id", "t"),
	             ENV("AZURE_CLIENT_ID=c"), /* which is for workload identity only */
	             EXPECTED({"hub", "needs tenantId and clientId in entra"},
	                      {"--hub-entra-client-secret-file", "absent cannot be read: No such file"}));
	check_faults(ARGS("--hub-host", "a.example", "--hub-entra-workload-identity", "true"),
	             ENV("AZURE_TENANT_ID=", "AZURE_CLIENT_ID=c", "AZURE_FEDERATED_TOKEN_FILE=f"),
	             EXPECTED({"hub", "needs tenantId and clientId in entra"}));
	put_file("c.json",
	         "{'hubs':[{'name':'a','host':'a.example','entra':{'managedIdentity':'yes','ClientId':'c',"
	         "'workloadIdentity':false}},{'name':'b','entra':[],'entraTenantId':'t'}]}",
	         0600);
	check_faults(ARGS("--config", "c.json"), ENV(),
	             EXPECTED({"c.json /hubs/0/entra/managedIdentity", "must be true or false"},
	                      {"c.json /hubs/0/entra/ClientId", "there is no such setting"},
	                      {"c.json /hubs/1/entraTenantId", "there is no such setting"},
	                      {"c.json /hubs/1/entra", "must be an object"},
	                      {"c.json /hubs/0", "needs one of clientSecretFile"},
	                      {"c.json /hubs/0", "needs tenantId and clientId"},
	                      {"c.json /hubs/1", "has no credential"}));
}
END_TEST

START_TEST(test_a_file_that_is_not_json_is_told_by_line_and_column_without_its_words)
{
	put_file("c.json", "{'hubs':[{'name':'a',\n'connectionString':'" HUB("a.example") "',,}]}", 0600);
	check_faults(ARGS("--config", "c.json"), ENV(CS),
	             EXPECTED({"c.json", "not JSON at line 2, column "}));
	put_file("c.json", "[]", 0600);
	check_faults(ARGS("--config", "c.json"), ENV(CS), EXPECTED({"c.json", "must be a JSON object"}));
	put_file("c.json", "{'listen':'[::1]:1','listen':'[::1]:2'}", 0600);
	check_faults(ARGS("--config", "c.json"), ENV(CS), EXPECTED({"c.json", "a member is there twice"}));
	put_file("c.json", "{'hubs':{}}", 0600);
	check_faults(ARGS("--config", "c.json"), ENV(CS),
	             EXPECTED({"c.json /hubs", "must be a list of up to 64 hubs"}));
	put_file("c.json",
	         "{'hubs':[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,"
	         "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}",
	         0600);
	check_faults(ARGS("--config", "c.json"), ENV(CS),
	             EXPECTED({"c.json /hubs", "must be a list of up to 64 hubs"}));
	ck_assert_int_eq(truncate("c.json", 0), 0);
	ck_assert_int_eq(truncate("c.json", 8), 0); /* of eight zeroes */
	check_faults(ARGS("--config", "c.json"), ENV(CS), EXPECTED({"--config", "c.json is not a text"}));
}
END_TEST

START_TEST(test_a_hub_may_not_be_named_or_configured_twice)
{
	put_file(
	        "c.json",
	        "{'hubs':[{'name':'a','connectionString':'" HUB(
	                "a.example") "'},"
	                             "{'name':'a','connectionString':'" HUB(
	                                     "b.example") "'},"
	                                                  "{'name':'c','connectionString':'" HUB(
	                                                          "A.example") "'},"
	                                                                       "{'name':'d','connectionString':'" HUB(
	                                                                               "a.example") "','endpoint':'https://other.example'}]}",
	        0600);
	check_faults(ARGS("--config", "c.json"), ENV(),
	             EXPECTED({"c.json /hubs/1", "has the name of c.json /hubs/0"},
	                      {"c.json /hubs/2", "is the same IoT Hub as c.json /hubs/0"}));
}
END_TEST

START_TEST(test_a_flag_is_given_once_and_a_switch_has_no_value)
{
	check_faults(ARGS("--database", "a", "--database=b", "--check-config=yes"), ENV(CS),
	             EXPECTED({"--database", "is given twice"}, {"--check-config", "takes no value"}));
}
END_TEST

START_TEST(test_names_that_others_put_into_the_environment_are_left_alone)
{
	struct read r = read_sound(
	        ARGS(), ENV(CS, "ROLLCALL_SERVICE_HOST=10.0.0.1", "ROLLCALL_SERVICE_PORT_HTTP=80",
	                    "ROLLCALL_PORT=tcp://10.0.0.1:80", "ROLLCALL_PORT_80_TCP_ADDR=10.0.0.1",
	                    "ROLLCALL_URL=http://x", "ROLLCALL_TOKEN_FILE=/x", "ROLLCALL_CA_FILE=/x",
	                    "ROLLCALL_TOKEN=0123456789", "ROLLCALL_TEST_RESULTS=/tmp"));

	read_done(&r);
}
END_TEST

/* --- secrets --- */

START_TEST(test_a_secret_is_no_flag_and_the_refusal_does_not_show_it)
{
	check_faults(ARGS("--hub-connection-string", HUB("a.example")), ENV(CS),
	             EXPECTED({"--hub-connection-string", "a secret is not taken from the command line"}));
	check_faults(ARGS("--hub-connection-string=" HUB("a.example")), ENV(CS),
	             EXPECTED({"--hub-connection-string", "a secret is not taken from the command line"}));
	check_faults(ARGS("--hub-conection-string", KEY), ENV(CS),
	             EXPECTED({"--hub-conection-string", "there is no"}));
	check_faults(ARGS(KEY), ENV(CS), EXPECTED({"argument 1", "is no flag"}));
}
END_TEST

START_TEST(test_an_unsound_connection_string_is_refused_without_showing_it)
{
	check_faults(
	        ARGS(), ENV("ROLLCALL_HUB_CONNECTION_STRING=SharedAccessKey=" KEY),
	        EXPECTED({"ROLLCALL_HUB_CONNECTION_STRING", "is not a sound connection string: HostName"}));
	put_file("key", "SharedAccessKey=" KEY "\n", 0600);
	check_faults(
	        ARGS("--hub-connection-string-file", "key"), ENV(),
	        EXPECTED({"--hub-connection-string-file", "is not a sound connection string: HostName"}));
	put_file("key", "", 0600);
	check_faults(ARGS("--hub-connection-string-file", "key"), ENV(),
	             EXPECTED({"--hub-connection-string-file", "is not a sound connection string"}));
	check_faults(ARGS("--hub-connection-string-file", "absent"), ENV(),
	             EXPECTED({"--hub-connection-string-file", "absent cannot be read: No such file"}));
	put_file("c.json",
	         "{'hubs':[{'name':'a','connectionString':'" HUB(
	                 "a.example") "','connectionStringFile':'key'}]}",
	         0600);
	check_faults(ARGS("--config", "c.json"), ENV(),
	             EXPECTED({"c.json /hubs/0/connectionStringFile", "is one too many"}));
}
END_TEST

START_TEST(test_a_secret_file_larger_than_its_limit_is_refused)
{
	char text[4096 + 2];

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	put_file("key", text, 0600);
	check_faults(ARGS("--hub-connection-string-file", "key"), ENV(),
	             EXPECTED({"--hub-connection-string-file", "key is larger than 4096 bytes"}));
}
END_TEST

START_TEST(test_what_holds_a_secret_is_registered_so_that_no_line_shows_it)
{
	struct read r = read_sound(ARGS(), ENV(CS));
	struct buf line = BUF_INIT;

	buf_puts(&line, "key " KEY " end");
	secret_redact(&line);
	ck_assert_str_eq(line.data, "key *** end");
	buf_done(&line);
	read_done(&r);
}
END_TEST

START_TEST(test_a_secret_that_every_user_can_read_is_warned_about)
{
	struct read r;

	put_file("key", HUB("a.example"), 0644);
	r = read_sound(ARGS("--hub-connection-string-file", "key"), ENV());
	ck_assert_uint_eq(r.config.warnings.n, 1);
	ck_assert_str_eq(r.config.warnings.all[0].pointer, "--hub-connection-string-file");
	ck_assert_str_eq(r.config.warnings.all[0].detail,
	                 "key may be read by every user of the machine: chmod o-rw");
	read_done(&r);
	put_file("c.json", "{'hubs':[{'name':'a','connectionString':'" HUB("a.example") "'}]}", 0644);
	r = read_sound(ARGS("--config", "c.json"), ENV());
	ck_assert_uint_eq(r.config.warnings.n, 1);
	read_done(&r);
	put_file("c.json", "{}", 0644);
	r = read_sound(ARGS("--config", "c.json"), ENV(CS));
	ck_assert_uint_eq(r.config.warnings.n, 0);
	read_done(&r);
	put_file("tokens.json", TOKENS, 0666);
	r = read_sound(ARGS("--tokens-file", "tokens.json"), ENV(CS));
	ck_assert_uint_eq(r.config.warnings.n, 1);
	ck_assert_str_eq(r.config.warnings.all[0].detail,
	                 "tokens.json may be changed by every user of the machine: chmod o-rw");
	read_done(&r);
}
END_TEST

/* --- what is printed instead of serving --- */

START_TEST(test_help_covers_every_setting_and_needs_no_sound_configuration)
{
	static const char *const words[] = {
	        "--config FILE",
	        "--check-config",
	        "--version",
	        "--listen HOST:PORT",
	        "--database FILE",
	        "--tokens-file FILE",
	        "--log-level LEVEL",
	        "--log-format FORMAT",
	        "--drain-seconds N",
	        "--tls-cert-file FILE",
	        "--tls-key-file FILE",
	        "--retention-days N",
	        "--campaigns-max N",
	        "--events-max N",
	        "--webhooks-file FILE",
	        "--hub-name NAME",
	        "ROLLCALL_HUB_CONNECTION_STRING=TEXT (no flag)",
	        "--hub-connection-string-file FILE",
	        "--hub-sku SKU",
	        "--hub-units N",
	        "--hub-reserve-percent N",
	        "--hub-ca-file FILE",
	        "--hub-endpoint URL",
	        "--hub-track-interval-ms N",
	        "--hub-inflight-max N",
	        "--hub-ambiguous-max N",
	        "--hub-host NAME",
	        "--hub-entra-tenant-id ID",
	        "--hub-entra-client-id ID",
	        "--hub-entra-client-secret-file FILE",
	        "--hub-entra-workload-identity true|false",
	        "--hub-entra-managed-identity true|false",
	        "--hub-entra-authority URL",
	        "token new --name N --role R",
	        "SIGHUP",
	        "Exit status",
	};
	struct read r = read_sound(ARGS("--bogus", "--help"), ENV("ROLLCALL_BOGUS=1"));

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		ck_assert_msg(strstr(r.config.text, words[i]) != NULL, "no word of %s", words[i]);
	read_done(&r);
}
END_TEST

START_TEST(test_a_sound_configuration_and_the_version_are_told)
{
	struct read r = read_sound(ARGS("--check-config"), ENV(CS));

	ck_assert_str_eq(r.config.text, "rollcalld: the configuration is sound\n");
	read_done(&r);
	r = read_sound(ARGS("--version"), ENV());
	ck_assert_str_eq(r.config.text, "rollcalld " ROLLCALL_VERSION "\n");
	read_done(&r);
}
END_TEST

START_TEST(test_a_new_token_is_known_by_the_entry_printed_with_it)
{
	struct read r = read_sound(ARGS("token", "new", "--name", "ci.deploy", "--role=approver"), ENV());
	char *entry = strchr(r.config.text, '\n'), header[256], file[512], *reason = NULL;
	struct identity who;
	struct auth *auth;

	ck_assert_ptr_nonnull(entry);
	*entry++ = '\0';
	snprintf(header, sizeof header, "Bearer %s", r.config.text);
	snprintf(file, sizeof file, "[%s]", entry);
	put_file("tokens.json", file, 0600);
	ck_assert_msg(auth_load("tokens.json", &auth, &reason) == ERR_OK, "%s", reason);
	ck_assert(auth_check(auth, header, &who));
	ck_assert_str_eq(who.name, "ci.deploy");
	ck_assert_int_eq(who.role, ROLE_APPROVER);
	ck_assert_uint_ge(strlen(r.config.text), 43); /* 256 bits as base64url; more as hexadecimal digits */
	header[7] ^= 1;
	ck_assert(!auth_check(auth, header, &who));
	auth_free(auth);
	read_done(&r);
}
END_TEST

START_TEST(test_two_new_tokens_differ)
{
	struct read a = read_sound(ARGS("token", "new", "--name", "a", "--role", "viewer"), ENV());
	struct read b = read_sound(ARGS("token", "new", "--name", "a", "--role", "viewer"), ENV());

	ck_assert_str_ne(a.config.text, b.config.text);
	read_done(&a);
	read_done(&b);
}
END_TEST

START_TEST(test_a_token_without_a_sound_name_and_role_is_not_made)
{
	check_faults(ARGS("token"), ENV(),
	             EXPECTED({"token", "must be: token new"}, {"--role", "must be metrics"},
	                      {"--name", "must be 1 to 64"}));
	check_faults(ARGS("token", "new", "--name", "a b", "--role", "none", "--color", "red", "--name", "c"),
	             ENV(),
	             EXPECTED({"--color", "takes --name N and"}, {"--name", "takes --name N and"},
	                      {"--role", "must be metrics"}, {"--name", "must be 1 to 64"}));
	check_faults(ARGS("token", "old", "stray", "--role", "viewer", "--role", "admin", "--name", "c"),
	             ENV(),
	             EXPECTED({"token", "must be: token new"}, {"token new", "takes --name N and"},
	                      {"--role", "takes --name N and"}));
}
END_TEST

int main(void)
{
	char folder[] = "/tmp/test_config.XXXXXX";
	Suite *s = suite_create("config");
	int status;

	if (mkdtemp(folder) == NULL || chdir(folder) != 0) {
		perror(folder);
		return EXIT_FAILURE;
	}
	TESTS(s, "what wins", test_a_connection_string_alone_makes_one_hub_and_all_else_has_a_default,
	      test_a_flag_wins_over_a_variable_and_that_over_the_file,
	      test_what_is_overridden_is_not_looked_at_further,
	      test_flags_and_variables_speak_of_the_only_hub_of_the_file,
	      test_flags_and_variables_that_could_mean_any_of_several_hubs_are_refused,
	      test_addresses_of_all_shapes_are_read, test_with_tokens_any_address_may_be_listened_on);
	TESTS(s, "faults", test_no_hub_is_a_fault_that_says_what_to_set,
	      test_each_unsound_value_is_told_with_its_place, test_an_empty_flag_says_that_nothing_is_wanted,
	      test_an_issuer_is_read_with_all_that_goes_with_it, test_an_unsound_issuer_is_a_fault,
	      test_webhooks_are_read_from_their_file_and_what_is_wrong_stands_in_it,
	      test_an_entry_that_was_noted_is_a_number_and_a_hash,
	      test_units_that_the_sku_cannot_have_are_a_fault,
	      test_a_certificate_that_cannot_be_read_is_a_fault,
	      test_entra_takes_the_place_of_a_connection_string, test_entra_that_is_not_whole_is_a_fault,
	      test_tasks_with_a_database_need_no_hub,
	      test_health_needs_to_know_where_the_service_listens_and_no_file,
	      test_tokens_without_tls_beyond_this_machine_are_warned_of,
	      test_all_faults_of_all_sources_are_told_at_once,
	      test_a_file_that_is_not_json_is_told_by_line_and_column_without_its_words,
	      test_a_hub_may_not_be_named_or_configured_twice,
	      test_a_flag_is_given_once_and_a_switch_has_no_value,
	      test_names_that_others_put_into_the_environment_are_left_alone);
	TESTS(s, "secrets", test_a_secret_is_no_flag_and_the_refusal_does_not_show_it,
	      test_an_unsound_connection_string_is_refused_without_showing_it,
	      test_a_secret_file_larger_than_its_limit_is_refused,
	      test_what_holds_a_secret_is_registered_so_that_no_line_shows_it,
	      test_a_secret_that_every_user_can_read_is_warned_about);
	TESTS(s, "instead of serving", test_help_covers_every_setting_and_needs_no_sound_configuration,
	      test_a_sound_configuration_and_the_version_are_told,
	      test_a_new_token_is_known_by_the_entry_printed_with_it, test_two_new_tokens_differ,
	      test_a_token_without_a_sound_name_and_role_is_not_made);
	status = suite_run(s);
	unlink("c.json");
	unlink("cert.pem");
	unlink("key");
	unlink("secret");
	unlink("tokens.json");
	if (chdir("/") != 0 || rmdir(folder) != 0)
		perror(folder);
	return status;
}
