/* track/lag: how old answers to queries were seen to be. The hub's index is behind its twins by a time that
 * it does not promise (contract 4.3). A row tells of a change, with the hub's time of it; where an earlier
 * query after the same device was answered without that row, its answer showed the twins as they had been
 * before the change: it was at least so old. What nobody saw may have been older. Pure. */
#ifndef ROLLCALL_SERVER_TRACK_LAG_H
#define ROLLCALL_SERVER_TRACK_LAG_H

#include <stdint.h>

struct reading;

/* For so long the oldest answer is told at least, and for twice as long at most. */
#define LAG_KEPT_MS ((int64_t)30 * 60 * 1000)

struct lag {
	int64_t since_ms;           /* when the newer of the two spans began */
	int64_t newer_ms, older_ms; /* the greatest in each; TIME_NONE: no row was seen */
};

void lag_init(struct lag *l, int64_t now_ms);
/* A row that changed at changed_hub_ms has come; missed_hub_ms: when a query was asked, by the hub's clock,
 * that should have shown it and did not, TIME_NONE: there was none. */
void lag_saw(struct lag *l, int64_t now_ms, int64_t changed_hub_ms, int64_t missed_hub_ms);
/* The greatest age seen of late; 0: no answer was seen to be old; TIME_NONE: no row came. */
int64_t lag_seen_ms(const struct lag *l, int64_t now_ms);
/* When what a row tells of changed first, after since_hub_ms; TIME_NONE: it does not say. */
int64_t lag_changed_at(const struct reading *row, int64_t since_hub_ms);

#endif
