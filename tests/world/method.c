/* world: direct methods: what the hub refuses, how long it waits (contract 2.1, 8.3), what it makes of the
 * end */
#include "tests/world/internal.h"

#include <stdio.h>
#include <string.h>

enum {
	PAYLOAD_BYTES_MAX = 131072,
	METER_BYTES = 4096,
	INFLIGHT_MAX = 16,
};

/* --- Refusals --- */

static void refuse_argument(struct world *w, struct call *call, const char *text)
{
	rest_refuse_method(w, call, 400004, "ArgumentInvalid", text, "{}");
}

static void refuse_offline(struct world *w, struct call *call)
{
	static const char newest[] =
	        "The operation failed because the requested device isn't online or hasn't registered the direct "
	        "method callback. To learn more, see https://aka.ms/iothub404103";
	static const char *const texts[] = {newest, "Timed out waiting for device to connect.",
	                                    "Device not online."};
	char info[64];

	snprintf(info, sizeof info, "{\"timeout\":\"00:%02u:%02u\"}",
	         (unsigned)(call->connect_ms / 60000) % 60, (unsigned)(call->connect_ms / 1000) % 60);
	rest_refuse_method(w, call, 404103, "DeviceNotOnline", texts[w->options.quirks.text_404103], info);
}

static void refuse_unanswered(struct world *w, struct call *call)
{
	char info[64] = "{}";

	if (w->options.quirks.info_timeout)
		snprintf(info, sizeof info, "{\"timeout\":\"00:%02u:%02u\"}",
		         (unsigned)(call->response_ms / 60000) % 60,
		         (unsigned)(call->response_ms / 1000) % 60);
	rest_refuse_method(w, call, 504101, "GatewayTimeout",
	                   "Timed out waiting for the response from device.", info);
}

/* --- Reading the request --- */

static bool name_is_sound(const char *name)
{
	if (name == NULL || *name == '\0')
		return false;
	for (; *name != '\0'; name++)
		if (*name <= ' ' || *name >= 0x7f || strchr("()<>@,;:\\\"/[]?={}#", *name) != NULL)
			return false;
	return true;
}

/* Reads whole seconds; *ret_ms stays where they are absent. */
static bool read_seconds(const json_t *json, const char *name, int64_t least, int64_t *ret_ms)
{
	const json_t *value = json_object_get(json, name);

	if (value == NULL)
		return true;
	if (!json_is_integer(value) || json_integer_value(value) < least || json_integer_value(value) > 300)
		return false;
	*ret_ms = json_integer_value(value) * 1000;
	return true;
}

/* A payload may be an object, or a text that holds one (contract 9.2). */
static char *read_attempt_id(const json_t *payload)
{
	json_t *inner = json_is_string(payload) ? json_loads(json_string_value(payload), 0, NULL) : NULL;
	const char *id = json_string_value(json_object_get(inner != NULL ? inner : payload, "attemptId"));
	char *copy = id != NULL ? xstrdup(id) : NULL;

	json_decref(inner);
	return copy;
}

bool method_read(struct world *w, struct call *call, const json_t *json)
{
	const json_t *payload = json_object_get(json, "payload");
	const char *name = json_string_value(json_object_get(json, "methodName"));
	size_t bytes;

	call->response_ms = 30000;
	if (!name_is_sound(name)) {
		refuse_argument(w, call, "methodName is not valid.");
		return false;
	}
	if (!read_seconds(json, "responseTimeoutInSeconds", 5, &call->response_ms)) {
		refuse_argument(w, call, "responseTimeoutInSeconds must be within [5; 300].");
		return false;
	}
	if (!read_seconds(json, "connectTimeoutInSeconds", 0, &call->connect_ms) ||
	    call->connect_ms > call->response_ms) {
		refuse_argument(w, call,
		                "connectTimeoutInSeconds must be within [0; responseTimeoutInSeconds].");
		return false;
	}
	call->payload =
	        payload != NULL ? json_dumps(payload, JSON_COMPACT | JSON_ENCODE_ANY) : xstrdup("null");
	bytes = strlen(call->payload);
	if (bytes > PAYLOAD_BYTES_MAX) {
		rest_refuse_method(w, call, 413001, "RequestEntityTooLarge", "The payload is too large.",
		                   "{}");
		return false;
	}
	call->method = xstrdup(name);
	call->attempt_id = read_attempt_id(payload);
	call->cost = bytes <= METER_BYTES ? 1 : (bytes + METER_BYTES - 1) / METER_BYTES;
	return true;
}

bool method_prepare(struct world *w, struct call *call)
{
	return method_read(w, call, call->json);
}

/* --- Waiting --- */

static void on_timeout(struct world *w, struct event *e)
{
	struct call *call = CONTAINER(e, struct call, timer);

	if (call->state == CALL_CONNECTING)
		refuse_offline(w, call);
	else
		refuse_unanswered(w, call);
}

static const struct event_kind timeout = {on_timeout, agenda_keep};

static void wait_until(struct world *w, struct call *call, enum call_state state, int64_t at_ms)
{
	agenda_remove(&w->agenda, &call->timer);
	call->state = state;
	agenda_put(&w->agenda, &call->timer, &timeout, at_ms);
}

static void join_device(struct call *call, struct device *d)
{
	call->device = d;
	d->inflight++;
	TAILQ_INSERT_TAIL(&d->calls, call, on_device);
}

void method_leave(struct call *call)
{
	if (call->device == NULL)
		return;
	call->device->inflight--;
	TAILQ_REMOVE(&call->device->calls, call, on_device);
	call->device = NULL;
}

static void deliver(struct world *w, struct call *call)
{
	struct device *d = call->device;

	wait_until(w, call, CALL_DELIVERED, w->now_ms + call->response_ms);
	call->has_reached = true;
	world_tell(w, d,
	           (struct world_entry){.kind = WORLD_CALL,
	                                .method = call->method,
	                                .payload = call->payload,
	                                .attempt_id = call->attempt_id,
	                                .call = call->no});
	if (d->link != NULL)
		link_call(w, d, call);
	else
		device_call(w, d, call);
}

void method_perform(struct world *w, struct call *call)
{
	struct device *d = fleet_get(w, call->device_id);

	throttle_meter(&w->throttle, strlen(call->payload), w->now_ms);
	throttle_meter(&w->throttle, 0,
	               w->now_ms); /* the response, or the offline attempt's extra (contract 2.7) */
	if (d == NULL || d->live.is_disabled) {
		if (w->options.quirks.not_found_flat)
			rest_refuse_unknown(w, call);
		else
			rest_refuse_method(w, call, 404001, "DeviceNotFound", "Device is not registered.",
			                   "{}");
		return;
	}
	if (w->options.quirks.inflight_limit && d->inflight >= INFLIGHT_MAX) {
		rest_refuse_method(w, call, 403800, "DeviceMaximumInflightMethodExceeded",
		                   "Too many methods in flight to this device.", "{}");
		return;
	}
	if ((call->faults & 1u << WORLD_FAULT_OFFLINE_404) != 0 ||
	    (!fleet_is_ready(d) && call->connect_ms == 0)) {
		refuse_offline(w, call);
		return;
	}
	join_device(call, d);
	if (fleet_is_ready(d))
		deliver(w, call);
	else
		wait_until(w, call, CALL_CONNECTING, w->now_ms + call->connect_ms);
}

void method_perform_module(struct world *w, struct call *call)
{
	rest_refuse_method(w, call, 404010, "ModuleNotFound", "Module is not registered.", "{}");
}

void method_on_ready(struct world *w, struct device *d)
{
	struct call *call, *after;

	for (call = TAILQ_FIRST(&d->calls); call != NULL; call = after) {
		after = TAILQ_NEXT(call, on_device);
		if (call->state == CALL_CONNECTING)
			deliver(w, call);
	}
}

void method_on_link_lost(struct world *w, struct device *d)
{
	struct call *call, *after;

	for (call = TAILQ_FIRST(&d->calls); call != NULL; call = after) {
		after = TAILQ_NEXT(call, on_device);
		if (call->state != CALL_DELIVERED || call->is_lost)
			continue;
		if (call->link_reply != NULL)
			continue; /* it has answered, and left at once */
		agenda_remove(&w->agenda, &call->reply_event);
		if (!w->options.quirks.drop_is_504)
			refuse_offline(w, call);
	}
}

/* --- The device's answer --- */

static void on_reply(struct world *w, struct event *e)
{
	struct call *call = CONTAINER(e, struct call, reply_event);

	if ((call->faults & 1u << WORLD_FAULT_LOST_504) != 0) {
		call->is_lost = true; /* on its way: on_timeout() ends the call */
	} else if (call->reply_status == 0) {
		rest_cut(w, call);
	} else if ((call->faults & 1u << WORLD_FAULT_LOST_404) != 0) {
		refuse_offline(w, call);
	} else {
		buf_printf(&call->out, "{\"status\":%d,\"payload\":%s}", call->reply_status, call->reply);
		rest_answer(w, call, 200);
	}
}

static const struct event_kind reply_kind = {on_reply, agenda_keep};

void method_reply(struct world *w, struct call *call, int64_t delay_ms, int status, const char *json_text)
{
	call->reply_status = status;
	call->reply = json_text;
	agenda_put(&w->agenda, &call->reply_event, &reply_kind, w->now_ms + delay_ms);
}
