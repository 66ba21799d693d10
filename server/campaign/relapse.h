/* campaign/relapse: what readings after a proof mean (product: Settling): has the device restarted or dropped
 * again, without a call of ours? Pure; the engine keeps the watches. */
#ifndef ROLLCALL_SERVER_CAMPAIGN_RELAPSE_H
#define ROLLCALL_SERVER_CAMPAIGN_RELAPSE_H

#include "server/campaign/model.h"

/* connectionState may be 5 min late (contract 3.2): a device that still is not there after so long is down.
 */
#define RELAPSE_DOWN_FOR_MS 330000
/* How long a hub that cannot be read puts off the end of a watch. */
#define RELAPSE_UNREADABLE_MS (3600 * 1000LL)

/* One reading of a twin. */
struct relapse_seen {
	bool is_point_read;
	int64_t asked_at_ms; /* our clock */
	bool is_there;
	struct baseline now; /* what would be the baseline */
	int64_t boot_at_ms;  /* hub's $lastUpdated of the boot id, TIME_NONE: not known */
	bool is_up, is_down; /* connectionState; neither: not known */
	bool is_undone;      /* verify by where: success does not hold any more */
};

/* Judges one reading: sets what it says in row (after, is_over, relapse without its time) and in *down_at_ms,
 * when a point read said first that the device is not connected (TIME_NONE: none did). Gives whether row
 * changed. */
bool relapse_judge(struct relapse_row *row, int64_t *down_at_ms, const struct relapse_seen *seen);
/* When the next point read is due. */
int64_t relapse_next_ms(const struct relapse_row *row, int64_t down_at_ms);

#endif
