/* agent: see contract.h */
#include "deploy/agent/contract.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define URI_BYTES_MAX 2048
#define TEXT_BYTES_MAX 256

/* --- calls --- */

static int refuse(int status, char why[WHY_SIZE], const char *text)
{
	snprintf(why, WHY_SIZE, "%s", text);
	return status;
}

static bool type_of(const char *method, enum act_type *ret)
{
	for (int t = 0; t < ACT_TYPES_N; t++)
		if (strcmp(method, act_type_text((enum act_type)t)) == 0) {
			*ret = (enum act_type)t;
			return true;
		}
	return false;
}

/* Visible ASCII only: it goes into an environment, a log and a twin. */
static bool is_plain(json_t *json, size_t max)
{
	const char *text = json_string_value(json);
	size_t n = json_string_length(json);

	if (text == NULL || n == 0 || n > max)
		return false;
	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return true;
}

/* The first of two names that payload has a member by; NULL: neither, or null. */
static json_t *member(json_t *payload, const char *name, const char *other)
{
	json_t *value = json_object_get(payload, name);

	if (value == NULL)
		value = json_object_get(payload, other);
	return json_is_null(value) ? NULL : value;
}

static int read_text(json_t *value, const char *name, size_t max, char **ret, char why[WHY_SIZE])
{
	if (value == NULL)
		return 200;
	if (!is_plain(value, max)) {
		snprintf(why, WHY_SIZE, "%s: has to be a text of 1 to %zu visible characters", name, max);
		return 400;
	}
	*ret = strdup(json_string_value(value));
	return *ret == NULL ? refuse(500, why, "no memory") : 200;
}

/* The names are those of the firmware update tutorials: fwPackageUri in the first ones, fwPackageURI since
 * 2018. */
static int read_package(json_t *payload, struct request *r, char why[WHY_SIZE])
{
	json_t *uri = json_is_string(payload) ? payload : member(payload, "fwPackageUri", "fwPackageURI");
	int status;

	if (uri == NULL)
		return refuse(400, why, "fwPackageUri: is missing");
	status = read_text(uri, "fwPackageUri", URI_BYTES_MAX, &r->package_uri, why);
	if (status == 200 && strncmp(r->package_uri, "https://", 8) != 0)
		return refuse(400, why, "fwPackageUri: has to start with https://");
	if (status == 200)
		status = read_text(member(payload, "fwVersion", "fwVersion"), "fwVersion", TEXT_BYTES_MAX,
		                   &r->package_version, why);
	if (status == 200)
		status = read_text(member(payload, "fwPackageCheckValue", "fwPackageCheckValue"),
		                   "fwPackageCheckValue", TEXT_BYTES_MAX, &r->package_check, why);
	return status;
}

/* The payload, or what it holds where it is a text that is itself a JSON object, as one tutorial sends it. */
static json_t *payload_json(const char *text, size_t n)
{
	json_t *payload =
	        n == 0 ? json_null() : json_loadb(text, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	json_t *inner;

	if (!json_is_string(payload) || json_string_value(payload)[0] != '{')
		return payload;
	inner = json_loads(json_string_value(payload), JSON_REJECT_DUPLICATES, NULL);
	if (inner == NULL)
		return payload;
	json_decref(payload);
	return inner;
}

int request_read(const char *method, const char *payload, size_t n, struct request *ret, char why[WHY_SIZE])
{
	struct request r = {.type = ACT_REBOOT};
	json_t *json = NULL, *id;
	int status = 200;

	if (!type_of(method, &r.type))
		return refuse(404, why, "no such method: reboot, factoryReset and firmwareUpdate are known");
	if (n > PAYLOAD_BYTES_MAX)
		return refuse(413, why, "payload: has more than 65536 bytes");
	json = payload_json(payload, n);
	if (json == NULL)
		return refuse(400, why, "payload: is not JSON");
	id = json_is_object(json) ? member(json, "attemptId", "attemptId") : NULL;
	if (id != NULL && !is_plain(id, ATTEMPT_ID_SIZE - 1))
		status = refuse(400, why, "attemptId: has to be a text of 1 to 128 visible characters");
	else if (id != NULL)
		memcpy(r.attempt_id, json_string_value(id), json_string_length(id) + 1);
	if (status == 200 && r.type == ACT_FIRMWARE_UPDATE)
		status = read_package(json, &r, why);
	if (status == 200 && (r.payload = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY)) == NULL)
		status = refuse(500, why, "no memory");
	json_decref(json);
	if (status == 200)
		*ret = r;
	else
		request_done(&r);
	return status;
}

void request_done(struct request *r)
{
	free(r->payload);
	free(r->package_uri);
	free(r->package_version);
	free(r->package_check);
	*r = (struct request){.type = ACT_REBOOT};
}

/* --- answers --- */

static char *text_of(json_t *json)
{
	char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);

	json_decref(json);
	return text;
}

static const char *or_null(const char *text)
{
	return text[0] == '\0' ? NULL : text;
}

char *answer_taken(const struct act *a, bool is_repeated)
{
	return text_of(json_pack("{s:s?, s:s, s:b}", "attemptId", or_null(a->attempt_id), "state",
	                         act_phase_text(a->phase), "repeated", (int)is_repeated));
}

char *answer_refused(const char *why)
{
	return text_of(json_pack("{s:s}", "error", why));
}

/* --- reports --- */

/* RFC 3339 in UTC with milliseconds; NULL for 0. */
static const char *time_text(int64_t at_ms, char out[32])
{
	time_t s = (time_t)(at_ms / 1000);
	char seconds[24];
	struct tm tm;

	gmtime_r(&s, &tm); /* the years of 64 bits of milliseconds fit */
	if (at_ms <= 0 || strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		return NULL;
	snprintf(out, 32, "%s.%03dZ", seconds, (int)(at_ms % 1000));
	return out;
}

/* Each type has words of its own; those of a firmware update are the tutorial's, and a failure ends in
 * "failed" for whoever compares without case. */
static const char *status_text(const struct act *a)
{
	static const char *const texts[ACT_TYPES_N][PHASES_N] = {
	        [ACT_REBOOT] = {"started", "started", "complete", "failed", "unknown"},
	        [ACT_FACTORY_RESET] = {"started", "started", "complete", "failed", "unknown"},
	        [ACT_FIRMWARE_UPDATE] = {"applying", "applying", "applyComplete", "applyFailed", "unknown"},
	};

	return texts[a->type][a->phase];
}

static json_t *versions_json(const struct versions *v)
{
	return json_pack("{s:s?, s:s?, s:s?}", "agent", v->agent, "kernel", v->kernel, "firmware",
	                 v->firmware);
}

static json_t *error_json(const struct act *a)
{
	return a->error[0] == '\0' ? json_null()
	                           : json_pack("{s:i, s:s}", "code", a->error_code, "message", a->error);
}

static json_t *done_json(const struct act *a)
{
	char at[32], booted[32];

	return json_pack("{s:s?, s:s?, s:s?, s:s?, s:s?, s:o}", "attemptId", or_null(a->attempt_id), "at",
	                 time_text(a->ended_at_ms, at), "bootId", or_null(a->end_boot_id), "bootedAt",
	                 time_text(a->end_booted_at_ms, booted), "firmware", or_null(a->end_firmware),
	                 "pretended", a->is_pretended ? json_true() : json_null());
}

static json_t *type_json(const struct state *s, enum act_type type)
{
	static const char *const value_names[ACT_TYPES_N] = {"lastReboot", "lastFactoryReset",
	                                                     "lastFirmwareUpdate"};
	const struct act *last = state_last(s, type), *done = state_last_done(s, type);
	json_t *json = json_object();
	char at[32];
	int64_t value_ms = type == ACT_REBOOT ? s->last_reboot_at_ms : done != NULL ? done->ended_at_ms : 0;

	if (last != NULL) {
		json_object_set_new(json, "status", json_string(status_text(last)));
		json_object_set_new(json, "error", error_json(last));
		json_object_set_new(json, "accepted",
		                    json_pack("{s:s?, s:s?, s:s?}", "attemptId", or_null(last->attempt_id),
		                              "at", time_text(last->accepted_at_ms, at), "bootId",
		                              or_null(last->boot_id)));
	}
	if (done != NULL)
		json_object_set_new(json, "done", done_json(done));
	if (value_ms != 0)
		json_object_set_new(json, value_names[type], json_string(time_text(value_ms, at)));
	return json;
}

json_t *report_of(const struct state *s, const struct versions *v)
{
	json_t *report = json_object();
	char at[32];

	json_object_set_new(report, "bootId", json_string(s->boot_id));
	if (time_text(s->booted_at_ms, at) != NULL)
		json_object_set_new(report, "bootedAt", json_string(at));
	json_object_set_new(report, "versions", versions_json(v));
	for (int t = 0; t < ACT_TYPES_N; t++) {
		json_t *type = type_json(s, (enum act_type)t);

		if (json_object_size(type) > 0)
			json_object_set_new(report, act_type_text((enum act_type)t), type);
		else
			json_decref(type);
	}
	return report;
}

json_t *report_diff(json_t *has, json_t *wanted)
{
	json_t *patch = json_object(), *value, *old, *sub;
	const char *name;

	json_object_foreach (wanted, name, value) {
		old = json_object_get(has, name);
		if (json_is_object(value)) {
			sub = report_diff(json_is_object(old) ? old : NULL, value);
			if (sub != NULL)
				json_object_set_new(patch, name, sub);
		} else if (json_is_null(value) ? old != NULL : old == NULL || !json_equal(old, value)) {
			json_object_set(patch, name, value);
		}
	}
	if (json_object_size(patch) > 0)
		return patch;
	json_decref(patch);
	return NULL;
}

void report_merge(json_t *has, json_t *patch)
{
	json_t *value, *old;
	const char *name;

	json_object_foreach (patch, name, value) {
		old = json_object_get(has, name);
		if (json_is_null(value)) {
			json_object_del(has, name);
		} else if (json_is_object(value)) {
			if (!json_is_object(old)) {
				old = json_object();
				json_object_set_new(has, name, old);
			}
			report_merge(old, value);
		} else {
			json_object_set(has, name, value);
		}
	}
}
