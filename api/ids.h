/* api/ids: a list of device ids as it comes in, part by part: one a line, or the column deviceId of a CSV
 * (RFC 4180), spaces around them and empty lines aside. Checks each and finds all that is wrong, with its
 * line
 * ("/line/17", from 1). Pure. */
#ifndef ROLLCALL_API_IDS_H
#define ROLLCALL_API_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct faults;
struct ids;

/* seed: what the sender cannot know, so that no list is slow by design. */
struct ids *ids_new(bool is_csv, uint64_t seed);
/* NULL is fine. */
void ids_free(struct ids *l);
void ids_put(struct ids *l, const char *data, size_t n);
/* Nothing more comes. Gives what is wrong, the caller's to empty; if nothing is, there are 1 to TARGETS_MAX
 * ids, each sound and there once. */
struct faults *ids_end(struct ids *l);
uint32_t ids_n(const struct ids *l);
/* Borrowed until the next put. */
const char *ids_at(const struct ids *l, uint32_t i);
/* Memory in use. */
size_t ids_bytes(const struct ids *l);

#endif
