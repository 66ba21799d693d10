/* hash: 64-bit fingerprints of bytes. Equal bytes have equal fingerprints, on every machine, for ever: they
 * are stored. Not for secrets. */
#ifndef ROLLCALL_SERVER_BASE_HASH_H
#define ROLLCALL_SERVER_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash64(const void *data, size_t n);

#endif
