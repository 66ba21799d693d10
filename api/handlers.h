/* api/handlers: one function a route, one resource a file. Each replies exactly once, now or from a callback.
 */
#ifndef ROLLCALL_API_HANDLERS_H
#define ROLLCALL_API_HANDLERS_H

#include "server/base/buf.h"
#include "server/conductor.h"

struct request;

/* create.c */
void campaigns_create(struct request *r);
void campaigns_retry(struct request *r);
void campaigns_preview(struct request *r);

/* campaigns.c */
void campaigns_list(struct request *r);
void campaigns_get(struct request *r);
void campaigns_pause(struct request *r);
void campaigns_resume(struct request *r);
void campaigns_cancel(struct request *r);
void campaigns_approve(struct request *r);
void campaigns_patch(struct request *r);
void campaigns_delete(struct request *r);
/* Why the campaign's waiting targets wait; never WAIT_NONE where the campaign is not final. */
void campaigns_waiting(const struct conductor *c, const struct campaign_row *row,
                       struct campaign_waiting *ret);
/* Reads the stored spec, to be freed by spec_done(). */
void campaigns_read_spec(const struct campaign_row *row, struct campaign_spec *ret);
/* Answers with the campaign. */
void campaigns_reply(struct request *r, unsigned status, const struct campaign_row *row, uint64_t revision);
/* The end of a read of a campaign that must be there; false: it replied that there is none, or that it
 * failed. */
MUST_CHECK bool campaigns_found(struct request *r, enum err err, size_t n);

/* targets.c */
void targets_list(struct request *r);
/* export.c */
void targets_export(struct request *r);
/* targets.c */
void targets_get(struct request *r);
void targets_skip(struct request *r);
void targets_retry(struct request *r);

/* lists.c */
/* The head of a put is in: gets ready for its body, or replies. */
void lists_begin(struct request *r);
void lists_part(struct request *r, const char *data, size_t n);
/* The body is in. */
void lists_put(struct request *r);
/* Frees what has been received. */
void lists_forget(struct request *r);
void lists_get(struct request *r);
void lists_delete(struct request *r);

/* schedules.c; schedules_create and schedules_run are in create.c */
void schedules_create(struct request *r);
void schedules_run(struct request *r);
void schedules_list(struct request *r);
void schedules_get(struct request *r);
void schedules_put(struct request *r);
void schedules_delete(struct request *r);
void schedules_pause(struct request *r);
void schedules_resume(struct request *r);
void schedules_occurrences(struct request *r);
/* The same as of campaigns. */
MUST_CHECK bool schedules_found(struct request *r, enum err err, size_t n);
void schedules_reply(struct request *r, unsigned status, const struct schedule_row *row, uint64_t revision);
/* Gives whether the body is a sound schedule; else it has replied. */
MUST_CHECK bool schedules_read_spec(struct request *r, struct schedule_spec *ret);

/* groups.c */
void groups_list(struct request *r);

/* plan.c */
void plan_get(struct request *r);

/* progress.c */
void progress_get(struct request *r);

/* devices.c */
void devices_history(struct request *r);

/* events.c */
void events_list(struct request *r);
void events_of_campaign(struct request *r);

/* metrics.c */
void metrics_get(struct request *r);

/* audit.c */
void audit_list(struct request *r);

/* webhooks.c */
void webhooks_list(struct request *r);
void webhooks_dead_letters(struct request *r);
void webhooks_forget(struct request *r);

/* sse.c */
void sse_of_all(struct request *r);
void sse_of_campaign(struct request *r);

/* system.c */
void system_get(struct request *r);
void system_hubs(struct request *r);
void system_live(struct request *r);
void system_ready(struct request *r);
void system_openapi(struct request *r);

#endif
