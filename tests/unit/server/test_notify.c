/* tests: server/notify. */
#include "tests/lib/suite.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/notify.h"

static int manager;

/* A manager's socket of a name of this process's own; abstract, so that nothing is left behind. */
static void listen_for(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char name[64];
	int n = snprintf(name, sizeof name, "@rollcall-test-%d", (int)getpid());

	memcpy(address.sun_path, name, (size_t)n);
	address.sun_path[0] = '\0';
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(manager, (struct sockaddr *)&address,
	                      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)),
	                 0);
	setenv("NOTIFY_SOCKET", name, 1);
}

START_TEST(test_a_state_reaches_the_manager)
{
	char heard[64] = "";

	listen_for();
	notify("READY=1");
	ck_assert_int_eq(recv(manager, heard, sizeof heard, MSG_DONTWAIT), 7);
	ck_assert_str_eq(heard, "READY=1");
	close(manager);
}
END_TEST

START_TEST(test_without_a_manager_nothing_happens)
{
	static const char *const sockets[] = {"", "x", "relative/path", "/nonexistent/socket",
	                                      "@nobody-listens-here"};

	unsetenv("NOTIFY_SOCKET");
	notify("READY=1");
	for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++) {
		setenv("NOTIFY_SOCKET", sockets[i], 1);
		notify("READY=1");
	}
}
END_TEST

START_TEST(test_the_watchdog_is_fed_twice_as_often_as_it_asks_for)
{
	char pid[24];

	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
	ck_assert_int_eq(notify_watchdog_ms(), 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	ck_assert_int_eq(notify_watchdog_ms(), 15000);
	setenv("WATCHDOG_PID", "1", 1);
	ck_assert_int_eq(notify_watchdog_ms(), 0);
	snprintf(pid, sizeof pid, "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	ck_assert_int_eq(notify_watchdog_ms(), 15000);
	setenv("WATCHDOG_USEC", "-5", 1);
	ck_assert_int_eq(notify_watchdog_ms(), 0);
}
END_TEST

START_TEST(test_a_socket_is_taken_where_it_is_for_this_process_and_the_only_one)
{
	char pid[24];

	snprintf(pid, sizeof pid, "%d", (int)getpid());
	unsetenv("LISTEN_FDS");
	setenv("LISTEN_PID", pid, 1);
	ck_assert_int_eq(notify_socket(), 0);
	setenv("LISTEN_FDS", "1", 1);
	ck_assert_int_eq(dup2(STDERR_FILENO, 3), 3);
	ck_assert_int_eq(notify_socket(), 3);
	ck_assert_int_eq(fcntl(3, F_GETFD), FD_CLOEXEC);
	close(3);
	ck_assert_int_eq(notify_socket(), -1);
	setenv("LISTEN_FDS", "2", 1);
	ck_assert_int_eq(notify_socket(), -1);
	setenv("LISTEN_PID", "1", 1);
	ck_assert_int_eq(notify_socket(), 0);
	unsetenv("LISTEN_PID");
	ck_assert_int_eq(notify_socket(), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("notify");

	TESTS(s, "notify", test_a_state_reaches_the_manager, test_without_a_manager_nothing_happens,
	      test_the_watchdog_is_fed_twice_as_often_as_it_asks_for,
	      test_a_socket_is_taken_where_it_is_for_this_process_and_the_only_one);
	return suite_run(s);
}
