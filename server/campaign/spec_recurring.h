/* campaign/spec_recurring: what a schedule is asked to do, with its defaults filled in (product: a schedule),
 * and whether it is sound: all reasons, not just the first. */
#ifndef ROLLCALL_SERVER_CAMPAIGN_SPEC_RECURRING_H
#define ROLLCALL_SERVER_CAMPAIGN_SPEC_RECURRING_H

#include "server/campaign/spec.h"

/* What becomes of an occurrence while a campaign of the schedule is live. */
enum overlap { OVERLAP_SKIP, OVERLAP_QUEUE, OVERLAP_ALLOW };

struct schedule_spec {
	char *name;
	char *cron, *rrule; /* one of them */
	char *time_zone;
	int64_t from_ms, until_ms; /* both included; TIME_NONE: not said */
	enum overlap overlap;
	uint32_t catch_up_s; /* so late may an occurrence still start a campaign */
	char *campaign;      /* JSON as given */
};

/* Reads a schedule's JSON, and the campaign in it. Answers and faults as of spec_parse(); whether the
 * recurrence and the zone are sound is for others. Both are to be freed in every case. */
MUST_CHECK enum err schedule_spec_parse(const char *json, size_t len, struct schedule_spec *ret,
                                        struct campaign_spec *ret_campaign, struct faults *faults,
                                        size_t *ret_at, char ret_reason[SPEC_REASON_SIZE]);
/* Appends the schedule as JSON, defaults filled in, the campaign as it was given. */
void schedule_spec_render(const struct schedule_spec *s, struct buf *out);
void schedule_spec_done(struct schedule_spec *s);

#endif
