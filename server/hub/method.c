/* hub: direct methods (contract 2). */
#include <stdlib.h>

#include <jansson.h>

#include "server/hub/plain.h"
#include "server/hub/rest.h"

/* A device may answer 128 KB (contract 2.2); escapes make it longer. */
#define ANSWER_BYTES_MAX (1024 * 1024)

/* Reads {"status":200,"payload":…} where it is written plainly. */
static bool read_plainly(const struct http_answer *http, int32_t *ret_status, struct buf *ret_payload)
{
	const char *at = http->body, *end = at + http->body_bytes;
	const struct plain *status, *payload;
	struct plain_object answer;

	if (!plain_object(&at, end, &answer) || !plain_is_over(at, end))
		return false;
	status = plain_get(&answer, "status");
	payload = plain_get(&answer, "payload");
	if (status == NULL || status->type != PLAIN_INTEGER || status->integer < INT32_MIN ||
	    status->integer > INT32_MAX)
		return false;
	*ret_status = (int32_t)status->integer;
	if (payload != NULL && payload->type != PLAIN_NULL)
		plain_put(payload, ret_payload);
	return true;
}

/* The same however it is written. */
static bool read_method_answer(const struct http_answer *http, int32_t *ret_status, struct buf *ret_payload)
{
	char *text;

	json_t *body = json_loadb(http->body, http->body_bytes, JSON_ALLOW_NUL, NULL);
	const json_t *status = json_object_get(body, "status"), *payload = json_object_get(body, "payload");
	bool is_sound = json_is_integer(status) && json_integer_value(status) >= INT32_MIN &&
	                json_integer_value(status) <= INT32_MAX;

	if (is_sound) {
		*ret_status = (int32_t)json_integer_value(status);
		if (payload != NULL && !json_is_null(payload)) {
			text = json_dumps(payload, JSON_COMPACT | JSON_ENCODE_ANY);
			if (text != NULL)
				buf_puts(ret_payload, text);
			free(text);
		}
	}
	json_decref(body);
	return is_sound;
}

static void on_method_answer(void *arg, const struct http_answer *http)
{
	struct exchange *x = arg;
	struct hub_answer answer;
	struct buf payload = BUF_INIT;

	rest_read(x, http, outcome_of_call, &answer);
	if (answer.outcome == HUB_ANSWERED && !read_plainly(http, &answer.method_status, &payload) &&
	    !read_method_answer(http, &answer.method_status, &payload))
		rest_misread(&answer, HUB_AMBIGUOUS, "answered, but not with a device's status");
	answer.payload = payload.data;
	rest_finish(x, &answer);
	buf_done(&payload);
}

static void put_call(const struct hub_call *call, struct buf *out)
{
	buf_puts(out, "{\"methodName\":");
	buf_json(out, call->method_name);
	buf_puts(out, ",\"responseTimeoutInSeconds\":");
	buf_dec(out, call->response_timeout_s);
	buf_puts(out, ",\"connectTimeoutInSeconds\":");
	buf_dec(out, call->connect_timeout_s);
	buf_puts(out, ",\"payload\":");
	buf_put(out, call->payload, call->payload_bytes);
	buf_putc(out, '}');
}

enum err hub_invoke(struct hub *h, const struct hub_call *call, hub_answer_cb *on_answer, void *arg)
{
	struct buf path = BUF_INIT, body = BUF_INIT;
	struct exchange *x;
	enum err err = rest_put_twin_path(call->device_id, &path);

	if (err == ERR_OK) {
		buf_puts(&path, "/methods" REST_API_VERSION);
		put_call(call, &body);
		x = rest_exchange(h, NULL, NULL, on_answer, arg);
		x->may_begin = call->may_begin;
		err = rest_send(
		        x,
		        &(struct http_request){.method = "POST",
		                               .path = path.data,
		                               .content_type = "application/json; charset=utf-8",
		                               .body = body.data,
		                               .body_bytes = body.len,
		                               .timeout_ms = hub_call_timeout_ms(call->response_timeout_s,
		                                                                 call->connect_timeout_s),
		                               .answer_max_bytes = ANSWER_BYTES_MAX,
		                               .may_begin = rest_may_begin},
		        on_method_answer);
	}
	buf_done(&body);
	buf_done(&path);
	return err;
}
