/* api/cli/client: requests to the service, one at a time, and one stream of events beside them. The only user
 * of libcurl here. Blocks; no threads. */
#ifndef ROLLCALL_API_CLI_CLIENT_H
#define ROLLCALL_API_CLI_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "server/base/buf.h"

struct client;

struct client_options {
	const char *url;     /* of the service, without a path; keeps */
	const char *token;   /* NULL: none; keeps */
	const char *ca_file; /* NULL: the system's; keeps */
};

/* Never fails: what is wrong with the options is told by the first request. */
struct client *client_new(const struct client_options *options);
void client_free(struct client *c);

struct question {
	const char *method; /* NULL: GET */
	const char *path;   /* with its query */
	const char *accept; /* NULL: JSON */
	const char *body;   /* JSON, NULL: none; borrows */
	size_t body_bytes;
	const char *key; /* Idempotency-Key, NULL: none */
	FILE *to; /* NULL: the body is kept; else a body with a status 2xx is written there as it comes */
};

struct reply {
	unsigned status; /* 0: no answer, or not all of it; then reason says why */
	struct buf body;
	char reason[256];
};

/* Asks once. */
void client_ask(struct client *c, const struct question *q, struct reply *ret);
void reply_done(struct reply *r);

/* Opens a stream of events behind the id after, in place of the one before; on_data gets its bytes inside
 * client_wait(). */
typedef void client_data_cb(void *arg, const char *data, size_t n);
void client_stream(struct client *c, const char *path, uint64_t after, client_data_cb *on_data, void *arg);
/* Waits so long at most for something to come by the stream. False: there is none, or it is over; then
 * *ret_status is its status, 0 where there was no answer. */
bool client_wait(struct client *c, uint32_t ms, unsigned *ret_status);

#endif
