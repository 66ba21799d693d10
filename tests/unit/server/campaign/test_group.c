/* tests: server/campaign/group */
#include "tests/lib/suite.h"

#include "server/campaign/group.h"

START_TEST(test_a_group_is_one_hubs_devices_with_one_value_of_one_tag)
{
	struct groups *g = groups_new();
	struct shared_group *a = groups_get(g, 0, "tags.site", "a");

	ck_assert_ptr_eq(groups_get(g, 0, "tags.site", "a"), a);
	ck_assert_ptr_ne(groups_get(g, 1, "tags.site", "a"), a);
	ck_assert_ptr_ne(groups_get(g, 0, "tags.sit", "ea"), a);
	ck_assert_ptr_ne(groups_get(g, 0, "tags.line", "a"), a);
	ck_assert_ptr_ne(groups_get(g, 0, "tags.site", ""), a);
	ck_assert_ptr_ne(groups_get(g, 0, "tags.site", "A"), a);
	groups_free(g);
	groups_free(NULL);
}
END_TEST

START_TEST(test_room_is_what_nobody_who_is_down_takes)
{
	struct shared_group shared = {.out = 1, .offline = 2};
	struct campaign_group group = {.shared = &shared, .failed = 1};

	ck_assert_uint_eq(group_room(&group, 6), 2);
	ck_assert_uint_eq(group_room(&group, 5), 1);
	ck_assert_uint_eq(group_room(&group, 4), 0);
	ck_assert_uint_eq(group_room(&group, 1), 0); /* more than may be: never less than none */
	ck_assert(!group_is_blocked(&group, 2));
	ck_assert(group_is_blocked(&group, 1));
	group.failed = 2;
	ck_assert(group_is_blocked(&group, 2)); /* the others come back, these do not */
}
END_TEST

START_TEST(test_campaigns_join_and_leave_a_group)
{
	struct groups *g = groups_new();
	struct shared_group *a = groups_get(g, 0, "tags.site", "a");

	for (uint32_t c = 1; c <= 5; c++)
		group_join(a, c, c * 10);
	group_leave(a, 2);
	group_leave(a, 5);
	group_leave(a, 7); /* never was in it */
	ck_assert_uint_eq(a->members_n, 3);
	for (uint32_t i = 0, seen = 0; i < 3; i++) {
		ck_assert_uint_eq(a->members[i].group, a->members[i].campaign * 10);
		seen |= 1u << a->members[i].campaign;
		ck_assert(i < 2 || seen == (1u << 1 | 1u << 3 | 1u << 4));
	}
	groups_free(g);
}
END_TEST

START_TEST(test_touched_groups_come_once_each_in_the_order_of_touch)
{
	struct groups *g = groups_new();
	struct shared_group *a = groups_get(g, 0, "t", "a"), *b = groups_get(g, 0, "t", "b");

	ck_assert_ptr_null(groups_next_touched(g));
	group_touch(g, b);
	group_touch(g, a);
	group_touch(g, b);
	ck_assert_ptr_eq(groups_next_touched(g), b);
	group_touch(g, b); /* again, after it was taken */
	ck_assert_ptr_eq(groups_next_touched(g), a);
	ck_assert_ptr_eq(groups_next_touched(g), b);
	ck_assert_ptr_null(groups_next_touched(g));
	groups_free(g);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("campaign-group");

	TESTS(s, "groups", test_a_group_is_one_hubs_devices_with_one_value_of_one_tag,
	      test_room_is_what_nobody_who_is_down_takes, test_campaigns_join_and_leave_a_group,
	      test_touched_groups_come_once_each_in_the_order_of_touch);
	return suite_run(s);
}
