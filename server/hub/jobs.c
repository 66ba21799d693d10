/* hub: jobs (contract 5): one request that has the hub call a method on many devices, and what became of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "server/base/clock.h"
#include "server/hub/rest.h"
#include "server/hub/where.h"

#define JOB_BYTES_MAX (1024 * 1024)
#define JOB_TIMEOUT_MS 30000

/* --- one job --- */

/* Statuses of contract 5.1; one that is not known goes on. */
static enum hub_job_stage stage_of(const char *status)
{
	static const char *const ended[] = {"completed", "failed", "cancelled"};

	if (status == NULL || strcmp(status, "unknown") == 0)
		return HUB_JOB_UNKNOWN;
	for (size_t i = 0; i < sizeof ended / sizeof *ended; i++)
		if (strcmp(status, ended[i]) == 0)
			return HUB_JOB_ENDED;
	return HUB_JOB_GOING;
}

static bool read_job(const struct http_answer *http, struct hub_answer *ret)
{
	json_t *job = json_loadb(http->body, http->body_bytes, JSON_ALLOW_NUL, NULL);
	const json_t *count = json_object_get(json_object_get(job, "deviceJobStatistics"), "deviceCount");
	bool is_job = json_is_object(job);

	ret->job_stage = stage_of(json_string_value(json_object_get(job, "status")));
	ret->job_devices_n = json_is_integer(count) && json_integer_value(count) >= 0
	                             ? (size_t)json_integer_value(count)
	                             : SIZE_MAX;
	json_decref(job);
	return is_job;
}

/* What starts a job may make devices act, as a call may; a 200 whose body is no job did so too. */
static void on_start_answer(void *arg, const struct http_answer *http)
{
	struct exchange *x = arg;
	struct hub_answer answer;

	rest_read(x, http, outcome_of_call, &answer);
	if (answer.outcome == HUB_ANSWERED && !read_job(http, &answer))
		rest_misread(&answer, HUB_AMBIGUOUS, "answered, but not with a job");
	rest_finish(x, &answer);
}

static void on_read_answer(void *arg, const struct http_answer *http)
{
	struct exchange *x = arg;
	struct hub_answer answer;

	rest_read(x, http, outcome_of_read, &answer);
	if (answer.outcome == HUB_ANSWERED && !read_job(http, &answer))
		rest_misread(&answer, HUB_TROUBLE, "answered, but not with a job");
	rest_finish(x, &answer);
}

static void put_path(const char *id, struct buf *out)
{
	buf_printf(out, "/jobs/v2/%s" REST_API_VERSION, id);
}

size_t hub_job_bytes(const char *device_id)
{
	size_t n = 3; /* quotes and comma */

	for (; *device_id != '\0'; device_id++)
		n += *device_id == '\'' || *device_id == '\\' ? 2 : 1;
	return n;
}

static void put_job(const struct hub_job *job, struct buf *out)
{
	struct buf condition = BUF_INIT;

	for (size_t i = 0; i < job->devices_n; i++) {
		buf_puts(&condition, i > 0 ? "," : "deviceId IN [");
		where_quote(job->device_ids[i], &condition);
	}
	buf_putc(&condition, ']');
	buf_printf(
	        out,
	        "{\"jobId\":\"%s\",\"type\":\"scheduleDeviceMethod\",\"cloudToDeviceMethod\":{\"methodName\":",
	        job->id);
	buf_json(out, job->method_name);
	buf_printf(out, ",\"responseTimeoutInSeconds\":%u,\"connectTimeoutInSeconds\":%u,\"payload\":%s}",
	           job->response_timeout_s, job->connect_timeout_s, job->payload);
	buf_puts(out, ",\"queryCondition\":");
	buf_json_n(out, condition.data, condition.len);
	buf_printf(out, ",\"maxExecutionTimeInSeconds\":%u}", job->time_max_s);
	buf_done(&condition);
}

enum err hub_job_start(struct hub *h, const struct hub_job *job, hub_answer_cb *on_answer, void *arg)
{
	struct buf path = BUF_INIT, body = BUF_INIT;
	struct exchange *x;
	enum err err;

	put_path(job->id, &path);
	put_job(job, &body);
	x = rest_exchange(h, NULL, NULL, on_answer, arg);
	x->may_begin = job->may_begin;
	err = rest_send(x,
	                &(struct http_request){.method = "PUT",
	                                       .path = path.data,
	                                       .content_type = "application/json; charset=utf-8",
	                                       .body = body.data,
	                                       .body_bytes = body.len,
	                                       .timeout_ms = JOB_TIMEOUT_MS,
	                                       .answer_max_bytes = JOB_BYTES_MAX,
	                                       .may_begin = rest_may_begin},
	                on_start_answer);
	buf_done(&path);
	buf_done(&body);
	return err;
}

enum err hub_job_read(struct hub *h, const char *id, hub_answer_cb *on_answer, void *arg)
{
	struct buf path = BUF_INIT;
	enum err err;

	put_path(id, &path);
	err = rest_send(rest_exchange(h, NULL, NULL, on_answer, arg),
	                &(struct http_request){.method = "GET",
	                                       .path = path.data,
	                                       .timeout_ms = JOB_TIMEOUT_MS,
	                                       .answer_max_bytes = JOB_BYTES_MAX},
	                on_read_answer);
	buf_done(&path);
	return err;
}

/* --- its rows --- */

/* What an error in a row says of the device: only what surely means that it was not called is believed; all
 * others, GatewayTimeout and the job's own end among them, may have acted. */
static enum hub_outcome outcome_of_row(const char *code)
{
	static const struct {
		const char *code;
		enum hub_outcome outcome;
	} rows[] = {
	        {"DeviceNotOnline", HUB_OFFLINE},
	        {"DeviceNotFound", HUB_GONE},
	        {"DeviceDisabled", HUB_GONE},
	        {"IotHubQuotaExceeded", HUB_QUOTA},
	};

	for (size_t i = 0; code != NULL && i < sizeof rows / sizeof *rows; i++)
		if (strcmp(rows[i].code, code) == 0)
			return rows[i].outcome;
	return HUB_AMBIGUOUS;
}

static void read_outcome(const json_t *row, struct hub_answer *ret)
{
	const json_t *response = json_object_get(json_object_get(row, "outcome"), "deviceMethodResponse");
	const json_t *status = json_object_get(response, "status"),
	             *payload = json_object_get(response, "payload");

	if (!json_is_integer(status) || json_integer_value(status) < INT32_MIN ||
	    json_integer_value(status) > INT32_MAX) {
		rest_misread(ret, HUB_AMBIGUOUS, "the job's row has no device's status");
		return;
	}
	ret->outcome = HUB_ANSWERED;
	ret->method_status = (int32_t)json_integer_value(status);
	if (payload != NULL && !json_is_null(payload))
		ret->payload = json_dumps(payload, JSON_COMPACT | JSON_ENCODE_ANY);
	ret->answer_bytes = ret->payload != NULL ? strlen(ret->payload) : 0;
}

static bool read_row(const json_t *json, const struct hub_answer *page, struct hub_job_row *ret)
{
	const char *status = json_string_value(json_object_get(json, "status"));
	const json_t *error = json_object_get(json, "error");
	const char *code = json_string_value(json_object_get(error, "code"));
	const char *text = json_string_value(json_object_get(error, "description"));

	*ret = (struct hub_job_row){.device_id = json_string_value(json_object_get(json, "deviceId")),
	                            .is_final = stage_of(status) == HUB_JOB_ENDED};
	ret->answer.http_status = page->http_status;
	ret->answer.hub_at_ms = page->hub_at_ms;
	ret->answer.retry_after_ms = TIME_NONE;
	ret->answer.detail = text != NULL ? text : "";
	if (ret->device_id == NULL || status == NULL)
		return false;
	if (strcmp(status, "completed") == 0) {
		read_outcome(json, &ret->answer);
		return true;
	}
	ret->answer.outcome = outcome_of_row(code);
	snprintf(ret->answer.error.name, sizeof ret->answer.error.name, "%s", code != NULL ? code : "");
	return true;
}

static void read_rows(const json_t *page, struct hub_answer *answer)
{
	struct hub_job_row *rows = xcalloc(json_array_size(page), sizeof *rows);
	const json_t *row;
	size_t i;

	json_array_foreach (page, i, row) {
		if (read_row(row, answer, &rows[answer->job_rows_n]))
			answer->job_rows_n++;
		else
			answer->bad_rows_n++;
	}
	answer->job_rows = rows;
}

static void free_rows(struct hub_answer *answer)
{
	for (size_t i = 0; i < answer->job_rows_n; i++)
		free((char *)(uintptr_t)answer->job_rows[i].answer.payload);
	free((void *)(uintptr_t)answer->job_rows);
}

static void on_rows_answer(void *arg, const struct http_answer *http)
{
	struct exchange *x = arg;
	struct hub_answer answer;
	json_t *page = NULL;

	rest_read(x, http, outcome_of_read, &answer);
	if (answer.outcome == HUB_ANSWERED) {
		page = json_loadb(http->body, http->body_bytes, JSON_ALLOW_NUL, NULL);
		if (!json_is_array(page)) {
			rest_misread(&answer, HUB_TROUBLE, "answered, but not with a page of rows");
		} else {
			read_rows(page, &answer);
			answer.continuation = http->continuation;
		}
	}
	rest_finish(x, &answer);
	free_rows(&answer);
	json_decref(page);
}

enum err hub_job_rows(struct hub *h, const char *id, const char *continuation, hub_answer_cb *on_answer,
                      void *arg)
{
	struct buf body = BUF_INIT;
	enum err err;

	buf_printf(&body, "{\"query\":\"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '%s'\"}", id);
	err = rest_send_query(rest_exchange(h, NULL, NULL, on_answer, arg), &body, continuation,
	                      on_rows_answer);
	buf_done(&body);
	return err;
}
