/* tests/fuzz: see exchange.h */
#include "tests/fuzz/exchange.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Cuts off the first line of *at; NULL: none is left. */
static char *line_of(char **at)
{
	char *line = *at, *end = strchr(line, '\n');

	if (end == NULL)
		return NULL;
	*at = end + 1;
	*end = '\0';
	if (end > line && end[-1] == '\r')
		end[-1] = '\0';
	return line;
}

static bool read_header(struct exchange *x, char *line)
{
	char *colon = strchr(line, ':');

	if (colon == NULL || colon == line || x->headers_n == EXCHANGE_HEADERS_MAX)
		return false;
	*colon++ = '\0';
	x->headers[x->headers_n].name = line;
	x->headers[x->headers_n++].value = colon + strspn(colon, " \t");
	return true;
}

bool exchange_read(struct exchange *x, const char *data, size_t n)
{
	char *at, *line, *space;

	*x = (struct exchange){.sent = BUF_INIT};
	x->text = at = xmalloc(n + 1);
	memcpy(at, data, n);
	at[n] = '\0';
	line = line_of(&at);
	space = line != NULL ? strchr(line, ' ') : NULL;
	if (space == NULL || space == line || space[1] == '\0')
		goto fail;
	*space = '\0';
	x->method = line;
	x->target = space + 1;
	while ((line = line_of(&at)) != NULL && line[0] != '\0')
		if (!read_header(x, line))
			goto fail;
	x->body = at;
	x->body_bytes = (size_t)(x->text + n - at);
	return true;
fail:
	free(x->text);
	return false;
}

void exchange_done(struct exchange *x)
{
	for (size_t i = 0; i < x->answered_n; i++)
		free(x->answered[i].value);
	buf_done(&x->sent);
	free(x->text);
}

const char *exchange_answered(const struct exchange *x, const char *name)
{
	const char *found = NULL;

	for (size_t i = 0; i < x->answered_n; i++) {
		if (strcasecmp(x->answered[i].name, name) != 0)
			continue;
		assert(found == NULL);
		found = x->answered[i].value;
	}
	return found;
}

/* ---- httpd.h: what came ---- */

const char *httpd_method(const struct exchange *x)
{
	return x->method;
}

const char *httpd_target(const struct exchange *x)
{
	return x->target;
}

const char *httpd_address(const struct exchange *x, char out[HTTPD_ADDRESS_SIZE])
{
	(void)x;
	return strcpy(out, "192.0.2.7");
}

bool httpd_is_http_1_0(const struct exchange *x)
{
	(void)x;
	return false;
}

const char *httpd_header(const struct exchange *x, const char *name)
{
	for (size_t i = 0; i < x->headers_n; i++)
		if (strcasecmp(x->headers[i].name, name) == 0)
			return x->headers[i].value;
	return NULL;
}

unsigned httpd_header_n(const struct exchange *x, const char *name)
{
	unsigned n = 0;

	for (size_t i = 0; i < x->headers_n; i++)
		n += strcasecmp(x->headers[i].name, name) == 0;
	return n;
}

void httpd_want_parts(struct exchange *x, size_t max_bytes)
{
	(void)max_bytes;
	x->wants_parts = true;
}

const char *httpd_body(const struct exchange *x, size_t *ret_len)
{
	*ret_len = x->body_bytes;
	return x->body;
}

void httpd_body_drop(struct exchange *x)
{
	x->body_bytes = 0;
}

uint32_t httpd_connections_n(const struct httpd *h)
{
	(void)h;
	return 1;
}

void httpd_call_in(struct httpd *h, uint32_t ms)
{
	(void)h;
	(void)ms;
}

bool httpd_was_cut(const struct exchange *x)
{
	(void)x;
	return false;
}

/* ---- httpd.h: what is answered ---- */

/* A header's value is one line, so that none can be smuggled into another. */
static void answer(struct exchange *x, unsigned status, const struct httpd_header *headers, size_t headers_n)
{
	assert(x->status == 0 && status >= 200 && status <= 599 && headers_n < EXCHANGE_HEADERS_MAX);
	x->status = status;
	for (size_t i = 0; i < headers_n; i++) {
		for (const char *at = headers[i].value; *at != '\0'; at++)
			assert(!iscntrl((unsigned char)*at));
		x->answered[i] = (struct httpd_header){headers[i].name, xstrdup(headers[i].value)};
	}
	x->answered_n = headers_n;
}

void httpd_reply(struct exchange *x, unsigned status, const struct httpd_header *headers, size_t headers_n,
                 struct buf *body)
{
	answer(x, status, headers, headers_n);
	buf_put(&x->sent, body->data != NULL ? body->data : "", body->len);
	buf_done(body);
	x->has_ended = true;
}

void httpd_stream(struct exchange *x, unsigned status, const struct httpd_header *headers, size_t headers_n)
{
	answer(x, status, headers, headers_n);
	x->is_stream = true;
}

void httpd_stream_put(struct exchange *x, const char *data, size_t n)
{
	assert(x->is_stream && !x->has_ended && n > 0);
	buf_put(&x->sent, data, n);
}

void httpd_stream_end(struct exchange *x)
{
	assert(x->is_stream);
	x->has_ended = true;
}

void httpd_stream_break(struct exchange *x)
{
	assert(x->is_stream);
	x->has_ended = x->is_broken = true;
}
