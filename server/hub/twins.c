/* hub: twins and twin queries (contract 3, 4). */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "server/base/clock.h"
#include "server/hub/plain.h"
#include "server/hub/rest.h"

#define TWIN_BYTES_MAX (1024 * 1024) /* 72 KB of values (contract 3.3), and their metadata */
#define QUERY_CHARS_MAX 8192         /* contract 4.2; counted in bytes, the stricter reading */
#define TWIN_TIMEOUT_MS 30000

/* --- one twin --- */

static void on_twin_answer(void *arg, const struct http_answer *http)
{
	struct exchange *x = arg;
	struct hub_answer answer;
	struct reading reading;
	json_t *twin = NULL;

	rest_read(x, http, outcome_of_read, &answer);
	reading_of_absence(x->device_id, &reading);
	if (answer.outcome == HUB_ANSWERED) {
		twin = json_loadb(http->body, http->body_bytes, JSON_ALLOW_NUL, NULL);
		if (reading_from_twin(x->watch, twin, &reading) != ERR_OK)
			rest_misread(&answer, HUB_TROUBLE, "answered, but not with a twin");
		else if (strcmp(reading.device_id, x->device_id) != 0)
			rest_misread(&answer, HUB_TROUBLE, "answered with another device's twin");
	}
	reading.hub_at_ms = answer.hub_at_ms;
	if (answer.outcome == HUB_ANSWERED || answer.outcome == HUB_GONE)
		answer.reading = &reading;
	rest_finish(x, &answer);
	reading_done(&reading);
	json_decref(twin);
}

enum err hub_read(struct hub *h, const char *device_id, const struct watch *watch, hub_answer_cb *on_answer,
                  void *arg)
{
	struct buf path = BUF_INIT;
	enum err err = rest_put_twin_path(device_id, &path);

	if (err == ERR_OK) {
		buf_puts(&path, REST_API_VERSION);
		err = rest_send(rest_exchange(h, device_id, watch, on_answer, arg),
		                &(struct http_request){.method = "GET",
		                                       .path = path.data,
		                                       .timeout_ms = TWIN_TIMEOUT_MS,
		                                       .answer_max_bytes = TWIN_BYTES_MAX},
		                on_twin_answer);
	}
	buf_done(&path);
	return err;
}

/* --- one page --- */

/* What the rows of a page point into. */
struct page {
	struct buf ids;  /* of rows that were written plainly */
	json_t *kept;    /* the others, an array; NULL: there are none */
	size_t rows_max; /* there is room for */
};

static struct reading *next_row(struct page *p, struct hub_answer *answer)
{
	if (answer->rows_n == p->rows_max) {
		p->rows_max = p->rows_max > 0 ? 2 * p->rows_max : 128;
		answer->rows = xrealloc(answer->rows, p->rows_max * sizeof *answer->rows);
	}
	return &answer->rows[answer->rows_n];
}

static void take_row(const struct exchange *x, struct page *p, json_t *row, struct hub_answer *answer)
{
	struct reading *reading = next_row(p, answer);

	if (reading_from_row(x->watch, row, reading) != ERR_OK) {
		answer->bad_rows_n++;
		return;
	}
	reading->hub_at_ms = answer->hub_at_ms;
	answer->rows_n++;
}

/* Reads a row by itself, however it is written. False: it is not even an object. */
static bool take_row_at(const struct exchange *x, struct page *p, const char **at, const char *end,
                        struct hub_answer *answer)
{
	json_error_t behind;
	json_t *row = json_loadb(*at, (size_t)(end - *at), JSON_ALLOW_NUL | JSON_DISABLE_EOF_CHECK, &behind);

	if (!json_is_object(row)) {
		json_decref(row);
		return false;
	}
	*at += behind.position;
	if (p->kept == NULL)
		p->kept = json_array();
	json_array_append_new(p->kept, row);
	take_row(x, p, row, answer);
	return true;
}

static bool take_plain_row(const struct exchange *x, struct page *p, const char **at, const char *end,
                           struct hub_answer *answer)
{
	struct plain_object row;
	struct reading *reading = next_row(p, answer);
	const struct plain *id;

	if (!plain_object(at, end, &row) || !reading_from_plain_row(x->watch, &row, reading))
		return false;
	id = plain_get(&row, "deviceId");
	reading->device_id = p->ids.data + p->ids.len;
	buf_put(&p->ids, id->text, id->n + 1); /* a quote is behind it at least */
	p->ids.data[p->ids.len - 1] = '\0';
	reading->hub_at_ms = answer->hub_at_ms;
	answer->rows_n++;
	return true;
}

/* Reads a page row by row. False: it is not an array of objects. */
static bool read_by_row(const struct exchange *x, struct page *p, const char *text, size_t n,
                        struct hub_answer *answer)
{
	const char *at = text, *end = text + n, *row;

	if (!plain_skip(&at, end, '['))
		return false;
	if (!plain_skip(&at, end, ']')) {
		buf_reserve(&p->ids, n); /* all ids fit, so that none of them moves */
		do {
			row = at;
			if (!take_plain_row(x, p, &at, end, answer) &&
			    (at = row, !take_row_at(x, p, &at, end, answer)))
				return false;
		} while (plain_skip(&at, end, ','));
		if (!plain_skip(&at, end, ']'))
			return false;
	}
	return plain_is_over(at, end);
}

static void forget_rows(struct page *p, struct hub_answer *answer)
{
	for (size_t i = 0; i < answer->rows_n; i++)
		reading_done(&answer->rows[i]);
	free(answer->rows);
	answer->rows = NULL;
	answer->rows_n = answer->bad_rows_n = 0;
	json_decref(p->kept);
	buf_done(&p->ids);
	*p = (struct page){.kept = NULL};
}

/* Reads a page as a whole: it is JSON of another kind, or none. */
static bool read_whole(const struct exchange *x, struct page *p, const char *text, size_t n,
                       struct hub_answer *answer)
{
	size_t i;
	json_t *row;

	p->kept = json_loadb(text, n, JSON_ALLOW_NUL, NULL);
	if (!json_is_array(p->kept))
		return false;
	json_array_foreach (p->kept, i, row)
		take_row(x, p, row, answer);
	return true;
}

static void on_page_answer(void *arg, const struct http_answer *http)
{
	struct exchange *x = arg;
	struct hub_answer answer;
	struct page page = {.kept = NULL};

	rest_read(x, http, outcome_of_read, &answer);
	if (answer.outcome == HUB_GONE) /* a query is about no device */
		rest_misread(&answer, HUB_TROUBLE, answer.detail);
	if (answer.outcome == HUB_ANSWERED) {
		bool is_page = read_by_row(x, &page, http->body, http->body_bytes, &answer);

		if (!is_page) {
			forget_rows(&page, &answer);
			is_page = read_whole(x, &page, http->body, http->body_bytes, &answer);
		}
		if (is_page)
			answer.continuation = http->continuation;
		else
			rest_misread(&answer, HUB_TROUBLE, "answered, but not with a page of rows");
	}
	rest_finish(x, &answer);
	forget_rows(&page, &answer);
}

/* Gives the query's length. */
static size_t put_query(const struct watch *watch, const char *condition, struct buf *out)
{
	struct buf query = BUF_INIT;
	size_t len;

	buf_puts(&query, "SELECT ");
	watch_select(watch, &query);
	buf_puts(&query, " FROM devices");
	if (condition != NULL) {
		buf_puts(&query, " WHERE ");
		buf_puts(&query, condition);
	}
	watch_group_by(watch, &query);
	buf_puts(out, "{\"query\":");
	buf_json_n(out, query.data, query.len);
	buf_putc(out, '}');
	len = query.len;
	buf_done(&query);
	return len;
}

enum err hub_query(struct hub *h, const char *condition, const char *continuation, const struct watch *watch,
                   hub_answer_cb *on_answer, void *arg)
{
	struct buf body = BUF_INIT;
	enum err err = ERR_INVALID;

	if (put_query(watch, condition, &body) <= QUERY_CHARS_MAX)
		err = rest_send_query(rest_exchange(h, NULL, watch, on_answer, arg), &body, continuation,
		                      on_page_answer);
	buf_done(&body);
	return err;
}
