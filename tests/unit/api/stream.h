/* tests: a client of an answer that comes in chunks. */
#ifndef ROLLCALL_TESTS_UNIT_API_STREAM_H
#define ROLLCALL_TESTS_UNIT_API_STREAM_H

#include "tests/unit/api/harness.h"

struct stream {
	struct client client;
	struct buf text; /* without the chunks' frames */
	size_t head_len, at;
	bool has_ended; /* by the last chunk */
};

/* Asks; headers as with ask(). */
void stream_begin(struct stream *s, const char *path, const char *headers);
void stream_done(struct stream *s);
/* Reads what there is; the answer has to be 200. */
void stream_read(struct stream *s);
bool stream_has(const struct stream *s, const char *text);
/* Until the text has come. */
void stream_wait(struct stream *s, const char *text);
/* Until the end, or until the server has closed. */
void stream_wait_end(struct stream *s);

#endif
