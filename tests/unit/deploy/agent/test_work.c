/* tests: deploy/agent/work: calls taken, had done and reported, over restarts of the agent, on disks that
 * fail and with commands that do; commands are real processes, and time is the test's own. */
#include "tests/lib/suite.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deploy/agent/command.h"
#include "deploy/agent/host.h"
#include "deploy/agent/options.h"
#include "deploy/agent/work.h"

static int64_t now_ms;

int64_t __wrap_up_ms(void);
int64_t __wrap_up_ms(void)
{
	return now_ms;
}

int64_t __wrap_utc_ms(void);
int64_t __wrap_utc_ms(void)
{
	return INT64_C(1796090400000) + now_ms;
}

/* The next syncs but so many fail; -1: none does. */
static int syncs_left = -1;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
	if (syncs_left < 0 || syncs_left-- > 0)
		return __real_fsync(fd);
	syncs_left = 0;
	errno = EIO;
	return -1;
}

static char folder[32], state_file[64], boot_file[64], version_file[64], said[256];
static struct options o;
static struct work *w;

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
}

static void set_up(void)
{
	snprintf(folder, sizeof folder, "/tmp/rollcall-work-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(state_file, sizeof state_file, "%s/state.json", folder);
	snprintf(boot_file, sizeof boot_file, "%s/boot", folder);
	snprintf(version_file, sizeof version_file, "%s/version", folder);
	put(boot_file, "boot-1\n");
	now_ms = 100000;
	o = (struct options){.state_file = state_file,
	                     .boot_id_file = boot_file,
	                     .firmware_version_file = version_file,
	                     .restart_timeout_s = 600,
	                     .pretend_s = 2};
}

static void tear_down(void)
{
	char command[64];

	work_close(w);
	for (int t = 0; t < ACT_TYPES_N; t++)
		command_free(o.commands[t]);
	command_free(o.check_firmware);
	snprintf(command, sizeof command, "rm -rf %s*", folder);
	ck_assert_int_eq(system(command), 0);
}

static void start(void)
{
	work_close(w);
	w = work_open(&o);
	ck_assert_ptr_nonnull(w);
}

/* Gives the answer's status; its body is in said. */
static int call(const char *method, const char *payload)
{
	struct work_answer answer = work_call(w, method, payload, strlen(payload));

	snprintf(said, sizeof said, "%s", answer.body != NULL ? answer.body : "");
	free(answer.body);
	return answer.status;
}

/* What is reported of method: "status", or "status: why" where it failed. */
static const char *reported(const char *method)
{
	json_t *report = work_report(w), *of = json_object_get(report, method),
	       *error = json_object_get(of, "error");
	const char *status = json_string_value(json_object_get(of, "status"));
	const char *why = json_string_value(json_object_get(error, "message"));

	snprintf(said, sizeof said, "%s%s%s",
	         status != NULL   ? status
	         : report == NULL ? "none"
	                          : "-",
	         why != NULL ? ": " : "", why != NULL ? why : "");
	json_decref(report);
	return said;
}

static void child_ends(void)
{
	siginfo_t info;

	ck_assert_int_eq(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
	work_reap(w);
}

START_TEST(test_a_call_without_a_command_is_played_and_repeated_calls_are_answered_only)
{
	start();
	ck_assert(work_take_news(w));
	ck_assert(!work_take_news(w));
	ck_assert_int_eq(call("fly", ""), 404);
	ck_assert_int_eq(call("reboot", "{\"attemptId\":\"a1\"}"), 200);
	ck_assert_ptr_nonnull(strstr(said, "\"repeated\":false"));
	ck_assert_int_eq(call("reboot", "{\"attemptId\":\"a1\"}"), 200);
	ck_assert_ptr_nonnull(strstr(said, "\"repeated\":true"));
	ck_assert_int_eq(call("reboot", "{\"attemptId\":\"a2\"}"), 409);
	ck_assert_ptr_nonnull(strstr(said, "busy: reboot a1 is under way"));
	ck_assert(work_is_to_begin(w));
	ck_assert_int_eq(work_turn(w, false), now_ms + 10000); /* its report goes first */
	ck_assert(work_is_to_begin(w));
	ck_assert_int_eq(work_turn(w, true), now_ms + 2000);
	ck_assert(!work_is_to_begin(w));
	ck_assert_int_eq(work_away_until_ms(w), now_ms + 2000);
	ck_assert_str_eq(reported("reboot"), "started");
	ck_assert_int_eq(call("reboot", "{\"attemptId\":\"a2\"}"), 409); /* nor while it acts */
	now_ms += 2000;
	work_turn(w, true);
	ck_assert_str_eq(reported("reboot"), "complete");
	ck_assert_int_eq(strncmp(work_boot_id(w), "pretended-", 10), 0);
	ck_assert_int_eq(call("reboot", "{\"attemptId\":\"a1\"}"), 200);
	ck_assert_ptr_nonnull(strstr(said, "\"state\":\"done\",\"repeated\":true"));
	start(); /* which is no boot */
	ck_assert_int_eq(strncmp(work_boot_id(w), "pretended-", 10), 0);
	ck_assert_int_eq(call("reboot", "{\"attemptId\":\"a1\"}"), 200);
	ck_assert_ptr_nonnull(strstr(said, "\"state\":\"done\",\"repeated\":true"));
	ck_assert(!work_is_to_begin(w));
}
END_TEST

START_TEST(test_a_command_that_ends_without_a_restart_fails_when_its_time_is_up)
{
	o.commands[ACT_REBOOT] = command_split("true");
	start();
	ck_assert_int_eq(call("reboot", "{\"attemptId\":\"a1\"}"), 200);
	now_ms += 10000; /* also where nobody knows of it */
	work_turn(w, false);
	child_ends();
	ck_assert_int_eq(work_turn(w, true), now_ms + 600000);
	ck_assert_str_eq(reported("reboot"), "started");
	now_ms += 600000;
	work_turn(w, true);
	ck_assert_str_eq(reported("reboot"), "failed: no restart followed");
}
END_TEST

START_TEST(test_a_restart_that_follows_completes_what_caused_it)
{
	o.commands[ACT_REBOOT] = command_split("true");
	start();
	ck_assert_int_eq(call("reboot", "{\"attemptId\":\"a1\"}"), 200);
	work_turn(w, true);
	start(); /* of the agent alone: it goes on waiting */
	ck_assert_str_eq(reported("reboot"), "started");
	work_turn(w, true);
	put(boot_file, "boot-2\n");
	now_ms = 5000;
	start();
	ck_assert_str_eq(reported("reboot"), "complete");
	ck_assert_str_eq(work_boot_id(w), "boot-2");
	child_ends(); /* of before: it is nobody's */
}
END_TEST

START_TEST(test_a_command_that_fails_or_is_not_there_fails_the_action)
{
	o.commands[ACT_REBOOT] = command_split("false");
	o.commands[ACT_FACTORY_RESET] = command_split("/nowhere/at/all");
	start();
	ck_assert_int_eq(call("reboot", "{\"attemptId\":\"a1\"}"), 200);
	work_turn(w, true);
	child_ends();
	ck_assert_int_eq(strncmp(reported("reboot"), "failed: ", 8), 0);
	ck_assert_int_eq(call("factoryReset", ""), 200);
	work_turn(w, true);
	ck_assert_str_eq(reported("factoryReset"), "failed: its command cannot be run");
	command_free(o.commands[ACT_REBOOT]);
	o.commands[ACT_REBOOT] = command_split("sh -c 'kill -9 $$'");
	child_ends(); /* what could not become the program */
	ck_assert_int_eq(call("reboot", "{\"attemptId\":\"a2\"}"), 200);
	work_turn(w, true);
	child_ends();
	ck_assert_int_eq(strncmp(reported("reboot"), "failed: ", 8), 0);
}
END_TEST

#define UPDATE "{\"attemptId\":\"%s\",\"fwPackageUri\":\"https://x/y\",\"fwVersion\":\"2\"}"

static void update(const char *id)
{
	char payload[160];

	snprintf(payload, sizeof payload, UPDATE, id);
	ck_assert_int_eq(call("firmwareUpdate", payload), 200);
	work_turn(w, true);
	child_ends();
	work_turn(w, true); /* the check */
	child_ends();
}

START_TEST(test_an_update_is_done_when_its_check_says_so)
{
	o.commands[ACT_FIRMWARE_UPDATE] = command_split("true");
	o.ends_by_exit[ACT_FIRMWARE_UPDATE] = true;
	o.check_firmware = command_split("true");
	put(version_file, "2\n");
	start();
	update("a1");
	ck_assert_str_eq(reported("firmwareUpdate"), "applyComplete");
	command_free(o.check_firmware);
	o.check_firmware = command_split("false");
	update("a2");
	ck_assert_int_eq(strncmp(reported("firmwareUpdate"), "applyFailed: ", 13), 0);
	command_free(o.commands[ACT_FIRMWARE_UPDATE]);
	o.commands[ACT_FIRMWARE_UPDATE] = NULL; /* played, and not checked */
	ck_assert_int_eq(call("firmwareUpdate", "{\"fwPackageUri\":\"https://x/y\"}"), 200);
	work_turn(w, true);
	now_ms += 2000;
	work_turn(w, true);
	ck_assert_str_eq(reported("firmwareUpdate"), "applyComplete");
	ck_assert_str_eq(work_boot_id(w), "boot-1");
}
END_TEST

START_TEST(test_without_a_disk_nothing_is_taken_and_nothing_begins)
{
	char away[64];

	snprintf(away, sizeof away, "%s.away", folder);
	start();
	ck_assert_int_eq(rename(folder, away), 0);
	ck_assert_int_eq(call("reboot", "{\"attemptId\":\"a1\"}"), 500);
	ck_assert_ptr_nonnull(strstr(said, "cannot remember"));
	ck_assert_int_eq(rename(away, folder), 0);
	ck_assert_int_eq(call("reboot", "{\"attemptId\":\"a2\"}"), 200);
	ck_assert_int_eq(rename(folder, away), 0);
	ck_assert_int_eq(work_turn(w, true), now_ms + 10000);
	ck_assert(work_is_to_begin(w)); /* and is tried again */
	now_ms += 10000;
	ck_assert_int_eq(rename(away, folder), 0);
	work_turn(w, true);
	ck_assert(!work_is_to_begin(w));
	ck_assert_int_eq(rename(folder, away), 0);
	now_ms += 2000;
	work_turn(w, true); /* done, but that is not on disk */
	ck_assert_str_eq(reported("reboot"), "none");
	ck_assert_int_eq(call("reboot", "{\"attemptId\":\"a3\"}"), 500);
	ck_assert_int_eq(rename(away, folder), 0);
	now_ms += 5000;
	work_turn(w, true);
	ck_assert_str_eq(reported("reboot"), "complete");
}
END_TEST

START_TEST(test_what_could_not_begin_for_long_is_dropped)
{
	char away[64];

	snprintf(away, sizeof away, "%s.away", folder);
	start();
	ck_assert_int_eq(call("reboot", "{\"attemptId\":\"a1\"}"), 200);
	ck_assert_int_eq(rename(folder, away), 0);
	now_ms += 3600000;
	work_turn(w, true);
	ck_assert_int_eq(rename(away, folder), 0);
	now_ms += 5000;
	work_turn(w, true);
	ck_assert_str_eq(reported("reboot"), "failed: the agent cannot remember that it begins");
}
END_TEST

START_TEST(test_a_call_of_which_nobody_knows_whether_it_is_on_disk_is_not_answered)
{
	start();
	syncs_left = 1;
	ck_assert_int_eq(call("reboot", "{\"attemptId\":\"a1\"}"), 0);
	syncs_left = -1;
	ck_assert(!work_is_to_begin(w));
	ck_assert_str_eq(reported("reboot"), "none"); /* before memory and disk agree */
	now_ms += 5000;
	work_turn(w, true);
	ck_assert_str_eq(reported("reboot"), "-"); /* it is off the disk again */
	start();
	ck_assert(!work_is_to_begin(w));
	ck_assert_int_eq(call("reboot", "{\"attemptId\":\"a1\"}"), 200);
}
END_TEST

START_TEST(test_what_may_not_be_remembered_does_not_begin)
{
	o.commands[ACT_REBOOT] = command_split("true");
	start();
	ck_assert_int_eq(call("reboot", "{\"attemptId\":\"a1\"}"), 200);
	syncs_left = 1; /* of the file; its folder is not synced */
	work_turn(w, true);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* nothing was started */
	syncs_left = -1;
	now_ms += 5000;
	work_turn(w, true);
	ck_assert_str_eq(reported("reboot"), "failed: the agent cannot remember that it begins");
}
END_TEST

START_TEST(test_a_call_that_can_no_longer_be_read_is_failed_and_not_guessed)
{
	json_t *state;

	start();
	ck_assert_int_eq(call("reboot", "{\"attemptId\":\"a1\"}"), 200);
	state = json_load_file(state_file, 0, NULL);
	json_object_set_new(json_array_get(json_object_get(state, "acts"), 0), "payload", json_string("{"));
	ck_assert_int_eq(json_dump_file(state, state_file, 0), 0);
	json_decref(state);
	start();
	ck_assert(!work_is_to_begin(w));
	ck_assert_int_eq(strncmp(reported("reboot"), "failed: ", 8), 0);
}
END_TEST

START_TEST(test_an_agent_that_cannot_know_does_not_start)
{
	char state[128];

	put(boot_file, "\n");
	ck_assert_ptr_null(work_open(&o));
	put(boot_file, "bo\xc3\xb6t\n");
	ck_assert_ptr_null(work_open(&o));
	put(boot_file, "boot\t1\n");
	ck_assert_ptr_null(work_open(&o));
	put(boot_file, "boot-1\n");
	ck_assert_int_eq(mkdir(state_file, 0700), 0);
	ck_assert_ptr_null(work_open(&o));
	ck_assert_int_eq(rmdir(state_file), 0);
	put(state_file, "{half");
	start(); /* it has forgotten, and says so */
	snprintf(state, sizeof state, "%s.damaged", state_file);
	ck_assert_int_eq(access(state, F_OK), 0);
	ck_assert_str_eq(reported("reboot"), "-");
	work_close(NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("agent work");
	TCase *c = tcase_create("work");

	tcase_add_checked_fixture(c, set_up, tear_down);
	tcase_add_test(c, test_a_call_without_a_command_is_played_and_repeated_calls_are_answered_only);
	tcase_add_test(c, test_a_command_that_ends_without_a_restart_fails_when_its_time_is_up);
	tcase_add_test(c, test_a_restart_that_follows_completes_what_caused_it);
	tcase_add_test(c, test_a_command_that_fails_or_is_not_there_fails_the_action);
	tcase_add_test(c, test_an_update_is_done_when_its_check_says_so);
	tcase_add_test(c, test_without_a_disk_nothing_is_taken_and_nothing_begins);
	tcase_add_test(c, test_what_could_not_begin_for_long_is_dropped);
	tcase_add_test(c, test_a_call_of_which_nobody_knows_whether_it_is_on_disk_is_not_answered);
	tcase_add_test(c, test_what_may_not_be_remembered_does_not_begin);
	tcase_add_test(c, test_a_call_that_can_no_longer_be_read_is_failed_and_not_guessed);
	tcase_add_test(c, test_an_agent_that_cannot_know_does_not_start);
	suite_add_tcase(s, c);
	return suite_run(s);
}
