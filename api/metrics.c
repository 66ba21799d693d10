/* api: the numbers that Prometheus reads. Those of campaigns come from one snapshot of the store, whose
 * revision stands beside them (P8); the rest is of this moment. See handlers.h */
#include "api/handlers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/request.h"
#include "api/sse.h"
#include "server/base/metrics.h"
#include "server/webhook/webhooks.h"
#include "store/store.h"

/* A campaign that has ended is told for so long, so that every scrape interval sees its last counts. */
#define ENDED_FOR_MS ((int64_t)3600 * 1000)

static void put_states(struct buf *out, const char *name, const char *help, const uint64_t *n)
{
	metrics_family(out, name, "gauge", help);
	for (unsigned s = 0; s < TARGET_STATES_N; s++)
		metrics_sample(out, name,
		               (const char *[]){"state", target_state_text((enum target_state)s), NULL},
		               (double)n[s]);
}

/* Over all campaigns, so that alerts need not know which there are. */
static void put_totals(struct buf *out, const struct campaign_row *rows, size_t n)
{
	static const char name[] = "rollcall_campaigns";
	uint64_t targets[TARGET_STATES_N] = {0}, campaigns[CAMPAIGN_STATES_N] = {0};

	for (size_t i = 0; i < n; i++) {
		campaigns[rows[i].state]++;
		for (unsigned s = 0; s < TARGET_STATES_N && !campaign_state_is_final(rows[i].state); s++)
			targets[s] += rows[i].counts.state[s];
	}
	metrics_family(out, name, "gauge", "Campaigns by state; final ones only of the last hour.");
	for (unsigned s = 0; s < CAMPAIGN_STATES_N; s++)
		metrics_sample(out, name,
		               (const char *[]){"state", campaign_state_text((enum campaign_state)s), NULL},
		               (double)campaigns[s]);
	put_states(out, "rollcall_live_targets", "Targets by state, of all campaigns that are not final.",
	           targets);
}

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

static double tokens_of(const struct hub_view *v)
{
	return v->pacer_tokens;
}

static double pace_of(const struct hub_view *v)
{
	return v->pace_per_minute > 0 ? v->pace_per_minute / 60.0 : NAN;
}

static double rows_of(const struct hub_view *v)
{
	return (double)v->rows;
}

static double lag_of(const struct hub_view *v)
{
	return v->query_lag_seen_ms != TIME_NONE ? (double)v->query_lag_seen_ms / 1e3 : NAN;
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

static void put_gates(struct buf *out, const struct conductor *c)
{
	struct hub_view view;

	metrics_family(out, "rollcall_hub_info", "gauge", "1; the labels tell of a hub.");
	for (uint32_t i = 0; i < conductor_hubs_n(c); i++) {
		conductor_hub(c, i, &view);
		metrics_sample(out, "rollcall_hub_info",
		               (const char *[]){"hub", view.name, "sku", view.sku, "state", view.state, NULL},
		               1);
	}
}

static void put_all_hubs(struct buf *out, const struct conductor *c)
{
	put_outcomes(out, c);
	put_gates(out, c);
	put_hubs(out, c, "rollcall_hub_up", "gauge", "Whether the hub may be called now.", is_up);
	put_hubs(out, c, "rollcall_hub_calls_in_flight", "gauge", "Calls that are out.", inflight_of);
	put_hubs(out, c, "rollcall_hub_calls_queued", "gauge", "Calls that wait to be sent.", queued_of);
	put_hubs(out, c, "rollcall_hub_calls_per_second_limit", "gauge",
	         "What the hub's SKU grants, less the reserve.", rate_of);
	put_hubs(out, c, "rollcall_hub_calls_per_second_pace", "gauge", "What of that is used just now.",
	         pace_of);
	put_hubs(out, c, "rollcall_hub_pacer_tokens", "gauge", "Calls that may be sent at once.", tokens_of);
	put_hubs(out, c, "rollcall_hub_throttled_total", "counter", "Answers 429.", throttled_of);
	put_hubs(out, c, "rollcall_hub_watched_devices", "gauge", "Devices whose twins are followed.",
	         watched_of);
	put_hubs(out, c, "rollcall_hub_query_pages_total", "counter", "Pages of twin queries read.",
	         pages_of);
	put_hubs(out, c, "rollcall_hub_query_rows_total", "counter", "Rows in those pages.", rows_of);
	put_hubs(out, c, "rollcall_hub_query_lag_seconds", "gauge",
	         "The age of the oldest answer to a query of the last half hour, at least.", lag_of);
	put_hubs(out, c, "rollcall_hub_twin_reads_total", "counter", "Twins read one by one.", reads_of);
	put_hubs(out, c, "rollcall_hub_messages_today", "gauge",
	         "Billable messages caused since 00:00 UTC, an estimate.", messages_of);
	put_hubs(out, c, "rollcall_hub_messages_per_day_limit", "gauge", "The hub's daily quota.", quota_of);
	put_hubs(out, c, "rollcall_hub_clock_offset_seconds", "gauge", "The hub's clock less ours, at least.",
	         offset_of);
}

static void put_schedules(struct buf *out, uint32_t n, const struct conductor_stats *stats)
{
	static const char name[] = "rollcall_schedule_occurrences_total";
	const struct {
		const char *outcome;
		uint64_t n;
	} all[] = {{"started", stats->occurrences.started},
	           {"queued", stats->occurrences.queued},
	           {"skipped", stats->occurrences.skipped},
	           {"missed", stats->occurrences.missed},
	           {"failed", stats->occurrences.failed}};

	metrics_single(out, "rollcall_schedules", "gauge", "Schedules there are.", n);
	metrics_family(out, name, "counter", "What became of occurrences of schedules.");
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		metrics_sample(out, name, (const char *[]){"outcome", all[i].outcome, NULL},
		               (double)all[i].n);
}

static void put_stops(struct buf *out, const struct conductor_stats *stats)
{
	static const char name[] = "rollcall_campaigns_stopped_total";

	metrics_family(out, name, "counter", "Campaigns that a rule stopped, and no person.");
	for (unsigned s = STOP_NONE + 1; s < STOPS_N; s++)
		metrics_sample(out, name, (const char *[]){"by", stop_text((enum stop)s), NULL},
		               (double)stats->stopped[s]);
}

static void put_answers(struct buf *out, const struct context *context)
{
	/* Those that alerts ask for are told from the start. */
	static const unsigned always[] = {200, 401, 413, 422, 429, 500, 503};
	static const char name[] = "rollcall_http_requests_total";

	metrics_family(out, name, "counter", "Requests answered, by status.");
	for (unsigned status = 100, i = 0; status <= STATUS_MAX; status++) {
		bool is_told = i < sizeof always / sizeof *always && always[i] == status;
		char code[16];

		i += is_told;
		snprintf(code, sizeof code, "%u", status);
		if (is_told || context->answered[status] > 0)
			metrics_sample(out, name, (const char *[]){"code", code, NULL},
			               (double)context->answered[status]);
	}
}

/* What is bounded, beside its bound: one alert for all. */
static void put_limits(struct buf *out, const struct context *context, const struct conductor_stats *stats)
{
	static const char used[] = "rollcall_limit_used", most[] = "rollcall_limit_max";
	const struct {
		const char *name;
		double used, max;
	} all[] = {
	        {"campaigns", stats->live, stats->campaigns_max},
	        {"events", (double)stats->events_kept, (double)stats->events_max},
	        {"connections", httpd_connections_n(context->httpd), context->connections_max},
	        {"event_streams", sse_readers_n(context->sse), context->streams_max},
	};

	metrics_family(out, used, "gauge", "What is taken of each limit of the service's own.");
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		metrics_sample(out, used, (const char *[]){"limit", all[i].name, NULL}, all[i].used);
	metrics_family(out, most, "gauge", "Those limits.");
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		metrics_sample(out, most, (const char *[]){"limit", all[i].name, NULL}, all[i].max);
}

static void put_webhooks(struct buf *out, const struct webhooks *all, int64_t now_ms)
{
	static const char ends[] = "rollcall_webhook_attempts_total";
	struct webhook_view view;

	if (webhooks_n(all) == 0)
		return;
	metrics_family(out, ends, "counter", "Notifications sent, by what came of it.");
	for (size_t i = 0; i < webhooks_n(all); i++) {
		webhooks_view(all, i, &view);
		metrics_sample(out, ends,
		               (const char *[]){"webhook", view.name, "outcome", "delivered", NULL},
		               (double)view.delivered);
		metrics_sample(out, ends, (const char *[]){"webhook", view.name, "outcome", "failed", NULL},
		               (double)view.failed);
	}
	metrics_family(out, "rollcall_webhook_queued", "gauge", "Notifications that wait to be delivered.");
	for (size_t i = 0; i < webhooks_n(all); i++) {
		webhooks_view(all, i, &view);
		metrics_sample(out, "rollcall_webhook_queued", (const char *[]){"webhook", view.name, NULL},
		               view.queued);
	}
	metrics_family(out, "rollcall_webhook_oldest_age_seconds", "gauge",
	               "How long the oldest has waited.");
	for (size_t i = 0; i < webhooks_n(all); i++) {
		webhooks_view(all, i, &view);
		metrics_sample(out, "rollcall_webhook_oldest_age_seconds",
		               (const char *[]){"webhook", view.name, NULL},
		               view.oldest_at_ms != TIME_NONE && view.oldest_at_ms < now_ms
		                       ? (double)(now_ms - view.oldest_at_ms) / 1e3
		                       : 0);
	}
	metrics_family(out, "rollcall_webhook_dead_letters", "gauge",
	               "Notifications given up and not forgotten.");
	for (size_t i = 0; i < webhooks_n(all); i++) {
		webhooks_view(all, i, &view);
		metrics_sample(out, "rollcall_webhook_dead_letters",
		               (const char *[]){"webhook", view.name, NULL}, view.dead_letters);
	}
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
	put_schedules(out, conductor_schedules_n(context->conductor), &conductor);
	put_stops(out, &conductor);
	put_answers(out, context);
	put_limits(out, context, &conductor);
	metrics_single(out, "rollcall_live_campaigns", "gauge", "Campaigns that are not final.",
	               conductor.live);
	metrics_single(out, "rollcall_events_total", "counter", "Events that there have been, ever.",
	               (double)conductor.events_n);
	metrics_histogram(out, "rollcall_proof_latency_seconds", "From a device's call to its proof.",
	                  conductor.proof);
	metrics_histogram(out, "rollcall_commit_duration_seconds", "How long commits took, fsync included.",
	                  &store.commit);
	metrics_single(out, "rollcall_commits_queued", "gauge", "Batches that wait to be committed.",
	               store.queued);
	metrics_single(out, "rollcall_failed_logins_total", "counter", "Requests with a token that is none.",
	               (double)context->failed_logins);
	metrics_single(out, "rollcall_database_bytes", "gauge", "The database file with its log.",
	               (double)store.file_bytes);
	metrics_single(out, "rollcall_database_free_bytes", "gauge", "What is left on its file system.",
	               (double)store.free_bytes);
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
	put_totals(&body, rows, n);
	put_campaigns(&body, rows, n);
	put_all_hubs(&body, r->context->conductor);
	put_own(&body, r->context);
	put_webhooks(&body, r->context->webhooks, r->now_ms);
	metrics_process(&body);
	reply(r, 200, "text/plain; version=0.0.4; charset=utf-8", &body);
}

void metrics_get(struct request *r)
{
	struct campaign_filter f = {
	        .state = -1, .limit = STORE_PAGE_MAX, .since_ms = r->now_ms - ENDED_FOR_MS};

	store_read_campaigns(r->context->store, &f, on_campaigns, r);
}
