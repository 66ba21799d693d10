/* tests: api/cli: what each command asks the service, what it says of the answer, and by which status it
 * ends. The client is a double with answers to be given in turn; the clock stands, but for waits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/cli/command.h"
#include "server/base/clock.h"
#include "tests/lib/suite.h"

#define NOW_MS INT64_C(1796090400000) /* 2026-12-01T02:00:00Z */

/* ---- the clock, the terminal, and the client in place of client.c ---- */

static int64_t mono_ms;
static bool is_terminal;

int64_t __wrap_clock_now_ms(void);
int64_t __wrap_clock_now_ms(void)
{
	return NOW_MS;
}

int64_t __wrap_clock_mono_ms(void);
int64_t __wrap_clock_mono_ms(void)
{
	return mono_ms;
}

int __wrap_isatty(int fd);
int __wrap_isatty(int fd)
{
	(void)fd;
	return is_terminal;
}

#define ANSWERS_MAX 16
struct answer {
	unsigned status; /* 0: none; then body is the reason */
	const char *body;
};

struct client {
	struct answer answers[ANSWERS_MAX], streams[ANSWERS_MAX];
	uint32_t answers_n, next, streams_n, next_stream;
	struct buf asked; /* a line for each request */
	client_data_cb *on_data;
	void *arg;
	const struct answer *stream; /* that is open */
	bool is_told;                /* what it has to say */
};

static struct client client;

void client_ask(struct client *c, const struct question *q, struct reply *ret)
{
	const struct answer *a = &c->answers[c->next++];

	ck_assert_msg(c->next <= c->answers_n, "asked too much: %s", q->path);
	buf_printf(&c->asked, "%s %s%s%.*s%s\n", q->method != NULL ? q->method : "GET", q->path,
	           q->body != NULL ? " " : "", (int)q->body_bytes, q->body != NULL ? q->body : "",
	           q->key == NULL                    ? ""
	           : strncmp(q->key, "cli-", 4) == 0 ? " with a key"
	                                             : q->key);
	*ret = (struct reply){.status = a->status, .body = BUF_INIT};
	if (a->status == 0)
		snprintf(ret->reason, sizeof ret->reason, "%s", a->body);
	else if (q->to != NULL && a->status / 100 == 2)
		fputs(a->body, q->to);
	else if (a->body[0] != '\0')
		buf_puts(&ret->body, a->body);
}

void reply_done(struct reply *r)
{
	buf_done(&r->body);
}

void client_stream(struct client *c, const char *path, uint64_t after, client_data_cb *on_data, void *arg)
{
	ck_assert_msg(c->next_stream < c->streams_n, "one stream too many: %s", path);
	buf_printf(&c->asked, "STREAM %s %d\n", path, (int)after);
	c->stream = &c->streams[c->next_stream++];
	c->is_told = false;
	c->on_data = on_data;
	c->arg = arg;
}

bool client_wait(struct client *c, uint32_t ms, unsigned *ret_status)
{
	mono_ms += ms;
	if (c->stream != NULL && !c->is_told && c->stream->status == 200) {
		c->is_told = true;
		c->on_data(c->arg, c->stream->body, strlen(c->stream->body));
		return true;
	}
	*ret_status = c->stream != NULL ? c->stream->status : 0;
	return false;
}

/* ---- a command ---- */

static struct command command;
static char *out, *err;

static void set_up(void)
{
	setenv("TZ", "UTC", 1);
	unsetenv("LANG");
	unsetenv("LC_CTYPE");
	setenv("LC_ALL", "C.UTF-8", 1);
	tzset();
	buf_done(&client.asked);
	client = (struct client){.asked = BUF_INIT};
	command = (struct command){.client = &client, .o = {.patience_s = 60}};
}

static void answer(unsigned status, const char *body)
{
	client.answers[client.answers_n++] = (struct answer){status, body};
}

static void stream(unsigned status, const char *body)
{
	client.streams[client.streams_n++] = (struct answer){status, body};
}

static void argue(const char *argument)
{
	command.o.arguments[command.o.arguments_n++] = argument;
}

static char file[32];

/* A file with this text, for --file, until a command has ended. */
static const char *file_of(const char *text)
{
	int fd;

	snprintf(file, sizeof file, "/tmp/rollcall-cli-XXXXXX");
	fd = mkstemp(file);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	return file;
}

/* Runs it: by this status it has to end, having asked this. */
static void ends(enum status expected, enum status (*run)(struct command *c), const char *asked)
{
	FILE *real_out = stdout, *real_err = stderr;
	size_t out_n, err_n;
	enum status status;

	free(out);
	free(err);
	stdout = open_memstream(&out, &out_n);
	stderr = open_memstream(&err, &err_n);
	status = run(&command);
	fclose(stdout);
	fclose(stderr);
	stdout = real_out;
	stderr = real_err;
	ck_assert_msg(status == expected, "status %d: %s%s", (int)status, out, err);
	ck_assert_str_eq(client.asked.len > 0 ? client.asked.data : "", asked);
	ck_assert_uint_eq(client.next, client.answers_n);
	ck_assert_uint_eq(client.next_stream, client.streams_n);
	if (command.o.file == file)
		unlink(file);
}

/* ---- run, retry, preview ---- */

START_TEST(test_a_lost_answer_is_asked_for_again_under_the_same_key)
{
	command.o.file = file_of("{}");
	answer(0, "connection reset");
	answer(503, "");
	answer(429, "");
	answer(201, "{\"id\":\"c1\"}");
	ends(STATUS_OK, command_run,
	     "POST /v1/campaigns {} with a key\nPOST /v1/campaigns {} with a key\nPOST /v1/campaigns {} with a key\n"
	     "POST /v1/campaigns {} with a key\n");
	ck_assert_str_eq(out, "c1\n");
}
END_TEST

START_TEST(test_after_some_tries_a_lost_answer_is_told)
{
	argue("c1");
	command.o.key = " mine";
	command.o.reasons[command.o.reasons_n++] = "noProof";
	command.o.reasons[command.o.reasons_n++] = "refused";
	for (int i = 0; i < 5; i++)
		answer(0, "connection\nreset");
#define RETRY "POST /v1/campaigns/c1/retry {\"reasons\":[\"noProof\",\"refused\"]} mine\n"
	ends(STATUS_UNREACHED, command_retry, RETRY RETRY RETRY RETRY RETRY);
	ck_assert_str_eq(err, "rollcall: connection?reset\n");
	ck_assert_int_eq(mono_ms, 4000);
}
END_TEST

START_TEST(test_a_campaign_that_is_no_json_was_not_made)
{
	argue("a/b");
	answer(201, "created");
	ends(STATUS_REFUSED, command_retry, "POST /v1/campaigns/a%2Fb/retry {} with a key\n");
	ck_assert_str_eq(err, "rollcall: the service answers 201\n");
}
END_TEST

START_TEST(test_a_spec_must_be_there)
{
	ends(STATUS_USAGE, command_run, "");
	ck_assert_str_eq(err, "rollcall: name the spec: -f FILE, or -f - for standard input\n");
	command.o.file = "/";
	ends(STATUS_USAGE, command_run, "");
	ck_assert_str_eq(err, "rollcall: /: Is a directory\n");
	command.o.file = file_of("");
	ends(STATUS_USAGE, command_preview, "");
	ck_assert_ptr_nonnull(strstr(err, "there is nothing in it"));
}
END_TEST

#define PREVIEW \
	"{\"targets\":{\"total\":1200,\"toCall\":1000,\"isExact\":false,\"neverCalled\":[{\"count\":3,\"reason\":" \
	"\"excluded\",\"deviceIds\":[\"a\",\"b\"]},{\"count\":1,\"reason\":\"notFound\",\"deviceIds\":[\"c\"]},{\"count\":196," \
	"\"reason\":\"alreadyDone\",\"deviceIds\":[]}]},\"groups\":{\"count\":40,\"by\":\"tags.site\"},\"windows\":[{\"from\":" \
	"\"2026-12-01T03:00:00Z\",\"until\":\"2026-12-01T04:00:00Z\"},{\"from\":\"2026-12-02T03:00:00Z\",\"until\":" \
	"\"2026-12-02T04:00:00Z\"}],\"startsAt\":\"2026-12-01T03:00:00Z\",\"finishesAt\":\"2026-12-01T05:30:00Z\"," \
	"\"boundedBy\":\"rate\",\"waves\":[{\"name\":\"canary\",\"size\":10,\"toCall\":9,\"opensAt\":\"2026-12-01T03:00:00Z\"," \
	"\"finishesAt\":\"2026-12-01T03:10:00Z\",\"boundedBy\":\"window\"},{\"name\":null,\"size\":1190,\"toCall\":991," \
	"\"waitsForApproval\":true,\"boundedBy\":\"rate\"}],\"hubs\":[{\"name\":\"main\",\"calls\":1000,\"messages\":2000," \
	"\"dailyQuotaPercent\":0.5},{\"name\":\"spare\",\"calls\":0,\"messages\":0,\"dailyQuotaPercent\":null}]," \
	"\"warnings\":[{\"detail\":\"no window fits\"}]}"

START_TEST(test_a_preview_tells_what_a_campaign_would_come_to)
{
	command.o.file = file_of("{\"name\":\"x\"}");
	answer(200, PREVIEW);
	ends(STATUS_OK, command_preview, "POST /v1/campaigns/preview {\"name\":\"x\"}\n");
	ck_assert_str_eq(
	        out,
	        "1,200 devices, 1,000 to call (about)\n"
	        "  3 never called: excluded (a, b, …)\n"
	        "  1 never called: notFound (c)\n"
	        "  196 never called: alreadyDone\n"
	        "40 groups by tags.site\n"
	        "windows: 03:00:00 to 04:00:00, 2026-12-02 03:00 to 2026-12-02 04:00\n"
	        "starts 03:00:00, finishes about 05:30:00 (2 h 30 min); bounded by rate\n"
	        "WAVE               DEVICES   TO CALL  OPENS             FINISHES          BOUNDED BY\n"
	        "canary                  10         9  03:00:00          03:10:00          window\n"
	        "2                     1190       991  -                 -                 rate, waits for approval\n"
	        "hub main: 1,000 calls, 2,000 messages, 0.5% of the day's\n"
	        "hub spare: 0 calls, 0 messages\n"
	        "warning: no window fits\n");
	set_up();
	command.o.file = file_of("{\"name\":\"x\"}");
	answer(200,
	       "{\"targets\":{\"total\":1,\"toCall\":1,\"isExact\":true},\"finishesAt\":null,\"boundedBy\":\"approval\"}");
	ends(STATUS_OK, command_preview, "POST /v1/campaigns/preview {\"name\":\"x\"}\n");
	ck_assert_ptr_nonnull(strstr(
	        out, "1 devices, 1 to call\nstarts -, finishes nobody can tell when; bounded by approval\n"));
	set_up();
	command.o.file = file_of("{\"name\":\"x\"}");
	command.o.output = OUTPUT_JSON;
	answer(200, "{\"targets\": {}}");
	ends(STATUS_OK, command_preview, "POST /v1/campaigns/preview {\"name\":\"x\"}\n");
	ck_assert_str_eq(out, "{\"targets\":{}}\n");
}
END_TEST

/* ---- answers that are none ---- */

START_TEST(test_all_that_is_wrong_is_told)
{
	answer(422,
	       "{\"title\":\"Invalid\",\"detail\":\"two faults\",\"errors\":[{\"pointer\":\"/name\",\"detail\":\"is absent\"},"
	       "{\"parameter\":\"limit\",\"detail\":\"is 0\"}]}");
	ends(STATUS_REFUSED, command_hubs, "GET /v1/hubs\n");
	ck_assert_str_eq(
	        err,
	        "rollcall: 422 Invalid: two faults\nrollcall:   /name: is absent\nrollcall:   limit: is 0\n");
	ck_assert_str_eq(out, "");
}
END_TEST

START_TEST(test_who_may_not_is_told_apart)
{
	answer(401, "");
	ends(STATUS_NOT_ALLOWED, command_hubs, "GET /v1/hubs\n");
	set_up();
	answer(403, "{\"title\":\"Forbidden\"}");
	ends(STATUS_NOT_ALLOWED, command_hubs, "GET /v1/hubs\n");
	ck_assert_str_eq(err, "rollcall: 403 Forbidden: \n");
}
END_TEST

START_TEST(test_what_is_not_the_service_is_told)
{
	answer(200, "<html>");
	ends(STATUS_REFUSED, command_hubs, "GET /v1/hubs\n");
	ck_assert_ptr_nonnull(strstr(err, "what answers is not the service"));
	set_up();
	answer(204, "");
	argue("c1");
	ends(STATUS_REFUSED, command_pause, "POST /v1/campaigns/c1/pause\n");
	set_up();
	argue("c1");
	command.o.output = OUTPUT_JSON;
	answer(404, "");
	ends(STATUS_REFUSED, command_show, "GET /v1/campaigns/c1\n");
	ck_assert_str_eq(out, "");
}
END_TEST

/* ---- orders ---- */

START_TEST(test_an_order_says_the_state_that_it_led_to)
{
	argue("c1");
	answer(200, "{\"state\":\"paused\",\"stateReason\":\"paused by eva\"}");
	ends(STATUS_OK, command_pause, "POST /v1/campaigns/c1/pause\n");
	ck_assert_str_eq(out, "paused: paused by eva\n");
	set_up();
	argue("c1");
	answer(200, "{\"state\":\"running\"}");
	ends(STATUS_OK, command_resume, "POST /v1/campaigns/c1/resume\n");
	ck_assert_str_eq(out, "running\n");
	set_up();
	argue("c1");
	command.o.overrides = true;
	command.o.output = OUTPUT_JSON;
	answer(200, "{\"state\":\"running\"}");
	ends(STATUS_OK, command_approve, "POST /v1/campaigns/c1/approve {\"override\":true}\n");
	ck_assert_str_eq(out, "{\"state\":\"running\"}\n");
}
END_TEST

/* ---- lists ---- */

START_TEST(test_a_list_is_read_page_by_page_up_to_its_limit)
{
	command.o.state = "running";
	command.o.name = "a b";
	answer(200,
	       "{\"value\":[{\"id\":\"c1\",\"state\":\"running\",\"progressPercent\":12.34,\"counts\":{\"total\":1200},"
	       "\"createdAt\":\"2026-12-01T01:00:00Z\",\"name\":\"a b\"}],\"nextLink\":\"/v1/next\"}");
	answer(200, "{\"value\":[{\"id\":\"c2\"}]}");
	ends(STATUS_OK, command_list, "GET /v1/campaigns?state=running&name=a%20b\nGET /v1/next\n");
	ck_assert_str_eq(out, "ID  STATE     DONE  DEVICES  PROVEN  FAILED  CREATED   NAME\n"
	                      "c1  running  12.3%    1,200       0       0  01:00:00  a b\n"
	                      "c2            0.0%        0       0       0  -         \n");
	set_up();
	command.o.limit = 1;
	command.o.output = OUTPUT_JSON;
	answer(200, "{\"value\":[{\"id\":\"c1\"},{\"id\":\"c2\"}],\"nextLink\":\"/v1/next\"}");
	ends(STATUS_OK, command_list, "GET /v1/campaigns\n");
	ck_assert_str_eq(out, "[\n{\"id\":\"c1\"}\n]\n");
	set_up();
	command.o.output = OUTPUT_JSON;
	answer(200, "{\"value\":[]}");
	ends(STATUS_OK, command_list, "GET /v1/campaigns\n");
	ck_assert_str_eq(out, "[]\n");
	set_up();
	command.o.output = OUTPUT_JSON;
	answer(404, "");
	ends(STATUS_REFUSED, command_list, "GET /v1/campaigns\n");
	ck_assert_str_eq(out, "");
	set_up();
	command.o.output = OUTPUT_JSON;
	answer(200, "{\"value\":[{\"id\":1}],\"nextLink\":\"https://elsewhere.example/\"}");
	ends(STATUS_OK, command_list, "GET /v1/campaigns\n");
}
END_TEST

START_TEST(test_a_long_list_is_told_in_parts)
{
	struct buf page = BUF_INIT;

	buf_puts(&page, "{\"value\":[");
	for (int i = 0; i < 2001; i++)
		buf_printf(&page, "%s{\"name\":\"hub-%d\",\"lastError\":\"%s\"}", i > 0 ? "," : "", i,
		           i == 1000 ? "refused" : "");
	buf_puts(&page, "]}");
	answer(200, page.data);
	ends(STATUS_OK, command_hubs, "GET /v1/hubs\n");
	ck_assert_ptr_nonnull(strstr(out, "hub-999 "));
	ck_assert_ptr_nonnull(strstr(out, " refused\nhub-1001 "));
	ck_assert_ptr_nonnull(strstr(out, "\nhub-2000 "));
	ck_assert_ptr_null(strstr(strstr(out, "HUB") + 1, "HUB")); /* one head */
	buf_done(&page);
}
END_TEST

START_TEST(test_a_list_that_breaks_off_keeps_what_came)
{
	answer(200, "{\"value\":[{\"id\":\"c1\"}],\"nextLink\":\"/v1/next\"}");
	answer(503, "");
	ends(STATUS_REFUSED, command_list, "GET /v1/campaigns\nGET /v1/next\n");
	ck_assert_ptr_nonnull(strstr(out, "\nc1 "));
	ck_assert_str_eq(err, "rollcall: the service answers 503\n");
}
END_TEST

START_TEST(test_a_campaign_tells_why_devices_failed_and_were_skipped)
{
	argue("c2");
	answer(200,
	       "{\"id\":\"c2\",\"name\":\"n\",\"state\":\"completed\",\"counts\":{\"total\":5,\"failed\":3,\"skipped\":2},"
	       "\"failedBy\":{\"refused\":2,\"noProof\":1},\"skippedBy\":{\"excluded\":2},\"createdAt\":\"2026-12-01T01:00:00Z\","
	       "\"createdBy\":\"eva\",\"retryOf\":\"c1\"}");
	ends(STATUS_OK, command_show, "GET /v1/campaigns/c2\n");
	ck_assert_ptr_nonnull(strstr(out, "\ncreated    01:00:00 by eva, started -, finished -\n"
	                                  "failed     2 refused, 1 noProof\n"
	                                  "skipped    2 excluded\n"
	                                  "retry of   c1\n"));
}
END_TEST

START_TEST(test_a_device_tells_calls_and_evidence_as_they_came_about)
{
	argue("c1");
	argue("d/1");
	command.o.hub = "main";
	answer(200,
	       "{\"deviceId\":\"d/1\",\"hub\":\"main\",\"state\":\"waiting\",\"reason\":\"offline\",\"waitingFor\":\"retry\","
	       "\"nextAt\":\"2026-12-01T02:01:00Z\",\"attempts\":[{\"calledAt\":\"2026-12-01T01:00:00Z\",\"outcome\":"
	       "\"refused\",\"methodStatus\":500},{\"calledAt\":\"2026-12-01T01:30:00Z\",\"outcome\":\"timeout\"}],"
	       "\"evidence\":[{\"at\":\"2026-12-01T01:10:00Z\",\"verdict\":\"none\",\"source\":\"query\",\"strength\":\"none\"},"
	       "{\"at\":\"2026-12-01T01:40:00Z\",\"verdict\":\"proven\",\"source\":\"twin\",\"strength\":\"strong\"}]}");
	ends(STATUS_OK, command_show, "GET /v1/campaigns/c1/targets/d%2F1?hub=main\n");
	ck_assert_str_eq(out, "d/1 on main: waiting, offline, waits for retry until 02:01:00\n"
	                      "  01:00:00  call: refused, the device answered 500\n"
	                      "  01:10:00  evidence: none by query\n"
	                      "  01:30:00  call: timeout\n"
	                      "  01:40:00  evidence: proven by twin (strong)\n");
	set_up();
	argue("c1");
	argue("d1");
	command.o.output = OUTPUT_JSON;
	answer(200, "{\"deviceId\":\"d1\"}");
	ends(STATUS_OK, command_show, "GET /v1/campaigns/c1/targets/d1\n");
	ck_assert_str_eq(out, "{\"deviceId\":\"d1\"}\n");
}
END_TEST

START_TEST(test_targets_are_chosen_by_the_service)
{
	argue("c1");
	command.o.state = "failed";
	command.o.reasons[command.o.reasons_n++] = "noProof";
	command.o.waiting_for = "rate";
	command.o.wave = "1";
	command.o.group = "g";
	command.o.hub = "main";
	command.o.device = "d1";
	command.o.limit = 5;
	answer(200,
	       "{\"value\":[{\"deviceId\":\"d1\",\"state\":\"failed\",\"reason\":\"noProof\",\"wave\":0,\"attempt\":2},"
	       "{\"deviceId\":\"d2\",\"state\":\"waiting\",\"waitingFor\":\"rate\",\"wave\":1}]}");
	ends(STATUS_OK, command_targets,
	     "GET /v1/campaigns/c1/targets?state=failed&reason=noProof&waitingFor=rate&wave=1&group=g&hub=main&deviceId=d1\n");
	ck_assert_str_eq(out, "DEVICE  STATE    WHY      UNTIL  WAVE  GROUP  HUB  ATTEMPTS  CHANGED\n"
	                      "d1      failed   noProof  -         1                     2  -\n"
	                      "d2      waiting  rate     -         2                     0  -\n");
}
END_TEST

START_TEST(test_targets_as_csv_are_passed_on_or_refused)
{
	argue("c1");
	command.o.output = OUTPUT_CSV;
	answer(200, "deviceId\nd1\n");
	ends(STATUS_OK, command_targets, "GET /v1/campaigns/c1/targets\n");
	ck_assert_str_eq(out, "deviceId\nd1\n");
	set_up();
	argue("c1");
	command.o.output = OUTPUT_CSV;
	answer(404, "");
	ends(STATUS_REFUSED, command_targets, "GET /v1/campaigns/c1/targets\n");
	ck_assert_str_eq(out, "");
}
END_TEST

START_TEST(test_schedules_tell_their_rule_and_their_next_occurrences)
{
	answer(200,
	       "{\"value\":[{\"id\":\"s1\",\"state\":\"active\",\"recurrence\":{\"cron\":\"0 2 * * *\",\"timeZone\":\"UTC\"},"
	       "\"name\":\"n\"},{\"id\":\"s2\",\"state\":\"paused\",\"recurrence\":{\"rrule\":\"FREQ=DAILY\"}}]}");
	ends(STATUS_OK, command_schedules, "GET /v1/schedules\n");
	ck_assert_str_eq(out, "ID  STATE   RECURRENCE  ZONE  NEXT  NAME\n"
	                      "s1  active  0 2 * * *   UTC   -     n\n"
	                      "s2  paused  FREQ=DAILY        -     \n");
	set_up();
	argue("s1");
	answer(200, "{\"value\":[]}");
	ends(STATUS_OK, command_schedules, "GET /v1/schedules/s1/occurrences?count=10\n");
	ck_assert_str_eq(out, "LOCAL  UTC  CLOCK CHANGE\n");
}
END_TEST

START_TEST(test_webhooks_tell_what_was_given_up_and_forget_it)
{
	answer(200,
	       "{\"value\":[{\"name\":\"w\",\"host\":\"h\",\"state\":\"failing\",\"queued\":3,\"deadLetters\":1200,"
	       "\"lastError\":\"500\"}]}");
	ends(STATUS_OK, command_webhooks, "GET /v1/webhooks\n");
	ck_assert_str_eq(out, "WEBHOOK  HOST  STATE    QUEUED  OLDEST  DELIVERED   DEAD  LAST ERROR\n"
	                      "w        h     failing       3  -       -          1,200  500\n");
	set_up();
	argue("w");
	answer(200,
	       "{\"value\":[{\"eventId\":7,\"attempts\":30,\"body\":{\"type\":\"t\",\"data\":{\"campaignId\":\"c1\"}},\"error\":"
	       "\"500\"}]}");
	ends(STATUS_OK, command_webhooks, "GET /v1/webhooks/w/dead-letters\n");
	ck_assert_str_eq(out, "EVENT  GIVEN UP  ATTEMPTS  TYPE  CAMPAIGN  ERROR\n"
	                      "7      -               30  t     c1        500\n");
	set_up();
	argue("w");
	command.o.forgets = true;
	answer(204, "");
	ends(STATUS_OK, command_webhooks, "DELETE /v1/webhooks/w/dead-letters\n");
	set_up();
	argue("w");
	command.o.forgets = true;
	answer(404, "");
	ends(STATUS_REFUSED, command_webhooks, "DELETE /v1/webhooks/w/dead-letters\n");
	set_up();
	command.o.forgets = true;
	ends(STATUS_USAGE, command_webhooks, "");
}
END_TEST

START_TEST(test_hubs_tell_their_quota_where_they_have_one)
{
	answer(200,
	       "{\"value\":[{\"name\":\"a\",\"state\":\"open\",\"sku\":\"S1\",\"units\":2,\"quota\":{\"callsPerMinute\":2400,"
	       "\"messagesToday\":5,\"messagesPerDay\":800000}},{\"name\":\"b\",\"state\":\"down\",\"sku\":\"none\","
	       "\"quota\":{\"callsPerMinute\":null,\"messagesPerDay\":null},\"lastError\":\"no route\"}]}");
	ends(STATUS_OK, command_hubs, "GET /v1/hubs\n");
	ck_assert_str_eq(
	        out, "HUB  STATE   SKU  UNITS  CALLS/MIN  OUT  THROTTLED  MESSAGES  OF A DAY  LAST ERROR\n"
	             "a    open     S1      2      2,400    0          0         5   800,000  \n"
	             "b    down   none      0               0          0         0            no route\n");
}
END_TEST

/* ---- events ---- */

START_TEST(test_an_event_is_told_in_a_line_with_its_subject)
{
	command.o.after = 6;
	command.o.limit = 1000;
#define AT "\"at\":\"2026-12-01T01:00:00Z\","
	answer(200,
	       "{\"value\":[{" AT
	       "\"type\":\"target\",\"campaignId\":\"c1\",\"deviceId\":\"d1\",\"hub\":\"main\",\"from\":"
	       "\"invoking\",\"to\":\"failed\",\"reason\":\"refused\"},"
	       "{" AT "\"type\":\"target\",\"campaignId\":\"c1\",\"deviceId\":\"d2\",\"to\":\"waiting\"},"
	       "{" AT
	       "\"type\":\"wave\",\"campaignId\":\"c1\",\"deviceId\":null,\"wave\":0,\"stage\":\"opened\"},"
	       "{" AT
	       "\"type\":\"campaign\",\"campaignId\":\"c1\",\"deviceId\":null,\"from\":\"running\",\"to\":\"paused\","
	       "\"stateReason\":\"paused by eva\"},"
	       "{" AT
	       "\"type\":\"hub\",\"campaignId\":null,\"deviceId\":null,\"hub\":\"main\",\"state\":\"down\"},"
	       "{" AT
	       "\"type\":\"schedule\",\"campaignId\":\"c1\",\"deviceId\":null,\"scheduleId\":\"s1\",\"change\":\"failed\","
	       "\"why\":\"no such hub\"}]}");
	ends(STATUS_OK, command_events, "GET /v1/events?after=6&limit=1000\n");
	ck_assert_str_eq(out, "01:00:00  target    d1 on main invoking → failed refused\n"
	                      "01:00:00  target    d2 waiting\n"
	                      "01:00:00  wave      c1 wave 1 opened\n"
	                      "01:00:00  campaign  c1 running → paused (paused by eva)\n"
	                      "01:00:00  hub       main down\n"
	                      "01:00:00  schedule  s1 failed (no such hub)\n");
}
END_TEST

START_TEST(test_following_goes_on_behind_the_last_event_until_the_service_refuses)
{
	argue("c1");
	command.o.follows = true;
	command.o.after = 3;
	stream(200,
	       "event: reset\ndata: {\"firstKeptId\": 5}\n\nid: 7\nevent: hub\ndata: {\"type\":\"hub\",\"hub\":\"main\","
	       "\"state\":\"open\"}\n\nevent: hub\ndata: {half\n\n");
	stream(0, "");
	stream(429, "");
	stream(503, "");
	for (int i = 0; i < 5; i++)
		stream(0, "");
	stream(404, "");
	ends(STATUS_REFUSED, command_events,
	     "STREAM /v1/campaigns/c1/events 3\nSTREAM /v1/campaigns/c1/events 7\nSTREAM /v1/campaigns/c1/events 7\n"
	     "STREAM /v1/campaigns/c1/events 7\nSTREAM /v1/campaigns/c1/events 7\nSTREAM /v1/campaigns/c1/events 7\n"
	     "STREAM /v1/campaigns/c1/events 7\nSTREAM /v1/campaigns/c1/events 7\nSTREAM /v1/campaigns/c1/events 7\n"
	     "STREAM /v1/campaigns/c1/events 7\n");
	ck_assert_str_eq(out, "-  hub       main open\n");
	ck_assert_str_eq(
	        err, "rollcall: events up to 4 are not kept any more\nrollcall: the service answers 404\n");
	set_up();
	command.o.follows = true;
	command.o.output = OUTPUT_JSON;
	stream(200, "data: {\"id\":8}\n\n");
	stream(401, "");
	ends(STATUS_NOT_ALLOWED, command_events, "STREAM /v1/events 0\nSTREAM /v1/events 0\n");
	ck_assert_str_eq(out, "{\"id\":8}\n");
	set_up();
	command.o.follows = true;
	stream(403, "");
	ends(STATUS_NOT_ALLOWED, command_events, "STREAM /v1/events 0\n");
}
END_TEST

/* ---- a watch ---- */

#define RUNNING(counts) "{\"id\":\"c1\",\"state\":\"running\",\"counts\":{\"total\":100," counts "}}"
#define COMPLETED \
	"{\"id\":\"c1\",\"state\":\"completed\",\"counts\":{\"total\":100,\"succeeded\":99,\"failed\":1},\"failedBy\":{\"noProof\":1}}"

START_TEST(test_a_watch_tells_failures_waves_and_progress_to_the_end)
{
	argue("c1");
	answer(200, "{\"value\":[],\"lastId\":41}");
	answer(200, RUNNING("\"waiting\":100"));
	answer(503, ""); /* events have come */
	answer(200, RUNNING("\"waiting\":50,\"succeeded\":50"));
	answer(0, "connection refused");
	answer(429, ""); /* is told once */
	answer(200, COMPLETED);
	stream(200,
	       "id: 42\nevent: target\ndata: {\"type\":\"target\",\"deviceId\":\"d1\",\"to\":\"failed\",\"reason\":\"noProof\"}\n\n"
	       "id: 43\nevent: wave\ndata: {\"type\":\"wave\",\"wave\":0,\"stage\":\"opened\"}\n\n"
	       "id: 44\nevent: wave\ndata: {\"type\":\"wave\",\"name\":\"canary\",\"stage\":\"passed\"}\n\n"
	       "id: 45\nevent: target\ndata: {\"type\":\"target\",\"deviceId\":\"d2\",\"to\":\"succeeded\"}\n\n");
	for (int i = 0; i < 3; i++)
		stream(0, "");
	ends(STATUS_FAILURES, command_watch,
	     "GET /v1/campaigns/c1/events?limit=1\nGET /v1/campaigns/c1\nSTREAM /v1/campaigns/c1/events 41\n"
	     "GET /v1/campaigns/c1\nGET /v1/campaigns/c1\nSTREAM /v1/campaigns/c1/events 45\nSTREAM /v1/campaigns/c1/events 45\n"
	     "GET /v1/campaigns/c1\nGET /v1/campaigns/c1\nSTREAM /v1/campaigns/c1/events 45\nGET /v1/campaigns/c1\n");
	ck_assert_str_eq(out, "02:00:00 running 0%: 100 waiting\n"
	                      "02:00:00 failed: d1 noProof\n"
	                      "02:00:00 wave 1 opened\n"
	                      "02:00:00 wave canary passed\n"
	                      "02:00:00 the service answers 503, trying on\n"
	                      "02:00:00 running 50%: 50 proven, 50 waiting\n"
	                      "02:00:00 no answer, trying on: connection refused\n"
	                      "02:00:00 completed 100%: 99 proven, 1 failed; 15.2 devices/s\n"
	                      "completed: 99 of 100 devices proven, failed: 1 noProof\n"
	                      "look: rollcall targets --state failed c1; again: rollcall retry c1\n");
}
END_TEST

START_TEST(test_as_json_a_watch_is_its_events_and_the_end)
{
	argue("c1");
	command.o.output = OUTPUT_JSON;
	answer(200, "{\"lastId\":0}");
	answer(0, "connection refused");
	answer(200, RUNNING("\"succeeded\":1"));
	answer(200, COMPLETED);
	stream(200, "id: 1\nevent: target\ndata: {\"deviceId\":\"d1\",\"to\":\"failed\"}\n\n");
	for (int i = 0; i < 2; i++)
		stream(0, "");
	ends(STATUS_FAILURES, command_watch,
	     "GET /v1/campaigns/c1/events?limit=1\nGET /v1/campaigns/c1\nSTREAM /v1/campaigns/c1/events 0\n"
	     "GET /v1/campaigns/c1\nSTREAM /v1/campaigns/c1/events 1\nSTREAM /v1/campaigns/c1/events 1\n"
	     "GET /v1/campaigns/c1\n");
	ck_assert_str_eq(out, "{\"deviceId\":\"d1\",\"to\":\"failed\"}\n" COMPLETED "\n");
}
END_TEST

/* Watches c1 on a terminal through seven failures. */
static void watch_on_terminal(void)
{
	struct buf failures = BUF_INIT;

	is_terminal = true;
	argue("c1");
	for (int i = 1; i <= 7; i++)
		buf_printf(
		        &failures,
		        "event: target\ndata: {\"deviceId\":\"d%d\",\"to\":\"failed\",\"reason\":\"refused\"}\n\n",
		        i);
	answer(200, "{\"lastId\":0}");
	answer(200, RUNNING("\"waiting\":100"));
	answer(200, COMPLETED);
	stream(200, failures.data);
	ends(STATUS_FAILURES, command_watch,
	     "GET /v1/campaigns/c1/events?limit=1\nGET /v1/campaigns/c1\nSTREAM /v1/campaigns/c1/events 0\n"
	     "GET /v1/campaigns/c1\n");
	buf_done(&failures);
}

START_TEST(test_a_terminal_shows_one_picture_with_the_last_failures)
{
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	watch_on_terminal();
	ck_assert_ptr_nonnull(strstr(out, "\r\033[2A\033[2K")); /* over the two lines of the first */
	ck_assert_ptr_nonnull(strstr(out, "failed last: d7 refused, d6 refused, d5 refused, d4"));
	ck_assert_ptr_nonnull(strstr(out, "\033[32m"));
	ck_assert_ptr_nonnull(strstr(out, "█"));
}
END_TEST

START_TEST(test_a_terminal_is_told_only_what_it_can_show)
{
	setenv("TERM", "xterm", 1);
	setenv("NO_COLOR", "1", 1);
	setenv("LC_ALL", "", 1);
	setenv("LC_CTYPE", "C", 1);
	watch_on_terminal();
	ck_assert_ptr_nonnull(strstr(out, "\033[2A"));
	ck_assert_ptr_null(strstr(out, "\033[32m"));
	ck_assert_ptr_null(strstr(out, "█"));
	set_up();
	unsetenv("LC_ALL");
	unsetenv("LC_CTYPE");
	setenv("TERM", "dumb", 1);
	watch_on_terminal();
	ck_assert_ptr_null(strchr(out, '\033'));
	ck_assert_ptr_nonnull(strstr(out, "failed: d7 refused\n"));
	set_up();
	unsetenv("TERM");
	watch_on_terminal();
	ck_assert_ptr_null(strchr(out, '\033'));
	set_up();
	setenv("TERM", "xterm", 1);
	setenv("LC_ALL", "sv_SE.utf8", 1);
	setenv("NO_COLOR", "", 1);
	command.o.is_plain = true;
	watch_on_terminal();
	ck_assert_ptr_null(strchr(out, '\033'));
}
END_TEST

START_TEST(test_a_watch_ends_where_no_patience_helps)
{
	argue("c1");
	answer(404, "");
	ends(STATUS_REFUSED, command_watch, "GET /v1/campaigns/c1/events?limit=1\n");
	set_up();
	argue("c1");
	command.o.patience_s = 0;
	answer(200, "{\"lastId\":0}");
	answer(200, "not JSON");
	ends(STATUS_REFUSED, command_watch, "GET /v1/campaigns/c1/events?limit=1\nGET /v1/campaigns/c1\n");
	set_up();
	argue("c1");
	answer(200, "{\"lastId\":0}");
	answer(401, "");
	ends(STATUS_NOT_ALLOWED, command_watch,
	     "GET /v1/campaigns/c1/events?limit=1\nGET /v1/campaigns/c1\n");
}
END_TEST

START_TEST(test_what_makes_or_orders_can_be_watched)
{
	argue("c1");
	command.o.watches = true;
	command.o.output = OUTPUT_JSON;
	answer(201, "{\"id\":\"c1\"}");
	answer(200, "{\"lastId\":0}");
	answer(200, COMPLETED);
	ends(STATUS_FAILURES, command_retry,
	     "POST /v1/campaigns/c1/retry {} with a key\nGET /v1/campaigns/c1/events?limit=1\nGET /v1/campaigns/c1\n");
	ck_assert_str_eq(out, "{\"id\":\"c1\"}\n" COMPLETED "\n");
	set_up();
	argue("c1");
	command.o.watches = true;
	answer(200, "{\"state\":\"cancelling\"}");
	answer(200, "{\"lastId\":0}");
	answer(200, "{\"id\":\"c1\",\"state\":\"cancelled\",\"counts\":{\"total\":5}}");
	ends(STATUS_CANCELLED, command_cancel,
	     "POST /v1/campaigns/c1/cancel\nGET /v1/campaigns/c1/events?limit=1\nGET /v1/campaigns/c1\n");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api cli commands");

	suite_add_with(s, "making", set_up,
	               (const TTest *const[]){test_a_lost_answer_is_asked_for_again_under_the_same_key,
	                                      test_after_some_tries_a_lost_answer_is_told,
	                                      test_a_campaign_that_is_no_json_was_not_made,
	                                      test_a_spec_must_be_there,
	                                      test_a_preview_tells_what_a_campaign_would_come_to, NULL});
	suite_add_with(s, "answers", set_up,
	               (const TTest *const[]){test_all_that_is_wrong_is_told, test_who_may_not_is_told_apart,
	                                      test_what_is_not_the_service_is_told,
	                                      test_an_order_says_the_state_that_it_led_to, NULL});
	suite_add_with(s, "lists", set_up,
	               (const TTest *const[]){test_a_list_is_read_page_by_page_up_to_its_limit,
	                                      test_a_long_list_is_told_in_parts,
	                                      test_a_list_that_breaks_off_keeps_what_came,
	                                      test_a_campaign_tells_why_devices_failed_and_were_skipped,
	                                      test_a_device_tells_calls_and_evidence_as_they_came_about,
	                                      test_targets_are_chosen_by_the_service,
	                                      test_targets_as_csv_are_passed_on_or_refused,
	                                      test_schedules_tell_their_rule_and_their_next_occurrences,
	                                      test_webhooks_tell_what_was_given_up_and_forget_it,
	                                      test_hubs_tell_their_quota_where_they_have_one, NULL});
	suite_add_with(s, "events", set_up,
	               (const TTest *const[]){
	                       test_an_event_is_told_in_a_line_with_its_subject,
	                       test_following_goes_on_behind_the_last_event_until_the_service_refuses, NULL});
	suite_add_with(s, "a watch", set_up,
	               (const TTest *const[]){test_a_watch_tells_failures_waves_and_progress_to_the_end,
	                                      test_as_json_a_watch_is_its_events_and_the_end,
	                                      test_a_terminal_shows_one_picture_with_the_last_failures,
	                                      test_a_terminal_is_told_only_what_it_can_show,
	                                      test_a_watch_ends_where_no_patience_helps,
	                                      test_what_makes_or_orders_can_be_watched, NULL});
	return suite_run(s);
}
