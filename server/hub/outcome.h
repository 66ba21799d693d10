/* hub/outcome: what an answer of IoT Hub's service side means for the one question that counts: did the
 * device perhaps act? Pure; a table with sources (contract 2.4, 2.5, 12). */
#ifndef ROLLCALL_SERVER_HUB_OUTCOME_H
#define ROLLCALL_SERVER_HUB_OUTCOME_H

#include <stdint.h>

#include "server/hub/http.h"

#define HUB_OUTCOMES(X) \
	X(ANSWERED, "answered")          /* delivered and answered: a read's answer, or the device's own */ \
	X(NOT_DELIVERED, "notDelivered") /* surely not delivered: not sent, or refused before dispatch */ \
	X(OFFLINE, "offline")     /* 404103: normally not delivered, but no proof of it (contract 11.3) */ \
	X(AMBIGUOUS, "ambiguous") /* may or may not have acted */ \
	X(GONE, "gone")           /* 404001: not registered, or disabled: a read tells */ \
	X(THROTTLED, "throttled") /* 429: not delivered, and wait */ \
	X(QUOTA, "quota")         /* 403002: not delivered before 00:00 UTC */ \
	X(TROUBLE, "hubTrouble") /* 3xx, 401, 403010, other 403: the hub's or credential's, not delivered */ \
	X(OUR_FAULT, "rejected") /* 400, 405, 413: the request itself was refused, not delivered */
enum hub_outcome {
#define X(name, text) HUB_##name,
	HUB_OUTCOMES(X)
#undef X
	        HUB_OUTCOMES_N
};

const char *hub_outcome_text(enum hub_outcome o);

struct hub_error {
	int32_t code;         /* 404103 …, 0: the answer named none */
	char name[48];        /* "DeviceNotOnline", "" */
	char message[256];    /* plain text, "" */
	char tracking_id[96]; /* "" */
};

/* Reads the error envelopes A, B and C and the iothub-errorcode header (contract 2.5). Always fills ret. */
void hub_error_read(const struct http_answer *answer, struct hub_error *ret);
/* What an answer to a method call means; e from hub_error_read(). HTTP 200 is ANSWERED, whatever the device
 * said (that its body is what a method call gives is for method.c to see); where code and status disagree it
 * is AMBIGUOUS. */
enum hub_outcome outcome_of_call(const struct http_answer *answer, const struct hub_error *e);
/* What an answer to a read (twin, query) means: ANSWERED, GONE, THROTTLED, QUOTA, OUR_FAULT or TROUBLE. A
 * read acts on nothing, so lost answers, 5xx and what was not sent are TROUBLE; so is a 404 that does not say
 * DeviceNotFound. */
enum hub_outcome outcome_of_read(const struct http_answer *answer, const struct hub_error *e);

#endif
