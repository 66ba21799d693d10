/* store/pack: the packed records, as every back end stores them. Little-endian, the same for ever. Those of a
 * target have one size, since a row that grows when it is updated splits its page. */
#ifndef ROLLCALL_STORE_PACK_H
#define ROLLCALL_STORE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/campaign/model.h"
#include "store/answer.h"
#include "store/batch.h"

/* All of a target_row that changes and that no filter asks for: all but campaign, no, state, reason, wait,
 * hub and group. */
#define PACKED_TARGET_BYTES 64
void pack_target(const struct target_row *row, unsigned char out[PACKED_TARGET_BYTES]);
void unpack_target(const unsigned char in[PACKED_TARGET_BYTES], struct target_row *ret);

#define PACKED_BASELINE_BYTES 42
void pack_baseline(const struct baseline *baseline, unsigned char out[PACKED_BASELINE_BYTES]);
void unpack_baseline(const unsigned char in[PACKED_BASELINE_BYTES], struct baseline *ret);

#define PACKED_COUNTS_MAX (3 + 4 * (1 + TARGET_STATES_N + REASONS_N + WAITS_N))
/* Gives the bytes used. */
size_t pack_counts(const struct counts *counts, unsigned char out[PACKED_COUNTS_MAX]);
/* False where in is none. Reads those of an older version, which knew fewer reasons, too. */
bool unpack_counts(const void *in, size_t bytes, struct counts *ret);

/* The waves and aborts of a campaign. */
#define PACKED_WAVES_MAX (3 + WAVES_MAX * (2 + 8 * 2 + 4 * TARGET_STATES_N + 4) + ABORTS_MAX * 4 * 2)
/* Gives the bytes used. */
size_t pack_waves(const struct campaign_row *row, unsigned char out[PACKED_WAVES_MAX]);
/* False where in is none. */
bool unpack_waves(const void *in, size_t bytes, struct campaign_row *ret);

/* A campaign's total and its targets by state. */
#define PACKED_STATES_BYTES (4 * (1 + TARGET_STATES_N))
void pack_states(uint32_t total, const uint32_t state[TARGET_STATES_N],
                 unsigned char out[PACKED_STATES_BYTES]);
void unpack_states(const unsigned char in[PACKED_STATES_BYTES], uint32_t *ret_total,
                   uint32_t ret_state[TARGET_STATES_N]);

/* When each of its waves ended. */
#define PACKED_ENDS_BYTES (8 * WAVES_MAX)
void pack_ends(const int64_t ended_at_ms[WAVES_MAX], unsigned char out[PACKED_ENDS_BYTES]);
void unpack_ends(const unsigned char in[PACKED_ENDS_BYTES], int64_t ret_ended_at_ms[WAVES_MAX]);

/* Appends a text, which may be NULL. */
void pack_text(struct buf *out, const char *text);
/* Gives the next text, put in strings; NULL where NULL was put, where strings is NULL (then it is only
 * skipped), and past the end or where the record is damaged: then in->failed is set. */
const char *unpack_text(struct cursor *in, struct arena *strings);

/* Appends an event without its id and campaign, which its run tells. */
void pack_event(struct buf *out, const struct event *event);
/* Reads the next event of a run; its strings are put in strings, if that is not NULL (then it is only
 * skipped). Past the end, or where the record is damaged, in->failed is set. */
void unpack_event(struct cursor *in, struct arena *strings, struct event *ret);

void pack_selected(struct buf *out, const struct selected *row);
void unpack_selected(struct cursor *in, struct arena *strings, struct selected *ret);

#endif
