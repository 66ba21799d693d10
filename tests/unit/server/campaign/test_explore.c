/* tests: every interleaving of answers, readings, orders, crashes and time over small campaigns, up to a
 * depth. The rig checks after every step (rig.h); from the last states it is seen that all ends (P10). Two
 * ways that lead to the same state are followed once: the same record, the same calls and reads out, the same
 * time, hubs and wake, and the same answers to what is asked of the engine. Depths are longer where
 * ROLLCALL_TEST_LONG is true. */
#include "tests/lib/suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "rig.h"
#include "server/base/hash.h"

#define DEPTH_MAX 24
#define PENDING_MAX 64
#define CHOICES_MAX 128
#define ENDINGS_EVERY 32 /* of the last states, one in so many is followed to the end */

enum move {
	MOVE_CALL,   /* a call out is answered: variant is an enum call_result */
	MOVE_LOST,   /* … taken back unsent */
	MOVE_READ,   /* a point read is answered: variant is one of readings[] */
	MOVE_QUERY,  /* a query row comes for a target that is watched */
	MOVE_ORDER,  /* variant is one of orders[] */
	MOVE_TARGET, /* skip, retry */
	MOVE_CRASH,
	MOVE_TIME, /* to what the engine waits for */
	MOVE_HUB,  /* shuts, or opens */
};

struct choice {
	uint8_t move, index, campaign, variant;
};

struct life {
	struct rig *r;
	struct fact pending[PENDING_MAX];
	size_t pending_n;
};

/* A way there. */
struct way {
	uint8_t n, choices[DEPTH_MAX];
};

struct seen {
	uint64_t print;
	UT_hash_handle hh;
};

struct world {
	const char *members[2];
	uint32_t campaigns_n, targets_n;
	unsigned depth, long_depth;
};

static const enum call_result results[] = {CALL_ACCEPTED, CALL_REFUSED, CALL_OFFLINE, CALL_AMBIGUOUS,
                                           CALL_NOT_DELIVERED};
static const enum fact_kind orders[] = {FACT_PAUSE, FACT_RESUME, FACT_CANCEL, FACT_APPROVE};
static struct way now; /* for who reads what went wrong */

/* ---- what may happen ---- */

static void add(struct choice *all, size_t *n, enum move move, size_t index, uint32_t campaign,
                size_t variant)
{
	ck_assert_uint_lt(*n, CHOICES_MAX);
	all[(*n)++] = (struct choice){(uint8_t)move, (uint8_t)index, (uint8_t)campaign, (uint8_t)variant};
}

static size_t choices_of(const struct life *l, struct choice all[CHOICES_MAX])
{
	const struct rig *r = l->r;
	size_t n = 0;

	for (size_t i = 0; i < l->pending_n; i++)
		if (l->pending[i].kind == FACT_CALL) {
			for (size_t v = 0; v < sizeof results / sizeof *results; v++)
				add(all, &n, MOVE_CALL, i, 0, v);
			add(all, &n, MOVE_LOST, i, 0, 0);
		} else {
			for (size_t v = 0; v < 3; v++)
				add(all, &n, MOVE_READ, i, 0, v);
		}
	for (uint32_t c = 1; c <= r->campaigns_n; c++) {
		if (campaign_state_is_final(r->campaigns[c].row.state))
			continue;
		for (uint32_t i = 0; i < r->campaigns[c].n; i++) {
			const struct rig_target *t = &r->campaigns[c].targets[i];

			if (t->is_watched)
				add(all, &n, MOVE_QUERY, i, c, 0);
			if (t->row.state == TARGET_WAITING && i == 0) {
				add(all, &n, MOVE_TARGET, i, c, 0);
				add(all, &n, MOVE_TARGET, i, c, 1);
			}
		}
		for (size_t v = 0; v < sizeof orders / sizeof *orders; v++)
			add(all, &n, MOVE_ORDER, 0, c, v);
	}
	add(all, &n, MOVE_CRASH, 0, 0, 0);
	add(all, &n, MOVE_HUB, 0, 0, 0);
	if (r->wake_ms != TIME_NEVER)
		add(all, &n, MOVE_TIME, 0, 0, 0);
	return n;
}

/* ---- it happens ---- */

static void feed(struct life *l, const struct fact *f)
{
	enum err err = rig_feed(l->r, f);

	ck_assert(err == ERR_OK || err == ERR_CLOSED || err == ERR_CONFLICT || err == ERR_NOT_FOUND);
}

static struct fact take(struct life *l, size_t i)
{
	struct fact f = l->pending[i];

	memmove(&l->pending[i], &l->pending[i + 1], (--l->pending_n - i) * sizeof *l->pending);
	f.at_ms = l->r->now_ms;
	return f;
}

static void reading(const struct life *l, struct fact *f, enum reading_says says)
{
	f->kind = FACT_READING;
	f->says = says;
	f->is_there = f->is_enabled = f->is_up = f->precheck_holds = true;
	f->strength = says == SAYS_PROVEN ? STRENGTH_VALUE : STRENGTH_NONE;
	f->baseline.has_value = true;
	f->baseline.value_hash = says == SAYS_PROVEN;
	f->baseline.value_at_ms = f->baseline.taken_at_ms = f->boot_at_ms = l->r->now_ms;
}

static void do_order(struct life *l, const struct choice *ch)
{
	struct fact f = rig_fact(l->r, orders[ch->variant], ch->campaign, 0);

	f.by = "eva";
	f.is_override = true;
	feed(l, &f);
}

static void act(struct life *l, const struct choice *ch)
{
	struct rig *r = l->r;
	struct fact f;

	switch ((enum move)ch->move) {
	case MOVE_CALL:
		f = take(l, ch->index);
		f.result = results[ch->variant];
		feed(l, &f);
		break;
	case MOVE_LOST:
		f = take(l, ch->index);
		f.kind = FACT_WITHDRAWN;
		feed(l, &f);
		break;
	case MOVE_READ:
		f = take(l, ch->index);
		if (ch->variant == 2)
			f.kind = FACT_READ_FAILED;
		else
			reading(l, &f, ch->variant == 0 ? SAYS_NOTHING : SAYS_PROVEN);
		feed(l, &f);
		break;
	case MOVE_QUERY:
		f = rig_fact(r, FACT_READING, ch->campaign, ch->index);
		reading(l, &f, SAYS_PROVEN);
		feed(l, &f);
		break;
	case MOVE_ORDER:
		do_order(l, ch);
		break;
	case MOVE_TARGET:
		f = rig_fact(r, ch->variant == 0 ? FACT_SKIP : FACT_RETRY, ch->campaign, ch->index);
		f.by = "eva";
		feed(l, &f);
		break;
	case MOVE_CRASH:
		rig_crash(r);
		l->pending_n = 0;
		break;
	case MOVE_TIME:
		r->now_ms = r->wake_ms;
		break;
	case MOVE_HUB:
		r->hubs[0].is_open = !r->hubs[0].is_open;
		break;
	}
}

static void turn(struct life *l)
{
	struct rig *r = l->r;

	rig_turn(r);
	for (size_t i = 0; i < r->steps_n; i++) {
		const struct step *s = &r->steps[i];

		if (s->kind != STEP_TARGET && s->kind != STEP_RELAPSE)
			continue;
		ck_assert_uint_lt(l->pending_n + 1, PENDING_MAX);
		if (s->acts & ACT_INVOKE) {
			l->pending[l->pending_n] = rig_fact(r, FACT_CALL, s->campaign, s->row.no);
			l->pending[l->pending_n++].call = s->row.calls;
		}
		if (s->acts & ACT_READ) {
			l->pending[l->pending_n] = rig_fact(r, FACT_READING, s->campaign, s->row.no);
			l->pending[l->pending_n++].is_point_read = true;
		}
	}
	for (uint32_t c = 1; c <= r->campaigns_n; c++)
		if (campaign_state_is_final(r->campaigns[c].row.state))
			engine_campaign_drop(r->e, c);
}

static struct life begin(const struct world *w)
{
	struct life l = {.r = rig_new()};

	for (uint32_t c = 0; c < w->campaigns_n; c++)
		rig_campaign(l.r, w->members[c], w->targets_n);
	turn(&l);
	return l;
}

/* Goes that way anew: an engine cannot be copied. */
static struct life go(const struct world *w, const struct way *way)
{
	struct life l = begin(w);

	now = *way;
	for (unsigned i = 0; i < way->n; i++) {
		struct choice all[CHOICES_MAX];
		size_t n = choices_of(&l, all);

		ck_assert_uint_lt(way->choices[i], n);
		act(&l, &all[way->choices[i]]);
		turn(&l);
	}
	return l;
}

/* ---- states ---- */

static void put(struct buf *b, const void *data, size_t bytes)
{
	buf_put(b, data, bytes);
}

static uint64_t print_of(const struct life *l)
{
	const struct rig *r = l->r;
	struct buf b = BUF_INIT;
	uint64_t print;

	put(&b, &r->now_ms, sizeof r->now_ms);
	put(&b, &r->wake_ms, sizeof r->wake_ms);
	put(&b, &r->hubs[0].is_open, sizeof r->hubs[0].is_open);
	for (size_t i = 0; i < l->pending_n; i++)
		buf_printf(&b, "%u %u %u %u %lld|", l->pending[i].kind, l->pending[i].campaign,
		           l->pending[i].no, l->pending[i].call, (long long)l->pending[i].asked_at_ms);
	for (uint32_t c = 1; c <= r->campaigns_n; c++) {
		const struct rig_campaign *k = &r->campaigns[c];
		struct engine_waiting w;

		engine_waiting(r->e, c, r->now_ms, &w);
		buf_printf(&b, "%u %u %u %u %lld %u|", k->row.state, k->row.phase, k->is_stopped, w.wait,
		           (long long)w.next_at_ms, w.closed_from);
		for (uint32_t i = 0; i < k->row.waves_n; i++)
			buf_printf(&b, "%u %u %u|", k->row.waves[i].stage, k->row.waves[i].is_approved,
			           k->row.waves[i].is_overridden);
		for (uint32_t i = 0; i < k->n; i++) {
			const struct rig_target *t = &k->targets[i];
			const struct target_row *row = &t->row;
			struct target_state_view v;
			bool is_known = engine_target(r->e, c, i, &v);

			buf_printf(&b, "%u %u %u %u %u %u %u %u %u %lld %lld %lld %lld %u %u|", row->state,
			           row->reason, row->wait, row->attempts, row->calls, row->attempt_seq,
			           row->is_unresolved, row->offline_tries, engine_is_parked(r->e, c, i),
			           (long long)row->next_at_ms, (long long)row->hold_until_ms,
			           (long long)row->called_at_ms, (long long)row->changed_at_ms, t->is_watched,
			           is_known ? v.row.state : TARGET_STATES_N);
		}
	}
	print = hash64(b.data, b.len);
	buf_done(&b);
	return print;
}

/* P10: from here all ends, where hubs and devices answer. */
static void end_well(struct life *l)
{
	struct rig *r = l->r;
	int64_t until_ms = r->now_ms + 48 * HOUR_MS;
	bool is_over = false;

	r->hubs[0].is_open = true;
	for (unsigned i = 0; !is_over; i++) {
		ck_assert_msg(i < 500 && r->now_ms <= until_ms, "P10: it ends");
		turn(l);
		is_over = true;
		for (uint32_t c = 1; c <= r->campaigns_n; c++)
			is_over = is_over && campaign_state_is_final(r->campaigns[c].row.state);
		if (!is_over && l->pending_n == 0) {
			ck_assert_msg(r->wake_ms != TIME_NEVER, "P10: it wakes");
			r->now_ms = r->wake_ms;
		}
		while (l->pending_n > 0) {
			struct fact f = take(l, 0);

			if (f.kind == FACT_CALL)
				f.result = CALL_ACCEPTED;
			else
				reading(l, &f, SAYS_PROVEN);
			feed(l, &f);
		}
	}
	for (uint32_t c = 1; c <= r->campaigns_n; c++)
		for (uint32_t i = 0; i < r->campaigns[c].n; i++)
			ck_assert_msg(target_state_is_final(r->campaigns[c].targets[i].row.state),
			              "P10: each target ends");
}

/* ---- all ways ---- */

static void on_abort(int number)
{
	(void)number;
	fprintf(stderr, "the way there:");
	for (unsigned i = 0; i < now.n; i++)
		fprintf(stderr, " %u", now.choices[i]);
	fprintf(stderr, "\n");
}

static bool is_new(struct seen **all, uint64_t print)
{
	struct seen *s;

	HASH_FIND(hh, *all, &print, sizeof print, s);
	if (s != NULL)
		return false;
	s = xcalloc(1, sizeof *s);
	s->print = print;
	HASH_ADD(hh, *all, print, sizeof s->print, s);
	return true;
}

static void explore(const struct world *w)
{
	const char *text = getenv("ROLLCALL_TEST_LONG");
	unsigned depth = text != NULL && strcmp(text, "true") == 0 ? w->long_depth : w->depth;
	struct way *ways = xcalloc(1, sizeof *ways);
	size_t n = 1, room = 1, at = 0;
	struct seen *all = NULL, *s, *next;
	uint64_t moves = 0;
	struct life l;

	signal(SIGABRT, on_abort);
	for (; at < n; at++) {
		struct way way = ways[at];
		struct choice choices[CHOICES_MAX];
		size_t choices_n;

		l = go(w, &way);
		choices_n = choices_of(&l, choices);
		rig_free(l.r);
		for (size_t i = 0; i < choices_n; i++) {
			struct way longer = way;
			bool is_first;

			longer.choices[longer.n++] = (uint8_t)i;
			l = go(w, &longer);
			moves++;
			is_first = is_new(&all, print_of(&l));
			if (is_first && longer.n == depth && HASH_COUNT(all) % ENDINGS_EVERY == 0)
				end_well(&l);
			rig_free(l.r);
			if (!is_first || longer.n == depth)
				continue;
			if (n == room) {
				room *= 2;
				ways = xrealloc(ways, room * sizeof *ways);
			}
			ways[n++] = longer;
		}
	}
	printf("%u campaigns of %u, %u moves deep: %llu moves, %u states\n", w->campaigns_n, w->targets_n,
	       depth, (unsigned long long)moves, HASH_COUNT(all));
	HASH_ITER (hh, all, s, next) {
		HASH_DEL(all, s);
		free(s);
	}
	free(ways);
}

static const struct world worlds[] = {
        {{"\"rollout\":{\"maxUnavailable\":1}"}, 1, 2, 4, 8},
        {{"\"rollout\":{\"maxUnavailable\":2,\"waves\":[{\"upToCount\":1},{\"upToPercent\":100}],\"gate\":{"
          "\"minSuccessPercent\":50,\"soakSeconds\":60,\"approval\":\"afterFirst\"}}"},
         1,
         3,
         4,
         8},
        {{"\"retry\":{\"maxAttempts\":2,\"on\":[\"refused\",\"noProof\"],\"doubtful\":\"never\"}"},
         1,
         2,
         3,
         7},
        {{"\"verify\":{\"by\":\"none\"},\"abort\":[{\"cause\":\"any\",\"count\":1,\"do\":\"pause\"}]"},
         1,
         3,
         3,
         7},
        {{"\"rollout\":{\"maxUnavailable\":1}", "\"retry\":{\"maxAttempts\":2,\"on\":[\"refused\"]}"},
         2,
         2,
         3,
         6},
};

START_TEST(test_every_way_that_a_small_campaign_may_go_keeps_the_promises)
{
	explore(&worlds[_i]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("campaign explored");
	TCase *tc = tcase_create("all ways");

	tcase_set_timeout(tc, 7200);
	tcase_add_loop_test(tc, test_every_way_that_a_small_campaign_may_go_keeps_the_promises, 0,
	                    sizeof worlds / sizeof *worlds);
	suite_add_tcase(s, tc);
	return suite_run(s);
}
