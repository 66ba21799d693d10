/* api/gzip: what the program carries is compressed by gzip; this is for those who do not take that. */
#ifndef ROLLCALL_API_GZIP_H
#define ROLLCALL_API_GZIP_H

#include <stddef.h>

struct buf;

/* Appends the plain_n bytes that gzip holds, which is our own and so is sound. */
void gzip_open(struct buf *out, const unsigned char *gzip, size_t n, size_t plain_n);

#endif
