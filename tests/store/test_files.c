/* tests/store: what happens to files: crashes, damage, locks, rights, full disks; and what the threads add to
 * the contract. */
#include "tests/lib/suite.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "server/base/buf.h"
#include "server/base/log.h"
#include "server/base/rng.h"
#include "store/backend.h"
#include "store/care.h"
#include "store/sqlite/sqlite.h"
#include "tests/store/rig.h"

static struct rig rig;
static struct seen seen;

static void make_folder(void)
{
	rig = (struct rig){.arena = ARENA_INIT};
	rig_make_folder(&rig);
}

static void remove_folder(void)
{
	rig_remove_folder(&rig);
	arena_done(&rig.arena);
}

static void read_file(const char *path, struct buf *ret)
{
	FILE *in = fopen(path, "rb");
	size_t n;

	buf_reset(ret);
	if (in == NULL)
		return;
	do {
		n = fread(buf_reserve(ret, 65536), 1, 65536, in);
		ret->len += n;
	} while (n > 0);
	fclose(in);
}

static void write_file(const char *path, const void *data, size_t n)
{
	FILE *out = fopen(path, "wb");

	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(fwrite(data, 1, n, out), n);
	ck_assert_int_eq(fclose(out), 0);
}

static const char *beside(const char *suffix)
{
	static char path[100];

	snprintf(path, sizeof path, "%s%s", rig.path, suffix);
	return path;
}

/* Runs SQL behind the store's back. keeps_wal: as a process that was killed leaves it. */
static void run_sql(const char *sql, bool keeps_wal)
{
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(rig.path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 60000);
	sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keeps_wal, NULL);
	ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

/* Asserts that opening gives expected, with a reason that has words, and leaves the file and its WAL as they
 * are. */
static void assert_refused(enum err expected, const char *words)
{
	struct buf file = BUF_INIT, wal = BUF_INIT, now = BUF_INIT;
	struct backend *b;
	struct store_head head;
	char *reason = NULL;

	read_file(rig.path, &file);
	read_file(beside("-wal"), &wal);
	ck_assert_int_eq(backend_open(rig.path, &b, &head, &reason), expected);
	ck_assert_ptr_nonnull(strstr(reason, rig.path));
	ck_assert_msg(strstr(reason, words) != NULL, "%s", reason);
	free(reason);
	read_file(rig.path, &now);
	ck_assert_uint_eq(now.len, file.len);
	ck_assert(file.len == 0 || memcmp(now.data, file.data, file.len) == 0);
	read_file(beside("-wal"), &now);
	ck_assert_uint_eq(now.len, wal.len);
	ck_assert(wal.len == 0 || memcmp(now.data, wal.data, wal.len) == 0);
	buf_done(&file);
	buf_done(&wal);
	buf_done(&now);
}

static void make_database(uint32_t targets)
{
	rig_open_store(&rig);
	rig_commit(&rig, rig_campaign_batch(1, targets));
	rig_close_store(&rig);
}

/* ---- crashes ---- */

#define CRASH_TARGETS 50u

/* Commit k of a run that can be checked: all targets, the campaign and the last event say k, and counts are
 * true. */
static struct batch *numbered_batch(uint32_t k, uint32_t targets)
{
	struct campaign_row campaign = rig_campaign_row(1);
	struct event event = {.id = k, .at_ms = NOW_MS, .type = EVENT_CAMPAIGN, .campaign = 1};
	struct batch *b = batch_new();

	campaign.spec = NULL;
	campaign.selected = k;
	campaign.counts.total = targets;
	for (uint32_t no = 0; no < targets; no++) {
		struct target_row row = rig_target_row(1, no);

		row.state = (uint8_t)((k + no * no) % TARGET_STATES_N);
		row.offline_ms = k;
		campaign.counts.state[row.state]++;
		batch_target_put(b, &row);
	}
	batch_campaign_put(b, &campaign);
	batch_event_add(b, &event);
	return b;
}

/* Asserts that one page of targets, and the campaign with it, is one commit's. Gives its number. */
static uint32_t assert_one_commit(const struct seen *s, bool is_whole)
{
	struct counts counts = {.total = (uint32_t)s->n};

	ck_assert_int_eq(s->err, ERR_OK);
	for (size_t i = 0; i < s->n; i++) {
		ck_assert_int_eq(s->targets[i].row.offline_ms, s->campaign->selected);
		counts.state[s->targets[i].row.state]++;
	}
	if (is_whole && s->campaign->selected > 0)
		ck_assert_mem_eq(&counts, &s->campaign->counts, sizeof counts);
	return s->campaign->selected;
}

static int acknowledge_to;
static uint32_t next_number;

static void on_numbered(void *arg, enum err err, uint64_t revision)
{
	uint32_t number = (uint32_t)(uintptr_t)arg;

	(void)revision;
	if (err != ERR_OK || write(acknowledge_to, &number, sizeof number) != sizeof number)
		_exit(1);
	store_commit(rig.store, numbered_batch(next_number, CRASH_TARGETS), on_numbered,
	             (void *)(uintptr_t)next_number);
	next_number++;
}

/* Commits for ever, with several batches under way, and tells each that is acknowledged. */
static void run_until_killed(uint32_t first)
{
	rig_open_store(&rig);
	for (next_number = first; next_number < first + 4; next_number++)
		store_commit(rig.store, numbered_batch(next_number, CRASH_TARGETS), on_numbered,
		             (void *)(uintptr_t)next_number);
	uv_run(rig.loop, UV_RUN_DEFAULT);
	_exit(1);
}

START_TEST(test_what_was_acknowledged_survives_kill_9_and_nothing_is_torn)
{
	struct target_filter f = rig_all(1);
	uint32_t committed = 0;
	struct rng rng;

	rng_seed(&rng, 9);
	make_database(CRASH_TARGETS);
	for (int round = 0; round < 12; round++) {
		uint32_t acknowledged = committed, until = committed + 1 + (uint32_t)rng_below(&rng, 40);
		int ends[2], status;
		pid_t child;

		ck_assert_int_eq(pipe(ends), 0);
		child = fork();
		if (child == 0) {
			close(ends[0]);
			acknowledge_to = ends[1];
			run_until_killed(committed + 1);
		}
		close(ends[1]);
		while (acknowledged < until)
			ck_assert_int_eq(read(ends[0], &acknowledged, sizeof acknowledged),
			                 sizeof acknowledged);
		kill(child, SIGKILL);
		while (read(ends[0], &acknowledged, sizeof acknowledged) == sizeof acknowledged)
			;
		close(ends[0]);
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert(WIFSIGNALED(status));

		rig_open_store(&rig);
		rig_targets(&rig, &f, &seen);
		ck_assert_uint_eq(seen.n, CRASH_TARGETS);
		committed = assert_one_commit(&seen, true);
		ck_assert_uint_ge(committed, acknowledged);
		ck_assert_uint_le(committed, acknowledged + 4);
		ck_assert_uint_eq(rig.head.last_event_id, committed);
		rig_close_store(&rig);
	}
}
END_TEST

START_TEST(test_database_that_was_killed_while_being_made_is_made_anew)
{
	run_sql("PRAGMA journal_mode = WAL; PRAGMA user_version = 0", true);
	make_database(1);
	rig_open_store(&rig);
	ck_assert(!rig.head.is_new);
	rig_close_store(&rig);
}
END_TEST

START_TEST(test_empty_file_is_a_new_database)
{
	write_file(rig.path, "", 0);
	rig_open_store(&rig);
	ck_assert(rig.head.is_new);
	rig_close_store(&rig);
}
END_TEST

/* ---- files that are not for us ---- */

START_TEST(test_database_of_a_newer_version_is_left_alone)
{
	make_database(5);
	run_sql("PRAGMA user_version = 99", false);
	assert_refused(ERR_TOO_NEW, "newer version");
	run_sql("PRAGMA user_version = 1", false);
	run_sql("PRAGMA user_version = 98", true);
	ck_assert_int_eq(access(beside("-wal"), F_OK), 0);
	assert_refused(ERR_TOO_NEW, "newer version");
}
END_TEST

START_TEST(test_file_that_is_no_database_of_ours_is_left_alone)
{
	static const char text[] = "Dear diary, today I was not a database.\n";
	static const struct {
		const char *sql, *words;
	} headers[] = {
	        {"PRAGMA user_version = 3", "not one of rollcall's"},
	        {"PRAGMA application_id = 7", "not one of rollcall's"},
	        {"PRAGMA application_id = 0x726f6c6c; PRAGMA user_version = 2", "do not fit together"},
	};

	write_file(rig.path, text, sizeof text - 1);
	assert_refused(ERR_CORRUPT, "not a database");
	unlink(rig.path);
	run_sql("CREATE TABLE campaigns (a); INSERT INTO campaigns VALUES (1)", false);
	assert_refused(ERR_CORRUPT, "not one of rollcall's");
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
		unlink(rig.path);
		run_sql(headers[i].sql, false);
		assert_refused(ERR_CORRUPT, headers[i].words);
	}
	unlink(rig.path);
	make_database(1);
	run_sql("PRAGMA user_version = -1", false);
	assert_refused(ERR_CORRUPT, "do not fit together");
	run_sql("PRAGMA user_version = 0", false);
	assert_refused(ERR_CORRUPT, "do not fit together");
}
END_TEST

START_TEST(test_file_that_was_cut_short_is_refused)
{
	struct buf file = BUF_INIT;

	make_database(2000);
	read_file(rig.path, &file);
	for (size_t n = 100; n < file.len; n += file.len / 40 + 1) {
		write_file(rig.path, file.data, n);
		assert_refused(ERR_CORRUPT, "damaged");
	}
	buf_done(&file);
}
END_TEST

static void ignore_campaign(void *arg, const struct campaign_row *row)
{
	(void)arg;
	(void)row;
}

static void ignore_target(void *arg, const struct target_row *row, const char *device_id,
                          const struct baseline *baseline)
{
	(void)arg;
	(void)row;
	(void)device_id;
	(void)baseline;
}

static void ignore_hold(void *arg, const struct store_hold *hold)
{
	(void)arg;
	(void)hold;
}

static void ignore_page(void *arg, uint32_t campaign, const struct selection_page *page)
{
	(void)arg;
	(void)campaign;
	(void)page;
}

static void ignore_group(void *arg, uint32_t campaign, uint32_t group, uint8_t hub, const char *name,
                         uint32_t size)
{
	(void)hub;
	(void)arg;
	(void)campaign;
	(void)group;
	(void)name;
	(void)size;
}

/* The nth read there is; n 0: the load. */
static enum err read_nth(struct backend *b, unsigned n, struct answer *ret)
{
	const struct store_loader loader = {.on_campaign = ignore_campaign,
	                                    .on_group = ignore_group,
	                                    .on_target = ignore_target,
	                                    .on_hold = ignore_hold,
	                                    .on_page = ignore_page};
	struct target_filter f = rig_all(1);

	switch (n) {
	case 0:
		return backend_load(b, 0, &loader);
	case 1:
		return backend_read_targets(b, &f, ret);
	case 2:
		return backend_read_events(b, 1, 0, 1000, ret);
	case 3:
		return backend_read_target(b, 1, "d-3", -1, ret);
	case 4:
		return backend_read_groups(b, 1, 0, 1000, ret);
	case 5:
		return backend_read_list(b, "tills", 3, 1000, ret);
	case 6:
		return backend_read_history(b, "d-4", 0, 1000, ret);
	case 7:
		return backend_read_progress(b, "c1", ret);
	default:
		return backend_read_plan(b, "c1", ret);
	}
}

/* Opens and reads all there is; gives the first error. */
static enum err read_everything(void)
{
	struct backend *b;
	struct store_head head;
	char *reason = NULL;
	enum err err = backend_open(rig.path, &b, &head, &reason);

	if (err != ERR_OK) {
		ck_assert_ptr_nonnull(reason);
		free(reason);
		return err;
	}
	for (unsigned n = 0; err == ERR_OK && n <= 8; n++) {
		struct answer answer;

		answer_init(&answer);
		err = read_nth(b, n, &answer);
		answer_done(&answer);
	}
	backend_close(b);
	return err;
}

/* A batch that gives campaign 1 a group and makes a list of devices. */
static struct batch *group_and_list(void)
{
	const char *ids[] = {"d-1", "d-2", "d-3", "d-4", "d-5"};
	struct baseline baseline = {.value_at_ms = TIME_NONE};
	struct batch *b = batch_new();

	batch_group_add(b, 1, 0, 0, "site-1", 100);
	for (uint32_t no = 300; no < 400; no++) {
		struct target_row row = rig_target_row(1, no);

		row.group = 0;
		batch_target_add(b, &row, "d-4", &baseline);
	}
	batch_list_begin(b, "tills");
	batch_list_ids(b, "tills", ids, 5);
	batch_list_end(b, "tills", 5, NOW_MS, "eva");
	return b;
}

START_TEST(test_flipped_bytes_are_an_error_or_a_value_but_never_a_crash)
{
	struct buf file = BUF_INIT;
	struct rng rng;
	int corrupt = 0;

	rng_seed(&rng, 5);
	make_database(300);
	rig_open_store(&rig);
	rig_commit(&rig, numbered_batch(1, 300));
	rig_commit(&rig, group_and_list());
	rig_close_store(&rig);
	read_file(rig.path, &file);
	for (int i = 0; i < 400; i++) {
		size_t at = (size_t)rng_below(&rng, i < 100 ? 100 : file.len);
		char was = file.data[at];

		file.data[at] = (char)(was ^ (char)(1 + rng_below(&rng, 255)));
		write_file(rig.path, file.data, file.len);
		unlink(beside("-wal"));
		unlink(beside("-shm"));
		corrupt += read_everything() == ERR_CORRUPT;
		file.data[at] = was;
	}
	ck_assert_int_gt(corrupt, 30);
	buf_done(&file);
}
END_TEST

/* ---- what was dropped ---- */

/* Rows that a campaign or a list has anywhere. */
#define ROWS_LEFT \
	"SELECT (SELECT count(*) FROM targets) + (SELECT count(*) FROM prints) + (SELECT count(*) FROM attempts)" \
	" + (SELECT count(*) FROM evidence) + (SELECT count(*) FROM target_groups) + (SELECT count(*) FROM pages)" \
	" + (SELECT count(*) FROM hubs) + (SELECT count(*) FROM specs) + (SELECT count(*) FROM lists)" \
	" + (SELECT count(*) FROM list_pages) + (SELECT count(*) FROM progress) + (SELECT count(*) FROM plans)"

static int64_t rows_left(void)
{
	sqlite3_stmt *st;
	sqlite3 *db;
	int64_t n;

	ck_assert_int_eq(sqlite3_open(rig.path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(db, ROWS_LEFT, -1, &st, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
	return n;
}

static void commit_event(uint64_t id, int64_t at_ms)
{
	struct event event = {.id = id, .at_ms = at_ms, .type = EVENT_HUB};
	struct batch *b = batch_new();

	batch_event_add(b, &event);
	rig_commit(&rig, b);
}

static void end_and_drop(uint32_t campaign)
{
	struct campaign_row row = rig_campaign_row(campaign);
	struct batch *b = batch_new();

	row.state = row.phase = CAMPAIGN_COMPLETED;
	batch_campaign_put(b, &row);
	batch_campaign_drop(b, campaign);
	batch_list_drop(b, "tills");
	rig_commit(&rig, b);
}

static void hold(uint32_t campaign, int64_t until_ms)
{
	struct target_row row = rig_target_row(campaign, 0);
	struct batch *b = batch_new();

	row.hold_until_ms = until_ms;
	batch_target_put(b, &row);
	rig_commit(&rig, b);
}

START_TEST(test_rows_of_what_was_dropped_go_while_the_store_is_idle_also_after_restarts)
{
	struct selection_page page = {.page = 1};
	const struct attempt_row attempt = {.campaign = 1, .no = 3, .call = 1, .outcome = "answered"};
	const struct evidence_row evidence = {.campaign = 1, .no = 3, .verdict = "proven"};
	struct batch *b = rig_campaign_batch(1, 12000);

	batch_page_add(b, 1, &page);
	batch_attempt_add(b, &attempt);
	batch_evidence_add(b, &evidence);
	batch_progress_put(b, &(struct progress_row){.campaign = 1});
	batch_plan_put(b, &(struct plan_row){.campaign = 1, .text = "{}"});
	rig_open_store(&rig);
	rig_commit(&rig, b);
	b = batch_new();
	batch_group_add(b, 1, 0, 0, "site-1", 1);
	batch_list_begin(b, "tills");
	batch_list_ids(b, "tills", &(const char *){"d-1"}, 1);
	batch_list_end(b, "tills", 1, NOW_MS, "eva");
	rig_commit(&rig, b);
	rig_commit(&rig, rig_campaign_batch(2, 5));
	end_and_drop(1);
	for (int i = 0; i < 3; i++) { /* each may end it half-way */
		rig_close_store(&rig);
		rig_open_store(&rig);
	}
	while (rows_left() > 5 + 1 + 2 + 1) /* campaign 2: targets, prints, hubs, spec */
		sched_yield();
	ck_assert_int_eq(rows_left(), 9);
	rig_close_store(&rig);
}
END_TEST

START_TEST(test_rows_of_a_dropped_campaign_stay_until_its_last_hold_has_ended)
{
	rig_open_store(&rig);
	rig_commit(&rig, rig_campaign_batch(1, 5));
	hold(1, NOW_MS + 10);
	end_and_drop(1);
	commit_event(1, NOW_MS + 9);
	rig_close_store(&rig); /* what was due is done by now, or will be after the next start */
	rig_open_store(&rig);
	commit_event(2, NOW_MS + 9);
	rig_commit(&rig, batch_new());
	ck_assert_int_eq(rows_left(), 5 + 1 + 2);
	commit_event(3, NOW_MS + 10);
	while (rows_left() > 0)
		sched_yield();
	rig_close_store(&rig);
}
END_TEST

/* ---- locks, rights, space ---- */

START_TEST(test_second_process_is_refused_until_the_first_ends_however_that_is)
{
	int ends[2], status;
	char ready, pid[32];
	pid_t child;

	make_database(1);
	ck_assert_int_eq(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		rig_open_store(&rig);
		if (write(ends[1], "r", 1) != 1)
			_exit(1);
		uv_run(rig.loop, UV_RUN_DEFAULT);
		_exit(1);
	}
	ck_assert_int_eq(read(ends[0], &ready, 1), 1);
	snprintf(pid, sizeof pid, "another process, %d", (int)child);
	assert_refused(ERR_LOCKED, pid);
	kill(child, SIGKILL);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	rig_open_store(&rig);
	rig_close_store(&rig);
}
END_TEST

START_TEST(test_same_file_under_another_name_is_locked_too)
{
	struct backend *b;
	struct store_head head;
	char name[100], *reason = NULL;

	make_database(1);
	rig_open_store(&rig);
	snprintf(name, sizeof name, "%s/link.db", rig.folder);
	ck_assert_int_eq(symlink(rig.path, name), 0);
	ck_assert_int_eq(backend_open(name, &b, &head, &reason), ERR_LOCKED);
	free(reason);
	rig_close_store(&rig);
}
END_TEST

START_TEST(test_whoever_holds_the_lock_without_a_word_is_told_of_without_a_name)
{
	int fd;

	make_database(1);
	fd = open(beside(".lock"), O_RDWR | O_TRUNC | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	assert_refused(ERR_LOCKED, "it is in use by another process");
	close(fd);
	rig_open_store(&rig);
	rig_close_store(&rig);
}
END_TEST

/* Root may write everywhere. */
static void become_nobody(void)
{
	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
}

static void become_oneself(void)
{
	ck_assert_int_eq(seteuid(getuid()), 0);
}

START_TEST(test_file_or_folder_that_may_only_be_read_is_refused)
{
	make_database(1);
	ck_assert_int_eq(chmod(rig.folder, 0555), 0);
	ck_assert_int_eq(chmod(rig.path, 0444), 0);
	unlink(beside(".lock"));
	become_nobody();
	assert_refused(ERR_DENIED, "Permission denied");
	become_oneself();
	ck_assert_int_eq(chmod(rig.folder, 0777), 0);
	become_nobody();
	assert_refused(ERR_DENIED, "may only be read");
	become_oneself();
	ck_assert_int_eq(chmod(rig.path, 0000), 0);
	unlink(beside(".lock"));
	become_nobody();
	assert_refused(ERR_DENIED, "Permission denied");
	become_oneself();
}
END_TEST

static void on_no_view(void *arg, enum err err, struct store_view *view)
{
	ck_assert_int_ne(err, ERR_OK);
	ck_assert_ptr_null(view);
	*(bool *)arg = true;
}

START_TEST(test_nothing_is_committed_to_a_file_that_was_deleted_or_moved)
{
	struct store_stats stats;
	char away[sizeof rig.path + 8];
	bool is_told = false;

	snprintf(away, sizeof away, "%s.away", rig.path);
	rig_open_store(&rig);
	rig_commit(&rig, rig_campaign_batch(1, 1));
	store_stats(rig.store, &stats);
	ck_assert_uint_gt(stats.file_bytes, 0);
	ck_assert_uint_gt(stats.free_bytes, 0);
	ck_assert_int_eq(rename(rig.path, away), 0);
	store_stats(rig.store, &stats);
	ck_assert_uint_eq(stats.free_bytes, 0);
	ck_assert_int_eq(rig_try_commit(&rig, rig_campaign_batch(2, 1)), ERR_IO);
	rig_close_store(&rig);
	ck_assert_int_eq(rename(away, rig.path), 0);
	rig_open_store(&rig);
	rig_campaign(&rig, "c1", &seen);
	ck_assert_uint_eq(seen.n, 1);
	rig_campaign(&rig, "c2", &seen);
	ck_assert_uint_eq(seen.n, 0);
	ck_assert_int_eq(unlink(rig.path), 0);
	ck_assert_int_ne(store_load(rig.store, NOW_MS, &(struct store_loader){0}), ERR_OK);
	ck_assert_int_ne(store_load_webhooks(rig.store, &(struct webhook_loader){0}), ERR_OK);
	store_view_open(rig.store, on_no_view, &is_told);
	rig_wait(&rig, &is_told);
	ck_assert_int_eq(rig_try_commit(&rig, rig_campaign_batch(2, 1)), ERR_IO);
	rig_close_store(&rig);
}
END_TEST

START_TEST(test_a_store_goes_on_without_tables_that_it_does_not_need)
{
	rig_open_store(&rig);
	rig_commit(&rig, rig_campaign_batch(1, 1));
	run_sql("DROP TABLE prints", true);
	end_and_drop(1); /* whose fingerprints cannot be swept */
	rig_close_store(&rig);
	rig_open_store(&rig);
	run_sql("DROP TABLE campaigns; DROP TABLE webhooks", true);
	rig_campaign(&rig, "c1", &seen);
	ck_assert_int_eq(seen.err, ERR_CORRUPT);
	ck_assert_int_eq(store_load(rig.store, NOW_MS, &(struct store_loader){0}), ERR_CORRUPT);
	ck_assert_int_eq(store_load_webhooks(rig.store, &(struct webhook_loader){0}), ERR_CORRUPT);
	commit_event(1, NOW_MS);
	rig_close_store(&rig);
}
END_TEST

START_TEST(test_folder_that_is_not_there_is_told)
{
	snprintf(rig.path, sizeof rig.path, "%s/no/test.db", rig.folder);
	assert_refused(ERR_IO, "No such file or directory");
	snprintf(rig.path, sizeof rig.path, "%s/test.db", rig.folder);
}
END_TEST

/* Commits until one fails for want of space, then, with space, looks whether all others are there. */
static void fill_up(void (*make_space)(void))
{
	struct target_filter f = rig_all(1);
	uint32_t k = 0;
	enum err err;

	log_setup(LOG_OFF, false, 2);
	rig_open_store(&rig);
	rig_commit(&rig, rig_campaign_batch(1, 500));
	do
		err = rig_try_commit(&rig, numbered_batch(++k, 500));
	while (err == ERR_OK);
	ck_assert_int_eq(err, ERR_FULL);
	ck_assert_uint_gt(k, 1);
	rig_targets(&rig, &f, &seen);
	ck_assert_uint_eq(assert_one_commit(&seen, true), k - 1);
	rig_close_store(&rig);
	make_space();
	rig_open_store(&rig);
	rig_targets(&rig, &f, &seen);
	ck_assert_uint_eq(assert_one_commit(&seen, true), k - 1);
	ck_assert_uint_eq(rig.head.last_event_id, k - 1);
	rig_commit(&rig, numbered_batch(k, 500));
	rig_close_store(&rig);
}

static void lift_limit(void)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(test_file_that_may_not_grow_fails_the_commit_and_keeps_all_before)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = 1 << 20;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	fill_up(lift_limit);
}
END_TEST

static bool mount_small(const char *size)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return false;
	return mount("tmpfs", rig.folder, "tmpfs", 0, size) == 0;
}

static void enlarge(void)
{
	ck_assert_int_eq(mount("tmpfs", rig.folder, "tmpfs", MS_REMOUNT, "size=64m"), 0);
}

START_TEST(test_full_disk_fails_the_commit_and_keeps_all_before)
{
	if (!mount_small("size=2m")) {
		fprintf(stderr, "no small disk can be mounted here: only RLIMIT_FSIZE is tested\n");
		return;
	}
	fill_up(enlarge);
	ck_assert_int_eq(umount2(rig.folder, MNT_DETACH), 0);
}
END_TEST

START_TEST(test_database_cannot_be_made_on_a_full_disk)
{
	struct backend *b;
	struct store_head head;
	char *reason = NULL;

	if (!mount_small("size=64k"))
		return;
	ck_assert_int_eq(backend_open(rig.path, &b, &head, &reason), ERR_FULL);
	ck_assert_msg(strstr(reason, "no space left") != NULL, "%s", reason);
	free(reason);
	enlarge();
	make_database(1);
	ck_assert_int_eq(umount2(rig.folder, MNT_DETACH), 0);
}
END_TEST

/* ---- threads ---- */

static unsigned commits_told;

static void count_commit(void *arg, enum err err, uint64_t revision)
{
	uint64_t *last_revision = arg;

	ck_assert_int_eq(err, ERR_OK);
	ck_assert_uint_ge(revision, *last_revision);
	*last_revision = revision;
	commits_told++;
}

START_TEST(test_batches_handed_over_while_a_commit_runs_are_committed_together)
{
	uint64_t revision = 0;
	struct store_stats stats;
	sqlite3 *db;

	rig_open_store(&rig);
	rig_commit(&rig, rig_campaign_batch(1, 200));
	ck_assert_int_eq(sqlite3_open(rig.path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	for (uint32_t no = 0; no < 200; no++) {
		struct target_row row = rig_target_row(1, no);
		struct batch *b = batch_new();

		batch_target_put(b, &row);
		store_commit(rig.store, b, count_commit, &revision);
	}
	ck_assert_int_eq(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
	while (commits_told < 200)
		uv_run(rig.loop, UV_RUN_ONCE);
	store_stats(rig.store, &stats);
	/* whatever the store thread took first, and all the rest */
	ck_assert_uint_le(stats.commits, 3);
	ck_assert_uint_eq(stats.operations, 401);
	ck_assert_uint_eq(revision, stats.commits);
	ck_assert_int_ge(stats.commit_max_us, stats.commit_last_us);
	rig_close_store(&rig);
}
END_TEST

static int cache_bytes(const struct backend *b)
{
	int bytes = 0, most = 0;

	ck_assert_int_eq(sqlite3_db_status(b->db, SQLITE_DBSTATUS_CACHE_USED, &bytes, &most, 0), SQLITE_OK);
	return bytes;
}

static void apply_now(struct backend *b, struct batch *batch)
{
	const struct batch *one = batch;
	uint64_t revision;

	ck_assert_int_eq(backend_apply(b, &one, 1, &revision), ERR_OK);
	batch_free(batch);
}

START_TEST(test_rest_gives_the_cache_back_and_loses_nothing)
{
	struct target_row row = rig_target_row(1, 99999);
	struct batch *batch = batch_new();
	struct store_head head;
	struct backend *b;
	char *reason;

	ck_assert_int_eq(backend_open(rig.path, &b, &head, &reason), ERR_OK);
	apply_now(b, rig_campaign_batch(1, 100000));
	ck_assert_int_gt(cache_bytes(b), 8 << 20);
	backend_rest(b);
	ck_assert_int_lt(cache_bytes(b), 1 << 20);
	row.attempts = 7;
	batch_target_put(batch, &row);
	apply_now(b, batch);
	backend_rest(b); /* little is kept for what comes next */
	ck_assert_int_gt(cache_bytes(b), 0);
	backend_close(b);
	rig_open_store(&rig);
	ck_assert_uint_eq(rig.head.revision, 2);
	rig_close_store(&rig);
}
END_TEST

START_TEST(test_close_commits_what_was_handed_over)
{
	uint64_t revision = 0;

	make_database(20);
	rig_open_store(&rig);
	for (uint32_t k = 1; k <= 10; k++)
		store_commit(rig.store, numbered_batch(k, 20), count_commit, &revision);
	rig_close_store(&rig);
	ck_assert_uint_eq(commits_told, 10);
	ck_assert_int_ne(access(beside("-wal"), F_OK), 0);
	rig_open_store(&rig);
	ck_assert_uint_eq(rig.head.revision, revision);
	ck_assert_uint_eq(rig.head.last_event_id, 10);
	rig_close_store(&rig);
}
END_TEST

struct listing {
	struct target_filter filter;
	uint32_t pages, last_commit;
	uint64_t revision_asked;
	bool is_over;
};

static uint64_t last_told_revision;

static void on_listed(void *arg, enum err err, uint64_t revision, const struct target_view *rows, size_t n,
                      bool has_more, const struct campaign_row *campaign)
{
	struct listing *l = arg;
	struct seen page = {.err = err, .n = n, .targets = rows, .campaign = campaign};
	uint32_t commit = assert_one_commit(&page, false);

	ck_assert_uint_ge(revision, l->revision_asked);
	ck_assert_uint_ge(commit, l->last_commit);
	l->last_commit = commit;
	l->pages++;
	l->filter.from_no = has_more ? rows[n - 1].row.no + 1 : 0;
	if (l->is_over)
		return;
	l->revision_asked = last_told_revision;
	store_read_targets(rig.store, &l->filter, on_listed, l);
}

static void on_listed_commit(void *arg, enum err err, uint64_t revision)
{
	bool *is_done = arg;

	ck_assert_int_eq(err, ERR_OK);
	last_told_revision = revision;
	*is_done = true;
}

START_TEST(test_long_listing_sees_whole_commits_and_does_not_hold_them_up)
{
	struct listing l = {.filter = rig_all(1)};

	rig_open_store(&rig);
	rig_commit(&rig, rig_campaign_batch(1, 3000));
	store_read_targets(rig.store, &l.filter, on_listed, &l);
	for (uint32_t k = 1; k <= 60 || l.pages < 10; k++) {
		bool is_done = false;

		store_commit(rig.store, numbered_batch(k, 3000), on_listed_commit, &is_done);
		rig_wait(&rig, &is_done);
	}
	l.is_over = true;
	rig_close_store(&rig);
}
END_TEST

static void on_audit(void *arg, enum err err, uint64_t revision, const struct audit_row *rows, size_t n,
                     bool has_more)
{
	char *out = arg;

	(void)revision;
	ck_assert_int_eq(err, ERR_OK);
	out[0] = '\0';
	for (size_t i = 0; i < n; i++)
		snprintf(out + strlen(out), 256 - strlen(out), "%d:%s:%s ", (int)rows[i].no,
		         rows[i].text[AUDIT_ACTOR], rows[i].text[AUDIT_BECAME]);
	if (has_more)
		snprintf(out + strlen(out), 256 - strlen(out), "…");
	seen.is_done = true;
}

static const char *audit_of(uint64_t before_no, uint32_t limit, char out[256])
{
	seen.is_done = false;
	store_read_audit(rig.store, before_no, limit, on_audit, out);
	rig_wait(&rig, &seen.is_done);
	return out;
}

static void on_audit_fault(void *arg, const char *text)
{
	buf_printf(arg, "%s; ", text);
}

/* What verifying tells; the store is closed. */
static struct audit_mark ck_audit(const struct audit_mark *noted, uint64_t entries, const char *faults)
{
	struct buf told = BUF_INIT;
	struct audit_census census;
	char *reason = NULL;

	buf_puts(&told, "");
	ck_assert_int_eq(store_audit_verify(rig.path, noted, on_audit_fault, &told, &census, &reason),
	                 ERR_OK);
	ck_assert_str_eq(told.data, faults);
	ck_assert_uint_eq(census.n, entries);
	buf_done(&told);
	return census.last;
}

static void tamper(const char *sql)
{
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open(rig.path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void give_orders(int from, int to)
{
	rig_open_store(&rig);
	for (int i = from; i <= to; i++) {
		struct batch *b = batch_new();
		char became[16];
		struct audit_row row = {
		        .at_ms = NOW_MS + i,
		        .text = {"eva", "operator", "::1", "POST", "/v1/x", "r", "c1", "a", became}};

		snprintf(became, sizeof became, "b%d", i);
		batch_audit_add(b, &row);
		rig_commit(&rig, b);
	}
}

START_TEST(test_orders_are_chained_and_a_changed_one_is_named)
{
	char out[256];

	give_orders(1, 5);
	ck_assert_str_eq(audit_of(0, 10, out), "5:eva:b5 4:eva:b4 3:eva:b3 2:eva:b2 1:eva:b1 ");
	ck_assert_str_eq(audit_of(0, 2, out), "5:eva:b5 4:eva:b4 …");
	ck_assert_str_eq(audit_of(4, 2, out), "3:eva:b3 2:eva:b2 …");
	ck_assert_str_eq(audit_of(1, 2, out), "");
	rig_close_store(&rig);
	ck_audit(NULL, 5, "");
	tamper("UPDATE audit SET actor = 'eve' WHERE no = 3");
	ck_audit(NULL, 5, "audit entry 3 does not fit: it was changed, or the one before it was made anew; ");
	tamper("UPDATE audit SET actor = 'eva' WHERE no = 3; UPDATE audit SET at_ms = at_ms + 1 WHERE no = 5");
	ck_audit(NULL, 5, "audit entry 5 does not fit: it was changed, or the one before it was made anew; ");
	tamper("DELETE FROM audit WHERE no IN (2, 3); UPDATE audit SET at_ms = at_ms - 1 WHERE no = 5");
	ck_audit(NULL, 3, "audit entries 2 to 3 not there any more; ");
}
END_TEST

START_TEST(test_whatever_is_changed_in_an_order_is_found)
{
	static const char *const changes[] = {
	        "at_ms = at_ms - 1",
	        "actor = 'evb'",
	        "role = 'viewer'",
	        "address = '::2'",
	        "method = 'PUT'",
	        "path = '/v1/y'",
	        "request_id = 's'",
	        "campaign_id = 'c2'",
	        "was = 'b'",
	        "became = ''",
	        "was = '', became = 'a' || became", /* nor may a text be moved on to the next */
	};

	give_orders(1, 2);
	rig_close_store(&rig);
	tamper("CREATE TABLE kept AS SELECT * FROM audit");
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		char sql[128];

		snprintf(sql, sizeof sql, "UPDATE audit SET %s WHERE no = 1", changes[i]);
		tamper(sql);
		ck_audit(NULL, 2,
		         "audit entry 1 does not fit: it was changed, or the one before it was made anew; ");
		tamper("REPLACE INTO audit SELECT * FROM kept");
	}
	ck_audit(NULL, 2, "");
}
END_TEST

START_TEST(test_orders_cut_off_the_end_are_missed_also_once_others_have_followed)
{
	struct audit_mark noted;

	give_orders(1, 5);
	rig_close_store(&rig);
	noted = ck_audit(NULL, 5, "");
	ck_assert_uint_eq(noted.no, 5);
	ck_audit(&noted, 5, "");
	tamper("DELETE FROM audit WHERE no >= 4");
	ck_audit(NULL, 3, "audit entries 4 to 5 not there any more, at the end; ");
	give_orders(6, 6);
	rig_close_store(&rig);
	ck_audit(NULL, 4, "audit entries 4 to 5 not there any more; ");
	/* Cut with the head it does not show by itself, but to whoever has noted an entry. */
	tamper("DELETE FROM audit WHERE no = 6; UPDATE audit_head SET (no, hash) = (SELECT no, hash FROM audit WHERE no = 3)");
	ck_audit(NULL, 3, "");
	ck_audit(&noted, 3,
	         "audit entry 5 not the one that was noted: it, or one before it, was made anew; ");
	tamper("UPDATE audit_head SET no = 2");
	ck_audit(NULL, 3, "audit entry 3 behind what the head says is the last; ");
	tamper("UPDATE audit_head SET no = 3, hash = zeroblob(32)");
	ck_audit(NULL, 3, "audit entry 3 not what the head says is the last; ");
}
END_TEST

static void forget_orders(int64_t before_ms)
{
	struct batch *b = batch_new();

	batch_audit_drop(b, before_ms, NOW_MS + 100);
	rig_commit(&rig, b);
}

START_TEST(test_forgotten_orders_leave_an_entry_from_which_the_chain_goes_on)
{
	struct audit_mark third;
	char out[256];

	give_orders(1, 3);
	rig_close_store(&rig);
	third = ck_audit(NULL, 3, "");
	give_orders(4, 5);
	forget_orders(NOW_MS + 1); /* none is that old */
	forget_orders(NOW_MS + 4);
	ck_assert_str_eq(audit_of(0, 10, out),
	                 "6:rollcalld:forgotten, with those before: entry 3 5:eva:b5 4:eva:b4 ");
	rig_close_store(&rig);
	ck_audit(NULL, 3, "");
	ck_audit(&third, 3, "");
	third.hash[31] ^= 1;
	ck_audit(&third, 3,
	         "audit entry 3 not the one that was noted: it, or one before it, was made anew; ");
	third.no = 2;
	ck_audit(&third, 3, "audit entry 2 was noted, and is forgotten by now: nothing can be said of it; ");
	give_orders(7, 7);
	forget_orders(NOW_MS + 5);
	ck_assert_str_eq(
	        audit_of(0, 10, out),
	        "8:rollcalld:forgotten, with those before: entry 4 7:eva:b7 6:rollcalld:forgotten, with "
	        "those before: entry 3 5:eva:b5 ");
	rig_close_store(&rig);
	ck_audit(NULL, 4, "");
}
END_TEST

START_TEST(test_whoever_changes_what_was_forgotten_is_found)
{
	static const char misfit[] = " does not fit: it was changed, or the one before it was made anew; ";
	static const char *const no_marks[] = {"'nothing'", "'3'", "'3:12'", "'0:' || hex(zeroblob(32))",
	                                       "'3:' || replace(hex(zeroblob(32)), '0', 'z')"};
	char expected[256];

	give_orders(1, 5);
	forget_orders(NOW_MS + 4);
	rig_close_store(&rig);
	tamper("UPDATE audit SET was = replace(was, '3:', '4:') WHERE no = 6");
	snprintf(expected, sizeof expected,
	         "audit entry 4 there, though the record says that it was forgotten; audit entry 6%s",
	         misfit);
	ck_audit(NULL, 3, expected);
	tamper("UPDATE audit SET was = '3:' || hex(zeroblob(32)) WHERE no = 6");
	snprintf(expected, sizeof expected, "audit entry 4%saudit entry 6%s", misfit, misfit);
	ck_audit(NULL, 3, expected);
	snprintf(expected, sizeof expected, "audit entries 1 to 3 not there any more; audit entry 6%s",
	         misfit);
	for (size_t i = 0; i < sizeof no_marks / sizeof *no_marks; i++) {
		char sql[128];

		snprintf(sql, sizeof sql, "UPDATE audit SET was = %s WHERE no = 6", no_marks[i]);
		tamper(sql);
		ck_audit(NULL, 3, expected);
	}
	tamper("DELETE FROM audit WHERE no = 6");
	ck_audit(NULL, 2,
	         "audit entries 1 to 3 not there any more; audit entry 6 not there any more, at the end; ");
	give_orders(7, 7);
	forget_orders(NOW_MS + 5);
	rig_close_store(&rig);
	tamper("DELETE FROM audit WHERE no = 5");
	ck_audit(NULL, 2, "audit entries 5 to 6 not there any more; ");
}
END_TEST

START_TEST(test_orders_are_forgotten_a_bounded_number_in_each_commit)
{
	const struct audit_row row = {.at_ms = NOW_MS, .text = {"eva", "admin", "", "", "", "", "", "", "b"}};
	struct batch *b = batch_new();
	char out[256];

	for (int i = 0; i < AUDIT_DROP_MAX + 5; i++)
		batch_audit_add(b, &row);
	rig_open_store(&rig);
	rig_commit(&rig, b);
	forget_orders(NOW_MS + 1);
	rig_close_store(&rig);
	ck_audit(NULL, 6, "");
	rig_open_store(&rig);
	forget_orders(NOW_MS + 1);
	ck_assert_str_eq(audit_of(0, 10, out), "1007:rollcalld:forgotten, with those before: entry 1005 "
	                                       "1006:rollcalld:forgotten, with those before: entry 1000 ");
	rig_close_store(&rig);
	ck_audit(NULL, 2, "");
}
END_TEST

static void on_view(void *arg, enum err err, struct store_view *view)
{
	ck_assert_int_eq(err, ERR_OK);
	*(struct store_view **)arg = view;
	seen.is_done = true;
}

START_TEST(test_view_shows_one_commit_while_others_are_made)
{
	struct target_filter f = rig_all(1);
	uint64_t revision;

	rig_open_store(&rig);
	rig_commit(&rig, rig_campaign_batch(1, 3000));
	rig_commit(&rig, numbered_batch(1, 3000));
	rig_targets(&rig, &f, &seen);
	revision = rig.revision;
	seen.is_done = false;
	store_view_open(rig.store, on_view, &f.view);
	rig_wait(&rig, &seen.is_done);
	for (uint32_t k = 2; k <= 6; k++) {
		rig_commit(&rig, numbered_batch(k, 3000));
		rig_targets(&rig, &f, &seen);
		ck_assert_uint_eq(rig.revision, revision);
		ck_assert_uint_eq(assert_one_commit(&seen, false), 1);
		f.from_no = seen.has_more ? seen.targets[seen.n - 1].row.no + 1 : 0;
	}
	store_view_close(rig.store, f.view);
	f.view = NULL;
	rig_targets(&rig, &f, &seen);
	ck_assert_uint_eq(assert_one_commit(&seen, false), 6);
	rig_close_store(&rig);
	ck_assert_int_ne(access(beside("-wal"), F_OK), 0); /* nothing holds it */
}
END_TEST

START_TEST(test_wal_is_written_back_while_lists_are_read)
{
	struct target_filter f = rig_all(1);
	struct stat wal;

	rig_open_store(&rig);
	rig_commit(&rig, rig_campaign_batch(1, 20000));
	for (uint32_t k = 1; k <= 30; k++) { /* some 600 pages each */
		rig_commit(&rig, numbered_batch(k, 20000));
		rig_targets(&rig, &f, &seen);
		arena_reset(&rig.arena);
	}
	ck_assert_int_eq(stat(beside("-wal"), &wal), 0);
	ck_assert_int_lt(wal.st_size, 5000 * 4120);
	rig_close_store(&rig);
}
END_TEST

/* ---- beside the store: copies and checks ---- */

static struct buf faults_told;

static void on_fault(void *arg, const char *text)
{
	(void)arg;
	buf_printf(&faults_told, "%s\n", text);
}

/* Gives what a check of path tells, "": nothing is wrong. */
static const char *checked(const char *path, struct store_census *ret)
{
	char *reason = NULL;
	enum err err;

	buf_reset(&faults_told);
	buf_puts(&faults_told, "");
	err = store_check(path, on_fault, NULL, ret, &reason);
	ck_assert_msg(err == ERR_OK, "%s", reason);
	return faults_told.data;
}

START_TEST(test_copy_holds_one_commit_with_live_campaigns_paused_while_the_store_goes_on)
{
	struct store_census census;
	char copy[100], *reason = NULL;
	struct rig other = {.arena = ARENA_INIT};
	struct target_row row;
	struct batch *b;

	rig_open(&rig);
	b = rig_campaign_batch(1, 500);
	row = rig_target_row(1, 1);
	row.attempt_seq = 4;
	row.since_hub_ms = 77;
	batch_target_put(b, &row);
	rig_commit(&rig, b);
	snprintf(copy, sizeof copy, "%s", beside(".copy"));
	ck_assert_int_eq(store_backup(rig.path, copy, NOW_MS, &reason), ERR_OK);
	ck_assert_int_eq(store_backup(rig.path, copy, NOW_MS, &reason), ERR_CONFLICT);
	ck_assert_ptr_nonnull(strstr(reason, "File exists"));
	free(reason);
	b = batch_new();
	row = rig_target_row(1, 7);
	row.state = TARGET_SUCCEEDED;
	batch_target_put(b, &row);
	rig_commit(&rig, b);
	rig_close_store(&rig);
	ck_assert_str_eq(checked(copy, &census), "");
	ck_assert_uint_eq(census.campaigns, 1);
	ck_assert_uint_eq(census.targets, 500);
	snprintf(other.path, sizeof other.path, "%.79s", copy);
	rig_open_store(&other);
	ck_assert_uint_eq(other.head.revision, 1);
	rig_campaign(&other, "c1", &seen);
	ck_assert_int_eq(seen.campaigns[0].state, CAMPAIGN_PAUSED);
	ck_assert_int_eq(seen.campaigns[0].phase, CAMPAIGN_RUNNING);
	ck_assert_ptr_nonnull(strstr(seen.campaigns[0].state_reason, "from a backup of"));
	rig_targets(&other,
	            &(struct target_filter){
	                    .campaign = 1, .limit = 2, .state = -1, .reason = -1, .wait = -1, .hub = -1},
	            &seen);
	ck_assert_int_eq(seen.targets[0].row.state, TARGET_WAITING);
	ck_assert(
	        seen.targets[0].row.is_unresolved); /* it may have been called since, as its first attempt */
	ck_assert_uint_eq(seen.targets[0].row.attempt_seq, 1);
	ck_assert_uint_eq(seen.targets[0].row.calls, 0);
	ck_assert(seen.targets[1].row.is_unresolved); /* or as its fourth, which it was on */
	ck_assert_uint_eq(seen.targets[1].row.attempt_seq, 4);
	ck_assert_int_eq(seen.targets[1].row.since_hub_ms, 77);
	rig_close_store(&other);
	arena_done(&other.arena);
	unlink(copy);
	unlink(beside(".copy.lock"));
}
END_TEST

START_TEST(test_copy_of_what_is_not_there_or_not_ours_leaves_no_file)
{
	char *reason = NULL;

	ck_assert_int_ne(store_backup(beside(".absent"), beside(".copy"), NOW_MS, &reason), ERR_OK);
	free(reason);
	write_file(rig.path, "no database at all, but a text that is long enough", 50);
	ck_assert_int_ne(store_backup(rig.path, beside(".copy"), NOW_MS, &reason), ERR_OK);
	free(reason);
	ck_assert_int_ne(access(beside(".copy"), F_OK), 0);
}
END_TEST

START_TEST(test_copy_to_where_none_can_be_made_says_so_and_to_here_is_one)
{
	char path[100], *reason = NULL;

	make_database(5);
	snprintf(path, sizeof path, "%s/nowhere/copy", rig.folder);
	ck_assert_int_eq(store_backup(rig.path, path, NOW_MS, &reason), ERR_IO);
	ck_assert_ptr_nonnull(strstr(reason, "cannot make"));
	ck_assert_ptr_nonnull(strstr(reason, "No such file"));
	free(reason);
	ck_assert_int_eq(chdir(rig.folder), 0);
	ck_assert_int_eq(store_backup(rig.path, "copy", NOW_MS, &reason), ERR_OK);
	ck_assert_int_eq(unlink("copy"), 0);
	ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(test_copy_to_a_full_disk_says_so_and_leaves_no_file)
{
	char database[100], path[100], *reason = NULL;

	make_database(20000);
	snprintf(database, sizeof database, "/tmp/rollcall-%d.db", (int)getpid());
	snprintf(path, sizeof path, "%s/copy", rig.folder);
	ck_assert_int_eq(store_backup(rig.path, database, NOW_MS, &reason), ERR_OK);
	if (mount_small("size=1m")) {
		ck_assert_int_eq(chdir(rig.folder), 0);
		ck_assert_int_eq(store_backup(database, path, NOW_MS, &reason), ERR_FULL);
		ck_assert_msg(strstr(reason, "cannot write") != NULL, "%s", reason);
		free(reason);
		ck_assert_int_eq(system("test -z \"$(ls -A)\""), 0);
		ck_assert_int_eq(chdir("/"), 0);
		ck_assert_int_eq(umount2(rig.folder, MNT_DETACH), 0);
	}
	unlink(database);
}
END_TEST

/* As a service of that version left it, which had been brought there step by step. */
START_TEST(test_database_of_each_earlier_version_is_brought_up_to_date)
{
	struct campaign_filter all = {.state = -1, .limit = 10};
	struct target_filter targets = {
	        .campaign = 1, .limit = 10, .state = -1, .reason = -1, .wait = -1, .hub = -1};
	struct store_census census;
	struct audit_census audited;
	char sql[64], *reason = NULL;

	run_sql(sq_migrations[0], false);
	run_sql("INSERT INTO campaigns VALUES (1, 'c1', 'n', 6, 6, 1, '', 'eva', '', 0, 0, 0, 0, 0, 1, 0,"
	        " zeroblob(7), zeroblob(3), NULL, 0);"
	        "INSERT INTO specs VALUES (1, '{}'); INSERT INTO hubs VALUES (1, 0, 'main');"
	        "UPDATE meta SET revision = 4, last_campaign = 1;"
	        "PRAGMA application_id = 0x726f6c6c; PRAGMA user_version = 1",
	        false);
	for (int version = 2; version <= _i; version++) {
		run_sql(sq_migrations[version - 1], false);
		snprintf(sql, sizeof sql, "PRAGMA user_version = %d", version);
		run_sql(sql, false);
	}
	if (_i < sq_migrations_n) {
		ck_assert_int_eq(store_check(rig.path, on_fault, NULL, &census, &reason), ERR_INVALID);
		ck_assert_ptr_nonnull(strstr(reason, "older version"));
		free(reason);
		ck_assert_int_eq(store_audit_verify(rig.path, NULL, on_fault, NULL, &audited, &reason),
		                 ERR_INVALID);
		ck_assert_ptr_nonnull(strstr(reason, "older version"));
		free(reason);
	}
	rig_open_store(&rig);
	ck_assert_int_eq(rig.head.schema_version, sq_migrations_n);
	ck_assert_uint_eq(rig.head.revision, 4);
	rig_campaigns(&rig, &all, &seen);
	ck_assert_uint_eq(seen.n, 1);
	ck_assert_str_eq(seen.campaigns[0].created_by, "eva");
	rig_targets(&rig, &targets, &seen);
	ck_assert_uint_eq(seen.n, 0);
	rig_progress(&rig, "c1", &seen);
	ck_assert_uint_eq(seen.n, 0);
	ck_assert_ptr_nonnull(seen.campaign);
	rig_plan(&rig, "c1", &seen);
	ck_assert_ptr_null(seen.plan);
	rig_commit(&rig, rig_campaign_batch(2, 10)); /* and it is written as one of its own */
	rig_close_store(&rig);
	ck_assert_str_eq(checked(rig.path, &census), "");
	ck_assert_uint_eq(census.targets, 10);
}
END_TEST

START_TEST(test_check_names_what_does_not_fit_together)
{
	struct store_census census;
	struct batch *b = rig_campaign_batch(1, 10);
	struct event event = {.id = 1, .at_ms = NOW_MS, .type = EVENT_CAMPAIGN, .campaign = 1};

	rig_open(&rig);
	for (; event.id <= 300; event.id++)
		batch_event_add(b, &event);
	rig_commit(&rig, b);
	ck_assert_str_eq(checked(rig.path, &census), ""); /* the store has it open */
	ck_assert_uint_eq(census.events, 300);
	rig_close_store(&rig);
	run_sql("DELETE FROM targets WHERE key = (SELECT max(key) FROM targets)", false);
	ck_assert_ptr_nonnull(
	        strstr(checked(rig.path, &census), "campaign c1: it counts 10 targets, there are 9 (P8)"));
	run_sql("UPDATE campaigns SET state = 6, is_final = 1", false);
	ck_assert_ptr_nonnull(
	        strstr(checked(rig.path, &census), "it is over, and 9 targets are waiting (P10)"));
	run_sql("UPDATE meta SET last_event_id = 301", false);
	ck_assert_ptr_nonnull(
	        strstr(checked(rig.path, &census), "events: the last is 300, it should be 301 (P11)"));
	run_sql("UPDATE events SET first_id = first_id + 1 WHERE first_id > 1", false);
	ck_assert_ptr_nonnull(strstr(checked(rig.path, &census), "events: after 256 comes 258 (P11)"));
	buf_done(&faults_told);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store files");
	TCase *tc = tcase_create("files");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, make_folder, remove_folder);
	tcase_add_test(tc, test_what_was_acknowledged_survives_kill_9_and_nothing_is_torn);
	tcase_add_test(tc, test_database_that_was_killed_while_being_made_is_made_anew);
	tcase_add_test(tc, test_empty_file_is_a_new_database);
	tcase_add_loop_test(tc, test_database_of_each_earlier_version_is_brought_up_to_date, 1,
	                    sq_migrations_n);
	tcase_add_test(tc, test_database_of_a_newer_version_is_left_alone);
	tcase_add_test(tc, test_file_that_is_no_database_of_ours_is_left_alone);
	tcase_add_test(tc, test_file_that_was_cut_short_is_refused);
	tcase_add_test(tc, test_flipped_bytes_are_an_error_or_a_value_but_never_a_crash);
	tcase_add_test(tc, test_rows_of_what_was_dropped_go_while_the_store_is_idle_also_after_restarts);
	tcase_add_test(tc, test_rows_of_a_dropped_campaign_stay_until_its_last_hold_has_ended);
	tcase_add_test(tc, test_second_process_is_refused_until_the_first_ends_however_that_is);
	tcase_add_test(tc, test_same_file_under_another_name_is_locked_too);
	tcase_add_test(tc, test_whoever_holds_the_lock_without_a_word_is_told_of_without_a_name);
	tcase_add_test(tc, test_file_or_folder_that_may_only_be_read_is_refused);
	tcase_add_test(tc, test_a_store_goes_on_without_tables_that_it_does_not_need);
	tcase_add_test(tc, test_folder_that_is_not_there_is_told);
	tcase_add_test(tc, test_nothing_is_committed_to_a_file_that_was_deleted_or_moved);
	tcase_add_test(tc, test_file_that_may_not_grow_fails_the_commit_and_keeps_all_before);
	tcase_add_test(tc, test_full_disk_fails_the_commit_and_keeps_all_before);
	tcase_add_test(tc, test_database_cannot_be_made_on_a_full_disk);
	tcase_add_test(tc, test_batches_handed_over_while_a_commit_runs_are_committed_together);
	tcase_add_test(tc, test_rest_gives_the_cache_back_and_loses_nothing);
	tcase_add_test(tc, test_close_commits_what_was_handed_over);
	tcase_add_test(tc, test_long_listing_sees_whole_commits_and_does_not_hold_them_up);
	tcase_add_test(tc, test_orders_are_chained_and_a_changed_one_is_named);
	tcase_add_test(tc, test_whatever_is_changed_in_an_order_is_found);
	tcase_add_test(tc, test_orders_cut_off_the_end_are_missed_also_once_others_have_followed);
	tcase_add_test(tc, test_forgotten_orders_leave_an_entry_from_which_the_chain_goes_on);
	tcase_add_test(tc, test_whoever_changes_what_was_forgotten_is_found);
	tcase_add_test(tc, test_orders_are_forgotten_a_bounded_number_in_each_commit);
	tcase_add_test(tc, test_view_shows_one_commit_while_others_are_made);
	tcase_add_test(tc, test_wal_is_written_back_while_lists_are_read);
	tcase_add_test(tc, test_copy_holds_one_commit_with_live_campaigns_paused_while_the_store_goes_on);
	tcase_add_test(tc, test_copy_of_what_is_not_there_or_not_ours_leaves_no_file);
	tcase_add_test(tc, test_copy_to_where_none_can_be_made_says_so_and_to_here_is_one);
	tcase_add_test(tc, test_copy_to_a_full_disk_says_so_and_leaves_no_file);
	tcase_add_test(tc, test_check_names_what_does_not_fit_together);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
