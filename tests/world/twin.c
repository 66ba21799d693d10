/* world: twins over REST: read, patch, replace, and the document itself (contract 3) */
#include "tests/world/internal.h"

#include <stdio.h>
#include <string.h>

const char *twin_etag(const struct view *v, char out[ETAG_SIZE])
{
	unsigned char counter[8];
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < sizeof counter; i++)
		counter[i] = (unsigned char)(v->etag_no >> (56 - 8 * i));
	registry_base64(counter, sizeof counter, &text);
	snprintf(out, ETAG_SIZE, "%s", text.data);
	buf_done(&text);
	return out;
}

int64_t twin_activity_ms(const struct view *v)
{
	return v->is_connected || v->reported_version > 1 ? v->link_at_ms : TIME_NONE;
}

static void print_maybe_time(const struct world *w, const char *name, int64_t at_ms, struct buf *out)
{
	buf_printf(out, "\"%s\":", name);
	if (at_ms == TIME_NONE)
		buf_puts(out, w->options.quirks.unset_time_bare ? "\"0001-01-01T00:00:00\""
		                                                : "\"0001-01-01T00:00:00Z\"");
	else
		doc_print_time(at_ms, w->options.quirks.long_times, out);
	buf_putc(out, ',');
}

void twin_print_section(const struct world *w, const struct view *v, bool is_desired, struct buf *out)
{
	const struct doc_node *section = is_desired ? v->desired : v->reported;

	buf_putc(out, '{');
	doc_print(w->docs, section, false, out);
	buf_puts(out, section->u.first != NULL ? ",\"$metadata\":" : "\"$metadata\":");
	doc_print_metadata(w->docs, section, is_desired, w->options.quirks.long_times, out);
	buf_printf(out, ",\"$version\":%u}", is_desired ? v->desired_version : v->reported_version);
}

static void print_identity(const struct world *w, const struct device *d, const struct view *v,
                           struct buf *out)
{
	const struct identity *identity = d->identity;
	bool has_caps = w->options.quirks.thumbprint_caps;

	buf_printf(out, "\"status\":\"%s\",", v->is_disabled ? "disabled" : "enabled");
	if (identity != NULL && identity->reason != NULL) {
		buf_puts(out, "\"statusReason\":");
		buf_json(out, identity->reason);
		buf_putc(out, ',');
	}
	print_maybe_time(w, "statusUpdateTime",
	                 identity != NULL && identity->status_at_ms > 0 ? identity->status_at_ms : TIME_NONE,
	                 out);
	buf_printf(out, "\"connectionState\":\"%s\",",
	           fleet_shows_connected(w, v) ? "Connected" : "Disconnected");
	print_maybe_time(w, "lastActivityTime", twin_activity_ms(v), out);
	buf_printf(
	        out,
	        "\"cloudToDeviceMessageCount\":0,\"authenticationType\":\"%s\",\"x509Thumbprint\":{\"%s\":",
	        registry_login_text(d), has_caps ? "PrimaryThumbprint" : "primaryThumbprint");
	registry_print_thumbprint(d, 0, out);
	buf_printf(out, ",\"%s\":", has_caps ? "SecondaryThumbprint" : "secondaryThumbprint");
	registry_print_thumbprint(d, 1, out);
	buf_puts(out, "},\"modelId\":\"\",\"capabilities\":{\"iotEdge\":false},");
}

void twin_print(const struct world *w, const struct device *d, const struct view *v, struct buf *out)
{
	char etag[ETAG_SIZE];

	buf_puts(out, "{\"deviceId\":");
	buf_json(out, d->id);
	buf_printf(out, ",\"etag\":\"%s\",\"deviceEtag\":\"", twin_etag(v, etag));
	registry_etag(d, out);
	buf_printf(out, "\",\"version\":%u,", v->version);
	print_identity(w, d, v, out);
	buf_puts(out, "\"tags\":");
	doc_print(w->docs, v->tags, true, out);
	buf_puts(out, ",\"properties\":{\"desired\":");
	twin_print_section(w, v, true, out);
	buf_puts(out, ",\"reported\":");
	twin_print_section(w, v, false, out);
	buf_puts(out, "}}");
}

static void answer_twin(struct world *w, struct call *call, const struct device *d)
{
	char etag[ETAG_SIZE];

	twin_print(w, d, &d->live, &call->out);
	snprintf(call->etag, sizeof call->etag, "\"%s\"", twin_etag(&d->live, etag));
	throttle_meter(&w->throttle, call->out.len, w->now_ms);
	rest_answer(w, call, 200);
}

void twin_get(struct world *w, struct call *call)
{
	const struct device *d = fleet_get(w, call->device_id);

	if (d == NULL)
		rest_refuse_unknown(w, call);
	else
		answer_twin(w, call, d);
}

static bool is_section(const json_t *json)
{
	return json == NULL || json_is_null(json) || json_is_object(json);
}

bool twin_prepare_write(struct world *w, struct call *call)
{
	const json_t *properties = json_object_get(call->json, "properties");

	if (json_is_object(call->json) && is_section(json_object_get(call->json, "tags")) &&
	    is_section(properties) && is_section(json_object_get(properties, "desired")))
		return true;
	rest_refuse(w, call, 400, "ArgumentInvalid", "BadRequest");
	return false;
}

static void write_twin(struct world *w, struct call *call, bool replaces)
{
	struct device *d = fleet_get(w, call->device_id);
	json_t *tags = json_object_get(call->json, "tags"), *none = NULL;
	json_t *desired = json_object_get(json_object_get(call->json, "properties"), "desired");
	char etag[ETAG_SIZE], text[160];

	if (d == NULL) {
		rest_refuse_unknown(w, call);
		return;
	}
	if (!rest_etag_fits(call, twin_etag(&d->live, etag))) {
		snprintf(
		        text, sizeof text,
		        "Precondition failed: Device version did not match, existingVersion:%u newVersion:%u",
		        d->live.version, d->live.version - 1);
		rest_refuse(w, call, 412, "PreconditionFailed", text);
		return;
	}
	if (replaces) {
		none = json_object();
		tags = tags != NULL ? tags : none;
		desired = desired != NULL ? desired : none;
	}
	if (fleet_write(w, d, tags, desired, replaces))
		answer_twin(w, call, d);
	else if (w->options.quirks.oversize_413)
		rest_refuse(w, call, 413, "RequestEntityTooLarge", "BadRequest");
	else
		rest_refuse(w, call, 400, "ArgumentInvalid", "BadRequest");
	json_decref(none);
}

void twin_patch(struct world *w, struct call *call)
{
	write_twin(w, call, false);
}

void twin_put(struct world *w, struct call *call)
{
	write_twin(w, call, true);
}
