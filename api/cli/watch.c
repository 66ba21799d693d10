/* api/cli: watches a campaign: what it has come to is asked whenever events have come, and now and then
 * without.
 *
 *   ask ──▶ draw ──▶ over? ──▶ end
 *    ▲                 │no
 *    └── events, or 5 s ◀┘
 * Events come by a stream, which is opened again behind the last one whenever it ends. Where the service
 * cannot be reached for a while, that is told, and the watch goes on. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "api/cli/command.h"
#include "api/cli/event.h"
#include "api/cli/field.h"
#include "api/cli/text.h"
#include "server/base/clock.h"

#define LOOK_MS 100     /* how soon events are seen */
#define ASK_MIN_MS 400  /* between two questions */
#define ASK_MAX_MS 5000 /* without events */
#define LINE_MS 10000   /* between two lines of a log, unless a twentieth was done */
#define RATE_MS 30000   /* the rate is of so long */
#define SAMPLES_MAX 64
#define COLUMNS 80

struct watch {
	struct command *c;
	const char *id;
	char *path, *events_path;
	bool is_terminal, is_ascii, has_colors;
	struct event_reader reader;
	int64_t stream_at_mono_ms; /* not to be opened before */
	bool is_open, has_news;
	json_t *campaign; /* as last answered */
	int64_t asked_mono_ms, reached_mono_ms, line_mono_ms;
	char trouble[160];
	enum status ended; /* something that no patience helps against; OK: nothing */
	struct view_failure failures[VIEW_FAILURES];
	uint32_t failures_n;
	uint64_t failures_all;
	struct {
		int64_t mono_ms, final;
	} samples[SAMPLES_MAX];
	uint32_t samples_n;
	uint32_t drawn_n; /* lines on the terminal */
	int64_t line_final;
	char line_state[512];
};

/* ---- what is shown ---- */

/* Devices that became final per second; below 0 where there is no telling yet. */
static double rate(const struct watch *w)
{
	int64_t ms = w->samples_n > 0 ? w->samples[w->samples_n - 1].mono_ms - w->samples[0].mono_ms : 0;

	if (ms < 1000)
		return -1;
	return (double)(w->samples[w->samples_n - 1].final - w->samples[0].final) * 1000 / (double)ms;
}

static void take_sample(struct watch *w, int64_t now_mono_ms)
{
	uint32_t old = 0;

	while (old < w->samples_n && w->samples[old].mono_ms < now_mono_ms - RATE_MS)
		old++;
	if (old == 0 && w->samples_n == SAMPLES_MAX)
		old = 1;
	memmove(w->samples, w->samples + old, (w->samples_n - old) * sizeof *w->samples);
	w->samples_n -= old;
	w->samples[w->samples_n].mono_ms = now_mono_ms;
	w->samples[w->samples_n++].final = view_final(w->campaign);
}

static struct view_options view_options(const struct watch *w)
{
	struct winsize size = {0};

	return (struct view_options){
	        .columns = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col
	                                                                                   : COLUMNS,
	        .is_ascii = w->is_ascii,
	        .has_colors = w->has_colors,
	        .now_ms = clock_now_ms(),
	        .per_second = rate(w),
	        .trouble = w->trouble[0] != '\0' ? w->trouble : NULL,
	        .failures = w->failures,
	        .failures_n = w->failures_n,
	        .failures_all = w->failures_all,
	};
}

/* In place of what was drawn before, in one write, so that nothing flickers. */
static void draw(struct watch *w)
{
	struct view_options o = view_options(w);
	struct buf lines = BUF_INIT, out = BUF_INIT;
	uint32_t n = view_lines(w->campaign, &o, &lines);

	if (w->drawn_n > 0)
		buf_printf(&out, "\r\033[%uA", w->drawn_n);
	for (const char *at = lines.data, *end; at != NULL && (end = strchr(at, '\n')) != NULL; at = end + 1)
		buf_printf(&out, "\033[2K%.*s\n", (int)(end - at), at);
	buf_puts(&out, "\033[J");
	say(&out);
	fflush(stdout);
	w->drawn_n = n;
	buf_done(&lines);
	buf_done(&out);
}

static void put_now(struct buf *out)
{
	int64_t now_ms = clock_now_ms();

	text_time(out, now_ms, now_ms);
	buf_putc(out, ' ');
}

static void say_line(const char *text)
{
	struct buf line = BUF_INIT;

	put_now(&line);
	buf_puts(&line, text);
	buf_putc(&line, '\n');
	say(&line);
	fflush(stdout);
	buf_done(&line);
}

/* A line where there is something to tell: another state, a twentieth more, or ten seconds. */
static void log_progress(struct watch *w, int64_t now_mono_ms)
{
	struct view_options o = view_options(w);
	struct buf state = BUF_INIT, line = BUF_INIT;
	int64_t total = field_int(w->campaign, "counts.total"), final = view_final(w->campaign);
	bool is_news;

	buf_printf(&state, "%.32s: %.400s", field_text(w->campaign, "state"),
	           field_text(w->campaign, "stateReason"));
	is_news = strcmp(state.data, w->line_state) != 0 ||
	          (total > 0 && (final - w->line_final) * 20 >= total) ||
	          (now_mono_ms - w->line_mono_ms >= LINE_MS && final != w->line_final);
	if (is_news) {
		snprintf(w->line_state, sizeof w->line_state, "%s", state.data);
		w->line_final = final;
		w->line_mono_ms = now_mono_ms;
		view_line(w->campaign, &o, &line);
		say_line(line.data);
	}
	buf_done(&state);
	buf_done(&line);
}

static void show(struct watch *w, int64_t now_mono_ms)
{
	if (w->campaign == NULL || w->c->o.output == OUTPUT_JSON)
		return;
	if (w->is_terminal)
		draw(w);
	else
		log_progress(w, now_mono_ms);
}

/* ---- events ---- */

static void take_failure(struct watch *w, const json_t *event)
{
	struct view_failure *f;

	w->failures_all++;
	if (w->failures_n == VIEW_FAILURES)
		memmove(w->failures, w->failures + 1, --w->failures_n * sizeof *w->failures);
	f = &w->failures[w->failures_n++];
	snprintf(f->device_id, sizeof f->device_id, "%s", field_text(event, "deviceId"));
	snprintf(f->reason, sizeof f->reason, "%s", field_text(event, "reason"));
}

/* A wave's step or a failure is a line of its own in a log. */
static void log_event(const json_t *event)
{
	struct buf line = BUF_INIT;

	if (strcmp(field_text(event, "type"), "wave") == 0) {
		buf_puts(&line, "wave ");
		if (field_text(event, "name")[0] != '\0')
			text_plain(&line, field_text(event, "name"));
		else
			buf_printf(&line, "%lld", (long long)field_int(event, "wave") + 1);
		buf_printf(&line, " %s", field_text(event, "stage"));
	} else {
		buf_puts(&line, "failed: ");
		text_plain(&line, field_text(event, "deviceId"));
		buf_printf(&line, " %s", field_text(event, "reason"));
	}
	say_line(line.data);
	buf_done(&line);
}

static void on_event(void *arg, const char *type, const char *data)
{
	struct watch *w = arg;
	json_t *event = json_loads(data, 0, NULL);
	bool is_failure = strcmp(type, "target") == 0 && strcmp(field_text(event, "to"), "failed") == 0;

	w->has_news = true;
	if (w->c->o.output == OUTPUT_JSON) {
		fputs(data, stdout);
		fputc('\n', stdout);
		fflush(stdout);
	} else if (!w->is_terminal && (is_failure || strcmp(type, "wave") == 0)) {
		log_event(event);
	}
	if (is_failure)
		take_failure(w, event);
	json_decref(event);
}

static void on_data(void *arg, const char *data, size_t n)
{
	struct watch *w = arg;

	event_reader_put(&w->reader, data, n);
}

/* Sees to it that the stream is open, and waits for it a little. */
static void listen(struct watch *w)
{
	unsigned status;

	if (!w->is_open && clock_mono_ms() >= w->stream_at_mono_ms) {
		event_reader_begin(&w->reader);
		client_stream(w->c->client, w->events_path, w->reader.last_id, on_data, w);
		w->is_open = true;
	}
	if (client_wait(w->c->client, LOOK_MS, &status) || !w->is_open)
		return;
	w->is_open = false; /* without it the campaign is asked now and then, all the same */
	w->stream_at_mono_ms = clock_mono_ms() + w->reader.retry_ms;
}

/* ---- the campaign ---- */

/* An answer that would be the same the next time. */
static bool is_lasting(unsigned status)
{
	return status / 100 == 4 && status != 408 && status != 429;
}

static void ask_campaign(struct watch *w)
{
	struct question q = {.path = w->path};
	struct reply r;
	json_t *campaign = NULL;
	int64_t now_mono_ms;

	w->has_news = false;
	client_ask(w->c->client, &q, &r);
	now_mono_ms = w->asked_mono_ms = clock_mono_ms();
	if (r.status == 200)
		campaign = json_loadb(r.body.data, r.body.len, 0, NULL);
	if (campaign != NULL) {
		json_decref(w->campaign);
		w->campaign = campaign;
		w->reached_mono_ms = now_mono_ms;
		w->trouble[0] = '\0';
		take_sample(w, now_mono_ms);
	} else if (is_lasting(r.status) ||
	           now_mono_ms - w->reached_mono_ms >= (int64_t)w->c->o.patience_s * 1000) {
		w->ended = refused(&r);
	} else if (w->trouble[0] == '\0') {
		if (r.status > 0)
			snprintf(w->trouble, sizeof w->trouble, "the service answers %u, trying on",
			         r.status);
		else
			snprintf(w->trouble, sizeof w->trouble, "no answer, trying on: %.100s", r.reason);
		if (!w->is_terminal && w->c->o.output == OUTPUT_TEXT)
			say_line(w->trouble);
	}
	reply_done(&r);
}

/* Events that were before the watch are not told; those from now on are. */
static enum status find_place(struct watch *w)
{
	struct buf path = BUF_INIT;
	json_t *page = NULL;
	enum status status;

	buf_printf(&path, "%s?limit=1", w->events_path);
	status = get(w->c, path.data, &page);
	buf_done(&path);
	if (status == STATUS_OK)
		w->reader.last_id = (uint64_t)field_int(page, "lastId");
	json_decref(page);
	return status;
}

static enum status finish(struct watch *w, enum status status)
{
	struct buf end = BUF_INIT;

	if (w->c->o.output == OUTPUT_JSON) {
		say_json(w->campaign);
	} else {
		view_end(w->campaign, &end);
		say(&end);
	}
	fflush(stdout);
	buf_done(&end);
	return status;
}

static bool is_due(const struct watch *w)
{
	int64_t since_ms = clock_mono_ms() - w->asked_mono_ms;

	return since_ms >= ASK_MAX_MS || (since_ms >= ASK_MIN_MS && (w->has_news || w->trouble[0] != '\0'));
}

static enum status run(struct watch *w)
{
	enum status status;

	for (;;) {
		ask_campaign(w);
		if (w->ended != STATUS_OK)
			return w->ended;
		show(w, clock_mono_ms());
		if (w->campaign != NULL && view_is_over(w->campaign, w->c->o.until_approval, &status))
			return finish(w, status);
		do
			listen(w);
		while (!is_due(w));
	}
}

static bool is_utf8(void)
{
	const char *names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *value = getenv(names[i]);

		if (value != NULL && value[0] != '\0')
			return strcasestr(value, "utf-8") != NULL || strcasestr(value, "utf8") != NULL;
	}
	return false;
}

enum status watch(struct command *c, const char *id)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");
	struct watch w = {.c = c, .id = id, .reached_mono_ms = clock_mono_ms()};
	struct buf path = BUF_INIT, events_path = BUF_INIT;
	enum status status;

	buf_puts(&path, "/v1/campaigns/");
	put_part(&path, id);
	buf_printf(&events_path, "%s/events", path.data);
	w.path = path.data;
	w.events_path = events_path.data;
	w.is_terminal = !c->o.is_plain && c->o.output == OUTPUT_TEXT && isatty(STDOUT_FILENO) &&
	                term != NULL && strcmp(term, "dumb") != 0;
	w.is_ascii = !is_utf8();
	w.has_colors = w.is_terminal && (no_color == NULL || no_color[0] == '\0');
	w.line_mono_ms = clock_mono_ms();
	event_reader_init(&w.reader, 0, on_event, &w);
	status = find_place(&w);
	if (status == STATUS_OK)
		status = run(&w);
	json_decref(w.campaign);
	event_reader_done(&w.reader);
	buf_done(&path);
	buf_done(&events_path);
	return status;
}

enum status command_watch(struct command *c)
{
	return watch(c, c->o.arguments[0]);
}
