/* dispatch: see jobs.h
 *
 *   IDLE ──submitted, gathered──▶ STARTING ──taken, or perhaps──▶ GOING ──ended──▶ ROWS ──all told──▶ IDLE
 *    ▲                               └── surely refused ──▶ IDLE     └── out of time ──▶ IDLE (in doubt)
 *    └── not before retry_at_ms                                                                       */
#include "server/dispatch/jobs.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/rng.h"
#include "server/dispatch/backoff.h"

#define GATHER_MS 2000 /* for more to come before a job starts: reads before calls take their time */
#define POLL_MS 2000   /* between two looks at a job; job operations are limited (contract 5.3) */
#define PAGE_AGAIN_MS 5000
#define APPEAR_MS 30000 /* for a job to show itself whose start is in doubt */
#define ROWS_TRIES_MAX 12
/* The hub's own limit for a job: 256 devices at ten a second (contract 5.3) and some waiting;
 * policy_wire_ms() allows for that. Ours is a minute longer. */
#define JOB_EXTRA_S 120
#define GIVE_UP_MS 60000
#define ID_SIZE_MAX 40

enum state { IDLE, STARTING, GOING, ROWS };

struct member {
	uint32_t campaign, no;
	uint16_t call;
	bool is_told; /* its outcome has been told */
	char *device_id, *method_name, *payload;
	uint32_t response_timeout_s, connect_timeout_s;
};

/* What is out at the hub; outlives a dispatcher that is freed meanwhile. */
struct question {
	struct jobs *jobs; /* NULL: forgotten */
};

struct jobs {
	struct hub *hub;
	struct jobs_options options;
	void *arg;
	struct rng rng;
	enum state state;
	struct member queue[JOBS_DEVICES_MAX], job[JOBS_DEVICES_MAX];
	uint32_t queue_n, job_n, untold;
	int64_t gather_until_ms, ask_at_ms, give_up_ms, retry_at_ms;
	uint32_t throttled_in_row;
	struct question *question; /* NULL: nothing is out */
	char id[ID_SIZE_MAX];
	bool is_sure;              /* the job has been seen */
	bool is_recalled, is_held; /* while STARTING: it is not to be sent any more; it was not */
	int64_t appears_by_ms;
	/* ROWS */
	char *continuation;
	size_t rows_n, devices_n;
	uint32_t rows_tries;
	int64_t now_ms; /* of the latest run */
};

struct jobs *jobs_new(const struct jobs_options *options, struct hub *hub, void *arg)
{
	struct jobs *j = xcalloc(1, sizeof *j);

	j->options = *options;
	j->hub = hub;
	j->arg = arg;
	rng_seed(&j->rng, options->seed);
	j->retry_at_ms = INT64_MIN;
	return j;
}

static void member_done(struct member *m)
{
	free(m->device_id);
	free(m->method_name);
	free(m->payload);
	memset(m, 0, sizeof *m);
}

uint32_t jobs_credit(const struct jobs *j, int64_t now_ms)
{
	return j->state == IDLE && now_ms >= j->retry_at_ms ? JOBS_DEVICES_MAX - j->queue_n : 0;
}

int64_t jobs_credit_at(const struct jobs *j, int64_t now_ms)
{
	if (j->state != IDLE || j->queue_n == JOBS_DEVICES_MAX)
		return TIME_NEVER;
	return j->retry_at_ms > now_ms ? j->retry_at_ms : now_ms;
}

void jobs_submit(struct jobs *j, const struct invocation *inv, int64_t now_ms)
{
	struct member *m;

	assert(j->queue_n < JOBS_DEVICES_MAX);
	if (j->queue_n == 0)
		j->gather_until_ms = now_ms + GATHER_MS;
	m = &j->queue[j->queue_n++];
	*m = (struct member){.campaign = inv->campaign,
	                     .no = inv->no,
	                     .call = inv->call,
	                     .device_id = xstrdup(inv->device_id),
	                     .method_name = xstrdup(inv->method_name),
	                     .payload = xstrdup(inv->payload),
	                     .response_timeout_s = inv->response_timeout_s,
	                     .connect_timeout_s = inv->connect_timeout_s};
}

/* --- outcomes --- */

/* Tells member i of the job what it came to; answer NULL: it was withdrawn. */
static void tell(struct jobs *j, uint32_t i, const struct hub_answer *answer)
{
	struct member *m = &j->job[i];

	if (m->is_told)
		return;
	m->is_told = true;
	j->untold--;
	if (answer != NULL)
		j->options.on_outcome(j->arg, m->campaign, m->no, m->call, answer);
	else
		j->options.on_withdrawn(j->arg, m->campaign, m->no, m->call);
}

/* The job is over for us: tells the rest the same, and makes room for the next. */
static void finish(struct jobs *j, const struct hub_answer *rest)
{
	for (uint32_t i = 0; i < j->job_n; i++)
		tell(j, i, rest);
	for (uint32_t i = 0; i < j->job_n; i++)
		member_done(&j->job[i]);
	j->job_n = 0;
	free(j->continuation);
	j->continuation = NULL;
	j->state = IDLE;
}

static void finish_as(struct jobs *j, enum hub_outcome outcome, const char *detail)
{
	finish(j, &(struct hub_answer){.outcome = outcome,
	                               .hub_at_ms = TIME_NONE,
	                               .retry_after_ms = TIME_NONE,
	                               .detail = detail});
}

/* --- answers --- */

/* Gives the dispatcher that asked, NULL where it is gone; the question is over. */
static struct jobs *take_question(void *arg)
{
	struct question *q = arg;
	struct jobs *j = q->jobs;

	free(q);
	if (j != NULL)
		j->question = NULL;
	return j;
}

static void *ask(struct jobs *j)
{
	j->question = xmalloc(sizeof *j->question);
	j->question->jobs = j;
	return j->question;
}

/* The request was not even sent. */
static void unask(struct jobs *j)
{
	free(j->question);
	j->question = NULL;
}

/* Lets some time pass before the next job, longer each time. */
static void hold_off(struct jobs *j, const struct hub_answer *a)
{
	if (a->outcome != HUB_THROTTLED) {
		j->throttled_in_row = 0;
		return;
	}
	j->retry_at_ms = j->now_ms +
	                 backoff_heed(backoff_ms(THROTTLED_FIRST_MS, THROTTLED_MAX_MS, j->throttled_in_row++),
	                              a->retry_after_ms);
}

static void look_later(struct jobs *j, enum state state, int64_t wait_ms)
{
	j->state = state;
	j->ask_at_ms = j->now_ms + wait_ms;
}

static void on_started(void *arg, const struct hub_answer *a)
{
	struct jobs *j = take_question(arg);

	if (j == NULL)
		return;
	if (j->is_held) {
		finish(j, NULL);
		return;
	}
	j->options.on_heard(j->arg, a);
	hold_off(j, a);
	if (a->http_status == 409) { /* whosever job of that id it is, its rows are not to be believed */
		finish_as(j, HUB_AMBIGUOUS, "a job of that id exists already");
		return;
	}
	switch (a->outcome) {
	case HUB_ANSWERED:
		j->is_sure = true;
		look_later(j, GOING, POLL_MS);
		return;
	case HUB_AMBIGUOUS:
	case HUB_OFFLINE: /* which makes no sense of a job */
	case HUB_GONE:
		look_later(j, GOING, 0);
		return;
	case HUB_NOT_DELIVERED:
	case HUB_THROTTLED:
	case HUB_QUOTA:
	case HUB_TROUBLE:
	case HUB_OUR_FAULT:
	case HUB_OUTCOMES_N:
		finish(j, a);
		return;
	}
}

static void on_looked(void *arg, const struct hub_answer *a)
{
	struct jobs *j = take_question(arg);

	if (j == NULL)
		return;
	j->options.on_heard(j->arg, a);
	if (a->outcome != HUB_ANSWERED) {
		look_later(j, GOING, PAGE_AGAIN_MS);
		return;
	}
	j->is_sure = j->is_sure || a->job_stage != HUB_JOB_UNKNOWN;
	j->devices_n = a->job_devices_n;
	if (a->job_stage == HUB_JOB_ENDED) {
		j->rows_tries = 0;
		look_later(j, ROWS, 0);
	} else if (!j->is_sure && j->now_ms >= j->appears_by_ms) {
		finish_as(j, HUB_AMBIGUOUS, "the job's start got no answer, and the hub shows no such job");
	} else {
		look_later(j, GOING, POLL_MS);
	}
}

static void note_row(struct jobs *j, const struct hub_job_row *row)
{
	j->rows_n++;
	for (uint32_t i = 0; row->is_final && i < j->job_n; i++)
		if (strcmp(j->job[i].device_id, row->device_id) == 0)
			tell(j, i, &row->answer);
}

/* The last page is there. Rows come from an index that may be behind. */
static void all_rows(struct jobs *j)
{
	if (j->untold == 0) {
		finish_as(j, HUB_AMBIGUOUS, ""); /* tells nobody */
	} else if (j->rows_n >= j->devices_n && j->devices_n < j->job_n) {
		/* it has as many rows as devices: the rest were not found for it, so surely not called */
		finish_as(j, HUB_GONE, "the hub's index did not find the device for its job");
	} else if (++j->rows_tries >= ROWS_TRIES_MAX) {
		finish_as(j, HUB_AMBIGUOUS, "the job has ended without a row for the device");
	} else {
		look_later(j, ROWS, PAGE_AGAIN_MS);
	}
}

static void on_rows(void *arg, const struct hub_answer *a)
{
	struct jobs *j = take_question(arg);

	if (j == NULL)
		return;
	j->options.on_heard(j->arg, a);
	free(j->continuation);
	j->continuation = NULL;
	if (a->outcome != HUB_ANSWERED) {
		look_later(j, ROWS, a->outcome == HUB_THROTTLED ? THROTTLED_FIRST_MS : PAGE_AGAIN_MS);
		return;
	}
	for (size_t i = 0; i < a->job_rows_n; i++)
		note_row(j, &a->job_rows[i]);
	if (a->continuation == NULL) {
		all_rows(j);
		return;
	}
	j->continuation = xstrdup(a->continuation);
	look_later(j, ROWS, 0);
}

/* --- running --- */

/* Moves what one job takes from the queue: the first one's campaign, as far as the condition has room. The
 * rest goes back to whoever submitted it. */
static void gather(struct jobs *j)
{
	uint32_t campaign = j->queue[0].campaign, left_n = 0;
	struct member left[JOBS_DEVICES_MAX];
	size_t room = HUB_JOB_BYTES_MAX;

	for (uint32_t i = 0; i < j->queue_n; i++) {
		size_t bytes = hub_job_bytes(j->queue[i].device_id);

		if (j->queue[i].campaign == campaign && bytes <= room) {
			room -= bytes;
			j->job[j->job_n++] = j->queue[i];
		} else {
			left[left_n++] = j->queue[i];
		}
	}
	j->queue_n = 0;
	j->untold = j->job_n;
	j->state = STARTING; /* before anybody is told: credit is gone */
	for (uint32_t i = 0; i < left_n; i++) {
		j->options.on_withdrawn(j->arg, left[i].campaign, left[i].no, left[i].call);
		member_done(&left[i]);
	}
}

/* The job's start waited for a connection, and has one. */
static bool may_begin(void *arg)
{
	const struct question *q = arg;

	if (q->jobs == NULL)
		return false;
	q->jobs->is_held = q->jobs->is_recalled;
	return !q->jobs->is_held;
}

static void start(struct jobs *j)
{
	const char *ids[JOBS_DEVICES_MAX];
	struct hub_job job;
	enum err err;

	gather(j);
	for (uint32_t i = 0; i < j->job_n; i++)
		ids[i] = j->job[i].device_id;
	snprintf(j->id, sizeof j->id, "rollcall-%016" PRIx64, rng_u64(&j->rng));
	job = (struct hub_job){.id = j->id,
	                       .device_ids = ids,
	                       .devices_n = j->job_n,
	                       .method_name = j->job[0].method_name,
	                       .payload = j->job[0].payload,
	                       .response_timeout_s = j->job[0].response_timeout_s,
	                       .connect_timeout_s = j->job[0].connect_timeout_s,
	                       .may_begin = may_begin};
	job.time_max_s = job.response_timeout_s + job.connect_timeout_s + JOB_EXTRA_S;
	j->is_sure = false;
	j->is_recalled = false;
	j->is_held = false;
	j->rows_n = 0;
	j->devices_n = SIZE_MAX;
	j->appears_by_ms = j->now_ms + APPEAR_MS;
	j->give_up_ms = j->now_ms + (int64_t)job.time_max_s * 1000 + GIVE_UP_MS;
	err = hub_job_start(j->hub, &job, on_started, ask(j));
	if (err != ERR_OK) {
		struct hub_answer answer = {.outcome = HUB_NOT_DELIVERED,
		                            .hub_at_ms = TIME_NONE,
		                            .retry_after_ms = TIME_NONE,
		                            .detail = err_text(err)};

		unask(j);
		j->options.on_heard(j->arg, &answer);
		finish(j, &answer);
	}
}

static void look(struct jobs *j)
{
	enum err err;

	if (j->now_ms >= j->give_up_ms) {
		finish_as(j, HUB_AMBIGUOUS,
		          "the job's time is over, and what became of the device is not known");
		return;
	}
	if (j->state == ROWS) {
		if (j->continuation == NULL)
			j->rows_n = 0;
		err = hub_job_rows(j->hub, j->id, j->continuation, on_rows, ask(j));
	} else {
		err = hub_job_read(j->hub, j->id, on_looked, ask(j));
	}
	if (err != ERR_OK) {
		unask(j);
		look_later(j, j->state, PAGE_AGAIN_MS);
	}
}

int64_t jobs_run(struct jobs *j, int64_t now_ms)
{
	j->now_ms = now_ms;
	if (j->question != NULL)
		return TIME_NEVER; /* woken by its answer */
	if (j->state == GOING || j->state == ROWS) {
		if (j->ask_at_ms > now_ms)
			return j->ask_at_ms;
		look(j);
		return j->question != NULL ? TIME_NEVER : now_ms;
	}
	if (j->queue_n == 0)
		return TIME_NEVER;
	if (j->queue_n < JOBS_DEVICES_MAX && j->gather_until_ms > now_ms)
		return j->gather_until_ms;
	start(j);
	return TIME_NEVER;
}

void jobs_withdraw(struct jobs *j, uint32_t campaign)
{
	struct member taken[JOBS_DEVICES_MAX];
	uint32_t kept_n = 0, taken_n = 0;

	for (uint32_t i = 0; i < j->queue_n; i++)
		if (campaign == 0 || j->queue[i].campaign == campaign)
			taken[taken_n++] = j->queue[i];
		else
			j->queue[kept_n++] = j->queue[i];
	j->queue_n = kept_n;
	if (j->state == STARTING && (campaign == 0 || j->job[0].campaign == campaign))
		j->is_recalled = true;
	for (uint32_t i = 0; i < taken_n; i++) {
		j->options.on_withdrawn(j->arg, taken[i].campaign, taken[i].no, taken[i].call);
		member_done(&taken[i]);
	}
}

void jobs_stats(const struct jobs *j, uint32_t *ret_out, uint32_t *ret_queued)
{
	*ret_out = j->untold;
	*ret_queued = j->queue_n;
}

void jobs_free(struct jobs *j)
{
	if (j == NULL)
		return;
	if (j->question != NULL)
		j->question->jobs = NULL;
	for (uint32_t i = 0; i < j->queue_n; i++)
		member_done(&j->queue[i]);
	for (uint32_t i = 0; i < j->job_n; i++)
		member_done(&j->job[i]);
	free(j->continuation);
	free(j);
}
