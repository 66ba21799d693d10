/* world: Jobs v2 (contract 5): the hub itself calls a method on, or writes the twin of, all devices that a
 * condition finds, at the speed that its SKU has for that.
 *
 *   SCHEDULED ──its time──▶ QUEUED ──▶ RUNNING ──every row final──▶ COMPLETED
 *       │                     │           └── time is over ──▶ FAILED
 *       │                     └── the condition is none ──▶ FAILED
 *       └── cancel, some time later ──▶ CANCELLED   (from QUEUED too) */
#include "tests/world/internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	ID_BYTES = 64,
	AHEAD_MAX_S = 168 * 3600, /* a start may lie so far ahead */
	QUEUE_MS = 200,
	CANCEL_MS = 1000, /* until a cancelled job shows it */
	DEFAULT_SECONDS = 3600,
	ROWS_AT_ONCE = 1000, /* without a SKU: a millisecond */
	PAGE_MAX = 100,
};

enum job_status {
	JOB_SCHEDULED,
	JOB_QUEUED,
	JOB_RUNNING,
	JOB_COMPLETED,
	JOB_FAILED,
	JOB_CANCELLED,
	JOB_PENDING, /* of rows only */
	JOB_STATUSES_N
};

static const char *const status_texts[] = {
        [JOB_SCHEDULED] = "scheduled", [JOB_QUEUED] = "queued", [JOB_RUNNING] = "running",
        [JOB_COMPLETED] = "completed", [JOB_FAILED] = "failed", [JOB_CANCELLED] = "cancelled",
        [JOB_PENDING] = "pending"};
static const char *const status_words[] = {
        [JOB_SCHEDULED] = "Scheduled", [JOB_QUEUED] = "Queued", [JOB_RUNNING] = "Running",
        [JOB_COMPLETED] = "Completed", [JOB_FAILED] = "Failed", [JOB_CANCELLED] = "Cancelled",
        [JOB_PENDING] = "Pending"};

/* One device of a job. */
struct job_row {
	struct job *job;
	uint32_t slot;
	enum job_status status;
	int64_t start_ms, updated_ms; /* start: TIME_NONE until it does */
	char *outcome;                /* JSON; NULL: none */
	const char *error;            /* name; NULL: none */
	char *error_text;
};

struct job {
	char *id;
	UT_hash_handle hh;
	json_t *request;
	bool is_method;
	enum job_status status;
	bool is_cancelled;     /* and does not show it yet */
	const char *condition; /* inside request */
	int64_t created_ms, start_ms, end_ms, time_max_ms;
	const char *failure; /* failureReason; NULL: none */
	struct job_row *rows;
	uint32_t rows_n, begun_n, count[JOB_STATUSES_N];
	struct event step, end;
	/* of the method */
	char *method, *payload, *attempt_id;
	int64_t response_ms, connect_ms;
};

static const char *type_of(const struct job *job)
{
	return job->is_method ? "scheduleDeviceMethod" : "scheduleUpdateTwin";
}

static bool is_final(enum job_status status)
{
	return status == JOB_COMPLETED || status == JOB_FAILED || status == JOB_CANCELLED;
}

static struct job *find_job(const struct world *w, const char *id)
{
	struct job *job;

	HASH_FIND_STR(w->jobs, id, job);
	return job;
}

/* --- Running -------------------------------------------------------------------------------------------- */

static void set_row(struct world *w, struct job_row *row, enum job_status status)
{
	row->job->count[row->status]--;
	row->job->count[status]++;
	row->status = status;
	row->updated_ms = w->now_ms;
}

static void end_job(struct world *w, struct job *job, enum job_status status)
{
	agenda_remove(&w->agenda, &job->step);
	agenda_remove(&w->agenda, &job->end);
	job->status = status;
	job->end_ms = w->now_ms;
}

static void fail_row(struct world *w, struct job_row *row, const char *error, const char *text)
{
	set_row(w, row, JOB_FAILED);
	row->error = error;
	row->error_text = xstrdup(text);
}

static void end_if_done(struct world *w, struct job *job)
{
	if (job->status == JOB_RUNNING && job->count[JOB_PENDING] + job->count[JOB_RUNNING] == 0)
		end_job(w, job, JOB_COMPLETED);
}

void job_on_answer(struct world *w, struct call *call)
{
	struct job_row *row = call->job_row;

	if (row->status != JOB_RUNNING)
		return; /* its job's time was over before */
	if (call->is_cut) {
		fail_row(w, row, "GatewayTimeout", "Timed out waiting for the response from device.");
	} else if (call->status == 200) {
		set_row(w, row, JOB_COMPLETED);
		row->outcome = xstrndup(call->out.data, call->out.len);
	} else {
		fail_row(w, row, call->error_code, call->error_text);
	}
	end_if_done(w, row->job);
}

static void begin_method(struct world *w, struct job_row *row)
{
	const struct job *job = row->job;
	struct call *call = rest_call_of_job(w, row);

	call->device_id = xstrdup(fleet_at(w, row->slot)->id);
	call->method = xstrdup(job->method);
	call->payload = xstrdup(job->payload);
	call->attempt_id = job->attempt_id != NULL ? xstrdup(job->attempt_id) : NULL;
	call->response_ms = job->response_ms;
	call->connect_ms = job->connect_ms;
	method_perform(w, call);
}

static void write_row(struct world *w, struct job_row *row)
{
	const json_t *update = json_object_get(row->job->request, "updateTwin");
	struct device *d = fleet_at(w, row->slot);

	throttle_meter(&w->throttle, 0, w->now_ms);
	if (!d->live.exists) {
		fail_row(w, row, "DeviceNotFound", "Device is not registered.");
	} else if (!fleet_write(w, d, json_object_get(update, "tags"),
	                        json_object_get(json_object_get(update, "properties"), "desired"), false)) {
		fail_row(w, row, "ArgumentInvalid", "The twin would break a limit.");
	} else {
		set_row(w, row, JOB_COMPLETED);
		row->outcome = xstrdup("");
	}
}

static void begin_row(struct world *w, struct job_row *row)
{
	row->start_ms = w->now_ms;
	set_row(w, row, JOB_RUNNING);
	if (throttle_quota_is_spent(&w->throttle, w->now_ms))
		fail_row(w, row, "IotHubQuotaExceeded", "The daily quota of messages is spent.");
	else if (row->job->is_method)
		begin_method(w, row);
	else
		write_row(w, row);
}

/* Between two operations of jobs on devices (contract 5.3); 0: unlimited. */
static int64_t interval_ns(const struct world *w)
{
	uint64_t u = w->options.units > 0 ? w->options.units : 1;

	switch (w->options.sku) {
	case WORLD_SKU_NONE:
		return 0;
	case WORLD_SKU_S2:
		return (int64_t)(1000000000 / (u > 10 ? u : 10));
	case WORLD_SKU_S3:
		return (int64_t)(1000000000 / (50 * u));
	case WORLD_SKU_F1:
	case WORLD_SKU_S1:
		break;
	}
	return 100000000;
}

static void on_step(struct world *w, struct event *e);

static const struct event_kind step = {on_step, agenda_keep};

static void run(struct world *w, struct job *job)
{
	int64_t interval = interval_ns(w), now_ns = w->now_ms * 1000000;

	for (uint32_t n = 0; job->begun_n < job->rows_n; n++) {
		if (n == ROWS_AT_ONCE) {
			agenda_put(&w->agenda, &job->step, &step, w->now_ms + 1);
			return;
		}
		if (w->job_device_ns > now_ns) {
			agenda_put(&w->agenda, &job->step, &step, (w->job_device_ns + 999999) / 1000000);
			return;
		}
		/* no speed is saved up while nothing runs, but what the clock's grain lost is made up for */
		if (w->job_device_ns < now_ns - 1000000)
			w->job_device_ns = now_ns;
		w->job_device_ns += interval;
		begin_row(w, &job->rows[job->begun_n++]);
	}
	end_if_done(w, job);
}

/* The time that the job was given is over: what has not ended has failed, as far as the job knows. */
static void on_time_over(struct world *w, struct event *e)
{
	struct job *job = CONTAINER(e, struct job, end);

	for (uint32_t i = 0; i < job->rows_n; i++)
		if (!is_final(job->rows[i].status))
			fail_row(w, &job->rows[i], "GenericTimeout",
			         "The job's maximum execution time is over.");
	job->failure = "The job did not end within maxExecutionTimeInSeconds.";
	end_job(w, job, JOB_FAILED);
}

static const struct event_kind time_over = {on_time_over, agenda_keep};

static void begin(struct world *w, struct job *job)
{
	uint32_t *slots;

	job->start_ms = w->now_ms;
	if (!query_targets(w, job->condition, &slots, &job->rows_n)) {
		job->failure = "SQL query parse failed for the given query condition.";
		end_job(w, job, JOB_FAILED);
		return;
	}
	job->status = JOB_RUNNING;
	job->rows = xcalloc(job->rows_n, sizeof *job->rows);
	job->count[JOB_PENDING] = job->rows_n;
	for (uint32_t i = 0; i < job->rows_n; i++)
		job->rows[i] = (struct job_row){.job = job,
		                                .slot = slots[i],
		                                .status = JOB_PENDING,
		                                .start_ms = TIME_NONE,
		                                .updated_ms = w->now_ms};
	free(slots);
	agenda_put(&w->agenda, &job->end, &time_over, w->now_ms + job->time_max_ms);
	run(w, job);
}

static void on_step(struct world *w, struct event *e)
{
	struct job *job = CONTAINER(e, struct job, step);

	if (job->is_cancelled) {
		end_job(w, job, JOB_CANCELLED);
	} else if (job->status == JOB_SCHEDULED) {
		job->status = JOB_QUEUED;
		agenda_put(&w->agenda, &job->step, &step, w->now_ms + QUEUE_MS);
	} else if (job->status == JOB_QUEUED) {
		begin(w, job);
	} else {
		run(w, job);
	}
}

/* --- Documents ------------------------------------------------------------------------------------------ */

static void print_time(const struct world *w, const char *name, int64_t at_ms, struct buf *out)
{
	if (at_ms == TIME_NONE)
		return;
	buf_printf(out, ",\"%s\":", name);
	doc_print_time(at_ms, w->options.quirks.long_times, out);
}

static void print_json(const char *name, const json_t *value, struct buf *out)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	buf_printf(out, ",\"%s\":%s", name, text);
	free(text);
}

static void print_job(const struct world *w, const struct job *job, struct buf *out)
{
	const char *what = job->is_method ? "cloudToDeviceMethod" : "updateTwin";
	const uint32_t *count = job->count;

	buf_printf(out, "{\"jobId\":\"%s\",\"queryCondition\":", job->id);
	buf_json(out, job->condition);
	print_time(w, "createdTime", job->created_ms, out);
	print_time(w, "startTime", job->start_ms, out);
	print_time(w, "endTime", job->end_ms, out);
	buf_printf(out, ",\"maxExecutionTimeInSeconds\":%lld,\"type\":\"%s\"",
	           (long long)job->time_max_ms / 1000, type_of(job));
	print_json(what, json_object_get(job->request, what), out);
	buf_printf(out, ",\"status\":\"%s\"", status_texts[job->status]);
	if (job->failure != NULL)
		buf_printf(out, ",\"failureReason\":\"%s\"", job->failure);
	buf_printf(out,
	           ",\"deviceJobStatistics\":{\"deviceCount\":%u,\"failedCount\":%u,\"succeededCount\":%u,"
	           "\"runningCount\":%u,\"pendingCount\":%u}}",
	           job->rows_n, count[JOB_FAILED], count[JOB_COMPLETED], count[JOB_RUNNING],
	           count[JOB_PENDING]);
}

void job_print_row(const struct world *w, const struct job_row *row, struct buf *out)
{
	const struct job *job = row->job;

	buf_puts(out, "{\"deviceId\":");
	buf_json(out, fleet_at(w, row->slot)->id);
	buf_printf(out, ",\"jobId\":\"%s\",\"jobType\":\"%s\",\"status\":\"%s\"", job->id, type_of(job),
	           status_texts[row->status]);
	print_time(w, "startTimeUtc", row->start_ms, out);
	print_time(w, "endTimeUtc", is_final(row->status) ? row->updated_ms : TIME_NONE, out);
	print_time(w, "createdDateTimeUtc", job->created_ms, out);
	print_time(w, "lastUpdatedDateTimeUtc", row->updated_ms, out);
	if (row->outcome != NULL && job->is_method)
		buf_printf(out, ",\"outcome\":{\"deviceMethodResponse\":%s}", row->outcome);
	else if (row->outcome != NULL)
		buf_puts(out, ",\"outcome\":{}");
	if (row->error != NULL) {
		buf_printf(out, ",\"error\":{\"code\":\"%s\",\"description\":", row->error);
		buf_json(out, row->error_text);
		buf_putc(out, '}');
	}
	buf_putc(out, '}');
}

const struct job_row *job_row_at(const struct world *w, uint32_t i)
{
	for (const struct job *job = w->jobs; job != NULL; job = job->hh.next) {
		if (i < job->rows_n)
			return &job->rows[i];
		i -= job->rows_n;
	}
	return NULL;
}

static void set_text(struct lang_value *v, const char *text)
{
	v->kind = LANG_TEXT;
	v->text = text;
}

static void set_time(struct lang_value *v, int64_t at_ms)
{
	if (at_ms == TIME_NONE)
		return;
	v->kind = LANG_TEXT;
	v->text = NULL;
	time_text(at_ms, v->scratch);
}

void job_look_up(const void *arg, const struct lang_path *path, struct lang_value *ret)
{
	const struct job_query_row *row = arg;
	const struct job *job = row->row->job;

	ret->kind = LANG_UNDEFINED;
	if (path->root != LANG_JOB)
		return;
	if (strcasecmp(path->last, "jobId") == 0)
		set_text(ret, job->id);
	else if (strcasecmp(path->last, "deviceId") == 0)
		set_text(ret, fleet_at(row->w, row->row->slot)->id);
	else if (strcasecmp(path->last, "jobType") == 0)
		set_text(ret, type_of(job));
	else if (strcasecmp(path->last, "status") == 0)
		set_text(ret, status_texts[row->row->status]);
	else if (strcasecmp(path->last, "startTimeUtc") == 0)
		set_time(ret, row->row->start_ms);
	else if (strcasecmp(path->last, "endTimeUtc") == 0)
		set_time(ret, is_final(row->row->status) ? row->row->updated_ms : TIME_NONE);
	else if (strcasecmp(path->last, "createdDateTimeUtc") == 0 ||
	         strcasecmp(path->last, "createdTimeUtc") == 0)
		set_time(ret, job->created_ms);
	else if (strcasecmp(path->last, "lastUpdatedDateTimeUtc") == 0)
		set_time(ret, row->row->updated_ms);
}

/* --- Requests ------------------------------------------------------------------------------------------- */

static bool id_is_sound(const struct world *w, const char *id)
{
	size_t n = strlen(id);

	for (size_t i = 0; i < n; i++)
		if (!(isdigit((unsigned char)id[i]) || (id[i] >= 'a' && id[i] <= 'z') || id[i] == '-' ||
		      (w->options.quirks.job_ids_any_case && id[i] >= 'A' && id[i] <= 'Z')))
			return false;
	return n > 0 && n <= ID_BYTES;
}

/* Reads startTime; absent: now. */
static bool read_start(const struct world *w, const json_t *json, int64_t *ret_ms)
{
	const json_t *value = json_object_get(json, "startTime");

	*ret_ms = w->now_ms;
	if (value == NULL)
		return true;
	return json_is_string(value) &&
	       time_parse(json_string_value(value), json_string_length(value), true, ret_ms) &&
	       *ret_ms <= w->now_ms + AHEAD_MAX_S * INT64_C(1000);
}

static bool read_seconds(const json_t *json, int64_t *ret_ms)
{
	const json_t *value = json_object_get(json, "maxExecutionTimeInSeconds");

	*ret_ms = DEFAULT_SECONDS * 1000;
	if (value == NULL)
		return true;
	if (!json_is_integer(value) || json_integer_value(value) < 1 || json_integer_value(value) > INT32_MAX)
		return false;
	*ret_ms = json_integer_value(value) * 1000;
	return true;
}

static bool update_is_sound(const json_t *update)
{
	const char *etag = json_string_value(json_object_get(update, "etag"));
	const json_t *properties = json_object_get(update, "properties");
	const json_t *sections[] = {json_object_get(update, "tags"), properties,
	                            json_object_get(properties, "desired")};

	for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
		if (sections[i] != NULL && !json_is_object(sections[i]) && !json_is_null(sections[i]))
			return false;
	return etag != NULL && strcmp(etag, "*") == 0;
}

/* Gives what is wrong, NULL if nothing is. */
static const char *fault_of(const struct world *w, const struct call *call)
{
	const char *id = json_string_value(json_object_get(call->json, "jobId"));
	const char *type = json_string_value(json_object_get(call->json, "type"));
	int64_t ms;

	if (!id_is_sound(w, call->device_id) || (id != NULL && strcmp(id, call->device_id) != 0))
		return "jobId is not valid.";
	if (type == NULL ||
	    (strcmp(type, "scheduleDeviceMethod") != 0 && strcmp(type, "scheduleUpdateTwin") != 0))
		return "type is not valid.";
	if (!json_is_string(json_object_get(call->json, "queryCondition")))
		return "queryCondition is not valid.";
	if (!read_start(w, call->json, &ms))
		return "startTime is not valid.";
	if (!read_seconds(call->json, &ms))
		return "maxExecutionTimeInSeconds is not valid.";
	if (strcmp(type, "scheduleUpdateTwin") == 0 &&
	    !update_is_sound(json_object_get(call->json, "updateTwin")))
		return "updateTwin is not valid.";
	return NULL;
}

bool job_prepare_put(struct world *w, struct call *call)
{
	const char *fault = fault_of(w, call);
	const char *type;

	if (fault != NULL) {
		rest_refuse_method(w, call, 400004, "ArgumentInvalid", fault, "{}");
		return false;
	}
	if (json_string_length(json_object_get(call->json, "queryCondition")) > LANG_BYTES_MAX) {
		/* misleading, as seen (contract 4.2) */
		rest_refuse(w, call, 412, "PreconditionFailed", "Precondition failed.");
		return false;
	}
	type = json_string_value(json_object_get(call->json, "type"));
	if (strcmp(type, "scheduleDeviceMethod") == 0 &&
	    !method_read(w, call, json_object_get(call->json, "cloudToDeviceMethod")))
		return false;
	call->cost = 1; /* whatever the payload costs, each device's call pays */
	return true;
}

static unsigned active_n(const struct world *w)
{
	unsigned n = 0;

	for (const struct job *job = w->jobs; job != NULL; job = job->hh.next)
		n += !is_final(job->status);
	return n;
}

static unsigned active_max(const struct world *w)
{
	static const unsigned max[] = {[WORLD_SKU_NONE] = UINT32_MAX,
	                               [WORLD_SKU_F1] = 1,
	                               [WORLD_SKU_S1] = 1,
	                               [WORLD_SKU_S2] = 5,
	                               [WORLD_SKU_S3] = 10};

	return max[w->options.sku];
}

static char *taken(char **text)
{
	char *t = *text;

	*text = NULL;
	return t;
}

static struct job *create(struct world *w, struct call *call)
{
	struct job *job = xcalloc(1, sizeof *job);

	job->id = xstrdup(call->device_id);
	job->request = json_incref(call->json);
	job->condition = json_string_value(json_object_get(call->json, "queryCondition"));
	job->is_method =
	        strcmp(json_string_value(json_object_get(call->json, "type")), "scheduleDeviceMethod") == 0;
	job->method = taken(&call->method);
	job->payload = taken(&call->payload);
	job->attempt_id = taken(&call->attempt_id);
	job->response_ms = call->response_ms;
	job->connect_ms = call->connect_ms;
	job->created_ms = w->now_ms;
	job->end_ms = TIME_NONE;
	(void)read_start(w, call->json, &job->start_ms);
	(void)read_seconds(call->json, &job->time_max_ms);
	job->status = job->start_ms > w->now_ms ? JOB_SCHEDULED : JOB_QUEUED;
	HASH_ADD_KEYPTR(hh, w->jobs, job->id, strlen(job->id), job);
	agenda_put(&w->agenda, &job->step, &step,
	           job->status == JOB_SCHEDULED ? job->start_ms : w->now_ms + QUEUE_MS);
	return job;
}

void job_put(struct world *w, struct call *call)
{
	if (find_job(w, call->device_id) != NULL) {
		rest_refuse_method(w, call, 409104, "JobAlreadyExists", "A job with that id already exists.",
		                   "{}");
	} else if (active_n(w) >= active_max(w)) {
		rest_refuse_method(w, call, 429004, "ThrottlingMaxActiveJobCountExceeded",
		                   "The maximum number of active jobs is reached.", "{}");
	} else {
		print_job(w, create(w, call), &call->out);
		rest_answer(w, call, 200);
	}
}

void job_get(struct world *w, struct call *call)
{
	const struct job *job = find_job(w, call->device_id);

	if (job != NULL) {
		print_job(w, job, &call->out);
	} else { /* contract 5.1 */
		buf_puts(&call->out, "{\"jobId\":");
		buf_json(&call->out, call->device_id);
		buf_puts(&call->out, ",\"type\":\"unknown\",\"status\":\"unknown\"}");
	}
	rest_answer(w, call, 200);
}

void job_cancel(struct world *w, struct call *call)
{
	struct job *job = find_job(w, call->device_id);
	char text[80];

	if (job == NULL) {
		rest_refuse_method(w, call, 404002, "JobNotFound", "There is no such job.", "{}");
	} else if (job->status != JOB_SCHEDULED && job->status != JOB_QUEUED) {
		snprintf(text, sizeof text, "Job cannot be cancelled in '%s' status.",
		         status_words[job->status]);
		rest_refuse(w, call, 405, "OperationNotAllowedInCurrentState", text);
	} else {
		job->is_cancelled = true;
		agenda_remove(&w->agenda, &job->step);
		agenda_put(&w->agenda, &job->step, &step, w->now_ms + CANCEL_MS);
		print_job(w, job, &call->out);
		rest_answer(w, call, 200);
	}
}

/* Whether the query string asks for that value, or for none. */
static bool fits(const struct call *call, const char *name, const char *value)
{
	size_t len;
	const char *wanted = rest_query_text(call, name, &len);

	return wanted == NULL || (len == strlen(value) && strncasecmp(wanted, value, len) == 0);
}

void job_list(struct world *w, struct call *call)
{
	uint32_t size = rest_page_size(call, PAGE_MAX), n = 0, i = 0, from = 0;
	int end = 0;

	if (size == 0 ||
	    (call->continuation != NULL && (sscanf(call->continuation, "jobs.%9u%n", &from, &end) != 1 ||
	                                    call->continuation[end] != '\0'))) {
		rest_refuse(w, call, 400, "ArgumentInvalid", "BadRequest");
		return;
	}
	buf_putc(&call->out, '[');
	for (const struct job *job = w->jobs; job != NULL; job = job->hh.next, i++) {
		if (i < from || !fits(call, "jobType", type_of(job)) ||
		    !fits(call, "jobStatus", status_texts[job->status]))
			continue;
		if (n == size) {
			struct buf next = BUF_INIT;

			buf_printf(&next, "jobs.%u", i);
			call->next = buf_take(&next);
			break;
		}
		if (n++ > 0)
			buf_putc(&call->out, ',');
		print_job(w, job, &call->out);
	}
	buf_putc(&call->out, ']');
	call->item_type = w->options.quirks.item_type_lower ? "jobResponse" : "JobResponse";
	rest_answer(w, call, 200);
}

void job_done(struct world *w)
{
	struct job *job, *after;

	HASH_ITER (hh, w->jobs, job, after) {
		HASH_DEL(w->jobs, job);
		for (uint32_t i = 0; i < job->rows_n; i++) {
			free(job->rows[i].outcome);
			free(job->rows[i].error_text);
		}
		free(job->rows);
		free(job->method);
		free(job->payload);
		free(job->attempt_id);
		json_decref(job->request);
		free(job->id);
		free(job);
	}
}
