/* webhook/endpoints: which webhooks there are: the file of the setting webhooksFile, a JSON array of
 * {name, url, secretFile, caFile, giveUpSeconds}. Only what stands there is ever asked: nobody who uses the
 * API can name a URL. Pure but for the files it names. */
#ifndef ROLLCALL_SERVER_WEBHOOK_ENDPOINTS_H
#define ROLLCALL_SERVER_WEBHOOK_ENDPOINTS_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/err.h"
#include "server/campaign/fault.h"

#define ENDPOINTS_MAX 16
#define ENDPOINT_NAME_MAX 64

struct endpoint {
	char *name;
	char *base_url; /* "https://host:port", or http to a loopback address */
	char *path;     /* "/hooks?x=y"; may hold what the receiver knows us by: never shown */
	char *secret_file;
	char *ca_file; /* NULL: the system's */
	uint32_t give_up_s;
};

struct endpoints {
	struct endpoint *all;
	size_t n;
};

/* Adds all that is wrong to faults; their pointers are those of the file's JSON. ERR_INVALID: there is
 * something; ret is empty then. */
MUST_CHECK enum err endpoints_parse(const char *text, size_t bytes, struct endpoints *ret,
                                    struct faults *faults);
void endpoints_done(struct endpoints *e);

#endif
