/* tests/golden: says what server/schedule finds, for schedule.py to compare. Reads lines of
 * "kind TAB zone TAB from_s TAB until_s TAB rule" (kind: cron or rrule) and answers each with the occurrences
 * after from and before until: "at_s/local_s/change …", or "! reason". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/schedule/recurrence.h"

static void answer(struct zones *zones, char *line)
{
	char *field[5], reason[RECURRENCE_REASON_SIZE], *save = NULL;
	struct recurrence *r = NULL;
	const struct zone *z;
	struct occurrence o;
	int64_t until_ms;
	enum err err;

	for (size_t i = 0; i < 5; i++) {
		field[i] = strtok_r(i == 0 ? line : NULL, "\t\n", &save);
		if (field[i] == NULL) {
			puts("! five fields");
			return;
		}
	}
	for (char *c = field[4]; *c != '\0'; c++)
		*c = *c == '|' ? '\n' : *c;
	err = strcmp(field[0], "cron") == 0 ? recurrence_cron(field[4], &r, reason)
	                                    : recurrence_rrule(field[4], INT64_MIN, &r, reason);
	z = zones_get(zones, field[1]);
	if (err != ERR_OK || z == NULL) {
		printf("! %s\n", err != ERR_OK ? reason : "no such zone");
		recurrence_free(r);
		return;
	}
	o.at_ms = strtoll(field[2], NULL, 10) * 1000;
	until_ms = strtoll(field[3], NULL, 10) * 1000;
	while (recurrence_next(r, z, o.at_ms, &o) && o.at_ms < until_ms)
		printf("%lld/%lld/%d ", (long long)(o.at_ms / 1000), (long long)o.local_s, (int)o.change);
	putchar('\n');
	recurrence_free(r);
}

int main(void)
{
	struct zones *zones = zones_new(NULL);
	char line[8192];

	while (fgets(line, sizeof line, stdin) != NULL) {
		answer(zones, line);
		fflush(stdout);
	}
	zones_free(zones);
	return 0;
}
