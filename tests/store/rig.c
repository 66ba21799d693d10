/* tests/store: see rig.h */
#include "tests/store/rig.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "tests/lib/suite.h"

void rig_make_folder(struct rig *r)
{
	snprintf(r->folder, sizeof r->folder, "/tmp/rollcall-store-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(r->folder));
	snprintf(r->path, sizeof r->path, "%s/test.db", r->folder);
}

void rig_remove_folder(struct rig *r)
{
	DIR *folder = opendir(r->folder);
	struct dirent *entry;
	char path[400];

	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		snprintf(path, sizeof path, "%s/%s", r->folder, entry->d_name);
		unlink(path);
	}
	if (folder != NULL)
		closedir(folder);
	rmdir(r->folder);
}

void rig_open(struct rig *r)
{
	*r = (struct rig){.arena = ARENA_INIT};
	rig_make_folder(r);
	rig_open_store(r);
}

void rig_reopen(struct rig *r)
{
	rig_close_store(r);
	rig_open_store(r);
}

void rig_close(struct rig *r)
{
	rig_close_store(r);
	rig_remove_folder(r);
	arena_done(&r->arena);
}

struct committed {
	struct rig *rig;
	bool is_done;
	enum err err;
};

static void on_committed(void *arg, enum err err, uint64_t revision)
{
	struct committed *c = arg;

	c->is_done = true;
	c->err = err;
	c->rig->revision = revision;
}

enum err rig_try_commit(struct rig *r, struct batch *b)
{
	struct committed c = {.rig = r};

	store_commit(r->store, b, on_committed, &c);
	ck_assert(!c.is_done);
	rig_wait(r, &c.is_done);
	return c.err;
}

void rig_commit(struct rig *r, struct batch *b)
{
	ck_assert_int_eq(rig_try_commit(r, b), ERR_OK);
}

static const void *copy(struct seen *s, const void *data, size_t bytes)
{
	void *to = arena_take(&s->rig->arena, bytes);

	if (bytes > 0)
		memcpy(to, data, bytes);
	return to;
}

static void keep(struct seen *s, const char **text)
{
	if (*text != NULL)
		*text = arena_text(&s->rig->arena, *text, strlen(*text));
}

static const struct campaign_row *keep_campaigns(struct seen *s, const struct campaign_row *rows, size_t n)
{
	struct campaign_row *kept = arena_take(&s->rig->arena, n * sizeof *kept);

	for (size_t i = 0; i < n; i++) {
		kept[i] = rows[i];
		keep(s, &kept[i].name);
		keep(s, &kept[i].spec);
		keep(s, &kept[i].state_reason);
		keep(s, &kept[i].created_by);
	}
	return kept;
}

static void finish(struct seen *s, enum err err, uint64_t revision, size_t n, bool has_more)
{
	s->is_done = true;
	s->err = err;
	s->n = n;
	s->has_more = has_more;
	s->rig->revision = revision;
}

static void on_campaigns(void *arg, enum err err, uint64_t revision, const struct campaign_row *rows,
                         size_t n, bool has_more)
{
	struct seen *s = arg;

	finish(s, err, revision, n, has_more);
	s->campaigns = keep_campaigns(s, rows, n);
}

static void on_schedules(void *arg, enum err err, uint64_t revision, const struct schedule_row *rows,
                         size_t n, bool has_more)
{
	struct seen *s = arg;

	finish(s, err, revision, n, has_more);
	for (size_t i = 0; i < n; i++) {
		s->ids[i] = rows[i].id;
		keep(s, &s->ids[i]);
	}
}

static void on_targets(void *arg, enum err err, uint64_t revision, const struct target_view *rows, size_t n,
                       bool has_more, const struct campaign_row *campaign)
{
	struct seen *s = arg;
	struct target_view *kept = arena_take(&s->rig->arena, n * sizeof *kept);

	finish(s, err, revision, n, has_more);
	for (size_t i = 0; i < n; i++) {
		kept[i] = rows[i];
		keep(s, &kept[i].device_id);
		keep(s, &kept[i].group);
		keep(s, &kept[i].zone);
	}
	s->targets = kept;
	s->campaign = campaign != NULL ? keep_campaigns(s, campaign, 1) : NULL;
}

static void on_target(void *arg, enum err err, uint64_t revision, const struct target_view *target,
                      const struct attempt_row *attempts, size_t attempts_n,
                      const struct evidence_row *evidence, size_t evidence_n,
                      const struct campaign_row *campaign)
{
	struct seen *s = arg;
	struct attempt_row *kept_attempts = arena_take(&s->rig->arena, attempts_n * sizeof *attempts);
	struct evidence_row *kept_evidence = arena_take(&s->rig->arena, evidence_n * sizeof *evidence);

	on_targets(s, err, revision, target, target != NULL, false, campaign);
	for (size_t i = 0; i < attempts_n; i++) {
		kept_attempts[i] = attempts[i];
		keep(s, &kept_attempts[i].outcome);
		keep(s, &kept_attempts[i].payload);
		keep(s, &kept_attempts[i].tracking_id);
	}
	for (size_t i = 0; i < evidence_n; i++) {
		kept_evidence[i] = evidence[i];
		keep(s, &kept_evidence[i].verdict);
		keep(s, &kept_evidence[i].value);
	}
	s->attempts = kept_attempts;
	s->attempts_n = attempts_n;
	s->evidence = kept_evidence;
	s->evidence_n = evidence_n;
}

static void on_events(void *arg, enum err err, uint64_t revision, const struct event *rows,
                      const char *const *campaign_ids, size_t n, bool has_more, uint64_t first_kept_id,
                      uint64_t last_id)
{
	struct seen *s = arg;
	struct event *kept = arena_take(&s->rig->arena, n * sizeof *kept);

	finish(s, err, revision, n, has_more);
	for (size_t i = 0; i < n; i++) {
		kept[i] = rows[i];
		keep(s, &kept[i].device_id);
		keep(s, &kept[i].detail);
		s->campaign_ids[i] = campaign_ids[i];
		keep(s, &s->campaign_ids[i]);
	}
	s->events = kept;
	s->first_kept_id = first_kept_id;
	s->last_id = last_id;
}

static void on_idempotency(void *arg, enum err err, const struct idempotency_row *row)
{
	struct seen *s = arg;
	struct idempotency_row kept;

	finish(s, err, s->rig->revision, row != NULL, false);
	if (row == NULL)
		return;
	kept = *row;
	keep(s, &kept.key);
	keep(s, &kept.campaign_id);
	s->idempotency = copy(s, &kept, sizeof kept);
}

static void on_groups(void *arg, enum err err, uint64_t revision, const struct group_view *rows, size_t n,
                      bool has_more, const struct campaign_row *campaign)
{
	struct seen *s = arg;
	struct group_view *kept = arena_take(&s->rig->arena, n * sizeof *kept);

	finish(s, err, revision, n, has_more);
	for (size_t i = 0; i < n; i++) {
		kept[i] = rows[i];
		keep(s, &kept[i].name);
	}
	s->groups = kept;
	s->campaign = campaign != NULL ? keep_campaigns(s, campaign, 1) : NULL;
}

static void on_progress(void *arg, enum err err, uint64_t revision, const struct progress_row *rows, size_t n,
                        uint32_t slot_s, const struct campaign_row *campaign)
{
	struct seen *s = arg;

	finish(s, err, revision, n, false);
	s->progress = copy(s, rows, n * sizeof *rows);
	s->slot_s = slot_s;
	s->campaign = campaign != NULL ? keep_campaigns(s, campaign, 1) : NULL;
}

static void on_plan(void *arg, enum err err, uint64_t revision, const struct plan_row *plan,
                    const struct campaign_row *campaign)
{
	struct seen *s = arg;

	finish(s, err, revision, plan != NULL, false);
	s->campaign = campaign != NULL ? keep_campaigns(s, campaign, 1) : NULL;
	s->plan = NULL;
	if (plan != NULL) {
		struct plan_row kept = *plan;

		keep(s, &kept.text);
		s->plan = copy(s, &kept, sizeof kept);
	}
}

static void on_list(void *arg, enum err err, const char *const *ids, size_t n, uint32_t n_all, int64_t at_ms,
                    const char *by)
{
	struct seen *s = arg;

	finish(s, err, s->rig->revision, n, false);
	for (size_t i = 0; i < n; i++) {
		s->ids[i] = ids[i];
		keep(s, &s->ids[i]);
	}
	s->n_all = n_all;
	s->at_ms = at_ms;
	s->by = by;
	keep(s, &s->by);
}

static void on_history(void *arg, enum err err, uint64_t revision, const struct target_view *rows,
                       const char *const *campaign_ids, size_t n, bool has_more)
{
	struct seen *s = arg;

	on_targets(s, err, revision, rows, n, has_more, NULL);
	for (size_t i = 0; i < n; i++) {
		s->campaign_ids[i] = campaign_ids[i];
		keep(s, &s->campaign_ids[i]);
	}
}

static void begin(struct rig *r, struct seen *ret)
{
	memset(ret, 0, sizeof *ret);
	ret->rig = r;
}

/* No answer comes inside the call that asks for it. */
static void wait_for(struct rig *r, struct seen *s)
{
	ck_assert(!s->is_done);
	rig_wait(r, &s->is_done);
}

void rig_campaigns(struct rig *r, const struct campaign_filter *f, struct seen *ret)
{
	begin(r, ret);
	store_read_campaigns(r->store, f, on_campaigns, ret);
	wait_for(r, ret);
}

void rig_schedules(struct rig *r, const struct schedule_filter *f, struct seen *ret)
{
	begin(r, ret);
	store_read_schedules(r->store, f, on_schedules, ret);
	wait_for(r, ret);
}

void rig_campaign(struct rig *r, const char *id, struct seen *ret)
{
	begin(r, ret);
	store_read_campaign(r->store, id, on_campaigns, ret);
	wait_for(r, ret);
}

void rig_targets(struct rig *r, const struct target_filter *f, struct seen *ret)
{
	begin(r, ret);
	store_read_targets(r->store, f, on_targets, ret);
	wait_for(r, ret);
}

void rig_target(struct rig *r, uint32_t campaign, const char *device_id, int hub, struct seen *ret)
{
	begin(r, ret);
	store_read_target(r->store, campaign, device_id, hub, on_target, ret);
	wait_for(r, ret);
}

void rig_events(struct rig *r, uint32_t campaign, uint64_t after, uint32_t limit, struct seen *ret)
{
	begin(r, ret);
	store_read_events(r->store, campaign, after, limit, on_events, ret);
	wait_for(r, ret);
}

void rig_idempotency(struct rig *r, const char *key, int64_t kept_since_ms, struct seen *ret)
{
	begin(r, ret);
	store_read_idempotency(r->store, key, kept_since_ms, on_idempotency, ret);
	wait_for(r, ret);
}

void rig_groups(struct rig *r, uint32_t campaign, uint32_t from_group, uint32_t limit, struct seen *ret)
{
	begin(r, ret);
	store_read_groups(r->store, campaign, from_group, limit, on_groups, ret);
	wait_for(r, ret);
}

void rig_list(struct rig *r, const char *name, uint32_t from, uint32_t limit, struct seen *ret)
{
	begin(r, ret);
	store_read_list(r->store, name, from, limit, on_list, ret);
	wait_for(r, ret);
}

void rig_history(struct rig *r, const char *device_id, uint32_t before_campaign, uint32_t limit,
                 struct seen *ret)
{
	begin(r, ret);
	store_read_history(r->store, device_id, before_campaign, limit, on_history, ret);
	wait_for(r, ret);
}

void rig_progress(struct rig *r, const char *campaign_id, struct seen *ret)
{
	begin(r, ret);
	store_read_progress(r->store, campaign_id, on_progress, ret);
	wait_for(r, ret);
}

void rig_plan(struct rig *r, const char *campaign_id, struct seen *ret)
{
	begin(r, ret);
	store_read_plan(r->store, campaign_id, on_plan, ret);
	wait_for(r, ret);
}

struct target_filter rig_all(uint32_t campaign)
{
	return (struct target_filter){.campaign = campaign,
	                              .limit = STORE_PAGE_MAX,
	                              .state = -1,
	                              .reason = -1,
	                              .wait = -1,
	                              .hub = -1};
}

struct campaign_row rig_campaign_row(uint32_t no)
{
	struct campaign_row row = {.no = no,
	                           .name = "night reboot",
	                           .spec = "{}",
	                           .spec_revision = 1,
	                           .state = CAMPAIGN_RUNNING,
	                           .phase = CAMPAIGN_RUNNING,
	                           .state_reason = "",
	                           .created_by = "eva",
	                           .created_at_ms = NOW_MS,
	                           .started_at_ms = TIME_NONE,
	                           .finished_at_ms = TIME_NONE,
	                           .start_at_ms = NOW_MS,
	                           .end_at_ms = NOW_MS + 1000};

	snprintf(row.id, sizeof row.id, "c%u", no);
	return row;
}

struct target_row rig_target_row(uint32_t campaign, uint32_t no)
{
	return (struct target_row){.campaign = campaign,
	                           .no = no,
	                           .group = GROUP_NONE,
	                           .changed_at_ms = NOW_MS,
	                           .next_at_ms = TIME_NONE,
	                           .called_at_ms = TIME_NONE,
	                           .since_hub_ms = TIME_NONE,
	                           .hold_until_ms = TIME_NONE};
}

struct batch *rig_campaign_batch(uint32_t no, uint32_t n)
{
	static const char *const hubs[] = {"main", "spare"};
	struct baseline baseline = {.value_at_ms = TIME_NONE};
	struct campaign_row row = rig_campaign_row(no);
	struct batch *b = batch_new();
	char device_id[32];

	row.counts.total = row.counts.state[TARGET_WAITING] = n;
	batch_campaign_add(b, &row, hubs, 2);
	for (uint32_t i = 0; i < n; i++) {
		struct target_row target = rig_target_row(no, i);

		snprintf(device_id, sizeof device_id, "d-%u", i);
		batch_target_add(b, &target, device_id, &baseline);
	}
	return b;
}
