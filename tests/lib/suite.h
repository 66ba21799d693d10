/* suite: runs one Check suite as a program. Prints Check's lines and, where $ROLLCALL_TEST_RESULTS names a
 * folder, leaves "<passed> <failed>" there in a file of the suite's name, so that tests/run can count single
 * tests. */
#ifndef ROLLCALL_TESTS_LIB_SUITE_H
#define ROLLCALL_TESTS_LIB_SUITE_H

#include <check.h>

/* Check writes to a file at each assertion that holds, to know the last one before a crash: most of the time
 * of a test that makes millions. The test's name and a sanitizer tell as much. */
#undef ck_assert_msg
#define ck_assert_msg(expr, ...) \
	((expr) ? (void)0 \
	        : _ck_assert_failed(__FILE__, __LINE__, "Assertion '" #expr "' failed", ##__VA_ARGS__))

/* Takes s. Gives the program's exit status. */
int suite_run(Suite *s);

/* A case with one test a line: TESTS(suite, "name", test_a, test_b). Time-out 60 s. */
#define TESTS(suite, name, ...) suite_add(suite, name, (const TTest *const[]){__VA_ARGS__, NULL})
void suite_add(Suite *s, const char *name, const TTest *const *tests);
/* The same, with set_up called before each test, in its process. */
void suite_add_with(Suite *s, const char *name, SFun set_up, const TTest *const *tests);

#endif
