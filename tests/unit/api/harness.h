/* tests: the real api on loopback over a fake store and a fake conductor, and clients that speak to it by
 * plain sockets, all in one thread: waiting for an answer runs the loop, so nothing depends on luck. */
#ifndef ROLLCALL_TESTS_UNIT_API_HARNESS_H
#define ROLLCALL_TESTS_UNIT_API_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "api/api.h"
#include "server/base/buf.h"
#include "server/feed.h"
#include "store/store.h"
#include "tests/lib/fake_conductor.h"
#include "tests/lib/fake_store.h"
#include "tests/lib/later.h"
#include "tests/lib/suite.h"

extern struct store *store;
extern struct conductor conductor;
extern struct api *api;
extern struct feed *feed; /* has told nothing yet */

/* Starts the api; loop, address, port, conductor and store are filled in. */
void server_start(struct api_options options);
/* Stops it, waits for that, frees everything. */
void server_stop(void);
void server_stop_begin(void);
bool server_is_stopped(void);
/* Lets the loop and the fakes do what is due, waiting 20 ms at most for news of fd (-1: of none). */
void server_turn(int fd);

/* Writes a tokens file, or over it; gives its path. It goes when the test ends. */
const char *tokens_file(const char *text);
/* One token for each role: named and made of the role ("viewer", "viewer-token"). */
#define TOKENS \
	"[{\"name\":\"metrics\",\"role\":\"metrics\",\"sha256\":" \
	"\"eb5a63e42b6b498364b3f10d5c3bb71cd8c7a7a9ad16524875557fa2e52f5d41\"}," \
	"{\"name\":\"viewer\",\"role\":\"viewer\",\"sha256\":" \
	"\"d036bd6d01a1cae081d39a2f8dab751dc042de814fd60df31fcb553170950f29\"}," \
	"{\"name\":\"operator\",\"role\":\"operator\",\"sha256\":" \
	"\"0850123315d21ab90f4f7236408a52ef6dbd6a02a6550e5c10dc73f4d993680e\"}," \
	"{\"name\":\"approver\",\"role\":\"approver\",\"sha256\":" \
	"\"697e4faac709ff91018bf81268f62b015913da0d39c2e58eb4ee5dbffc4da325\"}," \
	"{\"name\":\"admin\",\"role\":\"admin\",\"sha256\":" \
	"\"10a4c7c9fc5206d6f36dc6944a81bb6f4a3cb0e25014ae3b12e6c3e52712292a\"}]"

struct client {
	int fd;
	struct buf in;
	bool is_closed; /* by the server */
};
void client_open(struct client *c);
void client_close(struct client *c);
/* Sends all of it; false where the server closed meanwhile. */
bool client_send_n(struct client *c, const char *data, size_t n);
bool client_send(struct client *c, const char *text);
/* Reads what there is. */
void client_read(struct client *c);
void client_wait_closed(struct client *c);

struct answer {
	unsigned status;
	char *head; /* with all its lines */
	char *body;
	size_t len;
};
/* Waits for the next answer; is_head: one without a body. The test ends where the server closes before it. */
void client_answer(struct client *c, bool is_head, struct answer *ret);
void answer_done(struct answer *a);

/* One request on a connection of its own; headers: whole lines with \r\n, "" for none; body NULL: none. The
 * answer is valid until the next ask(). */
const struct answer *ask(const char *method, const char *target, const char *headers, const char *body);
const struct answer *get(const char *target);
/* POST of JSON. */
const struct answer *post(const char *target, const char *body);
/* Whether the head has this header with this value. */
bool has_header(const struct answer *a, const char *name, const char *value);

#define ck_status(a, expected) \
	ck_assert_msg((a)->status == (expected), "status %u: %s", (a)->status, (a)->body)
#define ck_has(a, text) ck_assert_msg(strstr((a)->body, text) != NULL, "no %s in %s", text, (a)->body)
#define ck_lacks(a, text) ck_assert_msg(strstr((a)->body, text) == NULL, "%s in %s", text, (a)->body)

/* A small sound campaign. */
#define SOUND "{\"name\":\"n\",\"action\":{\"type\":\"reboot\"},\"targets\":{\"all\":true}}"

#endif
