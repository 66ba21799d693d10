/* tests: deploy/agent/agent: when it connects, renews and stays away, on a link and a clock of the test's
 * own: its loop's poll() is where time passes, and a script says what happens when. */
#include "tests/lib/suite.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deploy/agent/agent.h"
#include "deploy/agent/command.h"
#include "deploy/agent/host.h"
#include "deploy/agent/link.h"

#define START_MS 100000

static int64_t now_ms, utc_ahead_ms;

int64_t __wrap_up_ms(void);
int64_t __wrap_up_ms(void)
{
	return now_ms;
}

int64_t __wrap_utc_ms(void);
int64_t __wrap_utc_ms(void)
{
	return INT64_C(1796090400000) + now_ms + utc_ahead_ms;
}

uint64_t __wrap_luck(void);
uint64_t __wrap_luck(void)
{
	return 0; /* so a wait is half of what it is at most */
}

/* --- what is seen --- */

static char seen[4096]; /* "TIME what;" each, time since the start */

__attribute__((format(printf, 1, 2))) static void see(const char *format, ...)
{
	size_t n = strlen(seen);
	va_list args;

	n += (size_t)snprintf(seen + n, sizeof seen - n, "%lld ", (long long)(now_ms - START_MS));
	va_start(args, format);
	n += (size_t)vsnprintf(seen + n, sizeof seen - n, format, args);
	va_end(args);
	ck_assert_uint_lt(n + 2, sizeof seen);
	strcat(seen, ";");
}

/* --- the link --- */

struct link {
	const struct link_handlers *handlers;
	void *arg;
	bool is_open;
	int ends[2]; /* of a pipe into which nobody writes */
} fake;
static bool is_refused, is_twin_silent;
static char rid_asked[16];
static int status_due; /* of the twin's answer, 0: none */

struct link *link_new(const struct link_options *options, const struct link_handlers *handlers, void *arg)
{
	ck_assert_str_eq(options->user_name, "h/d-1/?api-version=2021-04-12");
	fake = (struct link){handlers, arg, false, {-1, -1}};
	ck_assert_int_eq(pipe(fake.ends), 0);
	return &fake;
}

void link_free(struct link *l)
{
	if (l != NULL) {
		close(l->ends[0]);
		close(l->ends[1]);
	}
}

bool link_connect(struct link *l, const char *password, const char **why)
{
	see("connect with %s", password == NULL ? "none" : strstr(password, "&se="));
	*why = "no route";
	l->is_open = !is_refused;
	return l->is_open;
}

void link_close(struct link *l)
{
	if (l->is_open)
		see("close");
	l->is_open = false;
}

int link_fd(const struct link *l)
{
	return l->is_open ? l->ends[0] : -1;
}

short link_events(const struct link *l)
{
	(void)l;
	return POLLIN;
}

void link_answer(struct link *l, const char *rid, int status, const char *body)
{
	(void)l;
	(void)body;
	see("answer %s %d", rid, status);
}

void link_get_twin(struct link *l, const char *rid)
{
	(void)l;
	snprintf(rid_asked, sizeof rid_asked, "%s", rid);
	status_due = 200;
}

void link_report(struct link *l, const char *rid, const char *body)
{
	const char *status = strstr(body, "\"status\":");

	(void)l;
	see("report %.*s", status != NULL ? (int)strcspn(status + 9, ",}") : 4,
	    status != NULL ? status + 9 : "boot");
	snprintf(rid_asked, sizeof rid_asked, "%s", rid);
	status_due = 204;
}

/* --- the script --- */

struct step {
	int64_t at_ms; /* since the start */
	void (*happens)(void);
};
static const struct step *script; /* after the last one it is told to stop */
static bool is_due;
static const char *awaited; /* time stands until this is seen: what a real child does takes its own */

int __real_poll(struct pollfd *fds, nfds_t n, int wait_ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int wait_ms);
int __wrap_poll(struct pollfd *fds, nfds_t n, int wait_ms)
{
	ck_assert_int_ge(wait_ms, 0);
	if (is_due || (status_due != 0 && !is_twin_silent))
		wait_ms = 0;
	else if (awaited != NULL && strstr(seen, awaited) == NULL)
		return __real_poll(fds, n, 20000);
	if (START_MS + script->at_ms <= now_ms + wait_ms) {
		if (now_ms < START_MS + script->at_ms)
			now_ms = START_MS + script->at_ms;
		is_due = true;
		if (script->happens == NULL)
			raise(SIGTERM);
	} else {
		now_ms += wait_ms;
	}
	return __real_poll(fds, n, 0);
}

void link_run(struct link *l, short events)
{
	int status = status_due;

	ck_assert_int_eq(events, 0);
	if (status != 0 && !is_twin_silent) {
		status_due = 0;
		l->handlers->on_twin(l->arg, status, rid_asked, "{\"reported\":{}}", 15);
	}
	if (is_due && script->happens != NULL) {
		is_due = false;
		(script++)->happens();
	}
}

static void accepts(void)
{
	ck_assert(fake.is_open);
	fake.handlers->on_up(fake.arg, false);
}

static void is_lost(void)
{
	fake.is_open = false;
	status_due = 0;
	fake.handlers->on_down(fake.arg, "lost");
}

static void is_called(void)
{
	fake.handlers->on_method(fake.arg, "reboot", "r1", "{\"attemptId\":\"a1\"}", 18);
	fake.handlers->on_method(fake.arg, "fly", "r2", "", 0);
}

/* --- a folder to work in --- */

static char folder[32], state_file[64], boot_file[64], host[] = "h", device_id[] = "d-1";
static struct options o;

static void set_up(void)
{
	FILE *f;

	snprintf(folder, sizeof folder, "/tmp/rollcall-agent-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(state_file, sizeof state_file, "%s/state.json", folder);
	snprintf(boot_file, sizeof boot_file, "%s/boot", folder);
	f = fopen(boot_file, "w");
	ck_assert(f != NULL && fputs("boot-1\n", f) >= 0 && fclose(f) == 0);
	now_ms = START_MS;
	o = (struct options){.connection = {.host = host, .device_id = device_id},
	                     .state_file = state_file,
	                     .boot_id_file = boot_file,
	                     .keepalive_s = 60,
	                     .token_s = 1000,
	                     .restart_timeout_s = 600,
	                     .pretend_s = 2};
	o.connection.key = strdup("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
}

static void tear_down(void)
{
	char command[64];

	free(o.connection.key);
	snprintf(command, sizeof command, "rm -rf %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static const char *run(const struct step *steps)
{
	script = steps;
	is_due = false;
	seen[0] = '\0';
	ck_assert(agent_run(&o));
	return seen;
}

/* --- tests --- */

START_TEST(test_without_a_hub_it_tries_less_and_less_often_up_to_two_minutes)
{
	is_refused = true;
	o.connection.key[0] = '\0'; /* not even a token can be made */
	ck_assert_str_eq(run((const struct step[]){{400, NULL}}), "");
	free(o.connection.key);
	o.connection.key = NULL;
	now_ms = START_MS;
	ck_assert_str_eq(run((const struct step[]){{300000, NULL}}),
	                 "0 connect with none;500 connect with none;1500 connect with none;"
	                 "3500 connect with none;7500 connect with none;15500 connect with none;"
	                 "31500 connect with none;63500 connect with none;123500 connect with none;"
	                 "183500 connect with none;243500 connect with none;");
}
END_TEST

START_TEST(test_a_hub_that_does_not_answer_is_left_after_thirty_seconds)
{
	ck_assert_str_eq(run((const struct step[]){{31000, accepts}, {31001, NULL}}),
	                 "0 connect with &se=1796091500;30000 close;30500 connect with &se=1796091530;"
	                 "31000 report boot;31001 close;");
}
END_TEST

START_TEST(test_only_a_link_that_stood_for_a_minute_is_no_failure)
{
	free(o.connection.key);
	o.connection.key = NULL;
	ck_assert_str_eq(run((const struct step[]){{10, accepts},
	                                           {60009, is_lost},
	                                           {60600, accepts},
	                                           {60700, is_lost},
	                                           {61800, accepts},
	                                           {121800, is_lost},
	                                           {122301, NULL}}),
	                 "0 connect with none;10 report boot;60509 connect with none;60600 report boot;"
	                 "61700 connect with none;61800 report boot;122300 connect with none;122301 close;");
}
END_TEST

START_TEST(test_a_token_is_renewed_at_three_quarters_of_its_life)
{
	ck_assert_str_eq(run((const struct step[]){{0, accepts}, {750001, accepts}, {750002, NULL}}),
	                 "0 connect with &se=1796091500;0 report boot;750000 close;"
	                 "750000 connect with &se=1796092250;750001 report boot;750002 close;");
}
END_TEST

static void clock_steps(void)
{
	utc_ahead_ms = 875000;
}

static void is_taken_back(void)
{
	is_refused = !is_refused;
}

START_TEST(test_a_renewal_that_fails_after_a_steady_link_is_a_first_failure)
{
	is_refused = true;
	ck_assert_str_eq(
	        run((const struct step[]){
	                {3400, is_taken_back}, {3600, accepts}, {753500, is_taken_back}, {754101, NULL}}),
	        "0 connect with &se=1796091500;500 connect with &se=1796091500;"
	        "1500 connect with &se=1796091501;3500 connect with &se=1796091503;"
	        "3600 report boot;753600 close;753600 connect with &se=1796092253;"
	        "754100 connect with &se=1796092254;");
}
END_TEST

START_TEST(test_a_token_that_is_old_by_a_clock_that_stepped_is_renewed)
{
	ck_assert_str_eq(run((const struct step[]){{0, accepts}, {10, clock_steps}, {11, NULL}}),
	                 "0 connect with &se=1796091500;0 report boot;10 close;"
	                 "10 connect with &se=1796092375;11 close;");
}
END_TEST

START_TEST(test_a_certificate_is_not_renewed)
{
	free(o.connection.key);
	o.connection.key = NULL;
	ck_assert_str_eq(run((const struct step[]){{0, accepts}, {86400000, NULL}}),
	                 "0 connect with none;0 report boot;86400000 close;");
}
END_TEST

static void falls_silent(void)
{
	is_twin_silent = true;
	is_lost(); /* so there is something to ask */
}

static void speaks(void)
{
	is_twin_silent = false;
}

START_TEST(test_an_old_token_waits_for_the_answer_about_the_twin)
{
	ck_assert_str_eq(
	        run((const struct step[]){
	                {0, falls_silent}, {501, accepts}, {502, clock_steps}, {2000, speaks}, {2001, NULL}}),
	        "0 connect with &se=1796091500;500 connect with &se=1796091500;"
	        "2000 close;2000 connect with &se=1796092377;2001 close;");
}
END_TEST

START_TEST(test_calls_are_answered_and_a_restart_is_played_by_being_away)
{
	ck_assert_str_eq(
	        run((const struct step[]){{0, accepts}, {1000, is_called}, {3100, accepts}, {3200, NULL}}),
	        "0 connect with &se=1796091500;0 report boot;1000 answer r1 200;1000 answer r2 404;"
	        "1000 report \"started\";1000 close;3000 connect with &se=1796091503;"
	        "3100 report \"complete\";3200 close;");
}
END_TEST

static void is_called_to_fail(void)
{
	is_called();
	awaited = "report \"failed\"";
}

START_TEST(test_a_command_that_ends_is_noticed_at_once)
{
	o.commands[ACT_REBOOT] = command_split("false");
	ck_assert_str_eq(run((const struct step[]){{0, accepts}, {1000, is_called_to_fail}, {1001, NULL}}),
	                 "0 connect with &se=1796091500;0 report boot;1000 answer r1 200;1000 answer r2 404;"
	                 "1000 report \"started\";1000 report \"failed\";1001 close;");
	command_free(o.commands[ACT_REBOOT]);
}
END_TEST

START_TEST(test_an_agent_that_cannot_remember_does_not_run)
{
	ck_assert_int_eq(mkdir(state_file, 0700), 0);
	ck_assert(!agent_run(&o));
	ck_assert_str_eq(seen, "");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("agent");
	TCase *c = tcase_create("agent");

	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, set_up, tear_down);
	tcase_add_test(c, test_without_a_hub_it_tries_less_and_less_often_up_to_two_minutes);
	tcase_add_test(c, test_a_hub_that_does_not_answer_is_left_after_thirty_seconds);
	tcase_add_test(c, test_only_a_link_that_stood_for_a_minute_is_no_failure);
	tcase_add_test(c, test_a_token_is_renewed_at_three_quarters_of_its_life);
	tcase_add_test(c, test_a_renewal_that_fails_after_a_steady_link_is_a_first_failure);
	tcase_add_test(c, test_a_token_that_is_old_by_a_clock_that_stepped_is_renewed);
	tcase_add_test(c, test_a_certificate_is_not_renewed);
	tcase_add_test(c, test_an_old_token_waits_for_the_answer_about_the_twin);
	tcase_add_test(c, test_calls_are_answered_and_a_restart_is_played_by_being_away);
	tcase_add_test(c, test_a_command_that_ends_is_noticed_at_once);
	tcase_add_test(c, test_an_agent_that_cannot_remember_does_not_run);
	suite_add_tcase(s, c);
	return suite_run(s);
}
