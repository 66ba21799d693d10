/* hub: see sas.h */
#include "server/hub/sas.h"

#include <inttypes.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "server/hub/percent.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool sas_key_read(const char *base64, struct sas_key *ret)
{
	unsigned char raw[SAS_KEY_BYTES_MAX + 3];
	size_t len = strlen(base64), digits = strspn(base64, alphabet), padding = len - digits;
	bool is_sound = false;

	/* EVP_DecodeBlock() takes spaces, counts padding as zero bytes and knows no limit. */
	if (len == 0 || len % 4 != 0 || padding > 2 || strspn(base64 + digits, "=") != padding ||
	    len / 4 * 3 - padding > SAS_KEY_BYTES_MAX)
		return false;
	if (EVP_DecodeBlock(raw, (const unsigned char *)base64, (int)len) == (int)(len / 4 * 3)) {
		ret->n = len / 4 * 3 - padding;
		memcpy(ret->bytes, raw, ret->n);
		is_sound = true;
	}
	OPENSSL_cleanse(raw, sizeof raw);
	return is_sound;
}

void sas_mint(const char *resource, const char *policy, const struct sas_key *key, int64_t expires_at_s,
              struct buf *out)
{
	struct buf uri = BUF_INIT, to_sign = BUF_INIT;
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned char mac_text[EVP_MAX_MD_SIZE * 2];
	unsigned mac_bytes = 0;

	percent_encode(resource, &uri);
	/* What is signed is the resource as it is written in the token. */
	buf_printf(&to_sign, "%s\n%" PRId64, uri.data, expires_at_s);
	if (HMAC(EVP_sha256(), key->bytes, (int)key->n, (const unsigned char *)to_sign.data, to_sign.len, mac,
	         &mac_bytes) == NULL)
		mac_bytes =
		        0; /* no memory: the hub refuses an empty signature, the next token is a new one */
	EVP_EncodeBlock(mac_text, mac, (int)mac_bytes);
	buf_printf(out, "SharedAccessSignature sr=%s&sig=", uri.data);
	percent_encode((const char *)mac_text, out);
	if (policy != NULL) {
		buf_puts(out, "&skn=");
		percent_encode(policy, out);
	}
	buf_printf(out, "&se=%" PRId64, expires_at_s);
	buf_done(&to_sign);
	buf_done(&uri);
}
