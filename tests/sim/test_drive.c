/* sim: the store on a drive that fails: what it has told stays, whatever is lost, and what it finds at a
 * start is as durable as what it commits. */
#include "tests/lib/suite.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/rng.h"
#include "store/backend.h"
#include "tests/sim/drive.h"

#define SEEDS 60

static enum err open_on(struct drive *d, struct backend **ret, struct store_head *ret_head)
{
	char *reason = NULL;
	enum err err;

	drive_arm(d, true);
	err = backend_open(drive_path(d), ret, ret_head, &reason);
	drive_arm(d, false);
	ck_assert_msg(err == ERR_OK || strlen(reason) > 20, "no reason");
	free(reason);
	return err;
}

/* Commits a note of so many bytes. */
static enum err commit(struct drive *d, struct backend *b, size_t bytes, uint64_t *ret_revision)
{
	struct batch *batch = batch_new();
	const struct batch *all = batch;
	char *value = xcalloc(1, bytes + 1);
	enum err err;

	memset(value, 'x', bytes);
	batch_note_put(batch, "note", value);
	drive_arm(d, true);
	err = backend_apply(b, &all, 1, ret_revision);
	drive_arm(d, false);
	batch_free(batch);
	free(value);
	return err;
}

/* The process dies, and with it perhaps the power. */
static void end(struct drive *d, struct backend *b, bool is_power_lost)
{
	drive_die(d);
	backend_close(b);
	drive_restart(d, is_power_lost);
}

START_TEST(test_what_was_committed_survives_the_power_at_any_operation)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct drive *d = drive_new(seed);
		uint64_t told = 0, lives = 0;
		struct rng rng;

		rng_seed(&rng, seed);
		while (lives++ < 5) {
			struct backend *b = NULL;
			struct store_head head;

			drive_die_in(d, 1 + (uint32_t)rng_below(&rng, 80));
			if (open_on(d, &b, &head) == ERR_OK) {
				ck_assert_uint_ge(head.revision, told);
				told = head.revision;
				while (commit(d, b, rng_below(&rng, 20000), &told) == ERR_OK)
					;
			}
			ck_assert(drive_is_dead(d));
			end(d, b, true);
		}
		drive_free(d);
	}
}
END_TEST

START_TEST(test_a_commit_that_was_not_synced_is_so_before_it_is_told_at_a_start)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct drive *d = drive_new(seed);
		struct store_head head, found;
		struct backend *b = NULL;
		uint64_t revision;

		ck_assert_int_eq(open_on(d, &b, &head), ERR_OK);
		ck_assert_int_eq(commit(d, b, 100, &revision), ERR_OK);
		drive_set_trouble(d, &(struct drive_trouble){.sync = 1});
		ck_assert_int_eq(commit(d, b, 9000, &revision), ERR_IO);
		end(d, b, false);
		b = NULL;
		ck_assert_int_eq(open_on(d, &b, &head), ERR_IO);
		drive_set_trouble(d, &(struct drive_trouble){0});
		ck_assert_int_eq(open_on(d, &b, &found), ERR_OK);
		end(d, b, true);
		ck_assert_int_eq(open_on(d, &b, &head), ERR_OK);
		ck_assert_uint_eq(head.revision, found.revision);
		end(d, b, false);
		drive_free(d);
	}
}
END_TEST

START_TEST(test_a_drive_that_is_full_or_read_only_is_told_by_its_name_and_goes_on_when_it_is_not)
{
	static const struct {
		struct drive_trouble trouble;
		enum err err;
	} all[] = {
	        {{.is_full = true}, ERR_FULL}, {{.is_read_only = true}, ERR_DENIED}, {{.write = 1}, ERR_IO}};

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		struct drive *d = drive_new(i);
		struct backend *b = NULL;
		struct store_head head;
		uint64_t revision;

		ck_assert_int_eq(open_on(d, &b, &head), ERR_OK);
		ck_assert_int_eq(commit(d, b, 100, &revision), ERR_OK);
		drive_set_trouble(d, &all[i].trouble);
		ck_assert_int_eq(commit(d, b, 9000, &revision), all[i].err);
		ck_assert_uint_gt(strlen(backend_reason(b)), 10);
		end(d, b, true);
		b = NULL;
		drive_set_trouble(d, &(struct drive_trouble){0});
		ck_assert_int_eq(open_on(d, &b, &head), ERR_OK);
		ck_assert_uint_eq(head.revision, revision);
		ck_assert_int_eq(commit(d, b, 9000, &revision), ERR_OK);
		end(d, b, false);
		drive_free(d);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim drive");

	TESTS(s, "drive", test_what_was_committed_survives_the_power_at_any_operation,
	      test_a_commit_that_was_not_synced_is_so_before_it_is_told_at_a_start,
	      test_a_drive_that_is_full_or_read_only_is_told_by_its_name_and_goes_on_when_it_is_not);
	return suite_run(s);
}
