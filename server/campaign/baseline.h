/* campaign/baseline: a baseline in 35 bytes instead of 48, as each of a million targets keeps one in memory.
 */
#ifndef ROLLCALL_SERVER_CAMPAIGN_BASELINE_H
#define ROLLCALL_SERVER_CAMPAIGN_BASELINE_H

#include "server/campaign/model.h"

struct small_baseline {
	unsigned char bytes[35];
};

/* Both ways nothing is lost but what no twin has: versions of 2^48 and more become the highest below, and
 * times before year 1 or after 8900 the nearest of these. */
void baseline_pack(const struct baseline *baseline, struct small_baseline *ret);
void baseline_unpack(const struct small_baseline *small, struct baseline *ret);
/* These alone, at less cost. */
enum source baseline_source(const struct small_baseline *small);
bool baseline_has_value(const struct small_baseline *small);

#endif
