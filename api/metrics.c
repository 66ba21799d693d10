/* api: the numbers that Prometheus reads. Those of campaigns come from one snapshot of the store, whose
 * revision stands beside them (P8); the rest is of this moment. See handlers.h */
#include "api/handlers.h"

#include <math.h>
#include <string.h>

#include "api/request.h"
#include "api/sse.h"
#include "server/base/metrics.h"
#include "store/store.h"

/* A campaign that has ended is told for so long, so that every scrape interval sees its last counts. */
#define ENDED_FOR_MS ((int64_t)3600 * 1000)

static void put_campaigns(struct buf *out, const struct campaign_row *rows, size_t n)
{
	static const char name[] = "rollcall_campaign_targets";

	metrics_family(out, name, "gauge",
	               "Targets by state, of campaigns that are live or ended within the last hour.");
	for (size_t i = 0; i < n; i++)
		for (unsigned s = 0; s < TARGET_STATES_N; s++) {
			const char *state = target_state_text((enum target_state)s);
			const char *labels[] = {"campaign", rows[i].id, "state", state, NULL};

			metrics_sample(out, name, labels, rows[i].counts.state[s]);
		}
	metrics_family(out, "rollcall_campaign_failed_targets", "gauge",
	               "Failed targets by reason, likewise.");
	for (size_t i = 0; i < n; i++)
		for (unsigned reason = REASON_REFUSED; reason <= REASON_GONE; reason++) {
			const char *text = reason_text((enum reason)reason);
			const char *labels[] = {"campaign", rows[i].id, "reason", text, NULL};

			metrics_sample(out, "rollcall_campaign_failed_targets", labels,
			               rows[i].counts.reason[reason]);
		}
	metrics_family(out, "rollcall_campaign_info", "gauge", "1; the labels tell of a campaign.");
	for (size_t i = 0; i < n; i++) {
		const char *labels[] = {"campaign",   rows[i].id, "name",
		                        rows[i].name, "state",    campaign_state_text(rows[i].state),
		                        NULL};

		metrics_sample(out, "rollcall_campaign_info", labels, 1);
	}
}

/* One family over all hubs; of gives a hub's number, NAN where it has none. */
static void put_hubs(struct buf *out, const struct conductor *c, const char *name, const char *type,
                     const char *help, double (*of)(const struct hub_view *view))
{
	struct hub_view view;

	metrics_family(out, name, type, help);
	for (uint32_t i = 0; i < conductor_hubs_n(c); i++) {
		conductor_hub(c, i, &view);
		if (!isnan(of(&view)))
			metrics_sample(out, name, (const char *[]){"hub", view.name, NULL}, of(&view));
	}
}

static double is_up(const struct hub_view *v)
{
	return strcmp(v->state, "open") == 0;
}

static double inflight_of(const struct hub_view *v)
{
	return v->inflight;
}

static double queued_of(const struct hub_view *v)
{
	return v->queued;
}

static double rate_of(const struct hub_view *v)
{
	return v->calls_per_minute > 0 ? v->calls_per_minute / 60.0 : NAN;
}

static double throttled_of(const struct hub_view *v)
{
	return (double)v->throttled;
}

static double watched_of(const struct hub_view *v)
{
	return v->watched;
}

static double pages_of(const struct hub_view *v)
{
	return (double)v->pages;
}

static double reads_of(const struct hub_view *v)
{
	return (double)v->reads;
}

static double messages_of(const struct hub_view *v)
{
	return (double)v->messages_today;
}

static double quota_of(const struct hub_view *v)
{
	return v->messages_per_day > 0 ? (double)v->messages_per_day : NAN;
}

static double offset_of(const struct hub_view *v)
{
	return (double)v->clock_offset_ms / 1e3;
}

static void put_outcomes(struct buf *out, const struct conductor *c)
{
	struct hub_view view;

	metrics_family(out, "rollcall_hub_calls_total", "counter",
	               "Direct methods called, by what came of them.");
	for (uint32_t i = 0; i < conductor_hubs_n(c); i++) {
		conductor_hub(c, i, &view);
		for (size_t o = 0; view.outcomes[o].text != NULL; o++)
			metrics_sample(
			        out, "rollcall_hub_calls_total",
			        (const char *[]){"hub", view.name, "outcome", view.outcomes[o].text, NULL},
			        (double)view.outcomes[o].n);
	}
}

static void put_all_hubs(struct buf *out, const struct conductor *c)
{
	put_outcomes(out, c);
	put_hubs(out, c, "rollcall_hub_up", "gauge", "Whether the hub may be called now.", is_up);
	put_hubs(out, c, "rollcall_hub_calls_in_flight", "gauge", "Calls that are out.", inflight_of);
	put_hubs(out, c, "rollcall_hub_calls_queued", "gauge", "Calls that wait to be sent.", queued_of);
	put_hubs(out, c, "rollcall_hub_calls_per_second_limit", "gauge",
	         "What the hub's SKU grants, less the reserve.", rate_of);
	put_hubs(out, c, "rollcall_hub_throttled_total", "counter", "Answers 429.", throttled_of);
	put_hubs(out, c, "rollcall_hub_watched_devices", "gauge", "Devices whose twins are followed.",
	         watched_of);
	put_hubs(out, c, "rollcall_hub_query_pages_total", "counter", "Pages of twin queries read.",
	         pages_of);
	put_hubs(out, c, "rollcall_hub_twin_reads_total", "counter", "Twins read one by one.", reads_of);
	put_hubs(out, c, "rollcall_hub_messages_today", "gauge",
	         "Billable messages caused since 00:00 UTC, an estimate.", messages_of);
	put_hubs(out, c, "rollcall_hub_messages_per_day_limit", "gauge", "The hub's daily quota.", quota_of);
	put_hubs(out, c, "rollcall_hub_clock_offset_seconds", "gauge", "The hub's clock less ours, at least.",
	         offset_of);
}

static void put_schedules(struct buf *out, const struct conductor *c)
{
	static const char name[] = "rollcall_schedule_occurrences_total";
	struct schedules_view view;

	conductor_schedules(c, &view);
	metrics_single(out, "rollcall_schedules", "gauge", "Schedules there are.", (double)view.n);
	metrics_family(out, name, "counter", "What became of the occurrences of those schedules.");
	metrics_sample(out, name, (const char *[]){"outcome", "started", NULL}, (double)view.started);
	metrics_sample(out, name, (const char *[]){"outcome", "skipped", NULL}, (double)view.skipped);
	metrics_sample(out, name, (const char *[]){"outcome", "missed", NULL}, (double)view.missed);
	metrics_sample(out, name, (const char *[]){"outcome", "failed", NULL}, (double)view.failed);
}

static void put_own(struct buf *out, const struct context *context)
{
	const char *version[] = {"version", ROLLCALL_VERSION, NULL};
	struct conductor_stats conductor;
	struct store_stats store;

	conductor_stats(context->conductor, &conductor);
	store_stats(context->store, &store);
	metrics_family(out, "rollcall_build_info", "gauge", "1; the label tells the version.");
	metrics_sample(out, "rollcall_build_info", version, 1);
	put_schedules(out, context->conductor);
	metrics_single(out, "rollcall_live_campaigns", "gauge", "Campaigns that are not final.",
	               conductor.live);
	metrics_histogram(out, "rollcall_proof_latency_seconds", "From a device's call to its proof.",
	                  conductor.proof);
	metrics_histogram(out, "rollcall_commit_duration_seconds", "How long commits took, fsync included.",
	                  &store.commit);
	metrics_single(out, "rollcall_commits_queued", "gauge", "Batches that wait to be committed.",
	               store.queued);
	metrics_single(out, "rollcall_failed_logins_total", "counter", "Requests with a token that is none.",
	               (double)context->failed_logins);
	metrics_single(out, "rollcall_event_stream_readers", "gauge", "Event streams that are open.",
	               sse_readers_n(context->sse));
	metrics_histogram(out, "rollcall_loop_lag_seconds", "How late the event loop did what was due.",
	                  context->loop_lag);
}

static void on_campaigns(void *arg, enum err err, uint64_t revision, const struct campaign_row *rows,
                         size_t n, bool has_more)
{
	struct request *r = arg;
	struct buf body = BUF_INIT;

	(void)has_more;
	if (err != ERR_OK) {
		reply_err(r, err, NULL);
		return;
	}
	metrics_single(&body, "rollcall_revision", "gauge", "The commit that the numbers of campaigns show.",
	               (double)revision);
	put_campaigns(&body, rows, n);
	put_all_hubs(&body, r->context->conductor);
	put_own(&body, r->context);
	metrics_process(&body);
	reply(r, 200, "text/plain; version=0.0.4; charset=utf-8", &body);
}

void metrics_get(struct request *r)
{
	struct campaign_filter f = {
	        .state = -1, .limit = STORE_PAGE_MAX, .since_ms = r->now_ms - ENDED_FOR_MS};

	store_read_campaigns(r->context->store, &f, on_campaigns, r);
}
