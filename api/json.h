/* api/json: model ↔ JSON, both ways side by side. The only user of jansson in api, and only for what is read;
 * what is written goes straight to a buf. Times are RFC 3339 UTC with milliseconds, null where there is none.
 */
#ifndef ROLLCALL_API_JSON_H
#define ROLLCALL_API_JSON_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/err.h"
#include "server/campaign/fault.h"
#include "server/campaign/model.h"

struct campaign_forecast;
struct campaign_spec;
struct campaign_waiting;
struct group_view;
struct hub_view;
struct audit_row;
struct occurrence_view;
struct target_view;

/* ---- what is written: each appends one value ---- */

/* spec: the row's own. waiting: why its waiting targets wait, never WAIT_NONE while any does. predicted_ms:
 * TIME_NONE where it cannot be told. */
void json_campaign(struct buf *out, const struct campaign_row *row, const struct campaign_spec *spec,
                   uint64_t revision, const struct campaign_waiting *waiting, int64_t predicted_ms);
/* The ETag of a campaign: its spec's revision, quoted. */
#define ETAG_SIZE 16
const char *json_etag(uint32_t spec_revision, char out[ETAG_SIZE]);

void json_schedule(struct buf *out, const struct schedule_row *row, uint64_t revision);
void json_occurrence(struct buf *out, const struct occurrence_view *o);

/* What a target's own row does not tell. */
struct target_context {
	const char *hub; /* NULL: not known */
	uint32_t wave;
	enum wait waiting_for; /* NONE: it does not wait */
	int64_t next_at_ms;
};
/* The members that a list shows, without braces. */
void json_target_members(struct buf *out, const struct target_view *target,
                         const struct target_context *context);
/* One target of a device's history. */
void json_past(struct buf *out, const struct target_view *target, const char *campaign_id);
/* hub: its name, NULL: not known. blocked_by: the list of who is in the way, as JSON. */
void json_group(struct buf *out, const struct group_view *group, const char *hub, uint32_t unavailable,
                const char *blocked_by);
/* One of these; campaign_id NULL: its campaign is over. */
void json_block(struct buf *out, const char *device_id, const char *campaign_id, const char *how,
                int64_t since_ms);
/* A campaign's plan beside what became of it. plan NULL: there is none; forecast NULL: it cannot be told. */
void json_plan(struct buf *out, const struct campaign_row *row, const struct plan_row *plan,
               const struct campaign_forecast *forecast, uint64_t revision);
/* A bucket of progress that ends with row's counts. */
void json_bucket(struct buf *out, int64_t from_ms, int64_t until_ms, const struct progress_row *row);
void json_attempt(struct buf *out, const char *campaign_id, const struct attempt_row *row);
void json_evidence(struct buf *out, const struct evidence_row *row, int64_t now_ms);
/* The members of a device list, without braces and ids. */
void json_list_members(struct buf *out, const char *name, uint32_t n, int64_t at_ms, const char *by);
void json_event(struct buf *out, const struct event *event, const char *campaign_id);
struct webhook_view;
struct dead_letter;
void json_webhook(struct buf *out, const struct webhook_view *hook);
void json_dead_letter(struct buf *out, const struct dead_letter *row);
void json_audit(struct buf *out, const struct audit_row *row);
void json_hub(struct buf *out, const struct hub_view *hub);

/* ---- what is read ---- */

/* Reads a tokens file. Calls on_entry for each object in the array, with NULL for what is missing or no text;
 * adds a fault for that and for everything else that does not belong there. */
void json_tokens(const char *text, size_t len, struct faults *faults,
                 void (*on_entry)(void *arg, const char *pointer, const char *name, const char *role,
                                  const char *sha256),
                 void *arg);
#define JSON_REASON_SIZE 160
/* A body that must be empty or an object without members. ERR_INVALID with faults: it is JSON, but not that;
 * without: not JSON, then *ret_at is the byte offset and ret_reason the reason. */
MUST_CHECK enum err json_nothing(const char *text, size_t len, struct faults *faults, size_t *ret_at,
                                 char ret_reason[JSON_REASON_SIZE]);
/* The same for {"override": true}, which may be left out: then *ret_overrides is false. */
MUST_CHECK enum err json_approval(const char *text, size_t len, bool *ret_overrides, struct faults *faults,
                                  size_t *ret_at, char ret_reason[JSON_REASON_SIZE]);
/* The same for {"reasons": [those of failed targets]}, as bits 1 << enum reason; left out, it is all of them
 * but unknown. */
MUST_CHECK enum err json_reasons(const char *text, size_t len, uint32_t *ret_reasons, struct faults *faults,
                                 size_t *ret_at, char ret_reason[JSON_REASON_SIZE]);

#endif
