/* sim: P5 by its definition: whether a call may start at an instant, by the spec and the zone that the
 * world's tags name, looked up anew for each call. */
#ifndef ROLLCALL_TESTS_SIM_WINDOW_CHECK_H
#define ROLLCALL_TESTS_SIM_WINDOW_CHECK_H

#include <stdbool.h>
#include <stdint.h>

/* spec_json as stored; zone: the device's tag. False with a plain English reason. */
bool window_check(const char *spec_json, const char *zone, int64_t at_ms, const char **ret_reason);
/* The zone that the world gives the devices of a site; "" for what the world does not know (UINT32_MAX). */
const char *window_zone_of_site(uint32_t site);

#endif
