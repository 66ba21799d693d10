/* hub: see framing.h
 *
 *   HEAD ──┬──▶ LENGTH ─────────▶ DONE          a 1xx head is dropped: HEAD again
 *          ├──▶ TO_THE_END ─────▶ DONE
 *          └──▶ CHUNK_SIZE ─0──▶ TRAILERS ──▶ DONE
 *                ▲    └──▶ CHUNK ──▶ CHUNK_END ─┐
 *                └──────────────────────────────┘   and from each to BROKEN */
#include "server/hub/framing.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#define CHUNK_LINE_MAX 256

void framing_begin(struct framing *f, size_t body_max)
{
	f->state = FRAMING_HEAD;
	f->status = 0;
	f->may_go_on = false;
	f->wrong = NULL;
	f->body_max = body_max;
	f->left = f->trailer_bytes = f->scanned = 0;
	captured_reset(&f->captured);
	buf_reset(&f->body);
	buf_reset(&f->line);
}

void framing_free(struct framing *f)
{
	captured_done(&f->captured);
	buf_done(&f->body);
	buf_done(&f->line);
}

static void broken(struct framing *f, const char *wrong)
{
	f->state = FRAMING_BROKEN;
	f->wrong = wrong;
}

/* ---- a head ---- */

/* What its lines said so far. */
struct head {
	bool has_length, is_chunked, closes, keeps;
	uint64_t length;
	bool is_1_0;
};

/* RFC 9110 5.6.2: letters, digits and !#$%&'*+-.^_`|~, a bit each. */
static const uint32_t token_chars[4] = {0, 0x03ff6cfa, 0xc7fffffe, 0x57ffffff};

static bool is_token_char(unsigned char c)
{
	return c < 128 && (token_chars[c / 32] >> c % 32 & 1) != 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK", less its end. */
static bool read_status(struct framing *f, struct head *h, const char *line, size_t n)
{
	if (n < 12 || memcmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') ||
	    line[8] != ' ' || !is_digit(line[9]) || !is_digit(line[10]) || !is_digit(line[11]) ||
	    (n > 12 && line[12] != ' '))
		return false;
	f->status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
	h->is_1_0 = line[7] == '0';
	return f->status >= 100;
}

static bool read_length(struct head *h, const char *value, size_t n)
{
	uint64_t length = 0;

	if (n == 0 || n > 18)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is_digit(value[i]))
			return false;
		length = length * 10 + (uint64_t)(value[i] - '0');
	}
	if (h->has_length && h->length != length)
		return false;
	h->has_length = true;
	h->length = length;
	return true;
}

static bool is_word(const char *text, size_t n, const char *word)
{
	return n == strlen(word) && strncasecmp(text, word, n) == 0;
}

/* A list: "close, TE" */
static void read_connection(struct head *h, const char *value, size_t n)
{
	while (n > 0) {
		const char *comma = memchr(value, ',', n);
		size_t word = comma != NULL ? (size_t)(comma - value) : n, end = word;
		const char *at = value;

		for (; end > 0 && (*at == ' ' || *at == '\t'); end--)
			at++;
		while (end > 0 && (at[end - 1] == ' ' || at[end - 1] == '\t'))
			end--;
		h->closes |= is_word(at, end, "close");
		h->keeps |= is_word(at, end, "keep-alive");
		value += word + (comma != NULL);
		n -= word + (comma != NULL);
	}
}

/* One header, less its end; false: it leaves a doubt. captured NULL: it says nothing that counts. */
static bool read_header(struct captured *captured, struct head *h, const char *line, size_t n)
{
	size_t name_n = 0, value_n;
	const char *value;

	while (name_n < n && is_token_char((unsigned char)line[name_n]))
		name_n++;
	if (name_n == 0 || name_n == n || line[name_n] != ':')
		return false; /* also a line that goes on the one before (obs-fold) */
	value = line + name_n + 1;
	value_n = n - name_n - 1;
	if (memchr(value, '\0', value_n) != NULL || memchr(value, '\r', value_n) != NULL)
		return false;
	for (; value_n > 0 && (*value == ' ' || *value == '\t'); value_n--)
		value++;
	while (value_n > 0 && (value[value_n - 1] == ' ' || value[value_n - 1] == '\t'))
		value_n--;
	if (is_word(line, name_n, "Content-Length"))
		return read_length(h, value, value_n);
	if (is_word(line, name_n, "Transfer-Encoding")) {
		if (h->is_chunked || !is_word(value, value_n, "chunked"))
			return false;
		h->is_chunked = true;
	} else if (is_word(line, name_n, "Connection")) {
		read_connection(h, value, value_n);
	} else if (captured != NULL) {
		captured_take(captured, line, name_n, value, value_n);
	}
	return true;
}

static void expect_bytes(struct framing *f, uint64_t n)
{
	f->left = n;
	f->state = n > 0 ? FRAMING_LENGTH : FRAMING_DONE;
	if (n > f->body_max)
		broken(f, "the answer is longer than allowed");
}

static void head_done(struct framing *f, const struct head *h)
{
	if (f->status == 101 || (f->status < 200 && (h->has_length || h->is_chunked))) {
		broken(f, "the answer is no answer to this request");
	} else if (f->status < 200) {
		captured_reset(&f->captured);
		buf_reset(&f->line);
		f->scanned = 0;
	} else if (h->is_chunked && (h->has_length || h->is_1_0)) {
		broken(f, "the answer tells its length twice");
	} else {
		f->may_go_on = !h->closes && (!h->is_1_0 || h->keeps);
		if (f->status == 204 || f->status == 304) {
			expect_bytes(f, 0);
		} else if (h->is_chunked) {
			f->state = FRAMING_CHUNK_SIZE;
		} else if (h->has_length) {
			expect_bytes(f, h->length);
		} else {
			f->may_go_on = false;
			f->state = FRAMING_TO_THE_END;
		}
		buf_reset(&f->line);
		f->scanned = 0;
	}
}

/* head: whole, with the empty line at its end. */
static void read_head(struct framing *f, const char *head, size_t n)
{
	struct head h = {0};
	size_t at = 0;

	captured_reset(&f->captured);
	while (n - at > 2) {
		const char *end = memchr(head + at, '\n', n - at);
		size_t line_n = (size_t)(end - head) - at;

		if (line_n == 0 || end[-1] != '\r') {
			broken(f, "a line of the answer's head does not end as it should");
			return;
		}
		line_n--;
		if (at == 0 ? !read_status(f, &h, head, line_n)
		            : !read_header(&f->captured, &h, head + at, line_n)) {
			broken(f, at == 0 ? "the answer is not HTTP/1.1"
			                  : "a header of the answer is malformed");
			return;
		}
		at = (size_t)(end - head) + 1;
	}
	head_done(f, &h);
}

/* ---- the rest ---- */

static void read_chunk_size(struct framing *f, const char *line, size_t n)
{
	uint64_t size = 0;
	size_t digits = 0;

	for (; digits < n && digits < 9; digits++) {
		char c = line[digits];
		int v = is_digit(c)            ? c - '0'
		        : c >= 'a' && c <= 'f' ? c - 'a' + 10
		        : c >= 'A' && c <= 'F' ? c - 'A' + 10
		                               : -1;

		if (v < 0)
			break;
		size = size * 16 + (uint64_t)v;
	}
	if (digits == 0 || digits > 8 ||
	    (digits < n && line[digits] != ';' && line[digits] != ' ' && line[digits] != '\t') ||
	    memchr(line, '\r', n) != NULL || memchr(line, '\0', n) != NULL) {
		broken(f, "a chunk of the answer has no size");
		return;
	}
	f->left = size;
	f->state = size > 0 ? FRAMING_CHUNK : FRAMING_TRAILERS;
	if (size > f->body_max - f->body.len)
		broken(f, "the answer is longer than allowed");
}

/* A line behind the last chunk, less its end. */
static void read_trailer(struct framing *f, const char *line, size_t n)
{
	struct head ignored = {0};

	if (n == 0)
		f->state = FRAMING_DONE;
	else if (!read_header(NULL, &ignored, line, n))
		broken(f, "a trailer of the answer is malformed");
}

static void read_line(struct framing *f, const char *line, size_t n)
{
	if (f->state == FRAMING_CHUNK_SIZE)
		read_chunk_size(f, line, n);
	else if (f->state == FRAMING_TRAILERS)
		read_trailer(f, line, n);
	else if (n == 0)
		f->state = FRAMING_CHUNK_SIZE;
	else
		broken(f, "a chunk of the answer does not end where it should");
}

/* Takes bytes up to the end of a line, and reads it once it is whole. */
static size_t take_line(struct framing *f, const char *data, size_t n)
{
	const char *end = memchr(data, '\n', n);
	size_t taken = end != NULL ? (size_t)(end - data) + 1 : n;
	size_t max = f->state == FRAMING_TRAILERS ? FRAMING_HEAD_MAX - f->trailer_bytes : CHUNK_LINE_MAX;

	if (f->line.len + taken > max) {
		broken(f, "a line of the answer is longer than allowed");
		return taken;
	}
	buf_put(&f->line, data, taken);
	if (end == NULL)
		return taken;
	if (f->state == FRAMING_TRAILERS)
		f->trailer_bytes += f->line.len;
	if (f->line.len < 2 || f->line.data[f->line.len - 2] != '\r')
		broken(f, "a line of the answer does not end as it should");
	else
		read_line(f, f->line.data, f->line.len - 2);
	buf_reset(&f->line);
	return taken;
}

/* Gives where the empty line behind a head ends, 0: it has not come. */
static size_t find_head_end(const char *data, size_t n, size_t from)
{
	const char *at = data + from, *end;

	while ((end = memchr(at, '\n', n - (size_t)(at - data))) != NULL) {
		at = end + 1;
		if (n - (size_t)(at - data) >= 2 && at[0] == '\r' && at[1] == '\n')
			return (size_t)(at - data) + 2;
	}
	return 0;
}

static size_t take_head(struct framing *f, const char *data, size_t n)
{
	size_t had = f->line.len, end;

	if (had == 0 && (end = find_head_end(data, n, 0)) > 0 && end <= FRAMING_HEAD_MAX) {
		read_head(f, data, end); /* as nearly always: whole, and no copy of it is needed */
		return end;
	}
	buf_put(&f->line, data, n < FRAMING_HEAD_MAX + 1 - had ? n : FRAMING_HEAD_MAX + 1 - had);
	end = find_head_end(f->line.data, f->line.len, f->scanned);
	f->scanned = f->line.len > 3 ? f->line.len - 3 : 0;
	if (f->line.len > FRAMING_HEAD_MAX && (end == 0 || end > FRAMING_HEAD_MAX)) {
		broken(f, "the answer's head is longer than allowed");
		return n;
	}
	if (end == 0)
		return n;
	read_head(f, f->line.data, end);
	return end - had;
}

static size_t take_some(struct framing *f, const char *data, size_t n)
{
	size_t wanted;

	switch (f->state) {
	case FRAMING_HEAD:
		return take_head(f, data, n);
	case FRAMING_LENGTH:
	case FRAMING_CHUNK:
		wanted = n < f->left ? n : (size_t)f->left;
		assert(wanted <= f->body_max - f->body.len); /* or its length had been refused */
		buf_put(&f->body, data, wanted);
		f->left -= wanted;
		if (f->left == 0)
			f->state = f->state == FRAMING_LENGTH ? FRAMING_DONE : FRAMING_CHUNK_END;
		return wanted;
	case FRAMING_TO_THE_END:
		if (n > f->body_max - f->body.len)
			broken(f, "the answer is longer than allowed");
		else
			buf_put(&f->body, data, n);
		return n;
	case FRAMING_CHUNK_SIZE:
	case FRAMING_CHUNK_END:
	case FRAMING_TRAILERS:
		return take_line(f, data, n);
	case FRAMING_DONE:
	case FRAMING_BROKEN:
		break;
	}
	return 0;
}

size_t framing_take(struct framing *f, const char *data, size_t n)
{
	size_t at = 0;

	while (at < n && f->state < FRAMING_DONE)
		at += take_some(f, data + at, n - at);
	return at;
}

void framing_end(struct framing *f)
{
	f->may_go_on = false;
	if (f->state == FRAMING_TO_THE_END)
		f->state = FRAMING_DONE;
	else if (f->state < FRAMING_DONE)
		broken(f, "the connection ended before the answer did");
}
