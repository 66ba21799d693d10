/* tests: deploy/agent/options: what can be said, in which places, and what is refused of it. */
#include "tests/lib/suite.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/agent/options.h"

#define CONNECTION "HostName=h.net;DeviceId=d;SharedAccessKey=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define X509 "HostName=h.net;DeviceId=d;x509=true"

static char words[12][256]; /* of the command line, which is written to */
static char *argv[13];
static int argc;

static void argue(const char *word)
{
	snprintf(words[argc], sizeof *words, "%s", word);
	argv[argc] = words[argc];
	argc++;
	argv[argc] = NULL;
}

static void set_up(void)
{
	argc = 0;
	argue("rollcall-agent");
	argue("--connection-string");
	argue(CONNECTION);
	for (char **name = environ; *name != NULL;)
		if (strncmp(*name, "ROLLCALL_", 9) == 0) {
			char variable[64];

			snprintf(variable, sizeof variable, "%.*s", (int)strcspn(*name, "="), *name);
			unsetenv(variable);
		} else {
			name++;
		}
}

static enum options_end read_them(struct options *ret)
{
	optind = 0; /* from the start again */
	return options_read(argc, argv, ret);
}

/* With these two words it is refused; what it says of that names what. */
static void ck_wrong(const char *option, const char *value, const char *what)
{
	FILE *real_err = stderr;
	char *said;
	size_t n;
	struct options o;
	enum options_end end;

	set_up();
	argue(option);
	if (value != NULL)
		argue(value);
	stderr = open_memstream(&said, &n);
	end = read_them(&o);
	fclose(stderr);
	stderr = real_err;
	ck_assert_msg(end == OPTIONS_WRONG, "%s %s", option, value);
	ck_assert_msg(strstr(said, what) != NULL, "%s", said);
	free(said);
}

START_TEST(test_what_is_not_said_has_its_preset)
{
	struct options o;

	ck_assert_int_eq(read_them(&o), OPTIONS_GOOD);
	ck_assert_str_eq(o.address, "h.net");
	ck_assert_int_eq(o.port, 8883);
	ck_assert(!o.is_plain);
	ck_assert_ptr_null(o.commands[ACT_REBOOT]);
	ck_assert(!o.ends_by_exit[ACT_FACTORY_RESET]);
	ck_assert(o.ends_by_exit[ACT_FIRMWARE_UPDATE]);
	ck_assert_int_eq(o.restart_timeout_s, 600);
	ck_assert_int_eq(o.keepalive_s, 240);
	ck_assert_str_eq(words[2], ""); /* a secret does not stay where others see it */
	options_done(&o);
}
END_TEST

START_TEST(test_the_command_line_is_stronger_than_the_environment)
{
	struct options o;

	setenv("ROLLCALL_AGENT_KEEPALIVE", "60", 1);
	setenv("ROLLCALL_AGENT_TOKEN_SECONDS", "100", 1);
	setenv("ROLLCALL_AGENT_RESTART_TIMEOUT", "", 1);
	setenv("ROLLCALL_AGENT_ON_REBOOT", "systemctl reboot", 1);
	setenv("ROLLCALL_AGENT_CHECK_FIRMWARE", "true", 1);
	argue("--keepalive=30");
	argue("--plaintext=yes");
	argue("--endpoint=127.0.0.2");
	argue("--factory-reset-ends=exit");
	ck_assert_int_eq(read_them(&o), OPTIONS_GOOD);
	ck_assert_int_eq(o.keepalive_s, 30);
	ck_assert_int_eq(o.token_s, 100);
	ck_assert_int_eq(o.restart_timeout_s, 600);
	ck_assert_str_eq(o.commands[ACT_REBOOT][1], "reboot");
	ck_assert_str_eq(o.check_firmware[0], "true");
	ck_assert(o.is_plain && o.ends_by_exit[ACT_FACTORY_RESET]);
	ck_assert_str_eq(o.address, "127.0.0.2");
	ck_assert_int_eq(o.port, 1883);
	options_done(&o);
	argue("--endpoint=localhost:5");
	ck_assert_int_eq(read_them(&o), OPTIONS_WRONG); /* its connection string was read, and overwritten */
	set_up();
	argue("--plaintext=yes");
	argue("--endpoint=localhost:5");
	ck_assert_int_eq(read_them(&o), OPTIONS_GOOD);
	ck_assert_int_eq(o.port, 5);
	options_done(&o);
}
END_TEST

START_TEST(test_a_connection_string_may_be_in_a_file)
{
	struct options o;
	char path[] = "/tmp/rollcall-agent-XXXXXX", option[64], blanks[4097];
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_gt(write(fd, " \n" CONNECTION "\n\n", strlen(CONNECTION) + 4), 0);
	argc = 1;
	snprintf(option, sizeof option, "--connection-string-file=%s", path);
	argue(option);
	ck_assert_int_eq(read_them(&o), OPTIONS_GOOD);
	ck_assert_str_eq(o.connection.device_id, "d");
	options_done(&o);
	argc = 1;
	argue("--connection-string-file=/nowhere/at/all");
	ck_assert_int_eq(read_them(&o), OPTIONS_WRONG);
	argc = 1;
	argue("--connection-string-file=/");
	ck_assert_int_eq(read_them(&o), OPTIONS_WRONG);
	memset(blanks, ' ', sizeof blanks);
	ck_assert_int_eq(write(fd, blanks, sizeof blanks), sizeof blanks);
	argc = 1;
	argue(option);
	ck_assert_int_eq(read_them(&o), OPTIONS_WRONG); /* too long */
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	ck_assert_int_eq(read_them(&o), OPTIONS_WRONG); /* empty */
	close(fd);
	unlink(path);
	argc = 1;
	argv[1] = NULL;
	ck_assert_int_eq(read_them(&o), OPTIONS_WRONG); /* none at all */
}
END_TEST

START_TEST(test_a_certificate_goes_with_its_key_and_with_x509)
{
	struct options o;

	argc = 2;
	argue(X509);
	argue("--cert-file=c");
	argue("--key-file=k");
	ck_assert_int_eq(read_them(&o), OPTIONS_GOOD);
	ck_assert_str_eq(o.cert_file, "c");
	ck_assert_ptr_null(o.connection.key);
	options_done(&o);
	for (int with_cert = 0; with_cert < 2; with_cert++) {
		argc = 1;
		argue("--connection-string=" X509);
		argue(with_cert ? "--cert-file=c" : "--key-file=k");
		ck_assert_int_eq(read_them(&o), OPTIONS_WRONG);
	}
	ck_wrong("--cert-file", "c", "does not say x509=true");
	ck_wrong("--key-file", "k", "does not say x509=true");
}
END_TEST

START_TEST(test_what_makes_no_sense_is_named)
{
	ck_wrong("--keepalive", "9", "--keepalive: has to be a whole number from 10 to 1177");
	ck_wrong("--keepalive", "1178", "--keepalive");
	ck_wrong("--keepalive", "60s", "--keepalive");
	ck_wrong("--keepalive", "-60", "--keepalive");
	ck_wrong("--keepalive", "x", "--keepalive");
	ck_wrong("--keepalive", "", "--keepalive");
	ck_wrong("--plaintext", "perhaps", "--plaintext: is neither of its two values");
	ck_wrong("--plaintext", "yes", "--plaintext: only to a loopback address");
	ck_wrong("--firmware-update-ends", "never", "--firmware-update-ends");
	ck_wrong("--on-reboot", "'", "--on-reboot: is no command");
	ck_wrong("--on-reboot", " ", "--on-reboot: is no command");
	ck_wrong("--endpoint", "h:x", "--endpoint: is no HOST[:PORT]");
	ck_wrong("--connection-string", "HostName=h", "--connection-string");
	ck_wrong("--fly", NULL, "fly");
	ck_wrong("reboot", NULL, "reboot: is no option");
}
END_TEST

START_TEST(test_help_tells_every_option)
{
	FILE *real_out = stdout;
	char *said;
	size_t n;
	struct options o;
	enum options_end end;

	argue("--help");
	stdout = open_memstream(&said, &n);
	end = read_them(&o);
	fclose(stdout);
	stdout = real_out;
	ck_assert_int_eq(end, OPTIONS_HELP);
	ck_assert_ptr_nonnull(strstr(said, "--on-reboot COMMAND\n"));
	ck_assert_ptr_nonnull(strstr(said, "--help\n"));
	free(said);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("agent options");

	suite_add_with(s, "options", set_up,
	               (const TTest *const[]){test_what_is_not_said_has_its_preset,
	                                      test_the_command_line_is_stronger_than_the_environment,
	                                      test_a_connection_string_may_be_in_a_file,
	                                      test_a_certificate_goes_with_its_key_and_with_x509,
	                                      test_what_makes_no_sense_is_named, test_help_tells_every_option,
	                                      NULL});
	return suite_run(s);
}
