/* agent: see agent.h. A turn does what is due and says when to come back; everything else only notes what
 * happened.
 *
 *   DOWN ──at retry──▶ CONNECTING ──accepted──▶ UP ──lost, or the token is old──▶ DOWN */
#include "deploy/agent/agent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "deploy/agent/backoff.h"
#include "deploy/agent/host.h"
#include "deploy/agent/link.h"
#include "deploy/agent/log.h"
#include "deploy/agent/sas.h"
#include "deploy/agent/twin.h"
#include "deploy/agent/work.h"

#define CONNECT_WITHIN_MS 30000
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 120000
#define STEADY_MS 60000 /* a link that stood as long, whoever ended it, makes up for all failures before */
#define TICK_MS 5000    /* MQTT keep-alive is looked after */

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_UP };

struct agent {
	const struct options *o;
	struct link_options link_options;
	char *user_name;
	struct link *link;
	struct twin *twin;
	struct work *work;
	enum link_state state;
	int64_t due_ms; /* DOWN: connect; CONNECTING: give up; UP: renew the token */
	int64_t up_since_ms, token_ends_s;
	unsigned failures;
};

/* --- the link --- */

static void be_down(struct agent *a, int64_t until_ms)
{
	if (a->state == LINK_UP && up_ms() - a->up_since_ms >= STEADY_MS)
		a->failures = 0;
	a->state = LINK_DOWN;
	a->due_ms = until_ms;
	twin_link_down(a->twin);
}

static void link_failed(struct agent *a, const char *why)
{
	int64_t wait_ms;

	be_down(a, NEVER);
	wait_ms = backoff_ms(++a->failures, RETRY_FIRST_MS, RETRY_MAX_MS, luck());
	log_line(LOG_LEVEL_WARNING, "not connected: %s; again in %lld ms", why, (long long)wait_ms);
	a->due_ms = up_ms() + wait_ms;
}

static void on_up(void *arg, bool is_known)
{
	struct agent *a = arg;
	int64_t life_ms = (int64_t)a->o->token_s * 1000;

	a->state = LINK_UP;
	a->up_since_ms = up_ms();
	/* Three quarters of its life and a little: not all of a fleet at once. */
	a->due_ms = a->o->connection.key == NULL
	                    ? NEVER
	                    : a->up_since_ms + life_ms * 3 / 4 + (int64_t)(luck() % (uint64_t)(life_ms / 20));
	twin_link_up(a->twin, is_known);
	log_line(LOG_LEVEL_INFO, "connected to %s", a->o->connection.host);
}

static void on_down(void *arg, const char *why)
{
	link_failed(arg, why);
}

static void on_method(void *arg, const char *name, const char *rid, const char *body, size_t n)
{
	struct agent *a = arg;
	struct work_answer answer = work_call(a->work, name, body, n);

	if (answer.status != 0)
		link_answer(a->link, rid, answer.status, answer.body);
	free(answer.body);
}

static void on_twin(void *arg, int status, const char *rid, const char *body, size_t n)
{
	struct agent *a = arg;

	twin_answer(a->twin, status, rid, body, n);
}

static json_t *wanted(void *arg)
{
	struct agent *a = arg;

	return work_report(a->work);
}

static void connect_now(struct agent *a)
{
	const struct connection *c = &a->o->connection;
	const char *why = "no memory";
	char *token = NULL;

	a->token_ends_s = utc_ms() / 1000 + a->o->token_s;
	if (c->key != NULL)
		token = sas_token(c->host, c->device_id, c->key, a->token_ends_s);
	a->state = LINK_CONNECTING;
	a->due_ms = up_ms() + CONNECT_WITHIN_MS;
	if ((c->key != NULL && token == NULL) || !link_connect(a->link, token, &why))
		link_failed(a, why);
	free(token);
}

/* The hub cuts the link when the token has expired; by then there is a new one. Not between an act's
 * acceptance and its beginning, which is soon over. */
static bool is_token_old(const struct agent *a)
{
	bool is_old = up_ms() >= a->due_ms || (a->o->connection.key != NULL &&
	                                       utc_ms() / 1000 >= a->token_ends_s - a->o->token_s / 8);

	return is_old && !twin_is_busy(a->twin) && !work_is_to_begin(a->work);
}

static void take_down(struct agent *a, int64_t until_ms)
{
	link_close(a->link);
	be_down(a, until_ms);
}

static void link_turn(struct agent *a)
{
	if (work_away_until_ms(a->work) > up_ms() && a->state != LINK_DOWN)
		take_down(a, work_away_until_ms(a->work));
	switch (a->state) {
	case LINK_DOWN:
		if (up_ms() >= a->due_ms)
			connect_now(a);
		return;
	case LINK_CONNECTING:
		if (up_ms() >= a->due_ms) {
			link_close(a->link);
			link_failed(a, "no answer");
		}
		return;
	case LINK_UP:
		if (is_token_old(a)) {
			log_line(LOG_LEVEL_INFO, "renewing the token");
			take_down(a, up_ms());
			connect_now(a);
		}
		return;
	}
}

/* --- the loop --- */

/* Before work is told what the hub knows: what has just been accepted it does not know yet. */
static bool pass_news(struct agent *a)
{
	bool has_news = work_take_news(a->work);

	if (has_news)
		twin_changed(a->twin);
	return has_news;
}

/* Does what is due; gives for how many ms nothing is. */
static int turn(struct agent *a)
{
	int64_t due_ms = up_ms() + TICK_MS, wait_ms;

	pass_news(a);
	work_turn(a->work, twin_is_told(a->twin));
	pass_news(a);
	link_turn(a);
	due_ms = earlier(due_ms, twin_turn(a->twin));
	/* Where there was nothing to tell, it may begin. */
	due_ms = earlier(due_ms, work_turn(a->work, twin_is_told(a->twin)));
	/* An old token may have to wait for the twin, whose answer is due before long. */
	if (a->state != LINK_UP || a->due_ms > up_ms())
		due_ms = earlier(due_ms, a->due_ms);
	if (pass_news(a))
		return 0;
	wait_ms = due_ms - up_ms();
	return wait_ms < 0 ? 0 : (int)wait_ms;
}

/* True once it is told to stop. */
static bool on_signal(struct agent *a, int signals)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGCHLD)
			work_reap(a->work);
		else
			return true;
	}
	return false;
}

static bool loop(struct agent *a, int signals)
{
	for (;;) {
		int wait_ms = turn(a);
		struct pollfd fds[2] = {{.fd = signals, .events = POLLIN}, {.fd = link_fd(a->link)}};

		fds[1].events = fds[1].fd < 0 ? 0 : link_events(a->link);
		if (poll(fds, 2, wait_ms) < 0 && errno != EINTR) {
			log_line(LOG_LEVEL_ERROR, "poll: %s", strerror(errno));
			return false;
		}
		link_run(a->link, fds[1].revents);
		if ((fds[0].revents & POLLIN) && on_signal(a, signals))
			return true;
	}
}

/* --- start --- */

static int signals_fd(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static bool set_up(struct agent *a)
{
	static const struct link_handlers handlers = {on_up, on_down, on_method, on_twin};
	const struct options *o = a->o;

	if (asprintf(&a->user_name, "%s/%s/?api-version=2021-04-12", o->connection.host,
	             o->connection.device_id) < 0) {
		a->user_name = NULL;
		return false;
	}
	a->link_options = (struct link_options){
	        .address = o->address,
	        .port = o->port,
	        .is_plain = o->is_plain,
	        .device_id = o->connection.device_id,
	        .user_name = a->user_name,
	        .ca_file = o->ca_file,
	        .cert_file = o->cert_file,
	        .key_file = o->key_file,
	        .keepalive_s = o->keepalive_s,
	};
	a->link = link_new(&a->link_options, &handlers, a);
	a->twin = a->link == NULL ? NULL : twin_new(a->link, wanted, a);
	return a->twin != NULL;
}

bool agent_run(const struct options *options)
{
	struct agent a = {.o = options};
	int signals = signals_fd();
	bool is_good = false;

	if (signals < 0 || !set_up(&a)) {
		log_line(LOG_LEVEL_ERROR, "cannot start: %s", strerror(errno));
	} else if ((a.work = work_open(options)) != NULL) {
		log_line(LOG_LEVEL_INFO, "rollcall-agent %s of %s, boot %s", ROLLCALL_AGENT_VERSION,
		         options->connection.device_id, work_boot_id(a.work));
		is_good = loop(&a, signals);
		link_close(a.link);
		log_line(LOG_LEVEL_INFO, "stopped");
	}
	work_close(a.work);
	twin_free(a.twin);
	link_free(a.link);
	free(a.user_name);
	if (signals >= 0)
		close(signals);
	return is_good;
}
