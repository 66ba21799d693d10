/* api/cli: see command.h */
#include "api/cli/command.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/field.h"
#include "api/cli/text.h"

enum status complain(enum status status, const char *format, ...)
{
	struct buf plain = BUF_INIT;
	char text[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	text_plain(&plain, text);
	fprintf(stderr, "rollcall: %s\n", plain.len > 0 ? plain.data : "");
	buf_done(&plain);
	return status;
}

/* ---- requests ---- */

enum status refused(const struct reply *r)
{
	json_t *problem, *fault;
	size_t i;

	if (r->status == 0)
		return complain(STATUS_UNREACHED, "%s", r->reason);
	problem = json_loadb(r->body.len > 0 ? r->body.data : "", r->body.len, 0, NULL);
	if (field_text(problem, "title")[0] != '\0')
		complain(STATUS_REFUSED, "%u %s: %s", r->status, field_text(problem, "title"),
		         field_text(problem, "detail"));
	else
		complain(STATUS_REFUSED, "the service answers %u", r->status);
	json_array_foreach (field(problem, "errors"), i, fault)
		complain(STATUS_REFUSED, "  %s%s: %s", field_text(fault, "pointer"),
		         field_text(fault, "parameter"), field_text(fault, "detail"));
	json_decref(problem);
	return r->status == 401 || r->status == 403 ? STATUS_NOT_ALLOWED : STATUS_REFUSED;
}

enum status ask(struct command *c, const struct question *q, json_t **ret)
{
	struct reply r;
	json_error_t error;
	enum status status = STATUS_OK;

	client_ask(c->client, q, &r);
	if (r.status / 100 != 2)
		status = refused(&r);
	else if ((*ret = json_loadb(r.body.len > 0 ? r.body.data : "", r.body.len, 0, &error)) == NULL)
		status = complain(STATUS_REFUSED, "what answers is not the service: %s", error.text);
	reply_done(&r);
	return status;
}

enum status get(struct command *c, const char *path, json_t **ret)
{
	return ask(c, &(struct question){.path = path}, ret);
}

enum status each(struct command *c, const char *path, uint64_t limit,
                 bool (*on_item)(void *arg, json_t *item), void *arg)
{
	char *next = xstrdup(path);
	enum status status = STATUS_OK;
	uint64_t n = 0;

	while (next != NULL && status == STATUS_OK) {
		json_t *page = NULL, *item;
		bool goes_on = true;
		size_t i;

		status = get(c, next, &page);
		free(next);
		next = NULL;
		json_array_foreach (field(page, "value"), i, item) {
			goes_on = (limit == 0 || n++ < limit) && on_item(arg, item);
			if (!goes_on)
				break;
		}
		if (goes_on && field_text(page, "nextLink")[0] == '/')
			next = xstrdup(field_text(page, "nextLink"));
		json_decref(page);
	}
	return status;
}

/* ---- paths ---- */

void put_part(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (isalnum((unsigned char)*text) || strchr("-._~", *text) != NULL)
			buf_putc(out, *text);
		else
			buf_printf(out, "%%%02X", (unsigned char)*text);
	}
}

void put_param(struct buf *out, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_printf(out, "%c%s=", strchr(out->data, '?') != NULL ? '&' : '?', name);
	put_part(out, value);
}

/* ---- output ---- */

void say(const struct buf *text)
{
	if (text->len > 0)
		fwrite(text->data, 1, text->len, stdout);
}

void say_json(const json_t *o)
{
	json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
	fputc('\n', stdout);
}
