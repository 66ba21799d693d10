/* track/scan: when to ask a hub what has changed lately (one query over all devices), rather than after each
 * open target by its id. Pure.
 *
 * A scan costs a page for each 100 devices of the hub that have reported since the last one, whosever they
 * are; ids cost a page for each 100 targets, whether anything happened or not. How many have reported is
 * learnt from the last scan. Only targets that have been asked about by id before are left to scans. Windows
 * overlap by SCAN_OVERLAP_MS, since the index is late (contract 4.3); what comes later than that shows when a
 * target is asked about by id, and the point read that decides at its deadline reads no index at all. */
#ifndef ROLLCALL_SERVER_TRACK_SCAN_H
#define ROLLCALL_SERVER_TRACK_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCAN_OVERLAP_MS 30000
/* So many in a row, then it is ids again: what the index showed too late is found by those. */
#define SCANS_IN_ROW_MAX 10

struct scan {
	int64_t high_hub_ms;        /* up to here changes have been seen, hub time; TIME_NONE: not known */
	uint32_t rows, rows_for_ms; /* what the last one found in a window of that length */
	uint32_t in_row;
	int64_t retry_at_ms; /* the last one was too long: not before */
	/* the one that is out */
	bool is_out;
	int64_t since_hub_ms, first_hub_ms, began_at_ms;
	uint32_t pages, pages_max, rows_so_far;
};

void scan_init(struct scan *s);
/* Targets were asked about by id (some of them again), and the answer came at that hub time. */
void scan_by_id(struct scan *s, bool is_again, int64_t hub_at_ms);
/* Whether one is cheaper than asking by id after so many. hub_now_ms: TIME_NONE: not known. */
bool scan_pays(const struct scan *s, size_t due_n, int64_t now_ms, int64_t hub_now_ms);
/* It begins; gives since when (hub time). */
int64_t scan_begin(struct scan *s, size_t due_n, int64_t now_ms);
enum scan_end { SCAN_GOES_ON, SCAN_DONE, SCAN_GIVEN_UP };
/* A page of it came. GIVEN_UP: by ids it would have been over by now, or (has_failed) it did not work; those
 * who were due still are. DONE: those who were due when it began have been asked about. */
enum scan_end scan_page(struct scan *s, size_t rows_n, bool has_more, bool has_failed, int64_t now_ms,
                        int64_t hub_at_ms);

#endif
