/* api/cli/command: what the commands share: options, requests with their errors told, output. */
#ifndef ROLLCALL_API_CLI_COMMAND_H
#define ROLLCALL_API_CLI_COMMAND_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/cli/client.h"
#include "api/cli/view.h"

#define REASONS_ASKED_MAX 16
#define ARGUMENTS_MAX 2

enum output { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_CSV };

struct options {
	const char *url, *token_file, *ca_file;
	enum output output;
	const char *file, *key;
	const char *state, *waiting_for, *wave, *group, *hub, *device, *name;
	const char *reasons[REASONS_ASKED_MAX];
	size_t reasons_n;
	uint64_t after, limit; /* limit 0: all */
	uint32_t patience_s;   /* how long a watch bears without an answer */
	bool watches, follows, overrides, forgets, until_approval, is_plain;
	const char *arguments[ARGUMENTS_MAX];
	size_t arguments_n;
};

struct command {
	struct client *client;
	struct options o;
};

/* ---- errors: to standard error ---- */

__attribute__((format(printf, 2, 3))) enum status complain(enum status status, const char *format, ...);

/* ---- requests: OK, or what went wrong has been told ---- */

/* Asks and reads the answer, to be given to json_decref(). */
enum status ask(struct command *c, const struct question *q, json_t **ret);
enum status get(struct command *c, const char *path, json_t **ret);
/* What an answer with another status than 2xx comes to; tells it. */
enum status refused(const struct reply *r);
/* Calls on_item for each row of a list, page by page, until limit (0: none) or false. */
enum status each(struct command *c, const char *path, uint64_t limit,
                 bool (*on_item)(void *arg, json_t *item), void *arg);

/* ---- paths ---- */

/* Appends one part of a path, or a value of a query, escaped. */
void put_part(struct buf *out, const char *text);
/* Appends ?name=value or &name=value; nothing where value is NULL. */
void put_param(struct buf *out, const char *name, const char *value);

/* ---- output: to standard output ---- */

void say(const struct buf *text);
void say_json(const json_t *o);

/* ---- the commands ---- */

enum status command_run(struct command *c);
enum status command_preview(struct command *c);
enum status command_watch(struct command *c);
enum status command_list(struct command *c);
enum status command_show(struct command *c);
enum status command_targets(struct command *c);
enum status command_events(struct command *c);
enum status command_pause(struct command *c);
enum status command_resume(struct command *c);
enum status command_cancel(struct command *c);
enum status command_approve(struct command *c);
enum status command_retry(struct command *c);
enum status command_schedules(struct command *c);
enum status command_webhooks(struct command *c);
enum status command_hubs(struct command *c);

/* watch.c: watches a campaign to its end. */
enum status watch(struct command *c, const char *id);

#endif
