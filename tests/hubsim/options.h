/* options: hubsim's command line. */
#ifndef ROLLCALL_TESTS_HUBSIM_OPTIONS_H
#define ROLLCALL_TESTS_HUBSIM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "server/base/buf.h"
#include "tests/world/world.h"

struct options {
	struct sockaddr_storage listen, tls_listen, mqtt_listen,
	        mqtt_plain_listen; /* ss_family 0: no such door */
	bool allows_remote;
	const char *cert_file, *key_file;
	const char *device_ca_file; /* NULL: no authority vouches for devices */
	const char *host;           /* the hub's HostName */
	const char *device;         /* whose connection string is printed; NULL: none's */
	const char *policy;         /* whose connection string or token is printed */
	bool uses_secondary_key;    /* its second key instead of its first */
	const char *secret_file;    /* NULL: the built-in secret */
	const char *bearer_file;    /* holds a bearer token; NULL: none is good */
	const char *temperament_file, *journal_file, *usage_file, *ready_file; /* NULL: none */
	bool prints_connection_string, wants_help, wants_version;
	uint32_t token_seconds; /* 0: print no token */
	uint32_t devices_n, units;
	uint64_t seed;
	enum world_sku sku;
	struct world_span boot; /* max_ms 0: not said */
};

/* Reads the command line, whose texts are kept. False: why stands in ret_why. */
bool options_read(int argc, char *const *argv, struct options *ret_options, struct buf *ret_why);
bool options_have_door(const struct options *o);
extern const char options_help[];

#endif
