/* agent/life: what a start of the agent, a restart of the device, a command's end and the time mean for the
 * act that is under way. Pure: changes the state and says what is to do; nothing is done before the state is
 * saved. */
#ifndef ROLLCALL_DEPLOY_AGENT_LIFE_H
#define ROLLCALL_DEPLOY_AGENT_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "deploy/agent/state.h"

/* How long an accepted act may wait for its beginning before it is dropped: nobody expects it any more. */
#define BEGIN_WITHIN_MS 120000

struct life_now {
	int64_t at_ms, up_ms; /* UTC, and since the boot */
	const char *firmware; /* the version that runs; empty: not known */
};
struct life_rule {
	bool ends_by_exit;          /* of the act's type */
	bool has_check;             /* of a firmware update: a command tells whether it took */
	const char *wanted_version; /* of a firmware update; NULL: any */
};
enum life_next {
	LIFE_NOTHING, /* no act is under way, or it has ended now */
	LIFE_BEGIN,   /* it was accepted and not begun */
	LIFE_AWAIT,   /* a restart is to come, until begun_up_ms + the time-out */
	LIFE_CHECK,   /* run the check */
	LIFE_PRETEND, /* go on pretending */
};

/* Notes which boot this is, and since when; over is empty, or the kernel's boot id where boot_id is
 * pretended. True if it is another than the last seen. */
bool life_note_boot(struct state *s, const char *boot_id, int64_t booted_at_ms, const char *over);
/* The agent has started, in the boot that was noted. */
enum life_next life_start(struct state *s, const struct life_rule *rule, const struct life_now *now);
/* The act is to begin, from here on it is never begun again. */
void life_begin(struct state *s, bool is_pretended, const struct life_now *now);
/* The command has ended; status is its exit status, 128 + the signal's number. */
enum life_next life_exit(struct state *s, const struct life_rule *rule, int status,
                         const struct life_now *now);
/* The check has ended. */
void life_checked(struct state *s, int status, const struct life_now *now);
/* What was pretended is over: in the boot that was noted. */
void life_pretended(struct state *s, const struct life_now *now);
/* It did not come about, for that reason. */
void life_fail(struct state *s, int code, const char *why, const struct life_now *now);

#endif
