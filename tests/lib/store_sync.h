/* store_sync: store.h without threads and without libuv, for the simulation: the real back end, worked on
 * when the test says so. store_open() takes any path and no loop; store_close() ends in the next
 * store_sync_run(). */
#ifndef ROLLCALL_TESTS_LIB_STORE_SYNC_H
#define ROLLCALL_TESTS_LIB_STORE_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

/* A disk in memory: a database that outlives the stores which have it open, as a file outlives a process. */
struct disk;
struct disk *disk_new(void);
/* For store_options.path; borrowed. */
const char *disk_path(const struct disk *d);
/* After all its stores. */
void disk_free(struct disk *d);

/* Does all that was asked until now, each commit as a transaction of its own, in order, then the reads, and
 * calls back; what is asked by the callbacks waits for the next run. Where store_close() was called the store
 * is gone afterwards. Gives how many callbacks there were. */
size_t store_sync_run(struct store *s);
/* What store_sync_run() would do: commits, reads and an end. */
size_t store_sync_pending(const struct store *s);

enum store_sync_fate {
	COMMIT_FAILS,   /* not applied; its callback says ERR_FULL, as do those of all that follow */
	COMMIT_IS_LOST, /* the process ends before it: not applied, no callback */
	COMMIT_IS_LAST, /* the process ends after it: applied, no callback */
};
/* Sets the fate of the nth commit from now (1: the next); n 0: no such fate. */
void store_sync_set_fate(struct store *s, uint32_t nth, enum store_sync_fate fate);
/* From now on what is asked is answered with err, as if the disk could not be read; OK: from what is on
 * record again. */
void store_sync_fail_asks(struct store *s, enum err err);
/* True once a commit was lost or the last: nothing is done or told any more. */
bool store_sync_has_crashed(const struct store *s);
struct backend;
/* One more connection to what s has open, only for reading, to be closed before s ends; aborts where there is
 * none to be had. */
struct backend *store_sync_record(struct store *s);
/* Frees s as kill -9 would: what was not run is forgotten, nothing is told. The disk keeps what was
 * committed. */
void store_sync_crash(struct store *s);

#endif
