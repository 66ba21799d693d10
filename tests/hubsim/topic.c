/* tests/hubsim: see topic.h */
#include "tests/hubsim/topic.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/world/world.h"

/* Moves *at past prefix; false where it does not stand there. */
static bool skip(const char **at, const char *prefix)
{
	size_t len = strlen(prefix);

	if (strncmp(*at, prefix, len) != 0)
		return false;
	*at += len;
	return true;
}

/* Gives where the value of a parameter starts in "a=1&b=2", NULL if it is not there. */
static const char *parameter(const char *query, const char *name, size_t *ret_len)
{
	size_t name_len = strlen(name), len;

	for (;; query += len + 1) {
		len = strcspn(query, "&");
		if (len > name_len && query[name_len] == '=' && strncmp(query, name, name_len) == 0) {
			*ret_len = len - name_len - 1;
			return query + name_len + 1;
		}
		if (query[len] == '\0')
			return NULL;
	}
}

/* Reads "/?$rid=…". */
static bool read_rid(const char *at, struct topic *t)
{
	const char *rid;
	size_t len;

	if (!skip(&at, "/?"))
		return false;
	rid = parameter(at, "$rid", &len);
	if (rid == NULL || len == 0 || len > TOPIC_RID_BYTES_MAX)
		return false;
	memcpy(t->rid, rid, len);
	t->rid[len] = '\0';
	return true;
}

static bool read_status(const char **at, int *ret_status)
{
	const char *digits = *at + (**at == '-');
	size_t len = strspn(digits, "0123456789");

	if (len == 0 || len > 9)
		return false;
	*ret_status = (int)strtol(*at, NULL, 10);
	*at = digits + len;
	return true;
}

void topic_read(const char *text, const char *device_id, struct topic *ret_topic)
{
	struct topic *t = ret_topic;
	const char *at = text;

	memset(t, 0, sizeof *t);
	if (skip(&at, "$iothub/methods/res/")) {
		if (read_status(&at, &t->status) && read_rid(at, t))
			t->kind = TOPIC_REPLY;
	} else if (skip(&at, "$iothub/twin/GET")) {
		if (read_rid(at, t))
			t->kind = TOPIC_GET;
	} else if (skip(&at, "$iothub/twin/PATCH/properties/reported")) {
		if (read_rid(at, t))
			t->kind = TOPIC_REPORT;
	} else if (skip(&at, "devices/") && skip(&at, device_id) && skip(&at, "/messages/events")) {
		if (*at != '/' && *at != '\0')
			return;
		t->kind = TOPIC_MESSAGE;
		t->properties = at + (*at == '/');
	}
}

int topic_subscription(const char *filter, const char *device_id)
{
	const char *at = filter;
	int bit = -1;

	if (skip(&at, "$iothub/methods/POST/"))
		bit = WORLD_LINK_METHODS;
	else if (skip(&at, "$iothub/twin/res/"))
		bit = WORLD_LINK_TWIN;
	else if (skip(&at, "$iothub/twin/PATCH/properties/desired/"))
		bit = WORLD_LINK_DESIRED;
	else if (skip(&at, "devices/") && skip(&at, device_id) && skip(&at, "/messages/devicebound/"))
		bit = 0;
	return *at != '\0' ? bit : -1;
}

/* "2021-04-12", "2020-05-31-preview": device clients name many, and a hub takes them all. */
static bool version_is_sound(const char *version, size_t len)
{
	static const char form[] = "dddd-dd-dd";

	if (len != strlen(form) &&
	    (len != strlen(form) + 8 || memcmp(version + strlen(form), "-preview", 8) != 0))
		return false;
	for (size_t i = 0; form[i] != '\0'; i++)
		if (form[i] == 'd' ? !isdigit((unsigned char)version[i]) : version[i] != form[i])
			return false;
	return true;
}

bool topic_login_is_sound(const char *username, const char *client_id, const char *host)
{
	size_t authority_len = strcspn(username, "/"), host_len = strcspn(username, ":/"), len;
	const char *at = username + authority_len, *version;

	if (host_len != strlen(host) || strncasecmp(username, host, host_len) != 0)
		return false;
	if (!skip(&at, "/") || !skip(&at, client_id) || !skip(&at, "/?"))
		return false;
	version = parameter(at, "api-version", &len);
	return version != NULL && version_is_sound(version, len);
}
