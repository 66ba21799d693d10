/* api: see tls.h */
#include "api/tls.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include "server/base/buf.h"

#define CHAIN_MAX 16
#define KEY_ID_BYTES 64

/* What is shown; GnuTLS borrows it for as long as a handshake takes, so older ones stay until the end. */
struct pair {
	struct pair *older;
	gnutls_pcert_st chain[CHAIN_MAX];
	unsigned chain_n;
	gnutls_privkey_t key;
};

struct tls {
	char *cert_file, *key_file;
	struct pair *newest;
};

static struct tls *in_use;

static void pair_free(struct pair *p)
{
	for (unsigned i = 0; i < p->chain_n; i++)
		gnutls_pcert_deinit(&p->chain[i]);
	gnutls_privkey_deinit(p->key);
	free(p);
}

static char *reason_of(const char *file, int code)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "%s: %s", file, gnutls_strerror(code));
	return buf_take(&b);
}

/* Overwrites what was read: it may be a key. */
static void forget(gnutls_datum_t *d)
{
	if (d->data != NULL)
		explicit_bzero(d->data, d->size);
	gnutls_free(d->data);
}

static int read_chain(const char *file, struct pair *p)
{
	gnutls_datum_t pem = {NULL, 0};
	unsigned n = CHAIN_MAX;
	int code = gnutls_load_file(file, &pem);

	if (code == 0)
		code = gnutls_pcert_list_import_x509_raw(p->chain, &n, &pem, GNUTLS_X509_FMT_PEM, 0);
	if (code == 0)
		p->chain_n = n;
	forget(&pem);
	return code;
}

static int read_key(const char *file, struct pair *p)
{
	gnutls_datum_t pem = {NULL, 0};
	int code = gnutls_load_file(file, &pem);

	if (code == 0)
		code = gnutls_privkey_import_x509_raw(p->key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
	forget(&pem);
	return code;
}

/* Whether the first certificate is the key's. */
static bool belongs(const struct pair *p)
{
	unsigned char of_key[KEY_ID_BYTES], of_cert[KEY_ID_BYTES];
	size_t key_bytes = sizeof of_key, cert_bytes = sizeof of_cert;
	gnutls_pubkey_t public;
	bool is_same;

	if (gnutls_pubkey_init(&public) != 0)
		abort(); /* out of memory */
	is_same = gnutls_pubkey_import_privkey(public, p->key, 0, 0) == 0 &&
	          gnutls_pubkey_get_key_id(public, 0, of_key, &key_bytes) == 0 &&
	          gnutls_pubkey_get_key_id(p->chain[0].pubkey, 0, of_cert, &cert_bytes) == 0 &&
	          key_bytes == cert_bytes && memcmp(of_key, of_cert, key_bytes) == 0;
	gnutls_pubkey_deinit(public);
	return is_same;
}

enum err tls_reload(struct tls *t, char **ret_reason)
{
	struct pair *p = xcalloc(1, sizeof *p);
	struct buf why = BUF_INIT;
	int code;

	if (gnutls_privkey_init(&p->key) != 0)
		abort(); /* out of memory */
	code = read_chain(t->cert_file, p);
	if (code != 0) {
		*ret_reason = reason_of(t->cert_file, code);
		goto failed;
	}
	code = read_key(t->key_file, p);
	if (code != 0) {
		*ret_reason = reason_of(t->key_file, code);
		goto failed;
	}
	if (!belongs(p)) {
		buf_printf(&why, "%s is not the key of the first certificate in %s", t->key_file,
		           t->cert_file);
		*ret_reason = buf_take(&why);
		goto failed;
	}
	p->older = t->newest;
	t->newest = p;
	return ERR_OK;
failed:
	pair_free(p);
	return ERR_INVALID;
}

enum err tls_load(const char *cert_file, const char *key_file, struct tls **ret, char **ret_reason)
{
	struct tls *t = xcalloc(1, sizeof *t);
	enum err err;

	t->cert_file = xstrdup(cert_file);
	t->key_file = xstrdup(key_file);
	err = tls_reload(t, ret_reason);
	if (err == ERR_OK)
		*ret = t;
	else
		tls_free(t);
	return err;
}

void tls_free(struct tls *t)
{
	struct pair *p;

	if (t == NULL)
		return;
	if (in_use == t)
		in_use = NULL;
	while ((p = t->newest) != NULL) {
		t->newest = p->older;
		pair_free(p);
	}
	free(t->cert_file);
	free(t->key_file);
	free(t);
}

static int retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int authorities_n,
                    const gnutls_pk_algorithm_t *algorithms, int algorithms_n, gnutls_pcert_st **ret_chain,
                    unsigned *ret_n, gnutls_privkey_t *ret_key)
{
	(void)session;
	(void)authorities;
	(void)authorities_n;
	(void)algorithms;
	(void)algorithms_n;
	if (in_use == NULL)
		return -1;
	*ret_chain = in_use->newest->chain;
	*ret_n = in_use->newest->chain_n;
	*ret_key = in_use->newest->key;
	return 0;
}

tls_retrieve_fn *tls_retrieve(struct tls *t)
{
	assert(in_use == NULL || in_use == t);
	in_use = t;
	return (tls_retrieve_fn *)retrieve;
}
