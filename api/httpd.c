/* api: see httpd.h
 *
 *   HEAD ──head in──▶ BODY ──all in──▶ WORKING ──reply──▶ SENDING ──▶ end
 *                                         │  ▲
 *                             no reply yet▼  │reply
 *                                        PARKED
 * A reply that is known before all of the body is in waits in BODY: the rest is read and dropped, since a
 * client that still sends would lose an answer that is followed by a close. Only what is far too long, or has
 * not been sent yet (Expect), is not waited for. libmicrohttpd does not watch a suspended connection, so
 * PARKED needs no deadline and ends by the handler alone. The same holds for a stream in SENDING that is
 * starved: all that was put has been sent. */
#include "api/httpd.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "api/tls.h"
#include "server/base/log.h"

/* Of a body that is not wanted, so much is read and dropped for the sake of the answer. */
#define DROP_MAX_BYTES ((uint64_t)32 << 20)
#define DROP_TIMEOUT_MS 15000
/* Once we stop, so long for the rest of a body, and for taking an answer. */
#define STOP_TIMEOUT_MS 3000
/* Of one connection: request head, answer head and a slice of body. */
#define CONNECTION_MEMORY_BYTES ((size_t)24 << 10)
#define BACKLOG 511
/* Of a stream: how much the kernel keeps for a slow client, which it doubles, and how long a client that is
 * gone without a word goes unnoticed after something was sent to it. */
#define STREAM_KERNEL_BYTES (128 << 10)
#define STREAM_GONE_MS 60000
#define STREAM_BLOCK_BYTES 4096 /* for HTTP/1.0; else libmicrohttpd takes what its buffer holds */
#define NO_DEADLINE UINT64_MAX

struct client {
	TAILQ_ENTRY(client) entry;
	struct httpd *httpd;
	struct exchange *exchange; /* NULL: between requests, or the head is not in yet */
	int fd;
	uint64_t deadline_ms; /* by the loop's clock; after it the connection is cut */
	bool was_cut;
};

/* Of an answer that comes piece by piece. */
enum stream { STREAM_GOES_ON, STREAM_ENDS, STREAM_BREAKS };
enum exchange_state { X_HEAD, X_BODY, X_WORKING, X_PARKED, X_SENDING };

struct exchange {
	struct httpd *httpd;
	struct client *client;
	struct MHD_Connection *connection;
	enum exchange_state state;
	char *target;
	const char *method, *version;
	void *request; /* what on_head() gave */
	struct buf body;
	bool wants_parts;        /* the body is given on, not kept */
	size_t body_max_bytes;   /* what may be received */
	uint64_t received_bytes; /* of the body, before it was unwanted */
	uint64_t dropped_bytes;  /* since then */
	bool is_unwanted;        /* the rest of the body is dropped */
	unsigned status;
	struct MHD_Response *response; /* NULL: no reply yet */
	/* of a stream */
	struct buf out;
	size_t out_at; /* what is before it has been taken */
	enum stream stream;
	bool is_starved; /* and suspended */
};

struct httpd {
	struct httpd_options o;
	struct MHD_Daemon *daemon;
	uv_poll_t poll;
	int left_fd; /* epoll: streams whose client has closed its end; libmicrohttpd does not look while
	                starved */
	uv_poll_t left_poll;
	uv_timer_t turn_timer;  /* when libmicrohttpd wants to run without news */
	uv_timer_t sweep_timer; /* when the first deadline passes */
	uv_timer_t call_timer;  /* of httpd_call_in() */
	uint64_t sweep_at_ms;
	TAILQ_HEAD(, client) clients;
	uint32_t clients_n;
	size_t bodies_bytes;
	uint16_t port;
	unsigned open_handles;
	void (*on_stopped)(void *arg); /* not NULL: stopping */
	void *stopped_arg;
};

/* ---- deadlines ---- */

static void on_sweep(uv_timer_t *timer)
{
	struct httpd *h = timer->data;
	uint64_t now_ms = uv_now(h->o.loop);
	struct client *c;

	h->sweep_at_ms = NO_DEADLINE;
	TAILQ_FOREACH (c, &h->clients, entry) {
		if (c->deadline_ms <= now_ms) {
			/* libmicrohttpd sees the end of the stream and closes. */
			shutdown(c->fd, SHUT_RDWR);
			c->deadline_ms = NO_DEADLINE;
			c->was_cut = true;
		} else if (c->deadline_ms < h->sweep_at_ms) {
			h->sweep_at_ms = c->deadline_ms;
		}
	}
	if (h->sweep_at_ms != NO_DEADLINE)
		uv_timer_start(&h->sweep_timer, on_sweep, h->sweep_at_ms - now_ms, 0);
}

/* Later deadlines do not move the timer: the sweep finds out. So a busy connection costs nothing here. */
static void set_deadline(struct client *c, uint64_t in_ms)
{
	struct httpd *h = c->httpd;

	c->deadline_ms = uv_now(h->o.loop) + in_ms;
	if (c->deadline_ms < h->sweep_at_ms) {
		h->sweep_at_ms = c->deadline_ms;
		uv_timer_start(&h->sweep_timer, on_sweep, in_ms, 0);
	}
}

/* Whether nobody is harmed when c goes: it waits for a request, or for the rest of a refused one. */
static bool is_idle(const struct client *c)
{
	const struct exchange *x = c->exchange;

	return x == NULL || x->state == X_HEAD || (x->state == X_BODY && x->response != NULL);
}

/* Makes room for a new connection while most are taken: the one that has been idle for longest goes. */
static void evict_one(struct httpd *h)
{
	struct client *c, *oldest = NULL;

	TAILQ_FOREACH (c, &h->clients, entry)
		if (is_idle(c) && c->deadline_ms != NO_DEADLINE &&
		    (oldest == NULL || c->deadline_ms < oldest->deadline_ms))
			oldest = c;
	if (oldest != NULL) {
		shutdown(oldest->fd, SHUT_RDWR);
		oldest->deadline_ms = NO_DEADLINE;
	}
}

/* ---- one turn of libmicrohttpd ---- */

static void on_handle_closed(uv_handle_t *handle)
{
	struct httpd *h = handle->data;

	if (--h->open_handles > 0)
		return;
	close(h->left_fd);
	h->on_stopped(h->stopped_arg);
	free(h);
}

static void close_handles(struct httpd *h)
{
	uv_close((uv_handle_t *)&h->poll, on_handle_closed);
	uv_close((uv_handle_t *)&h->left_poll, on_handle_closed);
	uv_close((uv_handle_t *)&h->turn_timer, on_handle_closed);
	uv_close((uv_handle_t *)&h->sweep_timer, on_handle_closed);
	uv_close((uv_handle_t *)&h->call_timer, on_handle_closed);
	MHD_stop_daemon(h->daemon);
}

static void turn(struct httpd *h);

static void on_turn_timer(uv_timer_t *timer)
{
	turn(timer->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	turn(poll->data);
}

/* Has libmicrohttpd run soon, but not inside the caller. */
static void turn_soon(struct httpd *h)
{
	uv_timer_start(&h->turn_timer, on_turn_timer, 0, 0);
}

static void turn(struct httpd *h)
{
	MHD_UNSIGNED_LONG_LONG wait_ms;

	MHD_run(h->daemon);
	if (h->on_stopped != NULL && h->clients_n == 0)
		close_handles(h);
	else if (MHD_get_timeout(h->daemon, &wait_ms) == MHD_YES)
		uv_timer_start(&h->turn_timer, on_turn_timer, wait_ms, 0);
	else
		uv_timer_stop(&h->turn_timer);
}

/* ---- an exchange ---- */

static void drop_body(struct exchange *x)
{
	x->httpd->bodies_bytes -= x->body.len;
	buf_done(&x->body);
}

static uint32_t send_ms(const struct httpd *h)
{
	return h->on_stopped != NULL ? STOP_TIMEOUT_MS : h->o.send_timeout_ms;
}

static enum MHD_Result send_reply(struct exchange *x)
{
	if (x->httpd->on_stopped != NULL)
		MHD_add_response_header(x->response, MHD_HTTP_HEADER_CONNECTION, "close");
	x->state = X_SENDING;
	set_deadline(x->client, send_ms(x->httpd));
	return MHD_queue_response(x->connection, x->status, x->response);
}

static void refuse_body(struct exchange *x, enum httpd_body why)
{
	drop_body(x);
	x->httpd->o.events->on_body(x->request, why);
	assert(x->response != NULL);
}

/* The length that the head announces; 0 for none and for chunked. */
static uint64_t announced_bytes(const struct exchange *x)
{
	const char *text = httpd_header(x, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return text != NULL && httpd_header(x, MHD_HTTP_HEADER_TRANSFER_ENCODING) == NULL
	               ? strtoull(text, NULL, 10)
	               : 0;
}

static enum MHD_Result on_head(struct exchange *x, const char *method, const char *version)
{
	struct httpd *h = x->httpd;
	uint64_t announced = announced_bytes(x);

	x->state = X_BODY;
	x->method = method;
	x->version = version;
	set_deadline(x->client, h->o.body_timeout_ms);
	x->request = h->o.events->on_head(h->o.arg, x);
	if (x->response == NULL && announced > x->body_max_bytes)
		refuse_body(x, HTTPD_BODY_TOO_LARGE);
	if (x->response == NULL)
		return MHD_YES;
	x->is_unwanted = true;
	if (announced > DROP_MAX_BYTES || httpd_header(x, MHD_HTTP_HEADER_EXPECT) != NULL)
		return send_reply(x);
	if (h->o.body_timeout_ms > DROP_TIMEOUT_MS)
		set_deadline(x->client, DROP_TIMEOUT_MS);
	return MHD_YES;
}

/* Keeps or gives on what came of a body that is wanted; that may end in a reply. */
static void take_chunk(struct exchange *x, const char *data, size_t n)
{
	struct httpd *h = x->httpd;

	x->received_bytes += n;
	if (x->received_bytes > x->body_max_bytes) {
		refuse_body(x, HTTPD_BODY_TOO_LARGE);
	} else if (x->wants_parts) {
		h->o.events->on_part(x->request, data, n);
	} else if (n > h->o.bodies_max_bytes - h->bodies_bytes) {
		refuse_body(x, HTTPD_BODY_NO_ROOM);
	} else {
		buf_put(&x->body, data, n);
		h->bodies_bytes += n;
	}
	x->is_unwanted = x->response != NULL;
}

/* libmicrohttpd takes no answer in the middle of a body, so one that never ends gets none. */
static enum MHD_Result on_chunk(struct exchange *x, const char *data, size_t n)
{
	if (!x->is_unwanted) {
		take_chunk(x, data, n);
		return MHD_YES;
	}
	x->dropped_bytes += n;
	return x->dropped_bytes <= DROP_MAX_BYTES ? MHD_YES : MHD_NO;
}

/* Called when all of the body is in, and again after every resume. */
static enum MHD_Result on_whole(struct exchange *x)
{
	if (x->state == X_BODY) {
		x->state = X_WORKING;
		x->client->deadline_ms = NO_DEADLINE;
		if (x->response == NULL)
			x->httpd->o.events->on_body(x->request, HTTPD_BODY_WHOLE);
	}
	if (x->response != NULL)
		return send_reply(x);
	x->state = X_PARKED;
	MHD_suspend_connection(x->connection);
	return MHD_YES; /* woken by httpd_reply() */
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *upload,
                                 size_t *upload_bytes, void **state)
{
	struct exchange *x = *state;
	size_t n = *upload_bytes;

	(void)cls;
	(void)connection;
	(void)url;
	if (x->state == X_HEAD)
		return on_head(x, method, version);
	if (n == 0)
		return on_whole(x);
	*upload_bytes = 0;
	return on_chunk(x, upload, n);
}

/* The request line is in: the only place that shows the target as it was sent. */
static void *on_target(void *cls, const char *target, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct exchange *x = xcalloc(1, sizeof *x);

	x->httpd = cls;
	x->client = info->socket_context;
	x->client->exchange = x;
	x->connection = connection;
	x->target = xstrdup(target);
	x->body_max_bytes = x->httpd->o.body_max_bytes;
	return x;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why)
{
	struct httpd *h = cls;
	struct exchange *x = *state;

	(void)connection;
	(void)why;
	if (x == NULL)
		return;
	if (x->request != NULL)
		h->o.events->on_end(x->request);
	if (x->response != NULL)
		MHD_destroy_response(x->response);
	drop_body(x);
	buf_done(&x->out);
	x->client->exchange = NULL;
	set_deadline(x->client, h->on_stopped != NULL ? 0 : h->o.head_timeout_ms);
	free(x->target);
	free(x);
	*state = NULL;
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode what)
{
	struct httpd *h = cls;
	struct client *c;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		c = *socket_context;
		TAILQ_REMOVE(&h->clients, c, entry);
		h->clients_n--;
		free(c);
		return;
	}
	if (h->clients_n >= h->o.connections_max - h->o.connections_max / 8)
		evict_one(h);
	c = xcalloc(1, sizeof *c);
	c->httpd = h;
	c->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	TAILQ_INSERT_TAIL(&h->clients, c, entry);
	h->clients_n++;
	set_deadline(c, h->o.head_timeout_ms);
	*socket_context = c;
}

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
	const union MHD_ConnectionInfo *info =
	        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *address = info != NULL ? info->client_addr : NULL;

	out[0] = '\0';
	if (address != NULL && getnameinfo(address,
	                                   address->sa_family == AF_INET ? sizeof(struct sockaddr_in)
	                                                                 : sizeof(struct sockaddr_in6),
	                                   out, HTTPD_ADDRESS_SIZE, NULL, 0, NI_NUMERICHOST) != 0)
		out[0] = '\0';
	return out;
}

bool httpd_is_http_1_0(const struct exchange *x)
{
	return strcmp(x->version, MHD_HTTP_VERSION_1_0) == 0;
}

const char *httpd_header(const struct exchange *x, const char *name)
{
	return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

struct header_count {
	const char *name;
	unsigned n;
};

static enum MHD_Result count_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct header_count *count = cls;

	(void)kind;
	(void)value;
	if (strcasecmp(name, count->name) == 0)
		count->n++;
	return MHD_YES;
}

unsigned httpd_header_n(const struct exchange *x, const char *name)
{
	struct header_count count = {name, 0};

	MHD_get_connection_values(x->connection, MHD_HEADER_KIND, count_header, &count);
	return count.n;
}

void httpd_want_parts(struct exchange *x, size_t max_bytes)
{
	x->wants_parts = true;
	x->body_max_bytes = max_bytes;
}

const char *httpd_body(const struct exchange *x, size_t *ret_len)
{
	*ret_len = x->body.len;
	return x->body.data != NULL ? x->body.data : "";
}

void httpd_body_drop(struct exchange *x)
{
	drop_body(x);
}

static void answer(struct exchange *x, unsigned status, const struct httpd_header *headers, size_t headers_n,
                   struct MHD_Response *response)
{
	assert(x->response == NULL);
	if (response == NULL)
		abort(); /* out of memory */
	x->status = status;
	x->response = response;
	for (size_t i = 0; i < headers_n; i++)
		if (MHD_add_response_header(x->response, headers[i].name, headers[i].value) != MHD_YES)
			abort(); /* out of memory too: our values are plain text */
	if (x->state == X_PARKED) {
		x->state = X_WORKING;
		MHD_resume_connection(x->connection);
		turn_soon(x->httpd);
	}
}

void httpd_reply(struct exchange *x, unsigned status, const struct httpd_header *headers, size_t headers_n,
                 struct buf *body)
{
	size_t len = body->len;

	answer(x, status, headers, headers_n,
	       MHD_create_response_from_buffer(len, buf_take(body), MHD_RESPMEM_MUST_FREE));
}

/* ---- streams ---- */

static void wake(struct exchange *x)
{
	if (!x->is_starved)
		return;
	x->is_starved = false;
	set_deadline(x->client, send_ms(x->httpd));
	MHD_resume_connection(x->connection);
	turn_soon(x->httpd);
}

/* libmicrohttpd has sent all that it was given, and asks for more. */
static ssize_t on_more(void *cls, uint64_t position, char *out, size_t max)
{
	struct exchange *x = cls;
	size_t n;

	(void)position;
	if (x->out_at == x->out.len) {
		buf_done(&x->out); /* most streams are quiet most of the time */
		x->out_at = 0;
		if (x->stream == STREAM_GOES_ON)
			x->httpd->o.events->on_room(x->request);
	}
	n = x->out.len - x->out_at;
	if (n > 0 && x->stream != STREAM_BREAKS) {
		n = n < max ? n : max;
		memcpy(out, x->out.data + x->out_at, n);
		x->out_at += n;
		if (x->httpd->on_stopped == NULL)
			set_deadline(x->client, x->httpd->o.send_timeout_ms);
		return (ssize_t)n;
	}
	if (x->stream != STREAM_GOES_ON)
		return x->stream == STREAM_ENDS ? MHD_CONTENT_READER_END_OF_STREAM
		                                : MHD_CONTENT_READER_END_WITH_ERROR;
	x->is_starved = true;
	if (x->httpd->on_stopped == NULL)
		x->client->deadline_ms = NO_DEADLINE;
	MHD_suspend_connection(x->connection);
	return 0; /* woken by wake() */
}

/* A connection is watched from its first stream until it is closed, which is what removes it. */
static void watch_leaving(struct client *c)
{
	struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data = {.ptr = c}};
	int fd = c->httpd->left_fd;

	if (epoll_ctl(fd, EPOLL_CTL_ADD, c->fd, &event) != 0 && errno == EEXIST)
		(void)epoll_ctl(fd, EPOLL_CTL_MOD, c->fd,
		                &event); /* else it is noticed when it is written to */
}

static void on_left(uv_poll_t *poll, int status, int events)
{
	struct httpd *h = poll->data;
	struct epoll_event left[64];
	int n = epoll_wait(h->left_fd, left, 64, 0);

	(void)status;
	(void)events;
	for (int i = 0; i < n; i++) {
		struct exchange *x = ((struct client *)left[i].data.ptr)->exchange;

		if (x != NULL && x->state == X_SENDING)
			httpd_stream_break(x);
	}
}

void httpd_stream(struct exchange *x, unsigned status, const struct httpd_header *headers, size_t headers_n)
{
	unsigned gone_ms = STREAM_GONE_MS;
	int kernel_bytes = STREAM_KERNEL_BYTES;

	/* Where the kernel does not take these, a slow or lost client only costs more. */
	(void)setsockopt(x->client->fd, SOL_SOCKET, SO_SNDBUF, &kernel_bytes, sizeof kernel_bytes);
	(void)setsockopt(x->client->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &gone_ms, sizeof gone_ms);
	watch_leaving(x->client);
	answer(x, status, headers, headers_n,
	       MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, on_more, x, NULL));
}

void httpd_stream_put(struct exchange *x, const char *data, size_t n)
{
	buf_put(&x->out, data, n);
	wake(x);
}

static void end_stream(struct exchange *x, enum stream how)
{
	if (x->stream == STREAM_GOES_ON)
		x->stream = how;
	wake(x);
}

void httpd_stream_end(struct exchange *x)
{
	end_stream(x, STREAM_ENDS);
}

void httpd_stream_break(struct exchange *x)
{
	end_stream(x, STREAM_BREAKS);
}

bool httpd_was_cut(const struct exchange *x)
{
	return x->client->was_cut;
}

static void on_call_timer(uv_timer_t *timer)
{
	struct httpd *h = timer->data;

	h->o.events->on_time(h->o.arg);
}

void httpd_call_in(struct httpd *h, uint32_t ms)
{
	uv_timer_start(&h->call_timer, on_call_timer, ms, 0);
}

/* ---- start and stop ---- */

__attribute__((format(printf, 2, 0))) static void on_log(void *cls, const char *format, va_list ap)
{
	char line[256];

	(void)cls;
	vsnprintf(line, sizeof line, format, ap);
	line[strcspn(line, "\r\n")] = '\0';
	log_debug("http server says", LS("text", line));
}

/* Nothing is decoded here: request.c decodes each part once. */
static size_t keep_escapes(void *cls, struct MHD_Connection *connection, char *text)
{
	(void)cls;
	(void)connection;
	return strlen(text);
}

static bool is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24 ==
		       127;
	return address->sa_family == AF_INET6 &&
	       IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

__attribute__((format(printf, 3, 4))) static char *reason(const char *address, unsigned port,
                                                          const char *format, ...)
{
	struct buf b = BUF_INIT;
	char why[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, sizeof why, format, ap);
	va_end(ap);
	buf_printf(&b, "cannot listen on %s port %u: %s", address, port, why);
	return buf_take(&b);
}

static uint16_t port_in(const struct sockaddr *a)
{
	return ntohs(a->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)(const void *)a)->sin6_port
	                                      : ((const struct sockaddr_in *)(const void *)a)->sin_port);
}

static bool is_same_address(const struct sockaddr *a, const struct sockaddr *b)
{
	if (a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET6)
		return memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
		              &((const struct sockaddr_in6 *)(const void *)b)->sin6_addr,
		              sizeof(struct in6_addr)) == 0;
	return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
	       ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
}

/* Whether a socket listens where the settings say: all that was checked of them holds of it, too. */
static bool is_as_set(int fd, const struct sockaddr *set)
{
	struct sockaddr_storage has = {0};
	socklen_t len = sizeof has, int_len = sizeof(int);
	int listens = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &int_len) == 0 && listens != 0 &&
	       getsockname(fd, (struct sockaddr *)&has, &len) == 0 &&
	       is_same_address((struct sockaddr *)&has, set) &&
	       (port_in(set) == 0 || port_in(set) == port_in((struct sockaddr *)&has)) &&
	       fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
}

static enum err listen_on(const struct httpd_options *o, int *ret_fd, char **ret_reason)
{
	const struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	char service[8];
	enum err err = ERR_INVALID;
	int fd = -1, one = 1, code;

	snprintf(service, sizeof service, "%u", o->port);
	code = getaddrinfo(o->address, service, &hints, &found);
	if (code != 0) {
		*ret_reason = reason(o->address, o->port, "%s", gai_strerror(code));
		return ERR_INVALID;
	}
	if (o->loopback_only && !is_loopback(found->ai_addr)) {
		*ret_reason =
		        reason(o->address, o->port,
		               "without tokens everyone is admin, so only loopback addresses are allowed");
		goto out;
	}
	if (o->listen_fd != 0) {
		if (is_as_set(o->listen_fd, found->ai_addr)) {
			*ret_fd = o->listen_fd;
			err = ERR_OK;
		} else {
			*ret_reason =
			        reason(o->address, o->port, "the service manager's socket is not one there");
		}
		goto out;
	}
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
	    bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
		err = errno == EADDRINUSE ? ERR_LOCKED : errno == EACCES ? ERR_DENIED : ERR_IO;
		*ret_reason = reason(o->address, o->port, "%s", strerror(errno));
		if (fd >= 0)
			close(fd);
		goto out;
	}
	*ret_fd = fd;
	err = ERR_OK;
out:
	freeaddrinfo(found);
	return err;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage address = {0};
	socklen_t len = sizeof address;

	return getsockname(fd, (struct sockaddr *)&address, &len) == 0 ? port_in((struct sockaddr *)&address)
	                                                               : 0;
}

static void handle_up(struct httpd *h, uv_handle_t *handle)
{
	handle->data = h;
	h->open_handles++;
}

enum err httpd_start(const struct httpd_options *options, struct httpd **ret, char **ret_reason)
{
	/* What follows the first end is not read. */
	enum MHD_OPTION tls_or_end = options->tls != NULL ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END;
	struct httpd *h;
	int fd;
	enum err err = listen_on(options, &fd, ret_reason);

	if (err != ERR_OK)
		return err;
	h = xcalloc(1, sizeof *h);
	h->o = *options;
	h->o.address = NULL;
	h->port = port_of(fd);
	h->sweep_at_ms = NO_DEADLINE;
	TAILQ_INIT(&h->clients);
	h->daemon = MHD_start_daemon(
	        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
	                (h->o.tls != NULL ? MHD_USE_TLS : 0),
	        0, NULL, NULL, on_access, h, MHD_OPTION_EXTERNAL_LOGGER, on_log, h, MHD_OPTION_LISTEN_SOCKET,
	        fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)h->o.connections_max,
	        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)((h->o.head_timeout_ms + 999) / 1000),
	        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES, MHD_OPTION_URI_LOG_CALLBACK,
	        on_target, h, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, h, MHD_OPTION_NOTIFY_COMPLETED,
	        on_completed, h, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, tls_or_end,
	        h->o.tls != NULL ? tls_retrieve(h->o.tls) : NULL, MHD_OPTION_HTTPS_PRIORITIES, TLS_PRIORITIES,
	        MHD_OPTION_END);
	h->left_fd = epoll_create1(EPOLL_CLOEXEC);
	if (h->daemon == NULL || h->left_fd < 0 ||
	    uv_poll_init(h->o.loop, &h->poll,
	                 MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd) != 0) {
		*ret_reason = reason(options->address, options->port, "the HTTP server does not start");
		if (h->daemon != NULL)
			MHD_stop_daemon(h->daemon);
		if (h->left_fd >= 0)
			close(h->left_fd);
		free(h);
		return ERR_IO;
	}
	if (uv_poll_init(h->o.loop, &h->left_poll, h->left_fd) != 0)
		abort(); /* the kernel has no memory left, at start */
	uv_timer_init(h->o.loop, &h->turn_timer);
	uv_timer_init(h->o.loop, &h->sweep_timer);
	uv_timer_init(h->o.loop, &h->call_timer);
	handle_up(h, (uv_handle_t *)&h->poll);
	handle_up(h, (uv_handle_t *)&h->turn_timer);
	handle_up(h, (uv_handle_t *)&h->sweep_timer);
	handle_up(h, (uv_handle_t *)&h->call_timer);
	handle_up(h, (uv_handle_t *)&h->left_poll);
	uv_poll_start(&h->poll, UV_READABLE, on_readable);
	uv_poll_start(&h->left_poll, UV_READABLE, on_left);
	*ret = h;
	return ERR_OK;
}

uint32_t httpd_connections_n(const struct httpd *h)
{
	return h->clients_n;
}

uint16_t httpd_port(const struct httpd *h)
{
	return h->port;
}

void httpd_stop(struct httpd *h, void (*on_stopped)(void *arg), void *arg)
{
	struct client *c;
	int fd = MHD_quiesce_daemon(h->daemon);

	assert(h->on_stopped == NULL);
	h->on_stopped = on_stopped;
	h->stopped_arg = arg;
	if (fd >= 0)
		close(fd);
	TAILQ_FOREACH (c, &h->clients, entry) {
		if (c->exchange != NULL && c->exchange->state == X_SENDING)
			httpd_stream_break(c->exchange); /* what has not ended by now */
		if (c->deadline_ms != NO_DEADLINE)       /* else the handler works, or it has been cut */
			set_deadline(c, is_idle(c) ? 0 : STOP_TIMEOUT_MS);
	}
	turn_soon(h);
}
