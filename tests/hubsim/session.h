/* session: what MQTT keeps of a client over its connections: its subscriptions, by client id (contract 8.1,
 * 8.4). Pure. */
#ifndef ROLLCALL_TESTS_HUBSIM_SESSION_H
#define ROLLCALL_TESTS_HUBSIM_SESSION_H

#include <stdbool.h>
#include <stddef.h>

enum { SESSION_FILTERS_MAX = 5 }; /* contract 8.1 */

struct sessions;

struct session {
	size_t n;
	char *filters[SESSION_FILTERS_MAX];
};

struct sessions *sessions_new(void);
void sessions_free(struct sessions *s); /* NULL is fine */
/* Gives a client's session, made where there is none. It stays until forgotten. */
struct session *sessions_get(struct sessions *s, const char *client_id, bool *ret_is_new);
/* Nothing where there is none. */
void sessions_forget(struct sessions *s, const char *client_id);

/* The same filter again takes its own place. False: it would be one too many. */
bool session_subscribe(struct session *session, const char *filter);
void session_unsubscribe(struct session *session, const char *filter);
/* Whether any filter fits: however many do, it is delivered once. */
bool session_takes(const struct session *session, const char *topic);

#endif
