/* api/sse: events as streams (Server-Sent Events, WHATWG HTML 9.2). Each reader has a place: up to that id it
 * was given everything. What follows comes from the store until the reader has caught up, and from then on
 * from the last few thousand events, which are kept as text, once for all readers. A reader takes at its own
 * pace: the loop only ever hands it what it has room for, and one that takes nothing is cut off (httpd.h). */
#ifndef ROLLCALL_API_SSE_H
#define ROLLCALL_API_SSE_H

#include <stdint.h>

struct context;
struct sse;

/* Keeps context. readers_max: at once. heartbeat_ms: how long a stream is silent at most. */
struct sse *sse_new(struct context *context, uint32_t readers_max, uint32_t heartbeat_ms);
uint32_t sse_readers_n(const struct sse *s);
/* Does what is due; httpd_call_in() has been asked for it. */
void sse_run(struct sse *s);
/* Tokens have changed: ends the streams of those who may not read any more. */
void sse_recheck(struct sse *s);
/* Ends all streams, after what is still to be told. */
void sse_stop(struct sse *s);
/* No stream is left. Reads of the store may still be out. */
void sse_free(struct sse *s);

#endif
