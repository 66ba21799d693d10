/* tests: a hub's error envelopes under libFuzzer: whatever stands in them is read into texts of one line, and
 * means no less doubt than the status alone allows: what a 5xx or an unknown 404 says is ambiguous, and only
 * a status that says so means that a call was not delivered. The first two bytes are the status, the next
 * says whether the header iothub-errorcode is there, with what stands before the first line end. */
#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/hub/outcome.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_line(const char *text, size_t size)
{
	size_t n = strnlen(text, size);

	assert(n < size);
	for (size_t i = 0; i < n; i++)
		assert(!iscntrl((unsigned char)text[i]));
}

static void check_meaning(const struct http_answer *a, const struct hub_error *e)
{
	enum hub_outcome call = outcome_of_call(a, e), read = outcome_of_read(a, e);

	assert(call < HUB_OUTCOMES_N && read < HUB_OUTCOMES_N);
	assert((call == HUB_ANSWERED) == (a->status == 200) && (read == HUB_ANSWERED) == (a->status == 200));
	assert(read != HUB_AMBIGUOUS && read != HUB_OFFLINE && read != HUB_NOT_DELIVERED);
	if (a->status >= 500 || a->status < 200 || (a->status > 200 && a->status < 300))
		assert(call == HUB_AMBIGUOUS && read == HUB_TROUBLE);
	if (call == HUB_OFFLINE)
		assert(a->status == 404 && e->code == 404103);
	if (call == HUB_NOT_DELIVERED)
		assert(a->status == 403 && e->code == 403800);
	if (read == HUB_GONE)
		assert(a->status == 404 && e->code == 404001);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct http_answer answer = {.err = ERR_OK, .date_ms = TIME_NONE, .retry_after_ms = TIME_NONE};
	struct hub_error e;
	const char *body;
	char *text, *end;

	if (n < 3)
		return 0;
	answer.status = 100 + (data[0] << 8 | data[1]) % 500;
	text = xstrndup((const char *)data + 3, n - 3);
	end = strchr(text, '\n');
	body = text;
	if ((data[2] & 1) != 0 && end != NULL) {
		*end = '\0';
		answer.error_code = text;
		body = end + 1;
	}
	answer.body = body;
	answer.body_bytes = strlen(body);
	hub_error_read(&answer, &e);
	check_line(e.name, sizeof e.name);
	check_line(e.message, sizeof e.message);
	check_line(e.tracking_id, sizeof e.tracking_id);
	check_meaning(&answer, &e);
	free(text);
	return 0;
}
