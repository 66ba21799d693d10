/* api/cli: see view.h */
#include "api/cli/view.h"

#include <stdio.h>
#include <string.h>

#include "api/cli/field.h"
#include "api/cli/text.h"
#include "server/base/clock.h"

#define GREEN "\033[32m"
#define RED "\033[31m"
#define YELLOW "\033[33m"
#define BOLD "\033[1m"
#define PLAIN "\033[0m"

static const char *color(const struct view_options *o, const char *code)
{
	return o->has_colors ? code : "";
}

static int64_t acting(const json_t *counts)
{
	return field_int(counts, "invoking") + field_int(counts, "doubtful") +
	       field_int(counts, "awaitingProof");
}

static int64_t final_of(const json_t *counts)
{
	return field_int(counts, "succeeded") + field_int(counts, "failed") + field_int(counts, "skipped") +
	       field_int(counts, "cancelled");
}

int64_t view_final(const json_t *campaign)
{
	return final_of(field(campaign, "counts"));
}

static void put_part(struct buf *out, const struct view_options *o, size_t from, int64_t n, const char *what,
                     const char *code)
{
	if (n == 0)
		return;
	if (out->len > from)
		buf_puts(out, ", ");
	buf_puts(out, color(o, code));
	text_count(out, n);
	buf_printf(out, " %s%s", what, color(o, PLAIN));
}

/* "1,200 proven, 34 failed, 100 acting, 1,156 waiting" */
static void put_counts(struct buf *out, const struct view_options *o, const json_t *counts)
{
	size_t from = out->len;
	int64_t doubtful = field_int(counts, "doubtful");

	put_part(out, o, from, field_int(counts, "succeeded"), "proven", GREEN);
	put_part(out, o, from, field_int(counts, "failed"), "failed", RED);
	put_part(out, o, from, field_int(counts, "skipped"), "skipped", YELLOW);
	put_part(out, o, from, field_int(counts, "cancelled"), "cancelled", YELLOW);
	put_part(out, o, from, acting(counts) - doubtful, "acting", "");
	put_part(out, o, from, doubtful, "in doubt", YELLOW);
	put_part(out, o, from, field_int(counts, "waiting"), "waiting", "");
	if (out->len == from)
		buf_puts(out, "no devices");
}

static int percent_of(const json_t *counts)
{
	int64_t total = field_int(counts, "total");

	return total > 0 ? (int)(final_of(counts) * 100 / total) : 0;
}

static void end_line(struct buf *out, const struct view_options *o, size_t from)
{
	text_cut(out, from, o->columns > 1 ? o->columns - 1 : 1);
	buf_puts(out, color(o, PLAIN));
	buf_putc(out, '\n');
}

/* Columns for the names of waves. */
static uint32_t name_columns(const json_t *waves)
{
	size_t widest = 5, i;
	const json_t *wave;

	json_array_foreach (waves, i, wave) {
		const char *name = field_text(wave, "name");
		size_t columns = text_columns(name, strlen(name));

		if (columns > widest)
			widest = columns;
	}
	return (uint32_t)(widest < 20 ? widest : 20);
}

static void put_name(struct buf *out, const json_t *wave, uint32_t columns)
{
	size_t from = out->len;

	if (field_text(wave, "name")[0] != '\0')
		text_plain(out, field_text(wave, "name"));
	else
		buf_printf(out, "%lld", (long long)field_int(wave, "index") + 1);
	text_cut(out, from, columns);
	for (size_t n = text_columns(out->data + from, out->len - from); n < columns; n++)
		buf_putc(out, ' ');
}

static void put_bar(struct buf *out, const struct view_options *o, const json_t *counts)
{
	uint32_t width = o->columns > 100 ? 30 : o->columns > 60 ? 20 : 10;

	buf_putc(out, ' ');
	text_bar(out, width, final_of(counts), field_int(counts, "total"), o->is_ascii);
	buf_printf(out, " %3d%%  ", percent_of(counts));
}

static void put_wave(struct buf *out, const struct view_options *o, const json_t *wave, uint32_t columns)
{
	const char *state = field_text(wave, "state");
	const json_t *counts = field(wave, "counts");
	int64_t until_ms = field_time(wave, "gate.soaksUntil");

	put_name(out, wave, columns);
	put_bar(out, o, counts);
	put_counts(out, o, counts);
	if (strcmp(state, "soaking") == 0) {
		buf_puts(out, "; soaking");
		if (until_ms != TIME_NONE) {
			buf_puts(out, ", ");
			text_span(out, until_ms - o->now_ms);
			buf_puts(out, " left");
		}
	} else if (strcmp(state, "failed") == 0) {
		buf_printf(out, "; %sgate failed%s", color(o, RED), color(o, PLAIN));
	}
}

static void put_pace(struct buf *out, const json_t *campaign, const struct view_options *o)
{
	int64_t finish_ms = field_time(campaign, "predictedFinishAt");
	size_t from = out->len;

	if (o->per_second >= 0)
		buf_printf(out, "%.1f devices/s", o->per_second);
	if (finish_ms != TIME_NONE && field_text(campaign, "finishedAt")[0] == '\0') {
		buf_puts(out, out->len > from ? ", finish about " : "finish about ");
		text_time(out, finish_ms, o->now_ms);
		buf_puts(out, " (in ");
		text_span(out, finish_ms - o->now_ms);
		buf_putc(out, ')');
	}
}

static void put_waiting(struct buf *out, const json_t *campaign)
{
	const char *why;
	json_t *n;
	size_t from = out->len;

	json_object_foreach (field(campaign, "waitingBy"), why, n) {
		buf_puts(out, out->len > from ? ", " : "");
		text_count(out, json_integer_value(n));
		buf_printf(out, " for %s", why);
	}
}

static void put_state(struct buf *out, const json_t *campaign, const struct view_options *o)
{
	const char *reason = field_text(campaign, "stateReason");

	buf_printf(out, "%s%s%s", color(o, BOLD), field_text(campaign, "state"), color(o, PLAIN));
	if (strcmp(field_text(campaign, "state"), "selecting") == 0) {
		buf_puts(out, ", ");
		text_count(out, field_int(campaign, "selected"));
		buf_puts(out, " devices found so far");
	}
	if (reason[0] != '\0') {
		buf_puts(out, ": ");
		text_plain(out, reason);
	}
}

static void put_failures(struct buf *out, const struct view_options *o)
{
	buf_printf(out, "failed last: ");
	for (uint32_t i = o->failures_n; i > 0; i--) {
		text_plain(out, o->failures[i - 1].device_id);
		buf_printf(out, " %s", o->failures[i - 1].reason);
		buf_puts(out, i > 1 ? ", " : "");
	}
	if (o->failures_all > o->failures_n) {
		buf_puts(out, " and ");
		text_count(out, (int64_t)(o->failures_all - o->failures_n));
		buf_puts(out, " before");
	}
}

uint32_t view_lines(const json_t *campaign, const struct view_options *o, struct buf *out)
{
	const json_t *waves = field(campaign, "waves"), *wave;
	uint32_t columns = name_columns(waves), n = 0;
	size_t from = out->len, i;

#define END (end_line(out, o, from), from = out->len, n++)
	buf_puts(out, color(o, BOLD));
	text_plain(out, field_text(campaign, "name"));
	buf_printf(out, "%s  %s  ", color(o, PLAIN), field_text(campaign, "id"));
	put_state(out, campaign, o);
	END;
	if (json_array_size(waves) > 1)
		json_array_foreach (waves, i, wave) {
			put_wave(out, o, wave, columns);
			END;
		}
	buf_printf(out, "%-*s", (int)columns, "all");
	put_bar(out, o, field(campaign, "counts"));
	put_counts(out, o, field(campaign, "counts"));
	END;
	put_pace(out, campaign, o);
	if (json_object_size(field(campaign, "waitingBy")) > 0) {
		buf_puts(out, out->len > from ? "; waiting: " : "waiting: ");
		put_waiting(out, campaign);
	}
	if (out->len > from)
		END;
	if (o->failures_n > 0) {
		put_failures(out, o);
		END;
	}
	if (o->trouble != NULL) {
		buf_printf(out, "%s%s%s", color(o, YELLOW), o->trouble, color(o, PLAIN));
		END;
	}
#undef END
	return n;
}

void view_line(const json_t *campaign, const struct view_options *o, struct buf *out)
{
	struct buf pace = BUF_INIT;

	put_state(out, campaign, o);
	buf_printf(out, " %d%%: ", percent_of(field(campaign, "counts")));
	put_counts(out, o, field(campaign, "counts"));
	put_pace(&pace, campaign, o);
	if (pace.len > 0)
		buf_printf(out, "; %s", pace.data);
	buf_done(&pace);
}

/* ---- the end ---- */

static bool is_state(const json_t *campaign, const char *state)
{
	return strcmp(field_text(campaign, "state"), state) == 0;
}

/* An order by a person says so; all else that pauses is a rule or a gate. */
static bool is_paused_by_rule(const json_t *campaign)
{
	return is_state(campaign, "paused") &&
	       strncmp(field_text(campaign, "stateReason"), "paused by ", 10) != 0;
}

static enum status of_completed(const json_t *campaign)
{
	int64_t skipped = field_int(campaign, "counts.skipped");

	if (field_int(campaign, "counts.failed") > 0)
		return STATUS_FAILURES;
	skipped -= field_int(campaign, "skippedBy.excluded") + field_int(campaign, "skippedBy.alreadyDone");
	return skipped > 0 ? STATUS_SKIPPED : STATUS_OK;
}

bool view_is_over(const json_t *campaign, bool until_approval, enum status *ret)
{
	if (is_state(campaign, "completed"))
		*ret = of_completed(campaign);
	else if (is_state(campaign, "cancelled") || is_state(campaign, "failed"))
		*ret = STATUS_CANCELLED;
	else if (is_paused_by_rule(campaign))
		*ret = STATUS_PAUSED;
	else if (until_approval && is_state(campaign, "awaitingApproval"))
		*ret = STATUS_APPROVAL;
	else
		return false;
	return true;
}

static bool has_failed_gate(const json_t *campaign)
{
	const json_t *wave;
	size_t i;

	json_array_foreach (field(campaign, "waves"), i, wave)
		if (strcmp(field_text(wave, "state"), "failed") == 0)
			return true;
	return false;
}

static void put_reasons(struct buf *out, json_t *by)
{
	const char *reason;
	json_t *n;
	size_t from = out->len;

	json_object_foreach (by, reason, n) {
		buf_puts(out, out->len > from ? ", " : "");
		text_count(out, json_integer_value(n));
		buf_printf(out, " %s", reason);
	}
}

void view_end(const json_t *campaign, struct buf *out)
{
	const char *id = field_text(campaign, "id"), *reason = field_text(campaign, "stateReason");
	const json_t *counts = field(campaign, "counts");

	buf_puts(out, field_text(campaign, "state"));
	if (reason[0] != '\0') {
		buf_puts(out, " (");
		text_plain(out, reason);
		buf_putc(out, ')');
	}
	buf_puts(out, ": ");
	text_count(out, field_int(counts, "succeeded"));
	buf_puts(out, " of ");
	text_count(out, field_int(counts, "total"));
	buf_puts(out, " devices proven");
	if (field_int(counts, "failed") > 0) {
		buf_puts(out, ", failed: ");
		put_reasons(out, field(campaign, "failedBy"));
	}
	if (field_int(counts, "skipped") > 0) {
		buf_puts(out, ", skipped: ");
		put_reasons(out, field(campaign, "skippedBy"));
	}
	buf_putc(out, '\n');
	if (is_paused_by_rule(campaign)) {
		buf_printf(out, "go on: rollcall resume %s", id);
		if (has_failed_gate(campaign))
			buf_printf(out, "; past the gate: rollcall approve --override %s", id);
		buf_printf(out, "; or: rollcall cancel %s\n", id);
	} else if (is_state(campaign, "awaitingApproval")) {
		buf_printf(out, "go on: rollcall approve %s\n", id);
	} else if (field_int(counts, "failed") > 0) {
		buf_printf(out, "look: rollcall targets --state failed %s; again: rollcall retry %s\n", id,
		           id);
	}
}
