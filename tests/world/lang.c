/* world: see lang.h. Recursive descent over the characters; precedence from weak to strong: OR, AND, NOT,
 * comparison, + -, * / %. */
#include "tests/world/lang.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	NESTING_MAX = 200,
};

enum op {
	OP_CONST,
	OP_PATH,
	OP_DEFINED,
	OP_STARTS,
	OP_ENDS,
	OP_NOT,
	OP_AND,
	OP_OR,
	OP_EQ,
	OP_NE,
	OP_LT,
	OP_GT,
	OP_LE,
	OP_GE,
	OP_IN,
	OP_NIN,
	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_MOD
};

struct lang_expr {
	enum op op;
	struct lang_rules rules;
	struct lang_expr *left, *right;
	struct lang_path path;
	struct lang_value value;
	char *text;              /* owned, where value or a function's argument is one */
	struct lang_value *list; /* IN, NIN: sorted by compare_values(); texts owned */
	size_t list_n;
	const char **ids; /* IN, =: the texts compared with, where nothing else is; else NULL */
	size_t ids_n;
};

struct parser {
	const char *at;
	struct docs *docs;
	struct lang_rules rules;
	enum lang_source source; /* once it has been read */
	int nesting;
	bool has_failed;
};

const char *lang_text(const struct lang_value *v)
{
	return v->text != NULL ? v->text : v->scratch;
}

/* --- Values --- */

/* Orders values of any kinds: by kind, then by what they hold. */
static int compare_values(const void *a, const void *b)
{
	const struct lang_value *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->kind == LANG_TEXT)
		return strcmp(lang_text(x), lang_text(y));
	if (x->kind == LANG_NUMBER)
		return (x->number > y->number) - (x->number < y->number);
	return x->kind == LANG_BOOL ? (int)x->truth - (int)y->truth : 0;
}

static bool is_primitive(const struct lang_value *v)
{
	return v->kind == LANG_NULL || v->kind == LANG_BOOL || v->kind == LANG_NUMBER || v->kind == LANG_TEXT;
}

static void set_bool(struct lang_value *v, bool truth)
{
	v->kind = LANG_BOOL;
	v->truth = truth;
}

static bool is_true(const struct lang_value *v)
{
	return v->kind == LANG_BOOL && v->truth;
}

static bool is_false(const struct lang_value *v)
{
	return v->kind == LANG_BOOL && !v->truth;
}

/* --- Evaluation --- */

static void eval(const struct lang_expr *e, const void *row, lang_lookup *lookup, struct lang_value *ret);

static void eval_comparison(const struct lang_expr *e, const struct lang_value *a, const struct lang_value *b,
                            struct lang_value *ret)
{
	int order;

	if (a->kind != b->kind || !is_primitive(a)) {
		if (e->rules.missing_differs)
			set_bool(ret, e->op == OP_NE);
		return;
	}
	order = compare_values(a, b);
	set_bool(ret, e->op == OP_EQ   ? order == 0
	              : e->op == OP_NE ? order != 0
	              : e->op == OP_LT ? order < 0
	              : e->op == OP_GT ? order > 0
	              : e->op == OP_LE ? order <= 0
	                               : order >= 0);
}

static void eval_arithmetic(enum op op, const struct lang_value *a, const struct lang_value *b,
                            struct lang_value *ret)
{
	double x = a->number, y = b->number;

	if (a->kind != LANG_NUMBER || b->kind != LANG_NUMBER)
		return;
	if ((op == OP_DIV || op == OP_MOD) && fpclassify(y) == FP_ZERO)
		return;
	ret->kind = LANG_NUMBER;
	ret->number = op == OP_ADD   ? x + y
	              : op == OP_SUB ? x - y
	              : op == OP_MUL ? x * y
	              : op == OP_DIV ? x / y
	                             : fmod(x, y);
}

static void eval_in(const struct lang_expr *e, const struct lang_value *a, struct lang_value *ret)
{
	bool is_in;

	if (!is_primitive(a)) {
		if (e->rules.missing_differs)
			set_bool(ret, e->op == OP_NIN);
		return;
	}
	is_in = bsearch(a, e->list, e->list_n, sizeof *e->list, compare_values) != NULL;
	set_bool(ret, is_in == (e->op == OP_IN));
}

static void eval_edge(const struct lang_expr *e, const struct lang_value *a, struct lang_value *ret)
{
	size_t part = strlen(e->text), whole;
	const char *text;

	if (a->kind != LANG_TEXT)
		return;
	text = lang_text(a);
	whole = strlen(text);
	set_bool(ret, part <= whole &&
	                      memcmp(e->op == OP_STARTS ? text : text + whole - part, e->text, part) == 0);
}

static void eval_logic(const struct lang_expr *e, const void *row, lang_lookup *lookup,
                       struct lang_value *ret)
{
	struct lang_value a = {.kind = LANG_UNDEFINED}, b = {.kind = LANG_UNDEFINED};
	bool decides = e->op == OP_OR; /* one operand of this truth is enough */

	eval(e->left, row, lookup, &a);
	if (decides ? is_true(&a) : is_false(&a)) {
		set_bool(ret, decides);
		return;
	}
	eval(e->right, row, lookup, &b);
	if (decides ? is_true(&b) : is_false(&b))
		set_bool(ret, decides);
	else if (e->rules.missing_differs || (a.kind == LANG_BOOL && b.kind == LANG_BOOL))
		set_bool(ret, e->op == OP_AND && is_true(&a) && is_true(&b));
}

static void eval(const struct lang_expr *e, const void *row, lang_lookup *lookup, struct lang_value *ret)
{
	struct lang_value a = {.kind = LANG_UNDEFINED}, b = {.kind = LANG_UNDEFINED};

	ret->kind = LANG_UNDEFINED;
	switch (e->op) {
	case OP_CONST:
		*ret = e->value;
		return;
	case OP_PATH:
		lookup(row, &e->path, ret);
		return;
	case OP_DEFINED:
		lookup(row, &e->path, &a);
		set_bool(ret, a.kind != LANG_UNDEFINED);
		return;
	case OP_STARTS:
	case OP_ENDS:
		lookup(row, &e->path, &a);
		eval_edge(e, &a, ret);
		return;
	case OP_AND:
	case OP_OR:
		eval_logic(e, row, lookup, ret);
		return;
	case OP_NOT:
		eval(e->left, row, lookup, &a);
		if (e->rules.missing_differs || a.kind == LANG_BOOL)
			set_bool(ret, !is_true(&a));
		return;
	case OP_IN:
	case OP_NIN:
		eval(e->left, row, lookup, &a);
		eval_in(e, &a, ret);
		return;
	case OP_EQ:
	case OP_NE:
	case OP_LT:
	case OP_GT:
	case OP_LE:
	case OP_GE:
		eval(e->left, row, lookup, &a);
		eval(e->right, row, lookup, &b);
		eval_comparison(e, &a, &b, ret);
		return;
	case OP_ADD:
	case OP_SUB:
	case OP_MUL:
	case OP_DIV:
	case OP_MOD:
		eval(e->left, row, lookup, &a);
		eval(e->right, row, lookup, &b);
		eval_arithmetic(e->op, &a, &b, ret);
	}
}

bool lang_matches(const struct lang_query *q, const void *row, lang_lookup *lookup)
{
	struct lang_value v;

	if (q->where == NULL)
		return true;
	eval(q->where, row, lookup, &v);
	return is_true(&v);
}

static bool ids_of(const struct lang_expr *e, const char *const **ret_ids, size_t *ret_n)
{
	if (e->op == OP_AND)
		return ids_of(e->left, ret_ids, ret_n) || ids_of(e->right, ret_ids, ret_n);
	if ((e->op == OP_EQ || e->op == OP_IN) && e->left->op == OP_PATH &&
	    e->left->path.root == LANG_DEVICE_ID && e->ids != NULL) {
		*ret_ids = e->ids;
		*ret_n = e->ids_n;
		return true;
	}
	return false;
}

bool lang_ids(const struct lang_query *q, const char *const **ret_ids, size_t *ret_n)
{
	return q->where != NULL && ids_of(q->where, ret_ids, ret_n);
}

/* --- Freeing --- */

static void path_done(struct lang_path *path)
{
	free(path->names);
	free(path->last);
	free(path->whole);
}

static void free_list(struct lang_value *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free((char *)(uintptr_t)list[i].text);
	free(list);
}

static void free_expr(struct lang_expr *e)
{
	if (e == NULL)
		return;
	free_expr(e->left);
	free_expr(e->right);
	path_done(&e->path);
	free(e->text);
	free_list(e->list, e->list_n);
	free(e->ids);
	free(e);
}

void lang_free(struct lang_query *q)
{
	if (q == NULL)
		return;
	for (size_t i = 0; i < q->items_n; i++) {
		path_done(&q->items[i].path);
		free(q->items[i].alias);
	}
	for (size_t i = 0; i < q->group_n; i++)
		path_done(&q->group[i]);
	free(q->items);
	free(q->group);
	free_expr(q->where);
	free(q);
}

/* --- Scanning --- */

static void fail(struct parser *p)
{
	p->has_failed = true;
}

static void skip_space(struct parser *p)
{
	while (isspace((unsigned char)*p->at))
		p->at++;
}

static bool starts_name(char c)
{
	return isalpha((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static size_t name_len(const char *at)
{
	size_t n = 0;

	if (!starts_name(*at))
		return 0;
	while (starts_name(at[n]) || isdigit((unsigned char)at[n]))
		n++;
	return n;
}

static bool sees_word(struct parser *p, const char *word)
{
	size_t n;

	skip_space(p);
	n = name_len(p->at);
	return n == strlen(word) && strncasecmp(p->at, word, n) == 0;
}

static bool take_word(struct parser *p, const char *word)
{
	if (!sees_word(p, word))
		return false;
	p->at += strlen(word);
	return true;
}

static bool take_mark(struct parser *p, const char *mark)
{
	skip_space(p);
	if (strncmp(p->at, mark, strlen(mark)) != 0)
		return false;
	p->at += strlen(mark);
	return true;
}

static void need_mark(struct parser *p, const char *mark)
{
	if (!take_mark(p, mark))
		fail(p);
}

static void need_word(struct parser *p, const char *word)
{
	if (!take_word(p, word))
		fail(p);
}

/* Words that cannot be a name unless quoted by [[ ]] (contract 4.2). */
static bool is_reserved(const char *at, size_t n)
{
	static const char *const words[] = {"select", "top",  "from",  "where",    "group", "by",
	                                    "as",     "and",  "or",    "not",      "in",    "nin",
	                                    "null",   "true", "false", "undefined"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strlen(words[i]) == n && strncasecmp(at, words[i], n) == 0)
			return true;
	return false;
}

static void put_code_point(struct buf *out, unsigned code)
{
	if (code < 0x80) {
		buf_putc(out, (char)code);
	} else if (code < 0x800) {
		buf_putc(out, (char)(0xc0 | code >> 6));
		buf_putc(out, (char)(0x80 | (code & 0x3f)));
	} else if (code < 0x10000) {
		buf_putc(out, (char)(0xe0 | code >> 12));
		buf_putc(out, (char)(0x80 | (code >> 6 & 0x3f)));
		buf_putc(out, (char)(0x80 | (code & 0x3f)));
	} else {
		buf_putc(out, (char)(0xf0 | code >> 18));
		buf_putc(out, (char)(0x80 | (code >> 12 & 0x3f)));
		buf_putc(out, (char)(0x80 | (code >> 6 & 0x3f)));
		buf_putc(out, (char)(0x80 | (code & 0x3f)));
	}
}

static bool take_hex4(struct parser *p, unsigned *ret)
{
	unsigned v = 0;

	for (int i = 0; i < 4; i++, p->at++) {
		if (!isxdigit((unsigned char)*p->at))
			return false;
		v = v * 16 +
		    (unsigned)(isdigit((unsigned char)*p->at) ? *p->at - '0' : (*p->at | 0x20) - 'a' + 10);
	}
	*ret = v;
	return true;
}

static void take_escape(struct parser *p, struct buf *out)
{
	unsigned code, low;
	char c = *p->at;

	if (c == '\'' || c == '"' || c == '\\') {
		buf_putc(out, c);
		p->at++;
		return;
	}
	if (c != 'u') {
		fail(p);
		return;
	}
	p->at++;
	if (!take_hex4(p, &code) || code == 0) {
		fail(p);
		return;
	}
	if (code >= 0xd800 && code < 0xdc00 && p->at[0] == '\\' && p->at[1] == 'u') {
		p->at += 2;
		if (!take_hex4(p, &low) || low < 0xdc00 || low > 0xdfff) {
			fail(p);
			return;
		}
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	}
	if (code >= 0xd800 && code < 0xe000)
		fail(p);
	else
		put_code_point(out, code);
}

/* Gives a text literal without its quotes, yours to free(); NULL where there is none. */
static char *take_text(struct parser *p)
{
	struct buf out = BUF_INIT;
	char quote;

	skip_space(p);
	quote = *p->at;
	if (quote != '\'' && quote != '"')
		return NULL;
	p->at++;
	while (*p->at != quote && *p->at != '\0' && !p->has_failed) {
		if (*p->at == '\\') {
			p->at++;
			take_escape(p, &out);
		} else {
			buf_putc(&out, *p->at++);
		}
	}
	if (*p->at == quote)
		p->at++;
	else
		fail(p);
	return buf_take(&out);
}

static bool take_number(struct parser *p, double *ret)
{
	const char *at;
	char *end;

	skip_space(p);
	at = p->at;
	if (*at == '-')
		at++;
	if (!isdigit((unsigned char)*at))
		return false;
	if (at[0] == '0' && (at[1] | 0x20) == 'x')
		*ret = (double)strtoull(at + 2, &end, 16) * (at > p->at ? -1 : 1);
	else
		*ret = strtod(p->at, &end);
	if (starts_name(*end))
		fail(p);
	p->at = end;
	return true;
}

/* Reads a constant into *ret_value; its text is the caller's to free(). */
static bool take_const(struct parser *p, struct lang_value *ret_value)
{
	char *text;

	*ret_value = (struct lang_value){.kind = LANG_UNDEFINED};
	if (take_word(p, "undefined"))
		return true;
	if (take_word(p, "null")) {
		ret_value->kind = LANG_NULL;
		return true;
	}
	if (sees_word(p, "true") || sees_word(p, "false")) {
		set_bool(ret_value, take_word(p, "true"));
		if (!ret_value->truth)
			need_word(p, "false");
		return true;
	}
	if (take_number(p, &ret_value->number)) {
		ret_value->kind = LANG_NUMBER;
		return true;
	}
	text = take_text(p);
	if (text == NULL)
		return false;
	ret_value->kind = LANG_TEXT;
	ret_value->text = text;
	return true;
}

/* --- Paths --- */

struct words {
	char *word[64];
	bool is_quoted[64];
	size_t n;
};

static void words_done(struct words *w)
{
	for (size_t i = 0; i < w->n; i++)
		free(w->word[i]);
}

static void take_path_word(struct parser *p, struct words *w)
{
	const char *from, *end;
	bool is_quoted = false;

	if (strncmp(p->at, "[[", 2) == 0) {
		from = p->at + 2;
		end = strstr(from, "]]");
		is_quoted = true;
	} else {
		from = p->at;
		end = from + name_len(from);
	}
	if (end == NULL || end == from || (!is_quoted && is_reserved(from, (size_t)(end - from))) ||
	    w->n == sizeof w->word / sizeof *w->word) {
		fail(p);
		return;
	}
	w->is_quoted[w->n] = is_quoted;
	w->word[w->n++] = xstrndup(from, (size_t)(end - from));
	p->at = is_quoted ? end + 2 : end;
}

static bool root_is(const struct words *w, size_t i, const char *text)
{
	return i < w->n && strcasecmp(w->word[i], text) == 0;
}

/* Root attributes match in any case, their keys in answers are canonical (contract 4.2). */
static const struct {
	const char *text;
	enum lang_root root;
} roots[] = {
        {"deviceId", LANG_DEVICE_ID},
        {"moduleId", LANG_MODULE_ID},
        {"status", LANG_STATUS},
        {"statusReason", LANG_STATUS_REASON},
        {"statusUpdateTime", LANG_STATUS_TIME},
        {"connectionState", LANG_CONNECTION},
        {"lastActivityTime", LANG_ACTIVITY},
        {"etag", LANG_ETAG},
        {"version", LANG_VERSION},
        {"modelId", LANG_MODEL_ID},
        {"deviceScope", LANG_SCOPE},
        {"authenticationType", LANG_AUTHENTICATION},
        {"cloudToDeviceMessageCount", LANG_C2D_COUNT},
};

/* Sorts out what the words below a section mean: $version, $metadata … $lastUpdated, or names. */
static void read_section(struct parser *p, struct lang_path *path, const struct words *w, size_t from)
{
	size_t end = w->n;

	if (from < end && path->root != LANG_TAGS && strcmp(w->word[from], "$version") == 0) {
		path->leaf = LANG_SECTION_VERSION;
		if (from + 1 < end)
			path->root = LANG_UNKNOWN;
		return;
	}
	if (from < end && path->root != LANG_TAGS && strcmp(w->word[from], "$metadata") == 0) {
		path->leaf = LANG_METADATA;
		from++;
		if (from < end && strcmp(w->word[end - 1], "$lastUpdated") == 0)
			path->leaf = LANG_LAST_UPDATED;
		else if (from < end && strcmp(w->word[end - 1], "$lastUpdatedVersion") == 0)
			path->leaf = LANG_LAST_UPDATED_VERSION;
		if (path->leaf != LANG_METADATA)
			end--;
	}
	path->names = xcalloc(end - from, sizeof *path->names);
	for (; from < end; from++)
		path->names[path->names_n++] = docs_name(p->docs, w->word[from], strlen(w->word[from]));
}

static void read_path(struct parser *p, struct lang_path *path, const struct words *w)
{
	struct buf whole = BUF_INIT;
	const char *last = w->word[w->n - 1];

	path->root = LANG_UNKNOWN;
	for (size_t i = 0; i < sizeof roots / sizeof *roots && w->n == 1; i++)
		if (root_is(w, 0, roots[i].text)) {
			path->root = roots[i].root;
			last = roots[i].text;
		}
	if (root_is(w, 0, "capabilities") && root_is(w, 1, "iotEdge") && w->n == 2) {
		path->root = LANG_IOT_EDGE;
	} else if (root_is(w, 0, "tags")) {
		path->root = LANG_TAGS;
		read_section(p, path, w, 1);
	} else if (root_is(w, 0, "properties") && (root_is(w, 1, "desired") || root_is(w, 1, "reported"))) {
		path->root = root_is(w, 1, "desired") ? LANG_DESIRED : LANG_REPORTED;
		read_section(p, path, w, 2);
	}
	if (p->source == LANG_JOBS) { /* no twin conditions (contract 4.2) */
		if (w->n != 3 || !root_is(w, 0, "devices") || !root_is(w, 1, "jobs"))
			fail(p);
		path->root = LANG_JOB;
	}
	for (size_t i = 0; i < w->n; i++)
		buf_printf(&whole, "%s%s", i > 0 ? "." : "", w->n == 1 ? last : w->word[i]);
	path->last = xstrdup(last);
	path->whole = buf_take(&whole);
}

/* Reads a path into a zeroed *path. */
static void take_path(struct parser *p, struct lang_path *path)
{
	struct words words = {.n = 0};

	skip_space(p);
	take_path_word(p, &words);
	while (!p->has_failed && *p->at == '.') {
		p->at++;
		take_path_word(p, &words);
	}
	if (!p->has_failed)
		read_path(p, path, &words);
	words_done(&words);
}

/* --- Conditions --- */

static struct lang_expr *take_or(struct parser *p);

static struct lang_expr *make(struct parser *p, enum op op, struct lang_expr *left, struct lang_expr *right)
{
	struct lang_expr *e = xcalloc(1, sizeof *e);

	e->op = op;
	e->rules = p->rules;
	e->left = left;
	e->right = right;
	return e;
}

static struct lang_expr *take_function(struct parser *p, enum op op)
{
	struct lang_expr *e = make(p, op, NULL, NULL);

	need_mark(p, "(");
	take_path(p, &e->path);
	if (op != OP_DEFINED && !p->has_failed) {
		need_mark(p, ",");
		e->text = take_text(p);
		if (e->text == NULL)
			fail(p);
	}
	need_mark(p, ")");
	return e;
}

static struct lang_expr *take_primary(struct parser *p)
{
	struct lang_expr *e;
	struct lang_value value;
	bool is_call;

	if (p->has_failed || ++p->nesting > NESTING_MAX) {
		fail(p);
		return make(p, OP_CONST, NULL, NULL);
	}
	skip_space(p);
	if (take_mark(p, "(")) {
		e = take_or(p);
		need_mark(p, ")");
	} else if (take_const(p, &value)) {
		e = make(p, OP_CONST, NULL, NULL);
		e->value = value;
		e->text = (char *)(uintptr_t)value.text;
	} else if (take_word(p, "IS_DEFINED")) {
		e = take_function(p, OP_DEFINED);
	} else if (!p->rules.no_startswith && take_word(p, "STARTSWITH")) {
		e = take_function(p, OP_STARTS);
	} else if (!p->rules.no_startswith && take_word(p, "ENDSWITH")) {
		e = take_function(p, OP_ENDS);
	} else {
		e = make(p, OP_PATH, NULL, NULL);
		take_path(p, &e->path);
		skip_space(p);
		is_call = *p->at == '(';
		if (is_call)
			fail(p); /* no other function exists for twins */
	}
	p->nesting--;
	return e;
}

static struct lang_expr *take_product(struct parser *p)
{
	struct lang_expr *e = take_primary(p);

	while (!p->has_failed) {
		enum op op;

		if (take_mark(p, "*"))
			op = OP_MUL;
		else if (take_mark(p, "/"))
			op = OP_DIV;
		else if (take_mark(p, "%"))
			op = OP_MOD;
		else
			break;
		e = make(p, op, e, NULL);
		e->right = take_primary(p);
	}
	return e;
}

static struct lang_expr *take_sum(struct parser *p)
{
	struct lang_expr *e = take_product(p);

	while (!p->has_failed) {
		enum op op;

		if (take_mark(p, "+"))
			op = OP_ADD;
		else if (take_mark(p, "-"))
			op = OP_SUB;
		else
			break;
		e = make(p, op, e, NULL);
		e->right = take_product(p);
	}
	return e;
}

/* Keeps the texts of n constants apart, where there is nothing else among them, for lang_ids(). */
static void note_ids(struct lang_expr *e, const struct lang_value *values, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (values[i].kind != LANG_TEXT)
			return;
	e->ids = xcalloc(n, sizeof *e->ids);
	e->ids_n = n;
	for (size_t i = 0; i < n; i++)
		e->ids[i] = values[i].text;
}

static void take_list(struct parser *p, struct lang_expr *e)
{
	size_t size = 0;

	need_mark(p, "[");
	do {
		if (e->list_n == size) {
			size = size > 0 ? size * 2 : 16;
			e->list = xrealloc(e->list, size * sizeof *e->list);
		}
		if (p->has_failed || !take_const(p, &e->list[e->list_n])) {
			fail(p);
			return;
		}
		e->list_n++;
	} while (take_mark(p, ","));
	need_mark(p, "]");
	qsort(e->list, e->list_n, sizeof *e->list, compare_values);
	if (!p->has_failed && e->op == OP_IN)
		note_ids(e, e->list, e->list_n);
}

static bool take_comparison_op(struct parser *p, enum op *ret_op)
{
	static const struct {
		const char *mark;
		enum op op;
	} marks[] = {{"<>", OP_NE}, {"<=", OP_LE}, {">=", OP_GE}, {"!=", OP_NE},
	             {"<", OP_LT},  {">", OP_GT},  {"=", OP_EQ}};

	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
		if (take_mark(p, marks[i].mark)) {
			*ret_op = marks[i].op;
			return true;
		}
	return false;
}

static struct lang_expr *take_comparison(struct parser *p)
{
	struct lang_expr *e = take_sum(p);
	enum op op;

	if (p->has_failed)
		return e;
	if (take_word(p, "IN") || sees_word(p, "NIN")) {
		op = take_word(p, "NIN") ? OP_NIN : OP_IN;
		e = make(p, op, e, NULL);
		take_list(p, e);
	} else if (take_comparison_op(p, &op)) {
		e = make(p, op, e, NULL);
		e->right = take_sum(p);
		if (op == OP_EQ && e->right->op == OP_CONST)
			note_ids(e, &e->right->value, 1);
	}
	return e;
}

static struct lang_expr *take_not(struct parser *p)
{
	struct lang_expr *e;

	if (++p->nesting > NESTING_MAX) {
		fail(p);
		return make(p, OP_CONST, NULL, NULL);
	}
	if (take_word(p, "NOT")) {
		e = take_not(p);
		e = make(p, OP_NOT, e, NULL);
	} else {
		e = take_comparison(p);
	}
	p->nesting--;
	return e;
}

static struct lang_expr *take_and(struct parser *p)
{
	struct lang_expr *e = take_not(p);

	while (!p->has_failed && take_word(p, "AND")) {
		e = make(p, OP_AND, e, NULL);
		e->right = take_not(p);
	}
	return e;
}

static struct lang_expr *take_or(struct parser *p)
{
	struct lang_expr *e = take_and(p);

	while (!p->has_failed && take_word(p, "OR")) {
		e = make(p, OP_OR, e, NULL);
		e->right = take_and(p);
	}
	return e;
}

/* --- Whole queries --- */

static bool take_aggregate(struct parser *p, struct lang_item *item)
{
	static const struct {
		const char *word;
		enum lang_function function;
	} functions[] = {{"COUNT", LANG_COUNT},
	                 {"AVG", LANG_AVG},
	                 {"SUM", LANG_SUM},
	                 {"MIN", LANG_MIN},
	                 {"MAX", LANG_MAX}};
	const char *from = p->at;

	for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
		if (!take_word(p, functions[i].word))
			continue;
		if (!take_mark(p, "(")) {
			p->at = from; /* a name like another */
			return false;
		}
		item->function = functions[i].function;
		if (item->function != LANG_COUNT)
			take_path(p, &item->path);
		need_mark(p, ")");
		return true;
	}
	return false;
}

static void take_item(struct parser *p, struct lang_query *q)
{
	struct lang_item *item;
	size_t n;

	q->items = xrealloc(q->items, (q->items_n + 1) * sizeof *q->items);
	item = &q->items[q->items_n++];
	*item = (struct lang_item){.function = LANG_PLAIN};
	skip_space(p);
	if (take_aggregate(p, item))
		q->has_aggregates = true;
	else
		take_path(p, &item->path);
	if (p->has_failed || !take_word(p, "AS"))
		return;
	skip_space(p);
	n = name_len(p->at);
	if (n == 0 || is_reserved(p->at, n)) {
		fail(p);
		return;
	}
	item->alias = xstrndup(p->at, n);
	p->at += n;
}

static void take_source(struct parser *p, struct lang_query *q)
{
	need_word(p, "FROM");
	need_word(p, "devices");
	q->source = LANG_DEVICES;
	if (*p->at != '.')
		return;
	p->at++;
	if (take_word(p, "modules"))
		q->source = LANG_MODULES;
	else if (take_word(p, "jobs") && q->is_star)
		q->source = LANG_JOBS;
	else
		fail(p);
	p->source = q->source;
}

static void take_group(struct parser *p, struct lang_query *q)
{
	need_word(p, "BY");
	do {
		q->group = xrealloc(q->group, (q->group_n + 1) * sizeof *q->group);
		q->group[q->group_n] = (struct lang_path){.root = LANG_UNKNOWN};
		take_path(p, &q->group[q->group_n++]);
	} while (!p->has_failed && take_mark(p, ","));
}

/* Plain items beside aggregates must be what is grouped by; * cannot be grouped. */
static bool grouping_is_sound(const struct lang_query *q)
{
	if (!q->has_aggregates && q->group_n == 0)
		return true;
	if (q->is_star)
		return false;
	for (size_t i = 0; i < q->items_n; i++) {
		bool is_grouped = q->items[i].function != LANG_PLAIN;

		for (size_t k = 0; k < q->group_n && !is_grouped; k++)
			is_grouped = strcmp(q->items[i].path.whole, q->group[k].whole) == 0;
		if (!is_grouped)
			return false;
	}
	return true;
}

static void take_query(struct parser *p, struct lang_query *q)
{
	double top;

	need_word(p, "SELECT");
	if (take_word(p, "TOP")) {
		if (!take_number(p, &top) || top < 1 || top > 1e9 || top > floor(top)) {
			fail(p);
			return;
		}
		q->top = (int64_t)top;
	}
	q->is_star = take_mark(p, "*");
	if (!q->is_star)
		do
			take_item(p, q);
		while (!p->has_failed && take_mark(p, ","));
	if (!p->has_failed)
		take_source(p, q);
	if (!p->has_failed && take_word(p, "WHERE"))
		q->where = take_or(p);
	if (!p->has_failed && take_word(p, "GROUP"))
		take_group(p, q);
	skip_space(p);
	if (*p->at != '\0' || (!p->has_failed && !grouping_is_sound(q)))
		fail(p);
}

struct lang_query *lang_parse(struct docs *docs, const char *text, const struct lang_rules *rules)
{
	struct parser p = {.at = text, .docs = docs, .rules = *rules};
	struct lang_query *q = xcalloc(1, sizeof *q);

	q->top = -1;
	take_query(&p, q);
	if (p.has_failed) {
		lang_free(q);
		return NULL;
	}
	return q;
}
