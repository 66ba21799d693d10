/* base: see clock.h */
#include "server/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "server/base/civil.h"

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_now_ms(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t clock_mono_ms(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_boot_ms(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

const char *time_text(int64_t at_ms, char out[TIME_TEXT_SIZE])
{
	int64_t ms = at_ms % 1000;
	time_t seconds = (time_t)(at_ms / 1000);
	struct tm tm;

	if (ms < 0) {
		ms += 1000;
		seconds--;
	}
	if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year + 1900 > 9999 || tm.tm_year + 1900 < 0)
		snprintf(out, TIME_TEXT_SIZE, "9999-12-31T23:59:59.999Z");
	else
		snprintf(out, TIME_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
		         (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
		         (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
		         (unsigned)tm.tm_sec % 100, (unsigned)ms);
	return out;
}

static bool digits(const char **at, const char *end, int count, int *ret)
{
	int v = 0;

	if (end - *at < count)
		return false;
	for (int i = 0; i < count; i++) {
		char c = (*at)[i];

		if (c < '0' || c > '9')
			return false;
		v = v * 10 + (c - '0');
	}
	*at += count;
	*ret = v;
	return true;
}

static bool mark(const char **at, const char *end, const char *any_of)
{
	if (*at == end || strchr(any_of, **at) == NULL || **at == '\0')
		return false;
	(*at)++;
	return true;
}

static bool date_is_real(int y, int m, int d)
{
	return m >= 1 && m <= 12 && d >= 1 && d <= civil_month_days(y, m);
}

bool time_parse(const char *text, size_t len, bool lax, int64_t *ret_ms)
{
	const char *at = text, *end = text + len;
	int y, mo, d, h, mi, s, ms = 0, offset_h = 0, offset_m = 0, sign = 1;

	if (!digits(&at, end, 4, &y) || !mark(&at, end, "-") || !digits(&at, end, 2, &mo) ||
	    !mark(&at, end, "-") || !digits(&at, end, 2, &d) || !mark(&at, end, "Tt ") ||
	    !digits(&at, end, 2, &h) || !mark(&at, end, ":") || !digits(&at, end, 2, &mi) ||
	    !mark(&at, end, ":") || !digits(&at, end, 2, &s))
		return false;
	if (mark(&at, end, ".")) {
		int scale = 100;

		if (at == end || *at < '0' || *at > '9')
			return false;
		for (; at < end && *at >= '0' && *at <= '9'; at++, scale /= 10)
			ms += (*at - '0') * scale;
	}
	if (at == end) {
		if (!lax)
			return false;
	} else if (!mark(&at, end, "Zz")) {
		sign = *at == '-' ? -1 : 1;
		if (!mark(&at, end, "+-") || !digits(&at, end, 2, &offset_h) || !mark(&at, end, ":") ||
		    !digits(&at, end, 2, &offset_m))
			return false;
	}
	if (at != end || !date_is_real(y, mo, d) || h > 23 || mi > 59 || s > 60 || offset_h > 23 ||
	    offset_m > 59)
		return false;
	*ret_ms = (((civil_days(y, mo, d) * 24 + h - sign * offset_h) * 60 + mi - sign * offset_m) * 60 + s) *
	                  1000 +
	          ms;
	return true;
}

bool time_parse_http(const char *text, int64_t *ret_ms)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	const char *at = text, *end = text + strlen(text), *month;
	int y, d, h, mi, s;

	while (at < end && *at != ' ')
		at++;
	if (!mark(&at, end, " ") || !digits(&at, end, 2, &d) || !mark(&at, end, " ") || end - at < 4)
		return false;
	for (month = months; *month != '\0' && strncmp(month, at, 3) != 0; month += 3)
		;
	if (*month == '\0')
		return false;
	at += 3;
	if (!mark(&at, end, " ") || !digits(&at, end, 4, &y) || !mark(&at, end, " ") ||
	    !digits(&at, end, 2, &h) || !mark(&at, end, ":") || !digits(&at, end, 2, &mi) ||
	    !mark(&at, end, ":") || !digits(&at, end, 2, &s) || strcmp(at, " GMT") != 0)
		return false;
	if (!date_is_real(y, (int)(month - months) / 3 + 1, d) || h > 23 || mi > 59 || s > 60)
		return false;
	*ret_ms = (((civil_days(y, (int)(month - months) / 3 + 1, d) * 24 + h) * 60 + mi) * 60 + s) * 1000;
	return true;
}
