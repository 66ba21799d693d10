/* sim: the checker of P11, and of P8 by events: two that listen, one to the feed and one that reads the
 * record, each resumed where it was when the process began again. */
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/hash.h"
#include "store/backend.h"
#include "tests/sim/internal.h"

static uint64_t print_of(const struct event *e)
{
	struct buf b = BUF_INIT;
	uint64_t print;

	buf_printf(&b, "%llu %lld %u %u %u %u %u %u ", (unsigned long long)e->id, (long long)e->at_ms,
	           e->type, e->campaign, e->from, e->to, e->reason, e->attempt);
	buf_put_str(&b, e->device_id);
	buf_put_str(&b, e->detail);
	print = hash64(b.data, b.len) | 1;
	buf_done(&b);
	return print;
}

/* Each id has one event, whoever tells it and however often. */
static void note(struct sim *s, const struct event *e)
{
	uint64_t print = print_of(e);

	while (s->events_n < e->id) {
		if (s->events_n + 1 >= s->events_room) {
			s->events_room = s->events_room > 0 ? 2 * s->events_room : 256;
			s->events = xrealloc(s->events, (s->events_room + 1) * sizeof *s->events);
		}
		s->events[++s->events_n] = 0;
	}
	SIM_CHECK(s, s->events[e->id] == 0 || s->events[e->id] == print, "P11: event %llu is another one now",
	          (unsigned long long)e->id);
	s->events[e->id] = print;
}

void on_event(void *arg, const struct event *event, const char *campaign_id)
{
	struct sim *s = arg;

	(void)campaign_id;
	SIM_CHECK(s, event->id == s->heard_id + 1, "P11: event %llu is told after %llu",
	          (unsigned long long)event->id, (unsigned long long)s->heard_id);
	s->heard_id = event->id;
	note(s, event);
}

void check_events_begin(struct sim *s, uint64_t last_id)
{
	SIM_CHECK(s, last_id >= s->heard_id, "P9: event %llu was told, the last one is %llu",
	          (unsigned long long)s->heard_id, (unsigned long long)last_id);
	s->heard_id = last_id;
	/* some clients come back with what they saw last a while ago */
	s->read_id -= rng_below(&s->rng, s->read_id < 50 ? s->read_id + 1 : 50);
}

static void count_of(struct known *k, const struct event *e)
{
	if (e->type != EVENT_TARGET || e->campaign != k->no)
		return;
	k->left[e->from]++;
	k->entered[e->to]++;
}

void check_events_adopt(struct sim *s, struct known *k)
{
	struct answer page;

	answer_init(&page);
	SIM_CHECK(s,
	          backend_read_events(s->record, k->no, 0, STORE_PAGE_MAX, &page) == ERR_OK && !page.has_more,
	          "the record cannot be read");
	for (size_t i = 0; i < page.events_n; i++)
		if (page.events[i].id <= s->counted_id)
			count_of(k, &page.events[i]);
	answer_done(&page);
}

/* P8: who is in a state has entered it by an event and not left it. They begin as waiting, or as skipped. */
static void check_counts(struct sim *s, const struct known *k)
{
	uint32_t now[TARGET_STATES_N] = {0};

	for (uint32_t i = 0; i < k->targets_n; i++)
		now[k->targets[i].state]++;
	for (unsigned t = 0; t < TARGET_STATES_N; t++)
		SIM_CHECK(s,
		          t == TARGET_WAITING || t == TARGET_SKIPPED || k->entered[t] - k->left[t] == now[t],
		          "P8: by its events %u targets of %s are %s, on record %u",
		          k->entered[t] - k->left[t], k->id, target_state_text((enum target_state)t), now[t]);
}

void check_events(struct sim *s)
{
	uint64_t counted = s->counted_id;
	struct answer page;
	bool has_more = true;

	while (has_more) {
		answer_init(&page);
		SIM_CHECK(s, backend_read_events(s->record, 0, s->read_id, STORE_PAGE_MAX, &page) == ERR_OK,
		          "the record cannot be read");
		SIM_CHECK(s, page.first_kept_id <= s->read_id + 1 || s->options.retention_days > 0,
		          "P11: events before %llu are gone", (unsigned long long)page.first_kept_id);
		if (page.first_kept_id > s->read_id + 1)
			s->read_id = page.first_kept_id - 1; /* as one reset event says */
		for (size_t i = 0; i < page.events_n && i < STORE_PAGE_MAX; i++) {
			const struct event *e = &page.events[i];

			SIM_CHECK(s, e->id == s->read_id + 1, "P11: event %llu follows %llu",
			          (unsigned long long)e->id, (unsigned long long)s->read_id);
			s->read_id = e->id;
			note(s, e);
			if (e->id > counted)
				for (uint32_t k = 0; k < s->known_n; k++)
					count_of(&s->known[k], e);
		}
		has_more = page.has_more;
		answer_done(&page);
	}
	s->counted_id = s->read_id > counted ? s->read_id : counted;
	SIM_CHECK(s, s->heard_id == s->read_id, "P11: event %llu was told, the last one on record is %llu",
	          (unsigned long long)s->heard_id, (unsigned long long)s->read_id);
	for (uint32_t i = 0; i < s->known_n; i++)
		if (!s->known[i].is_forgotten)
			check_counts(s, &s->known[i]);
}
