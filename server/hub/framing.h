/* hub/framing: reads one HTTP/1.1 answer as its bytes come (RFC 9112), strictly: what leaves any doubt about
 * where it ends is broken, and with it the connection. Pure. */
#ifndef ROLLCALL_SERVER_HUB_FRAMING_H
#define ROLLCALL_SERVER_HUB_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/hub/captured.h"

#define FRAMING_HEAD_MAX 32768 /* bytes of one head, and of all trailers */

enum framing_state {
	FRAMING_HEAD,
	FRAMING_LENGTH,     /* so many bytes of the body are to come */
	FRAMING_TO_THE_END, /* of the connection */
	FRAMING_CHUNK_SIZE,
	FRAMING_CHUNK,
	FRAMING_CHUNK_END, /* the CRLF behind a chunk */
	FRAMING_TRAILERS,
	FRAMING_DONE,
	FRAMING_BROKEN,
};

struct framing {
	enum framing_state state;
	int status;
	bool may_go_on; /* DONE: the connection can take another request */
	struct captured captured;
	struct buf body;
	const char *wrong; /* BROKEN: plain English */
	/* for framing.c */
	size_t body_max;
	uint64_t left;   /* bytes of the body, or of the chunk */
	struct buf line; /* what has come of a head, a chunk's size or the trailers */
	size_t scanned;  /* of line: holds no end */
	size_t trailer_bytes;
};

/* All zero bytes are a framing to begin with. */
void framing_begin(struct framing *f, size_t body_max);
/* Takes of n bytes what belongs to the answer, and gives how many; fewer than n only once it is DONE or
 * BROKEN. */
size_t framing_take(struct framing *f, const char *data, size_t n);
/* The connection has ended: then the answer is DONE or BROKEN. */
void framing_end(struct framing *f);
void framing_free(struct framing *f);

#endif
