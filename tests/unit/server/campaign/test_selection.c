/* tests: server/campaign/selection: what was found, each once, in calling order. */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/rng.h"
#include "server/campaign/selection.h"

static struct selection *s;

static void set_up(void)
{
	s = selection_new();
}

static void tear_down(void)
{
	selection_free(s);
}

static void find(const char *id, uint8_t hub, const char *group)
{
	char name[DEVICE_ID_MAX + 1];
	const struct selected found = {
	        .device_id = name, .hub = hub, .group = group, .baseline = {.version = selection_n(s)}};

	snprintf(name, sizeof name, "%s", id); /* gone when it returns: the selection copies */
	selection_add(s, &found);
	memset(name, 'x', sizeof name - 1);
}

/* The order as text: ids, those of hub 1 with a star. */
static void expect_order(const char *order)
{
	struct buf text = BUF_INIT;

	buf_puts(&text, "");
	for (uint32_t i = 0; i < selection_n(s); i++)
		buf_printf(&text, "%s%s%s", i > 0 ? " " : "", selection_at(s, i)->device_id,
		           selection_at(s, i)->hub == 1 ? "*" : "");
	ck_assert_str_eq(text.len > 0 ? text.data : "", order);
	buf_done(&text);
}

static void expect_group(uint32_t group, uint8_t hub, const char *name, uint32_t size)
{
	uint32_t has = 0;
	uint8_t on = UINT8_MAX;

	ck_assert_str_eq(selection_group(s, group, &on, &has), name);
	ck_assert_uint_eq(has, size);
	ck_assert_uint_eq(on, hub);
}

START_TEST(test_what_is_found_twice_counts_once_as_found_first)
{
	find("b", 0, NULL);
	find("a", 0, NULL);
	find("b", 0, NULL);
	find("b", 1, NULL); /* another hub: another device */
	find("a", 0, NULL);
	selection_order(s, ORDER_AS_GIVEN, 0, false);
	expect_order("b a b*");
	ck_assert_uint_eq(selection_at(s, 0)->baseline.version, 0);
	ck_assert_uint_eq(selection_at(s, 1)->baseline.version, 1);
	ck_assert_uint_eq(selection_at(s, 2)->baseline.version, 3);
	ck_assert_uint_eq(selection_groups_n(s), 0);
	ck_assert_uint_eq(selection_group_at(s, 0), GROUP_NONE);
}
END_TEST

START_TEST(test_fleets_of_the_same_ids_on_two_hubs_are_all_kept)
{
	char id[16];

	for (unsigned i = 0; i < 4000; i++) {
		snprintf(id, sizeof id, "dev-%06u", i / 2 % 1000);
		find(id, i % 2, NULL);
	}
	selection_order(s, ORDER_BY_ID, 0, false);
	ck_assert_uint_eq(selection_n(s), 2000);
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(id, sizeof id, "dev-%06u", i / 2);
		ck_assert_str_eq(selection_at(s, i)->device_id, id);
		ck_assert_uint_eq(selection_at(s, i)->hub, i % 2);
	}
}
END_TEST

START_TEST(test_by_id_sorts_by_bytes_and_then_by_hub)
{
	find("d10", 1, NULL);
	find("d2", 0, NULL);
	find("d10", 0, NULL);
	find("D3", 0, NULL);
	find("d1", 0, NULL);
	selection_order(s, ORDER_BY_ID, 7, false);
	expect_order("D3 d1 d10 d10* d2");
}
END_TEST

START_TEST(test_nothing_found_is_in_order_too)
{
	selection_order(s, ORDER_SHUFFLED, 1, true);
	ck_assert_uint_eq(selection_n(s), 0);
	ck_assert_uint_eq(selection_groups_n(s), 0);
	selection_free(NULL);
}
END_TEST

static void find_many(uint32_t n, const char *const *groups, uint32_t groups_n)
{
	char id[16];

	for (uint32_t i = 0; i < n; i++) {
		snprintf(id, sizeof id, "d%u", i);
		find(id, 0, groups_n > 0 ? groups[i % groups_n] : NULL);
	}
}

START_TEST(test_a_shuffle_is_the_seeds_and_can_be_done_again)
{
	struct buf first = BUF_INIT, again = BUF_INIT, other = BUF_INIT;
	bool is_there[100] = {false};

	for (int round = 0; round < 3; round++) {
		struct buf *to = round == 0 ? &first : round == 1 ? &again : &other;

		selection_reset(s);
		find_many(100, NULL, 0);
		selection_order(s, ORDER_SHUFFLED, round < 2 ? 7 : 8, false);
		for (uint32_t i = 0; i < 100; i++)
			buf_printf(to, "%s ", selection_at(s, i)->device_id);
	}
	ck_assert_str_eq(first.data, again.data);
	ck_assert_str_ne(first.data, other.data);
	for (uint32_t i = 0; i < 100; i++) { /* and it is a permutation */
		long no = strtol(selection_at(s, i)->device_id + 1, NULL, 10);

		ck_assert(!is_there[no]);
		is_there[no] = true;
	}
	buf_done(&first);
	buf_done(&again);
	buf_done(&other);
}
END_TEST

START_TEST(test_groups_take_turns)
{
	static const char *const of[] = {"x", "x", "x", "y", NULL, "x", "y", NULL, NULL, "z"};
	char id[2] = "a";

	for (size_t i = 0; i < sizeof of / sizeof *of; i++, id[0]++)
		find(id, 0, of[i]);
	selection_order(s, ORDER_AS_GIVEN, 0, true);
	expect_order("a d e j b g h c i f");
	ck_assert_uint_eq(selection_groups_n(s), 4);
	expect_group(0, 0, "x", 4);
	expect_group(1, 0, "y", 2);
	expect_group(2, 0, "", 3);
	expect_group(3, 0, "z", 1);
	for (uint32_t i = 0; i < selection_n(s); i++)
		ck_assert_str_eq(selection_group(s, selection_group_at(s, i), &(uint8_t){0}, &(uint32_t){0}),
		                 selection_at(s, i)->group);
}
END_TEST

START_TEST(test_one_name_on_two_hubs_is_two_groups)
{
	find("a", 0, "x");
	find("b", 1, "x");
	find("c", 0, "x");
	find("d", 1, NULL);
	find("d", 0, NULL);
	find("e", 1, "x");
	selection_order(s, ORDER_AS_GIVEN, 0, true);
	expect_order("a b* d* d c e*");
	ck_assert_uint_eq(selection_groups_n(s), 4);
	expect_group(0, 0, "x", 2);
	expect_group(1, 1, "x", 2);
	expect_group(2, 1, "", 1);
	expect_group(3, 0, "", 1);
}
END_TEST

START_TEST(test_sizes_count_each_device_once)
{
	find("a", 0, "x");
	find("a", 0, "x");
	find("b", 0, "x");
	find("b", 0, "y"); /* its tag changed between two pages: the first counts */
	find("c", 0, "x");
	selection_order(s, ORDER_BY_ID, 0, true);
	expect_order("a b c");
	expect_group(0, 0, "x", 3);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_uint_eq(selection_group_at(s, i), 0);
}
END_TEST

START_TEST(test_a_tag_that_is_empty_is_none)
{
	find("a", 0, "");
	find("b", 0, NULL);
	selection_order(s, ORDER_AS_GIVEN, 0, true);
	ck_assert_uint_eq(selection_groups_n(s), 1);
	expect_group(0, 0, "", 2);
}
END_TEST

START_TEST(test_turns_are_even_for_any_groups)
{
	struct rng rng;

	printf("seed 5\n");
	rng_seed(&rng, 5);
	for (unsigned round = 0; round < 50; round++) {
		static const char *const of[] = {"a", "b", NULL, "c", "d"};
		uint32_t n = (uint32_t)rng_below(&rng, 300), seen[8] = {0}, last_rank = 0;
		char id[16];

		selection_reset(s);
		for (uint32_t i = 0; i < n; i++) {
			snprintf(id, sizeof id, "d%u", (unsigned)rng_below(&rng, 1000));
			find(id, 0, of[rng_below(&rng, rng_below(&rng, 5) + 1)]);
		}
		selection_order(s, ORDER_SHUFFLED, rng_u64(&rng), true);
		for (uint32_t i = 0; i < selection_n(s); i++) {
			uint32_t rank = seen[selection_group_at(s, i)]++;

			ck_assert_uint_ge(rank, last_rank);
			last_rank = rank;
		}
		for (uint32_t g = 0, size; g < selection_groups_n(s); g++) {
			selection_group(s, g, &(uint8_t){0}, &size);
			ck_assert_uint_eq(size, seen[g]);
		}
	}
}
END_TEST

START_TEST(test_the_turns_do_not_depend_on_whether_it_was_reset)
{
	static const char *const of[] = {"a", "b", "a", NULL};
	struct buf first = BUF_INIT;

	find_many(40, of, 4);
	selection_order(s, ORDER_SHUFFLED, 3, true);
	for (uint32_t i = 0; i < 40; i++)
		buf_printf(&first, "%s%s", i > 0 ? " " : "", selection_at(s, i)->device_id);
	selection_reset(s);
	ck_assert_uint_eq(selection_n(s), 0);
	find_many(40, of, 4);
	selection_order(s, ORDER_SHUFFLED, 3, true);
	expect_order(first.data);
	expect_group(0, 0, "a", 20);
	buf_done(&first);
}
END_TEST

START_TEST(test_names_may_be_any_number_and_as_long_as_they_like)
{
	char name[600], id[16];

	for (unsigned i = 0; i < 120; i++) {
		memset(name, 'x', sizeof name);
		snprintf(name + 200 + i / 2 * 5, 16, "%u",
		         i / 2); /* around the length that is looked up at once */
		snprintf(id, sizeof id, "d%u", i);
		find(id, 0, name);
	}
	selection_order(s, ORDER_AS_GIVEN, 0, true);
	ck_assert_uint_eq(selection_groups_n(s), 60);
	for (unsigned i = 0; i < 60; i++) {
		memset(name, 'x', sizeof name);
		snprintf(name + 200 + i * 5, 16, "%u", i);
		expect_group(i, 0, name, 2);
	}
}
END_TEST

START_TEST(test_zones_are_numbered_as_they_are_found_and_those_without_are_one)
{
	static const char *const zones[] = {"Europe/Stockholm", NULL, "UTC", "Europe/Stockholm", ""};
	static const uint32_t numbers[] = {0, 1, 2, 0, 1};
	static const char *const ids[] = {"d0", "d1", "d2", "d3", "d4"};

	for (unsigned i = 0; i < 5; i++)
		selection_add(s, &(struct selected){.device_id = ids[i], .zone = zones[i]});
	selection_order(s, ORDER_AS_GIVEN, 0, false);
	ck_assert_uint_eq(selection_zones_n(s), 3);
	ck_assert_str_eq(selection_zone(s, 0), "Europe/Stockholm");
	ck_assert_str_eq(selection_zone(s, 1), "");
	ck_assert_str_eq(selection_zone(s, 2), "UTC");
	for (uint32_t i = 0; i < 5; i++)
		ck_assert_uint_eq(selection_zone_at(s, i), numbers[i]);
}
END_TEST

START_TEST(test_what_is_in_order_can_be_put_in_another)
{
	selection_order(s, ORDER_BY_ID, 0, false); /* nothing yet */
	expect_order("");
	selection_reset(s);
	find("b", 0, NULL);
	find("c", 0, NULL);
	find("a", 0, NULL);
	selection_order(s, ORDER_AS_GIVEN, 0, false);
	expect_order("b c a");
	selection_order(s, ORDER_BY_ID, 0, false);
	expect_order("a b c");
}
END_TEST

START_TEST(test_a_large_set_of_ids_has_those_and_no_others)
{
	static char texts[3000][8];
	char *ids[3000];
	const struct strings strings = {ids, 3000};
	struct id_set *set;
	char other[12];

	for (unsigned i = 0; i < 3000; i++) {
		snprintf(texts[i], sizeof texts[i], "d%u", i);
		ids[i] = texts[i];
	}
	set = id_set_new(&strings);
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(other, sizeof other, "e%u", i);
		ck_assert(id_set_has(set, ids[i]));
		ck_assert(!id_set_has(set, other));
	}
	id_set_free(set);
}
END_TEST

START_TEST(test_a_set_of_ids_has_those_and_no_others)
{
	char texts[4][4] = {"a", "b", "ab", "d1"}, *ids[] = {texts[0], texts[1], texts[2], texts[3]};
	const struct strings strings = {ids, 4}, none = {NULL, 0};
	struct id_set *set = id_set_new(&strings), *empty = id_set_new(&none);

	for (size_t i = 0; i < 4; i++)
		ck_assert(id_set_has(set, ids[i]));
	ck_assert(!id_set_has(set, "c"));
	ck_assert(!id_set_has(set, ""));
	ck_assert(!id_set_has(empty, "a"));
	id_set_free(set);
	id_set_free(empty);
	id_set_free(NULL);
}
END_TEST

static void add(Suite *suite, const char *name, const TTest *const *tests)
{
	TCase *tc = tcase_create(name);

	tcase_add_checked_fixture(tc, set_up, tear_down);
	for (; *tests != NULL; tests++)
		tcase_add_test(tc, *tests);
	suite_add_tcase(suite, tc);
}

#define CASE(name, ...) add(suite, name, (const TTest *const[]){__VA_ARGS__, NULL})

int main(void)
{
	Suite *suite = suite_create("campaign-selection");

	CASE("order", test_what_is_found_twice_counts_once_as_found_first,
	     test_fleets_of_the_same_ids_on_two_hubs_are_all_kept, test_by_id_sorts_by_bytes_and_then_by_hub,
	     test_nothing_found_is_in_order_too, test_what_is_in_order_can_be_put_in_another,
	     test_a_shuffle_is_the_seeds_and_can_be_done_again);
	CASE("groups", test_groups_take_turns, test_one_name_on_two_hubs_is_two_groups,
	     test_sizes_count_each_device_once, test_a_tag_that_is_empty_is_none,
	     test_turns_are_even_for_any_groups, test_the_turns_do_not_depend_on_whether_it_was_reset);
	CASE("names", test_names_may_be_any_number_and_as_long_as_they_like,
	     test_zones_are_numbered_as_they_are_found_and_those_without_are_one);
	CASE("sets", test_a_set_of_ids_has_those_and_no_others,
	     test_a_large_set_of_ids_has_those_and_no_others);
	return suite_run(suite);
}
