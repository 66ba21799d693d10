/* tests: deploy/agent/command, options */
#include "tests/lib/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "deploy/agent/command.h"
#include "deploy/agent/options.h"

#define CONNECTION "HostName=h;DeviceId=d;SharedAccessKey=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

/* --- memory that is out --- */

static int allocations_left = -1; /* -1: there is enough */

static bool is_out(void)
{
	if (allocations_left < 0)
		return false;
	errno = ENOMEM;
	return allocations_left-- == 0;
}

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_malloc(size_t n)
{
	return is_out() ? NULL : __real_malloc(n);
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
	return is_out() ? NULL : __real_calloc(n, size);
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
char *__wrap_strdup(const char *text)
{
	return is_out() ? NULL : __real_strdup(text);
}

__attribute__((format(printf, 2, 3))) int __wrap_asprintf(char **ret, const char *format, ...);
int __wrap_asprintf(char **ret, const char *format, ...)
{
	va_list args;
	int n;

	if (is_out())
		return -1;
	va_start(args, format);
	n = vasprintf(ret, format, args);
	va_end(args);
	return n;
}

/* --- commands --- */

/* Words as [a][b]. */
static void assert_split(const char *line, const char *wanted)
{
	char **words = command_split(line), text[200] = "";

	for (size_t i = 0; words != NULL && words[i] != NULL; i++) {
		size_t n = strlen(text);

		snprintf(text + n, sizeof text - n, "[%s]", words[i]);
	}
	ck_assert_msg(strcmp(text, wanted) == 0, "%s: %s", line, text);
	command_free(words);
}

START_TEST(test_a_command_is_split_at_white_space_and_quotes_keep_it)
{
	assert_split("systemctl reboot", "[systemctl][reboot]");
	assert_split("  a\t'b c'\"d e\" '' \n", "[a][b cd e][]");
	assert_split("sh -c 'x \"$A\"; y'", "[sh][-c][x \"$A\"; y]");
	assert_split("a$b `c` \\", "[a$b][`c`][\\]");
	assert_split("", "");
	assert_split("  ", "");
	assert_split("''", "");
	assert_split("a 'b", "");
}
END_TEST

static int run(char *const *words, const struct request *r)
{
	pid_t pid = command_start(words, r);
	int status;

	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

START_TEST(test_what_was_called_is_in_the_environment_and_no_shell_reads_it)
{
	struct request r = {.type = ACT_FIRMWARE_UPDATE,
	                    .attempt_id = "c1'$(exit 9)",
	                    .payload = (char[]){"{}"},
	                    .package_uri = (char[]){"https://h/;exit${IFS}9"}};
	char script[] =
	        "test \"$ROLLCALL_METHOD\" = firmwareUpdate || exit 1\n"
	        "test \"$ROLLCALL_ATTEMPT_ID\" = \"c1'\"'$(exit 9)' || exit 2\n"
	        "test \"$ROLLCALL_PACKAGE_URI\" = 'https://h/;exit${IFS}9' || exit 3\n"
	        "test -z \"${ROLLCALL_PACKAGE_VERSION+x}${ROLLCALL_AGENT_CONNECTION_STRING+x}\" || exit 4\n"
	        "test \"$ROLLCALL_PAYLOAD\" = '{}' || exit 5\n"
	        "test \"$KEPT\" = yes || exit 6\n"
	        "exit 7\n";
	char *words[] = {(char[]){"sh"}, (char[]){"-c"}, script, NULL};

	setenv("ROLLCALL_AGENT_CONNECTION_STRING", "secret", 1);
	setenv("ROLLCALL_PACKAGE_VERSION", "of an earlier one", 1);
	setenv("KEPT", "yes", 1);
	ck_assert_int_eq(run(words, &r), 7);
}
END_TEST

START_TEST(test_a_command_has_no_file_open_but_its_output)
{
	struct request r = {.type = ACT_REBOOT, .payload = (char[]){"null"}};
	char script[] = "for fd in $(seq 3 30); do test ! -e /proc/$$/fd/$fd || exit 1; done";
	char *words[] = {(char[]){"sh"}, (char[]){"-c"}, script, NULL};
	int fd = open("/dev/zero", O_RDONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(run(words, &r), 0);
	close(fd);
}
END_TEST

START_TEST(test_a_command_that_is_not_there_is_not_started)
{
	struct request r = {.type = ACT_REBOOT, .payload = (char[]){"null"}};
	char *words[] = {(char[]){"no-such-program-here"}, NULL};
	int status;

	ck_assert_int_eq(command_start(words, &r), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_gt(wait(&status), 0);
}
END_TEST

START_TEST(test_a_command_for_which_no_file_is_left_is_not_started)
{
	struct request r = {.type = ACT_REBOOT, .payload = (char[]){"null"}};
	char *words[] = {(char[]){"true"}, NULL};
	struct rlimit limit, few;
	pid_t pid;
	int error;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = (struct rlimit){3, limit.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	pid = command_start(words, &r);
	error = errno;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(pid, -1);
	ck_assert_int_eq(error, EMFILE);
}
END_TEST

START_TEST(test_a_command_without_memory_is_not_started)
{
	struct request r = {.type = ACT_FIRMWARE_UPDATE,
	                    .attempt_id = "c1",
	                    .payload = (char[]){"{}"},
	                    .package_uri = (char[]){"u"},
	                    .package_version = (char[]){"v"},
	                    .package_check = (char[]){"c"}};
	char **words = command_split("true"), **none;
	int n, status;
	pid_t pid;

	for (n = 0;; n++) {
		allocations_left = n;
		none = command_split("a b");
		allocations_left = -1;
		command_free(none);
		if (none != NULL)
			break;
	}
	ck_assert_int_eq(n, 3);
	setenv("KEPT", "yes", 1);
	for (n = 0;; n++) {
		allocations_left = n;
		errno = 0;
		pid = command_start(words, &r);
		allocations_left = -1;
		if (pid > 0)
			break;
		ck_assert_int_eq(errno, ENOMEM);
	}
	ck_assert_int_gt(n, 7); /* a list, what it has of its own, and six of the call's */
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(waitpid(-1, &status, WNOHANG), -1); /* there was no other */
	command_free(words);
}
END_TEST

static enum options_end read_options(struct options *o, const char *const *args, int n)
{
	char *argv[16] = {(char[]){"rollcall-agent"}};
	enum options_end end;

	for (int i = 0; i < n; i++)
		argv[i + 1] = strdup(args[i]);
	optind = 0; /* getopt starts anew */
	end = options_read(n + 1, argv, o);
	for (int i = 0; i < n; i++) {
		ck_assert_ptr_null(strstr(argv[i + 1], "SharedAccessKey"));
		free(argv[i + 1]);
	}
	return end;
}

#define READ(o, ...) \
	read_options(o, (const char *const[]){__VA_ARGS__}, \
	             (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)))

START_TEST(test_a_connection_string_comes_by_option_file_or_environment_and_leaves_the_command_line)
{
	char path[] = "/tmp/agent-options-XXXXXX";
	struct options o;
	int fd = mkstemp(path);

	unsetenv("ROLLCALL_AGENT_CONNECTION_STRING");
	ck_assert_int_eq(READ(&o, "--keepalive", "60"), OPTIONS_WRONG);
	ck_assert_int_eq(READ(&o, "--connection-string", CONNECTION), OPTIONS_GOOD);
	ck_assert_str_eq(o.address, "h");
	ck_assert_int_eq(o.port, 8883);
	options_done(&o);
	ck_assert_int_eq(READ(&o, "--connection-string=" CONNECTION), OPTIONS_GOOD);
	options_done(&o);
	ck_assert_int_eq(write(fd, CONNECTION "\n", sizeof CONNECTION), sizeof CONNECTION);
	ck_assert_int_eq(READ(&o, "--connection-string-file", path, "--endpoint", "e:1"), OPTIONS_GOOD);
	ck_assert_str_eq(o.address, "e");
	ck_assert_int_eq(o.port, 1);
	options_done(&o);
	setenv("ROLLCALL_AGENT_CONNECTION_STRING", CONNECTION ";GatewayHostName=g", 1);
	setenv("ROLLCALL_AGENT_ON_REBOOT", "systemctl reboot", 1);
	ck_assert_int_eq(READ(&o, "--firmware-update-ends", "boot"), OPTIONS_GOOD);
	ck_assert_str_eq(o.address, "g");
	ck_assert_str_eq(o.commands[ACT_REBOOT][1], "reboot");
	ck_assert(!o.ends_by_exit[ACT_FIRMWARE_UPDATE] && !o.ends_by_exit[ACT_FACTORY_RESET]);
	options_done(&o);
	close(fd);
	unlink(path);
}
END_TEST

START_TEST(test_what_is_wrong_on_the_command_line_ends_the_start)
{
	struct options o;

	setenv("ROLLCALL_AGENT_CONNECTION_STRING", CONNECTION, 1);
	unsetenv("ROLLCALL_AGENT_ON_REBOOT");
	ck_assert_int_eq(READ(&o, "--keepalive", "9"), OPTIONS_WRONG);
	ck_assert_int_eq(READ(&o, "--keepalive", "60x"), OPTIONS_WRONG);
	ck_assert_int_eq(READ(&o, "--plaintext", "yes"), OPTIONS_WRONG);
	ck_assert_int_eq(READ(&o, "--plaintext", "maybe"), OPTIONS_WRONG);
	ck_assert_int_eq(READ(&o, "--on-reboot", "sh -c 'x"), OPTIONS_WRONG);
	ck_assert_int_eq(READ(&o, "--cert-file", "c", "--key-file", "k"), OPTIONS_WRONG);
	ck_assert_int_eq(READ(&o, "--factory-reset-ends", "never"), OPTIONS_WRONG);
	ck_assert_int_eq(READ(&o, "--no-such"), OPTIONS_WRONG);
	ck_assert_int_eq(READ(&o, "word"), OPTIONS_WRONG);
	ck_assert_int_eq(READ(&o, "--connection-string-file", "/no/such"), OPTIONS_GOOD); /* the text wins */
	options_done(&o);
	ck_assert_int_eq(READ(&o, "--plaintext", "yes", "--endpoint", "127.0.0.1"), OPTIONS_GOOD);
	ck_assert_int_eq(o.port, 1883);
	options_done(&o);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("agent-command");

	TESTS(s, "command", test_a_command_is_split_at_white_space_and_quotes_keep_it,
	      test_what_was_called_is_in_the_environment_and_no_shell_reads_it,
	      test_a_command_has_no_file_open_but_its_output, test_a_command_that_is_not_there_is_not_started,
	      test_a_command_for_which_no_file_is_left_is_not_started,
	      test_a_command_without_memory_is_not_started);
	TESTS(s, "options",
	      test_a_connection_string_comes_by_option_file_or_environment_and_leaves_the_command_line,
	      test_what_is_wrong_on_the_command_line_ends_the_start);
	return suite_run(s);
}
