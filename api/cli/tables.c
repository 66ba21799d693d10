/* api/cli: what is there: list, show, targets, events, schedules, webhooks, hubs. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/cli/command.h"
#include "api/cli/event.h"
#include "api/cli/field.h"
#include "api/cli/text.h"
#include "server/base/clock.h"

#define LONGEST_TRY_MS 30000

/* ---- tables: rows are kept until the widths of the columns are known, some at a time ---- */

#define COLUMNS_MAX 10
#define ROWS_MAX 1000

struct table {
	void (*put_row)(struct buf *cells, const json_t *o);
	const char *const *names; /* up to NULL; one that begins with > is for numbers */
	struct buf *cells;
	size_t columns_n, rows_n;
	size_t widths[COLUMNS_MAX];
	bool is_json, has_begun;
};

static void table_begin(struct table *t, const char *const *names,
                        void (*put_row)(struct buf *cells, const json_t *o), enum output output)
{
	*t = (struct table){.names = names, .put_row = put_row, .is_json = output == OUTPUT_JSON};
	while (names[t->columns_n] != NULL) {
		t->widths[t->columns_n] = strlen(names[t->columns_n]) - (names[t->columns_n][0] == '>');
		t->columns_n++;
	}
	t->cells = xcalloc(ROWS_MAX * t->columns_n, sizeof *t->cells);
}

static void say_cell(const struct table *t, size_t column, const char *text, size_t len)
{
	int gap = (int)(t->widths[column] - text_columns(text, len));
	bool is_right = t->names[column][0] == '>', is_last = column + 1 == t->columns_n;

	printf("%*s%.*s%*s", is_right ? gap : 0, "", (int)len, text, is_right || is_last ? 0 : gap, "");
	fputs(is_last ? "\n" : "  ", stdout);
}

static void table_flush(struct table *t)
{
	if (!t->has_begun)
		for (size_t i = 0; i < t->columns_n; i++) {
			const char *name = t->names[i] + (t->names[i][0] == '>');

			say_cell(t, i, name, strlen(name));
		}
	t->has_begun = true;
	for (size_t i = 0; i < t->rows_n * t->columns_n; i++) {
		say_cell(t, i % t->columns_n, t->cells[i].len > 0 ? t->cells[i].data : "", t->cells[i].len);
		buf_done(&t->cells[i]);
	}
	t->rows_n = 0;
}

/* Gives the cells of one more row; table_widen() when they are filled. */
static struct buf *table_row(struct table *t)
{
	if (t->rows_n == ROWS_MAX)
		table_flush(t);
	return &t->cells[t->rows_n++ * t->columns_n];
}

static void table_widen(struct table *t)
{
	const struct buf *row = &t->cells[(t->rows_n - 1) * t->columns_n];

	for (size_t i = 0; i < t->columns_n; i++) {
		size_t columns = row[i].len > 0 ? text_columns(row[i].data, row[i].len) : 0;

		if (columns > t->widths[i])
			t->widths[i] = columns;
	}
}

static void say_json_item(struct table *t, const json_t *o)
{
	fputs(t->has_begun ? ",\n" : "[\n", stdout);
	t->has_begun = true;
	json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER);
}

static bool on_item(void *arg, json_t *o)
{
	struct table *t = arg;

	if (t->is_json) {
		say_json_item(t, o);
	} else {
		t->put_row(table_row(t), o);
		table_widen(t);
	}
	return true;
}

/* Nothing is said of a list that failed before its first row. */
static void table_end(struct table *t, bool has_failed)
{
	if (t->is_json && (t->has_begun || !has_failed))
		fputs(t->has_begun ? "\n]\n" : "[]\n", stdout);
	else if (!t->is_json && (t->rows_n > 0 || t->has_begun || !has_failed))
		table_flush(t);
	free(t->cells);
}

static void put_text(struct buf *cell, const json_t *o, const char *member)
{
	text_plain(cell, field_text(o, member));
}

static void put_at(struct buf *cell, const json_t *o, const char *member)
{
	text_time(cell, field_time(o, member), clock_now_ms());
}

static enum status say_list(struct command *c, const char *path, const char *const *names,
                            void (*put_row)(struct buf *cells, const json_t *o))
{
	struct table t;
	enum status status;

	table_begin(&t, names, put_row, c->o.output);
	status = each(c, path, c->o.limit, on_item, &t);
	table_end(&t, status != STATUS_OK);
	return status;
}

/* ---- campaigns ---- */

static void put_campaign_row(struct buf *cells, const json_t *o)
{
	put_text(&cells[0], o, "id");
	put_text(&cells[1], o, "state");
	buf_printf(&cells[2], "%.1f%%", field_number(o, "progressPercent"));
	text_count(&cells[3], field_int(o, "counts.total"));
	text_count(&cells[4], field_int(o, "counts.succeeded"));
	text_count(&cells[5], field_int(o, "counts.failed"));
	put_at(&cells[6], o, "createdAt");
	put_text(&cells[7], o, "name");
}

enum status command_list(struct command *c)
{
	static const char *const names[] = {"ID",      "STATE",   ">DONE", ">DEVICES", ">PROVEN",
	                                    ">FAILED", "CREATED", "NAME",  NULL};
	struct buf path = BUF_INIT;
	enum status status;

	buf_puts(&path, "/v1/campaigns");
	put_param(&path, "state", c->o.state);
	put_param(&path, "name", c->o.name);
	status = say_list(c, path.data, names, put_campaign_row);
	buf_done(&path);
	return status;
}

static void put_by(struct buf *out, const char *what, const json_t *campaign, const char *member)
{
	json_t *by = field(campaign, member), *n;
	const char *name;
	bool is_first = true;

	json_object_foreach (by, name, n) {
		buf_printf(out, is_first ? "%-10s " : ", ", what);
		text_count(out, json_integer_value(n));
		buf_printf(out, " %s", name);
		is_first = false;
	}
	if (!is_first)
		buf_putc(out, '\n');
}

static void put_campaign(struct buf *out, const json_t *o)
{
	struct view_options view = {
	        .columns = 120, .is_ascii = true, .now_ms = clock_now_ms(), .per_second = -1};

	view_lines(o, &view, out);
	buf_puts(out, "created    ");
	put_at(out, o, "createdAt");
	buf_puts(out, " by ");
	put_text(out, o, "createdBy");
	buf_puts(out, ", started ");
	put_at(out, o, "startedAt");
	buf_puts(out, ", finished ");
	put_at(out, o, "finishedAt");
	buf_putc(out, '\n');
	put_by(out, "failed", o, "failedBy");
	put_by(out, "skipped", o, "skippedBy");
	if (field_text(o, "retryOf")[0] != '\0')
		buf_printf(out, "%-10s %s\n", "retry of", field_text(o, "retryOf"));
}

static void put_call(struct buf *out, const json_t *call)
{
	buf_puts(out, "  ");
	put_at(out, call, "calledAt");
	buf_puts(out, "  call: ");
	put_text(out, call, "outcome");
	if (field_int(call, "methodStatus") != 0)
		buf_printf(out, ", the device answered %lld", (long long)field_int(call, "methodStatus"));
	buf_putc(out, '\n');
}

static void put_evidence(struct buf *out, const json_t *evidence)
{
	buf_puts(out, "  ");
	put_at(out, evidence, "at");
	buf_puts(out, "  evidence: ");
	put_text(out, evidence, "verdict");
	buf_puts(out, " by ");
	put_text(out, evidence, "source");
	if (strcmp(field_text(evidence, "strength"), "none") != 0)
		buf_printf(out, " (%s)", field_text(evidence, "strength"));
	buf_putc(out, '\n');
}

static void put_target(struct buf *out, const json_t *o)
{
	const json_t *calls = field(o, "attempts"), *evidence = field(o, "evidence"), *call, *seen;
	size_t i = 0, k = 0;

	put_text(out, o, "deviceId");
	buf_puts(out, " on ");
	put_text(out, o, "hub");
	buf_printf(out, ": %s", field_text(o, "state"));
	if (field_text(o, "reason")[0] != '\0')
		buf_printf(out, ", %s", field_text(o, "reason"));
	if (field_text(o, "waitingFor")[0] != '\0')
		buf_printf(out, ", waits for %s", field_text(o, "waitingFor"));
	if (field_time(o, "nextAt") != TIME_NONE) {
		buf_puts(out, " until ");
		put_at(out, o, "nextAt");
	}
	buf_putc(out, '\n');
	while (i < json_array_size(calls) || k < json_array_size(evidence)) { /* as it came about */
		call = json_array_get(calls, i);
		seen = json_array_get(evidence, k);
		if (seen == NULL || (call != NULL && field_time(call, "calledAt") < field_time(seen, "at"))) {
			put_call(out, call);
			i++;
		} else {
			put_evidence(out, seen);
			k++;
		}
	}
}

enum status command_show(struct command *c)
{
	struct buf path = BUF_INIT, out = BUF_INIT;
	json_t *o = NULL;
	enum status status;

	buf_puts(&path, "/v1/campaigns/");
	put_part(&path, c->o.arguments[0]);
	if (c->o.arguments_n > 1) {
		buf_puts(&path, "/targets/");
		put_part(&path, c->o.arguments[1]);
		put_param(&path, "hub", c->o.hub);
	}
	status = get(c, path.data, &o);
	if (status == STATUS_OK && c->o.output == OUTPUT_JSON) {
		say_json(o);
	} else if (status == STATUS_OK) {
		if (c->o.arguments_n > 1)
			put_target(&out, o);
		else
			put_campaign(&out, o);
		say(&out);
	}
	json_decref(o);
	buf_done(&path);
	buf_done(&out);
	return status;
}

/* ---- targets ---- */

static void put_target_row(struct buf *cells, const json_t *o)
{
	put_text(&cells[0], o, "deviceId");
	put_text(&cells[1], o, "state");
	put_text(&cells[2], o, field_text(o, "reason")[0] != '\0' ? "reason" : "waitingFor");
	put_at(&cells[3], o, "nextAt");
	buf_printf(&cells[4], "%lld", (long long)field_int(o, "wave") + 1);
	put_text(&cells[5], o, "group");
	put_text(&cells[6], o, "hub");
	buf_printf(&cells[7], "%lld", (long long)field_int(o, "attempt"));
	put_at(&cells[8], o, "changedAt");
}

/* Of whose answer nothing is shown here but a refusal. */
static enum status ask_for(struct command *c, const struct question *q)
{
	struct reply r;
	enum status status = STATUS_OK;

	client_ask(c->client, q, &r);
	if (r.status / 100 != 2)
		status = refused(&r);
	reply_done(&r);
	return status;
}

static enum status export_targets(struct command *c, const char *path)
{
	struct question q = {.path = path, .accept = "text/csv, application/problem+json", .to = stdout};

	return ask_for(c, &q);
}

enum status command_targets(struct command *c)
{
	static const char *const names[] = {"DEVICE", "STATE", "WHY",       "UNTIL",   ">WAVE",
	                                    "GROUP",  "HUB",   ">ATTEMPTS", "CHANGED", NULL};
	struct buf path = BUF_INIT;
	enum status status;

	buf_puts(&path, "/v1/campaigns/");
	put_part(&path, c->o.arguments[0]);
	buf_puts(&path, "/targets");
	put_param(&path, "state", c->o.state);
	put_param(&path, "reason", c->o.reasons_n > 0 ? c->o.reasons[0] : NULL);
	put_param(&path, "waitingFor", c->o.waiting_for);
	put_param(&path, "wave", c->o.wave);
	put_param(&path, "group", c->o.group);
	put_param(&path, "hub", c->o.hub);
	put_param(&path, "deviceId", c->o.device);
	if (c->o.output == OUTPUT_CSV) {
		status = export_targets(c, path.data);
	} else {
		put_param(&path, "limit", c->o.limit > 0 && c->o.limit < 1000 ? NULL : "1000");
		status = say_list(c, path.data, names, put_target_row);
	}
	buf_done(&path);
	return status;
}

/* ---- events ---- */

/* A device (and its hub, where there are several), else a schedule, a hub, a campaign. */
static void put_subject(struct buf *out, const json_t *e)
{
	static const char *const members[] = {"deviceId", "scheduleId", "hub", "campaignId"};
	size_t i = 0;

	while (i + 1 < sizeof members / sizeof *members && field_text(e, members[i])[0] == '\0')
		i++;
	put_text(out, e, members[i]);
	if (i == 0 && field_text(e, "hub")[0] != '\0') {
		buf_puts(out, " on ");
		put_text(out, e, "hub");
	}
}

/* "12:03:04  target    dev-000123 waiting → invoking" */
static void put_event(struct buf *out, const json_t *e)
{
	const char *why;

	put_at(out, e, "at");
	buf_printf(out, "  %-9s ", field_text(e, "type"));
	put_subject(out, e);
	if (strcmp(field_text(e, "type"), "wave") == 0)
		buf_printf(out, " wave %lld", (long long)field_int(e, "wave") + 1);
	if (field_text(e, "from")[0] != '\0')
		buf_printf(out, " %s →", field_text(e, "from"));
	buf_printf(out, " %s%s%s%s", field_text(e, "to"), field_text(e, "stage"), field_text(e, "state"),
	           field_text(e, "change"));
	if (field_text(e, "reason")[0] != '\0')
		buf_printf(out, " %s", field_text(e, "reason"));
	why = field_text(e, "stateReason")[0] != '\0' ? "stateReason" : "why";
	if (field_text(e, why)[0] != '\0') {
		buf_puts(out, " (");
		put_text(out, e, why);
		buf_putc(out, ')');
	}
	buf_putc(out, '\n');
}

static void say_event(const struct command *c, const json_t *e)
{
	struct buf out = BUF_INIT;

	if (c->o.output == OUTPUT_JSON) {
		say_json(e);
	} else {
		put_event(&out, e);
		say(&out);
	}
	buf_done(&out);
}

static bool on_event_item(void *arg, json_t *e)
{
	say_event(arg, e);
	return true;
}

static void on_event(void *arg, const char *type, const char *data)
{
	json_t *e = json_loads(data, 0, NULL);

	if (strcmp(type, "reset") == 0)
		complain(STATUS_OK, "events up to %lld are not kept any more",
		         (long long)field_int(e, "firstKeptId") - 1);
	else if (e != NULL)
		say_event(arg, e);
	fflush(stdout);
	json_decref(e);
}

static void on_data(void *arg, const char *data, size_t n)
{
	event_reader_put(arg, data, n);
}

/* Until Ctrl-C, or until the service refuses. */
static enum status follow(struct command *c, const char *path)
{
	struct event_reader reader;
	uint32_t pause_ms = 0;
	unsigned status = 0;

	event_reader_init(&reader, c->o.after, on_event, c);
	do {
		uint64_t last_id = reader.last_id;
		int64_t since_mono_ms = clock_mono_ms();

		client_stream(c->client, path, reader.last_id, on_data, &reader);
		event_reader_begin(&reader);
		while (client_wait(c->client, 60000, &status))
			;
		/* Longer and longer where nothing comes of it. */
		if (reader.last_id != last_id || clock_mono_ms() - since_mono_ms > LONGEST_TRY_MS)
			pause_ms = 0;
		pause_ms = pause_ms == 0                   ? reader.retry_ms
		           : pause_ms * 2 < LONGEST_TRY_MS ? pause_ms * 2
		                                           : LONGEST_TRY_MS;
		if (status == 0 || status == 200 || status == 429 || status / 100 == 5)
			client_wait(c->client, pause_ms, &status);
	} while (status == 0 || status == 200 || status == 429 || status / 100 == 5);
	event_reader_done(&reader);
	complain(STATUS_REFUSED, "the service answers %u", status);
	return status == 401 || status == 403 ? STATUS_NOT_ALLOWED : STATUS_REFUSED;
}

enum status command_events(struct command *c)
{
	struct buf path = BUF_INIT;
	char after[24];
	enum status status;

	buf_puts(&path, "/v1");
	if (c->o.arguments_n > 0) {
		buf_puts(&path, "/campaigns/");
		put_part(&path, c->o.arguments[0]);
	}
	buf_puts(&path, "/events");
	if (c->o.follows) {
		status = follow(c, path.data);
	} else {
		snprintf(after, sizeof after, "%" PRIu64, c->o.after);
		put_param(&path, "after", c->o.after > 0 ? after : NULL);
		put_param(&path, "limit", c->o.limit > 0 && c->o.limit < 1000 ? NULL : "1000");
		status = each(c, path.data, c->o.limit, on_event_item, c);
	}
	buf_done(&path);
	return status;
}

/* ---- schedules ---- */

static void put_schedule_row(struct buf *cells, const json_t *o)
{
	put_text(&cells[0], o, "id");
	put_text(&cells[1], o, "state");
	put_text(&cells[2], o,
	         field_text(o, "recurrence.cron")[0] != '\0' ? "recurrence.cron" : "recurrence.rrule");
	put_text(&cells[3], o, "recurrence.timeZone");
	put_at(&cells[4], o, "nextAt");
	put_text(&cells[5], o, "name");
}

static void put_occurrence_row(struct buf *cells, const json_t *o)
{
	put_text(&cells[0], o, "local");
	put_text(&cells[1], o, "at");
	put_text(&cells[2], o, "clockChange");
}

/* All of them, or the next occurrences of one. */
enum status command_schedules(struct command *c)
{
	static const char *const names[] = {"ID", "STATE", "RECURRENCE", "ZONE", "NEXT", "NAME", NULL};
	static const char *const occurrences[] = {"LOCAL", "UTC", "CLOCK CHANGE", NULL};
	struct buf path = BUF_INIT;
	char count[24];
	enum status status;

	buf_puts(&path, "/v1/schedules");
	if (c->o.arguments_n == 0) {
		status = say_list(c, path.data, names, put_schedule_row);
	} else {
		buf_putc(&path, '/');
		put_part(&path, c->o.arguments[0]);
		buf_puts(&path, "/occurrences");
		snprintf(count, sizeof count, "%" PRIu64, c->o.limit > 0 ? c->o.limit : 10);
		put_param(&path, "count", count);
		status = say_list(c, path.data, occurrences, put_occurrence_row);
	}
	buf_done(&path);
	return status;
}

/* ---- webhooks ---- */

static void put_webhook_row(struct buf *cells, const json_t *o)
{
	put_text(&cells[0], o, "name");
	put_text(&cells[1], o, "host");
	put_text(&cells[2], o, "state");
	text_count(&cells[3], field_int(o, "queued"));
	put_at(&cells[4], o, "oldestAt");
	put_at(&cells[5], o, "deliveredAt");
	text_count(&cells[6], field_int(o, "deadLetters"));
	put_text(&cells[7], o, "lastError");
}

static void put_dead_letter_row(struct buf *cells, const json_t *o)
{
	buf_printf(&cells[0], "%lld", (long long)field_int(o, "eventId"));
	put_at(&cells[1], o, "givenUpAt");
	text_count(&cells[2], field_int(o, "attempts"));
	put_text(&cells[3], o, "body.type");
	put_text(&cells[4], o, "body.data.campaignId");
	put_text(&cells[5], o, "error");
}

static enum status forget_dead_letters(struct command *c, const char *path)
{
	struct question q = {.method = "DELETE", .path = path};

	return ask_for(c, &q);
}

/* All of them; or what of one was given up, with --forget for the last time. */
enum status command_webhooks(struct command *c)
{
	static const char *const names[] = {"WEBHOOK",   "HOST",  "STATE",      ">QUEUED", "OLDEST",
	                                    "DELIVERED", ">DEAD", "LAST ERROR", NULL};
	static const char *const letters[] = {"EVENT",    "GIVEN UP", ">ATTEMPTS", "TYPE",
	                                      "CAMPAIGN", "ERROR",    NULL};
	struct buf path = BUF_INIT;
	enum status status;

	if (c->o.arguments_n == 0 && c->o.forgets)
		return complain(STATUS_USAGE, "--forget needs the name of a webhook");
	buf_puts(&path, "/v1/webhooks");
	if (c->o.arguments_n == 0) {
		status = say_list(c, path.data, names, put_webhook_row);
	} else {
		buf_putc(&path, '/');
		put_part(&path, c->o.arguments[0]);
		buf_puts(&path, "/dead-letters");
		status = c->o.forgets ? forget_dead_letters(c, path.data)
		                      : say_list(c, path.data, letters, put_dead_letter_row);
	}
	buf_done(&path);
	return status;
}

/* ---- hubs ---- */

static void put_hub_row(struct buf *cells, const json_t *o)
{
	put_text(&cells[0], o, "name");
	put_text(&cells[1], o, "state");
	put_text(&cells[2], o, "sku");
	buf_printf(&cells[3], "%lld", (long long)field_int(o, "units"));
	if (json_is_integer(field(o, "quota.callsPerMinute")))
		text_count(&cells[4], field_int(o, "quota.callsPerMinute"));
	text_count(&cells[5], field_int(o, "inUse.inFlight"));
	text_count(&cells[6], field_int(o, "sinceStart.throttled"));
	text_count(&cells[7], field_int(o, "quota.messagesToday"));
	if (json_is_integer(field(o, "quota.messagesPerDay")))
		text_count(&cells[8], field_int(o, "quota.messagesPerDay"));
	put_text(&cells[9], o, "lastError");
}

enum status command_hubs(struct command *c)
{
	static const char *const names[] = {"HUB",        "STATE",      ">SKU",       ">UNITS",
	                                    ">CALLS/MIN", ">OUT",       ">THROTTLED", ">MESSAGES",
	                                    ">OF A DAY",  "LAST ERROR", NULL};

	return say_list(c, "/v1/hubs", names, put_hub_row);
}
