/* api/cli: campaigns made and foretold: run, preview, retry. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "api/cli/command.h"
#include "api/cli/field.h"
#include "api/cli/text.h"
#include "server/base/clock.h"

#define TRIES 5 /* of a request whose answer may be lost; its key makes it one */
#define SPEC_MAX_BYTES ((size_t)64 << 20)

static enum status read_spec(const struct command *c, struct buf *ret)
{
	const char *path = c->o.file;
	FILE *in;
	size_t n;

	if (path == NULL)
		return complain(STATUS_USAGE, "name the spec: -f FILE, or -f - for standard input");
	in = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	if (in == NULL)
		return complain(STATUS_USAGE, "%s: %s", path, strerror(errno));
	do {
		n = fread(buf_reserve(ret, 65536), 1, 65536, in);
		ret->len += n;
	} while (n > 0 && ret->len < SPEC_MAX_BYTES);
	if (ferror(in) || ret->len == 0) {
		complain(STATUS_USAGE, "%s: %s", path,
		         ferror(in) ? strerror(errno) : "there is nothing in it");
		ret->len = 0;
	}
	if (in != stdin)
		fclose(in);
	return ret->len > 0 ? STATUS_OK : STATUS_USAGE;
}

/* A key of our own makes it safe to ask again where an answer was lost. */
static const char *key_of(const struct command *c, char out[40])
{
	uint64_t luck[2];

	if (c->o.key != NULL)
		return c->o.key;
	if (getrandom(luck, sizeof luck, 0) != sizeof luck)
		return NULL;
	snprintf(out, 40, "cli-%016" PRIx64 "%016" PRIx64, luck[0], luck[1]);
	return out;
}

static bool is_worth_trying(unsigned status)
{
	return status == 0 || status == 429 || status == 503;
}

/* Posts what makes a campaign; its id goes to standard output, or the campaign is watched. */
static enum status make(struct command *c, const char *path, const struct buf *body)
{
	char key[40];
	struct question q = {.method = "POST", .path = path, .body = body->data, .body_bytes = body->len};
	struct reply r;
	json_t *campaign = NULL;
	enum status status = STATUS_OK;
	unsigned ignored;

	q.key = key_of(c, key);
	client_ask(c->client, &q, &r);
	for (int tries = 1; tries < TRIES && q.key != NULL && is_worth_trying(r.status); tries++) {
		reply_done(&r);
		client_wait(c->client, 1000, &ignored);
		client_ask(c->client, &q, &r);
	}
	if (r.status / 100 == 2)
		campaign = json_loadb(r.body.data, r.body.len, 0, NULL);
	if (campaign == NULL)
		status = refused(&r);
	reply_done(&r);
	if (campaign == NULL)
		return status;
	if (c->o.output == OUTPUT_JSON)
		say_json(campaign);
	else
		printf("%s\n", field_text(campaign, "id"));
	fflush(stdout);
	if (c->o.watches)
		status = watch(c, field_text(campaign, "id"));
	json_decref(campaign);
	return status;
}

enum status command_run(struct command *c)
{
	struct buf spec = BUF_INIT;
	enum status status = read_spec(c, &spec);

	if (status == STATUS_OK)
		status = make(c, "/v1/campaigns", &spec);
	buf_done(&spec);
	return status;
}

enum status command_retry(struct command *c)
{
	struct buf path = BUF_INIT, body = BUF_INIT;
	enum status status;

	buf_puts(&path, "/v1/campaigns/");
	put_part(&path, c->o.arguments[0]);
	buf_puts(&path, "/retry");
	buf_putc(&body, '{');
	for (size_t i = 0; i < c->o.reasons_n; i++) {
		buf_puts(&body, i > 0 ? "," : "\"reasons\":[");
		buf_json(&body, c->o.reasons[i]);
	}
	buf_puts(&body, c->o.reasons_n > 0 ? "]}" : "}");
	status = make(c, path.data, &body);
	buf_done(&path);
	buf_done(&body);
	return status;
}

/* ---- preview ---- */

static void put_at(struct buf *out, const json_t *o, const char *member)
{
	text_time(out, field_time(o, member), clock_now_ms());
}

static void put_never_called(struct buf *out, const json_t *all)
{
	const json_t *never, *id;
	size_t i, j;

	json_array_foreach (all, i, never) {
		buf_puts(out, "  ");
		text_count(out, field_int(never, "count"));
		buf_printf(out, " never called: %s", field_text(never, "reason"));
		json_array_foreach (field(never, "deviceIds"), j, id) {
			buf_puts(out, j > 0 ? ", " : " (");
			text_plain(out, json_string_value(id));
		}
		if (j > 0)
			buf_puts(out, (int64_t)j < field_int(never, "count") ? ", …)" : ")");
		buf_putc(out, '\n');
	}
}

static void put_waves(struct buf *out, const json_t *waves)
{
	const json_t *wave;
	size_t i;

	buf_printf(out, "%-16s %9s %9s  %-16s  %-16s  %s\n", "WAVE", "DEVICES", "TO CALL", "OPENS",
	           "FINISHES", "BOUNDED BY");
	json_array_foreach (waves, i, wave) {
		struct buf name = BUF_INIT, opens = BUF_INIT, finishes = BUF_INIT;

		if (field_text(wave, "name")[0] != '\0')
			text_plain(&name, field_text(wave, "name"));
		else
			buf_printf(&name, "%zu", i + 1);
		put_at(&opens, wave, "opensAt");
		put_at(&finishes, wave, "finishesAt");
		buf_printf(out, "%-16s %9lld %9lld  %-16s  %-16s  %s%s\n", name.data,
		           (long long)field_int(wave, "size"), (long long)field_int(wave, "toCall"),
		           opens.data, finishes.data, field_text(wave, "boundedBy"),
		           json_is_true(field(wave, "waitsForApproval")) ? ", waits for approval" : "");
		buf_done(&name);
		buf_done(&opens);
		buf_done(&finishes);
	}
}

static void put_windows(struct buf *out, const json_t *windows)
{
	const json_t *window;
	size_t i;

	json_array_foreach (windows, i, window) {
		buf_puts(out, i == 0 ? "windows: " : ", ");
		put_at(out, window, "from");
		buf_puts(out, " to ");
		put_at(out, window, "until");
	}
	if (i > 0)
		buf_putc(out, '\n');
}

static void put_hubs(struct buf *out, const json_t *hubs)
{
	const json_t *hub;
	size_t i;

	json_array_foreach (hubs, i, hub) {
		buf_puts(out, "hub ");
		text_plain(out, field_text(hub, "name"));
		buf_puts(out, ": ");
		text_count(out, field_int(hub, "calls"));
		buf_puts(out, " calls, ");
		text_count(out, field_int(hub, "messages"));
		buf_puts(out, " messages");
		if (json_is_number(field(hub, "dailyQuotaPercent")))
			buf_printf(out, ", %.1f%% of the day's", field_number(hub, "dailyQuotaPercent"));
		buf_putc(out, '\n');
	}
}

static void put_preview(struct buf *out, const json_t *p)
{
	int64_t starts_ms = field_time(p, "startsAt"), finishes_ms = field_time(p, "finishesAt");
	const json_t *warning;
	size_t i;

	text_count(out, field_int(p, "targets.total"));
	buf_puts(out, " devices, ");
	text_count(out, field_int(p, "targets.toCall"));
	buf_printf(out, " to call%s\n", json_is_false(field(p, "targets.isExact")) ? " (about)" : "");
	put_never_called(out, field(p, "targets.neverCalled"));
	if (json_is_object(field(p, "groups"))) {
		text_count(out, field_int(p, "groups.count"));
		buf_puts(out, " groups by ");
		text_plain(out, field_text(p, "groups.by"));
		buf_putc(out, '\n');
	}
	put_windows(out, field(p, "windows"));
	buf_puts(out, "starts ");
	text_time(out, starts_ms, clock_now_ms());
	buf_puts(out, ", finishes ");
	if (finishes_ms != TIME_NONE) {
		buf_puts(out, "about ");
		text_time(out, finishes_ms, clock_now_ms());
		buf_puts(out, " (");
		text_span(out, finishes_ms - starts_ms);
		buf_putc(out, ')');
	} else {
		buf_puts(out, "nobody can tell when");
	}
	buf_printf(out, "; bounded by %s\n", field_text(p, "boundedBy"));
	put_waves(out, field(p, "waves"));
	put_hubs(out, field(p, "hubs"));
	json_array_foreach (field(p, "warnings"), i, warning) {
		buf_puts(out, "warning: ");
		text_plain(out, field_text(warning, "detail"));
		buf_putc(out, '\n');
	}
}

enum status command_preview(struct command *c)
{
	struct question q = {.method = "POST", .path = "/v1/campaigns/preview"};
	struct buf spec = BUF_INIT, out = BUF_INIT;
	json_t *preview = NULL;
	enum status status = read_spec(c, &spec);

	q.body = spec.data;
	q.body_bytes = spec.len;
	if (status == STATUS_OK)
		status = ask(c, &q, &preview);
	if (status == STATUS_OK && c->o.output == OUTPUT_JSON) {
		say_json(preview);
	} else if (status == STATUS_OK) {
		put_preview(&out, preview);
		say(&out);
	}
	json_decref(preview);
	buf_done(&spec);
	buf_done(&out);
	return status;
}
