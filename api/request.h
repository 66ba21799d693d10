/* api/request: what a handler sees of one request (path parts, parameters, identity, body), and how it
 * replies. A handler replies exactly once, now or from a callback later; the request lives until its answer
 * has been sent. Loop thread only. */
#ifndef ROLLCALL_API_REQUEST_H
#define ROLLCALL_API_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "api/auth.h"
#include "api/httpd.h"
#include "api/problem.h"
#include "server/base/buf.h"
#include "server/base/err.h"
#include "server/base/rng.h"
#include "server/campaign/fault.h"

struct conductor;
struct feed;
struct histogram;
struct ids;
struct logins;
struct request;
struct route;
struct sse;
struct store;
struct webhooks;

#define PATH_PARTS_MAX 2 /* of a path, those that a pattern leaves open */
#define PARAMS_MAX 16
#define REPLY_HEADERS_MAX 16
#define REQUEST_ID_SIZE 65
#define STATUS_MAX 599
#define LIST_BODY_MAX_BYTES ((size_t)256 << 20)
#define LIST_LIMIT_MAX 1000
#define LIST_LIMIT_DEFAULT 100

/* What all requests share. */
struct context {
	struct conductor *conductor;
	struct store *store;
	struct feed *feed;
	struct webhooks *webhooks; /* NULL: there are none */
	struct auth *auth;
	bool is_tls;
	struct logins *logins;
	uint64_t failed_logins; /* since the start */
	const struct histogram *loop_lag;
	struct httpd *httpd;
	struct sse *sse;
	struct rng luck;              /* of request ids */
	LIST_HEAD(, create) creating; /* create.c: those under way that have an Idempotency-Key */
	size_t lists_max_bytes;       /* for all device lists that are being received */
	uint32_t connections_max, streams_max;
	uint64_t answered[STATUS_MAX + 1];           /* by status */
	uint32_t exports_n;                          /* export.c: under way */
	void (*on_settled)(struct context *context); /* not NULL: there shall be no export any more */
	size_t lists_bytes;                          /* lists.c: which take so much */
};

struct param {
	const char *name, *value; /* decoded */
};

/* An answer that comes piece by piece (httpd.h). */
struct streamer {
	void (*on_room)(struct request *r); /* all that was put is on its way */
	void (*on_end)(struct request *r);  /* it is over, r is about to go */
};

struct request {
	struct exchange *exchange;
	struct context *context;
	int64_t now_ms;                    /* when the head was in */
	char id[REQUEST_ID_SIZE];          /* X-Request-Id, given or made */
	const char *method;                /* GET for HEAD too */
	const struct route *route;         /* NULL until one matches */
	const char *parts[PATH_PARTS_MAX]; /* decoded, in the order of the path */
	struct param params[PARAMS_MAX];
	size_t params_n;
	struct identity who;
	const struct streamer *streamer; /* NULL: a plain answer */
	void *stream;                    /* the streamer's own */
	struct ids *ids;                 /* lists.c: a device list that is being received, NULL: none */
	/* for request.c and routes.c */
	char *path;    /* as sent */
	char *decoded; /* memory of parts and params */
	struct httpd_header headers[REPLY_HEADERS_MAX];
	size_t headers_n;
	unsigned status; /* of the reply; 0: none yet */
};

/* Gives a request for x; splits its target. */
struct request *request_new(struct context *context, struct exchange *x, int64_t now_ms);
void request_free(struct request *r);
/* Splits the target into path and parameters. False: malformed, and replied so. */
MUST_CHECK bool request_read_target(struct request *r);
/* Whether the path is pattern ("/v1/campaigns/{id}"); then the parts are set. A part is never empty, "." or
 * ".."; an escaped slash or NUL in one is refused by request_read_target(). */
bool request_matches(struct request *r, const char *pattern);
/* How well the client likes type ("application/json") as an answer, 0: not at all (RFC 9110 12.5.1). A type
 * that it names is liked better than one of equal weight that it only allows. */
unsigned request_likes(const struct request *r, const char *type);
/* Whether it takes a body that is compressed by gzip; only where it says so (RFC 9110 12.5.3). */
bool request_takes_gzip(const struct request *r);

/* ---- parameters: what is wrong with a value is added to faults, under the parameter's name ---- */

const char *request_param(const struct request *r, const char *name); /* NULL: not given */
/* Fills in what was given, else leaves *ret as it is. */
void request_param_u64(const struct request *r, const char *name, uint64_t min, uint64_t max, uint64_t *ret,
                       struct faults *faults);
/* One of n texts, some of which may be unused ("" or "?"). */
void request_param_choice(const struct request *r, const char *name, const char *(*text_of)(int), int n,
                          int *ret, struct faults *faults);
/* Reads ?limit= and ?cursor=; *ret_position stays as it is without a cursor. A cursor is good for this path
 * and these other parameters only. */
void request_page(const struct request *r, uint32_t *ret_limit, uint64_t *ret_position,
                  struct faults *faults);
/* Appends ,"nextLink":"…": this request with name=value in place of what it had. */
void request_put_next(const struct request *r, const char *name, const char *value, struct buf *out);
/* The same for a cursor that stands for position. */
void request_put_next_cursor(const struct request *r, uint64_t position, struct buf *out);

/* Signs the order that is to be given next, for the record of orders; conductor_sign(…, NULL) after it. what:
 * what it asks for, NULL: the path says it. */
void request_sign(struct request *r, const char *what);

/* The end of a read of what must be there; false: it replied that there is none, or that the read failed.
 * none: what to say where there is none. */
MUST_CHECK bool request_found(struct request *r, enum err err, bool is_there, const char *none);

/* ---- preconditions (RFC 9110 13.1.1): false where it replied ---- */

MUST_CHECK bool request_has_if_match(struct request *r);
/* Whether If-Match names the ETag that is current, or any. */
MUST_CHECK bool request_is_current(struct request *r, const char *etag);
/* Whether If-None-Match says that the client has what has this ETag, so that 304 is answer enough. */
bool request_has_already(const struct request *r, const char *etag);

/* ---- replies ---- */

/* Adds a header to the reply to come; copies value. Cache-Control and Content-Security-Policy, where given,
 * stand in place of what all answers have: nothing is kept, and nothing in it is run. */
void reply_header(struct request *r, const char *name, const char *value);
/* Takes body. */
void reply(struct request *r, unsigned status, const char *type, struct buf *body);
/* 200, then what the streamer puts; keeps both. */
void reply_stream(struct request *r, const char *type, const struct streamer *streamer, void *stream);
/* A status that has no body. */
void reply_empty(struct request *r, unsigned status);
void reply_json(struct request *r, unsigned status, struct buf *body);
void reply_problem(struct request *r, enum problem p, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* What is wrong with the body (UNSOUND) or the parameters (PARAMETER); frees what faults holds. */
void reply_faults(struct request *r, enum problem p, struct faults *faults);
/* A body that a reader refused: with faults it is not sound, without not JSON, for that reason at that byte.
 */
void reply_bad_body(struct request *r, struct faults *faults, size_t at, const char *reason);
/* What a read or an order came to that is not OK. */
void reply_err(struct request *r, enum err err, const char *detail);

#endif
