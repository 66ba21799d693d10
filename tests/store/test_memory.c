/* tests/store: each allocation that SQLite asks for while it does what it is told fails once: what is asked
 * then says that it failed, or answers as ever; a commit is there as a whole or not at all, and can be made
 * again. And each table is gone once, and what stands in it is damaged: then what needs it says so. */
#include "tests/lib/suite.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "store/backend.h"
#include "store/care.h"
#include "tests/store/rig.h"

/* ---- memory that fails ---- */

static sqlite3_mem_methods whole;
static long fails_at; /* the so-manieth allocation from now and all after it; 0: none */
static long asked;

static bool fails(void)
{
	return fails_at > 0 && ++asked >= fails_at;
}

static void *take(int n)
{
	return fails() ? NULL : whole.xMalloc(n);
}

static void *retake(void *p, int n)
{
	return fails() ? NULL : whole.xRealloc(p, n);
}

static void arm(long at)
{
	fails_at = at;
	asked = 0;
}

/* Gives whether any allocation failed since arm(). */
static bool disarm(void)
{
	bool has_failed = fails_at > 0 && asked >= fails_at;

	fails_at = 0;
	return has_failed;
}

/* ---- what is done ---- */

#define DATABASE "file:/memory-test?vfs=memdb"

static struct backend *holder; /* keeps the database while others come and go */
static struct store_head head;

static struct backend *open_writer(void)
{
	struct backend *b;
	char *reason = NULL;

	ck_assert_msg(backend_open(DATABASE, &b, &head, &reason) == ERR_OK, "%s", reason);
	return b;
}

/* Campaigns 1 and 2 with all that can be on record of them, and what is of none. */
static struct batch *batch_of_adds(void)
{
	static const char *const hubs[] = {"main", "spare"}, *const ids[] = {"a", "b"};
	struct batch *b = batch_new();
	struct baseline baseline = {.value_at_ms = NOW_MS, .taken_at_ms = NOW_MS, .source = SOURCE_READ};

	for (uint32_t c = 1; c <= 2; c++) {
		struct campaign_row row = rig_campaign_row(c);
		struct selected found = {.device_id = "d-0", .group = "east", .zone = "UTC"};
		struct selection_page page = {.rows = &found, .rows_n = 1, .continuation = "more"};
		struct progress_row progress = {.campaign = c, .at_ms = NOW_MS, .total = 2};
		struct plan_row plan = {.campaign = c, .text = "{}"};
		struct relapse_row relapse = {.campaign = c,
		                              .from_ms = NOW_MS,
		                              .until_ms = NOW_MS + 9,
		                              .relapsed_at_ms = TIME_NONE};

		row.state = row.phase = c == 1 ? CAMPAIGN_SELECTING : CAMPAIGN_RUNNING;
		snprintf(row.schedule_id, sizeof row.schedule_id, "s1");
		row.occurrence_at_ms = NOW_MS + c;
		row.counts.total = row.counts.state[TARGET_WAITING] = 2;
		batch_campaign_add(b, &row, hubs, 2);
		batch_page_add(b, c, &page);
		batch_zone_add(b, c, 0, "UTC");
		batch_group_add(b, c, 0, 0, "east", 2);
		for (uint32_t i = 0; i < 2; i++) {
			struct target_row target = rig_target_row(c, i);

			target.group = 0;
			target.hold_until_ms = NOW_MS + 100000;
			batch_target_add(b, &target, i == 0 ? "d-0" : "d-1", &baseline);
		}
		batch_progress_put(b, &progress);
		batch_plan_put(b, &plan);
		batch_relapse_put(b, &relapse);
	}
	batch_usage_put(b, &(struct usage_row){"main", 20000, 7});
	batch_list_begin(b, "l");
	batch_list_ids(b, "l", ids, 2);
	batch_list_end(b, "l", 2, NOW_MS, "eva");
	batch_schedule_put(b, &(struct schedule_row){
	                              .no = 1, .id = "s1", .name = "n", .spec = "{}", .created_by = "eva"});
	batch_note_put(b, "tzdata", "2026a");
	batch_idempotency_add(b, &(struct idempotency_row){"k", 1, NOW_MS, "c1"});
	batch_webhook_put(b, "w", 0);
	return b;
}

/* What happens to them: events from id on. */
static struct batch *batch_of_changes(uint64_t id)
{
	struct batch *b = batch_new();
	struct baseline baseline = {.value_at_ms = TIME_NONE, .taken_at_ms = NOW_MS, .source = SOURCE_QUERY};
	struct audit_row order = {.at_ms = NOW_MS};
	struct campaign_row row = rig_campaign_row(2);
	struct target_row target = rig_target_row(2, 1);

	row.counts.total = 2;
	row.counts.state[TARGET_WAITING] = row.counts.state[TARGET_FAILED] = row.counts.reason[REASON_GONE] =
	        1;
	row.spec = "{\"other\":1}";
	batch_campaign_put(b, &row);
	target.group = 0;
	target.state = TARGET_FAILED;
	target.reason = REASON_GONE;
	target.hold_until_ms = NOW_MS + 100000;
	batch_target_put(b, &target);
	batch_baseline_put(b, 2, 1, &baseline);
	batch_attempt_add(b, &(struct attempt_row){.campaign = 2,
	                                           .no = 1,
	                                           .call = (uint16_t)id,
	                                           .called_at_ms = NOW_MS,
	                                           .hub_at_ms = TIME_NONE,
	                                           .outcome = "answered",
	                                           .payload = "{}",
	                                           .tracking_id = "t"});
	batch_evidence_add(b, &(struct evidence_row){.campaign = 2,
	                                             .no = 1,
	                                             .at_ms = NOW_MS,
	                                             .hub_at_ms = NOW_MS,
	                                             .verdict = "gone",
	                                             .value = "1",
	                                             .value_at_ms = TIME_NONE});
	for (uint32_t i = 0; i < 3; i++) /* of two campaigns and of none */
		batch_event_add(b, &(struct event){.id = id + i,
		                                   .at_ms = NOW_MS,
		                                   .type = i == 0 ? EVENT_HUB : EVENT_TARGET,
		                                   .campaign = i,
		                                   .device_id = i == 0 ? NULL : "d-1",
		                                   .detail = "\"by\":\"eva\""});
	batch_progress_widen(b, 2, 2);
	batch_plan_put(b, &(struct plan_row){.campaign = 2});
	for (size_t i = 0; i < AUDIT_TEXTS_N; i++)
		order.text[i] = "x";
	batch_audit_add(b, &order);
	batch_webhook_put(b, "w", id);
	batch_dead_letter_add(b, &(struct dead_letter){"w", id, NOW_MS, 3, "m", "refused", "{}"});
	batch_idempotency_add(b, &(struct idempotency_row){"k2", 1, NOW_MS, "c2"});
	return b;
}

static struct batch *batch_of_drops(void)
{
	static const char *const ids[] = {"c"};
	struct batch *b = batch_new();
	struct campaign_row row = rig_campaign_row(1);

	row.state = row.phase = CAMPAIGN_CANCELLED;
	row.finished_at_ms = NOW_MS;
	batch_pages_drop(b, 1);
	batch_campaign_put(b, &row);
	batch_campaign_drop(b, 1);
	batch_events_drop(b, NOW_MS + 1);
	batch_list_begin(b, "l");
	batch_list_ids(b, "l", ids, 1);
	batch_list_end(b, "l", 1, NOW_MS, "eva");
	batch_list_begin(b, "gone");
	batch_list_drop(b, "gone");
	batch_schedule_drop(b, 1);
	batch_dead_letters_drop(b, "w");
	batch_audit_drop(b, NOW_MS + 1, NOW_MS);
	return b;
}

/* ---- what is asked: what it says goes to out ---- */

static void put_text(struct buf *out, const char *text)
{
	buf_printf(out, "%s,", text != NULL ? text : "-");
}

static void put_campaign(struct buf *out, const struct campaign_row *c)
{
	buf_printf(out, "c%u,%u,%s,%s,", c->no, c->counts.total, c->id, c->schedule_id);
	put_text(out, c->name);
	put_text(out, c->spec);
	put_text(out, c->state_reason);
	put_text(out, c->created_by);
}

static void put_answer(struct buf *out, const struct answer *a)
{
	buf_printf(out, "r%llu,%d;", (unsigned long long)a->revision, a->has_more);
	for (size_t i = 0; i < a->campaigns_n; i++)
		put_campaign(out, &a->campaigns[i]);
	for (size_t i = 0; i < a->targets_n; i++) {
		buf_printf(out, "t%u,%u,%lld,", a->targets[i].row.no, a->targets[i].row.state,
		           (long long)a->targets[i].baseline.taken_at_ms);
		put_text(out, a->targets[i].device_id);
		put_text(out, a->targets[i].group);
		put_text(out, a->targets[i].zone);
	}
	for (size_t i = 0; i < a->attempts_n; i++) {
		put_text(out, a->attempts[i].outcome);
		put_text(out, a->attempts[i].payload);
		put_text(out, a->attempts[i].tracking_id);
	}
	for (size_t i = 0; i < a->evidence_n; i++) {
		put_text(out, a->evidence[i].verdict);
		put_text(out, a->evidence[i].value);
	}
	for (size_t i = 0; i < a->events_n; i++) {
		buf_printf(out, "e%llu,", (unsigned long long)a->events[i].id);
		put_text(out, a->events[i].device_id);
		put_text(out, a->events[i].detail);
		put_text(out, a->campaign_ids[i]);
	}
	for (size_t i = 0; i < a->audit_n; i++)
		for (size_t k = 0; k < AUDIT_TEXTS_N; k++)
			put_text(out, a->audit[i].text[k]);
	for (size_t i = 0; i < a->groups_n; i++) {
		buf_printf(out, "g%u,%u,", a->groups[i].size, a->groups[i].state[TARGET_WAITING]);
		put_text(out, a->groups[i].name);
	}
	for (size_t i = 0; i < a->progress_n; i++)
		buf_printf(out, "p%u,%u,", a->progress[i].slot_s, a->progress[i].total);
	for (size_t i = 0; i < a->schedules_n; i++) {
		put_text(out, a->schedules[i].name);
		put_text(out, a->schedules[i].spec);
	}
	for (size_t i = 0; i < a->list.ids_n; i++)
		put_text(out, a->list.ids[i]);
	put_text(out, a->list.by);
	put_text(out, a->has_plan ? a->plan.text : NULL);
	put_text(out, a->has_idempotency ? a->idempotency.campaign_id : NULL);
}

#define READS(X) \
	X(campaigns, (b, &(struct campaign_filter){.state = -1, .limit = 9}, a)) \
	X(campaigns_by, (b, \
	                 &(struct campaign_filter){.state = CAMPAIGN_RUNNING, \
	                                           .name = "night reboot", \
	                                           .before_no = 9, \
	                                           .limit = 1, \
	                                           .schedule_id = "s1"}, \
	                 a)) \
	X(campaign, (b, "c2", a)) \
	X(targets, (b, &all, a)) \
	X(targets_by, (b, &some, a)) \
	X(target, (b, 2, "d-1", -1, a)) \
	X(events, (b, 0, 0, 9, a)) \
	X(events_of, (b, 2, 1, 9, a)) \
	X(idempotency, (b, "k", 0, a)) \
	X(groups, (b, 2, 0, 9, a)) \
	X(progress, (b, "c2", a)) \
	X(plan, (b, "c2", a)) \
	X(audit, (b, 0, 9, a)) \
	X(audit_oldest, (b, a)) \
	X(list, (b, "l", 0, 9, a)) \
	X(schedules, (b, &(struct schedule_filter){.limit = 9}, a)) \
	X(schedule, (b, &(struct schedule_filter){.id = "s1", .limit = 1}, a)) \
	X(history, (b, "d-1", 0, 9, a))
#define backend_read_campaigns_by backend_read_campaigns
#define backend_read_targets_by backend_read_targets
#define backend_read_events_of backend_read_events
#define backend_read_schedule backend_read_schedules

static struct target_filter all, some;

#define X(name, arguments) \
	static enum err ask_##name(struct backend *b, struct answer *a) \
	{ \
		return backend_read_##name arguments; \
	}
READS(X)
#undef X

static const struct {
	const char *name;
	enum err (*ask)(struct backend *b, struct answer *a);
} reads[] = {
#define X(name, arguments) {#name, ask_##name},
        READS(X)
#undef X
};

static enum err read_once(size_t i, struct backend *b, struct buf *out)
{
	struct answer a;
	enum err err;

	answer_init(&a);
	err = reads[i].ask(b, &a);
	buf_reset(out);
	buf_putc(out, ';');
	if (err == ERR_OK)
		put_answer(out, &a);
	answer_done(&a);
	return err;
}

static void on_campaign(void *arg, const struct campaign_row *row)
{
	put_campaign(arg, row);
}

static void on_group(void *arg, uint32_t campaign, uint32_t group, uint8_t hub, const char *name,
                     uint32_t size)
{
	buf_printf(arg, "g%u,%u,%u,%s,%u,", campaign, group, hub, name, size);
}

static void on_zone(void *arg, uint32_t campaign, uint32_t zone, const char *name)
{
	buf_printf(arg, "z%u,%u,%s,", campaign, zone, name);
}

static void on_target(void *arg, const struct target_row *row, const char *device_id,
                      const struct baseline *baseline)
{
	buf_printf(arg, "t%u,%u,%s,%u,", row->campaign, row->no, device_id, baseline->source);
}

static void on_hold(void *arg, const struct store_hold *hold)
{
	buf_printf(arg, "h%s,%s,%s,", hold->hub_name, hold->device_id,
	           hold->group != NULL ? hold->group : "-");
}

static void on_relapse(void *arg, const struct relapse_row *row)
{
	buf_printf(arg, "r%u,%u,", row->campaign, row->no);
}

static void on_progress(void *arg, uint32_t campaign, uint32_t slot_s)
{
	buf_printf(arg, "p%u,%u,", campaign, slot_s);
}

static void on_plan(void *arg, const struct plan_row *plan)
{
	buf_printf(arg, "f%u,%s,", plan->campaign, plan->text);
}

static void on_usage(void *arg, const struct usage_row *row)
{
	buf_printf(arg, "u%s,%llu,", row->hub, (unsigned long long)row->messages);
}

static void on_page(void *arg, uint32_t campaign, const struct selection_page *page)
{
	buf_printf(arg, "s%u,%s,%s,", campaign, page->rows[0].device_id,
	           page->continuation != NULL ? page->continuation : "-");
}

static void on_schedule(void *arg, const struct schedule_row *row)
{
	buf_printf(arg, "S%s,%s,", row->name, row->spec);
}

static void on_note(void *arg, const char *name, const char *value)
{
	buf_printf(arg, "n%s,%s,", name, value);
}

static void on_webhook(void *arg, const char *name, uint64_t after_id)
{
	buf_printf(arg, "w%s,%llu,", name, (unsigned long long)after_id);
}

static void on_dead_letter(void *arg, const struct dead_letter *row)
{
	buf_printf(arg, "d%s,%s,%s,", row->webhook, row->error, row->body);
}

static enum err load_once(struct backend *b, struct buf *out)
{
	struct store_loader loader = {on_campaign, on_group,    on_zone, on_target, on_hold,
	                              on_relapse,  on_progress, on_plan, on_usage,  on_page,
	                              on_schedule, on_note,     out};
	struct webhook_loader webhooks = {on_webhook, on_dead_letter, out};
	enum err err;

	buf_reset(out);
	buf_putc(out, ';');
	err = backend_load(b, NOW_MS, &loader);
	return err == ERR_OK ? backend_load_webhooks(b, &webhooks) : err;
}

/* ---- tests ---- */

/* How far apart the allocations are that fail: all of them in the long mode. */
static long stride(void)
{
	const char *is_long = getenv("ROLLCALL_TEST_LONG");

	return is_long != NULL && strcmp(is_long, "true") == 0 ? 1 : 7;
}

static void apply(struct backend *b, struct batch *batch)
{
	const struct batch *batches[] = {batch};
	uint64_t revision;

	ck_assert_msg(backend_apply(b, batches, 1, &revision) == ERR_OK, "%s", backend_reason(b));
	ck_assert_uint_eq(revision, ++head.revision);
}

static void make(void)
{
	struct batch *adds = batch_of_adds(), *changes = batch_of_changes(1);

	holder = open_writer();
	apply(holder, adds);
	apply(holder, changes);
	batch_free(adds);
	batch_free(changes);
	all = rig_all(2);
	some = rig_all(2);
	some.group = "east";
	some.state = TARGET_FAILED;
	some.reason = REASON_GONE;
	some.hub = 0;
	some.device_id = "d-1";
	some.limit = 1;
}

START_TEST(test_what_is_read_without_memory_fails_or_is_as_ever)
{
	struct buf wanted = BUF_INIT, got = BUF_INIT;

	make();
	for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
		long failed_n = 0;

		ck_assert_int_eq(read_once(i, holder, &wanted), ERR_OK);
		for (long n = 1;; n += stride()) {
			struct backend *b;
			enum err err;

			ck_assert_int_eq(backend_open_reader(holder, &b), ERR_OK);
			arm(n);
			err = read_once(i, b, &got);
			if (!disarm()) {
				ck_assert_int_eq(err, ERR_OK);
				backend_close(b);
				break;
			}
			if (err != ERR_OK) {
				failed_n++;
				ck_assert_str_ne(backend_reason(b), "");
				err = read_once(i, b, &got); /* it is there again */
				ck_assert_int_eq(err, ERR_OK);
			}
			ck_assert_msg(strcmp(got.data, wanted.data) == 0, "%s, allocation %ld: %s, not %s",
			              reads[i].name, n, got.data, wanted.data);
			backend_close(b);
		}
		ck_assert_msg(failed_n > 0, "%s", reads[i].name);
	}
	backend_close(holder);
	buf_done(&wanted);
	buf_done(&got);
}
END_TEST

START_TEST(test_a_load_without_memory_fails_or_is_whole)
{
	struct buf wanted = BUF_INIT, got = BUF_INIT;
	long failed_n = 0;

	make();
	ck_assert_int_eq(load_once(holder, &wanted), ERR_OK);
	for (const char *of_each = "cgzthrpfusSnwd"; *of_each != '\0'; of_each++)
		ck_assert_msg(strchr(wanted.data, *of_each) != NULL, "%c: %s", *of_each, wanted.data);
	for (long n = 1;; n += stride()) {
		struct backend *b = open_writer();
		enum err err;
		bool has_failed;

		arm(n);
		err = load_once(b, &got);
		has_failed = disarm();
		failed_n += err != ERR_OK;
		ck_assert(err == ERR_OK || has_failed);
		ck_assert_msg(err != ERR_OK || strcmp(got.data, wanted.data) == 0, "allocation %ld: %s", n,
		              got.data);
		backend_close(b);
		if (!has_failed)
			break;
	}
	ck_assert_int_gt(failed_n, 0);
	backend_close(holder);
	buf_done(&wanted);
	buf_done(&got);
}
END_TEST

/* Commits batch with each allocation failing, until none does. */
static void commit_in_spite(struct batch *batch)
{
	const struct batch *batches[] = {batch};
	struct buf wanted = BUF_INIT, got = BUF_INIT;
	long failed_n = 0;
	enum err err;

	ck_assert_int_eq(load_once(holder, &wanted), ERR_OK);
	for (long n = 1;; n += stride()) {
		struct backend *b = open_writer();
		uint64_t before = head.revision, revision = 0;

		arm(n);
		err = backend_apply(b, batches, 1, &revision);
		disarm();
		failed_n += err != ERR_OK;
		if (err == ERR_OK) { /* also where SQLite did without */
			ck_assert_uint_eq(revision, before + 1);
			backend_close(b);
			break;
		}
		ck_assert_str_ne(backend_reason(b), "");
		backend_close(b);
		ck_assert_int_eq(load_once(holder, &got), ERR_OK);
		ck_assert_msg(strcmp(got.data, wanted.data) == 0, "allocation %ld: %s, not %s", n, got.data,
		              wanted.data);
	}
	ck_assert_int_gt(failed_n, 0);
	buf_done(&wanted);
	buf_done(&got);
}

static void on_fault(void *arg, const char *text)
{
	(void)arg;
	ck_abort_msg("%s", text);
}

START_TEST(test_a_commit_without_memory_leaves_nothing_and_can_be_made_again)
{
	struct batch *batches[] = {batch_of_adds(), batch_of_changes(1), batch_of_changes(4),
	                           batch_of_drops()};
	bool has_more = true;

	holder = open_writer();
	for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
		commit_in_spite(batches[i]);
		batch_free(batches[i]);
	}
	for (long n = 1; has_more; n += stride()) { /* what was dropped goes, sooner or later */
		struct backend *b = open_writer();

		arm(n);
		if (backend_sweep(b, &has_more) != ERR_OK)
			has_more = true;
		disarm();
		backend_close(b);
	}
	backend_close(holder);
}
END_TEST

START_TEST(test_a_database_opens_whole_or_not_at_all)
{
	struct store_head found;
	struct backend *b;
	struct rig rig;
	long failed_n = 0;
	bool has_failed;

	rig_make_folder(&rig);
	for (long n = 1;; n += stride()) {
		char *reason = NULL;
		enum err err;

		arm(n);
		err = backend_open(rig.path, &b, &found, &reason);
		has_failed = disarm();
		failed_n += err != ERR_OK;
		ck_assert(err == ERR_OK || (has_failed && reason != NULL));
		if (err == ERR_OK)
			backend_close(b);
		free(reason);
		if (!has_failed)
			break;
	}
	ck_assert_int_gt(failed_n, 0);
	rig_remove_folder(&rig);
}
END_TEST

START_TEST(test_a_copy_and_a_check_without_memory_say_so_and_leave_nothing)
{
	struct batch *adds = batch_of_adds(), *changes = batch_of_changes(1);
	struct store_census census;
	struct audit_census audited;
	struct rig rig;
	char copy[100];
	long failed_n[3] = {0};

	rig_make_folder(&rig);
	snprintf(copy, sizeof copy, "%s/copy.db", rig.folder);
	{
		char *reason = NULL;

		ck_assert_msg(backend_open(rig.path, &holder, &head, &reason) == ERR_OK, "%s", reason);
	}
	apply(holder, adds);
	apply(holder, changes);
	batch_free(adds);
	batch_free(changes);
	for (int what = 0; what < 3; what++)
		for (long n = 1;; n += stride()) {
			char *reason = NULL;
			enum err err;
			bool has_failed;

			arm(n);
			err = what == 0 ? store_backup(rig.path, copy, NOW_MS, &reason)
			      : what == 1
			              ? store_check(rig.path, on_fault, NULL, &census, &reason)
			              : store_audit_verify(rig.path, NULL, on_fault, NULL, &audited, &reason);
			has_failed = disarm();
			failed_n[what] += err != ERR_OK;
			ck_assert_msg(err == ERR_OK || (has_failed && reason != NULL),
			              "%d, allocation %ld: %s", what, n, err_text(err));
			free(reason);
			if (what == 0)
				ck_assert((remove(copy) == 0) == (err == ERR_OK));
			if (!has_failed)
				break;
		}
	for (int what = 0; what < 3; what++)
		ck_assert_int_gt(failed_n[what], 0);
	ck_assert_uint_eq(census.campaigns, 2);
	ck_assert_uint_eq(audited.n, 1);
	backend_close(holder);
	rig_remove_folder(&rig);
}
END_TEST

/* ---- a table that is gone ---- */

static const char *const tables[] = {
        "meta",     "campaigns",  "specs",    "hubs",        "target_groups", "pages", "targets",
        "prints",   "attempts",   "evidence", "events",      "idempotency",   "lists", "list_pages",
        "progress", "plans",      "relapses", "hub_days",    "schedules",     "notes", "target_zones",
        "audit",    "audit_head", "webhooks", "dead_letters"};

/* Behind the store's back. */
static void run_sql(const char *sql)
{
	sqlite3 *db;

	ck_assert_int_eq(sqlite3_open_v2(DATABASE, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, NULL),
	                 SQLITE_OK);
	ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql,
	              sqlite3_errmsg(db));
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

static void drop_table(const char *table)
{
	char sql[64];

	snprintf(sql, sizeof sql, "DROP TABLE %s", table);
	run_sql(sql);
}

/* Gives whether it failed; if so the table has to be named. */
static bool failed_for(const char *table, enum err err, const char *reason)
{
	ck_assert_msg(err == ERR_OK || strstr(reason, table) != NULL, "%s: %s, %s", table, err_text(err),
	              reason);
	return err != ERR_OK;
}

static void count_fault(void *arg, const char *text)
{
	(void)text;
	++*(size_t *)arg;
}

/* What other programs do with a database that is there. */
static size_t failed_of_care(const char *table, const char *copy)
{
	struct store_census census;
	struct audit_census audited;
	size_t failed_n = 0, faults_n = 0;

	for (int what = 0; what < 3; what++) {
		char *reason = NULL;
		enum err err = what == 0   ? store_backup(DATABASE, copy, NOW_MS, &reason)
		               : what == 1 ? store_check(DATABASE, count_fault, &faults_n, &census, &reason)
		                           : store_audit_verify(DATABASE, NULL, count_fault, &faults_n,
		                                                &audited, &reason);

		failed_n += failed_for(table, err, reason);
		if (what == 0)
			ck_assert((remove(copy) == 0) == (err == ERR_OK));
		free(reason);
	}
	return failed_n;
}

static size_t failed_of_reads(const char *table)
{
	struct buf got = BUF_INIT;
	struct backend *b;
	size_t failed_n = 0;

	ck_assert_int_eq(backend_open_reader(holder, &b), ERR_OK);
	for (size_t i = 0; i < sizeof reads / sizeof *reads; i++)
		failed_n += failed_for(table, read_once(i, b, &got), backend_reason(b));
	failed_n += failed_for(table, load_once(b, &got), backend_reason(b));
	backend_close(b);
	buf_done(&got);
	return failed_n;
}

START_TEST(test_what_needs_a_table_that_is_gone_says_so_and_changes_nothing)
{
	struct batch *batches[] = {batch_of_adds(), batch_of_changes(1), batch_of_drops()};
	const char *table = tables[_i];
	size_t failed_n = 0, n = sizeof batches / sizeof *batches;
	char copy[64];
	bool has_more = true;

	all = rig_all(2);
	some = rig_all(2);
	some.group = "east";
	snprintf(copy, sizeof copy, "/tmp/rollcall-gone-%d.db", (int)getpid());
	for (size_t stage = 0; stage < n; stage++) {
		const struct batch *batch[] = {batches[stage]};
		uint64_t revision;
		bool has_failed;

		holder = open_writer();
		for (size_t i = 0; i < stage; i++)
			apply(holder, batches[i]);
		drop_table(table);
		has_failed =
		        failed_for(table, backend_apply(holder, batch, 1, &revision), backend_reason(holder));
		failed_n += has_failed + failed_of_reads(table) + failed_of_care(table, copy);
		while (!has_failed && has_more)
			has_failed =
			        failed_for(table, backend_sweep(holder, &has_more), backend_reason(holder));
		backend_close(holder);
	}
	ck_assert_uint_gt(failed_n, 0);
	for (size_t i = 0; i < n; i++)
		batch_free(batches[i]);
}
END_TEST

/* ---- what stands there is damaged ---- */

static const struct {
	const char *sql, *reason;
} damages[] = {
        {"UPDATE campaigns SET state = 99", "a campaign's row is damaged"},
        {"UPDATE campaigns SET phase = 99", "a campaign's row is damaged"},
        {"UPDATE campaigns SET counts = x''", "a campaign's row is damaged"},
        {"UPDATE campaigns SET counts = x'ff0000'", "a campaign's row is damaged"},
        {"UPDATE campaigns SET counts = x'00ff00'", "a campaign's row is damaged"},
        {"UPDATE campaigns SET counts = x'0000ff'", "a campaign's row is damaged"},
        {"UPDATE campaigns SET waves = x'01'", "a campaign's row is damaged"},
        {"UPDATE campaigns SET waves = x'ff0000'", "a campaign's row is damaged"},
        {"UPDATE campaigns SET waves = x'00ff00'", "a campaign's row is damaged"},
        {"UPDATE campaigns SET waves = x'0000ff'", "a campaign's row is damaged"},
        {"UPDATE targets SET marks = marks | 255", "a target's row is damaged"},
        {"UPDATE targets SET marks = marks | 255 << 8", "a target's row is damaged"},
        {"UPDATE targets SET marks = marks | 255 << 16", "a target's row is damaged"},
        {"UPDATE targets SET marks = marks | 255 << 24", "a target's hub is not known"},
        {"UPDATE targets SET life = x'00'", "a target's row is damaged"},
        {"UPDATE targets SET baseline = x'00'", "a target's row is damaged"},
        {"INSERT INTO target_groups VALUES (2 << 32 | 9, 'west', 0, 0); UPDATE targets SET group_no = 5",
         "a target's group is not known"},
        {"INSERT INTO target_groups VALUES (2 << 32 | 2, 'west', 0, 0); UPDATE targets SET group_no = 1",
         "a target's group is not known"},
        {"UPDATE targets SET marks = marks | 255", "a target's group is not known"},
        {"WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 64)"
         " INSERT INTO hubs SELECT 2, i, 'hub' FROM n",
         "a campaign has too many hubs"},
        {"UPDATE pages SET found = x'ff'", "a page of a selection is damaged"},
        {"UPDATE pages SET found = x'ffffffffffffffffffffff'", "a page of a selection is damaged"},
        {"UPDATE pages SET found = substr(found, 1, length(found) - 1)", "a page of a selection is damaged"},
        {"UPDATE pages SET found = substr(found, 1, 2)", "a page of a selection is damaged"},
        {"UPDATE events SET run = x'ff'", "a run of events is damaged"},
        {"UPDATE list_pages SET ids = x'00'", "a page of a list of devices is damaged"},
        {"UPDATE list_pages SET ids = x'ff'", "a page of a list of devices is damaged"},
        {"UPDATE progress SET states = x''", "a campaign's progress is damaged"},
        {"UPDATE plans SET ends = x''", "a campaign's plan is damaged"},
        {"UPDATE relapses SET after = x''", "a watch over a proven target is damaged"},
        {"UPDATE relapses SET relapse = 99", "a watch over a proven target is damaged"},
};

/* Each that fails says that something is damaged, and is no worse for it: ret_n of them for reason. */
static void damaged_reads(const char *reason, size_t *ret_n)
{
	struct buf got = BUF_INIT;
	struct backend *b;

	ck_assert_int_eq(backend_open_reader(holder, &b), ERR_OK);
	for (size_t i = 0; i <= sizeof reads / sizeof *reads; i++) {
		enum err err = i < sizeof reads / sizeof *reads ? read_once(i, b, &got) : load_once(b, &got);

		/* not that a transaction is still open, or the like */
		ck_assert_msg(err == ERR_OK ||
		                      (err == ERR_CORRUPT && strstr(backend_reason(b), "SQLite") == NULL),
		              "%s", backend_reason(b));
		*ret_n += err == ERR_CORRUPT && strcmp(backend_reason(b), reason) == 0;
	}
	backend_close(b);
	buf_done(&got);
}

START_TEST(test_what_is_damaged_is_named_and_not_taken_for_something_else)
{
	struct store_census census;
	char copy[64], *reason = NULL;
	size_t failed_n = 0, faults_n = 0;
	enum err err;

	make();
	run_sql(damages[_i].sql);
	damaged_reads(damages[_i].reason, &failed_n);
	ck_assert_msg(failed_n > 0, "%s", damages[_i].sql);
	err = store_check(DATABASE, count_fault, &faults_n, &census, &reason);
	ck_assert_msg(err == ERR_OK, "%s", reason);
	snprintf(copy, sizeof copy, "/tmp/rollcall-damaged-%d.db", (int)getpid());
	err = store_backup(DATABASE, copy, NOW_MS, &reason); /* of a damaged database is better than none */
	ck_assert_int_eq(remove(copy) == 0, err == ERR_OK);
	if (strstr(damages[_i].sql, "life") != NULL) /* which it has to change */
		ck_assert_ptr_nonnull(strstr(reason, "a target's row is damaged"));
	else
		ck_assert_msg(err == ERR_OK, "%s", reason);
	free(reason);
	backend_close(holder);
}
END_TEST

static void note_fault(void *arg, const char *text)
{
	buf_printf(arg, "%s;", text);
}

START_TEST(test_a_check_goes_on_behind_what_is_damaged)
{
	static const struct {
		const char *sql, *fault;
	} faults[] = {
	        {"UPDATE campaigns SET state = 99 WHERE no = 1", "campaign 1: a campaign's row is damaged;"},
	        {"DELETE FROM specs WHERE campaign = 1", "campaign 1: its spec is missing;"},
	        {"UPDATE targets SET marks = marks | 255 WHERE key >> 32 = 1",
	         "campaign 1: 2 targets are in a state that there is not;"},
	        {"UPDATE targets SET marks = marks | 255 << 8 WHERE key >> 32 = 1",
	         "campaign 1: 2 targets are in a state that there is not;"},
	        {"UPDATE targets SET marks = marks | 255 << 16 WHERE key >> 32 = 1",
	         "campaign 1: 2 targets are in a state that there is not;"},
	        {"UPDATE targets SET marks = marks & ~(255 << 8) WHERE key >> 32 = 2 AND state > 0",
	         "campaign c2: it counts 1 targets for gone, there are 0 (P8);"},
	        {"PRAGMA ignore_check_constraints = 1; UPDATE audit_head SET only = 2",
	         "the file: CHECK constraint failed in audit_head;"},
	};

	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		struct buf told = BUF_INIT;
		struct store_census census;
		char *reason = NULL;
		enum err err;

		make();
		run_sql(faults[i].sql);
		err = store_check(DATABASE, note_fault, &told, &census, &reason);
		ck_assert_msg(err == ERR_OK, "%s", reason);
		ck_assert_msg(told.len > 0 && strstr(told.data, faults[i].fault) != NULL, "%s: %s",
		              faults[i].sql, told.len > 0 ? told.data : "");
		ck_assert_uint_eq(census.campaigns, 2);
		buf_done(&told);
		backend_close(holder);
		head = (struct store_head){0};
	}
}
END_TEST

/* As sim and tools load: only what they look at. */
START_TEST(test_a_load_tells_nobody_what_nobody_asked_for)
{
	struct buf out = BUF_INIT;
	const struct store_loader few = {.on_campaign = on_campaign,
	                                 .on_target = on_target,
	                                 .on_hold = on_hold,
	                                 .on_relapse = on_relapse,
	                                 .on_page = on_page,
	                                 .arg = &out};

	make();
	ck_assert_int_eq(backend_load(holder, NOW_MS, &few), ERR_OK);
	ck_assert_ptr_nonnull(strstr(out.data, "t2,1,d-1,"));
	ck_assert_ptr_null(strstr(out.data, "UTC"));
	ck_assert_ptr_null(strstr(out.data, "2026a"));
	buf_done(&out);
	backend_close(holder);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store memory");
	TCase *tables_case = tcase_create("tables");
	sqlite3_mem_methods methods;

	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &whole) != SQLITE_OK)
		return EXIT_FAILURE;
	methods = whole;
	methods.xMalloc = take;
	methods.xRealloc = retake;
	if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK ||
	    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) !=
	            SQLITE_OK) /* so that small ones are asked for, too */
		return EXIT_FAILURE;
	TESTS(s, "memory", test_what_is_read_without_memory_fails_or_is_as_ever,
	      test_a_load_without_memory_fails_or_is_whole,
	      test_a_commit_without_memory_leaves_nothing_and_can_be_made_again,
	      test_a_database_opens_whole_or_not_at_all,
	      test_a_copy_and_a_check_without_memory_say_so_and_leave_nothing);
	tcase_add_loop_test(tables_case, test_what_needs_a_table_that_is_gone_says_so_and_changes_nothing, 0,
	                    sizeof tables / sizeof *tables);
	tcase_add_loop_test(tables_case, test_what_is_damaged_is_named_and_not_taken_for_something_else, 0,
	                    sizeof damages / sizeof *damages);
	tcase_add_test(tables_case, test_a_check_goes_on_behind_what_is_damaged);
	tcase_add_test(tables_case, test_a_load_tells_nobody_what_nobody_asked_for);
	suite_add_tcase(s, tables_case);
	return suite_run(s);
}
