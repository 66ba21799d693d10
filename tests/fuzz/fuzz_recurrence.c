/* tests: cron and RRULE under libFuzzer: what is not refused with a reason occurs; its occurrences come in
 * order, each once, on whole minutes, and are the same from wherever one looks. The first byte says which of
 * the two, and where. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/schedule/recurrence.h"

#define FROM_MS INT64_C(1772150400000) /* 2026-02-27 */
#define LOOKS 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct zones *zones;

static void check_from(const struct recurrence *r, const struct zone *z, int64_t after_ms)
{
	struct occurrence o, again;
	char text[LOCAL_TEXT_SIZE];

	for (int i = 0; i < LOOKS && recurrence_next(r, z, after_ms, &o); i++) {
		assert(o.at_ms > after_ms);
		assert(o.local_s * 1000 == o.at_ms + (int64_t)o.offset_s * 1000);
		assert(strlen(occurrence_text(&o, text)) == strlen("2026-03-29T03:30:00+02:00"));
		assert(recurrence_next(r, z, o.at_ms - 1, &again) && again.at_ms == o.at_ms);
		assert(recurrence_next(r, z, after_ms + (o.at_ms - after_ms) / 2, &again));
		assert(again.at_ms == o.at_ms || o.at_ms - after_ms == 1);
		after_ms = o.at_ms;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const names[] = {"UTC", "Europe/Stockholm", "Australia/Lord_Howe",
	                                    "America/Havana"};
	char reason[RECURRENCE_REASON_SIZE] = "", *text;
	struct recurrence *r = NULL;
	enum err err;

	if (n == 0 || n > RECURRENCE_TEXT_MAX)
		return 0;
	if (zones == NULL)
		zones = zones_new(NULL);
	text = xstrndup((const char *)data + 1, n - 1);
	err = data[0] & 1 ? recurrence_cron(text, &r, reason)
	                  : recurrence_rrule(text, data[0] & 2 ? FROM_MS / 1000 : INT64_MIN, &r, reason);
	assert(err == ERR_OK || (err == ERR_INVALID && reason[0] != '\0' && r == NULL));
	if (err == ERR_OK)
		check_from(r, zones_get(zones, names[data[0] >> 2 & 3]), FROM_MS);
	recurrence_free(r);
	free(text);
	return 0;
}
