/* api/cli: see client.h */
#include "api/cli/client.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_TIMEOUT_S 10L
#define ANSWER_TIMEOUT_S 120L /* of all but streams and what is written as it comes */
/* A stream says something every 15 s; one that has been silent for longer is lost. */
#define SILENCE_MAX_S 60L
#define BODY_MAX_BYTES ((size_t)256 << 20)

struct client {
	struct client_options o;
	CURLM *multi;
	CURL *easy, *stream;
	struct curl_slist *stream_headers;
	client_data_cb *on_data;
	void *arg;
	bool has_ended; /* the stream */
	unsigned stream_status;
	char reason[CURL_ERROR_SIZE];
};

struct client *client_new(const struct client_options *options)
{
	struct client *c = xcalloc(1, sizeof *c);

	curl_global_init(CURL_GLOBAL_DEFAULT);
	c->o = *options;
	c->multi = curl_multi_init();
	c->easy = curl_easy_init();
	if (c->multi == NULL || c->easy == NULL)
		abort(); /* out of memory */
	return c;
}

static void drop_stream(struct client *c)
{
	if (c->stream == NULL)
		return;
	curl_multi_remove_handle(c->multi, c->stream);
	curl_easy_cleanup(c->stream);
	curl_slist_free_all(c->stream_headers);
	c->stream = NULL;
	c->stream_headers = NULL;
}

void client_free(struct client *c)
{
	drop_stream(c);
	curl_easy_cleanup(c->easy);
	curl_multi_cleanup(c->multi);
	curl_global_cleanup();
	free(c);
}

/* Takes text. */
static void add_header(struct curl_slist **headers, struct buf *text)
{
	struct curl_slist *all = curl_slist_append(*headers, text->data);

	if (all == NULL)
		abort(); /* out of memory */
	*headers = all;
	buf_done(text);
}

__attribute__((format(printf, 2, 3))) static void put_header(struct curl_slist **headers, const char *format,
                                                             ...)
{
	struct buf text = BUF_INIT;
	char *line;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&line, format, ap) < 0)
		abort(); /* out of memory */
	va_end(ap);
	buf_puts(&text, line);
	free(line);
	add_header(headers, &text);
}

/* What every request has. A POST is never sent again by libcurl on its own: a connection that is used for the
 * first time cannot have died of idleness. */
static void set_up(const struct client *c, CURL *easy, const char *path, struct curl_slist *headers)
{
	struct buf url = BUF_INIT;
	size_t len = strlen(c->o.url);

	while (len > 0 && c->o.url[len - 1] == '/')
		len--;
	buf_printf(&url, "%.*s%s", (int)len, c->o.url, path);
	curl_easy_setopt(easy, CURLOPT_URL, url.data);
	buf_done(&url);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "rollcall/" ROLLCALL_VERSION);
	if (c->o.ca_file != NULL)
		curl_easy_setopt(easy, CURLOPT_CAINFO, c->o.ca_file);
}

static void put_token(const struct client *c, struct curl_slist **headers)
{
	if (c->o.token != NULL)
		put_header(headers, "Authorization: Bearer %s", c->o.token);
}

struct receiving {
	CURL *easy;
	FILE *to;
	struct buf *body;
};

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct receiving *r = arg;
	long status = 0;

	(void)size; /* 1 */
	curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	if (r->to != NULL && status / 100 == 2)
		return fwrite(data, 1, n, r->to);
	if (r->body->len + n > BODY_MAX_BYTES)
		return 0;
	buf_put(r->body, data, n);
	return n;
}

void client_ask(struct client *c, const struct question *q, struct reply *ret)
{
	struct curl_slist *headers = NULL;
	struct receiving receiving = {c->easy, q->to, &ret->body};
	CURLcode code;
	long status = 0;

	*ret = (struct reply){.body = BUF_INIT};
	put_token(c, &headers);
	put_header(&headers, "Accept: %s",
	           q->accept != NULL ? q->accept : "application/json, application/problem+json");
	if (q->key != NULL)
		put_header(&headers, "Idempotency-Key: %s", q->key);
	if (q->body != NULL)
		put_header(&headers, "Content-Type: application/json");
	put_header(&headers, "Expect:");
	curl_easy_reset(c->easy);
	set_up(c, c->easy, q->path, headers);
	curl_easy_setopt(c->easy, CURLOPT_FORBID_REUSE, 1L);
	if (q->to == NULL)
		curl_easy_setopt(c->easy, CURLOPT_TIMEOUT, ANSWER_TIMEOUT_S);
	if (q->body != NULL || (q->method != NULL && strcmp(q->method, "POST") == 0)) {
		curl_easy_setopt(c->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body_bytes);
		curl_easy_setopt(c->easy, CURLOPT_POSTFIELDS, q->body != NULL ? q->body : "");
	}
	if (q->method != NULL)
		curl_easy_setopt(c->easy, CURLOPT_CUSTOMREQUEST, q->method);
	curl_easy_setopt(c->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c->easy, CURLOPT_WRITEDATA, &receiving);
	c->reason[0] = '\0';
	curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, c->reason);
	code = curl_easy_perform(c->easy);
	curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_OK)
		ret->status = (unsigned)status;
	else
		snprintf(ret->reason, sizeof ret->reason, "%s",
		         c->reason[0] != '\0' ? c->reason : curl_easy_strerror(code));
	curl_slist_free_all(headers);
}

void reply_done(struct reply *r)
{
	buf_done(&r->body);
}

static size_t on_stream(char *data, size_t size, size_t n, void *arg)
{
	struct client *c = arg;
	long status = 0;

	(void)size; /* 1 */
	curl_easy_getinfo(c->stream, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200)
		c->on_data(c->arg, data, n);
	return n;
}

void client_stream(struct client *c, const char *path, uint64_t after, client_data_cb *on_data, void *arg)
{
	drop_stream(c);
	c->on_data = on_data;
	c->arg = arg;
	c->has_ended = false;
	c->stream_status = 0;
	put_token(c, &c->stream_headers);
	put_header(&c->stream_headers, "Accept: text/event-stream");
	put_header(&c->stream_headers, "Last-Event-ID: %" PRIu64, after);
	c->stream = curl_easy_init();
	if (c->stream == NULL)
		abort(); /* out of memory */
	set_up(c, c->stream, path, c->stream_headers);
	curl_easy_setopt(c->stream, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(c->stream, CURLOPT_LOW_SPEED_TIME, SILENCE_MAX_S);
	curl_easy_setopt(c->stream, CURLOPT_WRITEFUNCTION, on_stream);
	curl_easy_setopt(c->stream, CURLOPT_WRITEDATA, c);
	curl_multi_add_handle(c->multi, c->stream);
}

bool client_wait(struct client *c, uint32_t ms, unsigned *ret_status)
{
	int running = 0, left;
	CURLMsg *message;

	if (c->stream != NULL && !c->has_ended) {
		curl_multi_perform(c->multi, &running);
		curl_multi_poll(c->multi, NULL, 0, running > 0 ? (int)ms : 0, NULL);
		curl_multi_perform(c->multi, &running);
		while ((message = curl_multi_info_read(c->multi, &left)) != NULL) {
			long status = 0;

			if (message->msg != CURLMSG_DONE)
				continue;
			curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
			c->stream_status = (unsigned)status;
			c->has_ended = true;
		}
	} else {
		curl_multi_poll(c->multi, NULL, 0, (int)ms, NULL); /* nothing to wait for but the time */
	}
	*ret_status = c->stream_status;
	return c->stream != NULL && !c->has_ended;
}
