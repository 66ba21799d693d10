/* store/batch: the ordered changes of one commit. Built on the loop, applied on the store thread. Copies all
 * that it is given. */
#ifndef ROLLCALL_STORE_BATCH_H
#define ROLLCALL_STORE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/campaign/model.h"

struct batch;

struct idempotency_row {
	const char *key; /* with the caller's name in front, so that callers do not meet */
	uint64_t body_hash;
	int64_t at_ms;
	const char *campaign_id; /* what it made */
};

/* An order that changed something. The number counts up from 1; it and the hash are given by the store. No
 * text is NULL. */
enum audit_text {
	AUDIT_ACTOR, /* a token's name */
	AUDIT_ROLE,
	AUDIT_ADDRESS, /* where the request came from */
	AUDIT_METHOD,
	AUDIT_PATH,
	AUDIT_REQUEST_ID,
	AUDIT_CAMPAIGN_ID, /* "": about none */
	AUDIT_WAS,         /* in short */
	AUDIT_BECAME,
	AUDIT_TEXTS_N
};
#define AUDIT_HASH_BYTES 32
struct audit_row {
	uint64_t no;
	int64_t at_ms;
	const char *text[AUDIT_TEXTS_N];
	uint8_t hash[AUDIT_HASH_BYTES];
};

/* A notification that could not be delivered; the last DEAD_LETTERS_MAX of a webhook are kept. */
#define DEAD_LETTERS_MAX 1000
struct dead_letter {
	const char *webhook; /* its name in the settings */
	uint64_t event_id;   /* what it tells of */
	int64_t died_at_ms;
	uint32_t attempts;
	const char *message_id, *error, *body;
};

struct batch *batch_new(void);
/* NULL is fine. */
void batch_free(struct batch *b);
size_t batch_n(const struct batch *b);

/* Adds a new campaign; row->no is given by the caller (last_campaign + 1). */
void batch_campaign_add(struct batch *b, const struct campaign_row *row, const char *const *hub_names,
                        size_t hubs_n);
/* Writes all but no, id, name, created_by, created_at_ms and retry_of; spec only where it is not NULL. */
void batch_campaign_put(struct batch *b, const struct campaign_row *row);
/* Puts the campaign's counts in the slot's place, with the revision of this commit whatever row says. */
void batch_progress_put(struct batch *b, const struct progress_row *row);
/* From now on slots of this campaign are slot_s seconds long, twice as long as they were: of each two, the
 * later one's row stays. */
void batch_progress_widen(struct batch *b, uint32_t campaign, uint32_t slot_s);
/* Puts a campaign's plan; text NULL: only when its waves ended, the plan is there. */
void batch_plan_put(struct batch *b, const struct plan_row *row);
/* Puts what was spent of a hub's day in place of what was there for that hub. */
void batch_usage_put(struct batch *b, const struct usage_row *row);
void batch_page_add(struct batch *b, uint32_t campaign, const struct selection_page *page);
/* Forgets all pages of a campaign. */
void batch_pages_drop(struct batch *b, uint32_t campaign);
/* Adds a target; rows of one campaign come in order of their numbers. */
void batch_target_add(struct batch *b, const struct target_row *row, const char *device_id,
                      const struct baseline *baseline);
/* Adds a campaign's group, of the campaign's hub by that index, before the targets that name it; numbers
 * count up from 0. */
void batch_group_add(struct batch *b, uint32_t campaign, uint32_t group, uint8_t hub, const char *name,
                     uint32_t size);
/* Forgets a final campaign and all that belongs to it, but not its events; to forget it again is fine. It is
 * gone for every read after this commit. Its rows go in small slices while there is nothing to commit, once
 * none of its targets holds its device any more: until then they are told to store_load()'s on_hold. */
void batch_campaign_drop(struct batch *b, uint32_t campaign);
/* Forgets the oldest events, those of before before_ms that no younger one precedes; not necessarily all of
 * them in one commit. */
void batch_events_drop(struct batch *b, int64_t before_ms);
/* Replaces a device list: first batch_list_begin(), then its ids in order by any number of calls, also in
 * later batches, then batch_list_end() with the number of all ids, 1 to TARGETS_MAX, from which on it is what
 * reads find. A list that was begun and not ended is dropped at the next start, and when it is begun again:
 * one name is made by one maker at a time. */
void batch_list_begin(struct batch *b, const char *name);
void batch_list_ids(struct batch *b, const char *name, const char *const *ids, size_t n);
void batch_list_end(struct batch *b, const char *name, uint32_t n, int64_t at_ms, const char *by);
/* Also where there is none. */
void batch_list_drop(struct batch *b, const char *name);
/* Writes all of a target but device id and baseline. Cheapest in order of numbers. */
void batch_target_put(struct batch *b, const struct target_row *row);
void batch_baseline_put(struct batch *b, uint32_t campaign, uint32_t no, const struct baseline *baseline);
/* Puts the watch over a proven target, in the place of an older one. */
void batch_relapse_put(struct batch *b, const struct relapse_row *row);
void batch_attempt_add(struct batch *b, const struct attempt_row *row);
void batch_evidence_add(struct batch *b, const struct evidence_row *row);
/* Ids are given by the caller, +1 each over all batches. Stored packed: one row for a run of events of one
 * campaign. */
void batch_event_add(struct batch *b, const struct event *event);
/* Adds a campaign's time zone, before the targets that name it; numbers count up from 0. */
void batch_zone_add(struct batch *b, uint32_t campaign, uint32_t zone, const char *name);
/* Adds a schedule, or writes all of the one of that number. */
void batch_schedule_put(struct batch *b, const struct schedule_row *row);
/* Also where there is none. Its campaigns stay. */
void batch_schedule_drop(struct batch *b, uint32_t schedule);
/* Remembers a value under a name, in place of the older one. */
void batch_note_put(struct batch *b, const char *name, const char *value);
void batch_idempotency_add(struct batch *b, const struct idempotency_row *row);
/* All events up to after_id are settled for a webhook, which is made where there is none of that name. */
void batch_webhook_put(struct batch *b, const char *name, uint64_t after_id);
void batch_dead_letter_add(struct batch *b, const struct dead_letter *row);
/* All of that webhook. */
void batch_dead_letters_drop(struct batch *b, const char *webhook);
void batch_audit_add(struct batch *b, const struct audit_row *row);
/* Forgets the oldest orders, those of before before_ms that no younger one precedes; AUDIT_DROP_MAX of them
 * at most. Where there are any, one more entry of at_ms, by AUDIT_SERVICE and without a role, says which was
 * the last: AUDIT_WAS is its number and its hash, "NUMBER:HASH", from which the chain goes on. */
#define AUDIT_DROP_MAX 1000
#define AUDIT_SERVICE "rollcalld"
void batch_audit_drop(struct batch *b, int64_t before_ms, int64_t at_ms);

#endif
