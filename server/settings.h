/* server/settings: what was said, by flags, environment and file, and which of it has won; what it means is
 * config.c's. The names, ranges and defaults of all settings, and their help, stand in one table. */
#ifndef ROLLCALL_SERVER_SETTINGS_H
#define ROLLCALL_SERVER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/base/buf.h"
#include "server/campaign/fault.h"

enum global {
	G_LISTEN,
	G_DATABASE,
	G_TOKENS_FILE,
	G_LOG_LEVEL,
	G_LOG_FORMAT,
	G_DRAIN_SECONDS,
	G_TLS_CERT_FILE,
	G_TLS_KEY_FILE,
	G_OIDC_ISSUER,
	G_OIDC_AUDIENCE,
	G_OIDC_ROLES_CLAIM,
	G_OIDC_ROLES,
	G_OIDC_NAME_CLAIM,
	G_OIDC_CA_FILE,
	G_RETENTION_DAYS,
	G_CAMPAIGNS_MAX,
	G_EVENTS_MAX,
	G_WEBHOOKS_FILE,
	GLOBALS_N
};

enum hub_setting {
	H_NAME,
	H_CONNECTION_STRING,
	H_CONNECTION_STRING_FILE,
	H_SKU,
	H_UNITS,
	H_RESERVE_PERCENT,
	H_CA_FILE,
	H_ENDPOINT,
	H_TRACK_INTERVAL_MS,
	H_INFLIGHT_MAX,
	H_AMBIGUOUS_MAX,
	H_HOST,
	H_ENTRA_TENANT_ID,
	H_ENTRA_CLIENT_ID,
	H_ENTRA_CLIENT_SECRET_FILE,
	H_ENTRA_WORKLOAD_IDENTITY,
	H_ENTRA_MANAGED_IDENTITY,
	H_ENTRA_AUTHORITY,
	HUB_SETTINGS_N
};

struct slot {
	char *text;      /* NULL: nothing was said, and there is no default */
	uint32_t number; /* of a setting that is one: within its range; of a switch: 1 if it is on */
	char *place;     /* who said it; NULL: nobody, it is the default */
};

struct hub_slots {
	struct slot slots[HUB_SETTINGS_N];
	char *place;
};

struct settings {
	struct faults *faults, *warnings; /* kept */
	struct slot globals[GLOBALS_N];
	struct hub_slots *hubs;
	size_t hubs_n;
	bool wants_check, wants_help, wants_version;
	/* Before all sources are joined: */
	struct slot config_file;
	struct hub_slots flags_hub, variables_hub; /* both describe one hub */
};

/* Fills s, whose faults and warnings are set and whose rest is zero. Where help or the version is wanted,
 * nothing but flags was looked at. */
void settings_read(struct settings *s, int argc, char *const *argv, char *const *environment);
void settings_done(struct settings *s); /* overwrites texts, as some are secrets */

#define FLAG_SIZE 64
struct flag {
	char name[FLAG_SIZE];
	const char *value; /* NULL: none */
	int next;          /* the argument after it, if it takes the value */
};
/* Cuts "--name=value", or "--name" "value", which may stand at i. False: there is no flag. */
bool settings_flag_at(int argc, char *const *argv, int i, struct flag *ret);

/* Digits only, of a number up to UINT32_MAX. */
bool settings_number(const char *text, uint32_t *ret);
/* Reads a file of text; if it cannot, or if that is larger than max_bytes, adds a fault. */
bool settings_read_file(struct settings *s, const char *place, const char *path, size_t max_bytes,
                        struct buf *ret);
/* Warns where every user of the machine has a permission in forbidden to a file. */
void settings_check_mode(struct settings *s, const char *place, const char *path, mode_t forbidden);
/* Whether a hub's credential was said, be it one that is not yet taken. */
bool settings_has_credential(const struct hub_slots *h);

/* Appends what --help says of the settings. */
void settings_help(struct buf *out);

#endif
