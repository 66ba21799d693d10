/* campaign/spec_schedule: the section of a campaign's spec that says when calls may be made. For spec.c. */
#ifndef ROLLCALL_SERVER_CAMPAIGN_SPEC_SCHEDULE_H
#define ROLLCALL_SERVER_CAMPAIGN_SPEC_SCHEDULE_H

#include "server/campaign/member.h"
#include "server/campaign/spec.h"

/* Reads the section, whose members have their defaults. */
void spec_read_schedule(const struct section *whole, struct campaign_spec *s);
/* Appends "schedule":{…}. */
void spec_render_schedule(const struct campaign_spec *s, struct buf *out);
void spec_schedule_done(struct campaign_spec *s);

/* spec.c: reads a path below tags, which must be said; example is one. */
void spec_read_tag(const struct section *p, const char *name, const char *example, char **ret);

#endif
