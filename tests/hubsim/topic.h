/* topic: what the names mean that devices use with IoT Hub over MQTT (contract 8.1, 8.2): user names, topics,
 * filters. Pure. */
#ifndef ROLLCALL_TESTS_HUBSIM_TOPIC_H
#define ROLLCALL_TESTS_HUBSIM_TOPIC_H

#include <stdbool.h>
#include <stddef.h>

enum { TOPIC_RID_BYTES_MAX = 256 };

/* What a device publishes. */
enum topic_kind {
	TOPIC_UNKNOWN,
	TOPIC_REPLY,  /* to a method call: status, rid */
	TOPIC_GET,    /* its twin: rid */
	TOPIC_REPORT, /* a patch of reported properties: rid */
	TOPIC_MESSAGE /* telemetry: properties */
};

struct topic {
	enum topic_kind kind;
	int status;
	char rid[TOPIC_RID_BYTES_MAX + 1];
	const char *properties; /* inside the text it was read from */
};

/* Reads what device may publish to; anything else is TOPIC_UNKNOWN. */
void topic_read(const char *text, const char *device_id, struct topic *ret_topic);
/* Gives the one WORLD_LINK_… bit of a filter that the device may subscribe to; 0: cloud-to-device messages,
 * which this hub never sends; -1: it may not. */
int topic_subscription(const char *filter, const char *device_id);
/* Whether a user name is good for this client id at this host: "{host}[:port]/{client id}/?api-version=…". */
bool topic_login_is_sound(const char *username, const char *client_id, const char *host);

#endif
