/* tests: see conductor_rig.h */
#include "tests/unit/server/conductor_rig.h"

#include "tests/lib/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/feed.h"

struct rig rig;
static struct disk *disk;
static struct feed *feed;
static bool is_woken;

static int64_t now_of(void *arg)
{
	(void)arg;
	return rig.now_ms + rig.set_by_ms;
}

static int64_t mono_of(void *arg)
{
	(void)arg;
	return rig.now_ms;
}

static void on_broken(void *arg, enum err err)
{
	(void)arg;
	rig.broken = err;
}

static void on_wake(void *arg)
{
	(void)arg;
	is_woken = true;
}

static void open_store(void)
{
	struct store_options options = {.path = disk_path(disk)};
	char *reason = NULL;

	ck_assert_int_eq(store_open(&options, &rig.store, &rig.head, &reason), ERR_OK);
}

void rig_open(void)
{
	rig = (struct rig){.sku = "none", .now_ms = RIG_BEGIN_MS};
	rig.options = (struct conductor_options){.hubs_n = RIG_HUBS_N,
	                                         .seed = 1,
	                                         .now_ms = now_of,
	                                         .mono_ms = mono_of,
	                                         .on_broken = on_broken,
	                                         .on_wake = on_wake};
	disk = disk_new();
	open_store();
}

enum err rig_start(void)
{
	static const char *const names[RIG_HUBS_N] = {"main", "side"};
	struct conductor_hub hubs[RIG_HUBS_N];

	for (int h = 0; h < RIG_HUBS_N; h++) {
		rig.hubs[h] = fake_hub_new();
		hubs[h] = (struct conductor_hub){.hub = rig.hubs[h],
		                                 .name = names[h],
		                                 .sku = rig.sku,
		                                 .units = 1,
		                                 .inflight_max = 100,
		                                 .track_interval_ms = 1000,
		                                 .ambiguous_max = 5};
	}
	rig.options.store = rig.store;
	rig.options.head = &rig.head;
	rig.options.feed = feed = feed_new(rig.head.last_event_id);
	rig.options.hubs = hubs;
	is_woken = true;
	return conductor_new(&rig.options, &rig.conductor);
}

/* Hubs want every request answered, by somebody who is not there any more. */
static void cut_off(void)
{
	for (int h = 0; h < RIG_HUBS_N; h++) {
		struct hub_answer cut = fake_answer(HUB_AMBIGUOUS, 0);

		for (size_t i = 0; rig.hubs[h] != NULL && i < fake_hub_n(rig.hubs[h]); i++)
			if (!fake_hub_at(rig.hubs[h], i)->is_answered)
				fake_hub_answer(rig.hubs[h], i, &cut);
	}
}

void rig_kill(void)
{
	cut_off();
	conductor_free(rig.conductor);
	rig.conductor = NULL;
	feed_free(feed);
	feed = NULL;
	for (int h = 0; h < RIG_HUBS_N; h++) {
		if (rig.hubs[h] != NULL)
			fake_hub_free(rig.hubs[h]);
		rig.hubs[h] = NULL;
	}
	store_sync_crash(rig.store);
	open_store();
}

void rig_close(void)
{
	rig_kill();
	store_sync_crash(rig.store);
	disk_free(disk);
}

/* One turn; gives when the next is due. */
static int64_t turn(void)
{
	int64_t at_ms;

	is_woken = false;
	at_ms = conductor_run(rig.conductor);
	while (store_sync_pending(rig.store) > 0)
		store_sync_run(rig.store);
	return at_ms == TIME_NEVER ? TIME_NEVER : at_ms - rig.set_by_ms;
}

void rig_run(void)
{
	rig_pass(0);
}

void rig_pass(int64_t ms)
{
	int64_t until_ms = rig.now_ms + ms, at_ms;

	for (int turns = 0;; turns++) {
		ck_assert_msg(turns < 100000, "it never comes to rest");
		at_ms = turn();
		if (is_woken || at_ms <= rig.now_ms)
			continue;
		if (at_ms > until_ms)
			break;
		rig.now_ms = at_ms;
	}
	rig.now_ms = until_ms;
}

static void on_put(void *arg, enum err err, uint64_t revision)
{
	(void)arg;
	(void)revision;
	ck_assert_int_eq(err, ERR_OK);
}

void rig_put(struct batch *batch)
{
	store_commit(rig.store, batch, on_put, NULL);
	store_sync_run(rig.store);
}

void rig_put_selecting(const char *id, const char *spec_json, int64_t end_at_ms)
{
	static const char *const hubs[] = {"main"};
	static const struct baseline none = {.source = SOURCE_NONE};
	struct campaign_row row = {.no = 1,
	                           .id = "",
	                           .name = "t",
	                           .spec = spec_json,
	                           .spec_revision = 1,
	                           .state = CAMPAIGN_SELECTING,
	                           .phase = CAMPAIGN_SELECTING,
	                           .state_reason = "",
	                           .created_by = "eva",
	                           .end_at_ms = end_at_ms,
	                           .started_at_ms = TIME_NONE,
	                           .finished_at_ms = TIME_NONE,
	                           .occurrence_at_ms = TIME_NONE,
	                           .counts = {.total = 1, .state = {[TARGET_WAITING] = 1}}};
	struct target_row target = {.campaign = 1,
	                            .state = TARGET_WAITING,
	                            .group = GROUP_NONE,
	                            .next_at_ms = TIME_NONE,
	                            .called_at_ms = TIME_NONE,
	                            .since_hub_ms = TIME_NONE,
	                            .hold_until_ms = TIME_NONE};
	struct batch *b = batch_new();

	snprintf(row.id, sizeof row.id, "%s", id);
	batch_campaign_add(b, &row, hubs, 1);
	batch_target_add(b, &target, "d-1", &none);
	rig_put(b);
	rig.head.last_campaign = 1;
}

void rig_on_done(void *arg, enum err err, const char *detail, const char *id)
{
	(void)arg;
	rig.answers_n++;
	rig.err = err;
	snprintf(rig.detail, sizeof rig.detail, "%s", detail != NULL ? detail : "");
	snprintf(rig.id, sizeof rig.id, "%s", id);
}

enum err rig_answer(void)
{
	uint32_t n = rig.answers_n;

	rig_run();
	ck_assert_uint_eq(rig.answers_n, n + 1);
	return rig.err;
}

void rig_parse(const char *spec_json, struct campaign_spec *ret)
{
	struct faults faults = FAULTS_INIT;
	char reason[SPEC_REASON_SIZE] = "";
	size_t at;

	ck_assert_msg(spec_parse(spec_json, strlen(spec_json), false, ret, &faults, &at, reason) == ERR_OK,
	              "%s", faults.n > 0 ? faults.all[0].detail : reason);
	conductor_check(rig.conductor, ret, &faults);
	ck_assert_msg(faults.n == 0, "%s", faults.all[0].detail);
}

void rig_parse_schedule(const char *spec_json, struct schedule_spec *ret)
{
	struct faults faults = FAULTS_INIT;
	struct campaign_spec campaign;
	char reason[SPEC_REASON_SIZE] = "";
	size_t at;

	ck_assert_msg(schedule_spec_parse(spec_json, strlen(spec_json), ret, &campaign, &faults, &at,
	                                  reason) == ERR_OK,
	              "%s", faults.n > 0 ? faults.all[0].detail : reason);
	conductor_schedule_check(rig.conductor, ret, &campaign, &faults);
	ck_assert_msg(faults.n == 0, "%s", faults.all[0].detail);
	spec_done(&campaign);
}

void rig_create(const char *spec_json)
{
	struct conductor_request request = {.by = "eva"};
	struct campaign_spec spec;

	rig_parse(spec_json, &spec);
	conductor_create(rig.conductor, &spec, &request, rig_on_done, NULL);
	ck_assert_int_eq(rig_answer(), ERR_OK);
}

void rig_schedule(const char *spec_json)
{
	struct conductor_request request = {.by = "eva"};
	struct schedule_spec spec;

	rig_parse_schedule(spec_json, &spec);
	conductor_schedule_create(rig.conductor, &spec, &request, rig_on_done, NULL);
	ck_assert_int_eq(rig_answer(), ERR_OK);
}

void rig_list(const char *name, uint32_t n)
{
	char id[16];
	const char *ids[] = {id};

	ck_assert_int_eq(conductor_list_begin(rig.conductor, name), ERR_OK);
	for (uint32_t i = 0; i < n; i++) {
		snprintf(id, sizeof id, "d-%u", i);
		conductor_list_ids(rig.conductor, name, ids, 1);
	}
	conductor_list_end(rig.conductor, name, n, "eva", rig_on_done, NULL);
	ck_assert_int_eq(rig_answer(), ERR_OK);
}

static struct backend *look(struct answer *page)
{
	answer_init(page);
	return store_sync_record(rig.store);
}

static void look_away(struct backend *record, struct answer *page)
{
	answer_done(page);
	backend_close(record);
}

bool rig_campaign(const char *id, struct campaign_row *ret)
{
	char reason[256];

	return rig_campaign_says(id, ret, reason);
}

bool rig_campaign_says(const char *id, struct campaign_row *ret, char reason[256])
{
	struct answer page;
	struct backend *record = look(&page);
	bool is_there;

	ck_assert_int_eq(backend_read_campaign(record, id, &page), ERR_OK);
	is_there = page.campaigns_n == 1;
	if (is_there) {
		*ret = page.campaigns[0];
		snprintf(reason, 256, "%s", ret->state_reason);
	}
	ret->name = ret->spec = ret->state_reason = ret->created_by = NULL;
	look_away(record, &page);
	return is_there;
}

bool rig_target(const char *id, const char *device_id, int hub, struct target_row *ret, char group[16])
{
	struct campaign_row row;
	struct answer page;
	struct backend *record;
	bool is_there;

	ck_assert(rig_campaign(id, &row));
	record = look(&page);
	ck_assert_int_eq(backend_read_target(record, row.no, device_id, hub, &page), ERR_OK);
	is_there = page.targets_n > 0;
	if (is_there) {
		*ret = page.targets[0].row;
		snprintf(group, 16, "%s", page.targets[0].group != NULL ? page.targets[0].group : "");
	}
	look_away(record, &page);
	return is_there;
}

uint64_t rig_events(uint64_t *ret_first)
{
	struct answer page;
	struct backend *record = look(&page);
	uint64_t n;

	ck_assert_int_eq(backend_read_events(record, 0, 0, 1, &page), ERR_OK);
	*ret_first = page.first_kept_id;
	n = page.last_id + 1 - page.first_kept_id;
	look_away(record, &page);
	return n;
}

size_t rig_audit(enum audit_text which, char ret[2048])
{
	struct answer page;
	struct backend *record = look(&page);
	size_t n;

	ck_assert_int_eq(backend_read_audit(record, 0, STORE_PAGE_MAX, &page), ERR_OK);
	n = page.audit_n;
	snprintf(ret, 2048, "%s", n > 0 ? page.audit[0].text[which] : "");
	look_away(record, &page);
	return n;
}
