/* sim/drive: a drive in memory for SQLite, as a VFS of ours: files outlive the process, unsynced writes may
 * be lost or torn when the power goes, and while there is trouble reads, writes and syncs fail as a system's
 * do, with its errno. A file is opened as drive_path() says. Its luck comes from a seed. One thread. */
#ifndef ROLLCALL_TESTS_SIM_DRIVE_H
#define ROLLCALL_TESTS_SIM_DRIVE_H

#include <stdbool.h>
#include <stdint.h>

struct drive; /* opaque */

struct drive *drive_new(uint64_t seed);
/* One with the same files, as they are now, all of them synced. */
struct drive *drive_copy(const struct drive *other, uint64_t seed);
/* NULL is fine. Nothing on it is open. */
void drive_free(struct drive *d);
/* The URI of the database on it, for backend_open(); of another file beside it where name is not NULL. */
const char *drive_path(const struct drive *d);
void drive_path_of(const struct drive *d, const char *name, char out[96]);

/* What fails while drive_arm() is on: shares of operations, and states that last. */
struct drive_trouble {
	double read, write, sync; /* EIO; a write that fails may have written a part */
	bool is_full;             /* ENOSPC where a file would grow */
	bool is_read_only;        /* EROFS */
};
void drive_set_trouble(struct drive *d, const struct drive_trouble *t);
/* Troubles and drive_die_in() are for what is done while armed. */
void drive_arm(struct drive *d, bool is_armed);
/* The nth write, sync, cut or deletion from now, and all after it, are not done: the process has been ended
 * in the midst of it. 0: no such thing. */
void drive_die_in(struct drive *d, uint32_t nth);
bool drive_is_dead(const struct drive *d);
/* Ends all doing at once: what still has files open may close them, and changes nothing. */
void drive_die(struct drive *d);
/* The next process may begin. Nothing is open. is_power_lost: of what was not synced each sector is kept or
 * lost on its own, and files that were made or deleted since may be back as they were. */
void drive_restart(struct drive *d, bool is_power_lost);

/* Somebody deletes the database and what is beside it; who has it open keeps it. */
void drive_delete(struct drive *d);
/* One file goes, or takes the name of another, durably. Nothing of them is open. */
void drive_delete_of(struct drive *d, const char *name);
void drive_rename(struct drive *d, const char *from, const char *to);

/* Operations so far that changed something, and failures so far that were trouble's doing. */
uint64_t drive_operations(const struct drive *d);
uint64_t drive_failures(const struct drive *d);
/* Fingerprint of all that was written, in order. */
uint64_t drive_trace(const struct drive *d);

#endif
