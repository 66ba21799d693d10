/* agent/work: takes calls, remembers them, has them done, and knows what there is to report. Owns the state
 * on disk and the command that runs; knows nothing of links. What follows what is told in life.h. */
#ifndef ROLLCALL_DEPLOY_AGENT_WORK_H
#define ROLLCALL_DEPLOY_AGENT_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct options;
struct work;

/* Reads the state and which boot this is. Keeps options. NULL: it cannot, which is logged. */
struct work *work_open(const struct options *options);
void work_close(struct work *w); /* NULL is fine; a command that runs goes on */

/* status 0: no answer is to be given, nobody knows whether the call was taken. body is yours to free(). */
struct work_answer {
	int status;
	char *body;
};
struct work_answer work_call(struct work *w, const char *method, const char *payload, size_t n);

/* Does what is due, and gives when there is more. is_told: the hub knows all that there is to report. */
int64_t work_turn(struct work *w, bool is_told);
/* After SIGCHLD. */
void work_reap(struct work *w);

/* Whether there may be something new to report since it was last asked. */
bool work_take_news(struct work *w);
/* Gives what is to be reported; NULL: nothing before memory and disk agree, which is news then. */
json_t *work_report(struct work *w);

const char *work_boot_id(const struct work *w);
bool work_is_to_begin(const struct work *w); /* something was accepted, and is about to begin */
/* A restart is played: the device is away until then; 0, or a time that is over: it is not. */
int64_t work_away_until_ms(const struct work *w);

#endif
