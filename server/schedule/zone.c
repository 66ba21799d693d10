/* schedule: see zone.h. A file's own list of changes is continued by its footer, a rule for every year, until
 * YEAR_LAST: then a change is found by halving, whatever its year. */
#include "server/schedule/zone.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/civil.h"

#define FOLDER "/usr/share/zoneinfo"
#define YEAR_FIRST 1900
#define YEAR_LAST 2200
#define FILE_MAX_BYTES 262144
#define OFFSET_MAX_S 93599  /* RFC 8536, 3.2: less than 26 hours */
#define OFFSET_HOURS_MAX 24 /* POSIX TZ, of a footer */

struct change {
	int64_t at_s;
	int32_t offset_s; /* from then on */
};

struct zone {
	struct zone *next;
	bool is_sound; /* else the name is remembered as that of none */
	int32_t first_offset_s;
	struct change *changes; /* by time, each to another offset */
	size_t n, size;
	char name[ZONE_NAME_MAX + 1];
};

struct zones {
	char *folder;
	char version[32];
	struct zone *all;
};

/* ---- a rule for every year: the footer (RFC 8536, 3.3; POSIX TZ with hours up to 167) ---- */

struct rule {
	char kind; /* M: month, week, weekday; J: day 1 … 365 without leap days; 0: day 0 … 365 */
	int month, week, day;
	int32_t at_s; /* local time */
};

struct footer {
	int32_t standard_s, summer_s;
	bool has_summer;
	struct rule start, end;
};

static bool footer_name(const char **at)
{
	size_t n;

	if (**at == '<') {
		n = strcspn(*at, ">");
		if ((*at)[n] == '\0')
			return false;
		*at += n + 1;
		return true;
	}
	n = strspn(*at, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
	*at += n;
	return n >= 3;
}

static bool footer_number(const char **at, int max, int *ret)
{
	const char *from = *at;

	for (*ret = 0; **at >= '0' && **at <= '9'; (*at)++) {
		*ret = *ret * 10 + (**at - '0');
		if (*ret > max)
			return false;
	}
	return *at > from;
}

/* [+-]hh[:mm[:ss]] */
static bool footer_span(const char **at, int hours_max, int32_t *ret_s)
{
	int sign = **at == '-' ? -1 : 1, h, m = 0, s = 0;

	if (**at == '-' || **at == '+')
		(*at)++;
	if (!footer_number(at, hours_max, &h))
		return false;
	if (**at == ':') {
		(*at)++;
		if (!footer_number(at, 59, &m))
			return false;
	}
	if (**at == ':') {
		(*at)++;
		if (!footer_number(at, 59, &s))
			return false;
	}
	*ret_s = sign * (h * 3600 + m * 60 + s);
	return true;
}

static bool skip(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

static bool footer_rule(const char **at, struct rule *r)
{
	if (!skip(at, ','))
		return false;
	r->at_s = 7200;
	if (skip(at, 'M')) {
		r->kind = 'M';
		if (!footer_number(at, 12, &r->month) || !skip(at, '.') || !footer_number(at, 5, &r->week) ||
		    !skip(at, '.') || !footer_number(at, 6, &r->day) || r->month < 1 || r->week < 1)
			return false;
	} else {
		r->kind = skip(at, 'J') ? 'J' : '0';
		if (!footer_number(at, 365, &r->day) || (r->kind == 'J' && r->day < 1))
			return false;
	}
	return !skip(at, '/') || footer_span(at, 167, &r->at_s);
}

static bool footer_parse(const char *at, struct footer *f)
{
	int32_t span_s;

	if (!footer_name(&at) || !footer_span(&at, OFFSET_HOURS_MAX, &span_s))
		return false;
	f->standard_s = -span_s; /* POSIX counts to the west */
	f->has_summer = *at != '\0';
	if (!f->has_summer)
		return true;
	if (!footer_name(&at))
		return false;
	f->summer_s = f->standard_s + 3600;
	if (*at != ',') {
		if (!footer_span(&at, OFFSET_HOURS_MAX, &span_s))
			return false;
		f->summer_s = -span_s;
	}
	return footer_rule(&at, &f->start) && footer_rule(&at, &f->end) && *at == '\0';
}

static int64_t rule_day(const struct rule *r, int64_t year)
{
	int64_t first;
	int day;

	if (r->kind == '0')
		return civil_days(year, 1, 1) + r->day;
	if (r->kind == 'J')
		return civil_days(year, 1, 1) + r->day - 1 +
		       (r->day >= 60 && civil_month_days(year, 2) == 29);
	first = civil_days(year, r->month, 1);
	day = (r->day - civil_weekday(first) + 7) % 7 + (r->week - 1) * 7;
	while (day >= civil_month_days(year, r->month)) /* week 5 is the last */
		day -= 7;
	return first + day;
}

/* ---- reading a file ---- */

static int32_t offset_after(const struct zone *z, size_t changes)
{
	return changes > 0 ? z->changes[changes - 1].offset_s : z->first_offset_s;
}

/* Takes them in their order; of two at one instant the second holds. */
static void add_change(struct zone *z, int64_t at_s, int32_t offset_s)
{
	if (z->n > 0 && z->changes[z->n - 1].at_s == at_s)
		z->n--;
	if (offset_after(z, z->n) == offset_s)
		return;
	if (z->n == z->size) {
		z->size = z->size > 0 ? z->size * 2 : 64;
		z->changes = xrealloc(z->changes, z->size * sizeof *z->changes);
	}
	z->changes[z->n++] = (struct change){at_s, offset_s};
}

/* Where the summer of a year ends as that of the next begins, it is summer all year (RFC 8536, 3.3.1); one
 * that ends as it begins is none. */
static void add_years(struct zone *z, const struct footer *f, int64_t last_s)
{
	int64_t start_year = civil_date(last_s / DAY_S).year, end_year;

	if (start_year < YEAR_FIRST) /* some lists begin, or end, with the Big Bang */
		start_year = YEAR_FIRST;
	end_year = start_year;
	while (start_year <= YEAR_LAST || end_year <= YEAR_LAST) {
		int64_t start_s = rule_day(&f->start, start_year) * DAY_S + f->start.at_s - f->standard_s;
		int64_t end_s = rule_day(&f->end, end_year) * DAY_S + f->end.at_s - f->summer_s;
		bool starts = start_s < end_s || (start_s == end_s && start_year == end_year);
		int64_t at_s = starts ? start_s : end_s;

		if (at_s > last_s)
			add_change(z, at_s, starts ? f->summer_s : f->standard_s);
		if (starts)
			start_year++;
		else
			end_year++;
	}
}

static int64_t big_endian(const unsigned char *at, int bytes)
{
	uint64_t v = at[0] & 0x80 ? UINT64_MAX : 0;

	for (int i = 0; i < bytes; i++)
		v = v << 8 | at[i];
	return (int64_t)v;
}

struct counts {
	uint32_t isut, isstd, leap, time, type, chars;
};

#define HEADER_BYTES 44

/* Reads the header at *at and moves *at behind it. */
static bool read_header(const unsigned char **at, const unsigned char *end, int *ret_version,
                        struct counts *ret)
{
	uint32_t *const counts[] = {&ret->isut, &ret->isstd, &ret->leap, &ret->time, &ret->type, &ret->chars};

	if (end - *at < HEADER_BYTES || memcmp(*at, "TZif", 4) != 0)
		return false;
	*ret_version = (*at)[4];
	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		*counts[i] = (uint32_t)big_endian(*at + 20 + 4 * i, 4);
		if (*counts[i] > FILE_MAX_BYTES)
			return false;
	}
	*at += HEADER_BYTES;
	return ret->type > 0;
}

static size_t body_bytes(const struct counts *c, size_t time_bytes)
{
	return c->time * (time_bytes + 1) + c->type * 6 + c->chars + c->leap * (time_bytes + 4) + c->isstd +
	       c->isut;
}

/* The block of 64-bit times; leap seconds are of the right/ zones only, which have no name here. */
static bool read_body(struct zone *z, const unsigned char *at, const struct counts *c)
{
	const unsigned char *types = at + c->time * 8, *infos = types + c->time;
	int64_t before_s = INT64_MIN;

	for (uint32_t i = 0; i < c->type; i++) {
		int64_t offset_s = big_endian(infos + 6 * (size_t)i, 4);

		if (offset_s < -OFFSET_MAX_S || offset_s > OFFSET_MAX_S)
			return false;
	}
	z->first_offset_s = (int32_t)big_endian(infos, 4);
	for (uint32_t i = 0; i < c->time; i++) {
		int64_t at_s = big_endian(at + 8 * (size_t)i, 8);

		if (types[i] >= c->type || at_s <= before_s)
			return false;
		add_change(z, at_s, (int32_t)big_endian(infos + 6 * (size_t)types[i], 4));
		before_s = at_s;
	}
	return true;
}

static bool read_footer(struct zone *z, const unsigned char *at, const unsigned char *end, int64_t last_s)
{
	struct footer f = {0};
	char text[128];
	size_t n = 0;

	if (at == end || *at++ != '\n')
		return false;
	while (at + n < end && at[n] != '\n')
		n++;
	if (at + n == end || n >= sizeof text)
		return false;
	if (n == 0)
		return true; /* no rule: the last change is the last */
	memcpy(text, at, n);
	text[n] = '\0';
	if (!footer_parse(text, &f))
		return false;
	if (f.has_summer)
		add_years(z, &f, last_s);
	return true;
}

static bool read_zone(struct zone *z, const unsigned char *at, size_t n)
{
	const unsigned char *end = at + n;
	struct counts c;
	int version;
	int64_t last_s;

	if (!read_header(&at, end, &version, &c) || version < '2' || (size_t)(end - at) < body_bytes(&c, 4))
		return false;
	at += body_bytes(&c, 4);
	if (!read_header(&at, end, &version, &c) || c.leap != 0 || (size_t)(end - at) < body_bytes(&c, 8) ||
	    !read_body(z, at, &c))
		return false;
	last_s = c.time > 0 ? big_endian(at + 8 * (size_t)(c.time - 1), 8) : 0;
	return read_footer(z, at + body_bytes(&c, 8), end, last_s);
}

/* Gives the file's bytes, NULL where it cannot be read. */
static unsigned char *read_file(const char *folder, const char *name, size_t *ret_n)
{
	struct buf path = BUF_INIT;
	unsigned char *data = NULL;
	size_t n = 0;
	ssize_t got;
	int fd;

	buf_printf(&path, "%s/%s", folder, name);
	fd = open(path.data, O_RDONLY | O_CLOEXEC);
	buf_done(&path);
	if (fd < 0)
		return NULL;
	data = xmalloc(FILE_MAX_BYTES);
	do {
		got = read(fd, data + n, FILE_MAX_BYTES - n);
		n += got > 0 ? (size_t)got : 0;
	} while (got > 0);
	close(fd);
	*ret_n = n;
	return data;
}

/* posix/ and right/ hold the same zones once more, the latter with leap seconds. */
static bool is_name(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/";
	size_t n = strlen(name);

	return n > 0 && n <= ZONE_NAME_MAX && name[strspn(name, allowed)] == '\0' && name[0] != '/' &&
	       strncmp(name, "posix/", 6) != 0 && strncmp(name, "right/", 6) != 0 &&
	       strcmp(name, "posixrules") != 0 && strcmp(name, "localtime") != 0;
}

/* ---- the zones ---- */

static void read_version(struct zones *z)
{
	static const char mark[] = "# version ";
	size_t n = 0, from = sizeof mark - 1, len = 0;
	unsigned char *text = read_file(z->folder, "tzdata.zi", &n);

	if (text != NULL && n > from && memcmp(text, mark, from) == 0)
		while (from + len < n && len < sizeof z->version - 1 && text[from + len] > ' ')
			len++;
	if (len > 0)
		memcpy(z->version, text + from, len);
	else
		snprintf(z->version, sizeof z->version, "unknown");
	free(text);
}

struct zones *zones_new(const char *folder)
{
	struct zones *z = xcalloc(1, sizeof *z);

	if (folder == NULL)
		folder = getenv("TZDIR");
	z->folder = xstrdup(folder != NULL && folder[0] != '\0' ? folder : FOLDER);
	read_version(z);
	return z;
}

void zones_free(struct zones *z)
{
	struct zone *zone;

	if (z == NULL)
		return;
	while ((zone = z->all) != NULL) {
		z->all = zone->next;
		free(zone->changes);
		free(zone);
	}
	free(z->folder);
	free(z);
}

const char *zones_version(const struct zones *z)
{
	return z->version;
}

const struct zone *zones_get(struct zones *z, const char *name)
{
	unsigned char *data;
	struct zone *zone;
	size_t n;

	if (!is_name(name))
		return NULL;
	for (zone = z->all; zone != NULL; zone = zone->next)
		if (strcmp(zone->name, name) == 0)
			return zone->is_sound ? zone : NULL;
	data = read_file(z->folder, name, &n);
	if (data == NULL)
		return NULL; /* not remembered: there are as many such names as people invent */
	zone = xcalloc(1, sizeof *zone);
	snprintf(zone->name, sizeof zone->name, "%s", name);
	zone->is_sound = read_zone(zone, data, n);
	free(data);
	zone->next = z->all;
	z->all = zone;
	return zone->is_sound ? zone : NULL;
}

const char *zone_name(const struct zone *z)
{
	return z->name;
}

/* ---- converting ---- */

/* How many changes have been made at that instant. */
static size_t changes_until(const struct zone *z, int64_t at_s)
{
	size_t low = 0, high = z->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (z->changes[middle].at_s <= at_s)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int32_t zone_offset_s(const struct zone *z, int64_t at_s)
{
	return offset_after(z, changes_until(z, at_s));
}

bool zone_is_steady(const struct zone *z, int64_t from_s, int64_t until_s)
{
	return changes_until(z, from_s) == changes_until(z, until_s);
}

/* Looks at each span of one offset that may show the local time. */
static int64_t find(const struct zone *z, int64_t local_s, bool last, enum clock_change *ret_change)
{
	int64_t found_s = 0, before_gap_s = local_s - zone_offset_s(z, local_s);
	unsigned found_n = 0;

	for (size_t i = changes_until(z, local_s - OFFSET_MAX_S);; i++) {
		int64_t at_s = local_s - offset_after(z, i);
		bool has_begun = i == 0 || z->changes[i - 1].at_s <= at_s;

		if (has_begun && (i == z->n || at_s < z->changes[i].at_s)) {
			if (found_n++ == 0 || last)
				found_s = at_s;
		} else if (has_begun && local_s - offset_after(z, i + 1) < z->changes[i].at_s) {
			before_gap_s = at_s; /* this span has ended by then, and the next has not begun */
		}
		if (i == z->n || z->changes[i].at_s > local_s + OFFSET_MAX_S)
			break;
	}
	*ret_change = found_n == 0 ? CLOCK_GAP : found_n == 1 ? CLOCK_STEADY : CLOCK_OVERLAP;
	return found_n > 0 ? found_s : before_gap_s;
}

int64_t zone_utc(const struct zone *z, int64_t local_s, enum clock_change *ret_change)
{
	enum clock_change change;
	int64_t at_s = find(z, local_s, false, &change);

	if (ret_change != NULL)
		*ret_change = change;
	return at_s;
}

int64_t zone_utc_last(const struct zone *z, int64_t local_s)
{
	enum clock_change change;

	return find(z, local_s, true, &change);
}
