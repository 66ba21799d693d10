/* hub: see outcome.h */
#include "server/hub/outcome.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

#include "server/base/buf.h"
#include "server/base/secret.h"

const char *hub_outcome_text(enum hub_outcome o)
{
	static const char *const texts[] = {
#define X(name, text) text,
	        HUB_OUTCOMES(X)
#undef X
	};
	return (unsigned)o < HUB_OUTCOMES_N ? texts[o] : "?";
}

/* --- the table --- */

/* The first row that matches counts. A row without code and name matches every answer of its statuses; one
 * with a code has its name. What is not here is AMBIGUOUS for a call and TROUBLE for a read. */
struct row {
	int from, to; /* HTTP statuses */
	int32_t code;
	const char *name;
	enum hub_outcome call, read;
};

static const struct row rows[] = {
        /* Contract 2.2: 200 whatever the device said. No other 2xx is documented: it may have been delivered.
         */
        {200, 200, 0, NULL, HUB_ANSWERED, HUB_ANSWERED},
        /* A hub redirects nobody: somebody else answered. */
        {300, 399, 0, NULL, HUB_TROUBLE, HUB_TROUBLE},
        /* Contract 8.1, 11 #3: the device's link was replaced; that was seen in mid-call. */
        {400, 400, 400027, "ConnectionForcefullyClosedOnNewConnection", HUB_AMBIGUOUS, HUB_TROUBLE},
        /* Contract 2.4 (400004, 400005, 400006, 400012), 4.4 */
        {400, 400, 0, NULL, HUB_OUR_FAULT, HUB_OUR_FAULT},
        /* Contract 1.5, 2.4 (401002, 401003) */
        {401, 401, 0, NULL, HUB_TROUBLE, HUB_TROUBLE},
        /* Contract 2.4, 7.2 */
        {403, 403, 403002, "IotHubQuotaExceeded", HUB_QUOTA, HUB_QUOTA},
        /* Contract 2.4: not executed. The reading of a twin does not depend on it. */
        {403, 403, 403012, "DeviceDisabled", HUB_GONE, HUB_TROUBLE},
        /* Contract 2.3, 2.4: too many calls to this device, not executed */
        {403, 403, 403800, "DeviceMaximumInflightMethodExceeded", HUB_NOT_DELIVERED, HUB_TROUBLE},
        /* Contract 2.4 (403010 OperationNotAvailableInCurrentTier), and every other refusal before dispatch
         */
        {403, 403, 0, NULL, HUB_TROUBLE, HUB_TROUBLE},
        /* Contract 2.4, 11 #22: not registered, or disabled */
        {404, 404, 404001, "DeviceNotFound", HUB_GONE, HUB_GONE},
        {404, 404, 404010, "ModuleNotFound", HUB_GONE, HUB_TROUBLE},
        /* Contract 2.4, 8.3, 11 #3: normally not executed */
        {404, 404, 404103, "DeviceNotOnline", HUB_OFFLINE, HUB_TROUBLE},
        {404, 404, 404104, "DeviceConnectionClosedRemotely", HUB_AMBIGUOUS, HUB_TROUBLE},
        /* Contract 2.6 */
        {404, 404, 0, "IotHubNotFound", HUB_TROUBLE, HUB_TROUBLE},
        /* Contract 2.4, 11 #3: any other 404, also one that says nothing, may be a 404103 that was executed;
         * and that a device is gone is believed only where it is said. */
        {404, 404, 0, NULL, HUB_AMBIGUOUS, HUB_TROUBLE},
        /* Contract 2.4: wrong verb or route; 413001 */
        {405, 405, 0, NULL, HUB_OUR_FAULT, HUB_OUR_FAULT},
        {413, 413, 0, NULL, HUB_OUR_FAULT, HUB_OUR_FAULT},
        /* Contract 2.4, 7.3: rejected before dispatch */
        {429, 429, 0, NULL, HUB_THROTTLED, HUB_THROTTLED},
        /* Contract 2.4, 12: 499, 500, 502, 503, 504 and all others fall out of the table: ambiguous. */
};
static const struct row not_in_table = {0, 0, 0, NULL, HUB_AMBIGUOUS, HUB_TROUBLE};

/* 404103 begins with its HTTP status; 404 says no more than that. */
static bool is_full(int32_t code)
{
	return code >= 100000;
}

static bool row_matches(const struct row *r, int status, const struct hub_error *e)
{
	if (status < r->from || status > r->to)
		return false;
	if (r->code == 0 && r->name == NULL)
		return true;
	return is_full(e->code) ? r->code == e->code : strcasecmp(r->name, e->name) == 0;
}

static const struct row *row_of(int status, const struct hub_error *e)
{
	/* Where code and status disagree neither is believed. */
	if (is_full(e->code) && e->code / 1000 != status)
		return &not_in_table;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (row_matches(&rows[i], status, e))
			return &rows[i];
	return &not_in_table;
}

enum hub_outcome outcome_of_call(const struct http_answer *answer, const struct hub_error *e)
{
	if (answer->err == ERR_OK)
		return row_of(answer->status, e)->call;
	return answer->err == ERR_NOT_SENT ? HUB_NOT_DELIVERED : HUB_AMBIGUOUS;
}

enum hub_outcome outcome_of_read(const struct http_answer *answer, const struct hub_error *e)
{
	return answer->err == ERR_OK ? row_of(answer->status, e)->read : HUB_TROUBLE;
}

/* --- the envelopes --- */

/* Copies one line of text: no control characters, no secrets, cut between two characters. */
static void put_text(char *out, size_t size, const char *text)
{
	struct buf b = BUF_INIT;
	size_t n;

	buf_puts(&b, text);
	secret_redact(&b);
	n = b.len;
	if (n >= size) {
		n = size - 1;
		while (n > 0 && ((unsigned char)b.data[n] & 0xc0) == 0x80)
			n--;
	}
	for (size_t i = 0; i < n; i++)
		out[i] = iscntrl((unsigned char)b.data[i]) ? ' ' : b.data[i];
	out[n] = '\0';
	buf_done(&b);
}

/* Gives "" where there is no such text. */
static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL ? text : "";
}

static int32_t code_of(const json_t *code)
{
	long long number =
	        json_is_string(code) ? strtoll(json_string_value(code), NULL, 10) : json_integer_value(code);

	return number > 0 && number <= INT32_MAX ? (int32_t)number : 0;
}

/* {"errorCode":404103,"trackingId":"…","message":"…"} */
static bool read_c(const json_t *object, struct hub_error *ret)
{
	int32_t code = code_of(json_object_get(object, "errorCode"));

	if (code == 0)
		return false;
	ret->code = code;
	put_text(ret->message, sizeof ret->message, text_of(object, "message"));
	put_text(ret->tracking_id, sizeof ret->tracking_id, text_of(object, "trackingId"));
	return true;
}

/* {"Message":"{\"errorCode\":404103,…}"} */
static bool read_b(const json_t *object, struct hub_error *ret)
{
	const char *message = text_of(object, "Message");
	json_t *inner = *message == '{' ? json_loads(message, JSON_ALLOW_NUL, NULL) : NULL;
	bool is_b = read_c(inner, ret);

	json_decref(inner);
	return is_b;
}

/* {"Message":"ErrorCode:DeviceNotFound;dev-9","ExceptionMessage":"Tracking ID:…"}, or any Message */
static void read_a(const json_t *object, struct hub_error *ret)
{
	static const char code_mark[] = "ErrorCode:", tracking_mark[] = "Tracking ID:";
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	const char *message = text_of(object, "Message");
	const char *tracking = strstr(text_of(object, "ExceptionMessage"), tracking_mark);

	if (strncmp(message, code_mark, strlen(code_mark)) == 0) {
		size_t n;

		message += strlen(code_mark);
		n = strspn(message, letters);
		if (n < sizeof ret->name)
			memcpy(ret->name, message, n);
		message += n;
		message += strspn(message, "; ");
	}
	put_text(ret->message, sizeof ret->message, message);
	if (tracking != NULL)
		put_text(ret->tracking_id, sizeof ret->tracking_id, tracking + strlen(tracking_mark));
}

/* Knowing one of code and name, the table's rows say the other. */
static void complete(struct hub_error *e)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (rows[i].code == 0)
			continue;
		if (e->code == rows[i].code && e->name[0] == '\0')
			snprintf(e->name, sizeof e->name, "%s", rows[i].name);
		else if (!is_full(e->code) && strcasecmp(e->name, rows[i].name) == 0)
			e->code = rows[i].code;
	}
}

void hub_error_read(const struct http_answer *answer, struct hub_error *ret)
{
	json_t *body;

	memset(ret, 0, sizeof *ret);
	if (answer->err != ERR_OK || (answer->status >= 200 && answer->status <= 299))
		return;
	body = json_loadb(answer->body, answer->body_bytes, JSON_ALLOW_NUL, NULL);
	if (!read_c(body, ret) && !read_b(body, ret))
		read_a(body, ret);
	json_decref(body);
	if (ret->name[0] == '\0' && answer->error_code != NULL)
		put_text(ret->name, sizeof ret->name, answer->error_code);
	if (ret->tracking_id[0] == '\0' && answer->request_id != NULL)
		put_text(ret->tracking_id, sizeof ret->tracking_id, answer->request_id);
	complete(ret);
}
