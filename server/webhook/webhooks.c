/* webhook: see webhooks.h
 *
 *   a hook:  IDLE ──message──▶ SENDING ──2xx, or given up──▶ SETTLING ──committed──▶ IDLE
 *                                ▲ └──failed──▶ WAITING ──┐
 *                                └────────────────────────┘
 * Its messages wait in a queue. While that is full, or it was behind at the start, events pass it by; it
 * reads them from the record once there is room (is_behind). */
#include "server/webhook/webhooks.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/rng.h"
#include "server/dispatch/backoff.h"
#include "server/feed.h"
#include "server/hub/http.h"
#include "server/webhook/message.h"
#include "store/store.h"

#define QUEUE_MAX 256
#define PAGE 1000
#define RETRY_FIRST_MS 5000
#define RETRY_MAX_MS 3600000
#define REFUSALS_MAX 3
#define TIMEOUT_MS 20000
#define ANSWER_MAX_BYTES (64 * 1024)
/* Events that are told to nobody may be read again after a restart, so many. */
#define UNRECORDED_MAX 20000

struct message {
	STAILQ_ENTRY(message) link;
	uint64_t event_id;
	int64_t at_ms;
	char id[MESSAGE_ID_SIZE];
	struct buf body;
};

enum hook_state { HOOK_IDLE, HOOK_SENDING, HOOK_WAITING, HOOK_SETTLING };

struct hook {
	struct webhooks *w;
	const struct endpoint *endpoint;
	struct http *http;
	enum hook_state state;
	STAILQ_HEAD(, message) queue;
	uint32_t queue_n;
	uint64_t seen_id;    /* events up to it are settled, or in the queue */
	uint64_t settled_id; /* on record, or on the way there */
	bool is_behind;      /* events after seen_id have passed it by */
	bool is_reading;
	int64_t read_at_ms;          /* not before then */
	uint32_t attempts, refusals; /* of the first message */
	int64_t next_at_ms;
	uint64_t delivered, failed, dead_n;
	int64_t delivered_at_ms, last_error_at_ms;
	char last_error[256];
	struct dead_letter *dead;
	size_t dead_letters_n;
};

struct webhooks {
	struct webhooks_options options;
	struct feed_subscriber subscriber;
	struct rng luck;
	struct hook *hooks;
	size_t n;
	uint32_t asked;              /* reads and commits whose answers come back to us */
	size_t https_n;              /* not yet freed */
	void (*on_freed)(void *arg); /* not NULL: ending */
	void *freed_arg;
};

/* ---- the end ---- */

static void dead_done(struct dead_letter *d)
{
	free((char *)(uintptr_t)d->message_id);
	free((char *)(uintptr_t)d->error);
	free((char *)(uintptr_t)d->body);
}

static void message_free(struct message *m)
{
	buf_done(&m->body);
	free(m);
}

static void pop(struct hook *h)
{
	struct message *m = STAILQ_FIRST(&h->queue);

	STAILQ_REMOVE_HEAD(&h->queue, link);
	h->queue_n--;
	message_free(m);
}

static void end_if_over(struct webhooks *w)
{
	void (*on_freed)(void *arg) = w->on_freed;
	void *arg = w->freed_arg;

	if (on_freed == NULL || w->asked > 0 || w->https_n > 0)
		return;
	for (size_t i = 0; i < w->n; i++) {
		while (w->hooks[i].queue_n > 0)
			pop(&w->hooks[i]);
		for (size_t k = 0; k < w->hooks[i].dead_letters_n; k++)
			dead_done(&w->hooks[i].dead[k]);
		free(w->hooks[i].dead);
	}
	free(w->hooks);
	free(w);
	on_freed(arg);
}

static void on_http_freed(void *arg)
{
	struct webhooks *w = arg;

	w->https_n--;
	end_if_over(w);
}

void webhooks_free(struct webhooks *w, void (*on_freed)(void *arg), void *arg)
{
	w->on_freed = on_freed;
	w->freed_arg = arg;
	feed_unsubscribe(w->options.feed, &w->subscriber);
	for (size_t i = 0; i < w->n; i++)
		if (w->hooks[i].http != NULL)
			http_free(w->hooks[i].http, on_http_freed, w);
}

static void wake(struct webhooks *w)
{
	if (w->on_freed == NULL)
		w->options.on_wake(w->options.arg);
}

/* ---- the record ---- */

static void answered(struct webhooks *w)
{
	w->asked--;
	end_if_over(w);
}

static void on_settled(void *arg, enum err err, uint64_t revision)
{
	struct hook *h = arg;
	struct webhooks *w = h->w;

	(void)revision;
	if (err != ERR_OK) {
		w->options.on_broken(w->options.arg, err);
		return;
	}
	if (h->state == HOOK_SETTLING)
		h->state = HOOK_IDLE;
	wake(w);
	answered(w);
}

/* Puts on record that all up to id is settled, with what b holds already. Takes b. */
static void settle(struct hook *h, struct batch *b, uint64_t id)
{
	h->settled_id = id;
	batch_webhook_put(b, h->endpoint->name, id);
	h->w->asked++;
	store_commit(h->w->options.store, b, on_settled, h);
}

static void keep_dead(struct hook *h, const struct dead_letter *row)
{
	if (h->dead_letters_n == DEAD_LETTERS_MAX) {
		dead_done(&h->dead[0]);
		memmove(h->dead, h->dead + 1, --h->dead_letters_n * sizeof *h->dead);
	}
	h->dead = xrealloc(h->dead, (h->dead_letters_n + 1) * sizeof *h->dead);
	h->dead[h->dead_letters_n++] = (struct dead_letter){.webhook = h->endpoint->name,
	                                                    .event_id = row->event_id,
	                                                    .died_at_ms = row->died_at_ms,
	                                                    .attempts = row->attempts,
	                                                    .message_id = xstrdup(row->message_id),
	                                                    .error = xstrdup(row->error),
	                                                    .body = xstrdup(row->body)};
}

/* The first message is dealt with: delivered, or dead. */
static void settle_first(struct hook *h, bool is_dead, int64_t now_ms)
{
	const struct message *m = STAILQ_FIRST(&h->queue);
	struct batch *b = batch_new();
	struct dead_letter row = {.webhook = h->endpoint->name,
	                          .event_id = m->event_id,
	                          .died_at_ms = now_ms,
	                          .attempts = h->attempts,
	                          .message_id = m->id,
	                          .error = h->last_error,
	                          .body = m->body.data};

	if (is_dead) {
		log_error("a notification is given up", LS("webhook", row.webhook), LS("message", m->id),
		          LI("attempts", h->attempts), LS("reason", h->last_error));
		h->dead_n++;
		keep_dead(h, &row);
		batch_dead_letter_add(b, &row);
	}
	h->state = HOOK_SETTLING;
	h->attempts = h->refusals = 0;
	settle(h, b, m->event_id);
	pop(h);
}

/* ---- events ---- */

/* Takes up the next event; false: there is no room, it has passed by. */
static bool take(struct hook *h, const struct event *event, const char *campaign_id)
{
	struct message *m;

	if (!message_is_told(event)) {
		h->seen_id = event->id;
		return true;
	}
	if (h->queue_n == QUEUE_MAX)
		return false;
	m = xcalloc(1, sizeof *m);
	buf_init(&m->body);
	m->event_id = event->id;
	m->at_ms = event->at_ms;
	message_render(event, campaign_id, &m->body, m->id);
	STAILQ_INSERT_TAIL(&h->queue, m, link);
	h->queue_n++;
	h->seen_id = event->id;
	return true;
}

static void on_event(void *arg, const struct event *event, const char *campaign_id)
{
	struct webhooks *w = arg;
	bool is_told = message_is_told(event);

	for (size_t i = 0; i < w->n; i++) {
		struct hook *h = &w->hooks[i];

		/* A page may have been ahead of what is told. */
		if (!h->is_behind && event->id > h->seen_id && !take(h, event, campaign_id))
			h->is_behind = true;
	}
	if (is_told)
		wake(w);
}

static void on_page(void *arg, enum err err, uint64_t revision, const struct event *rows,
                    const char *const *campaign_ids, size_t n, bool has_more, uint64_t first_kept_id,
                    uint64_t last_id)
{
	struct hook *h = arg;
	bool has_room = true;

	(void)revision;
	(void)has_more;
	h->is_reading = false;
	if (err != ERR_OK)
		h->read_at_ms = h->w->options.now_ms(h->w->options.arg) + RETRY_FIRST_MS;
	if (err == ERR_OK && h->seen_id + 1 < first_kept_id) {
		log_warn("events are gone that a webhook was not told of", LS("webhook", h->endpoint->name),
		         LI("from", (int64_t)h->seen_id + 1), LI("to", (int64_t)first_kept_id - 1));
		h->seen_id = first_kept_id - 1;
	}
	for (size_t i = 0; err == ERR_OK && has_room && i < n; i++)
		has_room = take(h, &rows[i], campaign_ids[i]);
	/* What was committed since the page was read has not been told yet, or has passed by: only who has
	 * seen all that was told is not behind. */
	if (err == ERR_OK && has_room && h->seen_id >= last_id &&
	    h->seen_id >= feed_last_id(h->w->options.feed))
		h->is_behind = false;
	wake(h->w);
	answered(h->w);
}

static void read_page(struct hook *h)
{
	h->is_reading = true;
	h->w->asked++;
	store_read_events(h->w->options.store, 0, h->seen_id, PAGE, on_page, h);
}

/* ---- sending ---- */

static bool is_refusal(int status)
{
	return status >= 300 && status < 500 && status != 408 && status != 425 && status != 429;
}

static void failed(struct hook *h, int status, const char *why, int64_t retry_after_ms)
{
	int64_t now_ms = h->w->options.now_ms(h->w->options.arg), wait_ms;
	const struct message *m = STAILQ_FIRST(&h->queue);
	int64_t until_ms = m->at_ms + (int64_t)h->endpoint->give_up_s * 1000;

	h->failed++;
	h->last_error_at_ms = now_ms;
	if (status != 0)
		snprintf(h->last_error, sizeof h->last_error, "answered %d", status);
	else
		snprintf(h->last_error, sizeof h->last_error, "%s", why);
	h->refusals += is_refusal(status);
	wait_ms = backoff_ms(RETRY_FIRST_MS, RETRY_MAX_MS, h->attempts - 1);
	wait_ms -= (int64_t)rng_below(&h->w->luck, (uint64_t)wait_ms / 4);
	wait_ms = backoff_heed(wait_ms, retry_after_ms);
	if (status == 410 || h->refusals == REFUSALS_MAX || now_ms >= until_ms) {
		settle_first(h, true, now_ms);
		return;
	}
	log_warn("a notification was not delivered", LS("webhook", h->endpoint->name), LS("message", m->id),
	         LI("attempts", h->attempts), LS("reason", h->last_error), LI("againInMs", wait_ms));
	h->state = HOOK_WAITING;
	h->next_at_ms = now_ms + wait_ms < until_ms ? now_ms + wait_ms : until_ms;
}

static void on_answer(void *arg, const struct http_answer *answer)
{
	struct hook *h = arg;
	bool is_delivered = answer->err == ERR_OK && answer->status >= 200 && answer->status < 300;

	if (h->w->on_freed != NULL)
		return; /* cut short: sent again by the next start */
	if (is_delivered) {
		h->delivered++;
		h->delivered_at_ms = h->w->options.now_ms(h->w->options.arg);
		settle_first(h, false, h->delivered_at_ms);
	} else {
		failed(h, answer->err == ERR_OK ? answer->status : 0,
		       answer->err_detail != NULL ? answer->err_detail : "", answer->retry_after_ms);
	}
	wake(h->w);
}

/* The secret is read anew for each, so that it can be changed at any time. */
static void send_first(struct hook *h, int64_t now_ms)
{
	const struct message *m = STAILQ_FIRST(&h->queue);
	struct message_keys keys;
	struct buf signature = BUF_INIT;
	char reason[MESSAGE_REASON_SIZE], at[32];
	struct http_header headers[] = {
	        {"webhook-id", m->id}, {"webhook-timestamp", at}, {"webhook-signature", NULL}};
	struct http_request request = {.method = "POST",
	                               .path = h->endpoint->path,
	                               .content_type = "application/json",
	                               .headers = headers,
	                               .headers_n = sizeof headers / sizeof *headers,
	                               .body = m->body.data,
	                               .body_bytes = m->body.len,
	                               .timeout_ms = TIMEOUT_MS,
	                               .answer_max_bytes = ANSWER_MAX_BYTES};
	enum err err = message_keys_read(h->endpoint->secret_file, &keys, reason);

	h->attempts++;
	h->state = HOOK_SENDING;
	if (err == ERR_OK) {
		snprintf(at, sizeof at, "%" PRId64, now_ms / 1000);
		message_sign(&keys, m->id, now_ms / 1000, m->body.data, m->body.len, &signature);
		headers[2].value = signature.data;
		err = http_send(h->http, &request, on_answer, h);
		snprintf(reason, sizeof reason, "%s", err_text(err));
	}
	if (err != ERR_OK)
		failed(h, 0, reason, TIME_NONE);
	message_keys_done(&keys);
	buf_done(&signature);
}

static int64_t run_hook(struct hook *h, int64_t now_ms)
{
	int64_t wake_ms = TIME_NEVER;

	if (h->is_behind && !h->is_reading && h->queue_n < QUEUE_MAX / 2) {
		if (now_ms < h->read_at_ms)
			wake_ms = h->read_at_ms;
		else
			read_page(h);
	}
	if (h->state == HOOK_WAITING && now_ms >= h->next_at_ms)
		h->state = HOOK_IDLE;
	if (h->state == HOOK_IDLE && h->queue_n > 0)
		send_first(h, now_ms);
	else if (h->state == HOOK_IDLE && h->queue_n == 0 && h->seen_id >= h->settled_id + UNRECORDED_MAX)
		settle(h, batch_new(), h->seen_id);
	if (h->state == HOOK_WAITING && h->next_at_ms < wake_ms)
		wake_ms = h->next_at_ms;
	return wake_ms;
}

int64_t webhooks_run(struct webhooks *w, int64_t now_ms)
{
	int64_t wake_ms = TIME_NEVER;

	for (size_t i = 0; w->on_freed == NULL && i < w->n; i++) {
		int64_t at_ms = run_hook(&w->hooks[i], now_ms);

		wake_ms = at_ms < wake_ms ? at_ms : wake_ms;
	}
	return wake_ms;
}

/* ---- the start ---- */

int webhooks_find(const struct webhooks *w, const char *name)
{
	for (size_t i = 0; w != NULL && i < w->n; i++)
		if (strcmp(w->hooks[i].endpoint->name, name) == 0)
			return (int)i;
	return -1;
}

static void on_webhook(void *arg, const char *name, uint64_t after_id)
{
	struct webhooks *w = arg;
	int i = webhooks_find(w, name);

	if (i < 0)
		return; /* taken from the settings; it goes on there should it come back */
	w->hooks[i].seen_id = w->hooks[i].settled_id = after_id;
	w->hooks[i].is_behind = after_id < w->options.last_event_id;
}

static void on_dead_letter(void *arg, const struct dead_letter *row)
{
	struct webhooks *w = arg;
	int i = webhooks_find(w, row->webhook);

	if (i >= 0)
		keep_dead(&w->hooks[i], row);
}

static enum err hook_init(struct hook *h, struct webhooks *w, const struct endpoint *endpoint)
{
	struct http_options http = {.loop = w->options.loop,
	                            .base_url = endpoint->base_url,
	                            .ca_file = endpoint->ca_file,
	                            .connections_max = 1};
	enum err err;

	*h = (struct hook){.w = w,
	                   .endpoint = endpoint,
	                   .seen_id = w->options.last_event_id,
	                   .settled_id = UINT64_MAX,
	                   .delivered_at_ms = TIME_NONE,
	                   .last_error_at_ms = TIME_NONE};
	STAILQ_INIT(&h->queue);
	err = http_new(&http, &h->http);
	w->https_n += err == ERR_OK;
	if (err != ERR_OK)
		log_error("a webhook cannot be used", LS("webhook", endpoint->name),
		          LS("host", endpoint->base_url),
		          LS("reason", err == ERR_NOT_FOUND ? "its caFile cannot be read" : err_text(err)));
	return err;
}

/* From where a new webhook is told goes on record, or a crash before its first message would leave it untold.
 */
static void begin(struct webhooks *w)
{
	for (size_t i = 0; i < w->n; i++) {
		struct hook *h = &w->hooks[i];

		if (h->settled_id == UINT64_MAX)
			settle(h, batch_new(), h->seen_id);
	}
}

static void on_nothing(void *arg)
{
	(void)arg;
}

enum err webhooks_new(const struct webhooks_options *options, struct webhooks **ret)
{
	struct webhook_loader loader = {.on_webhook = on_webhook, .on_dead_letter = on_dead_letter};
	struct webhooks *w = xcalloc(1, sizeof *w);
	enum err err = ERR_OK;

	w->options = *options;
	rng_seed(&w->luck, options->seed);
	w->hooks = xcalloc(options->endpoints->n + 1, sizeof *w->hooks);
	feed_subscribe(options->feed, &w->subscriber, on_event, w);
	for (; err == ERR_OK && w->n < options->endpoints->n; w->n++)
		err = hook_init(&w->hooks[w->n], w, &options->endpoints->all[w->n]);
	loader.arg = w;
	if (err == ERR_OK)
		err = store_load_webhooks(options->store, &loader);
	if (err != ERR_OK) {
		webhooks_free(w, on_nothing, NULL);
		end_if_over(w); /* else when the last client is gone */
		return err;
	}
	begin(w);
	*ret = w;
	return ERR_OK;
}

/* ---- questions ---- */

size_t webhooks_n(const struct webhooks *w)
{
	return w != NULL ? w->n : 0;
}

void webhooks_view(const struct webhooks *w, size_t i, struct webhook_view *ret)
{
	const struct hook *h = &w->hooks[i];
	const struct message *first = STAILQ_FIRST(&h->queue);

	*ret = (struct webhook_view){.name = h->endpoint->name,
	                             .host = h->endpoint->base_url,
	                             .state = h->state == HOOK_WAITING   ? "waiting"
	                                      : h->state == HOOK_SENDING ? "sending"
	                                                                 : "idle",
	                             .queued = h->queue_n,
	                             .oldest_at_ms = first != NULL ? first->at_ms : TIME_NONE,
	                             .delivered = h->delivered,
	                             .failed = h->failed,
	                             .dead = h->dead_n,
	                             .delivered_at_ms = h->delivered_at_ms,
	                             .last_error = h->last_error,
	                             .last_error_at_ms = h->last_error_at_ms,
	                             .dead_letters = (uint32_t)h->dead_letters_n,
	                             .next_at_ms = h->state == HOOK_WAITING ? h->next_at_ms : TIME_NONE};
}

const struct dead_letter *webhooks_dead(const struct webhooks *w, size_t i, size_t *ret_n)
{
	*ret_n = w->hooks[i].dead_letters_n;
	return w->hooks[i].dead;
}

void webhooks_forget_dead(struct webhooks *w, size_t i)
{
	struct hook *h = &w->hooks[i];

	for (size_t k = 0; k < h->dead_letters_n; k++)
		dead_done(&h->dead[k]);
	h->dead_letters_n = 0;
}
