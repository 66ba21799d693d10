/* world: a request's way: routes, checks in their order, throttles, and the answer's way back (contract 2.5,
 * 6, 7)
 *
 *   COMING ──arrives──▶ checked ──throttle──▶ COMING ──▶ performed ──▶ LEAVING ──▶ gone
 *                          │                      methods: CONNECTING, DELIVERED ─▲
 *                          └── fault "silent" ──▶ SILENT ──caller leaves──▶ gone              */
#include "tests/world/internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	SEGMENTS_MAX = 6,
	TRACKING_BYTES = 36, /* of a UUID */
};

struct route {
	const char *verb,
	        *pattern; /* "*" stands for one segment; the first one is the device's or job's id */
	unsigned family;
	enum throttle_kind throttle;
	bool is_metered; /* counts against the daily quota */
	bool wants_json;
	bool (*prepare)(struct world *w, struct call *call); /* NULL: nothing to check */
	void (*perform)(struct world *w, struct call *call);
};

static const struct route routes[] = {
        {"POST", "twins/*/methods", WORLD_METHODS, THROTTLE_METHODS, true, true, method_prepare,
         method_perform},
        {"POST", "twins/*/modules/*/methods", WORLD_METHODS, THROTTLE_METHODS, true, true, method_prepare,
         method_perform_module},
        {"GET", "twins/*", WORLD_TWINS, THROTTLE_TWIN_READS, true, false, NULL, twin_get},
        {"PATCH", "twins/*", WORLD_TWINS, THROTTLE_TWIN_UPDATES, true, true, twin_prepare_write, twin_patch},
        {"PUT", "twins/*", WORLD_TWINS, THROTTLE_TWIN_UPDATES, true, true, twin_prepare_write, twin_put},
        {"GET", "twins/*/modules/*", WORLD_TWINS, THROTTLE_TWIN_READS, true, false, NULL,
         method_perform_module},
        {"PATCH", "twins/*/modules/*", WORLD_TWINS, THROTTLE_TWIN_UPDATES, true, true, NULL,
         method_perform_module},
        {"PUT", "twins/*/modules/*", WORLD_TWINS, THROTTLE_TWIN_UPDATES, true, true, NULL,
         method_perform_module},
        {"GET", "jobs/v2/query", WORLD_JOBS, THROTTLE_JOBS, false, false, NULL, job_list},
        {"PUT", "jobs/v2/*", WORLD_JOBS, THROTTLE_JOBS, false, true, job_prepare_put, job_put},
        {"GET", "jobs/v2/*", WORLD_JOBS, THROTTLE_JOBS, false, false, NULL, job_get},
        {"POST", "jobs/v2/*/cancel", WORLD_JOBS, THROTTLE_JOBS, false, false, NULL, job_cancel},
        {"POST", "devices/query", WORLD_QUERIES, THROTTLE_QUERIES, true, true, query_prepare, query_perform},
        {"GET", "devices", WORLD_REGISTRY, THROTTLE_REGISTRY, false, false, NULL, registry_list},
        {"POST", "devices", WORLD_REGISTRY, THROTTLE_REGISTRY, false, true, registry_prepare_bulk,
         registry_bulk},
        {"GET", "devices/*", WORLD_REGISTRY, THROTTLE_REGISTRY, false, false, NULL, registry_get},
        {"PUT", "devices/*", WORLD_REGISTRY, THROTTLE_REGISTRY, false, true, registry_prepare_put,
         registry_put},
        {"DELETE", "devices/*", WORLD_REGISTRY, THROTTLE_REGISTRY, false, false, NULL, registry_delete},
        {"GET", "statistics/devices", WORLD_REGISTRY, THROTTLE_REGISTRY, false, false, NULL,
         registry_device_statistics},
        {"GET", "statistics/service", WORLD_REGISTRY, THROTTLE_REGISTRY, false, false, NULL,
         registry_service_statistics},
};

/* --- A call's life --- */

static void free_call(struct world *w, struct call *call)
{
	agenda_remove(&w->agenda, &call->timer);
	agenda_remove(&w->agenda, &call->reply_event);
	method_leave(call);
	TAILQ_REMOVE(&w->calls, call, all);
	if (!call->is_abandoned)
		HASH_DEL(w->by_ticket, call);
	json_decref(call->json);
	free(call->body);
	free(call->device_id);
	free(call->query);
	free(call->method);
	free(call->payload);
	free(call->attempt_id);
	free(call->link_reply);
	free(call->error_text);
	free(call->next);
	buf_done(&call->out);
	free(call);
}

void rest_done(struct world *w)
{
	struct call *call;

	while ((call = TAILQ_FIRST(&w->calls)) != NULL)
		free_call(w, call);
}

void world_abandon(struct world *w, void *ticket)
{
	struct call *call;

	HASH_FIND_PTR(w->by_ticket, &ticket, call);
	if (call == NULL)
		return;
	HASH_DEL(w->by_ticket, call);
	call->is_abandoned = true;
	if (call->state == CALL_SILENT)
		free_call(w, call);
}

static void on_sent(struct world *w, struct event *e)
{
	struct call *call = CONTAINER(e, struct call, timer);
	struct world_answer answer = {.is_cut = call->is_cut,
	                              .closes = call->closes,
	                              .status = call->status,
	                              .error_code = call->error_code,
	                              .continuation = call->next,
	                              .item_type = call->item_type,
	                              .etag = call->etag[0] != '\0' ? call->etag : NULL,
	                              .retry_after_s = call->retry_after_s,
	                              .date_ms = w->now_ms,
	                              .body = call->out.data != NULL ? call->out.data : "",
	                              .body_bytes = call->out.len,
	                              .tracking_id = call->tracking_id};

	if (call->is_cut)
		answer = (struct world_answer){.is_cut = true, .body = ""};
	if (call->job_row != NULL)
		job_on_answer(w, call);
	if (!call->is_abandoned) {
		HASH_DEL(w->by_ticket, call); /* the ticket may be used again from here on */
		call->is_abandoned = true;
		w->on_answer(w->answer_arg, call->ticket, &answer);
	}
	free_call(w, call);
}

static const struct event_kind sent = {on_sent, agenda_keep};

/* The hub is through with call; status: 0 where its caller learns nothing. */
static void let_go(struct world *w, struct call *call, int status)
{
	if (call->has_reached)
		world_tell(w, call->device,
		           (struct world_entry){.kind = WORLD_END,
		                                .method = call->method,
		                                .attempt_id = call->attempt_id,
		                                .status = status,
		                                .call = call->no});
	method_leave(call);
	agenda_remove(&w->agenda, &call->timer);
	agenda_remove(&w->agenda, &call->reply_event);
}

/* What call holds goes on the wire. */
static void finish(struct world *w, struct call *call)
{
	bool is_slow = (call->faults & 1u << WORLD_FAULT_SLOW) != 0;

	let_go(w, call, call->is_cut ? 0 : call->status);
	call->state = CALL_LEAVING;
	agenda_put(&w->agenda, &call->timer, &sent,
	           w->now_ms + (is_slow ? world_draw(w, w->options.hub_slow) : 0));
}

static void fall_silent(struct world *w, struct call *call)
{
	let_go(w, call, 0);
	call->state = CALL_SILENT; /* woken by world_abandon() */
	if (call->is_abandoned)
		free_call(w, call);
}

/* --- Errors --- */

static void put_tracking(const struct world *w, const struct call *call, struct buf *out)
{
	char at[TIME_TEXT_SIZE];

	time_text(w->now_ms, at); /* 2024-05-14T09:12:44.210Z */
	buf_printf(out, "%s-G:%u-TimeStamp:%.2s/%.2s/%.4s %.8s", call->tracking_id, (unsigned)(call->no % 6),
	           at + 5, at + 8, at, at + 11);
}

static void set_error(struct call *call, int status, const char *name)
{
	buf_reset(&call->out);
	call->status = status;
	call->error_code = name;
	call->item_type = NULL;
	call->etag[0] = '\0';
	free(call->next);
	call->next = NULL;
}

/* Some front end's page, or half of an answer, instead of the hub's words. */
static void spoil(struct world *w, struct call *call)
{
	if ((call->faults & 1u << WORLD_FAULT_MALFORMED) == 0)
		return;
	call->error_code = NULL;
	if (rng_below(&w->rng, 2) == 0) {
		buf_reset(&call->out);
		buf_puts(&call->out,
		         "<html><body><h2>Our services aren't available right now</h2></body></html>");
	} else {
		call->out.len /= 2;
	}
}

static void put_envelope_a(struct world *w, struct call *call, const char *name, const char *text)
{
	struct buf tracking = BUF_INIT, message = BUF_INIT;

	put_tracking(w, call, &tracking);
	buf_printf(&message, "ErrorCode:%s;%s", name, text);
	buf_puts(&call->out, "{\"Message\":");
	buf_json(&call->out, message.data);
	buf_printf(&call->out, ",\"ExceptionMessage\":\"Tracking ID:%s\"}", tracking.data);
	buf_done(&message);
	buf_done(&tracking);
}

static void put_envelope_c(struct world *w, struct call *call, int code, const char *text, const char *info,
                           struct buf *out)
{
	char at[TIME_TEXT_SIZE];

	buf_printf(out, "{\"errorCode\":%d,\"trackingId\":\"", code);
	put_tracking(w, call, out);
	buf_puts(out, "\",\"message\":");
	buf_json(out, text);
	buf_printf(out, ",\"info\":%s,\"timestampUtc\":\"%s\"}", info, time_text(w->now_ms, at));
}

static void put_error(struct world *w, struct call *call, int status, const char *name, const char *text)
{
	set_error(call, status, name);
	if (call->job_row != NULL && call->error_text == NULL)
		call->error_text = xstrdup(text);
	put_envelope_a(w, call, name, text);
	spoil(w, call);
}

void rest_refuse(struct world *w, struct call *call, int status, const char *name, const char *text)
{
	put_error(w, call, status, name, text);
	finish(w, call);
}

void rest_refuse_unknown(struct world *w, struct call *call)
{
	rest_refuse(w, call, 404, "DeviceNotFound", call->device_id);
}

static void put_method_error(struct world *w, struct call *call, int code, const char *name, const char *text,
                             const char *info)
{
	struct buf inner = BUF_INIT;

	set_error(call, code / 1000, name);
	if (call->job_row != NULL && call->error_text == NULL)
		call->error_text = xstrdup(text);
	if (w->options.quirks.method_envelope == 2) {
		put_envelope_a(w, call, name, text);
	} else if (w->options.quirks.method_envelope == 1) {
		put_envelope_c(w, call, code, text, info, &call->out);
	} else {
		put_envelope_c(w, call, code, text, info, &inner);
		buf_puts(&call->out, "{\"Message\":");
		buf_json(&call->out, inner.data);
		buf_puts(&call->out, ",\"ExceptionMessage\":\"\"}");
		buf_done(&inner);
	}
	spoil(w, call);
}

void rest_refuse_method(struct world *w, struct call *call, int code, const char *name, const char *text,
                        const char *info)
{
	put_method_error(w, call, code, name, text, info);
	finish(w, call);
}

void rest_cut(struct world *w, struct call *call)
{
	call->is_cut = true;
	finish(w, call);
}

static void refuse_throttled(struct world *w, struct call *call)
{
	static const char *const operations[] = {
	        [THROTTLE_METHODS] = "DirectMethod",      [THROTTLE_QUERIES] = "Query",
	        [THROTTLE_TWIN_READS] = "TwinRead",       [THROTTLE_TWIN_UPDATES] = "TwinUpdate",
	        [THROTTLE_REGISTRY] = "IdentityRegistry", [THROTTLE_JOBS] = "Jobs",
	};
	const char *name =
	        w->options.quirks.throttle_name ? "ThrottlingException" : "ThrottlingBacklogTimeout";
	char text[160];

	snprintf(text, sizeof text,
	         "The request has been throttled. Wait 10 seconds and try again. Operation type: %s",
	         operations[call->route->throttle]);
	call->closes = true;
	call->retry_after_s = w->options.quirks.retry_after ? 10 : 0;
	rest_refuse(w, call, 429, name, text);
}

static void refuse_spent(struct world *w, struct call *call)
{
	static const char text[] = "Total number of messages on IotHub exceeded the allocated quota.";

	if (w->options.quirks.quota_envelope)
		rest_refuse_method(w, call, 403002, "IotHubQuotaExceeded", text, "{}");
	else
		rest_refuse(w, call, 403, "IotHubQuotaExceeded", text);
}

static void put_server_error(struct world *w, struct call *call)
{
	static const struct {
		int status;
		const char *name;
	} errors[] = {
	        {500, "ServerError"}, {502, "BadGateway"}, {503, "ServiceUnavailable"}, {503, "ServerBusy"}};
	size_t i = rng_below(&w->rng, sizeof errors / sizeof *errors);

	put_error(w, call, errors[i].status, errors[i].name, "The operation could not be completed.");
}

static void refuse_plainly(struct world *w, struct call *call, int status, const char *text)
{
	set_error(call, status, NULL);
	buf_puts(&call->out, "{\"Message\":");
	buf_json(&call->out, text);
	buf_putc(&call->out, '}');
	spoil(w, call);
	finish(w, call);
}

/* --- Answers --- */

void rest_answer(struct world *w, struct call *call, int status)
{
	call->status = status;
	if (status < 300 && (call->faults & 1u << WORLD_FAULT_ERROR_AFTER) != 0)
		put_server_error(w, call);
	else if (status < 300 && (call->faults & 1u << WORLD_FAULT_LOST_504) != 0)
		put_error(w, call, 504, "GatewayTimeout", "Timed out.");
	else if (status < 300 && (call->faults & 1u << WORLD_FAULT_CUT_AFTER) != 0)
		call->is_cut = true;
	if (status < 300 && (call->faults & 1u << WORLD_FAULT_SILENT_AFTER) != 0)
		fall_silent(w, call);
	else
		finish(w, call);
}

bool rest_etag_fits(const struct call *call, const char *etag)
{
	const char *given = call->if_match;
	size_t len;

	if (given == NULL)
		return true;
	len = strlen(given);
	if (len >= 2 && given[0] == '"' && given[len - 1] == '"') {
		given++;
		len -= 2;
	}
	return (len == 1 && *given == '*') || (len == strlen(etag) && memcmp(given, etag, len) == 0);
}

/* --- Reading requests --- */

/* Gives where the value of a query parameter starts, NULL if it is not there; it ends at & or the end. */
static const char *query_value(const char *query, const char *name, size_t *ret_len)
{
	size_t len = strlen(name);

	while (*query != '\0') {
		size_t part = strcspn(query, "&");

		if (part > len && query[len] == '=' && strncasecmp(query, name, len) == 0) {
			*ret_len = part - len - 1;
			return query + len + 1;
		}
		query += part + (query[part] == '&');
	}
	return NULL;
}

bool rest_query_number(const struct call *call, const char *name, uint64_t *ret)
{
	size_t len;
	const char *at = query_value(call->query, name, &len);
	char *end;

	if (at == NULL)
		return true;
	if (len == 0 || len > 9 || !isdigit((unsigned char)*at))
		return false;
	*ret = strtoull(at, &end, 10);
	return end == at + len;
}

const char *rest_query_text(const struct call *call, const char *name, size_t *ret_len)
{
	return query_value(call->query, name, ret_len);
}

uint32_t rest_page_size(const struct call *call, uint32_t most)
{
	unsigned long asked;
	char *end;

	if (call->max_item_count == NULL)
		return most;
	if (!isdigit((unsigned char)*call->max_item_count))
		return 0;
	asked = strtoul(call->max_item_count, &end, 10);
	if (*end != '\0')
		return 0;
	return asked < most ? (uint32_t)asked : most;
}

/* The versions a live hub took (contract 6). */
static bool version_is_known(const struct call *call)
{
	static const char *const versions[] = {"2018-06-30", "2020-05-31-preview", "2020-09-30", "2021-04-12",
	                                       "2024-03-31"};
	size_t len;
	const char *at = query_value(call->query, "api-version", &len);

	for (size_t i = 0; at != NULL && i < sizeof versions / sizeof *versions; i++)
		if (strlen(versions[i]) == len && memcmp(at, versions[i], len) == 0)
			return true;
	return false;
}

static int hex_digit(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	return isxdigit((unsigned char)c) ? (c | 0x20) - 'a' + 10 : -1;
}

/* Gives a path segment decoded once, NULL where it holds a NUL. */
static char *decode(const char *at, size_t len)
{
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < len; i++) {
		if (at[i] == '%' && i + 2 < len && hex_digit(at[i + 1]) >= 0 && hex_digit(at[i + 2]) >= 0) {
			int byte = hex_digit(at[i + 1]) * 16 + hex_digit(at[i + 2]);

			if (byte == 0) {
				buf_done(&out);
				return NULL;
			}
			buf_putc(&out, (char)byte);
			i += 2;
		} else {
			buf_putc(&out, at[i]);
		}
	}
	return buf_take(&out);
}

struct segment {
	const char *at;
	size_t len;
};

/* Splits a path at its slashes; empty segments (a trailing slash) do not count. Gives SEGMENTS_MAX for more.
 */
static size_t split(const char *path, size_t path_len, struct segment out[SEGMENTS_MAX])
{
	size_t n = 0, from = 0;

	while (from < path_len && n < SEGMENTS_MAX) {
		const char *slash = memchr(path + from, '/', path_len - from);
		size_t end = slash != NULL ? (size_t)(slash - path) : path_len;

		if (end > from)
			out[n++] = (struct segment){path + from, end - from};
		from = end + 1;
	}
	return n;
}

static bool pattern_fits(const char *pattern, const struct segment *segments, size_t n,
                         const struct segment **ret_id)
{
	size_t i = 0;

	*ret_id = NULL;
	for (; *pattern != '\0'; i++) {
		size_t len = strcspn(pattern, "/");

		if (i == n)
			return false;
		if (*pattern == '*')
			*ret_id = *ret_id != NULL ? *ret_id : &segments[i];
		else if (len != segments[i].len || strncasecmp(pattern, segments[i].at, len) != 0)
			return false;
		pattern += len + (pattern[len] == '/');
	}
	return i == n;
}

/* Finds the route and the device id. Where there is none it answers and gives false. */
static bool find_route(struct world *w, struct call *call)
{
	struct segment segments[SEGMENTS_MAX];
	size_t path_len = strcspn(call->path, "?");
	size_t n = split(call->path, path_len, segments);
	bool is_known_path = false;
	struct buf text = BUF_INIT;

	call->query = xstrdup(call->path + path_len + (call->path[path_len] == '?'));
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		const struct segment *id;

		if (!pattern_fits(routes[i].pattern, segments, n, &id))
			continue;
		is_known_path = true;
		if (strcmp(routes[i].verb, call->verb) != 0)
			continue;
		if (id != NULL && (call->device_id = decode(id->at, id->len)) == NULL)
			break;
		call->route = &routes[i];
		return true;
	}
	if (is_known_path)
		buf_printf(&text, "The requested resource does not support http method '%s'.", call->verb);
	else
		buf_printf(&text, "No HTTP resource was found that matches the request URI 'https://%s%s'.",
		           w->options.host, call->path);
	refuse_plainly(w, call, is_known_path ? 405 : 404, text.data);
	buf_done(&text);
	return false;
}

/* --- Arrival --- */

/* Does what faults do before a request is looked at. Gives true where that was the end of it. */
static bool fails_before(struct world *w, struct call *call)
{
	unsigned faults = call->faults = world_draw_faults(w, call->route->family);

	if ((faults & 1u << WORLD_FAULT_CUT_BEFORE) != 0)
		rest_cut(w, call);
	else if ((faults & 1u << WORLD_FAULT_SILENT_BEFORE) != 0)
		fall_silent(w, call);
	else if ((faults & 1u << WORLD_FAULT_UNAUTHORIZED) != 0)
		rest_refuse(w, call, 401, "IotHubUnauthorizedAccess", "Unauthorized");
	else if ((faults & 1u << WORLD_FAULT_THROTTLED) != 0)
		refuse_throttled(w, call);
	else if ((faults & 1u << WORLD_FAULT_QUOTA) != 0)
		refuse_spent(w, call);
	else if ((faults & 1u << WORLD_FAULT_ERROR_BEFORE) != 0) {
		put_server_error(w, call);
		finish(w, call);
	} else {
		return false;
	}
	return true;
}

static bool read_json(struct world *w, struct call *call)
{
	if (!call->route->wants_json)
		return true;
	call->json = json_loadb(call->body != NULL ? call->body : "", call->body_bytes,
	                        JSON_REJECT_DUPLICATES, NULL);
	if (call->json != NULL)
		return true;
	if (call->route->family == WORLD_METHODS)
		rest_refuse_method(w, call, 400006, "IotHubFormatError", "The body is not valid JSON.", "{}");
	else
		rest_refuse(w, call, 400, "IotHubFormatError", "BadRequest");
	return false;
}

static void on_admitted(struct world *w, struct event *e)
{
	struct call *call = CONTAINER(e, struct call, timer);

	call->route->perform(w, call);
}

static const struct event_kind admitted = {on_admitted, agenda_keep};

static void admit(struct world *w, struct call *call)
{
	int64_t delay_ms = 0;

	if (call->route->is_metered && throttle_quota_is_spent(&w->throttle, w->now_ms)) {
		refuse_spent(w, call);
		return;
	}
	if (call->cost > 0)
		delay_ms = throttle_take(&w->throttle, call->route->throttle, call->cost, w->now_ms);
	if (delay_ms < 0)
		refuse_throttled(w, call);
	else if (delay_ms > 0)
		agenda_put(&w->agenda, &call->timer, &admitted, w->now_ms + delay_ms);
	else
		call->route->perform(w, call);
}

void rest_make_tracking_id(struct world *w, char out[TRACKING_ID_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	uint64_t luck[2] = {rng_u64(&w->rng), rng_u64(&w->rng)};
	size_t digit = 0;

	for (size_t i = 0; i < TRACKING_BYTES; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			out[i] = '-';
			continue;
		}
		out[i] = hex[luck[digit / 16] >> digit % 16 * 4 & 15];
		digit++;
	}
	out[TRACKING_BYTES] = '\0';
}

static void on_arrived(struct world *w, struct event *e)
{
	struct call *call = CONTAINER(e, struct call, timer);

	rest_make_tracking_id(w, call->tracking_id);
	if (!find_route(w, call))
		return;
	if (!version_is_known(call)) {
		if (w->options.quirks.version_error_empty) {
			set_error(call, 400, NULL);
			finish(w, call);
		} else {
			rest_refuse(w, call, 400, "InvalidProtocolVersion", "BadRequest");
		}
		return;
	}
	if (fails_before(w, call) || !read_json(w, call) ||
	    (call->route->prepare != NULL && !call->route->prepare(w, call)))
		return;
	admit(w, call);
}

static const struct event_kind arrived = {on_arrived, agenda_keep};

/* Appends a NUL-ended copy of text to the call's block at *at. */
static const char *copy(char **at, const char *text)
{
	char *from = *at;

	if (text == NULL)
		return NULL;
	*at = stpcpy(from, text) + 1;
	return from;
}

static size_t room(const char *text)
{
	return text != NULL ? strlen(text) + 1 : 0;
}

void rest_start(struct world *w, const struct world_request *r, void *ticket)
{
	struct call *call =
	        xcalloc(1, sizeof *call + room(r->method) + room(r->path) + room(r->continuation) +
	                           room(r->max_item_count) + room(r->if_match));
	char *at = (char *)(call + 1);

	call->verb = copy(&at, r->method);
	call->path = copy(&at, r->path);
	call->continuation = copy(&at, r->continuation);
	call->max_item_count = copy(&at, r->max_item_count);
	call->if_match = copy(&at, r->if_match);
	if (r->body != NULL && r->body_bytes > 0) {
		call->body = xmalloc(r->body_bytes);
		memcpy(call->body, r->body, r->body_bytes);
		call->body_bytes = r->body_bytes;
	}
	call->ticket = ticket;
	call->no = ++w->calls_n;
	call->cost = 1;
	TAILQ_INSERT_TAIL(&w->calls, call, all);
	HASH_ADD_PTR(w->by_ticket, ticket, call);
	agenda_put(&w->agenda, &call->timer, &arrived, w->now_ms + world_draw(w, w->options.request));
}

struct call *rest_call_of_job(struct world *w, struct job_row *row)
{
	struct call *call = xcalloc(1, sizeof *call);

	call->is_abandoned = true; /* nobody waits but the job */
	call->job_row = row;
	call->no = ++w->calls_n;
	rest_make_tracking_id(w, call->tracking_id);
	TAILQ_INSERT_TAIL(&w->calls, call, all);
	return call;
}
