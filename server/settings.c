/* server: see settings.h. */
#include "server/settings.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "server/base/secret.h"
#include "server/campaign/model.h"

#define FILE_MAX_BYTES ((size_t)1 << 20)
#define PLACE_SIZE 512

/* --- what can be said --- */

enum kind {
	TEXT,
	NUMBER,
	SWITCH, /* true or false */
	SECRET, /* a text that no flag takes: every user of a machine can read every command line */
};

struct setting {
	const char *name; /* in the file; the flag and the variable are made from it */
	enum kind kind;
	uint32_t min, max;    /* NUMBER */
	const char *fallback; /* NULL: none */
	const char *value, *help;
};

static const struct setting globals[GLOBALS_N] = {
        [G_LISTEN] = {"listen", TEXT, 0, 0, "127.0.0.1:8080", "HOST:PORT",
                      "where the HTTP API is; [::1]:8080 for IPv6; port 0: any free one"},
        [G_DATABASE] = {"database", TEXT, 0, 0, "rollcall.db", "FILE", "SQLite file, made where absent"},
        [G_TOKENS_FILE] = {"tokensFile", TEXT, 0, 0, NULL, "FILE",
                           "JSON array of {name, role, sha256}, read again on SIGHUP; without it only a\n"
                           "loopback address is listened on, and everyone there is admin"},
        [G_LOG_LEVEL] = {"logLevel", TEXT, 0, 0, "info", "LEVEL", "debug, info, warn, error or off"},
        [G_LOG_FORMAT] = {"logFormat", TEXT, 0, 0, "text", "FORMAT",
                          "text or json, a line each, on standard error"},
        [G_DRAIN_SECONDS] = {"drainSeconds", NUMBER, 1, 3600, "10", "N",
                             "how long a graceful stop may take, calls that are out included"},
        [G_TLS_CERT_FILE] =
                {"tlsCertFile", TEXT, 0, 0, NULL, "FILE",
                 "certificate that the HTTP API shows (PEM, with its chain): then it speaks TLS 1.2\n"
                 "and later; read again on SIGHUP"},
        [G_TLS_KEY_FILE] = {"tlsKeyFile", TEXT, 0, 0, NULL, "FILE", "its private key (PEM)"},
        [G_OIDC_ISSUER] = {"oidcIssuer", TEXT, 0, 0, NULL, "URL",
                           "OpenID Connect issuer whose signed tokens (JWT) are taken beside those of the\n"
                           "tokens file; https, or http to a loopback address"},
        [G_OIDC_AUDIENCE] = {"oidcAudience", TEXT, 0, 0, NULL, "TEXT",
                             "what the claim aud of such a token must hold"},
        [G_OIDC_ROLES_CLAIM] =
                {"oidcRolesClaim", TEXT, 0, 0, "roles", "NAME",
                 "the claim with its roles, a list or words; realm_access.roles: a member of one"},
        [G_OIDC_ROLES] = {"oidcRoles", TEXT, 0, 0, NULL, "VALUE=ROLE,…",
                          "which role a value of that claim gives; else the values are names of roles"},
        [G_OIDC_NAME_CLAIM] = {"oidcNameClaim", TEXT, 0, 0, "sub", "NAME",
                               "the claim that says who it was, for the record of orders"},
        [G_OIDC_CA_FILE] =
                {"oidcCaFile", TEXT, 0, 0, NULL, "FILE",
                 "certificates to trust (PEM) instead of the system's when the issuer's keys are read"},
        [G_RETENTION_DAYS] =
                {"retentionDays", NUMBER, 0, 36500, "0", "N",
                 "final campaigns, events and orders are forgotten so many days later; 0: never"},
        [G_CAMPAIGNS_MAX] = {"campaignsMax", NUMBER, 1, 100000, "1000", "N",
                             "campaigns that are not final; more are refused (429)"},
        [G_EVENTS_MAX] = {"eventsMax", NUMBER, 0, 1000000000, "20000000", "N",
                          "events kept; the oldest are forgotten first; 0: no limit"},
        [G_WEBHOOKS_FILE] = {"webhooksFile", TEXT, 0, 0, NULL, "FILE",
                             "JSON array of {name, url, secretFile}: who is told of campaigns and waves"},
};

/* In the file these are members of an object of that name. */
#define ENTRA "entra"

static const struct setting hub_settings[HUB_SETTINGS_N] = {
        [H_NAME] = {"name", TEXT, 0, 0, "main", "NAME",
                    "what the API calls the hub: 1 to 64 letters, digits, _ or -"},
        [H_CONNECTION_STRING] = {"connectionString", SECRET, 0, 0, NULL, "TEXT",
                                 "HostName=…;SharedAccessKeyName=…;SharedAccessKey=…, of a policy with\n"
                                 "ServiceConnect, such as the built-in policy \"service\""},
        [H_CONNECTION_STRING_FILE] =
                {"connectionStringFile", TEXT, 0, 0, NULL, "FILE",
                 "holds the connection string, or two, a line each: where the hub refuses the\n"
                 "key of one, the other is used; read again then, every hour and on SIGHUP"},
        [H_SKU] = {"sku", TEXT, 0, 0, "S1", "SKU",
                   "F1, S1, S2, S3, or none: no pacing but what the hub's 429 teaches"},
        [H_UNITS] = {"units", NUMBER, 1, 200, "1", "N", "of that SKU: 1 to 200; F1 has 1, S3 up to 10"},
        [H_RESERVE_PERCENT] = {"reservePercent", NUMBER, 0, 90, "0", "N",
                               "of the hub's quota that is left to others"},
        [H_CA_FILE] = {"caFile", TEXT, 0, 0, NULL, "FILE",
                       "certificates to trust (PEM) instead of the system's"},
        [H_ENDPOINT] = {"endpoint", TEXT, 0, 0, NULL, "URL",
                        "instead of https://HostName; plain http to a loopback address only"},
        [H_TRACK_INTERVAL_MS] = {"trackIntervalMs", NUMBER, 100, 3600000, "5000", "N",
                                 "least time between two progress queries"},
        [H_INFLIGHT_MAX] = {"inflightMax", NUMBER, 1, 50000, "1000", "N",
                            "calls out at once; each takes a connection"},
        [H_AMBIGUOUS_MAX] = {"ambiguousMax", NUMBER, 1, 1000, "5", "N",
                             "ambiguous answers in a row that close the hub to calls"},
        [H_HOST] = {"host", TEXT, 0, 0, NULL, "NAME",
                    "the hub's host name, where access tokens of Entra ID take the place of a\n"
                    "connection string; in the file the members below are those of an object \"entra\"\n"
                    "(\"tenantId\", …)"},
        [H_ENTRA_TENANT_ID] = {ENTRA "TenantId", TEXT, 0, 0, NULL, "ID",
                               "with workload identity also from AZURE_TENANT_ID"},
        [H_ENTRA_CLIENT_ID] = {ENTRA "ClientId", TEXT, 0, 0, NULL, "ID",
                               "of the application; with workload identity also from AZURE_CLIENT_ID; with\n"
                               "managed identity only where it is not the system's own"},
        [H_ENTRA_CLIENT_SECRET_FILE] = {ENTRA "ClientSecretFile", TEXT, 0, 0, NULL, "FILE",
                                        "holds the application's secret; read anew for each token"},
        [H_ENTRA_WORKLOAD_IDENTITY] =
                {ENTRA "WorkloadIdentity", SWITCH, 0, 1, "false", "true|false",
                 "the token in the file AZURE_FEDERATED_TOKEN_FILE instead of a secret"},
        [H_ENTRA_MANAGED_IDENTITY] = {ENTRA "ManagedIdentity", SWITCH, 0, 1, "false", "true|false",
                                      "the machine's metadata service instead of a secret"},
        [H_ENTRA_AUTHORITY] =
                {ENTRA "Authority", TEXT, 0, 0, NULL, "URL",
                 "instead of AZURE_AUTHORITY_HOST, else https://login.microsoftonline.com; with\n"
                 "managed identity: of the metadata service"},
};

/* Writes prefix and name ("tokensFile") as a flag ("--tokens-file") or a variable ("ROLLCALL_TOKENS_FILE").
 */
static const char *spell(const char *prefix, bool is_flag, const char *name, char out[FLAG_SIZE])
{
	size_t n = strlen(prefix);

	assert(n + 2 * strlen(name) < FLAG_SIZE);
	memcpy(out, prefix, n);
	for (; *name != '\0'; name++) {
		if (isupper((unsigned char)*name))
			out[n++] = is_flag ? '-' : '_';
		out[n++] = (char)(is_flag ? tolower((unsigned char)*name) : toupper((unsigned char)*name));
	}
	out[n] = '\0';
	return out;
}

/* --- what was said --- */

static void slot_done(struct slot *s)
{
	if (s->text != NULL)
		explicit_bzero(s->text, strlen(s->text));
	free(s->text);
	free(s->place);
	*s = (struct slot){NULL, 0, NULL};
}

static void hub_slots_done(struct hub_slots *h)
{
	for (size_t i = 0; i < HUB_SETTINGS_N; i++)
		slot_done(&h->slots[i]);
	free(h->place);
}

void settings_done(struct settings *all)
{
	for (size_t i = 0; i < GLOBALS_N; i++)
		slot_done(&all->globals[i]);
	slot_done(&all->config_file);
	hub_slots_done(&all->flags_hub);
	hub_slots_done(&all->variables_hub);
	for (size_t i = 0; i < all->hubs_n; i++)
		hub_slots_done(&all->hubs[i]);
	free(all->hubs);
}

/* Sources are read in the order of their rank, so what is there already has won. */
static void say(struct settings *all, struct slot *slot, const struct setting *s, const char *place,
                const char *text)
{
	if (s->kind == SECRET)
		secret_register(text);
	if (slot->text != NULL && strcmp(slot->place, place) == 0)
		faults_add(all->faults, place, "is given twice");
	if (slot->text != NULL)
		return;
	*slot = (struct slot){xstrdup(text), 0, xstrdup(place)};
}

bool settings_number(const char *text, uint32_t *ret)
{
	size_t n = strlen(text);

	if (n == 0 || n > 10 || strspn(text, "0123456789") != n || strtoull(text, NULL, 10) > UINT32_MAX)
		return false;
	*ret = (uint32_t)strtoull(text, NULL, 10);
	return true;
}

/* --- files --- */

bool settings_read_file(struct settings *all, const char *place, const char *path, size_t max_bytes,
                        struct buf *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;
	bool is_read = false;

	buf_reserve(ret, max_bytes + 2); /* at once, so that no copy of a secret is left behind by growing */
	while (fd >= 0 && ret->len <= max_bytes &&
	       (n = read(fd, ret->data + ret->len, max_bytes + 1 - ret->len)) > 0)
		ret->len += (size_t)n;
	ret->data[ret->len] = '\0';
	if (n < 0)
		faults_add(all->faults, place, "%s cannot be read: %s", path, strerror(errno));
	else if (ret->len > max_bytes)
		faults_add(all->faults, place, "%s is larger than %zu bytes", path, max_bytes);
	else if (memchr(ret->data, '\0', ret->len) != NULL)
		faults_add(all->faults, place, "%s is not a text", path);
	else
		is_read = true;
	if (fd >= 0)
		close(fd);
	return is_read;
}

void settings_check_mode(struct settings *all, const char *place, const char *path, mode_t forbidden)
{
	struct stat st;

	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & forbidden) == 0)
		return;
	faults_add(all->warnings, place, "%s may be %s by every user of the machine: chmod o-rw", path,
	           (st.st_mode & forbidden & S_IROTH) != 0 ? "read" : "changed");
}

/* --- first source: flags --- */

bool settings_flag_at(int argc, char *const *argv, int i, struct flag *ret)
{
	size_t n = strcspn(argv[i], "=");

	if (strncmp(argv[i], "--", 2) != 0 || n <= 2)
		return false;
	snprintf(ret->name, sizeof ret->name, "%.*s", (int)n, argv[i]);
	ret->next = i + 1;
	ret->value = argv[i][n] == '=' ? argv[i] + n + 1 : NULL;
	if (ret->value == NULL && i + 1 < argc && strncmp(argv[i + 1], "--", 2) != 0) {
		ret->value = argv[i + 1];
		ret->next = i + 2;
	}
	return true;
}

static bool say_flag(struct settings *all, const struct flag *f, const char *prefix,
                     const struct setting *settings, size_t n, struct slot *slots)
{
	char name[FLAG_SIZE];

	for (size_t i = 0; i < n; i++) {
		if (strcmp(spell(prefix, true, settings[i].name, name), f->name) != 0)
			continue;
		if (settings[i].kind == SECRET)
			faults_add(
			        all->faults, f->name,
			        "a secret is not taken from the command line, which every user of the machine can "
			        "see: use %s-file or the environment",
			        name);
		else if (f->value == NULL)
			faults_add(all->faults, f->name, "needs a value: %s", settings[i].value);
		else
			say(all, &slots[i], &settings[i], f->name, f->value);
		return true;
	}
	return false;
}

static const struct setting config_setting = {"config", TEXT, 0, 0, NULL, "FILE", NULL};

static bool switch_of(struct settings *all, const char *name, bool **ret)
{
	*ret = strcmp(name, "--check-config") == 0 ? &all->wants_check
	       : strcmp(name, "--help") == 0       ? &all->wants_help
	       : strcmp(name, "--version") == 0    ? &all->wants_version
	                                           : NULL;
	return *ret != NULL;
}

static void read_flags(struct settings *all, int argc, char *const *argv)
{
	char place[FLAG_SIZE];
	struct flag f;
	bool *is_on;

	for (int i = 1; i < argc;) {
		if (!settings_flag_at(argc, argv, i, &f)) {
			snprintf(place, sizeof place, "argument %d", i++);
			faults_add(all->faults, place, "is no flag; see --help");
			continue;
		}
		if (switch_of(all, f.name, &is_on)) {
			if (argv[i][strlen(f.name)] == '=')
				faults_add(all->faults, f.name, "takes no value");
			*is_on = true;
			i++;
			continue;
		}
		i = f.next; /* also of an unknown flag: its value is no argument, and may be a secret */
		if (!say_flag(all, &f, "--", &config_setting, 1, &all->config_file) &&
		    !say_flag(all, &f, "--", globals, GLOBALS_N, all->globals) &&
		    !say_flag(all, &f, "--hub-", hub_settings, HUB_SETTINGS_N, all->flags_hub.slots))
			faults_add(all->faults, f.name, "there is no such flag; see --help");
	}
}

/* --- second source: the environment --- */

static bool say_variable(struct settings *all, const char *name, const char *value, const char *prefix,
                         const struct setting *settings, size_t n, struct slot *slots)
{
	char spelt[FLAG_SIZE];

	for (size_t i = 0; i < n; i++) {
		if (strcmp(spell(prefix, false, settings[i].name, spelt), name) == 0) {
			if (value[0] != '\0') /* what a composed environment leaves empty says nothing */
				say(all, &slots[i], &settings[i], name, value);
			return true;
		}
	}
	return false;
}

/* Names that begin like ours and are not meant for us: those of the command-line client, of the tests, and
 * those that Kubernetes makes for every Service of that name (ROLLCALL_SERVICE_HOST, ROLLCALL_PORT_8080_TCP,
 * …). */
static bool is_for_others(const char *name, const char *value)
{
	size_t n = strlen(name);

	return strcmp(name, "ROLLCALL_URL") == 0 || strcmp(name, "ROLLCALL_TOKEN") == 0 ||
	       strcmp(name, "ROLLCALL_TOKEN_FILE") == 0 || strcmp(name, "ROLLCALL_CA_FILE") == 0 ||
	       strncmp(name, "ROLLCALL_TEST_", 14) == 0 || strstr(name, "_SERVICE_HOST") != NULL ||
	       strstr(name, "_SERVICE_PORT") != NULL || strstr(name, "_PORT_") != NULL ||
	       (n > 5 && strcmp(name + n - 5, "_PORT") == 0 && strstr(value, "://") != NULL);
}

static void read_variables(struct settings *all, char *const *environment)
{
	for (; *environment != NULL; environment++) {
		const char *value = strchr(*environment, '=');
		char *name;

		if (strncmp(*environment, "ROLLCALL_", 9) != 0 || value == NULL)
			continue;
		name = xstrndup(*environment, (size_t)(value++ - *environment));
		if (!is_for_others(name, value) &&
		    !say_variable(all, name, value, "ROLLCALL_", &config_setting, 1, &all->config_file) &&
		    !say_variable(all, name, value, "ROLLCALL_", globals, GLOBALS_N, all->globals) &&
		    !say_variable(all, name, value, "ROLLCALL_HUB_", hub_settings, HUB_SETTINGS_N,
		                  all->variables_hub.slots))
			faults_add(all->faults, name, "there is no such setting; see --help");
		free(name);
	}
}

/* --- third source: the file --- */

static void say_member(struct settings *all, struct slot *slot, const struct setting *s, const char *place,
                       json_t *json)
{
	char number[32];

	if (s->kind == SWITCH) {
		if (json_is_boolean(json))
			say(all, slot, s, place, json_is_true(json) ? "true" : "false");
		else
			faults_add(all->faults, place, "must be true or false");
	} else if (s->kind == NUMBER) {
		snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
		if (json_is_integer(json))
			say(all, slot, s, place, number);
		else
			faults_add(all->faults, place, "must be a whole number from %u to %u", s->min,
			           s->max);
	} else if (json_is_string(json)) {
		say(all, slot, s, place, json_string_value(json));
	} else {
		faults_add(all->faults, place, "must be a JSON string");
	}
}

/* Whether name is s, as a member of the object that within names ("entra"), or of none (""). */
static bool is_member(const struct setting *s, const char *within, const char *name)
{
	size_t n = strlen(within);

	if (n == 0)
		return strcmp(s->name, name) == 0 && strncmp(s->name, ENTRA, strlen(ENTRA)) != 0;
	return strncmp(s->name, within, n) == 0 && s->name[n] == toupper((unsigned char)name[0]) &&
	       !isupper((unsigned char)name[0]) && strcmp(s->name + n + 1, name + 1) == 0;
}

/* above: the place of the object. within: what the object is to the one around it, "" for the outermost.
 * except: a member that is not looked at, NULL: none. */
static void say_members(struct settings *all, const char *above, json_t *object,
                        const struct setting *settings, size_t n, struct slot *slots, const char *within,
                        const char *except)
{
	char place[PLACE_SIZE];
	const char *name;
	json_t *json;
	size_t i;

	json_object_foreach (object, name, json) {
		if (except != NULL && strcmp(name, except) == 0)
			continue;
		snprintf(place, sizeof place, "%.300s/%.128s", above, name);
		for (i = 0; i < n && !is_member(&settings[i], within, name);)
			i++;
		if (i < n)
			say_member(all, &slots[i], &settings[i], place, json);
		else
			faults_add(all->faults, place, "there is no such setting; see --help");
	}
}

static void say_hub(struct settings *all, const char *above, json_t *hub, struct slot *slots)
{
	json_t *entra = json_object_get(hub, ENTRA);
	char place[PLACE_SIZE];

	say_members(all, above, hub, hub_settings, HUB_SETTINGS_N, slots, "", ENTRA);
	if (entra == NULL)
		return;
	snprintf(place, sizeof place, "%.300s/" ENTRA, above);
	if (json_is_object(entra))
		say_members(all, place, entra, hub_settings, HUB_SETTINGS_N, slots, ENTRA, NULL);
	else
		faults_add(all->faults, place, "must be an object");
}

static void say_hubs(struct settings *all, const char *above, json_t *hubs)
{
	char place[PLACE_SIZE];
	json_t *hub;
	size_t i;

	snprintf(place, sizeof place, "%.300s/hubs", above);
	if (!json_is_array(hubs) || json_array_size(hubs) > HUBS_MAX) {
		faults_add(all->faults, place, "must be a list of up to %d hubs", HUBS_MAX);
		return;
	}
	all->hubs = xcalloc(json_array_size(hubs) + 1, sizeof *all->hubs);
	json_array_foreach (hubs, i, hub) {
		snprintf(place, sizeof place, "%.300s/hubs/%zu", above, i);
		if (!json_is_object(hub)) {
			faults_add(all->faults, place, "must be an object");
			continue;
		}
		all->hubs[all->hubs_n].place = xstrdup(place);
		say_hub(all, place, hub, all->hubs[all->hubs_n++].slots);
		if (json_object_get(hub, "name") == NULL)
			faults_add(all->faults, place, "name is required");
	}
}

static bool holds_secret(json_t *root)
{
	json_t *hub;
	size_t i;

	json_array_foreach (json_object_get(root, "hubs"), i, hub) {
		if (json_object_get(hub, "connectionString") != NULL)
			return true;
	}
	return false;
}

static void read_config_file(struct settings *all)
{
	const char *path = all->config_file.text;
	struct buf text = BUF_INIT;
	char above[PLACE_SIZE];
	json_error_t error;
	json_t *root = NULL;

	if (path == NULL || !settings_read_file(all, all->config_file.place, path, FILE_MAX_BYTES, &text))
		goto out;
	snprintf(above, sizeof above, "%.300s ", path);
	root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &error);
	/* Jansson's own words quote what is there, which may be a secret. */
	if (root == NULL)
		faults_add(all->faults, path, "%s at line %d, column %d",
		           json_error_code(&error) == json_error_duplicate_key ? "a member is there twice"
		                                                               : "not JSON",
		           error.line, error.column);
	else if (!json_is_object(root))
		faults_add(all->faults, path, "must be a JSON object");
	else {
		say_members(all, above, root, globals, GLOBALS_N, all->globals, "", "hubs");
		if (json_object_get(root, "hubs") != NULL)
			say_hubs(all, above, json_object_get(root, "hubs"));
		settings_check_mode(all, all->config_file.place, path,
		                    holds_secret(root) ? S_IROTH | S_IWOTH : S_IWOTH);
	}
out:
	json_decref(root);
	buf_done(&text);
}

/* --- which of it has won --- */

/* The members of which one names the credential: who says one, overrides all of them. */
static const enum hub_setting credentials[] = {
        H_CONNECTION_STRING,       H_CONNECTION_STRING_FILE, H_HOST,
        H_ENTRA_TENANT_ID,         H_ENTRA_CLIENT_ID,        H_ENTRA_CLIENT_SECRET_FILE,
        H_ENTRA_WORKLOAD_IDENTITY, H_ENTRA_MANAGED_IDENTITY, H_ENTRA_AUTHORITY};
#define CREDENTIALS_N (sizeof credentials / sizeof *credentials)

bool settings_has_credential(const struct hub_slots *h)
{
	for (size_t i = 0; i < CREDENTIALS_N; i++)
		if (h->slots[credentials[i]].text != NULL && h->slots[credentials[i]].place != NULL)
			return true;
	return false;
}

static void check_one_credential(struct settings *all, const struct hub_slots *h)
{
	const struct slot *s = h->slots;

	if (s[H_CONNECTION_STRING].text != NULL && s[H_CONNECTION_STRING_FILE].text != NULL)
		faults_add(all->faults, s[H_CONNECTION_STRING_FILE].place,
		           "is one too many: the connection string is given itself already");
	for (size_t i = 2; i < CREDENTIALS_N; i++)
		if (s[credentials[i]].text != NULL &&
		    (s[H_CONNECTION_STRING].text != NULL || s[H_CONNECTION_STRING_FILE].text != NULL))
			faults_add(all->faults, s[credentials[i]].place,
			           "is one too many: there is a connection string already");
}

/* What below says and above does not, becomes above's. */
static void overlay(struct hub_slots *above, struct hub_slots *below)
{
	if (settings_has_credential(above))
		for (size_t i = 0; i < CREDENTIALS_N; i++)
			slot_done(&below->slots[credentials[i]]);
	for (size_t i = 0; i < HUB_SETTINGS_N; i++) {
		if (above->slots[i].text != NULL)
			continue;
		above->slots[i] = below->slots[i];
		below->slots[i] = (struct slot){NULL, 0, NULL};
	}
}

/* Flags and variables describe one hub: the file's only one, or, where the file has none, one of their own.
 */
static void join_hubs(struct settings *all)
{
	struct hub_slots *single = &all->flags_hub;
	bool is_said = false;

	check_one_credential(all, &all->flags_hub);
	check_one_credential(all, &all->variables_hub);
	for (size_t i = 0; i < all->hubs_n; i++)
		check_one_credential(all, &all->hubs[i]);
	overlay(single, &all->variables_hub);
	for (size_t i = 0; i < HUB_SETTINGS_N; i++) {
		if (single->slots[i].text == NULL)
			continue;
		is_said = true;
		if (all->hubs_n > 1)
			faults_add(
			        all->faults, single->slots[i].place,
			        "%s has more than one hub, and this does not say which of them is meant: say it there",
			        all->config_file.text);
	}
	if (all->hubs_n > 1 || !is_said)
		return;
	if (all->hubs_n == 0) {
		free(all->hubs);
		all->hubs = xcalloc(1, sizeof *all->hubs);
		all->hubs[all->hubs_n++].place = xstrdup("hub");
	}
	overlay(single, &all->hubs[0]);
	for (size_t i = 0; i < HUB_SETTINGS_N; i++) {
		slot_done(&all->hubs[0].slots[i]);
		all->hubs[0].slots[i] = single->slots[i];
		single->slots[i] = (struct slot){NULL, 0, NULL};
	}
}

/* --- help --- */

static void put_indented(struct buf *out, const char *lines)
{
	while (*lines != '\0') {
		size_t n = strcspn(lines, "\n");

		buf_printf(out, "        %.*s\n", (int)n, lines);
		lines += n + (lines[n] == '\n');
	}
}

static void put_settings(struct buf *out, const char *prefix, const struct setting *settings, size_t n)
{
	char name[FLAG_SIZE];

	for (size_t i = 0; i < n; i++) {
		const struct setting *s = &settings[i];

		if (s->kind == SECRET)
			buf_printf(out, "  %s=%s (no flag)\n", spell("ROLLCALL_HUB_", false, s->name, name),
			           s->value);
		else
			buf_printf(out, "  %s %s\n", spell(prefix, true, s->name, name), s->value);
		put_indented(out, s->help);
		if (s->fallback != NULL)
			buf_printf(out, "        default: %s\n", s->fallback);
	}
}

void settings_help(struct buf *out)
{
	buf_puts(
	        out,
	        "A setting is said by a flag (--tokens-file FILE), else by the environment (ROLLCALL_TOKENS_FILE),\n"
	        "else by a JSON file (\"tokensFile\"): the first that says something wins. A variable that is empty\n"
	        "says nothing. Paths are relative to the working directory.\n"
	        "\n"
	        "  --config FILE\n"
	        "        the JSON file: an object of the settings below\n");
	put_settings(out, "--", globals, GLOBALS_N);
	buf_puts(
	        out,
	        "\n"
	        "Hubs are objects in the file's list \"hubs\", with these names less \"hub\" (\"trackIntervalMs\").\n"
	        "Flags and variables describe one hub: the file's only one, or, where it has none, one of their own.\n"
	        "Secrets are not taken as flags, since every user of a machine can see every command line.\n"
	        "\n");
	put_settings(out, "--hub-", hub_settings, HUB_SETTINGS_N);
}

/* --- all of it --- */

/* Fills in defaults and reads numbers. */
static void settle(struct settings *all, const struct setting *settings, size_t n, struct slot *slots)
{
	for (size_t i = 0; i < n; i++) {
		const struct setting *s = &settings[i];

		if (slots[i].text == NULL && s->fallback != NULL)
			slots[i].text = xstrdup(s->fallback);
		if (s->kind == NUMBER && (!settings_number(slots[i].text, &slots[i].number) ||
		                          slots[i].number < s->min || slots[i].number > s->max)) {
			faults_add(all->faults, slots[i].place, "must be a whole number from %u to %u",
			           s->min, s->max);
			slots[i].number = s->min;
		}
		if (s->kind == SWITCH) {
			slots[i].number = strcmp(slots[i].text, "true") == 0;
			if (slots[i].number == 0 && strcmp(slots[i].text, "false") != 0)
				faults_add(all->faults, slots[i].place, "must be true or false");
		}
	}
}

void settings_read(struct settings *all, int argc, char *const *argv, char *const *environment)
{
	read_flags(all, argc, argv);
	if (all->wants_help || all->wants_version)
		return;
	read_variables(all, environment);
	read_config_file(all);
	join_hubs(all);
	settle(all, globals, GLOBALS_N, all->globals);
	for (size_t i = 0; i < all->hubs_n; i++)
		settle(all, hub_settings, HUB_SETTINGS_N, all->hubs[i].slots);
}
