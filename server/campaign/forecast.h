/* campaign/forecast: when a campaign's waves open and end, if every device acts as fast as is expected and
 * nothing fails. Pure arithmetic over what is left to do and what each limit allows; it knows no single
 * device.
 *
 * The calls of a wave leave no faster than each limit lets them: paced by the campaign's rate and by its
 * hubs, one after the other through the places of maxUnavailable and of each group. The wave ends when the
 * last one called is proven, or later by those that are out already; the next one opens after the soak, and
 * at once where a person has to approve. */
#ifndef ROLLCALL_SERVER_CAMPAIGN_FORECAST_H
#define ROLLCALL_SERVER_CAMPAIGN_FORECAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/campaign/model.h"
#include "server/campaign/spec.h"

/* What keeps a wave's calls apart most, or that its end is a matter of waiting rather than of calling. */
#define BOUNDS(X) \
	X(NOTHING, "nothing")          /* no call is left, nobody is out */ \
	X(ACTION, "action")            /* the devices' time to act is longer than calling them takes */ \
	X(RATE, "rate")                /* the campaign's own */ \
	X(CAPACITY, "capacity")        /* maxUnavailable */ \
	X(GROUP, "group")              /* the slowest group's maxUnavailable */ \
	X(WINDOW, "window")            /* calls may be made at times only */ \
	X(HUB_CALLS, "hubCalls")       /* methods that the hub grants, shared with other campaigns */ \
	X(HUB_READS, "hubReads")       /* twin reads before the calls */ \
	X(HUB_CONNECTS, "hubConnects") /* devices that restart and connect anew */ \
	X(HUB_PROOFS, "hubProofs")     /* queries and reads that bring the proofs */ \
	X(HUB_MESSAGES, "hubMessages") /* the hub's daily quota */ \
	X(HUB_SHUT, "hubShut")         /* it takes no calls until then */ \
	X(OUT, "out") /* devices that were called or found offline before, and may take long */
enum bound {
#define X(name, text) BOUND_##name,
	BOUNDS(X)
#undef X
	        BOUNDS_N
};
const char *bound_text(enum bound b);

/* Another campaign that calls over the same hub. */
struct forecast_rival {
	uint32_t calls;      /* that it still has to make, in the wave that is open */
	uint32_t per_minute; /* what it makes at most by its own limits, 0: as many as the hub lets it */
};

/* What one of the campaign's hubs allows. Rates 0: no limit; a second's worth of calls and reads may leave at
 * once. */
struct forecast_hub {
	uint32_t calls_per_minute;
	uint32_t reads_per_minute; /* for the reads before calls; 0 also where there are none */
	uint32_t proofs_per_minute;
	uint32_t restarts_per_minute;        /* devices sent away by the calls, to connect anew */
	int64_t opens_at_ms;                 /* TIME_NONE: is open */
	uint32_t calls_today, calls_per_day; /* for as many its messages suffice; UINT32_MAX: any number */
	const struct forecast_rival *rivals; /* borrows */
	size_t rivals_n;
};

struct forecast_wave {
	/* what is left of it */
	uint32_t calls[HUBS_MAX]; /* to be made, by hub */
	uint32_t *by_zone;        /* the same by time zone, zones_n; only with a calendar; borrows */
	uint32_t group_rounds; /* how many times its slowest group fills its places; 0: there are no groups */
	int64_t out_until_ms;  /* those called before are final then; TIME_NONE: there are none */
	int64_t proven_at_ms;  /* its last proof so far; TIME_NONE: none */
	bool is_approved;      /* a person has let the next wave open already */
	/* forecast_run() fills in */
	int64_t opens_at_ms, calls_end_at_ms, ends_at_ms;
	enum bound bound;
};

/* When so much time in which calls may be made in that time zone has passed since from_ms (0: when they may
 * be made first). TIME_NEVER: not foreseen. */
typedef int64_t forecast_calendar_cb(void *arg, uint32_t zone, int64_t from_ms, int64_t callable_ms);

/* Slots in use, which come free one by one, evenly in that time. */
struct forecast_slots {
	uint32_t n;
	int64_t from_ms, until_ms;
};

struct forecast {
	const struct campaign_spec *spec; /* borrows */
	int64_t now_ms;                   /* when the first wave of these is open, or opens */
	int64_t end_at_ms;                /* no call leaves from then on; TIME_NEVER: no end */
	uint32_t total;                   /* targets */
	struct forecast_hub hubs[HUBS_MAX];
	uint32_t hubs_n;
	struct forecast_wave waves[WAVES_MAX];
	uint32_t wave;              /* the first that is not over yet */
	int64_t act_ms, slowest_ms; /* from call to proof: of most, of the slowest few */
	int64_t slot_ms;            /* from call to end of settling, of most */
	int64_t watch_ms;           /* from a proof to the end of the watch for relapses; 0: there is none */
	struct forecast_slots taken;
	uint32_t stuck; /* more slots, of devices that are slower than the slowest: not to be counted on */
	forecast_calendar_cb *calendar; /* NULL: calls may be made at any time */
	void *calendar_arg;
	uint32_t zones_n;
	uint32_t *by_zones; /* memory of all waves' by_zone, to be freed by who asked for it */
	/* forecast_run() fills in */
	int64_t ends_at_ms;
	uint32_t approvals_n; /* that people have to give from now on */
};

void forecast_run(struct forecast *f);
/* Gives at_ms, one of its times, if that is to come about; TIME_NONE: the campaign will have ended before. */
int64_t forecast_shown(const struct forecast *f, int64_t at_ms);

/* Of groups of these sizes, which take turns in the calling order: how many times the slowest of them fills
 * its places between targets from and to of the order. */
uint32_t forecast_rounds(const uint32_t *sizes, size_t n, struct limit max_unavailable, uint32_t from,
                         uint32_t to);

#endif
