/* agent/twin: brings the twin's reported properties to what they are wanted to be. Reads the twin where it
 * does not know what the hub holds, and sends the difference; one request at a time.
 *
 *    IDLE ──not known──▶ READING ──▶ IDLE ──something else is wanted──▶ REPORTING ──acknowledged──▶ IDLE
 *
 * Without an acknowledgement it is not known whether a report got through: the twin is read before the next.
 */
#ifndef ROLLCALL_DEPLOY_AGENT_TWIN_H
#define ROLLCALL_DEPLOY_AGENT_TWIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct link;
struct twin;

/* Gives what properties.reported.iothubDM is to hold; NULL: not now, twin_changed() will be called. */
typedef json_t *twin_wanted(void *arg);

/* Gives a twin of which nothing is known, NULL: no memory. Keeps link. */
struct twin *twin_new(struct link *link, twin_wanted *wanted, void *arg);
void twin_free(struct twin *t); /* NULL is fine */

/* The link is up; is_known: the hub knew the device, and so holds what it held. */
void twin_link_up(struct twin *t, bool is_known);
void twin_link_down(struct twin *t);
/* What came for link_get_twin() or link_report(). */
void twin_answer(struct twin *t, int status, const char *rid, const char *body, size_t n);
/* Something else may be wanted now. */
void twin_changed(struct twin *t);

bool twin_is_busy(const struct twin *t); /* a request is out */
bool twin_is_told(const struct twin *t); /* the hub holds all that was wanted when last asked */
/* Does what is due; gives when there is more. */
int64_t twin_turn(struct twin *t);

#endif
