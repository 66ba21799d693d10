/* sim: see scenario.h */
#include "tests/sim/scenario.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/hash.h"
#include "server/base/log.h"
#include "server/base/rng.h"
#include "server/campaign/policy.h"
#include "tests/sim/drive.h"
#include "tests/sim/older.h"
#include "tests/sim/sim.h"

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define CAMPAIGNS_MAX 3
#define HUB_FAULTS_MAX 4
#define EVENTS_MAX 10

/* What a 404103 of a call that did act (contract 11.3) looks like afterwards: without verification, by
 * reconnect, or with a predicate over a time that the device's wrong clock wrote, it cannot be told from a
 * device that is away, and is called again. */
enum proof { UNVERIFIED = 1, BY_DEVICE_CLOCK = 2, VERIFIED = 4 };

enum event_kind {
	EVENT_ORDER,
	EVENT_TARGET_ORDER,
	EVENT_PATCH,
	EVENT_DELETION,
	EVENT_CLOCK,
	EVENT_DISK,
	EVENT_RESTART,
	EVENT_KILL,
	EVENT_MIGRATION,
	EVENT_LINK,
	EVENT_KINDS_N
};

/* The worst of times. */
enum moment { MOMENT_ANY, MOMENT_CALL, MOMENT_COMMIT };

struct happening {
	enum event_kind kind;
	enum moment moment;
	int64_t at_ms; /* after the start */
	uint32_t campaign;
	struct rng rng;
};

struct scenario {
	uint64_t seed;
	const char *cuts;
	struct buf *parts;
	struct sim_options options;
	uint32_t campaigns_n, faults_n[SIM_HUBS_MAX], happenings_n;
	char *specs[CAMPAIGNS_MAX];
	int64_t made_at_ms[CAMPAIGNS_MAX];
	struct world_fault faults[SIM_HUBS_MAX][HUB_FAULTS_MAX];
	struct happening happenings[EVENTS_MAX];
	unsigned proofs;
	bool has_job, has_device_zone, has_relapse,
	        has_quota_fault; /* the day's messages are said to be spent */
	int64_t quiet_at_ms;     /* from then on nothing goes wrong any more */
};

/* ---- parts ---- */

static struct rng luck_of(const struct scenario *sc, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
static bool has(struct scenario *sc, const char *format, ...) __attribute__((format(printf, 2, 3)));

static struct rng luck_of(const struct scenario *sc, const char *format, ...)
{
	char name[48];
	struct rng rng;
	va_list ap;

	va_start(ap, format);
	vsnprintf(name, sizeof name, format, ap);
	va_end(ap);
	rng_seed(&rng, sc->seed ^ hash64(name, strlen(name)));
	return rng;
}

/* Luck has put this part in: false where it has been cut. */
static bool has(struct scenario *sc, const char *format, ...)
{
	char name[48], word[64];
	va_list ap;
	bool is_cut;

	va_start(ap, format);
	vsnprintf(name, sizeof name, format, ap);
	va_end(ap);
	snprintf(word, sizeof word, " %s ", name);
	is_cut = strstr(sc->cuts, word) != NULL;
	if (!is_cut && sc->parts != NULL)
		buf_printf(sc->parts, "%s ", name);
	return !is_cut;
}

static bool once_in(struct rng *rng, uint32_t n)
{
	return rng_below(rng, n) == 0;
}

static unsigned draw(struct rng *rng, unsigned n)
{
	return (unsigned)rng_below(rng, n);
}

static int64_t draw_ms(struct rng *rng, int64_t below_ms)
{
	return (int64_t)rng_below(rng, (uint64_t)below_ms);
}

/* ---- hubs and fleets ---- */

static void draw_fleet(struct scenario *sc)
{
	struct world_options *w = &sc->options.world;
	struct rng rng = luck_of(sc, "fleet");

	w->seed = rng_u64(&rng);
	w->site_size = 1 + draw(&rng, 6);
	w->devices_n = once_in(&rng, 2) ? 2 + draw(&rng, 4) : 3 + draw(&rng, 20);
	if (has(sc, "many") == false)
		w->devices_n = (w->devices_n + 1) / 2;
	for (unsigned t = 1; t < WORLD_TEMPERS_N; t++)
		if (once_in(&rng, 3) && has(sc, "%s", world_temper_text((enum world_temper)t)))
			w->share[t] = rng_unit(&rng) * 0.3;
	if (once_in(&rng, 3) && has(sc, "agents"))
		w->agents_share = rng_unit(&rng);
	w->with_history = once_in(&rng, 4) ? !has(sc, "noHistory") : true;
	/* Sooner than the first look after a 404103: later, a call that did act would be made again (product:
	 * the point read before a further call is all that is promised there). */
	w->slow_report = (struct world_span){1000, 6000};
	w->trouble_calls = draw(&rng, 3);
	if (once_in(&rng, 2) && has(sc, "deviceClocks"))
		w->clock_skew_ms = 24 * HOUR_MS;
	if (once_in(&rng, 2) && has(sc, "queryLag"))
		w->query_lag = (struct world_span){0, draw_ms(&rng, 30 * MINUTE_MS)};
	w->ghost_ms = w->query_lag.max_ms;
	if (once_in(&rng, 2) && has(sc, "quirks"))
		world_quirks_draw(&w->quirks, &rng);
}

static void draw_hubs(struct scenario *sc)
{
	struct sim_options *o = &sc->options;
	struct rng rng = luck_of(sc, "hubs");

	o->seed = sc->seed;
	o->track_interval_ms = 1000 + draw(&rng, 30000);
	o->sku = once_in(&rng, 3) && has(sc, "sku") ? "S1" : "none";
	o->world.sku = once_in(&rng, 3) && has(sc, "hubSku") ? WORLD_SKU_S1 : WORLD_SKU_NONE;
	o->world.units = 1;
	if (once_in(&rng, 3) && has(sc, "refusals"))
		o->refuse_share = rng_unit(&rng) * 0.2;
	if (once_in(&rng, 3) && has(sc, "crashes"))
		o->crash_share = rng_unit(&rng) * 0.03;
	if (once_in(&rng, 3) && has(sc, "connects"))
		o->connect_max_ms = draw_ms(&rng, 30 * SECOND_MS);
	if (once_in(&rng, 5) && has(sc, "manyHubs"))
		o->hubs_n = 2 + draw(&rng, SIM_HUBS_MAX - 1);
	for (uint32_t h = 0; h < o->hubs_n; h++) {
		uint32_t n;

		rng = luck_of(sc, "faults %u", h);
		n = once_in(&rng, 2) ? draw(&rng, HUB_FAULTS_MAX + 1) : 0;
		for (uint32_t i = 0; i < n; i++) {
			struct world_fault f = {
			        .kind = (enum world_fault_kind)draw(&rng, WORLD_FAULT_EMPTY_PAGE + 1),
			        .share = rng_unit(&rng),
			        .families = draw(&rng, 64)};

			f.from_ms = o->world.start_ms + draw_ms(&rng, 10 * MINUTE_MS);
			f.until_ms = f.from_ms + draw_ms(&rng, 20 * MINUTE_MS);
			if (has(sc, "hub%u.%s.%u", h, world_fault_text(f.kind), i))
				sc->faults[h][sc->faults_n[h]++] = f;
			sc->has_quota_fault = sc->has_quota_fault || f.kind == WORLD_FAULT_QUOTA;
			if (f.until_ms > sc->quiet_at_ms)
				sc->quiet_at_ms = f.until_ms;
		}
	}
}

/* ---- campaigns ---- */

static void draw_rollout(struct scenario *sc, uint32_t c, bool is_job, struct buf *out)
{
	static const char *const approvals[] = {"none", "start", "afterFirst", "each"};
	struct rng rng = luck_of(sc, "rollout %u", c);
	unsigned n = 1 + draw(&rng, 10);

	buf_printf(out, ",\"rollout\":{\"maxUnavailable\":%u", n);
	n = 1 + draw(&rng, 100);
	if (once_in(&rng, 3) && !is_job && has(sc, "c%u.rate", c))
		buf_printf(out, ",\"ratePerMinute\":%u", n);
	if (once_in(&rng, 2) && has(sc, "c%u.waves", c)) {
		buf_printf(out, ",\"waves\":[{\"upToCount\":%u}", 1 + draw(&rng, 4));
		buf_printf(out, ",{\"upToPercent\":%u},{\"upToPercent\":100}]", 10 + draw(&rng, 80));
		buf_printf(out, ",\"gate\":{\"minSuccessPercent\":%u", draw(&rng, 101));
		buf_printf(out, ",\"soakSeconds\":%u,\"approval\":\"%s\"}", draw(&rng, 200),
		           approvals[draw(&rng, 4)]);
	}
	n = 1 + draw(&rng, 3);
	if (once_in(&rng, 3) && !is_job && has(sc, "c%u.group", c))
		buf_printf(out, ",\"group\":{\"by\":\"tags.site\",\"maxUnavailable\":%u}", n);
	buf_putc(out, '}');
	if (once_in(&rng, 3) && !is_job && has(sc, "c%u.abort", c)) {
		const char *cause = once_in(&rng, 2) ? "any" : "noProof",
		           *what = once_in(&rng, 2) ? "pause" : "cancel";

		buf_printf(out, ",\"abort\":[{\"cause\":\"%s\",\"count\":%u,\"do\":\"%s\"}]", cause,
		           1 + draw(&rng, 4), what);
	}
}

static void draw_schedule(struct scenario *sc, uint32_t c, bool is_job, struct buf *out)
{
	static const char *const zones[] = {"UTC", "device", "Australia/Lord_Howe"};
	struct rng rng = luck_of(sc, "schedule %u", c);

	buf_printf(out, ",\"schedule\":{\"endAfterSeconds\":%u",
	           600 + draw(&rng, once_in(&rng, 3) ? 20000 : 3000));
	if (once_in(&rng, 3) && !is_job && has(sc, "c%u.windows", c)) {
		unsigned zone = draw(&rng, 3);

		sc->has_device_zone = sc->has_device_zone || zone == 1;
		buf_printf(out, ",\"windows\":[{\"cron\":\"*/20 * * * *\",\"durationMinutes\":%u}]",
		           3 + draw(&rng, 17));
		buf_printf(out, ",\"timeZone\":\"%s\",\"mustFinishInWindow\":%s", zones[zone],
		           once_in(&rng, 3) ? "true" : "false");
	}
	if (once_in(&rng, 12) && !is_job && has(sc, "c%u.blackout", c))
		buf_puts(out, ",\"blackouts\":[{\"from\":\"2025-12-02\",\"to\":\"2025-12-02\"}]");
	buf_putc(out, '}');
}

static void draw_spec(struct scenario *sc, uint32_t c, struct buf *out)
{
	static const char *const verifies[] = {
	        "{\"settleSeconds\":0}",
	        "{\"by\":\"none\"}",
	        "{\"settleSeconds\":20,\"relapseWatchSeconds\":300}",
	        "{\"by\":\"where\",\"success\":\"properties.reported.iothubDM.reboot.lastReboot > '2025-12'\"}",
	        "{\"by\":\"reconnect\",\"settleSeconds\":0}",
	};
	struct rng rng = luck_of(sc, "campaign %u", c);
	bool is_job = once_in(&rng, 6) && has(sc, "c%u.job", c);
	unsigned verify = 0;

	sc->has_job = sc->has_job || is_job;
	buf_printf(out, "{\"name\":\"t\",\"action\":{\"type\":\"reboot\"%s}",
	           is_job ? ",\"transport\":\"hubJob\"" : "");
	if (sc->options.hubs_n > 1 && once_in(&rng, 3) && has(sc, "c%u.hubs", c))
		buf_puts(out, once_in(&rng, 2) ? ",\"hubs\":[\"hub1\"]" : ",\"hubs\":[\"hub1\",\"main\"]");
	buf_puts(out, ",\"targets\":");
	if (once_in(&rng, 3) && has(sc, "c%u.ids", c)) {
		buf_puts(out, "{\"deviceIds\":[\"ghost\"");
		for (uint32_t i = 0; i < 10; i++)
			if (once_in(&rng, 2))
				buf_printf(out, ",\"dev-%06u\"", i);
		buf_puts(out, "]}");
	} else if (once_in(&rng, 2) && has(sc, "c%u.where", c)) {
		buf_puts(out, "{\"where\":\"tags.line IN ['line-a','line-b']\"}");
	} else {
		buf_puts(out, "{\"all\":true}");
	}
	draw_rollout(sc, c, is_job, out);
	rng = luck_of(sc, "rest %u", c);
	if (once_in(&rng, 5) && has(sc, "c%u.precheck", c))
		buf_printf(out, ",\"precheck\":{\"where\":\"tags.line != 'line-b'\",\"onFail\":\"%s\"}",
		           once_in(&rng, 2) ? "skip" : "wait");
	draw_schedule(sc, c, is_job, out);
	if (once_in(&rng, 4) && has(sc, "c%u.never", c))
		buf_puts(out, ",\"retry\":{\"doubtful\":\"never\"}");
	buf_printf(out, ",\"offline\":{\"wait\":%s,\"expireAfterSeconds\":%u}",
	           once_in(&rng, 4) ? "false" : "true", 60 + draw(&rng, 5000));
	if (!once_in(&rng, 4) && has(sc, "c%u.verify", c))
		verify = draw(&rng, 5);
	sc->has_relapse = sc->has_relapse || verify == 2;
	buf_printf(out, ",\"verify\":%s}", verifies[verify]);
	sc->proofs |= verify == 1 || verify == 4 ? UNVERIFIED : verify == 3 ? BY_DEVICE_CLOCK : VERIFIED;
}

static void draw_campaigns(struct scenario *sc)
{
	struct rng rng = luck_of(sc, "campaigns");
	uint32_t n = 1 + draw(&rng, CAMPAIGNS_MAX);

	for (uint32_t c = 0; c < n; c++) {
		int64_t at_ms = c > 0 ? draw_ms(&rng, 5 * MINUTE_MS) : 0;
		struct buf spec = BUF_INIT;

		if (c > 0 && !has(sc, "c%u", c))
			continue;
		draw_spec(sc, c, &spec);
		sc->made_at_ms[sc->campaigns_n] = at_ms;
		sc->specs[sc->campaigns_n++] = buf_take(&spec);
	}
}

/* ---- what happens ---- */

static void draw_happenings(struct scenario *sc)
{
	static const char *const names[] = {"order", "targetOrder", "patch", "deletion",  "clock",
	                                    "disk",  "restart",     "kill",  "migration", "link"};
	struct rng rng = luck_of(sc, "happenings");
	unsigned kinds = draw(&rng, 1u << EVENT_KINDS_N); /* each seed has a mix of its own */
	uint32_t n = once_in(&rng, 4) ? 0 : draw(&rng, EVENTS_MAX + 1);
	int64_t span_ms = once_in(&rng, 3) ? 2 * HOUR_MS : 10 * MINUTE_MS;

	for (uint32_t i = 0; i < n; i++) {
		struct happening h = {.kind = (enum event_kind)draw(&rng, EVENT_KINDS_N),
		                      .moment = (enum moment)draw(&rng, 3),
		                      .at_ms = draw_ms(&rng, span_ms),
		                      .campaign = draw(&rng, CAMPAIGNS_MAX),
		                      .rng = luck_of(sc, "happening %u", i)};
		uint32_t at = sc->happenings_n;

		if (!(kinds >> h.kind & 1) || !has(sc, "e%u.%s", i, names[h.kind]))
			continue;
		if (h.moment != MOMENT_ANY && !has(sc, "e%u.moment", i))
			h.moment = MOMENT_ANY;
		for (; at > 0 && sc->happenings[at - 1].at_ms > h.at_ms; at--)
			sc->happenings[at] = sc->happenings[at - 1];
		sc->happenings[at] = h;
		sc->happenings_n++;
	}
}

static void set_trouble(struct scenario *sc, struct sim *s, struct rng *rng)
{
	static const struct drive_trouble troubles[] = {
	        {.is_full = true}, {.is_read_only = true}, {.read = 0.02, .write = 0.02, .sync = 0.02},
	        {.sync = 0.5},     {.write = 0.3},         {.read = 0.2}};

	sim_trouble(s, &troubles[draw(rng, 6)],
	            once_in(rng, 2) ? draw_ms(rng, 20 * SECOND_MS) : draw_ms(rng, 20 * MINUTE_MS));
	if (sim_now(s) + 20 * MINUTE_MS > sc->quiet_at_ms)
		sc->quiet_at_ms = sim_now(s) + 20 * MINUTE_MS;
}

static void run_until(struct sim *s, int64_t until_ms)
{
	if (until_ms > sim_now(s))
		sim_run(s, until_ms - sim_now(s));
}

/* What an order may come to; a failure only where the drive has failed. */
static void check_answer(struct sim *s, const char *what, enum err err, uint64_t failures)
{
	SIM_CHECK(s,
	          err == ERR_OK || err == ERR_CONFLICT || err == ERR_NOT_FOUND ||
	                  drive_failures(sim_drive(s)) > failures,
	          "%s is answered %s", what, err_text(err));
}

static void give_order(struct sim *s, uint32_t campaign, struct rng *rng)
{
	uint64_t failures = drive_failures(sim_drive(s));
	enum err err = sim_order(s, campaign, (enum order)draw(rng, 5));

	check_answer(s, "an order", err, failures);
}

static void give_target_order(struct sim *s, uint32_t campaign, struct rng *rng)
{
	uint64_t failures = drive_failures(sim_drive(s));
	char id[16];
	enum err err;

	snprintf(id, sizeof id, "dev-%06u", draw(rng, 25));
	err = sim_target_order(s, campaign, id, once_in(rng, 2) ? TARGET_ORDER_SKIP : TARGET_ORDER_RETRY);
	check_answer(s, "a target's order", err, failures);
}

static void give_patch(struct sim *s, uint32_t campaign, struct rng *rng)
{
	uint64_t failures = drive_failures(sim_drive(s));
	struct buf patch = BUF_INIT;
	enum err err;

	switch (draw(rng, 4)) {
	case 0:
		buf_printf(&patch, "{\"rollout\":{\"maxUnavailable\":%u}}", 1 + draw(rng, 10));
		break;
	case 1:
		buf_printf(&patch, "{\"schedule\":{\"endAfterSeconds\":%u}}", 600 + draw(rng, 3000));
		break;
	case 2:
		buf_printf(&patch, "{\"offline\":{\"expireAfterSeconds\":%u}}", 60 + draw(rng, 3000));
		break;
	default:
		buf_printf(&patch, "{\"abort\":[{\"cause\":\"any\",\"count\":%u,\"do\":\"pause\"}]}",
		           1 + draw(rng, 4));
		break;
	}
	err = sim_respec(s, campaign, patch.data);
	check_answer(s, "a patch", err, failures);
	buf_done(&patch);
}

static void set_clock(struct sim *s, struct rng *rng)
{
	int64_t by_ms = once_in(rng, 2) ? draw_ms(rng, 2 * HOUR_MS) : draw_ms(rng, 10 * SECOND_MS);

	sim_set_clock(s, once_in(rng, 2) ? by_ms : -by_ms);
}

static void change_link(struct scenario *sc, struct sim *s, struct rng *rng)
{
	char id[16];

	snprintf(id, sizeof id, "dev-%06u", draw(rng, sc->options.world.devices_n));
	if (world_has_device(sim_world(s, 0), id))
		SIM_CHECK(s, world_connect(sim_world(s, 0), sim_now(s), id, once_in(rng, 2)) == ERR_OK,
		          "no link");
}

static void downgrade(struct scenario *sc, struct sim *s, struct rng *rng)
{
	/* What an older version does not know would not have been accepted by it. */
	int least = sc->has_device_zone ? 7 : sc->has_relapse || sc->options.hubs_n > 1 ? 4 : 2;

	sim_downgrade(s, least + (int)draw(rng, (unsigned)(older_newest() - least)));
}

static void happen(struct scenario *sc, struct sim *s, struct happening *h, uint32_t made)
{
	uint32_t campaign = 1 + h->campaign % made;
	struct rng *rng = &h->rng;

	switch (h->kind) {
	case EVENT_ORDER:
		give_order(s, campaign, rng);
		break;
	case EVENT_TARGET_ORDER:
		give_target_order(s, campaign, rng);
		break;
	case EVENT_PATCH:
		if (!sc->has_job)
			give_patch(s, campaign, rng);
		break;
	case EVENT_DELETION:
		(void)sim_delete(s, campaign);
		break;
	case EVENT_CLOCK:
		set_clock(s, rng);
		break;
	case EVENT_DISK:
		set_trouble(sc, s, rng);
		break;
	case EVENT_RESTART:
		sim_restart(s, &(struct sim_settings){.track_interval_ms = 1000 + draw(rng, 30000),
		                                      .reserve_percent = draw(rng, 50),
		                                      .sku = once_in(rng, 2) ? "S1" : "none"});
		break;
	case EVENT_KILL:
		if (once_in(rng, 3))
			set_clock(s, rng); /* while it is away */
		sim_crash(s);
		break;
	case EVENT_MIGRATION:
		downgrade(sc, s, rng);
		break;
	case EVENT_LINK:
		change_link(sc, s, rng);
		break;
	case EVENT_KINDS_N:
		break;
	}
}

/* ---- the end ---- */

/* P2: no retry policy here asks for a second action. */
static void check_acts(struct sim *s, uint32_t hub, uint32_t devices_n, uint32_t campaigns)
{
	for (uint32_t i = 0; i < devices_n; i++) {
		uint32_t acts, calling = 0;
		char id[16];

		snprintf(id, sizeof id, "dev-%06u", i);
		acts = world_acts(sim_world(s, hub), id);
		for (uint32_t c = 1; c <= campaigns; c++) {
			struct target_row t;

			calling += sim_is_forgotten(s, c) || (sim_target(s, c, hub, id, &t) && t.calls > 0);
		}
		SIM_CHECK(s, acts <= calling, "P2: %s of hub %u acted %u times for %u campaigns", id, hub,
		          acts, calling);
	}
}

/* P10: with healthy hubs and a healthy disk every campaign ends by its bound: the end that it has on record,
 * by its own clock, and the deadlines of what is out then. */
static void check_end(struct scenario *sc, struct sim *s)
{
	int64_t last_ms = sim_now(s) > sc->quiet_at_ms ? sim_now(s) : sc->quiet_at_ms;

	for (uint32_t c = 1; c <= sc->campaigns_n; c++)
		if (!sim_is_forgotten(s, c) && sim_bound(s, c) > last_ms)
			last_ms = sim_bound(s, c);
	last_ms += sim_deadlines(s) + (sc->has_quota_fault ? UNREADABLE_MAX_MS : 0);
	SIM_CHECK(s, sim_run(s, last_ms - sim_now(s)), "P10: not final in time");
}

static void run(struct scenario *sc, struct sim *s)
{
	int64_t start_ms = sim_now(s);
	uint32_t made = 0, happened = 0;

	while (made < sc->campaigns_n || happened < sc->happenings_n) {
		struct happening *h = &sc->happenings[happened];

		if (made == 0 || (made < sc->campaigns_n &&
		                  (happened == sc->happenings_n || sc->made_at_ms[made] <= h->at_ms))) {
			run_until(s, start_ms + sc->made_at_ms[made]);
			log_debug("spec", LS("json", sc->specs[made]));
			sim_create(s, sc->specs[made++]);
			continue;
		}
		run_until(s, start_ms + h->at_ms);
		if (h->moment == MOMENT_CALL)
			(void)sim_run_to_call(s, 10 * MINUTE_MS);
		else if (h->moment == MOMENT_COMMIT)
			(void)sim_run_to_commit(s, 10 * MINUTE_MS);
		happen(sc, s, h, made);
		happened++;
	}
	sim_wait_up(s);
	check_end(sc, s);
}

void scenario_run(uint64_t seed, const char *cuts, struct buf *parts, struct scenario_result *ret)
{
	struct buf words = BUF_INIT;
	struct scenario sc = {.seed = seed, .parts = parts};
	struct sim *s;

	buf_printf(&words, " %s ", cuts);
	sc.cuts = words.data;
	sim_options_init(&sc.options);
	sc.quiet_at_ms = sc.options.world.start_ms;
	draw_hubs(&sc);
	draw_fleet(&sc);
	draw_campaigns(&sc);
	draw_happenings(&sc);
	if (ret == NULL)
		goto done; /* only the parts were asked for */
	s = sim_new(&sc.options);
	for (uint32_t h = 0; h < sc.options.hubs_n; h++)
		for (uint32_t i = 0; i < sc.faults_n[h]; i++)
			world_fault_add(sim_world(s, h), &sc.faults[h][i]);
	run(&sc, s);
	/* A looping device may restart before it reports what it did: nothing in its twin then tells. */
	if (!(sc.proofs & UNVERIFIED) &&
	    (sc.options.world.clock_skew_ms == 0 || !(sc.proofs & BY_DEVICE_CLOCK)) &&
	    sc.options.world.share[WORLD_LOOPING] <= 0)
		for (uint32_t h = 0; h < sc.options.hubs_n; h++)
			check_acts(s, h, sc.options.world.devices_n, sc.campaigns_n);
	*ret = (struct scenario_result){.campaigns = sc.campaigns_n,
	                                .commits = sim_commits(s),
	                                .calls = sim_calls(s),
	                                .crashes = sim_crashes(s),
	                                .simulated_ms = sim_now(s) - sc.options.world.start_ms,
	                                .trace = sim_trace(s) ^ drive_trace(sim_drive(s))};
	sim_free(s);
done:
	for (uint32_t c = 0; c < sc.campaigns_n; c++)
		free(sc.specs[c]);
	buf_done(&words);
}
