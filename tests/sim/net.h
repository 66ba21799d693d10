/* sim/net: a double of server/hub/http.h that carries requests to tests/world on the simulated clock.
 * Everything else of the service's way to the hub is the real code. struct net goes where the uv loop goes.
 */
#ifndef ROLLCALL_TESTS_SIM_NET_H
#define ROLLCALL_TESTS_SIM_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/world/world.h"

struct net;
struct http_request;

struct net_options {
	struct world *world; /* keeps */
	/* Asked for each request before it leaves: false and it is refused at once (NOT_SENT). */
	bool (*on_request)(void *arg, const struct http_request *request);
	void *arg;
	/* A request waits for its connection for up to so long, by luck of its own; 0: it has one at once. */
	int64_t connect_max_ms;
	uint64_t seed;
};

struct net *net_new(const struct net_options *options);
void net_free(struct net *n);
/* When something is due: an answer or a time-out. */
int64_t net_next_at(const struct net *n);
/* Does what is due at now_ms: runs the world, hands over answers. */
void net_run(struct net *n, int64_t now_ms);
/* The process has died: what is out goes on at the hub, and nobody hears of it. The callbacks still out are
 * called with AMBIGUOUS so that their owners, already deaf, can free what they hold. */
void net_crash(struct net *n);

#endif
