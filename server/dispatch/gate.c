/* dispatch: see gate.h */
#include "server/dispatch/gate.h"

#include <assert.h>

#include "server/base/clock.h"
#include "server/base/rng.h"
#include "server/dispatch/backoff.h"

#define DAY_MS 86400000
#define QUOTA_JITTER_MS 60000
#define QUOTA_LATE_MS 600000
#define FAILED_READS_MAX 3

static const struct {
	uint8_t rank; /* see gate.h */
	bool is_probed_at_once;
	int32_t probe_first_ms, probe_max_ms; /* 0: a time ends it, not a read */
} about[GATE_REASONS_N] = {
        [GATE_OPEN] = {0, false, 0, 0},           [GATE_THROTTLED] = {1, false, 0, 0},
        [GATE_STARTING] = {2, true, 1000, 30000}, [GATE_AMBIGUOUS] = {3, true, 1000, 30000},
        [GATE_DOWN] = {4, false, 1000, 30000},    [GATE_UNAUTHORISED] = {5, false, 10000, 300000},
        [GATE_QUOTA] = {6, false, 0, 0},
};

const char *gate_reason_text(enum gate_reason r)
{
	static const char *const texts[GATE_REASONS_N] = {
#define X(name, text) [GATE_##name] = text,
	        GATE_REASONS(X)
#undef X
	};

	assert(r < GATE_REASONS_N);
	return texts[r];
}

static bool awaits_read(const struct gate *g)
{
	return about[g->reason].probe_first_ms > 0;
}

/* From now to the next probe, after so many in a row that did not help. */
static int64_t probe_wait_ms(enum gate_reason r, uint32_t probes)
{
	if (about[r].is_probed_at_once) {
		if (probes == 0)
			return 0;
		probes--;
	}
	return backoff_ms(about[r].probe_first_ms, about[r].probe_max_ms, probes);
}

static void open_up(struct gate *g, int64_t now_ms)
{
	/* The read that works may not be what was refused: calls tell, so the back-off is kept until one
	 * does. */
	if (g->reason == GATE_UNAUTHORISED)
		g->probes_in_row++;
	else
		g->probes_in_row = 0;
	g->reason = GATE_OPEN;
	g->since_ms = now_ms;
	g->until_ms = TIME_NEVER;
	g->ambiguous_in_row = 0;
}

static bool outranks(enum gate_reason r, const struct gate *g)
{
	return about[r].rank > about[g->reason].rank;
}

static void shut(struct gate *g, enum gate_reason r, int64_t until_ms, int64_t now_ms)
{
	g->reason = r;
	g->since_ms = now_ms;
	g->until_ms = until_ms;
}

/* For reasons that await a read. */
static void shut_until_read(struct gate *g, enum gate_reason r, int64_t now_ms)
{
	if (!outranks(r, g))
		return;
	if (r != GATE_UNAUTHORISED || g->reason != GATE_OPEN)
		g->probes_in_row = 0;
	shut(g, r, now_ms + probe_wait_ms(r, g->probes_in_row), now_ms);
}

static int64_t luck_below(struct gate *g, int64_t n)
{
	struct rng rng;
	int64_t luck;

	rng_seed(&rng, g->seed);
	luck = (int64_t)rng_below(&rng, (uint64_t)n);
	g->seed = rng.state;
	return luck;
}

static void shut_throttled(struct gate *g, int64_t retry_after_ms, int64_t now_ms)
{
	int64_t wait_ms;

	if (g->reason ==
	    GATE_THROTTLED) { /* a call that was out already: it adds nothing but its Retry-After */
		int64_t until_ms = now_ms + backoff_heed(0, retry_after_ms);

		g->until_ms = until_ms > g->until_ms ? until_ms : g->until_ms;
	} else if (outranks(GATE_THROTTLED, g)) {
		wait_ms = backoff_ms(THROTTLED_FIRST_MS, THROTTLED_MAX_MS, g->throttled_in_row++);
		wait_ms += luck_below(g, wait_ms / 2 + 1) - wait_ms / 4;
		shut(g, GATE_THROTTLED, now_ms + backoff_heed(wait_ms, retry_after_ms), now_ms);
	}
}

static void shut_quota(struct gate *g, int64_t now_ms, int64_t hub_now_ms)
{
	int64_t into_day_ms = (hub_now_ms == TIME_NONE ? now_ms : hub_now_ms) % DAY_MS;
	/* Nobody uses up a day in its first minutes: there the reset is late, and a day must not be lost to
	 * that. */
	int64_t end_ms = into_day_ms < QUOTA_LATE_MS ? QUOTA_LATE_MS : DAY_MS;

	if (outranks(GATE_QUOTA, g))
		shut(g, GATE_QUOTA, now_ms + end_ms - into_day_ms + luck_below(g, QUOTA_JITTER_MS + 1),
		     now_ms);
}

void gate_init(struct gate *g, uint32_t ambiguous_max, uint64_t seed, int64_t now_ms)
{
	assert(ambiguous_max > 0);
	*g = (struct gate){.ambiguous_max = ambiguous_max, .seed = seed};
	shut_until_read(g, GATE_STARTING, now_ms);
}

/* The hub took a call and answered as a working hub does. */
static void call_worked(struct gate *g)
{
	g->ambiguous_in_row = 0;
	if (g->reason != GATE_OPEN)
		return; /* it was out already */
	g->throttled_in_row = 0;
	g->probes_in_row = 0;
}

void gate_on_call(struct gate *g, const struct hub_answer *answer, int64_t now_ms, int64_t hub_now_ms)
{
	switch (answer->outcome) {
	case HUB_ANSWERED:
	case HUB_OFFLINE:
	case HUB_GONE:
	case HUB_OUR_FAULT:
		call_worked(g);
		return;
	case HUB_NOT_DELIVERED:
		if (answer->http_status != 0)
			call_worked(g); /* 403800: the hub refused for the device's sake */
		else
			shut_until_read(g, GATE_DOWN, now_ms);
		return;
	case HUB_AMBIGUOUS:
		if (++g->ambiguous_in_row >= g->ambiguous_max)
			shut_until_read(g, GATE_AMBIGUOUS, now_ms);
		return;
	case HUB_THROTTLED:
		g->ambiguous_in_row = 0;
		shut_throttled(g, answer->retry_after_ms, now_ms);
		return;
	case HUB_QUOTA:
		g->ambiguous_in_row = 0;
		shut_quota(g, now_ms, hub_now_ms);
		return;
	case HUB_TROUBLE:
		g->ambiguous_in_row = 0;
		shut_until_read(g, GATE_UNAUTHORISED, now_ms);
		return;
	case HUB_OUTCOMES_N:
		break;
	}
	assert(false);
}

static void read_failed(struct gate *g, const struct hub_answer *answer, int64_t now_ms)
{
	g->failed_reads_in_row++;
	if (answer->http_status == 401 || answer->http_status == 403)
		shut_until_read(g, GATE_UNAUTHORISED, now_ms);
	else if (g->failed_reads_in_row >= FAILED_READS_MAX)
		shut_until_read(g, GATE_DOWN, now_ms);
}

void gate_on_read(struct gate *g, const struct hub_answer *answer, int64_t now_ms, int64_t hub_now_ms)
{
	enum gate_reason before = g->reason;
	bool was_probing = g->is_probing;

	g->is_probing = false;
	switch (answer->outcome) {
	case HUB_ANSWERED:
	case HUB_GONE:
	case HUB_OUR_FAULT:
		g->failed_reads_in_row = 0;
		if (awaits_read(g))
			open_up(g, now_ms);
		return;
	case HUB_QUOTA:
		shut_quota(g, now_ms, hub_now_ms);
		return;
	case HUB_THROTTLED:
		break;
	case HUB_TROUBLE:
	case HUB_NOT_DELIVERED:
	case HUB_AMBIGUOUS:
	case HUB_OFFLINE:
		read_failed(g, answer, now_ms);
		break;
	case HUB_OUTCOMES_N:
		assert(false);
	}
	if (was_probing && g->reason == before && awaits_read(g)) {
		int64_t wait_ms = probe_wait_ms(before, ++g->probes_in_row);

		g->until_ms = now_ms + backoff_heed(wait_ms, answer->retry_after_ms);
	}
}

void gate_run(struct gate *g, int64_t now_ms)
{
	if (now_ms < g->since_ms) {
		if (g->until_ms != TIME_NEVER)
			g->until_ms -= g->since_ms - now_ms;
		g->since_ms = now_ms;
	}
	if (!awaits_read(g) && now_ms >= g->until_ms)
		open_up(g, now_ms);
}

bool gate_is_open(const struct gate *g)
{
	return g->reason == GATE_OPEN;
}

bool gate_wants_probe(const struct gate *g, int64_t now_ms)
{
	return awaits_read(g) && !g->is_probing && now_ms >= g->until_ms;
}

void gate_probing(struct gate *g)
{
	g->is_probing = true;
}

int64_t gate_next_at(const struct gate *g)
{
	return g->is_probing && awaits_read(g) ? TIME_NEVER : g->until_ms;
}
