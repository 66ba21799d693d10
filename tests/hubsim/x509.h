/* x509: what the certificate that a device shows is worth. At the door nobody is turned away: who may come in
 * is said when the device has said who it is. */
#ifndef ROLLCALL_TESTS_HUBSIM_X509_H
#define ROLLCALL_TESTS_HUBSIM_X509_H

#include <stdbool.h>

#include <openssl/ssl.h>

#include "server/base/buf.h"
#include "server/base/err.h"

/* From here on context asks every peer for a certificate, and goes on whatever it shows, or nothing. ca_file:
 * PEM, the authorities that vouch for devices, which may be intermediate ones; NULL: there are none.
 * ERR_INVALID: why stands in ret_why. */
MUST_CHECK enum err x509_ask(SSL_CTX *context, const char *ca_file, struct buf *ret_why);

/* Both below: connection may be NULL (no TLS), and then nothing was shown. */
/* Whether the peer's certificate has this thumbprint (SHA-1 or SHA-256 of its DER, hex of any case; NULL fits
 * none) and is in its time, which is all that IoT Hub looks at (Azure/iotedge#621). */
bool x509_has_thumbprint(const SSL *connection, const char *thumbprint);
/* Whether the peer's certificate leads to one of the authorities, and its common name is this id. */
bool x509_is_vouched_for(const SSL *connection, const char *device_id);

#endif
