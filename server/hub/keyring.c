/* hub: see keyring.h */
#include "server/hub/keyring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/secret.h"

static void connections_done(struct connection *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		connection_done(&all[i]);
}

/* One a line; lines of white space count for nothing. */
static enum err read_lines(const char *text, struct connection all[KEYRING_MAX], size_t *ret_n,
                           const char **ret_reason)
{
	enum err err = ERR_OK;
	size_t n = 0;

	while (err == ERR_OK && text[strspn(text, " \t\r\n")] != '\0') {
		size_t len;
		char *line;

		text += strspn(text, " \t\r\n");
		len = strcspn(text, "\r\n");
		if (n == KEYRING_MAX) {
			*ret_reason = "there are more than two: a primary and a secondary";
			err = ERR_INVALID;
			break;
		}
		line = xstrndup(text, len);
		err = connection_parse(line, &all[n], ret_reason);
		explicit_bzero(line, len);
		free(line);
		n += err == ERR_OK;
		if (n == 2 && strcmp(all[0].host, all[1].host) != 0) {
			*ret_reason = "the two are of different hubs";
			err = ERR_INVALID;
		}
		text += len;
	}
	if (err == ERR_OK && n == 0)
		err = connection_parse("", &all[0], ret_reason); /* which says what one needs */
	if (err == ERR_OK)
		*ret_n = n;
	else
		connections_done(all, n);
	return err;
}

enum err keyring_init(struct keyring *ret, const char *text, const char *file, const char **ret_reason)
{
	struct keyring k = {.file = NULL};
	enum err err = read_lines(text, k.all, &k.n, ret_reason);

	if (err != ERR_OK)
		return err;
	k.file = file != NULL ? xstrdup(file) : NULL;
	*ret = k;
	return ERR_OK;
}

void keyring_done(struct keyring *k)
{
	free(k->file);
	connections_done(k->all, k->n);
	*k = (struct keyring){.file = NULL};
}

const struct connection *keyring_current(const struct keyring *k)
{
	return &k->all[k->current];
}

static bool is_same_key(const struct connection *a, const struct connection *b)
{
	return strcmp(a->policy, b->policy) == 0 && a->key.n == b->key.n &&
	       memcmp(a->key.bytes, b->key.bytes, a->key.n) == 0;
}

static enum err read_file(const char *file, char text[KEYRING_FILE_MAX_BYTES + 1],
                          char reason[KEYRING_REASON_SIZE])
{
	if (secret_read_file(file, text, KEYRING_FILE_MAX_BYTES) >= 0)
		return ERR_OK;
	snprintf(reason, KEYRING_REASON_SIZE, "%s cannot be read: %s", file, strerror(errno));
	return ERR_NOT_FOUND;
}

/* What the file says now, of the hub that it has always been of. */
static enum err read_again(const struct keyring *k, struct connection all[KEYRING_MAX], size_t *ret_n,
                           char reason[KEYRING_REASON_SIZE])
{
	char text[KEYRING_FILE_MAX_BYTES + 1];
	const char *why = "";
	enum err err = read_file(k->file, text, reason);

	if (err == ERR_OK) {
		err = read_lines(text, all, ret_n, &why);
		if (err == ERR_OK && strcmp(all[0].host, k->all[0].host) != 0) {
			connections_done(all, *ret_n);
			why = "it is of another hub";
			err = ERR_INVALID;
		}
		if (err != ERR_OK)
			snprintf(reason, KEYRING_REASON_SIZE, "%s is not taken: %s", k->file, why);
	}
	explicit_bzero(text, sizeof text);
	return err;
}

/* Which of all is to be used, when it was was until now. */
static size_t choose(const struct connection *all, size_t n, const struct connection *was, bool is_refused)
{
	for (size_t i = 0; i < n; i++)
		if (is_same_key(&all[i], was) != is_refused)
			return i;
	return 0;
}

enum err keyring_renew(struct keyring *k, bool is_refused, char reason[KEYRING_REASON_SIZE])
{
	struct connection all[KEYRING_MAX];
	size_t n, current;
	enum err err = k->file != NULL ? read_again(k, all, &n, reason) : ERR_OK;

	if (k->file == NULL || err != ERR_OK) {
		k->current = choose(k->all, k->n, keyring_current(k), is_refused);
		return err;
	}
	current = choose(all, n, keyring_current(k), is_refused);
	connections_done(k->all, k->n);
	memcpy(k->all, all, sizeof all);
	k->n = n;
	k->current = current;
	return ERR_OK;
}
