/* campaign: see baseline.h
 *
 * 8 bytes hash of the value, 8 of the boot id, 6 version, 6 each for the two times, 1 flags with the source.
 */
#include "server/campaign/baseline.h"

#include <assert.h>
#include <string.h>

#define FLAGS_AT 34
#define SOURCE_BITS 15u
#define HAS_VALUE 16u
#define HAS_BOOT 32u
#define SUCCESS_HELD 64u
#define WAS_UP 128u
#define YEAR_1_MS (-62135596800000) /* what a hub shows for a time that was never set (contract 3.2) */
#define SIX_BYTES ((UINT64_C(1) << 48) - 1)
#define NO_TIME SIX_BYTES

static unsigned char *put_6(unsigned char *at, uint64_t v)
{
	for (int i = 0; i < 6; i++, v >>= 8)
		*at++ = (unsigned char)v;
	return at;
}

static uint64_t get_6(const unsigned char *at)
{
	uint64_t v = 0;

	for (int i = 5; i >= 0; i--)
		v = v << 8 | at[i];
	return v;
}

static uint64_t small_time(int64_t at_ms)
{
	uint64_t since = (uint64_t)at_ms - (uint64_t)YEAR_1_MS;

	if (at_ms == TIME_NONE)
		return NO_TIME;
	if (at_ms < YEAR_1_MS)
		return 0;
	return since < NO_TIME ? since : NO_TIME - 1;
}

static int64_t whole_time(uint64_t small)
{
	return small == NO_TIME ? TIME_NONE : (int64_t)small + YEAR_1_MS;
}

void baseline_pack(const struct baseline *b, struct small_baseline *ret)
{
	unsigned char *at = ret->bytes;

	assert(b->source <= SOURCE_BITS);
	memcpy(at, &b->value_hash, 8);
	memcpy(at + 8, &b->boot_hash, 8);
	at = put_6(at + 16, b->version < SIX_BYTES ? b->version : SIX_BYTES);
	at = put_6(at, small_time(b->value_at_ms));
	at = put_6(at, small_time(b->taken_at_ms));
	*at = (unsigned char)(b->source | (b->has_value ? HAS_VALUE : 0) | (b->has_boot ? HAS_BOOT : 0) |
	                      (b->success_held ? SUCCESS_HELD : 0) | (b->was_up ? WAS_UP : 0));
}

void baseline_unpack(const struct small_baseline *small, struct baseline *ret)
{
	const unsigned char *at = small->bytes;
	unsigned char flags = at[FLAGS_AT];

	*ret = (struct baseline){.version = get_6(at + 16),
	                         .value_at_ms = whole_time(get_6(at + 22)),
	                         .taken_at_ms = whole_time(get_6(at + 28)),
	                         .source = flags & SOURCE_BITS,
	                         .has_value = (flags & HAS_VALUE) != 0,
	                         .has_boot = (flags & HAS_BOOT) != 0,
	                         .success_held = (flags & SUCCESS_HELD) != 0,
	                         .was_up = (flags & WAS_UP) != 0};
	memcpy(&ret->value_hash, at, 8);
	memcpy(&ret->boot_hash, at + 8, 8);
}

enum source baseline_source(const struct small_baseline *small)
{
	return (enum source)(small->bytes[FLAGS_AT] & SOURCE_BITS);
}

bool baseline_has_value(const struct small_baseline *small)
{
	return (small->bytes[FLAGS_AT] & HAS_VALUE) != 0;
}
