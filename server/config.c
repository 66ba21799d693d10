/* server: see config.h */
#include "server/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/auth.h"
#include "api/oidc.h"
#include "api/tls.h"
#include "server/base/buf.h"
#include "server/base/secret.h"
#include "server/campaign/model.h"
#include "server/dispatch/dispatch.h"
#include "server/hub/entra.h"
#include "server/hub/hub.h"
#include "server/settings.h"

#define WEBHOOKS_MAX_BYTES ((size_t)64 << 10)
#define SECRET_MAX_BYTES ((size_t)4096)

/* --- the service --- */

static char *copy_of(const struct slot *slot)
{
	return slot->text != NULL ? xstrdup(slot->text) : NULL;
}

static bool is_loopback(const char *address)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET6, address, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6);
	if (inet_pton(AF_INET, address, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return strcasecmp(address, "localhost") == 0;
}

static void read_listen(struct settings *s, struct config *c)
{
	const struct slot *slot = &s->globals[G_LISTEN];
	const char *text = slot->text, *colon = strrchr(text, ':');
	size_t n = colon != NULL ? (size_t)(colon - text) : 0;
	bool is_bracketed = n > 2 && text[0] == '[' && text[n - 1] == ']';
	uint32_t port;

	if (n == 0 || (!is_bracketed && memchr(text, ':', n) != NULL) || !settings_number(colon + 1, &port) ||
	    port > UINT16_MAX) {
		faults_add(s->faults, slot->place, "must be HOST:PORT, an IPv6 host in brackets");
		return;
	}
	c->listen_address = is_bracketed ? xstrndup(text + 1, n - 2) : xstrndup(text, n);
	c->listen_port = (uint16_t)port;
	if (c->task == CONFIG_HEALTH && port == 0)
		faults_add(s->faults, slot->place, "must name a port, to be asked there");
	if (c->task != CONFIG_HEALTH && c->tokens_file == NULL && c->oidc_issuer == NULL &&
	    !is_loopback(c->listen_address))
		faults_add(
		        s->faults, slot->place,
		        "must be a loopback address, since without tokensFile and oidcIssuer everyone who reaches it is admin");
}

static void read_tokens(struct settings *s, const struct config *c)
{
	const char *place = s->globals[G_TOKENS_FILE].place;
	struct auth *auth = NULL;
	char *reason = NULL;

	if (c->tokens_file == NULL)
		return;
	if (auth_load(c->tokens_file, &auth, &reason) != ERR_OK)
		faults_add(s->faults, place, "%s", reason);
	settings_check_mode(s, place, c->tokens_file, S_IWOTH); /* hashes of 256 bits of luck: may be read */
	auth_free(auth);
	free(reason);
}

/* What is wrong with it stands at "FILE /0/url". */
static void read_webhooks(struct settings *s, struct config *c)
{
	const struct slot *slot = &s->globals[G_WEBHOOKS_FILE];
	struct faults faults = FAULTS_INIT;
	struct buf text = BUF_INIT;

	if (slot->text == NULL || !settings_read_file(s, slot->place, slot->text, WEBHOOKS_MAX_BYTES, &text))
		goto out;
	/* A URL may be all it takes to be taken for us. */
	settings_check_mode(s, slot->place, slot->text, S_IROTH | S_IWOTH);
	if (endpoints_parse(text.data, text.len, &c->webhooks, &faults) == ERR_OK)
		goto out;
	for (size_t i = 0; i < faults.n; i++) {
		struct buf place = BUF_INIT;

		buf_printf(&place, "%s %s", slot->text, faults.all[i].pointer);
		faults_add(s->faults, place.data, "%s", faults.all[i].detail);
		buf_done(&place);
	}
out:
	faults_done(&faults);
	buf_done(&text);
}

/* Both, or none; a key is nobody else's business. */
static void read_certificate(struct settings *s, const struct config *c)
{
	const struct slot *cert = &s->globals[G_TLS_CERT_FILE], *key = &s->globals[G_TLS_KEY_FILE];
	struct tls *tls = NULL;
	char *reason = NULL;

	if (cert->text == NULL && key->text == NULL) {
		if ((c->tokens_file != NULL || c->oidc_issuer != NULL) && c->listen_address != NULL &&
		    !is_loopback(c->listen_address))
			faults_add(s->warnings, s->globals[G_LISTEN].place,
			           "tokens go over the network as they are: set tlsCertFile and tlsKeyFile, "
			           "or put a TLS proxy before the service");
		return;
	}
	if (cert->text == NULL || key->text == NULL) {
		faults_add(s->faults, cert->text == NULL ? key->place : cert->place,
		           cert->text == NULL ? "tlsCertFile is needed, too" : "tlsKeyFile is needed, too");
		return;
	}
	if (tls_load(cert->text, key->text, &tls, &reason) != ERR_OK)
		faults_add(s->faults, cert->place, "%s", reason);
	settings_check_mode(s, key->place, key->text, S_IROTH | S_IWOTH);
	tls_free(tls);
	free(reason);
}

/* Whether a URL begins with a scheme and host that a client may speak to; else *ret_why says what is wrong.
 */
static bool is_origin(const char *url, const char **ret_why)
{
	const char *host = strstr(url, "://");
	char *origin;
	bool is_sound;

	if (host == NULL)
		return false;
	origin = xstrndup(url, (size_t)(host + 3 - url) + strcspn(host + 3, "/"));
	is_sound = hub_check_endpoint(origin, ret_why) == ERR_OK;
	free(origin);
	return is_sound;
}

/* An issuer with all that goes with it, or nothing of that. */
static void read_oidc(struct settings *s, struct config *c)
{
	const struct slot *slots = s->globals, *issuer = &slots[G_OIDC_ISSUER],
	                  *ca_file = &slots[G_OIDC_CA_FILE];
	const struct oidc_options options = {issuer->text, slots[G_OIDC_AUDIENCE].text,
	                                     slots[G_OIDC_ROLES_CLAIM].text, slots[G_OIDC_ROLES].text,
	                                     slots[G_OIDC_NAME_CLAIM].text};
	const char *why = "must be a URL without query";
	char reason[OIDC_REASON_SIZE];
	struct oidc *oidc = NULL;

	for (enum global g = G_OIDC_AUDIENCE; g <= G_OIDC_CA_FILE && issuer->text == NULL; g++)
		if (slots[g].place != NULL)
			faults_add(s->faults, slots[g].place, "is for an issuer: set oidcIssuer, too");
	if (issuer->text == NULL)
		return;
	if (strpbrk(issuer->text, "?# ") != NULL || !is_origin(issuer->text, &why))
		faults_add(s->faults, issuer->place, "is not a sound issuer: %s", why);
	if (options.audience == NULL || options.audience[0] == '\0')
		faults_add(s->faults, issuer->place,
		           "needs oidcAudience, or tokens for others would be taken");
	else if (oidc_new(&options, &oidc, reason) != ERR_OK)
		faults_add(s->faults, slots[G_OIDC_ROLES].place, "%s", reason);
	oidc_free(oidc);
	if (ca_file->text != NULL && access(ca_file->text, R_OK) != 0)
		faults_add(s->faults, ca_file->place, "%s cannot be read: %s", ca_file->text,
		           strerror(errno));
	c->oidc_ca_file = copy_of(ca_file);
	c->oidc_issuer = copy_of(issuer);
	c->oidc_audience = copy_of(&slots[G_OIDC_AUDIENCE]);
	c->oidc_roles_claim = copy_of(&slots[G_OIDC_ROLES_CLAIM]);
	c->oidc_roles = copy_of(&slots[G_OIDC_ROLES]);
	c->oidc_name_claim = copy_of(&slots[G_OIDC_NAME_CLAIM]);
}

static void read_globals(struct settings *s, struct config *c)
{
	const struct slot *slots = s->globals;

	c->database = copy_of(&slots[G_DATABASE]);
	c->tokens_file = copy_of(&slots[G_TOKENS_FILE]);
	c->tls_cert_file = copy_of(&slots[G_TLS_CERT_FILE]);
	c->tls_key_file = copy_of(&slots[G_TLS_KEY_FILE]);
	c->drain_s = slots[G_DRAIN_SECONDS].number;
	c->retention_days = slots[G_RETENTION_DAYS].number;
	c->campaigns_max = slots[G_CAMPAIGNS_MAX].number;
	c->events_max = slots[G_EVENTS_MAX].number;
	c->logs_json = strcmp(slots[G_LOG_FORMAT].text, "json") == 0;
	if (!c->logs_json && strcmp(slots[G_LOG_FORMAT].text, "text") != 0)
		faults_add(s->faults, slots[G_LOG_FORMAT].place, "must be text or json");
	if (!log_level_parse(slots[G_LOG_LEVEL].text, &c->log_level))
		faults_add(s->faults, slots[G_LOG_LEVEL].place, "must be debug, info, warn, error or off");
	if (c->database[0] == '\0')
		faults_add(s->faults, slots[G_DATABASE].place, "must be a path");
	if (c->task != CONFIG_HEALTH)
		read_oidc(s, c);
	read_listen(s, c);
	if (c->task == CONFIG_HEALTH)
		return; /* what the files hold by now is not what is asked */
	read_tokens(s, c);
	read_certificate(s, c);
	read_webhooks(s, c);
}

/* --- hubs --- */

/* Of a sound connection string. */
static char *host_of(const char *connection_string)
{
	const char *part = connection_string;

	while (strncmp(part, "HostName=", 9) != 0)
		part += strcspn(part, ";") + 1;
	return xstrndup(part + 9, strcspn(part + 9, ";"));
}

static char *trimmed(const char *text)
{
	static const char white[] = " \t\r\n";
	size_t n;

	text += strspn(text, white);
	for (n = strlen(text); n > 0 && strchr(white, text[n - 1]) != NULL;)
		n--;
	return xstrndup(text, n);
}

static void read_connection_string(struct settings *s, const struct hub_slots *h, struct config_hub *hub)
{
	const struct slot *given = &h->slots[H_CONNECTION_STRING],
	                  *file = &h->slots[H_CONNECTION_STRING_FILE];
	const struct slot *from = given->text != NULL ? given : file;
	const char *reason = "";
	struct buf text = BUF_INIT;

	if (given->text != NULL)
		hub->connection_string = trimmed(given->text);
	else if (file->text != NULL &&
	         settings_read_file(s, file->place, file->text, SECRET_MAX_BYTES, &text))
		hub->connection_string = trimmed(text.data);
	if (text.data != NULL)
		explicit_bzero(text.data, text.size);
	buf_done(&text);
	if (hub->connection_string == NULL)
		return;
	if (from == file)
		hub->connection_string_file = copy_of(file);
	if (from == file)
		settings_check_mode(s, file->place, file->text, S_IROTH | S_IWOTH);
	secret_register(hub->connection_string);
	if (hub_check_connection_string(hub->connection_string, &reason) != ERR_OK)
		faults_add(s->faults, from->place, "is not a sound connection string: %s", reason);
	else
		hub->host = host_of(hub->connection_string);
}

static const char *variable(char *const *environment, const char *name)
{
	size_t n = strlen(name);

	for (; *environment != NULL; environment++)
		if (strncmp(*environment, name, n) == 0 && (*environment)[n] == '=' &&
		    (*environment)[n + 1] != '\0')
			return *environment + n + 1;
	return NULL;
}

/* What a slot says, or the variable of the platform where it says nothing. */
static char *said_or(const struct slot *slot, char *const *environment, const char *name)
{
	const char *text = slot->text != NULL ? slot->text : variable(environment, name);

	return text != NULL ? xstrdup(text) : NULL;
}

/* Gives which of the three was said; a fault unless it is one. */
static enum entra_flow flow_of(struct settings *s, const struct hub_slots *h)
{
	const struct slot *secret = &h->slots[H_ENTRA_CLIENT_SECRET_FILE];
	bool is_workload = h->slots[H_ENTRA_WORKLOAD_IDENTITY].number != 0,
	     is_managed = h->slots[H_ENTRA_MANAGED_IDENTITY].number != 0;

	if ((secret->text != NULL) + is_workload + is_managed != 1)
		faults_add(
		        s->faults, h->place,
		        "needs one of clientSecretFile, workloadIdentity and managedIdentity in entra, next to "
		        "host");
	return is_workload  ? ENTRA_WORKLOAD_IDENTITY
	       : is_managed ? ENTRA_MANAGED_IDENTITY
	                    : ENTRA_CLIENT_SECRET;
}

static void check_authority(struct settings *s, const struct hub_slots *h, const struct entra *e)
{
	const struct slot *slot = &h->slots[H_ENTRA_AUTHORITY];
	const char *place = slot->text != NULL ? slot->place : "AZURE_AUTHORITY_HOST", *reason = "";

	/* IMDS has no TLS, and a link-local address that nobody routes */
	if (strcmp(e->authority, ENTRA_IMDS) != 0 && hub_check_endpoint(e->authority, &reason) != ERR_OK)
		faults_add(s->faults, place, "is not a sound authority: %s", reason);
}

static void read_entra(struct settings *s, const struct hub_slots *h, char *const *environment,
                       struct config_hub *hub)
{
	const struct slot *slots = h->slots;
	struct buf url = BUF_INIT;
	const char *reason = "";
	struct entra *e = xcalloc(1, sizeof *e);
	bool is_workload;

	hub->entra = e;
	e->flow = flow_of(s, h);
	is_workload = e->flow == ENTRA_WORKLOAD_IDENTITY;
	e->authority = said_or(&slots[H_ENTRA_AUTHORITY], environment,
	                       e->flow == ENTRA_MANAGED_IDENTITY ? "AZURE_POD_IDENTITY_AUTHORITY_HOST"
	                                                         : "AZURE_AUTHORITY_HOST");
	if (e->authority == NULL)
		e->authority = xstrdup(e->flow == ENTRA_MANAGED_IDENTITY ? ENTRA_IMDS : ENTRA_AUTHORITY);
	e->tenant_id = said_or(&slots[H_ENTRA_TENANT_ID], environment, is_workload ? "AZURE_TENANT_ID" : "");
	e->client_id = said_or(&slots[H_ENTRA_CLIENT_ID], environment, is_workload ? "AZURE_CLIENT_ID" : "");
	e->file = is_workload ? said_or(&slots[H_ENTRA_CLIENT_SECRET_FILE], environment,
	                                "AZURE_FEDERATED_TOKEN_FILE")
	                      : copy_of(&slots[H_ENTRA_CLIENT_SECRET_FILE]);
	check_authority(s, h, e);
	if (e->flow != ENTRA_MANAGED_IDENTITY && (e->tenant_id == NULL || e->client_id == NULL))
		faults_add(s->faults, h->place, "needs tenantId and clientId in entra");
	if (is_workload && e->file == NULL)
		faults_add(s->faults, h->place, "needs AZURE_FEDERATED_TOKEN_FILE for workloadIdentity");
	if (e->flow == ENTRA_CLIENT_SECRET && e->file != NULL && access(e->file, R_OK) != 0)
		faults_add(s->faults, slots[H_ENTRA_CLIENT_SECRET_FILE].place, "%s cannot be read: %s",
		           e->file, strerror(errno));
	else if (e->flow == ENTRA_CLIENT_SECRET && e->file != NULL)
		settings_check_mode(s, slots[H_ENTRA_CLIENT_SECRET_FILE].place, e->file, S_IROTH | S_IWOTH);
	if (slots[H_HOST].text == NULL) {
		faults_add(s->faults, h->place, "needs host, the hub's host name, next to entra");
		return;
	}
	hub->host = xstrdup(slots[H_HOST].text);
	buf_printf(&url, "https://%s", hub->host);
	if (hub_check_endpoint(url.data, &reason) != ERR_OK || strchr(hub->host, '/') != NULL)
		faults_add(s->faults, slots[H_HOST].place, "is not a host name");
	buf_done(&url);
}

static void read_credential(struct settings *s, const struct hub_slots *h, char *const *environment,
                            struct config_hub *hub)
{
	const struct slot *slots = h->slots;

	if (slots[H_CONNECTION_STRING].text != NULL || slots[H_CONNECTION_STRING_FILE].text != NULL)
		read_connection_string(s, h, hub);
	else if (settings_has_credential(h))
		read_entra(s, h, environment, hub);
	else
		faults_add(
		        s->faults, h->place,
		        "has no credential: set its connectionStringFile or connectionString, "
		        "ROLLCALL_HUB_CONNECTION_STRING or --hub-connection-string-file, or host and entra");
}

static void check_rates(struct settings *s, const struct slot *slots, const struct config_hub *hub)
{
	struct hub_rates rates;

	if (hub_rates_of(hub->sku, 1, 0, &rates) != ERR_OK)
		faults_add(s->faults, slots[H_SKU].place, "must be F1, S1, S2, S3 or none");
	else if (hub_rates_of(hub->sku, hub->units, hub->reserve_percent, &rates) != ERR_OK)
		faults_add(s->faults, slots[H_UNITS].place, "are more than a hub of SKU %s can have",
		           hub->sku);
}

static bool is_hub_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t n = strlen(name);

	return n > 0 && n <= HUB_NAME_MAX && strspn(name, allowed) == n;
}

static void read_hub(struct settings *s, const struct hub_slots *h, char *const *environment,
                     struct config_hub *hub)
{
	const struct slot *slots = h->slots;
	const char *reason = "";

	hub->name = copy_of(&slots[H_NAME]);
	hub->sku = copy_of(&slots[H_SKU]);
	hub->ca_file = copy_of(&slots[H_CA_FILE]);
	hub->endpoint = copy_of(&slots[H_ENDPOINT]);
	hub->units = slots[H_UNITS].number;
	hub->reserve_percent = slots[H_RESERVE_PERCENT].number;
	hub->inflight_max = slots[H_INFLIGHT_MAX].number;
	hub->ambiguous_max = slots[H_AMBIGUOUS_MAX].number;
	hub->track_interval_ms = slots[H_TRACK_INTERVAL_MS].number;
	read_credential(s, h, environment, hub);
	check_rates(s, slots, hub);
	if (!is_hub_name(hub->name))
		faults_add(s->faults, slots[H_NAME].place, "must be 1 to %d letters, digits, _ or -",
		           HUB_NAME_MAX);
	if (hub->ca_file != NULL && access(hub->ca_file, R_OK) != 0)
		faults_add(s->faults, slots[H_CA_FILE].place, "%s cannot be read: %s", hub->ca_file,
		           strerror(errno));
	if (hub->endpoint != NULL && hub_check_endpoint(hub->endpoint, &reason) != ERR_OK)
		faults_add(s->faults, slots[H_ENDPOINT].place, "is not a sound endpoint: %s", reason);
}

static bool are_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcasecmp(a, b) == 0;
}

/* Two names of one hub would let a device have two calls at once (P3), and the hub twice its quota (P4). */
static void check_distinct(struct settings *s, const struct config *c, uint32_t i)
{
	const struct config_hub *hub = &c->hubs[i];

	for (uint32_t k = 0; k < i; k++) {
		const struct config_hub *other = &c->hubs[k];

		if (strcmp(hub->name, other->name) == 0)
			faults_add(s->faults, s->hubs[i].place, "has the name of %s", s->hubs[k].place);
		if (hub->host != NULL && are_same(hub->host, other->host) &&
		    are_same(hub->endpoint, other->endpoint))
			faults_add(s->faults, s->hubs[i].place, "is the same IoT Hub as %s",
			           s->hubs[k].place);
	}
}

static void read_hubs(struct settings *s, char *const *environment, struct config *c)
{
	if (s->hubs_n == 0)
		faults_add(s->faults, "hubs",
		           "no hub is configured: set ROLLCALL_HUB_CONNECTION_STRING, or "
		           "--hub-connection-string-file FILE, or hubs in the file of --config");
	c->hubs = xcalloc(s->hubs_n + 1, sizeof *c->hubs);
	for (uint32_t i = 0; i < s->hubs_n; i++) {
		c->hubs_n++;
		read_hub(s, &s->hubs[i], environment, &c->hubs[i]);
		check_distinct(s, c, i);
	}
}

/* --- what is printed instead of serving --- */

static char *help(void)
{
	struct buf out = BUF_INIT;

	buf_puts(
	        &out,
	        "rollcalld: plans and runs campaigns of device actions over Azure IoT Hub.\n"
	        "\n"
	        "  rollcalld [flags]                            serve\n"
	        "  rollcalld --check-config [flags]             tell all that is wrong with the configuration\n"
	        "  rollcalld token new --name N --role R        print a fresh token, and below it its entry for\n"
	        "                                               the tokens file; roles: metrics, viewer,\n"
	        "                                               operator, approver, admin\n"
	        "  rollcalld backup FILE [flags]                copy the database to a new file, also while the\n"
	        "                                               service runs; in the copy campaigns are paused\n"
	        "  rollcalld check [flags]                      check the database, also while the service runs\n"
	        "  rollcalld audit verify [NUMBER:HASH] [flags] go through the record of orders, also while the\n"
	        "                                               service runs; NUMBER:HASH: an entry noted before\n"
	        "  rollcalld health [flags]                     ask the service that runs whether it takes orders\n"
	        "  rollcalld --help | --version\n"
	        "\n");
	settings_help(&out);
	buf_puts(
	        &out,
	        "\n"
	        "Signals\n"
	        "  SIGTERM, SIGINT  stop: no new call leaves, those that are out are waited for; again: stop at once\n"
	        "  SIGHUP           read the tokens file, the certificate and the credentials of hubs again\n"
	        "\n"
	        "Exit status\n"
	        "  0  stopped as asked, nothing is out\n"
	        "  1  the service failed: the store, or a part of it that could not start; a check found faults;\n"
	        "     not healthy\n"
	        "  2  the command line or the configuration is wrong\n"
	        "  3  the database cannot be opened\n"
	        "  4  cannot listen\n"
	        "  5  stopped with calls out: the next start treats them as doubtful, and looks for evidence\n");
	return buf_take(&out);
}

/* rollcalld token new --name N --role R */
static char *new_token(struct faults *faults, int argc, char *const *argv)
{
	const char *name = NULL, *role_name = NULL;
	struct buf token = BUF_INIT, entry = BUF_INIT;
	enum role role = ROLE_NONE;
	struct flag f;

	if (argc < 3 || strcmp(argv[2], "new") != 0)
		faults_add(faults, "token", "must be: token new --name N --role R");
	for (int i = 3; i < argc; i = f.next) {
		if (!settings_flag_at(argc, argv, i, &f))
			f = (struct flag){.name = "token new", .next = i + 1};
		if (strcmp(f.name, "--name") == 0 && name == NULL)
			name = f.value;
		else if (strcmp(f.name, "--role") == 0 && role_name == NULL)
			role_name = f.value;
		else
			faults_add(faults, f.name,
			           "takes --name N and --role R, each once, and nothing else");
	}
	if (role_name == NULL || !role_parse(role_name, &role))
		faults_add(faults, "--role", "must be metrics, viewer, operator, approver or admin");
	if (name == NULL || auth_token_new(name, role, &token, &entry) != ERR_OK)
		faults_add(faults, "--name", "must be 1 to %d letters, digits, '.', '_' or '-'",
		           IDENTITY_NAME_MAX);
	buf_printf(&token, "\n%s\n", entry.data != NULL ? entry.data : "");
	buf_done(&entry);
	return buf_take(&token);
}

/* --- all of it --- */

/* NUMBER:HASH, the hash in hexadecimal. */
static bool read_mark(const char *text, struct audit_mark *ret)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = strspn(text, "0123456789");
	const char *hex = text + n + 1;

	if (n == 0 || n > 18 || text[n] != ':' || strlen(hex) != 2 * sizeof ret->hash ||
	    strspn(hex, digits) != 2 * sizeof ret->hash)
		return false;
	for (size_t i = 0; i < sizeof ret->hash; i++)
		ret->hash[i] = (uint8_t)((strchr(digits, hex[2 * i]) - digits) << 4 |
		                         (strchr(digits, hex[2 * i + 1]) - digits));
	ret->no = strtoull(text, NULL, 10);
	return ret->no > 0;
}

/* Which database a task is about, is said as for serving. */
static void read_task(struct settings *s, int argc, char *const *argv, struct config *c)
{
	if (strcmp(argv[1], "check") == 0) {
		c->task = CONFIG_CHECK;
	} else if (strcmp(argv[1], "health") == 0) {
		c->task = CONFIG_HEALTH;
	} else if (strcmp(argv[1], "audit") == 0) {
		c->task = CONFIG_AUDIT;
		if (argc > 3 && argv[3][0] != '-' && !read_mark(argv[3], &c->noted))
			faults_add(s->faults, "audit verify",
			           "an entry that was noted must be NUMBER:HASH, as it is printed");
		if (argc < 3 || strcmp(argv[2], "verify") != 0)
			faults_add(s->faults, "audit", "must be: audit verify");
	} else if (strcmp(argv[1], "backup") == 0) {
		c->task = CONFIG_BACKUP;
		if (argc > 2 && argv[2][0] != '-' && argv[2][0] != '\0')
			c->file = xstrdup(argv[2]);
		else
			faults_add(s->faults, "backup", "must be: backup FILE, a file that is not there yet");
	}
}

static void read_settings(struct settings *s, int argc, char *const *argv, char *const *environment,
                          struct config *c)
{
	int skipped = c->task == CONFIG_SERVE ? 0 : c->file == NULL && c->task != CONFIG_AUDIT ? 1 : 2;

	skipped += c->noted.no > 0;

	settings_read(s, argc - skipped, argv + skipped, environment);
	if (s->wants_help || s->wants_version) {
		faults_done(s->faults); /* who asks for help gets it */
		c->task = CONFIG_PRINT;
		c->text = s->wants_help ? help() : xstrdup("rollcalld " ROLLCALL_VERSION "\n");
		return;
	}
	read_globals(s, c);
	if (c->task != CONFIG_SERVE)
		return;
	read_hubs(s, environment, c);
	if (s->wants_check) {
		c->task = CONFIG_PRINT;
		c->text = xstrdup("rollcalld: the configuration is sound\n");
	}
}

enum err config_read(int argc, char *const *argv, char *const *environment, struct config *ret,
                     struct faults *faults)
{
	struct config c = {.warnings = FAULTS_INIT};
	struct settings s = {.faults = faults, .warnings = &c.warnings};

	if (argc > 1 && strcmp(argv[1], "token") == 0) {
		c.task = CONFIG_PRINT;
		c.text = new_token(faults, argc, argv);
	} else {
		if (argc > 1)
			read_task(&s, argc, argv, &c);
		read_settings(&s, argc, argv, environment, &c);
	}
	settings_done(&s);
	if (faults->n > 0) {
		config_done(&c);
		return ERR_INVALID;
	}
	*ret = c;
	return ERR_OK;
}

void config_done(struct config *c)
{
	for (uint32_t i = 0; i < c->hubs_n; i++) {
		struct config_hub *hub = &c->hubs[i];

		if (hub->connection_string != NULL)
			explicit_bzero(hub->connection_string, strlen(hub->connection_string));
		free(hub->connection_string);
		free(hub->connection_string_file);
		if (hub->entra != NULL)
			entra_done(hub->entra);
		free(hub->entra);
		free(hub->name);
		free(hub->host);
		free(hub->endpoint);
		free(hub->ca_file);
		free(hub->sku);
	}
	free(c->hubs);
	endpoints_done(&c->webhooks);
	free(c->text);
	free(c->file);
	free(c->listen_address);
	free(c->database);
	free(c->tokens_file);
	free(c->tls_cert_file);
	free(c->tls_key_file);
	free(c->oidc_issuer);
	free(c->oidc_audience);
	free(c->oidc_roles_claim);
	free(c->oidc_roles);
	free(c->oidc_name_claim);
	free(c->oidc_ca_file);
	faults_done(&c->warnings);
	*c = (struct config){.warnings = FAULTS_INIT};
}
