/* webhook: see endpoints.h */
#include "server/webhook/endpoints.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/campaign/member.h"
#include "server/hub/connection.h"
#include "server/webhook/message.h"

#define GIVE_UP_S 86400

static void endpoint_done(struct endpoint *e)
{
	free(e->name);
	free(e->base_url);
	free(e->path);
	free(e->secret_file);
	free(e->ca_file);
}

void endpoints_done(struct endpoints *e)
{
	for (size_t i = 0; i < e->n; i++)
		endpoint_done(&e->all[i]);
	free(e->all);
	*e = (struct endpoints){0};
}

static bool is_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t n = strlen(name);

	return n > 0 && n <= ENDPOINT_NAME_MAX && strspn(name, allowed) == n;
}

/* Cuts a URL behind its host. */
static void read_url(const struct section *s, const char *url, struct endpoint *ret)
{
	const char *host = strstr(url, "://"), *path, *reason = "";

	path = host != NULL ? host + 3 + strcspn(host + 3, "/?#") : url + strlen(url);
	ret->base_url = xstrndup(url, (size_t)(path - url));
	ret->path = xstrdup(path[0] == '/' ? path : "/");
	if (connection_check_endpoint(ret->base_url, &reason) != ERR_OK)
		member_wrong(s, "url", "%s", reason);
	else if (path[0] != '\0' && path[0] != '/')
		member_wrong(s, "url", "must have a path before \"%.16s\"", path);
	else if (strchr(path, '#') != NULL)
		member_wrong(s, "url", "must have no fragment");
}

static void read_one(struct section *s, struct endpoint *ret)
{
	static const struct known known[] = {
	        {"name"}, {"url"}, {"secretFile"}, {"caFile"}, {"giveUpSeconds"}};
	char reason[MESSAGE_REASON_SIZE];
	struct message_keys keys;
	const char *text;

	member_check(s, known, sizeof known / sizeof *known);
	if (member_text(s, "name", &text)) {
		ret->name = xstrdup(text);
		if (!is_name(text))
			member_wrong(s, "name", "must be 1 to %d letters, digits, _ or -", ENDPOINT_NAME_MAX);
	} else if (!member_is_there(s, "name")) {
		member_wrong(s, "name", "is missing");
	}
	if (member_text(s, "url", &text))
		read_url(s, text, ret);
	else if (!member_is_there(s, "url"))
		member_wrong(s, "url", "is missing");
	if (member_text(s, "secretFile", &text)) {
		ret->secret_file = xstrdup(text);
		if (message_keys_read(text, &keys, reason) != ERR_OK)
			member_wrong(s, "secretFile", "%s", reason);
		message_keys_done(&keys);
	} else if (!member_is_there(s, "secretFile")) {
		member_wrong(s, "secretFile", "is missing");
	}
	if (member_text(s, "caFile", &text))
		ret->ca_file = xstrdup(text);
	ret->give_up_s = GIVE_UP_S;
	(void)member_u32(s, "giveUpSeconds", 1, 30 * 86400, &ret->give_up_s);
}

enum err endpoints_parse(const char *text, size_t bytes, struct endpoints *ret, struct faults *faults)
{
	json_error_t error;
	json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
	size_t faults_n = faults->n + faults->left_out;

	*ret = (struct endpoints){0};
	if (!json_is_array(root) || json_array_size(root) > ENDPOINTS_MAX)
		faults_add(faults, "", "must be a JSON array of at most %d webhooks%s%s", ENDPOINTS_MAX,
		           root == NULL ? ": " : "", root == NULL ? error.text : "");
	else
		ret->all = xcalloc(json_array_size(root) + 1, sizeof *ret->all);
	for (; ret->all != NULL && ret->n < json_array_size(root); ret->n++) {
		struct section item = {.json = json_array_get(root, ret->n), .faults = faults};

		snprintf(item.pointer, sizeof item.pointer, "/%zu", ret->n);
		if (!json_is_object(item.json)) {
			faults_add(faults, item.pointer, "must be an object with name, url and secretFile");
			continue;
		}
		read_one(&item, &ret->all[ret->n]);
		for (size_t k = 0; k < ret->n && ret->all[ret->n].name != NULL; k++)
			if (ret->all[k].name != NULL && strcmp(ret->all[k].name, ret->all[ret->n].name) == 0)
				member_wrong(&item, "name", "is that of another webhook");
	}
	json_decref(root);
	if (faults->n + faults->left_out == faults_n)
		return ERR_OK;
	endpoints_done(ret);
	return ERR_INVALID;
}
