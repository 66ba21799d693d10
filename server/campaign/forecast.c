/* campaign: see forecast.h. Offsets are in microseconds after the wave's opening, since rates seldom give
 * whole milliseconds. */
#include "server/campaign/forecast.h"

#include "server/campaign/policy.h"
#include "server/campaign/wave.h"

#define DAY_MS INT64_C(86400000)
/* What is not foreseen to be over by then. */
#define FAR_MS (3650 * DAY_MS)

const char *bound_text(enum bound b)
{
	static const char *const texts[] = {
#define X(name, text) [BOUND_##name] = text,
	        BOUNDS(X)
#undef X
	};

	return texts[b];
}

/* The latest offset there is, and what made it so. */
struct latest {
	int64_t us;
	enum bound bound;
};

static void later(struct latest *l, int64_t us, enum bound bound)
{
	if (us > l->us)
		*l = (struct latest){us, bound};
}

static uint32_t calls_of(const struct forecast *f, const struct forecast_wave *w)
{
	uint32_t n = 0;

	for (uint32_t h = 0; h < f->hubs_n; h++)
		n += w->calls[h];
	return n;
}

/* ---- limits ---- */

/* When the nth of them leaves a bucket that was full, with a second's worth. */
static int64_t paced_us(uint64_t n, uint32_t per_minute)
{
	uint64_t burst = per_minute >= 60 ? per_minute / 60 : 1;

	if (per_minute == 0 || n <= burst)
		return 0;
	return (int64_t)((n - burst) * ((60000000 + per_minute - 1) / per_minute));
}

/* How many calls of all campaigns the hub has made when it has made n of this one's: it serves them in turn,
 * but none faster than its own limits let it. */
static uint64_t shared(const struct forecast_hub *hub, uint64_t n)
{
	uint64_t all = n, before;

	if (hub->calls_per_minute == 0)
		return n;
	do {
		before = all;
		all = n;
		for (size_t i = 0; i < hub->rivals_n; i++) {
			const struct forecast_rival *r = &hub->rivals[i];
			uint64_t theirs = r->calls < n ? r->calls : n,
			         own = r->per_minute > 0 ? before * r->per_minute / hub->calls_per_minute
			                                 : UINT64_MAX;

			all += own < theirs ? own : theirs;
		}
	} while (all > before); /* grows towards a bound: n for each rival */
	return all;
}

/* The time of the wave's nth call by all that paces calls. */
static struct latest pace(const struct forecast *f, const struct forecast_wave *w, int64_t opens_at_ms,
                          uint32_t n)
{
	uint32_t all = calls_of(f, w), per_minute = f->spec->rollout.rate_per_minute;
	struct latest l = {0, BOUND_ACTION};
	struct rate rate;

	rate_init(&rate, per_minute);
	later(&l, (int64_t)(n - 1) * rate.interval_us, BOUND_RATE);
	for (uint32_t h = 0; h < f->hubs_n; h++) {
		const struct forecast_hub *hub = &f->hubs[h];
		uint64_t of_hub = ((uint64_t)n * w->calls[h] + all - 1) / all; /* they come mixed */
		int64_t shut_us =
		        hub->opens_at_ms > opens_at_ms ? (hub->opens_at_ms - opens_at_ms) * 1000 : 0;

		if (of_hub == 0)
			continue;
		later(&l, shut_us, BOUND_HUB_SHUT);
		later(&l, shut_us + paced_us(shared(hub, of_hub), hub->calls_per_minute), BOUND_HUB_CALLS);
		later(&l, shut_us + paced_us(of_hub, hub->reads_per_minute), BOUND_HUB_READS);
		later(&l, shut_us + paced_us(of_hub, hub->restarts_per_minute), BOUND_HUB_CONNECTS);
	}
	return l;
}

/* Those there are for calls to come: one at least, as some will come free some time. */
static uint32_t slots_of(const struct forecast *f)
{
	uint32_t max = limit_of(f->spec->rollout.max_unavailable, f->total);

	return max > f->stuck ? max - f->stuck : 1;
}

/* When the wave's slot number no (0 is the first to be taken) may be used first. */
static int64_t slot_free_us(const struct forecast *f, int64_t opens_at_ms, uint32_t no, uint32_t max)
{
	uint32_t taken = f->taken.n < max ? f->taken.n : max, j;
	int64_t at_ms;

	if (no < max - taken)
		return 0;
	j = no - (max - taken);
	at_ms = f->taken.from_ms + (taken > 1 ? (f->taken.until_ms - f->taken.from_ms) * j / (taken - 1)
	                                      : f->taken.until_ms - f->taken.from_ms);
	return at_ms > opens_at_ms ? (at_ms - opens_at_ms) * 1000 : 0;
}

/* The time of the wave's nth call: by its pace, after the calls that used its slot before it, and (the last
 * one) after those of its group. */
static struct latest call_at(const struct forecast *f, const struct forecast_wave *w, int64_t opens_at_ms,
                             uint32_t n)
{
	uint32_t max = slots_of(f), no = (n - 1) % max, turns = (n - 1) / max;
	struct latest l = pace(f, w, opens_at_ms, n), first = pace(f, w, opens_at_ms, no + 1);

	later(&first, slot_free_us(f, opens_at_ms, no, max), BOUND_CAPACITY);
	later(&l, first.us + turns * f->slot_ms * 1000, turns > 0 ? BOUND_CAPACITY : first.bound);
	if (w->group_rounds > 1 && n == calls_of(f, w))
		later(&l, (w->group_rounds - 1) * f->slot_ms * 1000, BOUND_GROUP);
	return l;
}

/* The least time that the hubs' daily messages leave for the calls until the end of this wave. */
static int64_t quota_at_ms(const struct forecast *f, uint32_t wave)
{
	int64_t at_ms = TIME_NONE;

	for (uint32_t h = 0; h < f->hubs_n; h++) {
		const struct forecast_hub *hub = &f->hubs[h];
		uint64_t calls = 0, beyond;
		int64_t day_ms;

		for (uint32_t w = f->wave; w <= wave; w++)
			calls += f->waves[w].calls[h];
		if (calls <= hub->calls_today || f->waves[wave].calls[h] == 0)
			continue;
		beyond = calls - hub->calls_today - 1;
		day_ms = f->now_ms - f->now_ms % DAY_MS +
		         DAY_MS * (1 + (int64_t)(beyond / (hub->calls_per_day > 0 ? hub->calls_per_day : 1)));
		at_ms = day_ms > at_ms ? day_ms : at_ms;
	}
	return at_ms;
}

/* ---- waves ---- */

static int64_t to_ms(int64_t us)
{
	return (us + 999) / 1000;
}

/* When the first n of the wave's calls have been made, if they may be at times only: in each zone for itself,
 * and no sooner than all of them can be at any time. */
static int64_t called_at_ms(const struct forecast *f, const struct forecast_wave *w, uint32_t n,
                            enum bound *ret_bound)
{
	struct latest all = call_at(f, w, w->opens_at_ms, n);
	int64_t at_ms = w->opens_at_ms + to_ms(all.us);
	uint32_t calls = calls_of(f, w);

	*ret_bound = all.bound;
	for (uint32_t z = 0; f->calendar != NULL && z < f->zones_n; z++) {
		uint32_t of_zone = (uint32_t)(((uint64_t)n * w->by_zone[z] + calls - 1) / calls);
		int64_t then_ms;

		if (of_zone == 0)
			continue;
		then_ms = f->calendar(f->calendar_arg, z, w->opens_at_ms,
		                      to_ms(call_at(f, w, w->opens_at_ms, of_zone).us));
		if (then_ms > f->now_ms + FAR_MS)
			then_ms = f->now_ms + FAR_MS;
		if (then_ms > at_ms) {
			at_ms = then_ms;
			*ret_bound = BOUND_WINDOW;
		}
	}
	return at_ms;
}

/* The slots that the wave's last calls leave behind. */
static void leave_slots(struct forecast *f, const struct forecast_wave *w, uint32_t calls)
{
	uint32_t max = slots_of(f), n = calls < max ? calls : max;
	enum bound bound;
	int64_t from_ms = called_at_ms(f, w, calls - n + 1, &bound) + f->slot_ms;

	if (f->taken.n > 0 && n < max) { /* others, too, were taken before */
		n = n + f->taken.n < max ? n + f->taken.n : max;
		from_ms = f->taken.from_ms < from_ms ? f->taken.from_ms : from_ms;
	}
	f->taken.n = n;
	f->taken.from_ms = from_ms;
	f->taken.until_ms = w->calls_end_at_ms + f->slot_ms;
}

static void end_at(struct forecast_wave *w, int64_t at_ms, enum bound bound)
{
	if (at_ms > w->ends_at_ms) {
		w->ends_at_ms = at_ms;
		w->bound = bound;
	}
}

static void call_all(struct forecast *f, uint32_t wave, uint32_t calls)
{
	struct forecast_wave *w = &f->waves[wave];
	int64_t quota_ms = quota_at_ms(f, wave), slowest_ms = f->slowest_ms;
	enum bound bound;

	w->calls_end_at_ms = called_at_ms(f, w, calls, &bound);
	if (quota_ms > w->calls_end_at_ms) {
		w->calls_end_at_ms = quota_ms;
		bound = BOUND_HUB_MESSAGES;
	}
	end_at(w, w->calls_end_at_ms + slowest_ms,
	       w->calls_end_at_ms - w->opens_at_ms > slowest_ms ? bound : BOUND_ACTION);
	for (uint32_t h = 0; h < f->hubs_n; h++)
		end_at(w,
		       w->opens_at_ms + f->act_ms +
		               paced_us(w->calls[h], f->hubs[h].proofs_per_minute) / 1000,
		       BOUND_HUB_PROOFS);
	leave_slots(f, w, calls);
}

void forecast_run(struct forecast *f)
{
	struct forecast_slots taken = f->taken;
	int64_t at_ms = f->now_ms, proven_at_ms = TIME_NONE;

	f->approvals_n = 0;
	for (uint32_t i = f->wave; i < f->spec->rollout.waves_n; i++) {
		struct forecast_wave *w = &f->waves[i];
		uint32_t calls = calls_of(f, w);
		bool is_last = i + 1 == f->spec->rollout.waves_n;

		w->opens_at_ms = w->calls_end_at_ms = at_ms;
		w->ends_at_ms = w->proven_at_ms != TIME_NONE ? w->proven_at_ms : at_ms;
		w->bound = BOUND_NOTHING;
		if (calls > 0)
			call_all(f, i, calls);
		if (w->out_until_ms != TIME_NONE)
			end_at(w, w->out_until_ms, BOUND_OUT);
		if (calls > 0 || w->out_until_ms != TIME_NONE || w->proven_at_ms != TIME_NONE)
			at_ms = w->ends_at_ms +
			        (is_last ? 0 : (int64_t)f->spec->rollout.waves[i].gate.soak_s * 1000);
		if (at_ms < f->now_ms)
			at_ms = f->now_ms;
		if (w->ends_at_ms > f->now_ms || w->proven_at_ms != TIME_NONE)
			proven_at_ms = w->ends_at_ms;
		f->approvals_n += wave_needs_approval(f->spec, (int)i) && !w->is_approved;
	}
	if (f->watch_ms > 0 && proven_at_ms != TIME_NONE && proven_at_ms + f->watch_ms > at_ms)
		at_ms = proven_at_ms + f->watch_ms; /* it completes after that */
	f->ends_at_ms = at_ms;
	if (f->end_at_ms < INT64_MAX - f->slowest_ms - f->watch_ms &&
	    at_ms > f->end_at_ms + f->slowest_ms + f->watch_ms)
		f->ends_at_ms =
		        f->end_at_ms > f->now_ms ? f->end_at_ms + f->slowest_ms + f->watch_ms : f->now_ms;
	f->taken = taken;
}

int64_t forecast_shown(const struct forecast *f, int64_t at_ms)
{
	bool is_over = f->end_at_ms < INT64_MAX - f->slowest_ms && at_ms > f->end_at_ms + f->slowest_ms;

	return is_over || at_ms >= f->now_ms + FAR_MS ? TIME_NONE : at_ms;
}

/* ---- groups ---- */

/* How many targets have a lower rank in their group than rank. */
static uint64_t ranked_below(const uint32_t *sizes, size_t n, uint32_t rank)
{
	uint64_t all = 0;

	for (size_t i = 0; i < n; i++)
		all += sizes[i] < rank ? sizes[i] : rank;
	return all;
}

/* The rank in its group of target no. */
static uint32_t rank_of(const uint32_t *sizes, size_t n, uint32_t no)
{
	uint32_t low = 0, high = no + 1; /* below low + 1 … high there are more than no */

	while (low + 1 < high) {
		uint32_t middle = low + (high - low) / 2;

		if (ranked_below(sizes, n, middle) <= no)
			low = middle;
		else
			high = middle;
	}
	return low;
}

uint32_t forecast_rounds(const uint32_t *sizes, size_t n, struct limit max_unavailable, uint32_t from,
                         uint32_t to)
{
	uint32_t rounds = 0, first, end;

	if (n == 0 || to <= from)
		return 0;
	first = rank_of(sizes, n, from);
	end = rank_of(sizes, n, to - 1) + 1;
	for (size_t i = 0; i < n; i++) {
		uint32_t last = sizes[i] < end ? sizes[i] : end, max = limit_of(max_unavailable, sizes[i]),
		         mine = last > first ? last - first : 0;

		if ((mine + max - 1) / max > rounds)
			rounds = (mine + max - 1) / max;
	}
	return rounds;
}
