/* tests: the cursor of lists under libFuzzer: what is taken is, to the letter, what this list gives for that
 * place; what it gives is taken and means that place; and with one character changed it is refused. The first
 * eight bytes are a place, the rest a request as text. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "api/request.h"
#include "tests/fuzz/exchange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct context context;

/* In a link, of which it stands at the end. */
static char *cursor_in(char *link)
{
	char *found = strrchr(link, '=');

	assert(found != NULL && found - link > 6 && strncmp(found - 6, "cursor", 6) == 0);
	return found + 1;
}

/* The link that the list gives for a place, to be freed. */
static char *link_of(const struct request *r, uint64_t place)
{
	struct buf b = BUF_INIT;
	json_t *answer;
	char *link;

	buf_puts(&b, "{\"value\":[]");
	request_put_next_cursor(r, place, &b);
	buf_putc(&b, '}');
	answer = json_loadb(b.data, b.len, JSON_REJECT_DUPLICATES, NULL);
	assert(answer != NULL); /* the path has come through request_read_target() */
	link = xstrdup(json_string_value(json_object_get(answer, "nextLink")));
	json_decref(answer);
	buf_done(&b);
	return link;
}

/* Whether the request's cursor and limit are taken. */
static bool page_of(const struct request *r, uint64_t *ret_place)
{
	struct faults faults = FAULTS_INIT;
	uint32_t limit = 0;
	bool is_taken;

	request_page(r, &limit, ret_place, &faults);
	is_taken = faults.n == 0;
	assert(!is_taken || (limit >= 1 && limit <= LIST_LIMIT_MAX));
	for (size_t i = 0; i < faults.n; i++)
		assert(strcmp(faults.all[i].pointer, "cursor") == 0 ||
		       strcmp(faults.all[i].pointer, "limit") == 0);
	faults_done(&faults);
	return is_taken;
}

static void check_link(struct exchange *x, char *link, uint64_t expected)
{
	struct request *r;
	char *cursor = cursor_in(link);
	uint64_t place = 0;

	x->target = link;
	r = request_new(&context, x, 0);
	assert(request_read_target(r) && page_of(r, &place) && place == expected);
	request_free(r);
	for (char *at = cursor; *at != '\0'; at++) {
		char was = *at;

		*at = was == '1' ? '2' : '1';
		r = request_new(&context, x, 0);
		assert(request_read_target(r) && !page_of(r, &place));
		request_free(r);
		*at = was;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct exchange x;
	struct request *r;
	uint64_t place = 0, given;
	const char *cursor;
	char *link;

	if (n < sizeof given)
		return 0;
	memcpy(&given, data, sizeof given);
	given &= INT64_MAX; /* numbers of rows, as the store has them */
	if (!exchange_read(&x, (const char *)data + sizeof given, n - sizeof given))
		return 0;
	rng_seed(&context.luck, 1);
	r = request_new(&context, &x, 0);
	if (request_read_target(r)) {
		cursor = request_param(r, "cursor");
		if (page_of(r, &place)) {
			if (cursor != NULL) {
				link = link_of(r, place);
				assert(strcmp(cursor_in(link), cursor) == 0);
				free(link);
			}
			if (r->params_n < PARAMS_MAX || cursor != NULL) {
				link = link_of(r, given);
				check_link(&x, link, given);
				free(link);
			}
		}
	}
	request_free(r);
	exchange_done(&x);
	return 0;
}
