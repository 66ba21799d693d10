/* tests/hubsim: see http.h
 *
 * A connection carries one exchange at a time:
 *
 *   READING ──whole request──▶ WAITING ──answer, cut──▶ ANSWERED ──http_turn()──▶ READING, or the end
 *      ▲                          │                        └──▶ SENDING (the peer is slow)
 *      │                          └── the caller leaves: the end     │
 *      └────────────────────────── on_sent() ◀─────────────────────┘ */
#include "tests/hubsim/http.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <time.h>

#include "server/base/buf.h"
#include "tests/hubsim/stream.h"

#define HEAD_BYTES_MAX (16 * 1024)
#define PIPELINE_BYTES_MAX (64 * 1024) /* input kept behind the request in hand */
#define IDLE_BYTES_MAX (16 * 1024)     /* of buffers kept by a connection that has nothing to do */

enum exchange_state { READING, WAITING, ANSWERED, SENDING };

struct http_exchange {
	struct http *http;
	struct stream *stream;
	enum exchange_state state;
	struct buf in;
	size_t scanned;    /* bytes of in known not to end a head */
	size_t need_bytes; /* READING: the request is not whole before; else: its size */
	struct buf out;    /* ANSWERED */
	bool is_head;      /* the answer to HEAD has no body */
	bool closes;
	bool is_cut;
	bool was_told_to_continue;
	bool is_paused;
	TAILQ_ENTRY(http_exchange) all;
	TAILQ_ENTRY(http_exchange) answered;
};
TAILQ_HEAD(exchange_list, http_exchange);

struct door {
	uv_tcp_t tcp;
	SSL_CTX *tls;
	struct http *http;
	SLIST_ENTRY(door) next;
};

struct http {
	uv_loop_t *loop;
	size_t body_bytes_max;
	const struct http_events *events;
	void *arg;
	uint64_t requests; /* handed over so far */
	struct exchange_list all, answered;
	SLIST_HEAD(, door) doors;
};

/* A part of a request's head, inside the exchange's input. */
struct part {
	char *at; /* NULL: not there */
	size_t len;
};

struct head {
	struct part method, target;
	struct part header[HTTP_HEADERS_N];
	bool is_1_0;
	size_t head_bytes;
	uint64_t body_bytes;
};

/* --- Reading a head ------------------------------------------------------------------------------------- */

static bool is_token(struct part p)
{
	for (size_t i = 0; i < p.len; i++) {
		char c = p.at[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL)))
			return false;
	}
	return p.len > 0;
}

/* Text of a header value (obs-text included), or of a target: without spaces. */
static bool is_text(struct part p, bool may_have_spaces)
{
	for (size_t i = 0; i < p.len; i++) {
		unsigned char c = (unsigned char)p.at[i];

		if (c < ' ' || c == 127)
			if (c != '\t' || !may_have_spaces)
				return false;
		if (!may_have_spaces && (c == ' ' || c > 127))
			return false;
	}
	return true;
}

static bool part_is(struct part p, const char *text)
{
	return p.len == strlen(text) && strncasecmp(p.at, text, p.len) == 0;
}

/* Cuts what comes before the next c off rest; false if there is no c. */
static bool part_cut(struct part *rest, char c, struct part *ret_part)
{
	char *at = memchr(rest->at, c, rest->len);

	if (at == NULL)
		return false;
	ret_part->at = rest->at;
	ret_part->len = (size_t)(at - rest->at);
	rest->len -= ret_part->len + 1;
	rest->at = at + 1;
	return true;
}

static void part_trim(struct part *p)
{
	while (p->len > 0 && (p->at[0] == ' ' || p->at[0] == '\t')) {
		p->at++;
		p->len--;
	}
	while (p->len > 0 && (p->at[p->len - 1] == ' ' || p->at[p->len - 1] == '\t'))
		p->len--;
}

/* Gives 0 or the status to refuse with, as all head_… do. */
static int head_read_first_line(struct head *head, struct part line)
{
	if (!part_cut(&line, ' ', &head->method) || !part_cut(&line, ' ', &head->target) ||
	    !is_token(head->method) || !is_text(head->target, false) || head->target.len == 0 ||
	    head->target.at[0] != '/')
		return 400;
	head->is_1_0 = part_is(line, "HTTP/1.0");
	if (head->is_1_0 || part_is(line, "HTTP/1.1"))
		return 0;
	return line.len > 5 && strncmp(line.at, "HTTP/", 5) == 0 ? 505 : 400;
}

static int head_read_header(struct head *head, struct part line)
{
	static const char *const names[] = {
#define X(name, text) text,
	        HTTP_HEADERS(X)
#undef X
	};
	struct part name;

	if (!part_cut(&line, ':', &name) || !is_token(name))
		return 400;
	part_trim(&line);
	if (!is_text(line, true))
		return 400;
	for (size_t i = 0; i < HTTP_HEADERS_N; i++) {
		if (!part_is(name, names[i]))
			continue;
		if (head->header[i].at != NULL)
			return 400; /* twice: which one counts is what attacks are made of */
		head->header[i] = line;
	}
	return 0;
}

static int head_read_length(struct head *head)
{
	struct part length = head->header[HTTP_CONTENT_LENGTH];

	if (head->header[HTTP_TRANSFER_ENCODING].at != NULL)
		return 501;
	if (length.at == NULL)
		return 0;
	if (length.len == 0 || length.len > 18)
		return 400;
	for (size_t i = 0; i < length.len; i++) {
		if (length.at[i] < '0' || length.at[i] > '9')
			return 400;
		head->body_bytes = head->body_bytes * 10 + (uint64_t)(length.at[i] - '0');
	}
	return 0;
}

/* Reads the head that ends with an empty line at text + head_bytes. */
static int head_read(char *text, size_t head_bytes, struct head *ret_head)
{
	struct part rest = {text, head_bytes - 2}, line; /* without the empty line */
	int refusal = 0;

	memset(ret_head, 0, sizeof *ret_head);
	ret_head->head_bytes = head_bytes;
	for (bool is_first = true; rest.len > 0 && refusal == 0; is_first = false) {
		if (!part_cut(&rest, '\n', &line) || line.len == 0 || line.at[line.len - 1] != '\r')
			return 400;
		line.len--;
		refusal = is_first ? head_read_first_line(ret_head, line) : head_read_header(ret_head, line);
	}
	if (refusal == 0 && ret_head->header[HTTP_HOST].at == NULL && !ret_head->is_1_0)
		return 400;
	return refusal != 0 ? refusal : head_read_length(ret_head);
}

/* --- Answers -------------------------------------------------------------------------------------------- */

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
	        {200, "OK"},
	        {201, "Created"},
	        {204, "No Content"},
	        {400, "Bad Request"},
	        {401, "Unauthorized"},
	        {403, "Forbidden"},
	        {404, "Not Found"},
	        {405, "Method Not Allowed"},
	        {409, "Conflict"},
	        {412, "Precondition Failed"},
	        {413, "Payload Too Large"},
	        {429, "Too Many Requests"},
	        {431, "Request Header Fields Too Large"},
	        {500, "Internal Server Error"},
	        {501, "Not Implemented"},
	        {502, "Bad Gateway"},
	        {503, "Service Unavailable"},
	        {504, "Gateway Timeout"},
	        {505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
		if (reasons[i].status == status)
			return reasons[i].text;
	}
	return "Status";
}

static void settle(struct http_exchange *x)
{
	assert(x->state == WAITING);
	x->state = ANSWERED;
	TAILQ_INSERT_TAIL(&x->http->answered, x, answered);
}

void http_answer(struct http_exchange *x, int status, const char *headers, const char *body,
                 size_t body_bytes, bool closes)
{
	settle(x);
	x->closes = x->closes || closes;
	buf_printf(&x->out, "HTTP/1.1 %d %s\r\n%s", status, reason(status), headers);
	if (status != 204)
		buf_printf(&x->out, "Content-Length: %zu\r\n", body_bytes);
	buf_puts(&x->out, x->closes ? "Connection: close\r\n\r\n" : "\r\n");
	if (status != 204 && !x->is_head)
		buf_put(&x->out, body, body_bytes);
}

void http_cut(struct http_exchange *x)
{
	settle(x);
	x->is_cut = true;
}

/* Answers what is no request that could be passed on, and ends the connection: where the next request would
 * start is not known. */
static void refuse(struct http_exchange *x, int status)
{
	char headers[128], body[128];
	time_t now = time(NULL);
	struct tm tm;
	size_t n;

	gmtime_r(&now, &tm);
	strftime(headers, sizeof headers,
	         "Content-Type: application/json; charset=utf-8\r\nDate: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
	n = (size_t)snprintf(body, sizeof body, "{\"Message\":\"%s\"}", reason(status));
	x->state = WAITING;
	x->need_bytes = x->in.len;
	http_answer(x, status, headers, body, n, true);
}

/* --- Connections ---------------------------------------------------------------------------------------- */

static void exchange_free(struct http_exchange *x)
{
	if (x->state == ANSWERED)
		TAILQ_REMOVE(&x->http->answered, x, answered);
	TAILQ_REMOVE(&x->http->all, x, all);
	buf_done(&x->in);
	buf_done(&x->out);
	free(x);
}

static const char *part_text(struct part p)
{
	if (p.at != NULL)
		p.at[p.len] = '\0'; /* there is always a space or a CRLF behind it */
	return p.at;
}

static void hand_over(struct http_exchange *x, const struct head *head)
{
	struct http_request r = {.method = part_text(head->method), .target = part_text(head->target)};

	for (size_t i = 0; i < HTTP_HEADERS_N; i++)
		r.header[i] = part_text(head->header[i]);
	if (head->body_bytes > 0) {
		r.body = x->in.data + head->head_bytes;
		r.body_bytes = (size_t)head->body_bytes;
	}
	x->is_head = strcmp(r.method, "HEAD") == 0;
	x->closes = head->is_1_0 || (r.header[HTTP_CONNECTION] != NULL &&
	                             strcasestr(r.header[HTTP_CONNECTION], "close") != NULL);
	x->state = WAITING;
	x->http->requests++;
	x->http->events->on_request(x->http->arg, x, &r);
}

/* Some clients end a body with a CRLF too many (RFC 9112 2.2). */
static void skip_empty_line(struct http_exchange *x)
{
	if (x->in.len >= 2 && memcmp(x->in.data, "\r\n", 2) == 0) {
		x->in.len -= 2;
		memmove(x->in.data, x->in.data + 2, x->in.len);
	}
}

/* Hands over the request that stands in the input, if it is whole. Else on_data() asks again. */
static void read_request(struct http_exchange *x)
{
	struct head head;
	char *end;
	int refusal;

	if (x->in.len == 0 || x->in.len < x->need_bytes)
		return;
	skip_empty_line(x);
	end = memmem(x->in.data + x->scanned, x->in.len - x->scanned, "\r\n\r\n", 4);
	if (end == NULL || end + 4 - x->in.data > HEAD_BYTES_MAX) {
		x->scanned = x->in.len < 3 ? 0 : x->in.len - 3;
		if (x->in.len > HEAD_BYTES_MAX)
			refuse(x, 431);
		return;
	}
	refusal = head_read(x->in.data, (size_t)(end - x->in.data) + 4, &head);
	if (refusal == 0 && head.body_bytes > x->http->body_bytes_max)
		refusal = 413;
	if (refusal != 0) {
		refuse(x, refusal);
		return;
	}
	x->need_bytes = head.head_bytes + (size_t)head.body_bytes;
	if (x->in.len >= x->need_bytes) {
		hand_over(x, &head);
	} else if (head.header[HTTP_EXPECT].at != NULL && !x->was_told_to_continue) {
		x->was_told_to_continue = true;
		stream_write(x->stream, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	}
}

/* The answer is sent: the next request, which may have come already. */
static void read_next(struct http_exchange *x)
{
	x->state = READING;
	x->in.len -= x->need_bytes;
	memmove(x->in.data, x->in.data + x->need_bytes, x->in.len);
	x->need_bytes = x->scanned = 0;
	x->was_told_to_continue = false;
	if (x->in.len == 0 && x->in.size > IDLE_BYTES_MAX)
		buf_done(&x->in);
	if (x->is_paused) {
		x->is_paused = false;
		stream_resume(x->stream);
	}
	read_request(x);
}

static void on_data(void *arg, const char *data, size_t n)
{
	struct http_exchange *x = arg;

	buf_put(&x->in, data, n);
	if (x->state == READING) {
		read_request(x);
	} else if (x->in.len - x->need_bytes > PIPELINE_BYTES_MAX) {
		x->is_paused = true;
		stream_pause(x->stream);
	}
}

static void on_sent(void *arg)
{
	struct http_exchange *x = arg;

	if (x->state == SENDING)
		read_next(x);
}

static void on_end(void *arg)
{
	struct http_exchange *x = arg;

	if (x->state == WAITING)
		x->http->events->on_gone(x->http->arg, x);
	stream_close(x->stream);
	exchange_free(x);
}

static void on_connection(uv_stream_t *listener, int status)
{
	static const struct stream_events events = {on_data, on_sent, on_end};
	struct door *door = listener->data;
	struct http_exchange *x;

	if (status < 0)
		return;
	x = xcalloc(1, sizeof *x);
	x->http = door->http;
	x->state = READING;
	x->stream = stream_accept(listener, door->tls, &events, x);
	if (x->stream == NULL) {
		free(x);
		return;
	}
	TAILQ_INSERT_TAIL(&door->http->all, x, all);
}

static void send_answer(struct http_exchange *x)
{
	if (x->is_cut) {
		stream_cut(x->stream);
		exchange_free(x);
		return;
	}
	stream_write(x->stream, x->out.data, x->out.len);
	if (x->closes) {
		stream_finish(x->stream);
		exchange_free(x);
		return;
	}
	TAILQ_REMOVE(&x->http->answered, x, answered);
	x->state = SENDING;
	if (x->out.size > IDLE_BYTES_MAX)
		buf_done(&x->out);
	buf_reset(&x->out);
	if (!stream_has_unsent(x->stream))
		read_next(x);
}

bool http_turn(struct http *h)
{
	uint64_t before = h->requests;
	struct http_exchange *x;

	while ((x = TAILQ_FIRST(&h->answered)) != NULL)
		send_answer(x);
	return h->requests > before;
}

/* --- The server ----------------------------------------------------------------------------------------- */

struct http *http_new(uv_loop_t *loop, size_t body_bytes_max, const struct http_events *events, void *arg)
{
	struct http *h = xcalloc(1, sizeof *h);

	h->loop = loop;
	h->body_bytes_max = body_bytes_max;
	h->events = events;
	h->arg = arg;
	TAILQ_INIT(&h->all);
	TAILQ_INIT(&h->answered);
	SLIST_INIT(&h->doors);
	return h;
}

static void on_door_closed(uv_handle_t *handle)
{
	free(handle->data);
}

int http_listen(struct http *h, const struct sockaddr *address, SSL_CTX *tls, uint16_t *ret_port)
{
	struct door *door = xcalloc(1, sizeof *door);
	int error;

	door->tcp.data = door;
	door->tls = tls;
	door->http = h;
	error = stream_listen(h->loop, &door->tcp, address, on_connection, ret_port);
	if (error != 0) {
		uv_close((uv_handle_t *)&door->tcp, on_door_closed);
		return error;
	}
	SLIST_INSERT_HEAD(&h->doors, door, next);
	return 0;
}

void http_stop(struct http *h)
{
	struct http_exchange *x;
	struct door *door;

	while ((door = SLIST_FIRST(&h->doors)) != NULL) {
		SLIST_REMOVE_HEAD(&h->doors, next);
		uv_close((uv_handle_t *)&door->tcp, on_door_closed);
	}
	while ((x = TAILQ_FIRST(&h->answered)) != NULL) {
		x->closes = true;
		send_answer(x);
	}
	while ((x = TAILQ_FIRST(&h->all)) != NULL) {
		if (x->state == SENDING)
			stream_finish(x->stream);
		else
			stream_close(x->stream);
		exchange_free(x);
	}
}

void http_free(struct http *h)
{
	free(h);
}
