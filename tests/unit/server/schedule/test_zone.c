/* tests/unit: zone files as RFC 8536 has them, made here: what their footers mean, and that nothing is
 * believed of a damaged one. The machine's own are compared in tests/golden. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/schedule/zone.h"
#include "tests/lib/suite.h"

#define BIG_BANG (-(INT64_C(1) << 59)) /* where some lists begin */

static char folder[] = "/tmp/rollcall-zones-XXXXXX";

static int64_t at(const char *text)
{
	int64_t ms;

	ck_assert_msg(time_parse(text, strlen(text), false, &ms), "%s", text);
	return ms / 1000;
}

/* ---- making files ---- */

static void put_big(struct buf *b, int64_t v, int bytes)
{
	while (bytes-- > 0)
		buf_putc(b, (char)((uint64_t)v >> 8 * bytes));
}

struct change {
	int64_t at_s;
	int type;
};

struct made {
	int32_t offsets[3]; /* of the types */
	size_t types_n;
	struct change changes[4];
	size_t n;
	const char *footer;
};

static void put_head(struct buf *b, size_t changes_n, size_t types_n)
{
	buf_puts(b, "TZif2");
	for (int i = 0; i < 15; i++)
		buf_putc(b, '\0');
	put_big(b, 0, 4); /* isut */
	put_big(b, 0, 4); /* isstd */
	put_big(b, 0, 4); /* leap */
	put_big(b, (int64_t)changes_n, 4);
	put_big(b, (int64_t)types_n, 4);
	put_big(b, 1, 4); /* characters */
}

#define BODY1_AT 44 /* the block of 32-bit times, which has a type and a character here */
#define HEAD2_AT (BODY1_AT + 7)
#define BODY2_AT (HEAD2_AT + 44)

static void make(struct buf *b, const struct made *m)
{
	buf_reset(b);
	put_head(b, 0, 1);
	buf_put(b, "\0\0\0\0\0\0\0", 7);
	put_head(b, m->n, m->types_n);
	for (size_t i = 0; i < m->n; i++)
		put_big(b, m->changes[i].at_s, 8);
	for (size_t i = 0; i < m->n; i++)
		put_big(b, m->changes[i].type, 1);
	for (size_t i = 0; i < m->types_n; i++) {
		put_big(b, m->offsets[i], 4);
		put_big(b, 0, 2);
	}
	buf_putc(b, '\0');
	buf_printf(b, "\n%s\n", m->footer);
}

static void write_file(const char *name, const void *data, size_t n)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	out = fopen(path, "w");
	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(fwrite(data, 1, n, out), n);
	ck_assert_int_eq(fclose(out), 0);
}

/* Gives the zone of those bytes, NULL where they are not believed. It is *ret_zones's. */
static const struct zone *read_back(const char *data, size_t n, struct zones **ret_zones)
{
	write_file("Made", data, n);
	*ret_zones = zones_new(folder);
	return zones_get(*ret_zones, "Made");
}

static bool is_sound(const char *data, size_t n)
{
	struct zones *zones;
	bool is_there = read_back(data, n, &zones) != NULL;

	ck_assert(is_there == (zones_get(zones, "Made") != NULL)); /* as it was said first */
	zones_free(zones);
	return is_there;
}

/* Winter +1 h until the first change in 2020, then summer, then winter, and on by a rule. */
static const struct made plain = {.offsets = {3600, 7200},
                                  .types_n = 2,
                                  .changes = {{1585443600, 1}, {1603587600, 0}},
                                  .n = 2,
                                  .footer = "CET-1CEST,M3.5.0,M10.5.0/3"};

/* ---- tests ---- */

START_TEST(test_a_footer_means_what_posix_says)
{
	static const struct {
		const char *footer, *at;
		int32_t offset_s;
	} rows[] = {
	        {"CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29T00:59:59Z", 3600},
	        {"CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29T01:00:00Z", 7200},
	        {"CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25T00:59:59Z", 7200},
	        {"CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25T01:00:00Z", 3600},
	        {"CET-1CEST,M3.5.0,M10.5.0/3", "2200-07-01T00:00:00Z", 7200},
	        {"CET-1CEST,M3.5.0,M10.5.0/3", "2200-12-01T00:00:00Z", 3600},
	        /* in the south, summer goes over the year's end */
	        {"NZST-12NZDT,M9.5.0,M4.1.0/3", "2026-01-01T00:00:00Z", 46800},
	        {"NZST-12NZDT,M9.5.0,M4.1.0/3", "2026-07-01T00:00:00Z", 43200},
	        {"NZST-12NZDT,M9.5.0,M4.1.0/3", "2026-12-01T00:00:00Z", 46800},
	        /* names in brackets; a change before midnight of its day */
	        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T00:59:59Z", -7200},
	        {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00Z", -3600},
	        /* J60 is the 1st of March always, 59 the 29th of February where there is one */
	        {"AAA0BBB,J60/0,J300/0", "2024-02-29T23:59:59Z", 0},
	        {"AAA0BBB,J60/0,J300/0", "2024-03-01T00:00:00Z", 3600},
	        {"AAA0BBB,J60/0,J300/0", "2026-02-28T23:59:59Z", 0},
	        {"AAA0BBB,J60/0,J300/0", "2026-03-01T00:00:00Z", 3600},
	        {"AAA0BBB,J59/0,J300/0", "2024-02-28T00:00:00Z", 3600},
	        {"AAA0BBB,59/0,299/0", "2024-02-28T23:59:59Z", 0},
	        {"AAA0BBB,59/0,299/0", "2024-02-29T00:00:00Z", 3600},
	        {"AAA0BBB,59/0,299/0", "2026-02-28T23:59:59Z", 0},
	        {"AAA0BBB,59/0,299/0", "2026-03-01T00:00:00Z", 3600},
	        /* to the second, either side */
	        {"AAA+5:30:15BBB,J100,J300", "2026-12-01T00:00:00Z", -19815},
	        {"AAA+5:30:15BBB,J100,J300", "2026-07-01T00:00:00Z", -16215},
	        {"<+1345>-13:45BBB,J100,J300", "2026-12-01T00:00:00Z", 49500},
	        {"AAA0BBB-2:30:15,J100,J300", "2026-07-01T00:00:00Z", 9015},
	        {"AAA0BBB,J100/2:30:15,J300", "2026-04-10T02:30:14Z", 0},
	        {"AAA0BBB,J100/2:30:15,J300", "2026-04-10T02:30:15Z", 3600},
	        {"AAA-24BBB,J100,J300", "2026-12-01T00:00:00Z", 86400},
	        {"AAA24BBB,J100,J300", "2026-12-01T00:00:00Z", -86400},
	        /* no summer */
	        {"CET-1", "2026-07-01T00:00:00Z", 3600},
	        /* hours beyond a day's */
	        {"AAA0BBB,M3.1.0/167,M10.5.0", "2026-03-07T22:59:59Z", 0},
	        {"AAA0BBB,M3.1.0/167,M10.5.0", "2026-03-07T23:00:00Z", 3600},
	        /* RFC 8536, 3.3.1: summer all year */
	        {"EST5EDT,0/0,J365/25", "2026-01-01T04:59:59Z", -14400},
	        {"EST5EDT,0/0,J365/25", "2026-01-01T05:00:00Z", -14400},
	        {"EST5EDT,0/0,J365/25", "2026-07-01T00:00:00Z", -14400},
	        {"EST5EDT,0/0,J365/25", "2027-07-01T00:00:00Z", -14400},
	        /* one that ends as it begins */
	        {"AAA0BBB,J100/2,J100/3", "2026-04-10T02:00:00Z", 0},
	        {"AAA0BBB,J100/2,J100/3", "2026-07-01T00:00:00Z", 0},
	        /* no rule: it stays as it is */
	        {"", "2026-07-01T00:00:00Z", 3600},
	};
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct made m = plain;
		const struct zone *z;
		struct zones *zones;

		m.footer = rows[i].footer;
		make(&b, &m);
		z = read_back(b.data, b.len, &zones);
		ck_assert_msg(z != NULL, "%s", rows[i].footer);
		ck_assert_msg(zone_offset_s(z, at(rows[i].at)) == rows[i].offset_s, "%s at %s: %d",
		              rows[i].footer, rows[i].at, (int)zone_offset_s(z, at(rows[i].at)));
		zones_free(zones);
	}
	buf_done(&b);
}
END_TEST

START_TEST(test_a_zone_whose_footer_is_none_is_not_believed)
{
	static const char *const bad[] = {"A0",
	                                  "<+03-3",
	                                  "AAA",
	                                  "AAA+",
	                                  "AAA:0",
	                                  "AAA25",
	                                  "AAA0:",
	                                  "AAA0:60",
	                                  "AAA0:00:60",
	                                  "AAA0:00:",
	                                  "AAA0B,M3.5.0,M10.5.0",
	                                  "AAA0BBB",
	                                  "AAA0BBB25,M3.5.0,M10.5.0",
	                                  "AAA0BBB,M3.5.0",
	                                  "AAA0BBB,M3.5.0M10.5.0",
	                                  "AAA0BBB,M3.5.0,M10.5.0,",
	                                  "AAA0BBB,M13.5.0,M10.5.0",
	                                  "AAA0BBB,M0.5.0,M10.5.0",
	                                  "AAA0BBB,M3.6.0,M10.5.0",
	                                  "AAA0BBB,M3.0.0,M10.5.0",
	                                  "AAA0BBB,M3.5.7,M10.5.0",
	                                  "AAA0BBB,M3-5.0,M10.5.0",
	                                  "AAA0BBB,M3.5-0,M10.5.0",
	                                  "AAA0BBB,M.5.0,M10.5.0",
	                                  "AAA0BBB,J0,J300",
	                                  "AAA0BBB,J366,J300",
	                                  "AAA0BBB,366,300",
	                                  "AAA0BBB,X,300",
	                                  "AAA0BBB,M3.5.0/168,M10.5.0",
	                                  "AAA0BBB,M3.5.0/,M10.5.0",
	                                  "AAA0BBB,M3.5.0,M10.x.0",
	                                  "AAA0BBB,M3.5.0,M10.5.0 "};
	struct buf b = BUF_INIT;
	struct made m = plain;
	char text[129];

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		m.footer = bad[i];
		make(&b, &m);
		ck_assert_msg(!is_sound(b.data, b.len), "%s", bad[i]);
	}
	memset(text, 'A', sizeof text);
	text[125] = '-';
	text[126] = '1';
	text[127] = '\0';
	m.footer = text; /* 127 characters: as long as one may be */
	make(&b, &m);
	ck_assert(is_sound(b.data, b.len));
	text[125] = 'A';
	text[126] = '-';
	text[127] = '1';
	text[128] = '\0';
	make(&b, &m);
	ck_assert(!is_sound(b.data, b.len));
	buf_done(&b);
}
END_TEST

START_TEST(test_a_file_that_ends_anywhere_before_its_end_is_not_believed)
{
	struct buf b = BUF_INIT;

	make(&b, &plain);
	ck_assert(is_sound(b.data, b.len));
	for (size_t n = 0; n < b.len; n++)
		ck_assert_msg(!is_sound(b.data, n), "%zu bytes of %zu", n, b.len);
	buf_done(&b);
}
END_TEST

START_TEST(test_a_file_that_is_damaged_is_not_believed)
{
	static const struct {
		const char *what;
		size_t at;
		char byte;
	} rows[] = {
	        {"magic", 0, 'X'},
	        {"version 1", 4, '1'},
	        {"more characters than there are", 42, 1},
	        {"a count out of bounds", 36, 1},
	        {"a negative count", 36, -1},
	        {"no type in the first block", 39, 0},
	        {"magic of the second block", HEAD2_AT + 3, 'F'},
	        {"leap seconds", HEAD2_AT + 31, 1},
	        {"more changes than there are", HEAD2_AT + 35, 9},
	        {"times that go back", BODY2_AT + 8, -1},
	        {"a type that is not there", BODY2_AT + 16, 2},
	        {"an offset of more than a day", BODY2_AT + 18, 1},
	        {"one to the west, too, though no change has it", BODY2_AT + 18, -2},
	        {"no line before the footer", BODY2_AT + 31, ' '},
	};
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		make(&b, &plain);
		ck_assert_int_ne(b.data[rows[i].at], rows[i].byte);
		b.data[rows[i].at] = rows[i].byte;
		ck_assert_msg(!is_sound(b.data, b.len), "%s", rows[i].what);
	}
	buf_done(&b);
}
END_TEST

START_TEST(test_the_same_time_twice_is_damage)
{
	struct made m = plain;
	struct buf b = BUF_INIT;

	m.changes[1].at_s = m.changes[0].at_s;
	make(&b, &m);
	ck_assert(!is_sound(b.data, b.len));
	m.changes[1].at_s++;
	make(&b, &m);
	ck_assert(is_sound(b.data, b.len));
	buf_done(&b);
}
END_TEST

START_TEST(test_changes_are_those_that_clocks_show)
{
	/* The second is to another type of the same offset: a new name, or another sort of summer. */
	static const struct made m = {.offsets = {0, 3600, 3600},
	                              .types_n = 3,
	                              .changes = {{1000000, 1}, {2000000, 2}, {3000000, 0}},
	                              .n = 3,
	                              .footer = ""};
	struct buf b = BUF_INIT;
	enum clock_change change;
	const struct zone *z;
	struct zones *zones;

	make(&b, &m);
	z = read_back(b.data, b.len, &zones);
	ck_assert_ptr_nonnull(z);
	ck_assert_str_eq(zone_name(z), "Made");
	ck_assert_int_eq(zone_offset_s(z, 999999), 0);
	ck_assert_int_eq(zone_offset_s(z, 1000000), 3600);
	ck_assert_int_eq(zone_offset_s(z, 2999999), 3600);
	ck_assert_int_eq(zone_offset_s(z, 3000000), 0);
	ck_assert(zone_is_steady(z, 1000000, 2999999));
	ck_assert(!zone_is_steady(z, 999999, 1000000));
	ck_assert_int_eq(zone_utc(z, 1001800, &change), 1001800); /* in the gap: with the offset before it */
	ck_assert_int_eq(change, CLOCK_GAP);
	ck_assert_int_eq(zone_utc(z, 3001800, &change), 2998200);
	ck_assert_int_eq(change, CLOCK_OVERLAP);
	ck_assert_int_eq(zone_utc_last(z, 3001800), 3001800);
	ck_assert_int_eq(zone_utc(z, 2000000, NULL), 1996400);
	zones_free(zones);
	buf_done(&b);
}
END_TEST

START_TEST(test_a_list_that_ends_long_ago_goes_on_by_its_rule)
{
	struct made m = plain;
	struct buf b = BUF_INIT;
	struct zones *zones;
	const struct zone *z;

	m.changes[0] = (struct change){BIG_BANG, 0};
	m.n = 1;
	make(&b, &m);
	z = read_back(b.data, b.len, &zones);
	ck_assert_ptr_nonnull(z);
	ck_assert_int_eq(zone_offset_s(z, at("2026-07-01T00:00:00Z")), 7200);
	ck_assert_int_eq(zone_offset_s(z, at("2026-12-01T00:00:00Z")), 3600);
	zones_free(zones);
	m.n = 0; /* no list at all */
	make(&b, &m);
	z = read_back(b.data, b.len, &zones);
	ck_assert_ptr_nonnull(z);
	ck_assert_int_eq(zone_offset_s(z, at("2026-07-01T00:00:00Z")), 7200);
	zones_free(zones);
	buf_done(&b);
}
END_TEST

START_TEST(test_the_version_is_told_or_unknown)
{
	static const struct {
		const char *text, *version;
	} rows[] = {{"# version 2026a\nZ Europe/Stockholm", "2026a"},
	            {"# version 2026a", "2026a"},
	            {"# version 2026a-rearguard\n", "2026a-rearguard"},
	            {"# version x\n", "x"},
	            {"# version \n", "unknown"},
	            {"# version ", "unknown"},
	            {"# redo posix_only\n", "unknown"},
	            {"#", "unknown"},
	            {"", "unknown"},
	            {"# version 2026a2026a2026a2026a2026a2026a2026a", "2026a2026a2026a2026a2026a2026a2"}};
	struct zones *zones;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		write_file("tzdata.zi", rows[i].text, strlen(rows[i].text));
		zones = zones_new(folder);
		ck_assert_str_eq(zones_version(zones), rows[i].version);
		zones_free(zones);
	}
	zones = zones_new("/nowhere");
	ck_assert_str_eq(zones_version(zones), "unknown");
	ck_assert_ptr_null(zones_get(zones, "UTC"));
	zones_free(zones);
	zones_free(NULL);
}
END_TEST

START_TEST(test_the_folder_is_the_one_that_is_said_or_the_systems)
{
	struct buf b = BUF_INIT;
	struct zones *zones;

	make(&b, &plain);
	write_file("Made", b.data, b.len);
	ck_assert_int_eq(setenv("TZDIR", folder, 1), 0);
	zones = zones_new(NULL);
	ck_assert_ptr_nonnull(zones_get(zones, "Made"));
	zones_free(zones);
	ck_assert_int_eq(setenv("TZDIR", "", 1), 0);
	zones = zones_new(NULL);
	ck_assert_ptr_null(zones_get(zones, "Made"));
	ck_assert_ptr_nonnull(zones_get(zones, "UTC"));
	zones_free(zones);
	ck_assert_int_eq(unsetenv("TZDIR"), 0);
	zones = zones_new(NULL);
	ck_assert_ptr_nonnull(zones_get(zones, "UTC"));
	zones_free(zones);
	zones = zones_new("");
	ck_assert_ptr_nonnull(zones_get(zones, "UTC"));
	zones_free(zones);
	buf_done(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("schedule-zone");
	char path[128];
	int status;

	if (mkdtemp(folder) == NULL) {
		perror(folder);
		return EXIT_FAILURE;
	}
	TESTS(s, "zone", test_a_footer_means_what_posix_says,
	      test_a_zone_whose_footer_is_none_is_not_believed,
	      test_a_file_that_ends_anywhere_before_its_end_is_not_believed,
	      test_a_file_that_is_damaged_is_not_believed, test_the_same_time_twice_is_damage,
	      test_changes_are_those_that_clocks_show, test_a_list_that_ends_long_ago_goes_on_by_its_rule,
	      test_the_version_is_told_or_unknown, test_the_folder_is_the_one_that_is_said_or_the_systems);
	status = suite_run(s);
	snprintf(path, sizeof path, "%s/Made", folder);
	unlink(path);
	snprintf(path, sizeof path, "%s/tzdata.zi", folder);
	unlink(path);
	rmdir(folder);
	return status;
}
