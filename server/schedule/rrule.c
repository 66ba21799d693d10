/* schedule: see rrule.h. What a rule takes from its start is written into it when it is read, and HOURLY
 * becomes DAILY with hours: so the walk may begin in any period, not at a start that may be decades ago. */
#include "server/schedule/rrule.h"

#include <assert.h>
#include <libical/ical.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/base/buf.h"
#include "server/base/civil.h"

#define LIST_MAX 1000    /* EXDATE and RDATE each */
#define COUNT_MAX 10000u /* a walk begins at the start, then */
#define NO_START INT64_MIN

struct moment {
	int64_t local_s;
	bool is_day; /* the whole of it */
};

enum until { UNTIL_NONE, UNTIL_LOCAL, UNTIL_DAY, UNTIL_UTC };

struct rrule {
	/* Without UNTIL, COUNT, the interval of weeks, and the months where days of the year are given; lists
	 * sorted. */
	struct icalrecurrencetype rule;
	bool has_rule;
	int count;       /* 0: no limit */
	int week_every;  /* which of the weeks from the start's own; 1: each */
	uint16_t months; /* 1 << month for each that is meant; 0: all */
	int64_t start_s; /* NO_START: none was given */
	enum until until;
	int64_t until_s;
	struct moment exdates[LIST_MAX];
	size_t exdates_n;
	int64_t rdates[LIST_MAX]; /* sorted */
	size_t rdates_n;
};

struct reader {
	struct rrule *r;
	char *reason;
	size_t size;
};

static bool refuse(const struct reader *in, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(const struct reader *in, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(in->reason, in->size, format, ap);
	va_end(ap);
	return false;
}

/* ---- values ---- */

static bool digits(const char *at, int n, int *ret)
{
	*ret = 0;
	for (int i = 0; i < n; i++) {
		if (at[i] < '0' || at[i] > '9')
			return false;
		*ret = *ret * 10 + (at[i] - '0');
	}
	return true;
}

/* Reads "20261224" or "20261224T023000", and "…Z" where may_be_utc. */
static bool read_moment(const char *text, size_t n, bool may_be_utc, struct moment *ret, bool *ret_is_utc)
{
	int y, mo, d, h = 0, mi = 0, s = 0;

	if ((n != 8 && n != 15 && n != 16) || !digits(text, 4, &y) || !digits(text + 4, 2, &mo) ||
	    !digits(text + 6, 2, &d) || mo < 1 || mo > 12 || d < 1 || d > civil_month_days(y, mo))
		return false;
	if (n > 8 && (text[8] != 'T' || !digits(text + 9, 2, &h) || !digits(text + 11, 2, &mi) ||
	              !digits(text + 13, 2, &s) || h > 23 || mi > 59 || s > 59))
		return false;
	*ret_is_utc = n == 16;
	if (*ret_is_utc && (text[15] != 'Z' || !may_be_utc))
		return false;
	*ret = (struct moment){civil_days(y, mo, d) * DAY_S + h * 3600 + mi * 60 + s, n == 8};
	return true;
}

static bool read_list(const struct reader *in, const char *name, const char *text)
{
	struct rrule *r = in->r;
	bool is_ex = strcmp(name, "EXDATE") == 0, is_utc;

	for (;;) {
		size_t n = strcspn(text, ",");
		struct moment m;

		if (!read_moment(text, n, false, &m, &is_utc) || (!is_ex && m.is_day))
			return refuse(
			        in,
			        "%s must list local times like 20261224T023000, without zone or Z, not \"%.*s\"",
			        name, (int)(n < 40 ? n : 40), text);
		if ((is_ex ? r->exdates_n : r->rdates_n) == LIST_MAX)
			return refuse(in, "%s lists more than %d times", name, LIST_MAX);
		if (is_ex)
			r->exdates[r->exdates_n++] = m;
		else
			r->rdates[r->rdates_n++] = m.local_s / 60 * 60;
		if (text[n] == '\0')
			return true;
		text += n + 1;
	}
}

/* ---- the rule ---- */

static bool read_until(const struct reader *in, const char *text)
{
	struct moment m;
	bool is_utc;

	if (!read_moment(text, strlen(text), true, &m, &is_utc))
		return refuse(
		        in, "UNTIL must be like 20261224, 20261224T023000 or 20261224T023000Z, not \"%.40s\"",
		        text);
	in->r->until = m.is_day ? UNTIL_DAY : is_utc ? UNTIL_UTC : UNTIL_LOCAL;
	in->r->until_s = m.local_s;
	return true;
}

/* Goes through the parts: refuses what libical would pass over or take as something else, keeps UNTIL, and
 * leaves the rest in rest. */
static bool read_parts(const struct reader *in, const char *text, struct buf *rest)
{
	static const char *const known[] = {"FREQ",     "INTERVAL", "COUNT",      "UNTIL",     "WKST",
	                                    "BYMONTH",  "BYDAY",    "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO",
	                                    "BYSETPOS", "BYHOUR",   "BYMINUTE",   "BYSECOND",  NULL};
	unsigned seen = 0;
	char part[256];

	for (;;) {
		size_t n = strcspn(text, ";"), i = 0;
		char *value;

		if (n == 0 || n >= sizeof part)
			return refuse(in, "must be parts like FREQ=WEEKLY with ; between them");
		memcpy(part, text, n);
		part[n] = '\0';
		value = strchr(part, '=');
		if (value != NULL)
			*value++ = '\0';
		while (known[i] != NULL && strcasecmp(part, known[i]) != 0)
			i++;
		if (known[i] == NULL || value == NULL || value[0] == '\0')
			return refuse(in, "\"%.60s\" is no part of a rule that is known here", part);
		if (seen & 1u << i)
			return refuse(in, "has %s twice", known[i]);
		if (value[0] == ',' || value[strlen(value) - 1] == ',' || strstr(value, ",,") != NULL)
			return refuse(in, "%s has an empty item", known[i]);
		seen |= 1u << i;
		if (strcasecmp(part, "UNTIL") == 0) {
			if (!read_until(in, value))
				return false;
		} else {
			buf_printf(rest, "%s%s=%s", rest->len > 0 ? ";" : "", known[i], value);
		}
		if (text[n] == '\0')
			break;
		text += n + 1;
	}
	if (!(seen & 1u))
		return refuse(in, "must have FREQ");
	if ((seen & 4u) && (seen & 8u))
		return refuse(in, "must not have both COUNT and UNTIL");
	return true;
}

#define END ICAL_RECURRENCE_ARRAY_MAX

static int by_value(const void *a, const void *b)
{
	return *(const short *)a - *(const short *)b;
}

static size_t list_n(const short *list, size_t size)
{
	size_t n = 0;

	while (list[n] != END)
		n++;
	assert(n < size);
	return n;
}

/* libical gives times in the order of these lists, and each as often as it is there. */
static void sort(short *list, size_t size)
{
	size_t n = list_n(list, size), kept = 0;

	qsort(list, n, sizeof *list, by_value);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || list[i] != list[kept - 1])
			list[kept++] = list[i];
	list[kept] = END;
}

#define LIST_N(list) list_n(list, sizeof(list) / sizeof *(list))
#define SORT(list) sort(list, sizeof(list) / sizeof *(list))

static void set_one(short *list, int value)
{
	list[0] = (short)value;
	list[1] = END;
}

static bool has_ordinals(const struct icalrecurrencetype *rule)
{
	for (size_t i = 0; i < LIST_N(rule->by_day); i++)
		if (icalrecurrencetype_day_position(rule->by_day[i]) != 0)
			return true;
	return false;
}

/* What RFC 5545, 3.3.10 forbids, and what libical does not do as it says there. */
static bool check_rule(const struct reader *in)
{
	const struct icalrecurrencetype *rule = &in->r->rule;
	icalrecurrencetype_frequency f = rule->freq;
	bool is_long = f == ICAL_MONTHLY_RECURRENCE || f == ICAL_YEARLY_RECURRENCE;

	if (f == ICAL_MINUTELY_RECURRENCE || f == ICAL_SECONDLY_RECURRENCE)
		return refuse(
		        in,
		        "FREQ must be HOURLY, DAILY, WEEKLY, MONTHLY or YEARLY: for minutes say BYMINUTE");
	if (LIST_N(rule->by_second) > 1 || (LIST_N(rule->by_second) == 1 && rule->by_second[0] != 0))
		return refuse(in, "BYSECOND must be 0 or left out");
	if (LIST_N(rule->by_week_no) > 0) /* libical 3.0 leaves out days of the last week of a year */
		return refuse(in, "BYWEEKNO is not taken: say the days with BYMONTH and BYDAY");
	if (has_ordinals(rule) && !is_long)
		return refuse(in, "BYDAY with numbers is for FREQ=MONTHLY and YEARLY");
	if (LIST_N(rule->by_year_day) > 0 && f != ICAL_YEARLY_RECURRENCE)
		return refuse(in, "BYYEARDAY is for FREQ=YEARLY");
	if (LIST_N(rule->by_month_day) > 0 && f == ICAL_WEEKLY_RECURRENCE)
		return refuse(in, "BYMONTHDAY is not for FREQ=WEEKLY");
	if (LIST_N(rule->by_set_pos) > 0 &&
	    (!is_long || LIST_N(rule->by_hour) > 1 || LIST_N(rule->by_minute) > 1))
		return refuse(in, "BYSETPOS is for FREQ=MONTHLY and YEARLY, with one time a day");
	if (LIST_N(rule->by_set_pos) > 0 && LIST_N(rule->by_year_day) > 0 && LIST_N(rule->by_month) > 0)
		return refuse(in, "BYSETPOS is not for BYYEARDAY with BYMONTH: say the days alone");
	if (rule->count > (int)COUNT_MAX)
		return refuse(in, "COUNT must be at most %u", COUNT_MAX);
	return true;
}

static bool needs_start(const struct reader *in, const char *what)
{
	return refuse(in, "must say %s, or have a DTSTART that does", what);
}

/* HOURLY as DAILY: the hours of a day are always the same where the interval divides it. */
static bool unfold_hours(const struct reader *in)
{
	struct icalrecurrencetype *rule = &in->r->rule;
	int64_t start_s = in->r->start_s;
	int first = start_s != NO_START ? (int)((start_s / 3600 % 24 + 24) % 24) : 0;
	bool wanted[24] = {false};
	size_t n = 0;

	if (24 % rule->interval != 0)
		return refuse(in, "INTERVAL must divide 24 where FREQ is HOURLY");
	for (int h = first % rule->interval; h < 24; h += rule->interval)
		wanted[h] = LIST_N(rule->by_hour) == 0;
	for (size_t i = 0; i < LIST_N(rule->by_hour); i++)
		wanted[rule->by_hour[i]] = (rule->by_hour[i] - first) % rule->interval == 0;
	for (int h = 0; h < 24; h++)
		if (wanted[h])
			rule->by_hour[n++] = (short)h;
	rule->by_hour[n] = END;
	if (n == 0)
		return refuse(in, "never occurs: no hour is left");
	rule->freq = ICAL_DAILY_RECURRENCE;
	rule->interval = 1;
	return true;
}

/* Writes into the rule what it takes from its start. */
static bool complete_rule(const struct reader *in)
{
	struct icalrecurrencetype *rule = &in->r->rule;
	bool has_start = in->r->start_s != NO_START;
	int64_t start_s = has_start ? in->r->start_s : 0, day = start_s / DAY_S - (start_s % DAY_S < 0);
	int minute = (int)((start_s - day * DAY_S) / 60);
	struct civil date = civil_date(day);
	bool is_weekly = rule->freq == ICAL_WEEKLY_RECURRENCE,
	     is_yearly = rule->freq == ICAL_YEARLY_RECURRENCE;
	bool has_day =
	        LIST_N(rule->by_day) > 0 || LIST_N(rule->by_month_day) > 0 || LIST_N(rule->by_year_day) > 0;

	if (!has_start && (rule->interval > 1 || rule->count > 0))
		return refuse(in, "%s needs a DTSTART to count from", rule->count > 0 ? "COUNT" : "INTERVAL");
	if (LIST_N(rule->by_minute) == 0) {
		if (!has_start && LIST_N(rule->by_hour) == 0)
			return needs_start(in, "BYHOUR and BYMINUTE");
		set_one(rule->by_minute, minute % 60);
	}
	if (rule->freq == ICAL_HOURLY_RECURRENCE && !unfold_hours(in))
		return false;
	if (LIST_N(rule->by_hour) == 0) {
		if (!has_start)
			return needs_start(in, "BYHOUR");
		set_one(rule->by_hour, minute / 60);
	}
	if (rule->freq != ICAL_DAILY_RECURRENCE && !has_day && !has_start)
		return needs_start(in, "BYDAY or BYMONTHDAY");
	if (!has_day && is_weekly)
		set_one(rule->by_day, civil_weekday(day) + 1); /* libical's Sunday is 1 */
	else if (!has_day && rule->freq != ICAL_DAILY_RECURRENCE)
		set_one(rule->by_month_day, date.day);
	if (!has_day && is_yearly && LIST_N(rule->by_month) == 0)
		set_one(rule->by_month, date.month);
	return true;
}

static bool has_negative(const short *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] < 0)
			return true;
	return false;
}

/* Puts the rule in a form that means the same and that libical 3.0.16 does right: FREQ=DAILY passes over days
 * from the month's end, FREQ=YEARLY with BYMONTHDAY over all months but one, finds no BYYEARDAY in most
 * BYMONTHs, and it takes the Sunday of the week before where weeks are left out. */
static bool straighten(const struct reader *in)
{
	struct icalrecurrencetype *rule = &in->r->rule;
	size_t days_n = LIST_N(rule->by_month_day);

	if (rule->freq == ICAL_DAILY_RECURRENCE && days_n > 0 && rule->interval == 1)
		rule->freq = ICAL_MONTHLY_RECURRENCE;
	if (rule->freq == ICAL_DAILY_RECURRENCE && has_negative(rule->by_month_day, days_n))
		return refuse(in, "BYMONTHDAY must not be negative where days are left out by INTERVAL");
	if (rule->freq == ICAL_YEARLY_RECURRENCE && days_n > 0 && LIST_N(rule->by_month) == 0) {
		for (int m = 1; m <= 12; m++)
			rule->by_month[m - 1] = (short)m;
		rule->by_month[12] = END;
	}
	if (LIST_N(rule->by_year_day) > 0) {
		for (size_t i = 0; i < LIST_N(rule->by_month); i++)
			in->r->months |= (uint16_t)(1u << rule->by_month[i]);
		rule->by_month[0] = END;
	}
	in->r->week_every = rule->freq == ICAL_WEEKLY_RECURRENCE ? rule->interval : 1;
	if (rule->freq == ICAL_WEEKLY_RECURRENCE)
		rule->interval = 1;
	in->r->count = rule->count;
	rule->count = 0;
	set_one(rule->by_second, 0);
	SORT(rule->by_hour);
	SORT(rule->by_minute);
	return true;
}

static struct icaltimetype ical_time(int64_t local_s)
{
	int64_t day = local_s / DAY_S - (local_s % DAY_S < 0);
	int second = (int)(local_s - day * DAY_S);
	struct civil date = civil_date(day);
	struct icaltimetype t = icaltime_null_time();

	t.year = (int)date.year;
	t.month = date.month;
	t.day = date.day;
	t.hour = second / 3600;
	t.minute = second / 60 % 60;
	t.second = second % 60;
	return t;
}

static bool read_rule(const struct reader *in, const char *text)
{
	struct buf rest = BUF_INIT;
	bool is_sound = read_parts(in, text, &rest);

	if (is_sound) {
		icalerror_clear_errno();
		in->r->rule = icalrecurrencetype_from_string(rest.data);
		if (in->r->rule.freq == ICAL_NO_RECURRENCE)
			is_sound = refuse(
			        in, "is not a rule that RFC 5545 allows: a value is out of range or unknown");
	}
	buf_done(&rest);
	in->r->has_rule = true;
	return is_sound && check_rule(in);
}

/* ---- lines ---- */

static bool read_line(const struct reader *in, char *line)
{
	size_t name_n = strcspn(line, ":;");
	char *value = strchr(line, ':'), *params;
	struct moment m;
	bool is_utc;

	if (value == NULL)
		return refuse(in,
		              "the line \"%.60s\" must begin with DTSTART:, RRULE:, EXDATE: or RDATE:", line);
	*value++ = '\0';
	params = line + name_n;
	if (params[0] == ';') {
		*params++ = '\0';
		if (strcasecmp(params, "VALUE=DATE") != 0 && strcasecmp(params, "VALUE=DATE-TIME") != 0)
			return refuse(in, "%.20s must not have %.40s: the zone is said by timeZone", line,
			              params);
	}
	if (strcasecmp(line, "RRULE") == 0)
		return in->r->has_rule ? refuse(in, "has RRULE twice") : read_rule(in, value);
	if (strcasecmp(line, "EXDATE") == 0)
		return read_list(in, "EXDATE", value);
	if (strcasecmp(line, "RDATE") == 0)
		return read_list(in, "RDATE", value);
	if (strcasecmp(line, "DTSTART") != 0)
		return refuse(in, "the line \"%.20s\" is not known: DTSTART, RRULE, EXDATE or RDATE", line);
	if (!read_moment(value, strlen(value), false, &m, &is_utc))
		return refuse(
		        in,
		        "DTSTART must be a local time like 20261224T023000, without zone or Z, not \"%.40s\"",
		        value);
	in->r->start_s = m.local_s / 60 * 60;
	return true;
}

static bool read_lines(const struct reader *in, char *text)
{
	if (strchr(text, ':') == NULL)
		return read_rule(in, text);
	for (char *line = text; *line != '\0';) {
		size_t n = strcspn(line, "\r\n");
		bool is_last = line[n] == '\0';

		line[n] = '\0';
		if (n > 0 && !read_line(in, line))
			return false;
		line += is_last ? n : n + 1;
	}
	if (!in->r->has_rule && in->r->rdates_n == 0)
		return refuse(in, "has neither RRULE nor RDATE");
	return true;
}

static int by_time(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

enum err rrule_parse(const char *text, int64_t from_s, struct rrule **ret, char *reason, size_t size)
{
	struct reader in = {xcalloc(1, sizeof *in.r), reason, size};
	char *copy = xstrdup(text);
	bool is_sound;

	in.r->start_s = NO_START;
	is_sound = read_lines(&in, copy);
	if (in.r->start_s == NO_START && from_s != NO_START)
		in.r->start_s = from_s - (from_s % 60 + 60) % 60;
	if (is_sound && in.r->has_rule)
		is_sound = complete_rule(&in) && straighten(&in);
	free(copy);
	if (!is_sound) {
		rrule_free(in.r);
		return ERR_INVALID;
	}
	qsort(in.r->rdates, in.r->rdates_n, sizeof *in.r->rdates, by_time);
	*ret = in.r;
	return ERR_OK;
}

void rrule_free(struct rrule *r)
{
	free(r);
}

/* ---- walking ---- */

struct rrule_walk {
	const struct rrule *r;
	icalrecur_iterator *iterator; /* NULL: the rule is exhausted */
	int64_t from_s, rule_s;       /* the rule's next */
	size_t rdate;                 /* the next of those */
	int counted;
	int64_t last_s;
	bool has_last;
};

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* The first day of the period that the day is in. */
static int64_t period_start(const struct icalrecurrencetype *rule, int64_t day)
{
	struct civil date = civil_date(day);

	if (rule->freq == ICAL_WEEKLY_RECURRENCE)
		return day - (civil_weekday(day) - ((int)rule->week_start - 1) + 7) % 7;
	if (rule->freq == ICAL_MONTHLY_RECURRENCE)
		return civil_days(date.year, date.month, 1);
	return rule->freq == ICAL_YEARLY_RECURRENCE ? civil_days(date.year, 1, 1) : day;
}

/* Counts periods, of those that begin at a and b. */
static int64_t periods_between(const struct icalrecurrencetype *rule, int64_t a, int64_t b)
{
	struct civil x = civil_date(a), y = civil_date(b);

	if (rule->freq == ICAL_WEEKLY_RECURRENCE)
		return (b - a) / 7;
	if (rule->freq == ICAL_MONTHLY_RECURRENCE)
		return (y.year - x.year) * 12 + y.month - x.month;
	return rule->freq == ICAL_YEARLY_RECURRENCE ? y.year - x.year : b - a;
}

static int64_t period_after(const struct icalrecurrencetype *rule, int64_t start, int64_t n)
{
	struct civil x = civil_date(start);
	int64_t months = x.year * 12 + x.month - 1 + n;

	if (rule->freq == ICAL_WEEKLY_RECURRENCE)
		return start + 7 * n;
	if (rule->freq == ICAL_MONTHLY_RECURRENCE)
		return civil_days(floor_div(months, 12), (int)(months - floor_div(months, 12) * 12) + 1, 1);
	return rule->freq == ICAL_YEARLY_RECURRENCE ? civil_days(x.year + n, 1, 1) : start + n;
}

/* Where libical may begin to give all from from_s on: in a period of the rule, with one to spare, since the
 * first week of a year may begin in the one before. */
static int64_t walk_start(const struct rrule *r, int64_t from_s)
{
	const struct icalrecurrencetype *rule = &r->rule;
	int64_t from = period_start(rule, floor_div(from_s, DAY_S)), first, n;

	if (r->count > 0) /* counted from the start */
		from = period_start(rule, floor_div(r->start_s, DAY_S));
	if (r->start_s == NO_START)
		return period_after(rule, from, -1) * DAY_S;
	first = period_start(rule, floor_div(r->start_s, DAY_S));
	n = floor_div(periods_between(rule, first, from), rule->interval) - 1;
	return period_after(rule, first, n > 0 ? n * rule->interval : 0) * DAY_S;
}

static int64_t local_of(struct icaltimetype t)
{
	return civil_days(t.year, t.month, t.day) * DAY_S + t.hour * 3600 + t.minute * 60 + t.second;
}

/* By what libical is not asked for. */
static bool is_left_out(const struct rrule *r, int64_t local_s)
{
	int64_t day = floor_div(local_s, DAY_S), start = floor_div(r->start_s, DAY_S);

	if (r->months != 0 && (r->months & 1u << civil_date(day).month) == 0)
		return true;
	return r->week_every > 1 &&
	       (period_start(&r->rule, day) - period_start(&r->rule, start)) / 7 % r->week_every != 0;
}

/* Takes the rule's next that is neither before the walk's start nor before its own. */
static void step(struct rrule_walk *w)
{
	const struct rrule *r = w->r;

	while (w->iterator != NULL) {
		struct icaltimetype t = icalrecur_iterator_next(w->iterator);

		if (icaltime_is_null_time(t) || (r->count > 0 && w->counted == r->count)) {
			rrule_walk_end_rule(w);
			return;
		}
		w->rule_s = local_of(t);
		if ((r->start_s != NO_START && w->rule_s < r->start_s) || is_left_out(r, w->rule_s))
			continue;
		w->counted++;
		if (w->rule_s >= w->from_s)
			return;
	}
}

struct rrule_walk *rrule_walk_new(const struct rrule *r, int64_t from_s)
{
	struct rrule_walk *w = xcalloc(1, sizeof *w);

	w->r = r;
	w->from_s = from_s;
	if (r->has_rule)
		w->iterator = icalrecur_iterator_new(r->rule, ical_time(walk_start(r, from_s)));
	step(w);
	while (w->rdate < r->rdates_n && r->rdates[w->rdate] < from_s)
		w->rdate++;
	return w;
}

static bool is_excluded(const struct rrule *r, int64_t local_s)
{
	for (size_t i = 0; i < r->exdates_n; i++) {
		const struct moment *m = &r->exdates[i];

		if (m->is_day ? floor_div(local_s, DAY_S) == floor_div(m->local_s, DAY_S)
		              : local_s == m->local_s / 60 * 60)
			return true;
	}
	return false;
}

bool rrule_walk_next(struct rrule_walk *w, int64_t *ret_s, bool *ret_is_rule)
{
	const struct rrule *r = w->r;
	int64_t at_s;

	do {
		bool has_rdate = w->rdate < r->rdates_n;

		if (w->iterator == NULL && !has_rdate)
			return false;
		if (w->iterator == NULL || (has_rdate && r->rdates[w->rdate] < w->rule_s)) {
			at_s = r->rdates[w->rdate++];
			*ret_is_rule = false;
		} else {
			at_s = w->rule_s;
			*ret_is_rule = true;
			step(w);
		}
	} while ((w->has_last && at_s == w->last_s) || is_excluded(r, at_s));
	w->last_s = *ret_s = at_s;
	w->has_last = true;
	return true;
}

void rrule_walk_end_rule(struct rrule_walk *w)
{
	if (w->iterator != NULL)
		icalrecur_iterator_free(w->iterator);
	w->iterator = NULL;
}

void rrule_walk_free(struct rrule_walk *w)
{
	rrule_walk_end_rule(w);
	free(w);
}

bool rrule_is_over(const struct rrule *r, int64_t local_s, int64_t at_s)
{
	if (r->until == UNTIL_UTC)
		return at_s > r->until_s;
	if (r->until == UNTIL_DAY)
		return local_s >= r->until_s + DAY_S;
	return r->until == UNTIL_LOCAL && local_s > r->until_s;
}
