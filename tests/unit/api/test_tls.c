/* tests: api/tls.c: which files are taken, and what is shown. Keys and certificates are made here. */
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/tls.h"
#include "tests/lib/suite.h"

static char folder[32], cert[64], key[64];

/* Writes text over the file. */
static void put(const char *file, const char *text, size_t n)
{
	FILE *f = fopen(file, "wb");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(text, 1, n, f), n);
	ck_assert_int_eq(fclose(f), 0);
}

static void set_up(void)
{
	snprintf(folder, sizeof folder, "/tmp/rollcall-tls-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(cert, sizeof cert, "%s/cert.pem", folder);
	snprintf(key, sizeof key, "%s/key.pem", folder);
}

static void tear_down(void)
{
	unlink(cert);
	unlink(key);
	rmdir(folder);
}

/* Writes a new key, and a certificate of it that it signed itself, with this serial number. */
static void make_pair(unsigned char serial)
{
	gnutls_x509_privkey_t k;
	gnutls_x509_crt_t c;
	gnutls_datum_t pem;

	ck_assert_int_eq(gnutls_x509_privkey_init(&k), 0);
	ck_assert_int_eq(gnutls_x509_privkey_generate(k, GNUTLS_PK_ECDSA,
	                                              GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
	                 0);
	ck_assert_int_eq(gnutls_x509_crt_init(&c), 0);
	ck_assert_int_eq(gnutls_x509_crt_set_version(c, 3), 0);
	ck_assert_int_eq(gnutls_x509_crt_set_serial(c, &serial, 1), 0);
	ck_assert_int_eq(gnutls_x509_crt_set_activation_time(c, time(NULL) - 60), 0);
	ck_assert_int_eq(gnutls_x509_crt_set_expiration_time(c, time(NULL) + 3600), 0);
	ck_assert_int_eq(gnutls_x509_crt_set_key(c, k), 0);
	ck_assert_int_eq(gnutls_x509_crt_sign2(c, c, k, GNUTLS_DIG_SHA256, 0), 0);
	ck_assert_int_eq(gnutls_x509_crt_export2(c, GNUTLS_X509_FMT_PEM, &pem), 0);
	put(cert, (const char *)pem.data, pem.size);
	gnutls_free(pem.data);
	ck_assert_int_eq(gnutls_x509_privkey_export2(k, GNUTLS_X509_FMT_PEM, &pem), 0);
	put(key, (const char *)pem.data, pem.size);
	gnutls_free(pem.data);
	gnutls_x509_crt_deinit(c);
	gnutls_x509_privkey_deinit(k);
}

/* What libmicrohttpd gets for a handshake; the serial number of the certificate, 0: none. */
static unsigned shown(tls_retrieve_fn *retrieve)
{
	gnutls_certificate_retrieve_function2 *ask = (gnutls_certificate_retrieve_function2 *)retrieve;
	gnutls_pcert_st *chain = NULL;
	gnutls_privkey_t of_chain = NULL;
	gnutls_x509_crt_t c;
	unsigned n = 0;
	unsigned char serial[20] = {0};
	size_t serial_bytes = sizeof serial;

	if (ask(NULL, NULL, 0, NULL, 0, &chain, &n, &of_chain) != 0)
		return 0;
	ck_assert_uint_eq(n, 1);
	ck_assert_ptr_nonnull(of_chain);
	ck_assert_int_eq(gnutls_x509_crt_init(&c), 0);
	ck_assert_int_eq(gnutls_x509_crt_import(c, &chain[0].cert, GNUTLS_X509_FMT_DER), 0);
	ck_assert_int_eq(gnutls_x509_crt_get_serial(c, serial, &serial_bytes), 0);
	gnutls_x509_crt_deinit(c);
	return serial[0];
}

/* The files are refused, and it says that of them. */
static void refused(const char *what)
{
	struct tls *t = NULL;
	char *reason = NULL;

	ck_assert_int_eq(tls_load(cert, key, &t, &reason), ERR_INVALID);
	ck_assert_ptr_null(t);
	ck_assert_msg(strstr(reason, what) != NULL, "%s", reason);
	free(reason);
}

START_TEST(test_what_cannot_be_read_is_named)
{
	refused(cert);
	make_pair(1);
	unlink(key);
	refused(key);
	put(key, "broken", 6);
	refused(key);
	make_pair(1);
	put(cert, "broken", 6);
	refused(cert);
}
END_TEST

START_TEST(test_a_key_that_is_not_the_certificates_is_refused)
{
	char other[80];

	make_pair(1);
	snprintf(other, sizeof other, "%s.other", key);
	ck_assert_int_eq(rename(key, other), 0);
	make_pair(2);
	ck_assert_int_eq(rename(other, key), 0);
	refused("is not the key of the first certificate");
}
END_TEST

START_TEST(test_what_was_loaded_last_is_shown)
{
	struct tls *t = NULL;
	tls_retrieve_fn *retrieve;
	char *reason = NULL;

	make_pair(1);
	ck_assert_int_eq(tls_load(cert, key, &t, &reason), ERR_OK);
	retrieve = tls_retrieve(t);
	ck_assert_uint_eq(shown(retrieve), 1);
	make_pair(2);
	ck_assert_uint_eq(shown(retrieve), 1);
	ck_assert_int_eq(tls_reload(t, &reason), ERR_OK);
	ck_assert_uint_eq(shown(retrieve), 2);
	put(cert, "broken", 6);
	ck_assert_int_eq(tls_reload(t, &reason), ERR_INVALID);
	free(reason);
	ck_assert_uint_eq(shown(retrieve), 2);
	ck_assert(tls_retrieve(t) == retrieve);
	tls_free(t);
	ck_assert_uint_eq(shown(retrieve), 0);
	tls_free(NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api tls");
	TCase *c = tcase_create("files");

	tcase_add_checked_fixture(c, set_up, tear_down);
	tcase_add_test(c, test_what_cannot_be_read_is_named);
	tcase_add_test(c, test_a_key_that_is_not_the_certificates_is_refused);
	tcase_add_test(c, test_what_was_loaded_last_is_shown);
	suite_add_tcase(s, c);
	return suite_run(s);
}
