/* tests: deploy/agent/state */
#include "tests/lib/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deploy/agent/state.h"

/* --- calls that fail, or are the last --- */

enum trouble { TROUBLE_NONE, TROUBLE_FAILS, TROUBLE_CRASH };
static enum trouble trouble;
static int calls_left; /* until trouble */

/* Whether this call is to fail. */
static bool is_time(void)
{
	if (trouble == TROUBLE_NONE || --calls_left != 0)
		return false;
	if (trouble == TROUBLE_CRASH)
		_exit(9);
	errno = EIO;
	return true;
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...)
{
	va_list args;
	int mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, int) : 0;
	va_end(args);
	return is_time() ? -1 : __real_open64(path, flags, mode);
}

/* Half of it gets written, as on a disk that is full. */
ssize_t __real_write(int fd, const void *data, size_t n);
ssize_t __wrap_write(int fd, const void *data, size_t n);
ssize_t __wrap_write(int fd, const void *data, size_t n)
{
	return is_time() ? -1 : __real_write(fd, data, trouble != TROUBLE_NONE && n > 1 ? n / 2 : n);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	return is_time() ? -1 : __real_fsync(fd);
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to)
{
	return is_time() ? -1 : __real_rename(from, to);
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	if (is_time()) {
		__real_close(fd);
		errno = EIO;
		return -1;
	}
	return __real_close(fd);
}

/* --- a folder to work in --- */

static char folder[64], path[96];

static void set_up(void)
{
	trouble = TROUBLE_NONE;
	snprintf(folder, sizeof folder, "/tmp/agent-state-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/state.json", folder);
}

static void tear_down(void)
{
	static const char *const endings[] = {"", ".new", ".damaged"};
	char name[128];

	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
		snprintf(name, sizeof name, "%s%s", path, endings[i]);
		unlink(name);
	}
	ck_assert_int_eq(rmdir(folder), 0);
}

static void add(struct state *s, const char *id, enum act_type type, enum act_phase phase)
{
	struct act *a = state_add(s);

	snprintf(a->attempt_id, sizeof a->attempt_id, "%s", id);
	a->type = type;
	a->phase = phase;
	if (phase == PHASE_ACCEPTED || phase == PHASE_BEGUN)
		a->payload = strdup("{\"a\":\"\\u00e5\"}");
}

/* --- tests --- */

START_TEST(test_what_was_saved_is_loaded)
{
	struct state s = {
	        .boot_id = "boot-2", .booted_at_ms = 12, .pretended_over = "boot-1", .last_reboot_at_ms = 11};
	struct state t;

	set_up();
	ck_assert_int_eq(state_load(path, &t), STATE_NEW);
	add(&s, "", ACT_FACTORY_RESET, PHASE_UNKNOWN);
	add(&s, "c1-1-1", ACT_FIRMWARE_UPDATE, PHASE_BEGUN);
	s.acts[0].error_code = -1;
	snprintf(s.acts[0].error, ACT_ERROR_SIZE, "no \"end\"");
	s.acts[0].ended_at_ms = INT64_C(1893456000123);
	s.acts[1].accepted_up_ms = 5;
	s.acts[1].begun_up_ms = 6;
	s.acts[1].is_pretended = true;
	ck_assert_int_eq(state_save(path, &s), STATE_SAVED);
	ck_assert_int_eq(state_load(path, &t), STATE_LOADED);
	ck_assert_str_eq(t.boot_id, "boot-2");
	ck_assert_str_eq(t.pretended_over, "boot-1");
	ck_assert_int_eq(t.booted_at_ms, 12);
	ck_assert_int_eq(t.last_reboot_at_ms, 11);
	ck_assert_uint_eq(t.n, 2);
	ck_assert_str_eq(t.acts[0].attempt_id, "");
	ck_assert_str_eq(t.acts[0].error, "no \"end\"");
	ck_assert_int_eq(t.acts[0].error_code, -1);
	ck_assert_int_eq(t.acts[0].ended_at_ms, INT64_C(1893456000123));
	ck_assert_ptr_null(t.acts[0].payload);
	ck_assert_str_eq(t.acts[1].payload, "{\"a\":\"\\u00e5\"}");
	ck_assert(t.acts[1].is_pretended && t.acts[1].type == ACT_FIRMWARE_UPDATE);
	ck_assert_int_eq(t.acts[1].begun_up_ms, 6);
	ck_assert_ptr_eq(state_pending(&t), &t.acts[1]);
	state_done(&s);
	state_done(&t);
	tear_down();
}
END_TEST

START_TEST(test_the_oldest_attempts_are_forgotten_first)
{
	struct state s = {.n = 0};
	char id[16];

	for (int i = 0; i < STATE_ACTS_MAX + 3; i++) {
		snprintf(id, sizeof id, "c%d", i);
		add(&s, id, ACT_REBOOT, PHASE_DONE);
	}
	ck_assert_uint_eq(s.n, STATE_ACTS_MAX);
	ck_assert_ptr_null(state_find(&s, "c2"));
	ck_assert_ptr_eq(state_find(&s, "c3"), &s.acts[0]);
	ck_assert_ptr_null(state_find(&s, ""));
	ck_assert_ptr_eq(state_last_done(&s, ACT_REBOOT), &s.acts[STATE_ACTS_MAX - 1]);
	ck_assert_ptr_null(state_last(&s, ACT_FACTORY_RESET));
	state_done(&s);
}
END_TEST

START_TEST(test_a_file_that_is_damaged_is_put_aside)
{
	static const char *const texts[] = {
	        "",
	        "{",
	        "[]",
	        "{\"format\":2,\"bootId\":\"\",\"bootedAt\":0,\"pretendedOver\":\"\",\"lastRebootAt\":0,\"acts\":[]}",
	        "{\"format\":1,\"bootId\":\"\",\"bootedAt\":0,\"pretendedOver\":\"\",\"lastRebootAt\":0,\"acts\":[{}]}",
	        "{\"format\":1,\"bootId\":\"\",\"bootedAt\":0,\"pretendedOver\":\"\",\"lastRebootAt\":0,\"acts\":7}"};
	char damaged[128];
	struct state s;

	set_up();
	snprintf(damaged, sizeof damaged, "%s.damaged", path);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		FILE *out = fopen(path, "w");

		ck_assert(out != NULL && fputs(texts[i], out) >= 0 && fclose(out) == 0);
		ck_assert_int_eq(state_load(path, &s), STATE_DAMAGED);
		ck_assert_uint_eq(s.n, 0);
		ck_assert_int_eq(access(damaged, F_OK), 0);
		ck_assert_int_eq(state_load(path, &s), STATE_NEW);
	}
	tear_down();
}
END_TEST

static void put(const char *text)
{
	FILE *out = fopen(path, "w");

	ck_assert(out != NULL && fputs(text, out) >= 0 && fclose(out) == 0);
}

/* A sound file with one member set to value, NULL: without it; of its act, or of itself. */
static void put_with(bool in_act, const char *name, json_t *value)
{
	json_t *act =
	        json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:b, s:s, s:i, s:s, s:i, s:s}",
	                  "attemptId", "a", "type", "reboot", "phase", "begun", "payload", "{}", "bootId",
	                  "b", "acceptedAt", 1, "acceptedUp", 1, "begunUp", 1, "endedAt", 0, "pretended", 0,
	                  "endBootId", "", "endBootedAt", 0, "endFirmware", "", "errorCode", 0, "error", "");
	json_t *file = json_pack("{s:i, s:s, s:i, s:s, s:i, s:[O]}", "format", 1, "bootId", "b", "bootedAt",
	                         1, "pretendedOver", "", "lastRebootAt", 0, "acts", act);
	char *text;

	if (value == NULL)
		json_object_del(in_act ? act : file, name);
	else
		json_object_set_new(in_act ? act : file, name, value);
	text = json_dumps(file, 0);
	put(text);
	free(text);
	json_decref(act);
	json_decref(file);
}

START_TEST(test_a_file_that_says_what_no_agent_writes_is_put_aside)
{
	static const char *const in_act[] = {"attemptId", "bootId", "endBootId", "endFirmware", "error"};
	char longer[400];
	struct state s;

	set_up();
	put_with(true, "errorCode", json_integer(7)); /* sound */
	ck_assert_int_eq(state_load(path, &s), STATE_LOADED);
	ck_assert_int_eq(s.acts[0].error_code, 7);
	state_done(&s);
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	for (size_t i = 0; i < sizeof in_act / sizeof *in_act; i++) {
		put_with(true, in_act[i], json_string(longer));
		ck_assert_msg(state_load(path, &s) == STATE_DAMAGED, "%s", in_act[i]);
	}
	put_with(true, "type", json_string("fly"));
	ck_assert_int_eq(state_load(path, &s), STATE_DAMAGED);
	put_with(true, "phase", json_string("over"));
	ck_assert_int_eq(state_load(path, &s), STATE_DAMAGED);
	put_with(true, "payload", NULL); /* which it needs to go on */
	ck_assert_int_eq(state_load(path, &s), STATE_DAMAGED);
	put_with(true, "phase", json_string("done")); /* after which it has none */
	ck_assert_int_eq(state_load(path, &s), STATE_DAMAGED);
	put_with(false, "bootId", json_string(longer));
	ck_assert_int_eq(state_load(path, &s), STATE_DAMAGED);
	put_with(false, "pretendedOver", json_string(longer));
	ck_assert_int_eq(state_load(path, &s), STATE_DAMAGED);
	tear_down();
}
END_TEST

START_TEST(test_two_acts_under_way_or_more_than_are_kept_are_damage)
{
	json_t *file, *acts, *act;
	struct state s;
	char *text;

	set_up();
	put_with(true, "errorCode", json_integer(7));
	file = json_load_file(path, 0, NULL);
	acts = json_object_get(file, "acts");
	act = json_deep_copy(json_array_get(acts, 0));
	json_array_append(acts, act);
	text = json_dumps(file, 0);
	put(text);
	free(text);
	ck_assert_int_eq(state_load(path, &s), STATE_DAMAGED);
	json_array_clear(acts);
	json_object_set_new(act, "phase", json_string("done"));
	json_object_del(act, "payload");
	for (int i = 0; i < STATE_ACTS_MAX + 1; i++)
		json_array_append(acts, act);
	text = json_dumps(file, 0);
	put(text);
	free(text);
	ck_assert_int_eq(state_load(path, &s), STATE_DAMAGED);
	json_array_remove(acts, 0);
	text = json_dumps(file, 0);
	put(text);
	free(text);
	ck_assert_int_eq(state_load(path, &s), STATE_LOADED);
	state_done(&s);
	json_decref(act);
	json_decref(file);
	tear_down();
}
END_TEST

START_TEST(test_a_damaged_file_that_cannot_be_put_aside_is_removed)
{
	char damaged[128];
	struct state s;

	set_up();
	snprintf(damaged, sizeof damaged, "%s.damaged", path);
	ck_assert_int_eq(mkdir(damaged, 0700), 0);
	put("{half");
	ck_assert_int_eq(state_load(path, &s), STATE_DAMAGED);
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_eq(rmdir(damaged), 0);
	tear_down();
}
END_TEST

START_TEST(test_a_file_in_the_working_directory_is_durable_too)
{
	struct state s = {.boot_id = "b"};

	set_up();
	ck_assert_int_eq(chdir(folder), 0);
	ck_assert_int_eq(state_save("state.json", &s), STATE_SAVED);
	ck_assert_int_eq(state_load(path, &s), STATE_LOADED);
	ck_assert_int_eq(chdir("/"), 0);
	tear_down();
}
END_TEST

START_TEST(test_a_file_that_cannot_be_read_is_not_taken_for_none)
{
	struct state s;

	set_up();
	put("{}");
	ck_assert_int_eq(truncate(path, 64 << 20), 0); /* far more than an agent writes */
	ck_assert_int_eq(state_load(path, &s), STATE_UNREADABLE);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(state_load(path, &s), STATE_UNREADABLE);
	ck_assert_int_eq(rmdir(path), 0);
	tear_down();
}
END_TEST

/* How many acts the file holds: 1 is the old state, 2 the new. */
static size_t loaded(void)
{
	struct state s;
	size_t n;

	ck_assert_int_eq(state_load(path, &s), STATE_LOADED);
	n = s.n;
	state_done(&s);
	return n;
}

/* Saves the new state over the old one, with trouble at call number n. Gives what state_save() said, plus 10
 * where trouble did not come. */
static int save_with(enum trouble what, int n)
{
	struct state s = {.boot_id = "b"};
	int end;

	add(&s, "c1", ACT_REBOOT, PHASE_DONE);
	ck_assert_int_eq(state_save(path, &s), STATE_SAVED);
	add(&s, "c2", ACT_REBOOT, PHASE_ACCEPTED);
	trouble = what;
	calls_left = n;
	end = (int)state_save(path, &s);
	trouble = TROUBLE_NONE;
	state_done(&s);
	return end + (calls_left > 0 ? 10 : 0);
}

/* The same with a crash, in a process of its own; gives its exit status: 9 where it crashed. */
static int crash_at(int n)
{
	int status;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(save_with(TROUBLE_CRASH, n));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(test_a_crash_at_any_call_leaves_the_old_state_or_the_new_one)
{
	bool has_been_old = false, has_been_new = false;
	int n, end;

	set_up();
	for (n = 1; (end = crash_at(n)) == 9; n++)
		*(loaded() == 1 ? &has_been_old : &has_been_new) = true;
	ck_assert_int_eq(end, 10 + STATE_SAVED);
	ck_assert_uint_eq(loaded(), 2);
	ck_assert_msg(n > 8 && has_been_old && has_been_new, "%d calls", n);
	tear_down();
}
END_TEST

START_TEST(test_a_failure_at_any_call_is_told_with_what_it_left)
{
	int seen[3] = {0}, n, end;

	set_up();
	for (n = 1; (end = save_with(TROUBLE_FAILS, n)) < 10; n++) {
		seen[end]++;
		if (end == STATE_KEPT)
			ck_assert_uint_eq(loaded(), 1);
		else
			ck_assert_uint_eq(loaded(), 2);
	}
	ck_assert_int_eq(end, 10 + STATE_SAVED);
	ck_assert_int_ge(seen[STATE_KEPT], 5);
	ck_assert_int_eq(seen[STATE_IN_DOUBT], 2); /* opening and syncing the folder */
	tear_down();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("agent-state");

	TESTS(s, "acts", test_what_was_saved_is_loaded, test_the_oldest_attempts_are_forgotten_first);
	TESTS(s, "file", test_a_file_that_is_damaged_is_put_aside,
	      test_a_file_that_says_what_no_agent_writes_is_put_aside,
	      test_two_acts_under_way_or_more_than_are_kept_are_damage,
	      test_a_damaged_file_that_cannot_be_put_aside_is_removed,
	      test_a_file_in_the_working_directory_is_durable_too,
	      test_a_file_that_cannot_be_read_is_not_taken_for_none,
	      test_a_crash_at_any_call_leaves_the_old_state_or_the_new_one,
	      test_a_failure_at_any_call_is_told_with_what_it_left);
	return suite_run(s);
}
