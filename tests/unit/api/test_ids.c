/* tests: api/ids.c. Each list is put whole and once more byte by byte: parts must not matter. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/ids.h"
#include "server/base/buf.h"
#include "server/campaign/fault.h"
#include "server/campaign/model.h"

/* Gives the ids as "a|b", or what is wrong as "/line/1: why|…". */
static char *outcome(bool is_csv, const char *text, size_t n, size_t part)
{
	struct ids *l = ids_new(is_csv, 7);
	const struct faults *faults;
	struct buf out = BUF_INIT;

	for (size_t at = 0; at < n; at += part)
		ids_put(l, text + at, n - at < part ? n - at : part);
	faults = ids_end(l);
	for (size_t i = 0; i < faults->n; i++)
		buf_printf(&out, "%s%s: %s", i > 0 ? "|" : "", faults->all[i].pointer, faults->all[i].detail);
	for (uint32_t i = 0; i < ids_n(l) && faults->n == 0; i++)
		buf_printf(&out, "%s%s", i > 0 ? "|" : "", ids_at(l, i));
	ids_free(l);
	return buf_take(&out);
}

static void ck_outcome_n(bool is_csv, const char *text, size_t n, const char *expected)
{
	char *whole = outcome(is_csv, text, n, n + 1), *bytes = outcome(is_csv, text, n, 1);

	ck_assert_str_eq(whole, expected);
	ck_assert_str_eq(bytes, expected);
	free(whole);
	free(bytes);
}

#define ck_text(text, expected) ck_outcome_n(false, text, sizeof(text) - 1, expected)
#define ck_csv(text, expected) ck_outcome_n(true, text, sizeof(text) - 1, expected)
#define RULE \
	"must be a device id: 1 to 128 letters, digits or - . + % _ # * ? ! ( ) , : ; = @ $ ', but not . or .."
#define BOM "\xef\xbb\xbf"

START_TEST(test_a_plain_list_has_an_id_a_line)
{
	ck_text("a\nb\nc\n", "a|b|c");
	ck_text("a\nb", "a|b");
	ck_text("a\r\nb\r\n", "a|b");
	ck_text("\n\r\n  \n a\t\n\n b \r\n\n", "a|b");
	ck_text(BOM "a\nb\n", "a|b");
	ck_text("a,b\n-.+%_#*?!(),:;=@$'\n", "a,b|-.+%_#*?!(),:;=@$'");
	ck_text("deviceId\n", "deviceId");
}
END_TEST

START_TEST(test_what_is_no_id_is_told_with_its_line)
{
	ck_text("a\n\nb c\n\xc3\xa4\n\"d\"\ne\n", "/line/3: " RULE ", not \"b c\"|/line/4: " RULE
	                                          ", not \"\xc3\xa4\"|/line/5: " RULE ", not \"\"d\"\"");
	ck_outcome_n(false, "a\0b\n", 4, "/line/1: " RULE ", not \"a\1b\"");
	ck_text("\xef"
	        "a\n",
	        "/line/1: " RULE ", not \"\xef"
	        "a\"");
	ck_text("\xef\xbb"
	        "a\n",
	        "/line/1: " RULE ", not \"\xef\xbb"
	        "a\"");
	ck_text("a\n" BOM "b\n", "/line/2: " RULE ", not \"" BOM "b\"");
}
END_TEST

START_TEST(test_an_id_has_128_characters_at_most)
{
	char text[300], *got;

	memset(text, 'x', sizeof text);
	memset(text + 128, ' ', 100);
	got = outcome(false, text, 228, 300);
	ck_assert_uint_eq(strlen(got), 128);
	free(got);
	text[128] = 'x';
	got = outcome(false, text, 129, 300);
	ck_assert_ptr_nonnull(strstr(got, "/line/1: " RULE ", not \"xxx"));
	free(got);
	memset(text + 1, ' ', 200);
	text[201] = 'x';
	got = outcome(false, text, 202, 300);
	ck_assert_ptr_nonnull(strstr(got, "/line/1: " RULE ", not \"x "));
	free(got);
}
END_TEST

START_TEST(test_an_id_twice_is_told_with_both_lines)
{
	ck_text("a\nb\n\n a\nA\nb\na\n", "/line/4: is \"a\" again, as line 1 already: name each once|"
	                                 "/line/6: is \"b\" again, as line 2 already: name each once|"
	                                 "/line/7: is \"a\" again, as line 1 already: name each once");
}
END_TEST

START_TEST(test_nothing_is_no_list)
{
	ck_text("", ": must have at least one device id");
	ck_text("\n \r\n", ": must have at least one device id");
	ck_text(BOM, ": must have at least one device id");
	ck_csv("", ": must have at least one device id");
	ck_csv("deviceId\n", ": must have at least one device id");
}
END_TEST

START_TEST(test_a_csv_gives_its_column_device_id)
{
	ck_csv("deviceId\na\nb\n", "a|b");
	ck_csv("site,deviceId,note\r\ngbg,a,\r\n,b,x y\r\n", "a|b");
	ck_csv(BOM "\"site\", \"deviceId\" \n\"a, \"\"b\"\"\nc\",\"d,1\"\n\nx, e \n", "d,1|e");
	ck_csv("\n\ndeviceId,x\na,\"\"", "a");
	ck_csv("deviceId,x\n\"a\",\"1\"\r\n\"b\",\"2\"", "a|b");
}
END_TEST

START_TEST(test_a_csv_without_the_column_is_refused_as_a_whole)
{
	ck_csv("a\na\n!\n", "/line/1: must be a header with the column deviceId");
	ck_csv("\nid,DeviceId\n", "/line/2: must be a header with the column deviceId");
	ck_csv("deviceId,x,deviceId\na,b,a\n", "/line/1: has deviceId twice");
	ck_csv("x\"y,deviceId\na,b\n",
	       "/line/1: must have quotes only around a whole field, and each one in it doubled");
}
END_TEST

START_TEST(test_broken_records_are_told_with_their_first_line)
{
	ck_csv("deviceId,x\na\nb,1,2\nc,1\n", "/line/2: must have as many fields as the header, 2, not 1|"
	                                      "/line/3: must have as many fields as the header, 2, not 3");
	ck_csv("deviceId,x\na,\"1\n2\n3\"\nb,c\"d\n\"e\"f,1\n,1\n\"\",1\n",
	       "/line/5: must have quotes only around a whole field, and each one in it doubled|"
	       "/line/6: must have nothing between a closing quote and the comma|"
	       "/line/7: " RULE ", not \"\"|/line/8: " RULE ", not \"\"");
	ck_csv("deviceId\n\"a\" \"b\"\n", "/line/2: must have nothing between a closing quote and the comma");
	ck_csv("deviceId,x\na,\"1\nb,2\n", "/line/2: has a quote that is not closed");
	ck_csv("deviceId\n\" a\"\n", "/line/2: " RULE ", not \" a\"");
}
END_TEST

START_TEST(test_the_first_hundred_faults_are_told_and_the_rest_counted)
{
	struct ids *l = ids_new(false, 7);
	const struct faults *faults;

	for (int i = 0; i < 250; i++)
		ids_put(l, "?/\n", 3);
	faults = ids_end(l);
	ck_assert_uint_eq(faults->n, 100);
	ck_assert_uint_eq(faults->left_out, 150);
	ck_assert_str_eq(faults->all[99].pointer, "/line/100");
	ids_free(l);
}
END_TEST

/* The longest ids, as many as there may be: what memory is allowed for must do. */
START_TEST(test_a_million_ids_fit_and_one_more_does_not)
{
	struct ids *l = ids_new(false, 7);
	const struct faults *faults;
	char line[DEVICE_ID_MAX + 2];

	for (uint32_t i = 0; i <= TARGETS_MAX; i++) {
		snprintf(line, sizeof line, "%0*u\n", DEVICE_ID_MAX, i);
		ids_put(l, line, DEVICE_ID_MAX + 1);
	}
	ck_assert_uint_eq(ids_n(l), TARGETS_MAX);
	ck_assert_str_eq(ids_at(l, 4711) + DEVICE_ID_MAX - 5, "04711");
	ck_assert_uint_le(ids_bytes(l), (size_t)144 << 20);
	faults = ids_end(l);
	ck_assert_uint_eq(faults->n, 1);
	ck_assert_str_eq(faults->all[0].pointer, "/line/1000001");
	ck_assert_str_eq(faults->all[0].detail, "is one too many: at most 1000000");
	ids_free(l);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api ids");

	TESTS(s, "text", test_a_plain_list_has_an_id_a_line, test_what_is_no_id_is_told_with_its_line,
	      test_an_id_has_128_characters_at_most, test_an_id_twice_is_told_with_both_lines,
	      test_nothing_is_no_list);
	TESTS(s, "csv", test_a_csv_gives_its_column_device_id,
	      test_a_csv_without_the_column_is_refused_as_a_whole,
	      test_broken_records_are_told_with_their_first_line);
	TESTS(s, "many", test_the_first_hundred_faults_are_told_and_the_rest_counted,
	      test_a_million_ids_fit_and_one_more_does_not);
	return suite_run(s);
}
