/* webhook/webhooks: tells endpoints (endpoints.h) of transitions of campaigns and waves, by signed POSTs.
 *
 * The record of events is the queue: for each webhook the store keeps up to which event all is settled, so
 * that a restart goes on there. What was delivered just before a crash is delivered again, under the same
 * webhook-id (at least once). One message at a time goes to an endpoint, in the order of events. An answer
 * 2xx settles it. Else it is sent again, after 5 s, twice as long each time, up to an hour, less up to a
 * quarter by chance, or as Retry-After says; until giveUpSeconds after the event. Where the endpoint refuses
 * it (another 4xx than 408, 425 and 429; a redirect, which is not followed) three times are enough, and 410
 * once. What is given up is kept as a dead letter, the last DEAD_LETTERS_MAX of them. A new webhook is told
 * what happens from then on.
 *
 * The loop does little: events pass by in memory as they are committed; only who is behind reads the record,
 * a page at a time. Loop thread only; no callback but those of options. */
#ifndef ROLLCALL_SERVER_WEBHOOK_WEBHOOKS_H
#define ROLLCALL_SERVER_WEBHOOK_WEBHOOKS_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/err.h"
#include "server/webhook/endpoints.h"
#include "store/batch.h"

struct webhooks;
struct feed;
struct store;
struct uv_loop_s;

struct webhooks_options {
	struct uv_loop_s *loop; /* keeps, as the next two */
	struct store *store;
	struct feed *feed;
	const struct endpoints *endpoints;          /* keeps */
	uint64_t last_event_id;                     /* on record */
	uint64_t seed;                              /* of waits */
	int64_t (*now_ms)(void *arg);               /* the clock on the wall */
	void (*on_wake)(void *arg);                 /* run again soon */
	void (*on_broken)(void *arg, enum err err); /* a commit failed: the process must end */
	void *arg;
};

/* Reads what is on record; blocks. */
MUST_CHECK enum err webhooks_new(const struct webhooks_options *options, struct webhooks **ret);
/* Sends what is due; gives when it wants to run next (TIME_NEVER: not before news). */
int64_t webhooks_run(struct webhooks *w, int64_t now_ms);
/* Cuts short what is out and calls on_freed from the loop, when no answer of the store is awaited any more; w
 * is gone by then. */
void webhooks_free(struct webhooks *w, void (*on_freed)(void *arg), void *arg);

struct webhook_view {
	const char *name, *host; /* host: "https://hooks.example"; the rest of the URL may be a secret */
	const char *state;       /* "idle", "sending", "waiting" (to send it again) */
	uint32_t queued;         /* messages known to be waiting, the one that is out included */
	int64_t oldest_at_ms;    /* when the first of them happened; TIME_NONE: there is none */
	uint64_t delivered, failed, dead; /* since start: answers 2xx, other ends of attempts, given up */
	int64_t delivered_at_ms;          /* TIME_NONE: never since start */
	const char *last_error;           /* "" */
	int64_t last_error_at_ms;
	uint32_t dead_letters;
	int64_t next_at_ms; /* waiting: until then */
};
size_t webhooks_n(const struct webhooks *w); /* NULL is fine: 0 */
void webhooks_view(const struct webhooks *w, size_t i, struct webhook_view *ret);
/* -1: there is none of that name. */
int webhooks_find(const struct webhooks *w, const char *name);
/* The dead letters of a webhook, oldest event first; borrowed until the loop turns. */
const struct dead_letter *webhooks_dead(const struct webhooks *w, size_t i, size_t *ret_n);
/* Forgets them here; whoever says so has them deleted from the record, too. */
void webhooks_forget_dead(struct webhooks *w, size_t i);

#endif
