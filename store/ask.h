/* store/ask: one read, from the question to its callback. Implements the store_read_*() of store.h for
 * whoever is the store: it runs the question where its reading end lives and tells the answer on the loop. */
#ifndef ROLLCALL_STORE_ASK_H
#define ROLLCALL_STORE_ASK_H

#include <sys/queue.h>

#include "store/answer.h"
#include "store/backend.h"
#include "store/store.h"

enum ask_kind {
	ASK_VIEW,
	ASK_VIEW_CLOSE,
	ASK_CAMPAIGNS,
	ASK_CAMPAIGN,
	ASK_TARGETS,
	ASK_TARGET,
	ASK_EVENTS,
	ASK_IDEMPOTENCY,
	ASK_AUDIT,
	ASK_AUDIT_OLDEST,
	ASK_GROUPS,
	ASK_LIST,
	ASK_HISTORY,
	ASK_PROGRESS,
	ASK_PLAN,
	ASK_SCHEDULES
};

struct ask {
	STAILQ_ENTRY(ask) link;
	enum ask_kind kind;
	union {
		struct campaign_filter campaigns;
		struct target_filter targets; /* ASK_TARGETS; ASK_TARGET: campaign, device_id and hub only */
		struct {
			uint32_t campaign, limit;
			uint64_t after;
		} events;
		int64_t kept_since_ms;
		struct schedule_filter schedules;
		struct {
			uint64_t before_no;
			uint32_t limit;
		} audit;
		struct {
			uint32_t campaign, from, limit;
		} rows; /* ASK_GROUPS; ASK_LIST: from and limit only; ASK_HISTORY: before campaign */
	} about;
	char *text;              /* the string of the question, NULL: none */
	char *group;             /* ASK_TARGETS, ASK_CAMPAIGNS, ASK_SCHEDULES: the other one */
	struct store_view *view; /* what is opened or closed, or read in; NULL: a snapshot of its own */
	union {
		store_view_cb *view;
		store_campaigns_cb *campaigns;
		store_targets_cb *targets;
		store_target_cb *target;
		store_events_cb *events;
		store_idempotency_cb *idempotency;
		store_audit_cb *audit;
		store_groups_cb *groups;
		store_list_cb *list;
		store_history_cb *history;
		store_progress_cb *progress;
		store_plan_cb *plan;
		store_schedules_cb *schedules;
	} cb;
	void *arg;
	enum err err;
	struct answer answer;
};
STAILQ_HEAD(asks, ask);

/* Supplied by the store. Takes ask; never tells inside this call. */
void store_ask(struct store *s, struct ask *ask);

/* Finds the answer; blocks. On the thread that owns reader. */
void ask_run(struct ask *ask, struct backend *reader);
/* Why it failed, plain English. */
const char *ask_reason(const struct ask *ask, const struct backend *reader);
/* Calls back and frees ask. On the loop. */
void ask_tell(struct ask *ask);
/* Frees ask without a call. */
void ask_free(struct ask *ask);

#endif
