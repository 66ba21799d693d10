/* campaign/preview: what a campaign comes to, told before it calls anybody: its waves with their times, what
 * it takes of its hubs, who will never be called, and what its maker may have overlooked. Pure; whoever asks
 * brings the counts. As JSON it is what the API answers, and what is kept as the campaign's plan. */
#ifndef ROLLCALL_SERVER_CAMPAIGN_PREVIEW_H
#define ROLLCALL_SERVER_CAMPAIGN_PREVIEW_H

#include "server/base/buf.h"
#include "server/campaign/forecast.h"

/* What a hub grants all campaigns together; 0: no limit. */
struct hub_grant {
	uint32_t calls_per_minute, queries_per_minute, reads_per_minute;
	uint64_t messages_per_day, messages_today;
	uint32_t track_interval_ms;
	uint32_t restarts_per_minute;
};

/* What one device of a campaign costs its hub; an estimate. */
struct device_cost {
	uint32_t reads_before, reads_after; /* of its twin, before and after the call */
	uint32_t asks;                      /* how often queries ask about it, a hundred devices a page */
	uint32_t messages; /* of the daily quota (contract 7.2): two for the call, one for each twin read, and
	                      for the row by which it is proven; pages come on top */
	bool restarts;     /* it goes away, and connects anew */
};
/* has_baselines: rows of the selection have told what is watched. act_ms as in a forecast. */
struct device_cost device_cost_of(const struct campaign_spec *s, bool has_baselines, int64_t act_ms,
                                  const struct hub_grant *grant);
/* Sets the limits that follow for a campaign, all but opens_at_ms and rivals. */
void device_cost_limits(const struct device_cost *cost, const struct hub_grant *grant,
                        struct forecast_hub *ret);

enum counted_by { COUNTED_BY_QUERY, COUNTED_BY_IDS, COUNTED_BY_LIST, COUNTED_BY_SELECTION };

/* Targets that will not be called, for one reason. */
struct preview_never {
	enum reason reason;
	uint32_t n;
	const char *const *ids; /* some of them */
	size_t ids_n;
};
#define PREVIEW_NEVER_MAX 4

struct preview_hub {
	const char *name, *sku, *state; /* of the gate: "open" … */
	struct hub_grant grant;
	uint32_t targets, selected_rows; /* rows: of queries that find its targets; 0: none are made */
};

struct preview_group {
	uint32_t hub;
	const char *name; /* "": the devices without the tag */
	uint32_t size;
};

/* A time in which calls may be made. */
struct preview_span {
	int64_t from_ms, until_ms;
};
#define PREVIEW_SPANS_MAX 10

struct preview {
	const struct campaign_spec *spec;
	int64_t made_at_ms, start_at_ms, selected_at_ms;
	enum counted_by counted_by;
	bool is_looked_up; /* whether the hubs know the devices is known */
	bool has_list;     /* the device list is there, where it takes one */
	bool is_exact;     /* not from a query's index, which may be old, and nothing was left out */
	bool is_seen;      /* the times to act are from what was seen, not assumed */
	bool has_baselines;
	struct preview_never never[PREVIEW_NEVER_MAX];
	size_t never_n;
	struct preview_hub hubs[HUBS_MAX];  /* as the forecast's */
	const struct preview_group *groups; /* with group.by, if they are known */
	size_t groups_n;
	struct preview_span
	        windows[PREVIEW_SPANS_MAX]; /* the next ones; none where calls may be made at any time */
	size_t windows_n;
	const uint32_t *zone_sizes; /* with a calendar: of forecast.zones_n zones */
	uint32_t zoneless_n;        /* devices whose tag is no zone */
	const char *zoneless;       /* one of those tags; NULL: they have none */
	struct forecast forecast;   /* with all that forecast.h asks for */
};

/* Spreads the targets of a preview over waves and hubs, those that are never called evenly among them. Sets
 * the forecast's spec, total, waves and, where groups are known, their rounds. */
void preview_spread(struct preview *p);
/* Appends it as JSON; forecast_run() has been called. */
void preview_render(const struct preview *p, struct buf *out);

#endif
