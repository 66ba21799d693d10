/* feed: see feed.h */
#include "server/feed.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"

struct added {
	STAILQ_ENTRY(added) link;
	struct event event; /* its strings are the next two */
	char *device_id, *detail;
	char campaign_id[ID_SIZE];
};

struct feed {
	STAILQ_HEAD(, added) added;
	TAILQ_HEAD(, feed_subscriber) subscribers;
	uint64_t added_id, told_id; /* the last ones */
};

struct feed *feed_new(uint64_t last_id)
{
	struct feed *f = xcalloc(1, sizeof *f);

	STAILQ_INIT(&f->added);
	TAILQ_INIT(&f->subscribers);
	f->added_id = f->told_id = last_id;
	return f;
}

static void added_free(struct added *a)
{
	free(a->device_id);
	free(a->detail);
	free(a);
}

static struct added *take(struct feed *f)
{
	struct added *a = STAILQ_FIRST(&f->added);

	STAILQ_REMOVE_HEAD(&f->added, link);
	return a;
}

void feed_free(struct feed *f)
{
	if (f == NULL)
		return;
	assert(TAILQ_EMPTY(&f->subscribers));
	while (!STAILQ_EMPTY(&f->added))
		added_free(take(f));
	free(f);
}

void feed_add(struct feed *f, const struct event *event, const char *campaign_id)
{
	struct added *a = xcalloc(1, sizeof *a);

	assert(event->id == f->added_id + 1);
	f->added_id = event->id;
	a->event = *event;
	a->event.device_id = a->device_id = event->device_id != NULL ? xstrdup(event->device_id) : NULL;
	a->event.detail = a->detail = event->detail != NULL ? xstrdup(event->detail) : NULL;
	memcpy(a->campaign_id, campaign_id, strlen(campaign_id) + 1);
	STAILQ_INSERT_TAIL(&f->added, a, link);
}

void feed_tell(struct feed *f, uint64_t last_id)
{
	struct feed_subscriber *s;
	struct added *a;

	while ((a = STAILQ_FIRST(&f->added)) != NULL && a->event.id <= last_id) {
		a = take(f);
		f->told_id = a->event.id;
		TAILQ_FOREACH (s, &f->subscribers, link)
			s->on_event(s->arg, &a->event, a->campaign_id);
		added_free(a);
	}
}

uint64_t feed_last_id(const struct feed *f)
{
	return f->told_id;
}

void feed_subscribe(struct feed *f, struct feed_subscriber *s, feed_cb *on_event, void *arg)
{
	s->on_event = on_event;
	s->arg = arg;
	TAILQ_INSERT_TAIL(&f->subscribers, s, link);
}

void feed_unsubscribe(struct feed *f, struct feed_subscriber *s)
{
	TAILQ_REMOVE(&f->subscribers, s, link);
}
