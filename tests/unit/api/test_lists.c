/* tests: api/lists.c, and the bodies that httpd.c gives on in parts. */
#include "tests/unit/api/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT "Content-Type: text/plain\r\n"
#define CSV "Content-Type: text/csv; charset=utf-8\r\n"
#define PATH "/v1/device-lists/kiosks"
#define PUT_HEAD "PUT " PATH " HTTP/1.1\r\nHost: localhost\r\n" TEXT
#define MIB ((size_t)1 << 20)
/* For a list of 30,000 ids, not for one of 60,000 or two. */
#define ROOM (MIB * 3 / 2)

static const struct answer *put(const char *body)
{
	return ask("PUT", PATH, TEXT, body);
}

START_TEST(test_a_list_is_made_replaced_read_and_forgotten)
{
	const struct answer *a;

	server_start((struct api_options){0});
	ck_status(get(PATH), 404);
	a = put("kiosk-2\r\nkiosk-1\r\n");
	ck_status(a, 201);
	ck_assert(has_header(a, "Location", PATH));
	ck_has(a, "{\"name\":\"kiosks\",\"count\":2,\"updatedAt\":\"2");
	ck_has(a, "Z\",\"by\":\"local\"}");
	ck_has(get(PATH), "\"count\":2,");
	ck_has(get(PATH), ",\"by\":\"local\",\"value\":[\"kiosk-2\",\"kiosk-1\"]}");
	a = ask("PUT", PATH, CSV, "site,deviceId\ngbg,kiosk-3\n");
	ck_status(a, 200);
	ck_assert_ptr_null(strstr(a->head, "Location:"));
	ck_has(a, "\"count\":1,");
	ck_has(get(PATH), "\"value\":[\"kiosk-3\"]}");
	ck_status(ask("DELETE", PATH, "", NULL), 204);
	ck_status(get(PATH), 404);
	ck_status(ask("DELETE", PATH, "", NULL), 404);
	server_stop();
}
END_TEST

START_TEST(test_a_long_list_is_given_on_and_read_in_pages)
{
	struct buf body = BUF_INIT;
	const struct answer *a;
	char *next, target[300];

	server_start((struct api_options){0});
	for (int i = 0; i < 10000; i++)
		buf_printf(&body, "d-%05d\n", i);
	ck_has(put(body.data), "\"count\":10000,");
	ck_assert_uint_eq(conductor.list_page_max, 4096);
	a = get(PATH "?limit=2");
	ck_has(a, "\"value\":[\"d-00000\",\"d-00001\"],\"nextLink\":\"" PATH "?limit=2&cursor=");
	next = strstr(a->body, "\"nextLink\":\"") + 12;
	snprintf(target, sizeof target, "%.*s", (int)strcspn(next, "\""), next);
	ck_has(get(target), "\"value\":[\"d-00002\",\"d-00003\"],\"nextLink\"");
	put("a\nb\n");
	ck_has(get(target), "\"count\":2,");
	put("a\n");
	a = get(target);
	ck_has(a, "\"value\":[]}");
	ck_status(get(PATH "?limit=0"), 400);
	buf_done(&body);
	server_stop();
}
END_TEST

START_TEST(test_an_unsound_list_is_refused_and_the_old_one_stays)
{
	const struct answer *a;

	server_start((struct api_options){0});
	put("a\nb\n");
	a = put("a\n/\na\n");
	ck_status(a, 422);
	ck_has(a,
	       "\"detail\":\"2 things are wrong\",\"code\":\"unsound\",\"errors\":[{\"pointer\":\"/line/2\",");
	ck_has(a,
	       "{\"pointer\":\"/line/3\",\"detail\":\"is \\\"a\\\" again, as line 1 already: name each once\"}]");
	a = put("");
	ck_status(a, 422);
	ck_has(a, "{\"pointer\":\"\",\"detail\":\"must have at least one device id\"}");
	ck_assert_uint_eq(conductor.lists_n, 1);
	ck_has(get(PATH), "\"value\":[\"a\",\"b\"]}");
	server_stop();
}
END_TEST

START_TEST(test_names_and_types_of_lists_are_checked_before_their_bodies)
{
	const struct answer *a;
	char path[100] = "/v1/device-lists/";
	size_t len = strlen(path);

	server_start((struct api_options){0});
	a = ask("PUT", "/v1/device-lists/a%20b", TEXT, "a\n");
	ck_status(a, 400);
	ck_has(a, "the name of a device list must be 1 to 64 letters, digits or _ . -");
	memset(path + len, 'n', 65);
	ck_status(ask("PUT", path, TEXT, "a\n"), 400);
	path[len + 64] = '\0';
	ck_status(ask("PUT", path, TEXT, "a\n"), 201);
	ck_status(ask("PUT", "/v1/device-lists/..", TEXT, "a\n"), 404);
	ck_status(get("/v1/device-lists/a%20b"), 404);
	a = ask("PUT", PATH, "Content-Type: application/json\r\n", "[]");
	ck_status(a, 415);
	ck_has(a, "Content-Type must be text/plain or text/csv");
	ck_status(ask("PUT", PATH, "Content-Type: text/csv; charset=latin1\r\n", "deviceId\na\n"), 415);
	ck_status(ask("PUT", PATH, "", "a\n"), 415);
	ck_status(ask("PUT", PATH, TEXT, NULL), 411);
	ck_assert_uint_eq(conductor.lists_n, 1);
	server_stop();
}
END_TEST

START_TEST(test_a_list_that_the_conductor_refuses_is_not_made)
{
	const struct answer *a;

	server_start((struct api_options){0});
	conductor.list_err = ERR_BUSY;
	a = put("a\n");
	ck_status(a, 409);
	ck_has(a, "this device list is being made already");
	conductor.list_err = ERR_CLOSED;
	ck_status(put("a\n"), 503);
	conductor.list_err = ERR_OK;
	conductor.is_draining = true;
	ck_status(put("a\n"), 503);
	conductor.is_draining = false;
	fake_store_fail(store, ERR_IO);
	ck_status(put("a\n"), 500);
	ck_status(get(PATH), 500);
	ck_status(ask("DELETE", PATH, "", NULL), 500);
	ck_assert_uint_eq(conductor.lists_n, 0);
	ck_assert_uint_eq(conductor.orders_n, 0);
	server_stop();
}
END_TEST

/* ---- parts ---- */

START_TEST(test_a_list_may_come_in_chunks_and_be_larger_than_other_bodies)
{
	struct buf chunk = BUF_INIT;
	struct client c;
	struct answer a;
	char size[32];

	server_start((struct api_options){.bodies_max_bytes = MIB});
	client_open(&c);
	ck_assert(client_send(&c, PUT_HEAD "Transfer-Encoding: chunked\r\n\r\n"));
	for (int i = 0; i < 9; i++) {
		buf_reset(&chunk);
		buf_printf(&chunk, "d-%d", i);
		while (chunk.len < MIB)
			buf_puts(&chunk, "    ");
		snprintf(size, sizeof size, "%zx\r\n", chunk.len + 1);
		buf_puts(&chunk, "\n\r\n");
		ck_assert(client_send(&c, size));
		ck_assert(client_send_n(&c, chunk.data, chunk.len));
	}
	ck_assert(client_send(&c, "0\r\n\r\n"));
	client_answer(&c, false, &a);
	ck_status(&a, 201);
	ck_has(&a, "\"count\":9,");
	answer_done(&a);
	client_close(&c);
	buf_done(&chunk);
	server_stop();
}
END_TEST

START_TEST(test_a_list_that_is_announced_too_large_is_413_at_once)
{
	struct client c;
	struct answer a;

	server_start((struct api_options){0});
	client_open(&c);
	ck_assert(client_send(&c, PUT_HEAD "Content-Length: 268435457\r\n\r\n"));
	client_answer(&c, false, &a);
	ck_status(&a, 413);
	ck_has(&a, "at most 256 MiB");
	answer_done(&a);
	client_close(&c);
	server_stop();
}
END_TEST

static char *ids_of(int n)
{
	struct buf ids = BUF_INIT;

	for (int i = 0; i < n; i++)
		buf_printf(&ids, "d-%06d\n", i);
	return buf_take(&ids);
}

START_TEST(test_lists_have_bounded_room_which_the_next_finds_free)
{
	char *large = ids_of(60000), *fit = ids_of(30000);
	const struct answer *a;

	server_start((struct api_options){.lists_max_bytes = ROOM});
	for (int i = 0; i < 3; i++) {
		a = put(large);
		ck_status(a, 503);
		ck_has(a, "too many device lists are being received");
		ck_assert_ptr_nonnull(strstr(a->head, "\r\nRetry-After: "));
		a = put(fit);
		ck_status(a, i == 0 ? 201 : 200);
	}
	free(large);
	free(fit);
	server_stop();
}
END_TEST

START_TEST(test_a_list_whose_sender_stops_is_not_made_and_gives_its_room_back)
{
	char *fit = ids_of(30000), head[200];
	const struct answer *a;
	struct client c;

	server_start((struct api_options){.lists_max_bytes = ROOM, .body_timeout_ms = 1000});
	put("a\n");
	snprintf(head, sizeof head, PUT_HEAD "Content-Length: %zu\r\n\r\n", strlen(fit) + 1);
	client_open(&c);
	ck_assert(client_send(&c, head));
	ck_assert(client_send(&c, fit));
	client_wait_closed(&c);
	client_close(&c);
	a = get(PATH);
	ck_has(a, "\"value\":[\"a\"]}");
	a = put(fit);
	ck_status(a, 200);
	ck_assert_uint_eq(conductor.lists_n, 2);
	free(fit);
	server_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api lists");

	TESTS(s, "lists", test_a_list_is_made_replaced_read_and_forgotten,
	      test_a_long_list_is_given_on_and_read_in_pages,
	      test_an_unsound_list_is_refused_and_the_old_one_stays,
	      test_names_and_types_of_lists_are_checked_before_their_bodies,
	      test_a_list_that_the_conductor_refuses_is_not_made);
	TESTS(s, "parts", test_a_list_may_come_in_chunks_and_be_larger_than_other_bodies,
	      test_a_list_that_is_announced_too_large_is_413_at_once,
	      test_lists_have_bounded_room_which_the_next_finds_free,
	      test_a_list_whose_sender_stops_is_not_made_and_gives_its_room_back);
	return suite_run(s);
}
