/* tests: api/httpd.c: bodies and their limits, slow and broken clients, many at once, stopping. */
#include "tests/unit/api/harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/rng.h"

#define MIB ((size_t)1 << 20)
#define POST_HEAD "POST /v1/campaigns HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
#define GET_HUBS "GET /v1/hubs HTTP/1.1\r\nHost: localhost\r\n\r\n"

static void start(void)
{
	server_start((struct api_options){0});
	fake_store_add_campaign(store, "c1", "{\"name\":\"n\"}");
}

/* Sends so many blanks, which JSON takes anywhere; false where the server closed. */
static bool send_blanks(struct client *c, size_t n)
{
	char *blanks = malloc(n + 1);
	bool is_sent;

	ck_assert_ptr_nonnull(blanks);
	memset(blanks, ' ', n);
	is_sent = client_send_n(c, blanks, n);
	free(blanks);
	return is_sent;
}

static void send_length(struct client *c, size_t n)
{
	char line[64];

	snprintf(line, sizeof line, "Content-Length: %zu\r\n\r\n", n);
	ck_assert(client_send(c, line));
}

static void expect(struct client *c, unsigned status, const char *text)
{
	struct answer a;

	client_answer(c, false, &a);
	ck_status(&a, status);
	ck_has(&a, text);
	answer_done(&a);
}

static int listening_on(const char *address, uint16_t *ret_port)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(inet_pton(AF_INET, address, &at.sin_addr), 1);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	*ret_port = ntohs(at.sin_port);
	return fd;
}

/* The service is well: it answers another client. */
static void check_alive(void)
{
	ck_status(get("/v1/hubs"), 200);
}

/* ---- bodies ---- */

START_TEST(test_a_body_of_8_mib_is_taken_and_a_byte_more_is_not)
{
	struct client c;

	start();
	client_open(&c);
	ck_assert(client_send(&c, POST_HEAD));
	send_length(&c, 8 * MIB);
	ck_assert(client_send(&c, SOUND));
	ck_assert(send_blanks(&c, 8 * MIB - strlen(SOUND)));
	expect(&c, 201, "\"id\":\"made0001\"");
	ck_assert(client_send(&c, POST_HEAD));
	send_length(&c, 8 * MIB + 1);
	ck_assert(send_blanks(&c, 8 * MIB + 1));
	expect(&c, 413, "\"code\":\"bodyTooLarge\"");
	ck_assert(client_send(&c, GET_HUBS));
	expect(&c, 200, "{\"value\":");
	client_close(&c);
	server_stop();
}
END_TEST

START_TEST(test_a_client_that_sends_10_mb_first_and_reads_then_gets_its_413)
{
	struct client c;

	start();
	client_open(&c);
	ck_assert(client_send(&c, POST_HEAD));
	send_length(&c, 10000000);
	ck_assert(send_blanks(&c, 10000000));
	expect(&c, 413, "\"code\":\"bodyTooLarge\"");
	client_close(&c);
	check_alive();
	server_stop();
}
END_TEST

static bool send_chunk(struct client *c, size_t n)
{
	char line[32];

	snprintf(line, sizeof line, "%zx\r\n", n);
	return client_send(c, line) && send_blanks(c, n) && client_send(c, "\r\n");
}

START_TEST(test_chunked_bodies_have_the_same_limit)
{
	struct client c;

	start();
	client_open(&c);
	ck_assert(client_send(&c, POST_HEAD "Transfer-Encoding: chunked\r\n\r\n"));
	for (int i = 0; i < 10; i++)
		ck_assert(send_chunk(&c, MIB));
	ck_assert(client_send(&c, "0\r\n\r\n"));
	expect(&c, 413, "\"code\":\"bodyTooLarge\"");
	client_close(&c);
	client_open(&c);
	ck_assert(client_send(&c, POST_HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\n{\"n\r\n"));
	ck_assert(client_send(&c, "2;ext=1\r\n\":\r\n2\r\n1}\r\n0\r\n\r\n"));
	expect(&c, 422, "\"pointer\":\"/n\"");
	client_close(&c);
	server_stop();
}
END_TEST

START_TEST(test_a_chunked_body_without_end_is_cut)
{
	const int little = 65536; /* of what was sent the system may hold: else it may be tens of MiB */
	struct client c;
	uint16_t port;
	int fd = listening_on("127.0.0.1", &port), mib = 0;

	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	server_start((struct api_options){.listen_fd = fd, .port = port});
	client_open(&c);
	ck_assert_int_eq(setsockopt(c.fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof little), 0);
	ck_assert(client_send(&c, POST_HEAD "Transfer-Encoding: chunked\r\n\r\n"));
	while (mib < 100 && send_chunk(&c, MIB))
		mib++;
	ck_assert_int_ge(mib, 40); /* 8 that may be sent, and 32 for the sake of an answer */
	ck_assert_int_le(mib, 41);
	client_wait_closed(&c);
	client_close(&c);
	check_alive();
	server_stop();
}
END_TEST

START_TEST(test_an_absurd_length_is_refused_without_reading)
{
	struct client c;

	start();
	client_open(&c);
	ck_assert(client_send(&c, POST_HEAD "Content-Length: 99999999999\r\n\r\n"));
	expect(&c, 413, "\"code\":\"bodyTooLarge\"");
	client_wait_closed(&c);
	client_close(&c);
	client_open(&c);
	ck_assert(client_send(&c, POST_HEAD "Expect: 100-continue\r\nContent-Length: 9000000\r\n\r\n"));
	expect(&c, 413, "\"code\":\"bodyTooLarge\"");
	client_close(&c);
	server_stop();
}
END_TEST

START_TEST(test_a_client_that_expects_100_is_told_to_continue)
{
	struct client c;
	struct answer a;

	start();
	client_open(&c);
	ck_assert(client_send(&c, POST_HEAD "Expect: 100-continue\r\n"));
	send_length(&c, strlen(SOUND));
	client_answer(&c, false, &a);
	ck_assert_uint_eq(a.status, 100);
	answer_done(&a);
	ck_assert(client_send(&c, SOUND));
	expect(&c, 201, "\"id\":");
	client_close(&c);
	server_stop();
}
END_TEST

START_TEST(test_bodies_together_are_limited_too)
{
	struct client slow[3], c;

	server_start((struct api_options){.bodies_max_bytes = 2 * MIB});
	for (int i = 0; i < 3; i++) {
		client_open(&slow[i]);
		ck_assert(client_send(&slow[i], POST_HEAD));
		send_length(&slow[i], MIB);
		ck_assert(send_blanks(&slow[i], i < 2 ? MIB - 1 : MIB / 2));
		for (int turns = 0; turns < 10; turns++)
			server_turn(-1);
	}
	client_open(&c);
	ck_assert(client_send(&c, POST_HEAD));
	send_length(&c, MIB);
	ck_assert(send_blanks(&c, MIB));
	expect(&c, 503, "\"code\":\"busy\"");
	for (int i = 0; i < 3; i++)
		client_close(&slow[i]);
	/* What they held is free again once they have gone. */
	ck_assert(client_send(&c, POST_HEAD));
	send_length(&c, MIB);
	ck_assert(client_send(&c, SOUND));
	ck_assert(send_blanks(&c, MIB - strlen(SOUND)));
	expect(&c, 201, "\"id\":");
	client_close(&c);
	server_stop();
}
END_TEST

START_TEST(test_a_refused_request_with_a_body_keeps_its_connection)
{
	struct client c;

	server_start((struct api_options){.tokens_file = tokens_file(TOKENS)});
	client_open(&c);
	for (int i = 0; i < 3; i++) {
		ck_assert(client_send(&c, POST_HEAD));
		send_length(&c, MIB);
		ck_assert(send_blanks(&c, MIB));
		expect(&c, 401, "\"code\":\"unauthenticated\"");
	}
	client_close(&c);
	server_stop();
}
END_TEST

START_TEST(test_a_get_with_a_body_is_answered)
{
	start();
	ck_status(ask("GET", "/v1/hubs", "", "some text"), 200);
	server_stop();
}
END_TEST

/* ---- slow clients ---- */

static void start_impatient(void)
{
	server_start(
	        (struct api_options){.head_timeout_ms = 300, .body_timeout_ms = 300, .send_timeout_ms = 300});
}

/* Sends text over and over, a byte a millisecond, so that no time-out for silence would ever pass; gives how
 * long the server took it. */
static int64_t drip(struct client *c, const char *text)
{
	int64_t since_ms = clock_mono_ms(), sent_ms = since_ms;

	for (size_t i = 0; !c->is_closed; client_read(c)) {
		if (clock_mono_ms() > sent_ms) {
			client_send_n(c, text + i++ % strlen(text), 1);
			sent_ms = clock_mono_ms();
		}
		server_turn(c->fd);
	}
	return clock_mono_ms() - since_ms;
}

START_TEST(test_a_head_that_drips_in_is_cut)
{
	struct client c;
	int64_t took_ms;

	start_impatient();
	client_open(&c);
	took_ms = drip(
	        &c,
	        "GET /v1/hubs HTTP/1.1\r\nX-A: b\r\nX-B: c\r\nX-C: dddddddddddddddddddddddddddddddddddddddddd");
	ck_assert_int_ge(took_ms, 290);
	ck_assert_uint_eq(c.in.len, 0);
	client_close(&c);
	check_alive();
	server_stop();
}
END_TEST

START_TEST(test_a_body_that_drips_in_is_cut_and_its_memory_freed)
{
	struct client c;
	int64_t took_ms;

	server_start((struct api_options){.head_timeout_ms = 15000, .body_timeout_ms = 300});
	client_open(&c);
	ck_assert(client_send(&c, POST_HEAD "Content-Length: 100000\r\n\r\n"));
	took_ms = drip(&c, " ");
	ck_assert_int_ge(took_ms, 290);
	ck_assert_int_lt(took_ms, 10000);
	client_close(&c);
	check_alive();
	ck_assert_uint_eq(conductor.creates_n, 0);
	server_stop();
}
END_TEST

START_TEST(test_silent_clients_are_cut_wherever_they_stop)
{
	static const char *const starts[] = {"",
	                                     "GET /v1/hu",
	                                     "GET /v1/hubs HTTP/1.1\r\nHost: loc",
	                                     POST_HEAD "Content-Length: 100\r\n\r\n",
	                                     POST_HEAD "Content-Length: 100\r\n\r\n{\"a",
	                                     POST_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\n{"};
	struct client c[sizeof starts / sizeof *starts];

	start_impatient();
	for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
		client_open(&c[i]);
		ck_assert(client_send(&c[i], starts[i]));
	}
	for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
		client_wait_closed(&c[i]);
		client_close(&c[i]);
	}
	check_alive();
	server_stop();
}
END_TEST

START_TEST(test_silence_in_a_body_is_cut_long_before_a_slow_body)
{
	struct client c;

	server_start((struct api_options){.head_timeout_ms = 1000, .body_timeout_ms = 60000});
	client_open(&c);
	ck_assert(client_send(&c, POST_HEAD "Content-Length: 100\r\n\r\n{\"a"));
	client_wait_closed(&c);
	client_close(&c);
	check_alive();
	server_stop();
}
END_TEST

START_TEST(test_a_kept_connection_is_closed_after_a_while)
{
	struct client c;

	start_impatient();
	client_open(&c);
	ck_assert(client_send(&c, GET_HUBS));
	expect(&c, 200, "{\"value\":");
	client_wait_closed(&c);
	client_close(&c);
	server_stop();
}
END_TEST

START_TEST(test_a_client_that_does_not_read_is_cut)
{
	struct client c;
	char name[401];

	start_impatient();
	memset(name, 'x', 400);
	name[400] = '\0';
	for (int i = 0; i < 1000; i++) {
		char spec[600];

		snprintf(spec, sizeof spec, "{\"name\":\"%s\"}", name);
		fake_store_add_campaign(store, "c", spec);
	}
	client_open(&c);
	/* More answers than the sockets hold. */
	for (int i = 0; i < 20; i++)
		client_send(&c, "GET /v1/campaigns?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
	for (int64_t until_ms = clock_mono_ms() + 700; clock_mono_ms() < until_ms;)
		server_turn(-1);
	client_wait_closed(&c);
	ck_assert_uint_lt(c.in.len, 20 * MIB);
	client_close(&c);
	check_alive();
	server_stop();
}
END_TEST

START_TEST(test_a_slow_handler_is_not_cut)
{
	struct client c;

	start_impatient();
	fake_store_add_campaign(store, "c1", "{\"name\":\"n\"}");
	client_open(&c);
	later_hold(true);
	ck_assert(client_send(&c, "GET /v1/campaigns/c1 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
	for (int64_t until_ms = clock_mono_ms() + 2100; clock_mono_ms() < until_ms;)
		server_turn(-1);
	client_read(&c);
	ck_assert(!c.is_closed);
	later_hold(false);
	expect(&c, 200, "\"id\":\"c1\"");
	client_close(&c);
	server_stop();
}
END_TEST

START_TEST(test_idle_connections_make_room_for_new_ones)
{
	struct client idle[40];

	server_start((struct api_options){.connections_max = 16});
	for (int i = 0; i < 40; i++) {
		client_open(&idle[i]);
		for (int turns = 0; turns < 3; turns++)
			server_turn(-1);
	}
	check_alive();
	for (int i = 0; i < 40; i++)
		client_close(&idle[i]);
	server_stop();
}
END_TEST

/* ---- many and strange ones ---- */

START_TEST(test_pipelined_requests_are_answered_in_order)
{
	struct client c;

	start();
	client_open(&c);
	ck_assert(client_send(
	        &c, "GET /v1/campaigns/c1 HTTP/1.1\r\nHost: localhost\r\n\r\n" POST_HEAD
	            "Content-Length: 2\r\n\r\n{}GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n" GET_HUBS));
	expect(&c, 200, "\"id\":\"c1\"");
	expect(&c, 422, "\"code\":\"unsound\"");
	expect(&c, 404, "\"code\":\"notFound\"");
	expect(&c, 200, "{\"value\":");
	client_close(&c);
	server_stop();
}
END_TEST

START_TEST(test_a_client_that_half_closes_gets_its_answer)
{
	struct client c;

	start();
	client_open(&c);
	ck_assert(client_send(
	        &c, "GET /v1/campaigns/c1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
	shutdown(c.fd, SHUT_WR);
	expect(&c, 200, "\"id\":\"c1\"");
	client_wait_closed(&c);
	client_close(&c);
	server_stop();
}
END_TEST

START_TEST(test_http_1_0_is_answered_and_closed)
{
	struct client c;

	start();
	client_open(&c);
	ck_assert(client_send(&c, "GET /v1/hubs HTTP/1.0\r\nHost: localhost\r\n\r\n"));
	expect(&c, 200, "{\"value\":");
	client_wait_closed(&c);
	client_close(&c);
	server_stop();
}
END_TEST

START_TEST(test_http_1_1_without_host_is_refused)
{
	struct client c;

	start();
	client_open(&c);
	ck_assert(client_send(&c, "GET /v1/hubs HTTP/1.1\r\n\r\n"));
	expect(&c, 400, "");
	client_close(&c);
	server_stop();
}
END_TEST

START_TEST(test_broken_requests_do_no_harm)
{
	static const char *const broken[] = {"\r\n\r\n\r\n",
	                                     "GET\r\n\r\n",
	                                     "GET /livez\r\n\r\n",
	                                     "GET /livez HTTP/9.9\r\nHost: localhost\r\n\r\n",
	                                     "GET /livez HTTP/1.1\r\nno colon here\r\n\r\n",
	                                     "GET /livez HTTP/1.1\r\n: x\r\n\r\n",
	                                     "GET /livez HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n",
	                                     POST_HEAD "Content-Length: -1\r\n\r\n",
	                                     POST_HEAD "Content-Length: 1x\r\n\r\n",
	                                     POST_HEAD "Content-Length: 99999999999999999999999999\r\n\r\n",
	                                     POST_HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
	                                     POST_HEAD
	                                     "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
	                                     POST_HEAD "Transfer-Encoding: gzip\r\n\r\n",
	                                     "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
	                                     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"};
	struct client c[sizeof broken / sizeof *broken];

	/* libmicrohttpd overlooks the end of a stream that comes with the data before it; then the time-out
	 * cuts. */
	start_impatient();
	for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
		client_open(&c[i]);
		client_send(&c[i], broken[i]);
		shutdown(c[i].fd, SHUT_WR);
	}
	for (size_t i = 0; i < sizeof c / sizeof *c; i++) {
		client_wait_closed(&c[i]);
		ck_assert_msg(c[i].in.len == 0 || strncmp(c[i].in.data, "HTTP/1.1 4", 10) == 0 ||
		                      strncmp(c[i].in.data, "HTTP/1.1 505", 12) == 0,
		              "no. %zu: %s", i, c[i].in.data);
		client_close(&c[i]);
	}
	ck_assert_uint_eq(conductor.creates_n, 0);
	check_alive();
	server_stop();
}
END_TEST

START_TEST(test_noise_does_no_harm)
{
	const uint64_t seed = (uint64_t)clock_now_ms();
	struct client c[100];
	struct rng rng;

	printf("seed %llu\n", (unsigned long long)seed);
	rng_seed(&rng, seed);
	start_impatient();
	for (int i = 0; i < 500; i++) {
		char request[] = POST_HEAD "Content-Length: 70\r\nIdempotency-Key: k\r\n\r\n" SOUND;

		for (uint64_t n = rng_below(&rng, 6); n > 0; n--)
			request[rng_below(&rng, sizeof request - 1)] = (char)rng_below(&rng, 256);
		client_open(&c[i % 100]);
		client_send_n(&c[i % 100], request, rng_below(&rng, sizeof request));
		shutdown(c[i % 100].fd, SHUT_WR);
		for (int j = 0; i % 100 == 99 && j < 100; j++) {
			client_wait_closed(&c[j]);
			client_close(&c[j]);
		}
	}
	check_alive();
	server_stop();
}
END_TEST

START_TEST(test_a_head_that_is_too_large_is_refused)
{
	struct client c;
	char *line = malloc(70000);

	start();
	ck_assert_ptr_nonnull(line);
	memset(line, 'a', 69999);
	line[69999] = '\0';
	for (int i = 0; i < 2; i++) {
		client_open(&c);
		client_send(&c, i == 0 ? "GET /" : "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-A: ");
		client_send(&c, line);
		client_send(&c, i == 0 ? " HTTP/1.1\r\n\r\n" : "\r\n\r\n");
		client_wait_closed(&c);
		ck_assert(c.in.len == 0 || strncmp(c.in.data, "HTTP/1.1 4", 10) == 0);
		client_close(&c);
	}
	free(line);
	check_alive();
	server_stop();
}
END_TEST

START_TEST(test_a_hundred_clients_at_once_are_all_answered)
{
	struct client c[100];

	start();
	for (int i = 0; i < 100; i++)
		client_open(&c[i]);
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 100; i++)
			ck_assert(client_send(
			        &c[i], i % 2 == 0
			                       ? GET_HUBS
			                       : "GET /v1/campaigns/c1 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
		for (int i = 0; i < 100; i++)
			expect(&c[i], 200, i % 2 == 0 ? "{\"value\":" : "\"id\":\"c1\"");
	}
	for (int i = 0; i < 100; i++)
		client_close(&c[i]);
	server_stop();
}
END_TEST

START_TEST(test_clients_that_leave_while_parked_do_no_harm)
{
	struct client c[20];

	start();
	later_hold(true);
	for (int i = 0; i < 20; i++) {
		client_open(&c[i]);
		ck_assert(client_send(&c[i], "GET /v1/campaigns/c1 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
	}
	while (later_n() < 20)
		server_turn(-1);
	for (int i = 0; i < 20; i++)
		client_close(&c[i]);
	later_hold(false);
	check_alive();
	server_stop();
}
END_TEST

/* ---- start and stop ---- */

START_TEST(test_an_address_in_use_is_a_clear_reason)
{
	struct api_options options = {.address = "127.0.0.1", .conductor = &conductor};
	struct api *other = NULL;
	char *reason = NULL;
	uv_loop_t loop;

	start();
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	options.loop = &loop;
	options.store = store;
	options.port = api_port(api);
	ck_assert_int_eq(api_start(&options, &other, &reason), ERR_LOCKED);
	ck_assert_ptr_nonnull(strstr(reason, "cannot listen on 127.0.0.1 port "));
	ck_assert_ptr_nonnull(strstr(reason, "Address already in use"));
	free(reason);
	options.address = "no such host";
	ck_assert_int_eq(api_start(&options, &other, &reason), ERR_INVALID);
	free(reason);
	options.address = "0.0.0.0";
	ck_assert_int_eq(api_start(&options, &other, &reason), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(reason, "without tokens everyone is admin"));
	free(reason);
	options.tokens_file = "/nonexistent/tokens";
	ck_assert_int_eq(api_start(&options, &other, &reason), ERR_IO);
	ck_assert_str_eq(reason, "tokens file /nonexistent/tokens: No such file or directory");
	free(reason);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	server_stop();
}
END_TEST

START_TEST(test_a_socket_of_the_service_manager_is_taken_where_it_is_the_one_that_was_set)
{
	uint16_t port;
	int fd = listening_on("127.0.0.1", &port);

	ck_assert_int_eq(listen(fd, 8), 0);
	server_start((struct api_options){.listen_fd = fd, .port = port});
	ck_assert_uint_eq(api_port(api), port);
	check_alive();
	server_stop();
}
END_TEST

static void check_refused_socket(int fd, const char *address, uint16_t port)
{
	struct api_options options = {.address = address, .port = port, .listen_fd = fd};
	struct api *other = NULL;
	char *reason = NULL;
	uv_loop_t loop;

	ck_assert_int_eq(uv_loop_init(&loop), 0);
	options.loop = &loop;
	options.conductor = &conductor;
	options.store = store;
	ck_assert_int_eq(api_start(&options, &other, &reason), ERR_INVALID);
	ck_assert_msg(strstr(reason, "the service manager's socket is not one there") != NULL, "%s", reason);
	free(reason);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}

START_TEST(test_any_other_socket_of_the_service_manager_is_refused)
{
	uint16_t port;
	int fd = listening_on("127.0.0.2", &port), ends[2];

	start();
	check_refused_socket(-1, "127.0.0.1", 0);
	check_refused_socket(fd, "127.0.0.2", port); /* it does not listen */
	ck_assert_int_eq(listen(fd, 8), 0);
	check_refused_socket(fd, "127.0.0.1", port);
	check_refused_socket(fd, "127.0.0.2", port == 1 ? 2 : 1);
	check_refused_socket(fd, "::1", port);
	ck_assert_int_eq(pipe(ends), 0);
	check_refused_socket(ends[0], "127.0.0.1", 0); /* it is none at all */
	close(ends[0]);
	close(ends[1]);
	close(fd);
	server_stop();
}
END_TEST

START_TEST(test_an_address_that_this_machine_does_not_have_is_a_clear_reason)
{
	struct api_options options = {.address = "192.0.2.1", .tokens_file = tokens_file(TOKENS)};
	struct api *other = NULL;
	char *reason = NULL;
	uv_loop_t loop;

	start();
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	options.loop = &loop;
	options.conductor = &conductor;
	options.store = store;
	ck_assert_int_eq(api_start(&options, &other, &reason), ERR_IO);
	ck_assert_ptr_nonnull(strstr(reason, "cannot listen on 192.0.2.1 port 0: Cannot assign"));
	free(reason);
	options.tokens_file = NULL;
	options.address = "2001:db8::1"; /* of everybody, where nobody has a token */
	ck_assert_int_eq(api_start(&options, &other, &reason), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(reason, "only loopback addresses are allowed"));
	free(reason);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	server_stop();
}
END_TEST

START_TEST(test_the_loopback_of_ipv6_is_one_too)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct client c = {.fd = fd};

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0) {
		fprintf(stderr, "this machine has no IPv6\n");
		return;
	}
	close(fd);
	server_start((struct api_options){.address = "::1"});
	c.fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	at.sin6_port = htons(api_port(api));
	ck_assert_int_eq(connect(c.fd, (struct sockaddr *)&at, sizeof at), 0);
	ck_assert(client_send(&c, "GET /v1/hubs HTTP/1.1\r\nHost: [::1]\r\n\r\n"));
	expect(&c, 200, "{\"value\":");
	client_close(&c);
	server_stop();
}
END_TEST

START_TEST(test_stopping_lets_running_requests_end_and_cuts_idle_ones)
{
	struct client idle, half, running;
	struct answer a;

	start();
	client_open(&idle);
	ck_assert(client_send(&idle, GET_HUBS));
	expect(&idle, 200, "{\"value\":");
	client_open(&half);
	ck_assert(client_send(&half, "GET /v1/hu"));
	later_hold(true);
	client_open(&running);
	ck_assert(client_send(&running, "GET /v1/campaigns/c1 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
	while (later_n() == 0)
		server_turn(-1);
	server_stop_begin();
	client_wait_closed(&idle);
	client_wait_closed(&half);
	ck_assert(!server_is_stopped());
	later_hold(false);
	client_answer(&running, false, &a);
	ck_status(&a, 200);
	ck_assert(has_header(&a, "Connection", "close"));
	answer_done(&a);
	client_wait_closed(&running);
	client_close(&idle);
	client_close(&half);
	client_close(&running);
	server_stop();
}
END_TEST

START_TEST(test_stopping_does_not_wait_for_a_half_sent_body)
{
	struct client c;
	int64_t since_ms;

	start();
	client_open(&c);
	ck_assert(client_send(&c, POST_HEAD "Content-Length: 100\r\n\r\n{"));
	for (int turns = 0; turns < 10; turns++)
		server_turn(-1);
	since_ms = clock_mono_ms();
	server_stop();
	ck_assert_int_lt(clock_mono_ms() - since_ms, 8000);
	client_close(&c);
}
END_TEST

START_TEST(test_stopping_without_clients_is_quick)
{
	start();
	server_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api httpd");

	TESTS(s, "bodies", test_a_body_of_8_mib_is_taken_and_a_byte_more_is_not,
	      test_a_client_that_sends_10_mb_first_and_reads_then_gets_its_413,
	      test_chunked_bodies_have_the_same_limit, test_a_chunked_body_without_end_is_cut,
	      test_an_absurd_length_is_refused_without_reading,
	      test_a_client_that_expects_100_is_told_to_continue, test_bodies_together_are_limited_too,
	      test_a_refused_request_with_a_body_keeps_its_connection, test_a_get_with_a_body_is_answered);
	TESTS(s, "slow", test_a_head_that_drips_in_is_cut,
	      test_a_body_that_drips_in_is_cut_and_its_memory_freed,
	      test_silent_clients_are_cut_wherever_they_stop,
	      test_silence_in_a_body_is_cut_long_before_a_slow_body,
	      test_a_kept_connection_is_closed_after_a_while, test_a_client_that_does_not_read_is_cut,
	      test_a_slow_handler_is_not_cut, test_idle_connections_make_room_for_new_ones);
	TESTS(s, "strange", test_pipelined_requests_are_answered_in_order,
	      test_a_client_that_half_closes_gets_its_answer, test_http_1_0_is_answered_and_closed,
	      test_http_1_1_without_host_is_refused, test_broken_requests_do_no_harm, test_noise_does_no_harm,
	      test_a_head_that_is_too_large_is_refused, test_a_hundred_clients_at_once_are_all_answered,
	      test_clients_that_leave_while_parked_do_no_harm);
	TESTS(s, "life", test_an_address_in_use_is_a_clear_reason,
	      test_a_socket_of_the_service_manager_is_taken_where_it_is_the_one_that_was_set,
	      test_any_other_socket_of_the_service_manager_is_refused,
	      test_an_address_that_this_machine_does_not_have_is_a_clear_reason,
	      test_the_loopback_of_ipv6_is_one_too,
	      test_stopping_lets_running_requests_end_and_cuts_idle_ones,
	      test_stopping_does_not_wait_for_a_half_sent_body, test_stopping_without_clients_is_quick);
	return suite_run(s);
}
