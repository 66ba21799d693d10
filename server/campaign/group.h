/* campaign/group: how many devices of a group are down, over all campaigns. A group is the devices of one hub
 * that share a value of one twin tag (product: Words; P4). */
#ifndef ROLLCALL_SERVER_CAMPAIGN_GROUP_H
#define ROLLCALL_SERVER_CAMPAIGN_GROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "server/campaign/queue.h"

struct groups;

/* One group as all campaigns see it. */
struct shared_group {
	TAILQ_ENTRY(shared_group) link; /* among the touched */
	bool is_touched;
	uint32_t out;                 /* devices between call and end of settling */
	uint32_t offline;             /* devices last found offline, and waiting */
	struct group_member *members; /* in which campaigns it is */
	uint32_t members_n;
};
struct group_member {
	uint32_t campaign, group;
};

struct groups *groups_new(void);
void groups_free(struct groups *g);
/* Gives the group of that hub, tag path and value; kept until groups_free(). */
struct shared_group *groups_get(struct groups *g, uint8_t hub, const char *by, const char *value);
void group_join(struct shared_group *g, uint32_t campaign, uint32_t group);
void group_leave(struct shared_group *g, uint32_t campaign);
/* There may be more room in the group, or none ever again: whoever waits for it is to be looked at. */
void group_touch(struct groups *g, struct shared_group *group);
/* Gives the group that was touched first, which is no longer touched then; NULL: none is. */
struct shared_group *groups_next_touched(struct groups *g);

/* A target that failed. */
struct lost {
	uint32_t no;
	int64_t at_ms;
};

/* The same group in one campaign. */
struct campaign_group {
	struct shared_group *shared;
	uint32_t size;
	uint32_t failed;      /* final: they do not come back */
	struct lost *lost;    /* these */
	struct alarms parked; /* targets that wait for room; by number instead of time */
};

/* One more has failed. */
void group_lose(struct campaign_group *g, uint32_t no, int64_t at_ms);
/* How many more of the campaign's group may be called, if max may be down. */
uint32_t group_room(const struct campaign_group *g, uint32_t max);
/* Whether failed devices alone use it up, so that it never has room again. */
bool group_is_blocked(const struct campaign_group *g, uint32_t max);

#endif
