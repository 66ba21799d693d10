/* err: the one list of what can go wrong. Foreign codes (CURLcode, sqlite, MHD, uv) are translated in the one
 * file that may include their header. */
#ifndef ROLLCALL_SERVER_BASE_ERR_H
#define ROLLCALL_SERVER_BASE_ERR_H

#define MUST_CHECK __attribute__((warn_unused_result))

#define ERR_LIST(X) \
	X(OK, "ok") \
	X(NOMEM, "out of memory, or larger than the limit") \
	X(INVALID, "not sound") \
	X(NOT_FOUND, "not found") \
	X(CONFLICT, "in the wrong state for that") \
	X(BUSY, "busy, ask again later") \
	X(TOO_MANY, "as many as there may be") \
	X(CLOSED, "closing down") \
	X(IO, "input or output failed") \
	X(FULL, "no space left") \
	X(CORRUPT, "damaged data") \
	X(TOO_NEW, "written by a newer version") \
	X(LOCKED, "in use by another process") \
	X(DENIED, "not allowed") \
	X(NOT_SENT, "surely not sent") \
	X(NO_TOKEN, "no access token could be had yet") \
	X(AMBIGUOUS, "may or may not have happened")

enum err {
#define X(name, text) ERR_##name,
	ERR_LIST(X)
#undef X
};

/* Gives a static English text. */
const char *err_text(enum err e);

#endif
