/* hub/captured: the headers of an answer that count for us, and what they say. Pure. */
#ifndef ROLLCALL_SERVER_HUB_CAPTURED_H
#define ROLLCALL_SERVER_HUB_CAPTURED_H

#include <stddef.h>

#include "server/base/buf.h"
#include "server/hub/http.h"

enum {
	CAPTURED_DATE,
	CAPTURED_RETRY_AFTER,
	CAPTURED_ERROR_CODE,
	CAPTURED_CONTINUATION,
	CAPTURED_REQUEST_ID,
	CAPTURED_N
};

struct captured {
	struct buf values[CAPTURED_N]; /* empty: not there */
};

void captured_reset(struct captured *c);
void captured_done(struct captured *c);
/* Keeps the value, less the white space around it, if the name is one of ours. */
void captured_take(struct captured *c, const char *name, size_t name_n, const char *value, size_t value_n);
/* Fills in the members of ret that are headers; they are borrowed from c. */
void captured_read(const struct captured *c, struct http_answer *ret);

#endif
