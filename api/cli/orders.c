/* api/cli: orders: pause, resume, cancel, approve. */
#include <string.h>

#include "api/cli/command.h"
#include "api/cli/field.h"
#include "api/cli/text.h"

/* Says the state that the order led to. */
static enum status order(struct command *c, const char *what, const char *body)
{
	struct buf path = BUF_INIT, out = BUF_INIT;
	struct question q = {.method = "POST", .body = body, .body_bytes = body != NULL ? strlen(body) : 0};
	json_t *campaign = NULL;
	enum status status;

	buf_puts(&path, "/v1/campaigns/");
	put_part(&path, c->o.arguments[0]);
	buf_printf(&path, "/%s", what);
	q.path = path.data;
	status = ask(c, &q, &campaign);
	if (status == STATUS_OK && c->o.output == OUTPUT_JSON) {
		say_json(campaign);
	} else if (status == STATUS_OK) {
		buf_puts(&out, field_text(campaign, "state"));
		if (field_text(campaign, "stateReason")[0] != '\0') {
			buf_puts(&out, ": ");
			text_plain(&out, field_text(campaign, "stateReason"));
		}
		buf_putc(&out, '\n');
		say(&out);
	}
	if (status == STATUS_OK && c->o.watches)
		status = watch(c, c->o.arguments[0]);
	json_decref(campaign);
	buf_done(&path);
	buf_done(&out);
	return status;
}

enum status command_pause(struct command *c)
{
	return order(c, "pause", NULL);
}

enum status command_resume(struct command *c)
{
	return order(c, "resume", NULL);
}

enum status command_cancel(struct command *c)
{
	return order(c, "cancel", NULL);
}

enum status command_approve(struct command *c)
{
	return order(c, "approve", c->o.overrides ? "{\"override\":true}" : NULL);
}
