/* api: see target_ask.h */
#include "api/target_ask.h"

#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/request.h"

void target_ask_end(struct target_ask *a)
{
	spec_done(&a->spec);
	free(a);
}

struct target_ask *target_ask_new(struct request *r)
{
	struct target_ask *a = xcalloc(1, sizeof *a);

	a->r = r;
	a->to_no = UINT32_MAX;
	a->waiting_for = a->order = -1;
	a->filter = (struct target_filter){.state = -1, .reason = -1, .wait = -1, .hub = -1};
	return a;
}

/* ---- hubs of a campaign ---- */

static const char *hub_name(const struct target_ask *a, uint32_t i)
{
	const struct conductor *c = a->r->context->conductor;
	struct hub_view view;

	if (a->spec.hubs.n > 0)
		return i < a->spec.hubs.n ? a->spec.hubs.all[i] : NULL;
	if (i >= conductor_hubs_n(c))
		return NULL;
	conductor_hub(c, i, &view);
	return view.name;
}

/* Gives the number of the hub in this campaign, -1 if it has none of that name. */
static int hub_index(const struct target_ask *a, const char *name)
{
	const char *other;

	for (uint32_t i = 0; (other = hub_name(a, i)) != NULL; i++)
		if (strcmp(name, other) == 0)
			return (int)i;
	return -1;
}

/* ---- shown ---- */

static enum wait window_of(const struct target_ask *a, const struct target_row *row, int64_t *ret_opens_at_ms)
{
	return a->waiting.has_shut_windows
	               ? conductor_window(a->r->context->conductor, row->campaign, row->no, ret_opens_at_ms)
	               : WAIT_NONE;
}

/* What is shown as waitingFor; json.c sums waitingBy by the same order. */
static enum wait waiting_for(const struct target_ask *a, const struct target_row *row)
{
	const struct campaign_waiting *w = &a->waiting;
	int64_t opens_at_ms;
	enum wait window;

	if (row->state != TARGET_WAITING)
		return WAIT_NONE;
	if (row->no >= w->closed_from)
		return WAIT_WAVE;
	if (w->overrides_own)
		return w->wait;
	window = window_of(a, row, &opens_at_ms);
	if (window != WAIT_NONE)
		return window;
	if (w->shut_hubs >> row->hub & 1)
		return WAIT_HUB;
	if (row->wait != WAIT_NONE)
		return (enum wait)row->wait;
	return conductor_is_parked(a->r->context->conductor, row->campaign, row->no) ? WAIT_GROUP : w->wait;
}

static int64_t next_at(const struct target_ask *a, const struct target_row *row, enum wait w)
{
	int64_t opens_at_ms;

	if (target_state_is_final((enum target_state)row->state))
		return TIME_NONE;
	if (row->state != TARGET_WAITING || w == (enum wait)row->wait)
		return row->next_at_ms;
	if ((w == WAIT_BLACKOUT || w == WAIT_WINDOW) && window_of(a, row, &opens_at_ms) != WAIT_NONE)
		return opens_at_ms;
	if (w == WAIT_HUB && (a->waiting.shut_hubs >> row->hub & 1))
		return a->waiting.shut_until_ms[row->hub];
	return w == a->waiting.wait ? a->waiting.next_at_ms : TIME_NONE;
}

bool target_ask_takes(const struct target_ask *a, const struct target_row *row)
{
	return a->waiting_for < 0 || (int)waiting_for(a, row) == a->waiting_for;
}

void target_ask_context(const struct target_ask *a, const struct target_row *row, uint32_t total,
                        struct target_context *ret)
{
	enum wait w = waiting_for(a, row);

	*ret = (struct target_context){hub_name(a, row->hub), wave_of(&a->spec, row->no, total), w,
	                               next_at(a, row, w)};
}

/* ---- parameters ---- */

static const char *state_name(int i)
{
	return target_state_text((enum target_state)i);
}

static const char *reason_name(int i)
{
	return reason_text((enum reason)i);
}

static const char *wait_name(int i)
{
	return wait_text((enum wait)i);
}

static void narrow(struct target_ask *a, uint32_t from_no, uint32_t to_no)
{
	if (a->filter.from_no < from_no)
		a->filter.from_no = from_no;
	if (a->to_no > to_no)
		a->to_no = to_no;
}

/* Turns ?waitingFor= into what is stored: waiting_for() backwards. Who is parked, or on a hub that is shut,
 * is not stored: such are sifted from a larger page. False: no target can match. */
static bool filter_waiting(struct target_ask *a)
{
	const struct campaign_waiting *w = &a->waiting;
	struct target_filter *f = &a->filter;
	enum wait asked = (enum wait)a->waiting_for;

	if (a->waiting_for < 0)
		return true;
	if (f->state >= 0 && f->state != TARGET_WAITING)
		return false;
	f->state = TARGET_WAITING;
	if (asked == WAIT_WAVE) {
		narrow(a, w->closed_from, UINT32_MAX);
		return true;
	}
	narrow(a, 0, w->closed_from);
	if (w->overrides_own)
		return asked == w->wait;
	if (w->shut_hubs != 0 || w->has_shut_windows)
		f->limit = STORE_PAGE_MAX;
	if (asked == WAIT_BLACKOUT || asked == WAIT_WINDOW)
		return w->has_shut_windows;
	if (asked == WAIT_HUB)
		return w->shut_hubs != 0;
	if (asked != w->wait && asked != WAIT_GROUP) {
		f->wait = a->waiting_for;
		return true;
	}
	f->wait = WAIT_NONE;
	if (w->parked_n > 0)
		f->limit = STORE_PAGE_MAX;
	return asked == w->wait || w->parked_n > 0;
}

bool target_ask_hub(struct target_ask *a)
{
	const char *hub = request_param(a->r, "hub");

	if (hub == NULL)
		return true;
	a->filter.hub = hub_index(a, hub);
	return a->filter.hub >= 0;
}

static bool filter_wave(struct target_ask *a, uint32_t total)
{
	const char *text = request_param(a->r, "wave");
	uint32_t wave = text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 0;

	if (text == NULL)
		return true;
	if (wave >= a->spec.rollout.waves_n)
		return false;
	narrow(a, wave > 0 ? wave_end(&a->spec, wave - 1, total) : 0, wave_end(&a->spec, wave, total));
	return true;
}

bool target_ask_read(struct target_ask *a, struct faults *faults)
{
	struct request *r = a->r;
	uint64_t wave = 0;

	request_param_choice(r, "state", state_name, TARGET_STATES_N, &a->filter.state, faults);
	request_param_choice(r, "reason", reason_name, REASONS_N, &a->filter.reason, faults);
	request_param_choice(r, "waitingFor", wait_name, WAITS_N, &a->waiting_for, faults);
	request_param_u64(r, "wave", 0, TARGETS_MAX, &wave, faults);
	a->filter.group = request_param(r, "group");
	a->filter.device_id = request_param(r, "deviceId");
	if (faults->n == 0)
		return true;
	reply_faults(r, PROBLEM_PARAMETER, faults);
	return false;
}

void target_ask_campaign(struct target_ask *a, const struct campaign_row *row)
{
	campaigns_read_spec(row, &a->spec);
	campaigns_waiting(a->r->context->conductor, row, &a->waiting);
	a->filter.campaign = row->no;
	if (!filter_waiting(a) || !target_ask_hub(a) || !filter_wave(a, row->counts.total))
		a->filter.from_no = UINT32_MAX; /* numbers are below that */
}
