/* tests/fuzz: a double of api/httpd.h without sockets, chosen by the linker: one request, cut out of the
 * bytes of a fuzzer ("METHOD target\nName: value\n…\n\nbody", lines may end in CR), and what was answered. */
#ifndef ROLLCALL_TESTS_FUZZ_EXCHANGE_H
#define ROLLCALL_TESTS_FUZZ_EXCHANGE_H

#include <stdbool.h>

#include "api/httpd.h"

#define EXCHANGE_HEADERS_MAX 24

struct exchange {
	char *text; /* memory of the next three and the body */
	const char *method, *target;
	struct {
		const char *name, *value;
	} headers[EXCHANGE_HEADERS_MAX];
	size_t headers_n;
	const char *body;
	size_t body_bytes;
	bool wants_parts;
	/* the answer: */
	unsigned status; /* 0: none yet */
	struct httpd_header answered[EXCHANGE_HEADERS_MAX];
	size_t answered_n;
	struct buf sent;
	bool is_stream, has_ended, is_broken;
};

/* False: no method and target, or more headers than fit; then there is nothing to free. */
bool exchange_read(struct exchange *x, const char *data, size_t n);
void exchange_done(struct exchange *x);
/* Of the answer; NULL: it has none. Aborts where it has two. */
const char *exchange_answered(const struct exchange *x, const char *name);

#endif
