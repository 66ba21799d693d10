/* tests: see harness.h */
#include "tests/unit/api/harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/clock.h"

#define PATIENCE_MS 20000

struct store *store;
struct conductor conductor;
struct api *api;
struct feed *feed;
static uv_loop_t loop;
static uint16_t port;
static bool is_stopped;
static struct answer last;
static char tokens_path[64];
static struct histogram no_lag;

static void remove_tokens_file(void)
{
	unlink(tokens_path);
}

const char *tokens_file(const char *text)
{
	FILE *out;

	if (tokens_path[0] == '\0') {
		strcpy(tokens_path, "/tmp/rollcall-test-XXXXXX");
		close(mkstemp(tokens_path));
		atexit(remove_tokens_file);
	}
	out = fopen(tokens_path, "w");
	ck_assert_ptr_nonnull(out);
	fputs(text, out);
	ck_assert_int_eq(fclose(out), 0);
	return tokens_path;
}

void server_start(struct api_options options)
{
	char *reason = NULL;
	enum err err;

	ck_assert_int_eq(uv_loop_init(&loop), 0);
	store = fake_store_new();
	fake_conductor_init(&conductor, store);
	feed = feed_new(0);
	options.loop = &loop;
	options.address = options.address != NULL ? options.address : "127.0.0.1";
	options.conductor = &conductor;
	options.store = store;
	options.loop_lag = &no_lag;
	options.feed = feed;
	err = api_start(&options, &api, &reason);
	ck_assert_msg(err == ERR_OK, "%s", reason);
	port = api_port(api);
	is_stopped = false;
}

static void on_stopped(void *arg)
{
	(void)arg;
	is_stopped = true;
}

void server_stop_begin(void)
{
	api_stop(api, on_stopped, NULL);
}

bool server_is_stopped(void)
{
	return is_stopped;
}

static void check_patience(int64_t since_ms)
{
	ck_assert_msg(clock_mono_ms() - since_ms < PATIENCE_MS, "nothing comes");
}

void server_stop(void)
{
	int64_t since_ms = clock_mono_ms();

	if (!is_stopped && api != NULL)
		server_stop_begin();
	for (; !is_stopped; check_patience(since_ms))
		server_turn(-1);
	api = NULL;
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	ck_assert_uint_eq(later_n(), 0);
	fake_conductor_done(&conductor);
	feed_free(feed);
	fake_store_free(store);
	answer_done(&last);
}

void server_turn(int fd)
{
	struct pollfd fds[2] = {{uv_backend_fd(&loop), POLLIN, 0}, {fd, POLLIN, 0}};
	int timer_ms = uv_backend_timeout(&loop);

	if (later_run() == 0)
		poll(fds, 2, timer_ms < 0 || timer_ms > 20 ? 20 : timer_ms);
	uv_run(&loop, UV_RUN_NOWAIT);
}

/* ---- clients ---- */

void client_open(struct client *c)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*c = (struct client){socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), BUF_INIT, false};
	ck_assert_int_ge(c->fd, 0);
	ck_assert_int_eq(connect(c->fd, (struct sockaddr *)&address, sizeof address), 0);
}

void client_close(struct client *c)
{
	close(c->fd);
	buf_done(&c->in);
}

void client_read(struct client *c)
{
	for (;;) {
		ssize_t n = recv(c->fd, buf_reserve(&c->in, 65536), 65536, MSG_DONTWAIT);

		if (n > 0) {
			c->in.len += (size_t)n;
			c->in.data[c->in.len] = '\0';
			continue;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			c->is_closed = true;
		return;
	}
}

bool client_send_n(struct client *c, const char *data, size_t n)
{
	int64_t since_ms = clock_mono_ms();

	while (n > 0) {
		ssize_t sent = send(c->fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno != EAGAIN)
			return false;
		if (sent > 0) {
			data += sent;
			n -= (size_t)sent;
			since_ms = clock_mono_ms();
		} else {
			server_turn(-1);
		}
		check_patience(since_ms);
	}
	return true;
}

bool client_send(struct client *c, const char *text)
{
	return client_send_n(c, text, strlen(text));
}

void client_wait_closed(struct client *c)
{
	int64_t since_ms = clock_mono_ms();

	for (client_read(c); !c->is_closed; client_read(c)) {
		server_turn(c->fd);
		check_patience(since_ms);
	}
}

/* Gives the length of the first answer in the buffer, 0 while it is not complete. */
static size_t answer_len(const struct client *c, bool is_head, size_t *ret_head_len)
{
	const char *end = c->in.len > 0 ? strstr(c->in.data, "\r\n\r\n") : NULL;
	const char *length = c->in.len > 0 ? strcasestr(c->in.data, "\r\nContent-Length:") : NULL;
	size_t body = 0;

	if (end == NULL)
		return 0;
	*ret_head_len = (size_t)(end + 4 - c->in.data);
	if (!is_head && length != NULL && length < end)
		body = strtoull(length + 17, NULL, 10);
	return c->in.len >= *ret_head_len + body ? *ret_head_len + body : 0;
}

void client_answer(struct client *c, bool is_head, struct answer *ret)
{
	int64_t since_ms = clock_mono_ms();
	size_t head_len = 0, len;

	for (client_read(c); (len = answer_len(c, is_head, &head_len)) == 0; client_read(c)) {
		ck_assert_msg(!c->is_closed, "closed before the answer: %s", c->in.len > 0 ? c->in.data : "");
		server_turn(c->fd);
		check_patience(since_ms);
	}
	ret->head = xstrndup(c->in.data, head_len);
	ret->len = len - head_len;
	ret->body = xmalloc(ret->len + 1);
	memcpy(ret->body, c->in.data + head_len, ret->len);
	ret->body[ret->len] = '\0';
	ret->status = (unsigned)strtoul(ret->head + 9, NULL, 10);
	memmove(c->in.data, c->in.data + len, c->in.len - len + 1);
	c->in.len -= len;
}

void answer_done(struct answer *a)
{
	free(a->head);
	free(a->body);
	*a = (struct answer){0};
}

const struct answer *ask(const char *method, const char *target, const char *headers, const char *body)
{
	struct buf request = BUF_INIT;
	struct client c;

	answer_done(&last);
	client_open(&c);
	buf_printf(&request, "%s %s HTTP/1.1\r\n", method, target);
	if (strncasecmp(headers, "Host:", 5) != 0)
		buf_printf(&request, "Host: localhost:%u\r\n", port);
	buf_puts(&request, headers);
	if (body != NULL)
		buf_printf(&request, "Content-Length: %zu\r\n", strlen(body));
	buf_printf(&request, "\r\n%s", body != NULL ? body : "");
	ck_assert(client_send_n(&c, request.data, request.len));
	client_answer(&c, strcmp(method, "HEAD") == 0, &last);
	client_close(&c);
	buf_done(&request);
	return &last;
}

const struct answer *get(const char *target)
{
	return ask("GET", target, "", NULL);
}

const struct answer *post(const char *target, const char *body)
{
	return ask("POST", target, "Content-Type: application/json\r\n", body);
}

bool has_header(const struct answer *a, const char *name, const char *value)
{
	struct buf line = BUF_INIT;
	bool has;

	buf_printf(&line, "\r\n%s: %s\r\n", name, value);
	has = strstr(a->head, line.data) != NULL;
	buf_done(&line);
	return has;
}
