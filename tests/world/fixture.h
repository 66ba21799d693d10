/* world: what its tests share: a world with a clock and a journal, and requests that are waited for */
#ifndef ROLLCALL_TESTS_WORLD_FIXTURE_H
#define ROLLCALL_TESTS_WORLD_FIXTURE_H

#include <jansson.h>

#include "server/base/buf.h"
#include "tests/lib/suite.h"
#include "tests/world/world.h"

#define API "api-version=2021-04-12"

struct reply {
	bool is_answered, is_cut, closes;
	int status, retry_after_s;
	int64_t at_ms, date_ms;
	char *body, *error_code, *continuation, *item_type, *etag;
	json_t *json; /* NULL where the body is none */
	struct reply *next;
};

struct fixture {
	struct world_options options;
	struct world *w;
	int64_t now_ms;
	struct buf journal; /* a line an entry: "<ms since start> <kind> <device> <method> <attempt id>
	                       <status>" */
	struct reply *replies;
};

/* Fills options with the defaults; the test changes them, then calls fixture_open(). */
void fixture_init(struct fixture *f);
void fixture_open(struct fixture *f);
void fixture_done(struct fixture *f);
/* Sends now; the reply fills itself while time runs. Lives until fixture_done(). */
struct reply *send_request(struct fixture *f, const struct world_request *r);
struct reply *send_simple(struct fixture *f, const char *verb, const char *path, const char *body);
void run_to(struct fixture *f, int64_t now_ms);
/* Runs to the answer, for ten minutes at most. */
struct reply *wait_for(struct fixture *f, struct reply *reply);
struct reply *ask(struct fixture *f, const char *verb, const char *path, const char *body);
struct reply *ask_query(struct fixture *f, const char *query, const char *max_item_count,
                        const char *continuation);
/* A reboot with an attempt id (NULL: none) and both time-outs in seconds. */
struct reply *send_reboot(struct fixture *f, const char *device_id, const char *attempt_id, int response_s,
                          int connect_s);
/* The value at a path like "properties.reported.$version" as JSON text, valid until the next call; "" for
 * none. */
const char *at(const json_t *json, const char *path);
/* The error code of contract 2.5's envelopes: number of B and C, or name of A. */
const char *error_of(const struct reply *reply);
/* How many journal lines contain text. */
unsigned told(const struct fixture *f, const char *text);

#endif
