/* api/cli: see event.h */
#include "api/cli/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MS 2000
#define LINE_MAX_BYTES ((size_t)1 << 20) /* the rest of a longer one is left out */

void event_reader_init(struct event_reader *r, uint64_t last_id, event_cb *on_event, void *arg)
{
	*r = (struct event_reader){.on_event = on_event,
	                           .arg = arg,
	                           .last_id = last_id,
	                           .retry_ms = RETRY_MS,
	                           .line = BUF_INIT,
	                           .data = BUF_INIT};
	event_reader_begin(r);
}

void event_reader_done(struct event_reader *r)
{
	buf_done(&r->line);
	buf_done(&r->data);
}

static void forget_event(struct event_reader *r)
{
	buf_reset(&r->data);
	snprintf(r->type, sizeof r->type, "message");
}

void event_reader_begin(struct event_reader *r)
{
	buf_reset(&r->line);
	forget_event(r);
	r->id = r->last_id;
	r->last = '\0';
}

static void end_event(struct event_reader *r)
{
	r->last_id = r->id;
	if (r->data.len > 0) {
		r->data.data[--r->data.len] = '\0'; /* the last line's end */
		r->on_event(r->arg, r->type, r->data.data);
	}
	forget_event(r);
}

static void take_field(struct event_reader *r, const char *name, const char *value)
{
	char *end;
	unsigned long long n;

	if (strcmp(name, "data") == 0) {
		buf_puts(&r->data, value);
		buf_putc(&r->data, '\n');
	} else if (strcmp(name, "event") == 0) {
		snprintf(r->type, sizeof r->type, "%s", value);
	} else if (strcmp(name, "id") == 0 || strcmp(name, "retry") == 0) {
		n = strtoull(value, &end, 10);
		if (end == value || *end != '\0')
			return;
		if (name[0] == 'i')
			r->id = n;
		else if (n <= 600000)
			r->retry_ms = (uint32_t)n;
	}
}

static void end_line(struct event_reader *r)
{
	char *line = r->line.len > 0 ? r->line.data : NULL, *colon;

	if (line == NULL) {
		end_event(r);
		return;
	}
	colon = strchr(line, ':');
	if (colon == NULL) {
		take_field(r, line, "");
	} else if (colon != line) { /* else it is a comment */
		*colon = '\0';
		take_field(r, line, colon[1] == ' ' ? colon + 2 : colon + 1);
	}
	buf_reset(&r->line);
}

void event_reader_put(struct event_reader *r, const char *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char c = data[i];

		if (c == '\r' || (c == '\n' && r->last != '\r'))
			end_line(r);
		else if (c != '\n' && r->line.len < LINE_MAX_BYTES)
			buf_putc(&r->line, c != '\0' ? c : ' ');
		r->last = c;
	}
}
