/* tests/hubsim: see auth.h */
#include "tests/hubsim/auth.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "server/base/hash.h"
#include "tests/hubsim/sas.h"

#define SLOTS_N 1024 /* tokens remembered, by fingerprint; a newer one takes the place of an older */

/* Rights of contract 1.3, as bits. */
enum { SERVICE_CONNECT = 1, REGISTRY_READ = 2, REGISTRY_WRITE = 4, DEVICE_CONNECT = 8 };

static const struct {
	const char *name;
	unsigned rights;
} policies[] = {
        {"iothubowner", REGISTRY_READ | REGISTRY_WRITE | SERVICE_CONNECT | DEVICE_CONNECT},
        {"service", SERVICE_CONNECT},
        {"device", DEVICE_CONNECT},
        {"registryRead", REGISTRY_READ},
        {"registryReadWrite", REGISTRY_READ | REGISTRY_WRITE},
};
#define POLICIES_N (sizeof policies / sizeof *policies)

/* A token whose signature was found good. */
struct slot {
	char *token; /* the header; NULL: empty */
	char *resource;
	int64_t expires_at_s;
	unsigned rights;
};

struct auth {
	char *host;
	char *bearer;                       /* NULL: none is good */
	struct sas_key keys[POLICIES_N][2]; /* primary, secondary */
	struct slot slots[SLOTS_N];
};

struct auth *auth_new(const char *host, const char *secret)
{
	struct auth *a = xcalloc(1, sizeof *a);
	char name[64];
	unsigned n = 0;

	a->host = xstrdup(host);
	for (size_t i = 0; i < POLICIES_N; i++) {
		for (int second = 0; second < 2; second++) {
			struct sas_key *key = &a->keys[i][second];
			int len = snprintf(name, sizeof name, "%s %d", policies[i].name, second);

			if (HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)name,
			         (size_t)len, key->bytes, &n) == NULL)
				abort();
			key->len = n;
		}
	}
	return a;
}

static void slot_clear(struct slot *slot)
{
	free(slot->token);
	free(slot->resource);
	memset(slot, 0, sizeof *slot);
}

void auth_free(struct auth *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; i < SLOTS_N; i++)
		slot_clear(&a->slots[i]);
	free(a->host);
	free(a->bearer);
	free(a);
}

/* Gives POLICIES_N where there is no such policy. */
static size_t policy_find(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < POLICIES_N; i++) {
		if (strlen(policies[i].name) == len && memcmp(policies[i].name, name, len) == 0)
			break;
	}
	return i;
}

/* The right that a request needs; 0: any valid token, since no such resource exists. */
static unsigned right_needed(const char *method, const char *path)
{
	const char *rest = path + strspn(path, "/");
	size_t len = strcspn(rest, "/");
	bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;

	if (len == 5 && memcmp(rest, "twins", len) == 0)
		return SERVICE_CONNECT;
	if (len == 4 && memcmp(rest, "jobs", len) == 0)
		return SERVICE_CONNECT;
	if (len == 10 && memcmp(rest, "statistics", len) == 0)
		return REGISTRY_READ;
	if (len != 7 || memcmp(rest, "devices", len) != 0)
		return 0;
	/* a device may be called "query": only the POST asks */
	rest += len;
	if (strcmp(method, "POST") == 0 && (strcmp(rest, "/query") == 0 || strcmp(rest, "/query/") == 0))
		return SERVICE_CONNECT;
	return reads ? REGISTRY_READ : REGISTRY_WRITE;
}

/* Checks a token's signature; false if it is not good. */
static bool token_verify(const struct auth *a, const char *header, struct slot *ret_slot)
{
	struct buf policy = BUF_INIT, resource = BUF_INIT;
	struct sas_token token;
	size_t i;
	bool ok = false;

	/* without a policy it is signed with a device's own key, which opens no door here */
	if (!sas_read(header, &token) || token.policy == NULL ||
	    !percent_decode(token.policy, token.policy_len, &policy) || !sas_resource(&token, &resource))
		goto done;
	i = policy_find(policy.data, policy.len);
	if (i == POLICIES_N)
		goto done;
	ok = sas_is_signed_by(&token, &a->keys[i][0]);
	ok = sas_is_signed_by(&token, &a->keys[i][1]) || ok;
	if (!ok)
		goto done;
	ret_slot->token = xstrdup(header);
	ret_slot->resource = buf_take(&resource);
	ret_slot->expires_at_s = token.expires_at_s;
	ret_slot->rights = policies[i].rights;
done:
	buf_done(&policy);
	buf_done(&resource);
	return ok;
}

static bool is_same(const char *token, const char *remembered)
{
	size_t len = strlen(token);

	return remembered != NULL && strlen(remembered) == len && CRYPTO_memcmp(token, remembered, len) == 0;
}

/* Gives NULL where the token is not good. */
static const struct slot *token_find(struct auth *a, const char *header)
{
	struct slot *slot = &a->slots[hash64(header, strlen(header)) % SLOTS_N];
	struct slot fresh;

	if (is_same(header, slot->token))
		return slot;
	if (!token_verify(a, header, &fresh))
		return NULL;
	slot_clear(slot);
	*slot = fresh;
	return slot;
}

void auth_accept_bearer(struct auth *a, const char *token)
{
	free(a->bearer);
	a->bearer = xstrdup(token);
}

bool auth_permits(struct auth *a, const char *authorization, const char *method, const char *target,
                  int64_t now_ms)
{
	static const char bearer[] = "Bearer ";
	struct buf path = BUF_INIT;
	const struct slot *slot;
	unsigned right;
	bool ok = false;

	if (authorization == NULL)
		return false;
	if (strncasecmp(authorization, bearer, sizeof bearer - 1) == 0)
		return is_same(authorization + sizeof bearer - 1, a->bearer);
	slot = token_find(a, authorization);
	if (slot == NULL || slot->expires_at_s <= now_ms / 1000)
		return false;
	buf_puts(&path, "");
	if (percent_decode(target, strcspn(target, "?"), &path)) {
		right = right_needed(method, path.data);
		ok = (slot->rights & right) == right &&
		     sas_resource_covers(slot->resource, a->host, path.data);
	}
	buf_done(&path);
	return ok;
}

static bool is_signed_by_device(const struct sas_token *token, const char *key)
{
	struct sas_key bytes;

	return sas_key_read(key, &bytes) && sas_is_signed_by(token, &bytes);
}

bool auth_permits_device(struct auth *a, const char *token, const char *device_id, const char *primary_key,
                         const char *secondary_key, int64_t now_ms, int64_t *ret_expires_at_s)
{
	struct buf path = BUF_INIT, resource = BUF_INIT;
	const struct slot *slot;
	struct sas_token read;
	bool ok = false;

	if (!sas_read(token, &read) || read.expires_at_s <= now_ms / 1000)
		return false;
	buf_printf(&path, "/devices/%s", device_id);
	if (read.policy == NULL) {
		ok = is_signed_by_device(&read, primary_key);
		ok = is_signed_by_device(&read, secondary_key) || ok;
		ok = ok && sas_resource(&read, &resource) &&
		     sas_resource_covers(resource.data, a->host, path.data);
	} else {
		slot = token_find(a, token);
		ok = slot != NULL && (slot->rights & DEVICE_CONNECT) != 0 &&
		     sas_resource_covers(slot->resource, a->host, path.data);
	}
	if (ok)
		*ret_expires_at_s = read.expires_at_s;
	buf_done(&path);
	buf_done(&resource);
	return ok;
}

bool auth_has_policy(const char *policy)
{
	return policy_find(policy, strlen(policy)) < POLICIES_N;
}

void auth_connection_string(const struct auth *a, const char *policy, bool secondary, struct buf *out)
{
	size_t i = policy_find(policy, strlen(policy));

	assert(i < POLICIES_N);
	buf_printf(out, "HostName=%s;SharedAccessKeyName=%s;SharedAccessKey=", a->host, policy);
	sas_key_write(&a->keys[i][secondary], out);
}

void auth_device_connection_string(const struct auth *a, const char *device_id, const char *key,
                                   struct buf *out)
{
	buf_printf(out, "HostName=%s;DeviceId=%s;SharedAccessKey=%s", a->host, device_id, key);
}

void auth_token(const struct auth *a, const char *policy, bool secondary, int64_t expires_at_s,
                struct buf *out)
{
	size_t i = policy_find(policy, strlen(policy));

	assert(i < POLICIES_N);
	sas_write(a->host, policy, &a->keys[i][secondary], expires_at_s, out);
}
