/* tests/hubsim: see cert.h */
#include "tests/hubsim/cert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#define DAYS 825 /* the longest that all TLS stacks take */

static void why_openssl(struct buf *why, const char *what)
{
	char text[256];

	ERR_error_string_n(ERR_peek_last_error(), text, sizeof text);
	buf_printf(why, "%s: %s", what, text);
	ERR_clear_error();
}

static bool extension_add(X509 *cert, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	bool ok;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	ok = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return ok;
}

static bool serial_set(X509 *cert)
{
	uint64_t serial;

	return RAND_bytes((unsigned char *)&serial, sizeof serial) == 1 &&
	       ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1) == 1;
}

/* RSA, as real hubs have (contract 1.6). It is its own issuer and no CA: it vouches for itself only. */
static X509 *cert_make(EVP_PKEY *key, const char *host)
{
	X509 *cert = X509_new();
	X509_NAME *name = cert != NULL ? X509_get_subject_name(cert) : NULL;
	struct buf names = BUF_INIT;
	bool ok;

	buf_puts(&names, "DNS:localhost,IP:127.0.0.1,IP:::1");
	if (strcmp(host, "localhost") != 0)
		buf_printf(&names, ",DNS:%s", host);
	ok = cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 && serial_set(cert) &&
	     X509_gmtime_adj(X509_getm_notBefore(cert), -3600) != NULL &&
	     X509_gmtime_adj(X509_getm_notAfter(cert), DAYS * 86400L) != NULL &&
	     X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)"hubsim", -1, -1,
	                                0) == 1 &&
	     X509_set_issuer_name(cert, name) == 1 && X509_set_pubkey(cert, key) == 1 &&
	     extension_add(cert, NID_basic_constraints, "critical,CA:FALSE") &&
	     extension_add(cert, NID_key_usage, "critical,digitalSignature,keyEncipherment") &&
	     extension_add(cert, NID_ext_key_usage, "serverAuth") &&
	     extension_add(cert, NID_subject_key_identifier, "hash") &&
	     extension_add(cert, NID_subject_alt_name, names.data) && X509_sign(cert, key, EVP_sha256()) > 0;
	buf_done(&names);
	if (!ok) {
		X509_free(cert);
		return NULL;
	}
	return cert;
}

/* Makes file anew with what the caller prints into it. */
static FILE *file_make(const char *file, mode_t mode, struct buf *why)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;

	if (out == NULL)
		buf_printf(why, "%s: %s", file, strerror(errno));
	return out;
}

static enum err files_make(const char *cert_file, const char *key_file, const char *host, struct buf *why)
{
	EVP_PKEY *key = EVP_RSA_gen(2048);
	X509 *cert = key != NULL ? cert_make(key, host) : NULL;
	FILE *cert_out = NULL, *key_out = NULL;
	enum err e = ERR_IO;

	if (cert == NULL) {
		why_openssl(why, "cannot make a certificate");
		e = ERR_INVALID;
		goto done;
	}
	key_out = file_make(key_file, 0600, why);
	if (key_out == NULL)
		goto done;
	cert_out = file_make(cert_file, 0644, why);
	if (cert_out == NULL) {
		unlink(key_file);
		goto done;
	}
	if (PEM_write_PrivateKey(key_out, key, NULL, NULL, 0, NULL, NULL) == 1 &&
	    PEM_write_X509(cert_out, cert) == 1)
		e = ERR_OK;
done:
	/* what is written arrives at the latest when it is closed */
	if (key_out != NULL && fclose(key_out) != 0)
		e = ERR_IO;
	if (cert_out != NULL && fclose(cert_out) != 0)
		e = ERR_IO;
	if (e == ERR_IO && why->len == 0)
		buf_printf(why, "%s, %s: cannot be written", cert_file, key_file);
	X509_free(cert);
	EVP_PKEY_free(key);
	return e;
}

static bool is_expired(SSL_CTX *context)
{
	return X509_cmp_current_time(X509_get0_notAfter(SSL_CTX_get0_certificate(context))) < 0;
}

enum err cert_context(const char *cert_file, const char *key_file, const char *host, SSL_CTX **ret_context,
                      struct buf *ret_why)
{
	SSL_CTX *context;
	enum err e;

	if (access(cert_file, F_OK) != 0 && access(key_file, F_OK) != 0) {
		e = files_make(cert_file, key_file, host, ret_why);
		if (e != ERR_OK)
			return e;
	}
	context = SSL_CTX_new(TLS_server_method());
	if (context == NULL)
		abort();
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	if (SSL_CTX_use_certificate_chain_file(context, cert_file) != 1)
		why_openssl(ret_why, cert_file);
	else if (SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) != 1)
		why_openssl(ret_why, key_file);
	else if (is_expired(context))
		buf_printf(ret_why, "%s: has expired; delete it and %s to have new ones made", cert_file,
		           key_file);
	if (ret_why->len > 0) {
		SSL_CTX_free(context);
		return ERR_INVALID;
	}
	*ret_context = context;
	return ERR_OK;
}
