/* tests: api/sse.c: event streams: places, the seam between store and feed, resets, slow and many readers,
 * limits. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "server/base/clock.h"
#include "tests/unit/api/harness.h"
#include "tests/unit/api/stream.h"

#define STREAM "Accept: text/event-stream\r\n"
#define PATIENCE_MS 20000

/* ---- what happens ---- */

static uint64_t happened; /* the last event's id */

static void start(struct api_options options)
{
	server_start(options);
	happened = 0;
	fake_store_add_campaign(store, "c1", "{\"name\":\"n\"}");
	fake_store_add_campaign(store, "c2", "{\"name\":\"n\"}");
}

static struct event event_of(uint64_t id, uint32_t campaign)
{
	return (struct event){.id = id,
	                      .at_ms = 1000,
	                      .type = EVENT_TARGET,
	                      .campaign = campaign,
	                      .device_id = "d1",
	                      .from = TARGET_WAITING,
	                      .to = TARGET_INVOKING,
	                      .attempt = 1};
}

/* One more event is on record, but not told yet. */
static void commit(uint32_t campaign)
{
	struct event event = event_of(++happened, campaign);

	fake_store_add_event(store, &event);
	feed_add(feed, &event, campaign == 0 ? "" : campaign == 1 ? "c1" : "c2");
}

static void tell(void)
{
	feed_tell(feed, happened);
}

static void happen(int n)
{
	while (n-- > 0)
		commit(1);
	tell();
}

/* ---- a reader ---- */

static void check_patience(int64_t since_ms, const char *what)
{
	ck_assert_msg(clock_mono_ms() - since_ms < PATIENCE_MS, "in vain waited for %s", what);
}

/* Opens a stream, which begins with how soon to come back. */
static void stream_open(struct stream *s, const char *path, const char *headers)
{
	stream_begin(s, path, headers);
	stream_wait(s, "retry: ");
}

static void stream_wait_id(struct stream *s, uint64_t id)
{
	char text[32];

	snprintf(text, sizeof text, "id: %" PRIu64 "\n", id);
	stream_wait(s, text);
}

/* Each id of the stream is one more than the one before, from first to last, and all of them came whole. */
static void check_ids(const struct stream *s, uint64_t first, uint64_t last)
{
	const char *at = s->text.data;
	uint64_t next = first;

	while ((at = strstr(at, "id: ")) != NULL) {
		const char *end = strstr(at, "\n\n");

		if (end == NULL)
			break; /* cut in the middle: to be thrown away */
		ck_assert_uint_eq(strtoull(at + 4, NULL, 10), next);
		next++;
		at = end;
	}
	ck_assert_uint_eq(next, last + 1);
}

/* ---- tests ---- */

START_TEST(test_a_stream_gives_what_is_kept_and_then_what_comes)
{
	static const char expected[] =
	        "id: 1\nevent: target\ndata: {\"id\":1,\"at\":\"1970-01-01T00:00:01.000Z\",\"type\":\"target\","
	        "\"campaignId\":\"c1\",\"deviceId\":\"d1\",\"from\":\"waiting\",\"to\":\"invoking\",\"attempt\":1}"
	        "\n\nid: 2\n";
	struct stream s;

	start((struct api_options){0});
	happen(2);
	stream_open(&s, "/v1/events", STREAM);
	ck_assert_ptr_nonnull(strstr(s.client.in.data, "\r\nContent-Type: text/event-stream\r\n"));
	ck_assert_ptr_nonnull(strstr(s.client.in.data, "\r\nCache-Control: no-store\r\n"));
	stream_wait_id(&s, 2);
	ck_assert_ptr_nonnull(strstr(s.text.data, expected));
	happen(1);
	stream_wait_id(&s, 3);
	happen(3);
	stream_wait_id(&s, 6);
	check_ids(&s, 1, 6);
	ck_assert_ptr_eq(strstr(s.text.data, "retry: "), s.text.data);
	stream_done(&s);
	server_stop();
}
END_TEST

START_TEST(test_a_campaigns_stream_skips_the_ids_of_others)
{
	struct stream s;

	start((struct api_options){0});
	for (uint32_t i = 0; i < 6; i++)
		commit(i % 3); /* none, c1, c2 */
	tell();
	stream_open(&s, "/v1/campaigns/c2/events", STREAM);
	stream_wait_id(&s, 6);
	for (uint32_t i = 0; i < 6; i++)
		commit(i % 3);
	tell();
	stream_wait_id(&s, 12);
	ck_assert(stream_has(&s, "id: 3\n") && stream_has(&s, "id: 9\n"));
	ck_assert(!stream_has(&s, "\"campaignId\":\"c1\"") && !stream_has(&s, "\"campaignId\":null"));
	stream_done(&s);
	ck_status(ask("GET", "/v1/campaigns/none/events", STREAM, NULL), 404);
	server_stop();
}
END_TEST

START_TEST(test_a_stream_goes_on_behind_the_id_that_it_is_given)
{
	struct stream s;

	start((struct api_options){0});
	happen(9);
	stream_open(&s, "/v1/events?after=7", STREAM);
	stream_wait_id(&s, 9);
	check_ids(&s, 8, 9);
	stream_done(&s);
	stream_open(&s, "/v1/events?after=2", STREAM "Last-Event-ID: 8\r\n"); /* a browser that comes back */
	stream_wait_id(&s, 9);
	check_ids(&s, 9, 9);
	stream_done(&s);
	stream_open(&s, "/v1/events", STREAM "Last-Event-ID: 9\r\n");
	happen(1);
	stream_wait_id(&s, 10);
	check_ids(&s, 10, 10);
	stream_done(&s);
	ck_status(ask("GET", "/v1/events", STREAM "Last-Event-ID: x\r\n", NULL), 400);
	ck_has(ask("GET", "/v1/events", STREAM "Last-Event-ID: -1\r\n", NULL),
	       "\"parameter\":\"Last-Event-ID\"");
	ck_status(ask("GET", "/v1/events", STREAM "Last-Event-ID: 99999999999999999999\r\n", NULL), 400);
	ck_status(ask("GET", "/v1/events", STREAM "Last-Event-ID: 9223372036854775808\r\n", NULL), 400);
	ck_has(ask("GET", "/v1/events?after=x", STREAM, NULL), "\"parameter\":\"after\"");
	ck_has(ask("GET", "/v1/events?limit=1", STREAM, NULL), "\"parameter\":\"limit\"");
	server_stop();
}
END_TEST

START_TEST(test_what_the_client_likes_best_is_served)
{
	struct stream s;

	start((struct api_options){0});
	happen(1);
	ck_has(get("/v1/events"), "\"value\":[");
	ck_has(ask("GET", "/v1/events", "Accept: */*\r\n", NULL), "\"value\":[");
	ck_has(ask("GET", "/v1/events", "Accept: text/event-stream, application/json\r\n", NULL),
	       "\"value\":[");
	ck_has(ask("GET", "/v1/events", "Accept: text/event-stream;q=0.5, application/json\r\n", NULL),
	       "\"value\":[");
	ck_has(ask("GET", "/v1/events", "Accept: text/event-stream;q=0, */*\r\n", NULL), "\"value\":[");
	ck_has(ask("GET", "/v1/events", "Accept: text/html\r\n", NULL),
	       "only application/json or text/event-stream is served here");
	stream_open(&s, "/v1/events", "Accept: text/event-stream, */*\r\n");
	stream_done(&s);
	stream_open(&s, "/v1/events", "Accept: text/event-stream, application/json;q=0.9\r\n");
	stream_done(&s);
	server_stop();
}
END_TEST

START_TEST(test_nothing_is_lost_or_doubled_where_store_and_feed_meet)
{
	struct stream s;

	start((struct api_options){.heartbeat_ms = 40});
	happen(3);
	later_hold(true);
	stream_open(&s, "/v1/events", STREAM);
	happen(4); /* told while the store is asked */
	for (int i = 0; i < 5; i++)
		server_turn(-1);
	commit(1); /* the store is ahead of the feed */
	commit(1);
	later_hold(false);
	stream_wait_id(&s, 9);
	tell();
	happen(1);
	stream_wait_id(&s, 10);
	check_ids(&s, 1, 10);
	stream_done(&s);
	commit(1);
	stream_open(&s, "/v1/events?after=11", STREAM); /* it knows what is not told yet */
	stream_wait(&s, ": heartbeat\n\n");
	tell();
	happen(1);
	stream_wait_id(&s, 12);
	check_ids(&s, 12, 12);
	stream_done(&s);
	server_stop();
}
END_TEST

START_TEST(test_what_is_not_kept_is_announced_by_one_reset)
{
	struct event event;
	struct stream s;

	start((struct api_options){0});
	for (uint64_t id = 11; id <= 13; id++) {
		event = event_of(id, 1);
		fake_store_add_event(store, &event);
	}
	stream_open(&s, "/v1/events?after=3", STREAM);
	stream_wait_id(&s, 13);
	ck_assert(stream_has(&s, "id: 10\nevent: reset\ndata: "
	                         "{\"type\":\"reset\",\"after\":3,\"firstKeptId\":11,\"lastId\":13}\n\n"));
	check_ids(&s, 10, 13);
	stream_done(&s);
	stream_open(&s, "/v1/events?after=10", STREAM);
	stream_wait_id(&s, 13);
	check_ids(&s, 11, 13);
	stream_done(&s);
	/* An id that never was: the database is an older one. */
	stream_open(&s, "/v1/events?after=99", STREAM);
	stream_wait(&s, "id: 13\nevent: reset\n");
	ck_assert(stream_has(&s, "\"after\":99,"));
	check_ids(&s, 13, 13);
	stream_done(&s);
	server_stop();
}
END_TEST

START_TEST(test_a_quiet_stream_has_a_heartbeat)
{
	struct stream s;

	start((struct api_options){.heartbeat_ms = 40});
	stream_open(&s, "/v1/events", STREAM);
	stream_wait(&s, ": heartbeat\n\n: heartbeat\n\n");
	stream_done(&s);
	server_stop();
}
END_TEST

/* Until there is a place for one more stream; HEAD takes it for a moment only. */
static void wait_for_place(void)
{
	int64_t since_ms = clock_mono_ms();

	while (ask("HEAD", "/v1/events", STREAM, NULL)->status != 200) {
		server_turn(-1);
		check_patience(since_ms, "a place");
	}
}

START_TEST(test_more_streams_than_allowed_are_refused_until_one_is_gone)
{
	struct stream s[2];
	const struct answer *a;

	start((struct api_options){.streams_max = 2}); /* no heartbeat: leaving is seen at once */
	stream_open(&s[0], "/v1/events", STREAM);
	stream_open(&s[1], "/v1/campaigns/c1/events", STREAM);
	a = ask("GET", "/v1/events", STREAM, NULL);
	ck_status(a, 429);
	ck_has(a, "\"code\":\"tooManyStreams\"");
	ck_assert(has_header(a, "Retry-After", "30"));
	ck_status(get("/v1/events"), 200);
	ck_has(get("/metrics"), "\nrollcall_event_stream_readers 2\n");
	stream_done(&s[0]);
	wait_for_place();
	stream_open(&s[0], "/v1/events", STREAM);
	stream_done(&s[0]);
	stream_done(&s[1]);
	server_stop();
}
END_TEST

START_TEST(test_a_reader_slower_than_the_window_still_gets_all)
{
	struct stream s;

	start((struct api_options){0});
	stream_open(&s, "/v1/events", STREAM);
	for (int i = 0; i < 30; i++) { /* what has no room in buffers is left behind */
		happen(300);
		server_turn(-1);
	}
	stream_wait_id(&s, 9000);
	check_ids(&s, 1, 9000);
	stream_done(&s);
	server_stop();
}
END_TEST

START_TEST(test_a_reader_that_takes_nothing_is_cut_off_and_can_go_on_where_it_was)
{
	struct stream slow, quick;
	const char *last, *next;
	char path[64];
	int small = 32768;
	uint64_t last_id;

	start((struct api_options){.streams_max = 2, .send_timeout_ms = 300});
	stream_open(&slow, "/v1/events", STREAM);
	ck_assert_int_eq(setsockopt(slow.client.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
	stream_open(&quick, "/v1/events", STREAM);
	for (int i = 0; i < 8; i++) {
		happen(1000);
		stream_wait_id(&quick, happened);
	}
	check_ids(&quick, 1, 8000);
	wait_for_place(); /* it has been cut off */
	client_wait_closed(&slow.client);
	stream_read(&slow);
	ck_assert(!slow.has_ended);
	for (last = slow.text.data;
	     (next = strstr(last + 1, "\nid: ")) != NULL && strstr(next, "\n\n") != NULL;)
		last = next;
	last_id = strtoull(last + 5, NULL, 10);
	ck_assert_uint_lt(last_id, 8000);
	check_ids(&slow, 1, last_id);
	stream_done(&slow);
	snprintf(path, sizeof path, "/v1/events?after=%" PRIu64, last_id);
	stream_open(&slow, path, STREAM);
	stream_wait_id(&slow, 8000);
	check_ids(&slow, last_id + 1, 8000);
	stream_done(&slow);
	stream_done(&quick);
	server_stop();
}
END_TEST

START_TEST(test_hundreds_of_readers_get_the_same)
{
	enum { READERS = 350 };
	struct stream *all = calloc(READERS, sizeof *all);

	ck_assert_ptr_nonnull(all);
	start((struct api_options){.heartbeat_ms = 200});
	happen(3);
	for (int i = 0; i < READERS; i++)
		stream_begin(&all[i], i % 2 ? "/v1/events" : "/v1/campaigns/c1/events", STREAM);
	for (int i = 0; i < READERS; i++)
		stream_wait_id(&all[i], 3);
	for (int round = 0; round < 20; round++) {
		happen(1);
		server_turn(-1);
	}
	for (int i = 0; i < READERS; i++) {
		stream_wait_id(&all[i], 23);
		check_ids(&all[i], 1, 23);
		if (i % 3 == 0)
			stream_done(&all[i]); /* some leave */
	}
	happen(1);
	for (int i = 0; i < READERS; i++) {
		if (i % 3 == 0)
			continue;
		stream_wait_id(&all[i], 24);
		stream_done(&all[i]);
	}
	free(all);
	server_stop();
}
END_TEST

START_TEST(test_a_stop_ends_streams_after_what_was_told)
{
	struct stream s[2];

	start((struct api_options){0});
	stream_open(&s[0], "/v1/events", STREAM);
	stream_open(&s[1], "/v1/campaigns/c1/events", STREAM);
	happen(1);
	stream_wait_id(&s[0], 1);
	stream_wait_id(&s[1], 1);
	happen(2);
	server_stop_begin();
	for (int i = 0; i < 2; i++) {
		stream_wait_end(&s[i]);
		ck_assert(s[i].has_ended);
		check_ids(&s[i], 1, 3);
		stream_done(&s[i]);
	}
	server_stop();
}
END_TEST

START_TEST(test_a_reader_may_go_and_the_service_may_stop_while_the_store_is_asked)
{
	struct stream s[4];

	start((struct api_options){.heartbeat_ms = 40});
	happen(1);
	later_hold(true);
	for (int i = 0; i < 4; i++) /* two are read for, two stand in line */
		stream_open(&s[i], "/v1/events", STREAM);
	shutdown(s[1].client.fd, SHUT_RDWR);
	shutdown(s[3].client.fd, SHUT_RDWR);
	server_stop_begin();
	while (!server_is_stopped())
		server_turn(-1);
	later_hold(false);
	while (later_n() > 0)
		server_turn(-1);
	for (int i = 0; i < 4; i++)
		stream_done(&s[i]);
	server_stop();
}
END_TEST

START_TEST(test_a_stream_that_the_store_fails_has_no_proper_end)
{
	struct stream s;

	start((struct api_options){0});
	happen(2);
	fake_store_fail(store, ERR_IO);
	stream_begin(&s, "/v1/events", STREAM);
	stream_wait_end(&s);
	ck_assert(s.client.is_closed && !s.has_ended);
	stream_done(&s);
	server_stop();
}
END_TEST

START_TEST(test_a_token_that_is_taken_back_ends_its_streams)
{
	static const char as_viewer[] = STREAM "Authorization: Bearer viewer-token\r\n";
	static const char as_admin[] = STREAM "Authorization: Bearer admin-token\r\n";
	struct stream viewer, admin;
	char *reason = NULL;

	start((struct api_options){.tokens_file = tokens_file(TOKENS)});
	ck_status(ask("GET", "/v1/events", STREAM, NULL), 401);
	stream_open(&viewer, "/v1/events", as_viewer);
	stream_open(&admin, "/v1/events", as_admin);
	tokens_file("[{\"name\":\"admin\",\"role\":\"admin\",\"sha256\":"
	            "\"10a4c7c9fc5206d6f36dc6944a81bb6f4a3cb0e25014ae3b12e6c3e52712292a\"}]");
	ck_assert_int_eq(api_reload_tokens(api, &reason), ERR_OK);
	stream_wait_end(&viewer);
	happen(1);
	stream_wait_id(&admin, 1);
	ck_assert(!stream_has(&viewer, "id: 1\n"));
	stream_done(&viewer);
	stream_done(&admin);
	server_stop();
}
END_TEST

START_TEST(test_http_1_0_gets_a_stream_without_chunks)
{
	struct client c;
	int64_t since_ms;

	start((struct api_options){0});
	happen(1);
	client_open(&c);
	ck_assert(client_send(&c, "GET /v1/events HTTP/1.0\r\nHost: localhost\r\n" STREAM "\r\n"));
	since_ms = clock_mono_ms();
	for (client_read(&c); c.in.len == 0 || strstr(c.in.data, "\nid: 1\n") == NULL; client_read(&c)) {
		server_turn(c.fd);
		check_patience(since_ms, "the event");
	}
	ck_assert_ptr_null(strstr(c.in.data, "chunked"));
	ck_assert_ptr_nonnull(strstr(c.in.data, "\r\n\r\nretry: "));
	client_close(&c);
	server_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api sse");

	TESTS(s, "places", test_a_stream_gives_what_is_kept_and_then_what_comes,
	      test_a_campaigns_stream_skips_the_ids_of_others,
	      test_a_stream_goes_on_behind_the_id_that_it_is_given, test_what_the_client_likes_best_is_served,
	      test_nothing_is_lost_or_doubled_where_store_and_feed_meet,
	      test_what_is_not_kept_is_announced_by_one_reset, test_a_quiet_stream_has_a_heartbeat,
	      test_http_1_0_gets_a_stream_without_chunks);
	TESTS(s, "readers", test_more_streams_than_allowed_are_refused_until_one_is_gone,
	      test_a_reader_slower_than_the_window_still_gets_all,
	      test_a_reader_that_takes_nothing_is_cut_off_and_can_go_on_where_it_was,
	      test_hundreds_of_readers_get_the_same, test_a_stop_ends_streams_after_what_was_told,
	      test_a_reader_may_go_and_the_service_may_stop_while_the_store_is_asked,
	      test_a_stream_that_the_store_fails_has_no_proper_end,
	      test_a_token_that_is_taken_back_ends_its_streams);
	return suite_run(s);
}
