/* tests: see stream.h */
#include "tests/unit/api/stream.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"

#define PATIENCE_MS 20000

void stream_begin(struct stream *s, const char *path, const char *headers)
{
	struct buf request = BUF_INIT;

	*s = (struct stream){.text = BUF_INIT};
	client_open(&s->client);
	buf_printf(&request, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path, headers);
	ck_assert(client_send_n(&s->client, request.data, request.len));
	buf_done(&request);
}

void stream_done(struct stream *s)
{
	client_close(&s->client);
	buf_done(&s->text);
}

static void take_chunks(struct stream *s)
{
	const struct buf *in = &s->client.in;

	while (s->at < in->len && !s->has_ended) {
		const char *line = in->data + s->at, *end = strstr(line, "\r\n");
		size_t n = strtoul(line, NULL, 16), all = end != NULL ? (size_t)(end - line) + n + 4 : 0;

		if (end == NULL || s->at + all > in->len)
			return;
		buf_put(&s->text, end + 2, n);
		s->at += all;
		s->has_ended = n == 0;
	}
}

void stream_read(struct stream *s)
{
	const char *end;

	client_read(&s->client);
	if (s->head_len == 0 && s->client.in.len > 0 &&
	    (end = strstr(s->client.in.data, "\r\n\r\n")) != NULL) {
		s->at = s->head_len = (size_t)(end + 4 - s->client.in.data);
		ck_assert_msg(strncmp(s->client.in.data, "HTTP/1.1 200 ", 13) == 0, "%s", s->client.in.data);
	}
	if (s->head_len > 0)
		take_chunks(s);
}

bool stream_has(const struct stream *s, const char *text)
{
	return s->text.len > 0 && strstr(s->text.data, text) != NULL;
}

static void check_patience(int64_t since_ms, const char *what)
{
	ck_assert_msg(clock_mono_ms() - since_ms < PATIENCE_MS, "in vain waited for %s", what);
}

void stream_wait(struct stream *s, const char *text)
{
	int64_t since_ms = clock_mono_ms();

	for (stream_read(s); !stream_has(s, text); stream_read(s)) {
		ck_assert_msg(!s->has_ended && !s->client.is_closed, "over before %s", text);
		server_turn(s->client.fd);
		check_patience(since_ms, text);
	}
}

void stream_wait_end(struct stream *s)
{
	int64_t since_ms = clock_mono_ms();

	for (stream_read(s); !s->has_ended && !s->client.is_closed; stream_read(s)) {
		server_turn(s->client.fd);
		check_patience(since_ms, "the end");
	}
}
