/* track: what waits for its turn; see track.h */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "server/track/internal.h"

/* Takes text. */
struct request *track_request_new(struct track *t, enum request_kind kind, uint32_t campaign,
                                  const struct watch *watch, char *text)
{
	struct request *r = xcalloc(1, sizeof *r);

	r->track = t;
	r->kind = kind;
	r->campaign = campaign;
	r->serial = t->serial;
	r->group = watch != NULL ? track_open_join(t, watch) : NULL;
	r->text = text;
	return r;
}

/* r has left its group, or the group is gone. */
void track_request_free(struct request *r)
{
	watch_free(r->watch);
	free(r->continuation);
	free(r->text);
	free(r);
}

void track_request_end(struct track *t, struct request *r)
{
	if (r->group != NULL)
		track_open_leave(t, r->group);
	track_request_free(r);
}

static void read_queue(struct track *t, struct request *r)
{
	struct reader *reader;

	TAILQ_FOREACH (reader, &t->readers, link)
		if (reader->campaign == r->campaign)
			break;
	if (reader == NULL) {
		reader = xcalloc(1, sizeof *reader);
		reader->campaign = r->campaign;
		TAILQ_INIT(&reader->queue);
		TAILQ_INSERT_TAIL(&t->readers, reader, link);
	}
	TAILQ_INSERT_TAIL(&reader->queue, r, entry);
	t->stats.reads_queued++;
	t->stats.before_calls_queued += r->before_call;
}

/* The next campaign's first. */
struct request *track_request_next_read(struct track *t)
{
	struct reader *reader = TAILQ_FIRST(&t->readers);
	struct request *r;

	if (reader == NULL)
		return NULL;
	r = TAILQ_FIRST(&reader->queue);
	TAILQ_REMOVE(&reader->queue, r, entry);
	TAILQ_REMOVE(&t->readers, reader, link);
	if (TAILQ_EMPTY(&reader->queue))
		free(reader);
	else
		TAILQ_INSERT_TAIL(&t->readers, reader, link);
	t->stats.reads_queued--;
	t->stats.before_calls_queued -= r->before_call;
	return r;
}

void track_read(struct track *t, uint32_t campaign, uint32_t no, const char *device_id, bool before_call,
                const struct watch *watch)
{
	struct request *r = track_request_new(t, REQUEST_READ, campaign, watch, xstrdup(device_id));

	r->key = track_key(campaign, no);
	r->before_call = before_call;
	read_queue(t, r);
}

void track_look(struct track *t, uint32_t campaign, const char *device_id, const struct watch *watch,
                hub_answer_cb *on_answer, void *arg)
{
	struct request *r = track_request_new(t, REQUEST_LOOK, campaign, watch, xstrdup(device_id));

	r->on_answer = on_answer;
	r->arg = arg;
	read_queue(t, r);
}

void track_request_candidate(struct track *t, struct target *target)
{
	struct request *r;

	if (target->has_candidate)
		return;
	target->has_candidate = true;
	r = track_request_new(t, REQUEST_CANDIDATE, target->due.line->campaign, target->group->watch,
	                      xstrdup(target->device_id));
	r->key = target->key;
	r->serial = target->serial;
	read_queue(t, r);
}

void track_probe(struct track *t)
{
	struct request *r = track_request_new(t, REQUEST_PROBE, 0, NULL, xstrdup("deviceId = ''"));
	enum err err = watch_new(&(struct watch_options){.value_path = NULL}, &r->watch);

	assert(err == ERR_OK);
	(void)err;
	TAILQ_INSERT_TAIL(&t->probes_queued, r, entry);
}

void track_select(struct track *t, uint32_t campaign, const char *condition, const char *continuation,
                  const struct watch *watch, hub_answer_cb *on_answer, void *arg)
{
	struct request *r = track_request_new(t, REQUEST_SELECT, campaign, watch,
	                                      condition != NULL ? xstrdup(condition) : NULL);

	r->continuation = continuation != NULL ? xstrdup(continuation) : NULL;
	r->on_answer = on_answer;
	r->arg = arg;
	TAILQ_INSERT_TAIL(&t->selects_queued, r, entry);
}
