/* server: tells the service manager how we are, by systemd's protocol (sd_notify(3)): a datagram of
 * NAME=value to the socket that $NOTIFY_SOCKET names. Without that variable nothing is done. */
#ifndef ROLLCALL_SERVER_NOTIFY_H
#define ROLLCALL_SERVER_NOTIFY_H

#include <stdint.h>

/* Sends state, such as "READY=1". What cannot be sent is no matter: the manager's own time-outs find out. */
void notify(const char *state);
/* How often the manager wants to hear "WATCHDOG=1", at the least: half of what it waits. 0: it does not watch
 * this process. */
int64_t notify_watchdog_ms(void);

#endif
