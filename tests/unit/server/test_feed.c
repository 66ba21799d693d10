/* tests: server/feed.c */
#include "server/feed.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/suite.h"

static char heard[256];

static void on_event(void *arg, const struct event *event, const char *campaign_id)
{
	size_t n = strlen(heard);

	snprintf(heard + n, sizeof heard - n, "%s%d:%s:%s ", (const char *)arg, (int)event->id, campaign_id,
	         event->device_id != NULL ? event->device_id : "-");
}

static void add(struct feed *f, uint64_t id, const char *device_id)
{
	char copy[16];
	struct event event = {.id = id, .type = EVENT_TARGET, .campaign = 1};

	if (device_id != NULL) {
		snprintf(copy, sizeof copy, "%s", device_id);
		event.device_id = copy;
	}
	feed_add(f, &event, "c1");
	memset(copy, 'x', sizeof copy);
}

START_TEST(test_events_are_told_in_order_only_up_to_what_is_durable)
{
	struct feed *f = feed_new(7);
	struct feed_subscriber a, b;

	heard[0] = '\0';
	feed_subscribe(f, &a, on_event, (char[]){"a"});
	feed_subscribe(f, &b, on_event, (char[]){"b"});
	add(f, 8, "d8");
	add(f, 9, NULL);
	add(f, 10, "d10");
	ck_assert_str_eq(heard, "");
	ck_assert_uint_eq(feed_last_id(f), 7);
	feed_tell(f, 9);
	ck_assert_str_eq(heard, "a8:c1:d8 b8:c1:d8 a9:c1:- b9:c1:- ");
	ck_assert_uint_eq(feed_last_id(f), 9);
	feed_tell(f, 9);
	feed_unsubscribe(f, &a);
	heard[0] = '\0';
	feed_tell(f, 10);
	ck_assert_str_eq(heard, "b10:c1:d10 ");
	feed_unsubscribe(f, &b);
	feed_free(f);
}
END_TEST

START_TEST(test_who_subscribes_between_add_and_tell_hears_it)
{
	struct feed *f = feed_new(0);
	struct feed_subscriber a;

	heard[0] = '\0';
	add(f, 1, "d1");
	feed_subscribe(f, &a, on_event, (char[]){"a"});
	feed_tell(f, 1);
	ck_assert_str_eq(heard, "a1:c1:d1 ");
	add(f, 2, "d2"); /* goes with the feed */
	feed_unsubscribe(f, &a);
	feed_free(f);
}
END_TEST

START_TEST(test_an_id_out_of_turn_is_our_mistake)
{
	struct feed *f = feed_new(0);

	add(f, 2, "d2");
	feed_free(f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("feed");
	TCase *mistakes = tcase_create("mistakes");

	TESTS(s, "feed", test_events_are_told_in_order_only_up_to_what_is_durable,
	      test_who_subscribes_between_add_and_tell_hears_it);
	tcase_add_test_raise_signal(mistakes, test_an_id_out_of_turn_is_our_mistake, SIGABRT);
	suite_add_tcase(s, mistakes);
	return suite_run(s);
}
