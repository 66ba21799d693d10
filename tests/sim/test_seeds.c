/* sim: many seeds, each a scenario with a mix of faults of its own. ROLLCALL_SEEDS says how many (default
 * 300), ROLLCALL_FIRST_SEED from which on, ROLLCALL_SEED runs one alone, without the parts that ROLLCALL_CUTS
 * names, and says what happens. A seed that fails is made small. */
#include "tests/lib/suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/log.h"
#include "tests/sim/scenario.h"

#define SEED_SECONDS 20 /* of CPU time: longer than any takes, under sanitizers too */
#define CHUNK 64        /* seeds to a process */

/* Shared with the process that runs seeds. */
struct tally {
	uint64_t seed; /* that runs now */
	uint64_t campaigns, commits, calls, crashes;
	int64_t simulated_ms;
};

static struct tally *tally;

static void run_seed(uint64_t seed, const char *cuts)
{
	static const struct itimerval limit = {.it_value.tv_sec = SEED_SECONDS};
	struct scenario_result result;

	tally->seed = seed;
	setitimer(ITIMER_PROF, &limit, NULL); /* then it ends by SIGPROF */
	scenario_run(seed, cuts, NULL, &result);
	tally->campaigns += result.campaigns;
	tally->commits += result.commits;
	tally->calls += result.calls;
	tally->crashes += result.crashes;
	tally->simulated_ms += result.simulated_ms;
}

/* Runs seeds in a process of their own; "": all is well, else what it said. */
static char *run_apart(uint64_t from, uint64_t n, const char *cuts)
{
	struct buf said = BUF_INIT;
	int ends[2], status;
	char piece[512];
	ssize_t bytes;
	pid_t pid;

	fflush(NULL);
	ck_assert_int_eq(pipe(ends), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		dup2(ends[1], 2);
		close(ends[0]);
		close(ends[1]);
		for (uint64_t seed = from; seed < from + n; seed++)
			run_seed(seed, cuts);
		_exit(0);
	}
	close(ends[1]);
	buf_puts(&said, "");
	while ((bytes = read(ends[0], piece, sizeof piece)) > 0)
		buf_put(&said, piece, (size_t)bytes);
	close(ends[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (status != 0 && said.len == 0)
		buf_printf(&said, "ended by signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	if (status == 0)
		buf_reset(&said);
	return buf_take(&said);
}

/* What is broken, without its details: "…, call 7: P4: 3 of …" is "P4". */
static void kind_of(const char *said, char out[48])
{
	const char *at = strstr(said, ": Assertion"), *call = strstr(said, ", call ");

	if (call != NULL && strstr(call, ": ") != NULL)
		at = strstr(call, ": ");
	snprintf(out, 48, "%.*s", (int)strcspn(at != NULL ? at + 2 : said, ":0123456789\n") + 2,
	         at != NULL ? at + 2 : said);
}

/* Leaves out what is not needed to break the same promise, one part after the other, until nothing can go. */
static void shrink(uint64_t seed, const char *said)
{
	char kind[48], other[48];
	struct buf cuts = BUF_INIT, parts = BUF_INIT;
	char *last = xstrdup(said);
	bool has_moved = true;

	kind_of(said, kind);
	buf_puts(&cuts, "");
	while (has_moved) {
		char *names, *rest = NULL;

		has_moved = false;
		buf_reset(&parts);
		scenario_run(seed, cuts.data, &parts, NULL);
		names = xstrdup(parts.data);
		for (const char *name = strtok_r(names, " ", &rest); name != NULL;
		     name = strtok_r(NULL, " ", &rest)) {
			size_t len = cuts.len;
			char *now;

			buf_printf(&cuts, "%s%s", len > 0 ? " " : "", name);
			now = run_apart(seed, 1, cuts.data);
			kind_of(now, other);
			if (now[0] != '\0' && strcmp(kind, other) == 0) {
				has_moved = true;
				free(last);
				last = now;
			} else {
				cuts.len = len;
				cuts.data[len] = '\0';
				free(now);
			}
		}
		free(names);
	}
	fprintf(stderr, "%sleft are: %s\nROLLCALL_SEED=%llu ROLLCALL_CUTS='%s'\n", last, parts.data,
	        (unsigned long long)seed, cuts.data);
	free(last);
	buf_done(&cuts);
	buf_done(&parts);
}

static void print_tally(uint64_t seeds)
{
	struct rusage use;
	double s;

	getrusage(RUSAGE_CHILDREN, &use);
	s = (double)use.ru_utime.tv_sec + (double)use.ru_utime.tv_usec / 1e6 + (double)use.ru_stime.tv_sec +
	    (double)use.ru_stime.tv_usec / 1e6;
	printf("%llu seeds, %llu campaigns, %llu commits, %llu calls, %llu crashes in %.1f s of CPU time; %.0f days "
	       "simulated, %.0f times faster than they pass\n",
	       (unsigned long long)seeds, (unsigned long long)tally->campaigns,
	       (unsigned long long)tally->commits, (unsigned long long)tally->calls,
	       (unsigned long long)tally->crashes, s, (double)tally->simulated_ms / 86400e3,
	       (double)tally->simulated_ms / 1e3 / s);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

START_TEST(test_the_promises_hold_for_many_seeds)
{
	uint64_t first = number_of("ROLLCALL_FIRST_SEED", 1), n = number_of("ROLLCALL_SEEDS", 300),
	         failed = 0;

	for (uint64_t seed = first; seed < first + n;) {
		uint64_t chunk = first + n - seed < CHUNK ? first + n - seed : CHUNK;
		char *said = run_apart(seed, chunk, "");

		if (said[0] != '\0') {
			failed++;
			fprintf(stderr, "seed %llu: %s", (unsigned long long)tally->seed, said);
			if (strstr(said, "signal 27") == NULL) /* else each attempt would take as long */
				shrink(tally->seed, said);
			chunk = tally->seed + 1 - seed;
		}
		seed += chunk;
		free(said);
		if ((seed - first) % (100 * CHUNK) < CHUNK)
			fflush(stdout);
	}
	print_tally(n);
	ck_assert_uint_eq(failed, 0);
}
END_TEST

/* Seeds that have found something, with what they needed for it. */
static const struct {
	uint64_t seed;
	const char *cuts;
} found[] = {
        /* a patch came between a campaign's end and its commit: its abort rule moved it, and the process
           ended */
        {309,
         "hubSku neverBack deviceClocks quirks c0.rate c0.verify c1 c1.where c1.rate c1.verify c2 c2.waves "
         "c2.abort c2.precheck c2.never c2.verify lying queryLag"},
        /* a commit whose fsync had failed was told at the next start, and then lost with the power */
        {175,
         "sku many looping agents queryLag c0.ids c0.waves c0.group c0.windows c0.never c0.verify c1.ids "
         "c1.waves c1.abort c1.windows e0.link e0.moment e2.restart e2.moment e3.moment neverBack noHistory "
         "c1.group away deviceClocks c0.where c1.rate lying"},
        /* a clock set forward while the process was away took a call in doubt for absent: two at once */
        {12876, "refusals many quirks c0.waves c0.verify c1.verify e4.migration e4.moment crashes c0.group"},
        /* after a crash a device was waited for that nobody held any more */
        {567,
         "sku neverBack looping c0.rate c0.abort c0.verify c1.verify c2.rate c2.group c2.precheck c2.verify"},
        /* of a step of the clock, a hundredth of the time that nobody had looked was made up, and not less
           where that was more than the step */
        {5840, "hub0.errorAfter.0 hub0.silentAfter.1 hub2.errorBefore.0 hub2.errorAfter.1 hub2.slow.2 "
               "hub2.errorBefore.3 refusing deaf neverBack lying looping deviceClocks c0.job c0.hubs "
               "c0.never c0.verify c1.waves c1.group c1.abort manyHubs many agents noHistory quirks "
               "c0.group c0.abort queryLag c0.ids c0.where"},
        /* a clock set back while the process was away: a device was read again and again, without end */
        {22148, ""},
        /* while a step of the clock was made up, an intent's hub time was too late after minutes without an
           answer of its hub: a proof was overlooked, and the device called once more */
        {48088, "sku hub0.lost404.0 hub0.quota.1 hub0.quota.2 hub0.errorBefore.3 hub1.errorAfter.1 "
                "hub1.offline404.2 c1.where c1.group c1.never c1.verify e2.targetOrder e2.moment "
                "e5.moment e6.patch e6.moment e7.order e7.moment e8.patch hub1.silentBefore.0"},
        /* waited for rate, it was said, until a time that had passed: its turn had come and it was being read
         */
        {38881, "offline noMethod lostBefore deviceClocks quirks c0.ids c0.group c0.windows c1.verify "
                "e0.moment e1.kill away deaf neverBack queryLag c0.never e2.disk e2.moment many refusing "
                "lostAfter c0.where hub0.silentAfter.1 looping"},
        /* while a step of the clock was made up, a call that waited for its connection left later after its
           intent than was reckoned with: that wait was measured by another clock */
        {10899, "sku lostBefore looping agents queryLag c0.where c0.rate e0.disk e0.moment e1.moment "
                "e2.moment many deviceClocks quirks e3.patch e3.moment"},
        /* after a start, ours came forward by each of a hub's first answers: what had begun was shorter */
        {18899, "sku hubSku hub0.cutAfter.0 hub0.quota.1 quirks c0.abort e0.moment e4.disk"},
        /* while a step of the clock was made up, a window was said to open at a time that had passed */
        {9346, "crashes many refusing neverBack looping deviceClocks c0.rate e1.clock e3.migration e3.moment "
               "connects away noMethod lostBefore lying agents c0.ids c0.verify e0.moment e4.moment "
               "lostAfter deaf noHistory c0.where"},
        /* a clock that had been set forward by seconds was believed after a start, since a hub's did not
           differ by more than its answers leave open: what settled did so shorter */
        {17229, "sku refusals many agents noHistory queryLag c0.rate c0.abort c1.rate c1.verify e0.deletion "
                "e0.moment e4.moment quirks"},
        /* after a second start, what ours was still behind, less than a second, was made up at once */
        {19074, "hubSku quirks c0.where c0.rate c0.verify c1.never c2.abort"},
        /* a mistake of the checker: where the clock had gone back, a row that was written again was taken for
           new */
        {308062,
         "hubSku many refusing noMethod lostAfter agents deviceClocks quirks c0.where c0.rate c1 c1.rate c1.verify e0.link e0.moment e2.moment e4.moment e6.targetOrder deaf queryLag neverBack noHistory"},
};

START_TEST(test_seeds_that_have_found_something)
{
	char *said = run_apart(found[_i].seed, 1, found[_i].cuts);

	ck_assert_str_eq(said, "");
	free(said);
}
END_TEST

START_TEST(test_one_seed)
{
	const char *cuts = getenv("ROLLCALL_CUTS");

	run_seed(number_of("ROLLCALL_SEED", 1), cuts != NULL ? cuts : "");
}
END_TEST

START_TEST(test_a_seed_repeats_to_the_last_byte_written)
{
	struct scenario_result first, second;

	for (uint64_t seed = 1; seed <= 10; seed++) {
		scenario_run(seed, "", NULL, &first);
		scenario_run(seed, "", NULL, &second);
		ck_assert_uint_eq(first.trace, second.trace);
		ck_assert_uint_eq(first.commits, second.commits);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sim seeds");
	TCase *many = tcase_create("seeds");

	tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (tally == MAP_FAILED)
		return 2;
	log_setup(getenv("ROLLCALL_SEED") != NULL ? LOG_DEBUG : LOG_OFF, false, 2);
	tcase_set_timeout(many, 86400);
	if (getenv("ROLLCALL_SEED") != NULL) {
		tcase_add_test(many, test_one_seed);
	} else {
		tcase_add_test(many, test_a_seed_repeats_to_the_last_byte_written);
		tcase_add_loop_test(many, test_seeds_that_have_found_something, 0,
		                    sizeof found / sizeof *found);
		tcase_add_test(many, test_the_promises_hold_for_many_seeds);
	}
	suite_add_tcase(s, many);
	return suite_run(s);
}
