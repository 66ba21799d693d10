/* campaign: see spec_recurring.h */
#include "server/campaign/spec_recurring.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "server/base/clock.h"
#include "server/campaign/member.h"

#define NAME_MAX_BYTES 800 /* of 200 characters, as a campaign's */
#define RULE_MAX_BYTES 4096
#define ZONE_MAX_BYTES 64
#define CATCH_UP_S 3600
#define CATCH_UP_MAX_S (366u * 86400u)

void schedule_spec_done(struct schedule_spec *s)
{
	free(s->name);
	free(s->cron);
	free(s->rrule);
	free(s->time_zone);
	free(s->campaign);
	*s = (struct schedule_spec){.from_ms = TIME_NONE, .until_ms = TIME_NONE};
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

static void read_recurrence(const struct section *whole, struct schedule_spec *s)
{
	static const struct known known[] = {
	        {.name = "cron"}, {.name = "rrule"}, {.name = "timeZone"},
	        {.name = "from"}, {.name = "until"},
	};
	struct section p;

	if (!member_is_there(whole, "recurrence"))
		member_wrong(whole, "recurrence",
		             "is required: {\"cron\": \"0 2 * * 1-5\", \"timeZone\": \"UTC\"}, say");
	if (!member_section(whole, "recurrence", &p))
		return;
	member_check(&p, known, sizeof known / sizeof *known);
	if (member_is_there(&p, "cron") == member_is_there(&p, "rrule"))
		faults_add(p.faults, p.pointer, "recurrence must have exactly one of cron or rrule");
	read_text(&p, "cron", RULE_MAX_BYTES, &s->cron);
	read_text(&p, "rrule", RULE_MAX_BYTES, &s->rrule);
	read_text(&p, "timeZone", ZONE_MAX_BYTES, &s->time_zone);
	if (s->time_zone != NULL && strcmp(s->time_zone, "device") == 0)
		member_wrong(
		        &p, "timeZone",
		        "must be one zone: a schedule starts a campaign at one instant. For windows in each"
		        " device's own zone say so in campaign.schedule.timeZone");
	member_time(&p, "from", &s->from_ms);
	if (member_time(&p, "until", &s->until_ms) && s->from_ms != TIME_NONE && s->until_ms <= s->from_ms)
		member_wrong(&p, "until", "must be later than from");
}

/* A campaign's faults are those of the schedule, one level down. */
static void read_campaign(const struct section *whole, struct schedule_spec *s, struct campaign_spec *ret)
{
	json_t *json = json_object_get(whole->json, "campaign");
	struct faults faults = FAULTS_INIT;
	char reason[SPEC_REASON_SIZE];
	struct buf pointer = BUF_INIT;
	size_t at;

	if (json == NULL) {
		member_wrong(whole, "campaign", "is required: the campaign that each occurrence starts");
		return;
	}
	s->campaign = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
	assert(s->campaign != NULL);
	if (spec_parse(s->campaign, strlen(s->campaign), false, ret, &faults, &at, reason) == ERR_OK) {
		if (ret->schedule.start_at_ms != TIME_NONE)
			faults_add(&faults, "/schedule/startAt",
			           "startAt must be left out: the recurrence says when");
		if (ret->schedule.end_at_ms != TIME_NONE)
			faults_add(
			        &faults, "/schedule/endAt",
			        "endAt must be left out: each campaign ends endAfterSeconds after its start");
	}
	for (size_t i = 0; i < faults.n; i++) {
		buf_reset(&pointer);
		buf_printf(&pointer, "/campaign%s", faults.all[i].pointer);
		faults_add(whole->faults, pointer.data, "%s", faults.all[i].detail);
	}
	buf_done(&pointer);
	faults_done(&faults);
}

static const char *const overlaps[] = {
        [OVERLAP_SKIP] = "skip", [OVERLAP_QUEUE] = "queue", [OVERLAP_ALLOW] = "allow", NULL};

static void read_whole(const struct section *whole, struct schedule_spec *s, struct campaign_spec *campaign)
{
	static const struct known known[] = {
	        {.name = "name"},           {.name = "recurrence"}, {.name = "overlap"},
	        {.name = "catchUpSeconds"}, {.name = "campaign"},
	};
	size_t overlap = OVERLAP_SKIP;

	member_check(whole, known, sizeof known / sizeof *known);
	if (!member_is_there(whole, "name"))
		member_wrong(whole, "name", "is required: say what the schedule is for");
	read_text(whole, "name", NAME_MAX_BYTES, &s->name);
	for (const char *c = s->name; c != NULL && *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f) {
			member_wrong(whole, "name", "must not hold control characters such as line ends");
			break;
		}
	read_recurrence(whole, s);
	member_choice(whole, "overlap", overlaps, &overlap);
	s->overlap = (enum overlap)overlap;
	member_u32(whole, "catchUpSeconds", 0, CATCH_UP_MAX_S, &s->catch_up_s);
	read_campaign(whole, s, campaign);
	if (s->time_zone == NULL)
		s->time_zone = xstrdup("UTC");
}

enum err schedule_spec_parse(const char *json, size_t len, struct schedule_spec *ret,
                             struct campaign_spec *ret_campaign, struct faults *faults, size_t *ret_at,
                             char ret_reason[SPEC_REASON_SIZE])
{
	json_error_t error;
	json_t *root =
	        json_loadb(json, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	size_t faults_before = faults->n + faults->left_out;
	char given[GIVEN_SIZE];

	*ret = (struct schedule_spec){.from_ms = TIME_NONE, .until_ms = TIME_NONE, .catch_up_s = CATCH_UP_S};
	*ret_campaign = (struct campaign_spec){0};
	if (root == NULL) {
		*ret_at = (size_t)error.position;
		snprintf(ret_reason, SPEC_REASON_SIZE, "%s", error.text);
		return ERR_INVALID;
	}
	if (json_typeof(root) == JSON_OBJECT)
		read_whole(&(struct section){"", root, faults}, ret, ret_campaign);
	else
		faults_add(faults, "", "a schedule must be an object, not %s", member_given(root, given));
	json_decref(root);
	return faults->n + faults->left_out == faults_before ? ERR_OK : ERR_INVALID;
}

void schedule_spec_render(const struct schedule_spec *s, struct buf *out)
{
	char text[TIME_TEXT_SIZE];

	buf_puts(out, "{\"name\":");
	buf_json(out, s->name);
	buf_puts(out, s->cron != NULL ? ",\"recurrence\":{\"cron\":" : ",\"recurrence\":{\"rrule\":");
	buf_json(out, s->cron != NULL ? s->cron : s->rrule);
	buf_puts(out, ",\"timeZone\":");
	buf_json(out, s->time_zone);
	if (s->from_ms != TIME_NONE)
		buf_printf(out, ",\"from\":\"%s\"", time_text(s->from_ms, text));
	if (s->until_ms != TIME_NONE)
		buf_printf(out, ",\"until\":\"%s\"", time_text(s->until_ms, text));
	buf_printf(out, "},\"overlap\":\"%s\",\"catchUpSeconds\":%" PRIu32 ",\"campaign\":%s}",
	           overlaps[s->overlap], s->catch_up_s, s->campaign);
}
