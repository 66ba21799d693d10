/* tests: server/webhook: webhooks, over the real back end, with a double of http.h */
#include "tests/lib/suite.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/secret.h"
#include "server/feed.h"
#include "server/hub/http.h"
#include "server/webhook/message.h"
#include "server/webhook/webhooks.h"
#include "store/store.h"
#include "tests/lib/store_sync.h"

#define BEGIN_MS INT64_C(1795852800000)

/* ---- http.h ---- */

struct http {
	http_answer_cb *on_answer; /* NULL: nothing is out */
	void *arg;
	char id[MESSAGE_ID_SIZE], at[32], signature[256], body[512];
	void (*on_freed)(void *arg); /* not NULL: is to go */
	void *freed_arg;
};

static struct http *clients[2];
static size_t clients_n, sent_n;
static enum err new_err, send_err; /* of the next http_new() behind the first client, of http_send() */

enum err http_new(const struct http_options *options, struct http **ret)
{
	(void)options;
	if (new_err != ERR_OK && clients_n == 1)
		return new_err;
	*ret = clients[clients_n++] = xcalloc(1, sizeof **ret);
	return ERR_OK;
}

enum err http_send(struct http *h, const struct http_request *request, http_answer_cb *on_answer, void *arg)
{
	ck_assert(h->on_answer == NULL);
	sent_n++;
	if (send_err != ERR_OK)
		return send_err;
	h->on_answer = on_answer;
	h->arg = arg;
	ck_assert_uint_eq(request->headers_n, 3);
	snprintf(h->id, sizeof h->id, "%s", request->headers[0].value);
	snprintf(h->at, sizeof h->at, "%s", request->headers[1].value);
	snprintf(h->signature, sizeof h->signature, "%s", request->headers[2].value);
	snprintf(h->body, sizeof h->body, "%s", request->body);
	return ERR_OK;
}

void http_free(struct http *h, void (*on_freed)(void *arg), void *arg)
{
	h->on_freed = on_freed;
	h->freed_arg = arg;
}

static void give(size_t i, const struct http_answer *answer)
{
	http_answer_cb *on_answer = clients[i]->on_answer;

	ck_assert(on_answer != NULL);
	clients[i]->on_answer = NULL;
	on_answer(clients[i]->arg, answer);
}

static void answer(int status)
{
	give(0, &(struct http_answer){.status = status, .date_ms = TIME_NONE, .retry_after_ms = TIME_NONE});
}

static void end_clients(void)
{
	for (size_t i = 0; i < clients_n; i++) {
		if (clients[i]->on_answer != NULL)
			give(i, &(struct http_answer){.err = ERR_AMBIGUOUS,
			                              .err_detail = "cut short",
			                              .retry_after_ms = TIME_NONE});
		clients[i]->on_freed(clients[i]->freed_arg);
		free(clients[i]);
	}
	clients_n = 0;
}

/* ---- what is under test ---- */

static char secret[64];
static struct endpoint both[2] = {
        {.name = (char[]){"ops"}, .base_url = (char[]){"https://ops.example"}, .path = (char[]){"/in"}},
        {.name = (char[]){"log"}, .base_url = (char[]){"https://log.example"}, .path = (char[]){"/"}}};
static struct endpoints endpoints;
static struct disk *disk;
static struct store *store;
static struct feed *feed;
static struct webhooks *hooks;
static int64_t now_ms;
static uint64_t last_id;
static size_t wakes_n;
static enum err broken;
static bool is_freed;

static int64_t now_of(void *arg)
{
	(void)arg;
	return now_ms;
}

static void on_wake(void *arg)
{
	(void)arg;
	wakes_n++;
}

static void on_broken(void *arg, enum err err)
{
	(void)arg;
	broken = err;
}

static void on_put(void *arg, enum err err, uint64_t revision)
{
	(void)arg;
	(void)revision;
	ck_assert_int_eq(err, ERR_OK);
}

static void put(struct batch *b)
{
	store_commit(store, b, on_put, NULL);
	store_sync_run(store);
}

static void keep_secret(void)
{
	FILE *out = fopen(secret, "w");

	ck_assert_ptr_nonnull(out);
	fputs("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", out);
	fclose(out);
}

static void open_store(void)
{
	struct store_options options = {.path = disk_path(disk)};
	struct store_head head;
	char *reason;

	ck_assert_int_eq(store_open(&options, &store, &head, &reason), ERR_OK);
	last_id = head.last_event_id;
	feed = feed_new(last_id);
}

static enum err start(void)
{
	struct webhooks_options options = {.store = store,
	                                   .feed = feed,
	                                   .endpoints = &endpoints,
	                                   .last_event_id = last_id,
	                                   .seed = 1,
	                                   .now_ms = now_of,
	                                   .on_wake = on_wake,
	                                   .on_broken = on_broken};

	return webhooks_new(&options, &hooks);
}

static void on_freed(void *arg)
{
	(void)arg;
	is_freed = true;
}

static void on_closed(void *arg)
{
	(void)arg;
}

static void close_store(void)
{
	feed_free(feed);
	store_close(store, on_closed, NULL);
	store_sync_run(store);
}

static void stop(void)
{
	is_freed = false;
	webhooks_free(hooks, on_freed, NULL);
	end_clients();
	while (store_sync_pending(store) > 0)
		store_sync_run(store);
	ck_assert(is_freed);
	close_store();
}

static void set_up(void)
{
	snprintf(secret, sizeof secret, "/tmp/test_webhooks.%d", (int)getpid());
	keep_secret();
	for (size_t i = 0; i < 2; i++) {
		both[i].secret_file = secret;
		both[i].give_up_s = 86400;
	}
	endpoints = (struct endpoints){.all = both, .n = 1};
	new_err = send_err = broken = ERR_OK;
	sent_n = wakes_n = 0;
	now_ms = BEGIN_MS;
	disk = disk_new();
	open_store();
}

static void tear_down(void)
{
	disk_free(disk);
	unlink(secret);
	secret_forget_all();
}

/* Runs until the store has nothing to do; gives when it wants to run next. */
static int64_t turn(void)
{
	int64_t at_ms;

	do
		at_ms = webhooks_run(hooks, now_ms);
	while (store_sync_run(store) > 0);
	return at_ms;
}

static struct event next_event(enum event_type type)
{
	return (struct event){.id = ++last_id,
	                      .at_ms = now_ms,
	                      .type = type,
	                      .from = CAMPAIGN_RUNNING,
	                      .to = CAMPAIGN_PAUSED};
}

static void tell(const struct event *event)
{
	feed_add(feed, event, "c1");
	feed_tell(feed, event->id);
}

static void record(const struct event *event)
{
	struct batch *b = batch_new();

	batch_event_add(b, event);
	put(b);
}

static void happen(enum event_type type)
{
	struct event event = next_event(type);

	record(&event);
	tell(&event);
}

static struct webhook_view view(void)
{
	struct webhook_view v;

	webhooks_view(hooks, 0, &v);
	return v;
}

/* Every message is answered so, until nothing is out. */
static void answer_all(int status)
{
	for (turn(); clients[0]->on_answer != NULL; turn())
		answer(status);
}

/* On the same connection to the disk in memory as the store's own. */
static void sql(const char *text)
{
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open_v2(disk_path(disk), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, NULL),
	                 SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* ---- tests ---- */

START_TEST(test_what_happens_is_sent_signed_one_at_a_time_and_settled)
{
	ck_assert_int_eq(start(), ERR_OK);
	happen(EVENT_CAMPAIGN);
	happen(EVENT_TARGET);
	happen(EVENT_WAVE);
	ck_assert_uint_gt(wakes_n, 0);
	ck_assert_int_eq(turn(), TIME_NEVER);
	ck_assert_uint_eq(sent_n, 1);
	ck_assert_str_eq(view().state, "sending");
	ck_assert_uint_eq(view().queued, 2);
	ck_assert_int_eq(view().oldest_at_ms, BEGIN_MS);
	ck_assert_ptr_nonnull(strstr(clients[0]->body, "\"campaign.paused\""));
	ck_assert_str_eq(clients[0]->at, "1795852800");
	ck_assert_int_eq(strncmp(clients[0]->signature, "v1,", 3), 0);
	answer(204);
	turn();
	ck_assert_ptr_nonnull(strstr(clients[0]->body, "\"wave.moved\""));
	answer(200);
	turn();
	ck_assert_str_eq(view().state, "idle");
	ck_assert_uint_eq(view().delivered, 2);
	ck_assert_int_eq(view().oldest_at_ms, TIME_NONE);
	stop();
	open_store();
	ck_assert_int_eq(start(), ERR_OK);
	turn();
	ck_assert_uint_eq(sent_n, 2); /* not again */
	stop();
}
END_TEST

START_TEST(test_a_new_webhook_is_told_after_a_crash_what_happened_since_it_came)
{
	happen(EVENT_CAMPAIGN); /* before it came */
	ck_assert_int_eq(start(), ERR_OK);
	turn();
	ck_assert_uint_eq(sent_n, 0);
	happen(EVENT_WAVE);
	stop();
	open_store();
	ck_assert_int_eq(start(), ERR_OK);
	turn();
	ck_assert_uint_eq(sent_n, 1);
	ck_assert_ptr_nonnull(strstr(clients[0]->body, "\"wave.moved\""));
	stop();
}
END_TEST

START_TEST(test_what_does_not_fit_into_the_queue_is_read_from_the_record)
{
	ck_assert_int_eq(start(), ERR_OK);
	for (int i = 0; i < 300; i++)
		happen(EVENT_WAVE);
	ck_assert_uint_eq(view().queued, 256);
	answer_all(200);
	ck_assert_uint_eq(sent_n, 300);
	ck_assert_uint_eq(view().delivered, 300);
	happen(EVENT_WAVE); /* passes by in memory again */
	ck_assert_uint_eq(view().queued, 1);
	stop();
}
END_TEST

START_TEST(test_who_is_behind_reads_page_by_page_and_hears_nothing_twice)
{
	struct batch *b = batch_new();
	struct event event;

	batch_webhook_put(b, "ops", 0);
	batch_webhook_put(b, "gone", 0);
	batch_dead_letter_add(b, &(struct dead_letter){"gone", 1, BEGIN_MS, 3, "m", "refused", "{}"});
	for (int i = 0; i < 1200; i++) {
		event = next_event(EVENT_TARGET);
		batch_event_add(b, &event);
	}
	event = next_event(EVENT_WAVE);
	batch_event_add(b, &event);
	put(b);
	feed_free(feed);
	feed = feed_new(last_id);
	ck_assert_int_eq(start(), ERR_OK);
	webhooks_run(hooks, now_ms);
	event = next_event(EVENT_CAMPAIGN);
	record(&event); /* the first page is read, and this one is on record, but not told */
	webhooks_run(hooks, now_ms);
	store_sync_run(store);
	ck_assert_uint_eq(view().queued, 2);
	tell(&event);
	ck_assert_uint_eq(view().queued, 2);
	answer_all(200);
	ck_assert_uint_eq(sent_n, 2);
	stop();
}
END_TEST

START_TEST(test_what_is_told_while_a_page_is_read_is_read_by_the_next)
{
	struct batch *b = batch_new();
	struct event event;

	batch_webhook_put(b, "ops", 0);
	event = next_event(EVENT_TARGET);
	batch_event_add(b, &event);
	put(b);
	feed_free(feed);
	feed = feed_new(last_id);
	ck_assert_int_eq(start(), ERR_OK);
	webhooks_run(hooks, now_ms);
	event = next_event(EVENT_WAVE);
	tell(&event); /* is behind: it passes by */
	store_sync_run(store);
	ck_assert_uint_eq(view().queued, 0);
	record(&event);
	answer_all(200);
	ck_assert_uint_eq(sent_n, 1);
	stop();
}
END_TEST

START_TEST(test_events_that_are_gone_are_passed_over)
{
	struct batch *b = batch_new();
	struct event event;

	batch_webhook_put(b, "ops", 0);
	for (int i = 0; i < 3; i++) {
		event = next_event(EVENT_WAVE);
		batch_event_add(b, &event);
	}
	put(b);
	b = batch_new();
	batch_events_drop(b, now_ms + 1);
	put(b);
	feed_free(feed);
	feed = feed_new(last_id);
	ck_assert_int_eq(start(), ERR_OK);
	turn();
	ck_assert_uint_eq(sent_n, 0);
	happen(EVENT_WAVE);
	turn();
	ck_assert_uint_eq(sent_n, 1);
	stop();
}
END_TEST

START_TEST(test_a_record_that_cannot_be_read_is_read_again_later)
{
	struct batch *b = batch_new();
	struct event event = next_event(EVENT_WAVE);

	batch_webhook_put(b, "ops", 0);
	batch_event_add(b, &event);
	put(b);
	feed_free(feed);
	feed = feed_new(last_id);
	ck_assert_int_eq(start(), ERR_OK);
	sql("ALTER TABLE events RENAME TO elsewhere");
	webhooks_run(hooks, now_ms);
	store_sync_run(store);
	ck_assert_int_eq(webhooks_run(hooks, now_ms), now_ms + 5000); /* and not over and over */
	ck_assert_uint_eq(store_sync_pending(store), 0);
	sql("ALTER TABLE elsewhere RENAME TO events");
	now_ms += 5000;
	turn();
	ck_assert_uint_eq(sent_n, 1);
	stop();
}
END_TEST

START_TEST(test_what_is_not_taken_is_sent_again_later_and_later)
{
	static const int status[] = {500, 503, 408, 408, 425, 425, 429, 429, 199, 404};
	int64_t at_ms, least_ms = 5000;

	ck_assert_int_eq(start(), ERR_OK);
	happen(EVENT_WAVE);
	turn();
	for (size_t i = 0; i < sizeof status / sizeof *status; i++) {
		char told[32];

		answer(status[i]);
		snprintf(told, sizeof told, "answered %d", status[i]);
		ck_assert_str_eq(view().last_error, told);
		ck_assert_str_eq(view().state, "waiting");
		at_ms = turn();
		ck_assert_int_eq(at_ms, view().next_at_ms);
		ck_assert_int_gt(at_ms, now_ms + least_ms * 3 / 4 - 1);
		ck_assert_int_le(at_ms, now_ms + least_ms);
		least_ms *= 2;
		now_ms = at_ms - 1;
		turn();
		ck_assert_str_eq(view().state, "waiting");
		now_ms = at_ms;
		turn();
	}
	give(0, &(struct http_answer){
	                .err = ERR_NOT_SENT, .err_detail = "no such name", .retry_after_ms = TIME_NONE});
	ck_assert_str_eq(view().last_error, "no such name");
	now_ms = turn();
	turn();
	give(0, &(struct http_answer){.status = 503, .retry_after_ms = 3000000});
	ck_assert_int_eq(turn(), now_ms + 3000000);
	now_ms += 3000000;
	turn();
	answer(200);
	turn();
	ck_assert_uint_eq(view().delivered, 1);
	ck_assert_uint_eq(view().failed, 12);
	ck_assert_uint_eq(view().dead, 0);
	stop();
}
END_TEST

START_TEST(test_what_is_refused_three_times_or_gone_once_is_given_up)
{
	const struct dead_letter *dead;
	size_t n;

	ck_assert_int_eq(start(), ERR_OK);
	happen(EVENT_WAVE);
	happen(EVENT_WAVE);
	turn();
	answer(302);
	now_ms = turn();
	turn();
	answer(400);
	now_ms = turn();
	turn();
	answer(499);
	turn();
	ck_assert_uint_eq(view().dead, 1);
	answer(410);
	turn();
	ck_assert_str_eq(view().state, "idle");
	dead = webhooks_dead(hooks, 0, &n);
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(dead[0].attempts, 3);
	ck_assert_str_eq(dead[0].error, "answered 499");
	ck_assert_uint_eq(dead[1].attempts, 1);
	ck_assert_str_eq(dead[1].error, "answered 410");
	stop();
	open_store();
	ck_assert_int_eq(start(), ERR_OK);
	dead = webhooks_dead(hooks, 0, &n);
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(dead[1].error, "answered 410");
	webhooks_forget_dead(hooks, 0);
	webhooks_dead(hooks, 0, &n);
	ck_assert_uint_eq(n, 0);
	stop();
}
END_TEST

START_TEST(test_what_one_message_was_refused_does_not_count_for_the_next)
{
	ck_assert_int_eq(start(), ERR_OK);
	happen(EVENT_WAVE);
	happen(EVENT_WAVE);
	for (int i = 0; i < 4; i++) {
		turn();
		answer(400);
		now_ms = turn();
		if (i == 1) {
			turn();
			answer(200);
		}
	}
	ck_assert_uint_eq(view().delivered, 1);
	ck_assert_uint_eq(view().dead, 0);
	stop();
}
END_TEST

START_TEST(test_what_takes_too_long_is_given_up_when_its_time_is_over)
{
	both[0].give_up_s = 6;
	ck_assert_int_eq(start(), ERR_OK);
	happen(EVENT_WAVE);
	turn();
	answer(500);
	now_ms = turn();
	turn();
	answer(500);
	ck_assert_int_eq(turn(), BEGIN_MS + 6000);
	now_ms = BEGIN_MS + 6000;
	turn();
	answer(500);
	turn();
	ck_assert_uint_eq(view().dead, 1);
	ck_assert_uint_eq(view().queued, 0);
	stop();
}
END_TEST

START_TEST(test_only_the_last_dead_letters_are_kept)
{
	struct batch *b = batch_new();
	const struct dead_letter *dead;
	struct event event;
	size_t n;

	for (uint64_t i = 1; i <= DEAD_LETTERS_MAX; i++) {
		event = next_event(EVENT_TARGET);
		batch_event_add(b, &event);
		batch_dead_letter_add(b, &(struct dead_letter){"ops", i, BEGIN_MS, 3, "m", "refused", "{}"});
	}
	batch_webhook_put(b, "ops", last_id);
	put(b);
	feed_free(feed);
	feed = feed_new(last_id);
	ck_assert_int_eq(start(), ERR_OK);
	happen(EVENT_WAVE);
	answer_all(410);
	dead = webhooks_dead(hooks, 0, &n);
	ck_assert_uint_eq(n, DEAD_LETTERS_MAX);
	ck_assert_uint_eq(dead[0].event_id, 2);
	ck_assert_uint_eq(dead[n - 1].event_id, DEAD_LETTERS_MAX + 1);
	stop();
}
END_TEST

START_TEST(test_without_a_secret_nothing_is_sent_until_there_is_one)
{
	ck_assert_int_eq(start(), ERR_OK);
	happen(EVENT_WAVE);
	unlink(secret);
	now_ms = turn();
	ck_assert_uint_eq(sent_n, 0);
	ck_assert_ptr_nonnull(strstr(view().last_error, "cannot be read"));
	keep_secret();
	send_err = ERR_INVALID;
	now_ms = turn();
	ck_assert_uint_eq(sent_n, 1);
	ck_assert_str_eq(view().last_error, err_text(ERR_INVALID));
	send_err = ERR_OK;
	answer_all(200);
	ck_assert_uint_eq(view().delivered, 1);
	stop();
}
END_TEST

START_TEST(test_a_commit_that_fails_ends_the_service)
{
	ck_assert_int_eq(start(), ERR_OK);
	happen(EVENT_WAVE);
	turn();
	store_sync_set_fate(store, 1, COMMIT_FAILS);
	answer(200);
	turn();
	ck_assert_int_eq(broken, ERR_FULL);
	is_freed = false; /* the process ends, so that what is awaited never comes */
	webhooks_free(hooks, on_freed, NULL);
	end_clients();
	ck_assert(!is_freed);
	close_store();
}
END_TEST

START_TEST(test_the_end_waits_for_the_client_and_for_the_record)
{
	ck_assert_int_eq(start(), ERR_OK);
	happen(EVENT_WAVE);
	happen(EVENT_WAVE);
	turn();
	answer(200);
	webhooks_run(hooks, now_ms);
	wakes_n = 0;
	is_freed = false;
	webhooks_free(hooks, on_freed, NULL);
	ck_assert_int_eq(webhooks_run(hooks, now_ms), TIME_NEVER);
	end_clients();
	ck_assert(!is_freed);
	store_sync_run(store);
	ck_assert(is_freed);
	ck_assert_uint_eq(wakes_n, 0);
	close_store();
	open_store();
	ck_assert_int_eq(start(), ERR_OK);
	turn();
	ck_assert_uint_eq(sent_n, 2);
	stop(); /* while the second is out: it was cut short, and comes again */
	open_store();
	ck_assert_int_eq(start(), ERR_OK);
	turn();
	ck_assert_uint_eq(sent_n, 3);
	stop();
}
END_TEST

START_TEST(test_events_told_to_nobody_are_put_on_record_now_and_then)
{
	struct event event;

	ck_assert_int_eq(start(), ERR_OK);
	turn();
	for (int i = 0; i < 20000; i++) {
		ck_assert_uint_eq(store_sync_pending(store), 0);
		event = next_event(EVENT_TARGET);
		tell(&event);
		webhooks_run(hooks, now_ms);
	}
	ck_assert_uint_eq(store_sync_pending(store), 1);
	stop();
}
END_TEST

START_TEST(test_a_webhook_that_cannot_be_used_fails_the_start)
{
	static const enum err errs[] = {ERR_NOT_FOUND, ERR_INVALID};

	endpoints.n = 2;
	for (size_t i = 0; i < 2; i++) {
		new_err = errs[i];
		ck_assert_int_eq(start(), errs[i]);
		end_clients();
	}
	new_err = ERR_OK;
	sql("ALTER TABLE webhooks RENAME TO elsewhere");
	ck_assert_int_ne(start(), ERR_OK);
	end_clients();
	sql("ALTER TABLE elsewhere RENAME TO webhooks");
	ck_assert_int_eq(start(), ERR_OK);
	ck_assert_uint_eq(webhooks_n(hooks), 2);
	ck_assert_int_eq(webhooks_find(hooks, "log"), 1);
	ck_assert_int_eq(webhooks_find(hooks, "nobody"), -1);
	stop();
	ck_assert_uint_eq(webhooks_n(NULL), 0);
	ck_assert_int_eq(webhooks_find(NULL, "ops"), -1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("webhooks");
	TCase *tc = tcase_create("webhooks");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_test(tc, test_what_happens_is_sent_signed_one_at_a_time_and_settled);
	tcase_add_test(tc, test_a_new_webhook_is_told_after_a_crash_what_happened_since_it_came);
	tcase_add_test(tc, test_what_does_not_fit_into_the_queue_is_read_from_the_record);
	tcase_add_test(tc, test_who_is_behind_reads_page_by_page_and_hears_nothing_twice);
	tcase_add_test(tc, test_what_is_told_while_a_page_is_read_is_read_by_the_next);
	tcase_add_test(tc, test_events_that_are_gone_are_passed_over);
	tcase_add_test(tc, test_a_record_that_cannot_be_read_is_read_again_later);
	tcase_add_test(tc, test_what_is_not_taken_is_sent_again_later_and_later);
	tcase_add_test(tc, test_what_is_refused_three_times_or_gone_once_is_given_up);
	tcase_add_test(tc, test_what_one_message_was_refused_does_not_count_for_the_next);
	tcase_add_test(tc, test_what_takes_too_long_is_given_up_when_its_time_is_over);
	tcase_add_test(tc, test_only_the_last_dead_letters_are_kept);
	tcase_add_test(tc, test_without_a_secret_nothing_is_sent_until_there_is_one);
	tcase_add_test(tc, test_a_commit_that_fails_ends_the_service);
	tcase_add_test(tc, test_the_end_waits_for_the_client_and_for_the_record);
	tcase_add_test(tc, test_events_told_to_nobody_are_put_on_record_now_and_then);
	tcase_add_test(tc, test_a_webhook_that_cannot_be_used_fails_the_start);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
