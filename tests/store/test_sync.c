/* tests/store: the simulation's store can end as a process does; and what is packed stays readable for ever.
 */
#include "tests/lib/suite.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "store/answer.h"
#include "store/backend.h"
#include "store/pack.h"
#include "tests/lib/store_sync.h"
#include "tests/store/rig.h"

static struct disk *disk;
static struct store_head head;
static struct buf told;

static struct store *open_store(void)
{
	struct store_options options = {.path = disk_path(disk)};
	struct store *s;
	char *reason = NULL;

	ck_assert_int_eq(store_open(&options, &s, &head, &reason), ERR_OK);
	return s;
}

static void on_committed(void *arg, enum err err, uint64_t revision)
{
	buf_printf(&told, "%s:%s:%u ", (const char *)arg, err == ERR_OK ? "ok" : "failed",
	           (unsigned)revision);
}

static void commit(struct store *s, uint32_t campaign, const char *name)
{
	store_commit(s, rig_campaign_batch(campaign, 1), on_committed, (void *)(uintptr_t)name);
}

/* Commits three campaigns, of which the second has that fate. */
static struct store *run_with(enum store_sync_fate fate)
{
	struct store *s;

	disk = disk_new();
	buf_puts(&told, "");
	s = open_store();
	commit(s, 1, "a");
	commit(s, 2, "b");
	commit(s, 3, "c");
	ck_assert_uint_eq(store_sync_pending(s), 3);
	store_sync_set_fate(s, 2, fate);
	store_sync_run(s);
	return s;
}

static void assert_left(struct store *s, uint32_t campaigns)
{
	store_sync_crash(s);
	s = open_store();
	ck_assert(!head.is_new);
	ck_assert_uint_eq(head.last_campaign, campaigns);
	ck_assert_uint_eq(head.revision, campaigns);
	store_sync_crash(s);
	disk_free(disk);
	buf_done(&told);
}

START_TEST(test_failed_commit_is_told_and_so_are_all_that_follow)
{
	struct store *s = run_with(COMMIT_FAILS);

	ck_assert_str_eq(told.data, "a:ok:1 b:failed:0 c:failed:0 ");
	ck_assert(!store_sync_has_crashed(s));
	assert_left(s, 1);
}
END_TEST

START_TEST(test_lost_commit_leaves_no_trace_and_tells_nothing)
{
	struct store *s = run_with(COMMIT_IS_LOST);

	ck_assert_str_eq(told.data, "a:ok:1 ");
	ck_assert(store_sync_has_crashed(s));
	ck_assert_uint_eq(store_sync_pending(s), 0);
	ck_assert_uint_eq(store_sync_run(s), 0);
	assert_left(s, 1);
}
END_TEST

START_TEST(test_last_commit_is_on_record_but_tells_nothing)
{
	struct store *s = run_with(COMMIT_IS_LAST);

	ck_assert_str_eq(told.data, "a:ok:1 ");
	ck_assert(store_sync_has_crashed(s));
	assert_left(s, 2);
}
END_TEST

/* ---- sweeping ---- */

static void on_swept(void *arg, enum err err, uint64_t revision)
{
	(void)arg;
	(void)revision;
	ck_assert_int_eq(err, ERR_OK);
}

static int64_t targets_on_disk(void)
{
	sqlite3_stmt *st;
	sqlite3 *db;
	int64_t n;

	ck_assert_int_eq(sqlite3_open_v2(disk_path(disk), &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, NULL),
	                 SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(db, "SELECT count(*) FROM targets", -1, &st, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
	return n;
}

START_TEST(test_dropped_rows_go_five_thousand_a_run_and_a_crash_only_interrupts_it)
{
	struct campaign_row done = rig_campaign_row(1);
	struct batch *b = rig_campaign_batch(1, 12000);
	struct store *s;

	disk = disk_new();
	s = open_store();
	done.state = done.phase = CAMPAIGN_COMPLETED;
	batch_campaign_put(b, &done);
	batch_campaign_drop(b, 1);
	store_commit(s, b, on_swept, NULL);
	store_sync_run(s);
	ck_assert_int_eq(targets_on_disk(), 7000);
	store_sync_crash(s);
	s = open_store();
	store_sync_run(s);
	ck_assert_int_eq(targets_on_disk(), 2000);
	store_sync_set_fate(s, 1, COMMIT_IS_LAST);
	store_commit(s, batch_new(), on_swept, NULL);
	store_sync_run(s);
	ck_assert_int_eq(targets_on_disk(), 2000);
	store_sync_crash(s);
	s = open_store();
	store_sync_run(s);
	ck_assert_int_eq(targets_on_disk(), 0);
	store_sync_crash(s);
	disk_free(disk);
}
END_TEST

/* Commits what has that event and that time. */
static void pass(struct store *s, struct batch *b, uint64_t id, int64_t at_ms)
{
	batch_event_add(b, &(struct event){.id = id, .at_ms = at_ms, .type = EVENT_HUB});
	store_commit(s, b, on_swept, NULL);
	for (int i = 0; i < 3; i++)
		store_sync_run(s);
}

START_TEST(test_what_was_dropped_stays_until_the_last_of_its_devices_is_let_go_of)
{
	static const int64_t holds_ms[] = {100, 300, 200};
	struct campaign_row done = rig_campaign_row(1);
	struct batch *b = rig_campaign_batch(1, 3);
	struct store *s;

	disk = disk_new();
	s = open_store();
	done.state = done.phase = CAMPAIGN_COMPLETED;
	batch_campaign_put(b, &done);
	for (uint32_t i = 0; i < 3; i++) { /* each in a commit of its own */
		struct target_row row = rig_target_row(1, i);

		row.state = TARGET_SUCCEEDED;
		row.hold_until_ms = NOW_MS + holds_ms[i];
		batch_target_put(b, &row);
		pass(s, b, i + 1, NOW_MS);
		b = batch_new();
	}
	batch_campaign_drop(b, 1);
	pass(s, b, 4, NOW_MS + 299);
	ck_assert_int_eq(targets_on_disk(), 3);
	pass(s, batch_new(), 5, NOW_MS + 300);
	ck_assert_int_eq(targets_on_disk(), 0);
	store_sync_crash(s);
	disk_free(disk);
}
END_TEST

static void put_events(struct batch *b, uint64_t first, uint64_t last)
{
	for (uint64_t id = first; id <= last; id++)
		batch_event_add(b, &(struct event){.id = id,
		                                   .at_ms = NOW_MS + (int64_t)id,
		                                   .type = EVENT_CAMPAIGN,
		                                   .campaign = 1});
}

START_TEST(test_a_campaign_that_was_swept_is_named_by_its_events_until_the_last_of_them_is_forgotten)
{
	struct campaign_row done = rig_campaign_row(1);
	struct batch *b = rig_campaign_batch(1, 10);
	struct answer events;
	struct backend *record;
	struct store *s;

	disk = disk_new();
	s = open_store();
	done.state = done.phase = CAMPAIGN_COMPLETED;
	batch_campaign_put(b, &done);
	put_events(b, 1, 10);
	store_commit(s, b, on_swept, NULL);
	b = batch_new();
	batch_campaign_drop(b, 1);
	put_events(b, 11, 20);
	store_commit(s, b, on_swept, NULL);
	for (int i = 0; i < 20; i++)
		store_sync_run(s);
	ck_assert_int_eq(targets_on_disk(), 0);
	b = batch_new();
	batch_events_drop(b, NOW_MS + 15);
	store_commit(s, b, on_swept, NULL);
	store_sync_run(s);
	record = store_sync_record(s);
	answer_init(&events);
	ck_assert_int_eq(backend_read_events(record, 0, 0, 100, &events), ERR_OK);
	ck_assert_uint_eq(events.events_n, 10);
	ck_assert_str_eq(events.campaign_ids[0], "c1");
	answer_done(&events);
	backend_close(record);
	store_sync_crash(s);
	disk_free(disk);
}
END_TEST

/* ---- packed records: golden bytes ---- */

START_TEST(test_packed_target_has_the_bytes_it_always_had)
{
	static const unsigned char golden[PACKED_TARGET_BYTES] = {
	        0x02, 0x01, 0x04, 0x03, 0x06, 0x05, 7,    8,
	        3,    0,    0,    0,    0xf7, 0xff, 0xff, 0xff, /* method_status -9 */
	        1,    0,    0,    0,    0,    0,    0,    0,
	        0,    0,    0,    0,    0,    0,    0,    0x80, /* next_at TIME_NONE */
	        3,    0,    0,    0,    0,    0,    0,    0,
	        4,    0,    0,    0,    0,    0,    0,    0, /* called_at, since_hub */
	        5,    0,    0,    0,    0,    0,    0,    0,
	        6,    0,    0,    0,    0,    0,    0,    0}; /* hold_until, offline */
	struct target_row row = {.attempts = 0x0102,
	                         .calls = 0x0304,
	                         .attempt_seq = 0x0506,
	                         .redoubts = 7,
	                         .offline_tries = 8,
	                         .is_unresolved = true,
	                         .has_moved = true,
	                         .method_status = -9,
	                         .changed_at_ms = 1,
	                         .next_at_ms = TIME_NONE,
	                         .called_at_ms = 3,
	                         .since_hub_ms = 4,
	                         .hold_until_ms = 5,
	                         .offline_ms = 6};
	unsigned char packed[PACKED_TARGET_BYTES];

	pack_target(&row, packed);
	ck_assert_mem_eq(packed, golden, sizeof golden);
}
END_TEST

START_TEST(test_packed_event_has_the_bytes_it_always_had)
{
	static const char golden[] = "\xac\x02\x02\x00\x05\x08\x80\x01\x03"
	                             "d1\x00\x00\x01\x00\x00\x00\x01\x00";
	struct event event = {.at_ms = 300,
	                      .type = EVENT_TARGET,
	                      .to = TARGET_FAILED,
	                      .reason = REASON_GONE,
	                      .attempt = 128,
	                      .device_id = "d1"};
	struct buf out = BUF_INIT;

	pack_event(&out, &event);
	event = (struct event){.at_ms = 0, .type = EVENT_WAVE, .detail = ""};
	pack_event(&out, &event);
	ck_assert_uint_eq(out.len, sizeof golden);
	ck_assert_mem_eq(out.data, golden, 12);
	buf_done(&out);
}
END_TEST

START_TEST(test_counts_of_an_older_version_are_read_and_damaged_ones_are_not)
{
	unsigned char older[3 + 4 * 4] = {1, 1, 1, 9, 0, 0, 0, 8, 0, 0, 0, 7, 0, 0, 0, 6};
	unsigned char packed[PACKED_COUNTS_MAX];
	struct counts counts,
	        now = {.total = 1, .state[TARGET_STATES_N - 1] = 2, .wait[WAITS_N - 1] = UINT32_MAX};
	size_t n = pack_counts(&now, packed);

	ck_assert(unpack_counts(packed, n, &counts));
	ck_assert_mem_eq(&counts, &now, sizeof now);
	ck_assert(!unpack_counts(packed, n - 1, &counts));
	ck_assert(!unpack_counts(packed, 0, &counts));
	packed[1]++;
	ck_assert(!unpack_counts(packed, n, &counts));
	ck_assert(unpack_counts(older, sizeof older, &counts));
	ck_assert_uint_eq(counts.total, 9);
	ck_assert_uint_eq(counts.state[0], 8);
	ck_assert_uint_eq(counts.reason[0], 7);
	ck_assert_uint_eq(counts.wait[0], 6);
	ck_assert_uint_eq(counts.state[1], 0);
}
END_TEST

START_TEST(test_packed_waves_have_the_bytes_they_always_had_and_damaged_ones_are_none)
{
	static const unsigned char golden[] = {8, 1, 1, 2, 3, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
	                                       7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	                                       0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0};
	struct campaign_row row = {.waves_n = 1,
	                           .aborts_n = 1,
	                           .waves[0] = {WAVE_SOAKING, true, true, 1, 2, {7, 0, 0, 0, 0, 0, 0, 9}, 0},
	                           .aborts[0] = {5, 6}},
	                    back = {.no = 0};
	unsigned char packed[PACKED_WAVES_MAX];
	size_t n = pack_waves(&row, packed);

	ck_assert_uint_eq(n, sizeof golden);
	ck_assert_mem_eq(packed, golden, n);
	ck_assert(unpack_waves(packed, n, &back));
	memset(packed, 0, sizeof packed);
	ck_assert_uint_eq(pack_waves(&back, packed), n);
	ck_assert_mem_eq(packed, golden, n);
	ck_assert(!unpack_waves(packed, n - 1, &back));
	ck_assert(!unpack_waves(packed, 0, &back));
	back.waves[0].relapsed = 7;
	ck_assert_uint_eq(pack_waves(&back, packed), n + 4);
	ck_assert_mem_eq(packed, golden, n);
	ck_assert(unpack_waves(packed, n + 4, &row));
	ck_assert_uint_eq(row.waves[0].relapsed, 7);
	ck_assert(unpack_waves(packed, n, &row));
	ck_assert_uint_eq(row.waves[0].relapsed, 0);
	packed[3] = WAVE_FAILED + 1;
	ck_assert(!unpack_waves(packed, n, &back));
	packed[1]++;
	ck_assert(!unpack_waves(packed, n, &back));
}
END_TEST

START_TEST(test_each_mark_is_kept_alone)
{
	unsigned char packed[PACKED_TARGET_BYTES], small[PACKED_BASELINE_BYTES];

	for (unsigned i = 0; i < 2; i++) {
		struct target_row row = {.is_unresolved = i == 0, .has_moved = i == 1}, back = {0};

		pack_target(&row, packed);
		unpack_target(packed, &back);
		ck_assert_int_eq(back.is_unresolved, i == 0);
		ck_assert_int_eq(back.has_moved, i == 1);
	}
	for (unsigned i = 0; i < 4; i++) {
		struct baseline baseline = {
		        .has_value = i == 0, .has_boot = i == 1, .success_held = i == 2, .was_up = i == 3};
		struct baseline back = {0};

		pack_baseline(&baseline, small);
		unpack_baseline(small, &back);
		ck_assert_int_eq(back.has_value, i == 0);
		ck_assert_int_eq(back.has_boot, i == 1);
		ck_assert_int_eq(back.success_held, i == 2);
		ck_assert_int_eq(back.was_up, i == 3);
	}
	for (unsigned i = 0; i < 3; i++) {
		struct campaign_row row = {.waves_n = 1,
		                           .waves[0] = {.is_approved = i == 0, .is_overridden = i == 1}};
		struct campaign_row back = {.no = 0};
		unsigned char waves[PACKED_WAVES_MAX];

		ck_assert(unpack_waves(waves, pack_waves(&row, waves), &back));
		ck_assert_int_eq(back.waves[0].is_approved, i == 0);
		ck_assert_int_eq(back.waves[0].is_overridden, i == 1);
	}
}
END_TEST

START_TEST(test_damaged_run_of_events_fails_at_every_length)
{
	struct event event = {.at_ms = NOW_MS, .device_id = "device", .detail = "\"a\":1"};
	struct buf out = BUF_INIT;

	pack_event(&out, &event);
	for (size_t n = 0; n <= out.len; n++) {
		char *cut = xmalloc(n); /* so that a sanitizer sees a read beyond */
		struct cursor in = {cut, cut + n, 0};
		struct event back = {.id = 0};

		if (n > 0)
			memcpy(cut, out.data, n);
		unpack_event(&in, NULL, &back);
		ck_assert_int_eq(in.failed, n < out.len);
		free(cut);
	}
	buf_done(&out);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store sync");

	TESTS(s, "fates", test_failed_commit_is_told_and_so_are_all_that_follow,
	      test_lost_commit_leaves_no_trace_and_tells_nothing,
	      test_last_commit_is_on_record_but_tells_nothing);
	TESTS(s, "sweep", test_dropped_rows_go_five_thousand_a_run_and_a_crash_only_interrupts_it,
	      test_what_was_dropped_stays_until_the_last_of_its_devices_is_let_go_of,
	      test_a_campaign_that_was_swept_is_named_by_its_events_until_the_last_of_them_is_forgotten);
	TESTS(s, "pack", test_packed_target_has_the_bytes_it_always_had,
	      test_packed_event_has_the_bytes_it_always_had,
	      test_counts_of_an_older_version_are_read_and_damaged_ones_are_not, test_each_mark_is_kept_alone,
	      test_packed_waves_have_the_bytes_they_always_had_and_damaged_ones_are_none,
	      test_damaged_run_of_events_fails_at_every_length);
	return suite_run(s);
}
