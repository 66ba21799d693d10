/* hub: see where.h. The text becomes cells in postfix order, in one allocation, by recursive descent of
 * bounded depth; a decision is one pass over the cells with a stack of values, so long chains cost no depth.
 */
#include "server/hub/where.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/base/buf.h"

/* A level of nesting keeps at most five left sides waiting: OR, AND, a comparison, a sum and a product. */
#define STACK_MAX (5 * (WHERE_DEPTH_MAX + 2))

enum {
	/* Values. A constant is its own instruction: push me. */
	V_UNDEFINED,
	V_UNSEEN, /* undefined, yet it may exist out of a twin's sight */
	V_NULL,
	V_BOOL,
	V_INT,
	V_REAL,
	V_TEXT,
	V_LIST, /* the n cells after it are its elements */
	V_OTHER,
	/* Push what a path leads to: the first name, then the others. */
	PATH,
	NAME,
	/* Replace the top. */
	NOT,
	MINUS,
	IS_DEFINED,
	/* Replace the upper two. */
	AND,
	OR,
	EQ,
	NE,
	LT,
	GT,
	LE,
	GE,
	IN,
	NIN,
	ADD,
	SUB,
	MUL,
	DIV,
	MOD,
	STARTSWITH,
	ENDSWITH,
};

struct cell {
	uint32_t code;
	uint32_t n; /* bytes of text, elements of list */
	union {
		int64_t i; /* of V_BOOL and V_INT */
		double real;
		const char *text;
		const struct cell *list;
	};
};

struct where {
	size_t n;
	struct cell cells[]; /* then the bytes of names and texts */
};

struct parser {
	const char *text;
	size_t len, at;
	struct where *w;
	char *out; /* where the next name or text goes */
	unsigned depth;
	size_t height; /* of the stack, if the cells so far ran */
	size_t wrong_at;
	const char *reason;
};

static const struct cell undefined = {.code = V_UNDEFINED};

/* --- reading --- */

static bool condition(struct parser *p);
static bool sum(struct parser *p);

static bool refuse(struct parser *p, size_t at, const char *reason)
{
	p->wrong_at = at;
	p->reason = reason;
	return false;
}

static bool enter(struct parser *p, size_t at)
{
	if (p->depth == WHERE_DEPTH_MAX)
		return refuse(p, at, "nested too deep: at most 100 levels");
	p->depth++;
	return true;
}

/* A refusal ends the parse, so no level is ever left after one. */
static bool leave(struct parser *p)
{
	p->depth--;
	return true;
}

/* No cell is made of less than one byte of its own, which is what bounds their number. */
static void put(struct parser *p, struct cell cell)
{
	assert(p->w->n < p->len);
	p->w->cells[p->w->n++] = cell;
}

static bool push(struct parser *p, struct cell cell)
{
	put(p, cell);
	p->height++;
	assert(p->height <= STACK_MAX);
	return true;
}

static bool put_unary(struct parser *p, uint32_t code)
{
	put(p, (struct cell){.code = code});
	return true;
}

static bool put_binary(struct parser *p, uint32_t code)
{
	p->height--;
	return put_unary(p, code);
}

static char peek_at(const struct parser *p, size_t at)
{
	return at < p->len ? p->text[at] : '\0';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}

static bool is_name(char c)
{
	return is_name_start(c) || is_digit(c);
}

static void skip_space(struct parser *p)
{
	while (p->at < p->len && memchr(" \t\r\n", p->text[p->at], 4) != NULL)
		p->at++;
}

/* Takes c, and the space before it, if it is next. */
static bool take(struct parser *p, char c)
{
	skip_space(p);
	if (p->at == p->len || p->text[p->at] != c)
		return false;
	p->at++;
	return true;
}

/* Length of the bare word that is next, 0 if there is none. */
static size_t word_len(const struct parser *p)
{
	size_t n = 0;

	if (is_name_start(peek_at(p, p->at)))
		while (is_name(peek_at(p, p->at + n)))
			n++;
	return n;
}

static bool same_word(const char *s, size_t n, const char *word)
{
	return n == strlen(word) && strncasecmp(s, word, n) == 0;
}

static bool take_word(struct parser *p, const char *word)
{
	size_t n;

	skip_space(p);
	n = word_len(p);
	if (!same_word(p->text + p->at, n, word))
		return false;
	p->at += n;
	return true;
}

/* Refuses what is next; words that people bring along from SQL get an answer of their own. */
static bool refuse_next(struct parser *p, const char *expected)
{
	static const struct {
		const char *word, *reason;
	} strangers[] = {
	        {"SELECT", "only the condition is written here, without SELECT"},
	        {"FROM", "only the condition is written here, without FROM"},
	        {"WHERE", "only the condition is written here, without WHERE"},
	        {"GROUP", "GROUP BY cannot be used here; a property of that name is written [[group]]"},
	        {"ORDER", "ORDER BY does not exist in IoT Hub queries"},
	        {"LIKE", "LIKE does not exist in IoT Hub queries; STARTSWITH and ENDSWITH do"},
	        {"BETWEEN", "BETWEEN does not exist in IoT Hub queries; >= and <= do"},
	        {"IS", "IS does not exist in IoT Hub queries; = null and IS_DEFINED(path) do"},
	        {"NOT", "NOT stands before a whole condition; not in a list is NIN"},
	};
	size_t n;

	skip_space(p);
	n = word_len(p);
	for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
		if (same_word(p->text + p->at, n, strangers[i].word))
			return refuse(p, p->at, strangers[i].reason);
	return refuse(p, p->at, expected);
}

/* --- reading: constants --- */

static bool take_hex4(struct parser *p, size_t escape_at, uint32_t *ret_unit)
{
	uint32_t unit = 0;

	for (int i = 0; i < 4; i++, p->at++) {
		int digit = hex_digit(peek_at(p, p->at));

		if (digit < 0)
			return refuse(p, escape_at, "\\u needs four hexadecimal digits");
		unit = unit << 4 | (uint32_t)digit;
	}
	*ret_unit = unit;
	return true;
}

static void put_utf8(struct parser *p, uint32_t c)
{
	if (c < 0x80) {
		*p->out++ = (char)c;
		return;
	}
	if (c < 0x800) {
		*p->out++ = (char)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*p->out++ = (char)(0xe0 | c >> 12);
		} else {
			*p->out++ = (char)(0xf0 | c >> 18);
			*p->out++ = (char)(0x80 | (c >> 12 & 0x3f));
		}
		*p->out++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*p->out++ = (char)(0x80 | (c & 0x3f));
}

/* p->at is behind the u of \u. */
static bool take_unicode(struct parser *p)
{
	size_t escape_at = p->at - 2;
	uint32_t c, low;

	if (!take_hex4(p, escape_at, &c))
		return false;
	if (c >= 0xd800 && c < 0xdc00 && peek_at(p, p->at) == '\\' && peek_at(p, p->at + 1) == 'u') {
		p->at += 2;
		if (!take_hex4(p, p->at - 2, &low))
			return false;
		if (low >= 0xdc00 && low < 0xe000)
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	if (c >= 0xd800 && c < 0xe000)
		return refuse(p, escape_at,
		              "half of a surrogate pair; both halves are needed, high then low");
	put_utf8(p, c);
	return true;
}

static bool take_escape(struct parser *p)
{
	char c = peek_at(p, p->at + 1);

	p->at += 2;
	if (c == 'u')
		return take_unicode(p);
	if (c != '\'' && c != '"' && c != '\\')
		return refuse(p, p->at - 2, "unknown escape; \\' \\\" \\\\ and \\uXXXX exist");
	*p->out++ = c;
	return true;
}

/* Never longer decoded than written, so that the room for names and texts suffices. */
static bool take_text(struct parser *p, struct cell *ret_cell)
{
	size_t start = p->at;
	char quote = p->text[p->at++], *text = p->out;

	while (p->at < p->len && p->text[p->at] != quote) {
		if (p->text[p->at] != '\\')
			*p->out++ = p->text[p->at++];
		else if (!take_escape(p))
			return false;
	}
	if (p->at >= p->len)
		return refuse(p, start, "a text without its closing quote");
	p->at++;
	*ret_cell = (struct cell){.code = V_TEXT, .n = (uint32_t)(p->out - text), .text = text};
	return true;
}

static bool take_hex_number(struct parser *p, struct cell *ret_cell)
{
	size_t start = p->at;
	uint64_t value = 0;
	int digit;

	p->at += 2;
	if (hex_digit(peek_at(p, p->at)) < 0)
		return refuse(p, p->at, "a hexadecimal digit expected");
	for (; (digit = hex_digit(peek_at(p, p->at))) >= 0; p->at++) {
		if (value >> 60 != 0)
			return refuse(p, start, "a hexadecimal number of more than 64 bits");
		value = value << 4 | (uint64_t)digit;
	}
	if (value <= INT64_MAX)
		*ret_cell = (struct cell){.code = V_INT, .i = (int64_t)value};
	else
		*ret_cell = (struct cell){.code = V_REAL, .real = (double)value};
	return true;
}

static bool take_digits(struct parser *p)
{
	if (!is_digit(peek_at(p, p->at)))
		return refuse(p, p->at, "a digit expected");
	while (is_digit(peek_at(p, p->at)))
		p->at++;
	return true;
}

static bool take_decimal(struct parser *p, struct cell *ret_cell)
{
	size_t start = p->at;
	bool is_whole = true;
	char *digits = p->out; /* a copy with a NUL, overwritten by the next text */

	if (!take_digits(p))
		return false;
	if (peek_at(p, p->at) == '.') {
		is_whole = false;
		p->at++;
		if (!take_digits(p))
			return false;
	}
	if ((peek_at(p, p->at) | 0x20) == 'e') {
		is_whole = false;
		p->at++;
		if (peek_at(p, p->at) == '+' || peek_at(p, p->at) == '-')
			p->at++;
		if (!take_digits(p))
			return false;
	}
	memcpy(digits, p->text + start, p->at - start);
	digits[p->at - start] = '\0';
	errno = 0;
	*ret_cell = (struct cell){.code = V_INT, .i = strtoll(digits, NULL, 10)};
	if (!is_whole || errno == ERANGE) /* strtod: this program never leaves the C locale */
		*ret_cell = (struct cell){.code = V_REAL, .real = strtod(digits, NULL)};
	if (ret_cell->code == V_REAL && !isfinite(ret_cell->real))
		return refuse(p, start, "a number too large for a double");
	return true;
}

static bool take_number(struct parser *p, struct cell *ret_cell)
{
	bool is_hex = peek_at(p, p->at) == '0' && (peek_at(p, p->at + 1) | 0x20) == 'x';

	if (!(is_hex ? take_hex_number(p, ret_cell) : take_decimal(p, ret_cell)))
		return false;
	if (is_name(peek_at(p, p->at)) || peek_at(p, p->at) == '.')
		return refuse(p, p->at, "the number should end here");
	return true;
}

static bool take_named_constant(struct parser *p, struct cell *ret_cell)
{
	if (take_word(p, "true"))
		*ret_cell = (struct cell){.code = V_BOOL, .i = true};
	else if (take_word(p, "false"))
		*ret_cell = (struct cell){.code = V_BOOL, .i = false};
	else if (take_word(p, "null"))
		*ret_cell = (struct cell){.code = V_NULL};
	else if (take_word(p, "undefined"))
		*ret_cell = undefined;
	else
		return false;
	return true;
}

static bool array(struct parser *p);

static bool element(struct parser *p)
{
	struct cell cell = undefined;
	size_t n = p->w->n;
	bool is_negative;

	skip_space(p);
	if (peek_at(p, p->at) == '[') {
		if (!array(p))
			return false;
		p->w->n = n; /* an array inside an array equals nothing: forget what is in it */
		put(p, (struct cell){.code = V_LIST});
		return true;
	}
	if (peek_at(p, p->at) == '\'' || peek_at(p, p->at) == '"') {
		if (!take_text(p, &cell))
			return false;
	} else if ((is_negative = take(p, '-')) || is_digit(peek_at(p, p->at))) {
		if (!take_number(p, &cell))
			return false;
		if (is_negative && cell.code == V_INT)
			cell.i = -cell.i;
		else if (is_negative)
			cell.real = -cell.real;
	} else if (!take_named_constant(p, &cell)) {
		return refuse_next(p, "a constant expected: text, number, true, false, null");
	}
	put(p, cell);
	return true;
}

/* Puts the list, and pushes nothing: that is for the caller to say. */
static bool array(struct parser *p)
{
	size_t list = p->w->n;

	skip_space(p);
	if (!enter(p, p->at))
		return false;
	if (!take(p, '['))
		return refuse_next(p, "[ expected: a list of constants");
	put(p, (struct cell){.code = V_LIST});
	do {
		if (!element(p))
			return false;
		p->w->cells[list].n++;
	} while (take(p, ','));
	if (!take(p, ']'))
		return refuse_next(p, ", or ] expected");
	return leave(p);
}

/* --- reading: paths and calls --- */

/* The words of the language: as a name they have to be quoted. */
static bool is_reserved(const char *s, size_t n)
{
	static const char *const words[] = {"AND",   "OR",    "NOT",       "IN",     "NIN", "TRUE",
	                                    "FALSE", "NULL",  "UNDEFINED", "SELECT", "TOP", "AS",
	                                    "FROM",  "WHERE", "GROUP",     "BY"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (same_word(s, n, words[i]))
			return true;
	return false;
}

/* Puts one name of a path, bare or [[quoted]]. */
static bool take_name(struct parser *p, uint32_t code)
{
	size_t start = p->at, n = word_len(p);

	if (n > 0) {
		if (is_reserved(p->text + start, n))
			return refuse(p, start, "a word of the language; as a name it is written [[name]]");
		p->at += n;
	} else if (peek_at(p, start) == '[' && peek_at(p, start + 1) == '[') {
		const char *end = memmem(p->text + start + 2, p->len - start - 2, "]]", 2);

		if (end == NULL)
			return refuse(p, start, "a name without its closing ]]");
		start += 2;
		n = (size_t)(end - (p->text + start));
		if (n == 0)
			return refuse(p, start, "a name expected between [[ and ]]");
		p->at = start + n + 2;
	} else {
		return refuse(p, start, "a name expected; unusual ones are written [[name]]");
	}
	memcpy(p->out, p->text + start, n);
	put(p, (struct cell){.code = code, .n = (uint32_t)n, .text = p->out});
	p->out += n;
	return true;
}

static void spell_as(struct cell *name, const char *const *spellings)
{
	for (; *spellings != NULL; spellings++)
		if (same_word(name->text, name->n, *spellings))
			name->text = *spellings;
}

/* Gives the hub's own names the spelling that a twin document has (contract 3.2, 4.2). */
static void spell(struct cell *path, size_t n)
{
	static const char *const roots[] = {"deviceId",
	                                    "moduleId",
	                                    "etag",
	                                    "deviceEtag",
	                                    "version",
	                                    "status",
	                                    "statusReason",
	                                    "statusUpdateTime",
	                                    "connectionState",
	                                    "lastActivityTime",
	                                    "cloudToDeviceMessageCount",
	                                    "authenticationType",
	                                    "x509Thumbprint",
	                                    "modelId",
	                                    "deviceScope",
	                                    "parentScopes",
	                                    "capabilities",
	                                    "tags",
	                                    "properties",
	                                    "configurations",
	                                    "jobs",
	                                    "$metadata",
	                                    "$version",
	                                    NULL};
	static const char *const sections[] = {"desired", "reported", NULL};
	static const char *const capabilities[] = {"iotEdge", NULL};

	spell_as(&path[0], roots);
	if (n > 1 && same_word(path[0].text, path[0].n, "properties"))
		spell_as(&path[1], sections);
	else if (n > 1 && same_word(path[0].text, path[0].n, "capabilities"))
		spell_as(&path[1], capabilities);
}

static bool path(struct parser *p)
{
	size_t start = p->w->n;

	if (!take_name(p, PATH))
		return false;
	while (peek_at(p, p->at) == '.') {
		p->at++;
		if (!take_name(p, NAME))
			return false;
	}
	if (peek_at(p, p->at) == '[')
		return refuse(p, p->at, "arrays cannot be indexed; a quoted name follows a dot: .[[name]]");
	spell(&p->w->cells[start], p->w->n - start);
	p->height++;
	assert(p->height <= STACK_MAX);
	return true;
}

static bool two_texts(struct parser *p, uint32_t code)
{
	if (!sum(p))
		return false;
	if (!take(p, ','))
		return refuse_next(p, ", and a second argument expected");
	return sum(p) && put_binary(p, code);
}

static bool arguments(struct parser *p, uint32_t code)
{
	if (!enter(p, p->at) || !take(p, '('))
		return false;
	if (code == IS_DEFINED) {
		skip_space(p);
		if (!path(p) || !put_unary(p, code))
			return false;
	} else if (!two_texts(p, code)) {
		return false;
	}
	if (!take(p, ')'))
		return refuse_next(p, ") expected");
	return leave(p);
}

static bool path_or_call(struct parser *p)
{
	static const struct {
		const char *name;
		uint32_t code;
	} functions[] = {{"IS_DEFINED", IS_DEFINED}, {"STARTSWITH", STARTSWITH}, {"ENDSWITH", ENDSWITH}};
	size_t start = p->at, n = word_len(p);

	p->at += n;
	skip_space(p);
	if (n == 0 || peek_at(p, p->at) != '(') {
		p->at = start;
		return path(p);
	}
	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
		if (same_word(p->text + start, n, functions[i].name))
			return arguments(p, functions[i].code);
	return refuse(p, start, "unknown function; IS_DEFINED, STARTSWITH and ENDSWITH exist for twins");
}

/* --- reading: operators, the weakest last --- */

static bool parenthesis(struct parser *p)
{
	if (!enter(p, p->at) || !take(p, '(') || !condition(p))
		return false;
	if (!take(p, ')'))
		return refuse_next(p, "), an operator, AND or OR expected");
	return leave(p);
}

static bool operand(struct parser *p)
{
	static const char expected[] = "a value expected: a path, text, number, true, false, null or (";
	struct cell cell = undefined;
	char c;

	skip_space(p);
	c = peek_at(p, p->at);
	if (c == '(')
		return parenthesis(p);
	if (c == '\'' || c == '"')
		return take_text(p, &cell) && push(p, cell);
	if (is_digit(c))
		return take_number(p, &cell) && push(p, cell);
	if (take_named_constant(p, &cell))
		return push(p, cell);
	if (c == '[' && peek_at(p, p->at + 1) != '[') {
		p->height++;
		return array(p);
	}
	if (c != '[' && (!is_name_start(c) || is_reserved(p->text + p->at, word_len(p))))
		return refuse_next(p, expected);
	return path_or_call(p);
}

static bool factor(struct parser *p)
{
	if (!take(p, '-'))
		return operand(p);
	return operand(p) && put_unary(p, MINUS);
}

static bool term(struct parser *p)
{
	if (!factor(p))
		return false;
	for (;;) {
		uint32_t code = take(p, '*') ? MUL : take(p, '/') ? DIV : take(p, '%') ? MOD : V_UNDEFINED;

		if (code == V_UNDEFINED)
			return true;
		if (!factor(p) || !put_binary(p, code))
			return false;
	}
}

static bool sum(struct parser *p)
{
	if (!term(p))
		return false;
	for (;;) {
		uint32_t code = take(p, '+') ? ADD : take(p, '-') ? SUB : V_UNDEFINED;

		if (code == V_UNDEFINED)
			return true;
		if (!term(p) || !put_binary(p, code))
			return false;
	}
}

/* Gives V_UNDEFINED where no comparison is next. */
static uint32_t take_comparison(struct parser *p)
{
	static const struct {
		char text[3];
		uint32_t code;
	} operators[] = {{"<>", NE}, {"!=", NE}, {"<=", LE}, {">=", GE}, {"=", EQ}, {"<", LT}, {">", GT}};

	skip_space(p);
	for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
		size_t n = strlen(operators[i].text);

		if (p->len - p->at >= n && memcmp(p->text + p->at, operators[i].text, n) == 0) {
			p->at += n;
			return operators[i].code;
		}
	}
	return take_word(p, "IN") ? IN : take_word(p, "NIN") ? NIN : V_UNDEFINED;
}

static bool comparison(struct parser *p)
{
	uint32_t code;
	size_t again;

	if (!sum(p))
		return false;
	code = take_comparison(p);
	if (code == V_UNDEFINED)
		return true;
	if (code == IN || code == NIN) {
		p->height++;
		if (!array(p))
			return false;
	} else if (!sum(p)) {
		return false;
	}
	put_binary(p, code);
	again = p->at;
	if (take_comparison(p) == V_UNDEFINED)
		return true;
	p->at = again;
	skip_space(p);
	return refuse(p, p->at, "comparisons cannot be chained: join them with AND");
}

static bool negation(struct parser *p)
{
	size_t start;

	skip_space(p);
	start = p->at;
	if (!take_word(p, "NOT"))
		return comparison(p);
	return enter(p, start) && negation(p) && put_unary(p, NOT) && leave(p);
}

static bool conjunction(struct parser *p)
{
	if (!negation(p))
		return false;
	while (take_word(p, "AND"))
		if (!negation(p) || !put_binary(p, AND))
			return false;
	return true;
}

static bool condition(struct parser *p)
{
	if (!conjunction(p))
		return false;
	while (take_word(p, "OR"))
		if (!conjunction(p) || !put_binary(p, OR))
			return false;
	return true;
}

static bool whole(struct parser *p)
{
	if (p->len > WHERE_TEXT_MAX)
		return refuse(p, WHERE_TEXT_MAX, "too long: at most 8192 bytes");
	skip_space(p);
	if (p->at == p->len)
		return refuse(p, p->at, "a condition expected");
	if (!condition(p))
		return false;
	skip_space(p);
	return p->at == p->len || refuse_next(p, "an operator, AND, OR or the end expected");
}

struct where *where_parse(const char *text, size_t len, size_t *ret_at, const char **ret_reason)
{
	size_t room = len <= WHERE_TEXT_MAX ? len : 0;
	struct where *w = xmalloc(sizeof *w + room * sizeof w->cells[0] + room + 1);
	struct parser p = {.text = text, .len = len, .w = w, .out = (char *)&w->cells[room]};

	w->n = 0;
	if (!whole(&p)) {
		free(w);
		*ret_at = p.wrong_at;
		*ret_reason = p.reason;
		return NULL;
	}
	assert(p.height == 1 && p.depth == 0);
	return w;
}

void where_free(struct where *w)
{
	free(w);
}

/* --- deciding --- */

static struct cell boolean(bool is_true)
{
	return (struct cell){.code = V_BOOL, .i = is_true};
}

static struct cell integer(int64_t i)
{
	return (struct cell){.code = V_INT, .i = i};
}

/* Undefined for infinities and no-numbers, which is what division by zero gives. */
static struct cell real(double value)
{
	return isfinite(value) ? (struct cell){.code = V_REAL, .real = value} : undefined;
}

static bool is_bool(const struct cell *v, bool is_true)
{
	return v->code == V_BOOL && v->i == is_true;
}

static bool is_number(const struct cell *v)
{
	return v->code == V_INT || v->code == V_REAL;
}

static double as_real(const struct cell *v)
{
	return v->code == V_INT ? (double)v->i : v->real;
}

static struct cell value_of(const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_NULL:
		return (struct cell){.code = V_NULL};
	case JSON_TRUE:
	case JSON_FALSE:
		return boolean(json_is_true(json));
	case JSON_INTEGER:
		return integer(json_integer_value(json));
	case JSON_REAL:
		return real(json_real_value(json));
	case JSON_STRING:
		return (struct cell){.code = V_TEXT,
		                     .n = (uint32_t)json_string_length(json),
		                     .text = json_string_value(json)};
	case JSON_OBJECT:
	case JSON_ARRAY:
		break;
	}
	return (struct cell){.code = V_OTHER};
}

/* Leaves *at on the path's last name. */
static struct cell follow(const struct cell **at, const struct cell *end, const json_t *twin)
{
	const struct cell *root = *at;
	const json_t *here = json_object_getn(twin, root->text, root->n);

	while (*at + 1 < end && (*at)[1].code == NAME) {
		++*at;
		here = json_object_getn(here, (*at)->text, (*at)->n); /* NULL unless here is an object */
	}
	if (here != NULL)
		return value_of(here);
	if (same_word(root->text, root->n, "configurations") || same_word(root->text, root->n, "jobs"))
		return (struct cell){.code = V_UNSEEN};
	return undefined;
}

static int order_of_texts(const struct cell *a, const struct cell *b)
{
	size_t n = a->n < b->n ? a->n : b->n;
	int order = n > 0 ? memcmp(a->text, b->text, n) : 0;

	return order != 0 ? order : (a->n > b->n) - (a->n < b->n);
}

/* A double holds every integer that a twin may hold (contract 3.3), so the mixed case is exact where it
 * matters. */
static int order_of_numbers(const struct cell *a, const struct cell *b)
{
	if (a->code == V_INT && b->code == V_INT)
		return (a->i > b->i) - (a->i < b->i);
	return (as_real(a) > as_real(b)) - (as_real(a) < as_real(b));
}

static struct cell compare(uint32_t code, const struct cell *a, const struct cell *b)
{
	int order;

	if (is_number(a) && is_number(b))
		order = order_of_numbers(a, b);
	else if (a->code == V_TEXT && b->code == V_TEXT)
		order = order_of_texts(a, b);
	else if (a->code == V_BOOL && b->code == V_BOOL && (code == EQ || code == NE))
		order = a->i != b->i;
	else if (a->code == V_NULL && b->code == V_NULL && (code == EQ || code == NE))
		order = 0;
	else
		return undefined;
	switch (code) {
	case EQ:
		return boolean(order == 0);
	case NE:
		return boolean(order != 0);
	case LT:
		return boolean(order < 0);
	case GT:
		return boolean(order > 0);
	case LE:
		return boolean(order <= 0);
	default:
		return boolean(order >= 0);
	}
}

static struct cell not(const struct cell *v)
{
	return v->code == V_BOOL ? boolean(!v->i) : undefined;
}

/* AND where decider is false, OR where it is true: one decider decides, else both have to be known. */
static struct cell join(bool decider, const struct cell *a, const struct cell *b)
{
	if (is_bool(a, decider) || is_bool(b, decider))
		return boolean(decider);
	return a->code == V_BOOL && b->code == V_BOOL ? boolean(!decider) : undefined;
}

static struct cell find(const struct cell *v, const struct cell *list)
{
	struct cell found = boolean(false);

	for (uint32_t i = 0; i < list->n; i++) {
		struct cell equal = compare(EQ, v, &list->list[i]);

		found = join(true, &found, &equal);
	}
	return found;
}

/* Says whether the result is an integer that fits. */
static bool integers(uint32_t code, int64_t a, int64_t b, int64_t *ret)
{
	switch (code) {
	case ADD:
		return !__builtin_add_overflow(a, b, ret);
	case SUB:
		return !__builtin_sub_overflow(a, b, ret);
	case MUL:
		return !__builtin_mul_overflow(a, b, ret);
	default:
		if (b == 0 || (a == INT64_MIN && b == -1) || (code == DIV && a % b != 0))
			return false;
		*ret = code == DIV ? a / b : a % b;
		return true;
	}
}

static struct cell arithmetic(uint32_t code, const struct cell *a, const struct cell *b)
{
	int64_t i;

	if (!is_number(a) || !is_number(b))
		return undefined;
	if (a->code == V_INT && b->code == V_INT && integers(code, a->i, b->i, &i))
		return integer(i);
	switch (code) {
	case ADD:
		return real(as_real(a) + as_real(b));
	case SUB:
		return real(as_real(a) - as_real(b));
	case MUL:
		return real(as_real(a) * as_real(b));
	default:
		return real(code == DIV ? as_real(a) / as_real(b) : fmod(as_real(a), as_real(b)));
	}
}

static struct cell affix(uint32_t code, const struct cell *v, const struct cell *part)
{
	size_t skip;

	if (v->code != V_TEXT || part->code != V_TEXT)
		return undefined;
	if (part->n > v->n)
		return boolean(false);
	skip = code == ENDSWITH ? v->n - part->n : 0;
	return boolean(part->n == 0 || memcmp(v->text + skip, part->text, part->n) == 0);
}

static struct cell unary(uint32_t code, const struct cell *v)
{
	static const struct cell zero = {.code = V_INT};

	switch (code) {
	case NOT:
		return not(v);
	case MINUS:
		return arithmetic(SUB, &zero, v);
	default:
		return v->code == V_UNSEEN ? undefined : boolean(v->code != V_UNDEFINED);
	}
}

static struct cell binary(uint32_t code, const struct cell *a, const struct cell *b)
{
	struct cell found;

	switch (code) {
	case AND:
	case OR:
		return join(code == OR, a, b);
	case IN:
		return find(a, b);
	case NIN:
		found = find(a, b);
		return not(&found);
	case STARTSWITH:
	case ENDSWITH:
		return affix(code, a, b);
	case ADD:
	case SUB:
	case MUL:
	case DIV:
	case MOD:
		return arithmetic(code, a, b);
	default:
		return compare(code, a, b);
	}
}

bool where_holds(const struct where *w, const json_t *twin)
{
	const struct cell *end = w->cells + w->n;
	struct cell stack[STACK_MAX], *top = stack; /* top is the first free one */

	for (const struct cell *at = w->cells; at < end; at++) {
		if (at->code >= AND) {
			top--;
			top[-1] = binary(at->code, &top[-1], &top[0]);
		} else if (at->code >= NOT) {
			top[-1] = unary(at->code, &top[-1]);
		} else if (at->code == PATH) {
			*top++ = follow(&at, end, twin);
		} else {
			*top = *at;
			if (at->code == V_LIST) {
				top->list = at + 1;
				at += at->n;
			}
			top++;
		}
	}
	assert(top == stack + 1);
	return is_bool(&stack[0], true);
}

void where_quote(const char *text, struct buf *out)
{
	buf_putc(out, '\'');
	for (; *text != '\0'; text++) {
		if (*text == '\'' || *text == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *text);
	}
	buf_putc(out, '\'');
}
