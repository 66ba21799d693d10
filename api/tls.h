/* api/tls: the certificate that the API shows to its clients (TLS 1.2 and later), read again when told to.
 * The only user of GnuTLS, which libmicrohttpd speaks TLS with. Loop thread only; one at a time in a process,
 * since the callback below is told of none. */
#ifndef ROLLCALL_API_TLS_H
#define ROLLCALL_API_TLS_H

#include "server/base/err.h"

struct tls;

/* For MHD_OPTION_HTTPS_PRIORITIES. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* Reads a chain of certificates, the server's own first, and its private key, both PEM. ERR_INVALID with a
 * plain English *ret_reason, yours to free(): a file cannot be read, or the two do not belong together. */
MUST_CHECK enum err tls_load(const char *cert_file, const char *key_file, struct tls **ret,
                             char **ret_reason);
/* Reads the files again, for connections from now on; on failure everything stays what it was. */
MUST_CHECK enum err tls_reload(struct tls *t, char **ret_reason);
/* NULL is fine. No connection may be open any more. */
void tls_free(struct tls *t);

/* Gives the certificate that was loaded last: a gnutls_certificate_retrieve_function2, for
 * MHD_OPTION_HTTPS_CERT_CALLBACK. */
typedef void tls_retrieve_fn(void);
tls_retrieve_fn *tls_retrieve(struct tls *t);

#endif
