/* tests: server/campaign/profile */
#include "tests/lib/suite.h"

#include "server/campaign/profile.h"

static void check_text(const char *seen, const char *expected)
{
	if (expected == NULL)
		ck_assert_ptr_null(seen);
	else
		ck_assert_pstr_eq(seen, expected);
}

START_TEST(test_profiles_are_the_tutorials)
{
	static const struct profile expected[] = {
	        {ACTION_REBOOT, "reboot", "reboot", 200, 299, "iothubDM.reboot.lastReboot", NULL, NULL, NULL,
	         "iothubDM.reboot.done.attemptId", "iothubDM.bootId", 900, 120, 2, true, true},
	        {ACTION_FACTORY_RESET, "factoryReset", "factoryReset", 200, 299,
	         "iothubDM.factoryReset.lastFactoryReset", NULL, "iothubDM.factoryReset.status", "failed",
	         "iothubDM.factoryReset.done.attemptId", "iothubDM.bootId", 3600, 300, 30, true, true},
	        {ACTION_FIRMWARE_UPDATE, "firmwareUpdate", "firmwareUpdate", 200, 299,
	         "iothubDM.firmwareUpdate.status", "applycomplete", "iothubDM.firmwareUpdate.status",
	         "failed", "iothubDM.firmwareUpdate.done.attemptId", NULL, 3600, 0, 300, true, true},
	        {ACTION_METHOD, "method", NULL, 200, 299, NULL, NULL, NULL, NULL, NULL, NULL, 900, 0, 5,
	         false, false},
	};

	ck_assert_uint_eq(sizeof expected / sizeof *expected, ACTIONS_N);
	for (unsigned i = 0; i < ACTIONS_N; i++) {
		const struct profile *e = &expected[i], *p = profile_of((enum action_type)i);

		ck_assert_ptr_eq(profile_by_text(e->text), p);
		ck_assert_uint_eq(p->type, e->type);
		ck_assert_str_eq(p->text, e->text);
		check_text(p->method_name, e->method_name);
		ck_assert_int_eq(p->success_min, e->success_min);
		ck_assert_int_eq(p->success_max, e->success_max);
		check_text(p->value_path, e->value_path);
		check_text(p->done_value, e->done_value);
		check_text(p->status_path, e->status_path);
		check_text(p->failed_suffix, e->failed_suffix);
		check_text(p->echo_path, e->echo_path);
		check_text(p->boot_path, e->boot_path);
		ck_assert_uint_eq(p->timeout_s, e->timeout_s);
		ck_assert_uint_eq(p->settle_s, e->settle_s);
		ck_assert_uint_eq(p->act_s, e->act_s);
		ck_assert(p->attaches_attempt_id == e->attaches_attempt_id);
	}
	ck_assert_ptr_null(profile_by_text("Reboot"));
	ck_assert_ptr_null(profile_by_text(""));
}
END_TEST

/* Every status that a variant of the tutorial reports (contract 9.2). */
START_TEST(test_a_status_is_read_without_case_and_spaces)
{
	static const struct {
		const char *status;
		bool is_done, is_failed;
	} cases[] = {
	        {"applyComplete", true, false},
	        {" APPLY complete\n", true, false},
	        {"xapplyComplete", false, false},
	        {"applyCompleted", false, false},
	        {"pplyComplete", false, false},
	        {"", false, false},
	        {" ", false, false},
	        {"waiting", false, false},
	        {"downloading", false, false},
	        {"downloadComplete", false, false},
	        {"applying", false, false},
	        {"downloadfailed", false, true},
	        {"downloadFailed", false, true},
	        {"applyFailed", false, true},
	        {"Download image failed", false, true},
	        {"f a i l e d ", false, true},
	        {"failed to start", false, false},
	        {"ailed", false, false},
	};
	const struct profile *p = profile_of(ACTION_FIRMWARE_UPDATE);

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ck_assert_msg(profile_is_done(p, cases[i].status) == cases[i].is_done, "\"%s\"",
		              cases[i].status);
		ck_assert_msg(profile_is_failed(p, cases[i].status) == cases[i].is_failed, "\"%s\"",
		              cases[i].status);
	}
}
END_TEST

START_TEST(test_without_a_done_value_any_value_is_done_and_without_a_suffix_none_has_failed)
{
	ck_assert(profile_is_done(profile_of(ACTION_REBOOT), "2026-12-01T02:00:00Z"));
	ck_assert(profile_is_done(profile_of(ACTION_METHOD), ""));
	ck_assert(!profile_is_failed(profile_of(ACTION_REBOOT), "failed"));
	ck_assert(!profile_is_failed(profile_of(ACTION_METHOD), "failed"));
	ck_assert(profile_is_failed(profile_of(ACTION_FACTORY_RESET), "Failed"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("campaign-profile");

	TESTS(s, "profile", test_profiles_are_the_tutorials, test_a_status_is_read_without_case_and_spaces,
	      test_without_a_done_value_any_value_is_done_and_without_a_suffix_none_has_failed);
	return suite_run(s);
}
