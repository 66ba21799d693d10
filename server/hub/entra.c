/* hub: see entra.h */
#include "server/hub/entra.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "server/base/secret.h"
#include "server/hub/percent.h"

#define SCOPE "https://iothubs.azure.net/.default"
#define RESOURCE "https://iothubs.azure.net"
#define ASSERTION_TYPE "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define FILE_MAX_BYTES 16384
#define LIFE_MAX_S (7 * 24 * 3600)

static char *copy_of(const char *text)
{
	return text != NULL ? xstrdup(text) : NULL;
}

void entra_copy(const struct entra *from, struct entra *ret)
{
	*ret = (struct entra){from->flow, copy_of(from->authority), copy_of(from->tenant_id),
	                      copy_of(from->client_id), copy_of(from->file)};
}

void entra_done(struct entra *e)
{
	free(e->authority);
	free(e->tenant_id);
	free(e->client_id);
	free(e->file);
}

/* ---- the request ---- */

/* Reads the whole file into text, which has room for FILE_MAX_BYTES and a NUL, less the white space at its
 * ends. */
static enum err read_file(const char *file, char *text, char reason[ENTRA_REASON_SIZE])
{
	static const char white[] = " \t\r\n";
	ssize_t n = secret_read_file(file, text, FILE_MAX_BYTES);
	size_t from;

	if (n < 0) {
		snprintf(reason, ENTRA_REASON_SIZE, "%s cannot be read: %s", file, strerror(errno));
		return ERR_NOT_FOUND;
	}
	while (n > 0 && strchr(white, text[n - 1]) != NULL)
		text[--n] = '\0';
	from = strspn(text, white);
	memmove(text, text + from, strlen(text + from) + 1);
	if (text[0] == '\0') {
		snprintf(reason, ENTRA_REASON_SIZE, "%s is empty", file);
		return ERR_NOT_FOUND;
	}
	return ERR_OK;
}

static void put_field(struct buf *form, const char *name, const char *value)
{
	buf_printf(form, "%s%s=", form->len > 0 ? "&" : "", name);
	percent_encode(value, form);
}

static void put_managed(const struct entra *e, struct buf *path)
{
	buf_puts(path, "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=");
	percent_encode(RESOURCE, path);
	if (e->client_id != NULL) {
		buf_puts(path, "&client_id=");
		percent_encode(e->client_id, path);
	}
}

enum err entra_request(const struct entra *e, struct buf *path, struct buf *form,
                       char reason[ENTRA_REASON_SIZE])
{
	char *secret;
	enum err err;

	if (e->flow == ENTRA_MANAGED_IDENTITY) {
		put_managed(e, path);
		return ERR_OK;
	}
	secret = xmalloc(FILE_MAX_BYTES + 1);
	err = read_file(e->file, secret, reason);
	if (err == ERR_OK) {
		if (e->flow == ENTRA_CLIENT_SECRET)
			secret_register(secret);
		buf_putc(path, '/');
		percent_encode(e->tenant_id, path);
		buf_puts(path, "/oauth2/v2.0/token");
		put_field(form, "grant_type", "client_credentials");
		put_field(form, "client_id", e->client_id);
		put_field(form, "scope", SCOPE);
		if (e->flow == ENTRA_WORKLOAD_IDENTITY)
			put_field(form, "client_assertion_type", ASSERTION_TYPE);
		put_field(form, e->flow == ENTRA_WORKLOAD_IDENTITY ? "client_assertion" : "client_secret",
		          secret);
	}
	explicit_bzero(secret, FILE_MAX_BYTES);
	free(secret);
	return err;
}

/* ---- the answer ---- */

/* A number of seconds, which the metadata service gives as a text; 0: none. */
static int64_t seconds_of(const json_t *json)
{
	int64_t s = json_is_string(json) ? strtoll(json_string_value(json), NULL, 10)
	                                 : (int64_t)json_integer_value(json);

	return s < 0 ? 0 : s > LIFE_MAX_S ? LIFE_MAX_S : s;
}

enum err entra_read(const char *body, size_t body_bytes, struct buf *ret_token, int64_t *ret_life_ms,
                    char reason[ENTRA_REASON_SIZE])
{
	json_t *root = json_loadb(body, body_bytes, 0, NULL);
	const char *token = json_string_value(json_object_get(root, "access_token"));
	const char *why = json_string_value(json_object_get(root, "error_description"));
	int64_t life_s = seconds_of(json_object_get(root, "expires_in"));
	bool is_sound = token != NULL && token[0] != '\0' && life_s > 0;

	if (why == NULL)
		why = json_string_value(json_object_get(root, "error"));
	if (is_sound) {
		buf_puts(ret_token, token);
		*ret_life_ms = life_s * 1000;
	} else {
		/* of Entra's many lines the first says what is wrong */
		snprintf(reason, ENTRA_REASON_SIZE, "%.*s", why != NULL ? (int)strcspn(why, "\r\n") : 100,
		         why != NULL ? why : "no token in the answer");
	}
	json_decref(root);
	return is_sound ? ERR_OK : ERR_INVALID;
}
