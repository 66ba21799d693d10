/* world: devices from outside: a link takes the place of device.c (contract 8). What a device asks for passes
 * the throttles that all devices share; unlike the simulated ones it is refused where they are full.
 *
 *   OPENING ──admitted──▶ OPEN ──world_link_close(), the hub ends it──▶ gone
 *      └──busy, denied, world_link_close()──▶ gone                                          */
#include "tests/world/internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	REPLY_BYTES_MAX = 131072, /* contract 2.2 */
	RID_SIZE = 24,
};

struct world_link {
	struct event opening; /* on the agenda: not open yet */
	struct device *device;
	uint32_t generation; /* of the identity that was let in */
	unsigned subscriptions;
	enum world_link_opening how;
	TAILQ_HEAD(, twin_op) ops; /* that wait for the throttle */
	const struct world_link_events *events;
	void *arg;
};

/* A twin operation of a device, on its way. */
struct twin_op {
	struct event event;
	TAILQ_ENTRY(twin_op) on_link;
	struct world_link *link; /* NULL: it is gone, nobody waits for the answer */
	struct device *device;
	uint32_t generation;
	unsigned faults;
	struct doc_node *patch; /* NULL: a read */
	int refusal;            /* status to refuse with; 0: do it */
	const char *refusal_text;
	char rid[];
};

enum err world_device_login(const struct world *w, const char *device_id, enum world_login *ret_login)
{
	const struct device *d = fleet_get(w, device_id);

	if (d == NULL)
		return ERR_NOT_FOUND;
	if (d->live.is_disabled)
		return ERR_DENIED;
	*ret_login = registry_login(d);
	return ERR_OK;
}

enum err world_device_key(const struct world *w, const char *device_id, bool is_secondary, struct buf *out)
{
	enum world_login login;
	enum err e = world_device_login(w, device_id, &login);

	if (e != ERR_OK)
		return e;
	if (login != WORLD_LOGIN_KEY)
		return ERR_DENIED;
	registry_key(w, fleet_get(w, device_id), is_secondary, out);
	return ERR_OK;
}

const char *world_device_thumbprint(const struct world *w, const char *device_id, bool is_secondary)
{
	const struct device *d = fleet_get(w, device_id);

	return d != NULL && d->identity != NULL ? d->identity->thumbprints[is_secondary] : NULL;
}

/* --- Coming and going --- */

static void forget_ops(struct world_link *link)
{
	struct twin_op *op;

	while ((op = TAILQ_FIRST(&link->ops)) != NULL) {
		TAILQ_REMOVE(&link->ops, op, on_link);
		op->link = NULL;
	}
}

static void free_link(struct world_link *link)
{
	forget_ops(link);
	free(link);
}

static void refuse_link(struct world_link *link, enum world_link_opening how)
{
	link->events->on_opened(link->arg, how);
	free_link(link);
}

/* What is simulated of d goes; a newer connection takes the place of an older (contract 8.1). */
static void take_over(struct world *w, struct device *d)
{
	fleet_disconnect(w, d);
	d->is_outside = true;
	d->life++;
	device_forget(w, d);
}

static void on_opening(struct world *w, struct event *e)
{
	struct world_link *link = CONTAINER(e, struct world_link, opening);
	struct device *d = link->device;

	if (!d->live.exists || d->live.generation != link->generation || d->live.is_disabled)
		link->how = WORLD_LINK_DENIED;
	if (link->how == WORLD_LINK_BUSY || link->how == WORLD_LINK_DENIED) {
		refuse_link(link, link->how);
		return;
	}
	take_over(w, d);
	d->link = link;
	fleet_connect(w, d);
	link->events->on_opened(link->arg, link->how);
}

static void drop_opening(struct world *w, struct event *e)
{
	(void)w;
	free_link(CONTAINER(e, struct world_link, opening));
}

static const struct event_kind opening = {on_opening, drop_opening};

static enum world_link_opening draw_opening(struct world *w)
{
	const unsigned busy = 1u << WORLD_FAULT_THROTTLED | 1u << WORLD_FAULT_QUOTA |
	                      1u << WORLD_FAULT_ERROR_BEFORE | 1u << WORLD_FAULT_ERROR_AFTER;
	unsigned faults = world_draw_faults(w, WORLD_CONNECTS);

	if ((faults & busy) != 0)
		return WORLD_LINK_BUSY;
	if ((faults & 1u << WORLD_FAULT_UNAUTHORIZED) != 0)
		return WORLD_LINK_DENIED;
	return (faults & 1u << WORLD_FAULT_SESSION_LOST) != 0 ? WORLD_LINK_OPEN_AFRESH : WORLD_LINK_OPEN;
}

static void advance(struct world *w, int64_t now_ms)
{
	if (now_ms > w->now_ms)
		w->now_ms = now_ms;
}

struct world_link *world_link_open(struct world *w, int64_t now_ms, const char *device_id,
                                   const struct world_link_events *events, void *arg)
{
	struct world_link *link = xcalloc(1, sizeof *link);
	int64_t delay_ms;

	advance(w, now_ms);
	link->device = fleet_get(w, device_id);
	assert(link->device != NULL);
	link->generation = link->device->live.generation;
	link->events = events;
	link->arg = arg;
	TAILQ_INIT(&link->ops);
	link->how = draw_opening(w);
	delay_ms = throttle_take(&w->throttle, THROTTLE_CONNECTS, 1, w->now_ms);
	if (delay_ms < 0) {
		link->how = WORLD_LINK_BUSY;
		delay_ms = 0;
	}
	agenda_put(&w->agenda, &link->opening, &opening, w->now_ms + delay_ms);
	return link;
}

void world_link_close(struct world *w, int64_t now_ms, struct world_link *link)
{
	struct device *d = link->device;

	advance(w, now_ms);
	if (link->opening.place != 0) {
		agenda_remove(&w->agenda, &link->opening);
	} else {
		assert(d->link == link);
		d->link = NULL;
		fleet_disconnect(w, d);
	}
	free_link(link);
}

void link_end(struct world *w, struct device *d)
{
	struct world_link *link = d->link;

	(void)w;
	if (link == NULL)
		return;
	d->link = NULL;
	link->events->on_ended(link->arg);
	free_link(link);
}

void link_drop(struct device *d)
{
	if (d->link != NULL)
		free_link(d->link);
	d->link = NULL;
}

void world_link_subscribe(struct world *w, int64_t now_ms, struct world_link *link, unsigned subscriptions)
{
	unsigned old = link->subscriptions;

	advance(w, now_ms);
	link->subscriptions = subscriptions;
	if (((old ^ subscriptions) & WORLD_LINK_METHODS) != 0)
		fleet_subscribed(w, link->device, (subscriptions & WORLD_LINK_METHODS) != 0);
}

bool link_takes(const struct device *d, unsigned subscription)
{
	return d->link != NULL && (d->link->subscriptions & subscription) != 0;
}

/* --- Methods --- */

void link_call(struct world *w, struct device *d, struct call *call)
{
	char rid[RID_SIZE];

	(void)w;
	snprintf(rid, sizeof rid, "%llx", (unsigned long long)call->no);
	d->link->events->on_method(d->link->arg, rid, call->method, call->payload);
	if ((call->faults & 1u << WORLD_FAULT_DELIVERED_TWICE) != 0)
		d->link->events->on_method(d->link->arg, rid, call->method, call->payload);
}

/* Gives the call that waits for an answer under rid, NULL if none does (any more). */
static struct call *find_call(const struct device *d, const char *rid)
{
	char text[RID_SIZE];
	struct call *call;

	TAILQ_FOREACH (call, &d->calls, on_device) {
		snprintf(text, sizeof text, "%llx", (unsigned long long)call->no);
		if (call->state == CALL_DELIVERED && call->link_reply == NULL && strcmp(text, rid) == 0)
			return call;
	}
	return NULL;
}

enum err world_link_reply(struct world *w, int64_t now_ms, struct world_link *link, const char *rid,
                          int status, const char *payload, size_t payload_bytes)
{
	struct call *call;
	json_t *json;

	advance(w, now_ms);
	if (payload_bytes > REPLY_BYTES_MAX)
		return ERR_INVALID;
	if (payload_bytes > 0) {
		json = json_loadb(payload, payload_bytes, JSON_DECODE_ANY, NULL);
		if (json == NULL)
			return ERR_INVALID;
		json_decref(json);
	}
	call = find_call(link->device, rid);
	if (call == NULL)
		return ERR_OK; /* a second answer, or too late */
	call->link_reply = payload_bytes > 0 ? xstrndup(payload, payload_bytes) : xstrdup("null");
	method_reply(w, call, 0, status, call->link_reply);
	return ERR_OK;
}

/* --- Twins --- */

static void answer_op(struct world *w, const struct twin_op *op, int status, uint32_t version,
                      const char *body)
{
	if (op->link != NULL && link_takes(op->device, WORLD_LINK_TWIN))
		op->link->events->on_twin(op->link->arg, op->rid, status, version, body);
	(void)w;
}

/* Contract 8.2: "errorCode" is what Node's SDK knows a failure by. */
static void refuse_op(struct world *w, const struct twin_op *op, int status, const char *text)
{
	char tracking_id[TRACKING_ID_SIZE], at[TIME_TEXT_SIZE];
	struct buf body = BUF_INIT;

	rest_make_tracking_id(w, tracking_id);
	buf_printf(&body,
	           "{\"errorCode\":%d,\"trackingId\":\"%s\",\"message\":\"%s\",\"timestampUtc\":\"%s\"}",
	           status * 1000 + (status == 400 ? 4 : 1), tracking_id, text, time_text(w->now_ms, at));
	answer_op(w, op, status, 0, body.data);
	buf_done(&body);
}

static void put_section(const struct world *w, const char *name, const struct doc_node *section,
                        uint32_t version, struct buf *out)
{
	buf_printf(out, "\"%s\":{", name);
	doc_print(w->docs, section, false, out);
	buf_printf(out, "%s\"$version\":%u}", section->u.first != NULL ? "," : "", version);
}

static void do_get(struct world *w, const struct twin_op *op)
{
	const struct view *v = &op->device->live;
	struct buf body = BUF_INIT;

	buf_putc(&body, '{');
	put_section(w, "desired", v->desired, v->desired_version, &body);
	buf_putc(&body, ',');
	put_section(w, "reported", v->reported, v->reported_version, &body);
	buf_putc(&body, '}');
	throttle_meter_device(&w->throttle, body.len, w->now_ms);
	answer_op(w, op, 200, 0, body.data);
	buf_done(&body);
}

static void do_report(struct world *w, const struct twin_op *op)
{
	throttle_meter_device(&w->throttle, doc_bytes(w->docs, op->patch), w->now_ms);
	if (!fleet_report_fits(w, op->device, op->patch)) {
		refuse_op(w, op, 400, "The reported properties would be larger than 32 KB.");
		return;
	}
	fleet_report(w, op->device, op->patch);
	if ((op->faults & 1u << WORLD_FAULT_ERROR_AFTER) != 0)
		refuse_op(w, op, 500, "The operation could not be completed.");
	else
		answer_op(w, op, 204, op->device->live.reported_version, "");
}

static void free_op(struct world *w, struct twin_op *op)
{
	if (op->link != NULL)
		TAILQ_REMOVE(&op->link->ops, op, on_link);
	doc_free(w->docs, op->patch);
	free(op);
}

static void on_op(struct world *w, struct event *e)
{
	struct twin_op *op = CONTAINER(e, struct twin_op, event);

	if (!op->device->live.exists || op->device->live.generation != op->generation)
		; /* the device it was about is no more */
	else if (op->refusal != 0)
		refuse_op(w, op, op->refusal, op->refusal_text);
	else if (op->patch != NULL)
		do_report(w, op);
	else
		do_get(w, op);
	free_op(w, op);
}

static void drop_op(struct world *w, struct event *e)
{
	free_op(w, CONTAINER(e, struct twin_op, event));
}

static const struct event_kind twin_op = {on_op, drop_op};

static void refuse_later(struct twin_op *op, int status, const char *text)
{
	if (op->refusal != 0)
		return;
	op->refusal = status;
	op->refusal_text = text;
}

static void start_op(struct world *w, struct twin_op *op, enum throttle_kind throttle)
{
	int64_t delay_ms = 0;

	op->faults = world_draw_faults(w, WORLD_TWINS);
	if ((op->faults & 1u << WORLD_FAULT_THROTTLED) != 0)
		refuse_later(op, 429, "The request has been throttled.");
	if ((op->faults & 1u << WORLD_FAULT_ERROR_BEFORE) != 0)
		refuse_later(op, 500, "The operation could not be completed.");
	if (op->refusal == 0)
		delay_ms = throttle_take(&w->throttle, throttle, 1, w->now_ms);
	if (delay_ms < 0) {
		refuse_later(op, 429, "The request has been throttled.");
		delay_ms = 0;
	}
	agenda_put(&w->agenda, &op->event, &twin_op, w->now_ms + delay_ms);
}

static struct twin_op *new_op(struct world_link *link, const char *rid)
{
	size_t size = strlen(rid) + 1;
	struct twin_op *op = xcalloc(1, sizeof *op + size);

	op->link = link;
	op->device = link->device;
	op->generation = link->generation;
	memcpy(op->rid, rid, size);
	TAILQ_INSERT_TAIL(&link->ops, op, on_link);
	return op;
}

void world_link_get(struct world *w, int64_t now_ms, struct world_link *link, const char *rid)
{
	advance(w, now_ms);
	start_op(w, new_op(link, rid), THROTTLE_TWIN_READS);
}

void world_link_report(struct world *w, int64_t now_ms, struct world_link *link, const char *rid,
                       const char *patch, size_t patch_bytes)
{
	struct twin_op *op = new_op(link, rid);
	json_t *json = json_loadb(patch, patch_bytes, JSON_REJECT_DUPLICATES, NULL);

	advance(w, now_ms);
	if (json == NULL)
		refuse_later(op, 400, "The patch is not valid JSON.");
	else if (!doc_may_hold(json))
		refuse_later(op, 400, "The patch is not what reported properties may hold.");
	else
		op->patch = doc_from_json(w->docs, json);
	json_decref(json);
	start_op(w, op, THROTTLE_TWIN_UPDATES);
}

/* --- Desired properties --- */

/* Appends what turns old into now, as members of a merge patch: all that there is, and a null for what has
 * gone. */
static void put_changes(const struct world *w, const struct doc_node *old, const struct doc_node *now,
                        struct buf *out)
{
	for (const struct doc_node *node = now->u.first; node != NULL; node = node->next) {
		const struct doc_node *was = doc_find(old, node->name);

		buf_json(out, docs_text(w->docs, node->name));
		buf_putc(out, ':');
		if (node->kind == DOC_OBJECT && was != NULL && was->kind == DOC_OBJECT) {
			buf_putc(out, '{');
			put_changes(w, was, node, out);
			if (out->data[out->len - 1] == ',')
				out->len--;
			buf_putc(out, '}');
		} else {
			doc_print(w->docs, node, true, out);
		}
		buf_putc(out, ',');
	}
	for (const struct doc_node *node = old->u.first; node != NULL; node = node->next) {
		if (doc_find(now, node->name) != NULL)
			continue;
		buf_json(out, docs_text(w->docs, node->name));
		buf_puts(out, ":null,");
	}
}

/* Appends a service's patch as members, without what a whole twin carries besides values. */
static void put_patch(const json_t *patch, struct buf *out)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)patch, name, value) {
		char *text;

		if (strcmp(name, "$version") == 0 || strcmp(name, "$metadata") == 0)
			continue;
		text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		buf_json(out, name);
		buf_printf(out, ":%s,", text);
		free(text);
	}
}

void link_push_desired(struct world *w, struct device *d, const struct doc_node *old, const json_t *patch)
{
	struct buf text = BUF_INIT;

	if (!link_takes(d, WORLD_LINK_DESIRED))
		return;
	buf_putc(&text, '{');
	if (patch != NULL)
		put_patch(patch, &text);
	else
		put_changes(w, old, d->live.desired, &text);
	buf_printf(&text, "\"$version\":%u}", d->live.desired_version);
	d->link->events->on_desired(d->link->arg, d->live.desired_version, text.data);
	buf_done(&text);
}

/* --- Messages --- */

void world_link_message(struct world *w, int64_t now_ms, struct world_link *link, const char *properties,
                        size_t body_bytes)
{
	struct buf text = BUF_INIT;

	advance(w, now_ms);
	throttle_meter_device(&w->throttle, body_bytes, w->now_ms);
	buf_printf(&text, "{\"bytes\":%zu,\"properties\":", body_bytes);
	buf_json(&text, properties);
	buf_putc(&text, '}');
	world_tell(w, link->device, (struct world_entry){.kind = WORLD_MESSAGE, .payload = text.data});
	buf_done(&text);
}
