/* conductor: the record of orders: who gave each that changed something. See conduct.h */
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/conduct.h"

#define TEXT_MAX 1024 /* of each; what is longer is cut */

struct signature {
	char *text[AUDIT_TEXTS_N]; /* up to the campaign's id */
	char *what;
};

static char *copy(const char *text)
{
	return xstrndup(text != NULL ? text : "", strnlen(text != NULL ? text : "", TEXT_MAX));
}

void signature_free(struct signature *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < AUDIT_TEXTS_N; i++)
		free(s->text[i]);
	free(s->what);
	free(s);
}

void conductor_sign(struct conductor *c, const struct origin *o)
{
	struct signature *s;

	signature_free(conduct_take_signature(c));
	if (o == NULL)
		return;
	s = xcalloc(1, sizeof *s);
	s->text[AUDIT_ACTOR] = copy(o->actor);
	s->text[AUDIT_ROLE] = copy(o->role);
	s->text[AUDIT_ADDRESS] = copy(o->address);
	s->text[AUDIT_METHOD] = copy(o->method);
	s->text[AUDIT_PATH] = copy(o->path);
	s->text[AUDIT_REQUEST_ID] = copy(o->request_id);
	s->what = copy(o->what);
	c->signature = s;
}

struct signature *conduct_take_signature(struct conductor *c)
{
	struct signature *s = c->signature;

	c->signature = NULL;
	return s;
}

void conduct_give_signature(struct conductor *c, struct signature *s)
{
	signature_free(c->signature);
	c->signature = s;
}

void conduct_audit(struct conductor *c, const char *campaign_id, const char *was, const char *became)
{
	struct signature *s = conduct_take_signature(c);
	struct audit_row row = {.at_ms = conduct_now(c)};
	struct buf all = BUF_INIT;

	if (s == NULL)
		return;
	for (size_t i = 0; i < AUDIT_CAMPAIGN_ID; i++)
		row.text[i] = s->text[i];
	buf_puts(&all, became);
	if (s->what[0] != '\0')
		buf_printf(&all, ": %s", s->what);
	row.text[AUDIT_CAMPAIGN_ID] = campaign_id;
	row.text[AUDIT_WAS] = was;
	row.text[AUDIT_BECAME] = all.data;
	batch_audit_add(c->batch, &row);
	buf_done(&all);
	signature_free(s);
}
