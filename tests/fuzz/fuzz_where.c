/* tests: server/hub/where under libFuzzer: whatever is not refused with a place and a reason is decided, its
 * NOT never holds beside it, and parentheses change nothing. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "server/base/buf.h"
#include "server/hub/where.h"

static const char twin_text[] =
        "{\"deviceId\":\"dev-1\",\"version\":4,\"status\":\"enabled\",\"statusReason\":null,"
        "\"tags\":{\"a\":\"A\",\"n\":5,\"half\":0.5,\"yes\":true,\"no\":false,\"list\":[1,\"A\"],"
        "\"max\":9223372036854775807,\"min\":-9223372036854775808},"
        "\"properties\":{\"desired\":{\"n\":5,\"$version\":2},\"reported\":{\"n\":6,\"$version\":7,"
        "\"$metadata\":{\"$lastUpdated\":\"2024-05-14T09:12:45Z\"}}}}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Parses before, text and after as one; NULL if refused, as by the limits. */
static struct where *wrapped(const char *before, const char *text, size_t n, const char *after)
{
	struct buf b = BUF_INIT;
	size_t at;
	const char *reason;
	struct where *w;

	buf_puts(&b, before);
	buf_put(&b, text, n);
	buf_puts(&b, after);
	w = where_parse(b.data, b.len, &at, &reason);
	buf_done(&b);
	return w;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static json_t *twin;
	const char *text = (const char *)data, *reason = NULL;
	size_t at = n + 1;
	struct where *w = where_parse(text, n, &at, &reason), *same, *opposite;
	bool is_true;

	if (twin == NULL)
		twin = json_loads(twin_text, 0, NULL);
	assert(twin != NULL);
	if (w == NULL) {
		assert(at <= n && reason != NULL);
		return 0;
	}
	is_true = where_holds(w, twin);
	same = wrapped("(", text, n, ")");
	opposite = wrapped("NOT (", text, n, ")");
	assert(same == NULL || where_holds(same, twin) == is_true);
	assert(opposite == NULL || !is_true || !where_holds(opposite, twin));
	where_free(w);
	where_free(same);
	where_free(opposite);
	return 0;
}
