/* hub/entra: asking Microsoft Entra ID for an access token to IoT Hub (contract 1.4): what to send, and what
 * the answer says. Reads the file that holds the secret anew each time, since it may be exchanged; else pure.
 */
#ifndef ROLLCALL_SERVER_HUB_ENTRA_H
#define ROLLCALL_SERVER_HUB_ENTRA_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/err.h"

#define ENTRA_AUTHORITY "https://login.microsoftonline.com"
#define ENTRA_IMDS "http://169.254.169.254"
#define ENTRA_REASON_SIZE 256

enum entra_flow {
	ENTRA_CLIENT_SECRET,     /* file holds the secret */
	ENTRA_WORKLOAD_IDENTITY, /* file holds a token of the platform's, which it exchanges now and then */
	ENTRA_MANAGED_IDENTITY,  /* the machine's metadata service knows us */
};

struct entra {
	enum entra_flow flow;
	char *authority; /* "https://host", of the metadata service with MANAGED_IDENTITY */
	char *tenant_id,
	        *client_id; /* MANAGED_IDENTITY: no tenant, and client_id NULL for the system's own */
	char *file;         /* NULL with MANAGED_IDENTITY */
};
/* Copies all of from. */
void entra_copy(const struct entra *from, struct entra *ret);
void entra_done(struct entra *e);

/* Appends path and form of the request; no form: it is a GET (with "Metadata: true"). Registers the secret.
 * ERR_NOT_FOUND: the file cannot be read, or is empty; reason says so. */
MUST_CHECK enum err entra_request(const struct entra *e, struct buf *path, struct buf *form,
                                  char reason[ENTRA_REASON_SIZE]);
/* Appends the token of an answer and gives how long it is good for. ERR_INVALID: there is none in it; reason
 * is what the answer says of that. */
MUST_CHECK enum err entra_read(const char *body, size_t body_bytes, struct buf *ret_token,
                               int64_t *ret_life_ms, char reason[ENTRA_REASON_SIZE]);

#endif
