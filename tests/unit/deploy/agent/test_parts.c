/* tests: deploy/agent/backoff, connection, log, sas, topic */
#include "tests/lib/suite.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deploy/agent/backoff.h"
#include "deploy/agent/connection.h"
#include "deploy/agent/log.h"
#include "deploy/agent/sas.h"
#include "deploy/agent/topic.h"

#define SIXTY_FOUR "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" /* contract 1.2: bytes 00 … 1f */

START_TEST(test_a_signature_is_that_of_the_contracts_vector)
{
	char *token = sas_token("myhub.azure-devices.net", "dev-1", KEY, 1893456000);

	ck_assert_str_eq(token, "SharedAccessSignature sr=myhub.azure-devices.net%2Fdevices%2Fdev-1"
	                        "&sig=xGx18r8CP%2FGty2onrPdoP%2FXp6ZZ6Kkd1JKx602k4MeM%3D&se=1893456000");
	free(token);
	token = sas_token("localhost:8884", "a(1)", KEY, 5);
	ck_assert_ptr_nonnull(strstr(token, "sr=localhost%3A8884%2Fdevices%2Fa%281%29&"));
	free(token);
	ck_assert_ptr_null(sas_token("h", "d", "AAE", 5));
	ck_assert(sas_key_is_sound("AA=="));
	ck_assert(!sas_key_is_sound(""));
	ck_assert(!sas_key_is_sound("A==="));
	ck_assert(!sas_key_is_sound("A=A="));
	ck_assert(!sas_key_is_sound("AA A"));
	ck_assert(!sas_key_is_sound(KEY KEY));
	ck_assert(!sas_key_is_sound(
	        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"));
}
END_TEST

START_TEST(test_a_wait_doubles_up_to_the_most_and_is_drawn_from_its_upper_half)
{
	static const int64_t whole[] = {1000, 2000, 4000, 8000, 10000, 10000};

	for (unsigned i = 0; i < sizeof whole / sizeof *whole; i++) {
		ck_assert_int_eq(backoff_ms(i + 1, 1000, 10000, 0), whole[i] / 2);
		ck_assert_int_eq(backoff_ms(i + 1, 1000, 10000, (uint64_t)whole[i] / 2), whole[i]);
		ck_assert_int_le(backoff_ms(i + 1, 1000, 10000, UINT64_MAX), whole[i]);
	}
	ck_assert_int_eq(backoff_ms(UINT32_MAX, 1000, 10000, 0), 5000);
	ck_assert_int_eq(backoff_ms(1, 1, 1, 7), 1);
}
END_TEST

START_TEST(test_a_connection_string_is_read)
{
	struct connection c;
	char why[160];

	ck_assert(connection_read("HostName=h.net;DeviceId=d=1;SharedAccessKey=" KEY, &c, why, sizeof why));
	ck_assert_str_eq(c.host, "h.net");
	ck_assert_str_eq(c.device_id, "d=1");
	ck_assert_str_eq(c.key, KEY);
	ck_assert_ptr_null(c.gateway);
	connection_done(&c);
	ck_assert(connection_read("x509=true;;DeviceId=d;HostName=h:8884;GatewayHostName=g;", &c, why,
	                          sizeof why));
	ck_assert_ptr_null(c.key);
	ck_assert_str_eq(c.gateway, "g");
	connection_done(&c);
}
END_TEST

START_TEST(test_a_connection_string_that_is_wrong_is_refused_without_its_secrets)
{
	static const char *const cases[][2] = {
	        {"", "HostName is missing"},
	        {"HostName=h;SharedAccessKey=" KEY, "DeviceId is missing"},
	        {"HostName=h;DeviceId=d", "one of SharedAccessKey and x509"},
	        {"HostName=h;DeviceId=d;SharedAccessKey=" KEY ";x509=true",
	         "one of SharedAccessKey and x509"},
	        {"HostName=h;DeviceId=d;x509=false", "x509 can only be true"},
	        {"HostName=h;DeviceId=d;SharedAccessKey=secret", "is not base64"},
	        {"HostName=h;DeviceId=d;DeviceId=e;x509=true", "DeviceId is empty, or there twice"},
	        {"HostName=;DeviceId=d;x509=true", "HostName is empty"},
	        {"HostName=h;DeviceId=a/b;x509=true", "what cannot stand there"},
	        {"HostName=h h;DeviceId=d;x509=true", "what cannot stand there"},
	        {"HostName=h;DeviceId=d\x7f;x509=true", "what cannot stand there"},
	        {"HostName=h;DeviceId=" SIXTY_FOUR SIXTY_FOUR "d;x509=true", "what cannot stand there"},
	        {"HostName=h;DeviceId=d;SharedAccessSignature=secret", "cannot be renewed"},
	        {"HostName=h;DeviceId=d;ModuleId=m;x509=true", "modules"},
	        {"hostname=h", "hostname is not known"},
	        {"ModuleIx=secret", "ModuleIx is not known"},
	        {"SharedAccessSignaturx=secret", "SharedAccessSignaturx is not known"},
	        {SIXTY_FOUR "=secret", "connection string: 0123456789abcdef0123456789abcdef01234567 is"},
	        {"secret", "a part without = is not known"},
	};
	struct connection c;
	char why[160];

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ck_assert_msg(!connection_read(cases[i][0], &c, why, sizeof why), "%s", cases[i][0]);
		ck_assert_msg(strstr(why, cases[i][1]) != NULL, "%s: %s", cases[i][0], why);
		ck_assert_ptr_null(strstr(why, "secret"));
	}
}
END_TEST

START_TEST(test_an_address_is_a_host_with_or_without_a_port)
{
	static const struct {
		const char *text, *host;
		int port;
	} good[] = {{"h", "h", 8883},
	            {"h.net:1", "h.net", 1},
	            {"[::1]:65535", "::1", 65535},
	            {"[::1]", "::1", 8883}};
	static const char *const wrong[] = {"",     ":1",   "h:",   "h:0", "h:65536",
	                                    "h:1x", "h:-1", "[::1", "[]",  "[::1]x"};
	char host[32];
	int port;

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		ck_assert(address_read(good[i].text, 8883, host, &port));
		ck_assert_str_eq(host, good[i].host);
		ck_assert_int_eq(port, good[i].port);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		ck_assert_msg(!address_read(wrong[i], 8883, host, &port), "%s", wrong[i]);
}
END_TEST

START_TEST(test_topics_are_taken_apart)
{
	char name[TOPIC_NAME_SIZE], rid[TOPIC_RID_SIZE], longest[400];
	int status = 0;

	ck_assert(topic_read_method("$iothub/methods/POST/reboot/?$rid=a1-b", name, rid));
	ck_assert_str_eq(name, "reboot");
	ck_assert_str_eq(rid, "a1-b");
	ck_assert(topic_read_twin("$iothub/twin/res/204/?$rid=7&$version=12", &status, rid));
	ck_assert_int_eq(status, 204);
	ck_assert_str_eq(rid, "7");
	ck_assert(!topic_read_method("$iothub/methods/POST//?$rid=1", name, rid));
	ck_assert(!topic_read_method("$iothub/methods/POST/reboot", name, rid));
	ck_assert(!topic_read_method("$iothub/methods/POST/reboot/?$rid=", name, rid));
	ck_assert(!topic_read_method("$iothub/twin/res/204/?$rid=7", name, rid));
	ck_assert(!topic_read_twin("$iothub/twin/res//?$rid=7", &status, rid));
	ck_assert(!topic_read_twin("$iothub/twin/res/x/?$rid=7", &status, rid));
	ck_assert(!topic_read_twin("$iothub/twin/req/204/?$rid=7", &status, rid));
	ck_assert(!topic_read_twin("$iothub/twin/res/99999999999999999999/?$rid=7", &status, rid));
	ck_assert(!topic_read_twin("$iothub/twin/res/20x/?$rid=7", &status, rid));
	snprintf(longest, sizeof longest, "$iothub/methods/POST/%0129d/?$rid=1", 1);
	ck_assert(!topic_read_method(longest, name, rid));
	snprintf(longest, sizeof longest, "$iothub/methods/POST/m/?$rid=%0129d", 1);
	ck_assert(!topic_read_method(longest, name, rid));
}
END_TEST

/* What log_line() makes of one line. */
static void assert_logged(enum log_level level, const char *wanted)
{
	char path[] = "/tmp/agent-log-XXXXXX", line[64];
	int fd = mkstemp(path), stderr_fd = dup(STDERR_FILENO);
	ssize_t n;

	ck_assert(fd >= 0 && unlink(path) == 0 && dup2(fd, STDERR_FILENO) >= 0);
	log_line(level, "%s is %d", "x", 7);
	ck_assert(dup2(stderr_fd, STDERR_FILENO) >= 0 && lseek(fd, 0, SEEK_SET) == 0);
	n = read(fd, line, sizeof line - 1);
	ck_assert_int_ge(n, 0);
	line[n] = '\0';
	ck_assert_str_eq(line, wanted);
	close(stderr_fd);
	close(fd);
}

START_TEST(test_a_line_tells_its_level_to_the_journal_or_to_a_reader)
{
	unsetenv("JOURNAL_STREAM");
	assert_logged(LOG_LEVEL_ERROR, "error: x is 7\n");
	assert_logged(LOG_LEVEL_WARNING, "warning: x is 7\n");
	assert_logged(LOG_LEVEL_INFO, "x is 7\n");
	setenv("JOURNAL_STREAM", "8:1", 1);
	assert_logged(LOG_LEVEL_WARNING, "<4>x is 7\n");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("agent-parts");

	TESTS(s, "parts", test_a_signature_is_that_of_the_contracts_vector,
	      test_a_wait_doubles_up_to_the_most_and_is_drawn_from_its_upper_half,
	      test_a_connection_string_is_read,
	      test_a_connection_string_that_is_wrong_is_refused_without_its_secrets,
	      test_an_address_is_a_host_with_or_without_a_port, test_topics_are_taken_apart,
	      test_a_line_tells_its_level_to_the_journal_or_to_a_reader);
	return suite_run(s);
}
