/* campaign: see spec_schedule.h. Whether a recurrence or a zone is sound is not known here. */
#include "server/campaign/spec_schedule.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "server/base/civil.h"
#include "server/base/clock.h"

#define SPAN_MAX_S (366u * 86400u)
#define RULE_MAX_BYTES 4096
#define ZONE_MAX_BYTES 64
#define DURATION_MAX_MIN (31u * 1440u)
#define DEVICE "device"
#define TAG "tags.timeZone"

void spec_schedule_done(struct campaign_spec *s)
{
	for (uint32_t i = 0; i < s->schedule.windows_n; i++) {
		free(s->schedule.windows[i].cron);
		free(s->schedule.windows[i].rrule);
	}
	free(s->schedule.windows);
	free(s->schedule.blackouts);
	free(s->schedule.time_zone);
	free(s->schedule.zone_tag);
}

static void read_text(const struct section *p, const char *name, size_t max, char **ret)
{
	const char *text;

	if (!member_text(p, name, &text))
		return;
	if (text[0] == '\0' || strlen(text) > max)
		member_wrong(p, name, "must have 1 to %zu bytes, not %zu", max, strlen(text));
	else
		*ret = xstrdup(text);
}

static void read_window(const struct section *p, struct window_spec *w)
{
	static const struct known known[] = {
	        {.name = "cron"},
	        {.name = "rrule"},
	        {.name = "durationMinutes"},
	};

	member_check(p, known, sizeof known / sizeof *known);
	if (member_is_there(p, "cron") == member_is_there(p, "rrule"))
		faults_add(p->faults, p->pointer, "a window must have exactly one of cron or rrule");
	if (!member_is_there(p, "durationMinutes"))
		member_wrong(p, "durationMinutes", "is required: how long the window is open");
	read_text(p, "cron", RULE_MAX_BYTES, &w->cron);
	read_text(p, "rrule", RULE_MAX_BYTES, &w->rrule);
	member_u32(p, "durationMinutes", 1, DURATION_MAX_MIN, &w->duration_min);
}

static void read_windows(const struct section *p, struct campaign_spec *s)
{
	struct section window;
	json_t *list;
	size_t i;

	if (!member_list(p, "windows", 0, WINDOWS_MAX, &list))
		return;
	s->schedule.windows = xcalloc(json_array_size(list) + 1, sizeof *s->schedule.windows);
	for (i = 0; i < json_array_size(list); i++) {
		json_t *json = json_array_get(list, i);

		if (member_item(p, "windows", i, json, &window))
			read_window(&window, &s->schedule.windows[i]);
	}
	s->schedule.windows_n = (uint32_t)i;
}

static bool read_date(const struct section *p, const char *name, int64_t *ret)
{
	const char *text;

	if (!member_is_there(p, name)) {
		member_wrong(p, name, "is required: a local date like \"2026-12-24\"");
		return false;
	}
	if (!member_text(p, name, &text))
		return false;
	if (civil_parse(text, ret))
		return true;
	member_wrong(p, name, "must be a local date like \"2026-12-24\", not \"%.40s\"", text);
	return false;
}

static void read_blackouts(const struct section *p, struct campaign_spec *s)
{
	static const struct known known[] = {
	        {.name = "from"},
	        {.name = "to"},
	};
	struct section item;
	json_t *list;
	size_t i;

	if (!member_list(p, "blackouts", 0, BLACKOUTS_MAX, &list))
		return;
	s->schedule.blackouts = xcalloc(json_array_size(list) + 1, sizeof *s->schedule.blackouts);
	for (i = 0; i < json_array_size(list); i++) {
		json_t *json = json_array_get(list, i);
		struct blackout_spec *b = &s->schedule.blackouts[i];
		bool has_from, has_to;

		if (!member_item(p, "blackouts", i, json, &item))
			continue;
		member_check(&item, known, sizeof known / sizeof *known);
		has_from = read_date(&item, "from", &b->from_day);
		has_to = read_date(&item, "to", &b->to_day);
		if (has_from && has_to && b->to_day < b->from_day)
			member_wrong(&item, "to", "must not be before from: both are included");
	}
	s->schedule.blackouts_n = (uint32_t)i;
}

static void read_zones(const struct section *p, struct campaign_spec *s)
{
	static const struct known known[] = {
	        {.name = "from"},
	        {.name = "fallback"},
	};
	struct section device;
	char *zone = NULL, *fallback = NULL, *tag = NULL;

	read_text(p, "timeZone", ZONE_MAX_BYTES, &zone);
	s->schedule.has_time_zone = zone != NULL;
	s->schedule.is_device_zone = zone != NULL && strcmp(zone, DEVICE) == 0;
	if (member_section(p, "deviceTimeZone", &device)) {
		member_check(&device, known, sizeof known / sizeof *known);
		spec_read_tag(&device, "from", TAG, &tag);
		read_text(&device, "fallback", ZONE_MAX_BYTES, &fallback);
		if (!s->schedule.is_device_zone)
			member_wrong(p, "deviceTimeZone",
			             "must be left out unless timeZone is \"" DEVICE "\"");
	}
	if (s->schedule.is_device_zone) {
		free(zone);
		zone = fallback != NULL ? fallback : xstrdup("UTC");
		s->schedule.zone_tag = tag != NULL ? tag : xstrdup(TAG);
	} else {
		free(fallback);
		free(tag);
	}
	s->schedule.time_zone = zone != NULL ? zone : xstrdup("UTC");
}

void spec_read_schedule(const struct section *whole, struct campaign_spec *s)
{
	static const struct known known[] = {
	        {.name = "startAt"},
	        {.name = "endAt"},
	        {.name = "endAfterSeconds"},
	        {.name = "windows"},
	        {.name = "timeZone"},
	        {.name = "deviceTimeZone"},
	        {.name = "mustFinishInWindow"},
	        {.name = "blackouts"},
	};
	int64_t *start = &s->schedule.start_at_ms, *end = &s->schedule.end_at_ms;
	struct section p = {"/schedule", NULL, whole->faults};

	member_section(whole, "schedule", &p);
	member_check(&p, known, sizeof known / sizeof *known);
	member_time(&p, "startAt", start);
	if (member_time(&p, "endAt", end) && *start != TIME_NONE && *end <= *start)
		member_wrong(&p, "endAt", "must be later than startAt");
	member_u32(&p, "endAfterSeconds", 1, SPAN_MAX_S, &s->schedule.end_after_s);
	if (member_is_there(&p, "endAt") && member_is_there(&p, "endAfterSeconds"))
		member_wrong(&p, "endAfterSeconds",
		             "must be left out where endAt is given: only one can hold");
	read_windows(&p, s);
	read_zones(&p, s);
	member_flag(&p, "mustFinishInWindow", &s->schedule.must_finish);
	read_blackouts(&p, s);
}

/* ---- back to JSON ---- */

static void render_windows(const struct campaign_spec *s, struct buf *out)
{
	buf_puts(out, "\"windows\":[");
	for (uint32_t i = 0; i < s->schedule.windows_n; i++) {
		const struct window_spec *w = &s->schedule.windows[i];

		buf_puts(out, i > 0 ? ",{" : "{");
		buf_puts(out, w->cron != NULL ? "\"cron\":" : "\"rrule\":");
		buf_json(out, w->cron != NULL ? w->cron : w->rrule);
		buf_printf(out, ",\"durationMinutes\":%" PRIu32 "}", w->duration_min);
	}
	buf_puts(out, "],");
}

static void render_date(const char *name, int64_t day, struct buf *out)
{
	struct civil date = civil_date(day);

	buf_printf(out, "\"%s\":\"%04d-%02d-%02d\"", name, (int)date.year, date.month, date.day);
}

static void render_blackouts(const struct campaign_spec *s, struct buf *out)
{
	buf_puts(out, "\"blackouts\":[");
	for (uint32_t i = 0; i < s->schedule.blackouts_n; i++) {
		buf_puts(out, i > 0 ? ",{" : "{");
		render_date("from", s->schedule.blackouts[i].from_day, out);
		buf_putc(out, ',');
		render_date("to", s->schedule.blackouts[i].to_day, out);
		buf_putc(out, '}');
	}
	buf_puts(out, "],");
}

static void render_zones(const struct campaign_spec *s, struct buf *out)
{
	buf_puts(out, "\"timeZone\":");
	buf_json(out, s->schedule.is_device_zone ? DEVICE : s->schedule.time_zone);
	if (s->schedule.is_device_zone) {
		buf_puts(out, ",\"deviceTimeZone\":{\"from\":");
		buf_json(out, s->schedule.zone_tag);
		buf_puts(out, ",\"fallback\":");
		buf_json(out, s->schedule.time_zone);
		buf_putc(out, '}');
	}
	buf_putc(out, ',');
}

void spec_render_schedule(const struct campaign_spec *s, struct buf *out)
{
	bool has_windows = s->schedule.windows_n > 0, has_blackouts = s->schedule.blackouts_n > 0;
	char text[TIME_TEXT_SIZE];

	buf_puts(out, "\"schedule\":{");
	if (s->schedule.start_at_ms != TIME_NONE)
		buf_printf(out, "\"startAt\":\"%s\",", time_text(s->schedule.start_at_ms, text));
	if (has_windows)
		render_windows(s, out);
	if (has_windows || has_blackouts || s->schedule.has_time_zone)
		render_zones(s, out);
	if (has_windows || s->schedule.must_finish)
		buf_printf(out, "\"mustFinishInWindow\":%s,", s->schedule.must_finish ? "true" : "false");
	if (has_blackouts)
		render_blackouts(s, out);
	if (s->schedule.end_at_ms != TIME_NONE)
		buf_printf(out, "\"endAt\":\"%s\"}", time_text(s->schedule.end_at_ms, text));
	else
		buf_printf(out, "\"endAfterSeconds\":%" PRIu32 "}", s->schedule.end_after_s);
}
