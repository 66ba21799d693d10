/* campaign: see preview.h */
#include "server/campaign/preview.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/campaign/wave.h"

#define ROWS_A_PAGE 100 /* contract 4.1 */
#define GROUPS_SHOWN 100
#define WITHOUT_TAG ""

/* ---- what it costs ---- */

struct device_cost device_cost_of(const struct campaign_spec *s, bool has_baselines, int64_t act_ms,
                                  const struct hub_grant *grant)
{
	uint32_t interval_ms = grant->track_interval_ms > 0 ? grant->track_interval_ms : 1;
	struct device_cost cost = {.messages = 2, .restarts = profile_of(s->action.type)->restarts};

	if (s->precheck.where != NULL || (s->verify.by != VERIFY_NONE && !has_baselines))
		cost.reads_before = 1;
	if (s->verify.by == VERIFY_WHERE)
		cost.reads_after = 1; /* a row only makes it a candidate */
	if (s->verify.relapse_watch_s > 0)
		cost.reads_after += 2; /* as the watch begins and ends */
	if (s->verify.by != VERIFY_NONE) {
		cost.asks = 1 + (uint32_t)(act_ms / interval_ms);
		cost.messages++;
	}
	cost.messages += cost.reads_before + cost.reads_after;
	return cost;
}

static uint32_t for_messages(uint64_t messages, uint32_t each)
{
	uint64_t n = messages / each;

	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

void device_cost_limits(const struct device_cost *cost, const struct hub_grant *grant,
                        struct forecast_hub *ret)
{
	uint32_t reads = cost->reads_before + cost->reads_after;

	ret->calls_per_minute = grant->calls_per_minute;
	ret->reads_per_minute = reads > 0 ? grant->reads_per_minute / reads : 0;
	ret->proofs_per_minute = 0;
	if (cost->asks > 0 && grant->queries_per_minute > 0) /* reads to spare help (track.h) */
		ret->proofs_per_minute = grant->queries_per_minute * ROWS_A_PAGE / cost->asks +
		                         (reads == 0 ? grant->reads_per_minute : 0);
	ret->restarts_per_minute = cost->restarts ? grant->restarts_per_minute : 0;
	ret->calls_today = ret->calls_per_day = UINT32_MAX;
	if (grant->messages_per_day > 0) {
		uint64_t left = grant->messages_per_day > grant->messages_today
		                        ? grant->messages_per_day - grant->messages_today
		                        : 0;

		ret->calls_today = for_messages(left, cost->messages);
		ret->calls_per_day = for_messages(grant->messages_per_day, cost->messages);
	}
}

/* ---- spreading ---- */

static uint32_t never_called(const struct preview *p)
{
	uint32_t n = 0;

	for (size_t i = 0; i < p->never_n; i++)
		n += p->never[i].n;
	return n;
}

static uint32_t *sizes_of(const struct preview *p)
{
	uint32_t *sizes = xcalloc(p->groups_n + 1, sizeof *sizes);

	for (size_t i = 0; i < p->groups_n; i++)
		sizes[i] = p->groups[i].size;
	return sizes;
}

/* The share of n that lies below part of whole. */
static uint32_t share(uint32_t n, uint32_t part, uint32_t whole)
{
	return whole > 0 ? (uint32_t)((uint64_t)n * part / whole) : 0;
}

/* Of the wave's calls, those in each zone: as the zones share all targets. */
static void spread_zones(struct preview *p, uint32_t wave, uint32_t begin, uint32_t end)
{
	struct forecast *f = &p->forecast;
	struct forecast_wave *w = &f->waves[wave];

	if (f->calendar == NULL)
		return;
	w->by_zone = f->by_zones + (size_t)wave * f->zones_n;
	for (uint32_t z = 0; z < f->zones_n; z++)
		w->by_zone[z] =
		        share(p->zone_sizes[z], end, f->total) - share(p->zone_sizes[z], begin, f->total);
}

void preview_spread(struct preview *p)
{
	struct forecast *f = &p->forecast;
	uint32_t *sizes = sizes_of(p), begin = 0, never = never_called(p);

	f->spec = p->spec;
	f->total = 0;
	if (f->calendar != NULL)
		f->by_zones = xcalloc((size_t)f->zones_n * p->spec->rollout.waves_n, sizeof *f->by_zones);
	for (uint32_t h = 0; h < f->hubs_n; h++)
		f->total += p->hubs[h].targets;
	for (uint32_t w = 0; w < p->spec->rollout.waves_n; w++) {
		uint32_t end = wave_end(p->spec, w, f->total);

		f->waves[w] = (struct forecast_wave){.out_until_ms = TIME_NONE, .proven_at_ms = TIME_NONE};
		for (uint32_t h = 0; h < f->hubs_n; h++) {
			uint32_t of_hub = p->hubs[h].targets,
			         called = of_hub - share(never, of_hub, f->total);

			f->waves[w].calls[h] = share(called, end, f->total) - share(called, begin, f->total);
		}
		spread_zones(p, w, begin, end);
		f->waves[w].group_rounds = forecast_rounds(
		        sizes, p->groups_n, p->spec->rollout.group_max_unavailable, begin, end);
		begin = end;
	}
	free(sizes);
}

/* ---- as JSON ---- */

static void put_time(struct buf *out, const char *name, int64_t at_ms)
{
	char text[TIME_TEXT_SIZE];

	if (at_ms == TIME_NONE || at_ms == TIME_NEVER)
		buf_printf(out, ",\"%s\":null", name);
	else
		buf_printf(out, ",\"%s\":\"%s\"", name, time_text(at_ms, text));
}

/* 0: no limit */
static void put_limit(struct buf *out, const char *name, uint64_t n)
{
	if (n == 0)
		buf_printf(out, ",\"%s\":null", name);
	else
		buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)n);
}

static void put_name(struct buf *out, const char *name)
{
	if (name == NULL || name[0] == '\0')
		buf_puts(out, "null");
	else
		buf_json(out, name);
}

static void put_seconds(struct buf *out, const char *name, int64_t ms)
{
	buf_printf(out, ",\"%s\":%lld.%03d", name, (long long)(ms / 1000), (int)(ms % 1000));
}

static void put_targets(struct buf *out, const struct preview *p)
{
	static const char *const by[] = {[COUNTED_BY_QUERY] = "query",
	                                 [COUNTED_BY_IDS] = "deviceIds",
	                                 [COUNTED_BY_LIST] = "list",
	                                 [COUNTED_BY_SELECTION] = "selection"};

	buf_printf(
	        out,
	        "\"targets\":{\"total\":%u,\"toCall\":%u,\"countedBy\":\"%s\",\"isExact\":%s,\"neverCalled\":[",
	        p->forecast.total, p->forecast.total - never_called(p), by[p->counted_by],
	        p->is_exact ? "true" : "false");
	for (size_t i = 0; i < p->never_n; i++) {
		const struct preview_never *never = &p->never[i];

		buf_printf(out, "%s{\"reason\":\"%s\",\"count\":%u,\"deviceIds\":[", i > 0 ? "," : "",
		           reason_text(never->reason), never->n);
		for (size_t j = 0; j < never->ids_n; j++) {
			buf_puts(out, j > 0 ? "," : "");
			buf_json(out, never->ids[j]);
		}
		buf_puts(out, "]}");
	}
	buf_puts(out, "]}");
}

static uint32_t to_call(const struct preview *p, uint32_t hub)
{
	uint32_t n = 0;

	for (uint32_t w = 0; w < p->spec->rollout.waves_n; w++)
		n += p->forecast.waves[w].calls[hub];
	return n;
}

struct share {
	uint32_t calls, select_pages, progress_pages;
	uint64_t reads, messages, left;
};

static uint32_t pages_of(uint64_t rows)
{
	return (uint32_t)((rows + ROWS_A_PAGE - 1) / ROWS_A_PAGE);
}

static struct share share_of(const struct preview *p, uint32_t hub)
{
	const struct preview_hub *h = &p->hubs[hub];
	const struct hub_grant *g = &h->grant;
	struct device_cost cost = device_cost_of(p->spec, p->has_baselines, p->forecast.act_ms, g);
	uint64_t calls = to_call(p, hub);

	return (struct share){
	        .calls = (uint32_t)calls,
	        .select_pages = pages_of(h->selected_rows),
	        .progress_pages = pages_of(calls * cost.asks),
	        .reads = calls * (cost.reads_before + cost.reads_after),
	        .messages = h->selected_rows + pages_of(h->selected_rows) + calls * cost.messages +
	                    pages_of(calls * cost.asks),
	        .left = g->messages_per_day > g->messages_today ? g->messages_per_day - g->messages_today : 0,
	};
}

static void put_hub(struct buf *out, const struct preview *p, uint32_t hub)
{
	const struct preview_hub *h = &p->hubs[hub];
	struct share s = share_of(p, hub);

	buf_puts(out, "{\"name\":");
	buf_json(out, h->name);
	buf_puts(out, ",\"sku\":");
	buf_json(out, h->sku);
	buf_puts(out, ",\"state\":");
	buf_json(out, h->state);
	buf_printf(
	        out,
	        ",\"targets\":%u,\"calls\":%u,\"selectionPages\":%u,\"progressPages\":%u,\"pointReads\":%llu,"
	        "\"messages\":%llu",
	        h->targets, s.calls, s.select_pages, s.progress_pages, (unsigned long long)s.reads,
	        (unsigned long long)s.messages);
	put_limit(out, "callsPerMinute", h->grant.calls_per_minute);
	put_limit(out, "queriesPerMinute", h->grant.queries_per_minute);
	put_limit(out, "readsPerMinute", h->grant.reads_per_minute);
	put_limit(out, "messagesPerDay", h->grant.messages_per_day);
	if (h->grant.messages_per_day > 0)
		buf_printf(out, ",\"messagesLeftToday\":%llu,\"dailyQuotaPercent\":%.1f",
		           (unsigned long long)s.left,
		           100.0 * (double)s.messages / (double)h->grant.messages_per_day);
	else
		buf_puts(out, ",\"messagesLeftToday\":null,\"dailyQuotaPercent\":null");
	buf_putc(out, '}');
}

static int by_size(const void *a, const void *b)
{
	const struct preview_group *left = a, *right = b;

	if (left->size != right->size)
		return left->size > right->size ? -1 : 1;
	return left->hub != right->hub ? (int)left->hub - (int)right->hub : strcmp(left->name, right->name);
}

static uint32_t without_tag(const struct preview *p)
{
	uint32_t n = 0;

	for (size_t i = 0; i < p->groups_n; i++)
		if (strcmp(p->groups[i].name, WITHOUT_TAG) == 0)
			n += p->groups[i].size;
	return n;
}

static void put_groups(struct buf *out, const struct preview *p)
{
	struct preview_group *groups;

	if (p->spec->rollout.group_by == NULL || p->groups_n == 0) {
		buf_puts(out, ",\"groups\":null");
		return;
	}
	groups = xmalloc(p->groups_n * sizeof *groups);
	memcpy(groups, p->groups, p->groups_n * sizeof *groups);
	qsort(groups, p->groups_n, sizeof *groups, by_size);
	buf_puts(out, ",\"groups\":{\"by\":");
	buf_json(out, p->spec->rollout.group_by);
	buf_printf(out, ",\"count\":%zu,\"withoutTag\":%u,\"largest\":[", p->groups_n, without_tag(p));
	for (size_t i = 0; i < p->groups_n && i < GROUPS_SHOWN; i++) {
		buf_printf(out, "%s{\"group\":", i > 0 ? "," : "");
		put_name(out, groups[i].name);
		buf_puts(out, ",\"hub\":");
		buf_json(out, p->hubs[groups[i].hub].name);
		buf_printf(out, ",\"size\":%u,\"maxUnavailable\":%u}", groups[i].size,
		           limit_of(p->spec->rollout.group_max_unavailable, groups[i].size));
	}
	buf_puts(out, "]}");
	free(groups);
}

static const char *approval_text(enum approval a)
{
	static const char *const texts[] = {[APPROVAL_NONE] = "none",
	                                    [APPROVAL_START] = "start",
	                                    [APPROVAL_AFTER_FIRST] = "afterFirst",
	                                    [APPROVAL_EACH] = "each"};

	return texts[a];
}

static void put_windows(struct buf *out, const struct preview *p)
{
	char from[TIME_TEXT_SIZE];

	if (p->forecast.calendar == NULL) {
		buf_puts(out, ",\"windows\":null");
		return;
	}
	buf_puts(out, ",\"windows\":[");
	for (size_t i = 0; i < p->windows_n; i++) {
		buf_printf(out, "%s{\"from\":\"%s\"", i > 0 ? "," : "",
		           time_text(p->windows[i].from_ms, from));
		put_time(out, "until", p->windows[i].until_ms);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

static void put_wave(struct buf *out, const struct preview *p, uint32_t wave, uint32_t size)
{
	const struct forecast_wave *w = &p->forecast.waves[wave];
	const struct wave_spec *spec = &p->spec->rollout.waves[wave];
	uint32_t calls = 0;

	for (uint32_t h = 0; h < p->forecast.hubs_n; h++)
		calls += w->calls[h];
	buf_printf(out, "{\"index\":%u,\"name\":", wave);
	put_name(out, spec->name);
	buf_printf(out, ",\"size\":%u,\"toCall\":%u", size, calls);
	put_time(out, "opensAt", forecast_shown(&p->forecast, w->opens_at_ms));
	put_time(out, "callsEndAt", forecast_shown(&p->forecast, w->calls_end_at_ms));
	put_time(out, "finishesAt", forecast_shown(&p->forecast, w->ends_at_ms));
	buf_printf(out,
	           ",\"boundedBy\":\"%s\",\"waitsForApproval\":%s,\"gate\":{\"minSuccessPercent\":%u,"
	           "\"soakSeconds\":%u,\"approval\":\"%s\"}}",
	           bound_text(w->bound), wave_needs_approval(p->spec, (int)wave - 1) ? "true" : "false",
	           spec->gate.min_success_percent, spec->gate.soak_s, approval_text(spec->gate.approval));
}

/* What bounds the wave that takes longest. */
static enum bound longest(const struct preview *p)
{
	const struct forecast_wave *longest = &p->forecast.waves[0];

	for (uint32_t w = 1; w < p->spec->rollout.waves_n; w++) {
		const struct forecast_wave *wave = &p->forecast.waves[w];

		if (wave->ends_at_ms - wave->opens_at_ms > longest->ends_at_ms - longest->opens_at_ms)
			longest = wave;
	}
	return longest->bound;
}

/* ---- warnings ---- */

struct warnings {
	struct buf *out;
	bool has_some;
};

static void warn(struct warnings *w, const char *code, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

static void warn(struct warnings *w, const char *code, const char *format, ...)
{
	char detail[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(detail, sizeof detail, format, ap);
	va_end(ap);
	buf_printf(w->out, "%s{\"code\":\"%s\",\"detail\":", w->has_some ? "," : "", code);
	buf_json(w->out, detail);
	buf_putc(w->out, '}');
	w->has_some = true;
}

static bool has_gate(const struct campaign_spec *s)
{
	for (uint32_t w = 0; w + 1 < s->rollout.waves_n; w++)
		if (s->rollout.waves[w].gate.min_success_percent > 0 || wave_needs_approval(s, (int)w))
			return true;
	return false;
}

static void warn_of_spec(struct warnings *w, const struct preview *p)
{
	const struct campaign_spec *s = p->spec;

	if (s->action.transport == TRANSPORT_HUB_JOB)
		warn(w, "hubJob",
		     "the hub calls the devices itself, job by job, at most 256 in each: pause and cancel act between jobs, and "
		     "a job that runs cannot be stopped or paced");
	if (s->aborts_n == 0 && s->action.transport == TRANSPORT_DIRECT)
		warn(w, "noAbortRule", "nothing stops the campaign, however many devices fail");
	if (s->rollout.waves_n > 1 && !has_gate(s))
		warn(w, "noGate", "each wave opens whatever became of the one before");
	if (s->verify.by == VERIFY_NONE)
		warn(w, "unverified",
		     "a device that answers counts as succeeded, and an answer that is lost as failed, unknown");
	if (s->verify.by == VERIFY_NONE && s->offline.wait)
		warn(w, "mayActTwice",
		     "a device that was said to be offline is called again, though now and then such a call was executed");
}

static void warn_of_targets(struct warnings *w, const struct preview *p)
{
	const struct forecast *f = &p->forecast;
	uint32_t untagged = without_tag(p), begin = 0;

	if (f->total == 0)
		warn(w, "noTargets", "no device matches");
	if (f->total > TARGETS_MAX)
		warn(w, "tooManyTargets", "a campaign has at most %u targets", TARGETS_MAX);
	if (!p->has_list)
		warn(w, "noList", "there is no device list of that name yet");
	else if (!p->is_looked_up)
		warn(w, "notLookedUp", "whether the hub knows each of the devices%s is found out later",
		     p->spec->rollout.group_by != NULL ? ", and in which group it is," : "");
	if (untagged > 0)
		warn(w, "withoutTag", "%u device%s no %s: they are one group on each hub", untagged,
		     untagged == 1 ? " has" : "s have", p->spec->rollout.group_by);
	if (p->zoneless_n > 0)
		warn(w, "unknownZone", "%u device%s no time zone in %s%s%.64s%s: it is taken to be %s",
		     p->zoneless_n, p->zoneless_n == 1 ? " has" : "s have", p->spec->schedule.zone_tag,
		     p->zoneless != NULL ? " (but \"" : "", p->zoneless != NULL ? p->zoneless : "",
		     p->zoneless != NULL ? "\")" : "", p->spec->schedule.time_zone);
	for (uint32_t i = 0; i < p->spec->rollout.waves_n && f->total > 0; i++) {
		uint32_t end = wave_end(p->spec, i, f->total);

		if (end == begin)
			warn(w, "emptyWave", "wave %u has no device", i + 1);
		begin = end;
	}
}

static void warn_of_hubs(struct warnings *w, const struct preview *p)
{
	for (uint32_t h = 0; h < p->forecast.hubs_n; h++) {
		const struct preview_hub *hub = &p->hubs[h];
		struct share s = share_of(p, h);

		if (hub->grant.messages_per_day > 0 && s.messages > s.left)
			warn(w, "dailyQuota",
			     "about %llu messages are needed of hub %.64s, which has %llu left today",
			     (unsigned long long)s.messages, hub->name, (unsigned long long)s.left);
		if (strcmp(hub->state, "open") != 0 && strcmp(hub->state, "starting") != 0)
			warn(w, "hubShut", "hub %.64s takes no calls now: %s", hub->name, hub->state);
	}
}

static void warn_of_end(struct warnings *w, const struct preview *p)
{
	const struct forecast *f = &p->forecast;
	const struct forecast_wave *last = &f->waves[p->spec->rollout.waves_n - 1];
	char end[TIME_TEXT_SIZE];

	if (f->calendar != NULL && p->windows_n == 0)
		warn(w, "noWindow", "no window is foreseen to open");
	if (f->end_at_ms != TIME_NEVER && last->calls_end_at_ms > f->end_at_ms)
		warn(w, "endsTooEarly", "not all devices can be called until the campaign's end at %s",
		     time_text(f->end_at_ms, end));
}

static void put_warnings(struct buf *out, const struct preview *p)
{
	struct warnings w = {out, false};

	buf_puts(out, ",\"warnings\":[");
	warn_of_spec(&w, p);
	warn_of_targets(&w, p);
	warn_of_hubs(&w, p);
	warn_of_end(&w, p);
	buf_putc(out, ']');
}

void preview_render(const struct preview *p, struct buf *out)
{
	const struct forecast *f = &p->forecast;
	uint32_t begin = 0;

	buf_putc(out, '{');
	put_targets(out, p);
	put_groups(out, p);
	put_windows(out, p);
	put_time(out, "madeAt", p->made_at_ms);
	put_time(out, "startsAt", p->start_at_ms);
	put_time(out, "selectedAt", p->selected_at_ms);
	put_time(out, "finishesAt", f->ends_at_ms);
	buf_printf(out, ",\"boundedBy\":\"%s\",\"approvals\":%u,\"maxUnavailable\":%u",
	           bound_text(longest(p)), f->approvals_n + wave_needs_approval(p->spec, -1),
	           limit_of(p->spec->rollout.max_unavailable, f->total));
	put_limit(out, "ratePerMinute", p->spec->rollout.rate_per_minute);
	buf_puts(out, ",\"times\":{\"from\":");
	buf_puts(out, p->is_seen ? "\"seen\"" : "\"assumed\"");
	put_seconds(out, "actionSeconds", f->act_ms);
	put_seconds(out, "slowestSeconds", f->slowest_ms);
	buf_printf(out, ",\"settleSeconds\":%u},\"hubs\":[", p->spec->verify.settle_s);
	for (uint32_t h = 0; h < f->hubs_n; h++) {
		buf_puts(out, h > 0 ? "," : "");
		put_hub(out, p, h);
	}
	buf_puts(out, "],\"waves\":[");
	for (uint32_t w = 0; w < p->spec->rollout.waves_n; w++) {
		uint32_t end = wave_end(p->spec, w, f->total);

		buf_puts(out, w > 0 ? "," : "");
		put_wave(out, p, w, end - begin);
		begin = end;
	}
	buf_putc(out, ']');
	put_warnings(out, p);
	buf_putc(out, '}');
}
