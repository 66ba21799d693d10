/* agent: see options.h */
#include "deploy/agent/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/agent/command.h"

#define CONNECTION_BYTES_MAX 4096
#define ENVIRONMENT "ROLLCALL_AGENT_"

/* What can be said, in the order of --help; as --NAME VALUE, or as ROLLCALL_AGENT_NAME in the environment. */
enum which {
	CONNECTION_STRING,
	CONNECTION_STRING_FILE,
	CERT_FILE,
	KEY_FILE,
	CA_FILE,
	ENDPOINT,
	PLAINTEXT,
	STATE_FILE,
	ON_REBOOT,
	ON_FACTORY_RESET,
	ON_FIRMWARE_UPDATE,
	FACTORY_RESET_ENDS,
	FIRMWARE_UPDATE_ENDS,
	CHECK_FIRMWARE,
	FIRMWARE_VERSION_FILE,
	RESTART_TIMEOUT,
	PRETEND_SECONDS,
	KEEPALIVE,
	TOKEN_SECONDS,
	BOOT_ID_FILE,
	HELP,
	OPTIONS_N
};
static const struct {
	const char *name, *value, *preset, *help;
} table[OPTIONS_N] = {
        [CONNECTION_STRING] = {"connection-string", "TEXT", NULL,
                               "the device's; a file does not show in the list of processes"},
        [CONNECTION_STRING_FILE] = {"connection-string-file", "FILE", NULL, "a file that holds it"},
        [CERT_FILE] = {"cert-file", "FILE", NULL,
                       "the device's certificate, PEM, where the connection string says x509=true"},
        [KEY_FILE] = {"key-file", "FILE", NULL, "its private key"},
        [CA_FILE] = {"ca-file", "FILE", NULL, "whom to trust, PEM; else the system's"},
        [ENDPOINT] = {"endpoint", "HOST[:PORT]", NULL,
                      "where to connect; else GatewayHostName, else HostName, port 8883"},
        [PLAINTEXT] = {"plaintext", "yes|no", "no", "no TLS; for tests, to a loopback address only"},
        [STATE_FILE] = {"state-file", "FILE", "/var/lib/rollcall-agent/state.json", "what survives restarts"},
        [ON_REBOOT] = {"on-reboot", "COMMAND", NULL, "what restarts the device, as: systemctl reboot"},
        [ON_FACTORY_RESET] = {"on-factory-reset", "COMMAND", NULL, "what resets it"},
        [ON_FIRMWARE_UPDATE] = {"on-firmware-update", "COMMAND", NULL,
                                "what updates it, from $ROLLCALL_PACKAGE_URI"},
        [FACTORY_RESET_ENDS] = {"factory-reset-ends", "boot|exit", "boot",
                                "done after the restart, or when the command has ended"},
        [FIRMWARE_UPDATE_ENDS] = {"firmware-update-ends", "boot|exit", "exit", "the same"},
        [CHECK_FIRMWARE] = {"check-firmware", "COMMAND", NULL,
                            "run after an update; status 0: the new firmware runs"},
        [FIRMWARE_VERSION_FILE] = {"firmware-version-file", "FILE", NULL,
                                   "its first line is the version that runs"},
        [RESTART_TIMEOUT] = {"restart-timeout", "SECONDS", "600", "in which a restart has to follow"},
        [PRETEND_SECONDS] = {"pretend-seconds", "SECONDS", "2", "how long an action without a command takes"},
        [KEEPALIVE] = {"keepalive", "SECONDS", "240", "of MQTT, 10 to 1177"},
        [TOKEN_SECONDS] = {"token-seconds", "SECONDS", "3600",
                           "life of a token; it is renewed after three quarters"},
        [BOOT_ID_FILE] = {"boot-id-file", "FILE", "/proc/sys/kernel/random/boot_id",
                          "tells one boot from another"},
        [HELP] = {"help", NULL, NULL, "this text"},
};

static void help(void)
{
	printf("Usage: rollcall-agent --connection-string-file FILE [option…]\n\n"
	       "Takes reboot, factoryReset and firmwareUpdate from an Azure IoT Hub, runs the command given for each,\n"
	       "and reports through the device's twin what came of it. Without a command it only pretends.\n"
	       "Every option can be said in the environment, too: --on-reboot as " ENVIRONMENT
	       "ON_REBOOT.\n\n");
	for (int i = 0; i < OPTIONS_N; i++)
		printf("  --%s%s%s\n        %s%s%s%s\n", table[i].name, table[i].value == NULL ? "" : " ",
		       table[i].value == NULL ? "" : table[i].value, table[i].help,
		       table[i].preset == NULL ? "" : " (", table[i].preset == NULL ? "" : table[i].preset,
		       table[i].preset == NULL ? "" : ")");
}

/* --- where values come from --- */

struct reading {
	const char *values[OPTIONS_N];
	struct options *o;
	bool is_wrong;
};

static void wrong(struct reading *r, enum which which, const char *why)
{
	fprintf(stderr, "rollcall-agent: --%s: %s\n", table[which].name, why);
	r->is_wrong = true;
}

static void from_environment(struct reading *r)
{
	char name[64];

	for (int i = 0; i < HELP; i++) {
		const char *from = table[i].name;
		char *to = name + strlen(ENVIRONMENT);

		memcpy(name, ENVIRONMENT, sizeof ENVIRONMENT);
		for (; *from != '\0'; from++)
			*to++ = *from == '-' ? '_' : (char)toupper((unsigned char)*from);
		*to = '\0';
		r->values[i] = getenv(name);
		if (r->values[i] != NULL && r->values[i][0] == '\0')
			r->values[i] = NULL;
	}
}

static enum options_end from_command_line(struct reading *r, int argc, char **argv)
{
	struct option list[OPTIONS_N + 1] = {{0}};
	int i;

	for (i = 0; i < OPTIONS_N; i++)
		list[i] =
		        (struct option){table[i].name, i == HELP ? no_argument : required_argument, NULL, i};
	while ((i = getopt_long(argc, argv, "", list, NULL)) != -1) {
		if (i == HELP)
			return OPTIONS_HELP;
		if (i == '?')
			return OPTIONS_WRONG; /* getopt has said what */
		r->values[i] = optarg;
	}
	if (optind == argc)
		return OPTIONS_GOOD;
	fprintf(stderr, "rollcall-agent: %s: is no option\n", argv[optind]);
	return OPTIONS_WRONG;
}

/* --- what they mean --- */

/* Gives the file's text without white space at its ends, yours to free(); NULL: said. */
static char *read_secret(struct reading *r, enum which which)
{
	char text[CONNECTION_BYTES_MAX], *start = text, *secret;
	FILE *in = fopen(r->values[which], "re");
	size_t n = in == NULL ? 0 : fread(text, 1, sizeof text, in);
	bool is_read = in != NULL && !ferror(in) && n < sizeof text;

	if (!is_read)
		wrong(r, which, n == sizeof text ? "is too long" : strerror(errno));
	if (in != NULL)
		fclose(in);
	if (!is_read)
		return NULL;
	while (n > 0 && isspace((unsigned char)text[n - 1]))
		n--;
	text[n] = '\0';
	start += strspn(start, " \t\r\n");
	secret = strdup(start);
	explicit_bzero(text, sizeof text);
	return secret;
}

static void read_connection(struct reading *r)
{
	enum which which = r->values[CONNECTION_STRING] != NULL ? CONNECTION_STRING : CONNECTION_STRING_FILE;
	char why[160], *text;

	if (r->values[which] == NULL) {
		wrong(r, which, "is needed, or its like without -file");
		return;
	}
	text = which == CONNECTION_STRING_FILE ? read_secret(r, which) : strdup(r->values[which]);
	if (text == NULL) {
		r->is_wrong = true;
		return;
	}
	if (!connection_read(text, &r->o->connection, why, sizeof why))
		wrong(r, which, why);
	explicit_bzero(text, strlen(text));
	free(text);
}

static bool read_choice(struct reading *r, enum which which, const char *yes, const char *no)
{
	const char *value = r->values[which];

	if (strcmp(value, yes) == 0)
		return true;
	if (strcmp(value, no) != 0)
		wrong(r, which, "is neither of its two values");
	return false;
}

static int read_number(struct reading *r, enum which which, int least, int most)
{
	const char *value = r->values[which];
	char why[80], *end = NULL;
	long number = strtol(value, &end, 10);

	if (*value >= '0' && *value <= '9' && *end == '\0' && number >= least && number <= most)
		return (int)number;
	snprintf(why, sizeof why, "has to be a whole number from %d to %d", least, most);
	wrong(r, which, why);
	return least;
}

static char **read_command(struct reading *r, enum which which)
{
	char **words;

	if (r->values[which] == NULL)
		return NULL;
	words = command_split(r->values[which]);
	if (words == NULL)
		wrong(r, which, "is no command: no word, or a quote that is not closed");
	return words;
}

static bool is_loopback(const char *host)
{
	return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

static void read_address(struct reading *r)
{
	struct options *o = r->o;
	const char *text = r->values[ENDPOINT] != NULL     ? r->values[ENDPOINT]
	                   : o->connection.gateway != NULL ? o->connection.gateway
	                                                   : o->connection.host;

	o->is_plain = read_choice(r, PLAINTEXT, "yes", "no");
	if (text == NULL)
		return; /* said before */
	o->address = malloc(strlen(text) + 1);
	if (o->address == NULL || !address_read(text, o->is_plain ? 1883 : 8883, o->address, &o->port))
		wrong(r, ENDPOINT,
		      "is no HOST[:PORT], or what stands for it in the connection string is not");
	else if (o->is_plain && !is_loopback(o->address))
		wrong(r, PLAINTEXT, "only to a loopback address");
}

static void read_x509(struct reading *r)
{
	struct options *o = r->o;

	o->cert_file = r->values[CERT_FILE];
	o->key_file = r->values[KEY_FILE];
	if (o->connection.host == NULL)
		return; /* said before */
	if (o->connection.key == NULL && (o->cert_file == NULL || o->key_file == NULL))
		wrong(r, CERT_FILE, "x509=true takes both certificate and key");
	if (o->connection.key != NULL && (o->cert_file != NULL || o->key_file != NULL))
		wrong(r, CERT_FILE, "the connection string does not say x509=true");
}

static void read_all(struct reading *r)
{
	struct options *o = r->o;

	for (int i = 0; i < OPTIONS_N; i++)
		if (r->values[i] == NULL)
			r->values[i] = table[i].preset;
	read_connection(r);
	read_address(r);
	read_x509(r);
	o->ca_file = r->values[CA_FILE];
	o->state_file = r->values[STATE_FILE];
	o->boot_id_file = r->values[BOOT_ID_FILE];
	o->firmware_version_file = r->values[FIRMWARE_VERSION_FILE];
	o->commands[ACT_REBOOT] = read_command(r, ON_REBOOT);
	o->commands[ACT_FACTORY_RESET] = read_command(r, ON_FACTORY_RESET);
	o->commands[ACT_FIRMWARE_UPDATE] = read_command(r, ON_FIRMWARE_UPDATE);
	o->check_firmware = read_command(r, CHECK_FIRMWARE);
	o->ends_by_exit[ACT_FACTORY_RESET] = read_choice(r, FACTORY_RESET_ENDS, "exit", "boot");
	o->ends_by_exit[ACT_FIRMWARE_UPDATE] = read_choice(r, FIRMWARE_UPDATE_ENDS, "exit", "boot");
	o->restart_timeout_s = read_number(r, RESTART_TIMEOUT, 1, 86400);
	o->pretend_s = read_number(r, PRETEND_SECONDS, 0, 3600);
	o->keepalive_s = read_number(r, KEEPALIVE, 10, 1177);
	o->token_s = read_number(r, TOKEN_SECONDS, 10, 86400);
}

enum options_end options_read(int argc, char **argv, struct options *ret)
{
	struct reading r = {.o = ret};
	enum options_end end;

	*ret = (struct options){.address = NULL};
	from_environment(&r);
	end = from_command_line(&r, argc, argv);
	if (end == OPTIONS_HELP)
		help();
	if (end == OPTIONS_GOOD) {
		read_all(&r);
		end = r.is_wrong ? OPTIONS_WRONG : OPTIONS_GOOD;
	}
	for (int i = 1; i < argc; i++)
		if (argv[i] == r.values[CONNECTION_STRING] ||
		    strncmp(argv[i], "--connection-string=", 20) == 0)
			explicit_bzero(argv[i], strlen(argv[i]));
	if (end != OPTIONS_GOOD)
		options_done(ret);
	return end;
}

void options_done(struct options *o)
{
	connection_done(&o->connection);
	free(o->address);
	for (int t = 0; t < ACT_TYPES_N; t++)
		command_free(o->commands[t]);
	command_free(o->check_firmware);
	*o = (struct options){.address = NULL};
}
