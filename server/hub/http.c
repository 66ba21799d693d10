/* hub: see http.h. Requests are spread over lanes, each a curl multi with a timer; sockets are watched by
 * uv_poll.
 *
 * What libcurl does by itself and we cannot have (7.88): it sends a request again when a kept-alive
 * connection dies before the first byte of an answer. Bodies go by a read function that cannot rewind, which
 * makes it give up with CURLE_SEND_FAIL_REWIND once a byte of the body is out; and on_sending(), which it
 * asks before every sending, allows one, which holds for requests without a body too. on_sending() also tells
 * NOT_SENT from AMBIGUOUS: libcurl asks when name, connection and TLS are there and before the first byte of
 * the request.
 */
#include "server/hub/http.h"

#include <assert.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <curl/curl.h>
#include <uv.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/hub/captured.h"
#include "server/hub/dial.h"
#include "server/hub/link.h"
#include "server/hub/wire.h"

/* libcurl looks for a connection among all of its multi: many connections want several multis. */
#define LANE_CONNECTIONS 32
/* Buffers larger than this are not kept for the next request. */
#define KEPT_BYTES_MAX 1024
#define HEADERS_MAX (5 + HTTP_HEADERS_MAX)

struct lane {
	struct http *http;
	CURLM *multi;
	uv_timer_t timer;
	uint32_t in_flight;
};

struct sock {
	uv_poll_t poll;
	struct http *http;
	struct lane *lane; /* NULL until libcurl first watches it */
	int fd;
	int wanted, armed; /* UV_READABLE, UV_WRITABLE */
	bool is_ours;      /* from on_open_socket(), so on_close_socket() will tell of its end */
};

/* What an easy handle is for; first in struct call and struct dial. */
enum job { JOB_CALL, JOB_DIAL };

struct call {
	enum job job;
	TAILQ_ENTRY(call) link; /* in http->out or http->idle */
	struct http *http;
	struct lane *lane;
	CURL *easy;
	CURLU *url;
	struct curl_slist headers[HEADERS_MAX]; /* their texts are in lines */
	struct buf lines[HEADERS_MAX];
	size_t headers_n;
	struct buf path, body, answer;
	size_t body_sent, answer_max_bytes;
	struct captured captured;
	bool has_begun; /* on_sending() has allowed it */
	bool (*may_begin)(void *arg);
	char error[CURL_ERROR_SIZE];
	http_answer_cb *on_answer;
	void *arg;
};

TAILQ_HEAD(calls, call);

/* A connection for wire.c. libcurl keeps it for its easy handle, which stays in its multi for that. */
struct dial {
	enum job job;
	struct http *http;
	struct lane *lane;
	CURL *easy;
	struct link link;
	bool is_there;    /* dialled */
	bool is_given_up; /* libcurl has found it dead, or is asked to close it */
	bool is_left;     /* libcurl has closed it, but for the socket, which may still be watched */
	char error[CURL_ERROR_SIZE];
	dial_cb *on_dialled;
	void *arg;
};

struct http {
	uv_loop_t *loop;
	CURLU *base;
	struct wire *wire; /* NULL: by libcurl's own HTTP */
	char *ca_file;
	struct lane *lanes;
	uint32_t lanes_n;
	struct calls out, idle;
	struct sock **socks; /* by file descriptor */
	int socks_n;
	uv_timer_t end;   /* rings once, when http_free() has returned */
	size_t handles_n; /* uv handles that are not closed yet */
	bool is_cleaning; /* libcurl's last words: nothing is watched any more */
	void (*on_freed)(void *arg);
	void *on_freed_arg;
};

/* --- libuv's handles --- */

static void on_handle_closed(struct http *h)
{
	void (*on_freed)(void *arg) = h->on_freed;
	void *arg = h->on_freed_arg;

	if (--h->handles_n > 0)
		return;
	curl_url_cleanup(h->base);
	free(h->ca_file);
	free(h->lanes);
	free(h->socks);
	free(h);
	if (on_freed != NULL)
		on_freed(arg);
}

static void on_timer_closed(uv_handle_t *timer)
{
	on_handle_closed(timer->data);
}

static void on_sock_closed(uv_handle_t *poll)
{
	struct sock *s = poll->data;
	struct http *h = s->http;

	free(s);
	on_handle_closed(h);
}

/* --- sockets ---
 * libcurl stops and starts watching a connection's socket with every request. Leaving it armed in between
 * saves most epoll_ctl() calls (perf B), but a watch must never outlive its file descriptor: ours end in
 * on_close_socket(), those that libcurl makes and closes by itself (its resolver's wake-up pair) as soon as
 * it stops watching them. */

static void on_poll(uv_poll_t *poll, int status, int events);

static void sock_close(struct sock *s)
{
	s->http->socks[s->fd] = NULL;
	uv_close((uv_handle_t *)&s->poll, on_sock_closed);
}

/* Gives NULL where the socket cannot be watched. */
static struct sock *sock_new(struct http *h, int fd, bool is_ours)
{
	struct sock *s;

	if (fd >= h->socks_n) {
		int n = fd + 64;

		h->socks = xrealloc(h->socks, (size_t)n * sizeof *h->socks);
		memset(h->socks + h->socks_n, 0, (size_t)(n - h->socks_n) * sizeof *h->socks);
		h->socks_n = n;
	}
	if (h->socks[fd] != NULL) /* of an earlier socket of that number, whose end nobody told */
		sock_close(h->socks[fd]);
	s = xcalloc(1, sizeof *s);
	if (uv_poll_init(h->loop, &s->poll, fd) != 0) {
		free(s);
		return NULL;
	}
	h->handles_n++;
	s->poll.data = s;
	s->http = h;
	s->fd = fd;
	s->is_ours = is_ours;
	h->socks[fd] = s;
	return s;
}

static struct sock *sock_of(const struct http *h, int fd)
{
	return fd >= 0 && fd < h->socks_n ? h->socks[fd] : NULL;
}

static void sock_arm(struct sock *s, int events)
{
	if (s->armed == events)
		return;
	s->armed = events;
	if (events == 0)
		uv_poll_stop(&s->poll);
	else
		uv_poll_start(&s->poll, events, on_poll);
}

static int on_watch(CURL *easy, curl_socket_t fd, int what, void *arg, void *sock_arg)
{
	struct lane *lane = arg;
	struct sock *s = sock_of(lane->http, fd);
	enum job *job = NULL;

	(void)sock_arg;
	if (what == CURL_POLL_REMOVE) {
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, (void *)&job);
		if (s != NULL)
			s->wanted = 0;
		/* A socket that is given up while it connects is closed without a word (7.88). */
		if (s != NULL && (!s->is_ours || (job != NULL && *job == JOB_DIAL)))
			sock_close(s);
		return 0;
	}
	if (lane->http->is_cleaning)
		return 0;
	if (s == NULL)
		s = sock_new(lane->http, fd, false);
	if (s == NULL)
		return -1;
	s->lane = lane;
	s->wanted = ((what & CURL_POLL_IN) != 0 ? UV_READABLE : 0) |
	            ((what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0);
	sock_arm(s, s->wanted);
	return 0;
}

static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);

	(void)purpose;
	if (fd >= 0 && sock_new(arg, fd, true) == NULL) {
		close(fd);
		fd = -1;
	}
	return fd >= 0 ? fd : CURL_SOCKET_BAD;
}

static int on_close_socket(void *arg, curl_socket_t fd)
{
	struct sock *s = sock_of(arg, fd);

	if (s != NULL)
		sock_close(s);
	return close(fd);
}

/* libcurl looks whether connections are dead when it makes another one. */
static int on_close_dialled(void *arg, curl_socket_t fd)
{
	struct dial *d = arg;

	if (!d->is_there || d->is_given_up || fd != d->link.fd)
		return on_close_socket(d->http, fd);
	d->is_given_up = d->is_left = true;
	return 0;
}

/* Before a connection's TLS begins. */
static CURLcode on_tls(CURL *easy, void *context, void *arg)
{
	struct dial *d = arg;

	(void)easy;
	link_expect(&d->link, context);
	return CURLE_OK;
}

/* --- libcurl's other callbacks --- */

static int on_sending(void *arg, char *ip, char *local_ip, int port, int local_port)
{
	struct call *c = arg;

	(void)ip;
	(void)local_ip;
	(void)port;
	(void)local_port;
	if (c->has_begun || (c->may_begin != NULL && !c->may_begin(c->arg)))
		return CURL_PREREQFUNC_ABORT;
	c->has_begun = true;
	return CURL_PREREQFUNC_OK;
}

static size_t on_body_wanted(char *out, size_t size, size_t n, void *arg)
{
	struct call *c = arg;
	size_t rest = c->body.len - c->body_sent;

	n *= size;
	if (n > rest)
		n = rest;
	if (n > 0)
		memcpy(out, c->body.data + c->body_sent, n);
	c->body_sent += n;
	return n;
}

static size_t on_answer_body(char *data, size_t size, size_t n, void *arg)
{
	struct call *c = arg;

	n *= size;
	if (n > c->answer_max_bytes - c->answer.len)
		return CURL_WRITEFUNC_ERROR;
	buf_put(&c->answer, data, n);
	return n;
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct call *c = arg;
	const char *colon;

	n *= size;
	colon = memchr(line, ':', n);
	if (n >= 5 && strncasecmp(line, "HTTP/", 5) == 0)
		captured_reset(&c->captured);         /* what came before was a 1xx */
	else if (c->answer.len == 0 && colon != NULL) /* else it is a trailer */
		captured_take(&c->captured, line, (size_t)(colon - line), colon + 1,
		              n - (size_t)(colon + 1 - line));
	return n;
}

/* --- calls --- */

static void keep_or_free(struct buf *b)
{
	if (b->size > KEPT_BYTES_MAX)
		buf_done(b);
	else
		buf_reset(b);
}

static void call_free(struct call *c)
{
	curl_easy_cleanup(c->easy);
	curl_url_cleanup(c->url);
	for (size_t i = 0; i < HEADERS_MAX; i++)
		buf_done(&c->lines[i]);
	captured_done(&c->captured);
	buf_done(&c->path);
	buf_done(&c->body);
	buf_done(&c->answer);
	free(c);
}

#define SET(option, value) (wrong |= (int)curl_easy_setopt(easy, CURLOPT_##option, value))

/* Sets how connections are made. */
static bool set_up_connection(struct http *h, CURL *easy, char *error)
{
	int wrong = 0;

	SET(ERRORBUFFER, error);
	SET(NOSIGNAL, 1L);
	SET(PROTOCOLS_STR, "http,https");
	SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(PROXY, ""); /* also not the one that the environment names */
	SET(SSL_VERIFYPEER, 1L);
	SET(SSL_VERIFYHOST, 2L);
	SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2); /* at least (contract 1.6) */
	if (h->ca_file != NULL) {
		SET(CAINFO, h->ca_file);
		SET(CAPATH, (char *)NULL);
	}
	SET(CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_TIMEOUT_MS);
	SET(QUICK_EXIT, 1L); /* a time-out does not wait for the resolver's thread */
	/* A call may be silent for ten minutes; what stands between forgets a silent connection after four.
	 */
	SET(TCP_KEEPALIVE, 1L);
	SET(TCP_KEEPIDLE, 60L);
	SET(TCP_KEEPINTVL, 15L);
	SET(OPENSOCKETFUNCTION, on_open_socket);
	SET(OPENSOCKETDATA, (void *)h);
	SET(CLOSESOCKETFUNCTION, on_close_socket);
	SET(CLOSESOCKETDATA, (void *)h);
	return wrong == 0;
}

/* Sets what never changes. */
static bool set_up(struct call *c)
{
	CURL *easy = c->easy;
	int wrong = 0;

	SET(CURLU, c->url);
	SET(PRIVATE, (void *)c);
	SET(FOLLOWLOCATION, 0L);
	SET(USERAGENT, "rollcall/" ROLLCALL_VERSION);
	SET(UPLOAD_BUFFERSIZE, 16384L);
	SET(PREREQFUNCTION, on_sending);
	SET(PREREQDATA, (void *)c);
	SET(READFUNCTION, on_body_wanted);
	SET(READDATA, (void *)c);
	SET(WRITEFUNCTION, on_answer_body);
	SET(WRITEDATA, (void *)c);
	SET(HEADERFUNCTION, on_header);
	SET(HEADERDATA, (void *)c);
	return set_up_connection(c->http, easy, c->error) && wrong == 0;
}

/* Gives NULL when out of memory. */
static struct call *call_take(struct http *h)
{
	struct call *c = TAILQ_FIRST(&h->idle);

	if (c != NULL) {
		TAILQ_REMOVE(&h->idle, c, link);
		return c;
	}
	c = xcalloc(1, sizeof *c);
	c->job = JOB_CALL;
	c->http = h;
	c->easy = curl_easy_init();
	c->url = curl_url_dup(h->base);
	if (c->easy == NULL || c->url == NULL || !set_up(c)) {
		call_free(c);
		return NULL;
	}
	return c;
}

static void call_give_back(struct call *c)
{
	keep_or_free(&c->body);
	keep_or_free(&c->answer);
	TAILQ_INSERT_HEAD(&c->http->idle, c, link);
}

static void put_header(struct call *c, const char *name, const char *value)
{
	struct buf *line = &c->lines[c->headers_n];
	struct curl_slist *header = &c->headers[c->headers_n];

	if (value == NULL)
		return;
	buf_reset(line);
	buf_puts(line, name);
	buf_puts(line, ": ");
	buf_puts(line, value);
	*header = (struct curl_slist){line->data, NULL};
	if (c->headers_n > 0)
		header[-1].next = header;
	c->headers_n++;
}

static bool set_path(struct call *c, const char *path)
{
	char *query;

	buf_reset(&c->path);
	buf_puts(&c->path, path);
	query = strchr(c->path.data, '?');
	if (query != NULL)
		*query++ = '\0';
	return curl_url_set(c->url, CURLUPART_PATH, c->path.data, 0) == CURLUE_OK &&
	       curl_url_set(c->url, CURLUPART_QUERY, query, 0) == CURLUE_OK;
}

static bool prepare(struct call *c, const struct http_request *r)
{
	int wrong = 0;

	c->headers_n = 0;
	put_header(c, "Authorization", r->authorization);
	put_header(c, "Content-Type", r->content_type);
	put_header(c, "x-ms-max-item-count", r->max_item_count);
	put_header(c, "x-ms-continuation", r->continuation);
	put_header(c, "Metadata", r->wants_metadata ? "true" : NULL);
	for (size_t i = 0; i < r->headers_n; i++)
		put_header(c, r->headers[i].name, r->headers[i].value);
	buf_put(&c->body, r->body, r->body != NULL ? r->body_bytes : 0);
	c->body_sent = 0;
	c->answer_max_bytes = r->answer_max_bytes;
	c->has_begun = false;
	c->may_begin = r->may_begin;
	c->error[0] = '\0';
	captured_reset(&c->captured);
	if (strcmp(r->method, "GET") != 0) {
		wrong |= (int)curl_easy_setopt(c->easy, CURLOPT_POST, 1L);
		wrong |= (int)curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body.len);
	} else {
		wrong |= (int)curl_easy_setopt(c->easy, CURLOPT_HTTPGET, 1L);
	}
	/* a PUT is sent as a POST is, and as surely once */
	wrong |= (int)curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST,
	                               strcmp(r->method, "PUT") == 0 ? "PUT" : NULL);
	wrong |= (int)curl_easy_setopt(c->easy, CURLOPT_HTTPHEADER, c->headers_n > 0 ? c->headers : NULL);
	wrong |= (int)curl_easy_setopt(c->easy, CURLOPT_TIMEOUT_MS, (long)r->timeout_ms);
	return set_path(c, r->path) && wrong == 0;
}

/* --- answers --- */

static void read_answer(const struct call *c, struct http_answer *ret)
{
	long status = 0;
	curl_off_t took_us = 0;

	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(c->easy, CURLINFO_TOTAL_TIME_T, &took_us);
	ret->took_ms = took_us / 1000;
	ret->status = (int)status;
	captured_read(&c->captured, ret);
	if (c->answer.len > 0) {
		ret->body = c->answer.data;
		ret->body_bytes = c->answer.len;
	}
}

/* wrong: NULL where an answer came. */
static void finish(struct call *c, const char *wrong)
{
	struct http_answer answer = {.date_ms = TIME_NONE, .retry_after_ms = TIME_NONE, .body = ""};

	curl_multi_remove_handle(c->lane->multi, c->easy);
	c->lane->in_flight--;
	TAILQ_REMOVE(&c->http->out, c, link);
	if (wrong == NULL) {
		read_answer(c, &answer);
	} else {
		answer.err = c->has_begun ? ERR_AMBIGUOUS : ERR_NOT_SENT;
		answer.err_detail = wrong;
	}
	c->on_answer(c->arg, &answer);
	call_give_back(c);
}

/* Has the socket watched by whoever asked for the connection. */
static void finish_dial(struct dial *d, CURLcode code)
{
	curl_socket_t fd = CURL_SOCKET_BAD;
	struct sock *s;

	if (code == CURLE_OK)
		code = curl_easy_getinfo(d->easy, CURLINFO_ACTIVESOCKET, &fd);
	if (code == CURLE_OK && fd == CURL_SOCKET_BAD)
		code = CURLE_COULDNT_CONNECT;
	s = sock_of(d->http, fd);
	if (s != NULL)
		sock_close(s);
	if (code == CURLE_OK && !link_begin(&d->link, fd))
		code = CURLE_OUT_OF_MEMORY;
	d->is_there = code == CURLE_OK;
	d->on_dialled(d->arg, code == CURLE_OK      ? NULL
	                      : d->error[0] != '\0' ? d->error
	                                            : curl_easy_strerror(code));
}

static const char *what_went_wrong(const struct call *c, CURLcode code)
{
	if (code == CURLE_OK)
		return NULL;
	if (code == CURLE_SEND_FAIL_REWIND || code == CURLE_ABORTED_BY_CALLBACK)
		return "the connection died before an answer came";
	if (code == CURLE_WRITE_ERROR)
		return "the answer is longer than allowed";
	return c->error[0] != '\0' ? c->error : curl_easy_strerror(code);
}

/* Lets libcurl look at one socket, or at its clock, then reports all that has ended. */
static void act(struct lane *lane, curl_socket_t fd, int flags)
{
	CURLMsg *message;
	int n;

	curl_multi_socket_action(lane->multi, fd, flags, &n);
	while ((message = curl_multi_info_read(lane->multi, &n)) != NULL) {
		CURLcode code = message->data.result;
		enum job *job = NULL;

		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (void *)&job);
		if (*job == JOB_DIAL)
			finish_dial((struct dial *)job, code);
		else
			finish((struct call *)job, what_went_wrong((struct call *)job, code));
	}
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct sock *s = poll->data;
	struct http *h = s->http;
	curl_socket_t fd = s->fd;
	int flags = 0;

	if (status < 0) {
		s->armed = 0;        /* libuv has stopped it */
		events |= s->wanted; /* with the error alone libcurl would not read what came before it */
		flags = CURL_CSELECT_ERR;
	}
	flags |= ((events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0) |
	         ((events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0);
	if (s->wanted == 0) {
		sock_arm(s, 0); /* closed by the hub while idle: libcurl sees that before it uses it again */
		return;
	}
	act(s->lane, fd, flags);
	if (status < 0 && sock_of(h, fd) == s)
		sock_arm(s, s->wanted); /* libcurl does not say again what it still wants */
}

static void on_lane_timer(uv_timer_t *timer)
{
	struct lane *lane = (struct lane *)((char *)timer - offsetof(struct lane, timer));

	act(lane, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timer_wanted(CURLM *multi, long in_ms, void *arg)
{
	struct lane *lane = arg;

	(void)multi;
	if (in_ms < 0)
		uv_timer_stop(&lane->timer);
	else
		uv_timer_start(&lane->timer, on_lane_timer, (uint64_t)in_ms, 0);
	return 0;
}

/* --- the client --- */

static void timer_init(struct http *h, uv_timer_t *timer)
{
	uv_timer_init(h->loop, timer);
	timer->data = h;
	h->handles_n++;
}

static bool lane_init(struct http *h, struct lane *lane, uint32_t connections_max)
{
	int wrong = 0;

	lane->http = h;
	timer_init(h, &lane->timer);
	lane->multi = curl_multi_init();
	if (lane->multi == NULL)
		return false;
#define SET_MULTI(option, value) (wrong |= (int)curl_multi_setopt(lane->multi, CURLMOPT_##option, value))
	SET_MULTI(SOCKETFUNCTION, on_watch);
	SET_MULTI(SOCKETDATA, (void *)lane);
	SET_MULTI(TIMERFUNCTION, on_timer_wanted);
	SET_MULTI(TIMERDATA, (void *)lane);
	SET_MULTI(MAXCONNECTS, (long)connections_max);
	SET_MULTI(PIPELINING, (long)CURLPIPE_NOTHING);
#undef SET_MULTI
	return wrong == 0;
}

static void close_all(struct http *h)
{
	h->is_cleaning = true;
	while (!TAILQ_EMPTY(&h->idle)) {
		struct call *c = TAILQ_FIRST(&h->idle);

		TAILQ_REMOVE(&h->idle, c, link);
		call_free(c);
	}
	for (uint32_t i = 0; i < h->lanes_n; i++) {
		curl_multi_cleanup(h->lanes[i].multi);
		uv_close((uv_handle_t *)&h->lanes[i].timer, on_timer_closed);
	}
	for (int fd = 0; fd < h->socks_n; fd++)
		if (h->socks[fd] != NULL)
			sock_close(h->socks[fd]);
	uv_close((uv_handle_t *)&h->end, on_timer_closed);
}

static void init_curl(void)
{
	signal(SIGPIPE,
	       SIG_IGN); /* with CURLOPT_NOSIGNAL this is ours to do, and TLS writes where nobody reads */
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* The Host header names the port where it is not the scheme's own (RFC 9110 7.2). */
static bool wire_up(struct http *h, uint32_t connections_max)
{
	struct buf host = BUF_INIT;
	char *name = NULL, *port = NULL;
	bool has_name = curl_url_get(h->base, CURLUPART_HOST, &name, 0) == CURLUE_OK;

	if (has_name) {
		buf_puts(&host, name);
		if (curl_url_get(h->base, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT) == CURLUE_OK)
			buf_printf(&host, ":%s", port);
		h->wire = wire_new(h->loop, h, host.data, connections_max);
	}
	curl_free(port);
	curl_free(name);
	buf_done(&host);
	return has_name;
}

enum err http_new(const struct http_options *options, struct http **ret)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uint32_t lanes_n = (options->connections_max + LANE_CONNECTIONS - 1) / LANE_CONNECTIONS;
	struct http *h;

	assert(options->connections_max > 0);
	if (options->ca_file != NULL && access(options->ca_file, R_OK) != 0)
		return ERR_NOT_FOUND;
	pthread_once(&once, init_curl);
	h = xcalloc(1, sizeof *h);
	h->loop = options->loop;
	h->ca_file = options->ca_file != NULL ? xstrdup(options->ca_file) : NULL;
	TAILQ_INIT(&h->out);
	TAILQ_INIT(&h->idle);
	timer_init(h, &h->end);
	h->base = curl_url();
	if (h->base == NULL || curl_url_set(h->base, CURLUPART_URL, options->base_url, 0) != CURLUE_OK)
		goto fail;
	h->lanes = xcalloc(lanes_n, sizeof *h->lanes);
	while (h->lanes_n < lanes_n)
		if (!lane_init(h, &h->lanes[h->lanes_n++],
		               (options->connections_max + lanes_n - 1) / lanes_n))
			goto fail;
	if (options->is_wired && link_knows(curl_version_info(CURLVERSION_NOW)->ssl_version) &&
	    !wire_up(h, options->connections_max))
		goto fail;
	*ret = h;
	return ERR_OK;
fail:
	close_all(h); /* gone after the loop's next turn */
	return ERR_INVALID;
}

/* Whether one of eight bytes is below ' ' or DEL; also true for some that are neither, where another one is.
 */
static bool may_be_control(uint64_t eight)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones * 0x80;
	uint64_t del = eight ^ (ones * 0x7f);

	return (((eight - ones * ' ') & ~eight & highs) | ((del - ones) & ~del & highs)) != 0;
}

static bool is_clean(const char *text)
{
	size_t n = text != NULL ? strlen(text) : 0, at = 0;
	uint64_t eight;

	for (; n - at >= sizeof eight; at += sizeof eight) {
		memcpy(&eight, text + at, sizeof eight);
		if (may_be_control(eight))
			return false;
	}
	for (; at < n; at++)
		if ((unsigned char)text[at] < ' ' || text[at] == 0x7f)
			return false;
	return true;
}

/* Nothing that was learnt from a peer or a user may end a header line or the request line. */
static bool is_sound(const struct http_request *r)
{
	for (size_t i = 0; i < r->headers_n; i++)
		if (!is_clean(r->headers[i].value))
			return false;
	return r->path[0] == '/' && strchr(r->path, ' ') == NULL && strchr(r->path, '#') == NULL &&
	       is_clean(r->path) && is_clean(r->authorization) && is_clean(r->content_type) &&
	       is_clean(r->max_item_count) && is_clean(r->continuation);
}

static struct lane *emptiest_lane(struct http *h)
{
	struct lane *best = &h->lanes[0];

	for (uint32_t i = 1; i < h->lanes_n; i++)
		if (h->lanes[i].in_flight < best->in_flight)
			best = &h->lanes[i];
	return best;
}

/* ---- connections for wire.c (dial.h) ---- */

static bool set_up_dial(struct dial *d)
{
	CURL *easy = d->easy;
	int wrong = 0;

	SET(CURLU, d->http->base);
	SET(CONNECT_ONLY, 1L);
	SET(PRIVATE, (void *)d);
	/* Else it closes those that it has not seen in use for two minutes, with calls on them. */
	SET(MAXAGE_CONN, LONG_MAX);
	SET(CLOSESOCKETFUNCTION, on_close_dialled);
	SET(CLOSESOCKETDATA, (void *)d);
	SET(SSL_CTX_FUNCTION, on_tls);
	SET(SSL_CTX_DATA, (void *)d);
	return wrong == 0;
}
#undef SET

struct dial *dial_new(struct http *h, dial_cb *on_dialled, void *arg)
{
	struct dial *d = xcalloc(1, sizeof *d);

	*d = (struct dial){.job = JOB_DIAL,
	                   .http = h,
	                   .lane = emptiest_lane(h),
	                   .easy = curl_easy_init(),
	                   .link = LINK_INIT,
	                   .on_dialled = on_dialled,
	                   .arg = arg};
	if (d->easy == NULL || !set_up_connection(h, d->easy, d->error) || !set_up_dial(d) ||
	    curl_multi_add_handle(d->lane->multi, d->easy) != CURLM_OK) {
		curl_easy_cleanup(d->easy);
		free(d);
		return NULL;
	}
	d->lane->in_flight++;
	return d;
}

int dial_fd(const struct dial *d)
{
	return d->link.fd;
}

long dial_send(struct dial *d, const void *data, size_t n)
{
	return d->is_given_up ? DIAL_FAILED : link_send(&d->link, data, n);
}

long dial_receive(struct dial *d, void *data, size_t n)
{
	return d->is_given_up ? DIAL_FAILED : link_receive(&d->link, data, n);
}

bool dial_has_more(const struct dial *d)
{
	return !d->is_given_up && link_has_more(&d->link);
}

void dial_free(struct dial *d)
{
	if (d == NULL)
		return;
	d->lane->in_flight--;
	d->is_given_up = true;
	curl_multi_remove_handle(d->lane->multi, d->easy);
	curl_easy_cleanup(d->easy);
	if (d->is_left)
		close(d->link.fd);
	free(d);
}

/* ---- the client, again ---- */

enum err http_send(struct http *h, const struct http_request *request, http_answer_cb *on_answer, void *arg)
{
	struct call *c;

	assert(strcmp(request->method, "GET") == 0 ||
	       ((strcmp(request->method, "POST") == 0 || strcmp(request->method, "PUT") == 0) &&
	        request->content_type != NULL));
	if (h->on_freed != NULL)
		return ERR_CLOSED;
	if (!is_sound(request))
		return ERR_INVALID;
	if (h->wire != NULL)
		return wire_send(h->wire, request, on_answer, arg);
	c = call_take(h);
	if (c == NULL)
		return ERR_NOMEM;
	c->on_answer = on_answer;
	c->arg = arg;
	c->lane = emptiest_lane(h);
	if (!prepare(c, request) || curl_multi_add_handle(c->lane->multi, c->easy) != CURLM_OK) {
		call_give_back(c);
		return ERR_NOMEM;
	}
	c->lane->in_flight++;
	TAILQ_INSERT_TAIL(&h->out, c, link);
	return ERR_OK;
}

static void on_wire_closed(void *arg)
{
	close_all(arg);
}

static void on_end(uv_timer_t *timer)
{
	struct http *h = timer->data;

	while (!TAILQ_EMPTY(&h->out))
		finish(TAILQ_FIRST(&h->out), "cut short: the service is stopping");
	if (h->wire != NULL)
		wire_close(h->wire, on_wire_closed, h);
	else
		close_all(h);
}

void http_free(struct http *h, void (*on_freed)(void *arg), void *arg)
{
	assert(h->on_freed == NULL && on_freed != NULL);
	h->on_freed = on_freed;
	h->on_freed_arg = arg;
	uv_timer_start(&h->end, on_end, 0, 0);
}
