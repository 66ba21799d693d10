/* agent: see sas.h */
#include "deploy/agent/sas.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define KEY_BYTES_MAX 64

/* Gives the number of bytes, 0 where key is not sound. */
static size_t key_read(const char *key, unsigned char bytes[KEY_BYTES_MAX + 2])
{
	size_t digits = strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
	size_t len = strlen(key), padding = len - digits;

	/* EVP_DecodeBlock() would take white space, count padding as bytes, and knows no limit. */
	if (len == 0 || len % 4 != 0 || padding > 2 || strspn(key + digits, "=") != padding ||
	    len / 4 * 3 - padding > KEY_BYTES_MAX)
		return 0;
	return EVP_DecodeBlock(bytes, (const unsigned char *)key, (int)len) < 0 ? 0 : len / 4 * 3 - padding;
}

bool sas_key_is_sound(const char *key)
{
	unsigned char bytes[KEY_BYTES_MAX + 2];
	size_t n = key_read(key, bytes);

	OPENSSL_cleanse(bytes, sizeof bytes);
	return n > 0;
}

/* Writes text percent-encoded to out, which has room for three times its length and the end. */
static void encode(const char *text, char *out)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	static const char hex[] = "0123456789ABCDEF";

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (strchr(plain, c) != NULL) {
			*out++ = (char)c;
		} else {
			*out++ = '%';
			*out++ = hex[c >> 4];
			*out++ = hex[c & 15];
		}
	}
	*out = '\0';
}

/* Gives base64 of the HMAC-SHA256 of text in mac. */
static bool sign(const char *text, const char *key, char mac[45])
{
	unsigned char bytes[KEY_BYTES_MAX + 2], raw[32];
	size_t n = key_read(key, bytes);
	bool is_done = n > 0 && HMAC(EVP_sha256(), bytes, (int)n, (const unsigned char *)text, strlen(text),
	                             raw, NULL) != NULL;

	OPENSSL_cleanse(bytes, sizeof bytes);
	if (is_done)
		EVP_EncodeBlock((unsigned char *)mac, raw, sizeof raw);
	return is_done;
}

char *sas_token(const char *host, const char *device_id, const char *key, int64_t expires_at_s)
{
	char *resource = NULL, *uri = NULL, *text = NULL, *token = NULL, mac[45], mac_uri[3 * sizeof mac];

	if (asprintf(&resource, "%s/devices/%s", host, device_id) < 0)
		return NULL;
	uri = malloc(3 * strlen(resource) + 1);
	if (uri == NULL)
		goto out;
	encode(resource, uri);
	/* What is signed is the resource as it is written in the token. */
	if (asprintf(&text, "%s\n%" PRId64, uri, expires_at_s) < 0) {
		text = NULL;
		goto out;
	}
	if (!sign(text, key, mac))
		goto out;
	encode(mac, mac_uri);
	if (asprintf(&token, "SharedAccessSignature sr=%s&sig=%s&se=%" PRId64, uri, mac_uri, expires_at_s) <
	    0)
		token = NULL;
out:
	free(text);
	free(uri);
	free(resource);
	return token;
}
