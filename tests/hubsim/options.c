/* tests/hubsim: see options.h */
#include "tests/hubsim/options.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "tests/hubsim/auth.h"

#define DEVICES_MAX 1000000 /* contract 7.1 */
#define UNITS_MAX 200
#define TOKEN_SECONDS_MAX 3153600000u
#define BOOT_SECONDS_MAX 86400.0

const char options_help[] =
        "hubsim: a local IoT Hub with a simulated fleet, for development and tests.\n"
        "\n"
        "Doors (HOST: 127.0.0.1, ::1 in brackets, or localhost; PORT 0: any free one)\n"
        "  --listen HOST:PORT         service REST, plain (127.0.0.1:8081 where no door is named)\n"
        "  --tls-listen HOST:PORT     service REST, TLS 1.2 and up\n"
        "  --mqtt-listen HOST:PORT    device MQTT 3.1.1, TLS 1.2 and up\n"
        "  --mqtt-plain-listen HOST:PORT  the same, plain; HOST on this machine only\n"
        "  --cert FILE, --key FILE    of the TLS doors (hubsim-cert.pem, hubsim-key.pem); made at first start if both\n"
        "                             are absent, and then the certificate is what clients take as CA file\n"
        "  --device-ca FILE           PEM: the authorities whose certificates devices may log in with that are\n"
        "                             registered as certificateAuthority; the common name is the device's id\n"
        "  --allow-remote             let doors be opened to other machines\n"
        "\n"
        "Fleet and hub\n"
        "  --devices N                devices, up to 1000000 (100)\n"
        "  --seed S                   of all luck: same seed, same fleet (1)\n"
        "  --sku S1|S2|S3|none        whose throttles and quota hold; F1 too (none)\n"
        "  --units N                  of that SKU, 1 to 200 (1)\n"
        "  --boot-seconds N[-M]       how long a restart takes; decimals are fine (2-4)\n"
        "  --temperament FILE         JSON: how devices and hub behave, see tests/hubsim/README.md\n"
        "  --journal FILE             JSON lines: what really happened, by the hub's time\n"
        "  --usage FILE               JSON, written at the end: what throttles and quota were used for\n"
        "\n"
        "Clients\n"
        "  --host-name NAME           HostName of the hub (localhost)\n"
        "  --policy NAME              " AUTH_POLICIES_TEXT " (service)\n"
        "  --secondary-key            print what follows with the secondary key instead of the primary\n"
        "  --bearer-file FILE         its first line is a bearer token that may do everything, as one of Entra ID\n"
        "  --secret-file FILE         what the policies' keys are made from; without it they are known to all\n"
        "  --print-connection-string  print the policy's connection string\n"
        "  --print-token SECONDS      print a SAS token of the policy that lives so long\n"
        "  --print-device-connection-string ID  print that device's connection string: of --devices and --seed\n"
        "                             (where no door is named, each prints and ends)\n"
        "\n"
        "Running\n"
        "  --ready-file FILE          written once the doors are open: JSON with pid, http, https, mqtt, mqtts,\n"
        "                             connectionString\n"
        "  --help, --version\n"
        "\n"
        "When the doors are open, one line on standard output says so: \"hubsim: ready http=URL https=URL mqtt=URL\n"
        "mqtts=URL\", as far as they are.\n"
        "SIGTERM and SIGINT end it with status 0. Status 1: it failed; 2: the command line is wrong.\n";

enum kind { FLAG, TEXT, NUMBER, SEED, ADDRESS, SKU, BOOT };

struct entry {
	const char *name;
	enum kind kind;
	size_t offset;
	uint32_t min, max; /* NUMBER */
};

static const struct entry entries[] = {
#define E(name, kind, member) \
	{ \
		name, kind, offsetof(struct options, member), 0, 0 \
	}
#define E_NUMBER(name, member, min, max) \
	{ \
		name, NUMBER, offsetof(struct options, member), min, max \
	}
        E("listen", ADDRESS, listen),
        E("tls-listen", ADDRESS, tls_listen),
        E("mqtt-listen", ADDRESS, mqtt_listen),
        E("mqtt-plain-listen", ADDRESS, mqtt_plain_listen),
        E("cert", TEXT, cert_file),
        E("key", TEXT, key_file),
        E("device-ca", TEXT, device_ca_file),
        E("allow-remote", FLAG, allows_remote),
        E_NUMBER("devices", devices_n, 0, DEVICES_MAX),
        E("seed", SEED, seed),
        E("sku", SKU, sku),
        E_NUMBER("units", units, 1, UNITS_MAX),
        E("boot-seconds", BOOT, boot),
        E("temperament", TEXT, temperament_file),
        E("journal", TEXT, journal_file),
        E("usage", TEXT, usage_file),
        E("host-name", TEXT, host),
        E("policy", TEXT, policy),
        E("secondary-key", FLAG, uses_secondary_key),
        E("bearer-file", TEXT, bearer_file),
        E("secret-file", TEXT, secret_file),
        E("print-connection-string", FLAG, prints_connection_string),
        E("print-device-connection-string", TEXT, device),
        E_NUMBER("print-token", token_seconds, 1, TOKEN_SECONDS_MAX),
        E("ready-file", TEXT, ready_file),
        E("help", FLAG, wants_help),
        E("version", FLAG, wants_version),
#undef E_NUMBER
#undef E
};
#define ENTRIES_N (sizeof entries / sizeof *entries)

static bool read_whole(const char *text, uint64_t max, uint64_t *ret_number)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || number > max)
		return false;
	*ret_number = number;
	return true;
}

static bool read_address(const char *text, struct sockaddr_storage *ret_address)
{
	const char *colon = strrchr(text, ':');
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret_address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_address;
	uint64_t port;
	char host[64];
	size_t len;

	if (colon == NULL || !read_whole(colon + 1, 65535, &port) ||
	    (len = (size_t)(colon - text)) >= sizeof host)
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	memset(ret_address, 0, sizeof *ret_address);
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &v4->sin_addr) == 1;
}

/* A door, and not on the loopback device. */
static bool is_remote(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET6)
		return !IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
	return address->ss_family != 0 &&
	       ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 != 127;
}

static bool read_sku(const char *text, enum world_sku *ret_sku)
{
	static const struct {
		const char *name;
		enum world_sku sku;
	} skus[] = {{"none", WORLD_SKU_NONE},
	            {"F1", WORLD_SKU_F1},
	            {"S1", WORLD_SKU_S1},
	            {"S2", WORLD_SKU_S2},
	            {"S3", WORLD_SKU_S3}};

	for (size_t i = 0; i < sizeof skus / sizeof *skus; i++) {
		if (strcmp(skus[i].name, text) == 0) {
			*ret_sku = skus[i].sku;
			return true;
		}
	}
	return false;
}

/* "3", "0.5" or "2-4" */
static bool read_boot(const char *text, struct world_span *ret_span)
{
	double min, max;
	char *end;

	min = max = strtod(text, &end);
	if (*end == '-' && isdigit((unsigned char)end[1]))
		max = strtod(end + 1, &end);
	if (!isdigit((unsigned char)text[0]) || *end != '\0' || !(min <= max) || !(max >= 0.001) ||
	    !(max <= BOOT_SECONDS_MAX))
		return false;
	ret_span->min_ms = llround(min * 1000);
	ret_span->max_ms = llround(max * 1000);
	return true;
}

static bool read_entry(const struct entry *entry, const char *text, struct options *o, struct buf *why)
{
	void *target = (char *)o + entry->offset;
	uint64_t number;

	switch (entry->kind) {
	case FLAG:
		*(bool *)target = true;
		return true;
	case TEXT:
		*(const char **)target = text;
		return true;
	case NUMBER:
		if (read_whole(text, entry->max, &number) && number >= entry->min) {
			*(uint32_t *)target = (uint32_t)number;
			return true;
		}
		buf_printf(why, "--%s: must be a whole number from %u to %u", entry->name, entry->min,
		           entry->max);
		return false;
	case SEED:
		if (read_whole(text, UINT64_MAX, target))
			return true;
		buf_printf(why, "--%s: must be a whole number", entry->name);
		return false;
	case ADDRESS:
		if (read_address(text, target))
			return true;
		buf_printf(why, "--%s: must be ADDRESS:PORT, the address in numbers or localhost",
		           entry->name);
		return false;
	case SKU:
		if (read_sku(text, target))
			return true;
		buf_printf(why, "--%s: must be F1, S1, S2, S3 or none", entry->name);
		return false;
	case BOOT:
		if (read_boot(text, target))
			return true;
		buf_printf(why, "--%s: must be seconds, or LEAST-MOST, from 0.001 to %.0f", entry->name,
		           BOOT_SECONDS_MAX);
		return false;
	}
	abort();
}

/* What must hold of the options together. */
static bool are_sound(const struct options *o, struct buf *why)
{
	if (!o->allows_remote &&
	    (is_remote(&o->listen) || is_remote(&o->tls_listen) || is_remote(&o->mqtt_listen)))
		buf_puts(why, "a door to other machines needs --allow-remote");
	else if (is_remote(&o->mqtt_plain_listen))
		buf_puts(why, "--mqtt-plain-listen: must be an address of this machine only");
	else if (o->device_ca_file != NULL && o->mqtt_listen.ss_family == 0)
		buf_puts(why, "--device-ca: devices show certificates at --mqtt-listen only");
	else if (!auth_has_policy(o->policy))
		buf_puts(why, "--policy: must be one of " AUTH_POLICIES_TEXT);
	else if (o->host[0] == '\0' || strlen(o->host) > 253 ||
	         o->host[strspn(o->host,
	                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")] != '\0')
		buf_puts(why, "--host-name: must be a DNS name");
	else
		return true;
	return false;
}

bool options_have_door(const struct options *o)
{
	return o->listen.ss_family != 0 || o->tls_listen.ss_family != 0 || o->mqtt_listen.ss_family != 0 ||
	       o->mqtt_plain_listen.ss_family != 0;
}

bool options_read(int argc, char *const *argv, struct options *ret_options, struct buf *ret_why)
{
	struct option table[ENTRIES_N + 1];
	struct options o = {
	        .cert_file = "hubsim-cert.pem",
	        .key_file = "hubsim-key.pem",
	        .host = "localhost",
	        .policy = "service",
	        .devices_n = 100,
	        .units = 1,
	        .seed = 1,
	        .sku = WORLD_SKU_NONE,
	};
	int i = 0;

	memset(table, 0, sizeof table);
	for (size_t n = 0; n < ENTRIES_N; n++)
		table[n] = (struct option){
		        entries[n].name, entries[n].kind == FLAG ? no_argument : required_argument, NULL, 0};
	opterr = 0;
	optind = 0; /* start afresh, also when called again */
	for (;;) {
		switch (getopt_long(argc, argv, ":", table, &i)) {
		case 0:
			if (!read_entry(&entries[i], optarg, &o, ret_why))
				return false;
			continue;
		case ':':
			buf_printf(ret_why, "%s: needs a value", argv[optind - 1]);
			return false;
		case '?':
			buf_printf(ret_why, "%s: there is no such option, or it takes no value",
			           argv[optind - 1]);
			return false;
		default:
			break;
		}
		break;
	}
	if (optind < argc) {
		buf_printf(ret_why, "%s: what is this?", argv[optind]);
		return false;
	}
	if (!options_have_door(&o) && !o.prints_connection_string && o.token_seconds == 0 && o.device == NULL)
		(void)read_address("127.0.0.1:8081", &o.listen);
	if (!are_sound(&o, ret_why))
		return false;
	*ret_options = o;
	return true;
}
