/* agent/link: one MQTT 3.1.1 connection to an IoT Hub at a time, over TLS or, to loopback, plain. The only
 * user of libmosquitto. One thread; handlers are called from link_run() only, and may send, but neither close
 * nor connect, but for on_down. */
#ifndef ROLLCALL_DEPLOY_AGENT_LINK_H
#define ROLLCALL_DEPLOY_AGENT_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link_options {
	const char *address; /* where to connect */
	int port;
	bool is_plain; /* no TLS */
	const char *device_id, *user_name;
	const char *ca_file;              /* NULL: the system's certificates */
	const char *cert_file, *key_file; /* NULL: no X.509 */
	int keepalive_s;
};

/* body is text of n bytes, and not ended by a zero. */
struct link_handlers {
	void (*on_up)(void *arg, bool is_known); /* the hub has kept the session, so it is who it was */
	void (*on_down)(void *arg, const char *why);
	void (*on_method)(void *arg, const char *name, const char *rid, const char *body, size_t n);
	void (*on_twin)(void *arg, int status, const char *rid, const char *body, size_t n);
};

struct link;

/* Gives a link that is down; keeps options and handlers. NULL: no memory. */
struct link *link_new(const struct link_options *options, const struct link_handlers *handlers, void *arg);
void link_free(struct link *l); /* NULL is fine */

/* Starts to connect, with the token or NULL (X.509): later on_up or on_down is called. False, with the reason
 * in *why: it could not even start, and on_down is not called. */
bool link_connect(struct link *l, const char *password, const char **why);
/* Says goodbye if it is up; down at once, without on_down. */
void link_close(struct link *l);

/* For poll(): the socket, -1 while down, and the events it waits for. */
int link_fd(const struct link *l);
short link_events(const struct link *l);
/* After poll() with what it said, or with 0 every few seconds: reads, writes, keeps alive. */
void link_run(struct link *l, short events);

/* Each sends at most once (QoS 0); what is lost with the connection is lost. body NULL: empty. */
void link_answer(struct link *l, const char *rid, int status, const char *body);
void link_get_twin(struct link *l, const char *rid);
void link_report(struct link *l, const char *rid, const char *body);

#endif
