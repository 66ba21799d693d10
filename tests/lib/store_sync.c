/* tests/lib: see store_sync.h */
#include "tests/lib/store_sync.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "server/base/buf.h"
#include "store/ask.h"
#include "store/backend.h"

struct commit {
	STAILQ_ENTRY(commit) link;
	struct batch *batch;
	store_committed_cb *on_committed;
	void *arg;
};
STAILQ_HEAD(commits, commit);

struct store {
	struct backend *backend, *reader;
	struct commits commits;
	struct asks asks;
	size_t pending;
	uint32_t fate_in;
	enum store_sync_fate fate;
	enum err err;     /* of the first commit that failed */
	enum err ask_err; /* of what is asked */
	bool has_swept_in_vain;
	bool has_crashed;
	void (*on_closed)(void *arg);
	void *closed_arg;
	struct store_stats stats;
};

struct disk {
	struct backend *holder; /* has it open, so that it stays */
	char path[64];
};

struct disk *disk_new(void)
{
	static unsigned disks_n;
	struct disk *d = xcalloc(1, sizeof *d);
	struct store_head head;
	char *reason = NULL;

	snprintf(d->path, sizeof d->path, "file:/disk%u?vfs=memdb", ++disks_n);
	if (backend_open(d->path, &d->holder, &head, &reason) != ERR_OK) {
		fprintf(stderr, "%s\n", reason);
		abort();
	}
	return d;
}

const char *disk_path(const struct disk *d)
{
	return d->path;
}

void disk_free(struct disk *d)
{
	backend_close(d->holder);
	free(d);
}

enum err store_open(const struct store_options *options, struct store **ret, struct store_head *ret_head,
                    char **ret_reason)
{
	struct store *s = xcalloc(1, sizeof *s);
	enum err err = backend_open(options->path, &s->backend, ret_head, ret_reason);

	if (err == ERR_OK) {
		err = backend_open_reader(s->backend, &s->reader);
		if (err != ERR_OK)
			*ret_reason = xstrdup("the database cannot be opened for reading");
	}
	if (err != ERR_OK) {
		backend_close(s->backend);
		free(s);
		return err;
	}
	STAILQ_INIT(&s->commits);
	STAILQ_INIT(&s->asks);
	*ret = s;
	return ERR_OK;
}

void store_close(struct store *s, void (*on_closed)(void *arg), void *arg)
{
	assert(s->on_closed == NULL);
	s->on_closed = on_closed;
	s->closed_arg = arg;
}

void store_commit(struct store *s, struct batch *batch, store_committed_cb *on_committed, void *arg)
{
	struct commit *commit = xcalloc(1, sizeof *commit);

	assert(s->on_closed == NULL);
	*commit = (struct commit){.batch = batch, .on_committed = on_committed, .arg = arg};
	STAILQ_INSERT_TAIL(&s->commits, commit, link);
	s->stats.queued++;
	s->pending++;
}

void store_ask(struct store *s, struct ask *ask)
{
	assert(s->on_closed == NULL);
	STAILQ_INSERT_TAIL(&s->asks, ask, link);
	s->pending++;
}

enum err store_load(struct store *s, int64_t now_ms, const struct store_loader *loader)
{
	return s->ask_err != ERR_OK ? s->ask_err : backend_load(s->reader, now_ms, loader);
}

enum err store_load_webhooks(struct store *s, const struct webhook_loader *loader)
{
	return backend_load_webhooks(s->reader, loader);
}

struct backend *store_sync_record(struct store *s)
{
	struct backend *record;

	if (backend_open_reader(s->backend, &record) != ERR_OK) {
		fprintf(stderr, "%s\n", backend_reason(s->backend));
		abort();
	}
	return record;
}

void store_stats(const struct store *s, struct store_stats *ret)
{
	*ret = s->stats;
}

void store_sync_set_fate(struct store *s, uint32_t nth, enum store_sync_fate fate)
{
	s->fate_in = nth;
	s->fate = fate;
}

void store_sync_fail_asks(struct store *s, enum err err)
{
	s->ask_err = err;
}

bool store_sync_has_crashed(const struct store *s)
{
	return s->has_crashed;
}

size_t store_sync_pending(const struct store *s)
{
	return s->has_crashed ? 0 : s->pending + (s->on_closed != NULL);
}

static enum err apply(struct store *s, const struct commit *commit, uint64_t *ret_revision)
{
	bool is_fated = s->fate_in > 0 && --s->fate_in == 0;
	const struct batch *batch = commit->batch;

	if (is_fated && s->fate == COMMIT_FAILS)
		return ERR_FULL;
	s->has_crashed = is_fated;
	if (is_fated && s->fate == COMMIT_IS_LOST)
		return ERR_OK;
	return backend_apply(s->backend, &batch, 1, ret_revision);
}

static void commit_free(struct store *s, struct commit *commit)
{
	s->pending--;
	s->stats.queued--;
	batch_free(commit->batch);
	free(commit);
}

/* Gives whether its callback was called. */
static bool run_commit(struct store *s, struct commit *commit)
{
	struct commit told = *commit;
	uint64_t revision = 0;

	if (s->err == ERR_OK)
		s->err = apply(s, commit, &revision);
	s->stats.commits += s->err == ERR_OK;
	s->stats.operations += s->err == ERR_OK ? batch_n(commit->batch) : 0;
	commit_free(s, commit);
	if (!s->has_crashed)
		told.on_committed(told.arg, s->err, revision);
	return !s->has_crashed;
}

/* One slice a run; after a failure no more until the next start. */
static void sweep(struct store *s)
{
	bool has_more;

	s->has_swept_in_vain = s->has_swept_in_vain || backend_sweep(s->backend, &has_more) != ERR_OK;
}

static void end(struct store *s)
{
	backend_close(s->reader);
	backend_close(s->backend);
	free(s);
}

size_t store_sync_run(struct store *s)
{
	struct commits commits = STAILQ_HEAD_INITIALIZER(commits);
	struct asks asks = STAILQ_HEAD_INITIALIZER(asks);
	void (*on_closed)(void *) = s->on_closed;
	void *arg = s->closed_arg;
	struct commit *commit;
	struct ask *ask;
	size_t told = 0;

	if (s->has_crashed)
		return 0;
	STAILQ_CONCAT(&commits, &s->commits);
	STAILQ_CONCAT(&asks, &s->asks);
	while ((commit = STAILQ_FIRST(&commits)) != NULL && !s->has_crashed) {
		STAILQ_REMOVE_HEAD(&commits, link);
		told += run_commit(s, commit);
	}
	while ((ask = STAILQ_FIRST(&asks)) != NULL && !s->has_crashed) {
		STAILQ_REMOVE_HEAD(&asks, link);
		s->pending--;
		ask->err = s->ask_err;
		if (s->ask_err == ERR_OK)
			ask_run(ask, s->reader);
		ask_tell(ask);
		told++;
	}
	if (!s->has_crashed && s->err == ERR_OK)
		sweep(s);
	/* what a crash left undone, for store_sync_crash() to free */
	STAILQ_CONCAT(&commits, &s->commits);
	STAILQ_CONCAT(&s->commits, &commits);
	STAILQ_CONCAT(&asks, &s->asks);
	STAILQ_CONCAT(&s->asks, &asks);
	if (on_closed != NULL && !s->has_crashed) {
		end(s);
		on_closed(arg);
		told++;
	}
	return told;
}

void store_sync_crash(struct store *s)
{
	struct commit *commit;
	struct ask *ask;

	while ((commit = STAILQ_FIRST(&s->commits)) != NULL) {
		STAILQ_REMOVE_HEAD(&s->commits, link);
		commit_free(s, commit);
	}
	while ((ask = STAILQ_FIRST(&s->asks)) != NULL) {
		STAILQ_REMOVE_HEAD(&s->asks, link);
		ask_free(ask);
	}
	end(s);
}
