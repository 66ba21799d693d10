/* api/cli/field: members of an answer by their path ("rollout.gate.approval"). Newer services may leave out
 * or add members, so that what is not there is nothing special. Pure. */
#ifndef ROLLCALL_API_CLI_FIELD_H
#define ROLLCALL_API_CLI_FIELD_H

#include <jansson.h>
#include <stdint.h>

/* NULL: not there. */
json_t *field(const json_t *o, const char *path);
/* "" where there is no text. */
const char *field_text(const json_t *o, const char *path);
/* 0 where there is no number. */
int64_t field_int(const json_t *o, const char *path);
double field_number(const json_t *o, const char *path);
/* TIME_NONE where there is no time. */
int64_t field_time(const json_t *o, const char *path);

#endif
