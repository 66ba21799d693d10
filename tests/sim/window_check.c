/* sim: see window_check.h */
#include "tests/sim/window_check.h"

#include <stdlib.h>
#include <string.h>

#include "server/base/civil.h"
#include "server/campaign/spec.h"
#include "server/schedule/recurrence.h"

const char *window_zone_of_site(uint32_t site)
{
	static const char *const zones[] = {"Europe/Stockholm", "Europe/London",       "America/New_York",
	                                    "Asia/Kolkata",     "Australia/Lord_Howe", "UTC"};

	return site != UINT32_MAX ? zones[site % 6] : "";
}

/* Whether a window of the rule began at most its length ago, and the call ends in it where it must. */
static bool is_in(const struct campaign_spec *s, const struct window_spec *w, const struct zone *z,
                  int64_t at_ms)
{
	int64_t length_ms = (int64_t)w->duration_min * 60000;
	char reason[RECURRENCE_REASON_SIZE];
	struct recurrence *r = NULL;
	struct occurrence o;
	bool is_in;

	if ((w->cron != NULL ? recurrence_cron(w->cron, &r, reason)
	                     : recurrence_rrule(w->rrule, INT64_MIN, &r, reason)) != ERR_OK)
		return false;
	if (s->schedule.must_finish)
		length_ms -= (int64_t)s->action.response_timeout_s * 1000;
	is_in = recurrence_next(r, z, at_ms - length_ms, &o) && o.at_ms <= at_ms;
	recurrence_free(r);
	return is_in;
}

static bool check(const struct campaign_spec *s, struct zones *zones, const char *tag, int64_t at_ms,
                  const char **ret_reason)
{
	const struct zone *z = s->schedule.is_device_zone ? zones_get(zones, tag) : NULL;
	int64_t day;

	if (z == NULL)
		z = zones_get(zones, s->schedule.time_zone);
	day = (at_ms / 1000 + zone_offset_s(z, at_ms / 1000)) / DAY_S;

	*ret_reason = "a blackout";
	for (uint32_t i = 0; i < s->schedule.blackouts_n; i++)
		if (s->schedule.blackouts[i].from_day <= day && day <= s->schedule.blackouts[i].to_day)
			return false;
	*ret_reason = "outside its windows";
	for (uint32_t i = 0; i < s->schedule.windows_n; i++)
		if (is_in(s, &s->schedule.windows[i], z, at_ms))
			return true;
	return s->schedule.windows_n == 0;
}

bool window_check(const char *spec_json, const char *tag, int64_t at_ms, const char **ret_reason)
{
	struct zones *zones = zones_new(NULL);
	struct faults faults = FAULTS_INIT;
	struct campaign_spec spec;
	char reason[SPEC_REASON_SIZE];
	size_t at;
	bool is_fine = true;

	if (spec_parse(spec_json, strlen(spec_json), true, &spec, &faults, &at, reason) == ERR_OK &&
	    (spec.schedule.windows_n > 0 || spec.schedule.blackouts_n > 0))
		is_fine = check(&spec, zones, tag, at_ms, ret_reason);
	spec_done(&spec);
	faults_done(&faults);
	zones_free(zones);
	return is_fine;
}
