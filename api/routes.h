/* api/routes: the table: method, path, role, handler. Read this first. openapi.yaml says the same, and a test
 * compares them. */
#ifndef ROLLCALL_API_ROUTES_H
#define ROLLCALL_API_ROUTES_H

#include <stddef.h>

#include "api/auth.h"
#include "api/httpd.h"

struct request;

/* What a request's body may be: not looked at; empty or {}; empty or a JSON document; a JSON document; a JSON
 * Merge Patch (RFC 7396), also as plain JSON; device ids as plain text or CSV, taken as they come. */
enum body_rule { BODY_IGNORED, BODY_NOTHING, BODY_OPTIONAL, BODY_JSON, BODY_PATCH, BODY_IDS };

struct route {
	const char *method;
	const char *pattern;
	enum role role;     /* the least that may */
	const char *params; /* names with a space after each */
	enum body_rule body;
	const char *type; /* of the answer; NULL: as the file, whatever is accepted */
	void (*handler)(struct request *r);
};

/* Gives all routes. */
const struct route *routes_all(size_t *ret_n);
/* Takes requests from httpd, whose arg is the struct context that they share. */
extern const struct httpd_events routes_events;

#endif
