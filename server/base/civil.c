/* base: see civil.h */
#include "server/base/civil.h"

#include <stddef.h>

/* Whole 400-year eras, then the day of a year that starts in March, so that the leap day comes last. */
int64_t civil_days(int64_t y, int m, int d)
{
	int64_t era, year_of_era, day_of_year;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	year_of_era = y - era * 400;
	day_of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

struct civil civil_date(int64_t days)
{
	int64_t shifted = days + 719468, era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	int64_t of_era = shifted - era * 146097; /* 0 … 146096 */
	int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month = (5 * of_year + 2) / 153; /* from March */
	int m = (int)(month < 10 ? month + 3 : month - 9);

	return (struct civil){year_of_era + era * 400 + (m <= 2), m,
	                      (int)(of_year - (153 * month + 2) / 5) + 1};
}

int civil_month_days(int64_t y, int m)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool is_leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

	return days[m - 1] + (m == 2 && is_leap ? 1 : 0);
}

int civil_weekday(int64_t days)
{
	int64_t d = (days + 4) % 7; /* 1970-01-01 was a Thursday */

	return (int)(d < 0 ? d + 7 : d);
}

static bool number(const char *at, int digits, int *ret)
{
	*ret = 0;
	for (int i = 0; i < digits; i++) {
		if (at[i] < '0' || at[i] > '9')
			return false;
		*ret = *ret * 10 + (at[i] - '0');
	}
	return true;
}

bool civil_parse(const char *text, int64_t *ret_days)
{
	int y, m, d;

	if (!number(text, 4, &y) || text[4] != '-' || !number(text + 5, 2, &m) || text[7] != '-' ||
	    !number(text + 8, 2, &d) || text[10] != '\0' || m < 1 || m > 12 || d < 1 ||
	    d > civil_month_days(y, m))
		return false;
	*ret_days = civil_days(y, m, d);
	return true;
}
