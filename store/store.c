/* store: see store.h. The store thread owns the writing connection, the reading thread the other one.
 *
 *   loop                      store thread                     loop
 *   store_commit() ─▶ filling ─▶ taken whole, applied ─▶ done ─▶ on_wake(): callbacks, in order
 *
 *   loop                      reading thread                   loop
 *   store_read_x() ─▶ asked ───▶ one by one, run ──────▶ answered ─▶ on_wake(): callbacks
 *
 * While one group of batches is applied the next one fills, so that a commit carries all that came meanwhile.
 * While none fills, what was dropped is swept, a slice at a time.
 */
#include "store/store.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <uv.h>

#include "server/base/buf.h"
#include "server/base/log.h"
#include "store/ask.h"
#include "store/backend.h"

/* Batches that are committed together; their calls back in the same order. */
struct group {
	STAILQ_ENTRY(group) link;
	struct batch **batches;
	struct told {
		store_committed_cb *on_committed;
		void *arg;
	} * told;
	size_t n, operations;
	enum err err;
	uint64_t revision;
	int64_t took_us;
};
STAILQ_HEAD(groups, group);

struct store {
	uv_async_t wake;
	uv_thread_t store_thread, reading_thread;
	struct backend *writer, *reader;
	char *path;
	void (*on_closed)(void *arg);
	void *closed_arg;
	struct store_stats stats; /* loop thread only */

	uv_mutex_t mutex; /* guards all below */
	uv_cond_t has_batches, has_questions;
	struct group *filling; /* NULL: nothing was handed over */
	struct groups done;
	struct asks asked, answered;
	bool is_closing, has_ended;
};

/* ---- store thread ---- */

static void group_free(struct group *g)
{
	free(g->batches);
	free(g->told);
	free(g);
}

/* Deletes a slice of what was dropped; gives whether there may be more. A failure keeps it for the next
 * start: memory is not ahead of the disk, so it ends nothing. */
static bool sweep(struct store *s)
{
	bool has_more = false;

	if (backend_sweep(s->writer, &has_more) == ERR_OK)
		return has_more;
	log_error("what was dropped cannot be deleted", LS("reason", backend_reason(s->writer)));
	return false;
}

#define REST_AFTER_NS 1000000000U

/* Gives what was handed over, NULL once the store closes and there is nothing left. Sweeps while there is
 * nothing; and when there has been nothing for a second, and nothing to sweep, it rests, once. */
static struct group *take_group(struct store *s, bool may_sweep)
{
	bool may_rest = true;
	struct group *g;

	uv_mutex_lock(&s->mutex);
	while (s->filling == NULL && !s->is_closing) {
		if (may_sweep) {
			uv_mutex_unlock(&s->mutex);
			may_sweep = sweep(s);
			uv_mutex_lock(&s->mutex);
		} else if (may_rest) {
			if (uv_cond_timedwait(&s->has_batches, &s->mutex, REST_AFTER_NS) == 0)
				continue;
			may_rest = false;
			uv_mutex_unlock(&s->mutex);
			backend_rest(s->writer);
			uv_mutex_lock(&s->mutex);
		} else {
			uv_cond_wait(&s->has_batches, &s->mutex);
		}
	}
	g = s->filling;
	s->filling = NULL;
	uv_mutex_unlock(&s->mutex);
	return g;
}

static void give_group(struct store *s, struct group *g)
{
	uv_mutex_lock(&s->mutex);
	STAILQ_INSERT_TAIL(&s->done, g, link);
	uv_mutex_unlock(&s->mutex);
	uv_async_send(&s->wake);
}

static void apply_group(struct store *s, struct group *g)
{
	uint64_t started_ns = uv_hrtime();

	g->err = backend_apply(s->writer, (const struct batch *const *)g->batches, g->n, &g->revision);
	g->took_us = (int64_t)((uv_hrtime() - started_ns) / 1000);
	if (g->err != ERR_OK)
		log_error("a commit failed", LS("reason", backend_reason(s->writer)));
}

static void run_store_thread(void *arg)
{
	struct store *s = arg;
	enum err err = ERR_OK;
	struct group *g;

	while ((g = take_group(s, err == ERR_OK)) != NULL) {
		/* Nothing may follow what is not on record. */
		if (err == ERR_OK)
			apply_group(s, g);
		else
			g->err = err;
		err = g->err;
		for (size_t i = 0; i < g->n; i++) {
			g->operations += batch_n(g->batches[i]);
			batch_free(g->batches[i]);
		}
		give_group(s, g);
	}
	uv_thread_join(&s->reading_thread);
	backend_close(s->writer); /* the last to close leaves one file, without a WAL */
	uv_mutex_lock(&s->mutex);
	s->has_ended = true;
	uv_mutex_unlock(&s->mutex);
	uv_async_send(&s->wake);
}

/* ---- reading thread ---- */

static struct ask *take_ask(struct store *s)
{
	struct ask *ask;

	uv_mutex_lock(&s->mutex);
	while (STAILQ_EMPTY(&s->asked) && !s->is_closing)
		uv_cond_wait(&s->has_questions, &s->mutex);
	ask = STAILQ_FIRST(&s->asked);
	if (ask != NULL)
		STAILQ_REMOVE_HEAD(&s->asked, link);
	uv_mutex_unlock(&s->mutex);
	return ask;
}

static void run_reading_thread(void *arg)
{
	struct store *s = arg;
	struct ask *ask;

	while ((ask = take_ask(s)) != NULL) {
		ask_run(ask, s->reader);
		if (ask->err != ERR_OK && ask->err != ERR_CONFLICT)
			log_error("a read from the database failed",
			          LS("reason", ask_reason(ask, s->reader)));
		uv_mutex_lock(&s->mutex);
		STAILQ_INSERT_TAIL(&s->answered, ask, link);
		uv_mutex_unlock(&s->mutex);
		uv_async_send(&s->wake);
	}
	backend_close(s->reader);
}

/* ---- loop ---- */

static void tell_group(struct store *s, const struct group *g)
{
	s->stats.commits += g->err == ERR_OK;
	s->stats.operations += g->err == ERR_OK ? g->operations : 0;
	s->stats.commit_last_us = g->took_us;
	histogram_add(&s->stats.commit, (double)g->took_us / 1e6);
	if (g->took_us > s->stats.commit_max_us)
		s->stats.commit_max_us = g->took_us;
	for (size_t i = 0; i < g->n; i++) {
		s->stats.queued--;
		g->told[i].on_committed(g->told[i].arg, g->err, g->revision);
	}
}

static void on_wake_closed(uv_handle_t *handle)
{
	struct store *s = handle->data;

	uv_cond_destroy(&s->has_questions);
	uv_cond_destroy(&s->has_batches);
	uv_mutex_destroy(&s->mutex);
	s->on_closed(s->closed_arg);
	free(s->path);
	free(s);
}

static void on_wake(uv_async_t *wake)
{
	struct store *s = wake->data;
	struct groups done = STAILQ_HEAD_INITIALIZER(done);
	struct asks answered = STAILQ_HEAD_INITIALIZER(answered);
	struct group *g;
	struct ask *ask;
	bool has_ended;

	uv_mutex_lock(&s->mutex);
	STAILQ_CONCAT(&done, &s->done);
	STAILQ_CONCAT(&answered, &s->answered);
	has_ended = s->has_ended;
	uv_mutex_unlock(&s->mutex);
	while ((g = STAILQ_FIRST(&done)) != NULL) {
		STAILQ_REMOVE_HEAD(&done, link);
		tell_group(s, g);
		group_free(g);
	}
	while ((ask = STAILQ_FIRST(&answered)) != NULL) {
		STAILQ_REMOVE_HEAD(&answered, link);
		ask_tell(ask);
	}
	if (has_ended) {
		uv_thread_join(&s->store_thread);
		uv_close((uv_handle_t *)&s->wake, on_wake_closed);
	}
}

enum err store_open(const struct store_options *options, struct store **ret, struct store_head *ret_head,
                    char **ret_reason)
{
	static const double bounds[] = {.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5};
	struct store *s = xcalloc(1, sizeof *s);
	struct store_head head;
	enum err err = backend_open(options->path, &s->writer, &head, ret_reason);

	if (err != ERR_OK)
		goto free_store;
	err = backend_open_reader(s->writer, &s->reader);
	if (err != ERR_OK) {
		*ret_reason = xstrdup("the database cannot be opened for reading");
		goto close_writer;
	}
	histogram_init(&s->stats.commit, bounds, sizeof bounds / sizeof *bounds);
	STAILQ_INIT(&s->done);
	STAILQ_INIT(&s->asked);
	STAILQ_INIT(&s->answered);
	s->wake.data = s;
	s->path = xstrdup(options->path);
	/* These fail only where the system has no memory or threads left, at start. */
	if (uv_mutex_init(&s->mutex) != 0 || uv_cond_init(&s->has_batches) != 0 ||
	    uv_cond_init(&s->has_questions) != 0 || uv_async_init(options->loop, &s->wake, on_wake) != 0 ||
	    uv_thread_create(&s->reading_thread, run_reading_thread, s) != 0 ||
	    uv_thread_create(&s->store_thread, run_store_thread, s) != 0)
		abort();
	*ret_head = head;
	*ret = s;
	return ERR_OK;

close_writer:
	backend_close(s->writer);
free_store:
	free(s);
	return err;
}

void store_close(struct store *s, void (*on_closed)(void *arg), void *arg)
{
	s->on_closed = on_closed;
	s->closed_arg = arg;
	uv_mutex_lock(&s->mutex);
	assert(!s->is_closing);
	s->is_closing = true;
	uv_cond_signal(&s->has_batches);
	uv_cond_signal(&s->has_questions);
	uv_mutex_unlock(&s->mutex);
}

static void group_add(struct group *g, struct batch *batch, store_committed_cb *on_committed, void *arg)
{
	g->batches = answer_room(g->batches, g->n, sizeof *g->batches);
	g->told = answer_room(g->told, g->n, sizeof *g->told);
	g->batches[g->n] = batch;
	g->told[g->n++] = (struct told){on_committed, arg};
}

void store_commit(struct store *s, struct batch *batch, store_committed_cb *on_committed, void *arg)
{
	s->stats.queued++;
	uv_mutex_lock(&s->mutex);
	assert(!s->is_closing);
	if (s->filling == NULL) {
		s->filling = xcalloc(1, sizeof *s->filling);
		uv_cond_signal(&s->has_batches);
	}
	group_add(s->filling, batch, on_committed, arg);
	uv_mutex_unlock(&s->mutex);
}

void store_ask(struct store *s, struct ask *ask)
{
	uv_mutex_lock(&s->mutex);
	assert(!s->is_closing);
	if (STAILQ_EMPTY(&s->asked))
		uv_cond_signal(&s->has_questions);
	STAILQ_INSERT_TAIL(&s->asked, ask, link);
	uv_mutex_unlock(&s->mutex);
}

/* On a connection of its own, so that it disturbs neither thread. */
enum err store_load(struct store *s, int64_t now_ms, const struct store_loader *loader)
{
	struct backend *b;
	enum err err = backend_open_reader(s->writer, &b);

	if (err != ERR_OK)
		return err;
	err = backend_load(b, now_ms, loader);
	if (err != ERR_OK)
		log_error("what is on record cannot be loaded", LS("reason", backend_reason(b)));
	backend_close(b);
	return err;
}

enum err store_load_webhooks(struct store *s, const struct webhook_loader *loader)
{
	struct backend *b;
	enum err err = backend_open_reader(s->writer, &b);

	if (err != ERR_OK)
		return err;
	err = backend_load_webhooks(b, loader);
	if (err != ERR_OK)
		log_error("what is on record of webhooks cannot be loaded", LS("reason", backend_reason(b)));
	backend_close(b);
	return err;
}

static uint64_t bytes_of(const char *path, const char *suffix)
{
	struct buf name = BUF_INIT;
	struct stat st;
	uint64_t bytes = 0;

	buf_printf(&name, "%s%s", path, suffix);
	if (stat(name.data, &st) == 0)
		bytes = (uint64_t)st.st_size;
	buf_done(&name);
	return bytes;
}

void store_stats(const struct store *s, struct store_stats *ret)
{
	struct statvfs fs;

	*ret = s->stats;
	ret->file_bytes = bytes_of(s->path, "") + bytes_of(s->path, "-wal");
	if (statvfs(s->path, &fs) == 0)
		ret->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
}
