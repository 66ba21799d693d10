/* hub: see connection.h */
#include "server/hub/connection.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/base/secret.h"

static const char host_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
static const char white[] = " \t\r\n";

static enum err refuse(const char **ret_reason, const char *reason)
{
	*ret_reason = reason;
	return ERR_INVALID;
}

/* --- the connection string --- */

/* The three that count, and one that tells a device's string from a service's. */
struct parts {
	const char *host, *policy, *key, *device;
};

static const char **part_of(struct parts *p, const char *name)
{
	return strcmp(name, "HostName") == 0              ? &p->host
	       : strcmp(name, "SharedAccessKeyName") == 0 ? &p->policy
	       : strcmp(name, "SharedAccessKey") == 0     ? &p->key
	       : strcmp(name, "DeviceId") == 0            ? &p->device
	                                                  : NULL;
}

/* Cuts text into pairs, in place. Only the first '=' of a pair splits: keys end in '='. */
static enum err split(char *text, struct parts *ret, const char **ret_reason)
{
	char *rest = text, *pair;

	while ((pair = strsep(&rest, ";")) != NULL) {
		char *value = strchr(pair, '=');
		const char **part;

		if (*pair == '\0')
			continue;
		if (value == NULL)
			return refuse(ret_reason, "a part of it is not name=value");
		*value++ = '\0';
		part = part_of(ret, pair);
		if (part == NULL)
			continue;
		if (*part != NULL)
			return refuse(ret_reason, "a name is given twice");
		*part = value;
	}
	return ERR_OK;
}

/* "" or ":8443" */
static bool is_port(const char *text, size_t n)
{
	return n == 0 || (n >= 2 && n <= 6 && text[0] == ':' && strspn(text + 1, "0123456789") >= n - 1 &&
	                  strtol(text + 1, NULL, 10) <= 65535);
}

static bool is_host(const char *host, size_t n)
{
	return n > 0 && host[0] != '.' && host[0] != '-' && strspn(host, host_chars) >= n;
}

static enum err check(const struct parts *p, struct sas_key *ret_key, const char **ret_reason)
{
	size_t host_n;

	if (p->device != NULL)
		return refuse(ret_reason, "it is a device's, with DeviceId: a service policy's is needed");
	if (p->host == NULL || p->policy == NULL || p->key == NULL || *p->policy == '\0')
		return refuse(ret_reason,
		              "HostName, SharedAccessKeyName and SharedAccessKey are all needed, spelt so");
	host_n = strcspn(p->host, ":");
	if (!is_host(p->host, host_n) || !is_port(p->host + host_n, strlen(p->host + host_n)))
		return refuse(ret_reason, "HostName is not a host name");
	if (!sas_key_read(p->key, ret_key))
		return refuse(ret_reason, "SharedAccessKey is not base64 of 1 to 128 bytes");
	return ERR_OK;
}

enum err connection_parse(const char *text, struct connection *ret, const char **ret_reason)
{
	struct parts parts = {NULL, NULL, NULL, NULL};
	struct sas_key key;
	char *copy;
	size_t len;
	enum err err;

	text += strspn(text, white);
	len = strlen(text);
	while (len > 0 && strchr(white, text[len - 1]) != NULL)
		len--;
	copy = xstrndup(text, len);
	err = split(copy, &parts, ret_reason);
	if (parts.key != NULL)
		secret_register(parts.key);
	if (err == ERR_OK)
		err = check(&parts, &key, ret_reason);
	if (err == ERR_OK)
		*ret = (struct connection){xstrdup(parts.host), xstrdup(parts.policy), key};
	explicit_bzero(&key, sizeof key);
	explicit_bzero(copy, len);
	free(copy);
	return err;
}

void connection_done(struct connection *c)
{
	free(c->host);
	free(c->policy);
	explicit_bzero(&c->key, sizeof c->key);
}

/* --- the endpoint --- */

static bool is_loopback(const char *host, size_t n)
{
	struct in_addr v4;
	char text[INET_ADDRSTRLEN];

	if (n == strlen("localhost") && strncasecmp(host, "localhost", n) == 0)
		return true;
	if (n >= sizeof text)
		return false;
	memcpy(text, host, n);
	text[n] = '\0';
	return inet_pton(AF_INET, text, &v4) == 1 && ntohl(v4.s_addr) >> 24 == 127;
}

enum err connection_check_endpoint(const char *url, const char **ret_reason)
{
	bool is_plain = strncasecmp(url, "http://", 7) == 0, may_be_plain;
	const char *host;
	size_t authority_n, n;

	if (!is_plain && strncasecmp(url, "https://", 8) != 0)
		return refuse(ret_reason, "it has to begin with https://");
	host = url + (is_plain ? 7 : 8);
	authority_n = strcspn(host, "/");
	if (strncmp(host, "[::1]", 5) == 0) {
		n = 5;
		may_be_plain = true;
	} else {
		n = strcspn(host, ":/");
		if (!is_host(host, n))
			return refuse(ret_reason, "its host is not a name or an IPv4 address or [::1]");
		may_be_plain = is_loopback(host, n);
	}
	if (!is_port(host + n, authority_n - n))
		return refuse(ret_reason, "what follows its host is not a port");
	if (host[authority_n] == '/' && host[authority_n + 1] != '\0')
		return refuse(ret_reason, "nothing may follow its host and port");
	if (is_plain && !may_be_plain)
		return refuse(ret_reason, "plain http is for loopback addresses only");
	return ERR_OK;
}
