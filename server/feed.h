/* feed: what has been committed, event by event, told to subscribers inside the process. An event is added
 * when it gets its number and told once it is durable: all of them, in order, each once. Loop thread only. */
#ifndef ROLLCALL_SERVER_FEED_H
#define ROLLCALL_SERVER_FEED_H

#include <stdint.h>
#include <sys/queue.h>

#include "server/campaign/model.h"

struct feed;

/* Borrows all until it returns. campaign_id: the API's id of event->campaign, "" for none. May neither add
 * nor unsubscribe. */
typedef void feed_cb(void *arg, const struct event *event, const char *campaign_id);

struct feed_subscriber {
	TAILQ_ENTRY(feed_subscriber) link;
	feed_cb *on_event;
	void *arg;
};

/* last_id: of the last event on record. */
struct feed *feed_new(uint64_t last_id);
/* NULL is fine. Nobody subscribes any more. */
void feed_free(struct feed *f);
/* Keeps a copy until it is told. Its id is one more than that of the one before. */
void feed_add(struct feed *f, const struct event *event, const char *campaign_id);
/* What was added up to this id is durable now. */
void feed_tell(struct feed *f, uint64_t last_id);
/* Of the last event told. */
uint64_t feed_last_id(const struct feed *f);
/* Keeps s, which is the caller's, until feed_unsubscribe(). It hears what is told from now on. */
void feed_subscribe(struct feed *f, struct feed_subscriber *s, feed_cb *on_event, void *arg);
void feed_unsubscribe(struct feed *f, struct feed_subscriber *s);

#endif
