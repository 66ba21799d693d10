/* agent: see agent.h. A turn does what is due and says when to come back; everything else only notes what
 * happened.
 *
 *   link:  DOWN ──at retry──▶ CONNECTING ──accepted──▶ UP ──lost, token old──▶ DOWN
 *   twin:  IDLE ──what the hub holds is not known──▶ READING ──▶ IDLE
 *          IDLE ──the hub holds something else───▶ REPORTING ──acknowledged──▶ IDLE      (one request at a
 * time) act:   accepted, saved, answered ──reported, or too long──▶ begun, saved ──▶ command ──▶ end or
 * restart */
#include "deploy/agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "deploy/agent/backoff.h"
#include "deploy/agent/command.h"
#include "deploy/agent/contract.h"
#include "deploy/agent/life.h"
#include "deploy/agent/link.h"
#include "deploy/agent/log.h"
#include "deploy/agent/sas.h"
#include "deploy/agent/state.h"

#define CONNECT_WITHIN_MS 30000
#define TWIN_WITHIN_MS 30000
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 120000
#define STEADY_MS 60000       /* a link that stood as long does not count as a failure */
#define REPORT_FIRST_MS 10000 /* an accepted act waits so long for its report to be acknowledged */
#define SAVE_AGAIN_MS 5000
#define TICK_MS 5000 /* MQTT keep-alive is looked after */
#define NEVER INT64_MAX

#define LOST_PAYLOAD "its payload was not kept as it came"

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_UP };
enum twin_state { TWIN_IDLE, TWIN_READING, TWIN_REPORTING };

struct agent {
	const struct options *o;
	struct link_options link_options;
	char *user_name;
	struct utsname kernel;
	char firmware[FIRMWARE_SIZE];

	/* All times that something is due at count since the boot, in ms. */
	struct link *link;
	enum link_state link_state;
	int64_t link_due_ms; /* DOWN: connect; CONNECTING: give up; UP: renew */
	int64_t up_since_ms, token_ends_s;
	unsigned link_failures;

	json_t *has;  /* what the hub holds of ours; NULL: not known */
	json_t *sent; /* REPORTING: the patch */
	enum twin_state twin_state;
	int64_t twin_due_ms; /* IDLE: not before; else: give up */
	unsigned twin_failures, rids;
	bool is_report_due;

	struct state state;
	int64_t save_due_ms; /* memory is ahead of disk, save again; NEVER: it is not */
	pid_t child;         /* 0: none */
	bool child_checks;
	bool is_to_begin, is_to_check;
	int64_t begin_after_ms; /* an act that could not be begun is not tried before */
	int64_t act_due_ms;     /* to begin at the latest, the end of pretending, or the restart's time-out;
	                           NEVER: nothing */
};

/* --- the world around --- */

static int64_t clock_ms(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t up_ms(void)
{
	return clock_ms(CLOCK_BOOTTIME);
}

static uint64_t luck(void)
{
	uint64_t value = 0;

	if (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value)
		value = (uint64_t)up_ms() * UINT64_C(0x9e3779b97f4a7c15);
	return value;
}

/* The file's first line, if it is one of visible characters that fits; else empty. */
static void read_line(const char *path, char *out, size_t size)
{
	FILE *in = fopen(path, "re");
	size_t n = 0;

	if (in != NULL) {
		n = fread(out, 1, size - 1, in);
		fclose(in);
	}
	out[n] = '\0';
	n = strcspn(out, "\r\n");
	for (size_t i = 0; i < n; i++)
		if (out[i] < ' ' || out[i] > '~')
			n = 0;
	out[n] = '\0';
}

static struct life_now now(struct agent *a)
{
	a->firmware[0] = '\0';
	if (a->o->firmware_version_file != NULL)
		read_line(a->o->firmware_version_file, a->firmware, sizeof a->firmware);
	return (struct life_now){clock_ms(CLOCK_REALTIME), up_ms(), a->firmware};
}

/* --- the state on disk --- */

/* Nothing is reported, and no action begun, while memory is ahead of disk. */
static enum state_save save(struct agent *a)
{
	enum state_save end = state_save(a->o->state_file, &a->state);

	a->save_due_ms = end == STATE_SAVED ? NEVER : up_ms() + SAVE_AGAIN_MS;
	a->is_report_due = true;
	if (end != STATE_SAVED)
		log_line(LOG_LEVEL_ERROR, "cannot write %s: %s", a->o->state_file, strerror(errno));
	return end;
}

/* --- the twin --- */

static void forget(json_t **json)
{
	json_decref(*json);
	*json = NULL;
}

static void twin_idle(struct agent *a, int64_t not_before_ms)
{
	forget(&a->sent);
	a->twin_state = TWIN_IDLE;
	a->twin_due_ms = not_before_ms;
}

/* Whether a patch got through is known by its answer alone: without it, the twin is read before the next. */
static void twin_lost(struct agent *a)
{
	if (a->twin_state == TWIN_REPORTING)
		forget(&a->has);
	twin_idle(a, 0);
	a->is_report_due = true;
}

static void twin_failed(struct agent *a, const char *what, int status)
{
	int64_t wait_ms = backoff_ms(++a->twin_failures, RETRY_FIRST_MS, RETRY_MAX_MS, luck());

	/* Only a refusal says that the patch is not in. */
	if (a->twin_state == TWIN_REPORTING && (status == 0 || status >= 500))
		forget(&a->has);
	a->is_report_due = true;
	log_line(LOG_LEVEL_WARNING, "%s: the hub says %d, again in %lld s", what, status,
	         (long long)(wait_ms + 999) / 1000);
	twin_idle(a, up_ms() + wait_ms);
}

static void on_read(struct agent *a, const char *body, size_t n)
{
	json_t *twin = json_loadb(body, n, 0, NULL), *has;

	if (!json_is_object(json_object_get(twin, "reported"))) {
		json_decref(twin);
		twin_failed(a, "reading the twin", 0);
		return;
	}
	has = json_object_get(json_object_get(twin, "reported"), "iothubDM");
	a->has = json_is_object(has) ? json_incref(has) : json_object();
	json_decref(twin);
	twin_idle(a, 0);
	a->is_report_due = true;
}

static void on_twin(void *arg, int status, const char *rid, const char *body, size_t n)
{
	struct agent *a = arg;
	char *end = NULL;

	if (a->twin_state == TWIN_IDLE || strtoul(rid, &end, 10) != a->rids || *end != '\0')
		return; /* to a request that was given up */
	if (status < 200 || status > 299) {
		twin_failed(a, a->twin_state == TWIN_READING ? "reading the twin" : "reporting", status);
		return;
	}
	a->twin_failures = 0;
	if (a->twin_state == TWIN_READING) {
		on_read(a, body, n);
		return;
	}
	report_merge(a->has, json_object_get(a->sent, "iothubDM"));
	twin_idle(a, 0);
}

static json_t *next_report(struct agent *a)
{
	struct versions versions = {ROLLCALL_AGENT_VERSION, a->kernel.release, NULL};
	struct life_now at = now(a);
	json_t *wanted, *patch;

	versions.firmware = at.firmware[0] == '\0' ? NULL : at.firmware;
	wanted = report_of(&a->state, &versions);
	patch = report_diff(a->has, wanted);
	json_decref(wanted);
	return patch;
}

static void ask_twin(struct agent *a, enum twin_state state)
{
	char rid[16];

	snprintf(rid, sizeof rid, "%u", ++a->rids);
	a->twin_state = state;
	a->twin_due_ms = up_ms() + TWIN_WITHIN_MS;
	if (state == TWIN_READING) {
		link_get_twin(a->link, rid);
	} else {
		char *text = json_dumps(a->sent, JSON_COMPACT);

		link_report(a->link, rid, text);
		free(text);
	}
}

static bool may_report(const struct agent *a)
{
	return a->is_report_due && a->save_due_ms == NEVER;
}

static void twin_turn(struct agent *a)
{
	json_t *patch;

	if (a->link_state != LINK_UP)
		return;
	if (a->twin_state != TWIN_IDLE) {
		if (up_ms() < a->twin_due_ms)
			return;
		twin_failed(a, "waiting for the twin", 0);
	}
	if (up_ms() < a->twin_due_ms)
		return;
	if (a->has == NULL) {
		ask_twin(a, TWIN_READING);
	} else if (may_report(a)) {
		a->is_report_due = false;
		patch = next_report(a);
		if (patch == NULL)
			return;
		a->sent = json_pack("{s:o}", "iothubDM", patch);
		ask_twin(a, TWIN_REPORTING);
	}
}

/* --- the act that is under way --- */

/* Its request once more, as it was called. */
static bool request_again(const struct act *act, struct request *ret)
{
	char why[WHY_SIZE];

	if (request_read(act_type_text(act->type), act->payload, strlen(act->payload), ret, why) == 200)
		return true;
	log_line(LOG_LEVEL_ERROR, "%s: %s", act_type_text(act->type), why);
	return false;
}

static struct life_rule rule_of(const struct agent *a, const struct act *act, const struct request *r)
{
	return (struct life_rule){
	        .ends_by_exit = a->o->ends_by_exit[act->type],
	        .has_check = act->type == ACT_FIRMWARE_UPDATE && a->o->check_firmware != NULL &&
	                     !act->is_pretended,
	        .wanted_version = r->package_version,
	};
}

static void tell_end(const struct agent *a)
{
	const struct act *act = &a->state.acts[a->state.n - 1];

	log_line(act->phase == PHASE_DONE ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "%s %s: %s%s%s",
	         act_type_text(act->type), act->attempt_id, act_phase_text(act->phase),
	         act->error[0] == '\0' ? "" : ": ", act->error);
}

/* After a step of the act: notes what comes next, and saves. */
static void go_on(struct agent *a, enum life_next next)
{
	const struct act *act = state_pending(&a->state);

	a->is_to_begin = next == LIFE_BEGIN;
	a->is_to_check = next == LIFE_CHECK;
	a->act_due_ms = NEVER;
	switch (next) {
	case LIFE_NOTHING:
		tell_end(a);
		break;
	case LIFE_BEGIN:
		a->act_due_ms = up_ms() + REPORT_FIRST_MS;
		return;
	case LIFE_AWAIT:
		a->act_due_ms = act->begun_up_ms + (int64_t)a->o->restart_timeout_s * 1000;
		if (a->act_due_ms < up_ms())
			a->act_due_ms = up_ms();
		return;
	case LIFE_CHECK:
		break;
	case LIFE_PRETEND:
		a->act_due_ms = up_ms() + (int64_t)a->o->pretend_s * 1000;
		return;
	}
	save(a);
}

static void fail(struct agent *a, int code, const char *why)
{
	struct life_now at = now(a);

	life_fail(&a->state, code, why, &at);
	go_on(a, LIFE_NOTHING);
}

static void start_command(struct agent *a, char *const *words, const struct request *r, bool checks)
{
	a->child = command_start(words, r);
	a->child_checks = checks;
	if (a->child > 0) {
		log_line(LOG_LEVEL_INFO, "%s %s: started %s as process %d", act_type_text(r->type),
		         r->attempt_id, words[0], (int)a->child);
		return;
	}
	a->child = 0;
	log_line(LOG_LEVEL_ERROR, "cannot run %s: %s", words[0], strerror(errno));
	fail(a, 127, "its command cannot be run");
}

/* A restart is played: the link goes down with it. */
static void start_pretending(struct agent *a, const struct act *act)
{
	log_line(LOG_LEVEL_INFO, "%s %s: pretending, no command is given for it", act_type_text(act->type),
	         act->attempt_id);
	go_on(a, LIFE_PRETEND);
	if (!a->o->ends_by_exit[act->type]) {
		link_close(a->link);
		a->link_state = LINK_DOWN;
		a->link_due_ms = a->act_due_ms;
		twin_lost(a);
	}
}

/* Until BEGUN is on disk nothing is started. */
static void begin(struct agent *a)
{
	struct act *act = state_pending(&a->state);
	char *const *words = a->o->commands[act->type];
	struct request r;
	struct life_now at = now(a);
	enum state_save end;

	if (!request_again(act, &r)) {
		fail(a, -1, LOST_PAYLOAD);
		return;
	}
	life_begin(&a->state, words == NULL, &at);
	end = save(a);
	if (end == STATE_KEPT && at.up_ms - act->accepted_up_ms <= BEGIN_WITHIN_MS) {
		act->phase = PHASE_ACCEPTED;
		a->save_due_ms = NEVER; /* as it is on disk */
		a->begin_after_ms = at.up_ms + SAVE_AGAIN_MS;
	} else if (end != STATE_SAVED) {
		fail(a, -1, "the agent cannot remember that it begins");
	} else {
		a->is_to_begin = false;
		a->act_due_ms = NEVER;
		if (words == NULL)
			start_pretending(a, act);
		else
			start_command(a, words, &r, false);
	}
	request_done(&r);
}

static void check(struct agent *a)
{
	struct request r;

	a->is_to_check = false;
	if (!request_again(state_pending(&a->state), &r)) {
		fail(a, -1, LOST_PAYLOAD);
		return;
	}
	start_command(a, a->o->check_firmware, &r, true);
	request_done(&r);
}

static void on_child_end(struct agent *a, int status)
{
	const struct act *act = state_pending(&a->state);
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	enum life_next next = LIFE_NOTHING;
	struct life_now at = now(a);
	struct request r;

	a->child = 0;
	if (act == NULL)
		return;
	if (!request_again(act, &r)) {
		fail(a, -1, LOST_PAYLOAD);
		return;
	}
	if (a->child_checks) {
		life_checked(&a->state, code, &at);
	} else {
		struct life_rule rule = rule_of(a, act, &r);

		next = life_exit(&a->state, &rule, code, &at);
	}
	request_done(&r);
	go_on(a, next);
	if (next == LIFE_AWAIT) /* from the command's end on */
		a->act_due_ms = at.up_ms + (int64_t)a->o->restart_timeout_s * 1000;
}

static void reap(struct agent *a)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == a->child)
			on_child_end(a, status);
}

static void new_boot_id(char out[BOOT_ID_SIZE])
{
	snprintf(out, BOOT_ID_SIZE, "pretended-%016llx%016llx", (unsigned long long)luck(),
	         (unsigned long long)luck());
}

static void end_pretending(struct agent *a, const struct act *act)
{
	char boot_id[BOOT_ID_SIZE], kernels[BOOT_ID_SIZE];
	struct life_now at = now(a);

	if (!a->o->ends_by_exit[act->type]) {
		new_boot_id(boot_id);
		read_line(a->o->boot_id_file, kernels, sizeof kernels);
		life_note_boot(&a->state, boot_id, at.at_ms, kernels);
	}
	life_pretended(&a->state, &at);
	go_on(a, LIFE_NOTHING);
}

/* Whether the hub knows all that is to be reported. */
static bool is_told(const struct agent *a)
{
	return a->link_state == LINK_UP && a->has != NULL && a->twin_state == TWIN_IDLE && !a->is_report_due;
}

static void act_turn(struct agent *a)
{
	struct act *act = state_pending(&a->state);

	if (act == NULL || a->child != 0)
		return;
	if (a->is_to_check) {
		check(a);
	} else if (act->phase == PHASE_ACCEPTED) {
		if (up_ms() >= a->begin_after_ms && (is_told(a) || up_ms() >= a->act_due_ms))
			begin(a);
	} else if (up_ms() >= a->act_due_ms) {
		if (act->is_pretended)
			end_pretending(a, act);
		else
			fail(a, -1, "no restart followed");
	}
}

/* --- calls --- */

static void refuse(struct agent *a, const char *method, const char *rid, int status, const char *why)
{
	char *body = answer_refused(why);

	log_line(LOG_LEVEL_WARNING, "%s: refused with %d: %s", method, status, why);
	link_answer(a->link, rid, status, body);
	free(body);
}

static void accept_with(struct agent *a, const char *rid, const struct act *act, bool is_repeated)
{
	char *body = answer_taken(act, is_repeated);

	link_answer(a->link, rid, 200, body);
	free(body);
	log_line(LOG_LEVEL_INFO, "%s %s: %s", act_type_text(act->type), act->attempt_id,
	         is_repeated ? "called again, answered only" : "accepted");
}

/* The answer leaves when the act is on disk. Takes r->payload. */
static void take(struct agent *a, const char *rid, struct request *r)
{
	struct act *act = state_add(&a->state);
	struct life_now at = now(a);

	memcpy(act->attempt_id, r->attempt_id, sizeof act->attempt_id);
	memcpy(act->boot_id, a->state.boot_id, sizeof act->boot_id);
	act->type = r->type;
	act->payload = r->payload;
	r->payload = NULL;
	act->accepted_at_ms = at.at_ms;
	act->accepted_up_ms = at.up_ms;
	switch (save(a)) {
	case STATE_SAVED:
		accept_with(a, rid, act, false);
		a->is_to_begin = true;
		a->act_due_ms = at.up_ms + REPORT_FIRST_MS;
		return;
	case STATE_KEPT:
		state_drop_last(&a->state);
		a->save_due_ms = NEVER; /* as it is on disk */
		refuse(a, act_type_text(r->type), rid, 500, "the device cannot remember the attempt");
		return;
	case STATE_IN_DOUBT:
		/* It may be on disk, and begin after a crash: no answer says both. */
		state_drop_last(&a->state);
		save(a);
		return;
	}
}

static void on_method(void *arg, const char *name, const char *rid, const char *body, size_t n)
{
	struct agent *a = arg;
	struct request r;
	char why[WHY_SIZE];
	int status = request_read(name, body, n, &r, why);
	const struct act *known, *pending = state_pending(&a->state);

	if (status != 200) {
		refuse(a, name, rid, status, why);
		return;
	}
	known = state_find(&a->state, r.attempt_id);
	if (known != NULL) {
		accept_with(a, rid, known, true);
	} else if (pending != NULL) {
		snprintf(why, sizeof why, "busy: %s %s is under way", act_type_text(pending->type),
		         pending->attempt_id);
		refuse(a, name, rid, 409, why);
	} else if (a->save_due_ms != NEVER) {
		refuse(a, name, rid, 500, "the device cannot remember the attempt");
	} else {
		take(a, rid, &r);
	}
	request_done(&r);
}

/* --- the link --- */

static void link_failed(struct agent *a, const char *why)
{
	int64_t wait_ms;

	if (a->link_state == LINK_UP && up_ms() - a->up_since_ms >= STEADY_MS)
		a->link_failures = 0;
	wait_ms = backoff_ms(++a->link_failures, RETRY_FIRST_MS, RETRY_MAX_MS, luck());
	log_line(LOG_LEVEL_WARNING, "not connected: %s; again in %lld ms", why, (long long)wait_ms);
	a->link_state = LINK_DOWN;
	a->link_due_ms = up_ms() + wait_ms;
	twin_lost(a);
}

static void on_up(void *arg, bool is_known)
{
	struct agent *a = arg;
	int64_t life_ms = (int64_t)a->o->token_s * 1000;

	a->link_state = LINK_UP;
	a->up_since_ms = up_ms();
	/* Three quarters of its life and a little: not all of a fleet at once. */
	a->link_due_ms = a->o->connection.key == NULL ? NEVER
	                                              : a->up_since_ms + life_ms * 3 / 4 +
	                                                        (int64_t)(luck() % (uint64_t)(life_ms / 20));
	a->twin_due_ms = a->up_since_ms;
	if (!is_known) /* the device may have been deleted and made anew, and its twin with it */
		forget(&a->has);
	log_line(LOG_LEVEL_INFO, "connected to %s", a->o->connection.host);
}

static void on_down(void *arg, const char *why)
{
	link_failed(arg, why);
}

static void connect_now(struct agent *a)
{
	const struct connection *c = &a->o->connection;
	const char *why = "no memory";
	char *token = NULL;

	a->token_ends_s = clock_ms(CLOCK_REALTIME) / 1000 + a->o->token_s;
	if (c->key != NULL)
		token = sas_token(c->host, c->device_id, c->key, a->token_ends_s);
	a->link_state = LINK_CONNECTING;
	a->link_due_ms = up_ms() + CONNECT_WITHIN_MS;
	if ((c->key != NULL && token == NULL) || !link_connect(a->link, token, &why))
		link_failed(a, why);
	free(token);
}

/* The hub cuts the link when the token has expired; by then there is a new one. Not between an act's
 * acceptance and its beginning, which is soon over. */
static bool is_token_old(const struct agent *a)
{
	bool is_old = up_ms() >= a->link_due_ms ||
	              (a->o->connection.key != NULL &&
	               clock_ms(CLOCK_REALTIME) / 1000 >= a->token_ends_s - a->o->token_s / 8);

	return is_old && a->twin_state == TWIN_IDLE && !a->is_to_begin;
}

static void link_turn(struct agent *a)
{
	switch (a->link_state) {
	case LINK_DOWN:
		if (up_ms() >= a->link_due_ms)
			connect_now(a);
		return;
	case LINK_CONNECTING:
		if (up_ms() >= a->link_due_ms) {
			link_close(a->link);
			link_failed(a, "no answer");
		}
		return;
	case LINK_UP:
		if (is_token_old(a)) {
			log_line(LOG_LEVEL_INFO, "renewing the token");
			link_close(a->link);
			connect_now(a);
		}
		return;
	}
}

/* --- the loop --- */

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Does what is due; gives for how many ms nothing is. */
static int turn(struct agent *a)
{
	int64_t due_ms = TICK_MS + up_ms(), wait_ms;

	if (up_ms() >= a->save_due_ms)
		save(a);
	act_turn(a);
	link_turn(a);
	twin_turn(a);
	act_turn(a); /* what was just found to be told already may begin */
	due_ms = earlier(due_ms, a->save_due_ms);
	if (a->link_state != LINK_UP ||
	    a->link_due_ms > up_ms()) /* an old token may have to wait for the twin */
		due_ms = earlier(due_ms, a->link_due_ms);
	if (a->link_state == LINK_UP && (a->twin_state != TWIN_IDLE || a->has == NULL || may_report(a)))
		due_ms = earlier(due_ms, a->twin_due_ms);
	if (a->child == 0)
		due_ms = earlier(due_ms,
		                 a->act_due_ms > a->begin_after_ms ? a->act_due_ms : a->begin_after_ms);
	wait_ms = due_ms - up_ms();
	return wait_ms < 0 ? 0 : (int)wait_ms;
}

/* True once it is told to stop. */
static bool on_signal(struct agent *a, int signals)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGCHLD)
			reap(a);
		else
			return true;
	}
	return false;
}

static bool loop(struct agent *a, int signals)
{
	for (;;) {
		int wait_ms = turn(a);
		struct pollfd fds[2] = {{.fd = signals, .events = POLLIN}, {.fd = link_fd(a->link)}};

		fds[1].events = fds[1].fd < 0 ? 0 : link_events(a->link);
		if (poll(fds, 2, wait_ms) < 0 && errno != EINTR) {
			log_line(LOG_LEVEL_ERROR, "poll: %s", strerror(errno));
			return false;
		}
		link_run(a->link, fds[1].revents);
		if ((fds[0].revents & POLLIN) && on_signal(a, signals))
			return true;
	}
}

/* --- start --- */

static bool read_boot(struct agent *a)
{
	char boot_id[BOOT_ID_SIZE];

	read_line(a->o->boot_id_file, boot_id, sizeof boot_id);
	if (boot_id[0] == '\0') {
		log_line(LOG_LEVEL_ERROR, "%s holds no boot id", a->o->boot_id_file);
		return false;
	}
	if (strcmp(a->state.pretended_over, boot_id) != 0)
		life_note_boot(&a->state, boot_id, clock_ms(CLOCK_REALTIME) - up_ms(), "");
	return true;
}

static bool read_state(struct agent *a)
{
	struct life_now at = now(a);
	enum life_next next = LIFE_NOTHING;
	const struct act *act;
	struct request r;

	switch (state_load(a->o->state_file, &a->state)) {
	case STATE_LOADED:
	case STATE_NEW:
		break;
	case STATE_DAMAGED:
		log_line(LOG_LEVEL_ERROR,
		         "%s was damaged and is now %s.damaged: earlier attempts are not remembered",
		         a->o->state_file, a->o->state_file);
		break;
	case STATE_UNREADABLE:
		log_line(LOG_LEVEL_ERROR, "cannot read %s: %s", a->o->state_file, strerror(errno));
		return false;
	}
	if (!read_boot(a))
		return false;
	act = state_pending(&a->state);
	if (act != NULL && request_again(act, &r)) {
		struct life_rule rule = rule_of(a, act, &r);

		next = life_start(&a->state, &rule, &at);
		request_done(&r);
		go_on(a, next);
	} else if (act != NULL) {
		fail(a, -1, LOST_PAYLOAD);
	}
	return save(a) == STATE_SAVED;
}

static int signals_fd(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static bool set_up_link(struct agent *a)
{
	static const struct link_handlers handlers = {on_up, on_down, on_method, on_twin};
	const struct options *o = a->o;

	if (asprintf(&a->user_name, "%s/%s/?api-version=2021-04-12", o->connection.host,
	             o->connection.device_id) < 0) {
		a->user_name = NULL;
		return false;
	}
	a->link_options = (struct link_options){
	        .address = o->address,
	        .port = o->port,
	        .is_plain = o->is_plain,
	        .device_id = o->connection.device_id,
	        .user_name = a->user_name,
	        .ca_file = o->ca_file,
	        .cert_file = o->cert_file,
	        .key_file = o->key_file,
	        .keepalive_s = o->keepalive_s,
	};
	a->link = link_new(&a->link_options, &handlers, a);
	return a->link != NULL;
}

bool agent_run(const struct options *options)
{
	struct agent a = {.o = options, .save_due_ms = NEVER, .act_due_ms = NEVER};
	int signals = signals_fd();
	bool is_good = false;

	uname(&a.kernel);
	if (signals < 0 || !set_up_link(&a))
		log_line(LOG_LEVEL_ERROR, "cannot start: %s", strerror(errno));
	else if (read_state(&a)) {
		log_line(LOG_LEVEL_INFO, "rollcall-agent %s of %s, boot %s", ROLLCALL_AGENT_VERSION,
		         options->connection.device_id, a.state.boot_id);
		is_good = loop(&a, signals);
		link_close(a.link);
		log_line(LOG_LEVEL_INFO, "stopped");
	}
	link_free(a.link);
	free(a.user_name);
	json_decref(a.has);
	json_decref(a.sent);
	state_done(&a.state);
	if (signals >= 0)
		close(signals);
	return is_good;
}
