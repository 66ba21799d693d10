/* agent/contract: CONTRACT.md as code: what a method call asks for, what is answered, what is reported. Pure.
 */
#ifndef ROLLCALL_DEPLOY_AGENT_CONTRACT_H
#define ROLLCALL_DEPLOY_AGENT_CONTRACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "deploy/agent/state.h"

#define PAYLOAD_BYTES_MAX 65536 /* it has to fit into an environment variable */
#define WHY_SIZE 160

struct request {
	enum act_type type;
	char attempt_id[ATTEMPT_ID_SIZE];                    /* empty: none given */
	char *payload;                                       /* JSON text */
	char *package_uri, *package_version, *package_check; /* of a firmware update; NULL: not given */
};

/* Reads a call. Gives 200 and fills ret, to be released by request_done(); else the status to answer, and
 * why. */
int request_read(const char *method, const char *payload, size_t n, struct request *ret, char why[WHY_SIZE]);
void request_done(struct request *r);

/* The bodies of answers, yours to free(): to a call that was taken, now or before; and to one that was not.
 * NULL: no memory. */
char *answer_taken(const struct act *a, bool is_repeated);
char *answer_refused(const char *why);

struct versions {
	const char *agent, *kernel, *firmware; /* NULL: not known */
};
/* What properties.reported.iothubDM is to hold; null is what it is not to hold. NULL: no memory. */
json_t *report_of(const struct state *s, const struct versions *v);
/* The merge patch from what the hub holds (NULL: nothing) to wanted; NULL: there is nothing to report. */
json_t *report_diff(json_t *has, json_t *wanted);
/* Applies a merge patch to what the hub holds. */
void report_merge(json_t *has, json_t *patch);

#endif
