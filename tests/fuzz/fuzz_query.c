/* tests: the simulated hub's query language under libFuzzer, through its door: every text is answered 200 or
 * 400 in JSON, pages end, a condition in parentheses finds the same devices, and NOT finds none of them. The
 * first byte says how the open points of the language are decided. */
#include <assert.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "tests/world/world.h"

#define SELECT "SELECT deviceId AS id FROM devices WHERE "
#define DEVICES 8
#define PAGES_MAX 20
#define INPUTS_A_WORLD 5000 /* names that were once asked for stay in a world's pool */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct world *w;
static char continuation[256];

struct found {
	bool is_query;
	size_t rows;
	unsigned devices; /* bits, of rows with an id */
};

static void note_row(const json_t *row, struct found *found)
{
	const char *id = json_string_value(json_object_get(row, "id"));

	found->rows++;
	if (id != NULL && strncmp(id, "dev-00000", 9) == 0)
		found->devices |= 1u << (id[9] - '0');
}

static void on_answer(void *arg, void *ticket, const struct world_answer *answer)
{
	json_t *body = json_loadb(answer->body, answer->body_bytes, 0, NULL), *row;
	struct found *found = ticket;
	size_t i;

	(void)arg;
	assert(answer->status == 200 || answer->status == 400);
	assert(answer->status == 200 ? json_is_array(body) : json_is_object(body));
	found->is_query = answer->status == 200;
	json_array_foreach (body, i, row)
		note_row(row, found);
	assert(answer->continuation == NULL || strlen(answer->continuation) < sizeof continuation);
	continuation[0] = '\0';
	if (answer->continuation != NULL)
		strcpy(continuation, answer->continuation);
	json_decref(body);
}

static struct found ask(const char *before, const char *text, const char *after)
{
	struct buf query = BUF_INIT, body = BUF_INIT;
	struct world_request request = {
	        .method = "POST", .path = "/devices/query?api-version=2021-04-12", .max_item_count = "3"};
	struct found found = {.is_query = false};
	size_t pages = 0;

	buf_puts(&query, before);
	buf_puts(&query, text);
	buf_puts(&query, after);
	buf_puts(&body, "{\"query\":");
	buf_json(&body, query.data);
	buf_putc(&body, '}');
	request.body = body.data;
	request.body_bytes = body.len;
	continuation[0] = '\0';
	do {
		request.continuation = pages > 0 ? continuation : NULL;
		world_request(w, world_now(w), &request, &found);
		world_run(w, world_now(w), on_answer, NULL);
		assert(++pages <= PAGES_MAX);
	} while (continuation[0] != '\0');
	buf_done(&query);
	buf_done(&body);
	return found;
}

static void make_world(void)
{
	struct world_options options;

	world_free(w);
	world_options_init(&options);
	options.devices_n = DEVICES;
	options.site_size = 2;
	options.with_history = true;
	options.agents_share = 0.5;
	w = world_new(&options);
	if (world_tag(w, options.start_ms, "dev-000001",
	              "{\"n\":5,\"half\":0.5,\"yes\":true,\"o\":{\"a\":[1]}}") != ERR_OK)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static unsigned inputs;
	struct found plain, same, opposite;
	struct world_quirks *quirks;
	char *text;

	if (n == 0)
		return 0;
	if (inputs++ % INPUTS_A_WORLD == 0)
		make_world();
	quirks = world_quirks(w);
	quirks->missing_differs = data[0] & 1;
	quirks->names_any_case = data[0] >> 1 & 1;
	quirks->missing_is_null = data[0] >> 2 & 1;
	quirks->plain_key = data[0] >> 3 & 1;
	text = xstrndup((const char *)data + 1, n - 1);
	(void)ask("", text, "");
	plain = ask(SELECT, text, "");
	same = ask(SELECT "(", text, ")");
	opposite = ask(SELECT "NOT (", text, ")");
	assert(plain.rows <= DEVICES);
	/* a text may be a condition by parentheses of ours only, "a) OR (b": then nothing holds */
	if (plain.is_query && same.is_query)
		assert(plain.devices == same.devices);
	if (plain.is_query && opposite.is_query)
		assert((plain.devices & opposite.devices) == 0);
	free(text);
	return 0;
}
