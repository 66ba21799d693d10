/* fake_hub: a double of server/hub/hub.h and of the watches of reading.h, chosen by the linker. Notes every
 * request and answers one when the test says so, never before. */
#ifndef ROLLCALL_TESTS_LIB_FAKE_HUB_H
#define ROLLCALL_TESTS_LIB_FAKE_HUB_H

#include "server/hub/hub.h"

enum fake_kind { FAKE_CALL, FAKE_READ, FAKE_QUERY, FAKE_JOB_START, FAKE_JOB_READ, FAKE_JOB_ROWS };

/* Strings are copies; NULL where the request had none. Of a job: device_id is its id, condition its devices,
 * with a space between. */
struct fake_request {
	enum fake_kind kind;
	char *device_id, *method_name, *payload, *condition, *continuation;
	size_t payload_bytes;
	uint32_t response_timeout_s, connect_timeout_s;
	const struct watch *watch;
	hub_may_begin_cb *may_begin;
	hub_answer_cb *on_answer;
	void *arg;
	bool is_answered;
};

struct hub *fake_hub_new(void);
/* Every request has to be answered by then. */
void fake_hub_free(struct hub *h);
/* From now on requests are refused with e and not noted; ERR_OK: taken again. */
void fake_hub_refuse(struct hub *h, enum err e);
/* How many requests there have been, and number i of them, borrowed until the next one. */
size_t fake_hub_n(const struct hub *h);
const struct fake_request *fake_hub_at(const struct hub *h, size_t i);
/* How many have not been answered. */
size_t fake_hub_out(const struct hub *h);
/* Answers number i, which has not been answered. */
void fake_hub_answer(struct hub *h, size_t i, const struct hub_answer *answer);
/* An answer that says nothing but what it came to. */
struct hub_answer fake_answer(enum hub_outcome outcome, int http_status);

/* The watches: candidates are options.success as it is, and the list after SELECT is options.value_path as it
 * is. */

#endif
