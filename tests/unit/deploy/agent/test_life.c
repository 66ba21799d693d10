/* tests: deploy/agent/life */
#include "tests/lib/suite.h"

#include <stdlib.h>
#include <string.h>

#include "deploy/agent/life.h"

static struct state s;
static const struct life_now later = {.at_ms = 2000, .up_ms = 5000, .firmware = "2.0"};
static const struct life_rule by_boot, by_exit = {.ends_by_exit = true};

/* An act in boot b1, of which the agent now starts in boot. */
static struct act *given(enum act_type type, enum act_phase phase, const char *boot)
{
	struct act *a;

	state_done(&s);
	s = (struct state){.boot_id = "b1", .booted_at_ms = 1};
	a = state_add(&s);
	a->type = type;
	a->phase = phase;
	a->payload = strdup("null");
	a->accepted_up_ms = 4000;
	memcpy(a->boot_id, "b1", 3);
	ck_assert(life_note_boot(&s, boot, 1500, "") == (strcmp(boot, "b1") != 0));
	return a;
}

static void assert_ended(const struct act *a, enum act_phase phase)
{
	ck_assert_str_eq(act_phase_text(a->phase), act_phase_text(phase));
	ck_assert_ptr_null(a->payload);
	ck_assert_int_eq(a->ended_at_ms, 2000);
	ck_assert_str_eq(a->end_boot_id, s.boot_id);
	ck_assert_str_eq(a->end_firmware, "2.0");
	ck_assert((a->error[0] == '\0') == (phase == PHASE_DONE));
	ck_assert_ptr_null(state_pending(&s));
}

START_TEST(test_the_first_boot_seen_is_no_restart)
{
	struct state t = {.n = 0};

	ck_assert(life_note_boot(&t, "b1", 100, ""));
	ck_assert_int_eq(t.last_reboot_at_ms, 0);
	ck_assert(!life_note_boot(&t, "b1", 101, ""));
	ck_assert_int_eq(t.booted_at_ms, 100);
	ck_assert(life_note_boot(&t, "b2", 200, "k"));
	ck_assert_int_eq(t.last_reboot_at_ms, 200);
	ck_assert_str_eq(t.pretended_over, "k");
}
END_TEST

START_TEST(test_a_reboot_is_done_by_another_boot_begun_or_not)
{
	struct act *a = given(ACT_REBOOT, PHASE_BEGUN, "b2");

	ck_assert_int_eq(life_start(&s, &by_boot, &later), LIFE_NOTHING);
	assert_ended(a, PHASE_DONE);
	ck_assert_int_eq(a->end_booted_at_ms, 1500);
	ck_assert_int_eq(s.last_reboot_at_ms, 1500);
	a = given(ACT_REBOOT, PHASE_ACCEPTED, "b2");
	ck_assert_int_eq(life_start(&s, &by_boot, &later), LIFE_NOTHING);
	assert_ended(a, PHASE_DONE);
}
END_TEST

START_TEST(test_what_was_accepted_and_not_begun_begins_after_a_crash)
{
	for (int t = 0; t < ACT_TYPES_N; t++) {
		struct act *a = given((enum act_type)t, PHASE_ACCEPTED, "b1");

		ck_assert_int_eq(life_start(&s, &by_boot, &later), LIFE_BEGIN);
		ck_assert_ptr_eq(state_pending(&s), a);
		life_begin(&s, false, &later);
		ck_assert_int_eq(a->phase, PHASE_BEGUN);
		ck_assert_int_eq(a->begun_up_ms, 5000);
	}
}
END_TEST

START_TEST(test_what_nobody_expects_any_more_does_not_begin)
{
	struct life_now late = {.at_ms = 2000, .up_ms = 4000 + BEGIN_WITHIN_MS, .firmware = "2.0"};
	struct act *a = given(ACT_REBOOT, PHASE_ACCEPTED, "b1");

	ck_assert_int_eq(life_start(&s, &by_boot, &late), LIFE_BEGIN);
	late.up_ms++;
	ck_assert_int_eq(life_start(&s, &by_boot, &late), LIFE_NOTHING);
	assert_ended(a, PHASE_FAILED);
	a = given(ACT_FACTORY_RESET, PHASE_ACCEPTED, "b2");
	ck_assert_int_eq(life_start(&s, &by_boot, &later), LIFE_NOTHING);
	assert_ended(a, PHASE_FAILED);
	a = given(ACT_FIRMWARE_UPDATE, PHASE_ACCEPTED, "b2");
	ck_assert_int_eq(life_start(&s, &by_exit, &later), LIFE_NOTHING);
	assert_ended(a, PHASE_FAILED);
}
END_TEST

START_TEST(test_what_had_begun_never_begins_again)
{
	struct act *a;

	given(ACT_REBOOT, PHASE_BEGUN, "b1");
	ck_assert_int_eq(life_start(&s, &by_boot, &later), LIFE_AWAIT);
	given(ACT_FACTORY_RESET, PHASE_BEGUN, "b1");
	ck_assert_int_eq(life_start(&s, &by_boot, &later), LIFE_AWAIT);
	a = given(ACT_FACTORY_RESET, PHASE_BEGUN, "b1");
	ck_assert_int_eq(life_start(&s, &by_exit, &later), LIFE_NOTHING);
	assert_ended(a, PHASE_UNKNOWN);
	a = given(ACT_FIRMWARE_UPDATE, PHASE_BEGUN, "b1");
	ck_assert_int_eq(life_start(&s, &by_exit, &later), LIFE_NOTHING);
	assert_ended(a, PHASE_UNKNOWN);
	a = given(ACT_REBOOT, PHASE_BEGUN, "b1");
	a->is_pretended = true;
	ck_assert_int_eq(life_start(&s, &by_boot, &later), LIFE_PRETEND);
}
END_TEST

START_TEST(test_a_factory_reset_is_done_by_its_restart_or_by_its_end)
{
	struct act *a = given(ACT_FACTORY_RESET, PHASE_BEGUN, "b2");

	ck_assert_int_eq(life_start(&s, &by_boot, &later), LIFE_NOTHING);
	assert_ended(a, PHASE_DONE);
	a = given(ACT_FACTORY_RESET, PHASE_BEGUN, "b2");
	ck_assert_int_eq(life_start(&s, &by_exit, &later), LIFE_NOTHING);
	assert_ended(a, PHASE_UNKNOWN);
	a = given(ACT_FACTORY_RESET, PHASE_BEGUN, "b1");
	ck_assert_int_eq(life_exit(&s, &by_exit, 0, &later), LIFE_NOTHING);
	assert_ended(a, PHASE_DONE);
	given(ACT_FACTORY_RESET, PHASE_BEGUN, "b1");
	ck_assert_int_eq(life_exit(&s, &by_boot, 0, &later), LIFE_AWAIT);
}
END_TEST

START_TEST(test_a_boot_alone_does_not_prove_an_update)
{
	const struct life_rule wanted = {.wanted_version = "2.0"}, other = {.wanted_version = "3.0"};
	const struct life_rule checked = {.has_check = true, .wanted_version = "3.0"};
	struct act *a = given(ACT_FIRMWARE_UPDATE, PHASE_BEGUN, "b2");

	ck_assert_int_eq(life_start(&s, &by_boot, &later), LIFE_NOTHING);
	assert_ended(a, PHASE_UNKNOWN);
	a = given(ACT_FIRMWARE_UPDATE, PHASE_BEGUN, "b2");
	ck_assert_int_eq(life_start(&s, &wanted, &later), LIFE_NOTHING);
	assert_ended(a, PHASE_DONE);
	a = given(ACT_FIRMWARE_UPDATE, PHASE_BEGUN, "b2");
	ck_assert_int_eq(life_start(&s, &other, &later), LIFE_NOTHING);
	assert_ended(a, PHASE_FAILED);
	ck_assert_str_eq(a->error, "version 2.0 runs");
	a = given(ACT_FIRMWARE_UPDATE, PHASE_BEGUN, "b2");
	ck_assert_int_eq(life_start(&s, &checked, &later), LIFE_CHECK);
	life_checked(&s, 0, &later);
	assert_ended(a, PHASE_DONE);
	a = given(ACT_FIRMWARE_UPDATE, PHASE_BEGUN, "b2");
	ck_assert_int_eq(life_start(&s, &checked, &later), LIFE_CHECK);
	life_checked(&s, 1, &later);
	assert_ended(a, PHASE_FAILED);
}
END_TEST

START_TEST(test_an_update_that_ends_by_exit_is_done_by_its_word_unless_it_can_be_checked)
{
	const struct life_rule other = {.ends_by_exit = true, .wanted_version = "3.0"};
	const struct life_rule checked = {.ends_by_exit = true, .has_check = true};
	struct act *a = given(ACT_FIRMWARE_UPDATE, PHASE_BEGUN, "b1");

	ck_assert_int_eq(life_exit(&s, &by_exit, 0, &later), LIFE_NOTHING);
	assert_ended(a, PHASE_DONE);
	a = given(ACT_FIRMWARE_UPDATE, PHASE_BEGUN, "b1");
	ck_assert_int_eq(life_exit(&s, &other, 0, &later), LIFE_NOTHING);
	assert_ended(a, PHASE_FAILED);
	given(ACT_FIRMWARE_UPDATE, PHASE_BEGUN, "b1");
	ck_assert_int_eq(life_exit(&s, &checked, 0, &later), LIFE_CHECK);
}
END_TEST

START_TEST(test_a_command_that_fails_fails_its_act_with_its_status)
{
	struct act *a = given(ACT_REBOOT, PHASE_BEGUN, "b1");

	ck_assert_int_eq(life_exit(&s, &by_boot, 3, &later), LIFE_NOTHING);
	assert_ended(a, PHASE_FAILED);
	ck_assert_int_eq(a->error_code, 3);
	ck_assert_str_eq(a->error, "the command ended with status 3");
	a = given(ACT_FIRMWARE_UPDATE, PHASE_BEGUN, "b1");
	ck_assert_int_eq(life_exit(&s, &by_exit, 128 + 9, &later), LIFE_NOTHING);
	ck_assert_str_eq(a->error, "the command was ended by signal 9");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("agent-life");
	int status;

	TESTS(suite, "start", test_the_first_boot_seen_is_no_restart,
	      test_a_reboot_is_done_by_another_boot_begun_or_not,
	      test_what_was_accepted_and_not_begun_begins_after_a_crash,
	      test_what_nobody_expects_any_more_does_not_begin, test_what_had_begun_never_begins_again);
	TESTS(suite, "end", test_a_factory_reset_is_done_by_its_restart_or_by_its_end,
	      test_a_boot_alone_does_not_prove_an_update,
	      test_an_update_that_ends_by_exit_is_done_by_its_word_unless_it_can_be_checked,
	      test_a_command_that_fails_fails_its_act_with_its_status);
	status = suite_run(suite);
	state_done(&s);
	return status;
}
