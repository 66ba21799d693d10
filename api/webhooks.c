/* api: webhooks, and what could not be delivered to them. See handlers.h */
#include "server/webhook/webhooks.h"

#include <stdio.h>

#include "api/handlers.h"
#include "api/json.h"
#include "api/request.h"

void webhooks_list(struct request *r)
{
	const struct webhooks *all = r->context->webhooks;
	struct buf body = BUF_INIT;
	struct webhook_view view;

	buf_puts(&body, "{\"value\":[");
	for (size_t i = 0; i < webhooks_n(all); i++) {
		webhooks_view(all, i, &view);
		buf_puts(&body, i > 0 ? "," : "");
		json_webhook(&body, &view);
	}
	buf_puts(&body, "]}");
	reply_json(r, 200, &body);
}

/* Gives the webhook that the path names, -1: it replied that there is none. */
static int find(struct request *r)
{
	int i = webhooks_find(r->context->webhooks, r->parts[0]);

	if (i < 0)
		reply_problem(r, PROBLEM_NOT_FOUND, "no webhook has this name");
	return i;
}

void webhooks_dead_letters(struct request *r)
{
	struct faults faults = FAULTS_INIT;
	struct buf body = BUF_INIT;
	const struct dead_letter *rows;
	uint64_t after = 0;
	uint32_t limit, told = 0;
	size_t n, i = 0;
	int hook;

	request_page(r, &limit, &after, &faults);
	if (faults.n > 0) {
		reply_faults(r, PROBLEM_PARAMETER, &faults);
		return;
	}
	hook = find(r);
	if (hook < 0)
		return;
	rows = webhooks_dead(r->context->webhooks, (size_t)hook, &n);
	while (i < n && rows[i].event_id <= after)
		i++;
	buf_puts(&body, "{\"value\":[");
	for (; i < n && told < limit; i++) {
		buf_puts(&body, told++ > 0 ? "," : "");
		json_dead_letter(&body, &rows[i]);
	}
	buf_putc(&body, ']');
	if (i < n)
		request_put_next_cursor(r, rows[i - 1].event_id, &body);
	buf_putc(&body, '}');
	reply_json(r, 200, &body);
}

static void on_forgotten(void *arg, enum err err, const char *detail, const char *id)
{
	(void)id;
	if (err == ERR_OK)
		reply_empty(arg, 204);
	else
		reply_err(arg, err, detail);
}

void webhooks_forget(struct request *r)
{
	int hook = find(r);
	size_t n;
	char was[64];

	if (hook < 0)
		return;
	(void)webhooks_dead(r->context->webhooks, (size_t)hook, &n);
	snprintf(was, sizeof was, "%zu dead letters", n);
	request_sign(r, NULL);
	conductor_forget_dead_letters(r->context->conductor, r->parts[0], was, on_forgotten, r);
	conductor_sign(r->context->conductor, NULL);
	webhooks_forget_dead(r->context->webhooks, (size_t)hook);
}
