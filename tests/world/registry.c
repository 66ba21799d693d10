/* world: the device registry over REST (contract 6). Keys that nobody gave are made from the seed. */
#include "tests/world/internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/hash.h"

enum {
	LIST_MAX = 1000,
	BULK_MAX = 100,
	F1_DEVICES_MAX = 500,
	KEY_BYTES = 32,
	REASON_MAX = 128,
};

void registry_base64(const unsigned char *data, size_t n, struct buf *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)data[i] << 16;

		v |= i + 1 < n ? (unsigned)data[i + 1] << 8 : 0;
		v |= i + 2 < n ? data[i + 2] : 0;
		buf_putc(out, digits[v >> 18]);
		buf_putc(out, digits[v >> 12 & 63]);
		buf_putc(out, i + 1 < n ? digits[v >> 6 & 63] : '=');
		buf_putc(out, i + 2 < n ? digits[v & 63] : '=');
	}
}

void registry_forget(struct device *d)
{
	struct identity *identity = d->identity;

	if (identity == NULL)
		return;
	for (size_t i = 0; i < 2; i++) {
		free(identity->keys[i]);
		free(identity->thumbprints[i]);
	}
	free(identity->reason);
	free(identity);
	d->identity = NULL;
}

void registry_etag(const struct device *d, struct buf *out)
{
	uint64_t seed[] = {d->no, d->live.generation, d->identity != NULL ? d->identity->etag_no : 0};
	char text[16];

	snprintf(text, sizeof text, "%09u", (unsigned)(hash64(seed, sizeof seed) % 1000000000));
	registry_base64((const unsigned char *)text, strlen(text), out);
}

/* --- The document --- */

/* By enum world_login. */
static const char *const logins[] = {"sas", "selfSigned", "certificateAuthority", "none"};
#define LOGINS_N (sizeof logins / sizeof *logins)

enum world_login registry_login(const struct device *d)
{
	return d->identity != NULL ? d->identity->login : WORLD_LOGIN_KEY;
}

const char *registry_login_text(const struct device *d)
{
	return logins[registry_login(d)];
}

static void print_text_or_null(const char *text, struct buf *out)
{
	if (text != NULL)
		buf_json(out, text);
	else
		buf_puts(out, "null");
}

void registry_print_thumbprint(const struct device *d, size_t which, struct buf *out)
{
	print_text_or_null(d->identity != NULL ? d->identity->thumbprints[which] : NULL, out);
}

void registry_key(const struct world *w, const struct device *d, size_t which, struct buf *out)
{
	const struct identity *identity = d->identity;
	uint64_t seed[] = {w->options.seed, d->no, d->live.generation, which,
	                   identity != NULL ? identity->renewals : 0};
	unsigned char key[KEY_BYTES];
	struct rng rng;

	if (identity != NULL && identity->keys[which] != NULL) {
		buf_puts(out, identity->keys[which]);
		return;
	}
	rng_seed(&rng, hash64(seed, sizeof seed));
	for (size_t i = 0; i < sizeof key; i++)
		key[i] = (unsigned char)(rng_u64(&rng) >> 56);
	registry_base64(key, sizeof key, out);
}

static void print_time(const char *name, int64_t at_ms, struct buf *out)
{
	buf_printf(out, "\"%s\":", name);
	if (at_ms > 0)
		doc_print_time(at_ms, false, out);
	else
		buf_puts(out, "\"0001-01-01T00:00:00\"");
	buf_putc(out, ',');
}

/* Only those who log in with keys have them. */
static void print_key(const struct world *w, const struct device *d, size_t which, struct buf *out)
{
	struct buf key = BUF_INIT;

	if (registry_login(d) == WORLD_LOGIN_KEY)
		registry_key(w, d, which, &key);
	print_text_or_null(key.data, out);
	buf_done(&key);
}

static void print_identity(const struct world *w, const struct device *d, struct buf *out)
{
	const struct identity *identity = d->identity;
	int64_t activity_ms = twin_activity_ms(&d->live);

	buf_puts(out, "{\"deviceId\":");
	buf_json(out, d->id);
	buf_printf(out, ",\"generationId\":\"6370%08u%05u\",\"etag\":\"", d->no, d->live.generation);
	registry_etag(d, out);
	buf_printf(out, "\",\"connectionState\":\"%s\",\"status\":\"%s\",\"statusReason\":",
	           fleet_shows_connected(w, &d->live) ? "Connected" : "Disconnected",
	           d->live.is_disabled ? "disabled" : "enabled");
	print_text_or_null(identity != NULL ? identity->reason : NULL, out);
	buf_putc(out, ',');
	print_time("connectionStateUpdatedTime", activity_ms, out);
	print_time("statusUpdatedTime", identity != NULL ? identity->status_at_ms : 0, out);
	print_time("lastActivityTime", activity_ms, out);
	buf_puts(out,
	         "\"cloudToDeviceMessageCount\":0,\"authentication\":{\"symmetricKey\":{\"primaryKey\":");
	print_key(w, d, 0, out);
	buf_puts(out, ",\"secondaryKey\":");
	print_key(w, d, 1, out);
	buf_puts(out, "},\"x509Thumbprint\":{\"primaryThumbprint\":");
	registry_print_thumbprint(d, 0, out);
	buf_puts(out, ",\"secondaryThumbprint\":");
	registry_print_thumbprint(d, 1, out);
	buf_printf(out, "},\"type\":\"%s\"},\"capabilities\":{\"iotEdge\":false}}", registry_login_text(d));
}

static void answer_identity(struct world *w, struct call *call, const struct device *d)
{
	struct buf etag = BUF_INIT;

	registry_etag(d, &etag);
	snprintf(call->etag, sizeof call->etag, "\"%s\"", etag.data);
	buf_done(&etag);
	print_identity(w, d, &call->out);
	rest_answer(w, call, 200);
}

/* --- What a write may say --- */

static bool id_is_sound(const struct world *w, const char *id)
{
	const char *marks = w->options.quirks.id_colons ? "-.+%_#*?!(),=@$':;" : "-.+%_#*?!(),=@$'";
	size_t n = id != NULL ? strlen(id) : 0;

	if (n == 0 || n > ID_BYTES_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)id[i] >= 0x80 ||
		    (!isalnum((unsigned char)id[i]) && strchr(marks, id[i]) == NULL))
			return false;
	return true;
}

/* Is text the base64 of 16 … 64 bytes? */
static bool key_is_sound(const char *text)
{
	size_t n = strlen(text), pads = 0;

	if (n < 24 || n > 88 || n % 4 != 0)
		return false;
	while (pads < 2 && text[n - 1 - pads] == '=')
		pads++;
	for (size_t i = 0; i < n - pads; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '+' && text[i] != '/')
			return false;
	return n / 4 * 3 - pads >= 16 && n / 4 * 3 - pads <= 64;
}

/* Hex of a SHA-1 or a SHA-256, without colons. */
static bool thumbprint_is_sound(const char *text)
{
	size_t n = strspn(text, "0123456789abcdefABCDEF");

	return text[n] == '\0' && (n == 40 || n == 64);
}

/* The part of a registry write that both PUT and bulk share, borrowed from the request. */
struct wish {
	const char *id, *status, *reason, *keys[2], *thumbprints[2];
	enum world_login login;
};

static const char *text_at(const json_t *json, const char *name)
{
	return json_string_value(json_object_get(json, name));
}

static bool read_login(const char *type, enum world_login *ret)
{
	*ret = WORLD_LOGIN_KEY;
	if (type == NULL)
		return true;
	for (size_t i = 0; i < LOGINS_N; i++) {
		*ret = (enum world_login)i;
		if (strcmp(logins[i], type) == 0)
			return true;
	}
	return false;
}

/* Two texts of a kind; an empty one is as good as none. */
static void read_pair(const json_t *json, const char *primary, const char *secondary, const char *ret[2])
{
	ret[0] = text_at(json, primary);
	ret[1] = text_at(json, secondary);
	for (size_t i = 0; i < 2; i++)
		if (ret[i] != NULL && *ret[i] == '\0')
			ret[i] = NULL;
}

/* Whether the device could log in with what is wished for it. Of keys there are both, or the hub makes them;
 * of thumbprints one is enough. */
static bool login_is_sound(const struct wish *wish)
{
	for (size_t i = 0; i < 2; i++)
		if ((wish->keys[i] != NULL && !key_is_sound(wish->keys[i])) ||
		    (wish->thumbprints[i] != NULL && !thumbprint_is_sound(wish->thumbprints[i])))
			return false;
	if (wish->login == WORLD_LOGIN_THUMBPRINT && wish->thumbprints[0] == NULL &&
	    wish->thumbprints[1] == NULL)
		return false;
	return (wish->keys[0] == NULL) == (wish->keys[1] == NULL);
}

static bool read_wish(const struct world *w, const json_t *json, const char *id_name, struct wish *ret)
{
	const json_t *authentication = json_object_get(json, "authentication");

	*ret = (struct wish){.id = text_at(json, id_name),
	                     .status = text_at(json, "status"),
	                     .reason = text_at(json, "statusReason")};
	read_pair(json_object_get(authentication, "symmetricKey"), "primaryKey", "secondaryKey", ret->keys);
	read_pair(json_object_get(authentication, "x509Thumbprint"), "primaryThumbprint",
	          "secondaryThumbprint", ret->thumbprints);
	if (!json_is_object(json) || !id_is_sound(w, ret->id) ||
	    !read_login(text_at(authentication, "type"), &ret->login))
		return false;
	if (ret->status != NULL && strcmp(ret->status, "enabled") != 0 &&
	    strcmp(ret->status, "disabled") != 0)
		return false;
	if (ret->reason != NULL && strlen(ret->reason) > REASON_MAX)
		return false;
	return login_is_sound(ret);
}

static void replace(char **at, const char *text)
{
	free(*at);
	*at = text != NULL ? xstrdup(text) : NULL;
}

static void grant(struct world *w, struct device *d, const struct wish *wish)
{
	bool is_enabled = wish->status == NULL || strcmp(wish->status, "enabled") == 0;
	struct identity *identity = d->identity;

	if (identity == NULL)
		identity = d->identity = xcalloc(1, sizeof *identity);
	identity->etag_no++;
	if (wish->keys[0] == NULL)
		identity->renewals++; /* also where authentication is left out (contract 6) */
	for (size_t i = 0; i < 2; i++) {
		replace(&identity->keys[i], wish->keys[i]);
		replace(&identity->thumbprints[i],
		        wish->login == WORLD_LOGIN_THUMBPRINT ? wish->thumbprints[i] : NULL);
	}
	replace(&identity->reason, wish->reason);
	identity->login = wish->login;
	if (is_enabled == d->live.is_disabled) {
		identity->status_at_ms = w->now_ms;
		fleet_enable(w, d, is_enabled);
	}
}

/* --- PUT, GET, DELETE, list --- */

static bool is_full(const struct world *w)
{
	return w->options.quirks.f1_devices && w->options.sku == WORLD_SKU_F1 &&
	       w->fleet.exist_n >= F1_DEVICES_MAX;
}

bool registry_prepare_put(struct world *w, struct call *call)
{
	struct wish wish;

	if (read_wish(w, call->json, "deviceId", &wish) && strcmp(wish.id, call->device_id) == 0)
		return true;
	rest_refuse(w, call, 400, "ArgumentInvalid", "BadRequest");
	return false;
}

static bool identity_fits(const struct call *call, const struct device *d)
{
	struct buf etag = BUF_INIT;
	bool fits;

	registry_etag(d, &etag);
	fits = rest_etag_fits(call, etag.data);
	buf_done(&etag);
	return fits;
}

static void refuse_stale(struct world *w, struct call *call)
{
	rest_refuse(w, call, 412, "PreconditionFailed", "Precondition failed: Device version did not match");
}

void registry_put(struct world *w, struct call *call)
{
	struct device *d = fleet_get(w, call->device_id);
	struct wish wish;
	char text[ID_BYTES_MAX + 64];

	if (!read_wish(w, call->json, "deviceId", &wish)) { /* a quirk has changed since it was prepared */
		rest_refuse(w, call, 400, "ArgumentInvalid", "BadRequest");
	} else if (d != NULL && call->if_match == NULL) {
		snprintf(text, sizeof text, "A device with ID '%s' is already registered.", call->device_id);
		rest_refuse(w, call, 409, "DeviceAlreadyExists", text);
	} else if (d == NULL && call->if_match != NULL) {
		rest_refuse_unknown(w, call);
	} else if (d != NULL && !identity_fits(call, d)) {
		refuse_stale(w, call);
	} else if (d == NULL && is_full(w)) {
		rest_refuse(w, call, 403, "TooManyDevices", "The maximum number of devices is reached.");
	} else {
		if (d == NULL)
			d = fleet_create(w, call->device_id);
		grant(w, d, &wish);
		answer_identity(w, call, d);
	}
}

void registry_get(struct world *w, struct call *call)
{
	const struct device *d = fleet_get(w, call->device_id);

	if (d == NULL)
		rest_refuse_unknown(w, call);
	else
		answer_identity(w, call, d);
}

void registry_delete(struct world *w, struct call *call)
{
	struct device *d = fleet_get(w, call->device_id);

	if (d == NULL) {
		rest_refuse_unknown(w, call);
	} else if (call->if_match == NULL || !identity_fits(call, d)) {
		refuse_stale(w, call);
	} else {
		fleet_delete(w, d);
		rest_answer(w, call, 204);
	}
}

void registry_list(struct world *w, struct call *call)
{
	uint64_t top = LIST_MAX, n = 0;

	if (!rest_query_number(call, "top", &top) || top == 0 || top > LIST_MAX) {
		rest_refuse(w, call, 400, "ArgumentInvalid", "BadRequest");
		return;
	}
	buf_putc(&call->out, '[');
	for (uint32_t no = 0; no < w->fleet.n && n < top; no++) {
		const struct device *d = fleet_at(w, no);

		if (!d->live.exists)
			continue;
		if (n++ > 0)
			buf_putc(&call->out, ',');
		print_identity(w, d, &call->out);
	}
	buf_putc(&call->out, ']');
	rest_answer(w, call, 200);
}

/* --- Bulk --- */

bool registry_prepare_bulk(struct world *w, struct call *call)
{
	if (json_is_array(call->json) && json_array_size(call->json) > 0 &&
	    json_array_size(call->json) <= BULK_MAX)
		return true;
	rest_refuse(w, call, 400, "ArgumentInvalid", "BadRequest");
	return false;
}

static bool etag_is(const struct device *d, const json_t *entry, bool of_twin)
{
	const char *given = text_at(entry, "eTag");
	char twin[ETAG_SIZE];
	struct buf etag = BUF_INIT;
	bool is_same;

	if (of_twin)
		return given != NULL && strcmp(given, twin_etag(&d->live, twin)) == 0;
	registry_etag(d, &etag);
	is_same = given != NULL && strcmp(given, etag.data) == 0;
	buf_done(&etag);
	return is_same;
}

/* Does one entry. Modes are taken in any case: the Node.js SDK says "create", but "Delete" and
 * "UpdateIfMatchETag". Gives NULL or the name of the error. */
static const char *bulk_one(struct world *w, const json_t *entry)
{
	const char *mode = text_at(entry, "importMode");
	const json_t *desired = json_object_get(json_object_get(entry, "properties"), "desired");
	struct device *d;
	struct wish wish;

	if (!read_wish(w, entry, "id", &wish))
		return "ArgumentInvalid";
	d = fleet_get(w, wish.id);
	if (mode == NULL || strcasecmp(mode, "create") == 0) {
		if (d != NULL)
			return "DeviceAlreadyExists";
		if (is_full(w))
			return "TooManyDevices";
		d = fleet_create(w, wish.id);
		grant(w, d, &wish);
		return fleet_write(w, d, json_object_get(entry, "tags"), desired, true) ? NULL
		                                                                        : "ArgumentInvalid";
	}
	if (d == NULL)
		return "DeviceNotFound";
	if (strcasecmp(mode, "updateTwin") == 0 || strcasecmp(mode, "updateTwinIfMatchETag") == 0) {
		if (strcasecmp(mode, "updateTwin") != 0 && !etag_is(d, entry, true))
			return "PreconditionFailed";
		return fleet_write(w, d, json_object_get(entry, "tags"), desired, false) ? NULL
		                                                                         : "ArgumentInvalid";
	}
	if (strcasestr(mode, "IfMatchETag") != NULL && !etag_is(d, entry, false))
		return "PreconditionFailed";
	if (strncasecmp(mode, "delete", 6) == 0)
		fleet_delete(w, d);
	else if (strncasecmp(mode, "update", 6) == 0)
		grant(w, d, &wish);
	else
		return "ArgumentInvalid";
	return NULL;
}

void registry_bulk(struct world *w, struct call *call)
{
	struct buf errors = BUF_INIT;
	const json_t *entry;
	size_t i;

	json_array_foreach (call->json, i, entry) {
		const char *error = bulk_one(w, entry), *id = text_at(entry, "id");

		if (error == NULL)
			continue;
		buf_puts(&errors, errors.len > 0 ? ",{\"deviceId\":" : "{\"deviceId\":");
		buf_json(&errors, id != NULL ? id : "");
		buf_printf(&errors, ",\"errorCode\":\"%s\",\"errorStatus\":\"%s\"}", error, error);
	}
	buf_printf(&call->out, "{\"isSuccessful\":%s,\"errors\":[%s],\"warnings\":[]}",
	           errors.len > 0 ? "false" : "true", errors.len > 0 ? errors.data : "");
	rest_answer(w, call, errors.len > 0 ? 400 : 200);
	buf_done(&errors);
}

/* --- Statistics --- */

void registry_device_statistics(struct world *w, struct call *call)
{
	buf_printf(&call->out,
	           "{\"totalDeviceCount\":%u,\"enabledDeviceCount\":%u,\"disabledDeviceCount\":%u}",
	           w->fleet.exist_n, w->fleet.exist_n - w->fleet.disabled_n, w->fleet.disabled_n);
	rest_answer(w, call, 200);
}

void registry_service_statistics(struct world *w, struct call *call)
{
	buf_printf(&call->out, "{\"connectedDeviceCount\":%u}", w->fleet.connected_n);
	rest_answer(w, call, 200);
}
