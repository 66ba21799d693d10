/* api: handlers that make campaigns, or tell what one would come to. See handlers.h
 *
 *   LOOKING_UP ──key not seen──▶ CREATING ──durable──▶ READING ──▶ 201
 *       └──────── the key made one already ────────────────▲
 * While it is in context.creating, another request with its key is refused: so two make one campaign. */
#include "api/handlers.h"

#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "api/request.h"
#include "server/base/hash.h"
#include "store/store.h"

#define KEY_MAX 255
#define KEY_KEPT_MS ((int64_t)24 * 3600 * 1000)

struct create {
	LIST_ENTRY(create) entry;
	struct request *r;
	char *key;          /* NULL: none given */
	uint64_t body_hash; /* with the path */
	bool is_replay;
	void (*read)(struct create *c, const char *id); /* READING begins */
	void (*make)(struct create *c);                 /* CREATING begins, or it replied and ended c */
};

static void create_end(struct create *c)
{
	if (c->key != NULL)
		LIST_REMOVE(c, entry);
	free(c->key);
	free(c);
}

/* READING ends. */
static void on_created_read(void *arg, enum err err, uint64_t revision, const struct campaign_row *rows,
                            size_t n, bool has_more)
{
	struct create *c = arg;
	struct request *r = c->r;
	struct buf location = BUF_INIT;

	(void)has_more;
	if (campaigns_found(r, err, n)) {
		buf_printf(&location, "/v1/campaigns/%s", rows->id);
		reply_header(r, "Location", location.data);
		if (c->is_replay)
			reply_header(r, "Idempotent-Replayed", "true");
		campaigns_reply(r, 201, rows, revision);
		buf_done(&location);
	}
	create_end(c);
}

static void read_campaign(struct create *c, const char *id)
{
	store_read_campaign(c->r->context->store, id, on_created_read, c);
}

static void on_schedule_read(void *arg, enum err err, uint64_t revision, const struct schedule_row *rows,
                             size_t n, bool has_more)
{
	struct create *c = arg;
	struct request *r = c->r;
	struct buf location = BUF_INIT;

	(void)has_more;
	if (schedules_found(r, err, n)) {
		buf_printf(&location, "/v1/schedules/%s", rows->id);
		reply_header(r, "Location", location.data);
		if (c->is_replay)
			reply_header(r, "Idempotent-Replayed", "true");
		schedules_reply(r, 201, rows, revision);
		buf_done(&location);
	}
	create_end(c);
}

static void read_schedule(struct create *c, const char *id)
{
	struct schedule_filter f = {.id = id, .limit = 1};

	store_read_schedules(c->r->context->store, &f, on_schedule_read, c);
}

/* CREATING ends. */
static void on_created(void *arg, enum err err, const char *detail, const char *id)
{
	struct create *c = arg;

	if (err == ERR_OK) {
		c->read(c, id);
		return;
	}
	reply_err(c->r, err, detail);
	create_end(c);
}

/* Gives whether the body is a sound spec; else it has replied. */
static bool read_spec(struct request *r, struct campaign_spec *ret)
{
	struct faults faults = FAULTS_INIT;
	char reason[SPEC_REASON_SIZE];
	size_t len, at;
	const char *body = httpd_body(r->exchange, &len);
	enum err err = spec_parse(body, len, false, ret, &faults, &at, reason);

	if (err == ERR_OK)
		conductor_check(r->context->conductor, ret, &faults);
	if (err != ERR_OK || faults.n > 0) {
		reply_bad_body(r, &faults, at, reason);
		return false;
	}
	httpd_body_drop(r->exchange);
	return true;
}

static void on_previewed(void *arg, enum err err, const char *detail, const char *json)
{
	struct request *r = arg;
	struct faults faults = FAULTS_INIT;
	struct buf body = BUF_INIT;

	if (err == ERR_OK) {
		buf_puts(&body, json);
		reply_json(r, 200, &body);
	} else if (err == ERR_INVALID) { /* nothing else of it goes to the hub */
		faults_add(&faults, "/targets/where", "%s", detail);
		reply_faults(r, PROBLEM_UNSOUND, &faults);
	} else {
		reply_err(r, err, detail);
	}
}

void campaigns_preview(struct request *r)
{
	struct campaign_spec spec;

	if (read_spec(r, &spec))
		conductor_preview(r->context->conductor, &spec, on_previewed, r);
	spec_done(&spec);
}

static struct conductor_request asked(const struct create *c)
{
	return (struct conductor_request){
	        .by = c->r->who.name, .idempotency_key = c->key, .body_hash = c->body_hash};
}

static void make_from_spec(struct create *c)
{
	struct conductor_request request = asked(c);
	struct campaign_spec spec;

	if (read_spec(c->r, &spec)) {
		request_sign(c->r, spec.name);
		conductor_create(c->r->context->conductor, &spec, &request, on_created, c);
		conductor_sign(c->r->context->conductor, NULL);
		return;
	}
	spec_done(&spec);
	create_end(c);
}

static void make_from_failed(struct create *c)
{
	struct request *r = c->r;
	struct conductor_request request = asked(c);
	struct faults faults = FAULTS_INIT;
	char reason[JSON_REASON_SIZE];
	size_t len, at;
	const char *body = httpd_body(r->exchange, &len);
	uint32_t reasons;

	if (json_reasons(body, len, &reasons, &faults, &at, reason) == ERR_OK) {
		request_sign(r, body);
		conductor_retry(r->context->conductor, r->parts[0], reasons, &request, on_created, c);
		conductor_sign(r->context->conductor, NULL);
		return;
	}
	reply_bad_body(r, &faults, at, reason);
	create_end(c);
}

static void make_schedule(struct create *c)
{
	struct conductor_request request = asked(c);
	struct schedule_spec spec;

	if (!schedules_read_spec(c->r, &spec)) {
		create_end(c);
		return;
	}
	request_sign(c->r, spec.name);
	conductor_schedule_create(c->r->context->conductor, &spec, &request, on_created, c);
	conductor_sign(c->r->context->conductor, NULL);
}

static void make_from_schedule(struct create *c)
{
	struct conductor_request request = asked(c);

	request_sign(c->r, NULL);
	conductor_schedule_run(c->r->context->conductor, c->r->parts[0], &request, on_created, c);
	conductor_sign(c->r->context->conductor, NULL);
}

/* LOOKING_UP ends. */
static void on_looked_up(void *arg, enum err err, const struct idempotency_row *row)
{
	struct create *c = arg;

	if (err == ERR_OK && row == NULL) {
		c->make(c);
		return;
	}
	if (err == ERR_OK && row->body_hash == c->body_hash) {
		c->is_replay = true;
		c->read(c, row->campaign_id);
		return;
	}
	if (err != ERR_OK)
		reply_err(c->r, err, NULL);
	else
		reply_problem(c->r, PROBLEM_KEY_REUSED, "use a new key for a new request");
	create_end(c);
}

static bool is_key(const char *key)
{
	size_t n = strlen(key);

	if (n == 0 || n > KEY_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (key[i] < ' ' || key[i] > '~')
			return false;
	return true;
}

/* Another request under way with this key, NULL if there is none. */
static const struct create *find_creating(const struct context *context, const char *key)
{
	const struct create *c;

	LIST_FOREACH (c, &context->creating, entry)
		if (strcmp(c->key, key) == 0)
			return c;
	return NULL;
}

/* Gives whether c may go on under the key that was given; else it has replied. */
static bool take_key(struct create *c, const char *given)
{
	struct request *r = c->r;
	const struct create *other;
	struct buf key = BUF_INIT;

	if (!is_key(given)) {
		reply_problem(r, PROBLEM_MALFORMED, "Idempotency-Key must be 1 to %d printable characters",
		              KEY_MAX);
		return false;
	}
	/* Names have no colon, so callers do not meet. */
	buf_printf(&key, "%s:%s", r->who.name, given);
	other = find_creating(r->context, key.data);
	if (other != NULL) {
		if (other->body_hash == c->body_hash)
			reply_problem(r, PROBLEM_IN_FLIGHT,
			              "ask again in a moment for the answer to the first");
		else
			reply_problem(r, PROBLEM_KEY_REUSED, "use a new key for a new request");
		buf_done(&key);
		return false;
	}
	c->key = buf_take(&key);
	LIST_INSERT_HEAD(&r->context->creating, c, entry);
	return true;
}

/* A key stands for one body to one path: what it made for one campaign is no answer for another. */
static uint64_t hash_of(const struct request *r)
{
	struct buf text = BUF_INIT;
	size_t len;
	const char *body = httpd_body(r->exchange, &len);
	uint64_t hash;

	buf_printf(&text, "%s\n", r->path);
	buf_put(&text, body, len);
	hash = hash64(text.data, text.len);
	buf_done(&text);
	return hash;
}

static void begin(struct request *r, void (*make)(struct create *c),
                  void (*read)(struct create *c, const char *id))
{
	const char *given = httpd_header(r->exchange, "Idempotency-Key");
	struct create *c = xcalloc(1, sizeof *c);

	c->r = r;
	c->make = make;
	c->read = read;
	if (given == NULL) {
		make(c);
		return;
	}
	c->body_hash = hash_of(r);
	if (take_key(c, given))
		store_read_idempotency(r->context->store, c->key, r->now_ms - KEY_KEPT_MS, on_looked_up, c);
	else
		create_end(c);
}

void campaigns_create(struct request *r)
{
	begin(r, make_from_spec, read_campaign);
}

void campaigns_retry(struct request *r)
{
	begin(r, make_from_failed, read_campaign);
}

void schedules_create(struct request *r)
{
	begin(r, make_schedule, read_schedule);
}

void schedules_run(struct request *r)
{
	begin(r, make_from_schedule, read_campaign);
}
