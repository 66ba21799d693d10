/* api: see json.h */
#include "api/json.h"
#include "server/webhook/webhooks.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "server/campaign/spec.h"
#include "server/conductor.h"
#include "store/store.h"

/* ---- small values ---- */

static void put_time(struct buf *out, int64_t at_ms)
{
	char text[TIME_TEXT_SIZE];

	if (at_ms == TIME_NONE || at_ms == TIME_NEVER)
		buf_puts(out, "null");
	else
		buf_printf(out, "\"%s\"", time_text(at_ms, text));
}

/* "" and NULL are no text. */
static void put_text(struct buf *out, const char *text)
{
	if (text == NULL || text[0] == '\0')
		buf_puts(out, "null");
	else
		buf_json(out, text);
}

/* 0 is no number. */
static void put_number(struct buf *out, int64_t n)
{
	if (n == 0)
		buf_puts(out, "null");
	else
		buf_printf(out, "%lld", (long long)n);
}

static const char *bool_text(bool b)
{
	return b ? "true" : "false";
}

/* JSON that came from a device: as it is, or as a text where it was cut and so is none any more. */
static void put_foreign(struct buf *out, const char *text)
{
	json_t *value;

	if (text == NULL) {
		buf_puts(out, "null");
		return;
	}
	value = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (value != NULL)
		buf_puts(out, text);
	else
		buf_json(out, text);
	json_decref(value);
}

/* ---- campaigns ---- */

const char *json_etag(uint32_t spec_revision, char out[ETAG_SIZE])
{
	snprintf(out, ETAG_SIZE, "\"%u\"", spec_revision);
	return out;
}

/* The stored spec's members: what is between its braces. */
static void put_spec_members(struct buf *out, const char *spec)
{
	const char *first = strchr(spec, '{'), *last = strrchr(spec, '}');

	if (first != NULL && last > first + 1) {
		buf_putc(out, ',');
		buf_put(out, first + 1, (size_t)(last - first - 1));
	}
}

static void put_counts(struct buf *out, uint32_t total, const uint32_t state[TARGET_STATES_N])
{
	buf_printf(out, "{\"total\":%u", total);
	for (unsigned i = 0; i < TARGET_STATES_N; i++)
		buf_printf(out, ",\"%s\":%u", target_state_text((enum target_state)i), state[i]);
	buf_putc(out, '}');
}

static void put_count(struct buf *out, const char *name, uint32_t n, bool *is_first)
{
	if (n == 0)
		return;
	buf_printf(out, "%s\"%s\":%u", *is_first ? "" : ",", name, n);
	*is_first = false;
}

static void put_reasons(struct buf *out, const struct counts *c, unsigned from, unsigned to)
{
	bool is_first = true;

	buf_putc(out, '{');
	for (unsigned i = from; i < to; i++)
		put_count(out, reason_text((enum reason)i), c->reason[i], &is_first);
	buf_putc(out, '}');
}

/* Takes at most n from *rest. */
static uint32_t take(uint32_t *rest, uint32_t n)
{
	n = n < *rest ? n : *rest;
	*rest -= n;
	return n;
}

/* What the conductor knows may be a commit ahead of the row: the sum is the row's own, whatever each part is.
 * targets.c tells waitingFor of each by the same order. */
static void put_waiting_by(struct buf *out, const struct counts *c, const struct campaign_waiting *waiting)
{
	uint32_t by[WAITS_N] = {0}, rest = c->state[TARGET_WAITING];
	bool is_first = true;

	by[WAIT_WAVE] = take(&rest, waiting->closed_n);
	for (unsigned i = WAIT_NONE; i < WAITS_N && !waiting->overrides_own; i++) {
		uint32_t own = i == WAIT_NONE ? 0 : i == WAIT_GROUP ? waiting->parked_n : c->wait[i];

		uint32_t window = waiting->window_by[0][i], blackout = waiting->window_by[1][i],
		         hub = waiting->shut_by[i], elsewhere = window + blackout + hub;

		by[WAIT_BLACKOUT] += take(&rest, blackout);
		by[WAIT_WINDOW] += take(&rest, window);
		by[WAIT_HUB] += take(&rest, hub);
		by[i] += take(&rest, own > elsewhere ? own - elsewhere : 0);
	}
	by[waiting->wait] += rest;
	buf_putc(out, '{');
	for (unsigned i = WAIT_NONE; i < WAITS_N; i++)
		put_count(out, wait_text((enum wait)i), by[i], &is_first);
	buf_putc(out, '}');
}

/* messagesPerDevice has two digits after the point, null where there is no device (yet). */
static void put_cost(struct buf *out, const struct campaign_row *row)
{
	const struct campaign_cost *c = &row->cost;
	uint64_t hundredths = row->counts.total > 0 ? c->messages * 100 / row->counts.total : 0;

	buf_printf(out, ",\"cost\":{\"calls\":%llu,\"queryPages\":%llu,\"pointReads\":%llu,\"messages\":%llu",
	           (unsigned long long)c->calls, (unsigned long long)c->query_pages,
	           (unsigned long long)c->point_reads, (unsigned long long)c->messages);
	buf_puts(out, ",\"messagesPerDevice\":");
	if (row->counts.total > 0)
		buf_printf(out, "%llu.%02u}", (unsigned long long)(hundredths / 100),
		           (unsigned)(hundredths % 100));
	else
		buf_puts(out, "null}");
}

/* In tenths, rounded down, so that 100 means all. */
static void put_progress(struct buf *out, const struct campaign_row *row)
{
	const struct counts *c = &row->counts;
	uint32_t finals = c->state[TARGET_SUCCEEDED] + c->state[TARGET_FAILED] + c->state[TARGET_SKIPPED] +
	                  c->state[TARGET_CANCELLED];
	unsigned tenths = c->total > 0 ? (unsigned)(finals * UINT64_C(1000) / c->total)
	                               : (campaign_state_is_final(row->state) ? 1000 : 0);

	buf_printf(out, "%u.%u", tenths / 10, tenths % 10);
}

static const char *approval_text(enum approval a)
{
	switch (a) {
	case APPROVAL_START:
		return "start";
	case APPROVAL_AFTER_FIRST:
		return "afterFirst";
	case APPROVAL_EACH:
		return "each";
	case APPROVAL_NONE:
		break;
	}
	return "none";
}

static void put_gate(struct buf *out, const struct gate_spec *gate, const struct wave_row *wave)
{
	bool soaks = wave->stage == WAVE_SOAKING && wave->proven_at_ms != TIME_NONE;

	buf_printf(out,
	           "{\"minSuccessPercent\":%u,\"soakSeconds\":%u,\"approval\":\"%s\",\"isApproved\":%s,"
	           "\"isOverridden\":%s,\"soaksUntil\":",
	           gate->min_success_percent, gate->soak_s, approval_text(gate->approval),
	           bool_text(wave->is_approved), bool_text(wave->is_overridden));
	put_time(out, soaks ? wave->proven_at_ms + (int64_t)gate->soak_s * 1000 : TIME_NONE);
	buf_putc(out, '}');
}

/* size -1: not known yet */
static void put_wave(struct buf *out, uint32_t i, const struct wave_spec *spec, const struct wave_row *wave,
                     int64_t size)
{
	buf_printf(out, "{\"index\":%u,\"name\":", i);
	put_text(out, spec->name);
	buf_printf(out, ",\"state\":\"%s\",\"size\":", wave_stage_text((enum wave_stage)wave->stage));
	if (size < 0)
		buf_puts(out, "null");
	else
		buf_printf(out, "%lld", (long long)size);
	buf_puts(out, ",\"counts\":");
	put_counts(out, size < 0 ? 0 : (uint32_t)size, wave->state);
	buf_printf(out, ",\"relapsed\":%u,\"openedAt\":", wave->relapsed);
	put_time(out, wave->opened_at_ms);
	buf_puts(out, ",\"gate\":");
	put_gate(out, &spec->gate, wave);
	buf_putc(out, '}');
}

/* Where they end is known once the targets are selected. */
static void put_waves(struct buf *out, const struct campaign_row *row, const struct campaign_spec *spec)
{
	static const struct wave_row pending = {.opened_at_ms = TIME_NONE, .proven_at_ms = TIME_NONE};
	uint32_t begin = 0;

	buf_putc(out, '[');
	for (uint32_t i = 0; i < spec->rollout.waves_n; i++) {
		bool is_selected = i < row->waves_n;
		const struct wave_row *wave = is_selected ? &row->waves[i] : &pending;
		uint32_t end = wave_end(spec, i, row->counts.total);

		buf_puts(out, i > 0 ? "," : "");
		put_wave(out, i, &spec->rollout.waves[i], wave, is_selected ? (int64_t)end - begin : -1);
		begin = end;
	}
	buf_putc(out, ']');
}

void json_campaign(struct buf *out, const struct campaign_row *row, const struct campaign_spec *spec,
                   uint64_t revision, const struct campaign_waiting *waiting, int64_t predicted_ms)
{
	uint32_t relapsed = 0;
	char etag[ETAG_SIZE];

	buf_printf(out, "{\"id\":\"%s\",\"state\":\"%s\",\"stateReason\":", row->id,
	           campaign_state_text(row->state));
	put_text(out, row->state_reason);
	buf_puts(out, ",\"createdAt\":");
	put_time(out, row->created_at_ms);
	buf_puts(out, ",\"createdBy\":");
	put_text(out, row->created_by);
	buf_puts(out, ",\"startedAt\":");
	put_time(out, row->started_at_ms);
	buf_puts(out, ",\"finishedAt\":");
	put_time(out, row->finished_at_ms);
	buf_puts(out, ",\"scheduleId\":");
	put_text(out, row->schedule_id);
	buf_puts(out, ",\"occurrenceAt\":");
	put_time(out, row->schedule_id[0] != '\0' ? row->occurrence_at_ms : TIME_NONE);
	buf_puts(out, ",\"retryOf\":");
	put_text(out, row->retry_of);
	buf_puts(out, ",\"etag\":");
	buf_json(out, json_etag(row->spec_revision, etag));
	put_spec_members(out, row->spec);
	if (row->state == CAMPAIGN_SELECTING)
		buf_printf(out, ",\"selected\":%u", row->selected);
	buf_puts(out, ",\"counts\":");
	put_counts(out, row->counts.total, row->counts.state);
	buf_puts(out, ",\"failedBy\":");
	put_reasons(out, &row->counts, REASON_REFUSED, REASON_NOT_FOUND);
	buf_puts(out, ",\"skippedBy\":");
	put_reasons(out, &row->counts, REASON_NOT_FOUND, REASONS_N);
	buf_puts(out, ",\"waitingBy\":");
	put_waiting_by(out, &row->counts, waiting);
	for (uint32_t w = 0; w < row->waves_n; w++)
		relapsed += row->waves[w].relapsed;
	buf_printf(out, ",\"relapsed\":%u,\"waves\":", relapsed);
	put_waves(out, row, spec);
	put_cost(out, row);
	buf_puts(out, ",\"progressPercent\":");
	put_progress(out, row);
	buf_puts(out, ",\"predictedFinishAt\":");
	put_time(out, predicted_ms);
	buf_printf(out, ",\"revision\":%llu}", (unsigned long long)revision);
}

/* ---- schedules ---- */

void json_schedule(struct buf *out, const struct schedule_row *row, uint64_t revision)
{
	char etag[ETAG_SIZE];

	buf_printf(out, "{\"id\":\"%s\",\"state\":\"%s\",\"etag\":", row->id,
	           row->is_paused                 ? "paused"
	           : row->next_at_ms == TIME_NONE ? "ended"
	                                          : "active");
	buf_json(out, json_etag(row->revision, etag));
	put_spec_members(out, row->spec);
	buf_puts(out, ",\"createdAt\":");
	put_time(out, row->created_at_ms);
	buf_puts(out, ",\"createdBy\":");
	put_text(out, row->created_by);
	buf_puts(out, ",\"nextAt\":");
	put_time(out, row->next_at_ms);
	buf_puts(out, ",\"queuedAt\":");
	put_time(out, row->queued_at_ms);
	buf_puts(out, ",\"lastAt\":");
	put_time(out, row->last_at_ms);
	buf_puts(out, ",\"lastCampaignId\":");
	put_text(out, row->last_campaign);
	buf_printf(out,
	           ",\"occurrences\":{\"started\":%u,\"skipped\":%u,\"missed\":%u,\"failed\":%u},"
	           "\"revision\":%llu}",
	           row->started, row->skipped, row->missed, row->failed, (unsigned long long)revision);
}

void json_occurrence(struct buf *out, const struct occurrence_view *o)
{
	buf_puts(out, "{\"at\":");
	put_time(out, o->at_ms);
	buf_printf(out, ",\"local\":\"%s\",\"clockChange\":", o->local);
	put_text(out, o->clock_change);
	buf_putc(out, '}');
}

/* ---- targets ---- */

static void put_state(struct buf *out, const struct target_view *target)
{
	buf_puts(out, ",\"group\":");
	put_text(out, target->group);
	buf_printf(out,
	           ",\"state\":\"%s\",\"reason\":", target_state_text((enum target_state)target->row.state));
	put_text(out, reason_text((enum reason)target->row.reason));
}

static void put_tries(struct buf *out, const struct target_row *row)
{
	buf_printf(out, ",\"attempt\":%u,\"methodStatus\":", row->attempts);
	put_number(out, row->method_status);
	buf_puts(out, ",\"changedAt\":");
	put_time(out, row->changed_at_ms);
}

void json_target_members(struct buf *out, const struct target_view *target,
                         const struct target_context *context)
{
	buf_puts(out, "\"deviceId\":");
	buf_json(out, target->device_id);
	buf_puts(out, ",\"hub\":");
	put_text(out, context->hub);
	buf_printf(out, ",\"wave\":%u", context->wave);
	put_state(out, target);
	buf_puts(out, ",\"waitingFor\":");
	put_text(out, wait_text(context->waiting_for));
	buf_puts(out, ",\"nextAt\":");
	put_time(out, context->next_at_ms);
	put_tries(out, &target->row);
}

void json_past(struct buf *out, const struct target_view *target, const char *campaign_id)
{
	const struct target_row *row = &target->row;

	buf_puts(out, "{\"campaignId\":");
	buf_json(out, campaign_id);
	put_state(out, target);
	put_tries(out, row);
	buf_printf(out, ",\"calls\":%u,\"calledAt\":", row->calls);
	put_time(out, row->calls > 0 ? row->called_at_ms : TIME_NONE);
	buf_putc(out, '}');
}

void json_group(struct buf *out, const struct group_view *group, const char *hub, uint32_t unavailable,
                const char *blocked_by)
{
	buf_puts(out, "{\"group\":");
	put_text(out, group->name);
	buf_puts(out, ",\"hub\":");
	put_text(out, hub);
	buf_printf(out, ",\"size\":%u,\"counts\":", group->size);
	put_counts(out, group->size, group->state);
	buf_printf(out, ",\"unavailable\":%u,\"waiting\":%u,\"blockedBy\":[%s]}", unavailable,
	           group->state[TARGET_WAITING], blocked_by);
}

void json_block(struct buf *out, const char *device_id, const char *campaign_id, const char *how,
                int64_t since_ms)
{
	buf_puts(out, "{\"deviceId\":");
	buf_json(out, device_id);
	buf_puts(out, ",\"campaignId\":");
	put_text(out, campaign_id);
	buf_printf(out, ",\"state\":\"%s\",\"since\":", how);
	put_time(out, since_ms);
	buf_putc(out, '}');
}

static void put_member(struct buf *out, const char *name, const json_t *object)
{
	const char *text = json_string_value(json_object_get(object, name));

	buf_printf(out, "\"%s\":", name);
	put_text(out, text);
}

static void put_planned_wave(struct buf *out, uint32_t i, const json_t *planned, const struct wave_row *wave,
                             int64_t ended_at_ms, const struct campaign_forecast *forecast)
{
	buf_printf(out, "{\"index\":%u,\"planned\":{", i);
	put_member(out, "opensAt", planned);
	buf_putc(out, ',');
	put_member(out, "finishesAt", planned);
	buf_puts(out, "},\"actual\":{\"openedAt\":");
	put_time(out, wave->opened_at_ms);
	buf_puts(out, ",\"finishedAt\":");
	put_time(out, ended_at_ms);
	buf_puts(out, "},\"predicted\":");
	if (forecast != NULL && i >= forecast->wave && i < forecast->waves_n && ended_at_ms == TIME_NONE) {
		buf_puts(out, "{\"opensAt\":");
		put_time(out,
		         wave->opened_at_ms != TIME_NONE ? wave->opened_at_ms : forecast->opens_at_ms[i]);
		buf_puts(out, ",\"finishesAt\":");
		put_time(out, forecast->wave_ends_at_ms[i]);
		buf_puts(out, "}}");
	} else {
		buf_puts(out, "null}");
	}
}

void json_plan(struct buf *out, const struct campaign_row *row, const struct plan_row *plan,
               const struct campaign_forecast *forecast, uint64_t revision)
{
	json_t *planned = plan != NULL ? json_loads(plan->text, 0, NULL) : NULL;
	const json_t *waves = json_object_get(planned, "waves");

	buf_puts(out, "{\"campaignId\":");
	buf_json(out, row->id);
	buf_puts(out, ",\"plan\":");
	buf_puts(out, plan != NULL ? plan->text : "null");
	buf_puts(out, ",\"planned\":{");
	put_member(out, "finishesAt", planned);
	buf_puts(out, "},\"actual\":{\"startedAt\":");
	put_time(out, row->started_at_ms);
	buf_puts(out, ",\"finishedAt\":");
	put_time(out, row->finished_at_ms);
	buf_puts(out, "},\"predictedFinishAt\":");
	put_time(out, forecast != NULL ? forecast->ends_at_ms : TIME_NONE);
	buf_puts(out, ",\"waves\":[");
	for (uint32_t i = 0; i < row->waves_n; i++) {
		buf_puts(out, i > 0 ? "," : "");
		put_planned_wave(out, i, json_array_get(waves, i), &row->waves[i],
		                 plan != NULL ? plan->ended_at_ms[i] : TIME_NONE, forecast);
	}
	buf_printf(out, "],\"revision\":%llu}", (unsigned long long)revision);
	json_decref(planned);
}

void json_bucket(struct buf *out, int64_t from_ms, int64_t until_ms, const struct progress_row *row)
{
	buf_puts(out, "{\"from\":");
	put_time(out, from_ms);
	buf_puts(out, ",\"until\":");
	put_time(out, until_ms);
	buf_puts(out, ",\"at\":");
	put_time(out, row->at_ms);
	buf_printf(out, ",\"revision\":%llu,\"counts\":", (unsigned long long)row->revision);
	put_counts(out, row->total, row->state);
	buf_putc(out, '}');
}

void json_attempt(struct buf *out, const char *campaign_id, const struct attempt_row *row)
{
	char id[ATTEMPT_ID_SIZE];

	id_attempt(campaign_id, row->no, row->attempt_seq, id);
	buf_printf(out, "{\"call\":%u,\"number\":", row->call);
	put_number(out, row->attempt);
	buf_printf(out, ",\"attemptId\":\"%s\",\"calledAt\":", id);
	put_time(out, row->called_at_ms);
	buf_puts(out, ",\"endedAt\":");
	put_time(out, row->ended_at_ms);
	buf_puts(out, ",\"hubAt\":");
	put_time(out, row->hub_at_ms);
	buf_puts(out, ",\"outcome\":");
	put_text(out, row->outcome);
	buf_puts(out, ",\"httpStatus\":");
	put_number(out, row->http_status);
	buf_puts(out, ",\"hubCode\":");
	put_number(out, row->hub_code);
	buf_puts(out, ",\"methodStatus\":");
	put_number(out, row->method_status);
	buf_puts(out, ",\"payload\":");
	put_foreign(out, row->payload);
	buf_puts(out, ",\"trackingId\":");
	put_text(out, row->tracking_id);
	buf_putc(out, '}');
}

void json_evidence(struct buf *out, const struct evidence_row *row, int64_t now_ms)
{
	buf_puts(out, "{\"at\":");
	put_time(out, row->at_ms);
	buf_puts(out, ",\"hubAt\":");
	put_time(out, row->hub_at_ms);
	buf_printf(out, ",\"ageSeconds\":%lld,\"source\":\"%s\",\"strength\":\"%s\",\"verdict\":",
	           now_ms > row->at_ms ? (long long)((now_ms - row->at_ms) / 1000) : 0LL,
	           source_text(row->source), strength_text(row->strength));
	put_text(out, row->verdict);
	buf_puts(out, ",\"value\":");
	put_foreign(out, row->value);
	buf_puts(out, ",\"lastUpdated\":");
	put_time(out, row->value_at_ms);
	buf_printf(out, ",\"isBaseline\":%s,\"isLate\":%s}", bool_text(row->is_baseline),
	           bool_text(row->is_late));
}

/* ---- device lists ---- */

void json_list_members(struct buf *out, const char *name, uint32_t n, int64_t at_ms, const char *by)
{
	buf_puts(out, "\"name\":");
	put_text(out, name);
	buf_printf(out, ",\"count\":%u,\"updatedAt\":", n);
	put_time(out, at_ms);
	buf_puts(out, ",\"by\":");
	put_text(out, by);
}

/* ---- events ---- */

static const char *event_state(enum event_type type, uint8_t state)
{
	if (type == EVENT_CAMPAIGN)
		return campaign_state_text((enum campaign_state)state);
	return type == EVENT_TARGET ? target_state_text((enum target_state)state) : NULL;
}

void json_event(struct buf *out, const struct event *event, const char *campaign_id)
{
	const char *from = event_state(event->type, event->from), *to = event_state(event->type, event->to);

	buf_printf(out, "{\"id\":%llu,\"at\":", (unsigned long long)event->id);
	put_time(out, event->at_ms);
	buf_printf(out, ",\"type\":\"%s\",\"campaignId\":", event_type_text(event->type));
	put_text(out, campaign_id);
	buf_puts(out, ",\"deviceId\":");
	put_text(out, event->device_id);
	if (from != NULL && event->from != event->to) /* else it is new */
		buf_printf(out, ",\"from\":\"%s\"", from);
	if (to != NULL)
		buf_printf(out, ",\"to\":\"%s\"", to);
	if (event->reason != REASON_NONE)
		buf_printf(out, ",\"reason\":\"%s\"", reason_text((enum reason)event->reason));
	if (event->attempt > 0)
		buf_printf(out, ",\"attempt\":%u", event->attempt);
	if (event->detail != NULL && event->detail[0] != '\0')
		buf_printf(out, ",%s", event->detail);
	buf_putc(out, '}');
}

/* ---- the record of orders ---- */

void json_audit(struct buf *out, const struct audit_row *row)
{
	static const char *const names[AUDIT_TEXTS_N] = {[AUDIT_ACTOR] = "actor",
	                                                 [AUDIT_ROLE] = "role",
	                                                 [AUDIT_ADDRESS] = "address",
	                                                 [AUDIT_METHOD] = "method",
	                                                 [AUDIT_PATH] = "path",
	                                                 [AUDIT_REQUEST_ID] = "requestId",
	                                                 [AUDIT_CAMPAIGN_ID] = "campaignId",
	                                                 [AUDIT_WAS] = "before",
	                                                 [AUDIT_BECAME] = "after"};

	buf_printf(out, "{\"no\":%llu,\"at\":", (unsigned long long)row->no);
	put_time(out, row->at_ms);
	for (size_t i = 0; i < AUDIT_TEXTS_N; i++) {
		buf_printf(out, ",\"%s\":", names[i]);
		put_text(out, row->text[i]);
	}
	buf_puts(out, ",\"hash\":\"");
	for (size_t i = 0; i < AUDIT_HASH_BYTES; i++)
		buf_printf(out, "%02x", row->hash[i]);
	buf_puts(out, "\"}");
}

/* ---- webhooks ---- */

void json_webhook(struct buf *out, const struct webhook_view *hook)
{
	buf_puts(out, "{\"name\":");
	buf_json(out, hook->name);
	buf_puts(out, ",\"host\":");
	buf_json(out, hook->host);
	buf_printf(out, ",\"state\":\"%s\",\"queued\":%u,\"oldestAt\":", hook->state, hook->queued);
	put_time(out, hook->oldest_at_ms);
	buf_puts(out, ",\"nextAt\":");
	put_time(out, hook->next_at_ms);
	buf_printf(out, ",\"sinceStart\":{\"delivered\":%llu,\"failed\":%llu,\"givenUp\":%llu}",
	           (unsigned long long)hook->delivered, (unsigned long long)hook->failed,
	           (unsigned long long)hook->dead);
	buf_puts(out, ",\"deliveredAt\":");
	put_time(out, hook->delivered_at_ms);
	buf_puts(out, ",\"lastError\":");
	put_text(out, hook->last_error);
	buf_puts(out, ",\"lastErrorAt\":");
	put_time(out, hook->last_error_at_ms);
	buf_printf(out, ",\"deadLetters\":%u}", hook->dead_letters);
}

void json_dead_letter(struct buf *out, const struct dead_letter *row)
{
	buf_printf(out, "{\"eventId\":%llu,\"webhookId\":", (unsigned long long)row->event_id);
	buf_json(out, row->message_id);
	buf_puts(out, ",\"givenUpAt\":");
	put_time(out, row->died_at_ms);
	buf_printf(out, ",\"attempts\":%u,\"error\":", row->attempts);
	buf_json(out, row->error);
	buf_printf(out, ",\"body\":%s}", row->body); /* which is JSON */
}

/* ---- hubs ---- */

static void put_lag(struct buf *out, int64_t ms)
{
	if (ms == TIME_NONE)
		buf_puts(out, "null");
	else
		buf_printf(out, "%lld", (long long)ms);
}

void json_hub(struct buf *out, const struct hub_view *hub)
{
	bool is_throttled = strcmp(hub->state, "throttled") == 0;

	buf_puts(out, "{\"name\":");
	buf_json(out, hub->name);
	buf_puts(out, ",\"sku\":");
	buf_json(out, hub->sku);
	buf_printf(out, ",\"units\":%u,\"reservePercent\":%u,\"state\":", hub->units, hub->reserve_percent);
	buf_json(out, hub->state);
	buf_puts(out, ",\"stateSince\":");
	put_time(out, hub->state_since_ms);
	buf_puts(out, ",\"stateUntil\":");
	put_time(out, hub->state_until_ms);
	buf_puts(out, ",\"quota\":{\"callsPerMinute\":");
	put_number(out, hub->calls_per_minute);
	buf_puts(out, ",\"messagesPerDay\":");
	put_number(out, (int64_t)hub->messages_per_day);
	buf_printf(out, ",\"messagesToday\":%llu}", (unsigned long long)hub->messages_today);
	buf_printf(out, ",\"inUse\":{\"inFlight\":%u,\"queued\":%u,\"watched\":%u,\"callsPerMinute\":",
	           hub->inflight, hub->queued, hub->watched);
	put_number(out, hub->pace_per_minute);
	buf_putc(out, '}');
	buf_printf(out, ",\"sinceStart\":{\"calls\":%llu,\"throttled\":%llu,\"pages\":%llu,\"reads\":%llu}",
	           (unsigned long long)hub->calls, (unsigned long long)hub->throttled,
	           (unsigned long long)hub->pages, (unsigned long long)hub->reads);
	buf_puts(out, ",\"throttledSince\":");
	put_time(out, is_throttled ? hub->state_since_ms : TIME_NONE);
	buf_puts(out, ",\"throttledAt\":");
	put_time(out, hub->throttled_at_ms);
	buf_puts(out, ",\"lastError\":");
	put_text(out, hub->last_error);
	buf_puts(out, ",\"lastErrorAt\":");
	put_time(out, hub->last_error_at_ms);
	buf_printf(out, ",\"clockOffsetMs\":%lld,\"queryLagMs\":", (long long)hub->clock_offset_ms);
	put_lag(out, hub->query_lag_seen_ms);
	buf_putc(out, '}');
}

/* ---- what is read ---- */

static const char *text_member(const json_t *entry, const char *name, const char *pointer,
                               struct faults *faults)
{
	const char *text = json_string_value(json_object_get(entry, name));

	if (text == NULL)
		faults_add(faults, pointer, "%s is missing or no text", name);
	return text;
}

static void read_entry(json_t *entry, size_t i, struct faults *faults,
                       void (*on_entry)(void *arg, const char *pointer, const char *name, const char *role,
                                        const char *sha256),
                       void *arg)
{
	char pointer[32];
	const char *member, *name, *role, *sha256;
	json_t *value;

	snprintf(pointer, sizeof pointer, "/%zu", i);
	if (!json_is_object(entry)) {
		faults_add(faults, pointer, "must be an object with name, role and sha256");
		return;
	}
	json_object_foreach (entry, member, value) {
		if (strcmp(member, "name") != 0 && strcmp(member, "role") != 0 &&
		    strcmp(member, "sha256") != 0)
			faults_add(faults, pointer, "unknown member %.64s", member);
	}
	name = text_member(entry, "name", pointer, faults);
	role = text_member(entry, "role", pointer, faults);
	sha256 = text_member(entry, "sha256", pointer, faults);
	on_entry(arg, pointer, name, role, sha256);
}

void json_tokens(const char *text, size_t len, struct faults *faults,
                 void (*on_entry)(void *arg, const char *pointer, const char *name, const char *role,
                                  const char *sha256),
                 void *arg)
{
	json_error_t error;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);

	/* Jansson's own text would quote the file, and so perhaps a token put there by mistake. */
	if (root == NULL)
		faults_add(faults, "", "line %d, column %d: not JSON, or a member twice", error.line,
		           error.column);
	else if (!json_is_array(root))
		faults_add(faults, "", "must be an array of {name, role, sha256}");
	for (size_t i = 0; i < json_array_size(root); i++)
		read_entry(json_array_get(root, i), i, faults, on_entry, arg);
	json_decref(root);
}

/* Gives the object that the body is, without members where it is empty, to be given back by json_decref();
 * NULL: see json_nothing(). Members beside the known one (NULL: none) are faults. */
static json_t *read_object(const char *text, size_t len, const char *known, struct faults *faults,
                           size_t *ret_at, char ret_reason[JSON_REASON_SIZE])
{
	json_error_t error;
	json_t *root = len > 0 ? json_loadb(text, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error)
	                       : json_object();
	const char *member;
	json_t *value;

	if (root == NULL) {
		*ret_at = (size_t)error.position;
		snprintf(ret_reason, JSON_REASON_SIZE, "%s", error.text);
		return NULL;
	}
	if (!json_is_object(root))
		faults_add(faults, "", "must be empty or %s", known != NULL ? "an object" : "{}");
	json_object_foreach (root, member, value)
		if (known == NULL || strcmp(member, known) != 0)
			faults_add(faults, "", "unknown member %.100s", member);
	return root;
}

enum err json_nothing(const char *text, size_t len, struct faults *faults, size_t *ret_at,
                      char ret_reason[JSON_REASON_SIZE])
{
	json_t *root = read_object(text, len, NULL, faults, ret_at, ret_reason);

	if (root == NULL)
		return ERR_INVALID;
	json_decref(root);
	return faults->n > 0 ? ERR_INVALID : ERR_OK;
}

enum err json_approval(const char *text, size_t len, bool *ret_overrides, struct faults *faults,
                       size_t *ret_at, char ret_reason[JSON_REASON_SIZE])
{
	json_t *root = read_object(text, len, "override", faults, ret_at, ret_reason);
	const json_t *value = json_object_get(root, "override");

	if (root == NULL)
		return ERR_INVALID;
	if (value != NULL && !json_is_boolean(value))
		faults_add(faults, "/override", "must be true or false");
	*ret_overrides = json_is_true(value);
	json_decref(root);
	return faults->n > 0 ? ERR_INVALID : ERR_OK;
}

static uint32_t read_reasons(const json_t *list, struct faults *faults)
{
	uint32_t reasons = 0;

	if (json_array_size(list) == 0)
		faults_add(faults, "/reasons", "must be an array of at least one reason");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));
		enum reason r;
		char pointer[40];

		snprintf(pointer, sizeof pointer, "/reasons/%zu", i);
		if (text != NULL && reason_parse(text, &r) && r >= REASON_REFUSED && r <= REASON_GONE)
			reasons |= UINT32_C(1) << r;
		else
			faults_add(faults, pointer,
			           "must be one of refused, noMethod, deviceFailed, noProof, unknown, "
			           "offlineExpired, hubRejected, gone");
	}
	return reasons;
}

enum err json_reasons(const char *text, size_t len, uint32_t *ret_reasons, struct faults *faults,
                      size_t *ret_at, char ret_reason[JSON_REASON_SIZE])
{
	json_t *root = read_object(text, len, "reasons", faults, ret_at, ret_reason);
	const json_t *list = json_object_get(root, "reasons");
	uint32_t all = 0;

	if (root == NULL)
		return ERR_INVALID;
	for (unsigned r = REASON_REFUSED; r <= REASON_GONE; r++)
		all |= UINT32_C(1) << r;
	*ret_reasons = list != NULL ? read_reasons(list, faults) : all & ~(UINT32_C(1) << REASON_UNKNOWN);
	json_decref(root);
	return faults->n > 0 ? ERR_INVALID : ERR_OK;
}
