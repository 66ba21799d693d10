/* server: what rollcalld is told to do. A setting is said by a flag, by the environment or by the file that
 * --config names: the first of these that says something wins, and what it overrides is not looked at
 * further. All faults are told at once, each with its place; nothing that is said is ignored, and no fault,
 * warning or text holds a value that may be a secret. */
#ifndef ROLLCALL_SERVER_CONFIG_H
#define ROLLCALL_SERVER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "server/base/err.h"
#include "server/base/log.h"
#include "server/campaign/fault.h"
#include "server/webhook/endpoints.h"
#include "store/care.h"

struct entra;

struct config_hub {
	char *name;
	char *connection_string;      /* secret, one or two lines; NULL: by entra */
	char *connection_string_file; /* NULL: it was given itself */
	struct entra *entra;          /* NULL: by connection_string */
	char *host;                   /* its HostName, may be logged */
	char *endpoint, *ca_file;     /* NULL: not said */
	char *sku;
	uint32_t units, reserve_percent, inflight_max, ambiguous_max, track_interval_ms;
};

enum config_task {
	CONFIG_SERVE,
	CONFIG_PRINT,  /* text on standard output */
	CONFIG_BACKUP, /* a copy of database in file; of the rest nothing but warnings is set */
	CONFIG_CHECK,  /* database; likewise */
	CONFIG_AUDIT,  /* likewise */
	CONFIG_HEALTH, /* asks who listens: listen_*, and whether there is TLS, are set */
};

struct config {
	enum config_task task;
	char *text;              /* CONFIG_PRINT */
	char *file;              /* CONFIG_BACKUP */
	struct audit_mark noted; /* CONFIG_AUDIT: an entry that was written down, its number 0: none */
	char *listen_address;    /* name or number, without brackets */
	uint16_t listen_port;    /* 0: any free one */
	char *database;
	char *tokens_file; /* NULL: none; no oidc_issuer either: listen_address is a loopback address */
	char *tls_cert_file, *tls_key_file; /* NULL: plain HTTP */
	char *oidc_issuer;                  /* NULL: none, and then the next are NULL, too */
	char *oidc_audience, *oidc_roles_claim, *oidc_roles, *oidc_name_claim, *oidc_ca_file;
	enum log_level log_level;
	bool logs_json;
	struct endpoints webhooks;
	uint32_t drain_s, retention_days, campaigns_max, events_max;
	struct config_hub *hubs; /* at least one */
	uint32_t hubs_n;
	struct faults warnings; /* what is allowed, but not wise */
};

/* Reads all three sources; argv[0] is skipped, environment ends in NULL ("NAME=value"). Registers secrets
 * (server/base/secret.h). ERR_INVALID: why stands in faults, whose pointers are places: a flag, a variable, a
 * member of the file. */
MUST_CHECK enum err config_read(int argc, char *const *argv, char *const *environment, struct config *ret,
                                struct faults *faults);
/* Frees what config_read() gave, overwriting secrets. */
void config_done(struct config *c);

#endif
