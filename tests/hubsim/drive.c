/* tests/hubsim: see drive.h */
#include "tests/hubsim/drive.h"

#include "server/base/clock.h"
#include "tests/hubsim/http.h"

static void on_timer(uv_timer_t *timer);

static void arm(struct drive *d, int64_t now_ms)
{
	int64_t next_ms = world_next_at(d->world);

	if (next_ms == d->armed_ms && uv_is_active((uv_handle_t *)&d->timer))
		return;
	d->armed_ms = next_ms;
	if (next_ms == TIME_NEVER)
		uv_timer_stop(&d->timer);
	else
		uv_timer_start(&d->timer, on_timer, next_ms > now_ms ? (uint64_t)(next_ms - now_ms) : 0, 0);
}

static void turn(struct drive *d)
{
	int64_t now_ms = (int64_t)uv_now(d->loop) + d->clock_offset_ms;
	bool has_more;

	if (d->has_failed)
		return;
	do {
		world_run(d->world, now_ms, rest_on_answer, d->rest);
		if (d->journal != NULL && journal_flush(d->journal) != ERR_OK) {
			d->has_failed = true;
			d->on_failed(d->arg);
			return;
		}
		has_more = devices_turn(d->devices);
		has_more = http_turn(rest_http(d->rest)) || has_more;
	} while (has_more);
	arm(d, now_ms);
}

static void on_timer(uv_timer_t *timer)
{
	turn(timer->data);
}

/* After the sockets were read. */
static void on_check(uv_check_t *check)
{
	turn(check->data);
}

/* Before the loop waits: what was sent may have ended without the sockets being looked at, and let more be
 * answered. */
static void on_prepare(uv_prepare_t *prepare)
{
	turn(prepare->data);
}

void drive_start(struct drive *d)
{
	uv_timer_init(d->loop, &d->timer);
	uv_check_init(d->loop, &d->check);
	uv_prepare_init(d->loop, &d->prepare);
	d->timer.data = d->check.data = d->prepare.data = d;
	d->armed_ms = TIME_NEVER;
	d->has_failed = false;
	if (d->journal != NULL)
		world_on_journal(d->world, journal_on_entry, d->journal);
	uv_check_start(&d->check, on_check);
	uv_prepare_start(&d->prepare, on_prepare);
	turn(d);
}

void drive_stop(struct drive *d)
{
	uv_close((uv_handle_t *)&d->timer, NULL);
	uv_close((uv_handle_t *)&d->check, NULL);
	uv_close((uv_handle_t *)&d->prepare, NULL);
}
