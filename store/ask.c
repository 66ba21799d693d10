/* store/ask: see ask.h */
#include "store/ask.h"

#include <assert.h>
#include <stdlib.h>

#include "server/base/buf.h"

struct store_view {
	struct backend *backend;
};

static struct ask *ask_new(enum ask_kind kind, const char *text, void *arg)
{
	struct ask *ask = xcalloc(1, sizeof *ask);

	ask->kind = kind;
	ask->text = text != NULL ? xstrdup(text) : NULL;
	ask->arg = arg;
	answer_init(&ask->answer);
	return ask;
}

void ask_free(struct ask *ask)
{
	answer_done(&ask->answer);
	free(ask->text);
	free(ask->group);
	free(ask);
}

void store_view_open(struct store *s, store_view_cb *cb, void *arg)
{
	struct ask *ask = ask_new(ASK_VIEW, NULL, arg);

	ask->cb.view = cb;
	store_ask(s, ask);
}

void store_view_close(struct store *s, struct store_view *view)
{
	struct ask *ask = ask_new(ASK_VIEW_CLOSE, NULL, NULL);

	ask->view = view;
	store_ask(s, ask);
}

void store_read_campaigns(struct store *s, const struct campaign_filter *f, store_campaigns_cb *cb, void *arg)
{
	struct ask *ask = ask_new(ASK_CAMPAIGNS, f->name, arg);

	assert(f->limit > 0 && f->limit <= STORE_PAGE_MAX);
	ask->about.campaigns = *f;
	ask->about.campaigns.name = ask->text;
	ask->group = f->schedule_id != NULL ? xstrdup(f->schedule_id) : NULL;
	ask->about.campaigns.schedule_id = ask->group;
	ask->cb.campaigns = cb;
	store_ask(s, ask);
}

void store_read_campaign(struct store *s, const char *id, store_campaigns_cb *cb, void *arg)
{
	struct ask *ask = ask_new(ASK_CAMPAIGN, id, arg);

	ask->cb.campaigns = cb;
	store_ask(s, ask);
}

void store_read_targets(struct store *s, const struct target_filter *f, store_targets_cb *cb, void *arg)
{
	struct ask *ask = ask_new(ASK_TARGETS, f->device_id, arg);

	assert(f->limit > 0 && f->limit <= STORE_PAGE_MAX);
	ask->about.targets = *f;
	ask->about.targets.device_id = ask->text;
	ask->group = f->group != NULL ? xstrdup(f->group) : NULL;
	ask->about.targets.group = ask->group;
	ask->view = f->view;
	ask->cb.targets = cb;
	store_ask(s, ask);
}

void store_read_target(struct store *s, uint32_t campaign, const char *device_id, int hub,
                       store_target_cb *cb, void *arg)
{
	struct ask *ask = ask_new(ASK_TARGET, device_id, arg);

	ask->about.targets = (struct target_filter){.campaign = campaign, .device_id = ask->text, .hub = hub};
	ask->cb.target = cb;
	store_ask(s, ask);
}

void store_read_events(struct store *s, uint32_t campaign, uint64_t after, uint32_t limit,
                       store_events_cb *cb, void *arg)
{
	struct ask *ask = ask_new(ASK_EVENTS, NULL, arg);

	assert(limit > 0 && limit <= STORE_PAGE_MAX);
	ask->about.events.campaign = campaign;
	ask->about.events.after = after;
	ask->about.events.limit = limit;
	ask->cb.events = cb;
	store_ask(s, ask);
}

void store_read_idempotency(struct store *s, const char *key, int64_t kept_since_ms, store_idempotency_cb *cb,
                            void *arg)
{
	struct ask *ask = ask_new(ASK_IDEMPOTENCY, key, arg);

	ask->about.kept_since_ms = kept_since_ms;
	ask->cb.idempotency = cb;
	store_ask(s, ask);
}

void store_read_progress(struct store *s, const char *campaign_id, store_progress_cb *cb, void *arg)
{
	struct ask *ask = ask_new(ASK_PROGRESS, campaign_id, arg);

	ask->cb.progress = cb;
	store_ask(s, ask);
}

void store_read_plan(struct store *s, const char *campaign_id, store_plan_cb *cb, void *arg)
{
	struct ask *ask = ask_new(ASK_PLAN, campaign_id, arg);

	ask->cb.plan = cb;
	store_ask(s, ask);
}

/* Slots were widened only when there were PROGRESS_ROWS_MAX of them, which leaves at least half. */
uint32_t progress_slot_s(const uint32_t *begins_s, size_t n)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < n; i++)
		bits |= begins_s[i];
	return n < PROGRESS_ROWS_MAX / 2 || bits == 0 ? 1 : bits & -bits;
}

static uint32_t slot_of(const struct answer *a)
{
	uint32_t *begins = xmalloc((a->progress_n + 1) * sizeof *begins), slot_s;

	for (size_t i = 0; i < a->progress_n; i++)
		begins[i] = a->progress[i].slot_s;
	slot_s = progress_slot_s(begins, a->progress_n);
	free(begins);
	return slot_s;
}

void store_read_audit(struct store *s, uint64_t before_no, uint32_t limit, store_audit_cb *cb, void *arg)
{
	struct ask *ask = ask_new(ASK_AUDIT, NULL, arg);

	assert(limit > 0 && limit <= STORE_PAGE_MAX);
	ask->about.audit.before_no = before_no;
	ask->about.audit.limit = limit;
	ask->cb.audit = cb;
	store_ask(s, ask);
}

void store_read_audit_oldest(struct store *s, store_audit_cb *cb, void *arg)
{
	struct ask *ask = ask_new(ASK_AUDIT_OLDEST, NULL, arg);

	ask->cb.audit = cb;
	store_ask(s, ask);
}

static void set_rows(struct ask *ask, uint32_t campaign, uint32_t from, uint32_t limit)
{
	assert(limit > 0 && limit <= STORE_PAGE_MAX);
	ask->about.rows.campaign = campaign;
	ask->about.rows.from = from;
	ask->about.rows.limit = limit;
}

void store_read_groups(struct store *s, uint32_t campaign, uint32_t from_group, uint32_t limit,
                       store_groups_cb *cb, void *arg)
{
	struct ask *ask = ask_new(ASK_GROUPS, NULL, arg);

	set_rows(ask, campaign, from_group, limit);
	ask->cb.groups = cb;
	store_ask(s, ask);
}

void store_read_list(struct store *s, const char *name, uint32_t from, uint32_t limit, store_list_cb *cb,
                     void *arg)
{
	struct ask *ask = ask_new(ASK_LIST, name, arg);

	set_rows(ask, 0, from, limit);
	ask->cb.list = cb;
	store_ask(s, ask);
}

void store_read_history(struct store *s, const char *device_id, uint32_t before_campaign, uint32_t limit,
                        store_history_cb *cb, void *arg)
{
	struct ask *ask = ask_new(ASK_HISTORY, device_id, arg);

	set_rows(ask, before_campaign, 0, limit);
	ask->cb.history = cb;
	store_ask(s, ask);
}

void store_read_schedules(struct store *s, const struct schedule_filter *f, store_schedules_cb *cb, void *arg)
{
	struct ask *ask = ask_new(ASK_SCHEDULES, f->name, arg);

	assert(f->limit > 0 && f->limit <= STORE_PAGE_MAX);
	ask->about.schedules = *f;
	ask->about.schedules.name = ask->text;
	ask->group = f->id != NULL ? xstrdup(f->id) : NULL;
	ask->about.schedules.id = ask->group;
	ask->cb.schedules = cb;
	store_ask(s, ask);
}

static enum err open_view(const struct backend *other, struct store_view **ret)
{
	struct backend *b;
	enum err err = backend_open_view(other, &b);

	if (err != ERR_OK)
		return err;
	*ret = xmalloc(sizeof **ret);
	(*ret)->backend = b;
	return ERR_OK;
}

void ask_run(struct ask *ask, struct backend *reader)
{
	struct answer *answer = &ask->answer;
	const struct target_filter *targets = &ask->about.targets;
	struct backend *b = ask->view != NULL ? ask->view->backend : reader;

	switch (ask->kind) {
	case ASK_VIEW:
		ask->err = open_view(reader, &ask->view);
		break;
	case ASK_VIEW_CLOSE:
		backend_close(ask->view->backend);
		free(ask->view);
		break;
	case ASK_CAMPAIGNS:
		ask->err = backend_read_campaigns(b, &ask->about.campaigns, answer);
		break;
	case ASK_CAMPAIGN:
		ask->err = backend_read_campaign(b, ask->text, answer);
		break;
	case ASK_TARGETS:
		ask->err = backend_read_targets(b, targets, answer);
		break;
	case ASK_TARGET:
		ask->err =
		        backend_read_target(b, targets->campaign, targets->device_id, targets->hub, answer);
		break;
	case ASK_EVENTS:
		ask->err = backend_read_events(b, ask->about.events.campaign, ask->about.events.after,
		                               ask->about.events.limit, answer);
		break;
	case ASK_IDEMPOTENCY:
		ask->err = backend_read_idempotency(b, ask->text, ask->about.kept_since_ms, answer);
		break;
	case ASK_AUDIT:
		ask->err = backend_read_audit(b, ask->about.audit.before_no, ask->about.audit.limit, answer);
		break;
	case ASK_AUDIT_OLDEST:
		ask->err = backend_read_audit_oldest(b, answer);
		break;
	case ASK_GROUPS:
		ask->err = backend_read_groups(b, ask->about.rows.campaign, ask->about.rows.from,
		                               ask->about.rows.limit, answer);
		break;
	case ASK_LIST:
		ask->err =
		        backend_read_list(b, ask->text, ask->about.rows.from, ask->about.rows.limit, answer);
		break;
	case ASK_SCHEDULES:
		ask->err = backend_read_schedules(b, &ask->about.schedules, answer);
		break;
	case ASK_HISTORY:
		ask->err = backend_read_history(b, ask->text, ask->about.rows.campaign, ask->about.rows.limit,
		                                answer);
		break;
	case ASK_PROGRESS:
		ask->err = backend_read_progress(b, ask->text, answer);
		break;
	case ASK_PLAN:
		ask->err = backend_read_plan(b, ask->text, answer);
		break;
	}
}

const char *ask_reason(const struct ask *ask, const struct backend *reader)
{
	if (ask->kind == ASK_VIEW)
		return "a snapshot cannot be opened";
	return backend_reason(ask->view != NULL ? ask->view->backend : reader);
}

void ask_tell(struct ask *ask)
{
	const struct answer *a = &ask->answer;
	const struct campaign_row *campaign = a->campaigns_n > 0 ? &a->campaigns[0] : NULL;
	enum err err = ask->err;
	void *arg = ask->arg;

	switch (ask->kind) {
	case ASK_VIEW:
		ask->cb.view(arg, err, ask->view);
		break;
	case ASK_VIEW_CLOSE:
		break;
	case ASK_CAMPAIGNS:
	case ASK_CAMPAIGN:
		ask->cb.campaigns(arg, err, a->revision, a->campaigns, a->campaigns_n, a->has_more);
		break;
	case ASK_TARGETS:
		ask->cb.targets(arg, err, a->revision, a->targets, a->targets_n, a->has_more, campaign);
		break;
	case ASK_TARGET:
		ask->cb.target(arg, err, a->revision, a->targets_n > 0 ? &a->targets[0] : NULL, a->attempts,
		               a->attempts_n, a->evidence, a->evidence_n, campaign);
		break;
	case ASK_EVENTS:
		ask->cb.events(arg, err, a->revision, a->events, a->campaign_ids, a->events_n, a->has_more,
		               a->first_kept_id, a->last_id);
		break;
	case ASK_IDEMPOTENCY:
		ask->cb.idempotency(arg, err, a->has_idempotency ? &a->idempotency : NULL);
		break;
	case ASK_AUDIT:
	case ASK_AUDIT_OLDEST:
		ask->cb.audit(arg, err, a->revision, a->audit, a->audit_n, a->has_more);
		break;
	case ASK_GROUPS:
		ask->cb.groups(arg, err, a->revision, a->groups, a->groups_n, a->has_more, campaign);
		break;
	case ASK_LIST:
		ask->cb.list(arg, err, a->list.ids, a->list.ids_n, a->list.n_all, a->list.at_ms, a->list.by);
		break;
	case ASK_SCHEDULES:
		ask->cb.schedules(arg, err, a->revision, a->schedules, a->schedules_n, a->has_more);
		break;
	case ASK_HISTORY:
		ask->cb.history(arg, err, a->revision, a->targets, a->campaign_ids, a->targets_n,
		                a->has_more);
		break;
	case ASK_PROGRESS:
		ask->cb.progress(arg, err, a->revision, a->progress, a->progress_n, slot_of(a), campaign);
		break;
	case ASK_PLAN:
		ask->cb.plan(arg, err, a->revision, a->has_plan ? &a->plan : NULL, campaign);
		break;
	}
	ask_free(ask);
}
