/* hub/rest: what hub.c gives to method.c, twins.c and jobs.c, and to nobody else: one request and its way
 * back. */
#ifndef ROLLCALL_SERVER_HUB_REST_H
#define ROLLCALL_SERVER_HUB_REST_H

#include "server/hub/http.h"
#include "server/hub/hub.h"

#define REST_API_VERSION "?api-version=2021-04-12"

/* One request on its way. */
struct exchange {
	struct hub *hub;
	char *device_id;             /* NULL: of no device */
	const struct watch *watch;   /* NULL: of no watch */
	hub_may_begin_cb *may_begin; /* NULL: always */
	hub_answer_cb *on_answer;
	void *arg;
	uint32_t token_no; /* of the credential that it was sent with */
};

/* Gives an exchange. Copies device_id, keeps the rest. */
struct exchange *rest_exchange(struct hub *h, const char *device_id, const struct watch *watch,
                               hub_answer_cb *on_answer, void *arg);
/* Appends "/twins/" and the encoded id; ERR_INVALID where no path can name it. */
MUST_CHECK enum err rest_put_twin_path(const char *device_id, struct buf *out);
/* Adds the credential and sends. Takes x: on_http_answer gets it as arg, on failure it is gone. */
MUST_CHECK enum err rest_send(struct exchange *x, struct http_request *request,
                              http_answer_cb *on_http_answer);

/* Asks for one page of at most 100 rows of a query, given as JSON; else as rest_send(). continuation is NULL
 * for the first page (contract 4.1). */
MUST_CHECK enum err rest_send_query(struct exchange *x, const struct buf *query, const char *continuation,
                                    http_answer_cb *on_http_answer);

/* http_request's may_begin: asks the exchange's. */
bool rest_may_begin(void *arg);

typedef enum hub_outcome rest_outcome_fn(const struct http_answer *answer, const struct hub_error *e);
/* Fills ret with what all answers say; it borrows from http and from ret->error. */
void rest_read(struct exchange *x, const struct http_answer *http, rest_outcome_fn *outcome_of,
               struct hub_answer *ret);
/* Says that the answer was none of the kind that was asked for. */
void rest_misread(struct hub_answer *a, enum hub_outcome outcome, const char *detail);
/* Calls back; x is gone then. */
void rest_finish(struct exchange *x, const struct hub_answer *a);

#endif
