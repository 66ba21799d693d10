/* agent: see work.h */
#include "deploy/agent/work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "deploy/agent/command.h"
#include "deploy/agent/contract.h"
#include "deploy/agent/host.h"
#include "deploy/agent/life.h"
#include "deploy/agent/log.h"
#include "deploy/agent/options.h"
#include "deploy/agent/state.h"

#define REPORT_FIRST_MS 10000 /* an accepted act waits so long for its report to be acknowledged */
#define SAVE_AGAIN_MS 5000

#define LOST_PAYLOAD "its payload was not kept as it came"

struct work {
	const struct options *o;
	struct state state;
	struct utsname kernel;
	char firmware[FIRMWARE_SIZE]; /* of now() */
	bool has_news;
	int64_t save_due_ms; /* memory is ahead of disk, save again; NEVER: it is not */
	pid_t child;         /* 0: none */
	bool child_checks;
	bool is_to_begin, is_to_check;
	int64_t begin_after_ms; /* an act that could not be begun is not tried before */
	int64_t due_ms; /* to begin at the latest, the end of pretending, or the restart's time-out; NEVER:
	                   nothing */
	int64_t away_until_ms; /* a restart is played */
};

static struct life_now now(struct work *w)
{
	w->firmware[0] = '\0';
	if (w->o->firmware_version_file != NULL)
		read_line(w->o->firmware_version_file, w->firmware, sizeof w->firmware);
	return (struct life_now){utc_ms(), up_ms(), w->firmware};
}

/* Nothing is reported, and no action begun, while memory is ahead of disk. */
static enum state_save save(struct work *w)
{
	enum state_save end = state_save(w->o->state_file, &w->state);

	w->save_due_ms = end == STATE_SAVED ? NEVER : up_ms() + SAVE_AGAIN_MS;
	w->has_news = true;
	if (end != STATE_SAVED)
		log_line(LOG_LEVEL_ERROR, "cannot write %s: %s", w->o->state_file, strerror(errno));
	return end;
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

static struct life_rule rule_of(const struct work *w, const struct act *act, const struct request *r)
{
	return (struct life_rule){
	        .ends_by_exit = w->o->ends_by_exit[act->type],
	        .has_check = act->type == ACT_FIRMWARE_UPDATE && w->o->check_firmware != NULL &&
	                     !act->is_pretended,
	        .wanted_version = r->package_version,
	};
}

static void tell_end(const struct work *w)
{
	const struct act *act = &w->state.acts[w->state.n - 1];

	log_line(act->phase == PHASE_DONE ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "%s %s: %s%s%s",
	         act_type_text(act->type), act->attempt_id, act_phase_text(act->phase),
	         act->error[0] == '\0' ? "" : ": ", act->error);
}

/* After a step of the act: notes what comes next, and saves. */
static void go_on(struct work *w, enum life_next next)
{
	const struct act *act = state_pending(&w->state);

	w->is_to_begin = next == LIFE_BEGIN;
	w->is_to_check = next == LIFE_CHECK;
	w->due_ms = NEVER;
	switch (next) {
	case LIFE_NOTHING:
		tell_end(w);
		break;
	case LIFE_BEGIN:
		w->due_ms = up_ms() + REPORT_FIRST_MS;
		return;
	case LIFE_AWAIT:
		w->due_ms = act->begun_up_ms + (int64_t)w->o->restart_timeout_s * 1000;
		if (w->due_ms < up_ms())
			w->due_ms = up_ms();
		return;
	case LIFE_CHECK:
		break;
	case LIFE_PRETEND:
		w->due_ms = up_ms() + (int64_t)w->o->pretend_s * 1000;
		return;
	}
	save(w);
}

static void fail(struct work *w, int code, const char *why)
{
	struct life_now at = now(w);

	life_fail(&w->state, code, why, &at);
	go_on(w, LIFE_NOTHING);
}

static void start_command(struct work *w, char *const *words, const struct request *r, bool checks)
{
	w->child = command_start(words, r);
	w->child_checks = checks;
	if (w->child > 0) {
		log_line(LOG_LEVEL_INFO, "%s %s: started %s as process %d", act_type_text(r->type),
		         r->attempt_id, words[0], (int)w->child);
		return;
	}
	w->child = 0;
	log_line(LOG_LEVEL_ERROR, "cannot run %s: %s", words[0], strerror(errno));
	fail(w, 127, "its command cannot be run");
}

static void start_pretending(struct work *w, const struct act *act)
{
	log_line(LOG_LEVEL_INFO, "%s %s: pretending, no command is given for it", act_type_text(act->type),
	         act->attempt_id);
	go_on(w, LIFE_PRETEND);
	if (!w->o->ends_by_exit[act->type])
		w->away_until_ms = w->due_ms;
}

/* Until BEGUN is on disk nothing is started. */
static void begin(struct work *w)
{
	struct act *act = state_pending(&w->state);
	char *const *words = w->o->commands[act->type];
	struct request r;
	struct life_now at = now(w);
	enum state_save end;

	if (!request_again(act, &r)) {
		fail(w, -1, LOST_PAYLOAD);
		return;
	}
	life_begin(&w->state, words == NULL, &at);
	end = save(w);
	if (end == STATE_KEPT && at.up_ms - act->accepted_up_ms <= BEGIN_WITHIN_MS) {
		act->phase = PHASE_ACCEPTED;
		w->save_due_ms = NEVER; /* as it is on disk */
		w->begin_after_ms = at.up_ms + SAVE_AGAIN_MS;
	} else if (end != STATE_SAVED) {
		fail(w, -1, "the agent cannot remember that it begins");
	} else {
		w->is_to_begin = false;
		w->due_ms = NEVER;
		if (words == NULL)
			start_pretending(w, act);
		else
			start_command(w, words, &r, false);
	}
	request_done(&r);
}

static void check(struct work *w)
{
	struct request r;

	w->is_to_check = false;
	if (!request_again(state_pending(&w->state), &r)) {
		fail(w, -1, LOST_PAYLOAD);
		return;
	}
	start_command(w, w->o->check_firmware, &r, true);
	request_done(&r);
}

static void on_child_end(struct work *w, int status)
{
	const struct act *act = state_pending(&w->state);
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	enum life_next next = LIFE_NOTHING;
	struct life_now at = now(w);
	struct request r;

	w->child = 0;
	if (act == NULL)
		return;
	if (!request_again(act, &r)) {
		fail(w, -1, LOST_PAYLOAD);
		return;
	}
	if (w->child_checks) {
		life_checked(&w->state, code, &at);
	} else {
		struct life_rule rule = rule_of(w, act, &r);

		next = life_exit(&w->state, &rule, code, &at);
	}
	request_done(&r);
	go_on(w, next);
	if (next == LIFE_AWAIT) /* from the command's end on */
		w->due_ms = at.up_ms + (int64_t)w->o->restart_timeout_s * 1000;
}

void work_reap(struct work *w)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == w->child)
			on_child_end(w, status);
}

static void new_boot_id(char out[BOOT_ID_SIZE])
{
	snprintf(out, BOOT_ID_SIZE, "pretended-%016llx%016llx", (unsigned long long)luck(),
	         (unsigned long long)luck());
}

static void end_pretending(struct work *w, const struct act *act)
{
	char boot_id[BOOT_ID_SIZE], kernels[BOOT_ID_SIZE];
	struct life_now at = now(w);

	if (!w->o->ends_by_exit[act->type]) {
		new_boot_id(boot_id);
		read_line(w->o->boot_id_file, kernels, sizeof kernels);
		life_note_boot(&w->state, boot_id, at.at_ms, kernels);
	}
	life_pretended(&w->state, &at);
	go_on(w, LIFE_NOTHING);
}

static void act_turn(struct work *w, bool is_told)
{
	struct act *act = state_pending(&w->state);

	if (act == NULL || w->child != 0)
		return;
	if (w->is_to_check) {
		check(w);
	} else if (act->phase == PHASE_ACCEPTED) {
		if (up_ms() >= w->begin_after_ms && (is_told || up_ms() >= w->due_ms))
			begin(w);
	} else if (up_ms() >= w->due_ms) {
		if (act->is_pretended)
			end_pretending(w, act);
		else
			fail(w, -1, "no restart followed");
	}
}

/* --- calls --- */

static struct work_answer refuse(const char *method, int status, const char *why)
{
	log_line(LOG_LEVEL_WARNING, "%s: refused with %d: %s", method, status, why);
	return (struct work_answer){status, answer_refused(why)};
}

static struct work_answer accept_it(const struct act *act, bool is_repeated)
{
	log_line(LOG_LEVEL_INFO, "%s %s: %s", act_type_text(act->type), act->attempt_id,
	         is_repeated ? "called again, answered only" : "accepted");
	return (struct work_answer){200, answer_taken(act, is_repeated)};
}

static struct work_answer cannot_remember(const struct request *r)
{
	return refuse(act_type_text(r->type), 500, "the device cannot remember the attempt");
}

/* The answer is given when the act is on disk. Takes r->payload. */
static struct work_answer take(struct work *w, struct request *r)
{
	struct act *act = state_add(&w->state);
	struct life_now at = now(w);

	memcpy(act->attempt_id, r->attempt_id, sizeof act->attempt_id);
	memcpy(act->boot_id, w->state.boot_id, sizeof act->boot_id);
	act->type = r->type;
	act->payload = r->payload;
	r->payload = NULL;
	act->accepted_at_ms = at.at_ms;
	act->accepted_up_ms = at.up_ms;
	switch (save(w)) {
	case STATE_SAVED:
		w->is_to_begin = true;
		w->due_ms = at.up_ms + REPORT_FIRST_MS;
		return accept_it(act, false);
	case STATE_KEPT:
		state_drop_last(&w->state);
		w->save_due_ms = NEVER; /* as it is on disk */
		return cannot_remember(r);
	case STATE_IN_DOUBT:
		break;
	}
	/* It may be on disk, and begin after a crash: neither answer would be true. */
	state_drop_last(&w->state);
	save(w);
	return (struct work_answer){0, NULL};
}

static struct work_answer call(struct work *w, struct request *r)
{
	const struct act *known = state_find(&w->state, r->attempt_id), *pending = state_pending(&w->state);
	char why[WHY_SIZE];

	if (known != NULL)
		return accept_it(known, true);
	if (pending != NULL) {
		snprintf(why, sizeof why, "busy: %s %s is under way", act_type_text(pending->type),
		         pending->attempt_id);
		return refuse(act_type_text(r->type), 409, why);
	}
	return w->save_due_ms == NEVER ? take(w, r) : cannot_remember(r);
}

struct work_answer work_call(struct work *w, const char *method, const char *payload, size_t n)
{
	struct work_answer answer;
	struct request r;
	char why[WHY_SIZE];
	int status = request_read(method, payload, n, &r, why);

	if (status != 200)
		return refuse(method, status, why);
	answer = call(w, &r);
	request_done(&r);
	return answer;
}

/* --- start --- */

static bool read_boot(struct work *w)
{
	char boot_id[BOOT_ID_SIZE];

	read_line(w->o->boot_id_file, boot_id, sizeof boot_id);
	if (boot_id[0] == '\0') {
		log_line(LOG_LEVEL_ERROR, "%s holds no boot id", w->o->boot_id_file);
		return false;
	}
	if (strcmp(w->state.pretended_over, boot_id) != 0)
		life_note_boot(&w->state, boot_id, utc_ms() - up_ms(), "");
	return true;
}

static bool read_state(struct work *w)
{
	struct life_now at = now(w);
	enum life_next next = LIFE_NOTHING;
	const struct act *act;
	struct request r;

	switch (state_load(w->o->state_file, &w->state)) {
	case STATE_LOADED:
	case STATE_NEW:
		break;
	case STATE_DAMAGED:
		log_line(LOG_LEVEL_ERROR,
		         "%s was damaged and is now %s.damaged: earlier attempts are not remembered",
		         w->o->state_file, w->o->state_file);
		break;
	case STATE_UNREADABLE:
		log_line(LOG_LEVEL_ERROR, "cannot read %s: %s", w->o->state_file, strerror(errno));
		return false;
	}
	if (!read_boot(w))
		return false;
	act = state_pending(&w->state);
	if (act != NULL && request_again(act, &r)) {
		struct life_rule rule = rule_of(w, act, &r);

		next = life_start(&w->state, &rule, &at);
		request_done(&r);
		go_on(w, next);
	} else if (act != NULL) {
		fail(w, -1, LOST_PAYLOAD);
	}
	return save(w) == STATE_SAVED;
}

struct work *work_open(const struct options *options)
{
	struct work *w = calloc(1, sizeof *w);

	if (w == NULL) {
		log_line(LOG_LEVEL_ERROR, "no memory");
		return NULL;
	}
	w->o = options;
	w->save_due_ms = w->due_ms = NEVER;
	uname(&w->kernel);
	if (read_state(w))
		return w;
	work_close(w);
	return NULL;
}

void work_close(struct work *w)
{
	if (w == NULL)
		return;
	state_done(&w->state);
	free(w);
}

/* --- for the loop --- */

int64_t work_turn(struct work *w, bool is_told)
{
	if (up_ms() >= w->save_due_ms)
		save(w);
	act_turn(w, is_told);
	if (w->child != 0)
		return w->save_due_ms;
	return earlier(w->save_due_ms, w->due_ms > w->begin_after_ms ? w->due_ms : w->begin_after_ms);
}

bool work_take_news(struct work *w)
{
	bool has_news = w->has_news;

	w->has_news = false;
	return has_news;
}

json_t *work_report(struct work *w)
{
	struct versions versions = {ROLLCALL_AGENT_VERSION, w->kernel.release, NULL};
	struct life_now at = now(w);

	if (w->save_due_ms != NEVER)
		return NULL;
	versions.firmware = at.firmware[0] == '\0' ? NULL : at.firmware;
	return report_of(&w->state, &versions);
}

const char *work_boot_id(const struct work *w)
{
	return w->state.boot_id;
}

bool work_is_to_begin(const struct work *w)
{
	return w->is_to_begin;
}

int64_t work_away_until_ms(const struct work *w)
{
	return w->away_until_ms;
}
