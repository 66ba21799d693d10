/* civil: days and dates of the proleptic Gregorian calendar, without any time zone. */
#ifndef ROLLCALL_SERVER_BASE_CIVIL_H
#define ROLLCALL_SERVER_BASE_CIVIL_H

#include <stdbool.h>
#include <stdint.h>

#define DAY_S 86400

struct civil {
	int64_t year;
	int month, day; /* 1 …; 1 … */
};

/* Days since 1970-01-01. */
int64_t civil_days(int64_t year, int month, int day);
struct civil civil_date(int64_t days);
int civil_month_days(int64_t year, int month);
/* 0 is Sunday. */
int civil_weekday(int64_t days);
/* Reads "2026-12-24", a date that there is. */
bool civil_parse(const char *text, int64_t *ret_days);

#endif
