/* conductor: windows, blackouts and the time zones they hold in; see conduct.h. Tells the engine for each
 * zone of a campaign until when it is open, or when it opens, and again when that changes: nobody asks for
 * each device. Windows follow the clock on the wall, the engine a clock that does not step: what it is told
 * is translated. */
#include "server/conduct.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"
#include "server/campaign/policy.h"
#include "server/schedule/window.h"

/* A shut zone that is not foreseen to open, and one that is open for ever, are asked again so often: rules
 * have a horizon. */
#define AGAIN_MS ((int64_t)30 * 24 * 3600 * 1000)

/* ---- what a spec says ---- */

static struct recurrence *read_window(const struct window_spec *w, char reason[RECURRENCE_REASON_SIZE])
{
	struct recurrence *r = NULL;
	enum err err = w->cron != NULL ? recurrence_cron(w->cron, &r, reason)
	                               : recurrence_rrule(w->rrule, INT64_MIN, &r, reason);

	return err == ERR_OK ? r : NULL;
}

struct windows *conduct_windows_read(const struct campaign_spec *s)
{
	char reason[RECURRENCE_REASON_SIZE];
	struct windows *w;

	if (s->schedule.windows_n == 0 && s->schedule.blackouts_n == 0)
		return NULL;
	w = windows_new();
	for (uint32_t i = 0; i < s->schedule.windows_n; i++) {
		struct recurrence *r = read_window(&s->schedule.windows[i], reason);

		if (r != NULL) /* conduct_windows_check() has found it sound */
			windows_add(w, r, s->schedule.windows[i].duration_min);
		else
			log_error("a window on record cannot be read", LS("campaign", s->name),
			          LS("reason", reason));
	}
	for (uint32_t i = 0; i < s->schedule.blackouts_n; i++)
		windows_add_blackout(w, s->schedule.blackouts[i].from_day, s->schedule.blackouts[i].to_day);
	return w;
}

int64_t conduct_windows_needed_ms(const struct campaign_spec *s)
{
	if (!s->schedule.must_finish)
		return 0;
	return ((int64_t)policy_connect_s(s, 1) + s->action.response_timeout_s) * 1000;
}

static void check_window(const struct campaign_spec *s, uint32_t i, int64_t now_ms, struct faults *faults)
{
	const struct window_spec *w = &s->schedule.windows[i];
	char reason[RECURRENCE_REASON_SIZE], pointer[64];
	struct recurrence *r = read_window(w, reason);
	int64_t spacing_s;

	if (r == NULL) {
		snprintf(pointer, sizeof pointer, "/schedule/windows/%u/%s", i,
		         w->cron != NULL ? "cron" : "rrule");
		faults_add(faults, pointer, "%s %s", w->cron != NULL ? "cron" : "rrule", reason);
		return;
	}
	snprintf(pointer, sizeof pointer, "/schedule/windows/%u/durationMinutes", i);
	spacing_s = recurrence_spacing_s(r, now_ms / 1000);
	if (spacing_s > 0 && w->duration_min > spacing_s / 60)
		faults_add(
		        faults, pointer,
		        "durationMinutes must be at most %lld, the time from one start to the next, not %u",
		        (long long)(spacing_s / 60), w->duration_min);
	if (conduct_windows_needed_ms(s) > (int64_t)w->duration_min * 60000)
		faults_add(
		        faults, pointer,
		        "durationMinutes must hold a call's time-outs (%lld s) where mustFinishInWindow is true",
		        (long long)(conduct_windows_needed_ms(s) / 1000));
	recurrence_free(r);
}

void conduct_windows_check(const struct conductor *c, const struct campaign_spec *s, struct faults *faults)
{
	const char *zone = s->schedule.time_zone;

	if (zone != NULL && zones_get(c->zones, zone) == NULL)
		faults_add(faults,
		           s->schedule.is_device_zone ? "/schedule/deviceTimeZone/fallback"
		                                      : "/schedule/timeZone",
		           "%s must be an IANA time zone like \"Europe/Stockholm\", not \"%.64s\"",
		           s->schedule.is_device_zone ? "fallback" : "timeZone", zone);
	for (uint32_t i = 0; i < s->schedule.windows_n; i++)
		check_window(s, i, conduct_wall(c), faults);
}

/* ---- what holds ---- */

/* Gives whether it is open. */
static bool tell_zone(struct conductor *c, struct live *live, uint32_t zone, int64_t wall_ms)
{
	const struct zone *z = live->zones[zone];
	int64_t offset_ms = conduct_wall(c) - conduct_now(c), again_ms = wall_ms + AGAIN_MS;
	struct window_state w = {.changes_at_ms = TIME_NEVER, .again_at_ms = TIME_NEVER};
	struct zone_state state;

	/* A zone that time zone data do not have any more never opens. */
	if (z != NULL)
		windows_at(live->windows, z, wall_ms, conduct_windows_needed_ms(live->spec), &w);
	state = (struct zone_state){.is_open = w.is_open,
	                            .is_blackout = w.is_blackout,
	                            .until_ms = w.changes_at_ms == TIME_NEVER ? TIME_NEVER
	                                                                      : w.changes_at_ms - offset_ms};
	if (w.is_open && w.changes_at_ms != TIME_NEVER && offset_ms != 0)
		state.until_ms -= WINDOW_MARGIN_MS;
	engine_zone(c->engine, live->no, zone, conduct_now(c), &state);
	alarms_add(&c->window_alarms, w.again_at_ms < again_ms ? w.again_at_ms : again_ms,
	           (uint64_t)live->no << 32 | (live->windows_no & 0xffff) << 16 | zone);
	return w.is_open;
}

static void tell_all(struct conductor *c, struct live *live)
{
	int64_t wall_ms = conduct_wall(c);

	if (live->windows == NULL)
		return;
	live->windows_no++; /* earlier alarms are overtaken */
	for (uint32_t z = 0; z < live->zones_n; z++)
		(void)tell_zone(c, live, z, wall_ms);
	conduct_withdraw(c, live->no);
	conduct_wake(c);
}

void conduct_windows_begin(struct conductor *c, struct live *live)
{
	live->windows = conduct_windows_read(live->spec);
	if (live->spec->schedule.is_device_zone)
		return; /* zones come with the devices */
	live->zones = xcalloc(1, sizeof *live->zones);
	live->zones[0] = zones_get(c->zones, live->spec->schedule.time_zone);
	live->zones_n = 1;
}

void conduct_windows_zone(struct conductor *c, struct live *live, const char *name)
{
	live->zones = xrealloc(live->zones, (live->zones_n + 1) * sizeof *live->zones);
	live->zones[live->zones_n] = zones_get(c->zones, name);
	if (live->zones[live->zones_n] == NULL)
		log_error("a time zone on record is not there any more", LS("campaign", live->id),
		          LS("zone", name));
	live->zones_n++;
	engine_zones(c->engine, live->no, live->zones_n);
}

void conduct_windows_tell(struct conductor *c, struct live *live)
{
	tell_all(c, live);
}

void conduct_windows_tell_all(struct conductor *c)
{
	struct live *live;

	for (live = c->lives; live != NULL; live = live->hh.next)
		tell_all(c, live);
}

void conduct_windows_respec(struct conductor *c, struct live *live)
{
	static const struct zone_state open = {.is_open = true, .until_ms = TIME_NEVER};

	windows_free(live->windows);
	live->windows = conduct_windows_read(live->spec);
	for (uint32_t z = 0; live->windows == NULL && z < live->zones_n; z++)
		engine_zone(c->engine, live->no, z, conduct_now(c), &open);
	tell_all(c, live);
}

void conduct_windows_end(struct live *live)
{
	windows_free(live->windows);
	free(live->zones);
	live->windows = NULL;
	live->zones = NULL;
}

int64_t conduct_windows_run(struct conductor *c, int64_t wall_ms)
{
	uint64_t who;

	while (alarms_pop(&c->window_alarms, wall_ms, &who)) {
		struct live *live = conduct_live(c, (uint32_t)(who >> 32));
		uint32_t zone = (uint32_t)who & 0xffff;

		if (live == NULL || live->windows == NULL ||
		    (who >> 16 & 0xffff) != (live->windows_no & 0xffff) || zone >= live->zones_n)
			continue;
		if (!tell_zone(c, live, zone, wall_ms))
			conduct_withdraw(c,
			                 live->no); /* of other zones, too: they are claimed again at once */
	}
	return alarms_next_at(&c->window_alarms);
}

/* ---- the devices' own zones ---- */

/* Gives the number of the zone among the campaign's, which has it from now on. */
static uint16_t zone_number(struct conductor *c, struct live *live, const struct zone *z)
{
	const char *name = z != NULL ? zone_name(z) : live->spec->schedule.time_zone;
	uint32_t no = 0;

	while (no < live->zones_n && live->zones[no] != z)
		no++;
	if (no < live->zones_n)
		return (uint16_t)no;
	if (live->stored > 0) /* other time zone data than when the first were stored */
		return 0;
	conduct_windows_zone(c, live, name);
	batch_zone_add(c->batch, live->no, no, name);
	return (uint16_t)no;
}

void conduct_windows_select(struct conductor *c, struct live *live)
{
	const struct zone *fallback = zones_get(c->zones, live->spec->schedule.time_zone);
	uint32_t n = selection_zones_n(live->found), unknown_n = 0;
	bool *is_unknown;

	if (!live->spec->schedule.is_device_zone || live->zone_of != NULL)
		return;
	live->zone_of = xcalloc((size_t)n + 1, sizeof *live->zone_of);
	is_unknown = xcalloc((size_t)n + 1, sizeof *is_unknown);
	for (uint32_t i = 0; i < n; i++) {
		const struct zone *z = zones_get(c->zones, selection_zone(live->found, i));

		is_unknown[i] = z == NULL;
		live->zone_of[i] = zone_number(c, live, z != NULL ? z : fallback);
	}
	for (uint32_t i = 0; i < selection_n(live->found); i++)
		unknown_n += is_unknown[selection_zone_at(live->found, i)];
	if (unknown_n > 0)
		log_warn("devices have no time zone of their own", LS("campaign", live->id),
		         LI("devices", unknown_n), LS("fallback", live->spec->schedule.time_zone));
	free(is_unknown);
	tell_all(c, live);
}
