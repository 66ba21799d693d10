/* server: see loop.h */
#include "server/loop.h"

#include <assert.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <uv.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/metrics.h"

static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
#define SIGNALS_N (sizeof signals / sizeof *signals)

struct loop {
	uv_loop_t uv;
	struct loop_events events;
	uv_timer_t timer;
	uv_check_t check;  /* after each poll, so that the news of one poll is worked on together */
	uv_idle_t no_rest; /* runs while is_woken, so that the poll before the check does not sleep */
	uv_signal_t signals[SIGNALS_N];
	size_t signals_n; /* open */
	bool is_woken;
	uint64_t due_ns; /* when the next run is wanted, by uv_hrtime() */
	struct histogram lag;
};

static void run(struct loop *l);

static void on_timer(uv_timer_t *timer)
{
	run(timer->data);
}

static void count_lag(struct loop *l)
{
	uint64_t now_ns = uv_hrtime();

	histogram_add(&l->lag, now_ns > l->due_ns ? (double)(now_ns - l->due_ns) / 1e9 : 0);
}

static void on_check(uv_check_t *check)
{
	struct loop *l = check->data;

	if (!l->is_woken)
		return;
	l->is_woken = false;
	uv_idle_stop(&l->no_rest);
	run(l);
}

static void on_idle(uv_idle_t *idle)
{
	(void)idle;
}

void loop_wake(struct loop *l)
{
	if (!l->is_woken)
		l->due_ns = uv_hrtime();
	l->is_woken = true;
	uv_idle_start(&l->no_rest, on_idle);
}

static void run(struct loop *l)
{
	int64_t now_ms = clock_now_ms(), rest_ms = LOOP_REST_MAX_MS, next_ms;

	count_lag(l);
	next_ms = l->events.on_run(l->events.arg, now_ms);
	/* A timer of 0 ms started by a timer runs before the next poll (libuv 1.44): what is due again and
	 * again would keep the loop from all news. */
	if (next_ms <= now_ms)
		loop_wake(l);
	else if (next_ms - now_ms < LOOP_REST_MAX_MS)
		rest_ms = next_ms - now_ms;
	uv_update_time(&l->uv);
	if (!l->is_woken)
		l->due_ns = uv_hrtime() + (uint64_t)rest_ms * 1000000;
	uv_timer_start(&l->timer, on_timer, (uint64_t)rest_ms, 0);
}

static void on_signal(uv_signal_t *signal, int number)
{
	struct loop *l = signal->data;

	if (number == SIGHUP)
		l->events.on_reload(l->events.arg);
	else
		l->events.on_stop(l->events.arg);
}

struct loop *loop_new(const struct loop_events *events)
{
	static const double bounds[] = {.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5};
	struct loop *l = xcalloc(1, sizeof *l);

	histogram_init(&l->lag, bounds, sizeof bounds / sizeof *bounds);
	if (uv_loop_init(&l->uv) != 0) {
		free(l);
		return NULL;
	}
	l->events = *events;
	l->timer.data = l->check.data = l;
	uv_timer_init(&l->uv, &l->timer);
	uv_check_init(&l->uv, &l->check);
	uv_idle_init(&l->uv, &l->no_rest);
	uv_check_start(&l->check, on_check);
	for (size_t i = 0; i < SIGNALS_N; i++) {
		uv_signal_t *s = &l->signals[i];

		if (uv_signal_init(&l->uv, s) != 0)
			goto failed;
		s->data = l;
		l->signals_n++;
		if (uv_signal_start(s, on_signal, signals[i]) != 0)
			goto failed;
	}
	signal(SIGPIPE, SIG_IGN);
	loop_wake(l);
	return l;
failed:
	loop_free(l);
	return NULL;
}

struct uv_loop_s *loop_uv(struct loop *l)
{
	return &l->uv;
}

const struct histogram *loop_lag(const struct loop *l)
{
	return &l->lag;
}

void loop_run(struct loop *l)
{
	uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_end(struct loop *l)
{
	uv_stop(&l->uv);
}

void loop_free(struct loop *l)
{
	int left;

	if (l == NULL)
		return;
	uv_close((uv_handle_t *)&l->timer, NULL);
	uv_close((uv_handle_t *)&l->check, NULL);
	uv_close((uv_handle_t *)&l->no_rest, NULL);
	for (size_t i = 0; i < l->signals_n; i++)
		uv_close((uv_handle_t *)&l->signals[i], NULL);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	left = uv_loop_close(&l->uv);
	assert(left == 0); /* somebody left a handle open */
	free(l);
}
