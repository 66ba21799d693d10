/* world: what runs on a device: the tutorial's device app (contract 9), or a reference agent, with a temper.
 *
 * A method call that is acted on makes an act, which goes through
 *
 *   REPORT ──▶ LEAVE ──▶ JOIN ──▶ DONE ──▶ end          reboot, factoryReset
 *   REPORT ──▶ STEP… ──▶ end, or for an agent LEAVE …   firmwareUpdate
 *
 * and dies when the device restarts for another reason (its life is over). A restart without a call, and a
 * device that comes up by itself, are acts that begin at JOIN. */
#include "tests/world/internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/hash.h"

enum action_kind { ACTION_NONE, ACTION_REBOOT, ACTION_RESET, ACTION_UPDATE };
enum stage { STAGE_REPORT, STAGE_STEP, STAGE_LEAVE, STAGE_JOIN, STAGE_ADMITTED, STAGE_DONE };

static const struct action {
	const char *method; /* and the name below iothubDM */
	const char *reply;  /* JSON text */
} actions[] = {
        [ACTION_NONE] = {NULL, NULL},
        [ACTION_REBOOT] = {"reboot", "\"Reboot started\""},
        [ACTION_RESET] = {"factoryReset", "\"Factory reset started\""},
        [ACTION_UPDATE] = {"firmwareUpdate", "\"FirmwareUpdate started\""},
};

/* The steps of the classic Node sample after "waiting" (contract 9.2). */
static const struct step {
	const char *status, *time_name; /* time_name: NULL if none is reported */
	const char *failure;            /* what may be reported instead */
} steps[] = {
        {"downloading", NULL, NULL},
        {"downloadComplete", "downloadCompleteTime", "downloadfailed"},
        {"applying", "startedApplyingImage", NULL},
        {"applyComplete", "lastFirmwareUpdate", "applyFailed"},
};

enum {
	RETRY_DOUBLINGS = 6, /* of the first second's wait for a connection */
};

struct act {
	struct event event;
	LIST_ENTRY(act) parked;
	struct device *device;
	enum action_kind action;
	enum stage stage;
	size_t step, fails_at; /* fails_at: a step number, past the end for never */
	uint32_t life;
	unsigned refused; /* times in a row, at JOIN */
	uint64_t call;
	char *attempt_id; /* NULL: none */
};

struct report {
	struct event event;
	struct device *device;
	uint32_t generation;
	struct doc_node *patch;
};

/* --- Reporting --- */

static void drop_report(struct world *w, struct event *e)
{
	struct report *r = CONTAINER(e, struct report, event);

	doc_free(w->docs, r->patch);
	free(r);
}

static void on_report(struct world *w, struct event *e)
{
	struct report *r = CONTAINER(e, struct report, event);

	if (r->device->live.exists && r->device->live.generation == r->generation)
		fleet_report(w, r->device, r->patch);
	drop_report(w, e);
}

static const struct event_kind report_kind = {on_report, drop_report};

/* Sends a patch (taken). The hub holds it back at its twin throttle but never loses it, and counts it against
 * the quota but never refuses it: a device that loses reports is what tempers are for. */
static void send_report(struct world *w, struct device *d, struct doc_node *patch)
{
	struct report *r = xcalloc(1, sizeof *r);
	int64_t delay_ms = throttle_queue(&w->throttle, THROTTLE_TWIN_UPDATES, w->now_ms);

	throttle_meter_device(&w->throttle, doc_bytes(w->docs, patch), w->now_ms);
	r->device = d;
	r->generation = d->live.generation;
	r->patch = patch;
	if (delay_ms == 0)
		on_report(w, &r->event);
	else
		agenda_put(&w->agenda, &r->event, &report_kind, w->now_ms + delay_ms);
}

static void put(struct world *w, struct doc_node *patch, enum action_kind action, const char *name,
                struct doc_node *value)
{
	char path[96];

	snprintf(path, sizeof path, "iothubDM.%s.%s", actions[action].method, name);
	doc_set(w->docs, patch, path, value);
}

/* The device's own clock. */
static struct doc_node *device_time(struct world *w, const struct device *d)
{
	int64_t skew_ms = w->options.clock_skew_ms;

	if (skew_ms > 0)
		skew_ms = (int64_t)(hash64(d->id, strlen(d->id)) % (uint64_t)(2 * skew_ms + 1)) - skew_ms;
	return doc_time(w->docs, w->now_ms + skew_ms);
}

static struct doc_node *boot_id(struct world *w, const struct device *d)
{
	uint64_t seed[] = {w->options.seed, d->no, d->boots, d->live.generation};
	char text[32];

	snprintf(text, sizeof text, "%016llx", (unsigned long long)hash64(seed, sizeof seed));
	return doc_text(w->docs, text);
}

static void report_start(struct world *w, const struct act *act)
{
	struct device *d = act->device;
	struct doc_node *patch = doc_new(w->docs, DOC_OBJECT);

	if (act->action == ACTION_REBOOT) {
		put(w, patch, act->action, "lastReboot", device_time(w, d));
	} else if (act->action == ACTION_RESET) {
		put(w, patch, act->action, "lastFactoryReset", device_time(w, d));
		put(w, patch, act->action, "status", doc_word(w->docs, "started"));
	} else {
		put(w, patch, act->action, "status", doc_word(w->docs, "waiting"));
		put(w, patch, act->action, "startedWaitingTime", device_time(w, d));
		put(w, patch, act->action, "error", doc_new(w->docs, DOC_NULL));
	}
	if (d->agent != NULL && act->attempt_id != NULL)
		put(w, patch, act->action, "accepted.attemptId", doc_text(w->docs, act->attempt_id));
	send_report(w, d, patch);
}

static void report_step(struct world *w, const struct act *act)
{
	const struct step *step = &steps[act->step];
	struct doc_node *patch = doc_new(w->docs, DOC_OBJECT);

	if (act->step == act->fails_at) {
		struct doc_node *code = doc_new(w->docs, DOC_INT);

		code->u.integer = 7;
		put(w, patch, ACTION_UPDATE, "status", doc_word(w->docs, step->failure));
		put(w, patch, ACTION_UPDATE, "error.code", code);
		put(w, patch, ACTION_UPDATE, "error.message", doc_word(w->docs, "image is damaged"));
	} else {
		put(w, patch, ACTION_UPDATE, "status", doc_word(w->docs, step->status));
		if (step->time_name != NULL)
			put(w, patch, ACTION_UPDATE, step->time_name, device_time(w, act->device));
	}
	send_report(w, act->device, patch);
}

static void report_done(struct world *w, const struct act *act)
{
	struct device *d = act->device;
	struct doc_node *patch = doc_new(w->docs, DOC_OBJECT);

	if (act->action == ACTION_RESET)
		put(w, patch, act->action, "status", doc_word(w->docs, "complete"));
	if (d->agent != NULL) {
		doc_set(w->docs, patch, "iothubDM.bootId", boot_id(w, d));
		if (act->attempt_id != NULL) {
			put(w, patch, act->action, "done.attemptId", doc_text(w->docs, act->attempt_id));
			put(w, patch, act->action, "done.bootId", boot_id(w, d));
		}
	}
	send_report(w, d, patch);
}

void device_introduce(struct world *w, struct device *d, struct rng *rng)
{
	struct view *v = &d->live;
	int64_t past_ms = 86400000 + (int64_t)rng_below(rng, INT64_C(27) * 86400000);
	struct doc_stamp stamp = {.at_ms = w->options.start_ms - past_ms, .version = 2};

	if (d->agent != NULL)
		doc_set(w->docs, v->reported, "iothubDM.bootId", boot_id(w, d));
	if (w->options.with_history) {
		put(w, v->reported, ACTION_REBOOT, "lastReboot", doc_time(w->docs, stamp.at_ms - 40));
		put(w, v->reported, ACTION_RESET, "lastFactoryReset", doc_time(w->docs, stamp.at_ms - 80));
		put(w, v->reported, ACTION_RESET, "status", doc_word(w->docs, "complete"));
		put(w, v->reported, ACTION_UPDATE, "status", doc_word(w->docs, "applyComplete"));
		put(w, v->reported, ACTION_UPDATE, "lastFirmwareUpdate", doc_time(w->docs, stamp.at_ms - 60));
	}
	if (v->reported->u.first == NULL)
		return;
	doc_stamp_all(v->reported, &stamp);
	v->reported_version = 2;
}

/* --- Acting --- */

static void end_act(struct act *act)
{
	free(act->attempt_id);
	free(act);
}

static void drop_act(struct world *w, struct event *e)
{
	(void)w;
	end_act(CONTAINER(e, struct act, event));
}

static void on_act(struct world *w, struct event *e);

static const struct event_kind act_kind = {on_act, drop_act};

static void act_at(struct world *w, struct act *act, enum stage stage, int64_t at_ms)
{
	act->stage = stage;
	agenda_put(&w->agenda, &act->event, &act_kind, at_ms);
}

static void act_after(struct world *w, struct act *act, enum stage stage, struct world_span span)
{
	act_at(w, act, stage, w->now_ms + world_draw(w, span));
}

/* True where act has to wait for the link, and now does. */
static bool is_parked(struct act *act)
{
	if (act->device->live.is_connected)
		return false;
	LIST_INSERT_HEAD(&act->device->parked, act, parked);
	return true;
}

static void go_down(struct world *w, struct act *act)
{
	struct device *d = act->device;

	d->boots++;
	d->life++;
	act->life = d->life;
	device_forget(w, d);
	world_tell(w, d,
	           (struct world_entry){.kind = WORLD_BOOT,
	                                .method = actions[act->action].method,
	                                .attempt_id = act->attempt_id,
	                                .call = act->call});
	fleet_disconnect(w, d);
	if (d->temper == WORLD_NEVER_BACK || d->temper == WORLD_OFFLINE)
		end_act(act);
	else
		act_after(w, act, STAGE_JOIN, w->options.boot);
}

/* What a device does once it is up and all is reported. */
static void settle(struct world *w, struct act *act)
{
	if (act->device->temper != WORLD_LOOPING) {
		end_act(act);
		return;
	}
	free(act->attempt_id);
	act->attempt_id = NULL;
	act->action = ACTION_NONE;
	act->call = 0;
	act_after(w, act, STAGE_LEAVE, w->options.loop);
}

static void come_up(struct world *w, struct act *act)
{
	fleet_connect(w, act->device);
	if (act->device->agent != NULL || act->action == ACTION_RESET)
		act_after(w, act, STAGE_DONE, w->options.report);
	else
		settle(w, act);
}

/* The hub takes no more connections than its throttle allows: it holds one back for a while, or cuts it; then
 * the device tries again later, each time longer and never all at once (contract 7.1, 11 #20, #25). */
static void join(struct world *w, struct act *act)
{
	int64_t delay_ms = throttle_take(&w->throttle, THROTTLE_CONNECTS, 1, w->now_ms), wait_ms;

	if (delay_ms == 0) {
		come_up(w, act);
	} else if (delay_ms > 0) {
		act_at(w, act, STAGE_ADMITTED, w->now_ms + delay_ms);
	} else {
		wait_ms = INT64_C(1000) << (act->refused < RETRY_DOUBLINGS ? act->refused : RETRY_DOUBLINGS);
		act->refused++;
		act_after(w, act, STAGE_JOIN, (struct world_span){wait_ms / 2, wait_ms * 3 / 2});
	}
}

static void take_step(struct world *w, struct act *act)
{
	report_step(w, act);
	if (act->step == act->fails_at) {
		end_act(act);
	} else if (++act->step < sizeof steps / sizeof *steps) {
		act_after(w, act, STAGE_STEP, w->options.step);
	} else if (act->device->agent != NULL) {
		act_after(w, act, STAGE_LEAVE, w->options.leave);
	} else {
		end_act(act);
	}
}

static void on_act(struct world *w, struct event *e)
{
	struct act *act = CONTAINER(e, struct act, event);

	if (act->life != act->device->life) {
		end_act(act);
		return;
	}
	switch (act->stage) {
	case STAGE_REPORT:
		if (is_parked(act))
			return; /* woken by device_on_link() */
		report_start(w, act);
		if (act->action == ACTION_UPDATE)
			act_after(w, act, STAGE_STEP, w->options.step);
		else
			act_after(w, act, STAGE_LEAVE, w->options.leave);
		return;
	case STAGE_STEP:
		if (!is_parked(act))
			take_step(w, act);
		return;
	case STAGE_LEAVE:
		go_down(w, act);
		return;
	case STAGE_JOIN:
		join(w, act);
		return;
	case STAGE_ADMITTED:
		come_up(w, act);
		return;
	case STAGE_DONE:
		if (is_parked(act))
			return; /* woken by device_on_link() */
		report_done(w, act);
		settle(w, act);
	}
}

static struct act *new_act(struct device *d, enum action_kind action)
{
	struct act *act = xcalloc(1, sizeof *act);

	act->device = d;
	act->action = action;
	act->life = d->life;
	act->fails_at = SIZE_MAX;
	return act;
}

void device_join_at(struct world *w, struct device *d, int64_t at_ms)
{
	act_at(w, new_act(d, ACTION_NONE), STAGE_JOIN, at_ms);
}

void device_restart(struct world *w, struct device *d)
{
	go_down(w, new_act(d, ACTION_NONE));
}

void device_on_link(struct world *w, struct device *d)
{
	struct act *act;

	while ((act = LIST_FIRST(&d->parked)) != NULL) {
		LIST_REMOVE(act, parked);
		act_at(w, act, act->stage, w->now_ms);
	}
}

void device_forget(struct world *w, struct device *d)
{
	struct act *act;

	(void)w;
	while ((act = LIST_FIRST(&d->parked)) != NULL) {
		LIST_REMOVE(act, parked);
		end_act(act);
	}
}

/* --- Calls --- */

static enum action_kind action_of(const char *method)
{
	for (size_t i = ACTION_REBOOT; i <= ACTION_UPDATE; i++)
		if (strcmp(actions[i].method, method) == 0)
			return (enum action_kind)i;
	return ACTION_NONE;
}

/* Gives whether the agent has acted on that id already, and remembers it. */
static bool remembers(struct agent *agent, const char *attempt_id)
{
	size_t size = sizeof agent->seen / sizeof *agent->seen;
	uint64_t hash = hash64(attempt_id, strlen(attempt_id));

	for (size_t i = 0; i < size && i < agent->seen_n; i++)
		if (agent->seen[i] == hash)
			return true;
	agent->seen[agent->seen_n++ % size] = hash;
	return false;
}

static size_t draw_failure(struct world *w)
{
	if (w->options.update_fails_share <= 0 || rng_unit(&w->rng) >= w->options.update_fails_share)
		return SIZE_MAX;
	return rng_below(&w->rng, 2) == 0 ? 1 : 3;
}

/* Begins an action that reports start_ms from now. */
static void begin(struct world *w, struct device *d, const struct call *call, enum action_kind action,
                  int64_t start_ms)
{
	struct act *act;

	if (d->agent != NULL && call->attempt_id != NULL && remembers(d->agent, call->attempt_id))
		return;
	act = new_act(d, action);
	act->call = call->no;
	if (call->attempt_id != NULL)
		act->attempt_id = xstrdup(call->attempt_id);
	if (action == ACTION_UPDATE)
		act->fails_at = draw_failure(w);
	d->acts++;
	world_tell(w, d,
	           (struct world_entry){.kind = WORLD_ACT,
	                                .method = call->method,
	                                .payload = call->payload,
	                                .attempt_id = call->attempt_id,
	                                .call = call->no});
	act_at(w, act, d->temper == WORLD_NEVER_BACK && d->no % 2 == 0 ? STAGE_LEAVE : STAGE_REPORT,
	       w->now_ms + start_ms);
}

/* The answer is lost: the hub cuts its caller's connection, or waits in vain, also when the link drops
 * meanwhile. */
static void lose(struct world *w, struct call *call, int64_t answer_ms)
{
	call->is_lost = true;
	if (rng_below(&w->rng, 2) == 0)
		method_reply(w, call, answer_ms, 0, NULL);
}

static void refuse(struct world *w, const struct device *d, struct call *call, int64_t answer_ms)
{
	static const int statuses[] = {400, 403, 409, 429, 500, 503};

	method_reply(w, call, answer_ms, statuses[d->no % (sizeof statuses / sizeof *statuses)],
	             "\"Not now\"");
}

/* A temper that lasts for some calls only has one call less. What goes on after the call is over is not of
 * that sort. */
static void wear(struct world *w, struct device *d)
{
	if (d->temper == WORLD_NEVER_BACK || d->temper == WORLD_LOOPING)
		return;
	if (w->options.trouble_calls > 0 && d->trouble_left > 0 && --d->trouble_left == 0)
		d->temper = WORLD_OK;
}

void device_call(struct world *w, struct device *d, struct call *call)
{
	enum action_kind action = action_of(call->method);
	bool is_slow = d->temper == WORLD_SLOW;
	int64_t answer_ms = world_draw(w, is_slow ? w->options.slow_answer : w->options.answer);
	int64_t start_ms = answer_ms + world_draw(w, is_slow ? w->options.slow_report : w->options.report);

	assert(!d->is_outside);
	switch ((enum world_temper)d->temper) {
	case WORLD_REFUSING:
		refuse(w, d, call, answer_ms);
		break;
	case WORLD_NO_METHOD:
		method_reply(w, call, answer_ms, 404, "\"Not defined direct method\"");
		break;
	case WORLD_LYING:
		if (action != ACTION_NONE)
			method_reply(w, call, answer_ms, 200, actions[action].reply);
		break;
	case WORLD_LOST_BEFORE:
		lose(w, call, answer_ms);
		break;
	case WORLD_LOST_AFTER:
		if (action != ACTION_NONE)
			begin(w, d, call, action, start_ms);
		lose(w, call, answer_ms);
		break;
	case WORLD_DEAF:
		break;
	case WORLD_OK:
	case WORLD_SLOW:
	case WORLD_AWAY:
	case WORLD_OFFLINE:
	case WORLD_NEVER_BACK:
	case WORLD_LOOPING:
	case WORLD_TEMPERS_N:
		if (action == ACTION_NONE)
			break; /* no handler: the device SDK stays silent (contract 8.4) */
		begin(w, d, call, action, start_ms);
		method_reply(w, call, answer_ms, 200, actions[action].reply);
		break;
	}
	wear(w, d);
}
