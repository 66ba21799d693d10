/* devices: the device MQTT door (contract 8): connections with good credentials become links of the world,
 * and what world and device have to say to each other goes over them. What a hub answers is the world's
 * business; credentials, sessions, keep-alive and the protocol's rules are here. Loop thread only. */
#ifndef ROLLCALL_TESTS_HUBSIM_DEVICES_H
#define ROLLCALL_TESTS_HUBSIM_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>
#include <uv.h>

#include "tests/hubsim/auth.h"
#include "tests/world/world.h"

struct devices;

/* Keeps loop, world, auth and host. The hub's time is that of loop plus clock_offset_ms. */
struct devices *devices_new(uv_loop_t *loop, struct world *world, struct auth *auth, const char *host,
                            int64_t clock_offset_ms);
/* Opens one more door. Keeps tls (NULL: plain). Gives 0 and the real port, or a libuv error. */
int devices_listen(struct devices *d, const struct sockaddr *address, SSL_CTX *tls, uint16_t *ret_port);
/* Sends all there is to send, and hands over what devices sent before they were let in: gives whether there
 * was any of that. */
bool devices_turn(struct devices *d);
/* Shuts the doors and ends all connections. The loop runs empty when they are gone; only then comes
 * devices_free(). */
void devices_stop(struct devices *d);
void devices_free(struct devices *d); /* NULL is fine */

#endif
