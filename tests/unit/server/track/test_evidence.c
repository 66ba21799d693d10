/* tests: server/track: evidence */
#include "tests/lib/suite.h"

#include <stdio.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/hash.h"
#include "server/base/rng.h"
#include "server/track/evidence.h"

/* Hub times: baseline value written, baseline taken, intent, afterwards. */
#define WRITTEN 1000000
#define TAKEN 2000000
#define SINCE 3000000
#define LATER 3000500

static const struct profile reboot = {.value_path = "r.last"};
static const struct profile reset = {
        .value_path = "f.last", .status_path = "f.status", .failed_suffix = "failed"};
static const struct profile update = {.value_path = "u.status",
                                      .done_value = "applycomplete",
                                      .status_path = "u.status",
                                      .failed_suffix = "failed"};

static const struct evidence_rule by_reboot = {.profile = &reboot, .uses_profile_values = true};
static const struct evidence_rule by_rewrite = {
        .profile = &reboot, .uses_profile_values = true, .accepts_rewrite = true};
static const struct evidence_rule by_reset = {.profile = &reset, .uses_profile_values = true};
static const struct evidence_rule by_update = {.profile = &update, .uses_profile_values = true};
static const struct evidence_rule by_update_rewrite = {
        .profile = &update, .uses_profile_values = true, .accepts_rewrite = true};
static const struct evidence_rule by_other_path = {.profile = &update};
static const struct evidence_rule by_where = {.profile = &reboot, .is_where = true};

static struct seen seen(const char *text, int64_t at_ms)
{
	static char texts[64][32]; /* of one row of a table: more than it needs */
	static unsigned next;
	char *copy = texts[next++ % 64];

	if (text == NULL)
		return (struct seen){.at_ms = TIME_NONE};
	snprintf(copy, sizeof texts[0], "%s", text);
	return (struct seen){true, hash64(text, strlen(text)), at_ms, copy, copy};
}

/* What the tables say of a baseline, beyond: value "old" written at WRITTEN, boot "b1", version 10, point
 * read. */
enum baseline_is { AS_IT_IS, NO_VALUE, NO_BOOT, NO_VERSION, NO_VALUE_TIME, NO_TIME, NO_BASELINE, HELD };

static struct baseline baseline(enum baseline_is is, const char *value)
{
	struct baseline b = {
	        .value_hash = hash64(value, strlen(value)),
	        .boot_hash = hash64("b1", 2),
	        .version = 10,
	        .value_at_ms = WRITTEN,
	        .taken_at_ms = TAKEN,
	        .source = SOURCE_READ,
	        .has_value = true,
	        .has_boot = true,
	        .success_held = is == HELD,
	};

	if (is == NO_VALUE) {
		b.has_value = false;
		b.value_hash = 0;
		b.value_at_ms = TIME_NONE;
	}
	if (is == NO_BOOT)
		b.has_boot = false;
	if (is == NO_VERSION)
		b.version = 0;
	if (is == NO_VALUE_TIME)
		b.value_at_ms = TIME_NONE;
	if (is == NO_TIME)
		b.taken_at_ms = TIME_NONE;
	if (is == NO_BASELINE)
		b = (struct baseline){.value_at_ms = TIME_NONE, .taken_at_ms = TIME_NONE};
	return b;
}

enum from { POINT, ROW };

struct said {
	const char *text;
	int64_t at_ms;
};

struct table_row {
	const char *name;
	const struct evidence_rule *rule;
	enum baseline_is baseline;
	const char *baseline_value; /* NULL: "old" */
	int64_t since_ms;
	bool has_moved;
	enum from from;
	int64_t hub_at_ms;
	uint64_t version;
	struct said value, boot, echo, status;
	bool success, failure;
	enum verdict_kind kind;
	enum strength strength;
};

#define NOTHING VERDICT_NOTHING, STRENGTH_NONE
#define MOVED VERDICT_MOVED, STRENGTH_NONE
#define FAILS VERDICT_FAILED, STRENGTH_NONE
#define GONE VERDICT_GONE, STRENGTH_NONE
#define PROVEN(s) VERDICT_PROVEN, STRENGTH_##s
#define NONE \
	{ \
		NULL, TIME_NONE \
	}

static void judge_table(const struct table_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct table_row *t = &rows[i];
		struct baseline b =
		        baseline(t->baseline, t->baseline_value != NULL ? t->baseline_value : "old");
		struct evidence_case c = {t->rule, &b, t->since_ms, "c1-5-1", t->has_moved, false};
		struct reading r = {
		        .device_id = "d-1",
		        .is_point_read = t->from == POINT,
		        .is_there = true,
		        .is_enabled = true,
		        .version = t->version,
		        .hub_at_ms = t->hub_at_ms,
		        .value = seen(t->value.text, t->value.at_ms),
		        .boot = seen(t->boot.text, t->boot.at_ms),
		        .echo = seen(t->echo.text, t->echo.at_ms),
		        .status = seen(t->status.text, t->status.at_ms),
		        .has_predicates = t->rule->is_where && t->from == POINT,
		        .success = t->success,
		        .failure = t->failure,
		};
		struct verdict v = evidence_judge(&c, &r);
		bool is_done_path = t->strength == STRENGTH_ATTEMPT_ID || t->strength == STRENGTH_BOOT_ID;

		ck_assert_msg(v.kind == t->kind && v.strength == t->strength &&
		                      v.is_done_path == is_done_path,
		              "%s: %s by %s%s", t->name, verdict_text(v.kind), strength_text(v.strength),
		              v.is_done_path ? ", done path" : "");
	}
}

#define JUDGE(rows) judge_table(rows, sizeof(rows) / sizeof *(rows))

START_TEST(test_own_attempt_id_proves_whatever_else_is_said)
{
	static const struct table_row rows[] = {
	        {"echo in a row",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         ROW,
	         LATER,
	         11,
	         {"old", WRITTEN},
	         {"b1", 1},
	         {"c1-5-1", TIME_NONE},
	         NONE,
	         0,
	         0,
	         PROVEN(ATTEMPT_ID)},
	        {"echo, old time",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"old", WRITTEN},
	         {"b1", 1},
	         {"c1-5-1", 5},
	         NONE,
	         0,
	         0,
	         PROVEN(ATTEMPT_ID)},
	        {"echo, where",
	         &by_where,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         NONE,
	         NONE,
	         {"c1-5-1", LATER},
	         NONE,
	         0,
	         1,
	         PROVEN(ATTEMPT_ID)},
	        {"echo, re-created",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         1,
	         NONE,
	         NONE,
	         {"c1-5-1", LATER},
	         NONE,
	         0,
	         0,
	         PROVEN(ATTEMPT_ID)},
	        {"echo, no baseline",
	         &by_reboot,
	         NO_BASELINE,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         1,
	         NONE,
	         NONE,
	         {"c1-5-1", LATER},
	         NONE,
	         0,
	         0,
	         PROVEN(ATTEMPT_ID)},
	        {"echo before boot id",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"new", LATER},
	         {"b2", LATER},
	         {"c1-5-1", LATER},
	         NONE,
	         0,
	         0,
	         PROVEN(ATTEMPT_ID)},
	        {"another attempt's",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"old", WRITTEN},
	         NONE,
	         {"c1-5-0", LATER},
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"only the beginning of ours",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"old", WRITTEN},
	         NONE,
	         {"c1-5-", LATER},
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"longer than ours",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"old", WRITTEN},
	         NONE,
	         {"c1-5-10", LATER},
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"no text",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"old", WRITTEN},
	         NONE,
	         {"", LATER},
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"no call made",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         TIME_NONE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"old", WRITTEN},
	         NONE,
	         {"c1-5-1", LATER},
	         NONE,
	         0,
	         0,
	         NOTHING},
	};

	JUDGE(rows);
}
END_TEST

START_TEST(test_new_boot_id_proves_if_it_came_after_the_intent)
{
	static const struct table_row rows[] = {
	        {"new",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         ROW,
	         LATER,
	         11,
	         {"old", WRITTEN},
	         {"b2", SINCE},
	         NONE,
	         NONE,
	         0,
	         0,
	         PROVEN(BOOT_ID)},
	        {"new, where",
	         &by_where,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         NONE,
	         {"b2", SINCE},
	         NONE,
	         NONE,
	         0,
	         1,
	         PROVEN(BOOT_ID)},
	        {"before value",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         ROW,
	         LATER,
	         11,
	         {"new", LATER},
	         {"b2", LATER},
	         NONE,
	         NONE,
	         0,
	         0,
	         PROVEN(BOOT_ID)},
	        {"too old",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         ROW,
	         LATER,
	         11,
	         {"old", WRITTEN},
	         {"b2", SINCE - 1},
	         NONE,
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"the same",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         ROW,
	         LATER,
	         11,
	         {"old", WRITTEN},
	         {"b1", LATER},
	         NONE,
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"none at the baseline",
	         &by_reboot,
	         NO_BOOT,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"old", WRITTEN},
	         {"b2", LATER},
	         NONE,
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"no time, point read",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         SINCE,
	         11,
	         {"old", WRITTEN},
	         {"b2", TIME_NONE},
	         NONE,
	         NONE,
	         0,
	         0,
	         PROVEN(BOOT_ID)},
	        {"no time, early point read",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         SINCE - 1,
	         11,
	         {"old", WRITTEN},
	         {"b2", TIME_NONE},
	         NONE,
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"no time, row may be old",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         ROW,
	         LATER,
	         11,
	         {"old", WRITTEN},
	         {"b2", TIME_NONE},
	         NONE,
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"no call made",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         TIME_NONE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"old", WRITTEN},
	         {"b2", LATER},
	         NONE,
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"re-created",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         9,
	         NONE,
	         {"b2", LATER},
	         NONE,
	         NONE,
	         0,
	         0,
	         GONE},
	};

	JUDGE(rows);
}
END_TEST

START_TEST(test_changed_value_proves_if_it_was_written_after_the_intent)
{
	static const struct table_row rows[] = {
	        {"changed",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         ROW,
	         LATER,
	         11,
	         {"new", SINCE},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         PROVEN(VALUE)},
	        {"changed, point read",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"new", LATER},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         PROVEN(VALUE)},
	        {"changed too early",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"new", SINCE - 1},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"no time",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"new", TIME_NONE},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"none before",
	         &by_reboot,
	         NO_VALUE,
	         NULL,
	         SINCE,
	         false,
	         ROW,
	         LATER,
	         11,
	         {"new", SINCE},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         PROVEN(VALUE)},
	        {"none before, too early",
	         &by_reboot,
	         NO_VALUE,
	         NULL,
	         SINCE,
	         false,
	         ROW,
	         LATER,
	         11,
	         {"new", SINCE - 1},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"none now", &by_reboot, AS_IT_IS, NULL, SINCE, true, POINT, LATER, 11, NONE, NONE, NONE,
	         NONE, 0, 0, NOTHING},
	        {"no baseline",
	         &by_reboot,
	         NO_BASELINE,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"new", LATER},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"no call made",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         TIME_NONE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"new", LATER},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"user's own path: any change",
	         &by_other_path,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         ROW,
	         LATER,
	         11,
	         {"applying", LATER},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         PROVEN(VALUE)},
	        {"by where values prove nothing",
	         &by_where,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"new", LATER},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         NOTHING},
	};

	JUDGE(rows);
}
END_TEST

START_TEST(test_same_value_proves_only_as_an_accepted_rewrite_or_after_a_move)
{
	static const struct table_row rows[] = {
	        {"same",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"old", LATER},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"rewrite",
	         &by_rewrite,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"old", LATER},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         PROVEN(VALUE)},
	        {"rewrite too early",
	         &by_rewrite,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"old", SINCE - 1},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"not rewritten since the baseline",
	         &by_rewrite,
	         AS_IT_IS,
	         NULL,
	         WRITTEN,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"old", WRITTEN},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"rewrite, baseline without time",
	         &by_rewrite,
	         NO_VALUE_TIME,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"old", LATER},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"moved and back",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         true,
	         POINT,
	         LATER,
	         11,
	         {"old", LATER},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         PROVEN(VALUE)},
	        {"moved, this is older",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         true,
	         POINT,
	         LATER,
	         11,
	         {"old", SINCE - 1},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         NOTHING},
	};

	JUDGE(rows);
}
END_TEST

START_TEST(test_profile_with_done_value_wants_that_value)
{
	static const struct table_row rows[] = {
	        {"under way",
	         &by_update,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         ROW,
	         LATER,
	         11,
	         {"downloading", LATER},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         MOVED},
	        {"done",
	         &by_update,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         ROW,
	         LATER,
	         11,
	         {"applyComplete", LATER},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         PROVEN(VALUE)},
	        {"done, in words",
	         &by_update,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         ROW,
	         LATER,
	         11,
	         {"Apply Complete", LATER},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         PROVEN(VALUE)},
	        {"failed",
	         &by_update,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         ROW,
	         LATER,
	         11,
	         {"downloadFailed", LATER},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         FAILS},
	        {"failed, too early",
	         &by_update,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         ROW,
	         LATER,
	         11,
	         {"downloadFailed", SINCE - 1},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"under way, too early",
	         &by_update,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         ROW,
	         LATER,
	         11,
	         {"downloading", SINCE - 1},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"done before and rewritten",
	         &by_update,
	         AS_IT_IS,
	         "applyComplete",
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"applyComplete", LATER},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"done before, rewrite accepted",
	         &by_update_rewrite,
	         AS_IT_IS,
	         "applyComplete",
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"applyComplete", LATER},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         PROVEN(VALUE)},
	        {"done before, moved, done again",
	         &by_update,
	         AS_IT_IS,
	         "applyComplete",
	         SINCE,
	         true,
	         ROW,
	         LATER,
	         11,
	         {"applyComplete", LATER},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         PROVEN(VALUE)},
	        {"failed before, moved, failed again",
	         &by_update,
	         AS_IT_IS,
	         "applyFailed",
	         SINCE,
	         true,
	         ROW,
	         LATER,
	         11,
	         {"applyFailed", LATER},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         FAILS},
	        {"failed before and rewritten",
	         &by_update,
	         AS_IT_IS,
	         "applyFailed",
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"applyFailed", LATER},
	         NONE,
	         NONE,
	         {"applyFailed", LATER},
	         0,
	         0,
	         NOTHING},
	};

	JUDGE(rows);
}
END_TEST

START_TEST(test_status_path_says_failed_if_written_after_the_intent)
{
	static const struct table_row rows[] = {
	        {"failed",
	         &by_reset,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"old", WRITTEN},
	         NONE,
	         NONE,
	         {"resetFailed", SINCE},
	         0,
	         0,
	         FAILS},
	        {"failed last time",
	         &by_reset,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"old", WRITTEN},
	         NONE,
	         NONE,
	         {"resetFailed", SINCE - 1},
	         0,
	         0,
	         NOTHING},
	        {"failed, and the time of the try noted",
	         &by_reset,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"new", LATER},
	         NONE,
	         NONE,
	         {"resetFailed", LATER},
	         0,
	         0,
	         FAILS},
	        {"failed, then done",
	         &by_reset,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"new", LATER + 1},
	         NONE,
	         NONE,
	         {"resetFailed", LATER},
	         0,
	         0,
	         PROVEN(VALUE)},
	        {"failed last time, now done",
	         &by_reset,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"new", LATER},
	         NONE,
	         NONE,
	         {"resetFailed", SINCE - 1},
	         0,
	         0,
	         PROVEN(VALUE)},
	        {"a row cannot tell when",
	         &by_reset,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         ROW,
	         LATER,
	         11,
	         {"new", LATER},
	         NONE,
	         NONE,
	         {"resetFailed", TIME_NONE},
	         0,
	         0,
	         NOTHING},
	        {"other status",
	         &by_reset,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"new", LATER},
	         NONE,
	         NONE,
	         {"ok", LATER},
	         0,
	         0,
	         PROVEN(VALUE)},
	        {"status beside the user's own path",
	         &by_other_path,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"old", WRITTEN},
	         NONE,
	         NONE,
	         {"applyFailed", LATER},
	         0,
	         0,
	         FAILS},
	        {"no call made",
	         &by_reset,
	         AS_IT_IS,
	         NULL,
	         TIME_NONE,
	         false,
	         POINT,
	         LATER,
	         11,
	         {"old", WRITTEN},
	         NONE,
	         NONE,
	         {"resetFailed", LATER},
	         0,
	         0,
	         NOTHING},
	};

	JUDGE(rows);
}
END_TEST

START_TEST(test_predicates_decide_in_point_reads_since_the_call)
{
	static const struct table_row rows[] = {
	        {"success", &by_where, AS_IT_IS, NULL, SINCE, false, POINT, SINCE, 10, NONE, NONE, NONE, NONE,
	         1, 0, PROVEN(PREDICATE)},
	        {"success and failure", &by_where, AS_IT_IS, NULL, SINCE, false, POINT, LATER, 11, NONE, NONE,
	         NONE, NONE, 1, 1, PROVEN(PREDICATE)},
	        {"success held before", &by_where, HELD, NULL, SINCE, false, POINT, LATER, 11, NONE, NONE,
	         NONE, NONE, 1, 0, NOTHING},
	        {"success held before, failure now too", &by_where, HELD, NULL, SINCE, false, POINT, LATER,
	         11, NONE, NONE, NONE, NONE, 1, 1, NOTHING},
	        {"read before the call", &by_where, AS_IT_IS, NULL, SINCE, false, POINT, SINCE - 1, 11, NONE,
	         NONE, NONE, NONE, 1, 0, NOTHING},
	        {"read without a date", &by_where, AS_IT_IS, NULL, SINCE, false, POINT, TIME_NONE, 11, NONE,
	         NONE, NONE, NONE, 1, 0, NOTHING},
	        {"rows do not decide", &by_where, AS_IT_IS, NULL, SINCE, false, ROW, LATER, 11, NONE, NONE,
	         NONE, NONE, 1, 0, NOTHING},
	        {"no baseline", &by_where, NO_BASELINE, NULL, SINCE, false, POINT, LATER, 11, NONE, NONE,
	         NONE, NONE, 1, 0, NOTHING},
	        {"no call made", &by_where, AS_IT_IS, NULL, TIME_NONE, false, POINT, LATER, 11, NONE, NONE,
	         NONE, NONE, 1, 0, NOTHING},
	        {"failure", &by_where, AS_IT_IS, NULL, SINCE, false, POINT, LATER, 11, NONE, NONE, NONE, NONE,
	         0, 1, FAILS},
	        {"failure that may have held before", &by_where, AS_IT_IS, NULL, SINCE, false, POINT, LATER,
	         10, NONE, NONE, NONE, NONE, 0, 1, NOTHING},
	        {"failure, baseline's version unknown", &by_where, NO_VERSION, NULL, SINCE, false, POINT,
	         LATER, 11, NONE, NONE, NONE, NONE, 0, 1, NOTHING},
	        {"failure, version unknown", &by_where, AS_IT_IS, NULL, SINCE, false, POINT, LATER, 0, NONE,
	         NONE, NONE, NONE, 0, 1, NOTHING},
	        {"failure, read before the call", &by_where, AS_IT_IS, NULL, SINCE, false, POINT, SINCE - 1,
	         11, NONE, NONE, NONE, NONE, 0, 1, NOTHING},
	        {"neither", &by_where, AS_IT_IS, NULL, SINCE, false, POINT, LATER, 11, NONE, NONE, NONE, NONE,
	         0, 0, NOTHING},
	        {"predicates count by where only", &by_reboot, AS_IT_IS, NULL, SINCE, false, POINT, LATER, 11,
	         NONE, NONE, NONE, NONE, 1, 1, NOTHING},
	};

	JUDGE(rows);
}
END_TEST

/* What a point read at hub_at_ms says of the connection: away counts only where it cannot be about the time
 * before the call, and proves nothing by itself. */
START_TEST(test_being_away_and_back_is_weak_proof_in_point_reads_since_the_call)
{
	static const struct evidence_rule by_reconnect = {.profile = &reboot, .is_reconnect = true};
	static const struct {
		bool was_up, has_moved, is_uncalled, is_point_read;
		enum link link;
		int64_t hub_at_ms;
		enum verdict_kind kind;
	} table[] = {
	        {true, false, false, true, LINK_DOWN, LATER, VERDICT_MOVED},
	        {true, true, false, true, LINK_DOWN, LATER, VERDICT_MOVED},
	        {true, true, false, true, LINK_UP, LATER, VERDICT_PROVEN},
	        {true, true, false, true, LINK_UP, SINCE - 1, VERDICT_NOTHING},
	        {true, true, false, false, LINK_UP, LATER, VERDICT_NOTHING},
	        {true, true, false, true, LINK_UNKNOWN, LATER, VERDICT_NOTHING},
	        {true, false, false, true, LINK_UP, LATER, VERDICT_NOTHING},
	        {true, false, true, true, LINK_DOWN, LATER, VERDICT_NOTHING},
	        {false, false, false, true, LINK_DOWN, SINCE + 329999, VERDICT_NOTHING},
	        {false, false, false, true, LINK_DOWN, SINCE + 330000, VERDICT_MOVED},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct baseline b = {.source = SOURCE_READ, .taken_at_ms = TAKEN, .was_up = table[i].was_up};
		struct evidence_case c = {&by_reconnect,       &b, SINCE, NULL, table[i].has_moved,
		                          table[i].is_uncalled};
		struct reading r = {.device_id = "d",
		                    .is_point_read = table[i].is_point_read,
		                    .is_there = true,
		                    .hub_at_ms = table[i].hub_at_ms,
		                    .link = table[i].link};
		struct verdict v = evidence_judge(&c, &r);

		ck_assert_msg(v.kind == table[i].kind, "row %zu: %s", i, verdict_text(v.kind));
		ck_assert_int_eq(v.strength, v.kind == VERDICT_PROVEN ? STRENGTH_RECONNECT : STRENGTH_NONE);
		ck_assert(!v.is_done_path);
		evidence_baseline(&by_reconnect, &r, &b);
		ck_assert(b.was_up == (table[i].link == LINK_UP));
	}
}
END_TEST

START_TEST(test_version_below_the_baselines_is_gone_in_a_later_point_read)
{
	static const struct table_row rows[] = {
	        {"re-created",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         POINT,
	         LATER,
	         9,
	         {"new", LATER},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         GONE},
	        {"re-created, where", &by_where, AS_IT_IS, NULL, SINCE, false, POINT, LATER, 9, NONE, NONE,
	         NONE, NONE, 1, 0, GONE},
	        {"re-created before any call", &by_reboot, AS_IT_IS, NULL, TIME_NONE, false, POINT, LATER, 9,
	         NONE, NONE, NONE, NONE, 0, 0, GONE},
	        {"an old row",
	         &by_reboot,
	         AS_IT_IS,
	         NULL,
	         SINCE,
	         false,
	         ROW,
	         LATER,
	         9,
	         {"older", WRITTEN - 1},
	         NONE,
	         NONE,
	         NONE,
	         0,
	         0,
	         NOTHING},
	        {"point read no later than the baseline", &by_reboot, AS_IT_IS, NULL, SINCE, false, POINT,
	         TAKEN, 9, NONE, NONE, NONE, NONE, 0, 0, NOTHING},
	        {"point read without a date", &by_reboot, AS_IT_IS, NULL, SINCE, false, POINT, TIME_NONE, 9,
	         NONE, NONE, NONE, NONE, 0, 0, NOTHING},
	        {"version unknown", &by_reboot, AS_IT_IS, NULL, SINCE, false, POINT, LATER, 0, NONE, NONE,
	         NONE, NONE, 0, 0, NOTHING},
	        {"baseline's version unknown", &by_reboot, NO_VERSION, NULL, SINCE, false, POINT, LATER, 9,
	         NONE, NONE, NONE, NONE, 0, 0, NOTHING},
	        {"baseline without a date", &by_reboot, NO_TIME, NULL, SINCE, false, POINT, LATER, 9, NONE,
	         NONE, NONE, NONE, 0, 0, NOTHING},
	        {"the same version", &by_reboot, AS_IT_IS, NULL, SINCE, false, POINT, LATER, 10, NONE, NONE,
	         NONE, NONE, 0, 0, NOTHING},
	};

	JUDGE(rows);
}
END_TEST

START_TEST(test_device_that_is_not_there_is_gone)
{
	struct baseline b = baseline(AS_IT_IS, "old");
	struct evidence_case c = {&by_reboot, &b, SINCE, NULL, false, false};
	struct reading r = {.device_id = "d-1", .is_point_read = true, .hub_at_ms = LATER};

	ck_assert_int_eq(evidence_judge(&c, &r).kind, VERDICT_GONE);
	b = baseline(NO_BASELINE, "");
	c.since_hub_ms = TIME_NONE;
	ck_assert_int_eq(evidence_judge(&c, &r).kind, VERDICT_GONE);
}
END_TEST

START_TEST(test_a_reading_without_predicates_decides_nothing_by_where)
{
	struct baseline b = baseline(AS_IT_IS, "old");
	struct evidence_case c = {&by_where, &b, SINCE, NULL, false, false};
	struct reading r = {.device_id = "d-1",
	                    .is_point_read = true,
	                    .is_there = true,
	                    .version = 11,
	                    .hub_at_ms = LATER,
	                    .success = true};

	ck_assert_int_eq(evidence_judge(&c, &r).kind, VERDICT_NOTHING);
	r.has_predicates = true;
	ck_assert_int_eq(evidence_judge(&c, &r).kind, VERDICT_PROVEN);
}
END_TEST

START_TEST(test_nothing_older_than_the_intent_proves_by_value)
{
	static const struct evidence_rule *const rules[] = {&by_reboot, &by_rewrite,        &by_reset,
	                                                    &by_update, &by_update_rewrite, &by_other_path};
	static const char *const values[] = {"old", "new", "applyComplete", "applyFailed", "downloading"};
	uint64_t seed = 7;
	struct rng rng;

	rng_seed(&rng, seed);
	for (int run = 0; run < 200000; run++) {
		struct baseline b =
		        baseline((enum baseline_is)rng_below(&rng, HELD + 1), values[rng_below(&rng, 5)]);
		int64_t since = (int64_t)rng_below(&rng, 4000000);
		int64_t at =
		        rng_below(&rng, 8) == 0 ? TIME_NONE : since - 1 - (int64_t)rng_below(&rng, 4000000);
		struct evidence_case c = {rules[rng_below(&rng, 6)],
		                          &b,
		                          rng_below(&rng, 8) == 0 ? TIME_NONE : since,
		                          "c1-5-1",
		                          rng_below(&rng, 2) == 0,
		                          false};
		struct reading r = {
		        .device_id = "d-1",
		        .is_point_read = rng_below(&rng, 2) == 0,
		        .is_there = true,
		        .is_enabled = rng_below(&rng, 2) == 0,
		        .version = rng_below(&rng, 20),
		        .hub_at_ms = rng_below(&rng, 8) == 0 ? TIME_NONE : (int64_t)rng_below(&rng, 8000000),
		        .value = seen(values[rng_below(&rng, 5)], at),
		        .status = seen(values[rng_below(&rng, 5)], (int64_t)rng_below(&rng, 8000000)),
		        .echo = seen("c1-5-0", LATER),
		        .boot = seen(rng_below(&rng, 2) == 0 ? "b1" : NULL, LATER),
		        .has_predicates = rng_below(&rng, 2) == 0,
		        .success = true,
		};
		struct verdict v = evidence_judge(&c, &r);

		ck_assert_msg(v.kind != VERDICT_PROVEN && v.kind != VERDICT_MOVED, "seed %llu run %d: %s",
		              (unsigned long long)seed, run, verdict_text(v.kind));
	}
}
END_TEST

START_TEST(test_baseline_is_what_the_reading_says)
{
	struct reading r = {
	        .device_id = "d-1",
	        .is_point_read = true,
	        .is_there = true,
	        .version = 12,
	        .hub_at_ms = TAKEN,
	        .value = seen("v", WRITTEN),
	        .boot = seen("b", WRITTEN + 1),
	        .has_predicates = true,
	        .success = true,
	};
	struct baseline b;

	evidence_baseline(&by_where, &r, &b);
	ck_assert_uint_eq(b.source, SOURCE_READ);
	ck_assert(b.has_value && b.has_boot && b.success_held);
	ck_assert_uint_eq(b.value_hash, r.value.hash);
	ck_assert_uint_eq(b.boot_hash, r.boot.hash);
	ck_assert_uint_eq(b.version, 12);
	ck_assert_int_eq(b.value_at_ms, WRITTEN);
	ck_assert_int_eq(b.taken_at_ms, TAKEN);

	r = (struct reading){.device_id = "d-1",
	                     .is_there = true,
	                     .hub_at_ms = TAKEN,
	                     .value = seen(NULL, 0),
	                     .boot = seen(NULL, 0)};
	evidence_baseline(&by_reboot, &r, &b);
	ck_assert_uint_eq(b.source, SOURCE_QUERY);
	ck_assert(!b.has_value && !b.has_boot && !b.success_held);
	ck_assert_int_eq(b.value_at_ms, TIME_NONE);
	ck_assert_uint_eq(b.version, 0);

	/* What held, by where: the predicate, where it was asked for; and whether the device was there. */
	for (int i = 0; i < 8; i++) {
		r = (struct reading){.is_there = true,
		                     .is_point_read = true,
		                     .hub_at_ms = TAKEN,
		                     .has_predicates = true,
		                     .success = (i & 1) != 0,
		                     .link = (i & 2) != 0 ? LINK_UP : LINK_DOWN};
		evidence_baseline((i & 4) != 0 ? &by_where : &by_reboot, &r, &b);
		ck_assert(b.success_held == ((i & 5) == 5));
		ck_assert(b.was_up == ((i & 2) != 0));
	}
}
END_TEST

START_TEST(test_verdicts_have_texts)
{
	static const char *const texts[] = {[VERDICT_NOTHING] = "nothing",
	                                    [VERDICT_MOVED] = "moved",
	                                    [VERDICT_PROVEN] = "proven",
	                                    [VERDICT_FAILED] = "failed",
	                                    [VERDICT_GONE] = "gone"};

	for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
		ck_assert_str_eq(verdict_text((enum verdict_kind)k), texts[k]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("evidence");

	TESTS(s, "evidence", test_own_attempt_id_proves_whatever_else_is_said,
	      test_new_boot_id_proves_if_it_came_after_the_intent,
	      test_changed_value_proves_if_it_was_written_after_the_intent,
	      test_same_value_proves_only_as_an_accepted_rewrite_or_after_a_move,
	      test_profile_with_done_value_wants_that_value,
	      test_status_path_says_failed_if_written_after_the_intent,
	      test_predicates_decide_in_point_reads_since_the_call,
	      test_being_away_and_back_is_weak_proof_in_point_reads_since_the_call,
	      test_version_below_the_baselines_is_gone_in_a_later_point_read,
	      test_device_that_is_not_there_is_gone,
	      test_a_reading_without_predicates_decides_nothing_by_where,
	      test_nothing_older_than_the_intent_proves_by_value, test_baseline_is_what_the_reading_says,
	      test_verdicts_have_texts);
	return suite_run(s);
}
