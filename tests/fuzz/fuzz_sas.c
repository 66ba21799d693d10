/* tests: hubsim's reading of SAS tokens under libFuzzer: a token that is taken lies inside its text, is
 * signed by no key but by chance, and covers no path that its resource does not start; what is written is
 * read again. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/hubsim/sas.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void assert_inside(const char *at, size_t len, const char *text)
{
	assert(at >= text && at + len <= text + strlen(text));
}

static void try_read(const char *text, const struct sas_key *key)
{
	struct buf resource = BUF_INIT, policy = BUF_INIT;
	struct sas_token token;

	if (!sas_read(text, &token))
		return;
	assert_inside(token.uri, token.uri_len, text);
	assert_inside(token.expiry, token.expiry_len, text);
	assert(token.expires_at_s >= 0);
	if (token.policy != NULL) {
		assert_inside(token.policy, token.policy_len, text);
		(void)percent_decode(token.policy, token.policy_len, &policy);
	}
	(void)sas_is_signed_by(&token, key);
	if (sas_resource(&token, &resource) && resource.data != NULL) {
		bool covers = sas_resource_covers(resource.data, "hub.example", "/devices/d1");

		assert(!covers || strncasecmp(resource.data, "hub.example", 11) == 0);
		assert(!covers || strstr(resource.data, "/devices/d2") == NULL);
	}
	buf_done(&resource);
	buf_done(&policy);
}

/* Some bytes as a resource, some as a policy. */
static void try_write(const char *text, const struct sas_key *key)
{
	struct buf written = BUF_INIT, resource = BUF_INIT;
	struct sas_key other = *key;
	struct sas_token token;

	if (*text == '\0')
		return;
	sas_write(text, text, key, 1893456000, &written);
	assert(sas_read(written.data, &token) && sas_is_signed_by(&token, key));
	assert(sas_resource(&token, &resource) && strcmp(resource.data, text) == 0);
	other.bytes[0] ^= 1;
	assert(!sas_is_signed_by(&token, &other));
	buf_done(&written);
	buf_done(&resource);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	char *text = xstrndup((const char *)data, n);
	struct sas_key key = {.len = 32}, read;
	struct buf base64 = BUF_INIT;

	for (size_t i = 0; i < key.len; i++)
		key.bytes[i] = (unsigned char)i;
	try_read(text, &key);
	try_write(text, &key);
	if (sas_key_read(text, &read)) {
		assert(read.len > 0 && read.len <= SAS_KEY_BYTES_MAX);
		sas_key_write(&read, &base64);
		assert(strlen(base64.data) == strlen(text));
	}
	buf_done(&base64);
	free(text);
	return 0;
}
