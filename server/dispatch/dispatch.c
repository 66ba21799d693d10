/* dispatch: see dispatch.h */
#include "server/dispatch/dispatch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/dispatch/bucket.h"
#include "server/dispatch/pace.h"

/* Calls that may wait for a place: what a crash leaves in doubt beside those that are out. */
#define AHEAD_MAX 256
#define METER_BYTES 4096     /* of payload a token, contract 7.1 */
#define KEPT_TEXT_BYTES 4096 /* a pooled record gives larger texts back */

/*  queue ──hub_invoke()──▶ out ──on_answer()──▶ pool
 *    │          └─refused─▶ refused ──next run──▶ pool
 *    └──dispatch_withdraw()──▶ pool                      Each record is in one list. What waits for a
 *                                                        connection is out, too: may_begin() holds it back.
 */
struct call {
	TAILQ_ENTRY(call) entry;
	struct dispatch *dispatch; /* NULL: forgotten while out */
	uint32_t campaign, no;
	uint16_t call;
	enum err refusal;
	bool is_recalled; /* while out: not to be sent any more */
	bool is_held;     /* and was not */
	uint32_t tokens;
	uint32_t response_timeout_s, connect_timeout_s;
	int64_t until_ms;
	size_t method_at, payload_at; /* in text */
	struct buf text;              /* device id, method name, payload, a NUL after each */
};
TAILQ_HEAD(calls, call);

struct dispatch {
	struct hub *hub;
	uint32_t inflight_max;
	struct bucket bucket;
	struct pace pace;
	dispatch_outcome_cb *on_outcome;
	dispatch_withdrawn_cb *on_withdrawn;
	int64_t (*now_ms)(void *arg);
	void *arg;
	struct calls queue, out, refused, pool;
	uint64_t queued_tokens;
	uint32_t ahead, heard; /* see look_ahead() */
	bool has_new;          /* submitted since the last run */
	int64_t late_at_ms;    /* not later than the first of the queue to become so */
	struct dispatch_stats stats;
};

struct dispatch *dispatch_new(const struct dispatch_options *options, struct hub *hub, void *arg)
{
	struct dispatch *d = xcalloc(1, sizeof *d);
	uint32_t a_second = options->calls_per_minute / 60;

	assert(options->inflight_max > 0);
	d->hub = hub;
	d->inflight_max = options->inflight_max;
	bucket_init(&d->bucket, options->calls_per_minute, a_second > 0 ? a_second : 1);
	pace_init(&d->pace, options->calls_per_minute, 0);
	d->on_outcome = options->on_outcome;
	d->on_withdrawn = options->on_withdrawn;
	d->now_ms = options->now_ms;
	d->arg = arg;
	TAILQ_INIT(&d->queue);
	TAILQ_INIT(&d->out);
	TAILQ_INIT(&d->refused);
	TAILQ_INIT(&d->pool);
	return d;
}

static struct call *call_take(struct dispatch *d)
{
	struct call *c = TAILQ_FIRST(&d->pool);

	if (c == NULL) {
		c = xcalloc(1, sizeof *c);
		c->dispatch = d;
	} else {
		TAILQ_REMOVE(&d->pool, c, entry);
	}
	return c;
}

static void call_return(struct dispatch *d, struct call *c)
{
	if (c->text.size > KEPT_TEXT_BYTES)
		buf_done(&c->text);
	TAILQ_INSERT_HEAD(&d->pool, c, entry);
}

static void call_free(struct call *c)
{
	buf_done(&c->text);
	free(c);
}

void dispatch_submit(struct dispatch *d, const struct invocation *inv)
{
	struct call *c = call_take(d);
	size_t payload_bytes = strlen(inv->payload);

	c->campaign = inv->campaign;
	c->no = inv->no;
	c->call = inv->call;
	c->response_timeout_s = inv->response_timeout_s;
	c->connect_timeout_s = inv->connect_timeout_s;
	c->until_ms = inv->until_ms;
	c->is_recalled = false;
	c->is_held = false;
	if (d->stats.queued == 0 || c->until_ms < d->late_at_ms)
		d->late_at_ms = c->until_ms;
	c->tokens = payload_bytes <= METER_BYTES
	                    ? 1
	                    : (uint32_t)((payload_bytes + METER_BYTES - 1) / METER_BYTES);
	buf_reset(&c->text);
	buf_put(&c->text, inv->device_id, strlen(inv->device_id) + 1);
	c->method_at = c->text.len;
	buf_put(&c->text, inv->method_name, strlen(inv->method_name) + 1);
	c->payload_at = c->text.len;
	buf_put(&c->text, inv->payload, payload_bytes);
	TAILQ_INSERT_TAIL(&d->queue, c, entry);
	d->stats.queued++;
	d->queued_tokens += c->tokens;
	d->has_new = true;
}

static void unqueue(struct dispatch *d, struct call *c)
{
	TAILQ_REMOVE(&d->queue, c, entry);
	d->stats.queued--;
	d->queued_tokens -= c->tokens;
}

/* Takes c, which is in no list. */
static void tell(struct dispatch *d, struct call *c, const struct hub_answer *answer)
{
	uint32_t campaign = c->campaign, no = c->no;
	uint16_t call = c->call;

	d->stats.by_outcome[answer->outcome]++;
	call_return(d, c);
	d->on_outcome(d->arg, campaign, no, call, answer);
}

/* Takes c, which is in no list. */
static void tell_withdrawn(struct dispatch *d, struct call *c)
{
	uint32_t campaign = c->campaign, no = c->no;
	uint16_t call = c->call;

	call_return(d, c);
	d->on_withdrawn(d->arg, campaign, no, call);
}

/* c waited for a connection, and has one. */
static bool may_begin(void *arg)
{
	struct call *c = arg;
	const struct dispatch *d = c->dispatch;

	c->is_held = d == NULL || c->is_recalled || d->now_ms(d->arg) >= c->until_ms;
	return !c->is_held;
}

static void on_answer(void *arg, const struct hub_answer *answer)
{
	struct call *c = arg;
	struct dispatch *d = c->dispatch;

	if (d == NULL) {
		call_free(c);
		return;
	}
	TAILQ_REMOVE(&d->out, c, entry);
	d->stats.inflight--;
	d->heard++;
	if (c->is_held) {
		tell_withdrawn(d, c);
		return;
	}
	if (answer->outcome == HUB_ANSWERED)
		pace_answered(&d->pace, answer->took_ms);
	else if (answer->outcome == HUB_THROTTLED)
		pace_throttled(&d->pace);
	tell(d, c, answer);
}

/* False where the hub would not take it. */
static bool send_call(struct dispatch *d, struct call *c, int64_t now_ms)
{
	struct hub_call call = {
	        .device_id = c->text.data,
	        .method_name = c->text.data + c->method_at,
	        .payload = c->text.data + c->payload_at,
	        .payload_bytes = c->text.len - c->payload_at,
	        .response_timeout_s = c->response_timeout_s,
	        .connect_timeout_s = c->connect_timeout_s,
	        .may_begin = may_begin,
	};

	unqueue(d, c);
	c->refusal = hub_invoke(d->hub, &call, on_answer, c);
	if (c->refusal != ERR_OK) {
		TAILQ_INSERT_TAIL(&d->refused, c, entry);
		return false;
	}
	bucket_take(&d->bucket, c->tokens, now_ms);
	TAILQ_INSERT_TAIL(&d->out, c, entry);
	d->stats.inflight++;
	d->stats.sent++;
	return true;
}

static void tell_refused(struct dispatch *d)
{
	struct call *c;

	while ((c = TAILQ_FIRST(&d->refused)) != NULL) {
		struct hub_answer answer = {
		        .outcome = HUB_NOT_DELIVERED,
		        .hub_at_ms = TIME_NONE,
		        .retry_after_ms = TIME_NONE,
		        .detail = err_text(c->refusal),
		};

		TAILQ_REMOVE(&d->refused, c, entry);
		tell(d, c, &answer);
	}
}

/* From the answer that gives a place free to the call that takes it there is a commit, that of its intent. So
 * that no place stands empty meanwhile, twice as many may wait as were answered from one handing over to the
 * next: half of them are used up while the other half's successors are committed. A lull takes that back by
 * and by. A hub whose devices take their time leaves next to none waiting. */
static void look_ahead(struct dispatch *d)
{
	if (!d->has_new)
		return;
	d->ahead -= (d->ahead + 7) / 8;
	if (2 * d->heard > d->ahead)
		d->ahead = 2 * d->heard < AHEAD_MAX ? 2 * d->heard : AHEAD_MAX;
	d->heard = 0;
	d->has_new = false;
}

bool dispatch_is_busy(const struct dispatch *d)
{
	uint32_t left = d->stats.inflight + d->stats.queued;

	return left > d->inflight_max && d->heard < left;
}

int64_t dispatch_run(struct dispatch *d, int64_t now_ms)
{
	struct call *c;

	look_ahead(d);
	if (pace_run(&d->pace, now_ms))
		bucket_pace(&d->bucket, d->pace.per_minute, now_ms);
	bucket_run(&d->bucket, now_ms);
	tell_refused(d);
	while ((c = TAILQ_FIRST(&d->queue)) != NULL && d->stats.inflight < d->inflight_max &&
	       bucket_tokens(&d->bucket, now_ms) > 0)
		if (!send_call(d, c, now_ms))
			return now_ms; /* told first, so that the rest may be withdrawn */
	if (c == NULL)
		return TIME_NEVER;
	if (d->stats.inflight >= d->inflight_max || d->late_at_ms < bucket_next_at(&d->bucket, now_ms))
		return d->late_at_ms;
	return bucket_next_at(&d->bucket, now_ms);
}

uint32_t dispatch_credit(const struct dispatch *d, int64_t now_ms)
{
	uint64_t taken = (uint64_t)d->stats.inflight + d->stats.queued;
	uint64_t room = (uint64_t)d->inflight_max + d->ahead, places = taken < room ? room - taken : 0;
	uint64_t tokens = bucket_tokens(&d->bucket, now_ms);

	tokens = d->queued_tokens < tokens ? tokens - d->queued_tokens : 0;
	return (uint32_t)(places < tokens ? places : tokens);
}

int64_t dispatch_credit_at(const struct dispatch *d, int64_t now_ms)
{
	if ((uint64_t)d->stats.inflight + d->stats.queued >= (uint64_t)d->inflight_max + d->ahead)
		return TIME_NEVER;
	return bucket_next_at(&d->bucket, now_ms);
}

static void take_back(struct dispatch *d, struct call *c, struct calls *withdrawn)
{
	unqueue(d, c);
	TAILQ_INSERT_TAIL(withdrawn, c, entry);
}

static void tell_all_withdrawn(struct dispatch *d, struct calls *withdrawn)
{
	struct call *c;

	while ((c = TAILQ_FIRST(withdrawn)) != NULL) {
		TAILQ_REMOVE(withdrawn, c, entry);
		tell_withdrawn(d, c);
	}
}

void dispatch_withdraw(struct dispatch *d, uint32_t campaign)
{
	struct calls withdrawn = TAILQ_HEAD_INITIALIZER(withdrawn);
	struct call *c, *next;

	for (c = TAILQ_FIRST(&d->queue); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (campaign == 0 || c->campaign == campaign)
			take_back(d, c, &withdrawn);
	}
	TAILQ_FOREACH (c, &d->out, entry)
		if (campaign == 0 || c->campaign == campaign)
			c->is_recalled = true;
	tell_all_withdrawn(d, &withdrawn);
}

void dispatch_withdraw_late(struct dispatch *d, int64_t now_ms)
{
	struct calls withdrawn = TAILQ_HEAD_INITIALIZER(withdrawn);
	struct call *c, *next;

	if (d->stats.queued == 0 || now_ms < d->late_at_ms)
		return;
	d->late_at_ms = TIME_NEVER;
	for (c = TAILQ_FIRST(&d->queue); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (c->until_ms <= now_ms)
			take_back(d, c, &withdrawn);
		else if (c->until_ms < d->late_at_ms)
			d->late_at_ms = c->until_ms;
	}
	tell_all_withdrawn(d, &withdrawn);
}

void dispatch_stats(const struct dispatch *d, struct dispatch_stats *ret)
{
	*ret = d->stats;
	ret->calls_per_minute = d->pace.per_minute;
}

static void calls_free(struct calls *calls)
{
	struct call *c;

	while ((c = TAILQ_FIRST(calls)) != NULL) {
		TAILQ_REMOVE(calls, c, entry);
		call_free(c);
	}
}

void dispatch_free(struct dispatch *d)
{
	struct call *c;

	if (d == NULL)
		return;
	TAILQ_FOREACH (c, &d->out, entry)
		c->dispatch = NULL; /* freed when the hub answers */
	calls_free(&d->queue);
	calls_free(&d->refused);
	calls_free(&d->pool);
	free(d);
}
