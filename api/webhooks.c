/* api: webhooks, and what could not be delivered to them. See handlers.h */
#include "server/webhook/webhooks.h"

#include <stdio.h>

#include "api/handlers.h"
#include "api/json.h"
#include "api/page.h"
#include "api/request.h"

void webhooks_list(struct request *r)
{
	const struct webhooks *all = r->context->webhooks;
	struct webhook_view view;
	struct page p;

	page_begin(&p, r);
	for (size_t i = 0; i < webhooks_n(all); i++) {
		webhooks_view(all, i, &view);
		json_webhook(page_item(&p), &view);
	}
	page_close(&p, false, 0);
	page_send_as_is(&p);
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
	const struct dead_letter *rows;
	uint64_t after = 0;
	uint32_t limit;
	size_t n, i = 0;
	struct page p;
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
	page_begin(&p, r);
	for (; i < n && p.n < limit && page_has_room(&p); i++)
		json_dead_letter(page_item(&p), &rows[i]);
	page_close(&p, n > i, i > 0 ? rows[i - 1].event_id : 0);
	page_send_as_is(&p);
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
