/* track: see scan.h */
#include "server/track/scan.h"

#include <assert.h>

#include "server/base/clock.h"

#define PAGE_ROWS 100 /* contract 4.1 */
/* Below that many pages by id nothing is to be gained. */
#define PAGES_MIN 2
#define RETRY_MS 600000

void scan_init(struct scan *s)
{
	*s = (struct scan){.high_hub_ms = TIME_NONE, .retry_at_ms = TIME_NONE};
}

void scan_by_id(struct scan *s, bool is_again, int64_t hub_at_ms)
{
	if (s->high_hub_ms == TIME_NONE)
		s->high_hub_ms = hub_at_ms;
	if (is_again)
		s->in_row = 0;
}

static uint64_t pages_of(uint64_t rows)
{
	return rows / PAGE_ROWS + 1;
}

bool scan_pays(const struct scan *s, size_t due_n, int64_t now_ms, int64_t hub_now_ms)
{
	uint64_t pages_by_id = (due_n + PAGE_ROWS - 1) / PAGE_ROWS, window_ms, rows = 0;

	if (s->is_out || s->high_hub_ms == TIME_NONE || hub_now_ms == TIME_NONE ||
	    hub_now_ms < s->high_hub_ms || now_ms < s->retry_at_ms || pages_by_id < PAGES_MIN ||
	    s->in_row >= SCANS_IN_ROW_MAX)
		return false;
	window_ms = (uint64_t)(hub_now_ms - s->high_hub_ms) + SCAN_OVERLAP_MS;
	if (s->rows_for_ms > 0)
		rows = window_ms * s->rows / s->rows_for_ms;
	return pages_of(rows) < pages_by_id && rows <= due_n;
}

int64_t scan_begin(struct scan *s, size_t due_n, int64_t now_ms)
{
	assert(!s->is_out && s->high_hub_ms != TIME_NONE);
	s->is_out = true;
	s->since_hub_ms = s->high_hub_ms - SCAN_OVERLAP_MS;
	s->first_hub_ms = TIME_NONE;
	s->began_at_ms = now_ms;
	s->pages = s->rows_so_far = 0;
	s->pages_max = (uint32_t)((due_n + PAGE_ROWS - 1) / PAGE_ROWS);
	return s->since_hub_ms;
}

enum scan_end scan_page(struct scan *s, size_t rows_n, bool has_more, bool has_failed, int64_t now_ms,
                        int64_t hub_at_ms)
{
	assert(s->is_out);
	if (has_failed) {
		s->is_out = false;
		return SCAN_GIVEN_UP;
	}
	if (s->pages++ == 0)
		s->first_hub_ms = hub_at_ms;
	s->rows_so_far += (uint32_t)rows_n;
	if (has_more && s->pages < s->pages_max)
		return SCAN_GOES_ON;
	s->is_out = false;
	if (s->first_hub_ms > s->since_hub_ms) {
		s->rows = s->rows_so_far;
		s->rows_for_ms = (uint32_t)(s->first_hub_ms - s->since_hub_ms);
	}
	/* Where it was too long the next one begins here all the same: the window would only grow, and those
	 * who are due are asked about by id now. */
	s->high_hub_ms = s->first_hub_ms;
	s->in_row = has_more ? 0 : s->in_row + 1;
	if (has_more)
		s->retry_at_ms = now_ms + RETRY_MS;
	return has_more ? SCAN_GIVEN_UP : SCAN_DONE;
}
