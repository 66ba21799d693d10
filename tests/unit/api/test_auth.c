/* tests: api/auth.c: the tokens file and what a token gives. */
#include "tests/unit/api/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/auth.h"

#define HASH "10a4c7c9fc5206d6f36dc6944a81bb6f4a3cb0e25014ae3b12e6c3e52712292a" /* of admin-token */
#define HASH_TAIL "0a4c7c9fc5206d6f36dc6944a81bb6f4a3cb0e25014ae3b12e6c3e52712292a"
#define ENTRY(name, hash) "{\"name\":\"" name "\",\"role\":\"admin\",\"sha256\":\"" hash "\"}"

static struct auth *load(const char *text)
{
	struct auth *a = NULL;
	char *reason = NULL;
	enum err err = auth_load(tokens_file(text), &a, &reason);

	ck_assert_msg(err == ERR_OK, "%s", reason);
	return a;
}

/* Has the file refused; gives why, for free(). */
static char *refusal(const char *text)
{
	struct auth *a = NULL;
	char *reason = NULL;

	ck_assert_int_eq(auth_load(tokens_file(text), &a, &reason), ERR_INVALID);
	ck_assert_ptr_null(a);
	return reason;
}

static void check_refused(const char *text, const char *expected)
{
	char *reason = refusal(text);

	ck_assert_msg(strstr(reason, expected) != NULL, "no %s in %s", expected, reason);
	free(reason);
}

START_TEST(test_without_a_file_everyone_is_admin)
{
	struct auth *a = NULL;
	struct identity who;
	char *reason = NULL;

	ck_assert_int_eq(auth_load(NULL, &a, &reason), ERR_OK);
	ck_assert(!auth_has_tokens(a));
	ck_assert(auth_check(a, NULL, &who));
	ck_assert_str_eq(who.name, "local");
	ck_assert_int_eq(who.role, ROLE_ADMIN);
	ck_assert_int_eq(auth_reload(a, &reason), ERR_OK);
	auth_free(a);
}
END_TEST

START_TEST(test_a_token_gives_its_name_and_role)
{
	struct auth *a = load(TOKENS);
	struct identity who;

	ck_assert(auth_has_tokens(a));
	ck_assert(auth_check(a, "Bearer approver-token", &who));
	ck_assert_str_eq(who.name, "approver");
	ck_assert_int_eq(who.role, ROLE_APPROVER);
	ck_assert(!auth_check(a, NULL, &who));
	ck_assert(!auth_check(a, "", &who));
	ck_assert(!auth_check(a, "Bearer ", &who));
	ck_assert(!auth_check(a, "Bearer approver-token ", &who));
	ck_assert(!auth_check(a, "approver-token", &who));
	ck_assert(!auth_check(a, "Bearer " HASH, &who));
	auth_free(a);
}
END_TEST

START_TEST(test_each_digit_of_a_tokens_hash_counts)
{
	char file[256], hash[] = HASH;
	struct identity who;
	struct auth *a;

	for (size_t i = 0; i < sizeof hash - 1; i++) {
		char was = hash[i];

		hash[i] = was == '0' ? '1' : '0';
		snprintf(file, sizeof file, "[{\"name\":\"a\",\"role\":\"admin\",\"sha256\":\"%s\"}]", hash);
		a = load(file);
		ck_assert_msg(!auth_check(a, "Bearer admin-token", &who), "digit %zu", i);
		auth_free(a);
		hash[i] = was;
	}
}
END_TEST

START_TEST(test_a_file_that_cannot_be_read_any_more_leaves_the_tokens_as_they_were)
{
	static const char *const bad[] = {"[", "[]", "[{}]"};
	struct auth *a = load(TOKENS);
	struct identity who;
	char *reason;

	for (size_t i = 0; i <= sizeof bad / sizeof *bad; i++) {
		reason = NULL;
		if (i < sizeof bad / sizeof *bad)
			tokens_file(bad[i]);
		else
			unlink(tokens_file(""));
		ck_assert_int_eq(auth_reload(a, &reason),
		                 i < sizeof bad / sizeof *bad ? ERR_INVALID : ERR_IO);
		ck_assert_ptr_nonnull(reason);
		free(reason);
		ck_assert(auth_check(a, "Bearer approver-token", &who));
		ck_assert_int_eq(who.role, ROLE_APPROVER);
		ck_assert(!auth_check(a, "Bearer nobodys-token", &who));
	}
	reason = NULL;
	tokens_file("[" ENTRY("new", HASH) "]");
	ck_assert_int_eq(auth_reload(a, &reason), ERR_OK);
	ck_assert(auth_check(a, "Bearer admin-token", &who));
	ck_assert_str_eq(who.name, "new");
	ck_assert(!auth_check(a, "Bearer approver-token", &who));
	auth_free(a);
}
END_TEST

START_TEST(test_all_that_is_wrong_with_the_file_is_told_at_once)
{
	char *reason = refusal("[{\"name\":\"a b\",\"role\":\"king\",\"sha256\":\"12\",\"x\":1},7,"
	                       "{\"role\":\"viewer\",\"sha256\":8}]");

	ck_assert_ptr_nonnull(strstr(reason, "/0: unknown member x; /0: name must be 1 to 64 letters"));
	ck_assert_ptr_nonnull(
	        strstr(reason, "/0: role must be metrics, viewer, operator, approver or admin"));
	ck_assert_ptr_nonnull(strstr(reason, "/0: sha256 must be 64 hexadecimal digits"));
	ck_assert_ptr_nonnull(strstr(reason, "/1: must be an object"));
	ck_assert_ptr_nonnull(
	        strstr(reason, "/2: name is missing or no text; /2: sha256 is missing or no text"));
	free(reason);
}
END_TEST

START_TEST(test_files_that_would_lock_out_or_confuse_are_refused)
{
	check_refused("", "not JSON");
	check_refused("[", "line 1");
	check_refused("{}", "must be an array");
	check_refused("[]", "no tokens in it");
	check_refused("[" ENTRY("", HASH) "]", "/0: name must be 1 to 64");
	check_refused("[" ENTRY(HASH "a", HASH) "]", "/0: name must be 1 to 64");
	check_refused("[" ENTRY("a", "g" HASH_TAIL) "]", "/0: sha256 must be 64 hexadecimal digits");
	check_refused("[" ENTRY("a", HASH) "," ENTRY("b", HASH) "]", "/1: sha256 is used twice");
	check_refused(
	        "[" ENTRY("a", HASH) ",{\"name\":\"a\",\"role\":\"admin\",\"sha256\":"
	                             "\"0850123315d21ab90f4f7236408a52ef6dbd6a02a6550e5c10dc73f4d993680e\"}]",
	        "/1: name is used twice");
	check_refused("[" ENTRY("a", "zz" HASH) "]", "sha256 must be");
	check_refused("[{\"name\":\"a\",\"role\":\"\",\"sha256\":\"" HASH "\"}]", "role must be");
	check_refused("[{\"name\":\"a\",\"role\":\"none\",\"sha256\":\"" HASH "\"}]", "role must be");
}
END_TEST

START_TEST(test_a_token_put_there_by_mistake_is_not_told)
{
	char *reason = refusal("secret-token-in-the-wrong-place");

	ck_assert_ptr_null(strstr(reason, "secret"));
	free(reason);
}
END_TEST

START_TEST(test_a_fresh_token_works_with_its_entry)
{
	struct buf token = BUF_INIT, other = BUF_INIT, entry = BUF_INIT, file = BUF_INIT, header = BUF_INIT;
	struct identity who;
	struct auth *a;

	ck_assert_int_eq(auth_token_new("eva", ROLE_OPERATOR, &token, &entry), ERR_OK);
	ck_assert_uint_eq(token.len, 64);
	buf_printf(&file, "[%s]", entry.data);
	buf_printf(&header, "Bearer %s", token.data);
	a = load(file.data);
	ck_assert(auth_check(a, header.data, &who));
	ck_assert_str_eq(who.name, "eva");
	ck_assert_int_eq(who.role, ROLE_OPERATOR);
	ck_assert_int_eq(auth_token_new("eva", ROLE_OPERATOR, &other, &entry), ERR_OK);
	ck_assert_str_ne(token.data, other.data);
	ck_assert_int_eq(auth_token_new("e v a", ROLE_OPERATOR, &other, &entry), ERR_INVALID);
	auth_free(a);
	buf_done(&token);
	buf_done(&other);
	buf_done(&entry);
	buf_done(&file);
	buf_done(&header);
}
END_TEST

START_TEST(test_a_file_that_is_a_folder_or_very_large_is_refused)
{
	struct auth *a = NULL;
	char *reason = NULL;
	const char *path = tokens_file("[]");

	ck_assert_int_eq(auth_load("/", &a, &reason), ERR_IO);
	ck_assert_ptr_nonnull(strstr(reason, "Is a directory"));
	free(reason);
	ck_assert_int_eq(truncate(path, 64 << 20), 0);
	ck_assert_int_eq(auth_load(path, &a, &reason), ERR_IO);
	ck_assert_ptr_nonnull(strstr(reason, "larger than"));
	free(reason);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api auth");

	TESTS(s, "auth", test_without_a_file_everyone_is_admin, test_a_token_gives_its_name_and_role,
	      test_each_digit_of_a_tokens_hash_counts,
	      test_a_file_that_cannot_be_read_any_more_leaves_the_tokens_as_they_were,
	      test_all_that_is_wrong_with_the_file_is_told_at_once,
	      test_files_that_would_lock_out_or_confuse_are_refused,
	      test_a_file_that_is_a_folder_or_very_large_is_refused,
	      test_a_token_put_there_by_mistake_is_not_told, test_a_fresh_token_works_with_its_entry);
	return suite_run(s);
}
