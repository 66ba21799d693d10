/* api/cli/event: takes a stream of Server-Sent Events apart (WHATWG HTML 9.2.6). Pure. */
#ifndef ROLLCALL_API_CLI_EVENT_H
#define ROLLCALL_API_CLI_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"

/* type is "message" where the stream names none. Borrowed until the callback returns. */
typedef void event_cb(void *arg, const char *type, const char *data);

struct event_reader {
	event_cb *on_event;
	void *arg;
	uint64_t last_id;  /* of the last event given, to come back with; kept over streams */
	uint32_t retry_ms; /* how soon to come back, as last told; likewise */
	/* of the event that is coming */
	struct buf line, data;
	char type[32];
	uint64_t id;
	char last; /* character, for CR LF */
};

void event_reader_init(struct event_reader *r, uint64_t last_id, event_cb *on_event, void *arg);
void event_reader_done(struct event_reader *r);
/* A new stream begins: what came of an event is forgotten. */
void event_reader_begin(struct event_reader *r);
void event_reader_put(struct event_reader *r, const char *data, size_t n);

#endif
