/* tests/bench: how fast the store is, on the disk it is given: store FOLDER [TARGETS]. Prints one figure a
 * line; those of one run may be compared with each other, not with those of another machine or hour. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "store/backend.h"

#define NOW_MS 1800000000000

static double seconds(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

struct stopwatch {
	double wall, cpu;
};

static struct stopwatch start(void)
{
	return (struct stopwatch){seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID)};
}

static void report(struct stopwatch since, const char *what, double n)
{
	double wall = seconds(CLOCK_MONOTONIC) - since.wall,
	       cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - since.cpu;

	printf("%-44s %9.3f s %12.0f /s %8.2f us CPU each\n", what, wall, n / wall, cpu * 1e6 / n);
	fflush(stdout);
}

static void must(enum err err, const struct backend *b)
{
	if (err == ERR_OK)
		return;
	fprintf(stderr, "%s: %s\n", err_text(err), b != NULL ? backend_reason(b) : "");
	exit(1);
}

static void apply(struct backend *b, struct batch *batch)
{
	const struct batch *one = batch;
	uint64_t revision;

	must(backend_apply(b, &one, 1, &revision), b);
	batch_free(batch);
}

#define GROUPS 1000

static struct campaign_row campaign(void)
{
	return (struct campaign_row){.no = 1,
	                             .id = "bench",
	                             .name = "bench",
	                             .spec = "{}",
	                             .state_reason = "",
	                             .created_by = "bench",
	                             .state = CAMPAIGN_RUNNING,
	                             .phase = CAMPAIGN_RUNNING,
	                             .end_at_ms = TIME_NONE};
}

static struct target_row target(uint32_t no, enum target_state state)
{
	return (struct target_row){.campaign = 1,
	                           .no = no,
	                           .state = (uint8_t)state,
	                           .group = no % GROUPS,
	                           .changed_at_ms = NOW_MS + no,
	                           .next_at_ms = TIME_NONE,
	                           .called_at_ms = TIME_NONE,
	                           .since_hub_ms = TIME_NONE,
	                           .hold_until_ms = state == TARGET_WAITING ? TIME_NONE : NOW_MS + no};
}

static void create(struct backend *b, uint32_t n)
{
	struct baseline baseline = {
	        .value_hash = 0x123456789abcdef, .has_value = true, .source = SOURCE_QUERY};
	struct campaign_row row = campaign();
	struct stopwatch since = start();
	struct batch *batch = batch_new();
	const char *hub = "main";
	char device_id[32];

	batch_campaign_add(batch, &row, &hub, 1);
	for (uint32_t group = 0; group < GROUPS; group++) {
		snprintf(device_id, sizeof device_id, "site-%u", group);
		batch_group_add(batch, 1, group, 0, device_id, n / GROUPS);
	}
	for (uint32_t no = 0; no < n; no++) {
		struct target_row t = target(no, TARGET_WAITING);

		snprintf(device_id, sizeof device_id, "device-%07u", no);
		batch_target_add(batch, &t, device_id, &baseline);
		if (batch_n(batch) >= 10000) {
			apply(b, batch);
			batch = batch_new();
		}
	}
	apply(b, batch);
	report(since, "create targets", n);
}

static void move(struct batch *batch, uint32_t no)
{
	struct target_row row = target(no, TARGET_AWAITING_PROOF);

	batch_target_put(batch, &row);
}

static void tell(struct batch *batch, uint32_t no, uint64_t event_id)
{
	const struct attempt_row attempt = {.campaign = 1,
	                                    .no = no,
	                                    .call = 1,
	                                    .attempt = 1,
	                                    .called_at_ms = NOW_MS,
	                                    .ended_at_ms = NOW_MS,
	                                    .hub_at_ms = NOW_MS,
	                                    .outcome = "answered",
	                                    .http_status = 200,
	                                    .method_status = 200,
	                                    .payload = "{}"};
	const struct evidence_row evidence = {.campaign = 1,
	                                      .no = no,
	                                      .at_ms = NOW_MS,
	                                      .hub_at_ms = NOW_MS,
	                                      .source = SOURCE_REPLY,
	                                      .strength = STRENGTH_ACCEPTED,
	                                      .verdict = "accepted",
	                                      .value_at_ms = TIME_NONE};
	const struct event event = {.id = event_id,
	                            .at_ms = NOW_MS,
	                            .type = EVENT_TARGET,
	                            .campaign = 1,
	                            .device_id = "device-0000001",
	                            .attempt = 1};

	batch_attempt_add(batch, &attempt);
	batch_evidence_add(batch, &evidence);
	batch_event_add(batch, &event);
}

/* Moves the targets, each once, in windows of 1024 whose members come in no order, as answers do. is_whole:
 * with the attempt, the evidence and the event too that a real transition has. */
static void transitions(struct backend *b, uint32_t n, uint32_t batch_size, bool is_whole)
{
	static uint64_t event_id;
	struct stopwatch since = start();
	char what[64];

	for (uint32_t done = 0; done < n;) {
		struct batch *batch = batch_new();
		struct campaign_row row = campaign();

		row.spec = NULL;
		for (uint32_t i = 0; i < batch_size && done < n; i++, done++) {
			uint32_t window = done / 1024 * 1024, no = window + done * 389 % 1024;

			if (window + 1024 > n)
				no = done;

			move(batch, no);
			if (is_whole)
				tell(batch, no, ++event_id);
		}
		batch_campaign_put(batch, &row);
		apply(b, batch);
	}
	snprintf(what, sizeof what, "%s, %u a commit",
	         is_whole ? "with attempt, evidence, event" : "transitions", batch_size);
	report(since, what, n);
}

static void on_campaign(void *arg, const struct campaign_row *row)
{
	(void)arg;
	(void)row;
}

static void on_target(void *arg, const struct target_row *row, const char *device_id,
                      const struct baseline *baseline)
{
	uint64_t *sum = arg;

	*sum += row->no + (uint64_t)device_id[0] + baseline->value_hash;
}

static void on_hold(void *arg, const struct store_hold *hold)
{
	uint64_t *sum = arg;

	*sum += hold->row->no + (uint64_t)hold->device_id[0] + (uint64_t)hold->hub_name[0];
}

static void on_page(void *arg, uint32_t no, const struct selection_page *page)
{
	(void)arg;
	(void)no;
	(void)page;
}

static void load(struct backend *b, uint32_t n, int64_t now_ms, const char *what)
{
	uint64_t sum = 0;
	const struct store_loader loader = {.on_campaign = on_campaign,
	                                    .on_target = on_target,
	                                    .on_hold = on_hold,
	                                    .on_page = on_page,
	                                    .arg = &sum};
	struct stopwatch since = start();

	must(backend_load(b, now_ms, &loader), b);
	report(since, what, n);
}

static void find(struct backend *b, uint32_t n)
{
	struct stopwatch since = start();
	struct answer answer;
	char device_id[32];

	answer_init(&answer);
	snprintf(device_id, sizeof device_id, "device-%07u", n - 1);
	must(backend_read_target(b, 1, device_id, -1, &answer), b);
	report(since, "find the last device by its id", 1);
	answer_done(&answer);
}

static void list(struct backend *b, uint32_t n, int state, const char *what)
{
	struct target_filter f = {
	        .campaign = 1, .limit = STORE_PAGE_MAX, .state = state, .reason = -1, .wait = -1, .hub = -1};
	struct stopwatch since = start();
	bool has_more = true;

	for (; has_more; f.from_no += f.limit) {
		struct answer answer;

		answer_init(&answer);
		must(backend_read_targets(b, &f, &answer), b);
		has_more = answer.has_more;
		answer_done(&answer);
	}
	report(since, what, n);
}

static void count_groups(struct backend *b)
{
	struct stopwatch since = start();
	struct answer answer;

	answer_init(&answer);
	must(backend_read_groups(b, 1, 0, GROUPS, &answer), b);
	report(since, "count the targets of all groups", 1);
	answer_done(&answer);
}

static void history(struct backend *b)
{
	struct stopwatch since = start();
	struct answer answer;

	answer_init(&answer);
	must(backend_read_history(b, "device-x", 0, STORE_PAGE_MAX, &answer), b);
	report(since, "history of a device that was never there", 1);
	answer_done(&answer);
}

static void make_list(struct backend *b, uint32_t n)
{
	struct stopwatch since = start();
	struct batch *batch = batch_new();
	char device_id[32];
	const char *id = device_id;

	batch_list_begin(batch, "all");
	for (uint32_t i = 0; i < n; i += STORE_PAGE_MAX) {
		const char *ids[STORE_PAGE_MAX];
		uint32_t some = n - i < STORE_PAGE_MAX ? n - i : STORE_PAGE_MAX;

		snprintf(device_id, sizeof device_id, "device-%07u", i);
		for (uint32_t j = 0; j < some; j++)
			ids[j] = id;
		batch_list_ids(batch, "all", ids, some);
	}
	batch_list_end(batch, "all", n, NOW_MS, "bench");
	apply(b, batch);
	report(since, "make a list in one commit, each id", n);
}

static void read_list(struct backend *b, uint32_t n)
{
	struct stopwatch since = start();

	for (uint32_t from = 0; from < n; from += STORE_PAGE_MAX) {
		struct answer answer;

		answer_init(&answer);
		must(backend_read_list(b, "all", from, STORE_PAGE_MAX, &answer), b);
		answer_done(&answer);
	}
	report(since, "read it, 1000 a page", n);
}

/* Also tells how long the longest slice took: what a commit may have to wait for. */
static void drop(struct backend *b, uint32_t n)
{
	const struct event event = {.id = n + 1, .at_ms = NOW_MS + n, .type = EVENT_HUB};
	struct campaign_row row = campaign();
	struct batch *batch = batch_new();
	struct stopwatch since = start(), all;
	double longest = 0;
	bool has_more = true;

	row.state = row.phase = CAMPAIGN_COMPLETED;
	batch_campaign_put(batch, &row);
	batch_campaign_drop(batch, 1);
	batch_list_drop(batch, "all");
	batch_event_add(batch, &event);
	apply(b, batch);
	report(since, "drop campaign and list", 1);
	for (all = start(); has_more;) {
		double at = seconds(CLOCK_MONOTONIC), took;

		must(backend_sweep(b, &has_more), b);
		took = seconds(CLOCK_MONOTONIC) - at;
		longest = took > longest ? took : longest;
	}
	report(all, "sweep it, each target", n);
	printf("%-44s %9.3f s\n", "the longest slice", longest);
}

int main(int argc, char **argv)
{
	uint32_t n = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1000000;
	struct backend *b, *reader;
	struct store_head head;
	struct buf path = BUF_INIT;
	char *reason;

	if (argc < 2 || n == 0) {
		fprintf(stderr, "usage: %s FOLDER [TARGETS]\n", argv[0]);
		return 2;
	}
	buf_printf(&path, "%s/bench-%d.db", argv[1], (int)getpid());
	if (backend_open(path.data, &b, &head, &reason) != ERR_OK) {
		fprintf(stderr, "%s\n", reason);
		return 1;
	}
	create(b, n);
	transitions(b, 2000, 1, false);
	transitions(b, 20000, 10, false);
	transitions(b, 200000, 100, false);
	transitions(b, n, 1000, false);
	transitions(b, n, 10000, false);
	transitions(b, n, 1000, true);
	must(backend_open_reader(b, &reader), b);
	load(reader, n, NOW_MS + n, "load at start");
	load(reader, n, NOW_MS, "load at start, and all hold their devices");
	find(reader, n);
	list(reader, n, -1, "list all, 1000 a page");
	list(reader, n, TARGET_SKIPPED, "list a state that none is in");
	count_groups(reader);
	history(reader);
	make_list(b, n);
	read_list(reader, n);
	backend_close(reader);
	drop(b, n);
	backend_close(b);
	unlink(path.data);
	buf_puts(&path, ".lock");
	unlink(path.data);
	buf_done(&path);
	return 0;
}
