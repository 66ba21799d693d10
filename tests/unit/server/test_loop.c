/* tests: server/loop */
#include "tests/lib/suite.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include <uv.h>

#include "server/base/clock.h"
#include "server/loop.h"

struct watch {
	struct loop *loop;
	int runs_n, stops_n, reloads_n, reads_n;
	bool is_running;
	int64_t next_ms; /* what on_run gives: TIME_NEVER, or so long after now */
	int runs_max;    /* then the loop ends; -1: it does not */
};

static int64_t on_run(void *arg, int64_t now_ms)
{
	struct watch *w = arg;

	if (++w->runs_n == w->runs_max)
		loop_end(w->loop);
	return w->next_ms == TIME_NEVER ? TIME_NEVER : now_ms + w->next_ms;
}

static int64_t on_waking_run(void *arg, int64_t now_ms)
{
	struct watch *w = arg;

	ck_assert_msg(!w->is_running, "called inside itself");
	w->is_running = true;
	loop_wake(w->loop);
	w->is_running = false;
	return on_run(arg, now_ms);
}

static void on_stop(void *arg)
{
	struct watch *w = arg;

	if (++w->stops_n == 2)
		loop_end(w->loop);
	else
		raise(SIGINT);
}

static void on_reload(void *arg)
{
	struct watch *w = arg;

	w->reloads_n++;
	raise(SIGTERM);
}

static void start(struct watch *w, int64_t (*run)(void *, int64_t))
{
	struct loop_events events = {.on_run = run, .on_stop = on_stop, .on_reload = on_reload, .arg = w};

	w->loop = loop_new(&events);
	ck_assert_ptr_nonnull(w->loop);
}

START_TEST(test_who_wakes_the_loop_while_it_runs_is_not_called_inside_but_again)
{
	struct watch w = {.next_ms = TIME_NEVER, .runs_max = 3};

	start(&w, on_waking_run);
	loop_run(w.loop);
	ck_assert_int_eq(w.runs_n, 3);
	loop_free(w.loop);
}
END_TEST

START_TEST(test_what_is_due_soon_runs_when_it_is_due)
{
	struct watch w = {.next_ms = 20, .runs_max = 3};
	int64_t start_mono_ms;

	start(&w, on_run);
	start_mono_ms = clock_mono_ms();
	loop_run(w.loop);
	ck_assert_int_eq(w.runs_n, 3);
	ck_assert_int_ge(clock_mono_ms() - start_mono_ms, 2 * 20 - 2); /* clocks are cut to milliseconds */
	loop_free(w.loop);
}
END_TEST

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;

	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(events, UV_READABLE);
	w->reads_n++;
	uv_close((uv_handle_t *)poll, NULL);
	loop_end(w->loop);
}

START_TEST(test_what_is_always_due_does_not_keep_the_loop_from_news)
{
	struct watch w = {.next_ms = 0, .runs_max = -1};
	uv_poll_t poll;
	int ends[2];

	start(&w, on_run);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	ck_assert_int_eq(uv_poll_init(loop_uv(w.loop), &poll, ends[0]), 0);
	poll.data = &w;
	ck_assert_int_eq(uv_poll_start(&poll, UV_READABLE, on_readable), 0);
	loop_run(w.loop);
	ck_assert_int_eq(w.reads_n, 1);
	loop_free(w.loop);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(test_signals_arrive_on_the_loop_each_as_what_it_asks_for)
{
	struct watch w = {.next_ms = TIME_NEVER, .runs_max = -1};

	start(&w, on_run);
	raise(SIGPIPE);
	raise(SIGHUP);
	loop_run(w.loop);
	ck_assert_int_eq(w.reloads_n, 1);
	ck_assert_int_eq(w.stops_n, 2);
	loop_free(w.loop);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loop");

	TESTS(s, "loop", test_who_wakes_the_loop_while_it_runs_is_not_called_inside_but_again,
	      test_what_is_due_soon_runs_when_it_is_due,
	      test_what_is_always_due_does_not_keep_the_loop_from_news,
	      test_signals_arrive_on_the_loop_each_as_what_it_asks_for);
	return suite_run(s);
}
