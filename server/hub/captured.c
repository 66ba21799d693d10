/* hub: see captured.h */
#include "server/hub/captured.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/base/clock.h"

static const struct {
	const char *name;
	size_t n;
} names[CAPTURED_N] = {
#define NAME(text) \
	{ \
		text, sizeof text - 1 \
	}
        [CAPTURED_DATE] = NAME("Date"),
        [CAPTURED_RETRY_AFTER] = NAME("Retry-After"),
        [CAPTURED_ERROR_CODE] = NAME("iothub-errorcode"),
        [CAPTURED_CONTINUATION] = NAME("x-ms-continuation"),
        [CAPTURED_REQUEST_ID] = NAME("x-ms-request-id"),
#undef NAME
};

void captured_reset(struct captured *c)
{
	for (int i = 0; i < CAPTURED_N; i++)
		buf_reset(&c->values[i]);
}

void captured_done(struct captured *c)
{
	for (int i = 0; i < CAPTURED_N; i++)
		buf_done(&c->values[i]);
}

static bool is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void captured_take(struct captured *c, const char *name, size_t name_n, const char *value, size_t value_n)
{
	for (int i = 0; i < CAPTURED_N; i++) {
		if (name_n != names[i].n || strncasecmp(name, names[i].name, name_n) != 0)
			continue;
		for (; value_n > 0 && is_white(*value); value_n--)
			value++;
		while (value_n > 0 && is_white(value[value_n - 1]))
			value_n--;
		buf_reset(&c->values[i]);
		buf_put(&c->values[i], value, value_n);
		return;
	}
}

static const char *text_of(const struct captured *c, int i)
{
	return c->values[i].len > 0 ? c->values[i].data : NULL;
}

static int64_t read_date(const char *text)
{
	int64_t at_ms;

	return text != NULL && time_parse_http(text, &at_ms) ? at_ms : TIME_NONE;
}

/* Seconds, or a date (RFC 9110 10.2.3), which counts from the answer's own. */
static int64_t read_retry_after(const char *text, int64_t date_ms)
{
	size_t digits = text != NULL ? strspn(text, "0123456789") : 0;
	int64_t at_ms;

	if (digits > 0)
		return text[digits] == '\0' && digits <= 9 ? strtoll(text, NULL, 10) * 1000 : TIME_NONE;
	at_ms = read_date(text);
	if (at_ms == TIME_NONE)
		return TIME_NONE;
	at_ms -= date_ms != TIME_NONE ? date_ms : clock_now_ms();
	return at_ms > 0 ? at_ms : 0;
}

void captured_read(const struct captured *c, struct http_answer *ret)
{
	ret->date_ms = read_date(text_of(c, CAPTURED_DATE));
	ret->retry_after_ms = read_retry_after(text_of(c, CAPTURED_RETRY_AFTER), ret->date_ms);
	ret->error_code = text_of(c, CAPTURED_ERROR_CODE);
	ret->continuation = text_of(c, CAPTURED_CONTINUATION);
	ret->request_id = text_of(c, CAPTURED_REQUEST_ID);
}
