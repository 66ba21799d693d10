/* server: wires the parts, runs the loop, stops the parts in reverse. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/api.h"
#include "api/oidc.h"
#include "server/base/buf.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/rng.h"
#include "server/base/secret.h"
#include "server/conductor.h"
#include "server/config.h"
#include "server/feed.h"
#include "server/health.h"
#include "server/hub/hub.h"
#include "server/issuer.h"
#include "server/loop.h"
#include "server/notify.h"
#include "server/webhook/webhooks.h"
#include "store/care.h"
#include "store/store.h"

/* A promise, told by --help. */
enum status {
	STATUS_STOPPED = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_DATABASE = 3,
	STATUS_LISTEN = 4,
	STATUS_CALLS_OUT = 5,
};

/*  SERVING ──signal──▶ DRAINING ──settled, or too late──▶ API ──▶ HUBS ──▶ STORE ──▶ over
 *     └──────────────── could not start ───────────────────▲
 * DRAINING still answers reads, and refuses orders. */
enum state { SERVING, DRAINING, STOPPING_API, FREEING_HUBS, CLOSING_STORE, OVER };

#define DRAIN_LOOK_MS 50     /* how soon it is seen that all is settled */
#define STOP_AT_ONCE_MS 1000 /* for what remains after a second signal */
#define CONNECTIONS_MAX 1536 /* of the API */
#define STREAMS_MAX 1024     /* among them, of events */
#define FILES_OF_OUR_OWN 64

struct service {
	struct config config;
	enum state state;
	enum status status;
	struct loop *loop;
	struct store *store;
	struct hub *hubs[HUBS_MAX];
	uint32_t hubs_n; /* not yet freed */
	struct feed *feed;
	struct conductor *conductor;
	struct webhooks *webhooks; /* NULL: none are configured */
	bool is_freeing_webhooks;
	struct api *api;
	struct oidc *oidc; /* NULL: no issuer, as the next */
	struct issuer *issuer;
	unsigned stops_n;         /* signals that ask for it */
	int64_t settle_mono_ms;   /* until then calls that are out are waited for */
	int64_t deadline_mono_ms; /* then the process ends, whatever is left to do */
	int64_t watchdog_ms;      /* how often the service manager wants to hear of us; 0: not at all */
	int64_t heard_mono_ms;    /* when it last did */
};

/* --- stopping --- */

static void on_api_stopped(void *arg)
{
	struct service *s = arg;

	s->api = NULL;
	loop_wake(s->loop);
}

static void on_webhooks_freed(void *arg)
{
	struct service *s = arg;

	s->webhooks = NULL;
	loop_wake(s->loop);
}

static void on_hub_freed(void *arg)
{
	struct service *s = arg;

	s->hubs_n--;
	loop_wake(s->loop);
}

static void on_store_closed(void *arg)
{
	struct service *s = arg;

	s->store = NULL;
	loop_wake(s->loop);
}

static void on_issuer_freed(void *arg)
{
	struct service *s = arg;

	s->issuer = NULL;
	loop_wake(s->loop);
}

/* And the issuer's client. */
static void free_hubs(struct service *s)
{
	if (s->issuer != NULL)
		issuer_free(s->issuer, on_issuer_freed, s);
	for (uint32_t i = 0, n = s->hubs_n; i < n; i++)
		hub_free(s->hubs[i], on_hub_freed, s);
}

/* What is left is for the next start: the store is made for a crash. */
static void end_now(const struct service *s)
{
	log_error("not stopped in time, ending as it is", LI("status", s->status));
	_exit((int)s->status);
}

/* Every return but the last is followed by another call: by a callback's loop_wake(), or in DRAIN_LOOK_MS. */
static void step(struct service *s)
{
	for (;;) {
		int64_t now_mono_ms = clock_mono_ms();

		if (s->state != SERVING && s->state != OVER && now_mono_ms >= s->deadline_mono_ms)
			end_now(s);
		switch (s->state) {
		case SERVING:
			if (s->stops_n == 0)
				return;
			conductor_drain(s->conductor);
			s->state = DRAINING;
			break;
		case DRAINING:
			s->status = conductor_is_settled(s->conductor) ? STATUS_STOPPED : STATUS_CALLS_OUT;
			if (s->status == STATUS_CALLS_OUT && now_mono_ms < s->settle_mono_ms)
				return;
			api_stop(s->api, on_api_stopped, s);
			s->state = STOPPING_API;
			break;
		case STOPPING_API:
			/* What is on its way to or from the store comes back to the conductor. */
			if (s->api != NULL || (s->conductor != NULL && !conductor_is_recorded(s->conductor)))
				return;
			if (s->webhooks != NULL && !s->is_freeing_webhooks) {
				s->is_freeing_webhooks = true;
				webhooks_free(s->webhooks, on_webhooks_freed, s);
			}
			if (s->webhooks != NULL)
				return;
			conductor_free(s->conductor);
			s->conductor = NULL;
			feed_free(s->feed);
			s->feed = NULL;
			free_hubs(s);
			s->state = FREEING_HUBS;
			break;
		case FREEING_HUBS:
			if (s->hubs_n > 0 || s->issuer != NULL)
				return;
			if (s->store != NULL)
				store_close(s->store, on_store_closed, s);
			s->state = CLOSING_STORE;
			break;
		case CLOSING_STORE:
			if (s->store != NULL)
				return;
			loop_end(s->loop);
			s->state = OVER;
			break;
		case OVER:
			return;
		}
	}
}

/* --- what the loop and the conductor tell --- */

/* Gives how soon it is to be fed again. */
static int64_t feed_watchdog(struct service *s)
{
	int64_t now_mono_ms = clock_mono_ms();

	if (now_mono_ms - s->heard_mono_ms >= s->watchdog_ms) {
		notify("WATCHDOG=1");
		s->heard_mono_ms = now_mono_ms;
	}
	return s->heard_mono_ms + s->watchdog_ms - now_mono_ms;
}

static int64_t on_run(void *arg, int64_t now_ms)
{
	struct service *s = arg;
	int64_t next_ms = s->conductor != NULL ? conductor_run(s->conductor) : TIME_NEVER;
	int64_t webhooks_ms = s->webhooks != NULL && !s->is_freeing_webhooks
	                              ? webhooks_run(s->webhooks, now_ms)
	                              : TIME_NEVER;
	int64_t issuer_ms = s->issuer != NULL && s->state <= DRAINING ? issuer_run(s->issuer, clock_mono_ms())
	                                                              : TIME_NEVER;
	int64_t feed_ms = s->watchdog_ms > 0 ? feed_watchdog(s) : TIME_NEVER;

	if (feed_ms != TIME_NEVER && now_ms + feed_ms < next_ms)
		next_ms = now_ms + feed_ms;
	if (webhooks_ms < next_ms)
		next_ms = webhooks_ms;
	if (issuer_ms != TIME_NEVER && now_ms + issuer_ms < next_ms)
		next_ms = now_ms + issuer_ms;
	step(s);
	return s->state != SERVING && next_ms > now_ms + DRAIN_LOOK_MS ? now_ms + DRAIN_LOOK_MS : next_ms;
}

static void on_stop(void *arg)
{
	struct service *s = arg;
	int64_t now_mono_ms = clock_mono_ms(), drain_ms = (int64_t)s->config.drain_s * 1000;

	if (s->stops_n++ == 0) {
		notify("STOPPING=1");
		log_info("stopping", LI("drainSeconds", s->config.drain_s));
		s->settle_mono_ms = now_mono_ms + drain_ms * 9 / 10; /* the rest is for closing */
		s->deadline_mono_ms = now_mono_ms + drain_ms;
	} else {
		log_warn("told again: stopping at once");
		s->settle_mono_ms = now_mono_ms;
		s->deadline_mono_ms = now_mono_ms + STOP_AT_ONCE_MS;
	}
	loop_wake(s->loop);
}

static void tell_reloaded(const char *what, const char *file, enum err err, char *reason)
{
	if (err == ERR_OK)
		log_info("file read again", LS("setting", what), LS("file", file));
	else
		log_error("file not taken, all stays as it was", LS("setting", what), LS("reason", reason));
	free(reason);
}

static void on_reload(void *arg)
{
	struct service *s = arg;
	const struct config *c = &s->config;
	char *reason = NULL;
	enum err err;

	if (s->state != SERVING)
		return;
	for (uint32_t i = 0; i < s->hubs_n; i++)
		hub_renew_credential(s->hubs[i]);
	log_info("credentials of hubs are read again before they are used next", LI("hubs", s->hubs_n));
	if (c->tokens_file != NULL) {
		err = api_reload_tokens(s->api, &reason);
		tell_reloaded("tokensFile", c->tokens_file, err, reason);
		reason = NULL;
	}
	if (c->tls_cert_file != NULL) {
		err = api_reload_certificate(s->api, &reason);
		tell_reloaded("tlsCertFile", c->tls_cert_file, err, reason);
	}
}

static void on_broken(void *arg, enum err err)
{
	(void)arg;
	log_error(
	        "a commit failed; memory is ahead of the database, so the process ends and the next start goes on "
	        "from what is durable",
	        LS("reason", err_text(err)));
	_exit(STATUS_FAILED);
}

static void on_wake(void *arg)
{
	struct service *s = arg;

	loop_wake(s->loop);
}

static int64_t now_ms(void *arg)
{
	(void)arg;
	return clock_now_ms();
}

static int64_t mono_ms(void *arg)
{
	(void)arg;
	return clock_boot_ms();
}

/* --- starting --- */

/* Every call takes a connection, and the usual soft limit is 1024. */
static void raise_file_limit(const struct config *c)
{
	uint64_t needed = CONNECTIONS_MAX + FILES_OF_OUR_OWN;
	struct rlimit limit;

	for (uint32_t i = 0; i < c->hubs_n; i++)
		needed += c->hubs[i].inflight_max;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < needed)
		log_warn("fewer open files allowed than inflightMax asks for", LI("allowed", limit.rlim_cur),
		         LI("needed", needed));
}

/* Keys and tokens are in memory, and a core would put them on a disk, or into the post. A limit of 1 is less
 * than any core, and the only one that also keeps the kernel from piping one to a program (Linux,
 * fs/coredump.c). */
static void forbid_cores(void)
{
	const struct rlimit none = {1, 1};

	if (setrlimit(RLIMIT_CORE, &none) != 0)
		log_warn("a crash may leave a core, with secrets in it");
}

static enum status start_store(struct service *s, struct store_head *ret_head)
{
	struct store_options o = {.loop = loop_uv(s->loop), .path = s->config.database};
	char *reason = NULL;

	if (store_open(&o, &s->store, ret_head, &reason) == ERR_OK)
		return STATUS_STOPPED;
	log_error("the database cannot be opened", LS("database", o.path), LS("reason", reason));
	free(reason);
	return STATUS_DATABASE;
}

static enum status start_hubs(struct service *s)
{
	for (uint32_t i = 0; i < s->config.hubs_n; i++) {
		const struct config_hub *hub = &s->config.hubs[i];
		struct hub_options o = {
		        .loop = loop_uv(s->loop),
		        .name = hub->name,
		        .connection_string = hub->connection_string,
		        .connection_string_file = hub->connection_string_file,
		        .host = hub->host,
		        .entra = hub->entra,
		        .endpoint = hub->endpoint,
		        .ca_file = hub->ca_file,
		        .inflight_max = hub->inflight_max,
		};
		enum err err = hub_new(&o, &s->hubs[i]);

		if (err != ERR_OK) {
			log_error("the hub cannot be used", LS("hub", hub->name),
			          LS("reason", err_text(err)));
			return STATUS_FAILED;
		}
		s->hubs_n++;
	}
	return STATUS_STOPPED;
}

static enum status start_conductor(struct service *s, const struct store_head *head)
{
	struct conductor_hub hubs[HUBS_MAX];
	struct conductor_options o = {
	        .store = s->store,
	        .head = head,
	        .feed = s->feed = feed_new(head->last_event_id),
	        .hubs = hubs,
	        .hubs_n = s->config.hubs_n,
	        .retention_days = s->config.retention_days,
	        .campaigns_max = s->config.campaigns_max,
	        .events_max = s->config.events_max,
	        .now_ms = now_ms,
	        .mono_ms = mono_ms,
	        .on_broken = on_broken,
	        .on_wake = on_wake,
	        .arg = s,
	};
	enum err err;

	for (uint32_t i = 0; i < s->config.hubs_n; i++) {
		const struct config_hub *hub = &s->config.hubs[i];

		hubs[i] = (struct conductor_hub){
		        .hub = s->hubs[i],
		        .name = hub->name,
		        .sku = hub->sku,
		        .units = hub->units,
		        .reserve_percent = hub->reserve_percent,
		        .inflight_max = hub->inflight_max,
		        .track_interval_ms = hub->track_interval_ms,
		        .ambiguous_max = hub->ambiguous_max,
		};
	}
	rng_system(&o.seed, sizeof o.seed);
	err = conductor_new(&o, &s->conductor);
	if (err == ERR_OK)
		return STATUS_STOPPED;
	log_error("what is on record cannot be gone on with", LS("database", s->config.database),
	          LS("reason", err_text(err)));
	return err == ERR_INVALID ? STATUS_USAGE : STATUS_DATABASE;
}

static enum status start_webhooks(struct service *s, const struct store_head *head)
{
	struct webhooks_options o = {.loop = loop_uv(s->loop),
	                             .store = s->store,
	                             .feed = s->feed,
	                             .endpoints = &s->config.webhooks,
	                             .last_event_id = head->last_event_id,
	                             .now_ms = now_ms,
	                             .on_wake = on_wake,
	                             .on_broken = on_broken,
	                             .arg = s};

	rng_system(&o.seed, sizeof o.seed);
	return s->config.webhooks.n == 0 || webhooks_new(&o, &s->webhooks) == ERR_OK ? STATUS_STOPPED
	                                                                             : STATUS_FAILED;
}

static enum status start_issuer(struct service *s)
{
	const struct config *c = &s->config;
	const struct oidc_options oidc = {c->oidc_issuer, c->oidc_audience, c->oidc_roles_claim,
	                                  c->oidc_roles, c->oidc_name_claim};
	struct issuer_options o = {.loop = loop_uv(s->loop),
	                           .url = c->oidc_issuer,
	                           .ca_file = c->oidc_ca_file,
	                           .on_wake = on_wake,
	                           .arg = s};
	char reason[OIDC_REASON_SIZE];

	if (c->oidc_issuer == NULL)
		return STATUS_STOPPED;
	if (oidc_new(&oidc, &s->oidc, reason) != ERR_OK) {
		log_error("the issuer cannot be used", LS("issuer", c->oidc_issuer), LS("reason", reason));
		return STATUS_USAGE;
	}
	o.oidc = s->oidc;
	s->issuer = issuer_new(&o);
	return STATUS_STOPPED;
}

static enum status start_api(struct service *s)
{
	struct api_options o = {
	        .loop = loop_uv(s->loop),
	        .address = s->config.listen_address,
	        .port = s->config.listen_port,
	        .tokens_file = s->config.tokens_file,
	        .oidc = s->oidc,
	        .tls_cert_file = s->config.tls_cert_file,
	        .tls_key_file = s->config.tls_key_file,
	        .conductor = s->conductor,
	        .store = s->store,
	        .feed = s->feed,
	        .webhooks = s->webhooks,
	        .loop_lag = loop_lag(s->loop),
	        .connections_max = CONNECTIONS_MAX,
	        .streams_max = STREAMS_MAX,
	};
	char *reason = NULL;

	o.listen_fd = notify_socket();
	if (api_start(&o, &s->api, &reason) == ERR_OK)
		return STATUS_STOPPED;
	log_error("cannot listen", LS("address", o.address), LI("port", o.port), LS("reason", reason));
	free(reason);
	return STATUS_LISTEN;
}

static void tell_started(const struct service *s)
{
	const struct config *c = &s->config;
	struct buf listen = BUF_INIT;
	bool is_v6 = strchr(c->listen_address, ':') != NULL;

	for (uint32_t i = 0; i < c->hubs_n; i++)
		log_info("hub configured", LS("hub", c->hubs[i].name), LS("host", c->hubs[i].host),
		         LS("endpoint", c->hubs[i].endpoint), LS("sku", c->hubs[i].sku),
		         LI("units", c->hubs[i].units));
	buf_printf(&listen, is_v6 ? "[%s]:%u" : "%s:%u", c->listen_address, (unsigned)api_port(s->api));
	log_info("started", LS("version", ROLLCALL_VERSION), LS("listen", listen.data),
	         LS("database", c->database), LS("tokensFile", c->tokens_file),
	         LS("oidcIssuer", c->oidc_issuer), LS("tlsCertFile", c->tls_cert_file), LI("hubs", c->hubs_n),
	         LI("pid", getpid()));
	buf_done(&listen);
}

static enum status start(struct service *s)
{
	struct store_head head;
	enum status status = start_store(s, &head);

	if (status == STATUS_STOPPED)
		status = start_hubs(s);
	if (status == STATUS_STOPPED)
		status = start_conductor(s, &head);
	if (status == STATUS_STOPPED)
		status = start_webhooks(s, &head);
	if (status == STATUS_STOPPED)
		status = start_issuer(s);
	if (status == STATUS_STOPPED)
		status = start_api(s);
	return status;
}

static enum status serve(struct service *s)
{
	struct loop_events events = {.on_run = on_run, .on_stop = on_stop, .on_reload = on_reload, .arg = s};

	log_setup(s->config.log_level, s->config.logs_json, STDERR_FILENO);
	for (size_t i = 0; i < s->config.warnings.n; i++)
		log_warn(s->config.warnings.all[i].detail, LS("setting", s->config.warnings.all[i].pointer));
	raise_file_limit(&s->config);
	forbid_cores();
	s->loop = loop_new(&events);
	if (s->loop == NULL) {
		log_error("the system gives no event loop");
		return STATUS_FAILED;
	}
	s->status = start(s);
	if (s->status == STATUS_STOPPED) {
		tell_started(s);
		notify("READY=1");
		s->watchdog_ms = notify_watchdog_ms();
	} else {
		s->state = STOPPING_API; /* what has started is stopped as ever */
		if (s->conductor != NULL)
			conductor_drain(s->conductor);
		s->deadline_mono_ms = clock_mono_ms() + (int64_t)s->config.drain_s * 1000;
	}
	loop_run(s->loop);
	loop_free(s->loop);
	oidc_free(s->oidc);
	log_info("stopped", LI("status", s->status));
	return s->status;
}

/* --- what there is to say before there is a log --- */

static void tell(const char *kind, const struct faults *f)
{
	struct buf out = BUF_INIT;

	for (size_t i = 0; i < f->n; i++)
		buf_printf(&out, "rollcalld: %s%s: %s\n", kind, f->all[i].pointer, f->all[i].detail);
	if (f->left_out > 0)
		buf_printf(&out, "rollcalld: and %zu more\n", f->left_out);
	secret_redact(&out);
	if (out.len > 0)
		fputs(out.data, stderr);
	buf_done(&out);
}

/* ---- what is done instead of serving ---- */

static void on_fault(void *arg, const char *text)
{
	bool *is_sound = arg;

	*is_sound = false;
	printf("%s\n", text);
}

static enum status report(enum err err, char *reason)
{
	if (err != ERR_OK)
		fprintf(stderr, "rollcalld: %s\n", reason != NULL ? reason : err_text(err));
	free(reason);
	return err == ERR_OK ? STATUS_STOPPED : STATUS_DATABASE;
}

static enum status check(const struct config *c)
{
	struct store_census census;
	bool is_sound = true;
	char *reason = NULL;
	enum status status = report(store_check(c->database, on_fault, &is_sound, &census, &reason), reason);

	if (status != STATUS_STOPPED)
		return status;
	printf("%s: %u campaigns, %" PRIu64 " targets, %" PRIu64 " events, revision %" PRIu64 ": %s\n",
	       c->database, census.campaigns, census.targets, census.events, census.revision,
	       is_sound ? "sound" : "NOT SOUND");
	return is_sound ? STATUS_STOPPED : STATUS_FAILED;
}

static enum status verify_audit(const struct config *c)
{
	struct audit_census census;
	char from[TIME_TEXT_SIZE];
	bool is_sound = true;
	char *reason = NULL;
	enum err err = store_audit_verify(c->database, c->noted.no > 0 ? &c->noted : NULL, on_fault,
	                                  &is_sound, &census, &reason);
	enum status status = report(err, reason);

	if (status != STATUS_STOPPED)
		return status;
	printf("%s: %" PRIu64 " audit entries", c->database, census.n);
	if (census.forgotten.no > 0)
		printf(" from %s on (%" PRIu64 " older ones are forgotten)",
		       time_text(census.first_at_ms, from), census.forgotten.no);
	printf(", the last is %" PRIu64 ":", census.last.no);
	for (size_t i = 0; i < sizeof census.last.hash; i++)
		printf("%02x", census.last.hash[i]);
	printf(": %s\n", is_sound ? "sound" : "NOT SOUND");
	return is_sound ? STATUS_STOPPED : STATUS_FAILED;
}

static enum status ask_health(const struct config *c)
{
	char *reason = NULL;
	enum err err = health_ask(c->listen_address, c->listen_port, c->tls_cert_file != NULL, &reason);

	puts(err == ERR_OK ? "ready" : reason);
	free(reason);
	return err == ERR_OK ? STATUS_STOPPED : STATUS_FAILED;
}

static enum status do_task(const struct config *c)
{
	enum status status = STATUS_STOPPED;
	char *reason = NULL;

	tell("warning: ", &c->warnings);
	if (c->task == CONFIG_BACKUP)
		status = report(store_backup(c->database, c->file, clock_now_ms(), &reason), reason);
	else if (c->task == CONFIG_CHECK)
		status = check(c);
	else if (c->task == CONFIG_AUDIT)
		status = verify_audit(c);
	else if (c->task == CONFIG_HEALTH)
		status = ask_health(c);
	else if (fputs(c->text, stdout) == EOF)
		status = STATUS_FAILED;
	return fflush(stdout) == 0 ? status : STATUS_FAILED;
}

int main(int argc, char **argv)
{
	struct service s = {.state = SERVING};
	struct faults faults = FAULTS_INIT;
	enum status status = STATUS_STOPPED;

	if (config_read(argc, argv, environ, &s.config, &faults) != ERR_OK) {
		tell("", &faults);
		status = STATUS_USAGE;
	} else if (s.config.task == CONFIG_SERVE) {
		status = serve(&s);
	} else {
		status = do_task(&s.config);
	}
	faults_done(&faults);
	config_done(&s.config);
	secret_forget_all();
	return (int)status;
}
