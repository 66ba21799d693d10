/* hub/dial: what http.c gives to wire.c, and to nobody else: one connection to the client's peer, made by
 * libcurl (name, TCP, TLS and its verification), and bytes over it. Loop thread only. */
#ifndef ROLLCALL_SERVER_HUB_DIAL_H
#define ROLLCALL_SERVER_HUB_DIAL_H

#include <stdbool.h>
#include <stddef.h>

struct dial;
struct http;

/* The connection is there (wrong NULL), or cannot be had: why, in plain English, borrowed. Once, from the
 * loop; what was freed before is not told. */
typedef void dial_cb(void *arg, const char *wrong);

/* Begins to connect; NULL: out of memory. */
struct dial *dial_new(struct http *h, dial_cb *on_dialled, void *arg);
/* Once it is there: the socket, to be watched by the caller, who stops before dial_free(). */
int dial_fd(const struct dial *d);
enum { DIAL_LATER = 0, DIAL_ENDED = -1, DIAL_FAILED = -2 };
/* Sends or receives some bytes: how many; LATER: none now; ENDED: the peer has closed; FAILED: the connection
 * is dead. */
long dial_send(struct dial *d, const void *data, size_t n);
long dial_receive(struct dial *d, void *data, size_t n);
/* Right after a dial_receive(): whether more has come than it gave, or the beginning of more, of which the
 * socket does not tell any longer. */
bool dial_has_more(const struct dial *d);
/* Closes. NULL is fine. */
void dial_free(struct dial *d);

#endif
