/* campaign/hold: which devices are taken, over all campaigns (P2, P3). A device is taken from the intent of a
 * call until its target is settled, or until what an unresolved call may still do has had its time. */
#ifndef ROLLCALL_SERVER_CAMPAIGN_HOLD_H
#define ROLLCALL_SERVER_CAMPAIGN_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct holds;
struct shared_group;

struct holder {
	uint32_t campaign, no;      /* whose target holds it */
	int64_t until_ms;           /* TIME_NEVER: until released */
	int64_t since_ms;           /* when its call was made; where it is a slot */
	bool is_slot;               /* counts against its campaign's maxUnavailable */
	struct shared_group *group; /* … and that of this group; NULL: of none. Borrowed */
};
/* Called for each target that waited for a device which has become free. */
typedef void hold_freed_cb(void *arg, uint32_t campaign, uint32_t no);

struct holds *holds_new(void);
void holds_free(struct holds *h);
/* Who holds a device; NULL: nobody. Valid until the next call of hold_take() or hold_release(). */
struct holder *hold_find(struct holds *h, uint8_t hub, const char *device_id);
/* Takes a device that nobody holds. */
struct holder *hold_take(struct holds *h, uint8_t hub, const char *device_id, uint32_t campaign, uint32_t no);
/* Lets the device go at until_ms by itself; only once, and only to be released by that. */
void hold_until(struct holds *h, uint8_t hub, const char *device_id, int64_t until_ms);
/* Lets campaign's target no wait for a device that is held. */
void hold_wait(struct holds *h, uint8_t hub, const char *device_id, uint32_t campaign, uint32_t no);
/* Frees a device and tells those who waited. Not held is fine. */
void hold_release(struct holds *h, uint8_t hub, const char *device_id, hold_freed_cb *on_freed, void *arg);
/* Frees those whose time has come: *ret is the holder that was. False: none is due. */
bool hold_expire(struct holds *h, int64_t now_ms, struct holder *ret, hold_freed_cb *on_freed, void *arg);
/* Whether any device is held. */
bool holds_any(const struct holds *h);
int64_t holds_next_at(const struct holds *h);
/* Calls back for each device that is held, in no order. */
typedef void hold_each_cb(void *arg, const char *device_id, const struct holder *holder);
void holds_each(const struct holds *h, hold_each_cb *each, void *arg);

#endif
