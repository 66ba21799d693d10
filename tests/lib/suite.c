/* tests/lib: see suite.h */
#include "tests/lib/suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void suite_add(Suite *s, const char *name, const TTest *const *tests)
{
	suite_add_with(s, name, NULL, tests);
}

void suite_add_with(Suite *s, const char *name, SFun set_up, const TTest *const *tests)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 60);
	if (set_up != NULL)
		tcase_add_checked_fixture(tc, set_up, NULL);
	for (; *tests != NULL; tests++)
		tcase_add_test(tc, *tests);
	suite_add_tcase(s, tc);
}

static void leave_result(const char *suite, int passed, int failed)
{
	const char *folder = getenv("ROLLCALL_TEST_RESULTS");
	char path[4096];
	FILE *out;

	if (folder == NULL)
		return;
	snprintf(path, sizeof path, "%s/%s", folder, suite);
	out = fopen(path, "w");
	if (out == NULL || fprintf(out, "%d %d\n", passed, failed) < 0 || fclose(out) != 0) {
		perror(path);
		exit(2);
	}
}

int suite_run(Suite *s)
{
	SRunner *runner = srunner_create(s);
	int run, failed;

	srunner_run_all(runner, CK_NORMAL);
	run = srunner_ntests_run(runner);
	failed = srunner_ntests_failed(runner);
	leave_result(program_invocation_short_name, run - failed, failed);
	srunner_free(runner);
	return run > 0 && failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
