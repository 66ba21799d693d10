/* dispatch/meter: how many messages of the daily quota some bytes make (contract 7.2). Pure. */
#ifndef ROLLCALL_SERVER_DISPATCH_METER_H
#define ROLLCALL_SERVER_DISPATCH_METER_H

#include <stddef.h>
#include <stdint.h>

/* At least one. message_bytes: hub_rates' of the hub. */
static inline uint32_t meter_messages(size_t bytes, uint32_t message_bytes)
{
	return bytes <= message_bytes ? 1 : (uint32_t)((bytes + message_bytes - 1) / message_bytes);
}

#endif
