/* hub: twins and twin queries (contract 3, 4). */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "server/base/clock.h"
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

static void read_rows(const struct exchange *x, const json_t *page, struct hub_answer *answer)
{
	size_t i;
	json_t *row;

	answer->rows = xcalloc(json_array_size(page), sizeof *answer->rows);
	json_array_foreach (page, i, row) {
		struct reading *reading = &answer->rows[answer->rows_n];

		if (reading_from_row(x->watch, row, reading) != ERR_OK) {
			answer->bad_rows_n++;
			continue;
		}
		reading->hub_at_ms = answer->hub_at_ms;
		answer->rows_n++;
	}
}

static void on_page_answer(void *arg, const struct http_answer *http)
{
	struct exchange *x = arg;
	struct hub_answer answer;
	json_t *page = NULL;

	rest_read(x, http, outcome_of_read, &answer);
	if (answer.outcome == HUB_GONE) /* a query is about no device */
		rest_misread(&answer, HUB_TROUBLE, answer.detail);
	if (answer.outcome == HUB_ANSWERED) {
		page = json_loadb(http->body, http->body_bytes, JSON_ALLOW_NUL, NULL);
		if (!json_is_array(page)) {
			rest_misread(&answer, HUB_TROUBLE, "answered, but not with a page of rows");
		} else {
			read_rows(x, page, &answer);
			answer.continuation = http->continuation;
		}
	}
	rest_finish(x, &answer);
	for (size_t i = 0; i < answer.rows_n; i++)
		reading_done(&answer.rows[i]);
	free(answer.rows);
	json_decref(page);
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
