/* tests: server/hub/framing under libFuzzer: an answer is read the same in one piece and byte by byte, and
 * never past its end. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "server/hub/framing.h"

#define BODY_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static size_t read_in(struct framing *f, const char *text, size_t n, size_t piece)
{
	size_t at = 0;

	framing_begin(f, BODY_MAX);
	while (at < n && f->state < FRAMING_DONE) {
		size_t some = piece > n - at ? n - at : piece, taken = framing_take(f, text + at, some);

		assert(taken <= some && (taken == some || f->state >= FRAMING_DONE));
		at += taken;
	}
	framing_end(f);
	assert(f->state == FRAMING_DONE || (f->state == FRAMING_BROKEN && f->wrong != NULL));
	assert(f->body.len <= BODY_MAX);
	return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct framing whole = {0}, pieces = {0};
	size_t a = read_in(&whole, (const char *)data, n, n), b = read_in(&pieces, (const char *)data, n, 1);

	assert(whole.state == pieces.state);
	if (whole.state == FRAMING_DONE) {
		assert(a == b && whole.status == pieces.status && whole.body.len == pieces.body.len);
		assert(whole.body.len == 0 || memcmp(whole.body.data, pieces.body.data, whole.body.len) == 0);
	}
	framing_free(&whole);
	framing_free(&pieces);
	return 0;
}
