/* campaign/selection: what the queries found for a campaign, and the order in which it will be called. Pure.
 */
#ifndef ROLLCALL_SERVER_CAMPAIGN_SELECTION_H
#define ROLLCALL_SERVER_CAMPAIGN_SELECTION_H

#include "server/campaign/model.h"
#include "server/campaign/spec.h"

struct selection;

struct selection *selection_new(void);
/* NULL is fine. */
void selection_free(struct selection *s);
/* Adds what a page found, in the order of arrival; copies it. */
void selection_add(struct selection *s, const struct selected *found);
uint32_t selection_n(const struct selection *s);
/* Gives the id of the i-th that was added; until selection_order(), and borrowed until the next one is added.
 */
const char *selection_found(const struct selection *s, uint32_t i);
/* Forgets all. */
void selection_reset(struct selection *s);
/* Drops what was found twice (same hub, same id: the first counts) and puts the rest into calling order. The
 * same finds in the same order of arrival, order and seed give the same result, so that it can be done again
 * after a crash. */
/* With groups, these take turns, so that all progress evenly: first one device of each, then a second one of
 * each … */
void selection_order(struct selection *s, enum targets_order order, uint64_t seed, bool has_groups);
/* The groups that the order holds, by number; without has_groups there are none. A group is of one hub: the
 * same name on two of them is two groups. The devices of a hub without the tag are a group of their own,
 * named
 * "". */
uint32_t selection_groups_n(const struct selection *s);
const char *selection_group(const struct selection *s, uint32_t group, uint8_t *ret_hub, uint32_t *ret_size);
/* The group of number i of the order, GROUP_NONE: there are no groups. */
uint32_t selection_group_at(const struct selection *s, uint32_t i);
/* The different values of the tag that names time zones, "" for devices without it; by number. */
uint32_t selection_zones_n(const struct selection *s);
const char *selection_zone(const struct selection *s, uint32_t zone);
uint32_t selection_zone_at(const struct selection *s, uint32_t i);
/* Gives number i of the order. */
const struct selected *selection_at(const struct selection *s, uint32_t i);

/* A set of device ids; keeps ids until freed. */
struct id_set;
struct id_set *id_set_new(const struct strings *ids);
bool id_set_has(const struct id_set *s, const char *id);
void id_set_free(struct id_set *s);

#endif
