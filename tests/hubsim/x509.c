/* tests/hubsim: see x509.h */
#include "tests/hubsim/x509.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

/* What is wrong with the chain stays in SSL_get_verify_result(). */
static int on_chain(X509_STORE_CTX *chain, void *arg)
{
	(void)arg;
	(void)X509_verify_cert(chain);
	return 1;
}

enum err x509_ask(SSL_CTX *context, const char *ca_file, struct buf *ret_why)
{
	static const unsigned char name[] = "hubsim";

	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(context, on_chain, NULL);
	/* OpenSSL resumes no session of a peer that it has asked, if it has no name for what it was asked */
	if (SSL_CTX_set_session_id_context(context, name, sizeof name - 1) != 1)
		abort();
	if (ca_file == NULL)
		return ERR_OK;
	if (SSL_CTX_load_verify_file(context, ca_file) != 1) {
		buf_printf(ret_why, "%s: holds no certificate in PEM that can be read", ca_file);
		ERR_clear_error();
		return ERR_INVALID;
	}
	if (X509_STORE_set_flags(SSL_CTX_get_cert_store(context), X509_V_FLAG_PARTIAL_CHAIN) != 1)
		abort();
	return ERR_OK;
}

/* Lent by the connection; NULL: it has shown none. */
static X509 *shown(const SSL *connection)
{
	return connection != NULL ? SSL_get0_peer_certificate(connection) : NULL;
}

static bool has_digest(const X509 *cert, const EVP_MD *algorithm, const char *hex)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char text[2 * EVP_MAX_MD_SIZE + 1];
	unsigned n = 0;

	if (X509_digest(cert, algorithm, digest, &n) != 1)
		abort();
	for (unsigned i = 0; i < n; i++)
		snprintf(text + 2 * (size_t)i, 3, "%02x", digest[i]);
	return strcasecmp(text, hex) == 0;
}

static bool is_in_its_time(const X509 *cert)
{
	return X509_cmp_current_time(X509_get0_notBefore(cert)) < 0 &&
	       X509_cmp_current_time(X509_get0_notAfter(cert)) > 0;
}

bool x509_has_thumbprint(const SSL *connection, const char *thumbprint)
{
	const X509 *cert = shown(connection);

	return cert != NULL && thumbprint != NULL && is_in_its_time(cert) &&
	       (has_digest(cert, EVP_sha256(), thumbprint) || has_digest(cert, EVP_sha1(), thumbprint));
}

bool x509_is_vouched_for(const SSL *connection, const char *device_id)
{
	X509 *cert = shown(connection);
	X509_NAME *subject;
	unsigned char *name = NULL;
	int at, len;
	bool is_same;

	if (cert == NULL || SSL_get_verify_result(connection) != X509_V_OK)
		return false;
	subject = X509_get_subject_name(cert);
	at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (at < 0)
		return false;
	len = ASN1_STRING_to_UTF8(&name, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	is_same = len >= 0 && (size_t)len == strlen(device_id) && memcmp(name, device_id, (size_t)len) == 0;
	OPENSSL_free(name);
	return is_same;
}
