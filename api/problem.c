/* api: see problem.h */
#include "api/problem.h"

static const struct {
	unsigned status;
	const char *code, *title;
} problems[] = {
#define X(name, status, code, title) {status, code, title},
        PROBLEMS(X)
#undef X
};

unsigned problem_status(enum problem p)
{
	return problems[p].status;
}

enum problem problem_of(enum err err)
{
	switch (err) {
	case ERR_NOT_FOUND:
		return PROBLEM_NOT_FOUND;
	case ERR_CONFLICT:
		return PROBLEM_WRONG_STATE;
	case ERR_INVALID:
		return PROBLEM_UNSOUND;
	case ERR_BUSY:
		return PROBLEM_BUSY;
	case ERR_TOO_MANY:
		return PROBLEM_TOO_MANY;
	case ERR_CLOSED:
		return PROBLEM_DRAINING;
	case ERR_OK:
	case ERR_NOMEM:
	case ERR_IO:
	case ERR_FULL:
	case ERR_CORRUPT:
	case ERR_TOO_NEW:
	case ERR_LOCKED:
	case ERR_DENIED:
	case ERR_NOT_SENT:
	case ERR_NO_TOKEN:
	case ERR_AMBIGUOUS:
		break;
	}
	return PROBLEM_INTERNAL;
}

static void put_errors(struct buf *out, const struct faults *faults, const char *pointer_member)
{
	buf_puts(out, ",\"errors\":[");
	for (size_t i = 0; i < faults->n; i++) {
		buf_printf(out, "%s{\"%s\":", i > 0 ? "," : "", pointer_member);
		buf_json(out, faults->all[i].pointer);
		buf_puts(out, ",\"detail\":");
		buf_json(out, faults->all[i].detail);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
	if (faults->left_out > 0)
		buf_printf(out, ",\"errorsLeftOut\":%zu", faults->left_out);
}

void problem_render(struct buf *out, enum problem p, const char *detail, const struct faults *faults,
                    const char *pointer_member, long offset)
{
	buf_printf(out, "{\"type\":\"urn:rollcall:problem:%s\",\"title\":\"%s\",\"status\":%u",
	           problems[p].code, problems[p].title, problems[p].status);
	if (detail != NULL) {
		buf_puts(out, ",\"detail\":");
		buf_json(out, detail);
	}
	buf_printf(out, ",\"code\":\"%s\"", problems[p].code);
	if (faults != NULL)
		put_errors(out, faults, pointer_member);
	if (offset >= 0)
		buf_printf(out, ",\"offset\":%ld", offset);
	buf_puts(out, "}\n");
}
