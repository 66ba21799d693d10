/* agent: see twin.h */
#include "deploy/agent/twin.h"

#include <stdio.h>
#include <stdlib.h>

#include "deploy/agent/backoff.h"
#include "deploy/agent/contract.h"
#include "deploy/agent/host.h"
#include "deploy/agent/link.h"
#include "deploy/agent/log.h"

#define ANSWER_WITHIN_MS 30000
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 120000

enum twin_state { TWIN_IDLE, TWIN_READING, TWIN_REPORTING };

struct twin {
	struct link *link;
	twin_wanted *wanted;
	void *arg;
	bool is_up;
	enum twin_state state;
	json_t *has;    /* what the hub holds of ours; NULL: not known */
	json_t *sent;   /* REPORTING: the patch */
	int64_t due_ms; /* IDLE: not before; else: give up */
	unsigned failures, rids;
	bool has_changed;
};

struct twin *twin_new(struct link *link, twin_wanted *wanted, void *arg)
{
	struct twin *t = calloc(1, sizeof *t);

	if (t == NULL)
		return NULL;
	t->link = link;
	t->wanted = wanted;
	t->arg = arg;
	t->has_changed = true;
	return t;
}

static void forget(json_t **json)
{
	json_decref(*json);
	*json = NULL;
}

void twin_free(struct twin *t)
{
	if (t == NULL)
		return;
	forget(&t->has);
	forget(&t->sent);
	free(t);
}

static void become_idle(struct twin *t, int64_t not_before_ms)
{
	forget(&t->sent);
	t->state = TWIN_IDLE;
	t->due_ms = not_before_ms;
}

/* --- what happens --- */

void twin_link_up(struct twin *t, bool is_known)
{
	t->is_up = true;
	/* The device may have been deleted and made anew, and its twin with it. */
	if (!is_known)
		forget(&t->has);
}

void twin_link_down(struct twin *t)
{
	t->is_up = false;
	if (t->state == TWIN_REPORTING)
		forget(&t->has);
	t->has_changed = true;
	become_idle(t, 0);
}

void twin_changed(struct twin *t)
{
	t->has_changed = true;
}

/* status: the hub's, 0: none that makes sense. */
static void failed(struct twin *t, int status)
{
	int64_t wait_ms = backoff_ms(++t->failures, RETRY_FIRST_MS, RETRY_MAX_MS, luck());

	log_line(LOG_LEVEL_WARNING, "%s: the hub says %d, again in %lld s",
	         t->state == TWIN_READING ? "reading the twin" : "reporting", status,
	         (long long)(wait_ms + 999) / 1000);
	/* Only a refusal says that the patch is not in. */
	if (t->state == TWIN_REPORTING && (status == 0 || status >= 500))
		forget(&t->has);
	t->has_changed = true;
	become_idle(t, up_ms() + wait_ms);
}

static void on_read(struct twin *t, const char *body, size_t n)
{
	json_t *twin = json_loadb(body, n, 0, NULL), *reported = json_object_get(twin, "reported"), *has;

	if (!json_is_object(reported)) {
		json_decref(twin);
		failed(t, 0);
		return;
	}
	has = json_object_get(reported, "iothubDM");
	t->has = json_is_object(has) ? json_incref(has) : json_object();
	json_decref(twin);
	t->has_changed = true;
	become_idle(t, 0);
}

void twin_answer(struct twin *t, int status, const char *rid, const char *body, size_t n)
{
	char *end = NULL;

	if (t->state == TWIN_IDLE || strtoul(rid, &end, 10) != t->rids || *end != '\0')
		return; /* to a request that was given up */
	if (status < 200 || status > 299) {
		failed(t, status);
		return;
	}
	t->failures = 0;
	if (t->state == TWIN_READING) {
		on_read(t, body, n);
		return;
	}
	report_merge(t->has, json_object_get(t->sent, "iothubDM"));
	become_idle(t, 0);
}

/* --- what is done --- */

static void ask(struct twin *t, enum twin_state state)
{
	char rid[16], *text;

	snprintf(rid, sizeof rid, "%u", ++t->rids);
	t->state = state;
	t->due_ms = up_ms() + ANSWER_WITHIN_MS;
	if (state == TWIN_READING) {
		link_get_twin(t->link, rid);
		return;
	}
	text = json_dumps(t->sent, JSON_COMPACT);
	link_report(t->link, rid, text);
	free(text);
}

static void report(struct twin *t)
{
	json_t *wanted = t->wanted(t->arg), *patch;

	t->has_changed = false;
	if (wanted == NULL)
		return;
	patch = report_diff(t->has, wanted);
	json_decref(wanted);
	if (patch == NULL)
		return;
	t->sent = json_pack("{s:o}", "iothubDM", patch);
	ask(t, TWIN_REPORTING);
}

bool twin_is_busy(const struct twin *t)
{
	return t->state != TWIN_IDLE;
}

bool twin_is_told(const struct twin *t)
{
	return t->is_up && t->has != NULL && t->state == TWIN_IDLE && !t->has_changed;
}

int64_t twin_turn(struct twin *t)
{
	if (!t->is_up)
		return NEVER;
	if (t->state != TWIN_IDLE && up_ms() >= t->due_ms)
		failed(t, 0);
	if (t->state == TWIN_IDLE && up_ms() >= t->due_ms) {
		if (t->has == NULL)
			ask(t, TWIN_READING);
		else if (t->has_changed)
			report(t);
	}
	return t->state == TWIN_IDLE && t->has != NULL && !t->has_changed ? NEVER : t->due_ms;
}
