/* tests: requests from their parts on under libFuzzer: routes, roles, parameters, cursors, If-Match, patches,
 * bodies and Last-Event-ID, through the real api over the doubles of store and conductor. Whatever comes is
 * answered once; with a status of 400 and up by a problem that says so, with JSON that is JSON, with events
 * in order, of those after Last-Event-ID, or a reset; with less than 400 only for who may; a body that is
 * said to end in two ways is never looked at; and the link to the next page that an answer holds is taken.
 * The input is a request as text; with '!' before it the service has no tokens. */
#include <assert.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jansson.h>

#include "api/auth.h"
#include "api/handlers.h"
#include "api/logins.h"
#include "api/request.h"
#include "api/routes.h"
#include "api/sse.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/feed.h"
#include "tests/fuzz/exchange.h"
#include "tests/lib/fake_conductor.h"
#include "tests/lib/fake_store.h"
#include "tests/lib/fake_webhooks.h"
#include "tests/lib/later.h"

#define TURNS_MAX 1000
#define PAGES_MAX 12
#define EVENTS_FIRST 4
#define EVENTS_LAST 9

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Tokens are "viewer-token" and so on. */
static const char tokens[] = "[{\"name\":\"metrics\",\"role\":\"metrics\",\"sha256\":"
                             "\"eb5a63e42b6b498364b3f10d5c3bb71cd8c7a7a9ad16524875557fa2e52f5d41\"},"
                             "{\"name\":\"viewer\",\"role\":\"viewer\",\"sha256\":"
                             "\"d036bd6d01a1cae081d39a2f8dab751dc042de814fd60df31fcb553170950f29\"},"
                             "{\"name\":\"operator\",\"role\":\"operator\",\"sha256\":"
                             "\"0850123315d21ab90f4f7236408a52ef6dbd6a02a6550e5c10dc73f4d993680e\"},"
                             "{\"name\":\"approver\",\"role\":\"approver\",\"sha256\":"
                             "\"697e4faac709ff91018bf81268f62b015913da0d39c2e58eb4ee5dbffc4da325\"},"
                             "{\"name\":\"admin\",\"role\":\"admin\",\"sha256\":"
                             "\"10a4c7c9fc5206d6f36dc6944a81bb6f4a3cb0e25014ae3b12e6c3e52712292a\"}]";
static const char spec[] = "{\"name\":\"n\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true},"
                           "\"rollout\":{\"waves\":[{\"upToCount\":1},{\"upToPercent\":100}]}}";

static struct auth *without_tokens, *with_tokens;

static void once(void)
{
	char path[64], *reason;
	int fd = memfd_create("tokens", MFD_CLOEXEC);

	log_setup(LOG_ERROR, false, STDERR_FILENO);
	assert(write(fd, tokens, sizeof tokens - 1) == sizeof tokens - 1);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	assert(auth_load(path, &with_tokens, &reason) == ERR_OK);
	assert(auth_load(NULL, &without_tokens, &reason) == ERR_OK);
	close(fd);
}

/* ---- what there is: two campaigns, one of them live, targets, events, a list, the record of orders ---- */

struct place {
	struct context context;
	struct conductor conductor;
	struct histogram lag;
	struct webhooks webhooks;
};

static void fill(struct place *p)
{
	static const char *const ids[] = {"dev-1", "dev-2", "dev-3"};
	struct store *s = p->context.store;
	struct campaign_row *row = fake_store_add_campaign(s, "c1", spec);

	row->waves_n = 2;
	fake_store_add_group(s, 1, "gbg", 2);
	for (size_t i = 0; i < 3; i++) {
		struct target_row *t = fake_store_add_target(s, 1, ids[i]);

		t->state = i == 2 ? TARGET_FAILED : TARGET_WAITING;
		t->reason = i == 2 ? REASON_NO_PROOF : REASON_NONE;
		row->counts.state[t->state]++;
		row->counts.reason[t->reason]++;
		row->counts.wait[WAIT_NONE] += t->state == TARGET_WAITING;
	}
	fake_conductor_set_live(&p->conductor, row);
	fake_store_add_campaign(s, "c2", spec)->state = CAMPAIGN_COMPLETED;
	for (uint64_t id = EVENTS_FIRST; id <= EVENTS_LAST; id++)
		fake_store_add_event(s, &(struct event){.id = id,
		                                        .at_ms = 1000,
		                                        .type = EVENT_TARGET,
		                                        .campaign = 1,
		                                        .device_id = "dev-1",
		                                        .to = TARGET_INVOKING,
		                                        .attempt = 1});
	fake_store_add_list(s, "tills", ids, 3, 1000, "eva");
	for (uint64_t no = 1; no <= 3; no++)
		fake_store_add_audit(
		        s, &(struct audit_row){.no = no,
		                               .at_ms = 1000,
		                               .text = {"eva", "operator", "::1", "POST",
		                                        "/v1/campaigns/c1/pause", "r1", "c1", "", ""}});
}

static void make(struct place *p, bool has_tokens)
{
	*p = (struct place){.context = {.auth = has_tokens ? with_tokens : without_tokens,
	                                .logins = logins_new(),
	                                .loop_lag = &p->lag,
	                                .lists_max_bytes = 1 << 20,
	                                .connections_max = 8,
	                                .streams_max = 8}};
	rng_seed(&p->context.luck, 1);
	LIST_INIT(&p->context.creating);
	p->context.store = fake_store_new();
	fake_conductor_init(&p->conductor, p->context.store);
	p->conductor.preview_json = "{\"targets\":{}}";
	p->context.conductor = &p->conductor;
	p->context.feed = feed_new(EVENTS_LAST);
	fill(p);
	p->context.sse = sse_new(&p->context, 8, 15000);
}

static void done(struct place *p)
{
	while (later_run() > 0)
		;
	sse_free(p->context.sse);
	feed_free(p->context.feed);
	fake_conductor_done(&p->conductor);
	fake_store_free(p->context.store);
	logins_free(p->context.logins);
}

/* ---- what is answered ---- */

static void check_problem(const struct exchange *x, const json_t *body)
{
	const json_t *errors = json_object_get(body, "errors"), *one;
	size_t i;

	assert(strcmp(exchange_answered(x, "Content-Type"), "application/problem+json") == 0);
	assert(json_integer_value(json_object_get(body, "status")) == (json_int_t)x->status);
	assert(json_string_length(json_object_get(body, "type")) > 0);
	assert(json_string_length(json_object_get(body, "title")) > 0);
	assert(json_string_length(json_object_get(body, "code")) > 0);
	json_array_foreach (errors, i, one) {
		assert(json_is_string(json_object_get(one, "pointer")) ||
		       json_is_string(json_object_get(one, "parameter")));
		assert(json_string_length(json_object_get(one, "detail")) > 0);
	}
	assert(errors == NULL || json_array_size(errors) > 0);
}

/* Each event is after the one before, and the first after the place that was asked for, unless a reset says
 * that this cannot be. */
static void check_stream(const struct exchange *x)
{
	const char *given = httpd_header(x, "Last-Event-ID");
	uint64_t at = given != NULL ? strtoull(given, NULL, 10) : 0, id;
	const char *from = x->sent.data;
	char type[16];
	int n;

	assert(strncmp(from, "retry: ", 7) == 0);
	for (from = strstr(from, "\n\n") + 2; *from != '\0'; from = strstr(from, "\n\n") + 2) {
		json_t *data;
		const char *text;

		assert(sscanf(from, "id: %" SCNu64 "\nevent: %15[a-zA-Z]\ndata: %n", &id, type, &n) == 2);
		text = from + n;
		data = json_loadb(text, strcspn(text, "\n"), 0, NULL);
		assert(data != NULL);
		json_decref(data);
		assert(strcmp(type, "reset") == 0 || id > at);
		assert(id >= EVENTS_FIRST - 1 && id <= EVENTS_LAST);
		at = id;
	}
	assert(at == EVENTS_LAST || strstr(x->target, "/campaigns/") != NULL);
}

/* Whether the one who asks may what the route needs. */
static void check_role(const struct exchange *x, const struct route *route)
{
	static const char *const bearers[] = {[ROLE_NONE] = "",
	                                      [ROLE_METRICS] = "metrics-token",
	                                      [ROLE_VIEWER] = "viewer-token",
	                                      [ROLE_OPERATOR] = "operator-token",
	                                      [ROLE_APPROVER] = "approver-token",
	                                      [ROLE_ADMIN] = "admin-token"};
	const char *shown = httpd_header(x, "Authorization");
	bool may = route->role == ROLE_NONE;

	for (enum role role = route->role; role <= ROLE_ADMIN && !may; role++)
		may = shown != NULL && strstr(shown, bearers[role]) != NULL;
	assert(may);
}

/* Gives the link to the next page, to be freed; NULL: there is none. */
static char *check(const struct exchange *x, const struct route *route, bool has_tokens)
{
	const char *type = exchange_answered(x, "Content-Type"), *next;
	char *ret = NULL;
	json_t *body;

	assert(x->status != 0 && !x->is_broken);
	if (x->status < 400) {
		assert(route != NULL);
		assert(httpd_header_n(x, "Content-Length") + httpd_header_n(x, "Transfer-Encoding") <= 1);
		if (has_tokens)
			check_role(x, route);
	}
	if (x->status == 204 || x->status == 304) {
		assert(x->sent.len == 0);
		return NULL;
	}
	if (type != NULL && strncmp(type, "text/event-stream", 17) == 0)
		check_stream(x);
	if (x->status < 400 && (type == NULL || strncmp(type, "application/json", 16) != 0))
		return NULL;
	body = json_loadb(x->sent.data, x->sent.len, JSON_REJECT_DUPLICATES, NULL);
	assert(body != NULL);
	if (x->status >= 400)
		check_problem(x, body);
	next = json_string_value(json_object_get(body, "nextLink"));
	ret = next != NULL ? xstrdup(next) : NULL;
	json_decref(body);
	return ret;
}

/* ---- one request ---- */

/* What a real one does with a body that nobody wants any more: nothing. */
static void give_body(struct exchange *x, void *request)
{
	size_t half = x->body_bytes / 2;

	if (x->wants_parts && half > 0)
		routes_events.on_part(request, x->body, half);
	if (x->wants_parts && x->status == 0 && x->body_bytes > half)
		routes_events.on_part(request, x->body + half, x->body_bytes - half);
	if (x->status == 0)
		routes_events.on_body(request, HTTPD_BODY_WHOLE);
}

static char *ask(struct place *p, struct exchange *x, bool has_tokens)
{
	struct request *r = routes_events.on_head(&p->context, x);
	char *next;
	size_t had;
	int turns = 0;

	if (x->status == 0)
		give_body(x, r);
	while (later_run() > 0 && turns++ < TURNS_MAX)
		;
	while (x->is_stream && !x->has_ended && turns++ < TURNS_MAX) {
		had = x->sent.len;
		routes_events.on_room(r);
		while (later_run() > 0 && turns++ < TURNS_MAX)
			;
		if (x->sent.len == had)
			break; /* all that there is */
	}
	assert(turns < TURNS_MAX);
	next = check(x, r->route, has_tokens);
	routes_events.on_end(r);
	return next;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	bool has_tokens = n == 0 || data[0] != '!';
	struct exchange x;
	struct place p;
	char *next = NULL;

	if (with_tokens == NULL)
		once();
	if (!exchange_read(&x, (const char *)data + !has_tokens, n - !has_tokens))
		return 0;
	make(&p, has_tokens);
	for (int page = 0; page < PAGES_MAX; page++) {
		char *link = ask(&p, &x, has_tokens);

		assert(page == 0 || x.status == 200);
		free(next);
		next = link;
		exchange_done(&x);
		if (next == NULL || !exchange_read(&x, (const char *)data + !has_tokens, n - !has_tokens))
			break;
		x.target = next;
	}
	free(next);
	done(&p);
	return 0;
}
