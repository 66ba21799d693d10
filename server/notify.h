/* server: the service manager, by systemd's protocols: tells it how we are (sd_notify(3): a datagram of
 * NAME=value to the socket that $NOTIFY_SOCKET names; without that variable nothing is done), takes the
 * socket that it gives. */
#ifndef ROLLCALL_SERVER_NOTIFY_H
#define ROLLCALL_SERVER_NOTIFY_H

#include <stdint.h>

/* Sends state, such as "READY=1". What cannot be sent is no matter: the manager's own time-outs find out. */
void notify(const char *state);
/* How often the manager wants to hear "WATCHDOG=1", at the least: half of what it waits. 0: it does not watch
 * this process. */
int64_t notify_watchdog_ms(void);
/* The socket on which the manager listens for us (sd_listen_fds(3)), from now on not that of programs we
 * start. 0: none; -1: it gives us not just one. */
int notify_socket(void);

#endif
