/* api: see request.h */
#include "api/request.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/base/hash.h"
#include "server/conductor.h"

#define RETRY_BUSY_S "1"
#define RETRY_DRAINING_S "10"
#define RETRY_STREAM_S "30"
#define RETRY_TOO_MANY_S "60"

/* ---- life ---- */

/* Theirs where it is short and plain, so that it can be logged and sent back; else ours. */
static void set_id(struct request *r)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	const char *given = httpd_header(r->exchange, "X-Request-Id");

	if (given != NULL && given[0] != '\0' && strlen(given) < sizeof r->id &&
	    given[strspn(given, allowed)] == '\0') {
		memcpy(r->id, given, strlen(given) + 1);
		return;
	}
	snprintf(r->id, sizeof r->id, "%016" PRIx64, rng_u64(&r->context->luck));
}

struct request *request_new(struct context *context, struct exchange *x, int64_t now_ms)
{
	struct request *r = xcalloc(1, sizeof *r);

	r->exchange = x;
	r->context = context;
	r->now_ms = now_ms;
	r->method = strcmp(httpd_method(x), "HEAD") == 0 ? "GET" : httpd_method(x);
	set_id(r);
	return r;
}

void request_free(struct request *r)
{
	for (size_t i = 0; i < r->headers_n; i++)
		free(r->headers[i].value);
	free(r->path);
	free(r->decoded);
	free(r);
}

/* ---- the target ---- */

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes len bytes of text once, to *at, which moves past the NUL it ends with. False: a broken escape, a
 * byte that may not stand in a target, or an escaped one that would change what the text means. */
static bool decode(const char *text, size_t len, bool is_query, char **at)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '%') {
			int high = i + 2 < len ? digit_of(text[i + 1]) : -1;
			int low = i + 2 < len ? digit_of(text[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (unsigned char)(high << 4 | low);
			if (c == '\0' || (c == '/' && !is_query))
				return false;
			i += 2;
		} else if (c <= ' ' || c >= 0x7f || c == '#') {
			return false;
		} else if (c == '+' && is_query) {
			c = ' ';
		}
		*(*at)++ = (char)c;
	}
	*(*at)++ = '\0';
	return true;
}

static bool add_param(struct request *r, const char *text, size_t len, char **at)
{
	const char *equals = memchr(text, '=', len);
	size_t name_len = equals != NULL ? (size_t)(equals - text) : len;
	struct param p = {*at, ""};

	if (r->params_n == PARAMS_MAX || !decode(text, name_len, true, at))
		return false;
	if (equals != NULL) {
		p.value = *at;
		if (!decode(equals + 1, len - name_len - 1, true, at))
			return false;
	}
	if (request_param(r, p.name) != NULL)
		return false; /* twice: which one would count? */
	r->params[r->params_n++] = p;
	return true;
}

static bool read_query(struct request *r, const char *query, char **at)
{
	while (*query != '\0') {
		size_t len = strcspn(query, "&");

		if (len > 0 && !add_param(r, query, len, at))
			return false;
		query += len + (query[len] == '&');
	}
	return true;
}

/* Only whether it can be decoded: request_matches() decodes the parts. */
static bool is_path(const char *path, char *scratch)
{
	return path[0] == '/' && decode(path, strlen(path), false, &scratch);
}

bool request_read_target(struct request *r)
{
	const char *target = httpd_target(r->exchange);
	size_t path_len = strcspn(target, "?");
	char *at;

	r->path = xstrndup(target, path_len);
	/* Decoding never makes longer; each separator becomes a NUL, and path and query need one more each.
	 */
	r->decoded = xmalloc(strlen(target) + 3);
	at = r->decoded + path_len + 1;
	if (is_path(r->path, r->decoded) &&
	    (target[path_len] == '\0' || read_query(r, target + path_len + 1, &at)))
		return true;
	reply_problem(r, PROBLEM_MALFORMED,
	              "the target must be a path with sound %%-escapes and at most %d parameters, each once",
	              PARAMS_MAX);
	return false;
}

static bool is_part(const char *part)
{
	return part[0] != '\0' && strcmp(part, ".") != 0 && strcmp(part, "..") != 0;
}

bool request_matches(struct request *r, const char *pattern)
{
	const char *path = r->path;
	char *at = r->decoded;
	size_t parts_n = 0;

	for (;;) {
		size_t want = strcspn(pattern, "/"), have = strcspn(path, "/");

		if (pattern[0] == '{') {
			char *part = at;

			if (!decode(path, have, false, &at) || !is_part(part))
				return false;
			r->parts[parts_n++] = part;
		} else if (want != have || memcmp(pattern, path, want) != 0) {
			return false;
		}
		pattern += want;
		path += have;
		if (*pattern == '\0' || *path == '\0')
			return *pattern == *path;
		pattern++;
		path++;
	}
}

/* ---- content negotiation ---- */

struct media_range {
	const char *text;
	size_t len;
	unsigned weight; /* 0 … 1000 */
};

static unsigned weight_of(const char *text)
{
	double weight = strtod(text, NULL);

	return weight <= 0 ? 0 : weight >= 1 ? 1000 : (unsigned)(weight * 1000 + 0.5);
}

static struct media_range next_range(const char **at)
{
	struct media_range range = {*at + strspn(*at, " \t"), 0, 1000};
	size_t all = strcspn(range.text, ",");
	const char *param = range.text, *end = range.text + all;

	range.len = strcspn(range.text, ",; \t");
	while ((param = memchr(param, ';', (size_t)(end - param))) != NULL) {
		param += 1 + strspn(param + 1, " \t");
		if (strncasecmp(param, "q=", 2) == 0)
			range.weight = weight_of(param + 2);
	}
	*at = end + (*end == ',');
	return range;
}

/* How exactly range names type: 3 itself, 2 its family, 1 everything, 0 not at all. */
static unsigned exactness(const struct media_range *range, const char *type)
{
	size_t family = strcspn(type, "/") + 1;

	if (range->len == strlen(type) && strncasecmp(range->text, type, range->len) == 0)
		return 3;
	if (range->len == family + 1 && range->text[family] == '*' &&
	    strncasecmp(range->text, type, family) == 0)
		return 2;
	return range->len == 3 && memcmp(range->text, "*/*", 3) == 0 ? 1 : 0;
}

unsigned request_likes(const struct request *r, const char *type)
{
	const char *at = httpd_header(r->exchange, "Accept");
	unsigned best = 0, weight = 0;

	if (at == NULL || at[0] == '\0')
		return 1;
	while (*at != '\0') {
		struct media_range range = next_range(&at);
		unsigned exact = exactness(&range, type);

		if (exact > best) {
			best = exact;
			weight = range.weight;
		}
	}
	return weight > 0 ? weight * 4 + best : 0;
}

bool request_takes_gzip(const struct request *r)
{
	const char *at = httpd_header(r->exchange, "Accept-Encoding");
	bool takes_any = false;

	while (at != NULL && *at != '\0') {
		struct media_range range = next_range(&at);

		if (range.len == 4 && strncasecmp(range.text, "gzip", 4) == 0)
			return range.weight > 0;
		if (range.len == 1 && range.text[0] == '*')
			takes_any = range.weight > 0;
	}
	return takes_any;
}

/* ---- parameters ---- */

const char *request_param(const struct request *r, const char *name)
{
	for (size_t i = 0; i < r->params_n; i++)
		if (strcmp(r->params[i].name, name) == 0)
			return r->params[i].value;
	return NULL;
}

static bool read_u64(const char *text, const char *end, uint64_t *ret)
{
	uint64_t n = 0;

	if (text == end || end - text > 20)
		return false;
	for (; text < end; text++) {
		if (*text < '0' || *text > '9' || n > (UINT64_MAX - 9) / 10)
			return false;
		n = n * 10 + (uint64_t)(*text - '0');
	}
	*ret = n;
	return true;
}

void request_param_u64(const struct request *r, const char *name, uint64_t min, uint64_t max, uint64_t *ret,
                       struct faults *faults)
{
	const char *text = request_param(r, name);
	uint64_t n;

	if (text == NULL)
		return;
	if (read_u64(text, text + strlen(text), &n) && n >= min && n <= max)
		*ret = n;
	else
		faults_add(faults, name, "must be a whole number from %" PRIu64 " to %" PRIu64, min, max);
}

static bool is_used(const char *text)
{
	return text[0] != '\0' && text[0] != '?';
}

void request_param_choice(const struct request *r, const char *name, const char *(*text_of)(int), int n,
                          int *ret, struct faults *faults)
{
	const char *text = request_param(r, name);
	struct buf allowed = BUF_INIT;

	if (text == NULL)
		return;
	for (int i = 0; i < n; i++) {
		if (!is_used(text_of(i)))
			continue;
		if (strcmp(text, text_of(i)) == 0) {
			*ret = i;
			buf_done(&allowed);
			return;
		}
		buf_printf(&allowed, "%s%s", allowed.len > 0 ? ", " : "", text_of(i));
	}
	faults_add(faults, name, "must be one of %s", allowed.data);
	buf_done(&allowed);
}

static bool is_paging(const char *name)
{
	return strcmp(name, "cursor") == 0 || strcmp(name, "limit") == 0;
}

/* A cursor is "1.<position>.<what it is good for>": a version, then a number, then a fingerprint of path,
 * filters and number, so that one made for another list, or by hand, is told from ours. It needs no escape in
 * a URL. */
static void put_cursor(const struct request *r, uint64_t position, struct buf *out)
{
	struct buf list = BUF_INIT;

	buf_put_str(&list, r->path);
	for (size_t i = 0; i < r->params_n; i++) {
		if (is_paging(r->params[i].name))
			continue;
		buf_put_str(&list, r->params[i].name);
		buf_put_str(&list, r->params[i].value);
	}
	buf_put_u64(&list, position);
	buf_printf(out, "1.%" PRIu64 ".%016" PRIx64, position, hash64(list.data, list.len));
	buf_done(&list);
}

static bool read_cursor(const struct request *r, const char *text, uint64_t *ret)
{
	const char *dot = strchr(text, '.'), *second = dot != NULL ? strchr(dot + 1, '.') : NULL;
	struct buf ours = BUF_INIT;
	uint64_t position;
	bool is_ours = false;

	if (second != NULL && read_u64(dot + 1, second, &position)) {
		put_cursor(r, position, &ours);
		is_ours = strcmp(text, ours.data) == 0;
		buf_done(&ours);
	}
	if (is_ours)
		*ret = position;
	return is_ours;
}

void request_page(const struct request *r, uint32_t *ret_limit, uint64_t *ret_position, struct faults *faults)
{
	const char *cursor = request_param(r, "cursor");
	uint64_t limit = LIST_LIMIT_DEFAULT;

	request_param_u64(r, "limit", 1, LIST_LIMIT_MAX, &limit, faults);
	*ret_limit = (uint32_t)limit;
	if (cursor != NULL && !read_cursor(r, cursor, ret_position))
		faults_add(faults, "cursor", "is none that this list with these parameters gave");
}

static void put_escaped(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (isalnum((unsigned char)*text) || strchr("-._~", *text) != NULL)
			buf_putc(out, *text);
		else
			buf_printf(out, "%%%02X", (unsigned char)*text);
	}
}

void request_put_next(const struct request *r, const char *name, const char *value, struct buf *out)
{
	struct buf link = BUF_INIT;

	buf_printf(&link, "%s?", r->path);
	for (size_t i = 0; i < r->params_n; i++) {
		if (strcmp(r->params[i].name, name) == 0)
			continue;
		put_escaped(&link, r->params[i].name);
		buf_putc(&link, '=');
		put_escaped(&link, r->params[i].value);
		buf_putc(&link, '&');
	}
	buf_printf(&link, "%s=", name);
	put_escaped(&link, value);
	buf_puts(out, ",\"nextLink\":");
	buf_json(out, link.data);
	buf_done(&link);
}

void request_put_next_cursor(const struct request *r, uint64_t position, struct buf *out)
{
	struct buf cursor = BUF_INIT;

	put_cursor(r, position, &cursor);
	request_put_next(r, "cursor", cursor.data, out);
	buf_done(&cursor);
}

void request_sign(struct request *r, const char *what)
{
	char address[HTTPD_ADDRESS_SIZE];
	struct origin origin = {.actor = r->who.name,
	                        .role = role_text(r->who.role),
	                        .address = httpd_address(r->exchange, address),
	                        .method = r->method,
	                        .path = r->path,
	                        .request_id = r->id,
	                        .what = what};

	conductor_sign(r->context->conductor, &origin);
}

/* ---- what must be there ---- */

bool request_found(struct request *r, enum err err, bool is_there, const char *none)
{
	if (err != ERR_OK)
		reply_err(r, err, NULL);
	else if (!is_there)
		reply_problem(r, PROBLEM_NOT_FOUND, "%s", none);
	return err == ERR_OK && is_there;
}

/* ---- preconditions ---- */

bool request_has_if_match(struct request *r)
{
	if (httpd_header(r->exchange, "If-Match") != NULL)
		return true;
	reply_problem(r, PROBLEM_NO_IF_MATCH, "send If-Match with the ETag of what is to be changed");
	return false;
}

/* Whether a list of tags names etag, or any; no tag of ours has a comma. A weak tag is one of ours that was
 * weakened on the way. */
static bool names_etag(const char *at, const char *etag, bool takes_weak)
{
	static const char between[] = ", \t";

	for (at += strspn(at, between); *at != '\0'; at += strspn(at, between)) {
		size_t len;

		at += takes_weak && strncmp(at, "W/", 2) == 0 ? 2 : 0;
		len = strcspn(at, between);
		if ((len == 1 && *at == '*') || (len == strlen(etag) && memcmp(at, etag, len) == 0))
			return true;
		at += len;
	}
	return false;
}

bool request_is_current(struct request *r, const char *etag)
{
	if (names_etag(httpd_header(r->exchange, "If-Match"), etag, false))
		return true;
	reply_problem(r, PROBLEM_STALE, "the ETag is now %s", etag);
	return false;
}

bool request_has_already(const struct request *r, const char *etag)
{
	const char *tags = httpd_header(r->exchange, "If-None-Match");

	return tags != NULL && names_etag(tags, etag, true);
}

/* ---- replies ---- */

void reply_header(struct request *r, const char *name, const char *value)
{
	if (r->headers_n == REPLY_HEADERS_MAX)
		abort();
	r->headers[r->headers_n++] = (struct httpd_header){name, xstrdup(value)};
}

static void header_unless_given(struct request *r, const char *name, const char *value)
{
	for (size_t i = 0; i < r->headers_n; i++)
		if (strcmp(r->headers[i].name, name) == 0)
			return;
	reply_header(r, name, value);
}

static void set_headers(struct request *r, unsigned status)
{
	r->status = status;
	r->context->answered[status <= STATUS_MAX ? status : 0]++;
	reply_header(r, "X-Request-Id", r->id);
	reply_header(r, "X-Content-Type-Options", "nosniff");
	reply_header(r, "Referrer-Policy", "no-referrer");
	reply_header(r, "Cross-Origin-Resource-Policy", "same-origin");
	if (r->context->is_tls)
		reply_header(r, "Strict-Transport-Security", "max-age=31536000");
	header_unless_given(r, "Cache-Control", "no-store");
	header_unless_given(r, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
}

static void send_reply(struct request *r, unsigned status, struct buf *body)
{
	set_headers(r, status);
	httpd_reply(r->exchange, status, r->headers, r->headers_n, body);
}

void reply(struct request *r, unsigned status, const char *type, struct buf *body)
{
	reply_header(r, "Content-Type", type);
	send_reply(r, status, body);
}

void reply_stream(struct request *r, const char *type, const struct streamer *streamer, void *stream)
{
	r->streamer = streamer;
	r->stream = stream;
	reply_header(r, "Content-Type", type);
	set_headers(r, 200);
	httpd_stream(r->exchange, 200, r->headers, r->headers_n);
}

void reply_empty(struct request *r, unsigned status)
{
	struct buf body = BUF_INIT;

	send_reply(r, status, &body);
}

void reply_json(struct request *r, unsigned status, struct buf *body)
{
	reply(r, status, "application/json", body);
}

static void reply_document(struct request *r, enum problem p, struct buf *body)
{
	if (p == PROBLEM_TOO_MANY_STREAMS)
		reply_header(r, "Retry-After", RETRY_STREAM_S);
	if (p == PROBLEM_BUSY || p == PROBLEM_ISSUER || p == PROBLEM_IN_FLIGHT)
		reply_header(r, "Retry-After", RETRY_BUSY_S);
	if (p == PROBLEM_TOO_MANY)
		reply_header(r, "Retry-After", RETRY_TOO_MANY_S);
	if (p == PROBLEM_DRAINING)
		reply_header(r, "Retry-After", RETRY_DRAINING_S);
	reply(r, problem_status(p), "application/problem+json", body);
}

void reply_problem(struct request *r, enum problem p, const char *format, ...)
{
	struct buf body = BUF_INIT;
	char detail[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(detail, sizeof detail, format, ap);
	va_end(ap);
	problem_render(&body, p, detail, NULL, NULL, -1);
	reply_document(r, p, &body);
}

void reply_faults(struct request *r, enum problem p, struct faults *faults)
{
	struct buf body = BUF_INIT;
	char detail[64];

	snprintf(detail, sizeof detail, "%zu %s", faults->n + faults->left_out,
	         faults->n + faults->left_out == 1 ? "thing is wrong" : "things are wrong");
	problem_render(&body, p, detail, faults, p == PROBLEM_PARAMETER ? "parameter" : "pointer", -1);
	faults_done(faults);
	reply_document(r, p, &body);
}

void reply_bad_body(struct request *r, struct faults *faults, size_t at, const char *reason)
{
	struct buf body = BUF_INIT;

	if (faults->n > 0) {
		reply_faults(r, PROBLEM_UNSOUND, faults);
		return;
	}
	problem_render(&body, PROBLEM_NOT_JSON, reason, NULL, NULL, (long)at);
	reply_document(r, PROBLEM_NOT_JSON, &body);
}

void reply_err(struct request *r, enum err err, const char *detail)
{
	reply_problem(r, problem_of(err), "%s", detail != NULL && detail[0] != '\0' ? detail : err_text(err));
}
