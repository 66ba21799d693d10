/* sim: see drive.h. Methods after https://www.sqlite.org/c3ref/vfs.html and c3ref/io_methods.html. */
#include "tests/sim/drive.h"

#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "server/base/buf.h"
#include "server/base/hash.h"
#include "server/base/rng.h"

#define SECTOR 512
#define NAME_MAX_BYTES 64
#define SHM_PAGES_MAX 8
#define VFS_NAME "drive"

/* What a file was before it was written to, since it was synced last. */
struct undo {
	uint64_t at;
	uint32_t n;         /* bytes that are overwritten, less than were written where the file grew */
	uint64_t size;      /* of the file then */
	unsigned char *was; /* n bytes */
	bool is_cut;
};

struct node {
	TAILQ_ENTRY(node) link;
	struct drive *drive;
	char name[NAME_MAX_BYTES];
	unsigned char *bytes;
	uint64_t size, room;
	struct undo *undos;
	size_t undos_n, undos_room;
	bool is_linked;      /* by its name */
	bool is_linked_kept; /* likewise, were the power lost now */
	uint32_t opens;
	/* locks of the file: how many hold SHARED, and who more */
	uint32_t shared_n;
	struct handle *reserved, *exclusive;
	/* the memory that its connections share */
	void *shm[SHM_PAGES_MAX];
	uint32_t shm_opens, shm_shared[SQLITE_SHM_NLOCK];
	struct handle *shm_exclusive[SQLITE_SHM_NLOCK];
};

struct handle {
	sqlite3_file base;
	struct node *node;
	int level;
	uint32_t shm_mask_shared, shm_mask_exclusive;
	bool has_shm;
	int last_errno;
};

struct drive {
	TAILQ_ENTRY(drive) link;
	TAILQ_HEAD(, node) nodes;
	struct rng rng;
	unsigned no;
	char path[96];
	struct drive_trouble trouble;
	bool is_armed, is_dead;
	uint32_t dies_in;
	uint64_t operations, failures, trace;
	int last_errno;
};

static TAILQ_HEAD(, drive) drives = TAILQ_HEAD_INITIALIZER(drives);

static struct handle *handle_of(sqlite3_file *f)
{
	return (struct handle *)(void *)f;
}

/* ---- trouble ---- */

static bool once_in_share(struct drive *d, double share)
{
	return share > 0 && rng_unit(&d->rng) < share;
}

static int fail(struct handle *h, int code, int number)
{
	h->last_errno = h->node->drive->last_errno = number;
	h->node->drive->failures++;
	return code;
}

/* Not hash64(), since much is written. */
static uint64_t print_of(const void *data, uint64_t bytes)
{
	const unsigned char *at = data;
	uint64_t h = bytes, word;

	for (; bytes >= sizeof word; at += sizeof word, bytes -= sizeof word) {
		memcpy(&word, at, sizeof word);
		h = (h ^ word) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	return h ^ hash64(at, bytes);
}

/* Counts what changes something; false: it is not done any more. */
static bool may_change(struct drive *d, const char *what, const struct node *n, uint64_t at, uint64_t bytes)
{
	uint64_t words[5] = {d->trace, (uint64_t)*what, (uint64_t)strlen(n->name), at, bytes};

	if (d->is_armed && d->dies_in > 0 && --d->dies_in == 0)
		d->is_dead = true;
	if (d->is_dead)
		return false;
	d->operations++;
	d->trace = hash64(words, sizeof words);
	return true;
}

/* ---- bytes ---- */

static void remember(struct node *n, uint64_t at, uint64_t bytes, bool is_cut)
{
	uint64_t end = at + bytes < n->size ? at + bytes : n->size;
	struct undo *u;

	if (n->undos_n == n->undos_room) {
		n->undos_room = n->undos_room > 0 ? 2 * n->undos_room : 16;
		n->undos = xrealloc(n->undos, n->undos_room * sizeof *n->undos);
	}
	u = &n->undos[n->undos_n++];
	*u = (struct undo){
	        .at = at, .n = at < end ? (uint32_t)(end - at) : 0, .size = n->size, .is_cut = is_cut};
	if (u->n > 0) {
		u->was = xmalloc(u->n);
		memcpy(u->was, n->bytes + at, u->n);
	}
}

static void forget_undos(struct node *n)
{
	while (n->undos_n > 0)
		free(n->undos[--n->undos_n].was);
}

static void grow(struct node *n, uint64_t size)
{
	if (size > n->room) {
		n->room = 2 * n->room > size ? 2 * n->room : size;
		n->bytes = xrealloc(n->bytes, n->room);
	}
	if (size > n->size)
		memset(n->bytes + n->size, 0, size - n->size);
	n->size = size;
}

static void put(struct node *n, uint64_t at, const void *data, uint64_t bytes)
{
	remember(n, at, bytes, false);
	if (at + bytes > n->size)
		grow(n, at + bytes);
	memcpy(n->bytes + at, data, bytes);
}

/* Takes back, from the latest write on, what luck does not keep, sector by sector. A file that had grown
 * keeps its length with zeros in it, or loses all that was lost at its end. */
static void lose(struct drive *d, struct node *n)
{
	uint64_t keep = rng_below(&d->rng, 3); /* of three sectors: none, one or two */
	uint64_t least = n->size;

	while (n->undos_n > 0) {
		struct undo *u = &n->undos[--n->undos_n];
		uint64_t end = u->is_cut ? u->at + u->n : n->size;

		if (u->is_cut && u->size > n->size && rng_below(&d->rng, 3) >= keep)
			grow(n, u->size);
		for (uint64_t at = u->at; at < u->at + u->n && at < n->size;
		     at = (at / SECTOR + 1) * SECTOR) {
			uint64_t to = (at / SECTOR + 1) * SECTOR;

			to = to < u->at + u->n ? to : u->at + u->n;
			to = to < n->size ? to : n->size;
			if (rng_below(&d->rng, 3) >= keep)
				memcpy(n->bytes + at, u->was + (at - u->at), to - at);
		}
		/* what was added to the end */
		for (uint64_t at = u->size; !u->is_cut && at < end; at = (at / SECTOR + 1) * SECTOR)
			if (rng_below(&d->rng, 3) >= keep) {
				uint64_t to = (at / SECTOR + 1) * SECTOR;

				memset(n->bytes + at, 0, (to < end ? to : end) - at);
				least = at < least ? at : least;
			}
		free(u->was);
	}
	if (least < n->size && rng_below(&d->rng, 2) == 0)
		n->size = least;
}

/* ---- files ---- */

static int x_close(sqlite3_file *f);

static struct node *find_node(const struct drive *d, const char *name)
{
	struct node *n;

	TAILQ_FOREACH (n, &d->nodes, link)
		if (n->is_linked && strcmp(n->name, name) == 0)
			return n;
	return NULL;
}

static void node_free(struct node *n)
{
	TAILQ_REMOVE(&n->drive->nodes, n, link);
	forget_undos(n);
	free(n->undos);
	free(n->bytes);
	for (size_t i = 0; i < SHM_PAGES_MAX; i++)
		free(n->shm[i]);
	free(n);
}

static struct node *make_node(struct drive *d, const char *name)
{
	struct node *n = xcalloc(1, sizeof *n);

	n->drive = d;
	snprintf(n->name, sizeof n->name, "%s", name);
	n->is_linked = true;
	TAILQ_INSERT_TAIL(&d->nodes, n, link);
	return n;
}

/* Names are synced all at once, as a folder is. */
static void sync_folder(struct drive *d)
{
	struct node *n, *next;

	for (n = TAILQ_FIRST(&d->nodes); n != NULL; n = next) {
		next = TAILQ_NEXT(n, link);
		n->is_linked_kept = n->is_linked;
		if (n->opens == 0 && !n->is_linked)
			node_free(n);
	}
}

static int x_read(sqlite3_file *f, void *out, int bytes, sqlite3_int64 at)
{
	struct handle *h = handle_of(f);
	const struct node *n = h->node;
	uint64_t from = (uint64_t)at, want = (uint64_t)bytes, have = from < n->size ? n->size - from : 0;

	if (n->drive->is_armed && once_in_share(n->drive, n->drive->trouble.read))
		return fail(h, SQLITE_IOERR_READ, EIO);
	have = have < want ? have : want;
	if (have > 0)
		memcpy(out, n->bytes + from, have);
	if (have == want)
		return SQLITE_OK;
	memset((char *)out + have, 0, want - have);
	return SQLITE_IOERR_SHORT_READ;
}

static int x_write(sqlite3_file *f, const void *data, int bytes, sqlite3_int64 at)
{
	struct handle *h = handle_of(f);
	struct node *n = h->node;
	struct drive *d = n->drive;
	uint64_t to = (uint64_t)at, size = (uint64_t)bytes;

	if (d->is_armed && d->trouble.is_read_only)
		return fail(h, SQLITE_IOERR_WRITE, EROFS);
	if (d->is_armed && d->trouble.is_full && to + size > n->size)
		return fail(h, SQLITE_FULL, ENOSPC);
	if (d->is_armed && once_in_share(d, d->trouble.write)) {
		if (rng_below(&d->rng, 2) == 0 && !d->is_dead)
			put(n, to, data, 1 + rng_below(&d->rng, size));
		return fail(h, SQLITE_IOERR_WRITE, EIO);
	}
	if (!may_change(d, "write", n, to, print_of(data, size))) {
		h->last_errno = EIO;
		return SQLITE_IOERR_WRITE;
	}
	put(n, to, data, size);
	return SQLITE_OK;
}

static int x_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	struct handle *h = handle_of(f);
	struct node *n = h->node;
	struct drive *d = n->drive;

	if (d->is_armed && d->trouble.is_read_only)
		return fail(h, SQLITE_IOERR_TRUNCATE, EROFS);
	if (d->is_armed && once_in_share(d, d->trouble.write))
		return fail(h, SQLITE_IOERR_TRUNCATE, EIO);
	if (!may_change(d, "cut", n, (uint64_t)size, 0))
		return SQLITE_IOERR_TRUNCATE;
	if ((uint64_t)size < n->size) {
		remember(n, (uint64_t)size, n->size - (uint64_t)size, true);
		n->size = (uint64_t)size;
	}
	return SQLITE_OK;
}

static int x_sync(sqlite3_file *f, int flags)
{
	struct handle *h = handle_of(f);
	struct node *n = h->node;
	struct drive *d = n->drive;

	(void)flags;
	if (d->is_armed && d->trouble.is_read_only && n->undos_n > 0)
		return fail(h, SQLITE_IOERR_FSYNC, EROFS);
	if (d->is_armed && once_in_share(d, d->trouble.sync))
		return fail(h, SQLITE_IOERR_FSYNC, EIO);
	if (!may_change(d, "sync", n, n->size, 0)) {
		h->last_errno = EIO;
		return SQLITE_IOERR_FSYNC;
	}
	forget_undos(n);
	if (!n->is_linked_kept)
		sync_folder(d);
	return SQLITE_OK;
}

static int x_file_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	*ret = (sqlite3_int64)handle_of(f)->node->size;
	return SQLITE_OK;
}

static int x_lock(sqlite3_file *f, int level)
{
	struct handle *h = handle_of(f);
	struct node *n = h->node;

	if (h->level >= level)
		return SQLITE_OK;
	if (n->exclusive != NULL && n->exclusive != h)
		return SQLITE_BUSY;
	if (level >= SQLITE_LOCK_RESERVED && n->reserved != NULL && n->reserved != h)
		return SQLITE_BUSY;
	if (h->level == SQLITE_LOCK_NONE)
		n->shared_n++;
	h->level = h->level > SQLITE_LOCK_SHARED ? h->level : SQLITE_LOCK_SHARED;
	if (level >= SQLITE_LOCK_RESERVED)
		n->reserved = h;
	if (level == SQLITE_LOCK_EXCLUSIVE) {
		if (n->shared_n > 1)
			return SQLITE_BUSY;
		n->exclusive = h;
	}
	h->level = level;
	return SQLITE_OK;
}

static int x_unlock(sqlite3_file *f, int level)
{
	struct handle *h = handle_of(f);
	struct node *n = h->node;

	if (h->level <= level)
		return SQLITE_OK;
	if (n->exclusive == h)
		n->exclusive = NULL;
	if (n->reserved == h)
		n->reserved = NULL;
	if (level == SQLITE_LOCK_NONE)
		n->shared_n--;
	h->level = level;
	return SQLITE_OK;
}

static int x_check_reserved(sqlite3_file *f, int *ret)
{
	*ret = handle_of(f)->node->reserved != NULL;
	return SQLITE_OK;
}

static int x_control(sqlite3_file *f, int what, void *arg)
{
	struct handle *h = handle_of(f);

	switch (what) {
	case SQLITE_FCNTL_LAST_ERRNO:
		*(int *)arg = h->last_errno;
		return SQLITE_OK;
	case SQLITE_FCNTL_HAS_MOVED:
		*(int *)arg = !h->node->is_linked;
		return SQLITE_OK;
	case SQLITE_FCNTL_VFSNAME:
		*(char **)arg = sqlite3_mprintf("%s", VFS_NAME);
		return SQLITE_OK;
	default:
		return SQLITE_NOTFOUND;
	}
}

static int x_sector_size(sqlite3_file *f)
{
	(void)f;
	return 4096;
}

static int x_characteristics(sqlite3_file *f)
{
	(void)f;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE; /* as the system's own VFS has it: what is beside a torn
	                                            write stays */
}

/* ---- shared memory: it goes with the last that has it ---- */

static int x_shm_map(sqlite3_file *f, int page, int bytes, int must_extend, void volatile **ret)
{
	struct handle *h = handle_of(f);
	struct node *n = h->node;

	if (!h->has_shm) {
		h->has_shm = true;
		n->shm_opens++;
	}
	assert(page < SHM_PAGES_MAX);
	if (n->shm[page] == NULL && must_extend)
		n->shm[page] = xcalloc(1, (size_t)bytes);
	*ret = n->shm[page];
	return SQLITE_OK;
}

static int x_shm_lock(sqlite3_file *f, int from, int count, int flags)
{
	struct handle *h = handle_of(f);
	struct node *n = h->node;
	bool is_shared = (flags & SQLITE_SHM_SHARED) != 0;

	for (int i = from; i < from + count; i++) {
		uint32_t bit = (uint32_t)1 << i;

		if (flags & SQLITE_SHM_UNLOCK)
			continue;
		if (n->shm_exclusive[i] != NULL && n->shm_exclusive[i] != h)
			return SQLITE_BUSY;
		if (!is_shared && n->shm_shared[i] > ((h->shm_mask_shared & bit) ? 1 : 0))
			return SQLITE_BUSY;
	}
	for (int i = from; i < from + count; i++) {
		uint32_t bit = (uint32_t)1 << i;

		if (flags & SQLITE_SHM_UNLOCK) {
			n->shm_shared[i] -= (h->shm_mask_shared & bit) ? 1 : 0;
			if (n->shm_exclusive[i] == h)
				n->shm_exclusive[i] = NULL;
			h->shm_mask_shared &= ~bit;
			h->shm_mask_exclusive &= ~bit;
		} else if (is_shared) {
			n->shm_shared[i] += (h->shm_mask_shared & bit) ? 0 : 1;
			h->shm_mask_shared |= bit;
		} else {
			n->shm_exclusive[i] = h;
			h->shm_mask_exclusive |= bit;
		}
	}
	return SQLITE_OK;
}

static void x_shm_barrier(sqlite3_file *f)
{
	(void)f;
}

static int x_shm_unmap(sqlite3_file *f, int must_delete)
{
	struct handle *h = handle_of(f);
	struct node *n = h->node;

	(void)must_delete;
	if (!h->has_shm)
		return SQLITE_OK;
	x_shm_lock(f, 0, SQLITE_SHM_NLOCK, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
	h->has_shm = false;
	if (--n->shm_opens == 0)
		for (size_t i = 0; i < SHM_PAGES_MAX; i++) {
			free(n->shm[i]);
			n->shm[i] = NULL;
		}
	return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
        .iVersion = 2,
        .xClose = x_close,
        .xRead = x_read,
        .xWrite = x_write,
        .xTruncate = x_truncate,
        .xSync = x_sync,
        .xFileSize = x_file_size,
        .xLock = x_lock,
        .xUnlock = x_unlock,
        .xCheckReservedLock = x_check_reserved,
        .xFileControl = x_control,
        .xSectorSize = x_sector_size,
        .xDeviceCharacteristics = x_characteristics,
        .xShmMap = x_shm_map,
        .xShmLock = x_shm_lock,
        .xShmBarrier = x_shm_barrier,
        .xShmUnmap = x_shm_unmap,
};

static int x_close(sqlite3_file *f)
{
	struct handle *h = handle_of(f);
	struct node *n = h->node;

	x_shm_unmap(f, 0);
	x_unlock(f, SQLITE_LOCK_NONE);
	n->opens--;
	if (n->opens == 0 && !n->is_linked && !n->is_linked_kept)
		node_free(n);
	return SQLITE_OK;
}

/* ---- the VFS ---- */

/* Gives the drive that a path is on, and the name there. */
static struct drive *drive_of(const char *path, const char **ret_name)
{
	char *end;
	unsigned long no = strtoul(path + 1, &end, 10);
	struct drive *d;

	TAILQ_FOREACH (d, &drives, link)
		if (d->no == no)
			break;
	*ret_name = end + 1;
	return d;
}

static int x_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *f, int flags, int *ret_flags)
{
	struct handle *h = handle_of(f);
	const char *name;
	struct drive *d;
	struct node *n;

	(void)vfs;
	h->base.pMethods = NULL;
	if (path == NULL) /* temporary files are kept in memory (PRAGMA temp_store) */
		return SQLITE_CANTOPEN;
	d = drive_of(path, &name);
	n = d != NULL ? find_node(d, name) : NULL;
	if (d == NULL || (n == NULL && !(flags & SQLITE_OPEN_CREATE))) {
		if (d != NULL)
			d->last_errno = ENOENT;
		return SQLITE_CANTOPEN;
	}
	if (d->is_armed && d->trouble.is_read_only && (flags & SQLITE_OPEN_READWRITE)) {
		if (n == NULL) {
			d->last_errno = EROFS;
			d->failures++;
			return SQLITE_CANTOPEN;
		}
		flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
		d->failures++;
	}
	if (n == NULL) {
		if (d->is_dead)
			return SQLITE_CANTOPEN;
		n = make_node(d, name);
	}
	memset(h, 0, sizeof *h);
	h->base.pMethods = &methods;
	h->node = n;
	n->opens++;
	if (ret_flags != NULL)
		*ret_flags = flags;
	return SQLITE_OK;
}

static int x_delete(sqlite3_vfs *vfs, const char *path, int must_sync)
{
	const char *name;
	struct drive *d = drive_of(path, &name);
	struct node *n = d != NULL ? find_node(d, name) : NULL;

	(void)vfs;
	if (n == NULL)
		return SQLITE_IOERR_DELETE_NOENT;
	if (d->is_armed && d->trouble.is_read_only) {
		d->last_errno = EROFS;
		d->failures++;
		return SQLITE_IOERR_DELETE;
	}
	if (!may_change(d, "delete", n, 0, 0))
		return SQLITE_IOERR_DELETE;
	n->is_linked = false;
	if (must_sync)
		sync_folder(d);
	return SQLITE_OK;
}

static int x_access(sqlite3_vfs *vfs, const char *path, int flags, int *ret)
{
	const char *name;
	struct drive *d = drive_of(path, &name);
	const struct node *n = d != NULL ? find_node(d, name) : NULL;

	(void)vfs;
	*ret = n != NULL && (flags != SQLITE_ACCESS_EXISTS || n->size > 0);
	return SQLITE_OK;
}

static int x_full_path(sqlite3_vfs *vfs, const char *path, int bytes, char *out)
{
	(void)vfs;
	sqlite3_snprintf(bytes, out, "%s", path);
	return SQLITE_OK;
}

/* What SQLite draws (salts of the WAL) repeats from drive to drive: same seed, same run. */
static int x_randomness(sqlite3_vfs *vfs, int bytes, char *out)
{
	(void)vfs;
	memset(out, 1, (size_t)bytes);
	return bytes;
}

static int x_sleep(sqlite3_vfs *vfs, int us)
{
	(void)vfs;
	return us;
}

static int x_current_time(sqlite3_vfs *vfs, sqlite3_int64 *ret)
{
	(void)vfs;
	*ret = 0; /* nobody asks: the service passes its own times */
	return SQLITE_OK;
}

static int x_last_error(sqlite3_vfs *vfs, int bytes, char *out)
{
	(void)vfs;
	(void)bytes;
	(void)out;
	for (struct drive *d = TAILQ_FIRST(&drives); d != NULL; d = TAILQ_NEXT(d, link))
		if (d->last_errno != 0)
			return d->last_errno;
	return 0;
}

static void register_vfs(void)
{
	static sqlite3_vfs vfs = {.iVersion = 2,
	                          .szOsFile = sizeof(struct handle),
	                          .mxPathname = 256,
	                          .zName = VFS_NAME,
	                          .xOpen = x_open,
	                          .xDelete = x_delete,
	                          .xAccess = x_access,
	                          .xFullPathname = x_full_path,
	                          .xRandomness = x_randomness,
	                          .xSleep = x_sleep,
	                          .xGetLastError = x_last_error,
	                          .xCurrentTimeInt64 = x_current_time};

	if (sqlite3_vfs_find(VFS_NAME) == NULL && sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
		abort();
}

/* ---- the drive ---- */

struct drive *drive_new(uint64_t seed)
{
	static unsigned drives_n;
	struct drive *d = xcalloc(1, sizeof *d);

	register_vfs();
	sqlite3_randomness(0, NULL);
	rng_seed(&d->rng, seed ^ 0x64726976);
	TAILQ_INIT(&d->nodes);
	d->no = ++drives_n;
	drive_path_of(d, "rollcall.db", d->path);
	TAILQ_INSERT_TAIL(&drives, d, link);
	return d;
}

struct drive *drive_copy(const struct drive *other, uint64_t seed)
{
	struct drive *d = drive_new(seed);
	const struct node *n;

	TAILQ_FOREACH (n, &other->nodes, link)
		if (n->is_linked) {
			struct node *copy = make_node(d, n->name);

			grow(copy, n->size);
			memcpy(copy->bytes, n->bytes, n->size);
			copy->is_linked_kept = true;
		}
	return d;
}

void drive_free(struct drive *d)
{
	if (d == NULL)
		return;
	while (!TAILQ_EMPTY(&d->nodes)) {
		assert(TAILQ_FIRST(&d->nodes)->opens == 0);
		node_free(TAILQ_FIRST(&d->nodes));
	}
	TAILQ_REMOVE(&drives, d, link);
	free(d);
}

const char *drive_path(const struct drive *d)
{
	return d->path;
}

void drive_path_of(const struct drive *d, const char *name, char out[96])
{
	snprintf(out, 96, "file:/%u/%s?vfs=" VFS_NAME, d->no, name);
}

void drive_set_trouble(struct drive *d, const struct drive_trouble *t)
{
	d->trouble = *t;
}

void drive_arm(struct drive *d, bool is_armed)
{
	d->is_armed = is_armed;
}

void drive_die_in(struct drive *d, uint32_t nth)
{
	d->dies_in = nth;
}

bool drive_is_dead(const struct drive *d)
{
	return d->is_dead;
}

void drive_die(struct drive *d)
{
	d->is_dead = true;
}

void drive_restart(struct drive *d, bool is_power_lost)
{
	struct node *n, *next;

	for (n = TAILQ_FIRST(&d->nodes); n != NULL; n = next) {
		next = TAILQ_NEXT(n, link);
		assert(n->opens == 0);
		if (is_power_lost) {
			lose(d, n);
			if (n->is_linked != n->is_linked_kept && rng_below(&d->rng, 2) == 0)
				n->is_linked = n->is_linked_kept;
			n->is_linked_kept = n->is_linked;
		}
		if (!n->is_linked && !n->is_linked_kept)
			node_free(n);
	}
	d->is_dead = false;
	d->dies_in = 0;
}

void drive_delete(struct drive *d)
{
	struct node *n;

	TAILQ_FOREACH (n, &d->nodes, link)
		n->is_linked = false;
	sync_folder(d);
}

void drive_delete_of(struct drive *d, const char *name)
{
	struct node *n = find_node(d, name);

	if (n != NULL)
		n->is_linked = false;
	sync_folder(d);
}

void drive_rename(struct drive *d, const char *from, const char *to)
{
	struct node *n = find_node(d, from);

	drive_delete_of(d, to);
	assert(n != NULL && n->opens == 0);
	snprintf(n->name, sizeof n->name, "%s", to);
	forget_undos(n);
	sync_folder(d);
}

uint64_t drive_operations(const struct drive *d)
{
	return d->operations;
}

uint64_t drive_failures(const struct drive *d)
{
	return d->failures;
}

uint64_t drive_trace(const struct drive *d)
{
	return d->trace;
}
