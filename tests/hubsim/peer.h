/* peer: for tests: runs the real hubsim, and speaks to it byte by byte. What goes wrong fails the test; every
 * wait ends after 20 s. The programs started die with the test. */
#ifndef ROLLCALL_TESTS_HUBSIM_PEER_H
#define ROLLCALL_TESTS_HUBSIM_PEER_H

#include <stdint.h>
#include <sys/types.h>

#include "server/base/buf.h"

struct peer {
	pid_t pid;
	uint16_t port, tls_port, mqtt_port, mqtts_port; /* 0: no such door */
	char folder[64];                                /* its working directory, empty at first */
	struct buf printed;                             /* standard output up to the ready line */
};

/* Runs program $HUBSIM with args, ended by NULL, in a folder of its own. Where it opens a door, comes back
 * when it is open. */
void peer_start(struct peer *p, const char *const *args);
/* Sends SIGTERM, asserts exit status 0 and removes the folder. */
void peer_stop(struct peer *p);
/* Runs it to its end; gives the exit status and what it printed on both outputs. */
int peer_run(const char *const *args, struct buf *ret_printed);
/* Puts text into a file of the peer's folder, to be: before peer_start(), which then keeps the folder. */
void peer_file_put(struct peer *p, const char *name, const char *text);
void peer_file_get(const struct peer *p, const char *name, struct buf *ret_text);

struct reply {
	int status;
	struct buf head; /* all lines, CRLF included */
	struct buf body;
};

int peer_dial(uint16_t port);
void peer_say(int fd, const char *text, size_t n);
/* Reads one answer. */
void peer_hear(int fd, struct reply *ret_reply);
/* Gives how the connection ended, after at most some unread bytes: 0 in order, else errno. */
int peer_hear_end(int fd);
/* Gives a header's value, NULL if it is not there; the next call overwrites it. */
const char *reply_header(const struct reply *r, const char *name);
void reply_done(struct reply *r);

#endif
