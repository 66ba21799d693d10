/* hub/wire: requests over kept connections, with a framing of our own (framing.h): what libcurl's HTTP costs
 * is some twenty times as much a call (perf C). One request at a time on a connection, each sent once. A
 * connection that did anything unasked is closed. What http.h promises of requests and callbacks is kept
 * here. Loop thread only. */
#ifndef ROLLCALL_SERVER_HUB_WIRE_H
#define ROLLCALL_SERVER_HUB_WIRE_H

#include <stdint.h>

#include "server/hub/http.h"

struct wire;

/* Keeps loop and h, whose connections it uses (dial.h). host: of the Host header; borrows. kept_max: idle
 * connections that are kept. */
struct wire *wire_new(struct uv_loop_s *loop, struct http *h, const char *host, uint32_t kept_max);
/* As http_send(), whose checks have been made. */
MUST_CHECK enum err wire_send(struct wire *w, const struct http_request *request, http_answer_cb *on_answer,
                              void *arg);
/* Ends what is out, calling back; then closes all and calls on_closed from the loop, when w is gone. Not from
 * a callback of w's own. */
void wire_close(struct wire *w, void (*on_closed)(void *arg), void *arg);

#endif
