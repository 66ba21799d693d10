/* api/cli/view: how a campaign that is watched looks, and what its end means to a script. Pure. */
#ifndef ROLLCALL_API_CLI_VIEW_H
#define ROLLCALL_API_CLI_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/base/buf.h"

/* Exit statuses, a promise: rollcall.1 and --help tell them. */
enum status {
	STATUS_OK = 0,          /* completed, every device proven (or excluded, or done already) */
	STATUS_REFUSED = 1,     /* the service refused or failed */
	STATUS_USAGE = 2,       /* the command line, or a file named in it */
	STATUS_FAILURES = 3,    /* completed, and devices failed */
	STATUS_PAUSED = 4,      /* paused by a rule or a gate */
	STATUS_SKIPPED = 5,     /* completed, none failed, but some were never called */
	STATUS_CANCELLED = 6,   /* cancelled, or its devices could not be selected */
	STATUS_UNREACHED = 7,   /* no answer from the service */
	STATUS_NOT_ALLOWED = 8, /* no token, or not the role */
	STATUS_APPROVAL = 9,    /* waits for approval, and --until-approval was given */
};

#define VIEW_FAILURES 5
struct view_failure {
	char device_id[129], reason[32];
};

struct view_options {
	uint32_t columns; /* of the terminal */
	bool is_ascii, has_colors;
	int64_t now_ms;
	double per_second;                   /* devices that became final, of late; below 0: not known yet */
	const char *trouble;                 /* NULL: none; told in the last line */
	const struct view_failure *failures; /* the newest last */
	uint32_t failures_n;
	uint64_t failures_all; /* that were seen, those included */
};

/* Appends some lines, none wider than columns, and gives how many. */
uint32_t view_lines(const json_t *campaign, const struct view_options *o, struct buf *out);
/* Appends one line for a log: no time, no line end. */
void view_line(const json_t *campaign, const struct view_options *o, struct buf *out);
/* Devices that are final. */
int64_t view_final(const json_t *campaign);
/* Whether there is nothing more to watch; then *ret says how it ended. */
bool view_is_over(const json_t *campaign, bool until_approval, enum status *ret);
/* Appends a sentence or two on how it ended and what can be done. */
void view_end(const json_t *campaign, struct buf *out);

#endif
