/* sim: see sim.h */
#include "tests/sim/internal.h"

#include <assert.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/hash.h"
#include "server/base/log.h"
#include "server/base/rng.h"
#include "server/campaign/policy.h"
#include "server/campaign/spec.h"
#include "server/hub/hub.h"
#include "server/hub/http.h"
#include "store/backend.h"
#include "tests/lib/store_sync.h"
#include "tests/sim/drive.h"
#include "tests/sim/net.h"
#include "tests/sim/older.h"

#define MINUTE_MS INT64_C(60000)
#define DRAIN_MS 30000
#define RESTART_MS \
	5000 /* as a supervisor waits, until it starts a process again that has ended with an error */

_Noreturn void sim_broken(struct sim *s, const char *file, int line, const char *format, ...)
{
	char at[TIME_TEXT_SIZE];
	va_list ap;

	fprintf(stderr, "%s:%d: seed %llu, at %s, commit %u, call %u: ", file, line,
	        (unsigned long long)s->options.seed, time_text(s->now_ms, at), s->commits, s->calls);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

void sim_options_init(struct sim_options *o)
{
	memset(o, 0, sizeof *o);
	world_options_init(&o->world);
	o->world.start_ms = 1764547200000; /* 2025-12-01 */
	o->world.devices_n = 20;
	o->world.with_history = true;
	o->hubs_n = 1;
	o->track_interval_ms = 5000;
	o->sku = "none";
	o->commit_max_ms = 5;
}

struct world *sim_world(struct sim *s, uint32_t hub)
{
	assert(hub < s->options.hubs_n);
	return s->sides[hub].world;
}

int64_t sim_now(const struct sim *s)
{
	return s->now_ms;
}

uint32_t sim_commits(const struct sim *s)
{
	return s->commits;
}

uint32_t sim_calls(const struct sim *s)
{
	return s->calls;
}

uint32_t sim_crashes(const struct sim *s)
{
	return s->crashes;
}

uint64_t sim_trace(const struct sim *s)
{
	return s->trace;
}

void sim_trace_put(struct sim *s, const char *what, const char *who)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "%llx %lld %s %s", (unsigned long long)s->trace, (long long)s->now_ms, what, who);
	s->trace = hash64(b.data, b.len);
	buf_done(&b);
}

/* ---- the way to the hub ---- */

static bool on_request(void *arg, const struct http_request *request)
{
	const struct side *side = arg;
	struct sim *s = side->s;
	bool is_call = strcmp(request->method, "POST") == 0 && strstr(request->path, "/methods?") != NULL;
	bool is_job = strcmp(request->method, "PUT") == 0;

	if (is_call || is_job) {
		s->calls++;
		if (is_job)
			check_job(side, request);
		else
			check_call(side, request->path);
		if (s->calls == s->options.crash_at_call)
			s->must_crash = true;
	}
	return s->options.refuse_share <= 0 || rng_unit(&s->rng) >= s->options.refuse_share;
}

static void on_journal(void *arg, const struct world_entry *entry)
{
	check_entry(arg, entry);
}

/* ---- the process ---- */

static bool step(struct sim *s, int64_t until_ms);

static int64_t mono_of(void *arg)
{
	const struct sim *s = arg;

	return s->now_ms;
}

static int64_t now_of(void *arg)
{
	const struct sim *s = arg;

	return s->now_ms + s->set_by_ms;
}

void sim_set_clock(struct sim *s, int64_t by_ms)
{
	s->set_by_ms += by_ms;
	s->run_at_ms = s->now_ms;
}

static void on_wake(void *arg)
{
	struct sim *s = arg;

	s->run_at_ms = s->now_ms;
}

/* The service ends, or does not start: only for trouble with its database. */
static void say_last(struct sim *s, const char *what, const char *reason)
{
	snprintf(s->last_words, sizeof s->last_words, "%s", reason);
	log_debug(what, LI("at", s->now_ms - s->options.world.start_ms), LS("reason", reason));
	sim_trace_put(s, what, ""); /* the reason names the drive, which each run has anew */
	SIM_CHECK(s, drive_is_dead(s->drive) || drive_failures(s->drive) > s->failures_told, "%s: %s", what,
	          reason);
	s->failures_told = drive_failures(s->drive);
}

static void on_broken(void *arg, enum err err)
{
	struct sim *s = arg;

	say_last(s, "a commit failed", err_text(err));
	s->must_crash = s->has_broken = true;
}

static void draw_fate(struct sim *s)
{
	bool is_due = s->options.crash_at_commit > s->commits;
	uint32_t nth = is_due ? s->options.crash_at_commit - s->commits : 0;
	uint64_t when = s->options.crash_is_after ? 1 : 0;

	if (nth == 0 && s->options.crash_share > 0) {
		nth = 1 + (uint32_t)rng_below(&s->rng, (uint64_t)(2 / s->options.crash_share));
		when = rng_below(&s->rng, 3);
	}
	if (nth > 0 && when < 2)
		store_sync_set_fate(s->store, nth, when == 1 ? COMMIT_IS_LAST : COMMIT_IS_LOST);
	else if (nth > 0)
		drive_die_in(s->drive, nth + (uint32_t)rng_below(&s->rng, 10 * (uint64_t)nth));
}

static const char *const hub_names[SIM_HUBS_MAX] = {"main", "hub1", "hub2"};

static void on_hub_freed(void *arg)
{
	(void)arg;
}

static void free_parts(struct sim *s)
{
	if (s->feed != NULL) {
		feed_unsubscribe(s->feed, &s->subscriber);
		feed_free(s->feed);
	}
	s->feed = NULL;
	for (uint32_t h = 0; h < s->options.hubs_n; h++) {
		net_crash(s->sides[h].net);
		if (s->sides[h].hub != NULL)
			hub_free(s->sides[h].hub, on_hub_freed, NULL);
		s->sides[h].hub = NULL;
	}
}

static bool open_store(struct sim *s, struct store_head *ret_head)
{
	char *reason = NULL;
	enum err err;

	drive_arm(s->drive, true);
	err = store_open(&(struct store_options){.path = drive_path(s->drive)}, &s->store, ret_head, &reason);
	drive_arm(s->drive, false);
	if (err != ERR_OK)
		say_last(s, "the store does not open", reason);
	free(reason);
	return err == ERR_OK;
}

static bool start_conductor(struct sim *s, const struct store_head *head)
{
	struct conductor_hub ports[SIM_HUBS_MAX];
	struct conductor_options conductor = {.store = s->store,
	                                      .head = head,
	                                      .feed = s->feed,
	                                      .hubs = ports,
	                                      .hubs_n = s->options.hubs_n,
	                                      .seed = rng_u64(&s->rng),
	                                      .retention_days = s->options.retention_days,
	                                      .now_ms = now_of,
	                                      .mono_ms = mono_of,
	                                      .on_broken = on_broken,
	                                      .on_wake = on_wake,
	                                      .arg = s};
	enum err err;

	for (uint32_t h = 0; h < s->options.hubs_n; h++) {
		struct hub_options hub = {.loop = (struct uv_loop_s *)(void *)s->sides[h].net,
		                          .name = hub_names[h],
		                          .connection_string =
		                                  "HostName=hub.example;SharedAccessKeyName=service;"
		                                  "SharedAccessKey=AAECAwQFBgcICQoLDA0ODw==",
		                          .inflight_max = 1000};

		SIM_CHECK(s, hub_new(&hub, &s->sides[h].hub) == ERR_OK, "no hub");
		ports[h] = (struct conductor_hub){.hub = s->sides[h].hub,
		                                  .name = hub_names[h],
		                                  .sku = s->options.sku,
		                                  .reserve_percent = s->options.reserve_percent,
		                                  .units = 1,
		                                  .inflight_max = 1000,
		                                  .track_interval_ms = s->options.track_interval_ms,
		                                  .ambiguous_max = 5};
	}
	drive_arm(s->drive, true);
	err = conductor_new(&conductor, &s->conductor);
	drive_arm(s->drive, false);
	if (err != ERR_OK)
		say_last(s, "the record does not load", err_text(err));
	return err == ERR_OK;
}

/* Nobody has the drive open any more: what the next process finds. */
static void end_life(struct sim *s)
{
	bool is_power_lost = rng_below(&s->rng, 2) == 0 || s->options.crash_at_operation > 0;

	drive_die(s->drive);
	backend_close(s->record);
	s->record = NULL;
	if (s->store != NULL)
		store_sync_crash(s->store);
	s->store = NULL;
	drive_restart(s->drive, is_power_lost);
	s->options.crash_at_operation = 0;
	s->is_up = false;
	s->died_at_ms = s->died_at_ms < s->now_ms ? s->died_at_ms : s->now_ms;
}

/* Starts the process; where it ends at once it is started again later. */
static void begin(struct sim *s)
{
	struct store_head head;

	s->commit_at_ms = s->explain_at_ms = TIME_NEVER;
	s->must_crash = s->has_broken = false;
	s->is_up = open_store(s, &head);
	if (s->is_up) {
		check_events_begin(s, head.last_event_id);
		s->feed = feed_new(head.last_event_id);
		feed_subscribe(s->feed, &s->subscriber, on_event, s);
		s->is_up = start_conductor(s, &head);
	}
	if (!s->is_up) {
		free_parts(s);
		end_life(s);
		s->starts_failed++;
		s->up_at_ms = s->now_ms + RESTART_MS;
		return;
	}
	s->record = store_sync_record(s->store);
	draw_fate(s);
	s->run_at_ms = s->now_ms;
	check_record(s);
	check_events(s);
	s->died_at_ms = TIME_NEVER;
}

static void end(struct sim *s)
{
	if (!s->is_up)
		return;
	conductor_free(s->conductor);
	s->conductor = NULL;
	free_parts(s);
	end_life(s);
}

static void on_closed(void *arg)
{
	(void)arg;
}

static int64_t heap_bytes(void)
{
	struct mallinfo2 m = mallinfo2();

	return (int64_t)(m.uordblks + m.hblkhd);
}

/* What main.c does on SIGTERM, once all is settled. */
static void stop(struct sim *s)
{
	int64_t bytes = heap_bytes();

	conductor_free(s->conductor);
	s->conductor = NULL;
	free_parts(s);
	s->held_bytes = bytes - heap_bytes();
	backend_close(s->record);
	s->record = NULL;
	store_close(s->store, on_closed, NULL);
	drive_arm(s->drive, true);
	store_sync_run(s->store);
	drive_arm(s->drive, false);
	s->store = NULL;
	drive_restart(s->drive, false);
	s->is_up = false;
	s->died_at_ms = s->now_ms;
}

void sim_restart(struct sim *s, const struct sim_settings *settings)
{
	int64_t until_ms = s->now_ms + DRAIN_MS;
	uint32_t crashes = s->crashes;

	s->options.track_interval_ms = settings->track_interval_ms;
	s->options.reserve_percent = settings->reserve_percent;
	s->options.sku = settings->sku;
	sim_wait_up(s);
	conductor_drain(s->conductor);
	s->run_at_ms = s->now_ms;
	while (s->is_up && s->crashes == crashes && !conductor_is_settled(s->conductor) && step(s, until_ms))
		;
	if (s->crashes != crashes || !s->is_up)
		return;
	sim_trace_put(s, "restart", "");
	if (conductor_is_settled(s->conductor) && store_sync_pending(s->store) == 0)
		stop(s);
	else
		end(s); /* it did not settle in time */
	begin(s);
}

int64_t sim_held_bytes(const struct sim *s)
{
	return s->held_bytes;
}

void sim_downgrade(struct sim *s, int version)
{
	sim_trace_put(s, "downgrade", "");
	s->crashes++;
	end(s);
	older_put(s->drive, version);
	begin(s);
}

void sim_crash(struct sim *s)
{
	s->crashes++;
	sim_trace_put(s, "crash", "");
	end(s);
	if (!s->has_broken)
		begin(s);
	s->up_at_ms = s->now_ms + RESTART_MS;
}

/* Three in four begin with a database that has been made already: that costs as much as all the rest of many.
 */
static struct drive *new_drive(const struct sim_options *o)
{
	static struct drive *made;
	struct store_head head;
	struct backend *b;
	char *reason = NULL;

	if (o->crash_at_operation > 0 || o->seed % 4 == 0)
		return drive_new(o->seed);
	if (made == NULL) {
		made = drive_new(0);
		if (backend_open(drive_path(made), &b, &head, &reason) != ERR_OK)
			abort();
		backend_close(b);
	}
	return drive_copy(made, o->seed);
}

struct sim *sim_new(const struct sim_options *o)
{
	struct sim *s = xcalloc(1, sizeof *s);

	s->options = *o;
	rng_seed(&s->rng, o->seed);
	s->now_ms = o->world.start_ms;
	assert(o->hubs_n > 0 && o->hubs_n <= SIM_HUBS_MAX);
	for (uint32_t h = 0; h < o->hubs_n; h++) {
		struct side *side = &s->sides[h];
		struct world_options world = o->world;

		world.seed += h;
		*side = (struct side){.s = s, .index = h, .world = world_new(&world)};
		world_on_journal(side->world, on_journal, side);
		side->net = net_new(&(struct net_options){.world = side->world,
		                                          .on_request = on_request,
		                                          .arg = side,
		                                          .connect_max_ms = o->connect_max_ms,
		                                          .seed = world.seed});
		net_run(side->net, s->now_ms);
	}
	s->drive = new_drive(o);
	s->trouble_until_ms = s->died_at_ms = TIME_NEVER;
	drive_die_in(s->drive, o->crash_at_operation);
	begin(s);
	return s;
}

void sim_free(struct sim *s)
{
	struct device *d;

	check_late(s);
	end(s);
	for (uint32_t h = 0; h < s->options.hubs_n; h++) {
		net_free(s->sides[h].net);
		world_free(s->sides[h].world);
	}
	drive_free(s->drive);
	free(s->events);
	for (uint32_t i = 0; i < s->known_n; i++) {
		free(s->known[i].targets);
		free(s->known[i].seen_at_ms);
		free(s->known[i].sites);
		free(s->known[i].evidence_n);
		spec_done(s->known[i].spec);
		free(s->known[i].spec);
	}
	while ((d = s->devices) != NULL) {
		s->devices = d->next;
		free(d);
	}
	free(s);
}

/* ---- time ---- */

static bool all_final(const struct sim *s)
{
	for (uint32_t i = 0; i < s->known_n; i++)
		if (!s->known[i].is_final && !s->known[i].is_forgotten)
			return false;
	return true;
}

static void plan_commit(struct sim *s)
{
	if (store_sync_pending(s->store) > 0 && s->commit_at_ms == TIME_NEVER)
		s->commit_at_ms =
		        s->now_ms + 1 + (int64_t)rng_below(&s->rng, (uint64_t)s->options.commit_max_ms);
}

static void run_nets(struct sim *s)
{
	for (uint32_t h = 0; h < s->options.hubs_n; h++)
		net_run(s->sides[h].net, s->now_ms);
}

static int64_t time_of(const struct sim *s, int64_t clock_ms)
{
	return clock_ms == TIME_NEVER ? TIME_NEVER : clock_ms - s->set_by_ms;
}

static void run_conductor(struct sim *s)
{
	int64_t at_ms;

	s->run_at_ms = TIME_NEVER;
	at_ms = time_of(s, conductor_run(s->conductor));
	if (at_ms < s->run_at_ms) /* it may have asked to be woken meanwhile */
		s->run_at_ms = at_ms;
}

/* P12 is checked after each commit, and when a nextAt has passed, while nothing waits to be committed. */
static void explain(struct sim *s)
{
	if (store_sync_pending(s->store) > 0 || !conductor_is_recorded(s->conductor) ||
	    s->run_at_ms <= s->now_ms || conductor_is_draining(s->conductor))
		return;
	if (s->commits == s->commits_explained && s->explain_at_ms > s->now_ms)
		return;
	s->commits_explained = s->commits;
	s->explain_at_ms = TIME_NEVER;
	for (uint32_t i = 0; i < s->known_n; i++)
		if (!s->known[i].is_forgotten) /* or being so just now */
			check_waiting(s, &s->known[i]);
}

static bool has_ended(const struct sim *s)
{
	return s->must_crash || drive_is_dead(s->drive) || store_sync_has_crashed(s->store);
}

static void run_store(struct sim *s)
{
	struct store_stats before, after;

	s->commit_at_ms = TIME_NEVER;
	store_stats(s->store, &before);
	drive_arm(s->drive, true);
	store_sync_run(s->store);
	drive_arm(s->drive, false);
	store_stats(s->store, &after);
	s->commits += (uint32_t)(after.commits - before.commits);
	if (drive_is_dead(s->drive))
		return;
	check_record(s);
	if (!store_sync_has_crashed(s->store) && !s->must_crash)
		check_events(s);
}

static void end_trouble(struct sim *s)
{
	static const struct drive_trouble none = {0};

	drive_set_trouble(s->drive, &none);
	s->trouble_until_ms = TIME_NEVER;
}

/* Moves on to what happens next, not after until_ms; false: there is nothing until then. */
static bool step(struct sim *s, int64_t until_ms)
{
	int64_t at_ms = TIME_NEVER;

	for (uint32_t h = 0; h < s->options.hubs_n; h++)
		if (net_next_at(s->sides[h].net) < at_ms)
			at_ms = net_next_at(s->sides[h].net);

	if (s->is_up)
		plan_commit(s);
	if (s->is_up && s->run_at_ms < at_ms)
		at_ms = s->run_at_ms;
	if (s->is_up && s->commit_at_ms < at_ms)
		at_ms = s->commit_at_ms;
	if (!s->is_up && s->up_at_ms < at_ms)
		at_ms = s->up_at_ms;
	if (s->is_up && s->explain_at_ms > s->now_ms && s->explain_at_ms < at_ms)
		at_ms = s->explain_at_ms;
	if (s->trouble_until_ms < at_ms)
		at_ms = s->trouble_until_ms;
	if (at_ms > until_ms) {
		s->now_ms = until_ms;
		run_nets(s);
		return false;
	}
	if (at_ms > s->now_ms)
		s->now_ms = at_ms;
	run_nets(s);
	if (s->trouble_until_ms <= s->now_ms)
		end_trouble(s);
	if (!s->is_up) {
		if (s->up_at_ms <= s->now_ms)
			begin(s);
		return true;
	}
	if (s->commit_at_ms <= s->now_ms)
		run_store(s);
	if (!has_ended(s) && s->run_at_ms <= s->now_ms)
		run_conductor(s);
	if (!has_ended(s))
		explain(s);
	if (has_ended(s)) {
		s->commits += s->options.crash_at_commit > s->commits ? 1 : 0;
		sim_crash(s);
	}
	return true;
}

void sim_stall(struct sim *s, int64_t for_ms)
{
	s->now_ms += for_ms;
	run_conductor(s);
}

void sim_pass(struct sim *s, int64_t for_ms)
{
	int64_t until_ms = s->now_ms + for_ms;

	while (step(s, until_ms))
		;
}

bool sim_run_to_call(struct sim *s, int64_t for_ms)
{
	int64_t until_ms = s->now_ms + for_ms;
	uint32_t calls = s->calls;

	while (s->calls == calls && !all_final(s) && step(s, until_ms))
		;
	return s->calls > calls;
}

bool sim_run_to_commit(struct sim *s, int64_t for_ms)
{
	int64_t until_ms = s->now_ms + for_ms;

	while ((!s->is_up || store_sync_pending(s->store) == 0) && !all_final(s) && step(s, until_ms))
		;
	return s->is_up && store_sync_pending(s->store) > 0;
}

bool sim_run(struct sim *s, int64_t for_ms)
{
	int64_t until_ms = s->now_ms + for_ms;

	while (!all_final(s) && step(s, until_ms))
		;
	return all_final(s);
}

/* ---- orders ---- */

static void on_done(void *arg, enum err err, const char *detail, const char *id)
{
	struct sim *s = arg;

	(void)detail;
	s->is_answered = true;
	s->answer = err;
	snprintf(s->answer_id, sizeof s->answer_id, "%s", id);
}

/* Waits for the answer; false: the process died before it came. */
static bool wait_for_answer(struct sim *s)
{
	uint32_t crashes = s->crashes;
	int64_t until_ms = s->now_ms + 60000;

	while (!s->is_answered && s->crashes == crashes)
		SIM_CHECK(s, step(s, until_ms), "an order is not answered");
	return s->is_answered;
}

static struct campaign_spec *parse(struct sim *s, const char *json)
{
	struct campaign_spec *spec = xcalloc(1, sizeof *spec);
	struct faults faults = FAULTS_INIT;
	char reason[SPEC_REASON_SIZE] = "";
	size_t at;

	SIM_CHECK(s, spec_parse(json, strlen(json), false, spec, &faults, &at, reason) == ERR_OK, "%s: %s %s",
	          json, faults.n > 0 ? faults.all[0].pointer : reason,
	          faults.n > 0 ? faults.all[0].detail : "");
	conductor_check(s->conductor, spec, &faults);
	SIM_CHECK(s, faults.n == 0, "%s: %s %s", json, faults.all[0].pointer, faults.all[0].detail);
	return spec;
}

void sim_trouble(struct sim *s, const struct drive_trouble *trouble, int64_t for_ms)
{
	drive_set_trouble(s->drive, trouble);
	s->trouble_until_ms = s->now_ms + for_ms;
}

bool sim_is_up(const struct sim *s)
{
	return s->is_up;
}

void sim_wait_up(struct sim *s)
{
	int64_t until_ms = s->now_ms + 365 * DAY_MS;

	while (!s->is_up)
		SIM_CHECK(s, step(s, until_ms), "the service does not start");
}

const char *sim_last_words(const struct sim *s)
{
	return s->last_words;
}

struct drive *sim_drive(struct sim *s)
{
	return s->drive;
}

struct conductor *sim_conductor(struct sim *s)
{
	return s->conductor;
}

struct backend *sim_record(struct sim *s)
{
	return s->record;
}

static bool has_schedule(struct sim *s)
{
	struct schedule_filter f = {.limit = 1};
	struct answer answer;
	bool is_there;

	sim_wait_up(s);
	answer_init(&answer);
	SIM_CHECK(s, backend_read_schedules(s->record, &f, &answer) == ERR_OK, "the record cannot be read");
	is_there = answer.schedules_n > 0;
	answer_done(&answer);
	return is_there;
}

void sim_schedule(struct sim *s, const char *json)
{
	struct conductor_request request = {.by = "sim"};

	do {
		struct faults faults = FAULTS_INIT;
		struct schedule_spec spec;
		struct campaign_spec campaign;
		char reason[SPEC_REASON_SIZE] = "";
		size_t at;

		sim_wait_up(s);
		SIM_CHECK(s,
		          schedule_spec_parse(json, strlen(json), &spec, &campaign, &faults, &at, reason) ==
		                  ERR_OK,
		          "%s: %s", faults.n > 0 ? faults.all[0].pointer : reason,
		          faults.n > 0 ? faults.all[0].detail : "");
		conductor_schedule_check(s->conductor, &spec, &campaign, &faults);
		SIM_CHECK(s, faults.n == 0, "%s: %s", faults.all[0].pointer, faults.all[0].detail);
		spec_done(&campaign);
		s->is_answered = false;
		conductor_schedule_create(s->conductor, &spec, &request, on_done, s);
	} while (!wait_for_answer(s) && !has_schedule(s));
}

static bool is_known(const struct sim *s, const char *id)
{
	for (uint32_t i = 0; i < s->known_n; i++)
		if (strcmp(s->known[i].id, id) == 0)
			return true;
	return false;
}

/* The process died before it answered: was the campaign, then the newest, made all the same? */
static bool find_unanswered(struct sim *s)
{
	struct campaign_filter f = {.state = -1, .limit = STORE_PAGE_MAX};
	struct answer answer;
	bool is_there;

	sim_wait_up(s);
	answer_init(&answer);
	SIM_CHECK(s, backend_read_campaigns(s->record, &f, &answer) == ERR_OK, "the record cannot be read");
	is_there = answer.campaigns_n > 0 && !is_known(s, answer.campaigns[0].id);
	if (is_there)
		memcpy(s->answer_id, answer.campaigns[0].id, sizeof s->answer_id);
	answer_done(&answer);
	s->answer = ERR_OK;
	return is_there;
}

uint32_t sim_create(struct sim *s, const char *spec_json)
{
	struct conductor_request request = {.by = "sim"};
	struct known *k = &s->known[s->known_n];
	struct campaign_spec *spec;
	struct limit limit;
	struct answer answer;

	assert(s->known_n < CAMPAIGNS_MAX);
	sim_wait_up(s);
	k->spec = parse(s, spec_json);
	for (uint32_t h = 0; h < s->options.hubs_n; h++)
		if (k->spec->hubs.n == 0)
			k->hubs[k->hubs_n++] = (uint8_t)h;
	for (size_t i = 0; i < k->spec->hubs.n; i++)
		for (uint32_t h = 0; h < s->options.hubs_n; h++)
			if (strcmp(k->spec->hubs.all[i], hub_names[h]) == 0)
				k->hubs[k->hubs_n++] = (uint8_t)h;
	do {
		sim_wait_up(s);
		spec = parse(s, spec_json);
		limit = spec->rollout.max_unavailable;
		s->is_answered = false;
		conductor_create(s->conductor, spec, &request, on_done, s);
		free(spec);
	} while (!wait_for_answer(s) && !find_unanswered(s));
	SIM_CHECK(s, s->answer == ERR_OK, "a campaign is refused: %s", err_text(s->answer));
	memcpy(k->id, s->answer_id, sizeof k->id);
	k->max_unavailable = limit_of(limit, s->options.world.devices_n);
	answer_init(&answer);
	SIM_CHECK(s, backend_read_campaign(s->record, k->id, &answer) == ERR_OK && answer.campaigns_n == 1,
	          "P9: campaign %s was answered and is not on record", k->id);
	k->no = answer.campaigns[0].no;
	answer_done(&answer);
	check_campaign(s, k); /* its first calls may leave before another commit */
	check_events_adopt(s, k);
	s->known_n++;
	return s->known_n;
}

struct previewed {
	struct sim *s;
	struct buf *out;
};

static void on_previewed(void *arg, enum err err, const char *detail, const char *json)
{
	struct previewed *p = arg;

	p->s->is_answered = true;
	p->s->answer = err;
	buf_puts(p->out, json != NULL ? json : detail);
}

enum err sim_preview(struct sim *s, const char *spec_json, struct buf *out)
{
	struct previewed previewed = {s, out};

	do {
		struct campaign_spec *spec;

		sim_wait_up(s);
		spec = parse(s, spec_json);

		s->is_answered = false;
		conductor_preview(s->conductor, spec, on_previewed, &previewed);
		free(spec);
	} while (!wait_for_answer(s));
	return s->answer;
}

enum err sim_order(struct sim *s, uint32_t campaign, enum order order)
{
	struct known *k = &s->known[campaign - 1];

	if (order != ORDER_PAUSE) /* it may come into force before it is answered */
		k->was_paused = false;
	do {
		sim_wait_up(s);
		s->is_answered = false;
		conductor_order(s->conductor, k->id, order, "sim", on_done, s);
	} while (!wait_for_answer(s));
	if (s->answer == ERR_OK && order == ORDER_PAUSE)
		k->was_paused = true;
	if (s->answer == ERR_OK && order == ORDER_CANCEL)
		k->was_cancelled = true;
	check_record(s);
	return s->answer;
}

enum err sim_target_order(struct sim *s, uint32_t campaign, const char *device_id, enum target_order order)
{
	do {
		sim_wait_up(s);
		s->is_answered = false;
		conductor_target_order(s->conductor, s->known[campaign - 1].id, device_id, -1, order, "sim",
		                       on_done, s);
	} while (!wait_for_answer(s));
	return s->answer;
}

enum err sim_respec(struct sim *s, uint32_t campaign, const char *patch_json)
{
	struct known *k = &s->known[campaign - 1];

	do {
		struct faults faults = FAULTS_INIT;
		const struct campaign_spec *old;
		struct campaign_spec spec;
		char reason[SPEC_REASON_SIZE] = "";
		uint32_t revision, most;
		size_t at;

		sim_wait_up(s);
		old = conductor_spec(s->conductor, k->id, &revision);
		if (old == NULL) {
			k->is_patching = false;
			return ERR_NOT_FOUND;
		}
		SIM_CHECK(s,
		          spec_patch(old, patch_json, strlen(patch_json), &spec, &faults, &at, reason) ==
		                  ERR_OK,
		          "%s: %s %s", patch_json, faults.n > 0 ? faults.all[0].pointer : reason,
		          faults.n > 0 ? faults.all[0].detail : "");
		/* Calls that are on their way may be of the one, what follows is of the other. */
		most = limit_of(spec.rollout.max_unavailable, s->options.world.devices_n);
		k->max_unavailable = most > k->max_unavailable ? most : k->max_unavailable;
		k->patched_to = most;
		k->is_patching = true;
		s->is_answered = false;
		conductor_respec(s->conductor, k->id, revision, &spec, "sim", on_done, s);
		spec_done(&spec);
	} while (!wait_for_answer(s));
	k->is_patching = false;
	return s->answer;
}

enum err sim_delete(struct sim *s, uint32_t campaign)
{
	struct known *k = &s->known[campaign - 1];

	k->is_deleting = true;
	do {
		sim_wait_up(s);
		s->is_answered = false;
		conductor_delete(s->conductor, k->id, "sim", on_done, s);
	} while (!wait_for_answer(s));
	if (s->answer == ERR_OK)
		k->is_forgotten = true;
	if (!k->is_forgotten) { /* the process may have died between the deletion and its answer */
		sim_wait_up(s);
		check_campaign(s, k);
	}
	k->is_deleting = false;
	return s->answer;
}

void sim_campaign(struct sim *s, uint32_t campaign, struct campaign_row *ret)
{
	struct answer answer;

	answer_init(&answer);
	SIM_CHECK(s, backend_read_campaign(s->record, s->known[campaign - 1].id, &answer) == ERR_OK,
	          "no record");
	*ret = answer.campaigns[0];
	ret->name = ret->spec = ret->state_reason = ret->created_by = NULL;
	answer_done(&answer);
}

uint32_t sim_targets(struct sim *s, uint32_t campaign)
{
	check_record(s);
	return s->known[campaign - 1].targets_n;
}

size_t sim_progress(struct sim *s, uint32_t campaign, uint32_t *ret_slot_s)
{
	uint32_t begins_s[PROGRESS_ROWS_MAX];
	struct answer page;
	size_t n;

	answer_init(&page);
	SIM_CHECK(s, backend_read_progress(s->record, s->known[campaign - 1].id, &page) == ERR_OK,
	          "no record");
	n = page.progress_n;
	for (size_t i = 0; i < n; i++)
		begins_s[i] = page.progress[i].slot_s;
	*ret_slot_s = progress_slot_s(begins_s, n);
	answer_done(&page);
	return n;
}

int64_t sim_bound(struct sim *s, uint32_t campaign)
{
	struct campaign_row row;

	sim_campaign(s, campaign, &row);
	return campaign_state_is_final(row.state) ? s->now_ms : row.end_at_ms - s->set_by_ms;
}

/* Of one campaign after the other, since what one has out holds up the next. A query's lag and the time that
 * a hub is left alone after trouble come on top. */
int64_t sim_deadlines(const struct sim *s)
{
	int64_t all_ms = 30 * MINUTE_MS + s->options.world.query_lag.max_ms;

	for (uint32_t i = 0; i < s->known_n; i++) {
		const struct campaign_spec *spec = s->known[i].spec;

		all_ms += policy_quiet_ms(spec) +
		          ((int64_t)spec->verify.settle_s + spec->verify.relapse_watch_s) * 1000;
	}
	return all_ms;
}

int64_t sim_predicted(const struct sim *s, uint32_t campaign)
{
	return conductor_predicted_finish(s->conductor, campaign);
}

bool sim_target(struct sim *s, uint32_t campaign, uint32_t hub, const char *device_id, struct target_row *ret)
{
	return check_row_of(s, s->known[campaign - 1].no, &s->known[campaign - 1], hub, device_id, ret);
}

bool sim_is_forgotten(const struct sim *s, uint32_t campaign)
{
	return s->known[campaign - 1].is_forgotten;
}

uint64_t sim_first_event(struct sim *s)
{
	struct answer page;
	uint64_t id;

	answer_init(&page);
	SIM_CHECK(s, backend_read_events(s->record, 0, 0, 1, &page) == ERR_OK, "the record cannot be read");
	id = page.first_kept_id;
	answer_done(&page);
	return id;
}
