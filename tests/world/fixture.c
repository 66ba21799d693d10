/* world: see fixture.h */
#include "tests/world/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fixture_init(struct fixture *f)
{
	*f = (struct fixture){.w = NULL};
	world_options_init(&f->options);
	f->options.devices_n = 10;
}

static void on_entry(void *arg, const struct world_entry *e)
{
	struct fixture *f = arg;

	buf_printf(&f->journal, "%lld %s %s %s %s %d %s\n", (long long)(e->at_ms - f->options.start_ms),
	           world_entry_text(e->kind), e->device_id, e->method != NULL ? e->method : "-",
	           e->attempt_id != NULL ? e->attempt_id : "-", e->status,
	           e->payload != NULL ? e->payload : "-");
}

void fixture_open(struct fixture *f)
{
	f->w = world_new(&f->options);
	f->now_ms = f->options.start_ms;
	world_on_journal(f->w, on_entry, f);
}

void fixture_done(struct fixture *f)
{
	struct reply *r;

	world_free(f->w);
	buf_done(&f->journal);
	while ((r = f->replies) != NULL) {
		f->replies = r->next;
		free(r->body);
		free(r->error_code);
		free(r->continuation);
		free(r->item_type);
		free(r->etag);
		json_decref(r->json);
		free(r);
	}
}

static char *copy(const char *text)
{
	return text != NULL ? xstrdup(text) : NULL;
}

static void on_answer(void *arg, void *ticket, const struct world_answer *a)
{
	struct fixture *f = arg;
	struct reply *r = ticket;

	(void)f;
	ck_assert(!r->is_answered);
	r->is_answered = true;
	r->is_cut = a->is_cut;
	r->closes = a->closes;
	r->status = a->status;
	r->retry_after_s = a->retry_after_s;
	r->date_ms = a->date_ms;
	r->body = xstrndup(a->body, a->body_bytes);
	r->error_code = copy(a->error_code);
	r->continuation = copy(a->continuation);
	r->item_type = copy(a->item_type);
	r->etag = copy(a->etag);
	r->json = json_loads(r->body, 0, NULL);
}

struct reply *send_request(struct fixture *f, const struct world_request *request)
{
	struct reply *r = xcalloc(1, sizeof *r);

	r->next = f->replies;
	f->replies = r;
	world_request(f->w, f->now_ms, request, r);
	ck_assert(!r->is_answered);
	return r;
}

struct reply *send_simple(struct fixture *f, const char *verb, const char *path, const char *body)
{
	return send_request(f, &(struct world_request){.method = verb,
	                                               .path = path,
	                                               .body = body,
	                                               .body_bytes = body != NULL ? strlen(body) : 0});
}

void run_to(struct fixture *f, int64_t now_ms)
{
	world_run(f->w, now_ms, on_answer, f);
	f->now_ms = now_ms;
}

struct reply *wait_for(struct fixture *f, struct reply *reply)
{
	int64_t until_ms = f->now_ms + 600000, next_ms;

	while (!reply->is_answered) {
		next_ms = world_next_at(f->w);
		ck_assert_msg(next_ms <= until_ms, "no answer");
		run_to(f, next_ms > f->now_ms ? next_ms : f->now_ms);
		if (reply->is_answered)
			reply->at_ms = f->now_ms;
	}
	return reply;
}

struct reply *ask(struct fixture *f, const char *verb, const char *path, const char *body)
{
	return wait_for(f, send_simple(f, verb, path, body));
}

struct reply *ask_query(struct fixture *f, const char *query, const char *max_item_count,
                        const char *continuation)
{
	struct buf body = BUF_INIT;
	struct reply *r;

	buf_puts(&body, "{\"query\":");
	buf_json(&body, query);
	buf_putc(&body, '}');
	r = send_request(f, &(struct world_request){.method = "POST",
	                                            .path = "/devices/query?" API,
	                                            .max_item_count = max_item_count,
	                                            .continuation = continuation,
	                                            .body = body.data,
	                                            .body_bytes = body.len});
	buf_done(&body);
	return wait_for(f, r);
}

struct reply *send_reboot(struct fixture *f, const char *device_id, const char *attempt_id, int response_s,
                          int connect_s)
{
	char path[200], body[300], payload[100] = "null";

	if (attempt_id != NULL)
		snprintf(payload, sizeof payload, "{\"attemptId\":\"%s\"}", attempt_id);
	snprintf(path, sizeof path, "/twins/%s/methods?" API, device_id);
	snprintf(body, sizeof body,
	         "{\"methodName\":\"reboot\",\"responseTimeoutInSeconds\":%d,\"connectTimeoutInSeconds\":%d,"
	         "\"payload\":%s}",
	         response_s, connect_s, payload);
	return send_simple(f, "POST", path, body);
}

const char *at(const json_t *json, const char *path)
{
	static char text[65536];
	char *dump;

	while (json != NULL && *path != '\0') {
		size_t len = strcspn(path, ".");
		char key[128];

		ck_assert_uint_lt(len, sizeof key);
		memcpy(key, path, len);
		key[len] = '\0';
		json = json_is_array(json) ? json_array_get(json, (size_t)atoi(key))
		                           : json_object_get(json, key);
		path += len + (path[len] == '.');
	}
	text[0] = '\0';
	dump = json != NULL ? json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	if (dump != NULL)
		snprintf(text, sizeof text, "%s", dump);
	free(dump);
	return text;
}

const char *error_of(const struct reply *reply)
{
	static char text[128];
	const char *message = json_string_value(json_object_get(reply->json, "Message"));
	json_t *inner = message != NULL && *message == '{' ? json_loads(message, 0, NULL) : NULL;
	const json_t *code = json_object_get(inner != NULL ? inner : reply->json, "errorCode");

	text[0] = '\0';
	if (code != NULL)
		snprintf(text, sizeof text, "%d", (int)json_integer_value(code));
	else if (message != NULL)
		sscanf(message, "ErrorCode:%127[^;]", text);
	json_decref(inner);
	return text;
}

unsigned told(const struct fixture *f, const char *text)
{
	unsigned n = 0;

	for (const char *found = f->journal.data; found != NULL && (found = strstr(found, text)) != NULL; n++)
		found += strlen(text);
	return n;
}
