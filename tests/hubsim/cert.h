/* cert: the TLS door's certificate; made by ourselves where there is none. */
#ifndef ROLLCALL_TESTS_HUBSIM_CERT_H
#define ROLLCALL_TESTS_HUBSIM_CERT_H

#include <openssl/ssl.h>

#include "server/base/buf.h"
#include "server/base/err.h"

/* Gives a server context for TLS 1.2 and up, yours to SSL_CTX_free(). Where neither file exists, first makes
 * a key and a self-signed certificate for host, localhost, 127.0.0.1 and ::1, which clients can be given as
 * their CA file. Any error but ERR_OK: why stands in ret_why. */
MUST_CHECK enum err cert_context(const char *cert_file, const char *key_file, const char *host,
                                 SSL_CTX **ret_context, struct buf *ret_why);

#endif
