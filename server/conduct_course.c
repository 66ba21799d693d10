/* conductor: how live campaigns go: their counts over time, put on record with each commit; see conduct.h. */
#include "server/conduct.h"

#include <string.h>

/* ---- counts over time ---- */

void course_begin(struct course *course)
{
	*course = (struct course){.slot_s = 1};
}

void course_slot(struct course *course, uint32_t begins_s)
{
	course->begins_s[course->slots_n++ % PROGRESS_ROWS_MAX] = begins_s;
	course->slot_s = progress_slot_s(course->begins_s, course->slots_n);
}

/* Makes room for one more slot. */
static void widen(struct conductor *c, struct live *live)
{
	struct course *course = &live->course;
	uint32_t n = 0;

	course->slot_s *= 2;
	for (uint32_t i = 0; i < course->slots_n; i++) {
		uint32_t begins_s = course->begins_s[i] / course->slot_s * course->slot_s;

		if (n == 0 || course->begins_s[n - 1] != begins_s)
			course->begins_s[n++] = begins_s;
	}
	course->slots_n = n;
	batch_progress_widen(c->batch, live->no, course->slot_s);
}

/* Gives the slot of now: never an earlier one than the last, should the clock step back. */
static uint32_t slot_at(struct conductor *c, struct live *live, int64_t now_ms)
{
	struct course *course = &live->course;
	int64_t since_s = now_ms / 1000 - live->created_at_ms / 1000;
	uint32_t begins_s = since_s > 0 ? (uint32_t)since_s / course->slot_s * course->slot_s : 0;

	if (course->slots_n > 0 && begins_s <= course->begins_s[course->slots_n - 1])
		return course->begins_s[course->slots_n - 1];
	if (course->slots_n == PROGRESS_ROWS_MAX) {
		widen(c, live);
		return slot_at(c, live, now_ms);
	}
	course->begins_s[course->slots_n++] = begins_s;
	return begins_s;
}

void course_write(struct conductor *c, struct live *live, const struct campaign_row *row, int64_t now_ms)
{
	struct progress_row progress = {.campaign = live->no,
	                                .slot_s = slot_at(c, live, now_ms),
	                                .at_ms = now_ms,
	                                .total = row->counts.total};

	memcpy(progress.state, row->counts.state, sizeof progress.state);
	batch_progress_put(c->batch, &progress);
}
