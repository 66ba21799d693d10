/* tests/hubsim: see sas.h */
#include "tests/hubsim/sas.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static const char scheme[] = "SharedAccessSignature ";

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool percent_decode(const char *s, size_t len, struct buf *out)
{
	int high, low;

	for (size_t i = 0; i < len; i++) {
		if (s[i] != '%') {
			buf_putc(out, s[i]);
			continue;
		}
		if (len - i < 3)
			return false;
		high = hex_value(s[i + 1]);
		low = hex_value(s[i + 2]);
		if (high < 0 || low < 0 || high + low == 0)
			return false;
		buf_putc(out, (char)(high << 4 | low));
		i += 2;
	}
	return true;
}

/* Strict base64 into out, which has room for out_max bytes; -1 if s is not base64 or too long. */
static int base64_decode(const char *s, size_t len, unsigned char *out, size_t out_max)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned char room[SAS_KEY_BYTES_MAX + 3];
	size_t padding = 0;
	int n;

	if (len == 0 || len % 4 != 0 || len / 4 * 3 > sizeof room)
		return -1;
	while (padding < 2 && s[len - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < len - padding; i++) {
		if (s[i] == '\0' || strchr(alphabet, s[i]) == NULL)
			return -1;
	}
	n = EVP_DecodeBlock(room, (const unsigned char *)s, (int)len) - (int)padding;
	if (n < 0 || (size_t)n > out_max)
		return -1;
	memcpy(out, room, (size_t)n);
	return n;
}

bool sas_key_read(const char *base64, struct sas_key *ret_key)
{
	struct sas_key key;
	int n = base64_decode(base64, strlen(base64), key.bytes, sizeof key.bytes);

	if (n <= 0)
		return false;
	key.len = (size_t)n;
	*ret_key = key;
	return true;
}

void sas_key_write(const struct sas_key *key, struct buf *out)
{
	char *at = buf_reserve(out, (key->len + 2) / 3 * 4 + 1);

	out->len += (size_t)EVP_EncodeBlock((unsigned char *)at, key->bytes, (int)key->len);
}

static bool signature_read(const char *s, size_t len, unsigned char out[SAS_SIGNATURE_BYTES])
{
	struct buf decoded = BUF_INIT;
	bool ok = percent_decode(s, len, &decoded) &&
	          base64_decode(decoded.data, decoded.len, out, SAS_SIGNATURE_BYTES) == SAS_SIGNATURE_BYTES;

	buf_done(&decoded);
	return ok;
}

static bool expiry_read(const char *s, size_t len, int64_t *ret_s)
{
	int64_t value = 0;

	if (len == 0 || len > 15)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)s[i]))
			return false;
		value = value * 10 + (s[i] - '0');
	}
	*ret_s = value;
	return true;
}

/* Notes one field; false if it is broken or came before. Unknown fields are left to later versions. */
static bool field_read(struct sas_token *t, const char *field, size_t len, bool *has_signature)
{
	const char *value = memchr(field, '=', len);
	size_t name_len, value_len;

	if (value == NULL)
		return false;
	name_len = (size_t)(value++ - field);
	value_len = len - name_len - 1;
	if (name_len == 2 && memcmp(field, "sr", 2) == 0) {
		if (t->uri != NULL || value_len == 0)
			return false;
		t->uri = value;
		t->uri_len = value_len;
	} else if (name_len == 2 && memcmp(field, "se", 2) == 0) {
		if (t->expiry != NULL)
			return false;
		t->expiry = value;
		t->expiry_len = value_len;
		return expiry_read(value, value_len, &t->expires_at_s);
	} else if (name_len == 3 && memcmp(field, "skn", 3) == 0) {
		if (t->policy != NULL)
			return false;
		/* "skn=" with nothing is how some device clients write "no policy" */
		t->policy = value_len > 0 ? value : NULL;
		t->policy_len = value_len;
	} else if (name_len == 3 && memcmp(field, "sig", 3) == 0) {
		if (*has_signature)
			return false;
		*has_signature = true;
		return signature_read(value, value_len, t->signature);
	}
	return true;
}

bool sas_read(const char *header, struct sas_token *ret_token)
{
	struct sas_token t;
	bool has_signature = false;
	size_t len;

	memset(&t, 0, sizeof t);
	if (strncmp(header, scheme, strlen(scheme)) != 0)
		return false;
	for (const char *at = header + strlen(scheme);; at += len + 1) {
		len = strcspn(at, "&");
		if (!field_read(&t, at, len, &has_signature))
			return false;
		if (at[len] == '\0')
			break;
	}
	if (t.uri == NULL || t.expiry == NULL || !has_signature)
		return false;
	*ret_token = t;
	return true;
}

static void sign(const char *uri, size_t uri_len, const char *expiry, size_t expiry_len,
                 const struct sas_key *key, unsigned char out[SAS_SIGNATURE_BYTES])
{
	struct buf text = BUF_INIT;
	unsigned int n = 0;

	buf_put(&text, uri, uri_len);
	buf_putc(&text, '\n');
	buf_put(&text, expiry, expiry_len);
	if (HMAC(EVP_sha256(), key->bytes, (int)key->len, (const unsigned char *)text.data, text.len, out,
	         &n) == NULL)
		abort();
	assert(n == SAS_SIGNATURE_BYTES);
	buf_done(&text);
}

bool sas_is_signed_by(const struct sas_token *token, const struct sas_key *key)
{
	unsigned char wanted[SAS_SIGNATURE_BYTES];

	sign(token->uri, token->uri_len, token->expiry, token->expiry_len, key, wanted);
	return CRYPTO_memcmp(wanted, token->signature, sizeof wanted) == 0;
}

bool sas_resource(const struct sas_token *token, struct buf *out)
{
	return percent_decode(token->uri, token->uri_len, out);
}

bool sas_resource_covers(const char *resource, const char *host, const char *path)
{
	size_t authority_len = strcspn(resource, "/");
	size_t host_len = strcspn(resource, ":/");
	const char *scope = resource + authority_len;
	size_t scope_len = strlen(scope);

	if (host_len != strlen(host) || strncasecmp(resource, host, host_len) != 0)
		return false;
	while (scope_len > 0 && scope[scope_len - 1] == '/')
		scope_len--;
	return strncmp(scope, path, scope_len) == 0 &&
	       (scope_len == 0 || path[scope_len] == '/' || path[scope_len] == '\0');
}

static void percent_encode(const char *s, size_t len, struct buf *out)
{
	for (size_t i = 0; i < len; i++) {
		if (isalnum((unsigned char)s[i]) || strchr("-_.~", s[i]) != NULL)
			buf_putc(out, s[i]);
		else
			buf_printf(out, "%%%02x", (unsigned)(unsigned char)s[i]);
	}
}

void sas_write(const char *resource, const char *policy, const struct sas_key *key, int64_t expires_at_s,
               struct buf *out)
{
	struct buf uri = BUF_INIT, expiry = BUF_INIT, base64 = BUF_INIT;
	struct sas_key signature = {.len = SAS_SIGNATURE_BYTES};

	percent_encode(resource, strlen(resource), &uri);
	buf_printf(&expiry, "%lld", (long long)expires_at_s);
	sign(uri.data, uri.len, expiry.data, expiry.len, key, signature.bytes);
	sas_key_write(&signature, &base64);
	buf_printf(out, "%ssr=%s&sig=", scheme, uri.data);
	percent_encode(base64.data, base64.len, out);
	buf_printf(out, "&se=%s", expiry.data);
	if (policy != NULL) {
		buf_puts(out, "&skn=");
		percent_encode(policy, strlen(policy), out);
	}
	buf_done(&uri);
	buf_done(&expiry);
	buf_done(&base64);
}
