/* tests/hubsim: a local IoT Hub. Wires the parts, runs the loop, stops them in reverse. */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <uv.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "tests/hubsim/auth.h"
#include "tests/hubsim/cert.h"
#include "tests/hubsim/devices.h"
#include "tests/hubsim/drive.h"
#include "tests/hubsim/http.h"
#include "tests/hubsim/journal.h"
#include "tests/hubsim/options.h"
#include "tests/hubsim/rest.h"
#include "tests/hubsim/temperament.h"
#include "tests/hubsim/usage.h"
#include "tests/hubsim/x509.h"
#include "tests/world/world.h"

#define FILE_BYTES_MAX (1u << 20)

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct hubsim {
	struct options options;
	struct temperament temperament;
	struct auth *auth;
	struct world *world;
	struct journal *journal;
	struct rest *rest;
	struct devices *devices;
	struct drive drive;
	SSL_CTX *tls, *device_tls; /* device_tls asks for certificates */
	uv_loop_t loop;
	uv_signal_t on_term, on_int;
	struct buf http_url, https_url, mqtt_url, mqtts_url; /* empty: no such door */
	bool is_stopping;
	int status;
};

/* Says why it cannot go on; false, for the caller to pass on. */
static bool fail(const char *what, const char *why)
{
	fprintf(stderr, "hubsim: %s%s%s\n", what, why != NULL ? ": " : "", why != NULL ? why : "");
	return false;
}

static bool file_read(const char *path, struct buf *ret_text)
{
	FILE *in = fopen(path, "r");
	size_t n;

	if (in == NULL)
		return fail(path, strerror(errno));
	do {
		n = fread(buf_reserve(ret_text, 65536), 1, 65536, in);
		ret_text->len += n;
	} while (n > 0 && ret_text->len <= FILE_BYTES_MAX);
	buf_puts(ret_text, "");
	n = (size_t)ferror(in);
	fclose(in);
	if (n != 0)
		return fail(path, "cannot be read");
	return ret_text->len <= FILE_BYTES_MAX || fail(path, "is larger than 1 MiB");
}

/* --- Making the parts ----------------------------------------------------------------------------------- */

static bool auth_make(struct hubsim *h)
{
	struct buf secret = BUF_INIT;
	bool ok = true;

	if (h->options.secret_file == NULL)
		buf_puts(&secret, "hubsim");
	else
		ok = file_read(h->options.secret_file, &secret) &&
		     (strlen(secret.data) >= 16 ||
		      fail(h->options.secret_file, "must hold 16 bytes or more"));
	if (ok)
		h->auth = auth_new(h->options.host, secret.data);
	buf_done(&secret);
	return ok;
}

/* Whether there is a bearer token where one is wanted. */
static bool bearer_take(struct hubsim *h)
{
	const char *file = h->options.bearer_file;
	struct buf text = BUF_INIT;
	bool ok;

	if (file == NULL)
		return true;
	ok = file_read(file, &text);
	if (ok) {
		text.data[strcspn(text.data, "\r\n")] = '\0';
		ok = text.data[0] != '\0' || fail(file, "its first line is empty");
	}
	if (ok)
		auth_accept_bearer(h->auth, text.data);
	buf_done(&text);
	return ok;
}

static bool device_connection_string(const struct hubsim *h, struct buf *out)
{
	const char *id = h->options.device;
	struct buf key = BUF_INIT;
	bool ok = world_device_key(h->world, id, h->options.uses_secondary_key, &key) == ERR_OK;

	if (ok) {
		auth_device_connection_string(h->auth, id, key.data, out);
		buf_putc(out, '\n');
	}
	buf_done(&key);
	return ok || fail(id, "there is no such device in this fleet");
}

static bool credentials_print(const struct hubsim *h)
{
	const struct options *o = &h->options;
	struct buf text = BUF_INIT;
	bool ok;

	if (o->prints_connection_string) {
		auth_connection_string(h->auth, o->policy, o->uses_secondary_key, &text);
		buf_putc(&text, '\n');
	}
	if (o->token_seconds > 0) {
		auth_token(h->auth, o->policy, o->uses_secondary_key,
		           clock_now_ms() / 1000 + o->token_seconds, &text);
		buf_putc(&text, '\n');
	}
	ok = o->device == NULL || device_connection_string(h, &text);
	if (ok && text.len > 0) {
		fputs(text.data, stdout);
		fflush(stdout);
	}
	buf_done(&text);
	return ok;
}

static bool temperament_load(struct hubsim *h, struct world_options *options)
{
	struct buf text = BUF_INIT, wrong = BUF_INIT;
	bool ok;

	if (h->options.temperament_file == NULL)
		return true;
	ok = file_read(h->options.temperament_file, &text);
	if (ok && !temperament_read(text.data, text.len, options, &h->temperament, &wrong)) {
		fprintf(stderr, "hubsim: %s:\n%s", h->options.temperament_file, wrong.data);
		ok = false;
	}
	buf_done(&text);
	buf_done(&wrong);
	return ok;
}

static bool world_make(struct hubsim *h)
{
	const struct options *o = &h->options;
	struct world_options options;

	world_options_init(&options);
	options.host = o->host;
	options.start_ms = clock_now_ms();
	options.seed = o->seed;
	options.devices_n = o->devices_n;
	options.sku = o->sku;
	options.units = o->units;
	if (!temperament_load(h, &options))
		return false;
	if (o->boot.max_ms > 0)
		options.boot = o->boot;
	h->world = world_new(&options);
	for (size_t i = 0; i < h->temperament.faults_n; i++)
		world_fault_add(h->world, &h->temperament.faults[i]);
	return true;
}

static bool journal_make(struct hubsim *h)
{
	if (h->options.journal_file == NULL)
		return true;
	h->journal = journal_open(h->options.journal_file);
	return h->journal != NULL || fail(h->options.journal_file, strerror(errno));
}

static bool tls_make(struct hubsim *h)
{
	const struct options *o = &h->options;
	struct buf why = BUF_INIT;
	bool ok;

	ok = (o->tls_listen.ss_family == 0 ||
	      cert_context(o->cert_file, o->key_file, o->host, &h->tls, &why) == ERR_OK) &&
	     (o->mqtt_listen.ss_family == 0 ||
	      (cert_context(o->cert_file, o->key_file, o->host, &h->device_tls, &why) == ERR_OK &&
	       x509_ask(h->device_tls, o->device_ca_file, &why) == ERR_OK));
	if (!ok)
		fail(why.data, NULL);
	buf_done(&why);
	return ok;
}

enum door { DOOR_SERVICE, DOOR_DEVICES };

static bool door_open(struct hubsim *h, enum door door, const struct sockaddr_storage *address, SSL_CTX *tls,
                      struct buf *ret_url)
{
	static const char *const schemes[][2] = {{"http", "https"}, {"mqtt", "mqtts"}};
	const struct sockaddr *at = (const struct sockaddr *)address;
	char host[INET6_ADDRSTRLEN];
	uint16_t port;
	int error;

	if (address->ss_family == 0)
		return true;
	error = door == DOOR_SERVICE ? http_listen(rest_http(h->rest), at, tls, &port)
	                             : devices_listen(h->devices, at, tls, &port);
	if (error != 0)
		return fail("cannot listen", uv_strerror(error));
	if (address->ss_family == AF_INET6)
		uv_ip6_name((const struct sockaddr_in6 *)address, host, sizeof host);
	else
		uv_ip4_name((const struct sockaddr_in *)address, host, sizeof host);
	buf_printf(ret_url, address->ss_family == AF_INET6 ? "%s://[%s]:%u" : "%s://%s:%u",
	           schemes[door][tls != NULL], host, port);
	return true;
}

static bool ready_file_write(const struct hubsim *h, const char *path)
{
	struct buf text = BUF_INIT, fresh = BUF_INIT, string = BUF_INIT;
	bool ok;
	FILE *out;

	auth_connection_string(h->auth, h->options.policy, h->options.uses_secondary_key, &string);
	buf_printf(&text, "{\"pid\":%d", (int)getpid());
	if (h->http_url.len > 0)
		buf_printf(&text, ",\"http\":\"%s\"", h->http_url.data);
	if (h->https_url.len > 0)
		buf_printf(&text, ",\"https\":\"%s\"", h->https_url.data);
	if (h->mqtt_url.len > 0)
		buf_printf(&text, ",\"mqtt\":\"%s\"", h->mqtt_url.data);
	if (h->mqtts_url.len > 0)
		buf_printf(&text, ",\"mqtts\":\"%s\"", h->mqtts_url.data);
	buf_printf(&text, ",\"connectionString\":\"%s\"}\n", string.data);
	/* whoever waits for the file sees it whole */
	buf_printf(&fresh, "%s.new", path);
	out = fopen(fresh.data, "w");
	ok = out != NULL && fputs(text.data, out) >= 0;
	if (out != NULL && fclose(out) != 0)
		ok = false;
	ok = (ok && rename(fresh.data, path) == 0) || fail(path, strerror(errno));
	buf_done(&text);
	buf_done(&fresh);
	buf_done(&string);
	return ok;
}

static bool ready_tell(const struct hubsim *h)
{
	if (h->options.ready_file != NULL && !ready_file_write(h, h->options.ready_file))
		return false;
	fputs("hubsim: ready", stdout);
	if (h->http_url.len > 0)
		printf(" http=%s", h->http_url.data);
	if (h->https_url.len > 0)
		printf(" https=%s", h->https_url.data);
	if (h->mqtt_url.len > 0)
		printf(" mqtt=%s", h->mqtt_url.data);
	if (h->mqtts_url.len > 0)
		printf(" mqtts=%s", h->mqtts_url.data);
	puts("");
	fflush(stdout);
	return true;
}

/* --- Running -------------------------------------------------------------------------------------------- */

/* The loop runs empty from here. */
static void stop(struct hubsim *h, int status)
{
	if (h->is_stopping)
		return;
	h->is_stopping = true;
	h->status = status;
	drive_stop(&h->drive);
	devices_stop(h->devices);
	http_stop(rest_http(h->rest));
	uv_close((uv_handle_t *)&h->on_term, NULL);
	uv_close((uv_handle_t *)&h->on_int, NULL);
}

static void on_signal(uv_signal_t *handle, int number)
{
	log_info("stopping", LI("signal", number));
	stop(handle->data, EXIT_SUCCESS);
}

static void on_journal_failed(void *arg)
{
	struct hubsim *h = arg;

	fail(h->options.journal_file, strerror(errno));
	stop(h, EXIT_FAILED);
}

static void run(struct hubsim *h)
{
	int64_t clock_offset_ms;

	uv_update_time(&h->loop);
	/* from here on the hub's time only grows: world knows no steps back */
	clock_offset_ms = clock_now_ms() - (int64_t)uv_now(&h->loop);
	h->rest = rest_new(&h->loop, h->world, h->auth, clock_offset_ms);
	h->devices = devices_new(&h->loop, h->world, h->auth, h->options.host, clock_offset_ms);
	h->drive = (struct drive){.loop = &h->loop,
	                          .world = h->world,
	                          .rest = h->rest,
	                          .devices = h->devices,
	                          .journal = h->journal,
	                          .clock_offset_ms = clock_offset_ms,
	                          .on_failed = on_journal_failed,
	                          .arg = h};
	uv_signal_init(&h->loop, &h->on_term);
	uv_signal_init(&h->loop, &h->on_int);
	h->on_term.data = h->on_int.data = h;
	uv_signal_start(&h->on_term, on_signal, SIGTERM);
	uv_signal_start(&h->on_int, on_signal, SIGINT);
	drive_start(&h->drive);
	if (!h->is_stopping &&
	    (!door_open(h, DOOR_SERVICE, &h->options.listen, NULL, &h->http_url) ||
	     !door_open(h, DOOR_SERVICE, &h->options.tls_listen, h->tls, &h->https_url) ||
	     !door_open(h, DOOR_DEVICES, &h->options.mqtt_plain_listen, NULL, &h->mqtt_url) ||
	     !door_open(h, DOOR_DEVICES, &h->options.mqtt_listen, h->device_tls, &h->mqtts_url) ||
	     !ready_tell(h)))
		stop(h, EXIT_FAILED);
	uv_run(&h->loop, UV_RUN_DEFAULT);
}

/* As many connections as the system lets us have. */
static void files_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int serve(struct hubsim *h)
{
	signal(SIGPIPE, SIG_IGN);
	files_raise();
	uv_loop_init(&h->loop);
	h->status = EXIT_FAILED;
	if (tls_make(h) && journal_make(h))
		run(h);
	rest_free(h->rest);
	devices_free(h->devices);
	if (uv_loop_close(&h->loop) != 0)
		abort();
	journal_close(h->journal);
	if (h->options.usage_file != NULL && usage_write(h->world, h->options.usage_file) != ERR_OK) {
		fail(h->options.usage_file, strerror(errno));
		h->status = EXIT_FAILED;
	}
	SSL_CTX_free(h->tls);
	SSL_CTX_free(h->device_tls);
	buf_done(&h->http_url);
	buf_done(&h->https_url);
	buf_done(&h->mqtt_url);
	buf_done(&h->mqtts_url);
	return h->status;
}

int main(int argc, char **argv)
{
	struct hubsim h;
	struct buf why = BUF_INIT;
	bool needs_world;
	int status = EXIT_FAILED;

	memset(&h, 0, sizeof h);
	if (!options_read(argc, argv, &h.options, &why)) {
		fprintf(stderr, "hubsim: %s\nhubsim --help tells more.\n", why.data);
		buf_done(&why);
		return EXIT_USAGE;
	}
	if (h.options.wants_help || h.options.wants_version) {
		fputs(h.options.wants_help ? options_help : "hubsim " ROLLCALL_VERSION "\n", stdout);
		return EXIT_SUCCESS;
	}
	needs_world = options_have_door(&h.options) || h.options.device != NULL;
	if (auth_make(&h) && bearer_take(&h) && (!needs_world || world_make(&h)) && credentials_print(&h))
		status = options_have_door(&h.options) ? serve(&h) : EXIT_SUCCESS;
	world_free(h.world);
	temperament_done(&h.temperament);
	auth_free(h.auth);
	return status;
}
