/* agent: see connection.h */
#include "deploy/agent/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/agent/sas.h"

#define DEVICE_ID_MAX 128

static bool wrong(char *why, size_t size, const char *text)
{
	snprintf(why, size, "connection string: %s", text);
	return false;
}

static bool put(char **to, const char *value, size_t n)
{
	if (*to != NULL || n == 0)
		return false;
	*to = strndup(value, n);
	return *to != NULL;
}

/* One NAME=VALUE; only the first = parts them, since keys end in more. */
static bool read_pair(const char *pair, size_t n, struct connection *c, char **x509, char *why,
                      size_t why_size)
{
	static const char *const names[] = {"HostName", "DeviceId", "SharedAccessKey", "GatewayHostName",
	                                    "x509"};
	char **const members[] = {&c->host, &c->device_id, &c->key, &c->gateway, x509};
	const char *is = memchr(pair, '=', n);
	size_t name_n = is == NULL ? n : (size_t)(is - pair);

	for (size_t i = 0; is != NULL && i < sizeof names / sizeof *names; i++)
		if (strlen(names[i]) == name_n && strncmp(pair, names[i], name_n) == 0) {
			if (put(members[i], is + 1, n - name_n - 1))
				return true;
			snprintf(why, why_size, "connection string: %s is empty, or there twice", names[i]);
			return false;
		}
	if (is != NULL && name_n == 21 && strncmp(pair, "SharedAccessSignature", 21) == 0)
		return wrong(why, why_size,
		             "SharedAccessSignature cannot be renewed: give SharedAccessKey, or x509=true");
	if (is != NULL && name_n == 8 && strncmp(pair, "ModuleId", 8) == 0)
		return wrong(why, why_size, "ModuleId: modules are not supported");
	if (is == NULL)
		return wrong(why, why_size, "a part without = is not known");
	snprintf(why, why_size, "connection string: %.*s is not known", (int)(name_n < 40 ? name_n : 40),
	         pair);
	return false;
}

static bool is_plain(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~' || strchr("/?#+", *text) != NULL)
			return false;
	return true;
}

static bool is_sound(const struct connection *c, const char *x509, char *why, size_t size)
{
	if (c->host == NULL)
		return wrong(why, size, "HostName is missing");
	if (c->device_id == NULL)
		return wrong(why, size, "DeviceId is missing");
	if (!is_plain(c->host) || !is_plain(c->device_id) || strlen(c->device_id) > DEVICE_ID_MAX)
		return wrong(why, size, "HostName or DeviceId holds what cannot stand there");
	if (x509 != NULL && strcmp(x509, "true") != 0)
		return wrong(why, size, "x509 can only be true");
	if ((x509 != NULL) == (c->key != NULL))
		return wrong(why, size, "one of SharedAccessKey and x509=true is needed");
	if (c->key != NULL && !sas_key_is_sound(c->key))
		return wrong(why, size, "SharedAccessKey is not base64 of 1 to 64 bytes");
	return true;
}

bool connection_read(const char *text, struct connection *ret, char *why, size_t why_size)
{
	struct connection c = {.host = NULL};
	char *x509 = NULL;
	size_t n;
	bool is_good = true;

	for (; is_good && *text != '\0'; text += n + (text[n] == ';')) {
		n = strcspn(text, ";");
		is_good = n == 0 || read_pair(text, n, &c, &x509, why, why_size);
	}
	is_good = is_good && is_sound(&c, x509, why, why_size);
	free(x509);
	if (is_good)
		*ret = c;
	else
		connection_done(&c);
	return is_good;
}

void connection_done(struct connection *c)
{
	if (c->key != NULL)
		explicit_bzero(c->key, strlen(c->key));
	free(c->host);
	free(c->device_id);
	free(c->key);
	free(c->gateway);
	*c = (struct connection){.host = NULL};
}

bool address_read(const char *address, int default_port, char *host, int *ret_port)
{
	const char *start = address, *end, *port;
	char *rest = NULL;
	long number = default_port;

	if (*address == '[') {
		start++;
		end = strchr(address, ']');
		port = end == NULL ? NULL : end + 1;
	} else {
		end = address + strcspn(address, ":");
		port = end;
	}
	if (end == NULL || end == start || (*port != '\0' && *port != ':'))
		return false;
	if (*port == ':') {
		number = port[1] < '0' || port[1] > '9' ? 0 : strtol(port + 1, &rest, 10);
		if (number < 1 || number > 65535 || *rest != '\0')
			return false;
	}
	memcpy(host, start, (size_t)(end - start));
	host[end - start] = '\0';
	*ret_port = (int)number;
	return true;
}
