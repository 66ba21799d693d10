/* api/problem: what can go wrong with a request, as application/problem+json (RFC 9457). The codes are a
 * promise. */
#ifndef ROLLCALL_API_PROBLEM_H
#define ROLLCALL_API_PROBLEM_H

#include <stddef.h>

#include "server/base/buf.h"
#include "server/base/err.h"
#include "server/campaign/fault.h"

#define PROBLEMS(X) \
	X(MALFORMED, 400, "malformedRequest", "The request is malformed") \
	X(PARAMETER, 400, "invalidParameter", "A query parameter is not allowed or not valid") \
	X(NOT_JSON, 400, "notJson", "The body is not JSON") \
	X(UNAUTHENTICATED, 401, "unauthenticated", "A valid bearer token is needed") \
	X(FORBIDDEN, 403, "forbidden", "The token's role does not allow this") \
	X(FOREIGN_HOST, 403, "foreignHost", "Without tokens only requests to a loopback name are served") \
	X(FOREIGN_ORIGIN, 403, "foreignOrigin", "Without tokens other web sites may not give orders") \
	X(NOT_FOUND, 404, "notFound", "There is no such thing") \
	X(METHOD, 405, "methodNotAllowed", "The method is not allowed here") \
	X(NOT_ACCEPTABLE, 406, "notAcceptable", "None of the accepted media types is served here") \
	X(WRONG_STATE, 409, "wrongState", "The state does not allow this") \
	X(AMBIGUOUS_DEVICE, 409, "ambiguousDevice", "More than one hub has this device") \
	X(IN_FLIGHT, 409, "idempotencyKeyInFlight", \
	  "The first request with this key is still being answered") \
	X(NO_LENGTH, 411, "lengthRequired", "A body with its length, or chunked, is needed") \
	X(STALE, 412, "preconditionFailed", "It has changed since") \
	X(TOO_LARGE, 413, "bodyTooLarge", "The body is too large") \
	X(MEDIA_TYPE, 415, "unsupportedMediaType", "The media type of the body is not taken here") \
	X(UNSOUND, 422, "unsound", "The body is not sound") \
	X(KEY_REUSED, 422, "idempotencyKeyReused", "The key was used with another body") \
	X(NO_IF_MATCH, 428, "preconditionRequired", "If-Match is needed") \
	X(TOO_MANY_LOGINS, 429, "tooManyFailedLogins", "Too many wrong tokens came from this address") \
	X(TOO_MANY_STREAMS, 429, "tooManyStreams", "As many streams or exports as are allowed are open") \
	X(TOO_MANY, 429, "tooMany", "There are as many as the service may have") \
	X(INTERNAL, 500, "internal", "The service failed") \
	X(BUSY, 503, "busy", "Too much is going on, ask again") \
	X(ISSUER, 503, "issuerUnavailable", "The keys of the token's issuer are not known yet") \
	X(DRAINING, 503, "draining", "The service is stopping")
enum problem {
#define X(name, status, code, title) PROBLEM_##name,
	PROBLEMS(X)
#undef X
};

unsigned problem_status(enum problem p);
/* What a failed order or read is, told to the client. */
enum problem problem_of(enum err err);
/* Appends the document. detail NULL: none. faults NULL: none; pointer_member: what their pointers are called,
 * "pointer" (into the body) or "parameter". offset < 0: none. */
void problem_render(struct buf *out, enum problem p, const char *detail, const struct faults *faults,
                    const char *pointer_member, long offset);

#endif
