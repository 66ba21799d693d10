/* store/pack: see pack.h */
#include "store/pack.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

static unsigned char *put_16(unsigned char *at, uint16_t v)
{
	v = htole16(v);
	memcpy(at, &v, sizeof v);
	return at + sizeof v;
}

static unsigned char *put_32(unsigned char *at, uint32_t v)
{
	v = htole32(v);
	memcpy(at, &v, sizeof v);
	return at + sizeof v;
}

static unsigned char *put_64(unsigned char *at, uint64_t v)
{
	v = htole64(v);
	memcpy(at, &v, sizeof v);
	return at + sizeof v;
}

static uint16_t get_16(const unsigned char **at)
{
	uint16_t v;

	memcpy(&v, *at, sizeof v);
	*at += sizeof v;
	return le16toh(v);
}

static uint32_t get_32(const unsigned char **at)
{
	uint32_t v;

	memcpy(&v, *at, sizeof v);
	*at += sizeof v;
	return le32toh(v);
}

static uint64_t get_64(const unsigned char **at)
{
	uint64_t v;

	memcpy(&v, *at, sizeof v);
	*at += sizeof v;
	return le64toh(v);
}

#define IS_UNRESOLVED 1u
#define HAS_MOVED 2u

void pack_target(const struct target_row *row, unsigned char out[PACKED_TARGET_BYTES])
{
	unsigned char *at = out;

	at = put_16(at, row->attempts);
	at = put_16(at, row->calls);
	at = put_16(at, row->attempt_seq);
	*at++ = row->redoubts;
	*at++ = row->offline_tries;
	at = put_32(at, (row->is_unresolved ? IS_UNRESOLVED : 0) | (row->has_moved ? HAS_MOVED : 0));
	at = put_32(at, (uint32_t)row->method_status);
	at = put_64(at, (uint64_t)row->changed_at_ms);
	at = put_64(at, (uint64_t)row->next_at_ms);
	at = put_64(at, (uint64_t)row->called_at_ms);
	at = put_64(at, (uint64_t)row->since_hub_ms);
	at = put_64(at, (uint64_t)row->hold_until_ms);
	put_64(at, (uint64_t)row->offline_ms);
}

void unpack_target(const unsigned char in[PACKED_TARGET_BYTES], struct target_row *ret)
{
	const unsigned char *at = in;
	uint32_t flags;

	ret->attempts = get_16(&at);
	ret->calls = get_16(&at);
	ret->attempt_seq = get_16(&at);
	ret->redoubts = *at++;
	ret->offline_tries = *at++;
	flags = get_32(&at);
	ret->is_unresolved = (flags & IS_UNRESOLVED) != 0;
	ret->has_moved = (flags & HAS_MOVED) != 0;
	ret->method_status = (int32_t)get_32(&at);
	ret->changed_at_ms = (int64_t)get_64(&at);
	ret->next_at_ms = (int64_t)get_64(&at);
	ret->called_at_ms = (int64_t)get_64(&at);
	ret->since_hub_ms = (int64_t)get_64(&at);
	ret->hold_until_ms = (int64_t)get_64(&at);
	ret->offline_ms = (int64_t)get_64(&at);
}

#define HAS_VALUE 1u
#define HAS_BOOT 2u
#define SUCCESS_HELD 4u
#define WAS_UP 8u

void pack_baseline(const struct baseline *baseline, unsigned char out[PACKED_BASELINE_BYTES])
{
	unsigned char *at = out;

	*at++ = baseline->source;
	*at++ = (unsigned char)((baseline->has_value ? HAS_VALUE : 0) | (baseline->has_boot ? HAS_BOOT : 0) |
	                        (baseline->success_held ? SUCCESS_HELD : 0) |
	                        (baseline->was_up ? WAS_UP : 0));
	at = put_64(at, baseline->value_hash);
	at = put_64(at, baseline->boot_hash);
	at = put_64(at, baseline->version);
	at = put_64(at, (uint64_t)baseline->value_at_ms);
	put_64(at, (uint64_t)baseline->taken_at_ms);
}

void unpack_baseline(const unsigned char in[PACKED_BASELINE_BYTES], struct baseline *ret)
{
	const unsigned char *at = in;
	unsigned flags;

	ret->source = *at++;
	flags = *at++;
	ret->has_value = (flags & HAS_VALUE) != 0;
	ret->has_boot = (flags & HAS_BOOT) != 0;
	ret->success_held = (flags & SUCCESS_HELD) != 0;
	ret->was_up = (flags & WAS_UP) != 0;
	ret->value_hash = get_64(&at);
	ret->boot_hash = get_64(&at);
	ret->version = get_64(&at);
	ret->value_at_ms = (int64_t)get_64(&at);
	ret->taken_at_ms = (int64_t)get_64(&at);
}

static unsigned char *put_each(unsigned char *at, const uint32_t *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		at = put_32(at, numbers[i]);
	return at;
}

static void get_each(const unsigned char **at, uint32_t *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		numbers[i] = get_32(at);
}

size_t pack_counts(const struct counts *counts, unsigned char out[PACKED_COUNTS_MAX])
{
	unsigned char *at = out;

	*at++ = TARGET_STATES_N;
	*at++ = REASONS_N;
	*at++ = WAITS_N;
	at = put_32(at, counts->total);
	at = put_each(at, counts->state, TARGET_STATES_N);
	at = put_each(at, counts->reason, REASONS_N);
	at = put_each(at, counts->wait, WAITS_N);
	return (size_t)(at - out);
}

bool unpack_counts(const void *in, size_t bytes, struct counts *ret)
{
	const unsigned char *at = in;

	if (bytes < 3 || at[0] > TARGET_STATES_N || at[1] > REASONS_N || at[2] > WAITS_N ||
	    bytes != 3 + 4 * (1u + at[0] + at[1] + at[2]))
		return false;
	memset(ret, 0, sizeof *ret);
	{
		unsigned states_n = *at++, reasons_n = *at++, waits_n = *at++;

		ret->total = get_32(&at);
		get_each(&at, ret->state, states_n);
		get_each(&at, ret->reason, reasons_n);
		get_each(&at, ret->wait, waits_n);
	}
	return true;
}

#define IS_APPROVED 1u
#define IS_OVERRIDDEN 2u

static unsigned char *put_wave(unsigned char *at, const struct wave_row *wave)
{
	*at++ = wave->stage;
	*at++ = (unsigned char)((wave->is_approved ? IS_APPROVED : 0) |
	                        (wave->is_overridden ? IS_OVERRIDDEN : 0));
	at = put_64(at, (uint64_t)wave->opened_at_ms);
	at = put_64(at, (uint64_t)wave->proven_at_ms);
	return put_each(at, wave->state, TARGET_STATES_N);
}

static void get_wave(const unsigned char **at, unsigned states_n, struct wave_row *ret)
{
	unsigned flags;

	ret->stage = *(*at)++;
	flags = *(*at)++;
	ret->is_approved = (flags & IS_APPROVED) != 0;
	ret->is_overridden = (flags & IS_OVERRIDDEN) != 0;
	ret->opened_at_ms = (int64_t)get_64(at);
	ret->proven_at_ms = (int64_t)get_64(at);
	get_each(at, ret->state, states_n);
}

size_t pack_waves(const struct campaign_row *row, unsigned char out[PACKED_WAVES_MAX])
{
	unsigned char *at = out;
	uint64_t relapsed = 0;

	assert(row->waves_n <= WAVES_MAX && row->aborts_n <= ABORTS_MAX);
	*at++ = TARGET_STATES_N;
	*at++ = (unsigned char)row->waves_n;
	*at++ = (unsigned char)row->aborts_n;
	for (uint32_t i = 0; i < row->waves_n; i++)
		at = put_wave(at, &row->waves[i]);
	for (uint32_t i = 0; i < row->aborts_n; i++) {
		at = put_32(at, row->aborts[i].finished);
		at = put_32(at, row->aborts[i].failed);
	}
	for (uint32_t i = 0; i < row->waves_n; i++)
		relapsed += row->waves[i].relapsed;
	for (uint32_t i = 0; relapsed > 0 && i < row->waves_n; i++)
		at = put_32(at, row->waves[i].relapsed);
	return (size_t)(at - out);
}

bool unpack_waves(const void *in, size_t bytes, struct campaign_row *ret)
{
	const unsigned char *at = in;
	unsigned states_n;
	size_t older_bytes; /* without relapses */

	if (bytes < 3 || at[0] > TARGET_STATES_N || at[1] > WAVES_MAX || at[2] > ABORTS_MAX)
		return false;
	older_bytes = 3 + at[1] * (2 + 8 * 2 + 4u * at[0]) + at[2] * 4u * 2;
	if (bytes != older_bytes && bytes != older_bytes + at[1] * 4u)
		return false;
	states_n = *at++;
	ret->waves_n = *at++;
	ret->aborts_n = *at++;
	for (uint32_t i = 0; i < ret->waves_n; i++) {
		get_wave(&at, states_n, &ret->waves[i]);
		if (ret->waves[i].stage > WAVE_FAILED)
			return false;
	}
	for (uint32_t i = 0; i < ret->aborts_n; i++) {
		ret->aborts[i].finished = get_32(&at);
		ret->aborts[i].failed = get_32(&at);
	}
	for (uint32_t i = 0; i < ret->waves_n; i++)
		ret->waves[i].relapsed = bytes > older_bytes ? get_32(&at) : 0;
	return true;
}

void pack_states(uint32_t total, const uint32_t state[TARGET_STATES_N],
                 unsigned char out[PACKED_STATES_BYTES])
{
	unsigned char *at = put_32(out, total);

	for (unsigned i = 0; i < TARGET_STATES_N; i++)
		at = put_32(at, state[i]);
}

void unpack_states(const unsigned char in[PACKED_STATES_BYTES], uint32_t *ret_total,
                   uint32_t ret_state[TARGET_STATES_N])
{
	const unsigned char *at = in;

	*ret_total = get_32(&at);
	for (unsigned i = 0; i < TARGET_STATES_N; i++)
		ret_state[i] = get_32(&at);
}

void pack_ends(const int64_t ended_at_ms[WAVES_MAX], unsigned char out[PACKED_ENDS_BYTES])
{
	unsigned char *at = out;

	for (unsigned i = 0; i < WAVES_MAX; i++)
		at = put_64(at, (uint64_t)ended_at_ms[i]);
}

void unpack_ends(const unsigned char in[PACKED_ENDS_BYTES], int64_t ret_ended_at_ms[WAVES_MAX])
{
	const unsigned char *at = in;

	for (unsigned i = 0; i < WAVES_MAX; i++)
		ret_ended_at_ms[i] = (int64_t)get_64(&at);
}

/* Seven bits a byte, lowest first; the high bit says that more follow. */
static void put_varint(struct buf *out, uint64_t v)
{
	char *start = buf_reserve(out, 10), *at = start;

	for (; v >= 0x80; v >>= 7)
		*at++ = (char)(v | 0x80);
	*at++ = (char)v;
	out->len += (size_t)(at - start);
}

static uint64_t get_varint(struct cursor *in)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = cursor_u8(in);

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			return v;
	}
	in->failed = 1;
	return 0;
}

void pack_text(struct buf *out, const char *text)
{
	size_t n = text != NULL ? strlen(text) : 0;

	put_varint(out, text != NULL ? n + 1 : 0);
	buf_put(out, text, n);
}

const char *unpack_text(struct cursor *in, struct arena *strings)
{
	uint64_t n = get_varint(in);
	const char *text = in->at;

	if (in->failed || n == 0)
		return NULL;
	n--;
	if ((size_t)(in->end - in->at) < n) {
		in->failed = 1;
		return NULL;
	}
	in->at += n;
	return strings != NULL ? arena_text(strings, text, n) : NULL;
}

void pack_event(struct buf *out, const struct event *event)
{
	put_varint(out, (uint64_t)event->at_ms);
	buf_put(out,
	        (const unsigned char[]){(unsigned char)event->type, event->from, event->to, event->reason},
	        4);
	put_varint(out, event->attempt);
	pack_text(out, event->device_id);
	pack_text(out, event->detail);
}

void unpack_event(struct cursor *in, struct arena *strings, struct event *ret)
{
	ret->at_ms = (int64_t)get_varint(in);
	ret->type = (enum event_type)cursor_u8(in);
	ret->from = cursor_u8(in);
	ret->to = cursor_u8(in);
	ret->reason = cursor_u8(in);
	ret->attempt = (uint16_t)get_varint(in);
	ret->device_id = unpack_text(in, strings);
	ret->detail = unpack_text(in, strings);
}

/* Bits of a found device; the zone came later, so it is there only where the bit says so. */
#define SELECTED_DISABLED 1u
#define SELECTED_HAS_ZONE 2u

void pack_selected(struct buf *out, const struct selected *row)
{
	char *at;

	pack_text(out, row->device_id);
	buf_put_u8(out, row->hub);
	buf_put_u8(out, (uint8_t)((row->is_disabled ? SELECTED_DISABLED : 0) |
	                          (row->zone != NULL ? SELECTED_HAS_ZONE : 0)));
	pack_text(out, row->group);
	if (row->zone != NULL)
		pack_text(out, row->zone);
	at = buf_reserve(out, PACKED_BASELINE_BYTES);
	pack_baseline(&row->baseline, (unsigned char *)at);
	out->len += PACKED_BASELINE_BYTES;
}

void unpack_selected(struct cursor *in, struct arena *strings, struct selected *ret)
{
	uint8_t marks;

	ret->device_id = unpack_text(in, strings);
	ret->hub = cursor_u8(in);
	marks = cursor_u8(in);
	ret->is_disabled = (marks & SELECTED_DISABLED) != 0;
	ret->group = unpack_text(in, strings);
	ret->zone = marks & SELECTED_HAS_ZONE ? unpack_text(in, strings) : NULL;
	if (in->failed || ret->device_id == NULL || in->end - in->at < PACKED_BASELINE_BYTES) {
		in->failed = 1;
		return;
	}
	unpack_baseline((const unsigned char *)in->at, &ret->baseline);
	in->at += PACKED_BASELINE_BYTES;
}
