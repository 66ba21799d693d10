/* api: see gzip.h */
#include "api/gzip.h"

#include <assert.h>

#define ZLIB_CONST /* its input is const */
#include <zlib.h>

#include "server/base/buf.h"

#define WITH_GZIP_HEAD 16 /* added to the bits of the window (zlib.h: inflateInit2()) */

void gzip_open(struct buf *out, const unsigned char *gzip, size_t n, size_t plain_n)
{
	z_stream z = {.next_in = gzip, .avail_in = (uInt)n, .avail_out = (uInt)plain_n};
	int code;

	z.next_out = (unsigned char *)buf_reserve(out, plain_n);
	code = inflateInit2(&z, MAX_WBITS + WITH_GZIP_HEAD);
	assert(code == Z_OK); /* else it is out of memory */
	code = inflate(&z, Z_FINISH);
	assert(code == Z_STREAM_END && z.avail_out == 0);
	inflateEnd(&z);
	out->len += plain_n;
	out->data[out->len] = '\0';
}
