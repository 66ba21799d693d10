/* tests: see chaos.h */
#include "chaos.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/rng.h"
#include "server/campaign/policy.h"
#include "tests/lib/suite.h"

#define EVENTS 120
#define OLD_FACTS 16
#define PENDING_MAX 512
#define DEVICES 9
#define CALL_AND_QUIET_MS 1000000 /* and the longest watch for relapses with its last reading is shorter */
#define DAY_MS (24 * HOUR_MS)

static struct rig *r;

struct pending {
	struct fact fact; /* CALL or READING, its answer still to be drawn */
};

struct chaos {
	struct rng rng;
	struct pending pending[PENDING_MAX];
	size_t pending_n;
	struct fact old[OLD_FACTS];
	size_t old_n;
	const struct chaos_members *of[RIG_CAMPAIGNS + 1]; /* of which campaign */
};

static bool once_in(struct chaos *x, unsigned n)
{
	return rng_below(&x->rng, n) == 0;
}

static unsigned draw(struct chaos *x, unsigned n)
{
	return (unsigned)rng_below(&x->rng, n);
}

static void feed(struct chaos *x, const struct fact *f)
{
	enum err err = rig_feed(r, f);

	ck_assert(err == ERR_OK || err == ERR_CLOSED || err == ERR_CONFLICT || err == ERR_NOT_FOUND);
	x->old[x->old_n++ % OLD_FACTS] = *f;
}

static void draw_reading(struct chaos *x, struct fact *f)
{
	static const enum reading_says says[] = {SAYS_NOTHING, SAYS_NOTHING, SAYS_NOTHING, SAYS_MOVED,
	                                         SAYS_PROVEN,  SAYS_PROVEN,  SAYS_FAILED,  SAYS_GONE};

	f->kind = f->is_point_read && once_in(x, 6) ? FACT_READ_FAILED : FACT_READING;
	f->says = says[draw(x, 8)];
	f->is_there = !once_in(x, 20);
	f->is_enabled = !once_in(x, 20);
	f->is_done_path = once_in(x, 2);
	f->baseline.has_value = !once_in(x, 4);
	f->baseline.value_hash = draw(x, 2);
	f->baseline.value_at_ms = f->baseline.taken_at_ms = r->now_ms;
	f->boot_at_ms = r->now_ms;
	f->is_down = once_in(x, 3);
	f->is_up = !f->is_down && !once_in(x, 3);
	f->baseline.success_held = once_in(x, 6);
	f->precheck_holds = !once_in(x, 3);
}

static void answer_one(struct chaos *x)
{
	size_t i = draw(x, (unsigned)x->pending_n);
	struct fact f = x->pending[i].fact;

	x->pending[i] = x->pending[--x->pending_n];
	f.at_ms = r->now_ms;
	if (f.kind == FACT_CALL) {
		f.result = (enum call_result)draw(x, CALL_REJECTED + 1);
		if (once_in(x, 2))
			f.result = once_in(x, 2)   ? CALL_ACCEPTED
			           : once_in(x, 2) ? CALL_OFFLINE
			                           : CALL_AMBIGUOUS;
		if (once_in(x, 10))
			f.kind = FACT_WITHDRAWN;
	} else {
		draw_reading(x, &f);
	}
	feed(x, &f);
}

static void nonsense(struct chaos *x)
{
	struct fact f = rig_fact(r, FACT_CALL, draw(x, RIG_CAMPAIGNS + 2), draw(x, 12));

	f.at_ms -= draw(x, 1000);
	f.asked_at_ms -= draw(x, 3000000);
	f.result = (enum call_result)draw(x, CALL_REJECTED + 1);
	f.is_point_read = once_in(x, 2);
	switch (draw(x, 8)) {
	case 0:
		f.kind = (enum fact_kind)draw(x, FACT_CANCEL + 1);
		break;
	case 1:
		f.kind = FACT_WITHDRAWN;
		break;
	case 2:
		f.call = (uint16_t)draw(x, 5);
		break;
	case 3:
		f.call = UINT16_MAX;
		break;
	case 4:
		f.kind = FACT_READ_FAILED;
		break;
	default:
		draw_reading(x, &f);
		break;
	}
	feed(x, &f);
}

/* Devices 0, 3, 6 are of group "", 1, 4, 7 of "a" …, on each hub. */
static void add_targets(struct chaos *x, uint32_t no, bool is_chosen[RIG_HUBS][DEVICES])
{
	static const char *const names[] = {"", "a", "b"};
	bool has_groups = engine_spec(r->e, no)->rollout.group_by != NULL;
	uint32_t lanes = r->campaigns[no].row.selected, groups[RIG_HUBS][3] = {{0}};
	char id[16];

	for (unsigned g = 0; has_groups && g < 3 * lanes; g++) {
		uint32_t size = 0;

		for (unsigned d = g % 3; d < DEVICES; d += 3)
			size += is_chosen[g / 3][d];
		groups[g / 3][g % 3] = size > 0 ? rig_group(r, no, (uint8_t)(g / 3), names[g % 3], size) : 0;
	}
	for (unsigned i = 0; i < lanes * DEVICES; i++) {
		unsigned d = i % DEVICES;

		snprintf(id, sizeof id, "d%u", d);
		if (is_chosen[i / DEVICES][d])
			rig_target_in(r, no, id, (uint8_t)(i / DEVICES),
			              has_groups ? groups[i / DEVICES][d % 3] : GROUP_NONE, !once_in(x, 3),
			              !once_in(x, 4));
	}
}

static void select_targets(struct chaos *x, uint32_t no)
{
	struct fact f = rig_fact(r, FACT_SELECTED, no, 0);
	uint32_t lanes = r->campaigns[no].row.selected;
	bool is_chosen[RIG_HUBS][DEVICES];

	if (once_in(x, 20))
		f.kind = FACT_SELECTION_FAILED;
	for (uint8_t lane = 0; lane < lanes; lane++)
		for (unsigned d = 0; d < DEVICES; d++)
			is_chosen[lane][d] = !once_in(x, 3);
	if (f.kind == FACT_SELECTED)
		add_targets(x, no, is_chosen);
	feed(x, &f);
	x->old_n = 0; /* to select again after a crash would be our own mistake */
}

static void draw_hubs(struct chaos *x)
{
	for (unsigned h = 0; h < RIG_HUBS; h++) {
		struct hub_state *hub = &r->hubs[h];

		if (once_in(x, 10))
			hub->is_open = !hub->is_open;
		hub->opens_at_ms = hub->is_open || once_in(x, 2) ? TIME_NONE : r->now_ms + 1 + draw(x, 5000);
		if (once_in(x, 2) || hub->credit_at_ms <= r->now_ms || hub->restart_at_ms <= r->now_ms) {
			hub->call_credit = draw(x, 4);
			hub->read_credit = draw(x, 4);
			hub->restart_credit = draw(x, 4);
			hub->restart_at_ms = r->now_ms + 1 + draw(x, 5000);
			hub->credit_at_ms = r->now_ms + 1 + draw(x, 5000);
		}
	}
}

static void turn(struct chaos *x)
{
	rig_turn(r);
	for (size_t i = 0; i < r->steps_n; i++) {
		const struct step *s = &r->steps[i];

		if (s->kind != STEP_TARGET && s->kind != STEP_RELAPSE)
			continue;
		if ((s->acts & ACT_INVOKE) && x->pending_n < PENDING_MAX) {
			x->pending[x->pending_n].fact = rig_fact(r, FACT_CALL, s->campaign, s->row.no);
			x->pending[x->pending_n++].fact.call = s->row.calls;
		}
		if ((s->acts & ACT_READ) && x->pending_n < PENDING_MAX) {
			x->pending[x->pending_n].fact = rig_fact(r, FACT_READING, s->campaign, s->row.no);
			x->pending[x->pending_n++].fact.is_point_read = true;
		}
	}
}

static void crash(struct chaos *x)
{
	rig_crash(r);
	x->pending_n = 0;
	x->old_n = 0;
}

static void patch(struct chaos *x, uint32_t no)
{
	const struct rig_campaign *c = &r->campaigns[no];
	const char *members = once_in(x, 2) ? x->of[no]->first : x->of[no]->patched;

	if (engine_spec(r->e, no) == NULL || campaign_state_is_final(c->row.state) || members == NULL)
		return;
	rig_respec(r, no, members, c->row.end_at_ms - T0 + (once_in(x, 2) ? 0 : draw(x, 600000)));
}

static void happen(struct chaos *x)
{
	uint32_t no = 1 + draw(x, r->campaigns_n);

	if (x->pending_n > 0 && once_in(x, 2))
		answer_one(x);
	if (x->pending_n > 0 && once_in(x, 40))
		x->pending_n--; /* never answered */
	if (r->campaigns[no].row.phase == CAMPAIGN_SELECTING && !r->campaigns[no].is_selected)
		select_targets(x, no);
	if (campaign_state_is_final(r->campaigns[no].row.state) && once_in(x, 4))
		engine_campaign_drop(r->e, no);
	if (once_in(x, 3))
		nonsense(x);
	if (x->old_n > 0 && once_in(x, 8)) {
		struct fact f = x->old[draw(x, (unsigned)(x->old_n < OLD_FACTS ? x->old_n : OLD_FACTS))];

		(void)!rig_feed(r, &f);
	}
	if (once_in(x, 20))
		feed(x, &(struct fact){.kind = FACT_RESUME, .at_ms = r->now_ms, .campaign = no, .by = "eva"});
	if (once_in(x, 6))
		feed(x, &(struct fact){.kind = FACT_APPROVE,
		                       .at_ms = r->now_ms,
		                       .campaign = no,
		                       .by = "eva",
		                       .is_override = once_in(x, 2)});
	if (once_in(x, 10))
		feed(x, &(struct fact){.kind = once_in(x, 2) ? FACT_SKIP : FACT_RETRY,
		                       .at_ms = r->now_ms,
		                       .campaign = no,
		                       .no = draw(x, DEVICES),
		                       .by = "eva"});
	if (once_in(x, 40))
		patch(x, no);
	draw_hubs(x);
}

static void pass_time(struct chaos *x)
{
	int64_t now_ms = r->now_ms;

	if (once_in(x, 2) && r->wake_ms != TIME_NEVER && r->wake_ms < now_ms + HOUR_MS)
		r->now_ms = r->wake_ms;
	else if (once_in(x, 10))
		r->now_ms += draw(x, (unsigned)HOUR_MS);
	else
		r->now_ms += draw(x, 10000);
}

static bool is_over(void)
{
	for (uint32_t no = 1; no <= r->campaigns_n; no++)
		if (!campaign_state_is_final(r->campaigns[no].row.state))
			return false;
	return true;
}

/* A move that is not permitted aborts: in which run? */
static void on_abort(int number)
{
	(void)number;
	fprintf(stderr, "seed %llu\n", r != NULL ? (unsigned long long)r->seed : 0);
}

void chaos_run(uint64_t seed, const struct chaos_members *members, size_t n, struct buf *log)
{
	struct chaos *x = xcalloc(1, sizeof *x);
	uint32_t campaigns;
	int64_t last_ms = 0;

	rng_seed(&x->rng, seed);
	r = rig_new();
	r->seed = seed;
	r->log = log;
	r->steps_max = 2 + draw(x, 30);
	campaigns = 1 + draw(x, 3);
	for (uint32_t i = 0; i < campaigns; i++) {
		int64_t start_ms = draw(x, 20000), end_ms = start_ms + draw(x, 3 * (unsigned)HOUR_MS);

		x->of[i + 1] = &members[draw(x, (unsigned)n)];
		rig_add(r, x->of[i + 1]->first, start_ms, end_ms, (uint8_t)(1 + draw(x, RIG_HUBS)));
		last_ms = end_ms > last_ms ? end_ms : last_ms;
	}
	for (unsigned i = 0; i < EVENTS; i++) {
		happen(x);
		if (once_in(x, 25))
			crash(x);
		turn(x);
		pass_time(x);
	}
	last_ms = (r->now_ms - T0 > last_ms ? r->now_ms - T0 : last_ms) + CALL_AND_QUIET_MS + 2 * DAY_MS;
	for (unsigned i = 0; !is_over(); i++) {
		ck_assert_msg(r->now_ms <= T0 + last_ms && i < 5000, "P10: it ends, seed %llu",
		              (unsigned long long)seed);
		for (uint32_t no = 1; no <= r->campaigns_n; no++)
			if (r->campaigns[no].row.phase == CAMPAIGN_SELECTING && !r->campaigns[no].is_selected)
				select_targets(x, no);
		while (x->pending_n > 0)
			answer_one(x);
		for (unsigned h = 0; h < RIG_HUBS; h++)
			r->hubs[h] = (struct hub_state){true, TIME_NONE, 1000,       TIME_NEVER, 1000,
			                                0,    1000,      TIME_NEVER, 0,          TIME_NEVER};
		turn(x);
		if (!is_over() && x->pending_n == 0)
			ck_assert_msg(r->wake_ms != TIME_NEVER, "P10: it wakes, seed %llu",
			              (unsigned long long)seed);
		if (x->pending_n == 0 && r->wake_ms != TIME_NEVER)
			r->now_ms = r->wake_ms;
	}
	for (uint32_t no = 1; no <= r->campaigns_n; no++)
		for (uint32_t i = 0; i < r->campaigns[no].n; i++)
			ck_assert_msg(target_state_is_final(r->campaigns[no].targets[i].row.state) ||
			                      r->campaigns[no].row.state == CAMPAIGN_FAILED,
			              "P10: each target ends, seed %llu", (unsigned long long)seed);
	free(x);
	rig_free(r);
	r = NULL;
}

void chaos_runs(unsigned runs, const struct chaos_members *members, size_t n)
{
	const char *text = getenv("ROLLCALL_TEST_SEED");
	uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : 1;

	signal(SIGABRT, on_abort);
	printf("seeds %llu and on\n", (unsigned long long)seed);
	for (uint64_t i = 0; i < (text != NULL ? 1 : runs); i++)
		chaos_run(seed + i, members, n, NULL);
}

void chaos_repeats(unsigned runs, const struct chaos_members *members, size_t n)
{
	for (uint64_t seed = 1; seed <= runs; seed++) {
		struct buf first = BUF_INIT, second = BUF_INIT;

		chaos_run(seed, members, n, &first);
		chaos_run(seed, members, n, &second);
		ck_assert_uint_gt(first.len, 0);
		ck_assert_str_eq(first.data, second.data);
		buf_done(&first);
		buf_done(&second);
	}
}
