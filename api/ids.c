/* api: see ids.h
 *
 *   START ──character──▶ PLAIN ──, or end of line──▶ START
 *     └──"──▶ QUOTED ──"──▶ CLOSED ──, or end of line──▶ START
 *                ▲────"───────┘
 * In a plain list, quotes and commas are characters like others. */
#include "api/ids.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/csv.h"
#include "server/base/buf.h"
#include "server/base/hash.h"
#include "server/campaign/fault.h"
#include "server/campaign/spec.h"

#define COLUMN "deviceId"
#define NO_COLUMN UINT32_MAX
#define SLOTS_MIN 64u

/* UTF-8 lists from some programs begin so. */
static const char bom[] = "\xef\xbb\xbf";

enum field_state { FIELD_START, FIELD_PLAIN, FIELD_QUOTED, FIELD_CLOSED };

struct id {
	uint32_t at; /* in bytes */
	uint32_t line;
};

struct ids {
	bool is_csv;
	bool is_hopeless; /* what is wrong makes all that follows meaningless */
	uint64_t seed;
	struct faults faults;
	/* what is kept */
	struct buf bytes; /* of each id, with a NUL */
	struct id *all;
	uint32_t n, size;
	uint32_t *slots; /* number of an id plus 1 at its fingerprint or after it, 0: free */
	uint32_t slots_n;
	/* where we are */
	enum field_state state;
	char field[DEVICE_ID_MAX + 2]; /* ended by NUL; of a longer one, enough to tell */
	uint32_t field_len;
	uint32_t blanks_n;  /* after it; of the field, if something follows */
	uint32_t bom_len;   /* seen of it */
	uint32_t line;      /* from 1 */
	uint32_t from_line; /* first of the record */
	uint32_t fields_n;  /* of the record, before this one */
	bool is_wrong;      /* the record is */
	char id[DEVICE_ID_MAX + 2];
	/* the header */
	bool has_header;
	uint32_t columns_n, column;
};

struct ids *ids_new(bool is_csv, uint64_t seed)
{
	struct ids *l = xcalloc(1, sizeof *l);

	l->is_csv = is_csv;
	l->seed = seed;
	l->slots_n = SLOTS_MIN;
	l->slots = xcalloc(l->slots_n, sizeof *l->slots);
	l->line = l->from_line = 1;
	l->has_header = !is_csv;
	l->columns_n = 1;
	l->column = is_csv ? NO_COLUMN : 0;
	return l;
}

void ids_free(struct ids *l)
{
	if (l == NULL)
		return;
	faults_done(&l->faults);
	buf_done(&l->bytes);
	free(l->all);
	free(l->slots);
	free(l);
}

/* ---- what is kept ---- */

uint32_t ids_n(const struct ids *l)
{
	return l->n;
}

const char *ids_at(const struct ids *l, uint32_t i)
{
	return l->bytes.data + l->all[i].at;
}

size_t ids_bytes(const struct ids *l)
{
	return l->bytes.size + l->size * sizeof *l->all + l->slots_n * sizeof *l->slots;
}

/* Gives the slot of id: the one that has it, or the free one that is to. */
static uint32_t *slot_of(const struct ids *l, const char *id)
{
	size_t len = strlen(id);
	char salted[sizeof l->seed + DEVICE_ID_MAX];
	uint32_t i;

	memcpy(salted, &l->seed, sizeof l->seed);
	memcpy(salted + sizeof l->seed, id, len);
	i = (uint32_t)hash64(salted, sizeof l->seed + len) & (l->slots_n - 1);
	while (l->slots[i] != 0 && strcmp(ids_at(l, l->slots[i] - 1), id) != 0)
		i = (i + 1) & (l->slots_n - 1);
	return &l->slots[i];
}

/* At least half of the slots stay free. */
static void grow(struct ids *l)
{
	l->size = l->slots_n;
	l->all = xrealloc(l->all, l->size * sizeof *l->all);
	l->slots_n *= 2;
	free(l->slots);
	l->slots = xcalloc(l->slots_n, sizeof *l->slots);
	for (uint32_t i = 0; i < l->n; i++)
		*slot_of(l, ids_at(l, i)) = i + 1;
}

static void keep(struct ids *l, const char *id)
{
	if (l->n == l->size)
		grow(l);
	l->all[l->n] = (struct id){(uint32_t)l->bytes.len, l->from_line};
	buf_put(&l->bytes, id, strlen(id) + 1);
	*slot_of(l, id) = ++l->n;
}

/* ---- records ---- */

/* Of each record the first that is wrong. */
__attribute__((format(printf, 2, 3))) static void wrong(struct ids *l, const char *format, ...)
{
	char pointer[32], detail[320];
	va_list ap;

	if (l->is_wrong)
		return;
	l->is_wrong = true;
	va_start(ap, format);
	vsnprintf(detail, sizeof detail, format, ap);
	va_end(ap);
	snprintf(pointer, sizeof pointer, "/line/%u", l->from_line);
	faults_add(&l->faults, pointer, "%s", detail);
}

static void end_field(struct ids *l)
{
	if (!l->has_header && strcmp(l->field, COLUMN) == 0) {
		if (l->column != NO_COLUMN)
			wrong(l, "has " COLUMN " twice");
		l->column = l->fields_n;
	} else if (l->fields_n == l->column) {
		memcpy(l->id, l->field, sizeof l->id);
	}
	l->fields_n++;
	l->field_len = l->blanks_n = 0;
	l->field[0] = '\0';
	l->state = FIELD_START;
}

static void end_header(struct ids *l)
{
	if (l->column == NO_COLUMN)
		wrong(l, "must be a header with the column " COLUMN);
	l->is_hopeless = l->is_wrong;
	l->has_header = true;
	l->columns_n = l->fields_n;
}

/* What csv.c puts before a cell that a spreadsheet would take for a formula. */
static void undo_guard(struct ids *l)
{
	if (csv_is_guarded(l->id))
		memmove(l->id, l->id + 1, sizeof l->id - 1);
}

static void take_id(struct ids *l)
{
	uint32_t other;

	if (l->is_wrong)
		return;
	if (l->is_csv)
		undo_guard(l);
	if (l->fields_n != l->columns_n) {
		wrong(l, "must have as many fields as the header, %u, not %u", l->columns_n, l->fields_n);
		return;
	}
	if (!spec_is_device_id(l->id)) {
		wrong(l, "%s, not \"%.40s\"", DEVICE_ID_RULE, l->id);
		return;
	}
	other = *slot_of(l, l->id);
	if (other > 0) {
		wrong(l, "is \"%s\" again, as line %u already: name each once", l->id,
		      l->all[other - 1].line);
		return;
	}
	if (l->n < TARGETS_MAX) {
		keep(l, l->id);
		return;
	}
	wrong(l, "is one too many: at most %u", TARGETS_MAX);
	l->is_hopeless = true;
}

static void end_record(struct ids *l)
{
	bool is_empty = l->fields_n == 0 && l->state == FIELD_START;

	if (!is_empty) {
		end_field(l);
		if (l->has_header)
			take_id(l);
		else
			end_header(l);
	}
	l->fields_n = 0;
	l->is_wrong = false;
	l->from_line = l->line;
}

/* ---- characters ---- */

static void append(struct ids *l, char c)
{
	if (l->field_len + 1 < sizeof l->field) {
		l->field[l->field_len++] = c != '\0' ? c : '\1';
		l->field[l->field_len] = '\0';
	}
}

static void put_plain(struct ids *l, char c)
{
	if (c == ' ' || c == '\t' || c == '\r') {
		l->blanks_n += l->state != FIELD_START;
		return;
	}
	if (l->state == FIELD_CLOSED)
		wrong(l, "must have nothing between a closing quote and the comma");
	else if (l->is_csv && c == '"')
		wrong(l, "must have quotes only around a whole field, and each one in it doubled");
	for (; l->blanks_n > 0 && l->field_len <= DEVICE_ID_MAX; l->blanks_n--)
		append(l, ' ');
	l->blanks_n = 0;
	l->state = FIELD_PLAIN;
	append(l, c);
}

static void put_unquoted(struct ids *l, char c)
{
	if (c == '\n') {
		l->line++;
		end_record(l);
	} else if (l->is_csv && c == ',') {
		end_field(l);
	} else if (l->is_csv && c == '"' && l->state == FIELD_START) {
		l->state = FIELD_QUOTED;
	} else if (c == '"' && l->state == FIELD_CLOSED && l->blanks_n == 0) {
		l->state = FIELD_QUOTED;
		append(l, c);
	} else {
		put_plain(l, c);
	}
}

static void put_quoted(struct ids *l, char c)
{
	l->line += c == '\n';
	if (c == '"')
		l->state = FIELD_CLOSED;
	else
		append(l, c);
}

/* Whether c is of a BOM at the start. What only began like one is put after all. */
static bool is_bom(struct ids *l, char c)
{
	uint32_t len = l->bom_len;

	if (len == sizeof bom)
		return false;
	if (c == bom[len] && len < sizeof bom - 1) {
		l->bom_len++;
		return true;
	}
	l->bom_len = sizeof bom;
	for (uint32_t i = 0; i < len && len < sizeof bom - 1; i++)
		put_plain(l, bom[i]);
	return false;
}

void ids_put(struct ids *l, const char *data, size_t n)
{
	for (size_t i = 0; i < n && !l->is_hopeless; i++) {
		if (is_bom(l, data[i]))
			continue;
		if (l->state == FIELD_QUOTED)
			put_quoted(l, data[i]);
		else
			put_unquoted(l, data[i]);
	}
}

struct faults *ids_end(struct ids *l)
{
	if (l->state == FIELD_QUOTED)
		wrong(l, "has a quote that is not closed");
	if (!l->is_hopeless)
		end_record(l);
	if (l->n == 0 && l->faults.n == 0)
		faults_add(&l->faults, "", "must have at least one device id");
	return &l->faults;
}
