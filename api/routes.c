/* api: see routes.h */
#include "api/routes.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/assets.h"
#include "api/handlers.h"
#include "api/json.h"
#include "api/logins.h"
#include "api/request.h"
#include "api/sse.h"
#include "server/base/clock.h"
#include "server/base/log.h"

#define JSON "application/json"
#define MERGE_PATCH "application/merge-patch+json"

#define CAMPAIGNS "/v1/campaigns"
#define CAMPAIGN CAMPAIGNS "/{id}"
#define TARGETS CAMPAIGN "/targets"
#define TARGET TARGETS "/{deviceId}"
#define SCHEDULES "/v1/schedules"
#define SCHEDULE SCHEDULES "/{id}"
#define DEAD_LETTERS "/v1/webhooks/{name}/dead-letters"
#define DEVICE_LIST "/v1/device-lists/{name}"
#define EVENT_STREAM "text/event-stream"
#define TARGET_FILTERS "state reason waitingFor wave group hub deviceId "

/* Of rows with the same method and pattern the one counts whose type the client likes best, else the first.
 */
static const struct route routes[] = {
        {"POST", CAMPAIGNS, ROLE_OPERATOR, "", BODY_JSON, JSON, campaigns_create},
        {"POST", CAMPAIGNS "/preview", ROLE_VIEWER, "", BODY_JSON, JSON, campaigns_preview},
        {"GET", CAMPAIGNS, ROLE_VIEWER, "state name schedule limit cursor ", BODY_IGNORED, JSON,
         campaigns_list},
        {"GET", CAMPAIGN, ROLE_VIEWER, "", BODY_IGNORED, JSON, campaigns_get},
        {"PATCH", CAMPAIGN, ROLE_OPERATOR, "", BODY_PATCH, JSON, campaigns_patch},
        {"DELETE", CAMPAIGN, ROLE_OPERATOR, "", BODY_IGNORED, JSON, campaigns_delete},
        {"POST", CAMPAIGN "/pause", ROLE_OPERATOR, "", BODY_NOTHING, JSON, campaigns_pause},
        {"POST", CAMPAIGN "/resume", ROLE_OPERATOR, "", BODY_NOTHING, JSON, campaigns_resume},
        {"POST", CAMPAIGN "/cancel", ROLE_OPERATOR, "", BODY_NOTHING, JSON, campaigns_cancel},
        {"POST", CAMPAIGN "/approve", ROLE_APPROVER, "", BODY_OPTIONAL, JSON, campaigns_approve},
        {"POST", CAMPAIGN "/retry", ROLE_OPERATOR, "", BODY_OPTIONAL, JSON, campaigns_retry},
        {"GET", TARGETS, ROLE_VIEWER, TARGET_FILTERS "limit cursor ", BODY_IGNORED, JSON, targets_list},
        {"GET", TARGETS, ROLE_VIEWER, TARGET_FILTERS, BODY_IGNORED, "text/csv", targets_export},
        {"GET", TARGET, ROLE_VIEWER, "hub ", BODY_IGNORED, JSON, targets_get},
        {"POST", TARGET "/skip", ROLE_OPERATOR, "hub ", BODY_NOTHING, JSON, targets_skip},
        {"POST", TARGET "/retry", ROLE_OPERATOR, "hub ", BODY_NOTHING, JSON, targets_retry},
        {"GET", CAMPAIGN "/groups", ROLE_VIEWER, "limit cursor ", BODY_IGNORED, JSON, groups_list},
        {"GET", CAMPAIGN "/plan", ROLE_VIEWER, "", BODY_IGNORED, JSON, plan_get},
        {"GET", CAMPAIGN "/progress", ROLE_VIEWER, "bucketSeconds ", BODY_IGNORED, JSON, progress_get},
        {"GET", CAMPAIGN "/events", ROLE_VIEWER, "after limit ", BODY_IGNORED, JSON, events_of_campaign},
        {"GET", CAMPAIGN "/events", ROLE_VIEWER, "after ", BODY_IGNORED, EVENT_STREAM, sse_of_campaign},
        {"GET", "/v1/events", ROLE_VIEWER, "after limit ", BODY_IGNORED, JSON, events_list},
        {"GET", "/v1/events", ROLE_VIEWER, "after ", BODY_IGNORED, EVENT_STREAM, sse_of_all},
        {"GET", "/v1/devices/{deviceId}/history", ROLE_VIEWER, "limit cursor ", BODY_IGNORED, JSON,
         devices_history},
        {"PUT", DEVICE_LIST, ROLE_OPERATOR, "", BODY_IDS, JSON, lists_put},
        {"GET", DEVICE_LIST, ROLE_OPERATOR, "limit cursor ", BODY_IGNORED, JSON, lists_get},
        {"DELETE", DEVICE_LIST, ROLE_OPERATOR, "", BODY_IGNORED, JSON, lists_delete},
        {"POST", SCHEDULES, ROLE_OPERATOR, "", BODY_JSON, JSON, schedules_create},
        {"GET", SCHEDULES, ROLE_VIEWER, "name limit cursor ", BODY_IGNORED, JSON, schedules_list},
        {"GET", SCHEDULE, ROLE_VIEWER, "", BODY_IGNORED, JSON, schedules_get},
        {"PUT", SCHEDULE, ROLE_OPERATOR, "", BODY_JSON, JSON, schedules_put},
        {"DELETE", SCHEDULE, ROLE_OPERATOR, "", BODY_IGNORED, JSON, schedules_delete},
        {"GET", SCHEDULE "/occurrences", ROLE_VIEWER, "count after ", BODY_IGNORED, JSON,
         schedules_occurrences},
        {"POST", SCHEDULE "/run", ROLE_OPERATOR, "", BODY_NOTHING, JSON, schedules_run},
        {"POST", SCHEDULE "/pause", ROLE_OPERATOR, "", BODY_NOTHING, JSON, schedules_pause},
        {"POST", SCHEDULE "/resume", ROLE_OPERATOR, "", BODY_NOTHING, JSON, schedules_resume},
        {"GET", "/v1/system", ROLE_VIEWER, "", BODY_IGNORED, JSON, system_get},
        {"GET", "/v1/audit", ROLE_ADMIN, "limit cursor ", BODY_IGNORED, JSON, audit_list},
        {"GET", "/v1/webhooks", ROLE_ADMIN, "", BODY_IGNORED, JSON, webhooks_list},
        {"GET", DEAD_LETTERS, ROLE_ADMIN, "limit cursor ", BODY_IGNORED, JSON, webhooks_dead_letters},
        {"DELETE", DEAD_LETTERS, ROLE_ADMIN, "", BODY_IGNORED, JSON, webhooks_forget},
        {"GET", "/v1/hubs", ROLE_VIEWER, "", BODY_IGNORED, JSON, system_hubs},
        {"GET", "/metrics", ROLE_METRICS, "", BODY_IGNORED, "text/plain", metrics_get},
        {"GET", "/livez", ROLE_NONE, "", BODY_IGNORED, JSON, system_live},
        {"GET", "/readyz", ROLE_NONE, "", BODY_IGNORED, JSON, system_ready},
        {"GET", "/openapi.yaml", ROLE_NONE, "", BODY_IGNORED, "application/yaml", system_openapi},
        {"GET", "/", ROLE_NONE, "", BODY_IGNORED, "text/html", assets_page},
        {"GET", "/dashboard/{version}/{file}", ROLE_NONE, "", BODY_IGNORED, NULL, assets_file},
};
#define ROUTES_N (sizeof routes / sizeof *routes)

const struct route *routes_all(size_t *ret_n)
{
	*ret_n = ROUTES_N;
	return routes;
}

/* ---- the head: each check replies where it says false; in this order ---- */

/* Whether host ("localhost:8080", "[::1]", "127.0.0.1") names this machine by its loopback. */
static bool is_loopback_host(const char *host)
{
	bool is_bracketed = host[0] == '[';
	size_t len = is_bracketed ? strcspn(++host, "]") : strcspn(host, ":");
	const char *port = host + len;
	char name[64];
	struct in_addr v4;
	struct in6_addr v6;

	if (is_bracketed && *port++ != ']')
		return false;
	if (len >= sizeof name ||
	    (port[0] != '\0' && (port[0] != ':' || port[1 + strspn(port + 1, "0123456789")] != '\0')))
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	if (is_bracketed)
		return inet_pton(AF_INET6, name, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
	if (inet_pton(AF_INET, name, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return strcasecmp(name, "localhost") == 0;
}

/* Where a proxy before us and libmicrohttpd could read the end of a body differently, a second request would
 * hide in it (RFC 9112 6.3, 11.2): the connection ends with the answer. libmicrohttpd itself refuses lengths
 * that are no numbers. */
static bool is_framed_once(struct request *r)
{
	unsigned lengths_n = httpd_header_n(r->exchange, "Content-Length"),
	         codings_n = httpd_header_n(r->exchange, "Transfer-Encoding");
	const char *coding = httpd_header(r->exchange, "Transfer-Encoding");

	if (lengths_n + codings_n <= 1 && (coding == NULL || strcasecmp(coding, "chunked") == 0))
		return true;
	reply_header(r, "Connection", "close");
	reply_problem(r, PROBLEM_MALFORMED,
	              "one Content-Length, or Transfer-Encoding: chunked, and not both");
	return false;
}

/* A page that a browser shows may make its name lead to us (DNS rebinding), or just post here: where tokens
 * do not stop it, the names that browsers send must. */
static bool is_from_here(struct request *r)
{
	const char *host = httpd_header(r->exchange, "Host"), *origin = httpd_header(r->exchange, "Origin");
	unsigned hosts_n = httpd_header_n(r->exchange, "Host");

	if (hosts_n > 1 || (hosts_n == 0 && !httpd_is_http_1_0(r->exchange))) {
		reply_problem(r, PROBLEM_MALFORMED, "exactly one Host header is needed");
		return false;
	}
	if (auth_has_tokens(r->context->auth))
		return true;
	if (host == NULL || !is_loopback_host(host)) {
		reply_problem(r, PROBLEM_FOREIGN_HOST, "Host is not localhost or a loopback address");
		return false;
	}
	if (origin != NULL && strcmp(r->method, "GET") != 0 &&
	    (strncmp(origin, "http://", 7) != 0 || strcasecmp(origin + 7, host) != 0)) {
		reply_problem(r, PROBLEM_FOREIGN_ORIGIN, "Origin is not this service");
		return false;
	}
	return true;
}

static void put_allow(struct buf *allow, const char *method)
{
	if (allow->len > 0 && strstr(allow->data, method) != NULL)
		return; /* another of its representations; no method is part of another's name */
	buf_printf(allow, "%s%s%s", allow->len > 0 ? ", " : "", method,
	           strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

static bool find_route(struct request *r)
{
	struct buf allow = BUF_INIT;
	unsigned likes, most = 0;

	for (size_t i = 0; i < ROUTES_N; i++) {
		if (!request_matches(r, routes[i].pattern))
			continue;
		if (strcmp(routes[i].method, r->method) == 0) {
			likes = routes[i].type != NULL ? request_likes(r, routes[i].type) : 1;
			if (r->route == NULL || likes > most)
				r->route = &routes[i];
			most = likes > most ? likes : most;
		}
		put_allow(&allow, routes[i].method);
	}
	if (r->route != NULL) {
		buf_done(&allow);
		return request_matches(r, r->route->pattern); /* sets the parts, again */
	}
	if (allow.len > 0) {
		reply_header(r, "Allow", allow.data);
		reply_problem(r, PROBLEM_METHOD, "allowed: %s", allow.data);
	} else {
		reply_problem(r, PROBLEM_NOT_FOUND, "no route has this path");
	}
	buf_done(&allow);
	return false;
}

/* A wrong token counts against its address, none at all does not: nothing is guessed with it. A good one is
 * never asked how many wrong ones came from there: behind one address there may be many, and 256 bits cannot
 * be guessed anyway. */
static void refuse_login(struct request *r, const char *authorization, const char *reason)
{
	char address[HTTPD_ADDRESS_SIZE], wait[16];
	uint32_t wait_s = 0;

	if (authorization != NULL) {
		httpd_address(r->exchange, address);
		wait_s = logins_failed(r->context->logins, address, clock_mono_ms());
		r->context->failed_logins++;
	}
	if (wait_s > 0) {
		snprintf(wait, sizeof wait, "%u", wait_s);
		reply_header(r, "Retry-After", wait);
		reply_problem(r, PROBLEM_TOO_MANY_LOGINS, "wait %u s before you try another token", wait_s);
		return;
	}
	if (authorization != NULL) /* so that a flood of them is no flood of lines */
		log_info("a token was refused", LS("address", address), LS("request", r->id),
		         LS("reason", reason));
	reply_header(r, "WWW-Authenticate",
	             authorization == NULL ? "Bearer realm=\"rollcall\""
	                                   : "Bearer realm=\"rollcall\", error=\"invalid_token\"");
	reply_problem(r, PROBLEM_UNAUTHENTICATED, "Authorization: Bearer <token>; of this one: %s", reason);
}

static bool may(struct request *r)
{
	const char *authorization = httpd_header(r->exchange, "Authorization");
	char reason[AUTH_REASON_SIZE];

	if (r->route->role == ROLE_NONE)
		return true;
	switch (auth_login(r->context->auth, authorization, r->now_ms, &r->who, reason)) {
	case LOGIN_GOOD:
		break;
	case LOGIN_BAD:
		refuse_login(r, authorization, reason);
		return false;
	case LOGIN_LATER:
		reply_problem(r, PROBLEM_ISSUER, "the issuer is being asked for them");
		return false;
	}
	if (r->who.role < r->route->role) {
		reply_problem(r, PROBLEM_FORBIDDEN, "role %s is needed, the token's is %s",
		              role_text(r->route->role), role_text(r->who.role));
		return false;
	}
	return true;
}

static bool is_acceptable(struct request *r)
{
	struct buf types = BUF_INIT;

	if (r->route->type == NULL || request_likes(r, r->route->type) > 0)
		return true;
	for (const struct route *other = routes; other < routes + ROUTES_N; other++)
		if (strcmp(other->pattern, r->route->pattern) == 0 &&
		    strcmp(other->method, r->route->method) == 0)
			buf_printf(&types, "%s%s", types.len > 0 ? " or " : "", other->type);
	reply_problem(r, PROBLEM_NOT_ACCEPTABLE, "only %s is served here", types.data);
	buf_done(&types);
	return false;
}

static bool is_open(struct request *r)
{
	if (strcmp(r->method, "GET") == 0 || !conductor_is_draining(r->context->conductor))
		return true;
	reply_problem(r, PROBLEM_DRAINING, "no new orders are taken");
	return false;
}

static bool is_name(const char *text, size_t len, const char *name)
{
	return len == strlen(name) && strncasecmp(text, name, len) == 0;
}

/* Whether type is name, perhaps with charset=utf-8 (RFC 8259 knows no other, and neither do we). */
static bool is_type(const char *type, const char *name)
{
	size_t len = strcspn(type, "; \t");

	if (!is_name(type, len, name))
		return false;
	type += len;
	type += strspn(type, "; \t");
	return type[0] == '\0' || strcasecmp(type, "charset=utf-8") == 0 ||
	       strcasecmp(type, "charset=\"utf-8\"") == 0;
}

/* The types of body that a rule allows, up to a NULL. */
static const char *const *types_of(enum body_rule rule)
{
	static const char *const json[] = {JSON, NULL}, *const patch[] = {MERGE_PATCH, JSON, NULL},
	                         *const ids[] = {"text/plain", "text/csv", NULL};

	return rule == BODY_IDS ? ids : rule == BODY_PATCH ? patch : json;
}

static bool has_fit_type(struct request *r)
{
	const char *type = httpd_header(r->exchange, "Content-Type");
	const char *const *types = types_of(r->route->body);
	struct buf names = BUF_INIT;

	for (size_t i = 0; types[i] != NULL; i++) {
		if (type != NULL && is_type(type, types[i])) {
			buf_done(&names);
			return true;
		}
		buf_printf(&names, "%s%s", i > 0 ? " or " : "", types[i]);
	}
	if (r->route->body == BODY_PATCH)
		reply_header(r, "Accept-Patch", MERGE_PATCH ", " JSON);
	reply_problem(r, PROBLEM_MEDIA_TYPE, "Content-Type must be %s", names.data);
	buf_done(&names);
	return false;
}

static bool has_fit_body(struct request *r)
{
	const char *length = httpd_header(r->exchange, "Content-Length");
	bool is_chunked = httpd_header(r->exchange, "Transfer-Encoding") != NULL;
	bool has_body = is_chunked || (length != NULL && strcmp(length, "0") != 0);
	enum body_rule rule = r->route->body;
	bool needs_body = rule == BODY_JSON || rule == BODY_PATCH || rule == BODY_IDS;

	if (needs_body && length == NULL && !is_chunked) {
		reply_problem(r, PROBLEM_NO_LENGTH, "neither Content-Length nor Transfer-Encoding: chunked");
		return false;
	}
	return rule == BODY_IGNORED || (!has_body && rule != BODY_IDS) || has_fit_type(r);
}

/* Whether name is one of names, each of which has a space after it. */
static bool is_listed(const char *name, const char *names)
{
	for (size_t len; *names != '\0'; names += len + 1) {
		len = strcspn(names, " ");
		if (strlen(name) == len && memcmp(name, names, len) == 0)
			return true;
	}
	return false;
}

static bool knows_params(struct request *r)
{
	struct faults faults = FAULTS_INIT;

	for (size_t i = 0; i < r->params_n; i++)
		if (!is_listed(r->params[i].name, r->route->params))
			faults_add(&faults, r->params[i].name, "is not known here");
	if (faults.n == 0)
		return true;
	reply_faults(r, PROBLEM_PARAMETER, &faults);
	return false;
}

static void *on_head(void *arg, struct exchange *x)
{
	struct request *r = request_new(arg, x, clock_now_ms());

	if (!is_framed_once(r) || !request_read_target(r) || !is_from_here(r) || !find_route(r) || !may(r) ||
	    !is_acceptable(r) || !is_open(r) || !has_fit_body(r) || !knows_params(r))
		assert(r->status > 0);
	else if (r->route->body == BODY_IDS)
		lists_begin(r);
	return r;
}

/* ---- the rest ---- */

static bool is_nothing(struct request *r)
{
	struct faults faults = FAULTS_INIT;
	char reason[JSON_REASON_SIZE];
	size_t len, at;
	const char *body = httpd_body(r->exchange, &len);

	if (json_nothing(body, len, &faults, &at, reason) == ERR_OK)
		return true;
	reply_bad_body(r, &faults, at, reason);
	return false;
}

static void on_part(void *request, const char *data, size_t n)
{
	lists_part(request, data, n);
}

static void on_body(void *request, enum httpd_body how)
{
	struct request *r = request;

	switch (how) {
	case HTTPD_BODY_TOO_LARGE:
		reply_problem(r, PROBLEM_TOO_LARGE, "at most %s", r->ids != NULL ? "256 MiB" : "8 MiB");
		lists_forget(r);
		return;
	case HTTPD_BODY_NO_ROOM:
		reply_problem(r, PROBLEM_BUSY, "too many bodies are being received");
		return;
	case HTTPD_BODY_WHOLE:
		break;
	}
	if (r->route->body == BODY_NOTHING && !is_nothing(r))
		return;
	r->route->handler(r);
}

static void on_room(void *request)
{
	struct request *r = request;

	r->streamer->on_room(r);
}

static void on_end(void *request)
{
	struct request *r = request;

	if (r->streamer != NULL)
		r->streamer->on_end(r);
	log_debug("request", LS("request", r->id), LS("method", httpd_method(r->exchange)),
	          LS("path", r->path), LI("status", r->status), LS("by", r->who.name),
	          LI("took_ms", clock_now_ms() - r->now_ms));
	lists_forget(r);
	request_free(r);
}

static void on_time(void *arg)
{
	const struct context *context = arg;

	sse_run(context->sse);
}

const struct httpd_events routes_events = {on_head, on_part, on_body, on_room, on_end, on_time};
