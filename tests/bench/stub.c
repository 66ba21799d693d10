/* tests/bench: a hub that answers at once, so that what is measured is its client: direct methods, twins and
 * twin queries over HTTP/1.1 with keep-alive, by one thread and one epoll. It checks no credential, and reads
 * of a request no more than it needs. For what a hub really does there is tests/hubsim.
 *
 * Its devices are "device-0000000" and so on; each has properties.reported.iothubDM.reboot.lastReboot, which
 * moves when its method is called, and, where a query selects them, one of 1,000 sites and one of 40 time
 * zones as tags. GET /stats tells what it was asked, and when. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/rng.h"

#define READ_BYTES 16384
#define EVENTS_MAX 64
#define PAGE_ROWS 100                 /* contract 4.1 */
#define NEVER_CALLED_MS 1767225600000 /* 2026-01-01: what lastReboot says before the first call */
#define METADATA_LEVELS 8

/* What goes wrong with a call, instead of an answer; shares are drawn in this order. */
#define FAULTS(X) \
	X(THROTTLED, "429", "429 Too Many Requests", "ThrottlingException", \
	  "{\"Message\":\"ErrorCode:ThrottlingException;wait and try again\",\"ExceptionMessage\":\"\"}") \
	X(OFFLINE, "404103", "404 Not Found", "DeviceNotOnline", \
	  "{\"Message\":\"{\\\"errorCode\\\":404103,\\\"message\\\":\\\"not online\\\"}\",\"ExceptionMessage\":\"\"}") \
	X(TIMEOUT, "504101", "504 Gateway Timeout", "GatewayTimeout", \
	  "{\"Message\":\"{\\\"errorCode\\\":504101,\\\"message\\\":\\\"timed out\\\"}\",\"ExceptionMessage\":\"\"}") \
	X(CUT, "cut", NULL, NULL, NULL) /* the device acts, and the connection is closed without an answer \
	                                 */
enum {
#define X(name, text, status, code, body) FAULT_##name,
	FAULTS(X)
#undef X
	        FAULTS_N
};
static const struct {
	const char *text, *status, *code, *body;
} faults[FAULTS_N] = {
#define X(name, text, status, code, body) {text, status, code, body},
        FAULTS(X)
#undef X
};

struct conn {
	TAILQ_ENTRY(conn) link; /* in later, while due_ns > 0 */
	int fd;
	SSL *ssl; /* NULL: plain */
	bool is_shaken, wants_write, is_ending;
	int64_t due_ns;
	struct buf in, out;
	size_t sent; /* of out */
};

struct door {
	int fd;
	bool is_tls;
};

static struct {
	uint32_t devices_n;
	int64_t latency_ns;
	bool is_still; /* devices accept calls, and their twins stay as they are */
	double shares[FAULTS_N];
	const char *cert_file, *key_file;
} options;
static int epoll_fd;
static SSL_CTX *tls;
static struct door doors[2];
static TAILQ_HEAD(, conn) later =
        TAILQ_HEAD_INITIALIZER(later); /* answers held back; all as long, so in order */
static int64_t *called_at_ms;          /* by device; 0: never */
static struct rng luck;
static char date[64];
static time_t date_of;
static uint64_t calls, wrong_calls, reads, pages, connections;

static int64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static void fail(const char *what)
{
	fprintf(stderr, "stub: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- connections ---- */

static void watch(struct conn *c, int how, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = c};

	if (epoll_ctl(epoll_fd, how, c->fd, &event) != 0)
		fail("epoll_ctl");
}

static void conn_free(struct conn *c)
{
	if (c->due_ns > 0)
		TAILQ_REMOVE(&later, c, link);
	SSL_free(c->ssl);
	close(c->fd);
	buf_done(&c->in);
	buf_done(&c->out);
	free(c);
}

static void conn_new(int fd, bool is_tls)
{
	struct conn *c = xcalloc(1, sizeof *c);
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	c->fd = fd;
	c->is_shaken = !is_tls;
	if (is_tls) {
		c->ssl = SSL_new(tls);
		if (c->ssl == NULL || SSL_set_fd(c->ssl, fd) != 1)
			abort();
		SSL_set_accept_state(c->ssl);
	}
	connections++;
	watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

static void accept_all(const struct door *door)
{
	int fd;

	while ((fd = accept4(door->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		conn_new(fd, door->is_tls);
	if (errno != EAGAIN && errno != ECONNABORTED)
		fail("accept");
}

/* 0: would block, negative: over. */
static ssize_t heard(const struct conn *c, ssize_t n)
{
	int why;

	if (n > 0)
		return n;
	if (c->ssl == NULL)
		return n < 0 && errno == EAGAIN ? 0 : -1;
	why = SSL_get_error(c->ssl, (int)n);
	return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t take(const struct conn *c, char *out, int n)
{
	return heard(c, c->ssl != NULL ? SSL_read(c->ssl, out, n) : recv(c->fd, out, (size_t)n, 0));
}

static ssize_t give(const struct conn *c, const char *data, size_t n)
{
	return heard(c,
	             c->ssl != NULL ? SSL_write(c->ssl, data, (int)n) : send(c->fd, data, n, MSG_NOSIGNAL));
}

/* False: the connection is over. */
static bool flush(struct conn *c)
{
	bool wants_write;

	while (c->sent < c->out.len) {
		ssize_t n = give(c, c->out.data + c->sent, c->out.len - c->sent);

		if (n < 0)
			return false;
		if (n == 0)
			break;
		c->sent += (size_t)n;
	}
	wants_write = c->sent < c->out.len;
	if (wants_write != c->wants_write)
		watch(c, EPOLL_CTL_MOD, wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN);
	c->wants_write = wants_write;
	if (!wants_write) {
		buf_reset(&c->out);
		c->sent = 0;
	}
	return wants_write || !c->is_ending;
}

/* ---- answers ---- */

static void answer(struct conn *c, const char *status, const char *headers, const char *body, size_t n)
{
	buf_printf(&c->out,
	           "HTTP/1.1 %s\r\nContent-Length: %zu\r\nContent-Type: application/json; charset=utf-8\r\n"
	           "x-ms-request-id: 5a5cf8c1-0b2e-4c0f-9d3c-2f1f5f3a7b10\r\nDate: %s\r\n%s\r\n",
	           status, n, date, headers);
	buf_put(&c->out, body, n);
}

/* The number of a device, devices_n where it is none of ours. */
static uint32_t device_of(const char *id, size_t n)
{
	static const char name[] = "device-";
	char digits[12] = "";
	unsigned long no;

	if (n < sizeof name || n >= sizeof name + sizeof digits - 1 || memcmp(id, name, sizeof name - 1) != 0)
		return options.devices_n;
	memcpy(digits, id + sizeof name - 1, n - (sizeof name - 1));
	no = strtoul(digits, NULL, 10);
	return no < options.devices_n ? (uint32_t)no : options.devices_n;
}

static int drawn_fault(void)
{
	double u = rng_unit(&luck);
	int i = 0;

	while (i < FAULTS_N && u >= options.shares[i])
		u -= options.shares[i++];
	return i;
}

static void answer_call(struct conn *c, const char *id, size_t id_bytes)
{
	static const char body[] = "{\"status\":200,\"payload\":{\"response\":\"rebooting\"}}";
	uint32_t device = device_of(id, id_bytes);
	char headers[64];
	int fault = drawn_fault();

	calls++;
	wrong_calls += fault < FAULTS_N;
	if ((fault == FAULTS_N || fault == FAULT_CUT) && device < options.devices_n && !options.is_still)
		called_at_ms[device] = clock_now_ms();
	if (fault == FAULTS_N) {
		answer(c, "200 OK", "", body, sizeof body - 1);
	} else if (fault == FAULT_CUT) {
		c->is_ending = true;
	} else {
		snprintf(headers, sizeof headers, "iothub-errorcode: %s\r\n", faults[fault].code);
		answer(c, faults[fault].status, headers, faults[fault].body, strlen(faults[fault].body));
	}
}

static int64_t last_reboot(uint32_t device)
{
	return called_at_ms[device] > 0 ? called_at_ms[device] : NEVER_CALLED_MS;
}

static void answer_twin(struct conn *c, const char *id, size_t id_bytes)
{
	uint32_t device = device_of(id, id_bytes);
	struct buf body = BUF_INIT;
	char at[TIME_TEXT_SIZE];

	reads++;
	if (device == options.devices_n) {
		answer(c, "404 Not Found", "iothub-errorcode: DeviceNotFound\r\n", "{}", 2);
		return;
	}
	time_text(last_reboot(device), at);
	buf_printf(
	        &body,
	        "{\"deviceId\":\"%.*s\",\"etag\":\"AAAAAAAAAAE=\",\"status\":\"enabled\",\"properties\":{\"desired\":{"
	        "\"$version\":1},\"reported\":{\"iothubDM\":{\"reboot\":{\"lastReboot\":\"%s\"}},\"$metadata\":{"
	        "\"$lastUpdated\":\"%s\",\"iothubDM\":{\"$lastUpdated\":\"%s\",\"reboot\":{\"$lastUpdated\":\"%s\","
	        "\"lastReboot\":{\"$lastUpdated\":\"%s\"}}}},\"$version\":%d}}}",
	        (int)id_bytes, id, at, at, at, at, at, called_at_ms[device] > 0 ? 3 : 2);
	answer(c, "200 OK", "", body.data, body.len);
	buf_done(&body);
}

/* What a query selects, of what there is to select: v is the watched value, v0 … the times of its ancestors
 * and its own (server/hub/reading.c). */
struct columns {
	bool has_value, has_site, has_zone;
	int times_n;
};

static struct columns columns_of(const char *query)
{
	struct columns ret = {.has_value = strstr(query, " AS v,") != NULL,
	                      .has_site = strstr(query, " AS g") != NULL,
	                      .has_zone = strstr(query, " AS z") != NULL};
	char alias[16];

	do
		snprintf(alias, sizeof alias, " AS v%d", ret.times_n);
	while (ret.times_n < METADATA_LEVELS && strstr(query, alias) != NULL && ++ret.times_n > 0);
	return ret;
}

#define SITES 1000
#define ZONES (sizeof zones / sizeof *zones)
static const char *const zones[] = {
        "Africa/Cairo",        "Africa/Johannesburg", "Africa/Lagos",
        "Africa/Nairobi",      "America/Anchorage",   "America/Argentina/Buenos_Aires",
        "America/Bogota",      "America/Chicago",     "America/Denver",
        "America/Halifax",     "America/Los_Angeles", "America/Mexico_City",
        "America/New_York",    "America/Phoenix",     "America/Santiago",
        "America/Sao_Paulo",   "America/St_Johns",    "Asia/Bangkok",
        "Asia/Dhaka",          "Asia/Dubai",          "Asia/Hong_Kong",
        "Asia/Jakarta",        "Asia/Karachi",        "Asia/Kathmandu",
        "Asia/Kolkata",        "Asia/Singapore",      "Asia/Tehran",
        "Asia/Tokyo",          "Asia/Yangon",         "Australia/Adelaide",
        "Australia/Lord_Howe", "Australia/Perth",     "Australia/Sydney",
        "Europe/Athens",       "Europe/Istanbul",     "Europe/Lisbon",
        "Europe/London",       "Europe/Stockholm",    "Pacific/Auckland",
        "Pacific/Chatham"};

static void put_row(struct buf *body, struct columns columns, uint32_t device)
{
	char at[TIME_TEXT_SIZE];

	time_text(last_reboot(device), at);
	buf_printf(body, "%s{\"deviceId\":\"device-%07u\",\"status\":\"enabled\",\"rv\":%d",
	           body->len > 1 ? "," : "", device, called_at_ms[device] > 0 ? 3 : 2);
	if (columns.has_value)
		buf_printf(body, ",\"v\":\"%s\"", at);
	for (int i = 0; i < columns.times_n; i++)
		buf_printf(body, ",\"v%d\":\"%s\"", i, at);
	if (columns.has_site)
		buf_printf(body, ",\"g\":\"site-%03u\"", device % SITES);
	if (columns.has_zone)
		buf_printf(body, ",\"z\":\"%s\"", zones[device % ZONES]);
	buf_putc(body, '}');
}

/* All devices, or those of "deviceId IN ['…', …]"; other conditions hold for every device. */
static void answer_page(struct conn *c, const char *head, const char *query)
{
	struct columns columns = columns_of(query);
	const char *from = strcasestr(head, "\r\nx-ms-continuation: "), *id = strstr(query, "deviceId IN ['");
	uint32_t no = from != NULL ? (uint32_t)strtoul(from + 21, NULL, 10) : 0, end = no + PAGE_ROWS;
	char headers[96] = "x-ms-item-type: Raw\r\n";
	struct buf body = BUF_INIT;

	pages++;
	buf_putc(&body, '[');
	if (id != NULL) {
		for (id += strlen("deviceId IN ['"); id != NULL; id = strstr(id, "','")) {
			id += *id == '\'' ? 3 : 0;
			no = device_of(id, strcspn(id, "'"));
			if (no < options.devices_n)
				put_row(&body, columns, no);
		}
	} else {
		for (; no < end && no < options.devices_n; no++)
			put_row(&body, columns, no);
		if (no < options.devices_n)
			snprintf(headers, sizeof headers, "x-ms-item-type: Raw\r\nx-ms-continuation: %u\r\n",
			         no);
	}
	buf_putc(&body, ']');
	answer(c, "200 OK", headers, body.data, body.len);
	buf_done(&body);
}

static void answer_stats(struct conn *c)
{
	char body[256];
	int n = snprintf(body, sizeof body,
	                 "{\"atUs\":%lld,\"calls\":%llu,\"faults\":%llu,\"reads\":%llu,\"pages\":%llu,"
	                 "\"connections\":%llu}",
	                 (long long)(clock_ns(CLOCK_REALTIME) / 1000), (unsigned long long)calls,
	                 (unsigned long long)wrong_calls, (unsigned long long)reads,
	                 (unsigned long long)pages, (unsigned long long)connections);

	answer(c, "200 OK", "", body, (size_t)n);
}

/* ---- requests ---- */

/* head: from the method to the empty line, as a text of its own; body is one, too. */
static void serve(struct conn *c, char *head, const char *body)
{
	static const char twins[] = "/twins/", methods[] = "/methods?";
	const char *path = strchr(head, ' '), *id;
	size_t id_bytes;

	path = path != NULL ? path + 1 : "";
	if (strncmp(path, twins, sizeof twins - 1) == 0) {
		id = path + sizeof twins - 1;
		id_bytes = strcspn(id, "/? ");
		if (strncmp(id + id_bytes, methods, sizeof methods - 1) == 0)
			answer_call(c, id, id_bytes);
		else
			answer_twin(c, id, id_bytes);
	} else if (strncmp(path, "/devices/query", 14) == 0) {
		answer_page(c, head, body);
	} else if (strncmp(path, "/stats", 6) == 0) {
		answer_stats(c);
	} else {
		answer(c, "404 Not Found", "", "{}", 2);
	}
}

/* Gives the bytes of the first request in c, 0 where it is not whole yet. */
static size_t whole_request(const struct conn *c, size_t *ret_head_bytes)
{
	const char *end = memmem(c->in.data, c->in.len, "\r\n\r\n", 4), *length;
	size_t n;

	if (end == NULL)
		return 0;
	*ret_head_bytes = (size_t)(end - c->in.data) + 4;
	length = strcasestr(c->in.data, "\r\nContent-Length:");
	n = *ret_head_bytes + (length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0);
	return n <= c->in.len ? n : 0;
}

static void serve_all(struct conn *c)
{
	size_t n, head_bytes;

	while (c->due_ns == 0 && !c->is_ending && c->in.len > 0 && (n = whole_request(c, &head_bytes)) > 0) {
		char after = c->in.data[n];
		uint64_t calls_before = calls;

		c->in.data[head_bytes - 1] = c->in.data[n] = '\0';
		serve(c, c->in.data, c->in.data + head_bytes);
		c->in.data[n] = after;
		memmove(c->in.data, c->in.data + n, c->in.len - n + 1);
		c->in.len -= n;
		if (options.latency_ns > 0 &&
		    calls > calls_before) { /* devices take their time, not the hub */
			c->due_ns = now_ns() + options.latency_ns;
			TAILQ_INSERT_TAIL(&later, c, link);
		}
	}
}

/* False: the connection is over. */
static bool read_some(struct conn *c)
{
	do {
		ssize_t n = take(c, buf_reserve(&c->in, READ_BYTES), READ_BYTES);

		if (n <= 0)
			return n == 0;
		c->in.len += (size_t)n;
		c->in.data[c->in.len] = '\0';
		serve_all(c);
	} while (c->ssl != NULL && SSL_has_pending(c->ssl) == 1);
	return true;
}

static bool shake(struct conn *c)
{
	int n = SSL_do_handshake(c->ssl);

	c->is_shaken = n == 1;
	return heard(c, n) >= 0;
}

static void act(struct conn *c)
{
	bool lives = c->is_shaken || shake(c);

	if (lives && c->is_shaken)
		lives = read_some(c) && (c->due_ns > 0 || flush(c));
	if (!lives)
		conn_free(c);
}

static void answer_due(void)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&later)) != NULL && c->due_ns <= now_ns()) {
		TAILQ_REMOVE(&later, c, link);
		c->due_ns = 0;
		serve_all(c); /* what came meanwhile */
		if (c->due_ns == 0 && !flush(c))
			conn_free(c);
	}
}

/* ---- the program ---- */

static int wait_ms(void)
{
	const struct conn *c = TAILQ_FIRST(&later);
	int64_t left_ns = c != NULL ? c->due_ns - now_ns() : 0;

	return c == NULL ? 1000 : left_ns > 0 ? (int)(left_ns / 1000000 + 1) : 0;
}

static void run(void)
{
	struct epoll_event events[EVENTS_MAX];

	for (;;) {
		int n = epoll_wait(epoll_fd, events, EVENTS_MAX, wait_ms());
		time_t now = time(NULL);
		struct tm tm;

		if (now != date_of) {
			date_of = now;
			strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
		}
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &doors[0] || events[i].data.ptr == &doors[1])
				accept_all(events[i].data.ptr);
			else
				act(events[i].data.ptr);
		}
		answer_due();
	}
}

/* Gives the port. */
static unsigned door_open(struct door *door, bool is_tls)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = door};
	socklen_t n = sizeof address;

	door->is_tls = is_tls;
	door->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (door->fd < 0 || bind(door->fd, (struct sockaddr *)&address, n) != 0 ||
	    listen(door->fd, 4096) != 0 || getsockname(door->fd, (struct sockaddr *)&address, &n) != 0 ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, door->fd, &event) != 0)
		fail("cannot listen");
	return ntohs(address.sin_port);
}

static void tls_setup(void)
{
	tls = SSL_CTX_new(TLS_server_method());
	if (tls == NULL || SSL_CTX_use_certificate_chain_file(tls, options.cert_file) != 1 ||
	    SSL_CTX_use_PrivateKey_file(tls, options.key_file, SSL_FILETYPE_PEM) != 1) {
		fprintf(stderr, "stub: certificate and key cannot be used\n");
		exit(1);
	}
	SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
	SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(tls, 1);
}

static const char usage[] =
        "usage: stub --cert FILE --key FILE [--devices N] [--latency-ms N] [--still] [--fault KIND=SHARE]…\n"
        "KIND: 429, 404103, 504101 or cut; SHARE: of all calls, 0 to 1. Listens on loopback and prints where.\n";

static bool read_fault(const char *text)
{
	const char *share = strchr(text, '=');

	for (int i = 0; share != NULL && i < FAULTS_N; i++)
		if (strncmp(text, faults[i].text, (size_t)(share - text)) == 0 && share > text) {
			options.shares[i] = strtod(share + 1, NULL);
			return true;
		}
	return false;
}

static void read_options(int argc, char **argv)
{
	static const struct option names[] = {{"cert", required_argument, NULL, 'c'},
	                                      {"key", required_argument, NULL, 'k'},
	                                      {"devices", required_argument, NULL, 'd'},
	                                      {"latency-ms", required_argument, NULL, 'l'},
	                                      {"still", no_argument, NULL, 's'},
	                                      {"fault", required_argument, NULL, 'f'},
	                                      {NULL, 0, NULL, 0}};
	bool is_sound = true;
	int name;

	options.devices_n = 1000;
	while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
		if (name == 'c')
			options.cert_file = optarg;
		else if (name == 'k')
			options.key_file = optarg;
		else if (name == 'd')
			options.devices_n = (uint32_t)strtoul(optarg, NULL, 10);
		else if (name == 'l')
			options.latency_ns = strtoll(optarg, NULL, 10) * 1000000;
		else if (name == 's')
			options.is_still = true;
		else
			is_sound = is_sound && name == 'f' && read_fault(optarg);
	}
	if (!is_sound || optind < argc || options.cert_file == NULL || options.key_file == NULL) {
		fputs(usage, stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	unsigned plain_port, tls_port;

	read_options(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	rng_seed(&luck, 1);
	called_at_ms = xcalloc(options.devices_n + 1, sizeof *called_at_ms);
	tls_setup();
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	plain_port = door_open(&doors[0], false);
	tls_port = door_open(&doors[1], true);
	printf("{\"http\":\"http://127.0.0.1:%u\",\"https\":\"https://localhost:%u\"}\n", plain_port,
	       tls_port);
	fflush(stdout);
	run();
}
