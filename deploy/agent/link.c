/* agent: see link.h */
#include "deploy/agent/link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mosquitto.h>

#include "deploy/agent/log.h"
#include "deploy/agent/topic.h"

#define CA_FOLDER "/etc/ssl/certs"
#define SESSION_PRESENT 1 /* of CONNACK's flags */

struct link {
	const struct link_options *options;
	const struct link_handlers *handlers;
	void *arg;
	struct mosquitto *mosq; /* a fresh one for each connection; NULL: down */
	bool is_up;             /* the hub has accepted */
	int lost;               /* why the connection ended in a callback, MOSQ_ERR_SUCCESS: it did not */
	int refused;            /* CONNACK's code */
};

struct link *link_new(const struct link_options *options, const struct link_handlers *handlers, void *arg)
{
	struct link *l = calloc(1, sizeof *l);

	if (l == NULL)
		return NULL;
	l->options = options;
	l->handlers = handlers;
	l->arg = arg;
	mosquitto_lib_init();
	return l;
}

static void drop(struct link *l)
{
	if (l->mosq != NULL)
		mosquitto_destroy(l->mosq);
	l->mosq = NULL;
	l->is_up = false;
}

void link_free(struct link *l)
{
	if (l == NULL)
		return;
	drop(l);
	mosquitto_lib_cleanup();
	free(l);
}

/* --- what the hub says --- */

static void on_connack(struct mosquitto *mosq, void *arg, int code, int flags)
{
	struct link *l = arg;

	if (code != 0) {
		l->refused = code;
		return; /* on_lost() follows */
	}
	if (mosquitto_subscribe(mosq, NULL, TOPIC_METHODS, 0) != MOSQ_ERR_SUCCESS ||
	    mosquitto_subscribe(mosq, NULL, TOPIC_TWIN, 0) != MOSQ_ERR_SUCCESS)
		return; /* on_lost() follows */
	l->is_up = true;
	l->handlers->on_up(l->arg, (flags & SESSION_PRESENT) != 0);
}

/* mosq is in use by its caller: it is destroyed by link_run(). */
static void on_lost(struct mosquitto *mosq, void *arg, int reason)
{
	struct link *l = arg;

	(void)mosq;
	l->lost = reason == MOSQ_ERR_SUCCESS ? MOSQ_ERR_CONN_LOST : reason;
}

static void on_message(struct mosquitto *mosq, void *arg, const struct mosquitto_message *m)
{
	char name[TOPIC_NAME_SIZE], rid[TOPIC_RID_SIZE];
	size_t n = (size_t)m->payloadlen;
	struct link *l = arg;
	int status;

	(void)mosq;
	if (topic_read_method(m->topic, name, rid))
		l->handlers->on_method(l->arg, name, rid, m->payload, n);
	else if (topic_read_twin(m->topic, &status, rid))
		l->handlers->on_twin(l->arg, status, rid, m->payload, n);
	else
		log_line(LOG_LEVEL_WARNING, "ignored a message on a topic that nobody asked for");
}

/* --- connecting --- */

static int set_up(struct link *l, const char *password)
{
	const struct link_options *o = l->options;
	int rc = mosquitto_username_pw_set(l->mosq, o->user_name, password);

	if (rc == MOSQ_ERR_SUCCESS && !o->is_plain)
		rc = mosquitto_tls_set(l->mosq, o->ca_file, o->ca_file == NULL ? CA_FOLDER : NULL,
		                       o->cert_file, o->key_file, NULL);
	if (rc != MOSQ_ERR_SUCCESS)
		return rc;
	mosquitto_connect_with_flags_callback_set(l->mosq, on_connack);
	mosquitto_disconnect_callback_set(l->mosq, on_lost);
	mosquitto_message_callback_set(l->mosq, on_message);
	return mosquitto_connect_async(l->mosq, o->address, o->port, o->keepalive_s);
}

bool link_connect(struct link *l, const char *password, const char **why)
{
	int rc, error;

	drop(l);
	l->lost = l->refused = 0;
	/* Not a clean session: the hub goes on delivering where a connection is only renewed. */
	l->mosq = mosquitto_new(l->options->device_id, false, l);
	rc = l->mosq == NULL ? MOSQ_ERR_NOMEM : set_up(l, password);
	error = errno;
	if (rc == MOSQ_ERR_SUCCESS)
		return true;
	*why = rc == MOSQ_ERR_ERRNO ? strerror(error) : mosquitto_strerror(rc);
	drop(l);
	return false;
}

void link_close(struct link *l)
{
	if (l->is_up)
		mosquitto_disconnect(l->mosq);
	drop(l);
}

/* --- the loop's part --- */

int link_fd(const struct link *l)
{
	return l->mosq == NULL ? -1 : mosquitto_socket(l->mosq);
}

short link_events(const struct link *l)
{
	return (short)(POLLIN | (mosquitto_want_write(l->mosq) ? POLLOUT : 0));
}

void link_run(struct link *l, short events)
{
	const char *why;
	int rc = MOSQ_ERR_SUCCESS;

	if (l->mosq == NULL)
		return;
	if (events & (POLLIN | POLLERR | POLLHUP))
		rc = mosquitto_loop_read(l->mosq, 1);
	/* libmosquitto 2.0 would go on waiting for TLS, with a socket that is always ready. */
	if (rc == MOSQ_ERR_SUCCESS && !l->is_up && (events & POLLHUP)) {
		rc = MOSQ_ERR_ERRNO;
		errno = ECONNREFUSED;
	}
	if (rc == MOSQ_ERR_SUCCESS && (events & POLLOUT))
		rc = mosquitto_loop_write(l->mosq, 1);
	if (rc == MOSQ_ERR_SUCCESS)
		rc = mosquitto_loop_misc(l->mosq);
	if (rc == MOSQ_ERR_SUCCESS && l->lost == 0)
		return;
	if (rc == MOSQ_ERR_SUCCESS)
		rc = l->lost;
	why = l->refused != 0        ? mosquitto_connack_string(l->refused)
	      : rc == MOSQ_ERR_ERRNO ? strerror(errno)
	                             : mosquitto_strerror(rc);
	drop(l);
	l->handlers->on_down(l->arg, why);
}

/* --- sending --- */

/* What cannot be sent is lost with the connection, whose end is told by link_run(). */
static void publish(struct link *l, const char *topic, const char *body)
{
	if (l->is_up)
		mosquitto_publish(l->mosq, NULL, topic, body == NULL ? 0 : (int)strlen(body), body, 0, false);
}

void link_answer(struct link *l, const char *rid, int status, const char *body)
{
	char topic[64 + TOPIC_RID_SIZE];

	snprintf(topic, sizeof topic, "$iothub/methods/res/%d/?$rid=%s", status, rid);
	publish(l, topic, body);
}

void link_get_twin(struct link *l, const char *rid)
{
	char topic[64 + TOPIC_RID_SIZE];

	snprintf(topic, sizeof topic, "$iothub/twin/GET/?$rid=%s", rid);
	publish(l, topic, NULL);
}

void link_report(struct link *l, const char *rid, const char *body)
{
	char topic[64 + TOPIC_RID_SIZE];

	snprintf(topic, sizeof topic, "$iothub/twin/PATCH/properties/reported/?$rid=%s", rid);
	publish(l, topic, body);
}
