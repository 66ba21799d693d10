/* rest: the service REST door: HTTP requests with good tokens go to the world, the world's answers go back.
 * What a hub answers is the world's business; only 401 is made here. Loop thread only. */
#ifndef ROLLCALL_TESTS_HUBSIM_REST_H
#define ROLLCALL_TESTS_HUBSIM_REST_H

#include <stdint.h>

#include "tests/hubsim/auth.h"
#include "tests/hubsim/http.h"
#include "tests/world/world.h"

struct rest;

/* Keeps loop, world and auth. The hub's time is that of loop plus clock_offset_ms. */
struct rest *rest_new(uv_loop_t *loop, struct world *world, struct auth *auth, int64_t clock_offset_ms);
/* The server behind it, for http_listen(), http_turn() and http_stop(). */
struct http *rest_http(struct rest *r);
/* A world_answer_cb; arg is the rest. */
void rest_on_answer(void *arg, void *ticket, const struct world_answer *answer);
/* After http_stop(), once the loop has run empty. NULL is fine. */
void rest_free(struct rest *r);

#endif
