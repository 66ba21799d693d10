/* schedule: see cron.h */
#include "server/schedule/cron.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/base/civil.h"

static const char *const months[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL",
                                     "AUG", "SEP", "OCT", "NOV", "DEC", NULL};
static const char *const weekdays[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", NULL};

struct field {
	const char *name;
	unsigned min, max;
	const char *const *names; /* of min, min + 1 …; NULL: only numbers */
};

static const struct field fields[] = {
        {"minute", 0, 59, NULL},  {"hour", 0, 23, NULL},           {"day of month", 1, 31, NULL},
        {"month", 1, 12, months}, {"day of week", 0, 7, weekdays},
};
#define FIELDS_N (sizeof fields / sizeof *fields)

/* Reads a number or a name at *at and moves *at behind it. */
static bool read_value(const struct field *f, const char **at, unsigned *ret)
{
	const char *from = *at;

	for (size_t i = 0; f->names != NULL && f->names[i] != NULL; i++)
		if (strncasecmp(*at, f->names[i], 3) == 0) {
			*at += 3;
			*ret = f->min + (unsigned)i;
			return true;
		}
	for (*ret = 0; **at >= '0' && **at <= '9' && *at - from < 3; (*at)++)
		*ret = *ret * 10 + (unsigned)(**at - '0');
	return *at > from && *ret >= f->min && *ret <= f->max;
}

/* Reads one item of a list: *, a value or a range, with or without a step. */
static bool read_item(const struct field *f, const char **at, uint64_t *set, char *reason, size_t size)
{
	unsigned first = f->min, last = f->max, step = 1;
	bool is_span = true;

	if (**at == '*') {
		(*at)++;
		last = f->names == weekdays ? 6 : f->max; /* 7 is Sunday once more */
	} else {
		if (!read_value(f, at, &first)) {
			snprintf(reason, size, "the %s must be *, or numbers from %u to %u%s, not \"%.20s\"",
			         f->name, f->min, f->max,
			         f->names != NULL ? " or names of three letters" : "", *at);
			return false;
		}
		last = first;
		is_span = **at == '-';
		if (is_span) {
			(*at)++;
			if (!read_value(f, at, &last)) {
				snprintf(reason, size,
				         "the %s has a range that ends in no number from %u to %u: \"%.20s\"",
				         f->name, f->min, f->max, *at);
				return false;
			}
			if (f->names == weekdays && last == 0)
				last = 7;
		}
		if (last < first) {
			snprintf(reason, size, "the %s has a range that runs backwards: write it as two",
			         f->name);
			return false;
		}
	}
	if (**at == '/') {
		struct field steps = {f->name, 1, f->max, NULL};

		(*at)++;
		if (!is_span || !read_value(&steps, at, &step)) {
			snprintf(reason, size, "the %s has a step that is none: write */5 or 10-30/5",
			         f->name);
			return false;
		}
	}
	for (unsigned v = first; v <= last; v += step)
		*set |= UINT64_C(1) << v;
	return true;
}

static bool read_field(const struct field *f, const char **at, uint64_t *ret, char *reason, size_t size)
{
	*ret = 0;
	for (;;) {
		if (!read_item(f, at, ret, reason, size))
			return false;
		if (**at == '\0' || **at == ' ' || **at == '\t')
			return true;
		if (**at != ',') {
			snprintf(reason, size, "the %s cannot be read from \"%.20s\" on", f->name, *at);
			return false;
		}
		(*at)++;
	}
}

static size_t count_fields(const char *text)
{
	size_t n = 0;

	for (;;) {
		text += strspn(text, " \t");
		if (*text == '\0')
			return n;
		n++;
		text += strcspn(text, " \t");
	}
}

/* Whether a day of the month is in one of the months, in some year. */
static bool has_day(const struct cron *c)
{
	for (int m = 1; m <= 12; m++)
		for (int d = 1; (c->months & 1u << m) && d <= civil_month_days(2000, m); d++)
			if (c->days & 1u << d)
				return true;
	return false;
}

bool cron_parse(const char *text, struct cron *ret, char *reason, size_t size)
{
	uint64_t sets[FIELDS_N];
	bool is_star[FIELDS_N];

	if (count_fields(text) != FIELDS_N) {
		snprintf(reason, size,
		         "must have five fields (minute, hour, day of month, month, day of week), not %zu",
		         count_fields(text));
		return false;
	}
	for (size_t i = 0; i < FIELDS_N; i++) {
		text += strspn(text, " \t");
		is_star[i] = *text == '*';
		if (!read_field(&fields[i], &text, &sets[i], reason, size))
			return false;
	}
	*ret = (struct cron){.minutes = sets[0],
	                     .hours = (uint32_t)sets[1],
	                     .days = (uint32_t)sets[2],
	                     .months = (uint32_t)sets[3],
	                     .weekdays = (uint32_t)((sets[4] | sets[4] >> 7) & 127),
	                     .either_day = !is_star[2] && !is_star[4]};
	if (!ret->either_day && !has_day(ret)) {
		snprintf(reason, size, "never occurs: no such month has that day");
		return false;
	}
	return true;
}

/* Of a month that fits. */
static bool fits_day(const struct cron *c, int64_t days, int of_month)
{
	bool day = (c->days & 1u << of_month) != 0, weekday = (c->weekdays & 1u << civil_weekday(days)) != 0;

	return c->either_day ? day || weekday : day && weekday;
}

bool cron_next(const struct cron *c, int64_t from_s, int64_t until_s, int64_t *ret_s)
{
	int64_t minute = from_s / 60 + (from_s % 60 > 0), day = minute / 1440 - (minute % 1440 < 0);
	int of_day = (int)(minute - day * 1440);

	for (; day * DAY_S < until_s; day++, of_day = 0) {
		struct civil date = civil_date(day);

		if (!(c->months & 1u << date.month)) {
			day += civil_month_days(date.year, date.month) - date.day;
			continue;
		}
		if (!fits_day(c, day, date.day))
			continue;
		for (int h = of_day / 60; h < 24; h++) {
			uint64_t left = c->minutes >> (h == of_day / 60 ? of_day % 60 : 0);

			if (!(c->hours & 1u << h) || left == 0)
				continue;
			*ret_s = day * DAY_S + h * 3600 +
			         (__builtin_ctzll(left) + (h == of_day / 60 ? of_day % 60 : 0)) * 60;
			return *ret_s < until_s;
		}
	}
	return false;
}
